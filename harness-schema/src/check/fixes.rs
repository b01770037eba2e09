//! How fixes are made: what is nearest, what to replace and what to remove.

use crate::edit::removal;
use crate::problem::{Change, Fix, FixClass, Location, nearest};
use crate::syntax::Document;
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

/// Replaces what a string of a document says: between its quotes, or, where escapes come between, with new quotes.
pub(super) fn replace_string(class: FixClass, document: &Document, span: Span, text: &str) -> Fix {
    let is_quoted = span.of(document.source()).starts_with(['"', '\'']);
    let new_text = if is_quoted { format!("{text:?}") } else { text.to_owned() };
    Fix::replace(class, format!("Replace with `{text}`"), &Location::new(document.path(), span), new_text)
}

/// Removes an entry, by the span of its key, or an item of a list, by its own; none if that cannot be done cleanly.
pub(super) fn remove(
    class: FixClass,
    title: impl Into<String>,
    document: &Document,
    at: Span,
) -> Option<Fix> {
    remove_all(class, title, document, &[at])
}

/// The same for several of one table or list.
pub(super) fn remove_all(
    class: FixClass,
    title: impl Into<String>,
    document: &Document,
    at: &[Span],
) -> Option<Fix> {
    let edit = |edit| Change::Edit { file: document.path().clone(), edit };
    let changes = removal(document, at)?.into_iter().map(edit).collect();
    Some(Fix { title: title.into(), class, changes })
}
