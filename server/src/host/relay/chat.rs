//! Conversations of both protocols as messages of OpenAI chat completions, which is the form of the relay's record. Texts
//! only: what is no text is named.

use harness_schema::digest::Digest;
use serde_json::{Map, Value, json};

use crate::host::model::{Arguments, Cost, Reply, Stop};

/// The messages of a request, in either protocol, as far as they are messages.
pub(super) fn messages(body: &Value) -> Vec<Value> {
    let mut messages = Vec::new();
    match body.get("system") {
        None | Some(Value::Null) => {}
        Some(system) => messages.push(json!({ "role": "system", "content": text(system) })),
    }
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        add(message, &mut messages);
    }
    messages
}

fn add(message: &Value, messages: &mut Vec<Value>) {
    let role = message.get("role").and_then(Value::as_str).unwrap_or("user");
    let blocks = message.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of_kind = |kind: &'static str| {
        blocks.iter().filter(move |block| block.get("type").and_then(Value::as_str) == Some(kind))
    };
    for result in of_kind("tool_result") {
        let id = result.get("tool_use_id").cloned().unwrap_or_default();
        let content = text(result.get("content").unwrap_or(&Value::Null));
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": content }));
    }
    let rest: Vec<Value> = blocks.iter().filter(|block| !is_elsewhere(block)).cloned().collect();
    let said = match message.get("content") {
        Some(Value::Array(_)) => text(&Value::Array(rest)),
        content => text(content.unwrap_or(&Value::Null)),
    };
    let mut out = Map::new();
    out.insert(String::from("role"), role.into());
    for name in ["name", "tool_call_id", "reasoning_content", "tool_calls", "function_call"] {
        if let Some(value) = message.get(name).filter(|value| !value.is_null()) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    let calls: Vec<Value> = of_kind("tool_use")
        .map(|call| {
            let arguments = call.get("input").unwrap_or(&Value::Null).to_string();
            let name = call.get("name").cloned().unwrap_or_default();
            let id = call.get("id").cloned().unwrap_or_default();
            json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
        })
        .collect();
    if !calls.is_empty() {
        out.insert(String::from("tool_calls"), Value::Array(calls));
    }
    // A message that only carried results is one already.
    if said.is_empty() && !out.contains_key("tool_calls") && of_kind("tool_result").next().is_some() {
        return;
    }
    out.insert(String::from("content"), said.into());
    messages.push(Value::Object(out));
}

/// Blocks that a message has in other fields, or not at all.
fn is_elsewhere(block: &Value) -> bool {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
    matches!(kind, "tool_result" | "tool_use" | "thinking" | "redacted_thinking")
}

/// Content as text.
fn text(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let parts = parts.iter().map(|part| match part {
                Value::String(text) => text.clone(),
                part => match part.get("text").and_then(Value::as_str) {
                    Some(text) => text.to_owned(),
                    None => format!("[{}]", part.get("type").and_then(Value::as_str).unwrap_or("part")),
                },
            });
            parts.collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

/// What tells a message from others. Of an answer only that it is one: clients send answers back in words of their own.
pub(super) fn mark(message: &Value) -> Digest {
    let part = |name: &str| message.get(name).map(Value::to_string).unwrap_or_default();
    if message.get("role").and_then(Value::as_str) == Some("assistant") {
        return Digest::of(b"assistant");
    }
    let parts = [part("role"), part("content"), part("tool_call_id")];
    Digest::of_parts(parts.iter().map(String::as_bytes))
}

/// An answer as a message.
pub(super) fn answer(reply: &Reply, cost: Cost) -> Value {
    let stop = match &reply.stop {
        Stop::End => "stop",
        Stop::Calls => "tool_calls",
        Stop::Length => "length",
        Stop::Refused => "content_filter",
        Stop::ContextFull => "model_context_window_exceeded",
        Stop::Paused => "pause_turn",
        Stop::Other(other) => other,
    };
    let usage = &reply.usage;
    let mut counted = json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
    });
    if let (Cost::Usd(usd), Some(counted)) = (cost, counted.as_object_mut()) {
        counted.insert(String::from("cost"), usd.into());
    }
    let mut message =
        json!({ "role": "assistant", "content": reply.text, "finish_reason": stop, "usage": counted });
    let Some(fields) = message.as_object_mut() else { return message };
    if !reply.reasoning.is_empty() {
        fields.insert(String::from("reasoning_content"), reply.reasoning.as_str().into());
    }
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().map(|call| {
            let arguments = match &call.arguments {
                Arguments::Object(fields) => Value::Object(fields.clone()).to_string(),
                Arguments::Malformed(text) => text.clone(),
            };
            let function = json!({ "name": call.name, "arguments": arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        fields.insert(String::from("tool_calls"), calls.collect());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_anthropic_become_chat() {
        let body = json!({
            "system": [{ "type": "text", "text": "be brief", "cache_control": { "type": "ephemeral" } }],
            "messages": [
                { "role": "user", "content": "do it" },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "hm" },
                    { "type": "text", "text": "I look" },
                    { "type": "tool_use", "id": "c1", "name": "shell", "input": { "command": "ls" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "c1", "content": [{ "type": "text", "text": "a b" }] },
                    { "type": "text", "text": "go on" },
                    { "type": "image", "source": {} },
                ] },
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c2" }] },
            ],
        });
        let call = json!({ "id": "c1", "type": "function", "function": { "name": "shell", "arguments": "{\"command\":\"ls\"}" } });
        let expected = [
            json!({ "role": "system", "content": "be brief" }),
            json!({ "role": "user", "content": "do it" }),
            json!({ "role": "assistant", "tool_calls": [call], "content": "I look" }),
            json!({ "role": "tool", "tool_call_id": "c1", "content": "a b" }),
            json!({ "role": "user", "content": "go on\n[image]" }),
            json!({ "role": "tool", "tool_call_id": "c2", "content": "" }),
        ];
        assert_eq!(messages(&body), expected);
    }

    #[test]
    fn messages_of_openai_stay_what_they_are() {
        let messages = [
            json!({ "role": "developer", "content": "a" }),
            json!({ "role": "assistant", "tool_calls": [{ "id": "c" }], "content": "" }),
            json!({ "role": "tool", "tool_call_id": "c", "content": "r" }),
        ];
        assert_eq!(super::messages(&json!({ "messages": messages })), messages);
    }

    #[test]
    fn answers_are_alike_and_questions_are_not() {
        let said = |role: &str, text: &str| mark(&json!({ "role": role, "content": text }));
        assert_eq!(said("assistant", "a"), said("assistant", "b"));
        assert_ne!(said("user", "a"), said("user", "b"));
        assert_ne!(said("user", "a"), said("system", "a"));
    }
}
