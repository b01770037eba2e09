//! Which slots of a run belong to an arm, a role and a task, and how long trials of a task take. It knows places, never outcomes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::contract::Role;
use crate::engine::plan::Slot;

/// The slots of a run, by what they are for.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    by_use: BTreeMap<(usize, Role), BTreeMap<String, Vec<usize>>>,
    tasks: Vec<String>,
    /// Seconds of all trials of a task, and how many.
    took: BTreeMap<String, (f64, u32)>,
}

impl Slots {
    /// A slot with its place in the design.
    pub(super) fn add(&mut self, at: usize, slot: &Slot) {
        let of_use = self.by_use.entry((slot.arm, slot.role)).or_default();
        of_use.entry(slot.task.clone()).or_default().push(at);
        self.tasks.push(slot.task.clone());
    }

    /// The slots of an arm in a role, for a task, in the order in which they were planned.
    pub(super) fn of(&self, arm: usize, role: Role, task: &str) -> &[usize] {
        self.by_use.get(&(arm, role)).and_then(|tasks| tasks.get(task)).map_or(&[], Vec::as_slice)
    }

    /// All slots of an arm in a role.
    pub(super) fn all(&self, arm: usize, role: Role) -> impl Iterator<Item = usize> {
        self.by_use.get(&(arm, role)).into_iter().flat_map(BTreeMap::values).flatten().copied()
    }

    /// A trial of a slot took so long.
    pub(super) fn took(&mut self, slot: usize, time: Duration) {
        if let Some(task) = self.tasks.get(slot) {
            let (seconds, count) = self.took.entry(task.clone()).or_default();
            *seconds += time.as_secs_f64();
            *count += 1;
        }
    }

    /// How long a trial of a task takes, in seconds; 0 if nobody knows.
    pub(super) fn seconds(&self, task: &str) -> f64 {
        self.took.get(task).map_or(0.0, |(seconds, count)| seconds / f64::from((*count).max(1)))
    }
}
