//! What can be wrong without running anything. Pure: no clock, no process, no file outside of the harness it is given.
//!
//! One file holds one family of rules. A family looks at one file of a harness at a time and reports what is wrong in
//! that file; what concerns several files is reported where it would be repaired.

mod fixes;
mod keys;
mod commands;
mod environment;
mod present;
pub mod known;
pub mod documents;
pub mod shape;
pub mod files;
pub mod ids;
pub mod agent;
pub mod secrets;
pub mod prompts;
pub mod surfaces;
pub mod protected;
mod surface_keys;
pub mod prose;
pub mod tools;
pub mod runtime;
pub mod orchestration;
mod task_keys;
pub mod tasks;
pub mod leaks;
pub mod allow;

use std::collections::BTreeMap;

use crate::files::Content;
use crate::harness::Harness;
use crate::path::FilePath;
use crate::problem::{Problem, Rule};
use crate::text::Span;

/// At most so many problems of one rule are reported in one file; one more line tells how many there are.
pub const MAX_PER_RULE: usize = 100;

/// A family of rules: what is wrong in one file.
type Family = fn(&Harness, &FilePath, &mut Vec<Problem>);

/// The families, in the order of their rules.
const FAMILIES: &[Family] = &[
    documents::check,
    shape::family,
    files::check,
    ids::check,
    agent::check,
    surfaces::check,
    protected::check,
    surface_keys::check,
    prompts::check,
    prose::check,
    tools::check,
    runtime::check,
    orchestration::check,
    tasks::check,
    leaks::check,
    secrets::check,
];

/// All rules, by id.
pub static RULES: &[&Rule] = &[
    &documents::SYNTAX_ERROR,
    &shape::UNKNOWN_KEY,
    &shape::WRONG_VALUE,
    &shape::MISSING_KEY,
    &files::MISSING_FILE,
    &files::PATH_OUTSIDE,
    &ids::DUPLICATE_ID,
    &shape::NO_EFFECT,
    &shape::NEWER_SCHEMA,
    &files::NOT_CHECKED,
    &shape::MACHINE_KEY,
    &agent::NO_TRANSCRIPT,
    &agent::NOTHING_TO_CHANGE,
    &allow::UNUSED_ALLOW,
    &agent::UNKNOWN_PLACEHOLDER,
    &surfaces::SURFACE_NOT_FOUND,
    &surfaces::SURFACE_AMBIGUOUS,
    &surfaces::SURFACE_OVERLAP,
    &surfaces::SELECTOR_MISMATCH,
    &surfaces::PLACEHOLDER_LOST,
    &surfaces::SURFACE_OVER_LIMIT,
    &protected::PROTECTED_SURFACE,
    &prompts::UNDEFINED_VARIABLE,
    &prompts::UNUSED_VARIABLE,
    &prompts::TEMPLATE_SYNTAX,
    &prose::UNKNOWN_TOOL,
    &prompts::PROMPT_TOO_LONG,
    &prompts::EMPTY_PROMPT,
    &prose::INVISIBLE_CHARACTER,
    &prose::COMMENT_IS_SENT,
    &ids::DUPLICATE_TOOL,
    &tools::INVALID_PARAMETERS,
    &tools::UNREACHABLE_TOOL,
    &tools::NO_DESCRIPTION,
    &tools::ILLEGAL_TOOL_NAME,
    &tools::MISSING_PROGRAM,
    &runtime::RULE_ACTION,
    &runtime::NO_BUDGET,
    &runtime::LIMITS_CONTRADICT,
    &runtime::UNKNOWN_DETECTOR,
    &runtime::NOT_A_TRIGGER,
    &runtime::RULE_NEVER_FIRES,
    &runtime::ONE_REPEAT,
    &runtime::FLOATING_MODEL,
    &runtime::COST_WITHOUT_PRICE,
    &orchestration::UNKNOWN_STATE,
    &orchestration::UNREACHABLE_STATE,
    &orchestration::NO_WAY_OUT,
    &orchestration::UNKNOWN_STATE_TOOL,
    &tasks::MISSING_VERIFIER,
    &tasks::MISSING_INSTRUCTION,
    &tasks::UNKNOWN_TASK_KEY,
    &tasks::NO_SUCH_TASK,
    &tasks::SPLIT_OVERLAP,
    &tasks::EMPTY_SPLIT,
    &tasks::SPLIT_CONFLICT,
    &tasks::SPLIT_TOO_SMALL,
    &tasks::UNUSED_TASK,
    &leaks::HELD_OUT_LEAK,
    &leaks::SEALED_LEAK,
    &leaks::VERIFIER_VISIBLE,
    &leaks::CANARY_LEAK,
    &secrets::SECRET_LITERAL,
    &secrets::PLAIN_HTTP,
    &secrets::SECRET_IN_ENVIRONMENT,
    &secrets::PRIVILEGED_TASK,
];

/// The rule with an id (`SH104`) or name (`unknown-tool`).
#[must_use]
pub fn rule(word: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == word || rule.id.eq_ignore_ascii_case(word)).copied()
}

/// The problems of one file of a harness, in the order of the text. A file that the harness does not name has none.
#[must_use]
pub fn file(harness: &Harness, file: &FilePath) -> Vec<Problem> {
    cap(uncapped(harness, file))
}

/// The problems of one file, however many there are of one rule: what is listed as known must be listed whole.
#[must_use]
pub fn uncapped(harness: &Harness, file: &FilePath) -> Vec<Problem> {
    if !harness.names(file) {
        return Vec::new();
    }
    let mut problems = raw(harness, file).to_vec();
    allow::apply(harness, file, &mut problems);
    let mut of_allow = Vec::new();
    allow::check(harness, file, &mut of_allow);
    of_allow.iter_mut().for_each(|problem| present::finish(harness, problem));
    problems.extend(of_allow);
    in_order(&mut problems);
    number_twins(&mut problems);
    known::mark(harness, file, &mut problems);
    in_order(&mut problems);
    problems
}

/// The problems of all files of a harness; files without any are left out.
#[must_use]
pub fn all(harness: &Harness) -> BTreeMap<FilePath, Vec<Problem>> {
    let files = harness.named_files();
    let each = files.map(|path| (path.clone(), file(harness, path)));
    each.filter(|(_, problems)| !problems.is_empty()).collect()
}

/// What the families find, whatever is allowed or known; found once for a harness, however often it is asked for.
fn raw<'a>(harness: &'a Harness, file: &FilePath) -> &'a [Problem] {
    harness.found_once(file, || find(harness, file))
}

/// Runs the families. Nothing is said about the inside of a broken region but that it is broken.
fn find(harness: &Harness, file: &FilePath) -> Vec<Problem> {
    #[cfg(test)]
    tests::PASSES.with(|passes| passes.set(passes.get() + 1));
    let mut problems = Vec::new();
    // Nothing is known of what could not be read; of a manifest an empty document stands in for it.
    match harness.files().content(file) {
        Some(Content::Opaque(_)) => files::check(harness, file, &mut problems),
        Some(Content::Unread) => {}
        Some(Content::Text(_)) | None => in_text(harness, file, &mut problems),
    }
    problems.iter_mut().for_each(|problem| present::finish(harness, problem));
    problems
}

fn in_text(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    for family in FAMILIES {
        family(harness, file, problems);
    }
    // What a newer format means is not known, and a key in the wrong place is one mistake.
    let is_newer = shape::is_newer(harness);
    let keys: Vec<Span> = problems
        .iter()
        .filter(|problem| problem.rule == &secrets::SECRET_LITERAL)
        .map(|problem| problem.span)
        .collect();
    problems.retain(|problem| {
        let rule = problem.rule;
        if is_newer {
            return rule == &shape::NEWER_SCHEMA || rule == &documents::SYNTAX_ERROR;
        }
        rule == &secrets::SECRET_LITERAL
            || !keys.iter().any(|key| problem.span.contains(*key) || key.contains(problem.span))
    });
    let broken: Vec<Span> = harness.broken_regions(file);
    problems.retain(|problem| {
        problem.rule == &documents::SYNTAX_ERROR || !broken.iter().any(|region| region.contains(problem.span))
    });
}

/// Counts the equal ones before each, so that each of them is another.
fn number_twins(problems: &mut [Problem]) {
    let mut seen: rustc_hash::FxHashMap<(&str, String, String), u32> = rustc_hash::FxHashMap::default();
    for problem in problems {
        let twins =
            seen.entry((problem.rule.id, problem.symbol.clone(), problem.message.clone())).or_default();
        problem.twin = *twins;
        *twins += 1;
    }
}

fn in_order(problems: &mut [Problem]) {
    problems.sort_by(|a, b| (a.span, a.rule.id, &a.message).cmp(&(b.span, b.rule.id, &b.message)));
}

fn cap(problems: Vec<Problem>) -> Vec<Problem> {
    // Known ones are counted apart: they must not push out a new one, nor make the line for the rest an error.
    let mut counts: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut kept: Vec<Problem> = Vec::with_capacity(problems.len().min(MAX_PER_RULE));
    let mut rest: BTreeMap<(&str, bool), Problem> = BTreeMap::new();
    for problem in problems {
        let kind = (problem.rule.id, problem.known);
        let count = counts.entry(kind).or_default();
        *count += 1;
        if *count <= MAX_PER_RULE {
            kept.push(problem);
        } else {
            rest.entry(kind).or_insert(problem);
        }
    }
    for (kind, first) in rest {
        let more = counts.get(&kind).copied().unwrap_or_default() - MAX_PER_RULE;
        let message = format!("{more} more of `{}`", first.rule.name);
        let line = Problem::new(first.rule, first.span, message).severity(first.severity);
        kept.push(Problem { known: first.known, ..line });
    }
    in_order(&mut kept);
    kept
}

#[cfg(test)]
mod tests;
