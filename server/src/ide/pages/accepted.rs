//! What became of what was accepted: whether it is in the harness as it is now, or waits to be applied. It is recognised by digest,
//! so undo, redo and a checkout need no bookkeeping.

use std::collections::BTreeSet;

use crate::engine::board::{Accepted, Board, StoreState, Trust};
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
    /// Somebody dismissed it.
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

/// Each thing that was accepted with where it stands, the newest first.
#[must_use]
pub fn all(project: &Project) -> Vec<(&Accepted, Stand)> {
    let board = project.board();
    let now = project.identity().to_string();
    let taken = taken(board, &now);
    board.accepted.iter().map(|unit| (unit, stand(board, unit, &now, &taken))).collect()
}

fn stand(board: &Board, unit: &Accepted, now: &str, taken: &BTreeSet<&str>) -> Stand {
    let is_dismissed =
        |number: &u32| board.proposals.get(number).is_some_and(|proposal| proposal.is_dismissed);
    match () {
        () if unit.result == now => Stand::Now,
        () if taken.contains(unit.result.as_str()) => Stand::Within,
        () if !unit.proposals.is_empty() && unit.proposals.iter().all(is_dismissed) => Stand::Dismissed,
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

/// Where what was accepted with a proposal stands; the newest of [all](all).
#[must_use]
pub fn of(all: &[(&Accepted, Stand)], proposal: u32) -> Option<Stand> {
    all.iter().find(|(unit, _)| unit.proposals.contains(&proposal)).map(|(_, stand)| *stand)
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
