//! Tells a client what became of runs: progress with its cancel button, the state of each run, and that the tree is another
//! (`editor` 2.6, 2.7). At most two reports of progress in a second.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;

use super::shared::Shared;
use super::testing::Tests;
use super::to_proto;
use crate::engine::board::{Board, RunLine, Trust};
use crate::ide::pages::name::{SCHEME, root_id};
use crate::workspace::Snapshot;

/// A run that is over sooner is not worth a bar.
const FIRST: Duration = Duration::from_millis(300);

/// The least time between two reports.
const INTERVAL: Duration = Duration::from_millis(500);

/// The client is waited for so long.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// What was told.
#[derive(Debug, Default)]
pub struct News {
    roots: BTreeMap<PathBuf, Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// The states of runs as they were told, by number.
    states: BTreeMap<i64, Value>,
    /// Runs that were seen to go on, and whose end was not told yet: one that is resumed may be over before anything of it is told.
    open: BTreeSet<i64>,
    /// The run whose progress is shown.
    bar: Option<Bar>,
    /// What a test view was told.
    tests: Tests,
    /// Whether the project was trusted.
    trust: Option<Trust>,
    /// The newest run that was told; `Some(0)` once it is known that there is none.
    newest: Option<i64>,
    /// A board that was not told yet.
    board: Option<Arc<Board>>,
    /// When something was told last.
    said: Option<Instant>,
}

#[derive(Debug)]
struct Bar {
    run: i64,
    token: String,
    since: Instant,
    /// The client has agreed to show it.
    is_open: Arc<AtomicBool>,
    is_asked: bool,
    has_begun: bool,
    reported: Option<(Instant, String)>,
}

impl News {
    /// Whether a project was told about.
    #[must_use]
    pub fn knows(&self, root: &Path) -> bool {
        self.roots.contains_key(root)
    }

    /// The board of a project is another.
    pub fn tell(&mut self, shared: &Arc<Shared>, root: &Path, board: &Arc<Board>) {
        let told = self.roots.entry(root.to_path_buf()).or_default();
        told.board = Some(Arc::clone(board));
        told.open.extend(board.runs.iter().filter(|run| !run.status.is_over()).map(|run| run.number));
        // How a run ended waits for nothing: its bar ends after that was told.
        if board.runs.iter().any(|run| run.status.is_over() && told.open.contains(&run.number)) {
            told.said = None;
        }
        told.say(shared, root);
    }

    /// Some time has gone by.
    pub fn tick(&mut self, shared: &Arc<Shared>, snapshot: &Snapshot) {
        self.roots.retain(|root, told| {
            match snapshot.project(root) {
                Some(project) => {
                    told.say(shared, root);
                    told.tests.tick(shared, project);
                    if shared.session().can("/window/workDoneProgress") {
                        told.follow(shared, root, project.board());
                    }
                }
                None => told.end(shared, "the folder was closed; the run goes on"),
            }
            snapshot.project(root).is_some()
        });
    }
}

impl Told {
    /// Tells what is new of a board that was not told yet, at most twice in a second.
    fn say(&mut self, shared: &Arc<Shared>, root: &Path) {
        if self.said.is_some_and(|said| said.elapsed() < INTERVAL) {
            return;
        }
        let Some(board) = self.board.take() else { return };
        self.said = Some(Instant::now());
        let session = shared.session();
        if session.can("/experimental/selfHarness") {
            self.runs(shared, root, &board);
            self.trust(shared, root, &board.trust);
            let revision = shared.workspace().revision();
            let params = json!({"schema": 1, "root": to_proto::uri(root), "revision": revision});
            shared.notify("selfHarness/treeChanged", &params);
            let ours = format!("{SCHEME}://{}/", root_id(root));
            let open: Vec<String> = shared.pages.iter().map(|page| page.key().clone()).collect();
            for uri in open.iter().filter(|uri| uri.starts_with(&ours)) {
                let params = json!({"schema": 1, "uri": uri, "revision": revision});
                shared.notify("selfHarness/contentChanged", &params);
            }
        }
        if let Some(project) = shared.snapshot().project(root) {
            self.tests.tell(shared, project);
        }
    }

    /// Tells where each run stands that is not over, and how those have ended that were told before.
    fn runs(&mut self, shared: &Shared, root: &Path, board: &Board) {
        for run in &board.runs {
            if run.status.is_over() && !self.open.contains(&run.number) && !self.has_begun(run) {
                continue;
            }
            let state = run_state(root, run);
            if self.states.get(&run.number) != Some(&state) {
                shared.notify("selfHarness/runState", &state);
            }
            if run.status.is_over() {
                tracing::info!(run = run.name, "{}", run.sentence);
            }
            match run.status.is_over() {
                true => {
                    self.open.remove(&run.number);
                    self.states.remove(&run.number);
                }
                false => drop(self.states.insert(run.number, state)),
            }
        }
        self.newest = Some(board.runs.first().map_or(0, |run| run.number));
    }

    /// Whether a run was started since the last look, and may be over already: it is told all the same.
    fn has_begun(&self, run: &RunLine) -> bool {
        self.newest.is_some_and(|newest| newest < run.number)
    }

    /// Tells whether the project is trusted, when it is another way than it was told.
    fn trust(&mut self, shared: &Shared, root: &Path, trust: &Trust) {
        if self.trust.as_ref() == Some(trust) {
            return;
        }
        shared.notify("selfHarness/trustState", &trust_state(root, trust));
        self.trust = Some(trust.clone());
    }

    fn follow(&mut self, shared: &Arc<Shared>, root: &Path, board: &Board) {
        let active = board.active();
        if let Some(bar) = &self.bar
            && active.is_none_or(|run| run.number != bar.run)
        {
            let run = board.runs.iter().find(|run| run.number == bar.run);
            let sentence = run.map_or_else(|| String::from("the run is gone"), |run| run.sentence.clone());
            self.end(shared, &sentence);
        }
        let Some(run) = active else { return };
        let bar = self.bar.get_or_insert_with(|| Bar {
            run: run.number,
            token: format!("self-harness/{}/{}", root_id(root), run.name),
            since: Instant::now(),
            is_open: Arc::default(),
            is_asked: false,
            has_begun: false,
            reported: None,
        });
        bar.show(shared, run);
    }

    fn end(&mut self, shared: &Shared, sentence: &str) {
        let Some(bar) = self.bar.take().filter(|bar| bar.has_begun) else { return };
        bar.say(shared, &json!({"kind": "end", "message": sentence}));
    }
}

impl Bar {
    fn show(&mut self, shared: &Arc<Shared>, run: &RunLine) {
        if !self.is_asked && FIRST <= self.since.elapsed() {
            self.is_asked = true;
            let (shared, is_open) = (Arc::clone(shared), Arc::clone(&self.is_open));
            let token = lsp::ProgressToken::String(self.token.clone());
            tokio::spawn(async move {
                let asked = shared.client.create_work_done_progress(token);
                if matches!(tokio::time::timeout(LONGEST_ANSWER, asked).await, Ok(Ok(()))) {
                    is_open.store(true, Ordering::SeqCst);
                }
            });
        }
        if !self.is_open.load(Ordering::SeqCst) {
            return;
        }
        let percentage = match run.progress.total {
            0 => 0,
            total => u64::from(run.progress.done) * 100 / u64::from(total),
        };
        let is_due =
            self.reported.as_ref().is_none_or(|(at, line)| INTERVAL <= at.elapsed() && *line != run.line);
        if !is_due {
            return;
        }
        self.reported = Some((Instant::now(), run.line.clone()));
        let (kind, title) = match self.has_begun {
            true => ("report", None),
            false => ("begin", Some(format!("{} {}", run.goal.word(), run.name))),
        };
        self.has_begun = true;
        let mut value =
            json!({"kind": kind, "cancellable": true, "message": run.line, "percentage": percentage});
        if let Some(title) = title {
            value["title"] = json!(title);
        }
        self.say(shared, &value);
    }

    fn say(&self, shared: &Shared, value: &Value) {
        shared.notify("$/progress", &json!({"token": self.token, "value": value}));
    }
}

/// Whether a project is trusted, as our clients read it.
#[must_use]
pub fn trust_state(root: &Path, trust: &Trust) -> Value {
    let (state, changed) = match trust {
        Trust::Untrusted => ("untrusted", [].as_slice()),
        Trust::Trusted => ("trusted", [].as_slice()),
        Trust::Changed(changed) => ("stale", changed.as_slice()),
    };
    let page = format!("{SCHEME}://{}/trust", root_id(root));
    json!({"schema": 1, "root": to_proto::uri(root), "state": state, "changed": changed, "uri": page})
}

/// The root's id and the run of a token of ours.
#[must_use]
pub fn run_of(token: &str) -> Option<(&str, &str)> {
    token.strip_prefix("self-harness/")?.split_once('/')
}

/// A run as our clients read it (`editor` 2.7).
#[must_use]
pub fn run_state(root: &Path, run: &RunLine) -> Value {
    let progress = &run.progress;
    json!({
        "schema": 1,
        "root": to_proto::uri(root),
        "runId": run.name,
        "verb": run.goal.word(),
        "gate": run.gate.map(|gate| format!("{gate:?}").to_lowercase()),
        "state": run.status.word(),
        "cause": Some(&run.cause).filter(|cause| !cause.is_empty()),
        "sentence": run.sentence,
        "line": run.line,
        "contract": run.contract,
        "harness": run.harness,
        "sandboxed": run.is_confined,
        "startedBy": run.started_by,
        "trials": {
            "done": progress.done,
            "total": progress.total,
            "running": progress.running,
            "void": progress.void,
        },
        "heldIn": {"pass": progress.held_in.0, "fail": progress.held_in.1},
        "heldOut": {"done": progress.held_out.0, "total": progress.held_out.1},
        "cost": {"usd": progress.cost, "capUsd": progress.cap, "exact": progress.cost.is_some()},
        "etaSeconds": progress.eta,
        "resumable": run.status.may_resume() || run.is_capped,
    })
}
