//! What the targets share: how an input is cut into pieces, and what holds for every place in a text. Finds nothing itself.

pub mod wire;

use harness_schema::syntax::data::{Kind, SyntaxError, Tree, Value};
use harness_schema::syntax::{Document, Syntax};
use harness_schema::text::{Span, TextEdit};

/// What stands between the pieces of an input. No UTF-8 text has this byte, so a piece may hold any text.
const BETWEEN: u8 = 0xFF;

/// The pieces of an input, at least one.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == BETWEEN)
}

/// A piece as text. What is no UTF-8 becomes U+FFFD, so that no input is thrown away.
#[must_use]
pub fn text(piece: &[u8]) -> String {
    String::from_utf8_lossy(piece).into_owned()
}

/// The first line of a piece, and what follows.
#[must_use]
pub fn first_line(piece: &[u8]) -> (String, &[u8]) {
    match piece.iter().position(|byte| *byte == b'\n') {
        Some(at) => (text(&piece[..at]), &piece[at + 1..]),
        None => (text(piece), &[]),
    }
}

/// Takes a number below `limit` off a piece; 0 once it is used up.
pub fn number(piece: &mut &[u8], limit: usize) -> usize {
    let mut number = 0;
    for _ in 0..2 {
        if let Some((first, rest)) = piece.split_first() {
            number = number * 256 + usize::from(*first);
            *piece = rest;
        }
    }
    number % limit.max(1)
}

/// The start of the character that holds an offset.
#[must_use]
pub fn floor(source: &str, offset: usize) -> usize {
    source.floor_char_boundary(offset)
}

/// An edit of a text: two numbers, which are its start and its length, and the new text.
#[must_use]
pub fn edit(source: &str, mut piece: &[u8]) -> TextEdit {
    let start = floor(source, number(&mut piece, source.len() + 1));
    let end = floor(source, start + number(&mut piece, source.len() - start + 1));
    TextEdit { span: Span::new(start, end), new_text: text(piece) }
}

/// The name of a document in the format that a byte stands for; a letter, in a seed, or any other byte.
#[must_use]
pub fn name(format: u8) -> &'static str {
    const NAMES: [(u8, &str); 6] = [
        (b't', "a.toml"),
        (b'y', "a.yaml"),
        (b'j', "a.json"),
        (b'm', "a.md"),
        (b'p', "a.py"),
        (b'x', "a.txt"),
    ];
    let letter = NAMES.iter().find(|(letter, _)| *letter == format);
    letter.unwrap_or(&NAMES[usize::from(format) % NAMES.len()]).1
}

/// A span lies in its text, between characters.
#[track_caller]
pub fn assert_span(source: &str, span: Span) {
    assert!(source.get(span.range()).is_some(), "{span:?} is no place in {source:?}");
}

/// Spans lie in their text, in order.
#[track_caller]
pub fn assert_spans(source: &str, spans: impl IntoIterator<Item = Span>) {
    let mut last = 0;
    for span in spans {
        assert_span(source, span);
        assert!(last <= span.start, "{span:?} comes after a place that starts at {last} in {source:?}");
        last = span.start;
    }
}

/// Errors have their places, and words.
#[track_caller]
pub fn assert_errors(source: &str, errors: &[SyntaxError]) {
    for error in errors {
        assert_span(source, error.span);
        assert_span(source, error.region);
        assert!(!error.message.is_empty());
    }
}

/// A tree of data has its places.
pub fn assert_tree(source: &str, tree: &Tree) {
    assert_errors(source, &tree.errors);
    assert_spans(source, tree.comments.iter().copied());
    assert_value(source, &tree.root);
}

fn assert_value(source: &str, value: &Value) {
    assert_span(source, value.span);
    match &value.kind {
        Kind::Table(table) => {
            for header in &table.headers {
                assert_span(source, *header);
            }
            for entry in &table.entries {
                assert_span(source, entry.key.span);
                assert_span(source, entry.span());
                assert_value(source, &entry.value);
            }
        }
        Kind::List(list) => list.items.iter().for_each(|item| assert_value(source, item)),
        Kind::Text(scalar) => {
            if let Some(span) = value.verbatim(source) {
                assert_eq!(source.get(span.range()), Some(&*scalar.value));
                assert!(value.span.contains(span));
            }
        }
        _ => {}
    }
}

/// What does not parse in a document.
#[must_use]
pub fn errors(document: &Document) -> &[SyntaxError] {
    match document.syntax() {
        Syntax::Data(tree) => &tree.errors,
        Syntax::Markdown(tree) => {
            tree.front_matter.as_ref().map(|front| front.data.errors.as_slice()).unwrap_or_default()
        }
        Syntax::Python(tree) => &tree.errors,
        Syntax::Plain => &[],
    }
}
