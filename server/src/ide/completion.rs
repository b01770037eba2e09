//! What could stand at the cursor: keys, values and names of the harness; never text of a model.

mod named;
mod texts;

use harness_schema::harness::Role;
use harness_schema::shape::{self, Form, Shape};
use harness_schema::syntax::Format;
use harness_schema::syntax::data::Value;

use super::context::{self, Place, Spot, Word};
use crate::workspace::Site;

/// Something that could be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is shown, and what is typed to find it.
    pub label: String,
    /// What it is, for its picture.
    pub kind: ItemKind,
    /// One more line.
    pub detail: String,
    /// What is replaced.
    pub word: Word,
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
    if let Some(items) = texts::items(site, document.source(), offset) {
        return items;
    }
    let root = match harness.role(&site.file) {
        Some(Role::Manifest) => shape::manifest(),
        Some(Role::Tool) => shape::tool(),
        Some(Role::TaskManifest) => shape::task(),
        _ => return Vec::new(),
    };
    let place = match document.format() {
        Format::Toml => context::toml::place(document, offset),
        Format::Json => context::json::place(document.source(), offset),
        _ => None,
    };
    let Some(place) = place else { return Vec::new() };
    let table = document.data().and_then(|tree| context::table_at(&tree.root, &place.table, offset));
    let shape = table_shape(root, &place.table);
    let mut items = match &place.spot {
        Spot::Header { list } => headers(shape, *list, &place),
        Spot::Key => match named::keys(site, &place) {
            Some(keys) => keys,
            None => fields(shape, table, &place, document.format(), offset),
        },
        Spot::Value(key) => match named::values(site, table, &place, key) {
            Some(values) => values,
            None => choices(shape, &place, key),
        },
    };
    items.truncate(MAX_ITEMS);
    items
}

/// The tables that a header can open.
fn headers(shape: Option<&'static Shape>, list: bool, place: &Place) -> Vec<Item> {
    let is_list = |shape: &Shape| shape.list().is_some_and(|list| list.item.table().is_some());
    let is_table =
        |shape: &Shape| shape.table().is_some() || shape.fields().any(|field| is_list(&field.shape));
    let fits = |shape: &Shape| if list { is_list(shape) || is_table(shape) } else { is_table(shape) };
    let fields = shape.into_iter().flat_map(Shape::fields);
    let fields = fields.filter(|field| !field.deprecated && fits(&field.shape));
    fields.map(|field| item(place.word, &field.name, ItemKind::Key, &summary(&field.shape))).collect()
}

/// The keys of a table, with what the schema says about each; those that stand there already are left out.
fn fields(
    shape: Option<&Shape>,
    table: Option<&Value>,
    place: &Place,
    format: Format,
    offset: usize,
) -> Vec<Item> {
    let entries = table.and_then(Value::as_table).map(|table| table.entries.as_slice()).unwrap_or_default();
    // Tables of a list may be many, and a key is not there because it is being written.
    let is_there = |name: &str| {
        entries.iter().any(|entry| {
            *entry.key.name == *name && entry.value.as_list().is_none() && !entry.key.span.touches(offset)
        })
    };
    let fields = shape.into_iter().flat_map(Shape::fields);
    let fields = fields.filter(|field| !field.deprecated && !is_there(&field.name));
    fields
        .map(|field| {
            let detail = summary(&field.shape);
            match format {
                Format::Json => word(place, &field.name, ItemKind::Key, &detail),
                _ => item(place.word, &field.name, ItemKind::Key, &detail),
            }
        })
        .collect()
}

/// What the schema lets a key be.
fn choices(table: Option<&'static Shape>, place: &Place, key: &str) -> Vec<Item> {
    let Some(value) = table.and_then(|shape| shape.entry(key)) else { return Vec::new() };
    // In a list it is its items that have choices.
    let value = value.list().map_or(value, |list| &*list.item);
    if matches!(value.form, Form::Boolean) && !place.quoted {
        return ["true", "false"].map(|truth| item(place.word, truth, ItemKind::Value, "")).to_vec();
    }
    value.choices().map(|choice| word(place, &choice.value, ItemKind::Value, &choice.description)).collect()
}

fn item(word: Word, text: &str, kind: ItemKind, detail: &str) -> Item {
    Item { label: text.to_owned(), kind, detail: detail.to_owned(), word, text: text.to_owned() }
}

/// A string that could be written: with the quotes that are missing.
fn word(place: &Place, text: &str, kind: ItemKind, detail: &str) -> Item {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let quoted = if place.quoted { escaped } else { format!("\"{escaped}\"") };
    Item { text: quoted, ..item(place.word, text, kind, detail) }
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
