//! Surfaces: where they are (SH021–SH024), and what they must keep (SH025, SH026, SH103).

use std::collections::BTreeMap;

use super::files::{MAX_CANDIDATES, PATH_OUTSIDE, WHY_OUTSIDE};
use super::fixes::{did_you_mean, near, replace_with};
use super::prompts::TEMPLATE_SYNTAX;
use crate::edit;
use crate::harness::{Harness, MANIFEST, Place, Placed};
use crate::path::FilePath;
use crate::problem::{Change, Fix, FixClass, Location, Problem, Rule, Severity};
use crate::selector::{Form, Resolved, Selector, Unresolved, ValueKind};
use crate::surface::{Astray, Breach, Dialect, Limits, Origin, compile_error, overlaps, pointed_file};
use crate::syntax::Format;
use crate::syntax::data::{Step, SyntaxError, Value};
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

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() == MANIFEST {
        let entries = Entries::of(harness);
        selectors(harness, file, problems);
        for placed in declared(harness) {
            for place in &placed.places {
                if let Some(entry) = entries.of_place(placed, place) {
                    resolution(harness, placed, place, entry, problems);
                }
            }
        }
        overlap(harness, problems);
    }
    for placed in declared(harness) {
        for place in placed.places.iter().filter(|place| place.target == *file) {
            if let Some(Ok(resolved)) = place.resolved() {
                kept(harness, placed, place, resolved, problems);
            }
        }
    }
}

pub(super) fn declared(harness: &Harness) -> impl Iterator<Item = &Placed> {
    harness.surfaces().iter().filter(|placed| placed.surface.origin == Origin::Declared)
}

/// The entries of `[[surface]]`, by where they start.
pub(super) struct Entries<'a>(BTreeMap<u32, &'a Value>);

impl<'a> Entries<'a> {
    pub(super) fn of(harness: &'a Harness) -> Self {
        let list = harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default();
        Self(list.iter().map(|entry| (entry.span.start, entry)).collect())
    }

    /// The entry of a surface, or of the part of it that names this file.
    pub(super) fn of_place(&self, placed: &Placed, place: &Place) -> Option<&'a Value> {
        let entry = *self.0.get(&placed.surface.declaration.span.start)?;
        let parts = entry.get("parts").and_then(Value::as_list).unwrap_or_default();
        let part = parts.iter().find(|part| {
            part.get("file").and_then(Value::as_text).and_then(|file| FilePath::parse(file).ok()).as_ref()
                == Some(&place.file)
                && crate::harness::written_selector(part).as_ref() == Ok(&place.written)
        });
        Some(part.unwrap_or(entry))
    }
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

fn resolution(harness: &Harness, placed: &Placed, place: &Place, entry: &Value, problems: &mut Vec<Problem>) {
    let (id, file) = (&placed.surface.id, &placed.surface.declaration.file);
    let select = entry.get("select");
    let span = select.or_else(|| entry.get("file")).map_or(entry.span, |value| value.span);
    if let Some(astray) = &place.astray {
        problems.extend(led_astray(harness, placed, place, astray, entry));
        return;
    }
    let Some(Err(unresolved)) = place.resolved() else { return };
    // A file that does not parse says so itself.
    if place.document().is_some_and(|document| !harness.broken_regions(document.path()).is_empty())
        && matches!(unresolved, Unresolved::Refused(_))
    {
        return;
    }
    let at =
        select.filter(|_| place.written == place.selector).map(|select| Location::new(file, select.span));
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
                    let selector = Selector::parse(&[Step::Key((*kind).into())]).ok()?;
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
        Step::Key(key) => format!("\"{}\"", key.as_str().replace('\\', "\\\\").replace('"', "\\\"")),
        Step::Index(index) => index.to_string(),
    });
    format!("[{}]", steps.collect::<Vec<_>>().join(", "))
}

/// Why imports, pointers or links lead to no text.
fn led_astray(
    harness: &Harness,
    placed: &Placed,
    place: &Place,
    astray: &Astray,
    entry: &Value,
) -> Option<Problem> {
    let (id, file) = (&placed.surface.id, &placed.surface.declaration.file);
    let named = entry.get("file");
    let span = named.map_or(entry.span, |value| value.span);
    let is_named = named.and_then(Value::as_text).map(FilePath::parse) == Some(Ok(place.file.clone()));
    let problem = match astray {
        // Where the path itself is written, the path has its problem.
        Astray::Link(link) if is_named && *link == place.file => return None,
        Astray::Link(_) => Problem::new(&PATH_OUTSIDE, span, astray.message()).why(WHY_OUTSIDE),
        Astray::Several { files, .. } => {
            let at = Location::new(file, span);
            let one = |target: &FilePath| {
                let text = format!("\"{target}\"");
                Fix::replace(FixClass::Preview, format!("Take `{target}`"), &at, text)
            };
            let fixes: Vec<Fix> = if is_named { files.iter().map(one).collect() } else { Vec::new() };
            Problem::new(&SURFACE_AMBIGUOUS, span, format!("surface `{id}`: {}", astray.message()))
                .why("an edit must know which of them it changes")
                .fixes(fixes)
        }
        _ => {
            let meant = meant(harness, astray);
            let near = did_you_mean(meant.as_ref().map(|(name, _)| name.as_str()));
            let message = format!("surface `{id}`: {}{near}", astray.message());
            Problem::new(&SURFACE_NOT_FOUND, span, message)
                .why("there is no text that a proposal could change")
                .fixes(meant.map(|(name, at)| replace_with(FixClass::Preview, &at, &name)))
        }
    };
    Some(problem.about(id.as_str()))
}

/// The file that an import or pointer most likely meant, and where it is written.
fn meant(harness: &Harness, astray: &Astray) -> Option<(String, Location)> {
    let Astray::Missing { from, written } = astray else { return None };
    let path = written.strip_prefix('@').or_else(|| pointed_file(written))?;
    let directory = from.parent();
    let others = harness.files().paths().take(MAX_CANDIDATES).filter(|other| *other != from);
    let name = near(path.trim_start_matches("./"), others.filter_map(|other| other.relative_to(&directory)))?;
    let document = harness.document(from)?;
    let mut places = document.source().match_indices(path);
    let (at, _) = places.next()?;
    let at = Location::new(from, Span::new(at, at + path.len()));
    places.next().is_none().then(|| (name.to_owned(), at))
}

fn overlap(harness: &Harness, problems: &mut Vec<Problem>) {
    let mut by_file: BTreeMap<&FilePath, Vec<(&Placed, Span)>> = BTreeMap::new();
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
            problems.push(
                Problem::new(
                    &SURFACE_OVERLAP,
                    second.id,
                    format!("surfaces `{a}` and `{b}` overlap in {lines}"),
                )
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
fn kept(harness: &Harness, placed: &Placed, place: &Place, resolved: &Resolved, problems: &mut Vec<Problem>) {
    let (id, limits, file) = (&placed.surface.id, &placed.surface.limits, &place.target);
    let dialect = limits.template.filter(|_| resolved.kind == ValueKind::String);
    let broken = dialect.and_then(|dialect| compile_error(dialect, &resolved.value));
    let is_said = dialect == Some(Dialect::Jinja) && is_native_template(harness, file, resolved.span);
    if let Some(error) = broken.as_ref().filter(|_| !is_said) {
        problems.push(template_syntax(place, resolved, id, error));
    }
    let contradict = matches!((limits.min, limits.max), (Some(min), Some(max)) if max < min);
    for breach in limits.breaches(&resolved.value, resolved.kind) {
        let span = first_line(place, resolved.span);
        let problem = match &breach {
            // What does not compile has no placeholders, and limits that contradict each other have no values.
            Breach::Lost(_) if broken.is_some() => continue,
            Breach::Below { .. } | Breach::Above { .. } if contradict => continue,
            Breach::Lost(placeholder) => {
                let problem = Problem::new(&PLACEHOLDER_LOST, span, format!("surface `{id}` {breach}"))
                    .why("whoever fills it in would have nowhere to put it")
                    .about(placeholder.as_str());
                problem.fixes(append(place, resolved, file, placeholder))
            }
            _ => Problem::new(&SURFACE_OVER_LIMIT, span, format!("surface `{id}` {breach}"))
                .why("a proposal for this surface would have to shrink it first")
                .about(id.as_str()),
        };
        problems.push(problem);
    }
}

/// Whether the native agent renders this very text, which then has its own problems.
fn is_native_template(harness: &Harness, file: &FilePath, span: Span) -> bool {
    harness.texts_in(file).any(|text| text.role.is_template() && text.span(harness.files()).contains(span))
}

fn template_syntax(place: &Place, resolved: &Resolved, id: &str, error: &SyntaxError) -> Problem {
    let written = place.document().and_then(|document| resolved.written(document, error.span));
    let span = written.unwrap_or_else(|| first_line(place, resolved.span));
    let problem = Problem::new(&TEMPLATE_SYNTAX, span, error.message.as_str())
        .why("rendering would fail before the first step of every trial")
        .about(id);
    problem.fixes(written.and_then(|_| close(place, resolved, error)))
}

/// Closes a tag or field that is never closed: behind the name of a field, or at the end of the line.
fn close(place: &Place, resolved: &Resolved, error: &SyntaxError) -> Option<Fix> {
    let open = resolved.value.get(error.span.start as usize..)?;
    let line = open.lines().next().unwrap_or_default();
    let (length, close) = match error.span.of(&resolved.value) {
        "{" => {
            let is_name = |character: char| character.is_alphanumeric() || "_.".contains(character);
            let name = line.get(1..)?.split(|character| !is_name(character)).next()?;
            (1 + name.len(), "}")
        }
        "{{" => (line.trim_end().len(), " }}"),
        "{%" => (line.trim_end().len(), " %}"),
        "{#" => (line.trim_end().len(), " #}"),
        _ => return None,
    };
    if length < 2 || line.contains(close.trim_start()) || !error.message.contains("never closed") {
        return None;
    }
    let at = Span::at(error.span.start as usize + length);
    let at = Location::new(&place.target, resolved.written(place.document()?, at)?);
    Some(Fix::replace(FixClass::Preview, format!("Close it with `{}`", close.trim_start()), &at, close))
}

/// A long surface is marked on its first line.
fn first_line(place: &Place, span: Span) -> Span {
    let Some(document) = place.document() else { return span };
    let text = document.text();
    let line = text.line_of(span.start as usize);
    let end = text.line_span(line).end.min(span.end);
    Span { start: span.start, end: end.max(span.start) }
}

/// Adds a placeholder at the end of a text, written as its format writes it.
fn append(place: &Place, resolved: &Resolved, file: &FilePath, placeholder: &str) -> Option<Fix> {
    let document = place.document()?;
    let title = format!("Append `{placeholder}`");
    if !matches!(resolved.form, Form::Text) {
        let kept = resolved.value.trim_end();
        let (gap, end) = match (kept.is_empty(), resolved.value.contains('\n')) {
            (true, _) => ("", ""),
            (false, true) => ("\n", resolved.value.get(kept.len()..)?),
            (false, false) => (" ", resolved.value.get(kept.len()..)?),
        };
        let is_text = resolved.kind == ValueKind::String && !matches!(resolved.form, Form::Code { .. });
        let new = format!("{kept}{gap}{placeholder}{end}");
        let edit = edit::write(document, resolved, &Limits::default(), &new).ok().filter(|_| is_text)?;
        let changes = vec![Change::Edit { file: file.clone(), edit }];
        return Some(Fix { title, class: FixClass::Preview, changes });
    }
    if document.format() == Format::Python {
        return None;
    }
    let source = resolved.span.of(document.source());
    let kept = source.trim_end();
    let line_break = document.text().line_ending();
    let at = Span::at(resolved.span.start as usize + kept.len());
    let gap = if kept.is_empty() { "" } else { line_break };
    Some(Fix::replace(FixClass::Preview, title, &Location::new(file, at), format!("{gap}{placeholder}")))
}

#[cfg(test)]
mod tests {
    use crate::check;
    use crate::files::{Content, File, Files, Link, Opaque};
    use crate::harness::Harness;
    use crate::path::FilePath;
    use crate::problem::Change;
    use crate::text::apply_all;

    const COMMAND: &str = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[agent]\nkind = \"command\"\nargv = [\"x\", \"{transcript}\"]\n";

    /// The rules that are broken if `CLAUDE.md` is a link.
    fn with_link(surface: &str, link: Link, texts: &[(&str, &str)]) -> Vec<String> {
        let manifest = format!("{COMMAND}[[surface]]\nid = \"memory\"\n{surface}\n");
        let texts = texts.iter().copied().chain([("harness.toml", manifest.as_str())]);
        let content = match &link {
            Link::Inside(_) => Content::Unread,
            Link::Outside => Content::Opaque(Opaque::Unreadable),
        };
        let path = FilePath::parse("CLAUDE.md").unwrap();
        let file = File { content, executable: false, link: Some(link) };
        let files = Files::from_texts(texts).with_disk([(path, Some(file))]);
        let problems = check::all(&Harness::resolve(&files, None));
        problems
            .values()
            .flatten()
            .map(|problem| format!("{} {}", problem.rule.id, problem.message))
            .collect()
    }

    #[test]
    fn a_link_that_leads_out_is_one_problem() {
        let message = "SH006 link `CLAUDE.md` leads out of the project, or nowhere";
        for file in ["CLAUDE.md", "C*.md"] {
            let surface = format!("file = \"{file}\"\nmax_tokens = 1");
            assert_eq!(with_link(&surface, Link::Outside, &[]), [message], "{file}");
        }
        let inside = Link::Inside(FilePath::parse("AGENTS.md").unwrap());
        assert_eq!(
            with_link("file = \"CLAUDE.md\"\nmax_tokens = 1", inside, &[("AGENTS.md", "Be brief.")]),
            ["SH026 surface `memory` has ≈3 tokens, limit 1"]
        );
    }

    #[test]
    fn a_native_text_that_does_not_compile_is_one_problem() {
        let manifest = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\nsystem = \"a.md\"\n[[surface]]\nid = \"rules\"\nfile = \"a.md\"\nselect = [\"md.section\", \"R\"]\ntemplate = \"jinja\"\nrequires = [\"{{ workdir }}\"]\n";
        let files = Files::from_texts([("harness.toml", manifest), ("a.md", "# R\n\n{{ workdir\n")]);
        let problems = check::all(&Harness::resolve(&files, None));
        let rules: Vec<_> = problems.values().flatten().map(|problem| problem.rule.id).collect();
        assert_eq!(rules, ["SH103"]);
    }

    #[test]
    fn a_placeholder_is_appended_as_its_format_writes_it() {
        for (name, text, select, after) in [
            (
                "a.yaml",
                "task: |\n  Do it.\nx: 1\n",
                "[\"yaml\", \"task\"]",
                "task: |\n  Do it.\n  {{task}}\nx: 1\n",
            ),
            ("a.json", "{\"task\": \"Do it.\"}", "[\"json\", \"task\"]", "{\"task\": \"Do it. {{task}}\"}"),
        ] {
            let manifest = format!(
                "{COMMAND}[[surface]]\nid = \"a\"\nfile = \"{name}\"\nselect = {select}\nrequires = [\"{{{{task}}}}\"]\n"
            );
            let files = Files::from_texts([("harness.toml", manifest.as_str()), (name, text)]);
            let problems = check::all(&Harness::resolve(&files, None));
            let problem = problems.values().flatten().next().unwrap();
            let [Change::Edit { edit, .. }] = problem.fixes[0].changes.as_slice() else { panic!("no edit") };
            assert_eq!(apply_all(text, std::slice::from_ref(edit)).as_deref(), Some(after));
        }
    }

    #[test]
    fn new_files_start_from_their_skeleton() {
        for (text, skeleton) in [("\"a.py\"", "pass\n"), ("{ text = \"x\" }", "x"), ("\"none.py\"", "")] {
            let manifest = format!(
                "{COMMAND}[[surface]]\nid = \"a\"\nselect = [\"new\", \"t/*.py\"]\nnew_files = {{ max = 2, text = {text} }}\n"
            );
            let files = Files::from_texts([("harness.toml", manifest.as_str()), ("a.py", "pass\n")]);
            let harness = Harness::resolve(&files, None);
            let new_files = harness.surface("a").unwrap().surface.new_files.clone().unwrap();
            assert_eq!((new_files.max, new_files.skeleton.as_str()), (2, skeleton), "{text}");
        }
    }
}
