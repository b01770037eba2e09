//! Calls as agents make them.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::engine::trace::{Observation, Step, Trace};

fn shell(command: &str) -> Call {
    let arguments = Arguments::Json(json!({"command": command}));
    Call { id: None, tool: String::from("bash"), arguments, schema_ok: None, observation: None }
}

fn kind(command: &str) -> Kind {
    Action::of(&shell(command), |file| file == "solve.py").kind()
}

#[test]
fn commands_are_split_outside_of_quotes() {
    let words =
        |text: &str| commands(text).into_iter().map(|command| command.words.join(" ")).collect::<Vec<_>>();
    assert_eq!(
        words("cd /app && ls -la; echo 'a;b' | grep \"x && y\""),
        ["cd /app", "ls -la", "echo a;b", "grep x && y"]
    );
    assert_eq!(words("cat > a.txt <<'EOF'\nrm -rf x; y\nEOF\necho done"), ["cat", "echo done"]);
    assert_eq!(words("# note\nmake 2>&1 | tail -5 # end"), ["make", "tail -5"]);
    assert_eq!(words("if true; then make; fi"), ["if true", "then make"]);
    assert_eq!(commands("a > x 2> /dev/null < y")[0].into, ["x", "/dev/null"]);
    assert_eq!(
        commands("server &")[0],
        Command { words: vec!["server".into()], is_left: true, ..Command::default() }
    );
}

#[test]
fn kinds_of_shell_calls() {
    for (command, expected) in [
        ("ls -la /app", Kind::Read),
        ("cat <<EOF > out.txt\nx\nEOF", Kind::Write),
        ("sed -i 's/a/b/' config.ini", Kind::Write),
        ("sed -n 1,5p config.ini", Kind::Read),
        ("echo 1 | tee out.txt", Kind::Write),
        ("python -m pytest tests/test_a.py::test_b -q", Kind::Verify),
        ("cd repo && cargo test --all 2>&1 | tail -20", Kind::Verify),
        ("python3 solve.py", Kind::Verify),
        ("python3 other.py", Kind::Other),
        ("cat solve.py", Kind::Verify),
        ("pip install numpy", Kind::Install),
        ("python3 -m http.server 8000 &", Kind::Serve),
        ("git status && git diff", Kind::Read),
        ("timeout 10 make test", Kind::Verify),
        ("make test > log.txt", Kind::Verify),
        ("DEBUG=1 ./run.sh", Kind::Other),
        ("ls > /dev/null", Kind::Read),
    ] {
        assert_eq!(kind(command), expected, "{command}");
    }
}

#[test]
fn one_call_may_write_a_file_and_run_it() {
    let action = Action::of(&shell("cat > a.py <<'E'\nprint(1)\nE\npython3 a.py"), |_| false);
    assert_eq!(action.kinds.iter().collect::<Vec<_>>(), [Kind::Write, Kind::Verify]);
}

#[test]
fn tools_for_files_have_kinds_and_targets() {
    let call = |tool: &str, arguments: Value| Call {
        tool: tool.into(),
        arguments: Arguments::Json(arguments),
        ..shell("")
    };
    let edit = Action::of(
        &call("editor", json!({"command": "create", "path": "/app/a.py", "file_text": "x"})),
        |_| false,
    );
    assert_eq!((edit.kind(), edit.target.as_str(), edit.writes.len()), (Kind::Write, "/app/a.py", 1));
    let view = Action::of(&call("editor", json!({"command": "view", "path": "/app"})), |_| false);
    assert_eq!((view.kind(), view.target.as_str()), (Kind::Read, "/app"));
    assert_eq!(Action::of(&call("think", json!({"thought": "x"})), |_| false).target, "think");
    assert_eq!(Action::of(&shell("cd a && pytest tests/test_x.py"), |_| false).target, "tests/test_x.py");
    assert_eq!(
        shell_text(&call("shell", json!({"command": ["bash", "-lc", "make x"]}))).as_deref(),
        Some("make x")
    );
}

#[test]
fn errors_are_told_by_exit_code_and_else_by_their_line() {
    let seen = |text: &str, exit: Option<i64>| {
        let observation = Observation { exit, ..Observation::text(text) };
        is_error(&Call { observation: Some(observation), ..shell("x") })
    };
    assert!(seen("fine", Some(1)));
    assert!(!seen("Traceback (most recent call last):", Some(0)));
    assert!(seen("x\nValueError: no", None));
    assert!(seen("bash: foo: command not found", None));
    assert!(!seen("the word ValueError: in a sentence", None));
    assert!(!seen("", None));
    // A tool that puts a heading before what a program wrote to its errors.
    assert!(!seen("1 passed\nError:\nFinished in 3 s", None));
    assert!(seen("Error: the path does not exist", None));
    assert!(seen("\u{1b}[1m\u{1b}[31mE   assert 1 == 2\u{1b}[0m", None));
}

#[test]
fn what_differs_by_chance_is_masked() {
    let norm = |command: &str| super::norm(&shell(command));
    assert_eq!(norm("cat  /tmp/tmp.x1/a | head -5"), norm("cat /tmp/abc | head -50"));
    assert_ne!(norm("cat /app/a"), norm("cat /app/b"));
    assert_eq!(norm(" a\t/var/tmp/x 12.5\n é/tmp; "), "bash {command: a <TMP> <N>.<N> é/tmp; }");
    let call =
        |text: &str| Call { arguments: Arguments::Json(serde_json::from_str(text).unwrap()), ..shell("") };
    let ordered = super::norm(&call("{\"b\": 1, \"a\": \"x\"}"));
    assert_eq!(ordered, super::norm(&call("{\"a\": \"x\", \"b\": 2}")));
}

#[test]
fn projects_have_runners_of_their_own() {
    let kind = |text: &str| Action::of(&shell(text), |_| false).kind();
    for text in [
        "cd /app && ./tests/runtests.py --parallel 1 forms",
        "./run-tests",
        "bash scripts/run_tests.sh",
        "./manage.py test",
    ] {
        assert!(Action::of(&shell(text), |_| false).is(Kind::Verify), "{text}");
    }
    for text in ["test -f a", "ls tests", "bash build.sh", "./latest.py"] {
        assert_ne!(kind(text), Kind::Verify, "{text}");
    }
}

#[test]
fn scripts_of_sed_and_perl_are_no_files() {
    for (text, expected) in [
        ("sed -i 's/a/b/' x y", vec!["x", "y"]),
        ("sed -i -e '/a/d' -e '/b/d' x", vec!["x"]),
        ("sed -i.bak --expression=s/a/b/ x", vec!["x"]),
        ("perl -pi -e 's/a/b/' x", vec!["x"]),
        ("perl -i -pe 's/a/b/' x", vec!["x"]),
        ("sed -n -e 1,5p x", vec![]),
    ] {
        let written: Vec<_> = commands(text).iter().flat_map(Command::writes).collect();
        assert_eq!(written, expected, "{text}");
    }
    assert_eq!(commands("sed -n -e 1,5p x")[0].reads(), ["x"]);
    assert_eq!(commands("sed -n 1,5p x")[0].reads(), ["x"]);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "[a-z0-9 '\"\\\\;&|<>()#$\n=/._é-]{0,80}") {
        for command in commands(&text) {
            let _ = (command.writes(), command.reads(), command.test(), command.program().len());
        }
        let action = Action::of(&shell(&text), |_| true);
        prop_assert_eq!(&action, &Action::of(&shell(&text), |_| true));
    }

    #[test]
    fn forms_have_the_same_number_if_they_are_equal(
        texts in prop::collection::vec("(?:[a-z]{60}|/tmp/a|/tmp/|1|22| |\n|é|/c|p/d|;){0,12}", 2),
        end in "(?:[a-z]{20}|1| |/tmp/a){0,3}",
    ) {
        let mut trace = Trace::default();
        let changed = |text: &String| {
            [text.clone(), text.replace('1', "333"), text.replace("/tmp/a", "/tmp/b"), format!("{text}{end}")]
        };
        for text in texts.iter().flat_map(changed) {
            let values = [json!({"a": text, "b": [1, text]}), json!({"b": [2, text], "a": texts[0]}), json!(text)];
            for arguments in values.into_iter().map(Arguments::Json).chain([Arguments::Raw(text)]) {
                trace.push(Step { calls: vec![Call { arguments, ..shell("") }], ..Step::default() });
            }
        }
        let mut norms = Norms::default();
        let calls = || trace.steps.iter().flat_map(|step| &step.calls);
        let numbers: Vec<usize> = (0..trace.steps.len()).map(|at| norms.number(&trace, (at, 0))).collect();
        let forms: Vec<String> = calls().map(norm).collect();
        for (one, form) in forms.iter().enumerate() {
            for (other, other_form) in forms.iter().enumerate() {
                prop_assert_eq!(numbers[one] == numbers[other], form == other_form, "{} {}", form, other_form);
            }
        }
    }
}
