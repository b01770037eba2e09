//! Takes one entry, table or item of a list out of TOML or JSON, and nothing else.
//!
//! A table may be written in several places, by headers, with dots or inline: each of them goes, with the lines or the
//! comma that belong to it. All other values and comments stay. What cannot be told from something broken is left alone.

use crate::syntax::data::{Entry, Kind, Style, Tree, Value};
use crate::syntax::{Document, Format};
use crate::text::{Span, Text, TextEdit};

/// The edits that take out what is at these places of one table or list: each the key of an entry, or an item with all
/// of its bytes. None if nothing is there, or if what does not parse is in the way.
#[must_use]
pub fn removal(document: &Document, at: &[Span]) -> Option<Vec<TextEdit>> {
    let is_read = matches!(document.format(), Format::Toml | Format::Json);
    removal_in(document.data().filter(|_| is_read)?, document.source(), document.text(), at)
}

/// The same in TOML or JSON that is no document yet.
pub(crate) fn removal_in(tree: &Tree, source: &str, text: &Text, at: &[Span]) -> Option<Vec<TextEdit>> {
    let found: Vec<Found<'_>> = at.iter().map(|at| find(&tree.root, None, *at)).collect::<Option<_>>()?;
    let container = found.first()?.container;
    let is_here = |found: &Found<'_>| match (container, found.container) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    if !found.iter().all(is_here) {
        return None;
    }
    let targets: Vec<Target<'_>> = found.into_iter().map(|found| found.target).collect();
    let spans = match container {
        Some(container) => Flow::of(source, tree, container).without(&targets)?,
        None => Lines::of(source, text, tree).without(&targets),
    };
    let is_broken = |span: &Span| tree.errors.iter().any(|error| error.region.overlaps(*span));
    if spans.is_empty() || spans.iter().any(is_broken) {
        return None;
    }
    Some(spans.into_iter().map(|span| TextEdit { span, new_text: String::new() }).collect())
}

/// What goes.
#[derive(Clone, Copy)]
enum Target<'a> {
    Entry(&'a Entry),
    Item(&'a Value),
}

/// What goes, and the innermost brackets or braces around it.
struct Found<'a> {
    container: Option<&'a Value>,
    target: Target<'a>,
}

fn find<'a>(value: &'a Value, container: Option<&'a Value>, at: Span) -> Option<Found<'a>> {
    match &value.kind {
        Kind::Table(table) => {
            let container = if table.style == Style::Flow { Some(value) } else { container };
            table.entries.iter().find_map(|entry| {
                let here =
                    || (entry.key.span == at).then_some(Found { container, target: Target::Entry(entry) });
                // Most of a document is elsewhere.
                let inside = || find(&entry.value, container, at);
                here().or_else(|| if entry.value.span.contains(at) { inside() } else { None })
            })
        }
        Kind::List(list) => {
            let container = if list.style == Style::Flow { Some(value) } else { container };
            list.items.iter().find_map(|item| {
                let here = || (item.span == at).then_some(Found { container, target: Target::Item(item) });
                here().or_else(|| if item.span.contains(at) { find(item, container, at) } else { None })
            })
        }
        _ => None,
    }
}

/// A document as lines of statements and headers.
struct Lines<'a> {
    source: &'a str,
    text: &'a Text,
    comments: &'a [Span],
    /// Where headers start, in order.
    headers: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(source: &'a str, text: &'a Text, tree: &'a Tree) -> Self {
        let mut headers = Vec::new();
        each_header(&tree.root, &mut |header| headers.push(header.start as usize));
        headers.sort_unstable();
        Self { source, text, comments: &tree.comments, headers }
    }

    fn without(&self, targets: &[Target<'_>]) -> Vec<Span> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for target in targets {
            match target {
                Target::Entry(entry) => self.entry(entry, &mut ranges),
                Target::Item(item) => self.table(item, &mut ranges),
            }
        }
        ranges.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                // Blank lines between two that go are no gap.
                Some(before) if (before.1 + 1..first).all(|line| self.is_blank(line)) => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        merged.into_iter().map(|(first, last)| self.span(first, last)).collect()
    }

    /// The lines of an entry, first and last of each place where it is written.
    fn entry(&self, entry: &Entry, ranges: &mut Vec<(usize, usize)>) {
        let is_by_headers = match &entry.value.kind {
            Kind::Table(table) => table.style != Style::Flow,
            Kind::List(list) => list.style != Style::Flow,
            _ => false,
        };
        if is_by_headers {
            return self.table(&entry.value, ranges);
        }
        let last = self.line_of(entry.value.span);
        let first = self.text.line_of(entry.key.span.start as usize);
        ranges.push((self.with_own_comment(first, last), last));
    }

    fn table(&self, value: &Value, ranges: &mut Vec<(usize, usize)>) {
        match &value.kind {
            Kind::Table(table) => {
                ranges.extend(table.headers.iter().map(|header| self.section(*header)));
                table.entries.iter().for_each(|entry| self.entry(entry, ranges));
            }
            Kind::List(list) => list.items.iter().for_each(|item| self.table(item, ranges)),
            _ => {}
        }
    }

    /// A header with its statements, the comments above it and those that hang below its last statement.
    fn section(&self, header: Span) -> (usize, usize) {
        let text = self.text;
        let mut first = text.line_of(header.start as usize);
        let own = self.line_of(header);
        let next = self.headers.partition_point(|at| *at <= header.start as usize);
        let next = self.headers.get(next).map(|at| text.line_of(*at));
        let end = next.unwrap_or_else(|| text.line_count());
        let mut last = end.saturating_sub(1).max(own);
        while own < last && (self.is_blank(last) || self.is_comment(last)) {
            last -= 1;
        }
        let mut hanging = last;
        while hanging + 1 < end && self.is_own_comment(hanging + 1) {
            hanging += 1;
        }
        // A comment that touches the next header is that one's.
        if Some(hanging + 1) != next {
            last = hanging;
        }
        let mut above = first;
        while 0 < above && self.is_own_comment(above - 1) {
            above -= 1;
        }
        // What opens the file speaks about all of it.
        if 0 < above {
            first = above;
        }
        (first, last)
    }

    /// The first line with the comment above a statement, if it can be about nothing else.
    fn with_own_comment(&self, first: usize, last: usize) -> usize {
        let mut above = first;
        while 0 < above && self.is_own_comment(above - 1) {
            above -= 1;
        }
        let is_apart = 0 < above && self.is_blank(above - 1);
        let next = last + 1;
        let is_last = self.text.line_count() <= next
            || self.is_blank(next)
            || self.is_comment(next)
            || self.is_header(next);
        if is_apart && is_last { above } else { first }
    }

    /// Whole lines, and the blank ones that would be left double.
    fn span(&self, first: usize, last: usize) -> Span {
        let text = self.text;
        let preceded = first == 0 || self.is_blank(first - 1);
        let mut after = last + 1;
        while preceded && after + 1 < text.line_count() && self.is_blank(after) {
            after += 1;
        }
        let end = text.line_start(after);
        let mut first = first;
        // At the end of the text it is the blank lines before that would be left.
        while end == text.len() && 0 < first && self.is_blank(first - 1) {
            first -= 1;
        }
        let mark = self.source.len() - self.source.trim_start_matches('\u{feff}').len();
        Span::new(text.line_start(first).max(mark), end)
    }

    /// The line where a span ends.
    fn line_of(&self, span: Span) -> usize {
        self.text.line_of((span.end as usize).max(span.start as usize + 1) - 1)
    }

    fn line(&self, line: usize) -> &'a str {
        self.text.line_span(line).of(self.source)
    }

    fn is_header(&self, line: usize) -> bool {
        let (start, end) = (self.text.line_start(line), self.text.line_start(line + 1));
        let first = self.headers.partition_point(|at| *at < start);
        self.headers.get(first).is_some_and(|at| *at < end)
    }

    fn is_blank(&self, line: usize) -> bool {
        line < self.text.line_count() && self.line(line).trim().is_empty()
    }

    /// Whether a line holds a comment and nothing else; in a text of several lines `#` is none.
    fn is_comment(&self, line: usize) -> bool {
        let span = self.text.line_span(line);
        let content = span.of(self.source);
        let start = span.start as usize + (content.len() - content.trim_start().len());
        line < self.text.line_count()
            && self.comments.binary_search_by_key(&start, |comment| comment.start as usize).is_ok()
    }

    /// A comment that can go with a statement: marks of regions are no remarks.
    fn is_own_comment(&self, line: usize) -> bool {
        self.is_comment(line) && !self.line(line).contains("self-harness:")
    }
}

fn each_header(value: &Value, each: &mut impl FnMut(Span)) {
    match &value.kind {
        Kind::Table(table) => {
            table.headers.iter().for_each(|header| each(*header));
            table.entries.iter().for_each(|entry| each_header(&entry.value, each));
        }
        Kind::List(list) => list.items.iter().for_each(|item| each_header(item, each)),
        _ => {}
    }
}

/// What stands between brackets or braces, with commas.
struct Flow<'a> {
    source: &'a str,
    comments: Vec<Span>,
    container: Span,
    /// The items, or the statements of a table: `a.b = 1` is one.
    items: Vec<Span>,
}

impl<'a> Flow<'a> {
    fn of(source: &'a str, tree: &Tree, container: &Value) -> Self {
        let inside = tree.comments.iter().filter(|comment| container.span.contains(**comment));
        let comments = inside.copied().collect();
        let mut flow = Self { source, comments, container: container.span, items: Vec::new() };
        match &container.kind {
            Kind::Table(table) => table.entries.iter().for_each(|entry| statements(entry, &mut flow.items)),
            Kind::List(list) => flow.items = list.items.iter().map(|item| item.span).collect(),
            _ => {}
        }
        flow.items.sort_unstable();
        // A dotted key starts before its last part.
        let mut from = container.span.start as usize + 1;
        for at in 0..flow.items.len() {
            let Some(item) = flow.items.get(at).copied() else { break };
            let start = flow.content(from, item.start as usize);
            from = item.end as usize;
            if let Some(item) = flow.items.get_mut(at) {
                *item = Span::new(start, from);
            }
        }
        flow
    }

    /// Where something begins that is no blank, comment or comma.
    fn content(&self, from: usize, to: usize) -> usize {
        let mut at = from;
        while at < to {
            if let Some(comment) = self.comments.iter().find(|comment| comment.start as usize == at) {
                at = comment.end as usize;
                continue;
            }
            match self.source.get(at..).and_then(|rest| rest.chars().next()) {
                Some(char) if char.is_whitespace() || char == ',' => at += char.len_utf8(),
                _ => break,
            }
        }
        at
    }

    fn without(&self, targets: &[Target<'_>]) -> Option<Vec<Span>> {
        let mut gone = Vec::new();
        for target in targets {
            match target {
                Target::Entry(entry) => statements(entry, &mut gone),
                Target::Item(item) => gone.push(item.span),
            }
        }
        let is_gone =
            |at: usize| self.items.get(at).is_some_and(|item| gone.iter().any(|span| span.end == item.end));
        let mut spans = Vec::new();
        let mut at = 0;
        while at < self.items.len() {
            if !is_gone(at) {
                at += 1;
                continue;
            }
            let first = at;
            while is_gone(at + 1) {
                at += 1;
            }
            spans.extend(self.cut(first, at)?);
            at += 1;
        }
        Some(spans)
    }

    /// The bytes of neighbouring items with one comma.
    fn cut(&self, first: usize, last: usize) -> Option<Vec<Span>> {
        let start = self.items.get(first)?.start as usize;
        let end = self.items.get(last)?.end as usize;
        let open = self.container.start as usize + 1;
        let close = (self.container.end as usize).checked_sub(1)?;
        let next = self.items.get(last + 1).map(|item| item.start as usize);
        let before = first.checked_sub(1).and_then(|at| self.items.get(at)).map(|item| item.end as usize);
        let comma = self.comma(end, next.unwrap_or(close));
        if comma.is_none() && next.is_some() {
            return None;
        }
        let cut = comma.map_or(end, |comma| comma + 1);
        // Without a comma behind it, the one before it has nothing to separate any more.
        let dangling = match before {
            Some(before) if next.is_none() && comma.is_none() => Some(self.comma(before, start)?),
            _ => None,
        };
        if let Some(lines) = self.own_lines(start, cut) {
            let comma = dangling.map(|comma| Span::new(comma, comma + 1));
            return Some(comma.into_iter().chain([lines]).collect());
        }
        let is_blank = |from: usize, to: usize| {
            self.source.get(from..to).is_some_and(|between| between.trim().is_empty())
        };
        let whole = match (next, before, dangling) {
            (Some(next), _, _) if is_blank(cut, next) => Span::new(start, next),
            (Some(_), _, _) => Span::new(start, cut),
            (None, None, _) if is_blank(open, start) && is_blank(cut, close) => Span::new(open, close),
            (None, None, _) => Span::new(start, cut),
            (None, Some(before), Some(comma)) if is_blank(before, comma) && is_blank(comma + 1, start) => {
                Span::new(before, cut)
            }
            (None, Some(_), Some(comma)) => {
                return Some(vec![Span::new(comma, comma + 1), Span::new(start, cut)]);
            }
            // `[a, b,]`: the comma behind `a` stays.
            (None, Some(before), None) => {
                let comma = self.comma(before, start)? + 1;
                Span::new(if is_blank(comma, start) { comma } else { start }, cut)
            }
        };
        Some(vec![whole])
    }

    /// The comma between two items; one in a comment is none.
    fn comma(&self, from: usize, to: usize) -> Option<usize> {
        let between = self.source.get(from..to)?;
        let mut commas = between.match_indices(',').map(|(at, _)| from + at);
        commas.find(|at| !self.comments.iter().any(|comment| comment.contains(Span::new(*at, *at + 1))))
    }

    /// The lines of an item that has them for itself, with its comment behind it.
    fn own_lines(&self, start: usize, end: usize) -> Option<Span> {
        let line_start = self.source.get(..start)?.rfind('\n')? + 1;
        let rest = self.source.get(end..)?;
        let line_end = end + rest.find('\n')? + 1;
        let behind = self.content(end, line_end);
        let is_alone = self.source.get(line_start..start)?.trim().is_empty()
            && self.container.contains(Span::new(line_start, line_end))
            && behind == line_end;
        is_alone.then(|| Span::new(line_start, line_end))
    }
}

/// The statements of an inline table's entry, from the last part of their keys to the end of their values.
fn statements(entry: &Entry, spans: &mut Vec<Span>) {
    match &entry.value.kind {
        Kind::Table(table) if table.style == Style::Dotted => {
            table.entries.iter().for_each(|entry| statements(entry, spans));
        }
        _ => spans.push(entry.span()),
    }
}
