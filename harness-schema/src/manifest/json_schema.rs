//! The JSON Schema of the manifest and of tool files (draft 2020-12), made from the types and never written by hand.
//!
//! Own keywords: `x-self-harness` `{ is, agents, names, rule }` (surface, contract, execution; which agent kinds
//! read the key; what its values name; which rule speaks about it), `x-form` (the form in words), `x-format`, `x-pattern` (which
//! other programs need not know).

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Manifest, Tool};

/// The JSON Schema of `harness.toml`.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = of::<Manifest>();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "harness.toml of self-harness".into());
        root.insert("allOf".into(), agent_kinds());
    }
    tool_in_file_or_inline(&mut schema);
    schema
}

/// The JSON Schema of a tool in a file of its own.
#[must_use]
pub fn tool_json_schema() -> Value {
    let mut schema = of::<Tool>();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "Tool of self-harness".into());
        root.insert("required".into(), json!(["name"]));
        if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
            properties.shift_remove("file");
            without_default(properties.get_mut("name"));
        }
    }
    schema
}

/// A schema as schemars makes it, without `null`, which neither TOML nor the tables of a manifest have.
fn of<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    without_nulls(&mut schema);
    schema
}

/// What each kind of agent needs.
fn agent_kinds() -> Value {
    let is = |kind: &str| {
        json!({
            "properties": { "agent": { "properties": { "kind": { "const": kind } }, "required": ["kind"] } },
            "required": ["agent"],
        })
    };
    let needs = |key: &str| json!({ "properties": { "agent": { "required": [key] } } });
    json!([
        { "if": is("command"), "then": needs("argv") },
        { "if": is("harbor"), "then": needs("agent") },
        {
            "if": { "not": { "anyOf": [is("command"), is("harbor")] } },
            "then": { "required": ["prompt"] },
        },
    ])
}

/// A tool of the manifest either names a file or has a name.
fn tool_in_file_or_inline(schema: &mut Value) {
    let Some(tool) = schema.pointer_mut("/$defs/Tool").and_then(Value::as_object_mut) else { return };
    tool.insert("anyOf".into(), json!([{ "required": ["file"] }, { "required": ["name"] }]));
    without_default(tool.get_mut("properties").and_then(|properties| properties.get_mut("name")));
}

/// A name that must be written has no default.
fn without_default(property: Option<&mut Value>) {
    if let Some(Value::Object(property)) = property {
        property.shift_remove("default");
    }
}

/// Removes `null` as a type and as a default, defaults of required keys and of lists that must not be empty, the formats of Rust's integers, and joins what
/// that leaves alone.
pub(crate) fn without_nulls(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Object(object) => {
            without_null(object);
            without_needless_defaults(object);
            object.values_mut().for_each(without_nulls);
        }
        _ => {}
    }
}

/// A key that must be written has no default.
fn without_needless_defaults(object: &mut Map<String, Value>) {
    let Some(Value::Array(required)) = object.get("required").cloned() else { return };
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    for key in required.iter().filter_map(Value::as_str) {
        if let Some(Value::Object(property)) = properties.get_mut(key) {
            property.shift_remove("default");
        }
    }
}

fn without_null(object: &mut Map<String, Value>) {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let stands_for_nothing = |default: &Value| {
        default.is_null() || (is_empty(default) && object.get("minItems").is_some_and(|least| *least != 0))
    };
    if object.get("default").is_some_and(stands_for_nothing) {
        object.shift_remove("default");
    }
    let rust_format = |format: &str| {
        ["int", "uint", "double", "float"].iter().any(|prefix| {
            format.strip_prefix(prefix).is_some_and(|bits| bits.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    if object.get("format").and_then(Value::as_str).is_some_and(rust_format) {
        object.shift_remove("format");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            object.insert("type".into(), single);
        }
    }
    for any in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = object.get_mut(any) else { continue };
        let is_null = |choice: &Value| choice.get("type").is_some_and(|name| name == "null");
        choices.retain(|choice| !is_null(choice));
        if let [Value::Object(single)] = choices.as_slice() {
            let single = single.clone();
            object.shift_remove(any);
            for (key, value) in single {
                object.entry(key).or_insert(value);
            }
        }
    }
}
