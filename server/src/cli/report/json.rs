//! For programs: one JSON object, `schema` 1. Lines and columns count from 1, columns in characters.

use harness_schema::check::known;
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, FixClass, Problem};
use harness_schema::text::{Encoding, Span, Text};
use serde_json::{Value, json};

use super::{Found, count, word};

/// The whole report.
#[must_use]
pub fn render(found: &[Found]) -> String {
    let problems: Vec<Value> = found
        .iter()
        .flat_map(|harness| harness.all().map(|(file, problem)| one(harness, file, problem)))
        .collect();
    let counts = count(found);
    let report = json!({
        "schema": 1,
        "problems": problems,
        "checked": {
            "harnesses": found.len(),
            "files": found.iter().map(|harness| harness.files).sum::<usize>(),
        },
        "counts": {
            "error": counts.errors,
            "warning": counts.warnings,
            "information": counts.information,
            "hint": counts.hints,
            "known": counts.known,
            "fixable": counts.fixable,
        },
    });
    format!("{report:#}\n")
}

fn one(found: &Found, file: &FilePath, problem: &Problem) -> Value {
    let fixes: Vec<Value> = problem
        .fixes
        .iter()
        .filter(|fix| fix.class != FixClass::Command)
        .map(|fix| {
            let edits: Vec<Value> = fix
                .changes
                .iter()
                .map(|change| match change {
                    Change::Edit { file, edit } => json!({
                        "file": found.shown(file),
                        "range": range(found, file, edit.span),
                        "newText": edit.new_text,
                    }),
                    Change::Create { file, text } => json!({"create": found.shown(file), "text": text}),
                    Change::Move { from, to } => json!({"move": found.shown(from), "to": found.shown(to)}),
                })
                .collect();
            json!({"title": fix.title, "safe": fix.class == FixClass::Safe, "edits": edits})
        })
        .collect();
    json!({
        "rule": problem.rule.id,
        "name": problem.rule.name,
        "severity": word(problem.severity),
        "known": problem.known,
        "file": found.shown(file),
        "range": range(found, file, problem.span),
        "message": problem.message,
        "why": problem.why,
        "fixes": fixes,
        "fingerprint": known::digest(file, problem).to_string(),
    })
}

/// A span in lines and columns from 1.
#[must_use]
pub fn range(found: &Found, file: &FilePath, span: Span) -> Value {
    let text = found.harness.document(file).map(|document| document.text().clone()).unwrap_or_default();
    let place = |offset: u32| place(&text, offset);
    let (start, end) = (place(span.start), place(span.end));
    json!({"start": {"line": start.0, "column": start.1}, "end": {"line": end.0, "column": end.1}})
}

/// A byte offset as line and column from 1, the column in characters.
#[must_use]
pub fn place(text: &Text, offset: u32) -> (u32, u32) {
    let position = text.position(offset as usize, Encoding::Utf32);
    (position.line + 1, position.column + 1)
}
