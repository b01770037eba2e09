//! What a call does, read from its tool and its text: whether it went wrong, of which kind it is, what it is about, and its
//! form without what differs by chance. Rules of `method` 3.1; nothing is run and no file is looked at.

mod shell;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::trace::{Arguments, Call};

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

/// A call with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The kinds of its commands: one call may write a file and run it.
    pub kinds: BTreeSet<Kind>,
    /// Whether it went wrong.
    pub is_error: bool,
    /// Tool and arguments, keys in order, blanks as one, numbers and temporary paths masked: equal calls are equal here.
    pub norm: String,
    /// The path, test or command that it is about.
    pub target: String,
    /// Files that it writes, as written.
    pub writes: Vec<String>,
    /// Files that it reads, as written.
    pub reads: Vec<String>,
}

impl Action {
    /// The kind of all of it: the first in the order of [`Kind`].
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kinds.first().copied().unwrap_or(Kind::Other)
    }

    /// Whether one of its commands is of a kind.
    #[must_use]
    pub fn is(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Reads a call; `written` tells whether an earlier call of the trace wrote a file.
    #[must_use]
    pub fn of(call: &Call, written: impl Fn(&str) -> bool) -> Self {
        let text = shell_text(call);
        let (mut kinds, mut writes, mut reads) = (BTreeSet::new(), Vec::new(), Vec::new());
        match (&text, file_kind(call)) {
            (Some(text), _) => {
                for command in commands(text) {
                    let own = |file: &str| written(file) || writes.iter().any(|other: &String| other == file);
                    kinds.insert(command.kind(own));
                    writes.extend(command.writes());
                    reads.extend(command.reads());
                }
            }
            (None, Some((kind, path))) => {
                kinds.insert(kind);
                if kind == Kind::Write { &mut writes } else { &mut reads }.push(path);
            }
            (None, None) => {}
        }
        if kinds.is_empty() {
            kinds.insert(Kind::Other);
        }
        let target = target(call, text.as_deref(), &writes, &reads);
        Self { kinds, is_error: is_error(call), norm: norm(call), target, writes, reads }
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
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find('\n').map_or(text.len(), |at| found.end() + at);
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
pub fn shell_text(call: &Call) -> Option<String> {
    let Arguments::Json(arguments) = &call.arguments else { return None };
    let tool = call.tool.to_ascii_lowercase();
    let is_shell =
        ["bash", "shell", "sh", "terminal", "execute", "run_command", "exec", "exec_command", "local_shell"]
            .contains(&tool.as_str());
    let keys = ["command", "cmd", "script", "input", "keystrokes"];
    let value = keys.iter().find_map(|key| arguments.get(*key)).filter(|_| is_shell)?;
    match value {
        Value::String(text) => Some(text.clone()),
        // `["bash", "-lc", "make"]` is what it gives to the shell.
        Value::Array(parts) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            match parts.as_slice() {
                [shell, flag, text]
                    if shell.ends_with("sh") && flag.starts_with('-') && flag.ends_with('c') =>
                {
                    Some((*text).to_owned())
                }
                parts => Some(parts.join(" ")),
            }
        }
        _ => None,
    }
}

/// The kind and path of a call to a tool for files.
fn file_kind(call: &Call) -> Option<(Kind, String)> {
    let Arguments::Json(arguments) = &call.arguments else { return None };
    let keys = ["path", "file_path", "filename", "file"];
    let path = keys.iter().find_map(|key| arguments.get(*key)?.as_str())?.to_owned();
    let verb = arguments.get("command").and_then(Value::as_str).unwrap_or(&call.tool).to_ascii_lowercase();
    let writes = ["create", "write", "edit", "insert", "replace", "patch", "append", "undo"];
    let reads = ["view", "read", "open", "cat", "list", "ls", "grep", "search", "glob", "find"];
    if writes.iter().any(|word| verb.contains(word)) {
        return Some((Kind::Write, path));
    }
    reads.iter().any(|word| verb.contains(word)).then_some((Kind::Read, path))
}

fn target(call: &Call, text: Option<&str>, writes: &[String], reads: &[String]) -> String {
    if let Some(path) = writes.first() {
        return path.clone();
    }
    if let Some(text) = text {
        let commands = commands(text);
        // What moves about or looks around is not what the call is for.
        let main =
            commands.iter().find(|command| !["cd", "export", "source", "set"].contains(&command.program()));
        if let Some(command) = main.or_else(|| commands.first()) {
            return command
                .test()
                .or_else(|| reads.first().cloned())
                .unwrap_or_else(|| command.program().to_owned());
        }
    }
    reads.first().cloned().unwrap_or_else(|| call.tool.clone())
}

fn norm(call: &Call) -> String {
    let mut norm = format!("{} ", call.tool);
    match &call.arguments {
        Arguments::Json(value) => mask(&sorted(value), &mut norm),
        Arguments::Raw(text) => mask(text, &mut norm),
    }
    norm
}

/// JSON with its keys in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{key}: {}", sorted(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(", ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Adds a text with its blanks as one, and without numbers and paths of temporary files, which differ by chance.
fn mask(text: &str, out: &mut String) {
    let is_end = |char: char| char.is_whitespace() || "'\";|&)".contains(char);
    let mut rest = text.trim();
    while let Some(char) = rest.chars().next() {
        let skipped = match char {
            '0'..='9' => {
                out.push_str("<N>");
                rest.trim_start_matches(|char: char| char.is_ascii_digit())
            }
            '/' if rest.starts_with("/tmp/") || rest.starts_with("/var/tmp/") => {
                out.push_str("<TMP>");
                rest.find(is_end).and_then(|end| rest.get(end..)).unwrap_or_default()
            }
            char if char.is_whitespace() => {
                out.push(' ');
                rest.trim_start()
            }
            _ => {
                let is_plain = |char: char| !(char.is_ascii_digit() || char == '/' || char.is_whitespace());
                let plain = rest.get(char.len_utf8()..).and_then(|rest| rest.find(|char| !is_plain(char)));
                let (plain, after) = rest.split_at(plain.map_or(rest.len(), |end| end + char.len_utf8()));
                out.push_str(plain);
                after
            }
        };
        rest = skipped;
    }
}

#[cfg(test)]
mod tests;
