//! TOML 1.1 from the tokens and events of `toml_parser`, as a tree with spans.
//!
//! A statement that does not parse is lost alone: its key stays with a broken value, and all others are read.

mod build;
mod explain;
mod near;

use std::borrow::Cow;

use toml_parser::parser::{Event, EventKind, RecursionGuard, parse_document};
use toml_parser::{ParseError, Source};

use self::build::Builder;
use super::data::{SyntaxError, Tree};
use super::recovery::blank;
use crate::text::{Span, TextEdit};

/// Deeper values and longer keys are errors (`security` 6.4).
pub const MAX_DEPTH: usize = 128;

/// How many runaway values (an unclosed bracket or quote) are blanked before parsing gives up on the rest.
const MAX_MASKS: usize = 16;

/// Reads TOML.
#[must_use]
pub fn parse(source: &str) -> Tree {
    let mut masked: Cow<'_, str> = Cow::Borrowed(source);
    let mut runaways: Vec<SyntaxError> = Vec::new();
    for _ in 0..MAX_MASKS {
        let (tree, runaway) = parse_once(&masked, source);
        match runaway {
            Some(runaway) => {
                masked = Cow::Owned(blank(&masked, runaway.region));
                runaways.push(runaway);
            }
            None => return with_runaways(tree, runaways),
        }
    }
    with_runaways(parse_once(&masked, source).0, runaways)
}

/// The tree of a text after an edit, from the tree before it. Only what stands below the header around the edit is parsed
/// again, where the rest certainly stays as it is.
#[must_use]
pub fn edited(tree: &Tree, before: &str, edit: &TextEdit, after: &str) -> Tree {
    near::edited(tree, before, edit, after).unwrap_or_else(|| parse(after))
}

fn with_runaways(mut tree: Tree, runaways: Vec<SyntaxError>) -> Tree {
    if runaways.is_empty() {
        return tree;
    }
    // What was blanked is missing now, which is no second error.
    tree.errors.retain(|error| {
        !runaways.iter().any(|runaway| {
            runaway.region.touches(error.span.start as usize)
                || error.region.touches(runaway.region.start as usize)
        })
    });
    tree.errors.extend(runaways);
    tree.errors.sort_by_key(|error| error.span);
    tree
}

/// One pass; a value that runs over the next statement is reported instead of what it swallowed.
fn parse_once(text: &str, source: &str) -> (Tree, Option<SyntaxError>) {
    let whole = Span::new(0, text.len());
    let (events, errors) = events(text, whole);
    let mut builder = Builder::new(text, source, whole);
    builder.run(&events);
    builder.errors.extend(errors);
    builder.finish()
}

/// The events of a part of a text; their places are offsets in the part.
fn events(text: &str, part: Span) -> (Vec<Event>, Vec<ParseError>) {
    let tokens = Source::new(part.of(text)).lex().into_vec();
    let mut events: Vec<Event> = Vec::with_capacity(tokens.len());
    let mut errors: Vec<ParseError> = Vec::new();
    let limit = u32::try_from(MAX_DEPTH).unwrap_or(u32::MAX);
    parse_document(&tokens, &mut RecursionGuard::new(&mut events, limit), &mut errors);
    (events, errors)
}

fn is_header(event: &Event) -> bool {
    matches!(event.kind(), EventKind::StdTableOpen | EventKind::ArrayTableOpen)
}

#[cfg(test)]
mod tests;
