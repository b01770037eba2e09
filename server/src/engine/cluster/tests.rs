//! Votes, clusters and numbers on small pools, and that order changes nothing.

use std::collections::BTreeSet;

use harness_schema::detector::named;
use harness_schema::split::Split;
use proptest::prelude::*;

use super::*;
use crate::engine::detector::{Entities, Evidence};
use crate::engine::signature::Finding;
use crate::engine::split::Splits;

fn seen(task: &str, repeat: u32, cause: Option<Cause>, found: &[(&str, Status)]) -> Seen {
    let findings = found.iter().map(|(name, status)| Finding {
        detector: named(name).unwrap(),
        evidence: Evidence { steps: vec![1] },
        status: *status,
        entities: Entities::default(),
    });
    Seen {
        trial: format!("{task}.{repeat}"),
        task: task.to_owned(),
        repeat,
        cause,
        findings: findings.collect(),
        messages: Vec::new(),
        entities: BTreeSet::new(),
        steps: 4,
    }
}

fn held_in(all: Vec<Seen>) -> Vec<HeldIn<Seen>> {
    Splits::apart(all, |_| Some(Split::HeldIn)).held_in
}

fn mined(all: Vec<Seen>) -> Mined {
    group(&held_in(all))
}

const MISSING: Option<Cause> = Some(Cause::ArtifactMissing);
const WRONG: Option<Cause> = Some(Cause::ValueMismatch);

#[test]
fn nothing_to_mine() {
    let mined = mined(vec![seen("a", 0, None, &[])]);
    assert_eq!((mined.clusters.len(), mined.level), (0, Level::Cause));
    assert_eq!(mined.cold, Cold::default());
    assert_eq!(mined.gathered, [0.0; 4]);
}

#[test]
fn one_vote_for_each_task() {
    let idle = [("no-write", Status::Direct)];
    let mined = mined(vec![
        seen("a", 0, MISSING, &idle),
        seen("a", 1, WRONG, &[]),
        seen("a", 2, MISSING, &idle),
        seen("a", 3, None, &[]),
        // As often as the other: the lesser counts.
        seen("b", 0, WRONG, &[]),
        seen("b", 1, MISSING, &idle),
    ]);
    // Two failed tasks are few, but what they say is the same.
    assert!(mined.cold.is_cold());
    assert_eq!((mined.cold.failed, mined.cold.gathered, mined.cold.unexplained), (2, 0.0, 0.0));
    assert_eq!(mined.cold.steady, Some((1.0 / 3.0 + 0.0) / 2.0));
    let [cluster] = mined.clusters.as_slice() else { panic!("{:?}", mined.clusters) };
    assert_eq!(cluster.cause, MISSING);
    let weights: Vec<(&str, f64, usize)> =
        cluster.supporters.iter().map(|each| (each.task.as_str(), each.weight, each.trials.len())).collect();
    assert_eq!(weights, [("a", 0.75, 2), ("b", 1.0, 1)]);
    assert_eq!(cluster.supporters[0].trials, ["a.0", "a.2"]);
    assert_eq!(cluster.support, 2);
}

#[test]
fn a_flaky_task_needs_two_failures() {
    let idle = [("no-write", Status::Direct)];
    let once = |failed: u32| {
        (0..4).map(|repeat| seen("a", repeat, MISSING.filter(|_| repeat < failed), &idle)).collect::<Vec<_>>()
    };
    assert_eq!(mined(once(1)).clusters[0].support, 0);
    assert_eq!(mined(once(2)).clusters[0].support, 1);
}

#[test]
fn the_top_mechanism_is_not_set_aside() {
    let habit = ("never-verified", Status::Contributing);
    let loops = ("loop-consecutive", Status::Undetermined);
    let luck = ("touched-tests", Status::Contributing);
    let mut all: Vec<Seen> =
        (0..10).map(|at| seen(&format!("failed {at}"), 0, WRONG, &[habit, loops])).collect();
    all.extend((0..10).map(|at| seen(&format!("passed {at}"), 0, None, &[habit, luck])));
    all.push(seen("failed 10", 0, WRONG, &[habit, luck]));
    all.push(seen("failed 11", 0, WRONG, &[luck]));
    let mined = mined(all);
    let aside = |name: &str| mined.firings.aside(named(name).unwrap());
    assert_eq!(aside("never-verified"), Aside::Habit);
    assert_eq!(aside("touched-tests"), Aside::Uninformative);
    assert_eq!(aside("loop-consecutive"), Aside::No);
    let found: Vec<(Option<&str>, usize, bool)> = mined
        .clusters
        .iter()
        .map(|cluster| (cluster.mechanism.map(|it| it.name), cluster.support, cluster.is_habit))
        .collect();
    // First what tells, then habits, then the rest.
    assert_eq!(
        found,
        [
            (Some("loop-consecutive"), 10, false),
            (Some("never-verified"), 1, true),
            (Some("touched-tests"), 1, false)
        ]
    );
    assert_eq!(mined.firings.habits().map(|it| it.id).collect::<Vec<_>>(), ["M12"]);
    assert!(1.5 <= mined.clusters[0].lift.unwrap());
}

#[test]
fn few_trials_set_nothing_aside() {
    let habit = ("never-verified", Status::Contributing);
    let mut all: Vec<Seen> = (0..9).map(|at| seen(&format!("f{at}"), 0, WRONG, &[habit])).collect();
    all.extend((0..9).map(|at| seen(&format!("p{at}"), 0, None, &[habit])));
    let mined = mined(all);
    assert_eq!(mined.firings.aside(named("never-verified").unwrap()), Aside::No);
}

#[test]
fn the_ladder_is_climbed_only_where_it_is_cold() {
    let status = [Status::Direct, Status::Contributing, Status::Undetermined];
    let cause = [Cause::ArtifactMissing, Cause::ValueMismatch, Cause::CheckFailed];
    // Nine failures with one mechanism and nine signatures.
    let mut all = Vec::new();
    for (at, cause) in cause.into_iter().enumerate() {
        for (more, status) in status.into_iter().enumerate() {
            all.push(seen(&format!("{at}{more}"), 0, Some(cause), &[("loop-cycle", status)]));
        }
    }
    let mechanism = mined(all);
    assert_eq!(mechanism.level, Level::Mechanism);
    assert_eq!(mechanism.gathered, [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(mechanism.gathered_at(Level::Tier), 1.0);
    let [cluster] = mechanism.clusters.as_slice() else { panic!() };
    assert_eq!((cluster.cause, cluster.status, cluster.support), (None, None, 9));
    assert!((cluster.value - 3.0 * (1.0 + 0.6 + 0.3)).abs() < 1e-12);
    // The same tier, then the same cause alone.
    let tier = ["loop-cycle", "stuck-red", "edit-thrash", "loop-consecutive"];
    let all = tier.into_iter().enumerate();
    let all = all.map(|(at, name)| seen(&at.to_string(), 0, WRONG, &[(name, Status::Direct)])).collect();
    let mined = mined(all);
    assert_eq!((mined.level, mined.clusters.len(), mined.clusters[0].tier), (Level::Tier, 1, Some(2)));
}

#[test]
fn ids_are_what_they_were() {
    let mined = mined(vec![seen("a", 0, WRONG, &[])]);
    assert_eq!(mined.level, Level::Cause);
    let key = |signature: &Signature| id(Level::Signature, &Level::Signature.key(signature));
    let none = Signature { cause: Cause::ValueMismatch, status: Status::Undetermined, mechanism: None };
    let idle = Signature { mechanism: named("no-write"), status: Status::Direct, ..none };
    // SHA-256 of "signature/1\0L0\0value.mismatch\0undetermined\0none", as any other program makes it.
    assert_eq!(key(&none), Digest::of(b"signature/1\0L0\0value.mismatch\0undetermined\0none").short(12));
    assert_eq!(key(&idle), Digest::of(b"signature/1\0L0\0value.mismatch\0direct\0M06").short(12));
    assert_ne!(key(&none), key(&idle));
}

fn pool() -> impl Strategy<Value = Vec<Seen>> {
    let names = vec!["no-write", "loop-cycle", "never-verified", "touched-tests"];
    let found = prop::collection::vec((prop::sample::select(names), 0_usize..3), 0..3);
    let trial = (0_usize..8, prop::option::of(0_usize..4), found);
    prop::collection::vec(trial, 0..40).prop_map(|trials| {
        let mut repeats = [0_u32; 8];
        let each = trials.into_iter().map(|(task, cause, found)| {
            let repeat = repeats[task];
            repeats[task] += 1;
            let cause = cause.map(|at| Cause::ALL[at + 10]);
            let found: BTreeSet<(&str, usize)> = found.into_iter().collect();
            let found: Vec<(&str, Status)> =
                found.into_iter().map(|(name, at)| (name, Status::ALL[at])).collect();
            seen(&format!("task {task}"), repeat, cause, &found)
        });
        each.collect()
    })
}

proptest! {
    #[test]
    fn any_order_gives_the_same(pool in pool(), seed in any::<prop::sample::Index>(), flip in any::<bool>()) {
        let first = mined(pool.clone());
        let mut turned = pool.clone();
        if !turned.is_empty() {
            let at = seed.index(turned.len());
            turned.rotate_left(at);
        }
        if flip {
            turned.reverse();
        }
        let second = mined(turned);
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
        // Each failed task is in one cluster, and no share is more than all.
        let failed: BTreeSet<&str> =
            pool.iter().filter(|seen| seen.cause.is_some()).map(|seen| seen.task.as_str()).collect();
        let tasks: Vec<&str> =
            first.clusters.iter().flat_map(|it| &it.supporters).map(|it| it.task.as_str()).collect();
        prop_assert_eq!(tasks.iter().copied().collect::<BTreeSet<_>>(), failed);
        prop_assert_eq!(tasks.len(), first.cold.failed);
        prop_assert!(first.gathered.iter().all(|share| (0.0..=1.0).contains(share)));
        // What is coarser gathers no less.
        let [signature, mechanism, tier, _] = first.gathered;
        prop_assert!(signature <= mechanism + 1e-9 && mechanism <= tier + 1e-9);
        let ids: BTreeSet<&str> = first.clusters.iter().map(|it| it.id.as_str()).collect();
        prop_assert_eq!(ids.len(), first.clusters.len());
    }
}
