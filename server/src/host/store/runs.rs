//! Runs: what was started, what happened, and what followers wish.

use std::time::Duration;

use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::{
    Lease, RunState, RunningTrial, Store, StoreError, StoredEvent, StoredRun, add, signed, unsigned,
};
use crate::host::clock;
use crate::host::record::{
    AgreementRecord, CandidateRecord, EventRecord, ProposalRecord, RunRecord, SpentRecord,
};

impl Store {
    /// Stores a new run, which waits for a worker, with what was agreed to; its number.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn create_run(&mut self, record: &RunRecord, agreement: &AgreementRecord) -> Result<i64, StoreError> {
        let body = serde_json::to_string(record).map_err(StoreError::damaged(&self.path, "run"))?;
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let values = params![signed(clock::wall_ms()), RunState::Queued.word(), body];
        transaction
            .execute("INSERT INTO run (created, state, body) VALUES (?1, ?2, ?3)", values)
            .map_err(&failed)?;
        let number = transaction.last_insert_rowid();
        let event = EventRecord::Agreed { agreement: agreement.clone() };
        add(&transaction, &self.path, number, Duration::ZERO, &event)?;
        transaction.commit().map_err(&failed)?;
        Ok(number)
    }

    /// Stores a new run that validates an edit of the person's own, together with that edit as a proposal; its number. Nobody
    /// works on the run yet, so no lease is needed.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn create_run_of_own(
        &mut self,
        mut record: RunRecord,
        agreement: &AgreementRecord,
        own: &ProposalRecord,
    ) -> Result<i64, StoreError> {
        let path = self.path.clone();
        let failed = StoreError::database(&path);
        let body = serde_json::to_string(own).map_err(StoreError::damaged(&path, "proposal"))?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let now = signed(clock::wall_ms());
        // The run names the proposal and the proposal the run: its text is known when both have numbers.
        transaction
            .execute(
                "INSERT INTO run (created, state, body) VALUES (?1, ?2, '')",
                params![now, RunState::Queued.word()],
            )
            .map_err(&failed)?;
        let number = transaction.last_insert_rowid();
        let query = "INSERT INTO proposal (run, created, dismissed, body) VALUES (?1, ?2, 0, ?3)";
        transaction.execute(query, params![number, now, body]).map_err(&failed)?;
        let proposal = u32::try_from(transaction.last_insert_rowid()).unwrap_or(u32::MAX);
        record.candidates.push(CandidateRecord { proposal, active: None, missed: None });
        let body = serde_json::to_string(&record).map_err(StoreError::damaged(&path, "run"))?;
        transaction
            .execute("UPDATE run SET body = ?2 WHERE number = ?1", params![number, body])
            .map_err(&failed)?;
        let event = EventRecord::Agreed { agreement: agreement.clone() };
        add(&transaction, &path, number, Duration::ZERO, &event)?;
        transaction.commit().map_err(&failed)?;
        Ok(number)
    }

    /// Notes that somebody agreed to a run as it is now: it may go on.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn agree(&mut self, run: i64, at: Duration, agreement: &AgreementRecord) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        add(&transaction, &self.path, run, at, &EventRecord::Agreed { agreement: agreement.clone() })?;
        transaction.commit().map_err(&failed)
    }

    /// What was agreed to last for a run: the ticket of its worker.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn agreement(&self, run: i64) -> Result<Option<AgreementRecord>, StoreError> {
        let query = "SELECT body FROM event WHERE run = ?1 AND body LIKE '{\"event\":\"agreed\",%'
            ORDER BY seq DESC LIMIT 1";
        let body: Option<String> = self
            .connection
            .query_row(query, [run], |row| row.get(0))
            .optional()
            .map_err(StoreError::database(&self.path))?;
        let Some(body) = body else { return Ok(None) };
        match serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "event"))? {
            EventRecord::Agreed { agreement } => Ok(Some(agreement)),
            _ => Ok(None),
        }
    }

    /// A run.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn run(&self, number: i64) -> Result<Option<StoredRun>, StoreError> {
        self.runs_where("WHERE number = ?1", number).map(|mut runs| runs.pop())
    }

    /// All runs, the oldest first.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        self.runs_where("WHERE ?1 = 0 ORDER BY number", 0)
    }

    /// The newest run.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn latest_run(&self) -> Result<Option<StoredRun>, StoreError> {
        self.runs_where("WHERE ?1 = 0 ORDER BY number DESC LIMIT 1", 0).map(|mut runs| runs.pop())
    }

    /// The runs that are not over, oldest first.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn open_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        self.runs_where("WHERE state != 'ended' AND ?1 = 0 ORDER BY number", 0)
    }

    fn runs_where(&self, condition: &str, number: i64) -> Result<Vec<StoredRun>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = format!("SELECT number, created, state, body FROM run {condition}");
        let mut statement = self.connection.prepare_cached(&query).map_err(&failed)?;
        let rows = statement.query_map([number], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
            ))
        });
        let mut runs = Vec::new();
        for row in rows.map_err(&failed)? {
            let (number, created, state, body) = row.map_err(&failed)?;
            let record = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "run"))?;
            runs.push(StoredRun {
                number,
                created_ms: unsigned(created),
                state: RunState::of(&state),
                record,
            });
        }
        Ok(runs)
    }

    /// Where each run stands, the oldest first. Cheaper than [`Store::runs`], which reads the texts and slots of all of them.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn states(&self) -> Result<Vec<(i64, RunState)>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT number, state FROM run ORDER BY number";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, RunState::of(&row.get::<_, String>(1)?))));
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// Where a run stands; `None` if there is no such run. Cheaper than [`Store::run`], which reads all of its slots.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn state(&self, run: i64) -> Result<Option<RunState>, StoreError> {
        let query = "SELECT state FROM run WHERE number = ?1";
        let found = self.connection.query_row(query, [run], |row| row.get::<_, String>(0)).optional();
        Ok(found.map_err(StoreError::database(&self.path))?.map(|word| RunState::of(&word)))
    }

    /// Notes where a run stands, for those who follow: what happened is in the events.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn set_state(&mut self, run: i64, state: RunState) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE run SET state = ?2 WHERE number = ?1", params![run, state.word()])
                .map(|_| ())
        })
    }

    /// The events of a run after one of them, in order; after 0 all of them.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn events(&self, run: i64, after: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT seq, at, wall, body FROM event WHERE run = ?1 AND ?2 < seq ORDER BY seq";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([run, after], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
            ))
        });
        let mut events = Vec::new();
        for row in rows.map_err(&failed)? {
            let (seq, at, wall, body) = row.map_err(&failed)?;
            let event = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "event"))?;
            let at = Duration::from_millis(unsigned(at));
            events.push(StoredEvent { seq, at, wall_ms: unsigned(wall), event });
        }
        Ok(events)
    }

    /// Adds an event; its number.
    ///
    /// # Errors
    /// A [`StoreError`]; [`StoreError::Fenced`] if the lease is another's by now.
    pub fn append(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        event: &EventRecord,
    ) -> Result<i64, StoreError> {
        self.record(lease, |transaction, path| add(transaction, path, run, at, event))
    }

    /// Adds events that belong together: all of them, or none.
    ///
    /// # Errors
    /// A [`StoreError`]; [`StoreError::Fenced`] if the lease is another's by now.
    pub fn append_all(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        events: &[EventRecord],
    ) -> Result<(), StoreError> {
        self.record(lease, |transaction, path| {
            events.iter().try_for_each(|event| add(transaction, path, run, at, event).map(|_| ()))
        })
    }

    /// Asks the worker of a run to end it; asked twice, at once.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn ask_cancel(&mut self, run: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("INSERT INTO wish (run, what) VALUES (?1, 'cancel')", [run]).map(|_| ())
        })
    }

    /// How often somebody asked to end a run since it was last resumed.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn cancels(&self, run: i64) -> Result<u32, StoreError> {
        let query = "SELECT count(*) FROM wish WHERE run = ?1 AND what = 'cancel'";
        self.connection.query_row(query, [run], |row| row.get(0)).map_err(StoreError::database(&self.path))
    }

    /// Puts a run that is paused or cancelled back into the queue; `retries` tries slots again that stayed void.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn resume(&mut self, run: i64, at: Duration, retries: bool) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        transaction
            .execute("DELETE FROM wish WHERE run = ?1", [run])
            .and_then(|_| {
                transaction.execute("UPDATE run SET state = ?2 WHERE number = ?1", params![run, "queued"])
            })
            .map_err(&failed)?;
        add(&transaction, &self.path, run, at, &EventRecord::Resumed { retries })?;
        transaction.commit().map_err(&failed)
    }

    /// Lets a run spend so much, in US dollars, which somebody has agreed to. Nobody works on it yet.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn raise(&mut self, run: i64, cost: f64) -> Result<(), StoreError> {
        let Some(mut stored) = self.run(run)? else { return Ok(()) };
        stored.record.budget.cost = Some(cost);
        let body = serde_json::to_string(&stored.record).map_err(StoreError::damaged(&self.path, "run"))?;
        self.connection
            .execute("UPDATE run SET body = ?2 WHERE number = ?1", params![run, body])
            .map_err(StoreError::database(&self.path))?;
        Ok(())
    }

    /// Ends a run that nobody works on. Trials that ran when its worker died count for nothing, but what they took is paid.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn close(&mut self, run: i64, at: Duration) -> Result<(), StoreError> {
        let failed = StoreError::database(&self.path);
        // A worker that lives tells itself what became of them.
        let left = if self.has_worker()? { Vec::new() } else { self.running(run)? };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        transaction
            .execute("UPDATE run SET state = ?2 WHERE number = ?1", params![run, RunState::Ended.word()])
            .map_err(&failed)?;
        for RunningTrial { id, slot, tokens, cost } in left {
            let spent = SpentRecord { trials: 1, tokens, cost, time_ms: 0 };
            add(&transaction, &self.path, run, at, &EventRecord::Discarded { slot, spent })?;
            transaction.execute("DELETE FROM running WHERE id = ?1", [&id]).map_err(&failed)?;
        }
        let finish = String::from("cancelled");
        add(&transaction, &self.path, run, at, &EventRecord::Finished { finish })?;
        transaction.commit().map_err(&failed)
    }
}
