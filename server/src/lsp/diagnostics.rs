//! Problems on their way to the client: pulled by those who ask, pushed to those who cannot.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHasher;
use serde_json::{Value, json};

use super::shared::Shared;
use super::to_proto;
use crate::workspace::Snapshot;

/// Other open documents follow a change after this rest: what is typed in comes first.
const OTHERS_AFTER: Duration = Duration::from_millis(150);

/// The diagnostics of a document and their identity.
#[must_use]
pub fn of(shared: &Shared, snapshot: &Snapshot, path: &Path) -> (Vec<Value>, u64) {
    let items = match snapshot.site(path) {
        Some(site) => {
            let problems = site.project.problems(&site.file);
            to_proto::diagnostics(&site.project, &site.file, &problems, shared.encoding())
        }
        None => Vec::new(),
    };
    let id = identity(&items);
    (items, id)
}

fn identity(items: &[Value]) -> u64 {
    let mut hasher = FxHasher::default();
    for item in items {
        item.to_string().hash(&mut hasher);
    }
    items.len().hash(&mut hasher);
    hasher.finish()
}

/// The diagnostics of every file of every harness.
#[must_use]
pub fn of_workspace(shared: &Shared, snapshot: &Snapshot, known: &[(String, String)]) -> Vec<Value> {
    let mut reports = Vec::new();
    for project in snapshot.projects() {
        for file in project.harness().named_files() {
            let path = project.absolute(file);
            // A file of a nested project is that project's.
            if snapshot.site(&path).is_none_or(|site| site.project.root() != project.root()) {
                continue;
            }
            let (items, id) = of(shared, snapshot, &path);
            let uri = to_proto::uri(&path);
            let version = snapshot.buffers().get(&path).map(|buffer| buffer.version);
            let was = known.iter().find(|(other, _)| *other == uri).map(|(_, id)| id.as_str());
            // A file that never had a problem is not worth a word.
            if items.is_empty() && was.is_none() && version.is_none() {
                continue;
            }
            let id = id.to_string();
            reports.push(if was == Some(&id) {
                json!({"kind": "unchanged", "resultId": id, "uri": uri, "version": version})
            } else {
                json!({"kind": "full", "resultId": id, "items": items, "uri": uri, "version": version})
            });
        }
    }
    reports
}

/// A document changed: its diagnostics are pushed when they are worked out, those of other open documents soon after.
/// For a client that pulls nothing is done: it asks.
pub fn changed(shared: &Arc<Shared>, path: &Path) {
    if shared.session().pulls() {
        return;
    }
    schedule(shared, path.to_path_buf());
    let shared = Arc::clone(shared);
    let path = path.to_path_buf();
    tokio::spawn(async move {
        let revision = shared.workspace().revision();
        tokio::time::sleep(OTHERS_AFTER).await;
        if shared.workspace().revision() == revision {
            let others: Vec<PathBuf> =
                shared.snapshot().buffers().keys().filter(|other| **other != path).cloned().collect();
            for other in others {
                schedule(&shared, other);
            }
        }
    });
}

/// All open documents may look different now.
pub fn all_changed(shared: &Arc<Shared>) {
    let session = shared.session();
    if session.pulls() {
        if session.can("/workspace/diagnostics/refreshSupport") {
            let client = shared.client.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(Duration::from_secs(10), client.workspace_diagnostic_refresh())
                    .await;
            });
        }
        return;
    }
    let open: Vec<PathBuf> = shared.snapshot().buffers().keys().cloned().collect();
    for path in open {
        schedule(shared, path);
    }
}

/// A document was closed: what was pushed for it goes.
pub fn closed(shared: &Arc<Shared>, path: &Path) {
    shared.tokens.remove(path);
    if shared.pushed.remove(path).is_some() {
        shared.notify(
            "textDocument/publishDiagnostics",
            json!({"uri": to_proto::uri(path), "diagnostics": []}),
        );
    }
}

/// At most one computation for a document runs, at most one more waits: the newest text wins.
fn schedule(shared: &Arc<Shared>, path: PathBuf) {
    let mut started = false;
    drop(shared.jobs.entry(path.clone()).and_modify(|again| *again = true).or_insert_with(|| {
        started = true;
        false
    }));
    if !started {
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            push(&shared, &path).await;
            // Done, unless it changed while it was worked out.
            if shared.jobs.remove_if(&path, |_, again| !*again).is_some() {
                break;
            }
            shared.jobs.insert(path.clone(), false);
        }
    });
}

async fn push(shared: &Arc<Shared>, path: &Path) {
    let snapshot = shared.snapshot();
    let Some(version) = snapshot.buffers().get(path).map(|buffer| buffer.version) else { return };
    let (for_work, document) = (Arc::clone(shared), path.to_path_buf());
    let Ok((items, id)) = shared.compute(move || of(&for_work, &snapshot, &document)).await else { return };
    // A client measures itself by versions: the same problems of a newer text are sent again, but an empty list that
    // follows an empty list only once.
    let before = shared.pushed.insert(path.to_path_buf(), id);
    let is_open = shared.workspace().buffer(path).is_some();
    if !is_open {
        shared.pushed.remove(path);
        return;
    }
    if before.is_some()
        && before == Some(id)
        && items.is_empty()
        && shared.session().can("/experimental/selfHarness/quiet")
    {
        return;
    }
    let params = json!({"uri": to_proto::uri(path), "version": version, "diagnostics": items});
    shared.notify("textDocument/publishDiagnostics", params);
}
