//! What a relay does not pass on, in words that the author of a program understands, in the form of the protocol. It never
//! shows a token or a key.

use std::io;
use std::time::Duration;

use harness_schema::manifest::Protocol;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::engine::budget::Limit;
use crate::host::model::{Consequence, ModelError};

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Why a request was not sent to the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It can be read in two ways, or is written for somebody else.
    #[error("the request is not plain HTTP/1.1: {0}")]
    Form(&'static str),
    /// It does not show the token of this trial.
    #[error(
        "the key is not the one of this trial; take it from the variable or the placeholder `{{model_key}}`"
    )]
    Token,
    /// There is nothing there.
    #[error("there is nothing at `{path}`; this model is asked at `{expected}`")]
    Path {
        /// What was asked.
        path: String,
        /// What can be asked.
        expected: &'static str,
    },
    /// It is asked in another way.
    #[error("`{path}` is asked with {expected}")]
    Method {
        /// What was asked.
        path: String,
        /// The method.
        expected: &'static str,
    },
    /// Another model was asked for.
    #[error(
        "this harness is measured with the model `{expected}` and no other; take its name from `{{model_name}}`"
    )]
    Model {
        /// The contract's.
        expected: String,
    },
    /// The body is too long.
    #[error("the body is longer than {} MiB", most / 1024 / 1024)]
    TooLarge {
        /// The limit in bytes.
        most: u64,
    },
    /// How long the body is was not said.
    #[error("the request has no `content-length`; send the body in one piece")]
    NoLength,
    /// The body did not come.
    #[error("the body did not come within {} seconds", after.as_secs())]
    TooSlow {
        /// The limit.
        after: Duration,
    },
    /// The body is no request.
    #[error("the body is no JSON object: {0}")]
    Body(String),
    /// Nothing more may be spent.
    #[error("{}", .0.words())]
    Budget(Limit),
    /// It asks for something that would lead past the sandbox or the contract.
    #[error("`{field}` cannot be asked for: {why}")]
    Field {
        /// The field of the body.
        field: String,
        /// Why not.
        why: &'static str,
    },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Form(_) | Self::Body(_) | Self::Field { .. } => StatusCode::BAD_REQUEST,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Budget(_) => StatusCode::PAYMENT_REQUIRED,
            Self::Path { .. } | Self::Model { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn kind(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Token => ("authentication_error", Some("invalid_api_key")),
            Self::Model { .. } => ("not_found_error", Some("model_not_found")),
            Self::Path { .. } => ("not_found_error", None),
            Self::TooLarge { .. } => ("request_too_large", None),
            Self::Budget(_) => ("billing_error", Some("insufficient_quota")),
            _ => ("invalid_request_error", None),
        }
    }

    /// The answer to it. The connection ends with it, so nothing that was sent along is read as a next request.
    pub(super) fn response(&self, protocol: Protocol) -> Response<Body> {
        let (kind, code) = self.kind();
        let mut response = error(self.status(), &self.to_string(), kind, code, protocol);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// An answer that is JSON.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error(
    status: StatusCode,
    message: &str,
    kind: &str,
    code: Option<&str>,
    protocol: Protocol,
) -> Response<Body> {
    let body: Value = match protocol {
        Protocol::Openai => {
            json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
        }
        Protocol::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": message } }),
    };
    json(status, body.to_string().into_bytes())
}

/// What a program inside is told about a failure of the provider: the status and the words, without anything else that the
/// provider sent. It was tried again already, so clients are told not to.
pub(super) fn of_provider(failure: &ModelError, protocol: Protocol) -> Response<Body> {
    let (status, kind, code) = match failure {
        ModelError::Unavailable { status: 429, .. } => (429, "rate_limit_error", None),
        ModelError::Unavailable { status, .. } => (at_least(*status, 503), "overloaded_error", None),
        ModelError::Connection { .. } | ModelError::Cut { .. } | ModelError::Unreadable { .. } => {
            (502, "api_error", None)
        }
        ModelError::Redirect { .. } => (502, "api_error", None),
        ModelError::Timeout { .. } => (504, "timeout_error", None),
        ModelError::TooLong { .. } => (400, "invalid_request_error", Some("context_length_exceeded")),
        ModelError::Refused { .. } => (400, "invalid_request_error", Some("content_filter")),
        ModelError::NoTools { .. } => (400, "invalid_request_error", None),
        ModelError::Rejected { status, .. } => (at_least(*status, 400), "invalid_request_error", None),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    // Where a redirect leads is nobody's business inside.
    let message = match failure {
        ModelError::Redirect { status, .. } => {
            format!("the provider answered {status}, a redirect, which is not followed")
        }
        other => other.to_string(),
    };
    let mut response = error(status, &message, kind, code, protocol);
    if matches!(failure.consequence(), Consequence::Void | Consequence::Pause) {
        response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// A status that says failure: errors come with status 200 too.
fn at_least(status: u16, otherwise: u16) -> u16 {
    if (400..600).contains(&status) { status } else { otherwise }
}
