//! Surfaces: where they are (SH021–SH024), what they must keep (SH025, SH026), what can never be one (SH027).

use super::fixes::remove;
use crate::harness::{Harness, MANIFEST, Place, Placed};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::selector::{Resolved, Selector, Unresolved};
use crate::surface::{Breach, Keep, Origin, overlaps, protection};
use crate::syntax::Format;
use crate::syntax::data::{Step, Value};
use crate::text::Span;

/// A selector that finds nothing, or what it must refuse.
pub static SURFACE_NOT_FOUND: Rule = Rule::new(
    "SH021",
    "surface-not-found",
    Severity::Error,
    include_str!("rules/SH021-surface-not-found.md"),
);

/// A selector that finds several places.
pub static SURFACE_AMBIGUOUS: Rule = Rule::new(
    "SH022",
    "surface-ambiguous",
    Severity::Error,
    include_str!("rules/SH022-surface-ambiguous.md"),
);

/// Two declared surfaces share a byte.
pub static SURFACE_OVERLAP: Rule =
    Rule::new("SH023", "surface-overlap", Severity::Error, include_str!("rules/SH023-surface-overlap.md"));

/// A selector that does not exist, or is one for another format.
pub static SELECTOR_MISMATCH: Rule = Rule::new(
    "SH024",
    "selector-mismatch",
    Severity::Error,
    include_str!("rules/SH024-selector-mismatch.md"),
);

/// A placeholder that must stay is not there.
pub static PLACEHOLDER_LOST: Rule =
    Rule::new("SH025", "placeholder-lost", Severity::Error, include_str!("rules/SH025-placeholder-lost.md"));

/// The present text breaks its surface's limits.
pub static SURFACE_OVER_LIMIT: Rule = Rule::new(
    "SH026",
    "surface-over-limit",
    Severity::Warning,
    include_str!("rules/SH026-surface-over-limit.md"),
);

/// Something that no proposal may change.
pub static PROTECTED_SURFACE: Rule = Rule::new(
    "SH027",
    "protected-surface",
    Severity::Error,
    include_str!("rules/SH027-protected-surface.md"),
);

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() == MANIFEST {
        selectors(harness, file, problems);
        for placed in declared(harness) {
            for place in &placed.places {
                resolution(harness, placed, place, file, problems);
                protected(harness, placed, place, problems);
            }
        }
        overlap(harness, problems);
    }
    for placed in declared(harness) {
        for place in placed.places.iter().filter(|place| place.target == *file) {
            if let Some(Ok(resolved)) = place.resolved() {
                kept(placed, place, resolved, file, problems);
            }
        }
    }
}

fn declared(harness: &Harness) -> impl Iterator<Item = &Placed> {
    harness.surfaces().iter().filter(|placed| placed.surface.origin == Origin::Declared)
}

/// The entry of a surface, or of the part of it that names this file.
fn entry<'a>(harness: &'a Harness, placed: &Placed, place: &Place) -> Option<&'a Value> {
    let list = harness.tree().root.get("surface").and_then(Value::as_list)?;
    let entry = crate::harness::item_at(list, placed.surface.declaration.span)?;
    let parts = entry.get("parts").and_then(Value::as_list).unwrap_or_default();
    let part = parts.iter().find(|part| {
        part.get("file").and_then(Value::as_text).and_then(|file| FilePath::parse(file).ok()).as_ref()
            == Some(&place.file)
            && crate::harness::written_selector(part).as_ref() == Ok(&place.selector)
    });
    Some(part.unwrap_or(entry))
}

fn selectors(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let list = harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default();
    let parts = list.iter().flat_map(|entry| entry.get("parts").and_then(Value::as_list).unwrap_or_default());
    for entry in list.iter().chain(parts) {
        let (Some(select), Err(error)) = (entry.get("select"), crate::harness::written_selector(entry))
        else {
            continue;
        };
        // A list that is none, or holds other things than steps, has its own problem.
        let steps = select.as_list().unwrap_or_default();
        if steps.is_empty()
            || steps.iter().any(|step| step.as_text().is_none() && step.kind_name() != "a number")
        {
            continue;
        }
        let first = steps.first().map_or(select.span, |step| step.span);
        let mut problem = Problem::new(&SELECTOR_MISMATCH, select.span, error.to_string())
            .why("without a place the surface cannot be read or changed")
            .about(entry.get("id").and_then(Value::as_text).unwrap_or_default());
        if let crate::selector::SelectorError::Unknown { near: Some(near), .. } = &error {
            let at = Location::new(file, first);
            let title = format!("Replace with `{near}`");
            problem = problem.fix(Fix::replace(FixClass::Preview, title, &at, format!("\"{near}\"")));
        }
        problems.push(problem);
    }
}

fn resolution(
    harness: &Harness,
    placed: &Placed,
    place: &Place,
    file: &FilePath,
    problems: &mut Vec<Problem>,
) {
    let id = &placed.surface.id;
    let Some(entry) = entry(harness, placed, place) else { return };
    let select = entry.get("select");
    let span = select.or_else(|| entry.get("file")).map_or(entry.span, |value| value.span);
    if let Some(astray) = &place.astray {
        let span = entry.get("file").map_or(span, |value| value.span);
        problems.push(
            Problem::new(&SURFACE_NOT_FOUND, span, format!("surface `{id}`: {astray}"))
                .why("there is no text that a proposal could change")
                .about(id.as_str()),
        );
        return;
    }
    let Some(Err(unresolved)) = place.resolved() else { return };
    // A file that does not parse says so itself.
    if place.document().is_some_and(|document| !harness.broken_regions(document.path()).is_empty())
        && matches!(unresolved, Unresolved::Refused(_))
    {
        return;
    }
    let at = select.map(|select| Location::new(file, select.span));
    let use_selector = |selector: &Selector, title: String| {
        at.as_ref().map(|at| Fix::replace(FixClass::Preview, title, at, written(selector)))
    };
    let target = place.target.as_str();
    let problem = match unresolved {
        Unresolved::Nothing { near, .. } => {
            let message = format!("surface `{id}`: {}", unresolved.message(target));
            let fix = near
                .first()
                .and_then(|(name, selector)| use_selector(selector, format!("Replace with `{name}`")));
            Problem::new(&SURFACE_NOT_FOUND, span, message)
                .why("there is no text that a proposal could change")
                .fixes(fix)
        }
        Unresolved::Refused(_) => {
            let message = format!("surface `{id}`: {}", unresolved.message(target));
            Problem::new(&SURFACE_NOT_FOUND, span, message)
                .why("an edit there could change more than the surface")
        }
        Unresolved::Several { candidates, .. } => {
            let message = format!("surface `{id}`: {}", unresolved.message(target));
            let mut problem = Problem::new(&SURFACE_AMBIGUOUS, span, message)
                .why("an edit must know which of them it changes");
            for candidate in candidates {
                let title = format!("Take the one in line {}", candidate.line);
                problem = problem
                    .related(Location::new(&place.target, candidate.span), format!("line {}", candidate.line))
                    .fixes(use_selector(&candidate.selector, title));
            }
            problem
        }
        Unresolved::WrongFormat { use_instead, .. } => {
            let first = select.and_then(Value::as_list).and_then(|steps| steps.first());
            let span = first.map_or(span, |step| step.span);
            let fixes =
                use_instead.iter().filter(|kind| ["file", "md.body"].contains(*kind)).filter_map(|kind| {
                    let selector = Selector::parse(&[Step::Key((*kind).to_owned())]).ok()?;
                    use_selector(&selector, format!("Use `{kind}`"))
                });
            Problem::new(&SELECTOR_MISMATCH, span, unresolved.message(target))
                .why("a selector reads one format")
                .fixes(fixes.collect::<Vec<_>>())
        }
    };
    problems.push(problem.about(id.as_str()));
}

/// A selector as the manifest writes it.
fn written(selector: &Selector) -> String {
    let steps = selector.steps().into_iter().map(|step| match step {
        Step::Key(key) => format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")),
        Step::Index(index) => index.to_string(),
    });
    format!("[{}]", steps.collect::<Vec<_>>().join(", "))
}

fn protected(harness: &Harness, placed: &Placed, place: &Place, problems: &mut Vec<Problem>) {
    let tasks = harness.suite().directory.clone();
    let manifest = harness.manifest_path();
    let keep = Keep { manifest: &manifest, tasks: tasks.as_ref() };
    let Some(reason) = [&place.file, &place.target]
        .into_iter()
        .find_map(|file| protection(file, &place.selector, keep).map(|reason| (file, reason)))
    else {
        return;
    };
    let (file, reason) = reason;
    let document = &harness.manifest_file().document;
    let Some(entry) = entry(harness, placed, place) else { return };
    let span = entry.get("file").map_or(entry.span, |value| value.span);
    let message = format!("a proposal may not change `{file}`: it {}", reason.words());
    problems.push(
        Problem::new(&PROTECTED_SURFACE, span, message)
            .why("what a proposal could change to its own advantage, or to run programs, is no surface")
            .about(placed.surface.id.as_str())
            .fixes(remove(
                FixClass::Preview,
                "Remove the surface",
                document,
                placed.surface.declaration.span,
            )),
    );
}

fn overlap(harness: &Harness, problems: &mut Vec<Problem>) {
    let mut by_file: std::collections::BTreeMap<&FilePath, Vec<(&Placed, Span)>> =
        std::collections::BTreeMap::new();
    for placed in declared(harness) {
        for (file, span) in placed.spans() {
            by_file.entry(file).or_default().push((placed, span));
        }
    }
    for (file, places) in by_file {
        let spans: Vec<Span> = places.iter().map(|(_, span)| *span).collect();
        let Some(document) = harness.document(file) else { continue };
        for overlap in overlaps(&spans) {
            let (Some((first, first_span)), Some((second, _))) =
                (places.get(overlap.first), places.get(overlap.second))
            else {
                continue;
            };
            let line = |at: u32| document.text().line_of(at as usize) + 1;
            let (from, to) = (line(overlap.shared.start), line(overlap.shared.end.saturating_sub(1)));
            let lines = if from == to { format!("line {from}") } else { format!("lines {from}–{to}") };
            let (a, b) = (&first.surface.id, &second.surface.id);
            let span = crate::harness::id_span(harness, second);
            problems.push(
                Problem::new(&SURFACE_OVERLAP, span, format!("surfaces `{a}` and `{b}` overlap in {lines}"))
                    .why("one edit would change both")
                    .about(b.as_str())
                    .related(first.surface.declaration.clone(), format!("surface `{a}`"))
                    .related(Location::new(file, *first_span), "the text of the first")
                    .fix(Fix::command(format!("Go to surface `{a}`"))),
            );
        }
    }
}

/// What a surface must keep, in the file that holds it.
fn kept(placed: &Placed, place: &Place, resolved: &Resolved, file: &FilePath, problems: &mut Vec<Problem>) {
    let id = &placed.surface.id;
    for breach in placed.surface.limits.breaches(&resolved.value, resolved.kind) {
        let span = first_line(place, resolved.span);
        let problem = match &breach {
            Breach::Lost(placeholder) => {
                let problem = Problem::new(&PLACEHOLDER_LOST, span, format!("surface `{id}` {breach}"))
                    .why("whoever fills it in would have nowhere to put it")
                    .about(placeholder.as_str());
                problem.fixes(append(place, resolved, file, placeholder))
            }
            Breach::Template(message) => {
                Problem::new(&super::prompts::TEMPLATE_SYNTAX, span, format!("surface `{id}`: {message}"))
                    .why("rendering would fail before the first step of every trial")
                    .about(id.as_str())
            }
            _ => Problem::new(&SURFACE_OVER_LIMIT, span, format!("surface `{id}` {breach}"))
                .why("a proposal for this surface would have to shrink it first")
                .about(id.as_str()),
        };
        problems.push(problem);
    }
}

/// A long surface is marked on its first line.
fn first_line(place: &Place, span: Span) -> Span {
    let Some(document) = place.document() else { return span };
    let text = document.text();
    let line = text.line_of(span.start as usize);
    let end = text.line_span(line).end.min(span.end);
    Span { start: span.start, end: end.max(span.start) }
}

/// Adds a placeholder at the end of a text that is written as it is.
fn append(place: &Place, resolved: &Resolved, file: &FilePath, placeholder: &str) -> Option<Fix> {
    let document = place.document()?;
    if !matches!(resolved.form, crate::selector::Form::Text) || document.format() == Format::Python {
        return None;
    }
    let source = resolved.span.of(document.source());
    let kept = source.trim_end();
    let line_break = document.text().line_ending();
    let at = Span::at(resolved.span.start as usize + kept.len());
    let gap = if kept.is_empty() { "" } else { line_break };
    let title = format!("Append `{placeholder}`");
    Some(Fix::replace(FixClass::Preview, title, &Location::new(file, at), format!("{gap}{placeholder}")))
}
