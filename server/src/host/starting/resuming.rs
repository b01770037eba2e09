//! Going on with a run that was started before: it may if it is what somebody agreed to when it was started, or agrees to now.

use std::path::Path;
use std::time::Duration;

use super::preparing::{Here, Matter};
use super::proven;
use super::recording::limit;
use crate::engine::budget::Limit;
use crate::engine::consent::{Items, Reason, Terms, execution_digest};
use crate::engine::plan::Finish;
use crate::failure::Failure;
use crate::host::consent::{Asked, Memory, Recalled};
use crate::host::machine::Machine;
use crate::host::record::{AgreementRecord, HowAgreed};
use crate::host::sandbox::Choice;
use crate::host::store::{Store, StoreError, StoredRun, run_name};
use crate::host::subject::Subject;
use crate::host::{disk, following};

/// A run that could go on, before somebody has agreed to what is executed now.
#[derive(Debug)]
pub struct PreparedResume {
    matter: Matter,
    reasons: Vec<Reason>,
    ticket: Option<AgreementRecord>,
    /// What it may spend from now on, if that is more than when it was started.
    raised: Option<f64>,
}

impl PreparedResume {
    /// What is asked for, for whoever shows it.
    ///
    /// # Errors
    /// A [`Failure`] if the store cannot say what such trials took before.
    pub fn asked(&self, store: &Store) -> Result<Asked<'_>, Failure> {
        self.matter.asked(store)
    }

    /// Everything that decides what is executed.
    #[must_use]
    pub fn items(&self) -> &Items {
        &self.matter.items
    }

    /// What it may spend.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.matter.terms
    }

    /// Why somebody has to be asked.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Whether it may go on unasked, even where nobody could be asked: the same run was agreed to before.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Notes with the run that somebody has agreed to it as it is now, unless its worker has that ticket. `at` is how long the run
    /// was at work.
    ///
    /// # Errors
    /// A [`Failure`] if it cannot be stored.
    pub fn agree(
        &self,
        store: &mut Store,
        stored: &StoredRun,
        at: Duration,
        how: HowAgreed,
    ) -> Result<(), Failure> {
        let agreement = AgreementRecord::of(&execution_digest(self.items()), self.terms(), how);
        let failed = |error: StoreError| error.to_failure();
        if let Some(raised) = self.raised {
            store.raise(stored.number, raised).map_err(failed)?;
        }
        let is_known = self
            .ticket
            .as_ref()
            .is_some_and(|ticket| (&ticket.execution, &ticket.key) == (&agreement.execution, &agreement.key));
        if is_known && self.raised.is_none() {
            return Ok(());
        }
        store.agree(stored.number, at, &agreement).map_err(failed)
    }
}

/// Reads what a run was started with and sees whether it can go on, up to the question whether it may.
///
/// # Errors
/// A [`Failure`] if it cannot: a task, the harness or the sandbox is another one by now.
pub fn prepare_resume(root: &Path, store: &Store, stored: &StoredRun) -> Result<PreparedResume, Failure> {
    let machine = Machine::read()?.of_run(&stored.record.sandbox);
    machine.still_has(&stored.record.sandbox)?;
    let guarantees = proven(&machine, machine.sandbox() == Choice::None)?;
    let here = Here { machine, guarantees, memory: Memory::of_this_user() };
    prepare_resume_here(here, root, store, stored)
}

/// The same on a machine whose sandbox was tried.
pub(super) fn prepare_resume_here(
    here: Here,
    root: &Path,
    store: &Store,
    stored: &StoredRun,
) -> Result<PreparedResume, Failure> {
    let failed = |error: StoreError| error.to_failure();
    let record = &stored.record;
    let Here { machine, guarantees, memory } = here;
    let subject = Subject::with_texts(root, &record.files, &guarantees, &machine);
    let contract = subject.contract_of(record).to_string();
    if (contract, subject.harness_digest().to_string()) != (record.contract.clone(), record.harness.clone()) {
        return Err(Failure::config(
            format!(
                "{} cannot go on: a task or the harness changed since it was started",
                run_name(stored.number)
            ),
            "start another one with `self-harness evaluate`; what was measured under other tasks is kept",
        ));
    }
    let mut record = record.clone();
    let raised = raised(root, &machine, store, stored)?;
    record.budget.cost = raised.or(record.budget.cost);
    let Recalled { mut agreed, keys_anywhere, .. } = memory.recall(root);
    let key = machine.key_of(&subject.harness.manifest().model.value)?;
    let matter = Matter::of(store, record, subject, guarantees, key, keys_anywhere)?;
    let ticket = store.agreement(stored.number).map_err(failed)?;
    if let Some(ticket) = &ticket {
        // Whoever started it agreed to this, whatever was agreed to for other runs since.
        if ticket.execution == execution_digest(&matter.items).to_string() {
            agreed.trusted = Some(matter.items.clone());
        }
        agreed.keys.extend(ticket.terms().key);
        agreed.terms.insert(ticket.verb.clone(), ticket.terms());
    }
    let mut reasons = agreed.reasons(&matter.items, &matter.terms);
    // It is one run, and was asked for when it was started.
    reasons.retain(|reason| *reason != Reason::Unsandboxed || ticket.is_none());
    Ok(PreparedResume { matter, reasons, ticket, raised })
}

/// What a run that has spent all that it may is allowed from now on: what project and machine allow by now, if that is more. Any
/// other run keeps the limit that it was started with.
///
/// # Errors
/// A [`Failure`] if they allow no more.
fn raised(root: &Path, machine: &Machine, store: &Store, stored: &StoredRun) -> Result<Option<f64>, Failure> {
    let seen = following::look_at(store, stored)?;
    let is_capped = seen.run().finished() == Some(&Finish::Budget(Limit::Cost));
    let Some(before) = stored.record.budget.cost.filter(|_| is_capped) else { return Ok(None) };
    let (files, harness) = disk::complete(root, disk::scan(root), None);
    drop(files);
    let now = limit(harness.manifest(), machine);
    if before < now {
        return Ok(Some(now));
    }
    Err(Failure::user(
        format!("{} has spent what it may: ${before:.2}", run_name(stored.number)),
        "raise `max_cost_usd` in `[budget]` of `harness.toml`, and in your configuration if that says less; then resume it",
    ))
}
