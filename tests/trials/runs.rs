//! Runs that go well, and runs that somebody ends.

use std::process::Stdio;

use crate::lab::{Lab, WRITER, measured, processes};

#[test]
fn a_harness_is_measured_once_and_known_afterwards() {
    let lab = Lab::new("measured", WRITER, 4);
    let printed = lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    assert!(printed.contains("held-in ") && printed.contains("/2 ×2"), "{printed}");
    assert!(printed.contains("evaluate finished: held-in "), "{printed}");
    // Held-out tasks are counted, not shown.
    assert!(printed.contains("t-00") && !printed.contains("t-01"), "{printed}");
    let verdicts = lab.verdicts();
    assert_eq!(verdicts.len(), 8);
    assert!(
        verdicts.values().any(|verdict| verdict == "pass")
            && verdicts.values().any(|verdict| verdict == "fail")
    );
    let status = lab.status();
    assert_eq!(status["trials"]["done"], 8);
    assert_eq!(status["spent"]["tokens"], 8 * (110 + 170 + 205));
    assert_eq!(status["spent"]["costUsd"], 0.0);
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("→ shell {\"command\":\"ls -la\"}") && trace.contains("note.txt"), "{trace}");
    let refused = lab.run(&["trace", "latest", "t-01"]);
    assert_eq!(refused.status.code(), Some(2));
    // The same again costs nothing; one more repeat costs one more.
    let again = lab.ok(&["evaluate", "--repeats", "3", "--yes"]);
    assert!(again.contains("8 of 12 trials known before"), "{again}");
    assert_eq!(lab.status()["spent"]["trials"], 4);
    let report = lab.ok(&["report", "r-0001"]);
    assert!(report.contains("evaluate finished") && report.contains("(r-0001)"), "{report}");
}

#[test]
fn the_same_seed_gives_the_same_verdicts() {
    let verdicts = ["one", "other"].map(|name| {
        let lab = Lab::new(name, WRITER, 6);
        lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
        lab.verdicts()
    });
    assert_eq!(verdicts[0], verdicts[1]);
}

#[test]
fn nothing_starts_without_consent() {
    let lab = Lab::new("consent", WRITER, 2);
    let output = lab.run(&["evaluate"]);
    let aside = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{aside}");
    assert!(aside.contains("Start evaluate for lab?") && aside.contains(lab.endpoint()), "{aside}");
    assert!(!lab.has_run());
}

#[test]
fn a_harness_with_an_error_is_not_run() {
    let lab = Lab::new("unsound", WRITER, 2);
    lab.write_harness(
        2,
        "[[runtime.rule]]\nid = \"x\"\nwhen = { detector = \"no-such\" }\ninject = { text = \"a\" }\n",
    );
    let output = lab.run(&["evaluate", "--yes"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the harness has 1 error"));
}

#[test]
fn a_budget_of_trials_is_hard() {
    let lab = Lab::new("budget", WRITER, 6);
    lab.write_harness(6, "[budget]\nmax_trials = 4\nmax_parallel = 3\n");
    let printed = lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(printed.contains("stopped at 4 of 6 trials: the budget of trials is used up"), "{printed}");
    assert_eq!(lab.verdicts().len(), 4);
    // What was measured is not measured again, and more money measures the rest.
    lab.write_harness(6, "[budget]\nmax_trials = 9\nmax_parallel = 3\n");
    let printed = lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(printed.contains("4 of 6 trials known before"), "{printed}");
}

#[test]
fn a_budget_of_tokens_stops_trials_that_run() {
    let lab = Lab::new("tokens", WRITER, 6);
    // Every trial takes 485 tokens.
    lab.write_harness(6, "[budget]\nmax_tokens = 1000\nmax_parallel = 1\n");
    let printed = lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(printed.contains("stopped at 2 of 6 trials: the budget of tokens is used up"), "{printed}");
    assert!(lab.status()["spent"]["tokens"].as_u64().unwrap() <= 1000);
}

#[test]
fn a_cancelled_run_leaves_nothing_behind_and_goes_on() {
    let slow = WRITER.replace("command = \"ls -la\"", "command = \"sleep 30\"");
    let lab = Lab::new("cancel", &slow, 4);
    let mut evaluate = lab
        .command(&["evaluate", "--repeats", "1", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    lab.until("trials run", |lab| lab.has_run() && sleepers() > 0);
    lab.ok(&["status", "--cancel"]);
    lab.ok(&["status", "--cancel"]);
    assert_eq!(evaluate.wait().unwrap().code(), Some(130));
    lab.until("the worker ends", |lab| lab.worker().is_none());
    let status = lab.status();
    assert_eq!(
        (status["finish"].as_str(), status["trials"]["running"].as_u64()),
        (Some("cancelled"), Some(0))
    );
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    assert_eq!(measured(&store.trials(run.number).unwrap()).count(), 0);
    assert!(
        !lab.root().join(".self-harness/trials").exists()
            || crate::lab::files(&lab.root().join(".self-harness/trials")).is_empty()
    );
    // Somebody else's sleep may run here, but none of ours.
    assert!(
        !processes().any(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok() && is_ours(pid, &lab)
        })
    );
}

/// How many processes sleep for the trial's thirty seconds.
fn sleepers() -> usize {
    processes()
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x0030\0")
        })
        .count()
}

/// Whether a process works in a tree of the lab.
fn is_ours(pid: u32, lab: &Lab) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(lab.state()))
}

/// A program of somebody else: it asks the model at the address that it finds, and does what it is told.
const PROGRAM: &str = r#"
import json, os, subprocess, sys, urllib.request

instruction = open(sys.argv[1]).read()
messages = [{"role": "system", "content": "You write numbers."}, {"role": "user", "content": instruction}]
tool = {"type": "function", "function": {"name": "shell", "description": "Runs a command.", "parameters": {"type": "object", "properties": {"command": {"type": "string"}}}}}
while True:
    body = {"model": os.environ["MODEL"], "messages": messages, "tools": [tool]}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
        {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"})
    message = json.load(urllib.request.urlopen(request))["choices"][0]["message"]
    messages.append(message)
    for call in message.get("tool_calls") or []:
        command = json.loads(call["function"]["arguments"])["command"]
        ran = subprocess.run(command, shell=True, capture_output=True, text=True)
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": ran.stdout + ran.stderr})
    if not message.get("tool_calls"):
        break
with open(sys.argv[2], "w") as out:
    json.dump(messages, out)
"#;

#[test]
fn a_program_is_measured_as_the_agent_of_our_own_is() {
    let lab = Lab::new("program", WRITER, 4);
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let (model, tasks) = (manifest.find("[agent]").unwrap(), manifest.find("[tasks]").unwrap());
    let agent = "[agent]\nkind = \"command\"\ntimeout = \"2m\"\nfiles = [\"agent.py\"]\n\
                 argv = [\"python3\", \"{harness_dir}/agent.py\", \"{instruction_file}\", \"{transcript}\"]\n\
                 env = { MODEL = \"{model_name}\" }\n\n";
    lab.write("agent.py", PROGRAM);
    lab.write("harness.toml", &format!("{}{agent}{}", &manifest[..model], &manifest[tasks..]));
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    let verdicts = lab.verdicts();
    assert_eq!(verdicts.len(), 8);
    // The same coins as the built-in agent has: the seed is the worker's to set.
    let native = Lab::new("native", WRITER, 4);
    native.ok(&["evaluate", "--repeats", "2", "--yes"]);
    assert_eq!(verdicts, native.verdicts());
    assert_eq!(lab.status()["spent"]["tokens"], 8 * (110 + 170 + 205));
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("→ shell {\"command\":\"ls -la\"}"), "{trace}");
}

/// Writes a harness whose agent is a program.
fn write_program(lab: &Lab, argv: &str, program: &str) {
    lab.write_harness(4, "");
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let (model, tasks) = (manifest.find("[agent]").unwrap(), manifest.find("[tasks]").unwrap());
    let agent =
        format!("[agent]\nkind = \"command\"\ntimeout = \"2m\"\nfiles = [\"agent.py\"]\nargv = {argv}\n\n");
    lab.write("agent.py", program);
    lab.write("harness.toml", &format!("{}{agent}{}", &manifest[..model], &manifest[tasks..]));
}

#[test]
fn a_program_that_does_not_start_costs_no_waiting_and_is_no_fail() {
    let lab = Lab::new("no-start", WRITER, 4);
    // One that is not there: nothing is begun.
    write_program(&lab, "[\"no-such-agent\", \"{instruction_file}\"]", "");
    let refused = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    let aside = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{aside}");
    assert!(aside.contains("`no-such-agent`, the first of `agent.argv`"), "{aside}");
    assert!(!lab.has_run());
    // One that dies before it asks the model: the run waits for somebody at once, with its last words.
    let argv = "[\"python3\", \"{harness_dir}/agent.py\"]";
    write_program(&lab, argv, "import sys\nsys.exit('no configuration')\n");
    let output = lab.run(&["evaluate", "--repeats", "2", "--yes"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{printed}\n{}", lab.worker_log());
    assert!(printed.contains("paused at 0 of 8 trials: the agent does not start"), "{printed}");
    assert!(printed.contains("no configuration"), "{printed}");
    let trials = lab.store().trials(1).unwrap();
    // As many as ran side by side, each with its cause.
    assert!((2..=8).contains(&trials.len()), "{}", trials.len());
    let cause =
        |trial: &self_harness::host::record::TrialRecord| trial.cause.as_deref() == Some("agent-start");
    assert!(trials.iter().all(|trial| trial.verdict == "void" && cause(trial)), "{trials:?}");
}

#[test]
fn ci_reads_a_run_as_junit() {
    let lab = Lab::new("junit", WRITER, 4);
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    let text = lab.ok(&["report", "--format", "junit"]);
    let parsed = roxmltree::Document::parse(&text).unwrap();
    let verdicts = lab.verdicts();
    let fails = verdicts.values().filter(|verdict| *verdict == "fail").count().to_string();
    let root = parsed.root_element();
    assert_eq!(
        (root.attribute("tests"), root.attribute("failures"), root.attribute("errors")),
        (Some("8"), Some(fails.as_str()), Some("0"))
    );
    assert!(text.contains("t-00 #1") && !text.contains("t-01"), "{text}");
}

#[test]
fn a_worker_leaves_no_frozen_tree_and_sweeps_those_of_dead_ones() {
    let lab = Lab::new("trees", WRITER, 2);
    // As root they lie where the owner of the trees can reach them.
    let trees = self_harness::host::sandbox::Trials::of_this_machine(self_harness::host::sandbox::identity(
        self_harness::host::sandbox::Choice::Bubblewrap,
    ));
    let trees = match self_harness::host::sandbox::identity(self_harness::host::sandbox::Choice::Bubblewrap) {
        Some(_) => trees.directory().with_file_name("trees"),
        None => lab.state().join("self-harness/trees"),
    };
    let of_dead = trees.join(format!("{}-1", u32::MAX / 4));
    std::fs::create_dir_all(&of_dead).unwrap();
    lab.ok(&["evaluate", "--repeats", "2", "--yes", "--detach"]);
    let mut seen = None;
    lab.until("the run ends", |lab| {
        seen = seen.or_else(|| lab.worker());
        lab.status()["state"] == "ended" && lab.worker().is_none()
    });
    let prefix = format!("{}-", seen.unwrap());
    let mut left = std::fs::read_dir(&trees).into_iter().flatten().flatten();
    assert!(!left.any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)));
    assert!(!of_dead.exists());
}
