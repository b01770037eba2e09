//! Missing keys (SH004): those that a table needs, and those that another key needs.

use super::{Checker, MISSING_KEY, Subject, repair, shown};
use crate::harness::is_run_natively;
use crate::problem::{FixClass, Problem};
use crate::shape::{Form, Shape, Table as TableShape};
use crate::syntax::data::{Kind, Table, Value};
use crate::text::Span;

/// What is written for a key whose value nobody can know; the path without items of lists.
const STUBS: &[(&str, &str)] = &[
    ("model.endpoint", "\"http://127.0.0.1:11434/v1\""),
    ("model.name", "\"qwen3.5:35b-a3b\""),
    ("model.price.input", "0.0"),
    ("model.price.output", "0.0"),
    ("agent.argv", "[\"{harness_dir}/run.sh\", \"{instruction_file}\", \"{transcript}\"]"),
    ("agent.agent", "\"mini-swe-agent\""),
    ("prompt.system", "\"prompts/system.md\""),
    ("tool.name", "\"shell\""),
    ("tool.builtin", "\"shell\""),
    ("name", "\"shell\""),
    ("builtin", "\"shell\""),
    ("runtime.rule.id", "\"rule\""),
    ("runtime.rule.when", "{ event = \"finish\" }"),
    ("runtime.rule.limit.steps", "10"),
    ("runtime.rule.limit.calls", "3"),
    ("orchestration.start", "\"work\""),
    ("orchestration.state.id", "\"work\""),
    ("surface.id", "\"system\""),
    ("surface.file", "\"prompts/system.md\""),
    ("surface.parts.file", "\"prompts/system.md\""),
    ("surface.new_files.max", "1"),
    ("tasks.split.seed", "7"),
    ("lint.allow.rule", "\"unknown-tool\""),
    ("lint.allow.reason", "\"it is meant so\""),
];

/// Reports the keys that a table needs. `meant` are keys that an unknown one of the same table was perhaps meant to be.
pub(super) fn required(
    checker: &mut Checker<'_>,
    value: &Value,
    table: &Table,
    form: &TableShape,
    meant: &[String],
) {
    let is_there = |key: &str| table.entries.iter().any(|entry| &*entry.key.name == key);
    for field in form.fields.iter().filter(|field| field.required) {
        if !is_there(&field.name) && !meant.contains(&field.name) {
            let message = format!("`{}` is missing in {}", field.name, checker.place.here());
            report(checker, value, shown(value), &field.name, &field.shape, message);
        }
    }
    if table.entries.len() < form.least {
        let span = shown(value);
        let message = format!("`{}` must not be empty", checker.place.key());
        checker.bad.insert(value.span);
        let problem = Problem::new(&MISSING_KEY, span, message).why(WHY).about(checker.place.path());
        checker.report(problem);
    }
    let says = |key: &str| is_there(key) || meant.iter().any(|meant| meant == key);
    let keys: [Option<&str>; 4] = {
        let mut keys = checker.place.keys();
        std::array::from_fn(|_| keys.next())
    };
    match (checker.subject, keys) {
        (Subject::Manifest, [Some("tool"), None, ..]) | (Subject::Tool, [None, ..]) => {
            tool(checker, value, form, &says);
        }
        (Subject::Manifest, [Some("surface"), None, ..]) => surface(checker, value, form, &says),
        (Subject::Manifest, [Some("surface"), Some("parts"), None, ..])
            if !says("file") && !makes_a_file(value) =>
        {
            needed(checker, value, form, "file", "`file` is missing in a part of a surface");
        }
        (Subject::Manifest, [Some("runtime"), Some("rule"), Some("limit"), None]) => {
            limit(checker, value, form, &says);
        }
        _ => {}
    }
}

const WHY: &str = "without it the harness cannot run";

/// A tool needs a name and something that does it, here or in its file.
fn tool(checker: &mut Checker<'_>, value: &Value, form: &TableShape, says: &dyn Fn(&str) -> bool) {
    if says("file") || is_off(value) {
        return;
    }
    if checker.subject == Subject::Manifest && !says("name") {
        needed(checker, value, form, "name", "`name` is missing in `[[tool]]`");
    }
    if !says("builtin") && !says("run") {
        let name = value.get("name").and_then(Value::as_text).unwrap_or_default();
        let message = format!("tool `{name}` needs `builtin` or `run`: nothing does what it says");
        needed(checker, value, form, "builtin", &message);
    }
}

/// A surface needs a file, unless it speaks about a native part, or makes files.
fn surface(checker: &mut Checker<'_>, value: &Value, form: &TableShape, says: &dyn Fn(&str) -> bool) {
    if says("file") || says("parts") || is_off(value) || makes_a_file(value) {
        return;
    }
    let id = value.get("id").and_then(Value::as_text).unwrap_or_default();
    if id.is_empty() || is_native(id) {
        return;
    }
    needed(checker, value, form, "file", &format!("surface `{id}` needs `file` or `parts`: it is nowhere"));
}

/// `{ steps }`, or `{ tool, calls }`; all of them exclude each other.
fn limit(checker: &mut Checker<'_>, value: &Value, form: &TableShape, says: &dyn Fn(&str) -> bool) {
    match (says("steps"), says("tool"), says("calls")) {
        (false, true, false) => {
            needed(checker, value, form, "calls", "`limit` has `tool`, so `calls` is needed");
        }
        (false, false, true) => {
            needed(checker, value, form, "tool", "`limit` has `calls`, so `tool` is needed");
        }
        (false, false, false) => {
            needed(checker, value, form, "steps", "`limit` needs `steps`, or `tool` and `calls`");
        }
        _ => {}
    }
}

fn is_off(value: &Value) -> bool {
    matches!(value.get("enabled").map(|enabled| &enabled.kind), Some(Kind::Boolean(false)))
}

fn makes_a_file(value: &Value) -> bool {
    let select = value.get("select").and_then(Value::as_list).unwrap_or_default();
    select.first().and_then(Value::as_text) == Some("new")
}

/// Whether an id is one of the native agent's own surfaces.
fn is_native(id: &str) -> bool {
    let (family, rest) = id.split_once('.').unwrap_or((id, ""));
    !rest.is_empty() && ["prompt", "tool", "state", "rule", "rules", "states", "runtime"].contains(&family)
}

/// What the kind of agent needs.
pub(super) fn by_others(checker: &mut Checker<'_>) {
    if checker.subject != Subject::Manifest {
        return;
    }
    let root = &checker.tree.root;
    let kind = root.at(&["agent", "kind"]);
    // A kind that is no kind is said elsewhere; what it needs is not known.
    let key = match kind.map(|kind| kind.as_text()) {
        None | Some(Some("native")) => ["prompt", "system"],
        Some(Some("command")) => ["agent", "argv"],
        Some(Some("harbor")) if is_run_natively(root) => ["prompt", "system"],
        Some(Some("harbor")) => ["agent", "agent"],
        Some(_) => return,
    };
    let [table, name] = key;
    let parent = root.get(table);
    // An unknown key near by is said already, and so is a table that lacks a key of its own.
    let is_misspelt = || {
        checker.problems.iter().any(|problem| {
            problem.rule == &super::UNKNOWN_KEY
                && (problem.message.contains(&format!("`{table}`?"))
                    || problem.message.contains(&format!("`{name}`?"))
                    || problem.message.contains(&format!("`{table}.{name}`?")))
        })
    };
    if parent.is_some_and(|parent| parent.get(name).is_some())
        || (parent.is_some() && table == "prompt")
        || is_misspelt()
    {
        return;
    }
    let (span, message) = match kind {
        Some(value) => {
            let kind = value.as_text().unwrap_or_default();
            (value.span, format!("`agent.kind` is `{kind}`, so `{table}.{name}` is needed"))
        }
        None => (first_place(checker), format!("`{table}.{name}` is missing: the native agent needs it")),
    };
    let stub = stub(&format!("{table}.{name}")).unwrap_or("\"\"");
    let edit = match parent {
        Some(parent) => repair::insert(checker.source, parent, name, stub, checker.is_toml()),
        None => Some(repair::append_table(checker.source, table, &[(name, stub)])),
    };
    let title = format!("Insert `{table}.{name}`");
    let fix = edit.map(|edit| repair::fix(checker.file, FixClass::Preview, title, vec![edit]));
    let problem =
        Problem::new(&MISSING_KEY, span, message).why(WHY).about(format!("{table}.{name}")).fixes(fix);
    if !checker.broken.says(name) {
        checker.report(problem);
    }
}

/// What is told in shares of the context needs its size.
pub(super) fn window(checker: &mut Checker<'_>) {
    let root = &checker.tree.root;
    let model = root.get("model");
    let is_native = is_run_natively(root);
    let is_known = model.is_some_and(|model| model.get("context_window").is_some());
    if checker.subject != Subject::Manifest || !is_native || is_known || checker.broken.says("context_window")
    {
        return;
    }
    let is_meant = |problem: &Problem| {
        problem.rule == &super::UNKNOWN_KEY && problem.message.contains("`context_window`?")
    };
    if model.is_none() || checker.problems.iter().any(is_meant) {
        return;
    }
    let compaction =
        root.at(&["runtime", "compaction"]).filter(|value| value.as_text() == Some("elide-output"));
    let rules = root.at(&["runtime", "rule"]).and_then(Value::as_list).unwrap_or_default();
    let used = rules.iter().filter_map(|rule| rule.at(&["when"])?.entry("context_used"));
    let first = compaction
        .map(|value| (value.span, "compaction"))
        .or_else(|| used.map(|entry| (entry.key.span, "context_used")).next());
    let Some((span, what)) = first else { return };
    let message = format!("`{what}` needs `model.context_window`");
    let edit = model.and_then(|model| {
        repair::insert(checker.source, model, "context_window", "131072", checker.is_toml())
    });
    let fix = edit.map(|edit| {
        repair::fix(checker.file, FixClass::Preview, "Insert `context_window = 131072`", vec![edit])
    });
    let problem = Problem::new(&MISSING_KEY, span, message)
        .why("nobody knows how full the context is without its size")
        .about("model.context_window");
    checker.report(problem.fixes(fix));
}

fn needed(checker: &mut Checker<'_>, value: &Value, form: &TableShape, key: &str, message: &str) {
    if let Some(field) = form.field(key) {
        report(checker, value, shown(value), key, &field.shape, message.to_owned());
    }
}

fn report(checker: &mut Checker<'_>, parent: &Value, span: Span, key: &str, shape: &Shape, message: String) {
    if checker.broken.says(key) {
        return;
    }
    let is_root = checker.place.keys().next().is_none();
    let span = if is_root { first_place(checker) } else { span };
    let mut path: Vec<&str> = checker.place.keys().collect();
    path.push(key);
    let path = path.join(".");
    let edit = match &shape.form {
        Form::Table(table) if is_root && checker.is_toml() => {
            let required: Vec<(&str, &str)> = table
                .fields
                .iter()
                .filter(|field| field.required)
                .map(|field| (&*field.name, stub(&format!("{path}.{}", field.name)).unwrap_or("\"\"")))
                .collect();
            Some(repair::append_table(checker.source, key, &required))
        }
        Form::List(list) if checker.is_toml() && list.item.table().is_some() => None,
        form => {
            let value = stub(&path).unwrap_or_else(|| stub_of(form));
            repair::insert(checker.source, parent, key, value, checker.is_toml())
        }
    };
    let title = format!("Insert `{key}`");
    let fix = edit.map(|edit| repair::fix(checker.file, FixClass::Preview, title, vec![edit]));
    let about = match checker.place.path() {
        place if place.is_empty() => key.to_owned(),
        place => format!("{place}.{key}"),
    };
    checker.report(Problem::new(&MISSING_KEY, span, message).why(WHY).about(about).fixes(fix));
}

fn stub(path: &str) -> Option<&'static str> {
    STUBS.iter().find(|(key, _)| *key == path).map(|(_, value)| *value)
}

fn stub_of(form: &Form) -> &'static str {
    match form {
        Form::Boolean => "true",
        Form::Integer(_) | Form::Number(_) => "1",
        Form::List(_) => "[]",
        Form::Table(_) => "{}",
        Form::Any | Form::Text(_) | Form::OneOf(_) => "\"\"",
    }
}

/// What is marked when the document as a whole lacks something: its first key, else its first line.
fn first_place(checker: &Checker<'_>) -> Span {
    let first = checker.tree.root.as_table().and_then(|table| table.entries.first());
    match first {
        Some(entry) => entry.key.span,
        None => {
            let start = checker.source.len() - checker.source.trim_start_matches('\u{feff}').len();
            let line = checker.source.lines().next().unwrap_or_default();
            Span::new(start, line.len().max(start))
        }
    }
}
