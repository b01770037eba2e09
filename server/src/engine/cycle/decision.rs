//! What the gate said of a proposal, and why (`method` 5.8).

use crate::engine::gate::stage::{Doubt, Loss};
use crate::engine::plan::Finish;

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It is better, by the rule of the gate.
    Accepted,
    /// It is not.
    Rejected(Reason),
    /// It may be, and was set aside.
    Held(Hold),
    /// It cannot be told.
    Undecided(Open),
}

/// Why a proposal is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its agent fails the task that the baseline nearly always passes, twice.
    Smoke,
    /// Its trigger fires on no held-in task.
    Inert,
    /// When it was screened.
    Screen(Loss),
    /// When it was confirmed.
    Confirm(Loss),
}

/// Why a proposal is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// Others of the same round promise more, or cannot stand beside it.
    MergeCap,
    /// It was part of a union that failed.
    UnionFailed,
    /// It meets the rule, and not the margin.
    SmallEffect,
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Open {
    /// The missing trials could decide either way, or are too many.
    Doubt(Doubt),
    /// Trials of the baseline alone fail as they would not by chance: the world has changed.
    Drift,
    /// Its trigger fires where it was not expected to. More trials are run.
    TriggerMoved,
    /// Its trials ran without a sandbox: what an agent does there may reach its verifier, and everything else.
    Unsandboxed,
    /// The run ended before, or what is left of the budget does not cover a decision.
    Budget,
    /// Somebody ended the run before.
    Cancelled,
    /// The machine or the provider failed.
    Infrastructure,
    /// What was compared has changed.
    ContractBroken,
}

const REASONS: [Reason; 8] = [
    Reason::Smoke,
    Reason::Inert,
    Reason::Screen(Loss::HeldIn),
    Reason::Screen(Loss::HeldOut),
    Reason::Screen(Loss::NoGain),
    Reason::Confirm(Loss::HeldIn),
    Reason::Confirm(Loss::HeldOut),
    Reason::Confirm(Loss::NoGain),
];
const HOLDS: [Hold; 3] = [Hold::MergeCap, Hold::UnionFailed, Hold::SmallEffect];
const OPENS: [Open; 9] = [
    Open::Doubt(Doubt::VoidCells),
    Open::Doubt(Doubt::MissingShare),
    Open::Drift,
    Open::TriggerMoved,
    Open::Unsandboxed,
    Open::Budget,
    Open::Cancelled,
    Open::Infrastructure,
    Open::ContractBroken,
];

impl Decision {
    /// The word in records and messages: `accepted`, `rejected`, `held`, `undecided`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Held(_) => "held",
            Self::Undecided(_) => "undecided",
        }
    }

    /// Why, in one word: `screen-held-out`; empty where there is nothing to say.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Accepted => "",
            Self::Rejected(reason) => reason.word(),
            Self::Held(hold) => hold.word(),
            Self::Undecided(open) => open.word(),
        }
    }

    /// Each that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Accepted)
            .chain(REASONS.map(Self::Rejected))
            .chain(HOLDS.map(Self::Held))
            .chain(OPENS.map(Self::Undecided))
    }

    /// The decision that two words name.
    #[must_use]
    pub fn named(word: &str, why: &str) -> Option<Self> {
        Self::all().find(|decision| (decision.word(), decision.why()) == (word, why))
    }

    /// Whether more trials could change it.
    #[must_use]
    pub fn is_interrupted(self) -> bool {
        matches!(self, Self::Undecided(Open::Budget | Open::Cancelled | Open::Infrastructure))
    }

    /// In a sentence, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Accepted => "better on these tasks, and nothing that passed is lost",
            Self::Rejected(reason) => match reason {
                Reason::Smoke => "fails a task twice that the baseline nearly always passes",
                Reason::Inert => "its trigger fires on no held-in task",
                Reason::Screen(loss) | Reason::Confirm(loss) => match loss {
                    Loss::HeldIn => "it would lose on held-in tasks",
                    Loss::HeldOut => "it would lose on held-out tasks",
                    Loss::NoGain => "it gains nothing",
                },
            },
            Self::Held(hold) => match hold {
                Hold::MergeCap => "others of this round promise more, or cannot stand beside it",
                Hold::UnionFailed => "the union that it was part of failed",
                Hold::SmallEffect => "it gains less than these tasks can tell from noise",
            },
            Self::Undecided(open) => match open {
                Open::Doubt(Doubt::VoidCells) => "missing trials could decide either way",
                Open::Doubt(Doubt::MissingShare) => "too many trials are missing",
                Open::Drift => "the baseline fails now what it passed before, so nothing can be compared",
                Open::TriggerMoved => {
                    "its trigger fires where it was not expected to, and more trials are needed"
                }
                Open::Unsandboxed => "trials without a sandbox prove nothing",
                Open::Budget => "the budget ended before a decision",
                Open::Cancelled => "the run was cancelled before a decision",
                Open::Infrastructure => "the machine or the provider failed before a decision",
                Open::ContractBroken => "what was compared has changed",
            },
        }
    }
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Inert => "inert",
            Self::Screen(Loss::HeldIn) => "screen-held-in",
            Self::Screen(Loss::HeldOut) => "screen-held-out",
            Self::Screen(Loss::NoGain) => "screen-no-gain",
            Self::Confirm(Loss::HeldIn) => "confirm-held-in",
            Self::Confirm(Loss::HeldOut) => "confirm-held-out",
            Self::Confirm(Loss::NoGain) => "confirm-no-gain",
        }
    }
}

impl Hold {
    fn word(self) -> &'static str {
        match self {
            Self::MergeCap => "merge-cap",
            Self::UnionFailed => "union-failed",
            Self::SmallEffect => "small-effect",
        }
    }
}

impl Open {
    fn word(self) -> &'static str {
        match self {
            Self::Doubt(doubt) => doubt.word(),
            Self::Drift => "drift",
            Self::TriggerMoved => "trigger-moved",
            Self::Unsandboxed => "unsandboxed",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
            Self::Infrastructure => "infrastructure",
            Self::ContractBroken => "contract-broken",
        }
    }

    /// Of a run that ended before a decision.
    #[must_use]
    pub fn of(finish: &Finish) -> Self {
        match finish {
            Finish::Cancelled => Self::Cancelled,
            Finish::Infrastructure => Self::Infrastructure,
            Finish::ContractBroken => Self::ContractBroken,
            Finish::Budget(_) | Finish::Complete | Finish::NoWeakness | Finish::Stalled | Finish::Rounds => {
                Self::Budget
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decision_is_found_by_its_words() {
        assert_eq!(Decision::all().count(), 1 + REASONS.len() + HOLDS.len() + OPENS.len());
        for decision in Decision::all() {
            assert_eq!(Decision::named(decision.word(), decision.why()), Some(decision));
            assert!(!decision.words().is_empty());
        }
        assert_eq!(Decision::named("held", "smoke"), None);
        for (open, word) in [(Open::Drift, "drift"), (Open::TriggerMoved, "trigger-moved")] {
            let decision = Decision::Undecided(open);
            assert_eq!((decision.word(), decision.why()), ("undecided", word));
            // The run itself sees to it that they are tried on or measured anew.
            assert!(!decision.is_interrupted());
        }
    }
}
