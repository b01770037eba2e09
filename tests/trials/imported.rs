//! Stores from elsewhere: shown, never believed, never run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use self_harness::host::store::{Known, Store};

use crate::lab::{Lab, WRITER, kill};

const IMPORTED: &str = "imported: written by another machine or copied here";

/// A model that never does what it is asked to.
fn hopeless() -> String {
    WRITER.replace("heads = 0.6", "heads = 0.0")
}

/// Somebody else on another machine, with the same directory.
fn stranger(lab: &mut Lab) -> PathBuf {
    let state = lab.state().with_file_name("stranger");
    lab.variables.insert(String::from("XDG_STATE_HOME"), state.display().to_string());
    state.join("self-harness")
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// Makes a pass of every fail.
fn forge(root: &Path) {
    let store = Connection::open(root.join(".self-harness/state.db")).unwrap();
    for table in ["trial", "event"] {
        let query = format!(
            "UPDATE {table} SET body = replace(body, '\"verdict\":\"fail\"', '\"verdict\":\"pass\"')"
        );
        assert!(0 < store.execute(&query, []).unwrap());
    }
    store.execute("UPDATE trial SET verdict = 'pass'", []).unwrap();
}

#[test]
fn esc_129_a_store_that_a_project_ships_fakes_no_trial() {
    let mut lab = Lab::new("forged", &hopeless(), 2);
    let printed = lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(printed.contains("held-in 0/1"), "{printed}");
    forge(&lab.root());
    // Whoever may write to a store of one's own can forge it: this is what has to be kept from others.
    let believed = lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(
        believed.contains("held-in 1/1") && believed.contains("2 of 2 trials known before"),
        "{believed}"
    );
    let known = Known::at(&stranger(&mut lab));
    for arguments in [&["status"][..], &["report"], &["report", "r-0001"]] {
        let shown = lab.ok(arguments);
        assert!(shown.starts_with(IMPORTED), "{arguments:?}: {shown}");
    }
    let trace = lab.run(&["trace", "r-0001", "t-00"]);
    assert!(trace.status.success() && String::from_utf8_lossy(&trace.stderr).contains(IMPORTED));
    assert_eq!(lab.status()["imported"], true);
    let output = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{said:?}\n{}", lab.worker_log());
    assert!(said[1].contains(IMPORTED) && said[1].contains("none of its trials is reused"), "{}", said[1]);
    assert!(said[0].contains("held-in 0/1") && !said[0].contains("known before"), "{}", said[0]);
    let store = Store::open_existing_with(&lab.root(), &known).unwrap().unwrap();
    let run = store.latest_run().unwrap().unwrap().number;
    let trials = store.trials(run).unwrap();
    assert!(!store.is_foreign() && trials.len() == 2);
    assert!(trials.iter().all(|trial| trial.verdict == "fail"), "{trials:?}");
    // What it said is still there to be seen, under its own name, and once only is enough.
    assert_eq!(run, 3);
    assert!(lab.ok(&["report", "r-0001"]).starts_with(IMPORTED));
    assert!(!lab.ok(&["report"]).contains(IMPORTED));
    let again = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(!String::from_utf8_lossy(&again.stderr).contains(IMPORTED));
    assert!(String::from_utf8_lossy(&again.stdout).contains("2 of 2 trials known before"));
}

#[test]
fn a_run_that_a_project_ships_is_not_run() {
    let slow = WRITER.replace("command = \"ls -la\"", "command = \"sleep 3; ls -la\"");
    let mut lab = Lab::new("shipped", &slow, 4);
    lab.ok(&["evaluate", "--repeats", "1", "--yes", "--detach"]);
    lab.until("a trial runs", |lab| 1 <= lab.status()["trials"]["running"].as_u64().unwrap_or_default());
    kill(lab.worker().unwrap());
    lab.until("the worker is gone", |lab| lab.worker().is_none());
    stranger(&mut lab);
    for arguments in [
        &["status", "--resume"][..],
        &["status", "--resume", "--yes"],
        &["status", "--follow"],
        &["status", "--cancel"],
    ] {
        let refused = lab.run(arguments);
        let aside = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {aside}");
        assert!(aside.contains("imported"), "{aside}");
    }
    let root = lab.root();
    assert_eq!(lab.run(&["worker", "--root", root.to_str().unwrap()]).status.code(), Some(2));
    // It is not followed, and nobody has agreed to anything.
    let refused = lab.run(&["evaluate", "--repeats", "1"]);
    let aside = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{aside}");
    assert!(aside.contains("nobody can be asked") && !aside.contains("following"), "{aside}");
    assert!(lab.worker().is_none());
    let events =
        Store::open_existing_with(&root, &Known::at(&lab.state().join("self-harness"))).unwrap().unwrap();
    assert!(!events.is_foreign(), "nothing was put aside");
}

#[test]
fn a_project_that_was_moved_is_ours_and_a_copy_of_it_is_not() {
    let lab = Lab::new("moved", WRITER, 2);
    lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    let root = lab.root();
    let (moved, copied) = (root.with_file_name("moved"), root.with_file_name("copied"));
    fs::rename(&root, &moved).unwrap();
    fs::create_dir(&root).unwrap();
    copy(&moved, &copied);
    let at = |place: &Path, arguments: &[&str]| {
        let output = lab.command(arguments).current_dir(place).output().unwrap();
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
    };
    let shown = at(&moved, &["evaluate", "--repeats", "1", "--yes"]);
    assert!(shown.contains("2 of 2 trials known before") && !shown.contains(IMPORTED), "{shown}");
    assert!(at(&copied, &["status"]).starts_with(IMPORTED));
    let shown = at(&copied, &["evaluate", "--repeats", "1", "--yes"]);
    assert!(shown.contains(IMPORTED) && !shown.contains("known before"), "{shown}");
}
