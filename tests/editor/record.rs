//! A program between an editor and its server: one that writes down all that the server says, or one that takes something away
//! from the machine first.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::lab::Lab;

/// Passes on what a server says, and writes each message down with the time.
const RECORDER: &str = r#"
import subprocess, sys, time
server = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
said, out = open(sys.argv[1], "wb"), sys.stdout.buffer
while True:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = server.stdout.read(1)
        if not byte:
            sys.exit(server.wait())
        head += byte
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    body = server.stdout.read(length)
    said.write(b"%.6f " % time.monotonic() + body + b"\n")
    said.flush()
    out.write(head + body)
    out.flush()
"#;

/// A server of a project inside of another program, which gets these arguments before the server's own.
pub(crate) fn inside(lab: &Lab, program: &str, arguments: &[&str]) -> Command {
    let server = lab.command(&["lsp", "--probe"]);
    let mut command = Command::new(program);
    command.args(arguments).arg(server.get_program()).args(server.get_args());
    command.current_dir(server.get_current_dir().unwrap());
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// What a server said.
pub(crate) struct Record(PathBuf);

/// A message, and when it came.
pub(crate) struct Said {
    /// In seconds, since some time.
    pub(crate) at: f64,
    pub(crate) message: Value,
}

impl Record {
    /// A server of which everything is written down, and where.
    pub(crate) fn of(lab: &Lab) -> (Command, Self) {
        let file = lab.state().with_file_name("said.jsonl");
        let command = inside(lab, "python3", &["-c", RECORDER, file.to_str().unwrap()]);
        (command, Self(file))
    }

    /// All of it, byte for byte.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }

    /// Message by message.
    pub(crate) fn said(&self) -> Vec<Said> {
        let text = self.text();
        let messages = text.lines().map(|line| {
            let (at, message) = line.split_once(' ').unwrap();
            Said { at: at.parse().unwrap(), message: serde_json::from_str(message).unwrap() }
        });
        messages.collect()
    }
}
