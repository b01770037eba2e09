//! How a trial failed (`method` 3.5 and 3.6): its terminal cause, the causal status of what the agent did, and the mechanism that a
//! detector names. A pure function of the trace and of what the verifier said.

use std::collections::BTreeSet;

use harness_schema::detector::{DETECTORS, Detector};

use super::cause::{Cause, Judged};
use super::detector::{Ending, Entities, Evidence, Reading, find_after};
use super::trace::{End, Trace};

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
    pub entities: Entities,
}

/// What a trial came to, as mining needs it. A trial that measured nothing has neither passed nor failed, so it cannot be told
/// here.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'a> {
    /// The trial's id.
    pub trial: &'a str,
    /// Its task.
    pub task: &'a str,
    /// Which attempt of equal ones it is.
    pub repeat: u32,
    /// Why it failed; none if it passed.
    pub failed: Option<&'a Judged>,
    /// How the agent phase ended; none asks the trace.
    pub end: Option<&'a End>,
    /// Where the agent saw the task's tree.
    pub workdir: &'a str,
    /// What the agent was asked to do, if its transcript does not say so.
    pub instruction: Option<&'a str>,
    /// How much of its time the agent used, from 0 to 1, where that is known.
    pub time_used: Option<f64>,
    /// How many steps the agent could have taken, if its transcript does not say so.
    pub max_steps: Option<u64>,
    /// Paths that the verifier wants to find, as far as they are known besides those that its checks miss; one that ends in `/`
    /// wants any change below it.
    pub required: &'a [String],
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

/// What is to be seen in a trial: every detector is asked, what was made good is dropped, and the rest has its status. The
/// trace is read once and not kept.
#[must_use]
pub fn see(outcome: &Outcome<'_>, trace: &Trace) -> Seen {
    let mut reading = Reading::new(outcome.workdir);
    reading.read_all(trace, outcome.instruction);
    reading.end();
    if let Some(most) = outcome.max_steps.filter(|_| trace.max_steps.is_none()) {
        reading.limit_steps(most);
    }
    if let Some(share) = outcome.time_used {
        reading.use_time(share);
    }
    reading.require(outcome.required.iter().map(String::as_str));
    reading.require(outcome.failed.iter().flat_map(|judged| &judged.missing).map(String::as_str));
    let end = outcome.end.or(trace.end.as_ref());
    let ending = Ending {
        is_limited: end.is_some_and(is_limit),
        misses_service: outcome.failed.is_some_and(|judged| judged.cause == Cause::ServiceDown),
        dislikes_format: outcome
            .failed
            .is_some_and(|judged| judged.cause == Cause::ArtifactMalformed || judged.differs_in_form),
    };
    // Without a word of its end an agent is taken for one that thought it was done.
    let has_finished = end.is_none_or(|end| *end == End::Finished);
    let asked = DETECTORS.iter().filter(|detector| has_finished || !NEEDS_FINISH.contains(&detector.id));
    let findings = asked.filter_map(|detector| {
        let evidence = find_after(&reading, detector, &ending)?;
        if reading.is_made_good(detector, &evidence) {
            return None;
        }
        let entities = reading.entities(detector, &evidence);
        let status = match outcome.failed {
            Some(judged) => status(&reading, detector, &evidence, &entities, judged),
            None => Status::Undetermined,
        };
        Some(Finding { detector, evidence, status, entities })
    });
    Seen {
        trial: outcome.trial.to_owned(),
        task: outcome.task.to_owned(),
        repeat: outcome.repeat,
        cause: outcome.failed.map(|judged| judged.cause),
        findings: findings.collect(),
        messages: outcome.failed.map(|judged| judged.messages.clone()).unwrap_or_default(),
        entities: outcome.failed.map(|judged| judged.entities.clone()).unwrap_or_default(),
        steps: reading.count_steps(),
    }
}

/// Detectors of an agent that said that it was done.
const NEEDS_FINISH: [&str; 2] = ["M13", "M16"];

/// Whether a limit ended the agent.
fn is_limit(end: &End) -> bool {
    matches!(end, End::Steps | End::Tokens | End::Cost | End::Time | End::Context)
}

/// What a finding has to do with the failure; the first that fits.
fn status(
    reading: &Reading,
    detector: &Detector,
    evidence: &Evidence,
    entities: &Entities,
    judged: &Judged,
) -> Status {
    if reading.is_terminal(detector, evidence) || judged.entities.iter().any(|name| entities.contains(name)) {
        Status::Direct
    } else if reading.is_late(evidence) || 0.25 <= reading.share(evidence) {
        Status::Contributing
    } else {
        Status::Undetermined
    }
}

#[cfg(test)]
mod tests;
