//! The thread beside a living sandbox: it drains what background processes print, looks at the disk and at the memory of
//! the machine, and kills the sandbox that uses too much. It says why, and nothing else.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::spec::{Cause, Ended, Limits};
use super::{beneath, procfs};

/// How often the free space of the disk and the memory of the machine are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often a tree is measured.
const MEASURE: Duration = Duration::from_secs(2);
/// What a background process may print after its command has ended.
const LEFTOVER_BYTES: u64 = 1 << 30;
const GIB: u64 = 1 << 30;

/// First processes of the living sandboxes of this worker, by number.
static LIVING: Mutex<BTreeMap<i32, ()>> = Mutex::new(BTreeMap::new());

/// The thread, as the sandbox holds it.
pub(super) struct Keeper {
    work: Option<Sender<Work>>,
    wake: Arc<OwnedFd>,
    why: Arc<Mutex<Option<Ended>>>,
    pid: i32,
}

/// What it is asked to do.
enum Work {
    /// To read what nobody else reads any more.
    Drain(OwnedFd),
    /// Something that nobody waits for.
    Do(Box<dyn FnOnce() + Send>),
}

/// What is looked after.
pub(super) struct Kept {
    /// The first process.
    pub(super) pid: i32,
    /// The same, pinned.
    pub(super) pinned: OwnedFd,
    /// The directory with its tree and its reports.
    pub(super) directory: PathBuf,
    /// What it may use.
    pub(super) limits: Limits,
    /// Its mounts, if they can be held: when its last process ends they stay, and go when this thread does. To take them down
    /// takes the kernel as long as everything else of an end, and that nothing lives does not depend on it.
    pub(super) mounts: Option<OwnedFd>,
}

impl Keeper {
    /// Starts to look after a sandbox.
    pub(super) fn start(kept: Kept) -> std::io::Result<Self> {
        Self::with(kept, Host { memory: procfs::machine_memory, disk: |path| beneath::space(path).ok() })
    }

    fn with(kept: Kept, host: Host) -> std::io::Result<Self> {
        let wake = Arc::new(rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?);
        let why = Arc::new(Mutex::new(None));
        let (work, asked) = mpsc::channel();
        let pid = kept.pid;
        lock(&LIVING).insert(pid, ());
        let watch = Watch { kept, host, wake: Arc::clone(&wake), why: Arc::clone(&why) };
        let keeper = Self { work: Some(work), wake, why, pid };
        thread::Builder::new().name(String::from("sandbox")).spawn(move || watch.run(&asked))?;
        Ok(keeper)
    }

    /// Drains it until its end.
    pub(super) fn drain(&self, leftover: OwnedFd) {
        self.ask(Work::Drain(leftover));
    }

    /// Has it do something that nobody waits for.
    pub(super) fn afterwards(&self, job: impl FnOnce() + Send + 'static) {
        self.ask(Work::Do(Box::new(job)));
    }

    fn ask(&self, work: Work) {
        if let Some(asked) = &self.work {
            // Without the thread the sandbox is being killed.
            let _ = asked.send(work);
            let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        }
    }

    /// Why the sandbox was killed, if it was.
    pub(super) fn why(&self) -> Option<Ended> {
        lock(&self.why).clone()
    }
}

impl Drop for Keeper {
    /// The thread ends by itself. All that it may still do is to read, and to kill what it has pinned.
    fn drop(&mut self) {
        lock(&LIVING).remove(&self.pid);
        self.work = None;
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

/// Free bytes and all of them, as the machine tells them.
#[derive(Clone, Copy)]
struct Host {
    memory: fn() -> Option<(u64, u64)>,
    /// Of the disk on which a directory lies.
    disk: fn(&Path) -> Option<(u64, u64)>,
}

struct Watch {
    kept: Kept,
    host: Host,
    wake: Arc<OwnedFd>,
    why: Arc<Mutex<Option<Ended>>>,
}

impl Watch {
    /// Ends when nobody holds the keeper any more.
    fn run(mut self, asked: &Receiver<Work>) {
        // Let go when this thread ends.
        let _mounts = self.kept.mounts.take();
        let mut pipes: Vec<(std::fs::File, u64)> = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let (mut looked, mut measured) = (Instant::now(), Instant::now());
        loop {
            loop {
                match asked.try_recv() {
                    Ok(Work::Do(job)) => job(),
                    Ok(Work::Drain(pipe)) => pipes.push((std::fs::File::from(pipe), 0)),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            if TICK <= looked.elapsed() {
                looked = Instant::now();
                let measure = MEASURE <= measured.elapsed();
                if measure {
                    measured = looked;
                }
                if let Some(why) = self.look(measure) {
                    self.kill(why);
                }
            }
            let ready = self.wait(&pipes, TICK.saturating_sub(looked.elapsed()));
            let mut index = 0;
            pipes.retain_mut(|(pipe, total)| {
                let is_ready = ready.get(index).copied().unwrap_or(false);
                index += 1;
                if !is_ready {
                    return true;
                }
                match pipe.read(&mut buffer) {
                    Ok(0) => false,
                    Ok(read) => {
                        *total += read as u64;
                        *total < LEFTOVER_BYTES
                    }
                    Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
                }
            });
        }
    }

    /// Waits; which pipes have something.
    fn wait(&self, pipes: &[(std::fs::File, u64)], longest: Duration) -> Vec<bool> {
        let mut watched = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        watched.extend(pipes.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::IN)));
        let longest = Timespec { tv_sec: 0, tv_nsec: i64::from(longest.subsec_nanos()) };
        if rustix::event::poll(&mut watched, Some(&longest)).is_err() {
            return Vec::new();
        }
        if !watched[0].revents().is_empty() {
            let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        }
        watched[1..].iter().map(|pipe| !pipe.revents().is_empty()).collect()
    }

    /// Why the sandbox has to end, if it has to.
    fn look(&self, measure: bool) -> Option<Ended> {
        if let Some((free, all)) = (self.host.disk)(&self.kept.directory)
            && free < floor_of_disk(all, lock(&LIVING).len() as u64)
        {
            return Some(Ended::Died(Cause::HostFloor("disk space")));
        }
        if let Some((free, all)) = (self.host.memory)()
            && free < (all / 20).max(GIB).min(all / 4)
            && self.is_largest()
        {
            return Some(Ended::Died(Cause::HostFloor("memory")));
        }
        if !measure {
            return None;
        }
        let limits = &self.kept.limits;
        let size = beneath::measure(&self.kept.directory, limits.disk_entries + 1).ok()?;
        let over = limits.disk_entries < size.entries || limits.disk_bytes < size.bytes || size.too_deep;
        over.then_some(Ended::OverDisk)
    }

    /// Whether no sandbox of this worker uses more memory.
    fn is_largest(&self) -> bool {
        let of = |pid| procfs::descendants(pid).iter().map(|process| process.pages).sum::<u64>();
        let own = of(self.kept.pid);
        let others: Vec<i32> = lock(&LIVING).keys().copied().filter(|pid| *pid != self.kept.pid).collect();
        others.into_iter().all(|pid| of(pid) <= own)
    }

    fn kill(&self, why: Ended) {
        lock(&self.why).get_or_insert(why);
        // It may have ended by itself.
        let _ = rustix::process::pidfd_send_signal(&self.kept.pinned, Signal::KILL);
    }
}

/// Free space below which sandboxes are killed: a twentieth, or what the living ones may write together, but no more than a
/// quarter, so that a small disk can be used at all.
fn floor_of_disk(all: u64, living: u64) -> u64 {
    (all / 20).max(2 * GIB * living).min(all / 4)
}

/// Of so many sandboxes wanted beside each other on the disk of a directory, how many have room: each may write half a gibibyte
/// before the floor is reached. One has room always: whether it can work is said by its own end.
#[must_use]
pub fn room(directory: &Path, wanted: usize) -> usize {
    let mut there = Some(directory);
    // It may not be made yet; its disk is that of the directory that will hold it.
    while let Some(missing) = there.filter(|path| !path.exists()) {
        there = missing.parent();
    }
    there.and_then(|path| beneath::space(path).ok()).map_or(wanted, |(free, all)| room_on(free, all, wanted))
}

fn room_on(free: u64, all: u64, wanted: usize) -> usize {
    let has_room = |count: &usize| {
        let count = *count as u64;
        floor_of_disk(all, count).saturating_add(count * (GIB / 2)) <= free
    };
    (1..=wanted).rev().find(has_room).unwrap_or(1)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sockets buffer is in no figure of a process, so the memory of the machine is looked at too.
    #[test]
    fn esc_70_a_machine_without_memory_ends_the_largest_sandbox() {
        let kept = |child: &std::process::Child| {
            let pid = i32::try_from(child.id()).unwrap();
            let pinned = rustix::process::pidfd_open(
                rustix::process::Pid::from_raw(pid).unwrap(),
                rustix::process::PidfdFlags::empty(),
            );
            let limits = Limits::default();
            Kept { pid, pinned: pinned.unwrap(), directory: PathBuf::from("/"), limits, mounts: None }
        };
        let sleep = || std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let (mut enough, mut little) = (sleep(), sleep());
        let host = |memory| Host { memory, disk: |_| Some((50 * GIB, 100 * GIB)) };
        let with_enough = Keeper::with(kept(&enough), host(|| Some((3 * GIB, 16 * GIB)))).unwrap();
        let with_little = Keeper::with(kept(&little), host(|| Some((GIB / 2, 16 * GIB)))).unwrap();
        assert!(!little.wait().unwrap().success());
        assert_eq!(with_little.why(), Some(Ended::Died(Cause::HostFloor("memory"))));
        assert_eq!((with_enough.why(), enough.try_wait().unwrap()), (None, None));
        enough.kill().unwrap();
        enough.wait().unwrap();
    }

    #[test]
    fn no_more_sandboxes_are_started_than_the_disk_has_room_for() {
        assert_eq!(room_on(90 * GIB, 100 * GIB, 8), 8);
        assert_eq!(room_on(24 * GIB, 252 * GIB, 16), 9);
        assert_eq!(room_on(6 * GIB, 100 * GIB, 8), 2);
        assert_eq!((room_on(GIB, 100 * GIB, 8), room_on(0, 0, 8)), (1, 1));
        let here = std::env::temp_dir();
        assert_eq!(room(&here.join("not/made/yet"), 1), 1);
    }

    #[test]
    fn a_small_disk_can_be_used() {
        assert_eq!(floor_of_disk(100 * GIB, 1), 5 * GIB);
        assert_eq!(floor_of_disk(20 * GIB, 1), 2 * GIB);
        assert_eq!(floor_of_disk(4 * GIB, 3), GIB);
    }
}
