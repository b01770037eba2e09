//! Keeps the workspace in step with the disk: reads projects when folders open, and what changed when somebody says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness_schema::harness::MANIFEST;
use harness_schema::path::FilePath;
use notify::{RecursiveMode, Watcher};
use serde_json::json;
use tower_lsp::gen_lsp_types as lsp;

use super::shared::{Load, Shared};
use super::{diagnostics, to_proto};
use crate::host::disk;
use crate::workspace;

/// Changes that come within this time are read together.
const SETTLE: Duration = Duration::from_millis(100);

/// Reads all harnesses of a folder.
pub async fn open_folder(shared: Arc<Shared>, folder: PathBuf, load: Load) {
    let for_work = Arc::clone(&shared);
    let found = shared.compute(move || {
        let roots = disk::find_roots(&folder);
        for root in &roots {
            let files = disk::load(root);
            for_work.workspace().set_project(root, files);
        }
        roots
    });
    let roots = found.await.unwrap_or_default();
    drop(load);
    diagnostics::all_changed(&shared);
    status(&shared).await;
    watch(&shared, &roots);
}

/// A document was opened: its harness is read, if no folder brought it.
pub fn opened(shared: &Arc<Shared>, path: &Path) {
    let snapshot = shared.snapshot();
    let is_known = path.ancestors().skip(1).any(|above| snapshot.project(above).is_some());
    let in_folder = shared.session().folders.iter().any(|folder| path.starts_with(folder));
    if is_known || (in_folder && path.file_name().is_none_or(|name| name != MANIFEST)) {
        complete(shared);
        return;
    }
    let shared = Arc::clone(shared);
    let path = path.to_path_buf();
    let load = shared.load();
    tokio::spawn(async move {
        let root = if path.file_name().is_some_and(|name| name == MANIFEST) {
            path.parent().map(Path::to_path_buf)
        } else {
            disk::root_above(&path)
        };
        let Some(root) = root else { return };
        let at = root.clone();
        if let Ok(files) = shared.compute(move || disk::load(&at)).await {
            shared.workspace().set_project(&root, files);
            drop(load);
            diagnostics::all_changed(&shared);
            status(&shared).await;
            watch(&shared, &[root]);
        }
    });
}

/// Reads what an edit newly names.
pub fn complete(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let snapshot = shared.snapshot();
        let for_work = Arc::clone(&shared);
        let changed = shared.compute(move || {
            let mut changed = false;
            for project in snapshot.projects().filter(|project| !project.harness().unread().is_empty()) {
                let (files, _) =
                    disk::complete(project.root(), project.files().clone(), Some(project.harness()));
                changed |= for_work.workspace().update_disk(project.root(), project.files(), files);
            }
            changed
        });
        if changed.await == Ok(true) {
            diagnostics::all_changed(&shared);
        }
    });
}

/// Files appeared, changed or went away on disk.
pub async fn changed(shared: Arc<Shared>, paths: Vec<PathBuf>) {
    let for_work = Arc::clone(&shared);
    let _ = shared
        .compute(move || {
            for path in &paths {
                one_changed(&for_work, path);
            }
        })
        .await;
    diagnostics::all_changed(&shared);
    status(&shared).await;
}

fn one_changed(shared: &Arc<Shared>, path: &Path) {
    // A manifest makes or ends a project.
    if path.file_name().is_some_and(|name| name == MANIFEST)
        && let Some(root) = path.parent()
    {
        let is_there = path.is_file();
        let is_known = shared.snapshot().project(root).is_some();
        match (is_there, is_known) {
            (true, false) => {
                let files = disk::load(root);
                shared.workspace().set_project(root, files);
                return;
            }
            (false, true) => shared.workspace().remove_project(root),
            _ => {}
        }
    }
    let snapshot = shared.snapshot();
    for project in snapshot.projects() {
        let Some(file) = workspace::relative(project.root(), path) else { continue };
        let changes = changes(project.files(), project.root(), &file, path);
        let files = project.files().with_disk(changes);
        let (files, _) = disk::complete(project.root(), files, Some(project.harness()));
        shared.workspace().update_disk(project.root(), project.files(), files);
    }
}

/// The file itself, or, for a directory, all files that are or were below it.
fn changes(
    files: &harness_schema::files::Files,
    root: &Path,
    file: &FilePath,
    path: &Path,
) -> Vec<(FilePath, Option<harness_schema::files::File>)> {
    let gone: Vec<FilePath> = files.below(file).cloned().collect();
    if path.is_dir() {
        let mut changes: Vec<_> =
            gone.into_iter().map(|path| (path.clone(), disk::read(root, &path))).collect();
        let found = disk::scan_below(root, path);
        changes.extend(found.into_iter().map(|(path, file)| (path, Some(file))));
        return changes;
    }
    let own = (file.clone(), disk::read(root, file));
    gone.into_iter().map(|path| (path, None)).chain([own]).collect()
}

/// Tells a client with a status bar how things are.
async fn status(shared: &Arc<Shared>) {
    if !shared.session().can("/experimental/serverStatusNotification") {
        return;
    }
    let snapshot = shared.snapshot();
    let status = shared.compute(move || {
        let projects: Vec<_> = snapshot.projects().collect();
        let harnesses: Vec<_> = projects.iter().map(|project| project.harness().as_ref()).collect();
        let errors = projects.iter().map(|project| {
            let problems = project.problems(&project.harness().manifest_path());
            problems
                .iter()
                .filter(|problem| problem.severity == harness_schema::problem::Severity::Error)
                .count()
        });
        to_proto::status(&harnesses, errors.sum())
    });
    if let Ok(status) = status.await {
        shared.notify("experimental/serverStatus", status);
    }
}

/// Asks the client to watch, or watches itself where the client cannot.
fn watch(shared: &Arc<Shared>, roots: &[PathBuf]) {
    if shared.session().watches() || roots.is_empty() {
        return;
    }
    let (changes, changed) = std::sync::mpsc::channel::<PathBuf>();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event
            && !event.kind.is_access()
        {
            for path in event.paths {
                let _ = changes.send(path);
            }
        }
    });
    let Ok(mut watcher) = watcher else { return };
    let watched = roots.iter().filter(|root| watcher.watch(root, RecursiveMode::Recursive).is_ok()).count();
    if watched == 0 {
        return;
    }
    let shared = Arc::clone(shared);
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _watcher = watcher;
        while let Ok(first) = changed.recv() {
            std::thread::sleep(SETTLE);
            let mut paths = vec![first];
            paths.extend(changed.try_iter());
            paths.retain(|path| !path.components().any(|part| disk::is_skipped(part.as_os_str())));
            paths.sort();
            paths.dedup();
            if !paths.is_empty() {
                runtime.spawn(self::changed(Arc::clone(&shared), paths));
            }
        }
    });
}

/// Asks a client that can to watch the files of harnesses.
pub async fn register(shared: Arc<Shared>) {
    if !shared.session().watches() {
        return;
    }
    let registration = json!([{
        "id": "files",
        "method": "workspace/didChangeWatchedFiles",
        "registerOptions": {"watchers": [{"globPattern": "**/*"}]},
    }]);
    if let Ok(registration) = to_proto::typed::<Vec<lsp::Registration>>(registration) {
        let _ =
            tokio::time::timeout(Duration::from_secs(10), shared.client.register_capability(registration))
                .await;
    }
}
