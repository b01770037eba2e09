//! The first process: a small program in memory, which is nowhere inside to be found, or our whole executable where that cannot
//! be. Any other one is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use self_harness::host::sandbox::first::First;
use self_harness::host::sandbox::{Backend, Phase, SandboxError};

use crate::lab::{Lab, is_root, prints};

/// What everybody inside sees of the first process: its name, and what it was executed from.
fn seen(lab: &Lab) -> String {
    let mut sandbox = lab.start();
    let seen =
        prints(&mut *sandbox, "cat /proc/1/comm; tr '\\0' '\\n' < /proc/1/cmdline | head -n 1; ls -A /run");
    sandbox.kill().unwrap().into_tree().remove().unwrap();
    seen
}

#[test]
fn it_is_a_small_program_in_memory() {
    let lab = Lab::new("small");
    let seen = seen(&lab);
    assert!(seen.starts_with("self-harness\n/proc/self/fd/"), "{seen}");
    assert_eq!(seen.lines().count(), 2, "there is something in `/run`: {seen}");
}

/// It is no file that could be opened, by name or by number, and no command has it open.
#[test]
fn nobody_inside_gets_hold_of_it() {
    let lab = Lab::new("held");
    let mut sandbox = lab.start();
    let tries = "cat /proc/1/exe; ls /proc/1/fd/; ls -l /proc/self/fd /proc/$$/fd | grep -c memfd";
    assert_eq!(prints(&mut *sandbox, &format!("({tries}) 2>/dev/null || true")), "0\n");
}

#[test]
fn our_whole_executable_does_the_same() {
    let mut lab = Lab::new("whole");
    lab.backend.first = First::whole();
    assert_eq!(seen(&lab), "self-harness\n/run/self-harness/init\nself-harness\n");
    let guarantees = lab.backend.probe().unwrap();
    assert!(guarantees.lacking().is_empty(), "{guarantees:?}");
}

/// A bubblewrap that may not execute what lies in memory, as rules of a distribution could have it.
#[test]
fn where_memory_is_not_executed_it_is_our_executable() {
    // Only what belongs to root is used as bubblewrap.
    if !is_root() {
        return;
    }
    let mut lab = Lab::new("rules");
    lab.backend.program = lab.path("bwrap");
    let script = "#!/bin/sh\n[ \"${4#/proc/self/fd/}\" = \"$4\" ] && exec /usr/bin/bwrap \"$@\"\n\
                  exec /usr/bin/bwrap --args \"$2\" -- /proc/self/fd/999 \"$5\" \"$6\"\n";
    fs::write(&lab.backend.program, script).unwrap();
    fs::set_permissions(&lab.backend.program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(lab.backend.first.is_small());
    assert!(seen(&lab).contains("/run/self-harness/init"));
    assert!(!lab.backend.first.is_small(), "it is not tried again");
    assert!(seen(&lab).contains("/run/self-harness/init"));
}

#[test]
fn one_of_another_build_is_refused() {
    let mut lab = Lab::new("build");
    let other = lab.path("other");
    let script = "#!/usr/bin/python3\nimport socket\nworker = socket.socket(fileno=0)\nworker.recv(1 << 16)\n\
                  worker.send(b'{\"Ready\": {\"build\": \"another\"}}')\nworker.recv(1 << 16)\n";
    fs::write(&other, script).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    (lab.backend.first, lab.backend.executable) = (First::whole(), PathBuf::from(&other));
    match lab.backend.start(lab.spec(Phase::Agent)) {
        Err(SandboxError::Start(why)) => {
            assert!(why.contains("the executable inside is another one: `another`"), "{why}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was started"),
    }
}
