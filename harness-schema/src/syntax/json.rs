//! JSON with comments and trailing commas, from `jsonc-parser`. A line that does not parse is blanked, reported, and the
//! rest is read again, so that later entries survive.

use ecow::EcoVec;
use std::borrow::Cow;

use jsonc_parser::ast;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::data::{Entry, Key, Kind, List, Quote, Scalar, Style, SyntaxError, Table, Tree, Value};
use super::recovery::{blank, line_around, line_number, visible};
use crate::text::Span;

/// How many lines are blanked before the rest is given up.
const MAX_MASKS: usize = 24;

/// Deeper values are errors (`security` 6.4).
const MAX_DEPTH: usize = 128;

/// Reads JSON.
#[must_use]
pub fn parse(source: &str) -> Tree {
    if let Some(error) = too_deep(source) {
        return Tree { errors: vec![error], documents: 1, ..Tree::default() };
    }
    let mut text: Cow<'_, str> = match source.strip_prefix('\u{FEFF}') {
        Some(_) => Cow::Owned(blank(source, Span::new(0, 3))),
        None => Cow::Borrowed(source),
    };
    let mut errors: Vec<SyntaxError> = Vec::new();
    for attempt in 0..=MAX_MASKS {
        let collect = CollectOptions { comments: CommentCollectionStrategy::Separate, tokens: false };
        let result = parse_to_ast(&text, &collect, &options(0 < attempt));
        let error = match result {
            Ok(parsed) => {
                let mut reader = Reader { source, errors };
                let root = parsed.value.as_ref().map(|value| reader.value(value)).unwrap_or_default();
                let comments = parsed.comments.iter().flat_map(|map| map.values()).flat_map(|all| all.iter());
                let mut comments: Vec<Span> = comments.map(comment).collect();
                comments.sort_unstable();
                comments.dedup();
                reader.errors.sort_by_key(|error| error.span);
                return Tree { root, errors: reader.errors, comments, documents: 1 };
            }
            Err(error) => error,
        };
        let range = error.range();
        let at = range.start.min(source.len());
        let line = line_around(source, at);
        let already_blank = line.of(&text).trim().is_empty();
        let near = Span::new(at, range.end.min(source.len()));
        let message = lower_first(&error.kind().to_string());
        let known = errors.iter().any(|known| known.region == line);
        if !known && (attempt == 0 || !already_blank) {
            errors.push(SyntaxError { span: visible(source, near, line), region: line, message });
        }
        let is_unclosed =
            matches!(error.kind(), ParseErrorKind::UnterminatedObject | ParseErrorKind::UnterminatedArray);
        if already_blank || is_unclosed {
            // The end of the text, or a bracket that nothing closes: what is open is closed behind the text.
            text = Cow::Owned(closed(&text));
            continue;
        }
        text = Cow::Owned(blank(&text, line));
    }
    Tree { errors, documents: 1, ..Tree::default() }
}

/// Strict at first; once something was blanked, its commas may be missing.
fn options(loose: bool) -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: true,
        allow_missing_commas: loose,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

struct Reader<'s> {
    source: &'s str,
    errors: Vec<SyntaxError>,
}

impl Reader<'_> {
    /// A place in the text. What was closed behind it ends with it.
    fn span(&self, range: jsonc_parser::common::Range) -> Span {
        let end = self.source.len();
        Span::new(range.start.min(end), range.end.min(end))
    }

    fn value(&mut self, value: &ast::Value<'_>) -> Value {
        match value {
            ast::Value::StringLit(text) => {
                let kind = Kind::Text(Scalar { value: (&*text.value).into(), style: Quote::Double });
                Value { span: self.span(text.range), kind, anchored: false }
            }
            ast::Value::NumberLit(number) => {
                let kind = match number.value.parse::<i64>() {
                    Ok(number) => Kind::Integer(number),
                    Err(_) => number.value.parse().map_or(Kind::Broken, Kind::Float),
                };
                Value { span: self.span(number.range), kind, anchored: false }
            }
            ast::Value::BooleanLit(truth) => {
                Value { span: self.span(truth.range), kind: Kind::Boolean(truth.value), anchored: false }
            }
            ast::Value::NullKeyword(null) => {
                Value { span: self.span(null.range), kind: Kind::Null, anchored: false }
            }
            ast::Value::Array(array) => {
                let items = array.elements.iter().map(|item| self.value(item)).collect();
                let kind = Kind::List(List { items, style: Style::Flow });
                Value { span: self.span(array.range), kind, anchored: false }
            }
            ast::Value::Object(object) => {
                let mut entries: EcoVec<Entry> = EcoVec::with_capacity(object.properties.len());
                let mut seen = rustc_hash::FxHashMap::default();
                for property in &object.properties {
                    let (name, range) = match &property.name {
                        ast::ObjectPropName::String(text) => (text.value.to_string(), text.range),
                        ast::ObjectPropName::Word(word) => (word.value.to_owned(), word.range),
                    };
                    let key = Key { name: name.clone().into(), span: self.span(range) };
                    if let Some(first) = seen.get(&name) {
                        let line = line_number(self.source, *first);
                        let message = format!("key `{name}` is given twice (line {line})");
                        self.errors.push(SyntaxError { span: key.span, region: key.span, message });
                    } else {
                        seen.insert(name, range.start);
                    }
                    entries.push(Entry { key, value: self.value(&property.value) });
                }
                let kind = Kind::Table(Table { entries, style: Style::Flow, headers: EcoVec::new() });
                Value { span: self.span(object.range), kind, anchored: false }
            }
        }
    }
}

fn span(range: jsonc_parser::common::Range) -> Span {
    Span::new(range.start, range.end)
}

fn comment(comment: &ast::Comment<'_>) -> Span {
    match comment {
        ast::Comment::Line(line) => span(line.range),
        ast::Comment::Block(block) => span(block.range),
    }
}

/// The text with the brackets that are open at its end closed.
fn closed(text: &str) -> String {
    let mut open = Vec::new();
    let mut in_string = false;
    let mut escaped = false;
    for char in text.chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '\n' => in_string = false,
            '[' if !in_string => open.push(']'),
            '{' if !in_string => open.push('}'),
            ']' | '}' if !in_string => {
                open.pop();
            }
            _ => {}
        }
    }
    text.chars().chain(open.into_iter().rev()).collect()
}

fn too_deep(source: &str) -> Option<SyntaxError> {
    let mut depth = 0_usize;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        // Brackets in strings count too; no prompt has four times as many of them open.
        if 4 * MAX_DEPTH < depth {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Some(SyntaxError {
                span: Span::new(at, at + 1),
                region: Span::new(0, source.len()),
                message,
            });
        }
    }
    None
}

fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_places() {
        let source = "{\n  // why\n  \"a\": [1, 2.5, \"x\\n\"],\n  \"b\": {\"c\": null,},\n}\n";
        let tree = parse(source);
        assert_eq!(tree.errors, []);
        assert_eq!(tree.root.get("a").unwrap().span.of(source), "[1, 2.5, \"x\\n\"]");
        assert_eq!(tree.root.at(&["b", "c"]).unwrap().kind, Kind::Null);
        assert_eq!(tree.comments[0].of(source), "// why");
    }

    #[test]
    fn a_broken_line_is_lost_alone() {
        let source = "{\n  \"a\": 1,\n  \"b\": nope,\n  \"c\": 3\n}\n";
        let tree = parse(source);
        assert_eq!(tree.root.get("c").unwrap().kind, Kind::Integer(3));
        assert_eq!(tree.errors.len(), 1, "{:#?}", tree.errors);
        assert_eq!(tree.errors[0].region.of(source), "  \"b\": nope,");
        assert_eq!(parse("{\n  \"a\": 1,\n  \"c\": [3\n").root.get("a").unwrap().kind, Kind::Integer(1));
        assert_eq!(parse("{\"a\": 1, \"a\": 2}").errors[0].message, "key `a` is given twice (line 1)");
    }

    #[test]
    fn what_nothing_closes_ends_with_the_text() {
        for source in ["{", "[1, [", "{\"a\": {\"b\": 1"] {
            let tree = parse(source);
            assert_eq!(tree.errors.len(), 1, "{source:?} {:#?}", tree.errors);
            assert_eq!(tree.root.span, Span::new(0, source.len()), "{source:?}");
        }
    }
}
