//! The form of a call without what differs by chance: tool and arguments, keys in order, blanks as one, numbers and temporary
//! paths masked (`method` 3.1). Equal calls have equal forms. Forms of long arguments are compared by how they begin first.

use std::borrow::Cow;

use memchr::{memmem, memrchr};
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
    mask(&pieces(call).concat(), usize::MAX, &mut norm);
    norm
}

/// Sets how a form begins; whether that is all of it. `text` is for what is masked.
fn set_head(call: &Call, pieces: &[Cow<'_, str>], head: &mut String, text: &mut String) -> bool {
    head.clear();
    head.push_str(&call.tool);
    head.push(' ');
    let limit = head.len() + HEAD;
    text.clear();
    let is_all = pieces.iter().all(|piece| {
        let part = start_of(piece, RAW_HEAD - text.len());
        text.push_str(part);
        part.len() == piece.len()
    });
    let rest = mask(text, limit, head);
    let is_whole = if is_all {
        rest == 0
    } else if MAX_PREFIX <= rest {
        false
    } else {
        // What is cut off may be read otherwise at its end, and blanks and numbers alone say nothing of what follows.
        *head = norm(call);
        true
    };
    let is_whole = is_whole && head.len() <= limit;
    head.truncate(head.floor_char_boundary(limit));
    is_whole
}

/// At most so many bytes of a text from its beginning, whole characters.
fn start_of(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The forms of the calls of a trace, as numbers.
#[derive(Clone, Debug, Default)]
pub struct Norms {
    by_head: FxHashMap<String, Vec<Norm>>,
    count: usize,
    /// Kept so that it need not be made for each call: the head of the last one, and what it was made of.
    head: String,
    text: String,
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
        let pieces = self::pieces(call);
        let is_whole = set_head(call, &pieces, &mut self.head, &mut self.text);
        let is_same = |known: &&Norm| {
            let is_alike =
                || at(trace, known.place).is_some_and(|known| is_alike(&pieces, &self::pieces(known)));
            known.is_whole == is_whole && (is_whole || is_alike())
        };
        let norm = Norm { number: self.count, place, is_whole };
        match self.by_head.get_mut(&self.head) {
            None => drop(self.by_head.insert(self.head.clone(), vec![norm])),
            Some(alike) => match alike.iter().find(is_same) {
                Some(known) => return known.number,
                None => alike.push(norm),
            },
        }
        self.count += 1;
        norm.number
    }
}

/// Whether arguments in pieces are the same once they are masked.
fn is_alike(one: &[Cow<'_, str>], other: &[Cow<'_, str>]) -> bool {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    // What is masked does not go on behind a blank.
    let before = one.get(..same).unwrap_or_default();
    let same = before.iter().rposition(|piece| piece.ends_with(' ')).map_or(0, |blank| blank + 1);
    let (one, other) = (one.get(same..).unwrap_or_default(), other.get(same..).unwrap_or_default());
    // Long texts, which are pieces of their own, need not be copied to see that they differ.
    match (one, other) {
        ([one, ..], [other, ..]) if begins_otherwise(one, other) => false,
        _ => {
            let (one, other) = (one.concat(), other.concat());
            let (_, start) = difference(&one, &other);
            masked(one.get(start..).unwrap_or(&one)) == masked(other.get(start..).unwrap_or(&other))
        }
    }
}

/// Where two texts first differ, and where that line begins.
fn difference(one: &str, other: &str) -> (usize, usize) {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (parts, other_parts) = (one.as_chunks::<32>().0, other.as_chunks::<32>().0);
    let parts = parts.iter().zip(other_parts).take_while(|(one, other)| one == other).count();
    let (one_rest, other_rest) = (one.iter().skip(32 * parts), other.iter().skip(32 * parts));
    let same = 32 * parts + one_rest.zip(other_rest).take_while(|(one, other)| one == other).count();
    (same, memrchr(b'\n', one.get(..same).unwrap_or(one)).unwrap_or_default())
}

/// Whether it is sure that two texts differ once they are masked, by what follows where they first differ, as they mostly do.
fn begins_otherwise(one: &str, other: &str) -> bool {
    // What is masked does not go on behind a line break, except for blanks, and these are the same in both.
    let (same, start) = difference(one, other);
    let is_plain_at = |text: &str| text.as_bytes().get(same).is_some_and(|byte| is_plain(*byte));
    if is_plain_at(one) && is_plain_at(other) {
        // Both stay as they are, unless they are within the path of a temporary file.
        let line = one.as_bytes().get(start..same).unwrap_or_default();
        if memmem::find(line, b"/tmp/").is_none() {
            return true;
        }
    }
    let begins = |text: &str| {
        let part = start_of(text.get(start..)?, RAW_HEAD);
        let mut out = String::with_capacity(RAW_HEAD);
        let is_sure = MAX_PREFIX <= mask(part, HEAD, &mut out);
        out.truncate(out.floor_char_boundary(HEAD));
        is_sure.then_some(out)
    };
    matches!((begins(one), begins(other)), (Some(one), Some(other)) if one != other)
}

fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    mask(text, usize::MAX, &mut out);
    out
}

/// The arguments of a call in pieces, keys in order.
fn pieces(call: &Call) -> Vec<Cow<'_, str>> {
    let mut pieces = Vec::with_capacity(16);
    match &call.arguments {
        Arguments::Json(value) => add_pieces(value, &mut pieces),
        Arguments::Raw(text) => pieces.push(Cow::Borrowed(text.as_str())),
    }
    pieces
}

fn at(trace: &Trace, (step, call): (usize, usize)) -> Option<&Call> {
    trace.steps.get(step)?.calls.get(call)
}

/// Adds JSON with its keys in order.
fn add_pieces<'v>(value: &'v Value, out: &mut Vec<Cow<'v, str>>) {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
            if !entries.is_sorted_by_key(|(key, _)| *key) {
                entries.sort_unstable_by_key(|(key, _)| *key);
            }
            out.push(Cow::Borrowed("{"));
            for (at, (key, value)) in entries.into_iter().enumerate() {
                out.push(Cow::Borrowed(if at == 0 { "" } else { ", " }));
                out.extend([Cow::Borrowed(key.as_str()), Cow::Borrowed(": ")]);
                add_pieces(value, out);
            }
            out.push(Cow::Borrowed("}"));
        }
        Value::Array(items) => {
            out.push(Cow::Borrowed("["));
            for (at, item) in items.iter().enumerate() {
                out.push(Cow::Borrowed(if at == 0 { "" } else { ", " }));
                add_pieces(item, out);
            }
            out.push(Cow::Borrowed("]"));
        }
        Value::String(text) => out.push(Cow::Borrowed(text.as_str())),
        other => out.push(Cow::Owned(other.to_string())),
    }
}

/// Adds a text with its blanks as one, and without numbers and paths of temporary files, which differ by chance, until there
/// are so many bytes; how many bytes of the text are left.
fn mask(text: &str, limit: usize, out: &mut String) -> usize {
    let is_end = |char: char| char.is_whitespace() || "'\";|&)".contains(char);
    let mut rest = text.trim();
    while let Some(char) = rest.chars().next() {
        let Some(room) = limit.checked_sub(out.len()).filter(|room| *room != 0) else { return rest.len() };
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
                let room = room.min(rest.len());
                let plain = first + plain_length(rest.as_bytes().get(first..room).unwrap_or_default());
                let (plain, after) = rest.split_at_checked(plain).unwrap_or((rest, ""));
                out.push_str(plain);
                after
            }
        };
        rest = skipped;
    }
    0
}

/// How many bytes at the beginning stay as they are: plain ones, and single blanks between them.
fn plain_length(bytes: &[u8]) -> usize {
    let stays = |(byte, next): (&u8, &u8)| is_plain(*byte) || (*byte == b' ' && is_plain(*next));
    let length = bytes.iter().zip(bytes.iter().skip(1)).take_while(|two| stays(*two)).count();
    // The last one has none behind it.
    let is_last = length + 1 == bytes.len() && bytes.last().is_some_and(|byte| is_plain(*byte));
    length + usize::from(is_last)
}

/// Whether a byte stays as it is wherever it stands. Others may begin something.
fn is_plain(byte: u8) -> bool {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let mut byte = 0_u8;
        while byte.is_ascii() {
            let is_blank = byte.is_ascii_whitespace() || byte == 0x0b;
            plain[byte as usize] = !(byte.is_ascii_digit() || byte == b'/' || is_blank);
            byte += 1;
        }
        plain
    };
    PLAIN.get(usize::from(byte)).copied().unwrap_or_default()
}
