//! Makes a tool harder to call wrongly. What only mining has kept of trials does not hold their calls, so a schema is tightened only
//! where no good call can be refused: a parameter that the program's own command line names is required. Else the description says
//! what the parameters are.

use harness_schema::harness::{Harness, Tool};
use harness_schema::syntax::data::Value;
use serde_json::Value as Json;

use super::super::reply::{DraftEdit, Edge};
use super::{Offer, TIGHTEN_TOOL, Target};
use crate::engine::weakness::lines;

/// So many parameters are named in a description.
const MAX_NAMES: usize = 8;

/// What can be done about calls that are malformed, or name a tool that is not there.
pub(super) fn tightened(target: &Target<'_>) -> Vec<Offer> {
    if !["M23", "M24"].contains(&target.detector().id) {
        return Vec::new();
    }
    let mut tools: Vec<&Tool> =
        target.harness.tools().iter().filter(|tool| tool.enabled && !tool.name.is_empty()).collect();
    // Those that the evidence names come first.
    tools.sort_by_key(|tool| !target.subject.entities.iter().any(|entity| *entity == tool.name.as_str()));
    let schemas = tools.iter().filter_map(|tool| {
        let (edit, names) = required(target.harness, tool)?;
        let summary = format!("The schema of `{}` requires {names}.", tool.name);
        Some(target.offer(
            TIGHTEN_TOOL,
            vec![edit],
            &summary,
            "The program cannot run without them, so no call that worked is refused.",
        ))
    });
    // What a call looks like tells nobody which tools there are.
    let malformed = tools.iter().filter(|_| target.detector().id == "M23");
    let described = malformed.filter_map(|tool| {
        let (edit, said) = described(target.harness, tool)?;
        let summary = format!("`{}` says: {said}", edit.surface);
        Some(target.offer(
            TIGHTEN_TOOL,
            vec![edit],
            &summary,
            "The description did not say what a call looks like.",
        ))
    });
    schemas.chain(described).collect()
}

fn parameters(tool: &Tool) -> Option<&Value> {
    tool.value().get("parameters").or_else(|| tool.value().get("inputSchema"))
}

/// The parameters that the command line of a tool names, as required ones, where a surface holds the schema as JSON.
fn required(harness: &Harness, tool: &Tool) -> Option<(DraftEdit, String)> {
    let schema = parameters(tool)?;
    let run = tool.value().get("run").and_then(Value::as_list).unwrap_or_default();
    let argv: Vec<&str> = run.iter().filter_map(Value::as_text).collect();
    let properties = schema.get("properties").and_then(Value::as_table)?;
    let known: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_text)
        .collect();
    let names = properties.entries.iter().map(|entry| &*entry.key.name).filter(|name| {
        argv.iter().any(|part| part.contains(&format!("{{{name}}}"))) && !known.contains(name)
    });
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return None;
    }
    let is_schema = |placed: &&harness_schema::harness::Placed| {
        lines::value(placed)
            .is_some_and(|(file, resolved)| *file == tool.file && resolved.span == schema.span)
    };
    let placed = harness.surfaces().iter().find(is_schema)?;
    let (_, resolved) = lines::value(placed)?;
    // Another notation has its schema in its own words.
    let mut written: Json = serde_json::from_str(&resolved.value).ok()?;
    let all: Vec<&str> = known.iter().chain(&names).copied().collect();
    written.as_object_mut()?.insert(String::from("required"), Json::from(all));
    let find = resolved.value.clone();
    let replace = serde_json::to_string_pretty(&written).ok()?;
    let edit = DraftEdit { surface: placed.surface.id.to_string(), find, at: None, replace };
    Some((edit, listed(&names)))
}

/// The parameters of a tool in its description, if it does not name them.
fn described(harness: &Harness, tool: &Tool) -> Option<(DraftEdit, String)> {
    let id = format!("tool.{}.description", tool.name);
    let (_, resolved) = lines::value(harness.surface(&id)?)?;
    let properties = parameters(tool).and_then(|schema| schema.get("properties")).and_then(Value::as_table);
    let own = tool.value().get("builtin").and_then(Value::as_text).map(builtin).unwrap_or_default();
    let names: Vec<&str> = match properties {
        Some(table) => table.entries.iter().map(|entry| &*entry.key.name).collect(),
        None => own.to_vec(),
    };
    let required = parameters(tool).and_then(|schema| schema.get("required")).and_then(Value::as_list);
    let required = required.map(|names| names.iter().filter_map(Value::as_text).collect::<Vec<_>>());
    let is_required = |name: &&str| required.as_ref().is_none_or(|required| required.contains(name));
    let (must, may): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| is_required(name));
    let is_named = |name: &&str| resolved.value.contains(&format!("`{name}`"));
    if must.is_empty() || MAX_NAMES < names.len() || names.iter().all(is_named) {
        return None;
    }
    let optional = if may.is_empty() { String::new() } else { format!(" and, if needed, {}", listed(&may)) };
    let said = format!("Its arguments are one JSON object with {}{optional}.", listed(&must));
    let between = if resolved.value.ends_with(char::is_whitespace) { "" } else { " " };
    Some((
        DraftEdit {
            surface: id,
            find: String::new(),
            at: Some(Edge::End),
            replace: format!("{between}{said}"),
        },
        said,
    ))
}

/// The parameters that a tool of the built-in agent must have.
fn builtin(name: &str) -> &'static [&'static str] {
    match name {
        "shell" => &["command"],
        "read_file" => &["path"],
        "write_file" => &["path", "content"],
        "replace_in_file" => &["path", "old", "new"],
        _ => &[],
    }
}

/// Names in a sentence.
fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
