//! Whole runs, played against agents whose chances are known.

mod watching;

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::manifest::Gate;
use proptest::prelude::*;

use super::*;
use crate::engine::budget::{Budget, Limit};
use crate::engine::contract::Role;
use crate::engine::gate::stage::{Course, Decision as Said, Loss, Outcome, Stage};
use crate::engine::gate::statistics::Draws;
use crate::engine::plan::State;
use crate::engine::verdict::{Verdict, VoidCause};

const HELD_IN: usize = 8;
const TASKS: usize = 12;

/// An agent whose chances are known, and what proposals do to them.
#[derive(Clone)]
struct World {
    seed: u64,
    chances: Vec<f64>,
    /// Of each round, what each proposal makes of a chance.
    proposals: Vec<Vec<Vec<f64>>>,
    /// How many of a hundred trials are void.
    voids: u64,
    /// The tasks on which proposals are said to act.
    active: Option<BTreeSet<String>>,
    /// Where their rules fire, whatever was said.
    fires: BTreeSet<String>,
    /// Nothing passes from then on.
    breaks: Option<Duration>,
}

impl World {
    fn name(task: usize) -> String {
        format!("t-{task:02}")
    }

    fn chance(&self, members: &[u32], task: usize) -> f64 {
        members.iter().fold(self.chances[task], |chance, member| {
            let (round, at) = ((*member / 100) as usize, (*member % 100) as usize);
            (chance + self.proposals[round][at][task]).clamp(0.0, 1.0)
        })
    }

    /// What a trial comes to: it depends on what is run, and never on when.
    fn verdict(&self, members: &[u32], slot: &Slot, attempt: u32) -> Verdict {
        let task: usize = slot.task[2..].parse().unwrap();
        let mut seed = self.seed ^ task as u64 ^ u64::from(slot.repeat) << 8 ^ (slot.role as u64) << 16;
        for member in members {
            seed = Draws::new(seed ^ u64::from(*member) << 24).any();
        }
        let mut draws = Draws::new(seed);
        let passes = draws.unit() < self.chance(members, task);
        let is_void = Draws::new(seed ^ 0x5eed ^ u64::from(attempt) << 40).any() % 100 < self.voids;
        match (is_void, passes) {
            (true, _) => Verdict::Void(VoidCause::Provider),
            (false, true) => Verdict::Pass,
            (false, false) => Verdict::Fail,
        }
    }
}

fn design(gate: Gate, goal: Goal, rounds: u32) -> Design {
    let tasks: Vec<(String, Split)> = (0..TASKS)
        .map(|task| (World::name(task), if task < HELD_IN { Split::HeldIn } else { Split::HeldOut }))
        .collect();
    let (baseline, screen, confirm) = match gate {
        Gate::Certified => (4, 1, 4),
        Gate::Exact => (4, 2, 2),
        Gate::Paper => (2, 2, 2),
    };
    Design {
        trials: plan::Design { slots: Vec::new(), budget: Budget::default(), parallel: 4, seed: 3 },
        goal,
        rules: Rules { gate, baseline, screen, confirm, proposals: 4, rounds },
        tasks,
        candidates: Vec::new(),
        is_confined: true,
    }
}

/// A run that is played, with its log.
struct Played {
    cycle: Cycle,
    log: Vec<(Duration, Event)>,
    now: Duration,
    running: Vec<(usize, u32)>,
    /// How often a trial was started.
    started: usize,
}

impl Played {
    fn new(design: Design) -> Self {
        let cycle = Cycle::new(design);
        Self { cycle, log: Vec::new(), now: Duration::ZERO, running: Vec::new(), started: 0 }
    }

    fn tell(&mut self, event: Event) {
        self.cycle.apply(self.now, &event);
        self.log.push((self.now, event));
    }

    fn slot(&self, slot: usize) -> Slot {
        self.cycle.trials().design().slots[slot].clone()
    }

    /// What has been accepted up to an arm, with it.
    fn members(&self, arm: usize) -> Vec<u32> {
        let mut all = Vec::new();
        let mut at = arm;
        loop {
            let arm = &self.cycle.arms()[at];
            all.splice(0..0, arm.members.iter().copied());
            if arm.parent == at {
                return all;
            }
            at = arm.parent;
        }
    }

    /// One step; false at the end.
    fn step(&mut self, world: &World) -> bool {
        // What was learned trial by trial is what is found from the start.
        if let Some(known) = self.cycle.known.as_ref().filter(|_| self.log.len().is_multiple_of(8)) {
            assert_eq!(*known, self.cycle.stages());
            let states = self.cycle.trials().states().iter().copied().enumerate();
            let open =
                states.filter(|(_, state)| matches!(state, State::Pending { .. } | State::Running { .. }));
            assert!(self.cycle.trials().open().eq(open));
        }
        match self.cycle.next(self.now) {
            Step::Record(events) => {
                assert!(!events.is_empty());
                events.into_iter().for_each(|event| self.tell(event));
            }
            Step::Drop(slot) => {
                self.running.retain(|(running, _)| *running != slot);
                self.tell(Event::Trial(plan::Event::Dropped { slot, spent: trial() }));
            }
            Step::Mine => self.tell(Event::Mined { actionable: 3 }),
            Step::Propose => {
                let round = self.cycle.round();
                let count = world.proposals.get(round as usize).map_or(0, Vec::len) as u32;
                let active = || world.active.clone();
                let candidates =
                    (0..count).map(|at| Candidate { proposal: round * 100 + at, active: active() }).collect();
                self.tell(Event::Proposed { candidates, spent: Spent::nothing() });
            }
            Step::Merge(gains) => {
                let most = self.cycle.design().rules.merged();
                let (members, held) = gains.split_at(gains.len().min(most));
                let decision = Decision::Held(Hold::MergeCap);
                for (proposal, _) in held {
                    self.tell(Event::Decided { proposal: *proposal, decision });
                }
                self.tell(Event::Merged { members: members.iter().map(|(member, _)| *member).collect() });
            }
            Step::Audit { arm, slots } => {
                let tasks = slots.iter().map(|slot| self.slot(*slot));
                assert!(tasks.clone().all(|slot| (slot.role, slot.arm) == (Role::Audit, arm)));
                let tasks = tasks.map(|slot| slot.task).filter(|task| world.fires.contains(task)).collect();
                self.tell(Event::Activated { arm, tasks });
            }
            Step::Trial(Action::Start { slot, attempt }) => {
                self.started += 1;
                self.running.push((slot, attempt));
                self.tell(Event::Trial(plan::Event::Started { slot, attempt }));
            }
            Step::Trial(Action::Wait { until }) => {
                // Whichever is at the front ends; nothing depends on that.
                if self.running.is_empty() {
                    self.now = until.expect("a run that waits for nothing");
                } else {
                    let (slot, attempt) = self.running.remove(0);
                    self.now += Duration::from_secs(1);
                    let asked = self.slot(slot);
                    let verdict = match world.breaks {
                        Some(breaks) if breaks <= self.now => Verdict::Fail,
                        _ => world.verdict(&self.members(asked.arm), &asked, attempt),
                    };
                    self.tell(Event::Trial(plan::Event::Ended { slot, verdict, spent: trial() }));
                }
            }
            Step::Trial(Action::Stop) => {
                let (slot, _) = self.running.remove(0);
                self.tell(Event::Trial(plan::Event::Discarded { slot, spent: trial() }));
            }
            Step::Trial(Action::Pause) => return false,
            Step::Trial(Action::Finish) => {
                let finish = self.cycle.ending().cloned().expect("a finish");
                self.tell(Event::Trial(plan::Event::Finished(finish)));
                return false;
            }
        }
        true
    }

    fn play(mut self, world: &World) -> Self {
        let mut steps = 0;
        while self.step(world) {
            steps += 1;
            assert!(steps < 20_000, "the run does not end: {:?}", &self.log[self.log.len() - 8..]);
        }
        self
    }

    /// The worker dies: another one reads the log and starts the trials again that ran.
    fn die(&mut self) {
        let mut cycle = Cycle::new(self.cycle.design().clone());
        self.log.iter().for_each(|(at, event)| cycle.apply(*at, event));
        self.cycle = cycle;
        for (slot, _) in std::mem::take(&mut self.running) {
            self.tell(Event::Trial(plan::Event::Discarded { slot, spent: trial() }));
        }
    }
}

fn trial() -> Spent {
    Spent { trials: 1, tokens: 10, cost: Some(0.01), time: Duration::from_secs(1) }
}

fn world(seed: u64, effects: &[f64]) -> World {
    let mut draws = Draws::new(seed);
    let chances = (0..TASKS).map(|_| [0.05, 0.3, 0.5, 0.7, 0.95][draws.below(5)]).collect();
    let proposals = effects.iter().map(|effect| vec![*effect; TASKS]).collect();
    World {
        seed,
        chances,
        proposals: vec![proposals],
        voids: 0,
        active: None,
        fires: BTreeSet::new(),
        breaks: None,
    }
}

fn play(world: &World, gate: Gate) -> Played {
    let rounds = u32::try_from(world.proposals.len()).unwrap();
    Played::new(design(gate, Goal::Improve, rounds)).play(world)
}

#[test]
fn what_helps_is_accepted_and_what_harms_is_not() {
    for gate in [Gate::Certified, Gate::Exact, Gate::Paper] {
        let played = play(&world(5, &[-0.6, 0.6, 0.0, -0.3]), gate);
        let cycle = &played.cycle;
        assert_eq!(cycle.ending(), Some(&Finish::Rounds), "{gate:?}");
        assert_eq!(cycle.decisions()[&1], Decision::Accepted, "{gate:?}");
        assert!(matches!(cycle.decisions()[&0], Decision::Rejected(_)), "{gate:?}");
        assert!(matches!(cycle.decisions()[&3], Decision::Rejected(_)), "{gate:?}");
        assert_ne!(cycle.working(), 0);
        assert_eq!(cycle.decisions().len(), 4);
    }
}

#[test]
fn without_a_sandbox_nothing_is_accepted_or_rejected() {
    for gate in [Gate::Certified, Gate::Exact, Gate::Paper] {
        let design = Design { is_confined: false, ..design(gate, Goal::Improve, 1) };
        let played = Played::new(design).play(&world(5, &[-0.6, 0.6, 0.0, -0.3]));
        let decisions = played.cycle.decisions();
        assert_eq!(decisions.len(), 4, "{gate:?}");
        let open = Decision::Undecided(Open::Unsandboxed);
        assert!(decisions.values().all(|decision| *decision == open), "{gate:?}: {decisions:?}");
        assert_eq!(played.cycle.working(), 0, "{gate:?}");
    }
}

#[test]
fn the_next_round_begins_with_what_was_accepted() {
    let better = vec![vec![0.5; TASKS]];
    let world = World { proposals: vec![better, vec![vec![-0.9; TASKS]]], ..world(2, &[]) };
    let played = play(&world, Gate::Certified);
    let cycle = &played.cycle;
    assert_eq!((cycle.decisions()[&0], cycle.working()), (Decision::Accepted, 1));
    assert!(matches!(cycle.decisions()[&100], Decision::Rejected(_)));
    assert_eq!(cycle.arms()[2].parent, 1);
    // Its confirmation opened its record: nothing of it was measured again.
    let of = |arm, role| {
        let slots = cycle.trials().design().slots.iter();
        slots.filter(|slot| slot.arm == arm && slot.role == role).count()
    };
    assert_eq!((of(1, Role::Confirm), of(1, Role::Baseline)), (4 * TASKS, 0));
    assert_eq!(of(0, Role::Baseline), 8 * TASKS);
}

#[test]
fn a_union_that_fails_leaves_its_best_member() {
    // Each helps alone; together they spoil what already works.
    let mut first = vec![0.0; TASKS];
    let mut second = vec![0.0; TASKS];
    for task in 0..TASKS {
        (first[task], second[task]) = if task % 2 == 0 { (0.9, -0.05) } else { (-0.05, 0.8) };
    }
    let chances = (0..TASKS).map(|_| 0.1).collect();
    let base = World { seed: 9, chances, proposals: vec![vec![first, second]], ..world(9, &[]) };
    let played = Played::new(design(Gate::Certified, Goal::Improve, 1));
    let spoilt = |played: &Played, slot: &Slot| played.members(slot.arm).len() == 2;
    let mut played = played;
    while match played.cycle.next(played.now) {
        Step::Trial(Action::Wait { .. }) if !played.running.is_empty() => {
            let (slot, attempt) = played.running.remove(0);
            let asked = played.slot(slot);
            let verdict = match spoilt(&played, &asked) {
                true => Verdict::Fail,
                false => base.verdict(&played.members(asked.arm), &asked, attempt),
            };
            played.now += Duration::from_secs(1);
            played.tell(Event::Trial(plan::Event::Ended { slot, verdict, spent: trial() }));
            true
        }
        _ => played.step(&base),
    } {}
    let decisions = played.cycle.decisions();
    assert!(
        decisions.values().any(|decision| *decision == Decision::Held(Hold::UnionFailed)),
        "{decisions:?}"
    );
    assert!(decisions.values().any(|decision| *decision == Decision::Accepted), "{decisions:?}");
}

#[test]
fn a_budget_that_ends_leaves_proposals_undecided_until_it_goes_on() {
    let world = world(5, &[-0.6, 0.6]);
    let mut small = design(Gate::Certified, Goal::Improve, 1);
    small.trials.budget.trials = Some(52);
    let mut played = Played::new(small.clone()).play(&world);
    assert_eq!(played.cycle.ending(), Some(&Finish::Budget(Limit::Trials)));
    let open: Vec<Decision> = played.cycle.decisions().values().copied().collect();
    assert!(open.contains(&Decision::Undecided(Open::Budget)), "{open:?}");
    assert!(played.started <= 52);
    // Somebody gives it more.
    let mut more = small;
    more.trials.budget.trials = None;
    let mut cycle = Cycle::new(more);
    played.log.iter().for_each(|(at, event)| cycle.apply(*at, event));
    played.cycle = cycle;
    played.tell(Event::Trial(plan::Event::Resumed { retries: false }));
    let played = played.play(&world);
    assert_eq!(played.cycle.decisions()[&1], Decision::Accepted);
    assert_eq!(played.cycle.ending(), Some(&Finish::Rounds));
}

#[test]
fn nobody_is_asked_for_proposals_beyond_the_budget() {
    let mut small = design(Gate::Certified, Goal::Improve, 1);
    // The baseline takes 480 of them, and a trial up to 10.
    small.trials.budget.tokens = Some(485);
    let played = Played::new(small).play(&world(5, &[0.6]));
    assert_eq!(played.cycle.ending(), Some(&Finish::Budget(Limit::Tokens)));
    let is_proposed = |(_, event): &(Duration, Event)| matches!(event, Event::Proposed { .. });
    assert!(!played.log.iter().any(is_proposed));
}

#[test]
fn rounds_without_anything_better_end_a_run() {
    let world = World { proposals: vec![vec![vec![-0.5; TASKS]]; 9], ..world(4, &[]) };
    let played = Played::new(design(Gate::Exact, Goal::Improve, 9)).play(&world);
    assert_eq!(played.cycle.ending(), Some(&Finish::Stalled));
    assert_eq!(played.cycle.round(), 3);
    // The baseline was measured once.
    let baseline = played.cycle.trials().design().slots.iter().filter(|slot| slot.role == Role::Baseline);
    assert_eq!(baseline.count(), 4 * TASKS);
}

#[test]
fn an_edit_that_acts_on_some_tasks_is_tried_on_those() {
    let world = world(5, &[0.6]);
    let mut design = design(Gate::Certified, Goal::Validate, 1);
    let active = [0, 1, 2, 3, 8, 9].map(World::name).into_iter().collect();
    design.candidates = vec![Candidate { proposal: 0, active: Some(active) }];
    let played = Played::new(design.clone()).play(&world);
    // Besides what is audited.
    let tried = played.cycle.trials().design().slots.iter();
    let tried = tried.filter(|slot| slot.arm == 1 && slot.role != Role::Audit);
    assert!(tried.clone().all(|slot| [0, 1, 2, 3, 8, 9].map(World::name).contains(&slot.task)));
    assert!(tried.clone().filter(|slot| slot.role == Role::Confirm).all(|slot| slot.repeat < 8));
    // And one whose trigger fires nowhere in the held-in tasks is tried nowhere.
    design.candidates = vec![Candidate { proposal: 0, active: Some([World::name(9)].into()) }];
    let played = Played::new(design).play(&world);
    assert_eq!(played.cycle.decisions()[&0], Decision::Rejected(Reason::Inert));
    assert!(played.cycle.trials().design().slots.iter().all(|slot| slot.arm == 0));
}

#[test]
fn each_gate_decides_on_a_proposal_that_is_there() {
    for gate in [Gate::Certified, Gate::Exact, Gate::Paper] {
        let mut design = design(gate, Goal::Validate, 1);
        design.candidates = vec![Candidate { proposal: 0, active: None }];
        let played = Played::new(design).play(&world(5, &[0.7]));
        assert_eq!(played.cycle.decisions()[&0], Decision::Accepted, "{gate:?}");
        assert_eq!(played.cycle.ending(), Some(&Finish::Complete));
    }
}

#[test]
fn an_agent_that_fails_what_is_safe_is_not_tried_further() {
    let chances = (0..TASKS).map(|task| if task == 0 { 1.0 } else { 0.3 }).collect();
    let mut broken = vec![0.7; TASKS];
    broken[0] = -1.0;
    let world = World { seed: 1, chances, proposals: vec![vec![broken]], ..world(1, &[]) };
    let played = play(&world, Gate::Certified);
    assert_eq!(played.cycle.decisions()[&0], Decision::Rejected(Reason::Smoke));
    let tried = played.cycle.trials().design().slots.iter().filter(|slot| slot.arm == 1);
    assert_eq!(tried.map(|slot| slot.role).collect::<Vec<_>>(), [Role::Smoke, Role::Smoke]);
}

/// What the gate says of a candidate if every slot is run.
fn exhaustive(world: &World, played: &Played, proposal: u32, repeats: u32) -> Said {
    let cycle = &played.cycle;
    let arm = cycle.arm_of(proposal).unwrap();
    let stage = cycle.screen(arm);
    let mut whole = Stage::new(stage.tasks().to_vec(), repeats, None, Course::Exhaustive);
    for at in 0..whole.tasks().len() {
        let task = whole.tasks()[at].clone();
        for repeat in 0..repeats {
            let asked = slot(arm, &task.id, task.split, Role::Screen, repeat);
            whole.start(at);
            let outcome = match world.verdict(&[proposal], &asked, 0) {
                Verdict::Pass => Outcome::Pass,
                _ => Outcome::Fail,
            };
            whole.end(at, outcome);
        }
    }
    whole.decision()
}

fn effects() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop::sample::select(vec![-0.5, -0.2, 0.0, 0.0, 0.2, 0.5]), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Stopping early changes no decision.
    #[test]
    fn exact_decides_as_if_everything_was_run(seed in any::<u64>(), effects in effects(), parallel in 1_usize..20) {
        let world = world(seed, &effects);
        let mut design = design(Gate::Exact, Goal::Improve, 1);
        design.trials.parallel = parallel;
        let played = Played::new(design).play(&world);
        for (proposal, decision) in played.cycle.decisions() {
            let whole = exhaustive(&world, &played, *proposal, 2);
            match decision {
                Decision::Rejected(Reason::Screen(_)) => {
                    prop_assert!(matches!(whole, Said::Rejected(Loss::HeldIn | Loss::HeldOut | Loss::NoGain)));
                }
                _ => prop_assert_eq!(whole, Said::Accepted),
            }
        }
    }

    /// A worker that dies again and again comes to the same end, and its log tells the same run.
    #[test]
    fn a_run_goes_on_where_it_was(
        seed in any::<u64>(),
        effects in effects(),
        gate in prop::sample::select(vec![Gate::Certified, Gate::Exact, Gate::Paper]),
        deaths in prop::collection::vec(1_usize..60, 0..6),
        voids in prop::sample::select(vec![0_u64, 8]),
        is_gated in any::<bool>(),
    ) {
        let active = is_gated.then(|| [0, 1, 2, 3, 8, 9].map(World::name).into());
        let world = World { voids, active, fires: [10, 11].map(World::name).into(), ..world(seed, &effects) };
        let undisturbed = play(&world, gate);
        let mut played = Played::new(design(gate, Goal::Improve, 1));
        let mut goes_on = true;
        for steps in deaths {
            for _ in 0..steps {
                goes_on = goes_on && played.step(&world);
            }
            if goes_on {
                played.die();
            }
        }
        if goes_on {
            played = played.play(&world);
        }
        let mut told = Cycle::new(played.cycle.design().clone());
        played.log.iter().for_each(|(at, event)| told.apply(*at, event));
        prop_assert_eq!(told.decisions(), played.cycle.decisions());
        prop_assert_eq!(told.working(), played.cycle.working());
        if gate == Gate::Paper && voids == 0 {
            prop_assert_eq!(played.cycle.decisions(), undisturbed.cycle.decisions());
        }
        let same = |played: &Played| {
            let states = played.cycle.trials().design().slots.iter().zip(played.cycle.trials().states());
            let filled = states.filter_map(|(slot, state)| match state {
                State::Filled(verdict) => Some(((slot.arm, slot.role, slot.task.clone(), slot.repeat), *verdict)),
                _ => None,
            });
            filled.collect::<BTreeMap<_, _>>()
        };
        // No slot is filled twice, and what is filled in both is filled alike.
        let (one, other) = (same(&undisturbed), same(&played));
        if voids == 0 {
            for (key, verdict) in &other {
                prop_assert!(one.get(key).is_none_or(|there| there == verdict));
            }
        }
    }

    /// What ranks and orders never reads the trials of another role, and no more trials run than may.
    #[test]
    fn roles_do_not_mix(seed in any::<u64>(), effects in effects()) {
        let played = play(&world(seed, &effects), Gate::Certified);
        let slots = &played.cycle.trials().design().slots;
        for (at, one) in slots.iter().enumerate() {
            let key = |slot: &Slot| (slot.arm, slot.role, slot.task.clone(), slot.repeat);
            prop_assert!(slots[..at].iter().all(|other| key(other) != key(one)));
            let fits = match one.role {
                Role::Baseline => played.members(one.arm).len() == played.cycle.arms()[one.arm].members.len()
                    || one.arm == 0 || played.cycle.working() != 0,
                Role::Screen | Role::Smoke | Role::Confirm => one.arm != 0,
                Role::Sentinel => played.cycle.decisions().len() > 1,
                Role::Audit | Role::Sealed | Role::Imported => false,
            };
            prop_assert!(fits, "{one:?}");
        }
        prop_assert!(played.cycle.ending().is_some());
        let arms = played.cycle.arms().iter().flat_map(|arm| &arm.members);
        for proposal in arms {
            prop_assert!(played.cycle.decisions().contains_key(proposal));
        }
    }
}
