//! What a start would cost, for whoever shows it on a button. Nothing is tried and nobody is asked: the sandbox is taken as it was.

use std::collections::BTreeSet;

use super::plans::{self, Evaluate};
use super::{Terms, of_run, record};
use crate::host::consent;
use crate::host::machine::Machine;
use crate::host::sandbox::Guarantees;
use crate::host::store::Store;
use crate::host::subject::Subject;

/// What an evaluation of a harness would cost, and how many seconds it would take, by what trials took before. `None` where that is
/// not known, or nothing could be started.
#[must_use]
pub fn evaluation(
    store: &Store,
    subject: &Subject,
    guarantees: &Guarantees,
    machine: &Machine,
) -> Option<(String, Option<u64>)> {
    let key = machine.key_of(&subject.harness.manifest().model.value).ok()?;
    let plan = plans::evaluate(subject, &Evaluate::default()).ok()?;
    let record = record(subject, machine, &key, &Terms::default(), plan).ok()?;
    let asked = of_run(store, &record, subject, guarantees, &key, &BTreeSet::new()).ok()?;
    Some((consent::price(&asked)?, consent::seconds(&asked)))
}
