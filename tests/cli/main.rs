//! The command line from outside: the real binary, its exit codes, what it prints and what it writes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod check;
mod fix;
mod formats;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod import;
mod init;
mod known;
mod machine;
mod pages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.0, arguments)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command did.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the binary prints UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The command, in an environment in which nothing of the machine shows.
fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_self-harness"));
    command.current_dir(directory).args(arguments);
    for variable in ["CI", "VIRTUAL_ENV", "PATH", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

#[track_caller]
fn run(directory: &Path, arguments: &[&str]) -> Ran {
    command(directory, arguments).output().expect("the binary starts").into()
}

/// A small harness of the built-in agent without a problem.
const MANIFEST: &str = r#"schema = 1

[model]
endpoint = "http://127.0.0.1:8080/v1"
name = "m"

[prompt]
system = "prompts/system.md"

[[tool]]
name = "shell"
description = "Runs a command."
builtin = "shell"

[[runtime.rule]]
id = "stop"
when = { detector = "loop-identical-fail" }
inject = { text = "Stop." }

[budget]
max_trials = 10
"#;

fn harness(name: &str) -> Directory {
    let directory = Directory::new(name);
    directory.write("harness.toml", MANIFEST).write("prompts/system.md", "You are a careful agent.\n");
    directory
}

/// The same with one error that has a safe fix.
fn broken(name: &str) -> Directory {
    let directory = harness(name);
    directory.write("harness.toml", MANIFEST.replace("identical-fail", "identical-fial"));
    directory
}
