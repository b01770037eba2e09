//! Errors in our words: which statement they are about, where they are shown, and which of them swallowed what follows.

use toml_parser::{Expected, ParseError};

use super::build::Builder;
use crate::syntax::data::SyntaxError;
use crate::syntax::recovery::line_around;
use crate::text::Span;

impl Builder<'_> {
    /// An error in our words, and the statement that it is about.
    pub(super) fn explain(&self, error: &ParseError) -> (SyntaxError, Option<usize>) {
        let unexpected = error.unexpected().map(|span| Span::new(span.start(), span.end()).offset(self.base));
        let context = error.context().map(|span| span.start() + self.base);
        let at = unexpected.map(|span| span.start as usize).or(context);
        let at = at.unwrap_or(self.base).min(self.source.len());
        let line = line_around(self.source, at);
        let index = self.statements.partition_point(|statement| statement.span.start as usize <= at);
        // A statement may begin after the error on its own line (`= 4`, `]`).
        let statement = index.checked_sub(1).filter(|index| {
            self.statements.get(*index).is_some_and(|statement| {
                line.start <= statement.span.end && (statement.span.start as usize) <= at
            })
        });
        let shown = statement.and_then(|at| self.statements.get(at)).map(|statement| {
            let key = statement.key.of(self.source);
            if 60 < key.chars().count() { String::from("…") } else { key.to_owned() }
        });
        let rest = self.source.get(at..line.end as usize).unwrap_or_default();
        let nothing_follows = rest.trim().is_empty() && unexpected.is_none_or(Span::is_empty);
        let message = match (error.description(), shown) {
            ("string values must be quoted", Some(key)) if nothing_follows => {
                format!("expected a value after `{key} =`")
            }
            ("string values must be quoted", _) => String::from("a text must be quoted"),
            ("missing value", Some(key)) => format!("expected a value after `{key} =`"),
            ("key with no value" | "missing value for key", Some(key)) => {
                format!("expected `=` and a value after `{key}`")
            }
            ("missing value", None) => String::from("expected a value"),
            (description, _) => {
                let expected: Vec<String> = error
                    .expected()
                    .unwrap_or_default()
                    .iter()
                    .map(|expected| match expected {
                        Expected::Literal(text) if *text == "\n" => String::from("a line break"),
                        Expected::Literal(text) => format!("`{text}`"),
                        Expected::Description(text) => (*text).to_owned(),
                        _ => String::from("something else"),
                    })
                    .collect();
                if expected.is_empty() {
                    description.to_owned()
                } else {
                    format!("{description}, expected {}", expected.join(" or "))
                }
            }
        };
        let unexpected = unexpected.unwrap_or(Span::at(at));
        let statement_span =
            statement.and_then(|at| self.statements.get(at)).map_or(line, |statement| statement.span);
        let region = line.cover(statement_span);
        let span = visible(self.source, unexpected, statement_span, line);
        (SyntaxError { span, region, message }, statement)
    }

    /// Whether a statement with an error goes over a line that looks like the start of another one.
    pub(super) fn swallows(&self, at: usize) -> bool {
        let Some(statement) = self.statements.get(at) else { return false };
        statement.value_start.is_some() && next_statement(self.source, statement.span).is_some()
    }

    /// The error for a value that swallowed the statements behind it.
    pub(super) fn runaway(&self, at: usize) -> Option<SyntaxError> {
        let statement = self.statements.get(at)?;
        let value = statement.value_start? as usize;
        let end = next_statement(self.source, statement.span)?;
        let opening = self.source.get(value..)?.chars().next()?;
        let message = match opening {
            '[' => String::from("`[` is never closed"),
            '{' => String::from("`{` is never closed"),
            quote => format!("`{quote}` is never closed"),
        };
        let region = Span::new(value, end);
        let span = Span::new(value, value + opening.len_utf8());
        Some(SyntaxError { span, region, message })
    }
}

/// Where an error is shown: the unexpected bytes, or the last character before them if there is nothing to see.
fn visible(source: &str, unexpected: Span, statement: Span, line: Span) -> Span {
    let text = unexpected.of(source);
    if !text.trim().is_empty() && !text.contains('\n') {
        return unexpected;
    }
    let before = source.get(line.start as usize..unexpected.start as usize).unwrap_or_default();
    let end = line.start as usize + before.trim_end().len();
    let start = statement.start.max(line.start) as usize;
    if start < end { Span::new(start, end) } else { Span::new(line.start as usize, line.end as usize) }
}

/// The start of the first line inside a statement, after its first, that looks like another statement.
fn next_statement(source: &str, statement: Span) -> Option<usize> {
    let mut at = statement.start as usize;
    while let Some(next) = memchr::memchr(b'\n', source.as_bytes().get(at..statement.end as usize)?) {
        at += next + 1;
        let line = source.get(at..)?.lines().next().unwrap_or_default();
        if looks_like_statement(line) && at < statement.end as usize {
            return Some(at);
        }
    }
    None
}

fn looks_like_statement(line: &str) -> bool {
    if line.starts_with('[') {
        let inner = line.trim_end().trim_start_matches('[');
        return inner.ends_with(']')
            && inner.starts_with(|char: char| char.is_ascii_alphabetic())
            && !inner.contains([',', '"']);
    }
    let key_end = line.find(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')));
    key_end.is_some_and(|end| 0 < end && line[end..].trim_start().starts_with('=') && !line.starts_with(' '))
}
