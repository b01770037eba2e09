//! From a JSON Schema to a [`Shape`]. Understands what the schemas of this crate use, and no more.

use std::cell::RefCell;

use regex::Regex;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::{Choice, Field, Form, Format, Free, List, Marks, Names, Range, Shape, Table, Text};
use crate::manifest::AgentKind;

/// The shape that a schema describes; references are resolved inside the same schema.
pub(super) fn compile(schema: &Value) -> Shape {
    Compiler { root: schema, patterns: RefCell::default() }.shape(schema)
}

struct Compiler<'s> {
    root: &'s Value,
    /// Patterns that were compiled; the same few stand in many places.
    patterns: RefCell<FxHashMap<String, Option<Regex>>>,
}

type Object = Map<String, Value>;

impl Compiler<'_> {
    fn shape(&self, schema: &Value) -> Shape {
        let schema = self.resolved(schema);
        let words = text(&schema, "x-form").to_owned();
        Shape { form: self.form(&schema), words, description: prose(text(&schema, "description")) }
    }

    /// The schema with what it refers to; what stands beside the reference wins.
    fn resolved(&self, schema: &Value) -> Object {
        let Value::Object(schema) = schema else { return Object::new() };
        let pointer = text(schema, "$ref").trim_start_matches('#');
        let target = if pointer.is_empty() { None } else { self.root.pointer(pointer) };
        let mut resolved = target.map(|target| self.resolved(target)).unwrap_or_default();
        resolved.extend(schema.iter().map(|(key, value)| (key.clone(), value.clone())));
        resolved
    }

    fn form(&self, schema: &Object) -> Form {
        // A choice of constants, each with its text.
        if let Some(Value::Array(choices)) = schema.get("oneOf")
            && schema.get("properties").is_none()
        {
            return Form::Text(Text {
                choices: choices.iter().filter_map(constant).collect(),
                ..Text::default()
            });
        }
        if let Some(Value::Array(shapes)) = schema.get("anyOf")
            && schema.get("properties").is_none()
        {
            return Form::OneOf(shapes.iter().map(|shape| self.shape(shape)).collect());
        }
        match schema.get("type") {
            Some(Value::String(name)) => self.form_of(name, schema),
            Some(Value::Array(names)) => {
                let form = |name: &Value| Shape {
                    form: self.form_of(name.as_str().unwrap_or_default(), schema),
                    words: String::new(),
                    description: String::new(),
                };
                Form::OneOf(names.iter().map(form).collect())
            }
            _ => Form::Any,
        }
    }

    fn form_of(&self, name: &str, schema: &Object) -> Form {
        match name {
            "boolean" => Form::Boolean,
            "integer" => Form::Integer(range(schema)),
            "number" => Form::Number(range(schema)),
            "string" => Form::Text(self.text(schema)),
            "array" => Form::List(List {
                item: Box::new(self.shape(schema.get("items").unwrap_or(&Value::Null))),
                least: count(schema, "minItems"),
            }),
            "object" => Form::Table(self.table(schema)),
            _ => Form::Any,
        }
    }

    fn table(&self, schema: &Object) -> Table {
        let required = strings(schema.get("required"));
        let field = |(name, value): (&String, &Value)| {
            let resolved = self.resolved(value);
            let own = resolved.get("x-self-harness").and_then(Value::as_object).cloned().unwrap_or_default();
            Field {
                name: name.clone(),
                shape: self.shape(value),
                default: resolved.get("default").cloned(),
                required: required.contains(name),
                deprecated: resolved.get("deprecated").is_some_and(|old| old == true),
                is: marks(text(&own, "is")),
                agents: strings(own.get("agents")).iter().filter_map(|kind| agent_kind(kind)).collect(),
                names: names(text(&own, "names")),
                rule: own.get("rule").and_then(Value::as_str).map(str::to_owned),
            }
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let free = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(value @ Value::Object(_)) => Some(self.shape(value)),
            _ => Some(Shape { form: Form::Any, words: String::new(), description: String::new() }),
        };
        let names = schema.get("propertyNames").and_then(Value::as_object);
        let pattern = names.and_then(|names| self.pattern(names));
        let reserved = names.map(reserved).unwrap_or_default();
        let free = free.map(|value| Free { value, pattern, reserved });
        Table::new(
            properties.into_iter().flatten().map(field).collect(),
            free,
            count(schema, "minProperties"),
        )
    }

    fn text(&self, schema: &Object) -> Text {
        let format = match (text(schema, "format"), text(schema, "x-format")) {
            ("regex", _) => Some(Format::Regex),
            (_, "duration") => Some(Format::Duration),
            _ => None,
        };
        let choice = |value: String| Choice { value, description: String::new() };
        // An enum of one variant is a constant.
        let mut choices = strings(schema.get("enum"));
        choices.extend(schema.get("const").and_then(Value::as_str).map(str::to_owned));
        Text {
            choices: choices.into_iter().map(choice).collect(),
            reserved: reserved(schema),
            pattern: self.pattern(schema),
            is_filled: 0 < count(schema, "minLength"),
            format,
        }
    }

    fn pattern(&self, schema: &Object) -> Option<Regex> {
        let pattern = schema.get("pattern").or_else(|| schema.get("x-pattern"))?.as_str()?;
        let mut patterns = self.patterns.borrow_mut();
        // A test compiles every pattern, so none is lost here.
        patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok()).clone()
    }
}

fn reserved(schema: &Object) -> Vec<String> {
    schema.get("not").map(|not| strings(not.get("enum"))).unwrap_or_default()
}

fn constant(choice: &Value) -> Option<Choice> {
    let choice = choice.as_object()?;
    let value = choice.get("const")?.as_str()?.to_owned();
    Some(Choice { value, description: prose(text(choice, "description")) })
}

fn range(schema: &Object) -> Range {
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let above = number("exclusiveMinimum");
    Range { least: above.or(number("minimum")), greatest: number("maximum"), above: above.is_some() }
}

fn marks(letters: &str) -> Marks {
    Marks {
        surface: letters.contains('S'),
        contract: letters.contains('C'),
        execution: letters.contains('X'),
    }
}

fn agent_kind(name: &str) -> Option<AgentKind> {
    [AgentKind::Native, AgentKind::Command, AgentKind::Harbor].into_iter().find(|kind| kind.name() == name)
}

fn names(word: &str) -> Option<Names> {
    Some(match word {
        "path" => Names::Path,
        "glob" => Names::Glob,
        "tool" => Names::Tool,
        "state" => Names::State,
        "state-or-end" => Names::StateOrEnd,
        "task" => Names::Task,
        "detector" => Names::Detector,
        "rule" => Names::Rule,
        "surface" => Names::Surface,
        "selector" => Names::Selector,
        _ => return None,
    })
}

fn text<'v>(object: &'v Object, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn count(object: &Object, key: &str) -> usize {
    object.get(key).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A doc comment as one line per paragraph.
fn prose(comment: &str) -> String {
    comment.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}
