//! Tells a client with a status bar how things are, when they are another way than it was told.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::shared::Shared;
use crate::ide::standing;
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
    let status = standing::status(snapshot.projects());
    json!({"health": status.health.word(), "quiescent": status.quiescent, "message": status.text})
}
