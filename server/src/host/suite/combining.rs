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
