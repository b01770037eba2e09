//! The record of a trial that Harbor leaves, `result.json` in the trial's directory (`formats` 5.3). Untrusted: what is malformed is
//! named and never becomes a verdict.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Outcome;
use super::ruling::{Recorded, rule};
use crate::engine::reward::{Check, Rewards};
use crate::engine::trace::{Source, Trace, Usage};
use crate::engine::verdict::{Verdict, VoidCause};

/// The name of the record, of a trial and of a job.
pub const RESULT: &str = "result.json";

/// A trial as Harbor recorded it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its name: `<task>__<7 characters>`.
    pub name: String,
    /// The task, as a path below something or as `org/name`; the last part is its id.
    pub task: String,
    /// The names of its steps, if it has several.
    pub steps: Vec<String>,
    /// What it took, as far as Harbor knows.
    pub usage: Option<Usage>,
    exception: Option<(String, String)>,
    rewards: BTreeMap<String, Value>,
    has_begun: bool,
}

impl Trial {
    /// Reads a record; `None` if it is one of a job, or of something else.
    ///
    /// # Errors
    /// In words, why it cannot be read: it was cut off while it was written, or it says no task.
    pub fn read(source: &str) -> Result<Option<Self>, String> {
        let value: Value =
            serde_json::from_str(source).map_err(|error| format!("it is no JSON ({error})"))?;
        let Some(name) = value.get("trial_name").and_then(Value::as_str) else { return Ok(None) };
        let task = value.get("task_id").and_then(task).or_else(|| text(&value, "task_name"));
        let task = task.ok_or("it names no task")?;
        let steps =
            value.get("step_results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let exception = std::iter::once(&value).chain(steps).find_map(exception);
        let rewards = value.pointer("/verifier_result/rewards").and_then(Value::as_object);
        let rewards = rewards.map(|rewards| rewards.clone().into_iter().collect()).unwrap_or_default();
        let has_begun = std::iter::once(&value).chain(steps).any(|part| {
            part.pointer("/agent_execution/started_at").is_some_and(Value::is_string)
                || part.get("agent_result").is_some_and(Value::is_object)
        });
        let usages: Vec<Usage> = std::iter::once(&value).chain(steps).filter_map(usage).collect();
        Ok(Some(Self {
            name: name.to_owned(),
            task,
            steps: steps.iter().filter_map(|step| text(step, "step_name")).collect(),
            usage: usages.into_iter().reduce(|one, other| Usage {
                input: one.input + other.input,
                cached: one.cached + other.cached,
                output: one.output + other.output,
                cost: one.cost.zip(other.cost).map(|(one, other)| one + other),
            }),
            exception,
            rewards,
            has_begun,
        }))
    }

    /// What it came to, with the thresholds of the project that reads it; `trace` is what its agent did, if that can be read.
    #[must_use]
    pub fn judge(
        &self,
        thresholds: &BTreeMap<String, f64>,
        trace: Option<&Trace>,
        checks: Vec<Check>,
    ) -> Outcome {
        let written = serde_json::to_vec(&self.rewards).unwrap_or_default();
        let rewards = match self.rewards.is_empty() {
            true => None,
            false => Some(Rewards::read(Some(&written), None)),
        };
        let passes = match &rewards {
            None => None,
            Some(Ok(rewards)) => match rewards.pass(thresholds) {
                Ok(passes) => Some(passes),
                Err(error) => return void(error.to_string()),
            },
            Some(Err(error)) => return void(error.to_string()),
        };
        let has_asked = trace
            .is_some_and(|trace| trace.steps.iter().any(|step| step.source == Source::Agent))
            || self.usage.is_some_and(|usage| 0 < usage.input);
        let ruling = rule(&Recorded {
            exception: self.exception.as_ref().map(|(name, _)| name.as_str()),
            passes,
            has_begun: self.has_begun,
            has_asked,
            // Nobody has tried the task here.
            oracle_holds: false,
        });
        Outcome {
            flags: ruling.flags,
            end: ruling.end,
            rewards: rewards
                .and_then(Result::ok)
                .map(|rewards| rewards.by_name().clone())
                .unwrap_or_default(),
            checks,
            detail: self.exception.as_ref().map(|(name, said)| first_line(name, said)).unwrap_or_default(),
            ..Outcome::of(ruling.verdict)
        }
    }
}

fn void(why: String) -> Outcome {
    Outcome { detail: why, ..Outcome::of(Verdict::Void(VoidCause::VerifierCrash)) }
}

fn first_line(name: &str, said: &str) -> String {
    let line: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
    if line.is_empty() { name.to_owned() } else { format!("{name}: {line}") }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A directory on a disk or in a repository, or a package of a registry.
fn task(id: &Value) -> Option<String> {
    if let Some(path) = text(id, "path") {
        let path = path.replace('\\', "/");
        return Some(path.trim_end_matches('/').trim_start_matches("./").to_owned());
    }
    match (text(id, "org"), text(id, "name")) {
        (Some(org), Some(name)) => Some(format!("{org}/{name}")),
        (None, name) => name,
        (Some(_), None) => None,
    }
}

fn exception(part: &Value) -> Option<(String, String)> {
    let exception = part.get("exception_info")?;
    let name = text(exception, "exception_type")?;
    Some((name, text(exception, "exception_message").unwrap_or_default()))
}

fn usage(part: &Value) -> Option<Usage> {
    let result = part.get("agent_result")?;
    let count = |key: &str| result.get(key).and_then(Value::as_u64);
    let input = count("n_input_tokens")?;
    Some(Usage {
        input,
        cached: count("n_cache_tokens").unwrap_or_default(),
        output: count("n_output_tokens").unwrap_or_default(),
        cost: result.get("cost_usd").and_then(Value::as_f64),
    })
}
