//! Writes Python literals and code: quotes and prefix stay if they can, the text cannot end its literal, an f-string
//! keeps its expressions.

use ruff_python_ast::token::TokenKind;
use ruff_text_size::Ranged as _;

use super::literal::{Unit, fields, splice};
use super::{Refusal, Writing};
use crate::selector::{
    Form, Piece, PythonPart, Selector, indentation, pieces_at, python_module, python_span, string_lines,
};
use crate::surface::Breach;
use crate::syntax::Document;
use crate::syntax::python::Tree;
use crate::text::Span;

/// The ways to write the new value.
pub(super) fn candidates(place: &Writing<'_>) -> Result<Vec<String>, Refusal> {
    match &place.resolved.form {
        // The guards of our own parser come before the other one's stack.
        Form::Code { indent } => match Tree::parse(place.new).errors.first() {
            Some(error) => Err(Refusal::Breaks(error.message.clone())),
            None => Ok(code(place, indent)),
        },
        Form::Literal { fields: with_fields } => {
            if *with_fields {
                let kept = fields(place.new);
                let lost: Vec<Breach> = fields(&place.resolved.value)
                    .into_iter()
                    .filter(|field| !kept.contains(field))
                    .map(|field| Breach::Lost(field.to_owned()))
                    .collect();
                if !lost.is_empty() {
                    return Err(Refusal::Limits(lost));
                }
            }
            Ok(literal(place, *with_fields))
        }
        _ => Ok(vec![place.lines(place.new)]),
    }
}

/// The first syntax error of a Python file.
pub(super) fn broken(document: &Document) -> Option<String> {
    document.python()?.errors.first().map(|error| error.message.clone())
}

/// Whether the tokens beside the place are what they were.
pub(super) fn outside(before: &Document, after: &Document, old: Span, new: Span) -> Result<(), Refusal> {
    let tokens = |document: &Document, place: Span| {
        let source = document.source();
        let module = python_module(source);
        let mut found = Vec::new();
        for token in module.tokens() {
            let at = python_span(token.range());
            let layout = matches!(
                token.kind(),
                TokenKind::Newline | TokenKind::NonLogicalNewline | TokenKind::Indent | TokenKind::Dedent
            );
            if layout || at.is_empty() || place.contains(at) {
                continue;
            }
            let early = at.end <= place.start;
            let behind = source.len() - at.end as usize;
            // A string may hold the place, a region of its lines.
            let holds = at.contains(place);
            let distance = if early || holds { at.start as usize } else { behind };
            found.push((early, distance, token.kind(), if holds { behind } else { at.len() }));
        }
        found
    };
    if tokens(before, old) == tokens(after, new) { Ok(()) } else { Err(Refusal::Outside("code".to_owned())) }
}

fn code(place: &Writing<'_>, indent: &str) -> Vec<String> {
    let mut ways = vec![place.lines(&indented(place.new, indent))];
    if indent.is_empty() && place.new.contains('\n') {
        // Lines between brackets may be less deep than their statement, and then nothing was taken from any.
        let own = indentation(place.source, place.resolved.span.start as usize);
        ways.push(place.lines(&indented(place.new, own)));
    }
    if place.new.contains('\n') || place.new.starts_with('@') {
        // A body that stands on the line of its `def` moves below it.
        let start = place.resolved.span.start as usize;
        let before = place.source.get(..start).unwrap_or_default();
        let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        let own = line.len() - line.trim_start_matches([' ', '\t']).len();
        if own < line.len() {
            let indent = format!("{}    ", indentation(place.source, definition(place)));
            ways.push(place.lines(&format!("\n{indent}{}", indented(place.new, &indent))));
        }
    }
    ways
}

/// Where the definition starts whose body the place is; its `def` may end on a line that is less deep.
fn definition(place: &Writing<'_>) -> usize {
    let start = place.resolved.span.start as usize;
    let Selector::Python { path, .. } = &place.resolved.selector else { return start };
    let function = Selector::Python { part: PythonPart::Function, path: path.clone() };
    function.resolve(place.document).map_or(start, |function| function.span.start as usize)
}

/// Code with `indent` before its lines after the first, but for empty ones and those that start inside a string.
fn indented(code: &str, indent: &str) -> String {
    if indent.is_empty() {
        return code.to_owned();
    }
    let kept = string_lines(&python_module(code), code);
    let mut out = String::with_capacity(code.len() * 2);
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        if 0 < at && line != "\n" && kept.binary_search(&at).is_err() {
            out.push_str(indent);
        }
        out.push_str(line);
        at += line.len();
    }
    out
}

fn literal(place: &Writing<'_>, with_fields: bool) -> Vec<String> {
    let pieces = pieces_at(place.source, place.resolved.span);
    let mut ways = Vec::new();
    match pieces.as_slice() {
        [] => {}
        [only] => ways.extend(piece(place, only, &only_text(only, with_fields), place.new, with_fields)),
        several => {
            ways.extend(concatenation(place, several, with_fields));
            if let Some(first) = several.first() {
                ways.extend(piece(place, first, "", place.new, with_fields));
            }
        }
    }
    ways
}

/// What a piece means where `with_fields` says how braces are read.
fn only_text(piece: &Piece, with_fields: bool) -> String {
    if with_fields && !piece.fields {
        piece.text.replace('{', "{{").replace('}', "}}")
    } else {
        piece.text.clone()
    }
}

/// The pieces that the new value shares with the old one stay; those between become one piece for each line.
fn concatenation(place: &Writing<'_>, pieces: &[Piece], with_fields: bool) -> Vec<String> {
    let texts: Vec<String> = pieces.iter().map(|piece| only_text(piece, with_fields)).collect();
    let mut middle = place.new;
    let mut first = 0;
    // One piece at least is written anew, so that there is one whose quotes say how.
    while first + 1 < texts.len() {
        let Some(rest) = texts.get(first).and_then(|text| middle.strip_prefix(text.as_str())) else { break };
        middle = rest;
        first += 1;
    }
    let mut last = texts.len();
    while first + 1 < last {
        let Some(rest) = texts.get(last - 1).and_then(|text| middle.strip_suffix(text.as_str())) else {
            break;
        };
        middle = rest;
        last -= 1;
    }
    let (Some(model), Some(end)) = (pieces.get(first), pieces.get(last - 1)) else { return Vec::new() };
    let whole = place.resolved.span;
    let slice = |start: u32, end: u32| place.source.get(start as usize..end as usize).unwrap_or_default();
    let between = pieces
        .get(1)
        .zip(pieces.first())
        .map_or(" ", |(second, first)| slice(first.span.end, second.span.start));
    let lines: Vec<&str> = if middle.is_empty() { vec![""] } else { middle.split_inclusive('\n').collect() };
    let one_each = model.quotes == 1 && between.contains('\n') && !between.contains('#');
    let parts: Vec<&str> = if one_each { lines } else { vec![middle] };
    let mut written = String::new();
    for (at, part) in parts.iter().enumerate() {
        if 0 < at {
            written.push_str(between);
        }
        match quoted(place, model, part, with_fields) {
            Some(text) => written.push_str(&text),
            None => return Vec::new(),
        }
    }
    vec![format!("{}{written}{}", slice(whole.start, model.span.start), slice(end.span.end, whole.end))]
}

/// The ways to write one piece anew.
fn piece(place: &Writing<'_>, piece: &Piece, old: &str, new: &str, with_fields: bool) -> Vec<String> {
    let mut ways = Vec::new();
    let written = piece.span.of(place.source);
    let open = piece.prefix + piece.quotes;
    let body = written.get(open..written.len().saturating_sub(piece.quotes)).unwrap_or_default();
    let (start, quotes) = (written.get(..open).unwrap_or_default(), quote(place, piece));
    let close = quotes.repeat(piece.quotes);
    let fields = with_fields && piece.fields;
    if piece.raw {
        ways.push(format!("{start}{}{close}", place.lines(new)));
    } else if let Some(units) = units(body, fields) {
        let encode = |text: &str| place.lines(&escaped(text, quotes, piece.quotes == 3, fields));
        let spliced = splice(&units, old, new, encode);
        ways.extend(spliced.map(|body| format!("{start}{body}{close}")));
    }
    ways.extend(quoted(place, piece, new, with_fields));
    // Without the prefix that stood in the way, then on several lines, then with all line ends escaped.
    let prefix = if with_fields { "f" } else { "" };
    for count in [piece.quotes, 3, 1] {
        let body = place.lines(&escaped(new, quotes, count == 3, with_fields));
        let quotes = quotes.repeat(count);
        ways.push(format!("{prefix}{quotes}{body}{quotes}"));
    }
    ways
}

/// A text in the prefix and quotes of `model`, or none if a raw string is asked for what it cannot hold.
fn quoted(place: &Writing<'_>, model: &Piece, text: &str, with_fields: bool) -> Option<String> {
    let written = model.span.of(place.source);
    let prefix = written.get(..model.prefix)?;
    let quote = quote(place, model);
    let quotes = quote.repeat(model.quotes);
    if model.raw {
        return None;
    }
    // A plain piece beside an f-string becomes one if it gets a field.
    let needs_fields = with_fields && !model.fields && !fields(text).is_empty();
    let prefix = if needs_fields { "f" } else { prefix };
    let as_fields = needs_fields || (with_fields && model.fields);
    let text =
        if with_fields && !as_fields { text.replace("{{", "{").replace("}}", "}") } else { text.to_owned() };
    let body = place.lines(&escaped(&text, quote, model.quotes == 3, as_fields));
    Some(format!("{prefix}{quotes}{body}{quotes}"))
}

fn quote<'s>(place: &Writing<'s>, piece: &Piece) -> &'s str {
    let at = piece.span.start as usize + piece.prefix;
    place.source.get(at..=at).unwrap_or("\"")
}

/// The body of a string. With `fields`, replacement fields stay as they are.
fn escaped(text: &str, quote: &str, several: bool, with_fields: bool) -> String {
    let quote = quote.chars().next().unwrap_or('"');
    let known = if with_fields { fields(text) } else { Vec::new() };
    let mut known = known.into_iter().peekable();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut run = 0;
    while let Some(character) = rest.chars().next() {
        if let Some(field) = known.next_if(|field| rest.starts_with(field) && !(rest.starts_with("{{"))) {
            out.push_str(field);
            rest = rest.get(field.len()..).unwrap_or_default();
            run = 0;
            continue;
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        run = if character == quote { run + 1 } else { 0 };
        match character {
            '\n' if several => out.push('\n'),
            '\t' if several => out.push('\t'),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // The third of a run would end the string, and so would one at the end.
            _ if character == quote && (!several || run == 3 || rest.is_empty()) => {
                out.push('\\');
                out.push(character);
                run = 0;
            }
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            '{' | '}' if with_fields && rest.starts_with(character) => {
                out.push(character);
                out.push(character);
                rest = rest.get(1..).unwrap_or_default();
            }
            _ => out.push(character),
        }
    }
    out
}

/// The characters of a string's body with what they mean; none if an escape is not known here (`\N{…}`).
fn units(body: &str, with_fields: bool) -> Option<Vec<Unit<'_>>> {
    let mut units = Vec::new();
    let known = if with_fields { fields(body) } else { Vec::new() };
    let mut known = known.into_iter().peekable();
    let mut rest = body;
    while let Some(character) = rest.chars().next() {
        let raw = |length: usize| rest.get(..length);
        let unit =
            if let Some(field) = known.next_if(|field| rest.starts_with(field) && !rest.starts_with("{{")) {
                Unit { raw: raw(field.len())?, text: field.replace("\r\n", "\n") }
            } else if with_fields && (rest.starts_with("{{") || rest.starts_with("}}")) {
                Unit { raw: raw(2)?, text: raw(2)?.to_owned() }
            } else if rest.starts_with("\r\n") {
                Unit { raw: raw(2)?, text: "\n".to_owned() }
            } else if let Some(escape) = rest.strip_prefix('\\') {
                escape_unit(rest, escape)?
            } else {
                Unit::new(raw(character.len_utf8())?, character)
            };
        rest = rest.get(unit.raw.len()..)?;
        units.push(unit);
    }
    Some(units)
}

fn escape_unit<'a>(rest: &'a str, escape: &str) -> Option<Unit<'a>> {
    let code = |start: usize, digits: usize, radix: u32| {
        let number = u32::from_str_radix(escape.get(start..start + digits)?, radix).ok()?;
        Some(Unit::new(rest.get(..=start + digits)?, char::from_u32(number)?))
    };
    let mark = escape.chars().next()?;
    let meaning = match mark {
        '\n' => return Some(Unit::silent(rest.get(..2)?)),
        '\r' => {
            let length = if escape.starts_with("\r\n") { 3 } else { 2 };
            return Some(Unit::silent(rest.get(..length)?));
        }
        'N' => return None,
        'x' => return code(1, 2, 16),
        'u' => return code(1, 4, 16),
        'U' => return code(1, 8, 16),
        '0'..='7' => {
            let digits = escape.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            return code(0, digits, 8);
        }
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '\'' | '"' => mark,
        // An unknown escape means itself.
        _ => return Some(Unit { raw: rest.get(..1 + mark.len_utf8())?, text: format!("\\{mark}") }),
    };
    Some(Unit::new(rest.get(..2)?, meaning))
}
