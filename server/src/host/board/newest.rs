//! What the newest runs say of machine, provider and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use harness_schema::split::Split;

use super::told::ToldRun;
use crate::engine::board::{Environment, Spot, Status, Tests};
use crate::engine::contract::Role;
use crate::engine::cycle::{Decision, Open};
use crate::engine::gate::stage::Doubt;
use crate::engine::plan::{Finish, State};
use crate::host::evidence;
use crate::host::record::TrialRecord;
use crate::host::store::{Store, StoreError};
use crate::host::subject::Subject;

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

/// The trials of held-in tasks by the harness that a run began with: the newest run that has any, and which of them are of another
/// task, model or limit than those of `now`. A task that judges now is not told.
///
/// # Errors
/// A [`StoreError`].
pub(super) fn tests(
    all: &[Rc<ToldRun>],
    current: &[bool],
    held_in: &BTreeSet<String>,
    (store, now): (&Store, Option<&Subject>),
) -> Result<Tests, StoreError> {
    let runs = all.iter().zip(current).map(|(told, is_current)| (told, *is_current, states(told, held_in)));
    let Some((told, is_current, states)) = runs.into_iter().find(|(.., states)| !states.is_empty()) else {
        return Ok(Tests::default());
    };
    let changed = match now {
        Some(now) if !is_current => changed(told, store, now)?,
        _ => BTreeSet::new(),
    };
    Ok(Tests { harness: told.stored.record.harness.clone(), states, changed })
}

fn states(told: &ToldRun, held_in: &BTreeSet<String>) -> BTreeMap<String, Vec<State>> {
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
}

/// The tasks of a run with a trial that has another key now.
fn changed(told: &ToldRun, store: &Store, now: &Subject) -> Result<BTreeSet<String>, StoreError> {
    let trials = evidence::trials(store, &told.stored)?;
    let key = |trial: &TrialRecord| {
        let mut digests = now.task(&trial.task)?.plan.as_ref().ok()?.digests;
        // Nobody is asked which images there are.
        digests.image = digests.image.map(|unknown| trial.image.parse().unwrap_or(unknown));
        let (harness, role) = (trial.harness.parse().ok()?, Role::named(&trial.role)?);
        Some(now.contract.key(harness, digests, role, trial.repeat).to_string())
    };
    let others = trials.values().filter(|trial| key(trial).as_ref() != Some(&trial.key));
    Ok(others.map(|trial| trial.task.clone()).collect())
}
