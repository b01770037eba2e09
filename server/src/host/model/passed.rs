//! Calls that an agent wrote itself: the body goes to the model as it is written, the answer comes back as it is, and beside
//! it what it says. Nothing of the agent's request but its body, and a few headers that the caller picked, is sent.

use std::time::{Duration, Instant};

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use super::client::{CallFailed, Client, Failed, Joined, MAX_ANSWER_BYTES, Wait, estimated, too_long};
use super::conversation::Reply;
use super::error::{ModelError, TimeLimit, Unread};
use super::sse::{Event, Reader};

/// A request that an agent wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its body, a JSON object.
    pub body: Value,
    /// The seed, for a protocol that has no field for it.
    pub seed: Option<u32>,
    /// Headers that are passed on.
    pub headers: HeaderMap,
    /// How often the agent has sent it before, as it says.
    pub retries: u32,
}

/// An answer to such a request.
#[derive(Debug)]
pub enum Passed {
    /// All at once: as it came, and what it says.
    Whole(Value, Box<Reply>),
    /// Piece by piece.
    Stream(Box<Passing>),
}

/// A streamed answer on its way.
#[derive(Debug)]
pub struct Passing {
    client: Client,
    /// Of the request, for our own count of tokens.
    body: Value,
    response: Response,
    events: Reader,
    joined: Option<Joined>,
    /// What has been read already.
    first: Option<Vec<Event>>,
    bytes: usize,
    deadline: Instant,
    is_over: bool,
}

impl Client {
    /// Sends a request of an agent. A failure that may pass is tried again as for [`Client::complete`], as long as nothing of
    /// an answer was passed on.
    ///
    /// # Errors
    /// [`CallFailed`], with the server's words and without secrets.
    pub async fn pass_on(
        &self,
        written: &Written,
        waiting: &mut (dyn FnMut(&Wait<'_>) + Send),
    ) -> Result<Passed, CallFailed> {
        let mut waited = Duration::ZERO;
        let mut attempts = 0;
        loop {
            let deadline = Instant::now() + self.settings().timeout;
            let outcome = tokio::time::timeout(
                self.settings().timeout,
                self.pass(written, written.retries.saturating_add(attempts), deadline),
            );
            let outcome = outcome.await.unwrap_or_else(|_| {
                Err(Failed::of(self.too_slow(TimeLimit::Whole, self.settings().timeout)))
            });
            attempts += 1;
            let failed = match outcome {
                Ok(passed) => return Ok(passed),
                Err(failed) => failed,
            };
            let length = written.body.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
            let seed = u64::from(written.seed.unwrap_or_default()) << 16 | length as u64;
            let Some(delay) = self.delay(&failed, attempts, seed) else {
                return Err(CallFailed { error: failed.error, attempts, waited });
            };
            tracing::info!(attempts, ?delay, error = %failed.error, "the model is asked again for an agent");
            waiting(&Wait { error: &failed.error, attempts, delay });
            tokio::time::sleep(delay).await;
            waited += delay;
        }
    }

    async fn pass(&self, written: &Written, retry: u32, deadline: Instant) -> Result<Passed, Failed> {
        let response =
            self.send(written.body.to_string(), written.seed, retry, written.headers.clone()).await?;
        if !response.status().is_success() {
            let (status, headers) = (response.status(), response.headers().clone());
            let reported = self.reported(response).await?;
            return Err(self.refused(status, &headers, &reported));
        }
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let wants_stream = written.body.get("stream").and_then(Value::as_bool).unwrap_or_default();
        if !wants_stream || kind.starts_with("application/json") {
            let whole = self.whole(response, "call").await?;
            let (answer, mut reply) = whole.map_err(|unread| Failed::of(self.unread(unread)))?;
            if reply.usage.is_estimated {
                reply.usage = estimated(&written.body, &reply);
            }
            return Ok(Passed::Whole(answer, Box::new(reply)));
        }
        let mut passing = Passing {
            client: self.clone(),
            body: written.body.clone(),
            response,
            events: Reader::default(),
            joined: Some(Joined::new(self.settings().protocol)),
            first: None,
            bytes: 0,
            deadline,
            is_over: false,
        };
        // A server that fails at once is asked again.
        while !passing.is_over {
            let events = passing.read().await.map_err(Failed::of)?;
            if !events.is_empty() {
                passing.first = Some(events);
                return Ok(Passed::Stream(Box::new(passing)));
            }
        }
        Err(Failed::of(self.unread(Unread::Cut)))
    }
}

impl Passing {
    /// The next events, which may be none yet; `None` when the answer is over.
    ///
    /// # Errors
    /// A [`ModelError`] if the answer breaks, or holds an error. Nothing more comes then.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, ModelError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.is_over {
            return Ok(None);
        }
        self.read().await.map(Some)
    }

    /// What the whole answer says.
    ///
    /// # Errors
    /// [`ModelError::Cut`] if its end mark was not there.
    pub fn finish(&mut self) -> Result<Reply, ModelError> {
        let joined = self.joined.take().ok_or(Unread::Cut);
        let mut reply =
            joined.and_then(|joined| joined.finish("call")).map_err(|unread| self.client.unread(unread))?;
        if reply.usage.is_estimated {
            reply.usage = estimated(&self.body, &reply);
        }
        Ok(reply)
    }

    /// Reads a piece.
    async fn read(&mut self) -> Result<Vec<Event>, ModelError> {
        let read = self.read_piece().await;
        self.is_over |= read.is_err();
        read
    }

    async fn read_piece(&mut self) -> Result<Vec<Event>, ModelError> {
        let settings = self.client.settings();
        let left = self.deadline.saturating_duration_since(Instant::now());
        let (limit, wait) = if left < settings.idle_timeout {
            (left, TimeLimit::Whole)
        } else {
            (settings.idle_timeout, TimeLimit::Idle)
        };
        let chunk = match tokio::time::timeout(limit, self.response.chunk()).await {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => return Err(self.client.cut(&error).error),
            Err(_) => {
                let after = if wait == TimeLimit::Whole { settings.timeout } else { settings.idle_timeout };
                return Err(self.client.too_slow(wait, after));
            }
        };
        let events = match chunk {
            Some(chunk) => {
                self.bytes += chunk.len();
                if MAX_ANSWER_BYTES < self.bytes {
                    return Err(self.client.unread(too_long()));
                }
                self.events.push(&chunk)
            }
            None => {
                self.is_over = true;
                std::mem::take(&mut self.events).finish().into_iter().collect()
            }
        };
        let Some(joined) = &mut self.joined else { return Ok(events) };
        for event in &events {
            if let Err(unread) = joined.push(event) {
                // The beginning of an event, if it was the last one.
                let unread = if self.is_over { Unread::Cut } else { unread };
                return Err(self.client.unread(unread));
            }
        }
        self.is_over |= joined.is_done();
        Ok(events)
    }
}
