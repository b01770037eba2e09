//! What goes beyond the protocol, optional for clients and announced in `experimental` (`editor` 2.7): trust, the tree, our documents,
//! comparisons, and tests as rust-analyzer has them.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tower_lsp::LspServiceBuilder;
use tower_lsp::jsonrpc::{Error, Result};

use super::commands::{self, Commands};
use super::server::Server;
use super::shared::Shared;
use super::testing::item as item_of_test;
use super::{news, showing, to_proto};
use crate::engine::board::Trust;
use crate::host::consent::Memory;
use crate::ide::pages::name::root_id;
use crate::ide::{pages, testing, tree};
use crate::workspace::Project;

/// So many pages are followed.
const MAX_PAGES: usize = 256;

/// A document is sent in parts of so many bytes.
const PART: usize = 256 * 1024;

/// Adds the methods.
#[must_use]
pub fn register(builder: LspServiceBuilder<Server>) -> LspServiceBuilder<Server> {
    builder
        .custom_method("selfHarness/trust", Server::trust)
        .custom_method("selfHarness/tree", Server::tree)
        .custom_method("selfHarness/content", Server::content)
        .custom_method("selfHarness/compare", Server::compare)
        .custom_method("experimental/discoverTest", Server::discover_test)
        .custom_method("experimental/runTest", Server::run_test)
        .custom_method("experimental/abortRunTest", Server::abort_run_test)
        .custom_method("window/workDoneProgress/cancel", Server::cancel_progress)
}

impl Server {
    /// `{root, action: "ask" | "state" | "revoke", manifestSha256?}`: asks for trust, tells the state, or takes trust back.
    async fn trust(&self, params: Value) -> Result<Value> {
        let project = project(self.commands(), &params).await?;
        match params.get("action").and_then(Value::as_str) {
            Some("ask") => return Ok(self.commands().answer("trust", Some(params)).await),
            Some("revoke") => {
                let root = project.root().to_path_buf();
                let forgotten = self.shared().compute(move || Memory::of_this_user().forget(&root)).await?;
                forgotten.map_err(|error| Error::invalid_params(error.to_string()))?;
                self.commands().look();
                return Ok(news::trust_state(project.root(), &Trust::Untrusted));
            }
            _ => {}
        }
        Ok(news::trust_state(project.root(), &project.board().trust))
    }

    /// `{root, parent?}` to `{revision, items}`.
    async fn tree(&self, params: Value) -> Result<Value> {
        let project = project(self.commands(), &params).await?;
        let parent = params.get("parent").and_then(Value::as_str).map(str::to_owned);
        let shared = Arc::clone(self.shared());
        let items = self.shared().compute(move || {
            let items = tree::items(&project, parent.as_deref());
            let items: Vec<Value> = items.iter().map(|item| self::item(&shared, &project, item)).collect();
            json!({
                "schema": 1,
                "revision": shared.workspace().revision(),
                "badge": tree::badge(&project),
                "items": items,
            })
        });
        items.await
    }

    /// `{uri, offset?}` to `{text, language, revision, next?}`.
    async fn content(&self, params: Value) -> Result<Value> {
        let uri = params.get("uri").and_then(Value::as_str).unwrap_or_default().to_owned();
        let snapshot = self.commands().settled().await;
        let (project, name) = showing::find(&snapshot, &uri)
            .ok_or_else(|| Error::invalid_params(format!("`{uri}` is no document of an open project")))?;
        let page = showing::read(self.shared(), &project, &name).await;
        // A client that opens so many at once looks at none of them.
        if MAX_PAGES <= self.shared().pages.len() {
            self.shared().pages.clear();
        }
        self.shared().pages.insert(uri.clone(), ());
        let page = page.map_err(|failure| Error::invalid_params(failure.message))?;
        let offset =
            params.get("offset").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        let (part, next) = part(&page.text, offset);
        Ok(json!({
            "schema": 1,
            "text": part,
            "language": page.language,
            "revision": snapshot.revision(),
            "next": next,
        }))
    }

    /// `{root, proposal}` to `{pairs: [{left, right, title}]}`.
    async fn compare(&self, params: Value) -> Result<Value> {
        let project = project(self.commands(), &params).await?;
        let name = params.get("proposal").and_then(Value::as_str).unwrap_or_default();
        let number = name.trim_start_matches('P').parse().unwrap_or_default();
        let root = root_id(project.root());
        let pairs = pages::pairs(&project, number).into_iter().map(|(left, right, title)| {
            json!({"left": left.address(&root), "right": right.address(&root), "title": title})
        });
        Ok(json!({"schema": 1, "pairs": pairs.collect::<Vec<_>>()}))
    }

    /// `{root?, testId?}` to the tests below it.
    async fn discover_test(&self, params: Value) -> Result<Value> {
        let project = project(self.commands(), &params).await?;
        let id = params.get("testId").and_then(Value::as_str).map(str::to_owned);
        let shared = Arc::clone(self.shared());
        let found = self.shared().compute(move || {
            let tests = testing::discover(&project, id.as_deref());
            let tests: Vec<Value> = tests.iter().map(|test| item_of_test(&shared, &project, test)).collect();
            json!({"tests": tests, "scope": id.into_iter().collect::<Vec<_>>()})
        });
        found.await
    }

    /// `{root?, include?, exclude?, repeats?}`: starts an evaluation of these tasks.
    async fn run_test(&self, params: Value) -> Result<Value> {
        let project = project(self.commands(), &params).await?;
        let words = |key: &str| -> Vec<String> {
            let list = params.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let tasks =
            testing::plan(&project, &words("include"), &words("exclude")).map_err(Error::invalid_params)?;
        let root = to_proto::uri(project.root());
        let argument = json!({"root": root, "tasks": tasks, "repeats": params.get("repeats"), "test": true});
        self.shared().test_runs.remove(project.root());
        Ok(self.commands().answer("evaluate", Some(argument)).await)
    }

    /// The client gives up what it started, and nothing else.
    async fn abort_run_test(&self, _: Value) {
        let runs: Vec<(PathBuf, String)> = self
            .shared()
            .test_runs
            .iter()
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect();
        for (root, run) in runs {
            self.shared().test_runs.remove(&root);
            let snapshot = self.shared().snapshot();
            let is_active = snapshot.project(&root).is_some_and(|project| {
                project.board().runs.iter().any(|line| line.name == run && line.status.is_active())
            });
            if is_active {
                let argument = json!({"root": to_proto::uri(&root), "run": run});
                drop(self.commands().answer("cancel", Some(argument)).await);
            }
        }
    }

    /// The cancel button of a bar.
    async fn cancel_progress(&self, params: Value) {
        commands::cancel_progress(self.commands().clone(), params).await;
    }
}

/// The project that is named, else the only one; while folders are being read it is waited for.
async fn project(commands: &Commands, params: &Value) -> Result<Arc<Project>> {
    drop(commands.settled().await);
    let named = params.get("root").and_then(Value::as_str);
    commands::project(commands.shared(), named).map_err(|failure| Error::invalid_params(failure.message))
}

fn item(shared: &Shared, project: &Project, item: &tree::Item) -> Value {
    let location = item.location.as_ref().map(|(file, span)| {
        let location = harness_schema::problem::Location::new(file, *span);
        to_proto::location(project, &location, shared.encoding())
    });
    json!({
        "id": item.id,
        "kind": item.kind.word(),
        "text": item.text,
        "detail": item.detail,
        "tooltip": item.tooltip,
        "state": item.state,
        "location": location,
        "uri": item.page.as_ref().map(|name| name.address(&root_id(project.root()))),
        "actions": item.actions,
        "hasChildren": item.has_children,
    })
}

/// A part of a text from a byte on, and where the next begins.
fn part(text: &str, offset: usize) -> (&str, Option<usize>) {
    let rest = text.get(offset..).unwrap_or_default();
    let mut end = rest.len().min(PART);
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    let next = offset + end;
    (rest.get(..end).unwrap_or_default(), (next < text.len()).then_some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole_and_cut_no_character() {
        let text = "é".repeat(PART);
        let (mut whole, mut at) = (String::new(), Some(0));
        while let Some(offset) = at {
            let (part, next) = part(&text, offset);
            assert!(part.len() <= PART);
            whole.push_str(part);
            at = next;
        }
        assert_eq!(whole, text);
        assert_eq!(part("abc", 9), ("", None));
    }
}
