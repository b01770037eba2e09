//! `report RUN`: what came of a run: scores, a table of tasks, what it cost.

mod junit;

use std::path::PathBuf;

use clap::ValueEnum;

use super::report::excerpt::visible;
use super::{follow, locate, outcome, terminal};
use crate::failure::Failure;

const MORE_HELP: &str = "\
Examples:
  self-harness report                             the newest run
  self-harness report r-0012 --format junit       for CI: one test case per trial that was asked for

In JUnit a void trial is an error and a failed one a failure. Held-out tasks are counted and not named.";

/// The arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The run; the newest if none is named
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// A table for people, or JUnit XML for CI
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Junit,
}

/// Prints the report of a run.
///
/// # Errors
/// A [`Failure`] if there is no run.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let (store, stored) = locate::found(&root, arguments.run.as_deref())?;
    let seen = follow::look(&store, stored.number)?;
    if arguments.format == Format::Junit {
        if store.is_foreign() {
            terminal::print_aside(&format!("{}\n", locate::IMPORTED));
        }
        let trials = outcome::trials(&store, &stored)?;
        terminal::print_exactly(&junit::document(&stored, &seen, &trials)?)?;
        return Ok(0);
    }
    if store.is_foreign() {
        terminal::print(&format!("{}\n", locate::IMPORTED))?;
    }
    terminal::print(&outcome::table(&store, &stored, &seen)?)?;
    terminal::print(&format!("{}\n", visible(&follow::ending(&seen, &stored))))?;
    Ok(0)
}
