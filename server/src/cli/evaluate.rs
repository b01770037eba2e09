//! `evaluate`: measures the harness: runs it on its tasks in a sandbox, judges each trial, and stores everything.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use harness_schema::split::Split;

use super::{locate, start};
use crate::failure::Failure;
use crate::host::starting::plans::{self, Evaluate};

const MORE_HELP: &str = "\
Examples:
  self-harness evaluate --smoke              three tasks once, to see whether everything works
  self-harness evaluate                      every task, as often as the manifest says
  self-harness evaluate --task 'parse-*'     only these tasks
  self-harness evaluate --repeats 2 --yes    without asking, for CI
  self-harness evaluate --trust              once, after you have looked at what changed in the project

A trial that was measured before under the same contract is not paid again.";

/// The arguments of `evaluate`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Only tasks of this split
    #[arg(long, value_enum)]
    split: Option<WhichSplit>,
    /// Only these tasks: ids or globs
    #[arg(long = "task", value_name = "T")]
    tasks: Vec<String>,
    /// How often each task is tried; the manifest's `improve.repeats.baseline`, else by the gate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// A quick look: three held-in tasks once
    #[arg(long, conflicts_with_all = ["split", "repeats"])]
    smoke: bool,
    #[command(flatten)]
    terms: start::Terms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WhichSplit {
    HeldIn,
    HeldOut,
}

/// Starts a run and follows it.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    start::run(&root, &arguments.terms, |asking| plans::evaluate(asking.subject, &arguments.wanted()))
}

/// Evaluates the example of `demo`: whoever starts the demo has asked for exactly that.
///
/// # Errors
/// A [`Failure`] if it cannot be run.
pub fn demo(root: &Path, repeats: u32) -> Result<u8, Failure> {
    let directory = Some(root.to_path_buf());
    let terms = start::Terms { yes: true, ..start::Terms::default() };
    run(&Arguments { directory, repeats: Some(repeats), terms, ..Arguments::default() })
}

impl Arguments {
    /// What is asked for.
    fn wanted(&self) -> Evaluate {
        let Self { split, tasks, repeats, smoke, .. } = self;
        let split = split.map(|split| match split {
            WhichSplit::HeldIn => Split::HeldIn,
            WhichSplit::HeldOut => Split::HeldOut,
        });
        Evaluate { split, tasks: tasks.clone(), repeats: *repeats, smoke: *smoke }
    }
}
