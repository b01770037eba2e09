//! Starts runs, or lets them go on, and asks before (`editor` 5.4): nothing runs and nothing is spent without somebody's yes. The work
//! is done on a thread of its own, which may wait for a person as long as it takes.

use std::collections::BTreeMap;
use std::path::Path;

use harness_schema::digest::Digest;
use harness_schema::harness::MANIFEST;
use harness_schema::path::FilePath;
use harness_schema::split::{Split, TaskPattern};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::Commands;
use super::argument::Argument;
use crate::engine::consent::{self as agreeing, Items, Reason, execution_digest};
use crate::engine::cycle::Goal;
use crate::engine::unseen;
use crate::failure::Failure;
use crate::host::consent::{self, Asked, Line, Memory};
use crate::host::machine::Machine;
use crate::host::record::{HowAgreed, RunRecord};
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
    aside(commands, argument, move |starting| starting.start(goal, is_smoke)).await
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
    aside(commands, argument, move |starting| starting.resume(&name, wish)).await
}

/// Shows what decides what is executed, and trusts it if somebody says so.
///
/// # Errors
/// A [`Failure`] if it cannot be remembered.
pub(super) async fn trust(commands: Commands, argument: Argument) -> Result<Value, Failure> {
    aside(commands, argument, Starting::trust).await
}

/// Does something on a thread that may wait for a person, and has the store looked at when it is done.
async fn aside(
    commands: Commands,
    argument: Argument,
    work: impl FnOnce(&Starting) -> Result<Value, Failure> + Send + 'static,
) -> Result<Value, Failure> {
    let starting = Starting { commands: commands.clone(), runtime: Handle::current(), argument };
    let done = tokio::task::spawn_blocking(move || work(&starting)).await.map_err(|_| showing::bug())?;
    commands.look();
    done
}

/// Something that somebody wants to start.
struct Starting {
    commands: Commands,
    runtime: Handle,
    argument: Argument,
}

impl Starting {
    fn root(&self) -> &Path {
        self.argument.project.root()
    }

    fn ask(&self, question: &Question) -> Option<&'static str> {
        self.runtime.block_on(asking::ask(self.commands.shared(), question))
    }

    fn start(&self, goal: Goal, is_smoke: bool) -> Result<Value, Failure> {
        self.saved()?;
        self.is_as_read()?;
        let failed = |error: StoreError| error.to_failure();
        let root = self.root();
        let mut store = Store::open_to_ask(root).map_err(failed)?;
        let mut prepared = self.prepare(&store, goal, is_smoke)?;
        if let Some(open) = same(&store, prepared.record())? {
            return Ok(following(&open));
        }
        let may_try = goal == Goal::Evaluate && !is_smoke && self.argument.tasks.is_empty();
        let how = match self.agreed(&store, &prepared, may_try)? {
            Answer::Before => HowAgreed::Before,
            Answer::Start => HowAgreed::Asked,
            Answer::Smoke => {
                let smaller = self.prepare(&store, goal, true)?;
                // What was read to the person is what they agreed to: the same project and the same terms, but for fewer trials.
                let (asked, terms) = (prepared.terms(), smaller.terms());
                let is_shown = smaller.items() == prepared.items()
                    && terms.trials <= asked.trials
                    && *terms == agreeing::Terms { trials: terms.trials, ..asked.clone() };
                prepared = smaller;
                match is_shown {
                    true => HowAgreed::Asked,
                    false => match self.agreed(&store, &prepared, false)? {
                        Answer::Before => HowAgreed::Before,
                        Answer::Start => HowAgreed::Asked,
                        Answer::Smoke | Answer::No => return Ok(not_started()),
                    },
                }
            }
            Answer::No => return Ok(not_started()),
        };
        self.is_as_shown("started")?;
        store.keep(root).map_err(failed)?;
        // Somebody may have started the same while we asked.
        if let Some(open) = same(&store, prepared.record())? {
            return Ok(following(&open));
        }
        if how == HowAgreed::Asked {
            self.remember(prepared.items(), prepared.terms());
        }
        let before = starting::open_run(&store)?;
        self.note(prepared.notice());
        let created = prepared.create(root, &mut store, how)?;
        self.note(created.notice.as_deref());
        let stored = store.run(created.number).map_err(failed)?.ok_or_else(showing::bug)?;
        worker::ensure(root, &store, stored.record.key_variable.as_deref())?;
        let name = run_name(stored.number);
        if self.argument.is_test {
            self.commands.shared().test_runs.insert(root.to_path_buf(), name.clone());
        }
        Ok(match before {
            Some(open) => json!({"runId": name, "text": format!("queued after {}", run_name(open.number))}),
            None => json!({"runId": name}),
        })
    }

    fn prepare(&self, store: &Store, goal: Goal, is_smoke: bool) -> Result<starting::Prepared, Failure> {
        let texts = self.texts()?;
        let plan = |asking: &mut starting::Asking<'_>| self.plan(asking, goal, is_smoke);
        let prepared = starting::prepare(self.root(), Some(&texts), store, &self.terms(), plan);
        // Nobody tries the sandbox while somebody only looks, so what a start has found is shown until another one.
        let is_missing = |failure: &&Failure| failure.message.starts_with(starting::NO_SANDBOX);
        self.commands.shared().set_missing_sandbox(prepared.as_ref().err().filter(is_missing).cloned());
        prepared
    }

    /// Whether somebody agrees. Who chose something with its price has agreed to that, if they had agreed to such a run before;
    /// whatever showed no price is asked for with its costs.
    fn agreed(&self, store: &Store, prepared: &starting::Prepared, may_try: bool) -> Result<Answer, Failure> {
        let asked = prepared.asked(store)?;
        if prepared.reasons().is_empty() && self.has_seen(&asked) {
            return Ok(Answer::Before);
        }
        let text = wording(&asked, prepared.items(), prepared.reasons());
        let buttons = if may_try { vec![FIRST_TRY, START, CANCEL] } else { vec![START, CANCEL] };
        let question = self.question(asked.verb, prepared.items(), &text, buttons);
        Ok(match self.ask(&question) {
            Some("start") => Answer::Start,
            Some("smoke") => Answer::Smoke,
            _ => Answer::No,
        })
    }

    /// Whether what was chosen said what it costs. The harness may be another by now than the one whose price was seen.
    fn has_seen(&self, asked: &Asked<'_>) -> bool {
        self.argument.price.is_some() && self.argument.price == consent::price(asked)
    }

    /// What a person should know, and need not answer.
    fn note(&self, notice: Option<&str>) {
        if let Some(notice) = notice {
            let message = json!({"type": 3, "message": unseen::visible(notice)});
            self.commands.shared().notify("window/logMessage", &message);
        }
    }

    /// Whoever cannot be remembered is asked again.
    fn remember(&self, items: &Items, terms: &agreeing::Terms) {
        let noted = Memory::of_this_user().agree(self.root(), items, terms, HowAgreed::Asked, true);
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
        let (project, manifest) = (&self.argument.project, self.argument.project.harness().manifest_path());
        match is_saved(project, &manifest) {
            true => Ok(()),
            // It changed on disk, which nobody here has seen yet.
            false if !project.files().is_open(&manifest) => Err(has_changed("started")),
            false => Err(Failure::user(
                format!("save `{MANIFEST}` first: trust is about the saved file"),
                "nothing was started",
            )),
        }
    }

    /// The texts of open buffers, by path below the root. Tasks are what judges: they are read from the disk, by whoever works on a
    /// run as well.
    fn texts(&self) -> Result<BTreeMap<String, String>, Failure> {
        let harness = self.argument.project.harness();
        let is_task = |file: &FilePath| {
            harness.suite().directory.as_ref().is_some_and(|directory| file.is_below(directory))
        };
        let mut texts = BTreeMap::new();
        for file in harness.named_files().filter(|file| self.argument.project.files().is_open(file)) {
            let Some(document) = harness.document(file) else { continue };
            if !is_task(file) {
                texts.insert(file.as_str().to_owned(), document.source().to_owned());
            } else if !is_saved(&self.argument.project, file) {
                let message = format!("save `{file}` first: tasks are read from the disk");
                return Err(Failure::user(message, "nothing was started"));
            }
        }
        Ok(texts)
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
                if let Some(task) = judges(asking.subject, &tasks) {
                    return Err(Failure::user(
                        format!("`{task}` judges: held-out tasks are measured together"),
                        "evaluate the harness, or name held-in tasks",
                    ));
                }
                let repeats = self.argument.repeats;
                let wanted =
                    plans::Evaluate { tasks, repeats, smoke: is_smoke, ..plans::Evaluate::default() };
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
            Goal::Import => {
                let hint = "run `self-harness import DIR`";
                Err(Failure::user("results of others are imported on the command line", hint))
            }
        }
    }

    fn resume(&self, name: &str, wish: Wish) -> Result<Value, Failure> {
        let root = self.root();
        let (mut store, stored) = showing::run_of(root, Some(name))?;
        let seen = following::look_at(&store, &stored)?;
        starting::may(&store, &stored, &seen, wish)?;
        let prepared = starting::prepare_resume(root, &store, &stored)?;
        let asked = prepared.asked(&store)?;
        let how = match prepared.goes_on() && self.has_seen(&asked) {
            true => HowAgreed::Before,
            false => {
                let text = wording(&asked, prepared.items(), prepared.reasons());
                let buttons = vec![START, CANCEL];
                let question = self.question(&stored.record.verb, prepared.items(), &text, buttons);
                if self.ask(&question) != Some(START.id) {
                    return Ok(not_started());
                }
                HowAgreed::Asked
            }
        };
        if !prepared.goes_on() {
            self.remember(prepared.items(), prepared.terms());
        }
        prepared.agree(&mut store, &stored, seen.run().spent().time, how)?;
        starting::change(&mut store, &stored, &seen, wish)?;
        worker::ensure(root, &store, stored.record.key_variable.as_deref())?;
        Ok(json!({"runId": run_name(stored.number)}))
    }

    fn trust(&self) -> Result<Value, Failure> {
        self.saved()?;
        self.is_as_read()?;
        let machine = Machine::read()?;
        let subject = Subject::read(self.root(), &Guarantees::untried(), &machine);
        let items = subject.execution_items();
        let lines: Vec<String> = consent::items(&items).into_iter().map(|line| line.text).collect();
        let text = format!("Trust what decides what is executed here?\n{}", lines.join("\n"));
        let question = self.question("trust", &items, &text, vec![TRUST, CANCEL]);
        if self.ask(&question) != Some(TRUST.id) {
            return Ok(json!({"asked": true, "text": "nothing was trusted"}));
        }
        self.is_as_shown("trusted")?;
        Memory::of_this_user().trust(self.root(), &items).map_err(|error| {
            Failure::host(
                format!("trust is not remembered: {error}"),
                "see whether the state directory is yours",
            )
        })?;
        Ok(json!({"text": "trusted"}))
    }

    /// Whether the manifest is the one that the editor has read to the person, where it says which one that was.
    fn is_as_read(&self) -> Result<(), Failure> {
        let Some(read) = &self.argument.manifest else { return Ok(()) };
        let now = Digest::of(&std::fs::read(self.root().join(MANIFEST)).unwrap_or_default());
        if now.to_string() == read.to_ascii_lowercase() { Ok(()) } else { Err(has_changed("trusted")) }
    }

    /// Whether the manifest on disk is still the one that the question was about.
    fn is_as_shown(&self, done: &str) -> Result<(), Failure> {
        let manifest = self.argument.project.harness().manifest_path();
        if is_saved(&self.argument.project, &manifest) { Ok(()) } else { Err(has_changed(done)) }
    }
}

/// What somebody said.
enum Answer {
    /// Nothing: it was agreed to before, and this time by its price.
    Before,
    Start,
    Smoke,
    No,
}

/// What is read to somebody: everything, if they have to agree to something new; else what it runs, costs and takes.
fn wording(asked: &Asked<'_>, items: &Items, reasons: &[Reason]) -> String {
    if !reasons.is_empty() {
        return consent::text(asked, items, reasons);
    }
    let mut text = format!("{}\n", consent::title(asked));
    for Line { what, text: line } in consent::lines(asked) {
        if ["Runs", "Costs", "Takes"].contains(&what) {
            text.push_str(&format!("{what:<10} {line}\n"));
        }
    }
    text
}

/// The run that is open and does the same: who starts it twice follows the first.
fn same(store: &Store, record: &RunRecord) -> Result<Option<StoredRun>, Failure> {
    if store.is_foreign() {
        return Ok(None);
    }
    let what = |run: &RunRecord| {
        let RunRecord { verb, harness, contract, slots, rules, candidates, .. } = run.clone();
        (verb, harness, contract, slots, rules, candidates)
    };
    let wanted = what(record);
    let open = store.open_runs().map_err(|error| error.to_failure())?;
    Ok(open.into_iter().find(|run| run.state != RunState::Paused && what(&run.record) == wanted))
}

fn has_changed(done: &str) -> Failure {
    let message = format!("`{MANIFEST}` has changed since you looked at it");
    Failure::user(message, format!("look at it again; nothing was {done}"))
}

/// Whether the text of a file is the one on disk.
fn is_saved(project: &Project, file: &FilePath) -> bool {
    let Some(document) = project.harness().document(file) else { return true };
    std::fs::read_to_string(project.absolute(file)).is_ok_and(|saved| saved == document.source())
}

/// A task that judges, among those that somebody names: the held-out ones are measured together or not at all, and those that are
/// sealed not here.
fn judges<'s>(subject: &'s Subject, named: &[String]) -> Option<&'s str> {
    let patterns: Vec<TaskPattern> = named.iter().map(|written| TaskPattern::new(written)).collect();
    let of = |split: Split| {
        let tasks = subject.tasks.iter().filter(move |task| task.split == split);
        tasks.partition(|task| patterns.iter().any(|pattern| pattern.matches(&task.id)))
    };
    let (sealed, _): (Vec<_>, Vec<_>) = of(Split::Sealed);
    let (held_out, others): (Vec<_>, Vec<_>) = of(Split::HeldOut);
    let alone = if others.is_empty() { None } else { held_out.first() };
    sealed.first().or(alone).map(|task| task.id.as_str())
}

fn not_started() -> Value {
    json!({"asked": true, "text": "nothing was started"})
}

fn following(open: &StoredRun) -> Value {
    let name = run_name(open.number);
    json!({"runId": name, "text": format!("following {name}, started from {}", open.record.started_by)})
}
