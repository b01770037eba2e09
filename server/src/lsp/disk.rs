//! Keeps the workspace in step with the disk: reads projects when folders open, and what changed when somebody says so.
//!
//! One task does all of it, in the order in which it was told, so no two readings overtake each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harness_schema::files::{Content, File, Files};
use harness_schema::harness::MANIFEST;
use harness_schema::path::FilePath;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower_lsp::gen_lsp_types as lsp;

use super::diagnostics::{Diagnostics, REST};
use super::loads::Load;
use super::shared::Shared;
use super::to_proto;
use crate::host::disk;
use crate::host::watch::Watch;
use crate::workspace;

/// How the handlers tell what they heard of the disk.
#[derive(Debug)]
pub struct Disk {
    tell: UnboundedSender<News>,
    /// What was told before somebody listened.
    told: Mutex<Option<UnboundedReceiver<News>>>,
    /// Whether somebody will look for newly named files.
    waits: Arc<AtomicBool>,
}

/// What was heard.
#[derive(Debug)]
enum News {
    FolderOpened(PathBuf, Load),
    FolderClosed(PathBuf),
    /// A document was opened, or saved for the first time, below no known harness.
    Stray(PathBuf, Load),
    /// Files or directories appeared, changed or went away; requests wait if the client said so.
    Changed(Vec<PathBuf>, Option<Load>),
    /// An edit may name files that were not read.
    Named,
}

impl Disk {
    /// Nothing was heard yet.
    #[must_use]
    pub fn new() -> Self {
        let (tell, told) = unbounded_channel();
        Self { tell, told: Mutex::new(Some(told)), waits: Arc::default() }
    }

    /// Begins to follow the disk; what was told before comes first.
    pub fn follow(&self, shared: &Arc<Shared>, diagnostics: Diagnostics) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(told) = told {
            tokio::spawn(register(Arc::clone(shared)));
            let follower = Follower {
                shared: Arc::clone(shared),
                diagnostics,
                folders: BTreeSet::new(),
                watch: None,
                watched: BTreeSet::new(),
            };
            tokio::spawn(follower.follow(told, self.tell.clone()));
        }
    }

    /// A folder was opened; requests wait until it is read.
    pub fn folder_opened(&self, shared: &Arc<Shared>, folder: PathBuf) {
        let load = shared.load(vec![folder.clone()]);
        self.tell(News::FolderOpened(folder, load));
    }

    /// A folder was closed.
    pub fn folder_closed(&self, folder: PathBuf) {
        self.tell(News::FolderClosed(folder));
    }

    /// A document was opened or saved: its harness is read, if no folder brought it.
    pub fn opened(&self, shared: &Arc<Shared>, path: &Path) {
        let site = shared.snapshot().site(path);
        // A manifest in a directory of a project is a project of its own.
        let is_known =
            site.is_some_and(|site| !is_manifest(path) || path.parent() == Some(site.project.root()));
        self.tell(match is_known {
            true => News::Named,
            false => News::Stray(path.to_path_buf(), shared.load(vec![path.to_path_buf()])),
        });
    }

    /// An edit may name files that were not read. They are looked for soon, and not at each key.
    pub fn named(&self) {
        if self.waits.swap(true, Ordering::SeqCst) {
            return;
        }
        let (tell, waits) = (self.tell.clone(), Arc::clone(&self.waits));
        tokio::spawn(async move {
            tokio::time::sleep(REST).await;
            waits.store(false, Ordering::SeqCst);
            let _ = tell.send(News::Named);
        });
    }

    /// Files or directories appeared, changed or went away.
    pub fn changed(&self, shared: &Arc<Shared>, paths: Vec<PathBuf>) {
        // What lies beside a file may look different, too: all of its projects.
        let snapshot = shared.snapshot();
        let mut scope: Vec<PathBuf> = paths
            .iter()
            .flat_map(|path| path.ancestors().filter(|root| snapshot.project(root).is_some()))
            .map(Path::to_path_buf)
            .chain(paths.iter().filter_map(|path| path.parent()).map(Path::to_path_buf))
            .collect();
        scope.sort();
        scope.dedup();
        let load = shared.load(scope);
        self.tell(News::Changed(paths, Some(load)));
    }

    fn tell(&self, news: News) {
        // Whoever listens is gone only at the very end.
        let _ = self.tell.send(news);
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

struct Follower {
    shared: Arc<Shared>,
    diagnostics: Diagnostics,
    folders: BTreeSet<PathBuf>,
    watch: Option<Arc<Watch>>,
    /// What is watched.
    watched: BTreeSet<PathBuf>,
}

impl Follower {
    async fn follow(mut self, mut told: UnboundedReceiver<News>, tell: UnboundedSender<News>) {
        while let Some(first) = told.recv().await {
            let mut news = vec![first];
            while let Ok(more) = told.try_recv() {
                news.push(more);
            }
            // What is heard many times between two looks is looked at once.
            let named = news.iter().any(|one| matches!(one, News::Named));
            news.retain(|one| !matches!(one, News::Named));
            news.extend(named.then_some(News::Named));
            let before = self.shared.workspace().disk_revision();
            for one in news {
                self.take(one).await;
            }
            if self.shared.workspace().disk_revision() != before {
                self.diagnostics.all_changed();
            }
            self.watch(&tell);
        }
    }

    async fn take(&mut self, news: News) {
        match news {
            News::FolderOpened(folder, load) => {
                self.folders.insert(folder.clone());
                self.compute(move |shared| open_below(shared, &folder)).await;
                drop(load);
                // A folder without a harness is news for a status bar, too.
                self.diagnostics.all_changed();
            }
            News::FolderClosed(folder) => {
                self.folders.remove(&folder);
                let is_open = |root: &Path| self.folders.iter().any(|folder| root.starts_with(folder));
                let roots = roots(&self.shared);
                for root in roots.iter().filter(|root| root.starts_with(&folder) && !is_open(root)) {
                    remove(&self.shared, root);
                }
            }
            News::Stray(path, load) => {
                self.compute(move |shared| open_above(shared, &path)).await;
                drop(load);
            }
            News::Changed(paths, load) => {
                let folders = self.folders.clone();
                self.compute(move |shared| look_again(shared, &folders, &paths)).await;
                drop(load);
            }
            News::Named => self.compute(read_named).await,
        }
    }

    async fn compute(&self, work: impl FnOnce(&Shared) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        // A panic is in the log; the disk is followed all the same.
        let _ = self.shared.compute(move || work(&shared)).await;
    }

    /// Watches the folders and projects that there are now, where the client does not.
    fn watch(&mut self, tell: &UnboundedSender<News>) {
        if self.shared.session().watches() {
            return;
        }
        let mut wanted = roots(&self.shared);
        wanted.extend(self.folders.iter().cloned());
        if wanted == self.watched {
            return;
        }
        if self.watch.is_none() {
            let tell = tell.clone();
            let watch = Watch::start(move |paths| drop(tell.send(News::Changed(paths, None))));
            self.watch =
                watch.inspect_err(|error| tracing::warn!(%error, "this machine cannot watch files")).ok();
        }
        self.watched.clone_from(&wanted);
        let Some(watch) = self.watch.clone() else { return };
        let tell = tell.clone();
        // It walks through directories; nobody waits for it. What happened between reading and watching is looked for.
        tokio::task::spawn_blocking(move || {
            let new = watch.set(&wanted);
            if !new.is_empty() {
                let _ = tell.send(News::Changed(new, None));
            }
        });
    }
}

fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == MANIFEST)
}

fn roots(shared: &Shared) -> BTreeSet<PathBuf> {
    shared.snapshot().projects().map(|project| project.root().to_path_buf()).collect()
}

/// Reads all harnesses of a folder.
fn open_below(shared: &Shared, folder: &Path) {
    for root in disk::find_roots(folder) {
        read_project(shared, &root);
    }
}

/// Reads a project anew.
fn read_project(shared: &Shared, root: &Path) {
    let files = disk::load(root);
    shared.workspace().set_project(root, files);
    shared.disk_changed(root);
}

fn remove(shared: &Shared, root: &Path) {
    shared.workspace().remove_project(root);
    shared.disk_changed(root);
}

/// Reads the harness of a document: the nearest manifest above it that names it.
fn open_above(shared: &Shared, path: &Path) {
    // A manifest that was not saved yet is there all the same.
    let own = path.parent().filter(|_| is_manifest(path)).map(Path::to_path_buf);
    for root in own.into_iter().chain(disk::roots_above(path).map(Path::to_path_buf)) {
        if shared.snapshot().project(&root).is_none() {
            read_project(shared, &root);
        }
        if shared.snapshot().site(path).is_some() {
            return;
        }
    }
}

/// Reads what harnesses name and nobody read.
fn read_named(shared: &Shared) {
    for project in shared.snapshot().projects().filter(|project| !project.harness().unread().is_empty()) {
        let (files, _) = disk::complete(project.root(), project.files().clone(), Some(project.harness()));
        if shared.workspace().update_disk(project.root(), project.files(), files) {
            shared.disk_changed(project.root());
        }
    }
}

/// Looks again at files and directories.
fn look_again(shared: &Shared, folders: &BTreeSet<PathBuf>, paths: &[PathBuf]) {
    // A manifest makes or ends a project, alone or with a directory around it.
    for root in roots(shared) {
        let manifest = root.join(MANIFEST);
        let is_open = shared.workspace().buffer(&manifest).is_some();
        if paths.iter().any(|path| manifest.starts_with(path)) && !manifest.is_file() && !is_open {
            remove(shared, &root);
        }
    }
    for path in paths {
        let new = match path.parent() {
            Some(root) if is_manifest(path) && path.is_file() => vec![root.to_path_buf()],
            _ if path.is_dir() => disk::find_roots(path),
            _ => Vec::new(),
        };
        // A harness that neither a folder nor a document asks for is nobody's business.
        let snapshot = shared.snapshot();
        let is_wanted = |root: &PathBuf| {
            folders.iter().any(|folder| root.starts_with(folder))
                || snapshot.buffers().keys().any(|open| open.starts_with(root))
        };
        for root in new.into_iter().filter(is_wanted) {
            if shared.snapshot().project(&root).is_none() {
                read_project(shared, &root);
            }
        }
    }
    for project in shared.snapshot().projects() {
        let root = project.root();
        let mut changes = BTreeMap::new();
        let mut is_heard = false;
        for path in paths {
            is_heard |= concerns(root, path);
            let Some(below) = path.strip_prefix(root).ok().filter(|below| disk::is_read_from(below)) else {
                continue;
            };
            let is_root = below.as_os_str().is_empty();
            let file = if is_root { Some(FilePath::root()) } else { workspace::relative(root, path) };
            if let Some(file) = file {
                differences(project.files(), root, &file, path, &mut changes);
            }
        }
        if !changes.is_empty() {
            let files = project.files().with_disk(changes);
            let (files, _) = disk::complete(root, files, Some(project.harness()));
            shared.workspace().update_disk(root, project.files(), files);
        }
        // Programs and files of tasks are no texts of the workspace: that they changed is known by being heard of alone.
        if is_heard {
            shared.disk_changed(root);
        }
    }
}

/// Whether a project may be another one when something changed at a path: below its root, or above it, which may have brought all
/// of it.
fn concerns(root: &Path, path: &Path) -> bool {
    root.starts_with(path) || path.strip_prefix(root).is_ok_and(disk::is_read_from)
}

/// What is another on disk than it is known: of the file itself, or, for a directory, of all files that are or were below
/// it. A text that nobody asked for is not read.
fn differences(
    files: &Files,
    root: &Path,
    file: &FilePath,
    path: &Path,
    changes: &mut BTreeMap<FilePath, Option<File>>,
) {
    // A root may be a link.
    let is_directory = path == root || path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let mut found: BTreeMap<FilePath, File> = match is_directory {
        true => disk::scan_below(root, path).into_iter().collect(),
        false => disk::look(root, file).map(|entry| (file.clone(), entry)).into_iter().collect(),
    };
    let known = files.below(file).chain(files.on_disk(file).map(|_| file));
    changes.extend(known.filter(|path| !found.contains_key(*path)).map(|path| (path.clone(), None)));
    found.retain(|path, now| {
        let Some(before) = files.on_disk(path) else { return true };
        let same_entry = before.executable == now.executable && before.link == now.link;
        if matches!(before.content, Content::Unread) {
            return !same_entry;
        }
        let Some(read) = disk::read(root, path) else { return false };
        let same_text = match (&before.content, &read.content) {
            (Content::Text(before), Content::Text(now)) => before.source() == now.source(),
            (Content::Opaque(before), Content::Opaque(now)) => before == now,
            _ => false,
        };
        *now = read;
        !(same_entry && same_text)
    });
    changes.extend(found.into_iter().map(|(path, file)| (path, Some(file))));
}

/// Asks a client that can to watch the files of harnesses.
async fn register(shared: Arc<Shared>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_concerned_by_whatever_it_may_be_read_from() {
        let root = Path::new("/work/lab");
        for path in ["/work/lab", "/work", "/work/lab/tool.py", "/work/lab/tasks/a/tests/test.sh"] {
            assert!(concerns(root, Path::new(path)), "{path}");
        }
        // The store changes all the time while a run is open.
        for path in ["/work/lab/.self-harness/state.db-wal", "/work/lab/.git/index", "/work/lab-2/tool.py"] {
            assert!(!concerns(root, Path::new(path)), "{path}");
        }
    }
}
