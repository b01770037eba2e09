//! `[[lint.allow]]`: what a project allows on purpose, and entries that allow nothing: there is nothing to allow (SH014), no
//! such rule (SH003), or no place is named where one is needed (SH004).
//!
//! A suppression is never a comment, because comments in prompts are sent to the model.

use super::fixes::{did_you_mean, near, remove, replace_with};
use super::{RULES, documents, files, prompts, raw, runtime, shape, surfaces, tasks};
use crate::glob::Glob;
use crate::harness::{Harness, MANIFEST};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::syntax::data::{Style, Value};
use crate::text::Span;

/// SH014.
pub static UNUSED_ALLOW: Rule =
    Rule::new("SH014", "unused-allow", Severity::Hint, include_str!("rules/SH014-unused-allow.md"))
        .unnecessary();

/// An entry as the manifest writes it.
struct Entry<'a> {
    value: &'a Value,
    rule: &'static Rule,
    file: Option<&'a str>,
    pattern: Option<Glob>,
    surface: Option<&'a str>,
    reason: &'a str,
}

/// The entries that are complete; others have problems of their own.
fn entries(harness: &Harness) -> Vec<Entry<'_>> {
    let read = |value| -> Option<Entry<'_>> {
        let value: &Value = value;
        let text = |key: &str| value.get(key).and_then(Value::as_text);
        let reason = text("reason").filter(|reason| !reason.trim().is_empty())?;
        let rule = named(text("rule")?)?;
        let file = text("file");
        let pattern = file.and_then(|file| Some(Glob::new(FilePath::parse(file).ok()?.as_str())));
        Some(Entry { value, rule, file, pattern, surface: text("surface"), reason })
    };
    written(harness).iter().filter_map(read).collect()
}

fn written(harness: &Harness) -> &[Value] {
    harness.tree().root.at(&["lint", "allow"]).and_then(Value::as_list).unwrap_or_default()
}

/// A rule exactly as the shape has it: a value of a wrong form is not read.
fn named(word: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == word || rule.id == word)
}

/// An entry of `[[lint.allow]]` that lets errors pass which could make results invalid or leak. Every report lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance<'a> {
    /// The rule.
    pub rule: &'static Rule,
    /// The entry in the manifest.
    pub span: Span,
    /// The file or pattern that it is limited to.
    pub file: Option<&'a str>,
    /// The surface that it is limited to.
    pub surface: Option<&'a str>,
    /// Why, in the project's words.
    pub reason: &'a str,
}

/// The entries that let errors of SH0, SH6 and SH7 pass, in the order of the manifest.
#[must_use]
pub fn serious(harness: &Harness) -> Vec<Allowance<'_>> {
    let serious = |entry: &Entry<'_>| entry.is_limited() && is_serious(entry.rule, entry.rule.severity);
    let entries = entries(harness).into_iter().filter(serious);
    entries
        .map(|entry| {
            let Entry { value, rule, file, surface, reason, .. } = entry;
            Allowance { rule, span: value.span, file, surface, reason }
        })
        .collect()
}

/// Drops the problems that an entry of `[[lint.allow]]` covers.
pub(super) fn apply(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let entries = entries(harness);
    problems.retain(|problem| !entries.iter().any(|entry| entry.covers(harness, file, problem)));
}

/// Reports entries that cover no problem of any file, in the manifest.
pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() != MANIFEST {
        return;
    }
    problems.extend(written(harness).iter().filter_map(|entry| unknown(harness, entry)));
    for entry in entries(harness) {
        let concerned: Vec<&FilePath> =
            harness.named_files().filter(|named| entry.may_concern(harness, named)).collect();
        let covers = |named: &&FilePath| {
            raw(harness, named).iter().any(|problem| entry.covers(harness, named, problem))
        };
        let needs_a_place =
            |named: &&FilePath| raw(harness, named).iter().any(|problem| entry.needs_a_place(problem));
        let is_used = concerned.iter().any(covers);
        let is_open = !is_used && !entry.is_limited() && is_serious(entry.rule, entry.rule.severity);
        if is_open || concerned.iter().any(needs_a_place) {
            problems.push(unlimited(harness, &entry));
        } else if is_used {
            continue;
        } else if is_judged(harness, &entry, &concerned) {
            problems.push(unused(harness, &entry));
        }
    }
}

/// What has the form of a rule's name and is none; what has not even that is said by the shape.
fn unknown(harness: &Harness, entry: &Value) -> Option<Problem> {
    let value = entry.get("rule")?;
    let word = value.as_text().filter(|word| is_rule_like(word) && named(word).is_none())?;
    let document = &harness.manifest_file().document;
    let near = near(word, RULES.iter().map(|rule| rule.name));
    let span = value.verbatim(document.source()).unwrap_or(value.span);
    let fix = near.map(|near| replace_with(FixClass::Preview, &Location::new(document.path(), span), near));
    let message = format!("unknown rule `{word}`{}", did_you_mean(near));
    let problem = Problem::new(&shape::WRONG_VALUE, span, message);
    Some(problem.why("an entry of no rule allows nothing").about(word).fixes(fix))
}

fn is_rule_like(word: &str) -> bool {
    let id = word
        .strip_prefix("SH")
        .is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let is_name = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    id || is_name(word)
}

fn unused(harness: &Harness, entry: &Entry<'_>) -> Problem {
    let document = &harness.manifest_file().document;
    // Of a surface that is not there nobody knows whether its name is the mistake.
    let is_known = entry.surface.is_none_or(|id| harness.surface(id).is_some());
    let class = if is_known { FixClass::Safe } else { FixClass::Preview };
    Problem::new(&UNUSED_ALLOW, harness.header_of(entry.value.span), "nothing to allow here any more")
        .why("an entry that is no longer needed would hide the next problem of its kind")
        .about(entry.rule.name)
        .fixes(remove(class, "Remove the entry", document, entry.value.span))
}

/// An entry that would let such errors pass everywhere, and so lets none pass.
fn unlimited(harness: &Harness, entry: &Entry<'_>) -> Problem {
    let message = format!(
        "`{}` needs `file` or `surface`: it is allowed in one place, not everywhere",
        entry.rule.name
    );
    let problem = Problem::new(&shape::MISSING_KEY, harness.header_of(entry.value.span), message)
        .why("errors that make results invalid, leak or harm may be allowed only where someone looked")
        .about(format!("lint.allow.{}", entry.rule.name));
    let has_one = |named: &&FilePath| raw(harness, named).iter().any(|problem| problem.rule == entry.rule);
    let files = harness.named_files().filter(has_one).take(3);
    problem.fixes(files.filter_map(|file| limit_to(harness, entry, file)))
}

fn limit_to(harness: &Harness, entry: &Entry<'_>, file: &FilePath) -> Option<Fix> {
    let document = &harness.manifest_file().document;
    let rule = entry.value.entry("rule")?.span();
    let (at, text) = match entry.value.as_table()?.style {
        Style::Flow => (rule.end as usize, format!(", file = \"{file}\"")),
        _ => {
            let line = document.text().line_span(document.text().line_of(rule.end as usize));
            (line.end as usize, format!("\nfile = \"{file}\""))
        }
    };
    let at = Location::new(document.path(), Span::at(at));
    Some(Fix::replace(FixClass::Preview, format!("Limit it to `{file}`"), &at, text))
}

/// Problems after which nobody knows whether there would be another one.
static BLOCKING: &[&Rule] = &[
    &documents::SYNTAX_ERROR,
    &shape::UNKNOWN_KEY,
    &shape::WRONG_VALUE,
    &shape::MISSING_KEY,
    &shape::NEWER_SCHEMA,
    &files::MISSING_FILE,
    &files::PATH_OUTSIDE,
    &files::NOT_CHECKED,
    &surfaces::SURFACE_NOT_FOUND,
    &surfaces::SURFACE_AMBIGUOUS,
    &prompts::TEMPLATE_SYNTAX,
    &tasks::NO_SUCH_TASK,
];

/// Whether what an entry is about could be checked at all: an entry is not to go because of another mistake.
fn is_judged(harness: &Harness, entry: &Entry<'_>, concerned: &[&FilePath]) -> bool {
    let manifest = harness.manifest_path();
    let blocks = |file: &FilePath| raw(harness, file).iter().any(|problem| BLOCKING.contains(&problem.rule));
    let is_about_tasks = ["SH5", "SH6", "SH7"].iter().any(|family| entry.rule.id.starts_with(family))
        || entry.rule == &runtime::LIMITS_CONTRADICT
        || (entry.file.is_some() && concerned.is_empty());
    // Tasks of a preset or a data set are elsewhere.
    let suite = harness.suite();
    let lacks_tasks =
        harness.tree().root.get("tasks").is_some() && (suite.directory.is_none() || suite.tasks.is_empty());
    let is_elsewhere = is_about_tasks && lacks_tasks;
    let mut files = std::iter::once(&manifest).chain(concerned.iter().copied());
    harness.unread().is_empty() && !is_elsewhere && !files.any(blocks)
}

impl Entry<'_> {
    /// Whether it is for one place and not for the whole project.
    fn is_limited(&self) -> bool {
        self.file.is_some() || self.surface.is_some()
    }

    /// Whether it would cover a problem if it named its place.
    fn needs_a_place(&self, problem: &Problem) -> bool {
        problem.rule == self.rule && !self.is_limited() && is_serious(problem.rule, problem.severity)
    }

    fn covers(&self, harness: &Harness, file: &FilePath, problem: &Problem) -> bool {
        problem.rule == self.rule
            && !self.needs_a_place(problem)
            && self.is_for(file)
            && self.surface.is_none_or(|id| in_surface(harness, id, file, problem.span))
    }

    fn may_concern(&self, harness: &Harness, file: &FilePath) -> bool {
        let may_be_there = |id: &str| {
            let is_in = |surface: &crate::harness::Placed| {
                surface.places.iter().any(|place| place.target == *file || place.file == *file)
            };
            file.as_str() == MANIFEST || harness.surface(id).is_some_and(is_in)
        };
        self.is_for(file) && self.surface.is_none_or(may_be_there)
    }

    fn is_for(&self, file: &FilePath) -> bool {
        let matches = || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(file.as_str()));
        self.file.is_none_or(|written| written == file.as_str() || matches())
    }
}

/// Errors of SH0, SH6 and SH7 are allowed in one place only, never in the whole project.
fn is_serious(rule: &Rule, severity: Severity) -> bool {
    severity == Severity::Error && ["SH0", "SH6", "SH7"].iter().any(|family| rule.id.starts_with(family))
}

fn in_surface(harness: &Harness, id: &str, file: &FilePath, span: Span) -> bool {
    harness.surface(id).is_some_and(|surface| surface.holds(file, span))
}
