//! Sealed tasks: no run can fill a slot of one, but the one that was started to read them (`method` 5.10). What that reading comes
//! to: the harness that a lineage began with against the last one, on tasks that neither has met.

use std::collections::BTreeMap;

use harness_schema::split::Split;

use super::{Cycle, Goal};
use crate::engine::budget::Spent;
use crate::engine::contract::Role;
use crate::engine::gate::comparison::{Comparison, Pair};
use crate::engine::plan::{self, Run, Slot, State};
use crate::engine::score;
use crate::engine::verdict::Verdict;

/// Whether tasks of a split may be run for a goal.
pub(super) fn fits(goal: Goal, split: Split) -> bool {
    match goal {
        Goal::Seal => split == Split::Sealed,
        // What was measured elsewhere may teach, and nothing else.
        Goal::Import => split == Split::HeldIn,
        Goal::Evaluate | Goal::Propose | Goal::Validate | Goal::Improve => split != Split::Sealed,
    }
}

/// Drops a slot that a goal must not fill, before anything can start it. Its place stays, so that the slots behind it keep theirs.
pub(super) fn keep(goal: Goal, at: usize, slot: &Slot, trials: &mut Run) {
    let is_own = |role: Role, of: Goal| (slot.role == role) == (goal == of);
    if !fits(goal, slot.split) || !is_own(Role::Sealed, Goal::Seal) || !is_own(Role::Imported, Goal::Import) {
        let now = trials.spent().time;
        trials.apply(now, &plan::Event::Dropped { slot: at, spent: Spent::nothing() });
    }
}

/// What came of the reading of sealed tasks, once every slot of it is settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Tasks with a valid trial of both harnesses, each as a pair: the first harness is the baseline.
    pub pairs: Vec<Pair>,
    /// Tasks without.
    pub void: usize,
    /// How often each task was asked of each harness.
    pub repeats: usize,
}

impl Cycle {
    /// What came of the reading of sealed tasks; `None` if this run is none, or is not complete: half of it is no result.
    #[must_use]
    pub fn reading(&self) -> Option<Reading> {
        if self.design.goal != Goal::Seal || !self.trials.is_settled() {
            return None;
        }
        let mut tasks: BTreeMap<&str, [(u32, u32); 2]> = BTreeMap::new();
        let mut asked: BTreeMap<(&str, usize), usize> = BTreeMap::new();
        for (slot, state) in self.trials.design().slots.iter().zip(self.trials.states()) {
            if matches!(state, State::Dropped) {
                continue;
            }
            let arms = tasks.entry(&slot.task).or_default();
            *asked.entry((&slot.task, slot.arm)).or_default() += 1;
            if let (State::Filled(verdict), Some((passes, valid))) = (state, arms.get_mut(slot.arm)) {
                *passes += u32::from(*verdict == Verdict::Pass);
                *valid += 1;
            }
        }
        let pairs: Vec<Pair> = tasks
            .values()
            .map(|[first, last]| Pair { baseline: *first, candidate: *last })
            .filter(|pair| 0 < pair.baseline.1 && 0 < pair.candidate.1)
            .collect();
        let void = tasks.len() - pairs.len();
        Some(Reading { pairs, void, repeats: asked.into_values().max().unwrap_or_default() })
    }
}

impl Reading {
    /// Both harnesses, compared task by task; `None` if no task has valid trials of both.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        Comparison::of(&self.pairs)
    }

    /// The score in the grammar of `editor` 3.1: `sealed 9.5→11/15 ×4 (+2 −0) · weak`; `look` is the number of this reading.
    #[must_use]
    pub fn words(&self, look: u32) -> String {
        let sum = |rate: fn(&Pair) -> (u32, u32)| {
            let rates = self.pairs.iter().map(rate);
            rates.fold(0.0, |sum, (passes, valid)| sum + f64::from(passes) / f64::from(valid))
        };
        let (first, last) = apart(sum(|pair| pair.baseline), sum(|pair| pair.candidate));
        let mut words =
            format!("{} {first}→{last}/{} ×{}", Split::Sealed.word(), self.pairs.len(), self.repeats);
        let comparison = self.comparison();
        if let Some(Comparison { gained, lost, .. }) = &comparison {
            words.push_str(&format!(" (+{gained} −{lost})"));
        }
        match self.void {
            0 => {}
            1 => words.push_str(" · 1 task void"),
            void => words.push_str(&format!(" · {void} tasks void")),
        }
        if let Some(comparison) = &comparison {
            words.push_str(&format!(" · {}", comparison.strength().word()));
        }
        if 1 < look {
            words.push_str(&format!(" · reused({look})"));
        }
        words
    }

    /// How sure it is, in a sentence: the gain in points with its paired interval, and what these tasks can show.
    #[must_use]
    pub fn certainty(&self) -> String {
        let Some(comparison) = self.comparison() else {
            return String::from("no sealed task has trials of both harnesses, so nothing can be said");
        };
        let (low, high) = comparison.interval();
        format!(
            "gain {} points, {} to {} on these tasks (95 %, paired); these tasks can show {} and more",
            points(comparison.gain),
            points(low),
            points(high),
            points(comparison.least_seen()),
        )
    }
}

/// A share as points of a hundred, with its sign: `+10.0`.
fn points(share: f64) -> String {
    let points = (share * 1000.0).round() / 10.0;
    let sign = if points < 0.0 { "−" } else { "+" };
    format!("{sign}{:.1}", points.abs())
}

/// Two values with one decimal, or with as many as keep unequal ones apart.
fn apart(one: f64, other: f64) -> (String, String) {
    let (short, other_short) = (score::number(one), score::number(other));
    if short != other_short || (one - other).abs() < 1e-9 {
        return (short, other_short);
    }
    let digits = (2..6).find(|digits| format!("{one:.digits$}") != format!("{other:.digits$}")).unwrap_or(6);
    (format!("{one:.digits$}"), format!("{other:.digits$}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::budget::Budget;
    use crate::engine::cycle::{Design, Event, Rules, Step};
    use crate::engine::plan::Action;
    use crate::engine::verdict::VoidCause;

    const GOALS: [Goal; 5] = [Goal::Evaluate, Goal::Propose, Goal::Validate, Goal::Improve, Goal::Seal];

    fn slot(arm: usize, task: &str, split: Split, role: Role, repeat: u32) -> Slot {
        Slot { arm, task: task.into(), split, role, repeat }
    }

    fn cycle(goal: Goal, slots: Vec<Slot>) -> Cycle {
        let tasks = slots.iter().map(|slot| (slot.task.clone(), slot.split)).collect();
        let trials = plan::Design { slots, budget: Budget::default(), parallel: 4, seed: 0 };
        Cycle::new(Design { trials, goal, rules: rules(), tasks, candidates: Vec::new(), is_confined: true })
    }

    fn rules() -> Rules {
        let gate = harness_schema::manifest::Gate::Exact;
        Rules { gate, baseline: 1, screen: 1, confirm: 1, proposals: 1, rounds: 1 }
    }

    /// The tasks that a run starts, if every trial passes.
    fn started(mut cycle: Cycle) -> Vec<(String, Split)> {
        let mut started = Vec::new();
        for second in 0..200 {
            let now = Duration::from_secs(second);
            match cycle.next(now) {
                Step::Trial(Action::Start { slot, attempt }) => {
                    let asked = cycle.trials().design().slots[slot].clone();
                    started.push((asked.task, asked.split));
                    let spent = Spent { trials: 1, ..Spent::nothing() };
                    for event in [
                        plan::Event::Started { slot, attempt },
                        plan::Event::Ended { slot, verdict: Verdict::Pass, spent },
                    ] {
                        cycle.apply(now, &Event::Trial(event));
                    }
                }
                Step::Record(events) => events.iter().for_each(|event| cycle.apply(now, event)),
                Step::Drop(slot) => {
                    let event = plan::Event::Dropped { slot, spent: Spent::nothing() };
                    cycle.apply(now, &Event::Trial(event));
                }
                _ => break,
            }
        }
        started
    }

    #[test]
    fn no_goal_but_seal_starts_a_sealed_task_whatever_it_is_asked_for() {
        for goal in GOALS {
            for role in Role::ALL {
                let slots = vec![
                    slot(0, "taught", Split::HeldIn, Role::Baseline, 0),
                    slot(0, "secret", Split::Sealed, role, 0),
                    slot(1, "secret", Split::Sealed, role, 0),
                    slot(0, "judges", Split::HeldOut, Role::Baseline, 0),
                ];
                let mut cycle = cycle(goal, slots);
                // Not later either, and what was dropped is not tried again.
                let planned = slot(0, "secret", Split::Sealed, role, 1);
                cycle.apply(Duration::ZERO, &Event::Trial(plan::Event::Planned(planned)));
                let paused = plan::Event::Paused(String::from("for a while"));
                cycle.apply(Duration::ZERO, &Event::Trial(paused));
                cycle.apply(Duration::ZERO, &Event::Trial(plan::Event::Resumed { retries: true }));
                let started = started(cycle);
                let sealed = started.iter().filter(|(_, split)| *split == Split::Sealed).count();
                match (goal, role) {
                    (Goal::Seal, Role::Sealed) => assert_eq!((sealed, started.len()), (3, 3)),
                    (Goal::Seal, _) => assert_eq!(started, []),
                    _ => assert!(sealed == 0 && 2 <= started.len(), "{goal:?} {role:?} {started:?}"),
                }
            }
        }
        assert!(GOALS.iter().all(|goal| Goal::named(goal.word()) == Some(*goal)));
    }

    fn reading(outcomes: &[(usize, &str, Option<bool>)]) -> Cycle {
        let mut slots: Vec<Slot> = Vec::new();
        for (arm, task, _) in outcomes {
            let before = slots.iter().filter(|slot| slot.arm == *arm && slot.task == **task).count();
            let repeat = u32::try_from(before).unwrap();
            slots.push(slot(*arm, task, Split::Sealed, Role::Sealed, repeat));
        }
        let mut cycle = cycle(Goal::Seal, slots);
        for (slot, (_, _, passes)) in outcomes.iter().enumerate() {
            let event = match passes {
                Some(true) => plan::Event::Reused { slot, verdict: Verdict::Pass },
                Some(false) => plan::Event::Reused { slot, verdict: Verdict::Fail },
                None => plan::Event::Unfillable { slot, cause: VoidCause::Provider },
            };
            cycle.apply(Duration::ZERO, &Event::Trial(event));
        }
        cycle
    }

    #[test]
    fn a_reading_compares_the_two_harnesses_task_by_task() {
        let mut outcomes = Vec::new();
        for (task, first, last) in [("a", 0, 4), ("b", 2, 4), ("c", 3, 2)] {
            for repeat in 0..4 {
                outcomes.push((0, task, Some(repeat < first)));
                outcomes.push((1, task, Some(repeat < last)));
            }
        }
        outcomes.extend([(0, "d", Some(true)), (1, "d", None)]);
        let read = reading(&outcomes).reading().unwrap();
        assert_eq!(read.words(1), "sealed 1.3→2.5/3 ×4 (+1 −0) · 1 task void · strong");
        assert!(read.words(2).ends_with(" · reused(2)"));
        let comparison = read.comparison().unwrap();
        let (low, high) = comparison.interval();
        assert!(low < comparison.gain && comparison.gain < high);
        assert!(read.certainty().starts_with("gain +41.7 points, "), "{}", read.certainty());
    }

    #[test]
    fn half_a_reading_is_none_and_close_values_stay_apart() {
        let mut half = reading(&[(0, "a", Some(true)), (1, "a", Some(true))]);
        assert!(half.reading().is_some());
        let more = slot(1, "a", Split::Sealed, Role::Sealed, 1);
        half.apply(Duration::ZERO, &Event::Trial(plan::Event::Planned(more)));
        assert_eq!(half.reading(), None);
        let void = reading(&[(0, "a", Some(true)), (1, "a", None)]).reading().unwrap();
        assert_eq!((void.void, void.comparison()), (1, None));
        assert!(void.certainty().contains("nothing can be said"));
        assert_eq!(apart(15.5, 15.52), (String::from("15.50"), String::from("15.52")));
        assert_eq!(apart(9.5, 11.0), (String::from("9.5"), String::from("11")));
        assert_eq!(apart(0.0, 0.0), (String::from("0"), String::from("0")));
        assert_eq!([0.1, -0.021, 0.0].map(points), ["+10.0", "−2.1", "+0.0"]);
    }
}
