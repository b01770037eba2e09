//! Slots: what each of the 2K requests for a proposal is asked for (`method` 4.2). Proposals differ because they are asked for
//! different things, not because a model is told to be different.

use std::collections::BTreeSet;

use harness_schema::detector::{Detector, On};
use harness_schema::harness::Harness;
use harness_schema::surface::Role;

use super::place::{self, NEW_RULE, NEW_STATE};
use crate::engine::weakness::{Actionable, Relation, Weakness};

/// At most so many clusters get slots.
const MAX_CLUSTERS: usize = 4;
/// The sampling temperatures, in turn.
const TEMPERATURES: [f64; 4] = [0.2, 0.6, 0.8, 1.0];

/// What an edit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EditKind {
    /// Adds a sentence to a text.
    AddRule,
    /// Adds a runtime rule.
    AddTrigger,
    /// Says more of a tool, or asks more of its calls.
    TightenTool,
    /// Turns a limit.
    ChangeLimit,
    /// Says a line in other words.
    Rewrite,
    /// Drops a line.
    Remove,
    /// Makes one line of two.
    Merge,
    /// Adds a state before the end.
    AddState,
}

impl EditKind {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::AddRule,
        Self::AddTrigger,
        Self::TightenTool,
        Self::ChangeLimit,
        Self::Rewrite,
        Self::Remove,
        Self::Merge,
        Self::AddState,
    ];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AddRule => "add-rule",
            Self::AddTrigger => "add-trigger",
            Self::TightenTool => "tighten-tool",
            Self::ChangeLimit => "change-limit",
            Self::Rewrite => "rewrite",
            Self::Remove => "remove",
            Self::Merge => "merge",
            Self::AddState => "add-state",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What one request for a proposal is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its number, from 1.
    pub number: u32,
    /// The cluster of failures.
    pub cluster: String,
    /// The surface that should change.
    pub surface: String,
    /// What kind of surface that is.
    pub role: Role,
    /// What the edit should do.
    pub kind: EditKind,
    /// The sampling temperature.
    pub temperature: f64,
}

/// A surface that a weakness points at, with what may be done to it.
struct Aim {
    surface: String,
    role: Role,
    kinds: Vec<EditKind>,
}

/// The 2K slots of a round; none if no weakness is actionable. The same weaknesses always get the same slots. If there are fewer
/// cells of cluster, surface and edit kind than slots, cells come again at other temperatures.
#[must_use]
pub fn assign(weaknesses: &[Weakness], harness: &Harness, k: u32) -> Vec<Slot> {
    let with_aims = weaknesses.iter().filter(|weakness| weakness.actionable == Actionable::Yes);
    let clusters: Vec<(&str, Vec<Aim>)> = with_aims
        .map(|weakness| (weakness.cluster.id.as_str(), aims(weakness, harness)))
        .filter(|(_, aims)| !aims.is_empty())
        .take(MAX_CLUSTERS)
        .collect();
    let mut taken = BTreeSet::new();
    let mut slots = Vec::new();
    let a = clusters.len().max(1);
    for (number, j) in (1..=k.saturating_mul(2)).zip(0_usize..) {
        let Some((cluster, aims)) = clusters.get(j % a) else { break };
        let first = (j / a + j) % aims.len();
        // From the cell that is meant on: first other kinds of edits, then other surfaces.
        let cells = (0..aims.len()).flat_map(|step| {
            let at = (first + step) % aims.len();
            let kinds = aims.get(at).map_or(1, |aim| aim.kinds.len());
            (0..kinds).map(move |turn| (at, (j + j / a + turn) % kinds))
        });
        let cells: Vec<(usize, usize)> = cells.collect();
        let free = cells.iter().find(|(aim, kind)| !taken.contains(&(j % a, *aim, *kind)));
        let Some((aim, kind)) = free.or(cells.first()).copied() else { continue };
        taken.insert((j % a, aim, kind));
        let Some((aim, kind)) = aims.get(aim).and_then(|aim| Some((aim, *aim.kinds.get(kind)?))) else {
            continue;
        };
        slots.push(Slot {
            number,
            cluster: (*cluster).to_owned(),
            // A kind that adds something has its own place.
            surface: match kind {
                EditKind::AddTrigger => NEW_RULE.to_owned(),
                EditKind::AddState => NEW_STATE.to_owned(),
                _ => aim.surface.clone(),
            },
            role: aim.role,
            kind,
            temperature: TEMPERATURES.get(j % TEMPERATURES.len()).copied().unwrap_or_default(),
        });
    }
    slots
}

/// The surfaces of a weakness: those of its locations, and what could be added where the mechanism points at it.
fn aims(weakness: &Weakness, harness: &Harness) -> Vec<Aim> {
    let detector = weakness.cluster.mechanism;
    let can_trigger =
        detector.is_some_and(|detector| detector.on != On::End) && place::is_open(harness, NEW_RULE);
    let can_state = place::is_open(harness, NEW_STATE);
    let mut aims = Vec::new();
    for location in &weakness.locations {
        let is_there = place::find(harness, &location.surface).is_ok();
        let is_new = [NEW_RULE, NEW_STATE].contains(&location.surface.as_str());
        let mut kinds = Vec::new();
        match location.role {
            Role::Rule if can_trigger => kinds.push(EditKind::AddTrigger),
            Role::State if can_state => kinds.push(EditKind::AddState),
            Role::Tool if is_there => kinds.push(EditKind::TightenTool),
            Role::Limit if is_there => kinds.push(EditKind::ChangeLimit),
            Role::Prompt | Role::Task if is_there => kinds.push(EditKind::AddRule),
            _ => {}
        }
        if is_there && !is_new && location.role != Role::Limit {
            kinds.extend(of_text(location.role, location.relation, !location.line.trim().is_empty()));
        }
        if !kinds.is_empty() {
            aims.push(Aim { surface: location.surface.clone(), role: location.role, kinds });
        }
    }
    let points_at = |role| detector.is_some_and(|detector: &Detector| detector.at.contains(&role));
    for (role, id, kind, can) in [
        (Role::Rule, NEW_RULE, EditKind::AddTrigger, can_trigger),
        (Role::State, NEW_STATE, EditKind::AddState, can_state),
    ] {
        if can && points_at(role) && !aims.iter().any(|aim| aim.role == role) {
            aims.push(Aim { surface: id.to_owned(), role, kinds: vec![kind] });
        }
    }
    aims
}

/// What may be done to lines that are there.
fn of_text(role: Role, relation: Relation, has_line: bool) -> Vec<EditKind> {
    match relation {
        _ if !has_line => vec![EditKind::Rewrite],
        Relation::Conflicting if role == Role::Prompt || role == Role::Task => {
            vec![EditKind::Merge, EditKind::Rewrite, EditKind::Remove]
        }
        Relation::Triggering if role == Role::Prompt || role == Role::Task => {
            vec![EditKind::Rewrite, EditKind::Remove]
        }
        _ => vec![EditKind::Rewrite],
    }
}

#[cfg(test)]
mod tests;
