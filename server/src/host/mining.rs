//! Mines the trials of a harness: reads what each has left, one at a time, and hands it to the engine. Only trials of held-in tasks
//! get there; what decides that is the split of the task in the harness.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::harness::Harness;
use harness_schema::split::Split;

use super::evidence;
use super::record::TrialRecord;
use super::store::Store;
use super::subject::Planned;
use crate::engine::cause::{self, Failed};
use crate::engine::cluster::{self, Mined};
use crate::engine::contract::Role;
use crate::engine::imported::known::{Known, Meaning};
use crate::engine::proposal::example::Example;
use crate::engine::proposal::leak::TaskFacts;
use crate::engine::signature::{self, Outcome, Seen};
use crate::engine::split::{HeldIn, Splits};
use crate::engine::trace::End;
use crate::engine::verdict::Verdict;
use crate::engine::weakness::{self, Protected, Weakness};

/// What the trials of a harness teach.
#[derive(Debug)]
pub struct Lesson {
    /// The trials, by task and repeat.
    pub seen: Vec<HeldIn<Seen>>,
    /// The clusters of failures.
    pub mined: Mined,
    /// The clusters with their places in the harness.
    pub weaknesses: Vec<Weakness>,
    /// What works and has to go on working.
    pub protected: Vec<Protected>,
    /// What is known of the held-in tasks, so that no proposal tells it.
    pub facts: Vec<HeldIn<TaskFacts>>,
}

/// A task that fails so often in the same way proves nothing (`method` 2.6).
const SUSPECT_TRIALS: usize = 8;

/// And only if hardly any check fails.
const SUSPECT_PARTIAL: f64 = 0.1;

/// How many failed trials a proposer is shown.
const EXAMPLES: usize = 3;

/// Mines the trials of one harness. Void ones teach nothing; those of tasks that the project does not know teach if they were
/// imported.
#[must_use]
pub fn mine(store: &Store, harness: &Harness, tasks: &[Planned], trials: Vec<TrialRecord>) -> Lesson {
    let known = Known::of(harness);
    let split = |trial: &TrialRecord| match tasks.iter().find(|task| task.id == trial.task) {
        Some(task) => Some(task.split),
        None => {
            (is_imported(trial) && known.meaning(&trial.task) == Meaning::Elsewhere).then_some(Split::HeldIn)
        }
    };
    let measured = trials.into_iter().filter(|trial| !matches!(trial.verdict(), Verdict::Void(_)));
    let mut held_in = Splits::apart(measured, split).held_in;
    held_in.sort_by(|one, other| {
        let key = |trial: &HeldIn<TrialRecord>| {
            let trial = trial.get();
            (trial.task.clone(), trial.role.clone(), trial.repeat, trial.id.clone())
        };
        key(one).cmp(&key(other))
    });
    let suspects = suspects(&held_in);
    let seen: Vec<HeldIn<Seen>> =
        held_in.into_iter().map(|trial| trial.map(|trial| see(store, harness, tasks, &trial))).collect();
    let mined = cluster::group(&seen);
    let weaknesses = weakness::locate(harness, &mined, &seen, &suspects);
    let protected = weakness::protected(harness, &seen);
    let facts = facts(harness, tasks, &seen);
    Lesson { seen, mined, weaknesses, protected, facts }
}

fn see(store: &Store, harness: &Harness, tasks: &[Planned], trial: &TrialRecord) -> Seen {
    let plan = tasks.iter().find(|task| task.id == trial.task).and_then(|task| task.plan.as_ref().ok());
    let instruction: Option<String> = plan
        .map(|plan| plan.steps.iter().map(|step| step.instruction.as_str()).collect::<Vec<_>>().join("\n\n"));
    // When others did it, and how much time they gave, is not known.
    let time_used = plan.filter(|_| !is_imported(trial)).map(|plan| {
        let most: f64 = plan.steps.iter().map(|step| step.agent_timeout.as_secs_f64()).sum();
        let took = trial.finished_ms.saturating_sub(trial.started_ms) as f64 / 1000.0;
        (took / most.max(1e-3)).min(1.0)
    });
    let end = End::named(&trial.end);
    let (checks, output) = evidence::judged(store, &trial.id);
    let judged = (trial.verdict() == Verdict::Fail).then(|| {
        cause::judge(&Failed {
            flags: trial.flags(),
            end: end.as_ref(),
            has_reward: !trial.rewards.is_empty(),
            checks: &checks,
            output: &output,
            is_imported: is_imported(trial),
        })
    });
    let is_native = harness.is_native() && !is_imported(trial);
    let max_steps = is_native.then(|| u64::from(harness.manifest().runtime.max_steps.value));
    let outcome = Outcome {
        trial: &trial.id,
        task: &trial.task,
        repeat: trial.repeat,
        failed: judged.as_ref(),
        end: end.as_ref(),
        workdir: match plan {
            Some(plan) => plan.root.as_str(),
            None if is_imported(trial) => "",
            None => "/workspace",
        },
        instruction: instruction.as_deref(),
        time_used,
        max_steps,
        required: &[],
    };
    signature::see(&outcome, &evidence::trace(store, &trial.id).unwrap_or_default())
}

/// Whether another program ran it.
fn is_imported(trial: &TrialRecord) -> bool {
    trial.role == Role::Imported.word()
}

/// Tasks of which no trial passes, with hardly a check failing, and always the same.
fn suspects(trials: &[HeldIn<TrialRecord>]) -> BTreeSet<String> {
    let mut by_task: BTreeMap<&str, Vec<&TrialRecord>> = BTreeMap::new();
    for trial in trials {
        by_task.entry(&trial.get().task).or_default().push(trial.get());
    }
    let is_suspect = |trials: &[&TrialRecord]| {
        let first = trials.first().map(|trial| &trial.failed_checks);
        SUSPECT_TRIALS <= trials.len()
            && trials.iter().all(|trial| {
                trial.verdict() == Verdict::Fail
                    && Some(&trial.failed_checks) == first
                    && trial.partial.is_some_and(|partial| partial <= SUSPECT_PARTIAL)
            })
    };
    by_task.into_iter().filter(|(_, trials)| is_suspect(trials)).map(|(task, _)| task.to_owned()).collect()
}

fn facts(harness: &Harness, tasks: &[Planned], seen: &[HeldIn<Seen>]) -> Vec<HeldIn<TaskFacts>> {
    let facts = tasks.iter().map(|task| {
        let of_task = || seen.iter().map(HeldIn::get).filter(|seen| seen.task == task.id);
        let found = of_task().flat_map(|seen| &seen.findings).flat_map(|finding| finding.entities.iter());
        let named = of_task().flat_map(|seen| &seen.entities).map(String::as_str);
        let entities = named.chain(found).map(str::to_owned).collect();
        let steps = task.plan.as_ref().map(|plan| plan.steps.as_slice()).unwrap_or_default();
        let instruction = steps.iter().map(|step| step.instruction.as_str()).collect::<Vec<_>>().join("\n\n");
        let known = harness.suite().tasks.iter().find(|known| known.id == task.id);
        let family = known.map(|known| known.family.clone()).unwrap_or_default();
        (task.split, TaskFacts { id: task.id.clone(), family, instruction, entities })
    });
    let held_in = Splits::apart(facts, |(split, _): &(Split, TaskFacts)| Some(*split)).held_in;
    held_in.into_iter().map(|facts| facts.map(|(_, facts)| facts)).collect()
}

/// Failed trials of a weakness as a proposer sees them, each of another task where there are several. A task has the same alias
/// in every prompt.
#[must_use]
pub fn examples(store: &Store, lesson: &Lesson, weakness: &Weakness) -> Vec<HeldIn<Example>> {
    let supporters = &weakness.cluster.supporters;
    let first = supporters.iter().filter_map(|task| task.trials.first());
    let others = supporters.iter().flat_map(|task| task.trials.iter().skip(1));
    let wanted: Vec<&String> = first.chain(others).take(EXAMPLES).collect();
    let shown = lesson.seen.iter().filter(|seen| wanted.contains(&&seen.get().trial)).map(|seen| {
        seen.clone().map(|seen| {
            let trace = evidence::trace(store, &seen.trial).unwrap_or_default();
            let alias = alias(lesson, &seen.task);
            Example::about(&seen, &trace, alias, weakness.cluster.mechanism)
        })
    });
    shown.collect()
}

/// What a held-in task is called where its name must not be told: `T1`, `T2`, ….
#[must_use]
pub fn alias(lesson: &Lesson, task: &str) -> String {
    let at = lesson.facts.iter().position(|facts| facts.get().id == task);
    at.map_or_else(|| String::from("T0"), |at| format!("T{}", at + 1))
}

/// The task that an alias stands for.
#[must_use]
pub fn task_of<'a>(lesson: &'a Lesson, alias: &str) -> Option<&'a str> {
    let at: usize = alias.strip_prefix('T')?.parse().ok()?;
    lesson.facts.get(at.checked_sub(1)?).map(|facts| facts.get().id.as_str())
}
