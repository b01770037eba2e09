//! What a run is expected to take, from what trials took before in the same store. It reads, and asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::digest::Digest;
use harness_schema::manifest::Price;

use crate::engine::contract::Role;
use crate::engine::cycle::{self, Goal};
use crate::engine::forecast::{Forecast, GUESSED_REQUEST, GUESSED_TOKENS, Guess, Plan, Took};
use crate::host::model::Endpoint;
use crate::host::record::{EventRecord, RunRecord};
use crate::host::store::{Store, StoreError};
use crate::host::subject::Subject;

/// So many trials, the newest, say enough of what one costs.
const ENOUGH: usize = 2000;

/// What a run is expected to take.
///
/// # Errors
/// A [`StoreError`].
pub fn expected(store: &Store, record: &RunRecord, subject: &Subject) -> Result<Forecast, StoreError> {
    let (took, request) = match store.is_foreign() {
        true => (BTreeMap::new(), None),
        false => took(store, record)?,
    };
    let mut plan = plan(record);
    plan.open = open(store, record, subject)?;
    let model = &subject.harness.manifest().model.value;
    let is_local = Endpoint::read(&model.endpoint.value).is_ok_and(|endpoint| endpoint.is_loopback());
    let guess = match &model.price {
        Some(price) => Some(guess(&price.value, request)),
        None if is_local => Some(Guess { short: 0.0, long: 0.0, request: 0.0 }),
        None => None,
    };
    Ok(Forecast::of(&plan, &took, guess))
}

/// The trials that a run cannot go over.
#[must_use]
pub fn most(record: &RunRecord) -> u64 {
    plan(record).most()
}

fn plan(record: &RunRecord) -> Plan {
    let cycle::Design { goal, rules, tasks, candidates, .. } = record.design();
    let own = u32::from(goal == Goal::Validate && candidates.is_empty());
    let count = u64::try_from(record.slots.len()).unwrap_or(u64::MAX);
    Plan {
        goal,
        rules: record.rules.is_some().then_some(rules),
        slots: count,
        open: count,
        tasks: tasks.into_iter().map(|(task, _)| task).collect(),
        // An edit of the person's own gets its number when the run does.
        candidates: u32::try_from(candidates.len()).unwrap_or(u32::MAX).saturating_add(own),
    }
}

/// How many slots no earlier trial fills.
fn open(store: &Store, record: &RunRecord, subject: &Subject) -> Result<u64, StoreError> {
    let first: Option<Digest> = record.harness.parse().ok();
    let last: Option<Digest> = record.seal.as_ref().and_then(|seal| seal.last.parse().ok());
    let mut open = 0;
    for slot in &record.slots {
        let harness = if slot.arm == 0 { first } else { last };
        let plan = subject.task(&slot.task).and_then(|task| task.plan.as_ref().ok());
        let role = Role::named(&slot.role).unwrap_or(Role::Baseline);
        let is_known = match (harness, plan) {
            _ if store.is_foreign() => false,
            (Some(harness), Some(plan)) => {
                store.measured(&subject.key(harness, plan, role, slot.repeat))?.is_some()
            }
            _ => false,
        };
        open += u64::from(!is_known);
    }
    Ok(open)
}

/// What trials of the same model took, by task, and what a request for an edit cost.
fn took(store: &Store, record: &RunRecord) -> Result<(BTreeMap<String, Took>, Option<f64>), StoreError> {
    let mut took: BTreeMap<String, Took> = BTreeMap::new();
    let (mut requests, mut seen) = (Took::default(), 0);
    let tasks: BTreeSet<&str> = record.slots.iter().map(|slot| slot.task.as_str()).collect();
    for run in store.runs()?.into_iter().rev().filter(|run| run.record.model == record.model) {
        if ENOUGH <= seen {
            break;
        }
        // What others have paid elsewhere tells nothing of here.
        if run.record.goal() == Goal::Import {
            continue;
        }
        for trial in store.trials(run.number)? {
            let spent = trial.spent();
            if let Some(cost) = spent.cost.filter(|_| tasks.contains(trial.task.as_str())) {
                took.entry(trial.task).or_default().add(cost, spent.time.as_secs_f64());
                seen += 1;
            }
        }
        if run.record.goal() == Goal::Evaluate || run.record.goal() == Goal::Seal {
            continue;
        }
        for event in store.events(run.number, 0)? {
            if let EventRecord::Replied { spent, .. } = event.event
                && let Some(cost) = spent.cost
            {
                requests.add(cost, 0.0);
            }
        }
    }
    let request = (0 < requests.trials).then(|| requests.cost / f64::from(requests.trials));
    Ok((took, request))
}

/// What a price makes of the tokens that are guessed; a request that was measured is no guess.
fn guess(price: &Price, request: Option<f64>) -> Guess {
    let of = |(input, output): (u64, u64)| {
        (input as f64 * price.input.value + output as f64 * price.output.value) / 1e6
    };
    let [short, long] = GUESSED_TOKENS.map(of);
    Guess { short, long, request: request.unwrap_or_else(|| of(GUESSED_REQUEST)) }
}
