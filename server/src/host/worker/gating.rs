//! Where candidates act: their rules are asked again on what the trials of the baseline have left on disk, and audits are read.
//! What a held-out trial says is one bit for the gate.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::harness::Harness;
use harness_schema::manifest::TranscriptFormat;
use harness_schema::split::Split;

use crate::engine::gating::{self, Activity, Recorded, Trigger};
use crate::engine::proposal::reply::Scope;
use crate::engine::proposal::{Proposal, guard};
use crate::engine::split::Splits;
use crate::engine::trace::{End, Trace};
use crate::engine::transcript;
use crate::engine::verdict::Verdict;
use crate::host::evidence;
use crate::host::record::TrialRecord;
use crate::host::store::Store;
use crate::host::subject::Planned;

/// The trials of a baseline, and what they are trials of.
pub(super) struct Measured<'a> {
    pub(super) store: &'a Store,
    /// The baseline.
    pub(super) harness: &'a Harness,
    pub(super) tasks: &'a [Planned],
    pub(super) trials: Vec<TrialRecord>,
}

impl Measured<'_> {
    /// Where each proposal acts; `None` if it may act everywhere: it has no trigger, or another agent runs it.
    pub(super) fn activities(&self, proposals: &[Proposal]) -> Vec<Option<Activity>> {
        let compared = self.tasks.iter().filter(|task| task.split != Split::Sealed);
        let tasks: Vec<String> = compared.map(|task| task.id.clone()).collect();
        let split = |trial: &&TrialRecord| {
            self.tasks.iter().find(|task| task.id == trial.task).map(|task| task.split)
        };
        let measured = self.trials.iter().filter(|trial| !matches!(trial.verdict(), Verdict::Void(_)));
        let trials = Splits::apart(measured, split);
        let activities = proposals.iter().map(|proposal| {
            if proposal.scope == Scope::Always {
                return None;
            }
            let candidate = guard::candidate(self.harness, &proposal.files);
            let trigger = Trigger::of(&candidate, self.harness)?;
            let place = |trial: &&TrialRecord| tasks.iter().position(|task| *task == trial.task);
            Some(gating::activity(&tasks, &trials, place, |trial| self.fires(&trigger, trial)))
        });
        activities.collect()
    }

    /// Whether a trigger fires in a trial; `None` if nothing of it can be read.
    fn fires(&self, trigger: &Trigger<'_>, trial: &TrialRecord) -> Option<bool> {
        let plan = self.tasks.iter().find(|task| task.id == trial.task)?.plan.as_ref().ok()?;
        let conversations = conversations(self.store, &trial.id);
        let last = conversations.len().checked_sub(1)?;
        let end = End::named(&trial.end);
        // Each step of a task is a conversation of its own. How those before the last ended is not known.
        let mut recorded = conversations.iter().enumerate().map(|(at, trace)| Recorded {
            trace,
            end: end.as_ref().filter(|_| at == last),
            workdir: &plan.workdir,
            instruction: plan.steps.get(at).map(|step| step.instruction.as_str()),
        });
        Some(recorded.any(|recorded| trigger.fires(&recorded)))
    }
}

/// The conversations of a trial, one for each step of its task, as far as they can be read.
fn conversations(store: &Store, trial: &str) -> Vec<Trace> {
    let read = |name: &str| {
        let text = store.read_of_trial(trial, name).ok()?;
        transcript::read(&text, TranscriptFormat::Atif).ok()
    };
    let names = (1..).map(|step| match step {
        1 => String::from("trajectory.json"),
        step => format!("trajectory-{step}.json"),
    });
    names.map_while(|name| read(&name)).collect()
}

/// The tasks of audits in which a rule has fired that `candidate` has and `baseline` has not.
pub(super) fn moved(
    store: &Store,
    candidate: &Harness,
    baseline: &Harness,
    trials: &BTreeMap<usize, TrialRecord>,
    slots: &[usize],
) -> BTreeSet<String> {
    let Some(trigger) = Trigger::of(candidate, baseline) else { return BTreeSet::new() };
    let audits = slots.iter().filter_map(|slot| trials.get(slot));
    let fired = audits
        .filter(|trial| evidence::trace(store, &trial.id).is_some_and(|trace| trigger.has_fired(&trace)));
    fired.map(|trial| trial.task.clone()).collect()
}
