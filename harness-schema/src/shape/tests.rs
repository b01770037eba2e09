//! Shapes say the same as the types and schemas they are made from.

use super::*;
use crate::detector;

fn key(name: &str) -> Step {
    Step::Key(name.into())
}

fn keys(path: &str) -> Vec<Step> {
    let step = |part: &str| if part == "0" { Step::Index(0) } else { key(part) };
    path.split('.').map(step).collect()
}

#[test]
fn a_place_is_found_by_steps() {
    let temperature = manifest().field_at(&keys("model.temperature")).unwrap();
    assert!(matches!(
        temperature.shape.form,
        Form::Number(Range { least: Some(0.0), greatest: None, above: false })
    ));
    assert_eq!(temperature.is, Marks { surface: false, contract: true, execution: true });
    let rule = manifest().at(&keys("runtime.rule.0.when")).unwrap();
    assert!(rule.fields().any(|field| field.name == "context_used"));
    assert_eq!(manifest().at(&keys("runtime.rule.0.inject.text")).unwrap().in_words(), "a text");
    assert!(manifest().at(&keys("runtime.no_such")).is_none());
    assert!(manifest().at(&keys("agent.env.ANY_NAME")).is_some());
    assert!(manifest().at(&keys("model.request.any.thing")).is_some());
}

#[test]
fn choices_have_their_texts() {
    let kind = manifest().at(&keys("agent.kind")).unwrap();
    assert_eq!(
        kind.choices().map(|choice| choice.value.as_str()).collect::<Vec<_>>(),
        ["native", "command", "harbor"]
    );
    assert!(kind.choices().all(|choice| !choice.description.is_empty()));
    assert_eq!(kind.in_words(), "`native`, `command` or `harbor`");
    let detectors = manifest().at(&keys("runtime.rule.0.when.detector")).unwrap();
    assert_eq!(detectors.choices().count(), detector::NAMES.len());
}

#[test]
fn forms_are_said_in_words() {
    let words = |path: &str| manifest().at(&keys(path)).unwrap().in_words();
    assert_eq!(words("model.top_p"), "a number from 0 to 1");
    assert_eq!(words("runtime.max_steps"), "a whole number of at least 1");
    assert_eq!(words("runtime.compaction_at"), "a number above 0, at most 1");
    assert_eq!(words("agent.timeout"), "a duration above zero, such as `\"90s\"` or `\"1h30m\"`");
    assert_eq!(words("prompt.system"), "a path or `{ text = \"…\" }`");
    assert_eq!(words("tool"), "a list of tables");
    assert_eq!(words("runtime.rule.0.when.output"), "a regular expression");
}

/// Every key of every table, with its path.
fn visit(shape: &Shape, path: &str, seen: &mut Vec<(String, Field)>) {
    for field in shape.fields() {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        seen.push((path.clone(), field.clone()));
        visit(&field.shape, &path, seen);
        if let Some(list) = field.shape.list() {
            visit(&list.item, &path, seen);
        }
    }
}

#[test]
fn every_key_has_a_text_and_every_pattern_compiles() {
    for shape in [manifest(), tool(), task()] {
        let mut seen = Vec::new();
        visit(shape, "", &mut seen);
        for (path, field) in &seen {
            assert!(field.shape.description.ends_with('.'), "`{path}`: {:?}", field.shape.description);
            assert!(!field.shape.description.contains('\n'), "`{path}`");
        }
        assert!(!seen.is_empty());
    }
    let schemas = [manifest::json_schema(), manifest::tool_json_schema(), crate::task::json_schema()];
    fn patterns(schema: &Value, count: &mut usize) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::String(pattern)) = object.get("pattern") {
                    Regex::new(pattern).unwrap();
                    *count += 1;
                }
                object.values().for_each(|value| patterns(value, count));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, count)),
            _ => {}
        }
    }
    let mut count = 0;
    schemas.iter().for_each(|schema| patterns(schema, &mut count));
    assert!(5 < count);
}

/// `formats` 1, the column "Is": no key that is fixed while harnesses are compared is a surface, and what decides what
/// is executed is known.
#[test]
fn the_contract_and_the_surfaces_are_apart() {
    let mut seen = Vec::new();
    visit(manifest(), "", &mut seen);
    let with = |wanted: fn(&Marks) -> bool| -> Vec<&str> {
        seen.iter().filter(|(_, field)| wanted(&field.is)).map(|(path, _)| path.as_str()).collect()
    };
    assert_eq!(with(|is| is.surface && (is.contract || is.execution)), [""; 0]);
    insta::assert_snapshot!("surfaces", with(|is| is.surface).join("\n"));
    insta::assert_snapshot!("contract", with(|is| is.contract).join("\n"));
    insta::assert_snapshot!("execution", with(|is| is.execution).join("\n"));
}
