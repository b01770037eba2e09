//! For people: each problem with an excerpt, why it matters and what to do; at the end what was checked.

use std::collections::BTreeSet;

use annotate_snippets::renderer::{AnsiColor, DEFAULT_TERM_WIDTH, Effects, Style};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, Title};
use harness_schema::check::allow;
use harness_schema::harness::KNOWN;
use harness_schema::path::FilePath;
use harness_schema::problem::{FixClass, Problem, Related, Severity};
use harness_schema::text::Span;

use super::excerpt::{printable, visible};
use super::{Counts, Found, Report, plural};
use crate::failure::Failure;

/// At most so many ways out are shown for one problem; an editor shows all.
const MAX_HELPS: usize = 2;

const STRONG: Style = Style::new().effects(Effects::BOLD);
const GOOD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const BAD: Style = AnsiColor::BrightRed.on_default().effects(Effects::BOLD);
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const WAY_OUT: Style = AnsiColor::BrightCyan.on_default().effects(Effects::BOLD);

/// The whole report, with terminal colours; who prints it takes them out where nobody sees them. `width` is that of the
/// terminal, in columns.
#[must_use]
pub fn render(report: &Report, width: Option<usize>) -> String {
    let mut out = String::new();
    what_was_done(report, &mut out);
    out.push_str(&problems(report, width));
    for found in &report.harnesses {
        allowed(found, &mut out);
    }
    out.push_str(&summary(report));
    out.push('\n');
    out
}

/// Why a command did not do what it was asked to, and what to do. It may name a file, and whoever named the file may have
/// meant the terminal.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let mut out = format!("{BAD}error{BAD:#}: {}\n", visible(&failure.message));
    if !failure.hint.is_empty() {
        out.push_str(&format!("{WAY_OUT}hint{WAY_OUT:#}: {}\n", visible(&failure.hint)));
    }
    out
}

/// The problems alone, each followed by an empty line. Known ones are only counted: a project that has many adopted the
/// checks to see the next one.
#[must_use]
pub fn problems(report: &Report, width: Option<usize>) -> String {
    let renderer = Renderer::styled().term_width(width.unwrap_or(DEFAULT_TERM_WIDTH));
    let mut explained = BTreeSet::new();
    let mut out = String::new();
    for (found, file, problem) in report.problems().filter(|(_, _, problem)| !problem.known) {
        out.push_str(&one(&renderer, found, file, problem, explained.insert(problem.rule.id)));
        out.push_str("\n\n");
    }
    out
}

fn what_was_done(report: &Report, out: &mut String) {
    if !report.fixed.is_empty() {
        let count = plural(report.fixed.len(), "problem", "problems");
        out.push_str(&format!("{GOOD}fixed{GOOD:#} {STRONG}{count}{STRONG:#}\n"));
        for fixed in &report.fixed {
            let place = format!("{}:{}:{}", visible(&fixed.file), fixed.place.line, fixed.place.column);
            let title = visible(&fixed.title);
            out.push_str(&format!("  {place}: {} ({}): {title}\n", visible(&fixed.message), fixed.rule));
        }
        out.push('\n');
    }
    for list in &report.known_lists {
        let file = visible(&list.file);
        let listed = plural(list.listed, "known problem", "known problems");
        let changes = format!("{} new, {} solved", list.added, list.solved);
        out.push_str(&format!("{GOOD}wrote{GOOD:#} `{file}`: {listed} ({changes})\n"));
    }
    if !report.known_lists.is_empty() {
        out.push('\n');
    }
}

fn one(renderer: &Renderer, found: &Found, file: &FilePath, problem: &Problem, explain: bool) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Information => Level::INFO.with_name("information"),
        Severity::Hint => Level::NOTE.with_name("hint"),
    };
    let title = level.primary_title(visible(&problem.message));
    // What has no page is no rule, and has no id that anybody could look up.
    let has_page = !problem.rule.page.is_empty();
    let title = if has_page { title.id(problem.rule.id) } else { title };
    let mut group = excerpts(title, found, file, problem);
    if !problem.why.is_empty() {
        group = group.element(Level::NOTE.message(visible(&problem.why)));
    }
    for fix in problem.fixes.iter().take(MAX_HELPS) {
        let done = if fix.class == FixClass::Safe { " (`--fix` does it)" } else { "" };
        group = group.element(Level::HELP.message(format!("{}{done}", visible(&lower_first(&fix.title)))));
    }
    if explain && has_page {
        let (id, name) = (problem.rule.id, problem.rule.name);
        let more = format!("`{name}`: `self-harness check --explain {id}` tells more");
        group = group.element(Level::NOTE.message(more));
    }
    renderer.render(&[group])
}

/// The place of a problem, and below it the places that it is also about.
fn excerpts<'a>(title: Title<'a>, found: &'a Found, file: &'a FilePath, problem: &'a Problem) -> Group<'a> {
    let mut here = vec![(AnnotationKind::Primary, problem.span, None)];
    let mut elsewhere = Vec::new();
    for Related { location, message } in &problem.related {
        let place = (AnnotationKind::Context, location.span, Some(message.as_str()));
        if location.file == *file { here.push(place) } else { elsewhere.push((&location.file, place)) }
    }
    let Some(quoted) = snippet(found, file, &here) else {
        // Not a text: there is nothing to quote.
        return title.element(Origin::path(visible(&found.shown(file)).into_owned()));
    };
    let others = elsewhere.into_iter().filter_map(|(file, place)| snippet(found, file, &[place]));
    title.element(quoted).elements(others)
}

/// A place, how it is marked, and what is said about it.
type Marked<'a> = (AnnotationKind, Span, Option<&'a str>);

/// The lines of a file that places are in, with one line around; the library looks at every line that it is given.
fn snippet<'a>(found: &Found, file: &FilePath, places: &[Marked<'a>]) -> Option<Snippet<'a, Annotation<'a>>> {
    let document = found.harness.document(file)?;
    let (text, source) = (document.text(), document.source());
    let fitting = |span: Span| {
        let start = source.floor_char_boundary(span.start as usize);
        start..source.floor_char_boundary(span.end as usize).max(start)
    };
    let first = places.iter().map(|(_, span, _)| fitting(*span).start).min()?;
    let last = places.iter().map(|(_, span, _)| fitting(*span).end).max()?;
    let first_line = text.line_of(first).saturating_sub(1);
    let window = text.line_start(first_line)..text.line_start(text.line_of(last) + 2);
    let secrets = found.secrets(file);
    let shown =
        printable(source.get(window.clone()).unwrap_or_default(), window.start, &secrets).into_owned();
    let marks = places.iter().map(|(kind, span, label)| {
        let span = fitting(*span);
        let mark = kind.span(span.start - window.start..span.end - window.start);
        mark.label(label.map(visible))
    });
    let path = visible(&found.shown(file)).into_owned();
    Some(Snippet::source(shown).line_start(first_line + 1).path(path).annotations(marks))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// Errors that make results invalid or leak and that the project lets pass: never silently.
fn allowed(found: &Found, out: &mut String) {
    let manifest = found.harness.manifest_path();
    let entries = allow::serious(&found.harness);
    for entry in &entries {
        let line = found.place(&manifest, entry.span.start).line;
        let scope = match (entry.file, entry.surface) {
            (Some(file), Some(surface)) => format!("`{file}`, surface `{surface}`"),
            (Some(file), None) => format!("`{file}`"),
            (None, surface) => format!("surface `{}`", surface.unwrap_or_default()),
        };
        let rule = format!("{} {}", entry.rule.id, entry.rule.name);
        let place = format!("{}:{line}", found.shown(&manifest));
        let text = format!("{rule} in {scope}: {} ({place})", entry.reason.replace('\n', " "));
        out.push_str(&format!("{DOUBTFUL}allowed{DOUBTFUL:#} {}\n", visible(&text)));
    }
    if !entries.is_empty() {
        out.push('\n');
    }
}

/// One line that says what was checked, so that an empty report never looks like a check that did not happen.
#[must_use]
pub fn summary(report: &Report) -> String {
    let files = plural(report.files(), "file", "files");
    let harnesses = plural(report.harnesses.len(), "harness", "harnesses");
    let Counts { errors, warnings, information, hints, fixable, known } = report.counts();
    let counts = [
        (BAD, errors, "error", "errors"),
        (DOUBTFUL, warnings, "warning", "warnings"),
        (STRONG, information, "information", "information"),
        (STRONG, hints, "hint", "hints"),
    ];
    let mut parts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count, _, _)| 0 < *count)
        .map(|(style, count, one, many)| format!("{style}{}{style:#}", plural(count, one, many)))
        .collect();
    if parts.is_empty() {
        parts.push(format!("{GOOD}no problems{GOOD:#}"));
    }
    if 0 < known {
        parts.push(format!("{known} known (in `{KNOWN}`)"));
    }
    let mut line = format!("checked {files} of {harnesses}: {}", parts.join(", "));
    if 0 < fixable {
        line.push_str(&format!(" ({fixable} fixable with `--fix`)"));
    }
    line
}
