//! The structure of documents: outlines, folds, selections, and the states of an orchestration as a call hierarchy.

use std::sync::Arc;

use harness_schema::harness::{Symbol, SymbolKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use crate::ide::{calls, structure, symbols};
use crate::lsp::at::{self, At, place};
use crate::lsp::shared::Shared;
use crate::lsp::to_proto;

/// The outline.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn document_symbol(
    shared: &Arc<Shared>,
    params: lsp::DocumentSymbolParams,
) -> Result<Option<lsp::DocumentSymbolResponse>> {
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), |at| {
        let outline = to_proto::outline(&symbols::outline(&at.site), &at.text, at.shared.encoding());
        let nested = "/textDocument/documentSymbol/hierarchicalDocumentSymbolSupport";
        Some(match at.shared.session().can(nested) {
            true => outline,
            false => to_proto::flat(&outline, &to_proto::uri(&at.site.project.absolute(&at.site.file))),
        })
    })
    .await
}

/// What can be folded.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn folding_range(
    shared: &Arc<Shared>,
    params: lsp::FoldingRangeParams,
) -> Result<Option<Vec<lsp::FoldingRange>>> {
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), |at| {
        let folds = structure::folds(&at.site);
        Some(
            folds
                .iter()
                .map(|fold| {
                    let mut range = json!({"startLine": fold.first, "endLine": fold.last});
                    // Other kinds are for marks such as `#region`, which no document of ours has.
                    if fold.comment {
                        range["kind"] = json!("comment");
                    }
                    range
                })
                .collect(),
        )
    })
    .await
}

/// What an extending selection takes next.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn selection_range(
    shared: &Arc<Shared>,
    params: lsp::SelectionRangeParams,
) -> Result<Option<Vec<lsp::SelectionRange>>> {
    let positions = params.positions.clone();
    at::answer(shared, &params.text_document.uri.clone(), move |at| {
        let one = |position: &lsp::Position| {
            let around = structure::selections(&at.site, at.offset(*position));
            around.iter().rev().fold(Value::Null, |parent, span| {
                let mut range = json!({"range": at.range(*span)});
                if !parent.is_null() {
                    range["parent"] = parent;
                }
                range
            })
        };
        Some(positions.iter().map(one).collect())
    })
    .await
}

/// The state at the cursor.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn prepare_call_hierarchy(
    shared: &Arc<Shared>,
    params: lsp::CallHierarchyPrepareParams,
) -> Result<Option<Vec<lsp::CallHierarchyItem>>> {
    let (uri, position) = place(&params)?;
    at::answer(shared, &uri, move |at| {
        let state = calls::state_at(&at.site, at.offset(position))?;
        Some(json!([state_item(at, &state)]))
    })
    .await
}

/// The states that a state may come after.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn incoming_calls(
    shared: &Arc<Shared>,
    params: lsp::CallHierarchyIncomingCallsParams,
) -> Result<Option<Vec<lsp::CallHierarchyIncomingCall>>> {
    states(shared, &params.item, false).await
}

/// The states that may come after a state.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn outgoing_calls(
    shared: &Arc<Shared>,
    params: lsp::CallHierarchyOutgoingCallsParams,
) -> Result<Option<Vec<lsp::CallHierarchyOutgoingCall>>> {
    states(shared, &params.item, true).await
}

/// States as items of a call hierarchy.
async fn states<R: DeserializeOwned + Send + 'static>(
    shared: &Arc<Shared>,
    item: &lsp::CallHierarchyItem,
    outgoing: bool,
) -> Result<Option<R>> {
    let name = item.name.clone();
    at::answer(shared, &item.uri.clone(), move |at| {
        let harness = at.site.project.harness();
        let found = if outgoing { calls::next(harness, &name) } else { calls::previous(harness, &name) };
        let (role, ranges) = if outgoing { ("to", "fromRanges") } else { ("from", "fromRanges") };
        let items = found.iter().map(|(state, spans)| {
            let spans: Vec<Value> = spans.iter().map(|span| at.range(*span)).collect();
            json!({role: state_item(at, state), ranges: spans})
        });
        Some(items.collect())
    })
    .await
}

fn state_item(at: &At, state: &Symbol) -> Value {
    debug_assert_eq!(state.kind, SymbolKind::State);
    let project = &at.site.project;
    let text = project
        .harness()
        .document(&state.at.file)
        .map(|document| document.text().clone())
        .unwrap_or_default();
    let encoding = at.shared.encoding();
    json!({
        "name": state.name.as_str(),
        "kind": to_proto::symbol_kind(symbols::Icon::State),
        "detail": state.detail.as_str(),
        "uri": to_proto::uri(&project.absolute(&state.at.file)),
        "range": to_proto::range(&text, state.extent.cover(state.at.span), encoding),
        "selectionRange": to_proto::range(&text, state.at.span, encoding),
    })
}
