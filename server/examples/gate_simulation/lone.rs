//! Lone candidates, each stopped when every completion would decide the same, against running every slot.

use harness_schema::split::Split;
use self_harness::engine::gate::ledger::{Record, Task};
use self_harness::engine::gate::order::next_of;
use self_harness::engine::gate::stage::{Course, Decision, Outcome, Stage, Thresholds};
use self_harness::engine::gate::statistics::Draws;

use crate::PLACES;
use crate::model::{self, HELD_IN, HELD_OUT, TASKS};

/// How often a candidate is tried on each task: the setting of the paper.
pub(crate) const REPEATS: u32 = 2;

/// What came of all cases.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) cases: u32,
    pub(crate) trials: u64,
    pub(crate) oracle: u64,
    pub(crate) otherwise: u32,
    pub(crate) below: u32,
    pub(crate) accepted: u32,
}

/// Lone candidates, each stopped when every completion would decide the same, against running every slot.
pub(crate) fn exact(cases: u32, baseline: u32) -> Seen {
    let mut draws = Draws::new(0x5e1f);
    let mut seen = Seen { cases, ..Seen::default() };
    for _ in 0..cases {
        let chances = model::agent(&mut draws, model::MIDDLING, TASKS);
        let changed = model::edit(&mut draws, model::USUAL, &chances).applied(&chances);
        let tasks: Vec<Task> =
            chances.iter().enumerate().map(|(at, chance)| task(&mut draws, at, *chance, baseline)).collect();
        let would: Vec<Vec<bool>> =
            changed.iter().map(|chance| (0..REPEATS).map(|_| draws.unit() < *chance).collect()).collect();
        let short = played(&mut draws, tasks.clone(), &would);
        let all = complete(tasks, &would);
        let is_accepted = all.decision() == Decision::Accepted;
        let oracle = least_proof(&all);
        seen.trials += u64::from(short.started());
        seen.oracle += u64::from(oracle);
        seen.otherwise += u32::from(is_accepted != (short.decision() == Decision::Accepted));
        seen.below += u32::from(short.started() < oracle);
        seen.accepted += u32::from(is_accepted);
    }
    seen
}

fn task(draws: &mut Draws, at: usize, chance: f64, trials: u32) -> Task {
    let passes = (0..trials).map(|_| u32::from(draws.unit() < chance)).sum();
    let split = if at < HELD_IN { Split::HeldIn } else { Split::HeldOut };
    Task { seconds: draws.unit(), ..Task::new(format!("task-{at:03}"), split, Record::of(passes, trials)) }
}

/// A candidate in so many places, trials lasting as long as they like, until the decision is there.
fn played(draws: &mut Draws, tasks: Vec<Task>, would: &[Vec<bool>]) -> Stage {
    let mut stages = [Stage::new(tasks, REPEATS, None, Course::Shortest)];
    let mut started = vec![0; TASKS];
    let mut under_way: Vec<(f64, usize, bool)> = Vec::new();
    let mut now = 0.0;
    loop {
        while under_way.len() < PLACES {
            let Some((_, task)) = next_of(&stages) else { break };
            stages[0].start(task);
            let passes = would.get(task).and_then(|row| row.get(started[task])).copied().unwrap_or_default();
            under_way.push((now - (1.0 - draws.unit()).ln(), task, passes));
            started[task] += 1;
        }
        let first = under_way.iter().enumerate().min_by(|(_, one), (_, other)| one.0.total_cmp(&other.0));
        let Some((first, _)) = first else { break };
        let (at, task, passes) = under_way.swap_remove(first);
        now = at;
        stages[0].end(task, if passes { Outcome::Pass } else { Outcome::Fail });
        if stages[0].decision() != Decision::Open {
            break;
        }
    }
    let [stage] = stages;
    stage
}

fn complete(tasks: Vec<Task>, would: &[Vec<bool>]) -> Stage {
    let mut stage = Stage::new(tasks, REPEATS, None, Course::Exhaustive);
    for (task, row) in would.iter().enumerate() {
        for passes in row {
            stage.start(task);
            stage.end(task, if *passes { Outcome::Pass } else { Outcome::Fail });
        }
    }
    stage
}

/// The fewest trials that prove the decision, to somebody who knows how each would end.
fn least_proof(all: &Stage) -> u32 {
    let (Thresholds { held_in, held_out, all: together }, _) = all.bounds_of_thresholds();
    if all.decision() == Decision::Accepted {
        return (held_in + held_out).max(together);
    }
    let (sums_in, sums_out) = (all.sums(Split::HeldIn), all.sums(Split::HeldOut));
    let slots = |tasks: usize| u32::try_from(tasks).unwrap_or(u32::MAX) * all.repeats();
    [
        (sums_in.passes, held_in, slots(HELD_IN)),
        (sums_out.passes, held_out, slots(HELD_OUT)),
        (sums_in.passes + sums_out.passes, together, slots(TASKS)),
    ]
    .into_iter()
    .filter(|(passes, least, _)| passes < least)
    .map(|(_, least, slots)| slots + 1 - least)
    .min()
    .unwrap_or_default()
}
