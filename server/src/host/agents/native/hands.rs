//! Does in the sandbox what a tool is called to do. Nothing of it happens on the host, and what comes back is a claim: text to show
//! to the model, and an exit code that decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use harness_schema::harness::Harness;
use harness_schema::manifest::Builtin;
use harness_schema::path::FilePath;
use serde_json::{Map, Value};

use super::tools::{Does, Tool};
use crate::host::sandbox::output::{Capture, KEPT_BYTES};
use crate::host::sandbox::{Ended, Exec, Executed, Sandbox, SandboxError};

/// As much as one argument of a program may hold: a little less than the kernel's `MAX_ARG_STRLEN` (128 KiB).
const PIECE_BYTES: usize = 96 * 1024;

/// As much as goes into one command.
const COMMAND_BYTES: usize = 8 * PIECE_BYTES;

/// A file that is changed in place may not be larger.
const MOST_CHANGED_BYTES: u64 = 2 * 1024 * 1024;

/// Where programs of the harness lie in the sandbox.
const PROGRAMS: &str = "/tmp/.self-harness";

/// The exit code of a call that ran out of time, as the program `timeout` has it.
const TIMED_OUT: i64 = 124;

/// The exit code of a program that cannot be started, as shells have it.
const NOT_STARTED: i64 = 126;

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it printed, with what was too much left out.
    pub(super) text: String,
    pub(super) exit: i64,
    pub(super) timed_out: bool,
    /// How many bytes were left out.
    pub(super) cut_bytes: u64,
}

/// Why there will be no more calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The agent used too much: its tree is judged as it is.
    Killed(&'static str),
    /// The sandbox died: nothing was measured.
    Died(String),
}

/// What runs tools.
pub(super) struct Hands<'a> {
    pub(super) sandbox: &'a mut dyn Sandbox,
    pub(super) harness: &'a Harness,
    /// Programs of the harness that were brought into the sandbox.
    brought: BTreeSet<String>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(sandbox: &'a mut dyn Sandbox, harness: &'a Harness) -> Self {
        Self { sandbox, harness, brought: BTreeSet::new() }
    }

    /// Does what a call asks for, within a time.
    pub(super) fn call(
        &mut self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        timeout: Duration,
    ) -> Result<Outcome, Lost> {
        let most = tool.max_output_bytes;
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let lacks =
            |name: &str| Ok(Outcome::failed(format!("the argument `{name}` is missing, or is no text")));
        match &tool.does {
            Does::Builtin(Builtin::Shell) => {
                let Some(command) = text("command") else { return lacks("command") };
                let script = "if command -v bash >/dev/null 2>&1; then exec bash -c \"$1\" 2>&1; else exec sh -c \"$1\" 2>&1; fi";
                self.run(&script_with(script, [command]), timeout, most)
            }
            Does::Builtin(Builtin::ReadFile) => {
                let Some(path) = text("path") else { return lacks("path") };
                let number =
                    |name: &str| arguments.get(name).and_then(Value::as_u64).map(|number| number.to_string());
                let start = number("start").unwrap_or_else(|| String::from("1"));
                let script = match number("lines") {
                    Some(_) => {
                        "cat -n -- \"$1\" | tail -n \"+$2\" | head -n \"$3\"; test -f \"$1\" && test -r \"$1\""
                    }
                    None if start == "1" => "cat -n -- \"$1\"",
                    None => "cat -n -- \"$1\" | tail -n \"+$2\"; test -f \"$1\" && test -r \"$1\"",
                };
                let lines = number("lines").unwrap_or_default();
                self.run(&script_with(script, [path, &start, &lines]), timeout, most)
            }
            Does::Builtin(Builtin::WriteFile) => {
                let (Some(path), Some(content)) = (text("path"), text("content")) else {
                    return lacks(if text("path").is_none() { "path" } else { "content" });
                };
                self.write(path, content, timeout, most)
            }
            Does::Builtin(Builtin::ReplaceInFile) => {
                let (Some(path), Some(old), Some(new)) = (text("path"), text("old"), text("new")) else {
                    return lacks(
                        ["path", "old"].into_iter().find(|name| text(name).is_none()).unwrap_or("new"),
                    );
                };
                self.replace(path, old, new, timeout, most)
            }
            Does::Run(argv) => self.run_program(argv, arguments, timeout, most),
            // They end the work or move on, and do nothing in the sandbox.
            Does::Builtin(Builtin::Finish) | Does::GoTo => Ok(Outcome::default()),
        }
    }

    /// Runs a command and keeps as much of its output as may be shown.
    fn run(&mut self, command: &Exec, timeout: Duration, most: u64) -> Result<Outcome, Lost> {
        let executed = match self.execute(command, timeout)? {
            Ok(executed) => executed,
            Err(why) => return Ok(Outcome { exit: NOT_STARTED, ..Outcome::failed(why) }),
        };
        let (mut text, cut_bytes) = shown(&[&executed.stdout, &executed.stderr], most);
        let exit = match executed.ended {
            Ended::Finished(code) => i64::from(code),
            Ended::Signalled(signal) => 128 + i64::from(signal),
            Ended::TimedOut => TIMED_OUT,
            Ended::OutputFlood => {
                text.push_str("\n[it printed too much and was ended]");
                128 + 9
            }
            // `execute` has seen to these.
            Ended::OverMemory | Ended::OverDisk | Ended::Died(_) => 128 + 9,
        };
        Ok(Outcome { text, exit, timed_out: executed.ended == Ended::TimedOut, cut_bytes })
    }

    /// Runs a command; in words, why it did not start.
    fn execute(&mut self, command: &Exec, timeout: Duration) -> Result<Result<Executed, String>, Lost> {
        match self.sandbox.exec(&command.clone().within(timeout)) {
            Ok(executed) => match executed.ended {
                Ended::Finished(_) | Ended::Signalled(_) | Ended::TimedOut | Ended::OutputFlood => {
                    Ok(Ok(executed))
                }
                ended => Err(lost(ended)),
            },
            Err(error @ (SandboxError::Command { .. } | SandboxError::Variable { .. })) => {
                Ok(Err(error.to_string()))
            }
            Err(SandboxError::Over(ended)) => Err(lost(ended)),
            Err(error) => Err(Lost::Died(error.to_string())),
        }
    }

    fn write(&mut self, path: &str, content: &str, timeout: Duration, most: u64) -> Result<Outcome, Lost> {
        if content.contains('\0') {
            return Ok(Outcome::failed(String::from(
                "the text holds a NUL character, which cannot be written",
            )));
        }
        let mut outcome = Outcome::default();
        let pieces = pieces(content, PIECE_BYTES);
        for (at, part) in pieces.chunks(COMMAND_BYTES / PIECE_BYTES).enumerate() {
            let script = if at == 0 {
                "path=$1; shift; case $path in */*) mkdir -p -- \"${path%/*}/\" || exit;; esac; printf %s \"$@\" > \"$path\""
            } else {
                "path=$1; shift; printf %s \"$@\" >> \"$path\""
            };
            let command = script_with(script, std::iter::once(path).chain(part.iter().copied()));
            outcome = self.run(&command, timeout, most)?;
            if outcome.exit != 0 {
                return Ok(outcome);
            }
        }
        if outcome.text.is_empty() {
            outcome.text = format!("{} bytes were written to `{path}`", content.len());
        }
        Ok(outcome)
    }

    fn replace(
        &mut self,
        path: &str,
        old: &str,
        new: &str,
        timeout: Duration,
        most: u64,
    ) -> Result<Outcome, Lost> {
        let before = match self.content(path, timeout, most)? {
            Ok(before) => before,
            Err(outcome) => return Ok(outcome),
        };
        let Ok(before) = String::from_utf8(before) else {
            return Ok(Outcome::failed(format!("`{path}` is no UTF-8 text")));
        };
        if old.is_empty() {
            return Ok(Outcome::failed(String::from("the text to replace is empty")));
        }
        match before.matches(old).count() {
            1 => {}
            0 => return Ok(Outcome::failed(format!("the text to replace is not in `{path}`"))),
            count => {
                let why = format!(
                    "the text to replace is in `{path}` {count} times; give more of what is around it"
                );
                return Ok(Outcome::failed(why));
            }
        }
        let after = before.replacen(old, new, 1);
        let outcome = self.write(path, &after, timeout, most)?;
        Ok(match outcome.exit {
            0 => Outcome { text: format!("replaced in `{path}`"), ..outcome },
            _ => outcome,
        })
    }

    /// All of a file, or what the model is told.
    fn content(
        &mut self,
        path: &str,
        timeout: Duration,
        most: u64,
    ) -> Result<Result<Vec<u8>, Outcome>, Lost> {
        let mut all = Vec::new();
        loop {
            let start = (all.len() + 1).to_string();
            let length = KEPT_BYTES.to_string();
            let script = "test -f \"$1\" || { cat -- \"$1\" >/dev/null; exit 1; }; tail -c \"+$2\" -- \"$1\" | head -c \"$3\"";
            let command = script_with(script, [path, &start, &length]);
            let executed = match self.execute(&command, timeout)? {
                Ok(executed) => executed,
                Err(why) => return Ok(Err(Outcome { exit: NOT_STARTED, ..Outcome::failed(why) })),
            };
            if executed.ended != Ended::Finished(0) {
                let timed_out = executed.ended == Ended::TimedOut;
                let (text, cut_bytes) = shown(&[&executed.stdout, &executed.stderr], most);
                let exit = if timed_out { TIMED_OUT } else { 1 };
                return Ok(Err(Outcome { text, exit, timed_out, cut_bytes }));
            }
            let piece = executed.stdout.bytes();
            let is_last = piece.len() < KEPT_BYTES;
            all.extend(piece);
            if is_last {
                return Ok(Ok(all));
            }
            if MOST_CHANGED_BYTES < all.len() as u64 {
                let why =
                    format!("`{path}` is larger than {MOST_CHANGED_BYTES} bytes; change it with a program");
                return Ok(Err(Outcome::failed(why)));
            }
        }
    }

    /// Runs a declared program: `{name}` in its words is a parameter, and all of them are JSON on its standard input.
    fn run_program(
        &mut self,
        argv: &[String],
        arguments: &Map<String, Value>,
        timeout: Duration,
        most: u64,
    ) -> Result<Outcome, Lost> {
        let mut words: Vec<String> = argv.iter().map(|word| filled(word, arguments)).collect();
        let Some(program) = words.first_mut() else {
            return Ok(Outcome::failed(String::from("the tool names no program")));
        };
        // A path is a program of the harness; a bare name is one of the machine.
        if program.contains('/') && !program.starts_with('/') {
            match self.bring(program, timeout)? {
                Ok(place) => *program = place,
                Err(why) => return Ok(Outcome { exit: NOT_STARTED, ..Outcome::failed(why) }),
            }
        }
        let input = Value::Object(arguments.clone()).to_string();
        let pieces = pieces(&input, PIECE_BYTES);
        let places: Vec<String> = (1..=pieces.len()).map(|place| format!("\"${{{place}}}\"")).collect();
        let script = format!("printf %s {} | {{ shift {}; exec \"$@\"; }}", places.join(" "), pieces.len());
        let command = script_with(&script, pieces.iter().copied().chain(words.iter().map(String::as_str)));
        self.run(&command, timeout, most)
    }

    /// Brings a program of the harness into the sandbox; where it lies there, or in words why it does not.
    fn bring(&mut self, program: &str, timeout: Duration) -> Result<Result<String, String>, Lost> {
        let Ok(path) = FilePath::parse(program) else {
            return Ok(Err(format!("`{program}` lies outside of the harness")));
        };
        let place = format!("{PROGRAMS}/{path}");
        if self.brought.contains(&place) {
            return Ok(Ok(place));
        }
        let Some(text) = self.harness.files().document(&path).map(|document| document.source().to_owned())
        else {
            return Ok(Err(format!("the harness has no program `{program}` that is a text")));
        };
        let written = self.write(&place, &text, timeout, u64::MAX)?;
        if written.exit != 0 {
            return Ok(Err(format!("`{program}` could not be brought into the sandbox: {}", written.text)));
        }
        let made = self.run(&Exec::program(["/bin/chmod", "755", &place]), timeout, u64::MAX)?;
        if made.exit != 0 {
            return Ok(Err(format!("`{program}` could not be made executable: {}", made.text)));
        }
        self.brought.insert(place.clone());
        Ok(Ok(place))
    }
}

impl Outcome {
    fn failed(why: String) -> Self {
        Self { text: why, exit: 1, ..Self::default() }
    }
}

fn lost(ended: Ended) -> Lost {
    match ended {
        Ended::OverMemory => Lost::Killed("it used too much memory"),
        Ended::OverDisk => Lost::Killed("it used too much disk space"),
        ended => Lost::Died(format!("the sandbox has ended: {ended:?}")),
    }
}

/// A script with its arguments from `$1` on.
fn script_with<'t>(script: &'t str, arguments: impl IntoIterator<Item = &'t str>) -> Exec {
    let fixed = ["/bin/sh", "-c", script, "sh"];
    Exec::program(fixed.into_iter().chain(arguments))
}

/// A text in pieces of at most so many bytes; one empty piece for an empty text.
fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while most < rest.len() {
        let at = rest.floor_char_boundary(most);
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// A word of a program's arguments with its parameters: `{name}`. What names no argument stays empty.
fn filled(word: &str, arguments: &Map<String, Value>) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        let name = after.split_once('}').filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || char == '_' || char == '-')
        });
        out.push_str(before);
        match name {
            Some((name, behind)) => {
                match arguments.get(name) {
                    Some(Value::String(text)) => out.push_str(text),
                    Some(Value::Null) | None => {}
                    Some(other) => out.push_str(&other.to_string()),
                }
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What several streams printed, one behind the other: all of it, or its head and its tail with a line between that says how much
/// is left out. Also how much that is.
fn shown(streams: &[&Capture], most: u64) -> (String, u64) {
    let kept: Vec<u8> = streams.iter().flat_map(|stream| stream.bytes()).collect();
    let total: u64 = streams.iter().map(|stream| stream.total()).sum();
    if total <= most && total == kept.len() as u64 {
        return (String::from_utf8_lossy(&kept).into_owned(), 0);
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let head = (most / 2).min(KEPT_BYTES).min(kept.len());
    let tail = most.saturating_sub(head).min(KEPT_BYTES).min(kept.len() - head);
    let whole = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (first, last) =
        (kept.get(..head).unwrap_or_default(), kept.get(kept.len() - tail..).unwrap_or_default());
    let (first, last) = (without_cut_end(first), without_cut_start(last));
    let cut = total.saturating_sub((first.len() + last.len()) as u64);
    (format!("{}\n[{cut} bytes are left out]\n{}", whole(first), whole(last)), cut)
}

/// Bytes without a character at their end that is cut.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        // Only an end is cut that could go on.
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or_default(),
        _ => bytes,
    }
}

/// Bytes without the rest of a character at their start.
fn without_cut_start(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|byte| (0x80..0xC0).contains(*byte)).count();
    bytes.get(rest..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn capture(bytes: &[u8]) -> Capture {
        let mut capture = Capture::default();
        capture.push(bytes);
        capture
    }

    #[test]
    fn head_and_tail_stay_and_a_line_says_what_was_cut() {
        let (text, cut) = shown(&[&capture(b"0123456789"), &capture(b"abc")], 13);
        assert_eq!((text.as_str(), cut), ("0123456789abc", 0));
        let (text, cut) = shown(&[&capture(b"0123456789"), &capture(b"abc")], 8);
        assert_eq!((text.as_str(), cut), ("0123\n[5 bytes are left out]\n9abc", 5));
        let (text, cut) = shown(&[&capture("aüüüb".as_bytes())], 4);
        assert_eq!((text.as_str(), cut), ("a\n[6 bytes are left out]\nb", 6));
        let (text, cut) = shown(&[&capture(&vec![b'x'; 200_000])], 1_000_000);
        assert_eq!(cut, 200_000 - 2 * KEPT_BYTES as u64);
        assert!(text.len() < 70_000);
    }

    #[test]
    fn parameters_stand_in_words() {
        let arguments = json!({"name": "a b", "n": 3, "none": null});
        let Value::Object(arguments) = arguments else { panic!("an object") };
        for (word, expected) in [
            ("{name}", "a b"),
            ("--n={n}", "--n=3"),
            ("{none}{unknown}", ""),
            ("{ x }", "{ x }"),
            ("{", "{"),
            ("a{n}b{n}", "a3b3"),
        ] {
            assert_eq!(filled(word, &arguments), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(text in "[a-zü漢🦀\n]{0,60}", most in 4_usize..12) {
            let pieces = pieces(&text, most);
            prop_assert_eq!(pieces.concat(), text.as_str());
            prop_assert!(pieces.iter().all(|piece| piece.len() <= most));
        }
    }
}
