//! Reads the `result.json` of a trial, and of a job. Leniently: what is not asked for may be anything.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::engine::trace::Usage;

/// The exception of a trial that was cancelled, which has no result.
const CANCELLED: &str = "CancelledError";

/// What Harbor says of a trial.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TrialResult {
    /// Its name, `<task>__<7 characters>`.
    pub trial_name: String,
    /// Which task it was.
    #[serde(default)]
    task_id: Value,
    /// What the agent took, in a task of one step.
    #[serde(default)]
    agent_result: Option<AgentResult>,
    /// What the verifier said, of all steps together.
    #[serde(default)]
    verifier_result: Option<VerifierResult>,
    /// What went wrong.
    #[serde(default)]
    exception_info: Option<Raised>,
    /// When the agent worked, in a task of one step.
    #[serde(default)]
    agent_execution: Option<Value>,
    /// When the verifier worked.
    #[serde(default)]
    verifier: Option<Value>,
    /// The steps of a task of several.
    #[serde(default)]
    step_results: Option<Vec<StepResult>>,
}

/// What Harbor says of a step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StepResult {
    /// Its name.
    pub step_name: String,
    #[serde(default)]
    agent_result: Option<AgentResult>,
    #[serde(default)]
    exception_info: Option<Raised>,
    #[serde(default)]
    agent_execution: Option<Value>,
    #[serde(default)]
    verifier: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct AgentResult {
    #[serde(default)]
    n_input_tokens: Option<u64>,
    #[serde(default)]
    n_cache_tokens: Option<u64>,
    #[serde(default)]
    n_output_tokens: Option<u64>,
    #[serde(default)]
    cost_usd: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct VerifierResult {
    #[serde(default)]
    rewards: Option<BTreeMap<String, f64>>,
}

/// An exception that Harbor caught.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Raised {
    /// Its class.
    #[serde(rename = "exception_type")]
    pub name: String,
    /// What it says.
    #[serde(rename = "exception_message", default)]
    pub message: String,
}

impl TrialResult {
    /// Reads a `result.json`; `None` while there is no whole one: the trial is not finished.
    ///
    /// # Errors
    /// Why a whole document is no result of a trial.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        let Ok(document) = serde_json::from_str::<Value>(text) else { return Ok(None) };
        let result: Self = serde_json::from_value(document)
            .map_err(|error| format!("`result.json` is no result of a trial: {error}"))?;
        Ok((!result.is_cancelled()).then_some(result))
    }

    /// Whether somebody stopped it: Harbor writes a result of that, too.
    fn is_cancelled(&self) -> bool {
        self.raised().any(|raised| raised.name == CANCELLED)
    }

    /// The path of its task, or the last part of the task's name in a registry. The other name of a task is its author's.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        let part = |key: &str| self.task_id.get(key).and_then(Value::as_str);
        part("path").or_else(|| Some(part("name")?.rsplit('/').next().unwrap_or_default()))
    }

    /// What went wrong, in the order of the steps.
    pub fn raised(&self) -> impl Iterator<Item = &Raised> {
        let of_steps = self.steps().filter_map(|step| step.exception_info.as_ref());
        of_steps.chain(&self.exception_info)
    }

    /// The rewards, if there are any.
    #[must_use]
    pub fn rewards(&self) -> Option<&BTreeMap<String, f64>> {
        let rewards = self.verifier_result.as_ref()?.rewards.as_ref()?;
        (!rewards.is_empty()).then_some(rewards)
    }

    /// Whether an agent began to work.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.agent_execution.is_some() || self.steps().any(|step| step.agent_execution.is_some())
    }

    /// Whether a verifier began to work.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.verifier.is_some() || self.steps().any(|step| step.verifier.is_some())
    }

    /// The steps of a task of several.
    pub fn steps(&self) -> impl Iterator<Item = &StepResult> {
        self.step_results.iter().flatten()
    }

    /// Tokens and money of all steps. Money is `None` if nobody knows any of it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let own = self.agent_result.iter();
        let each = own.chain(self.steps().filter_map(|step| step.agent_result.as_ref()));
        let mut usage = Usage::default();
        for result in each {
            usage.input += result.n_input_tokens.unwrap_or_default();
            usage.cached += result.n_cache_tokens.unwrap_or_default();
            usage.output += result.n_output_tokens.unwrap_or_default();
            let cost = result.cost_usd.filter(|cost| cost.is_finite() && 0.0 <= *cost);
            usage.cost = match (usage.cost, cost) {
                (Some(before), Some(cost)) => Some(before + cost),
                (before, cost) => cost.or(before),
            };
        }
        usage
    }
}

/// What Harbor says of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct JobResult {
    /// How many trials it has.
    pub n_total_trials: u64,
    stats: Stats,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Stats {
    n_completed_trials: u64,
    n_retries: u64,
}

impl JobResult {
    /// Reads a `result.json`; `None` if there is no whole one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Why an attempt of it is gone that was made: of `there`, as many trials as have left something.
    #[must_use]
    pub fn lost(&self, there: u64) -> Option<String> {
        if 0 < self.stats.n_retries {
            let retries = self.stats.n_retries;
            return Some(format!("Harbor tried again ({retries}) and deleted the attempt before"));
        }
        (there < self.stats.n_completed_trials)
            .then(|| String::from("an attempt that Harbor counts as completed was deleted from its job"))
    }
}
