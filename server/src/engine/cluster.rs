//! Held-in failures that share a signature (`method` 3.7 and 3.9). The same trials in any order make the same clusters, with the
//! same ids.

use harness_schema::detector::Detector;

use super::cause::Cause;
use super::signature::Status;

/// By what failures are grouped: the whole signature, or less of it where there are too few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Cause, status and mechanism.
    Signature,
    /// The mechanism.
    Mechanism,
    /// The tier of the mechanism.
    Tier,
    /// The cause.
    Cause,
}

impl Level {
    /// All of them, the closest first.
    pub const ALL: [Self; 4] = [Self::Signature, Self::Mechanism, Self::Tier, Self::Cause];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Signature => "L0",
            Self::Mechanism => "L1",
            Self::Tier => "L2",
            Self::Cause => "L3",
        }
    }
}

/// A task that a cluster stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Supporter {
    /// The task.
    pub task: String,
    /// Which share of its valid trials failed.
    pub weight: f64,
    /// Its trials that failed in this way, by id.
    pub trials: Vec<String>,
}

/// Failures that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Twelve hex digits: a hash of what its failures share, so it is the same in every run.
    pub id: String,
    /// By what they are grouped.
    pub level: Level,
    /// The cause that they share, where the level says so.
    pub cause: Option<Cause>,
    /// The status that they share, where the level says so.
    pub status: Option<Status>,
    /// The mechanism that they share, where the level says so and there is one.
    pub mechanism: Option<&'static Detector>,
    /// The tier of their mechanisms, where the level says so and there is one.
    pub tier: Option<u8>,
    /// The tasks, by id.
    pub supporters: Vec<Supporter>,
    /// How many tasks support it; a flaky one counts from its second failure on.
    pub support: usize,
    /// What it is ordered by within its group.
    pub value: f64,
    /// How much more often its mechanism is found in failed trials than in passed ones; none without a mechanism.
    pub lift: Option<f64>,
    /// Whether its mechanism is found in most trials, whatever comes of them.
    pub is_habit: bool,
}

/// Whether failures are too few or too different to be mined, and the numbers behind that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cold {
    /// Held-in tasks that failed at least once.
    pub failed: usize,
    /// Share of the weight of failures that lies in clusters of three tasks and more, at the first level.
    pub gathered: f64,
    /// Share of the weight whose mechanism is not known.
    pub unexplained: f64,
    /// How often two failures of one task have the same signature; none if no task failed twice.
    pub steady: Option<f64>,
}

impl Cold {
    /// Whether it is so.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.failed < 6
            || self.gathered < 0.5
            || 0.4 < self.unexplained
            || self.steady.is_some_and(|steady| steady < 0.4)
    }
}

/// What was mined.
#[derive(Clone, Debug, PartialEq)]
pub struct Mined {
    /// The level at which failures are grouped.
    pub level: Level,
    /// How much there was to mine.
    pub cold: Cold,
    /// The clusters, the most promising first.
    pub clusters: Vec<Cluster>,
}
