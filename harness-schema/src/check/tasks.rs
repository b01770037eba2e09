//! Tasks: verifiers and instructions (SH501, SH502), keys that Harbor does not read (SH503), splits (SH504–SH509).

use std::cell::LazyCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::fixes::{did_you_mean, near, remove, remove_all, replace_with};
use super::task_keys;
use crate::harness::{Harness, MANIFEST, Task};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::split::{Published, SEALED_LEAST, Split, TaskPattern};
use crate::syntax::data::{Kind, Value};
use crate::task;
use crate::text::Span;

/// A task without a verifier.
pub static MISSING_VERIFIER: Rule =
    Rule::new("SH501", "missing-verifier", Severity::Error, include_str!("rules/SH501-missing-verifier.md"));

/// A task without an instruction.
pub static MISSING_INSTRUCTION: Rule = Rule::new(
    "SH502",
    "missing-instruction",
    Severity::Error,
    include_str!("rules/SH502-missing-instruction.md"),
);

/// A key of `task.toml` that Harbor does not read.
pub static UNKNOWN_TASK_KEY: Rule = Rule::new(
    "SH503",
    "unknown-task-key",
    Severity::Warning,
    include_str!("rules/SH503-unknown-task-key.md"),
);

/// A split names a task that is not there.
pub static NO_SUCH_TASK: Rule =
    Rule::new("SH504", "no-such-task", Severity::Error, include_str!("rules/SH504-no-such-task.md"));

/// One task is in two splits.
pub static SPLIT_OVERLAP: Rule =
    Rule::new("SH505", "split-overlap", Severity::Error, include_str!("rules/SH505-split-overlap.md"));

/// No held-in or no held-out task.
pub static EMPTY_SPLIT: Rule =
    Rule::new("SH506", "empty-split", Severity::Error, include_str!("rules/SH506-empty-split.md"));

/// Lists beside `split`, or shares that do not add up to 1.
pub static SPLIT_CONFLICT: Rule =
    Rule::new("SH507", "split-conflict", Severity::Error, include_str!("rules/SH507-split-conflict.md"));

/// A split too small to tell anything.
pub static SPLIT_TOO_SMALL: Rule =
    Rule::new("SH508", "split-too-small", Severity::Warning, include_str!("rules/SH508-split-too-small.md"));

/// A task in no split.
pub static UNUSED_TASK: Rule =
    Rule::new("SH509", "unused-task", Severity::Information, include_str!("rules/SH509-unused-task.md"));

/// Fewer held-in or held-out tasks than this decide by single flips.
const LEAST: usize = 10;

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() == MANIFEST {
        let is_unclear = LazyCell::new(|| is_unclear(harness));
        splits(harness, file, &is_unclear, problems);
        // With no split at all each task would say the same.
        let is_split = harness.suite().tasks.iter().any(|task| task.split.is_some()) && !*is_unclear;
        for task in harness.suite().tasks.iter().filter(|_| is_split) {
            in_no_split(harness, task, problems);
        }
        return;
    }
    let Some(task) = harness.suite().task_of(file) else { return };
    if task.file("task.toml").as_ref() == Some(file) {
        verifier(harness, task, problems);
        instruction(harness, task, problems);
        keys(harness, file, problems);
    } else if task.instructions().contains(file) {
        blank_instruction(harness, task, file, problems);
    }
}

fn verifier(harness: &Harness, task: &Task, problems: &mut Vec<Problem>) {
    let script = task.test_script();
    if task.has(script) {
        return;
    }
    let mut report = |span: Span, file: String| {
        let message = format!("task `{}` has no verifier: `{file}` is missing", task.id);
        let problem = Problem::new(&MISSING_VERIFIER, span, message)
            .why("without a verdict a trial measures nothing")
            .about(file.as_str());
        problems.push(problem.fix(Fix::command(format!("Create `{file}`"))));
    };
    let steps = task.steps();
    if steps.is_empty() {
        report(head(harness, task), script.to_owned());
    }
    for step in steps {
        let file = format!("steps/{}/{script}", step.name);
        if !task.has(&file) {
            report(step.span, file);
        }
    }
}

fn instruction(harness: &Harness, task: &Task, problems: &mut Vec<Problem>) {
    let steps = task.steps();
    if steps.is_empty() && !task.has("instruction.md") {
        problems
            .extend(task.file("instruction.md").map(|file| no_instruction(task, head(harness, task), &file)));
    }
    for step in steps {
        let Some(file) = task.file(&format!("steps/{}/instruction.md", step.name)) else { continue };
        if !harness.files().is_file(&file) {
            problems.push(no_instruction(task, step.span, &file));
        }
    }
}

fn blank_instruction(harness: &Harness, task: &Task, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    if task::shown_instruction(document.source()).trim().is_empty() {
        problems.push(no_instruction(task, Span::new(0, document.source().len()), file));
    }
}

fn no_instruction(task: &Task, span: Span, file: &FilePath) -> Problem {
    let step = file.as_str().rsplit('/').nth(1).filter(|_| !task.steps().is_empty());
    let step = step.map(|step| format!(" in step `{step}`")).unwrap_or_default();
    let message = format!("task `{}` has no instruction{step}", task.id);
    let problem = Problem::new(&MISSING_INSTRUCTION, span, message)
        .why("the agent would not know what to do")
        .about(task.id.as_str());
    problem.fix(Fix::command(format!("Create `{}`", file.name())))
}

/// The first line of `task.toml`, where problems of the whole task stand.
fn head(harness: &Harness, task: &Task) -> Span {
    let document = task.file("task.toml").and_then(|path| harness.document(&path));
    document.map_or(Span::at(0), |document| document.text().line_span(0))
}

fn keys(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    let Some(tree) = document.data() else { return };
    for unknown in task_keys::unknown(tree, document.source()) {
        let shown = unknown.path.as_str();
        let message = format!("Harbor ignores `{shown}`{}", did_you_mean(unknown.key()));
        let at = unknown.entry.key.span;
        let fix = unknown
            .fix(document, tree)
            .or_else(|| remove(FixClass::Preview, format!("Remove `{shown}`"), document, at));
        problems.push(
            Problem::new(&UNKNOWN_TASK_KEY, unknown.entry.key.span, message)
                .why("the task would run as if the line were not there")
                .about(shown)
                .fixes(fix),
        );
    }
}

fn splits(
    harness: &Harness,
    file: &FilePath,
    is_unclear: &LazyCell<bool, impl FnOnce() -> bool>,
    problems: &mut Vec<Problem>,
) {
    let Some(entry) = harness.tree().root.entry("tasks") else { return };
    let tasks = &entry.value;
    if tasks.as_table().is_none() {
        return;
    }
    if conflict(harness, tasks, file, problems) && tasks.get("preset").is_some() {
        return;
    }
    let key = entry.key.span;
    // Which tasks there are is told by the directory, by who published the suite, or only by the lists.
    if let Some(directory) = &harness.suite().directory {
        // That the directory is not there is one mistake.
        if !harness.files().is_directory(directory) && tasks.get("dir").is_some() {
            return;
        }
        let ids: Vec<&str> = harness.suite().tasks.iter().map(|task| task.id.as_str()).collect();
        if tasks.get("split").is_none() {
            names(harness, tasks, directory, file, problems);
            overlaps(harness, tasks, &ids, file, problems);
        }
        if **is_unclear {
            return;
        }
        sizes(harness, tasks, key, file, problems, &|split| in_directory(harness, tasks, split));
    } else if !harness.is_harbor() {
        // Another rule says that nobody reads the registry.
    } else if let Some(preset) = tasks.entry("preset") {
        if let Some(published) = preset.value.as_text().and_then(Published::named) {
            sizes(harness, tasks, key, file, problems, &|split| published_left(published, tasks, split));
        }
    } else if tasks.get("split").is_none() {
        let ids: Vec<&str> = Split::ALL
            .iter()
            .flat_map(|split| tasks.get(split.key()).and_then(Value::as_list).unwrap_or_default())
            .filter_map(Value::as_text)
            .filter(|name| !TaskPattern::new(name).is_glob())
            .collect();
        overlaps(harness, tasks, &ids, file, problems);
        sizes(harness, tasks, key, file, problems, &|split| listed(tasks, split));
    }
}

/// Whether something is wrong in `[tasks]` that says which tasks are meant: a key that is none, a list that is none or did
/// not parse, a name that no task has. What is left then tells nothing about the splits.
fn is_unclear(harness: &Harness) -> bool {
    let root = &harness.tree().root;
    let Some(entry) = root.entry("tasks") else { return false };
    let tasks = &entry.value;
    let is_broken = harness
        .broken_regions(&harness.manifest_path())
        .iter()
        .any(|region| tasks.span.start <= region.start && region.start <= tasks.span.end);
    let keys = Split::ALL.into_iter().map(Split::key);
    let has_no_list = keys.clone().filter_map(|key| tasks.get(key)).any(|list| list.as_list().is_none());
    let ids = || harness.suite().tasks.iter().map(|task| task.id.as_str());
    let has_no_task =
        || keys.flat_map(|key| patterns(tasks, key)).any(|pattern| !ids().any(|id| pattern.matches(id)));
    is_broken || has_no_list || super::runtime::has_unknown_key(root, "tasks") || has_no_task()
}

fn patterns(tasks: &Value, key: &str) -> Vec<TaskPattern> {
    let list = tasks.get(key).and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(Value::as_text).map(TaskPattern::new).collect()
}

/// How many tasks of the directory are in a split.
fn in_directory(harness: &Harness, tasks: &Value, split: Split) -> Option<usize> {
    let suite = &harness.suite().tasks;
    if tasks.get("split").is_some() {
        return Some(suite.iter().filter(|task| task.split == Some(split)).count());
    }
    let patterns = patterns(tasks, split.key());
    // A task in two lists counts in both: that it is in two is another problem.
    let is_listed = |task: &&Task| !task.excluded && patterns.iter().any(|pattern| pattern.matches(&task.id));
    Some(suite.iter().filter(is_listed).count())
}

/// How many tasks of a published split are not excluded.
fn published_left(published: &Published, tasks: &Value, split: Split) -> Option<usize> {
    let exclude = patterns(tasks, "exclude");
    let is_left = |id: &&&str| !exclude.iter().any(|pattern| pattern.matches(id));
    Some(published.tasks(split).iter().filter(is_left).count())
}

/// How many tasks a list names; unknown if a pattern may name any number.
fn listed(tasks: &Value, split: Split) -> Option<usize> {
    let patterns = patterns(tasks, split.key());
    let is_certain = !patterns.iter().any(TaskPattern::is_glob) && tasks.get("exclude").is_none();
    (is_certain || patterns.is_empty()).then_some(patterns.len())
}

/// Whether the splits are said twice, or do not add up.
fn conflict(harness: &Harness, tasks: &Value, file: &FilePath, problems: &mut Vec<Problem>) -> bool {
    let document = &harness.manifest_file().document;
    let all_lists = || Split::ALL.iter().filter_map(|split| tasks.entry(split.key()));
    let lists = || all_lists().next();
    let list_keys = || all_lists().map(|list| list.key.span).collect::<Vec<Span>>();
    let is_harbor = harness.is_harbor();
    if let Some(preset) = tasks.entry("preset").filter(|_| is_harbor)
        && let Some(other) = tasks.entry("split").or_else(lists).or_else(|| tasks.entry("dataset"))
    {
        let name = &other.key.name;
        let is_list = lists().is_some_and(|list| list.key == other.key);
        let what = if is_list { String::from("lists") } else { format!("`{name}`") };
        let removal = format!("Remove {}", if is_list { "the lists" } else { what.as_str() });
        let others = if is_list { list_keys() } else { vec![other.key.span] };
        let message = format!("give `preset` or {what}, not both");
        let problem = Problem::new(&SPLIT_CONFLICT, other.key.span, message)
            .why("a preset is a dataset with its published splits")
            .about("preset")
            .related(Location::new(file, preset.key.span), "the preset")
            .fixes(remove_all(FixClass::Preview, removal, document, &others))
            .fixes(remove(FixClass::Preview, "Remove `preset`", document, preset.key.span));
        problems.push(problem);
        return true;
    }
    let Some(split) = tasks.entry("split") else { return false };
    if let Some(list) = lists() {
        let problem = Problem::new(&SPLIT_CONFLICT, split.key.span, "give `split` or lists, not both")
            .why("a task's split must be said once")
            .about("split")
            .related(Location::new(file, list.key.span), "a list");
        let problem = problem.fixes(remove(FixClass::Preview, "Remove `split`", document, split.key.span));
        problems.push(problem.fixes(remove_all(
            FixClass::Preview,
            "Remove the lists",
            document,
            &list_keys(),
        )));
        return true;
    }
    let share = |key: &str, default: f64| match split.value.get(key).map(|value| &value.kind) {
        Some(Kind::Float(share)) => *share,
        Some(Kind::Integer(share)) => *share as f64,
        _ => default,
    };
    let sum = share("held_in", 0.5) + share("held_out", 0.3) + share("sealed", 0.2);
    if 1e-6 < (sum - 1.0).abs() {
        let message = format!("the shares add up to {}, not to 1", (sum * 1000.0).round() / 1000.0);
        let problem = Problem::new(&SPLIT_CONFLICT, split.value.span, message)
            .why("each task is in exactly one split")
            .about("split");
        problems.push(problem);
        return true;
    }
    false
}

fn names(
    harness: &Harness,
    tasks: &Value,
    directory: &FilePath,
    file: &FilePath,
    problems: &mut Vec<Problem>,
) {
    let document = &harness.manifest_file().document;
    let ids: Vec<&str> = harness.suite().tasks.iter().map(|task| task.id.as_str()).collect();
    for key in ["held_in", "held_out", "sealed", "exclude"] {
        let Some(list) = tasks.get(key) else { continue };
        for value in list.as_list().unwrap_or_default() {
            let Some(name) = value.as_text() else { continue };
            let pattern = TaskPattern::new(name);
            if ids.iter().any(|id| pattern.matches(id)) {
                continue;
            }
            let span = value.verbatim(document.source()).unwrap_or(value.span);
            let near = near(name, ids.iter().copied()).filter(|_| !pattern.is_glob());
            let message = if pattern.is_glob() {
                format!("no task matches `{name}` in `{directory}`")
            } else {
                format!("no task `{name}` in `{directory}`{}", did_you_mean(near))
            };
            let mut problem = Problem::new(&NO_SUCH_TASK, span, message)
                .why("a split of tasks that are not there is another split than the one written")
                .about(name);
            problem = problem
                .fixes(near.map(|near| replace_with(FixClass::Preview, &Location::new(file, span), near)));
            let title = format!("Remove `{name}`");
            problems.push(problem.fixes(remove(FixClass::Preview, title, document, value.span)));
        }
    }
}

fn overlaps(harness: &Harness, tasks: &Value, ids: &[&str], file: &FilePath, problems: &mut Vec<Problem>) {
    let document = &harness.manifest_file().document;
    // Which item of which list first named a task.
    let mut first: FxHashMap<&str, (Split, &Value)> = FxHashMap::default();
    let all: FxHashSet<&str> = ids.iter().copied().collect();
    for split in Split::ALL {
        let Some(list) = tasks.get(split.key()) else { continue };
        for value in list.as_list().unwrap_or_default() {
            let Some(written) = value.as_text() else { continue };
            let pattern = TaskPattern::new(written);
            let mut reported = false;
            // Lists name thousands of tasks one by one.
            let matching: Vec<&str> = match pattern.is_glob() {
                true => ids.iter().copied().filter(|id| pattern.matches(id)).collect(),
                false => all.get(written).copied().into_iter().collect(),
            };
            for id in matching {
                let Some((other, earlier)) = first.get(id) else {
                    first.insert(id, (split, value));
                    continue;
                };
                if *other == split || reported {
                    continue;
                }
                reported = true;
                let span = value.verbatim(document.source()).unwrap_or(value.span);
                let message = format!("task `{id}` is in `{}` and `{}`", other.key(), split.key());
                let mut problem = Problem::new(&SPLIT_OVERLAP, span, message)
                    .why("what teaches must not judge")
                    .about(id)
                    .related(Location::new(file, earlier.span), format!("in `{}`", other.key()));
                if !pattern.is_glob() {
                    let title = format!("Remove it from `{}`", split.key());
                    problem = problem.fixes(remove(FixClass::Preview, title, document, value.span));
                }
                if !earlier.as_text().is_none_or(|name| TaskPattern::new(name).is_glob()) {
                    let title = format!("Remove it from `{}`", other.key());
                    problem = problem.fixes(remove(FixClass::Preview, title, document, earlier.span));
                }
                problems.push(problem);
            }
        }
    }
}

/// Splits with no task or with few; `count` says how many a split has, if that is known.
fn sizes(
    harness: &Harness,
    tasks: &Value,
    key: Span,
    file: &FilePath,
    problems: &mut Vec<Problem>,
    count: &dyn Fn(Split) -> Option<usize>,
) {
    for split in Split::ALL {
        let Some(n) = count(split) else { continue };
        let entry =
            tasks.entry(split.key()).or_else(|| tasks.entry("split")).or_else(|| tasks.entry("preset"));
        let span = entry.map_or(key, |entry| entry.key.span);
        if n == 0 && split != Split::Sealed {
            let what =
                if split == Split::HeldIn { "nothing could be learned" } else { "the gate could not decide" };
            let problem = Problem::new(&EMPTY_SPLIT, span, format!("no {} task: {what}", split.word()))
                .why("a harness improves on held-in tasks and is judged on held-out ones")
                .about(split.key());
            problems.push(problem.fixes(insert_split(harness, tasks, file)));
            // Where there are neither lists nor a split, both are missing at one place.
            if entry.is_none() {
                return;
            }
            continue;
        }
        let too_small = match split {
            Split::Sealed => 0 < n && n < SEALED_LEAST,
            _ => n < LEAST,
        };
        if too_small {
            let plural = if n == 1 { "task" } else { "tasks" };
            let verb = if n == 1 { "a single flip" } else { "single flips" };
            let message = format!("{n} {} {plural}: {verb} would decide", split.word());
            let problem = Problem::new(&SPLIT_TOO_SMALL, span, message)
                .why("with few tasks a difference cannot be told from chance")
                .about(split.key());
            problems.push(problem);
        }
    }
}

/// `split = { … }`, where neither it nor lists with tasks stand.
fn insert_split(harness: &Harness, tasks: &Value, file: &FilePath) -> Option<Fix> {
    if tasks.get("split").is_some() || Split::ALL.iter().any(|split| tasks.get(split.key()).is_some()) {
        return None;
    }
    let document = &harness.manifest_file().document;
    let header = tasks.as_table()?.headers.first()?;
    let line = document.text().line_span(document.text().line_of(header.start as usize));
    let at = Location::new(file, Span::at(line.end as usize));
    let text = "\nsplit = { seed = 7, held_in = 0.5, held_out = 0.3, sealed = 0.2 }";
    Some(Fix::replace(FixClass::Preview, "Add a seeded `split`", &at, text))
}

fn in_no_split(harness: &Harness, task: &Task, problems: &mut Vec<Problem>) {
    let Some(tasks) = harness.tree().root.entry("tasks") else { return };
    if task.split.is_some() || task.excluded {
        return;
    }
    let document = &harness.manifest_file().document;
    let add = |key: &str, title: String| {
        let list = tasks.value.get(key)?;
        let (at, text) = match list.as_list()?.last() {
            Some(last) => (last.span.end as usize, format!(", \"{}\"", task.id)),
            None => (list.span.start as usize + 1, format!("\"{}\"", task.id)),
        };
        Some(Fix::replace(FixClass::Preview, title, &Location::new(document.path(), Span::at(at)), text))
    };
    let header =
        tasks.value.as_table().and_then(|table| table.headers.first().copied()).unwrap_or(tasks.key.span);
    let problem = Problem::new(&UNUSED_TASK, header, format!("task `{}` is in no split", task.id))
        .why("it is never run")
        .about(task.id.as_str());
    let problem = problem.fixes(add("held_in", String::from("Add it to `held_in`")));
    problems.push(problem.fixes(add("exclude", String::from("Exclude it"))));
}
