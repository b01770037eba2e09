//! How fixes are made: what to replace, and which bytes go when something is removed.

use crate::problem::{Fix, FixClass, Location, nearest};
use crate::syntax::Document;
use crate::syntax::data::Value;
use crate::text::Span;

/// ``; did you mean `name`?``, or nothing.
pub(super) fn did_you_mean(near: Option<&str>) -> String {
    near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The name nearest to `word`, for a message and a fix.
pub(super) fn near<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, names.into_iter().filter(|name| !name.is_empty() && *name != word))
}

/// ``Replace with `name` ``.
pub(super) fn replace_with(class: FixClass, at: &Location, name: &str) -> Fix {
    Fix::replace(class, format!("Replace with `{name}`"), at, name)
}

/// Removes whole lines; see [`statement`].
pub(super) fn remove(class: FixClass, title: impl Into<String>, document: &Document, span: Span) -> Fix {
    Fix::replace(class, title, &Location::new(document.path(), statement(document, span)), "")
}

/// The lines of a statement or table with their line breaks, and the blank lines that would be left double.
pub(super) fn statement(document: &Document, span: Span) -> Span {
    let text = document.text();
    let first = text.line_of(span.start as usize);
    let last = text.line_of((span.end as usize).max(span.start as usize + 1) - 1);
    let is_blank = |line: usize| {
        line < text.line_count() && text.line_span(line).of(document.source()).trim().is_empty()
    };
    let mut after = last + 1;
    let preceded = first == 0 || is_blank(first - 1);
    while preceded && after + 1 < text.line_count() && is_blank(after) {
        after += 1;
    }
    let mut start = text.line_start(first);
    let end = text.line_start(after);
    // At the end of the text it is the blank lines before that would be left.
    if end == text.len() && 0 < first {
        let mut line = first;
        while 0 < line && is_blank(line - 1) {
            line -= 1;
        }
        start = text.line_start(line);
    }
    Span::new(start, end)
}

/// An item of a list with the comma and blanks that belong to it.
#[must_use]
pub fn item(source: &str, list: &Value, index: usize) -> Option<Span> {
    let items = list.as_list()?;
    let span = items.get(index)?.span;
    if let Some(next) = items.get(index + 1) {
        return Some(Span { start: span.start, end: next.span.start });
    }
    if let Some(previous) = index.checked_sub(1).and_then(|before| items.get(before)) {
        return Some(Span { start: previous.span.end, end: span.end });
    }
    // The only item: a trailing comma goes with it.
    let rest = source.get(span.end as usize..list.span.end as usize)?;
    let comma = rest.find(',').filter(|at| rest[..*at].trim().is_empty()).map_or(0, |at| at + 1);
    Some(Span::new(span.start as usize, span.end as usize + comma))
}
