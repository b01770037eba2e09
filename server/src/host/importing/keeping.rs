//! Keeps imported trials: each under a name that is made of its content, so that what is imported again is known again. Transcripts
//! are written first and the run last; what no run names is removed when the import does not come to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use harness_schema::digest::Digest;

use super::reading::Candidate;
use super::teaching;
use crate::engine::atif;
use crate::engine::imported::Form;
use crate::engine::reward::{self, CheckStatus};
use crate::engine::trace::Source;
use crate::failure::Failure;
use crate::host::log;
use crate::host::record::{CHECKS, CheckRecord, TrialRecord};
use crate::host::redact::Redactor;
use crate::host::store::{Store, StoreError};

/// What an import keeps.
pub(super) struct Kept<'a> {
    root: &'a Path,
    /// Opened when there is something to keep.
    store: Option<Store>,
    redactor: Redactor,
    trials: Vec<TrialRecord>,
    /// The names of those that were there before, with their repeats.
    known: BTreeMap<String, u32>,
    /// The names of those whose files this import has written.
    written: BTreeSet<String>,
}

impl<'a> Kept<'a> {
    /// Nothing yet, for a project.
    pub(super) fn new(root: &'a Path) -> Self {
        let redactor = Redactor::new(&log::secrets());
        let (known, written) = (BTreeMap::new(), BTreeSet::new());
        Self { root, store: None, redactor, trials: Vec::new(), known, written }
    }

    /// Keeps a trial; false if it is there already.
    ///
    /// # Errors
    /// A [`Failure`] if it cannot be written.
    pub(super) fn add(&mut self, form: Form, candidate: Candidate) -> Result<bool, Failure> {
        let mut trial = record(form, &candidate);
        if self.known.contains_key(&trial.id) || self.written.contains(&trial.id) {
            return Ok(false);
        }
        trial.detail = self.redactor.text(&trial.detail).into_owned();
        let failed = |error: StoreError| error.to_failure();
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(self.root).map_err(failed)?,
        };
        let store = self.store.insert(store);
        let stored = store.trial(&trial.id).map_err(failed)?;
        match stored {
            Some(stored) => {
                self.known.insert(stored.id.clone(), stored.repeat);
                trial = stored;
            }
            None => {
                let directory = store.clear_trial_directory(&trial.id).map_err(failed)?;
                self.written.insert(trial.id.clone());
                self.write(&directory, &trial.id, &candidate)?;
            }
        }
        self.trials.push(trial);
        Ok(true)
    }

    fn write(&self, directory: &Path, id: &str, candidate: &Candidate) -> Result<(), Failure> {
        let about = atif::About { trial: id.to_owned(), ..atif::About::default() };
        let full = |error: std::io::Error| {
            let message = format!("cannot keep a transcript in `{}`: {error}", directory.display());
            Failure::host(message, "see whether the disk is full; nothing was imported")
        };
        fs::create_dir_all(directory).map_err(full)?;
        for (at, trace) in candidate.traces.iter().enumerate() {
            let name = match at {
                0 => String::from("trajectory.json"),
                at => format!("trajectory-{}.json", at + 1),
            };
            let change = |part: &mut serde_json::Value| self.redactor.json(part);
            let document = atif::Written { trace, about: &about, change };
            let file = File::create(directory.join(name)).map_err(full)?;
            let mut file = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut file, &document).map_err(|error| full(error.into()))?;
            file.flush().map_err(full)?;
        }
        if !candidate.output.is_empty() {
            let output = self.redactor.text(&candidate.output);
            fs::write(directory.join("verifier.txt"), output.as_bytes()).map_err(full)?;
        }
        if !candidate.outcome.checks.is_empty() {
            let checks: Vec<CheckRecord> = candidate.outcome.checks.iter().map(CheckRecord::of).collect();
            let mut document = serde_json::to_value(checks).unwrap_or_default();
            self.redactor.json(&mut document);
            let text = serde_json::to_vec(&document).unwrap_or_default();
            fs::write(directory.join(CHECKS), text).map_err(full)?;
        }
        Ok(())
    }

    /// Removes what this import has written.
    pub(super) fn forget(self) {
        if let Some(store) = &self.store {
            remove(store, &self.written);
        }
    }

    /// What was kept, in the order of tasks and repeats; `None` if that is nothing. A trial that was there before keeps its repeat.
    pub(super) fn settle(self, harness: &str) -> Option<Settled> {
        let Self { mut trials, known, written, store, .. } = self;
        let store = store.filter(|_| !trials.is_empty())?;
        let mut taken: BTreeSet<(String, u32)> = BTreeSet::new();
        for trial in &trials {
            if let Some(repeat) = known.get(&trial.id) {
                taken.insert((trial.task.clone(), *repeat));
            }
        }
        let mut models: BTreeMap<String, usize> = BTreeMap::new();
        for trial in &mut trials {
            if let Some(model) = &trial.model {
                *models.entry(model.clone()).or_default() += 1;
            }
            if known.contains_key(&trial.id) {
                continue;
            }
            harness.clone_into(&mut trial.harness);
            let free = (0..).find(|repeat| !taken.contains(&(trial.task.clone(), *repeat)));
            trial.repeat = free.unwrap_or_default();
            taken.insert((trial.task.clone(), trial.repeat));
        }
        trials.sort_by(|one, other| {
            (&one.task, one.repeat, &one.id).cmp(&(&other.task, other.repeat, &other.id))
        });
        let model = models.into_iter().max_by_key(|(_, count)| *count).map(|(model, _)| model);
        Some(Settled { store, trials, written, model: model.unwrap_or_default() })
    }
}

/// What an import has kept.
pub(super) struct Settled {
    /// The store of the project.
    pub(super) store: Store,
    /// The trials.
    pub(super) trials: Vec<TrialRecord>,
    /// The names of those that were not there before.
    pub(super) written: BTreeSet<String>,
    /// The model that most of them called; empty if none says so.
    pub(super) model: String,
}

/// Removes the files of trials that no run names.
pub(super) fn remove(store: &Store, written: &BTreeSet<String>) {
    for id in written {
        let directory = store.trial_directory(id);
        // What cannot be removed is overwritten by the next import of the same results.
        if let Err(error) = fs::remove_dir_all(&directory) {
            tracing::warn!(%error, "a transcript that was not imported is left over");
        }
    }
    // The directory above is there for others as well.
    let _ = fs::remove_dir(store.trial_directory("x").parent().unwrap_or(Path::new("")));
}

fn record(form: Form, candidate: &Candidate) -> TrialRecord {
    let Candidate { task, traces, digest, outcome, usage, .. } = candidate;
    let mut trial = TrialRecord { task: task.clone(), ..TrialRecord::default() };
    trial.judge(outcome.verdict, outcome.flags);
    let parts: [&[u8]; 5] =
        [b"import/1", form.words().as_bytes(), task.as_bytes(), digest.bytes(), trial.verdict.as_bytes()];
    let key = Digest::of_parts(parts);
    trial.id = format!("i-{}", key.short(20));
    trial.key = key.to_string();
    (trial.split, trial.role) = teaching();
    let last = traces.last();
    let end = outcome.end.as_ref().or_else(|| last.and_then(|trace| trace.end.as_ref()));
    trial.end = end.map(|end| end.word().to_owned()).unwrap_or_default();
    trial.rewards.clone_from(&outcome.rewards);
    trial.partial = reward::partial(&outcome.checks);
    let failed = outcome.checks.iter().filter(|check| check.status == CheckStatus::Failed);
    trial.failed_checks = failed.map(|check| check.name.clone()).collect();
    trial.detail.clone_from(&outcome.detail);
    trial.take(*usage);
    let steps = || traces.iter().flat_map(|trace| &trace.steps);
    trial.steps = steps().count();
    let asked = steps().filter(|step| step.source == Source::Agent).count();
    trial.requests = u32::try_from(asked).unwrap_or(u32::MAX);
    trial.trace = digest.to_string();
    trial.model = traces.iter().find_map(|trace| trace.agent.model.clone());
    trial
}
