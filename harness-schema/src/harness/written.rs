//! How a new name is written in place of an old one: as it is in a text, with the escapes that it needs in a string.

use super::Harness;
use crate::path::FilePath;
use crate::syntax::Format;
use crate::syntax::data::{Kind, Quote, Value};
use crate::text::{Span, TextEdit};

impl Harness {
    /// The edit that makes the name at a place of a file read as `new`.
    #[must_use]
    pub fn written(&self, file: &FilePath, span: Span, new: &str) -> TextEdit {
        let as_it_is = TextEdit { span, new_text: new.to_owned() };
        let Some(document) = self.document(file) else { return as_it_is };
        let Some(tree) = document.data() else { return as_it_is };
        match around(&tree.root, span) {
            Some(Around::Key(key)) => {
                let quote = key.of(document.source()).chars().next();
                match quote {
                    Some('"') => TextEdit { span, new_text: escaped(new) },
                    Some('\'') if is_literal(new) => as_it_is,
                    // Without quotes only some characters make a key of TOML.
                    Some(_) if quote != Some('\'') && is_bare(new) && document.format() == Format::Toml => {
                        as_it_is
                    }
                    _ => TextEdit { span: key, new_text: format!("\"{}\"", escaped(new)) },
                }
            }
            Some(Around::Text(_, Quote::Double | Quote::TripleDouble)) => {
                TextEdit { span, new_text: escaped(new) }
            }
            // A literal string has no escapes.
            Some(Around::Text(value, Quote::Single | Quote::TripleSingle)) if !is_literal(new) => {
                let inside = value.inside(document.source());
                let [before, after] = [
                    Span { start: inside.start, end: span.start },
                    Span { start: span.end, end: inside.end },
                ]
                .map(|part| escaped(part.of(document.source())));
                TextEdit { span: value.span, new_text: format!("\"{before}{}{after}\"", escaped(new)) }
            }
            _ => as_it_is,
        }
    }
}

enum Around<'a> {
    Key(Span),
    Text(&'a Value, Quote),
}

/// The key or string that a place is in.
fn around(value: &Value, span: Span) -> Option<Around<'_>> {
    match &value.kind {
        Kind::Table(table) => table.entries.iter().find_map(|entry| {
            if entry.key.span.contains(span) {
                return Some(Around::Key(entry.key.span));
            }
            entry.value.span.contains(span).then(|| around(&entry.value, span)).flatten()
        }),
        Kind::List(list) => {
            list.items.iter().filter(|item| item.span.contains(span)).find_map(|item| around(item, span))
        }
        Kind::Text(scalar) => value.span.contains(span).then_some(Around::Text(value, scalar.style)),
        _ => None,
    }
}

fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'))
}

fn is_literal(text: &str) -> bool {
    !text.contains('\'') && !text.contains(char::is_control)
}

/// With escapes that TOML and JSON share.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::files::Files;
    use crate::harness::Harness;
    use crate::path::FilePath;
    use crate::text::{Span, apply_all};

    #[track_caller]
    fn check(manifest: &str, old: &str, new: &str, expected: &str) {
        let harness = Harness::resolve(&Files::from_texts([("harness.toml", manifest)]), None);
        let at = manifest.find(old).unwrap();
        let file = FilePath::parse("harness.toml").unwrap();
        let edit = harness.written(&file, Span::new(at, at + old.len()), new);
        assert_eq!(apply_all(manifest, &[edit]).unwrap(), expected);
    }

    #[test]
    fn a_name_is_written_as_its_place_needs_it() {
        check("a = \"x.md\"\n", "x.md", "y\"z.md", "a = \"y\\\"z.md\"\n");
        check("a = 'x.md'\n", "x.md", "y\"z.md", "a = 'y\"z.md'\n");
        check("a = 'x.md'\n", "x.md", "y'z.md", "a = \"y'z.md\"\n");
        check("x = 1\n", "x", "y", "y = 1\n");
        check("x = 1\n", "x", "é", "\"é\" = 1\n");
        check("\"x\" = 1\n", "x", "y", "\"y\" = 1\n");
        check("a = [\"x\\u0041\"]\n", "x\\u0041", "y", "a = [\"y\"]\n");
    }
}
