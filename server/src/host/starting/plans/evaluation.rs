//! The plan of `evaluate`: trials of the harness as it is.

use harness_schema::split::{Split, TaskPattern};

use crate::engine::contract::Role;
use crate::engine::cycle::{Goal, Rules};
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::starting::Plan;
use crate::host::subject::{Planned, Subject};

/// What a quick look is satisfied with.
const SMOKE_TASKS: usize = 3;

/// What is to be evaluated; by default every task that is not sealed, as often as the manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluate {
    /// Only tasks of this split, which is not the sealed one.
    pub split: Option<Split>,
    /// Only these tasks, ids or globs; all if there are none.
    pub tasks: Vec<String>,
    /// How often each task is tried; the manifest's `improve.repeats.baseline`, else by the gate.
    pub repeats: Option<u32>,
    /// A quick look: three held-in tasks once, whatever else is said but for `tasks`.
    pub smoke: bool,
}

/// The plan.
///
/// # Errors
/// A [`Failure`] if there is no such task.
pub fn evaluate(subject: &Subject, wanted: &Evaluate) -> Result<Plan, Failure> {
    let baseline = Rules::of(&subject.harness.manifest().improve.value).baseline;
    let repeats = if wanted.smoke { 1 } else { wanted.repeats.unwrap_or(baseline) };
    let role = if wanted.smoke { Role::Smoke } else { Role::Baseline };
    let slots = slots(subject, wanted, repeats, role)?;
    Ok(Plan::of(Goal::Evaluate, repeats, slots))
}

/// What is to be filled: every task once before any is tried again, so that an early stop has seen all.
fn slots(subject: &Subject, wanted: &Evaluate, repeats: u32, role: Role) -> Result<Vec<Slot>, Failure> {
    if wanted.split == Some(Split::Sealed) {
        let hint = "read them with `self-harness seal`, once, when everything else is done";
        return Err(Failure::user("sealed tasks are not evaluated", hint));
    }
    let patterns: Vec<TaskPattern> = wanted.tasks.iter().map(|written| TaskPattern::new(written)).collect();
    if let Some(at) =
        patterns.iter().position(|pattern| !subject.tasks.iter().any(|task| pattern.matches(&task.id)))
    {
        let written = wanted.tasks.get(at).map_or("", String::as_str);
        let hint = "tasks are named by their directory below `tasks.dir`; those in no split are not run";
        return Err(Failure::user(format!("no task of a split matches `{written}`"), hint));
    }
    let is_wanted = |split: Split| match (wanted.smoke, wanted.split) {
        (true, _) => split == Split::HeldIn,
        (false, Some(only)) => split == only,
        // Sealed tasks are read once, at the very end.
        (false, None) => split != Split::Sealed,
    };
    let mut chosen: Vec<_> = subject
        .tasks
        .iter()
        .filter(|task| is_wanted(task.split))
        .filter(|task| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&task.id)))
        .collect();
    chosen.sort_by_key(|task| task.split != Split::HeldIn);
    if wanted.smoke {
        chosen.truncate(SMOKE_TASKS);
    }
    if chosen.is_empty() {
        let hint = "declare tasks in `[tasks]` of `harness.toml`, and put them into splits";
        return Err(Failure::config("there is no task to run", hint));
    }
    let slots = (0..repeats).flat_map(|repeat| {
        let slot =
            move |task: &&Planned| Slot { arm: 0, task: task.id.clone(), split: task.split, role, repeat };
        chosen.iter().map(slot).collect::<Vec<_>>()
    });
    Ok(slots.collect())
}
