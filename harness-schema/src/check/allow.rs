//! `[[lint.allow]]`: what a project allows on purpose, and entries that allow nothing (SH014).
//!
//! A suppression is never a comment, because comments in prompts are sent to the model.

use super::fixes::remove;
use super::raw;
use crate::glob::Glob;
use crate::harness::{Harness, MANIFEST};
use crate::path::FilePath;
use crate::problem::{FixClass, Problem, Rule, Severity};
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
        Some(Entry { span: value.span, rule: text("rule")?, file, surface, reason })
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
    for entry in entries(harness) {
        if super::rule(entry.rule).is_none() {
            continue;
        }
        let used = harness.named_files().any(|named| {
            may_concern(harness, &entry, named)
                && raw(harness, named).iter().any(|problem| covers(harness, &entry, named, problem))
        });
        if !used {
            problems.push(unused(harness, &entry));
        }
    }
}

fn unused(harness: &Harness, entry: &Entry<'_>) -> Problem {
    let document = &harness.manifest_file().document;
    Problem::new(&UNUSED_ALLOW, harness.header_of(entry.span), "nothing to allow here any more")
        .why("an entry that is no longer needed would hide the next problem of its kind")
        .about(entry.rule)
        .fix(remove(FixClass::Safe, "Remove the entry", document, entry.span))
}

fn covers(harness: &Harness, entry: &Entry<'_>, file: &FilePath, problem: &Problem) -> bool {
    if problem.rule.name != entry.rule && !problem.rule.id.eq_ignore_ascii_case(entry.rule) {
        return false;
    }
    let scoped = entry.file.is_some() || entry.surface.is_some();
    if !scoped && is_serious(problem.rule, problem.severity) {
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

fn may_concern(harness: &Harness, entry: &Entry<'_>, file: &FilePath) -> bool {
    let in_file = entry.file.is_none_or(|pattern| matches(pattern, file));
    let in_surface = entry.surface.is_none_or(|id| {
        file.as_str() == MANIFEST || harness.surface(id).is_some_and(|surface| surface.file() == Some(file))
    });
    in_file && in_surface
}

fn in_surface(harness: &Harness, id: &str, file: &FilePath, span: Span) -> bool {
    harness.surface(id).is_some_and(|surface| surface.holds(file, span))
}

fn matches(pattern: &str, file: &FilePath) -> bool {
    FilePath::parse(pattern).is_ok_and(|pattern| Glob::new(pattern.as_str()).matches(file.as_str()))
}
