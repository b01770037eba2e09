//! The handlers. Each takes its snapshot before its first `.await`, so that it sees what was sent before it and nothing
//! else, unless the workspace is still being read; each notification changes the workspace before its first `.await`, so that order of arrival is order of effect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_schema::harness::SymbolKind;
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Location};
use harness_schema::text::{Span, Text, TextEdit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::{Client, LanguageServer};

use super::diagnostics::Diagnostics;
use super::disk::Disk;
use super::outbox::Outbox;
use super::session::Session;
use super::shared::{Answered, Shared, Tokens};
use super::{from_proto, reports, to_proto};
use crate::ide::{
    actions, calls, completion, hover, links, moving, navigation, renaming, splits, structure, symbols,
    tokens,
};
use crate::workspace::{self, Site, Snapshot};

/// `CodeActionTriggerKind.Automatic`: the user did not ask.
const AUTOMATIC: u32 = 2;

/// A piece of the diagnostics of all files has so many files.
const REPORTS_AT_ONCE: usize = 100;

/// The language server.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    diagnostics: Diagnostics,
    disk: Disk,
}

/// A request about a place in a document.
struct At {
    snapshot: Snapshot,
    site: Site,
    text: Text,
    shared: Arc<Shared>,
}

impl At {
    fn offset(&self, position: lsp::Position) -> usize {
        from_proto::offset(&self.text, position, self.shared.encoding())
    }

    fn range(&self, span: Span) -> Value {
        to_proto::range(&self.text, span, self.shared.encoding())
    }

    fn location(&self, location: &Location) -> Value {
        to_proto::location(&self.site.project, location, self.shared.encoding())
    }

    /// Whether the client moves files as part of an edit.
    fn may_move(&self) -> bool {
        self.shared.session().lists("/workspace/workspaceEdit/resourceOperations", "rename")
    }

    fn edit(&self, changes: &[Change]) -> Option<Value> {
        to_proto::workspace_edit(&self.snapshot, &self.site.project, changes, self.shared.session())
    }
}

impl Server {
    /// A server before `initialize`.
    #[must_use]
    pub fn new(client: Client, outbox: Arc<Outbox>) -> Self {
        let shared = Arc::new(Shared::new(client, outbox));
        let diagnostics = Diagnostics::new(&shared);
        Self { shared, diagnostics, disk: Disk::new() }
    }

    /// What the handlers share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Answers a request about a document from a worker thread; a document of no harness gets `None`.
    async fn at<R: DeserializeOwned + Send + 'static>(
        &self,
        uri: &lsp::Uri,
        work: impl FnOnce(&At) -> Option<Value> + Send + 'static,
    ) -> Result<Option<R>> {
        let Some(path) = from_proto::path(&uri.0) else { return Ok(None) };
        let snapshot = self.shared.settled(Some(&path)).await;
        let shared = Arc::clone(&self.shared);
        let answer = self.shared.compute(move || {
            let site = snapshot.site(&path)?;
            let text = site.project.harness().document(&site.file)?.text().clone();
            work(&At { snapshot, site, text, shared })
        });
        answer.await?.map(to_proto::typed).transpose()
    }

    /// The same for what is worthless once the text is another: then the client is told to ask again.
    async fn at_this_text<R: DeserializeOwned + Send + 'static>(
        &self,
        uri: &lsp::Uri,
        work: impl FnOnce(&At) -> Option<Value> + Send + 'static,
    ) -> Result<Option<R>> {
        let path = from_proto::path(&uri.0);
        let version = |path: &Path| self.shared.workspace().buffer(path).map(|buffer| buffer.version);
        let before = path.as_deref().and_then(version);
        let answer = self.at(uri, work).await?;
        if path.as_deref().and_then(version) == before { Ok(answer) } else { Err(Error::content_modified()) }
    }

    /// States as items of a call hierarchy.
    async fn states<R: DeserializeOwned + Send + 'static>(
        &self,
        item: &lsp::CallHierarchyItem,
        outgoing: bool,
    ) -> Result<Option<R>> {
        let name = item.name.clone();
        self.at(&item.uri.clone(), move |at| {
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
}

impl LanguageServer for Server {
    async fn initialize(&self, params: lsp::InitializeParams) -> Result<lsp::InitializeResult> {
        let session = Session::new(&plain(&params));
        let answer = session.answer();
        self.shared.agree(session);
        to_proto::typed(answer)
    }

    async fn initialized(&self, _: lsp::InitializedParams) {
        for folder in &self.shared.session().folders {
            self.disk.folder_opened(&self.shared, folder.clone());
        }
        self.disk.follow(&self.shared, self.diagnostics.clone());
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: lsp::DidOpenTextDocumentParams) {
        let document = params.text_document;
        let Some(path) = from_proto::path(&document.uri.0) else { return };
        self.shared.workspace().open(&path, document.version, &document.text);
        self.disk.opened(&self.shared, &path);
        self.diagnostics.changed(&path);
    }

    async fn did_change(&self, params: lsp::DidChangeTextDocumentParams) {
        let params = plain(&params);
        let document = params.get("textDocument");
        let Some(path) = document.and_then(|document| from_proto::path(document.get("uri")?.as_str()?))
        else {
            return;
        };
        let version = document.and_then(|document| document.get("version")?.as_i64()).unwrap_or_default();
        let changes = params.get("contentChanges").and_then(Value::as_array).cloned().unwrap_or_default();
        let encoding = self.shared.encoding();
        self.shared.workspace().change(
            &path,
            i32::try_from(version).unwrap_or_default(),
            changes,
            |text, change| {
                let new_text = change.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
                match change.get("range").map(|range| serde_json::from_value::<lsp::Range>(range.clone())) {
                    Some(Ok(range)) => workspace::Change::Part(TextEdit {
                        span: from_proto::span(text, range, encoding),
                        new_text,
                    }),
                    _ => workspace::Change::Whole(new_text),
                }
            },
        );
        self.diagnostics.changed(&path);
        self.disk.named();
    }

    async fn did_save(&self, params: lsp::DidSaveTextDocumentParams) {
        if let Some(path) = from_proto::path(&params.text_document.uri.0) {
            self.disk.opened(&self.shared, &path);
        }
    }

    async fn did_close(&self, params: lsp::DidCloseTextDocumentParams) {
        let Some(path) = from_proto::path(&params.text_document.uri.0) else { return };
        self.shared.workspace().close(&path);
        self.diagnostics.closed(&path);
        self.disk.changed(&self.shared, vec![path]);
    }

    async fn did_change_watched_files(&self, params: lsp::DidChangeWatchedFilesParams) {
        let paths = params.changes.iter().filter_map(|change| from_proto::path(&change.uri.0));
        self.disk.changed(&self.shared, paths.collect());
    }

    async fn did_change_workspace_folders(&self, params: lsp::DidChangeWorkspaceFoldersParams) {
        let params = plain(&params);
        let folders = |pointer: &str| -> Vec<PathBuf> {
            let list = params.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().filter_map(|folder| from_proto::path(folder.get("uri")?.as_str()?)).collect()
        };
        folders("/event/removed").into_iter().for_each(|folder| self.disk.folder_closed(folder));
        folders("/event/added").into_iter().for_each(|folder| self.disk.folder_opened(&self.shared, folder));
    }

    async fn diagnostic(
        &self,
        params: lsp::DocumentDiagnosticParams,
    ) -> Result<lsp::DocumentDiagnosticReport> {
        let params = plain(&params);
        let uri = params.pointer("/textDocument/uri").and_then(Value::as_str).unwrap_or_default().to_owned();
        let known = params.get("previousResultId").and_then(Value::as_str).map(str::to_owned);
        let Some(path) = from_proto::path(&uri) else {
            return to_proto::typed(json!({"kind": "full", "items": []}));
        };
        let snapshot = self.shared.settled(Some(&path)).await;
        let version = reports::version(&snapshot, &path);
        let (shared, document) = (Arc::clone(&self.shared), path.clone());
        let work = move || {
            let (items, id) = reports::of(&shared, &snapshot, &document);
            let with_others = shared.session().can("/textDocument/diagnostic/relatedDocumentSupport");
            let related = with_others.then(|| reports::related(&shared, &snapshot, &document));
            (items, id, related.unwrap_or_default())
        };
        let (items, id, related) = self.shared.compute(work).await?;
        // The text went on meanwhile: this answer is about another one, and the client asks again.
        if self.shared.workspace().buffer(&path).map(|buffer| buffer.version) != version {
            let mut error = Error::new(ErrorCode::ServerError(-32802));
            error.message = "overtaken by an edit".into();
            error.data = serde_json::from_value(json!({"retriggerRequest": true})).ok();
            return Err(error);
        }
        self.shared.answered.insert(path, Answered { version, id });
        let mut report = reports::report(items, id, known.as_deref());
        if !related.is_empty() {
            report["relatedDocuments"] = Value::Object(related);
        }
        to_proto::typed(report)
    }

    async fn workspace_diagnostic(
        &self,
        params: lsp::WorkspaceDiagnosticParams,
    ) -> Result<lsp::WorkspaceDiagnosticReport> {
        let snapshot = self.shared.settled(None).await;
        let params = plain(&params);
        let known = params.get("previousResultIds").and_then(Value::as_array).cloned().unwrap_or_default();
        let known: Vec<(String, String)> = known
            .iter()
            .filter_map(|each| {
                Some((each.get("uri")?.as_str()?.to_owned(), each.get("value")?.as_str()?.to_owned()))
            })
            .collect();
        self.shared.now_asks_for_all();
        let shared = Arc::clone(&self.shared);
        let items = self.shared.compute(move || reports::of_workspace(&shared, &snapshot, &known)).await?;
        // A client that wants them piece by piece gets all of them so (LSP 3.17, "Partial Result Progress").
        if let Some(token) = params.get("partialResultToken").filter(|token| !token.is_null()) {
            for part in items.chunks(REPORTS_AT_ONCE) {
                self.shared.notify("$/progress", json!({"token": token, "value": {"items": part}}));
            }
            return to_proto::typed(json!({"items": []}));
        }
        to_proto::typed(json!({"items": items}))
    }

    async fn hover(&self, params: lsp::HoverParams) -> Result<Option<lsp::Hover>> {
        let (uri, position) = place(&params)?;
        self.at(&uri, move |at| {
            let hover = hover::hover(&at.site, at.offset(position))?;
            let contents =
                to_proto::markup(&hover.text, "/textDocument/hover/contentFormat", at.shared.session());
            Some(json!({"contents": contents, "range": at.range(hover.span)}))
        })
        .await
    }

    async fn completion(&self, params: lsp::CompletionParams) -> Result<Option<lsp::CompletionResponse>> {
        let (uri, position) = place(&params)?;
        self.at(&uri, move |at| {
            let items = completion::completions(&at.site, at.offset(position));
            Some(to_proto::completions(&items, &at.text, at.shared.session()))
        })
        .await
    }

    async fn completion_resolve(&self, item: lsp::CompletionItem) -> Result<lsp::CompletionItem> {
        // What an item is stands in it; a rule or detector has more to say.
        let mut value = plain(&item);
        let label = value.get("label").and_then(Value::as_str).unwrap_or_default().to_owned();
        let page = harness_schema::check::rule(&label).and_then(|rule| rule.page.split("\n## Bad").next());
        let rule = harness_schema::detector::named(&label).map(|detector| detector.rule);
        if let Some(text) = page.or(rule) {
            let format = "/textDocument/completion/completionItem/documentationFormat";
            value["documentation"] = to_proto::markup(text, format, self.shared.session());
        }
        to_proto::typed(value)
    }

    async fn goto_definition(
        &self,
        params: lsp::DefinitionParams,
    ) -> Result<Option<lsp::DefinitionResponse>> {
        let (uri, position) = place(&params)?;
        self.at(&uri, move |at| {
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

    async fn references(&self, params: lsp::ReferenceParams) -> Result<Option<Vec<lsp::Location>>> {
        let (uri, position) = place(&params)?;
        let with_definition =
            plain(&params).pointer("/context/includeDeclaration") == Some(&Value::Bool(true));
        self.at(&uri, move |at| {
            let found = navigation::references(&at.site, at.offset(position), with_definition);
            Some(found.iter().map(|location| at.location(location)).collect())
        })
        .await
    }

    async fn document_highlight(
        &self,
        params: lsp::DocumentHighlightParams,
    ) -> Result<Option<Vec<lsp::DocumentHighlight>>> {
        let (uri, position) = place(&params)?;
        self.at(&uri, move |at| {
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

    async fn prepare_rename(
        &self,
        params: lsp::TextDocumentPositionParams,
    ) -> Result<Option<lsp::PrepareRenameResult>> {
        let (uri, position) = place(&params)?;
        self.at(&uri, move |at| {
            let (span, name) = renaming::prepare_rename(&at.site, at.offset(position), at.may_move()).ok()?;
            Some(json!({"range": at.range(span), "placeholder": name}))
        })
        .await
    }

    async fn rename(&self, params: lsp::RenameParams) -> Result<Option<lsp::WorkspaceEdit>> {
        let (uri, position) = place(&params)?;
        let new_name = plain(&params).get("newName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let answer: Option<Value> = self
            .at(&uri, move |at| {
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

    async fn document_symbol(
        &self,
        params: lsp::DocumentSymbolParams,
    ) -> Result<Option<lsp::DocumentSymbolResponse>> {
        self.at_this_text(&params.text_document.uri.clone(), |at| {
            let outline = to_proto::outline(&symbols::outline(&at.site), &at.text, at.shared.encoding());
            let nested = "/textDocument/documentSymbol/hierarchicalDocumentSymbolSupport";
            Some(match at.shared.session().can(nested) {
                true => outline,
                false => to_proto::flat(&outline, &to_proto::uri(&at.site.project.absolute(&at.site.file))),
            })
        })
        .await
    }

    async fn symbol(
        &self,
        params: lsp::WorkspaceSymbolParams,
    ) -> Result<Option<lsp::WorkspaceSymbolResponse>> {
        let snapshot = self.shared.settled(None).await;
        let (query, encoding) = (params.query, self.shared.encoding());
        let found = self.shared.compute(move || -> Value {
            let projects: Vec<_> = snapshot.projects().collect();
            let all = projects.iter().flat_map(|project| {
                symbols::search(project.harness(), &query).into_iter().map(move |symbol| (project, symbol))
            });
            all.map(|(project, symbol)| {
                json!({
                    "name": symbol.name,
                    "kind": to_proto::symbol_kind(symbols::icon(symbol.kind)),
                    "containerName": symbol.kind.word(),
                    "location": to_proto::location(project, &symbol.at, encoding),
                })
            })
            .collect()
        });
        to_proto::typed(found.await?).map(Some)
    }

    async fn document_link(&self, params: lsp::DocumentLinkParams) -> Result<Option<Vec<lsp::DocumentLink>>> {
        self.at_this_text(&params.text_document.uri.clone(), |at| {
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

    async fn folding_range(&self, params: lsp::FoldingRangeParams) -> Result<Option<Vec<lsp::FoldingRange>>> {
        self.at_this_text(&params.text_document.uri.clone(), |at| {
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

    async fn selection_range(
        &self,
        params: lsp::SelectionRangeParams,
    ) -> Result<Option<Vec<lsp::SelectionRange>>> {
        let positions = params.positions.clone();
        self.at(&params.text_document.uri.clone(), move |at| {
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

    async fn prepare_call_hierarchy(
        &self,
        params: lsp::CallHierarchyPrepareParams,
    ) -> Result<Option<Vec<lsp::CallHierarchyItem>>> {
        let (uri, position) = place(&params)?;
        self.at(&uri, move |at| {
            let state = calls::state_at(&at.site, at.offset(position))?;
            Some(json!([state_item(at, &state)]))
        })
        .await
    }

    async fn incoming_calls(
        &self,
        params: lsp::CallHierarchyIncomingCallsParams,
    ) -> Result<Option<Vec<lsp::CallHierarchyIncomingCall>>> {
        self.states(&params.item, false).await
    }

    async fn outgoing_calls(
        &self,
        params: lsp::CallHierarchyOutgoingCallsParams,
    ) -> Result<Option<Vec<lsp::CallHierarchyOutgoingCall>>> {
        self.states(&params.item, true).await
    }

    async fn semantic_tokens_full(
        &self,
        params: lsp::SemanticTokensParams,
    ) -> Result<Option<lsp::SemanticTokens>> {
        self.at_this_text(&params.text_document.uri.clone(), |at| {
            let data = to_proto::tokens(&tokens::tokens(&at.site), &at.text, at.shared.encoding());
            let id = remember(at, &data);
            Some(json!({"resultId": id.to_string(), "data": data}))
        })
        .await
    }

    async fn semantic_tokens_full_delta(
        &self,
        params: lsp::SemanticTokensDeltaParams,
    ) -> Result<Option<lsp::SemanticTokensDeltaResponse>> {
        let known = params.previous_result_id.clone();
        self.at_this_text(&params.text_document.uri.clone(), move |at| {
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

    async fn semantic_tokens_range(
        &self,
        params: lsp::SemanticTokensRangeParams,
    ) -> Result<Option<lsp::SemanticTokens>> {
        let range = params.range;
        self.at_this_text(&params.text_document.uri.clone(), move |at| {
            let span = from_proto::span(&at.text, range, at.shared.encoding());
            let mut tokens = tokens::tokens(&at.site);
            tokens.retain(|token| token.span.overlaps(span));
            Some(json!({"data": to_proto::tokens(&tokens, &at.text, at.shared.encoding())}))
        })
        .await
    }

    async fn code_action(
        &self,
        params: lsp::CodeActionParams,
    ) -> Result<Option<Vec<lsp::CodeActionResponse>>> {
        let uri = params.text_document.uri.clone();
        let range = params.range;
        let only: Option<Vec<String>> = plain(&params)
            .pointer("/context/only")
            .and_then(Value::as_array)
            .map(|kinds| kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect());
        // A client that reads commands only has no use for edits (LSP 3.17, `codeActionLiteralSupport`).
        if !self.shared.session().can("/textDocument/codeAction/codeActionLiteralSupport") {
            return Ok(None);
        }
        let automatic = plain(&params).pointer("/context/triggerKind") == Some(&json!(AUTOMATIC));
        let uri_text = uri.0.clone();
        let actions: Option<Vec<lsp::CodeActionResponse>> = self
            .at(&uri, move |at| {
                let wants = |kind: &str| {
                    only.as_ref().is_none_or(|only| {
                        only.iter().any(|wanted| {
                            // The empty kind holds all kinds.
                            wanted.is_empty()
                                || kind == wanted
                                || kind
                                    .strip_prefix(wanted.as_str())
                                    .is_some_and(|rest| rest.starts_with('.'))
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
                    let mut action =
                        json!({"title": "Fix all safe problems", "kind": "source.fixAll.selfHarness"});
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

    async fn code_action_resolve(&self, action: lsp::CodeAction) -> Result<lsp::CodeAction> {
        let mut value = plain(&action);
        let uri = value.pointer("/data/uri").and_then(Value::as_str).map(str::to_owned);
        let is_fix_all = value.pointer("/data/fixAll") == Some(&Value::Bool(true));
        if let Some(uri) = uri.filter(|_| is_fix_all) {
            let edit: Option<Value> = self.at(&lsp::Uri(uri), fix_all).await?;
            value["edit"] = edit.unwrap_or_else(|| json!({"changes": {}}));
        }
        to_proto::typed(value)
    }

    async fn will_rename_files(&self, params: lsp::RenameFilesParams) -> Result<Option<lsp::WorkspaceEdit>> {
        let snapshot = self.shared.settled(None).await;
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
        let shared = Arc::clone(&self.shared);
        let answer = self.shared.compute(move || {
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
                to_proto::workspace_edit(&snapshot, project, &changes, shared.session())
            });
            edits.reduce(to_proto::joined)
        });
        answer.await?.map(to_proto::typed).transpose()
    }
}

/// A message as JSON.
fn plain(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

fn plain_text(message: &impl Serialize) -> String {
    plain(message).as_str().unwrap_or_default().to_owned()
}

/// The document and position of a request.
fn place(params: &impl Serialize) -> Result<(lsp::Uri, lsp::Position)> {
    let params = plain(params);
    let part = |pointer: &str| params.pointer(pointer).cloned().unwrap_or_default();
    let uri = part("/textDocument/uri").as_str().unwrap_or_default().to_owned();
    let position = serde_json::from_value(part("/position"));
    let position = position.map_err(|_| Error::invalid_params("the request has no position"))?;
    Ok((lsp::Uri(uri), position))
}

/// A request that cannot be met, in words for the user (LSP 3.17, `RequestFailed`).
fn refused(why: &str) -> Error {
    let mut error = Error::new(ErrorCode::ServerError(-32803));
    error.message = why.to_owned().into();
    error
}

fn state_item(at: &At, state: &harness_schema::harness::Symbol) -> Value {
    debug_assert_eq!(state.kind, SymbolKind::State);
    let project = &at.site.project;
    let text = project
        .harness()
        .document(&state.at.file)
        .map(|document| document.text().clone())
        .unwrap_or_default();
    let encoding = at.shared.encoding();
    json!({
        "name": state.name,
        "kind": to_proto::symbol_kind(symbols::Icon::State),
        "detail": state.detail,
        "uri": to_proto::uri(&project.absolute(&state.at.file)),
        "range": to_proto::range(&text, state.extent.cover(state.at.span), encoding),
        "selectionRange": to_proto::range(&text, state.at.span, encoding),
    })
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

/// Keeps tokens for the next delta; the answer is their id.
fn remember(at: &At, data: &[u32]) -> u64 {
    let path = at.site.project.absolute(&at.site.file);
    let id = at.shared.tokens.get(&path).map_or(1, |kept| kept.id + 1);
    let version = reports::version(&at.snapshot, &path);
    at.shared.tokens.insert(path, Tokens { id, version, data: data.to_vec() });
    id
}
