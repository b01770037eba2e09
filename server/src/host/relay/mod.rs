//! The relay: the host end of a sandbox's one road to the model. It takes requests from a socket in the sandbox's own network,
//! checks them, and asks the model with requests of its own, which have the real key. The key never gets inside.
//!
//! A program inside is told an address and a token that is good for this trial only. What it asks is counted and recorded;
//! what the provider failed at is evidence for the verdict. Nothing of this listens on the host.

mod token;
mod chat;
mod log;
mod refusal;
mod door;
mod clean;
mod answer;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::log::{Patience, Recorded};
pub use self::refusal::Refusal;

use self::door::Door;
use self::log::Log;
use super::connections;
use super::meter::Meter;
use super::model::Client;
use super::redact::SecretString;
use crate::engine::budget::Budget;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 64;

/// A relay that serves one sandbox.
pub struct Relay {
    token: SecretString,
    log: Arc<Log>,
    /// Dropped, it ends the task.
    ending: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    runtime: Handle,
}

impl Relay {
    /// Serves the socket of a sandbox with a model. `seed` is that of the trial's requests
    /// ([`of_request`](super::model::seed::of_request)); without one none is sent, whatever a program says. Once the tokens or
    /// the money of `budget` are spent, nothing more is sent. `meter` hears of each answer.
    ///
    /// # Errors
    /// If the machine has no random numbers, or the socket cannot be waited on.
    pub fn start(
        runtime: &Handle,
        listener: TcpListener,
        client: &Client,
        seed: Option<u32>,
        budget: Budget,
        meter: Meter,
    ) -> io::Result<Self> {
        let token = token::fresh()?;
        let listener = connections::adopt(runtime, listener)?;
        let log = Arc::new(Log::new(client, meter));
        let door = Arc::new(Door::new(client.clone(), token.clone(), seed, budget, Arc::clone(&log)));
        let (ending, ended) = oneshot::channel();
        let each = move |stream| serve(Arc::clone(&door), stream);
        let task = runtime.spawn(connections::serve(listener, ended, each));
        Ok(Self { token, log, ending: Some(ending), task: Some(task), runtime: runtime.clone() })
    }

    /// What a program inside shows as its key.
    #[must_use]
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// How long the trial has waited for the provider, also while it goes on.
    #[must_use]
    pub fn patience(&self) -> Patience {
        Patience(Arc::clone(&self.log))
    }

    /// Ends it, and says what it saw. Waits until every connection is gone, so it may not be called where futures run.
    #[must_use]
    pub fn end(mut self) -> Recorded {
        self.ending = None;
        if let Some(task) = self.task.take() {
            // A panic there ended it as well; what was recorded until then counts.
            let _ = self.runtime.block_on(task);
        }
        self.log.recorded()
    }
}

/// One connection.
async fn serve(door: Arc<Door>, stream: TcpStream) {
    let service = service_fn(move |request| answer::answer(Arc::clone(&door), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the relay broke");
    }
}
