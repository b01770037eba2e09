//! What the newest runs say of machine, provider and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use harness_schema::split::Split;

use super::told::ToldRun;
use crate::engine::board::{Environment, Spot, Status};
use crate::engine::contract::Role;
use crate::engine::cycle::{Decision, Open};
use crate::engine::gate::stage::Doubt;
use crate::engine::plan::{Finish, State};

/// What is wrong with machine or provider, as the newest run tells it. A run that ended well clears it.
pub(super) fn environment(all: &[Rc<ToldRun>]) -> Vec<Environment> {
    let Some(newest) = all.first() else { return Vec::new() };
    let line = &newest.line;
    let mut problems = Vec::new();
    if line.status == Status::Paused && !line.cause.is_empty() {
        problems.push(Environment {
            code: "SH901",
            at: Spot::Key(&["model", "endpoint"]),
            message: format!("{} waits: {}", line.name, line.cause),
            why: String::from("no trial is started until it is resumed; nothing that was measured is lost"),
        });
    }
    if line.status == Status::Failed && newest.seen.run().finished() == Some(&Finish::Infrastructure) {
        problems.push(Environment {
            code: "SH901",
            at: Spot::Key(&["model", "endpoint"]),
            message: format!("{} ended: trials were void again and again", line.name),
            why: String::from("the provider or the machine failed; what was measured is kept"),
        });
    }
    let is_open = |decision: &Decision| {
        matches!(decision, Decision::Undecided(Open::Doubt(Doubt::VoidCells | Doubt::MissingShare)))
    };
    // What a run decides is told when it is over.
    if newest.is_over() && newest.seen.cycle.decisions().values().any(is_open) {
        let (void, total) = (line.progress.void, line.progress.total);
        problems.push(Environment {
            code: "SH902",
            at: Spot::Key(&["improve"]),
            message: format!("{void} of {total} trials void in {}: a decision is open", line.name),
            why: String::from("trials that measured nothing could still decide either way"),
        });
    }
    problems
}

/// The trials of held-in tasks by the harness that a run began with: the newest run under the contract of now that has any. A task
/// that judges now is not told.
pub(super) fn tests(
    all: &[Rc<ToldRun>],
    current: &[bool],
    held_in: &BTreeSet<String>,
) -> BTreeMap<String, Vec<State>> {
    let of_run = |told: &Rc<ToldRun>| {
        let run = told.seen.run();
        let mut tests: BTreeMap<String, Vec<State>> = BTreeMap::new();
        for (slot, state) in run.design().slots.iter().zip(run.states()) {
            if slot.arm == 0
                && slot.split == Split::HeldIn
                && matches!(slot.role, Role::Baseline | Role::Smoke)
                && held_in.contains(&slot.task)
            {
                tests.entry(slot.task.clone()).or_default().push(*state);
            }
        }
        tests
    };
    let current = all.iter().zip(current).filter(|(_, is_current)| **is_current);
    current.map(|(told, _)| of_run(told)).find(|tests| !tests.is_empty()).unwrap_or_default()
}
