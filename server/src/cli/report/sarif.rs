//! SARIF 2.1.0, for code hosts that show problems at their lines (OASIS, "Static Analysis Results Interchange Format").

use harness_schema::check::{RULES, known};
use harness_schema::path::FilePath;
use harness_schema::problem::{Problem, Rule, Severity};
use serde_json::{Value, json};

use super::Found;
use super::json::place;

/// The whole report.
#[must_use]
pub fn render(found: &[Found]) -> String {
    let results: Vec<Value> = found
        .iter()
        .flat_map(|harness| harness.all().map(|(file, problem)| result(harness, file, problem)))
        .collect();
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "self-harness",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{report:#}\n")
}

fn describe(rule: &Rule) -> Value {
    let about = rule.page.split("\n\n").nth(1).unwrap_or_default();
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": about},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information | Severity::Hint => "note",
    }
}

fn result(found: &Found, file: &FilePath, problem: &Problem) -> Value {
    let text = found.harness.document(file).map(|document| document.text().clone()).unwrap_or_default();
    let (start, end) = (place(&text, problem.span.start), place(&text, problem.span.end));
    let index = RULES.iter().position(|rule| *rule == problem.rule);
    let mut result = json!({
        "ruleId": problem.rule.id,
        "ruleIndex": index,
        "level": level(problem.severity),
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": found.shown(file).replace(' ', "%20")},
            "region": {"startLine": start.0, "startColumn": start.1, "endLine": end.0, "endColumn": end.1},
        }}],
        "partialFingerprints": {"selfHarness/v1": known::digest(file, problem).to_string()},
    });
    if problem.known {
        let why = "listed in harness.known.toml";
        result["suppressions"] = json!([{"kind": "external", "justification": why}]);
    }
    result
}
