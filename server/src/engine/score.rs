//! What the trials of a run come to, and how it is said: scores count tasks, progress and money count trials. Grammar of
//! `editor` 3.1: `held-in 15.5/24 ×2 · 1 task void`.

use std::collections::BTreeMap;

use harness_schema::split::Split;

use super::contract::Role;
use super::plan::{Run, Slot, State};
use super::verdict::Verdict;

/// The trials of one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passes.
    pub passes: u32,
    /// Trials that measured something.
    pub valid: u32,
    /// Slots that are not filled: they wait, run, or are missing.
    pub open: u32,
    /// Those of them that wait or run.
    pub waiting: u32,
}

/// The score of one harness on one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The split.
    pub split: Split,
    /// The sum over tasks of passes ÷ valid trials.
    pub value: f64,
    /// Tasks with a valid trial.
    pub tasks: u32,
    /// Tasks without one, though all their trials were run.
    pub void: u32,
    /// Tasks without one, of which trials were not run.
    pub not_run: u32,
    /// The most repeats of a task.
    pub repeats: u32,
}

/// The trials of each task of a split, by the harness that the run began with. What was imported scores nothing.
#[must_use]
pub fn tally(run: &Run, split: Split) -> BTreeMap<String, Tally> {
    let mut tasks: BTreeMap<String, Tally> = BTreeMap::new();
    let slots = run.design().slots.iter().zip(run.states());
    let counts = |slot: &Slot| slot.split == split && slot.arm == 0 && slot.role != Role::Imported;
    for (slot, state) in slots.filter(|(slot, _)| counts(slot)) {
        if matches!(state, State::Dropped) {
            continue;
        }
        let tally = tasks.entry(slot.task.clone()).or_default();
        match state {
            State::Filled(verdict) => {
                tally.valid += 1;
                tally.passes += u32::from(*verdict == Verdict::Pass);
            }
            State::Pending { .. } | State::Running { .. } => {
                tally.open += 1;
                tally.waiting += 1;
            }
            State::Missing(_) => tally.open += 1,
            State::Dropped => {}
        }
    }
    tasks
}

impl Score {
    /// The score of a split; `None` if the run has no task of it.
    #[must_use]
    pub fn of(run: &Run, split: Split) -> Option<Self> {
        let tasks = tally(run, split);
        let valid = || tasks.values().filter(|tally| 0 < tally.valid);
        let count = |tasks: usize| u32::try_from(tasks).unwrap_or(u32::MAX);
        (!tasks.is_empty()).then(|| Self {
            split,
            // The sum of nothing would be minus zero.
            value: valid().fold(0.0, |sum, tally| sum + f64::from(tally.passes) / f64::from(tally.valid)),
            tasks: count(valid().count()),
            void: count(tasks.values().filter(|tally| tally.valid == 0 && tally.waiting == 0).count()),
            not_run: count(tasks.values().filter(|tally| tally.valid == 0 && 0 < tally.waiting).count()),
            repeats: tasks.values().map(|tally| tally.valid + tally.open).max().unwrap_or_default(),
        })
    }

    /// In the words of people: `held-in 15.5/24 ×2 · 1 task void`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words =
            format!("{} {}/{} ×{}", self.split.word(), number(self.value), self.tasks, self.repeats);
        match self.void {
            0 => {}
            1 => words.push_str(" · 1 task void"),
            void => words.push_str(&format!(" · {void} tasks void")),
        }
        match self.not_run {
            0 => {}
            1 => words.push_str(" · 1 task not run"),
            not_run => words.push_str(&format!(" · {not_run} tasks not run")),
        }
        words
    }
}

/// A number of tasks with one decimal, or none if it is whole.
#[must_use]
pub fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    if tenths.fract() == 0.0 { format!("{tenths:.0}") } else { format!("{tenths:.1}") }
}

/// A cost as people write it: `$1.62`, `free`, `price unknown`.
#[must_use]
pub fn money(cost: Option<f64>) -> String {
    match cost {
        None => String::from("price unknown"),
        Some(0.0) => String::from("free"),
        Some(cost) if cost < 0.01 => format!("${cost:.4}"),
        Some(cost) => format!("${cost:.2}"),
    }
}

/// A time as people say it: `48 s`, `6 min`, `2 h 5 min`.
#[must_use]
pub fn time(seconds: u64) -> String {
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::budget::{Budget, Spent};
    use crate::engine::plan::{Design, Event};
    use crate::engine::verdict::VoidCause;

    #[test]
    fn a_score_counts_tasks() {
        let slot = |task: &str, split, repeat| Slot {
            arm: 0,
            task: task.into(),
            split,
            role: Role::Baseline,
            repeat,
        };
        let slots = vec![
            slot("a", Split::HeldIn, 0),
            slot("b", Split::HeldIn, 0),
            slot("c", Split::HeldIn, 0),
            slot("a", Split::HeldIn, 1),
            slot("b", Split::HeldIn, 1),
            slot("c", Split::HeldIn, 1),
            slot("d", Split::HeldOut, 0),
        ];
        let mut run = Run::new(Design { slots, budget: Budget::default(), parallel: 9, seed: 0 });
        let mut end = |slot, verdict| {
            run.apply(Duration::ZERO, &Event::Started { slot, attempt: 0 });
            run.apply(Duration::ZERO, &Event::Ended { slot, verdict, spent: Spent::nothing() });
        };
        end(0, Verdict::Pass);
        end(3, Verdict::Fail);
        end(1, Verdict::Pass);
        for slot in [2, 5] {
            run.apply(Duration::ZERO, &Event::Unfillable { slot, cause: VoidCause::Provider });
        }
        let held_in = Score::of(&run, Split::HeldIn).unwrap();
        assert_eq!(held_in.words(), "held-in 1.5/2 ×2 · 1 task void");
        assert_eq!(Score::of(&run, Split::HeldOut).unwrap().words(), "held-out 0/0 ×1 · 1 task not run");
        assert_eq!(Score::of(&run, Split::Sealed), None);
        assert_eq!(tally(&run, Split::HeldIn)["b"], Tally { passes: 1, valid: 1, open: 1, waiting: 1 });
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([15.5, 24.0, 1.0 / 3.0, 0.96].map(number), ["15.5", "24", "0.3", "1"]);
        let money = [Some(1.618), Some(0.0), Some(0.0012), None].map(money);
        assert_eq!(money, ["$1.62", "free", "$0.0012", "price unknown"]);
        assert_eq!([48, 91, 360, 7500].map(time), ["48 s", "2 min", "6 min", "2 h 5 min"]);
    }
}
