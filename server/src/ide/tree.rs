//! The tree of a harness: its runs, weaknesses, proposals and lineage (`editor` 4.3). Each item has an id that stays the same from
//! revision to revision, and words without a picture. Of held-out tasks there are totals.

mod weaknesses;
mod proposals;
mod runs;

use harness_schema::path::FilePath;
use harness_schema::text::Span;

use super::pages::name::Name;
use super::pages::{HIDDEN, is_hidden};
use super::{accepted, standing};
use crate::workspace::Project;

/// An item of the tree. Its texts are plain: none of them is to be read as Markdown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Its name in the tree; the same in every revision.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its text, in one line.
    pub text: String,
    /// More, in one line.
    pub detail: String,
    /// More, in several lines; may be empty.
    pub tooltip: String,
    /// Its state in a word: of a run that of [`Status`](crate::engine::board::Status), of a proposal `waiting`, `accepted`,
    /// `rejected`, `held`, `undecided`, `open` or `dismissed`, of a weakness `open`, `blocked` or `old`, of a step that of
    /// [`Stand`](accepted::Stand).
    pub state: &'static str,
    /// Where it stands in the text of today.
    pub location: Option<(FilePath, Span)>,
    /// What there is to read about it.
    pub page: Option<Name>,
    /// What can be done with it, by the words of `editor` 4.1: `resume`.
    pub actions: Vec<&'static str>,
    /// Whether there are items in it.
    pub has_children: bool,
}

/// What an item is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One of the roots.
    #[default]
    Group,
    /// A run.
    Run,
    /// A weakness.
    Weakness,
    /// A place of a weakness.
    Place,
    /// A proposal.
    Proposal,
    /// A step of the lineage.
    Step,
}

impl Kind {
    /// The word for clients.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Run => "run",
            Self::Weakness => "weakness",
            Self::Place => "place",
            Self::Proposal => "proposal",
            Self::Step => "step",
        }
    }
}

/// The items in an item; `None` for the roots. There are none in what is not there any more.
#[must_use]
pub fn items(project: &Project, parent: Option<&str>) -> Vec<Item> {
    match parent {
        Some(_) if !standing::shows(project.board()) => Vec::new(),
        None if is_hidden(project) => hidden(),
        None => vec![
            runs::root(project),
            weaknesses::root(project),
            proposals::root(project),
            proposals::lineage_root(project),
        ],
        Some(runs::ROOT) => runs::items(project),
        Some(weaknesses::ROOT) => weaknesses::items(project),
        Some(proposals::ROOT) => proposals::items(project),
        Some(proposals::LINEAGE) => proposals::steps(project),
        Some(id) => match id.strip_prefix(weaknesses::OF) {
            Some(cluster) => weaknesses::places(project, cluster),
            None => Vec::new(),
        },
    }
}

/// The roots, without anything that a store says which is not shown.
fn hidden() -> Vec<Item> {
    let roots = [
        (runs::ROOT, "Runs"),
        (weaknesses::ROOT, "Weaknesses"),
        (proposals::ROOT, "Proposals"),
        (proposals::LINEAGE, "Lineage"),
    ];
    let root = |(id, text): (&str, &str)| Item {
        id: id.into(),
        text: text.into(),
        detail: HIDDEN.into(),
        ..Item::default()
    };
    roots.map(root).into()
}

/// The number on the tree: accepted proposals that wait to be applied, each counted once.
#[must_use]
pub fn badge(project: &Project) -> usize {
    proposals::waiting(&accepted::all(project)).len()
}

#[cfg(test)]
mod tests;
