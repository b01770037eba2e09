//! `report RUN`: what came of a run: scores, a table of tasks, what it cost.

use std::path::PathBuf;

use super::{follow, locate, outcome, terminal};
use crate::failure::Failure;

/// The arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run; the newest if none is named
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Prints the report of a run.
///
/// # Errors
/// A [`Failure`] if there is no run.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let store = locate::store(&root)?;
    let stored = locate::run(&root, &store, arguments.run.as_deref())?;
    let seen = follow::look(&store, stored.number)?;
    terminal::print(&outcome::table(&store, &stored, &seen)?)?;
    terminal::print(&format!("{}\n", follow::ending(&seen, &stored)))?;
    Ok(0)
}
