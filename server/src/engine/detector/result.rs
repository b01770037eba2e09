//! What the result of a call says by itself, whatever the call was: whether it went wrong, whether more was there, whether it asks.

use harness_schema::surface::approx_tokens;

use super::message::Missing;
use super::words;
use crate::engine::action::error_line;
use crate::engine::trace::Observation;

/// A result, reduced to facts.
#[derive(Clone, Debug, Default)]
pub(super) struct ResultSeen {
    /// Whether the call went wrong.
    pub(super) is_error: bool,
    /// The line that says what went wrong, if it did.
    pub(super) error: Option<String>,
    pub(super) missing: Missing,
    pub(super) timed_out: bool,
    pub(super) truncated: bool,
    /// Whether it ends in a question.
    pub(super) asks: bool,
    pub(super) bytes: usize,
    /// About how many tokens it has.
    pub(super) tokens: u64,
}

impl ResultSeen {
    /// Reads a result; a call without one has neither gone well nor wrong.
    pub(super) fn of(result: Option<&Observation>) -> Self {
        let Some(result) = result else { return Self::default() };
        let text = result.text.as_str();
        // An exit code says more than a text, which may be long.
        let (is_error, line) = match result.exit {
            Some(0) => (false, None),
            Some(_) => (true, error_line(text)),
            None => {
                let line = error_line(text);
                (result.timed_out || result.failed == Some(true) || line.is_some(), line)
            }
        };
        let last = || text.lines().rev().find(|line| !line.trim().is_empty());
        let error = is_error.then(|| line.or_else(last).unwrap_or_default().to_owned());
        let tail = words::tail(text);
        Self {
            is_error,
            error,
            missing: if is_error { Missing::of(text) } else { Missing::default() },
            timed_out: result.timed_out || words::is_late(text),
            truncated: result.truncated || words::is_cut(tail),
            asks: words::asks(tail),
            bytes: text.len(),
            tokens: approx_tokens(text) as u64,
        }
    }
}
