//! Places in TOML, YAML and JSON: a walk over keys and indices, and the reasons not to touch what it finds.

use super::{Form, Resolved, Selector, Unresolved, ValueKind, near, unix};
use crate::digest::Digest;
use crate::syntax::data::{Entry, Kind, List, Quote, Scalar, Step, Style, Table, Tree, Value};
use crate::syntax::{Document, json, toml, yaml};
use crate::text::Span;

/// The notations of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataFormat {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// JSON, with comments.
    Json,
}

/// How the list is written to which an entry is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEnd {
    /// Between brackets.
    Flow {
        /// Whether there is an entry already.
        filled: bool,
        /// Whether the last entry has a comma after it, before the place.
        comma: bool,
        /// What stands before an entry, if entries have their own lines.
        indent: Option<String>,
    },
    /// By dashes (YAML).
    Block {
        /// The column of the dashes, from zero.
        column: usize,
    },
    /// By headers (TOML `[[list]]`); a new entry is the lines below its header.
    Header {
        /// The header, brackets included.
        header: String,
    },
}

impl DataFormat {
    /// The selector's first element.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Toml, Self::Yaml, Self::Json].into_iter().find(|format| format.name() == name)
    }

    pub(crate) fn parse(self, source: &str) -> Tree {
        match self {
            Self::Toml => toml::parse(source),
            Self::Yaml => yaml::parse(source),
            Self::Json => json::parse(source),
        }
    }
}

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
    use crate::syntax::Format;
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
        Selector::FrontMatter { .. } => super::markdown::front_matter(document).map(then),
        _ => None,
    }
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
            let near = near(key, names, |name| self.with(at, Step::Key(name.to_owned())));
            return Err(Unresolved::Nothing { what: format!("key `{path}`"), near });
        };
        if same.next().is_some() {
            return Err(Unresolved::Refused(format!("key `{}` is given twice", self.path(at))));
        }
        Ok(entry)
    }

    fn no_entry(&self, list: &Value, at: usize, index: i64) -> Unresolved {
        let what = match list.as_list() {
            Some([]) => format!("entry {index} in the empty list `{}`", self.path_before(at)),
            Some(items) => format!("entry {index} among the {} of `{}`", items.len(), self.path_before(at)),
            None => format!("list `{}`", self.path_before(at)),
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
            let text = if several { scalar.value.replace("\r\n", "\n") } else { scalar.value.to_string() };
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
            _ => indentation(source, value.span.start as usize).to_owned(),
        };
        let (value_text, indent) = dedent(&raw, &indent);
        self.selector.resolved(span, value_text, kind, Form::Value { format, indent })
    }

    fn append(&self, document: &Document, found: &Found<'_>) -> Result<Resolved, Unresolved> {
        let source = document.source();
        let Kind::List(list) = &found.value.kind else {
            let path = self.path_before(self.steps.len());
            return Err(Unresolved::Refused(format!("`{path}` is {}, not a list", found.value.kind_name())));
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
                (after_line(source, last.span.end as usize), ListEnd::Header { header })
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
            Step::Index(index) => index.to_string(),
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

/// The kind of a data value.
pub(crate) fn kind_of(value: &Value) -> ValueKind {
    match &value.kind {
        Kind::Table(_) => ValueKind::Table,
        Kind::List(_) => ValueKind::List,
        Kind::Text(_) => ValueKind::String,
        Kind::Integer(_) => ValueKind::Integer,
        Kind::Float(_) => ValueKind::Number,
        Kind::Boolean(_) => ValueKind::Boolean,
        Kind::Date | Kind::Null | Kind::Alias | Kind::Broken => ValueKind::Other,
    }
}

/// What stands before the first visible character of the line that holds `offset`.
pub(crate) fn indentation(source: &str, offset: usize) -> &str {
    let line = line_before(source, offset);
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..blanks).unwrap_or_default()
}

/// `text` with `indent` taken from the start of each line after the first, and the indent that was taken; nothing is
/// taken unless every line has it.
pub(crate) fn dedent(text: &str, indent: &str) -> (String, String) {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        match line.strip_prefix(indent) {
            Some(rest) => out.push_str(rest),
            None if line.trim_start_matches([' ', '\t']).is_empty() => {}
            None => return (text.to_owned(), String::new()),
        }
    }
    (out, indent.to_owned())
}

/// The reverse of [`dedent`]: empty lines stay empty.
pub(crate) fn indented(text: &str, indent: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(indent);
        }
        out.push_str(line);
    }
    out
}

fn line_before(source: &str, offset: usize) -> &str {
    let before = source.get(..offset).unwrap_or_default();
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    line.strip_prefix('\u{feff}').unwrap_or(line)
}

/// The column of `offset` in its line, in characters.
fn column(source: &str, offset: usize) -> usize {
    line_before(source, offset).chars().count()
}

/// The column of the dash that starts the list entry at `offset`.
fn dash_column(source: &str, offset: usize) -> usize {
    let line = line_before(source, offset);
    let before = line.trim_end_matches([' ', '\t']);
    let dash = if before.ends_with('-') { Some(before.len() - 1) } else { before.rfind("- ") };
    dash.and_then(|dash| line.get(..dash)).unwrap_or(line).chars().count()
}

/// The place after the last entry between brackets: after its comma and the comment on its line, if it has a comma.
fn after_flow(source: &str, last: Span, format: DataFormat) -> (usize, ListEnd) {
    let line = line_before(source, last.start as usize);
    let own_line = line.trim_start_matches([' ', '\t']).is_empty() && source.len() != line.len();
    let indent = own_line.then(|| line.to_owned());
    let rest = source.get(last.end as usize..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let comma = rest.get(blanks..).is_some_and(|rest| rest.starts_with(','));
    let mut place = last.end as usize;
    if comma {
        place += blanks + 1;
        if indent.is_some() && format != DataFormat::Json {
            place = after_line(source, place);
        } else if indent.is_some() {
            place = after_json_comment(source, place);
        }
    }
    (place, ListEnd::Flow { filled: true, comma, indent })
}

/// Whether a value ends with a block scalar whose blank lines are part of it (YAML `|+`).
fn keeps_blank_lines(value: &Value, source: &str) -> bool {
    match &value.kind {
        Kind::Table(table) => {
            table.entries.last().is_some_and(|entry| keeps_blank_lines(&entry.value, source))
        }
        Kind::List(list) => list.items.last().is_some_and(|item| keeps_blank_lines(item, source)),
        Kind::Text(Scalar { style: Quote::Literal | Quote::Folded, .. }) => {
            let header = value.span.of(source).split(['\n', ' ', '\t']).next().unwrap_or_default();
            header.contains('+')
        }
        _ => false,
    }
}

/// Before the last of the line ends that follow `offset` with nothing but blanks between them.
fn after_blank_lines(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start_matches([' ', '\r', '\n']).len();
    let run = rest.get(..blank).unwrap_or_default();
    let last = run
        .rfind('\n')
        .map_or(0, |at| if run.get(..at).is_some_and(|run| run.ends_with('\r')) { at - 1 } else { at });
    offset + last
}

/// The end of the line at `offset` if nothing but a comment is left of it, else `offset`. A place that starts a line
/// moves to the end of the line before.
fn after_line(source: &str, offset: usize) -> usize {
    let before = source.get(..offset).unwrap_or_default();
    if let Some(line) = before.strip_suffix('\n') {
        return line.strip_suffix('\r').unwrap_or(line).len();
    }
    let rest = source.get(offset..).unwrap_or_default();
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let left = line.trim_start_matches([' ', '\t']);
    let comment = left.starts_with('#') && left.len() < line.len() || left.is_empty();
    if comment { offset + line.trim_end_matches([' ', '\t']).len() } else { offset }
}

/// The same for a `//` comment, or a block comment that ends on the line.
fn after_json_comment(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or_default();
    let line = rest.split(['\n', '\r']).next().unwrap_or_default().trim_end_matches([' ', '\t']);
    let left = line.trim_start_matches([' ', '\t']);
    let block = left.starts_with("/*") && left.find("*/") == left.len().checked_sub(2);
    if left.starts_with("//") || block { offset + line.len() } else { offset }
}

fn unlisted() -> Unresolved {
    Unresolved::Refused("the list is written in a way that has no end to add to".to_owned())
}

fn alias() -> Unresolved {
    Unresolved::Refused("the value is an alias of one elsewhere in the file".to_owned())
}

fn collect_aliases<'s>(value: &Value, source: &'s str, out: &mut Vec<&'s str>) {
    match &value.kind {
        Kind::Alias => out.push(value.span.of(source).trim_start_matches('*').trim_end()),
        Kind::Table(table) => {
            table.entries.iter().for_each(|entry| collect_aliases(&entry.value, source, out));
        }
        Kind::List(list) => list.items.iter().for_each(|item| collect_aliases(item, source, out)),
        _ => {}
    }
}

fn collect_anchored<'t>(value: &'t Value, out: &mut Vec<&'t Value>) {
    let mut visit = |inner: &'t Value| {
        if inner.anchored {
            out.push(inner);
        }
        collect_anchored(inner, out);
    };
    match &value.kind {
        Kind::Table(table) => table.entries.iter().for_each(|entry| visit(&entry.value)),
        Kind::List(list) => list.items.iter().for_each(visit),
        _ => {}
    }
}

/// The name of the anchor that stands before the value at `offset`.
fn anchor_name(source: &str, offset: usize) -> Option<&str> {
    let before = source.get(..offset)?;
    let start = before.rfind('&')?;
    let name = before.get(start + 1..)?;
    let end = name.find(|character: char| character.is_whitespace() || ",[]{}".contains(character));
    let name = name.get(..end.unwrap_or(name.len()))?;
    (!name.is_empty()).then_some(name)
}
