//! What stands beside the text: hints at the ends of lines, lenses above the first one.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness_schema::text::Span;
use rustc_hash::FxHasher;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::Result;

use crate::ide::command::Command;
use crate::ide::pages::name::{SCHEME, root_id};
use crate::ide::{hints, lenses};
use crate::lsp::at::{self, At};
use crate::lsp::shared::Shared;
use crate::lsp::{from_proto, to_proto};
use crate::workspace::{Site, Snapshot};

/// Nothing moves at the end of a line while somebody types (`editor` 2.4).
pub const STILL: Duration = Duration::from_secs(2);

/// The hints of a part of a document.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn inlay_hint(
    shared: &Arc<Shared>,
    params: lsp::InlayHintParams,
) -> Result<Option<Vec<lsp::InlayHint>>> {
    let range = params.range;
    at::answer_for_this_text(shared, &params.text_document.uri.clone(), move |at| {
        let path = at.site.project.absolute(&at.site.file);
        if is_typed_in(&at.shared, &path) {
            at.shared.hints.insert(path, 0);
            return Some(json!([]));
        }
        at.shared.hints.insert(path, identity_of_hints(&at.shared, &at.site));
        let span = from_proto::span(&at.text, range, at.shared.encoding());
        let hints = hints::hints(&at.site, span, at.shared.settings().switches());
        Some(hints.iter().map(|hint| self::hint(at, hint)).collect())
    })
    .await
}

fn is_typed_in(shared: &Shared, path: &PathBuf) -> bool {
    shared.typed.get(path).is_some_and(|typed| typed.elapsed() < STILL)
}

fn hint(at: &At, hint: &hints::Hint) -> Value {
    let session = at.shared.session();
    let root = root_id(at.site.project.root());
    let parts: Vec<Value> = hint
        .parts
        .iter()
        .map(|part| {
            let mut value = json!({"value": part.text});
            if let Some(command) = &part.command {
                value["command"] = self::command(&part.text, command);
            }
            if let Some(page) = part.page.as_ref().filter(|_| session.opens_ours()) {
                let start = json!({"line": 0, "character": 0});
                let range = json!({"start": start, "end": start});
                value["location"] = json!({"uri": format!("{SCHEME}://{root}/{page}"), "range": range});
            }
            value
        })
        .collect();
    json!({
        "position": at.range(Span::at(hint.offset))["start"],
        "label": parts,
        "tooltip": hint.tooltip,
        "paddingLeft": true,
    })
}

/// More of a hint: there is none that it was given without.
///
/// # Errors
/// None.
#[expect(clippy::unused_async, reason = "all handlers are alike")]
pub async fn inlay_hint_resolve(hint: lsp::InlayHint) -> Result<lsp::InlayHint> {
    Ok(hint)
}

/// The lenses of a document.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn code_lens(
    shared: &Arc<Shared>,
    params: lsp::CodeLensParams,
) -> Result<Option<Vec<lsp::CodeLens>>> {
    at::answer(shared, &params.text_document.uri.clone(), move |at| {
        let path = at.site.project.absolute(&at.site.file);
        at.shared.lenses.insert(path, identity_of_lenses(&at.shared, &at.site));
        if !at.shared.settings().lenses {
            return Some(json!([]));
        }
        let lenses = lenses::lenses(&at.site);
        Some(lenses.iter().enumerate().map(|(number, lens)| self::lens(at, number, lens)).collect())
    })
    .await
}

/// The newest text of a lens.
///
/// # Errors
/// Those of the protocol, in words for the user.
pub async fn code_lens_resolve(shared: &Arc<Shared>, lens: lsp::CodeLens) -> Result<lsp::CodeLens> {
    let data = at::plain(&lens).get("data").cloned().unwrap_or_default();
    let number = data.get("lens").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    let (Some(uri), Some(number)) = (data.get("uri").and_then(Value::as_str), number) else {
        return Ok(lens);
    };
    let uri = lsp::Uri(uri.to_owned());
    let newest = at::answer::<lsp::CodeLens>(shared, &uri, move |at| {
        lenses::lenses(&at.site).get(number).map(|lens| self::lens(at, number, lens))
    });
    Ok(newest.await?.unwrap_or(lens))
}

fn lens(at: &At, number: usize, lens: &lenses::Lens) -> Value {
    let uri = to_proto::uri(&at.site.project.absolute(&at.site.file));
    let command = match &lens.command {
        Some(command) => self::command(&lens.title, command),
        // A lens that only tells: clients show the title, and start nothing.
        None => json!({"title": lens.title, "command": ""}),
    };
    json!({"range": at.range(lens.span), "command": command, "data": {"uri": uri, "lens": number}})
}

/// A command as the protocol has it.
#[must_use]
pub fn command(title: &str, command: &Command) -> Value {
    let mut argument = json!({"root": to_proto::uri(&command.root)});
    let names: Vec<String> = command.proposals.iter().map(|number| format!("P{number}")).collect();
    for (key, list) in [("tasks", &command.tasks), ("clusters", &command.clusters), ("proposals", &names)] {
        if !list.is_empty() {
            argument[key] = json!(list);
        }
    }
    if let Some(run) = &command.run {
        argument["run"] = json!(run);
    }
    if let Some(file) = &command.file {
        argument["file"] = json!(file.as_str());
    }
    if let Some(rule) = command.rule {
        argument["rule"] = json!(rule);
    }
    if let Some(price) = &command.price {
        argument["price"] = json!(price);
    }
    json!({"title": title, "command": command.id, "arguments": [argument]})
}

/// Whether a client has hints, or lenses, of any document that would be others now.
#[must_use]
pub fn old(shared: &Shared, snapshot: &Snapshot) -> (bool, bool) {
    let is_old = |given: &dashmap::DashMap<PathBuf, u64>, identity: fn(&Shared, &Site) -> u64| {
        let given: Vec<(PathBuf, u64)> =
            given.iter().map(|entry| (entry.key().clone(), *entry.value())).collect();
        given.iter().any(|(path, was)| {
            !is_typed_in(shared, path)
                && snapshot.site(path).map_or(0, |site| identity(shared, &site)) != *was
        })
    };
    (is_old(&shared.hints, identity_of_hints), is_old(&shared.lenses, identity_of_lenses))
}

/// What the hints of a document say, wherever their lines are: a client moves them with its text.
fn identity_of_hints(shared: &Shared, site: &Site) -> u64 {
    let whole = site.project.harness().document(&site.file).map_or(0, |document| document.source().len());
    let hints = hints::hints(site, Span::new(0, whole), shared.settings().switches());
    identity(hints.iter().map(hints::Hint::text))
}

fn identity_of_lenses(shared: &Shared, site: &Site) -> u64 {
    let lenses = if shared.settings().lenses { lenses::lenses(site) } else { Vec::new() };
    identity(lenses.into_iter().map(|lens| lens.title))
}

fn identity(texts: impl Iterator<Item = String>) -> u64 {
    let mut hasher = FxHasher::default();
    let mut is_empty = true;
    for text in texts {
        is_empty = false;
        text.hash(&mut hasher);
    }
    if is_empty { 0 } else { hasher.finish() }
}
