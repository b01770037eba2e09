//! Writes TOML 1.0 strings: a literal string stays if it can, several lines become `"""`, the rest is a basic string.

use super::Writing;
use super::json::flow_entry;
use super::literal::{Unit, splice};
use crate::selector::{ListEnd, ValueKind};
use crate::syntax::data::Quote;

/// The ways to write a string.
pub(super) fn text(place: &Writing<'_>, style: Quote) -> Vec<String> {
    let new = place.new;
    let mut ways = Vec::new();
    match style {
        Quote::Single => {
            ways.push(format!("'{new}'"));
            ways.extend(new.contains('\n').then(|| triple_single(place, true)));
        }
        Quote::TripleSingle => ways.push(triple_single(place, starts_with_break(place.old()))),
        Quote::TripleDouble => {
            ways.extend(spliced(place, "\"\"\""));
            ways.push(triple_double(place, new.starts_with('\n') || starts_with_break(place.old())));
        }
        _ if new.contains('\n') => {}
        _ => ways.extend(spliced(place, "\"")),
    }
    if new.contains('\n') && style != Quote::TripleDouble {
        ways.push(triple_double(place, true));
    }
    ways.push(format!("\"{}\"", escaped(new, false)));
    ways
}

/// The ways to write one more entry.
pub(super) fn append(place: &Writing<'_>, list: &ListEnd) -> Vec<String> {
    match list {
        ListEnd::Header { header, .. } => {
            let before = place.source.get(..place.resolved.span.start as usize).unwrap_or_default();
            let apart = if before.trim_start_matches('\u{feff}').is_empty() { "" } else { "\n\n" };
            let text = format!("{apart}{header}\n{}", place.new);
            vec![place.lines(text.trim_end_matches('\n'))]
        }
        _ if place.resolved.kind == ValueKind::String => {
            let mut ways = Vec::new();
            if place.new.contains('\n') {
                ways.extend(flow_entry_as_is(place, list, &triple_double(place, true)));
            }
            ways.extend(flow_entry(place, list, &format!("\"{}\"", escaped(place.new, false))));
            ways
        }
        _ => flow_entry_as_is(place, list, place.new),
    }
}

/// An entry whose lines are not indented, since blanks could be part of a text in it.
fn flow_entry_as_is(place: &Writing<'_>, list: &ListEnd, entry: &str) -> Vec<String> {
    const MARK: &str = "\u{0}";
    let around = flow_entry(place, list, MARK);
    around.iter().map(|text| text.replace(MARK, entry)).collect()
}

fn starts_with_break(literal: &str) -> bool {
    literal.get(3..).is_some_and(|body| body.starts_with(['\n', '\r']))
}

fn triple_single(place: &Writing<'_>, with_break: bool) -> String {
    let first = if with_break || place.new.starts_with('\n') { "\n" } else { "" };
    place.lines(&format!("'''{first}{}'''", place.new))
}

fn triple_double(place: &Writing<'_>, with_break: bool) -> String {
    let first = if with_break { "\n" } else { "" };
    place.lines(&format!("\"\"\"{first}{}\"\"\"", escaped(place.new, true)))
}

fn spliced(place: &Writing<'_>, quotes: &str) -> Option<String> {
    let body = place.old().strip_prefix(quotes)?.strip_suffix(quotes)?;
    let several = quotes.len() == 3;
    let mut units = units(body)?;
    if several && let Some(first) = units.first_mut().filter(|unit| unit.text == "\n") {
        first.text.clear();
    }
    let body = splice(&units, &place.resolved.value, place.new, |text| place.lines(&escaped(text, several)))?;
    Some(format!("{quotes}{body}{quotes}"))
}

/// The body of a basic string; with `several`, of one of several lines.
fn escaped(text: &str, several: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quotes = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let run = if character == '"' { quotes + 1 } else { 0 };
        match character {
            '\n' if several => out.push('\n'),
            '\t' if several => out.push('\t'),
            // The third of a run would end the string, and so would one at the end.
            '"' if several && run < 3 && characters.peek().is_some() => out.push('"'),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => out.push(character),
        }
        quotes = if run == 3 { 0 } else { run };
    }
    out
}

/// The characters of a basic string's body with what they mean; none if one is no TOML.
fn units(body: &str) -> Option<Vec<Unit<'_>>> {
    let mut units = Vec::new();
    let mut rest = body;
    while let Some(character) = rest.chars().next() {
        let unit = match rest.strip_prefix('\\') {
            None if rest.starts_with("\r\n") => Unit { raw: rest.get(..2)?, text: "\n".to_owned() },
            None => Unit::new(rest.get(..character.len_utf8())?, character),
            Some(escape) => escape_unit(rest, escape)?,
        };
        rest = rest.get(unit.raw.len()..)?;
        units.push(unit);
    }
    Some(units)
}

fn escape_unit<'a>(rest: &'a str, escape: &str) -> Option<Unit<'a>> {
    let code = |digits: usize| {
        let number = u32::from_str_radix(escape.get(1..=digits)?, 16).ok()?;
        Some(Unit::new(rest.get(..digits + 2)?, char::from_u32(number)?))
    };
    let meaning = match escape.chars().next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'e' => '\u{1b}',
        '"' => '"',
        '\\' => '\\',
        'x' => return code(2),
        'u' => return code(4),
        'U' => return code(8),
        // A backslash at a line's end takes all white space up to the next character.
        blank if blank.is_ascii_whitespace() => {
            let silent = escape.trim_start_matches([' ', '\t', '\r', '\n']);
            return Some(Unit::silent(rest.get(..rest.len() - silent.len())?));
        }
        _ => return None,
    };
    Some(Unit::new(rest.get(..2)?, meaning))
}
