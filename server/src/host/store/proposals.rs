//! Proposals, by number, and what happened to them outside of runs. Numbers are never used again.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{Lease, Store, StoreError, add, signed, unsigned};
use crate::engine::cycle::Decision;
use crate::failure::Failure;
use crate::host::clock;
use crate::host::record::{EventRecord, ProposalRecord};

/// A proposal as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredProposal {
    /// Its number; people read `P7`.
    pub number: u32,
    /// The run that made it.
    pub run: i64,
    /// When, in milliseconds since 1970.
    pub created_ms: u64,
    /// What it is.
    pub record: ProposalRecord,
    /// Whether somebody dismissed it.
    pub is_dismissed: bool,
    /// How many tasks failed as it says when that was, as far as it was known.
    pub dismissed_at: Option<u32>,
}

/// The number of `P7` or `7`.
#[must_use]
pub fn proposal_number(name: &str) -> Option<u32> {
    name.strip_prefix(['P', 'p']).unwrap_or(name).parse().ok()
}

/// What is said of a proposal that there is not.
#[must_use]
pub fn no_proposal(name: &str, all: &[StoredProposal]) -> Failure {
    let last = all.last().map(|stored| stored.number);
    let hint = last.map_or_else(
        || String::from("there are none yet; make some with `self-harness propose`"),
        |last| format!("proposals are named P1 to P{last}"),
    );
    Failure::user(format!("there is no proposal `{name}`"), hint)
}

impl Store {
    /// Stores the proposals of a round together with the event that tells of them, which is made of their numbers.
    ///
    /// # Errors
    /// A [`StoreError`]; [`StoreError::Fenced`] if the lease is another's by now.
    pub fn add_proposals(
        &mut self,
        lease: &Lease,
        run: i64,
        at: Duration,
        proposals: &[ProposalRecord],
        event: impl FnOnce(&[u32]) -> EventRecord,
    ) -> Result<EventRecord, StoreError> {
        self.record(lease, |transaction, path| {
            let failed = StoreError::database(path);
            let mut numbers = Vec::new();
            for proposal in proposals {
                let body = serde_json::to_string(proposal).map_err(StoreError::damaged(path, "proposal"))?;
                let query = "INSERT INTO proposal (run, created, dismissed, body) VALUES (?1, ?2, 0, ?3)";
                let values = params![run, signed(clock::wall_ms()), body];
                transaction.execute(query, values).map_err(&failed)?;
                numbers.push(u32::try_from(transaction.last_insert_rowid()).unwrap_or(u32::MAX));
            }
            let event = event(&numbers);
            add(transaction, path, run, at, &event)?;
            Ok(event)
        })
    }

    /// The proposal of a number.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn proposal(&self, number: u32) -> Result<Option<StoredProposal>, StoreError> {
        let query = "SELECT number, run, created, dismissed, body FROM proposal WHERE number = ?1";
        let row = self
            .connection
            .query_row(query, [number], raw)
            .optional()
            .map_err(StoreError::database(&self.path))?;
        row.map(|row| self.read_proposal(row)).transpose()
    }

    /// All proposals, the oldest first.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn proposals(&self) -> Result<Vec<StoredProposal>, StoreError> {
        let failed = StoreError::database(&self.path);
        // A store from elsewhere may be older than proposals are.
        let tables: i64 = self.one("SELECT count(*) FROM sqlite_schema WHERE name = 'proposal'")?;
        if tables == 0 {
            return Ok(Vec::new());
        }
        let query = "SELECT number, run, created, dismissed, body FROM proposal ORDER BY number";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([], raw).map_err(&failed)?;
        rows.map(|row| self.read_proposal(row.map_err(&failed)?)).collect()
    }

    /// What was decided last of each proposal, in any run.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn decisions(&self) -> Result<BTreeMap<u32, Decision>, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT body FROM event WHERE body LIKE '{\"event\":\"decided\",%' ORDER BY seq";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&failed)?;
        let mut decisions = BTreeMap::new();
        for body in rows {
            let body = body.map_err(&failed)?;
            let event = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "event"))?;
            if let EventRecord::Decided { proposal, decision, why } = event
                && let Some(decision) = Decision::named(&decision, &why)
            {
                decisions.insert(proposal, decision);
            }
        }
        Ok(decisions)
    }

    /// Dismisses a proposal; false if there is none of that number. `support` is how many tasks fail as it says, if that is known: when
    /// it is two more, the proposal is worth another look (`editor` 5.3).
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn dismiss(&mut self, number: u32, support: Option<u32>) -> Result<bool, StoreError> {
        self.mark(number, support.map_or(1, |support| 2 + i64::from(support)))
    }

    /// Takes back that a proposal was dismissed; false if there is none of that number.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn restore(&mut self, number: u32) -> Result<bool, StoreError> {
        self.mark(number, 0)
    }

    /// 0 is not dismissed, 1 dismissed, and more than that dismissed when two less tasks failed so.
    fn mark(&mut self, number: u32, dismissed: i64) -> Result<bool, StoreError> {
        let mut changed = 0;
        self.write(|transaction| {
            let query = "UPDATE proposal SET dismissed = ?2 WHERE number = ?1";
            changed = transaction.execute(query, params![number, dismissed])?;
            Ok(())
        })?;
        Ok(changed == 1)
    }

    fn read_proposal(&self, row: Raw) -> Result<StoredProposal, StoreError> {
        let (number, run, created, dismissed, body) = row;
        let record = serde_json::from_str(&body).map_err(StoreError::damaged(&self.path, "proposal"))?;
        Ok(StoredProposal {
            number,
            run,
            created_ms: unsigned(created),
            record,
            is_dismissed: dismissed != 0,
            dismissed_at: dismissed.checked_sub(2).and_then(|support| u32::try_from(support).ok()),
        })
    }
}

type Raw = (u32, i64, i64, i64, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}
