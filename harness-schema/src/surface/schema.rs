//! JSON Schemas of tool parameters: an edit may reword them, and may ask more of a call, never less. A call that the
//! new schema accepts was accepted by the old one.

use crate::syntax::data::{Kind, Table, Value};

/// Where `new` accepts what `old` does not, or changes something whose meaning is not compared here; a path such as
/// `properties.path.type`. `None` if it only tightens.
#[must_use]
pub fn loosened(old: &Value, new: &Value) -> Option<String> {
    compare(old, new, "").err()
}

fn compare(old: &Value, new: &Value, path: &str) -> Result<(), String> {
    let (Kind::Table(before), Kind::Table(after)) = (&old.kind, &new.kind) else {
        return if same(old, new) { Ok(()) } else { Err(path.trim_start_matches('.').to_owned()) };
    };
    let names = before.entries.iter().chain(&after.entries).map(|entry| &*entry.key.name);
    for name in names {
        let path = format!("{path}.{name}");
        let fits = match (entry(before, name), entry(after, name)) {
            _ if matches!(name, "description" | "title" | "examples" | "$comment") => true,
            (Some(old), Some(new)) => match name {
                "properties" | "$defs" | "definitions" => {
                    each(old, new, &path)?;
                    true
                }
                "items" | "additionalProperties" if both_tables(old, new) => {
                    compare(old, new, &path)?;
                    true
                }
                "additionalProperties" => same(old, new) || matches!(new.kind, Kind::Boolean(false)),
                "required" => is_subset(old, new),
                "enum" => is_subset(new, old),
                "minimum" | "minLength" | "minItems" | "exclusiveMinimum" => is_at_most(old, new),
                "maximum" | "maxLength" | "maxItems" | "exclusiveMaximum" => is_at_most(new, old),
                _ => same(old, new),
            },
            // What is new in a schema can only ask for more, if it is a word that asks.
            (None, Some(new)) => match name {
                "additionalProperties" => matches!(new.kind, Kind::Boolean(false)),
                "required" | "enum" | "const" | "minimum" | "minLength" | "minItems" | "exclusiveMinimum"
                | "maximum" | "maxLength" | "maxItems" | "exclusiveMaximum" | "pattern" | "uniqueItems" => {
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if !fits {
            return Err(path.trim_start_matches('.').to_owned());
        }
    }
    Ok(())
}

/// Schemas by name: the same names, each only tightened.
fn each(old: &Value, new: &Value, path: &str) -> Result<(), String> {
    let broken = || path.trim_start_matches('.').to_owned();
    let (Some(before), Some(after)) = (old.as_table(), new.as_table()) else { return Err(broken()) };
    if before.entries.len() != after.entries.len() {
        return Err(broken());
    }
    for old in &before.entries {
        let new = entry(after, &old.key.name).ok_or_else(broken)?;
        compare(&old.value, new, &format!("{path}.{}", old.key.name))?;
    }
    Ok(())
}

fn entry<'t>(table: &'t Table, name: &str) -> Option<&'t Value> {
    table.entries.iter().find(|entry| &*entry.key.name == name).map(|entry| &entry.value)
}

fn both_tables(old: &Value, new: &Value) -> bool {
    old.as_table().is_some() && new.as_table().is_some()
}

/// Whether each item of `few` is in `many`.
fn is_subset(few: &Value, many: &Value) -> bool {
    let (Some(few), Some(many)) = (few.as_list(), many.as_list()) else { return false };
    few.iter().all(|one| many.iter().any(|other| same(one, other)))
}

fn is_at_most(less: &Value, more: &Value) -> bool {
    let number = |value: &Value| match value.kind {
        // Limits of a schema are far below 2^53.
        Kind::Integer(number) => Some(number as f64),
        Kind::Float(number) => Some(number),
        _ => None,
    };
    number(less).zip(number(more)).is_some_and(|(less, more)| less <= more)
}

/// Whether two values mean the same, whatever the order of keys.
fn same(one: &Value, other: &Value) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Table(one), Kind::Table(other)) => {
            one.entries.len() == other.entries.len()
                && one
                    .entries
                    .iter()
                    .all(|old| entry(other, &old.key.name).is_some_and(|new| same(&old.value, new)))
        }
        (Kind::List(one), Kind::List(other)) => {
            one.items.len() == other.items.len()
                && one.items.iter().zip(&other.items).all(|(one, other)| same(one, other))
        }
        (Kind::Text(one), Kind::Text(other)) => one.value == other.value,
        (Kind::Date | Kind::Alias | Kind::Broken, _) => false,
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::json;

    const OLD: &str = r#"{"type": "object", "properties": {
        "path": {"type": "string", "description": "where"},
        "mode": {"type": "string", "enum": ["r", "w"]},
        "lines": {"type": "integer", "minimum": 1, "maximum": 100}
    }, "required": ["path"]}"#;

    fn change(from: &str, to: &str) -> Option<String> {
        assert!(OLD.contains(from), "{from}");
        loosened(&json::parse(OLD).root, &json::parse(&OLD.replace(from, to)).root)
    }

    #[test]
    fn words_may_change_and_more_may_be_asked() {
        assert_eq!(change("where", "the file's path"), None);
        assert_eq!(change(r#"["path"]"#, r#"["mode", "path"], "additionalProperties": false"#), None);
        assert_eq!(change(r#"["r", "w"]"#, r#"["r"]"#), None);
        assert_eq!(change(r#""maximum": 100"#, r#""maximum": 50"#), None);
        assert_eq!(change(r#""description": "where""#, r#""minLength": 1, "pattern": "^/""#), None);
    }

    #[test]
    fn less_may_not_be_asked() {
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(change(r#"["path"]"#, "[]"), path("required"));
        assert_eq!(change(r#", "required": ["path"]"#, ""), path("required"));
        assert_eq!(change(r#"["r", "w"]"#, r#"["r", "a"]"#), path("properties.mode.enum"));
        assert_eq!(change(r#""minimum": 1"#, r#""minimum": 0"#), path("properties.lines.minimum"));
        assert_eq!(change(r#""integer""#, r#""number""#), path("properties.lines.type"));
        assert_eq!(change(r#""mode""#, r#""kind""#), path("properties"));
        assert_eq!(change(r#"["path"]"#, r#"["path"], "oneOf": []"#), path("oneOf"));
    }
}
