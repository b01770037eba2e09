//! What can be done about problems and at places: quick fixes, moves of tasks, all safe fixes at once.

use std::sync::Arc;

use harness_schema::files::Content;
use harness_schema::path::FilePath;
use harness_schema::problem::Change;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, Result};

use super::marks;
use crate::host::disk;
use crate::ide::offers::{self, Does, Offer, Trigger};
use crate::ide::{actions, splits};
use crate::lsp::at::{self, At, plain};
use crate::lsp::session::Session;
use crate::lsp::shared::Shared;
use crate::lsp::{from_proto, to_proto};
use crate::workspace::{Project, Snapshot};

/// `CodeActionTriggerKind.Invoked`: the user asked.
const INVOKED: u64 = 1;

/// `CodeActionTriggerKind.Automatic`: the user did not ask.
const AUTOMATIC: u64 = 2;

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
    let trigger = match plain(&params).pointer("/context/triggerKind").and_then(Value::as_u64) {
        Some(INVOKED) => Trigger::Invoked,
        Some(AUTOMATIC) => Trigger::Automatic,
        _ => Trigger::Unknown,
    };
    let automatic = trigger == Trigger::Automatic;
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
        let is_invoked = trigger == Trigger::Invoked;
        let offers = offers::offers(&at.site, span, trigger, only.is_some());
        // A bare `source` is what editors ask for on save; a verb has to be asked for.
        let offers = offers.iter().filter(|offer| wants(offer.kind.word()));
        let offers = offers.filter(|offer| offer.kind != offers::Kind::Verb || only.is_none() || is_invoked);
        answer.extend(offers.filter_map(|offer| self::offer(at, &uri_text, offer)));
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
    if let Some(proposals) = value.pointer("/data/apply").and_then(Value::as_array) {
        let proposals = proposals.iter().filter_map(|number| u32::try_from(number.as_u64()?).ok()).collect();
        return resolve_apply(shared, value.clone(), proposals).await;
    }
    let uri = value.pointer("/data/uri").and_then(Value::as_str).map(str::to_owned);
    let is_fix_all = value.pointer("/data/fixAll") == Some(&Value::Bool(true));
    if let Some(uri) = uri.filter(|_| is_fix_all) {
        let edit: Option<Value> = at::answer(shared, &lsp::Uri(uri), fix_all).await?;
        value["edit"] = edit.unwrap_or_else(|| json!({"changes": {}}));
    }
    to_proto::typed(value)
}

/// The edit of an offer to apply, made for the text of now: what was validated is found again, or it is refused.
async fn resolve_apply(
    shared: &Arc<Shared>,
    mut value: Value,
    proposals: Vec<u32>,
) -> Result<lsp::CodeAction> {
    let uri = value.pointer("/data/uri").and_then(Value::as_str).unwrap_or_default().to_owned();
    let resolved: Option<Value> = at::answer(shared, &lsp::Uri(uri), move |at| {
        Some(match applied(&at.snapshot, &at.site.project, &proposals, at.shared.session()) {
            Ok(edit) => json!({"edit": edit}),
            Err(why) => json!({"why": why}),
        })
    })
    .await?;
    match resolved {
        Some(resolved) if resolved.get("edit").is_some() => value["edit"] = resolved["edit"].clone(),
        Some(resolved) => {
            let why = resolved["why"].as_str().unwrap_or_default();
            return Err(Error::invalid_params(format!("nothing was applied: {why}")));
        }
        None => return Err(Error::content_modified()),
    }
    let mut action: lsp::CodeAction = to_proto::typed(value)?;
    if let Some(edit) = &mut action.edit {
        to_proto::annotate(edit);
    }
    Ok(action)
}

/// The edit that applies what was validated, for the texts of now.
///
/// # Errors
/// Why it may not be applied, in the words of a disabled offer.
pub fn applied(
    snapshot: &Snapshot,
    project: &Project,
    proposals: &[u32],
    session: &Session,
) -> std::result::Result<Value, String> {
    let changes = offers::resolve(project, proposals)?;
    // An editor opens a file that is not open as it is by now.
    let is_old = |change: &&Change| match change {
        Change::Edit { file, .. } => !is_fresh(snapshot, project, file),
        Change::Create { .. } | Change::Move { .. } => false,
    };
    if let Some(Change::Edit { file, .. }) = changes.iter().find(is_old) {
        return Err(format!("`{file}` has just changed on disk, try again"));
    }
    let edit = to_proto::workspace_edit(snapshot, project, &changes, session);
    let edit = edit.ok_or_else(|| String::from("this editor cannot make the edit"))?;
    Ok(to_proto::confirmed(edit, session))
}

/// Whether a file is open, or still what it was read as.
fn is_fresh(snapshot: &Snapshot, project: &Project, file: &FilePath) -> bool {
    let Some(document) = project.harness().document(file) else { return true };
    snapshot.buffers().contains_key(&project.absolute(file))
        || disk::read(project.root(), file).is_some_and(
            |now| matches!(now.content, Content::Text(text) if text.source() == document.source()),
        )
}

fn offer(at: &At, uri: &str, offer: &Offer) -> Option<Value> {
    let session = at.shared.session();
    let can_disable = session.can("/textDocument/codeAction/disabledSupport");
    // A client that cannot show why something is not to be had gets what says so in its title.
    if offer.disabled.is_some() && !can_disable {
        return None;
    }
    let mut action = json!({"title": offer.title, "kind": offer.kind.word()});
    if let Some(why) = &offer.disabled {
        action["disabled"] = json!({"reason": why});
        return Some(action);
    }
    match &offer.does {
        Does::Run(command) => action["command"] = marks::command(&offer.title, command),
        Does::Apply(proposals)
            if session.lists("/textDocument/codeAction/resolveSupport/properties", "edit") =>
        {
            action["data"] = json!({"uri": uri, "apply": proposals});
        }
        Does::Apply(proposals) => {
            action["edit"] = applied(&at.snapshot, &at.site.project, proposals, session).ok()?;
        }
    }
    Some(action)
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
