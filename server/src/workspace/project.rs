//! One project: a root directory with a `harness.toml`, its files, and what they mean.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use harness_schema::check;
use harness_schema::digest::Digest;
use harness_schema::files::Files;
use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::problem::Problem;
use rustc_hash::FxHashMap;

use crate::engine::board::Board;

/// A project at one moment.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    files: Files,
    board: Arc<Board>,
    harness: OnceLock<Arc<Harness>>,
    identity: OnceLock<Digest>,
    /// The newest harness before this moment: what did not change since is taken from it.
    previous: Mutex<Option<Arc<Harness>>>,
    problems: Mutex<FxHashMap<FilePath, Arc<[Problem]>>>,
}

impl Project {
    /// A project that was just read.
    #[must_use]
    pub fn new(root: &Path, files: Files) -> Self {
        Self {
            root: root.to_path_buf(),
            files,
            board: Arc::default(),
            harness: OnceLock::new(),
            identity: OnceLock::new(),
            previous: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// The project with other files.
    #[must_use]
    pub fn with_files(&self, files: Files) -> Self {
        let previous = self.harness.get().cloned().or_else(|| self.previous());
        let board = Arc::clone(&self.board);
        Self { previous: Mutex::new(previous), board, ..Self::new(&self.root, files) }
    }

    /// The project with another board, and the same files.
    #[must_use]
    pub fn with_board(&self, board: Arc<Board>) -> Self {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A run changes the board twice a second: what its texts are is not hashed again each time.
        let is_same = self.board.programs == board.programs;
        Self {
            board,
            identity: if is_same { self.identity.clone() } else { OnceLock::new() },
            harness: self.harness.clone(),
            previous: Mutex::new(self.previous()),
            problems: Mutex::new(problems),
            ..Self::new(&self.root, self.files.clone())
        }
    }

    /// What is known of it besides its files.
    #[must_use]
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The digest of its harness, by which measured ones are recognised.
    #[must_use]
    pub fn identity(&self) -> Digest {
        *self.identity.get_or_init(|| self.harness().digest(|path| self.board.programs.get(path).copied()))
    }

    fn previous(&self) -> Option<Arc<Harness>> {
        self.previous.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of the harness before, once its own is there. Of a large document that takes time, so whoever computes does it
    /// when the answer is given.
    pub fn settle(&self) {
        if self.harness.get().is_some() {
            let old = self.previous.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(old);
        }
    }

    /// The directory that holds `harness.toml`, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Its harness, resolved when first asked for.
    #[must_use]
    pub fn harness(&self) -> &Arc<Harness> {
        self.harness.get_or_init(|| Arc::new(Harness::resolve(&self.files, self.previous().as_deref())))
    }

    /// The problems of one of its files, found when first asked for.
    #[must_use]
    pub fn problems(&self, file: &FilePath) -> Arc<[Problem]> {
        let known = self.problems.lock().unwrap_or_else(PoisonError::into_inner).get(file).cloned();
        known.unwrap_or_else(|| {
            // Outside of the lock: two who ask at once find the same.
            let problems: Arc<[Problem]> = check::file(self.harness(), file).into();
            let mut all = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(file.clone()).or_insert(problems))
        })
    }

    /// The absolute path of one of its files.
    #[must_use]
    pub fn absolute(&self, file: &FilePath) -> PathBuf {
        file.as_str()
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(self.root.clone(), |path, part| path.join(part))
    }
}

/// A path below a root as the root's project writes it.
#[must_use]
pub fn relative(root: &Path, path: &Path) -> Option<FilePath> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
    FilePath::parse(&parts?.join("/")).ok()
}
