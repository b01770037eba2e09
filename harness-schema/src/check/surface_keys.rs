//! Keys of `[[surface]]` that do not go together: one that another makes void (SH008), limits without a value between them
//! (SH003), and entries that switch off what is not there (SH021).

use super::fixes::{did_you_mean, near, remove, remove_all, replace_with};
use super::shape::{NO_EFFECT, WRONG_VALUE};
use super::surfaces::SURFACE_NOT_FOUND;
use crate::harness::{Harness, MANIFEST, written_selector};
use crate::path::FilePath;
use crate::problem::{FixClass, Location, Problem};
use crate::selector::Selector;
use crate::syntax::data::{Kind, Value};
use crate::text::Span;

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() != MANIFEST {
        return;
    }
    for entry in harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default() {
        no_effect(harness, entry, problems);
        for part in entry.get("parts").and_then(Value::as_list).unwrap_or_default() {
            if makes_files(part) {
                void(harness, part, &["file"], "`select` makes a file", problems);
            }
        }
        problems.extend(contradiction(entry));
        problems.extend(switches_off_nothing(harness, entry));
    }
}

fn makes_files(value: &Value) -> bool {
    matches!(written_selector(value), Ok(Selector::New(_)))
}

fn no_effect(harness: &Harness, entry: &Value, problems: &mut Vec<Problem>) {
    let parts = entry.get("parts").and_then(Value::as_list);
    if parts.is_some() {
        void(harness, entry, &["file", "select"], "`parts` says where the surface is", problems);
    } else if makes_files(entry) {
        void(harness, entry, &["file"], "`select` makes a file", problems);
    }
    // What is no selector could be meant to make files.
    let places = parts.unwrap_or(std::slice::from_ref(entry));
    if places.iter().all(|place| written_selector(place).is_ok_and(|selector| selector.kind() != "new")) {
        void(harness, entry, &["new_files"], "no `select` makes a file", problems);
    }
}

/// Reports those of `keys` that are written, as one problem.
fn void(harness: &Harness, entry: &Value, keys: &[&str], because: &str, problems: &mut Vec<Problem>) {
    let written: Vec<_> = keys.iter().filter_map(|key| entry.entry(key)).collect();
    let Some(first) = written.first() else { return };
    let names: Vec<String> = written.iter().map(|entry| format!("`{}`", entry.key.name)).collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    let names = names.join(" and ");
    let document = &harness.manifest_file().document;
    let problem = Problem::new(&NO_EFFECT, first.key.span, format!("{names} {verb} no effect: {because}"))
        .why("nothing reads it, so a change of it could change no score")
        .about(entry.get("id").and_then(Value::as_text).unwrap_or_default());
    let spans: Vec<Span> = written.iter().map(|entry| entry.key.span).collect();
    let title = format!("Remove {names}");
    problems.push(problem.fixes(remove_all(FixClass::Preview, title, document, &spans)));
}

/// Limits that no number keeps.
fn contradiction(entry: &Value) -> Option<Problem> {
    let number = |key: &str| match entry.get(key)?.kind {
        Kind::Integer(number) => Some(number as f64),
        Kind::Float(number) => Some(number),
        _ => None,
    };
    let (min, max) = (number("min")?, number("max")?);
    let span = entry.get("min")?.span;
    (max < min).then(|| {
        Problem::new(&WRONG_VALUE, span, format!("`min` is {min}, above `max`, which is {max}"))
            .why("no value is within both")
            .about(entry.get("id").and_then(Value::as_text).unwrap_or_default())
    })
}

/// An entry that has nothing but the id of a native part must name one that is there.
fn switches_off_nothing(harness: &Harness, entry: &Value) -> Option<Problem> {
    let is_off = entry.get("enabled")?.kind == Kind::Boolean(false);
    let has_place = ["file", "parts", "select"].iter().any(|key| entry.get(key).is_some());
    let value = entry.get("id")?;
    let id = value.as_text().filter(|id| !id.is_empty())?;
    if !is_off || has_place || !harness.broken_regions(&harness.manifest_path()).is_empty() {
        return None;
    }
    let parts = native_parts(harness);
    // The file of a tool may not be there, and then nobody knows its name.
    let tools = harness.tree().root.get("tool").and_then(Value::as_list).unwrap_or_default();
    let is_known =
        harness.tools().len() == tools.len() && harness.tools().iter().all(|tool| !tool.name.is_empty());
    if parts.iter().any(|part| part == id) || (id.starts_with("tool.") && !is_known) {
        return None;
    }
    let document = &harness.manifest_file().document;
    let near = near(id, parts.iter().map(String::as_str));
    let message = format!("surface `{id}`: the agent has no such part{}", did_you_mean(near));
    let span = value.verbatim(document.source()).unwrap_or(value.span);
    let at = Location::new(document.path(), span);
    Some(
        Problem::new(&SURFACE_NOT_FOUND, span, message)
            .why("what was meant to be switched off stays open to proposals")
            .about(id)
            .fixes(near.map(|near| replace_with(FixClass::Preview, &at, near)))
            .fixes(remove(FixClass::Preview, "Remove the entry", document, entry.span)),
    )
}

/// The ids of all surfaces that the native agent has by itself (`formats` 1.2–1.5); none if another agent runs.
fn native_parts(harness: &Harness) -> Vec<String> {
    if !harness.is_native() {
        return Vec::new();
    }
    let fixed = [
        "prompt.system",
        "prompt.task",
        "prompt.observation",
        "runtime.max_steps",
        "runtime.finish",
        "runtime.tool_timeout",
        "runtime.max_output_bytes",
        "runtime.compaction",
        "runtime.compaction_at",
        "rules.new",
        "states.new",
    ];
    let root = &harness.tree().root;
    let ids = |keys: &[&str]| {
        let list = root.at(keys).and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(|item| item.get("id").and_then(Value::as_text)).collect::<Vec<_>>()
    };
    let tools = harness.tools().iter().map(|tool| tool.name.as_str());
    let of_tools =
        tools.flat_map(|name| ["description", "parameters"].map(|part| format!("tool.{name}.{part}")));
    let states = ids(&["orchestration", "state"]).into_iter();
    let of_states = states.flat_map(|id| {
        ["prompt", "tools", "next", "max_steps", "max_visits", "on_limit"]
            .map(|part| format!("state.{id}.{part}"))
    });
    let of_rules = ids(&["runtime", "rule"]).into_iter().map(|id| format!("rule.{id}"));
    let texts = harness.texts().iter().map(|text| text.id.to_string());
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain(texts)
        .chain(of_tools)
        .chain(of_states)
        .chain(of_rules)
        .collect()
}
