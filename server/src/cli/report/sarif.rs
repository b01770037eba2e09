//! SARIF 2.1.0, for code hosts that show problems at their lines (OASIS, "Static Analysis Results Interchange Format").
//! Section numbers below are those of the standard.

use std::collections::BTreeMap;

use harness_schema::check::{RULES, known};
use harness_schema::digest::Digest;
use harness_schema::harness::KNOWN;
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Fix, Problem, Rule, Severity};
use harness_schema::text::Span;
use serde_json::{Map, Value, json};

use super::{Found, Report, Root, class_word};

/// The whole report, with a final line break.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut seen: BTreeMap<Digest, usize> = BTreeMap::new();
    let results: Vec<Value> = report
        .problems()
        .map(|(found, file, problem)| {
            let digest = known::digest(file, problem);
            let count = seen.entry(digest).or_default();
            *count += 1;
            // Code hosts take two results with one fingerprint for one.
            let nth = if 1 < *count { format!(":{count}") } else { String::new() };
            result(found, file, problem, &format!("{digest}{nth}"))
        })
        .collect();
    let artifacts: Vec<Value> = report
        .harnesses
        .iter()
        .flat_map(|found| {
            found.files.iter().map(|file| {
                json!({
                    "location": location(found, file), "roles": ["analysisTarget"],
                })
            })
        })
        .collect();
    let output = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
            }},
            // 3.20: that a check came to its end is said, not guessed from an empty list.
            "invocations": [{"executionSuccessful": true}],
            "automationDetails": {"id": "self-harness/check/"},
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts,
            "results": results,
        }],
    });
    format!("{output:#}\n")
}

fn describe(rule: &Rule) -> Value {
    // A page is: heading, what is checked, sections.
    let about = rule.page.split("\n\n").nth(1).unwrap_or_default().replace('\n', " ");
    json!({
        "id": rule.id,
        "name": pascal(rule.name),
        "shortDescription": {"text": rule.name.replace('-', " ")},
        "fullDescription": {"text": about},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {
            "precision": if rule.prose { "high" } else { "very-high" },
            "tags": tags(rule),
        },
    })
}

/// 3.49.7 asks for a name that reads like an identifier.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>())
    };
    name.split('-').filter_map(word).collect()
}

fn tags(rule: &Rule) -> Vec<&'static str> {
    match rule.id.get(..3) {
        Some("SH7") => vec!["security"],
        Some("SH6") => vec!["correctness", "leak"],
        _ if rule.unnecessary => vec!["maintainability"],
        _ => vec!["correctness"],
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information | Severity::Hint => "note",
    }
}

fn result(found: &Found, file: &FilePath, problem: &Problem, fingerprint: &str) -> Value {
    let message = match problem.why.as_str() {
        "" => problem.message.clone(),
        why => format!("{}\n{why}", problem.message),
    };
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("ruleId", json!(problem.rule.id));
    put("ruleIndex", json!(RULES.iter().position(|rule| *rule == problem.rule)));
    put("level", json!(level(problem.severity)));
    put("message", json!({"text": message}));
    put("locations", json!([{"physicalLocation": place(found, file, problem.span)}]));
    if !problem.related.is_empty() {
        let others = problem.related.iter().enumerate().map(|(at, other)| {
            json!({
                "id": at,
                "message": {"text": other.message},
                "physicalLocation": place(found, &other.location.file, other.location.span),
            })
        });
        put("relatedLocations", others.collect());
    }
    let fixes: Vec<Value> = problem.fixes.iter().filter_map(|one| fix(found, one)).collect();
    if !fixes.is_empty() {
        put("fixes", Value::from(fixes));
    }
    put("partialFingerprints", json!({"selfHarness/v1": fingerprint}));
    if problem.known {
        let why = format!("listed in {KNOWN}");
        put("suppressions", json!([{"kind": "external", "status": "accepted", "justification": why}]));
    }
    Value::Object(members)
}

/// 3.55; a fix that creates or moves files has no form there.
fn fix(found: &Found, fix: &Fix) -> Option<Value> {
    let mut files: BTreeMap<&FilePath, Vec<Value>> = BTreeMap::new();
    for change in &fix.changes {
        let Change::Edit { file, edit } = change else { return None };
        let mut replacement = json!({"deletedRegion": region(found, file, edit.span)});
        if !edit.new_text.is_empty() {
            replacement["insertedContent"] = json!({"text": edit.new_text});
        }
        files.entry(file).or_default().push(replacement);
    }
    if files.is_empty() {
        return None;
    }
    let changes = files.into_iter().map(
        |(file, replacements)| json!({"artifactLocation": location(found, file), "replacements": replacements}),
    );
    Some(json!({
        "description": {"text": fix.title},
        "artifactChanges": changes.collect::<Vec<_>>(),
        "properties": {"class": class_word(fix.class)},
    }))
}

fn place(found: &Found, file: &FilePath, span: Span) -> Value {
    let location = location(found, file);
    // A file without a text has no regions.
    match found.harness.document(file) {
        Some(_) => json!({"artifactLocation": location, "region": region(found, file, span)}),
        None => json!({"artifactLocation": location}),
    }
}

/// 3.30; columns count from 1 and the end is exclusive, as `columnKind` says in Unicode scalar values.
fn region(found: &Found, file: &FilePath, span: Span) -> Value {
    let (start, end) = (found.place(file, span.start), found.place(file, span.end));
    json!({
        "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
    })
}

/// 3.4: relative to where the command ran, which a code host takes for the root of the repository.
fn location(found: &Found, file: &FilePath) -> Value {
    let shown = found.shown(file);
    let mut uri = String::with_capacity(shown.len());
    if matches!(found.root, Root::Elsewhere(_)) {
        uri.push_str(if shown.starts_with('/') { "file://" } else { "file:///" });
    }
    for byte in shown.bytes() {
        match byte {
            // Unreserved characters and those that a path may hold (RFC 3986, 3.3); `:` could be read as a scheme.
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'/'
            | b'@'
            | b'+'
            | b','
            | b'=' => {
                uri.push(char::from(byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    json!({"uri": uri})
}
