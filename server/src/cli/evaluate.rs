//! `evaluate`: measures the harness: runs it on its tasks in a sandbox, judges each trial, and stores everything.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use harness_schema::split::{Split, TaskPattern};

use super::locate;
use super::start::{self, Plan};
use crate::engine::contract::Role;
use crate::engine::cycle::{Goal, Rules};
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::subject::Subject;

/// What a quick look is satisfied with.
const SMOKE_TASKS: usize = 3;

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
    start::run(&root, &arguments.terms, |asking| plan(asking.subject, arguments))
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

/// What the arguments ask for.
fn plan(subject: &Subject, arguments: &Arguments) -> Result<Plan, Failure> {
    let baseline = Rules::of(&subject.harness.manifest().improve.value).baseline;
    let repeats = if arguments.smoke { 1 } else { arguments.repeats.unwrap_or(baseline) };
    let role = if arguments.smoke { Role::Smoke } else { Role::Baseline };
    let slots = slots(subject, arguments, repeats, role)?;
    Ok(Plan::of(Goal::Evaluate, repeats, slots))
}

/// What is to be filled: every task once before any is tried again, so that an early stop has seen all.
fn slots(subject: &Subject, arguments: &Arguments, repeats: u32, role: Role) -> Result<Vec<Slot>, Failure> {
    let patterns: Vec<TaskPattern> =
        arguments.tasks.iter().map(|written| TaskPattern::new(written)).collect();
    if let Some(at) =
        patterns.iter().position(|pattern| !subject.tasks.iter().any(|task| pattern.matches(&task.id)))
    {
        let written = arguments.tasks.get(at).map_or("", String::as_str);
        let hint = "tasks are named by their directory below `tasks.dir`; those in no split are not run";
        return Err(Failure::user(format!("no task of a split matches `{written}`"), hint));
    }
    let is_wanted = |split: Split| match (arguments.smoke, arguments.split) {
        (true, _) | (false, Some(WhichSplit::HeldIn)) => split == Split::HeldIn,
        (false, Some(WhichSplit::HeldOut)) => split == Split::HeldOut,
        // Sealed tasks are read once, at the very end.
        (false, None) => split != Split::Sealed,
    };
    let mut chosen: Vec<_> = subject
        .tasks
        .iter()
        .filter(|task| is_wanted(task.split))
        .filter(|task| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&task.id)))
        .collect();
    chosen.sort_by_key(|task| task.split != Split::HeldIn);
    if arguments.smoke {
        chosen.truncate(SMOKE_TASKS);
    }
    if chosen.is_empty() {
        let hint = "declare tasks in `[tasks]` of `harness.toml`, and put them into splits";
        return Err(Failure::config("there is no task to run", hint));
    }
    let slots = (0..repeats).flat_map(|repeat| {
        let slot = move |task: &&crate::host::subject::Planned| Slot {
            arm: 0,
            task: task.id.clone(),
            split: task.split,
            role,
            repeat,
        };
        chosen.iter().map(slot).collect::<Vec<_>>()
    });
    Ok(slots.collect())
}
