//! The store of a project as it is followed: opened when it is there, opened again when another lies in its place, and left alone
//! for a while when it cannot be read.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::store::{DIRECTORY, Known, Store, StoreError};

/// The name of the database.
const DATABASE: &str = "state.db";

/// What cannot be read is looked at again after so long, then after twice as long, and so on.
const FIRST: Duration = Duration::from_secs(2);

/// But at least so often.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// A database that is empty is being made: whoever starts a run wants to see it.
const NEW: Duration = Duration::from_millis(250);

/// What a look without reading anything has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing that was not known.
    Same,
    /// It is time to read.
    News,
    /// What was read before is gone, or another store lies in its place.
    Another,
}

/// The store of one project.
pub(super) struct Database {
    root: PathBuf,
    known: Known,
    open: Option<Opened>,
    trouble: Option<Trouble>,
}

/// A store that is open.
pub(super) struct Opened {
    pub(super) store: Store,
    /// Which file it is.
    place: Option<Place>,
    /// What it was at when it was read last.
    version: i64,
}

/// Why it is left alone, and how long.
struct Trouble {
    wait: Duration,
    until: Instant,
}

/// Which file lies at a path.
type Place = (u64, u64);

impl Database {
    pub(super) fn new(root: &Path, known: Known) -> Self {
        Self { root: root.to_path_buf(), known, open: None, trouble: None }
    }

    fn place(&self) -> Option<Place> {
        self.root.join(DIRECTORY).join(DATABASE).symlink_metadata().ok().map(|file| place(&file))
    }

    /// Looks whether there is anything new. It asks SQLite for a number, and reads nothing.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        let Some(open) = &self.open else {
            let is_due = match &self.trouble {
                Some(trouble) => trouble.until <= now,
                None => Store::is_there(&self.root),
            };
            return if is_due { Look::News } else { Look::Same };
        };
        if self.place() != open.place {
            self.open = None;
            return Look::Another;
        }
        match open.store.data_version() {
            Ok(version) if version == open.version => Look::Same,
            Ok(_) => Look::News,
            Err(error) => {
                tracing::warn!(%error, "a store cannot be followed any more");
                self.fail(now);
                Look::Another
            }
        }
    }

    /// The store, opened if it was not; whoever has read it gives it [back](Self::keep), or says that it [failed](Self::fail).
    ///
    /// # Errors
    /// Why it cannot be read. It is not looked at for a while then.
    pub(super) fn take(&mut self, now: Instant) -> Result<Option<Opened>, StoreError> {
        let taken = self.taken();
        match &taken {
            Ok(Some(_)) => {}
            Ok(None) if Store::is_there(&self.root) => self.wait(NEW, now),
            Ok(None) => self.trouble = None,
            Err(_) => self.fail(now),
        }
        taken
    }

    fn taken(&mut self) -> Result<Option<Opened>, StoreError> {
        let (store, place) = match self.open.take() {
            Some(open) => (open.store, open.place),
            None => {
                // Before it is opened: another that is put there meanwhile is another at the next look.
                let place = self.place();
                match Store::look_into_with(&self.root, &self.known)? {
                    Some(store) => (store, place),
                    None => return Ok(None),
                }
            }
        };
        // Before it is read: what is written meanwhile is read again.
        let version = store.data_version()?;
        Ok(Some(Opened { store, place, version }))
    }

    /// It was read.
    pub(super) fn keep(&mut self, opened: Opened) {
        self.trouble = None;
        self.open = Some(opened);
    }

    /// It could not be read: it is closed, and left alone for a while.
    pub(super) fn fail(&mut self, now: Instant) {
        self.open = None;
        self.wait(FIRST, now);
    }

    fn wait(&mut self, least: Duration, now: Instant) {
        let wait = match &self.trouble {
            // Somebody who looked before it was time has learnt nothing new.
            Some(trouble) if now < trouble.until && least <= trouble.wait => return,
            Some(trouble) => (trouble.wait * 2).clamp(least, LONGEST),
            None => least,
        };
        self.trouble = Some(Trouble { wait, until: now + wait });
    }
}

/// Its number on its device.
#[cfg(unix)]
fn place(file: &Metadata) -> Place {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

/// Where a file has no number that is told, its length and when it was written, in milliseconds since 1970.
#[cfg(not(unix))]
fn place(file: &Metadata) -> Place {
    let written = file.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    (file.len(), written.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}
