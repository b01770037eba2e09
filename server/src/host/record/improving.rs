//! What is on disk of mining, proposals and decisions.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::path::FilePath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::cluster::{Cold, Mined};
use crate::engine::cycle::{Candidate, Rules};
use crate::engine::proposal::reply::Scope;
use crate::engine::proposal::{Author, Proposal, SurfaceEdit};
use crate::engine::reward::{Check, CheckStatus};
use crate::engine::weakness::{Location, Weakness};

/// What was checked in a trial, as its verifier reported it (CTRF): `checks.json` beside the transcript.
pub const CHECKS: &str = "checks.json";

/// A check of a verifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Its name.
    pub name: String,
    /// `passed`, `failed`, `skipped` or `other`.
    pub status: String,
    /// What it said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The first line of its trace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// The file that it stands in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

const STATUSES: [(CheckStatus, &str); 4] = [
    (CheckStatus::Passed, "passed"),
    (CheckStatus::Failed, "failed"),
    (CheckStatus::Skipped, "skipped"),
    (CheckStatus::Other, "other"),
];

impl CheckRecord {
    /// The written form.
    #[must_use]
    pub fn of(check: &Check) -> Self {
        let word =
            STATUSES.iter().find(|(status, _)| *status == check.status).map_or("other", |(_, word)| word);
        Self {
            name: check.name.clone(),
            status: word.to_owned(),
            message: check.message.clone(),
            trace: check.trace.clone(),
            file: check.file.clone(),
        }
    }

    /// The check.
    #[must_use]
    pub fn check(self) -> Check {
        let status = STATUSES.iter().find(|(_, word)| *word == self.status);
        Check {
            status: status.map_or(CheckStatus::Other, |(status, _)| *status),
            name: self.name,
            message: self.message,
            trace: self.trace,
            file: self.file,
        }
    }
}

/// By which rules proposals are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesRecord {
    /// `certified`, `exact` or `paper`.
    pub gate: harness_schema::manifest::Gate,
    /// Repeats of the baseline.
    pub baseline: u32,
    /// Repeats of a candidate that is screened.
    pub screen: u32,
    /// Repeats of a candidate that is confirmed.
    pub confirm: u32,
    /// Proposals of a round.
    pub proposals: u32,
    /// Rounds.
    pub rounds: u32,
}

/// A proposal that is to be tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// Its number.
    pub proposal: u32,
    /// The tasks on which it can change anything, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<BTreeSet<String>>,
    /// The chance that another task is one of them and was missed (`method` 5.7), where `active` is known. It is told to people,
    /// and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<f64>,
}

/// What was mined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MinedRecord {
    /// The level at which failures are grouped: `L0` to `L3`.
    pub level: String,
    /// Held-in tasks that failed at least once.
    pub failed: usize,
    /// Share of failures in clusters of three tasks and more.
    pub gathered: f64,
    /// Share of failures whose mechanism is not known.
    pub unexplained: f64,
    /// How often two failures of one task are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<f64>,
    /// Whether failures are too few or too different.
    pub is_cold: bool,
    /// The weaknesses, the most promising first.
    pub weaknesses: Vec<WeaknessRecord>,
}

/// A weakness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WeaknessRecord {
    /// The id of its cluster.
    pub cluster: String,
    /// The terminal cause, where the level says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The causal status, where the level says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The mechanism, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<String>,
    /// How many tasks support it.
    pub support: usize,
    /// How much more often its mechanism is found in failed trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lift: Option<f64>,
    /// Whether its mechanism is found in most trials.
    #[serde(default)]
    pub is_habit: bool,
    /// Its tasks with the trials that failed like this.
    pub tasks: BTreeMap<String, Vec<String>>,
    /// Where it belongs.
    pub locations: Vec<LocationRecord>,
    /// `yes`, or why no edit could help.
    pub actionable: String,
}

/// A place in a harness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LocationRecord {
    /// The surface.
    pub surface: String,
    /// Its kind.
    pub kind: String,
    /// The file.
    pub file: String,
    /// First byte of the line.
    pub start: usize,
    /// First byte behind it.
    pub end: usize,
    /// The line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub line: String,
    /// `knob`, `conflicting`, `triggering`, `violated` or `absent`.
    pub relation: String,
}

/// A proposal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProposalRecord {
    /// What it is known by.
    pub digest: String,
    /// The digest of the harness that it is for.
    pub harness: String,
    /// `model`, or the name of an operator.
    pub author: String,
    /// The cluster.
    pub cluster: String,
    /// The mechanism.
    pub mechanism: String,
    /// What it changes.
    pub edits: Vec<EditRecord>,
    /// The files that it changes, whole, as they are afterwards.
    pub files: BTreeMap<String, String>,
    /// When it acts: `"always"`, or a `when`.
    pub scope: Value,
    /// What it does, in a line.
    pub summary: String,
    /// Why.
    #[serde(default)]
    pub why: String,
    /// How it differs from what was tried.
    #[serde(default)]
    pub differs: String,
    /// Tasks that it should mend.
    #[serde(default)]
    pub fixes: Vec<String>,
    /// Tasks that it may break.
    #[serde(default)]
    pub risks: Vec<String>,
    /// Its cost in tokens.
    pub cost: f64,
    /// Tokens added.
    #[serde(default)]
    pub added: usize,
}

/// An edit of a surface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditRecord {
    /// The surface.
    pub surface: String,
    /// The file.
    pub file: String,
    /// Its value before.
    pub before: String,
    /// Its value afterwards.
    pub after: String,
}

/// A reply that is no proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecord {
    /// Which guard refused it: `reply`, `surface`, `leak` and so on; `declined` if the model had none, `left` if others promise
    /// more.
    pub guard: String,
    /// Why, in words.
    pub why: String,
    /// What it wanted to do, if it said so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// `model`, or the name of an operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
}

impl RulesRecord {
    /// The written form.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let Rules { gate, baseline, screen, confirm, proposals, rounds } = *rules;
        Self { gate, baseline, screen, confirm, proposals, rounds }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let Self { gate, baseline, screen, confirm, proposals, rounds } = *self;
        Rules { gate, baseline, screen, confirm, proposals, rounds }
    }
}

impl CandidateRecord {
    /// The written form.
    #[must_use]
    pub fn of(candidate: &Candidate) -> Self {
        Self { proposal: candidate.proposal, active: candidate.active.clone(), missed: None }
    }

    /// The candidate.
    #[must_use]
    pub fn candidate(&self) -> Candidate {
        Candidate { proposal: self.proposal, active: self.active.clone() }
    }
}

impl MinedRecord {
    /// The written form.
    #[must_use]
    pub fn of(mined: &Mined, weaknesses: &[Weakness]) -> Self {
        let Cold { failed, gathered, unexplained, steady } = mined.cold;
        Self {
            level: mined.level.word().to_owned(),
            failed,
            gathered,
            unexplained,
            steady,
            is_cold: mined.cold.is_cold(),
            weaknesses: weaknesses.iter().map(WeaknessRecord::of).collect(),
        }
    }
}

impl WeaknessRecord {
    /// The written form.
    #[must_use]
    pub fn of(weakness: &Weakness) -> Self {
        let cluster = &weakness.cluster;
        let tasks = cluster.supporters.iter();
        Self {
            cluster: cluster.id.clone(),
            cause: cluster.cause.map(|cause| cause.word().to_owned()),
            status: cluster.status.map(|status| status.word().to_owned()),
            mechanism: cluster.mechanism.map(|detector| detector.name.to_owned()),
            support: cluster.support,
            lift: cluster.lift,
            is_habit: cluster.is_habit,
            tasks: tasks.map(|task| (task.task.clone(), task.trials.clone())).collect(),
            locations: weakness.locations.iter().map(LocationRecord::of).collect(),
            actionable: weakness.actionable.word().to_owned(),
        }
    }

    /// In half a line: `loop-identical-fail, direct, check.failed`.
    #[must_use]
    pub fn words(&self) -> String {
        let mechanism = self.mechanism.as_deref().unwrap_or("no known mechanism");
        let parts = [Some(mechanism), self.status.as_deref(), self.cause.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl LocationRecord {
    fn of(location: &Location) -> Self {
        Self {
            surface: location.surface.clone(),
            kind: location.role.name().to_owned(),
            file: location.file.as_str().to_owned(),
            start: location.span.start as usize,
            end: location.span.end as usize,
            line: location.line.clone(),
            relation: location.relation.word().to_owned(),
        }
    }
}

impl ProposalRecord {
    /// The written form of a proposal for a harness.
    #[must_use]
    pub fn of(proposal: &Proposal, harness: &str) -> Self {
        Self {
            digest: proposal.digest.to_string(),
            harness: harness.to_owned(),
            author: match proposal.author {
                Author::Model => String::from("model"),
                Author::Operator(name) => name.to_owned(),
            },
            cluster: proposal.cluster.clone(),
            mechanism: proposal.mechanism.clone(),
            edits: proposal.edits.iter().map(EditRecord::of).collect(),
            files: proposal
                .files
                .iter()
                .map(|(path, text)| (path.as_str().to_owned(), text.clone()))
                .collect(),
            scope: proposal.scope.clone().into(),
            summary: proposal.summary.clone(),
            why: proposal.why.clone(),
            differs: proposal.differs.clone(),
            fixes: proposal.fixes.clone(),
            risks: proposal.risks.clone(),
            cost: proposal.cost,
            added: proposal.added,
        }
    }

    /// The proposal; `None` if a later version wrote what this one cannot read. Who made it is told by [`Self::author`].
    #[must_use]
    pub fn proposal(&self) -> Option<Proposal> {
        let edits = self.edits.iter().map(|edit| {
            Some(SurfaceEdit {
                surface: edit.surface.clone(),
                file: FilePath::parse(&edit.file).ok()?,
                before: edit.before.clone(),
                after: edit.after.clone(),
            })
        });
        Some(Proposal {
            digest: self.digest.parse().ok()?,
            author: Author::Model,
            cluster: self.cluster.clone(),
            mechanism: self.mechanism.clone(),
            edits: edits.collect::<Option<_>>()?,
            files: self.changed(),
            scope: Scope::try_from(self.scope.clone()).ok()?,
            summary: self.summary.clone(),
            why: self.why.clone(),
            differs: self.differs.clone(),
            fixes: self.fixes.clone(),
            risks: self.risks.clone(),
            cost: self.cost,
            added: self.added,
        })
    }

    /// The files that it changes. A path that is none of a project names no file.
    #[must_use]
    pub fn changed(&self) -> BTreeMap<FilePath, String> {
        let files = self.files.iter();
        files.filter_map(|(path, text)| Some((FilePath::parse(path).ok()?, text.clone()))).collect()
    }
}

impl EditRecord {
    fn of(edit: &SurfaceEdit) -> Self {
        Self {
            surface: edit.surface.clone(),
            file: edit.file.as_str().to_owned(),
            before: edit.before.clone(),
            after: edit.after.clone(),
        }
    }
}
