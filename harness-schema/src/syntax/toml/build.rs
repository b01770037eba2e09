//! Builds the tree from events: headers open tables, statements fill them, and what does not fit is reported.

use std::borrow::Cow;

use ecow::{EcoString, EcoVec};
use rustc_hash::FxHashMap;
use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{Event, EventKind};
use toml_parser::{ParseError, Source};

use super::MAX_DEPTH;
use crate::syntax::data::{Entry, Key, Kind, List, Quote, Scalar, Style, SyntaxError, Table, Tree, Value};
use crate::syntax::recovery::line_number;
use crate::text::Span;

/// A table or value while the tree grows; tables find their entries by name in constant time.
struct Node {
    key: Key,
    span: Option<Span>,
    kind: NodeKind,
}

enum NodeKind {
    Leaf(Value),
    Table { entries: Vec<usize>, by_name: FxHashMap<EcoString, usize>, style: Style, headers: Vec<Span> },
    Tables(Vec<usize>),
}

pub(super) struct Builder<'i> {
    input: Source<'i>,
    /// The whole text; `input` is the part of it that is read.
    pub(super) source: &'i str,
    /// Where the part starts.
    pub(super) base: usize,
    nodes: Vec<Node>,
    /// The table that statements go to.
    current: usize,
    /// Header tables from the outermost to the current one; what is added to the current one extends them all.
    open: Vec<usize>,
    pub(super) errors: Vec<ParseError>,
    own_errors: Vec<SyntaxError>,
    comments: Vec<Span>,
    /// The statements, for errors that have to be told apart.
    pub(super) statements: Vec<Statement>,
}

pub(super) struct Statement {
    pub(super) span: Span,
    pub(super) key: Span,
    pub(super) value_start: Option<u32>,
}

const ROOT: usize = 0;

/// Tables with more entries than this have a map of their names.
const FEW: usize = 12;

impl<'i> Builder<'i> {
    /// Reads a part of `text`, which is `source` with some regions blanked.
    pub(super) fn new(text: &'i str, source: &'i str, part: Span) -> Self {
        let key = Key { name: EcoString::new(), span: Span::at(0) };
        let root = Node { key, span: Some(Span::at(0)), kind: table(Style::Header) };
        Self {
            input: Source::new(part.of(text)),
            source,
            base: part.start as usize,
            nodes: vec![root],
            current: ROOT,
            open: vec![ROOT],
            errors: Vec::new(),
            own_errors: Vec::new(),
            comments: Vec::new(),
            statements: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, events: &[Event]) {
        let mut at = 0;
        while let Some(event) = events.get(at) {
            at = match event.kind() {
                EventKind::StdTableOpen => self.header(events, at, false),
                EventKind::ArrayTableOpen => self.header(events, at, true),
                EventKind::SimpleKey => self.statement(events, at),
                EventKind::Comment => {
                    self.comments.push(self.span(event));
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
                    end = Some(self.span(event).end as usize);
                    break;
                }
                EventKind::Newline | EventKind::Comment => {
                    at -= 1;
                    break;
                }
                _ => {}
            }
        }
        let from = events.get(start).map_or(0, |event| self.span(event).start as usize);
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
        let key = Key { name: EcoString::new(), span: Span::at(0) };
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
                EventKind::KeyValSep => return (keys, at + 1, Some(self.span(event))),
                _ => break,
            }
            at += 1;
        }
        (keys, at.max(start + 1), None)
    }

    fn insert(&mut self, table_at: usize, keys: Vec<Key>, value: Value) {
        let (depth, mut parents) = (keys.len(), keys);
        let Some(last) = parents.pop() else { return };
        if MAX_DEPTH < depth {
            return self.report(last.span, last.span, format!("a key has at most {MAX_DEPTH} parts"));
        }
        let mut at = table_at;
        for key in parents {
            let whole = key.span.cover(value.span);
            at = match self.child(at, &key.name) {
                None => self.add(at, key, table(Style::Dotted)),
                Some(child) => match &self.node(child).kind {
                    NodeKind::Table { .. } => child,
                    _ => {
                        let message = format!("`{}` is no table", key.name);
                        return self.report(key.span, last.span.cover(value.span), message);
                    }
                },
            };
            let node = self.node(at);
            node.span = Some(node.span.map_or(whole, |span| span.cover(whole)));
        }
        if let Some(child) = self.child(at, &last.name) {
            self.duplicate(child, &last, last.span);
        }
        self.add(at, last, NodeKind::Leaf(value));
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
        let open = events.get(start).map(|event| self.span(event)).unwrap_or_default();
        let mut whole = open;
        let mut items = Vec::new();
        let mut at = start + 1;
        while let Some(event) = events.get(at) {
            match event.kind() {
                EventKind::ArrayClose => {
                    whole = whole.cover(self.span(event));
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
                    self.comments.push(self.span(event));
                    at += 1;
                }
                EventKind::StdTableOpen | EventKind::ArrayTableOpen | EventKind::KeyValSep => break,
                _ => at += 1,
            }
        }
        let kind = Kind::List(List { items: items.into(), style: Style::Flow });
        (Some(Value { span: whole, kind, anchored: false }), at)
    }

    fn inline_table(&mut self, events: &[Event], start: usize, depth: usize) -> (Option<Value>, usize) {
        let open = events.get(start).map(|event| self.span(event)).unwrap_or_default();
        let mut whole = open;
        let mut at = start + 1;
        // Built in the arena, because dotted keys make tables here too.
        let key = Key { name: EcoString::new(), span: open };
        self.nodes.push(Node { key, span: None, kind: table(Style::Flow) });
        let node = self.nodes.len() - 1;
        while let Some(event) = events.get(at) {
            match event.kind() {
                EventKind::InlineTableClose => {
                    whole = whole.cover(self.span(event));
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
                    self.comments.push(self.span(event));
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
        let place = self.span(event);
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
                Kind::Text(Scalar { value: EcoString::from(&*decoded), style: quote(event.encoding()) })
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
        Key { name: EcoString::from(&*name), span: self.span(event) }
    }

    /// Where an event stands in the whole text.
    fn span(&self, event: &Event) -> Span {
        Span::new(event.span().start(), event.span().end()).offset(self.base)
    }

    fn node(&mut self, at: usize) -> &mut Node {
        // Every index was handed out by this arena, which only grows.
        &mut self.nodes[at]
    }

    fn child(&self, at: usize, name: &str) -> Option<usize> {
        match &self.nodes.get(at)?.kind {
            NodeKind::Table { entries, by_name, .. } if by_name.is_empty() => {
                entries.iter().copied().find(|entry| self.is_named(*entry, name))
            }
            NodeKind::Table { by_name, .. } => by_name.get(name).copied(),
            _ => None,
        }
    }

    fn is_named(&self, node: usize, name: &str) -> bool {
        self.nodes.get(node).is_some_and(|node| *node.key.name == *name)
    }

    fn add(&mut self, at: usize, key: Key, kind: NodeKind) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node { key, span: None, kind });
        let NodeKind::Table { entries, .. } = &mut self.node(at).kind else { return node };
        entries.push(node);
        // Most tables are small, and looking through a few names is faster than keeping a map of them.
        match entries.len() {
            ..=FEW => {}
            length => {
                let new = if length == FEW + 1 { entries.clone() } else { vec![node] };
                let names: Vec<(EcoString, usize)> = new
                    .into_iter()
                    .filter_map(|entry| Some((self.nodes.get(entry)?.key.name.clone(), entry)))
                    .collect();
                if let NodeKind::Table { by_name, .. } = &mut self.node(at).kind {
                    for (name, entry) in names {
                        by_name.entry(name).or_insert(entry);
                    }
                }
            }
        }
        node
    }

    /// The open header tables reach at least to here.
    fn extend(&mut self, span: Span) {
        for index in 0..self.open.len() {
            let Some(at) = self.open.get(index).copied() else { continue };
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
                let items: EcoVec<Value> = items.into_iter().map(|item| self.take(item)).collect();
                let span = cover_all(items.iter().map(|item| item.span)).or(own).unwrap_or_default();
                Value { span, kind: Kind::List(List { items, style: Style::Header }), anchored: false }
            }
            NodeKind::Table { entries, style, headers, .. } => {
                let entries: EcoVec<Entry> = entries
                    .into_iter()
                    .map(|entry| {
                        let empty = Key { name: EcoString::new(), span: Span::at(0) };
                        let key = std::mem::replace(&mut self.node(entry).key, empty);
                        Entry { key, value: self.take(entry) }
                    })
                    .collect();
                let span = own.or_else(|| cover_all(entries.iter().map(Entry::span))).unwrap_or_default();
                Value {
                    span,
                    kind: Kind::Table(Table { entries, style, headers: headers.into() }),
                    anchored: false,
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> (Tree, Option<SyntaxError>) {
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
}

fn table(style: Style) -> NodeKind {
    NodeKind::Table { entries: Vec::new(), by_name: FxHashMap::default(), style, headers: Vec::new() }
}

fn cover_all(spans: impl Iterator<Item = Span>) -> Option<Span> {
    spans.reduce(Span::cover)
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
