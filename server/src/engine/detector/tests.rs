//! Each detector on the smallest trace that shows it, and on one that almost does.

mod ended;

use harness_schema::detector::{self, DETECTORS};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::engine::trace::{Arguments, Call, Observation, Source, Step, Trace, Usage};

/// A trace in short form: each call is a step of its own.
#[derive(Default)]
struct Told(Trace);

impl Told {
    fn new(instruction: &str) -> Self {
        let mut trace = Trace {
            instruction: Some(instruction.to_owned()),
            max_steps: Some(40),
            window: Some(10_000),
            offered_tools: vec![String::from("shell"), String::from("write_file"), String::from("read_file")],
            ..Trace::default()
        };
        trace.push(Step::said(Source::User, instruction, ""));
        Self(trace)
    }

    fn step(mut self, step: Step) -> Self {
        self.0.push(Step { source: Source::Agent, ..step });
        self
    }

    fn call(self, call: Call) -> Self {
        self.step(Step { calls: vec![call], ..Step::default() })
    }

    /// A shell command, its exit code and what it printed.
    fn ran(self, command: &str, exit: i64, printed: &str) -> Self {
        self.call(shell(command, exit, printed))
    }

    fn wrote(self, path: &str, content: &str) -> Self {
        self.call(tool("write_file", json!({"path": path, "content": content}), 0, ""))
    }

    fn says(self, text: &str) -> Self {
        self.step(Step { message: text.to_owned(), ..Step::default() })
    }
}

fn tool(name: &str, arguments: Value, exit: i64, printed: &str) -> Call {
    let observation = Observation { exit: Some(exit), ..Observation::text(printed) };
    Call {
        id: None,
        tool: name.to_owned(),
        arguments: Arguments::Json(arguments),
        schema_ok: Some(true),
        observation: Some(observation),
    }
}

fn shell(command: &str, exit: i64, printed: &str) -> Call {
    tool("shell", json!({"command": command}), exit, printed)
}

fn seen(call: Call, change: impl FnOnce(&mut Observation)) -> Call {
    let mut observation = call.observation.clone().unwrap();
    change(&mut observation);
    Call { observation: Some(observation), ..call }
}

/// The steps that a detector finds.
fn steps(name: &str, told: &Told, count: Option<u32>) -> Vec<usize> {
    let reading = Reading::of(&told.0, "/app");
    find(&reading, detector::named(name).unwrap(), count).map(|found| found.steps).unwrap_or_default()
}

#[track_caller]
fn check(name: &str, told: &Told, expected: &[usize]) {
    assert_eq!(steps(name, told, None), expected, "{name}");
}

const TASK: &str = "Read data.csv and write the sum to `out.txt`.";

#[test]
fn every_trigger_has_a_rule() {
    for detector in DETECTORS {
        let has_rule = RULES.iter().any(|(id, ..)| *id == detector.id);
        assert_eq!(has_rule, detector.on != On::End, "{}", detector.name);
    }
}

#[test]
fn the_same_failing_call() {
    let told = Told::new(TASK).ran("make x1", 2, "").ran("ls", 0, "").ran("make x2", 2, "");
    check("loop-identical-fail", &told, &[]);
    assert_eq!(steps("loop-identical-fail", &told, Some(2)), [2, 4]);
    check("loop-identical-fail", &told.ran("make x3", 2, ""), &[2, 4, 5]);
    let ok = Told::new(TASK).ran("make", 0, "").ran("make", 0, "").ran("make", 2, "");
    check("loop-identical-fail", &ok, &[]);
    check("loop-consecutive", &ok, &[2, 3, 4]);
    check(
        "loop-consecutive",
        &Told::new(TASK).ran("a", 0, "").ran("a", 0, "").ran("b", 0, "").ran("a", 0, ""),
        &[],
    );
}

#[test]
fn calls_that_go_round() {
    let round = |count: usize| {
        (0..count).fold(Told::new(TASK), |told, at| told.ran(["cat a", "cat b"][at % 2], 0, ""))
    };
    check("loop-cycle", &round(5), &[]);
    check("loop-cycle", &round(6), &[2, 3, 4, 5, 6, 7]);
    let three = (0..6).fold(Told::new(TASK), |told, at| told.ran(["cat a", "cat b", "cat c"][at % 3], 0, ""));
    check("loop-cycle", &three, &[2, 3, 4, 5, 6, 7]);
    check("loop-cycle", &(0..6).fold(Told::new(TASK), |told, _| told.ran("cat a", 0, "")), &[]);
}

#[test]
fn tests_that_stay_red_with_the_same_message() {
    let red = |told: Told, text: &str| told.ran("pytest", 1, text);
    let told = red(red(red(Told::new(TASK), "E   assert 1 == 2"), "E   assert 1 == 3"), "E   assert 4 == 5");
    check("stuck-red", &told, &[2, 3, 4]);
    check("stuck-red", &red(told, "E   KeyError here"), &[]);
}

#[test]
fn a_file_that_is_written_again_and_again() {
    let told = ["a", "b", "c"].into_iter().fold(Told::new(TASK), |told, text| told.wrote("x.py", text));
    check("edit-thrash", &told, &[]);
    check("edit-thrash", &told.wrote("/app/x.py", "d"), &[2, 3, 4, 5]);
    check(
        "edit-thrash",
        &["a", "b", "a"].into_iter().fold(Told::new(TASK), |told, text| told.wrote("x.py", text)),
        &[2, 3, 4],
    );
    let replace =
        |old: &str, new: &str| tool("replace_in_file", json!({"path": "x", "old": old, "new": new}), 0, "");
    check("edit-thrash", &Told::new(TASK).call(replace("a", "b")).call(replace("b", "a")), &[2, 3]);
}

#[test]
fn files_that_the_task_asks_for() {
    let idle = Told::new(TASK).ran("cat data.csv", 0, "1\n2").says("The sum is 3.");
    check("no-write", &idle, &[3]);
    check("artifact-never-created", &idle, &[3]);
    check("no-write", &Told::new("What does main.py do?").says("It prints."), &[]);
    let wrong = Told::new(TASK).ran("echo 3 > results/out.txt", 0, "");
    check("no-write", &wrong, &[]);
    let wrong = Told::new("Write the sum to /app/sums/out.txt.").ran("echo 3 > /app/other/out.txt", 0, "");
    check("artifact-wrong-place", &wrong, &[2]);
    let right = Told::new(TASK).ran("echo 3 > /app/out.txt", 0, "");
    check("artifact-never-created", &right, &[]);
    check("artifact-wrong-place", &right, &[]);
    check("artifact-overwritten", &right, &[]);
    check("artifact-overwritten", &right.ran("rm -f out.txt", 0, ""), &[3]);
    let again = Told::new(TASK).wrote("out.txt", "3").ran("mv out.txt old.txt", 0, "").wrote("out.txt", "3");
    check("artifact-overwritten", &again, &[]);
}

#[test]
fn what_was_asked_to_the_letter() {
    let told = Told::new("Serve on port 8080 and write `ready now` to out.txt.");
    let told = told.ran("echo ready now > out.txt", 0, "");
    check("requirement-dropped", &told, &[2]);
    check("requirement-dropped", &told.ran("python3 -m http.server 8080 &", 0, ""), &[]);
}

#[test]
fn work_that_nobody_looked_at() {
    let unseen = Told::new(TASK).ran("echo 3 > out.txt", 0, "").says("Done.");
    check("never-verified", &unseen, &[2]);
    check("no-verify-after-last-write", &unseen, &[2]);
    check("claim-without-evidence", &unseen, &[3]);
    check("premature-finish", &unseen, &[3]);
    let seen = Told::new(TASK).ran("echo 3 > out.txt", 0, "").ran("cat out.txt", 0, "3").says("Done.");
    for name in ["never-verified", "no-verify-after-last-write", "claim-without-evidence", "premature-finish"]
    {
        check(name, &seen, &[]);
    }
    check("no-verify-after-last-write", &seen.ran("echo 4 > out.txt", 0, ""), &[5]);
    let long = (0..12).fold(Told::new(TASK), |told, _| told.ran("ls", 0, "")).ran("echo 3 > out.txt", 0, "");
    check("premature-finish", &long, &[]);
    let mut late = Reading::of(&unseen.0, "/app");
    late.use_time(0.5);
    assert_eq!(find(&late, detector::named("premature-finish").unwrap(), None), None);
}

#[test]
fn errors_that_were_left_behind() {
    let red = Told::new(TASK).ran("echo 3 > out.txt", 0, "").ran("pytest", 1, "FAILED a").says("Done.");
    check("stopped-on-red", &red, &[3]);
    check("finished-on-error", &red, &[3]);
    check("stopped-on-red", &red.ran("pytest", 0, "1 passed"), &[]);
    let ignored = Told::new(TASK).ran("python3 sum.py", 1, "ValueError: x");
    let ignored = ignored.ran("ls", 0, "").ran("pwd", 0, "").ran("cat data.csv", 0, "");
    check("ignored-exit", &ignored, &[2, 5]);
    let minded =
        Told::new(TASK).ran("python3 sum.py", 1, "ValueError: x").ran("ls", 0, "").ran("cat sum.py", 0, "");
    check("ignored-exit", &minded.ran("ls", 0, ""), &[]);
}

#[test]
fn calls_that_take_too_long() {
    let late = |command: &str| seen(shell(command, 124, ""), |seen| seen.timed_out = true);
    check("command-timeout", &Told::new(TASK).call(late("make")), &[2]);
    check("blocking-foreground", &Told::new(TASK).call(late("make")), &[]);
    for command in ["python3 -m http.server 8000", "vim a.txt", "python3", "tail -f log"] {
        check("blocking-foreground", &Told::new(TASK).call(late(command)), &[2]);
    }
    check("blocking-foreground", &Told::new(TASK).ran("vim a.txt", 1, ""), &[]);
}

#[test]
fn calls_that_are_none() {
    let raw =
        Call { arguments: Arguments::Raw(String::from("{")), schema_ok: Some(false), ..shell("", 0, "") };
    check("tool-call-parse", &Told::new(TASK).call(raw), &[2]);
    check(
        "tool-call-parse",
        &Told::new(TASK).call(Call { schema_ok: Some(false), ..shell("ls", 0, "") }),
        &[2],
    );
    check(
        "unknown-tool",
        &Told::new(TASK).call(Call { tool: String::from("bash"), ..shell("ls", 0, "") }),
        &[2],
    );
    check("unknown-tool", &Told::new(TASK).ran("ls", 0, ""), &[]);
    let idle = Told::new(TASK).says("I think.").says("I think.");
    check("no-action-turns", &idle, &[]);
    check("no-action-turns", &idle.says("I think."), &[2, 3, 4]);
}

#[test]
fn contexts_that_fill() {
    let used = |input: u64| Step { usage: Some(Usage { input, ..Usage::default() }), ..Step::default() };
    check("context-overflow", &Told::new(TASK).step(used(9_500)), &[]);
    check("context-overflow", &Told::new(TASK).step(used(9_501)), &[2]);
    let refused = Step { stop_reason: Some(String::from("context")), ..Step::default() };
    check("context-overflow", &Told::new(TASK).step(refused), &[2]);
    check("context-flood", &Told::new(TASK).ran("cat a", 0, &"x".repeat(24_000)), &[]);
    check("context-flood", &Told::new(TASK).ran("cat a", 0, &"x".repeat(24_005)), &[2]);
    check("context-flood", &Told::new(TASK).ran("cat a", 0, &"x".repeat(30_001)), &[2]);
}

#[test]
fn reads_that_were_cut() {
    let cut = seen(shell("cat big.log", 0, "…"), |seen| seen.truncated = true);
    let told = Told::new(TASK).call(cut.clone()).ran("ls", 0, "").ran("pwd", 0, "");
    check("truncated-read", &told, &[]);
    check("truncated-read", &told.ran("pwd", 0, ""), &[2, 5]);
    let mut over = Reading::of(&Told::new(TASK).call(cut.clone()).0, "/app");
    let found = |reading: &Reading| find(reading, detector::named("truncated-read").unwrap(), None);
    assert_eq!(found(&over), None);
    over.end();
    assert_eq!(found(&over).map(|found| found.steps), Some(vec![2]));
    let marked =
        Told::new(TASK).ran("cat big.log", 0, "a\n<response clipped>").ran("ls", 0, "").ran("ls", 0, "");
    check("truncated-read", &marked.ran("ls", 0, ""), &[2, 5]);
    check(
        "truncated-read",
        &Told::new(TASK).call(cut).ran("ls", 0, "").ran("grep x big.log", 0, "").ran("pwd", 0, ""),
        &[],
    );
}

#[test]
fn what_is_not_installed() {
    let told = Told::new(TASK).ran("pip install numpy==2", 1, "ERROR: no network").ran("ls", 0, "");
    check("package-install-fail", &told, &[]);
    check(
        "package-install-fail",
        &told.ran("python3 a.py", 1, "ModuleNotFoundError: No module named 'numpy'"),
        &[4],
    );
    let lost = Told::new(TASK).ran("jq . a.json", 127, "sh: 1: jq: not found").ran("ls", 0, "");
    check("command-not-found", &lost, &[2]);
    check("command-not-found", &lost.ran("apt-get install -y jq", 0, "").ran("jq . a.json", 0, ""), &[]);
    let test = |told: Told| told.ran("pytest", 1, "E   ModuleNotFoundError: No module named 'yaml'");
    check("dependency-import", &test(test(Told::new(TASK))), &[2, 3]);
    check("dependency-import", &test(Told::new(TASK)).ran("pytest", 0, "ok"), &[]);
}

#[test]
fn state_that_a_new_shell_does_not_have() {
    let told = Told::new(TASK).ran("export TOKEN_FILE=a", 0, "");
    check("session-state-lost", &told, &[]);
    check("session-state-lost", &told.ran("sh -u run.sh", 1, "sh: 1: TOKEN_FILE: parameter not set"), &[3]);
    let told = Told::new(TASK).ran("ls src/a.py && cd src", 0, "").ran(
        "cat a.py",
        1,
        "cat: a.py: No such file or directory",
    );
    check("session-state-lost", &told, &[3]);
    let told =
        Told::new(TASK).ran(". venv/bin/activate", 0, "").ran("flask run", 127, "sh: 1: flask: not found");
    check("session-state-lost", &told, &[3]);
}

#[test]
fn paths_that_are_not_there_or_not_the_agents() {
    let miss = |told: Told, file: &str| {
        told.ran(&format!("cat {file}"), 1, &format!("cat: {file}: No such file or directory"))
    };
    check("path-hallucination", &miss(Told::new(TASK), "a.txt"), &[]);
    check("path-hallucination", &miss(miss(Told::new(TASK), "a.txt"), "b.txt"), &[2, 3]);
    let listed = Told::new(TASK).ran("ls", 0, "data.csv\nnotes.md\n");
    check("write-before-read", &listed, &[]);
    check("write-before-read", &listed.wrote("notes.md", "x"), &[3]);
    let read = Told::new(TASK).ran("ls", 0, "notes.md").ran("cat notes.md", 0, "").wrote("notes.md", "x");
    check("write-before-read", &read, &[]);
    check("write-before-read", &Told::new(TASK).wrote("new.md", "x"), &[]);
    let named = Told::new(TASK).ran("cat CMakeLists.txt", 0, "add_test(a_test.cpp)");
    let create = json!({"path": "a_test.cpp", "content": "x"});
    let told = tool("write_file", create, 0, "File created successfully at: a_test.cpp");
    check("write-before-read", &named.call(told), &[]);
    for file in ["/etc/hosts", "/usr/local/bin/x", "../../x"] {
        check("out-of-scope-write", &Told::new(TASK).wrote(file, "x"), &[2]);
    }
    let edit = "sed -i -e '/def a/d' -e '/def b/,+4d' src/a.py && perl -pi -e 's/a/b/' src/b.py";
    check("out-of-scope-write", &Told::new(TASK).ran(edit, 0, ""), &[]);
    for file in ["/app/x", "/workspace/x", "/tmp/x", "/home/agent/x", "src/x", "../x"] {
        check("out-of-scope-write", &Told::new(TASK).wrote(file, "x"), &[]);
    }
    for file in ["/tests/a.py", "tests/a.py", "src/test_a.py", "a.test.ts", "conftest.py"] {
        check("touched-tests", &Told::new(TASK).wrote(file, "x"), &[2]);
    }
    check("touched-tests", &Told::new(TASK).wrote("latest.py", "x"), &[]);
}

#[test]
fn networks_and_questions() {
    let retry = |count: usize| {
        (0..count).fold(Told::new(TASK), |told, at| told.ran(&format!("curl http://localhost:{at}/"), 7, ""))
    };
    check("retry-storm", &retry(4), &[]);
    check("retry-storm", &retry(5), &[2, 3, 4, 5, 6]);
    let asked = Told::new(TASK).ran("apt-get install jq", 1, "Do you want to continue? [Y/n] ");
    check("interactive-prompt", &asked, &[]);
    check("interactive-prompt", &asked.ran("ls", 0, ""), &[2, 3]);
    let answered =
        Told::new(TASK).ran("apt-get install jq", 1, "Continue? [Y/n]").ran("apt-get install -y jq", 0, "");
    check("interactive-prompt", &answered, &[]);
}

fn any_call() -> impl Strategy<Value = Call> {
    let commands = prop::sample::select(vec![
        "ls",
        "cat a.txt",
        "echo 1 > a.txt",
        "pytest",
        "cd src",
        "export A=1",
        "rm a.txt",
        "curl localhost:80",
        "vim",
        "pip install x",
    ]);
    let texts = prop::sample::select(vec![
        "",
        "cat: a.txt: No such file or directory",
        "sh: 1: x: not found",
        "No module named 'x'",
        "[Y/n]",
        "a.txt b.md",
        "é\n漢",
    ]);
    (commands, texts, 0_i64..2, any::<bool>(), any::<bool>()).prop_map(
        |(command, text, exit, timed_out, truncated)| {
            seen(shell(command, exit, text), |seen| {
                seen.timed_out = timed_out;
                seen.truncated = truncated;
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reading_step_by_step_is_reading_at_once(
        steps in prop::collection::vec((prop::collection::vec(any_call(), 0..3), prop::sample::select(vec!["", "Done."])), 0..14),
    ) {
        let mut trace = Told::new(TASK).0;
        let mut grown = Reading::new("/app");
        grown.extend(&trace);
        for (calls, message) in steps {
            trace.push(Step { source: Source::Agent, calls, message: message.to_owned(), ..Step::default() });
            grown.extend(&trace);
        }
        let whole = Reading::of(&trace, "/app");
        for detector in DETECTORS {
            let found = find(&grown, detector, None);
            prop_assert_eq!(&found, &find(&whole, detector, None), "{}", detector.name);
            // Evidence is in order, within the trace, and of the agent.
            for step in found.iter().flat_map(|found| &found.steps) {
                prop_assert_eq!(trace.steps[*step - 1].source, Source::Agent);
            }
            // What takes more is found in no more traces.
            if detector.id == "M01" || detector.id == "M02" {
                let more = find(&whole, detector, Some(4));
                prop_assert!(more.is_none() || found.is_some());
            }
        }
    }
}

#[test]
fn a_long_trace_costs_little() {
    let mut reading = Reading::new("/app");
    let mut told = Told::new(TASK);
    for at in 0..400 {
        told = told.ran(
            &format!("python3 step{at}.py && cat src/file{at}.py"),
            i64::from(at % 3 == 0),
            "a line\nanother.txt\n",
        );
        reading.extend(&told.0);
        for detector in DETECTORS {
            let _ = find(&reading, detector, None);
        }
    }
    assert_eq!(reading.count_calls(), 400);
}
