//! The store of a project: `.self-harness/state.db`, an SQLite database with runs, an append-only log of events, and trials by
//! key. Many processes follow it; one worker at a time writes to a run. Deleting it loses history and no work.
//!
//! Everything that belongs together is one transaction: a trial and the event that it ended are stored both or not at all.

mod error;
mod lease;
mod runs;
mod trials;
mod replay;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use harness_schema::digest::Digest;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use super::clock;
use super::record::{EventRecord, RunRecord};

pub use error::StoreError;
pub use lease::Lease;

/// The directory of the store, beside the manifest.
pub const DIRECTORY: &str = ".self-harness";

/// The newest format of the database that is known (`PRAGMA user_version`).
const VERSION: i64 = 1;

const SCHEMA: &str = include_str!("schema.sql");

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
    /// Opens the store of a project, or makes it.
    ///
    /// # Errors
    /// A [`StoreError`] if it cannot be made, or a later version wrote it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let directory = directory(root)?;
        match make_private(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(StoreError::io("make", &directory)(error));
            }
            _ => {}
        }
        // What is in there belongs to this machine.
        let ignore = directory.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(StoreError::io("write", &ignore))?;
        }
        Self::connect(&directory, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens the store of a project if there is one.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read.
    pub fn open_existing(root: &Path) -> Result<Option<Self>, StoreError> {
        let directory = directory(root)?;
        if !directory.join("state.db").is_file() {
            return Ok(None);
        }
        Self::connect(&directory, OpenFlags::SQLITE_OPEN_READ_WRITE).map(Some)
    }

    fn connect(directory: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let path = directory.join("state.db");
        let failed = StoreError::database(&path);
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        // The way to it may have links, the database itself may be none.
        let real = directory.canonicalize().map_err(StoreError::io("open", directory))?.join("state.db");
        let connection = Connection::open_with_flags(&real, flags).map_err(&failed)?;
        connection.busy_timeout(BUSY).map_err(&failed)?;
        // A database from elsewhere may name functions in its schema and make itself inconsistent on purpose.
        connection
            .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)
            .and_then(|_| {
                connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
            })
            .map_err(&failed)?;
        let mut store = Self { path, connection };
        store.prepare()?;
        Ok(store)
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        let version: i64 =
            self.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&failed)?;
        if VERSION < version {
            return Err(StoreError::TooNew { path: self.path.clone(), version, known: VERSION });
        }
        keep_a_log(&self.connection)
            .and_then(|()| self.connection.pragma_update(None, "synchronous", "full"))
            // The log of a small store should not be four times as large as the store.
            .and_then(|()| self.connection.pragma_update(None, "wal_autocheckpoint", 200))
            .and_then(|()| self.connection.pragma_update(None, "foreign_keys", true))
            .map_err(&failed)?;
        if version == VERSION {
            return Ok(());
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        // Another process may have been first.
        let version: i64 =
            transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&failed)?;
        if version == 0 {
            transaction.execute_batch(SCHEMA).map_err(&failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// The database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a trial's transcript and verifier output.
    #[must_use]
    pub fn trial_directory(&self, id: &str) -> PathBuf {
        self.path.with_file_name("trials").join(id)
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

/// The directory of the store of a project: no link, so that nothing is written elsewhere.
fn directory(root: &Path) -> Result<PathBuf, StoreError> {
    let path = root.join(DIRECTORY);
    match fs::symlink_metadata(&path) {
        Ok(there) if there.is_symlink() => Err(StoreError::NoDirectory { path, what: "a link" }),
        Ok(there) if !there.is_dir() => Err(StoreError::NoDirectory { path, what: "no directory" }),
        _ => Ok(path),
    }
}

/// Switches a database to a write-ahead log, which stays with the file. The switch needs the file alone, and SQLite does not
/// wait for that by itself: whoever makes a store beside somebody else asks again.
fn keep_a_log(connection: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        let mode =
            connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).and_then(|mode| {
                match mode.as_str() {
                    "wal" => Ok(()),
                    _ => connection.pragma_update(None, "journal_mode", "wal"),
                }
            });
        match mode {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::DatabaseBusy && began.elapsed() < BUSY =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            mode => return mode,
        }
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
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
