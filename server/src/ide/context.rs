//! Where in a document the cursor stands: in which table, at a key or a value, in which tag.
//!
//! It reads the text around the cursor, not the tree: where somebody writes, little parses.

pub mod json;
pub mod toml;

use harness_schema::syntax::data::{Kind, Value};
use harness_schema::text::Span;

/// The place of a cursor in a data document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The keys from the top to the table, without indices: `["orchestration", "state"]`.
    pub table: Vec<String>,
    /// What is written at the cursor.
    pub spot: Spot,
    /// What is written so far.
    pub word: Word,
    /// Whether the cursor is between quotes.
    pub quoted: bool,
    /// The texts and numbers that stand before the cursor in the list that it is in, as written, without quotes.
    pub before: Vec<String>,
}

/// What is written at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Spot {
    /// The last part of a header: `[table.|]`, or, of a list of tables, `[[list.|]]`.
    Header {
        /// Whether the brackets are double.
        list: bool,
    },
    /// A key.
    #[default]
    Key,
    /// The value of a key, or an item of it.
    Value(String),
}

/// A word that is being written, without quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Up to the cursor.
    pub typed: Span,
    /// With the rest of it behind the cursor.
    pub whole: Span,
}

impl Word {
    /// The word that starts at `start` and goes on behind the cursor while `is_part` holds.
    fn new(source: &str, start: usize, cursor: usize, is_part: impl Fn(char) -> bool) -> Self {
        let rest = source.get(cursor..).unwrap_or_default();
        let end = cursor + rest.find(|char| !is_part(char)).unwrap_or(rest.len());
        Self { typed: Span::new(start, cursor), whole: Span::new(start, end) }
    }

    /// The word without its first bytes.
    #[must_use]
    pub fn behind(self, bytes: usize) -> Self {
        let cut = |span: Span| Span::new(span.start as usize + bytes, span.end as usize);
        Self { typed: cut(self.typed), whole: cut(self.whole) }
    }
}

/// The table that holds the cursor, by the keys that lead to it, as far as it parses.
#[must_use]
pub fn table_at<'a>(root: &'a Value, keys: &[String], offset: usize) -> Option<&'a Value> {
    keys.iter().try_fold(root, |value, key| {
        let inner = value.get(key)?;
        let Some(items) = inner.as_list() else { return Some(inner) };
        // What is being written at the end of a table is not part of it yet.
        items.iter().rev().find(|item| item.span.start as usize <= offset)
    })
}

/// Whether an offset is inside of a string.
fn is_in_text(value: &Value, offset: usize) -> bool {
    let span = value.span;
    match &value.kind {
        Kind::Text(_) => (span.start as usize) < offset && offset < span.end as usize,
        Kind::Table(table) => table.entries.iter().any(|entry| is_in_text(&entry.value, offset)),
        Kind::List(list) => list.items.iter().any(|item| is_in_text(item, offset)),
        _ => false,
    }
}

/// Where the name begins that ends at the end of a text.
fn name_start(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.char_indices().rev().take_while(|(_, char)| is_part(*char)).last().map_or(text.len(), |(at, _)| at)
}

/// The name at the cursor in an expression tag, `{{ task.ins`, if it is in one.
#[must_use]
pub fn in_tag(source: &str, offset: usize) -> Option<Word> {
    let before = source.get(..offset)?;
    let open = before.rfind("{{").max(before.rfind("{%"))?;
    let inside = before.get(open + 2..)?;
    if inside.contains("}}") || inside.contains("%}") || inside.contains('\n') {
        return None;
    }
    let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.');
    Some(Word::new(source, open + 2 + name_start(inside, is_part), offset, is_part))
}

/// The word of inline code at the cursor, if a backtick opened it on this line.
#[must_use]
pub fn in_code(source: &str, offset: usize) -> Option<Word> {
    let before = source.get(..offset)?;
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let line_text = before.get(line..)?;
    let ticks = line_text.matches('`').count();
    let tick = line_text.rfind('`').filter(|_| ticks % 2 == 1)?;
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    line_text
        .get(tick + 1..)?
        .chars()
        .all(is_part)
        .then(|| Word::new(source, line + tick + 1, offset, is_part))
}
