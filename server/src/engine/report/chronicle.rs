//! A run as it is told: the [cycle](Cycle), and beside it what is not to be seen at its end any more — what was known when each
//! decision fell, which look at the held-out tasks it was, and what each stage cost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness_schema::split::Split;

use super::Purpose;
use super::Savings;
use super::measured::{Measured, count};
use super::standing::{Mark, Standing};
use crate::engine::budget::Spent;
use crate::engine::contract::Role;
use crate::engine::cycle::{Cycle, Decision, Design, Event, Open, Reason};
use crate::engine::gate::comparison;
use crate::engine::gate::ledger::Chance;
use crate::engine::gate::stage::{self, Stage};
use crate::engine::plan::{self, State};

/// A decision, with what was known when it fell.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was decided.
    pub decision: Decision,
    /// The arm that was measured: the proposal alone, or a union that it is part of.
    pub arm: usize,
    /// What it rests on; `None` if nothing was run.
    pub measured: Option<Measured>,
    /// Which look at the held-out tasks it was, from 1; `None` if it read none of them.
    pub look: Option<u32>,
}

/// A round, by numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Weaknesses that an edit could help with.
    pub actionable: Option<usize>,
    /// The proposals that were made.
    pub candidates: Vec<u32>,
    /// The arms of several proposals.
    pub unions: Vec<usize>,
}

/// A run as it is told.
#[derive(Clone, Debug)]
pub struct Chronicle {
    cycle: Cycle,
    rounds: Vec<Past>,
    /// By proposal.
    judgements: BTreeMap<u32, Judgement>,
    /// Of unions, by arm.
    of_unions: BTreeMap<usize, Judgement>,
    /// The arms that became the working harness, in order.
    adopted: Vec<usize>,
    /// Looks at the held-out tasks before this run.
    looks_before: u32,
    /// Which look the screening of an arm was, and its confirmation.
    looks: BTreeMap<(usize, bool), u32>,
    spending: BTreeMap<Purpose, Spent>,
    /// Slots of which a trial was started.
    started: BTreeSet<usize>,
    reused: u32,
}

impl Chronicle {
    /// Of a run in which nothing has happened. `looks` is how many decisions have read the held-out tasks before.
    #[must_use]
    pub fn new(design: Design, looks: u32) -> Self {
        Self {
            cycle: Cycle::new(design),
            rounds: Vec::new(),
            judgements: BTreeMap::new(),
            of_unions: BTreeMap::new(),
            adopted: Vec::new(),
            looks_before: looks,
            looks: BTreeMap::new(),
            spending: BTreeMap::new(),
            started: BTreeSet::new(),
            reused: 0,
        }
    }

    /// Takes in what happened at a time.
    pub fn tell(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Trial(event) => self.of_trial(event),
            Event::Mined { actionable } => self.round(|past| past.actionable = Some(*actionable)),
            Event::Proposed { candidates, spent } => {
                self.pay(Purpose::Proposals, *spent);
                self.round(|past| {
                    past.candidates.extend(candidates.iter().map(|candidate| candidate.proposal))
                });
            }
            Event::Decided { proposal, decision } => self.judge(*proposal, *decision),
            Event::Screened { .. } => {
                for (arm, stage) in self.cycle.stages() {
                    self.look(arm, false, &stage);
                }
            }
            Event::FellBack { .. } => self.union_failed(),
            Event::Adopted { arm } => self.adopted.push(*arm),
            Event::Merged { .. } | Event::RoundEnded | Event::Activated { .. } => {}
        }
        let arms = self.cycle.arms().len();
        self.cycle.apply(at, event);
        if let Event::Merged { members } = event
            && 1 < members.len()
            && arms < self.cycle.arms().len()
        {
            self.round(|past| past.unions.push(arms));
        }
    }

    fn round(&mut self, change: impl FnOnce(&mut Past)) {
        let at = self.cycle.round() as usize;
        if self.rounds.len() <= at {
            self.rounds.resize(at + 1, Past::default());
        }
        if let Some(past) = self.rounds.get_mut(at) {
            change(past);
        }
    }

    fn of_trial(&mut self, event: &plan::Event) {
        match event {
            plan::Event::Started { slot, .. } => {
                self.started.insert(*slot);
            }
            plan::Event::Reused { .. } => self.reused += 1,
            plan::Event::Ended { slot, spent, .. }
            | plan::Event::Discarded { slot, spent }
            | plan::Event::Dropped { slot, spent } => {
                let is_running =
                    matches!(self.cycle.trials().states().get(*slot), Some(State::Running { .. }));
                if is_running && let Some(purpose) = self.purpose(*slot) {
                    self.pay(purpose, *spent);
                }
            }
            plan::Event::Paid(spent) => self.pay(Purpose::Proposals, *spent),
            _ => {}
        }
    }

    fn purpose(&self, slot: usize) -> Option<Purpose> {
        Some(match self.cycle.trials().design().slots.get(slot)?.role {
            Role::Baseline | Role::Sentinel | Role::Sealed => Purpose::Baseline,
            Role::Screen | Role::Smoke | Role::Audit => Purpose::Screen,
            Role::Confirm => Purpose::Confirm,
            // Nothing was paid here.
            Role::Imported => return None,
        })
    }

    fn pay(&mut self, purpose: Purpose, spent: Spent) {
        let paid = self.spending.entry(purpose).or_insert_with(Spent::nothing);
        *paid = paid.and(spent);
    }

    /// The arm that a decision on a proposal is about.
    fn tried(&self, proposal: u32) -> Option<usize> {
        let stages = self.cycle.stages();
        let has = |arm: usize| self.cycle.arms().get(arm).is_some_and(|arm| arm.members.contains(&proposal));
        let now = stages.into_iter().map(|(arm, _)| arm).find(|arm| has(*arm));
        now.or_else(|| self.cycle.arm_of(proposal))
    }

    fn judge(&mut self, proposal: u32, decision: Decision) {
        let Some(arm) = self.tried(proposal) else { return };
        let judgement = self.judgement(arm, decision);
        let is_union = self.cycle.arms().get(arm).is_some_and(|arm| 1 < arm.members.len());
        // Why the others are held is told when the union falls back.
        if is_union && !matches!(decision, Decision::Held(_)) {
            self.of_unions.insert(arm, judgement.clone());
        }
        self.judgements.insert(proposal, judgement);
    }

    fn judgement(&mut self, arm: usize, decision: Decision) -> Judgement {
        let stage = self.cycle.stage_of(arm);
        let is_confirmed = self.is_confirmed(arm);
        let pairs = self.cycle.pairs(arm);
        let seed = self.cycle.design().trials.seed;
        let measured = Measured::of(&stage, &pairs, seed);
        let look = self.look(arm, is_confirmed, &stage);
        Judgement { decision, arm, measured, look }
    }

    fn is_confirmed(&self, arm: usize) -> bool {
        let mut slots = self.cycle.trials().design().slots.iter();
        slots.any(|slot| slot.arm == arm && slot.role == Role::Confirm)
    }

    /// A decision reads a stage: its look at the held-out tasks, if it has read one of them.
    fn look(&mut self, arm: usize, is_confirmed: bool, stage: &Stage) -> Option<u32> {
        if !Measured::reads_held_out(stage) {
            return None;
        }
        let next = self.looks_before + count(self.looks.len()) + 1;
        Some(*self.looks.entry((arm, is_confirmed)).or_insert(next))
    }

    fn union_failed(&mut self) {
        let Some((arm, stage)) = self.cycle.stages().into_iter().next() else { return };
        let decision = match stage.decision() {
            stage::Decision::Rejected(loss) => Decision::Rejected(Reason::Confirm(loss)),
            stage::Decision::Undecided(doubt) => Decision::Undecided(Open::Doubt(doubt)),
            stage::Decision::Accepted | stage::Decision::Open => return,
        };
        let judgement = self.judgement(arm, decision);
        self.of_unions.insert(arm, judgement);
    }

    /// The run.
    #[must_use]
    pub fn cycle(&self) -> &Cycle {
        &self.cycle
    }

    /// Its rounds so far.
    #[must_use]
    pub fn rounds(&self) -> &[Past] {
        &self.rounds
    }

    /// The decision on a proposal that stands, with what was known when it fell.
    #[must_use]
    pub fn judgement_on(&self, proposal: u32) -> Option<&Judgement> {
        let stands = self.cycle.decisions().get(&proposal)?;
        self.judgements.get(&proposal).filter(|judgement| judgement.decision == *stands)
    }

    /// The decision on the arm of a union.
    #[must_use]
    pub fn judgement_on_union(&self, arm: usize) -> Option<&Judgement> {
        self.of_unions.get(&arm)
    }

    /// The arms that became the working harness, in order.
    #[must_use]
    pub fn adopted(&self) -> &[usize] {
        &self.adopted
    }

    /// What was paid, by purpose.
    #[must_use]
    pub fn spending(&self) -> Vec<(Purpose, Spent)> {
        self.spending.iter().map(|(purpose, spent)| (*purpose, *spent)).collect()
    }

    /// Decisions that have read the held-out tasks by now, those before this run among them.
    #[must_use]
    pub fn looks(&self) -> u32 {
        self.looks_before + count(self.looks.len())
    }

    /// How often the gate accepts the first harness against itself. `None` if a task has fewer than four trials of it.
    #[must_use]
    pub fn against_itself(&self, deals: u32) -> Option<f64> {
        if self.cycle.design().goal.is_measurement() {
            return None;
        }
        let standing = Standing::of(&self.cycle, 0);
        let trials: Vec<(Split, Vec<bool>)> = standing
            .tasks
            .values()
            .filter(|(split, _)| *split != Split::Sealed)
            .map(|(split, marks)| {
                let valid = marks.0.iter().filter(|mark| matches!(mark, Mark::Pass | Mark::Fail));
                (*split, valid.map(|mark| *mark == Mark::Pass).collect())
            })
            .collect();
        let design = self.cycle.design();
        comparison::accepted_against_itself(&trials, design.rules.margin(), deals, design.trials.seed)
    }

    /// What was not spent. A candidate that the end of the run left without a decision saved nothing.
    #[must_use]
    pub fn savings(&self) -> Savings {
        let mut savings = Savings { reused: self.reused, ..Savings::default() };
        let slots = &self.cycle.trials().design().slots;
        let is_known = |slot: &usize| {
            let state = self.cycle.trials().states().get(*slot);
            self.started.contains(slot) || matches!(state, Some(State::Filled(_) | State::Missing(_)))
        };
        let tasks = count(self.cycle.design().tasks.len());
        for (arm, of) in self.cycle.arms().iter().enumerate().skip(1) {
            let on_union = self.of_unions.get(&arm).map(|judgement| judgement.decision);
            let decisions =
                of.members.iter().filter_map(|member| self.cycle.decisions().get(member).copied());
            let mut decisions = on_union.into_iter().chain(decisions);
            if decisions.all(Decision::is_interrupted) {
                continue;
            }
            let of_role = |role| {
                let of_arm =
                    slots.iter().enumerate().filter(move |(_, slot)| slot.arm == arm && slot.role == role);
                count(of_arm.filter(|(at, _)| is_known(at)).count())
            };
            let is_confirmed = self.is_confirmed(arm);
            let acts_on = of.active.as_ref().map_or(tasks, |active| {
                count(self.cycle.design().tasks.iter().filter(|(task, _)| active.contains(task)).count())
            });
            let rules = &self.cycle.design().rules;
            if of.members.len() == 1 {
                savings.stopped += (acts_on * rules.screen).saturating_sub(of_role(Role::Screen));
                savings.inert += (tasks - acts_on) * rules.screen;
            }
            if is_confirmed {
                let repeats = self.cycle.stage_of(arm).repeats();
                savings.stopped += (acts_on * repeats).saturating_sub(of_role(Role::Confirm));
                savings.inert += (tasks - acts_on) * rules.confirm;
            }
        }
        self.cost_of_all(&mut savings);
        savings
    }

    fn cost_of_all(&self, savings: &mut Savings) {
        let trials = self.spending.iter().filter(|(purpose, _)| **purpose != Purpose::Proposals);
        let trials = trials.fold(Spent::nothing(), |all, (_, spent)| all.and(*spent));
        let spent = self.cycle.trials().spent();
        let missing = f64::from(savings.reused + savings.stopped + savings.inert);
        let each = |of_trials: f64| of_trials / (trials.trials.max(1) as f64);
        savings.cost_of_all =
            spent.cost.zip(trials.cost).map(|(spent, of_trials)| spent + missing * each(of_trials));
        savings.tokens_of_all =
            spent.tokens.saturating_add((missing * each(trials.tokens as f64)).round() as u64);
        let standing = Standing::of(&self.cycle, 0);
        let records = standing.tasks.values().filter(|(split, _)| *split != Split::Sealed);
        let chances: Vec<f64> = records
            .map(|(_, marks)| marks.record())
            .filter(|(_, valid)| 0 < *valid)
            .map(|(passes, valid)| Chance::after(passes, valid).mean)
            .collect();
        let tries = trials.trials as f64 / (chances.len().max(1) as f64);
        let passed = chances.iter().map(|chance| 1.0 - (1.0 - chance).powf(tries)).sum::<f64>();
        savings.as_retries = (!chances.is_empty()).then(|| passed / chances.len() as f64);
    }
}
