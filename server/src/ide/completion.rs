//! What could stand at the cursor: keys, values and names of the harness; never text of a model.

use harness_schema::check;
use harness_schema::detector;
use harness_schema::harness::{END, Harness, MANIFEST, Role, SymbolKind};
use harness_schema::path::FilePath;
use harness_schema::selector;
use harness_schema::shape::{self, Shape};
use harness_schema::syntax::Format;
use harness_schema::syntax::data::{Step, Value};
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
    let role = harness.role(&site.file);
    let root = match role {
        Some(Role::Manifest) => shape::manifest(),
        Some(Role::Tool) => shape::tool(),
        Some(Role::TaskManifest) => shape::task(),
        _ => return Vec::new(),
    };
    let table = document.data().and_then(|tree| context::table_at(&tree.root, &place.table, offset));
    let mut items = match &place.key {
        None => fields(table_shape(root, &place.table), table, &place, offset),
        Some(key) => match named(site, role, table, &place, key, source) {
            Some(items) => items,
            None => choices(table_shape(root, &place.table), &place, key),
        },
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

/// A value that could be written: with the quotes that are missing.
fn word(place: &Place, text: &str, kind: ItemKind, detail: &str) -> Item {
    let quoted = if place.quoted { text.to_owned() } else { format!("\"{text}\"") };
    Item { label: text.to_owned(), kind, detail: detail.to_owned(), span: place.word, text: quoted }
}

/// Values that are names of this harness; `None` for a key whose values are not.
fn named(
    site: &Site,
    role: Option<Role>,
    table: Option<&Value>,
    place: &Place,
    key: &str,
    source: &str,
) -> Option<Vec<Item>> {
    let harness = site.project.harness();
    let keys: Vec<&str> = place.table.iter().map(String::as_str).collect();
    let is_tool = role == Some(Role::Tool) || (role == Some(Role::Manifest) && keys == ["tool"]);
    if is_tool && key == "run" {
        return Some(placeholders(place, source, parameters(table)));
    }
    if role != Some(Role::Manifest) {
        return None;
    }
    let symbols = |kind: SymbolKind, as_kind: ItemKind| -> Vec<Item> {
        harness
            .symbols()
            .of_kind(kind)
            .map(|symbol| word(place, &symbol.name, as_kind, &symbol.detail))
            .collect()
    };
    Some(match (keys.as_slice(), key) {
        (["agent"], "argv" | "transcript") | (["agent", "env"], _) => {
            placeholders(place, source, check::agent::PLACEHOLDERS.map(str::to_owned).to_vec())
        }
        (["orchestration"], "start") => symbols(SymbolKind::State, ItemKind::State),
        (["orchestration", "state"], "next" | "on_limit") => {
            let mut states = symbols(SymbolKind::State, ItemKind::State);
            states.push(word(place, END, ItemKind::State, "ends the trial"));
            states
        }
        (["orchestration", "state"], "tools") | ([.., "when" | "limit"], "tool") => {
            symbols(SymbolKind::Tool, ItemKind::Tool)
        }
        ([.., "when"], "state") => symbols(SymbolKind::State, ItemKind::State),
        ([.., "when"], "detector") => {
            let usable = detector::DETECTORS.iter().filter(|detector| detector.on != detector::On::End);
            usable.map(|detector| word(place, detector.name, ItemKind::Value, detector.rule)).collect()
        }
        (["tasks"], "held_in" | "held_out" | "sealed" | "exclude") => {
            let all = symbols(SymbolKind::Task, ItemKind::Task);
            all.into_iter().filter(|item| !place.before.contains(&item.label)).collect()
        }
        (["lint", "allow"], "rule") => {
            check::RULES.iter().map(|rule| word(place, rule.name, ItemKind::Value, rule.id)).collect()
        }
        (["lint", "allow"], "surface") => harness
            .surfaces()
            .iter()
            .map(|placed| word(place, &placed.surface.id, ItemKind::Value, ""))
            .collect(),
        (["surface"] | ["surface", "parts"], "select") => select(harness, table, place),
        (["surface"] | ["surface", "parts"] | ["tool"] | ["lint", "allow"], "file")
        | (["prompt"], "system" | "task" | "observation")
        | (["orchestration", "state"], "prompt")
        | (["runtime", "rule"], "inject" | "ask_verify") => files(harness, place),
        _ => return None,
    })
}

/// The next step of a selector, as far as the file is known that it is about.
fn select(harness: &Harness, table: Option<&Value>, place: &Place) -> Vec<Item> {
    let file = table.and_then(|table| table.get("file")?.as_text());
    let document =
        file.and_then(|file| FilePath::parse(file).ok()).and_then(|path| harness.files().document(&path));
    let kind = |kind: &&str| word(place, kind, ItemKind::Value, "");
    let Some((_, before)) = place.before.split_first() else {
        return match document {
            Some(document) => selector::steps::kinds(document).iter().map(kind).collect(),
            None => selector::KINDS.iter().map(kind).collect(),
        };
    };
    let Some(document) = document else { return Vec::new() };
    let step = |text: &String| text.parse().map_or_else(|_| Step::Key(text.clone()), Step::Index);
    let first = place.before.first().map(|kind| Step::Key(kind.clone()));
    let written: Vec<Step> = first.into_iter().chain(before.iter().map(step)).collect();
    let next = selector::steps::next(document, &written);
    next.into_iter()
        .filter_map(|step| match step {
            Step::Key(key) => {
                let text = key.replace('\\', "\\\\").replace('"', "\\\"");
                Some(Item { label: key, ..word(place, &text, ItemKind::Key, "") })
            }
            // A number has no quotes.
            Step::Index(index) => {
                (!place.quoted).then(|| item(index.to_string(), ItemKind::Value, String::new(), place.word))
            }
        })
        .collect()
}

/// The parameters of the tool that a table declares.
fn parameters(table: Option<&Value>) -> Vec<String> {
    let schema = table.and_then(|table| table.get("parameters").or_else(|| table.get("inputSchema")));
    let properties = schema.and_then(|schema| schema.get("properties")?.as_table());
    properties.into_iter().flat_map(|table| &table.entries).map(|entry| entry.key.name.to_string()).collect()
}

/// Names behind an opening brace.
fn placeholders(place: &Place, source: &str, names: Vec<String>) -> Vec<Item> {
    let written = place.word.of(source);
    let Some(open) = written.rfind('{').filter(|at| !written[*at..].contains('}')) else { return Vec::new() };
    let span = Span { start: place.word.start + Span::at(open + 1).start, end: place.word.end };
    names
        .into_iter()
        .map(|name| Item { text: format!("{name}}}"), ..item(name, ItemKind::Variable, String::new(), span) })
        .collect()
}

/// What the schema lets a key be.
fn choices(table: Option<&'static Shape>, place: &Place, key: &str) -> Vec<Item> {
    let value = table.and_then(|shape| shape.entry(key));
    // In a list it is its items that have choices.
    let value = value.map(|shape| shape.list().map_or(shape, |list| &*list.item));
    let choices = value.into_iter().flat_map(Shape::choices);
    choices.map(|choice| word(place, &choice.value, ItemKind::Value, &choice.description)).collect()
}

/// Files of the project that are no part of a task.
fn files(harness: &Harness, place: &Place) -> Vec<Item> {
    let tasks = harness.suite().directory.clone();
    let paths =
        harness.files().paths().filter(|path| tasks.as_ref().is_none_or(|tasks| !path.is_below(tasks)));
    let own = paths.filter(|path| path.as_str() != MANIFEST).take(MAX_ITEMS);
    own.map(|path| word(place, path.as_str(), ItemKind::File, "")).collect()
}

/// The keys of a table, with what the schema says about each; those that stand there already are left out.
fn fields(shape: Option<&Shape>, table: Option<&Value>, place: &Place, offset: usize) -> Vec<Item> {
    let entries = table.and_then(Value::as_table).map(|table| table.entries.as_slice()).unwrap_or_default();
    // Tables of a list may be many, and a key is not there because it is being written.
    let is_there = |name: &str| {
        entries.iter().any(|entry| {
            *entry.key.name == *name && entry.value.as_list().is_none() && !entry.key.span.touches(offset)
        })
    };
    let fields = shape.into_iter().flat_map(Shape::fields);
    let fields = fields.filter(|field| !field.deprecated && !is_there(&field.name));
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

#[cfg(test)]
mod tests;
