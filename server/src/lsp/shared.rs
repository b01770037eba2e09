//! What the handlers share: the workspace, the session, and the ways to a worker thread and to the client.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use harness_schema::text::Encoding;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tower_lsp::Client;
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use super::dispatch;
use super::loads::{Load, Loads};
use super::outbox::{Outbox, replaces, replaces_of};
use super::session::Session;
use super::settings::Settings;
use super::to_proto;
use crate::failure::Failure;
use crate::workspace::{Snapshot, Workspace};

/// How many computations run at once; more would only take time from each other.
const COMPUTATIONS: usize = 2;

/// What took less than this last time is worked out where the message is taken: a hand-over to another thread and back costs
/// as much, and the messages behind it wait no longer than they would for it.
const AT_ONCE: Duration = Duration::from_micros(1500);

/// Requests wait so long at most for a store to be read for the first time.
const LONGEST_READ: Duration = Duration::from_secs(3);

/// Diagnostics that a client was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Of which text, if the document was open.
    pub version: Option<i32>,
    /// Their identity.
    pub id: u64,
}

/// Semantic tokens that a client was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Their name in the protocol.
    pub id: u64,
    /// Of which text, if the document was open.
    pub version: Option<i32>,
    /// As the protocol counts them.
    pub data: Vec<u32>,
}

/// A notification as it is written.
#[derive(Serialize)]
struct Notification<'a, P> {
    jsonrpc: &'static str,
    method: &'a str,
    params: P,
}

/// The diagnostics of a document as they are written.
#[derive(Serialize)]
struct Published<'a> {
    uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
    diagnostics: &'a [lsp::Diagnostic],
}

/// The state of the server.
#[derive(Debug)]
pub struct Shared {
    /// For questions to the client.
    pub client: Client,
    /// For notifications to the client.
    pub outbox: Arc<Outbox>,
    session: OnceLock<Session>,
    workspace: Mutex<Workspace>,
    computations: Semaphore,
    /// Semantic tokens as last given, by document.
    pub tokens: DashMap<PathBuf, Tokens>,
    /// Diagnostics as last given to a client that asks for them, by document.
    pub answered: DashMap<PathBuf, Answered>,
    /// Whether the client asked for the diagnostics of all files.
    asks_for_all: AtomicBool,
    /// Documents whose diagnostics are being worked out, and whether they changed meanwhile.
    pub jobs: DashMap<PathBuf, bool>,
    /// Diagnostics as last pushed, by document: the version of its text, and their identity.
    pub pushed: DashMap<PathBuf, (i32, u64)>,
    /// How long it took to work out the diagnostics of a document, last time.
    took: DashMap<PathBuf, Duration>,
    /// The folders and projects that are being read.
    loads: Arc<Loads>,
    /// The projects whose stores were read.
    read: watch::Sender<BTreeSet<PathBuf>>,
    settings: Mutex<Settings>,
    /// What a client was given for a document, to tell it when that is old: hints, and lenses, each with its identity.
    pub hints: DashMap<PathBuf, u64>,
    /// The same of lenses.
    pub lenses: DashMap<PathBuf, u64>,
    /// When somebody typed in a document last.
    pub typed: DashMap<PathBuf, Instant>,
    /// Pages that the client has read, by address: they may be open there.
    pub pages: DashMap<String, ()>,
    /// By project, the run that the test view has started last.
    pub test_runs: DashMap<PathBuf, String>,
    /// What the sandbox of this machine keeps, as it was tried when somebody asked for that.
    doctor: Mutex<Option<String>>,
    /// Why the last start found no sandbox, if it did not.
    missing_sandbox: Mutex<Option<Failure>>,
    /// How often something changed on disk below a root that projects are read from, by root.
    disk_changes: DashMap<PathBuf, u64>,
}

impl Shared {
    /// The state before `initialize`.
    #[must_use]
    pub fn new(client: Client, outbox: Arc<Outbox>) -> Self {
        Self {
            client,
            outbox,
            session: OnceLock::new(),
            workspace: Mutex::default(),
            computations: Semaphore::new(COMPUTATIONS),
            tokens: DashMap::new(),
            answered: DashMap::new(),
            asks_for_all: AtomicBool::new(false),
            jobs: DashMap::new(),
            pushed: DashMap::new(),
            took: DashMap::new(),
            loads: Arc::default(),
            read: watch::Sender::default(),
            settings: Mutex::default(),
            hints: DashMap::new(),
            lenses: DashMap::new(),
            typed: DashMap::new(),
            pages: DashMap::new(),
            test_runs: DashMap::new(),
            doctor: Mutex::default(),
            missing_sandbox: Mutex::default(),
            disk_changes: DashMap::new(),
        }
    }

    /// How often something changed on disk below the root of a project: a text, a program, a file of a task. Whoever keeps
    /// something that was read from there reads again when it is another number.
    #[must_use]
    pub fn disk_changes(&self, root: &Path) -> u64 {
        self.disk_changes.get(root).map(|changes| *changes).unwrap_or_default()
    }

    /// Something changed on disk below the root of a project.
    pub fn disk_changed(&self, root: &Path) {
        *self.disk_changes.entry(root.to_path_buf()).or_default() += 1;
    }

    /// What was agreed; what a client without any capability has, before `initialize`.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.session.get_or_init(|| Session::new(&Value::Null))
    }

    /// Sets what was agreed, once.
    pub fn agree(&self, session: Session) {
        let _ = self.session.set(session);
    }

    /// What was found when the sandbox was tried last; `None` if nobody has asked for that.
    #[must_use]
    pub fn doctor(&self) -> Option<String> {
        self.doctor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sandbox was tried.
    pub fn set_doctor(&self, found: String) {
        *self.doctor.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    /// Why the last start found no sandbox; `None` if it did, or nobody has started anything.
    #[must_use]
    pub fn missing_sandbox(&self) -> Option<Failure> {
        self.missing_sandbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A start has found a sandbox, or why there is none.
    pub fn set_missing_sandbox(&self, why: Option<Failure>) {
        *self.missing_sandbox.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// What the user has set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user has set something; whether it is another than it was.
    pub fn set_settings(&self, settings: Settings) -> bool {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, settings) != settings
    }

    /// How the client counts columns.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.session().encoding
    }

    /// The workspace, for its one writer. The guard never lives over an `.await`.
    pub fn workspace(&self) -> MutexGuard<'_, Workspace> {
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The workspace as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.workspace().snapshot()
    }

    /// Something is being read from now until the answer is dropped, for all documents below some paths.
    #[must_use]
    pub fn load(&self, paths: Vec<PathBuf>) -> Load {
        self.loads.begin(paths)
    }

    /// The workspace as it is now, or, while what a document may belong to is being read, as it is then: an answer from an
    /// empty workspace would say that nothing is wrong. Without a document everything is waited for.
    pub async fn settled(&self, document: Option<&Path>) -> Snapshot {
        self.loads.wait(document).await;
        self.snapshot()
    }

    /// The same on a worker thread, which may wait.
    #[must_use]
    pub fn settled_here(&self, document: &Path) -> Snapshot {
        self.loads.wait_here(document);
        self.snapshot()
    }

    /// The whole workspace with what the store of every project says: before it was read, nothing would be known of any run.
    /// `look` has them looked at.
    pub async fn settled_with_boards(&self, look: impl FnOnce()) -> Snapshot {
        let snapshot = self.settled(None).await;
        let are_read =
            |read: &BTreeSet<PathBuf>| snapshot.projects().all(|project| read.contains(project.root()));
        if are_read(&self.read.borrow()) {
            return snapshot;
        }
        look();
        let mut read = self.read.subscribe();
        let _ = tokio::time::timeout(LONGEST_READ, read.wait_for(are_read)).await;
        self.snapshot()
    }

    /// The store of a project was read, or cannot be.
    pub fn board_was_read(&self, root: &Path) {
        self.read.send_if_modified(|read| read.insert(root.to_path_buf()));
    }

    /// A turn to compute the diagnostics of a document here and now, if that takes no time and nothing is waited for.
    #[must_use]
    pub fn turn_at_once(&self, document: &Path) -> Option<SemaphorePermit<'_>> {
        let is_quick = self.took.get(document).is_some_and(|took| *took < AT_ONCE);
        if !is_quick || self.loads.concern(Some(document)) {
            return None;
        }
        self.computations.try_acquire().ok()
    }

    /// Works out something about the diagnostics of a document, and notes how long that takes.
    pub fn timed<R>(&self, document: &Path, work: impl FnOnce() -> R) -> R {
        let begin = Instant::now();
        let result = work();
        self.took.insert(document.to_path_buf(), begin.elapsed());
        result
    }

    /// A document was closed.
    pub fn forget(&self, document: &Path) {
        self.tokens.remove(document);
        self.took.remove(document);
        self.hints.remove(document);
        self.lenses.remove(document);
        self.typed.remove(document);
    }

    /// A turn to compute, on a worker thread; it ends when the answer is dropped.
    #[must_use]
    pub fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.computations.try_acquire() {
            return Some(permit);
        }
        tokio::runtime::Handle::current().block_on(self.computations.acquire()).ok()
    }

    /// Whether the client asked for the diagnostics of all files, so that it has some of files that are not open.
    #[must_use]
    pub fn asks_for_all(&self) -> bool {
        self.asks_for_all.load(Ordering::Relaxed)
    }

    /// The client asks for the diagnostics of all files.
    pub fn now_asks_for_all(&self) {
        self.asks_for_all.store(true, Ordering::Relaxed);
    }

    /// Works something out on a thread of its own.
    ///
    /// # Errors
    /// An internal error if it panics; the server lives.
    pub async fn compute<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Result<R> {
        let _permit = self.computations.acquire().await;
        tokio::task::spawn_blocking(work).await.map_err(|_| dispatch::bug())
    }

    /// Pushes the diagnostics of a document.
    pub fn publish(&self, path: &Path, version: Option<i32>, diagnostics: &[lsp::Diagnostic]) {
        let uri = to_proto::uri(path);
        let (method, params) =
            ("textDocument/publishDiagnostics", Published { uri: &uri, version, diagnostics });
        self.outbox.push(&Notification { jsonrpc: "2.0", method, params }, Some(replaces_of(&uri)));
    }

    /// Tells the client something.
    pub fn notify(&self, method: &str, params: &Value) {
        let key = replaces(method, Some(params));
        self.outbox.push(&Notification { jsonrpc: "2.0", method, params }, key);
    }
}
