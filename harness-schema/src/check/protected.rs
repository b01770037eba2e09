//! What can never be a surface (SH027): by its name, by its selector, or by what it holds.

use std::collections::BTreeSet;

use super::fixes::remove;
use super::surfaces::{Entries, declared};
use crate::glob::Glob;
use crate::harness::{Harness, MANIFEST, Place, Placed, written_selector};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::selector::Selector;
use crate::surface::{Keep, inside, protection};
use crate::syntax::Format;
use crate::syntax::data::{Kind, Step, Value};
use crate::text::Span;

/// Something that no proposal may change.
pub static PROTECTED_SURFACE: Rule = Rule::new(
    "SH027",
    "protected-surface",
    Severity::Error,
    include_str!("rules/SH027-protected-surface.md"),
);

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() != MANIFEST {
        return;
    }
    let manifest = harness.manifest_path();
    let keep = Keep { manifest: &manifest, tasks: harness.suite().directory.as_ref() };
    let entries = Entries::of(harness);
    // A pattern that matches many kept files is one mistake.
    let mut said = BTreeSet::new();
    for placed in declared(harness) {
        for place in &placed.places {
            let Some(entry) = entries.of_place(placed, place).filter(|entry| !said.contains(&entry.span))
            else {
                continue;
            };
            let problem = by_name(harness, placed, place, entry, keep);
            if let Some(problem) = problem.or_else(|| by_contents(harness, placed, place, entry)) {
                said.insert(entry.span);
                problems.push(problem);
            }
        }
    }
    created(harness, keep, problems);
}

/// What the path or the selector says.
fn by_name(
    harness: &Harness,
    placed: &Placed,
    place: &Place,
    entry: &Value,
    keep: Keep<'_>,
) -> Option<Problem> {
    let places = [(&place.file, &place.written), (&place.target, &place.selector)];
    let (file, selector, reason) = places.into_iter().find_map(|(file, selector)| {
        let reason = protection(file, selector, keep)?;
        Some((file, selector, reason))
    })?;
    // Of the manifest a part may be open.
    let is_selected = *file == *keep.manifest || protection(file, &Selector::File, keep).is_none();
    let select = entry.get("select").filter(|_| is_selected && 1 < selector.steps().len());
    let span = select.or_else(|| entry.get("file")).map_or(entry.span, |value| value.span);
    let what = match select {
        Some(_) => format!("`{}` in `{file}`", keys(selector)),
        None => format!("`{file}`"),
    };
    let message = format!("a proposal may not change {what}: it {}", reason.words());
    Some(problem(harness, span, message, &placed.surface.id, placed.surface.declaration.span))
}

/// The steps of a selector, joined.
fn keys(selector: &Selector) -> String {
    let steps = selector.steps().into_iter().skip(1).map(|step| match step {
        Step::Key(key) => key,
        Step::Index(index) => ecow::eco_format!("{index}"),
    });
    steps.collect::<Vec<_>>().join(".")
}

/// What stands in the selected place.
fn by_contents(harness: &Harness, placed: &Placed, place: &Place, entry: &Value) -> Option<Problem> {
    // Of the manifest the selector says all.
    if place.target == harness.manifest_path() {
        return None;
    }
    let document = place.document()?;
    let inside = inside(document, &place.selector)?;
    let (named, select) = (entry.get("file"), entry.get("select"));
    let span = select.or(named).map_or(entry.span, |value| value.span);
    let (key, words) = (&inside.key, inside.reason.words());
    let message = format!("a proposal may not change `{key}` in `{}`: it {words}", place.target);
    let mut problem = problem(harness, span, message, &placed.surface.id, placed.surface.declaration.span);
    if *place.selector == Selector::File && document.format() == Format::Markdown {
        // What the surface is there for is most likely the prose.
        problem.fixes.insert(0, select_the_body(harness, named?, select));
    }
    Some(problem)
}

fn select_the_body(harness: &Harness, file: &Value, select: Option<&Value>) -> Fix {
    let manifest = &harness.manifest_file().document;
    let body = "[\"md.body\"]";
    let (at, text) = match select {
        Some(select) => (select.span, body.to_owned()),
        None => {
            let text = format!("{}select = {body}", manifest.text().line_ending());
            (Span::at(file.span.end as usize), text)
        }
    };
    let at = Location::new(manifest.path(), at);
    Fix::replace(FixClass::Preview, "Select what is below the front matter", &at, text)
}

/// Patterns of files that may be made: by their own words, and catch-alls by what else they match.
fn created(harness: &Harness, keep: Keep<'_>, problems: &mut Vec<Problem>) {
    for surface in harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default() {
        if surface.get("enabled").is_some_and(|enabled| enabled.kind == Kind::Boolean(false)) {
            continue;
        }
        let parts = surface.get("parts").and_then(Value::as_list);
        for part in parts.unwrap_or(std::slice::from_ref(surface)) {
            let Ok(Selector::New(written)) = written_selector(part) else { continue };
            let Some((what, words)) = created_kept(&written, keep) else { continue };
            let glob = part.get("select").and_then(Value::as_list).and_then(|steps| steps.get(1));
            let span = glob.map_or(part.span, |glob| glob.span);
            let message = format!("a proposal may not change {what}: it {words}");
            let id = surface.get("id").and_then(Value::as_text).unwrap_or_default();
            problems.push(problem(harness, span, message, id, surface.span));
        }
    }
}

/// Files that only a pattern for everything matches.
const CAUGHT: [&str; 2] = [".envrc", ".git/config"];

/// What a proposal could make by a pattern and may not, and why.
fn created_kept(written: &str, keep: Keep<'_>) -> Option<(String, &'static str)> {
    // A pattern that leads out of the project is no path, and is reported as that.
    let path = FilePath::parse(written).ok()?;
    let selector = Selector::New(path.to_string());
    if let Some(reason) = protection(&FilePath::root(), &selector, keep) {
        return Some((format!("`{written}`"), reason.words()));
    }
    let glob = Glob::new(path.as_str());
    let caught = CAUGHT.iter().find(|name| glob.matches(name))?;
    let reason = protection(&FilePath::parse(caught).ok()?, &selector, keep)?;
    Some((format!("`{caught}`, which `{written}` matches"), reason.words()))
}

fn problem(harness: &Harness, span: Span, message: String, id: &str, declaration: Span) -> Problem {
    let document = &harness.manifest_file().document;
    Problem::new(&PROTECTED_SURFACE, span, message)
        .why("what a proposal could change to its own advantage, or to run programs, is no surface")
        .about(id)
        .fixes(remove(FixClass::Preview, "Remove the surface", document, declaration))
}
