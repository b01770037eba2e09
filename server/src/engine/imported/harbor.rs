//! The record of a trial that Harbor leaves, as evidence for another project: which task it was, and what it came to by the rewards
//! that this project wants.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Outcome;
use crate::engine::harbor::result::TrialResult;
use crate::engine::harbor::verdict::{self, Measure, Seen};
use crate::engine::reward::Check;
use crate::engine::trace::{Source, Trace, Usage};

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
    result: TrialResult,
}

impl Trial {
    /// Reads a record; `None` if it is one of a job, or of something else.
    ///
    /// # Errors
    /// In words, why it cannot be read: it was cut off while it was written, it was stopped, or it says no task.
    pub fn read(source: &str) -> Result<Option<Self>, String> {
        let value: Value =
            serde_json::from_str(source).map_err(|error| format!("it is no JSON ({error})"))?;
        let Some(name) = value.get("trial_name").and_then(Value::as_str) else { return Ok(None) };
        let task = value.get("task_id").and_then(task).or_else(|| text(&value, "task_name"));
        let task = task.ok_or("it names no task")?;
        let result = TrialResult::read(source)?.ok_or("it was stopped before it was over")?;
        let usage = Some(result.usage()).filter(|usage| *usage != Usage::default());
        let steps = result.steps().map(|step| step.step_name.clone()).collect();
        Ok(Some(Self { name: name.to_owned(), task, steps, usage, result }))
    }

    /// What it came to, with the thresholds of the project that reads it; `trace` is what its agent did, if that can be read.
    #[must_use]
    pub fn judge(
        &self,
        thresholds: &BTreeMap<String, f64>,
        trace: Option<&Trace>,
        checks: Vec<Check>,
    ) -> Outcome {
        let is_agents = |trace: &Trace| trace.steps.iter().any(|step| step.source == Source::Agent);
        let asked = trace.is_some_and(is_agents) || self.usage.is_some_and(|usage| 0 < usage.input);
        // Nobody has tried the task here, and what cannot be read is left out by whoever reads it.
        let measure = Measure { thresholds, oracle_holds: false, needs_model: true };
        let judged = verdict::judge(&self.result, measure, Seen { asked, is_readable: true });
        Outcome {
            flags: judged.flags,
            end: judged.end,
            rewards: self.result.rewards().cloned().unwrap_or_default(),
            checks,
            detail: judged.why,
            ..Outcome::of(judged.verdict)
        }
    }
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
