//! The trials that stand for a harness of a run: task by task, mark by mark. Held-out rows have no name, and their order is that
//! of their marks, so nobody finds out which task is which.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::split::Split;

use super::measured::{count, sum};
use crate::engine::contract::Role;
use crate::engine::cycle::Cycle;
use crate::engine::gate::comparison::{self, Comparison, Pair};
use crate::engine::plan::State;
use crate::engine::verdict::Verdict;

/// What came of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// Every trial of it was void.
    Void,
    /// It has not ended.
    Open,
}

/// The slots of one task, in the order of their repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub Vec<Mark>);

impl Marks {
    /// Passes and valid trials.
    #[must_use]
    pub fn record(&self) -> (u32, u32) {
        let of = |mark| count(self.0.iter().filter(|each| **each == mark).count());
        (of(Mark::Pass), of(Mark::Pass) + of(Mark::Fail))
    }
}

/// What stands for a harness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its tasks.
    pub tasks: BTreeMap<String, (Split, Marks)>,
    /// The tasks on which its edit can act and none of its trials was run: the decision on it was known before.
    pub unrun: BTreeSet<String>,
    /// Whether some of it was measured by the very trials that it was chosen by, which flatter.
    pub is_flattering: bool,
}

/// The score of one harness on one split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The split.
    pub split: Split,
    /// The sum over tasks of passes ÷ valid trials. With tasks that were not run it is the least that it can be.
    pub value: f64,
    /// Tasks with a valid trial, and those that were not run.
    pub tasks: u32,
    /// Tasks that were not run, because the decision was known before: any of them may pass or fail.
    pub unrun: u32,
    /// Tasks that were run without a valid trial.
    pub void: u32,
    /// The most repeats of a task.
    pub repeats: u32,
    /// The 95 % interval of the rate (Wilson).
    pub interval: Option<(f64, f64)>,
    /// Whether it was measured by the very trials that it was chosen by.
    pub is_flattering: bool,
}

impl Point {
    /// The least and the most that the value can be, where it was stopped early; `None` where it is what it is.
    #[must_use]
    pub fn bounds(&self) -> Option<(f64, f64)> {
        (0 < self.unrun).then(|| (self.value, self.value + f64::from(self.unrun)))
    }

    /// The shares that a picture spans: the 95 % interval of the rate, or all that it can be where it was stopped early.
    #[must_use]
    pub fn span(&self) -> (f64, f64) {
        let tasks = f64::from(self.tasks.max(1));
        let bounds = self.bounds().map(|(least, most)| (least / tasks, most / tasks));
        bounds.or(self.interval).unwrap_or((self.rate(), self.rate()))
    }

    /// The share of tasks that pass; the least where it was stopped early.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.value / f64::from(self.tasks.max(1))
    }
}

impl Standing {
    /// Of an arm. Trials that confirmed it stand for it, with those that it was measured by as a baseline; what it was screened by
    /// only if there is nothing else. Where its edit does not act its parent's trials stand for it; where it acts and nothing was run
    /// nothing does.
    #[must_use]
    pub fn of(cycle: &Cycle, arm: usize) -> Self {
        let parent = cycle.arms().get(arm).map_or(arm, |of| of.parent);
        let mut standing = if parent < arm { Self::of(cycle, parent) } else { Self::default() };
        let mut own = Self::in_roles(cycle, arm, &[Role::Confirm, Role::Baseline, Role::Sealed]);
        let is_measured = |marks: &Marks| 0 < marks.record().1;
        if arm != 0 && !own.values().any(|(_, marks)| is_measured(marks)) {
            own = Self::in_roles(cycle, arm, &[Role::Screen]);
            standing.is_flattering = !own.is_empty();
        }
        own.retain(|_, (_, marks)| arm == 0 || is_measured(marks));
        if arm != 0 {
            let active = cycle.arms().get(arm).and_then(|of| of.active.as_ref());
            let acts = |task: &String| active.is_none_or(|active| active.contains(task));
            standing.unrun.retain(|task| !own.contains_key(task));
            for (task, (_, marks)) in &mut standing.tasks {
                if acts(task) && !own.contains_key(task) && is_measured(marks) {
                    standing.unrun.insert(task.clone());
                    marks.0.clear();
                }
            }
        }
        standing.tasks.extend(own);
        standing
    }

    fn in_roles(cycle: &Cycle, arm: usize, roles: &[Role]) -> BTreeMap<String, (Split, Marks)> {
        let mut tasks: BTreeMap<String, (Split, Marks)> = BTreeMap::new();
        for role in roles {
            let slots = cycle.trials().design().slots.iter().zip(cycle.trials().states());
            for (slot, state) in slots.filter(|(slot, _)| slot.arm == arm && slot.role == *role) {
                let mark = match state {
                    State::Filled(Verdict::Pass) => Mark::Pass,
                    State::Filled(_) => Mark::Fail,
                    State::Missing(_) => Mark::Void,
                    State::Pending { .. } | State::Running { .. } => Mark::Open,
                    State::Dropped => continue,
                };
                let task = tasks.entry(slot.task.clone()).or_insert_with(|| (slot.split, Marks::default()));
                task.1.0.push(mark);
            }
        }
        tasks
    }

    fn records(&self, split: Split) -> impl Iterator<Item = (u32, u32)> {
        self.tasks.values().filter(move |(of, _)| *of == split).map(|(_, marks)| marks.record())
    }

    /// Whether a slot of a split has not ended.
    #[must_use]
    pub fn is_open(&self, split: Split) -> bool {
        let mut of_split = self.tasks.values().filter(|(of, _)| *of == split);
        of_split.any(|(_, marks)| marks.0.contains(&Mark::Open))
    }

    /// The score of a split; `None` without a task of it.
    #[must_use]
    pub fn point(&self, split: Split) -> Option<Point> {
        let records: Vec<(u32, u32)> = self.records(split).collect();
        let is_unrun = |task: &&String| self.tasks.get(*task).is_some_and(|(of, _)| *of == split);
        let unrun = self.unrun.iter().filter(is_unrun).count();
        let valid: Vec<(u32, u32)> = records.iter().copied().filter(|(_, valid)| 0 < *valid).collect();
        let of_split = self.tasks.values().filter(|(of, _)| *of == split);
        (!records.is_empty()).then(|| Point {
            split,
            value: sum(valid.iter().copied()),
            tasks: count(valid.len() + unrun),
            unrun: count(unrun),
            void: count(records.len() - valid.len() - unrun),
            repeats: of_split.map(|(_, marks)| count(marks.0.len())).max().unwrap_or_default(),
            interval: comparison::interval_of_rate(&valid).filter(|_| unrun == 0),
            is_flattering: self.is_flattering,
        })
    }

    /// The comparison with another harness on one split, as the candidate; none where one of them was stopped early.
    #[must_use]
    pub fn against(&self, baseline: &Self, split: Split) -> Option<Comparison> {
        if !self.unrun.is_empty() || !baseline.unrun.is_empty() {
            // Those that were run were chosen for what they would show.
            return None;
        }
        Comparison::of(&self.pairs(baseline, split).collect::<Vec<_>>())
    }

    /// The scores of another harness and of this one on the tasks of a split that both were measured on, and how many those are.
    #[must_use]
    pub fn beside(&self, baseline: &Self, split: Split) -> (f64, f64, u32) {
        let is_measured = |pair: &Pair| 0 < pair.baseline.1 && 0 < pair.candidate.1;
        let both: Vec<Pair> = self.pairs(baseline, split).filter(is_measured).collect();
        (
            sum(both.iter().map(|pair| pair.baseline)),
            sum(both.iter().map(|pair| pair.candidate)),
            count(both.len()),
        )
    }

    fn pairs(&self, baseline: &Self, split: Split) -> impl Iterator<Item = Pair> {
        baseline.tasks.iter().filter(move |(_, (of, _))| *of == split).filter_map(|(task, (_, marks))| {
            let (_, candidate) = self.tasks.get(task)?;
            Some(Pair { baseline: marks.record(), candidate: candidate.record() })
        })
    }
}

/// How a task turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// It mostly passed and now mostly fails.
    Broken,
    /// It mostly failed and now mostly passes.
    Fixed,
    /// Neither, or there is one harness only.
    Same,
}

/// A task in the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name; `held-out 3` of one that is not named.
    pub name: String,
    /// Trials of the first harness.
    pub first: Marks,
    /// Trials of the last, if there is another one.
    pub last: Marks,
    /// How it turned.
    pub turn: Turn,
}

/// Task by task, trial by trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Held-in tasks: those that turned first, then by name.
    pub held_in: Vec<Row>,
    /// Held-out tasks, by number alone, in the order of their outcomes; none while they are not to be shown.
    pub held_out: Vec<Row>,
}

impl Grid {
    /// Of the first harness and, if there is another one, the last.
    #[must_use]
    pub fn of(first: &Standing, last: Option<&Standing>, shows_held_out: bool) -> Self {
        let rows = |split: Split| {
            let of_split = first.tasks.iter().filter(move |(_, (of, _))| *of == split);
            of_split.map(|(task, (_, marks))| Row::of(task, marks, last)).collect::<Vec<_>>()
        };
        let mut held_in = rows(Split::HeldIn);
        held_in.sort_by(|one, other| one.turn.cmp(&other.turn).then_with(|| one.name.cmp(&other.name)));
        let mut held_out = if shows_held_out { rows(Split::HeldOut) } else { Vec::new() };
        for row in &mut held_out {
            // Which repeat it was would tell which trial it was.
            row.first.0.sort_unstable();
            row.last.0.sort_unstable();
        }
        held_out.sort_by(|one, other| {
            let key = |row: &Row| (row.turn, row.first.0.clone(), row.last.0.clone());
            key(one).cmp(&key(other))
        });
        for (at, row) in held_out.iter_mut().enumerate() {
            row.name = format!("held-out {}", at + 1);
        }
        Self { held_in, held_out }
    }
}

impl Row {
    fn of(task: &str, first: &Marks, last: Option<&Standing>) -> Self {
        let last = last.and_then(|last| last.tasks.get(task)).map(|(_, marks)| marks.clone());
        let last = last.unwrap_or_default();
        let pair = Pair { baseline: first.record(), candidate: last.record() };
        let turn = match Comparison::of(&[pair]).map(|one| (one.gained, one.lost)) {
            Some((1, _)) => Turn::Fixed,
            Some((_, 1)) => Turn::Broken,
            _ => Turn::Same,
        };
        Self { name: task.to_owned(), first: first.clone(), last, turn }
    }
}
