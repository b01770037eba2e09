//! Whole runs, as the product plays them: what a run wants is done, and how it ends is looked at with eyes that no run has.

use std::time::Duration;

use harness_schema::manifest::Gate;
use harness_schema::split::Split;
use self_harness::engine::budget::{Budget, Spent};
use self_harness::engine::contract::Role;
use self_harness::engine::cycle::{Candidate, Cycle, Decision, Design, Event, Goal, Hold, Rules, Step};
use self_harness::engine::gate::statistics::Draws;
use self_harness::engine::plan::{self, Action};
use self_harness::engine::verdict::Verdict;

use crate::PLACES;
use crate::model::{self, Edit, FRESH, HELD_IN, Kind, Pool, Proposer, TASKS};

/// How proposals are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The published gate: two trials of both arms, every slot; all that pass are adopted together, and nobody runs the union.
    Paper,
    /// The same rule on four trials of the baseline, stopped early; nobody runs the union.
    Apart,
    /// The mode `exact` of the product: the union is run.
    Exact,
    /// The mode `certified` of the product.
    Certified,
}

impl Policy {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Apart => "exact, union not run",
            Self::Exact => "exact",
            Self::Certified => "certified",
        }
    }

    /// The repeats are those of `method` 5.1.
    fn rules(self, proposals: u32, rounds: u32) -> Rules {
        let (gate, baseline, screen, confirm) = match self {
            Self::Paper => (Gate::Paper, 2, 2, 2),
            Self::Apart | Self::Exact => (Gate::Exact, 4, 2, 2),
            Self::Certified => (Gate::Certified, 4, 1, 4),
        };
        Rules { gate, baseline, screen, confirm, proposals, rounds }
    }

    fn runs_union(self) -> bool {
        matches!(self, Self::Exact | Self::Certified)
    }
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Game {
    pub(crate) policy: Policy,
    pub(crate) pool: Pool,
    pub(crate) proposer: Proposer,
    /// Proposals in a round.
    pub(crate) proposals: u32,
    pub(crate) rounds: u32,
    /// Trials, if they are limited.
    pub(crate) budget: Option<u64>,
    /// Whether it goes on where nothing survives round after round: the model spends what it has, a run of the product ends.
    pub(crate) is_patient: bool,
}

/// So many rounds without a survivor end a run of the product.
const BARREN: u32 = 3;

/// A proposal costs as much as so many trials.
const PROPOSAL: u64 = 2;

/// What became of a proposal, and what it is worth on tasks that it was not made for, in points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) kind: Kind,
    pub(crate) worth: f64,
    pub(crate) decision: Option<Decision>,
}

/// A run that was played.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) trials: u64,
    /// Those of them in which candidates were screened, and those in which they were confirmed.
    pub(crate) screening: u64,
    pub(crate) confirming: u64,
    /// What it gained on fresh tasks, in points.
    pub(crate) gain: f64,
    pub(crate) fates: Vec<Fate>,
    /// Rounds that were ended.
    pub(crate) rounds: u32,
    /// Whether nothing survived for so many rounds that a run of the product would have ended.
    pub(crate) is_stalled: bool,
}

/// A run of a game; equal seeds meet the same agent.
pub(crate) fn play(game: &Game, seed: u64) -> Played {
    let mut world = Draws::new(seed);
    let chances = model::agent(&mut world, game.pool, TASKS + FRESH);
    let tasks = (0..TASKS).map(|at| {
        let split = if at < HELD_IN { Split::HeldIn } else { Split::HeldOut };
        (format!("task-{at:03}"), split)
    });
    let budget = Budget { trials: game.budget, ..Budget::default() };
    let design = Design {
        trials: plan::Design { slots: Vec::new(), budget, parallel: PLACES, seed },
        goal: Goal::Improve,
        rules: game.policy.rules(game.proposals, game.rounds),
        tasks: tasks.collect(),
        candidates: Vec::new(),
        is_confined: true,
    };
    let minutes = (0..TASKS).map(|_| 1.0 + 9.0 * world.unit()).collect();
    let mut player = Player {
        game,
        cycle: Cycle::new(design),
        proposals: Draws::new(world.any()),
        trials: Draws::new(world.any() ^ game.policy as u64),
        minutes,
        arms: vec![chances],
        edits: Vec::new(),
        worths: Vec::new(),
        running: Vec::new(),
        now: 0.0,
        barren: 0,
        is_stalled: false,
        screening: 0,
        confirming: 0,
    };
    while player.step() {}
    player.end()
}

struct Player<'a> {
    game: &'a Game,
    cycle: Cycle,
    proposals: Draws,
    trials: Draws,
    /// How long a trial of each task takes on the average.
    minutes: Vec<f64>,
    /// The chances of each arm, as far as they are known.
    arms: Vec<Vec<f64>>,
    edits: Vec<Edit>,
    worths: Vec<f64>,
    /// When each trial that runs will end.
    running: Vec<(f64, usize)>,
    now: f64,
    /// Rounds in a row that nothing survived.
    barren: u32,
    is_stalled: bool,
    screening: u64,
    confirming: u64,
}

impl Player<'_> {
    fn tell(&mut self, event: &Event) {
        self.cycle.apply(Duration::from_secs_f64(60.0 * self.now), event);
    }

    /// One step; false at the end.
    fn step(&mut self) -> bool {
        let now = Duration::from_secs_f64(60.0 * self.now);
        match self.cycle.next(now) {
            Step::Record(events) => events.into_iter().for_each(|event| self.record(event)),
            Step::Drop(slot) => {
                self.running.retain(|(_, running)| *running != slot);
                self.tell(&Event::Trial(plan::Event::Dropped { slot, spent: trial(0.0) }));
            }
            Step::Mine => self.tell(&Event::Mined { actionable: 3 }),
            Step::Propose => self.propose(),
            Step::Merge(gains) => self.merge(&gains),
            // No edit here acts on some tasks alone, so nothing fires where it should not.
            Step::Audit { arm, .. } => self.tell(&Event::Activated { arm, tasks: Default::default() }),
            Step::Trial(Action::Start { slot, attempt }) => {
                self.tell(&Event::Trial(plan::Event::Started { slot, attempt }));
                match self.cycle.trials().design().slots.get(slot).map(|slot| slot.role) {
                    Some(Role::Screen | Role::Smoke) => self.screening += 1,
                    Some(Role::Confirm) => self.confirming += 1,
                    _ => {}
                }
                let minutes = self.task(slot).and_then(|task| self.minutes.get(task)).copied();
                let took = -(1.0 - self.trials.unit()).ln() * minutes.unwrap_or(1.0);
                self.running.push((self.now + took, slot));
            }
            Step::Trial(Action::Wait { until }) => self.wait(until),
            Step::Trial(Action::Stop | Action::Pause | Action::Finish) => return false,
        }
        true
    }

    fn record(&mut self, event: Event) {
        match event {
            Event::Screened { survivors } => {
                self.barren = if survivors.is_empty() { self.barren + 1 } else { 0 };
                self.is_stalled |= BARREN <= self.barren;
                if survivors.is_empty() && self.game.is_patient {
                    // A round that ends without a word of how it went: the run does not count it as barren.
                    self.tell(&Event::Screened { survivors: vec![self.cycle.working()] });
                    self.tell(&Event::RoundEnded);
                } else {
                    self.tell(&Event::Screened { survivors });
                }
            }
            event => self.tell(&event),
        }
    }

    fn task(&self, slot: usize) -> Option<usize> {
        let task = &self.cycle.trials().design().slots.get(slot)?.task;
        task.rsplit('-').next()?.parse().ok()
    }

    fn wait(&mut self, until: Option<Duration>) {
        let running = self.running.iter().enumerate();
        let Some((first, _)) = running.min_by(|(_, one), (_, other)| one.0.total_cmp(&other.0)) else {
            self.now = until.map_or(self.now, |until| until.as_secs_f64() / 60.0);
            return;
        };
        let (at, slot) = self.running.swap_remove(first);
        let took = at - self.now;
        self.now = at;
        let arm = self.cycle.trials().design().slots.get(slot).map_or(0, |slot| slot.arm);
        let chance =
            self.task(slot).and_then(|task| self.chances(arm).get(task)).copied().unwrap_or_default();
        let verdict = if self.trials.unit() < chance { Verdict::Pass } else { Verdict::Fail };
        self.tell(&Event::Trial(plan::Event::Ended { slot, verdict, spent: trial(took) }));
    }

    /// The chances of an arm: those of its parent, under the edits that it adds.
    fn chances(&mut self, arm: usize) -> &[f64] {
        for at in self.arms.len()..=arm {
            let made = self.cycle.arms().get(at).map(|arm| (arm.parent, arm.members.as_slice()));
            let (parent, members) = made.unwrap_or_default();
            let edits = members.iter().filter_map(|member| self.edits.get(*member as usize));
            let chances = self.arms.get(parent).cloned().unwrap_or_default();
            self.arms.push(edits.fold(chances, |chances, edit| edit.applied(&chances)));
        }
        self.arms.get(arm).map_or(&[], Vec::as_slice)
    }

    fn propose(&mut self) {
        let is_good = |(edit, at): &(&Edit, u32)| {
            edit.kind == Kind::Good && self.cycle.decisions().get(at) == Some(&Decision::Accepted)
        };
        let adopted = self.edits.iter().zip(0..).filter(is_good).count();
        let proposer = self.game.proposer.after(u32::try_from(adopted).unwrap_or(u32::MAX));
        let working = self.chances(self.cycle.working()).to_vec();
        let mut candidates = Vec::new();
        for _ in 0..self.game.proposals {
            let edit = model::edit(&mut self.proposals, proposer, &working);
            let proposal = u32::try_from(self.edits.len()).unwrap_or(u32::MAX);
            self.worths.push(edit.worth(&working));
            self.edits.push(edit);
            candidates.push(Candidate { proposal, active: None });
        }
        let spent = Spent { trials: PROPOSAL * u64::from(self.game.proposals), ..Spent::nothing() };
        self.tell(&Event::Proposed { candidates, spent });
    }

    fn merge(&mut self, gains: &[(u32, f64)]) {
        let most = self.cycle.design().rules.merged();
        let (members, held) = gains.split_at(gains.len().min(most));
        for (proposal, _) in held {
            let decision = Decision::Held(Hold::MergeCap);
            self.tell(&Event::Decided { proposal: *proposal, decision });
        }
        let members: Vec<u32> = members.iter().map(|(member, _)| *member).collect();
        self.tell(&Event::Merged { members: members.clone() });
        if !self.game.policy.runs_union() {
            for proposal in &members {
                self.tell(&Event::Decided { proposal: *proposal, decision: Decision::Accepted });
            }
            let arm = self.cycle.arms().iter().rposition(|arm| arm.members == members).unwrap_or_default();
            self.tell(&Event::Adopted { arm });
            self.tell(&Event::RoundEnded);
        }
    }

    fn end(mut self) -> Played {
        let fresh = |chances: &[f64]| model::mean(chances.get(TASKS..).unwrap_or_default());
        let before = fresh(self.chances(0));
        let after = fresh(self.chances(self.cycle.working()));
        let decisions = self.cycle.decisions();
        let fates = self.edits.iter().zip(&self.worths).zip(0..).map(|((edit, worth), at)| Fate {
            kind: edit.kind,
            worth: *worth,
            decision: decisions.get(&at).copied(),
        });
        Played {
            trials: self.cycle.trials().spent().trials,
            screening: self.screening,
            confirming: self.confirming,
            gain: 100.0 * (after - before),
            fates: fates.collect(),
            rounds: self.cycle.round(),
            is_stalled: self.is_stalled,
        }
    }
}

impl Fate {
    pub(crate) fn is_accepted(&self) -> bool {
        self.decision == Some(Decision::Accepted)
    }

    /// Whether it was looked at until something was known.
    pub(crate) fn is_decided(&self) -> bool {
        !matches!(self.decision, None | Some(Decision::Undecided(_)))
    }
}

fn trial(minutes: f64) -> Spent {
    Spent { trials: 1, time: Duration::from_secs_f64(60.0 * minutes), ..Spent::nothing() }
}

/// Whether one edit without effect, alone, is accepted.
pub(crate) fn is_accepted_alone(policy: Policy, case: u64) -> bool {
    let (pool, proposer) = (model::MIDDLING, model::IDLE);
    let game = Game { policy, pool, proposer, proposals: 1, rounds: 1, budget: None, is_patient: true };
    play(&game, seed_of(case)).fates.iter().any(Fate::is_accepted)
}

/// The seed of a run.
pub(crate) fn seed_of(run: u64) -> u64 {
    Draws::new(0x5e1f_ca5e ^ run).any()
}
