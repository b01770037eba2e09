//! For people: each problem with an excerpt, why it matters and what to do; at the end what was checked.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use harness_schema::path::FilePath;
use harness_schema::problem::{FixClass, Problem, Severity};

use super::{Counts, Found, count};

/// The whole report, with terminal colours; who prints it takes them out where nobody sees them.
#[must_use]
pub fn render(found: &[Found]) -> String {
    let mut out = String::new();
    for harness in found {
        for (file, problem) in harness.all() {
            out.push_str(&one(harness, file, problem));
            out.push_str("\n\n");
        }
    }
    out.push_str(&summary(found));
    out.push('\n');
    out
}

fn one(found: &Found, file: &FilePath, problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Information => Level::INFO,
        Severity::Hint => Level::NOTE.with_name("hint"),
    };
    let shown = found.shown(file);
    let source = found.harness.document(file).map(|document| document.source()).unwrap_or_default();
    let range = problem.span.range();
    let end = range.end.min(source.len()).max(range.start.min(source.len()));
    let mut related = Vec::new();
    for other in &problem.related {
        let text = found
            .harness
            .document(&other.location.file)
            .map(|document| document.source())
            .unwrap_or_default();
        if other.location.span.end as usize <= text.len() {
            related.push((found.shown(&other.location.file), text, other));
        }
    }
    let title = level.clone().primary_title(problem.message.as_str()).id(problem.rule.id);
    let annotation = AnnotationKind::Primary.span(range.start.min(source.len())..end);
    let mut snippet = Snippet::source(source).path(shown.as_str()).annotation(annotation);
    for (_, _, other) in related.iter().filter(|(path, _, _)| *path == shown) {
        let span = other.location.span.range();
        snippet = snippet.annotation(AnnotationKind::Context.span(span).label(other.message.as_str()));
    }
    let mut group = title.element(snippet);
    for (path, text, other) in related.iter().filter(|(path, _, _)| *path != shown) {
        let annotation =
            AnnotationKind::Context.span(other.location.span.range()).label(other.message.as_str());
        group = group.element(Snippet::source(*text).path(path.as_str()).annotation(annotation));
    }
    let name =
        format!("`{}`: `self-harness check --explain {}` tells more", problem.rule.name, problem.rule.id);
    if !problem.why.is_empty() {
        group = group.element(Level::NOTE.message(problem.why.as_str()));
    }
    let helps: Vec<String> = problem
        .fixes
        .iter()
        .take(2)
        .map(|fix| match fix.class {
            FixClass::Safe => format!("{} (`--fix` does it)", lower_first(&fix.title)),
            FixClass::Preview | FixClass::Command => lower_first(&fix.title),
        })
        .collect();
    for help in &helps {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    if problem.known {
        group =
            group.element(Level::NOTE.message("known: `harness.known.toml` lists it, so it does not count"));
    }
    group = group.element(Level::NOTE.message(name.as_str()));
    Renderer::styled().render(&[group])
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// One line that says what was checked, so that an empty report never looks like a check that did not happen.
#[must_use]
pub fn summary(found: &[Found]) -> String {
    let files: usize = found.iter().map(|harness| harness.files).sum();
    let checked = format!(
        "checked {} of {}",
        plural(files, "file", "files"),
        plural(found.len(), "harness", "harnesses")
    );
    let Counts { errors, warnings, information, hints, fixable, known } = count(found);
    let mut parts = Vec::new();
    for (count, one, many) in [
        (errors, "error", "errors"),
        (warnings, "warning", "warnings"),
        (information, "information", "information"),
        (hints, "hint", "hints"),
    ] {
        if 0 < count {
            parts.push(plural(count, one, many));
        }
    }
    let mut line = if parts.is_empty() {
        format!("{checked}: no problems")
    } else {
        format!("{checked}: {}", parts.join(", "))
    };
    if 0 < known {
        line.push_str(&format!(", {known} known"));
    }
    if 0 < fixable {
        line.push_str(&format!(" ({fixable} fixable with `--fix`)"));
    }
    line
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
