//! What a start would cost, for whoever shows it on a button. Nothing is tried and nobody is asked: the sandbox is taken as it was.

use std::collections::BTreeSet;

use super::plans::{self, Evaluate};
use super::{Asking, Plan, Terms, of_run, record};
use crate::failure::Failure;
use crate::host::consent;
use crate::host::store::StoredRun;
use crate::host::subject::Subject;

/// What an evaluation of a harness would cost, and how many seconds it would take, by what trials took before. `None` where that is
/// not known, or nothing could be started.
#[must_use]
pub fn evaluation(asking: &Asking<'_>) -> Option<(String, Option<u64>)> {
    of_plan(asking, plans::evaluate(asking.subject, &Evaluate::default()))
}

/// What asking for proposals would cost.
#[must_use]
pub fn proposing(asking: &Asking<'_>) -> Option<String> {
    Some(of_plan(asking, plans::propose(asking.subject, None))?.0)
}

/// What a decision on these proposals would cost, by their names.
#[must_use]
pub fn validation(asking: &Asking<'_>, named: &[String]) -> Option<String> {
    Some(of_plan(asking, plans::validate(asking, named, None))?.0)
}

/// What is left to pay of a run that could go on.
#[must_use]
pub fn going_on(asking: &Asking<'_>, stored: &StoredRun) -> Option<String> {
    let Asking { subject, store, guarantees, machine } = asking;
    let record = &stored.record;
    let subject = Subject::unasked_with_texts(&subject.root, &record.files, guarantees, machine);
    let key = machine.key_of(&subject.harness.manifest().model.value).ok()?;
    consent::price(&of_run(store, record, &subject, guarantees, &key, &BTreeSet::new()).ok()?)
}

fn of_plan(asking: &Asking<'_>, plan: Result<Plan, Failure>) -> Option<(String, Option<u64>)> {
    let Asking { subject, store, guarantees, machine } = asking;
    let key = machine.key_of(&subject.harness.manifest().model.value).ok()?;
    let record = record(subject, machine, &key, &Terms::default(), plan.ok()?).ok()?;
    let asked = of_run(store, &record, subject, guarantees, &key, &BTreeSet::new()).ok()?;
    Some((consent::price(&asked)?, consent::seconds(&asked)))
}
