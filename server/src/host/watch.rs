//! Watches the directories of projects and folders for editors that cannot. Reads no file: it says which paths changed.
//!
//! Only directories that a project is read from are watched: an `inotify` watch costs memory in the kernel, and their number
//! is limited, so `node_modules` must not have any.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::walk;

/// Of a folder, so many directories are watched at most, those near its top first.
const MAX_DIRECTORIES: usize = 20_000;

/// Changes that come within this time are told together.
const SETTLE: Duration = Duration::from_millis(100);

/// Watched projects. Watching ends when this is dropped.
#[derive(Debug)]
pub struct Watch(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    watcher: RecommendedWatcher,
    roots: BTreeSet<PathBuf>,
}

/// What the machine said.
enum News {
    Changed(PathBuf),
    /// More happened than could be told.
    Overflow,
}

impl Watch {
    /// Starts without any project. `report` is called with the paths that appeared, changed or went away, sorted; a
    /// directory stands for all that is below it.
    ///
    /// # Errors
    /// If this machine cannot watch.
    pub fn start(report: impl Fn(Vec<PathBuf>) + Send + 'static) -> notify::Result<Arc<Self>> {
        let (tell, news) = channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            // Whoever listens is gone only with the watcher.
            if event.need_rescan() {
                let _ = tell.send(News::Overflow);
            } else if !event.kind.is_access() {
                event.paths.into_iter().for_each(|path| drop(tell.send(News::Changed(path))));
            }
        })?;
        let watch = Arc::new(Self(Mutex::new(Watched { watcher, roots: BTreeSet::new() })));
        let weak = Arc::downgrade(&watch);
        thread::spawn(move || follow(&news, &weak, &report));
        Ok(watch)
    }

    /// Watches these projects from now on, and no others. The answer are those that were not watched before.
    pub fn set(&self, roots: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let mut watched = self.lock();
        let gone: Vec<PathBuf> = watched.roots.difference(roots).cloned().collect();
        let new: Vec<PathBuf> = roots.difference(&watched.roots).cloned().collect();
        watched.roots.clone_from(roots);
        for root in &gone {
            for directory in directories(root, root) {
                // It may be gone already.
                let _ = watched.watcher.unwatch(&directory);
            }
        }
        // Of two projects, one may lie in the other that is gone.
        let inside = roots.iter().filter(|root| gone.iter().any(|gone| root.starts_with(gone)));
        for root in new.iter().chain(inside) {
            watched.below(root);
        }
        new
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn below(&mut self, directory: &Path) {
        // Elsewhere one watch sees a whole tree.
        if !cfg!(target_os = "linux") {
            let _ = self.watcher.watch(directory, RecursiveMode::Recursive);
            return;
        }
        let root = self.roots.iter().find(|root| directory.starts_with(root));
        for directory in root.map(|root| directories(root, directory)).unwrap_or_default() {
            if let Err(error) = self.watcher.watch(&directory, RecursiveMode::NonRecursive)
                && matches!(error.kind, notify::ErrorKind::MaxFilesWatch)
            {
                tracing::warn!(
                    directory = %directory.display(),
                    "the limit of watched directories is reached: changes on disk are seen when a file is opened or saved; \
                     raise fs.inotify.max_user_watches"
                );
                return;
            }
        }
    }

    /// Whether a change of a path can matter to a project.
    fn matters(&self, path: &Path) -> bool {
        let inside = |root: &PathBuf| path.strip_prefix(root).ok();
        self.roots.iter().filter_map(inside).any(walk::is_read_from)
    }
}

/// The directories below one of a project, under the names by which the machine tells their changes.
fn directories(root: &Path, directory: &Path) -> Vec<PathBuf> {
    let entries = walk::below(root, directory).entries.into_iter();
    let own = entries.filter(|entry| entry.is_directory && entry.link.is_none());
    let mut all: Vec<PathBuf> = own.map(|entry| entry.path).collect();
    if MAX_DIRECTORIES < all.len() {
        all.sort_by_key(|path| path.components().count());
        all.truncate(MAX_DIRECTORIES);
    }
    all
}

fn follow(news: &Receiver<News>, watch: &Weak<Watch>, report: &impl Fn(Vec<PathBuf>)) {
    while let Ok(first) = news.recv() {
        thread::sleep(SETTLE);
        let Some(watch) = watch.upgrade() else { return };
        let mut watched = watch.lock();
        let mut changed = BTreeSet::new();
        for one in std::iter::once(first).chain(news.try_iter()) {
            match one {
                News::Changed(path) if watched.matters(&path) => drop(changed.insert(path)),
                News::Changed(_) => {}
                News::Overflow => changed.extend(watched.roots.iter().cloned()),
            }
        }
        // Before it is told: what appears in a new directory from now on is news again.
        changed.iter().filter(|path| path.is_dir()).for_each(|directory| watched.below(directory));
        drop(watched);
        if !changed.is_empty() {
            report(changed.into_iter().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::Sender;
    use std::time::Instant;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            // A project may lie below a directory that none is read from.
            let path = std::env::temp_dir()
                .join(format!("self-harness-watch-{}-{name}", std::process::id()))
                .join("target");
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("prompts")).unwrap();
            fs::create_dir_all(path.join("node_modules/deep")).unwrap();
            Self(path.canonicalize().unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn watch(folder: &Folder) -> (Arc<Watch>, Receiver<Vec<PathBuf>>) {
        let (tell, told): (Sender<Vec<PathBuf>>, _) = channel();
        let watch = Watch::start(move |paths| drop(tell.send(paths))).unwrap();
        watch.set(&BTreeSet::from([folder.0.clone()]));
        (watch, told)
    }

    /// Waits for news of a path; the answer is all that was told until then.
    fn wait_for(told: &Receiver<Vec<PathBuf>>, path: &Path) -> Vec<PathBuf> {
        let end = Instant::now() + Duration::from_secs(20);
        let mut all = Vec::new();
        while !all.iter().any(|told: &PathBuf| told == path) {
            all.extend(told.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap());
        }
        all
    }

    #[test]
    fn changes_are_told_but_not_those_of_directories_that_nothing_is_read_from() {
        let folder = Folder::new("tell");
        let (_watch, told) = watch(&folder);
        fs::write(folder.0.join("node_modules/deep/x.js"), "").unwrap();
        let prompt = folder.0.join("prompts/system.md");
        fs::write(&prompt, "hello").unwrap();
        let all = wait_for(&told, &prompt);
        assert!(all.iter().all(|path| path.starts_with(folder.0.join("prompts"))), "{all:?}");
    }

    #[test]
    fn a_new_directory_is_watched_too_and_one_that_moved_under_its_new_name() {
        let folder = Folder::new("new");
        let (_watch, told) = watch(&folder);
        let new = folder.0.join("tasks/t-1");
        fs::create_dir_all(&new).unwrap();
        wait_for(&told, &folder.0.join("tasks"));
        fs::write(new.join("task.toml"), "").unwrap();
        wait_for(&told, &new.join("task.toml"));
        let moved = folder.0.join("tasks/t-2");
        fs::rename(&new, &moved).unwrap();
        wait_for(&told, &moved);
        fs::write(moved.join("instruction.md"), "").unwrap();
        wait_for(&told, &moved.join("instruction.md"));
    }

    #[test]
    fn a_removed_project_is_silent() {
        let folder = Folder::new("gone");
        let (watch, told) = watch(&folder);
        watch.set(&BTreeSet::new());
        fs::write(folder.0.join("prompts/system.md"), "hello").unwrap();
        assert!(told.recv_timeout(3 * SETTLE).is_err());
    }
}
