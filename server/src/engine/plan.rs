//! A run as a value: what was asked for, what has happened, and what happens next. A run is the fold of its events, so a worker
//! that dies is followed by one that reads them again and pays for no trial twice. Rules of `method` 2.3.
//!
//! Time is the time that the run was at work: while it is paused or nobody works on it, it stands still.

use std::collections::BTreeSet;
use std::time::Duration;

use harness_schema::split::Split;

use super::breaker::{Breaker, Permission, RETRY_AFTER};
use super::budget::{Budget, Limit, Spent};
use super::contract::Role;
use super::verdict::{Verdict, VoidCause};

/// One task, one repeat: what a run has to fill.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Which harness is run: 0 is the one that the run began with, others are candidates in the order in which they came up.
    pub arm: usize,
    /// The task's id.
    pub task: String,
    /// Its split.
    pub split: Split,
    /// What the trial is for.
    pub role: Role,
    /// Which attempt of equal ones it is, from 0.
    pub repeat: u32,
}

/// What a run was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// What is to be filled, in the order in which it is started.
    pub slots: Vec<Slot>,
    /// What it may spend.
    pub budget: Budget,
    /// How many trials may run side by side.
    pub parallel: usize,
    /// What the waits before retries are spread by.
    pub seed: u64,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A trial began.
    Started {
        /// Which slot it fills.
        slot: usize,
        /// Its number in the slot, from 0.
        attempt: u32,
    },
    /// The slot was filled by a trial that was run before, at no cost.
    Reused {
        /// The slot.
        slot: usize,
        /// What it is worth.
        verdict: Verdict,
    },
    /// The slot cannot be filled: its task cannot be run here, or proves nothing. It costs nothing.
    Unfillable {
        /// The slot.
        slot: usize,
        /// Why.
        cause: VoidCause,
    },
    /// A trial ended and was judged.
    Ended {
        /// The slot.
        slot: usize,
        /// What it is worth.
        verdict: Verdict,
        /// What it took.
        spent: Spent,
    },
    /// A trial was stopped, or its worker died: it counts for nothing, and its slot is run from the start.
    Discarded {
        /// The slot.
        slot: usize,
        /// What it took until then.
        spent: Spent,
    },
    /// A slot is to be filled as well.
    Planned(Slot),
    /// Nobody needs the slot any more: what it could say changes nothing.
    Dropped {
        /// The slot.
        slot: usize,
        /// What its trial took until then.
        spent: Spent,
    },
    /// Something was paid that is no trial.
    Paid(Spent),
    /// Nothing is started until somebody resumes: why.
    Paused(String),
    /// It goes on.
    Resumed {
        /// Whether slots that stayed void are tried again.
        retries: bool,
    },
    /// Somebody wants it to end.
    Cancelled,
    /// It ended.
    Finished(Finish),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every slot is filled or missing.
    Complete,
    /// Somebody wanted it to end.
    Cancelled,
    /// A limit of the budget.
    Budget(Limit),
    /// The machine or the provider failed again and again.
    Infrastructure,
    /// A task or its verifier changed while it ran.
    ContractBroken,
    /// No weakness is left that an edit could help with.
    NoWeakness,
    /// Round after round nothing was better than the baseline by more than these tasks can show.
    Stalled,
    /// As many rounds were run as were asked for.
    Rounds,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a trial.
    Start {
        /// The slot.
        slot: usize,
        /// Its number in the slot, from 0.
        attempt: u32,
    },
    /// Wait for a trial to end, or until this time.
    Wait {
        /// When to ask again, if nothing ends before.
        until: Option<Duration>,
    },
    /// Stop the trials that run.
    Stop,
    /// Nothing to do until somebody resumes it.
    Pause,
    /// The run is over.
    Finish,
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Pending {
        /// How many trials of it were void.
        voids: u32,
        /// Not before this time.
        not_before: Duration,
    },
    /// A trial of it runs.
    Running {
        /// How many trials of it were void before.
        voids: u32,
    },
    /// Pass or fail.
    Filled(Verdict),
    /// Every trial of it was void, the last for this cause.
    Missing(VoidCause),
    /// Nobody needs it any more.
    Dropped,
}

/// A run: its design and everything that happened.
#[derive(Clone, Debug)]
pub struct Run {
    design: Design,
    states: Vec<State>,
    /// Slots that wait or run: few among many that were filled.
    open: BTreeSet<usize>,
    attempts: Vec<u32>,
    breaker: Breaker,
    spent: Spent,
    /// What trials took of that; proposals cost as well.
    tried: Spent,
    /// The most that one trial took.
    largest: Spent,
    now: Duration,
    paused: Option<String>,
    /// Why nothing more is started.
    ending: Option<Finish>,
    finished: Option<Finish>,
    voids: u32,
}

impl Run {
    /// A run in which nothing has happened.
    #[must_use]
    pub fn new(design: Design) -> Self {
        let pending = State::Pending { voids: 0, not_before: Duration::ZERO };
        Self {
            states: vec![pending; design.slots.len()],
            open: (0..design.slots.len()).collect(),
            attempts: vec![0; design.slots.len()],
            design,
            breaker: Breaker::default(),
            spent: Spent::nothing(),
            tried: Spent::nothing(),
            largest: Spent::nothing(),
            now: Duration::ZERO,
            paused: None,
            ending: None,
            finished: None,
            voids: 0,
        }
    }

    /// What it was asked to do.
    #[must_use]
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Where each slot stands, in the order of the design.
    #[must_use]
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// What was paid, discarded trials among it.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent { time: self.now, ..self.spent }
    }

    /// What trials took of what was paid.
    #[must_use]
    pub fn tried(&self) -> Spent {
        self.tried
    }

    /// How many trials were void, repeated ones among them.
    #[must_use]
    pub fn voids(&self) -> u32 {
        self.voids
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn finished(&self) -> Option<&Finish> {
        self.finished.as_ref()
    }

    /// Why it is paused, if it is.
    #[must_use]
    pub fn paused(&self) -> Option<&str> {
        self.paused.as_deref()
    }

    /// The slots in which a trial runs.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        self.open().filter(|(_, state)| matches!(state, State::Running { .. })).map(|(slot, _)| slot)
    }

    /// The slots that wait or run, in the order of the design, and where they stand.
    pub fn open(&self) -> impl Iterator<Item = (usize, State)> {
        self.open.iter().filter_map(|slot| Some((*slot, *self.states.get(*slot)?)))
    }

    /// Takes in what happened at a time. Events of slots that do not exist, or that come where they cannot, change nothing:
    /// a damaged log makes a poorer run, never a wrong verdict.
    pub fn apply(&mut self, at: Duration, event: &Event) {
        self.now = self.now.max(at);
        match event {
            Event::Started { slot, attempt } => self.started(*slot, *attempt),
            Event::Reused { slot, verdict } => {
                if let Some(State::Pending { .. }) = self.states.get(*slot)
                    && !matches!(verdict, Verdict::Void(_))
                {
                    self.set(*slot, State::Filled(*verdict));
                }
            }
            Event::Unfillable { slot, cause } => {
                if let Some(State::Pending { .. }) = self.states.get(*slot) {
                    self.set(*slot, State::Missing(*cause));
                }
            }
            Event::Ended { slot, verdict, spent } => self.ended(*slot, *verdict, *spent),
            Event::Discarded { slot, spent } => {
                if let Some(State::Running { voids }) = self.states.get(*slot).copied() {
                    self.pay(*spent);
                    self.set(*slot, State::Pending { voids, not_before: Duration::ZERO });
                }
            }
            Event::Planned(slot) => {
                self.open.insert(self.states.len());
                self.design.slots.push(slot.clone());
                self.states.push(State::Pending { voids: 0, not_before: Duration::ZERO });
                self.attempts.push(0);
            }
            Event::Dropped { slot, spent } => {
                let state = self.states.get(*slot).copied();
                if let Some(State::Pending { .. } | State::Running { .. }) = state {
                    if matches!(state, Some(State::Running { .. })) {
                        self.pay(*spent);
                    }
                    self.set(*slot, State::Dropped);
                }
            }
            Event::Paid(spent) => self.spent = self.spent.and(*spent),
            Event::Paused(why) => self.paused = Some(why.clone()),
            Event::Resumed { retries } => {
                for (slot, state) in self.states.iter_mut().enumerate().filter(|_| *retries) {
                    if matches!(state, State::Missing(_)) {
                        *state = State::Pending { voids: 0, not_before: Duration::ZERO };
                        self.open.insert(slot);
                    }
                }
                self.paused = None;
                // A run that ended for want of money, machine or patience may go on; what was measured stays.
                self.ending = None;
                self.finished = None;
                self.breaker = Breaker::default();
            }
            Event::Cancelled => self.ending = Some(Finish::Cancelled),
            Event::Finished(finish) => self.finished = Some(finish.clone()),
        }
    }

    fn started(&mut self, slot: usize, attempt: u32) {
        if let Some(State::Pending { voids, .. }) = self.states.get(slot).copied() {
            self.set(slot, State::Running { voids });
            if let Some(attempts) = self.attempts.get_mut(slot) {
                *attempts = (*attempts).max(attempt.saturating_add(1));
            }
        }
    }

    fn ended(&mut self, slot: usize, verdict: Verdict, spent: Spent) {
        let Some(State::Running { voids }) = self.states.get(slot).copied() else { return };
        self.pay(spent);
        let task = self.design.slots.get(slot).map(|slot| slot.task.clone()).unwrap_or_default();
        self.breaker.ended(&task, matches!(verdict, Verdict::Void(_)), self.now);
        let state = match verdict {
            Verdict::Void(VoidCause::ContractBroken) => {
                self.ending = Some(Finish::ContractBroken);
                State::Missing(VoidCause::ContractBroken)
            }
            Verdict::Void(cause) => {
                self.voids += 1;
                match RETRY_AFTER.get(voids as usize) {
                    Some(wait) => State::Pending {
                        voids: voids + 1,
                        not_before: self.now.saturating_add(self.spread(*wait, slot, voids)),
                    },
                    None => State::Missing(cause),
                }
            }
            verdict => State::Filled(verdict),
        };
        self.set(slot, state);
    }

    fn set(&mut self, slot: usize, state: State) {
        if let Some(there) = self.states.get_mut(slot) {
            *there = state;
            match state {
                State::Pending { .. } | State::Running { .. } => self.open.insert(slot),
                State::Filled(_) | State::Missing(_) | State::Dropped => self.open.remove(&slot),
            };
        }
    }

    fn pay(&mut self, spent: Spent) {
        self.spent = self.spent.and(spent);
        self.tried = self.tried.and(spent);
        self.largest = Spent {
            trials: 1,
            tokens: self.largest.tokens.max(spent.tokens),
            cost: match (self.largest.cost, spent.cost) {
                (Some(one), Some(other)) => Some(one.max(other)),
                _ => None,
            },
            time: self.largest.time.max(spent.time),
        };
    }

    /// A wait, between four fifths and six fifths of what is said, the same for the same run, slot and retry.
    fn spread(&self, wait: Duration, slot: usize, voids: u32) -> Duration {
        // The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
        let mut mixed = self
            .design
            .seed
            .wrapping_add((slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_add(u64::from(voids));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        wait.mul_f64(0.8 + 0.4 * (mixed >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// What is to be done at a time.
    pub fn next(&mut self, now: Duration) -> Action {
        self.now = self.now.max(now);
        if self.finished.is_some() {
            return Action::Finish;
        }
        let running = self.running().count();
        match self.ending {
            // A measurement under a broken contract, or one that nobody wants, is worth nothing.
            Some(Finish::Cancelled | Finish::ContractBroken) if 0 < running => return Action::Stop,
            Some(_) if 0 < running => return Action::Wait { until: None },
            Some(_) => return Action::Finish,
            None => {}
        }
        if self.paused.is_some() {
            return if 0 < running { Action::Wait { until: None } } else { Action::Pause };
        }
        let Some((slot, not_before)) = self.earliest() else {
            if 0 < running {
                return Action::Wait { until: None };
            }
            self.ending = Some(Finish::Complete);
            return Action::Finish;
        };
        if self.design.parallel.max(1) <= running {
            return Action::Wait { until: None };
        }
        if self.now < not_before {
            return Action::Wait { until: Some(not_before) };
        }
        let wait = |until| Action::Wait { until };
        if self.breaker.is_open() && 0 < running {
            return wait(None);
        }
        if let Err(limit) = self.affords(running) {
            self.ending = Some(Finish::Budget(limit));
            return if 0 < running { wait(None) } else { Action::Finish };
        }
        match self.breaker.ask(self.now) {
            Permission::Any | Permission::Probe => {
                let attempt = self.attempts.get(slot).copied().unwrap_or_default();
                Action::Start { slot, attempt }
            }
            // Nothing runs: a probe that was permitted has ended without an outcome, and the next one tries.
            Permission::Waiting if running == 0 => {
                let attempt = self.attempts.get(slot).copied().unwrap_or_default();
                Action::Start { slot, attempt }
            }
            Permission::Nothing { until } => wait(Some(until)),
            Permission::Waiting => wait(None),
            Permission::Ended => {
                self.ending = Some(Finish::Infrastructure);
                if 0 < running { wait(None) } else { Action::Finish }
            }
        }
    }

    /// Whether every slot is filled, missing, or not needed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// How many more trials could start now, besides those that wait for nothing but a place.
    #[must_use]
    pub fn room(&self) -> usize {
        let taken = self.open().filter(|(_, state)| match state {
            State::Running { .. } => true,
            State::Pending { not_before, .. } => *not_before <= self.now,
            State::Filled(_) | State::Missing(_) | State::Dropped => false,
        });
        self.design.parallel.max(1).saturating_sub(taken.count())
    }

    /// Says what time it is.
    pub fn tell_time(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Ends it: nothing more is started.
    pub fn end(&mut self, finish: Finish) {
        self.ending.get_or_insert(finish);
    }

    /// How the run ends, once [`Action::Finish`] was said and nothing runs.
    #[must_use]
    pub fn ending(&self) -> Option<&Finish> {
        self.finished.as_ref().or(self.ending.as_ref())
    }

    /// The first slot that can start, else the one that can start soonest.
    fn earliest(&self) -> Option<(usize, Duration)> {
        let pending = self.open().filter_map(|(slot, state)| match state {
            State::Pending { not_before, .. } => Some((slot, not_before)),
            _ => None,
        });
        pending.min_by_key(|(slot, not_before)| (self.now.max(*not_before), *slot))
    }

    /// Whether anything more may be paid when nothing runs.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn may_pay(&self) -> Result<(), Limit> {
        self.design.budget.allows(self.spent(), Spent::nothing(), Spent { trials: 0, ..self.largest })
    }

    /// Whether one more trial can be paid, if those that run take as much as the largest did.
    fn affords(&self, running: usize) -> Result<(), Limit> {
        let next = Spent { trials: 1, ..self.largest };
        let times = |count: usize| {
            let count = count as u64;
            Spent {
                trials: count,
                tokens: next.tokens.saturating_mul(count),
                cost: next.cost.map(|cost| cost * count as f64),
                time: Duration::ZERO,
            }
        };
        self.design.budget.allows(self.spent(), times(running), next)
    }
}

#[cfg(test)]
mod tests;
