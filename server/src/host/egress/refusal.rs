//! Why somebody inside is not connected, as an answer that programs show to people.

use super::target::{MAX_HEAD_BYTES, NoTarget};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// What was asked names no target.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The head does not end.
    #[error("the head of the request has more than {MAX_HEAD_BYTES} bytes")]
    LongHead,
    /// The head does not come.
    #[error("the head of the request did not come in time")]
    Slow,
    /// The host is not one of the task's.
    #[error("`{host}` is not among the `allowed_hosts` of the task")]
    Host { host: String },
    /// The port is not one of the web's.
    #[error("port {port} cannot be reached, only 443 and 80")]
    Port { port: u16 },
    /// The name leads to no public address.
    #[error("`{host}` leads to an address that is not public ({kind})")]
    Inward { host: String, kind: &'static str },
    /// As much was carried as may be.
    #[error("the sandbox has carried as many bytes as it may")]
    Spent,
    /// Nobody knows the name.
    #[error("`{host}` cannot be looked up: {why}")]
    Unknown { host: String, why: String },
    /// Nobody answers.
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable { host: String, why: String },
}

impl Refusal {
    /// The word in the evidence: whether a rule refused it, or the network failed.
    pub(super) fn verdict(&self) -> &'static str {
        match self {
            Self::Unknown { .. } | Self::Unreachable { .. } => "failed",
            _ => "refused",
        }
    }

    fn status(&self) -> &'static str {
        match self {
            Self::NoTarget(NoTarget::Form(_)) => "400 Bad Request",
            Self::NoTarget(NoTarget::Method) => "405 Method Not Allowed",
            Self::NoTarget(NoTarget::Target { .. })
            | Self::Host { .. }
            | Self::Port { .. }
            | Self::Inward { .. } => "403 Forbidden",
            Self::LongHead => "431 Request Header Fields Too Large",
            Self::Slow => "408 Request Timeout",
            Self::Spent => "429 Too Many Requests",
            Self::Unknown { .. } | Self::Unreachable { .. } => "502 Bad Gateway",
        }
    }

    /// The answer to it, after which the connection ends.
    pub(super) fn response(&self) -> Vec<u8> {
        let status = self.status();
        let allow = if *self == Self::NoTarget(NoTarget::Method) { "allow: CONNECT\r\n" } else { "" };
        let body = format!("self-harness: {self}\n");
        format!(
            "HTTP/1.1 {status}\r\n{allow}content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}
