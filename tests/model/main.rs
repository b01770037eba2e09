//! The client of models against the scripted model, over real connections: both protocols, streamed and not, and every way in
//! which a provider fails.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod calls;
mod failures;
mod wire;
mod command;

use std::path::Path;
use std::time::Duration;

use harness_schema::manifest::{Model, Protocol};
use self_harness::host::model::{Backoff, CallFailed, Client, Message, Request, Settings, Tool, Wait};
use self_harness::host::redact::SecretString;
use self_harness::host::scripted::{Persona, Server};
use serde_json::json;

/// What no error, log or `Debug` may show.
const KEY: &str = "sk-live-4711-0815-abcdef";

/// Both protocols, streamed and not.
const WAYS: [(Protocol, bool); 4] = [
    (Protocol::Openai, false),
    (Protocol::Openai, true),
    (Protocol::Anthropic, false),
    (Protocol::Anthropic, true),
];

/// A server that follows one of the personas beside this file.
async fn server(persona: &str) -> Server {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/model/personas").join(persona);
    Server::start(Persona::load(&path).unwrap(), 0).await.unwrap()
}

fn settings(endpoint: &str, protocol: Protocol, stream: bool) -> Settings {
    let model = Model {
        protocol: protocol.into(),
        endpoint: endpoint.to_owned().into(),
        name: String::from("a-model").into(),
        stream: stream.into(),
        ..Model::default()
    };
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };
    Settings { retries: 2, timeout: Duration::from_secs(10), backoff, ..Settings::of(&model).unwrap() }
}

fn client(settings: Settings) -> Client {
    Client::new(settings, Some(&SecretString::new(KEY))).unwrap()
}

fn shell() -> Tool {
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    Tool { name: String::from("shell"), description: String::from("runs a command"), parameters }
}

fn user(text: &str) -> Message {
    Message::User(text.to_owned())
}

/// Asks with one message of the user; also what the client waited for.
async fn ask(
    client: &Client,
    text: &str,
) -> (Result<self_harness::host::model::Answer, CallFailed>, Vec<Duration>) {
    let messages = [user(text)];
    let mut waits = Vec::new();
    let mut waiting = |wait: &Wait<'_>| waits.push(wait.delay);
    let request = Request { messages: &messages, tools: &[], seed: Some(1) };
    let outcome = client.complete(&request, &mut waiting).await;
    (outcome, waits)
}
