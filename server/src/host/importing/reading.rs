//! Reads one record of a trial with everything that belongs to it: the transcript of its agent, the report of its verifier, and what
//! it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness_schema::digest::Digest;
use harness_schema::manifest::TranscriptFormat;

use super::found::{self, File, joined};
use super::{LeftOut, Why};
use crate::engine::imported::harbor::Trial;
use crate::engine::imported::instance::Instance;
use crate::engine::imported::known::{Known, Meaning};
use crate::engine::imported::report::Reports;
use crate::engine::imported::{Form, Outcome, is_name};
use crate::engine::reward::{self, Check};
use crate::engine::trace::{Loss, Source, Trace, Usage};
use crate::engine::transcript;
use crate::engine::verdict::Verdict;

/// The name of a transcript in ATIF.
const TRAJECTORY: &str = "trajectory.json";

/// So many lines of a verifier's output are evidence (`formats` 3.5).
const OUTPUT_LINES: usize = 80;

/// A trial that may teach.
pub(super) struct Candidate {
    /// Where it was found.
    pub(super) what: String,
    /// Its task, as it is called here.
    pub(super) task: String,
    /// What its agent did, step after step of the task.
    pub(super) traces: Vec<Trace>,
    /// The digest of the transcripts as they were found.
    pub(super) digest: Digest,
    /// What it came to: pass or fail.
    pub(super) outcome: Outcome,
    /// What its verifier printed last.
    pub(super) output: String,
    /// What it took.
    pub(super) usage: Usage,
}

/// What there is to know before a record is read.
pub(super) struct Reader<'a> {
    /// The directory of results.
    pub(super) top: &'a Path,
    /// All files below it.
    pub(super) files: &'a [File],
    /// The tasks of the project.
    pub(super) known: &'a Known,
    /// The rewards that a pass needs.
    pub(super) thresholds: &'a BTreeMap<String, f64>,
    /// What reports say of instances.
    pub(super) reports: &'a Reports,
}

impl Reader<'_> {
    /// Reads a record; `None` if it is none of a trial.
    ///
    /// # Errors
    /// Why it is left out.
    pub(super) fn read(&self, form: Form, file: &File) -> Result<Option<Candidate>, LeftOut> {
        match form {
            Form::Harbor => self.harbor(file),
            Form::MiniSweAgent | Form::SweAgent => self.instance(form, file).map(Some),
        }
    }

    fn harbor(&self, file: &File) -> Result<Option<Candidate>, LeftOut> {
        let left = |what: &str, why| LeftOut { what: what.to_owned(), why };
        let unfinished = |why: String| left(&file.path(), Why::Unfinished(why));
        let text = found::text(self.top, &file.path()).map_err(|error| unfinished(error.to_string()))?;
        let Some(trial) = Trial::read(&text).map_err(unfinished)? else { return Ok(None) };
        let task = self.task(&trial.task, &file.path())?;
        let parts: Vec<String> = match trial.steps.as_slice() {
            [] => vec![file.directory.clone()],
            steps => steps.iter().map(|step| joined(&file.directory, &format!("steps/{step}"))).collect(),
        };
        let (mut traces, mut digests, mut checks, mut outputs) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for part in &parts {
            let verifier = joined(part, "verifier");
            checks.extend(self.checks(&joined(&verifier, "ctrf.json")));
            outputs.push(found::tail(self.top, &joined(&verifier, "test-stdout.txt"), OUTPUT_LINES));
            // A step that was not reached has left nothing.
            if let Some((trace, digest)) = self.transcript(&joined(part, "agent"), &trial.name)? {
                traces.push(trace);
                digests.push(digest);
            }
        }
        let all = traces.first().cloned().map(|first: Trace| {
            let steps = traces.iter().skip(1).flat_map(|trace| trace.steps.clone());
            steps.fold(first, |mut all, step| {
                all.push(step);
                all
            })
        });
        let outcome = trial.judge(self.thresholds, all.as_ref(), checks);
        if let Verdict::Void(cause) = outcome.verdict {
            return Err(left(&trial.name, Why::Void(cause, outcome.detail)));
        }
        if traces.is_empty() {
            let why = String::from("its agent has left no transcript that can be read");
            return Err(left(&trial.name, Why::Unreadable(why)));
        }
        if let Some((end, last)) = outcome.end.clone().zip(traces.last_mut()) {
            last.end = Some(end);
        }
        Ok(Some(Candidate {
            what: trial.name.clone(),
            task,
            digest: Digest::of_parts(digests.iter().map(|digest: &Digest| digest.bytes().as_slice())),
            usage: trial.usage.unwrap_or_else(|| usage(&traces)),
            outcome,
            output: outputs.into_iter().filter(|output| !output.is_empty()).collect::<Vec<_>>().join("\n"),
            traces,
        }))
    }

    fn instance(&self, form: Form, file: &File) -> Result<Candidate, LeftOut> {
        let path = file.path();
        let left = |why| LeftOut { what: path.clone(), why };
        let unreadable = |why: String| left(Why::Unreadable(why));
        // What judges is not even opened where its name says so.
        let mut name = Instance::by_file(&file.name).to_owned();
        self.task(&name, &path)?;
        let text = found::text(self.top, &path).map_err(|error| unreadable(error.to_string()))?;
        let document = serde_json::from_str(&text)
            .map_err(|error| unreadable(format!("it is cut off or damaged ({error})")))?;
        let instance = Instance::of(&document);
        name = instance.id.clone().unwrap_or(name);
        let task = self.task(&name, &path)?;
        let format = match form {
            Form::SweAgent => TranscriptFormat::SweAgent,
            Form::MiniSweAgent | Form::Harbor => TranscriptFormat::MiniSweAgent,
        };
        let trace = whole(&text, format).map_err(unreadable)?;
        let told = self.reports.of(&name).map_err(|why| left(Why::NoVerdict(why.to_owned())))?;
        let Some(outcome) = instance.judge(told.as_ref(), trace.end.as_ref()) else {
            return Err(left(Why::NoVerdict(String::from("no report says whether it was resolved"))));
        };
        if let Verdict::Void(cause) = outcome.verdict {
            return Err(left(Why::Void(cause, outcome.detail)));
        }
        let usage = usage(std::slice::from_ref(&trace));
        let digest = Digest::of(text.as_bytes());
        Ok(Candidate { what: path, task, traces: vec![trace], digest, outcome, output: String::new(), usage })
    }

    /// A task as it is called here.
    fn task(&self, name: &str, what: &str) -> Result<String, LeftOut> {
        let last = name.rsplit('/').next().unwrap_or(name);
        if !is_name(last) {
            return Err(LeftOut { what: what.to_owned(), why: Why::Unnamed });
        }
        match self.known.meaning(name) {
            Meaning::Judges => Err(LeftOut { what: last.to_owned(), why: Why::Judges }),
            Meaning::Teaches(id) => Ok(id),
            Meaning::Elsewhere => Ok(last.to_owned()),
        }
    }

    fn checks(&self, path: &str) -> Vec<Check> {
        let report = found::text(self.top, path).ok();
        report.and_then(|text| reward::report(text.as_bytes()).ok()).unwrap_or_default()
    }

    /// What an agent of Harbor has left: its trajectory, or else what it logged itself.
    fn transcript(&self, directory: &str, trial: &str) -> Result<Option<(Trace, Digest)>, LeftOut> {
        let unreadable = |why: String| LeftOut { what: trial.to_owned(), why: Why::Unreadable(why) };
        let below = format!("{directory}/");
        let mut named: BTreeSet<String> = BTreeSet::new();
        // Files are in the order of their directories.
        let first = self.files.partition_point(|file| file.directory.as_str() < directory);
        let near = self.files.get(first..).unwrap_or_default();
        for file in near.iter().take_while(|file| file.directory.starts_with(directory)) {
            let is_here = file.directory == directory || file.directory.starts_with(&below);
            if file.directory == directory && file.name == TRAJECTORY {
                let path = file.path();
                let said = |why: String| unreadable(format!("`{path}`: {why}"));
                let text = found::text(self.top, &path).map_err(|error| said(error.to_string()))?;
                let trace = whole(&text, TranscriptFormat::Atif).map_err(said)?;
                return Ok(Some((trace, Digest::of(text.as_bytes()))));
            }
            if is_here && (file.name.ends_with(".json") || file.name.ends_with(".jsonl")) {
                named.insert(file.path());
            }
        }
        for path in named {
            let Ok(text) = found::text(self.top, &path) else { continue };
            let Some(format) = transcript::recognised(&text) else { continue };
            let trace = whole(&text, format).map_err(|why| unreadable(format!("`{path}`: {why}")))?;
            if trace.steps.iter().any(|step| step.source == Source::Agent) {
                return Ok(Some((trace, Digest::of(text.as_bytes()))));
            }
        }
        Ok(None)
    }
}

/// A transcript that is not cut off: what its end would have shown is no evidence.
fn whole(text: &str, format: TranscriptFormat) -> Result<Trace, String> {
    let trace = transcript::read(text, format).map_err(|error| error.to_string())?;
    if trace.losses.contains(&Loss::CutOff) {
        return Err(String::from("the transcript is cut off"));
    }
    Ok(trace)
}

/// What the steps say that they took.
fn usage(traces: &[Trace]) -> Usage {
    let used = traces.iter().flat_map(|trace| &trace.steps).filter_map(|step| step.usage);
    used.reduce(|one, other| Usage {
        input: one.input + other.input,
        cached: one.cached + other.cached,
        output: one.output + other.output,
        cost: one.cost.zip(other.cost).map(|(one, other)| one + other),
    })
    .unwrap_or_default()
}
