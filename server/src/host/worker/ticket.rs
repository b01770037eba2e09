//! The ticket of a worker: what somebody agreed to when a run was started or resumed. What the worker is about to use has to be
//! that, before it reads a key or starts anything (`security` 2.3).

use std::path::Path;

use crate::engine::consent::{Reason, changes, execution_digest};
use crate::failure::Failure;
use crate::host::consent::{self, Memory};
use crate::host::machine::Machine;
use crate::host::record::AgreementRecord;
use crate::host::store::{Store, StoreError, StoredRun};
use crate::host::subject::Subject;

/// What to do about a ticket that does not fit.
const HINT: &str = "look at what changed, and resume it";

/// What is about to be used is what somebody agreed to for this run; else the reason why it waits for somebody.
///
/// # Errors
/// A [`StoreError`] if that cannot be told.
pub(super) fn check(
    root: &Path,
    store: &Store,
    stored: &StoredRun,
    subject: &Subject,
    machine: &Machine,
) -> Result<Result<(), Failure>, StoreError> {
    let Some(ticket) = store.agreement(stored.number)? else {
        return Ok(Err(Failure::config("nobody has agreed to this run", HINT)));
    };
    Ok(fits(root, &ticket, subject, machine))
}

fn fits(root: &Path, ticket: &AgreementRecord, subject: &Subject, machine: &Machine) -> Result<(), Failure> {
    let items = subject.execution_items();
    if execution_digest(&items).to_string() != ticket.execution {
        let known = Memory::of_this_user().recall(root).agreed.trusted;
        let known = known.filter(|known| execution_digest(known).to_string() == ticket.execution);
        let changed = known.map(|known| vec![Reason::Changed(changes(&known, &items))]);
        let changed = changed.map(|reasons| consent::reasons(&reasons).join(", ")).unwrap_or_default();
        let colon = if changed.is_empty() { "" } else { ": " };
        let message =
            format!("what decides what is executed has changed since you agreed to this run{colon}{changed}");
        return Err(Failure::config(message, HINT));
    }
    let model = &subject.harness.manifest().model.value;
    let key = consent::key_pair(&machine.key_of(model)?, &model.endpoint.value);
    if key != ticket.terms().key {
        let message =
            "the model's key comes from elsewhere, or goes elsewhere, than you agreed to for this run";
        return Err(Failure::config(message, HINT));
    }
    Ok(())
}
