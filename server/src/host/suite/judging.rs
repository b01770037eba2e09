//! One run of a verifier on a frozen tree, and what it left. Whatever lies there was written beside programs of an agent:
//! it is read with care, and believed by nobody here.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use harness_schema::digest::Digest;
use rustix::fs::{FileType, Mode, OFlags};

use super::bundle::{Bundle, BundleError, Writer};
use super::environment::{Bench, in_words, is_full, script, void_of};
use super::plan::{StepPlan, TaskPlan};
use crate::engine::reward::{
    self, Check, CheckStatus, MAX_REPORT_BYTES, MAX_REWARD_BYTES, RewardError, Rewards,
};
use crate::engine::verdict::VoidCause;
use crate::host::sandbox::snapshot::TreeSnapshot;
use crate::host::sandbox::spec::{Cause, Env, Mount};
use crate::host::sandbox::tree::TreeError;
use crate::host::sandbox::{Dead, Ended, Phase, SandboxError, TrialTree, beneath};

/// The script of a verifier.
const SCRIPT: &str = "test.sh";
/// How many lines of its output are evidence.
const TAIL_LINES: usize = 80;

/// How many checks a cause names.
const NAMED: usize = 5;
/// How much of a name is told.
const NAME_CHARS: usize = 120;

/// What one run of a verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Every reward that decides reaches its threshold.
    Pass,
    /// One does not.
    Fail,
    /// It took too long.
    TimedOut,
    /// Nothing that can be read; why not.
    Nothing(String),
}

/// What one run of a verifier left.
#[derive(Debug)]
pub(super) struct Look {
    /// How its script ended.
    pub(super) ended: Ended,
    /// The rewards, or why there are none.
    pub(super) rewards: Result<Rewards, RewardError>,
    /// Its report; in words, why it has none that can be read.
    pub(super) checks: Result<Vec<Check>, String>,
    /// The last lines that it printed.
    pub(super) tail: String,
    /// The digest of all of it.
    pub(super) digest: Digest,
}

/// Why a verifier did not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRun {
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The files of the verifier.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The sandbox ended although nobody meant it to.
    #[error("the sandbox of the verifier was cut off ({0:?})")]
    CutOff(Cause),
}

impl NotRun {
    /// What a trial is that could not be judged.
    pub(super) fn void(&self) -> VoidCause {
        match self {
            Self::CutOff(Cause::HostFloor(_)) => VoidCause::HostResource,
            Self::CutOff(_) => VoidCause::KilledOutside,
            Self::Sandbox(error) => void_of(error),
            Self::Tree(error) if is_full(error) => VoidCause::HostResource,
            Self::Tree(_) | Self::Bundle(_) => VoidCause::EnvironmentSetup,
        }
    }
}

impl Look {
    /// What it says, before anybody doubts it. Exit codes are not trusted.
    pub(super) fn says(&self, thresholds: &BTreeMap<String, f64>) -> Said {
        match &self.ended {
            Ended::TimedOut => return Said::TimedOut,
            Ended::Finished(_) | Ended::Signalled(_) => {}
            // What was written by a verifier that did not come to its own end is no reward.
            ended => return Said::Nothing(format!("the verifier {}", in_words(ended))),
        }
        match self.rewards.as_ref().map_err(Clone::clone).and_then(|rewards| rewards.pass(thresholds)) {
            Ok(true) => Said::Pass,
            Ok(false) => Said::Fail,
            Err(error) => Said::Nothing(error.to_string()),
        }
    }

    /// Why it is no pass.
    pub(super) fn failed(&self) -> String {
        let checks = self.checks.as_deref().unwrap_or_default();
        let failed = checks.iter().filter(|check| check.status == CheckStatus::Failed);
        let names: Vec<String> = failed.map(|check| format!("`{}`", shown(&check.name))).collect();
        if names.is_empty() {
            return String::from("a required reward is not reached");
        }
        let named = names.get(..NAMED.min(names.len())).unwrap_or_default().join(", ");
        let more = if NAMED < names.len() { ", …" } else { "" };
        format!("{} of {} checks failed: {named}{more}", names.len(), checks.len())
    }

    /// How a check ended, by a part of its name.
    pub(super) fn has(&self, status: CheckStatus, is_meant: impl Fn(&str) -> bool) -> bool {
        let mut checks = self.checks.iter().flatten().filter(|check| is_meant(&check.name)).peekable();
        checks.peek().is_some() && checks.all(|check| check.status == status)
    }
}

/// Runs a verifier once: a fresh sandbox, a copy of the tree, these tests.
pub(super) fn look(
    plan: &TaskPlan,
    step: &StepPlan,
    tests: &Bundle,
    tree: &TreeSnapshot,
    bench: &Bench<'_>,
) -> Result<Look, NotRun> {
    let mut tests = tests.clone();
    tests.make_executable(SCRIPT);
    let fresh = bench.trials.fresh()?;
    if let Err(error) = fill(&fresh, tree, &tests) {
        // The first failure is the one that is told.
        let _ = fresh.remove();
        return Err(error);
    }
    let mut spec = plan.spec(Phase::Verify, fresh);
    spec.mounts.push(Mount::new(spec.tree.directory().join("tests"), "/tests"));
    let variables = plan.env.each().chain(step.verifier_env.each());
    spec.env = Env::of(variables)?;
    let access = &step.verifier_network.access;
    spec.network = bench.egress.road(access, spec.network);
    let mut sandbox = bench.backend.start(spec)?;
    let _road = bench.egress.open(access, "verifier", &mut *sandbox)?;
    let command = plan.command(script(&format!("/tests/{SCRIPT}")).within(step.verifier_timeout));
    let executed = sandbox.exec(&command)?;
    let dead = sandbox.kill()?;
    let look = match dead.ended() {
        Ended::Died(cause) => Err(NotRun::CutOff(cause.clone())),
        ended => Ok(left(&dead, ended.clone(), &executed.stdout.text())),
    };
    dead.into_tree().remove()?;
    look
}

/// The tree of the agent, and beside it, unseen until it is mounted, the verifier.
fn fill(fresh: &TrialTree, tree: &TreeSnapshot, tests: &Bundle) -> Result<(), NotRun> {
    tree.restore(fresh)?;
    let writer = Writer::into_new(&fresh.directory().join("tests"), fresh.owner())?;
    Ok(tests.write(&writer)?)
}

fn left(dead: &Dead, ended: Ended, printed: &str) -> Look {
    let owner = match dead.tree().owner() {
        Some(owner) => owner.uid,
        None => rustix::process::geteuid().as_raw(),
    };
    let out = beneath::directory(&dead.tree().out());
    let read = |name: &str, most: usize| -> Result<Option<Vec<u8>>, String> {
        match &out {
            Ok(out) => read(out, name, owner, most),
            Err(error) => Err(format!("it cannot be looked for: {error}")),
        }
    };
    let json = read("reward.json", MAX_REWARD_BYTES);
    let text = read("reward.txt", MAX_REWARD_BYTES);
    let report = read("ctrf.json", MAX_REPORT_BYTES);
    let part = |read: &Result<Option<Vec<u8>>, String>| match read {
        Ok(Some(bytes)) => bytes.clone(),
        Ok(None) => Vec::new(),
        Err(reason) => reason.clone().into_bytes(),
    };
    let parts = [part(&json), part(&text), part(&report), printed.as_bytes().to_vec()];
    let malformed = |file: &'static str, reason: String| RewardError::Malformed { file, reason };
    let rewards = match (json, text) {
        (Err(reason), _) => Err(malformed("reward.json", reason)),
        (Ok(None), Err(reason)) => Err(malformed("reward.txt", reason)),
        (Ok(json), text) => Rewards::read(json.as_deref(), text.ok().flatten().as_deref()),
    };
    let checks = match report {
        Ok(Some(bytes)) => {
            reward::report(&bytes).map_err(|reason| format!("`ctrf.json` is malformed: {reason}"))
        }
        Ok(None) => Err(String::from("the verifier left no `ctrf.json`")),
        Err(reason) => Err(format!("`ctrf.json` is malformed: {reason}")),
    };
    Look {
        ended,
        rewards,
        checks,
        tail: tail(printed),
        digest: Digest::of_parts(parts.iter().map(Vec::as_slice)),
    }
}

/// The last lines of an output, without characters that control a terminal.
pub(in crate::host) fn tail(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    let lines = lines.get(from..).unwrap_or_default().iter();
    let clean =
        lines.map(|line| line.chars().filter(|char| *char == '\t' || !char.is_control()).collect::<String>());
    clean.collect::<Vec<_>>().join("\n")
}

/// A file that a verifier may have left: regular, with one name, ours, and not too large.
fn read(directory: &OwnedFd, name: &str, owner: u32, most: usize) -> Result<Option<Vec<u8>>, String> {
    let name = CString::new(name).map_err(|_| String::from("it has no name"))?;
    // A pipe would never be opened otherwise.
    let opened = beneath::open_own(directory, &name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::RUSR);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(String::from("it is a link")),
        Err(error) => return Err(format!("it cannot be opened: {error}")),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| format!("it cannot be looked at: {error}"))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(String::from("it is no regular file"));
    }
    if stat.st_nlink != 1 {
        return Err(String::from("it has another name"));
    }
    if stat.st_uid != owner {
        return Err(String::from("it belongs to somebody else"));
    }
    let limit = most as u64;
    if limit < u64::try_from(stat.st_size).unwrap_or(u64::MAX) {
        return Err(format!("it has more than {most} bytes"));
    }
    let mut bytes = Vec::new();
    let read: io::Result<usize> = File::from(file).take(limit + 1).read_to_end(&mut bytes);
    match read {
        Ok(read) if read <= most => Ok(Some(bytes)),
        Ok(_) => Err(format!("it has more than {most} bytes")),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// A name from a report, for a message: short, and without characters that control a terminal.
pub(in crate::host) fn shown(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(NAME_CHARS).collect()
}

/// How long something took, in messages.
pub(super) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
