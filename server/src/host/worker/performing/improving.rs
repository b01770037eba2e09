//! What a run does besides trials: it mines, asks for proposals and merges, as [`Cycle::next`](crate::engine::cycle::Cycle::next)
//! says. Mining and asking take a while, so a thread does them, and the worker stays alive and hears wishes meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use harness_schema::digest::Digest;

use super::super::BEAT;
use super::super::arms::store_error;
use super::super::gating::{self, Measured};
use super::super::shared::{Arm, Shared};
use super::{Performance, patiently};
use crate::engine::budget::{Budget, Spent};
use crate::engine::cycle::{Decision, Event, Hold, Step};
use crate::engine::gating::Activity;
use crate::engine::proposal::reply::Scope;
use crate::engine::proposal::{Judged, Proposal, merge, operator};
use crate::engine::weakness::Actionable;
use crate::failure::Failure;
use crate::host::agents::Cancel;
use crate::host::evidence;
use crate::host::mining::{self, Lesson};
use crate::host::proposer::{self, Asking, Proposals, Proposer, Replied};
use crate::host::record::{
    CandidateRecord, EventRecord, MinedRecord, ProposalRecord, SpentRecord, TrialRecord,
};
use crate::host::store::{Store, StoreError, StoredRun};

/// What is done beside the trials.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Errand {
    Mine,
    Propose,
    /// Find out where these proposals act.
    Gate(Vec<u32>),
}

/// Work beside the trials.
pub(super) struct Job {
    told: Receiver<Told>,
    cancel: Cancel,
}

impl Job {
    /// Nobody wants it any more.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// What such work comes to.
enum Told {
    Mined(Box<MinedRecord>, usize),
    Replied(Replied),
    /// With where each proposal acts that is tried.
    Proposed(Box<Proposals>, Vec<Option<Activity>>),
    /// Proposals that were there before.
    Gated(Vec<CandidateRecord>),
    /// It cannot be done, for a reason that a person has to see to.
    Failed(Failure),
}

impl Performance<'_> {
    /// Does what the cycle says beside the trials.
    pub(super) fn improve(&mut self, store: &mut Store, step: Step) -> Result<(), StoreError> {
        match step {
            Step::Trial(_) => Ok(()),
            Step::Record(events) => {
                if let [Event::Proposed { candidates, .. }] = events.as_slice()
                    && self.cycle.design().rules.confirms_one()
                {
                    let numbers = candidates.iter().map(|candidate| candidate.proposal).collect();
                    return self.go_on_with(store, Errand::Gate(numbers));
                }
                let records: Vec<EventRecord> = events.iter().filter_map(EventRecord::of).collect();
                self.append_all(store, &records)?;
                self.grow_arms(store)
            }
            Step::Drop(slot) => self.drop_slot(store, slot),
            Step::Mine => self.go_on_with(store, Errand::Mine),
            Step::Propose => self.go_on_with(store, Errand::Propose),
            Step::Audit { arm, slots } => self.audit(store, arm, &slots),
            Step::Merge(survivors) => self.merge(store, &survivors),
        }
    }

    fn go_on_with(&mut self, store: &mut Store, errand: Errand) -> Result<(), StoreError> {
        if self.job.is_none() {
            self.job = Some(self.begin(store, errand)?);
        }
        self.hear(store, BEAT)?;
        self.hear_job(store)
    }

    /// Reads the audits of an arm.
    fn audit(&mut self, store: &mut Store, arm: usize, slots: &[usize]) -> Result<(), StoreError> {
        let parent = self.cycle.arms().get(arm).map(|arm| arm.parent);
        let (candidate, baseline) = (self.arms.get(arm), parent.and_then(|parent| self.arms.get(parent)));
        let mut tasks = BTreeSet::new();
        if let (Some(stored), Some(candidate), Some(baseline)) =
            (store.run(self.number)?, candidate, baseline)
        {
            let trials = evidence::trials(store, &stored)?;
            tasks = gating::moved(store, &candidate.harness, &baseline.harness, &trials, slots);
        }
        self.append(store, &EventRecord::Activated { arm, tasks })
    }

    /// Ends what goes on beside the trials; what was paid until then is paid.
    pub(super) fn end_job(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if let Some(job) = &self.job {
            job.cancel();
        }
        while self.job.is_some() {
            self.hear_job(store)?;
            if self.job.is_some() {
                thread::sleep(BEAT / 10);
            }
        }
        Ok(())
    }

    fn grow_arms(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let grown = self.arms.grow(store, &self.shared, self.cycle.arms());
        match grown.map_err(store_error) {
            Ok(()) => Ok(()),
            Err(Ok(failure)) => self.pause(store, failure.message),
            Err(Err(error)) => Err(error),
        }
    }

    fn pause(&mut self, store: &mut Store, why: String) -> Result<(), StoreError> {
        self.append(store, &EventRecord::Paused { why })
    }

    /// Nobody needs a slot any more: its trial is stopped if one runs.
    fn drop_slot(&mut self, store: &mut Store, slot: usize) -> Result<(), StoreError> {
        if let Some(running) = self.running.get(&slot) {
            running.cancel.cancel();
            self.dropped.insert(slot);
            return Ok(());
        }
        let spent = SpentRecord::of(Spent::nothing());
        self.append(store, &EventRecord::Dropped { slot, spent })
    }

    fn begin(&self, store: &Store, errand: Errand) -> Result<Job, StoreError> {
        let (tell, told) = mpsc::channel();
        let cancel = Cancel::new();
        let shared = Arc::clone(&self.shared);
        let stored = store.run(self.number)?;
        let arm = self.arms.get(self.cycle.working());
        let (Some(stored), Some(arm)) = (stored, arm) else {
            let _ =
                tell.send(Told::Failed(Failure::host("the run is gone", "somebody has changed the store")));
            return Ok(Job { told, cancel });
        };
        let work = Work {
            slots: self.cycle.measured(),
            is_gated: self.cycle.design().rules.confirms_one(),
            round: self.cycle.round(),
            budget: self.cycle.design().trials.budget,
            spent: self.cycle.trials().spent(),
            count: self.cycle.design().rules.proposals,
            shared,
            stored,
            arm,
            cancel: cancel.clone(),
        };
        let (told_of, not_begun) = (tell.clone(), tell.clone());
        let name = String::from(match &errand {
            Errand::Mine => "mine",
            Errand::Propose => "propose",
            Errand::Gate(_) => "gate",
        });
        let perform = move || {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| match &errand {
                Errand::Mine => work.mine(),
                Errand::Propose => work.propose(&tell),
                Errand::Gate(numbers) => work.gate(numbers),
            }));
            let said = outcome.unwrap_or_else(|_| {
                Err(Failure {
                    kind: crate::failure::FailureKind::Bug,
                    message: String::from("mining or proposing has panicked"),
                    hint: String::new(),
                })
            });
            // Nobody listens any more if the run is given up.
            let _ = told_of.send(said.unwrap_or_else(Told::Failed));
        };
        if let Err(error) = thread::Builder::new().name(name).spawn(perform) {
            let failure = Failure::host(format!("cannot start a thread: {error}"), "see `ulimit -u`");
            let _ = not_begun.send(Told::Failed(failure));
        }
        Ok(Job { told, cancel })
    }

    /// Stores what the work beside the trials has come to so far.
    fn hear_job(&mut self, store: &mut Store) -> Result<(), StoreError> {
        while let Some(job) = &self.job {
            let told = match job.told.try_recv() {
                Ok(told) => told,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    self.job = None;
                    return Ok(());
                }
            };
            match told {
                Told::Replied(Replied { slot, text, spent }) => {
                    let (text, error) = match text {
                        Ok(text) => (text, String::new()),
                        Err(error) => (String::new(), error),
                    };
                    let round = self.cycle.round();
                    let spent = SpentRecord::of(spent);
                    self.append(store, &EventRecord::Replied { round, slot, text, error, spent })?;
                }
                Told::Mined(mined, actionable) => {
                    self.job = None;
                    self.append(store, &EventRecord::Mined { mined, actionable })?;
                }
                Told::Proposed(proposals, activities) => {
                    self.job = None;
                    self.store_proposals(store, &proposals, &activities)?;
                }
                Told::Gated(candidates) => {
                    self.job = None;
                    let spent = SpentRecord::of(Spent::nothing());
                    let refused = Vec::new();
                    self.append(store, &EventRecord::Proposed { candidates, refused, spent })?;
                    self.grow_arms(store)?;
                }
                Told::Failed(failure) => {
                    self.job = None;
                    let is_cancelled = self.cycle.trials().ending().is_some();
                    if !is_cancelled {
                        self.pause(store, failure.message)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn store_proposals(
        &mut self,
        store: &mut Store,
        proposals: &Proposals,
        activities: &[Option<Activity>],
    ) -> Result<(), StoreError> {
        let harness = self.arms.get(self.cycle.working()).map(|arm| arm.digest.to_string());
        let harness = harness.unwrap_or_default();
        let records: Vec<ProposalRecord> =
            proposals.chosen.iter().map(|proposal| ProposalRecord::of(proposal, &harness)).collect();
        let (at, lease, number) = (self.now(), self.lease, self.number);
        let event = patiently(|| {
            store.add_proposals(lease, number, at, &records, |numbers| EventRecord::Proposed {
                candidates: candidates(numbers, activities),
                refused: proposals.refused.clone(),
                spent: SpentRecord::of(Spent::nothing()),
            })
        })?;
        if let Some(event) = event.event() {
            self.cycle.apply(at, &event);
        }
        self.grow_arms(store)
    }

    /// Makes one harness of those survivors that go together and promise most.
    fn merge(&mut self, store: &mut Store, survivors: &[(u32, f64)]) -> Result<(), StoreError> {
        let mut candidates: Vec<(Proposal, f64)> = Vec::new();
        let mut numbers = Vec::new();
        for (number, gain) in survivors {
            if let Some(proposal) = store.proposal(*number)?.and_then(|stored| stored.record.proposal()) {
                candidates.push((proposal, *gain));
                numbers.push(*number);
            }
        }
        let Some(arm) = self.arms.get(self.cycle.working()) else { return Ok(()) };
        let most = self.cycle.design().rules.merged().min(candidates.len());
        let choice = merge::choose(&arm.harness, &candidates, most);
        let chosen: Vec<u32> = choice.chosen.iter().filter_map(|at| numbers.get(*at).copied()).collect();
        // The first is the one that promises most: `survivors` are in that order.
        let (members, files): (Vec<u32>, _) = match chosen.as_slice() {
            [] => (numbers.iter().copied().take(1).collect(), BTreeMap::new()),
            _ => (chosen, choice.files),
        };
        if members.is_empty() {
            return self.pause(store, String::from("the proposals that were screened are not in the store"));
        }
        let held = numbers
            .iter()
            .filter(|number| !members.contains(number))
            .map(|number| Event::Decided { proposal: *number, decision: Decision::Held(Hold::MergeCap) });
        let mut records: Vec<EventRecord> = held.filter_map(|event| EventRecord::of(&event)).collect();
        self.arms.unite(members.clone(), files.clone());
        let files = files.into_iter().map(|(path, text)| (path.as_str().to_owned(), text)).collect();
        records.push(EventRecord::Merged { members, files });
        self.append_all(store, &records)?;
        self.grow_arms(store)
    }
}

/// Proposals with where they act.
fn candidates(numbers: &[u32], activities: &[Option<Activity>]) -> Vec<CandidateRecord> {
    let activities = activities.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let candidates = numbers.iter().zip(activities).map(|(number, activity)| CandidateRecord {
        proposal: *number,
        active: activity.map(|activity| activity.active.clone()),
        missed: activity.map(|activity| activity.missed),
    });
    candidates.collect()
}

/// What a thread needs to mine and to ask.
struct Work {
    shared: Arc<Shared>,
    stored: StoredRun,
    arm: Arc<Arm>,
    /// The slots whose trials teach, held-out ones among them: what mines takes none of those.
    slots: Vec<usize>,
    /// Whether proposals with a trigger are tried only where they act.
    is_gated: bool,
    round: u32,
    count: u32,
    /// What the run may spend, and what it has spent.
    budget: Budget,
    spent: Spent,
    cancel: Cancel,
}

impl Work {
    /// The trials of the working harness.
    fn trials(&self, store: &Store) -> Result<Vec<TrialRecord>, Failure> {
        let mut trials = evidence::trials(store, &self.stored).map_err(|error| error.to_failure())?;
        Ok(self.slots.iter().filter_map(|slot| trials.remove(slot)).collect())
    }

    fn lesson(&self, store: &Store) -> Result<Lesson, Failure> {
        Ok(mining::mine(store, &self.arm.harness, &self.shared.subject.tasks, self.trials(store)?))
    }

    /// Where proposals act.
    fn activities(&self, store: &Store, proposals: &[Proposal]) -> Result<Vec<Option<Activity>>, Failure> {
        let has_trigger = |proposal: &Proposal| proposal.scope != Scope::Always;
        if !self.is_gated || !proposals.iter().any(has_trigger) {
            return Ok(vec![None; proposals.len()]);
        }
        let measured = Measured {
            store,
            harness: &self.arm.harness,
            tasks: &self.shared.subject.tasks,
            trials: self.trials(store)?,
        };
        Ok(measured.activities(proposals))
    }

    fn gate(&self, numbers: &[u32]) -> Result<Told, Failure> {
        let store = self.store()?;
        let mut known = Vec::new();
        for number in numbers {
            let stored = store.proposal(*number).map_err(|error| error.to_failure())?;
            let gone = || Failure::host(format!("the proposal P{number} is not in the store"), "");
            known.push(stored.and_then(|stored| stored.record.proposal()).ok_or_else(gone)?);
        }
        Ok(Told::Gated(candidates(numbers, &self.activities(&store, &known)?)))
    }

    fn store(&self) -> Result<Store, Failure> {
        Store::open(&self.shared.subject.root).map_err(|error| error.to_failure())
    }

    fn mine(&self) -> Result<Told, Failure> {
        let store = self.store()?;
        let lesson = self.lesson(&store)?;
        let yes = lesson.weaknesses.iter().filter(|weakness| weakness.actionable == Actionable::Yes).count();
        let is_cold = lesson.mined.cold.is_cold();
        let actionable = match yes {
            0 if is_cold => operator::offers(&self.arm.harness, &lesson.weaknesses, &lesson.seen, true).len(),
            yes => yes,
        };
        Ok(Told::Mined(Box::new(MinedRecord::of(&lesson.mined, &lesson.weaknesses)), actionable))
    }

    fn propose(&self, tell: &mpsc::Sender<Told>) -> Result<Told, Failure> {
        let store = self.store()?;
        let lesson = self.lesson(&store)?;
        let history = history(&store).map_err(|error| error.to_failure())?;
        let asking = Asking {
            harness: &self.arm.harness,
            digest: self.arm.digest,
            lesson: &lesson,
            history: &history,
            count: self.count,
            store: &store,
        };
        let slots = proposer::slots(&asking);
        let mut replies = self.known(&store)?;
        let wanted = proposer::wanted(&asking, &slots, &replies);
        let (replied, heard) = mpsc::channel();
        let enough = &Cancel::new();
        thread::scope(|scope| {
            scope.spawn(move || {
                let Shared { client, runtime, seed, .. } = &*self.shared;
                let (digest, cancel) = (self.arm.digest, &self.cancel);
                let runtime = runtime.handle();
                let proposer = Proposer { client, runtime, seed: *seed, digest, cancel, enough };
                proposer.ask(wanted, &replied);
            });
            let mut spent = self.spent;
            for mut reply in heard {
                // Before anything is made of it: a model may say the key back.
                reply.text = reply.text.map(|text| self.shared.redactor.text(&text).into_owned());
                spent = spent.and(reply.spent);
                if self.budget.allows(spent, Spent::nothing(), reply.spent).is_err() {
                    enough.cancel();
                }
                replies.insert(reply.slot, reply.text.clone());
                let _ = tell.send(Told::Replied(reply));
            }
        });
        if self.cancel.is_cancelled() {
            return Err(Failure::user("it was cancelled", ""));
        }
        let failed: Vec<&String> = replies.values().filter_map(|text| text.as_ref().err()).collect();
        if !slots.is_empty()
            && failed.len() == slots.len()
            && let Some(why) = failed.first()
        {
            return Err(Failure::host(format!("the model cannot be asked for proposals: {why}"), ""));
        }
        let proposals = proposer::choose(&asking, &slots, &replies);
        let activities = self.activities(&store, &proposals.chosen)?;
        Ok(Told::Proposed(Box::new(proposals), activities))
    }

    /// Replies of this round that were paid before a worker died.
    fn known(&self, store: &Store) -> Result<BTreeMap<u32, Result<String, String>>, Failure> {
        let events = store.events(self.stored.number, 0).map_err(|error| error.to_failure())?;
        let replies = events.into_iter().filter_map(|event| match event.event {
            EventRecord::Replied { round, slot, text, error, .. }
                if round == self.round && error.is_empty() =>
            {
                Some((slot, Ok(text)))
            }
            _ => None,
        });
        Ok(replies.collect())
    }
}

/// What was judged before in this store, the oldest first.
fn history(store: &Store) -> Result<Vec<Judged>, StoreError> {
    let decisions = store.decisions()?;
    let judged = store.proposals()?.into_iter().filter_map(|stored| {
        let decision = decisions.get(&stored.number)?;
        let baseline: Digest = stored.record.harness.parse().ok()?;
        let is_hopeless = matches!(decision, Decision::Rejected(_));
        let is_judged = !decision.is_interrupted();
        let proposal = stored.record.proposal().filter(|_| is_judged)?;
        Some(Judged::of(&proposal, baseline, *decision == Decision::Accepted, is_hopeless))
    });
    Ok(judged.collect())
}
