//! What the machine holds: pipes, links, refused directories, files that are no text, and what git ignores.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Directory, MANIFEST, Ran, command, harness};

fn pipe(directory: &Directory, name: &str) {
    let _ = fs::remove_file(directory.path(name));
    assert!(Command::new("mkfifo").arg(directory.path(name)).status().unwrap().success());
}

/// Runs a command that must end by itself.
#[track_caller]
fn ends(directory: &Directory, arguments: &[&str]) -> Ran {
    let mut child = command(&directory.0, arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let mut has_ended = false;
    while !has_ended && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
        has_ended = child.try_wait().unwrap().is_some();
    }
    // One that waits for ever must not outlive the test.
    let _ = child.kill();
    assert!(has_ended, "{arguments:?} waits for ever");
    child.wait_with_output().unwrap().into()
}

/// Runs it as a user whom permissions stop, also if the tests run as root.
fn as_nobody(directory: &Directory, arguments: &[&str]) -> Ran {
    let plain = command(&directory.0, arguments);
    if fs::metadata("/proc/self").map_or(1, |there| there.uid()) != 0 {
        let mut plain = plain;
        return plain.output().unwrap().into();
    }
    // The build may lie where nobody else may look.
    let away = Directory::new(&format!("nobody-{}", directory.0.file_name().unwrap().to_string_lossy()));
    let binary = away.path("self-harness");
    let from = env!("CARGO_BIN_EXE_self-harness");
    fs::hard_link(from, &binary).or_else(|_| fs::copy(from, &binary).map(drop)).unwrap();
    let mut nobody = Command::new(&binary);
    nobody.current_dir(&directory.0).args(arguments).env_clear().uid(65534).gid(65534);
    nobody.output().unwrap().into()
}

fn mode(directory: &Directory, name: &str, mode: u32) {
    fs::set_permissions(directory.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn fails(ran: &Ran, code: i32, err: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{}", ran.err);
    assert_eq!(ran.err, err);
}

#[test]
fn pipes_are_never_opened() {
    let directory = harness("pipes");
    pipe(&directory, "p");
    fs::remove_file(directory.path("prompts/system.md")).unwrap();
    symlink("../p", directory.path("prompts/system.md")).unwrap();
    assert!(ends(&directory, &["check"]).out.contains("no file `prompts/system.md`"));
    pipe(&directory, "prompts/system.md");
    assert!(ends(&directory, &["check"]).out.contains("no file `prompts/system.md`"));
    symlink("/dev/zero", directory.path("zero")).unwrap();
    fs::remove_file(directory.path("prompts/system.md")).unwrap();
    symlink("../zero", directory.path("prompts/system.md")).unwrap();
    assert_eq!(ends(&directory, &["check"]).code, Some(1));
    // What says what git ignores is opened too.
    let directory = harness("ignore-pipe");
    pipe(&directory, ".gitignore");
    directory.write("below/harness.toml", MANIFEST).write("below/prompts/system.md", "Hello.\n");
    pipe(&directory, "below/.ignore");
    assert_eq!(ends(&directory, &["check"]).code, Some(0));
}

#[test]
fn a_manifest_that_is_no_file_is_a_matter_of_configuration() {
    let directory = Directory::new("no-manifest");
    pipe(&directory, "harness.toml");
    let expected = "error: `harness.toml` is no file\nhint: move it away, or put a manifest in its place\n";
    fails(&ends(&directory, &["check"]), 3, expected);
    fails(&ends(&directory, &["check", "harness.toml"]), 3, expected);
    fs::remove_file(directory.path("harness.toml")).unwrap();
    fs::create_dir(directory.path("harness.toml")).unwrap();
    fails(&directory.run(&["check"]), 3, expected);
    fails(&directory.run(&["check", "harness.toml"]), 3, expected);
    // Somewhere below it is just a name.
    let directory = harness("named-so");
    fs::create_dir_all(directory.path("below/harness.toml")).unwrap();
    assert_eq!(directory.run(&["check"]).code, Some(0));
    let outside = harness("far");
    let directory = Directory::new("link-out");
    symlink(outside.path("harness.toml"), directory.path("harness.toml")).unwrap();
    let link = "error: `harness.toml` is a link that leads nowhere, or out of its project\nhint: put the file itself in its place\n";
    fails(&directory.run(&["check"]), 3, link);
    fs::remove_file(directory.path("harness.toml")).unwrap();
    symlink("nothing", directory.path("harness.toml")).unwrap();
    fails(&directory.run(&["check"]), 3, link);
    fails(
        &directory.run(&["check", "harness.toml"]),
        2,
        "error: `harness.toml` is a link that leads nowhere\nhint: name what it should lead to\n",
    );
}

#[test]
fn a_manifest_that_is_no_text_is_a_matter_of_configuration() {
    let hint = "hint: save it as UTF-8 text: nothing of the harness is read without it\n";
    let directory = harness("no-text");
    directory.write("harness.toml", b"schema = 1 # caf\xe9\n");
    fails(&directory.run(&["check"]), 3, &format!("error: `harness.toml` is not UTF-8 (byte 16)\n{hint}"));
    directory.write("harness.toml", b"schema\0");
    fails(&directory.run(&["check"]), 3, &format!("error: `harness.toml` is binary\n{hint}"));
    directory.write("harness.toml", vec![b'\n'; 5 * 1024 * 1024]);
    let large = format!("error: `harness.toml` has 5 MiB, 4 are read\n{hint}");
    fails(&directory.run(&["check", "--format", "json"]), 3, &large);
}

#[test]
fn what_the_machine_refuses_to_read_is_named() {
    let hint = "hint: see whether the user who runs this may read it\n";
    let denied = |name: &str| format!("error: cannot read `{name}`: Permission denied (os error 13)\n{hint}");
    let directory = harness("denied");
    directory.write("private/data", "x").write("prompts/other.md", "x");
    mode(&directory, "private", 0);
    mode(&directory, "prompts/other.md", 0);
    assert_eq!(as_nobody(&directory, &["check"]).out, "checked 2 files of 1 harness: no problems\n");
    mode(&directory, "prompts/system.md", 0);
    fails(&as_nobody(&directory, &["check"]), 4, &denied("prompts/system.md"));
    mode(&directory, "prompts", 0);
    fails(&as_nobody(&directory, &["check"]), 4, &denied("prompts"));
    mode(&directory, "prompts", 0o755);
    mode(&directory, "harness.toml", 0);
    fails(&as_nobody(&directory, &["check"]), 4, &denied("harness.toml"));
    mode(&directory, "private", 0o755);
}

#[test]
fn a_directory_that_cannot_be_read_is_not_empty() {
    let hint = "hint: see whether the user who runs this may read it and the directories above it\n";
    let denied = |name: &str| format!("error: cannot read `{name}`: Permission denied (os error 13)\n{hint}");
    let directory = Directory::new("closed");
    directory.write("inner/harness.toml", MANIFEST).write("inner/prompts/system.md", "Hello.\n");
    mode(&directory, "inner", 0);
    fails(&as_nobody(&directory, &["check", "inner"]), 4, &denied("inner"));
    fails(&as_nobody(&directory, &["check", "inner/harness.toml"]), 4, &denied("inner/harness.toml"));
    mode(&directory, "inner", 0o755);
}

#[test]
fn a_linked_directory_of_the_project_is_read_through() {
    let directory = harness("linked");
    fs::rename(directory.path("prompts"), directory.path("shared")).unwrap();
    symlink("shared", directory.path("prompts")).unwrap();
    // A circle.
    symlink("..", directory.path("shared/up")).unwrap();
    let check = directory.run(&["check"]);
    assert_eq!(check.out, "checked 2 files of 1 harness: no problems\n");
    directory.write("shared/system.md", "In {{ workdri }}.\n");
    for name in ["prompts/system.md", "shared/system.md", "prompts"] {
        let check = directory.run(&["check", name]);
        assert!(check.out.contains("--> prompts/system.md:1:7\n"), "{name}: {}{}", check.out, check.err);
    }
    directory.write("harness.toml", MANIFEST.replace("identical-fail", "identical-fial"));
    directory.write("shared/system.md", "Hello.\n");
    assert_eq!(directory.run(&["check", "--fix"]).code, Some(0));
}

#[test]
fn tasks_and_surfaces_may_lie_behind_a_link() {
    let directory = Directory::new("linked-tasks");
    assert_eq!(directory.run(&["init", "--preset", "minimal"]).code, Some(0));
    let before = directory.run(&["check"]);
    fs::rename(directory.path("tasks"), directory.path("suite")).unwrap();
    symlink("suite", directory.path("tasks")).unwrap();
    let check = directory.run(&["check"]);
    assert_eq!((check.code, check.out), (Some(0), before.out));
}

#[test]
fn a_linked_directory_outside_is_not_read() {
    let outside = Directory::new("not-ours");
    outside.write("system.md", "In {{ workdri }}.\n");
    let directory = harness("leaving");
    fs::remove_dir_all(directory.path("prompts")).unwrap();
    symlink(&outside.0, directory.path("prompts")).unwrap();
    let check = directory.run(&["check"]);
    assert_eq!(check.code, Some(1));
    assert!(!check.out.contains("workdri") && check.out.contains("`prompts/system.md`"), "{}", check.out);
}

#[test]
fn who_names_a_directory_means_it_whatever_git_ignores() {
    let directory = Directory::new("ignored");
    directory.write(".gitignore", "*\n");
    assert_eq!(directory.run(&["init", "--preset", "minimal", "x"]).code, Some(0));
    for (here, path) in [("", "x"), ("", "x/harness.toml"), ("x", ".")] {
        let check = crate::run(&directory.path(here), &["check", path]);
        assert!(check.out.ends_with(" of 1 harness: no problems\n"), "{path}: {}{}", check.out, check.err);
    }
    fails(
        &directory.run(&["check"]),
        2,
        "error: git ignores every `harness.toml` below `.`\nhint: name one that is meant, such as `x/harness.toml`\n",
    );
    let own = harness("ignored-manifest");
    own.write(".gitignore", "harness.toml\n");
    assert_eq!(own.run(&["check"]).out, "checked 2 files of 1 harness: no problems\n");
}

#[test]
fn what_was_made_before_a_failure_goes_again() {
    let directory = Directory::new("undo");
    // The prompts come before the tools.
    fs::create_dir(directory.path("tools")).unwrap();
    mode(&directory, "tools", 0o555);
    mode(&directory, "", 0o777);
    let init = as_nobody(&directory, &["init", "--preset", "minimal"]);
    assert_eq!(init.code, Some(4), "{}", init.out);
    assert!(
        init.err.contains("cannot write `tools/shell.toml`") && init.err.contains("nothing was written"),
        "{}",
        init.err
    );
    let names: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["tools"]);
}
