//! `seal`: reads the sealed tasks, once: the harness that the lineage began with and the last one, side by side, on tasks that
//! neither has met. No other command can run a sealed task.

use std::path::PathBuf;

use super::start::{self, Terms};
use super::{locate, terminal};
use crate::failure::Failure;
use crate::host::starting::plans;

const MORE_HELP: &str = "\
Examples:
  self-harness seal                  at the very end: how much better is the harness on tasks that nobody has looked at?
  self-harness seal --yes            without asking, for CI

The first harness is that of the oldest run under this contract, the last one is that on disk; where nothing on disk differs
from the first, the last one is what a run adopted last. A later reading of the same tasks is marked `reused(2)`.";

/// The arguments of `seal`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    terms: Terms,
}

/// Starts the reading and follows it.
///
/// # Errors
/// A [`Failure`] if there is nothing to read, or it cannot be started.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    start::run(&root, &arguments.terms, |asking| {
        let plan = plans::seal(asking)?;
        if let Some(note) = plan.seal.as_ref().and_then(plans::read_before) {
            terminal::print_aside(&format!("note: {note}\n"));
        }
        Ok(plan)
    })
}
