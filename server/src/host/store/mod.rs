//! The store of a project: `.self-harness/state.db`, an SQLite database with runs, an append-only log of events, and trials by
//! key. Many processes follow it; one worker at a time writes to a run. Deleting it loses history and no work.
//!
//! Everything that belongs together is one transaction: a trial and the event that it ended are stored both or not at all.

mod error;
mod known;
mod opening;
mod lease;
mod runs;
mod trials;
mod replay;
mod proposals;
mod imports;

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_schema::digest::Digest;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::clock;
use super::record::{EventRecord, RunRecord};

pub use error::StoreError;
pub use known::Known;
pub use lease::Lease;
pub use proposals::{StoredProposal, no_proposal, proposal_number};

/// The directory of the store, beside the manifest.
pub const DIRECTORY: &str = ".self-harness";

/// What is said of a store that this machine has not made.
pub const IMPORTED: &str = "imported: written by another machine or copied here";

/// The newest format of the database that is known (`PRAGMA user_version`).
const VERSION: i64 = 2;

const SCHEMA: &str = include_str!("schema.sql");

/// What makes a database of each earlier version one of the next.
const MIGRATIONS: [&str; 1] = [
    // 1 to 2: proposals.
    "CREATE TABLE proposal (
        number    INTEGER PRIMARY KEY AUTOINCREMENT,
        run       INTEGER NOT NULL REFERENCES run (number),
        created   INTEGER NOT NULL,
        dismissed INTEGER NOT NULL,
        body      TEXT    NOT NULL
    ) STRICT",
];

/// More than any transcript has.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// How long a statement waits for another process to finish its own.
const BUSY: Duration = Duration::from_secs(10);

/// Where a run stands, as far as the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// It waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// Nothing is started until somebody resumes.
    Paused,
    /// It is over.
    Ended,
}

impl RunState {
    const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Paused, Self::Ended];

    /// The word in the store and in messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }

    /// The state of a word. One of a later version is one that this version can do nothing for.
    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|each| each.word() == word).unwrap_or(Self::Ended)
    }
}

/// A run as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// Its number; people read `r-0012`.
    pub number: i64,
    /// When it was started, in milliseconds since 1970.
    pub created_ms: u64,
    /// Where it stands.
    pub state: RunState,
    /// What was started.
    pub record: RunRecord,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its number in the whole store.
    pub seq: i64,
    /// How long the run was at work then.
    pub at: Duration,
    /// When that was, in milliseconds since 1970.
    pub wall_ms: u64,
    /// What happened.
    pub event: EventRecord,
}

/// A trial that runs now, and what it has taken so far.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningTrial {
    /// Its name.
    pub id: String,
    /// The slot.
    pub slot: usize,
    /// Tokens so far.
    pub tokens: u64,
    /// US dollars so far; none if unknown.
    pub cost: Option<f64>,
}

/// How many trials a run has, by split and verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The split's word.
    pub split: String,
    /// The verdict's word.
    pub verdict: String,
    /// How many.
    pub trials: u64,
}

/// The store of a project.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    is_foreign: bool,
    is_kept: bool,
    notice: Option<String>,
}

/// The name of a run, as people read it.
#[must_use]
pub fn run_name(number: i64) -> String {
    format!("r-{number:04}")
}

/// The number that a person means: `r-0012`, `r-12` or `12`.
#[must_use]
pub fn run_number(name: &str) -> Option<i64> {
    name.strip_prefix("r-").unwrap_or(name).parse().ok().filter(|number| 0 < *number)
}

impl Store {
    /// The database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was written by another machine or is a copy: it can be read, and nothing in it was measured here.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// A sentence for the person if it counts as foreign because what this machine knew of its stores is lost.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// The directory of a trial's transcript and verifier output. A name that leads elsewhere is none that we gave.
    #[must_use]
    pub fn trial_directory(&self, id: &str) -> PathBuf {
        let is_plain = !id.starts_with('.')
            && !id.is_empty()
            && id.chars().all(|char| char.is_ascii_alphanumeric() || "._-".contains(char));
        self.path.with_file_name("trials").join(if is_plain { id } else { "unnamed" })
    }

    /// Removes what lies where a trial is about to keep its files: a link there would lead what is written elsewhere.
    ///
    /// # Errors
    /// A [`StoreError`] if it cannot be removed.
    pub fn clear_trial_directory(&self, id: &str) -> Result<PathBuf, StoreError> {
        let directory = self.trial_directory(id);
        let above = self.path.with_file_name("trials");
        if fs::symlink_metadata(&above).is_ok_and(|there| !there.is_dir()) {
            return Err(StoreError::NoDirectory { path: above, what: "no directory" });
        }
        let removed = match fs::symlink_metadata(&directory) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&directory),
            Ok(_) => fs::remove_file(&directory),
            Err(_) => Ok(()),
        };
        removed.map_err(StoreError::io("clear", &directory))?;
        Ok(directory)
    }

    /// A file that a trial has left in its directory; nothing that a link there leads to, and no more than a transcript is.
    ///
    /// # Errors
    /// The system's.
    pub fn read_of_trial(&self, id: &str, name: &str) -> io::Result<String> {
        let path = self.trial_directory(id).join(name).canonicalize()?;
        let here = self.path.with_file_name("").canonicalize()?;
        if !path.starts_with(&here) || !fs::metadata(&path)?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file of the store"));
        }
        let mut text = String::new();
        fs::File::open(&path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Where the worker writes what it has to say.
    #[must_use]
    pub fn worker_log(&self) -> PathBuf {
        self.path.with_file_name("worker.log")
    }

    /// A number that changes when another process has written.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.one("PRAGMA data_version")
    }

    fn one<T: rusqlite::types::FromSql>(&self, query: &str) -> Result<T, StoreError> {
        self.connection.query_row(query, [], |row| row.get(0)).map_err(StoreError::database(&self.path))
    }

    /// A transaction of the worker: it does nothing if another worker has taken over.
    fn record<T>(
        &mut self,
        lease: &Lease,
        work: impl FnOnce(&Transaction<'_>, &Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        if !lease.is_held(&transaction).map_err(&failed)? {
            return Err(StoreError::Fenced { path: self.path.clone() });
        }
        let done = work(&transaction, &self.path)?;
        transaction.commit().map_err(&failed)?;
        Ok(done)
    }

    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let done = work(&transaction).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(done)
    }
}

fn add(
    transaction: &Transaction<'_>,
    path: &Path,
    run: i64,
    at: Duration,
    event: &EventRecord,
) -> Result<i64, StoreError> {
    let body = serde_json::to_string(event).map_err(StoreError::damaged(path, "event"))?;
    let at = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached("INSERT INTO event (run, at, wall, body) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| statement.execute(params![run, at, signed(clock::wall_ms()), body]))
        .map_err(StoreError::database(path))?;
    Ok(transaction.last_insert_rowid())
}

/// The bytes of a key; one that is no digest is kept as it is written.
fn key_bytes(key: &str) -> Vec<u8> {
    key.parse::<Digest>().map_or_else(|_| key.as_bytes().to_vec(), |digest| digest.bytes().to_vec())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn index(slot: usize) -> i64 {
    i64::try_from(slot).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
