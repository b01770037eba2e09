//! The least that a language server on this transport can do: it keeps the text in step and answers every change with no
//! problem. `tests/bench` measures it beside the real one, so what is above it is ours. Never reads a file.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use dashmap::DashMap;
use harness_schema::text::{Encoding, Position, Span, Text, TextEdit};
use self_harness::lsp;
use self_harness::lsp::outbox::{Outbox, replaces};
use serde_json::json;
use tower_lsp::gen_lsp_types::{
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, InitializeParams,
    InitializeResult, TextDocumentContentChangeEvent,
};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::{LanguageServer, LspService};

fn main() -> io::Result<ExitCode> {
    let code = lsp::run(|outbox| LspService::new(|_| Floor { outbox, texts: DashMap::new() }))?;
    Ok(ExitCode::from(code))
}

struct Floor {
    outbox: Arc<Outbox>,
    texts: DashMap<String, Text>,
}

impl Floor {
    fn publish(&self, uri: &str, version: i32) {
        let method = "textDocument/publishDiagnostics";
        let params = json!({"uri": uri, "version": version, "diagnostics": []});
        let key = replaces(method, Some(&params));
        self.outbox.push(&json!({"jsonrpc": "2.0", "method": method, "params": params}), key);
    }
}

impl LanguageServer for Floor {
    async fn initialize(&self, _: InitializeParams) -> Result<InitializeResult> {
        let sync = json!({"openClose": true, "change": 2});
        let capabilities = json!({"positionEncoding": "utf-16", "textDocumentSync": sync});
        serde_json::from_value(json!({"capabilities": capabilities})).map_err(|_| Error::internal_error())
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        self.texts.insert(document.uri.0.clone(), Text::new(&document.text));
        self.publish(&document.uri.0, document.version);
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let uri = params.text_document.text_document_identifier.uri.0;
        if let Some(mut text) = self.texts.get_mut(&uri) {
            for change in params.content_changes {
                *text = changed(&text, change);
            }
        }
        self.publish(&uri, params.text_document.version);
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.texts.remove(&params.text_document.uri.0);
    }
}

fn changed(text: &Text, change: TextDocumentContentChangeEvent) -> Text {
    match change {
        TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
            let offset = |line, column| text.offset(Position { line, column }, Encoding::Utf16);
            let (start, end) = (part.range.start, part.range.end);
            let span = Span::new(offset(start.line, start.character), offset(end.line, end.character));
            text.edited(&TextEdit { span, new_text: part.text })
        }
        TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
            Text::new(&whole.text)
        }
    }
}
