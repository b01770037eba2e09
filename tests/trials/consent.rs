//! What was agreed to is remembered, what changed since is asked, and nothing runs that nobody agreed to.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use self_harness::host::record::{EventRecord, HowAgreed};

use crate::lab::{Lab, WRITER, kill};

/// Gives a program a terminal.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// Runs a command on a terminal where somebody types an answer; the exit code, and everything that was shown.
fn on_terminal(lab: &Lab, arguments: &[&str], answer: &str) -> (Option<i32>, String) {
    let wanted = lab.command(arguments);
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL]).arg(wanted.get_program()).args(wanted.get_args());
    command.current_dir(wanted.get_current_dir().unwrap()).env("TERM", "dumb");
    for (name, value) in wanted.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{answer}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

const ASKED: &str = "Start? [y/N]";

#[test]
fn who_agreed_is_asked_again_only_when_something_changed() {
    let lab = Lab::new("agreed", WRITER, 2);
    let evaluate = ["evaluate", "--repeats", "1"];
    let (code, shown) = on_terminal(&lab, &evaluate, "n");
    assert_eq!(code, Some(130), "{shown}");
    assert!(
        shown.contains(ASKED) && shown.contains("[agent]") && shown.contains("2 tasks with their tests"),
        "{shown}"
    );
    assert!(!shown.contains("Changed since"), "{shown}");
    assert!(!lab.has_run());
    let (code, shown) = on_terminal(&lab, &evaluate, "y");
    assert_eq!(code, Some(0), "{shown}");
    // The same, and less, is known; so is a text that the agent reads.
    let (code, shown) = on_terminal(&lab, &evaluate, "n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        !shown.contains(ASKED) && shown.contains("2 trials, free (local endpoint), as you agreed before"),
        "{shown}"
    );
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("You write numbers.", "You write good numbers."));
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "1", "--split", "held-in"], "n");
    assert_eq!(code, Some(0), "{shown}");
    // More is asked, and named.
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "2"], "n");
    assert_eq!(code, Some(130), "{shown}");
    assert!(shown.contains("Changed since you agreed:") && shown.contains("4 trials, not 2"), "{shown}");
    // And so is one byte of what decides what is executed.
    lab.write("harness.toml", &manifest.replace("seed = 3", "seed = 4"));
    let test = fs::read_to_string(lab.root().join("tasks/t-00/tests/test.sh")).unwrap();
    lab.write("tasks/t-00/tests/test.sh", &format!("{test}\n"));
    let (code, shown) = on_terminal(&lab, &evaluate, "n");
    assert_eq!(code, Some(130), "{shown}");
    for line in ["the task `t-00` changed", "`model.seed` in harness.toml changed"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("t-01"), "{shown}");
    // Trust for once is for once.
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "1", "--trust"], "n");
    assert_eq!(code, Some(0), "{shown}");
    let (code, shown) = on_terminal(&lab, &evaluate, "n");
    assert_eq!((code, shown.contains("the task `t-00` changed")), (Some(130), true), "{shown}");
    // Where nobody can be asked, what is remembered is not enough.
    lab.write("harness.toml", &manifest);
    lab.write("tasks/t-00/tests/test.sh", &test);
    let refused = lab.run(&evaluate);
    assert_eq!(refused.status.code(), Some(2));
    let how: Vec<HowAgreed> = (1..=4).map(|run| lab.store().agreement(run).unwrap().unwrap().how).collect();
    assert_eq!(how, [HowAgreed::Asked, HowAgreed::Before, HowAgreed::Before, HowAgreed::Before]);
}

#[test]
fn esc_106_what_is_remembered_is_private_and_a_yes_of_ci_is_remembered() {
    let lab = Lab::new("private", WRITER, 2);
    lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    let state = lab.state().join("self-harness");
    for name in ["consent.json", "consent.json.lock", "stores.json", "stores.json.lock"] {
        let mode = fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o077, 0);
    let events = lab.store().events(1, 0).unwrap();
    let agreed = events.iter().find_map(|event| match &event.event {
        EventRecord::Agreed { agreement } => Some(agreement.clone()),
        _ => None,
    });
    let agreed = agreed.unwrap();
    assert_eq!((agreed.how, agreed.trials, agreed.backend.as_str()), (HowAgreed::Flag, 2, "bubblewrap"));
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "1"], "n");
    assert_eq!((code, shown.contains(ASKED)), (Some(0), false), "{shown}");
    // What cannot be believed means that nothing was agreed.
    fs::write(state.join("consent.json"), "{").unwrap();
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "1"], "n");
    assert_eq!((code, shown.contains(ASKED)), (Some(130), true), "{shown}");
    assert!(shown.contains("consent.json.damaged-1"), "{shown}");
}

#[test]
fn esc_127_a_key_that_goes_elsewhere_is_asked_even_where_the_project_is_trusted() {
    let mut lab = Lab::new("pair", WRITER, 2);
    lab.variables.insert(String::from("OTHER_KEY"), String::from("sk-other-4711"));
    lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    let origin = lab.endpoint().trim_end_matches("/v1").to_owned();
    fs::write(
        config.join("self-harness/config.toml"),
        format!("[[key]]\norigin = \"{origin}\"\nvariable = \"OTHER_KEY\"\n"),
    )
    .unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "1", "--trust"], "n");
    assert_eq!(code, Some(130), "{shown}");
    assert!(
        shown.contains(&format!("the key from OTHER_KEY was not sent to {origin} from here before")),
        "{shown}"
    );
    assert!(shown.contains("key from OTHER_KEY, which this machine has not sent there before"), "{shown}");
    let (code, _) = on_terminal(&lab, &["evaluate", "--repeats", "1", "--trust"], "y");
    assert_eq!(code, Some(0));
    let (code, shown) = on_terminal(&lab, &["evaluate", "--repeats", "1"], "n");
    assert_eq!((code, shown.contains(ASKED)), (Some(0), false), "{shown}");
    let remembered = fs::read_to_string(lab.state().join("self-harness/consent.json")).unwrap();
    assert!(remembered.contains("OTHER_KEY") && !remembered.contains("sk-other"), "{remembered}");
}

/// A run whose worker was killed in its middle.
fn interrupted(name: &str) -> Lab {
    let slow = WRITER.replace("command = \"ls -la\"", "command = \"sleep 3; ls -la\"");
    let lab = Lab::new(name, &slow, 4);
    lab.ok(&["evaluate", "--repeats", "1", "--split", "held-in", "--yes", "--detach"]);
    lab.until("a trial runs", |lab| 1 <= lab.status()["trials"]["running"].as_u64().unwrap_or_default());
    kill(lab.worker().unwrap());
    lab.until("the worker is gone", |lab| lab.worker().is_none());
    lab
}

#[test]
fn esc_126_what_changed_after_consent_pauses_the_run_and_is_asked_again() {
    let lab = interrupted("ticket");
    // A solution judges nothing, but is executed.
    lab.write("tasks/t-00/solution/solve.sh", "touch /tmp/other; echo 40 > answer.txt\n");
    let root = lab.root();
    lab.ok(&["worker", "--root", root.to_str().unwrap()]);
    let shown = lab.ok(&["status"]);
    assert!(shown.contains("paused") && shown.contains("the task `t-00` changed"), "{shown}");
    assert!(shown.contains("status --resume"), "{shown}");
    let before = lab.status()["spent"]["trials"].as_u64();
    // Nobody is there to be asked.
    let refused = lab.run(&["status", "--resume"]);
    let aside = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{aside}");
    assert!(
        aside.contains("Changed since you agreed:") && aside.contains("the task `t-00` changed"),
        "{aside}"
    );
    assert_eq!(lab.status()["spent"]["trials"].as_u64(), before);
    let (code, shown) = on_terminal(&lab, &["status", "--resume"], "y");
    assert_eq!(code, Some(0), "{shown}\n{}", lab.worker_log());
    assert_eq!(lab.status()["finish"], "complete");
    let agreed = lab.store().events(1, 0).unwrap();
    let agreed = agreed.iter().filter(|event| matches!(event.event, EventRecord::Agreed { .. })).count();
    assert_eq!(agreed, 2);
}

#[test]
fn a_run_whose_task_judges_otherwise_now_cannot_go_on() {
    let lab = interrupted("rejudged");
    lab.write("tasks/t-00/tests/test.sh", "echo 1 > /logs/verifier/reward.txt\n");
    let refused = lab.run(&["status", "--resume", "--yes"]);
    let aside = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{aside}");
    assert!(aside.contains("r-0001 cannot go on"), "{aside}");
    assert!(lab.worker().is_none());
}

#[test]
fn a_run_that_was_agreed_to_goes_on_without_a_question() {
    let lab = interrupted("goes-on");
    let printed = lab.ok(&["status", "--resume"]);
    assert!(printed.contains("evaluate finished"), "{printed}");
}

#[test]
fn a_run_that_nobody_agreed_to_waits_for_somebody() {
    let lab = interrupted("no-ticket");
    let database = lab.root().join(".self-harness/state.db");
    let store = rusqlite::Connection::open(database).unwrap();
    store.execute("DELETE FROM event WHERE body LIKE '%\"agreed\"%'", []).unwrap();
    drop(store);
    let root = lab.root();
    lab.ok(&["worker", "--root", root.to_str().unwrap()]);
    let shown = lab.ok(&["status"]);
    assert!(shown.contains("nobody has agreed to this run"), "{shown}");
    // Somebody who has agreed to nothing here is asked.
    fs::remove_file(lab.state().join("self-harness/consent.json")).unwrap();
    assert_eq!(lab.run(&["status", "--resume"]).status.code(), Some(2));
    let printed = lab.ok(&["status", "--resume", "--yes"]);
    assert!(printed.contains("evaluate finished"), "{printed}");
}

#[test]
fn two_projects_that_are_agreed_to_at_once_are_both_remembered() {
    let labs = ["this", "that"].map(|name| Lab::new(name, WRITER, 2));
    let state = labs[0].state();
    let running = [&labs[0], &labs[1]].map(|lab| {
        let mut command = lab.command(&["evaluate", "--repeats", "1", "--yes"]);
        command.env("XDG_STATE_HOME", &state).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    for mut each in running {
        assert!(each.wait().unwrap().success());
    }
    let remembered = fs::read_to_string(state.join("self-harness/consent.json")).unwrap();
    for lab in &labs {
        let root = lab.root().canonicalize().unwrap();
        assert!(remembered.contains(root.to_str().unwrap()), "{remembered}");
    }
}
