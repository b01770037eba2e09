//! Small edits of a harness that could end a weakness, and everything that is asked of them before a trial is paid for.

use std::collections::BTreeMap;

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;

use self::reply::Scope;

pub mod reply;
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
