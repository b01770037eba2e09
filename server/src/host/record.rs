//! What is on disk: the versioned forms of runs, events and trials. The engine's values are never written as they are, so they
//! may change without a store becoming unreadable.
//!
//! A field that a later version adds has a default; a later kind of event is read as [`EventRecord::Unknown`] and changes
//! nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_schema::split::Split;
use serde::{Deserialize, Serialize};

use crate::engine::budget::{Budget, Spent};
use crate::engine::contract::Role;
use crate::engine::cycle::{self, Goal};
use crate::engine::plan::{Design, Slot};
use crate::engine::trace::Usage;
use crate::engine::verdict::{Flags, Verdict, VoidCause};
use crate::host::sandbox::Choice;

mod agreement;
mod improving;
mod event;

pub use agreement::{AgreementRecord, HowAgreed, ItemRecord, KeyRecord};
pub use event::{EventRecord, VERIFIER_FLAKY, finish_word};
pub use improving::{
    CHECKS, CandidateRecord, CheckRecord, EditRecord, LocationRecord, MinedRecord, ProposalRecord,
    RefusedRecord, RulesRecord, WeaknessRecord,
};

/// A run as it was started. Everything that a worker needs to perform it, besides the tasks, which are looked up by digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The verb that started it.
    pub verb: String,
    /// The harness's name.
    pub name: String,
    /// The digest of the harness.
    pub harness: String,
    /// The digest of the contract.
    pub contract: String,
    /// What was consented to: the digest of everything that decides what is executed, where, and at whose cost.
    pub execution: String,
    /// The texts of the harness when it was started, by path: an editor may hold newer ones than the disk.
    pub files: BTreeMap<String, String>,
    /// What is to be filled.
    pub slots: Vec<SlotRecord>,
    /// What it may spend.
    #[serde(default)]
    pub budget: BudgetRecord,
    /// How many trials run side by side.
    pub parallel: usize,
    /// What waits are spread by.
    #[serde(default)]
    pub seed: u64,
    /// How trials are kept apart from the machine: `bubblewrap`, `container`, or `none`.
    #[serde(default)]
    pub sandbox: String,
    /// Where it was started: `command line`, an editor's name.
    #[serde(default)]
    pub started_by: String,
    /// The model's name, for people.
    #[serde(default)]
    pub model: String,
    /// How often each task is tried.
    #[serde(default)]
    pub repeats: u32,
    /// The variable that holds the model's key, if any.
    #[serde(default)]
    pub key_variable: Option<String>,
    /// By which rules proposals are compared, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesRecord>,
    /// The proposals that are to be validated, if that is what the run is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateRecord>,
    /// What is read of sealed tasks, if that is what the run is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealRecord>,
}

/// The reading of sealed tasks. The run's own texts are the first harness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    /// The run that the lineage began with.
    pub first: i64,
    /// The digest of the last harness.
    pub last: String,
    /// The texts of the last harness, by path.
    pub files: BTreeMap<String, String>,
    /// Which reading of these tasks it is, from 1: only the first is unbiased.
    pub look: u32,
}

/// A slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// Which harness is run: 0 is the one that the run began with.
    #[serde(default, skip_serializing_if = "is_first")]
    pub arm: usize,
    /// The task's id.
    pub task: String,
    /// `held-in`, `held-out` or `sealed`.
    pub split: String,
    /// What the trial is for.
    pub role: String,
    /// The repeat.
    pub repeat: u32,
}

/// A budget; what is not said is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// Trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpentRecord {
    /// Trials.
    pub trials: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars; none if unknown.
    pub cost: Option<f64>,
    /// Milliseconds.
    #[serde(default)]
    pub time_ms: u64,
}

/// A trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Its name, which is also that of its directory.
    pub id: String,
    /// The key by which it is found again.
    pub key: String,
    /// The contract it was run under.
    pub contract: String,
    /// The harness.
    pub harness: String,
    /// The task.
    pub task: String,
    /// Its split.
    pub split: String,
    /// What it was for.
    pub role: String,
    /// The repeat.
    pub repeat: u32,
    /// Its number in the slot.
    pub attempt: u32,
    /// `pass`, `fail` or `void`.
    pub verdict: String,
    /// The void's cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What there is to say about the verdict.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// `timed-out`, `limit-hit`, `verifier-timeout`, `tampered`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// How the agent ended.
    pub end: String,
    /// The rewards.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rewards: BTreeMap<String, f64>,
    /// Failed checks of all checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<f64>,
    /// The names of the checks that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_checks: Vec<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended.
    pub finished_ms: u64,
    /// Tokens read, cached ones included.
    pub input_tokens: u64,
    /// Of these, from a cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// US dollars; none if unknown.
    pub cost: Option<f64>,
    /// Model requests that were answered.
    pub requests: u32,
    /// Steps of the trace.
    pub steps: usize,
    /// The digest of the trace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// The digest of what the verifier printed and left.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verifier_output: String,
    /// The model that the provider said it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The fingerprint that the provider answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The identity of the image that it ran on; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// What the sandbox was, and what it proved to hold: `bubblewrap …: fs-write held, …`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub guarantees: String,
    /// Whether the task could not be proven to be solvable, or its verifier to notice a failing check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
}

/// The word of a verdict.
#[must_use]
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Void(_) => "void",
    }
}

/// The verdict of a word and a cause; a cause that is not known is one of another version, so the trial is void by an adapter.
#[must_use]
pub fn verdict_of(word: &str, cause: Option<&str>) -> Verdict {
    match word {
        "pass" => Verdict::Pass,
        "fail" => Verdict::Fail,
        _ => Verdict::Void(cause.and_then(VoidCause::named).unwrap_or(VoidCause::Adapter)),
    }
}

impl RunRecord {
    /// What the run was asked to do.
    #[must_use]
    pub fn design(&self) -> cycle::Design {
        let slots: Vec<Slot> = self.slots.iter().map(SlotRecord::slot).collect();
        let tasks: BTreeMap<String, Split> =
            slots.iter().map(|slot| (slot.task.clone(), slot.split)).collect();
        let rules = self.rules.unwrap_or_default();
        cycle::Design {
            trials: Design { slots, budget: self.budget.budget(), parallel: self.parallel, seed: self.seed },
            goal: match self.goal() {
                Goal::Seal if self.seal.is_some() => Goal::Seal,
                Goal::Import => Goal::Import,
                goal if self.rules.is_some() && goal != Goal::Seal => goal,
                _ => Goal::Evaluate,
            },
            rules: rules.rules(),
            tasks: tasks.into_iter().collect(),
            candidates: self.candidates.iter().map(CandidateRecord::candidate).collect(),
            is_confined: self.is_confined(),
        }
    }

    /// Whether its trials run in a sandbox.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.sandbox != Choice::None.word()
    }

    /// What it is for.
    #[must_use]
    pub fn goal(&self) -> Goal {
        Goal::named(&self.verb).unwrap_or(Goal::Evaluate)
    }
}

fn is_first(arm: &usize) -> bool {
    *arm == 0
}

impl SlotRecord {
    /// The written form.
    #[must_use]
    pub fn of(slot: &Slot) -> Self {
        Self {
            arm: slot.arm,
            task: slot.task.clone(),
            split: slot.split.word().to_owned(),
            role: slot.role.word().to_owned(),
            repeat: slot.repeat,
        }
    }

    fn slot(&self) -> Slot {
        Slot {
            arm: self.arm,
            task: self.task.clone(),
            // What cannot be read must not teach.
            split: Split::ALL.into_iter().find(|split| split.word() == self.split).unwrap_or(Split::HeldOut),
            role: Role::named(&self.role).unwrap_or(Role::Baseline),
            repeat: self.repeat,
        }
    }
}

impl BudgetRecord {
    /// The written form.
    #[must_use]
    pub fn of(budget: Budget) -> Self {
        Self {
            trials: budget.trials,
            tokens: budget.tokens,
            cost: budget.cost,
            time_ms: budget.time.map(milliseconds),
        }
    }

    fn budget(self) -> Budget {
        Budget {
            trials: self.trials,
            tokens: self.tokens,
            cost: self.cost,
            time: self.time_ms.map(Duration::from_millis),
        }
    }
}

impl SpentRecord {
    /// The written form.
    #[must_use]
    pub fn of(spent: Spent) -> Self {
        Self {
            trials: spent.trials,
            tokens: spent.tokens,
            cost: spent.cost,
            time_ms: milliseconds(spent.time),
        }
    }

    /// What was spent.
    #[must_use]
    pub fn spent(self) -> Spent {
        let Self { trials, tokens, cost, time_ms } = self;
        Spent { trials, tokens, cost, time: Duration::from_millis(time_ms) }
    }
}

impl TrialRecord {
    /// What it took.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            trials: 1,
            tokens: self.input_tokens + self.output_tokens,
            cost: self.cost,
            time: Duration::from_millis(self.finished_ms.saturating_sub(self.started_ms)),
        }
    }

    /// What it is worth.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        verdict_of(&self.verdict, self.cause.as_deref())
    }

    /// What there is to say beside the verdict.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let has = |word: &str| self.flags.iter().any(|flag| flag == word);
        Flags {
            timed_out: has("timed-out"),
            limit_hit: has("limit-hit"),
            verifier_timeout: has("verifier-timeout"),
            tampered: has("tampered"),
        }
    }

    /// Notes what it is worth.
    pub fn judge(&mut self, verdict: Verdict, flags: Flags) {
        self.verdict = verdict_word(verdict).to_owned();
        self.cause = match verdict {
            Verdict::Void(cause) => Some(cause.word().to_owned()),
            Verdict::Pass | Verdict::Fail => None,
        };
        let all = [
            (flags.timed_out, "timed-out"),
            (flags.limit_hit, "limit-hit"),
            (flags.verifier_timeout, "verifier-timeout"),
            (flags.tampered, "tampered"),
        ];
        self.flags = all.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| (*word).to_owned()).collect();
    }

    /// Notes tokens and money.
    pub fn take(&mut self, usage: Usage) {
        self.input_tokens = usage.input;
        self.cached_tokens = usage.cached;
        self.output_tokens = usage.output;
        self.cost = usage.cost;
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_keeps_where_it_acts() {
        let tasks: std::collections::BTreeSet<String> = ["a", "b"].map(String::from).into();
        let event = cycle::Event::Activated { arm: 2, tasks: tasks.clone() };
        let record = EventRecord::of(&event).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"event":"activated","arm":2,"tasks":["a","b"]}"#);
        assert_eq!(serde_json::from_str::<EventRecord>(&text).unwrap().event(), Some(event));
        // The chance that a task was missed is told, and changes nothing.
        let record = CandidateRecord { proposal: 3, active: Some(tasks), missed: Some(0.25) };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"proposal":3,"active":["a","b"],"missed":0.25}"#);
        assert_eq!(serde_json::from_str::<CandidateRecord>(&text).unwrap(), record);
        let bare: CandidateRecord = serde_json::from_str(r#"{"proposal":3}"#).unwrap();
        assert_eq!((bare.candidate().active, bare.missed), (None, None));
    }

    #[test]
    fn a_trial_of_an_older_version_is_read() {
        let old = r#"{"id": "t", "key": "", "contract": "", "harness": "", "task": "a", "split": "held-in", "role": "baseline",
            "repeat": 0, "attempt": 0, "verdict": "void", "cause": "quantum", "end": "finished", "started_ms": 5,
            "finished_ms": 9, "input_tokens": 1, "output_tokens": 2, "cost": null, "requests": 1, "steps": 3}"#;
        let trial: TrialRecord = serde_json::from_str(old).unwrap();
        assert_eq!(trial.verdict(), Verdict::Void(VoidCause::Adapter));
        assert_eq!((trial.spent().tokens, trial.spent().time), (3, Duration::from_millis(4)));
    }
}
