//! Text of documents made fit for a terminal: nothing that steers it, nothing that hides, and no keys.

use std::borrow::Cow;

use harness_schema::text::Span;

pub use crate::engine::unseen::visible;

use crate::engine::unseen::is_hidden;

/// A part of a document for an excerpt; it starts at byte `from`. What comes out has the same length in bytes, and each
/// character starts where it started, so spans stay right; lines are those of the document.
#[must_use]
pub fn printable<'a>(source: &'a str, from: usize, secrets: &[Span]) -> Cow<'a, str> {
    let is_secret = |at: usize| secrets.iter().any(|span| span.range().contains(&(from + at)));
    let is_plain = |char: char| !is_hidden(char) && char != '\r';
    if secrets.is_empty() && source.chars().all(is_plain) {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    for (at, char) in source.char_indices() {
        match char {
            '\n' => out.push(char),
            // A lone CR ends a line for us and for editors; for the library that draws excerpts only LF does.
            '\r' => out.push(if source[at + 1..].starts_with('\n') { '\r' } else { '\n' }),
            _ if is_secret(at) => out.extend(std::iter::repeat_n('*', char.len_utf8())),
            // A byte order mark takes no room.
            '\u{feff}' if from + at == 0 => out.push(char),
            _ if is_hidden(char) => out.push_str(stand_in(char.len_utf8())),
            _ => out.push(char),
        }
    }
    Cow::Owned(out)
}

/// Something to be seen that is so many bytes long.
fn stand_in(bytes: usize) -> &'static str {
    match bytes {
        2 => "\u{b7}",
        3 => "\u{fffd}",
        _ => "\u{b7}\u{b7}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_covered_and_lines_stay() {
        let source = "key = \"sk-1234\nsk-5678\"\n";
        let shown = printable(source, 0, &[Span::new(7, 22)]);
        assert_eq!(shown, "key = \"*******\n*******\"\n");
        assert_eq!(printable(&source[15..], 15, &[Span::new(7, 22)]), "*******\"\n");
    }

    #[test]
    fn what_steers_a_terminal_is_seen() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\nd");
        assert_eq!(printable("a\u{200b}b\u{202e}c\u{e0041}", 0, &[]), "a\u{fffd}b\u{fffd}c\u{b7}\u{b7}");
        assert_eq!(printable("a\rb\r\nc", 0, &[]), "a\nb\r\nc");
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        assert!(matches!(printable("naïve 👩‍💻 漢字\n", 0, &[]), Cow::Borrowed(_)));
        assert!(matches!(visible("naïve 👩‍💻 漢字\n"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn every_character_stays_where_it_was(source in "\\PC{0,40}|[\\x00-\u{a0}\u{2000}-\u{2070}\u{e0000}-\u{e0080}\r\n]{0,40}",
                                              start in 0usize..40, length in 0usize..20) {
            let shown = printable(&source, 0, &[Span::new(start, start + length)]);
            prop_assert_eq!(shown.len(), source.len());
            for (at, _) in source.char_indices() {
                prop_assert!(shown.is_char_boundary(at));
            }
            let after_mark = shown.trim_start_matches('\u{feff}');
            prop_assert!(!after_mark.contains(is_hidden));
            prop_assert!(shown.len() - after_mark.len() <= 3);
        }
    }
}
