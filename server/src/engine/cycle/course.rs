//! What comes next in a run: which slots are wanted, which nobody needs any more, and when a phase is over.

use std::borrow::Cow;
use std::time::Duration;

use harness_schema::split::Split;

use super::stages::Smoke;
use super::watch::Watch;
use super::{Arm, Cycle, Decision, Event, Goal, Hold, Open, Phase, Reason, Step, slot};
use crate::engine::budget::{Limit, Spent};
use crate::engine::contract::Role;
use crate::engine::gate::order;
use crate::engine::gate::stage::{self, Stage};
use crate::engine::gate::statistics::Draws;
use crate::engine::plan::{self, Action, Finish, Slot, State};

impl Cycle {
    /// What is to be done at a time.
    pub fn next(&mut self, now: Duration) -> Step {
        self.trials.tell_time(now);
        if let Phase::Done(finish) = &self.phase {
            self.trials.end(finish.clone());
        }
        if self.trials.finished().is_some()
            || self.trials.ending().is_some()
            || self.trials.paused().is_some()
        {
            return self.trial(now);
        }
        let stages = self.known.take().unwrap_or_else(|| self.stages());
        let step = self.step(&stages);
        self.known = Some(stages);
        step.unwrap_or_else(|| self.trial(now))
    }

    /// What the stages ask for; none if the trials go on.
    fn step(&mut self, stages: &[(usize, Stage)]) -> Option<Step> {
        if let Some(slot) = self.superfluous(stages) {
            self.dropping.insert(slot);
            return Some(Step::Drop(slot));
        }
        if let Some((events, limit)) = self.out_of_reach(stages) {
            if !events.is_empty() {
                return Some(Step::Record(events));
            }
            self.trials.end(Finish::Budget(limit));
            return None;
        }
        if self.phase == Phase::Mined
            && let Err(limit) = self.trials.may_pay()
        {
            self.trials.end(Finish::Budget(limit));
            return None;
        }
        if let Some(step) = self.conclusion(stages) {
            return Some(step);
        }
        let wishes = self.wishes(stages);
        if !wishes.is_empty() {
            let planned = wishes.into_iter().map(|slot| Event::Trial(plan::Event::Planned(slot)));
            return Some(Step::Record(planned.collect()));
        }
        None
    }

    /// What its trials say; before the run ends, every proposal has a decision.
    fn trial(&mut self, now: Duration) -> Step {
        let action = self.trials.next(now);
        if action == Action::Finish
            && self.trials.finished().is_none()
            && let Some(finish) = self.trials.ending()
        {
            let decision = Decision::Undecided(Open::of(finish));
            let open = self.open_proposals();
            if !open.is_empty() {
                let decided = |proposal| Event::Decided { proposal, decision };
                return Step::Record(open.into_iter().map(decided).collect());
            }
        }
        Step::Trial(action)
    }

    /// Proposals that are tried and have no decision.
    fn open_proposals(&self) -> Vec<u32> {
        if self.design.goal == Goal::Propose {
            return Vec::new();
        }
        let mut open: Vec<u32> = self.arms.iter().flat_map(|arm| arm.members.iter().copied()).collect();
        open.retain(|proposal| !self.decisions.contains_key(proposal));
        open.sort_unstable();
        open.dedup();
        open
    }

    /// A slot whose trial could change nothing.
    fn superfluous(&self, stages: &[(usize, Stage)]) -> Option<usize> {
        let is_open = |arm: usize| stages.iter().any(|(of, stage)| *of == arm && !stage.is_over());
        let slots = self.trials.open().filter(|(at, _)| !self.dropping.contains(at));
        slots
            .filter_map(|(at, _)| Some((at, self.trials.design().slots.get(at)?)))
            .filter(|(at, slot)| match slot.role {
                Role::Baseline if !self.design.goal.is_measurement() => {
                    slot.arm != self.working || *at < self.since
                }
                Role::Screen | Role::Smoke if slot.arm != 0 => {
                    !matches!(self.phase, Phase::Screening(_)) || !is_open(slot.arm)
                }
                Role::Confirm => {
                    slot.arm != self.working
                        && (!matches!(self.phase, Phase::Confirming { .. }) || !is_open(slot.arm))
                }
                Role::Audit | Role::Sentinel if !self.design.goal.is_measurement() => {
                    !self.is_watching(*at, slot, stages)
                }
                Role::Baseline
                | Role::Screen
                | Role::Smoke
                | Role::Audit
                | Role::Sentinel
                | Role::Sealed
                | Role::Imported => false,
            })
            .map(|(at, _)| at)
            .next()
    }

    /// What follows from the end of a phase, if it is over.
    fn conclusion(&self, stages: &[(usize, Stage)]) -> Option<Step> {
        match &self.phase {
            Phase::Baseline => self.baseline_over(),
            Phase::Mined => Some(Step::Propose),
            Phase::Screening(_) => self.screened(stages),
            Phase::Merging(survivors) => Some(self.survivors(survivors)),
            Phase::Confirming { arm, is_fallback, watch } => {
                self.confirmed(*arm, *is_fallback, *watch, stages)
            }
            Phase::Done(_) => None,
        }
    }

    fn baseline_over(&self) -> Option<Step> {
        if self.design.goal.is_measurement() {
            // The trials themselves say when they are over.
            return None;
        }
        let wanted = self.design.rules.baseline as usize;
        let is_settled = |state: &State| matches!(state, State::Filled(_) | State::Missing(_));
        let is_known = |task: &str| {
            let ledger = self.ledger(self.working, task);
            wanted <= ledger.len() && ledger.iter().take(wanted).all(is_settled)
        };
        if !self.design.tasks.iter().all(|(task, _)| is_known(task)) {
            return None;
        }
        Some(match self.design.goal {
            Goal::Validate => {
                let candidates = self.design.candidates.clone();
                Step::Record(vec![Event::Proposed { candidates, spent: Spent::nothing() }])
            }
            _ => Step::Mine,
        })
    }

    fn screened(&self, stages: &[(usize, Stage)]) -> Option<Step> {
        let mut survivors = Vec::new();
        let mut events = Vec::new();
        for ((arm, stage), is_affordable) in stages.iter().zip(self.affordable(stages)) {
            match self.screened_one(*arm, stage) {
                Some(Decision::Accepted) => survivors.push((*arm, stage.expected_gain())),
                Some(decision) => events.extend(self.decided(*arm, decision)),
                None if !is_affordable => {
                    events.extend(self.decided(*arm, Decision::Undecided(Open::Budget)));
                }
                None => return None,
            }
        }
        survivors.sort_by(|(one, gain), (other, more)| more.total_cmp(gain).then(one.cmp(other)));
        let survivors = survivors.into_iter().map(|(arm, _)| arm).collect();
        events.push(Event::Screened { survivors });
        Some(Step::Record(events))
    }

    /// What the screen of one candidate says, once it is over; accepted is who goes on. Without a sandbox nobody does.
    fn screened_one(&self, arm: usize, stage: &Stage) -> Option<Decision> {
        let decision = self.screened_by_trials(arm, stage)?;
        let is_told = self.design.is_confined || matches!(decision, Decision::Undecided(_));
        Some(if is_told { decision } else { Decision::Undecided(Open::Unsandboxed) })
    }

    fn screened_by_trials(&self, arm: usize, stage: &Stage) -> Option<Decision> {
        Some(match stage.decision() {
            _ if self.smoke(arm) == Smoke::Failed => Decision::Rejected(Reason::Smoke),
            _ if self.is_inert(arm) => Decision::Rejected(Reason::Inert),
            _ if !stage.is_over() => return None,
            stage::Decision::Open => return None,
            stage::Decision::Accepted => Decision::Accepted,
            stage::Decision::Rejected(stage::Loss::NoGain)
                if self.screen_without_margin(arm).decision() == stage::Decision::Accepted =>
            {
                Decision::Held(Hold::SmallEffect)
            }
            stage::Decision::Rejected(loss) => Decision::Rejected(Reason::Screen(loss)),
            stage::Decision::Undecided(doubt) => Decision::Undecided(Open::Doubt(doubt)),
        })
    }

    /// The decision on each proposal of an arm.
    fn decided(&self, arm: usize, decision: Decision) -> impl Iterator<Item = Event> {
        self.members(arm).map(move |proposal| Event::Decided { proposal, decision })
    }

    /// Whether the budget leaves nothing to screen: what follows if every candidate is decided against or out of reach.
    fn out_of_reach(&self, stages: &[(usize, Stage)]) -> Option<(Vec<Event>, Limit)> {
        if !matches!(self.phase, Phase::Screening(_)) {
            return None;
        }
        let affordable = self.affordable(stages);
        if affordable.iter().all(|is_affordable| *is_affordable) {
            return None;
        }
        let mut least = f64::INFINITY;
        let mut events = Vec::new();
        for ((arm, stage), is_affordable) in stages.iter().zip(affordable) {
            match self.screened_one(*arm, stage) {
                // It goes on.
                Some(Decision::Accepted) => return None,
                Some(decision) => events.extend(self.decided(*arm, decision)),
                None if !is_affordable => least = least.min(self.expected(stage)),
                None => return None,
            }
        }
        let limit = self.covers(Some(least).filter(|least| least.is_finite())?).err()?;
        events.retain(|event| match event {
            Event::Decided { proposal, .. } => !self.decisions.contains_key(proposal),
            _ => true,
        });
        Some((events, limit))
    }

    /// Whether its trigger fires on no held-in task.
    pub(super) fn is_inert(&self, arm: usize) -> bool {
        let Some(active) = self.arms.get(arm).and_then(|arm| arm.active.as_ref()) else { return false };
        let mut held_in = self.design.tasks.iter().filter(|(_, split)| *split == Split::HeldIn);
        !held_in.any(|(task, _)| active.contains(task))
    }

    fn survivors(&self, survivors: &[usize]) -> Step {
        if survivors.is_empty() {
            return Step::Record(vec![Event::RoundEnded]);
        }
        let gains = survivors.iter().flat_map(|arm| {
            let gain = self.screen(*arm).expected_gain();
            self.members(*arm).map(move |proposal| (proposal, gain))
        });
        Step::Merge(gains.collect())
    }

    fn confirmed(
        &self,
        arm: usize,
        is_fallback: bool,
        watch: Watch,
        stages: &[(usize, Stage)],
    ) -> Option<Step> {
        let members: Vec<u32> = self.members(arm).collect();
        let decided =
            |decision| members.iter().map(move |proposal| Event::Decided { proposal: *proposal, decision });
        // What was screened by the paper's rule is accepted by it; only what was never run together is run.
        let is_known = !self.design.rules.confirms_one() && members.len() == 1;
        if self.has_moved(arm) && members.iter().any(|proposal| !self.decisions.contains_key(proposal)) {
            let moved = decided(Decision::Undecided(Open::TriggerMoved));
            return Some(Step::Record(moved.collect()));
        }
        let decision = match stages.iter().find(|(of, _)| *of == arm) {
            _ if is_known => stage::Decision::Accepted,
            Some((_, stage)) if stage.is_over() => stage.decision(),
            _ => return None,
        };
        if !is_known && !self.has_watched(arm, watch, decision == stage::Decision::Accepted) {
            return None;
        }
        if self.has_drifted(watch) {
            let drifted = decided(Decision::Undecided(Open::Drift));
            return Some(Step::Record(drifted.chain([Event::RoundEnded]).collect()));
        }
        if decision == stage::Decision::Accepted
            && let Some(slots) = self.to_audit(arm)
        {
            return Some(Step::Audit { arm, slots });
        }
        let decision = match decision {
            stage::Decision::Open => return None,
            stage::Decision::Accepted => {
                let mut events: Vec<Event> = decided(Decision::Accepted).collect();
                events.extend([Event::Adopted { arm }, Event::RoundEnded]);
                return Some(Step::Record(events));
            }
            stage::Decision::Rejected(loss) => Decision::Rejected(Reason::Confirm(loss)),
            stage::Decision::Undecided(doubt) => Decision::Undecided(Open::Doubt(doubt)),
        };
        // Of several the first is the one that promises most.
        if !is_fallback
            && let [best, others @ ..] = members.as_slice()
            && !others.is_empty()
            && let Some(arm) = self.arm_of(*best)
        {
            let held = Decision::Held(Hold::UnionFailed);
            let held = others.iter().map(|proposal| Event::Decided { proposal: *proposal, decision: held });
            return Some(Step::Record(held.chain([Event::FellBack { arm }]).collect()));
        }
        Some(Step::Record(decided(decision).chain([Event::RoundEnded]).collect()))
    }

    fn members(&self, arm: usize) -> impl Iterator<Item = u32> {
        self.arms.get(arm).into_iter().flat_map(|arm| arm.members.iter().copied())
    }

    /// The slots that are wanted besides those that are there.
    fn wishes(&self, stages: &[(usize, Stage)]) -> Vec<Slot> {
        match &self.phase {
            Phase::Baseline if !self.design.goal.is_measurement() => self.wanted_of_baseline(),
            Phase::Screening(_) => self.wanted_of_screening(stages),
            Phase::Confirming { arm, watch, .. } => {
                let stage = stages.iter().find(|(of, _)| of == arm);
                stage.map(|(_, stage)| self.wanted_of_confirmation(*arm, *watch, stage)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// What is missing of the baseline's record: every task once before any is tried again.
    fn wanted_of_baseline(&self) -> Vec<Slot> {
        let mut wanted = Vec::new();
        for (task, split) in &self.design.tasks {
            let there = self.ledger(self.working, task).len();
            for more in there..self.design.rules.baseline as usize {
                wanted.push((more, self.of_baseline(task, *split, more - there)));
            }
        }
        wanted.sort_by_key(|(repeat, _)| *repeat);
        wanted.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The next slot of the baseline for a task, or the one so many behind it.
    fn of_baseline(&self, task: &str, split: Split, behind: usize) -> Slot {
        let planned = self.slots.of(self.working, Role::Baseline, task).len();
        slot(self.working, task, split, Role::Baseline, number(planned + behind))
    }

    /// How many slots of a task there are for the harness of an arm: of proposals that are tried again the old trials stay what
    /// they are, and the new ones are others.
    fn tried(&self, arm: usize, role: Role, task: &str) -> usize {
        let Some(Arm { parent, members, .. }) = self.arms.get(arm) else { return 0 };
        self.twins(*parent, members).map(|twin| self.slots.of(twin, role, task).len()).sum()
    }

    fn wanted_of_screening(&self, stages: &[(usize, Stage)]) -> Vec<Slot> {
        let mut room = self.trials.room();
        if room == 0 {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        let (mut arms, mut ready) = (Vec::new(), Vec::new());
        let affordable = self.affordable(stages);
        for ((arm, stage), is_affordable) in stages.iter().zip(affordable) {
            let arm = *arm;
            match self.smoke(arm) {
                _ if self.is_inert(arm) || !is_affordable => {}
                Smoke::Clear => {
                    arms.push(arm);
                    ready.push(Cow::Borrowed(stage));
                }
                Smoke::Wants(task) if 0 < room => {
                    if let Some((task, split)) = self.design.tasks.get(task) {
                        let repeat = self.tried(arm, Role::Smoke, task);
                        wanted.push(slot(arm, task, *split, Role::Smoke, number(repeat)));
                        room -= 1;
                    }
                }
                Smoke::Wants(_) | Smoke::Waits | Smoke::Failed => {}
            }
        }
        let mut planned = std::collections::BTreeMap::<(usize, usize), usize>::new();
        while 0 < room
            && let Some((at, task)) = order::next_of(&ready)
        {
            let (Some(arm), Some(stage)) = (arms.get(at), ready.get_mut(at)) else { break };
            let Some(known) = stage.tasks().get(task) else { break };
            let more = planned.entry((at, task)).or_default();
            let repeat = self.tried(*arm, Role::Screen, &known.id) + *more;
            wanted.push(slot(*arm, &known.id, known.split, Role::Screen, number(repeat)));
            *more += 1;
            room -= 1;
            if 0 < room && !stage.to_mut().start(task) {
                break;
            }
        }
        wanted
    }

    /// Each trial of the candidate begins together with one that the baseline still lacks on the same task, in an order that a
    /// coin decides, so that whatever changes meanwhile changes both.
    fn wanted_of_confirmation(&self, arm: usize, watch: Watch, stage: &Stage) -> Vec<Slot> {
        if self.members(arm).count() == 1 && !self.design.rules.confirms_one() {
            return Vec::new();
        }
        let room = self.trials.room();
        if room == 0 {
            return Vec::new();
        }
        let mut stage = stage.clone();
        let mut wanted = self.wanted_of_watch(arm, watch, &stage);
        let mut room = room.saturating_sub(wanted.len());
        let full = self.design.rules.topped_up() as usize;
        while 0 < room
            && let Some(task) = stage.next()
        {
            let Some(known) = stage.tasks().get(task).cloned() else { break };
            let there = |wanted: &[Slot], role: Role| {
                wanted.iter().filter(|slot| slot.role == role && slot.task == known.id).count()
            };
            let more = there(&wanted, Role::Confirm);
            let repeat = self.tried(arm, Role::Confirm, &known.id) + more;
            let mut pair = vec![slot(arm, &known.id, known.split, Role::Confirm, number(repeat))];
            let topped = there(&wanted, Role::Baseline);
            if self.ledger(self.working, &known.id).len() + topped < full {
                pair.push(self.of_baseline(&known.id, known.split, topped));
            }
            let seed = self.design.trials.seed ^ (repeat as u64) << 32 ^ task as u64;
            if Draws::new(seed).any() & 1 == 1 {
                pair.reverse();
            }
            room = room.saturating_sub(pair.len());
            wanted.extend(pair);
            if !stage.start(task) {
                break;
            }
        }
        if wanted.is_empty() && stage.next().is_none() && self.trials.is_settled() {
            wanted = self.left_of_baseline(&stage, full);
        }
        wanted
    }

    /// What the baseline lacks when the candidate has run: an acceptance rests on the whole record.
    fn left_of_baseline(&self, stage: &Stage, full: usize) -> Vec<Slot> {
        let lacking = stage.tasks().iter().flat_map(|task| {
            let there = self.ledger(self.working, &task.id).len();
            (there..full).map(move |more| self.of_baseline(&task.id, task.split, more - there))
        });
        lacking.collect()
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
