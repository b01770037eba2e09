//! Finds the project that a command is about: where it stands, or in a directory above.

use std::path::{Path, PathBuf};

use harness_schema::harness::{Harness, MANIFEST};

use super::report::excerpt::visible;
use super::terminal;
use crate::failure::Failure;
use crate::host::store::{Store, StoredRun, run_number};
use crate::host::{disk, starting};

/// The directory of the manifest that `from`, or this directory, belongs to.
///
/// # Errors
/// A [`Failure`] if there is none.
pub fn root(from: Option<&Path>) -> Result<PathBuf, Failure> {
    let start = match from {
        Some(path) => path.to_path_buf(),
        None => std::env::current_dir().map_err(|error| {
            Failure::host(format!("this directory cannot be told: {error}"), "change to another one")
        })?,
    };
    let real = start.canonicalize().map_err(|error| {
        Failure::user(format!("cannot open `{}`: {error}", start.display()), "name a directory that is there")
    })?;
    let inside = if real.is_dir() { real.join(MANIFEST) } else { real };
    disk::roots_above(&inside).next().map(Path::to_path_buf).ok_or_else(|| {
        let message = format!("there is no `{MANIFEST}` in `{}` or above", start.display());
        Failure::user(message, "name the project's directory, or make one with `self-harness init`")
    })
}

/// The harness at a root, if nothing in it is wrong: a run of a harness with errors measures the errors.
///
/// # Errors
/// A [`Failure`] with how many errors there are.
pub fn sound(root: &Path) -> Result<Harness, Failure> {
    let (_, harness) = disk::complete(root, disk::scan(root), None);
    starting::sound(&harness)?;
    Ok(harness)
}

/// The run that a person names, else the newest, with the store that holds it: that of the project, or the one from elsewhere
/// that was put aside for it.
///
/// # Errors
/// A [`Failure`] if there is none.
pub fn found(root: &Path, name: Option<&str>) -> Result<(Store, StoredRun), Failure> {
    let own = store(root).and_then(|store| Ok((run(root, &store, name)?, store)));
    let missing = match own {
        Ok((stored, store)) => return Ok((store, stored)),
        Err(failure) => failure,
    };
    match Store::imported(root).map_err(|error| error.to_failure())? {
        Some(imported) => {
            let stored = run(root, &imported, name).map_err(|_| missing)?;
            Ok((imported, stored))
        }
        None => Err(missing),
    }
}

/// The store of a project that has one.
///
/// # Errors
/// A [`Failure`] if nothing was run here yet, or the store cannot be read.
pub fn store(root: &Path) -> Result<Store, Failure> {
    let store = Store::open_existing(root).map_err(|error| error.to_failure())?;
    store.inspect(say_notice).ok_or_else(|| nothing_run(root))
}

/// Says why a store counts as foreign, if that is for want of what this machine knew.
pub fn say_notice(store: &Store) {
    if let Some(notice) = store.notice() {
        terminal::print_aside(&visible(&format!("note: {notice}\n")));
    }
}

/// The run that a person names, else the newest.
///
/// # Errors
/// A [`Failure`] if there is none.
pub fn run(root: &Path, store: &Store, name: Option<&str>) -> Result<StoredRun, Failure> {
    let found = match name {
        None => store.latest_run(),
        Some(name) => {
            let number = run_number(name).ok_or_else(|| {
                Failure::user(
                    format!("`{name}` is no run"),
                    "name a run as `r-0012`; `self-harness status` lists them",
                )
            })?;
            store.run(number)
        }
    };
    found.map_err(|error| error.to_failure())?.ok_or_else(|| match name {
        Some(name) => {
            Failure::user(format!("there is no run `{name}`"), "`self-harness status` names the newest")
        }
        None => nothing_run(root),
    })
}

fn nothing_run(root: &Path) -> Failure {
    let message = format!("nothing was run in `{}` yet", root.display());
    Failure::user(message, "start with `self-harness evaluate`")
}
