//! A worker: the process that performs the runs of one project, one after the other. It survives whoever started it; followers
//! see its work in the store. What it does next is said by
//! [`Cycle::next`](crate::engine::cycle::Cycle::next); this module does it and stores what happened.

mod lean;
mod priority;
mod admitting;
mod ticket;
mod shared;
mod arms;
mod gating;
mod performing;
mod starting;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::Machine;
use super::sandbox::{self, Trials, procfs};
use super::store::{Lease, RunState, Store, StoreError};
use crate::failure::Failure;

pub use starting::ensure;

/// Performs every run of a project that waits, until none is left. At once over if another worker is at it.
///
/// # Errors
/// A [`Failure`] if the store cannot be used, or a run cannot be performed at all.
pub fn work(root: &Path) -> Result<(), Failure> {
    lean::give_back();
    // While it is the only thread: those that come later, and all processes, have its priority.
    priority::step_back();
    loop {
        let mut store = Store::open(root).map_err(|error| error.to_failure())?;
        if store.is_foreign() {
            let message =
                format!("`{}` was written by another machine or copied here", store.path().display());
            return Err(Failure::user(message, "start a run of your own with `self-harness evaluate`"));
        }
        let Some(lease) = store.claim().map_err(|error| error.to_failure())? else { return Ok(()) };
        let machine = Machine::read()?;
        let trials = Trials::of_this_machine(sandbox::identity(machine.sandbox()));
        let outcome = all(root, &mut store, &lease, &machine, &trials);
        // What stays is swept by the next worker.
        let _ = fs::remove_dir_all(archives(&trials));
        // A lease that stays is taken over when this process is gone.
        let _ = store.release(&lease);
        outcome?;
        // A run that was queued while we were about to leave would find nobody.
        if !has_work(&store).map_err(|error| error.to_failure())? {
            return Ok(());
        }
    }
}

fn has_work(store: &Store) -> Result<bool, StoreError> {
    Ok(store.open_runs()?.iter().any(|run| run.state != RunState::Paused))
}

fn all(
    root: &Path,
    store: &mut Store,
    lease: &Lease,
    machine: &Machine,
    trials: &Trials,
) -> Result<(), Failure> {
    // What a worker that died has left may still run.
    if let Err(error) = machine.sweep() {
        tracing::warn!(%error, "what earlier workers left cannot be removed");
    }
    sweep_trees(trials);
    loop {
        let runs = store.open_runs().map_err(|error| error.to_failure())?;
        let Some(run) = runs.into_iter().find(|run| run.state != RunState::Paused) else { return Ok(()) };
        performing::perform(root, store, lease, &run)?;
    }
}

/// How often the store hears that the worker lives, and the worker hears what followers wish.
const BEAT: Duration = Duration::from_millis(500);

/// Where frozen trees of this worker lie: beside the trial trees, as private as they are, under the name of this process.
fn archives(trials: &Trials) -> PathBuf {
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    let started = procfs::process(pid).map(|process| process.started).unwrap_or_default();
    trees(trials).join(format!("{pid}-{started}"))
}

fn trees(trials: &Trials) -> PathBuf {
    trials.directory().with_file_name("trees")
}

/// Removes the frozen trees of workers that are gone.
fn sweep_trees(trials: &Trials) {
    let Ok(entries) = fs::read_dir(trees(trials)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split_once('-'));
        let owner = owner.and_then(|(pid, started)| Some((pid.parse().ok()?, started.parse().ok()?)));
        let lives = |(pid, started): (i32, u64)| {
            procfs::process(pid).is_some_and(|process| process.started == started && !process.is_zombie)
        };
        if owner.is_some_and(|owner| !lives(owner)) {
            // Another worker may be at it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
