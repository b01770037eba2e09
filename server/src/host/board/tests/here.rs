//! What is wrong here with the machine, the tasks and their splits.

use std::fs;

use super::super::*;
use super::project::*;
use crate::engine::board::Spot;
use crate::host::record::{EventRecord, VERIFIER_FLAKY};

fn wrong(board: &Board) -> Vec<(&'static str, &str)> {
    board.environment.iter().map(|of| (of.code, of.message.as_str())).collect()
}

#[test]
fn what_is_wrong_with_tasks_and_machine_is_told_before_anything_is_spent() {
    let project = Project::new("here");
    let manifest = project.root().join("harness.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let name = "\nname = \"demo-1\"";
    assert!(text.contains(name));
    fs::write(&manifest, text.replacen(name, &format!("{name}\napi_key_env = \"A_KEY_OF_NOBODY\""), 1))
        .unwrap();
    let docker = "environment/Dockerfile";
    let install = |task: &str| {
        let file = project.root().join("tasks").join(task).join(docker);
        fs::write(&file, "FROM debian:12\nRUN apt-get install -y git\n").unwrap();
    };
    install(HELD_IN[0]);
    install(HELD_OUT[0]);
    let board = project.reader().board(0);
    let expected = [
        ("SH903", String::from("variable `A_KEY_OF_NOBODY` is not set here")),
        (
            "SH908",
            format!("task `{0}` needs the container backend (`tasks/{0}/{docker}`, line 2)", HELD_OUT[0]),
        ),
        (
            "SH908",
            format!("task `{0}` needs the container backend (`tasks/{0}/{docker}`, line 2)", HELD_IN[0]),
        ),
    ];
    let expected: Vec<_> = expected.iter().map(|(code, message)| (*code, message.as_str())).collect();
    assert_eq!(wrong(&board), expected);
    let why: Vec<_> = board.environment.iter().map(|of| of.why.as_str()).collect();
    assert!(!why[1].contains("apt-get") && why[2].contains("apt-get"), "{why:?}");
}

#[test]
fn verifiers_that_prove_nothing_and_splits_that_moved_are_told_by_the_newest_run() {
    let project = Project::new("verifiers");
    let mut written = project.store();
    written.begin(&project.record("evaluate", &HELD_IN));
    written.trial(0, "pass", |_| {});
    for (slot, error) in [
        (1, crate::host::suite::NotAdmitted::NullPasses { place: String::new() }),
        (
            2,
            crate::host::suite::NotAdmitted::OracleFails {
                place: String::from("step `a`: "),
                why: String::from("exit 1"),
            },
        ),
    ] {
        let (cause, why) = (String::from("verifier-crash"), error.to_string());
        written.append(&EventRecord::Unfillable { slot, cause, why });
    }
    let marks = vec![String::from(VERIFIER_FLAKY)];
    written.append(&EventRecord::Checked { task: HELD_IN[0].into(), marks });
    written.append(&EventRecord::Checked { task: HELD_IN[1].into(), marks: vec![String::from("no-report")] });
    written.end("complete");
    let mut reader = project.reader();
    let board = reader.board(0);
    let idle = format!("task `{}` passes an agent that does nothing", HELD_IN[1]);
    let fails = format!("task `{}` fails its own `solution/solve.sh`", HELD_IN[2]);
    let flaky = format!("task `{}` was judged differently twice on one final state", HELD_IN[0]);
    let narrowed = ("SH909", "image `debian:12` is not built here: host tools are used");
    assert_eq!(
        wrong(&board),
        [("SH905", idle.as_str()), ("SH906", fails.as_str()), ("SH907", flaky.as_str()), narrowed]
    );
    // Said once, with how many tasks it is about, at the first of those that do not judge.
    let last = board.environment.last().unwrap();
    assert_eq!(last.at, Spot::Task(HELD_IN[0].into()));
    assert!(last.why.starts_with(&format!("task `{}` and 2 other tasks", HELD_IN[0])), "{}", last.why);
    // Lists that somebody edits are what they want; a seed that puts tasks elsewhere is not.
    project.suite(&HELD_IN[..1], &["add-health", "invoice-total", "join-orders"]);
    let told = reader.board(1);
    assert!(wrong(&told).iter().all(|(code, _)| *code == "SH909"), "{:?}", wrong(&told));
    let manifest = project.root().join("harness.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let (before, rest) = text.split_once("held_in = ").unwrap();
    let after = rest.split_once("\n[").map_or("", |(_, after)| after);
    let seeded = format!("{before}split = {{ seed = 7, held_in = 0.5, held_out = 0.5 }}\n\n[{after}");
    fs::write(&manifest, seeded).unwrap();
    let subject = project.subject();
    let is_moved = |task: &&&str| subject.task(task).unwrap().split != Split::HeldIn;
    let moved = HELD_IN.iter().filter(is_moved).count();
    assert!(0 < moved, "the seed moves none of them: take another one");
    let board = reader.board(2);
    let told = wrong(&board);
    let tasks = if moved == 1 { String::from("1 task") } else { format!("{moved} tasks") };
    let message = format!("{tasks} changed split since r-0001: scores start anew");
    assert!(told.contains(&("SH806", message.as_str())), "{told:?}");
}
