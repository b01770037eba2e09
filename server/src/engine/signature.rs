//! How a trial failed (`method` 3.5 and 3.6): its terminal cause, the causal status of what the agent did, and the mechanism that a
//! detector names. A pure function of the trace and of what the verifier said.

use std::collections::BTreeSet;

use harness_schema::detector::Detector;

use super::cause::Cause;
use super::detector::Evidence;

/// What a mechanism has to do with the failure, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// It is about the thing that the verifier names, or it is the end itself.
    Direct,
    /// It took a good part of the trial, or came close to its end.
    Contributing,
    /// Nothing ties them together.
    Undetermined,
}

impl Status {
    /// All of them, the closest first.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Contributing, Self::Undetermined];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Contributing => "contributing",
            Self::Undetermined => "undetermined",
        }
    }

    /// What a failure of this status weighs in the rank of its cluster.
    #[must_use]
    pub fn weight(self) -> f64 {
        match self {
            Self::Direct => 1.0,
            Self::Contributing => 0.6,
            Self::Undetermined => 0.3,
        }
    }

    /// The status that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A detector that has found something in a trial, and has not been made good.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which.
    pub detector: &'static Detector,
    /// Where.
    pub evidence: Evidence,
    /// What it has to do with the failure; [`Status::Undetermined`] in a trial that passed.
    pub status: Status,
    /// Paths, tests, ports, modules and programs that the evidence names.
    pub entities: BTreeSet<String>,
}

/// A trial as mining keeps it: small, whatever its trace was.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The trial's id.
    pub trial: String,
    /// Its task.
    pub task: String,
    /// Which attempt of equal ones it is.
    pub repeat: u32,
    /// Why it failed; none if it passed.
    pub cause: Option<Cause>,
    /// What detectors have found, by id; what was made good is left out.
    pub findings: Vec<Finding>,
    /// What failing checks said, masked, each template once.
    pub messages: Vec<String>,
    /// Paths, tests, ports, modules and programs that the verifier names.
    pub entities: BTreeSet<String>,
    /// How many steps the agent took.
    pub steps: usize,
}

/// How a trial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The terminal cause.
    pub cause: Cause,
    /// What the mechanism has to do with it.
    pub status: Status,
    /// The mechanism; none if no detector has found any.
    pub mechanism: Option<&'static Detector>,
}

impl Signature {
    /// The name of the mechanism; `none` if there is none.
    #[must_use]
    pub fn mechanism_word(&self) -> &'static str {
        self.mechanism.map_or("none", |detector| detector.name)
    }
}
