//! Methods for tests from outside, there only when the server was started with `--probe`: a buffer's text, and handlers
//! that do what no handler should. They change no file and start nothing.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tower_lsp::LspServiceBuilder;
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use super::server::Server;
use super::{from_proto, to_proto};

/// Adds the methods.
#[must_use]
pub fn register(builder: LspServiceBuilder<Server>) -> LspServiceBuilder<Server> {
    builder
        .custom_method("self-harness/test/text", Server::text)
        .custom_method("self-harness/test/panic", Server::panic)
        .custom_method("self-harness/test/panicked", Server::panicked)
        .custom_method("self-harness/test/block", Server::block)
        .custom_method("self-harness/test/hang", Server::hang)
        .custom_method("self-harness/test/ask", Server::ask)
        .custom_method("self-harness/test/flood", Server::flood)
}

impl Server {
    /// The text of a buffer as the server has it: `{uri}` to `{text, version}`.
    async fn text(&self, params: Value) -> Result<Value> {
        let path = params.get("uri").and_then(Value::as_str).and_then(from_proto::path);
        let buffer = path.and_then(|path| self.shared().workspace().buffer(&path).cloned());
        Ok(match buffer {
            Some(buffer) => json!({"text": buffer.text.as_str(), "version": buffer.version}),
            None => json!({"text": null}),
        })
    }

    /// A handler with a bug: `{where: "handler" | "later" | "worker"}`.
    async fn panic(&self, params: Value) -> Result<Value> {
        let never = match params.get("where").and_then(Value::as_str) {
            Some("handler") => bug(),
            Some("later") => {
                tokio::task::yield_now().await;
                bug()
            }
            _ => self.shared().compute(bug).await?,
        };
        Ok(json!(never))
    }

    /// A notification with a bug.
    async fn panicked(&self, _: Value) {
        bug();
    }

    /// A handler that takes its time: `{milliseconds, where: "handler" | "worker" | "nowhere"}`.
    async fn block(&self, params: Value) -> Result<Value> {
        let time = Duration::from_millis(params.get("milliseconds").and_then(Value::as_u64).unwrap_or(1000));
        match params.get("where").and_then(Value::as_str) {
            Some("handler") => thread::sleep(time),
            Some("worker") => self.shared().compute(move || thread::sleep(time)).await?,
            _ => tokio::time::sleep(time).await,
        }
        Ok(Value::Null)
    }

    /// A notification that never comes to its end, and lets nothing pass.
    async fn hang(&self, _: Value) {
        loop {
            thread::park();
        }
    }

    /// A handler that waits for the client's answer.
    async fn ask(&self) -> Result<Value> {
        let items = vec![to_proto::typed::<lsp::ConfigurationItem>(json!({"section": "probe"}))?];
        Ok(json!(self.shared().client.configuration(items).await?))
    }

    /// Diagnostics of so many documents and as many reports of progress, so many times: `{documents, rounds}`.
    async fn flood(&self, params: Value) -> Result<Value> {
        let number = |key: &str| params.get(key).and_then(Value::as_u64).unwrap_or(1);
        let message = "x".repeat(1000);
        for round in 0..number("rounds") {
            for document in 0..number("documents") {
                let diagnostics = json!([{"range": lsp::Range::default(), "message": message}]);
                self.shared().notify(
                    "textDocument/publishDiagnostics",
                    &json!({"uri": format!("file:///flood/{document}"), "version": round, "diagnostics": diagnostics}),
                );
                self.shared().notify(
                    "$/progress",
                    &json!({"token": document, "value": {"kind": "report", "message": message, "percentage": round}}),
                );
            }
        }
        Ok(Value::Null)
    }
}

/// An index that cannot be, as a real bug would have.
fn bug() -> u8 {
    let none: [u8; 0] = black_box([]);
    none[black_box(0)]
}
