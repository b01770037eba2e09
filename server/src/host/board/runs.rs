//! A run as a line: where it stands, how far it is, and how it ended.

use harness_schema::split::Split;

use crate::engine::board::{Progress, RunLine, Status};
use crate::engine::budget::Limit;
use crate::engine::cycle::{Decision, Goal};
use crate::engine::plan::{Finish, State};
use crate::engine::score;
use crate::engine::verdict::Verdict;
use crate::host::following::{self, Seen};
use crate::host::store::{RunState, Store, StoreError, StoredRun, run_name};

/// A run as a line.
///
/// # Errors
/// A [`StoreError`].
pub(super) fn line(store: &Store, stored: &StoredRun, seen: &Seen) -> Result<RunLine, StoreError> {
    let status = status(store, stored, seen)?;
    let (record, progress) = (&stored.record, progress(stored, seen));
    let is_capped = !store.is_foreign() && seen.run().finished() == Some(&Finish::Budget(Limit::Cost));
    Ok(RunLine {
        number: stored.number,
        name: run_name(stored.number),
        goal: record.goal(),
        status,
        // What it came to is stored a moment before its end is: it is told with the end, not before.
        sentence: match () {
            () if is_elsewhere(store, seen) => left_open(stored, seen),
            () if status.is_active() => following::going_on(seen, stored),
            () => following::ending(seen, stored),
        },
        line: if status.is_over() { String::new() } else { following::line(seen, stored) },
        cause: match status.is_over() {
            true if is_capped => {
                let spent = score::money(progress.cost);
                format!("{spent} spent, {}/{} trials", progress.done, progress.total)
            }
            true => String::new(),
            false => seen.run().paused().map(ToString::to_string).unwrap_or_default(),
        },
        is_capped,
        progress: Progress { running: if status.is_over() { 0 } else { progress.running }, ..progress },
        harness: record.harness.clone(),
        contract: record.contract.clone(),
        gate: record.rules.map(|rules| rules.gate),
        is_confined: record.is_confined(),
        started_by: record.started_by.clone(),
        created_ms: stored.created_ms,
    })
}

/// Whether a run goes on on another machine, if anywhere: here nobody works on it, resumes it or ends it.
fn is_elsewhere(store: &Store, seen: &Seen) -> bool {
    store.is_foreign() && seen.state != RunState::Ended
}

/// What there is to say of such a run.
fn left_open(stored: &StoredRun, seen: &Seen) -> String {
    let (verb, name, run) = (&stored.record.verb, run_name(stored.number), seen.run());
    let done = run.states().iter().filter(|state| matches!(state, State::Filled(_))).count();
    let all = run.states().len();
    format!(
        "{verb} was open when its store was copied, at {done} of {all} trials; it does not go on here ({name})"
    )
}

fn status(store: &Store, stored: &StoredRun, seen: &Seen) -> Result<Status, StoreError> {
    if is_elsewhere(store, seen) {
        return Ok(Status::Cancelled);
    }
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
        Goal::Evaluate => following::nothing_left(seen.run()),
        Goal::Seal | Goal::Import => false,
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
