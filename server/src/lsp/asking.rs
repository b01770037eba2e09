//! Questions to the client: its settings, and whether something may start. With our clients a question has a dialog of its own; with
//! all others it is a message with buttons (`editor` 2.6).

use std::sync::Arc;

use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;

use super::settings::{SECTION, Settings};
use super::shared::Shared;
use super::to_proto;

/// A button of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it is known by: `start`.
    pub id: &'static str,
    /// What people read.
    pub title: &'static str,
}

/// Something that is asked before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The project, as a URI.
    pub root: String,
    /// The verb.
    pub verb: String,
    /// The digest of what decides what is executed: what somebody agrees to.
    pub digest: String,
    /// The first line.
    pub title: String,
    /// What is agreed to, line by line.
    pub lines: Vec<String>,
    /// The answers, the one that is meant first.
    pub buttons: Vec<Button>,
}

/// `selfHarness/consent`, a request to our clients.
enum Consent {}

impl lsp::Request for Consent {
    type Params = Value;
    type Result = Value;
    const METHOD: lsp::LspRequestMethod<'static> = lsp::LspRequestMethod::new("selfHarness/consent");
    const MESSAGE_DIRECTION: lsp::MessageDirection = lsp::MessageDirection::ServerToClient;
}

/// Asks; the id of the button, or `None` if the question was closed or could not be asked.
pub async fn ask(shared: &Arc<Shared>, question: &Question) -> Option<&'static str> {
    let button = |wanted: &str| question.buttons.iter().find(|button| button.id == wanted);
    if shared.session().can("/experimental/selfHarness/consent") {
        let buttons: Vec<Value> =
            question.buttons.iter().map(|button| json!({"id": button.id, "title": button.title})).collect();
        let params = json!({
            "schema": 1,
            "root": question.root,
            "verb": question.verb,
            "digest": question.digest,
            "title": question.title,
            "lines": question.lines,
            "buttons": buttons,
        });
        let answer = shared.client.send_request::<Consent>(params).await.ok()?;
        return button(answer.get("button")?.as_str()?).map(|button| button.id);
    }
    message(shared, question).await
}

/// Asks with a message and buttons, which every client has.
pub async fn message(shared: &Arc<Shared>, question: &Question) -> Option<&'static str> {
    let message = format!("{}\n{}", question.title, question.lines.join("\n"));
    let actions = question.buttons.iter().map(|button| json!({"title": button.title}));
    let actions = to_proto::typed::<Vec<lsp::MessageActionItem>>(actions.collect()).ok()?;
    let asked = shared.client.show_message_request(lsp::MessageType::Info, message, Some(actions));
    let chosen = asked.await.ok()??;
    question.buttons.iter().find(|button| button.title == chosen.title).map(|button| button.id)
}

/// Asks the client for the settings; whether they are others than they were. A client that has none is not asked.
pub async fn settings(shared: &Arc<Shared>) -> bool {
    if !shared.session().can("/workspace/configuration") {
        return false;
    }
    let Ok(item) = to_proto::typed::<lsp::ConfigurationItem>(json!({"section": SECTION})) else {
        return false;
    };
    match shared.client.configuration(vec![item]).await {
        Ok(answer) => shared.set_settings(Settings::read(answer.first().unwrap_or(&Value::Null))),
        Err(error) => {
            tracing::warn!(%error, "the client does not tell its settings");
            false
        }
    }
}
