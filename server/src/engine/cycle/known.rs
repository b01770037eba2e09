//! Stages that were made before, kept up with what happens: to make all of them anew for every trial is most of what a long run
//! computes. They are what [`Cycle::stages`] says at any time, or they are forgotten.

use super::{Cycle, Event, Phase};
use crate::engine::contract::Role;
use crate::engine::gate::stage::Stage;
use crate::engine::plan;

impl Cycle {
    /// What is left of stages after an event that was taken in: nothing, unless it was one of trials.
    pub(super) fn still_known(
        &self,
        mut stages: Vec<(usize, Stage)>,
        event: &Event,
    ) -> Option<Vec<(usize, Stage)>> {
        let Event::Trial(event) = event else { return None };
        match event {
            plan::Event::Planned(_) => {
                self.learn(&mut stages, self.trials.states().len().checked_sub(1)?);
            }
            plan::Event::Reused { slot, .. }
            | plan::Event::Unfillable { slot, .. }
            | plan::Event::Ended { slot, .. }
            | plan::Event::Discarded { slot, .. }
            | plan::Event::Dropped { slot, .. } => self.learn(&mut stages, *slot),
            // One that waited runs: neither has an outcome.
            plan::Event::Started { .. } | plan::Event::Paid(_) => {}
            plan::Event::Paused(_)
            | plan::Event::Resumed { .. }
            | plan::Event::Cancelled
            | plan::Event::Finished(_) => return None,
        }
        Some(stages)
    }

    /// Takes a trial of a slot into stages that were made before it: nothing else of a stage depends on it than its task.
    fn learn(&self, stages: &mut [(usize, Stage)], slot: usize) {
        let role = if matches!(self.phase, Phase::Confirming { .. }) { Role::Confirm } else { Role::Screen };
        let Some(slot) = self.trials.design().slots.get(slot) else { return };
        let is_of_baseline = matches!(slot.role, Role::Baseline | Role::Confirm);
        for (arm, stage) in stages {
            if is_of_baseline || slot.arm == *arm {
                stage.learn(self.task(*arm, role, &slot.task, slot.split), self.cell(*arm, role, &slot.task));
            } else {
                stage.takes(&slot.task, self.slots.seconds(&slot.task));
            }
        }
    }
}
