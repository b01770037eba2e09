//! Plays the gate against agents whose chances are known, and prints how many trials it takes: the model of `method` 6.1, rebuilt
//! from fits to public records. It drives the gate that the product uses. `CASES` are played, 20,000 unless another number is
//! given; with `--check` the promise is held, and a promise that is broken is exit code 1.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use harness_schema::split::Split;
use self_harness::engine::gate::ledger::{Record, Task};
use self_harness::engine::gate::order::next_of;
use self_harness::engine::gate::stage::{Course, Decision, Outcome, Stage, Thresholds};
use self_harness::engine::gate::statistics::Draws;

/// Held-in and held-out tasks, and how often a candidate is tried on each: the setting of the paper.
const HELD_IN: usize = 43;
const HELD_OUT: usize = 21;
const TASKS: usize = HELD_IN + HELD_OUT;
const REPEATS: u32 = 2;
/// Trials under way.
const PLACES: usize = 8;
/// Of all trials, in percent.
const PROMISE: f64 = 60.0;

/// Chances of the tasks of six agents of middling strength, as Beta distributions.
const AGENTS: [(f64, f64); 6] = [
    (0.1213, 0.1674),
    (0.1325, 0.1648),
    (0.1096, 0.1596),
    (0.2893, 0.5245),
    (0.2234, 0.3408),
    (0.1997, 0.2085),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let cases = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let mut out = io::stdout().lock();
    let mut is_kept = true;
    for baseline in [4, 2] {
        let seen = exact(cases, baseline);
        let all = f64::from(seen.cases) * f64::from(REPEATS) * TASKS as f64;
        let percent = |trials: u64| 100.0 * trials as f64 / all;
        let line = format!(
            "exact, baseline ×{baseline}: {:.1} % of all trials, an oracle {:.1} %; {} of {} decided otherwise, {} below the oracle; {:.1} % accepted\n",
            percent(seen.trials),
            percent(seen.oracle),
            seen.otherwise,
            seen.cases,
            seen.below,
            100.0 * f64::from(seen.accepted) / f64::from(seen.cases),
        );
        // Who does not read on wants no more.
        let _ = out.write_all(line.as_bytes());
        is_kept &=
            seen.otherwise == 0 && seen.below == 0 && (baseline != 4 || percent(seen.trials) <= PROMISE);
    }
    ExitCode::from(u8::from(arguments.iter().any(|argument| argument == "--check") && !is_kept))
}

/// What came of all cases.
#[derive(Default)]
struct Seen {
    cases: u32,
    trials: u64,
    oracle: u64,
    otherwise: u32,
    below: u32,
    accepted: u32,
}

/// Lone candidates, each stopped when every completion would decide the same, against running every slot.
fn exact(cases: u32, baseline: u32) -> Seen {
    let mut draws = Draws::new(0x5e1f);
    let mut seen = Seen { cases, ..Seen::default() };
    for _ in 0..cases {
        let (a, b) = AGENTS.get(draws.below(AGENTS.len())).copied().unwrap_or((1.0, 1.0));
        let chances: Vec<f64> = (0..TASKS).map(|_| beta(&mut draws, a, b)).collect();
        let changed = candidate(&mut draws, &chances);
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

/// A draw from a Beta distribution (Jöhnk 1964).
fn beta(draws: &mut Draws, a: f64, b: f64) -> f64 {
    loop {
        let (x, y) = (draws.unit().powf(1.0 / a), draws.unit().powf(1.0 / b));
        if 0.0 < x + y && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

fn between(draws: &mut Draws, least: f64, most: f64) -> f64 {
    least + (most - least) * draws.unit()
}

/// The chances under an edit: good, without effect, harmful, or fitted to a few held-in tasks.
fn candidate(draws: &mut Draws, chances: &[f64]) -> Vec<f64> {
    let better = |chance: &mut f64, by: f64| *chance += by * (0.95 - *chance).max(0.0);
    let mut changed = chances.to_vec();
    match draws.unit() {
        kind if kind < 0.25 => {
            let share = between(draws, 0.05, 0.20);
            for chance in &mut changed {
                if draws.unit() < share {
                    better(chance, between(draws, 0.15, 0.70));
                }
            }
        }
        kind if kind < 0.60 => {}
        kind if kind < 0.85 => {
            let share = between(draws, 0.05, 0.25);
            for chance in &mut changed {
                if draws.unit() < share {
                    *chance *= 1.0 - between(draws, 0.15, 0.70);
                }
            }
        }
        _ => {
            let mut weak: Vec<usize> = (0..HELD_IN.min(chances.len()))
                .filter(|at| chances.get(*at).is_some_and(|chance| *chance < 0.5))
                .collect();
            let mut chosen = Vec::new();
            for _ in 0..=draws.below(4) {
                if !weak.is_empty() {
                    chosen.push(weak.swap_remove(draws.below(weak.len())));
                }
            }
            let share = between(draws, 0.0, 0.10);
            for (at, chance) in changed.iter_mut().enumerate() {
                if chosen.contains(&at) {
                    better(chance, between(draws, 0.4, 0.9));
                } else if draws.unit() < share {
                    *chance *= 1.0 - between(draws, 0.1, 0.4);
                }
            }
        }
    }
    changed
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
