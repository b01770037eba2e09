//! Trials: those that run, those that ended, and what was found out about their tasks.

use std::time::Duration;

use harness_schema::digest::Digest;
use rusqlite::{OptionalExtension, params};

use super::{Lease, RunningTrial, Store, StoreError, add, index, key_bytes, signed, unsigned};
use crate::host::record::{EventRecord, TrialRecord};

impl Store {
    /// Notes that a trial begins, together with its event.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn start_trial(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        trial: &RunningTrial,
        event: &EventRecord,
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            add(transaction, path, run, at, event)?;
            let query =
                "INSERT OR REPLACE INTO running (id, run, slot, tokens, cost) VALUES (?1, ?2, ?3, ?4, ?5)";
            let RunningTrial { id, slot, tokens, cost } = trial;
            let values = params![id, run, index(*slot), signed(*tokens), cost];
            transaction.execute(query, values).map_err(StoreError::database(path))?;
            Ok(())
        })
    }

    /// Notes what trials have taken so far, and that the worker lives.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn beat<'a>(
        &mut self,
        lease: &Lease,
        taken: impl IntoIterator<Item = &'a RunningTrial>,
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            let failed = StoreError::database(path);
            lease.renew(transaction).map_err(&failed)?;
            for trial in taken {
                let query = "UPDATE running SET tokens = ?2, cost = ?3 WHERE id = ?1";
                let values = params![trial.id, signed(trial.tokens), trial.cost];
                transaction.execute(query, values).map_err(&failed)?;
            }
            Ok(())
        })
    }

    /// The trials of a run that run now, or that ran when its worker died.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn running(&self, run: i64) -> Result<Vec<RunningTrial>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT id, slot, tokens, cost FROM running WHERE run = ?1 ORDER BY slot";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([run], |row| {
            Ok(RunningTrial {
                id: row.get(0)?,
                slot: usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX),
                tokens: unsigned(row.get(2)?),
                cost: row.get(3)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// Stores a trial that ended, together with its event. A trial that was measured under the same key before is left as
    /// it is: the answer is false then, and nothing is stored.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn end_trial(
        &mut self,
        lease: &Lease,
        run: i64,
        slot: usize,
        at: Duration,
        trial: &TrialRecord,
        event: &EventRecord,
    ) -> Result<bool, StoreError> {
        let body = serde_json::to_string(trial).map_err(StoreError::damaged(&self.path, "trial"))?;
        let key = key_bytes(&trial.key);
        self.record(lease, |transaction, path| {
            let failed = StoreError::database(path);
            let query = "INSERT OR IGNORE INTO trial (id, run, slot, attempt, key, verdict, split, tokens, cost, body)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let values = params![
                trial.id,
                run,
                index(slot),
                trial.attempt,
                key,
                trial.verdict,
                trial.split,
                signed(trial.spent().tokens),
                trial.cost,
                body
            ];
            let is_new = transaction.execute(query, values).map_err(&failed)? == 1;
            transaction.execute("DELETE FROM running WHERE id = ?1", [&trial.id]).map_err(&failed)?;
            add(transaction, path, run, at, event)?;
            Ok(is_new)
        })
    }

    /// Notes that a trial counts for nothing.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn discard_trial(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        id: &str,
        event: &EventRecord,
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            transaction
                .execute("DELETE FROM running WHERE id = ?1", [id])
                .map_err(StoreError::database(path))?;
            add(transaction, path, run, at, event).map(|_| ())
        })
    }

    /// The trial that was measured under a key.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn measured(&self, key: &Digest) -> Result<Option<TrialRecord>, StoreError> {
        let query = "SELECT body FROM trial WHERE key = ?1 AND verdict IN ('pass', 'fail')";
        let body: Option<String> = self
            .connection
            .query_row(query, [key.bytes().as_slice()], |row| row.get(0))
            .optional()
            .map_err(StoreError::database(&self.path))?;
        body.map(|body| serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial")))
            .transpose()
    }

    /// A trial by its name.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn trial(&self, id: &str) -> Result<Option<TrialRecord>, StoreError> {
        let body: Option<String> = self
            .connection
            .query_row("SELECT body FROM trial WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(StoreError::database(&self.path))?;
        body.map(|body| serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial")))
            .transpose()
    }

    /// The trials of a run, void ones among them, by slot and attempt. Those that it reused are in the runs that paid them.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn trials(&self, run: i64) -> Result<Vec<TrialRecord>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT body FROM trial WHERE run = ?1 ORDER BY slot, attempt";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([run], |row| row.get::<_, String>(0)).map_err(&failed)?;
        let mut trials = Vec::new();
        for body in rows {
            let body = body.map_err(&failed)?;
            trials.push(serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial"))?);
        }
        Ok(trials)
    }

    /// The same, each with its slot.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn trials_by_slot(&self, run: i64) -> Result<Vec<(usize, TrialRecord)>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT slot, body FROM trial WHERE run = ?1 ORDER BY slot, attempt";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement
            .query_map([run], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .map_err(&failed)?;
        let mut trials = Vec::new();
        for row in rows {
            let (slot, body) = row.map_err(&failed)?;
            let trial = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "trial"))?;
            trials.push((usize::try_from(slot).unwrap_or(usize::MAX), trial));
        }
        Ok(trials)
    }

    /// What was found out about a task.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn admission(&self, task: &Digest) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row("SELECT body FROM admission WHERE task = ?1", [task.bytes().as_slice()], |row| {
                row.get(0)
            })
            .optional()
            .map_err(StoreError::database(&self.path))
    }

    /// Notes what was found out about a task.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn set_admission(&mut self, task: &Digest, body: &str) -> Result<(), StoreError> {
        let bytes = *task.bytes();
        self.write(|transaction| {
            transaction
                .execute(
                    "INSERT OR REPLACE INTO admission (task, body) VALUES (?1, ?2)",
                    params![bytes.as_slice(), body],
                )
                .map(|_| ())
        })
    }
}
