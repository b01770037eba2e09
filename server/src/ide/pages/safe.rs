//! Texts of agents, tools, models and documents, made fit for a page: in fences, and with everything seen.

use crate::engine::report::text::line;
use crate::engine::unseen::is_hidden;

/// At most so many characters of one text are on a page.
pub(super) const MOST: usize = 8_000;

/// A text in which everything is seen: what steers, hides or turns others around is written as `\u{…}`. Line breaks and tabs stay.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => out.push(char),
            _ if char.is_control() || is_hidden(char) => out.extend(char.escape_unicode()),
            _ => out.push(char),
        }
    }
    out
}

/// A text in a fence that is longer than any in it; a long one is cut, and says so.
pub(super) fn fenced(text: &str, language: &str) -> String {
    let (kept, cut) = match text.char_indices().nth(MOST) {
        Some((end, _)) => text.split_at(end),
        None => (text, ""),
    };
    let kept = visible(kept);
    let longest = kept.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    let more = match cut.chars().count() {
        0 => String::new(),
        count => format!("\n… {count} more characters"),
    };
    format!("{fence}{language}\n{}{more}\n{fence}\n", kept.trim_end_matches('\n'))
}

/// A name between backticks: it does not end them, and holds nothing that nobody sees.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", line(text).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_is_seen() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b\r\n\tc\rd"), "a\\u{1b}[31m\\u{202e}b\n\tc\\u{d}d");
        assert_eq!(code("a`b\nc"), "`a'b c`");
    }

    #[test]
    fn what_is_cut_is_counted() {
        let text = fenced(&"ä".repeat(MOST + 7), "text");
        assert!(text.ends_with("ä\n… 7 more characters\n```\n"), "{text}");
    }

    proptest! {
        #[test]
        fn ux_39_no_text_leaves_its_fence(text in "[`~a\n\r\u{1b}\u{202e}!\\[\\]() ]{0,80}") {
            let page = fenced(&text, "text");
            let lines: Vec<&str> = page.lines().collect();
            let (first, last) = (lines[0], lines[lines.len() - 1]);
            let fence = first.trim_end_matches("text");
            prop_assert_eq!(fence, last);
            let ends = |line: &&&str| line.trim_start().starts_with(fence);
            prop_assert_eq!(lines[1..lines.len() - 1].iter().filter(ends).count(), 0);
            let steers = page.contains(['\u{1b}', '\u{202e}', '\r']);
            prop_assert!(!steers);
        }
    }
}
