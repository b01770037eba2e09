//! Pages to read: weaknesses, proposals, traces, the lineage, trust and rules, as documents of `selfharness://<root>/` (`editor` 2.7).
//! They are made of a project and its board; what a host has to read first is handed in. Held-out tasks are counted in them, and
//! never named; texts of agents, tools and models stand in fences, or escaped.

pub mod name;
mod safe;
pub mod trace;
pub mod places;
mod weakness;
mod proposal;
mod lineage;
mod trust;

use harness_schema::check;
use harness_schema::path::FilePath;
use harness_schema::problem::Rule;

pub(in crate::ide) use self::lineage::{result, score};
use self::name::Name;
pub(in crate::ide) use self::weakness::not_actionable;
use super::standing;
use crate::engine::board::StoreState;
use crate::workspace::Project;

/// A document to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its text.
    pub text: String,
    /// Its language, by the names of LSP: `markdown`.
    pub language: &'static str,
}

impl Page {
    /// A page of ours.
    #[must_use]
    pub fn markdown(text: String) -> Self {
        Self { text, language: "markdown" }
    }

    /// A file as it is.
    #[must_use]
    pub fn file(path: &FilePath, text: String) -> Self {
        Self { text, language: language(path) }
    }
}

/// The page of a name, where project and board suffice; `None` if there is no such thing, or if a host has to read it first: a
/// [trace](trace::trace), a report, a rendered prompt, the doctor. `other_rule` knows the rules that need more than a document: of
/// evidence and environment.
#[must_use]
pub fn page(
    project: &Project,
    name: &Name,
    other_rule: &dyn Fn(&str) -> Option<&'static Rule>,
) -> Option<Page> {
    let board = project.board();
    match name {
        // What others say of runs is not shown to somebody who does not trust them.
        Name::Weakness(_) | Name::Proposal(_) | Name::Current(..) | Name::Proposed(..)
            if !standing::shows(board) =>
        {
            None
        }
        Name::Weakness(name) => weakness::page(project, name),
        Name::Proposal(number) => proposal::page(project, *number),
        // What it was made for, byte by byte: the text of today may be another one.
        Name::Current(number, file) => {
            let proposal = board.proposals.get(number)?;
            proposal.files.get(file)?;
            let before = proposal.base.get(file).cloned().unwrap_or_default();
            Some(Page::file(file, before))
        }
        Name::Proposed(number, file) => {
            let proposal = board.proposals.get(number)?;
            Some(Page::file(file, proposal.files.get(file)?.clone()))
        }
        Name::Lineage if is_hidden(project) => Some(Page::markdown(format!("# Lineage\n\n{HIDDEN}.\n"))),
        Name::Lineage => Some(lineage::page(project)),
        Name::Trust => Some(trust::page(project)),
        Name::Rule(code) => {
            let rule = check::rule(code).or_else(|| other_rule(code))?;
            Some(Page::markdown(rule.page.to_owned()))
        }
        Name::Trace { .. } | Name::Report(_) | Name::Rendered(_) | Name::Doctor => None,
    }
}

/// What stands for all that an untrusted store says.
pub const HIDDEN: &str = "not shown: the store comes from elsewhere, and nobody trusts the project";

/// Whether there may be something that is not shown, so that nothing is called missing. Without a store, or with one that cannot be
/// read, nothing is hidden.
pub(in crate::ide) fn is_hidden(project: &Project) -> bool {
    let board = project.board();
    !standing::shows(board) && !matches!(board.store, StoreState::Missing | StoreState::Unreadable(_))
}

/// The files of a proposal before and afterwards, for a comparison: left, right, and the title.
#[must_use]
pub fn pairs(project: &Project, number: u32) -> Vec<(Name, Name, String)> {
    let board = project.board();
    let known = board.proposals.get(&number).filter(|_| standing::shows(board));
    let Some(proposal) = known else { return Vec::new() };
    let pair = |file: &FilePath| {
        let title = format!("{file}: P{number}");
        (Name::Current(number, file.clone()), Name::Proposed(number, file.clone()), title)
    };
    proposal.files.keys().map(pair).collect()
}

/// The name of a file's language in LSP, by its ending.
fn language(path: &FilePath) -> &'static str {
    match path.extension().as_str() {
        "md" | "markdown" => "markdown",
        "toml" => "toml",
        "yaml" | "yml" => "yaml",
        "json" => "json",
        "jsonc" => "jsonc",
        "py" => "python",
        "sh" | "bash" => "shellscript",
        _ => "plaintext",
    }
}

#[cfg(test)]
pub(in crate::ide) mod sample;
#[cfg(test)]
mod tests;
