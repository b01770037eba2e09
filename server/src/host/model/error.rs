//! What can go wrong in a call, and what follows from it for the trial and the run (`void`, `context`, `crashed`, or the
//! run pauses). The server's own words stay, without secrets and without what would steer a terminal.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::failure::Failure;
use crate::host::redact::Redactor;

/// As much of what a server says as a person reads.
const MAX_WORDS: usize = 600;

/// Why a call has no reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// The provider cannot answer now: 408, 409, 429, 5xx, or an error of that kind inside of an answer.
    #[error("the provider answered {status}{}", said(words))]
    Unavailable {
        /// The status; 200 if the error came inside of an answer.
        status: u16,
        /// What the server said.
        words: String,
    },
    /// There is no connection, or it broke before an answer.
    #[error("cannot reach `{origin}`{}", said(words))]
    Connection {
        /// Where the call went.
        origin: String,
        /// What the network said.
        words: String,
    },
    /// It took too long.
    #[error("`{origin}` {} {} seconds", wait.in_words(), after.as_secs_f64())]
    Timeout {
        /// Where the call went.
        origin: String,
        /// What took too long.
        wait: TimeLimit,
        /// How long.
        after: Duration,
    },
    /// The answer ended before its end mark.
    #[error("the answer was cut off{}", said(words))]
    Cut {
        /// What the network said.
        words: String,
    },
    /// The answer is not what the protocol says.
    #[error("the answer cannot be read{}", said(words))]
    Unreadable {
        /// What is wrong with it.
        words: String,
    },
    /// The conversation is longer than the model's context.
    #[error("the conversation is too long for the model{}", said(words))]
    TooLong {
        /// What the server said.
        words: String,
    },
    /// A filter of the provider refused the conversation or the answer.
    #[error("the provider refused to answer{}", said(words))]
    Refused {
        /// What the server said.
        words: String,
    },
    /// The model, or the server as it was started, cannot call tools.
    #[error("the model cannot call tools{}", said(words))]
    NoTools {
        /// What the server said.
        words: String,
    },
    /// The provider will not answer until somebody changes something: the key, the account, the model's name, the request.
    #[error("the provider answered {status}{}", said(words))]
    Rejected {
        /// The status; 200 if the error came inside of an answer.
        status: u16,
        /// What the server said.
        words: String,
    },
    /// The endpoint points elsewhere; a key is never sent there.
    #[error("the provider answered {status}, a redirect{}", said(words))]
    Redirect {
        /// The status.
        status: u16,
        /// Where to.
        words: String,
    },
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// Connecting.
    Connect,
    /// The next piece of a streamed answer.
    Idle,
    /// The whole call.
    Whole,
}

impl TimeLimit {
    fn in_words(self) -> &'static str {
        match self {
            Self::Connect => "could not be connected to within",
            Self::Idle => "sent nothing more for",
            Self::Whole => "did not answer within",
        }
    }
}

/// What follows from a call that has no usable reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consequence {
    /// The trial measured nothing: void, cause `provider`.
    Void,
    /// The trial measured nothing, and the run pauses at once with the server's words.
    Pause,
    /// The trial ends as `context`, and is verified.
    Context,
    /// The trial ends as `crashed`, and is verified.
    Crashed,
}

impl ModelError {
    /// What follows from it, once it is not tried again.
    #[must_use]
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Unavailable { .. }
            | Self::Connection { .. }
            | Self::Timeout { .. }
            | Self::Cut { .. }
            | Self::Unreadable { .. } => Consequence::Void,
            Self::TooLong { .. } => Consequence::Context,
            Self::Refused { .. } => Consequence::Crashed,
            Self::NoTools { .. } | Self::Rejected { .. } | Self::Redirect { .. } => Consequence::Pause,
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.consequence() == Consequence::Void
    }

    /// What the person can do about it; empty if there is nothing but to wait.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Rejected { status: 401 | 403, .. } => {
                "see whether the variable that `model.api_key_env` names holds a key for this endpoint"
            }
            Self::Rejected { status: 402, .. } => "see to the account at the provider",
            Self::Rejected { status: 404, .. } => "see whether `model.endpoint` and `model.name` are right",
            Self::Rejected { .. } => {
                "change what the server objects to: `[model]`, or the account at the provider"
            }
            Self::Redirect { .. } => "write the address it points to in `model.endpoint`, if you trust it",
            Self::NoTools { .. } => {
                "name a model that can call tools in `model.name`, or start the server with tool calling"
            }
            Self::Connection { .. } => "see whether the server runs and `model.endpoint` is its address",
            Self::Timeout { .. } => {
                "give it more time with `model.timeout`, or see whether the server is overloaded"
            }
            Self::Unreadable { .. } => {
                "see whether `model.protocol` is what the server at `model.endpoint` speaks"
            }
            Self::Unavailable { .. } | Self::Cut { .. } | Self::TooLong { .. } | Self::Refused { .. } => "",
        }
    }

    /// The failure of a command that cannot go on because of it.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        match self.consequence() {
            Consequence::Pause => Failure::config(self.to_string(), self.hint()),
            _ => Failure::host(self.to_string(), self.hint()),
        }
    }
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// What a server said, for people: one line without secrets and control characters, and not too long.
pub(super) fn words(text: &str, redactor: &Redactor) -> String {
    let clean = redactor.text(text);
    let mut words = String::new();
    let mut count = 0;
    for word in
        clean.split(|char: char| char.is_whitespace() || is_steering(char)).filter(|word| !word.is_empty())
    {
        count += word.chars().count() + 1;
        if MAX_WORDS < count {
            let left = MAX_WORDS.saturating_sub(count - word.chars().count());
            words.push(' ');
            words.extend(word.chars().take(left));
            words.push('…');
            return words.trim_start().to_owned();
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    words
}

/// Control characters, and what reorders or hides text.
fn is_steering(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// An error as a server reports it: `{"error": {message, type, code, param}}` (OpenAI, also with status 200),
/// `{"type": "error", "error": {type, message}}` (Anthropic), `{"error": "…"}` (Ollama), `{"detail": …}` or
/// `{"message": …}` (others), or no JSON at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) message: String,
    pub(super) kind: String,
    pub(super) code: String,
    pub(super) param: String,
}

impl Reported {
    /// The error inside of an answer, if there is one.
    pub(super) fn inside(answer: &Value) -> Option<Self> {
        let error = answer.get("error").filter(|error| !error.is_null())?;
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = error.as_str().map_or_else(|| text("message"), str::to_owned);
        let message = if message.is_empty() { error.to_string() } else { message };
        Some(Self { message, kind: text("type"), code: text("code"), param: text("param") })
    }

    /// The error that the body of an answer with a bad status is.
    pub(super) fn read(body: &str) -> Self {
        let Ok(answer) = serde_json::from_str::<Value>(body) else {
            return Self { message: body.to_owned(), ..Self::default() };
        };
        Self::inside(&answer).unwrap_or_else(|| {
            let known = ["message", "detail"].iter().find_map(|name| answer.get(name)?.as_str());
            // vLLM of old has the fields of an error at the top.
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let message = known.map_or_else(|| answer.to_string(), str::to_owned);
            Self { message, kind: text("type"), code: text("code"), param: text("param") }
        })
    }

    /// Which error it is.
    pub(super) fn classify(&self, status: u16, redactor: &Redactor) -> ModelError {
        let words = words(&self.message, redactor);
        let message = self.message.to_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
        let is = |names: &[&str]| names.iter().any(|name| self.kind == *name || self.code == *name);
        // OpenRouter hands an upstream's status on as the code of an error with status 200.
        let status = match self.code.parse::<u16>() {
            Ok(code) if status == 200 && (400..600).contains(&code) => code,
            _ => status,
        };
        if is(&["insufficient_quota", "billing_error", "billing_hard_limit_reached"]) {
            return ModelError::Rejected { status, words };
        }
        let may_be_too_long = !matches!(status, 401..=404 | 429);
        if is(&["context_length_exceeded", "exceed_context_size_error", "request_too_large"])
            || status == 413
            || may_be_too_long && says(TOO_LONG)
        {
            return ModelError::TooLong { words };
        }
        if is(&["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"]) {
            return ModelError::Refused { words };
        }
        if matches!(status, 400 | 404 | 422 | 500 | 501) && says(NO_TOOLS) {
            return ModelError::NoTools { words };
        }
        match status {
            300..400 => ModelError::Redirect { status, words },
            408 | 409 | 429 | 500.. => ModelError::Unavailable { status, words },
            400..500 => ModelError::Rejected { status, words },
            _ if is(&[
                "authentication_error",
                "permission_error",
                "not_found_error",
                "invalid_request_error",
                "invalid_api_key",
                "model_not_found",
            ]) =>
            {
                ModelError::Rejected { status, words }
            }
            _ => ModelError::Unavailable { status, words },
        }
    }
}

/// Why an answer with a good status holds no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It holds an error.
    Reported(Reported),
    /// It is not what the protocol says.
    Unreadable(String),
    /// It ends before its end mark.
    Cut,
}

impl Unread {
    /// Something is not there.
    pub(super) fn lacks(name: &str) -> Self {
        Self::Unreadable(format!("there is no `{name}` in it"))
    }
}

/// How servers say that a conversation is too long: OpenAI and vLLM, Anthropic (twice), llama.cpp, OpenRouter, SGLang,
/// Gemini's chat completions, Mistral.
const TOO_LONG: &[&str] = &[
    "maximum context length",
    "context_length_exceeded",
    "prompt is too long",
    "exceed context limit",
    "exceeds the available context size",
    "exceeds the context window",
    "exceeds the model's context",
    "longer than the model's context length",
    "input token count exceeds",
    "input is too long",
    "too large for model with",
];

/// How servers say that tools cannot be called: Ollama, OpenRouter, vLLM, llama.cpp.
const NO_TOOLS: &[&str] = &[
    "does not support tools",
    "support tool use",
    "tool choice requires",
    "tools param requires",
    "does not support function calling",
    "tool calling is not supported",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::redact::SecretString;

    fn classified(status: u16, body: &str) -> ModelError {
        Reported::read(body).classify(status, &Redactor::new([&SecretString::new("a-live-secret")]))
    }

    #[track_caller]
    fn check(status: u16, body: &str, consequence: Consequence, shown: &str) {
        let error = classified(status, body);
        assert_eq!((error.consequence(), error.to_string().as_str()), (consequence, shown));
    }

    #[test]
    fn statuses_decide_where_nothing_else_does() {
        use Consequence::{Pause, Void};
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            check(
                status,
                r#"{"error":{"message":"busy"}}"#,
                Void,
                &format!("the provider answered {status}: busy"),
            );
        }
        for status in [400, 401, 402, 403, 404, 422] {
            check(status, r#"{"error":"no"}"#, Pause, &format!("the provider answered {status}: no"));
        }
        check(307, "", Pause, "the provider answered 307, a redirect");
        check(503, "<h1>\u{1b}[31mdown</h1>\n", Void, "the provider answered 503: <h1> [31mdown</h1>");
    }

    #[test]
    fn codes_and_words_win_over_statuses() {
        use Consequence::{Context, Crashed, Pause, Void};
        let quota =
            r#"{"error":{"message":"quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        check(429, quota, Pause, "the provider answered 429: quota");
        let long = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
        check(400, long, Context, "the conversation is too long for the model: too long");
        let long = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3 > 2"}}"#;
        check(400, long, Context, "the conversation is too long for the model: prompt is too long: 3 > 2");
        check(413, "", Context, "the conversation is too long for the model");
        let filter = r#"{"error":{"message":"filtered","code":"content_filter"}}"#;
        check(400, filter, Crashed, "the provider refused to answer: filtered");
        let tools = r#"{"error":{"message":"registry.ollama.ai/library/a:1b does not support tools"}}"#;
        check(
            400,
            tools,
            Pause,
            "the model cannot call tools: registry.ollama.ai/library/a:1b does not support tools",
        );
        check(200, r#"{"error":{"message":"up","code":502}}"#, Void, "the provider answered 502: up");
        check(
            200,
            r#"{"error":{"type":"overloaded_error","message":"o"}}"#,
            Void,
            "the provider answered 200: o",
        );
        let key = r#"{"error":{"type":"authentication_error","message":"bad key"}}"#;
        check(200, key, Pause, "the provider answered 200: bad key");
    }

    #[test]
    fn words_are_one_clean_line() {
        let error = classified(401, r#"{"error":{"message":"wrong key\n a-live-secret\u202e"}}"#);
        assert_eq!(error.to_string(), "the provider answered 401: wrong key [redacted]");
        assert!(error.hint().contains("`model.api_key_env`"));
        let long = classified(500, &"word ".repeat(1000)).to_string();
        assert!(long.ends_with('…') && long.chars().count() < 700, "{long}");
    }
}
