//! The door of the relay: reads a request that a program in a sandbox wrote, and lets through what may go to the model. What
//! passes is a new request; nothing of the old one but its checked body and three headers goes on.

use std::sync::Arc;
use std::time::Duration;

use harness_schema::manifest::Protocol;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Version};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::log::Log;
use super::refusal::Refusal;
use super::token;
use crate::engine::budget::Budget;
use crate::host::model::{Client, RETRY_HEADER, Written};
use crate::host::redact::SecretString;

/// The longest body.
const MAX_BODY_BYTES: u64 = 32 * 1024 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests at once; more wait before their bodies are read.
const MAX_AT_ONCE: usize = 8;
/// The longest value of a header that is passed on.
const MAX_VALUE_BYTES: usize = 1024;
/// Which additions to its protocol a client of Anthropic speaks.
const BETAS: &str = "anthropic-beta";

/// Fields of a body that would have another model answer, or have the provider speak to others.
const REFUSED_FIELDS: &[(&str, &str)] = &[
    ("models", "another model could answer"),
    ("fallbacks", "another model could answer"),
    ("route", "another model could answer"),
    ("plugins", "the provider would speak to others"),
    ("mcp_servers", "the provider would speak to others"),
    ("web_search_options", "the provider would speak to others"),
];
/// Kinds of tools that run at the provider and reach others from there.
const REFUSED_TOOLS: &[&str] = &["web_", "code_execution", "mcp", "openrouter:"];

pub(super) struct Door {
    pub(super) client: Client,
    pub(super) log: Arc<Log>,
    token: SecretString,
    seed: Option<u32>,
    budget: Budget,
    slots: Arc<Semaphore>,
}

/// A request that may pass.
pub(super) enum Asked {
    /// Which models there are.
    Models,
    /// The model.
    Model {
        written: Box<Written>,
        /// Whether the program itself asked for the usage of a stream.
        wants_usage: bool,
        /// Its place among those at once.
        slot: OwnedSemaphorePermit,
    },
}

impl Door {
    pub(super) fn new(
        client: Client,
        token: SecretString,
        seed: Option<u32>,
        budget: Budget,
        log: Arc<Log>,
    ) -> Self {
        Self { client, log, token, seed, budget, slots: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.client.settings().protocol
    }

    /// Reads and checks a request.
    pub(super) async fn admit(&self, request: Request<Incoming>) -> Result<Asked, Refusal> {
        check_form(&request)?;
        self.check_token(request.headers())?;
        if self.is_list(&request)? {
            return Ok(Asked::Models);
        }
        let length = request.headers().get(CONTENT_LENGTH).ok_or(Refusal::NoLength)?;
        let length = length.to_str().ok().and_then(|length| length.parse::<u64>().ok());
        if length.is_none_or(|length| MAX_BODY_BYTES < length) {
            return Err(Refusal::TooLarge { most: MAX_BODY_BYTES });
        }
        // Before the body is read: bodies need memory.
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| Refusal::Form("the relay ends"))?;
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_TIMEOUT, whole(body)).await;
        let body = body.map_err(|_| Refusal::TooSlow { after: BODY_TIMEOUT })??;
        let (body, wants_usage) = self.check_body(&body)?;
        if let Some(limit) = self.log.limit(&self.budget) {
            return Err(Refusal::Budget(limit));
        }
        let retries = head.headers.get(RETRY_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        let written = Written {
            body: Value::Object(body),
            seed: self.seed,
            headers: self.passed_on(&head.headers),
            retries: retries.unwrap_or_default(),
        };
        Ok(Asked::Model { written: Box::new(written), wants_usage, slot })
    }

    /// The models that there are: the one of the contract.
    pub(super) fn models(&self) -> Value {
        let name = &self.client.settings().name;
        match self.protocol() {
            Protocol::Openai => {
                let model =
                    json!({ "id": name, "object": "model", "created": 0, "owned_by": "self-harness" });
                json!({ "object": "list", "data": [model] })
            }
            Protocol::Anthropic => {
                let model = json!({ "type": "model", "id": name, "display_name": name });
                json!({ "data": [model], "first_id": name, "last_id": name, "has_more": false })
            }
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let keys = headers.get_all("x-api-key").iter().map(HeaderValue::as_bytes);
        let bearers = headers.get_all(AUTHORIZATION).iter().map(|value| {
            let value = value.as_bytes();
            match value.split_at_checked(7) {
                Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key,
                _ => value,
            }
        });
        let mut shown = keys.chain(bearers).peekable();
        let is_shown = shown.peek().is_some();
        // All that is shown: whoever has two keys is not believed either.
        if is_shown && shown.all(|key| token::fits(&self.token, key)) { Ok(()) } else { Err(Refusal::Token) }
    }

    /// Whether the list of models is asked for, and not the model.
    fn is_list(&self, request: &Request<Incoming>) -> Result<bool, Refusal> {
        let expected = match self.protocol() {
            Protocol::Openai => "/v1/chat/completions",
            Protocol::Anthropic => "/v1/messages",
        };
        // The query is dropped: `?beta=true` says what a header says too.
        let path = request.uri().path();
        let method = match path {
            "/v1/models" => Method::GET,
            path if path == expected => Method::POST,
            path => return Err(Refusal::Path { path: shown(path), expected }),
        };
        if *request.method() != method {
            let expected = if method == Method::GET { "GET" } else { "POST" };
            return Err(Refusal::Method { path: shown(path), expected });
        }
        Ok(method == Method::GET)
    }

    /// The body as it is sent, and whether the program asked for the usage of a stream.
    fn check_body(&self, body: &[u8]) -> Result<(Map<String, Value>, bool), Refusal> {
        let mut body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Refusal::Body(error.to_string()))?;
        let settings = self.client.settings();
        if body.get("model").and_then(Value::as_str) != Some(&settings.name) {
            return Err(Refusal::Model { expected: settings.name.clone() });
        }
        for (field, why) in REFUSED_FIELDS {
            if body.get(*field).is_some_and(|value| !value.is_null()) {
                return Err(Refusal::Field { field: (*field).to_owned(), why });
            }
        }
        for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
            let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
            if REFUSED_TOOLS.iter().any(|refused| kind.starts_with(refused)) {
                let why = "the provider would speak to others";
                return Err(Refusal::Field { field: format!("tools[].type = {}", shown(kind)), why });
            }
        }
        body.remove("seed");
        let mut wants_usage = true;
        if settings.protocol == Protocol::Openai {
            if let Some(seed) = self.seed {
                body.insert(String::from("seed"), seed.into());
            }
            if body.get("stream").and_then(Value::as_bool) == Some(true) {
                let options = body.entry("stream_options").or_insert(Value::Null);
                let mut asked = options.as_object().cloned().unwrap_or_default();
                let before = asked.insert(String::from("include_usage"), true.into());
                wants_usage = before.and_then(|value| value.as_bool()).unwrap_or_default();
                *options = Value::Object(asked);
            }
        }
        Ok((body, wants_usage))
    }

    /// The headers that go on: none but those of the protocol that change how the body is understood.
    fn passed_on(&self, headers: &HeaderMap) -> HeaderMap {
        let mut passed = HeaderMap::new();
        if self.protocol() == Protocol::Anthropic {
            let is_plain = |value: &&HeaderValue| value.len() <= MAX_VALUE_BYTES && value.to_str().is_ok();
            for value in headers.get_all(BETAS).iter().filter(is_plain) {
                passed.append(BETAS, value.clone());
            }
        }
        passed
    }
}

/// A request that has one meaning: no proxy's form, one host, one way to tell its length.
fn check_form(request: &Request<Incoming>) -> Result<(), Refusal> {
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::Form("it is of another version"));
    }
    if request.method() == Method::CONNECT || request.uri().authority().is_some() {
        return Err(Refusal::Form("it is written for a proxy"));
    }
    let headers = request.headers();
    if headers.get_all(HOST).iter().count() != 1 {
        return Err(Refusal::Form("it names no host, or several"));
    }
    // With both a length and chunks the two ends could disagree where it ends; with chunks alone hyper could have dropped
    // the length.
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::NoLength);
    }
    if 1 < headers.get_all(CONTENT_LENGTH).iter().count() {
        return Err(Refusal::Form("it has several lengths"));
    }
    if headers.contains_key("upgrade") {
        return Err(Refusal::Form("it asks for another protocol"));
    }
    Ok(())
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Form("its body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes.extend_from_slice(&data);
        if MAX_BODY_BYTES < bytes.len() as u64 {
            return Err(Refusal::TooLarge { most: MAX_BODY_BYTES });
        }
    }
    Ok(bytes)
}

/// Words of a program, short and plain.
fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(120).collect()
}
