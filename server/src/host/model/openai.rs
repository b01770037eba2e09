//! Chat completions: requests as JSON, and answers, whole or streamed, as replies. It sends nothing.
//!
//! The format is OpenAI's (API reference, "Chat"); vLLM, SGLang, Ollama, llama.cpp, OpenRouter and LiteLLM speak it with
//! differences, which are read leniently: calls without ids or indexes, arguments as objects, errors with status 200.

use serde_json::{Map, Value, json};

use super::conversation::{Arguments, Call, Message, Reply, Request, Stop, Tool, Usage, sendable_name};
use super::error::{Reported, Unread};
use super::settings::Settings;
use super::sse::Event;

/// The body of a request. `max_tokens` is called `max_completion_tokens` where a server wants that.
pub(super) fn body(settings: &Settings, request: &Request<'_>, has_new_name: bool) -> Value {
    let mut body = fields(settings, request, has_new_name);
    body.insert(String::from("messages"), request.messages.iter().map(message).collect());
    Value::Object(body)
}

/// The same as it is sent. Message by message, because a long conversation is large enough once.
pub(super) fn written(settings: &Settings, request: &Request<'_>, has_new_name: bool) -> String {
    let mut out = String::from("{\"messages\":[");
    for (at, each) in request.messages.iter().enumerate() {
        if 0 < at {
            out.push(',');
        }
        out.push_str(&message(each).to_string());
    }
    out.push(']');
    // There is a model at least.
    let fields = Value::Object(fields(settings, request, has_new_name)).to_string();
    out.push(',');
    out.push_str(fields.strip_prefix('{').unwrap_or("}"));
    out
}

/// Everything but the messages.
fn fields(settings: &Settings, request: &Request<'_>, has_new_name: bool) -> Map<String, Value> {
    let mut body = settings.request.clone();
    let limit = if has_new_name { "max_completion_tokens" } else { "max_tokens" };
    if !body.contains_key("max_completion_tokens") {
        body.insert(limit.to_owned(), settings.max_output_tokens.into());
    }
    if has_new_name {
        body.remove("max_tokens");
    }
    for name in ["messages", "tools", "seed", "stream_options"] {
        body.remove(name);
    }
    body.insert(String::from("model"), settings.name.as_str().into());
    body.insert(String::from("stream"), settings.stream.into());
    if settings.stream {
        body.insert(String::from("stream_options"), json!({ "include_usage": true }));
    }
    if !request.tools.is_empty() {
        let tool = |tool: &Tool| {
            let function =
                json!({ "name": tool.name, "description": tool.description, "parameters": tool.schema() });
            json!({ "type": "function", "function": function })
        };
        body.insert(String::from("tools"), request.tools.iter().map(tool).collect());
    }
    let numbers = [("temperature", settings.temperature), ("top_p", settings.top_p)];
    for (name, value) in numbers {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.into());
        }
    }
    if let Some(seed) = request.seed {
        body.insert(String::from("seed"), seed.into());
    }
    body
}

fn message(message: &Message) -> Value {
    match message {
        Message::System(text) => json!({ "role": "system", "content": text }),
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Tool(result) => {
            json!({ "role": "tool", "tool_call_id": result.call, "content": result.text.as_str() })
        }
        Message::Assistant(turn) if turn.calls.is_empty() => {
            json!({ "role": "assistant", "content": turn.text })
        }
        Message::Assistant(turn) => {
            let call = |call: &Call| {
                let arguments = Value::Object(call.arguments.to_object()).to_string();
                let function = json!({ "name": sendable_name(&call.name), "arguments": arguments });
                json!({ "id": call.id, "type": "function", "function": function })
            };
            let content = if turn.text.is_empty() { Value::Null } else { turn.text.as_str().into() };
            let calls: Vec<Value> = turn.calls.iter().map(call).collect();
            json!({ "role": "assistant", "content": content, "tool_calls": calls })
        }
    }
}

/// Whether a server's error says that it wants `max_completion_tokens`.
pub(super) fn wants_new_name(status: u16, error: &Reported) -> bool {
    matches!(status, 400 | 422)
        && (error.message.contains("max_completion_tokens")
            || error.param == "max_tokens" && error.code.starts_with("unsupported"))
}

/// What an answer consists of, whole or joined.
#[derive(Debug, Default)]
struct Parts {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<CallParts>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    model: Option<String>,
    fingerprint: Option<String>,
}

#[derive(Debug, Default)]
struct CallParts {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// The reply that a whole answer is. `names` makes ids for calls that come without one.
pub(super) fn read(answer: &Value, names: &str) -> Result<Reply, Unread> {
    if let Some(error) = Reported::inside(answer) {
        return Err(Unread::Reported(error));
    }
    let choice = answer.pointer("/choices/0").ok_or_else(|| Unread::lacks("choices[0]"))?;
    if let Some(error) = Reported::inside(choice) {
        return Err(Unread::Reported(error));
    }
    let message = choice.get("message").filter(|message| message.is_object());
    let mut parts = Parts::default();
    parts.take_head(answer);
    parts.take(message.ok_or_else(|| Unread::lacks("choices[0].message"))?);
    parts.finish_reason = text_of(choice, "finish_reason");
    Ok(parts.into_reply(names))
}

/// Joins a streamed answer.
#[derive(Debug, Default)]
pub(super) struct Joined {
    parts: Parts,
    is_done: bool,
}

impl Joined {
    /// Takes an event.
    pub(super) fn push(&mut self, event: &Event) -> Result<(), Unread> {
        let data = event.data.trim();
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|error| Unread::Unreadable(format!("a part of the stream is no JSON: {error}")))?;
        if let Some(error) = Reported::inside(&chunk) {
            return Err(Unread::Reported(error));
        }
        self.parts.take_head(&chunk);
        let Some(choice) = chunk.pointer("/choices/0") else { return Ok(()) };
        if let Some(error) = Reported::inside(choice) {
            return Err(Unread::Reported(error));
        }
        if let Some(delta) = choice.get("delta") {
            self.parts.take(delta);
        }
        if let Some(reason) = text_of(choice, "finish_reason") {
            self.parts.finish_reason = Some(reason);
        }
        Ok(())
    }

    /// Whether nothing more is to come.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The reply, if the end mark was there: `[DONE]`, or a `finish_reason`, as some servers send no more.
    pub(super) fn finish(self, names: &str) -> Result<Reply, Unread> {
        if !self.is_done && self.parts.finish_reason.is_none() {
            return Err(Unread::Cut);
        }
        Ok(self.parts.into_reply(names))
    }
}

impl Parts {
    /// What stands beside the choices.
    fn take_head(&mut self, answer: &Value) {
        self.model = text_of(answer, "model").or(self.model.take());
        self.fingerprint = text_of(answer, "system_fingerprint").or(self.fingerprint.take());
        self.usage = answer.get("usage").and_then(usage).or(self.usage);
    }

    /// A message or a part of one.
    fn take(&mut self, message: &Value) {
        match message.get("content") {
            Some(Value::String(text)) => self.text.push_str(text),
            // Mistral answers with parts, thinking among them.
            Some(Value::Array(parts)) => parts.iter().for_each(|part| self.take_part(part)),
            _ => {}
        }
        let reasoning = ["reasoning_content", "reasoning"].iter().find_map(|name| text_of(message, name));
        self.reasoning.push_str(&reasoning.unwrap_or_default());
        self.refusal.push_str(&text_of(message, "refusal").unwrap_or_default());
        if let Some(calls) = message.get("tool_calls").and_then(Value::as_array) {
            for call in calls {
                let function = call.get("function").unwrap_or(&Value::Null);
                self.take_call(call.get("index").and_then(Value::as_u64), text_of(call, "id"), function);
            }
        }
        // The form before `tool_calls`: one call without an id.
        if let Some(function) = message.get("function_call").filter(|function| function.is_object()) {
            self.take_call(Some(0), None, function);
        }
    }

    fn take_part(&mut self, part: &Value) {
        match part.get("thinking") {
            Some(Value::String(text)) => self.reasoning.push_str(text),
            Some(Value::Array(parts)) => {
                parts
                    .iter()
                    .filter_map(|part| text_of(part, "text"))
                    .for_each(|text| self.reasoning.push_str(&text));
            }
            _ => self.text.push_str(&text_of(part, "text").unwrap_or_default()),
        }
    }

    /// A call or a part of one. Parts belong together by index; a new id begins a new call, as some servers give all
    /// of them the index 0 or none.
    fn take_call(&mut self, index: Option<u64>, id: Option<String>, function: &Value) {
        let id = id.filter(|id| !id.is_empty());
        let name = text_of(function, "name").filter(|name| !name.is_empty());
        let known = self.calls.iter().rposition(|call| call.index == index || index.is_none());
        let continued = known.filter(|&at| {
            self.calls.get(at).is_some_and(|call| match (&id, index) {
                (Some(id), _) => call.id == *id || call.id.is_empty() && index.is_some(),
                (None, Some(_)) => true,
                (None, None) => name.is_none(),
            })
        });
        let at = continued.unwrap_or_else(|| {
            self.calls.push(CallParts { index, ..CallParts::default() });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else { return };
        if let Some(id) = id {
            call.id = id;
        }
        // A few servers repeat the name in each part; none cuts it.
        if let Some(name) = name {
            call.name = name;
        }
        match function.get("arguments") {
            Some(Value::String(text)) => call.arguments.push_str(text),
            Some(Value::Null) | None => {}
            Some(value) => call.arguments.push_str(&value.to_string()),
        }
    }

    fn into_reply(self, names: &str) -> Reply {
        let calls: Vec<Call> = self
            .calls
            .into_iter()
            .enumerate()
            .map(|(at, call)| Call {
                id: if call.id.is_empty() { format!("{names}_{at}") } else { call.id },
                name: call.name,
                arguments: Arguments::read(&call.arguments),
            })
            .collect();
        let stop = match self.finish_reason.as_deref() {
            _ if !self.refusal.is_empty() => Stop::Refused,
            Some("content_filter") => Stop::Refused,
            Some("length") => Stop::Length,
            // Some servers say `stop` and call.
            Some("stop" | "tool_calls" | "function_call") | None if !calls.is_empty() => Stop::Calls,
            Some("stop" | "tool_calls" | "function_call") | None => Stop::End,
            Some(other) => Stop::Other(other.to_owned()),
        };
        let text = if self.text.is_empty() { self.refusal } else { self.text };
        Reply {
            text,
            reasoning: self.reasoning,
            calls,
            stop,
            usage: self.usage.unwrap_or(Usage { is_estimated: true, ..Usage::default() }),
            model: self.model,
            fingerprint: self.fingerprint,
            kept: Vec::new(),
        }
    }
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

/// The usage of an answer; `None` if there is none, or nothing in it.
fn usage(usage: &Value) -> Option<Usage> {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let (input, output) = (number("/prompt_tokens"), number("/completion_tokens"));
    if input.unwrap_or(0) == 0 && output.unwrap_or(0) == 0 {
        return None;
    }
    Some(Usage {
        input: input.unwrap_or(0),
        cached: number("/prompt_tokens_details/cached_tokens")
            .or(number("/prompt_cache_hit_tokens"))
            .unwrap_or(0),
        cache_written: number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0),
        output: output.unwrap_or(0),
        is_estimated: false,
    })
}

#[cfg(test)]
mod tests;
