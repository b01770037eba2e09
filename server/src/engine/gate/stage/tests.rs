//! The gate against the whole truth: every completion, every order, every width.

use proptest::prelude::*;

use super::*;
use crate::engine::gate::order::next_of;
use crate::engine::gate::statistics::Draws;

fn tasks(held_in: &[(u32, u32)], held_out: &[(u32, u32)]) -> Vec<Task> {
    let of = |split, name: &str, records: &[(u32, u32)]| {
        let each = records.iter().enumerate();
        each.map(|(at, (passes, valid))| {
            Task::new(format!("{name}{}", at + 1), split, Record::of(*passes, *valid))
        })
        .collect::<Vec<_>>()
    };
    [of(Split::HeldIn, "a", held_in), of(Split::HeldOut, "b", held_out)].concat()
}

fn example() -> Stage {
    let held_in = [(4, 4), (4, 4), (3, 4), (1, 4), (0, 4), (0, 4)];
    let mut tasks = tasks(&held_in, &[(4, 4), (2, 4), (0, 4)]);
    // The example starts a2 before a1.
    tasks[1].seconds = 2.0;
    Stage::new(tasks, 1, None, Course::Shortest)
}

fn run(stage: &mut Stage, expected: &str, outcome: Outcome) {
    let task = stage.next().unwrap();
    assert_eq!(stage.tasks()[task].id, expected);
    assert!(stage.start(task));
    stage.end(task, outcome);
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 2.1e-3, "{value} is not {expected}");
}

/// The example of `method` 5.4, number by number.
#[test]
fn the_example_of_the_method() {
    let mut stage = example();
    let (lower, upper) = stage.bounds_of_thresholds();
    assert_eq!(lower, upper);
    assert_eq!(lower, Thresholds { held_in: 3, held_out: 2, all: 5 });
    let outlook = stage.outlook();
    near(outlook.held_in, 0.723);
    near(outlook.held_out, 0.489);
    near(outlook.all, 0.480);
    near(outlook.accepted(), 0.353);
    run(&mut stage, "b3", Outcome::Fail);
    near(stage.outlook().accepted(), 0.327);
    let mut rejected = stage.clone();
    run(&mut rejected, "b2", Outcome::Fail);
    assert_eq!((rejected.decision(), rejected.started()), (Decision::Rejected(Loss::HeldOut), 2));
    run(&mut stage, "b2", Outcome::Pass);
    near(stage.outlook().accepted(), 0.723);
    for task in ["a2", "a1", "b1", "a3"] {
        assert_eq!(stage.decision(), Decision::Open);
        run(&mut stage, task, Outcome::Pass);
    }
    assert_eq!((stage.decision(), stage.started()), (Decision::Accepted, 6));
    let (least, most) = stage.share();
    near(least, 5.0 / 9.0);
    near(most, 8.0 / 9.0);
}

#[test]
fn a_slot_that_stays_empty_leaves_it_undecided() {
    let mut stage = example();
    run(&mut stage, "b3", Outcome::Fail);
    run(&mut stage, "b2", Outcome::Pass);
    let b1 = stage.tasks().iter().position(|task| task.id == "b1").unwrap();
    stage.start(b1);
    stage.end(b1, Outcome::Missing);
    while let Some(task) = stage.next() {
        stage.start(task);
        stage.end(task, Outcome::Pass);
    }
    // A third of the held-out tasks.
    assert_eq!(stage.decision(), Decision::Undecided(Doubt::MissingShare));
}

#[test]
fn a_trial_that_is_void_is_run_again() {
    let mut stage = example();
    run(&mut stage, "b3", Outcome::Again);
    assert_eq!(stage.started(), 0);
    run(&mut stage, "b3", Outcome::Fail);
    assert_eq!(stage.started(), 1);
}

#[test]
fn a_margin_asks_for_more() {
    let records = [(2, 4); 20];
    let plain = Stage::new(tasks(&records, &records), 1, None, Course::Shortest);
    let strict = Stage::new(tasks(&records, &records), 1, Some(0.5), Course::Shortest);
    assert_eq!(plain.bounds_of_thresholds().0, Thresholds { held_in: 10, held_out: 10, all: 21 });
    // 20 + 0.5 sqrt(40 · 0.2041 (1 + 1/4)) = 21.6
    assert_eq!(strict.bounds_of_thresholds().0, Thresholds { held_in: 10, held_out: 10, all: 22 });
    // The example's own: ceil(4.5 + .49).
    let held_in = [(4, 4), (4, 4), (3, 4), (1, 4), (0, 4), (0, 4)];
    let stage = Stage::new(tasks(&held_in, &[(4, 4), (2, 4), (0, 4)]), 1, Some(0.5), Course::Shortest);
    assert_eq!(stage.bounds_of_thresholds().0.all, 5);
}

/// A case: the baseline's records with their open slots, what the candidate would do in each slot, and how it is run.
#[derive(Clone, Debug)]
struct Case {
    tasks: Vec<Task>,
    repeats: u32,
    margin: Option<f64>,
    outcomes: Vec<Vec<Outcome>>,
    places: usize,
    seed: u64,
}

fn outcome(missing: u32) -> impl Strategy<Value = Outcome> {
    prop_oneof![
        10 => Just(Outcome::Pass),
        10 => Just(Outcome::Fail),
        missing => Just(Outcome::Missing),
    ]
}

fn case(most_tasks: usize, missing: u32) -> impl Strategy<Value = Case> {
    let task = (any::<bool>(), 1_u32..=8, 0_u32..=8, 0_u32..=missing.min(2), 1_u32..9);
    let shape = (proptest::collection::vec(task, 1..=most_tasks), 1_u32..=4, any::<Option<bool>>());
    let with_outcomes = shape.prop_flat_map(move |(tasks, repeats, margin)| {
        let row = proptest::collection::vec(outcome(missing), repeats as usize);
        let rows = proptest::collection::vec(row, tasks.len());
        (Just(tasks), Just(repeats), Just(margin), rows, 1_usize..=32, any::<u64>())
    });
    with_outcomes.prop_map(|(tasks, repeats, margin, outcomes, places, seed)| {
        let tasks =
            tasks.into_iter().enumerate().map(|(at, (is_held_in, valid, passes, missing, seconds))| {
                let split = if is_held_in { Split::HeldIn } else { Split::HeldOut };
                let record = Record { missing, ..Record::of(passes, valid) };
                Task { seconds: f64::from(seconds), ..Task::new(format!("t-{at:03}"), split, record) }
            });
        let margin = margin.map(|small| if small { 0.5 } else { 1.5 });
        Case { tasks: tasks.collect(), repeats, margin, outcomes, places, seed }
    })
}

impl Case {
    /// Runs it with so many places, trials ending in any order; a trial is stopped when the decision is there.
    fn played(&self, course: Course) -> Stage {
        let mut stage = Stage::new(self.tasks.clone(), self.repeats, self.margin, course);
        let mut draws = Draws::new(self.seed);
        let mut started = vec![0; self.tasks.len()];
        let mut flying: Vec<(usize, Outcome)> = Vec::new();
        loop {
            while flying.len() < self.places {
                let Some((_, task)) = next_of(std::slice::from_ref(&stage)) else { break };
                assert!(stage.start(task));
                flying.push((task, self.outcomes[task][started[task]]));
                started[task] += 1;
            }
            if flying.is_empty() {
                return stage;
            }
            let (task, outcome) = flying.swap_remove(draws.below(flying.len()));
            stage.end(task, outcome);
            if course != Course::Exhaustive && stage.decision() != Decision::Open {
                return stage;
            }
        }
    }
}

/// The paper's rule with rational numbers, by counting: passes of the candidate and of the baseline over the same slots.
fn by_counting(stage: &Stage, of_baseline: impl Fn(&Record) -> u32) -> bool {
    let gain = |split: Option<Split>| -> i64 {
        let common: i64 = stage.tasks().iter().map(|task| i64::from(task.record.slots())).product();
        let of_split = stage.tasks().iter().zip(stage.cells());
        of_split
            .filter(|(task, _)| split.is_none_or(|split| task.split == split))
            .map(|(task, cell)| {
                let slots = i64::from(task.record.slots());
                i64::from(cell.passes) * common
                    - i64::from(of_baseline(&task.record)) * i64::from(stage.repeats()) * common / slots
            })
            .sum()
    };
    0 <= gain(Some(Split::HeldIn)) && 0 <= gain(Some(Split::HeldOut)) && 0 < gain(None)
}

fn kind(decision: Decision) -> &'static str {
    match decision {
        Decision::Accepted => "accepted",
        Decision::Rejected(_) => "rejected",
        Decision::Undecided(_) => "undecided",
        Decision::Open => "open",
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// `method` 6.3, 1: the same decision as running every slot, whatever the width, the order and the empty slots.
    #[test]
    fn it_decides_as_if_all_had_run(case in case(6, 1)) {
        let all = case.played(Course::Exhaustive);
        let short = case.played(Course::Shortest);
        let confirming = case.played(Course::Confirming);
        // Acceptance is undone by nothing that was left out, unless more than a tenth would have stayed empty.
        let is_thin = all.decision() == Decision::Undecided(Doubt::MissingShare);
        if !is_thin {
            prop_assert_eq!(kind(short.decision()), kind(all.decision()));
        }
        prop_assert_eq!(kind(confirming.decision()), kind(all.decision()));
        prop_assert!(short.started() <= all.started());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The same of more tasks.
    #[test]
    fn it_decides_as_if_all_had_run_on_many_tasks(case in case(40, 1)) {
        let (all, short) = (case.played(Course::Exhaustive), case.played(Course::Shortest));
        if all.decision() != Decision::Undecided(Doubt::MissingShare) {
            prop_assert_eq!(kind(short.decision()), kind(all.decision()));
        }
    }

    /// `method` 6.3, 5: integer thresholds are the paper's rule; equal outcomes are no gain.
    #[test]
    fn thresholds_are_the_rule_of_the_paper(case in case(8, 0)) {
        let case = Case { margin: None, ..case };
        let all = case.played(Course::Exhaustive);
        prop_assert_eq!(all.decision() == Decision::Accepted, by_counting(&all, |record| record.passes));
    }

    /// `method` 6.3, 2: nothing is decided with fewer trials than an oracle needs who knows every outcome.
    #[test]
    fn no_decision_is_cheaper_than_its_proof(case in case(12, 0)) {
        let stage = case.played(Course::Shortest);
        let (least, _) = stage.bounds_of_thresholds();
        let slots = |split| {
            let tasks = stage.tasks().iter().filter(|task| task.split == split).count();
            u32::try_from(tasks).unwrap() * stage.repeats()
        };
        let (held_in, held_out) = (slots(Split::HeldIn), slots(Split::HeldOut));
        let fails = |slots: u32, least: u32| (slots + 1).saturating_sub(least);
        let oracle = match stage.decision() {
            Decision::Accepted => (least.held_in + least.held_out).max(least.all),
            Decision::Rejected(_) => [
                fails(held_in, least.held_in),
                fails(held_out, least.held_out),
                fails(held_in + held_out, least.all),
            ].into_iter().min().unwrap(),
            _ => 0,
        };
        prop_assert!(oracle <= stage.started(), "{oracle} > {}", stage.started());
    }

    /// `method` 6.3, 3 and 4: it decides exactly if every completion agrees, empty slots in both arms included.
    #[test]
    fn it_decides_exactly_if_every_completion_agrees(case in case(3, 1), upto in 0_usize..=6) {
        let case = Case { margin: None, repeats: case.repeats.min(2), ..case };
        let mut stage = Stage::new(case.tasks.clone(), case.repeats, None, Course::Shortest);
        for _ in 0..upto {
            let Some(task) = stage.next() else { break };
            let cell = stage.cells()[task];
            stage.start(task);
            stage.end(task, case.outcomes[task][(cell.passes + cell.fails + cell.missing) as usize]);
        }
        let (mut accepts, mut rejects) = (false, false);
        complete(&stage, &mut |complete, baseline| {
            match by_counting(complete, |record| baseline[record_at(complete, record)]) {
                true => accepts = true,
                false => rejects = true,
            }
        });
        match stage.decision() {
            Decision::Accepted => prop_assert!(!rejects),
            Decision::Rejected(_) => prop_assert!(!accepts),
            Decision::Open => prop_assert!(accepts && rejects || stage.lacks_too_many()),
            Decision::Undecided(Doubt::VoidCells) => prop_assert!(accepts && rejects),
            Decision::Undecided(Doubt::MissingShare) => prop_assert!(accepts),
        }
    }

    /// `method` 6.3, 6: what came first changes nothing.
    #[test]
    fn the_order_of_the_tasks_changes_nothing(case in case(10, 1), seed in any::<u64>()) {
        let mut draws = Draws::new(seed);
        let mut shuffled: Vec<(Task, Vec<Outcome>)> =
            case.tasks.iter().cloned().zip(case.outcomes.iter().cloned()).collect();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, draws.below(at + 1));
        }
        let tasks: Vec<Task> = shuffled.into_iter().map(|(task, _)| task).collect();
        let other = Stage::new(tasks, case.repeats, case.margin, Course::Shortest);
        let stage = Stage::new(case.tasks.clone(), case.repeats, case.margin, Course::Shortest);
        prop_assert_eq!(stage, other);
    }
}

fn record_at(stage: &Stage, record: &Record) -> usize {
    stage.tasks().iter().position(|task| std::ptr::eq(&task.record, record)).unwrap()
}

/// Calls with every completion: each open slot of the candidate, and of the baseline, passed or failed.
fn complete(stage: &Stage, each: &mut impl FnMut(&Stage, &[u32])) {
    fn cells(stage: &mut Stage, at: usize, each: &mut impl FnMut(&Stage)) {
        let Some(cell) = stage.cells.get(at).copied() else { return each(stage) };
        let open = stage.repeats - cell.passes - cell.fails;
        for passes in 0..=open {
            stage.cells[at] = Cell {
                passes: cell.passes + passes,
                fails: cell.fails + open - passes,
                running: 0,
                missing: 0,
            };
            cells(stage, at + 1, each);
        }
        stage.cells[at] = cell;
    }
    fn baseline(stage: &Stage, at: usize, passes: &mut Vec<u32>, each: &mut impl FnMut(&[u32])) {
        let Some(task) = stage.tasks.get(at) else { return each(passes) };
        for more in 0..=task.record.open() {
            passes.push(task.record.passes + more);
            baseline(stage, at + 1, passes, each);
            passes.pop();
        }
    }
    let mut copy = stage.clone();
    cells(&mut copy, 0, &mut |complete| {
        baseline(stage, 0, &mut Vec::new(), &mut |passes| each(complete, passes));
    });
}
