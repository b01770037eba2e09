//! The language server: notifications that change the workspace, and requests that are answered by [`handlers`](super::handlers).
//!
//! Each notification changes the workspace before its first `.await`, so that order of arrival is order of effect.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use harness_schema::text::Text;
use serde_json::Value;
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;
use tower_lsp::{Client, LanguageServer};

use super::at::plain;
#[cfg(target_os = "linux")]
use super::boards::Boards;
#[cfg(target_os = "linux")]
use super::commands::Commands;
use super::diagnostics::Diagnostics;
use super::disk::Disk;
use super::handlers::{edits, marks, names, problems, reading, structure, tokens};
use super::outbox::Outbox;
use super::session::Session;
use super::settings::{SECTION, Settings};
use super::shared::Shared;
#[cfg(target_os = "linux")]
use super::showing;
use super::{asking, from_proto, to_proto};

/// The language server.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    diagnostics: Diagnostics,
    disk: Disk,
    #[cfg(target_os = "linux")]
    boards: Arc<Boards>,
    #[cfg(target_os = "linux")]
    commands: Commands,
}

impl Server {
    /// A server before `initialize`.
    #[must_use]
    pub fn new(client: Client, outbox: Arc<Outbox>) -> Self {
        let shared = Arc::new(Shared::new(client, outbox));
        let diagnostics = Diagnostics::new(&shared);
        #[cfg(target_os = "linux")]
        let boards = Arc::new(Boards::new());
        Self {
            #[cfg(target_os = "linux")]
            commands: Commands::new(&shared, &boards),
            #[cfg(target_os = "linux")]
            boards,
            shared,
            diagnostics,
            disk: Disk::new(),
        }
    }

    /// The commands.
    #[cfg(target_os = "linux")]
    pub(super) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Asks for the settings, and shows what is another with them.
    fn ask_settings(&self) {
        let (shared, diagnostics) = (Arc::clone(&self.shared), self.diagnostics.clone());
        tokio::spawn(async move {
            if asking::settings(&shared).await {
                diagnostics.all_changed();
            }
        });
    }

    /// What the handlers share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl LanguageServer for Server {
    async fn initialize(&self, params: lsp::InitializeParams) -> Result<lsp::InitializeResult> {
        let session = Session::new(&plain(&params));
        let answer = session.answer();
        let (editor, folders) = (&session.editor, &session.folders);
        tracing::info!(version = env!("CARGO_PKG_VERSION"), editor, ?folders, "a session begins");
        self.shared.agree(session);
        to_proto::typed(answer)
    }

    async fn initialized(&self, _: lsp::InitializedParams) {
        for folder in &self.shared.session().folders {
            self.disk.folder_opened(&self.shared, folder.clone());
        }
        self.disk.follow(&self.shared, self.diagnostics.clone());
        #[cfg(target_os = "linux")]
        self.boards.follow(&self.shared, self.diagnostics.clone());
        self.ask_settings();
    }

    async fn did_change_configuration(&self, params: lsp::DidChangeConfigurationParams) {
        if self.shared.session().can("/workspace/configuration") {
            self.ask_settings();
            return;
        }
        // The oldest way: the settings come with the news.
        let params = plain(&params);
        let section = params.pointer(&format!("/settings/{SECTION}")).cloned().unwrap_or_default();
        if self.shared.set_settings(Settings::read(&section)) {
            self.diagnostics.all_changed();
        }
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
        let document = params.text_document;
        let Some(path) = from_proto::path(&document.text_document_identifier.uri.0) else { return };
        let encoding = self.shared.encoding();
        let change = |text: &Text, change| from_proto::change(text, change, encoding);
        self.shared.workspace().change(&path, document.version, params.content_changes, change);
        self.shared.typed.insert(path.clone(), Instant::now());
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
        problems::diagnostic(&self.shared, params).await
    }

    async fn workspace_diagnostic(
        &self,
        params: lsp::WorkspaceDiagnosticParams,
    ) -> Result<lsp::WorkspaceDiagnosticReport> {
        problems::workspace_diagnostic(&self.shared, params).await
    }

    async fn hover(&self, params: lsp::HoverParams) -> Result<Option<lsp::Hover>> {
        reading::hover(&self.shared, params).await
    }

    async fn completion(&self, params: lsp::CompletionParams) -> Result<Option<lsp::CompletionResponse>> {
        reading::completion(&self.shared, params).await
    }

    async fn completion_resolve(&self, item: lsp::CompletionItem) -> Result<lsp::CompletionItem> {
        reading::completion_resolve(&self.shared, item).await
    }

    async fn goto_definition(
        &self,
        params: lsp::DefinitionParams,
    ) -> Result<Option<lsp::DefinitionResponse>> {
        names::goto_definition(&self.shared, params).await
    }

    async fn references(&self, params: lsp::ReferenceParams) -> Result<Option<Vec<lsp::Location>>> {
        names::references(&self.shared, params).await
    }

    async fn document_highlight(
        &self,
        params: lsp::DocumentHighlightParams,
    ) -> Result<Option<Vec<lsp::DocumentHighlight>>> {
        names::document_highlight(&self.shared, params).await
    }

    async fn prepare_rename(
        &self,
        params: lsp::TextDocumentPositionParams,
    ) -> Result<Option<lsp::PrepareRenameResult>> {
        names::prepare_rename(&self.shared, params).await
    }

    async fn rename(&self, params: lsp::RenameParams) -> Result<Option<lsp::WorkspaceEdit>> {
        names::rename(&self.shared, params).await
    }

    async fn document_symbol(
        &self,
        params: lsp::DocumentSymbolParams,
    ) -> Result<Option<lsp::DocumentSymbolResponse>> {
        structure::document_symbol(&self.shared, params).await
    }

    async fn symbol(
        &self,
        params: lsp::WorkspaceSymbolParams,
    ) -> Result<Option<lsp::WorkspaceSymbolResponse>> {
        names::symbol(&self.shared, params).await
    }

    async fn document_link(&self, params: lsp::DocumentLinkParams) -> Result<Option<Vec<lsp::DocumentLink>>> {
        reading::document_link(&self.shared, params).await
    }

    async fn folding_range(&self, params: lsp::FoldingRangeParams) -> Result<Option<Vec<lsp::FoldingRange>>> {
        structure::folding_range(&self.shared, params).await
    }

    async fn selection_range(
        &self,
        params: lsp::SelectionRangeParams,
    ) -> Result<Option<Vec<lsp::SelectionRange>>> {
        structure::selection_range(&self.shared, params).await
    }

    async fn prepare_call_hierarchy(
        &self,
        params: lsp::CallHierarchyPrepareParams,
    ) -> Result<Option<Vec<lsp::CallHierarchyItem>>> {
        structure::prepare_call_hierarchy(&self.shared, params).await
    }

    async fn incoming_calls(
        &self,
        params: lsp::CallHierarchyIncomingCallsParams,
    ) -> Result<Option<Vec<lsp::CallHierarchyIncomingCall>>> {
        structure::incoming_calls(&self.shared, params).await
    }

    async fn outgoing_calls(
        &self,
        params: lsp::CallHierarchyOutgoingCallsParams,
    ) -> Result<Option<Vec<lsp::CallHierarchyOutgoingCall>>> {
        structure::outgoing_calls(&self.shared, params).await
    }

    async fn semantic_tokens_full(
        &self,
        params: lsp::SemanticTokensParams,
    ) -> Result<Option<lsp::SemanticTokens>> {
        tokens::semantic_tokens_full(&self.shared, params).await
    }

    async fn semantic_tokens_full_delta(
        &self,
        params: lsp::SemanticTokensDeltaParams,
    ) -> Result<Option<lsp::SemanticTokensDeltaResponse>> {
        tokens::semantic_tokens_full_delta(&self.shared, params).await
    }

    async fn semantic_tokens_range(
        &self,
        params: lsp::SemanticTokensRangeParams,
    ) -> Result<Option<lsp::SemanticTokens>> {
        tokens::semantic_tokens_range(&self.shared, params).await
    }

    async fn code_action(
        &self,
        params: lsp::CodeActionParams,
    ) -> Result<Option<Vec<lsp::CodeActionResponse>>> {
        edits::code_action(&self.shared, params).await
    }

    async fn code_action_resolve(&self, action: lsp::CodeAction) -> Result<lsp::CodeAction> {
        edits::code_action_resolve(&self.shared, action).await
    }

    async fn inlay_hint(&self, params: lsp::InlayHintParams) -> Result<Option<Vec<lsp::InlayHint>>> {
        marks::inlay_hint(&self.shared, params).await
    }

    async fn inlay_hint_resolve(&self, hint: lsp::InlayHint) -> Result<lsp::InlayHint> {
        marks::inlay_hint_resolve(hint).await
    }

    async fn code_lens(&self, params: lsp::CodeLensParams) -> Result<Option<Vec<lsp::CodeLens>>> {
        marks::code_lens(&self.shared, params).await
    }

    async fn code_lens_resolve(&self, lens: lsp::CodeLens) -> Result<lsp::CodeLens> {
        marks::code_lens_resolve(&self.shared, lens).await
    }

    #[cfg(target_os = "linux")]
    async fn execute_command(&self, params: lsp::ExecuteCommandParams) -> Result<Option<Value>> {
        self.commands.execute(params).await
    }

    #[cfg(target_os = "linux")]
    async fn text_document_content(
        &self,
        params: lsp::TextDocumentContentParams,
    ) -> Result<lsp::TextDocumentContentResult> {
        showing::content(&self.shared, &params.uri.0).await
    }

    async fn will_rename_files(&self, params: lsp::RenameFilesParams) -> Result<Option<lsp::WorkspaceEdit>> {
        names::will_rename_files(&self.shared, params).await
    }
}
