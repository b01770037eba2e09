//! What can be done about problems and at places: quick fixes, moves of tasks, all safe fixes at once.

use std::sync::Arc;

use harness_schema::problem::Change;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use crate::ide::{actions, splits};
use crate::lsp::at::{self, At, plain};
use crate::lsp::shared::Shared;
use crate::lsp::{from_proto, to_proto};

/// `CodeActionTriggerKind.Automatic`: the user did not ask.
const AUTOMATIC: u32 = 2;

/// What can be done at a place.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn code_action(
    shared: &Arc<Shared>,
    params: lsp::CodeActionParams,
) -> Result<Option<Vec<lsp::CodeActionResponse>>> {
    let uri = params.text_document.uri.clone();
    let range = params.range;
    let only: Option<Vec<String>> = plain(&params)
        .pointer("/context/only")
        .and_then(Value::as_array)
        .map(|kinds| kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect());
    // A client that reads commands only has no use for edits (LSP 3.17, `codeActionLiteralSupport`).
    if !shared.session().can("/textDocument/codeAction/codeActionLiteralSupport") {
        return Ok(None);
    }
    let automatic = plain(&params).pointer("/context/triggerKind") == Some(&json!(AUTOMATIC));
    let uri_text = uri.0.clone();
    let actions: Option<Vec<lsp::CodeActionResponse>> = at::answer(shared, &uri, move |at| {
        let wants = |kind: &str| {
            only.as_ref().is_none_or(|only| {
                only.iter().any(|wanted| {
                    // The empty kind holds all kinds.
                    wanted.is_empty()
                        || kind == wanted
                        || kind.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('.'))
                })
            })
        };
        let span = from_proto::span(&at.text, range, at.shared.encoding());
        let mut answer = Vec::new();
        if wants("quickfix") {
            let fixes = actions::quick_fixes(&at.site, span, automatic);
            answer.extend(fixes.iter().filter_map(|action| quick_fix(at, action)));
        }
        if wants("refactor.rewrite") {
            let moves = splits::moves(&at.site, span);
            answer.extend(moves.iter().filter_map(|action| rewrite(at, action)));
        }
        // Without a kind an editor asks for what belongs to the cursor; fixing all belongs to the file.
        if only.is_some()
            && wants("source.fixAll.selfHarness")
            && let Some(edit) = fix_all(at)
        {
            let resolves = "/textDocument/codeAction/resolveSupport/properties";
            let mut action = json!({"title": "Fix all safe problems", "kind": "source.fixAll.selfHarness"});
            match at.shared.session().lists(resolves, "edit") {
                true => action["data"] = json!({"uri": uri_text, "fixAll": true}),
                false => action["edit"] = edit,
            }
            answer.push(action);
        }
        Some(Value::from(answer))
    })
    .await?;
    Ok(actions.map(to_proto::annotated))
}

/// The edit of an action that was given without.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn code_action_resolve(shared: &Arc<Shared>, action: lsp::CodeAction) -> Result<lsp::CodeAction> {
    let mut value = plain(&action);
    let uri = value.pointer("/data/uri").and_then(Value::as_str).map(str::to_owned);
    let is_fix_all = value.pointer("/data/fixAll") == Some(&Value::Bool(true));
    if let Some(uri) = uri.filter(|_| is_fix_all) {
        let edit: Option<Value> = at::answer(shared, &lsp::Uri(uri), fix_all).await?;
        value["edit"] = edit.unwrap_or_else(|| json!({"changes": {}}));
    }
    to_proto::typed(value)
}

fn quick_fix(at: &At, action: &actions::Action) -> Option<Value> {
    let edit = to_proto::confirmed(at.edit(&action.changes)?, at.shared.session());
    let problem = action.problem.as_ref()?;
    let diagnostics = to_proto::diagnostics(
        &at.site.project,
        &at.site.file,
        std::slice::from_ref(problem),
        at.shared.session(),
    );
    Some(json!({
        "title": action.title,
        "kind": "quickfix",
        "diagnostics": diagnostics,
        "isPreferred": action.preferred,
        "edit": edit,
    }))
}

fn rewrite(at: &At, action: &actions::Action) -> Option<Value> {
    let edit = at.edit(&action.changes)?;
    Some(json!({"title": action.title, "kind": "refactor.rewrite", "edit": edit}))
}

/// All safe fixes of a file as one edit.
fn fix_all(at: &At) -> Option<Value> {
    let file = &at.site.file;
    let edits = actions::fix_all(&at.site).into_iter().map(|edit| Change::Edit { file: file.clone(), edit });
    let edits: Vec<Change> = edits.collect();
    if edits.is_empty() { None } else { at.edit(&edits) }
}
