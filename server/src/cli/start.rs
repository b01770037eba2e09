//! Starts a run, asks whoever is to pay, and follows it.

use std::path::Path;

use super::consent::{self, Flags, Question};
use super::report::excerpt::visible;
use super::{follow, locate, run_report, terminal};
use crate::failure::Failure;
use crate::host::starting::{self, Asking, Plan};
use crate::host::store::{Store, StoredRun, run_name};

/// On what terms a run is started.
#[derive(Debug, Default, clap::Args)]
pub struct Terms {
    /// How many trials run side by side; at most the manifest's `budget.max_parallel`
    #[arg(long, value_name = "N")]
    pub parallel: Option<usize>,
    /// What it may cost, in US dollars; the lower of this and the manifest's `budget.max_cost_usd` holds
    #[arg(long, value_name = "USD")]
    pub max_cost_usd: Option<f64>,
    /// Runs without a sandbox, with your rights, where `sandbox = "none"` stands in your configuration
    #[arg(long)]
    pub unsandboxed: bool,
    /// Agrees to what is started, and trusts what decides what is executed, without asking
    #[arg(long)]
    pub yes: bool,
    /// Trusts what decides what is executed as it is now, this once; spending is asked for as always
    #[arg(long)]
    pub trust: bool,
    /// Returns when the run is started; `status` follows it
    #[arg(long)]
    pub detach: bool,
}

impl Terms {
    /// As everybody says them who starts a run.
    fn said(&self) -> starting::Terms {
        starting::Terms {
            parallel: self.parallel,
            max_cost_usd: self.max_cost_usd,
            unsandboxed: self.unsandboxed,
            started_by: String::from("the command line"),
        }
    }
}

/// Starts what `plan` makes of a project, and follows it.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub fn run(
    root: &Path,
    terms: &Terms,
    plan: impl FnOnce(&mut Asking<'_>) -> Result<Plan, Failure>,
) -> Result<u8, Failure> {
    locate::sound(root)?;
    let mut store = Store::open_to_ask(root).map_err(|error| error.to_failure())?;
    locate::say_notice(&store);
    let Some(stored) = start(root, &mut store, terms, plan)? else {
        terminal::print_aside("nothing was started\n");
        return Ok(130);
    };
    if terms.detach {
        crate::host::worker::ensure(root, &store, stored.record.key_variable.as_deref())?;
        terminal::print(&format!("{}\n", run_name(stored.number)))?;
        return Ok(0);
    }
    finish(root, &mut store, &stored)
}

/// Follows a run to its end and prints what came of it.
///
/// # Errors
/// A [`Failure`] if it cannot be followed.
pub fn finish(root: &Path, store: &mut Store, stored: &StoredRun) -> Result<u8, Failure> {
    let seen = follow::to_the_end(root, store, stored)?;
    terminal::print(&run_report::summary(store, stored, &seen)?)?;
    Ok(follow::exit_code(&seen))
}

/// Asks and stores a run; `None` if the person does not want it. An open run is followed instead of a second one.
fn start(
    root: &Path,
    store: &mut Store,
    arguments: &Terms,
    plan: impl FnOnce(&mut Asking<'_>) -> Result<Plan, Failure>,
) -> Result<Option<StoredRun>, Failure> {
    if let Some(open) = starting::open_run(store)? {
        let name = run_name(open.number);
        terminal::print_aside(&format!("following {name}, started from {}\n", open.record.started_by));
        return Ok(Some(open));
    }
    let prepared = starting::prepare(root, None, store, &arguments.said(), plan)?;
    if let Some(notice) = prepared.notice() {
        terminal::print_aside(&visible(&format!("note: {notice}\n")));
    }
    let asked = prepared.asked(store)?;
    let question = Question {
        root,
        asked: &asked,
        items: prepared.items(),
        terms: prepared.terms(),
        reasons: prepared.reasons(),
        goes_on: false,
    };
    let flags = Flags { yes: arguments.yes, trust: arguments.trust };
    let Some(how) = consent::given(&question, flags)? else { return Ok(None) };
    store.keep(root).map_err(|error| error.to_failure())?;
    let created = prepared.create(root, store, how)?;
    if let Some(notice) = created.notice {
        terminal::print_aside(&visible(&format!("{notice}\n")));
    }
    store.run(created.number).map_err(|error| error.to_failure())
}
