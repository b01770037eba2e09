//! The loop of a run as a value: measure the baseline, mine, propose, screen, merge, confirm, and again from the harness that came
//! out of it (`method` 1.1 and 5). It is the fold of its events; what comes next follows from them alone, so a worker that dies is
//! followed by one that goes on at the same place.
//!
//! Nothing is decided here that the [gate](super::gate) does not say: slots that were filled make a [`Stage`], and the stage
//! decides.

mod decision;
mod rules;
mod slots;
mod stages;
mod known;
mod watch;
mod reserve;
mod stall;
mod course;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness_schema::split::Split;

use super::budget::Spent;
use super::gate::comparison::Pair;
use super::gate::stage::Stage;
use super::plan::{self, Action, Finish, Run, Slot, State};

pub use self::decision::{Decision, Hold, Open, Reason};
use self::reserve::Screens;
pub use self::rules::Rules;
pub use self::sealed::Reading;
use self::slots::Slots;
use self::stall::Barren;
use self::watch::Watch;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Trials of one harness, and nothing else.
    Evaluate,
    /// Proposals for its weaknesses, that nobody has tried.
    Propose,
    /// A decision on proposals that are there.
    Validate,
    /// All of it, round after round.
    Improve,
    /// The one reading of sealed tasks, by the first and the last harness.
    Seal,
    /// Nothing: it holds what another program has measured, as evidence.
    Import,
}

impl Goal {
    /// The verb in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::Propose => "propose",
            Self::Validate => "validate",
            Self::Improve => "improve",
            Self::Seal => "seal",
            Self::Import => "import",
        }
    }

    /// The goal that a verb names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Evaluate, Self::Propose, Self::Validate, Self::Improve, Self::Seal, Self::Import]
            .into_iter()
            .find(|goal| goal.word() == word)
    }

    /// Whether it is over when its slots are: nothing is mined, proposed or compared by the gate.
    #[must_use]
    pub fn is_measurement(self) -> bool {
        matches!(self, Self::Evaluate | Self::Seal | Self::Import)
    }
}

/// What a run was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Its first slots, what it may spend, and how much runs side by side.
    pub trials: plan::Design,
    /// What it is for.
    pub goal: Goal,
    /// How proposals are judged.
    pub rules: Rules,
    /// The tasks that harnesses are compared on.
    pub tasks: Vec<(String, Split)>,
    /// The proposals that are to be validated, if that is what it is for.
    pub candidates: Vec<Candidate>,
    /// Whether its trials run in a sandbox. Without one nothing is accepted or rejected by them.
    pub is_confined: bool,
}

/// A proposal that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The proposal's number.
    pub proposal: u32,
    /// The tasks on which it can change anything, where that is known: elsewhere it sends the same bytes as the baseline.
    pub active: Option<BTreeSet<String>>,
}

/// A harness that trials are run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The harness that it is made from; itself for the first.
    pub parent: usize,
    /// The proposals in it that its parent has not.
    pub members: Vec<u32>,
    /// The tasks on which it can differ from its parent, where that is known.
    pub active: Option<BTreeSet<String>>,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// To its trials.
    Trial(plan::Event),
    /// The weaknesses of the working harness are known: so many that an edit could help with.
    Mined {
        /// How many.
        actionable: usize,
    },
    /// Proposals were made, and these are tried.
    Proposed {
        /// Which.
        candidates: Vec<Candidate>,
        /// What making them took.
        spent: Spent,
    },
    /// A proposal was decided on.
    Decided {
        /// Its number.
        proposal: u32,
        /// What was decided.
        decision: Decision,
    },
    /// Every candidate was screened; these arms go on.
    Screened {
        /// Which, the most promising first.
        survivors: Vec<usize>,
    },
    /// These proposals make one harness.
    Merged {
        /// Their numbers, the most promising first.
        members: Vec<u32>,
    },
    /// The audits of an arm were looked at: on these tasks, that were called inert, a new rule of it has fired. They are active
    /// from now on.
    Activated {
        /// The arm.
        arm: usize,
        /// The tasks; none if all is as it was expected.
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
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Something about trials.
    Trial(Action),
    /// Store these events and take them in.
    Record(Vec<Event>),
    /// Stop the trial of this slot, if one runs: nobody needs it.
    Drop(usize),
    /// Look at the traces of these slots, whether a rule fired that the arm has and its parent has not; the answer is
    /// [`Event::Activated`].
    Audit {
        /// The arm.
        arm: usize,
        /// The slots of its audits.
        slots: Vec<usize>,
    },
    /// Mine the failures of the working harness.
    Mine,
    /// Ask for proposals.
    Propose,
    /// Make one harness of these survivors: proposal and expected gain in tasks.
    Merge(Vec<(u32, f64)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// The working harness is measured.
    Baseline,
    Mined,
    Screening(Vec<usize>),
    Merging(Vec<usize>),
    Confirming {
        arm: usize,
        /// Whether it is alone because its union failed.
        is_fallback: bool,
        /// What watches it.
        watch: Watch,
    },
    /// It is over.
    Done(Finish),
}

/// A run with everything that happened.
#[derive(Clone, Debug)]
pub struct Cycle {
    design: Design,
    trials: Run,
    slots: Slots,
    arms: Vec<Arm>,
    working: usize,
    /// From 0.
    round: u32,
    phase: Phase,
    decisions: BTreeMap<u32, Decision>,
    /// Rounds in a row that nothing survived.
    barren: Barren,
    /// What screens have cost so far.
    screens: Screens,
    /// Slots before this one stand for no harness any more: the world has changed since.
    since: usize,
    /// The arms whose audits were looked at, with the tasks where a rule fired against expectation.
    audited: BTreeMap<usize, BTreeSet<String>>,
    /// Slots whose trials were asked to stop.
    dropping: BTreeSet<usize>,
    /// The [stages](Self::stages), once they were made, for as long as only trials happen: each asks for one task anew.
    known: Option<Vec<(usize, Stage)>>,
}

impl Cycle {
    /// A run in which nothing has happened. Slots of sealed tasks are dropped before they could start, unless it is for the one
    /// reading of them; that reading drops all others.
    #[must_use]
    pub fn new(mut design: Design) -> Self {
        design.tasks.retain(|(_, split)| sealed::fits(design.goal, *split));
        let mut slots = Slots::default();
        for (at, slot) in design.trials.slots.iter().enumerate() {
            slots.add(at, slot);
        }
        let mut trials = Run::new(design.trials.clone());
        for (at, slot) in design.trials.slots.iter().enumerate() {
            sealed::keep(design.goal, at, slot, &mut trials);
        }
        let arm = Arm { parent: 0, members: Vec::new(), active: None };
        let arms = if design.goal == Goal::Seal { 2 } else { 1 };
        Self {
            trials,
            design,
            slots,
            arms: vec![arm; arms],
            working: 0,
            round: 0,
            phase: Phase::Baseline,
            decisions: BTreeMap::new(),
            barren: Barren::default(),
            screens: Screens::default(),
            since: 0,
            audited: BTreeMap::new(),
            dropping: BTreeSet::new(),
            known: None,
        }
    }

    /// What it was asked to do.
    #[must_use]
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Its trials.
    #[must_use]
    pub fn trials(&self) -> &Run {
        &self.trials
    }

    /// The harnesses that trials are run with; the first is the one that it began with.
    #[must_use]
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// The harness that it works from now: the last that was accepted.
    #[must_use]
    pub fn working(&self) -> usize {
        self.working
    }

    /// Which round it is in, from 0.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.round
    }

    /// What was decided, by the number of the proposal.
    #[must_use]
    pub fn decisions(&self) -> &BTreeMap<u32, Decision> {
        &self.decisions
    }

    /// What it is at, in a word: `baseline`, `mining`, `screening`, `merging`, `confirming`, `done`.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        match self.phase {
            Phase::Baseline => "baseline",
            Phase::Mined => "proposing",
            Phase::Screening(_) => "screening",
            Phase::Merging(_) => "merging",
            Phase::Confirming { .. } => "confirming",
            Phase::Done(_) => "done",
        }
    }

    /// The arms that are tried now, with what the gate knows of each.
    #[must_use]
    pub fn stages(&self) -> Vec<(usize, Stage)> {
        match &self.phase {
            Phase::Screening(arms) => arms.iter().map(|arm| (*arm, self.screen(*arm))).collect(),
            Phase::Confirming { arm, .. } => vec![(*arm, self.confirmation(*arm))],
            _ => Vec::new(),
        }
    }

    /// The stage of a candidate: its confirmation if it had one, else its screening.
    #[must_use]
    pub fn stage_of(&self, arm: usize) -> Stage {
        if self.is_confirmed(arm) { self.confirmation(arm) } else { self.screen(arm) }
    }

    /// Both arms on every task, by what was run last of a candidate: what a [comparison](super::gate::comparison) is made of.
    #[must_use]
    pub fn pairs(&self, arm: usize) -> Vec<(String, Split, Pair)> {
        let stage = self.stage_of(arm);
        let pairs = stage.tasks().iter().zip(stage.cells()).map(|(task, cell)| {
            let baseline = (task.record.passes, task.record.valid);
            let candidate = (cell.passes, cell.passes + cell.fails);
            (task.id.clone(), task.split, Pair { baseline, candidate })
        });
        pairs.collect()
    }

    /// The slots whose trials say how the working harness does: those that the gate compares candidates with.
    #[must_use]
    pub fn measured(&self) -> Vec<usize> {
        let tasks = self.design.tasks.iter();
        let mut slots: Vec<usize> = tasks.flat_map(|(task, _)| self.standing(self.working, task)).collect();
        slots.retain(|slot| matches!(self.trials.states().get(*slot), Some(State::Filled(_))));
        slots.sort_unstable();
        slots
    }

    /// Takes in what happened at a time. What cannot be changes nothing.
    pub fn apply(&mut self, at: Duration, event: &Event) {
        let known = self.known.take();
        self.take_in(at, event);
        self.known = known.and_then(|stages| self.still_known(stages, event));
    }

    fn take_in(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Trial(event) => self.of_trial(at, event),
            Event::Mined { actionable } => {
                if self.phase == Phase::Baseline {
                    self.phase =
                        if *actionable == 0 { Phase::Done(Finish::NoWeakness) } else { Phase::Mined };
                }
            }
            Event::Proposed { candidates, spent } => {
                self.trials.apply(at, &plan::Event::Paid(*spent));
                self.proposed(candidates);
            }
            Event::Decided { proposal, decision } => {
                self.decisions.insert(*proposal, *decision);
                if *decision == Decision::Undecided(Open::Drift) {
                    self.since = self.trials.states().len();
                }
            }
            Event::Screened { survivors } => {
                self.count_screens();
                self.barren.screened(!survivors.is_empty(), self.arms.len());
                self.phase = Phase::Merging(survivors.clone());
            }
            Event::Merged { members } => self.merged(members),
            Event::Activated { arm, tasks } => self.activated(*arm, tasks),
            Event::FellBack { arm } => self.confirm(*arm, true),
            Event::Adopted { arm } => {
                if self.arms.get(*arm).is_some() {
                    self.working = *arm;
                }
            }
            Event::RoundEnded => self.round_ended(),
        }
    }

    fn of_trial(&mut self, at: Duration, event: &plan::Event) {
        match event {
            plan::Event::Planned(slot) => {
                let planned = self.trials.states().len();
                self.slots.add(planned, slot);
                self.trials.apply(at, event);
                return sealed::keep(self.design.goal, planned, slot, &mut self.trials);
            }
            plan::Event::Ended { slot, spent, .. } => {
                // One that nobody needs may have been void: then it is named once more.
                self.dropping.remove(slot);
                self.slots.took(*slot, spent.time);
            }
            plan::Event::Discarded { slot, .. } | plan::Event::Dropped { slot, .. } => {
                self.dropping.remove(slot);
            }
            plan::Event::Reused { slot, .. } => self.is_of_another_day(*slot),
            plan::Event::Resumed { .. } => {
                // Those that were only interrupted are tried on.
                self.decisions.retain(|_, decision| !decision.is_interrupted());
                self.dropping.clear();
            }
            _ => {}
        }
        self.trials.apply(at, event);
    }

    fn proposed(&mut self, candidates: &[Candidate]) {
        let first = self.arms.len();
        let again = self.small_effects();
        for candidate in candidates.iter().chain(&again) {
            self.arms.push(Arm {
                parent: self.working,
                members: vec![candidate.proposal],
                active: candidate.active.clone(),
            });
        }
        again.iter().for_each(|candidate| {
            self.decisions.remove(&candidate.proposal);
        });
        self.phase = match self.design.goal {
            Goal::Propose => Phase::Done(Finish::Complete),
            _ => Phase::Screening((first..self.arms.len()).collect()),
        };
    }

    fn merged(&mut self, members: &[u32]) {
        let arms: Vec<usize> = members.iter().filter_map(|member| self.arm_of(*member)).collect();
        let arm = match arms.as_slice() {
            [] => return,
            [arm] => *arm,
            several => {
                let active = several.iter().map(|arm| self.arms.get(*arm)?.active.clone());
                // Known of the union only if it is known of each.
                let active: Option<Vec<BTreeSet<String>>> = active.collect();
                self.arms.push(Arm {
                    parent: self.working,
                    members: members.to_vec(),
                    active: active.map(|active| active.into_iter().flatten().collect()),
                });
                self.arms.len() - 1
            }
        };
        self.confirm(arm, false);
    }

    /// Proposals that met the rule and not the margin, each once more against the same baseline (`method` 5.8).
    fn small_effects(&self) -> Vec<Candidate> {
        if self.design.goal != Goal::Improve {
            return Vec::new();
        }
        let held =
            self.decisions.iter().filter(|(_, decision)| **decision == Decision::Held(Hold::SmallEffect));
        let again = held.filter_map(|(proposal, _)| {
            let members = [*proposal];
            let mut tried = self.twins(self.working, &members);
            let (first, second) = (tried.next()?, tried.next());
            let active = self.arms.get(first)?.active.clone();
            second.is_none().then_some(Candidate { proposal: *proposal, active })
        });
        again.collect()
    }

    /// The arms of the same proposals on the same parent, the oldest first: one harness.
    fn twins(&self, parent: usize, members: &[u32]) -> impl Iterator<Item = usize> {
        let arms = self.arms.iter().enumerate();
        arms.filter(move |(_, arm)| arm.parent == parent && arm.members == members).map(|(at, _)| at)
    }

    fn round_ended(&mut self) {
        self.round += 1;
        let is_last = self.design.rules.rounds <= self.round;
        self.phase = match self.design.goal {
            Goal::Improve if self.is_stalled() => Phase::Done(Finish::Stalled),
            Goal::Improve if is_last => Phase::Done(Finish::Rounds),
            Goal::Improve => Phase::Baseline,
            _ => Phase::Done(Finish::Complete),
        };
    }

    /// The newest arm of one proposal alone.
    #[must_use]
    pub fn arm_of(&self, proposal: u32) -> Option<usize> {
        self.arms.iter().rposition(|arm| arm.members == [proposal])
    }

    /// How the run ends, once [`Action::Finish`] was said.
    #[must_use]
    pub fn ending(&self) -> Option<&Finish> {
        self.trials.ending()
    }
}

/// A slot of a candidate or of the baseline.
fn slot(arm: usize, task: &str, split: Split, role: super::contract::Role, repeat: u32) -> Slot {
    Slot { arm, task: task.to_owned(), split, role, repeat }
}

#[cfg(test)]
mod tests;
