//! Tries a task by jobs of Harbor's own agents: the one that does nothing must not pass, the solution must, twice (`formats` 5.3).
//! No failing check is added: the verifier is Harbor's.

use std::collections::BTreeSet;

use harness_schema::digest::Digest;

use super::trial::evidence;
use super::workshop::Workshop;
use crate::engine::harbor::job::{IDLE, ORACLE};
use crate::engine::harbor::verdict::{Measure, Seen, judge};
use crate::engine::reward::CheckStatus;
use crate::engine::verdict::{Verdict, VoidCause};
use crate::host::agents::Cancel;
use crate::host::suite::{Admission, AdmittedTask, Judged, Mark, NotAdmitted, Proof, TaskPlan};

/// How often the solution has to pass.
const SOLVED: u32 = 2;

/// Tries a task; `known` is the digest under which it is remembered.
///
/// # Errors
/// [`NotAdmitted`] if its verdicts would mean nothing.
pub fn admit(
    plan: TaskPlan,
    workshop: &Workshop,
    known: &Digest,
    cancel: &Cancel,
) -> Result<AdmittedTask, NotAdmitted> {
    let run = |agent: &str, number: u32| {
        let name = format!("check-{}-{agent}-{number}", known.short(16));
        let judged = judged(&plan, workshop, &name, agent, cancel);
        workshop.forget(&name);
        judged
    };
    let idle = run(IDLE, 1)?;
    if idle.verdict == Verdict::Pass {
        return Err(NotAdmitted::NullPasses { place: String::new() });
    }
    let mut proof = Proof { marks: BTreeSet::from([Mark::NoCanary]), ..Proof::default() };
    if plan.solution.is_none() {
        proof.marks.insert(Mark::NoSolution);
    } else {
        let mut seen = Vec::new();
        for number in 1..=SOLVED {
            let solved = run(ORACLE, number)?;
            if solved.verdict != Verdict::Pass {
                let why = if solved.cause.is_empty() { String::from("it fails") } else { solved.cause };
                return Err(NotAdmitted::OracleFails { place: String::new(), why });
            }
            let passed = solved.checks.iter().filter(|check| check.status == CheckStatus::Passed);
            seen.push(passed.map(|check| check.name.clone()).collect::<BTreeSet<_>>());
        }
        let both = seen.into_iter().reduce(|one, other| &one & &other);
        proof.manifest = both.unwrap_or_default();
    }
    if proof.manifest.is_empty() {
        proof.marks.insert(Mark::NoReport);
    }
    plan.unchanged()?;
    // A job is about all steps together, and so is what it proves.
    let steps = std::iter::once(proof.clone());
    let others = Proof { manifest: BTreeSet::new(), ..proof };
    let steps = steps.chain(std::iter::repeat(others)).take(plan.steps.len()).collect();
    let admission = Admission {
        task: plan.digests.task,
        verifier: plan.digests.verifier,
        solution: plan.solution.unwrap_or(Digest::of(b"")),
        steps,
    };
    Ok(AdmittedTask::delegated(plan, admission)?)
}

fn judged(
    plan: &TaskPlan,
    workshop: &Workshop,
    name: &str,
    agent: &str,
    cancel: &Cancel,
) -> Result<Judged, NotAdmitted> {
    let not_run = |void, why: String| NotAdmitted::NotRun { void, why };
    let asked = workshop.check(agent);
    let job = workshop.job(name, &asked.0, plan);
    let finished = match workshop.finish(&job, plan, &asked, cancel) {
        Ok(Ok(finished)) => finished,
        Ok(Err((void, why))) => return Err(not_run(void, why)),
        Err(_) => return Err(not_run(VoidCause::KilledOutside, String::from("it was cancelled"))),
    };
    let measure = Measure { thresholds: &plan.rewards, oracle_holds: false, needs_model: false };
    let judgement = judge(&finished.result, measure, Seen { asked: false, is_readable: false });
    match judgement.verdict {
        // An agent that does nothing may well leave a verifier without anything to say.
        Verdict::Void(VoidCause::VerifierCrash) if agent == IDLE => Ok(evidence(&finished, &judgement)),
        Verdict::Void(void) => Err(not_run(void, judgement.why)),
        Verdict::Pass | Verdict::Fail => Ok(evidence(&finished, &judgement)),
    }
}
