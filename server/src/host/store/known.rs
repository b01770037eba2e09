//! Which stores this user's machine has made. A store gets a random id when it is made, and the user's state directory keeps the
//! id with the file that it lies in. A store that came with a project, or is a copy, is not among them (`security` 2.5).

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::host::clock;
use crate::host::random;
use crate::host::state::{self, Document, Kept, Locked};

/// The oldest are forgotten when there are more.
const MOST: usize = 4096;

/// The stores that this user's machine has made.
#[derive(Clone, Debug)]
pub struct Known {
    document: Document,
}

/// By id.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stores(BTreeMap<String, Entry>);

impl Kept for Stores {
    const VERSION: u64 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Where the database was when it was last seen.
    path: String,
    device: u64,
    inode: u64,
    /// When it was made, in milliseconds since 1970.
    made_ms: u64,
}

impl Entry {
    fn of(path: &Path, file: &Metadata) -> Self {
        let (device, inode) = place(file);
        Self { path: path.to_string_lossy().into_owned(), device, inode, made_ms: clock::wall_ms() }
    }

    /// Whether it is the same file. It may have another path by now; a device may have another number after a boot.
    fn is(&self, other: &Self) -> bool {
        let has_no_number = self.inode == 0;
        self.inode == other.inode
            && (self.path == other.path || (self.device == other.device && !has_no_number))
    }
}

impl Known {
    /// Those of this user.
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::at(&state::directory())
    }

    /// Those that a directory knows.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self { document: Document::new(directory, "stores.json") }
    }

    /// Whether a file may hold one of them: what its id is has not been looked at. With it, a sentence for the person if what was
    /// known is lost.
    pub(super) fn may_hold(&self, path: &Path, file: &Metadata) -> (bool, Option<String>) {
        let here = Entry::of(path, file);
        let found = self.document.read::<Stores>();
        (found.content.0.values().any(|entry| entry.is(&here)), found.notice)
    }

    /// Whether the store with this id in this file is one of them. If its project was moved, that is noted.
    pub(super) fn made(&self, id: &str, path: &Path, file: &Metadata) -> bool {
        let here = Entry::of(path, file);
        let known = self.read();
        let Some(entry) = known.0.get(id).filter(|entry| entry.is(&here)) else { return false };
        if (entry.path.as_str(), entry.device) != (here.path.as_str(), here.device) {
            let moved = self.document.change(|stores: &mut Stores| {
                if let Some(entry) = stores.0.get_mut(id) {
                    *entry = Entry { made_ms: entry.made_ms, ..here };
                }
            });
            if let Err(error) = moved {
                tracing::warn!(%error, "it is not noted where a store is now");
            }
        }
        true
    }

    /// Notes that a store is about to be made in this file; its id. Whoever makes it at the same time hears the same one.
    pub(super) fn register(&self, path: &Path, file: &Metadata) -> Result<String, StoreError> {
        let here = Entry::of(path, file);
        let id =
            random::name().map_err(|source| StoreError::Io { what: "name", path: path.into(), source })?;
        let registered = self.document.change(|stores: &mut Stores| {
            if let Some((known, _)) =
                stores.0.iter().find(|(_, entry)| entry.is(&here) && entry.path == here.path)
            {
                return known.clone();
            }
            while MOST <= stores.0.len() {
                let oldest = stores.0.iter().min_by_key(|(_, entry)| entry.made_ms);
                let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
                stores.0.remove(&oldest);
            }
            stores.0.insert(id.clone(), here);
            id
        });
        let (id, notice) =
            registered.map_err(|source| StoreError::Unregistered { path: path.into(), source })?;
        if let Some(notice) = notice {
            tracing::warn!("{notice}");
        }
        Ok(id)
    }

    /// Nobody else sets a store aside until it is dropped.
    pub(super) fn lock_aside(&self) -> Result<Locked, StoreError> {
        let document = Document::new(self.document.path().parent().unwrap_or(Path::new("/")), "aside");
        let path = document.path().to_path_buf();
        document.lock().map_err(|source| StoreError::Unregistered { path, source })
    }

    fn read(&self) -> Stores {
        let found = self.document.read::<Stores>();
        if let Some(notice) = found.notice {
            tracing::warn!("{notice}");
        }
        found.content
    }
}

#[cfg(unix)]
fn place(file: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

/// Where a file has no number that is told, its path has to do.
#[cfg(not(unix))]
fn place(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
