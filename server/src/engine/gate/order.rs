//! Which trial of a candidate comes next: the one that brings a decision nearest (`method` 5.3). It orders, and decides nothing:
//! whatever order trials come in, the decision is the same.

use std::borrow::Borrow;
use std::cmp::Ordering;

use harness_schema::split::Split;

use super::ledger::Task;
use super::stage::{Course, Decision, Stage, Sums};
use super::statistics::normal;

/// How many trials a surprise counts as: the drift of a candidate is believed only slowly.
const PRIOR_TRIALS: f64 = 40.0;

/// How much the chances of all tasks together may be off, per slot.
const SHARED_DOUBT: f64 = 0.03;

/// What is expected of the rest of a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The chance to reach what the held-in tasks ask for.
    pub held_in: f64,
    /// The chance to reach what the held-out tasks ask for.
    pub held_out: f64,
    /// The chance to gain on both together.
    pub all: f64,
}

impl Outlook {
    /// The chance to be accepted.
    #[must_use]
    pub fn accepted(&self) -> f64 {
        (self.held_in * self.held_out).min(self.all)
    }
}

/// Sums of chances over slots.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    passes: f64,
    variance: f64,
    slots: f64,
    /// Passes that are expected of those that run.
    running: f64,
}

impl std::ops::Add for Expected {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passes: self.passes + other.passes,
            variance: self.variance + other.variance,
            slots: self.slots + other.slots,
            running: self.running + other.running,
        }
    }
}

impl Stage {
    /// What the chances of the tasks, and how the candidate has done so far, say about the rest.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        let drift = self.drift();
        let [held_in, held_out] = [Split::HeldIn, Split::HeldOut].map(|split| self.expected(split));
        let chance = |passes: u32, expected: Expected, least: f64| {
            let mean = f64::from(passes) + expected.passes + drift * expected.slots - least + 0.5;
            normal(mean / (expected.variance + (SHARED_DOUBT * expected.slots).powi(2) + 1e-9).sqrt())
        };
        let (sums_in, sums_out) = (self.sums(Split::HeldIn), self.sums(Split::HeldOut));
        let least = self.expected_thresholds();
        Outlook {
            held_in: chance(sums_in.passes, held_in, least[0]),
            held_out: chance(sums_out.passes, held_out, least[1]),
            all: chance(sums_in.passes + sums_out.passes, held_in + held_out, least[2]),
        }
    }

    /// By how much a trial of this candidate passes more often than the chances of the tasks say.
    #[must_use]
    pub fn drift(&self) -> f64 {
        let (mut surprise, mut finished) = (0.0, 0.0);
        for (task, cell) in self.tasks().iter().zip(self.cells()) {
            let ended = f64::from(cell.passes + cell.fails);
            surprise += f64::from(cell.passes) - ended * task.chance.mean;
            finished += ended;
        }
        surprise / (finished + PRIOR_TRIALS)
    }

    /// The gain in passes per task that is to be expected when all has run: survivors are ranked by it.
    #[must_use]
    pub fn expected_gain(&self) -> f64 {
        let expected = self.expected(Split::HeldIn) + self.expected(Split::HeldOut);
        let sums = self.sums(Split::HeldIn) + self.sums(Split::HeldOut);
        let passes = f64::from(sums.passes) + expected.passes + self.drift() * expected.slots;
        let rate = |task: &Task| f64::from(task.record.passes) / f64::from(task.record.slots().max(1));
        passes / f64::from(self.repeats()) - self.tasks().iter().map(rate).sum::<f64>()
    }

    fn expected(&self, split: Split) -> Expected {
        let mut sum = Expected::default();
        for (at, (task, cell)) in self.tasks().iter().zip(self.cells()).enumerate() {
            if task.split == split {
                let slots = f64::from(self.waiting(at) + cell.running);
                sum = sum
                    + Expected {
                        passes: slots * task.chance.mean,
                        variance: slots * task.chance.spread(),
                        slots,
                        running: f64::from(cell.running) * task.chance.mean,
                    };
            }
        }
        sum
    }

    /// What has to be passed on the held-in tasks, the held-out tasks and all of them, with open slots of the baseline counted
    /// by their chance.
    fn expected_thresholds(&self) -> [f64; 3] {
        let (lower, upper) = self.bounds_of_thresholds();
        let pairs = [
            (lower.held_in, upper.held_in, Some(Split::HeldIn)),
            (lower.held_out, upper.held_out, Some(Split::HeldOut)),
            (lower.all, upper.all, None),
        ];
        pairs.map(|(lower, upper, split)| {
            let of_split =
                || self.tasks().iter().filter(move |task| split.is_none_or(|split| task.split == split));
            let open: f64 = of_split().map(|task| f64::from(task.record.open())).sum();
            let passes: f64 = of_split().map(|task| f64::from(task.record.open()) * task.chance.mean).sum();
            let share = if 0.0 < open { passes / open } else { 0.0 };
            f64::from(lower) + share * f64::from(upper - lower)
        })
    }

    /// The task of which a trial is to be started now: `None` if the stage is decided, has nothing to start, or has as many
    /// trials under way as can still be needed.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        if self.course() == Course::Exhaustive {
            return self.in_turn();
        }
        if self.decision() != Decision::Open {
            return None;
        }
        let outlook = self.outlook();
        let accepts = self.course() == Course::Shortest && 0.5 < outlook.accepted();
        let running = self.sums(Split::HeldIn).running + self.sums(Split::HeldOut).running;
        if self.width(accepts) <= running {
            return None;
        }
        let order = if accepts { self.accepting() } else { self.falsifying(&outlook) };
        order.into_iter().find_map(|split| self.best(split, accepts))
    }

    /// Every slot, repeat by repeat.
    fn in_turn(&self) -> Option<usize> {
        (0..self.tasks().len())
            .filter(|at| 0 < self.waiting(*at))
            .max_by_key(|at| (self.waiting(*at), usize::MAX - at))
    }

    /// How many trials may be under way: no more than outcomes that are still needed, because each that is started counts.
    #[must_use]
    pub fn width(&self, accepts: bool) -> u32 {
        let (held_in, held_out) = (self.sums(Split::HeldIn), self.sums(Split::HeldOut));
        let all = held_in + held_out;
        let (lower, upper) = self.bounds_of_thresholds();
        let needed = if accepts {
            let lacks = |sums: Sums, least: u32| least.saturating_sub(sums.passes);
            (lacks(held_in, upper.held_in) + lacks(held_out, upper.held_out)).max(lacks(all, upper.all))
        } else {
            let fails = |sums: Sums, least: u32| (sums.passes + sums.rest + 1).saturating_sub(least);
            fails(held_in, lower.held_in).min(fails(held_out, lower.held_out)).min(fails(all, lower.all))
        };
        needed.max(1)
    }

    /// The splits in the order in which a pass is worth most.
    fn accepting(&self) -> [Split; 2] {
        let (_, upper) = self.bounds_of_thresholds();
        let distance = |split: Split, least: u32| {
            f64::from(self.sums(split).passes) + self.expected(split).running - f64::from(least)
        };
        let held_in = distance(Split::HeldIn, upper.held_in);
        let held_out = distance(Split::HeldOut, upper.held_out);
        if held_in < held_out { [Split::HeldIn, Split::HeldOut] } else { [Split::HeldOut, Split::HeldIn] }
    }

    /// The splits in the order in which a fail is worth most.
    fn falsifying(&self, outlook: &Outlook) -> [Split; 2] {
        let (lower, _) = self.bounds_of_thresholds();
        let price = |split: Split, least: u32, chance: f64| {
            let sums = self.sums(split);
            let fails = f64::from(sums.passes + sums.rest) - f64::from(least) + 1.0;
            fails / (1.0 - chance).max(1e-6)
        };
        let held_in = price(Split::HeldIn, lower.held_in, outlook.held_in);
        let held_out = price(Split::HeldOut, lower.held_out, outlook.held_out);
        if held_out < held_in { [Split::HeldOut, Split::HeldIn] } else { [Split::HeldIn, Split::HeldOut] }
    }

    /// The task of a split that passes most likely, or least likely; of equals the one that takes longer.
    fn best(&self, split: Split, passes: bool) -> Option<usize> {
        let waiting = self.tasks().iter().enumerate();
        let waiting = waiting.filter(|(at, task)| task.split == split && 0 < self.waiting(*at));
        waiting.min_by(|(_, one), (_, other)| before(one, other, passes)).map(|(at, _)| at)
    }
}

fn before(one: &Task, other: &Task, passes: bool) -> Ordering {
    let by_chance = one.chance.mean.total_cmp(&other.chance.mean);
    let by_chance = if passes { by_chance.reverse() } else { by_chance };
    by_chance.then(other.seconds.total_cmp(&one.seconds)).then_with(|| one.id.cmp(&other.id))
}

/// Which candidate a free place goes to: of those that have something to start the one with the fewest trials under way, the
/// first of equals; and the task.
#[must_use]
pub fn next_of<S: Borrow<Stage>>(stages: &[S]) -> Option<(usize, usize)> {
    let wishes = stages.iter().map(Borrow::borrow).enumerate().filter_map(|(at, stage)| {
        let running: u32 = stage.cells().iter().map(|cell| cell.running).sum();
        Some((running, at, stage.next()?))
    });
    wishes.min().map(|(_, at, task)| (at, task))
}
