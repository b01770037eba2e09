//! Outlines of documents, and names across the workspace.

use harness_schema::harness::{Harness, Role, Symbol, SymbolKind};
use harness_schema::path::FilePath;
use harness_schema::syntax::data::{Kind, Value};
use harness_schema::syntax::python::{Item, ItemKind};
use harness_schema::syntax::{Document, Syntax};
use harness_schema::text::Span;

use super::headers::Headers;
use crate::workspace::Site;

/// An entry of an outline.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name; never empty.
    pub name: String,
    /// More, in one line.
    pub detail: String,
    /// What it is.
    pub icon: Icon,
    /// All of it.
    pub span: Span,
    /// The name.
    pub selection: Span,
    /// Entries inside.
    pub children: Vec<Entry>,
}

/// What an entry is, for its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A table.
    Table,
    /// A list.
    List,
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A section of Markdown.
    Section,
    /// A function or tool.
    Function,
    /// A class.
    Class,
    /// A constant or variable.
    Constant,
    /// A state.
    State,
    /// A task.
    Task,
    /// A file.
    File,
    /// A surface or rule.
    Other,
}

/// The outline of a document.
#[must_use]
pub fn outline(site: &Site) -> Vec<Entry> {
    let harness = site.project.harness();
    let Some(document) = harness.document(&site.file) else { return Vec::new() };
    match document.syntax() {
        Syntax::Data(tree) => data(&tree.root, &Outlined { document, headers: Headers::of(document) }, 0, 0),
        Syntax::Markdown(_) => sections(document),
        Syntax::Python(tree) => tree.items.iter().map(python).collect(),
        Syntax::Plain => Vec::new(),
    }
}

/// Names of a harness that hold `query`, in any case; empty: all.
#[must_use]
pub fn search<'a>(harness: &'a Harness, query: &str) -> Vec<&'a Symbol> {
    let query = query.to_lowercase();
    let all = harness.symbols().definitions().iter();
    let mut found: Vec<&Symbol> =
        all.filter(|symbol| is_subsequence(&query, &symbol.name.to_lowercase())).collect();
    // What starts with the query is what was meant, mostly.
    found.sort_by_key(|symbol| !symbol.name.to_lowercase().starts_with(&query));
    found
}

/// The picture of a symbol.
#[must_use]
pub fn icon(kind: SymbolKind) -> Icon {
    match kind {
        SymbolKind::Tool => Icon::Function,
        SymbolKind::Parameter | SymbolKind::Variable => Icon::Constant,
        SymbolKind::State => Icon::State,
        SymbolKind::Task => Icon::Task,
        SymbolKind::File => Icon::File,
        SymbolKind::Rule | SymbolKind::Surface => Icon::Other,
    }
}

fn is_subsequence(short: &str, long: &str) -> bool {
    let mut rest = long.chars();
    short.chars().all(|char| rest.any(|other| other == char))
}

/// Outlines end here; deeper values are for reading, not for finding.
const MAX_DEPTH: usize = 8;

/// A document with its headers.
struct Outlined<'a> {
    document: &'a Document,
    headers: Headers,
}

/// The entries of a value that `keys` keys lead to.
fn data(value: &Value, of: &Outlined<'_>, depth: usize, keys: usize) -> Vec<Entry> {
    if MAX_DEPTH < depth {
        return Vec::new();
    }
    match &value.kind {
        Kind::Table(table) => table
            .entries
            .iter()
            .map(|entry| Entry {
                name: shown(&entry.key.name),
                detail: detail(&entry.value),
                icon: kind(&entry.value),
                // What stands between the parts of a table is not its own.
                span: of
                    .headers
                    .extent(of.document, entry.key.span, keys + 1)
                    .unwrap_or_else(|| entry.span()),
                selection: entry.key.span,
                children: data(&entry.value, of, depth + 1, keys + 1),
            })
            .collect(),
        Kind::List(list) => {
            let named = |item: &Value| {
                ["name", "id", "file", "rule"]
                    .iter()
                    .find_map(|key| item.get(key)?.as_text().map(str::to_owned))
            };
            let tables = list.items.iter().enumerate().filter(|(_, item)| item.as_table().is_some());
            tables
                .map(|(index, item)| Entry {
                    name: named(item)
                        .filter(|name| !name.is_empty())
                        .unwrap_or_else(|| (index + 1).to_string()),
                    detail: String::new(),
                    icon: Icon::Table,
                    span: of.item(item),
                    selection: first_line(of.document, item.span),
                    children: data(item, of, depth + 1, keys),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

impl Outlined<'_> {
    /// All of a table of a list.
    fn item(&self, item: &Value) -> Span {
        let header = item.as_table().and_then(|table| table.headers.first());
        header.and_then(|header| self.headers.block(self.document, *header)).unwrap_or(item.span)
    }
}

fn shown(name: &str) -> String {
    if name.trim().is_empty() { String::from("\"\"") } else { name.to_owned() }
}

fn kind(value: &Value) -> Icon {
    match &value.kind {
        Kind::Table(_) => Icon::Table,
        Kind::List(_) => Icon::List,
        Kind::Integer(_) | Kind::Float(_) => Icon::Number,
        Kind::Boolean(_) => Icon::Boolean,
        _ => Icon::Text,
    }
}

fn detail(value: &Value) -> String {
    match &value.kind {
        Kind::Text(scalar) => clip(scalar.value.lines().next().unwrap_or_default()),
        Kind::Integer(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Boolean(truth) => truth.to_string(),
        Kind::List(list) => format!("{} items", list.items.len()),
        _ => String::new(),
    }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn first_line(document: &Document, span: Span) -> Span {
    let line = document.text().line_span(document.text().line_of(span.start as usize));
    Span { start: span.start, end: line.end.min(span.end).max(span.start) }
}

/// Headings, nested by their levels.
fn sections(document: &Document) -> Vec<Entry> {
    let Some(tree) = document.markdown() else { return Vec::new() };
    let mut top: Vec<Entry> = Vec::new();
    let mut open: Vec<(u8, Entry)> = Vec::new();
    for heading in &tree.headings {
        while open.last().is_some_and(|(level, _)| heading.level <= *level) {
            close(&mut open, &mut top);
        }
        let name = if heading.title.is_empty() { String::from("(no title)") } else { heading.title.clone() };
        let entry = Entry {
            name,
            detail: String::new(),
            icon: Icon::Section,
            span: heading.span.cover(heading.section),
            selection: heading.span,
            children: Vec::new(),
        };
        open.push((heading.level, entry));
    }
    while !open.is_empty() {
        close(&mut open, &mut top);
    }
    top
}

fn close(open: &mut Vec<(u8, Entry)>, top: &mut Vec<Entry>) {
    if let Some((_, entry)) = open.pop() {
        match open.last_mut() {
            Some((_, parent)) => parent.children.push(entry),
            None => top.push(entry),
        }
    }
}

fn python(item: &Item) -> Entry {
    Entry {
        name: shown(&item.name),
        detail: String::new(),
        icon: match item.kind {
            ItemKind::Function => Icon::Function,
            ItemKind::Class => Icon::Class,
            ItemKind::Constant => Icon::Constant,
        },
        span: item.span,
        selection: item.name_span,
        children: item.children.iter().map(python).collect(),
    }
}

/// The role of a file in words, for hovers and lists.
#[must_use]
pub fn role(harness: &Harness, file: &FilePath) -> &'static str {
    match harness.role(file) {
        Some(Role::Manifest) => "manifest",
        Some(Role::Text) => "prompt text",
        Some(Role::Tool) => "tool",
        Some(Role::Surface) => "surface",
        Some(Role::TaskManifest) => "task",
        Some(Role::Instruction) => "instruction",
        Some(Role::Environment) => "environment",
        Some(Role::Verifier) => "verifier",
        Some(Role::Program) => "program",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;

    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn a_table_does_not_take_what_stands_between_its_parts() {
        let text = "[runtime]\nmax_steps = 3\n[model]\nname = \"m\"\n[[runtime.rule]]\nid = \"b\"\n";
        let mut workspace = Workspace::default();
        workspace.set_project(Path::new("/p"), Files::from_texts([("harness.toml", text)]));
        let project = workspace.snapshot().project(Path::new("/p")).unwrap().clone();
        let site = Site { project, file: FilePath::parse("harness.toml").unwrap() };
        let outline = outline(&site);
        let spans: Vec<_> = outline.iter().map(|entry| (entry.name.as_str(), entry.span.of(text))).collect();
        assert_eq!(spans, [("runtime", "[runtime]\nmax_steps = 3"), ("model", "[model]\nname = \"m\"")]);
        let rule = &outline[0].children[1].children[0];
        assert_eq!((rule.name.as_str(), rule.span.of(text)), ("b", "[[runtime.rule]]\nid = \"b\""));
    }
}
