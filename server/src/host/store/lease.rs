//! Who may write to the runs of a project: one worker at a time. It holds a lease, which it renews; a worker that died is
//! followed at once, one that has been silent for long is ended after a while. Whoever lost the lease can write nothing any more,
//! whatever it believes: the token is asked in each of its transactions.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Store, StoreError, signed, unsigned};
use crate::host::clock;

/// A worker that lives and has not renewed its lease for so long is given up: it hangs, or its machine slept.
const SILENCE: Duration = Duration::from_secs(30);

/// The right to write to the runs of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    token: String,
}

/// A process that cannot be mistaken for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: i64,
    started: u64,
    boot: String,
}

impl Process {
    #[cfg(target_os = "linux")]
    fn own() -> Self {
        use crate::host::sandbox::procfs;
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        let started = procfs::process(pid).map(|process| process.started).unwrap_or_default();
        Self { pid: pid.into(), started, boot: procfs::boot() }
    }

    #[cfg(not(target_os = "linux"))]
    fn own() -> Self {
        Self { pid: std::process::id().into(), started: 0, boot: String::new() }
    }

    /// Whether it has certainly ended. Where that cannot be told, silence has to tell.
    #[cfg(target_os = "linux")]
    fn has_ended(&self) -> bool {
        use crate::host::sandbox::procfs;
        let there = i32::try_from(self.pid).ok().and_then(procfs::process);
        let lives = there.is_some_and(|process| process.started == self.started && !process.is_zombie);
        self.boot != procfs::boot() || !lives
    }

    #[cfg(not(target_os = "linux"))]
    fn has_ended(&self) -> bool {
        false
    }

    /// Ends it if it lives, unless it is our own. Whoever takes over from a worker that hangs has to be alone: the store is fenced,
    /// but what it has started still runs, and its trials still ask the model.
    #[cfg(target_os = "linux")]
    fn end(&self) {
        use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
        if self.pid == i64::from(std::process::id()) {
            return;
        }
        // Pinned before it is looked at, so that no other process is meant by the same number.
        let pinned = i32::try_from(self.pid)
            .ok()
            .and_then(Pid::from_raw)
            .map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let Some(Ok(pinned)) = pinned else { return };
        if !self.has_ended() {
            tracing::warn!(
                pid = self.pid,
                "a worker was silent for so long that it is ended and followed by another"
            );
            let _ = pidfd_send_signal(&pinned, Signal::KILL);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn end(&self) {}
}

impl Lease {
    /// Whether nobody has taken over.
    pub(super) fn is_held(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let token: Option<String> =
            connection.query_row("SELECT token FROM lease", [], |row| row.get(0)).optional()?;
        Ok(token.is_some_and(|token| token == self.token))
    }

    /// The worker lives.
    pub(super) fn renew(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("UPDATE lease SET beat = ?1", [signed(clock::boot_ms())]).map(|_| ())
    }
}

impl Store {
    /// Takes the lease if it is free, or its holder has died or is silent; `None` if a worker is at work.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn claim(&mut self) -> Result<Option<Lease>, StoreError> {
        let failed = StoreError::database(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        if let Some((process, beat)) = holder(&transaction).map_err(&failed)? {
            if is_at_work(&process, beat) {
                return Ok(None);
            }
            process.end();
        }
        let Process { pid, started, boot } = Process::own();
        // Unique among all that ever held it: this process, this moment, this connection.
        let random: String = transaction
            .query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))
            .map_err(&failed)?;
        let lease = Lease { token: random };
        let values = params![lease.token, pid, signed(started), boot, signed(clock::boot_ms())];
        let query = "INSERT OR REPLACE INTO lease (one, token, pid, started, boot, beat) VALUES (1, ?1, ?2, ?3, ?4, ?5)";
        transaction.execute(query, values).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(Some(lease))
    }

    /// Gives the lease back; one that is another's by now is left alone.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn release(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM lease WHERE token = ?1", [&lease.token]).map(|_| ())
        })
    }

    /// Whether a worker is at work.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn has_worker(&self) -> Result<bool, StoreError> {
        let holder = holder(&self.connection).map_err(StoreError::database(&self.path))?;
        Ok(holder.is_some_and(|(process, beat)| is_at_work(&process, beat)))
    }
}

fn holder(connection: &Connection) -> rusqlite::Result<Option<(Process, u64)>> {
    let query = "SELECT pid, started, boot, beat FROM lease";
    connection
        .query_row(query, [], |row| {
            let process = Process { pid: row.get(0)?, started: unsigned(row.get(1)?), boot: row.get(2)? };
            Ok((process, unsigned(row.get(3)?)))
        })
        .optional()
}

fn is_at_work(process: &Process, beat: u64) -> bool {
    let silence = Duration::from_millis(clock::boot_ms().saturating_sub(beat));
    !process.has_ended() && silence < SILENCE
}
