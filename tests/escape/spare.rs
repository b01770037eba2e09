//! The bubblewrap that waits for the next sandbox: it is used, it is nobody's way out, and it does not outlive who had it
//! loaded.

use std::fs;
use std::time::{Duration, Instant};

use self_harness::host::sandbox::{Ended, Exec, Phase, procfs};

use crate::kill::start_worker;
use crate::lab::{Lab, prints};

/// Processes that a process has started and that are, or will be, bubblewrap; the oldest first.
fn loaded(by: i32) -> Vec<procfs::Process> {
    let is_bubblewrap = |process: &procfs::Process| {
        fs::read(format!("/proc/{}/cmdline", process.pid))
            .is_ok_and(|line| line.starts_with(b"/usr/bin/bwrap\0--args\0"))
    };
    let mut children: Vec<_> = procfs::processes()
        .into_iter()
        .filter(|process| process.parent == by && !process.is_zombie && is_bubblewrap(process))
        .collect();
    children.sort_by_key(|process| (process.started, process.pid));
    children
}

fn loaded_when(by: i32, count: usize) -> Vec<procfs::Process> {
    let began = Instant::now();
    loop {
        let seen = loaded(by);
        if seen.len() == count {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{seen:?} and not {count}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What else a test of this process has loaded is not looked at: it runs where each test is a process.
#[test]
fn the_one_that_waits_is_the_next() {
    let lab = Lab::new("next");
    let own = i32::try_from(std::process::id()).unwrap();
    let mut first = lab.start();
    let before: Vec<i32> = loaded_when(own, 2).iter().map(|process| process.pid).collect();
    // It has made no namespace and started nothing.
    for pid in &before {
        let namespace = |name: &str, pid: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        assert_eq!(namespace("user", &pid.to_string()), namespace("user", "self"));
        assert_eq!(namespace("mnt", &pid.to_string()), namespace("mnt", "self"));
    }
    let children = |pid: i32| procfs::descendants(pid).len();
    let waiting = *before.iter().find(|pid| children(**pid) == 0).unwrap();
    let mut second = lab.start();
    assert_eq!(children(waiting), 1);
    assert_eq!(prints(&mut *first, "echo first > /workspace/mine; cat /workspace/mine"), "first\n");
    assert_eq!(prints(&mut *second, "ls -A /workspace; echo second"), "second\n");
    first.kill().unwrap().into_tree().remove().unwrap();
    second.kill().unwrap().into_tree().remove().unwrap();
    loaded_when(own, 1);
    drop(lab);
    // The last backend has let it go.
    loaded_when(own, 0);
}

#[test]
fn one_that_was_killed_is_replaced() {
    let lab = Lab::new("killed");
    let own = i32::try_from(std::process::id()).unwrap();
    lab.start().kill().unwrap().into_tree().remove().unwrap();
    let waiting = loaded_when(own, 1).remove(0);
    assert!(procfs::kill(waiting.pid, waiting.started));
    loaded_when(own, 0);
    let executed = lab.start().exec(&Exec::program(["/bin/true"])).unwrap();
    assert_eq!(executed.ended, Ended::Finished(0));
}

/// As the kernel does when memory runs out: it was there when it was looked at, and is gone before it has done anything.
#[test]
fn one_that_is_killed_after_it_was_taken_is_replaced() {
    let lab = Lab::new("taken");
    let own = i32::try_from(std::process::id()).unwrap();
    lab.start().kill().unwrap().into_tree().remove().unwrap();
    let waiting = loaded_when(own, 1).remove(0);
    let pid = rustix::process::Pid::from_raw(waiting.pid).unwrap();
    // It lives and does nothing, so the start waits for it.
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let began = Instant::now();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        assert!(procfs::kill(waiting.pid, waiting.started));
    });
    let mut sandbox = lab.start();
    assert!(Duration::from_millis(250) < began.elapsed(), "the one that waited was not taken");
    assert_eq!(prints(&mut *sandbox, "echo started"), "started\n");
    killer.join().unwrap();
}

#[test]
fn one_of_another_user_is_not_used() {
    let lab = Lab::new("another");
    // Only root has other users.
    let Some(mut user) = lab.backend.run_as else { return };
    lab.start().kill().unwrap().into_tree().remove().unwrap();
    loaded_when(i32::try_from(std::process::id()).unwrap(), 1);
    let mut backend = lab.backend.clone();
    user.uid += 1;
    backend.run_as = Some(user);
    backend.trials = self_harness::host::sandbox::Trials::at(lab.path("others"), backend.run_as);
    let tree = backend.trials.fresh().unwrap();
    let mut sandbox = self_harness::host::sandbox::Backend::start(
        &backend,
        self_harness::host::sandbox::Spec::new(Phase::Agent, tree),
    )
    .unwrap();
    prints(&mut *sandbox, "touch /workspace/mine");
    let dead = sandbox.kill().unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(dead.tree().path().join("mine")).unwrap());
    assert_eq!(owner, user.uid);
    dead.into_tree().remove().unwrap();
}

#[test]
fn it_ends_with_the_worker_that_had_it_loaded() {
    let lab = Lab::new("ends");
    let marker = format!("marker-spare-{}", std::process::id());
    let mut worker = start_worker(&lab.path(""), &marker, "RUNS");
    let had = loaded_when(i32::try_from(worker.id()).unwrap(), 2);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let began = Instant::now();
    let lives = |noted: &procfs::Process| {
        procfs::process(noted.pid).is_some_and(|there| there.started == noted.started && !there.is_zombie)
    };
    while had.iter().any(lives) {
        assert!(began.elapsed() < Duration::from_secs(2), "{had:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(lab.backend.sweep().unwrap(), 1);
}
