//! Tells a client with a test view what is in it, in the shape that rust-analyzer gave that (`editor` 2.7): which tests there are, what
//! became of them in the run that goes on, what that run says, and which results are old.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_schema::problem::Location;
use harness_schema::split::Split;
use serde_json::{Value, json};

use super::shared::Shared;
use super::to_proto;
use crate::engine::board::{Board, RunLine};
use crate::ide::testing::{self, State, Test};
use crate::workspace::Project;

/// The least time between two looks at the tests of a project that is edited.
const INTERVAL: Duration = Duration::from_millis(500);

/// What was told of the tests of a project.
#[derive(Debug, Default)]
pub struct Tests {
    /// The project as it was looked at last, and when.
    seen: Option<(Arc<Project>, Instant)>,
    /// The splits, and the held-in tests, as they were told.
    discovered: Option<(Value, Value)>,
    /// The state of each test, by id.
    states: BTreeMap<String, Value>,
    /// The tests whose results are old.
    outdated: Vec<String>,
    /// The run whose tests are told, by number.
    run: Option<i64>,
    /// The newest run at the last look.
    newest: Option<i64>,
}

impl Tests {
    /// Some time has gone by: somebody may have typed, or another file be there.
    pub fn tick(&mut self, shared: &Shared, project: &Arc<Project>) {
        let is_due = self
            .seen
            .as_ref()
            .is_none_or(|(seen, at)| !Arc::ptr_eq(seen, project) && INTERVAL <= at.elapsed());
        if is_due {
            self.tell(shared, project);
        }
    }

    /// Tells what is new.
    pub fn tell(&mut self, shared: &Shared, project: &Arc<Project>) {
        if !shared.session().can("/experimental/testExplorer") || !shared.settings().testing {
            return;
        }
        self.seen = Some((Arc::clone(project), Instant::now()));
        self.discover(shared, project);
        let board = project.board();
        self.begin(shared, board);
        self.states(shared, project);
        self.age(shared, project);
        self.end(shared, project.root(), board);
        self.newest = Some(board.runs.first().map_or(0, |run| run.number));
    }

    /// Which tests there are. While a run goes on only its locked splits are others: then no test is listed again.
    fn discover(&mut self, shared: &Shared, project: &Project) {
        let list = |id: Option<&str>| -> Value {
            testing::discover(project, id).iter().map(|test| item(shared, project, test)).collect()
        };
        let now = (list(None), list(Some(Split::HeldIn.word())));
        let (groups, tasks) = &now;
        let ids = |groups: &Value| -> Vec<Value> {
            groups.as_array().into_iter().flatten().map(|group| group["id"].clone()).collect()
        };
        let (tests, scope) = match &self.discovered {
            Some(before) if *before == now => return,
            Some((before, same)) if same == tasks && ids(before) == ids(groups) => {
                (groups.clone(), json!([]))
            }
            // Of these three nothing else is there.
            _ => {
                let all =
                    [groups, tasks].into_iter().flat_map(|list| list.as_array().cloned().unwrap_or_default());
                (all.collect(), json!(Split::ALL.map(Split::word)))
            }
        };
        let params =
            json!({"schema": 1, "root": to_proto::uri(project.root()), "tests": tests, "scope": scope});
        shared.notify("experimental/discoveredTests", &params);
        self.discovered = Some(now);
    }

    /// A run that goes on, or that has come and gone since the last look.
    fn begin(&mut self, shared: &Shared, board: &Board) {
        let has_gone =
            |run: &&RunLine| run.status.is_over() && self.newest.is_some_and(|newest| newest < run.number);
        let run = board.active().or_else(|| board.runs.first().filter(has_gone));
        if let Some(run) = run.filter(|run| self.run != Some(run.number)) {
            self.run = Some(run.number);
            append(shared, &format!("{} {}, started from {}", run.goal.word(), run.name, run.started_by));
        }
    }

    /// What became of each test; of the run that goes on in words, too.
    fn states(&mut self, shared: &Shared, project: &Project) {
        let is_ours = shared.session().can("/experimental/selfHarness");
        for (id, state) in testing::states(project) {
            let mut told = json!({"tag": state.tag(is_ours)});
            let message = state.message();
            if !message.is_empty() {
                told["message"] = json!(message);
            }
            if self.states.get(&id) == Some(&told) {
                continue;
            }
            let params = json!({"root": to_proto::uri(project.root()), "testId": id, "state": told});
            shared.notify("experimental/changeTestState", &params);
            if self.run.is_some() && state.is_over() {
                append(shared, &line(&id, &state));
            }
            self.states.insert(id, told);
        }
    }

    /// Which results are of another text than the one that is open. All of them each time: one that is named no more is as it was.
    fn age(&mut self, shared: &Shared, project: &Project) {
        let outdated = testing::outdated(project);
        if outdated != self.outdated {
            let params = json!({"schema": 1, "root": to_proto::uri(project.root()), "ids": outdated});
            shared.notify("selfHarness/testsOutdated", &params);
            self.outdated = outdated;
        }
    }

    /// The run goes on no more, whatever came of it.
    fn end(&mut self, shared: &Shared, root: &Path, board: &Board) {
        let Some(number) = self.run.filter(|number| board.active().is_none_or(|run| run.number != *number))
        else {
            return;
        };
        if let Some(run) = board.runs.iter().find(|run| run.number == number) {
            append(shared, &run.sentence);
        }
        shared.notify("experimental/endRunTest", &json!({"root": to_proto::uri(root)}));
        self.run = None;
    }
}

/// What a run says of itself: a line without its end.
fn append(shared: &Shared, line: &str) {
    shared.notify("experimental/appendOutputToRunTest", &json!(line));
}

/// `t-04: passed`; `t-07: failed, 1 of 2 trials passed`.
fn line(id: &str, state: &State) -> String {
    let task = id.split_once('/').map_or(id, |(_, task)| task);
    let message = state.message();
    let message = if message.is_empty() { message } else { format!(", {message}") };
    format!("{task}: {}{message}", state.tag(true))
}

/// A test as the protocol has it.
#[must_use]
pub fn item(shared: &Shared, project: &Project, test: &Test) -> Value {
    let place = test
        .location
        .as_ref()
        .map(|(file, span)| to_proto::location(project, &Location::new(file, *span), shared.encoding()));
    let part = |pointer: &str| place.as_ref().and_then(|place| place.pointer(pointer)).cloned();
    json!({
        "id": test.id,
        "label": test.label,
        "description": test.detail,
        "parent": test.parent,
        "canResolveChildren": test.can_resolve_children,
        "kind": test.kind.word(),
        "textDocument": part("/uri").map(|uri| json!({"uri": uri})),
        "range": part("/range"),
    })
}
