//! The kill barrier, what lives between commands, and what a dead worker leaves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use self_harness::host::sandbox::spec::Cause;
use self_harness::host::sandbox::{Backend, Ended, Exec, Phase, Spec, procfs};

use crate::lab::{Lab, age_notes, backend, prints, processes_with, shell};

/// A word for command lines that no other process has.
fn marker(name: &str) -> String {
    format!("marker-{name}-{}", std::process::id())
}

/// A background process with that word, which ignores what it can.
fn detached(marker: &str, what: &str) -> String {
    format!("setsid sh -c 'trap \"\" TERM HUP INT; {what}' {marker} >/dev/null 2>&1 &")
}

#[test]
fn esc_32_82_no_writer_is_left_after_the_barrier() {
    let lab = Lab::new("writers");
    let marker = marker("writers");
    let mut sandbox = lab.start();
    let writer = detached(&marker, "while :; do echo x >> /workspace/$$; done");
    prints(&mut *sandbox, &format!("i=0; while [ $i -lt 60 ]; do {writer} i=$((i+1)); done; sleep 0.3"));
    assert!(60 <= processes_with(&marker), "{}", processes_with(&marker));
    let began = Instant::now();
    let dead = sandbox.kill().unwrap();
    println!("MEASURED barrier over 60 writers: {:?}", began.elapsed());
    assert_eq!(processes_with(&marker), 0);
    let sizes = || -> Vec<u64> {
        let mut files: Vec<_> =
            fs::read_dir(dead.tree().path()).unwrap().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.iter().map(|path| fs::metadata(path).unwrap().len()).collect()
    };
    let before = sizes();
    assert!(50 < before.len());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sizes(), before);
}

#[test]
fn esc_83_a_fork_bomb_is_dead_in_a_second() {
    let lab = Lab::new("bomb");
    let mut sandbox = lab.start();
    let bomb = "bomb() { bomb | bomb & }; bomb; sleep 0.5";
    let _ = sandbox.exec(&Exec::shell(bomb).within(Duration::from_secs(2))).unwrap();
    let began = Instant::now();
    sandbox.kill().unwrap();
    println!("MEASURED barrier over a fork bomb: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn esc_84_the_end_of_bubblewrap_alone_ends_nothing() {
    let marker = marker("alone");
    let script = format!("{} sleep 30", detached(&marker, "sleep 30; true"));
    let mut outer = Command::new("/usr/bin/bwrap")
        .args([
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--unshare-pid",
            "/bin/sh",
            "-c",
            &script,
        ])
        .spawn()
        .unwrap();
    let began = Instant::now();
    // bubblewrap has the marker in its own arguments: it counts when the first process, a shell and the daemon are there.
    let inside = loop {
        let inside = procfs::descendants(i32::try_from(outer.id()).unwrap());
        if 3 <= inside.len() {
            break inside;
        }
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(5));
    };
    outer.kill().unwrap();
    outer.wait().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    // The attack of the other tests is a real one.
    assert!(1 <= processes_with(&marker));
    for process in inside {
        let _ = procfs::kill(process.pid, process.started);
    }
    assert!(is_gone_within(&marker, Duration::from_secs(5)));
}

#[test]
fn esc_85_daemons_live_until_the_barrier() {
    let lab = Lab::new("daemons");
    let marker = marker("daemons");
    let mut sandbox = lab.start();
    prints(&mut *sandbox, &detached(&marker, "while :; do sleep 0.1; done"));
    assert_eq!(prints(&mut *sandbox, "echo next"), "next\n");
    assert!(1 <= processes_with(&marker));
    sandbox.kill().unwrap();
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn esc_89_a_child_that_holds_the_output_does_not_hold_the_command() {
    let lab = Lab::new("holds");
    let mut sandbox = lab.start();
    let began = Instant::now();
    let printed = prints(
        &mut *sandbox,
        "echo early; (while :; do echo tick || echo ended > /workspace/ended; sleep 0.2; done) &",
    );
    assert!(printed.starts_with("early\n"), "{printed}");
    assert!(began.elapsed() < Duration::from_millis(1000), "{:?}", began.elapsed());
    // It goes on, and is not stopped by a pipe that nobody reads.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(prints(&mut *sandbox, "ls /workspace"), "");
}

#[test]
fn esc_90_a_timeout_ends_the_command_and_not_the_sandbox() {
    let lab = Lab::new("timeout");
    let marker = marker("timeout");
    let mut sandbox = lab.start();
    let earlier = detached(&format!("{marker}-earlier"), "while :; do sleep 0.1; done");
    prints(&mut *sandbox, &earlier);
    std::thread::sleep(Duration::from_millis(100));
    let child = detached(&format!("{marker}-child"), "while :; do sleep 0.1; done");
    let script = format!("trap '' TERM INT HUP; {child} while :; do sleep 0.1; done");
    let began = Instant::now();
    let executed = sandbox.exec(&Exec::shell(script).within(Duration::from_millis(500))).unwrap();
    assert_eq!(executed.ended, Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(processes_with(&format!("{marker}-child")), 0);
    assert!(1 <= processes_with(&format!("{marker}-earlier")));
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}

#[test]
fn esc_93_a_dead_first_process_is_void() {
    let lab = Lab::new("first");
    let mut sandbox = lab.start();
    let own = i32::try_from(std::process::id()).unwrap();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let inside = procfs::descendants(own).into_iter().find(|process| {
            let line = fs::read_to_string(format!("/proc/{}/cmdline", process.pid));
            line.is_ok_and(|line| line.starts_with("/proc/self/fd/") && line.contains("__sandbox-init"))
        });
        let inside = inside.unwrap();
        assert!(procfs::kill(inside.pid, inside.started));
    });
    let executed = shell(&mut *sandbox, "sleep 20");
    killer.join().unwrap();
    assert_eq!(executed.ended, Ended::Died(Cause::FirstProcess));
    assert_eq!(*sandbox.kill().unwrap().ended(), Ended::Died(Cause::FirstProcess));
}

#[test]
fn esc_88_sandboxes_outlive_the_threads_that_asked_for_them() {
    let lab = Lab::new("threads");
    let (backend, spec) = (lab.backend.clone(), lab.spec(Phase::Agent));
    let mut sandbox = std::thread::spawn(move || backend.start(spec).unwrap()).join().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(prints(&mut *sandbox, "echo alive"), "alive\n");
}

/// A worker that is to be killed: starts a sandbox in the directory that a variable names, and waits in a command.
#[test]
#[ignore = "runs as a process of the tests below"]
fn worker() {
    let Some(directory) = std::env::var_os("WORKER_DIRECTORY") else { return };
    let backend = backend(Path::new(&directory));
    let tree = backend.trials.fresh().unwrap();
    println!("\nSTARTS");
    let mut sandbox = backend.start(Spec::new(Phase::Agent, tree)).unwrap();
    println!("\nRUNS");
    let marker = std::env::var("WORKER_MARKER").unwrap();
    let script =
        format!("{} touch /workspace/ran; sleep 100", detached(&marker, "while :; do sleep 0.05; done"));
    let _ = sandbox.exec(&Exec::shell(script));
}

/// A process that starts a sandbox, once it has said that word.
pub(crate) fn start_worker(directory: &Path, marker: &str, until: &str) -> std::process::Child {
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["kill::worker", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("WORKER_DIRECTORY", directory)
        .env("WORKER_MARKER", marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains(until)), "the worker did not say `{until}`");
    worker
}

fn is_gone_within(marker: &str, patience: Duration) -> bool {
    let began = Instant::now();
    while processes_with(marker) != 0 {
        if patience < began.elapsed() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("MEASURED end of orphans: {:?}", began.elapsed());
    true
}

#[test]
fn esc_86_a_killed_worker_takes_its_sandbox_along() {
    let lab = Lab::new("worker");
    let mut quickest = Duration::MAX;
    for attempt in 0..4 {
        let marker = marker(&format!("worker-{attempt}"));
        let mut worker = start_worker(&lab.path(""), &marker, "RUNS");
        let began = Instant::now();
        // The worker's own variables hold the word too, its command line does not.
        while processes_with(&marker) == 0 {
            assert!(began.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(5));
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        let killed = Instant::now();
        assert!(is_gone_within(&marker, Duration::from_secs(2)));
        quickest = quickest.min(killed.elapsed());
        // The tree is there until the next sweep.
        assert_eq!(entries(&lab.path("trials")).len(), 2);
        assert_eq!(lab.backend.sweep().unwrap(), 1);
        assert_eq!(entries(&lab.path("trials")), Vec::<PathBuf>::new());
    }
    // Nothing of ours waits: what takes longer is a machine that does something else.
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
}

#[test]
fn esc_87_a_worker_that_is_killed_while_it_starts_leaves_nothing() {
    let lab = Lab::new("starting");
    let marker = marker("starting");
    for milliseconds in 0..=10 {
        let mut worker = start_worker(&lab.path(""), &marker, "STARTS");
        std::thread::sleep(Duration::from_millis(milliseconds));
        worker.kill().unwrap();
        worker.wait().unwrap();
        assert!(is_gone_within(&marker, Duration::from_secs(1)), "after {milliseconds} ms");
    }
    let trees: Vec<_> =
        entries(&lab.path("trials")).iter().map(|path| path.file_stem().unwrap().to_owned()).collect();
    lab.backend.sweep().unwrap();
    age_notes(&lab.path("trials"));
    lab.backend.sweep().unwrap();
    for tree in trees {
        assert_eq!(processes_with(tree.to_str().unwrap()), 0);
    }
    assert_eq!(entries(&lab.path("trials")), Vec::<PathBuf>::new());
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn a_sandbox_that_is_dropped_is_killed_and_removed() {
    let lab = Lab::new("dropped");
    let marker = marker("dropped");
    let mut sandbox = lab.start();
    prints(&mut *sandbox, &detached(&marker, "while :; do sleep 0.1; done"));
    drop(sandbox);
    assert_eq!(processes_with(&marker), 0);
    assert_eq!(entries(&lab.path("trials")), Vec::<PathBuf>::new());
}

#[test]
fn starts_commands_and_kills_are_fast() {
    let lab = Lab::new("fast");
    let (mut starts, mut commands, mut kills) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let spec = lab.spec(Phase::Agent);
        let began = Instant::now();
        let mut sandbox = lab.backend.start(spec).unwrap();
        starts.push(began.elapsed());
        for _ in 0..3 {
            let began = Instant::now();
            sandbox.exec(&Exec::program(["/bin/true"])).unwrap();
            commands.push(began.elapsed());
        }
        let began = Instant::now();
        sandbox.kill().unwrap();
        kills.push(began.elapsed());
    }
    let middle = |name: &str, times: &mut Vec<Duration>| {
        times.sort();
        let middle = times[times.len() / 2];
        println!("MEASURED {name}: p50 {middle:?}, least {:?}", times[0]);
        middle
    };
    // Far above what it takes: a machine that runs other tests at the same time is slow.
    assert!(middle("start", &mut starts) < Duration::from_millis(500));
    assert!(middle("command", &mut commands) < Duration::from_millis(200));
    assert!(middle("kill", &mut kills) < Duration::from_millis(200));
}
