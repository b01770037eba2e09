//! What the store of a project has to say to somebody who edits the harness: scores, weaknesses, proposals and runs, as values. The
//! editor features draw them; nothing here knows a document that is open.
//!
//! Held-out tasks are in it as totals and flips, never with a name, a trace or a text. While a run is open nothing of what judges is
//! in it but how much of it has run (`editor` 1.4, 3.5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use harness_schema::digest::Digest;
use harness_schema::manifest::Gate;
use harness_schema::path::FilePath;

use super::cycle::{Decision, Goal};
use super::plan::State;
use super::report::measured::Measured;
use super::report::standing::Point;

/// The texts of a harness, by path.
pub type Texts = Arc<BTreeMap<FilePath, String>>;

/// Everything that is known of a project besides its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Whether somebody trusts the project.
    pub trust: Trust,
    /// Where the store stands.
    pub store: StoreState,
    /// The digests of files that a harness names and an editor does not read: programs.
    pub programs: BTreeMap<FilePath, Digest>,
    /// The runs, the newest first.
    pub runs: Vec<RunLine>,
    /// The harnesses that were measured as the project is now, the newest first: the same model, tasks, verifiers and limits.
    pub measured: Vec<Scored>,
    /// What the failures of the harness that was measured last have in common, the most promising first.
    pub mined: Option<Mined>,
    /// The proposals, by number.
    pub proposals: BTreeMap<u32, Proposal>,
    /// What was accepted as a whole: one proposal, or several that were validated together. The newest first.
    pub accepted: Vec<Accepted>,
    /// What a start would do next and about cost.
    pub next: Next,
    /// The trials of held-in tasks in the newest run that has any.
    pub tests: Tests,
    /// What is wrong with machine or provider since the last start (`editor` 2.2).
    pub environment: Vec<Environment>,
    /// Why something of this is not told although the store can be read; empty if nothing is in the way. What could not be read must
    /// not look like something that was not found.
    pub remark: String,
}

/// Whether a project may execute anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nobody has trusted it.
    #[default]
    Untrusted,
    /// Somebody has, as it is.
    Trusted,
    /// What decides what is executed is not what was trusted: the sentences say what.
    Changed(Vec<String>),
}

/// Where the store of a project stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// There is none.
    #[default]
    Missing,
    /// This machine wrote it.
    Own,
    /// It comes from elsewhere: it is shown, and nothing in it may be applied.
    Imported,
    /// It cannot be read; why.
    Unreadable(String),
}

/// What everything says that is said of a run without a sandbox (`editor` 7).
pub const UNCONFINED: &str = "NOT SANDBOXED";

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    /// Its number in the store.
    pub number: i64,
    /// `r-0142`.
    pub name: String,
    /// What it is for.
    pub goal: Goal,
    /// Where it stands.
    pub status: Status,
    /// How it ended, or where it stands, in a sentence (`editor` 3.3).
    pub sentence: String,
    /// Progress, in a line (`editor` 3.5); empty when it is over.
    pub line: String,
    /// Why it waits, or what it has spent if it is capped; else empty.
    pub cause: String,
    /// Whether it has ended because it has spent what it may: with more it goes on.
    pub is_capped: bool,
    /// How far it is.
    pub progress: Progress,
    /// The digest of the harness that it began with.
    pub harness: String,
    /// The digest of its contract.
    pub contract: String,
    /// The gate; `None` of a run that compares nothing.
    pub gate: Option<Gate>,
    /// Whether its trials run in a sandbox.
    pub is_confined: bool,
    /// Who started it: `the command line`, `Neovim`.
    pub started_by: String,
    /// When, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Where a run stands; the words are those of `selfHarness/runState` (`editor` 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It waits for a worker or for another run.
    Queued,
    /// Somebody works on it.
    Running,
    /// It was asked to end.
    Stopping,
    /// It waits for somebody, or for the provider.
    Paused,
    /// Nobody works on it although it is not over.
    Interrupted,
    /// It ended with something to show.
    Result,
    /// It ended and there was nothing to find.
    Empty,
    /// Somebody ended it.
    Cancelled,
    /// It ended and cannot tell.
    Undecided,
    /// It failed.
    Failed,
}

impl Status {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Result => "result",
            Self::Empty => "empty",
            Self::Cancelled => "cancelled",
            Self::Undecided => "undecided",
            Self::Failed => "failed",
        }
    }

    /// Whether somebody works on it, or will without being asked.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Stopping)
    }

    /// Whether it could go on: it is not over, and nobody works on it.
    #[must_use]
    pub fn may_resume(self) -> bool {
        matches!(self, Self::Paused | Self::Interrupted)
    }

    /// Whether it is over for good.
    #[must_use]
    pub fn is_over(self) -> bool {
        !self.is_active() && !self.may_resume()
    }
}

/// How far a run is. Of held-out trials only how many are done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Trials that are filled.
    pub done: u32,
    /// Trials that are planned.
    pub total: u32,
    /// Trials that run now.
    pub running: u32,
    /// Trials that measured nothing.
    pub void: u32,
    /// Held-in trials that passed and that failed, so far.
    pub held_in: (u32, u32),
    /// Held-out trials that are done, and that are planned.
    pub held_out: (u32, u32),
    /// US dollars spent; `None` if the price is not known.
    pub cost: Option<f64>,
    /// US dollars that it may spend; `None` if nothing limits them.
    pub cap: Option<f64>,
    /// Seconds that are left, about; `None` while too little is known.
    pub eta: Option<u64>,
}

/// A harness that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Its digest.
    pub harness: String,
    /// The run that measured it.
    pub run: String,
    /// Its texts, as they were measured.
    pub texts: Texts,
    /// Held-in; `None` without a measured task.
    pub held_in: Option<Point>,
    /// Held-out; `None` without a measured task.
    pub held_out: Option<Point>,
    /// The proposals that made it of the harness that its run began with; none of that one.
    pub proposals: Vec<u32>,
}

/// What was mined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mined {
    /// The run whose trials were mined.
    pub run: String,
    /// Whether that run was under the contract of now. What was mined under another one is old: model, limits or tasks are others.
    pub is_current: bool,
    /// Where its trials come from, if another program ran them: `a Harbor job`.
    pub imported: Option<String>,
    /// The digest of the harness that failed; empty if nobody knows it.
    pub harness: String,
    /// Its texts; the places of weaknesses are places in these.
    pub texts: Texts,
    /// Held-in tasks that failed at least once.
    pub failed: u32,
    /// Held-in trials in all.
    pub trials: u32,
    /// Whether failures are too few or too different to say much.
    pub is_cold: bool,
    /// The weaknesses, the most promising first.
    pub weaknesses: Vec<Weakness>,
    /// Held-in trials that ended at a limit: `max_steps` and how many, most first.
    pub limits: Vec<(String, u32)>,
    /// Tasks that no harness ever passed, always with the same failing check.
    pub suspects: Vec<String>,
}

impl Mined {
    /// Whether what failed is known to be another harness than the one with this digest. Of what was imported that is mostly not
    /// known.
    #[must_use]
    pub fn is_of_another(&self, harness: &str) -> bool {
        !self.harness.is_empty() && self.harness != harness
    }
}

/// A weakness: a cluster of failures, and where in the harness it belongs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weakness {
    /// The whole id of its cluster.
    pub cluster: String,
    /// The id as people read it: `C-7f3a`.
    pub name: String,
    /// What the agent does, in words: `stops without checking its last change`.
    pub title: String,
    /// Its signature: `value.mismatch · direct`.
    pub signature: String,
    /// The detector's name; empty if there is none.
    pub mechanism: String,
    /// Held-in tasks that fail like this.
    pub support: u32,
    /// `yes`, or why no edit could help.
    pub actionable: String,
    /// Whether trials that pass show it as well.
    pub is_habit: bool,
    /// Those tasks.
    pub tasks: Vec<String>,
    /// Where it belongs, the likeliest first.
    pub places: Vec<Place>,
    /// What was seen, at most three.
    pub quotes: Vec<Quote>,
}

/// Where a weakness belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The surface.
    pub surface: String,
    /// The file.
    pub file: Option<FilePath>,
    /// First byte of the line in the text that was measured.
    pub start: usize,
    /// First byte behind it.
    pub end: usize,
    /// `knob`, `conflicting`, `triggering`, `violated` or `absent`.
    pub relation: String,
}

/// Something that a held-in trial did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// The run.
    pub run: String,
    /// The task.
    pub task: String,
    /// Which repeat, from 0.
    pub repeat: u32,
    /// The step, from 1, and how many there are; `None` if it is about no step.
    pub step: Option<(usize, usize)>,
    /// What was said there: one line.
    pub text: String,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its number.
    pub number: u32,
    /// What it does, in a line.
    pub summary: String,
    /// Why it should help.
    pub why: String,
    /// `model`, `you`, or the name of an operator.
    pub author: String,
    /// The cluster that it is for, as people read it; empty if it is for none.
    pub cluster: String,
    /// The digest of the harness that it was made for.
    pub harness: String,
    /// The texts of that harness.
    pub base: Texts,
    /// What it changes.
    pub edits: Vec<Edit>,
    /// The files that it changes, whole, as they are afterwards.
    pub files: BTreeMap<FilePath, String>,
    /// When it acts: `always`, or a condition.
    pub scope: String,
    /// Tasks that it should mend.
    pub fixes: Vec<String>,
    /// Tasks that it may break.
    pub risks: Vec<String>,
    /// What was decided, if anything; what a run decides is told when it is over.
    pub decision: Option<Decision>,
    /// By which gate.
    pub gate: Option<Gate>,
    /// What the decision rests on; `None` if no trial of it was run.
    pub measured: Option<Measured>,
    /// The decision's look at the held-out tasks.
    pub look: Option<u32>,
    /// The run that decided, or that made it.
    pub run: String,
    /// Whether somebody dismissed it.
    pub is_dismissed: bool,
    /// The proposals that were measured together with it.
    pub with: Vec<u32>,
}

/// A change of a surface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The surface.
    pub surface: String,
    /// The file.
    pub file: Option<FilePath>,
    /// Its value before.
    pub before: String,
    /// Its value afterwards.
    pub after: String,
}

/// What was accepted as a whole: exactly this was validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The proposals.
    pub proposals: Vec<u32>,
    /// The run.
    pub run: String,
    /// The digest of the harness that it was compared with.
    pub harness: String,
    /// The texts of that harness.
    pub base: Texts,
    /// The digest of the harness that it makes.
    pub result: String,
    /// The files that it changes, whole, as they are afterwards.
    pub files: BTreeMap<FilePath, String>,
    /// What the decision rests on.
    pub measured: Option<Measured>,
    /// The decision's look at the held-out tasks.
    pub look: Option<u32>,
    /// The gate.
    pub gate: Option<Gate>,
}

/// The trials of held-in tasks in a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tests {
    /// The digest of the harness that was tried.
    pub harness: String,
    /// The trials, by task.
    pub states: BTreeMap<String, Vec<State>>,
    /// The tasks of these whose trials would be others now, whatever the harness: their files, the model or the limits changed.
    pub changed: BTreeSet<String>,
}

/// What a start would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Tasks that would be run, and how often each.
    pub tasks: u32,
    /// How often each.
    pub repeats: u32,
    /// What an evaluation of the harness on disk would cost: `about $1.10–2.40`; empty while that is not known.
    pub price: String,
    /// How many seconds it would take; `None` while that is not known.
    pub seconds: Option<u64>,
    /// What asking for proposals would cost; empty while that is not known.
    pub propose: String,
    /// What a decision on the proposals that wait would cost, likewise.
    pub validate: String,
    /// What is left to pay of the run that could go on, likewise.
    pub resume: String,
    /// Proposals for the harness on disk that wait for a decision.
    pub waiting: Vec<u32>,
    /// The variable that the model's key is read from, if it is not set.
    pub missing_key: Option<String>,
}

/// Something wrong with the machine or the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The code: `SH901`.
    pub code: &'static str,
    /// The table or key of the manifest that it is shown at: `model.endpoint`; or a task.
    pub at: Spot,
    /// What is wrong.
    pub message: String,
    /// Why it matters.
    pub why: String,
}

/// Where an environment problem is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// At a key of the manifest, by its path.
    Key(&'static [&'static str]),
    /// At a task.
    Task(String),
}

impl Board {
    /// The run that somebody works on, or that waits for one; the oldest.
    #[must_use]
    pub fn active(&self) -> Option<&RunLine> {
        self.runs.iter().rev().find(|run| run.status.is_active())
    }

    /// Whether nothing but the progress of runs differs: what is shown at lines, in texts and in lists of names stays as it is, and
    /// only what counts trials is another.
    #[must_use]
    pub fn differs_in_progress_only(&self, other: &Self) -> bool {
        let Self {
            trust,
            store,
            programs,
            runs,
            measured,
            mined,
            proposals,
            accepted,
            next,
            tests: _,
            environment,
            remark,
        } = self;
        let stand = |run: &RunLine| (run.number, run.status);
        runs.iter().map(stand).eq(other.runs.iter().map(stand))
            && (trust, store, programs, next) == (&other.trust, &other.store, &other.programs, &other.next)
            && (measured, mined, environment) == (&other.measured, &other.mined, &other.environment)
            && (proposals, accepted, remark) == (&other.proposals, &other.accepted, &other.remark)
    }

    /// The newest run that is not over: somebody works on it, or it could go on. What it has measured so far judges nothing yet
    /// (`editor` 1.4).
    #[must_use]
    pub fn open(&self) -> Option<&RunLine> {
        self.runs.iter().find(|run| !run.status.is_over())
    }

    /// The newest run that could go on, if none is active.
    #[must_use]
    pub fn resumable(&self) -> Option<&RunLine> {
        self.runs.iter().find(|run| run.status.may_resume()).filter(|_| self.active().is_none())
    }

    /// The newest run, if it has spent what it may and could go on with more.
    #[must_use]
    pub fn capped(&self) -> Option<&RunLine> {
        self.runs.first().filter(|run| run.is_capped)
    }

    /// How many tasks fail as a proposal says; `None` if that is not known.
    #[must_use]
    pub fn support(&self, proposal: u32) -> Option<u32> {
        let cluster = &self.proposals.get(&proposal)?.cluster;
        let weaknesses = &self.mined.as_ref()?.weaknesses;
        weaknesses.iter().find(|weakness| weakness.name == *cluster).map(|weakness| weakness.support)
    }

    /// The scores of a harness.
    #[must_use]
    pub fn scored(&self, harness: &str) -> Option<&Scored> {
        self.measured.iter().find(|scored| scored.harness == harness)
    }
}
