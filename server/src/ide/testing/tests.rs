//! Which tests there are, what a run of them means, and what comes of it.

use std::time::Duration;

use super::*;
use crate::engine::board::{Progress, Status, StoreState, Trust};
use crate::engine::cycle::Goal;
use crate::ide::pages::sample::{MARKER, bare, changed, project, run};

fn told(tests: &[Test]) -> Vec<String> {
    let place = |test: &Test| test.location.as_ref().map_or("-".into(), |(file, _)| file.to_string());
    let told = |test: &Test| {
        let opens = if test.can_resolve_children { "+" } else { "" };
        format!(
            "{}{opens} | {} | {} | {} | {}",
            test.id,
            test.label,
            test.detail,
            test.kind.word(),
            place(test)
        )
    };
    tests.iter().map(told).collect()
}

#[test]
fn tasks_that_teach_are_tests() {
    assert_eq!(
        told(&discover(&bare(), Some("held-in"))),
        [
            "held-in/deep/t-19 | deep/t-19 |  | test | tasks/deep/t-19/instruction.md",
            "held-in/t-04 | t-04 |  | test | tasks/t-04/instruction.md",
            "held-in/t-07 | t-07 |  | test | tasks/t-07/instruction.md",
            "held-in/t-11 | t-11 |  | test | tasks/t-11/instruction.md",
        ]
    );
    let parents = discover(&bare(), Some("held-in")).into_iter().map(|test| test.parent);
    assert!(parents.flatten().all(|parent| parent == "held-in"));
}

#[test]
fn ux_17_locked_splits_have_no_children() {
    let project = bare();
    assert_eq!(
        told(&discover(&project, None)),
        [
            "held-in+ | held-in | 4 tasks | package | -",
            "held-out | held-out (locked) | 2 tasks | package | -",
            "sealed | sealed (locked) | 1 task | package | -",
        ]
    );
    for id in ["held-out", "sealed", "held-out/judge-9d1f-a", "sealed/sealed-judge-9d1f", "held-in/t-04", ""]
    {
        assert_eq!(discover(&project, Some(id)), [], "{id}");
    }
    // Nothing that is sent names one of them.
    let sent = format!("{:?}{:?}", discover(&project, None), discover(&project, Some("held-in")));
    assert!(!sent.contains(MARKER), "{sent}");
}

#[test]
fn ux_17_only_seal_starts_sealed_tasks() {
    let project = bare();
    let all = plan(&project, &[], &[]).unwrap();
    assert_eq!(all, ["deep/t-19", "t-04", "t-07", "t-11", "judge-9d1f-a", "judge-9d1f-b"]);
    let refused = plan(&project, &["held-in".into(), "sealed".into()], &[]).unwrap_err();
    assert!(refused.contains("`self-harness seal`"), "{refused}");
    let refused = plan(&project, &["sealed/sealed-judge-9d1f".into()], &[]).unwrap_err();
    assert!(refused.starts_with("sealed tasks are never run one by one"), "{refused}");
}

#[test]
fn a_run_of_tests_means_tasks() {
    let project = bare();
    let plan = |include: &[&str], exclude: &[&str]| {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        super::plan(&project, &owned(include), &owned(exclude))
    };
    let ok = |tasks: &[&str]| Ok(tasks.iter().map(|task| (*task).to_owned()).collect::<Vec<_>>());
    assert_eq!(plan(&["held-in/t-07", "held-in/deep/t-19", "held-in/t-07"], &[]), ok(&["deep/t-19", "t-07"]));
    assert_eq!(plan(&["held-out"], &[]), ok(&["judge-9d1f-a", "judge-9d1f-b"]));
    assert_eq!(plan(&[], &["held-out", "sealed", "held-in/t-04"]), ok(&["deep/t-19", "t-07", "t-11"]));
    assert_eq!(plan(&["held-in", "held-out"], &["held-in"]), ok(&["judge-9d1f-a", "judge-9d1f-b"]));
    // A held-out task is never told from its neighbours.
    for (include, exclude) in [(&["held-out/judge-9d1f-a"][..], &[][..]), (&[], &["held-out/judge-9d1f-a"])] {
        assert!(plan(include, exclude).unwrap_err().starts_with("held-out tasks are never run one by one"));
    }
    // By the id of another split a task is not found, nor by its bare name.
    for id in ["held-in/judge-9d1f-a", "held-in/t-99", "t-04", "held-in/"] {
        assert!(plan(&[id], &[]).unwrap_err().contains("is no held-in task now"), "{id}");
    }
    assert!(plan(&["held-in/t-04"], &["held-in"]).unwrap_err().starts_with("no task is left to run"));
}

#[test]
fn a_locked_split_says_how_far_it_is() {
    let project = changed(|board| {
        let mut active = run(152, Goal::Evaluate, Status::Running, "");
        active.progress = Progress { held_out: (4, 24), held_in: (19, 8), ..Progress::default() };
        board.runs.insert(0, active);
    });
    let details: Vec<_> = discover(&project, None).into_iter().map(|test| test.detail).collect();
    assert_eq!(details, ["4 tasks", "4/24 done", "1 task"]);
    assert_eq!(discover(&self::project(), None)[1].detail, "2 tasks");
    // So it does while nobody works on it, but never by a store that is not shown.
    let paused = |trust: Trust| {
        let project = changed(|board| {
            let mut run = run(152, Goal::Evaluate, Status::Paused, "");
            run.progress = Progress { held_out: (4, 24), ..Progress::default() };
            board.runs.insert(0, run);
            (board.trust, board.store) = (trust, StoreState::Imported);
        });
        discover(&project, None).remove(1).detail
    };
    assert_eq!([paused(Trust::Trusted), paused(Trust::Untrusted)], ["4/24 done", "2 tasks"]);
}

#[test]
fn a_project_without_tasks_has_no_tests() {
    use harness_schema::files::Files;
    let empty =
        Project::new(std::path::Path::new("/p"), Files::from_texts([("harness.toml", "schema = 1\n")]));
    assert_eq!(discover(&empty, None), []);
    assert!(plan(&empty, &[], &[]).unwrap_err().contains("declare some in `[tasks]`"));
}

#[test]
fn void_is_no_fail() {
    use plan::State::{Dropped, Filled, Missing, Running};
    let pending = plan::State::Pending { voids: 0, not_before: Duration::ZERO };
    let running = Running { voids: 1 };
    let (pass, fail) = (Filled(Verdict::Pass), Filled(Verdict::Fail));
    let void = Missing(VoidCause::Provider);
    let of = |slots: &[plan::State]| State::of(slots);
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[pending, pending]), Some(State::Enqueued));
    assert_eq!(of(&[pending, Dropped]), Some(State::Enqueued));
    assert_eq!(of(&[running, pending]), Some(State::Started));
    assert_eq!(of(&[fail, pending]), Some(State::Started));
    assert_eq!(of(&[pass, pass, void]), Some(State::Passed));
    assert_eq!(of(&[pass, fail]), Some(State::Failed { passed: 1, valid: 2 }));
    assert_eq!(of(&[void, void]), Some(State::Errored(VoidCause::Provider)));
    assert_eq!(of(&[Dropped]), Some(State::Skipped));
}

#[test]
fn ux_16_only_what_teaches_now_and_may_be_shown_has_a_state() {
    let of = |trust: Trust| {
        let project = changed(|board| {
            let passed = vec![plan::State::Filled(Verdict::Pass)];
            board.tests.states =
                ["t-04", "judge-9d1f-a", "gone"].map(|task| (task.to_owned(), passed.clone())).into();
            (board.trust, board.store) = (trust, StoreState::Imported);
        });
        states(&project)
    };
    assert_eq!(of(Trust::Trusted), [("held-in/t-04".to_owned(), State::Passed)]);
    assert_eq!(of(Trust::Untrusted), []);
}

#[test]
fn a_state_is_old_when_the_harness_or_its_task_is_another() {
    let of = |harness: Option<&str>, changed: &[&str]| {
        let project = changed_tests(harness, changed);
        outdated(&project)
    };
    // What still runs is of no text yet.
    let all = ["held-in/deep/t-19", "held-in/t-04"];
    assert_eq!(of(None, &[]), Vec::<String>::new());
    assert_eq!(of(Some("another"), &[]), all);
    assert_eq!(of(None, &["deep/t-19", "t-07"]), ["held-in/deep/t-19"]);
}

/// A project whose harness was tried on three tasks, one of which still runs; or another one was.
fn changed_tests(harness: Option<&str>, others: &[&str]) -> Project {
    let now = project().identity().to_string();
    changed(|board| {
        let passed = plan::State::Filled(Verdict::Pass);
        let running = plan::State::Running { voids: 0 };
        let states = [("t-04", passed), ("deep/t-19", passed), ("t-07", running), ("judge-9d1f-a", passed)];
        board.tests.states = states.map(|(task, state)| (task.to_owned(), vec![state])).into();
        board.tests.harness = harness.map_or(now, str::to_owned);
        board.tests.changed = others.iter().map(|task| (*task).to_owned()).collect();
    })
}

#[test]
fn others_know_no_errored() {
    let void = State::Errored(VoidCause::Provider);
    assert_eq!((void.tag(true), void.tag(false)), ("errored", "skipped"));
    let states = [
        State::Enqueued,
        State::Started,
        State::Passed,
        State::Failed { passed: 1, valid: 2 },
        State::Skipped,
    ];
    for (state, word) in states.iter().zip(["enqueued", "started", "passed", "failed", "skipped"]) {
        assert_eq!([true, false].map(|is_ours| state.tag(is_ours)), [word, word]);
    }
    let messages = [states[3].message(), void.message(), states[0].message()];
    assert_eq!(
        messages,
        ["1 of 2 trials passed", "void (provider): it measured nothing, and counts for nothing", ""]
    );
}
