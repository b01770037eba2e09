//! The JSON Schemas that are shipped take every manifest, tool file and `task.toml` that the repository itself holds.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use harness_schema::syntax::data::Value;
use harness_schema::syntax::decode::{BadSpans, Entries, Json, decode};
use harness_schema::syntax::toml;
use harness_schema::{manifest, task};

/// Every file with an ending below the directories that hold example harnesses.
fn files(ending: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies below the root");
    let mut open = vec![root.join("tests/examples"), root.join("server/presets")];
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false if path.to_string_lossy().ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    assert!(!found.is_empty(), "no file ends with `{ending}`");
    found
}

fn as_json(root: &Value) -> serde_json::Value {
    Json::Table(decode::<Entries<Json>>(root, &BadSpans::default())).to_json()
}

/// What the schema refuses, as `file: place: message`.
fn refused(schema: &serde_json::Value, files: &[PathBuf]) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let mut refused = Vec::new();
    for file in files {
        let tree = toml::parse(&fs::read_to_string(file).unwrap());
        assert_eq!(tree.errors, [], "{}", file.display());
        let instance = as_json(&tree.root);
        for error in validator.iter_errors(&instance) {
            refused.push(format!("{}: {}: {error}", file.display(), error.instance_path()));
        }
    }
    refused
}

#[test]
fn of_manifests() {
    assert_eq!(refused(&manifest::json_schema(), &files("/harness.toml")), [""; 0]);
}

#[test]
fn of_tasks() {
    assert_eq!(refused(&task::json_schema(), &files("/task.toml")), [""; 0]);
}

#[test]
fn of_tool_files() {
    let tools: Vec<PathBuf> = files(".toml")
        .into_iter()
        .filter(|file| file.parent().is_some_and(|parent| parent.ends_with("tools")))
        .collect();
    assert_eq!(refused(&manifest::tool_json_schema(), &tools), [""; 0]);
}
