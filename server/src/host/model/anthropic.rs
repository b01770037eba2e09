//! Anthropic messages: requests as JSON, and answers, whole or streamed, as replies. It sends nothing.
//!
//! The format is Anthropic's (API reference, "Messages" and "Streaming messages"), version `2023-06-01`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::conversation::{Arguments, Call, Message, Reply, Request, Stop, Tool, Turn, Usage, sendable_name};
use super::error::{Reported, Unread};
use super::settings::Settings;
use super::sse::Event;

/// The version that every request names.
pub(super) const VERSION: &str = "2023-06-01";

/// The body of a request. The protocol has no seed and refuses fields that it does not know.
pub(super) fn body(settings: &Settings, request: &Request<'_>) -> Value {
    let mut body = settings.request.clone();
    for name in ["system", "tools", "seed"] {
        body.remove(name);
    }
    body.insert(String::from("model"), settings.name.as_str().into());
    body.insert(String::from("max_tokens"), settings.max_output_tokens.into());
    body.insert(String::from("stream"), settings.stream.into());
    let system: Vec<&str> = request
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::System(text) if !text.trim().is_empty() => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if !system.is_empty() {
        body.insert(String::from("system"), system.join("\n\n").into());
    }
    body.insert(String::from("messages"), messages(request.messages));
    if !request.tools.is_empty() {
        let tool = |tool: &Tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.schema() });
        body.insert(String::from("tools"), request.tools.iter().map(tool).collect());
    }
    for (name, value) in [("temperature", settings.temperature), ("top_p", settings.top_p)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.into());
        }
    }
    Value::Object(body)
}

/// Messages of one role after another are one message; what is empty is refused, so it is left out.
fn messages(messages: &[Message]) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = match message {
            Message::System(_) => continue,
            Message::User(text) => ("user", Vec::from_iter(text_block(text))),
            Message::Tool(result) => {
                let block = json!({ "type": "tool_result", "tool_use_id": result.call, "content": result.text.as_str() });
                ("user", vec![block])
            }
            Message::Assistant(turn) => ("assistant", turn_blocks(turn)),
        };
        if blocks.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, all)) if *last == role => all.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    turns.into_iter().map(|(role, blocks)| json!({ "role": role, "content": blocks })).collect()
}

fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }))
}

fn turn_blocks(turn: &Turn) -> Vec<Value> {
    if !turn.kept.is_empty() {
        return turn.kept.clone();
    }
    let calls = turn.calls.iter().map(|call| {
        let name = sendable_name(&call.name);
        json!({ "type": "tool_use", "id": call.id, "name": name, "input": call.arguments.to_object() })
    });
    text_block(&turn.text).into_iter().chain(calls).collect()
}

/// The reply that a whole answer is.
pub(super) fn read(answer: &Value) -> Result<Reply, Unread> {
    if let Some(error) = Reported::inside(answer) {
        return Err(Unread::Reported(error));
    }
    let blocks = answer.get("content").and_then(Value::as_array).ok_or_else(|| Unread::lacks("content"))?;
    let mut reply = Reply {
        model: text_of(answer, "model"),
        usage: usage(answer.get("usage").unwrap_or(&Value::Null)),
        ..Reply::default()
    };
    let mut thinks = false;
    for block in blocks {
        match block.get("type").and_then(Value::as_str) {
            Some("text") => reply.text.push_str(&text_of(block, "text").unwrap_or_default()),
            Some("thinking") => {
                thinks = true;
                reply.reasoning.push_str(&text_of(block, "thinking").unwrap_or_default());
            }
            Some("redacted_thinking") => thinks = true,
            Some("tool_use") => reply.calls.push(Call {
                id: text_of(block, "id").ok_or_else(|| Unread::lacks("id` of a `tool_use"))?,
                name: text_of(block, "name").unwrap_or_default(),
                arguments: Arguments::of(block.get("input").cloned().unwrap_or_default()),
            }),
            // Blocks of tools that run at the provider, which we do not offer.
            _ => {}
        }
    }
    if thinks {
        reply.kept = blocks.iter().map(kept).collect();
    }
    reply.stop = match answer.get("stop_reason").and_then(Value::as_str) {
        Some("max_tokens") => Stop::Length,
        Some("refusal") => Stop::Refused,
        Some("model_context_window_exceeded") => Stop::ContextFull,
        Some("pause_turn") => Stop::Paused,
        Some("end_turn" | "stop_sequence" | "tool_use") | None if !reply.calls.is_empty() => Stop::Calls,
        Some("end_turn" | "stop_sequence" | "tool_use") | None => Stop::End,
        Some(other) => Stop::Other(other.to_owned()),
    };
    Ok(reply)
}

/// A block as it goes back: unchanged, but for input that is no object, which would be refused.
fn kept(block: &Value) -> Value {
    let mut block = block.clone();
    if block.get("type").and_then(Value::as_str) == Some("tool_use")
        && let Some(input) = block.get_mut("input")
    {
        *input = Value::Object(Arguments::of(input.take()).to_object());
    }
    block
}

/// Joins a streamed answer to the whole one that it stands for.
#[derive(Debug, Default)]
pub(super) struct Joined {
    message: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
    is_done: bool,
}

#[derive(Debug, Default)]
struct Block {
    block: Value,
    /// The input of a call, as far as it came.
    input: String,
}

impl Joined {
    /// Takes an event.
    pub(super) fn push(&mut self, event: &Event) -> Result<(), Unread> {
        if event.data.trim().is_empty() {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| Unread::Unreadable(format!("a part of the stream is no JSON: {error}")))?;
        if let Some(error) = Reported::inside(&data) {
            return Err(Unread::Reported(error));
        }
        let index = data.get("index").and_then(Value::as_u64).unwrap_or_default();
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(&event.event);
        match kind {
            "message_start" => {
                if let Some(Value::Object(message)) = data.get("message") {
                    self.message.clone_from(message);
                }
            }
            "content_block_start" => {
                let block = data.get("content_block").cloned().unwrap_or_default();
                self.blocks.insert(index, Block { block, input: String::new() });
            }
            "content_block_delta" => {
                let block =
                    self.blocks.get_mut(&index).ok_or_else(|| Unread::lacks("content_block_start"))?;
                block.take(data.get("delta").unwrap_or(&Value::Null));
            }
            "message_delta" => self.take_end(&data),
            "message_stop" => self.is_done = true,
            // `ping`, `content_block_stop`, and whatever is added later.
            _ => {}
        }
        Ok(())
    }

    /// Whether nothing more is to come.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The reply, if the end mark was there: `message_stop`.
    pub(super) fn finish(mut self) -> Result<Reply, Unread> {
        if !self.is_done {
            return Err(Unread::Cut);
        }
        let blocks = self.blocks.into_values().map(Block::joined).collect();
        self.message.insert(String::from("content"), blocks);
        read(&Value::Object(self.message))
    }

    /// Why it stopped, and the usage as it is in the end; both replace what stood at the start.
    fn take_end(&mut self, data: &Value) {
        if let Some(Value::Object(delta)) = data.get("delta") {
            self.message.extend(delta.clone());
        }
        if let Some(Value::Object(usage)) = data.get("usage") {
            let known = self.message.entry("usage").or_insert_with(|| Map::new().into());
            if let Value::Object(known) = known {
                known.extend(
                    usage.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())),
                );
            }
        }
    }
}

impl Block {
    fn take(&mut self, delta: &Value) {
        let field = match delta.get("type").and_then(Value::as_str) {
            Some("text_delta") => "text",
            Some("thinking_delta") => "thinking",
            Some("signature_delta") => "signature",
            Some("input_json_delta") => {
                self.input.push_str(&text_of(delta, "partial_json").unwrap_or_default());
                return;
            }
            _ => return,
        };
        let more = text_of(delta, field).unwrap_or_default();
        let Value::Object(block) = &mut self.block else { return };
        match block.get_mut(field) {
            Some(Value::String(text)) => text.push_str(&more),
            _ => drop(block.insert(field.to_owned(), more.into())),
        }
    }

    fn joined(mut self) -> Value {
        if !self.input.is_empty()
            && let Value::Object(block) = &mut self.block
        {
            // What is no JSON stays a text, which is read as malformed arguments.
            let input = serde_json::from_str(&self.input).unwrap_or_else(|_| Value::from(self.input));
            block.insert(String::from("input"), input);
        }
        self.block
    }
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

/// All input is what was read, what was cached and what was written to the cache.
fn usage(usage: &Value) -> Usage {
    let number = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (cached, cache_written) = (number("cache_read_input_tokens"), number("cache_creation_input_tokens"));
    let input = number("input_tokens") + cached + cache_written;
    let output = number("output_tokens");
    Usage { input, cached, cache_written, output, is_estimated: input == 0 && output == 0 }
}

#[cfg(test)]
mod tests;
