//! Starts runs, and goes on with those that were started before, as far as that needs nobody to look at: tries the sandbox, reads
//! the project, says what somebody has to agree to, and stores what was asked for. The command line and editors start by it alike.
//! Asks nobody, prints nothing, and starts no worker.

mod recording;
pub mod plans;
mod preparing;
mod resuming;
mod pricing;
mod wish;

use harness_schema::check;
use harness_schema::harness::Harness;
use harness_schema::problem::Severity;

use super::machine::Machine;
use super::measured::Past;
use super::record::{ProposalRecord, SealRecord};
use super::sandbox::{Choice, Guarantees};
use super::store::{RunState, Store, StoredRun};
use super::subject::Subject;
use crate::engine::cycle::{Candidate, Goal, Rules};
use crate::engine::plan::Slot;
use crate::engine::report::words::plural;
use crate::failure::Failure;

pub use preparing::{Created, Prepared, of_run, prepare};
pub use pricing::{evaluation, going_on, proposing, validation};
pub use recording::record;
pub use resuming::{PreparedResume, prepare_resume};
pub use wish::{Wish, change, is_own, may};

/// How the message begins where there is no sandbox.
pub const NO_SANDBOX: &str = "no sandbox on this machine";

/// On what terms a run is started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// How many trials run side by side; at most the manifest's `budget.max_parallel`, which holds if nothing is said.
    pub parallel: Option<usize>,
    /// What it may cost, in US dollars; the lower of this, the manifest's `budget.max_cost_usd` and the machine's holds.
    pub max_cost_usd: Option<f64>,
    /// Whether the person says that it runs without a sandbox, with their rights, where `sandbox = "none"` is configured.
    pub unsandboxed: bool,
    /// Where it is started: `the command line`, an editor's name.
    pub started_by: String,
}

/// What a run is to do.
#[derive(Debug)]
pub struct Plan {
    /// What it is for.
    pub goal: Goal,
    /// How often each task is tried by the harness as it is.
    pub repeats: u32,
    /// The slots that it begins with.
    pub slots: Vec<Slot>,
    /// How proposals are judged, if there are any.
    pub rules: Option<Rules>,
    /// The proposals that are to be validated.
    pub candidates: Vec<Candidate>,
    /// The harness that it begins with, if it is not the one on disk.
    pub subject: Option<Subject>,
    /// What is read of sealed tasks, if that is what it is for.
    pub seal: Option<SealRecord>,
    /// An edit of the person's own, which is stored with the run and validated.
    pub own: Option<ProposalRecord>,
}

impl Plan {
    /// Trials of the harness on disk, and nothing else.
    #[must_use]
    pub fn of(goal: Goal, repeats: u32, slots: Vec<Slot>) -> Self {
        Self {
            goal,
            repeats,
            slots,
            rules: None,
            candidates: Vec::new(),
            subject: None,
            seal: None,
            own: None,
        }
    }
}

/// What a plan is made of.
pub struct Asking<'a> {
    /// The project as it is on disk, or as it is to be started.
    pub subject: &'a Subject,
    /// Its store.
    pub store: &'a Store,
    guarantees: &'a Guarantees,
    machine: &'a Machine,
}

impl<'a> Asking<'a> {
    /// Of a project on a machine whose sandbox keeps this.
    #[must_use]
    pub fn new(
        subject: &'a Subject,
        store: &'a Store,
        guarantees: &'a Guarantees,
        machine: &'a Machine,
    ) -> Self {
        Self { subject, store, guarantees, machine }
    }

    /// What was measured before in this project.
    #[must_use]
    pub fn past(&self) -> Past<'a> {
        let Self { subject, store, guarantees, machine } = *self;
        Past { root: &subject.root, store, guarantees, machine }
    }
}

/// Sees whether nothing in a harness is wrong: a run of a harness with errors measures the errors.
///
/// # Errors
/// A [`Failure`] with how many errors there are.
pub fn sound(harness: &Harness) -> Result<(), Failure> {
    let problems = harness.named_files().flat_map(|file| check::file(harness, file));
    match problems.filter(|problem| problem.severity == Severity::Error).count() {
        0 => Ok(()),
        errors => {
            let errors = plural(u64::try_from(errors).unwrap_or(u64::MAX), "error", "errors");
            let message = format!("the harness has {errors}, so nothing is run");
            Err(Failure::config(message, "see them with `self-harness check`"))
        }
    }
}

/// The run of a project that goes on or waits for a worker: whoever would start another one follows it instead.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn open_run(store: &Store) -> Result<Option<StoredRun>, Failure> {
    // Nobody here has agreed to what a store from elsewhere wants to be run.
    if store.is_foreign() {
        return Ok(None);
    }
    let open = store.open_runs().map_err(|error| error.to_failure())?;
    Ok(open.into_iter().find(|run| run.state != RunState::Paused))
}

/// The sandbox of this machine, tried.
///
/// # Errors
/// A [`Failure`] if it does not hold what it must: nothing runs without one.
pub fn proven(machine: &Machine, unsandboxed: bool) -> Result<Guarantees, Failure> {
    let choice = machine.sandbox();
    match (choice, unsandboxed) {
        (Choice::None, false) => {
            let message = "your configuration says `sandbox = \"none\"`, nothing was run";
            let hint = "add `--unsandboxed` to run with your own rights on this machine, which should be one to throw away";
            return Err(Failure::config(message, hint));
        }
        // There is nothing of ours to be tried.
        (Choice::Harbor, false) => return Ok(Guarantees::delegated()),
        (Choice::Bubblewrap | Choice::Container | Choice::Harbor, true) => {
            let hint = "only your own configuration can switch the sandbox off: see `host::machine`";
            return Err(Failure::user("there is a sandbox, so `--unsandboxed` means nothing", hint));
        }
        _ => {}
    }
    let guarantees = machine.backend().probe().map_err(|missing| {
        Failure::host(format!("{NO_SANDBOX}, nothing was run: {}", missing.reason), missing.remedy)
    })?;
    match guarantees.lacking().as_slice() {
        [] => Ok(guarantees),
        _ if unsandboxed => Ok(guarantees),
        lacking => Err(Failure::host(
            format!("the sandbox does not hold `{}`, nothing was run", lacking.join("`, `")),
            "`self-harness doctor` says what a program inside could do",
        )),
    }
}

#[cfg(test)]
mod tests;
