//! Results of other programs as evidence: which records of trials are read, what they say of a trial, and whether its task may teach
//! here. A trial whose verdict is not recorded has none; nothing is guessed.

pub mod harbor;
pub mod report;
pub mod instance;
pub mod known;

use std::collections::BTreeMap;

use super::reward::Check;
use super::trace::End;
use super::verdict::{Flags, Verdict};

/// The programs whose results are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A job of Harbor: a directory per trial, with `result.json`.
    Harbor,
    /// mini-swe-agent's output: `*.traj.json` per instance.
    MiniSweAgent,
    /// SWE-agent's output: `*.traj` per instance.
    SweAgent,
}

impl Form {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Harbor => "a Harbor job",
            Self::MiniSweAgent => "mini-swe-agent results",
            Self::SweAgent => "SWE-agent results",
        }
    }

    /// The form of a file by its name; `None` if it is no record of a trial.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        match name {
            harbor::RESULT => Some(Self::Harbor),
            name if name.ends_with(".traj.json") => Some(Self::MiniSweAgent),
            name if name.ends_with(".traj") => Some(Self::SweAgent),
            _ => None,
        }
    }
}

/// What the record of a trial says it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What else is to be known.
    pub flags: Flags,
    /// How the agent ended, where the record knows more than the transcript.
    pub end: Option<End>,
    /// The rewards, by name.
    pub rewards: BTreeMap<String, f64>,
    /// The checks of the verifier.
    pub checks: Vec<Check>,
    /// What there is to say about it.
    pub detail: String,
}

impl Outcome {
    /// A verdict and nothing else.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            flags: Flags::default(),
            end: None,
            rewards: BTreeMap::new(),
            checks: Vec::new(),
            detail: String::new(),
        }
    }
}

/// Whether a text can be the name of a task: it goes into messages and documents.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_plain = |char: char| char.is_alphanumeric() || "._-/:+@".contains(char);
    !name.is_empty() && name.len() <= 200 && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests;
