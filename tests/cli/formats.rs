//! `check --format json|sarif` and `schema`: what programs read.

use serde_json::{Value, json};

use crate::{Directory, MANIFEST, broken, harness};

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value")
}

/// Related places, a fix over two edits, a known problem, and columns behind characters of two UTF-16 units.
fn rich(name: &str) -> Directory {
    let directory = broken(name);
    directory.run(&["check", "--write-known"]);
    let more = "\n[[tool]]\nname = \"Shell\"\ndescription = \"Runs a command.\"\nbuiltin = \"shell\"\n";
    let manifest = format!("{}{more}", directory.read("harness.toml"));
    directory.write("harness.toml", manifest).write("prompts/system.md", "😀 {{ workdri }}\n");
    directory
}

#[test]
fn the_json_report_is_stable() {
    let check = rich("json-report").run(&["check", "--format", "json"]);
    assert_eq!(check.code, Some(1));
    insta::assert_snapshot!(check.out.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn an_empty_report_says_what_was_checked() {
    let report = read(&harness("json-empty").run(&["check", "--format", "json"]).out);
    assert_eq!(report["schema"], 1);
    assert_eq!(report["problems"], json!([]));
    assert_eq!(
        report["checked"],
        json!({"files": 2, "harnesses": [{"manifest": "harness.toml", "files": ["harness.toml", "prompts/system.md"]}]})
    );
}

#[test]
fn offsets_are_bytes_and_columns_are_characters() {
    let report = read(&rich("json-columns").run(&["check", "--format", "json", "prompts/system.md"]).out);
    assert_eq!(report["problems"][0]["range"]["start"], json!({"line": 1, "column": 6, "offset": 8}));
}

#[test]
fn the_sarif_report_is_sarif() {
    let directory = rich("sarif");
    let check = directory.run(&["check", "--format", "sarif"]);
    assert_eq!(check.code, Some(1));
    let mut report = read(&check.out);
    assert_eq!(report["version"], "2.1.0");
    let run = &mut report["runs"][0];
    let rules = run["tool"]["driver"]["rules"].take();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    let known: Vec<&Value> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result.get("suppressions").is_some())
        .collect();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["ruleId"], "SH304");
    for rule in rules.as_array().unwrap() {
        assert!(
            rule["help"]["markdown"]
                .as_str()
                .unwrap()
                .starts_with(&format!("# {}", rule["id"].as_str().unwrap()))
        );
        assert!(!rule["fullDescription"]["text"].as_str().unwrap().is_empty());
    }
    insta::assert_snapshot!(format!("{:#}", run["results"]));
}

#[test]
fn equal_results_have_two_fingerprints() {
    let directory = harness("sarif-twice");
    directory.write("prompts/system.md", "{{ workdri }}\n{{ workdri }}\n");
    let report = read(&directory.run(&["check", "--format", "sarif"]).out);
    let print = |at: usize| report["runs"][0]["results"][at]["partialFingerprints"]["selfHarness/v1"].clone();
    assert_ne!(print(0), print(1));
}

#[test]
fn addresses_in_sarif_are_escaped() {
    let directory = Directory::new("sarif-uri");
    directory.write("a b/ü#%.d/harness.toml", MANIFEST.replace("system.md", "x:y.md"));
    directory.write("a b/ü#%.d/prompts/x:y.md", "{{ workdri }}\n");
    let report = read(&directory.run(&["check", "--format", "sarif"]).out);
    let location = &report["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "a%20b/%C3%BC%23%25.d/prompts/x%3Ay.md");
}

#[test]
fn the_schema_is_that_of_the_manifest() {
    let directory = Directory::new("schema");
    let printed = directory.run(&["schema"]);
    assert_eq!(printed.code, Some(0));
    assert!(read(&printed.out)["properties"]["runtime"].is_object());
    let written = directory.run(&["schema", "--out", "harness.schema.json"]);
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""));
    assert_eq!(directory.read("harness.schema.json"), printed.out);
    let refused = directory.run(&["schema", "--out", "no/such/place.json"]);
    assert_eq!(refused.code, Some(4));
    assert!(refused.err.starts_with("error: cannot write `no/such/place.json`: "), "{}", refused.err);
}
