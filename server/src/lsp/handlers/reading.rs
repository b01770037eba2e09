//! What helps while reading and writing: hovers, completions, links.

use std::sync::Arc;

use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use crate::ide::{completion, hover, links};
use crate::lsp::at::{self, place, plain};
use crate::lsp::shared::Shared;
use crate::lsp::to_proto;

/// What stands under the pointer.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn hover(shared: &Arc<Shared>, params: lsp::HoverParams) -> Result<Option<lsp::Hover>> {
    let (uri, position) = place(&params)?;
    at::answer(shared, &uri, move |at| {
        let hover = hover::hover(&at.site, at.offset(position))?;
        let contents =
            to_proto::markup(&hover.text, "/textDocument/hover/contentFormat", at.shared.session());
        Some(json!({"contents": contents, "range": at.range(hover.span)}))
    })
    .await
}

/// What could be written at the cursor.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn completion(
    shared: &Arc<Shared>,
    params: lsp::CompletionParams,
) -> Result<Option<lsp::CompletionResponse>> {
    let (uri, position) = place(&params)?;
    at::answer(shared, &uri, move |at| {
        let items = completion::completions(&at.site, at.offset(position));
        Some(to_proto::completions(&items, &at.text, at.shared.session()))
    })
    .await
}

/// More about an item: a rule or detector has a page or a sentence.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn completion_resolve(
    shared: &Arc<Shared>,
    item: lsp::CompletionItem,
) -> Result<lsp::CompletionItem> {
    // What an item is stands in it; a rule or detector has more to say.
    let mut value = plain(&item);
    let label = value.get("label").and_then(Value::as_str).unwrap_or_default().to_owned();
    let page = harness_schema::check::rule(&label).and_then(|rule| rule.page.split("\n## Bad").next());
    let rule = harness_schema::detector::named(&label).map(|detector| detector.rule);
    if let Some(text) = page.or(rule) {
        let format = "/textDocument/completion/completionItem/documentationFormat";
        value["documentation"] = to_proto::markup(text, format, shared.session());
    }
    to_proto::typed(value)
}

/// Paths as links.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn document_link(
    shared: &Arc<Shared>,
    params: lsp::DocumentLinkParams,
) -> Result<Option<Vec<lsp::DocumentLink>>> {
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), |at| {
        let links = links::links(&at.site);
        Some(
            links
                .iter()
                .map(|link| {
                    let target = to_proto::uri(&at.site.project.absolute(&link.target));
                    json!({"range": at.range(link.span), "target": target})
                })
                .collect(),
        )
    })
    .await
}
