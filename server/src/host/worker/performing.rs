//! Performs one run: reads it from the store, starts trials as [`Cycle::next`] says, and stores each event before the next thing
//! is done.

mod improving;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use harness_schema::split::Split;

use self::improving::Job;
use super::BEAT;
use super::admitting::{self, Checked};
use super::arms::Arms;
use super::shared::{Arm, Name, NotPrepared, Shared};
use crate::engine::budget::Spent;
use crate::engine::contract::Role;
use crate::engine::cycle::{self, Cycle, Goal, Step};
use crate::engine::plan::{Action, Event, Finish, Slot, State};
use crate::engine::trace::End;
use crate::engine::verdict::{Verdict, VoidCause};
use crate::failure::Failure;
use crate::host::agents::Cancel;
use crate::host::clock;
use crate::host::meter::Meter;
use crate::host::record::{EventRecord, SpentRecord, TrialRecord, finish_word, verdict_word};
use crate::host::sandbox;
use crate::host::store::{Lease, RunState, RunningTrial, Store, StoreError, StoredRun, run_name};
use crate::host::trial::{Cancelled, Done};

/// How long trials that run may go on after somebody wanted the run to end.
const GRACE: Duration = Duration::from_secs(30);

/// How long a write is tried again while the disk is full.
const PATIENCE: Duration = Duration::from_secs(600);

/// An agent that ends so often before it asks the model, where it never did anything else, does not start (`method` 2.3): there is
/// nothing to wait for.
const NOT_STARTED: u32 = 2;

/// Performs a run until it is over, paused, or another worker has taken over.
///
/// # Errors
/// A [`Failure`] if it cannot be performed at all; the run is paused with the reason then.
pub(super) fn perform(root: &Path, store: &mut Store, lease: &Lease, run: &StoredRun) -> Result<(), Failure> {
    let outcome = Performance::prepare(root, store, lease, run);
    match outcome {
        Ok(mut performance) => performance.go_on(store).map_err(|error| error.to_failure()),
        Err(NotPrepared::Store(error)) => Err(error.to_failure()),
        Err(NotPrepared::Failure(failure)) => {
            let (_, at) = resumed_at(store, run).map_err(|error| error.to_failure())?;
            let why = failure.message.clone();
            store
                .append(lease, run.number, at, &EventRecord::Paused { why })
                .and_then(|_| store.set_state(run.number, RunState::Paused))
                .map_err(|error| error.to_failure())?;
            tracing::error!(run = run_name(run.number), %failure, "the run is paused");
            Ok(())
        }
    }
}

/// A run as its events tell it, and how long it was at work until the last of them.
fn resumed_at(store: &Store, run: &StoredRun) -> Result<(Cycle, Duration), StoreError> {
    let (folded, _) = store.fold(run)?;
    let at = folded.trials().spent().time;
    Ok((folded, at))
}

/// A trial that runs.
struct Running {
    id: String,
    cancel: Cancel,
    meter: Meter,
    record: TrialRecord,
}

/// What a trial's thread says when it ends.
type Ended = (usize, Result<Done, Cancelled>);

struct Performance<'a> {
    lease: &'a Lease,
    number: i64,
    cycle: Cycle,
    shared: Arc<Shared>,
    /// How long the run was at work when this worker took it, and when that was.
    base: Duration,
    since: Instant,
    running: BTreeMap<usize, Running>,
    tell: Sender<Ended>,
    told: Receiver<Ended>,
    /// When trials are killed that still run.
    kill_at: Option<Instant>,
    beaten: Instant,
    /// Trials in a row in which the agent asked the model for nothing.
    not_started: u32,
    /// The harnesses that trials are run with.
    arms: Arms,
    /// What goes on beside the trials.
    job: Option<Job>,
    /// Slots whose trials were stopped because nobody needs them.
    dropped: BTreeSet<usize>,
}

impl<'a> Performance<'a> {
    /// Reads a run, checks that it is the one that was consented to, and tries its tasks.
    fn prepare(
        root: &Path,
        store: &mut Store,
        lease: &'a Lease,
        stored: &StoredRun,
    ) -> Result<Self, NotPrepared> {
        let (cycle, base) = resumed_at(store, stored)?;
        let (tell, told) = mpsc::channel();
        let shared = Shared::prepare(root, store, stored)?;
        let arms = Arms::of(store, stored, &shared, cycle.arms())?;
        let mut performance = Self {
            lease,
            number: stored.number,
            cycle,
            shared: Arc::new(shared),
            base,
            since: Instant::now(),
            running: BTreeMap::new(),
            tell,
            told,
            kill_at: None,
            beaten: Instant::now(),
            not_started: 0,
            arms,
            job: None,
            dropped: BTreeSet::new(),
        };
        store.set_state(stored.number, RunState::Running)?;
        performance.discard_left(store)?;
        performance.check_digests(store, stored)?;
        performance.admit(store)?;
        Ok(performance)
    }

    fn now(&self) -> Duration {
        self.base + self.since.elapsed()
    }

    /// Stores an event, then takes it in.
    fn append(&mut self, store: &mut Store, event: &EventRecord) -> Result<(), StoreError> {
        let at = self.now();
        let (lease, number) = (self.lease, self.number);
        patiently(|| store.append(lease, number, at, event))?;
        if let Some(event) = event.event() {
            self.cycle.apply(at, &event);
        }
        Ok(())
    }

    /// The same for events that belong together.
    fn append_all(&mut self, store: &mut Store, events: &[EventRecord]) -> Result<(), StoreError> {
        let at = self.now();
        let (lease, number) = (self.lease, self.number);
        patiently(|| store.append_all(lease, number, at, events))?;
        for event in events.iter().filter_map(EventRecord::event) {
            self.cycle.apply(at, &event);
        }
        Ok(())
    }

    /// Trials that ran when their worker died count for nothing, but what they took is paid.
    fn discard_left(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let left: BTreeMap<usize, RunningTrial> =
            store.running(self.number)?.into_iter().map(|trial| (trial.slot, trial)).collect();
        let running: Vec<usize> = self.cycle.trials().running().collect();
        for slot in running {
            let trial = left.get(&slot);
            let spent = Spent {
                trials: 1,
                tokens: trial.map(|trial| trial.tokens).unwrap_or_default(),
                cost: trial.map_or(Some(0.0), |trial| trial.cost),
                time: Duration::ZERO,
            };
            let id = trial.map(|trial| trial.id.clone()).unwrap_or_default();
            self.discard(store, slot, &id, spent)?;
        }
        Ok(())
    }

    fn discard(&mut self, store: &mut Store, slot: usize, id: &str, spent: Spent) -> Result<(), StoreError> {
        let event = EventRecord::Discarded { slot, spent: SpentRecord::of(spent) };
        let (at, lease, number) = (self.now(), self.lease, self.number);
        patiently(|| store.discard_trial(lease, number, at, id, &event))?;
        self.cycle.apply(at, &cycle::Event::Trial(Event::Discarded { slot, spent }));
        Ok(())
    }

    fn dropped(&mut self, store: &mut Store, slot: usize, id: &str, spent: Spent) -> Result<(), StoreError> {
        let event = EventRecord::Dropped { slot, spent: SpentRecord::of(spent) };
        let (at, lease, number) = (self.now(), self.lease, self.number);
        patiently(|| store.discard_trial(lease, number, at, id, &event))?;
        self.cycle.apply(at, &cycle::Event::Trial(Event::Dropped { slot, spent }));
        Ok(())
    }

    /// What is run must be what earlier trials of this run were measured under.
    fn check_digests(&mut self, store: &mut Store, stored: &StoredRun) -> Result<(), NotPrepared> {
        let record = &stored.record;
        let (harness, contract) = (self.shared.harness.to_string(), self.shared.contract.to_string());
        if (harness, contract) != (record.harness.clone(), record.contract.clone()) {
            let finish = finish_word(&Finish::ContractBroken).to_owned();
            self.append(store, &EventRecord::Finished { finish })?;
        }
        Ok(())
    }

    /// Tries the tasks of all slots that wait.
    fn admit(&mut self, store: &mut Store) -> Result<(), NotPrepared> {
        let mut wanted = BTreeSet::new();
        for (slot, state) in self.cycle.trials().design().slots.iter().zip(self.cycle.trials().states()) {
            let is_wanted = match self.cycle.design().goal {
                Goal::Evaluate | Goal::Seal | Goal::Import => matches!(state, State::Pending { .. }),
                // More slots of the same tasks come up.
                Goal::Propose | Goal::Validate | Goal::Improve => slot.split != Split::Sealed,
            };
            if is_wanted && self.cycle.trials().finished().is_none() {
                wanted.insert(slot.task.clone());
            }
        }
        let shared = Arc::clone(&self.shared);
        let (mut plans, mut refused) = (Vec::new(), Vec::new());
        for id in &wanted {
            match shared.subject.task(id).map(|task| &task.plan) {
                Some(Ok(plan)) => plans.push(plan.clone()),
                Some(Err(error)) => refused.push((id.clone(), error.to_string())),
                None => refused.push((id.clone(), String::from("there is no such task"))),
            }
        }
        for (id, why) in refused {
            self.unfillable(store, &id, VoidCause::EnvironmentSetup, &why)?;
        }
        let mut tasks = BTreeMap::new();
        let guarantees = shared.subject.contract.guarantees;
        let number = self.number;
        let parallel = sandbox::room(shared.trials.directory(), self.cycle.trials().design().parallel);
        if parallel < self.cycle.trials().design().parallel {
            tracing::warn!(parallel, "the disk has no room for more trials at a time");
        }
        let reader = Store::open(&shared.subject.root)?;
        let place = shared.place();
        admitting::admit(plans, &reader, &guarantees, place, parallel, |checked| {
            if let Some(Checked { id, outcome, news }) = checked {
                if let Some((digest, body)) = news {
                    patiently(|| store.set_admission(&digest, &body))?;
                }
                match outcome {
                    Ok(task) => {
                        let marks = task.marks().into_iter().map(|mark| mark.word().to_owned()).collect();
                        tasks.insert(id.clone(), task);
                        self.append(store, &EventRecord::Checked { task: id, marks })?;
                    }
                    Err((cause, why)) => self.unfillable(store, &id, cause, &why)?,
                }
            }
            self.beat(store)?;
            Ok(store.cancels(number)? == 0)
        })?;
        drop(shared);
        match Arc::get_mut(&mut self.shared) {
            Some(shared) => shared.tasks = tasks,
            None => {
                return Err(Failure {
                    kind: crate::failure::FailureKind::Bug,
                    message: String::from("a run is shared before it began"),
                    hint: String::new(),
                }
                .into());
            }
        }
        Ok(())
    }

    fn unfillable(
        &mut self,
        store: &mut Store,
        task: &str,
        cause: VoidCause,
        why: &str,
    ) -> Result<(), StoreError> {
        let slots = self.cycle.trials().design().slots.iter().enumerate();
        let slots: Vec<usize> = slots.filter(|(_, slot)| slot.task == task).map(|(at, _)| at).collect();
        let why = self.shared.redactor.text(why).into_owned();
        for slot in slots {
            let cause = cause.word().to_owned();
            self.append(store, &EventRecord::Unfillable { slot, cause, why: why.clone() })?;
        }
        Ok(())
    }

    /// Works until there is nothing more to do.
    fn go_on(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let outcome = self.steps(store);
        if outcome.is_err() {
            // Whoever has taken over starts them again.
            self.job.iter().for_each(Job::cancel);
            self.running.values().for_each(|running| running.cancel.cancel());
            while !self.running.is_empty() {
                match self.told.recv() {
                    Ok((slot, _)) => self.running.remove(&slot),
                    Err(_) => break,
                };
            }
        }
        outcome
    }

    fn steps(&mut self, store: &mut Store) -> Result<(), StoreError> {
        loop {
            self.beat(store)?;
            self.hear_wishes(store)?;
            self.keep_budget();
            let action = match self.cycle.next(self.now()) {
                Step::Trial(action) => action,
                step => {
                    self.improve(store, step)?;
                    continue;
                }
            };
            match action {
                Action::Start { slot, attempt } => {
                    let wanted = self.running.len() + 1;
                    if sandbox::room(self.shared.trials.directory(), wanted) < wanted {
                        // When one of those that run has ended there is room again.
                        tracing::debug!(running = self.running.len(), "the disk has no room for more trials");
                        self.hear(store, BEAT)?;
                    } else {
                        self.start(store, slot, attempt)?;
                    }
                }
                Action::Wait { until } => {
                    let wait = until.map_or(BEAT, |until| until.saturating_sub(self.now()));
                    self.hear(store, wait)?;
                }
                Action::Stop => {
                    let kill_at = *self.kill_at.get_or_insert_with(Instant::now);
                    if kill_at <= Instant::now() {
                        self.running.values().for_each(|running| running.cancel.cancel());
                    }
                    self.hear(store, BEAT)?;
                }
                Action::Pause => {
                    self.end_job(store)?;
                    store.set_state(self.number, RunState::Paused)?;
                    return Ok(());
                }
                // What it comes to may have to be decided before the end.
                Action::Finish if self.job.is_some() => self.end_job(store)?,
                Action::Finish => {
                    if self.cycle.trials().finished().is_none() {
                        let finish = self.cycle.trials().ending().map_or("complete", finish_word).to_owned();
                        self.append(store, &EventRecord::Finished { finish })?;
                    }
                    store.set_state(self.number, RunState::Ended)?;
                    return Ok(());
                }
            }
        }
    }

    fn beat(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if self.beaten.elapsed() < BEAT {
            return Ok(());
        }
        self.beaten = Instant::now();
        let taken: Vec<RunningTrial> = self
            .running
            .iter()
            .map(|(slot, running)| RunningTrial {
                id: running.id.clone(),
                slot: *slot,
                tokens: running.meter.tokens(),
                cost: running.meter.cost(),
            })
            .collect();
        match store.beat(self.lease, &taken) {
            // What cannot be written now is written with the next beat.
            Err(error) if error.is_full() => Ok(()),
            outcome => outcome,
        }
    }

    fn hear_wishes(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let cancels = store.cancels(self.number)?;
        let trials = self.cycle.trials();
        // Whoever waits for the last trials of a budget may still not want them.
        let may_end = trials.finished().is_none()
            && matches!(trials.ending(), None | Some(Finish::Budget(_) | Finish::Infrastructure));
        if 0 < cancels && may_end {
            self.append(store, &EventRecord::Cancelled)?;
            self.kill_at = Some(Instant::now() + GRACE);
        }
        if 1 < cancels {
            self.kill_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Stops what runs if all of it together goes over a limit: a trial that takes more than any before could.
    fn keep_budget(&self) {
        let budget = self.cycle.trials().design().budget;
        let spent = self.cycle.trials().spent();
        let tokens = self.running.values().map(|running| running.meter.tokens()).sum::<u64>();
        let cost = self.running.values().filter_map(|running| running.meter.cost()).sum::<f64>();
        let is_over = budget.tokens.is_some_and(|most| most < spent.tokens.saturating_add(tokens))
            || budget.cost.is_some_and(|most| spent.cost.is_some_and(|spent| most < spent + cost))
            || budget.time.is_some_and(|most| most <= self.now());
        if is_over {
            self.running.values().for_each(|running| running.cancel.cancel());
        }
    }

    fn start(&mut self, store: &mut Store, slot: usize, attempt: u32) -> Result<(), StoreError> {
        let Some(asked) = self.cycle.trials().design().slots.get(slot).cloned() else { return Ok(()) };
        let Some(task) = self.shared.tasks.get(&asked.task) else {
            let why = "the task was not tried before the run began";
            return self.unfillable(store, &asked.task, VoidCause::EnvironmentSetup, why);
        };
        let shared = &self.shared;
        let Some(arm) = self.arms.get(asked.arm) else {
            let why = "the harness of the trial was not made";
            return self.unfillable(store, &asked.task, VoidCause::EnvironmentSetup, why);
        };
        let key = shared.subject.key(arm.digest, task.plan(), asked.role, asked.repeat);
        // What watches the world has to be run now.
        let watches = asked.role == Role::Sentinel;
        if let Some(earlier) = store.measured(&key)?.filter(|_| !watches) {
            let event = EventRecord::Reused { slot, verdict: earlier.verdict, trial: earlier.id };
            return self.append(store, &event);
        }
        let marks = task.marks().into_iter().map(|mark| mark.word().to_owned());
        let marks = marks.chain((!shared.is_confined).then(|| String::from("unsandboxed"))).collect();
        let id = format!("{}-{slot:04}-{attempt}", run_name(self.number));
        let voids = match self.cycle.trials().states().get(slot) {
            Some(State::Pending { voids, .. } | State::Running { voids }) => *voids,
            _ => 0,
        };
        let job = format!("{}-{slot:04}-{}-v{}", run_name(self.number), key.short(12), voids + 1);
        let record = TrialRecord {
            id: id.clone(),
            key: key.to_string(),
            contract: shared.contract.to_string(),
            harness: arm.digest.to_string(),
            task: asked.task.clone(),
            split: asked.split.word().to_owned(),
            role: asked.role.word().to_owned(),
            repeat: asked.repeat,
            attempt,
            started_ms: clock::wall_ms(),
            end: End::Killed.word().to_owned(),
            marks,
            image: task.plan().digests.image.map(|image| image.to_string()).unwrap_or_default(),
            guarantees: shared.guarantees.clone(),
            ..TrialRecord::default()
        };
        let at = self.now();
        let began = RunningTrial { id: id.clone(), slot, tokens: 0, cost: Some(0.0) };
        let event = EventRecord::Started { slot, attempt };
        let (lease, number) = (self.lease, self.number);
        patiently(|| store.start_trial(lease, number, at, &began, &event))?;
        self.cycle.apply(at, &cycle::Event::Trial(Event::Started { slot, attempt }));
        let running = Running { id, cancel: Cancel::new(), meter: Meter::default(), record };
        let directory = store.clear_trial_directory(&running.id)?;
        self.spawn(slot, asked, arm, job, &running, directory);
        self.running.insert(slot, running);
        Ok(())
    }

    fn spawn(
        &self,
        slot: usize,
        asked: Slot,
        arm: Arc<Arm>,
        job: String,
        running: &Running,
        directory: PathBuf,
    ) {
        let (shared, tell) = (Arc::clone(&self.shared), self.tell.clone());
        let (cancel, meter) = (running.cancel.clone(), running.meter.clone());
        let name = Name { id: running.id.clone(), job };
        let work = move || {
            // Whatever happens in a trial is told: a run that waits for it would never end.
            let perform = || shared.perform(&arm, &asked, &name, &cancel, &meter, &directory);
            let outcome = panic::catch_unwind(AssertUnwindSafe(perform))
                .unwrap_or_else(|panic| Ok(Done::failed(&*panic)));
            // Nobody listens any more if the run is given up.
            let _ = tell.send((slot, outcome));
        };
        if let Err(error) = thread::Builder::new().name(format!("trial-{slot}")).spawn(work) {
            tracing::error!(%error, "a trial has no thread");
            let _ = self.tell.send((slot, Err(Cancelled)));
        }
    }

    /// Waits for trials to end, and stores those that did.
    fn hear(&mut self, store: &mut Store, wait: Duration) -> Result<(), StoreError> {
        match self.told.recv_timeout(wait.min(BEAT)) {
            Ok(ended) => self.ended(store, ended)?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while let Ok(ended) = self.told.try_recv() {
            self.ended(store, ended)?;
        }
        Ok(())
    }

    fn ended(&mut self, store: &mut Store, (slot, outcome): Ended) -> Result<(), StoreError> {
        let Some(running) = self.running.remove(&slot) else { return Ok(()) };
        let is_dropped = self.dropped.remove(&slot);
        let Ok(done) = outcome else {
            let spent = Spent {
                trials: 1,
                tokens: running.meter.tokens(),
                cost: running.meter.cost(),
                time: Duration::ZERO,
            };
            // Its transcript would tell of a trial that there is not.
            let _ = fs::remove_dir_all(store.trial_directory(&running.id));
            return match is_dropped {
                true => self.dropped(store, slot, &running.id, spent),
                false => self.discard(store, slot, &running.id, spent),
            };
        };
        let mut record = running.record;
        record.finished_ms = clock::wall_ms().max(record.started_ms);
        done.record(&mut record);
        let verdict = done.judged.verdict;
        let spent = record.spent();
        let event = EventRecord::Ended {
            slot,
            verdict: verdict_word(verdict).to_owned(),
            cause: record.cause.clone(),
            spent: SpentRecord::of(spent),
        };
        let (at, lease, number) = (self.now(), self.lease, self.number);
        patiently(|| store.end_trial(lease, number, slot, at, &record, &event))?;
        self.cycle.apply(at, &cycle::Event::Trial(Event::Ended { slot, verdict, spent }));
        match verdict {
            Verdict::Void(VoidCause::AgentStart) => self.not_started += 1,
            Verdict::Void(_) => {}
            Verdict::Pass | Verdict::Fail => self.not_started = 0,
        }
        let has_worked = self.cycle.trials().states().iter().any(|state| matches!(state, State::Filled(_)));
        if NOT_STARTED <= self.not_started && !has_worked && self.cycle.trials().paused().is_none() {
            let why = format!("the agent does not start: {}", record.detail);
            return self.append(store, &EventRecord::Paused { why });
        }
        let pauses = done.worked.as_ref().is_some_and(|worked| worked.pauses);
        if pauses && matches!(verdict, Verdict::Void(_)) && self.cycle.trials().paused().is_none() {
            self.append(store, &EventRecord::Paused { why: record.detail })?;
        }
        Ok(())
    }
}

/// Tries again while the disk is full: a trial that was paid is not given up because of that.
fn patiently<T>(mut write: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let began = Instant::now();
    loop {
        match write() {
            Err(error) if error.is_full() && began.elapsed() < PATIENCE => {
                tracing::warn!(%error, "waiting for room on the disk");
                thread::sleep(Duration::from_secs(1));
            }
            outcome => return outcome,
        }
    }
}
