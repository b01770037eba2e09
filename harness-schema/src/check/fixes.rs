//! How fixes are made: what to replace, and which bytes go when something is removed.

use crate::problem::{Fix, FixClass, Location, distance, nearest, within};
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

/// The one name that a word is a slip of: within 2 edits, few for words so short, and no other is as near as that. A
/// fix that takes it needs no look.
pub(super) fn certain<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_slip = |name: &&str| distance(word, name) * 3 <= word.chars().count().max(name.chars().count());
    let within = within(word, names, 2);
    match within.as_slice() {
        [only] => Some(*only).filter(is_slip),
        _ => None,
    }
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

/// The line break that a text uses.
pub(super) fn line_break(source: &str) -> &'static str {
    match source.find('\n') {
        Some(at) if source.get(..at).is_some_and(|line| line.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

/// Removes an entry, an item or a table, and nothing beside it: its lines (see [`statement`]), or its part of a line with the
/// comma that belongs to it. Nothing if what is not meant stands in between.
pub(super) fn remove(
    class: FixClass,
    title: impl Into<String>,
    document: &Document,
    span: Span,
) -> Option<Fix> {
    let span = removable(document, span)?;
    Some(Fix::replace(class, title, &Location::new(document.path(), span), ""))
}

/// The bytes of [`remove`].
pub(super) fn removable(document: &Document, span: Span) -> Option<Span> {
    let source = document.source();
    let text = document.text();
    let first = text.line_span(text.line_of(span.start as usize));
    let last = text.line_span(text.line_of((span.end as usize).max(span.start as usize + 1) - 1));
    let before = source.get(first.start as usize..span.start as usize)?.trim_start_matches('\u{feff}').trim();
    let after = source.get(span.end as usize..last.end as usize)?.trim();
    // The keys before a dotted one are on its line.
    let leads = before.is_empty() || (before.ends_with('.') && !before.contains(['{', '=', ',', '[']));
    if leads && (after.is_empty() || after.starts_with('#')) {
        let inner = span.of(source);
        return holds_only_itself(inner).then(|| statement(document, span));
    }
    between_commas(source, span)
}

/// Whether the lines of a table hold no header of another one.
fn holds_only_itself(table: &str) -> bool {
    let name = |header: &str| header.trim_matches(['[', ']', ' ', '\t']).to_owned();
    let mut headers = table.lines().map(str::trim).filter(|line| line.starts_with('['));
    match headers.next() {
        // A table that is opened by its header; others are its parts.
        Some(own) if table.starts_with('[') => {
            let own = name(own.split(']').next().unwrap_or_default());
            headers.all(|header| {
                name(header.split(']').next().unwrap_or_default())
                    .strip_prefix(own.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            })
        }
        Some(_) => false,
        None => true,
    }
}

/// Something between braces or brackets with the comma after it, or else the one before it.
fn between_commas(source: &str, span: Span) -> Option<Span> {
    let (start, end) = (span.start as usize, span.end as usize);
    let after = source.get(end..)?;
    let rest = after.trim_start();
    if let Some(rest) = rest.strip_prefix(',') {
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        return Some(Span::new(start, source.len() - rest.len() + blank));
    }
    if !rest.starts_with(['}', ']']) {
        return None;
    }
    let before = source.get(..start)?.trim_end();
    Some(Span::new(before.strip_suffix(',').map_or(start, |before| before.trim_end().len()), end))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::FilePath;

    fn without(text: &str, part: &str) -> Option<String> {
        let document = Document::new(FilePath::parse("harness.toml").unwrap(), text.into());
        let start = text.find(part).unwrap();
        let span = removable(&document, Span::new(start, start + part.len()))?;
        Some(format!("{}{}", &text[..span.start as usize], &text[span.end as usize..]))
    }

    #[test]
    fn only_what_is_meant_goes() {
        let removed =
            |text: &str, part: &str, left: &str| assert_eq!(without(text, part).as_deref(), Some(left));
        removed("v = { team = \"core\", tone = \"kind\" }\n", "team = \"core\"", "v = { tone = \"kind\" }\n");
        removed("v = { team = \"core\", tone = \"kind\" }\n", "tone = \"kind\"", "v = { team = \"core\" }\n");
        removed("p = { s = 1, v = { a = 1 } }\n", "a = 1", "p = { s = 1, v = {  } }\n");
        removed("allow = [{ a = 1 },\n  { b = 1 }]\n", "{ b = 1 }", "allow = [{ a = 1 }]\n");
        removed("a = 1\nb = 2 # why\nc = 3\n", "b = 2", "a = 1\nc = 3\n");
        removed("agent.argv = [1]\nagent.kind = \"x\"\n", "argv = [1]", "agent.kind = \"x\"\n");
        removed("[a]\nx = 1\n\n[[a.b]]\ny = 2\n\n[c]\n", "[a]\nx = 1\n\n[[a.b]]\ny = 2", "[c]\n");
    }

    #[test]
    fn what_holds_something_else_stays() {
        assert_eq!(
            without("[a]\nx = 1\n[b]\ny = 1\n[[a.c]]\nz = 1\n", "[a]\nx = 1\n[b]\ny = 1\n[[a.c]]\nz = 1"),
            None
        );
        assert_eq!(without("[a]\nx = 1\n[ab]\ny = 1\n", "[a]\nx = 1\n[ab]\ny = 1"), None);
    }
}
