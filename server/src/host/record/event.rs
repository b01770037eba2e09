//! What happened in a run, as it is on disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::agreement::AgreementRecord;
use super::improving::{CandidateRecord, MinedRecord, RefusedRecord};
use super::{SlotRecord, SpentRecord, verdict_of};
use crate::engine::budget::Limit;
use crate::engine::cycle::{self, Decision};
use crate::engine::plan::{Event, Finish};
use crate::engine::verdict::VoidCause;

/// The mark of a task whose verifier says different things about one tree.
pub const VERIFIER_FLAKY: &str = "verifier-flaky";

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventRecord {
    /// Somebody agreed to what is executed and spent from here on: the ticket of the worker.
    Agreed {
        /// To what.
        agreement: AgreementRecord,
    },
    /// A trial began.
    Started {
        /// The slot.
        slot: usize,
        /// Its number in the slot.
        attempt: u32,
    },
    /// A slot was filled by an earlier trial.
    Reused {
        /// The slot.
        slot: usize,
        /// Its verdict.
        verdict: String,
        /// The trial.
        trial: String,
    },
    /// A task was tried without an agent, and its verdicts mean something.
    Checked {
        /// The task.
        task: String,
        /// What could not be shown of its verifier, in words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<String>,
    },
    /// A slot cannot be filled.
    Unfillable {
        /// The slot.
        slot: usize,
        /// The void's cause.
        cause: String,
        /// What is wrong with the task.
        why: String,
    },
    /// A trial ended.
    Ended {
        /// The slot.
        slot: usize,
        /// Its verdict.
        verdict: String,
        /// The void's cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        /// What it took.
        spent: SpentRecord,
    },
    /// A trial counts for nothing.
    Discarded {
        /// The slot.
        slot: usize,
        /// What it took.
        spent: SpentRecord,
    },
    /// A slot is to be filled as well.
    Planned {
        /// Which.
        slot: SlotRecord,
    },
    /// Nobody needs a slot any more.
    Dropped {
        /// The slot.
        slot: usize,
        /// What its trial took.
        spent: SpentRecord,
    },
    /// The weaknesses of the working harness are known.
    Mined {
        /// What was mined.
        mined: Box<MinedRecord>,
        /// How many an edit could help with.
        actionable: usize,
    },
    /// The model was asked for a proposal.
    Replied {
        /// In which round.
        round: u32,
        /// Which slot it answers.
        slot: u32,
        /// What it said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// Why it said nothing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        error: String,
        /// What that took.
        spent: SpentRecord,
    },
    /// Proposals were made.
    Proposed {
        /// Those that are tried.
        candidates: Vec<CandidateRecord>,
        /// Replies and offers that are not.
        #[serde(default)]
        refused: Vec<RefusedRecord>,
        /// What making them took.
        spent: SpentRecord,
    },
    /// A proposal was decided on.
    Decided {
        /// Its number.
        proposal: u32,
        /// `accepted`, `rejected`, `held` or `undecided`.
        decision: String,
        /// Why, in a word.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// Every candidate was screened.
    Screened {
        /// The arms that go on.
        survivors: Vec<usize>,
    },
    /// Proposals make one harness.
    Merged {
        /// Their numbers.
        members: Vec<u32>,
        /// The files that differ from the working harness, whole.
        files: BTreeMap<String, String>,
    },
    /// The audits of an arm were looked at.
    Activated {
        /// The arm.
        arm: usize,
        /// Tasks that were called inert, and where a rule has fired.
        #[serde(default)]
        tasks: BTreeSet<String>,
    },
    /// The union failed, and its best member is tried alone.
    FellBack {
        /// The member's arm.
        arm: usize,
    },
    /// A candidate is the working harness from now on.
    Adopted {
        /// Its arm.
        arm: usize,
    },
    /// The next round begins.
    RoundEnded,
    /// Nothing is started any more.
    Paused {
        /// Why.
        why: String,
    },
    /// It goes on.
    Resumed {
        /// Whether slots that stayed void are tried again.
        #[serde(default)]
        retries: bool,
    },
    /// What the run holds was measured by another program.
    Imported {
        /// Which results those are: `a Harbor job`.
        form: String,
        /// The name of the directory that they were read from.
        directory: String,
        /// Whether somebody says that the harness of the project made them.
        #[serde(default)]
        is_same_harness: bool,
    },
    /// Somebody wants it to end.
    Cancelled,
    /// It ended.
    Finished {
        /// `complete`, `cancelled`, `infrastructure`, `contract-broken`, or the limit.
        finish: String,
    },
    /// Written by a later version.
    #[serde(other)]
    Unknown,
}

impl EventRecord {
    /// The written form of an event of the loop; those that carry more than the engine knows of are written by whoever makes
    /// them.
    #[must_use]
    pub fn of(event: &cycle::Event) -> Option<Self> {
        Some(match event {
            cycle::Event::Trial(Event::Planned(slot)) => Self::Planned { slot: SlotRecord::of(slot) },
            cycle::Event::Proposed { candidates, spent } => Self::Proposed {
                candidates: candidates.iter().map(CandidateRecord::of).collect(),
                refused: Vec::new(),
                spent: SpentRecord::of(*spent),
            },
            cycle::Event::Decided { proposal, decision } => Self::Decided {
                proposal: *proposal,
                decision: decision.word().to_owned(),
                why: decision.why().to_owned(),
            },
            cycle::Event::Screened { survivors } => Self::Screened { survivors: survivors.clone() },
            cycle::Event::Activated { arm, tasks } => Self::Activated { arm: *arm, tasks: tasks.clone() },
            cycle::Event::FellBack { arm } => Self::FellBack { arm: *arm },
            cycle::Event::Adopted { arm } => Self::Adopted { arm: *arm },
            cycle::Event::RoundEnded => Self::RoundEnded,
            cycle::Event::Trial(_) | cycle::Event::Mined { .. } | cycle::Event::Merged { .. } => return None,
        })
    }

    /// The event; `None` for one of a later version.
    #[must_use]
    pub fn event(&self) -> Option<cycle::Event> {
        if let Some(event) = self.of_trial() {
            return Some(cycle::Event::Trial(event));
        }
        Some(match self {
            Self::Mined { actionable, .. } => cycle::Event::Mined { actionable: *actionable },
            Self::Proposed { candidates, spent, .. } => cycle::Event::Proposed {
                candidates: candidates.iter().map(CandidateRecord::candidate).collect(),
                spent: spent.spent(),
            },
            Self::Decided { proposal, decision, why } => {
                cycle::Event::Decided { proposal: *proposal, decision: Decision::named(decision, why)? }
            }
            Self::Screened { survivors } => cycle::Event::Screened { survivors: survivors.clone() },
            Self::Merged { members, .. } => cycle::Event::Merged { members: members.clone() },
            Self::Activated { arm, tasks } => cycle::Event::Activated { arm: *arm, tasks: tasks.clone() },
            Self::FellBack { arm } => cycle::Event::FellBack { arm: *arm },
            Self::Adopted { arm } => cycle::Event::Adopted { arm: *arm },
            Self::RoundEnded => cycle::Event::RoundEnded,
            _ => return None,
        })
    }

    /// What happened to trials.
    fn of_trial(&self) -> Option<Event> {
        Some(match self {
            Self::Started { slot, attempt } => Event::Started { slot: *slot, attempt: *attempt },
            Self::Reused { slot, verdict, .. } => {
                Event::Reused { slot: *slot, verdict: verdict_of(verdict, None) }
            }
            Self::Unfillable { slot, cause, .. } => Event::Unfillable {
                slot: *slot,
                cause: VoidCause::named(cause).unwrap_or(VoidCause::EnvironmentSetup),
            },
            Self::Ended { slot, verdict, cause, spent } => Event::Ended {
                slot: *slot,
                verdict: verdict_of(verdict, cause.as_deref()),
                spent: spent.spent(),
            },
            Self::Discarded { slot, spent } => Event::Discarded { slot: *slot, spent: spent.spent() },
            Self::Planned { slot } => Event::Planned(slot.slot()),
            Self::Dropped { slot, spent } => Event::Dropped { slot: *slot, spent: spent.spent() },
            Self::Replied { spent, .. } => Event::Paid(spent.spent()),
            Self::Paused { why } => Event::Paused(why.clone()),
            Self::Resumed { retries } => Event::Resumed { retries: *retries },
            Self::Cancelled => Event::Cancelled,
            Self::Finished { finish } => Event::Finished(finish_of(finish)),
            _ => return None,
        })
    }
}

/// The limits of a budget with their words.
const LIMITS: [(Limit, &str); 5] = [
    (Limit::Trials, "budget-trials"),
    (Limit::Tokens, "budget-tokens"),
    (Limit::Cost, "budget-cost"),
    (Limit::Time, "budget-time"),
    (Limit::UnknownCost, "budget-unknown-cost"),
];

/// The word of an end.
#[must_use]
pub fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Complete => "complete",
        Finish::Cancelled => "cancelled",
        Finish::Infrastructure => "infrastructure",
        Finish::ContractBroken => "contract-broken",
        Finish::NoWeakness => "no-weakness",
        Finish::Stalled => "stalled",
        Finish::Rounds => "rounds",
        Finish::Budget(limit) => {
            LIMITS.iter().find(|(each, _)| each == limit).map_or("budget-trials", |(_, word)| word)
        }
    }
}

fn finish_of(word: &str) -> Finish {
    match word {
        "complete" => Finish::Complete,
        "cancelled" => Finish::Cancelled,
        "contract-broken" => Finish::ContractBroken,
        "no-weakness" => Finish::NoWeakness,
        "stalled" => Finish::Stalled,
        "rounds" => Finish::Rounds,
        word => LIMITS
            .iter()
            .find(|(_, each)| *each == word)
            .map_or(Finish::Infrastructure, |(limit, _)| Finish::Budget(*limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::verdict::Verdict;

    #[test]
    fn every_event_comes_back_and_a_later_one_is_unknown() {
        let spent = SpentRecord { trials: 1, tokens: 7, cost: None, time_ms: 12 };
        let finishes = [Finish::Complete, Finish::Cancelled, Finish::Infrastructure, Finish::ContractBroken];
        let finishes = finishes.into_iter().chain(LIMITS.into_iter().map(|(limit, _)| Finish::Budget(limit)));
        for finish in finishes {
            assert_eq!(finish_of(finish_word(&finish)), finish);
        }
        let ended =
            EventRecord::Ended { slot: 3, verdict: "void".into(), cause: Some("provider".into()), spent };
        let text = serde_json::to_string(&ended).unwrap();
        assert_eq!(
            text,
            r#"{"event":"ended","slot":3,"verdict":"void","cause":"provider","spent":{"trials":1,"tokens":7,"cost":null,"time_ms":12}}"#
        );
        let back: EventRecord = serde_json::from_str(&text).unwrap();
        let event =
            Event::Ended { slot: 3, verdict: Verdict::Void(VoidCause::Provider), spent: spent.spent() };
        assert_eq!(back.event(), Some(cycle::Event::Trial(event)));
        let later: EventRecord = serde_json::from_str(r#"{"event": "sealed", "reason": 1}"#).unwrap();
        assert_eq!(later.event(), None);
    }
}
