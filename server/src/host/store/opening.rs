//! Opens stores and makes them, and tells those that this machine has made from those that came with a project (`security` 2.5).
//! What came from elsewhere is read, and never written: a store that is made in its place puts it aside first.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::{BUSY, DIRECTORY, Known, MIGRATIONS, SCHEMA, Store, StoreError, VERSION};

/// The name of the database.
const DATABASE: &str = "state.db";

/// What SQLite writes beside a database.
const BESIDE: [&str; 3] = ["state.db-wal", "state.db-shm", "state.db-journal"];

/// Where a store from elsewhere lies after it was put aside.
const ASIDE: &str = "imported-1";

/// Numbers of runs go on after those of a store that was put aside, if it did not invent them.
const MOST_RUNS: i64 = 1_000_000;

/// What a database is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// To look at what is there.
    Read,
    /// To change what is there.
    Write,
    /// The same; if there is none it is made.
    Make,
}

impl Store {
    /// Opens the store of a project, or makes it. One from elsewhere is opened for reading.
    ///
    /// # Errors
    /// A [`StoreError`] if it cannot be made, or a later version wrote it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with(root, &Known::of_this_user())
    }

    /// The same, where these are the stores that this machine has made.
    ///
    /// # Errors
    /// A [`StoreError`] if it cannot be made, or a later version wrote it.
    pub fn open_with(root: &Path, known: &Known) -> Result<Self, StoreError> {
        let directory = directory(root)?;
        if came_with_the_project(&directory) {
            let _lock = known.lock_aside()?;
            if came_with_the_project(&directory) {
                put_aside(&directory)?;
            }
        }
        match make_private(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(StoreError::io("make", &directory)(error));
            }
            _ => {}
        }
        // What is in there belongs to this machine.
        let ignore = directory.join(".gitignore");
        if fs::symlink_metadata(&ignore).is_err() {
            fs::write(&ignore, "*\n").map_err(StoreError::io("write", &ignore))?;
        }
        if let Some(store) = Self::connect(&directory, known, Access::Make)? {
            return Ok(store);
        }
        // A database that is none of ours and no store either.
        {
            let _lock = known.lock_aside()?;
            if Self::connect(&directory, known, Access::Write)?.is_none() {
                put_aside(&directory)?;
            }
        }
        Self::open_with(root, known)
    }

    /// Opens the store of a project for somebody who may start something. Where there is none, one in memory stands for it until
    /// there is something to [keep](Self::keep): a question that is answered with no leaves nothing behind.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read, or could not be made.
    pub fn open_to_ask(root: &Path) -> Result<Self, StoreError> {
        let directory = directory(root)?;
        if directory.join(DATABASE).is_file() {
            return Self::open(root);
        }
        let path = directory.join(DATABASE);
        let connection = Connection::open_in_memory().map_err(StoreError::database(&path))?;
        let mut store = Self { path, connection, is_foreign: false, is_kept: false, notice: None };
        store.lay_out("")?;
        Ok(store)
    }

    /// Makes the store on disk, if it is in memory so far and nobody else has made it meanwhile.
    ///
    /// # Errors
    /// A [`StoreError`] if it cannot be made.
    pub fn keep(&mut self, root: &Path) -> Result<(), StoreError> {
        if !self.is_kept {
            *self = Self::open(root)?;
        }
        Ok(())
    }

    /// Whether a project has a store, whoever wrote it.
    #[must_use]
    pub fn is_there(root: &Path) -> bool {
        directory(root).is_ok_and(|directory| directory.join(DATABASE).is_file())
    }

    /// Opens the store of a project if there is one. One from elsewhere is opened for reading.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read.
    pub fn open_existing(root: &Path) -> Result<Option<Self>, StoreError> {
        Self::open_existing_with(root, &Known::of_this_user())
    }

    /// The same, where these are the stores that this machine has made.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read.
    pub fn open_existing_with(root: &Path, known: &Known) -> Result<Option<Self>, StoreError> {
        let directory = directory(root)?;
        if !directory.join(DATABASE).is_file() {
            return Ok(None);
        }
        Self::connect(&directory, known, Access::Write)
    }

    /// Opens the store of a project, if there is one, for somebody who only looks: SQLite gets the database for reading, so that
    /// nothing but the shared memory beside it is written, and a look never ends with a checkpoint. One of an earlier version is
    /// first brought up to date, as by everybody else who opens it.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read.
    pub fn look_into(root: &Path) -> Result<Option<Self>, StoreError> {
        Self::look_into_with(root, &Known::of_this_user())
    }

    /// The same, where these are the stores that this machine has made.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read.
    pub fn look_into_with(root: &Path, known: &Known) -> Result<Option<Self>, StoreError> {
        let directory = directory(root)?;
        if !directory.join(DATABASE).is_file() {
            return Ok(None);
        }
        Self::connect(&directory, known, Access::Read)
    }

    /// The store from elsewhere that was put aside when this project's own was made.
    ///
    /// # Errors
    /// A [`StoreError`] if it is there and cannot be read.
    pub fn imported(root: &Path) -> Result<Option<Self>, StoreError> {
        let directory = directory(root)?.join(ASIDE);
        if !fs::symlink_metadata(&directory).is_ok_and(|there| there.is_dir())
            || !directory.join(DATABASE).is_file()
        {
            return Ok(None);
        }
        Self::foreign(&directory)
    }

    /// Makes a store in the place of one from elsewhere, which is put aside as it is; where it lies now. Runs go on with the
    /// numbers after its own. If somebody else was first, theirs is opened.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn replace_foreign(root: &Path) -> Result<(Self, PathBuf), StoreError> {
        Self::replace_foreign_with(root, &Known::of_this_user())
    }

    /// The same, where these are the stores that this machine has made.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn replace_foreign_with(root: &Path, known: &Known) -> Result<(Self, PathBuf), StoreError> {
        let directory = directory(root)?;
        let aside = directory.join(ASIDE);
        let _lock = known.lock_aside()?;
        let last: i64 = match Self::connect(&directory, known, Access::Write)? {
            Some(foreign) if foreign.is_foreign => {
                foreign.one("SELECT coalesce(max(number), 0) FROM run").unwrap_or_default()
            }
            Some(own) => return Ok((own, aside)),
            None => 0,
        };
        put_aside(&directory)?;
        let mut store = Self::open_with(root, known)?;
        if (1..MOST_RUNS).contains(&last) {
            store.write(|transaction| {
                transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'run'", [])?;
                transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('run', ?1)", [last])
            })?;
        }
        Ok((store, aside))
    }

    /// Opens the database of a directory; `None` if there is no store in it.
    fn connect(directory: &Path, known: &Known, access: Access) -> Result<Option<Self>, StoreError> {
        // The way to it may have links, the database itself may be none.
        let real = directory.canonicalize().map_err(StoreError::io("open", directory))?.join(DATABASE);
        no_links(directory)?;
        let is_empty = match fs::symlink_metadata(&real) {
            Ok(there) => there.len() == 0,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(StoreError::io("open", &real)(error)),
        };
        let mut id = None;
        if is_empty {
            if access != Access::Make {
                return Ok(None);
            }
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
            }
            let file = options.open(&real).and_then(|file| file.metadata());
            // Before anything is in it: whoever sees something in it finds it among those that were made here.
            id = Some(known.register(&real, &file.map_err(StoreError::io("make", &real))?)?);
        }
        let file = fs::symlink_metadata(&real).map_err(StoreError::io("open", &real))?;
        if !is_empty && let (false, notice) = known.may_hold(&real, &file) {
            let foreign = Self::foreign(directory)?;
            return Ok(foreign.map(|store| Self { notice, ..store }));
        }
        if access == Access::Read {
            let store = Self::opened(directory, &real, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            match store.version()? {
                // Somebody makes it just now.
                0 => return Ok(None),
                VERSION => {
                    if store.id()?.is_some_and(|id| known.made(&id, &real, &file)) {
                        return Ok(Some(store));
                    }
                    drop(store);
                    return Self::foreign(directory);
                }
                _ => {}
            }
        }
        let mut store = Self::opened(directory, &real, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if 0 < store.version()? {
            let is_ours = store.id()?.is_some_and(|id| known.made(&id, &real, &file));
            if !is_ours {
                drop(store);
                return Self::foreign(directory);
            }
            store.prepare("")?;
            return Ok(Some(store));
        }
        let id = match id {
            Some(id) => id,
            None => known.register(&real, &file)?,
        };
        store.prepare(&id)?;
        Ok(Some(store))
    }

    /// Opens a database from elsewhere: for reading only, and only if it is made as ours are.
    fn foreign(directory: &Path) -> Result<Option<Self>, StoreError> {
        let real = directory.canonicalize().map_err(StoreError::io("open", directory))?.join(DATABASE);
        no_links(directory)?;
        let mut store = Self::opened(directory, &real, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        store.is_foreign = true;
        if store.version()? == 0 {
            return Ok(None);
        }
        let strange: i64 = store.one(
            "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'create virtual%'",
        )?;
        match strange {
            0 => Ok(Some(store)),
            _ => Err(StoreError::Strange { path: store.path }),
        }
    }

    fn opened(directory: &Path, real: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE);
        let failed = StoreError::database(&path);
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(real, flags).map_err(&failed)?;
        connection.busy_timeout(BUSY).map_err(&failed)?;
        // A database from elsewhere may name functions in its schema and make itself inconsistent on purpose.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)
            .and_then(|_| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false))
            .and_then(|_| connection.pragma_update(None, "cell_size_check", true))
            .map_err(&failed)?;
        Ok(Self { path, connection, is_foreign: false, is_kept: true, notice: None })
    }

    /// The format of the database; 0 if nothing is in it yet.
    fn version(&self) -> Result<i64, StoreError> {
        let version: i64 = self.one("PRAGMA user_version")?;
        if VERSION < version {
            return Err(StoreError::TooNew { path: self.path.clone(), version, known: VERSION });
        }
        Ok(version)
    }

    fn id(&self) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row("SELECT value FROM store WHERE key = 'id'", [], |row| row.get(0))
            .optional()
            .map_err(StoreError::database(&self.path))
    }

    fn prepare(&mut self, id: &str) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        keep_a_log(&self.connection)
            .and_then(|()| self.connection.pragma_update(None, "synchronous", "full"))
            // The log of a small store should not be four times as large as the store.
            .and_then(|()| self.connection.pragma_update(None, "wal_autocheckpoint", 200))
            .and_then(|()| self.connection.pragma_update(None, "foreign_keys", true))
            .map_err(&failed)?;
        self.lay_out(id)
    }

    /// Makes the tables, or brings those of an earlier version up to date.
    fn lay_out(&mut self, id: &str) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        if self.version()? == VERSION {
            return Ok(());
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        // Another process may have been first.
        let version: i64 =
            transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&failed)?;
        if version == 0 {
            let there: i64 = transaction
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
                .map_err(&failed)?;
            if there != 0 {
                return Err(StoreError::Strange { path: self.path.clone() });
            }
            transaction.execute_batch(SCHEMA).map_err(&failed)?;
            transaction.execute("INSERT INTO store (key, value) VALUES ('id', ?1)", [id]).map_err(&failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(&failed)?;
        }
        if 0 < version {
            let done = usize::try_from(version - 1).unwrap_or(usize::MAX);
            for migration in MIGRATIONS.iter().skip(done) {
                transaction.execute_batch(migration).map_err(&failed)?;
            }
            transaction.pragma_update(None, "user_version", VERSION).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }
}

/// Whether a directory that should be ours holds something although no store was made in it.
fn came_with_the_project(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let is_ours = |name: &OsStr| match fs::symlink_metadata(directory.join(name)) {
        Ok(there) => (name == ".gitignore" && there.is_file()) || (name == ASIDE && there.is_dir()),
        Err(_) => true,
    };
    let has_store = names.iter().any(|name| name == DATABASE);
    // Somebody may make it just now.
    !has_store
        && !names.iter().all(|name| is_ours(name))
        && fs::symlink_metadata(directory.join(DATABASE)).is_err()
}

/// Moves a directory into a new one of the same name. Nothing in it is opened.
fn put_aside(directory: &Path) -> Result<(), StoreError> {
    let failed = StoreError::io("put aside", directory);
    let moved = || {
        let staging = directory.with_file_name(format!("{DIRECTORY}-{}", std::process::id()));
        fs::rename(directory, &staging)?;
        let outcome = make_private(directory).and_then(|()| fs::rename(&staging, directory.join(ASIDE)));
        if outcome.is_err() && fs::remove_dir(directory).is_ok() {
            // As it was; whoever reads the error finds everything in its place.
            let _ = fs::rename(&staging, directory);
        }
        outcome
    };
    moved().map_err(failed)
}

/// What is written beside a database must not be written elsewhere.
fn no_links(directory: &Path) -> Result<(), StoreError> {
    let link = BESIDE
        .iter()
        .map(|name| directory.join(name))
        .find(|path| fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()));
    link.map_or(Ok(()), |path| Err(StoreError::NoDirectory { path, what: "a link" }))
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
