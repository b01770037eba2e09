//! Names given twice: surfaces, states, runtime rules, steps of a task (SH007) and tools (SH201).

use std::collections::BTreeMap;

use ecow::EcoString;
use rustc_hash::FxHashMap;

use crate::harness::{Harness, Role, SymbolKind};
use crate::path::FilePath;
use crate::problem::{Change, Fix, FixClass, Location, Problem, Rule, Severity};
use crate::syntax::Document;
use crate::syntax::data::Value;
use crate::text::TextEdit;

/// Two surfaces, states, runtime rules or steps of a task share an id.
pub static DUPLICATE_ID: Rule =
    Rule::new("SH007", "duplicate-id", Severity::Error, include_str!("rules/SH007-duplicate-id.md"));

/// Two tools have equal names, ignoring case.
pub static DUPLICATE_TOOL: Rule =
    Rule::new("SH201", "duplicate-tool", Severity::Error, include_str!("rules/SH201-duplicate-tool.md"));

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    match harness.role(file) {
        Some(Role::Manifest) => ids(harness, problems),
        Some(Role::TaskManifest) => steps(harness, file, problems),
        _ => {}
    }
    tools(harness, file, problems);
}

fn steps(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    let steps = document.data().and_then(|tree| tree.root.get("steps")?.as_list()).unwrap_or_default();
    unique(document, steps, "name", "step", problems);
}

fn ids(harness: &Harness, problems: &mut Vec<Problem>) {
    let document = &harness.manifest_file().document;
    let root = &harness.tree().root;
    let lists: [(&[&str], SymbolKind); 3] = [
        (&["surface"], SymbolKind::Surface),
        (&["orchestration", "state"], SymbolKind::State),
        (&["runtime", "rule"], SymbolKind::Rule),
    ];
    for (keys, kind) in lists {
        let tables = root.at(keys).and_then(Value::as_list).unwrap_or_default();
        unique(document, tables, "id", kind.word(), problems);
    }
}

/// Each of some tables has its own name.
fn unique(document: &Document, tables: &[Value], key: &str, what: &str, problems: &mut Vec<Problem>) {
    let file = document.path();
    let mut first: BTreeMap<&str, &Value> = BTreeMap::new();
    for id in tables.iter().filter_map(|each| each.get(key)) {
        let Some(name) = id.as_text().filter(|name| !name.is_empty()) else { continue };
        let Some(other) = first.get(name) else {
            first.insert(name, id);
            continue;
        };
        let line = document.text().line_of(other.span.start as usize) + 1;
        let span = id.verbatim(document.source()).unwrap_or(id.span);
        let is_taken =
            |name: &str| tables.iter().any(|each| each.get(key).and_then(Value::as_text) == Some(name));
        let free = free_name(name, is_taken);
        let title = format!("Rename this one to `{free}`");
        let at = Location::new(file, span);
        problems.push(
            Problem::new(&DUPLICATE_ID, span, format!("{what} `{name}` is declared twice (line {line})"))
                .why("whatever names it would mean either of the two")
                .about(name)
                .related(Location::new(file, other.span), "the first one")
                .fix(Fix::replace(FixClass::Preview, title, &at, free.as_str())),
        );
    }
}

fn tools(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    // Few files name a tool, and a suite has tens of thousands of them.
    if harness.tools().iter().all(|tool| tool.at.file != *file) {
        return;
    }
    let mut first: FxHashMap<EcoString, usize> = FxHashMap::default();
    for (index, tool) in
        harness.tools().iter().enumerate().filter(|(_, tool)| tool.enabled && !tool.name.is_empty())
    {
        let is_lower = tool.name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let lower = if is_lower { tool.name.clone() } else { tool.name.to_lowercase() };
        let Some(other) = first.get(&lower).and_then(|at| harness.tools().get(*at)) else {
            first.insert(lower, index);
            continue;
        };
        if tool.at.file != *file {
            continue;
        }
        // The same file declared twice is one tool with two entries: another name would not help.
        let same_place = tool.at == other.at;
        let message = if tool.name == other.name {
            format!("tool `{}` is declared twice", tool.name)
        } else {
            format!("tools `{}` and `{}` cannot be told apart", other.name, tool.name)
        };
        let mut problem = Problem::new(&DUPLICATE_TOOL, tool.at.span, message)
            .why("providers refuse tools of one name, and a model cannot choose between them")
            .about(tool.name.as_str())
            .related(other.at.clone(), "the first one");
        if !same_place {
            problem = problem.fix(rename(harness, &tool.name, tool, &other.name));
        }
        problems.push(problem);
    }
}

/// Renames a tool, and what mentions it if no other tool has its exact name.
fn rename(harness: &Harness, name: &str, tool: &crate::harness::Tool, other: &str) -> Fix {
    let free =
        free_name(name, |name| harness.tools().iter().any(|tool| tool.name.eq_ignore_ascii_case(name)));
    let edit = |file: &FilePath, span| Change::Edit {
        file: file.clone(),
        edit: TextEdit { span, new_text: free.clone() },
    };
    let changes = if name == other {
        vec![edit(&tool.at.file, tool.at.span)]
    } else {
        let mentions = harness.mentions_of(SymbolKind::Tool, name);
        mentions.into_iter().map(|(file, mention)| edit(file, mention.span)).collect()
    };
    Fix { title: format!("Rename this one to `{free}`"), class: FixClass::Preview, changes }
}

fn free_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    (2_u32..).map(|number| format!("{name}-{number}")).find(|name| !taken(name)).unwrap_or_default()
}
