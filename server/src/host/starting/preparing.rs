//! Everything up to the question whether a run may start, and what is stored when the answer is yes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness_schema::split::Split;

use super::{Asking, Plan, Terms, proven, record, sound};
use crate::engine::consent::{self as agreeing, Items, KeyPair, Reason, execution_digest};
use crate::failure::Failure;
use crate::host::agents::{command, harbor};
use crate::host::consent::{self, Asked, Memory, Recalled};
use crate::host::machine::Machine;
use crate::host::model::KeySource;
use crate::host::record::{AgreementRecord, HowAgreed, ProposalRecord, RunRecord};
use crate::host::sandbox::{Choice, Guarantees};
use crate::host::store::{IMPORTED, Store};
use crate::host::subject::{self, Subject};

/// A run that could start, before somebody has agreed to it.
#[derive(Debug)]
pub struct Prepared {
    matter: Matter,
    reasons: Vec<Reason>,
    own: Option<ProposalRecord>,
    notice: Option<String>,
}

/// What somebody is asked to agree to.
#[derive(Debug)]
pub(super) struct Matter {
    record: RunRecord,
    subject: Subject,
    guarantees: Guarantees,
    key: KeySource,
    keys_anywhere: BTreeSet<KeyPair>,
    pub(super) items: Items,
    pub(super) terms: agreeing::Terms,
}

/// The machine where a run is to be started, and its user.
pub(super) struct Here {
    pub(super) machine: Machine,
    /// What its sandbox was seen to hold.
    pub(super) guarantees: Guarantees,
    /// What its user has agreed to.
    pub(super) memory: Memory,
}

/// A run that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its number.
    pub number: i64,
    /// A sentence for the person if a store from elsewhere was put aside for it.
    pub notice: Option<String>,
}

impl Matter {
    /// Of a run of this subject.
    ///
    /// # Errors
    /// A [`Failure`] if the store cannot say what such trials took before.
    pub(super) fn of(
        store: &Store,
        record: RunRecord,
        subject: Subject,
        guarantees: Guarantees,
        key: KeySource,
        keys_anywhere: BTreeSet<KeyPair>,
    ) -> Result<Self, Failure> {
        let asked = of_run(store, &record, &subject, &guarantees, &key, &keys_anywhere)?;
        let (items, terms) = (asked.items(), asked.terms());
        Ok(Self { record, subject, guarantees, key, keys_anywhere, items, terms })
    }

    /// See [`of_run`].
    pub(super) fn asked(&self, store: &Store) -> Result<Asked<'_>, Failure> {
        let Self { record, subject, guarantees, key, keys_anywhere, .. } = self;
        of_run(store, record, subject, guarantees, key, keys_anywhere)
    }
}

impl Prepared {
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
    pub fn terms(&self) -> &agreeing::Terms {
        &self.matter.terms
    }

    /// Why somebody has to be asked; empty if the same or more was agreed to before.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The run as it would be stored.
    #[must_use]
    pub fn record(&self) -> &RunRecord {
        &self.matter.record
    }

    /// A sentence for the person if what was agreed to before is lost.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Stores the run, to which somebody has agreed; a worker may take it from then on. A store from elsewhere is put aside first,
    /// and `store` is that of the project then.
    ///
    /// # Errors
    /// A [`Failure`] if it cannot be stored.
    pub fn create(self, root: &Path, store: &mut Store, how: HowAgreed) -> Result<Created, Failure> {
        let notice = replace_foreign(root, store)?;
        let Self { matter: Matter { record, items, terms, .. }, own, .. } = self;
        let agreement = AgreementRecord::of(&execution_digest(&items), &terms, how);
        let created = match own {
            None => store.create_run(&record, &agreement),
            Some(own) => store.create_run_of_own(record, &agreement, &own),
        };
        let number = created.map_err(|error| error.to_failure())?;
        Ok(Created { number, notice })
    }
}

/// Reads a project and makes the run that `plan` asks for, up to the question whether it may start. `texts` are those of open
/// editors, by path, which lie over the disk. An [open run](super::open_run) is for the caller to see first.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub fn prepare(
    root: &Path,
    texts: Option<&BTreeMap<String, String>>,
    store: &Store,
    terms: &Terms,
    plan: impl FnOnce(&mut Asking<'_>) -> Result<Plan, Failure>,
) -> Result<Prepared, Failure> {
    let machine = Machine::read()?;
    let machine = if subject::is_delegated(root, texts) { machine.with_harbor() } else { machine };
    let guarantees = proven(&machine, terms.unsandboxed)?;
    let here = Here { machine, guarantees, memory: Memory::of_this_user() };
    prepare_here(here, root, texts, store, terms, plan)
}

/// The same on a machine whose sandbox was tried.
pub(super) fn prepare_here(
    here: Here,
    root: &Path,
    texts: Option<&BTreeMap<String, String>>,
    store: &Store,
    terms: &Terms,
    plan: impl FnOnce(&mut Asking<'_>) -> Result<Plan, Failure>,
) -> Result<Prepared, Failure> {
    let Here { machine, guarantees, memory } = here;
    let subject = match texts {
        None => Subject::read(root, &guarantees, &machine),
        Some(texts) => Subject::with_texts(root, texts, &guarantees, &machine),
    };
    sound(&subject.harness)?;
    // What another backend will have inside cannot be told from here.
    if machine.sandbox() == Choice::Bubblewrap {
        let hint = "nothing was run: no trial would measure anything";
        command::ready(&subject.harness, &machine.toolchains)
            .map_err(|error| Failure::config(error.to_string(), hint))?;
    }
    if machine.sandbox() == Choice::Harbor {
        harbor::ready(&subject.harness, &machine)
            .map_err(|error| Failure::config(error.to_string(), "nothing was run"))?;
    }
    let mut plan = plan(&mut Asking::new(&subject, store, &guarantees, &machine))?;
    let own = plan.own.take();
    let subject = plan.subject.take().unwrap_or(subject);
    let key = machine.key_of(&subject.harness.manifest().model.value)?;
    let record = record(&subject, &machine, &key, terms, plan)?;
    let Recalled { agreed, keys_anywhere, notice } = memory.recall(root);
    let matter = Matter::of(store, record, subject, guarantees, key, keys_anywhere)?;
    let reasons = agreed.reasons(&matter.items, &matter.terms);
    Ok(Prepared { matter, reasons, own, notice })
}

/// Makes a store of the project's own in the place of one from elsewhere; a sentence for the person if it did.
fn replace_foreign(root: &Path, store: &mut Store) -> Result<Option<String>, Failure> {
    if !store.is_foreign() {
        return Ok(None);
    }
    let (own, aside) = Store::replace_foreign(root).map_err(|error| error.to_failure())?;
    *store = own;
    let aside = aside.display();
    Ok(Some(format!("{IMPORTED}; it is kept as `{aside}`, and none of its trials is reused")))
}

/// What a run asks for.
///
/// # Errors
/// A [`Failure`] if the store cannot say what such trials took before.
pub fn of_run<'a>(
    store: &Store,
    record: &'a RunRecord,
    subject: &'a Subject,
    guarantees: &'a Guarantees,
    key: &'a KeySource,
    keys_anywhere: &BTreeSet<KeyPair>,
) -> Result<Asked<'a>, Failure> {
    let count = |split: Split| {
        let of_split = record.slots.iter().filter(|slot| slot.split == split.word());
        of_split.map(|slot| slot.task.as_str()).collect::<BTreeSet<_>>().len()
    };
    let endpoint = &subject.harness.manifest().model.value.endpoint.value;
    let expected = consent::expected(store, record, subject).map_err(|error| error.to_failure())?;
    let most = record.budget.trials.map_or(expected.most, |most| most.min(expected.most));
    let slots = u64::try_from(record.slots.len()).unwrap_or(u64::MAX);
    Ok(Asked {
        verb: &record.verb,
        subject,
        guarantees,
        backend: Choice::named(&record.sandbox).unwrap_or_default().word(),
        trials: if record.rules.is_some() { most } else { slots },
        expected,
        rules: record.rules.map(|_| record.design().rules),
        held_in: count(Split::HeldIn),
        held_out: count(Split::HeldOut),
        sealed: count(Split::Sealed),
        look: record.seal.as_ref().map_or(0, |seal| seal.look),
        repeats: record.repeats,
        parallel: record.parallel,
        key,
        is_new_key: consent::key_pair(key, endpoint).is_some_and(|pair| !keys_anywhere.contains(&pair)),
        max_cost: record.budget.cost,
    })
}
