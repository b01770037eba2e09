//! What a person may wish of a run that is there: that it ends, or that it goes on.

use crate::engine::plan::{Finish, State};
use crate::failure::Failure;
use crate::host::following::Seen;
use crate::host::store::{IMPORTED, RunState, Store, StoreError, StoredRun, run_name};

/// What is wished of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// It ends; trials that run have 30 s. Wished twice, at once.
    Cancel,
    /// It ends at once.
    Discard,
    /// It goes on; no finished trial is paid again.
    Resume,
    /// The same; trials that stayed void are tried again.
    Retry,
}

/// Sees whether a run was started here: nothing is done about those of a store from elsewhere.
///
/// # Errors
/// A [`Failure`] if it was not.
pub fn is_own(store: &Store, stored: &StoredRun) -> Result<(), Failure> {
    match store.is_foreign() {
        false => Ok(()),
        true => Err(Failure::user(
            format!("{} is {IMPORTED}", run_name(stored.number)),
            "start a run of your own with `self-harness evaluate`",
        )),
    }
}

/// Sees whether what is wished of a run can be done where it stands.
///
/// # Errors
/// A [`Failure`] that says why not.
pub fn may(store: &Store, stored: &StoredRun, seen: &Seen, wish: Wish) -> Result<(), Failure> {
    is_own(store, stored)?;
    let name = run_name(stored.number);
    if matches!(wish, Wish::Cancel | Wish::Discard) {
        return match seen.state {
            RunState::Ended => Err(Failure::user(format!("{name} is over"), "there is nothing to cancel")),
            _ => Ok(()),
        };
    }
    let is_complete = matches!(
        seen.run().finished(),
        Some(Finish::Complete | Finish::NoWeakness | Finish::Stalled | Finish::Rounds)
    );
    let has_missing = seen.run().states().iter().any(|state| matches!(state, State::Missing(_)));
    // Proposals that were decided on stay so; another run reuses every trial that measured something.
    let may_retry = wish == Wish::Retry && has_missing && stored.record.goal().is_measurement();
    if is_complete && !may_retry {
        let hint = format!("start another one with `self-harness {}`", stored.record.verb);
        return Err(Failure::user(format!("{name} is complete"), hint));
    }
    if seen.state == RunState::Running && !seen.is_interrupted {
        return Err(Failure::user(
            format!("{name} is running"),
            "follow it with `self-harness status --follow`",
        ));
    }
    Ok(())
}

/// Does to the store what is wished of a run. One that is to go on needs somebody's [agreement](super::PreparedResume::agree)
/// before, and a worker after.
///
/// # Errors
/// A [`Failure`] if it [may not be](may), or the store cannot be written.
pub fn change(store: &mut Store, stored: &StoredRun, seen: &Seen, wish: Wish) -> Result<(), Failure> {
    may(store, stored, seen, wish)?;
    let failed = |error: StoreError| error.to_failure();
    let (run, at) = (stored.number, seen.run().spent().time);
    match wish {
        Wish::Cancel | Wish::Discard => {
            store.ask_cancel(run).map_err(failed)?;
            if wish == Wish::Discard {
                store.ask_cancel(run).map_err(failed)?;
            }
            // Nobody may be at work who could hear it.
            if seen.is_interrupted || seen.state == RunState::Paused {
                store.close(run, at).map_err(failed)?;
            }
        }
        // Whoever takes over an interrupted run goes on with it.
        Wish::Resume | Wish::Retry if seen.is_interrupted => {}
        Wish::Resume | Wish::Retry => store.resume(run, at, wish == Wish::Retry).map_err(failed)?,
    }
    Ok(())
}
