//! Methods for tests from outside, there only when the server was started with `--probe`: a buffer's text, and a bug.

use serde_json::{Value, json};
use tower_lsp::LspServiceBuilder;
use tower_lsp::jsonrpc::Result;

use super::from_proto;
use super::server::Server;

/// Adds the methods.
#[must_use]
pub fn register(builder: LspServiceBuilder<Server>) -> LspServiceBuilder<Server> {
    builder
        .custom_method("self-harness/test/text", Server::text)
        .custom_method("self-harness/test/panic", Server::panic)
}

impl Server {
    /// The text of a buffer as the server has it: `{uri}` to `{text}`.
    async fn text(&self, params: Value) -> Result<Value> {
        let path = params.get("uri").and_then(Value::as_str).and_then(from_proto::path);
        let text =
            path.and_then(|path| Some(self.shared().workspace().buffer(&path)?.text.as_str().to_owned()));
        Ok(json!({"text": text}))
    }

    /// A handler with a bug.
    async fn panic(&self) -> Result<Value> {
        // An index that cannot be, as a real bug would have.
        let none: [u8; 0] = std::hint::black_box([]);
        self.shared().compute(move || usize::from(none[std::hint::black_box(0)])).await?;
        Ok(Value::Null)
    }
}
