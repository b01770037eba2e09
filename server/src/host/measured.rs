//! Harnesses that were measured before in this project, found again in the runs of its store: the one that a lineage began with,
//! the last one, and what a run adopted. Executes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness_schema::path::FilePath;
use harness_schema::split::Split;

use super::evidence;
use super::machine::Machine;
use super::record::EventRecord;
use super::sandbox::Guarantees;
use super::store::{Store, StoreError, StoredRun};
use super::subject::Subject;
use crate::engine::cycle::Goal;
use crate::engine::proposal::guard;

/// Texts of a harness, by path.
pub type Texts = BTreeMap<String, String>;

/// A harness that a run measured.
#[derive(Debug)]
pub struct Measured {
    /// The run.
    pub run: StoredRun,
    /// The harness, with the tasks as they are on disk now.
    pub subject: Subject,
}

/// The runs of a project, as this machine can read them.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// The directory of the manifest.
    pub root: &'a Path,
    /// Its store.
    pub store: &'a Store,
    /// What the sandbox of this machine keeps.
    pub guarantees: &'a Guarantees,
    /// The machine.
    pub machine: &'a Machine,
}

impl Past<'_> {
    /// The harness that the lineage of `now` began with: that of the oldest run that measured something under the contract of
    /// `now`, with the same things executed as now.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn first(&self, now: &Subject) -> Result<Option<Measured>, StoreError> {
        let mut others = BTreeSet::new();
        for run in self.runs()? {
            let is_known = others.contains(&run.record.harness);
            if is_known || !is_under(now, &run) || !self.has_measured(&run)? {
                continue;
            }
            let subject = self.with(&run.record.files);
            let is_whole = subject.harness_digest().to_string() == run.record.harness;
            if is_whole && subject.execution_items() == now.execution_items() {
                return Ok(Some(Measured { run, subject }));
            }
            others.insert(run.record.harness);
        }
        Ok(None)
    }

    /// The newest run that measured something, whatever its contract is.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn newest(&self) -> Result<Option<StoredRun>, StoreError> {
        for run in self.runs()?.into_iter().rev() {
            if self.has_measured(&run)? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// What was adopted last under the contract of `now`: the texts of that harness.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn adopted_last(&self, now: &Subject) -> Result<Option<Texts>, StoreError> {
        for run in self.runs()?.into_iter().rev().filter(|run| is_under(now, run)) {
            if let Some(texts) = self.adopted(&run)? {
                return Ok(Some(texts));
            }
        }
        Ok(None)
    }

    /// The texts of the harness that a run adopted last; `None` if it adopted none.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn adopted(&self, run: &StoredRun) -> Result<Option<Texts>, StoreError> {
        let (cycle, _) = self.store.fold(run)?;
        if cycle.working() == 0 {
            return Ok(None);
        }
        let mut unions: BTreeMap<Vec<u32>, Texts> = BTreeMap::new();
        for event in self.store.events(run.number, 0)? {
            if let EventRecord::Merged { members, files } = event.event {
                unions.insert(members, files);
            }
        }
        let mut changes = Vec::new();
        let mut at = cycle.working();
        while let Some(arm) = cycle.arms().get(at).filter(|arm| arm.parent < at) {
            let files = match arm.members.as_slice() {
                [proposal] => self.store.proposal(*proposal)?.map(|stored| stored.record.files),
                several => unions.get(several).cloned(),
            };
            let Some(files) = files else { return Ok(None) };
            changes.push(files);
            at = arm.parent;
        }
        let mut texts = run.record.files.clone();
        changes.into_iter().rev().for_each(|files| texts.extend(files));
        Ok(Some(texts))
    }

    /// How often these sealed tasks, or some of them, were read before.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn readings(&self, tasks: &BTreeSet<&str>) -> Result<u32, StoreError> {
        let mut readings = 0;
        for run in self.store.runs()? {
            let reads = |slot: &super::record::SlotRecord| tasks.contains(slot.task.as_str());
            let is_reading = run.record.goal() == Goal::Seal && run.record.slots.iter().any(reads);
            if is_reading && self.has_measured(&run)? {
                readings += 1;
            }
        }
        Ok(readings)
    }

    /// A harness with these texts, and the tasks as they are on disk now.
    #[must_use]
    pub fn with(&self, texts: &Texts) -> Subject {
        Subject::with_texts(self.root, texts, self.guarantees, self.machine)
    }

    /// The runs that could have measured a harness, the oldest first. What a store from elsewhere says was not measured here, nor was
    /// what was imported.
    fn runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs = match self.store.is_foreign() {
            true => Vec::new(),
            false => self.store.runs()?,
        };
        runs.retain(|run| !matches!(run.record.goal(), Goal::Seal | Goal::Import));
        Ok(runs)
    }

    fn has_measured(&self, run: &StoredRun) -> Result<bool, StoreError> {
        let trials = evidence::trials(self.store, run)?;
        Ok(trials.values().any(|trial| trial.verdict != "void"))
    }
}

/// Whether a run was under the contract that a harness is under now: model, limits and agent, and the tasks of the run.
fn is_under(now: &Subject, run: &StoredRun) -> bool {
    now.contract_of(&run.record).to_string() == run.record.contract
}

/// The files that make another harness of `base`: those whose text differs, whole.
#[must_use]
pub fn difference(base: &Texts, other: &Texts) -> Texts {
    let differs = |(path, text): &(&String, &String)| base.get(*path) != Some(*text);
    other.iter().filter(differs).map(|(path, text)| (path.clone(), text.clone())).collect()
}

/// Whether these files make of `base` exactly the harness `other`.
#[must_use]
pub fn makes(base: &Subject, files: &Texts, other: &Subject) -> bool {
    let paths = files.iter().filter_map(|(path, text)| Some((FilePath::parse(path).ok()?, text.clone())));
    let made = guard::candidate(&base.harness, &paths.collect());
    base.digest_of(&made) == other.harness_digest()
}

/// How many lines have to be changed to make one harness of the other, about: those that the other has not.
#[must_use]
pub fn distance(one: &Texts, other: &Texts) -> usize {
    let lines = |texts: &Texts| {
        let mut count: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (path, text) in texts {
            for line in text.lines() {
                *count.entry((path.clone(), line.to_owned())).or_default() += 1;
            }
        }
        count
    };
    let (one, other) = (lines(one), lines(other));
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let times = |lines: &BTreeMap<(String, String), usize>, key| lines.get(key).copied().unwrap_or_default();
    keys.into_iter().map(|key| times(&one, key).abs_diff(times(&other, key))).sum()
}

/// What an edit changes of that which is held fixed while harnesses are compared, in words; `None` if nothing.
#[must_use]
pub fn contract_change(before: &Subject, now: &Subject) -> Option<&'static str> {
    let (was, is) = (&before.contract, &now.contract);
    let tasks = |subject: &Subject| {
        let tasks = subject.tasks.iter().map(|task| {
            let digests = task.plan.as_ref().ok().map(|plan| plan.digests);
            (task.id.clone(), task.split, digests)
        });
        // A sealed task judges nothing here.
        tasks.filter(|(_, split, _)| *split != Split::Sealed).collect::<Vec<_>>()
    };
    if was.model != is.model {
        return Some("the model (`[model]`)");
    }
    if was.limits != is.limits {
        return Some("the limits or rewards of a trial (`agent.timeout`, `tasks.rewards`)");
    }
    if was.agent != is.agent {
        return Some("the agent (`[agent]`)");
    }
    if was.guarantees != is.guarantees {
        return Some("the sandbox");
    }
    (tasks(before) != tasks(now)).then_some("tasks, their splits or their verifiers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[(&str, &str)]) -> Texts {
        all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn files_that_differ_are_named_whole_and_lines_are_counted() {
        let base = texts(&[("a.md", "one\ntwo\n"), ("b.md", "x\n"), ("gone.md", "y\n")]);
        let other = texts(&[("a.md", "one\nthree\n"), ("b.md", "x\n"), ("new.md", "z\nz\n")]);
        assert_eq!(difference(&base, &other), texts(&[("a.md", "one\nthree\n"), ("new.md", "z\nz\n")]));
        assert_eq!(difference(&base, &base), Texts::new());
        assert_eq!(distance(&base, &base), 0);
        // `two` and `three`, `y`, and two times `z`.
        assert_eq!((distance(&base, &other), distance(&other, &base)), (5, 5));
    }
}
