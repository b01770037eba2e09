//! Backends: what is proved, what is refused, and that nothing runs without protection.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use self_harness::host::sandbox::first::First;
use self_harness::host::sandbox::spec::{Env, Mount};
use self_harness::host::sandbox::{Backend, Exec, Guarantee, SandboxError};

use crate::lab::{Lab, prints, processes_with};

#[test]
fn the_probe_proves_what_is_required() {
    let lab = Lab::new("probe");
    let guarantees = lab.backend.probe().unwrap_or_else(|error| panic!("{error}; {}", error.remedy));
    let required = ["fs-write", "fs-read", "network", "processes", "kill-all", "capabilities", "seccomp"];
    for (name, _, guarantee) in guarantees.each() {
        if required.contains(&name) {
            assert_eq!(*guarantee, Guarantee::Held, "{name}");
        }
    }
    assert!(guarantees.lacking().is_empty());
}

#[test]
fn esc_143_144_without_a_program_of_root_nothing_runs() {
    let lab = Lab::new("program");
    let copy = lab.path("bwrap");
    fs::copy("/usr/bin/bwrap", &copy).unwrap();
    let with = |program: PathBuf| {
        let mut backend = lab.backend.clone();
        backend.program = program;
        let probed = backend.probe().unwrap_err();
        match backend.start(lab.spec(self_harness::host::sandbox::Phase::Agent)) {
            Err(SandboxError::Unavailable(same)) => assert_eq!(same, probed),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("a sandbox was started"),
        }
        probed
    };
    let missing = with(lab.path("none"));
    assert!(
        missing.reason.contains("none` cannot be used")
            && missing.remedy.contains("apt-get install bubblewrap"),
        "{missing:?}"
    );
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let modes = if is_root {
        vec![(0o777, "can be changed by others"), (0o4755, "is setuid"), (0o644, "is no program")]
    } else {
        vec![(0o755, "does not belong to root")]
    };
    for (mode, why) in modes {
        fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).unwrap();
        let refused = with(copy.clone());
        assert!(refused.reason.contains(why), "{refused:?}");
    }
    // Nothing of all these attempts is left.
    assert_eq!(fs::read_dir(lab.path("trials")).unwrap().count(), 0);
}

/// Stands in for a bubblewrap that leaves out, or changes, one of the words that it is given.
const FORGETFUL: &str = r#"#!/usr/bin/python3 -I
import os, sys
place = sys.argv.index("--args") + 1
words = b""
while piece := os.read(int(sys.argv[place]), 65536):
    words += piece
words = words.split(b"\0")[:-1]
dropped, instead = [part.encode().split() for part in (DROPPED, INSTEAD)]
at = next(n for n in range(len(words)) if words[n:n + len(dropped)] == dropped)
words[at:at + len(dropped)] = instead
number = os.memfd_create("arguments", 0)
os.write(number, b"".join(word + b"\0" for word in words))
os.lseek(number, 0, os.SEEK_SET)
os.close(int(sys.argv[place]))
sys.argv[place] = str(number)
os.execv("/usr/bin/bwrap", ["bwrap"] + sys.argv[1:])
"#;

#[test]
fn esc_144_a_program_that_drops_a_wall_is_found_out() {
    // Only root can put such a program where it would be used.
    if !crate::lab::is_root() {
        return;
    }
    let lab = Lab::new("forgetful");
    let forgetful = |dropped: &str, instead: &str| {
        let program = lab.path("bwrap");
        let script =
            FORGETFUL.replace("DROPPED", &format!("{dropped:?}")).replace("INSTEAD", &format!("{instead:?}"));
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut backend = lab.backend.clone();
        backend.program = program;
        backend
    };
    // It is not the detour that is found.
    let guarantees = forgetful("--unshare-ipc", "--unshare-ipc").probe();
    assert!(guarantees.unwrap_or_else(|error| panic!("{error}")).lacking().is_empty());
    for (dropped, instead, seen) in [
        ("--remount-ro /", "", "`/` can be written"),
        ("--remount-ro /dev", "", "`/dev` can be written"),
        ("--remount-ro /proc", "", "`/proc` can be written"),
        ("--ro-bind /usr /usr", "--bind /usr /usr", "`/usr` can be written"),
        ("--unshare-pid --as-pid-1", "", "and not the first of its namespace"),
        ("--as-pid-1", "", "process 2 and not the first"),
        ("--uid 1000", "--uid 0", "it runs as root"),
    ] {
        let backend = forgetful(dropped, instead);
        let error = match backend.start(lab.spec(self_harness::host::sandbox::Phase::Agent)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("a sandbox was started without `{dropped}`"),
        };
        assert!(error.contains(seen), "`{dropped}`: {error}");
        assert!(backend.probe().is_err(), "{dropped}");
    }
    // What the first process cannot see is seen by the probe.
    for (dropped, instead, wall) in [
        ("--unshare-net", "", "network"),
        ("--size 268435456 --perms 1777 --tmpfs /tmp", "--bind /tmp /tmp", "fs-read"),
    ] {
        let guarantees =
            forgetful(dropped, instead).probe().unwrap_or_else(|error| panic!("{dropped}: {error}"));
        let broken = guarantees
            .each()
            .into_iter()
            .find(|(name, _, guarantee)| *name == wall && **guarantee != Guarantee::Held);
        assert!(broken.is_some() && !guarantees.lacking().is_empty(), "`{dropped}`: {guarantees:?}");
    }
    assert_eq!(fs::read_dir(lab.path("trials")).unwrap().count(), 0);
}

#[test]
fn esc_145_146_nobody_runs_as_root() {
    let lab = Lab::new("root");
    let marker = format!("marker-root-{}", std::process::id());
    let mut sandbox = lab.start();
    assert_eq!(prints(&mut *sandbox, "id -u; id -g; id -G"), "1000\n1000\n1000\n");
    prints(&mut *sandbox, &format!("touch mine; setsid sh -c 'sleep 20; true' {marker} >/dev/null 2>&1 &"));
    assert!(1 <= processes_with(&marker));
    let dead = sandbox.kill().unwrap();
    let owner = fs::metadata(dead.tree().path().join("mine")).unwrap().uid();
    assert_ne!(owner, 0);
    if let Some(user) = lab.backend.run_as {
        assert_eq!(owner, user.uid);
        let mut backend = lab.backend.clone();
        backend.run_as = None;
        let refused = backend.start(lab.spec(self_harness::host::sandbox::Phase::Agent));
        assert!(matches!(refused, Err(SandboxError::Refused(_))));
    }
}

#[test]
fn root_may_have_the_program_where_nobody_else_may_look() {
    if !crate::lab::is_root() {
        return;
    }
    let lab = Lab::new("private");
    let private = lab.path("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let mut backend = lab.backend.clone();
    backend.executable = private.join("self-harness");
    fs::copy(&lab.backend.executable, &backend.executable).unwrap();
    let mut start = |first: First, copies: usize| {
        backend.first = first;
        let mut sandbox = backend.start(lab.spec(self_harness::host::sandbox::Phase::Agent)).unwrap();
        assert_eq!(prints(&mut *sandbox, "id -u"), "1000\n");
        let look = format!("test -e {} && echo seen || echo hidden", private.display());
        assert_eq!(prints(&mut *sandbox, &look), "hidden\n");
        sandbox.kill().unwrap().into_tree().remove().unwrap();
        assert_eq!(fs::read_dir(lab.path("program")).map_or(0, Iterator::count), copies);
    };
    // What lies in memory needs no place.
    start(First::default(), 0);
    start(First::whole(), 1);
    start(First::whole(), 1);
}

/// Root becomes an ordinary user before anything starts; whoever is one from the beginning is kept as well.
#[test]
fn an_ordinary_user_has_the_same_walls() {
    use std::os::unix::process::CommandExt;
    const USER: u32 = 61_003;
    if !crate::lab::is_root() {
        return;
    }
    let lab = Lab::new("ordinary");
    let home = lab.path("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(USER), Some(USER)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "files::",
            "network::",
            "processes::",
            "kernel::",
            "first::",
            "kill::esc_8",
            "--test-threads=2",
        ])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .gid(USER)
        .uid(USER)
        .current_dir(&home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("esc_31_nothing_is_written_to_the_output_of_the_worker ... ok"), "{said}");
}

#[test]
fn esc_107_variables_are_exactly_ours() {
    let lab = Lab::new("variables");
    let mut sandbox = lab.start_with(|spec| spec.env = Env::of([("TASK_MODE", "test")]).unwrap());
    let mut exec = Exec::program(["/usr/bin/env"]);
    exec.env = Env::of([("STEP", "1")]).unwrap();
    let executed = sandbox.exec(&exec).unwrap();
    let printed = executed.stdout.text();
    let mut names: Vec<&str> =
        printed.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "PWD", "STEP", "TASK_MODE", "TERM", "TMPDIR", "TZ", "USER"]);
}

#[test]
fn esc_111_other_users_see_no_path_of_the_host() {
    let lab = Lab::new("ps");
    let _sandbox = lab.start();
    // What everybody sees of bubblewrap and of the first process.
    let secret = lab.path("trials").display().to_string();
    assert_eq!(processes_with(&secret), 0);
    assert!(1 <= processes_with("__sandbox-init"));
}

#[test]
fn mounts_that_would_hide_the_system_are_refused() {
    let lab = Lab::new("places");
    for at in ["/usr/bin", "/etc", "relative", "/a/../etc", "/", "/logs/agent", "/proc/self"] {
        let mut spec = lab.spec(self_harness::host::sandbox::Phase::Agent);
        spec.mounts.push(Mount::new("/usr/share", at));
        assert!(matches!(lab.backend.start(spec), Err(SandboxError::Refused(_))), "{at}");
    }
    let mut backend = lab.backend.clone();
    for secret in ["/", "/run", "/home", "/somewhere/.ssh"] {
        backend.toolchains = vec![PathBuf::from(secret)];
        let started = backend.start(lab.spec(self_harness::host::sandbox::Phase::Agent));
        assert!(matches!(started, Err(SandboxError::Refused(_))), "{secret}");
    }
}

#[test]
fn a_command_that_is_not_there_says_so() {
    let lab = Lab::new("absent");
    let mut sandbox = lab.start();
    match sandbox.exec(&Exec::program(["/no/such/program"])) {
        Err(SandboxError::Command { program, why }) => {
            assert_eq!(program, "/no/such/program");
            assert!(why.contains("No such file"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}

#[test]
fn doctor_says_that_trials_can_run() {
    let lab = Lab::new("doctor");
    let output = Command::new(env!("CARGO_BIN_EXE_self-harness"))
        .arg("doctor")
        .env("XDG_STATE_HOME", lab.path("state"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    for line in
        ["  held     fs-write", "  held     network", "  held     kill-all", "trials can run on this machine"]
    {
        assert!(printed.contains(line), "`{line}` is missing:\n{printed}");
    }
}

#[test]
fn the_hidden_commands_do_nothing_outside_of_a_sandbox() {
    for arguments in [vec!["__sandbox-init"], vec!["__sandbox-init", "{}"], vec!["__sandbox-probe"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_self-harness")).args(&arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
    }
}
