//! Trees and sandboxes that outlived their worker: there is a note beside a tree as long as the tree is there, and what the
//! notes of dead workers name is killed and removed. A process counts as the one that was noted only by its number, its start and the boot.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{beneath, procfs, wire};
use crate::host::random;

const ENDING: &str = "sandbox";
/// The ending of a note that is being written.
const UNFINISHED: &str = "new";
/// How long a process may take to end after it was killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A random word that stands in the command lines of all that this process starts for sandboxes; empty if none can be had.
pub(super) fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| random::name().unwrap_or_default())
}

/// A process that cannot be mistaken for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since the boot.
    pub started: u64,
}

impl Noted {
    /// A living process.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        procfs::process(pid).map(|process| Self { pid, started: process.started })
    }

    /// Whether it is there, and that one.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self.lives()
    }

    fn lives(self) -> bool {
        procfs::process(self.pid).is_some_and(|process| process.started == self.started && !process.is_zombie)
    }
}

/// The note of one tree and of the sandbox around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The boot in which the numbers mean something.
    pub boot: String,
    /// The worker.
    pub worker: Option<Noted>,
    /// What stands in the command lines of all that the worker starts for sandboxes.
    #[serde(default)]
    pub mark: String,
    /// What is to be killed: the first process inside, then bubblewrap.
    pub processes: Vec<Noted>,
}

impl Note {
    /// This process works on a tree, with these processes; there are none before a sandbox is started.
    #[must_use]
    pub fn of(pids: &[i32]) -> Self {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let processes = pids.iter().copied().filter_map(Noted::of).collect();
        Self { boot: procfs::boot(), worker: Noted::of(own), mark: mark().to_owned(), processes }
    }

    /// Where the note of a tree lies: beside the tree, out of reach of the sandbox.
    #[must_use]
    pub fn path(tree: &Path) -> PathBuf {
        tree.with_extension(ENDING)
    }

    /// Writes it, over an earlier one.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, tree: &Path) -> io::Result<()> {
        let path = Self::path(tree);
        let new = tree.with_extension(UNFINISHED);
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    /// Removes it.
    pub fn remove(tree: &Path) {
        // A note too many costs a look at the next sweep.
        let _ = fs::remove_file(Self::path(tree));
    }
}

/// Kills and removes what dead workers have left in a directory of trial trees; how many sandboxes that were. What belongs
/// to a living worker is left alone, and so is what cannot be read.
///
/// # Errors
/// The system's, if the directory cannot be read.
pub fn sweep(directory: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let boot = procfs::boot();
    let mut swept = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|ending| ending == UNFINISHED) && is_old(&path) {
            // A note whose writer died. That it stays is no harm.
            let _ = fs::remove_file(&path);
        }
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        let Ok(note) = fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Note>(&text)?)) else {
            continue;
        };
        let same_boot = note.boot == boot;
        if same_boot && note.worker.is_some_and(Noted::lives) {
            continue;
        }
        if same_boot && !(end(&note.processes) && end_marked(&note.mark)) {
            continue;
        }
        // Where no process is noted, one may be on its way to becoming bubblewrap and not have a name yet: the note stays for
        // a sweep that comes later.
        let is_sure = !same_boot || !note.processes.is_empty() || is_old(&path);
        if beneath::remove(&path.with_extension("")).is_ok() && is_sure {
            fs::remove_file(&path)?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// Kills every part of a sandbox that has this mark in its command line; whether nothing of it is left.
///
/// A bubblewrap that is killed in the middle of a start leaves a child that waits for it for ever, and nobody has noted the
/// number of that child. So it is looked for until nothing is found: what is dead starts nothing.
#[must_use]
pub fn end_marked(mark: &str) -> bool {
    for _ in 0..16 {
        let marked = marked(mark.as_bytes());
        if marked.is_empty() {
            return true;
        }
        if !end(&marked) {
            return false;
        }
    }
    false
}

/// Parts of sandboxes that have a mark in their command lines.
fn marked(mark: &[u8]) -> Vec<Noted> {
    if mark.is_empty() {
        return Vec::new();
    }
    let has = |noted: &Noted| {
        let line = fs::read(format!("/proc/{}/cmdline", noted.pid)).unwrap_or_default();
        let names = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
        names(mark) && names(wire::INIT.as_bytes())
    };
    let living = procfs::processes().into_iter().filter(|process| !process.is_zombie);
    living.map(|process| Noted { pid: process.pid, started: process.started }).filter(has).collect()
}

/// Whether whoever wrote it has come to an end since.
fn is_old(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|there| there.modified()).ok().and_then(|then| then.elapsed().ok());
    age.is_some_and(|age| PATIENCE < age)
}

/// Kills processes; whether all of them have ended.
fn end(processes: &[Noted]) -> bool {
    for noted in processes {
        let _ = procfs::kill(noted.pid, noted.started);
    }
    let patience = Instant::now() + PATIENCE;
    while processes.iter().any(|noted| noted.lives()) {
        if patience < Instant::now() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const TREE: &str = "0f3c9d5a7be1";

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sh-orphan-{}-{name}", std::process::id()));
        let _ = beneath::remove(&path);
        fs::create_dir_all(path.join(TREE).join("tree")).unwrap();
        path
    }

    /// A process that has ended, and so cannot be a worker.
    fn dead() -> Noted {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let noted = Noted { pid: i32::try_from(child.id()).unwrap(), started: 1 };
        child.wait().unwrap();
        noted
    }

    #[test]
    fn what_a_dead_worker_left_is_killed_and_removed() {
        let place = fresh("dead");
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let orphan = Noted::of(i32::try_from(child.id()).unwrap()).unwrap();
        let note =
            Note { boot: procfs::boot(), worker: Some(dead()), mark: String::new(), processes: vec![orphan] };
        note.write(&place.join(TREE)).unwrap();
        assert_eq!(sweep(&place).unwrap(), 1);
        assert!(!child.wait().unwrap().success());
        assert!(!place.join(TREE).exists() && !place.join(TREE).with_extension(ENDING).exists());
        beneath::remove(&place).unwrap();
    }

    #[test]
    fn a_tree_is_noted_as_long_as_it_is_there() {
        let place = fresh("noted");
        let trials = crate::host::sandbox::Trials::at(place.join("trials"), None);
        let entries = || fs::read_dir(trials.directory()).unwrap().count();
        let tree = trials.fresh().unwrap();
        assert_eq!((entries(), sweep(trials.directory()).unwrap()), (2, 0));
        // A worker that died before it had started anything.
        let note = Note { worker: Some(dead()), mark: String::new(), ..Note::of(&[]) };
        note.write(tree.directory()).unwrap();
        // What it was about to start may still have no name, so the note stays for a while.
        assert_eq!((sweep(trials.directory()).unwrap(), entries()), (0, 1));
        let file = fs::File::options().write(true).open(Note::path(tree.directory())).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * PATIENCE).unwrap();
        assert_eq!((sweep(trials.directory()).unwrap(), entries()), (1, 0));
        let tree = trials.fresh().unwrap();
        tree.remove().unwrap();
        assert_eq!(entries(), 0);
        beneath::remove(&place).unwrap();
    }

    #[test]
    fn esc_91_a_living_worker_and_another_boot_are_respected() {
        let place = fresh("alive");
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let noted = Noted::of(i32::try_from(child.id()).unwrap()).unwrap();
        let own = Noted::of(i32::try_from(std::process::id()).unwrap());
        let mut note =
            Note { boot: procfs::boot(), worker: own, mark: String::new(), processes: vec![noted] };
        note.write(&place.join(TREE)).unwrap();
        assert_eq!(sweep(&place).unwrap(), 0);
        assert!(place.join(TREE).exists());
        // Numbers of another boot name nobody.
        note.boot = String::from("another");
        note.write(&place.join(TREE)).unwrap();
        assert_eq!(sweep(&place).unwrap(), 1);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        beneath::remove(&place).unwrap();
    }
}
