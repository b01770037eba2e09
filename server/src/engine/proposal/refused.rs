//! The static guards by name, and why one of them refuses a proposal (`method` 4.5). Nothing is run for them.

use super::reply::Unusable;

/// A reason has at most so many characters.
const MAX_CHARS: usize = 400;

/// The static guards, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// The reply can be read.
    Reply,
    /// It has the form that was asked for.
    Schema,
    /// It changes declared surfaces alone, each in one place.
    Surface,
    /// It changes something.
    NoOp,
    /// It was not judged before.
    Duplicate,
    /// It is small, and removes no line that protects what works.
    Caps,
    /// It keeps all placeholders, and templates compile.
    Placeholder,
    /// The harness has no new error.
    Parse,
    /// Nothing beside the surfaces changes.
    Outside,
    /// No trial may use more.
    BudgetKnob,
    /// It says nothing that only a few tasks say.
    Leak,
}

impl Guard {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Reply,
        Self::Schema,
        Self::Surface,
        Self::NoOp,
        Self::Duplicate,
        Self::Caps,
        Self::Placeholder,
        Self::Parse,
        Self::Outside,
        Self::BudgetKnob,
        Self::Leak,
    ];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Schema => "schema",
            Self::Surface => "surface",
            Self::NoOp => "no-op",
            Self::Duplicate => "duplicate",
            Self::Caps => "caps",
            Self::Placeholder => "placeholder",
            Self::Parse => "parse",
            Self::Outside => "outside",
            Self::BudgetKnob => "budget-knob",
            Self::Leak => "leak",
        }
    }

    /// The guard that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guard| guard.word() == word)
    }
}

/// A proposal that is refused before anything is run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("static({}): {why}", guard.word())]
pub struct Refused {
    /// The guard that refuses it.
    pub guard: Guard,
    /// Why, in words.
    pub why: String,
}

impl Refused {
    /// A refusal. The reason may repeat what a model wrote: it is one line of bounded length.
    pub(super) fn new(guard: Guard, why: impl AsRef<str>) -> Self {
        let line = why.as_ref().chars().map(|each| if each.is_control() { ' ' } else { each });
        Self { guard, why: line.take(MAX_CHARS).collect() }
    }
}

impl From<&Unusable> for Refused {
    fn from(unusable: &Unusable) -> Self {
        let guard = Guard::named(unusable.guard()).unwrap_or(Guard::Reply);
        Self::new(guard, unusable.to_string())
    }
}
