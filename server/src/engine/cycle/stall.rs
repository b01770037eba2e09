//! Whether it makes sense to go on: a run is stalled once nothing survived for some rounds, and these tasks could not even show a
//! gain of twice the size of the best that is to be expected (`method` 5.11).

use super::Cycle;
use crate::engine::gate::comparison::{Comparison, Pair};

/// So many rounds without a survivor are needed.
const ROUNDS: u32 = 3;

/// A gain that is smaller than the least that is seen by this factor is out of sight.
const OUT_OF_SIGHT: f64 = 2.0;

/// Rounds in a row that nothing survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Barren {
    rounds: u32,
    /// The first arm that was made since something survived.
    first_arm: usize,
}

impl Barren {
    /// A round was screened; `arms` is how many there are.
    pub(super) fn screened(&mut self, has_survivors: bool, arms: usize) {
        if has_survivors {
            *self = Self { rounds: 0, first_arm: arms };
        } else {
            self.rounds += 1;
        }
    }
}

impl Cycle {
    /// Whether the run is stalled.
    pub(super) fn is_stalled(&self) -> bool {
        ROUNDS <= self.barren.rounds
            && self.least_seen().is_none_or(|least| OUT_OF_SIGHT * self.best_gain() < least)
    }

    /// The greatest gain that is expected of a candidate since something survived, as a share of the tasks: what its trials and
    /// the chances of the tasks say of those that were not run. Below zero nothing is expected.
    fn best_gain(&self) -> f64 {
        let barren = self.arms.iter().enumerate().skip(self.barren.first_arm);
        let tried =
            barren.filter(|(at, arm)| arm.parent == self.working && arm.members.len() == 1 && *at != 0);
        let all = self.design.tasks.len().max(1) as f64;
        // On inert tasks nothing is gained.
        tried.map(|(arm, _)| self.screen(arm).expected_gain() / all).fold(0.0, f64::max)
    }

    /// The least gain that a confirmation on these tasks shows in four of five cases; `None` without a task that was measured.
    fn least_seen(&self) -> Option<f64> {
        let repeats = self.design.rules.confirm;
        let full = self.design.rules.topped_up();
        let pairs: Vec<Pair> = self
            .design
            .tasks
            .iter()
            .map(|(task, _)| {
                let record = self.record(self.working, task, false);
                // As many trials as there will be, that pass as often as those that there are.
                let scaled = |trials: u32| {
                    let share = f64::from(record.passes) / f64::from(record.valid.max(1));
                    ((share * f64::from(trials)).round() as u32, trials)
                };
                let is_known = 0 < record.valid;
                let (baseline, candidate) = (scaled(full), scaled(repeats));
                if is_known {
                    Pair { baseline, candidate }
                } else {
                    Pair { baseline: (0, 0), candidate: (0, 0) }
                }
            })
            .collect();
        Comparison::of(&pairs).map(|comparison| comparison.least_seen())
    }
}
