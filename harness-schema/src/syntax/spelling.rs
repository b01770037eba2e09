//! Where the characters of a string stand in its document: as they are, or as escapes. With it a name inside of an
//! escaped string has a place of its own.

use std::sync::Arc;

use super::data::{Kind, Quote, Value};
use crate::text::Span;

/// How a string is spelled. Copies are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling(Runs);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Runs {
    /// All stands as it is.
    One(Run),
    /// In order; what means nothing, such as a line end after a backslash, is between them.
    Several(Arc<[Run]>),
}

/// Characters in a row that stand as they are, or one escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// The bytes of the string.
    text: Span,
    /// The bytes of the document.
    source: Span,
}

impl Spelling {
    /// How a string of TOML or JSON, or one that has no escapes, is spelled; `None` for anything else.
    #[must_use]
    pub fn of(value: &Value, source: &str) -> Option<Self> {
        let Kind::Text(scalar) = &value.kind else { return None };
        if let Some(span) = value.verbatim(source) {
            let text = Span::new(0, scalar.value.len());
            return Some(Self(Runs::One(Run { text, source: span })));
        }
        let escapes = match scalar.style {
            Quote::Double | Quote::TripleDouble => true,
            Quote::TripleSingle => false,
            _ => return None,
        };
        let mut inside = value.inside(source);
        let is_several = matches!(scalar.style, Quote::TripleDouble | Quote::TripleSingle);
        // TOML drops a line break right after three quotes.
        let first = inside.of(source);
        let dropped = if first.starts_with("\r\n") { 2 } else { usize::from(first.starts_with('\n')) };
        if is_several {
            inside = Span::new(inside.start as usize + dropped, inside.end as usize);
        }
        let runs = runs(inside.of(source), inside.start as usize, &scalar.value, escapes)?;
        Some(Self(Runs::Several(runs.into())))
    }

    /// The place of a part of the string.
    #[must_use]
    pub fn place(&self, part: Span) -> Span {
        let runs = match &self.0 {
            Runs::One(run) => std::slice::from_ref(run),
            Runs::Several(runs) => runs,
        };
        let holds = |at: u32| runs.partition_point(|run| run.text.end <= at);
        let start = match runs.get(holds(part.start)) {
            Some(run) if run.text.len() == run.source.len() => {
                run.source.start + (part.start - run.text.start)
            }
            Some(run) => run.source.start,
            None => runs.last().map_or(0, |run| run.source.end),
        };
        if part.is_empty() {
            return Span { start, end: start };
        }
        let end = match runs.get(holds(part.end - 1)) {
            Some(run) if run.text.len() == run.source.len() => run.source.start + (part.end - run.text.start),
            Some(run) => run.source.end,
            None => start,
        };
        Span { start, end: end.max(start) }
    }
}

/// The runs of a literal's body; `None` if it does not mean `value`, so that no wrong place is ever told.
fn runs(body: &str, base: usize, value: &str, escapes: bool) -> Option<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut raw, mut text) = (0, 0);
    while let Some(character) = body.get(raw..)?.chars().next() {
        let rest = body.get(raw..)?;
        let (length, meaning) = match character {
            '\\' if escapes => escape(rest)?,
            '\r' if rest.starts_with("\r\n") && value.get(text..)?.starts_with('\n') => (2, Some('\n')),
            other => (other.len_utf8(), Some(other)),
        };
        if let Some(meaning) = meaning {
            let after = value.get(text..)?.strip_prefix(meaning)?;
            let run = Run {
                text: Span::new(text, value.len() - after.len()),
                source: Span::new(base + raw, base + raw + length),
            };
            let is_plain = |run: &Run| run.text.len() == run.source.len();
            match runs.last_mut() {
                // An escape is never as long as what it means, so plain runs hold plain characters only.
                Some(last) if is_plain(last) && is_plain(&run) && last.source.end == run.source.start => {
                    last.text.end = run.text.end;
                    last.source.end = run.source.end;
                }
                _ => runs.push(run),
            }
            text = value.len() - after.len();
        }
        raw += length;
    }
    (text == value.len()).then_some(runs)
}

/// The length and meaning of the escape that a text starts with, in TOML and JSON.
fn escape(rest: &str) -> Option<(usize, Option<char>)> {
    let code = |from: usize, digits: usize| u32::from_str_radix(rest.get(from..from + digits)?, 16).ok();
    let letter = rest.get(1..)?.chars().next()?;
    let meaning = match letter {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'e' => '\u{1b}',
        'x' => return Some((4, Some(char::from_u32(code(2, 2)?)?))),
        'U' => return Some((10, Some(char::from_u32(code(2, 8)?)?))),
        'u' => {
            let first = code(2, 4)?;
            if let Some(character) = char::from_u32(first) {
                return Some((6, Some(character)));
            }
            // JSON writes what is beyond four digits as a pair.
            let second = rest.get(6..8).filter(|mark| *mark == "\\u").and_then(|_| code(8, 4))?;
            let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            return Some((12, Some(char::decode_utf16(pair).next()?.ok()?)));
        }
        // A backslash at a line's end takes all white space up to the next character.
        ' ' | '\t' | '\r' | '\n' => {
            let after = rest.get(1..)?.trim_start_matches([' ', '\t', '\r', '\n']);
            return Some((rest.len() - after.len(), None));
        }
        other => other,
    };
    Some((1 + letter.len_utf8(), Some(meaning)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn spelled(source: &str, part: &str) -> Vec<String> {
        let tree = super::super::toml::parse(source);
        let value = tree.root.get("a").unwrap();
        let text = value.as_text().unwrap();
        let spelling = Spelling::of(value, source).unwrap();
        let found = text.match_indices(part);
        found.map(|(at, _)| spelling.place(Span::new(at, at + part.len())).of(source).to_owned()).collect()
    }

    #[test]
    fn parts_of_escaped_strings_have_places() {
        assert_eq!(spelled(r#"a = "x {{ style }}\n{{ style }}""#, "style"), ["style", "style"]);
        assert_eq!(spelled(r#"a = "st\u0079le é\tstyle""#, "style"), ["st\\u0079le", "style"]);
        assert_eq!(spelled("a = \"\"\"\nx \\\n   style \\\"\"\"\"", "style"), ["style"]);
        assert_eq!(spelled("a = \"\"\"\r\nx\r\nstyle\r\n\"\"\"", "style"), ["style"]);
        assert_eq!(spelled("a = '''\r\nx\r\nstyle\r\n'''", "style"), ["style"]);
        assert_eq!(spelled("a = 'style'", "style"), ["style"]);
        assert_eq!(spelled(r#"a = "\U0001F600style""#, "style"), ["style"]);
    }

    #[test]
    fn json_writes_what_is_far_as_a_pair() {
        let source = r#"{"a": "\ud83d\ude00\/style\""}"#;
        let tree = super::super::json::parse(source);
        let value = tree.root.get("a").unwrap();
        let at = value.as_text().unwrap().find("style").unwrap();
        let place = Spelling::of(value, source).unwrap().place(Span::new(at, at + 5));
        assert_eq!(place.of(source), "style");
    }
}
