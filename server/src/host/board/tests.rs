//! Boards of stores that are written here, as runs would have written them.

mod project;
mod stores;
mod here;
mod imported;

use std::fs;

use self::project::*;
use super::*;
use crate::engine::contract::Role;
use crate::engine::cycle::Decision;
use crate::host::record::{EventRecord, RunRecord};

#[test]
fn a_harness_is_known_by_its_digest_only_while_the_rest_of_it_is_there() {
    let project = Project::new("whole");
    let mut written = project.store();
    let record = RunRecord { harness: "0".repeat(64), ..project.record("improve", &Project::all()) };
    let number = written.improving(&record);
    written.end("rounds");
    let board = project.reader().board(0);
    assert!(board.accepted.is_empty());
    assert_eq!(board.proposals[&number].decision, Some(Decision::Accepted));
    assert!(board.measured.iter().all(|scored| scored.harness == record.harness));
}

#[test]
fn each_split_is_told_by_the_newest_run_that_tried_all_of_it() {
    let project = Project::new("splits");
    let mut written = project.store();
    written
        .evaluated(&project.record("evaluate", &Project::all()), &["pass", "fail", "pass", "fail", "fail"]);
    written.evaluated(&project.record("evaluate", &HELD_OUT), &["pass", "pass"]);
    written.evaluated(&project.record("evaluate", &HELD_IN[..1]), &["fail"]);
    let board = project.reader().board(0);
    let [measured] = board.measured.as_slice() else { panic!("{}", board.measured.len()) };
    assert_eq!((score(measured.held_in), score(measured.held_out)), (Some((2.0, 3)), Some((2.0, 2))));
    // One task of three says less of what fails than all.
    let mined = board.mined.unwrap();
    assert_eq!((mined.run.as_str(), mined.is_current, mined.failed, mined.trials), ("r-0001", true, 1, 3));
    assert_eq!(board.tests.states.len(), 1);
}

#[test]
fn a_task_that_could_not_be_measured_was_tried_all_the_same() {
    let project = Project::new("void");
    let mut written = project.store();
    written.evaluated(&project.record("evaluate", &HELD_IN), &["fail", "fail", "fail"]);
    written.begin(&project.record("evaluate", &HELD_IN));
    written.trial(0, "fail", |_| {});
    written.trial(1, "pass", |_| {});
    let (cause, why) = ("environment-setup".into(), "it needs a device".into());
    written.append(&EventRecord::Unfillable { slot: 2, cause, why });
    written.end("complete");
    assert_eq!(project.reader().board(0).mined.unwrap().run, "r-0002");
}

#[test]
fn a_harness_that_was_adopted_is_mined_with_what_its_edit_does_not_touch() {
    let project = Project::new("inherits");
    let mut written = project.store();
    let record = project.record("improve", &Project::all());
    written.improving(&record);
    written.end("rounds");
    fs::write(project.root().join(FILE), edited(&record)).unwrap();
    let board = project.reader().board(0);
    let mined = board.mined.unwrap();
    assert_eq!(mined.harness, project.subject().harness_digest().to_string());
    assert_eq!((mined.trials, mined.failed, mined.is_current), (3, 0, true));
}

#[test]
fn a_task_that_judges_by_now_is_not_told() {
    let project = Project::new("moved");
    let mut written = project.store();
    written.begin(&project.record("evaluate", &Project::all()));
    for (slot, verdict) in ["fail", "fail", "fail", "pass", "pass"].into_iter().enumerate() {
        written.trial(slot, verdict, |trial| trial.end = "steps".into());
    }
    written.end("complete");
    let mut reader = project.reader();
    let board = reader.board(0);
    assert_eq!((board.tests.states.len(), board.tests.changed.len()), (3, 0));
    let mined = board.mined.unwrap();
    assert_eq!((mined.failed, mined.trials, mined.is_current), (3, 3, true));
    assert_eq!(mined.limits, [("max_steps".to_owned(), 3)]);
    assert!(mined.weaknesses.iter().any(|weakness| weakness.tasks.iter().any(|task| task == "join-orders")));

    // While a run is open as well.
    written.begin(&project.record("evaluate", &HELD_IN));
    project.suite(&HELD_IN[..2], &["add-health", "build-pages", "join-orders"]);
    let board = reader.board(1);
    assert_eq!(board.open().map(|run| run.number), Some(2));
    let mined = board.mined.unwrap();
    assert_eq!((mined.failed, mined.trials, mined.is_current), (2, 2, false));
    assert_eq!(mined.limits, [("max_steps".to_owned(), 2)]);
    let told = format!("{:?} {:?} {:?}", mined.weaknesses, mined.suspects, board.tests);
    assert!(!told.contains("join-orders"), "{told}");
    assert_eq!(board.tests.states.len(), 2);
}

#[test]
fn a_test_is_old_when_its_own_task_or_what_all_share_has_changed() {
    let project = Project::new("tests");
    let mut written = project.store();
    let record = project.record("evaluate", &Project::all());
    written.begin(&record);
    let subject = project.subject();
    for slot in 0..record.slots.len() {
        written.trial(slot, "pass", |trial| {
            let task = subject.task(&trial.task).unwrap().plan.as_ref().unwrap();
            trial.harness.clone_from(&record.harness);
            trial.key = subject.key(subject.harness_digest(), task, Role::Baseline, 0).to_string();
        });
    }
    written.end("complete");
    let mut reader = project.reader();
    let tests = reader.board(0).tests;
    assert_eq!((tests.harness, tests.states.len(), tests.changed.len()), (record.harness.clone(), 3, 0));
    let instruction = project.root().join("tasks").join(HELD_IN[1]).join("instruction.md");
    let before = fs::read_to_string(&instruction).unwrap();
    fs::write(&instruction, format!("{before}\nBe exact.\n")).unwrap();
    let tests = reader.board(1).tests;
    assert_eq!((tests.states.len(), tests.changed), (3, BTreeSet::from([HELD_IN[1].to_owned()])));
    // Undone, it is what was measured.
    fs::write(&instruction, before).unwrap();
    assert_eq!(reader.board(2).tests.changed.len(), 0);
    let manifest = project.root().join("harness.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let other = text.replacen("\nname = \"demo-1\"", "\nname = \"demo-2\"", 1);
    assert_ne!(text, other);
    fs::write(&manifest, other).unwrap();
    let changed = reader.board(3).tests.changed;
    assert!(HELD_IN.iter().all(|task| changed.contains(*task)), "{changed:?}");
}

#[test]
fn what_cannot_be_read_is_said_and_not_taken_for_nothing() {
    let project = Project::new("remark");
    let mut written = project.store();
    written.begin(&project.record("evaluate", &HELD_IN));
    for slot in 0..3 {
        written.append(&EventRecord::Started { slot, attempt: 0 });
        written.append(&ended(slot, "fail"));
    }
    written.end("complete");
    let mut reader = project.reader();
    for _ in 0..2 {
        let board = reader.board(0);
        assert!(board.mined.is_none());
        assert_eq!(board.remark, "weaknesses cannot be told: the store has lost the trials of r-0001");
    }
    let unknown = || Err(Failure::config("the configuration says nothing", "say something"));
    let board = project.reader_on(unknown).board(0);
    assert_eq!((board.remark.as_str(), board.runs.len()), ("the configuration says nothing", 1));
    assert!(board.mined.is_none() && board.measured.is_empty());
}
