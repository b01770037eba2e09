//! Trial trees: the private directories that agents work on. They lie below the user's state directory, never inside of a
//! project, where editors and git would act on what an agent wrote.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use super::{beneath, orphan::Note};
use crate::host::random;

/// Who owns the trees if we are root: an ordinary user that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Identity {
    /// An id that no distribution gives out.
    pub const UNUSED: Self = Self { uid: 59_412, gid: 59_412 };
}

/// What went wrong with a trial tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The machine refused.
    #[error("cannot {what} `{path}`: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is more than may be kept.
    #[error("the tree has more than {most} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// Somebody else works on it.
    #[error("`{path}` changed while it was read")]
    Changed {
        /// Where.
        path: PathBuf,
    },
    /// What is read back is not what was frozen.
    #[error("the archive `{path}` is damaged: {why}")]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl TreeError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}

/// The directory in which trial trees are made.
#[derive(Clone, Debug)]
pub struct Trials {
    directory: PathBuf,
    owner: Option<Identity>,
}

impl Trials {
    /// Where they lie on this machine: as root a place that the owner of the trees can reach, else the user's state
    /// directory.
    #[must_use]
    pub fn of_this_machine(owner: Option<Identity>) -> Self {
        let absolute =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let state = match owner {
            Some(_) => PathBuf::from("/var/lib"),
            None => absolute("XDG_STATE_HOME")
                .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
                .unwrap_or_else(|| PathBuf::from("/var/lib")),
        };
        Self { directory: state.join("self-harness/trials"), owner }
    }

    /// In a directory of the caller's choice.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>, owner: Option<Identity>) -> Self {
        Self { directory: directory.into(), owner }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Who owns the trees, if that is not us.
    #[must_use]
    pub fn owner(&self) -> Option<Identity> {
        self.owner
    }

    /// Makes the directory, so that only we and the owner of a tree can enter it.
    ///
    /// # Errors
    /// A [`TreeError`] if it is not ours.
    pub fn open(&self) -> Result<(), TreeError> {
        // The owner of a tree passes through; it cannot list.
        #[cfg(target_os = "linux")]
        let made = beneath::own_directory(&self.directory, if self.owner.is_some() { 0o711 } else { 0o700 });
        #[cfg(not(target_os = "linux"))]
        let made = fs::create_dir_all(&self.directory);
        made.map_err(TreeError::io("use the directory of the trial trees", &self.directory))
    }

    /// A new, empty tree.
    ///
    /// # Errors
    /// A [`TreeError`] if it cannot be made.
    pub fn fresh(&self) -> Result<TrialTree, TreeError> {
        self.open()?;
        #[cfg(target_os = "linux")]
        let id = random::name().map_err(TreeError::io("name a tree in", &self.directory))?;
        #[cfg(not(target_os = "linux"))]
        let id = format!("{}-{:?}", std::process::id(), std::time::Instant::now());
        let tree = TrialTree { directory: self.directory.join(&id), id, owner: self.owner };
        // Before there is anything that could be left behind.
        #[cfg(target_os = "linux")]
        Note::of(&[]).write(&tree.directory).map_err(TreeError::io("note", &tree.directory))?;
        for path in [tree.directory.clone(), tree.path(), tree.out()] {
            if let Err(error) = make_private(&path, self.owner) {
                // The first failure is the one that is told.
                let _ = tree.remove();
                return Err(TreeError::io("make", &path)(error));
            }
        }
        Ok(tree)
    }
}

#[cfg(unix)]
fn make_private(path: &Path, owner: Option<Identity>) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)?;
    match owner {
        Some(owner) => std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn make_private(path: &Path, _: Option<Identity>) -> io::Result<()> {
    fs::create_dir(path)
}

/// A private directory with a random name: the tree itself, and beside it what leaves the sandbox as a report. It has one
/// owner, so nobody reads it while a sandbox lives.
#[derive(Debug)]
pub struct TrialTree {
    id: String,
    directory: PathBuf,
    owner: Option<Identity>,
}

impl TrialTree {
    /// Its random name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory that is mounted at `/workspace`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// The directory that is mounted at `/logs/…`.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.directory.join("out")
    }

    /// The directory of both.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Who owns it, if that is not us.
    #[must_use]
    pub fn owner(&self) -> Option<Identity> {
        self.owner
    }

    /// Removes it with all that an agent left, whatever its modes are.
    ///
    /// # Errors
    /// A [`TreeError`] if something stays.
    pub fn remove(self) -> Result<(), TreeError> {
        #[cfg(target_os = "linux")]
        let removed = beneath::remove(&self.directory).inspect(|()| Note::remove(&self.directory));
        #[cfg(not(target_os = "linux"))]
        let removed = fs::remove_dir_all(&self.directory);
        removed.map_err(TreeError::io("remove", &self.directory))
    }
}
