//! The document that asks Harbor for a job: one task, one harness, one attempt.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The variable of an agent that says which harness it runs.
pub const DIGEST: &str = "SELF_HARNESS_DIGEST";

/// Harbor's agent that does nothing.
pub const IDLE: &str = "nop";

/// Harbor's agent that runs the solution of a task.
pub const ORACLE: &str = "oracle";

/// What a job is about. Every field decides what Harbor does, so a job that is resumed has to be asked for in the same words.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name, which is that of its directory.
    pub name: String,
    /// The directory of all jobs.
    pub jobs: String,
    /// What is worked on.
    pub task: Task,
    /// Who works on it.
    pub agent: Agent,
    /// Where it works: a type of Harbor's, or `module:Class`.
    pub environment: String,
    /// Options of that.
    pub environment_kwargs: Value,
    /// How long the agent may work, in seconds, whatever the task says; for a task of one step.
    pub timeout: Option<f64>,
    /// How long it may work at most, in seconds.
    pub most: f64,
}

/// Where a task comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// A directory.
    Directory(String),
    /// A dataset of Harbor's registry.
    Registered {
        /// The dataset.
        dataset: String,
        /// Its version.
        version: String,
        /// The task.
        id: String,
    },
}

impl Task {
    /// Whether Harbor means this one by what it calls a task: its path, or its name.
    #[must_use]
    pub fn is(&self, called: &str) -> bool {
        match self {
            Self::Directory(directory) => called == directory,
            Self::Registered { id, .. } => called.rsplit('/').next() == Some(id),
        }
    }
}

/// An agent of Harbor's, or one that is imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its name, or `module:Class`.
    pub name: String,
    /// Its name for the model, if it asks one.
    pub model: Option<String>,
    /// Its options.
    pub kwargs: Value,
    /// Its variables. No secret: those are templates, `${NAME}`.
    pub env: BTreeMap<String, String>,
}

impl Agent {
    /// One of Harbor's own that asks no model.
    #[must_use]
    pub fn without_model(name: &str) -> Self {
        Self { name: name.to_owned(), model: None, kwargs: json!({}), env: BTreeMap::new() }
    }
}

/// Whether a name is that of a class that is imported.
#[must_use]
pub fn is_import(name: &str) -> bool {
    name.contains(':')
}

impl Job {
    /// The file for `harbor run -c`. Nothing is tried again by Harbor, which would delete the attempt before.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut agent = named(&self.agent.name, "name");
        if let Some(model) = &self.agent.model {
            agent.insert(String::from("model_name"), json!(model));
        }
        agent.insert(String::from("max_timeout_sec"), json!(self.most));
        if let Some(timeout) = self.timeout {
            agent.insert(String::from("override_timeout_sec"), json!(timeout));
        }
        agent.insert(String::from("kwargs"), object(&self.agent.kwargs));
        agent.insert(String::from("env"), json!(self.agent.env));
        let mut environment = named(&self.environment, "type");
        environment.insert(String::from("kwargs"), object(&self.environment_kwargs));
        let (tasks, datasets) = match &self.task {
            Task::Directory(directory) => (json!([{ "path": directory }]), json!([])),
            Task::Registered { dataset, version, id } => {
                (json!([]), json!([{ "name": dataset, "version": version, "task_names": [id] }]))
            }
        };
        json!({
            "job_name": self.name,
            "jobs_dir": self.jobs,
            "n_attempts": 1,
            "n_concurrent_trials": 1,
            "quiet": true,
            "retry": { "max_retries": 0 },
            "environment": environment,
            "tasks": tasks,
            "datasets": datasets,
            "agents": [agent],
        })
    }
}

/// A name under its key, or as an import.
fn named(name: &str, key: &str) -> Map<String, Value> {
    let key = if is_import(name) { "import_path" } else { key };
    Map::from_iter([(key.to_owned(), json!(name))])
}

/// Options; where none are written there are none.
fn object(kwargs: &Value) -> Value {
    match kwargs {
        Value::Object(_) => kwargs.clone(),
        _ => json!({}),
    }
}
