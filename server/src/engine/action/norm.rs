//! The form of a call without what differs by chance: tool and arguments, keys in order, blanks as one, numbers and temporary
//! paths masked (`method` 3.1). Equal calls have equal forms. Forms are compared by how they begin first.

use std::borrow::Cow;
use std::hash::Hasher as _;
use std::ops::ControlFlow;

use memchr::{memmem, memrchr2};
use rustc_hash::{FxHashMap, FxHasher};
use serde_json::Value;

use crate::engine::trace::{Arguments, Call, Trace};

/// So many bytes are enough for most forms to differ.
const HEAD: usize = 96;

/// So many bytes of a text are masked to see whether two forms go on otherwise.
const RAW_HEAD: usize = 256;

/// So many bytes of a form are compared then.
const FORM_HEAD: usize = 96;

/// No text that decides how the next bytes are read is longer: `/var/tmp/`.
const MAX_PREFIX: usize = 16;

/// The form of a call.
#[must_use]
pub fn norm(call: &Call) -> String {
    let mut norm = format!("{} ", call.tool);
    mask(&pieces(call).concat(), usize::MAX, &mut norm);
    norm
}

/// What calls of one form begin with in common, as a number: the bytes of their arguments that are never masked, up to the first
/// path of a temporary file.
fn head(call: &Call) -> u64 {
    let mut head = [0; HEAD];
    let mut length = 0;
    let _ = each_piece(call, &mut |piece| {
        let bytes = piece.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let is_temporary = || {
                let rest = bytes.get(at..).unwrap_or_default();
                rest.starts_with(b"/tmp/") || rest.starts_with(b"/var/tmp/")
            };
            if *byte == b'/' && is_temporary() {
                return ControlFlow::Break(());
            }
            let Some(place) = head.get_mut(length) else { return ControlFlow::Break(()) };
            // The next one takes the place of what is masked.
            *place = *byte;
            length += usize::from(is_plain(*byte) || *byte == b'/');
        }
        ControlFlow::Continue(())
    });
    let mut hasher = FxHasher::default();
    hasher.write(head.get(..length).unwrap_or_default());
    hasher.finish()
}

/// At most so many bytes of a text from its beginning, whole characters.
fn start_of(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The forms of the calls of a trace, as numbers.
#[derive(Clone, Debug, Default)]
pub struct Norms {
    /// The last form that [begins so](head).
    by_head: FxHashMap<u64, usize>,
    /// Each form, by its number.
    all: Vec<Norm>,
}

/// A form by the first call that has it.
#[derive(Clone, Copy, Debug)]
struct Norm {
    /// That of its step in the trace and of the call in the step.
    place: (usize, usize),
    /// The form before it that begins as it does.
    before: Option<usize>,
}

impl Norms {
    /// So many more forms are to be expected.
    pub fn reserve(&mut self, more: usize) {
        self.by_head.reserve(more);
        self.all.reserve(more);
    }

    /// The number of the form of a call: two calls have the same if their forms are equal. `place` is that of its step in the
    /// trace and of the call in the step; the calls that were numbered before must still be in the trace.
    pub fn number(&mut self, trace: &Trace, place: (usize, usize)) -> usize {
        let Some(call) = at(trace, place) else { return usize::MAX };
        let number = self.all.len();
        let last = self.by_head.entry(head(call)).or_insert(number);
        let before = Some(*last).filter(|last| *last != number);
        if before.is_some() {
            let pieces = pieces(call);
            let is_same = |known: &usize| {
                let known = self.all.get(*known).and_then(|known| at(trace, known.place));
                known.is_some_and(|known| known.tool == call.tool && is_alike(&pieces, &self::pieces(known)))
            };
            let before_it = |number: &usize| self.all.get(*number)?.before;
            if let Some(known) = std::iter::successors(before, before_it).find(is_same) {
                return known;
            }
        }
        *last = number;
        self.all.push(Norm { place, before });
        number
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

/// Where two texts first differ, and the last blank before that, or the beginning.
fn difference(one: &str, other: &str) -> (usize, usize) {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (parts, other_parts) = (one.as_chunks::<32>().0, other.as_chunks::<32>().0);
    let parts = parts.iter().zip(other_parts).take_while(|(one, other)| one == other).count();
    let (one_rest, other_rest) = (one.iter().skip(32 * parts), other.iter().skip(32 * parts));
    let same = 32 * parts + one_rest.zip(other_rest).take_while(|(one, other)| one == other).count();
    (same, memrchr2(b' ', b'\n', one.get(..same).unwrap_or(one)).unwrap_or_default())
}

/// Whether it is sure that two texts differ once they are masked, by what follows where they first differ, as they mostly do.
fn begins_otherwise(one: &str, other: &str) -> bool {
    // What is masked does not go on behind a blank, except for blanks, and these are the same in both.
    let (same, start) = difference(one, other);
    let is_plain_at = |text: &str| text.as_bytes().get(same).is_some_and(|byte| is_plain(*byte));
    if is_plain_at(one) && is_plain_at(other) {
        // Both stay as they are, unless they are within the path of a temporary file.
        let word = one.as_bytes().get(start..same).unwrap_or_default();
        if memmem::find(word, b"/tmp/").is_none() {
            return true;
        }
    }
    // So little says nothing for sure.
    if one.len().min(other.len()) - start < MAX_PREFIX {
        return false;
    }
    let begins = |text: &str| {
        let part = start_of(text.get(start..)?, RAW_HEAD);
        let mut out = String::with_capacity(RAW_HEAD);
        let is_sure = MAX_PREFIX <= mask(part, FORM_HEAD, &mut out);
        out.truncate(out.floor_char_boundary(FORM_HEAD));
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
    let _ = each_piece(call, &mut |piece| {
        pieces.push(piece);
        ControlFlow::Continue(())
    });
    pieces
}

/// What is done with a piece, and whether the next one is wanted.
type OfPiece<'f, 'v> = &'f mut dyn FnMut(Cow<'v, str>) -> ControlFlow<()>;

/// Goes through the pieces of the arguments of a call.
fn each_piece<'v>(call: &'v Call, of_piece: OfPiece<'_, 'v>) -> ControlFlow<()> {
    match &call.arguments {
        Arguments::Json(value) => each_of_value(value, of_piece),
        Arguments::Raw(text) => of_piece(Cow::Borrowed(text.as_str())),
    }
}

fn at(trace: &Trace, (step, call): (usize, usize)) -> Option<&Call> {
    trace.steps.get(step)?.calls.get(call)
}

/// Goes through JSON with its keys in order.
fn each_of_value<'v>(value: &'v Value, of_piece: OfPiece<'_, 'v>) -> ControlFlow<()> {
    match value {
        Value::Object(entries) if entries.keys().is_sorted() => each_of_entries(entries.iter(), of_piece),
        Value::Object(entries) => {
            // Most calls have a few.
            let mut few = [None; 8];
            let mut many = Vec::new();
            let sorted = match few.get_mut(..entries.len()) {
                Some(few) => {
                    few.iter_mut().zip(entries).for_each(|(place, entry)| *place = Some(entry));
                    few
                }
                None => {
                    many.extend(entries.iter().map(Some));
                    many.as_mut_slice()
                }
            };
            sorted.sort_unstable_by_key(|entry| entry.map(|(key, _)| key));
            each_of_entries(sorted.iter().copied().flatten(), of_piece)
        }
        Value::Array(items) => {
            of_piece(Cow::Borrowed("["))?;
            for (at, item) in items.iter().enumerate() {
                of_piece(Cow::Borrowed(if at == 0 { "" } else { ", " }))?;
                each_of_value(item, of_piece)?;
            }
            of_piece(Cow::Borrowed("]"))
        }
        Value::String(text) => of_piece(Cow::Borrowed(text.as_str())),
        other => of_piece(Cow::Owned(other.to_string())),
    }
}

fn each_of_entries<'v>(
    entries: impl Iterator<Item = (&'v String, &'v Value)>,
    of_piece: OfPiece<'_, 'v>,
) -> ControlFlow<()> {
    of_piece(Cow::Borrowed("{"))?;
    for (at, (key, value)) in entries.enumerate() {
        if at != 0 {
            of_piece(Cow::Borrowed(", "))?;
        }
        of_piece(Cow::Borrowed(key))?;
        of_piece(Cow::Borrowed(": "))?;
        each_of_value(value, of_piece)?;
    }
    of_piece(Cow::Borrowed("}"))
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
