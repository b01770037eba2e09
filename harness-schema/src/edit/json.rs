//! Writes JSON strings with as few escapes as RFC 8259 asks for, and adds entries to arrays as they are written.

use super::Writing;
use super::literal::{Unit, splice};
use crate::selector::{ListEnd, ValueKind, indented};

/// The ways to write a string.
pub(super) fn text(place: &Writing<'_>) -> Vec<String> {
    let body = place.old().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let spliced =
        body.and_then(units).and_then(|units| splice(&units, &place.resolved.value, place.new, escaped));
    let mut ways: Vec<String> = spliced.into_iter().map(|body| format!("\"{body}\"")).collect();
    ways.push(format!("\"{}\"", escaped(place.new)));
    ways
}

/// The ways to write one more entry.
pub(super) fn append(place: &Writing<'_>, list: &ListEnd) -> Vec<String> {
    let entry = match place.resolved.kind {
        ValueKind::String => format!("\"{}\"", escaped(place.new)),
        _ => place.new.to_owned(),
    };
    flow_entry(place, list, &entry)
}

/// An entry between brackets, on its own line if the others are.
pub(super) fn flow_entry(place: &Writing<'_>, list: &ListEnd, entry: &str) -> Vec<String> {
    let ListEnd::Flow { filled, comma, indent, .. } = list else { return Vec::new() };
    let text = match (indent, comma) {
        (Some(indent), true) => format!("\n{indent}{},", indented(entry, indent)),
        (Some(indent), false) => format!(",\n{indent}{}", indented(entry, indent)),
        (None, true) => format!(" {entry},"),
        (None, false) if *filled => format!(", {entry}"),
        (None, false) => entry.to_owned(),
    };
    vec![place.lines(&text)]
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out
}

/// The characters of a string's body with what they mean; none if one is no JSON.
fn units(body: &str) -> Option<Vec<Unit<'_>>> {
    let mut units = Vec::new();
    let mut rest = body;
    while let Some(character) = rest.chars().next() {
        let (length, text) = match rest.strip_prefix('\\') {
            None => (character.len_utf8(), character),
            Some(escape) => match escape.chars().next()? {
                'n' => (2, '\n'),
                'r' => (2, '\r'),
                't' => (2, '\t'),
                'b' => (2, '\u{8}'),
                'f' => (2, '\u{c}'),
                'u' => unicode(rest)?,
                other => (1 + other.len_utf8(), other),
            },
        };
        let (raw, after) = rest.split_at_checked(length)?;
        units.push(Unit::new(raw, text));
        rest = after;
    }
    Some(units)
}

/// The length and meaning of `\uXXXX`, or of a surrogate pair of them.
fn unicode(rest: &str) -> Option<(usize, char)> {
    let code = |at: usize| {
        rest.get(at..at + 2).filter(|mark| *mark == "\\u")?;
        u16::from_str_radix(rest.get(at + 2..at + 6)?, 16).ok()
    };
    let first = code(0)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((6, character));
    }
    let pair = char::decode_utf16([first, code(6)?]).next()?.ok()?;
    Some((12, pair))
}
