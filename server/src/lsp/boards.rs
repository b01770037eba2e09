//! Keeps what editors know of runs in step with the stores of their projects: one thread reads them, whenever they are others than
//! they were. Whoever started a run, in whichever program, it is seen here (`editor` 8).

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;

use super::diagnostics::Diagnostics;
use super::news::News;
use super::shared::Shared;
use crate::engine::board::{Board, Environment, Spot};
use crate::failure::Failure;
use crate::host::board::Reader;
use crate::host::{machine, state};

/// How often a store is asked whether it is another: within two looks everybody sees the same run.
const LOOK: Duration = Duration::from_millis(200);

/// A run that nobody works on any more shows by nothing but time.
const LONGEST: Duration = Duration::from_secs(2);

/// How the handlers ask for a look before its time.
#[derive(Debug)]
pub struct Boards {
    tell: Sender<()>,
    told: Mutex<Option<Receiver<()>>>,
}

/// A project that is read.
struct Kept {
    reader: Reader,
    /// Of which state of the disk its board is.
    disk: u64,
    read: Instant,
}

impl Boards {
    /// Nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        let (tell, told) = channel();
        Self { tell, told: Mutex::new(Some(told)) }
    }

    /// Begins to follow the stores.
    pub fn follow(&self, shared: &Arc<Shared>, diagnostics: Diagnostics) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(told) = told else { return };
        let (shared, runtime) = (Arc::clone(shared), Handle::current());
        // On a thread of its own: it mines, which takes time, and a runtime of two threads has none for that.
        let spawned = thread::Builder::new().name(String::from("boards")).spawn(move || {
            let _entered = runtime.enter();
            run(&shared, &diagnostics, &told);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "the stores of projects cannot be followed");
        }
    }

    /// Something was written to a store by this server: it is looked at now.
    pub fn look(&self) {
        // Whoever listens is gone only at the very end.
        let _ = self.tell.send(());
    }
}

impl Default for Boards {
    fn default() -> Self {
        Self::new()
    }
}

fn run(shared: &Arc<Shared>, diagnostics: &Diagnostics, told: &Receiver<()>) {
    let mut kept: BTreeMap<PathBuf, Kept> = BTreeMap::new();
    let mut news = News::default();
    let mut stamped = stamps();
    // Projects whose store made us panic: they are tried again when somebody asks.
    let mut broken: BTreeSet<PathBuf> = BTreeSet::new();
    loop {
        // What was agreed to is in no store: whoever asks for a look knows of something.
        let is_asked = match told.recv_timeout(LOOK) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Several wishes for a look are one.
        while told.try_recv().is_ok() {}
        let now = stamps();
        let is_asked = is_asked || now != stamped;
        stamped = now;
        let snapshot = shared.snapshot();
        kept.retain(|root, _| snapshot.project(root).is_some());
        let (mut has_changed, mut has_progressed) = (false, false);
        broken.retain(|root| snapshot.project(root).is_some());
        for project in snapshot.projects() {
            let root = project.root();
            if broken.contains(root) && !is_asked {
                continue;
            }
            broken.remove(root);
            let disk = shared.disk_changes(root);
            // What cannot be read of one project must not end the news of all others.
            let look = || look(&mut kept, root, disk, project.board(), is_asked);
            let Ok(board) = catch_unwind(AssertUnwindSafe(look)) else {
                tracing::error!(root = %root.display(), "reading the store of this project has a bug");
                kept.remove(root);
                broken.insert(root.to_path_buf());
                shared.board_was_read(root);
                continue;
            };
            let Some(mut board) = board else { continue };
            board.environment.extend(shared.missing_sandbox().map(missing_sandbox));
            if board != **project.board() || !news.knows(root) {
                let is_progress = board.differs_in_progress_only(project.board());
                let board = Arc::new(board);
                let is_set = shared.workspace().set_board(root, Arc::clone(&board));
                has_changed |= is_set && !is_progress;
                has_progressed |= is_set && is_progress;
                shared.board_was_read(root);
                news.tell(shared, root, &board);
            }
        }
        news.tick(shared, &shared.snapshot());
        // A run counts trials twice a second: then no document is checked again for it.
        match (has_changed, has_progressed) {
            (true, _) => diagnostics.all_changed(),
            (false, true) => diagnostics.progressed(),
            (false, false) => {}
        }
    }
}

/// What a start has found, as a problem of the project.
fn missing_sandbox(why: Failure) -> Environment {
    Environment { code: "SH904", at: Spot::Key(&["agent"]), message: why.message, why: why.hint }
}

/// When the files changed that decide what may start and are in no project: what was agreed to, and the user's configuration.
fn stamps() -> [Option<SystemTime>; 2] {
    [state::directory().join("consent.json"), machine::path()]
        .map(|path| std::fs::metadata(path).and_then(|there| there.modified()).ok())
}

/// The board of a project, if it may be another than it was.
fn look(
    kept: &mut BTreeMap<PathBuf, Kept>,
    root: &Path,
    disk: u64,
    known: &Board,
    is_asked: bool,
) -> Option<Board> {
    let now = Instant::now();
    let Some(project) = kept.get_mut(root) else {
        let mut reader = Reader::new(root);
        let board = reader.board(disk);
        kept.insert(root.to_path_buf(), Kept { reader, disk, read: now });
        return Some(board);
    };
    let is_due = known.active().is_some() && LONGEST <= project.read.elapsed();
    if is_asked || project.reader.has_news() || project.disk != disk || is_due {
        (project.disk, project.read) = (disk, now);
        return Some(project.reader.board(disk));
    }
    None
}
