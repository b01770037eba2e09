//! Resources: a sandbox that takes too much is stopped, and nobody else notices.

use std::time::{Duration, Instant};

use self_harness::host::sandbox::{Ended, Exec, Sandbox, SandboxError, Spec};

use crate::lab::{Lab, attack, attempt, prints, shell};

const MIB: u64 = 1 << 20;

fn little_memory(spec: &mut Spec) {
    spec.limits.memory_bytes = 256 * MIB;
}

/// An attempt that has to end the sandbox for its memory.
#[track_caller]
fn is_over_memory(mut sandbox: Box<dyn Sandbox>, command: &Exec) {
    let began = Instant::now();
    let executed = sandbox.exec(command).unwrap();
    assert_eq!(executed.ended, Ended::OverMemory, "{}{}", executed.stdout.text(), executed.stderr.text());
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(matches!(sandbox.exec(command), Err(SandboxError::Over(Ended::OverMemory))));
    assert_eq!(*sandbox.kill().unwrap().ended(), Ended::OverMemory);
}

#[test]
fn esc_34_35_processes_and_threads_are_bounded() {
    let lab = Lab::new("processes");
    let forks: usize = attack(&mut *lab.start(), "forks").parse().unwrap();
    assert!((100..=256).contains(&forks), "{forks}");
    let threads: usize = attack(&mut *lab.start(), "threads").parse().unwrap();
    assert!((100..=256).contains(&threads), "{threads}");
}

#[test]
fn esc_36_40_files_are_bounded() {
    let lab = Lab::new("files");
    let mut sandbox = lab.start();
    let script = "python3 -c '
import os
def attempt(n, f):
    try: f(); print(n, \"done\")
    except OSError as e: print(n, os.strerror(e.errno))
f = os.open(\"/workspace/f\", os.O_RDWR | os.O_CREAT)
attempt(\"write\", lambda: os.pwrite(f, b\"x\", 2 << 30))
attempt(\"sparse\", lambda: os.ftruncate(f, 8 << 40))
attempt(\"allowed\", lambda: os.ftruncate(f, 1 << 30))
'";
    // Whoever does not ignore the signal is ended by it; Python does.
    assert_eq!(prints(&mut *sandbox, script), "write File too large\nsparse File too large\nallowed done\n");
}

#[test]
fn esc_37_38_39_scratch_space_is_bounded() {
    let lab = Lab::new("scratch");
    let mut sandbox = lab.start_with(|spec| spec.limits.memory_bytes = 4096 * MIB);
    for (place, most) in [("/dev/shm", 64), ("/home/agent", 64), ("/tmp", 256)] {
        let script = format!(
            "dd if=/dev/zero of={place}/f bs=1M count=400 2>/dev/null; stat -c %s {place}/f; rm {place}/f"
        );
        let bytes: u64 = prints(&mut *sandbox, &script).trim().parse().unwrap();
        assert!(bytes <= most * MIB, "{place}: {bytes}");
        assert!((most - 1) * MIB <= bytes, "{place}: {bytes}");
    }
    assert_eq!(
        prints(
            &mut *sandbox,
            "for p in / /dev /run /opt; do (echo > $p/f) 2>/dev/null && echo $p; done; true"
        ),
        ""
    );
}

#[test]
fn esc_41_private_memory_is_bounded() {
    let lab = Lab::new("private");
    is_over_memory(lab.start_with(little_memory), &attempt("private 1024"));
}

#[test]
fn esc_42_shared_memory_is_bounded() {
    let lab = Lab::new("shared");
    is_over_memory(lab.start_with(little_memory), &attempt("shared 1024"));
}

#[test]
fn esc_66_detached_segments_count() {
    let lab = Lab::new("segments");
    is_over_memory(lab.start_with(little_memory), &attempt("segments 512"));
}

#[test]
fn esc_67_a_process_that_made_itself_unreadable_counts() {
    let lab = Lab::new("undumpable");
    is_over_memory(lab.start_with(little_memory), &attempt("undumpable 1024"));
}

#[test]
fn esc_68_a_program_that_cannot_be_read_counts() {
    let lab = Lab::new("mode");
    let mut sandbox = lab.start_with(little_memory);
    prints(&mut *sandbox, "cp /opt/attacker hog; chmod 111 hog");
    let mut hog = attempt("private 1024");
    hog.argv[0] = String::from("/workspace/hog");
    is_over_memory(sandbox, &hog);
}

#[test]
fn esc_69_many_processes_count_together() {
    let lab = Lab::new("together");
    is_over_memory(lab.start_with(little_memory), &attempt("hogs 16"));
}

#[test]
fn esc_70_buffers_of_sockets_are_bounded_and_given_back() {
    let lab = Lab::new("buffers");
    let mut sandbox = lab.start_with(little_memory);
    // Nobody counts them, so the number of descriptors has to bound them: what a process can pin is not without end. That a
    // machine which runs out of memory ends the largest sandbox is a test of the thread beside it.
    let said = attack(&mut *sandbox, "sockets 100000");
    let pairs: usize = said.rsplit(' ').nth(1).unwrap().parse().unwrap();
    assert!((100..=512).contains(&pairs), "{said}");
    println!("MEASURED {said}");
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
    sandbox.kill().unwrap();
}

#[test]
fn esc_71_files_without_end_are_stopped() {
    let lab = Lab::new("entries");
    let mut sandbox = lab.start_with(|spec| spec.limits.disk_entries = 2_000);
    let executed = shell(
        &mut *sandbox,
        "python3 -c '\ni = 0\nwhile True:\n    open(f\"f{i}\", \"w\").close(); i += 1\n    if 20000 < i: import time; time.sleep(60)'",
    );
    assert_eq!(executed.ended, Ended::OverDisk);
    let dead = sandbox.kill().unwrap();
    assert_eq!(*dead.ended(), Ended::OverDisk);
    dead.into_tree().remove().unwrap();
}

#[test]
fn esc_72_many_large_files_are_stopped() {
    let lab = Lab::new("disk");
    let mut sandbox = lab.start_with(|spec| spec.limits.disk_bytes = 64 * MIB);
    let executed =
        shell(&mut *sandbox, "for i in 1 2 3 4 5 6; do head -c 20000000 /dev/urandom > f$i; done; sleep 60");
    assert_eq!(executed.ended, Ended::OverDisk);
}

#[test]
fn esc_74_busy_loops_do_not_stop_the_clock() {
    let lab = Lab::new("busy");
    let mut sandbox = lab.start();
    let script = "i=0; while [ $i -lt 200 ]; do (while :; do :; done) & i=$((i+1)); done; wait";
    let began = Instant::now();
    let executed = sandbox.exec(&Exec::shell(script).within(Duration::from_secs(2))).unwrap();
    assert_eq!(executed.ended, Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}

#[test]
fn esc_94_both_ends_of_a_long_output_are_kept() {
    let lab = Lab::new("output");
    let mut sandbox = lab.start();
    let executed = shell(&mut *sandbox, "echo first; head -c 300000000 /dev/zero | tr '\\0' x; echo last");
    assert_eq!(executed.ended, Ended::Finished(0));
    assert_eq!((executed.stdout.kept(), executed.stdout.total()), (64 * 1024, 300_000_011));
    let text = executed.stdout.text();
    assert!(text.starts_with("first\n") && text.ends_with("xlast\n"));
}

#[test]
fn esc_95_output_without_end_ends_the_command() {
    let lab = Lab::new("endless");
    let mut sandbox = lab.start_with(|spec| spec.limits.output_bytes = 50 * MIB);
    let executed = shell(&mut *sandbox, "yes");
    assert_eq!(executed.ended, Ended::OutputFlood);
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}
