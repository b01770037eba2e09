//! The texts of the harnesses of a run: of the one that it began with, and of every other that was made from it.

use std::collections::BTreeMap;

use crate::engine::cycle::Cycle;
use crate::failure::Failure;
use crate::host::record::EventRecord;
use crate::host::store::{Store, StoredRun};

/// What the texts of each harness of a run are made of.
#[derive(Debug, Default)]
pub struct Texts {
    /// Of the harness that the run began with, by path.
    first: BTreeMap<String, String>,
    /// Whole files that each arm changes, in its place.
    changed: Vec<BTreeMap<String, String>>,
    parents: Vec<usize>,
}

impl Texts {
    /// Of a run so far.
    ///
    /// # Errors
    /// A [`Failure`] if the store cannot be read.
    pub fn of(store: &Store, stored: &StoredRun, cycle: &Cycle) -> Result<Self, Failure> {
        let failed = |error: crate::host::store::StoreError| error.to_failure();
        let mut unions = BTreeMap::new();
        for event in store.events(stored.number, 0).map_err(failed)? {
            if let EventRecord::Merged { members, files } = event.event {
                unions.insert(members, files);
            }
        }
        let mut texts = Self { first: stored.record.files.clone(), ..Self::default() };
        for arm in cycle.arms() {
            let changed = match arm.members.as_slice() {
                [] => BTreeMap::new(),
                [proposal] => {
                    let proposal = store.proposal(*proposal).map_err(failed)?;
                    proposal.map(|stored| stored.record.files).unwrap_or_default()
                }
                several => unions.get(several).cloned().unwrap_or_default(),
            };
            texts.changed.push(changed);
            texts.parents.push(arm.parent);
        }
        Ok(texts)
    }

    /// A file of the harness of an arm; `None` if it has no such file.
    #[must_use]
    pub fn file(&self, arm: usize, path: &str) -> Option<&str> {
        let mut at = arm;
        loop {
            if let Some(text) = self.changed.get(at).and_then(|changed| changed.get(path)) {
                return Some(text);
            }
            match self.parents.get(at) {
                Some(parent) if *parent < at => at = *parent,
                _ => return self.first.get(path).map(String::as_str),
            }
        }
    }

    /// The line, from 1, of a byte of a file.
    #[must_use]
    pub fn line(&self, arm: usize, path: &str, start: usize) -> usize {
        let text = self.file(arm, path).unwrap_or_default();
        text.get(..start).map_or(1, |before| before.matches('\n').count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harness_has_the_texts_of_its_parents() {
        let files = |all: &[(&str, &str)]| {
            all.iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let texts = Texts {
            first: files(&[("a", "one\ntwo\n"), ("b", "b")]),
            changed: vec![files(&[]), files(&[("a", "A")]), files(&[("c", "C")]), files(&[("b", "B")])],
            parents: vec![0, 0, 1, 0],
        };
        let of = |arm| ["a", "b", "c"].map(|path| texts.file(arm, path));
        assert_eq!(of(0), [Some("one\ntwo\n"), Some("b"), None]);
        assert_eq!(of(2), [Some("A"), Some("b"), Some("C")]);
        assert_eq!(of(3), [Some("one\ntwo\n"), Some("B"), None]);
        assert_eq!([texts.line(0, "a", 0), texts.line(0, "a", 5), texts.line(0, "none", 5)], [1, 2, 1]);
    }
}
