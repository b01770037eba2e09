//! Imported runs: what another program has measured, stored as a run that is over. All of it is there, or nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{TransactionBehavior, params};

use super::{RunState, Store, StoreError, StoredRun, add, index, key_bytes, signed};
use crate::engine::cycle::Goal;
use crate::host::clock;
use crate::host::record::{EventRecord, RunRecord, TrialRecord};

impl Store {
    /// Stores a run of trials that another program has run, each in the slot of its place; its number. A trial that is there
    /// already is left as it is. No worker has to do with it, so no lease is needed.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn add_import(
        &mut self,
        record: &RunRecord,
        imported: &EventRecord,
        trials: &[TrialRecord],
    ) -> Result<i64, StoreError> {
        let path = self.path.clone();
        let failed = StoreError::database(&path);
        let body = serde_json::to_string(record).map_err(StoreError::damaged(&path, "run"))?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let values = params![signed(clock::wall_ms()), RunState::Ended.word(), body];
        transaction
            .execute("INSERT INTO run (created, state, body) VALUES (?1, ?2, ?3)", values)
            .map_err(&failed)?;
        let number = transaction.last_insert_rowid();
        add(&transaction, &path, number, Duration::ZERO, imported)?;
        for (slot, trial) in trials.iter().enumerate() {
            let body = serde_json::to_string(trial).map_err(StoreError::damaged(&path, "trial"))?;
            let query = "INSERT OR IGNORE INTO trial (id, run, slot, attempt, key, verdict, split, tokens, cost, body)
                VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9)";
            let values = params![
                trial.id,
                number,
                index(slot),
                key_bytes(&trial.key),
                trial.verdict,
                trial.split,
                signed(trial.spent().tokens),
                trial.cost,
                body
            ];
            transaction.execute(query, values).map_err(&failed)?;
            let (verdict, trial) = (trial.verdict.clone(), trial.id.clone());
            add(&transaction, &path, number, Duration::ZERO, &EventRecord::Reused { slot, verdict, trial })?;
        }
        let finish = String::from("complete");
        add(&transaction, &path, number, Duration::ZERO, &EventRecord::Finished { finish })?;
        transaction.commit().map_err(&failed)?;
        Ok(number)
    }

    /// The imported runs with the names of their trials, the newest first.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn imports(&self) -> Result<Vec<(StoredRun, BTreeSet<String>)>, StoreError> {
        let mut imports = Vec::new();
        for run in self.runs()?.into_iter().rev().filter(|run| run.record.goal() == Goal::Import) {
            let events = self.events(run.number, 0)?;
            let trials = events.into_iter().filter_map(|event| match event.event {
                EventRecord::Reused { trial, .. } => Some(trial),
                _ => None,
            });
            imports.push((run, trials.collect()));
        }
        Ok(imports)
    }
}
