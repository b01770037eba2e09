//! Places the surfaces of a harness: declared ones with their patterns and pointers, then the native agent's own.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::reader::{Reader, is_native, is_unread, items, matching};
use super::texts::{HarnessText, TextRole, TextSource};
use super::{Harness, PathKind, Place, Placed, Role as FileRole};
use crate::files::{Files, Link};
use crate::path::FilePath;
use crate::problem::Location;
use crate::selector::{Selector, SelectorError, ValueKind};
use crate::surface::{Choice, Dialect, Limits, NewFiles, Origin, Part, Role, Surface, follow};
use crate::syntax::data::{Kind, Step, Value};
use crate::text::Span;

/// All surfaces: declared ones in the order of the manifest, then native ones that no declaration replaces.
pub(super) fn place(harness: &mut Harness, previous: Option<&Harness>) -> Vec<Placed> {
    let document = Arc::clone(&harness.manifest.document);
    let Some(tree) = document.data() else { return Vec::new() };
    let file = document.path().clone();
    let at = Reader { file: &file, source: document.source() };
    let mut placed = Vec::new();
    let mut off = BTreeSet::new();
    for value in items(tree.root.get("surface")) {
        let id = value.get("id").and_then(Value::as_text).unwrap_or_default();
        if matches!(value.get("enabled").map(|enabled| &enabled.kind), Some(Kind::Boolean(false))) {
            off.insert(id.to_owned());
            continue;
        }
        declared(harness, value, at, &mut placed);
    }
    if is_native(&tree.root) {
        native(harness, &tree.root, &off, &mut placed);
    }
    if let Some(before) = previous {
        reuse(&mut placed, before);
    }
    placed
}

/// Where a surface's id is written, without quotes; its declaration, if it has none.
#[must_use]
pub fn id_span(harness: &Harness, placed: &Placed) -> Span {
    let declaration = &placed.surface.declaration;
    let list = harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default();
    let entry = item_at(list, declaration.span);
    let at = Reader { file: &declaration.file, source: harness.manifest.document.source() };
    entry.and_then(|value| value.get("id")).map_or(declaration.span, |id| at.inside(id))
}

/// The item of a list at a place; items stand in the order of the text.
#[must_use]
pub fn item_at(list: &[Value], span: Span) -> Option<&Value> {
    let at = list.partition_point(|item| item.span.start < span.start);
    list.get(at).filter(|item| item.span == span)
}

/// The selector of an entry, as written; `["file"]` if it has none.
///
/// # Errors
/// A [`SelectorError`] if it is none.
pub fn selector(value: &Value) -> Result<Selector, SelectorError> {
    match value.get("select").and_then(Value::as_list) {
        None => Ok(Selector::File),
        Some(steps) => {
            let steps = steps.iter().filter_map(|step| match &step.kind {
                Kind::Text(text) => Some(Step::Key(text.value.to_string())),
                Kind::Integer(index) => Some(Step::Index(*index)),
                _ => None,
            });
            Selector::parse(&steps.collect::<Vec<_>>())
        }
    }
}

fn declared(harness: &mut Harness, value: &Value, at: Reader<'_>, placed: &mut Vec<Placed>) {
    let id = value.get("id").and_then(Value::as_text).unwrap_or_default().to_owned();
    let text = |key: &str| value.get(key).and_then(Value::as_text).map(str::to_owned);
    let parts: Vec<&Value> = match value.get("parts").and_then(Value::as_list) {
        Some(parts) => parts.iter().collect(),
        None => vec![value],
    };
    let surface = Surface {
        id: id.clone(),
        description: text("description").unwrap_or_default(),
        origin: Origin::Declared,
        declaration: Location::new(at.file, value.span),
        parts: Vec::new(),
        role: text("kind").and_then(|kind| Role::named(&kind)),
        limits: limits(value),
        follow_imports: true,
        new_files: new_files(value),
    };
    let follows = match value.get("follow_imports").map(|value| &value.kind) {
        Some(Kind::Boolean(follows)) => Some(*follows),
        _ => None,
    };
    // A pattern makes one surface of each file that it matches.
    if let [part] = parts.as_slice()
        && let Some(pattern) =
            part.get("file").and_then(Value::as_text).filter(|name| name.contains(['*', '?', '{']))
    {
        harness.add_path(part.get("file"), PathKind::Glob, "surface.file", at);
        for path in matching(&harness.files, pattern) {
            let mut surface = Surface { id: format!("{id}@{path}"), ..surface.clone() };
            let places = part_places(harness, part, path, follows, &mut surface);
            placed.push(Placed { surface, places });
        }
        return;
    }
    let mut surface = surface;
    let mut places = Vec::new();
    for part in parts {
        let Ok(selector) = selector(part) else { continue };
        if let Selector::New(_) = selector {
            surface.parts.push(Part { file: FilePath::root(), selector });
            continue;
        }
        harness.add_path(part.get("file"), PathKind::File, "surface.file", at);
        let Some(Ok(path)) = part.get("file").and_then(Value::as_text).map(FilePath::parse) else { continue };
        places.extend(part_places(harness, part, path, follows, &mut surface));
    }
    placed.push(Placed { surface, places });
}

fn part_places(
    harness: &mut Harness,
    part: &Value,
    path: FilePath,
    follows: Option<bool>,
    surface: &mut Surface,
) -> Vec<Place> {
    let Ok(selector) = selector(part) else { return Vec::new() };
    surface.follow_imports = follows.unwrap_or(path.name() == "CLAUDE.md");
    surface.parts.push(Part { file: path.clone(), selector: selector.clone() });
    harness.name(&path, FileRole::Surface);
    let (target, astray) = target(harness, &path, surface.follow_imports);
    if target != path {
        harness.name(&target, FileRole::Surface);
    }
    vec![Place::new(path, target, selector, astray, &harness.files)]
}

/// The file that holds the text of `path`: where its link leads, and, if every line of it is one import, what that is.
fn target(harness: &mut Harness, path: &FilePath, follows: bool) -> (FilePath, Option<String>) {
    let real = match harness.files.on_disk(path).and_then(|file| file.link.clone()) {
        Some(Link::Inside(real)) => real,
        Some(Link::Outside) => return (path.clone(), Some(format!("`{path}` is a link out of the project"))),
        None => path.clone(),
    };
    if !follows {
        return (real, None);
    }
    let unread = RefCell::new(Vec::new());
    let found = follow(&real, |file| {
        if is_unread(&harness.files, file) {
            unread.borrow_mut().push(file.clone());
        }
        harness.files.document(file).cloned()
    });
    let unread = unread.into_inner();
    let waiting = !unread.is_empty();
    for file in unread {
        harness.name(&file, FileRole::Surface);
    }
    match found {
        _ if waiting => (real, None),
        // Several imports have no one place for an edit; the pointer itself stays the surface.
        Ok(files) => match <[FilePath; 1]>::try_from(files) {
            Ok([only]) => (only, None),
            Err(_) => (real, None),
        },
        Err(astray) => (real, Some(astray.message())),
    }
}

fn limits(value: &Value) -> Limits {
    let number = |key: &str| match value.get(key).map(|value| &value.kind) {
        Some(Kind::Integer(number)) => Some(*number as f64),
        Some(Kind::Float(number)) => Some(*number),
        _ => None,
    };
    let count = |key: &str| match value.get(key).map(|value| &value.kind) {
        Some(Kind::Integer(number)) => usize::try_from(*number).ok(),
        _ => None,
    };
    let word = |key: &str| value.get(key).and_then(Value::as_text);
    let choices = items(value.get("one_of")).filter_map(|choice| match &choice.kind {
        Kind::Text(text) => Some(Choice::String(text.value.to_string())),
        Kind::Integer(number) => Some(Choice::Number(*number as f64)),
        Kind::Float(number) => Some(Choice::Number(*number)),
        Kind::Boolean(truth) => Some(Choice::Boolean(*truth)),
        _ => None,
    });
    Limits {
        kind: word("type").and_then(kind_named),
        min: number("min"),
        max: number("max"),
        one_of: choices.collect(),
        max_tokens: count("max_tokens"),
        max_lines: count("max_lines"),
        requires: items(value.get("requires")).filter_map(Value::as_text).map(str::to_owned).collect(),
        template: word("template").and_then(dialect_named),
        only_tighten: false,
    }
}

fn kind_named(word: &str) -> Option<ValueKind> {
    match word {
        "string" => Some(ValueKind::String),
        "integer" => Some(ValueKind::Integer),
        "number" => Some(ValueKind::Number),
        "boolean" => Some(ValueKind::Boolean),
        "list" => Some(ValueKind::List),
        "table" => Some(ValueKind::Table),
        _ => None,
    }
}

fn dialect_named(word: &str) -> Option<Dialect> {
    match word {
        "jinja" => Some(Dialect::Jinja),
        "str.format" => Some(Dialect::StrFormat),
        "f-string" => Some(Dialect::FString),
        "mustache" => Some(Dialect::Mustache),
        _ => None,
    }
}

fn new_files(value: &Value) -> Option<NewFiles> {
    let table = value.get("new_files")?;
    let max = match table.get("max").map(|value| &value.kind) {
        Some(Kind::Integer(max)) => usize::try_from(*max).unwrap_or(0),
        _ => 1,
    };
    let skeleton = table.get("text").and_then(Value::as_text).unwrap_or_default().to_owned();
    Some(NewFiles { max, skeleton })
}

/// The native agent's texts and knobs, unless a declaration switches them off, has their id, or selects inside their file.
fn native(harness: &Harness, root: &Value, off: &BTreeSet<String>, placed: &mut Vec<Placed>) {
    let replaced = |id: &str, file: Option<&FilePath>, placed: &[Placed]| {
        off.contains(id)
            || placed
                .iter()
                .any(|other| other.surface.id == id || file.is_some_and(|file| other.file() == Some(file)))
    };
    let mut found = Vec::new();
    for text in harness.texts() {
        let Some(part) = text_part(harness, root, text) else { continue };
        let whole = matches!(text.source, TextSource::File(_)).then_some(&part.file);
        if !replaced(&text.id, whole, placed) {
            found.push(native_surface(
                harness,
                text.id.clone(),
                role(text.role),
                text.declared.clone(),
                part,
            ));
        }
    }
    let knobs = ["max_steps", "finish", "tool_timeout", "max_output_bytes", "compaction"];
    for entry in super::reader::entries(root.get("runtime")) {
        let id = format!("runtime.{}", entry.key.name);
        if !knobs.contains(&&*entry.key.name) || replaced(&id, None, placed) {
            continue;
        }
        let steps = ["runtime", &entry.key.name].map(|step| Step::Key(step.to_owned())).to_vec();
        let Some(selector) = data_selector("toml", steps) else { continue };
        let file = harness.manifest_path();
        let declared = Location::new(&file, entry.value.span);
        found.push(native_surface(harness, id, Role::Limit, declared, Part { file, selector }));
    }
    placed.extend(found);
}

fn native_surface(harness: &Harness, id: String, role: Role, declaration: Location, part: Part) -> Placed {
    let place =
        Place::new(part.file.clone(), part.file.clone(), part.selector.clone(), None, harness.files());
    let surface = Surface {
        id,
        description: String::new(),
        origin: Origin::Native,
        declaration,
        parts: vec![part],
        role: Some(role),
        limits: Limits::default(),
        follow_imports: false,
        new_files: None,
    };
    Placed { surface, places: vec![place] }
}

/// Where a native text is as a part: its file, or its value in the document that declares it.
fn text_part(harness: &Harness, root: &Value, text: &HarnessText) -> Option<Part> {
    match &text.source {
        TextSource::File(file) => Some(Part { file: file.clone(), selector: Selector::File }),
        TextSource::Nowhere => None,
        TextSource::Inline { .. } => {
            let file = text.declared.file.clone();
            let document = harness.document(&file)?;
            let tree = if file == harness.manifest_path() { root } else { &document.data()?.root };
            let mut steps = Vec::new();
            if !find(tree, text.declared.span, &mut steps) {
                return None;
            }
            // An inline table holds the text under its own key.
            let is_table = text.declared.span.of(document.source()).starts_with('{');
            steps.extend(is_table.then(|| Step::Key("text".to_owned())));
            let format = if document.format() == crate::syntax::Format::Json { "json" } else { "toml" };
            Some(Part { file, selector: data_selector(format, steps)? })
        }
    }
}

fn data_selector(format: &str, steps: Vec<Step>) -> Option<Selector> {
    let steps: Vec<Step> = std::iter::once(Step::Key(format.to_owned())).chain(steps).collect();
    Selector::parse(&steps).ok()
}

/// The steps to the value at a span.
fn find(value: &Value, span: Span, steps: &mut Vec<Step>) -> bool {
    if value.span == span {
        return true;
    }
    match &value.kind {
        Kind::Table(table) => {
            for entry in &table.entries {
                if entry.value.span.contains(span) {
                    steps.push(Step::Key(entry.key.name.to_string()));
                    if find(&entry.value, span, steps) {
                        return true;
                    }
                    steps.pop();
                }
            }
        }
        Kind::List(list) => {
            for (index, item) in list.items.iter().enumerate().filter(|(_, item)| item.span.contains(span)) {
                steps.push(Step::Index(i64::try_from(index).unwrap_or(i64::MAX)));
                if find(item, span, steps) {
                    return true;
                }
                steps.pop();
            }
        }
        _ => {}
    }
    false
}

fn role(role: TextRole) -> Role {
    match role {
        TextRole::System | TextRole::Observation | TextRole::Variable => Role::Prompt,
        TextRole::Task => Role::Task,
        TextRole::ToolDescription => Role::Tool,
        TextRole::Rule => Role::Rule,
        TextRole::State => Role::State,
    }
}

/// What was resolved of the same document before need not be resolved again.
fn reuse(placed: &mut [Placed], before: &Harness) {
    let old: std::collections::BTreeMap<&str, &Placed> =
        before.surfaces().iter().map(|placed| (placed.surface.id.as_str(), placed)).collect();
    for now in placed {
        let Some(then) = old.get(now.surface.id.as_str()) else { continue };
        for (place, earlier) in now.places.iter_mut().zip(&then.places) {
            place.reuse(earlier);
        }
    }
}

impl Place {
    fn new(
        file: FilePath,
        target: FilePath,
        selector: Selector,
        astray: Option<String>,
        files: &Files,
    ) -> Self {
        let document = files.document(&target).cloned();
        Self { file, target, selector, astray, document, resolved: Arc::default() }
    }

    fn reuse(&mut self, earlier: &Self) {
        let same_document = match (&self.document, &earlier.document) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        if same_document && self.selector == earlier.selector && self.astray == earlier.astray {
            self.resolved = Arc::clone(&earlier.resolved);
        }
    }
}
