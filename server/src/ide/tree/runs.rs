//! The runs, the newest first: where each stands in a sentence, and what goes on with it.

use super::{Item, Kind};
use crate::engine::board::{Board, RunLine, Status, StoreState};
use crate::engine::report::text::line;
use crate::engine::report::words::{day, id, plural};
use crate::ide::decided::gate_word;
use crate::ide::pages::name::Name;
use crate::workspace::Project;

/// The id of the root.
pub(super) const ROOT: &str = "runs";

pub(super) fn root(project: &Project) -> Item {
    let board = project.board();
    // Without a store nothing can be started either.
    let is_readable = !matches!(board.store, StoreState::Unreadable(_));
    Item {
        id: ROOT.into(),
        text: "Runs".into(),
        detail: detail(board),
        tooltip: match board.store {
            StoreState::Imported => "what was measured comes from elsewhere".into(),
            _ => String::new(),
        },
        actions: if is_readable { vec!["evaluate", "improve"] } else { Vec::new() },
        has_children: !board.runs.is_empty(),
        ..Item::default()
    }
}

fn detail(board: &Board) -> String {
    if let StoreState::Unreadable(why) = &board.store {
        return line(&format!("cannot read state.db: {why}, checks work"));
    }
    match (board.active(), board.resumable(), board.runs.len() as u64) {
        (Some(run), ..) => line(&format!("{}: {}", run.name, told(run))),
        (None, Some(run), _) => line(&format!("{} {}", run.name, run.status.word())),
        (None, None, 0) => "nothing was run yet".into(),
        (None, None, runs) => plural(runs, "run", "runs"),
    }
}

/// Where a run stands: its progress while it goes on, then its sentence.
fn told(run: &RunLine) -> &str {
    if run.line.is_empty() { &run.sentence } else { &run.line }
}

pub(super) fn items(project: &Project) -> Vec<Item> {
    project.board().runs.iter().map(item).collect()
}

fn item(run: &RunLine) -> Item {
    let actions = match run.status {
        status if status.may_resume() => vec!["resume", "discard"],
        status if status.is_active() => vec!["cancel"],
        // What was measured is kept, and the rest can be.
        _ if run.is_capped => vec!["resume", "report"],
        Status::Cancelled if run.progress.done < run.progress.total => vec!["resume", "report"],
        _ => vec!["report"],
    };
    let mut facts = vec![line(&run.sentence)];
    facts.extend(Some(line(&run.cause)).filter(|cause| !cause.is_empty()));
    let gate = run.gate.map(|gate| format!(" · {} gate", gate_word(gate))).unwrap_or_default();
    facts.push(format!("{} · {}{gate}", day(run.created_ms), id("h-", &run.harness)));
    facts.push(line(&format!("started by {}", run.started_by)));
    facts.retain(|fact| !fact.is_empty());
    // What waits says first that it waits.
    let detail = match run.status.may_resume() && !told(run).contains(run.status.word()) {
        true => format!("{}: {}", run.status.word(), told(run)),
        false => told(run).to_owned(),
    };
    Item {
        id: format!("run/{}", run.name),
        kind: Kind::Run,
        text: format!("{} {}", run.name, run.goal.word()),
        detail: line(&detail),
        tooltip: facts.join("\n"),
        state: run.status.word(),
        page: Some(Name::Report(run.name.clone())),
        actions,
        ..Item::default()
    }
}
