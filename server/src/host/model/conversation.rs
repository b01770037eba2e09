//! A conversation with a model in its normal form, which both protocols are written from and read into.
//!
//! What a model cannot be blamed for is not in it: an answer that the provider cut or garbled is an error, no reply.

use std::fmt;

use ecow::EcoString;
use serde_json::{Map, Value};

use super::error::Consequence;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What the harness says about the work as a whole.
    System(String),
    /// What the harness says as the user.
    User(String),
    /// What the model answered.
    Assistant(Turn),
    /// What came of a tool call.
    Tool(ToolResult),
}

/// A turn of the model, as it is sent back to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// The text.
    pub text: String,
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// Parts that the provider wants back unchanged: thinking, which it signs (Anthropic, "extended thinking with tool
    /// use"). Empty in chat completions.
    pub kept: Vec<Value>,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The provider's name for it; the result names it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What the tool is called with.
    pub arguments: Arguments,
}

/// The arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// A JSON object.
    Object(Map<String, Value>),
    /// Anything else, as the model wrote it: a format error of the model.
    Malformed(String),
}

impl Arguments {
    /// Reads what a model wrote. Nothing at all is a call without arguments.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Object(Map::new());
        }
        serde_json::from_str(text).map_or_else(|_| Self::Malformed(text.to_owned()), Self::Object)
    }

    /// Takes a value; what is no object is malformed.
    #[must_use]
    pub fn of(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self::Object(fields),
            Value::Null => Self::Object(Map::new()),
            Value::String(text) => Self::read(&text),
            other => Self::Malformed(other.to_string()),
        }
    }

    /// The object that goes back to the model. Servers refuse a conversation whose arguments are no object, so what is
    /// malformed goes back as the value of one field.
    #[must_use]
    pub fn to_object(&self) -> Map<String, Value> {
        match self {
            Self::Object(fields) => fields.clone(),
            Self::Malformed(text) => {
                Map::from_iter([(String::from("malformed_arguments"), Value::from(text.as_str()))])
            }
        }
    }
}

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// The call that it answers.
    pub call: String,
    /// What the model reads.
    pub text: EcoString,
}

/// A tool as a model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// What the model calls.
    pub name: String,
    /// What the model reads about it.
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
}

impl Tool {
    /// The schema as servers want it: of an object, with properties, if only none.
    pub(super) fn schema(&self) -> Value {
        let mut schema = self.parameters.as_object().cloned().unwrap_or_default();
        schema.entry("type").or_insert_with(|| "object".into());
        schema.entry("properties").or_insert_with(|| Map::new().into());
        Value::Object(schema)
    }
}

/// A tool's name as it may stand in a conversation. Models call tools that are none, and servers refuse a conversation
/// with a name of another form than `[A-Za-z0-9_-]{1,64}`.
pub(super) fn sendable_name(name: &str) -> String {
    let is_sendable = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let name: String = name.chars().take(64).map(|char| if is_sendable(char) { char } else { '_' }).collect();
    if name.is_empty() { String::from("unnamed") } else { name }
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The conversation so far.
    pub messages: &'a [Message],
    /// The tools that it may call; none is no tool calling.
    pub tools: &'a [Tool],
    /// The seed of this request ([`super::seed::of_request`]); without one none is sent.
    pub seed: Option<u32>,
}

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// What it thought, as far as the provider shows it.
    pub reasoning: String,
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// Why it stopped.
    pub stop: Stop,
    /// What it read and wrote.
    pub usage: Usage,
    /// The model's name as answered; it may be more exact than the one that was asked for.
    pub model: Option<String>,
    /// What the provider says it runs (`system_fingerprint`).
    pub fingerprint: Option<String>,
    /// Parts that the provider wants back unchanged.
    pub kept: Vec<Value>,
}

impl Reply {
    /// The turn that goes into the conversation.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn { text: self.text.clone(), calls: self.calls.clone(), kept: self.kept.clone() }
    }
}

/// Why a model stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It had said what it had to say.
    #[default]
    End,
    /// It wants tools to run.
    Calls,
    /// It was cut at `max_output_tokens`; a call may be incomplete, which is a format error.
    Length,
    /// It, or a filter of the provider, refused: the trial ends as `crashed` and is verified.
    Refused,
    /// Its context is full: the trial ends as `context` and is verified.
    ContextFull,
    /// It paused, and goes on when its turn is sent back (`pause_turn`).
    Paused,
    /// The provider's own word.
    Other(String),
}

impl Stop {
    /// What follows for the trial, if the reply cannot be used.
    #[must_use]
    pub fn consequence(&self) -> Option<Consequence> {
        match self {
            Self::Refused => Some(Consequence::Crashed),
            Self::ContextFull => Some(Consequence::Context),
            Self::End | Self::Calls | Self::Length | Self::Paused | Self::Other(_) => None,
        }
    }
}

/// What a call read and wrote, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input, cached or not.
    pub input: u64,
    /// How much of the input the provider had cached.
    pub cached: u64,
    /// How much of the input the provider wrote to its cache.
    pub cache_written: u64,
    /// All output, thinking too.
    pub output: u64,
    /// Whether the provider said nothing and these are our own counts.
    pub is_estimated: bool,
}

impl Usage {
    /// Both together; an estimate in it makes it an estimate.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            cache_written: self.cache_written.saturating_add(other.cache_written),
            output: self.output.saturating_add(other.output),
            is_estimated: self.is_estimated || other.is_estimated,
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.is_estimated { "≈" } else { "" };
        write!(f, "{about}{} tokens in, {about}{} out", self.input, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_malformed() {
        assert_eq!(Arguments::read(""), Arguments::Object(Map::new()));
        assert_eq!(Arguments::read("{}"), Arguments::Object(Map::new()));
        for text in ["{", "[1]", "null", "{\"a\":1} {\"b\":2}"] {
            assert_eq!(Arguments::read(text), Arguments::Malformed(text.to_owned()));
        }
        let malformed = Arguments::read("{\"a\":").to_object();
        assert_eq!(Value::Object(malformed), serde_json::json!({ "malformed_arguments": "{\"a\":" }));
    }

    #[test]
    fn an_estimate_stays_an_estimate() {
        let known = Usage { input: 3, output: 4, ..Usage::default() };
        let guessed = Usage { input: 1, output: 1, is_estimated: true, ..Usage::default() };
        assert_eq!(known.plus(guessed).to_string(), "≈4 tokens in, ≈5 out");
        assert_eq!(known.to_string(), "3 tokens in, 4 out");
    }
}
