//! What a scripted model is asked, in either protocol, as far as rules look at it.

use serde::Deserialize;
use serde_json::Value;

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    /// Chat completions.
    Openai,
    /// Anthropic messages.
    Anthropic,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) protocol: Protocol,
    pub(super) model: String,
    pub(super) system: String,
    /// All messages but the system's.
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<Tool>,
    pub(super) stream: bool,
    /// Whether a stream ends with the usage.
    pub(super) streams_usage: bool,
    pub(super) seed: i64,
    /// How often the client has tried before.
    pub(super) attempt: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
    Result,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: String,
}

impl Asked {
    /// Reads a request's body; in words, why it is none. `seed` and `attempt` stand in headers.
    pub(super) fn read(protocol: Protocol, body: &[u8], seed: i64, attempt: u64) -> Result<Self, String> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
        let model = body.get("model").and_then(Value::as_str).ok_or("`model` is missing")?;
        let messages = body.get("messages").and_then(Value::as_array).ok_or("`messages` is missing")?;
        let mut asked = Self {
            protocol,
            model: model.to_owned(),
            system: body.get("system").map(text).unwrap_or_default(),
            messages: Vec::new(),
            tools: Vec::new(),
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            streams_usage: body
                .pointer("/stream_options/include_usage")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            seed: body.get("seed").and_then(Value::as_i64).unwrap_or(seed),
            attempt,
        };
        if protocol == Protocol::Anthropic && body.get("max_tokens").is_none() {
            return Err(String::from("max_tokens: Field required"));
        }
        messages.iter().try_for_each(|message| asked.take(message))?;
        for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
            let tool = tool.get("function").unwrap_or(tool);
            let field = |name: &str| tool.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            asked.tools.push(Tool { name: field("name"), description: field("description") });
        }
        Ok(asked)
    }

    fn take(&mut self, message: &Value) -> Result<(), String> {
        let content = message.get("content").unwrap_or(&Value::Null);
        let role = message.get("role").and_then(Value::as_str).ok_or("a message has no `role`")?;
        match role {
            "system" | "developer" => {
                if !self.system.is_empty() {
                    self.system.push_str("\n\n");
                }
                self.system.push_str(&text(content));
            }
            "tool" | "function" => self.push(Role::Result, text(content)),
            "assistant" => {
                let mut said = text(content);
                if let Some(calls) = message.get("tool_calls").filter(|calls| !calls.is_null()) {
                    said.push_str(&calls.to_string());
                }
                self.push(Role::Assistant, said);
            }
            "user" => self.take_user(content),
            other => return Err(format!("`{other}` is no role of a message")),
        }
        Ok(())
    }

    /// In Anthropic messages tool results are blocks of a user's message.
    fn take_user(&mut self, content: &Value) {
        let is_result = |block: &&Value| block.get("type").and_then(Value::as_str) == Some("tool_result");
        let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
        for block in blocks.iter().filter(is_result) {
            self.push(Role::Result, block.get("content").map(text).unwrap_or_default());
        }
        if blocks.is_empty() || !blocks.iter().all(|block| is_result(&block)) {
            self.push(Role::User, text(content));
        }
    }

    fn push(&mut self, role: Role, text: String) {
        self.messages.push(Message { role, text });
    }

    /// All texts, to count.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let tools = self.tools.iter().flat_map(|tool| [tool.name.as_str(), tool.description.as_str()]);
        let messages = self.messages.iter().map(|message| message.text.as_str());
        [self.system.as_str()].into_iter().chain(messages).chain(tools)
    }
}

/// The text of a content: a string, or the texts of its parts, calls as JSON; without tool results.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| match part.get("type").and_then(Value::as_str) {
                Some("tool_result") => None,
                Some("tool_use") => Some(part.to_string()),
                _ => part.get("text").and_then(Value::as_str).map(str::to_owned),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
