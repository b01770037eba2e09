//! Results of other programs beside runs of one's own.

use std::fs;

use super::super::*;
use super::project::*;
use crate::engine::board::Status;
use crate::host::record::{EventRecord, TrialRecord};

/// The results of a job: two tasks of the project and one that it does not know, with what their agents did.
fn import(project: &Project, tasks: &[(&str, &str)], harness: &str) -> i64 {
    let mut store = Store::open_with(&project.root(), &project.known()).unwrap();
    let trials = tasks.iter().map(|(task, verdict)| TrialRecord {
        id: format!("i-{task}"),
        key: Digest::of(format!("i-{task}").as_bytes()).to_string(),
        task: (*task).into(),
        split: "held-in".into(),
        role: "imported".into(),
        verdict: (*verdict).into(),
        end: "finished".into(),
        rewards: [("reward".into(), f64::from(u8::from(*verdict == "pass")))].into(),
        ..TrialRecord::default()
    });
    let trials: Vec<TrialRecord> = trials.collect();
    for trial in &trials {
        let directory = store.trial_directory(&trial.id);
        fs::create_dir_all(&directory).unwrap();
        let hasty = r#"{"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"}, "steps": [
            {"step_id": 1, "source": "agent", "message": "I write.", "tool_calls": [{"tool_call_id": "1", "function_name": "shell",
                "arguments": {"command": "echo 1 > out.txt"}}]},
            {"step_id": 2, "source": "agent", "message": "It is done."}]}"#;
        fs::write(directory.join("trajectory.json"), hasty).unwrap();
    }
    let mut record = project.record("import", &[]);
    (record.contract, record.sandbox) = (String::new(), String::new());
    record.harness = harness.into();
    record.slots = trials.iter().map(|trial| slot(0, &trial.task, "imported")).collect();
    record.slots.iter_mut().for_each(|slot| slot.split = "held-in".into());
    let event = EventRecord::Imported {
        form: "a Harbor job".into(),
        directory: "job".into(),
        is_same_harness: !harness.is_empty(),
    };
    store.add_import(&record, &event, &trials).unwrap()
}

#[test]
fn what_was_imported_teaches_and_scores_nothing() {
    let project = Project::new("imported");
    let tasks = [(HELD_IN[0], "fail"), (HELD_IN[1], "fail"), ("astropy-1", "fail"), (HELD_IN[2], "pass")];
    import(&project, &tasks, &project.subject().harness_digest().to_string());
    let mut reader = project.reader();
    let board = reader.board(0);
    assert_eq!((board.runs[0].goal, board.runs[0].status), (Goal::Import, Status::Result));
    assert!(
        board.runs[0].sentence.contains("4 trials of 4 tasks from a Harbor job, 3 failed"),
        "{:?}",
        board.runs
    );
    assert!(board.measured.is_empty() && board.tests.states.is_empty() && board.environment.is_empty());
    let mined = board.mined.as_ref().unwrap();
    assert_eq!((mined.imported.as_deref(), mined.is_current), (Some("a Harbor job"), true));
    assert_eq!((mined.trials, mined.failed), (4, 3));
    let first = &mined.weaknesses[0];
    assert_eq!((first.support, first.actionable.as_str()), (3, "yes"), "{first:?}");
    assert!(first.tasks.contains(&"astropy-1".into()) && !first.places.is_empty(), "{first:?}");
    // Its money was spent elsewhere.
    assert_eq!(board.runs[0].progress.cost, Some(0.0));

    // What judges by now is not told any more, whether the project knew it then or not.
    project.suite(&HELD_IN[..2], &[HELD_IN[2], HELD_OUT[0], "astropy-*"]);
    let board = reader.board(1);
    let mined = board.mined.as_ref().unwrap();
    assert_eq!((mined.trials, mined.failed), (2, 2));
    let told = format!("{:?}", mined.weaknesses);
    assert!(!told.contains("astropy-1") && !told.contains(HELD_IN[2]), "{told}");

    // A run of this harness under the contract of now comes first.
    project.suite(&HELD_IN, &HELD_OUT);
    let record = project.record("evaluate", &Project::all());
    project.store().evaluated(&record, &["pass", "fail", "pass", "fail", "pass"]);
    import(&project, &[("later", "fail")], "");
    let board = reader.board(2);
    let mined = board.mined.as_ref().unwrap();
    assert_eq!((mined.run.as_str(), mined.imported.as_deref()), ("r-0002", None));
    assert_eq!(board.measured.len(), 1);
    assert_eq!(board.tests.states.len(), 3);
}
