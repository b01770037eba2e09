//! Agents: each runs a harness on a task inside of a sandbox, and says what it did. Whatever an agent claims is a claim; the
//! verifier judges the tree that it leaves.

pub mod native;
pub mod command;
#[cfg(target_os = "linux")]
pub mod harbor;

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_schema::harness::Harness;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::meter::Meter;
use super::model::Client;
use crate::engine::trace::{End, Trace, Usage};
use crate::engine::verdict::VoidCause;

/// Somebody may want a trial to end. Clones share the wish.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// Nobody wants it yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// From now on it is wanted.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is wanted.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is wanted.
    pub async fn cancelled(&self) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|wanted| *wanted).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

/// What an agent is to do.
pub struct Work<'a> {
    /// The harness: the baseline or a candidate.
    pub harness: &'a Harness,
    /// The task's instruction, without canary lines.
    pub instruction: &'a str,
    /// Where the tree is seen in the sandbox.
    pub workdir: &'a str,
    /// How long it may take. Waiting for a provider that asks for patience does not count.
    pub timeout: Duration,
    /// The seed of its model requests, if the manifest has one.
    pub seed: Option<u32>,
    /// The model.
    pub client: &'a Client,
    /// Where model calls run; the agent itself blocks the thread that it was given.
    pub runtime: &'a Handle,
    /// Ends it early; what it did until then is discarded by the caller.
    pub cancel: &'a Cancel,
    /// Hears of each model call.
    pub meter: &'a Meter,
    /// When it began.
    pub started: Instant,
}

/// What an agent did.
#[derive(Clone, Debug)]
pub struct Worked {
    /// Step after step.
    pub trace: Trace,
    /// How it ended.
    pub end: End,
    /// Why it measured nothing, if it did not. The tree is not verified then.
    pub void: Option<VoidCause>,
    /// Whether every other trial would fare the same: the provider refuses the key, the account or the model. The run pauses.
    pub pauses: bool,
    /// What there is to say about the end: the provider's words, what a program printed last.
    pub detail: String,
    /// Model requests that were answered.
    pub requests: u32,
    /// All of them together; money is `None` if any of it is unknown.
    pub usage: Usage,
    /// The model that the provider said it is.
    pub model: Option<String>,
    /// The fingerprint that the provider answered with.
    pub fingerprint: Option<String>,
}
