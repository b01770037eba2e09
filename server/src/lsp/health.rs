//! Tells a client with a status bar how things are, when they are another way than it was told.

use std::sync::{Arc, Mutex, PoisonError};

use harness_schema::problem::Severity;
use serde_json::Value;

use super::shared::Shared;
use super::to_proto;
use crate::workspace::Snapshot;

/// What was told last.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<Value>>);

/// Something may have changed.
pub fn look(shared: &Arc<Shared>, health: &Arc<Health>) {
    if !shared.session().can("/experimental/serverStatusNotification") {
        return;
    }
    let (shared, health) = (Arc::clone(shared), Arc::clone(health));
    tokio::spawn(async move {
        let for_work = Arc::clone(&shared);
        let now = shared.compute(move || status(&for_work.snapshot())).await;
        let Ok(now) = now else { return };
        let mut told = health.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&now) {
            // Under the lock, so that two who look at once tell in the order in which they remember.
            shared.notify("experimental/serverStatus", &now);
            *told = Some(now);
        }
    });
}

fn status(snapshot: &Snapshot) -> Value {
    let projects: Vec<_> = snapshot.projects().collect();
    let harnesses: Vec<_> = projects.iter().map(|project| project.harness().as_ref()).collect();
    let errors = projects.iter().map(|project| {
        let problems = project.problems(&project.harness().manifest_path());
        problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    });
    to_proto::status(&harnesses, errors.sum())
}
