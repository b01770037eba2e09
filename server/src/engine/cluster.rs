//! Held-in failures that share a signature (`method` 3.7 and 3.9). The same trials in any order make the same clusters, with the
//! same ids.
//!
//! ```
//! use self_harness::engine::cluster::{Level, group};
//!
//! let mined = group(&[]);
//! assert!(mined.clusters.is_empty() && mined.cold.is_cold());
//! assert_eq!(mined.gathered_at(Level::Signature), 0.0);
//! ```

mod firing;

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::detector::Detector;
use harness_schema::digest::Digest;

use super::cause::Cause;
use super::gate::ledger;
use super::signature::{Seen, Signature, Status};
use super::split::HeldIn;

pub use self::firing::{Aside, Firing, Firings};

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
    /// For each level, in the order of [`Level::ALL`], the share of the weight of failures that lies in clusters of three tasks
    /// and more.
    pub gathered: [f64; 4],
    /// How often each detector found something, in failed trials and in passed ones.
    pub firings: Firings,
    /// The clusters, the most promising first.
    pub clusters: Vec<Cluster>,
}

/// A cluster of fewer tasks gathers nothing.
const GATHERS: usize = 3;

/// The share that a level has to gather to be taken.
const ENOUGH: f64 = 0.6;

/// From this lift on a mechanism comes first.
const TELLING: f64 = 1.5;

/// What a task has to say: its most frequent signature, and how much that weighs.
struct Vote<'a> {
    task: &'a str,
    signature: Signature,
    /// Failed trials by all valid ones.
    weight: f64,
    passes: usize,
    valid: usize,
    /// Its failed trials with their signatures, by repeat and id.
    failed: Vec<(&'a Seen, Signature)>,
}

/// What the failures of a cluster share; what a level does not look at is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    cause: Option<Cause>,
    status: Option<Status>,
    /// The id of the mechanism, empty without one.
    mechanism: Option<&'static str>,
    /// The tier of the mechanism, none without one.
    tier: Option<Option<u8>>,
}

impl Level {
    fn key(self, signature: &Signature) -> Key {
        let id = signature.mechanism.map_or("", |detector| detector.id);
        let nothing = Key { cause: None, status: None, mechanism: None, tier: None };
        match self {
            Self::Signature => Key {
                cause: Some(signature.cause),
                status: Some(signature.status),
                mechanism: Some(id),
                tier: None,
            },
            Self::Mechanism => Key { mechanism: Some(id), ..nothing },
            Self::Tier => Key { tier: Some(signature.mechanism.map(|detector| detector.tier)), ..nothing },
            Self::Cause => Key { cause: Some(signature.cause), ..nothing },
        }
    }
}

impl Mined {
    /// The share of the weight of failures that lies in clusters of three tasks and more, if they are grouped at a level.
    #[must_use]
    pub fn gathered_at(&self, level: Level) -> f64 {
        let all = Level::ALL.iter().zip(self.gathered);
        all.filter(|(each, _)| **each == level).map(|(_, share)| share).sum()
    }
}

/// Groups the trials of one harness on held-in tasks: failed ones into clusters, passed ones tell which mechanisms mean
/// nothing. Equal trials in any order give an equal answer.
#[must_use]
pub fn group(seen: &[HeldIn<Seen>]) -> Mined {
    let mut trials: Vec<&Seen> = seen.iter().map(HeldIn::get).collect();
    trials.sort_by(|one, other| {
        (&one.task, one.repeat, &one.trial).cmp(&(&other.task, other.repeat, &other.trial))
    });
    let firings = Firings::of(&trials);
    let votes: Vec<Vote<'_>> = trials
        .chunk_by(|one, other| one.task == other.task)
        .filter_map(|task| vote(task, &firings))
        .collect();
    let gathered = Level::ALL.map(|level| gathered(&votes, level));
    let cold = cold(&votes, gathered.first().copied().unwrap_or_default());
    let level = if cold.is_cold() {
        let mut ladder = Level::ALL.into_iter().zip(gathered);
        ladder.find(|(_, share)| ENOUGH <= *share).map_or(Level::Cause, |(level, _)| level)
    } else {
        Level::Signature
    };
    Mined { level, cold, gathered, clusters: clusters(&votes, level, &firings), firings }
}

/// The vote of a task; none if it never failed.
fn vote<'a>(task: &[&'a Seen], firings: &Firings) -> Option<Vote<'a>> {
    let failed: Vec<(&Seen, Signature)> =
        task.iter().filter_map(|seen| Some((*seen, firings.signature(seen)?))).collect();
    let mut counts: BTreeMap<Key, (usize, Signature)> = BTreeMap::new();
    for (_, signature) in &failed {
        counts.entry(Level::Signature.key(signature)).or_insert((0, *signature)).0 += 1;
    }
    // The most frequent, of these the least.
    let most = counts.values().map(|(count, _)| *count).max()?;
    let (_, signature) = counts.into_values().find(|(count, _)| *count == most)?;
    let valid = task.len();
    Some(Vote {
        task: failed.first().map(|(seen, _)| seen.task.as_str())?,
        signature,
        weight: failed.len() as f64 / valid as f64,
        passes: valid - failed.len(),
        valid,
        failed,
    })
}

fn grouped<'v, 'a>(votes: &'v [Vote<'a>], level: Level) -> BTreeMap<Key, Vec<&'v Vote<'a>>> {
    let mut groups: BTreeMap<Key, Vec<&Vote<'_>>> = BTreeMap::new();
    for vote in votes {
        groups.entry(level.key(&vote.signature)).or_default().push(vote);
    }
    groups
}

fn weight<'v, 'a: 'v>(votes: impl IntoIterator<Item = &'v Vote<'a>>) -> f64 {
    // No votes weigh 0, not -0.
    0.0 + votes.into_iter().map(|vote| vote.weight).sum::<f64>()
}

fn share(part: f64, all: f64) -> f64 {
    // Sums of the same numbers in another order differ in their last digits.
    if 0.0 < all { (part / all).min(1.0) } else { 0.0 }
}

fn gathered(votes: &[Vote<'_>], level: Level) -> f64 {
    let groups = grouped(votes, level);
    let large = groups.values().filter(|group| GATHERS <= group.len());
    share(weight(large.flatten().copied()), weight(votes))
}

fn cold(votes: &[Vote<'_>], gathered: f64) -> Cold {
    let unexplained = votes.iter().filter(|vote| vote.signature.mechanism.is_none());
    let steady: Vec<f64> = votes.iter().filter_map(steadiness).collect();
    Cold {
        failed: votes.len(),
        gathered,
        unexplained: share(weight(unexplained), weight(votes)),
        steady: (!steady.is_empty()).then(|| steady.iter().sum::<f64>() / steady.len() as f64),
    }
}

/// Which share of the pairs of failed repeats have equal signatures; none if there is no pair.
fn steadiness(vote: &Vote<'_>) -> Option<f64> {
    let keys: Vec<Key> = vote.failed.iter().map(|(_, signature)| Level::Signature.key(signature)).collect();
    let pairs = keys.len() * keys.len().saturating_sub(1) / 2;
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    let equal: usize = counts.values().map(|count| count * (count - 1) / 2).sum();
    (0 < pairs).then(|| equal as f64 / pairs as f64)
}

fn clusters(votes: &[Vote<'_>], level: Level, firings: &Firings) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> =
        grouped(votes, level).into_iter().map(|(key, votes)| cluster(level, key, &votes, firings)).collect();
    let rank = |cluster: &Cluster| {
        if cluster.lift.is_some_and(|lift| TELLING <= lift) {
            0
        } else if cluster.is_habit {
            1
        } else {
            2
        }
    };
    clusters.sort_by(|one, other| {
        let by_value = || other.value.total_cmp(&one.value);
        rank(one).cmp(&rank(other)).then_with(by_value).then_with(|| one.id.cmp(&other.id))
    });
    clusters
}

fn cluster(level: Level, key: Key, votes: &[&Vote<'_>], firings: &Firings) -> Cluster {
    let shared = votes.first().map(|vote| vote.signature);
    let mechanism = shared.and_then(|signature| signature.mechanism).filter(|_| key.mechanism.is_some());
    let trials = |vote: &Vote<'_>| {
        let same = vote.failed.iter().filter(|(_, signature)| level.key(signature) == key);
        let ids: BTreeSet<String> = same.map(|(seen, _)| seen.trial.clone()).collect();
        ids.into_iter().collect()
    };
    let counts = |vote: &&&Vote<'_>| {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        2 <= vote.failed.len() || !ledger::is_flaky(number(vote.passes), number(vote.valid))
    };
    Cluster {
        id: id(level, &key),
        level,
        cause: key.cause,
        status: key.status,
        mechanism,
        tier: key.tier.flatten(),
        supporters: votes
            .iter()
            .map(|vote| Supporter { task: vote.task.to_owned(), weight: vote.weight, trials: trials(vote) })
            .collect(),
        support: votes.iter().filter(counts).count(),
        value: votes.iter().map(|vote| vote.weight * vote.signature.status.weight()).sum(),
        lift: mechanism.and_then(|mechanism| firings.of_detector(mechanism)).map(Firing::lift),
        is_habit: mechanism.is_some_and(|mechanism| firings.aside(mechanism) == Aside::Habit),
    }
}

/// A function of the level and of what is shared alone. At [`Level::Tier`] the tier stands in the place of the mechanism.
fn id(level: Level, key: &Key) -> String {
    let cause = key.cause.map_or("", Cause::word);
    let status = key.status.map_or("", Status::word);
    let none = |id: &'static str| if id.is_empty() { "none" } else { id };
    let mechanism = match (key.mechanism, key.tier) {
        (Some(id), _) => none(id).to_owned(),
        (None, Some(tier)) => tier.map_or_else(|| String::from("none"), |tier| format!("tier {tier}")),
        (None, None) => String::new(),
    };
    let parts = ["signature/1", level.word(), cause, status, &mechanism];
    Digest::of(parts.join("\0").as_bytes()).short(12)
}

#[cfg(test)]
mod tests;
