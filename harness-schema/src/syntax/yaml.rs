//! YAML 1.2 from the events of `granit-parser`, as a tree with spans. What does not parse is blanked, first its value,
//! then its line, and the rest is read again; offsets stay.

use std::borrow::Cow;

use ecow::{EcoString, EcoVec};
use granit_parser::{Event, Options, Parser, ScalarStyle, StructureStyle};

use super::data::{Entry, Key, Kind, List, Quote, Scalar, Style, SyntaxError, Table, Tree, Value};
use super::recovery::{blank, line_around, line_number, visible};
use crate::text::Span;

/// How many parts are blanked before the rest is given up.
const MAX_MASKS: usize = 24;

/// Deeper values are errors (`security` 6.4).
const MAX_DEPTH: usize = 128;

/// Reads YAML; of several documents the first.
#[must_use]
pub fn parse(source: &str) -> Tree {
    let mut text: Cow<'_, str> = Cow::Borrowed(source);
    let mut errors: Vec<SyntaxError> = Vec::new();
    for _ in 0..MAX_MASKS {
        let mut reader = Reader::new(&text, source);
        let Err(failure) = reader.run() else {
            return reader.tree(errors);
        };
        let at = failure.at.min(source.len());
        let Some(region) = reader.unclosed(&text).or_else(|| suspect(&text, at)) else {
            push(&mut errors, source, at, line_around(source, at), failure.message);
            return reader.tree(errors);
        };
        push(&mut errors, source, at, region, failure.message);
        text = Cow::Owned(blank(&text, region));
    }
    // Too much is broken: what stands before the last error is what can be read.
    let mut reader = Reader::new(&text, source);
    let _ = reader.run();
    reader.tree(errors)
}

fn push(errors: &mut Vec<SyntaxError>, source: &str, at: usize, region: Span, message: String) {
    let line = line_around(source, region.start as usize);
    // One error for a line: what follows from blanking it is no news.
    if errors.iter().any(|error| line_around(source, error.region.start as usize) == line) {
        return;
    }
    let at = if region.touches(at) { Span::at(at) } else { region };
    let next = source.get(at.start as usize..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let wide = Span::new(at.start as usize, (at.end as usize).max(at.start as usize + next));
    errors.push(SyntaxError { span: visible(source, wide, line), region: region.cover(line), message });
}

/// What to blank: the value on the line of an error, else that line, else the nearest line before that is not blank.
fn suspect(text: &str, at: usize) -> Option<Span> {
    let mut line = line_around(text, at);
    while line.of(text).trim().is_empty() {
        let before = (line.start as usize).checked_sub(1)?;
        line = line_around(text, before);
    }
    let content = line.of(text);
    // YAML has no tabs in its indentation: such a line has no place at all.
    if content.trim_start_matches(' ').starts_with('\t') {
        return Some(line);
    }
    let value = content.find(": ").map(|colon| colon + 2).filter(|from| {
        content
            .get(*from..)
            .is_some_and(|value| !value.trim().is_empty() && !content.trim_start().starts_with('#'))
    });
    match value {
        Some(from) => Some(Span::new(line.start as usize + from, line.end as usize)),
        None => Some(line),
    }
}

struct Failure {
    at: usize,
    message: String,
}

struct Reader<'t, 's> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    source: &'s str,
    root: Option<Value>,
    documents: usize,
    comments: Vec<Span>,
    errors: Vec<SyntaxError>,
    anchored: bool,
    /// Collections that are open, outermost first; what was read when an error came is kept.
    open: Vec<Open>,
}

/// A collection while it is read.
struct Open {
    start: Span,
    style: Style,
    anchored: bool,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Value>),
    Mapping { entries: Vec<Entry>, key: Option<Key>, first: rustc_hash::FxHashMap<EcoString, usize> },
}

impl<'t, 's> Reader<'t, 's> {
    fn new(text: &'t str, source: &'s str) -> Self {
        let mut options = Options::default();
        options.emit_unresolved_aliases = true;
        options.emit_comments = true;
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            source,
            root: None,
            documents: 0,
            comments: Vec::new(),
            errors: Vec::new(),
            anchored: false,
            open: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.parser.next_event() {
            let (event, place) = event.map_err(|error| Failure {
                at: error.marker().byte_offset().unwrap_or(self.source.len()),
                message: message(&error.info()),
            })?;
            let range = place.byte_range().unwrap_or(0..0);
            self.event(&event, Span::new(range.start, range.end));
            if matches!(event, Event::StreamEnd) {
                break;
            }
        }
        Ok(())
    }

    /// The outermost bracket that is open when reading stops, to the end of its line: what came after it was misread.
    fn unclosed(&self, text: &str) -> Option<Span> {
        let open = self.open.iter().find(|open| open.style == Style::Flow)?;
        Some(Span { start: open.start.start, end: line_around(text, open.start.start as usize).end })
    }

    fn event(&mut self, event: &Event<'_>, span: Span) {
        match event {
            Event::DocumentStart(..) => self.documents += 1,
            Event::Comment(..) => self.comments.push(span),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.value(Value { span, kind: Kind::Alias, anchored: false });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some();
                let value = self.scalar(text, *style, is_text, span, 0 < *anchor);
                self.value(value);
            }
            Event::SequenceStart(style, anchor, _) => self.open.push(Open {
                start: span,
                style: structure(*style),
                anchored: 0 < *anchor,
                kind: OpenKind::Sequence(Vec::new()),
            }),
            Event::MappingStart(style, anchor, _) => self.open.push(Open {
                start: span,
                style: structure(*style),
                anchored: 0 < *anchor,
                kind: OpenKind::Mapping {
                    entries: Vec::new(),
                    key: None,
                    first: rustc_hash::FxHashMap::default(),
                },
            }),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => {}
        }
    }

    fn close(&mut self, end: Span) {
        let Some(open) = self.open.pop() else { return };
        let (kind, inside) = match open.kind {
            OpenKind::Sequence(items) => {
                let inside = items.iter().map(|item| item.span).reduce(Span::cover);
                // Dashes that are no deeper than their key start before the place that the parser tells.
                let first = items.first().filter(|_| open.style == Style::Block);
                let dash = first.and_then(|first| dash_before(self.source, first.span.start as usize));
                let inside = inside.map(|inside| dash.map_or(inside, |dash| inside.cover(Span::at(dash))));
                (Kind::List(List { items: items.into(), style: open.style }), inside)
            }
            OpenKind::Mapping { mut entries, key, .. } => {
                // Cut off by an error: the key was read, its value was not.
                entries.extend(key.map(|key| Entry { value: broken(key.span), key }));
                let inside = entries.iter().map(Entry::span).reduce(Span::cover);
                (
                    Kind::Table(Table { entries: entries.into(), style: open.style, headers: EcoVec::new() }),
                    inside,
                )
            }
        };
        // A block collection ends with its last value; where its end event stands says nothing.
        let span = match open.style {
            Style::Flow => open.start.cover(end),
            _ => inside.map_or(Span::at(open.start.start as usize), |inside| {
                Span::new((open.start.start as usize).min(inside.start as usize), inside.end as usize)
            }),
        };
        self.value(Value { span, kind, anchored: open.anchored });
    }

    /// A finished value goes where it belongs.
    fn value(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => {
                if self.root.is_none() && self.documents <= 1 {
                    self.root = Some(value);
                }
            }
            Some(OpenKind::Sequence(items)) => {
                let behind = items.last().map(|last| last.span.end as usize);
                let dash = behind.and_then(|behind| next_dash(self.source, behind));
                items.push(nothing_at(value, dash.map(|dash| dash + 1)));
            }
            Some(OpenKind::Mapping { entries, key, first }) => match key.take() {
                Some(key) => {
                    let behind = key.span.end as usize;
                    let rest = self.source.get(behind..).unwrap_or_default();
                    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                    let colon = rest.get(blanks..).is_some_and(|rest| rest.starts_with(':'));
                    entries
                        .push(Entry { key, value: nothing_at(value, colon.then_some(behind + blanks + 1)) });
                }
                None => {
                    let name: EcoString = match &value.kind {
                        Kind::Text(scalar) => scalar.value.clone(),
                        _ => value.span.of(self.source).into(),
                    };
                    match first.get(&name) {
                        Some(earlier) => {
                            let line = line_number(self.source, *earlier);
                            let message = format!("key `{name}` is given twice (line {line})");
                            self.errors.push(SyntaxError { span: value.span, region: value.span, message });
                        }
                        None => {
                            first.insert(name.clone(), value.span.start as usize);
                        }
                    }
                    *key = Some(Key { name, span: value.span });
                }
            },
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tagged: bool, span: Span, anchored: bool) -> Value {
        let (style, span) = match style {
            ScalarStyle::Plain => (Quote::Plain, span),
            ScalarStyle::SingleQuoted => (Quote::Single, span),
            ScalarStyle::DoubleQuoted => (Quote::Double, span),
            ScalarStyle::Literal => (Quote::Literal, block(self.source, span)),
            ScalarStyle::Folded => (Quote::Folded, block(self.source, span)),
        };
        let kind = match style {
            Quote::Plain if !tagged => plain(text),
            _ => Kind::Text(Scalar { value: text.into(), style }),
        };
        Value { span, kind, anchored }
    }

    fn tree(mut self, mut errors: Vec<SyntaxError>) -> Tree {
        while !self.open.is_empty() {
            self.close(Span::at(self.source.len()));
        }
        errors.append(&mut self.errors);
        errors.sort_by_key(|error| error.span);
        let empty = Value { span: Span::at(0), kind: Kind::Null, anchored: self.anchored };
        Tree {
            root: self.root.unwrap_or(empty),
            errors,
            comments: self.comments,
            documents: self.documents.max(1),
        }
    }
}

fn structure(style: StructureStyle) -> Style {
    match style {
        StructureStyle::Flow => Style::Flow,
        StructureStyle::Block => Style::Block,
    }
}

/// A value that is nothing stands behind its colon or dash; a parser may see it anywhere up to the next value.
fn nothing_at(value: Value, place: Option<usize>) -> Value {
    match place {
        Some(place) if value.kind == Kind::Null && value.span.is_empty() && !value.anchored => {
            Value { span: Span::at(place), ..value }
        }
        _ => value,
    }
}

/// The dash behind blanks and comments.
fn next_dash(source: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = source.get(at..)?;
        let visible = rest.trim_start();
        at += rest.len() - visible.len();
        match visible.chars().next()? {
            '-' => return Some(at),
            '#' => at += visible.find(['\n', '\r'])?,
            _ => return None,
        }
    }
}

/// The dash of the block list's entry at `offset`: before blanks, comments, and the entry's anchor and tag.
pub(crate) fn dash_before(source: &str, offset: usize) -> Option<usize> {
    let mut rest = source.get(..offset)?;
    let mut is_line_of_value = true;
    loop {
        let start = rest.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let line = rest.get(start..)?;
        let comment = line.find(" #").or_else(|| line.trim_start().starts_with('#').then_some(0));
        // What stands before the value on its own line is no comment.
        let comment = comment.filter(|_| !is_line_of_value).unwrap_or(line.len());
        let before = without_properties(line.get(..comment)?);
        if before.ends_with('-') {
            return Some(start + before.len() - 1);
        }
        if !before.trim_start_matches('\u{feff}').is_empty() || start == 0 {
            return None;
        }
        rest = rest.get(..start - 1)?;
        is_line_of_value = false;
    }
}

/// A line up to the anchor and tag of the value behind it, without blanks at its end.
fn without_properties(line: &str) -> &str {
    let blanks = [' ', '\t'];
    let mut rest = line.trim_end_matches(blanks);
    while let Some(word) = rest.rsplit(blanks).next().filter(|word| word.starts_with(['&', '!'])) {
        rest = rest.get(..rest.len() - word.len()).unwrap_or_default().trim_end_matches(blanks);
    }
    rest
}

fn broken(key: Span) -> Value {
    Value { span: Span::at(key.end as usize), kind: Kind::Broken, anchored: false }
}

/// A block scalar from its indicator to the end of its last content line.
fn block(source: &str, content: Span) -> Span {
    let before = source.get(..content.start as usize).unwrap_or_default().trim_end();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    // The last indicator of the line before the content; a comment may follow it.
    let is_header = |at: &usize| {
        let rest = before.get(at + 1..).unwrap_or_default();
        let marks = rest.trim_start_matches(|char: char| matches!(char, '+' | '-') || char.is_ascii_digit());
        marks.is_empty() || marks.starts_with([' ', '\t'])
    };
    let header = before.get(line..).unwrap_or_default();
    let found = header.match_indices(['|', '>']).map(|(at, _)| line + at).find(is_header);
    let start = found.unwrap_or(content.start as usize);
    let kept = content.of(source).trim_end_matches(['\n', '\r', ' ', '\t']);
    if kept.is_empty() {
        return Span::new(start, before.len());
    }
    // Blanks at the end of the last content line are content.
    let rest = source.get(content.start as usize + kept.len()..content.end as usize).unwrap_or_default();
    let same_line = rest.find(['\n', '\r']).unwrap_or(rest.len());
    Span::new(start, content.start as usize + kept.len() + same_line)
}

/// A plain scalar by the core schema (YAML 1.2.2, 10.3.2).
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Boolean(true),
        "false" | "False" | "FALSE" => return Kind::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Kind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits {
        return text.trim_start_matches('+').parse().map_or_else(|_| float(text), Kind::Integer);
    }
    let radix = |prefix: &str, radix| {
        text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Kind::Integer(number);
    }
    let starts = number.trim_start_matches('.').starts_with(|char: char| char.is_ascii_digit());
    let only =
        number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if starts
        && only
        && let Ok(number) = text.trim_start_matches('+').parse()
    {
        return Kind::Float(number);
    }
    Kind::Text(Scalar { value: text.into(), style: Quote::Plain })
}

fn float(text: &str) -> Kind {
    text.trim_start_matches('+').parse().map_or(Kind::Broken, Kind::Float)
}

fn message(info: &str) -> String {
    let text = info.trim_end_matches('.');
    let mut chars = text.chars();
    let lower: String =
        chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default();
    if lower.is_empty() { String::from("this does not parse as YAML") } else { lower }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_places() {
        let source =
            "a: 1\nb:\n  - x # c\n  - 'it''s'\nc: |\n  one\n  two\n\n\nd: {e: [1, yes]}\nf: >-\n  folded\n";
        let tree = parse(source);
        assert_eq!(tree.errors, []);
        assert_eq!(tree.root.get("a").unwrap().kind, Kind::Integer(1));
        let items = tree.root.get("b").unwrap().as_list().unwrap();
        assert_eq!(items[1].as_text(), Some("it's"));
        assert_eq!(items[1].span.of(source), "'it''s'");
        assert_eq!(tree.root.get("c").unwrap().span.of(source), "|\n  one\n  two");
        assert_eq!(tree.root.get("c").unwrap().as_text(), Some("one\ntwo\n"));
        assert_eq!(tree.root.get("d").unwrap().span.of(source), "{e: [1, yes]}");
        assert_eq!(tree.root.at(&["d", "e"]).unwrap().as_list().unwrap()[1].as_text(), Some("yes"));
        assert_eq!(tree.root.get("f").unwrap().span.of(source), ">-\n  folded");
        assert_eq!(tree.comments[0].of(source), "# c");
    }

    #[test]
    fn nothing_stands_behind_its_colon_or_dash() {
        let source = "a:\nb : # why\nc:\n- x\n- # why\n-\n";
        let tree = parse(source);
        let ends = |value: &Value| source[..value.span.end as usize].lines().last().unwrap().to_owned();
        assert_eq!(ends(tree.root.get("a").unwrap()), "a:");
        assert_eq!(ends(tree.root.get("b").unwrap()), "b :");
        assert_eq!(tree.root.get("c").unwrap().span.of(source), "- x\n- # why\n-");
        assert_eq!(tree.root.span.of(source), source.trim_end());
        assert_eq!(parse("a:\n").root.span, Span::new(0, 2));
    }

    #[test]
    fn a_list_starts_with_its_first_dash() {
        for source in ["a:\n- b\n- c\n", "a:\n  -   b\n  - c\n", "a:\n- # why\n\n  &x\n  b\n- c\n"] {
            let tree = parse(source);
            let list = tree.root.get("a").unwrap();
            assert!(list.span.of(source).starts_with('-'), "{source}");
            assert!(list.span.of(source).ends_with("- c"), "{source}");
        }
        let source = "- - a\n  - b\n- c\n";
        let tree = parse(source);
        assert_eq!(tree.root.span.of(source), source.trim_end());
        assert_eq!(tree.root.as_list().unwrap()[0].span.of(source), "- a\n  - b");
    }

    #[test]
    fn aliases_anchors_documents_and_equal_keys() {
        let tree = parse("a: &x 1\nb: *x\n---\nc: 2\n");
        assert!(tree.root.get("a").unwrap().anchored);
        assert_eq!(tree.root.get("b").unwrap().kind, Kind::Alias);
        assert_eq!(tree.documents, 2);
        assert!(tree.root.get("c").is_none());
        assert_eq!(parse("a: 1\nb: 2\na: 3\n").errors[0].message, "key `a` is given twice (line 1)");
    }

    #[test]
    fn a_broken_value_is_lost_alone() {
        for source in ["a: 1\nb: [1, 2\nc: 3\n", "a: 1\nb: \"x\nc: 3\n", "a: 1\nb: @x\nc: 3\n"] {
            let tree = parse(source);
            assert_eq!(tree.root.get("a").map(|value| &value.kind), Some(&Kind::Integer(1)), "{source}");
            assert!(!tree.errors.is_empty(), "{source}");
            assert_eq!(
                tree.root.get("c").map(|value| &value.kind),
                Some(&Kind::Integer(3)),
                "{source}: {tree:#?}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for source in ["[".repeat(9000), "- ".repeat(9000), "{a: ".repeat(9000)] {
            assert!(!parse(&source).errors.is_empty());
        }
    }
}
