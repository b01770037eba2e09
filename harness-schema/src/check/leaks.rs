//! Held-out and sealed text where it must not be (SH601, SH602, SH604), and verifiers that the agent can read (SH603).
//! No message quotes what leaked.

use std::borrow::Cow;

use super::environment::{self, Compose, Place};
use crate::edit::removal;
use crate::harness::suite::copied;
use crate::harness::{Harness, HarnessText, Task};
use crate::path::FilePath;
use crate::problem::{Change, Fix, FixClass, Location, Problem, Rule, Severity};
use crate::split::Split;
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
    let mut seen: Vec<Span> = Vec::new();
    for Searched { text, native, span: surface, is_exact } in searched(harness, file, document.source()) {
        let place = |span: Span| if is_exact { span.offset(surface.start as usize) } else { surface };
        let quotations = match native {
            Some(native) => Cow::Borrowed(native.quotations(harness.files(), runs)),
            None => Cow::Owned(runs.quotations(text)),
        };
        for quotation in quotations.iter() {
            let span = place(quotation.span);
            if seen.iter().any(|other| other.contains(span)) {
                continue;
            }
            seen.push(span);
            if let Some(task) = harness.suite().tasks.get(quotation.task) {
                problems.push(leak(harness, task, span));
            }
        }
        for canary in runs.canaries(text) {
            let span = place(canary);
            let problem = Problem::new(&CANARY_LEAK, span, "a canary of the task suite is in a surface")
                .why("canaries mark text that must reach no model: where one is, task text is too")
                .about("canary");
            let at = Location::new(file, span);
            let fix = Fix::replace(FixClass::Preview, "Remove the canary", &at, "");
            problems.push(problem.fixes(is_exact.then_some(fix)));
        }
    }
}

/// A text that is searched.
struct Searched<'a> {
    text: &'a str,
    /// The text of the native agent that it is, which knows what it quotes.
    native: Option<&'a HarnessText>,
    span: Span,
    /// Whether it stands in its file as it is, without escapes.
    is_exact: bool,
}

/// What proposals may change in a file, as it is read: words may stand across a written escape.
fn searched<'a>(harness: &'a Harness, file: &'a FilePath, source: &'a str) -> Vec<Searched<'a>> {
    let native = harness.texts_in(file).filter_map(|text| {
        let span = text.span(harness.files());
        let (native, is_exact) = (Some(text), text.is_exact());
        Some(Searched { text: text.text(harness.files())?, native, span, is_exact })
    });
    let declared =
        harness.surfaces().iter().filter(|placed| placed.surface.origin == crate::surface::Origin::Declared);
    let places = declared.flat_map(|placed| &placed.places).filter(|place| place.target == *file);
    let placed = places.filter_map(|place| {
        let resolved = place.resolved()?.as_ref().ok()?;
        let written = resolved.span.of(source);
        let is_exact = written == resolved.value || written.replace("\r\n", "\n") == resolved.value;
        let text = if is_exact { written } else { resolved.value.as_str() };
        Some(Searched { text, native: None, span: resolved.span, is_exact })
    });
    let mut all: Vec<Searched<'_>> = native.chain(placed).collect();
    all.sort_by_key(|searched| searched.span);
    all.dedup_by_key(|searched| searched.span);
    all
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
    let item = from.as_list()?.iter().find(|item| item.as_text() == Some(&task.id))?;
    let to = tasks.get("held_in")?;
    let (insert, text) = match to.as_list()?.last() {
        Some(last) => (last.span.end as usize, format!(", \"{}\"", task.id)),
        None => (to.span.start as usize + 1, format!("\"{}\"", task.id)),
    };
    let mut edits = removal(document, &[item.span])?;
    edits.push(TextEdit { span: Span::at(insert), new_text: text });
    let edit = |edit| Change::Edit { file: document.path().clone(), edit };
    let changes = edits.into_iter().map(edit).collect();
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
        let context = file.parent();
        let mut seen = None;
        for copy in environment::copies(source) {
            // One instruction is reported once.
            if seen != Some(copy.span) && shows(harness, task, &environment::place(&context, copy.source)) {
                seen = Some(copy.span);
                report(copy.span, format!("`{name}` copies `{}`", copy.source));
            }
        }
    } else if let Some(compose) = Compose::read(document) {
        for mount in compose.mounts() {
            // What lies above or beside the task is SH704's business.
            let place = compose.place(mount.path);
            let is_inside = matches!(&place, Place::Project(path) if path.is_below(&task.directory));
            if is_inside && shows(harness, task, &place) {
                report(mount.span, format!("`{name}` mounts `{}`", mount.path));
            }
        }
        for (context, dockerfile) in compose.builds() {
            let place = compose.place(context.path);
            if !shows(harness, task, &place) {
                continue;
            }
            // A context is only shown as far as its Dockerfile copies it.
            let (Place::Project(directory), Some(dockerfile)) = (place, dockerfile) else { continue };
            let is_copied = harness.document(&dockerfile).is_none_or(|dockerfile| {
                let copies = environment::copies(dockerfile.source());
                copies.iter().any(|copy| shows(harness, task, &environment::place(&directory, copy.source)))
            });
            if is_copied {
                report(context.span, format!("`{name}` builds from `{}`", context.path));
            }
        }
    }
    if let Some(secret) = copied(harness.files(), task, file) {
        let shown = secret.relative_to(&task.directory).unwrap_or_default();
        report(document.text().line_span(0), format!("`{below}` is `{shown}`"));
    }
}

/// Whether a path leads to the tests or the solution of a task, or to a directory that holds them.
fn shows(harness: &Harness, task: &Task, place: &Place) -> bool {
    let Place::Project(path) = place else { return false };
    if task.directory.is_below(path) {
        return true;
    }
    // `../te*` may be `../tests`.
    let (directory, pattern) = (path.parent(), path.name().split(['*', '?', '[']).next().unwrap_or_default());
    let is_pattern = pattern.len() < path.name().len();
    let owner = harness.suite().tasks.iter().find(|task| path.is_below(&task.directory));
    let Some(below) = owner.and_then(|task| path.relative_to(&task.directory)) else { return false };
    let below =
        below.strip_prefix("steps/").and_then(|rest| rest.split_once('/')).map_or(below, |(_, rest)| rest);
    let first = below.split('/').next().unwrap_or_default();
    let is_home = owner.is_some_and(|task| task.directory == directory);
    below.is_empty()
        || ["tests", "solution"].contains(&first)
        || (is_pattern && is_home && ["tests", "solution"].iter().any(|name| name.starts_with(pattern)))
}
