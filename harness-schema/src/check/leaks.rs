//! Held-out and sealed text where it must not be (SH601, SH602, SH604), and verifiers that the agent can read (SH603).
//! No message quotes what leaked.

use crate::harness::suite::copied;
use crate::harness::{Harness, Task};
use crate::path::FilePath;
use crate::problem::{Change, Fix, FixClass, Location, Problem, Rule, Severity};
use crate::split::Split;
use crate::syntax::data::{Kind, Value};
use crate::text::{Span, TextEdit};

/// Text of a held-out task in a surface.
pub static HELD_OUT_LEAK: Rule =
    Rule::new("SH601", "held-out-leak", Severity::Error, include_str!("rules/SH601-held-out-leak.md"))
        .prose();

/// Text of a sealed task in a surface.
pub static SEALED_LEAK: Rule =
    Rule::new("SH602", "sealed-leak", Severity::Error, include_str!("rules/SH602-sealed-leak.md")).prose();

/// The agent can read what judges it.
pub static VERIFIER_VISIBLE: Rule =
    Rule::new("SH603", "verifier-visible", Severity::Error, include_str!("rules/SH603-verifier-visible.md"));

/// A canary of the suite in a surface.
pub static CANARY_LEAK: Rule =
    Rule::new("SH604", "canary-leak", Severity::Error, include_str!("rules/SH604-canary-leak.md"));

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    in_surfaces(harness, file, problems);
    if let Some(task) = harness.suite().task_of(file) {
        visible(harness, task, file, problems);
    }
}

fn in_surfaces(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let runs = harness.word_runs();
    if runs.is_empty() {
        return;
    }
    let Some(document) = harness.document(file) else { return };
    let source = document.source();
    let mut spans: Vec<Span> = harness.surface_spans(file);
    spans.sort_unstable();
    spans.dedup();
    let mut seen: Vec<Span> = Vec::new();
    for surface in spans {
        let text = surface.of(source);
        for quotation in runs.quotations(text) {
            let span = quotation.span.offset(surface.start as usize);
            if seen.iter().any(|other| other.contains(span)) {
                continue;
            }
            seen.push(span);
            if let Some(task) = harness.suite().tasks.get(quotation.task) {
                problems.push(leak(harness, task, span));
            }
        }
        for canary in runs.canaries(text) {
            let span = canary.offset(surface.start as usize);
            let problem = Problem::new(&CANARY_LEAK, span, "a canary of the task suite is in a surface")
                .why("canaries mark text that must reach no model: where one is, task text is too")
                .about("canary");
            let at = Location::new(file, span);
            problems.push(problem.fix(Fix::replace(FixClass::Preview, "Remove the canary", &at, "")));
        }
    }
}

fn leak(harness: &Harness, task: &Task, span: Span) -> Problem {
    let why = "the gate would measure memory";
    if task.split == Some(Split::Sealed) {
        return Problem::new(&SEALED_LEAK, span, "text of a sealed task is in a surface")
            .why(why)
            .about("sealed");
    }
    let message = format!("text of held-out task `{}` is in a surface", task.id);
    let problem = Problem::new(&HELD_OUT_LEAK, span, message).why(why).about(task.id.as_str());
    problem.fixes(move_to_held_in(harness, task))
}

/// Moves a task that is listed by its id from `held_out` to `held_in`.
fn move_to_held_in(harness: &Harness, task: &Task) -> Option<Fix> {
    let document = &harness.manifest_file().document;
    let tasks = harness.tree().root.get("tasks")?;
    let from = tasks.get("held_out")?;
    let at = from.as_list()?.iter().position(|item| item.as_text() == Some(&task.id))?;
    let to = tasks.get("held_in")?;
    let (insert, text) = match to.as_list()?.last() {
        Some(last) => (last.span.end as usize, format!(", \"{}\"", task.id)),
        None => (to.span.start as usize + 1, format!("\"{}\"", task.id)),
    };
    let removed = super::fixes::item(document.source(), from, at)?;
    let edit = |span, new_text: &str| Change::Edit {
        file: document.path().clone(),
        edit: TextEdit { span, new_text: new_text.to_owned() },
    };
    let changes = vec![edit(removed, ""), edit(Span::at(insert), &text)];
    Some(Fix { title: format!("Move `{}` to `held_in`", task.id), class: FixClass::Preview, changes })
}

/// SH603, in the file of the environment that shows the verifier.
fn visible(harness: &Harness, task: &Task, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(below) = file.relative_to(&task.directory).filter(|below| below.starts_with("environment/"))
    else {
        return;
    };
    let Some(document) = harness.document(file) else { return };
    let source = document.source();
    let name = file.name();
    let mut report = |span: Span, how: String| {
        problems.push(
            Problem::new(&VERIFIER_VISIBLE, span, format!("the agent can read the verifier: {how}"))
                .why("an agent that can read its verifier can pass without doing the task")
                .about(task.id.as_str()),
        );
    };
    if name == "Dockerfile" {
        for (at, line) in lines(source) {
            let mut words = line.split_whitespace();
            let instruction = words.next().unwrap_or_default();
            if !instruction.eq_ignore_ascii_case("COPY") && !instruction.eq_ignore_ascii_case("ADD") {
                continue;
            }
            let arguments: Vec<&str> = words.filter(|word| !word.starts_with("--")).map(bare).collect();
            let sources = arguments.split_last().map(|(_, sources)| sources).unwrap_or_default();
            if let Some(shown) = sources.iter().find(|path| is_secret(path)) {
                let trimmed = line.trim();
                let start = at + (line.len() - line.trim_start().len());
                report(Span::new(start, start + trimmed.len()), format!("`{name}` copies `{shown}`"));
            }
        }
    } else if let Some(tree) = document.data() {
        mounts(&tree.root, &mut |value, path| {
            if is_secret(path) {
                report(value.span, format!("`{name}` mounts `{path}`"));
            }
        });
    }
    if let Some(secret) = copied(harness.files(), task, file) {
        let shown = secret.relative_to(&task.directory).unwrap_or_default();
        report(document.text().line_span(0), format!("`{below}` is `{shown}`"));
    }
}

/// Sources of volumes, in both of Compose's notations.
fn mounts<'a>(root: &'a Value, each: &mut impl FnMut(&'a Value, &'a str)) {
    let services = root.get("services").and_then(Value::as_table);
    for service in services.iter().flat_map(|services| &services.entries) {
        for volume in service.value.get("volumes").and_then(Value::as_list).unwrap_or_default() {
            match &volume.kind {
                Kind::Text(text) => each(volume, text.value.split(':').next().unwrap_or_default()),
                _ => {
                    if let Some((value, path)) =
                        volume.get("source").and_then(|value| Some((value, value.as_text()?)))
                    {
                        each(value, path);
                    }
                }
            }
        }
    }
}

/// Whether a path, as seen from `environment/`, leads to the tests or the solution of this task or of another one.
fn is_secret(path: &str) -> bool {
    let path = ["${PWD}/", "$PWD/"].iter().find_map(|here| path.strip_prefix(here)).unwrap_or(path);
    let mut above = 0;
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => above += 1,
            ".." => {}
            _ => parts.push(part),
        }
    }
    let is_secret = |part: Option<&&str>| part.is_none_or(|part| ["tests", "solution"].contains(part));
    match above {
        0 => false,
        1 => is_secret(parts.first()),
        _ => parts.get(1).is_some_and(|part| is_secret(Some(part))),
    }
}

/// What an instruction copies, without the marks of its JSON form.
fn bare(argument: &str) -> &str {
    argument.trim_matches(['"', '\'', '[', ']', ','])
}

fn lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end_matches(['\r', '\n'])))
    })
}
