//! What became of what was accepted: whether it is in the harness as it is now, or waits to be applied. It is recognised by digest
//! and by text, so undo, redo and a checkout need no bookkeeping. Problems, lenses, pages and tree all ask here.

use std::collections::BTreeSet;

use super::{applying, standing};
use crate::engine::board::{Accepted, Board, Proposal, StoreState, Trust};
use crate::engine::report::words;
use crate::workspace::Project;

/// Where something stands that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stand {
    /// The harness is what it makes.
    Now,
    /// The harness was made of it.
    Within,
    /// It could be applied.
    Waits,
    /// It could be applied again: a run began with what it makes, and the harness is again what it was made for.
    Reverted,
    /// It is for another harness, and something newer was measured.
    Past,
    /// Somebody dismissed it, or one of its proposals: it is applied as a whole or not at all.
    Dismissed,
}

impl Stand {
    /// In a word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Within => "within",
            Self::Waits => "waiting",
            Self::Reverted => "reverted",
            Self::Past => "past",
            Self::Dismissed => "dismissed",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Now => "the harness is this now",
            Self::Within => "the harness was made of it",
            Self::Waits => "waits to be applied",
            Self::Reverted => "reverted",
            Self::Past => "for another harness than this",
            Self::Dismissed => "dismissed",
        }
    }

    /// Whether it is a part of the harness now.
    #[must_use]
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Now | Self::Within)
    }

    /// Whether somebody could apply it.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Waits | Self::Reverted)
    }
}

/// Each thing that was accepted with where it stands, the newest first; none of a store that is not shown.
#[must_use]
pub fn all(project: &Project) -> Vec<(&Accepted, Stand)> {
    let board = project.board();
    if board.accepted.is_empty() || !standing::shows(board) {
        return Vec::new();
    }
    let now = project.identity().to_string();
    let taken = taken(board, &now);
    board.accepted.iter().map(|unit| (unit, stand(project, unit, &now, &taken))).collect()
}

fn stand(project: &Project, unit: &Accepted, now: &str, taken: &BTreeSet<&str>) -> Stand {
    let board = project.board();
    let is_dismissed =
        |number: &u32| board.proposals.get(number).is_some_and(|proposal| proposal.is_dismissed);
    match () {
        () if unit.result == now => Stand::Now,
        () if taken.contains(unit.result.as_str()) => Stand::Within,
        // With other edits around it no digest knows it.
        () if unit.harness != now && applying::is_in(project, &unit.base, &unit.files) => Stand::Within,
        () if unit.proposals.iter().any(is_dismissed) => Stand::Dismissed,
        () if unit.harness == now => {
            let was_used = board.runs.iter().any(|run| run.harness == unit.result);
            if was_used { Stand::Reverted } else { Stand::Waits }
        }
        () if is_newest(board, unit) => Stand::Waits,
        () => Stand::Past,
    }
}

/// The harnesses that the harness now was made of by what was accepted.
fn taken<'a>(board: &'a Board, now: &str) -> BTreeSet<&'a str> {
    let mut taken = BTreeSet::new();
    let mut at = now;
    // No harness is its own ancestor, but a store may say so.
    while let Some(unit) = board.accepted.iter().find(|unit| unit.result == at) {
        if !taken.insert(unit.harness.as_str()) {
            break;
        }
        at = &unit.harness;
    }
    taken
}

/// What was accepted with a proposal, and where it stands; the newest of [all].
#[must_use]
pub fn of<'a>(all: &[(&'a Accepted, Stand)], proposal: u32) -> Option<(&'a Accepted, Stand)> {
    all.iter().find(|(unit, _)| unit.proposals.contains(&proposal)).copied()
}

/// What was accepted and could be applied, the newest first.
#[must_use]
pub fn waiting(project: &Project) -> Vec<&Accepted> {
    let waiting = all(project).into_iter().filter(|(_, stand)| stand.is_waiting());
    waiting.map(|(unit, _)| unit).collect()
}

/// What was accepted with exactly these proposals; else the newest that holds all of them, since the parts of what was validated as
/// a whole were not validated.
#[must_use]
pub fn find<'a>(board: &'a Board, proposals: &[u32]) -> Option<&'a Accepted> {
    let is_same = |unit: &&Accepted| unit.proposals == proposals;
    let holds = |unit: &&Accepted| {
        !proposals.is_empty() && proposals.iter().all(|number| unit.proposals.contains(number))
    };
    board.accepted.iter().find(is_same).or_else(|| board.accepted.iter().find(holds))
}

/// Whether trials may decide about a proposal: only against the harness that it was made for.
#[must_use]
pub fn may_validate(project: &Project, proposal: &Proposal) -> bool {
    proposal.harness == project.identity().to_string()
}

/// Whether nothing was measured after it.
fn is_newest(board: &Board, unit: &Accepted) -> bool {
    board.measured.iter().all(|scored| number(&scored.run) <= number(&unit.run))
}

/// The number of a run by its name: `r-0142` is 142.
fn number(run: &str) -> u64 {
    run.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// Whether anything that waits may be applied: by a project that is trusted as it is, with a store that this machine wrote.
#[must_use]
pub fn may_apply(board: &Board) -> bool {
    board.trust == Trust::Trusted && board.store == StoreState::Own
}

/// The proposals of something that was accepted: `P1 + P4`.
#[must_use]
pub fn name(unit: &Accepted) -> String {
    if unit.proposals.is_empty() { String::from("an edit by hand") } else { words::names(&unit.proposals) }
}

#[cfg(test)]
mod tests;
