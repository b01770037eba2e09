//! What there is to say about documents: their diagnostics, with an identity, and what the client was told last.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustc_hash::FxHasher;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;

use super::shared::{Answered, Shared};
use super::to_proto;
use crate::ide::evidence;
use crate::workspace::Snapshot;

/// Documents beside the one that was asked for are looked at for so long; the rest comes with a refresh.
const FOR_RELATED: Duration = Duration::from_millis(5);

/// The diagnostics of a document and their identity. A client that pulls and cannot be told of news gets what runs have found
/// [beside them](found).
#[must_use]
pub fn of(shared: &Shared, snapshot: &Snapshot, path: &Path) -> (Vec<lsp::Diagnostic>, u64) {
    let mut items = match snapshot.site(path) {
        Some(site) => {
            let problems = site.project.problems(&site.file);
            to_proto::diagnostics(&site.project, &site.file, &problems, shared.session())
        }
        None => Vec::new(),
    };
    if !shared.session().pulls_blindly() {
        items.extend(found(shared, snapshot, path).0);
    }
    let id = identity(&items);
    (items, id)
}

/// What runs have found about a document, and its identity.
#[must_use]
pub fn found(shared: &Shared, snapshot: &Snapshot, path: &Path) -> (Vec<lsp::Diagnostic>, u64) {
    let Some(site) = snapshot.site(path) else { return (Vec::new(), NOTHING) };
    let evidence = evidence::problems(&site, shared.settings().switches());
    let items = to_proto::diagnostics(&site.project, &site.file, &evidence, shared.session());
    let id = identity(&items);
    (items, id)
}

/// The identity of no diagnostics.
pub const NOTHING: u64 = 0;

fn identity(items: &[lsp::Diagnostic]) -> u64 {
    if items.is_empty() {
        return NOTHING;
    }
    let mut hasher = FxHasher::default();
    for item in items {
        item.hash(&mut hasher);
    }
    items.len().hash(&mut hasher);
    hasher.finish()
}

/// Lets go of what the project of a document needs no more; to be called when its diagnostics are on their way.
pub fn settle(snapshot: &Snapshot, path: &Path) {
    snapshot
        .projects()
        .filter(|project| path.starts_with(project.root()))
        .for_each(|project| project.settle());
}

/// The version of a document that is open.
#[must_use]
pub fn version(snapshot: &Snapshot, path: &Path) -> Option<i32> {
    snapshot.buffers().get(path).map(|buffer| buffer.version)
}

/// All diagnostics of a document with their identity.
fn full(items: Vec<lsp::Diagnostic>, id: u64) -> lsp::FullDocumentDiagnosticReport {
    lsp::FullDocumentDiagnosticReport { result_id: Some(id.to_string()), items }
}

/// The answer about one document, with what it put right or wrong elsewhere.
#[must_use]
pub fn answer(
    items: Vec<lsp::Diagnostic>,
    id: u64,
    known: Option<&str>,
    related: HashMap<lsp::Uri, lsp::RelatedDocument>,
) -> lsp::DocumentDiagnosticReport {
    let related = Some(related).filter(|related| !related.is_empty());
    if known == Some(&*id.to_string()) {
        let unchanged = lsp::UnchangedDocumentDiagnosticReport { result_id: id.to_string() };
        return lsp::RelatedUnchangedDocumentDiagnosticReport::new(related, unchanged).into();
    }
    lsp::RelatedFullDocumentDiagnosticReport::new(related, full(items, id)).into()
}

/// A report as the protocol has it, without items if the client has them already.
#[must_use]
pub fn report(items: &[lsp::Diagnostic], id: u64, known: Option<&str>) -> Value {
    let id = id.to_string();
    if known == Some(&*id) {
        json!({"kind": "unchanged", "resultId": id})
    } else {
        json!({"kind": "full", "resultId": id, "items": items})
    }
}

/// Open documents beside `path` of which the client knows the text but not the newest problems, by URI: an edit of one
/// document can put others right or wrong.
#[must_use]
pub fn related(shared: &Shared, snapshot: &Snapshot, path: &Path) -> HashMap<lsp::Uri, lsp::RelatedDocument> {
    let begin = Instant::now();
    let mut reports = HashMap::new();
    for other in snapshot.buffers().keys().filter(|other| *other != path) {
        if FOR_RELATED < begin.elapsed() {
            break;
        }
        if let Some((items, id)) = outdated(shared, snapshot, other) {
            shared.answered.insert(other.clone(), Answered { version: version(snapshot, other), id });
            reports.insert(lsp::Uri(to_proto::uri(other)), full(items, id).into());
        }
    }
    reports
}

/// The diagnostics of a document, if the client was given others for the same text.
#[must_use]
pub fn outdated(shared: &Shared, snapshot: &Snapshot, path: &Path) -> Option<(Vec<lsp::Diagnostic>, u64)> {
    let answered = shared.answered.get(path).map(|answered| *answered)?;
    // A client asks again by itself for a text that it changed.
    if answered.version != version(snapshot, path) {
        return None;
    }
    Some(of(shared, snapshot, path)).filter(|(_, id)| *id != answered.id)
}

/// Every file of every harness, each once: a file of a nested project is that project's.
#[must_use]
pub fn files(snapshot: &Snapshot) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for project in snapshot.projects() {
        let paths = project.harness().named_files().map(|file| project.absolute(file));
        all.extend(
            paths
                .filter(|path| snapshot.site(path).is_some_and(|site| site.project.root() == project.root())),
        );
    }
    all
}

/// The diagnostics of every file of every harness. `known` are the identities that the client has, by URI.
#[must_use]
pub fn of_workspace(shared: &Shared, snapshot: &Snapshot, known: &[(String, String)]) -> Vec<Value> {
    let mut paths = files(snapshot);
    // What no harness names any more has no problem any more.
    let asked = known.iter().filter_map(|(uri, _)| super::from_proto::path(uri));
    paths.extend(asked);
    paths.sort();
    paths.dedup();
    let mut reports = Vec::new();
    for path in paths {
        let (items, id) = of(shared, snapshot, &path);
        let uri = to_proto::uri(&path);
        let version = version(snapshot, &path);
        let known = known.iter().find(|(other, _)| *other == uri).map(|(_, id)| id.as_str());
        // A file that never had a problem is not worth a word.
        if items.is_empty() && known.is_none() && version.is_none() {
            continue;
        }
        shared.answered.insert(path, Answered { version, id });
        let mut report = report(&items, id, known);
        report["uri"] = json!(uri);
        report["version"] = json!(version);
        reports.push(report);
    }
    reports
}
