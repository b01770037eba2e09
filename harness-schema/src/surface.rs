//! Surfaces: the declared parts of a harness that an edit may change, their limits, and what can never be one.
//!
//! A surface says where and how much; it never says that a change is good.

mod template;
mod limits;
mod pointer;
mod protection;
mod contents;
mod schema;

use std::sync::Arc;

use ecow::EcoString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::FilePath;
use crate::problem::Location;
use crate::selector::Selector;
use crate::text::Span;

pub use self::contents::{Inside, inside};
pub(crate) use self::limits::fits;
pub use self::limits::{Breach, Choice, Limits, approx_tokens, has_placeholder};
pub use self::pointer::{Astray, MAX_HOPS, follow, pointed_file};
pub use self::protection::{Keep, Reason, grants_rights, protection};
pub use self::schema::loosened;
pub use self::template::{Dialect, compile_error, template_error};

/// A declared part of a harness that an edit may change.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// Its name: `system-rules`, `prompt.system`, `tool.shell.description`; with a glob in `file`: `id@path`.
    pub id: EcoString,
    /// What the proposer is told about it.
    pub description: EcoString,
    /// Whether the user declared it, or the native agent has it by itself.
    pub origin: Origin,
    /// Where the manifest says so.
    pub declaration: Location,
    /// The places that one edit changes, at least one; several make it composite.
    pub parts: Vec<Part>,
    /// What it does in a harness, if that is known.
    pub role: Option<Role>,
    /// What its value must keep to.
    pub limits: Limits,
    /// Whether an imported file stands for the one that only imports it.
    pub follow_imports: bool,
    /// For `["new", glob]`: how many files may be made, and from what.
    pub new_files: Option<NewFiles>,
}

/// Who said that something is a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An entry of `[[surface]]`.
    Declared,
    /// A part of the native agent.
    Native,
}

/// One place of a surface.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The file.
    pub file: FilePath,
    /// The place in it.
    pub selector: Arc<Selector>,
}

/// What a surface does in a harness: the surface kinds of weakness attribution (`kind` of a surface).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Rules of a system prompt.
    Prompt,
    /// The first user message.
    Task,
    /// What a tool says about itself.
    Tool,
    /// A runtime rule.
    Rule,
    /// A limit of the run.
    Limit,
    /// A state of the orchestration.
    State,
}

impl Role {
    /// All roles, in the order of the attribution.
    pub const ALL: [Self; 6] = [Self::Prompt, Self::Task, Self::Tool, Self::Rule, Self::Limit, Self::State];

    /// The word of the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Task => "task",
            Self::Tool => "tool",
            Self::Rule => "rule",
            Self::Limit => "limit",
            Self::State => "state",
        }
    }

    /// The role that a word of the manifest names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What a surface `["new", glob]` may create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFiles {
    /// How many files.
    pub max: usize,
    /// What a new file starts from.
    pub skeleton: String,
}

/// Two places of different surfaces that share a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Index of the place that starts first.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// The bytes that both hold.
    pub shared: Span,
}

/// Which of some places in one file share a byte with one before it, in the order of the text: each with the one that
/// reaches farthest, so that many places on one text are not many times many overlaps. Places of the same surface may not
/// overlap either: one edit would then write the same byte twice.
#[must_use]
pub fn overlaps(places: &[Span]) -> Vec<Overlap> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    let at = |index: usize| places.get(index).copied().unwrap_or_default();
    order.sort_by_key(|index| (at(*index), *index));
    let mut found = Vec::new();
    // The place that reaches furthest, and the one before: whoever overlaps any before overlaps one of these.
    let (mut furthest, mut before): (Option<usize>, Option<usize>) = (None, None);
    for second in order {
        let meets = |first: &usize| at(*first).overlaps(at(second)) || at(*first) == at(second);
        if let Some(first) = furthest.filter(meets).or_else(|| before.filter(meets)) {
            let shared =
                Span { start: at(first).start.max(at(second).start), end: at(first).end.min(at(second).end) };
            found.push(Overlap { first, second, shared });
        }
        if furthest.is_none_or(|first| at(first).end < at(second).end) {
            furthest = Some(second);
        }
        before = Some(second);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_and_its_subsection_overlap() {
        let spans = [Span::new(20, 30), Span::new(0, 10), Span::new(5, 25), Span::new(10, 10)];
        let found: Vec<_> =
            overlaps(&spans).iter().map(|found| (found.first, found.second, found.shared)).collect();
        assert_eq!(found, [(1, 2, Span::new(5, 10)), (2, 3, Span::new(10, 10)), (2, 0, Span::new(20, 25))]);
    }

    #[test]
    fn two_surfaces_of_one_empty_place_overlap() {
        assert_eq!(overlaps(&[Span::at(4), Span::at(4)]).len(), 1);
        assert_eq!(overlaps(&[Span::new(0, 4), Span::at(4)]), []);
        assert_eq!(overlaps(&[Span::new(0, 4), Span::at(4), Span::at(4)]).len(), 1);
    }

    #[test]
    fn each_place_overlaps_at_most_once_however_many_there_are() {
        assert_eq!(overlaps(&[Span::new(0, 9); 1000]).len(), 999);
    }
}
