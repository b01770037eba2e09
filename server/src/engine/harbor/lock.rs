//! Reads the `lock.json` of a trial: what Harbor really ran. A result counts only for what it was asked for.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::job::{DIGEST, Job, is_import};

/// What a trial was run with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TrialLock {
    task: TaskLock,
    agent: AgentLock,
    #[serde(default)]
    environment: EnvironmentLock,
    #[serde(default)]
    install_only: bool,
    /// A result of another job that was taken over.
    #[serde(default)]
    source_trial: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct TaskLock {
    digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct AgentLock {
    name: Option<String>,
    import_path: Option<String>,
    model_name: Option<String>,
    kwargs: Map<String, Value>,
    env: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct EnvironmentLock {
    #[serde(rename = "type")]
    kind: Option<String>,
    import_path: Option<String>,
}

impl TrialLock {
    /// Reads a `lock.json`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("`lock.json` cannot be read: {error}"))
    }

    /// Harbor's digest of the bytes of the task.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task.digest
    }

    /// Whether it was run as `job` asks for.
    ///
    /// # Errors
    /// What differs.
    pub fn matches(&self, job: &Job) -> Result<(), String> {
        let differs = |what: &str| Err(format!("`lock.json` says another {what} than was asked for"));
        let agent = if is_import(&job.agent.name) { &self.agent.import_path } else { &self.agent.name };
        if agent.as_ref() != Some(&job.agent.name) {
            return differs("agent");
        }
        if self.agent.model_name != job.agent.model {
            return differs("model");
        }
        // The paths of the candidate's files are among the options.
        if Value::Object(self.agent.kwargs.clone()) != options(&job.agent.kwargs) {
            return differs("set of the agent's options, and so perhaps another harness");
        }
        let digest = job.agent.env.get(DIGEST).map(String::as_str);
        if self.agent.env.get(DIGEST).and_then(Value::as_str) != digest {
            return differs("harness");
        }
        let environment =
            if is_import(&job.environment) { &self.environment.import_path } else { &self.environment.kind };
        if environment.as_ref() != Some(&job.environment) {
            return differs("environment");
        }
        if self.install_only || self.source_trial.is_some() {
            return Err(String::from("`lock.json` says that no agent was run for it"));
        }
        Ok(())
    }
}

fn options(kwargs: &Value) -> Value {
    if kwargs.is_object() { kwargs.clone() } else { json!({}) }
}
