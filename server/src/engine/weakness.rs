//! A cluster of failures, the lines of the harness that it is about, and whether an edit could help (`method` 3.8).

use harness_schema::path::FilePath;
use harness_schema::surface::Role;
use harness_schema::text::Span;

use super::cluster::Cluster;

/// How a line of a surface and a mechanism belong together; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// A limit that can be turned.
    Knob,
    /// Two lines demand opposite things.
    Conflicting,
    /// A line asks for what goes wrong.
    Triggering,
    /// A line forbids what happens, and it happens.
    Violated,
    /// No line says anything about it.
    Absent,
}

impl Relation {
    /// All of them, in order.
    pub const ALL: [Self; 5] =
        [Self::Knob, Self::Conflicting, Self::Triggering, Self::Violated, Self::Absent];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Knob => "knob",
            Self::Conflicting => "conflicting",
            Self::Triggering => "triggering",
            Self::Violated => "violated",
            Self::Absent => "absent",
        }
    }

    /// The relation that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.word() == word)
    }
}

/// Where a weakness belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// The surface's id.
    pub surface: String,
    /// What kind of surface it is.
    pub role: Role,
    /// The file.
    pub file: FilePath,
    /// The line, in bytes of the file; empty where something is missing.
    pub span: Span,
    /// The text of that line; empty where something is missing.
    pub line: String,
    /// How they belong together.
    pub relation: Relation,
    /// How well the line fits; 0 where something is missing.
    pub value: f64,
}

/// Whether an edit could help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actionable {
    /// It could.
    Yes,
    /// Fewer than two tasks support it.
    LowSupport,
    /// The harness has no surface of any kind that it points at.
    NoSurface,
    /// Its tasks prove nothing.
    SuspectTask,
}

impl Actionable {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::LowSupport => "low-support",
            Self::NoSurface => "no-surface",
            Self::SuspectTask => "suspect-task",
        }
    }
}

/// A cluster of failures with its place in the harness.
#[derive(Clone, Debug, PartialEq)]
pub struct Weakness {
    /// The failures.
    pub cluster: Cluster,
    /// Where it belongs: one place for each kind of surface that the mechanism points at and the harness has, the first first.
    pub locations: Vec<Location>,
    /// Whether an edit could help.
    pub actionable: Actionable,
}

/// Something that works and has to go on working: a detector that finds nothing in any repeat of the tasks that pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// The detector's name.
    pub mechanism: &'static str,
    /// The line of the harness that demands it, if one does.
    pub line: Option<Location>,
}
