//! The harnesses of a run: the one that it began with, and one for each candidate and each union. A candidate differs from its
//! parent by files that are stored, so the same harnesses are there again after a worker has died.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness_schema::path::FilePath;

use super::shared::{Arm, NotPrepared, Shared};
use crate::engine::cycle;
use crate::engine::proposal::guard;
use crate::failure::{Failure, FailureKind};
use crate::host::record::EventRecord;
use crate::host::store::{Store, StoreError, StoredRun};
use crate::host::subject::Subject;

/// All of them, in the order of the cycle.
pub(super) struct Arms {
    all: Vec<Arc<Arm>>,
    /// The files of each union, by the numbers of its members.
    unions: BTreeMap<Vec<u32>, BTreeMap<FilePath, String>>,
    /// The files of the last harness, where sealed tasks are read.
    last: Option<BTreeMap<FilePath, String>>,
}

impl Arms {
    /// Those of a run so far.
    ///
    /// # Errors
    /// A [`NotPrepared`] if a proposal is gone.
    pub(super) fn of(
        store: &Store,
        stored: &StoredRun,
        shared: &Shared,
        arms: &[cycle::Arm],
    ) -> Result<Self, NotPrepared> {
        let mut unions = BTreeMap::new();
        if 1 < arms.len() {
            for event in store.events(stored.number, 0)? {
                if let EventRecord::Merged { members, files } = event.event {
                    unions.insert(members, paths(files));
                }
            }
        }
        let last = stored.record.seal.as_ref().map(|seal| paths(seal.files.clone()));
        let mut made = Self { all: vec![Arc::new(Arm::of(&shared.subject, BTreeMap::new()))], unions, last };
        made.grow(store, shared, arms)?;
        Ok(made)
    }

    /// The harness of an arm.
    pub(super) fn get(&self, arm: usize) -> Option<Arc<Arm>> {
        self.all.get(arm).cloned()
    }

    /// A union is about to be made of these proposals.
    pub(super) fn unite(&mut self, members: Vec<u32>, files: BTreeMap<FilePath, String>) {
        self.unions.insert(members, files);
    }

    /// Makes the harnesses of arms that are new.
    ///
    /// # Errors
    /// A [`NotPrepared`] if a proposal is gone.
    pub(super) fn grow(
        &mut self,
        store: &Store,
        shared: &Shared,
        arms: &[cycle::Arm],
    ) -> Result<(), NotPrepared> {
        for arm in arms.iter().skip(self.all.len()) {
            let files = match arm.members.as_slice() {
                [] => self.last.clone(),
                [proposal] => store.proposal(*proposal)?.map(|stored| stored.record.changed()),
                several => self.unions.get(several).cloned(),
            };
            let (Some(files), Some(parent)) = (files, self.all.get(arm.parent)) else {
                let proposals: Vec<String> = arm.members.iter().map(|number| format!("P{number}")).collect();
                let message = format!("the proposal {} is not in the store", proposals.join(" + "));
                return Err(Failure::host(message, "somebody has changed the store").into());
            };
            let made = Arm::on(&shared.subject, parent, &files);
            if !shared.subject.is_comparable(&made.harness) {
                return Err(Failure {
                    kind: FailureKind::Bug,
                    message: String::from("a candidate would be run under another contract"),
                    hint: String::new(),
                }
                .into());
            }
            self.all.push(Arc::new(made));
        }
        Ok(())
    }
}

impl Arm {
    fn of(subject: &Subject, files: BTreeMap<FilePath, String>) -> Self {
        let harness = guard::candidate(&subject.harness, &files);
        Self { digest: subject.digest_of(&harness), harness }
    }

    fn on(subject: &Subject, parent: &Self, files: &BTreeMap<FilePath, String>) -> Self {
        let harness = guard::candidate(&parent.harness, files);
        Self { digest: subject.digest_of(&harness), harness }
    }
}

/// Files by path; what is no path of a project is none.
fn paths(files: BTreeMap<String, String>) -> BTreeMap<FilePath, String> {
    files.into_iter().filter_map(|(path, text)| Some((FilePath::parse(&path).ok()?, text))).collect()
}

/// Why arms could not be made, for whoever stores events meanwhile.
pub(super) fn store_error(error: NotPrepared) -> Result<Failure, StoreError> {
    match error {
        NotPrepared::Store(error) => Err(error),
        NotPrepared::Failure(failure) => Ok(failure),
    }
}
