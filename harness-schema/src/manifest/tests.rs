//! Every key is read, has its default, and stands in the JSON Schema that is shipped.

use proptest::prelude::*;
use serde_json::Value as JsonValue;

use super::*;
use crate::check;
use crate::path::FilePath;
use crate::problem::Problem;
use crate::shape::{self, Field, Form, Shape};
use crate::syntax::data::{Kind, Value};
use crate::syntax::decode::{Entries, Json};
use crate::syntax::{json, toml};

/// All keys of `formats` 1, none with its default. Keys of all kinds of agents together: who reads them is another rule's
/// business (SH008).
const FULL: &str = include_str!("../../tests/fixtures/every-key.harness.toml");

fn file(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

fn decoded(text: &str) -> Manifest {
    Manifest::decode(&toml::parse(text), &BadSpans::default())
}

fn problems(text: &str) -> Vec<Problem> {
    check::shape::check(&toml::parse(text), shape::manifest(), &file("harness.toml"), text).0
}

fn as_json(root: &Value) -> JsonValue {
    Json::Table(decode::<Entries<Json>>(root, &BadSpans::default())).to_json()
}

fn validator(schema: &JsonValue) -> jsonschema::Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

#[test]
fn the_json_schema_is_the_one_that_is_shipped() {
    insta::assert_snapshot!("harness.schema.json", serde_json::to_string_pretty(&json_schema()).unwrap());
    insta::assert_snapshot!("tool.schema.json", serde_json::to_string_pretty(&tool_json_schema()).unwrap());
}

#[test]
fn the_json_schemas_are_json_schemas() {
    for schema in [json_schema(), tool_json_schema(), crate::task::json_schema()] {
        assert!(jsonschema::meta::is_valid(&schema));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

#[test]
fn the_example_with_all_keys_is_right_for_both_readers() {
    let said: Vec<_> = problems(FULL).into_iter().map(|problem| problem.message).collect();
    assert_eq!(said, [""; 0]);
    let validator = validator(&json_schema());
    let instance = as_json(&toml::parse(FULL).root);
    let errors: Vec<_> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

/// The paths of all keys with a meaning, items of lists left out.
fn all_keys(shape: &Shape, path: &str, keys: &mut Vec<(String, Field)>) {
    for field in shape.fields() {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        keys.push((path.clone(), field.clone()));
        match &field.shape.form {
            Form::List(list) => all_keys(&list.item, &path, keys),
            Form::Table(_) => all_keys(&field.shape, &path, keys),
            // What may stand inside of a text is the text's business.
            _ => {}
        }
    }
}

/// The tree without every entry at a path.
fn without(value: &mut Value, path: &[&str]) -> usize {
    match (&mut value.kind, path) {
        (Kind::List(list), path) => list.items.make_mut().iter_mut().map(|item| without(item, path)).sum(),
        (Kind::Table(table), [last]) => {
            let before = table.entries.len();
            table.entries.retain(|entry| &*entry.key.name != *last);
            before - table.entries.len()
        }
        (Kind::Table(table), [first, rest @ ..]) => {
            let inside = table.entries.make_mut().iter_mut().filter(|entry| &*entry.key.name == *first);
            inside.map(|entry| without(&mut entry.value, rest)).sum()
        }
        _ => 0,
    }
}

#[test]
fn every_key_is_read() {
    let full = decoded(FULL);
    let mut keys = Vec::new();
    all_keys(shape::manifest(), "", &mut keys);
    assert!(120 < keys.len(), "{}", keys.len());
    for (path, _) in keys {
        let mut tree = toml::parse(FULL);
        let parts: Vec<&str> = path.split('.').collect();
        assert_ne!(without(&mut tree.root, &parts), 0, "the example has no `{path}`");
        let less = Manifest::decode(&tree, &BadSpans::default());
        assert_ne!(format!("{less:?}"), format!("{full:?}"), "`{path}` is not read");
    }
}

#[test]
fn every_default_is_the_documented_one() {
    assert_eq!(decoded(""), Manifest::default());
    let mut keys = Vec::new();
    all_keys(shape::manifest(), "", &mut keys);
    let line = |(path, field): &(String, Field)| Some(format!("{path} = {}", field.default.as_ref()?));
    insta::assert_snapshot!("defaults", keys.iter().filter_map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn values_have_their_places() {
    let text = "schema = 1\nmodel.name = \"m\"\n[[runtime.rule]]\nid = \"a\"\nwhen = { step = 3 }\n";
    let manifest = decoded(text);
    assert_eq!(manifest.model.name.span.of(text), "\"m\"");
    assert!(!manifest.model.endpoint.is_written() && manifest.model.endpoint.written().is_none());
    let rule = &manifest.runtime.rule[0];
    assert_eq!(rule.when.step.as_ref().map(|step| (step.value, step.span.of(text))), Some((3, "3")));
    assert!(rule.span.of(text).starts_with("[[runtime.rule]]"));
}

#[test]
fn texts_stand_in_files_or_in_the_manifest() {
    let text = "[prompt]\nsystem = \"a.md\"\ntask = { text = \"Do.\" }\n[prompt.variables]\nb = \"x\"\na = { file = \"a.txt\" }\n";
    let prompt = decoded(text).prompt.value;
    assert_eq!(prompt.system.as_ref().and_then(|system| system.file()), Some("a.md"));
    let task = prompt.task.as_ref().and_then(|task| task.inline());
    assert_eq!(task.map(|task| (task.as_str(), task.span.of(text))), Some(("Do.", "\"Do.\"")));
    let variables: Vec<_> =
        prompt.variables.iter().map(|(name, value)| (name.as_str(), &value.value)).collect();
    assert!(
        matches!(variables.as_slice(), [("b", Variable::Value(x)), ("a", Variable::File(file))] if x == "x" && file.as_str() == "a.txt")
    );
}

#[test]
fn a_tool_is_the_same_in_toml_and_json() {
    let toml = "name = \"grep\"\ndescription = { text = \"Searches.\" }\nrun = [\"grep\", \"{pattern}\"]\ntimeout = \"5s\"\n[parameters]\ntype = \"object\"\n";
    let json_text = r#"{"name": "grep", "description": {"text": "Searches."}, "run": ["grep", "{pattern}"], "timeout": "5s", "inputSchema": {"type": "object"}}"#;
    let from_toml = Tool::decode(&toml::parse(toml), &BadSpans::default());
    let from_json = Tool::decode(&json::parse(json_text), &BadSpans::default());
    let said = |tool: &Tool| {
        let run: Vec<String> =
            tool.run.iter().flat_map(|run| run.iter().map(|part| part.value.clone())).collect();
        (
            tool.name.value.clone(),
            run,
            tool.timeout.map(|timeout| timeout.value),
            tool.schema().map(|schema| schema.to_json()),
        )
    };
    assert_eq!(said(&from_toml), said(&from_json));
    assert_eq!(from_json.timeout.map(|timeout| timeout.to_string()).as_deref(), Some("5s"));
    assert!(validator(&tool_json_schema()).is_valid(&as_json(&json::parse(json_text).root)));
}

#[test]
fn both_readers_refuse_the_same_mistakes() {
    let validator = validator(&json_schema());
    let minimal = "schema = 1\n[model]\nname = \"m\"\nendpoint = \"http://127.0.0.1:1/v1\"\n[prompt]\nsystem = \"s.md\"\n";
    assert!(validator.is_valid(&as_json(&toml::parse(minimal).root)));
    for mistake in [
        "[runtime]\nmax_step = 3",
        "[runtime]\nmax_steps = 0",
        "[runtime]\ncompaction_at = 0",
        "[agent]\nkind = \"nativ\"",
        "[agent]\nkind = \"command\"",
        "[agent]\nkind = \"harbor\"",
        "[agent]\ntimeout = \"soon\"",
        "[[tool]]\nbuiltin = \"shell\"",
        "[[runtime.rule]]\nid = \"A\"\nwhen = { step = 1 }",
        "[[runtime.rule]]\nid = \"a\"\nwhen = {}",
        "[tasks]\nrewards = {}",
        "[tasks]\nsplit = { held_in = 1.0 }",
        "[orchestration]\nstart = \"a\"\nstate = []",
        "[models.a]\nname = \"b\"",
        "[[orchestration.state]]\nid = \"end\"",
        "[prompt.variables]\na-b = \"c\"",
        "[prompt.variables]\na = { path = \"c\" }",
        "[[lint.allow]]\nrule = \"SH104\"",
        "[[surface]]\nid = \"a\"\nfile = \"b\"\nnew_files = { max = 0 }",
        "[[runtime.rule]]\nid = \"a\"\nwhen = { step = 1 }\nlimit = { tool = \"b\" }",
        "[agent.env]\nA = 1",
    ] {
        let text = format!("{minimal}{mistake}\n");
        assert!(!problems(&text).is_empty(), "the checks take `{mistake}`");
        assert!(!validator.is_valid(&as_json(&toml::parse(&text).root)), "the JSON Schema takes `{mistake}`");
    }
}

proptest! {
    /// What the checks take, an editor with the JSON Schema takes too; what other rules speak about is left out here.
    #[test]
    fn what_the_checks_take_the_json_schema_takes(lines in prop::collection::vec(prop::sample::select(FULL.lines().collect::<Vec<_>>()), 0..40)) {
        let text = lines.join("\n");
        let tree = toml::parse(&text);
        if tree.errors.is_empty() && problems(&text).is_empty() {
            let validator = validator(&json_schema());
            let instance = as_json(&tree.root);
            let errors: Vec<_> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
            prop_assert!(errors.is_empty(), "{:?}\n{}", errors, text);
        }
    }
}
