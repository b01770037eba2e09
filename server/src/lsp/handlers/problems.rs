//! Problems, for a client that asks for them.

use std::sync::Arc;

use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};

use crate::lsp::at::plain;
use crate::lsp::shared::{Answered, Shared};
use crate::lsp::{from_proto, reports, to_proto};

/// A piece of the diagnostics of all files has so many files.
const REPORTS_AT_ONCE: usize = 100;

/// The problems of a document.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn diagnostic(
    shared: &Arc<Shared>,
    params: lsp::DocumentDiagnosticParams,
) -> Result<lsp::DocumentDiagnosticReport> {
    let params = plain(&params);
    let uri = params.pointer("/textDocument/uri").and_then(Value::as_str).unwrap_or_default().to_owned();
    let known = params.get("previousResultId").and_then(Value::as_str).map(str::to_owned);
    let Some(path) = from_proto::path(&uri) else {
        return to_proto::typed(json!({"kind": "full", "items": []}));
    };
    let snapshot = shared.settled(Some(&path)).await;
    let version = reports::version(&snapshot, &path);
    let (for_work, document) = (Arc::clone(shared), path.clone());
    let work = move || {
        let (items, id) = for_work.timed(&document, || reports::of(&for_work, &snapshot, &document));
        let with_others = for_work.session().can("/textDocument/diagnostic/relatedDocumentSupport");
        let related = with_others.then(|| reports::related(&for_work, &snapshot, &document));
        (items, id, related.unwrap_or_default())
    };
    let (now, asked) = (shared.snapshot(), path.clone());
    let settle = move || reports::settle(&now, &asked);
    let (items, id, related) = match shared.turn_at_once(&path) {
        Some(_turn) => {
            let found = work();
            settle();
            found
        }
        None => {
            let found = shared.compute(work).await?;
            // The answer does not wait for what is only let go.
            tokio::task::spawn_blocking(settle);
            found
        }
    };
    // The text went on meanwhile: this answer is about another one, and the client asks again.
    if shared.workspace().buffer(&path).map(|buffer| buffer.version) != version {
        let mut error = Error::new(ErrorCode::ServerError(-32802));
        error.message = "overtaken by an edit".into();
        error.data = serde_json::from_value(json!({"retriggerRequest": true})).ok();
        return Err(error);
    }
    shared.answered.insert(path, Answered { version, id });
    Ok(reports::answer(items, id, known.as_deref(), related))
}

/// The problems of every file of every harness.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn workspace_diagnostic(
    shared: &Arc<Shared>,
    params: lsp::WorkspaceDiagnosticParams,
) -> Result<lsp::WorkspaceDiagnosticReport> {
    let snapshot = shared.settled(None).await;
    let params = plain(&params);
    let known = params.get("previousResultIds").and_then(Value::as_array).cloned().unwrap_or_default();
    let known: Vec<(String, String)> = known
        .iter()
        .filter_map(|each| {
            Some((each.get("uri")?.as_str()?.to_owned(), each.get("value")?.as_str()?.to_owned()))
        })
        .collect();
    shared.now_asks_for_all();
    let for_work = Arc::clone(shared);
    let items = shared.compute(move || reports::of_workspace(&for_work, &snapshot, &known)).await?;
    // A client that wants them piece by piece gets all of them so (LSP 3.17, "Partial Result Progress").
    if let Some(token) = params.get("partialResultToken").filter(|token| !token.is_null()) {
        for part in items.chunks(REPORTS_AT_ONCE) {
            shared.notify("$/progress", &json!({"token": token, "value": {"items": part}}));
        }
        return to_proto::typed(json!({"items": []}));
    }
    to_proto::typed(json!({"items": items}))
}
