//! What is kept back of a budget: a candidate is screened only if what is left covers what its screen is expected to take
//! (`method` 5.11). A screen that is broken off decides nothing, and is paid all the same.

use super::{Cycle, Phase};
use crate::engine::budget::{Budget, Limit, Spent};
use crate::engine::contract::Role;
use crate::engine::gate::stage::Stage;
use crate::engine::plan::State;

/// The share of its slots that a screen takes before it is decided, as long as none was seen.
const SHARE: f64 = 0.6;

/// What screens have taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Screens {
    /// Trials that were run.
    run: u32,
    /// Slots that there were.
    slots: u32,
}

impl Screens {
    /// The share of its slots that a screen takes.
    fn share(self) -> f64 {
        if self.slots == 0 { SHARE } else { f64::from(self.run) / f64::from(self.slots) }
    }
}

impl Cycle {
    /// Screens are over: what they took is the measure for those to come.
    pub(super) fn count_screens(&mut self) {
        let Phase::Screening(arms) = &self.phase else { return };
        for arm in arms.clone() {
            let run = self.run_of_screen(arm);
            if 0 < run {
                let stage = self.screen(arm);
                self.screens.run += run;
                self.screens.slots += slots(&stage);
            }
        }
    }

    /// Trials of a screen that have begun.
    fn run_of_screen(&self, arm: usize) -> u32 {
        let begun = self.slots.all(arm, Role::Screen).filter(|slot| {
            matches!(self.state(*slot), Some(State::Running { .. } | State::Filled(_) | State::Missing(_)))
        });
        u32::try_from(begun.count()).unwrap_or(u32::MAX)
    }

    /// Whether anything was planned of a candidate.
    pub(super) fn is_begun(&self, arm: usize) -> bool {
        [Role::Smoke, Role::Screen].into_iter().any(|role| self.slots.all(arm, role).next().is_some())
    }

    /// Of candidates that are screened those for which the budget is enough: first those that have begun, then the others in
    /// their order.
    pub(super) fn affordable(&self, stages: &[(usize, Stage)]) -> Vec<bool> {
        if self.trials.design().budget == Budget::default()
            || stages.iter().all(|(arm, _)| self.is_begun(*arm))
        {
            return vec![true; stages.len()];
        }
        let mut reserved = 0.0;
        for (arm, stage) in stages.iter().filter(|(arm, stage)| self.is_begun(*arm) && !stage.is_over()) {
            reserved += (self.expected(stage) - f64::from(self.run_of_screen(*arm))).max(1.0);
        }
        let affords = stages.iter().map(|(arm, stage)| {
            if self.is_begun(*arm) || self.is_inert(*arm) || stage.is_over() {
                return true;
            }
            let expected = self.expected(stage);
            let is_enough = self.covers(reserved + expected).is_ok();
            reserved += if is_enough { expected } else { 0.0 };
            is_enough
        });
        affords.collect()
    }

    /// How many trials a screen is expected to take.
    pub(super) fn expected(&self, stage: &Stage) -> f64 {
        self.screens.share() * f64::from(slots(stage))
    }

    /// Whether what is left covers so many trials, each taking what trials take on average.
    ///
    /// # Errors
    /// The limit that it goes over.
    pub(super) fn covers(&self, trials: f64) -> Result<(), Limit> {
        let (spent, tried) = (self.trials.spent(), self.trials.tried());
        let running = self.trials.running().count() as f64;
        let all = (trials + running).ceil().max(0.0);
        let each = |total: f64| total / (tried.trials.max(1) as f64) * all;
        // Beyond what a float holds exactly nobody has a budget.
        let whole = |number: f64| number.ceil() as u64;
        let next = Spent {
            trials: whole(all),
            tokens: whole(each(tried.tokens as f64)),
            cost: tried.cost.map(each),
            time: std::time::Duration::ZERO,
        };
        self.trials.design().budget.allows(spent, Spent::nothing(), next)
    }
}

/// The slots of a stage.
fn slots(stage: &Stage) -> u32 {
    u32::try_from(stage.tasks().len()).unwrap_or(u32::MAX).saturating_mul(stage.repeats())
}
