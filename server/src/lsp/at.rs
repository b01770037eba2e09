//! A request about a place in a document: what a handler knows of it, and how it is answered.

use std::path::Path;
use std::sync::Arc;

use harness_schema::problem::{Change, Location};
use harness_schema::text::{Span, Text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, Result};

use super::shared::Shared;
use super::{from_proto, to_proto};
use crate::workspace::{Site, Snapshot};

/// A request about a place in a document.
pub struct At {
    /// The workspace as it was when the request came.
    pub snapshot: Snapshot,
    /// The file and its project.
    pub site: Site,
    /// The file's text.
    pub text: Text,
    /// What the handlers share.
    pub shared: Arc<Shared>,
}

impl At {
    /// A position as a byte offset.
    #[must_use]
    pub fn offset(&self, position: lsp::Position) -> usize {
        from_proto::offset(&self.text, position, self.shared.encoding())
    }

    /// A span as a range.
    #[must_use]
    pub fn range(&self, span: Span) -> Value {
        to_proto::range(&self.text, span, self.shared.encoding())
    }

    /// A place in any file of the project.
    #[must_use]
    pub fn location(&self, location: &Location) -> Value {
        to_proto::location(&self.site.project, location, self.shared.encoding())
    }

    /// Whether the client moves files as part of an edit.
    #[must_use]
    pub fn may_move(&self) -> bool {
        self.shared.session().lists("/workspace/workspaceEdit/resourceOperations", "rename")
    }

    /// Changes as an edit; `None` if the client cannot do them.
    #[must_use]
    pub fn edit(&self, changes: &[Change]) -> Option<Value> {
        to_proto::workspace_edit(&self.snapshot, &self.site.project, changes, self.shared.session())
    }
}

/// Answers a request about a document from a worker thread; a document of no harness gets `None`.
///
/// # Errors
/// If the work has a bug.
pub async fn answer<R: DeserializeOwned + Send + 'static>(
    shared: &Arc<Shared>,
    uri: &lsp::Uri,
    work: impl FnOnce(&At) -> Option<Value> + Send + 'static,
) -> Result<Option<R>> {
    let Some(path) = from_proto::path(&uri.0) else { return Ok(None) };
    let snapshot = shared.settled(Some(&path)).await;
    let for_work = Arc::clone(shared);
    let answer = shared.compute(move || {
        let site = snapshot.site(&path)?;
        let text = site.project.harness().document(&site.file)?.text().clone();
        work(&At { snapshot, site, text, shared: for_work })
    });
    answer.await?.map(to_proto::typed).transpose()
}

/// The same for what is worthless once the text is another.
///
/// # Errors
/// If the text is another by then: the client is told to ask again.
pub async fn answer_for_this_text<R: DeserializeOwned + Send + 'static>(
    shared: &Arc<Shared>,
    uri: &lsp::Uri,
    work: impl FnOnce(&At) -> Option<Value> + Send + 'static,
) -> Result<Option<R>> {
    let path = from_proto::path(&uri.0);
    let version = |path: &Path| shared.workspace().buffer(path).map(|buffer| buffer.version);
    let before = path.as_deref().and_then(version);
    let answer = self::answer(shared, uri, work).await?;
    if path.as_deref().and_then(version) == before { Ok(answer) } else { Err(Error::content_modified()) }
}

/// A message as JSON.
#[must_use]
pub fn plain(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// The document and position of a request.
///
/// # Errors
/// If it has none.
pub fn place(params: &impl Serialize) -> Result<(lsp::Uri, lsp::Position)> {
    let params = plain(params);
    let part = |pointer: &str| params.pointer(pointer).cloned().unwrap_or_default();
    let uri = part("/textDocument/uri").as_str().unwrap_or_default().to_owned();
    let position = serde_json::from_value(part("/position"));
    let position = position.map_err(|_| Error::invalid_params("the request has no position"))?;
    Ok((lsp::Uri(uri), position))
}
