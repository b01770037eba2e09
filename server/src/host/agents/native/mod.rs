//! The native agent (`formats` 5.1): calls the model from the host and runs its tools in the sandbox, as the harness says.
//! Whatever the end, the tree is judged by the verifier; only a void cause keeps that from happening.

mod clock;
mod prompts;
mod tools;
mod states;
mod talk;
mod hands;
mod answer;
mod run;

use harness_schema::harness::Harness;

use self::run::Run;
pub use self::tools::tool_definitions;
use super::{Work, Worked};
use crate::engine::trace::End;
use crate::engine::trace::Usage;
use crate::engine::verdict::VoidCause;
use crate::host::model::{self, Cost};
use crate::host::sandbox::Sandbox;

/// The name of the native agent in records.
pub const NAME: &str = "native";

/// How an agent phase ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    end: End,
    void: Option<VoidCause>,
    detail: String,
    /// Whether every other trial would end alike.
    pauses: bool,
}

impl Ending {
    /// An end that is judged by the verifier.
    fn judged(end: End, detail: impl Into<String>) -> Self {
        Self { end, void: None, detail: detail.into(), pauses: false }
    }

    /// An end that measured nothing.
    fn void(end: End, cause: VoidCause, detail: impl Into<String>) -> Self {
        Self { end, void: Some(cause), detail: detail.into(), pauses: false }
    }
}

/// Runs the native agent on a task, and says what it did. Blocks the thread until the model ends the work, a limit does, or
/// somebody wants it to end; a call of a tool that runs then is waited for, at most as long as it may take. The thread is none of the
/// runtime's own ([`tokio::task::spawn_blocking`] has one), and the runtime has others to make the calls.
pub fn work(work: &Work<'_>, sandbox: &mut dyn Sandbox) -> Worked {
    let mut run = Run::new(work, sandbox);
    let ending = run.go();
    run.worked(ending)
}

/// Tokens and money of an answer, as traces have them.
#[must_use]
pub fn usage(usage: &model::Usage, cost: Cost) -> Usage {
    let cost = match cost {
        Cost::Usd(usd) => Some(usd),
        Cost::Unknown => None,
    };
    Usage { input: usage.input, cached: usage.cached, output: usage.output, cost }
}

/// Both together; money that is unknown in one of them is unknown.
#[must_use]
pub fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input.saturating_add(other.input),
        cached: one.cached.saturating_add(other.cached),
        output: one.output.saturating_add(other.output),
        cost: one.cost.zip(other.cost).map(|(one, other)| one + other),
    }
}

/// How the model ends its work, in words that it reads.
fn way_to_end(harness: &Harness) -> &'static str {
    match harness.manifest().runtime.finish.value {
        harness_schema::manifest::Finish::Tool => "call `finish` when the work is done",
        harness_schema::manifest::Finish::NoToolCall => "answer without a call when the work is done",
    }
}

#[cfg(test)]
mod tests;
