//! Small edits of a harness that could end a weakness, and everything that is asked of them before a trial is paid for.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;

use self::reply::Scope;
use self::similarity::Shingles;

pub mod reply;
mod refused;
pub mod similarity;
pub mod place;
pub mod slot;
pub mod example;
pub mod context;
mod change;
pub mod leak;
pub mod guard;
pub mod select;
pub mod operator;
pub mod merge;

/// Who made a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// The model.
    Model,
    /// A structural operator, by name.
    Operator(&'static str),
}

/// An edit of one surface, as a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SurfaceEdit {
    /// The surface's id.
    pub surface: String,
    /// The file.
    pub file: FilePath,
    /// Its text before, as the surface's value; empty for what is new.
    pub before: String,
    /// The value afterwards.
    pub after: String,
}

/// Edits that belong together, checked against the harness they are for.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What it is known by: a digest of the harness it is for and of the files afterwards.
    pub digest: Digest,
    /// Who made it.
    pub author: Author,
    /// The cluster that it is for.
    pub cluster: String,
    /// The mechanism that it acts on.
    pub mechanism: String,
    /// What it changes: one surface, or a text and its registration.
    pub edits: Vec<SurfaceEdit>,
    /// Every file that it changes, whole, as it is afterwards.
    pub files: BTreeMap<FilePath, String>,
    /// When it acts.
    pub scope: Scope,
    /// What it does, in a line.
    pub summary: String,
    /// Why it should help.
    pub why: String,
    /// How it differs from what was tried before.
    pub differs: String,
    /// Tasks that it should mend.
    pub fixes: Vec<String>,
    /// Tasks that it may break.
    pub risks: Vec<String>,
    /// Tokens added, half of those removed, and 20 for a second surface.
    pub cost: f64,
    /// Tokens added.
    pub added: usize,
}

/// A proposal that was judged before, as far as later ones look at it: no number of it, and nothing of its trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Its digest.
    pub digest: Digest,
    /// The digest of the harness that it was judged against.
    pub baseline: Digest,
    /// The cluster that it was for.
    pub cluster: String,
    /// The mechanism that it acted on.
    pub mechanism: String,
    /// The surfaces that it changed.
    pub surfaces: BTreeSet<String>,
    /// What it changed, in pieces that can be compared.
    pub shingles: Shingles,
    /// Its trigger, if it acts on one.
    pub trigger: Option<String>,
    /// What it did, in a line.
    pub summary: String,
    /// Whether it was accepted.
    pub is_accepted: bool,
    /// Whether it hardly can have helped: the chance that it gains anything is below one in five (`method` 4.6).
    pub is_hopeless: bool,
}

impl Judged {
    /// What is kept of a proposal once it was judged against the harness with the digest `baseline`.
    #[must_use]
    pub fn of(proposal: &Proposal, baseline: Digest, is_accepted: bool, is_hopeless: bool) -> Self {
        Self {
            digest: proposal.digest,
            baseline,
            cluster: proposal.cluster.clone(),
            mechanism: proposal.mechanism.clone(),
            surfaces: proposal.surfaces(),
            shingles: proposal.shingles(),
            trigger: proposal.scope.trigger(),
            summary: proposal.summary.clone(),
            is_accepted,
            is_hopeless,
        }
    }
}

impl Proposal {
    /// The surfaces that it changes, by id.
    #[must_use]
    pub fn surfaces(&self) -> BTreeSet<String> {
        self.edits.iter().map(|edit| edit.surface.clone()).collect()
    }

    /// What it changes, in pieces that can be compared.
    #[must_use]
    pub fn shingles(&self) -> Shingles {
        Shingles::of(self.edits.iter().map(|edit| (edit.before.as_str(), edit.after.as_str())))
    }
}

#[cfg(test)]
mod fixture;
