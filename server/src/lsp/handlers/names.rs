//! Names: where they are defined and mentioned, and renaming them, files and tasks included.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_schema::path::FilePath;
use serde::Serialize;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};

use crate::ide::{moving, navigation, renaming, symbols};
use crate::lsp::at::{self, place, plain};
use crate::lsp::shared::Shared;
use crate::lsp::{from_proto, to_proto};
use crate::workspace;

/// Where a name is defined.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn goto_definition(
    shared: &Arc<Shared>,
    params: lsp::DefinitionParams,
) -> Result<Option<lsp::DefinitionResponse>> {
    let (uri, position) = place(&params)?;
    at::answer(shared, &uri, move |at| {
        let (span, target) = navigation::definition(&at.site, at.offset(position))?;
        if !at.shared.session().can("/textDocument/definition/linkSupport") {
            return Some(at.location(&target));
        }
        let location = at.location(&target);
        Some(json!([{
            "originSelectionRange": at.range(span),
            "targetUri": location["uri"],
            "targetRange": location["range"],
            "targetSelectionRange": location["range"],
        }]))
    })
    .await
}

/// Where a name is mentioned.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn references(
    shared: &Arc<Shared>,
    params: lsp::ReferenceParams,
) -> Result<Option<Vec<lsp::Location>>> {
    let (uri, position) = place(&params)?;
    let with_definition = plain(&params).pointer("/context/includeDeclaration") == Some(&Value::Bool(true));
    at::answer(shared, &uri, move |at| {
        let found = navigation::references(&at.site, at.offset(position), with_definition);
        Some(found.iter().map(|location| at.location(location)).collect())
    })
    .await
}

/// Where a name is mentioned in this document.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn document_highlight(
    shared: &Arc<Shared>,
    params: lsp::DocumentHighlightParams,
) -> Result<Option<Vec<lsp::DocumentHighlight>>> {
    let (uri, position) = place(&params)?;
    at::answer(shared, &uri, move |at| {
        let found = navigation::highlights(&at.site, at.offset(position));
        let kind = |is_definition: bool| if is_definition { 3 } else { 2 };
        Some(
            found
                .iter()
                .map(|(span, write)| json!({"range": at.range(*span), "kind": kind(*write)}))
                .collect(),
        )
    })
    .await
}

/// The name that would be renamed.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn prepare_rename(
    shared: &Arc<Shared>,
    params: lsp::TextDocumentPositionParams,
) -> Result<Option<lsp::PrepareRenameResult>> {
    let (uri, position) = place(&params)?;
    at::answer(shared, &uri, move |at| {
        let (span, name) = renaming::prepare_rename(&at.site, at.offset(position), at.may_move()).ok()?;
        Some(json!({"range": at.range(span), "placeholder": name}))
    })
    .await
}

/// The edit that renames a name everywhere.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn rename(shared: &Arc<Shared>, params: lsp::RenameParams) -> Result<Option<lsp::WorkspaceEdit>> {
    let (uri, position) = place(&params)?;
    let new_name = plain(&params).get("newName").and_then(Value::as_str).unwrap_or_default().to_owned();
    let answer: Option<Value> = at::answer(shared, &uri, move |at| {
        Some(match renaming::rename(&at.site, at.offset(position), &new_name, at.may_move()) {
            Ok(changes) => match at.edit(&changes) {
                Some(edit) => json!({"edit": edit}),
                None => json!({"why": "this editor cannot move files in a rename"}),
            },
            Err(why) => json!({"why": why}),
        })
    })
    .await?;
    match answer {
        Some(Value::Object(mut answer)) => match (answer.remove("edit"), answer.remove("why")) {
            (Some(edit), _) => to_proto::typed(edit).map(Some),
            (None, why) => Err(refused(why.as_ref().and_then(Value::as_str).unwrap_or_default())),
        },
        _ => Ok(None),
    }
}

/// Names across all harnesses.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn symbol(
    shared: &Arc<Shared>,
    params: lsp::WorkspaceSymbolParams,
) -> Result<Option<lsp::WorkspaceSymbolResponse>> {
    let snapshot = shared.settled(None).await;
    let (query, encoding) = (params.query, shared.encoding());
    let found = shared.compute(move || -> Value {
        let projects: Vec<_> = snapshot.projects().collect();
        let all = projects.iter().flat_map(|project| {
            symbols::search(project.harness(), &query).into_iter().map(move |symbol| (project, symbol))
        });
        all.map(|(project, symbol)| {
            json!({
                "name": symbol.name.as_str(),
                "kind": to_proto::symbol_kind(symbols::icon(symbol.kind)),
                "containerName": symbol.kind.word(),
                "location": to_proto::location(project, &symbol.at, encoding),
            })
        })
        .collect()
    });
    to_proto::typed(found.await?).map(Some)
}

/// The edit that follows files that are about to be renamed.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn will_rename_files(
    shared: &Arc<Shared>,
    params: lsp::RenameFilesParams,
) -> Result<Option<lsp::WorkspaceEdit>> {
    let snapshot = shared.settled(None).await;
    let moves: Vec<(PathBuf, PathBuf)> = params
        .files
        .iter()
        .filter_map(|file| {
            Some((
                from_proto::path(&plain_text(&file.old_uri))?,
                from_proto::path(&plain_text(&file.new_uri))?,
            ))
        })
        .collect();
    let for_work = Arc::clone(shared);
    let answer = shared.compute(move || {
        let projects: Vec<_> = snapshot.projects().cloned().collect();
        // A file may belong to several projects: each of their manifests has to follow.
        let edits = projects.iter().filter_map(|project| {
            let inside = |path: &Path| workspace::relative(project.root(), path);
            let moves: Vec<(FilePath, FilePath)> =
                moves.iter().filter_map(|(from, to)| Some((inside(from)?, inside(to)?))).collect();
            let changes = moving::moved_files(project.harness(), &moves);
            if changes.is_empty() {
                return None;
            }
            to_proto::workspace_edit(&snapshot, project, &changes, for_work.session())
        });
        edits.reduce(to_proto::joined)
    });
    answer.await?.map(to_proto::typed).transpose()
}

fn plain_text(message: &impl Serialize) -> String {
    plain(message).as_str().unwrap_or_default().to_owned()
}

/// A request that cannot be met, in words for the user (LSP 3.17, `RequestFailed`).
fn refused(why: &str) -> Error {
    let mut error = Error::new(ErrorCode::ServerError(-32803));
    error.message = why.to_owned().into();
    error
}
