//! Stages of the gate, made of the slots that were filled: what is compared with what, and how often.

use harness_schema::split::Split;

use super::{Arm, Cycle};
use crate::engine::contract::Role;
use crate::engine::gate::ledger::{Chance, Record, Task};
use crate::engine::gate::stage::{Cell, Course, Stage};
use crate::engine::plan::State;
use crate::engine::verdict::Verdict;

/// A task that the baseline passes with more than this chance is one that a candidate must not fail twice.
const SAFE: f64 = 0.9;

/// Where the first look at a candidate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Smoke {
    /// Nothing stands in the way of its screening.
    Clear,
    /// One more trial is wanted, on this task of this place in the design.
    Wants(usize),
    /// A trial is under way.
    Waits,
    /// It has failed twice.
    Failed,
}

impl Cycle {
    pub(super) fn state(&self, slot: usize) -> Option<State> {
        self.trials.states().get(slot).copied()
    }

    /// The slots that stand for a harness: those that confirmed it, then those of the baseline. Its screening trials are not
    /// among them: it was chosen by them. On a task where it sends the same as its parent, it has its parent's record
    /// (`method` 5.7).
    pub(super) fn standing(&self, arm: usize, task: &str) -> Vec<usize> {
        let mut slots = match self.arms.get(arm) {
            Some(Arm { parent, active: Some(active), .. }) if *parent != arm && !active.contains(task) => {
                self.standing(*parent, task)
            }
            _ => Vec::new(),
        };
        slots.extend(self.own(arm, task));
        slots
    }

    /// The slots that stand for a harness and are its own.
    fn own(&self, arm: usize, task: &str) -> impl Iterator<Item = usize> {
        let confirmed = self.slots.of(arm, Role::Confirm, task).iter();
        let slots = confirmed.chain(self.slots.of(arm, Role::Baseline, task)).copied();
        slots.filter(|slot| self.since <= *slot && !matches!(self.state(*slot), None | Some(State::Dropped)))
    }

    /// The trials that stand for a harness.
    pub(super) fn ledger(&self, arm: usize, task: &str) -> Vec<State> {
        self.standing(arm, task).into_iter().filter_map(|slot| self.state(slot)).collect()
    }

    /// The record of the baseline on a task: of its first trials, or of all that it is topped up to, and never of something
    /// between, which an outcome could have ended.
    pub(super) fn record(&self, arm: usize, task: &str, is_topped_up: bool) -> Record {
        let rules = &self.design.rules;
        let (first, full) = (rules.baseline as usize, rules.topped_up() as usize);
        let states = self.ledger(arm, task);
        let is_settled = |state: &State| matches!(state, State::Filled(_) | State::Missing(_));
        let is_full = full <= states.iter().filter(|state| is_settled(state)).count();
        let wanted = if is_topped_up || is_full { full } else { first };
        let mut record = Record::default();
        for state in states.iter().take(wanted) {
            match state {
                State::Filled(Verdict::Pass) => {
                    record.passes += 1;
                    record.valid += 1;
                }
                State::Filled(_) => record.valid += 1,
                State::Missing(_) => record.missing += 1,
                State::Pending { .. } | State::Running { .. } | State::Dropped => record.pending += 1,
            }
        }
        let unplanned = wanted.saturating_sub(states.len());
        record.pending += u32::try_from(unplanned).unwrap_or(u32::MAX);
        record
    }

    /// What is expected of the next trial of a task: by all trials of the baseline and of the harnesses that it came from.
    pub(super) fn chance(&self, baseline: usize, task: &str) -> Chance {
        let (mut passes, mut valid) = (0, 0);
        let mut arm = baseline;
        loop {
            for slot in self.own(arm, task) {
                if let Some(State::Filled(verdict)) = self.state(slot) {
                    valid += 1;
                    passes += u32::from(verdict == Verdict::Pass);
                }
            }
            match self.arms.get(arm) {
                Some(Arm { parent, .. }) if *parent != arm => arm = *parent,
                _ => return Chance::after(passes, valid),
            }
        }
    }

    /// What is known of a task before a candidate is tried on it.
    pub(super) fn task(&self, arm: usize, role: Role, task: &str, split: Split) -> Task {
        let parent = self.arms.get(arm).map_or(arm, |arm| arm.parent);
        let record = self.record(parent, task, role == Role::Confirm);
        let chance = self.chance(parent, task);
        Task { chance, seconds: self.slots.seconds(task), ..Task::new(task, split, record) }
    }

    /// What a candidate has done on a task.
    pub(super) fn cell(&self, arm: usize, role: Role, task: &str) -> Cell {
        let mut cell = Cell::default();
        for state in self.slots.of(arm, role, task).iter().filter_map(|slot| self.state(*slot)) {
            match state {
                State::Filled(Verdict::Pass) => cell.passes += 1,
                State::Filled(_) => cell.fails += 1,
                State::Missing(_) => cell.missing += 1,
                State::Pending { .. } | State::Running { .. } => cell.running += 1,
                State::Dropped => {}
            }
        }
        cell
    }

    fn stage(&self, arm: usize, role: Role, repeats: u32, margin: Option<f64>, course: Course) -> Stage {
        let Some(Arm { active, .. }) = self.arms.get(arm) else {
            return Stage::new(Vec::new(), repeats, margin, course);
        };
        let is_active = |task: &str| active.as_ref().is_none_or(|active| active.contains(task));
        let tasks = self.design.tasks.iter().filter(|(task, _)| is_active(task));
        let tasks: Vec<Task> = tasks.map(|(task, split)| self.task(arm, role, task, *split)).collect();
        let mut stage = Stage::new(tasks.clone(), repeats, margin, course);
        for task in tasks {
            let cell = self.cell(arm, role, &task.id);
            stage.learn(task, cell);
        }
        stage
    }

    /// A candidate that is screened.
    pub(super) fn screen(&self, arm: usize) -> Stage {
        let rules = &self.design.rules;
        self.stage(arm, Role::Screen, rules.screen, rules.margin(), rules.screening())
    }

    /// The same by the bare rule: the margin asks for more than the rule does.
    pub(super) fn screen_without_margin(&self, arm: usize) -> Stage {
        let rules = &self.design.rules;
        self.stage(arm, Role::Screen, rules.screen, None, rules.screening())
    }

    /// A candidate that is confirmed. Where its trigger leaves most tasks as they are, the others are tried more often, and have
    /// to gain a margin (`method` 5.7).
    pub(super) fn confirmation(&self, arm: usize) -> Stage {
        let rules = &self.design.rules;
        let is_gated = self.arms.get(arm).is_some_and(|arm| arm.active.is_some());
        let (repeats, margin) =
            if is_gated { (rules.confirm.saturating_mul(2), rules.margin()) } else { (rules.confirm, None) };
        self.stage(arm, Role::Confirm, repeats, margin, rules.confirming())
    }

    /// Whether a candidate was confirmed, or is about to be.
    pub(super) fn is_confirmed(&self, arm: usize) -> bool {
        self.slots.all(arm, Role::Confirm).next().is_some()
    }

    /// The first look at a candidate: the task that the baseline passes nearly always, and that takes least time.
    pub(super) fn smoke(&self, arm: usize) -> Smoke {
        let Some(Arm { parent, active, .. }) = self.arms.get(arm) else { return Smoke::Clear };
        if !self.design.rules.confirms_one() {
            return Smoke::Clear;
        }
        let is_active = |task: &str| active.as_ref().is_none_or(|active| active.contains(task));
        let tasks = self.design.tasks.iter().enumerate();
        let safe = tasks.filter(|(_, (task, _))| is_active(task) && SAFE < self.chance(*parent, task).mean);
        let by_time = |(_, (one, _)): &(usize, &(String, _)), (_, (other, _)): &(usize, &(String, _))| {
            self.slots.seconds(one).total_cmp(&self.slots.seconds(other)).then_with(|| one.cmp(other))
        };
        // Once a task was chosen it stays, whatever other trials take meanwhile.
        let chosen = self.slots.all(arm, Role::Smoke).next();
        let chosen = chosen.and_then(|slot| self.trials.design().slots.get(slot));
        let task = match chosen {
            Some(chosen) => self.design.tasks.iter().position(|(task, _)| *task == chosen.task),
            None => safe.min_by(by_time).map(|(at, _)| at),
        };
        let Some(task) = task else { return Smoke::Clear };
        let mut fails = 0;
        for state in self.slots.all(arm, Role::Smoke).filter_map(|slot| self.state(slot)) {
            match state {
                State::Filled(Verdict::Pass) | State::Missing(_) | State::Dropped => return Smoke::Clear,
                State::Filled(_) => fails += 1,
                State::Pending { .. } | State::Running { .. } => return Smoke::Waits,
            }
        }
        if fails < 2 { Smoke::Wants(task) } else { Smoke::Failed }
    }
}
