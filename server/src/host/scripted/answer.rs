//! A scripted reply as bytes of either protocol, whole or as a stream of events. It decides nothing.

use harness_schema::surface::approx_tokens;
use serde_json::{Value, json};

use super::asked::{Asked, Protocol};
use super::persona::{Call, ErrorReply, Reply, Stop, Usage};

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// JSON, or what a script says instead.
    Whole(String),
    /// Server-sent events, each with its blank line.
    Events(Vec<String>),
}

/// What a text is cut into when it is streamed, so that whoever joins it has something to do.
const PIECE_CHARS: usize = 7;

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(body.to_string()) }
    }
}

/// The answer to a request.
pub(super) fn of(reply: &Reply, asked: &Asked, says_usage: bool) -> Answer {
    if let Some(error) = &reply.error {
        return of_error(error, asked.protocol);
    }
    if let Some(raw) = &reply.raw {
        return Answer { status: 200, headers: Vec::new(), body: Body::Whole(raw.clone()) };
    }
    let usage = says_usage.then(|| reply.usage.unwrap_or_else(|| counted(reply, asked)));
    match (asked.protocol, asked.stream) {
        (Protocol::Openai, false) => Answer::json(200, &openai(reply, asked, usage)),
        (Protocol::Anthropic, false) => Answer::json(200, &anthropic(reply, asked, usage)),
        (Protocol::Openai, true) => events(openai_events(reply, asked, usage)),
        (Protocol::Anthropic, true) => events(anthropic_events(reply, asked, usage)),
    }
}

/// An error in the form of the protocol.
pub(super) fn of_words(status: u16, message: &str, protocol: Protocol) -> Answer {
    let error = ErrorReply {
        status,
        message: message.to_owned(),
        kind: String::from("invalid_request_error"),
        code: None,
        headers: Default::default(),
        body: None,
    };
    of_error(&error, protocol)
}

/// The list of models.
pub(super) fn models(names: &[String]) -> Answer {
    let model =
        |name: &String| json!({ "id": name, "object": "model", "created": 0, "owned_by": "self-harness" });
    let data: Vec<Value> = names.iter().map(model).collect();
    Answer::json(200, &json!({ "object": "list", "data": data }))
}

fn of_error(error: &ErrorReply, protocol: Protocol) -> Answer {
    let message = if error.message.is_empty() { "an error by script" } else { &error.message };
    let kind = if error.kind.is_empty() { "api_error" } else { &error.kind };
    let body = match protocol {
        Protocol::Openai => {
            json!({ "error": { "message": message, "type": kind, "param": null, "code": error.code } })
        }
        Protocol::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": message } }),
    };
    Answer {
        status: error.status,
        headers: error.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        body: Body::Whole(error.body.clone().unwrap_or_else(|| body.to_string())),
    }
}

fn counted(reply: &Reply, asked: &Asked) -> Usage {
    let input: usize = asked.texts().map(approx_tokens).sum();
    let calls: usize =
        reply.calls.iter().map(|call| approx_tokens(&call.tool) + approx_tokens(&arguments(call))).sum();
    let output = approx_tokens(&reply.text) + approx_tokens(&reply.reasoning) + calls;
    Usage { input: input as u64, cached: 0, output: output as u64 }
}

fn arguments(call: &Call) -> String {
    call.raw.clone().unwrap_or_else(|| Value::Object(call.arguments.clone()).to_string())
}

/// A name for a call that no other call of the conversation has.
fn call_id(asked: &Asked, at: usize) -> String {
    format!("call_{}_{at}", asked.messages.len())
}

fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(PIECE_CHARS).map(|piece| piece.iter().collect()).collect()
}

fn openai_stop(reply: &Reply) -> &'static str {
    match reply.stop {
        Some(Stop::Length | Stop::Context) => "length",
        Some(Stop::Refused) => "content_filter",
        None if reply.calls.is_empty() => "stop",
        None => "tool_calls",
    }
}

fn openai_usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
    })
}

fn openai_head(asked: &Asked, object: &str) -> Value {
    json!({
        "id": format!("chatcmpl-{}", asked.messages.len()),
        "object": object,
        "created": 0,
        "model": asked.model,
        "system_fingerprint": "fp_scripted",
    })
}

fn openai(reply: &Reply, asked: &Asked, usage: Option<Usage>) -> Value {
    let mut message = json!({ "role": "assistant", "content": reply.text });
    if !reply.reasoning.is_empty() {
        message["reasoning_content"] = reply.reasoning.as_str().into();
    }
    if !reply.calls.is_empty() {
        if reply.text.is_empty() {
            message["content"] = Value::Null;
        }
        let call = |(at, call): (usize, &Call)| {
            let function = json!({ "name": call.tool, "arguments": arguments(call) });
            json!({ "id": call_id(asked, at), "type": "function", "function": function })
        };
        message["tool_calls"] = reply.calls.iter().enumerate().map(call).collect();
    }
    let mut answer = openai_head(asked, "chat.completion");
    answer["choices"] = json!([{ "index": 0, "message": message, "finish_reason": openai_stop(reply) }]);
    if let Some(usage) = usage {
        answer["usage"] = openai_usage(usage);
    }
    answer
}

fn openai_events(reply: &Reply, asked: &Asked, usage: Option<Usage>) -> Vec<(&'static str, String)> {
    let chunk = |delta: Value, finish_reason: Value| {
        let mut chunk = openai_head(asked, "chat.completion.chunk");
        chunk["choices"] = json!([{ "index": 0, "delta": delta, "finish_reason": finish_reason }]);
        chunk.to_string()
    };
    let part = |delta: Value| chunk(delta, Value::Null);
    let mut all = vec![part(json!({ "role": "assistant", "content": "" }))];
    all.extend(pieces(&reply.reasoning).iter().map(|piece| part(json!({ "reasoning_content": piece }))));
    all.extend(pieces(&reply.text).iter().map(|piece| part(json!({ "content": piece }))));
    for (at, call) in reply.calls.iter().enumerate() {
        let function = json!({ "name": call.tool, "arguments": "" });
        let head = json!({ "index": at, "id": call_id(asked, at), "type": "function", "function": function });
        all.push(part(json!({ "tool_calls": [head] })));
        all.extend(pieces(&arguments(call)).iter().map(|piece| {
            part(json!({ "tool_calls": [{ "index": at, "function": { "arguments": piece } }] }))
        }));
    }
    all.push(chunk(json!({}), openai_stop(reply).into()));
    if let Some(usage) = usage.filter(|_| asked.streams_usage) {
        let mut last = openai_head(asked, "chat.completion.chunk");
        last["choices"] = json!([]);
        last["usage"] = openai_usage(usage);
        all.push(last.to_string());
    }
    all.push(String::from("[DONE]"));
    all.into_iter().map(|data| ("", data)).collect()
}

fn anthropic_stop(reply: &Reply) -> &'static str {
    match reply.stop {
        Some(Stop::Length) => "max_tokens",
        Some(Stop::Context) => "model_context_window_exceeded",
        Some(Stop::Refused) => "refusal",
        None if reply.calls.is_empty() => "end_turn",
        None => "tool_use",
    }
}

fn anthropic_usage(usage: Option<Usage>) -> Value {
    let Some(usage) = usage else { return json!({}) };
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached),
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.output,
    })
}

/// The blocks of an answer. The protocol has no place for arguments that are no object, but in a stream.
fn anthropic_blocks(reply: &Reply, asked: &Asked) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !reply.reasoning.is_empty() {
        blocks.push(json!({ "type": "thinking", "thinking": reply.reasoning, "signature": "scripted" }));
    }
    if !reply.text.is_empty() {
        blocks.push(json!({ "type": "text", "text": reply.text }));
    }
    for (at, call) in reply.calls.iter().enumerate() {
        let input = serde_json::from_str(&arguments(call)).unwrap_or_else(|_| Value::from(arguments(call)));
        blocks
            .push(json!({ "type": "tool_use", "id": call_id(asked, at), "name": call.tool, "input": input }));
    }
    blocks
}

fn anthropic(reply: &Reply, asked: &Asked, usage: Option<Usage>) -> Value {
    json!({
        "id": format!("msg_{}", asked.messages.len()),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": anthropic_blocks(reply, asked),
        "stop_reason": anthropic_stop(reply),
        "stop_sequence": null,
        "usage": anthropic_usage(usage),
    })
}

fn anthropic_events(reply: &Reply, asked: &Asked, usage: Option<Usage>) -> Vec<(&'static str, String)> {
    let mut start = anthropic(reply, asked, usage);
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    if usage.is_some() {
        start["usage"]["output_tokens"] = 1.into();
    }
    let mut all = vec![("message_start", json!({ "type": "message_start", "message": start }))];
    all.push(("ping", json!({ "type": "ping" })));
    let raws = reply.calls.iter().map(arguments);
    let mut raws = raws.collect::<Vec<_>>().into_iter();
    for (index, mut block) in anthropic_blocks(reply, asked).into_iter().enumerate() {
        let take = |block: &mut Value, field: &str, empty: Value| {
            let text = block[field].as_str().unwrap_or_default().to_owned();
            block[field] = empty;
            text
        };
        let mut deltas = Vec::new();
        match block["type"].as_str() {
            Some("thinking") => {
                let text = take(&mut block, "thinking", "".into());
                let signature = take(&mut block, "signature", "".into());
                let piece = |piece: &String| json!({ "type": "thinking_delta", "thinking": piece });
                deltas.extend(pieces(&text).iter().map(piece));
                deltas.push(json!({ "type": "signature_delta", "signature": signature }));
            }
            Some("text") => {
                let text = take(&mut block, "text", "".into());
                deltas
                    .extend(pieces(&text).iter().map(|piece| json!({ "type": "text_delta", "text": piece })));
            }
            _ => {
                block["input"] = json!({});
                let piece = |piece: &String| json!({ "type": "input_json_delta", "partial_json": piece });
                deltas.extend(pieces(&raws.next().unwrap_or_default()).iter().map(piece));
            }
        }
        let start = json!({ "type": "content_block_start", "index": index, "content_block": block });
        all.push(("content_block_start", start));
        all.extend(deltas.into_iter().map(|delta| {
            ("content_block_delta", json!({ "type": "content_block_delta", "index": index, "delta": delta }))
        }));
        all.push(("content_block_stop", json!({ "type": "content_block_stop", "index": index })));
    }
    let delta = json!({ "stop_reason": anthropic_stop(reply), "stop_sequence": null });
    let output = usage.map_or_else(|| json!({}), |usage| json!({ "output_tokens": usage.output }));
    all.push(("message_delta", json!({ "type": "message_delta", "delta": delta, "usage": output })));
    all.push(("message_stop", json!({ "type": "message_stop" })));
    all.into_iter().map(|(event, data)| (event, data.to_string())).collect()
}

fn events(all: Vec<(&'static str, String)>) -> Answer {
    let event = |(name, data): (&str, String)| match name {
        "" => format!("data: {data}\n\n"),
        name => format!("event: {name}\ndata: {data}\n\n"),
    };
    Answer { status: 200, headers: Vec::new(), body: Body::Events(all.into_iter().map(event).collect()) }
}
