//! Places in TOML, YAML and JSON: a walk over keys and indices, and the reasons not to touch what it finds.

use ecow::eco_format;

use super::anchors::{anchor_name, collect_aliases, collect_anchored};
use super::layout::{
    after_blank_lines, after_flow, after_line, column, dash_column, dedent, keeps_blank_lines,
    own_indentation,
};
use super::{DataFormat, Form, ListEnd, Resolved, Selector, Unresolved, ValueKind, kind_of, near, unix};
use crate::digest::Digest;
use crate::syntax::data::{Entry, Kind, List, Step, Style, Table, Tree, Value};
use crate::syntax::markdown::Tree as Markdown;
use crate::syntax::{Document, Format};
use crate::text::Span;

/// A selector into data, taken apart.
pub(super) struct Place<'a> {
    pub(super) selector: &'a Selector,
    pub(super) format: DataFormat,
    pub(super) steps: &'a [Step],
    pub(super) append: bool,
}

/// A value that was found, and what is around it.
struct Found<'t> {
    value: &'t Value,
    /// The values on the way, the root first, `value` last.
    way: Vec<&'t Value>,
    /// The column of the key or dash that the value belongs to.
    column: usize,
    /// Where a value that is nothing would be written: behind the colon of its key.
    behind_key: Option<usize>,
}

/// Calls `then` with the data tree of a document. A file without a known extension is read as the selector says.
pub(crate) fn tree_of<T>(
    document: &Document,
    format: DataFormat,
    then: impl FnOnce(&Tree) -> T,
) -> Option<T> {
    match (document.format(), format) {
        (Format::Toml, DataFormat::Toml)
        | (Format::Yaml, DataFormat::Yaml)
        | (Format::Json, DataFormat::Json) => document.data().map(then),
        (Format::Plain, _) => Some(then(&format.parse(document.source()))),
        _ => None,
    }
}

/// Calls `then` with the data tree that a selector walks: of the document, or of its front matter.
pub(crate) fn tree_of_selector<T>(
    document: &Document,
    selector: &Selector,
    then: impl FnOnce(&Tree) -> T,
) -> Option<T> {
    match selector {
        Selector::Data { format, .. } => tree_of(document, *format, then),
        // A file without a known extension is read as the selector says.
        Selector::FrontMatter { .. } if document.format() == Format::Plain => {
            let read = Markdown::parse(document.source());
            read.front_matter.map(|front_matter| then(&front_matter.data))
        }
        Selector::FrontMatter { .. } => front_matter(document).map(then),
        _ => None,
    }
}

/// The data tree of a document's front matter, its spans counted from the start of the document.
pub(crate) fn front_matter(document: &Document) -> Option<&Tree> {
    document.markdown()?.front_matter.as_ref().map(|front_matter| &*front_matter.data)
}

/// The way from the root to the place of a selector, as positions of entries and items.
pub(crate) fn positions(tree: &Tree, selector: &Selector) -> Option<Vec<usize>> {
    let (Selector::Data { steps, .. } | Selector::FrontMatter { steps, .. }) = selector else { return None };
    let mut value = &tree.root;
    let mut way = Vec::with_capacity(steps.len());
    for step in steps {
        let position = match (step, &value.kind) {
            (Step::Key(key), Kind::Table(table)) => {
                table.entries.iter().position(|entry| *entry.key.name == **key)?
            }
            (Step::Index(index), Kind::List(list)) => position(*index, list.items.len())?,
            _ => return None,
        };
        value = match &value.kind {
            Kind::Table(table) => &table.entries.get(position)?.value,
            Kind::List(list) => list.items.get(position)?,
            _ => return None,
        };
        way.push(position);
    }
    Some(way)
}

/// An index as a position; a negative one counts from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    let position = match usize::try_from(index) {
        Ok(position) => position,
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (position < length).then_some(position)
}

impl Place<'_> {
    pub(super) fn resolve(&self, document: &Document) -> Result<Resolved, Unresolved> {
        tree_of(document, self.format, |tree| self.resolve_in(document, tree))
            .unwrap_or_else(|| Err(self.selector.wrong_format(document)))
    }

    /// The place in a tree whose spans count from the start of `document`.
    pub(super) fn resolve_in(&self, document: &Document, tree: &Tree) -> Result<Resolved, Unresolved> {
        if let Some(error) = tree.errors.first() {
            let line = super::line(document, error.span.start);
            return Err(Unresolved::Refused(format!(
                "the file does not parse (line {line}): {}",
                error.message
            )));
        }
        if 1 < tree.documents {
            return Err(Unresolved::Refused(format!("the file holds {} YAML documents", tree.documents)));
        }
        let found = self.walk(document.source(), tree)?;
        self.check(document.source(), tree, &found)?;
        if self.append { self.append(document, &found) } else { Ok(self.value(document, &found)) }
    }

    /// The place of the first entry of a TOML list of tables that is not there: the end of the text.
    pub(super) fn first_entry(&self, document: &Document) -> Option<Resolved> {
        let tree =
            document.data().filter(|tree| self.format == DataFormat::Toml && tree.errors.is_empty())?;
        let mut value = Some(&tree.root);
        let mut names = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            let Step::Key(key) = step else { return None };
            names.push(bare(key));
            if let Some(here) = value {
                // Neither an inline table nor another value can be continued by a header.
                let table = here.as_table()?;
                if table.style == Style::Flow {
                    return None;
                }
                value = here.get(key);
            }
        }
        if value.is_some() || names.is_empty() {
            return None;
        }
        let header = format!("[[{}]]", names.join("."));
        let end = document.source().trim_end_matches([' ', '\t', '\r', '\n']).len();
        let form = Form::Append { format: self.format, list: ListEnd::Header { header, first: true } };
        Some(self.selector.resolved(Span::at(end), String::new(), ValueKind::Other, form))
    }

    fn walk<'t>(&self, source: &str, tree: &'t Tree) -> Result<Found<'t>, Unresolved> {
        let mut found = Found { value: &tree.root, way: vec![&tree.root], column: 0, behind_key: None };
        for (at, step) in self.steps.iter().enumerate() {
            if let Kind::Alias = found.value.kind {
                return Err(alias());
            }
            let (value, column, behind_key) = match step {
                Step::Key(key) => {
                    let entry = self.entry(found.value, at, key)?;
                    let key = entry.key.span;
                    let rest = source.get(key.end as usize..).unwrap_or_default();
                    let colon = rest.trim_start_matches([' ', '\t']).starts_with(':');
                    let behind = rest.find(':').filter(|_| colon).map(|at| key.end as usize + at + 1);
                    (&entry.value, column(source, key.start as usize), behind)
                }
                Step::Index(index) => {
                    let items = found.value.as_list().unwrap_or_default();
                    let item = position(*index, items.len()).and_then(|position| items.get(position));
                    let item = item.ok_or_else(|| self.no_entry(found.value, at, *index))?;
                    (item, dash_column(source, item.span.start as usize), None)
                }
            };
            found.value = value;
            found.column = column;
            found.behind_key = behind_key;
            found.way.push(value);
        }
        Ok(found)
    }

    fn entry<'t>(&self, table: &'t Value, at: usize, key: &str) -> Result<&'t Entry, Unresolved> {
        let entries = table.as_table().map_or(&[][..], |table| &table.entries);
        let mut same = entries.iter().filter(|entry| &*entry.key.name == key);
        let Some(entry) = same.next() else {
            let path = self.path(at);
            let names = entries.iter().map(|entry| &*entry.key.name);
            let near = near(key, names, |name| self.with(at, Step::Key(name.into())));
            return Err(Unresolved::Nothing { what: format!("key `{path}`"), near });
        };
        if same.next().is_some() {
            return Err(Unresolved::Refused(format!("key `{}` is given twice", self.path(at))));
        }
        Ok(entry)
    }

    fn no_entry(&self, list: &Value, at: usize, index: i64) -> Unresolved {
        let what = match (list.as_list(), at) {
            (Some([]), 0) => format!("entry {index} in the empty list"),
            (Some([]), _) => format!("entry {index} in the empty list `{}`", self.path_before(at)),
            (Some(items), 0) => format!("entry {index} among the {}", items.len()),
            (Some(items), _) => {
                format!("entry {index} among the {} of `{}`", items.len(), self.path_before(at))
            }
            (None, 0) => "list at the top level".to_owned(),
            (None, _) => format!("list `{}`", self.path_before(at)),
        };
        Unresolved::Nothing { what, near: Vec::new() }
    }

    /// What an edit of the found value could not do alone.
    fn check(&self, source: &str, tree: &Tree, found: &Found<'_>) -> Result<(), Unresolved> {
        match found.value.kind {
            Kind::Alias => return Err(alias()),
            Kind::Broken => return Err(Unresolved::Refused("the file does not parse".to_owned())),
            _ => {}
        }
        let mut aliases = Vec::new();
        collect_aliases(&tree.root, source, &mut aliases);
        if aliases.is_empty() {
            return Ok(());
        }
        let mut anchored: Vec<&Value> = found.way.iter().copied().filter(|value| value.anchored).collect();
        collect_anchored(found.value, &mut anchored);
        // Nothing tells which anchor an alias without a readable name belongs to, so it could be this one.
        let used = |value: &&Value| {
            anchor_name(source, value.span.start as usize).is_none_or(|name| aliases.contains(&name))
        };
        match anchored.into_iter().find(used) {
            Some(value) => {
                let name = anchor_name(source, value.span.start as usize).unwrap_or_default();
                Err(Unresolved::Refused(format!("the anchor `&{name}` is used elsewhere in the file")))
            }
            None => Ok(()),
        }
    }

    fn value(&self, document: &Document, found: &Found<'_>) -> Resolved {
        let (source, value, format) = (document.source(), found.value, self.format);
        let kind = kind_of(value);
        if let Kind::Text(scalar) = &value.kind {
            let form =
                Form::Scalar { format, style: scalar.style, flow: found.in_flow(), column: found.column };
            // A line end that an escape writes stays as it is.
            let several = value.span.of(source).contains("\r\n");
            let text =
                if several { scalar.value.as_str().replace("\r\n", "\n") } else { scalar.value.to_string() };
            return self.selector.resolved(value.span, text, kind, form);
        }
        let span = match (&value.kind, found.behind_key) {
            // A parser may see nothing anywhere up to the next key.
            (Kind::Null, Some(place)) if value.span.is_empty() && format == DataFormat::Yaml => {
                Span::at(place)
            }
            _ => value.span,
        };
        let raw = unix(span.of(source), document);
        let indent = match (&value.kind, format) {
            // A text of several lines must not lose blanks of its own.
            (_, DataFormat::Toml) if raw.contains("\"\"\"") || raw.contains("'''") => String::new(),
            (
                Kind::Table(Table { style: Style::Block, .. }) | Kind::List(List { style: Style::Block, .. }),
                _,
            ) => " ".repeat(column(source, value.span.start as usize)),
            _ => own_indentation(source, value.span).to_owned(),
        };
        let (value_text, indent) = dedent(&raw, &indent);
        self.selector.resolved(span, value_text, kind, Form::Value { format, indent })
    }

    fn append(&self, document: &Document, found: &Found<'_>) -> Result<Resolved, Unresolved> {
        let source = document.source();
        let Kind::List(list) = &found.value.kind else {
            let kind = found.value.kind_name();
            return Err(Unresolved::Refused(match self.steps.len() {
                0 => format!("the top level is {kind}, not a list"),
                length => format!("`{}` is {kind}, not a list", self.path_before(length)),
            }));
        };
        let texts = !list.items.is_empty() && list.items.iter().all(|item| item.as_text().is_some());
        let (place, list) = match (list.style, list.items.last()) {
            (Style::Flow, None) => (
                found.value.span.start as usize + 1,
                ListEnd::Flow { filled: false, comma: false, indent: None },
            ),
            (Style::Flow, Some(last)) => after_flow(source, last.span, self.format),
            (Style::Block, Some(last)) => {
                let column = dash_column(source, last.span.start as usize);
                let end = last.span.end as usize;
                let end = if keeps_blank_lines(last, source) {
                    after_blank_lines(source, end)
                } else {
                    after_line(source, end)
                };
                (end, ListEnd::Block { column })
            }
            (Style::Header | Style::Dotted, Some(last)) => {
                let header = last.as_table().and_then(|table| table.headers.first());
                let header = header.map(|header| header.of(source).to_owned()).ok_or_else(unlisted)?;
                (after_line(source, last.span.end as usize), ListEnd::Header { header, first: false })
            }
            (_, None) => return Err(unlisted()),
        };
        let mut resolved = self.selector.resolved(
            Span::at(place),
            String::new(),
            if texts { ValueKind::String } else { ValueKind::Other },
            Form::Append { format: self.format, list },
        );
        resolved.digest = Digest::of(unix(found.value.span.of(source), document).as_bytes());
        Ok(resolved)
    }

    /// This selector with the step `at` replaced.
    fn with(&self, at: usize, step: Step) -> Selector {
        let mut selector = self.selector.clone();
        if let Selector::Data { steps, .. } | Selector::FrontMatter { steps, .. } = &mut selector
            && let Some(old) = steps.get_mut(at)
        {
            *old = step;
        }
        selector
    }

    fn path(&self, at: usize) -> String {
        self.path_before(at + 1)
    }

    fn path_before(&self, end: usize) -> String {
        let steps = self.steps.iter().take(end).map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => eco_format!("{index}"),
        });
        steps.collect::<Vec<_>>().join(".")
    }
}

impl Found<'_> {
    /// Whether the value stands between brackets or braces of YAML.
    fn in_flow(&self) -> bool {
        let around = self.way.split_last().map_or(&[][..], |(_, around)| around);
        around.iter().any(|value| match &value.kind {
            Kind::Table(table) => table.style == Style::Flow && value.span.start != value.span.end,
            Kind::List(list) => list.style == Style::Flow,
            _ => false,
        })
    }
}

/// A key of a TOML header.
fn bare(key: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if !key.is_empty() && key.chars().all(is_bare) {
        return key.to_owned();
    }
    // JSON's escapes are TOML's.
    serde_json::Value::from(key).to_string()
}

fn unlisted() -> Unresolved {
    Unresolved::Refused("the list is written in a way that has no end to add to".to_owned())
}

fn alias() -> Unresolved {
    Unresolved::Refused("the value is an alias of one elsewhere in the file".to_owned())
}
