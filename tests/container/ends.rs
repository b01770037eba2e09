//! How commands, containers and workers end, and that nothing is left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use self_harness::host::sandbox::output::KEPT_BYTES;
use self_harness::host::sandbox::spec::Cause;
use self_harness::host::sandbox::{Backend, Ended, Exec, Phase, SandboxError, Spec, procfs};

use crate::lab::{Lab, backend, prints, processes_with, shell};

/// A word for command lines that no other process has.
fn marker(name: &str) -> String {
    format!("marker-{name}-{}", std::process::id())
}

/// A background process with that word, which ignores what it can.
fn detached(marker: &str, what: &str) -> String {
    format!("setsid sh -c 'trap \"\" TERM HUP INT; {what}' {marker} >/dev/null 2>&1 &")
}

#[track_caller]
fn await_some(marker: &str) {
    let began = Instant::now();
    while processes_with(marker) == 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn await_none(marker: &str, patience: Duration) {
    let began = Instant::now();
    while processes_with(marker) != 0 {
        assert!(began.elapsed() < patience, "{} live", processes_with(marker));
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("MEASURED end of what was left: {:?}", began.elapsed());
}

#[test]
fn esc_32_82_85_background_processes_live_until_the_barrier() {
    let Some(lab) = Lab::new("barrier") else { return };
    let marker = marker("barrier");
    let mut sandbox = lab.start();
    let writer = detached(&marker, "while :; do echo x >> /workspace/$$; sleep 0.01; done");
    prints(&mut *sandbox, &format!("i=0; while [ $i -lt 20 ]; do {writer} i=$((i+1)); done; sleep 0.3"));
    assert_eq!(prints(&mut *sandbox, "echo next"), "next\n");
    assert!(20 <= processes_with(&marker), "{}", processes_with(&marker));
    let began = Instant::now();
    let dead = sandbox.kill().unwrap();
    println!("MEASURED barrier over 20 writers: {:?}", began.elapsed());
    assert_eq!(processes_with(&marker), 0);
    assert_eq!(fs::read_dir(dead.tree().path()).unwrap().count(), 20);
    dead.into_tree().remove().unwrap();
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn esc_149_with_the_client_everything_ends() {
    let Some(lab) = Lab::new("client") else { return };
    let marker = marker("client");
    let mut sandbox = lab.start();
    prints(&mut *sandbox, &detached(&marker, "while :; do sleep 0.1; done"));
    await_some(&marker);
    let own = i32::try_from(std::process::id()).unwrap();
    let line = |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_client = |line: &[u8]| line.windows(8).any(|window| window == b"--attach");
    let clients: Vec<_> =
        procfs::descendants(own).into_iter().filter(|process| is_client(&line(process.pid))).collect();
    assert!(!clients.is_empty());
    for client in clients {
        assert!(procfs::kill(client.pid, client.started));
    }
    await_none(&marker, Duration::from_secs(5));
    let executed = sandbox.exec(&Exec::shell("echo alive")).unwrap();
    assert_eq!(executed.ended, Ended::Died(Cause::FirstProcess));
    assert!(matches!(sandbox.exec(&Exec::shell("true")), Err(SandboxError::Over(_))));
    let dead = sandbox.kill().unwrap();
    assert_eq!(*dead.ended(), Ended::Died(Cause::FirstProcess));
    dead.into_tree().remove().unwrap();
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn esc_94_95_a_flood_is_bounded_and_ended() {
    let Some(lab) = Lab::new("flood") else { return };
    let mut sandbox = lab.start_with(|spec| spec.limits.output_bytes = 64 << 20);
    let began = Instant::now();
    let executed = shell(&mut *sandbox, "head -c 30000000 /dev/zero; echo; echo end");
    println!("MEASURED 30 MB of output: {:?}", began.elapsed());
    assert_eq!(executed.ended, Ended::Finished(0));
    assert_eq!(executed.stdout.total(), 30_000_005);
    assert_eq!(executed.stdout.kept(), 2 * KEPT_BYTES);
    assert!(executed.stdout.text().ends_with("\nend\n"));
    assert_eq!(shell(&mut *sandbox, "exec cat /dev/zero").ended, Ended::OutputFlood);
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}

#[test]
fn esc_89_90_a_command_has_its_time() {
    let Some(lab) = Lab::new("time") else { return };
    let marker = marker("time");
    let mut sandbox = lab.start();
    let began = Instant::now();
    let script =
        format!("trap '' TERM INT; {} while :; do sleep 1; done", detached(&marker, "sleep 50; true"));
    let executed = sandbox.exec(&Exec::shell(script).within(Duration::from_millis(700))).unwrap();
    assert_eq!(executed.ended, Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(processes_with(&marker), 0);
    // A child that holds the output does not hold the command.
    let began = Instant::now();
    assert_eq!(prints(&mut *sandbox, "sleep 5 & echo out"), "out\n");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // What it prints later belongs to nobody.
    prints(&mut *sandbox, "(sleep 0.1; echo late) & true");
    assert_eq!(prints(&mut *sandbox, "sleep 0.5; echo mine"), "mine\n");
    let stopper = sandbox.stopper().unwrap();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stopper.stop();
    });
    assert_eq!(sandbox.exec(&Exec::shell("sleep 60")).unwrap().ended, Ended::TimedOut);
    stopping.join().unwrap();
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}

#[test]
fn esc_41_69_72_limits_hold() {
    let Some(lab) = Lab::new("limits") else { return };
    let mut sandbox = lab.start_with(|spec| {
        spec.limits.processes = 40;
        spec.limits.disk_bytes = 20 << 20;
        spec.limits.memory_bytes = 256 << 20;
    });
    let executed = shell(&mut *sandbox, "i=0; while [ $i -lt 100 ]; do sleep 3 & i=$((i+1)); done; wait");
    assert!(
        executed.stderr.text().contains("Resource temporarily unavailable"),
        "{}",
        executed.stderr.text()
    );
    // The engine's own bound is as tight as ours: whoever comes first ends it.
    let hog = shell(&mut *sandbox, "exec dd if=/dev/zero of=/dev/null bs=1000M count=2");
    assert_ne!(hog.ended, Ended::Finished(0), "{hog:?}");
    drop(sandbox);
    let mut sandbox = lab.start_with(|spec| spec.limits.disk_bytes = 20 << 20);
    let executed = shell(&mut *sandbox, "head -c 30000000 /dev/zero > big; sleep 20");
    assert_eq!(executed.ended, Ended::OverDisk);
    let dead = sandbox.kill().unwrap();
    assert_eq!(*dead.ended(), Ended::OverDisk);
    assert_eq!(fs::metadata(dead.tree().path().join("big")).unwrap().len(), 30_000_000);
}

#[test]
fn a_sandbox_that_is_dropped_is_killed_and_removed() {
    let Some(lab) = Lab::new("dropped") else { return };
    let marker = marker("dropped");
    let mut sandbox = lab.start();
    prints(&mut *sandbox, &detached(&marker, "while :; do sleep 0.1; done"));
    drop(sandbox);
    assert_eq!(processes_with(&marker), 0);
    assert_eq!(lab.left(), (0, 0));
}

#[test]
#[ignore = "runs as a process of the test below"]
fn worker() {
    let Some(directory) = std::env::var_os("WORKER_DIRECTORY") else { return };
    let backend = backend(Path::new(&directory));
    let tree = backend.trials.fresh().unwrap();
    let mut sandbox = backend.start(Spec::new(Phase::Agent, tree)).unwrap();
    println!("\nRUNS");
    let script = detached(&std::env::var("WORKER_MARKER").unwrap(), "while :; do sleep 0.05; done");
    let _ = sandbox.exec(&Exec::shell(format!("{script} sleep 100")));
}

#[test]
fn esc_86_what_a_dead_worker_left_is_swept() {
    let Some(lab) = Lab::new("worker") else { return };
    let marker = marker("worker");
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["ends::worker", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("WORKER_DIRECTORY", lab.path(""))
        .env("WORKER_MARKER", &marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("RUNS")));
    await_some(&marker);
    // A living worker is respected.
    assert_eq!(lab.backend.sweep().unwrap(), 0);
    assert!(1 <= processes_with(&marker));
    worker.kill().unwrap();
    worker.wait().unwrap();
    await_none(&marker, Duration::from_secs(5));
    // The container and the tree are there until the next sweep.
    // A container and two volumes.
    assert_eq!(lab.left(), (2, 3));
    assert_eq!(lab.backend.sweep().unwrap(), 1);
    assert_eq!(lab.left(), (0, 0));
}
