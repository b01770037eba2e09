//! The commands of lenses, hints, actions and palettes (`editor` 4.1). A command answers at once and never waits for a run: with the
//! run that it started, with the fact that somebody is asked first, with a text, or with why it failed.

mod argument;
mod starting;
mod control;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, Result};

use self::argument::Argument;
pub use self::argument::project;
pub use self::control::cancel_progress;
use super::asking::{self, Button, Question};
use super::boards::Boards;
use super::handlers::edits;
use super::shared::Shared;
use super::{showing, to_proto};
use crate::engine::cycle::Goal;
use crate::failure::Failure;
use crate::host::store::{IMPORTED, Store};
use crate::ide::command::{PREFIX, WORDS};
use crate::ide::pages::name::Name;
use crate::ide::standing;
use crate::workspace::{Project, Snapshot};
use harness_schema::harness::MANIFEST;
use harness_schema::path::FilePath;

/// A command that has not come to its end by then answers that somebody is asked: it goes on.
const ANSWER: Duration = Duration::from_millis(150);

/// What the handlers of commands share.
#[derive(Clone, Debug)]
pub struct Commands {
    shared: Arc<Shared>,
    boards: Arc<Boards>,
}

impl Commands {
    /// Commands of a server.
    #[must_use]
    pub fn new(shared: &Arc<Shared>, boards: &Arc<Boards>) -> Self {
        Self { shared: Arc::clone(shared), boards: Arc::clone(boards) }
    }

    /// What they act on.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A store was written to.
    pub fn look(&self) {
        self.boards.look();
    }

    /// The workspace, with what is stored of its projects.
    pub async fn settled(&self) -> Snapshot {
        self.shared.settled_with_boards(|| self.look()).await
    }

    /// Answers a command.
    ///
    /// # Errors
    /// Of the protocol, if it is none of ours.
    pub async fn execute(&self, params: lsp::ExecuteCommandParams) -> Result<Option<Value>> {
        let word = params
            .command
            .strip_prefix(PREFIX)
            .and_then(|word| WORDS.into_iter().find(|known| *known == word));
        let Some(word) = word else {
            return Err(Error::invalid_params(format!("there is no command `{}`", params.command)));
        };
        let argument = params.arguments.as_deref().and_then(<[Value]>::first).cloned();
        Ok(Some(self.answer(word, argument).await))
    }

    /// The answer to a command; what it says of a failure was told to the user.
    pub async fn answer(&self, word: &'static str, argument: Option<Value>) -> Value {
        tracing::info!(word, "a command");
        let task = tokio::spawn(self.clone().whole(word, argument));
        match tokio::time::timeout(ANSWER, task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => self.failed(&showing::bug()),
            Err(_) => json!({"asked": true}),
        }
    }

    /// The whole of a command. Its type is written out: a menu leads to other commands.
    fn whole(
        self,
        word: &'static str,
        argument: Option<Value>,
    ) -> Pin<Box<dyn Future<Output = Value> + Send>> {
        Box::pin(async move {
            let answer = self.perform(word, argument.as_ref()).await;
            answer.unwrap_or_else(|failure| self.failed(&failure))
        })
    }

    /// Tells the user why what they asked for was not done.
    fn failed(&self, failure: &Failure) -> Value {
        tracing::warn!("a command failed: {}", failure.message);
        let text = standing::shown(&failure.message);
        let text = if failure.hint.is_empty() { text } else { format!("{text}\n{}", failure.hint) };
        self.shared.notify("window/showMessage", &json!({"type": 1, "message": text}));
        json!({"failure": {"message": failure.message, "hint": failure.hint}})
    }

    async fn perform(
        &self,
        word: &'static str,
        argument: Option<&Value>,
    ) -> std::result::Result<Value, Failure> {
        // Whoever is quicker than the disk means the project that is being read.
        drop(self.settled().await);
        // It is asked for by whoever writes a status line, and there may be no project.
        if word == "status" && argument.is_none_or(|argument| argument.get("root").is_none()) {
            let status = standing::status(self.shared.snapshot().projects());
            return Ok(json!({"text": status.text}));
        }
        let argument = Argument::read(&self.shared, argument)?;
        let project = Arc::clone(&argument.project);
        let goal = match word {
            "evaluate" | "evaluateTask" | "smoke" => Some(Goal::Evaluate),
            "propose" => Some(Goal::Propose),
            "validate" => Some(Goal::Validate),
            "improve" => Some(Goal::Improve),
            _ => None,
        };
        if let Some(goal) = goal {
            return starting::start(self.clone(), goal, argument, word == "smoke").await;
        }
        let first = argument.proposals.first().copied();
        let needs = |what: &str| {
            Failure::user(format!("`{word}` needs {what}"), "choose it in the tree or at its line")
        };
        let page = match word {
            "cancel" | "resume" | "retry" | "discard" => {
                return control::control(self.clone(), word, argument).await;
            }
            "dismiss" | "restore" => return self.dismiss(&argument, word == "dismiss").await,
            "apply" => return self.apply(&argument).await,
            "trust" => return starting::trust(self.clone(), argument).await,
            "status" => return Ok(json!({"text": standing::status([&project]).text})),
            "menu" => return Ok(self.menu(&project)),
            // Our clients compare side by side; its page shows the same as a difference.
            "preview" => Name::Proposal(first.ok_or_else(|| needs("a proposal"))?),
            "weaknesses" | "mine" => match argument.clusters.first() {
                Some(cluster) => Name::Weakness(cluster.clone()),
                None => {
                    let mined = project.board().mined.clone().unwrap_or_default();
                    let first = mined.weaknesses.first().map(|weakness| weakness.name.clone());
                    Name::Weakness(first.ok_or_else(|| {
                        Failure::user(
                            "no weakness is known",
                            "evaluate the harness first; a run that fails nothing has none",
                        )
                    })?)
                }
            },
            "trace" => {
                let task = argument.tasks.first().cloned().ok_or_else(|| needs("a task"))?;
                let run = argument.run.clone().or_else(|| Some(project.board().mined.as_ref()?.run.clone()));
                Name::Trace { run: run.unwrap_or_default(), task, repeat: argument.repeat, page: 1 }
            }
            "report" => {
                match (first, &argument.run) {
                    (Some(proposal), None) => Name::Proposal(proposal),
                    (_, Some(run)) => Name::Report(run.clone()),
                    (None, None) => {
                        let newest = project.board().runs.first().map(|run| run.name.clone());
                        Name::Report(newest.ok_or_else(|| {
                            Failure::user("nothing was run yet", "start a run with `Evaluate`")
                        })?)
                    }
                }
            }
            "lineage" => Name::Lineage,
            "rendered" => {
                let file = argument.file.as_deref().and_then(|file| FilePath::parse(file).ok());
                Name::Rendered(file.ok_or_else(|| needs("a file of the harness"))?)
            }
            "rule" => Name::Rule(argument.rule.clone().ok_or_else(|| needs("a rule"))?),
            "doctor" => {
                let found =
                    tokio::task::spawn_blocking(showing::doctor).await.map_err(|_| showing::bug())??;
                self.shared.set_doctor(found);
                Name::Doctor
            }
            other => return Err(elsewhere(other)),
        };
        showing::show(&self.shared, project, page).await
    }

    async fn dismiss(&self, argument: &Argument, is_dismissed: bool) -> std::result::Result<Value, Failure> {
        let (project, proposals) = (Arc::clone(&argument.project), argument.proposals.clone());
        let work = move || {
            let failed = |error: crate::host::store::StoreError| error.to_failure();
            let mut store = Store::open_existing(project.root())
                .map_err(failed)?
                .ok_or_else(|| Failure::user("there is no proposal", "make some with `Propose`"))?;
            if store.is_foreign() {
                let message = format!("the store is {IMPORTED}, so nothing in it is changed");
                return Err(Failure::user(message, "start a run of your own"));
            }
            for number in proposals {
                let is_there = match is_dismissed {
                    true => store.dismiss(number, project.board().support(number)),
                    false => store.restore(number),
                };
                if !is_there.map_err(failed)? {
                    return Err(Failure::user(
                        format!("there is no P{number}"),
                        "the tree lists what there is",
                    ));
                }
            }
            Ok(json!({}))
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| showing::bug())?;
        self.look();
        done
    }

    /// Applies what was validated, because the user asked for it: the only edit that this server sends unasked.
    async fn apply(&self, argument: &Argument) -> std::result::Result<Value, Failure> {
        let (snapshot, project) = (self.shared.snapshot(), &argument.project);
        let refused = |why: String| {
            Failure::user(format!("nothing was applied: {why}"), "`Preview` shows what it would change")
        };
        let session = self.shared.session();
        let edit = edits::applied(&snapshot, project, &argument.proposals, session).map_err(refused)?;
        let mut edit = to_proto::typed::<lsp::WorkspaceEdit>(edit).map_err(|_| showing::bug())?;
        to_proto::annotate(&mut edit);
        match self.shared.client.apply_edit(edit).await {
            Ok(answer) if answer.applied => Ok(json!({})),
            Ok(answer) => {
                Err(refused(answer.failure_reason.unwrap_or_else(|| String::from("the editor refused it"))))
            }
            Err(error) => Err(refused(error.message.into_owned())),
        }
    }

    /// All that can be done now, as a question, for clients without a menu of ours.
    fn menu(&self, project: &Arc<Project>) -> Value {
        let root = to_proto::uri(project.root());
        let question = Question {
            root: root.clone(),
            verb: String::from("menu"),
            digest: String::new(),
            title: standing::status([project]).text,
            lines: Vec::new(),
            buttons: control::choices(project.board())
                .into_iter()
                .map(|(id, title)| Button { id, title })
                .collect(),
        };
        let this = self.clone();
        tokio::spawn(async move {
            if let Some(word) = asking::message(&this.shared, &question).await {
                this.whole(word, Some(json!({"root": root}))).await;
            }
        });
        json!({"asked": true})
    }
}

/// Where something is done that this server does not do.
fn elsewhere(word: &str) -> Failure {
    let terminal = format!("run `self-harness {word}` in a terminal, in the project's directory");
    let (what, hint) = match word {
        "key" => (
            "keys are no part of a project, and the server asks for none",
            String::from(
                "set the variable that `model.api_key_env` names before the editor starts, or name a command in your `config.toml`",
            ),
        ),
        "budget" => (
            "limits stand where they hold",
            format!(
                "`[budget]` in `{MANIFEST}`, `max_cost_usd` in your `config.toml`, or `--max-cost-usd` for one run"
            ),
        ),
        "fixAll" => (
            "fixes are edits of your editor",
            String::from(
                "choose `source.fixAll.selfHarness` among the actions of a file, or run `self-harness check --fix`",
            ),
        ),
        "import" => (
            "results of other programs are imported on the command line",
            String::from("run `self-harness import DIR` in a terminal, in the project's directory"),
        ),
        "seal" => ("sealed tasks are read on the command line, once", terminal),
        _ => ("this is done on the command line", terminal),
    };
    Failure::user(what, hint)
}
