//! A run as a line: where it stands, how far it is, how it ended, and what went wrong around it.

use std::collections::BTreeMap;
use std::rc::Rc;

use harness_schema::split::Split;

use super::told::ToldRun;
use crate::engine::board::{Environment, Progress, RunLine, Spot, Status};
use crate::engine::contract::Role;
use crate::engine::cycle::{Decision, Goal, Open};
use crate::engine::gate::stage::Doubt;
use crate::engine::plan::{Finish, State};
use crate::engine::verdict::Verdict;
use crate::host::following::{self, Seen};
use crate::host::store::{RunState, Store, StoreError, StoredRun, run_name};

/// A run as a line.
///
/// # Errors
/// A [`StoreError`].
pub(super) fn line(store: &Store, stored: &StoredRun, seen: &Seen) -> Result<RunLine, StoreError> {
    let status = status(store, stored, seen)?;
    let record = &stored.record;
    Ok(RunLine {
        number: stored.number,
        name: run_name(stored.number),
        goal: record.goal(),
        status,
        // What it came to is stored a moment before its end is: it is told with the end, not before.
        sentence: match status.is_active() {
            true => following::going_on(seen, stored),
            false => following::ending(seen, stored),
        },
        line: if status.is_over() { String::new() } else { following::line(seen, stored) },
        cause: seen.run().paused().map(ToString::to_string).unwrap_or_default(),
        progress: progress(stored, seen),
        harness: record.harness.clone(),
        contract: record.contract.clone(),
        gate: record.rules.map(|rules| rules.gate),
        started_by: record.started_by.clone(),
        created_ms: stored.created_ms,
    })
}

fn status(store: &Store, stored: &StoredRun, seen: &Seen) -> Result<Status, StoreError> {
    Ok(match seen.state {
        RunState::Queued => Status::Queued,
        RunState::Paused => Status::Paused,
        RunState::Running if seen.is_interrupted => Status::Interrupted,
        RunState::Running if 0 < store.cancels(stored.number)? => Status::Stopping,
        RunState::Running => Status::Running,
        RunState::Ended => ended(stored, seen),
    })
}

/// How a run that is over ended (`editor` 3.3).
fn ended(stored: &StoredRun, seen: &Seen) -> Status {
    let decisions = seen.cycle.decisions();
    let is_empty = match stored.record.goal() {
        Goal::Evaluate | Goal::Seal => false,
        Goal::Propose => seen.cycle.arms().len() <= 1,
        Goal::Validate | Goal::Improve => !decisions.values().any(|decision| *decision == Decision::Accepted),
    };
    match seen.run().finished() {
        Some(Finish::Cancelled) => Status::Cancelled,
        Some(Finish::Infrastructure | Finish::ContractBroken) | None => Status::Failed,
        Some(_) if seen.is_undecided() => Status::Undecided,
        Some(Finish::NoWeakness) => Status::Empty,
        Some(_) if is_empty => Status::Empty,
        Some(_) => Status::Result,
    }
}

fn progress(stored: &StoredRun, seen: &Seen) -> Progress {
    let run = seen.run();
    let (mut progress, spent) = (Progress::default(), run.spent());
    for (slot, state) in run.design().slots.iter().zip(run.states()) {
        let is_held_out = slot.split == Split::HeldOut;
        progress.total += 1;
        progress.held_out.1 += u32::from(is_held_out);
        match state {
            State::Filled(verdict) => {
                progress.done += 1;
                match (slot.split, verdict) {
                    (Split::HeldIn, Verdict::Pass) => progress.held_in.0 += 1,
                    (Split::HeldIn, _) => progress.held_in.1 += 1,
                    (Split::HeldOut, _) => progress.held_out.0 += 1,
                    (Split::Sealed, _) => {}
                }
            }
            State::Missing(_) => progress.done += 1,
            State::Running { .. } => progress.running += 1,
            // It is not planned any more.
            State::Dropped => {
                progress.total -= 1;
                progress.held_out.1 -= u32::from(is_held_out);
            }
            State::Pending { .. } => {}
        }
    }
    progress.void = run.voids();
    progress.cost = spent.cost;
    progress.cap = stored.record.budget.cost;
    let left = progress.total.saturating_sub(progress.done);
    if 5 <= spent.trials && 0 < left {
        let each = spent.time.as_secs_f64() / spent.trials as f64;
        progress.eta = Some((each * f64::from(left)).ceil() as u64);
    }
    progress
}

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
    if newest.seen.cycle.decisions().values().any(is_open) {
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

/// The trials of held-in tasks by the harness that the newest run began with; a run without any says nothing.
pub(super) fn tests(all: &[Rc<ToldRun>]) -> BTreeMap<String, Vec<State>> {
    let of_run = |told: &Rc<ToldRun>| {
        let run = told.seen.run();
        let mut tests: BTreeMap<String, Vec<State>> = BTreeMap::new();
        for (slot, state) in run.design().slots.iter().zip(run.states()) {
            if slot.arm == 0
                && slot.split == Split::HeldIn
                && matches!(slot.role, Role::Baseline | Role::Smoke)
            {
                tests.entry(slot.task.clone()).or_default().push(*state);
            }
        }
        tests
    };
    all.iter().map(of_run).find(|tests| !tests.is_empty()).unwrap_or_default()
}
