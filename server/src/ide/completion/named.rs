//! Values that are names of this harness, of its files, or of somebody else's notation that tools are written in.

use std::collections::BTreeSet;

use harness_schema::check;
use harness_schema::detector;
use harness_schema::harness::{END, Harness, MANIFEST, Role, SymbolKind};
use harness_schema::path::FilePath;
use harness_schema::selector;
use harness_schema::syntax::data::{Step, Value};

use super::{Item, ItemKind, MAX_ITEMS, item, word};
use crate::ide::context::Place;
use crate::workspace::Site;

/// The types of a JSON Schema (2020-12, "Validation", 6.1.1).
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

/// The keywords of a JSON Schema that describe parameters.
const KEYWORDS: [(&str, &str); 11] = [
    ("type", "What kind of value it is"),
    ("description", "What the model reads"),
    ("properties", "The parameters, by name"),
    ("required", "The parameters that must be given"),
    ("items", "What the items of an array are like"),
    ("enum", "The values that are possible"),
    ("default", "What holds if it is not given"),
    ("minimum", "The least number"),
    ("maximum", "The greatest number"),
    ("pattern", "What a string must match"),
    ("additionalProperties", "Whether there may be others"),
];

/// Where a place lies in the parameters of a tool: the keys below `parameters`.
fn in_parameters<'a>(site: &Site, place: &'a Place) -> Option<&'a [String]> {
    let below = match site.project.harness().role(&site.file)? {
        Role::Tool => place.table.as_slice(),
        Role::Manifest => place.table.strip_prefix(&[String::from("tool")])?,
        _ => return None,
    };
    let (first, rest) = below.split_first()?;
    ["parameters", "inputSchema"].contains(&first.as_str()).then_some(rest)
}

/// The keys of a JSON Schema, in the parameters of a tool; `None` elsewhere.
pub(super) fn keys(site: &Site, place: &Place) -> Option<Vec<Item>> {
    let below = in_parameters(site, place)?;
    // Below `properties` stand names of the author's choice.
    if below.last().is_some_and(|key| key == "properties") {
        return Some(Vec::new());
    }
    let is_json = site.file.extension() == "json";
    let keys = KEYWORDS.iter().map(|(key, detail)| match is_json {
        true => word(place, key, ItemKind::Key, detail),
        false => item(place.word, key, ItemKind::Key, detail),
    });
    Some(keys.collect())
}

/// The values of a key that are names; `None` for a key whose values are not.
pub(super) fn values(site: &Site, table: Option<&Value>, place: &Place, key: &str) -> Option<Vec<Item>> {
    let harness = site.project.harness();
    if in_parameters(site, place).is_some() {
        let words: Vec<&str> = match key {
            "type" => TYPES.to_vec(),
            "required" => properties(table).collect(),
            _ => return Some(Vec::new()),
        };
        return Some(words.into_iter().map(|text| word(place, text, ItemKind::Value, "")).collect());
    }
    let keys: Vec<&str> = place.table.iter().map(String::as_str).collect();
    let role = harness.role(&site.file);
    let is_tool = role == Some(Role::Tool) || (role == Some(Role::Manifest) && keys == ["tool"]);
    if is_tool && key == "run" {
        let schema = table.and_then(|table| table.get("parameters").or_else(|| table.get("inputSchema")));
        return Some(placeholders(site, place, properties(schema)));
    }
    if role != Some(Role::Manifest) {
        return None;
    }
    let symbols = |kind: SymbolKind, as_kind: ItemKind| -> Vec<Item> {
        let all = harness.symbols().of_kind(kind);
        all.map(|symbol| word(place, &symbol.name, as_kind, &symbol.detail)).collect()
    };
    Some(match (keys.as_slice(), key) {
        (["agent"], "argv" | "transcript") | (["agent", "env"], _) => {
            placeholders(site, place, check::agent::PLACEHOLDERS.into_iter())
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
        (["lint", "allow"], "surface") => {
            let surfaces = harness.surfaces().iter();
            surfaces.map(|placed| word(place, &placed.surface.id, ItemKind::Value, "")).collect()
        }
        (["surface"] | ["surface", "parts"], "select") => select(harness, table, place),
        (["tasks"], "dir") | (["agent"], "python_path") => directories(harness, place),
        (["agent"], "files")
        | (["surface"] | ["surface", "parts"] | ["tool"] | ["lint", "allow"], "file")
        | (["prompt"], "system" | "task" | "observation")
        | (["tool", "description"] | ["prompt", "variables", _], "file")
        | (["orchestration", "state"], "prompt")
        | (["runtime", "rule"], "inject" | "ask_verify") => files(harness, place),
        _ => return None,
    })
}

/// The names of the properties of a JSON Schema.
fn properties(schema: Option<&Value>) -> impl Iterator<Item = &str> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_table());
    properties.into_iter().flat_map(|table| &table.entries).map(|entry| &*entry.key.name)
}

/// Names behind an opening brace.
fn placeholders<'a>(site: &Site, place: &Place, names: impl Iterator<Item = &'a str>) -> Vec<Item> {
    let document = site.project.harness().document(&site.file);
    let written = document.map(|document| place.word.typed.of(document.source())).unwrap_or_default();
    let open = written.rfind('{').filter(|at| !written.get(*at..).unwrap_or_default().contains('}'));
    let Some(open) = open else { return Vec::new() };
    let mut span = place.word.behind(open + 1);
    // What follows in the same argument stays.
    span.whole = span.typed;
    names.map(|name| Item { text: format!("{name}}}"), ..item(span, name, ItemKind::Variable, "") }).collect()
}

/// The next step of a selector, as far as the file is known that it is about.
fn select(harness: &Harness, table: Option<&Value>, place: &Place) -> Vec<Item> {
    let file = table.and_then(|table| table.get("file")?.as_text());
    let path = file.and_then(|file| FilePath::parse(file).ok());
    let document = path.and_then(|path| harness.files().document(&path));
    let Some((kind, steps)) = place.before.split_first() else {
        let kinds = match document {
            Some(document) => selector::steps::kinds(document),
            None => selector::KINDS.to_vec(),
        };
        return kinds.iter().map(|kind| word(place, kind, ItemKind::Value, "")).collect();
    };
    let Some(document) = document else { return Vec::new() };
    let step = |text: &String| text.parse().map_or_else(|_| Step::Key(text.as_str().into()), Step::Index);
    let written: Vec<Step> =
        std::iter::once(Step::Key(kind.as_str().into())).chain(steps.iter().map(step)).collect();
    let next = selector::steps::next(document, &written).into_iter().filter_map(|step| match step {
        Step::Key(key) => Some(word(place, &key, ItemKind::Key, "")),
        // A number has no quotes.
        Step::Index(index) => {
            (!place.quoted).then(|| item(place.word, &index.to_string(), ItemKind::Value, ""))
        }
    });
    next.collect()
}

/// Files of the project that are no part of a task.
fn files(harness: &Harness, place: &Place) -> Vec<Item> {
    let tasks = harness.suite().directory.clone();
    let paths =
        harness.files().paths().filter(|path| tasks.as_ref().is_none_or(|tasks| !path.is_below(tasks)));
    let own = paths.filter(|path| path.as_str() != MANIFEST).take(MAX_ITEMS);
    own.map(|path| word(place, path.as_str(), ItemKind::File, "")).collect()
}

/// Directories of the project.
fn directories(harness: &Harness, place: &Place) -> Vec<Item> {
    let mut all = BTreeSet::new();
    for path in harness.files().paths() {
        let mut above = path.parent();
        while !above.as_str().is_empty() && all.len() < MAX_ITEMS && all.insert(above.clone()) {
            above = above.parent();
        }
    }
    all.iter().map(|path| word(place, path.as_str(), ItemKind::File, "")).collect()
}
