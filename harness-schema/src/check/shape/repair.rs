//! The edits of fixes: a key is renamed, removed or inserted, in TOML as it is written by headers, with dots or inline, and
//! in JSON. What cannot be changed without a guess gets no edit.

use crate::path::FilePath;
use crate::problem::{Change, Fix, FixClass};
use crate::syntax::data::{Entry, Kind, Style, Table, Value};
use crate::text::{Span, TextEdit};

/// A fix of some edits of one file.
pub(super) fn fix(file: &FilePath, class: FixClass, title: impl Into<String>, edits: Vec<TextEdit>) -> Fix {
    let changes = edits.into_iter().map(|edit| Change::Edit { file: file.clone(), edit }).collect();
    Fix { title: title.into(), class, changes }
}

/// Renames an entry everywhere it is written; `depth` is the number of keys above it.
pub(super) fn rename(source: &str, entry: &Entry, depth: usize, new: &str) -> Option<Vec<TextEdit>> {
    let mut places = Vec::new();
    if is_leaf(&entry.value) {
        places.push(entry.key.span);
    } else {
        mentions(source, &entry.value, depth, &mut places)?;
    }
    places.sort_unstable();
    places.dedup();
    let mut edits = Vec::with_capacity(places.len());
    for span in places {
        let written = span.of(source);
        let bare = written.trim_matches(['"', '\'']);
        if bare != &*entry.key.name {
            return None;
        }
        let new_text = written.replacen(bare, new, 1);
        edits.push(TextEdit { span, new_text });
    }
    (!edits.is_empty()).then_some(edits)
}

/// Whether the key of a value is written once.
fn is_leaf(value: &Value) -> bool {
    match &value.kind {
        Kind::Table(table) => !matches!(table.style, Style::Header | Style::Dotted),
        Kind::List(list) => list.style != Style::Header,
        _ => true,
    }
}

/// Every place where the key of a table is written: in its headers, in those of tables inside, and in dotted keys.
fn mentions(source: &str, value: &Value, depth: usize, places: &mut Vec<Span>) -> Option<()> {
    match &value.kind {
        Kind::List(list) if list.style == Style::Header => {
            list.items.iter().try_for_each(|item| mentions(source, item, depth, places))
        }
        Kind::Table(table) => {
            for header in &table.headers {
                places.push(header_part(source, *header, depth)?);
            }
            for entry in &table.entries {
                if !is_leaf(&entry.value) {
                    mentions(source, &entry.value, depth, places)?;
                } else if table.style == Style::Dotted && table.headers.is_empty() {
                    places.push(dotted_part(source, entry)?);
                }
            }
            Some(())
        }
        _ => Some(()),
    }
}

/// The part of a header `[a.b]` that stands after `depth` others.
fn header_part(source: &str, header: Span, depth: usize) -> Option<Span> {
    let text = header.of(source);
    let open = text.len() - text.trim_start_matches('[').len();
    parts(text.get(open..)?.trim_end_matches(']'))
        .nth(depth)
        .map(|part| part.offset(header.start as usize + open))
}

/// The part before the last of a dotted key `a.b` whose last part is the key of `entry`.
fn dotted_part(source: &str, entry: &Entry) -> Option<Span> {
    let end = entry.key.span.start as usize;
    let before = source.get(..end)?;
    let start = before.rfind(['\n', '{', ',']).map_or(0, |at| at + 1);
    let keys = before.get(start..)?.trim_end().strip_suffix('.')?;
    parts(keys).last().map(|part| part.offset(start))
}

/// The parts of a dotted key; quoted ones may hold dots.
fn parts(keys: &str) -> impl Iterator<Item = Span> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quote = None;
    for (at, c) in keys.char_indices().chain([(keys.len(), '.')]) {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '.') => {
                let part = keys.get(start..at).unwrap_or_default();
                let blank = part.len() - part.trim_start().len();
                parts.push(Span::new(start + blank, start + blank + part.trim().len()));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.into_iter()
}

/// Inserts `key = value` (`"key": value`) into a table. The value is written alike in TOML and JSON.
pub(super) fn insert(
    source: &str,
    parent: &Value,
    key: &str,
    value: &str,
    is_toml: bool,
) -> Option<TextEdit> {
    let table = parent.as_table()?;
    let entry = if is_toml { format!("{key} = {value}") } else { format!("\"{key}\": {value}") };
    let is_root = is_toml && table.headers.is_empty() && table.style == Style::Header;
    match (table.style, table.headers.as_slice()) {
        (Style::Header, _) if is_root => Some(at_top(source, &entry)),
        (Style::Header, [header, ..]) => {
            let end = line_end(source, header.end as usize);
            Some(insertion(end, format!("\n{entry}")))
        }
        (Style::Dotted, []) => below_dotted(source, table, &entry),
        (Style::Flow, _) => Some(in_braces(source, parent.span, table, &entry)),
        _ => None,
    }
}

/// As the first statement, below the comments that open the file.
fn at_top(source: &str, entry: &str) -> TextEdit {
    let mark = source.len() - source.trim_start_matches('\u{feff}').len();
    let mut at = mark;
    for line in source.get(mark..).unwrap_or_default().split_inclusive('\n') {
        if !line.starts_with('#') {
            break;
        }
        at += line.len();
    }
    let is_cut = mark < at && !source.get(..at).is_some_and(|before| before.ends_with('\n'));
    let before = if is_cut { "\n" } else { "" };
    insertion(at, format!("{before}{entry}\n"))
}

/// Below the last line of `a.b = 1`, as `a.key = value`; a table that only longer headers imply gets its own header.
fn below_dotted(source: &str, table: &Table, entry: &str) -> Option<TextEdit> {
    let last = table.entries.iter().rfind(|entry| is_leaf(&entry.value));
    let Some(last) = last else {
        let first = table.entries.iter().filter_map(|entry| first_header(&entry.value)).min()?;
        let text = first.of(source).trim_matches(['[', ']']);
        let keys: Vec<&str> = parts(text).map(|part| part.of(text)).collect();
        let (_, parents) = keys.split_last()?;
        let header = format!("[{}]\n{entry}\n\n", parents.join("."));
        return Some(insertion(first.start as usize, header));
    };
    let start = source.get(..last.key.span.start as usize)?.rfind('\n').map_or(0, |at| at + 1);
    let prefix = source.get(start..last.key.span.start as usize)?;
    if prefix.contains(['{', '=', ',']) {
        return None;
    }
    Some(insertion(line_end(source, last.value.span.end as usize), format!("\n{prefix}{entry}")))
}

fn first_header(value: &Value) -> Option<Span> {
    match &value.kind {
        Kind::Table(table) => table.headers.first().copied(),
        Kind::List(list) => list.items.first().and_then(first_header),
        _ => None,
    }
}

fn in_braces(source: &str, span: Span, table: &Table, entry: &str) -> TextEdit {
    match table.entries.last() {
        Some(last) => insertion(last.value.span.end as usize, format!(", {entry}")),
        None => {
            let inside = span.of(source);
            let is_spaced = inside.len() <= 2;
            let text = if is_spaced { format!(" {entry} ") } else { format!(" {entry}") };
            insertion(span.start as usize + 1, text)
        }
    }
}

/// Adds a table at the end of the file.
pub(super) fn append_table(source: &str, name: &str, entries: &[(&str, &str)]) -> TextEdit {
    let before = match source {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let lines: String = entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    insertion(source.len(), format!("{before}[{name}]\n{lines}"))
}

/// `[a]` as `[[a]]`, if the table has one header and no table inside.
pub(super) fn as_list_header(source: &str, table: &Table) -> Option<Vec<TextEdit>> {
    let [header] = table.headers.as_slice() else { return None };
    if table.entries.iter().any(|entry| !is_leaf(&entry.value)) {
        return None;
    }
    let text = header.of(source);
    let new_text = format!("[{text}]");
    Some(vec![TextEdit { span: *header, new_text }])
}

fn insertion(at: usize, new_text: String) -> TextEdit {
    TextEdit { span: Span::at(at), new_text }
}

/// The end of the line that holds `at`, before its line break.
fn line_end(source: &str, at: usize) -> usize {
    let rest = source.get(at..).unwrap_or_default();
    let line = rest.find('\n').map_or(rest, |end| rest.get(..end).unwrap_or_default());
    at + line.trim_end_matches('\r').len()
}
