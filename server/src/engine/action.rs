//! What a call does, read from its tool and its text: whether it went wrong, of which kind it is, what it is about, and its
//! form without what differs by chance. Rules of `method` 3.1; nothing is run and no file is looked at.

mod shell;
mod norm;

use std::borrow::Cow;
use std::sync::LazyLock;

use ecow::EcoString;
use memchr::{memchr, memrchr};
use regex::Regex;
use serde_json::Value;

use super::trace::{Arguments, Call};

pub use norm::{Norms, norm};
pub use shell::{Command, commands};

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Changes a file.
    Write,
    /// Runs a test or a build, or what was written.
    Verify,
    /// Installs a package.
    Install,
    /// Starts something that stays.
    Serve,
    /// Looks.
    Read,
    /// Anything else.
    Other,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Write, Self::Verify, Self::Install, Self::Serve, Self::Read, Self::Other];
}

/// Kinds, each once: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Whether a kind is one of them.
    #[must_use]
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// The kinds in the order of [`Kind`].
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A call with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The kinds of its commands: one call may write a file and run it.
    pub kinds: Kinds,
    /// Whether it went wrong.
    pub is_error: bool,
    /// The path, test or command that it is about.
    pub target: EcoString,
    /// Files that it writes, as written.
    pub writes: Vec<EcoString>,
    /// Files that it reads, as written.
    pub reads: Vec<EcoString>,
}

impl Action {
    /// The kind of all of it: the first in the order of [`Kind`].
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kinds.iter().next().unwrap_or(Kind::Other)
    }

    /// Whether one of its commands is of a kind.
    #[must_use]
    pub fn is(&self, kind: Kind) -> bool {
        self.kinds.contains(kind)
    }

    /// Reads a call; `written` tells whether an earlier call of the trace wrote a file.
    #[must_use]
    pub fn of(call: &Call, written: impl Fn(&str) -> bool) -> Self {
        let commands = shell_text(call).map(|text| commands(&text));
        Self::with(call, commands.as_deref(), is_error(call), written)
    }

    /// As [`Action::of`] for a call of which the commands, if it is one to a shell, and the outcome are known already.
    #[must_use]
    pub fn with(
        call: &Call,
        commands: Option<&[Command]>,
        is_error: bool,
        written: impl Fn(&str) -> bool,
    ) -> Self {
        let (mut kinds, mut writes, mut reads) = (Kinds::default(), Vec::new(), Vec::new());
        match commands {
            Some(commands) => {
                for command in commands {
                    let own =
                        |file: &str| written(file) || writes.iter().any(|other: &EcoString| other == file);
                    let (into, from) = (command.writes(), command.reads());
                    kinds.insert(command.kind(&into, &from, own));
                    writes.extend(into);
                    reads.extend(from);
                }
            }
            None => {
                if let Some((kind, path)) = file_kind(call) {
                    kinds.insert(kind);
                    if kind == Kind::Write { &mut writes } else { &mut reads }.push(path);
                }
            }
        }
        if kinds.is_empty() {
            kinds.insert(Kind::Other);
        }
        let target = target(call, commands, &writes, &reads);
        Self { kinds, is_error, target, writes, reads }
    }
}

/// Whether a call went wrong: by its exit code; without one, by a line that only errors begin with.
#[must_use]
pub fn is_error(call: &Call) -> bool {
    let Some(seen) = &call.observation else { return false };
    if let Some(exit) = seen.exit {
        return exit != 0;
    }
    seen.timed_out || seen.failed == Some(true) || error_line(&seen.text).is_some()
}

/// The first line that says that something went wrong.
#[must_use]
pub fn error_line(text: &str) -> Option<&str> {
    // Most lines have none of these words, and most results are long.
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new("Error|Exception|Traceback|E   |FAILED|command not found|No such file").ok()
    });
    let mut from = 0;
    while let Some(found) = WORDS.as_ref()?.find_at(text, from) {
        let (before, after) = (text.get(..found.start())?, text.get(found.end()..)?);
        let start = memrchr(b'\n', before.as_bytes()).map_or(0, |at| at + 1);
        let end = memchr(b'\n', after.as_bytes()).map_or(text.len(), |at| found.end() + at);
        let line = text.get(start..end)?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if is_error_line(line) {
            return Some(line);
        }
        from = end;
    }
    None
}

fn is_error_line(line: &str) -> bool {
    let line = uncoloured(line);
    let (word, rest) = line.split_once(':').unwrap_or((line, ""));
    // `Error:` alone is the heading that some tools put before what a program wrote to its errors, whatever that was.
    let is_exception = (word.ends_with("Error") || word.ends_with("Exception"))
        && word.len() < line.len()
        && !(word == "Error" && rest.trim().is_empty())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_exception
        || line.starts_with("Traceback")
        || line.starts_with("E   ")
        || line.starts_with("FAILED")
        || line.contains("command not found")
        || line.contains("No such file")
}

/// A line without the colours that it begins with.
fn uncoloured(line: &str) -> &str {
    let mut line = line;
    while let Some((colour, rest)) = line.strip_prefix("\u{1b}[").and_then(|line| line.split_once('m')) {
        if !colour.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') {
            break;
        }
        line = rest;
    }
    line
}

/// The command of a call to a shell.
#[must_use]
pub fn shell_text(call: &Call) -> Option<Cow<'_, str>> {
    const SHELLS: [&str; 9] =
        ["bash", "shell", "sh", "terminal", "execute", "run_command", "exec", "exec_command", "local_shell"];
    let Arguments::Json(arguments) = &call.arguments else { return None };
    let is_shell = SHELLS.iter().any(|shell| call.tool.eq_ignore_ascii_case(shell));
    let keys = ["command", "cmd", "script", "input", "keystrokes"];
    let value = is_shell.then(|| keys.iter().find_map(|key| argument(arguments, key))).flatten()?;
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        // `["bash", "-lc", "make"]` is what it gives to the shell.
        Value::Array(parts) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            match parts.as_slice() {
                [shell, flag, text]
                    if shell.ends_with("sh") && flag.starts_with('-') && flag.ends_with('c') =>
                {
                    Some(Cow::Borrowed(text))
                }
                parts => Some(Cow::Owned(parts.join(" "))),
            }
        }
        _ => None,
    }
}

/// An argument by its name. Calls have few, and a few names are compared faster than one is hashed.
pub(super) fn argument<'a>(arguments: &'a Value, name: &str) -> Option<&'a Value> {
    match arguments {
        Value::Object(entries) if entries.len() <= 8 => {
            entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        }
        other => other.get(name),
    }
}

/// The kind and path of a call to a tool for files.
fn file_kind(call: &Call) -> Option<(Kind, EcoString)> {
    let Arguments::Json(arguments) = &call.arguments else { return None };
    let keys = ["path", "file_path", "filename", "file"];
    let path = keys.iter().find_map(|key| argument(arguments, key)?.as_str())?.into();
    let verb = argument(arguments, "command").and_then(Value::as_str).unwrap_or(&call.tool);
    let verb = match verb.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(verb.to_ascii_lowercase()),
        false => Cow::Borrowed(verb),
    };
    let writes = ["create", "write", "edit", "insert", "replace", "patch", "append", "undo"];
    let reads = ["view", "read", "open", "cat", "list", "ls", "grep", "search", "glob", "find"];
    // Most say one of these words and no more. None that reads has one that writes in it.
    if !reads.contains(&verb.as_ref()) && writes.iter().any(|word| verb.contains(word)) {
        return Some((Kind::Write, path));
    }
    reads.iter().any(|word| verb.contains(word)).then_some((Kind::Read, path))
}

fn target(call: &Call, commands: Option<&[Command]>, writes: &[EcoString], reads: &[EcoString]) -> EcoString {
    if let Some(path) = writes.first() {
        return path.clone();
    }
    if let Some(commands) = commands {
        // What moves about or looks around is not what the call is for.
        let main =
            commands.iter().find(|command| !["cd", "export", "source", "set"].contains(&command.program()));
        if let Some(command) = main.or_else(|| commands.first()) {
            return command
                .test()
                .or_else(|| reads.first().cloned())
                .unwrap_or_else(|| command.program().into());
        }
    }
    reads.first().cloned().unwrap_or_else(|| call.tool.as_str().into())
}

#[cfg(test)]
mod tests;
