//! Parses the neighbourhood of an edit: the statements below one header. All else is copied and moved.
//!
//! The answer is the tree that a whole parse gives, or none: a header that changed, an error elsewhere and a table that is
//! written in several places are left to the whole parse.

use ecow::EcoVec;

use super::build::Builder;
use super::{events, is_header};
use crate::syntax::data::{Entry, Key, Kind, List, SyntaxError, Table, Tree, Value};
use crate::syntax::recovery::line_around;
use crate::text::{Span, TextEdit};

/// The tree after an edit, if all that changed stands below one header.
pub(super) fn edited(tree: &Tree, before: &str, edit: &TextEdit, after: &str) -> Option<Tree> {
    let block = Block::around(tree, before, edit, after)?;
    // Lines end with a line feed here; the parser knows a carriage return alone too.
    let header_line = line_around(before, (block.old.start as usize).saturating_sub(1));
    if has_lone_return(header_line.cover(block.old).of(before)) {
        return None;
    }
    // A header with an error may open no table, and one that goes over several lines may have swallowed a header.
    let is_far = |error: &SyntaxError| {
        let line = line_start(before.as_bytes(), error.region.start as usize);
        let is_line = !error.region.of(before).contains('\n') && header_at(before.as_bytes(), line).is_none();
        !block.old.contains(error.region) || !is_line
    };
    if tree.errors.iter().any(is_far) {
        return None;
    }
    let body = Body::read(after, &block)?;
    let mut comments: Vec<Span> =
        tree.comments.iter().filter(|span| block.is_outside(**span)).copied().collect();
    comments.iter_mut().for_each(|span| *span = block.moved(*span));
    let at = comments.partition_point(|comment| comment.start < block.old.start);
    comments.splice(at..at, body.comments);
    let root = block.splice(&tree.root, &block.way, &mut Some((body.entries, body.end)))?;
    let root = Value { span: Span::new(0, after.len()), ..root };
    Some(Tree { root, errors: body.errors, comments, documents: 1 })
}

/// The statements below one header, before and after the edit.
struct Block {
    /// From the line after the header to the line of the next header, in the text before.
    old: Span,
    /// The same in the text after.
    new: Span,
    /// Where the header before ends; none for the statements before the first header.
    header_end: Option<u32>,
    /// The next header, in the text after.
    next: Option<Span>,
    /// From the root to the table of the header: entries and items by their place.
    way: Vec<usize>,
}

impl Block {
    fn around(tree: &Tree, before: &str, edit: &TextEdit, after: &str) -> Option<Self> {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        let bytes = before.as_bytes();
        let mut line = line_start(bytes, start);
        // A first line may begin with a byte order mark, which no statement owns.
        let (mut header_end, mut way, mut from) = (None, Vec::new(), 0);
        while 0 < line {
            let below = line;
            line = line_start(bytes, line - 1);
            if let Some(at) = header_at(bytes, line)
                && let Some((found, header)) = way_to(&tree.root, at)
            {
                (header_end, way, from) = (Some(header.end), found, below);
                break;
            }
        }
        let moved = |at: usize| (at + edit.new_text.len()).checked_sub(end - start);
        let mut line = line_start(bytes, start);
        let mut next = None;
        loop {
            if let Some(at) = header_at(bytes, line)
                && let Some((_, header)) = way_to(&tree.root, at)
            {
                // A header that is touched opens another table.
                if line < end || line < start {
                    return None;
                }
                next = Some((line, header));
                break;
            }
            let Some(length) = memchr::memchr(b'\n', bytes.get(line..)?) else { break };
            line += length + 1;
        }
        let Some((line, header)) = next else {
            let (old, new) = (Span::new(from, before.len()), Span::new(from, after.len()));
            return Some(Self { old, new, header_end, next: None, way });
        };
        let new_line = moved(line)?;
        // What was typed before it may have taken its line from it.
        if new_line != line_start(after.as_bytes(), new_line) || line < from {
            return None;
        }
        let next = Span::new(moved(header.start as usize)?, moved(header.end as usize)?);
        let (old, new) = (Span::new(from, line), Span::new(from, new_line));
        Some(Self { old, new, header_end, next: Some(next), way })
    }

    /// Whether a span of the old text is no part of the block.
    fn is_outside(&self, span: Span) -> bool {
        span.end <= self.old.start || self.old.end <= span.start
    }

    /// A span of the old text that is not in the block, in the new text.
    fn moved(&self, span: Span) -> Span {
        let moved = |at: u32| if self.old.end <= at { at - self.old.end + self.new.end } else { at };
        Span { start: moved(span.start), end: moved(span.end) }
    }

    /// A copy of a value on the way to the table, with the new entries in the place of the old ones.
    fn splice(&self, value: &Value, way: &[usize], new: &mut Option<(EcoVec<Entry>, u32)>) -> Option<Value> {
        let end = new.as_ref().map_or(0, |(_, end)| *end);
        let kind = match (way.split_first(), &value.kind) {
            (None, Kind::Table(table)) => {
                let entries = self.join(table, new.take()?.0)?;
                Kind::Table(Table { entries, style: table.style, headers: self.headers(table) })
            }
            (Some((at, way)), Kind::Table(table)) => {
                let mut entries = EcoVec::with_capacity(table.entries.len());
                for (index, entry) in table.entries.iter().enumerate() {
                    entries.push(match index == *at {
                        true => {
                            Entry { key: self.key(&entry.key), value: self.splice(&entry.value, way, new)? }
                        }
                        false => self.entry(entry),
                    });
                }
                Kind::Table(Table { entries, style: table.style, headers: self.headers(table) })
            }
            (Some((at, way)), Kind::List(list)) => {
                let mut items = EcoVec::with_capacity(list.items.len());
                for (index, item) in list.items.iter().enumerate() {
                    items.push(match index == *at {
                        true => self.splice(item, way, new)?,
                        false => self.value(item),
                    });
                }
                Kind::List(List { items, style: list.style })
            }
            _ => return None,
        };
        // What reached no further than the block ends with its last statement.
        let span = match value.span {
            Span { start, end: old } if old <= self.old.end => Span { start, end },
            span => self.moved(span),
        };
        Some(Value { span, kind, anchored: value.anchored })
    }

    /// The entries of the table itself: those of other headers stay.
    fn join(&self, table: &Table, new: EcoVec<Entry>) -> Option<EcoVec<Entry>> {
        let is_own = |entry: &Entry| self.old.contains(entry.key.span);
        for entry in &table.entries {
            // A table that is written here and elsewhere.
            let is_alone = if is_own(entry) {
                self.old.contains(entry.value.span)
            } else {
                self.is_outside(entry.value.span)
            };
            if !is_alone {
                return None;
            }
        }
        let others = || table.entries.iter().filter(|entry| !is_own(entry));
        if others().any(|entry| new.iter().any(|own| own.key.name == entry.key.name)) {
            return None;
        }
        let before = others().take_while(|entry| entry.key.span.start < self.old.start);
        let after = others().skip_while(|entry| entry.key.span.start < self.old.start);
        let before = before.map(|entry| self.entry(entry));
        Some(before.chain(new).chain(after.map(|entry| self.entry(entry))).collect())
    }

    fn entry(&self, entry: &Entry) -> Entry {
        Entry { key: self.key(&entry.key), value: self.value(&entry.value) }
    }

    fn key(&self, key: &Key) -> Key {
        Key { name: key.name.clone(), span: self.moved(key.span) }
    }

    fn headers(&self, table: &Table) -> EcoVec<Span> {
        table.headers.iter().map(|header| self.moved(*header)).collect()
    }

    fn value(&self, value: &Value) -> Value {
        if value.span.end < self.old.end {
            return value.clone();
        }
        let kind = match &value.kind {
            Kind::Table(table) => {
                let entries = table.entries.iter().map(|entry| self.entry(entry)).collect();
                Kind::Table(Table { entries, style: table.style, headers: self.headers(table) })
            }
            Kind::List(list) => {
                let items = list.items.iter().map(|item| self.value(item)).collect();
                Kind::List(List { items, style: list.style })
            }
            kind => kind.clone(),
        };
        Value { span: self.moved(value.span), kind, anchored: value.anchored }
    }
}

/// The new statements of a block.
struct Body {
    entries: EcoVec<Entry>,
    errors: Vec<SyntaxError>,
    comments: Vec<Span>,
    /// Where the last of them ends, or the header.
    end: u32,
}

impl Body {
    /// Reads the block with the line of the header behind it, which must be read as that header and nothing else: then
    /// nothing was left open.
    fn read(after: &str, block: &Block) -> Option<Self> {
        let line_end = |header: Span| line_around(after, header.start as usize).end;
        let stop = block.next.map_or(block.new.end, line_end);
        let part = Span { start: block.new.start, end: stop };
        // A byte order mark is one only where the whole text starts.
        if 0 < part.start && part.of(after).starts_with('\u{FEFF}') || has_lone_return(part.of(after)) {
            return None;
        }
        let (mut events, errors) = events(after, part);
        let first = events.iter().position(is_header);
        let start = |at: usize| events.get(at).map(|event| event.span().start() + part.start as usize);
        if first.and_then(start) != block.next.map(|header| header.start as usize) {
            return None;
        }
        let is_beyond =
            |at: usize| block.next.is_some() && block.new.end as usize <= at + part.start as usize;
        if errors.iter().any(|error| {
            let places = [error.unexpected(), error.context()];
            places.into_iter().flatten().any(|place| is_beyond(place.end()))
        }) {
            return None;
        }
        events.truncate(first.unwrap_or(events.len()));
        let mut builder = Builder::new(after, after, part);
        builder.run(&events);
        builder.errors.extend(errors);
        let ends = builder.statements.iter().map(|statement| statement.span.end);
        let end = ends.chain(block.header_end).max().unwrap_or(0);
        let (tree, runaway) = builder.finish();
        let Kind::Table(table) = tree.root.kind else { return None };
        let is_whole = runaway.is_none()
            && tree
                .errors
                .iter()
                .all(|error| block.new.contains(error.region) && !error.region.of(after).contains('\n'));
        is_whole.then_some(Self { entries: table.entries, errors: tree.errors, comments: tree.comments, end })
    }
}

/// The table that the header at an offset opens: the places of the entries and items on the way to it, and the header.
fn way_to(root: &Value, at: u32) -> Option<(Vec<usize>, Span)> {
    let inside = |span: Span| span.start <= at && at < span.end;
    match &root.kind {
        Kind::Table(table) => {
            if let Some(header) = table.headers.iter().find(|header| header.start == at) {
                return Some((Vec::new(), *header));
            }
            let entries = table.entries.iter().enumerate();
            let values = entries.map(|(index, entry)| (index, &entry.value));
            step(values.filter(|(_, value)| inside(value.span)), at)
        }
        Kind::List(list) => step(list.items.iter().enumerate().filter(|(_, item)| inside(item.span)), at),
        _ => None,
    }
}

fn step<'a>(values: impl Iterator<Item = (usize, &'a Value)>, at: u32) -> Option<(Vec<usize>, Span)> {
    for (index, value) in values {
        if let Some((mut way, header)) = way_to(value, at) {
            way.insert(0, index);
            return Some((way, header));
        }
    }
    None
}

/// The start of the line that holds an offset.
fn line_start(bytes: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |found| found + 1)
}

/// Where the line's header would start, if it looks like one.
fn header_at(bytes: &[u8], line: usize) -> Option<u32> {
    let indent = bytes.get(line..)?.iter().take_while(|byte| matches!(**byte, b' ' | b'\t')).count();
    (bytes.get(line + indent) == Some(&b'[')).then(|| u32::try_from(line + indent).ok()).flatten()
}

fn has_lone_return(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}
