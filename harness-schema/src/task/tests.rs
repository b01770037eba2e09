//! Task directories are found and read; the types agree with Harbor's own schema.

use serde_json::{Map, Value};

use super::*;
use crate::syntax::toml;

fn path(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

#[test]
fn tasks_are_the_outermost_directories_with_a_config_or_an_instruction() {
    let files = Files::from_texts([
        ("tasks/group/t-01/task.toml", "[metadata]\ncategory = \"games\"\n[agent]\ntimeout_sec = 60\n"),
        ("tasks/group/t-01/instruction.md", "Do it."),
        ("tasks/group/t-01/environment/inner/task.toml", ""),
        ("tasks/group/t-01/tests/test.sh", "#!/bin/sh"),
        ("tasks/group/t-01/solution/solve.sh", "#!/bin/sh"),
        ("tasks/t-00/instruction.md", ""),
        ("tasks/task.toml", ""),
        ("tasks/README.md", ""),
        ("tasks-2/t-09/task.toml", ""),
    ]);
    let tasks = discover(&files, &path("tasks"));
    assert_eq!(tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["group/t-01", "t-00"]);
    let [first, bare] = tasks.as_slice() else { panic!("two tasks") };
    assert_eq!(first.verifier, Some(path("tasks/group/t-01/tests/test.sh")));
    assert_eq!(first.solution, Some(path("tasks/group/t-01/solution/solve.sh")));
    assert_eq!(first.config.agent.timeout_sec.as_deref(), Some(&60.0));
    assert_eq!(first.family(&files, "metadata.category"), "games");
    assert_eq!((&bare.config_file, &bare.verifier, &bare.solution), (&None, &None, &None));
    assert_eq!(bare.family(&files, "metadata.category"), "");
}

#[test]
fn steps_have_their_own_files_and_never_leave_the_task() {
    let config = "[[steps]]\nname = \"one\"\n[[steps]]\nname = \"../../other\"\n[[steps]]\nname = \"two\"\nmin_reward = { reward = 0.5 }\n";
    let files = Files::from_texts([
        ("tasks/t/task.toml", config),
        ("tasks/t/steps/one/instruction.md", "First."),
        ("tasks/t/steps/one/workdir/setup.sh", ""),
        ("tasks/t/steps/two/tests/test.sh", ""),
    ]);
    let tasks = discover(&files, &path("tasks"));
    let task = tasks.first().unwrap();
    assert_eq!(task.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(
        task.instructions().map(FilePath::as_str).collect::<Vec<_>>(),
        ["tasks/t/steps/one/instruction.md"]
    );
    assert!(task.steps[0].workdir.is_some() && task.steps[0].verifier.is_none());
    assert!(task.steps[1].workdir.is_none() && task.steps[1].verifier.is_some());
    let least = task.config.steps[2].min_reward.as_deref();
    assert!(
        matches!(least, Some(MinReward::Each(each)) if each.get("reward").is_some_and(|it| it.value == 0.5))
    );
}

#[test]
fn defaults_are_those_of_harbor() {
    let config = TaskConfig::decode(&toml::parse(""), &BadSpans::default());
    assert_eq!(config, TaskConfig::default());
    assert_eq!(config.format_version().as_str(), "1.4");
    assert_eq!(
        (config.verifier.timeout_sec.value, config.environment.build_timeout_sec.value),
        (600.0, 600.0)
    );
    assert_eq!((config.agent.timeout_sec, config.environment.network()), (None, None));
}

#[test]
fn old_files_and_habits_are_read_as_harbor_reads_them() {
    let text = "version = \"1.0\"\n[environment]\nmemory = \"2G\"\nstorage = 10\nallow_internet = false\ncpus = 2.0\n";
    let config = TaskConfig::decode(&toml::parse(text), &BadSpans::default());
    assert_eq!(config.format_version().as_str(), "1.0");
    assert_eq!((config.environment.memory_mb(), config.environment.storage_mb()), (Some(2048), None));
    assert_eq!(config.environment.network(), Some(NetworkMode::NoNetwork));
    assert_eq!(config.environment.cpus.as_deref(), Some(&2));
}

/// Both schemas in one form: references resolved, prose, own keywords and empty defaults dropped.
fn plain(schema: &Value, root: &Value) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let mut merged = Map::new();
    if let Some(Value::String(target)) = object.get("$ref") {
        let target = root.pointer(target.trim_start_matches('#')).unwrap();
        merged = plain(target, root).as_object().cloned().unwrap();
    }
    for (key, value) in object {
        let value = match (key.as_str(), value) {
            ("$ref" | "$defs" | "$schema" | "title" | "description" | "deprecated", _) => continue,
            ("additionalProperties", Value::Bool(_)) => continue,
            ("additionalProperties", Value::Object(any)) if any.is_empty() => continue,
            ("default", Value::Array(items)) if items.is_empty() => continue,
            ("default", Value::Object(items)) if items.is_empty() => continue,
            (key, _) if key.starts_with("x-") => continue,
            ("properties", Value::Object(properties)) => {
                properties.iter().map(|(name, value)| (name.clone(), plain(value, root))).collect()
            }
            ("anyOf", Value::Array(choices)) => choices.iter().map(|choice| plain(choice, root)).collect(),
            ("type", Value::Array(types)) => {
                merged.insert(
                    "anyOf".into(),
                    types.iter().map(|name| serde_json::json!({ "type": name })).collect(),
                );
                continue;
            }
            // An enum with a text for each value.
            ("oneOf", Value::Array(choices)) => {
                merged.insert("type".into(), "string".into());
                merged.insert("enum".into(), choices.iter().map(|choice| choice["const"].clone()).collect());
                continue;
            }
            _ => plain(value, root),
        };
        merged.insert(key.clone(), value);
    }
    if let Some(Value::Array(choices)) = merged.get_mut("enum") {
        choices.sort_by_key(ToString::to_string);
    }
    merged.sort_keys();
    Value::Object(merged)
}

#[test]
fn the_types_have_harbors_keys() {
    let text = include_str!("../../tests/fixtures/harbor-0.24.0/task-config.schema.json");
    let mut harbor: Value = serde_json::from_str(text).unwrap();
    without_nulls(&mut harbor);
    let mut ours = json_schema();
    // Harbor's code reads `version` of old files; its schema does not say so.
    ours["properties"].as_object_mut().unwrap().shift_remove("version").unwrap();
    let (ours, harbor) = (plain(&ours, &ours), plain(&harbor, &harbor));
    let text = |schema: &Value| serde_json::to_string_pretty(schema).unwrap();
    assert!(ours == harbor, "{}", diff(&text(&harbor), &text(&ours)));
}

fn diff(expected: &str, found: &str) -> String {
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    let first = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let excerpt = |lines: &[&str]| {
        lines.iter().skip(first.saturating_sub(12)).take(24).copied().collect::<Vec<_>>().join("\n")
    };
    format!("expected\n{}\nfound\n{}", excerpt(&expected), excerpt(&found))
}
