//! How the end of a command is judged, and what is laid out for one.

use std::fs;

use harness_schema::files::Files;
use harness_schema::syntax::Document;

use super::*;
use crate::engine::trace::Usage;
use crate::host::disk;
use crate::host::model::ModelError;
use crate::host::sandbox::output::Capture;
use crate::host::sandbox::{TrialTree, Trials};

fn recorded() -> Recorded {
    Recorded {
        chat: String::new(),
        is_cut: false,
        sent: 1,
        answered: 1,
        refused: None,
        limit: None,
        usage: Usage::default(),
        model: None,
        fingerprint: None,
        failure: None,
        consequence: None,
    }
}

fn worked(end: End) -> Worked {
    Worked {
        trace: Trace::default(),
        end,
        void: None,
        pauses: false,
        detail: String::new(),
        requests: 1,
        usage: Usage::default(),
        model: None,
        fingerprint: None,
    }
}

#[track_caller]
fn check(end: End, claimed: Option<End>, recorded: &Recorded, expected: (Option<VoidCause>, End)) {
    let mut worked = worked(end);
    worked.trace.end = claimed;
    worked.settle(recorded, true);
    assert_eq!((worked.void, worked.end), expected, "{}", worked.detail);
}

#[test]
fn the_relay_knows_better_than_the_program() {
    let crashed = || End::Crashed(String::from("exit"));
    check(End::Finished, None, &recorded(), (None, End::Finished));
    check(End::Finished, Some(End::Steps), &recorded(), (None, End::Steps));
    check(crashed(), Some(End::Provider), &recorded(), (None, crashed()));
    check(End::Time, Some(End::Steps), &recorded(), (None, End::Time));
    let none = Recorded { sent: 0, answered: 0, ..recorded() };
    check(End::Finished, None, &none, (Some(VoidCause::AgentStart), End::Finished));
    let failed = |failure| Recorded { failure: Some(failure), ..recorded() };
    let busy = failed(ModelError::Unavailable { status: 429, words: String::new() });
    check(End::Finished, Some(End::Steps), &busy, (Some(VoidCause::Provider), End::Provider));
    let wrong_key = failed(ModelError::Rejected { status: 401, words: String::new() });
    check(crashed(), None, &wrong_key, (Some(VoidCause::Provider), End::Provider));
    let long = failed(ModelError::TooLong { words: String::new() });
    check(crashed(), None, &long, (None, End::Context));
    check(End::Time, None, &long, (None, End::Time));
    let spent = Recorded { limit: Some(Limit::Tokens), ..recorded() };
    check(crashed(), Some(End::Steps), &spent, (None, End::Tokens));
    let refused = Recorded { consequence: Some(Consequence::Crashed), ..recorded() };
    check(End::Finished, None, &refused, (None, End::Crashed(String::from("the model refused to answer"))));
}

#[test]
fn nothing_readable_is_void() {
    let mut worked = worked(End::Finished);
    worked.settle(&recorded(), false);
    assert_eq!(worked.void, Some(VoidCause::Adapter));
}

fn executed(ended: Ended, stderr: &str) -> Executed {
    let (stdout, mut captured) = (Capture::default(), Capture::default());
    captured.push(stderr.as_bytes());
    Executed { ended, stdout, stderr: captured, took: Duration::ZERO }
}

#[test]
fn exit_codes_and_signals_are_claims_and_limits_are_not() {
    let judge =
        |ended, why| judged(Ok(executed(ended, "a\n\u{1b}[1mlast words\n\n")), why, &Redactor::new([]));
    let (void, end, detail) = judge(Ended::Finished(3), None);
    assert_eq!((void, detail.as_str()), (None, "[1mlast words"));
    assert_eq!(end, End::Crashed(String::from("it ended with exit code 3: [1mlast words")));
    assert_eq!(judge(Ended::Finished(0), Some(Why::Time)).1, End::Finished);
    assert_eq!(judge(Ended::TimedOut, Some(Why::Time)).1, End::Time);
    assert_eq!(judge(Ended::TimedOut, Some(Why::Cancelled)).1, End::Killed);
    assert_eq!(judge(Ended::OverMemory, None).1, End::Killed);
    let (void, ..) = judge(Ended::Died(Cause::HostFloor("memory")), None);
    assert_eq!(void, Some(VoidCause::HostResource));
    let (void, ..) = judge(Ended::Died(Cause::FirstProcess), None);
    assert_eq!(void, Some(VoidCause::EnvironmentSetup));
    let missing = SandboxError::Command { program: String::from("x"), why: String::from("not there") };
    assert_eq!(judged(Err(missing), None, &Redactor::new([])).0, Some(VoidCause::AgentStart));
}

/// A project on disk with a tree to lay it out beside.
struct Project {
    directory: PathBuf,
    tree: TrialTree,
}

impl Project {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("self-harness-command-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        for path in ["p/lib", "p/tasks/a/tests", "p/tasks/a/solution"] {
            fs::create_dir_all(directory.join(path)).unwrap();
        }
        let tree = Trials::at(directory.join("trials"), None).fresh().unwrap();
        Self { directory, tree }
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::write(self.directory.join("p").join(path), text).unwrap();
    }

    fn root(&self) -> PathBuf {
        self.directory.join("p")
    }

    fn laid_out(&self, harness: &Harness) -> Result<Vec<String>, CommandError> {
        let mounts = lay_out(harness, &self.root(), "do it\n", &self.tree)?;
        assert_eq!(
            mounts.iter().map(|mount| mount.at.as_str()).collect::<Vec<_>>(),
            [INSTRUCTION_FILE, HARNESS_DIR]
        );
        assert_eq!(fs::read_to_string(&mounts[0].from).unwrap(), "do it\n");
        let mut found = Vec::new();
        let mut open = vec![mounts[1].from.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(&mounts[1].from).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const MANIFEST: &str = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[agent]\nkind = \"command\"\n\
    argv = [\"{harness_dir}/lib/run.sh\"]\nfiles = [\"lib/**\", \"tasks/**\"]\n\
    [tasks]\ndir = \"tasks\"\nheld_in = [\"a\"]\n[[surface]]\nid = \"s\"\nfile = \"CLAUDE.md\"\nselect = [\"file\"]\n";

#[cfg(unix)]
#[test]
fn the_files_of_a_candidate_are_laid_out_and_no_others() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new("files");
    project.write("harness.toml", MANIFEST);
    project.write("AGENTS.md", "old");
    std::os::unix::fs::symlink("AGENTS.md", project.root().join("CLAUDE.md")).unwrap();
    project.write("lib/run.sh", "#!/bin/sh\n");
    project.write("lib/data.bin", [0xFF, 0, 0xFE]);
    project.write("notes.md", "of nobody");
    project.write("tasks/a/task.toml", "");
    project.write("tasks/a/instruction.md", "x");
    project.write("tasks/a/tests/test.sh", "secret");
    project.write("tasks/a/solution/solve.sh", "secret");
    let run = project.root().join("lib/run.sh");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
    let (files, _) = disk::complete(&project.root(), disk::scan(&project.root()), None);
    // A candidate is the same project with other texts.
    let path = harness_schema::path::FilePath::parse("AGENTS.md").unwrap();
    let files = files.with_open(Document::new(path, "new".into()));
    let harness = Harness::resolve(&files, None);
    let found = project.laid_out(&harness).unwrap();
    assert_eq!(found, ["AGENTS.md", "CLAUDE.md", "lib/data.bin", "lib/run.sh"]);
    let below = project.tree.directory().join("documents/harness");
    let read = |name: &str| fs::read(below.join(name)).unwrap();
    assert_eq!((read("CLAUDE.md"), read("AGENTS.md")), (b"new".to_vec(), b"new".to_vec()));
    assert_eq!(read("lib/data.bin"), [0xFF, 0, 0xFE]);
    let mode = |name: &str| fs::metadata(below.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("lib/run.sh"), mode("lib/data.bin"), mode("lib")), (0o755, 0o644, 0o755));
    assert!(find_program(&harness, &[]).is_ok());
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_project_is_not_laid_out() {
    let project = Project::new("outside");
    project.write("harness.toml", MANIFEST);
    fs::write(project.directory.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../../secret", project.root().join("lib/link")).unwrap();
    let (_, harness) = disk::complete(&project.root(), disk::scan(&project.root()), None);
    let error = project.laid_out(&harness).unwrap_err().to_string();
    assert!(error.contains("lib/link") && error.contains("out of the project"), "{error}");
}

#[test]
fn a_program_is_looked_for_where_the_sandbox_looks() {
    let found = |program: &str, toolchains: &[PathBuf]| {
        let text = format!("schema = 1\n[agent]\nkind = \"command\"\nargv = [\"{program}\"]\n");
        let harness = Harness::resolve(&Files::from_texts([("harness.toml", text.as_str())]), None);
        find_program(&harness, toolchains)
    };
    for program in ["sh", "/bin/sh", "{workdir}/a.out", "./a.out"] {
        assert!(found(program, &[]).is_ok(), "{program}");
    }
    for program in ["no-such-program", "/etc/passwd", "/usr/no-such", "{harness_dir}/run.sh"] {
        let error = found(program, &[]).unwrap_err();
        assert!(matches!(error, CommandError::NotFound { .. }), "{error}");
    }
    let own = std::env::current_exe().unwrap();
    assert!(found(&own.display().to_string(), &[]).is_err());
    let toolchain = own.parent().unwrap().to_path_buf();
    assert!(found(&own.display().to_string(), std::slice::from_ref(&toolchain)).is_ok());
    let name = own.file_name().unwrap().to_string_lossy().into_owned();
    assert!(found(&name, &[]).is_err());
    assert!(found(&name, &[toolchain]).is_ok());
}
