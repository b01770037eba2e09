//! Tells a client that asks for diagnostics and tokens itself when what it has is old: at most once in two seconds, and only
//! if something that it was given would be another now.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::handlers::marks;
use super::reports;
use super::shared::Shared;
use super::to_proto;
use crate::ide::tokens;
use crate::workspace::Snapshot;

/// The least time between two refreshes.
const INTERVAL: Duration = Duration::from_secs(2);

/// A client that does not answer is not waited for.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// Whether somebody is at it.
#[derive(Debug, Default)]
pub struct Refresh(Mutex<State>);

/// What may be old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Looks {
    /// What stands beside the text: hints and lenses.
    AtMarks,
    /// That, and what the text means: diagnostics and tokens.
    AtAll,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    /// What may have changed since the one who is at it looked.
    again: Option<Looks>,
}

/// What is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Old {
    diagnostics: bool,
    tokens: bool,
    hints: bool,
    lenses: bool,
}

impl Refresh {
    /// Whether nobody was at it, and the caller is from now on.
    fn begin(&self, looks: Looks) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.again = state.again.max(Some(looks));
        !std::mem::replace(&mut state.running, true)
    }

    /// What there is to look at; if nothing, nobody is at it any more.
    fn goes_on(&self) -> Option<Looks> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = state.again.take();
        state.running = looks.is_some();
        looks
    }
}

/// Something changed.
pub fn ask(shared: &Arc<Shared>, refresh: &Arc<Refresh>, looks: Looks) {
    let session = shared.session();
    let diagnostics = session.pulls() && session.can("/workspace/diagnostics/refreshSupport");
    let tokens = session.can("/workspace/semanticTokens/refreshSupport");
    let hints = session.can("/workspace/inlayHint/refreshSupport");
    let lenses = session.can("/workspace/codeLens/refreshSupport");
    if !(diagnostics || tokens || hints || lenses) || !refresh.begin(looks) {
        return;
    }
    let (shared, refresh) = (Arc::clone(shared), Arc::clone(refresh));
    tokio::spawn(async move {
        while let Some(looks) = refresh.goes_on() {
            let for_work = Arc::clone(&shared);
            let old =
                shared.compute(move || old(&for_work, &for_work.snapshot(), looks)).await.unwrap_or_default();
            let due = Instant::now() + INTERVAL;
            let mut sent = false;
            if diagnostics && old.diagnostics {
                sent = true;
                drop(
                    tokio::time::timeout(LONGEST_ANSWER, shared.client.workspace_diagnostic_refresh()).await,
                );
            }
            if tokens && old.tokens {
                sent = true;
                drop(tokio::time::timeout(LONGEST_ANSWER, shared.client.semantic_tokens_refresh()).await);
            }
            if hints && old.hints {
                sent = true;
                drop(tokio::time::timeout(LONGEST_ANSWER, shared.client.inlay_hint_refresh()).await);
            }
            if lenses && old.lenses {
                sent = true;
                drop(tokio::time::timeout(LONGEST_ANSWER, shared.client.code_lens_refresh()).await);
            }
            if sent {
                tokio::time::sleep_until(due).await;
            }
        }
    });
}

/// What the client has and should ask for again.
fn old(shared: &Shared, snapshot: &Snapshot, looks: Looks) -> Old {
    let mut old = Old::default();
    (old.hints, old.lenses) = marks::old(shared, snapshot);
    if looks == Looks::AtMarks {
        return old;
    }
    let mut given: Vec<PathBuf> = shared.answered.iter().map(|entry| entry.key().clone()).collect();
    if shared.asks_for_all() {
        // A file that had no problem was not mentioned; now it may have one.
        let silent = reports::files(snapshot).into_iter().filter(|path| !shared.answered.contains_key(path));
        old.diagnostics = silent.into_iter().any(|path| !reports::of(shared, snapshot, &path).0.is_empty());
    }
    given.sort();
    old.diagnostics =
        old.diagnostics || given.iter().any(|path| reports::outdated(shared, snapshot, path).is_some());
    let tokens: Vec<PathBuf> = shared.tokens.iter().map(|entry| entry.key().clone()).collect();
    old.tokens = tokens.iter().any(|path| {
        let Some(kept) = shared.tokens.get(path).map(|kept| kept.clone()) else { return false };
        let Some(site) = snapshot.site(path) else { return false };
        let Some(document) = site.project.harness().document(&site.file) else { return false };
        reports::version(snapshot, path) == kept.version
            && to_proto::tokens(&tokens::tokens(&site), document.text(), shared.encoding()) != kept.data
    });
    old
}
