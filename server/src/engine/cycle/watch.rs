//! What watches a confirmation besides its own trials: audits of tasks that were called inert (`method` 5.7), and sentinels of the
//! baseline where none of its own trials runs beside the candidate (5.6).

use std::collections::BTreeSet;

use harness_schema::digest::Digest;

use super::{Cycle, Phase, slot};
use crate::engine::contract::Role;
use crate::engine::gate::ledger::Task;
use crate::engine::gate::stage::{self, Stage};
use crate::engine::plan::{Slot, State};
use crate::engine::verdict::Verdict;

/// So many trials of the baseline show whether the world has changed.
const SENTINELS: usize = 8;

/// Failures of sentinels that are less probable than this are no chance.
const UNLIKELY: f64 = 0.01;

/// One of so many inert tasks is audited.
const AUDITED: usize = 20;

/// What watches a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    /// Slots that were planned before do not belong to it.
    since: usize,
    /// Whether sentinels run: the baseline is topped up, so nothing else of it would run beside the candidate.
    has_sentinels: bool,
}

impl Cycle {
    /// An arm is confirmed from now on.
    pub(super) fn confirm(&mut self, arm: usize, is_fallback: bool) {
        let full = self.design.rules.topped_up() as usize;
        let stage = self.confirmation(arm);
        let is_full = |task: &Task| {
            let ledger = self.ledger(self.working, &task.id);
            let settled = ledger.iter().filter(|state| matches!(state, State::Filled(_) | State::Missing(_)));
            full <= settled.count()
        };
        let watch = Watch {
            since: self.trials.states().len(),
            has_sentinels: self.design.rules.confirms_one() && stage.tasks().iter().all(is_full),
        };
        self.phase = Phase::Confirming { arm, is_fallback, watch };
    }

    /// A slot was filled by an earlier trial. If the baseline beside a candidate is of another day, sentinels run in its place.
    pub(super) fn is_of_another_day(&mut self, slot: usize) {
        let watches = self.design.rules.confirms_one();
        let role = self.trials.design().slots.get(slot).map(|slot| slot.role);
        if let Phase::Confirming { watch, .. } = &mut self.phase
            && watches
            && watch.since <= slot
            && role == Some(Role::Baseline)
        {
            watch.has_sentinels = true;
        }
    }

    /// Audits have shown where the rules of an arm act.
    pub(super) fn activated(&mut self, arm: usize, tasks: &BTreeSet<String>) {
        self.audited.entry(arm).or_default().extend(tasks.iter().cloned());
        if let Some(active) = self.arms.get_mut(arm).and_then(|arm| arm.active.as_mut()) {
            active.extend(tasks.iter().cloned());
        }
    }

    /// Whether a slot that watches still means something: audits until the candidate is rejected, sentinels until all that were
    /// planned have said what they say.
    pub(super) fn is_watching(&self, at: usize, slot: &Slot, stages: &[(usize, Stage)]) -> bool {
        let Phase::Confirming { arm, watch, .. } = &self.phase else { return false };
        let stage = stages.iter().find(|(of, _)| of == arm).map(|(_, stage)| stage);
        match slot.role {
            Role::Sentinel => watch.since <= at && slot.arm == self.working,
            _ => slot.arm == *arm && stage.is_some_and(|stage| !is_rejected(stage)),
        }
    }

    /// The audits and sentinels that are wanted besides those that are there. Of a candidate that is rejected nothing more is
    /// watched, unless a sentinel has failed: then it may be the world.
    pub(super) fn wanted_of_watch(&self, arm: usize, watch: Watch, stage: &Stage) -> Vec<Slot> {
        let is_rejected = is_rejected(stage);
        let mut wanted = Vec::new();
        if !is_rejected
            && !self.audited.contains_key(&arm)
            && self.slots.all(arm, Role::Audit).next().is_none()
        {
            wanted.extend(self.audits(arm));
        }
        if watch.has_sentinels && (!is_rejected || self.is_suspicious(watch)) {
            let all = (stage.tasks().len() * stage.repeats() as usize).max(1);
            let planned = stage.started() as usize;
            // One at the beginning of each eighth.
            let due = if is_rejected { SENTINELS } else { (planned * SENTINELS / all + 1).min(SENTINELS) };
            let order = self.surest();
            for number in self.sentinels(watch).len()..due {
                let Some((task, split)) = order.get(number % order.len().max(1)) else { break };
                let same =
                    wanted.iter().filter(|slot: &&Slot| slot.role == Role::Sentinel && slot.task == *task);
                let repeat = self.slots.of(self.working, Role::Sentinel, task).len() + same.count();
                let repeat = u32::try_from(repeat).unwrap_or(u32::MAX);
                wanted.push(slot(self.working, task, *split, Role::Sentinel, repeat));
            }
        }
        wanted
    }

    /// One of twenty inert tasks, rounded up, drawn by a hash.
    fn audits(&self, arm: usize) -> Vec<Slot> {
        let Some((members, Some(active))) = self.arms.get(arm).map(|arm| (&arm.members, &arm.active)) else {
            return Vec::new();
        };
        if !self.design.rules.confirms_one() {
            return Vec::new();
        }
        let members: Vec<u8> = members.iter().flat_map(|member| member.to_le_bytes()).collect();
        let seed = self.design.trials.seed.to_le_bytes();
        let inert = self.design.tasks.iter().filter(|(task, _)| !active.contains(task));
        let mut drawn: Vec<_> = inert
            .map(|(task, split)| {
                (Digest::of_parts([b"audit".as_slice(), &seed, &members, task.as_bytes()]), task, *split)
            })
            .collect();
        drawn.sort();
        let count = drawn.len().div_ceil(AUDITED);
        drawn.iter().take(count).map(|(_, task, split)| slot(arm, task, *split, Role::Audit, 0)).collect()
    }

    /// The tasks that the baseline passes most surely first.
    fn surest(&self) -> Vec<(String, harness_schema::split::Split)> {
        let chance = |task: &str| self.chance(self.working, task).mean;
        let mut tasks: Vec<_> = self.design.tasks.iter().map(|known| (chance(&known.0), known)).collect();
        tasks.sort_by(|(one, of_one), (other, of_other)| {
            other.total_cmp(one).then_with(|| of_one.cmp(of_other))
        });
        tasks.into_iter().map(|(_, known)| known.clone()).collect()
    }

    fn sentinels(&self, watch: Watch) -> Vec<usize> {
        let mut slots: Vec<usize> = self.slots.all(self.working, Role::Sentinel).collect();
        slots.retain(|slot| watch.since <= *slot);
        slots.sort_unstable();
        slots
    }

    /// Whether nothing that watches is waited for: sentinels that were planned, all of them if one has failed, and, before a
    /// candidate is accepted, all of them and its audits.
    pub(super) fn has_watched(&self, arm: usize, watch: Watch, is_accepted: bool) -> bool {
        let sentinels = self.sentinels(watch);
        let is_settled =
            |slot: usize| !matches!(self.state(slot), Some(State::Pending { .. } | State::Running { .. }));
        let wants_all = watch.has_sentinels && (is_accepted || self.is_suspicious(watch));
        let mut audits = self.slots.all(arm, Role::Audit).peekable();
        let has_audits =
            self.audited.contains_key(&arm) || audits.peek().is_some() || self.audits(arm).is_empty();
        (!wants_all || SENTINELS <= sentinels.len())
            && sentinels.into_iter().all(is_settled)
            && (!is_accepted || (has_audits && audits.all(is_settled)))
    }

    /// Whether a sentinel has failed.
    fn is_suspicious(&self, watch: Watch) -> bool {
        let mut ended = self.sentinels(watch).into_iter().filter_map(|slot| self.state(slot));
        ended.any(|state| matches!(state, State::Filled(verdict) if verdict != Verdict::Pass))
    }

    /// The audits of an arm that nobody has looked at.
    pub(super) fn to_audit(&self, arm: usize) -> Option<Vec<usize>> {
        let slots: Vec<usize> = self.slots.all(arm, Role::Audit).collect();
        (!slots.is_empty() && !self.audited.contains_key(&arm)).then_some(slots)
    }

    /// Whether audits have moved the trigger of an arm.
    pub(super) fn has_moved(&self, arm: usize) -> bool {
        self.audited.get(&arm).is_some_and(|tasks| !tasks.is_empty())
    }

    /// Whether the sentinels of a confirmation fail more often than by chance.
    pub(super) fn has_drifted(&self, watch: Watch) -> bool {
        let (mut fails, mut chances) = (0, Vec::new());
        for at in self.sentinels(watch) {
            if let (Some(State::Filled(verdict)), Some(slot)) =
                (self.state(at), self.trials.design().slots.get(at))
            {
                fails += usize::from(verdict != Verdict::Pass);
                chances.push(1.0 - self.chance(self.working, &slot.task).mean);
            }
        }
        0 < fails && at_least(fails, &chances) < UNLIKELY
    }
}

/// Whether a candidate that is confirmed is not accepted any more.
fn is_rejected(stage: &Stage) -> bool {
    stage.is_over() && stage.decision() != stage::Decision::Accepted
}

/// The probability of so many events and more, if each has its own chance (Poisson's binomial distribution).
fn at_least(events: usize, chances: &[f64]) -> f64 {
    let mut exactly = vec![0.0; chances.len() + 1];
    if let Some(none) = exactly.first_mut() {
        *none = 1.0;
    }
    for chance in chances {
        let mut before = 0.0;
        for each in &mut exactly {
            let same = *each;
            *each = same * (1.0 - chance) + before * chance;
            before = same;
        }
    }
    exactly.iter().skip(events).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_different_chance_are_counted() {
        for (events, chances, expected) in [
            (0, &[0.3, 0.6][..], 1.0),
            (1, &[0.3, 0.6], 1.0 - 0.7 * 0.4),
            (2, &[0.3, 0.6], 0.18),
            (3, &[0.3, 0.6], 0.0),
            (1, &[], 0.0),
            (2, &[0.5; 4], 11.0 / 16.0),
        ] {
            assert!((at_least(events, chances) - expected).abs() < 1e-12, "{events} of {chances:?}");
        }
    }
}
