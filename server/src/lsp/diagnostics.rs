//! Problems on their way to the client: pulled by those who ask, pushed to those who cannot. Those who ask and cannot be told that there
//! is something new get what runs have found pushed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::health::{self, Health};
use super::refresh::{self, Looks, Refresh};
use super::reports;
use super::shared::Shared;
use crate::workspace::Snapshot;

/// What else depends on a text follows a change after this rest: what is typed in comes first.
pub const REST: Duration = Duration::from_millis(150);

/// Keeps the client's view of all documents in step with the workspace.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    shared: Arc<Shared>,
    refresh: Arc<Refresh>,
    health: Arc<Health>,
    /// Whether a task waits for a rest.
    waits: Arc<AtomicBool>,
    /// Whether a task waits for a longer one.
    waits_still: Arc<AtomicBool>,
}

impl Diagnostics {
    /// Nothing was told yet.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            refresh: Arc::default(),
            health: Arc::default(),
            waits: Arc::default(),
            waits_still: Arc::default(),
        }
    }

    /// A document changed: its diagnostics are pushed when they are worked out, to a client that does not ask for them;
    /// what else depends on it follows.
    pub fn changed(&self, path: &Path) {
        if !self.shared.session().pulls() {
            soon(&self.shared, path);
        }
        refresh::when_still(&self.shared, &self.refresh, &self.waits_still);
        // One task waits for the rest, however many keys come before it.
        if self.waits.swap(true, Ordering::SeqCst) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let revision = this.shared.workspace().revision();
                tokio::time::sleep(REST).await;
                if this.shared.workspace().revision() == revision {
                    break;
                }
            }
            // From here on a change waits for a rest of its own.
            this.waits.store(false, Ordering::SeqCst);
            this.all_changed();
        });
    }

    /// All open documents may look different now.
    pub fn all_changed(&self) {
        let session = self.shared.session();
        if !session.pulls() || session.pulls_blindly() {
            let open: Vec<PathBuf> = self.shared.snapshot().buffers().keys().cloned().collect();
            open.into_iter().for_each(|path| schedule(&self.shared, path));
        }
        refresh::ask(&self.shared, &self.refresh, Looks::AtAll);
        health::look(&self.shared, &self.health);
    }

    /// Only how far runs are is another: no problem and no token is.
    pub fn progressed(&self) {
        refresh::ask(&self.shared, &self.refresh, Looks::AtMarks);
        health::look(&self.shared, &self.health);
    }

    /// A document was closed: what was pushed for it goes.
    pub fn closed(&self, path: &Path) {
        let shared = &self.shared;
        shared.forget(path);
        if !shared.asks_for_all() {
            shared.answered.remove(path);
        }
        if shared.pushed.remove(path).is_some_and(|(_, (_, id))| id != reports::NOTHING) {
            shared.publish(path, None, &[]);
        }
    }
}

/// Pushes the diagnostics of a small document here and now, and has those of others worked out.
fn soon(shared: &Arc<Shared>, path: &Path) {
    let Some(turn) = shared.turn_at_once(path) else { return schedule(shared, path.to_path_buf()) };
    if starts(shared, path) {
        work_out(shared, path, || push(shared, &shared.snapshot(), path));
    }
    drop(turn);
}

/// At most one computation for a document runs, at most one more waits: the newest text wins. It goes straight to a worker
/// thread and from there to the writer: each thread more on the way costs as much as the checks of a small document.
fn schedule(shared: &Arc<Shared>, path: PathBuf) {
    if starts(shared, &path) {
        let shared = Arc::clone(shared);
        tokio::task::spawn_blocking(move || {
            work_out(&shared, &path, || {
                let snapshot = shared.settled_here(&path);
                let _turn = shared.turn();
                push(&shared, &snapshot, &path);
            });
        });
    }
}

/// Whether nobody works on a document, and the caller does from now on; whoever does looks at it again.
fn starts(shared: &Shared, path: &Path) -> bool {
    let mut started = false;
    drop(shared.jobs.entry(path.to_path_buf()).and_modify(|again| *again = true).or_insert_with(|| {
        started = true;
        false
    }));
    started
}

fn work_out(shared: &Shared, path: &Path, once: impl Fn()) {
    loop {
        // A panic is in the log; the document is looked at again at its next change.
        let _ = catch_unwind(AssertUnwindSafe(&once));
        // Done, unless it changed while it was worked out.
        if shared.jobs.remove_if(path, |_, again| !*again).is_some() {
            break;
        }
        shared.jobs.insert(path.to_path_buf(), false);
    }
}

fn push(shared: &Shared, snapshot: &Snapshot, path: &Path) {
    let Some(version) = reports::version(snapshot, path) else { return };
    let (items, id) = match shared.session().pulls() {
        true => reports::found(shared, snapshot, path),
        false => shared.timed(path, || reports::of(shared, snapshot, path)),
    };
    // Closed while it was worked out: nothing may follow the empty list that closing sent.
    let workspace = shared.workspace();
    if workspace.buffer(path).is_none() {
        return;
    }
    // The same problems of a newer text have other places for a client that moved them, so they are sent again; the same of
    // the same are not, and an empty list is sent only to clear.
    let told = shared.pushed.insert(path.to_path_buf(), (version, id));
    let clears = told.is_some_and(|(_, told)| told != id);
    if if items.is_empty() { clears } else { told != Some((version, id)) } {
        shared.publish(path, Some(version), &items);
    }
    drop(workspace);
    reports::settle(snapshot, path);
}
