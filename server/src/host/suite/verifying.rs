//! The verdict on what an agent left: the verifier's own, tried again where it is unreadable, and a pass only after it was
//! cross-examined (`security` 5, `method` 2.2).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness_schema::digest::Digest;

use super::admission::{AdmittedTask, Proof};
use super::bundle::Bundle;
use super::canary::{Canaries, Canary};
use super::environment::Bench;
use super::judging::{self, Look, NotRun, Said};
use super::plan::{StepPlan, TaskPlan};
use crate::engine::reward::{self, Check, CheckStatus};
use crate::engine::verdict::{Flags, Verdict, VoidCause};
use crate::host::random;
use crate::host::sandbox::snapshot::TreeSnapshot;

/// How often a verifier is run on one tree before what it leaves counts as it is.
const TRIES: u32 = 2;

/// A trial, or a step of one, that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// What else is to be known.
    pub flags: Flags,
    /// Why, in a sentence without a full stop.
    pub cause: String,
    /// The rewards by name; empty if none could be read.
    pub reward: BTreeMap<String, f64>,
    /// The share of the checks that failed, if there is a report.
    pub partial: Option<f64>,
    /// The checks of the report, as evidence.
    pub checks: Vec<Check>,
    /// The last lines that the verifier printed, as evidence.
    pub stdout_tail: String,
    /// The digest of all that the verifier left and printed.
    pub output_digest: Digest,
    /// How often the verifier was run.
    pub attempts: u32,
    /// How long all of that took.
    pub took: Duration,
}

impl Judged {
    /// Nothing was measured.
    #[must_use]
    pub fn void(cause: VoidCause, why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Void(cause),
            flags: Flags::default(),
            cause: why.into(),
            reward: BTreeMap::new(),
            partial: None,
            checks: Vec::new(),
            stdout_tail: String::new(),
            output_digest: Digest::of(b""),
            attempts: 0,
            took: Duration::ZERO,
        }
    }
}

/// Judges a tree in the place where a step of a task ends; 0 is the only step of a task of one.
#[must_use]
pub fn verify(task: &AdmittedTask, step: usize, tree: &TreeSnapshot, bench: &Bench<'_>) -> Judged {
    let began = Instant::now();
    let plan = task.plan();
    let (Some(planned), Some(proof)) = (plan.steps.get(step), task.admission().steps.get(step)) else {
        return Judged::void(VoidCause::EnvironmentSetup, format!("the task has no step {step}"));
    };
    let mut judging = Judging { plan, step: planned, proof, tree, bench, attempts: 0 };
    let mut judged = judging.judge();
    if let Err(changed) = plan.unchanged() {
        judged = Judged {
            attempts: judging.attempts,
            ..Judged::void(VoidCause::ContractBroken, changed.to_string())
        };
    }
    judged.attempts = judging.attempts;
    judged.took = began.elapsed();
    judged
}

struct Judging<'a> {
    plan: &'a TaskPlan,
    step: &'a StepPlan,
    proof: &'a Proof,
    tree: &'a TreeSnapshot,
    bench: &'a Bench<'a>,
    attempts: u32,
}

impl Judging<'_> {
    fn judge(&mut self) -> Judged {
        let tests = match self.step.verifier() {
            Ok(tests) if tests.digest() == self.step.tests_digest => tests,
            Ok(_) => {
                return Judged::void(VoidCause::ContractBroken, "the verifier changed since the run began");
            }
            Err(error) => return Judged::void(VoidCause::ContractBroken, error.to_string()),
        };
        let look = match self.look(&tests) {
            Ok(look) => look,
            Err(error) => return Judged::void(error.void(), error.to_string()),
        };
        let mut judged = self.reported(&look);
        if judged.verdict == Verdict::Pass {
            match self.cross_examine(&tests, &look) {
                Ok(Answer::Holds) => {}
                Ok(Answer::Denied(why)) => {
                    judged.verdict = Verdict::Fail;
                    judged.flags.tampered = true;
                    judged.cause = why;
                }
                Ok(Answer::TimedOut) => {
                    judged.verdict = Verdict::Fail;
                    judged.flags.verifier_timeout = true;
                    judged.reward.clear();
                    judged.cause = self.too_slow();
                }
                Err(error) => return Judged::void(error.void(), error.to_string()),
            }
        }
        judged
    }

    /// Runs the verifier, and once more if it took too long or left no readable reward.
    fn look(&mut self, tests: &Bundle) -> Result<Look, NotRun> {
        loop {
            self.attempts += 1;
            let look = judging::look(self.plan, self.step, tests, self.tree, self.bench)?;
            let is_read = matches!(look.says(&self.plan.rewards), Said::Pass | Said::Fail);
            if is_read || TRIES <= self.attempts {
                return Ok(look);
            }
        }
    }

    /// What the verifier says, before anybody doubts it.
    fn reported(&self, look: &Look) -> Judged {
        let checks = look.checks.as_ref().cloned().unwrap_or_default();
        let (verdict, verifier_timeout, cause) = match look.says(&self.plan.rewards) {
            Said::Pass => (Verdict::Pass, false, String::from("every required reward is reached")),
            Said::Fail => (Verdict::Fail, false, look.failed()),
            Said::TimedOut => (Verdict::Fail, true, self.too_slow()),
            Said::Nothing(why) => (Verdict::Void(VoidCause::VerifierCrash), false, why),
        };
        // What was written by a verifier that did not come to its end is no reward.
        let is_reward = !verifier_timeout && !matches!(verdict, Verdict::Void(_));
        let rewards = look.rewards.as_ref().ok().filter(|_| is_reward);
        let reward = rewards.map(|rewards| rewards.by_name().clone()).unwrap_or_default();
        Judged {
            verdict,
            flags: Flags { verifier_timeout, ..Flags::default() },
            cause,
            reward,
            partial: reward::partial(&checks),
            checks,
            stdout_tail: look.tail.clone(),
            output_digest: look.digest,
            attempts: self.attempts,
            took: Duration::ZERO,
        }
    }

    fn too_slow(&self) -> String {
        format!("the verifier took longer than {}, twice", judging::seconds(self.step.verifier_timeout))
    }

    /// A pass is believed if all checks are reported that passed for the solution, and if the same verifier on the same tree
    /// still notices checks that must fail.
    fn cross_examine(&mut self, tests: &Bundle, look: &Look) -> Result<Answer, NotRun> {
        let lacks = |id: &&String| !look.has(CheckStatus::Passed, |name| name == id.as_str());
        if let Some(missing) = self.proof.manifest.iter().find(lacks) {
            let why = match &look.checks {
                Err(reason) => format!("the reward says pass, but {reason}"),
                Ok(_) => format!(
                    "the reward says pass, but the report has no passed check `{}`",
                    judging::shown(missing)
                ),
            };
            return Ok(Answer::Denied(why));
        }
        let Some(canary) = &self.proof.canary else { return Ok(Answer::Holds) };
        let mut answer = Answer::Holds;
        for _ in 0..TRIES {
            self.attempts += 1;
            answer = ask(self.plan, self.step, tests, canary, self.tree, self.bench)?.1;
            if !matches!(answer, Answer::TimedOut) {
                return Ok(answer);
            }
        }
        Ok(answer)
    }
}

/// What came of adding checks that must fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The verifier noticed each.
    Holds,
    /// It did not, and why that is known.
    Denied(String),
    /// It took too long to tell.
    TimedOut,
}

/// Judges a tree with fresh canaries in the verifier.
pub(super) fn ask(
    plan: &TaskPlan,
    step: &StepPlan,
    tests: &Bundle,
    canary: &Canary,
    tree: &TreeSnapshot,
    bench: &Bench<'_>,
) -> Result<(Canaries, Answer, Look), NotRun> {
    let random = |source| crate::host::sandbox::tree::TreeError::Io {
        what: "take random numbers for",
        path: bench.archives.to_path_buf(),
        source,
    };
    let canaries = Canaries::new(&canary.styles, random::name).map_err(random)?;
    let look = judging::look(plan, step, &canaries.added(tests, &canary.way), tree, bench)?;
    let unseen = |name: &str| !look.has(CheckStatus::Failed, |reported| reported.contains(name));
    let said = look.says(&plan.rewards);
    let answer = if said == Said::TimedOut {
        Answer::TimedOut
    } else if said == Said::Pass {
        Answer::Denied(String::from("the verifier still says pass when checks are added that must fail"))
    } else if let Some((style, _)) = canaries.each().find(|(_, name)| canary.reported && unseen(name)) {
        let why = format!("a check was added that must fail ({style:?}), and is not reported as failed");
        Answer::Denied(why)
    } else {
        Answer::Holds
    };
    Ok((canaries, answer, look))
}
