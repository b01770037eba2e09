//! Calls a model: sends a request, reads the answer, waits and tries again where that may help. It follows no redirect,
//! speaks to the manifest's origin alone, and shows the key nowhere.

use std::error::Error as _;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use harness_schema::manifest::Protocol;
use harness_schema::surface::approx_tokens;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Response, StatusCode, redirect};
use serde_json::Value;
use thiserror::Error;

use super::conversation::{Arguments, Reply, Request, Usage};
use super::error::{ModelError, Reported, TimeLimit, Unread, words};
use super::price::Cost;
use super::settings::Settings;
use super::sse::{Event, Reader};
use super::{anthropic, openai, retry};
use crate::host::redact::{Redactor, SecretString};

/// An answer longer than this is none.
pub(super) const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// The header that says how often a call has been tried before. The clients of OpenAI and Anthropic send it under this
/// name.
pub const RETRY_HEADER: &str = "x-stainless-retry-count";

/// The header that carries the seed where the protocol has no field for it (Anthropic messages).
pub const SEED_HEADER: &str = "x-seed";

/// A model that can be called. One client serves all trials of a run; calls may run side by side. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    key: Option<HeaderValue>,
    redactor: Redactor,
    live: Redactor,
    /// The server wants `max_completion_tokens` for `max_tokens`.
    has_new_name: Arc<AtomicBool>,
}

/// Why a client cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The key cannot be sent in a header.
    #[error("the model's key holds characters that cannot be sent; see whether it was copied whole")]
    Key,
    /// The HTTP client cannot be made, for example because the machine has no certificates.
    #[error(
        "cannot prepare calls to `{origin}`: {why}; see whether this machine has CA certificates installed"
    )]
    Http {
        /// Where calls would go.
        origin: String,
        /// What was said.
        why: String,
    },
}

/// An answered call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What the model said.
    pub reply: Reply,
    /// What it cost.
    pub cost: Cost,
    /// How often the call was sent.
    pub attempts: u32,
    /// How long it waited between attempts; the trial's clock stands still then.
    pub waited: Duration,
}

/// A call without a reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}{}", if *attempts == 1 { String::new() } else { format!(" (after {attempts} attempts)") })]
pub struct CallFailed {
    /// What went wrong the last time.
    pub error: ModelError,
    /// How often the call was sent.
    pub attempts: u32,
    /// How long it waited between attempts.
    pub waited: Duration,
}

/// A wait that begins: the trial's clock stops for so long.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'a> {
    /// What went wrong.
    pub error: &'a ModelError,
    /// How often the call was sent.
    pub attempts: u32,
    /// How long it waits before it is sent again.
    pub delay: Duration,
}

/// One attempt without a reply.
pub(super) struct Failed {
    pub(super) error: ModelError,
    /// Whether the provider said that trying again is useless.
    is_final: bool,
    /// How long the provider wants us to wait.
    asked_for: Option<Duration>,
}

impl Failed {
    pub(super) fn of(error: ModelError) -> Self {
        Self { error, is_final: false, asked_for: None }
    }
}

impl Client {
    /// A client that calls the model of `settings` with `key`.
    ///
    /// # Errors
    /// A [`ClientError`], without the key.
    pub fn new(settings: Settings, key: Option<&SecretString>) -> Result<Self, ClientError> {
        // Whoever was first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("self-harness/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(settings.connect_timeout);
        let endpoint = &settings.endpoint;
        if endpoint.is_loopback() {
            // What stays on this machine goes through no proxy and, mostly, without certificates.
            builder = builder.no_proxy();
            if endpoint.is_localhost() {
                let here: [SocketAddr; 2] =
                    [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
                builder = builder.resolve_to_addrs("localhost", &here);
            }
            if endpoint.origin().starts_with("http:") {
                builder = builder.tls_certs_only([]);
            }
        } else {
            builder = builder.https_only(true);
        }
        let http = builder
            .build()
            .map_err(|error| ClientError::Http { origin: endpoint.origin(), why: cause(&error) })?;
        let header = key.map(|key| {
            let text = match settings.protocol {
                Protocol::Openai => format!("Bearer {}", key.expose()),
                Protocol::Anthropic => key.expose().to_owned(),
            };
            let mut header = HeaderValue::try_from(text).map_err(|_| ClientError::Key)?;
            header.set_sensitive(true);
            Ok(header)
        });
        // Some services take the key in the address.
        let in_query = endpoint.query_values().into_iter().map(SecretString::new);
        let secrets: Vec<SecretString> = key.cloned().into_iter().chain(in_query).collect();
        Ok(Self {
            http,
            key: header.transpose()?,
            redactor: Redactor::new(&secrets),
            live: Redactor::live(&secrets),
            settings,
            has_new_name: Arc::new(AtomicBool::new(false)),
        })
    }

    /// The same model at another temperature. Where the manifest sends none, none is sent: some models refuse it.
    #[must_use]
    pub fn at_temperature(&self, temperature: f64) -> Self {
        let mut settings = self.settings.clone();
        settings.temperature = settings.temperature.map(|_| temperature);
        Self {
            http: self.http.clone(),
            settings,
            key: self.key.clone(),
            redactor: self.redactor.clone(),
            live: self.live.clone(),
            has_new_name: Arc::clone(&self.has_new_name),
        }
    }

    /// How it calls.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What takes its key, and whatever has the form of a key, out of records.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What takes its key, and nothing else, out of what an agent reads.
    #[must_use]
    pub fn live_redactor(&self) -> &Redactor {
        &self.live
    }

    /// Asks the model. A failure that may pass is tried again as the settings say; `waiting` hears of each wait, so that
    /// a clock can stop. Dropping the future ends the call.
    ///
    /// # Errors
    /// [`CallFailed`], with the server's words and without secrets.
    pub async fn complete(
        &self,
        request: &Request<'_>,
        waiting: &mut (dyn FnMut(&Wait<'_>) + Send),
    ) -> Result<Answer, CallFailed> {
        let mut waited = Duration::ZERO;
        let mut attempts = 0;
        loop {
            let outcome = self.attempt(request, attempts).await;
            attempts += 1;
            let failed = match outcome {
                Ok(reply) => {
                    let cost = self.settings.pricing.cost(&reply.usage);
                    return Ok(Answer { reply, cost, attempts, waited });
                }
                Err(failed) => failed,
            };
            let seed = u64::from(request.seed.unwrap_or_default()) << 16 | request.messages.len() as u64;
            let Some(delay) = self.delay(&failed, attempts, seed) else {
                return Err(CallFailed { error: failed.error, attempts, waited });
            };
            tracing::info!(attempts, ?delay, error = %failed.error, "the model is asked again");
            waiting(&Wait { error: &failed.error, attempts, delay });
            tokio::time::sleep(delay).await;
            waited += delay;
        }
    }

    /// How long to wait before a call that was sent `attempts` times is sent again; `None` if it is not.
    pub(super) fn delay(&self, failed: &Failed, attempts: u32, seed: u64) -> Option<Duration> {
        if !failed.error.is_passing() || failed.is_final || self.settings.retries < attempts {
            return None;
        }
        Some(
            failed.asked_for.unwrap_or_else(|| self.settings.backoff.delay(attempts.saturating_sub(1), seed)),
        )
    }

    async fn attempt(&self, request: &Request<'_>, retry: u32) -> Result<Reply, Failed> {
        let limit = self.settings.timeout;
        match tokio::time::timeout(limit, self.exchange(request, retry)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failed::of(self.too_slow(TimeLimit::Whole, limit))),
        }
    }

    /// Sends a request; if the server wants the other name of `max_tokens`, once more with that.
    async fn exchange(&self, request: &Request<'_>, retry: u32) -> Result<Reply, Failed> {
        let has_new_name = self.has_new_name.load(Ordering::Relaxed);
        let body = self.written(request, has_new_name);
        let response = self.send(body, request.seed, retry, HeaderMap::new()).await?;
        if response.status().is_success() {
            return self.read(response, request).await;
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let reported = self.reported(response).await?;
        let wants_new_name = self.settings.protocol == Protocol::Openai
            && !has_new_name
            && openai::wants_new_name(status.as_u16(), &reported);
        if !wants_new_name {
            return Err(self.refused(status, &headers, &reported));
        }
        self.has_new_name.store(true, Ordering::Relaxed);
        let body = self.written(request, true);
        let response = self.send(body, request.seed, retry, HeaderMap::new()).await?;
        if response.status().is_success() {
            return self.read(response, request).await;
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let reported = self.reported(response).await?;
        Err(self.refused(status, &headers, &reported))
    }

    fn written(&self, request: &Request<'_>, has_new_name: bool) -> String {
        match self.settings.protocol {
            Protocol::Openai => openai::written(&self.settings, request, has_new_name),
            Protocol::Anthropic => anthropic::body(&self.settings, request).to_string(),
        }
    }

    fn body(&self, request: &Request<'_>, has_new_name: bool) -> Value {
        match self.settings.protocol {
            Protocol::Openai => openai::body(&self.settings, request, has_new_name),
            Protocol::Anthropic => anthropic::body(&self.settings, request),
        }
    }

    /// Sends a body. It is let go when it is written: a model may think for long, and conversations are large.
    pub(super) async fn send(
        &self,
        body: String,
        seed: Option<u32>,
        retry: u32,
        more: HeaderMap,
    ) -> Result<Response, Failed> {
        let endpoint = &self.settings.endpoint;
        let url = match self.settings.protocol {
            Protocol::Openai => endpoint.below("chat/completions"),
            Protocol::Anthropic => endpoint.below("messages"),
        };
        let mut call = self.http.post(url).header(CONTENT_TYPE, "application/json").body(Body::wrap(body));
        call = call.headers(more).header(RETRY_HEADER, retry);
        match self.settings.protocol {
            Protocol::Openai => {
                if let Some(key) = &self.key {
                    call = call.header(AUTHORIZATION, key.clone());
                }
            }
            Protocol::Anthropic => {
                call = call.header("anthropic-version", anthropic::VERSION);
                if let Some(key) = &self.key {
                    call = call.header("x-api-key", key.clone());
                }
                if let Some(seed) = seed {
                    call = call.header(SEED_HEADER, seed);
                }
            }
        }
        call.send().await.map_err(|error| {
            if error.is_timeout() && error.is_connect() {
                return Failed::of(self.too_slow(TimeLimit::Connect, self.settings.connect_timeout));
            }
            let words = words(&cause(&error), &self.redactor);
            Failed::of(ModelError::Connection { origin: endpoint.origin(), words })
        })
    }

    /// The error that an answer with a bad status is.
    pub(super) async fn reported(&self, mut response: Response) -> Result<Reported, Failed> {
        if response.status().is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
            return Ok(Reported { message: to.to_owned(), ..Reported::default() });
        }
        let mut body = Vec::new();
        // What was said until the connection broke is better than nothing.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if 1024 * 1024 < body.len() {
                break;
            }
        }
        Ok(Reported::read(&String::from_utf8_lossy(&body)))
    }

    pub(super) fn refused(&self, status: StatusCode, headers: &HeaderMap, reported: &Reported) -> Failed {
        Failed {
            error: reported.classify(status.as_u16(), &self.redactor),
            is_final: retry::is_useless(headers),
            asked_for: retry::asked_for(headers, SystemTime::now()),
        }
    }

    /// Reads a good answer, streamed or not: a server may not know how to stream.
    async fn read(&self, response: Response, request: &Request<'_>) -> Result<Reply, Failed> {
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_streamed = self.settings.stream && !kind.starts_with("application/json");
        let names = format!("call_{}", request.messages.len());
        let outcome = if is_streamed {
            self.read_stream(response, &names).await?
        } else {
            self.read_whole(response, &names).await?
        };
        let mut reply = outcome.map_err(|unread| Failed::of(self.unread(unread)))?;
        if reply.usage.is_estimated {
            reply.usage = estimated(&self.body(request, false), &reply);
        }
        Ok(reply)
    }

    async fn read_whole(&self, response: Response, names: &str) -> Result<Result<Reply, Unread>, Failed> {
        Ok(self.whole(response, names).await?.map(|(_, reply)| reply))
    }

    /// Reads an answer that is not streamed: as it came, and what it says.
    pub(super) async fn whole(
        &self,
        mut response: Response,
        names: &str,
    ) -> Result<Result<(Value, Reply), Unread>, Failed> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.cut(&error))? {
            bytes.extend_from_slice(&chunk);
            if MAX_ANSWER_BYTES < bytes.len() {
                return Ok(Err(too_long()));
            }
        }
        let answer: Value = match serde_json::from_slice(&bytes) {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(Unread::Unreadable(format!("it is no JSON: {error}")))),
        };
        let reply = match self.settings.protocol {
            Protocol::Openai => openai::read(&answer, names),
            Protocol::Anthropic => anthropic::read(&answer),
        };
        Ok(reply.map(|reply| (answer, reply)))
    }

    async fn read_stream(
        &self,
        mut response: Response,
        names: &str,
    ) -> Result<Result<Reply, Unread>, Failed> {
        let mut events = Reader::default();
        let mut joined = Joined::new(self.settings.protocol);
        let mut size = 0;
        let idle = self.settings.idle_timeout;
        while !joined.is_done() {
            let chunk = match tokio::time::timeout(idle, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(self.cut(&error)),
                Err(_) => return Err(Failed::of(self.too_slow(TimeLimit::Idle, idle))),
            };
            size += chunk.len();
            if MAX_ANSWER_BYTES < size {
                return Ok(Err(too_long()));
            }
            for event in events.push(&chunk) {
                if let Err(unread) = joined.push(&event) {
                    return Ok(Err(unread));
                }
            }
        }
        if !joined.is_done()
            && let Some(event) = events.finish()
            && joined.push(&event).is_err()
        {
            // The beginning of an event.
            return Ok(Err(Unread::Cut));
        }
        Ok(joined.finish(names))
    }

    pub(super) fn unread(&self, unread: Unread) -> ModelError {
        match unread {
            Unread::Reported(reported) => reported.classify(StatusCode::OK.as_u16(), &self.redactor),
            Unread::Unreadable(why) => ModelError::Unreadable { words: words(&why, &self.redactor) },
            Unread::Cut => ModelError::Cut { words: String::from("the stream ended without its end mark") },
        }
    }

    pub(super) fn cut(&self, error: &reqwest::Error) -> Failed {
        Failed::of(ModelError::Cut { words: words(&cause(error), &self.redactor) })
    }

    pub(super) fn too_slow(&self, wait: TimeLimit, after: Duration) -> ModelError {
        ModelError::Timeout { origin: self.settings.endpoint.origin(), wait, after }
    }
}

/// Without the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.settings.endpoint).finish_non_exhaustive()
    }
}

/// A streamed answer, in either protocol.
#[derive(Debug)]
pub(super) enum Joined {
    Openai(openai::Joined),
    Anthropic(anthropic::Joined),
}

impl Joined {
    pub(super) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Openai => Self::Openai(openai::Joined::default()),
            Protocol::Anthropic => Self::Anthropic(anthropic::Joined::default()),
        }
    }

    pub(super) fn push(&mut self, event: &Event) -> Result<(), Unread> {
        match self {
            Self::Openai(joined) => joined.push(event),
            Self::Anthropic(joined) => joined.push(event),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Openai(joined) => joined.is_done(),
            Self::Anthropic(joined) => joined.is_done(),
        }
    }

    pub(super) fn finish(self, names: &str) -> Result<Reply, Unread> {
        match self {
            Self::Openai(joined) => joined.finish(names),
            Self::Anthropic(joined) => joined.finish(),
        }
    }
}

pub(super) fn too_long() -> Unread {
    Unread::Unreadable(format!("it is longer than {} MiB", MAX_ANSWER_BYTES / 1024 / 1024))
}

/// What an error of the network comes from, without the address, whose query may hold a key.
fn cause(error: &reqwest::Error) -> String {
    let mut deepest = error.source();
    let mut said: Vec<String> = Vec::new();
    while let Some(source) = deepest {
        let text = source.to_string();
        if !said.iter().any(|known| known.contains(&text)) {
            said.push(text);
        }
        deepest = source.source();
    }
    said.join(": ")
}

/// What a call read and wrote, by our own count: for servers that do not say.
pub(super) fn estimated(body: &Value, reply: &Reply) -> Usage {
    let input = ["messages", "system", "tools"].iter().filter_map(|name| body.get(name));
    let calls = reply.calls.iter().map(|call| match &call.arguments {
        Arguments::Object(_) => {
            approx_tokens(&call.name) + approx_tokens(&Value::Object(call.arguments.to_object()).to_string())
        }
        Arguments::Malformed(text) => approx_tokens(&call.name) + approx_tokens(text),
    });
    let output = approx_tokens(&reply.text) + approx_tokens(&reply.reasoning) + calls.sum::<usize>();
    Usage {
        input: input.map(|part| approx_tokens(&part.to_string()) as u64).sum(),
        output: output as u64,
        is_estimated: true,
        ..Usage::default()
    }
}
