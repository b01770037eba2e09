//! One verdict of several steps. Pure.

use std::collections::BTreeMap;

use harness_schema::digest::Digest;
use harness_schema::task::RewardStrategy;

use super::plan::TaskPlan;
use super::verifying::Judged;
use crate::engine::reward::{self, Rewards};
use crate::engine::verdict::{Verdict, VoidCause};

/// Whether a trial goes on after a step: its rewards reach the least ones, and it measured something.
#[must_use]
pub fn goes_on(plan: &TaskPlan, step: usize, judged: &Judged) -> bool {
    let Some(planned) = plan.steps.get(step) else { return false };
    let is_last = plan.steps.len() <= step + 1;
    let only = judged.reward.values().next().filter(|_| judged.reward.len() == 1);
    let reaches = |(name, least): (&String, &f64)| {
        let reward = judged.reward.get(name).or(only.filter(|_| planned.min_reward.len() == 1));
        reward.is_some_and(|reward| least <= reward)
    };
    // What was bought is worth nothing, and neither is what comes after it.
    let counts = !matches!(judged.verdict, Verdict::Void(_)) && !judged.flags.tampered;
    !is_last && counts && planned.min_reward.iter().all(reaches)
}

/// The verdict of a trial from those of its steps, in order, as far as it went. One step is its own verdict.
///
/// A void step makes the trial void, a bought one makes it bought. The mean is over the steps with a verdict; the last
/// step's reward counts only if the trial came to it.
#[must_use]
pub fn combine(plan: &TaskPlan, judged: &[Judged]) -> Judged {
    let Some(last) = judged.last() else {
        return Judged::void(VoidCause::EnvironmentSetup, "no step was judged");
    };
    if !plan.has_steps() {
        return last.clone();
    }
    let is_void = |judged: &&Judged| matches!(judged.verdict, Verdict::Void(_));
    let mut whole = judged.iter().find(is_void).unwrap_or(last).clone();
    let step = |at: usize| plan.steps.get(at).map_or("", |step| step.name.as_str());
    whole.checks = judged.iter().flat_map(|judged| judged.checks.iter().cloned()).collect();
    whole.partial = reward::partial(&whole.checks);
    whole.attempts = judged.iter().map(|judged| judged.attempts).sum();
    whole.took = judged.iter().map(|judged| judged.took).sum();
    whole.output_digest =
        Digest::of_parts(judged.iter().map(|judged| judged.output_digest.bytes().as_slice()));
    for judged in judged {
        whole.flags.timed_out |= judged.flags.timed_out;
        whole.flags.limit_hit |= judged.flags.limit_hit;
        whole.flags.verifier_timeout |= judged.flags.verifier_timeout;
        whole.flags.tampered |= judged.flags.tampered;
    }
    if matches!(whole.verdict, Verdict::Void(_)) {
        return whole;
    }
    if let Some((at, bought)) = judged.iter().enumerate().find(|(_, judged)| judged.flags.tampered) {
        whole.verdict = Verdict::Fail;
        whole.cause = format!("step `{}`: {}", step(at), bought.cause);
        return whole;
    }
    let (is_whole, steps) = (judged.len() == plan.steps.len(), plan.steps.len());
    let reward = match plan.strategy {
        RewardStrategy::Mean => mean(judged),
        RewardStrategy::Final if is_whole => last.reward.clone(),
        RewardStrategy::Final => BTreeMap::new(),
    };
    let pass = of(&reward).is_some_and(|rewards| rewards.pass(&plan.rewards) == Ok(true));
    whole.reward = reward;
    whole.verdict = if pass { Verdict::Pass } else { Verdict::Fail };
    let failed = judged.iter().enumerate().find(|(_, judged)| judged.verdict != Verdict::Pass);
    whole.cause = match failed {
        _ if pass => String::from("every required reward is reached"),
        Some((at, failed)) => format!("step `{}`, {} of {steps}: {}", step(at), at + 1, failed.cause),
        None => String::from("a required reward is not reached"),
    };
    whole
}

/// The mean of each reward over the steps; a step that lacks one has 0 of it.
fn mean(judged: &[Judged]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (name, reward) in judged.iter().flat_map(|judged| &judged.reward) {
        *sums.entry(name.clone()).or_default() += reward;
    }
    sums.into_iter().map(|(name, sum)| (name, sum / judged.len() as f64)).collect()
}

/// Rewards from numbers.
fn of(reward: &BTreeMap<String, f64>) -> Option<Rewards> {
    let text = serde_json::to_vec(reward).ok()?;
    Rewards::read(Some(&text), None).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use harness_schema::path::FilePath;

    use super::*;
    use crate::engine::contract;
    use crate::engine::verdict::Flags;
    use crate::host::egress::Access;
    use crate::host::sandbox::spec::Env;
    use crate::host::suite::plan::{Reach, StepPlan};

    fn nobody() -> Reach {
        Reach { access: Access::Off, file: FilePath::parse("tasks/t/task.toml").unwrap(), line: 1 }
    }

    fn plan(strategy: RewardStrategy, least: &[f64]) -> TaskPlan {
        let digest = Digest::of(b"");
        let steps = least.iter().enumerate().map(|(number, least)| StepPlan {
            name: format!("s{number}"),
            instruction: String::new(),
            agent_timeout: Duration::from_secs(1),
            agent_network: nobody(),
            verifier_timeout: Duration::from_secs(1),
            verifier_network: nobody(),
            verifier_env: Env::default(),
            tests: Vec::new(),
            tests_digest: digest,
            solution: None,
            solution_env: Env::default(),
            workdir: None,
            healthcheck: None,
            min_reward: BTreeMap::from([(String::new(), *least)]),
        });
        TaskPlan {
            directory: std::path::PathBuf::new(),
            registered: None,
            id: String::new(),
            root: String::from("/app"),
            workdir: String::from("/app"),
            image: None,
            env: Env::default(),
            environment: PathBuf::new(),
            build: Vec::new(),
            build_timeout: Duration::from_secs(1),
            memory_bytes: 1,
            healthcheck: None,
            steps: steps.collect(),
            strategy,
            rewards: BTreeMap::from([(String::from("reward"), 0.7)]),
            notes: Vec::new(),
            digests: contract::Task { task: digest, verifier: digest, image: None },
            solution: None,
            sources: Vec::new(),
        }
    }

    fn judged(reward: f64) -> Judged {
        let verdict = if 0.7 <= reward { Verdict::Pass } else { Verdict::Fail };
        let reward = BTreeMap::from([(String::from("reward"), reward)]);
        Judged { verdict, reward, attempts: 1, ..Judged::void(VoidCause::Adapter, "why") }
    }

    #[test]
    fn the_mean_or_the_last_step_decides() {
        let verdict = |strategy, rewards: &[f64]| {
            let steps: Vec<Judged> = rewards.iter().copied().map(judged).collect();
            combine(&plan(strategy, &[0.0, 0.0]), &steps).verdict
        };
        assert_eq!(verdict(RewardStrategy::Mean, &[1.0, 0.5]), Verdict::Pass);
        assert_eq!(verdict(RewardStrategy::Mean, &[1.0, 0.3]), Verdict::Fail);
        assert_eq!(verdict(RewardStrategy::Final, &[0.0, 1.0]), Verdict::Pass);
        assert_eq!(verdict(RewardStrategy::Final, &[1.0, 0.0]), Verdict::Fail);
        assert_eq!(verdict(RewardStrategy::Final, &[1.0]), Verdict::Fail);
        assert!(matches!(verdict(RewardStrategy::Mean, &[]), Verdict::Void(_)));
    }

    #[test]
    fn a_void_or_bought_step_is_the_whole_trial() {
        let plan = plan(RewardStrategy::Final, &[0.0, 0.0]);
        let void = Judged::void(VoidCause::VerifierCrash, "no reward");
        let whole = combine(&plan, &[void.clone(), judged(1.0)]);
        assert_eq!((whole.verdict, whole.attempts), (Verdict::Void(VoidCause::VerifierCrash), 1));
        let bought = Judged {
            verdict: Verdict::Fail,
            flags: Flags { tampered: true, ..Flags::default() },
            ..judged(1.0)
        };
        let whole = combine(&plan, &[bought.clone(), judged(1.0)]);
        assert_eq!((whole.verdict, whole.flags.tampered), (Verdict::Fail, true));
        assert!(whole.cause.starts_with("step `s0`: "), "{}", whole.cause);
        assert!(!goes_on(&plan, 0, &void) && !goes_on(&plan, 0, &bought));
    }

    #[test]
    fn a_trial_goes_on_above_the_least_reward() {
        let plan = plan(RewardStrategy::Mean, &[0.5, 0.5]);
        assert!(goes_on(&plan, 0, &judged(0.5)));
        assert!(!goes_on(&plan, 0, &judged(0.4)));
        assert!(!goes_on(&plan, 1, &judged(1.0)), "there is no step after the last");
        let slow = Judged { reward: BTreeMap::new(), ..judged(0.0) };
        assert!(!goes_on(&plan, 0, &slow));
    }
}
