//! What is being read, and how it is waited for: by a request, and by a thread of its own, which outlives the runtime when the
//! server ends and therefore has no timer of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// So long is waited at most for a workspace to be read.
const LONGEST: Duration = Duration::from_secs(10);

/// The folders and projects that are being read.
#[derive(Debug, Default)]
pub struct Loads {
    open: watch::Sender<Open>,
    /// For threads: told after each end.
    ended: (Mutex<()>, Condvar),
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// The paths below which documents may look different afterwards.
    paths: BTreeMap<u64, Vec<PathBuf>>,
}

/// Something is being read until this is dropped.
#[derive(Debug)]
pub struct Load {
    loads: Arc<Loads>,
    number: u64,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.loads.open.send_modify(|open| drop(open.paths.remove(&self.number)));
        let (lock, ended) = &self.loads.ended;
        // Whoever has looked and does not wait yet holds the lock.
        drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
        ended.notify_all();
    }
}

impl Open {
    /// Whether something is being read that a document may belong to; without a document, anything.
    fn concern(&self, document: Option<&Path>) -> bool {
        let concerns = |path: &PathBuf| document.is_none_or(|document| document.starts_with(path));
        self.paths.values().flatten().any(concerns)
    }
}

impl Loads {
    /// Something is being read from now until the answer is dropped, for all documents below some paths.
    #[must_use]
    pub fn begin(self: &Arc<Self>, paths: Vec<PathBuf>) -> Load {
        let mut number = 0;
        self.open.send_modify(|open| {
            number = open.next;
            open.next += 1;
            open.paths.insert(number, paths);
        });
        Load { loads: Arc::clone(self), number }
    }

    /// Whether something is being read that a document may belong to; without a document, anything.
    #[must_use]
    pub fn concern(&self, document: Option<&Path>) -> bool {
        self.open.borrow().concern(document)
    }

    /// Waits until what a document may belong to was read, but not for long.
    pub async fn wait(&self, document: Option<&Path>) {
        if self.concern(document) {
            let mut open = self.open.subscribe();
            let _ = tokio::time::timeout(LONGEST, open.wait_for(|open| !open.concern(document))).await;
        }
    }

    /// The same on a thread that may be kept.
    pub fn wait_here(&self, document: &Path) {
        if self.concern(Some(document)) {
            let (lock, ended) = &self.ended;
            let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            drop(ended.wait_timeout_while(held, LONGEST, |()| self.concern(Some(document))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_is_waited_for() {
        let loads: Arc<Loads> = Arc::default();
        let load = loads.begin(vec![PathBuf::from("/a")]);
        assert!(loads.concern(None) && loads.concern(Some(Path::new("/a/b"))));
        assert!(!loads.concern(Some(Path::new("/ab"))));
        loads.wait_here(Path::new("/b"));
        drop(load);
        loads.wait_here(Path::new("/a/b"));
        assert!(!loads.concern(None));
    }

    #[test]
    fn a_thread_waits_also_when_the_runtime_has_ended() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let loads: Arc<Loads> = Arc::default();
        let load = loads.begin(vec![PathBuf::from("/a")]);
        let waits = {
            let loads = Arc::clone(&loads);
            std::thread::spawn(move || {
                let _entered = handle.enter();
                loads.wait_here(Path::new("/a/b"));
                loads.concern(None)
            })
        };
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waits.is_finished(), "it waits for what is being read");
        drop(load);
        assert!(!waits.join().unwrap(), "it was read");
    }
}
