//! Semantic tokens: all, the difference to those given last, and those of a part.

use std::sync::Arc;

use serde_json::json;
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use crate::ide::tokens;
use crate::lsp::at::{self, At};
use crate::lsp::shared::{Shared, Tokens};
use crate::lsp::{from_proto, reports, to_proto};

/// All tokens.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn semantic_tokens_full(
    shared: &Arc<Shared>,
    params: lsp::SemanticTokensParams,
) -> Result<Option<lsp::SemanticTokens>> {
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), |at| {
        let data = to_proto::tokens(&tokens::tokens(&at.site), &at.text, at.shared.encoding());
        let id = remember(at, &data);
        Some(json!({"resultId": id.to_string(), "data": data}))
    })
    .await
}

/// What is another than in the tokens given last.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn semantic_tokens_full_delta(
    shared: &Arc<Shared>,
    params: lsp::SemanticTokensDeltaParams,
) -> Result<Option<lsp::SemanticTokensDeltaResponse>> {
    let known = params.previous_result_id.clone();
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), move |at| {
        let data = to_proto::tokens(&tokens::tokens(&at.site), &at.text, at.shared.encoding());
        let path = at.site.project.absolute(&at.site.file);
        let before = at
            .shared
            .tokens
            .get(&path)
            .filter(|kept| kept.id.to_string() == known)
            .map(|kept| kept.data.clone());
        let id = remember(at, &data).to_string();
        Some(match before {
            Some(before) => json!({"resultId": id, "edits": to_proto::token_edit(&before, &data)}),
            None => json!({"resultId": id, "data": data}),
        })
    })
    .await
}

/// The tokens of a part.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn semantic_tokens_range(
    shared: &Arc<Shared>,
    params: lsp::SemanticTokensRangeParams,
) -> Result<Option<lsp::SemanticTokens>> {
    let range = params.range;
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), move |at| {
        let span = from_proto::span(&at.text, range, at.shared.encoding());
        let mut tokens = tokens::tokens(&at.site);
        tokens.retain(|token| token.span.overlaps(span));
        Some(json!({"data": to_proto::tokens(&tokens, &at.text, at.shared.encoding())}))
    })
    .await
}

/// Keeps tokens for the next delta; the answer is their id.
fn remember(at: &At, data: &[u32]) -> u64 {
    let path = at.site.project.absolute(&at.site.file);
    let id = at.shared.tokens.get(&path).map_or(1, |kept| kept.id + 1);
    let version = reports::version(&at.snapshot, &path);
    at.shared.tokens.insert(path, Tokens { id, version, data: data.to_vec() });
    id
}
