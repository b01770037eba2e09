//! Where a run stands, read from its store, and what is said of it while it goes on and when it is over. It looks when it is asked
//! to, and never waits.

mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use super::record::{EventRecord, VERIFIER_FLAKY};
use super::store::{RunState, Store, StoredRun, run_name};
use crate::engine::cycle::{Cycle, Decision};
use crate::engine::plan::Run;
use crate::failure::Failure;

pub use self::words::{ending, going_on, line, nothing_left};

/// How long a run may have no worker before it counts as abandoned: a worker that starts needs a moment.
pub const ABANDONED: Duration = Duration::from_secs(5);

/// Where a run stood when it was looked at.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The run with everything that happened.
    pub cycle: Cycle,
    /// Where it stands.
    pub state: RunState,
    /// Whether nobody works on it although it is not over.
    pub is_interrupted: bool,
    /// Tasks that cannot be measured, and why.
    pub unfillable: Vec<(String, String)>,
    /// Tasks whose verifier said different things about one tree.
    pub flaky: BTreeSet<String>,
    /// Slots that an earlier trial filled.
    pub reused: usize,
    /// Whether weaknesses were mined that an edit could help with.
    pub is_mined: bool,
    /// Where what it holds comes from, if another program has measured that: `a Harbor job`.
    pub imported: Option<String>,
    /// The last event that was taken in.
    last: i64,
}

impl Seen {
    /// Whether nothing was accepted, and of something it cannot be told.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        let decisions = self.cycle.decisions();
        !decisions.values().any(|decision| *decision == Decision::Accepted)
            && decisions.values().any(|decision| matches!(decision, Decision::Undecided(_)))
    }

    /// Its trials.
    #[must_use]
    pub fn run(&self) -> &Run {
        self.cycle.trials()
    }

    /// A run that somebody else has told.
    #[cfg(test)]
    #[must_use]
    pub fn of(cycle: Cycle, state: RunState, unfillable: Vec<(String, String)>) -> Self {
        Self {
            cycle,
            state,
            is_interrupted: false,
            unfillable,
            flaky: BTreeSet::new(),
            reused: 0,
            is_mined: false,
            imported: None,
            last: 0,
        }
    }
}

/// Where the run of a number stands now.
///
/// # Errors
/// A [`Failure`] if the store cannot be read, or has no such run.
pub fn look(store: &Store, number: i64) -> Result<Seen, Failure> {
    let stored = store.run(number).map_err(|error| error.to_failure())?;
    look_at(store, &stored.ok_or_else(|| gone(number))?)
}

/// Where a run stands now.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn look_at(store: &Store, stored: &StoredRun) -> Result<Seen, Failure> {
    let mut seen = Seen {
        cycle: Cycle::new(stored.record.design()),
        state: stored.state,
        is_interrupted: false,
        unfillable: Vec::new(),
        flaky: BTreeSet::new(),
        reused: 0,
        is_mined: false,
        imported: None,
        last: 0,
    };
    look_again(store, stored, &mut seen)?;
    Ok(seen)
}

/// Takes in what has happened since the last look: a long run is told once, not with every look.
///
/// # Errors
/// A [`Failure`] if the store cannot be read, or the run is gone.
pub fn look_again(store: &Store, stored: &StoredRun, seen: &mut Seen) -> Result<(), Failure> {
    let Seen { cycle, unfillable, flaky, reused, is_mined, imported, last, .. } = seen;
    let record = &stored.record;
    // The state first: what a run has come to is stored before it, so nobody sees an end without what it came to.
    let state = store.state(stored.number).map_err(|error| error.to_failure())?;
    seen.state = state.ok_or_else(|| gone(stored.number))?;
    let more = store.replay(stored.number, *last, cycle, |event| match event {
        EventRecord::Unfillable { slot, why, .. } => {
            let task = record.slots.get(slot).map(|slot| slot.task.clone()).unwrap_or_default();
            if !unfillable.iter().any(|(other, _)| *other == task) {
                unfillable.push((task, why));
            }
        }
        EventRecord::Checked { task, marks } if marks.iter().any(|mark| mark == VERIFIER_FLAKY) => {
            flaky.insert(task);
        }
        EventRecord::Reused { .. } => *reused += 1,
        EventRecord::Mined { actionable, .. } => *is_mined |= 0 < actionable,
        EventRecord::Imported { form, .. } => *imported = Some(form),
        _ => {}
    });
    *last = more.map_err(|error| error.to_failure())?;
    let has_worker = store.has_worker().map_err(|error| error.to_failure())?;
    seen.is_interrupted = seen.state == RunState::Running && !has_worker;
    Ok(())
}

fn gone(number: i64) -> Failure {
    Failure::host(format!("the run {} is gone", run_name(number)), "somebody has removed the store")
}
