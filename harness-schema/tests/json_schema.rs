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

/// Every part of a schema that has a default, with its place.
fn with_defaults<'s>(
    schema: &'s serde_json::Value,
    place: &str,
    found: &mut Vec<(String, &'s serde_json::Value)>,
) {
    match schema {
        serde_json::Value::Object(object) => {
            if object.contains_key("default") && (object.contains_key("type") || object.contains_key("$ref"))
            {
                found.push((place.to_owned(), schema));
            }
            for (key, part) in object.iter().filter(|(key, _)| *key != "default") {
                with_defaults(part, &format!("{place}/{key}"), found);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                with_defaults(item, place, found);
            }
        }
        _ => {}
    }
}

#[test]
fn hold_their_own_defaults() {
    for schema in [manifest::json_schema(), manifest::tool_json_schema(), task::json_schema()] {
        let mut found = Vec::new();
        with_defaults(&schema, "", &mut found);
        assert!(!found.is_empty());
        for (place, part) in found {
            let mut alone = part.clone();
            alone["$defs"] = schema["$defs"].clone();
            // What a table needs is written by whoever writes the table.
            let default = &part["default"];
            if default.as_object().is_some_and(serde_json::Map::is_empty) {
                continue;
            }
            let validator = jsonschema::draft202012::new(&alone).unwrap();
            let wrong: Vec<String> = validator.iter_errors(default).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty() || default.is_object(), "{place}: {wrong:?}");
        }
    }
}

#[test]
fn free_tables_take_any_key() {
    let schema = manifest::json_schema();
    for pointer in [
        "/$defs/Agent/properties/kwargs",
        "/$defs/Agent/properties/environment_kwargs",
        "/$defs/Model/properties/request",
        "/$defs/Tool/properties/parameters",
        "/$defs/Tool/properties/inputSchema",
    ] {
        let free = schema.pointer(pointer).and_then(|free| free.get("additionalProperties"));
        assert_eq!(free, Some(&serde_json::Value::Bool(true)), "{pointer}");
    }
}
