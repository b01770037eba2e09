//! TOML 1.1 from the tokens and events of `toml_parser`, as a tree with spans.
//!
//! A statement that does not parse is lost alone: its key stays with a broken value, and all others are read.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{Event, EventKind, RecursionGuard, parse_document};
use toml_parser::{ParseError, Source};

use super::data::{Entry, Key, Kind, List, Quote, Scalar, Style, SyntaxError, Table, Tree, Value};
use super::recovery::{blank, line_around, line_number};
use crate::text::Span;

/// Deeper values and longer keys are errors (`security` 6.4).
pub const MAX_DEPTH: usize = 128;

/// How many runaway values (an unclosed bracket or quote) are blanked before parsing gives up on the rest.
const MAX_MASKS: usize = 16;

/// Reads TOML.
#[must_use]
pub fn parse(source: &str) -> Tree {
    let mut masked: Cow<'_, str> = Cow::Borrowed(source);
    let mut runaways: Vec<SyntaxError> = Vec::new();
    for _ in 0..MAX_MASKS {
        let (tree, runaway) = parse_once(&masked, source);
        match runaway {
            Some(runaway) => {
                masked = Cow::Owned(blank(&masked, runaway.region));
                runaways.push(runaway);
            }
            None => return with_runaways(tree, runaways),
        }
    }
    with_runaways(parse_once(&masked, source).0, runaways)
}

fn with_runaways(mut tree: Tree, runaways: Vec<SyntaxError>) -> Tree {
    if runaways.is_empty() {
        return tree;
    }
    // What was blanked is missing now, which is no second error.
    tree.errors.retain(|error| {
        !runaways.iter().any(|runaway| {
            runaway.region.touches(error.span.start as usize)
                || error.region.touches(runaway.region.start as usize)
        })
    });
    tree.errors.extend(runaways);
    tree.errors.sort_by_key(|error| error.span);
    tree
}

/// One pass; a value that runs over the next statement is reported instead of what it swallowed.
fn parse_once(text: &str, source: &str) -> (Tree, Option<SyntaxError>) {
    let input = Source::new(text);
    let tokens = input.lex().into_vec();
    let mut events: Vec<Event> = Vec::with_capacity(tokens.len());
    let mut errors: Vec<ParseError> = Vec::new();
    let limit = u32::try_from(MAX_DEPTH).unwrap_or(u32::MAX);
    parse_document(&tokens, &mut RecursionGuard::new(&mut events, limit), &mut errors);
    let mut builder = Builder::new(input, source);
    builder.run(&events);
    builder.errors.extend(errors);
    builder.finish()
}

/// A table or value while the tree grows; tables find their entries by name in constant time.
struct Node {
    key: Key,
    span: Option<Span>,
    kind: NodeKind,
}

enum NodeKind {
    Leaf(Value),
    Table { entries: Vec<usize>, by_name: FxHashMap<Box<str>, usize>, style: Style, headers: Vec<Span> },
    Tables(Vec<usize>),
}

struct Builder<'i> {
    input: Source<'i>,
    source: &'i str,
    nodes: Vec<Node>,
    /// The table that statements go to.
    current: usize,
    /// Header tables from the outermost to the current one; what is added to the current one extends them all.
    open: Vec<usize>,
    errors: Vec<ParseError>,
    own_errors: Vec<SyntaxError>,
    comments: Vec<Span>,
    /// The statements, for errors that have to be told apart.
    statements: Vec<Statement>,
}

struct Statement {
    span: Span,
    key: Span,
    value_start: Option<u32>,
}

const ROOT: usize = 0;

impl<'i> Builder<'i> {
    fn new(input: Source<'i>, source: &'i str) -> Self {
        let key = Key { name: Box::from(""), span: Span::at(0) };
        let root = Node { key, span: Some(Span::at(0)), kind: table(Style::Header) };
        Self {
            input,
            source,
            nodes: vec![root],
            current: ROOT,
            open: vec![ROOT],
            errors: Vec::new(),
            own_errors: Vec::new(),
            comments: Vec::new(),
            statements: Vec::new(),
        }
    }

    fn run(&mut self, events: &[Event]) {
        let mut at = 0;
        while let Some(event) = events.get(at) {
            at = match event.kind() {
                EventKind::StdTableOpen => self.header(events, at, false),
                EventKind::ArrayTableOpen => self.header(events, at, true),
                EventKind::SimpleKey => self.statement(events, at),
                EventKind::Comment => {
                    self.comments.push(span(event));
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    fn header(&mut self, events: &[Event], start: usize, is_list: bool) -> usize {
        let mut keys = Vec::new();
        let mut at = start + 1;
        let mut end = None;
        while let Some(event) = events.get(at) {
            at += 1;
            match event.kind() {
                EventKind::SimpleKey => keys.push(self.key(event)),
                EventKind::StdTableClose | EventKind::ArrayTableClose => {
                    end = Some(event.span().end());
                    break;
                }
                EventKind::Newline | EventKind::Comment => {
                    at -= 1;
                    break;
                }
                _ => {}
            }
        }
        let from = events.get(start).map_or(0, |event| event.span().start());
        let to = end.or_else(|| keys.last().map(|key| key.span.end as usize)).unwrap_or(from);
        let header = Span::new(from, to);
        let key = keys.last().map_or(header, |key| key.span);
        self.statements.push(Statement { span: header, key, value_start: None });
        if keys.is_empty() {
            return at;
        }
        if MAX_DEPTH < keys.len() {
            self.report(header, header, format!("a key has at most {MAX_DEPTH} parts"));
            return at;
        }
        self.open_table(keys, header, is_list);
        at
    }

    fn open_table(&mut self, keys: Vec<Key>, header: Span, is_list: bool) {
        let Some((last, parents)) = keys.split_last() else { return };
        let mut way = vec![ROOT];
        let mut at = ROOT;
        for key in parents {
            let Some(next) = self.descend(at, key, header) else { return };
            // The newest table of a list is the one that a header means.
            way.push(next.0);
            way.push(next.1);
            at = next.1;
        }
        let target = match self.child(at, &last.name) {
            Some(child) if is_list => match &mut self.node(child).kind {
                NodeKind::Tables(_) => {
                    way.push(child);
                    self.push_table(child, last, header)
                }
                _ => {
                    self.duplicate(child, last, header);
                    self.add(at, last.clone(), table(Style::Header))
                }
            },
            Some(child) => match &mut self.node(child).kind {
                // Implied by a longer header before, opened now.
                NodeKind::Table { style, headers, .. } if headers.is_empty() && *style == Style::Dotted => {
                    *style = Style::Header;
                    headers.push(header);
                    child
                }
                _ => {
                    self.duplicate(child, last, header);
                    let again = self.add(at, last.clone(), table(Style::Header));
                    if let NodeKind::Table { headers, .. } = &mut self.node(again).kind {
                        headers.push(header);
                    }
                    again
                }
            },
            None if is_list => {
                let list = self.add(at, last.clone(), NodeKind::Tables(Vec::new()));
                way.push(list);
                self.push_table(list, last, header)
            }
            None => {
                let table = self.add(at, last.clone(), table(Style::Header));
                if let NodeKind::Table { headers, .. } = &mut self.node(table).kind {
                    headers.push(header);
                }
                table
            }
        };
        way.push(target);
        self.open.retain(|node| way.contains(node));
        for node in way {
            if !self.open.contains(&node) {
                self.open.push(node);
            }
        }
        self.current = target;
        self.extend(header);
    }

    /// From a table into the table called `key`, made if it is not there: (entry, table), which differ for a list.
    fn descend(&mut self, at: usize, key: &Key, header: Span) -> Option<(usize, usize)> {
        let Some(child) = self.child(at, &key.name) else {
            let child = self.add(at, key.clone(), table(Style::Dotted));
            return Some((child, child));
        };
        match &self.node(child).kind {
            NodeKind::Table { .. } => Some((child, child)),
            NodeKind::Tables(items) => items.last().map(|last| (child, *last)),
            _ => {
                self.report(key.span, header, format!("`{}` is no table", key.name));
                self.current = self.detached();
                None
            }
        }
    }

    /// A table outside of the tree, for statements below a header that cannot be placed.
    fn detached(&mut self) -> usize {
        let key = Key { name: Box::from(""), span: Span::at(0) };
        self.nodes.push(Node { key, span: None, kind: table(Style::Header) });
        self.nodes.len() - 1
    }

    fn push_table(&mut self, list: usize, key: &Key, header: Span) -> usize {
        let mut kind = table(Style::Header);
        if let NodeKind::Table { headers, .. } = &mut kind {
            headers.push(header);
        }
        self.nodes.push(Node { key: key.clone(), span: None, kind });
        let item = self.nodes.len() - 1;
        if let NodeKind::Tables(items) = &mut self.node(list).kind {
            items.push(item);
        }
        item
    }

    /// `key = value`, at the top level.
    fn statement(&mut self, events: &[Event], start: usize) -> usize {
        let (keys, mut at, separator) = self.keys(events, start);
        let Some(first) = keys.first().cloned() else { return start + 1 };
        let key_span = keys.iter().fold(first.span, |all, key| all.cover(key.span));
        let value = match separator {
            Some(equals) => {
                let (value, next) = self.value(events, at, 0);
                at = next;
                value.unwrap_or(Value {
                    span: Span::at(equals.end as usize),
                    kind: Kind::Broken,
                    anchored: false,
                })
            }
            None => Value { span: Span::at(key_span.end as usize), kind: Kind::Broken, anchored: false },
        };
        let whole = key_span.cover(value.span);
        let value_start = separator.map(|_| value.span.start);
        self.statements.push(Statement { span: whole, key: key_span, value_start });
        self.insert(self.current, keys, value);
        self.extend(whole);
        at
    }

    /// Dotted keys up to `=`: the keys, where to go on, and the `=`.
    fn keys(&mut self, events: &[Event], start: usize) -> (Vec<Key>, usize, Option<Span>) {
        let mut keys = Vec::new();
        let mut at = start;
        while let Some(event) = events.get(at) {
            match event.kind() {
                EventKind::SimpleKey => keys.push(self.key(event)),
                EventKind::KeySep | EventKind::Whitespace => {}
                EventKind::KeyValSep => return (keys, at + 1, Some(span(event))),
                _ => break,
            }
            at += 1;
        }
        (keys, at.max(start + 1), None)
    }

    fn insert(&mut self, table_at: usize, keys: Vec<Key>, value: Value) {
        let Some((last, parents)) = keys.split_last() else { return };
        if MAX_DEPTH < keys.len() {
            return self.report(last.span, last.span, format!("a key has at most {MAX_DEPTH} parts"));
        }
        let mut at = table_at;
        for key in parents {
            at = match self.child(at, &key.name) {
                None => self.add(at, key.clone(), table(Style::Dotted)),
                Some(child) => match &self.node(child).kind {
                    NodeKind::Table { .. } => child,
                    _ => {
                        let message = format!("`{}` is no table", key.name);
                        return self.report(key.span, last.span.cover(value.span), message);
                    }
                },
            };
            let whole = key.span.cover(value.span);
            let node = self.node(at);
            node.span = Some(node.span.map_or(whole, |span| span.cover(whole)));
        }
        if let Some(child) = self.child(at, &last.name) {
            self.duplicate(child, last, last.span);
        }
        self.add(at, last.clone(), NodeKind::Leaf(value));
    }

    /// A value and where to go on; `None` if there is none.
    fn value(&mut self, events: &[Event], start: usize, depth: usize) -> (Option<Value>, usize) {
        let mut at = start;
        while let Some(event) = events.get(at) {
            match event.kind() {
                EventKind::Whitespace | EventKind::Error => at += 1,
                EventKind::Scalar => return (Some(self.scalar(event)), at + 1),
                EventKind::ArrayOpen => return self.array(events, at, depth),
                EventKind::InlineTableOpen => return self.inline_table(events, at, depth),
                _ => break,
            }
        }
        (None, at)
    }

    fn array(&mut self, events: &[Event], start: usize, depth: usize) -> (Option<Value>, usize) {
        let open = events.get(start).map(span).unwrap_or_default();
        let mut whole = open;
        let mut items = Vec::new();
        let mut at = start + 1;
        while let Some(event) = events.get(at) {
            match event.kind() {
                EventKind::ArrayClose => {
                    whole = whole.cover(span(event));
                    at += 1;
                    break;
                }
                EventKind::Scalar | EventKind::ArrayOpen | EventKind::InlineTableOpen
                    if depth < MAX_DEPTH =>
                {
                    let (value, next) = self.value(events, at, depth + 1);
                    at = next.max(at + 1);
                    if let Some(value) = value {
                        whole = whole.cover(value.span);
                        items.push(value);
                    }
                }
                EventKind::Comment => {
                    self.comments.push(span(event));
                    at += 1;
                }
                EventKind::StdTableOpen | EventKind::ArrayTableOpen | EventKind::KeyValSep => break,
                _ => at += 1,
            }
        }
        let kind = Kind::List(List { items, style: Style::Flow });
        (Some(Value { span: whole, kind, anchored: false }), at)
    }

    fn inline_table(&mut self, events: &[Event], start: usize, depth: usize) -> (Option<Value>, usize) {
        let open = events.get(start).map(span).unwrap_or_default();
        let mut whole = open;
        let mut at = start + 1;
        // Built in the arena, because dotted keys make tables here too.
        let key = Key { name: Box::from(""), span: open };
        self.nodes.push(Node { key, span: None, kind: table(Style::Flow) });
        let node = self.nodes.len() - 1;
        while let Some(event) = events.get(at) {
            match event.kind() {
                EventKind::InlineTableClose => {
                    whole = whole.cover(span(event));
                    at += 1;
                    break;
                }
                EventKind::SimpleKey if depth < MAX_DEPTH => {
                    let (keys, next, separator) = self.keys(events, at);
                    at = next;
                    let end = keys.last().map_or(0, |key| key.span.end as usize);
                    let mut value = None;
                    if separator.is_some() {
                        (value, at) = self.value(events, at, depth + 1);
                    }
                    let broken = Value { span: Span::at(end), kind: Kind::Broken, anchored: false };
                    let value = value.unwrap_or(broken);
                    whole = whole.cover(value.span);
                    self.insert(node, keys, value);
                }
                EventKind::Comment => {
                    self.comments.push(span(event));
                    at += 1;
                }
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => break,
                _ => at += 1,
            }
        }
        let mut value = self.take(node);
        value.span = whole;
        (Some(value), at)
    }

    fn scalar(&mut self, event: &Event) -> Value {
        let place = span(event);
        let mut decoded: Cow<'i, str> = Cow::Borrowed("");
        let Some(raw) = self.input.get(event) else {
            return Value { span: place, kind: Kind::Broken, anchored: false };
        };
        let before = self.errors.len();
        let scalar = raw.decode_scalar(&mut decoded, &mut self.errors);
        let kind = match scalar {
            // A word without quotes is no value.
            ScalarKind::String if event.encoding().is_none() => Kind::Broken,
            // A string with a wrong escape is still the string that was meant.
            ScalarKind::String => {
                Kind::Text(Scalar { value: Box::from(&*decoded), style: quote(event.encoding()) })
            }
            _ if before < self.errors.len() => Kind::Broken,
            ScalarKind::Boolean(truth) => Kind::Boolean(truth),
            ScalarKind::DateTime => Kind::Date,
            ScalarKind::Float => decoded.parse().map_or(Kind::Broken, Kind::Float),
            ScalarKind::Integer(radix) => integer(&decoded, radix.value()),
        };
        Value { span: place, kind, anchored: false }
    }

    fn key(&mut self, event: &Event) -> Key {
        let mut name: Cow<'i, str> = Cow::Borrowed("");
        if let Some(raw) = self.input.get(event) {
            raw.decode_key(&mut name, &mut self.errors);
        }
        Key { name: Box::from(&*name), span: span(event) }
    }

    fn node(&mut self, at: usize) -> &mut Node {
        // Every index was handed out by this arena, which only grows.
        &mut self.nodes[at]
    }

    fn child(&self, at: usize, name: &str) -> Option<usize> {
        match &self.nodes.get(at)?.kind {
            NodeKind::Table { by_name, .. } => by_name.get(name).copied(),
            _ => None,
        }
    }

    fn add(&mut self, at: usize, key: Key, kind: NodeKind) -> usize {
        let node = self.nodes.len();
        let name = key.name.clone();
        self.nodes.push(Node { key, span: None, kind });
        if let NodeKind::Table { entries, by_name, .. } = &mut self.node(at).kind {
            entries.push(node);
            by_name.entry(name).or_insert(node);
        }
        node
    }

    /// The open header tables reach at least to here.
    fn extend(&mut self, span: Span) {
        for at in self.open.clone() {
            let node = self.node(at);
            node.span = Some(node.span.map_or(span, |whole| whole.cover(span)));
        }
    }

    fn duplicate(&mut self, earlier: usize, key: &Key, region: Span) {
        let first = self.node(earlier).key.span.start as usize;
        let line = line_number(self.source, first);
        self.report(key.span, region, format!("key `{}` is given twice (line {line})", key.name));
    }

    fn report(&mut self, span: Span, region: Span, message: String) {
        self.own_errors.push(SyntaxError { span, region, message });
    }

    /// A finished table as a value; its nodes are emptied.
    fn take(&mut self, at: usize) -> Value {
        let empty = NodeKind::Leaf(Value::default());
        let node = self.node(at);
        let own = node.span;
        match std::mem::replace(&mut node.kind, empty) {
            NodeKind::Leaf(value) => value,
            NodeKind::Tables(items) => {
                let items: Vec<Value> = items.into_iter().map(|item| self.take(item)).collect();
                let span = cover_all(items.iter().map(|item| item.span)).or(own).unwrap_or_default();
                Value { span, kind: Kind::List(List { items, style: Style::Header }), anchored: false }
            }
            NodeKind::Table { entries, style, headers, .. } => {
                let entries: Vec<Entry> = entries
                    .into_iter()
                    .map(|entry| {
                        let key = self.node(entry).key.clone();
                        Entry { key, value: self.take(entry) }
                    })
                    .collect();
                let span = own.or_else(|| cover_all(entries.iter().map(Entry::span))).unwrap_or_default();
                Value { span, kind: Kind::Table(Table { entries, style, headers }), anchored: false }
            }
        }
    }

    fn finish(mut self) -> (Tree, Option<SyntaxError>) {
        let mut root = self.take(ROOT);
        root.span = Span::new(0, self.source.len());
        let mut errors = std::mem::take(&mut self.own_errors);
        let parse_errors = std::mem::take(&mut self.errors);
        let mut runaway: Option<SyntaxError> = None;
        for error in &parse_errors {
            let (error, statement) = self.explain(error);
            let is_runaway = statement.is_some_and(|at| self.swallows(at));
            if is_runaway && runaway.is_none() {
                runaway = statement.and_then(|at| self.runaway(at));
            }
            errors.push(error);
        }
        errors.sort_by_key(|error| (error.region.start, error.span));
        // One error for each broken region: the first says what is wrong, the others follow from it.
        let mut kept: Vec<SyntaxError> = Vec::new();
        for error in errors {
            match kept.last_mut() {
                Some(last) if error.region.start <= last.region.end && last.region.overlaps(error.region) => {
                    last.region = last.region.cover(error.region);
                }
                _ => kept.push(error),
            }
        }
        self.comments.sort_unstable();
        (Tree { root, errors: kept, comments: self.comments, documents: 1 }, runaway)
    }

    /// An error in our words, and the statement that it is about.
    fn explain(&self, error: &ParseError) -> (SyntaxError, Option<usize>) {
        let at = error.unexpected().or(error.context()).map_or(0, |span| span.start()).min(self.source.len());
        let line = line_around(self.source, at);
        let index = self.statements.partition_point(|statement| statement.span.start as usize <= at);
        // A statement may begin after the error on its own line (`= 4`, `]`).
        let statement = index.checked_sub(1).filter(|index| {
            self.statements.get(*index).is_some_and(|statement| {
                line.start <= statement.span.end && (statement.span.start as usize) <= at
            })
        });
        let shown = statement.and_then(|at| self.statements.get(at)).map(|statement| {
            let key = statement.key.of(self.source);
            if 60 < key.chars().count() { String::from("…") } else { key.to_owned() }
        });
        let rest = self.source.get(at..line.end as usize).unwrap_or_default();
        let nothing_follows = rest.trim().is_empty() && error.unexpected().is_none_or(|span| span.is_empty());
        let message = match (error.description(), shown) {
            ("string values must be quoted", Some(key)) if nothing_follows => {
                format!("expected a value after `{key} =`")
            }
            ("string values must be quoted", _) => String::from("a text must be quoted"),
            ("missing value", Some(key)) => format!("expected a value after `{key} =`"),
            ("key with no value" | "missing value for key", Some(key)) => {
                format!("expected `=` and a value after `{key}`")
            }
            ("missing value", None) => String::from("expected a value"),
            (description, _) => {
                let expected: Vec<String> = error
                    .expected()
                    .unwrap_or_default()
                    .iter()
                    .map(|expected| match expected {
                        toml_parser::Expected::Literal(text) if *text == "\n" => String::from("a line break"),
                        toml_parser::Expected::Literal(text) => format!("`{text}`"),
                        toml_parser::Expected::Description(text) => (*text).to_owned(),
                        _ => String::from("something else"),
                    })
                    .collect();
                if expected.is_empty() {
                    description.to_owned()
                } else {
                    format!("{description}, expected {}", expected.join(" or "))
                }
            }
        };
        let unexpected = error.unexpected().map_or(Span::at(at), |span| Span::new(span.start(), span.end()));
        let statement_span =
            statement.and_then(|at| self.statements.get(at)).map_or(line, |statement| statement.span);
        let region = line.cover(statement_span);
        let span = visible(self.source, unexpected, statement_span, line);
        (SyntaxError { span, region, message }, statement)
    }

    /// Whether a statement with an error goes over a line that looks like the start of another one.
    fn swallows(&self, at: usize) -> bool {
        let Some(statement) = self.statements.get(at) else { return false };
        statement.value_start.is_some() && next_statement(self.source, statement.span).is_some()
    }

    /// The error for a value that swallowed the statements behind it.
    fn runaway(&self, at: usize) -> Option<SyntaxError> {
        let statement = self.statements.get(at)?;
        let value = statement.value_start? as usize;
        let end = next_statement(self.source, statement.span)?;
        let opening = self.source.get(value..)?.chars().next()?;
        let message = match opening {
            '[' => String::from("`[` is never closed"),
            '{' => String::from("`{` is never closed"),
            quote => format!("`{quote}` is never closed"),
        };
        let region = Span::new(value, end);
        let span = Span::new(value, value + opening.len_utf8());
        Some(SyntaxError { span, region, message })
    }
}

fn table(style: Style) -> NodeKind {
    NodeKind::Table { entries: Vec::new(), by_name: FxHashMap::default(), style, headers: Vec::new() }
}

fn cover_all(spans: impl Iterator<Item = Span>) -> Option<Span> {
    spans.reduce(Span::cover)
}

fn span(event: &Event) -> Span {
    Span::new(event.span().start(), event.span().end())
}

fn quote(encoding: Option<Encoding>) -> Quote {
    match encoding {
        Some(Encoding::BasicString) => Quote::Double,
        Some(Encoding::LiteralString) => Quote::Single,
        Some(Encoding::MlBasicString) => Quote::TripleDouble,
        Some(Encoding::MlLiteralString) => Quote::TripleSingle,
        None => Quote::Plain,
    }
}

fn integer(decoded: &str, radix: u32) -> Kind {
    match i64::from_str_radix(decoded, radix) {
        Ok(number) => Kind::Integer(number),
        Err(_) if radix == 10 => decoded.parse().map_or(Kind::Broken, Kind::Float),
        Err(_) => Kind::Broken,
    }
}

/// Where an error is shown: the unexpected bytes, or the last character before them if there is nothing to see.
fn visible(source: &str, unexpected: Span, statement: Span, line: Span) -> Span {
    let text = unexpected.of(source);
    if !text.trim().is_empty() && !text.contains('\n') {
        return unexpected;
    }
    let before = source.get(line.start as usize..unexpected.start as usize).unwrap_or_default();
    let end = line.start as usize + before.trim_end().len();
    let start = statement.start.max(line.start) as usize;
    if start < end { Span::new(start, end) } else { Span::new(line.start as usize, line.end as usize) }
}

/// The start of the first line inside a statement, after its first, that looks like another statement.
fn next_statement(source: &str, statement: Span) -> Option<usize> {
    let mut at = statement.start as usize;
    while let Some(next) = memchr::memchr(b'\n', source.as_bytes().get(at..statement.end as usize)?) {
        at += next + 1;
        let line = source.get(at..)?.lines().next().unwrap_or_default();
        if looks_like_statement(line) && at < statement.end as usize {
            return Some(at);
        }
    }
    None
}

fn looks_like_statement(line: &str) -> bool {
    if line.starts_with('[') {
        let inner = line.trim_end().trim_start_matches('[');
        return inner.ends_with(']')
            && inner.starts_with(|char: char| char.is_ascii_alphabetic())
            && !inner.contains([',', '"']);
    }
    let key_end = line.find(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')));
    key_end.is_some_and(|end| 0 < end && line[end..].trim_start().starts_with('=') && !line.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(tree: &'a Tree, keys: &[&str]) -> &'a Value {
        tree.root.at(keys).unwrap_or_else(|| panic!("no {keys:?} in {:#?}", tree.root))
    }

    fn errors(source: &str) -> Vec<(String, String)> {
        let tree = parse(source);
        tree.errors.iter().map(|error| (error.span.of(source).to_owned(), error.message.clone())).collect()
    }

    #[test]
    fn spans_are_those_of_the_text() {
        let source = "a = 1\n[b]\n'c d' = \"x\\ty\" # why\n[[t]]\nn = [1, 2.5,\n true]\n[[t]]\nm = { k.l = 1979-05-27 }\n";
        let tree = parse(source);
        assert_eq!(tree.errors, []);
        assert_eq!(at(&tree, &["b", "c d"]).span.of(source), "\"x\\ty\"");
        assert_eq!(at(&tree, &["b", "c d"]).as_text(), Some("x\ty"));
        assert_eq!(at(&tree, &["b"]).span.of(source), "[b]\n'c d' = \"x\\ty\"");
        let tables = at(&tree, &["t"]).as_list().unwrap();
        assert_eq!(tables[0].span.of(source), "[[t]]\nn = [1, 2.5,\n true]");
        assert_eq!(tables[0].get("n").unwrap().as_list().unwrap()[1].kind, Kind::Float(2.5));
        assert_eq!(tables[1].at(&["m", "k", "l"]).unwrap().kind, Kind::Date);
        assert_eq!(tables[1].get("m").unwrap().span.of(source), "{ k.l = 1979-05-27 }");
        assert_eq!(tree.comments.iter().map(|span| span.of(source)).collect::<Vec<_>>(), ["# why"]);
    }

    #[test]
    fn a_broken_statement_is_lost_alone() {
        let source = "a = 1\nmax_steps = \nb = 2\n[x\nc = 3\n[y]\nd = \"open\ne = 5\n";
        let tree = parse(source);
        assert_eq!(at(&tree, &["a"]).kind, Kind::Integer(1));
        assert_eq!(at(&tree, &["max_steps"]).kind, Kind::Broken);
        assert_eq!(at(&tree, &["b"]).kind, Kind::Integer(2));
        assert_eq!(at(&tree, &["y", "e"]).kind, Kind::Integer(5));
        assert_eq!(tree.errors.len(), 3, "{:#?}", tree.errors);
        assert_eq!(tree.errors[0].message, "expected a value after `max_steps =`");
        assert_eq!(tree.errors[0].span.of(source), "max_steps =");
    }

    #[test]
    fn an_unclosed_bracket_swallows_nothing() {
        let source = "a = [\n  \"x\",\nb = 2\n[c]\nd = 3\n";
        let tree = parse(source);
        assert_eq!(at(&tree, &["b"]).kind, Kind::Integer(2));
        assert_eq!(at(&tree, &["c", "d"]).kind, Kind::Integer(3));
        assert_eq!(errors(source), [("[".to_owned(), "`[` is never closed".to_owned())]);
    }

    #[test]
    fn equal_keys_are_kept_and_reported() {
        let source = "a = 1\nb = 2\na = 3\n";
        let tree = parse(source);
        assert_eq!(tree.root.as_table().unwrap().entries.len(), 3);
        assert_eq!(errors(source), [("a".to_owned(), "key `a` is given twice (line 1)".to_owned())]);
    }

    #[test]
    fn headers_may_come_in_any_order() {
        let source = "[a.b]\nx = 1\n[c]\ny = 2\n[a]\nz = 3\n[a.d]\nw = 4\n";
        let tree = parse(source);
        assert_eq!(tree.errors, []);
        assert_eq!(at(&tree, &["a", "z"]).kind, Kind::Integer(3));
        assert_eq!(at(&tree, &["a", "b", "x"]).kind, Kind::Integer(1));
        assert_eq!(at(&tree, &["a", "d", "w"]).kind, Kind::Integer(4));
    }

    #[test]
    fn depth_is_limited() {
        let deep = format!("a = {}{}\n", "[".repeat(5000), "]".repeat(5000));
        assert!(!parse(&deep).errors.is_empty());
        let long = format!("[{}]\nx = 1\n", vec!["a"; 5000].join("."));
        assert!(!parse(&long).errors.is_empty());
        let dotted = format!("{} = 1\n", vec!["a"; 5000].join("."));
        assert!(!parse(&dotted).errors.is_empty());
    }
}
