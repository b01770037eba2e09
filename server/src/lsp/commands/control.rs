//! What can be done with a run that is there: cancel it, let it go on, discard it. Whoever works on it obeys within a second.

use std::sync::Arc;

use serde_json::{Value, json};

use super::argument::Argument;
use super::{Commands, starting};
use crate::engine::board::{Board, Status};
use crate::failure::Failure;
use crate::host::following;
use crate::host::starting::{self as starting_of_host, Wish};
use crate::ide::pages::name::root_id;
use crate::lsp::{news, showing};

/// Cancels, resumes, retries or discards a run: the one that is named, else the one that it can only be.
///
/// # Errors
/// A [`Failure`] if there is none of which that can be done.
pub(super) async fn control(
    commands: Commands,
    word: &'static str,
    argument: Argument,
) -> Result<Value, Failure> {
    let board = argument.project.board();
    let run = match (&argument.run, word) {
        (Some(name), _) => board.runs.iter().find(|run| run.name == *name),
        (None, "cancel") => board.active(),
        (None, "retry") => board.runs.iter().find(|run| !run.status.is_active()),
        (None, "resume") => board.runs.iter().find(|run| run.status.may_resume()).or(board.capped()),
        (None, _) => board.runs.iter().find(|run| run.status.may_resume()),
    };
    let name = run
        .map(|run| run.name.clone())
        .or(argument.run.clone())
        .ok_or_else(|| Failure::user(format!("there is no run to {word}"), "the tree lists the runs"))?;
    match word {
        "resume" => return starting::resume(commands, argument, name, Wish::Resume).await,
        "retry" => return starting::resume(commands, argument, name, Wish::Retry).await,
        _ => {}
    }
    let wish = if word == "discard" { Wish::Discard } else { Wish::Cancel };
    let done = tokio::task::spawn_blocking(move || {
        let (mut store, stored) = showing::run_of(argument.project.root(), Some(&name))?;
        let seen = following::look_at(&store, &stored)?;
        starting_of_host::change(&mut store, &stored, &seen, wish)?;
        Ok(json!({"runId": name}))
    });
    let done = done.await.map_err(|_| showing::bug())?;
    commands.look();
    done
}

/// The cancel button of a bar: what it belongs to stops.
pub async fn cancel_progress(commands: Commands, params: Value) {
    let token = params.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some((root, run)) = news::run_of(&token) else { return };
    let snapshot = commands.shared().snapshot();
    let project = snapshot.projects().find(|project| root_id(project.root()) == root).map(Arc::clone);
    let Some(project) = project else { return };
    let argument = json!({"root": project.root().to_string_lossy(), "run": run});
    drop(commands.answer("cancel", Some(argument)).await);
}

/// What a menu offers, the next step first: verb and title.
pub(super) fn choices(board: &Board) -> Vec<(&'static str, &'static str)> {
    let mut choices = Vec::new();
    match board.runs.iter().find(|run| !run.status.is_over()).map(|run| run.status) {
        Some(Status::Paused | Status::Interrupted) => {
            choices.extend([("resume", "Resume"), ("discard", "Discard")]);
        }
        Some(_) => choices.push(("cancel", "Cancel")),
        None if board.capped().is_some() => choices.push(("resume", "Raise and Resume")),
        None => {}
    }
    choices.extend([
        ("evaluate", "Evaluate"),
        ("smoke", "Try 3 Tasks"),
        ("propose", "Propose"),
        ("validate", "Validate Proposals"),
        ("improve", "Improve"),
        ("weaknesses", "Show Weaknesses"),
        ("report", "Show Report"),
        ("lineage", "Show Lineage"),
        ("doctor", "Doctor"),
        ("trust", "Trust…"),
    ]);
    choices
}
