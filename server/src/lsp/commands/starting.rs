//! Starts runs, or lets them go on, and asks before (`editor` 5.4): nothing runs and nothing is spent without somebody's yes. The work
//! is done on a thread of its own, which may wait for a person as long as it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use harness_schema::harness::MANIFEST;
use harness_schema::problem::Severity;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::Commands;
use super::argument::Argument;
use crate::engine::consent::{Items, execution_digest};
use crate::engine::cycle::Goal;
use crate::engine::unseen;
use crate::failure::Failure;
use crate::host::consent::{self, Memory};
use crate::host::machine::Machine;
use crate::host::record::HowAgreed;
use crate::host::sandbox::Guarantees;
use crate::host::starting::{self, Terms, Wish, plans};
use crate::host::store::{RunState, Store, StoreError, StoredRun, run_name};
use crate::host::subject::Subject;
use crate::host::{following, worker};
use crate::lsp::asking::{self, Button, Question};
use crate::lsp::{showing, to_proto};
use crate::workspace::Project;

const START: Button = Button { id: "start", title: "Start" };
const FIRST_TRY: Button = Button { id: "smoke", title: "Try 3 Tasks First" };
const CANCEL: Button = Button { id: "cancel", title: "Cancel" };
const TRUST: Button = Button { id: "trust", title: "Trust" };

/// Starts a run of a goal on the harness as it is open now.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub(super) async fn start(
    commands: Commands,
    goal: Goal,
    argument: Argument,
    is_smoke: bool,
) -> Result<Value, Failure> {
    let project = argument.project(commands.shared())?;
    let runtime = Handle::current();
    let for_work = commands.clone();
    let work = move || Starting { commands: for_work, runtime, project, argument }.start(goal, is_smoke);
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| showing::bug())?;
    commands.look();
    done
}

/// Lets a run go on.
///
/// # Errors
/// A [`Failure`] if it cannot.
pub(super) async fn resume(
    commands: Commands,
    argument: Argument,
    name: String,
    wish: Wish,
) -> Result<Value, Failure> {
    let project = argument.project(commands.shared())?;
    let runtime = Handle::current();
    let for_work = commands.clone();
    let work = move || Starting { commands: for_work, runtime, project, argument }.resume(&name, wish);
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| showing::bug())?;
    commands.look();
    done
}

/// Shows what decides what is executed, and trusts it if somebody says so.
///
/// # Errors
/// A [`Failure`] if it cannot be remembered.
pub(super) async fn trust(commands: Commands, argument: Argument) -> Result<Value, Failure> {
    let project = argument.project(commands.shared())?;
    let runtime = Handle::current();
    let for_work = commands.clone();
    let work = move || Starting { commands: for_work, runtime, project, argument }.trust();
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| showing::bug())?;
    commands.look();
    done
}

/// Something that somebody wants to start.
struct Starting {
    commands: Commands,
    runtime: Handle,
    project: Arc<Project>,
    argument: Argument,
}

impl Starting {
    fn root(&self) -> &Path {
        self.project.root()
    }

    fn ask(&self, question: &Question) -> Option<&'static str> {
        self.runtime.block_on(asking::ask(self.commands.shared(), question))
    }

    fn start(&self, goal: Goal, is_smoke: bool) -> Result<Value, Failure> {
        self.sound()?;
        let failed = |error: StoreError| error.to_failure();
        let root = self.root();
        let mut store = Store::open(root).map_err(failed)?;
        if let Some(open) = self.same(&store, goal)? {
            return Ok(following(&open));
        }
        let mut is_smoke = is_smoke;
        loop {
            let prepared = starting::prepare(root, Some(&self.texts()), &store, &self.terms(), |asking| {
                self.plan(asking, goal, is_smoke)
            })?;
            let how = match prepared.reasons() {
                [] => HowAgreed::Before,
                reasons => {
                    let asked = prepared.asked(&store)?;
                    let may_try = goal == Goal::Evaluate && !is_smoke && self.argument.tasks.is_empty();
                    let buttons = match may_try {
                        true => vec![FIRST_TRY, START, CANCEL],
                        false => vec![START, CANCEL],
                    };
                    let text = consent::text(&asked, prepared.items(), reasons);
                    match self.ask(&self.question(goal.word(), prepared.items(), &text, buttons)) {
                        Some("start") => {}
                        Some("smoke") => {
                            is_smoke = true;
                            // The same words again, for three tasks: that is what was agreed to.
                            self.agree(&starting::prepare(
                                root,
                                Some(&self.texts()),
                                &store,
                                &self.terms(),
                                |asking| self.plan(asking, goal, true),
                            )?);
                            continue;
                        }
                        _ => return Ok(json!({"asked": true, "text": "nothing was started"})),
                    }
                    self.agree(&prepared);
                    HowAgreed::Asked
                }
            };
            let created = prepared.create(root, &mut store, how)?;
            let stored = store.run(created.number).map_err(failed)?.ok_or_else(showing::bug)?;
            worker::ensure(root, &store, stored.record.key_variable.as_deref())?;
            return Ok(json!({"runId": run_name(stored.number)}));
        }
    }

    /// Whoever cannot be remembered is asked again.
    fn agree(&self, prepared: &starting::Prepared) {
        let noted = Memory::of_this_user().agree(
            self.root(),
            prepared.items(),
            prepared.terms(),
            HowAgreed::Asked,
            true,
        );
        if let Err(error) = noted {
            tracing::warn!(%error, "what was agreed to is not remembered");
        }
    }

    /// A question whose text begins with its title. What stands in it comes from the project.
    fn question(&self, verb: &str, items: &Items, text: &str, buttons: Vec<Button>) -> Question {
        let mut lines = text.lines().map(|line| unseen::visible(line).into_owned());
        let title = lines.next().unwrap_or_default();
        Question {
            root: to_proto::uri(self.root()),
            verb: verb.to_owned(),
            digest: execution_digest(items).to_string(),
            title,
            lines: lines.collect(),
            buttons,
        }
    }

    /// What is trusted is the manifest on disk.
    fn saved(&self) -> Result<(), Failure> {
        let saved = std::fs::read_to_string(self.root().join(MANIFEST)).unwrap_or_default();
        match self.project.harness().manifest_file().document.source() == saved {
            true => Ok(()),
            false => Err(Failure::user(
                format!("save `{MANIFEST}` first: trust is about the saved file"),
                "nothing was started",
            )),
        }
    }

    /// A harness with errors measures the errors.
    fn sound(&self) -> Result<(), Failure> {
        self.saved()?;
        let harness = self.project.harness();
        let errors = harness.named_files().map(|file| {
            let problems = self.project.problems(file);
            problems.iter().filter(|problem| problem.severity == Severity::Error).count()
        });
        match errors.sum::<usize>() {
            0 => Ok(()),
            1 => Err(Failure::config(
                "the harness has 1 error, so nothing is run",
                "mend what its problems say",
            )),
            errors => Err(Failure::config(
                format!("the harness has {errors} errors, so nothing is run"),
                "mend what its problems say",
            )),
        }
    }

    /// The run that is open and does the same: who starts it twice follows the first.
    fn same(&self, store: &Store, goal: Goal) -> Result<Option<StoredRun>, Failure> {
        if store.is_foreign() {
            return Ok(None);
        }
        let identity = self.project.identity().to_string();
        let open = store.open_runs().map_err(|error| error.to_failure())?;
        let is_same = |run: &StoredRun| {
            run.state != RunState::Paused && run.record.goal() == goal && run.record.harness == identity
        };
        Ok(open.into_iter().find(is_same))
    }

    /// The texts of open buffers, by path below the root.
    fn texts(&self) -> BTreeMap<String, String> {
        let harness = self.project.harness();
        let open = harness.named_files().filter(|file| self.project.files().is_open(file));
        let texts = open
            .filter_map(|file| Some((file.as_str().to_owned(), harness.document(file)?.source().to_owned())));
        texts.collect()
    }

    fn terms(&self) -> Terms {
        let shared = self.commands.shared();
        Terms {
            parallel: Some(shared.settings().max_parallel),
            max_cost_usd: None,
            unsandboxed: false,
            started_by: shared.session().editor.clone(),
        }
    }

    fn plan(
        &self,
        asking: &mut starting::Asking<'_>,
        goal: Goal,
        is_smoke: bool,
    ) -> Result<starting::Plan, Failure> {
        let tasks = self.argument.tasks.clone();
        match goal {
            Goal::Evaluate => {
                let wanted = plans::Evaluate { tasks, smoke: is_smoke, ..plans::Evaluate::default() };
                plans::evaluate(asking.subject, &wanted)
            }
            Goal::Propose => plans::propose(asking.subject, None),
            Goal::Validate => {
                let named: Vec<String> =
                    self.argument.proposals.iter().map(|number| format!("P{number}")).collect();
                plans::validate(asking, &named, None)
            }
            Goal::Improve => plans::improve(asking.subject, &plans::Improve::default()),
            Goal::Seal => {
                Err(Failure::user("sealed tasks are read on the command line", "run `self-harness seal`"))
            }
        }
    }

    fn resume(&self, name: &str, wish: Wish) -> Result<Value, Failure> {
        let root = self.root();
        let (mut store, stored) = showing::run_of(root, Some(name))?;
        let seen = following::look_at(&store, &stored)?;
        starting::may(&store, &stored, &seen, wish)?;
        let prepared = starting::prepare_resume(root, &store, &stored)?;
        let how = match prepared.reasons() {
            [] => HowAgreed::Before,
            reasons => {
                let asked = prepared.asked(&store)?;
                let text = consent::text(&asked, prepared.items(), reasons);
                let question =
                    self.question(&stored.record.verb, prepared.items(), &text, vec![START, CANCEL]);
                if self.ask(&question) != Some(START.id) {
                    return Ok(json!({"asked": true, "text": "nothing was started"}));
                }
                HowAgreed::Asked
            }
        };
        prepared.agree(&mut store, &stored, seen.run().spent().time, how)?;
        starting::change(&mut store, &stored, &seen, wish)?;
        worker::ensure(root, &store, stored.record.key_variable.as_deref())?;
        Ok(json!({"runId": run_name(stored.number)}))
    }

    fn trust(&self) -> Result<Value, Failure> {
        self.saved()?;
        let machine = Machine::read()?;
        let subject = Subject::read(self.root(), &Guarantees::untried(), &machine);
        let items = subject.execution_items();
        let lines: Vec<String> = consent::items(&items).into_iter().map(|line| line.text).collect();
        let text = format!("Trust what decides what is executed here?\n{}", lines.join("\n"));
        let question = self.question("trust", &items, &text, vec![TRUST, CANCEL]);
        if self.ask(&question) != Some(TRUST.id) {
            return Ok(json!({"asked": true, "text": "nothing was trusted"}));
        }
        Memory::of_this_user().trust(self.root(), &items).map_err(|error| {
            Failure::host(
                format!("trust is not remembered: {error}"),
                "see whether the state directory is yours",
            )
        })?;
        Ok(json!({"text": "trusted"}))
    }
}

fn following(open: &StoredRun) -> Value {
    let name = run_name(open.number);
    json!({"runId": name, "text": format!("following {name}, started from {}", open.record.started_by)})
}
