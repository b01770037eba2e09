//! One trial, from an empty directory to a verdict: the agent works in one sandbox, everything of it is killed, what it left is
//! frozen, and the verifier judges a copy in another one (`security` 3.2). Whatever goes wrong on the way is a verdict too.

use std::any::Any;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use harness_schema::digest::{Digest, Hasher};
use harness_schema::harness::Harness;
use harness_schema::manifest::AgentKind;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::agents::{self, Cancel, Work, Worked, command};
use super::egress::Seen;
use super::meter::Meter;
use super::model::Client;
use super::redact::Redactor;
use super::sandbox::snapshot::{self, TreeLimits, TreeSnapshot};
use super::sandbox::spec::{Cause, Network};
use super::sandbox::{Dead, Ended, Phase, Sandbox, SandboxError};
use super::suite::{self, AdmittedTask, Bench, Judged};
use crate::engine::atif;
use crate::engine::reward::CheckStatus;
use crate::engine::trace::{End, Trace, Usage};
use crate::engine::verdict::{Flags, Verdict, VoidCause};
use crate::host::record::{CHECKS, CheckRecord, TrialRecord};

/// How often a command of a cancelled trial is told to end.
const STOP_AGAIN: Duration = Duration::from_millis(100);

/// The file in a trial's directory that tells which hosts were asked for, and what became of that: a [`Seen`].
pub const NETWORK: &str = "network.json";

/// A trial to run.
pub struct Trial<'a> {
    /// The project's directory.
    pub root: &'a Path,
    /// The harness.
    pub harness: &'a Harness,
    /// The task.
    pub task: &'a AdmittedTask,
    /// Where it is run.
    pub bench: Bench<'a>,
    /// The model.
    pub client: &'a Client,
    /// Where model calls run.
    pub runtime: &'a Handle,
    /// Ends it early.
    pub cancel: &'a Cancel,
    /// Hears of each model call.
    pub meter: &'a Meter,
    /// The seed of its model requests.
    pub seed: Option<u32>,
    /// What its transcript says about it.
    pub about: &'a atif::About,
    /// Takes secrets out of everything that is kept.
    pub redactor: &'a Redactor,
    /// Where its transcript and the verifier's output are kept.
    pub directory: &'a Path,
}

/// What a trial came to.
#[derive(Debug)]
pub struct Done {
    /// The verdict with its evidence.
    pub judged: Judged,
    /// How the agent ended the last step; the steps of its trace are on the disk.
    pub worked: Option<Worked>,
    /// Tokens and money of all steps.
    pub usage: Usage,
    /// Answered model requests of all steps.
    pub requests: u32,
    /// Steps of the last trace.
    pub steps: usize,
    /// The digest of the digests of all traces.
    pub trace: Digest,
}

/// Somebody wanted it to end; it counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// Runs a trial.
///
/// # Errors
/// [`Cancelled`] if it was cancelled; nothing of it is left then.
pub fn perform(trial: &Trial<'_>) -> Result<Done, Cancelled> {
    let egress = trial.bench.egress.fresh();
    let trial = &Trial { bench: Bench { egress: &egress, ..trial.bench }, ..*trial };
    let plan = trial.task.plan();
    let mut done = Done::nothing();
    let Some(template) = trial.task.template() else {
        done.judged = Judged::void(VoidCause::EnvironmentSetup, "the task has no start tree in a sandbox");
        return Ok(done);
    };
    let mut before = template.tree.clone();
    let (mut judged, mut traces, mut frozen) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..plan.steps.len() {
        if let Err(changed) = plan.unchanged() {
            judged.push(Judged::void(VoidCause::ContractBroken, changed.to_string()));
            break;
        }
        let (verdict, after) = match one_step(trial, step, &before, &mut done, &mut traces) {
            Ok(outcome) => outcome,
            Err(Cancelled) => {
                forget(&frozen);
                return Err(Cancelled);
            }
        };
        let goes_on = suite::goes_on(plan, step, &verdict);
        judged.push(verdict);
        match after {
            Some(after) => {
                frozen.push(after.archive().to_path_buf());
                before = after;
            }
            None => break,
        }
        if !goes_on {
            break;
        }
    }
    forget(&frozen);
    done.judged = suite::combine(plan, &judged);
    done.judged.flags = flags(done.judged.flags, done.worked.as_ref());
    done.trace = Digest::of_parts(traces.iter().map(|trace| trace.bytes().as_slice()));
    keep_output(trial.redactor, trial.directory, &mut done);
    keep_seen(trial, egress.seen());
    Ok(done)
}

fn forget(archives: &[std::path::PathBuf]) {
    for archive in archives {
        // What cannot be removed is swept with the directory of the run.
        let _ = fs::remove_file(archive);
    }
}

/// One step: its verdict, and the tree that the next one starts from.
fn one_step(
    trial: &Trial<'_>,
    step: usize,
    before: &TreeSnapshot,
    done: &mut Done,
    traces: &mut Vec<Digest>,
) -> Result<(Judged, Option<TreeSnapshot>), Cancelled> {
    let plan = trial.task.plan();
    let void = |cause, why: String| Ok((Judged::void(cause, why), None));
    let tree = match suite::begin(plan, step, before, &trial.bench) {
        Ok(tree) => tree,
        Err(error) => return void(VoidCause::EnvironmentSetup, error.to_string()),
    };
    let Some(asked) = plan.steps.get(step) else {
        return void(VoidCause::EnvironmentSetup, format!("the task has no step {step}"));
    };
    let is_command = trial.harness.manifest().agent.value.kind.value == AgentKind::Command;
    let mut spec = plan.spec(Phase::Agent, tree);
    if is_command {
        spec.network = Network::Model;
        match command::lay_out(trial.harness, trial.root, &asked.instruction, &spec.tree) {
            Ok(mounts) => spec.mounts.extend(mounts),
            Err(error) => {
                let _ = spec.tree.remove();
                return void(VoidCause::EnvironmentSetup, error.to_string());
            }
        }
    }
    let access = &asked.agent_network.access;
    spec.network = trial.bench.egress.road(access, spec.network);
    let mut sandbox = match trial.bench.backend.start(spec) {
        Ok(sandbox) => sandbox,
        Err(error) => return void(VoidCause::EnvironmentSetup, error.to_string()),
    };
    let road = match trial.bench.egress.open(access, "agent", &mut *sandbox) {
        Ok(road) => road,
        // A sandbox that is dropped takes its tree with it.
        Err(error) => return void(VoidCause::EnvironmentSetup, error.to_string()),
    };
    let work = Work {
        harness: trial.harness,
        instruction: &asked.instruction,
        workdir: &plan.workdir,
        timeout: asked.agent_timeout,
        seed: trial.seed,
        client: trial.client,
        runtime: trial.runtime,
        cancel: trial.cancel,
        meter: trial.meter,
        started: Instant::now(),
    };
    let impatient = stop_when_cancelled(trial, &*sandbox);
    let (worked, dead) = if is_command {
        let ran = command::run(&work, &mut *sandbox);
        let dead = sandbox.kill();
        (dead.as_ref().ok().map(|dead| ran.read(dead)), dead)
    } else {
        let worked = agents::native::work(&work, &mut *sandbox);
        (Some(worked), sandbox.kill())
    };
    drop(road);
    if let Some(task) = impatient {
        task.abort();
    }
    if trial.cancel.is_cancelled() {
        if let Ok(dead) = dead {
            // It is removed by the next sweep if it cannot be now.
            let _ = dead.into_tree().remove();
        }
        return Err(Cancelled);
    }
    let cut = cut_off(&dead);
    let mut agent_void = None;
    if let Some(mut worked) = worked {
        take(trial, step, &mut worked, done, traces);
        agent_void = worked.void.map(|cause| (cause, worked.detail.clone()));
        done.worked = Some(worked);
    }
    let dead = match (dead, cut) {
        (Ok(dead), None) => dead,
        (Ok(dead), Some((cause, why))) => {
            let _ = dead.into_tree().remove();
            return void(cause, why);
        }
        (Err(error), _) => return void(VoidCause::HostResource, error.to_string()),
    };
    if let Some((cause, why)) = agent_void {
        let _ = dead.into_tree().remove();
        return void(cause, why);
    }
    let frozen =
        trial.bench.archive().and_then(|archive| snapshot::snapshot(&dead, &archive, &TreeLimits::default()));
    let _ = dead.into_tree().remove();
    match frozen {
        Ok(frozen) => Ok((suite::verify(trial.task, step, &frozen, &trial.bench), Some(frozen))),
        Err(error) => void(VoidCause::HostResource, error.to_string()),
    }
}

/// Ends the command that runs as soon as nobody wants the trial any more; without it a cancelled trial would wait for its tool.
fn stop_when_cancelled(trial: &Trial<'_>, sandbox: &dyn Sandbox) -> Option<JoinHandle<()>> {
    let (stopper, cancel) = (sandbox.stopper()?, trial.cancel.clone());
    Some(trial.runtime.spawn(async move {
        cancel.cancelled().await;
        loop {
            // The next one may have been started just now.
            stopper.stop();
            tokio::time::sleep(STOP_AGAIN).await;
        }
    }))
}

/// Why the sandbox of an agent measured nothing, if it did not.
fn cut_off(dead: &Result<Dead, SandboxError>) -> Option<(VoidCause, String)> {
    let Ok(dead) = dead else { return None };
    match dead.ended() {
        Ended::Died(Cause::HostFloor(what)) => {
            Some((VoidCause::HostResource, format!("the machine ran out of {what}")))
        }
        // An agent may well answer without running anything.
        Ended::Died(Cause::Unused) => None,
        Ended::Died(cause) => {
            Some((VoidCause::KilledOutside, format!("the agent's sandbox was cut off ({cause:?})")))
        }
        _ => None,
    }
}

/// Notes what a step took, and moves its transcript to the disk: a verifier may run for long, and transcripts are large.
fn take(trial: &Trial<'_>, step: usize, worked: &mut Worked, done: &mut Done, traces: &mut Vec<Digest>) {
    done.requests += worked.requests;
    done.usage = Usage {
        input: done.usage.input + worked.usage.input,
        cached: done.usage.cached + worked.usage.cached,
        output: done.usage.output + worked.usage.output,
        cost: done.usage.cost.zip(worked.usage.cost).map(|(one, other)| one + other),
    };
    let name = trace_name(step);
    traces.push(keep_trace(trial.redactor, trial.directory, trial.about, &name, &worked.trace));
    done.steps = std::mem::take(&mut worked.trace.steps).len();
}

/// The name of the trace of a step, from 0.
pub(super) fn trace_name(step: usize) -> String {
    match step {
        0 => String::from("trajectory.json"),
        step => format!("trajectory-{}.json", step + 1),
    }
}

/// Keeps what an agent did, without secrets, and says the digest of that.
pub(super) fn keep_trace(
    redactor: &Redactor,
    directory: &Path,
    about: &atif::About,
    name: &str,
    trace: &Trace,
) -> Digest {
    let change = |part: &mut serde_json::Value| redactor.json(part);
    keep_document(directory, name, &atif::Written { trace, about, change })
}

/// Keeps a document for people, as [`keep`] does, and says the digest of its bytes.
fn keep_document(directory: &Path, name: &str, document: &impl Serialize) -> Digest {
    let file = fs::create_dir_all(directory).and_then(|()| fs::File::create(directory.join(name)));
    // The digest is of what was said, whether it could be kept or not.
    let mut digested = Digesting { file: file.map(BufWriter::new), hasher: Hasher::default() };
    let written = serde_json::to_writer_pretty(&mut digested, document).map_err(io::Error::from);
    let Digesting { file, hasher } = digested;
    if let Err(error) = written.and(file).and_then(|mut file| file.flush()) {
        tracing::warn!(%error, file = name, "a file of a trial cannot be kept");
    }
    hasher.finish()
}

/// A file that may be missing or full, and the digest of everything that was meant for it.
struct Digesting {
    file: io::Result<BufWriter<fs::File>>,
    hasher: Hasher,
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        if let Ok(file) = &mut self.file
            && let Err(error) = file.write_all(bytes)
        {
            self.file = Err(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what the verifier said.
pub(super) fn keep_output(redactor: &Redactor, directory: &Path, done: &mut Done) {
    done.judged.cause = redactor.text(&done.judged.cause).into_owned();
    done.judged.stdout_tail = redactor.text(&done.judged.stdout_tail).into_owned();
    if let Some(worked) = &mut done.worked {
        worked.detail = redactor.text(&worked.detail).into_owned();
    }
    if !done.judged.stdout_tail.is_empty() {
        keep(directory, "verifier.txt", done.judged.stdout_tail.as_bytes());
    }
    if !done.judged.checks.is_empty() {
        let checks: Vec<CheckRecord> = done.judged.checks.iter().map(CheckRecord::of).collect();
        let mut document = serde_json::to_value(checks).unwrap_or_default();
        redactor.json(&mut document);
        keep(directory, CHECKS, &serde_json::to_vec(&document).unwrap_or_default());
    }
}

/// Keeps what was seen on the roads to other hosts, if there was anything.
fn keep_seen(trial: &Trial<'_>, seen: Seen) {
    if !seen.is_empty() {
        let mut document = serde_json::to_value(seen).unwrap_or_default();
        trial.redactor.json(&mut document);
        keep(trial.directory, NETWORK, &serde_json::to_vec_pretty(&document).unwrap_or_default());
    }
}

/// Keeps a file for people. A verdict does not depend on it, so a disk that is full costs the file and not the trial.
fn keep(directory: &Path, name: &str, bytes: &[u8]) {
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(directory.join(name), bytes));
    if let Err(error) = written {
        tracing::warn!(%error, file = name, "a file of a trial cannot be kept");
    }
}

fn flags(flags: Flags, worked: Option<&Worked>) -> Flags {
    let Some(worked) = worked else { return flags };
    Flags {
        timed_out: flags.timed_out || worked.end == End::Time,
        limit_hit: flags.limit_hit
            || matches!(worked.end, End::Steps | End::Tokens | End::Cost | End::Context),
        ..flags
    }
}

impl Done {
    /// What a trial came to in which a mistake of ours showed: nothing was measured.
    #[must_use]
    pub fn failed(panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        let why = format!("a mistake in self-harness itself: {said}");
        Self { judged: Judged::void(VoidCause::EnvironmentSetup, why), ..Self::nothing() }
    }

    /// What a trial came to that has not begun.
    pub(super) fn nothing() -> Self {
        Self {
            judged: Judged::void(VoidCause::EnvironmentSetup, "the task has no step"),
            worked: None,
            usage: Usage { cost: Some(0.0), ..Usage::default() },
            requests: 0,
            steps: 0,
            trace: Digest::of(b""),
        }
    }

    /// Fills in what is stored of it.
    pub fn record(&self, record: &mut TrialRecord) {
        record.judge(self.judged.verdict, self.judged.flags);
        record.take(self.usage);
        record.rewards.clone_from(&self.judged.reward);
        record.partial = self.judged.partial;
        let failed = self.judged.checks.iter().filter(|check| check.status == CheckStatus::Failed);
        record.failed_checks = failed.map(|check| check.name.clone()).collect();
        record.verifier_output = self.judged.output_digest.to_string();
        record.requests = self.requests;
        record.trace = self.trace.to_string();
        record.detail.clone_from(&self.judged.cause);
        if let Some(worked) = &self.worked {
            record.end = worked.end.word().to_owned();
            record.steps = self.steps;
            record.model.clone_from(&worked.model);
            record.fingerprint.clone_from(&worked.fingerprint);
            let is_told = matches!(self.judged.verdict, Verdict::Void(_)) && !worked.detail.is_empty();
            if is_told && !record.detail.contains(&worked.detail) {
                record.detail = format!("{}: {}", record.detail, worked.detail);
            }
        }
    }
}
