//! The plan of `seal`: the harness that the lineage began with and the last one, side by side, on tasks that neither has met.

use std::collections::BTreeSet;

use harness_schema::split::{SEALED_FROM, Split};

use crate::engine::contract::Role;
use crate::engine::cycle::Goal;
use crate::engine::gate::statistics::Draws;
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::measured::{self, Measured};
use crate::host::record::SealRecord;
use crate::host::starting::{Asking, Plan};
use crate::host::store::{StoreError, run_name};

/// How often each task is tried by each harness, and how often where there are few tasks (`method` 5.10).
const REPEATS: u32 = 4;
const REPEATS_OF_FEW: u32 = 5;
const FEW: usize = 20;

/// The plan to read the sealed tasks, all that can be run here.
///
/// # Errors
/// A [`Failure`] if there is nothing to read, or nothing to compare.
pub fn seal(asking: &Asking<'_>) -> Result<Plan, Failure> {
    let failed = |error: StoreError| error.to_failure();
    let now = asking.subject;
    let sealed = now.tasks.iter().filter(|task| task.split == Split::Sealed && task.plan.is_ok());
    let tasks: Vec<&str> = sealed.map(|task| task.id.as_str()).collect();
    if tasks.is_empty() {
        let hint = format!(
            "`tasks.split` seals none below {SEALED_FROM} tasks; have more tasks, or name some in `tasks.sealed` before anybody looks at them"
        );
        return Err(Failure::config(
            "no unbiased estimate: this project has no sealed task that can be run here",
            hint,
        ));
    }
    let past = asking.past();
    let Some(Measured { run, subject: first }) = past.first(now).map_err(failed)? else {
        let hint = "a lineage begins with `self-harness evaluate` or `improve`; what was measured under another model, other limits or other tasks cannot be compared";
        return Err(Failure::user("no harness was measured under this contract yet", hint));
    };
    let texts = match first.harness_digest() == now.harness_digest() {
        false => Some(now.texts()),
        true => past.adopted_last(now).map_err(failed)?,
    };
    let files = texts.map(|texts| measured::difference(&first.texts(), &texts)).unwrap_or_default();
    let mut all = first.texts();
    all.extend(files.clone());
    let last = past.with(&all);
    if last.harness_digest() == first.harness_digest() {
        let message =
            format!("the harness is still the one of {}: there is nothing to compare", run_name(run.number));
        return Err(Failure::user(
            message,
            "apply what was accepted, or make it better with `self-harness improve`; sealed tasks are best read once",
        ));
    }
    let is_sealed = |id: &str| tasks.contains(&id);
    let is_comparable = first.is_comparable(&last.harness)
        && measured::makes(&first, &files, &last)
        && first.contract_digest(is_sealed) == last.contract_digest(is_sealed)
        && first.contract_digest(is_sealed) == now.contract_digest(is_sealed);
    if !is_comparable {
        let message =
            format!("the harness on disk and the one of {} cannot be compared", run_name(run.number));
        return Err(Failure::config(
            message,
            "take back what changes the model, the agent, its limits or the sealed tasks",
        ));
    }
    let readings = past.readings(&tasks.iter().copied().collect::<BTreeSet<_>>()).map_err(failed)?;
    let repeats = if tasks.len() < FEW { REPEATS_OF_FEW } else { REPEATS };
    let seed = first.harness.manifest().model.value.seed.as_ref();
    let slots = slots(&tasks, repeats, seed.map(|seed| seed.value.unsigned_abs()).unwrap_or_default());
    let seal = SealRecord {
        first: run.number,
        last: last.harness_digest().to_string(),
        files,
        look: readings.saturating_add(1),
    };
    Ok(Plan { subject: Some(first), seal: Some(seal), ..Plan::of(Goal::Seal, repeats, slots) })
}

/// What is said of sealed tasks that were read before; `None` of those that were not.
#[must_use]
pub fn read_before(seal: &SealRecord) -> Option<String> {
    let times = match seal.look.saturating_sub(1) {
        0 => return None,
        1 => String::from("before"),
        readings => format!("{readings} times before"),
    };
    Some(format!(
        "these sealed tasks were read {times}: what comes now is marked as reused, and is no unbiased estimate"
    ))
}

/// Every task once before any is tried again; both harnesses one after another, in an order that a coin decides, so that whatever
/// changes meanwhile changes both.
fn slots(tasks: &[&str], repeats: u32, seed: u64) -> Vec<Slot> {
    let mut draws = Draws::new(seed);
    let mut slots = Vec::new();
    for repeat in 0..repeats {
        for task in tasks {
            let mut pair = [0, 1].map(|arm| Slot {
                arm,
                task: (*task).to_owned(),
                split: Split::Sealed,
                role: Role::Sealed,
                repeat,
            });
            if draws.any() & 1 == 1 {
                pair.reverse();
            }
            slots.extend(pair);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_reading_is_silent() {
        let said = |look| read_before(&SealRecord { look, ..SealRecord::default() });
        assert_eq!(said(1), None);
        assert!(said(2).unwrap().starts_with("these sealed tasks were read before: "));
        assert!(said(4).unwrap().starts_with("these sealed tasks were read 3 times before: "));
    }

    #[test]
    fn both_harnesses_meet_every_task_side_by_side() {
        let names: Vec<String> = (0..9).map(|number| format!("t-{number}")).collect();
        let tasks: Vec<&str> = names.iter().map(String::as_str).collect();
        let slots = slots(&tasks, 4, 7);
        assert_eq!(slots.len(), 2 * 4 * 9);
        let mut first = 0;
        for pair in slots.chunks(2) {
            let [one, other] = pair else { panic!("a slot is alone") };
            assert_eq!((&one.task, one.repeat, 1 - one.arm), (&other.task, other.repeat, other.arm));
            assert!(pair.iter().all(|slot| slot.role == Role::Sealed && slot.split == Split::Sealed));
            first += usize::from(one.arm == 0);
        }
        // A coin decides, so neither is always first.
        assert!((9..=27).contains(&first), "{first}");
    }
}
