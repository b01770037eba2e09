//! What is known of the trials of a run: the record that fills each slot, and what a trial has left. It reads, and mines nothing.

use std::collections::BTreeMap;

use harness_schema::manifest::TranscriptFormat;

use super::record::{CHECKS, CheckRecord, EventRecord, TrialRecord};
use super::store::{Store, StoreError, StoredRun};
use crate::engine::reward::Check;
use crate::engine::trace::Trace;
use crate::engine::transcript;

/// The trial that fills each slot, those of earlier runs among them.
///
/// # Errors
/// A [`StoreError`].
pub fn trials(store: &Store, stored: &StoredRun) -> Result<BTreeMap<usize, TrialRecord>, StoreError> {
    let mut trials: BTreeMap<usize, TrialRecord> = BTreeMap::new();
    for (slot, trial) in store.trials_by_slot(stored.number)? {
        match trials.get(&slot) {
            Some(newer) if trial.attempt < newer.attempt => {}
            _ => {
                trials.insert(slot, trial);
            }
        }
    }
    for event in store.events(stored.number, 0)? {
        if let EventRecord::Reused { slot, trial, .. } = event.event
            && let Some(trial) = store.trial(&trial)?
        {
            trials.insert(slot, trial);
        }
    }
    Ok(trials)
}

/// What an agent did in a trial; `None` if it has left no transcript that can be read. A trial of several steps is read as one.
#[must_use]
pub fn trace(store: &Store, trial: &str) -> Option<Trace> {
    let read = |name: &str| {
        let text = store.read_of_trial(trial, name).ok()?;
        transcript::read(&text, TranscriptFormat::Atif).ok()
    };
    let mut trace = read("trajectory.json")?;
    for step in 2.. {
        let Some(next) = read(&format!("trajectory-{step}.json")) else { break };
        trace.end = next.end;
        for step in next.steps {
            trace.push(step);
        }
    }
    Some(trace)
}

/// What the verifier of a trial reported, and what it printed.
#[must_use]
pub fn judged(store: &Store, trial: &str) -> (Vec<Check>, String) {
    let checks = store.read_of_trial(trial, CHECKS).ok();
    let checks: Vec<CheckRecord> =
        checks.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let output = store.read_of_trial(trial, "verifier.txt").unwrap_or_default();
    (checks.into_iter().map(CheckRecord::check).collect(), output)
}
