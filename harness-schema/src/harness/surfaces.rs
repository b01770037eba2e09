//! Places the surfaces of a harness: declared ones with their patterns and pointers, then the native agent's own.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use ecow::{EcoString, eco_format};

use super::earlier::Earlier;
use super::reader::{Reader, is_native, is_pattern, items, joined, matching};
use super::texts::{HarnessText, TextRole, TextSource};
use super::{Harness, PathKind, Place, Placed, Role as FileRole};
use crate::files::{Files, Link};
use crate::path::FilePath;
use crate::problem::Location;
use crate::selector::{DataFormat, Form, Selector, SelectorError, ValueKind};
use crate::surface::{
    Astray, Choice, Dialect, Limits, NewFiles, Origin, Part, Role, Surface, follow, pointed_file,
};
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

/// The selector of an entry, as written; `["file"]` if it has none.
///
/// # Errors
/// A [`SelectorError`] if it is none.
pub fn selector(value: &Value) -> Result<Selector, SelectorError> {
    match value.get("select").and_then(Value::as_list) {
        None => Ok(Selector::File),
        Some(steps) => {
            let steps = steps.iter().filter_map(|step| match &step.kind {
                Kind::Text(text) => Some(Step::Key(text.value.clone())),
                Kind::Integer(index) => Some(Step::Index(*index)),
                _ => None,
            });
            Selector::parse(&steps.collect::<Vec<_>>())
        }
    }
}

fn declared(harness: &mut Harness, value: &Value, at: Reader<'_>, placed: &mut Vec<Placed>) {
    let id = value.get("id").and_then(Value::as_text).unwrap_or_default();
    let id_span = value.get("id").map_or(value.span, |id| at.inside(id));
    let text = |key: &str| value.get(key).and_then(Value::as_text).map(str::to_owned);
    let parts: Vec<&Value> = match value.get("parts").and_then(Value::as_list) {
        Some(parts) => parts.iter().collect(),
        None => vec![value],
    };
    let surface = Surface {
        id: id.into(),
        description: text("description").unwrap_or_default().into(),
        origin: Origin::Declared,
        declaration: Location::new(at.file, value.span),
        parts: Vec::new(),
        role: text("kind").and_then(|kind| Role::named(&kind)),
        limits: limits(value),
        follow_imports: true,
        new_files: new_files(harness, value, at),
    };
    let follows = match value.get("follow_imports").map(|value| &value.kind) {
        Some(Kind::Boolean(follows)) => Some(*follows),
        _ => None,
    };
    // A pattern makes one surface of each file that it matches.
    if let [part] = parts.as_slice()
        && let Some(pattern) = part.get("file").and_then(Value::as_text)
        && FilePath::parse(pattern).is_ok_and(|path| is_pattern(&harness.files, &path))
        && !matches!(selector(part), Ok(Selector::New(_)))
    {
        harness.add_path(part.get("file"), PathKind::Glob, "surface.file", at);
        for path in matching(&harness.files, pattern) {
            let mut surface = Surface { id: eco_format!("{id}@{path}"), ..surface.clone() };
            let places = part_places(harness, part, path, follows, &mut surface);
            placed.push(Placed { surface, id: id_span, places });
        }
        return;
    }
    let mut surface = surface;
    let mut places = Vec::new();
    for part in parts {
        let Ok(selector) = selector(part) else { continue };
        if let Selector::New(_) = selector {
            let glob = part.get("select").and_then(Value::as_list).and_then(|steps| steps.get(1));
            harness.add_path(glob, PathKind::MayBeMissing, "surface.select", at);
            surface.parts.push(Part { file: FilePath::root(), selector: selector.into() });
            continue;
        }
        harness.add_path(part.get("file"), PathKind::File, "surface.file", at);
        let Some(Ok(path)) = part.get("file").and_then(Value::as_text).map(FilePath::parse) else { continue };
        places.extend(part_places(harness, part, path, follows, &mut surface));
    }
    placed.push(Placed { surface, id: id_span, places });
}

fn part_places(
    harness: &mut Harness,
    part: &Value,
    path: FilePath,
    follows: Option<bool>,
    surface: &mut Surface,
) -> Vec<Place> {
    let Ok(selector) = selector(part).map(Arc::new) else { return Vec::new() };
    surface.follow_imports = follows.unwrap_or(path.name() == "CLAUDE.md");
    surface.parts.push(Part { file: path.clone(), selector: selector.clone() });
    harness.name(&path, FileRole::Surface);
    let place = match target(harness, &path, surface.follow_imports) {
        Err(astray) => Place::astray(path, selector, astray),
        Ok(target) => {
            if target != path {
                harness.name(&target, FileRole::Surface);
            }
            let place = Place::new(path, target, selector, &harness.files);
            if follows == Some(false) { place } else { pointed(harness, place) }
        }
    };
    vec![place]
}

/// Where the text of a value is that only points to a file, as OpenCode writes it: `{file:./prompt.md}`.
fn pointed(harness: &mut Harness, place: Place) -> Place {
    let Selector::Data { format: DataFormat::Json, append: false, .. } = *place.selector else {
        return place;
    };
    // Most documents have no pointer, and their places need not be found yet.
    if !place.document.as_ref().is_some_and(|document| document.source().contains("{file:")) {
        return place;
    }
    let Some(Ok(resolved)) = place.resolved() else { return place };
    let is_text = matches!(resolved.form, Form::Scalar { .. });
    let Some(pointer) = pointed_file(&resolved.value).filter(|_| is_text) else { return place };
    let (from, written) = (place.target.clone(), resolved.value.trim().to_owned());
    let found = match from.parent().join(pointer) {
        Err(_) => Err(Astray::Outside { from, written }),
        Ok(path) if !harness.files.is_file(&path) => Err(Astray::Missing { from, written }),
        Ok(path) => real(harness, &path),
    };
    match found {
        Err(astray) => Place::astray(place.file, place.selector, astray),
        Ok(target) => {
            harness.name(&target, FileRole::Surface);
            let pointer = Place::new(place.file, target, Arc::new(Selector::File), &harness.files);
            Place { written: place.selector, ..pointer }
        }
    }
}

/// What a link stands for; a file that is none stands for itself.
fn real(harness: &Harness, path: &FilePath) -> Result<FilePath, Astray> {
    match harness.files.on_disk(path).and_then(|file| file.link.clone()) {
        Some(Link::Inside(real)) => Ok(real),
        Some(Link::Outside) => Err(Astray::Link(path.clone())),
        None => Ok(path.clone()),
    }
}

/// The file that holds the text of `path`: where its link leads, and, if every line of it is one import, what that is.
fn target(harness: &mut Harness, path: &FilePath, follows: bool) -> Result<FilePath, Astray> {
    let real_path = real(harness, path)?;
    if !follows {
        return Ok(real_path);
    }
    let seen = RefCell::new(BTreeSet::new());
    let found = follow(&real_path, |file| {
        seen.borrow_mut().insert(file.clone());
        harness.files.document(file).cloned()
    });
    let seen = seen.into_inner();
    let waiting = seen.iter().any(|file| harness.files.is_unread(file));
    // Whatever lies on the way belongs to the harness: without it the surface would not be found.
    for file in seen {
        if !harness.files.is_file(&file) {
            continue;
        }
        harness.name(&file, FileRole::Surface);
        harness.define_file(&file);
        harness.followed.insert(file);
    }
    if waiting {
        return Ok(real_path);
    }
    let mut files: Vec<FilePath> = Vec::new();
    for file in found? {
        let file = real(harness, &file)?;
        if !files.contains(&file) {
            files.push(file);
        }
    }
    match <[FilePath; 1]>::try_from(files) {
        Ok([only]) => Ok(only),
        Err(files) => Err(Astray::Several { from: real_path, files }),
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

fn new_files(harness: &mut Harness, value: &Value, at: Reader<'_>) -> Option<NewFiles> {
    let table = value.get("new_files")?;
    let max = match table.get("max").map(|value| &value.kind) {
        Some(Kind::Integer(max)) => usize::try_from(*max).unwrap_or(0),
        _ => 1,
    };
    let text = table.get("text");
    let inline = text.and_then(|text| text.get("text")).and_then(Value::as_text);
    let skeleton = match text.and_then(Value::as_text) {
        None => inline.unwrap_or_default().to_owned(),
        Some(written) => {
            harness.add_path(text, PathKind::File, "surface.new_files.text", at);
            let path = FilePath::parse(written).ok();
            if let Some(path) = &path {
                // What a file starts from may be anything; only its text is wanted.
                harness.name(path, FileRole::Program);
            }
            let document = path.and_then(|path| harness.files.document(&path));
            document.map(|document| document.source().to_owned()).unwrap_or_default()
        }
    };
    Some(NewFiles { max, skeleton })
}

/// The native agent's texts and knobs, unless a declaration switches them off, has their id, or selects inside their file.
fn native(harness: &Harness, root: &Value, off: &BTreeSet<String>, placed: &mut Vec<Placed>) {
    let declared = placed.len();
    let replaced = |id: &str, file: Option<&FilePath>, placed: &[Placed]| {
        off.contains(id)
            || placed
                .iter()
                .take(declared)
                .any(|other| other.surface.id == id || file.is_some_and(|file| other.file() == Some(file)))
    };
    placed.reserve(harness.texts().len());
    for text in harness.texts() {
        let Some(part) = text_part(harness, root, text) else { continue };
        let whole = matches!(text.source, TextSource::File(_)).then_some(&part.file);
        if !replaced(&text.id, whole, placed) {
            placed.push(native_surface(
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
        if !knobs.contains(&&*entry.key.name) {
            continue;
        }
        let id = joined(&["runtime.", &entry.key.name]);
        if replaced(&id, None, placed) {
            continue;
        }
        let steps = ["runtime", &entry.key.name].map(|step| Step::Key(step.into())).to_vec();
        let selector = data_selector(DataFormat::Toml, steps);
        let file = harness.manifest_path();
        let declared = Location::new(&file, entry.value.span);
        placed.push(native_surface(
            harness,
            id,
            Role::Limit,
            declared,
            Part { file, selector: selector.into() },
        ));
    }
}

fn native_surface(harness: &Harness, id: EcoString, role: Role, declaration: Location, part: Part) -> Placed {
    let place = Place::new(part.file.clone(), part.file.clone(), part.selector.clone(), harness.files());
    let surface = Surface {
        id,
        description: EcoString::new(),
        origin: Origin::Native,
        declaration,
        parts: vec![part],
        role: Some(role),
        limits: Limits::default(),
        follow_imports: false,
        new_files: None,
    };
    Placed { id: surface.declaration.span, surface, places: vec![place] }
}

/// Where a native text is as a part: its file, or its value in the document that declares it.
fn text_part(harness: &Harness, root: &Value, text: &HarnessText) -> Option<Part> {
    match &text.source {
        TextSource::File(file) => Some(Part { file: file.clone(), selector: Selector::File.into() }),
        TextSource::Nowhere => None,
        TextSource::Inline { .. } => {
            let file = text.declared.file.clone();
            let document = harness.document(&file)?;
            let tree = if file == harness.manifest_path() { root } else { &document.data()?.root };
            let mut steps = Vec::with_capacity(4);
            if !find(tree, text.declared.span, &mut steps) {
                return None;
            }
            // An inline table holds the text under its own key.
            let is_table = text.declared.span.of(document.source()).starts_with('{');
            steps.extend(is_table.then(|| Step::Key("text".into())));
            let is_json = document.format() == crate::syntax::Format::Json;
            let format = if is_json { DataFormat::Json } else { DataFormat::Toml };
            Some(Part { file, selector: data_selector(format, steps).into() })
        }
    }
}

/// The selector of a value at the end of some steps; a last step that would mean the end of a list is read as it means.
fn data_selector(format: DataFormat, steps: Vec<Step>) -> Selector {
    if !matches!(steps.last(), Some(Step::Key(last)) if last == "+") {
        return Selector::Data { format, steps, append: false };
    }
    let steps = steps.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default();
    Selector::Data { format, steps, append: true }
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
                    steps.push(Step::Key(entry.key.name.clone()));
                    if find(&entry.value, span, steps) {
                        return true;
                    }
                    steps.pop();
                }
            }
        }
        Kind::List(list) => {
            // Items stand in order; only tables that are continued further down may hold what is behind the next item.
            let near = list.items.partition_point(|item| item.span.start <= span.start);
            let likely = near.checked_sub(1).filter(|at| list.items[*at].span.contains(span));
            let others = (0..list.items.len()).filter(|_| likely.is_none());
            for (index, item) in likely.into_iter().chain(others).map(|index| (index, &list.items[index])) {
                if !item.span.contains(span) {
                    continue;
                }
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
    let mut old = Earlier::new(before.surfaces(), |placed| &placed.surface.id);
    for now in placed {
        let Some(then) = old.find(&now.surface.id) else { continue };
        for (place, earlier) in now.places.iter_mut().zip(&then.places) {
            place.reuse(earlier);
        }
    }
}

impl Place {
    fn new(file: FilePath, target: FilePath, selector: Arc<Selector>, files: &Files) -> Self {
        let document = files.document(&target).cloned();
        let written = selector.clone();
        Self { file, target, selector, written, astray: None, document, resolved: OnceLock::new() }
    }

    fn astray(file: FilePath, selector: Arc<Selector>, astray: Astray) -> Self {
        let (target, written) = (file.clone(), selector.clone());
        Self {
            file,
            target,
            selector,
            written,
            astray: Some(astray),
            document: None,
            resolved: OnceLock::new(),
        }
    }

    fn reuse(&mut self, earlier: &Self) {
        let same_document = match (&self.document, &earlier.document) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        if same_document && self.selector == earlier.selector {
            self.resolved.clone_from(&earlier.resolved);
        }
    }
}
