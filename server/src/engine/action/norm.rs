//! The form of a call without what differs by chance: tool and arguments, keys in order, blanks as one, numbers and temporary
//! paths masked (`method` 3.1). Equal calls have equal forms. Forms of long arguments are compared by how they begin first.

use std::borrow::Cow;

use memchr::memrchr;
use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::engine::trace::{Arguments, Call, Trace};

/// So many bytes of a form are enough for most to differ.
const HEAD: usize = 96;

/// So many bytes of the arguments are masked to know these.
const RAW_HEAD: usize = 256;

/// No text that decides how the next bytes are read is longer: `/var/tmp/`.
const MAX_PREFIX: usize = 16;

/// The form of a call.
#[must_use]
pub fn norm(call: &Call) -> String {
    let mut norm = format!("{} ", call.tool);
    mask(&sorted(call), usize::MAX, &mut norm);
    norm
}

/// How a form begins, and whether that is all of it.
fn head(call: &Call) -> (String, bool) {
    let mut head = String::with_capacity(2 * HEAD);
    head.push_str(&call.tool);
    head.push(' ');
    let limit = head.len() + HEAD;
    let (is_whole, rest) = match &call.arguments {
        Arguments::Json(value) => {
            let mut text = String::with_capacity(RAW_HEAD);
            let is_whole = write_sorted(value, RAW_HEAD, &mut text);
            (is_whole, mask(&text, limit, &mut head))
        }
        Arguments::Raw(text) => (true, mask(text, limit, &mut head)),
    };
    let is_whole = if is_whole {
        rest == 0
    } else if MAX_PREFIX <= rest {
        false
    } else {
        // What is cut off may be read otherwise at its end, and blanks and numbers alone say nothing of what follows.
        head = norm(call);
        true
    };
    let is_whole = is_whole && head.len() <= limit;
    head.truncate(head.floor_char_boundary(limit));
    (head, is_whole)
}

/// The forms of the calls of a trace, as numbers.
#[derive(Clone, Debug, Default)]
pub struct Norms {
    by_head: FxHashMap<String, Vec<Norm>>,
    count: usize,
}

/// A form by the first call that has it.
#[derive(Clone, Copy, Debug)]
struct Norm {
    number: usize,
    place: (usize, usize),
    /// Whether its head is all of it.
    is_whole: bool,
}

impl Norms {
    /// The number of the form of a call: two calls have the same if their forms are equal. `place` is that of its step in the
    /// trace and of the call in the step; the calls that were numbered before must still be in the trace.
    pub fn number(&mut self, trace: &Trace, place: (usize, usize)) -> usize {
        let Some(call) = at(trace, place) else { return usize::MAX };
        let (head, is_whole) = head(call);
        let alike = self.by_head.entry(head).or_default();
        if !alike.is_empty() {
            let text = if is_whole { Cow::default() } else { sorted(call) };
            let is_same = |known: &&Norm| {
                known.is_whole == is_whole
                    && (is_whole
                        || at(trace, known.place).is_some_and(|known| is_alike(&text, &sorted(known))))
            };
            if let Some(known) = alike.iter().find(is_same) {
                return known.number;
            }
        }
        let number = self.count;
        self.count += 1;
        alike.push(Norm { number, place, is_whole });
        number
    }
}

/// Whether two texts are the same once they are masked.
fn is_alike(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    // What is masked does not go on behind a line break, except for blanks, and these are the same in both.
    let start = memrchr(b'\n', one.as_bytes().get(..same).unwrap_or_default()).unwrap_or_default();
    let (one, other) = (one.get(start..).unwrap_or(one), other.get(start..).unwrap_or(other));
    // Texts that differ mostly do so where they first differ.
    let begins = |text: &str| {
        let part = text.get(..text.floor_char_boundary(RAW_HEAD)).unwrap_or(text);
        let mut out = String::with_capacity(RAW_HEAD);
        let is_sure = MAX_PREFIX <= mask(part, HEAD, &mut out);
        out.truncate(out.floor_char_boundary(HEAD));
        is_sure.then_some(out)
    };
    let masked = |text: &str| {
        let mut out = String::with_capacity(text.len());
        mask(text, usize::MAX, &mut out);
        out
    };
    match (begins(one), begins(other)) {
        (Some(one), Some(other)) if one != other => false,
        _ => masked(one) == masked(other),
    }
}

/// The arguments of a call, keys in order.
fn sorted(call: &Call) -> Cow<'_, str> {
    match &call.arguments {
        Arguments::Json(value) => {
            let mut text = String::new();
            write_sorted(value, usize::MAX, &mut text);
            Cow::Owned(text)
        }
        Arguments::Raw(text) => Cow::Borrowed(text),
    }
}

fn at(trace: &Trace, (step, call): (usize, usize)) -> Option<&Call> {
    trace.steps.get(step)?.calls.get(call)
}

/// Adds JSON with its keys in order, until the text has so many bytes; whether that is all of it.
fn write_sorted(value: &Value, limit: usize, out: &mut String) -> bool {
    if limit <= out.len() {
        return false;
    }
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                out.push_str(key);
                out.push_str(": ");
                if !write_sorted(value, limit, out) {
                    return false;
                }
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                if !write_sorted(item, limit, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Value::String(text) => {
            let end = text.floor_char_boundary(limit - out.len());
            out.push_str(text.get(..end).unwrap_or(text));
            return end == text.len();
        }
        other => out.push_str(&other.to_string()),
    }
    true
}

/// Adds a text with its blanks as one, and without numbers and paths of temporary files, which differ by chance, until there
/// are so many bytes; how many bytes of the text are left.
fn mask(text: &str, limit: usize, out: &mut String) -> usize {
    let is_end = |char: char| char.is_whitespace() || "'\";|&)".contains(char);
    let mut rest = text.trim();
    while let Some(char) = rest.chars().next() {
        if limit <= out.len() {
            return rest.len();
        }
        let skipped = match char {
            '0'..='9' => {
                out.push_str("<N>");
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest.get(digits..).unwrap_or_default()
            }
            '/' if rest.starts_with("/tmp/") || rest.starts_with("/var/tmp/") => {
                out.push_str("<TMP>");
                rest.find(is_end).and_then(|end| rest.get(end..)).unwrap_or_default()
            }
            char if char.is_whitespace() => {
                out.push(' ');
                rest.trim_start()
            }
            char => {
                let first = char.len_utf8();
                let plain = rest.bytes().skip(first).take_while(|byte| is_plain(*byte)).count();
                let (plain, after) = rest.split_at_checked(first + plain).unwrap_or((rest, ""));
                out.push_str(plain);
                after
            }
        };
        rest = skipped;
    }
    0
}

/// Whether a byte stays as it is wherever it stands. Others may begin something.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && !(byte.is_ascii_digit() || byte == b'/' || byte.is_ascii_whitespace() || byte == 0x0b)
}
