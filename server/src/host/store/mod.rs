//! The store of a project: `.self-harness/state.db`, an SQLite database with runs, an append-only log of events, and trials by
//! key. Many processes follow it; one worker at a time writes to a run. Deleting it loses history and no work.
//!
//! Everything that belongs together is one transaction: a trial and the event that it ended are stored both or not at all.

mod error;
mod lease;
mod replay;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_schema::digest::Digest;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::clock;
use super::record::{EventRecord, RunRecord, TrialRecord};

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
        if !directory.is_dir() {
            make_private(&directory).map_err(StoreError::io("make", &directory))?;
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
        self.connection
            .pragma_update(None, "journal_mode", "wal")
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

    // -- runs ------------------------------------------------------------------------------------------------------------

    /// Stores a new run, which waits for a worker; its number.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn create_run(&mut self, record: &RunRecord) -> Result<i64, StoreError> {
        let body = serde_json::to_string(record).map_err(StoreError::damaged(&self.path, "run"))?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO run (created, state, body) VALUES (?1, ?2, ?3)",
                params![signed(clock::wall_ms()), RunState::Queued.word(), body],
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// A run.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn run(&self, number: i64) -> Result<Option<StoredRun>, StoreError> {
        self.runs_where("WHERE number = ?1", number).map(|mut runs| runs.pop())
    }

    /// The newest run.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn latest_run(&self) -> Result<Option<StoredRun>, StoreError> {
        self.runs_where("WHERE ?1 = 0 ORDER BY number DESC LIMIT 1", 0).map(|mut runs| runs.pop())
    }

    /// The runs that are not over, oldest first.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn open_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        self.runs_where("WHERE state != 'ended' AND ?1 = 0 ORDER BY number", 0)
    }

    fn runs_where(&self, condition: &str, number: i64) -> Result<Vec<StoredRun>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = format!("SELECT number, created, state, body FROM run {condition}");
        let mut statement = self.connection.prepare_cached(&query).map_err(&failed)?;
        let rows = statement.query_map([number], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        });
        let mut runs = Vec::new();
        for row in rows.map_err(&failed)? {
            let (number, created, state, body) = row.map_err(&failed)?;
            let record = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "run"))?;
            runs.push(StoredRun {
                number,
                created_ms: unsigned(created),
                state: RunState::of(&state),
                record,
            });
        }
        Ok(runs)
    }

    /// Where a run stands; `None` if there is no such run. Cheaper than [`Store::run`], which reads all of its slots.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn state(&self, run: i64) -> Result<Option<RunState>, StoreError> {
        let query = "SELECT state FROM run WHERE number = ?1";
        let found = self.connection.query_row(query, [run], |row| row.get::<_, String>(0)).optional();
        Ok(found.map_err(StoreError::database(&self.path))?.map(|word| RunState::of(&word)))
    }

    /// Notes where a run stands, for those who follow: what happened is in the events.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn set_state(&mut self, run: i64, state: RunState) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE run SET state = ?2 WHERE number = ?1", params![run, state.word()])
                .map(|_| ())
        })
    }

    // -- events ----------------------------------------------------------------------------------------------------------

    /// The events of a run after one of them, in order; after 0 all of them.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn events(&self, run: i64, after: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT seq, at, wall, body FROM event WHERE run = ?1 AND ?2 < seq ORDER BY seq";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([run, after], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
            ))
        });
        let mut events = Vec::new();
        for row in rows.map_err(&failed)? {
            let (seq, at, wall, body) = row.map_err(&failed)?;
            let event = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "event"))?;
            let at = Duration::from_millis(unsigned(at));
            events.push(StoredEvent { seq, at, wall_ms: unsigned(wall), event });
        }
        Ok(events)
    }

    /// Adds an event; its number.
    ///
    /// # Errors
    /// A [`StoreError`]; [`StoreError::Fenced`] if the lease is another's by now.
    pub fn append(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        event: &EventRecord,
    ) -> Result<i64, StoreError> {
        self.record(lease, |transaction, path| add(transaction, path, run, at, event))
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

    // -- trials ----------------------------------------------------------------------------------------------------------

    /// Notes that a trial begins, together with its event.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn start_trial(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        trial: &RunningTrial,
        event: &EventRecord,
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            add(transaction, path, run, at, event)?;
            let query =
                "INSERT OR REPLACE INTO running (id, run, slot, tokens, cost) VALUES (?1, ?2, ?3, ?4, ?5)";
            let RunningTrial { id, slot, tokens, cost } = trial;
            let values = params![id, run, index(*slot), signed(*tokens), cost];
            transaction.execute(query, values).map_err(StoreError::database(path))?;
            Ok(())
        })
    }

    /// Notes what trials have taken so far, and that the worker lives.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn beat<'a>(
        &mut self,
        lease: &Lease,
        taken: impl IntoIterator<Item = &'a RunningTrial>,
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            let failed = StoreError::database(path);
            lease.renew(transaction).map_err(&failed)?;
            for trial in taken {
                let query = "UPDATE running SET tokens = ?2, cost = ?3 WHERE id = ?1";
                let values = params![trial.id, signed(trial.tokens), trial.cost];
                transaction.execute(query, values).map_err(&failed)?;
            }
            Ok(())
        })
    }

    /// The trials of a run that run now, or that ran when its worker died.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn running(&self, run: i64) -> Result<Vec<RunningTrial>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT id, slot, tokens, cost FROM running WHERE run = ?1 ORDER BY slot";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([run], |row| {
            Ok(RunningTrial {
                id: row.get(0)?,
                slot: usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX),
                tokens: unsigned(row.get(2)?),
                cost: row.get(3)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// Stores a trial that ended, together with its event. A trial that was measured under the same key before is left as
    /// it is: the answer is false then, and nothing is stored.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn end_trial(
        &mut self,
        lease: &Lease,
        run: i64,
        slot: usize,
        at: Duration,
        trial: &TrialRecord,
        event: &EventRecord,
    ) -> Result<bool, StoreError> {
        let body = serde_json::to_string(trial).map_err(StoreError::damaged(&self.path, "trial"))?;
        let key = key_bytes(&trial.key);
        self.record(lease, |transaction, path| {
            let failed = StoreError::database(path);
            let query = "INSERT OR IGNORE INTO trial (id, run, slot, attempt, key, verdict, split, tokens, cost, body)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let values = params![
                trial.id,
                run,
                index(slot),
                trial.attempt,
                key,
                trial.verdict,
                trial.split,
                signed(trial.spent().tokens),
                trial.cost,
                body
            ];
            let is_new = transaction.execute(query, values).map_err(&failed)? == 1;
            transaction.execute("DELETE FROM running WHERE id = ?1", [&trial.id]).map_err(&failed)?;
            add(transaction, path, run, at, event)?;
            Ok(is_new)
        })
    }

    /// Notes that a trial counts for nothing.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn discard_trial(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        id: &str,
        event: &EventRecord,
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            transaction
                .execute("DELETE FROM running WHERE id = ?1", [id])
                .map_err(StoreError::database(path))?;
            add(transaction, path, run, at, event).map(|_| ())
        })
    }

    /// The trial that was measured under a key.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn measured(&self, key: &Digest) -> Result<Option<TrialRecord>, StoreError> {
        let query = "SELECT body FROM trial WHERE key = ?1 AND verdict IN ('pass', 'fail')";
        let body: Option<String> = self
            .connection
            .query_row(query, [key.bytes().as_slice()], |row| row.get(0))
            .optional()
            .map_err(StoreError::database(&self.path))?;
        body.map(|body| serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial")))
            .transpose()
    }

    /// A trial by its name.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn trial(&self, id: &str) -> Result<Option<TrialRecord>, StoreError> {
        let body: Option<String> = self
            .connection
            .query_row("SELECT body FROM trial WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(StoreError::database(&self.path))?;
        body.map(|body| serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial")))
            .transpose()
    }

    /// The trials of a run, void ones among them, by slot and attempt. Those that it reused are in the runs that paid them.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn trials(&self, run: i64) -> Result<Vec<TrialRecord>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT body FROM trial WHERE run = ?1 ORDER BY slot, attempt";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([run], |row| row.get::<_, String>(0)).map_err(&failed)?;
        let mut trials = Vec::new();
        for body in rows {
            let body = body.map_err(&failed)?;
            trials.push(serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial"))?);
        }
        Ok(trials)
    }

    // -- wishes ----------------------------------------------------------------------------------------------------------

    /// Asks the worker of a run to end it; asked twice, at once.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn ask_cancel(&mut self, run: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("INSERT INTO wish (run, what) VALUES (?1, 'cancel')", [run]).map(|_| ())
        })
    }

    /// How often somebody asked to end a run since it was last resumed.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn cancels(&self, run: i64) -> Result<u32, StoreError> {
        let query = "SELECT count(*) FROM wish WHERE run = ?1 AND what = 'cancel'";
        self.connection.query_row(query, [run], |row| row.get(0)).map_err(StoreError::database(&self.path))
    }

    /// Puts a run that is paused or cancelled back into the queue; `retries` tries slots again that stayed void.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn resume(&mut self, run: i64, at: Duration, retries: bool) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        transaction
            .execute("DELETE FROM wish WHERE run = ?1", [run])
            .and_then(|_| {
                transaction.execute("UPDATE run SET state = ?2 WHERE number = ?1", params![run, "queued"])
            })
            .map_err(&failed)?;
        add(&transaction, &self.path, run, at, &EventRecord::Resumed { retries })?;
        transaction.commit().map_err(&failed)
    }

    /// Ends a run that nobody works on.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn close(&mut self, run: i64, at: Duration) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        transaction
            .execute("UPDATE run SET state = ?2 WHERE number = ?1", params![run, RunState::Ended.word()])
            .map_err(&failed)?;
        let finish = String::from("cancelled");
        add(&transaction, &self.path, run, at, &EventRecord::Finished { finish })?;
        transaction.commit().map_err(&failed)
    }

    // -- tasks -----------------------------------------------------------------------------------------------------------

    /// What was found out about a task.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn admission(&self, task: &Digest) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row("SELECT body FROM admission WHERE task = ?1", [task.bytes().as_slice()], |row| {
                row.get(0)
            })
            .optional()
            .map_err(StoreError::database(&self.path))
    }

    /// Notes what was found out about a task.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn set_admission(&mut self, task: &Digest, body: &str) -> Result<(), StoreError> {
        let bytes = *task.bytes();
        self.write(|transaction| {
            transaction
                .execute(
                    "INSERT OR REPLACE INTO admission (task, body) VALUES (?1, ?2)",
                    params![bytes.as_slice(), body],
                )
                .map(|_| ())
        })
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
