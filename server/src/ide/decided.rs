//! Decisions in words (`editor` 3.4), and which tasks may be named.

use harness_schema::manifest::Gate;
use harness_schema::split::Split;

use crate::engine::board::{Board, Proposal};
use crate::engine::cycle::{Decision, Hold};
use crate::engine::report::text::short;
use crate::engine::report::{self, words};
use crate::workspace::Project;

/// Titles of what a model wrote are at most so long.
const TITLE: usize = 120;

/// `P7 accepted (certified gate): held-in 15.5→18/24 ×4 (+3 −0) · held-out 7→8/12 ×4 (+1 −0) · look 9 · strong`.
#[must_use]
pub fn decision(board: &Board, proposal: &Proposal) -> String {
    format!("P{} {}", proposal.number, said(board, proposal))
}

/// The same without the proposal's name.
#[must_use]
pub fn said(board: &Board, proposal: &Proposal) -> String {
    let Some(decision) = proposal.decision else {
        return String::from(match is_open(board, proposal) {
            true => "has no decision yet: its scores are shown when the run is over",
            false => "has no decision yet",
        });
    };
    let mut why: Vec<String> = Vec::new();
    why.extend(proposal.gate.map(|gate| format!("{} gate", gate_word(gate))));
    why.extend(Some(decision.why().to_owned()).filter(|why| !why.is_empty()));
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    format!("{}{why}: {}", decision.word(), outcome(board, proposal, decision))
}

/// What a decision rests on.
fn outcome(board: &Board, proposal: &Proposal, decision: Decision) -> String {
    // The words are those of reports.
    let told = report::Proposal {
        number: proposal.number,
        told: None,
        decision: Some(decision),
        measured: proposal.measured.clone(),
        is_hidden: is_open(board, proposal),
        with: proposal.with.clone(),
        look: proposal.look,
    };
    let words = words::outcome(&told);
    let needed = proposal.measured.as_ref().and_then(|measured| {
        let needed = measured.comparison.as_ref()?.repeats_needed(measured.repeats)?;
        (decision == Decision::Held(Hold::SmallEffect)).then_some(needed)
    });
    match needed {
        Some(needed) => format!("{words}; about {needed} repeats would tell"),
        None => words,
    }
}

/// Whether the run that decides about a proposal is not over.
fn is_open(board: &Board, proposal: &Proposal) -> bool {
    board.runs.iter().any(|run| run.name == proposal.run && !run.status.is_over())
}

/// The name of a gate.
#[must_use]
pub fn gate_word(gate: Gate) -> &'static str {
    match gate {
        Gate::Certified => "certified",
        Gate::Exact => "exact",
        Gate::Paper => "paper",
    }
}

/// What a proposal does, in a line; `P7` if it does not say so.
#[must_use]
pub fn title(proposal: &Proposal) -> String {
    let title = short(&proposal.summary, TITLE);
    if title.is_empty() { format!("P{}", proposal.number) } else { format!("P{}: {title}", proposal.number) }
}

/// Who made a proposal: `the model`, `you`, `the operator add-rule`.
#[must_use]
pub fn author(proposal: &Proposal) -> String {
    match proposal.author.as_str() {
        "you" => String::from("you"),
        "" | "model" => String::from("the model"),
        operator => format!("the operator {operator}"),
    }
}

/// Whether a task judges, as the project is now: such a task is counted, and never named.
#[must_use]
pub fn judges(project: &Project, task: &str) -> bool {
    let split = project.harness().suite().task(task).and_then(|task| task.split);
    matches!(split, Some(Split::HeldOut | Split::Sealed))
}

/// Tasks by name, and how many more there are that judge.
#[must_use]
pub fn tasks<'a>(project: &Project, tasks: &'a [String]) -> (Vec<&'a str>, usize) {
    let named: Vec<&str> = tasks.iter().map(String::as_str).filter(|task| !judges(project, task)).collect();
    let others = tasks.len() - named.len();
    (named, others)
}

#[cfg(test)]
mod tests;
