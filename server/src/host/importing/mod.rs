//! Takes results of other programs as evidence: a Harbor job, what mini-swe-agent or SWE-agent has left. It reads, and stores a run
//! that is over; it executes nothing, asks nobody and spends nothing. What judges here is left out: it must not teach.

mod found;
mod reading;
mod keeping;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use harness_schema::split::Split;

use self::found::File;
use self::keeping::{Kept, Settled};
use self::reading::Reader;
use super::machine::Machine;
use super::record::{BudgetRecord, EventRecord, RunRecord, SlotRecord, TrialRecord};
use super::sandbox::Guarantees;
use super::store::StoreError;
use super::subject::Subject;
use crate::engine::contract::Role;
use crate::engine::cycle::Goal;
use crate::engine::imported::Form;
use crate::engine::imported::known::Known;
use crate::engine::imported::report::Reports;
use crate::engine::verdict::VoidCause;
use crate::failure::Failure;

/// What is to be imported.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The project.
    pub root: &'a Path,
    /// The directory of results.
    pub from: &'a Path,
    /// Reports that lie elsewhere.
    pub reports: &'a [PathBuf],
    /// Whether somebody says that the harness of the project made these results, as it is now.
    pub is_same_harness: bool,
    /// Where it was asked for: `the command line`.
    pub started_by: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// What the results are: `a Harbor job`.
    pub form: String,
    /// The run that holds them; an earlier one if nothing is new.
    pub run: i64,
    /// Whether nothing is new.
    pub is_known: bool,
    /// The trials of the run.
    pub trials: Vec<TrialRecord>,
    /// How many of them were not there before.
    pub added: usize,
    /// What was left out, and why.
    pub left_out: Vec<LeftOut>,
    /// A sentence for the person if a store from elsewhere was put aside.
    pub notice: Option<String>,
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The trial, its file, or its task.
    pub what: String,
    /// Why.
    pub why: Why,
}

/// Why something was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its task judges here, so it must not teach.
    Judges,
    /// It measured nothing.
    Void(VoidCause, String),
    /// Nobody has judged it.
    NoVerdict(String),
    /// What its agent did cannot be read.
    Unreadable(String),
    /// It was not over.
    Unfinished(String),
    /// Its task has no name that could be shown.
    Unnamed,
    /// The same trial lies there twice.
    Twice,
}

impl Why {
    /// The word in documents.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Judges => "judges",
            Self::Void(..) => "void",
            Self::NoVerdict(_) => "no-verdict",
            Self::Unreadable(_) => "unreadable",
            Self::Unfinished(_) => "unfinished",
            Self::Unnamed => "unnamed",
            Self::Twice => "twice",
        }
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Judges => String::from("its task judges here, so it must not teach"),
            Self::Void(cause, detail) if detail.is_empty() => format!("void ({})", cause.word()),
            Self::Void(cause, detail) => format!("void ({}): {detail}", cause.word()),
            Self::NoVerdict(why) | Self::Unreadable(why) => why.clone(),
            Self::Unfinished(why) => format!("not finished: {why}"),
            Self::Unnamed => String::from("its task has no name that could be shown"),
            Self::Twice => String::from("the same trial lies there twice"),
        }
    }
}

/// Imports results, if nobody wants it to end meanwhile: then nothing is stored, and the answer is `None`. `tell` hears how many
/// records were read of how many.
///
/// # Errors
/// A [`Failure`] if there are no results that could teach, or the store cannot be written.
pub fn import(
    wanted: &Wanted<'_>,
    mut tell: impl FnMut(usize, usize),
    is_cancelled: impl Fn() -> bool,
) -> Result<Option<Imported>, Failure> {
    let top = wanted.from.canonicalize().map_err(|error| {
        Failure::user(
            format!("cannot open `{}`: {error}", wanted.from.display()),
            "name a directory of results",
        )
    })?;
    let files = found::files(&top)?;
    let sources = sources(&top, &files)?;
    // Harbor's records have their verdicts in them.
    let is_judged = sources.iter().any(|(form, _)| *form == Form::Harbor);
    let beside: &[File] = if is_judged { &[] } else { &files };
    let reports = reports(&top, beside, wanted.reports)?;
    let machine = Machine::read()?;
    let subject = Subject::unasked(wanted.root, &Guarantees::untried(), &machine);
    let known = Known::of(&subject.harness);
    let thresholds = thresholds(&subject);
    let reader =
        Reader { top: &top, files: &files, known: &known, thresholds: &thresholds, reports: &reports };
    let mut kept = Kept::new(wanted.root);
    let (mut left_out, mut forms) = (unfinished(&files, &sources), BTreeSet::new());
    for (at, (form, file)) in sources.iter().enumerate() {
        if is_cancelled() {
            kept.forget();
            return Ok(None);
        }
        tell(at, sources.len());
        match reader.read(*form, file) {
            Ok(None) => {}
            Ok(Some(candidate)) => {
                forms.insert(*form);
                let what = candidate.what.clone();
                match kept.add(*form, candidate) {
                    Ok(true) => {}
                    Ok(false) => left_out.push(LeftOut { what, why: Why::Twice }),
                    Err(failure) => {
                        kept.forget();
                        return Err(failure);
                    }
                }
            }
            Err(left) => {
                forms.insert(*form);
                left_out.push(left);
            }
        }
    }
    tell(sources.len(), sources.len());
    left_out.sort();
    let form = forms.iter().map(|form| form.words()).collect::<Vec<_>>().join(" and ");
    let harness = if wanted.is_same_harness { subject.harness_digest().to_string() } else { String::new() };
    let Some(Settled { mut store, trials, written, model }) = kept.settle(&harness) else {
        return Err(nothing(&top, &form, &left_out));
    };
    let names: BTreeSet<String> = trials.iter().map(|trial| trial.id.clone()).collect();
    let failed = |error: StoreError| error.to_failure();
    let imports = store.imports().map_err(failed)?;
    let is_same = |run: &RunRecord| !wanted.is_same_harness || run.harness == harness;
    let earlier = imports.iter().find(|(run, of)| names.is_subset(of) && is_same(&run.record));
    let notice = store.notice().map(str::to_owned);
    if let Some((run, _)) = earlier {
        let run = run.number;
        return Ok(Some(Imported { form, run, is_known: true, trials, added: 0, left_out, notice }));
    }
    let slots = trials.iter().map(|trial| SlotRecord {
        arm: 0,
        task: trial.task.clone(),
        split: trial.split.clone(),
        role: trial.role.clone(),
        repeat: trial.repeat,
    });
    let record = RunRecord {
        verb: Goal::Import.word().to_owned(),
        name: subject.harness.manifest().name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
        harness,
        // Nobody knows under which contract that was measured, so it is compared with nothing.
        contract: String::new(),
        execution: String::new(),
        files: subject.texts(),
        slots: slots.collect(),
        budget: BudgetRecord::default(),
        parallel: 1,
        seed: 0,
        sandbox: String::new(),
        started_by: wanted.started_by.to_owned(),
        model,
        repeats: trials.iter().map(|trial| trial.repeat + 1).max().unwrap_or_default(),
        key_variable: None,
        rules: None,
        candidates: Vec::new(),
        seal: None,
    };
    let event = EventRecord::Imported {
        form: form.clone(),
        directory: top.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        is_same_harness: wanted.is_same_harness,
    };
    let added = trials.iter().filter(|trial| written.contains(&trial.id)).count();
    match store.add_import(&record, &event, &trials) {
        Ok(run) => Ok(Some(Imported { form, run, is_known: false, trials, added, left_out, notice })),
        Err(error) => {
            keeping::remove(&store, &written);
            Err(error.to_failure())
        }
    }
}

/// The records of trials, with the form of each. Where Harbor has left results, what its agents logged besides is no record of its
/// own.
fn sources(top: &Path, files: &[File]) -> Result<Vec<(Form, File)>, Failure> {
    let of = |file: &File| Some((Form::of_file(&file.name)?, file.clone()));
    let all: Vec<(Form, File)> = files.iter().filter_map(of).collect();
    let trials = trial_directories(files);
    let is_trial =
        |(form, file): &&(Form, File)| *form == Form::Harbor && trials.contains(file.directory.as_str());
    let of_harbor: Vec<(Form, File)> = all.iter().filter(is_trial).cloned().collect();
    let sources = match of_harbor.is_empty() {
        false => of_harbor,
        true => all.into_iter().filter(|(form, _)| *form != Form::Harbor).collect(),
    };
    if sources.is_empty() {
        let message = format!(
            "`{}` holds no results that can be read: looked for `result.json` beside `agent/` (a Harbor job), `*.traj.json` (mini-swe-agent) and `*.traj` (SWE-agent)",
            top.display()
        );
        return Err(Failure::user(message, "name the directory that the program was told to write to"));
    }
    Ok(sources)
}

/// The directories of Harbor's trials, by what lies in them: a record that was cut off while it was written tells nothing.
fn trial_directories(files: &[File]) -> BTreeSet<&str> {
    let mut trials = BTreeSet::new();
    for file in files {
        if file.name == "trial.log" {
            trials.insert(file.directory.as_str());
        }
        let parts = file.directory.split('/');
        let mut end = 0;
        for part in parts {
            if PARTS.contains(&part) {
                trials.insert(file.directory.get(..end).unwrap_or_default().trim_end_matches('/'));
            }
            end += part.len() + 1;
        }
    }
    trials
}

/// Directories that a trial of Harbor has.
const PARTS: [&str; 3] = ["agent", "verifier", "steps"];

/// Trials of Harbor that have begun and have no record.
fn unfinished(files: &[File], sources: &[(Form, File)]) -> Vec<LeftOut> {
    let is_harbor = sources.iter().any(|(form, _)| *form == Form::Harbor);
    let begun = files.iter().filter(|file| is_harbor && file.name == "trial.log");
    let recorded: BTreeSet<&str> = sources.iter().map(|(_, file)| file.directory.as_str()).collect();
    let open = begun.filter(|log| !recorded.contains(log.directory.as_str()));
    let left = open.map(|log| LeftOut {
        what: log.directory.clone(),
        why: Why::Unfinished(String::from("it has no `result.json`")),
    });
    left.collect()
}

/// What reports in the directory, and those that somebody names, say of instances.
fn reports(top: &Path, files: &[File], named: &[PathBuf]) -> Result<Reports, Failure> {
    let mut reports = Reports::default();
    for path in named {
        let unreadable = |why: String| {
            let hint = "name the summary of an evaluation by SWE-bench, or the `report.json` of an instance";
            Failure::user(format!("`{}` is no report: {why}", path.display()), hint)
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let document = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if !reports.add(&document) {
            return Err(unreadable(String::from(
                "it has no `resolved_ids`, `resolved`, or instance with `resolved`",
            )));
        }
    }
    // Predictions and trajectories are large, and no reports.
    let may_be = |file: &&File| {
        let is_near = !file.directory.contains('/');
        let is_other = file.name == "preds.json" || Form::of_file(&file.name).is_some();
        file.name.ends_with(".json") && !is_other && (is_near || file.name == "report.json")
    };
    for file in files.iter().filter(may_be) {
        let document = found::text(top, &file.path()).ok().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(document) = document {
            reports.add(&document);
        }
    }
    Ok(reports)
}

fn thresholds(subject: &Subject) -> BTreeMap<String, f64> {
    let tasks = subject.harness.manifest().tasks.as_ref();
    let written = tasks.map(|tasks| &tasks.value.rewards.0).into_iter().flatten();
    let written: BTreeMap<String, f64> =
        written.map(|(name, least)| (name.value.clone(), least.value)).collect();
    if written.is_empty() { BTreeMap::from([(String::from("reward"), 1.0)]) } else { written }
}

/// The word of a split and of a role that all imported trials have.
fn teaching() -> (String, String) {
    (Split::HeldIn.word().to_owned(), Role::Imported.word().to_owned())
}

fn nothing(top: &Path, form: &str, left_out: &[LeftOut]) -> Failure {
    let message = match left_out.first() {
        Some(first) => format!(
            "none of the {} trials of {form} in `{}` can teach, the first ({}) because: {}",
            left_out.len(),
            top.display(),
            first.what,
            first.why.words()
        ),
        None => format!("`{}` holds no record of a trial", top.display()),
    };
    let is_unjudged = left_out.iter().any(|left| matches!(left.why, Why::NoVerdict(_)));
    let hint = match is_unjudged {
        true => "name the report of the evaluation with `--report FILE`",
        false => "import trials that are over, of tasks that do not judge here",
    };
    Failure::user(message, hint)
}
