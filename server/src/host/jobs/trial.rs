//! One trial as a job of Harbor's, from its name to a verdict with its evidence.

use std::path::Path;
use std::time::{Duration, Instant};

use harness_schema::digest::Digest;
use harness_schema::harness::Harness;

use super::left::{Finished, Told};
use super::workshop::Workshop;
use crate::engine::atif;
use crate::engine::harbor::verdict::{Judgement, Measure, Seen, judge};
use crate::engine::reward::{self, Check, CheckStatus, MAX_REPORT_BYTES};
use crate::engine::trace::{End, Source, Trace, Usage};
use crate::engine::verdict::{Verdict, VoidCause};
use crate::host::agents::{Cancel, Worked};
use crate::host::meter::Meter;
use crate::host::model::{self, Client, Cost, Pricing};
use crate::host::suite::{AdmittedTask, Judged, Mark, TaskPlan, judging};
use crate::host::trial::{self, Cancelled, Done};

/// As much of what a verifier printed is read.
const MAX_OUTPUT_BYTES: usize = 4 << 20;

/// A trial to run.
pub struct JobTrial<'a> {
    /// The name of its job: the same one goes on where it was interrupted.
    pub job: &'a str,
    /// The harness.
    pub harness: &'a Harness,
    /// Its digest.
    pub digest: &'a Digest,
    /// The task.
    pub task: &'a AdmittedTask,
    /// Where it is run.
    pub workshop: &'a Workshop,
    /// The model: what it costs, and its key, which is taken out of everything that is kept.
    pub client: &'a Client,
    /// The seed of its model requests, where the agent is our own.
    pub seed: Option<u32>,
    /// Ends it early.
    pub cancel: &'a Cancel,
    /// Hears what it took.
    pub meter: &'a Meter,
    /// What its transcript says about it.
    pub about: &'a atif::About,
    /// Where its transcript and the verifier's output are kept.
    pub directory: &'a Path,
}

/// Runs a trial, or goes on with it.
///
/// # Errors
/// [`Cancelled`] if it was cancelled; nothing of it is left then.
pub fn perform(trial: &JobTrial<'_>) -> Result<Done, Cancelled> {
    let began = Instant::now();
    let plan = trial.task.plan();
    let mut done = Done::nothing();
    done.judged = match run(trial, plan)? {
        Ok(finished) => taken(trial, &finished, &mut done),
        Err((cause, why)) => Judged::void(cause, why),
    };
    if let Err(changed) = plan.unchanged() {
        done.judged = Judged::void(VoidCause::ContractBroken, changed.to_string());
    }
    done.judged.took = began.elapsed();
    trial::keep_output(trial.client.redactor(), trial.directory, &mut done);
    Ok(done)
}

fn run(trial: &JobTrial<'_>, plan: &TaskPlan) -> Result<Result<Finished, (VoidCause, String)>, Cancelled> {
    if let Err(changed) = plan.unchanged() {
        return Ok(Err((VoidCause::ContractBroken, changed.to_string())));
    }
    let asked = match trial.workshop.ask(trial.harness, trial.digest, trial.seed) {
        Ok(asked) => asked,
        Err(error) => return Ok(Err((VoidCause::EnvironmentSetup, error.to_string()))),
    };
    let job = trial.workshop.job(trial.job, &asked.0, plan);
    trial.workshop.finish(&job, plan, &asked, trial.cancel)
}

/// Keeps what a finished trial left, and judges it.
fn taken(trial: &JobTrial<'_>, finished: &Finished, done: &mut Done) -> Judged {
    let redactor = trial.client.redactor();
    let traces = finished.traces(|text| redactor.text(text).into_owned());
    let usage = priced(finished.result.usage(), &trial.client.settings().pricing);
    trial.meter.add(&usage);
    let of_model = |told: &Told| told.trace.steps.iter().filter(|step| step.source == Source::Agent).count();
    let documents = traces.iter().flatten().filter(|told| told.is_document);
    let requests: usize = documents.map(of_model).sum();
    let seen = Seen {
        asked: 0 < usage.input.saturating_add(usage.output) || 0 < requests,
        is_readable: traces.iter().any(Option::is_some),
    };
    let marks = trial.task.marks();
    let measure = Measure {
        thresholds: &trial.task.plan().rewards,
        oracle_holds: !marks.contains(&Mark::NoSolution),
        needs_model: true,
    };
    let judgement = judge(&finished.result, measure, seen);
    let mut judged = evidence(finished, &judgement);
    if let Some(missing) = missing(trial.task, &judged) {
        judged.verdict = Verdict::Fail;
        judged.flags.tampered = true;
        judged.cause = format!("the report lacks `{}`, which the solution passes", judging::shown(&missing));
    }
    let traces: Vec<Option<Trace>> = traces.into_iter().map(|told| told.map(|told| told.trace)).collect();
    let digests = traces.iter().enumerate().map(|(step, trace)| {
        let nothing = Trace::default();
        let (name, trace) = (trial::trace_name(step), trace.as_ref().unwrap_or(&nothing));
        trial::keep_trace(redactor, trial.directory, trial.about, &name, trace)
    });
    let digests: Vec<Digest> = digests.collect();
    done.trace = Digest::of_parts(digests.iter().map(|digest| digest.bytes().as_slice()));
    done.usage = usage;
    done.requests = u32::try_from(requests).unwrap_or(u32::MAX);
    let last = traces.into_iter().flatten().last().unwrap_or_default();
    done.steps = last.steps.len();
    done.worked = Some(worked(last, judgement, usage, done.requests));
    judged
}

/// How the agent worked; of its steps nobody asks any more.
fn worked(trace: Trace, judgement: Judgement, usage: Usage, requests: u32) -> Worked {
    // Harbor knows of limits, the transcript of the rest.
    let claimed = trace.end.clone().filter(|end| !matches!(end, End::Killed | End::Provider));
    Worked {
        end: judgement.end.or(claimed).unwrap_or(End::Finished),
        void: match judgement.verdict {
            Verdict::Void(cause) => Some(cause),
            Verdict::Pass | Verdict::Fail => None,
        },
        pauses: judgement.pauses,
        detail: judgement.why,
        requests,
        usage,
        model: trace.agent.model.clone(),
        fingerprint: None,
        trace: Trace { steps: Vec::new(), ..trace },
    }
}

/// What it cost: by the manifest's prices, else as Harbor says. A client that knows no price says zero.
fn priced(usage: Usage, pricing: &Pricing) -> Usage {
    let counted = model::Usage {
        input: usage.input,
        cached: usage.cached,
        cache_written: 0,
        output: usage.output,
        is_estimated: false,
    };
    let has_tokens = 0 < usage.input.saturating_add(usage.output);
    let cost = match pricing.cost(&counted) {
        Cost::Usd(cost) if has_tokens || matches!(pricing, Pricing::Free) => Some(cost),
        _ => usage.cost.filter(|cost| 0.0 < *cost || !has_tokens),
    };
    Usage { cost, ..usage }
}

/// The verdict with what the verifier left.
pub(super) fn evidence(finished: &Finished, judgement: &Judgement) -> Judged {
    let (mut checks, mut printed, mut parts) = (Vec::new(), String::new(), Vec::new());
    for step in finished.steps() {
        let verifier = step.join("verifier");
        let read = |name: &str, most: usize| {
            super::left::read(&verifier.join(name), u64::try_from(most).unwrap_or(u64::MAX))
        };
        let report = read("ctrf.json", MAX_REPORT_BYTES).unwrap_or_default();
        // A report is evidence; without one that can be read there is less of it.
        checks.extend(reward::report(report.as_bytes()).unwrap_or_default());
        let output = read("test-stdout.txt", MAX_OUTPUT_BYTES).unwrap_or_default();
        printed.push_str(&output);
        parts.extend([report.into_bytes(), output.into_bytes()]);
    }
    let rewards = finished.result.rewards().cloned().unwrap_or_default();
    parts.push(format!("{rewards:?}").into_bytes());
    let failed = checks.iter().filter(|check: &&Check| check.status == CheckStatus::Failed).count();
    Judged {
        verdict: judgement.verdict,
        flags: judgement.flags,
        cause: judgement.why.clone(),
        reward: rewards,
        partial: (!checks.is_empty()).then(|| failed as f64 / checks.len() as f64),
        checks,
        stdout_tail: judging::tail(&printed),
        output_digest: Digest::of_parts(parts.iter().map(Vec::as_slice)),
        attempts: 1,
        took: Duration::ZERO,
    }
}

/// A check that the solution passes and a pass does not.
fn missing(task: &AdmittedTask, judged: &Judged) -> Option<String> {
    if judged.verdict != Verdict::Pass {
        return None;
    }
    let passed = |name: &str| {
        judged.checks.iter().any(|check| check.status == CheckStatus::Passed && check.name == name)
    };
    let mut expected = task.admission().steps.iter().flat_map(|proof| &proof.manifest);
    expected.find(|name| !passed(name)).cloned()
}
