//! A run under all orders of events.

use proptest::prelude::*;

use super::*;

const START: Duration = Duration::ZERO;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn design(tasks: usize, repeats: u32) -> Design {
    let slots = (0..repeats).flat_map(|repeat| {
        (0..tasks).map(move |task| Slot {
            arm: 0,
            task: format!("t-{task}"),
            split: if task % 2 == 0 { Split::HeldIn } else { Split::HeldOut },
            role: Role::Baseline,
            repeat,
        })
    });
    Design { slots: slots.collect(), budget: Budget::default(), parallel: 2, seed: 7 }
}

fn trial(tokens: u64) -> Spent {
    Spent { trials: 1, tokens, cost: Some(0.25), time: seconds(1) }
}

/// Starts what may start, and says which slots.
fn start(run: &mut Run, at: Duration) -> Vec<usize> {
    let mut started = Vec::new();
    while let Action::Start { slot, attempt } = run.next(at) {
        run.apply(at, &Event::Started { slot, attempt });
        started.push(slot);
    }
    started
}

fn end(run: &mut Run, at: Duration, slot: usize, verdict: Verdict) {
    run.apply(at, &Event::Ended { slot, verdict, spent: trial(10) });
}

#[test]
fn slots_are_filled_in_order_and_side_by_side() {
    let mut run = Run::new(design(3, 1));
    assert_eq!(start(&mut run, START), [0, 1]);
    assert_eq!(run.next(START), Action::Wait { until: None });
    end(&mut run, seconds(1), 1, Verdict::Fail);
    assert_eq!(start(&mut run, seconds(1)), [2]);
    end(&mut run, seconds(2), 0, Verdict::Pass);
    end(&mut run, seconds(3), 2, Verdict::Pass);
    assert_eq!(run.next(seconds(3)), Action::Finish);
    assert_eq!(run.ending(), Some(&Finish::Complete));
    let filled = [Verdict::Pass, Verdict::Fail, Verdict::Pass].map(State::Filled);
    assert_eq!(run.states(), filled);
    assert_eq!((run.spent().trials, run.spent().tokens, run.spent().cost), (3, 30, Some(0.75)));
}

#[test]
fn a_void_slot_is_tried_three_more_times_and_then_missing() {
    let mut run = Run::new(design(1, 1));
    let mut at = START;
    for wait in [5, 20, 80] {
        assert_eq!(start(&mut run, at), [0]);
        end(&mut run, at, 0, Verdict::Void(VoidCause::Provider));
        let Action::Wait { until: Some(until) } = run.next(at) else { panic!("it waits") };
        assert!(seconds(wait).mul_f64(0.8) <= until - at && until - at <= seconds(wait).mul_f64(1.2));
        at = until;
    }
    assert_eq!(start(&mut run, at), [0]);
    end(&mut run, at, 0, Verdict::Void(VoidCause::Adapter));
    assert_eq!(run.states(), [State::Missing(VoidCause::Adapter)]);
    assert_eq!((run.next(at), run.voids()), (Action::Finish, 4));
    run.apply(at, &Event::Finished(Finish::Complete));
    run.apply(at, &Event::Resumed { retries: true });
    assert_eq!(run.next(at), Action::Start { slot: 0, attempt: 4 });
}

#[test]
fn a_worker_that_died_leaves_slots_that_run_again() {
    let mut run = Run::new(design(2, 1));
    start(&mut run, START);
    end(&mut run, seconds(1), 0, Verdict::Pass);
    run.apply(seconds(2), &Event::Discarded { slot: 1, spent: trial(4) });
    assert_eq!(run.next(seconds(2)), Action::Start { slot: 1, attempt: 1 });
    assert_eq!((run.spent().trials, run.spent().tokens), (2, 14));
}

#[test]
fn cancelling_stops_what_runs_and_resuming_goes_on() {
    let mut run = Run::new(design(2, 1));
    start(&mut run, START);
    run.apply(seconds(1), &Event::Cancelled);
    assert_eq!(run.next(seconds(1)), Action::Stop);
    for slot in 0..2 {
        run.apply(seconds(1), &Event::Discarded { slot, spent: trial(1) });
    }
    assert_eq!((run.next(seconds(1)), run.ending()), (Action::Finish, Some(&Finish::Cancelled)));
    run.apply(seconds(1), &Event::Finished(Finish::Cancelled));
    run.apply(seconds(1), &Event::Resumed { retries: false });
    assert_eq!(start(&mut run, seconds(1)), [0, 1]);
}

#[test]
fn a_broken_contract_ends_the_run() {
    let mut run = Run::new(design(2, 1));
    start(&mut run, START);
    end(&mut run, START, 0, Verdict::Void(VoidCause::ContractBroken));
    assert_eq!(run.next(START), Action::Stop);
    run.apply(START, &Event::Discarded { slot: 1, spent: trial(1) });
    assert_eq!((run.next(START), run.ending()), (Action::Finish, Some(&Finish::ContractBroken)));
}

#[test]
fn a_paused_run_lets_trials_end_and_starts_none() {
    let mut run = Run::new(design(3, 1));
    start(&mut run, START);
    run.apply(START, &Event::Paused("the key is wrong".to_owned()));
    assert_eq!(run.next(START), Action::Wait { until: None });
    end(&mut run, START, 0, Verdict::Pass);
    end(&mut run, START, 1, Verdict::Pass);
    assert_eq!((run.next(START), run.paused()), (Action::Pause, Some("the key is wrong")));
    run.apply(START, &Event::Resumed { retries: false });
    assert_eq!(start(&mut run, START), [2]);
}

#[test]
fn the_breaker_waits_and_one_trial_tries() {
    let mut run = Run::new(Design { parallel: 8, ..design(8, 1) });
    assert_eq!(start(&mut run, START).len(), 8);
    for slot in 0..8 {
        end(&mut run, seconds(1), slot, Verdict::Void(VoidCause::Provider));
    }
    assert_eq!(run.next(seconds(59)), Action::Wait { until: Some(seconds(61)) });
    assert_eq!(start(&mut run, seconds(61)).len(), 1);
}

/// What a trial of the property may do.
fn outcomes() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Pass),
        4 => Just(Verdict::Fail),
        1 => Just(Verdict::Void(VoidCause::Provider)),
        1 => Just(Verdict::Void(VoidCause::EnvironmentSetup)),
    ]
}

proptest! {
    /// Whatever happens in whatever order, and whenever the worker dies: no slot is filled twice, the budget holds, the run
    /// ends, and a run that is folded again from its events stands where it stood.
    #[test]
    fn every_run_ends_and_is_the_fold_of_its_events(
        tasks in 1_usize..6, repeats in 1_u32..4, parallel in 1_usize..5, most in prop::option::of(0_u64..30),
        verdicts in prop::collection::vec((outcomes(), any::<u8>()), 400),
    ) {
        let mut design = Design { parallel, ..design(tasks, repeats) };
        design.budget.trials = most;
        let mut run = Run::new(design.clone());
        let (mut log, mut now) = (Vec::new(), START);
        let mut filled = vec![0; design.slots.len()];
        for (verdict, chance) in verdicts {
            let event = match run.next(now) {
                Action::Start { slot, attempt } => Event::Started { slot, attempt },
                Action::Wait { .. } if run.running().next().is_some() => {
                    let running: Vec<usize> = run.running().collect();
                    let slot = running[chance as usize % running.len()];
                    if chance < 20 {
                        Event::Discarded { slot, spent: trial(0) }
                    } else {
                        filled[slot] += usize::from(!matches!(verdict, Verdict::Void(_)));
                        Event::Ended { slot, verdict, spent: trial(5) }
                    }
                }
                Action::Wait { until } => {
                    now = until.expect("nothing runs, so it waits for a time");
                    continue;
                }
                Action::Finish => break,
                action => return Err(TestCaseError::fail(format!("{action:?}"))),
            };
            now += Duration::from_millis(u64::from(chance));
            run.apply(now, &event);
            log.push((now, event));
            prop_assert!(run.running().count() <= parallel);
        }
        prop_assert!(filled.iter().all(|times| *times <= 1));
        prop_assert!(most.is_none_or(|most| run.spent().trials <= most));
        let mut again = Run::new(design);
        for (at, event) in &log {
            again.apply(*at, event);
        }
        prop_assert_eq!(again.states(), run.states());
        prop_assert_eq!(again.spent(), Spent { time: again.spent().time, ..run.spent() });
        prop_assert_eq!(again.next(now), run.next(now));
    }
}

/// A trial that was permitted to try whether all is well again may end without an outcome.
#[test]
fn a_probe_that_says_nothing_is_followed_by_another() {
    let mut run = Run::new(design(6, 1));
    let mut now = START;
    let mut voids = 0;
    // The provider is down.
    while voids < 5 {
        if let Action::Wait { until: Some(until) } = run.next(now) {
            now = until;
        }
        for slot in start(&mut run, now) {
            now += seconds(1);
            end(&mut run, now, slot, Verdict::Void(VoidCause::Provider));
            voids += 1;
        }
    }
    let Action::Wait { until: Some(until) } = run.next(now) else { panic!("the breaker is closed") };
    let mut until = until;
    let slot = loop {
        match run.next(until) {
            Action::Start { slot, .. } => break slot,
            Action::Wait { until: Some(later) } => until = later,
            other => panic!("nothing tries: {other:?}"),
        }
    };
    // It was measured before.
    run.apply(until, &Event::Reused { slot, verdict: Verdict::Pass });
    assert!(matches!(run.next(until), Action::Start { .. }));
}
