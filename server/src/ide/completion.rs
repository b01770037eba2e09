//! What could stand at the cursor: keys, values and names of the harness; never text of a model.

use harness_schema::check;
use harness_schema::detector;
use harness_schema::harness::{END, Harness, MANIFEST, Role, SymbolKind};
use harness_schema::selector;
use harness_schema::shape::{self, Shape};
use harness_schema::syntax::Format;
use harness_schema::text::Span;

use super::context::{self, Place};
use crate::workspace::Site;

/// Something that could be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is shown.
    pub label: String,
    /// What it is, for its picture.
    pub kind: ItemKind,
    /// One more line.
    pub detail: String,
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A key of a document.
    Key,
    /// One of several values.
    Value,
    /// A tool.
    Tool,
    /// A variable.
    Variable,
    /// A state.
    State,
    /// A task.
    Task,
    /// A file.
    File,
}

/// At most so many items; an editor filters them.
const MAX_ITEMS: usize = 1_000;

/// What could stand at an offset.
#[must_use]
pub fn completions(site: &Site, offset: usize) -> Vec<Item> {
    let harness = site.project.harness();
    let Some(document) = harness.document(&site.file) else { return Vec::new() };
    let source = document.source();
    if let Some(items) = in_texts(site, harness, source, offset) {
        return items;
    }
    if document.format() != Format::Toml {
        return Vec::new();
    }
    let place = context::toml(document, offset);
    let mut items = match (&place.key, harness.role(&site.file)) {
        (None, Some(Role::Manifest)) => fields(table_shape(shape::manifest(), &place.table), &place),
        (None, Some(Role::Tool)) => fields(table_shape(shape::tool(), &place.table), &place),
        (None, Some(Role::TaskManifest)) => fields(table_shape(shape::task(), &place.table), &place),
        (Some(key), Some(Role::Manifest)) => values(harness, &place, key),
        _ => Vec::new(),
    };
    items.truncate(MAX_ITEMS);
    items
}

/// In the texts of the native agent: variables in tags, names in inline code.
fn in_texts(site: &Site, harness: &Harness, source: &str, offset: usize) -> Option<Vec<Item>> {
    let mut texts = harness.texts_in(&site.file);
    let is_text = texts.any(|text| text.role.is_template() && text.span(harness.files()).touches(offset));
    if !is_text {
        return None;
    }
    if let Some(word) = context::in_tag(source, offset) {
        let typed = word.of(source);
        let dotted = check::prompts::DEFINED.iter().flat_map(|(name, parts)| {
            if parts.is_empty() {
                vec![(*name).to_owned()]
            } else {
                parts.iter().map(|part| format!("{name}.{part}")).collect()
            }
        });
        let own = harness.symbols().names(SymbolKind::Variable).map(str::to_owned);
        let names = dotted.chain(own).filter(|name| typed.is_empty() || name.starts_with(&typed[..1]));
        return Some(names.map(|name| item(name, ItemKind::Variable, String::new(), word)).collect());
    }
    if let Some(word) = context::in_code(source, offset) {
        let kinds = [(SymbolKind::Tool, ItemKind::Tool), (SymbolKind::State, ItemKind::State)];
        let names = kinds.into_iter().flat_map(|(symbol, kind)| {
            let all = harness.symbols().of_kind(symbol);
            all.map(move |symbol| item(symbol.name.clone(), kind, symbol.detail.clone(), word))
        });
        return Some(names.collect());
    }
    (site.file.as_str() != MANIFEST).then(Vec::new)
}

fn item(text: String, kind: ItemKind, detail: String, span: Span) -> Item {
    Item { label: text.clone(), kind, detail, span, text }
}

fn values(harness: &Harness, place: &Place, key: &str) -> Vec<Item> {
    let table: Vec<&str> = place.table.iter().map(String::as_str).collect();
    let quote = |text: &str| if place.quoted { text.to_owned() } else { format!("\"{text}\"") };
    let word = |text: &str, kind: ItemKind, detail: &str| Item {
        label: text.to_owned(),
        kind,
        detail: detail.to_owned(),
        span: place.word,
        text: quote(text),
    };
    let symbols = |kind: SymbolKind, as_kind: ItemKind| -> Vec<Item> {
        harness.symbols().of_kind(kind).map(|symbol| word(&symbol.name, as_kind, &symbol.detail)).collect()
    };
    match (table.as_slice(), key) {
        (["orchestration"], "start") => symbols(SymbolKind::State, ItemKind::State),
        (["orchestration", "state"], "next" | "on_limit") => {
            let mut states = symbols(SymbolKind::State, ItemKind::State);
            states.push(word(END, ItemKind::State, "ends the trial"));
            states
        }
        (["orchestration", "state"], "tools") | ([.., "when" | "limit"], "tool") => {
            symbols(SymbolKind::Tool, ItemKind::Tool)
        }
        ([.., "when"], "state") => symbols(SymbolKind::State, ItemKind::State),
        ([.., "when"], "detector") => {
            let usable = detector::DETECTORS.iter().filter(|detector| detector.on != detector::On::End);
            usable.map(|detector| word(detector.name, ItemKind::Value, detector.rule)).collect()
        }
        (["tasks"], "held_in" | "held_out" | "sealed" | "exclude") => {
            symbols(SymbolKind::Task, ItemKind::Task)
        }
        (["lint", "allow"], "rule") => {
            check::RULES.iter().map(|rule| word(rule.name, ItemKind::Value, rule.id)).collect()
        }
        (["lint", "allow"], "surface") => {
            harness.surfaces().iter().map(|placed| word(&placed.surface.id, ItemKind::Value, "")).collect()
        }
        (["surface"] | ["surface", "parts"], "select") => {
            selector::KINDS.iter().map(|kind| word(kind, ItemKind::Value, "")).collect()
        }
        (["surface"] | ["surface", "parts"] | ["tool"] | ["lint", "allow"], "file")
        | (["tool", "description"] | ["prompt", "variables", _], "file")
        | (["prompt"], "system" | "task" | "observation")
        | (["orchestration", "state"], "prompt")
        | (["runtime", "rule"], "inject" | "ask_verify") => files(harness, place, &quote),
        _ => {
            let value = table_shape(shape::manifest(), &place.table).and_then(|shape| shape.entry(key));
            // In a list it is its items that have choices.
            let value = value.map(|shape| shape.list().map_or(shape, |list| &*list.item));
            let choices = value.into_iter().flat_map(Shape::choices);
            choices.map(|choice| word(&choice.value, ItemKind::Value, &choice.description)).collect()
        }
    }
}

/// Files of the project that are no part of a task.
fn files(harness: &Harness, place: &Place, quote: &impl Fn(&str) -> String) -> Vec<Item> {
    let tasks = harness.suite().directory.clone();
    let paths =
        harness.files().paths().filter(|path| tasks.as_ref().is_none_or(|tasks| !path.is_below(tasks)));
    let own = paths.filter(|path| path.as_str() != MANIFEST).take(MAX_ITEMS);
    own.map(|path| Item {
        label: path.to_string(),
        kind: ItemKind::File,
        detail: String::new(),
        span: place.word,
        text: quote(path.as_str()),
    })
    .collect()
}

/// The keys of a table, with what the schema says about each; those that stand there already are left out.
fn fields(shape: Option<&Shape>, place: &Place) -> Vec<Item> {
    let fields = shape.into_iter().flat_map(Shape::fields).filter(|field| !field.deprecated);
    fields.map(|field| item(field.name.clone(), ItemKind::Key, summary(&field.shape), place.word)).collect()
}

/// The first sentence of a description.
fn summary(shape: &Shape) -> String {
    let text = shape.description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    text.split_once(". ").map_or(text.clone(), |(first, _)| first.to_owned())
}

/// The shape of a table of the manifest, by the keys that lead to it.
#[must_use]
pub fn table_shape(root: &'static Shape, table: &[String]) -> Option<&'static Shape> {
    table.iter().try_fold(root, |shape, key| {
        let inner = shape.entry(key)?;
        // The items of a list are its tables.
        Some(inner.list().map_or(inner, |list| &*list.item))
    })
}
