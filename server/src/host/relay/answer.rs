//! Answers one request: lets it through the door, asks the model, and passes on what comes, piece by piece where it was asked
//! for so. What it costs and how it ends goes to the log, also if the program goes away in between.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::clean::Cleaner;
use super::door::{Asked, Door};
use super::log::Sent;
use super::refusal::{self, Body};
use crate::host::model::{Event, Passed, Passing, Written};

/// Answers a request.
pub(super) async fn answer(
    door: Arc<Door>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let response = match door.admit(request).await {
        Ok(Asked::Models) => refusal::json(StatusCode::OK, door.models().to_string().into_bytes()),
        Ok(Asked::Model { written, wants_usage, slot }) => ask(&door, written, wants_usage, slot).await,
        Err(refused) => {
            tracing::debug!(%refused, "the relay refuses a request");
            door.log.refused(&refused.to_string());
            refused.response(door.protocol())
        }
    };
    Ok(response)
}

/// Asks the model.
async fn ask(
    door: &Door,
    written: Box<Written>,
    wants_usage: bool,
    slot: OwnedSemaphorePermit,
) -> Response<Body> {
    let sent = door.log.sends(&written.body);
    let passed = door.client.pass_on(&written, &mut |wait| door.log.waits(wait.error, wait.delay)).await;
    match passed {
        Ok(Passed::Whole(mut answer, reply)) => {
            sent.answered(&reply);
            let live = door.client.live_redactor();
            live.json(&mut answer);
            refusal::json(StatusCode::OK, live.bytes(answer.to_string().as_bytes()))
        }
        Ok(Passed::Stream(passing)) => {
            let cleaner = Cleaner::new(door.client.live_redactor());
            streamed(Outgoing { passing, cleaner, sent: Some(sent), wants_usage, passed: 0, _slot: slot })
        }
        Err(failed) => {
            let response = refusal::of_provider(&failed.error, door.protocol());
            sent.failed(failed.error, 0);
            response
        }
    }
}

/// A streamed answer on its way to the program.
struct Outgoing {
    passing: Box<Passing>,
    cleaner: Cleaner,
    sent: Option<Sent>,
    wants_usage: bool,
    /// Bytes so far.
    passed: usize,
    _slot: OwnedSemaphorePermit,
}

fn streamed(outgoing: Outgoing) -> Response<Body> {
    let pieces = stream::unfold(outgoing, |mut outgoing| async move {
        let piece = outgoing.piece().await?;
        Some((piece.map(|bytes| Frame::data(Bytes::from(bytes))), outgoing))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Outgoing {
    /// The next piece; `None` when the answer is over. An error breaks the connection off, as the provider's did.
    async fn piece(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.sent.as_ref()?;
        loop {
            let events = match self.passing.next().await {
                Ok(Some(events)) => events,
                Ok(None) => return self.end(),
                Err(error) => {
                    self.sent.take()?.failed(error, self.passed);
                    return Some(Err(io::Error::other("the provider's answer broke off")));
                }
            };
            let mut text = String::new();
            for event in events.iter().filter(|event| self.wants_usage || !is_usage_alone(event)) {
                self.cleaner.event(event).iter().for_each(|event| text.push_str(&event.written()));
            }
            if !text.is_empty() {
                self.passed += text.len();
                return Some(Ok(text.into_bytes()));
            }
        }
    }

    /// The last piece.
    fn end(&mut self) -> Option<io::Result<Vec<u8>>> {
        let sent = self.sent.take()?;
        match self.passing.finish() {
            Ok(reply) => {
                sent.answered(&reply);
                let rest: String = self.cleaner.finish().iter().map(Event::written).collect();
                (!rest.is_empty()).then(|| Ok(rest.into_bytes()))
            }
            Err(error) => {
                sent.failed(error, self.passed);
                Some(Err(io::Error::other("the provider's answer broke off")))
            }
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(sent) = self.sent.take() {
            sent.abandoned(self.passed);
        }
    }
}

/// Whether an event holds nothing but the usage that only we asked for.
fn is_usage_alone(event: &Event) -> bool {
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return false };
    let has_choices =
        data.get("choices").and_then(Value::as_array).is_some_and(|choices| !choices.is_empty());
    !has_choices && data.get("usage").is_some_and(Value::is_object) && data.get("choices").is_some()
}
