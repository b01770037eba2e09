//! Tools of the native agent: their schemas (SH202), use (SH203), descriptions (SH204), names (SH205), programs (SH206).

use std::collections::BTreeSet;

use super::fixes::{did_you_mean, near, remove, replace_with};
use crate::harness::{Harness, MANIFEST, PathKind, Tool};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::shape;
use crate::syntax::data::{Kind, Value};
use crate::text::Span;

/// Parameters that are no JSON Schema of an object.
pub static INVALID_PARAMETERS: Rule = Rule::new(
    "SH202",
    "invalid-parameters",
    Severity::Error,
    include_str!("rules/SH202-invalid-parameters.md"),
);

/// A tool that no reachable state offers.
pub static UNREACHABLE_TOOL: Rule = Rule::new(
    "SH203",
    "unreachable-tool",
    Severity::Warning,
    include_str!("rules/SH203-unreachable-tool.md"),
)
.unnecessary();

/// A tool without a description.
pub static NO_DESCRIPTION: Rule =
    Rule::new("SH204", "no-description", Severity::Warning, include_str!("rules/SH204-no-description.md"));

/// A name that providers refuse.
pub static ILLEGAL_TOOL_NAME: Rule = Rule::new(
    "SH205",
    "illegal-tool-name",
    Severity::Error,
    include_str!("rules/SH205-illegal-tool-name.md"),
);

/// A program of the project that is not there or may not be executed.
pub static MISSING_PROGRAM: Rule =
    Rule::new("SH206", "missing-program", Severity::Error, include_str!("rules/SH206-missing-program.md"));

/// The longest name of a tool.
pub const MAX_NAME: usize = 64;

/// The types of JSON Schema (2020-12, Validation 6.1.1).
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    for tool in harness.tools().iter().filter(|tool| tool.file == *file) {
        problems.extend(illegal_name(tool, file));
        problems.extend(no_description(harness, tool));
        parameters(harness, tool, file, problems);
    }
    programs(harness, file, problems);
    if file.as_str() == MANIFEST {
        unreachable(harness, problems);
    }
}

fn illegal_name(tool: &Tool, file: &FilePath) -> Option<Problem> {
    let legal = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if tool.name.is_empty() || (tool.name.chars().all(legal) && tool.name.len() <= MAX_NAME) {
        return None;
    }
    let mut better: String = tool.name.chars().map(|char| if legal(char) { char } else { '_' }).collect();
    better.truncate(MAX_NAME);
    let better = better.trim_matches('_');
    let problem = Problem::new(
        &ILLEGAL_TOOL_NAME,
        tool.at.span,
        format!("tool name `{}` is refused by the provider", tool.name),
    )
    .why("names are at most 64 letters, digits, `_` and `-`")
    .about(tool.name.as_str());
    let fix = (!better.is_empty()).then(|| {
        Fix::replace(
            FixClass::Preview,
            format!("Rename to `{better}`"),
            &Location::new(file, tool.at.span),
            better,
        )
    });
    Some(problem.fixes(fix))
}

fn no_description(harness: &Harness, tool: &Tool) -> Option<Problem> {
    // A built-in tool without a description of its own has the built-in one.
    let written = tool.value().get("description");
    // A key that the format does not have is perhaps a misspelt one.
    let is_misspelt = || {
        let entries = tool.value().as_table().map(|table| table.entries.as_slice()).unwrap_or_default();
        entries
            .iter()
            .any(|entry| shape::tool().entry(&entry.key.name).is_none() && &*entry.key.name != "file")
    };
    let has_built_in = written.is_none() && tool.value().get("builtin").is_some();
    if tool.name.is_empty() || !tool.enabled || has_built_in || (written.is_none() && is_misspelt()) {
        return None;
    }
    let (_, text) = harness.tool(&tool.name);
    let blank = match (written, text) {
        (None, _) => true,
        (Some(_), Some(text)) => text.text(harness.files()).is_some_and(|text| text.trim().is_empty()),
        (Some(_), None) => false,
    };
    blank.then(|| {
        let span = written.map_or(tool.at.span, |value| value.span);
        let message = format!("tool `{}` has no description: the model sees only its name", tool.name);
        Problem::new(&NO_DESCRIPTION, span, message)
            .why("a model calls a tool as its description says")
            .about(tool.name.as_str())
    })
}

fn parameters(harness: &Harness, tool: &Tool, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(schema) = tool.value().get("parameters").or_else(|| tool.value().get("inputSchema")) else {
        return;
    };
    let source = harness.document(file).map_or("", |document| document.source());
    let wrong = |span: Span, message: String| {
        Problem::new(&INVALID_PARAMETERS, span, message)
            .why("the provider would refuse the tool, or the model could not call it")
            .about(tool.name.as_str())
    };
    let mut report = |span: Span, message: String| problems.push(wrong(span, message));
    // That it is no table is a wrong value.
    let Some(table) = schema.as_table() else { return };
    if table.entries.is_empty() {
        return;
    }
    match schema.get("type") {
        Some(kind) if kind.as_text() != Some("object") => {
            return report(kind.span, String::from("parameters must be a JSON Schema of type `object`"));
        }
        _ => {}
    }
    types(schema, &mut report, 0);
    let properties = schema.get("properties").and_then(Value::as_table);
    // Properties may come from elsewhere too.
    if ["allOf", "anyOf", "oneOf", "$ref", "patternProperties"].iter().any(|key| schema.get(key).is_some()) {
        return;
    }
    let Some(required) = schema.get("required") else { return };
    let Some(names) = required.as_list() else {
        return problems.push(wrong(required.span, String::from("`required` must be a list of names")));
    };
    for name in names {
        let Some(word) = name.as_text() else {
            problems.push(wrong(name.span, String::from("`required` must be a list of names")));
            continue;
        };
        if properties.is_some_and(|table| table.entries.iter().any(|entry| &*entry.key.name == word)) {
            continue;
        }
        let span = name.verbatim(source).unwrap_or(name.span);
        let near = near(
            word,
            properties.iter().flat_map(|table| table.entries.iter().map(|entry| &*entry.key.name)),
        );
        let mut problem = Problem::new(
            &INVALID_PARAMETERS,
            span,
            format!("`required` names `{word}`, which is not a property{}", did_you_mean(near)),
        )
        .why("no call could be valid")
        .about(word);
        problem =
            problem.fixes(near.map(|near| replace_with(FixClass::Preview, &Location::new(file, span), near)));
        let title = format!("Drop `{word}` from `required`");
        let drop = harness.document(file).and_then(|it| remove(FixClass::Preview, title, it, name.span));
        problems.push(problem.fixes(drop));
    }
}

/// Every `type` of a schema is one of JSON Schema's, at any depth.
fn types(schema: &Value, report: &mut impl FnMut(Span, String), depth: usize) {
    if 32 < depth {
        return;
    }
    if let Some(kind) = schema.get("type") {
        let each = kind.as_list().unwrap_or(std::slice::from_ref(kind));
        for kind in each {
            match kind.as_text() {
                Some(word) if TYPES.contains(&word) => {}
                Some(word) => {
                    let near = did_you_mean(near(word, TYPES));
                    report(kind.span, format!("JSON Schema has no type `{word}`{near}"));
                }
                None => report(kind.span, String::from("`type` must be the name of a JSON Schema type")),
            }
        }
    }
    for entry in schema.get("properties").and_then(Value::as_table).iter().flat_map(|table| &table.entries) {
        match &entry.value.kind {
            Kind::Table(_) => types(&entry.value, report, depth + 1),
            Kind::Boolean(_) => {}
            _ => report(entry.value.span, format!("property `{}` must be a JSON Schema", entry.key.name)),
        }
    }
    if let Some(items) = schema.get("items") {
        types(items, report, depth + 1);
    }
}

fn programs(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let paths = harness.paths().iter().filter(|path| path.kind == PathKind::Program && path.at.file == *file);
    for path in paths {
        let Ok(target) = &path.target else { continue };
        let is_file = harness.files().is_file(target);
        let may_run = harness.files().on_disk(target).is_none_or(|file| file.executable);
        if is_file && may_run {
            continue;
        }
        let programs = harness
            .files()
            .paths()
            .filter(|path| harness.files().on_disk(path).is_some_and(|file| file.executable));
        let near = near(&path.written, programs.map(|path| path.as_str()));
        let message = if is_file {
            format!("program `{}` may not be executed", path.written)
        } else {
            format!("no program `{}`{}", path.written, did_you_mean(near))
        };
        let problem = Problem::new(&MISSING_PROGRAM, path.at.span, message)
            .why("each call of the tool would fail")
            .about(path.written.as_str());
        let near = near.filter(|_| !is_file);
        problems.push(problem.fixes(near.map(|near| replace_with(FixClass::Preview, &path.at, near))));
    }
}

fn unreachable(harness: &Harness, problems: &mut Vec<Problem>) {
    let root = &harness.tree().root;
    let Some(states) = root.at(&["orchestration", "state"]).and_then(Value::as_list) else { return };
    let reachable = reachable_states(harness, states);
    let mut offered: BTreeSet<&str> = BTreeSet::new();
    for state in states {
        let id = state.get("id").and_then(Value::as_text).unwrap_or_default();
        if !reachable.contains(id) {
            continue;
        }
        match state.get("tools").and_then(Value::as_list) {
            // A state without a list offers all.
            None => return,
            Some(tools) => offered.extend(tools.iter().filter_map(Value::as_text)),
        }
    }
    // A name that is no tool's may be meant to be this one's (SH404).
    let unknown = offered.iter().any(|name| harness.tool(name).0.is_none());
    if reachable.is_empty() || unknown {
        return;
    }
    let document = &harness.manifest_file().document;
    for tool in harness.tools().iter().filter(|tool| tool.enabled && !tool.name.is_empty()) {
        if offered.contains(tool.name.as_str()) {
            continue;
        }
        // The entry of the manifest is where it would be removed, wherever the tool's own keys are.
        let span =
            if tool.file == *document.path() { tool.at.span } else { harness.header_of(tool.declared) };
        let problem = Problem::new(&UNREACHABLE_TOOL, span, format!("no state offers tool `{}`", tool.name))
            .why("the model never sees it")
            .about(tool.name.as_str());
        let start = states.iter().find(|state| state.get("tools").is_some());
        let add = start.and_then(|state| {
            let list = state.get("tools")?;
            let id = state.get("id").and_then(Value::as_text)?;
            let (at, text) = match list.as_list()?.last() {
                Some(last) => (last.span.end as usize, format!(", \"{}\"", tool.name)),
                None => (list.span.start as usize + 1, format!("\"{}\"", tool.name)),
            };
            let at = Location::new(document.path(), Span::at(at));
            Some(Fix::replace(FixClass::Preview, format!("Offer it in state `{id}`"), &at, text))
        });
        let problem = problem.fixes(add);
        problems.push(problem.fixes(remove(FixClass::Preview, "Remove the tool", document, tool.declared)));
    }
}

fn reachable_states<'a>(harness: &'a Harness, states: &'a [Value]) -> BTreeSet<&'a str> {
    let Some(start) = harness.tree().root.at(&["orchestration", "start"]).and_then(Value::as_text) else {
        return BTreeSet::new();
    };
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        let state = states.iter().find(|state| state.get("id").and_then(Value::as_text) == Some(id));
        let next = state.and_then(|state| state.get("next")).and_then(Value::as_list).unwrap_or_default();
        let on_limit = state.and_then(|state| state.get("on_limit"));
        let names = next.iter().chain(on_limit).filter_map(Value::as_text);
        open.extend(names.filter(|name| seen.insert(name)));
    }
    seen
}
