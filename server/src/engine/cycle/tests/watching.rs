//! Audits, sentinels, proposals that are tried again, the end of a run that leads nowhere, and what is kept back of a budget.

use super::*;

const ACTIVE: [usize; 6] = [0, 1, 2, 3, 8, 9];

fn named(tasks: &[usize]) -> BTreeSet<String> {
    tasks.iter().map(|task| World::name(*task)).collect()
}

/// A world in which proposals act on some tasks.
fn gated(seed: u64, effect: f64) -> World {
    let mut effects = vec![0.0; TASKS];
    ACTIVE.iter().for_each(|task| effects[*task] = effect);
    World { proposals: vec![vec![effects]], active: Some(named(&ACTIVE)), ..world(seed, &[]) }
}

fn slots(played: &Played, arm: usize, role: Role) -> Vec<Slot> {
    let slots = played.cycle.trials().design().slots.iter();
    slots.filter(|slot| slot.arm == arm && slot.role == role).cloned().collect()
}

fn decided(played: &Played, proposal: u32) -> Vec<Decision> {
    let decided = played.log.iter().filter_map(|(_, event)| match event {
        Event::Decided { proposal: of, decision } if *of == proposal => Some(*decision),
        _ => None,
    });
    decided.collect()
}

#[test]
fn inert_tasks_are_audited_and_keep_their_record() {
    let mut world = gated(5, 0.7);
    world.proposals.push(vec![vec![-0.5; TASKS]]);
    let mut played = Played::new(design(Gate::Certified, Goal::Improve, 2)).play(&world);
    assert_eq!(decided(&played, 0), [Decision::Accepted]);
    // One of twenty of six tasks, rounded up, and one that was called inert.
    let audits = slots(&played, 1, Role::Audit);
    assert_eq!((audits.len(), played.cycle.working()), (1, 1));
    assert!(!named(&ACTIVE).contains(&audits[0].task));
    // The other tasks were measured before, and what was measured still holds.
    assert_eq!(slots(&played, 1, Role::Baseline), []);
    assert_eq!(slots(&played, 1, Role::Confirm).len(), 8 * ACTIVE.len());
    for task in 0..TASKS {
        let name = World::name(task);
        let standing = played.cycle.standing(1, &name);
        let arms = standing.iter().map(|slot| played.slot(*slot).arm);
        assert!(arms.clone().all(|arm| arm == usize::from(ACTIVE.contains(&task))), "{name}");
        assert_eq!(standing.len(), if ACTIVE.contains(&task) { 8 } else { 4 });
    }
    // Another seed draws another task sooner or later.
    let mut drawn = BTreeSet::new();
    for seed in 0..12 {
        let mut design = design(Gate::Certified, Goal::Improve, 1);
        design.trials.seed = seed;
        played = Played::new(design).play(&gated(5, 0.7));
        drawn.extend(slots(&played, 1, Role::Audit).into_iter().map(|slot| slot.task));
    }
    assert!(1 < drawn.len() && drawn.is_disjoint(&named(&ACTIVE)), "{drawn:?}");
}

#[test]
fn an_audit_that_fires_undoes_the_decision_and_more_is_run() {
    // Two held-out tasks, which pass, are called inert. It fires there too, and does harm or does not.
    let active: Vec<usize> = (0..10).collect();
    for (elsewhere, last) in
        [(0.0, Decision::Accepted), (-1.0, Decision::Rejected(Reason::Confirm(Loss::HeldOut)))]
    {
        let mut effects = vec![0.7; TASKS];
        effects[10..].fill(elsewhere);
        let world = World {
            chances: (0..TASKS).map(|task| if task < HELD_IN { 0.3 } else { 1.0 }).collect(),
            proposals: vec![vec![effects]],
            active: Some(named(&active)),
            fires: named(&[10, 11]),
            ..world(5, &[])
        };
        let played = Played::new(design(Gate::Certified, Goal::Improve, 1)).play(&world);
        assert_eq!(decided(&played, 0), [Decision::Undecided(Open::TriggerMoved), last]);
        // Once: the task that was found is run as the others are, and nothing is audited again.
        let audits = slots(&played, 1, Role::Audit);
        let found = &audits[0].task;
        assert_eq!(audits.len(), 1);
        let confirmed = slots(&played, 1, Role::Confirm);
        let of_found = confirmed.iter().filter(|slot| slot.task == *found).count();
        assert!(if last == Decision::Accepted { of_found == 8 } else { 0 < of_found }, "{of_found}");
        assert!(played.cycle.arms()[1].active.as_ref().unwrap().contains(found));
    }
}

/// Every task was run eight times before, so that no trial of the baseline runs beside a candidate.
fn topped_up(rounds: u32) -> Design {
    let mut design = design(Gate::Certified, Goal::Improve, rounds);
    for repeat in 0..8 {
        for (task, split) in design.tasks.clone() {
            design.trials.slots.push(slot(0, &task, split, Role::Baseline, repeat));
        }
    }
    design
}

#[test]
fn a_baseline_that_fails_suddenly_is_measured_anew() {
    let chances = (0..TASKS).map(|task| if task < 4 { 0.1 } else { 1.0 }).collect();
    let world = World { chances, ..world(5, &[0.8]) };
    let quiet = Played::new(topped_up(1)).play(&world);
    assert_eq!(quiet.cycle.decisions()[&0], Decision::Accepted);
    let sentinels = slots(&quiet, 0, Role::Sentinel);
    assert_eq!(sentinels.len(), 8);
    // They are spread over the confirmation.
    let places = quiet.log.iter().filter_map(|(_, event)| match event {
        Event::Trial(plan::Event::Planned(slot)) if slot.arm == 1 || slot.role == Role::Sentinel => {
            Some(slot.role)
        }
        _ => None,
    });
    let places: Vec<Role> =
        places.skip_while(|role| *role != Role::Confirm && *role != Role::Sentinel).collect();
    let longest = places.split(|role| *role == Role::Sentinel).map(<[Role]>::len).max().unwrap();
    assert!(longest <= 4 * TASKS / 8 + 4, "{longest}");
    // The provider changes something when it begins.
    let began = quiet.log.iter().find(|(_, event)| matches!(event, Event::Merged { .. })).unwrap().0;
    let world = World {
        breaks: Some(began + Duration::from_secs(1)),
        proposals: vec![world.proposals[0].clone(); 2],
        ..world
    };
    let played = Played::new(topped_up(2)).play(&world);
    assert_eq!(played.cycle.decisions()[&0], Decision::Undecided(Open::Drift));
    assert_eq!(played.cycle.working(), 0);
    // A new ledger: as many trials as at the beginning, with repeats that there were not.
    let baseline = slots(&played, 0, Role::Baseline);
    assert_eq!(baseline.len(), 12 * TASKS);
    let standing = played.cycle.standing(0, &World::name(3));
    assert_eq!(standing.iter().map(|at| played.slot(*at).repeat).collect::<Vec<_>>(), [8, 9, 10, 11]);
    // What is compared with it now fails as it does.
    assert!(matches!(played.cycle.decisions()[&100], Decision::Rejected(_)));
}

#[test]
fn sentinels_seldom_cry_wolf() {
    let (mut confirmed, mut drifted) = (0, 0);
    for seed in 0..50 {
        let played = Played::new(topped_up(1)).play(&world(seed, &[0.4]));
        confirmed += usize::from(!slots(&played, 0, Role::Sentinel).is_empty());
        drifted += usize::from(played.cycle.decisions()[&0] == Decision::Undecided(Open::Drift));
    }
    assert!(20 < confirmed && drifted * 20 <= confirmed, "{drifted} of {confirmed}");
}

#[test]
fn a_run_is_stalled_only_if_what_is_to_be_expected_is_out_of_sight() {
    let chances: Vec<f64> = (0..TASKS).map(|task| if task < 5 { 0.0 } else { 1.0 }).collect();
    // Three tasks more each time, and one held-out task less: never accepted, and plain to see.
    let mut near = vec![0.0; TASKS];
    near[..3].fill(1.0);
    near[HELD_IN] = -1.0;
    for (effects, finish, rounds) in [
        (near, Finish::Rounds, 5),
        (vec![0.0; TASKS], Finish::Stalled, 3),
        (vec![-1.0; TASKS], Finish::Stalled, 3),
    ] {
        let world = World { chances: chances.clone(), proposals: vec![vec![effects]; 5], ..world(4, &[]) };
        let played = Played::new(design(Gate::Paper, Goal::Improve, 5)).play(&world);
        assert_eq!((played.cycle.ending(), played.cycle.round()), (Some(&finish), rounds));
    }
}

#[test]
fn what_met_the_rule_and_not_the_margin_is_tried_once_more() {
    let small = Decision::Held(Hold::SmallEffect);
    let mut seen = 0;
    for seed in 0..400 {
        let mut world = world(seed, &[0.08]);
        let played = Played::new(design(Gate::Certified, Goal::Improve, 1)).play(&world);
        if decided(&played, 0) != [small] {
            continue;
        }
        seen += 1;
        world.proposals.extend([vec![vec![-0.9; TASKS]], vec![vec![-0.9; TASKS]]]);
        let played = Played::new(design(Gate::Certified, Goal::Improve, 3)).play(&world);
        let decisions = decided(&played, 0);
        assert_eq!(decisions.len(), 2, "{decisions:?}");
        let arms = played.cycle.arms().iter().enumerate().filter(|(_, arm)| arm.members == [0]);
        let arms: Vec<usize> = arms.map(|(at, _)| at).collect();
        assert_eq!(arms.len(), 2);
        // The trials that did not decide do not decide later either.
        let first = slots(&played, arms[0], Role::Screen);
        for again in slots(&played, arms[1], Role::Screen) {
            assert!(
                first.iter().all(|old| (&old.task, old.repeat) != (&again.task, again.repeat)),
                "{again:?}"
            );
        }
        if seen == 3 {
            break;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_screen_begins_only_if_the_budget_covers_it() {
    let world = world(5, &[-0.6, -0.6, 0.6]);
    let mut small = design(Gate::Certified, Goal::Improve, 1);
    // Besides the baseline, room for one screen of 0.6 · 12 trials and not for two.
    small.trials.budget.trials = Some(4 * TASKS as u64 + 12);
    small.trials.parallel = 1;
    let played = Played::new(small.clone()).play(&world);
    assert_eq!(played.cycle.ending(), Some(&Finish::Budget(Limit::Trials)));
    let begun = |played: &Played, arm: usize| {
        slots(played, arm, Role::Screen).len() + slots(played, arm, Role::Smoke).len()
    };
    assert!(0 < begun(&played, 1));
    assert!(matches!(played.cycle.decisions()[&0], Decision::Rejected(_)));
    assert_eq!((begun(&played, 3), played.cycle.decisions()[&2]), (0, Decision::Undecided(Open::Budget)));
    // Nothing is left half screened.
    for arm in 1..4 {
        assert_eq!(
            0 < begun(&played, arm),
            played.cycle.decisions()[&(arm as u32 - 1)] != Decision::Undecided(Open::Budget)
        );
    }
    // With nothing to spare no screen begins, and what was spent is the baseline.
    small.trials.budget.trials = Some(4 * TASKS as u64 + 7);
    let played = Played::new(small).play(&world);
    assert_eq!((played.started, played.cycle.decisions().len()), (4 * TASKS, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Nothing is accepted before its audits were read, and what they found was run as the rest was (`method` 6.3, 11).
    #[test]
    fn a_firing_in_an_audit_leaves_no_accepted_decision(
        seed in any::<u64>(), effect in 0.2_f64..0.7, active in prop::collection::btree_set(0..TASKS, 3..9),
        fires in prop::collection::btree_set(0..TASKS, 0..12),
    ) {
        let active: Vec<usize> = active.into_iter().collect();
        let fires: BTreeSet<String> = fires.into_iter().map(World::name).collect();
        let world = World { active: Some(named(&active)), fires: fires.clone(), ..world(seed, &[effect]) };
        let played = Played::new(design(Gate::Certified, Goal::Improve, 1)).play(&world);
        let told = |wanted: &dyn Fn(&Event) -> bool| played.log.iter().position(|(_, event)| wanted(event));
        let accepted = told(&|event| matches!(event, Event::Decided { decision: Decision::Accepted, .. }));
        let audited = told(&|event| matches!(event, Event::Activated { .. }));
        let audits = slots(&played, 1, Role::Audit);
        prop_assert!(audits.iter().all(|slot| !named(&active).contains(&slot.task)));
        if let Some(accepted) = accepted {
            prop_assert!(audited.is_some_and(|audited| audited < accepted));
            prop_assert_eq!(audits.len(), 1);
            let moved = fires.contains(&audits[0].task);
            let first = decided(&played, 0)[0];
            prop_assert_eq!(first == Decision::Undecided(Open::TriggerMoved), moved);
            let confirmed = slots(&played, 1, Role::Confirm);
            let of_found = confirmed.iter().filter(|slot| slot.task == audits[0].task).count();
            prop_assert_eq!(of_found, if moved { 8 } else { 0 });
        }
    }
}

/// A trial that is stopped may end as void before it hears of that. It is not repeated: nobody needs it.
#[test]
fn what_nobody_needs_is_not_repeated_when_it_was_void() {
    let mut stopped = BTreeSet::new();
    for seed in 0..12 {
        let world = world(seed, &[-0.6, -0.5, -0.6, 0.0]);
        let mut played = Played::new(design(Gate::Certified, Goal::Improve, 1));
        let mut voided = BTreeSet::new();
        loop {
            let goes_on = match played.cycle.next(played.now) {
                Step::Drop(slot) => {
                    let runs = played.running.iter().any(|(running, _)| *running == slot);
                    played.running.retain(|(running, _)| *running != slot);
                    let (verdict, spent) = (Verdict::Void(VoidCause::Provider), trial());
                    played.tell(Event::Trial(match runs {
                        true => plan::Event::Ended { slot, verdict, spent },
                        false => plan::Event::Dropped { slot, spent: Spent::nothing() },
                    }));
                    if runs {
                        voided.insert(slot);
                    }
                    true
                }
                _ => played.step(&world),
            };
            if !goes_on {
                break;
            }
        }
        for slot in &voided {
            let starts = played.log.iter().filter(|(_, event)| {
                matches!(event, Event::Trial(plan::Event::Started { slot: of, .. }) if of == slot)
            });
            assert_eq!(starts.count(), 1, "slot {slot}");
        }
        stopped.extend(voided);
    }
    assert!(!stopped.is_empty(), "no trial was stopped");
}

/// A baseline that was topped up by an earlier run is of another day: what watches the world runs in its place.
#[test]
fn sentinels_run_where_the_baseline_is_of_another_day() {
    let world = world(5, &[0.7]);
    let mut played = Played::new(design(Gate::Certified, Goal::Improve, 1));
    loop {
        let goes_on = match played.cycle.next(played.now) {
            Step::Trial(Action::Start { slot, .. }) if played.slot(slot).role == Role::Baseline => {
                let verdict = world.verdict(&[], &played.slot(slot), 0);
                played.tell(Event::Trial(plan::Event::Reused { slot, verdict }));
                true
            }
            _ => played.step(&world),
        };
        if !goes_on {
            break;
        }
    }
    assert_eq!(played.cycle.decisions()[&0], Decision::Accepted);
    assert_eq!(slots(&played, 0, Role::Sentinel).len(), 8);
}
