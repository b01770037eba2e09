//! For programs: one JSON object. These types are the format, and the format is stable: with `schema` 1 members are added,
//! never renamed or given another meaning. Paths are relative to where the command ran (absolute if they are elsewhere),
//! with `/`; lines and columns count from 1, columns in Unicode scalar values, ends are exclusive; `offset` counts bytes
//! from 0.

use harness_schema::check::{allow, known};
use harness_schema::path::FilePath;
use harness_schema::problem::{self, Problem};
use harness_schema::text::Span;
use serde::Serialize;

use super::{Counts, Found, Report, class_word, word};

/// The version of this format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Output {
    /// The version of the format.
    schema: u32,
    /// Who wrote it.
    tool: Tool,
    /// What was checked, so that an empty list of problems says what is without problems.
    checked: Checked,
    counts: Numbers,
    problems: Vec<One>,
    /// Errors that the project lets pass although they make results invalid or leak (`[[lint.allow]]`).
    allowed: Vec<Allowed>,
    /// What `--fix` solved before; these are not among the problems any more.
    fixed: Vec<Fixed>,
    /// What `--write-known` wrote before.
    known: Vec<KnownList>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Checked {
    files: usize,
    harnesses: Vec<CheckedHarness>,
}

#[derive(Serialize)]
struct CheckedHarness {
    /// Its `harness.toml`.
    manifest: String,
    files: Vec<String>,
}

/// Problems by severity; known ones are counted apart. `fixable` is how many `--fix` would solve.
#[derive(Serialize)]
struct Numbers {
    error: usize,
    warning: usize,
    information: usize,
    hint: usize,
    known: usize,
    fixable: usize,
}

#[derive(Serialize)]
struct One {
    /// The rule's id, `SH104`.
    rule: &'static str,
    /// The rule's name, `unknown-tool`.
    name: &'static str,
    /// `error`, `warning`, `information` or `hint`.
    severity: &'static str,
    /// Whether `harness.known.toml` lists it: it is a hint then and does not count for the exit code.
    known: bool,
    file: String,
    range: Range,
    message: String,
    /// Why it matters; may be empty.
    why: String,
    /// What could be done, best first.
    fixes: Vec<Fix>,
    /// Other places that it is about.
    related: Vec<Related>,
    /// The same for the same problem after edits elsewhere; what `harness.known.toml` lists.
    fingerprint: String,
}

#[derive(Serialize)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: u32,
    column: u32,
    offset: u32,
}

#[derive(Serialize)]
struct Fix {
    title: String,
    /// `safe` (what `--fix` applies), `preview` (look at it first) or `command` (an editor can start or open something).
    class: &'static str,
    /// All of them together, on the text as it was checked.
    changes: Vec<Change>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Change {
    Edit { file: String, range: Range, new_text: String },
    Create { file: String, text: String },
    Move { from: String, to: String },
}

#[derive(Serialize)]
struct Related {
    file: String,
    range: Range,
    message: String,
}

#[derive(Serialize)]
struct Allowed {
    rule: &'static str,
    /// The file or pattern that the entry is limited to.
    file: Option<String>,
    /// The surface that the entry is limited to.
    surface: Option<String>,
    reason: String,
    manifest: String,
    line: u32,
}

#[derive(Serialize)]
struct Fixed {
    rule: &'static str,
    file: String,
    line: u32,
    column: u32,
    message: String,
    title: String,
}

#[derive(Serialize)]
struct KnownList {
    file: String,
    listed: usize,
    added: usize,
    solved: usize,
}

/// The whole report, with a final line break.
#[must_use]
pub fn render(report: &Report) -> String {
    let Counts { errors, warnings, information, hints, known, fixable } = report.counts();
    let output = Output {
        schema: SCHEMA,
        tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
        checked: Checked { files: report.files(), harnesses: report.harnesses.iter().map(checked).collect() },
        counts: Numbers { error: errors, warning: warnings, information, hint: hints, known, fixable },
        problems: report.problems().map(|(found, file, problem)| one(found, file, problem)).collect(),
        allowed: report.harnesses.iter().flat_map(allowed).collect(),
        fixed: report.fixed.iter().map(fixed).collect(),
        known: report.known_lists.iter().map(known_list).collect(),
    };
    // Every map of these types has texts as keys, so this cannot fail.
    let mut text = serde_json::to_string_pretty(&output).unwrap_or_default();
    text.push('\n');
    text
}

fn checked(found: &Found) -> CheckedHarness {
    let files = found.files.iter().map(|file| found.shown(file)).collect();
    CheckedHarness { manifest: found.shown(&found.harness.manifest_path()), files }
}

fn one(found: &Found, file: &FilePath, problem: &Problem) -> One {
    One {
        rule: problem.rule.id,
        name: problem.rule.name,
        severity: word(problem.severity),
        known: problem.known,
        file: found.shown(file),
        range: range(found, file, problem.span),
        message: problem.message.clone(),
        why: problem.why.clone(),
        fixes: problem.fixes.iter().map(|one| fix(found, one)).collect(),
        related: problem
            .related
            .iter()
            .map(|other| Related {
                file: found.shown(&other.location.file),
                range: range(found, &other.location.file, other.location.span),
                message: other.message.clone(),
            })
            .collect(),
        fingerprint: known::digest(file, problem).to_string(),
    }
}

fn fix(found: &Found, fix: &problem::Fix) -> Fix {
    let changes = fix.changes.iter().map(|change| match change {
        problem::Change::Edit { file, edit } => Change::Edit {
            file: found.shown(file),
            range: range(found, file, edit.span),
            new_text: edit.new_text.clone(),
        },
        problem::Change::Create { file, text } => {
            Change::Create { file: found.shown(file), text: text.clone() }
        }
        problem::Change::Move { from, to } => Change::Move { from: found.shown(from), to: found.shown(to) },
    });
    Fix { title: fix.title.clone(), class: class_word(fix.class), changes: changes.collect() }
}

fn range(found: &Found, file: &FilePath, span: Span) -> Range {
    let position = |offset: u32| {
        let place = found.place(file, offset);
        Position { line: place.line, column: place.column, offset }
    };
    Range { start: position(span.start), end: position(span.end) }
}

fn allowed(found: &Found) -> Vec<Allowed> {
    let manifest = found.harness.manifest_path();
    let entries = allow::serious(&found.harness).into_iter();
    let read = |entry: allow::Allowance<'_>| Allowed {
        rule: entry.rule.id,
        file: entry.file.map(str::to_owned),
        surface: entry.surface.map(str::to_owned),
        reason: entry.reason.to_owned(),
        manifest: found.shown(&manifest),
        line: found.place(&manifest, entry.span.start).line,
    };
    entries.map(read).collect()
}

fn fixed(fixed: &super::Fixed) -> Fixed {
    let super::Fixed { file, place, rule, message, title } = fixed.clone();
    Fixed { rule, file, line: place.line, column: place.column, message, title }
}

fn known_list(list: &super::KnownList) -> KnownList {
    let super::KnownList { file, listed, added, solved } = list.clone();
    KnownList { file, listed, added, solved }
}
