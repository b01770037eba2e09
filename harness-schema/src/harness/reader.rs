//! Reads the manifest's tree: values with their places, and the files that patterns name.

use std::ops::Range;

use ecow::EcoString;

use crate::files::Files;
use crate::glob::Glob;
use crate::path::FilePath;
use crate::syntax::data::{Entry, Value};
use crate::syntax::spelling::Spelling;
use crate::text::Span;

/// A document that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) file: &'a FilePath,
    pub(super) source: &'a str,
}

impl Reader<'_> {
    /// A string's own characters, as they are written between its quotes.
    pub(super) fn inside(self, value: &Value) -> Span {
        value.inside(self.source)
    }

    /// The place of a part of a string; `None` where the string is written in a way that hides its parts.
    pub(super) fn part(self, value: &Value, part: Range<usize>) -> Option<Span> {
        Some(Spelling::of(value, self.source)?.place(Span::new(part.start, part.end)))
    }

    /// A key's own characters, without quotes.
    pub(super) fn key(self, entry: &Entry) -> Span {
        let span = entry.key.span;
        let text = span.of(self.source);
        let quoted = |quote: char| 2 <= text.len() && text.starts_with(quote) && text.ends_with(quote);
        if quoted('"') || quoted('\'') {
            Span::new(span.start as usize + 1, span.end as usize - 1)
        } else {
            span
        }
    }
}

pub(super) fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_list).unwrap_or_default().iter()
}

pub(super) fn entries(value: Option<&Value>) -> impl Iterator<Item = &Entry> {
    value.and_then(Value::as_table).map(|table| table.entries.as_slice()).unwrap_or_default().iter()
}

/// Whether the built-in agent runs this harness: by itself, or as an agent of Harbor's.
pub(crate) fn is_native(root: &Value) -> bool {
    match root.at(&["agent", "kind"]).and_then(Value::as_text) {
        None | Some("native") => true,
        Some("harbor") => root.at(&["agent", "agent"]).and_then(Value::as_text) == Some(BUILT_IN),
        Some(_) => false,
    }
}

/// The built-in agent as an agent of Harbor's.
const BUILT_IN: &str = "self-harness";

/// The files that a path or pattern names, by path.
pub(super) fn matching(files: &Files, written: &str) -> Vec<FilePath> {
    let Ok(path) = FilePath::parse(written) else { return Vec::new() };
    if !is_pattern(files, &path) {
        return files.is_file(&path).then_some(path).into_iter().collect();
    }
    let glob = Glob::new(path.as_str());
    // Only what is below the pattern's fixed directory can match.
    let below = FilePath::parse(glob.directory()).unwrap_or_else(|_| FilePath::root());
    files.below(&below).filter(|path| glob.matches(path.as_str())).cloned().collect()
}

/// Whether a path as written stands for other paths; one that is there as it is written stands for itself.
pub(super) fn is_pattern(files: &Files, path: &FilePath) -> bool {
    Glob::new(path.as_str()).is_pattern() && !files.is_file(path)
}

/// Longer names than so many bytes are joined on the heap.
const MOST_JOINED: usize = 64;

/// Parts of a name as one text. Names are put together at each keystroke, and formats cost more than what they join.
pub(super) fn joined(parts: &[&str]) -> EcoString {
    let mut buffer = [0; MOST_JOINED];
    let mut rest = buffer.as_mut_slice();
    for part in parts {
        let Some((place, after)) = rest.split_at_mut_checked(part.len()) else {
            return parts.concat().into();
        };
        place.copy_from_slice(part.as_bytes());
        rest = after;
    }
    let left = rest.len();
    let text = buffer.get(..MOST_JOINED - left).and_then(|text| std::str::from_utf8(text).ok());
    text.unwrap_or_default().into()
}
