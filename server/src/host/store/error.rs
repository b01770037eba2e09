//! Why a store cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::failure::Failure;
use crate::host::state::StateError;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its directory is a link or a file.
    #[error("`{path}` is {what}, and a store is only kept in a directory of its own", path = .path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The system refuses.
    #[error("cannot {what} `{path}`", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What was said.
        source: io::Error,
    },
    /// A later version of the program wrote it.
    #[error("`{path}` was written by a later version of self-harness (format {version}, this one reads {known})", path = .path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// The disk is full.
    #[error("the disk of `{path}` is full", path = .path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The database refuses.
    #[error("cannot use `{path}`: {source}", path = .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What was said.
        source: rusqlite::Error,
    },
    /// What is written there cannot be read.
    #[error("`{path}` holds a {what} that cannot be read: {why}", path = .path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// It is from elsewhere, and holds more than a store does.
    #[error("`{path}` holds views, triggers or virtual tables, which no store of self-harness has", path = .path.display())]
    Strange {
        /// The database.
        path: PathBuf,
    },
    /// It cannot be noted that this machine has made it.
    #[error("it cannot be noted that `{path}` was made here", path = .path.display())]
    Unregistered {
        /// The database.
        path: PathBuf,
        /// Why.
        source: StateError,
    },
    /// Another worker has taken over.
    #[error("another worker has taken over the runs of `{path}`", path = .path.display())]
    Fenced {
        /// The database.
        path: PathBuf,
    },
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }

    pub(super) fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path: path.clone() },
            _ => Self::Database { path: path.clone(), source },
        }
    }

    pub(super) fn damaged(path: &Path, what: &'static str) -> impl FnOnce(serde_json::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |error| Self::Damaged { path, what, why: error.to_string() }
    }

    /// Whether it may pass when somebody makes room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// The same for the person who asked.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        let hint = match self {
            Self::NoDirectory { .. } => "remove it or move it away; checks work without a store",
            Self::TooNew { .. } => "install the newer version, or move the store away to start a new one",
            Self::Full { .. } => "make room on the disk; what is stored stays as it is",
            Self::Unregistered { .. } => {
                "see whether `$XDG_STATE_HOME` (or `~/.local/state`) is yours and can be written"
            }
            Self::Damaged { .. } | Self::Strange { .. } => {
                "move the store away to start a new one; the harness does not need it"
            }
            Self::Io { .. } | Self::Database { .. } => {
                "see whether the directory is yours and can be written"
            }
            Self::Fenced { .. } => "`self-harness status` shows what it does",
        };
        Failure::host(full(self), hint)
    }
}

/// With what it came of.
fn full(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) if !matches!(error, StoreError::Database { .. }) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}
