//! Values of raw records: texts in their many shapes, calls as providers write them, tokens.

use serde_json::Value;

use crate::engine::trace::{Arguments, Call, Usage};

/// A string of an object.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// A string of an object as an own text, unless it is empty.
pub(super) fn filled(value: &Value, key: &str) -> Option<String> {
    text(value, key).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list of an object.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A number of tokens.
pub(super) fn count(value: &Value, key: &str) -> Option<u64> {
    let number = value.get(key)?;
    number.as_u64().or_else(|| number.as_f64().filter(|number| 0.0 <= *number).map(|number| number as u64))
}

/// Content: a string, or parts of which the texts count; anything else as JSON.
pub(super) fn content(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| match part {
                Value::String(text) => Some(text.clone()),
                part => match text(part, "text").or_else(|| text(part, "content")) {
                    Some(text) => Some(text.to_owned()),
                    // What is no text is named.
                    None => text(part, "type").map(|kind| format!("[{kind}]")),
                },
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        Some(other) => other.to_string(),
    }
}

/// Arguments: JSON as it is, or as a string.
pub(super) fn arguments(value: Option<&Value>) -> Arguments {
    match value {
        None | Some(Value::Null) => Arguments::written(""),
        Some(Value::String(text)) => Arguments::written(text),
        Some(value) => Arguments::Json(value.clone()),
    }
}

/// A call without a result yet.
pub(super) fn call(id: Option<&str>, tool: &str, arguments: Arguments) -> Call {
    let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
    Call { id, tool: tool.to_owned(), arguments, schema_ok: None, observation: None }
}

/// The calls of a message of OpenAI chat completions; the old single `function_call` too.
pub(super) fn openai_calls(message: &Value) -> Vec<Call> {
    let function = |call: &Value, id: Option<&str>| {
        let function = call.get("function").unwrap_or(call);
        let name = text(function, "name")?;
        Some(self::call(id, name, arguments(function.get("arguments"))))
    };
    let several = list(message, "tool_calls").iter().filter_map(|call| function(call, text(call, "id")));
    let single = message.get("function_call").and_then(|call| function(call, None));
    several.chain(single).collect()
}

/// `usage` of OpenAI chat completions.
pub(super) fn openai_usage(usage: Option<&Value>) -> Option<Usage> {
    let usage = usage.filter(|usage| usage.is_object())?;
    let details = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
    Some(Usage {
        input: count(usage, "prompt_tokens").or_else(|| count(usage, "input_tokens"))?,
        cached: count(details, "cached_tokens").unwrap_or_default(),
        output: count(usage, "completion_tokens")
            .or_else(|| count(usage, "output_tokens"))
            .unwrap_or_default(),
        cost: usage.get("cost").and_then(Value::as_f64),
    })
}

/// `usage` of Anthropic messages, where input does not have what came from the cache or went into it.
pub(super) fn anthropic_usage(usage: Option<&Value>) -> Option<Usage> {
    let usage = usage.filter(|usage| usage.is_object())?;
    let cached = count(usage, "cache_read_input_tokens").unwrap_or_default();
    let created = count(usage, "cache_creation_input_tokens").unwrap_or_default();
    Some(Usage {
        input: count(usage, "input_tokens")? + cached + created,
        cached,
        output: count(usage, "output_tokens").unwrap_or_default(),
        cost: None,
    })
}
