//! `[[lint.allow]]`: what a project allows on purpose, and entries that allow nothing: there is nothing to allow (SH014), no
//! such rule (SH003), or no place is named where one is needed (SH004).
//!
//! A suppression is never a comment, because comments in prompts are sent to the model.

use super::fixes::{did_you_mean, near, remove, replace_with};
use super::shape::{MISSING_KEY, WRONG_VALUE};
use super::{RULES, raw};
use crate::glob::Glob;
use crate::harness::{Harness, MANIFEST};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::syntax::data::Value;
use crate::text::Span;

/// SH014.
pub static UNUSED_ALLOW: Rule =
    Rule::new("SH014", "unused-allow", Severity::Hint, include_str!("rules/SH014-unused-allow.md"))
        .unnecessary();

/// An entry as the manifest writes it.
struct Entry<'a> {
    span: Span,
    rule: &'a str,
    written: &'a Value,
    file: Option<&'a str>,
    surface: Option<&'a str>,
    reason: &'a str,
}

/// The entries that are complete; others have problems of their own.
fn entries(harness: &Harness) -> Vec<Entry<'_>> {
    let list = harness.tree().root.at(&["lint", "allow"]).and_then(Value::as_list).unwrap_or_default();
    let read = |value| -> Option<Entry<'_>> {
        let value: &Value = value;
        let text = |key: &str| value.get(key).and_then(Value::as_text);
        let reason = text("reason").filter(|reason| !reason.trim().is_empty())?;
        let (file, surface) = (text("file"), text("surface"));
        let written = value.get("rule")?;
        Some(Entry { span: value.span, rule: written.as_text()?, written, file, surface, reason })
    };
    list.iter().filter_map(read).collect()
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
    let limited = |entry: &Entry<'_>| entry.file.is_some() || entry.surface.is_some();
    entries(harness).into_iter().filter(limited).filter_map(Entry::allowance).collect()
}

impl<'a> Entry<'a> {
    fn allowance(self) -> Option<Allowance<'a>> {
        let rule = super::rule(self.rule)?;
        let Self { span, file, surface, reason, .. } = self;
        is_serious(rule, rule.severity).then_some(Allowance { rule, span, file, surface, reason })
    }
}

/// Drops the problems that an entry of `[[lint.allow]]` covers.
pub(super) fn apply(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let entries = entries(harness);
    problems.retain(|problem| !entries.iter().any(|entry| covers(harness, entry, file, problem)));
}

/// Reports entries that cover no problem of any file, in the manifest.
pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() != MANIFEST {
        return;
    }
    let entries = entries(harness);
    if entries.is_empty() {
        return;
    }
    let found: Vec<(&FilePath, Vec<Problem>)> =
        harness.named_files().map(|named| (named, raw(harness, named))).collect();
    let all =
        || found.iter().flat_map(|(file, problems)| problems.iter().map(move |problem| (*file, problem)));
    // What could not be read, or not as it was meant, may hold what an entry is about.
    let is_blind = all().any(|(_, problem)| BLINDING.contains(&problem.rule.id));
    for entry in entries {
        let Some(rule) = super::rule(entry.rule) else {
            // What has not even the form of a rule's name is said by the shape.
            problems.extend(is_rule_like(entry.rule).then(|| unknown(harness, &entry)));
            continue;
        };
        if !is_rule_like(entry.rule) {
            continue;
        }
        let elsewhere = all().find(|(_, problem)| needs_a_place(&entry, problem));
        if let Some((file, _)) = elsewhere {
            problems.push(nowhere(harness, &entry, file));
        } else if !is_blind
            && !is_unknown_suite(harness, rule)
            && !all().any(|(file, problem)| covers(harness, &entry, file, problem))
        {
            problems.push(unused(harness, &entry));
        }
    }
}

/// The rules whose problems keep others from seeing something.
const BLINDING: [&str; 9] = ["SH001", "SH002", "SH003", "SH004", "SH005", "SH006", "SH009", "SH010", "SH504"];

/// Whether a rule speaks about tasks that are not in the project.
fn is_unknown_suite(harness: &Harness, rule: &Rule) -> bool {
    let is_about_tasks = ["SH5", "SH6"].iter().any(|family| rule.id.starts_with(family));
    is_about_tasks && harness.suite().directory.is_none() && harness.tree().root.get("tasks").is_some()
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

fn unknown(harness: &Harness, entry: &Entry<'_>) -> Problem {
    let document = &harness.manifest_file().document;
    let near = near(entry.rule, RULES.iter().map(|rule| rule.name));
    let span = entry.written.verbatim(document.source()).unwrap_or(entry.written.span);
    let fix = near.map(|near| replace_with(FixClass::Preview, &Location::new(document.path(), span), near));
    Problem::new(&WRONG_VALUE, span, format!("unknown rule `{}`{}", entry.rule, did_you_mean(near)))
        .why("an entry of no rule allows nothing")
        .about(entry.rule)
        .fixes(fix)
}

/// An entry without a place, of a problem in `file` that is allowed in one place only.
fn nowhere(harness: &Harness, entry: &Entry<'_>, file: &FilePath) -> Problem {
    let document = &harness.manifest_file().document;
    let header = harness.header_of(entry.span);
    let message =
        format!("`{}` needs `file` or `surface`: it is allowed in one place, not everywhere", entry.rule);
    let problem = Problem::new(&MISSING_KEY, header, message)
        .why("errors that make results invalid, leak or harm may be allowed only where someone looked")
        .about(format!("lint.allow.{}", entry.rule));
    let is_header = header.of(document.source()).starts_with('[');
    problem.fixes(is_header.then(|| {
        let line = document.text().line_span(document.text().line_of(entry.written.span.start as usize));
        let break_line = if document.source().contains("\r\n") { "\r\n" } else { "\n" };
        let at = Location::new(document.path(), Span::at(line.end as usize));
        Fix::replace(
            FixClass::Preview,
            format!("Insert `file = \"{file}\"`"),
            &at,
            format!("{break_line}file = \"{file}\""),
        )
    }))
}

fn unused(harness: &Harness, entry: &Entry<'_>) -> Problem {
    let document = &harness.manifest_file().document;
    Problem::new(&UNUSED_ALLOW, harness.header_of(entry.span), "nothing to allow here any more")
        .why("an entry that is no longer needed would hide the next problem of its kind")
        .about(entry.rule)
        .fixes(remove(FixClass::Safe, "Remove the entry", document, entry.span))
}

fn is_of(entry: &Entry<'_>, problem: &Problem) -> bool {
    problem.rule.name == entry.rule || problem.rule.id == entry.rule
}

/// Whether an entry would cover a problem if it named its place.
fn needs_a_place(entry: &Entry<'_>, problem: &Problem) -> bool {
    let scoped = entry.file.is_some() || entry.surface.is_some();
    !scoped && is_of(entry, problem) && is_serious(problem.rule, problem.severity)
}

fn covers(harness: &Harness, entry: &Entry<'_>, file: &FilePath, problem: &Problem) -> bool {
    if !is_of(entry, problem) || needs_a_place(entry, problem) {
        return false;
    }
    let in_file = entry.file.is_none_or(|pattern| matches(pattern, file));
    let in_surface = entry.surface.is_none_or(|id| in_surface(harness, id, file, problem.span));
    in_file && in_surface
}

/// Errors of SH0, SH6 and SH7 are allowed in one place only, never in the whole project.
fn is_serious(rule: &Rule, severity: Severity) -> bool {
    severity == Severity::Error && ["SH0", "SH6", "SH7"].iter().any(|family| rule.id.starts_with(family))
}

fn in_surface(harness: &Harness, id: &str, file: &FilePath, span: Span) -> bool {
    harness.surface(id).is_some_and(|surface| surface.holds(file, span))
}

fn matches(pattern: &str, file: &FilePath) -> bool {
    FilePath::parse(pattern).is_ok_and(|pattern| Glob::new(pattern.as_str()).matches(file.as_str()))
}
