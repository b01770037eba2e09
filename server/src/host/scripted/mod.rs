//! A model that follows a script: for tests and for the demo, without a network. It listens on this machine only, keeps
//! nothing between requests, and never tells whom it answers that it is no model.
//!
//! It speaks OpenAI chat completions (`/v1/chat/completions`, `/v1/models`) and Anthropic messages (`/v1/messages`), streamed
//! or not. What it answers stands in a *persona*, a TOML file of rules; the first rule whose conditions all hold answers.
//!
//! ```toml
//! name = "careful-worker"     # of the coins; the file's name if it is left out
//! step = "turns"              # how the step is counted, see below
//! usage = true                # whether answers say what they cost
//! models = ["scripted"]       # what `/v1/models` lists; any name is answered to
//!
//! [[rule]]
//! id = "verifies"             # `rule-1`, `rule-2`, … if it is left out
//! when = { system = "(?i)verify", step = { min = 1 }, coin = 0.7 }
//! reply = { text = "I check that.", calls = [{ tool = "shell", arguments = { command = "sh check.sh" } }] }
//!
//! [[rule]]                    # no conditions: whatever is left
//! reply = { text = "done" }
//! ```
//!
//! | Key of `when` | Holds if |
//! |---|---|
//! | `system` | the regex is found in the system text |
//! | `last` | it is found in the last message (its text, or its calls as JSON) |
//! | `any` | it is found in any message but the system's; the newest that fits counts |
//! | `tools`, `no_tools` | all, none of these tools are offered |
//! | `tool_text` | the regex is found in the names and descriptions of the tools, one `name: description` a line |
//! | `step` | the step is this number, or within `{ min, max }` |
//! | `attempt` | the same for how often the client has tried before (`x-stainless-retry-count`, which the clients of OpenAI and Anthropic and our own send) |
//! | `model` | the regex is found in the name of the model that is asked for |
//! | `protocol`, `stream` | the request is `openai` or `anthropic`; it is streamed or not |
//! | `coin` | a coin shows heads: its share of heads, or `{ heads, name, per }` |
//!
//! A coin is tossed by SHA-256 over the persona's name, the coin's (the rule's, if it has none of its own), the step and the
//! request's `seed` (a field of the body, else the header `x-seed`, else 0): the same request gets the same answer. With
//! `per = "conversation"` the step is left out, so it shows the same all along.
//!
//! | Key of `reply` | Answers |
//! |---|---|
//! | `text`, `reasoning` | these texts |
//! | `calls` | tool calls: `tool`, and `arguments` (a table) or `raw` (a string that may be no JSON) |
//! | `stop` | `length`, `refused` or `context` for the natural end |
//! | `usage` | `{ input, cached, output }` for our own count |
//! | `error` | `{ status, message, type, code, headers, body }`: an error in the form of the protocol, or this `body` |
//! | `raw` | this body, whatever was asked |
//! | `delay` | after this time (`"200ms"`); before the first byte |
//! | `cut` | half of the answer: then the `connection` breaks, or it ends as if it were whole, without its end `mark` |
//! | `reset` | nothing: the connection is reset |
//!
//! Texts of a reply, its arguments too, may hold `${step}`, `${seed}`, `${model}` and the named groups of the patterns that were
//! found.
//!
//! **Steps.** `turns`: assistant messages plus user messages minus one. That is 0 for the first request, and also right for
//! agents that speak in user messages alone. Agents that drop an answer with a bad form from their history need `assistant`
//! (assistant messages) or `results` (tool results). In Anthropic messages one user's message after another is one message,
//! as the protocol wants it.

mod asked;
mod persona;
mod answer;
mod requests;
mod http;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use self::persona::{Persona, PersonaError};
use self::requests::Requests;

/// A scripted model that answers until it is dropped.
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to answer on a port of this machine; with port 0 the machine chooses one.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub async fn start(persona: Persona, port: u16) -> io::Result<Self> {
        Self::start_with(persona, port, None).await
    }

    /// The same; the body of each request is kept as a line of this file, for tests: what a model was asked lies nowhere else.
    ///
    /// # Errors
    /// If the port cannot be listened on, or the file cannot be written.
    pub async fn start_with(persona: Persona, port: u16, requests: Option<&Path>) -> io::Result<Self> {
        let script = Script { persona, requests: requests.map(Requests::open).transpose()? };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(answer_all(listener, Arc::new(script)));
        Ok(Self { address, task })
    }

    /// What a manifest's `model.endpoint` names.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers until the process ends.
    pub async fn wait(mut self) {
        // It ends with the runtime only.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is answered by, and where requests are kept.
struct Script {
    persona: Persona,
    requests: Option<Requests>,
}

async fn answer_all(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let script = Arc::clone(&script);
                // The client may leave at any time, which is no failure of ours.
                connections.spawn(async move { drop(http::serve(stream, &script).await) });
            }
            Err(error) => {
                tracing::warn!(%error, "the scripted model cannot take a connection");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}
