//! What there is to say about a run that is told: the scores, every proposal with its decision, what it cost and what was saved
//! (`method` 5.9 to 5.11). Held-out and sealed tasks are counted, and never named: a report has no place for their ids.
//!
//! A [`Chronicle`] takes in the events of a run and keeps what was known when each decision fell. Together with the words of the
//! store it makes a [`Report`], which is written as Markdown, JSON or HTML.

pub mod text;
pub mod measured;
pub mod standing;
pub mod chronicle;
mod compose;
pub mod words;
pub mod markdown;
pub mod json;
mod picture;
pub mod html;

use harness_schema::split::Split;

use super::budget::Spent;
use super::cycle::{Decision, Rules};

pub use self::chronicle::Chronicle;
pub use self::compose::{DEALS, of};
use self::measured::Measured;
use self::standing::{Grid, Point};

/// What a run is, in the words of its record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name: `r-0012`.
    pub run: String,
    /// What it was for: `improve`.
    pub verb: String,
    /// The harness's name.
    pub harness: String,
    /// The digest of the harness that it began with.
    pub harness_digest: String,
    /// The digest of the contract.
    pub contract: String,
    /// The model's name.
    pub model: String,
    /// How trials were kept apart from the machine.
    pub sandbox: String,
    /// When it was started, in milliseconds since 1970.
    pub started_ms: u64,
    /// Whether it is over. While it is not, what judges is not shown.
    pub is_over: bool,
    /// Where it stands, or how it ended, in a sentence.
    pub ending: String,
    /// How it ended, in a word: `rounds`; empty while it goes on.
    pub stop: String,
    /// What has to be known to read it: that it was imported, that there was no sandbox.
    pub remarks: Vec<String>,
    /// Held-in tasks that could not be measured, and why.
    pub unmeasured: Vec<(String, String)>,
    /// How many other tasks could not.
    pub unmeasured_others: u32,
}

/// What the store says of the proposals of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// Of each proposal, by its number.
    pub proposals: std::collections::BTreeMap<u32, Told>,
    /// The weaknesses that were mined in each round.
    pub weaknesses: Vec<Vec<Weakness>>,
    /// The drafts of each round that became no proposal.
    pub refused: Vec<Vec<Refused>>,
}

/// A weakness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weakness {
    /// The id of its cluster.
    pub cluster: String,
    /// What it is, in half a line.
    pub words: String,
    /// Held-in tasks that support it.
    pub support: u32,
    /// Of so many held-in tasks that failed at least once.
    pub failed: u32,
    /// `yes`, or why no edit could help.
    pub actionable: String,
    /// Where it belongs, the likeliest first: `harness.toml:41`.
    pub places: Vec<String>,
}

/// A draft that became no proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Which guard refused it.
    pub guard: String,
    /// Why.
    pub why: String,
    /// What it wanted to do; empty if it did not say so.
    pub summary: String,
    /// Who made it.
    pub author: String,
}

/// What a proposal says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// What it does, in a line.
    pub summary: String,
    /// Why it should help.
    pub why: String,
    /// `model`, or the name of an operator.
    pub author: String,
    /// The cluster that it is for.
    pub cluster: String,
    /// The surfaces that it changes, with their files.
    pub surfaces: Vec<(String, String)>,
    /// When it acts: `always`, or a condition.
    pub scope: String,
    /// Its cost in tokens.
    pub cost: f64,
    /// Whether somebody dismissed it.
    pub is_dismissed: bool,
}

/// A proposal with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its number.
    pub number: u32,
    /// What it says of itself; `None` if the store has lost it.
    pub told: Option<Told>,
    /// What was decided, if anything.
    pub decision: Option<Decision>,
    /// What the decision rests on; `None` if no trial of it was run.
    pub measured: Option<Measured>,
    /// Whether that is not shown yet, because the run goes on.
    pub is_hidden: bool,
    /// The proposals that were measured together with it.
    pub with: Vec<u32>,
    /// How many decisions had read the held-out tasks by then, this one included; `None` if it read none of them.
    pub look: Option<u32>,
}

/// Several proposals as one harness.
#[derive(Clone, Debug, PartialEq)]
pub struct Union {
    /// Their numbers, the most promising first.
    pub members: Vec<u32>,
    /// What was decided, if anything.
    pub decision: Option<Decision>,
    /// What the decision rests on.
    pub measured: Option<Measured>,
    /// As of a [proposal](Proposal::look).
    pub look: Option<u32>,
}

/// A round: what was mined, what was proposed, what was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// Weaknesses that an edit could help with; `None` if nothing was mined.
    pub actionable: Option<usize>,
    /// The weaknesses, the most promising first.
    pub weaknesses: Vec<Weakness>,
    /// The proposals, by number.
    pub proposals: Vec<Proposal>,
    /// Those that were tried together.
    pub unions: Vec<Union>,
    /// Drafts that became no proposal.
    pub refused: Vec<Refused>,
}

/// The score of a split, first and last.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitScore {
    /// The split.
    pub split: Split,
    /// The harness that the run began with; `None` while that is not to be shown.
    pub first: Option<Point>,
    /// The harness that it came to, if that is another one.
    pub last: Option<Point>,
    /// Tasks that mostly failed and now mostly pass, and the reverse, if there is another harness.
    pub flips: Option<(u32, u32)>,
}

/// A harness of the lineage: the first, or one that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The proposals that made it of the one before; none of the first.
    pub proposals: Vec<u32>,
    /// Its score on each split.
    pub points: Vec<Point>,
    /// The best held-out score that is shown: it moves only by more than one standard error (`method` 5.10).
    pub best_held_out: Option<Point>,
    /// Whether it moved with this step.
    pub has_moved: bool,
    /// How far its gain stood out, in a word; empty of the first.
    pub strength: &'static str,
    /// The decision's look at the held-out tasks.
    pub look: Option<u32>,
}

/// What something was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Trials of the harness as it is.
    Baseline,
    /// First trials of candidates.
    Screen,
    /// Fresh trials of candidates that survived.
    Confirm,
    /// Asking for proposals.
    Proposals,
}

impl Purpose {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::Screen, Self::Confirm, Self::Proposals];

    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Screen => "screen",
            Self::Confirm => "confirm",
            Self::Proposals => "proposals",
        }
    }
}

/// What was not spent, and what it would have been (`method` 5.11).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Savings {
    /// Slots that an earlier trial filled.
    pub reused: u32,
    /// Slots of decided candidates that never ran, because what they could say changed nothing.
    pub stopped: u32,
    /// Slots of tasks on which an edit cannot act.
    pub inert: u32,
    /// What every slot would have cost in US dollars; `None` if no price is known.
    pub cost_of_all: Option<f64>,
    /// What every slot would have cost in tokens.
    pub tokens_of_all: u64,
    /// The share of tasks that the same trials would pass as retries of the first harness, if somebody picked the best of each
    /// task. `None` without a measured task.
    pub as_retries: Option<f64>,
}

/// Everything that there is to say about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it is.
    pub about: About,
    /// By which rules proposals were compared; `None` of a run that compares none.
    pub rules: Option<Rules>,
    /// First and last score of each split.
    pub splits: Vec<SplitScore>,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// The first harness, and each that was accepted.
    pub steps: Vec<Step>,
    /// Task by task, trial by trial.
    pub grid: Grid,
    /// What was spent, by purpose.
    pub spending: Vec<(Purpose, Spent)>,
    /// What was spent in all.
    pub spent: Spent,
    /// What was not.
    pub savings: Savings,
    /// Trials that measured nothing, repeated ones among them.
    pub voids: u32,
    /// Decisions that read the held-out tasks so far, those of earlier runs under the same contract among them.
    pub looks: u32,
    /// How often the gate accepts the first harness against itself; `None` with fewer than four trials of a task.
    pub against_itself: Option<f64>,
}

impl Report {
    /// All proposals, round after round.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.rounds.iter().flat_map(|round| &round.proposals)
    }

    /// How many proposals were accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.proposals().filter(|proposal| proposal.decision == Some(Decision::Accepted)).count()
    }
}

#[cfg(test)]
mod tests;
