//! Tasks as values: Harbor task directories, their `task.toml`, and what of an instruction an agent is shown.
//!
//! Read from the files of a project; nothing is run, and nothing here says whether a task is sound.

mod canary;
mod habits;
mod config;

use std::collections::BTreeSet;

use crate::files::Files;
use crate::manifest::without_nulls;
use crate::path::FilePath;
use crate::syntax::decode::BadSpans;

pub use self::canary::{canaries, shown_instruction};
pub use self::config::{
    AgentConfig, Artifact, Author, Collect, EnvironmentConfig, EnvironmentMode, Healthcheck, McpServer,
    MinReward, NetworkMode, Os, Package, RewardStrategy, Solution, StepConfig, TaskConfig, Tpu, Transport,
    VerifierConfig,
};
pub use self::habits::{Advice, Habit, habit, size_in_mb};

/// The file that makes a directory a task.
pub const CONFIG: &str = "task.toml";
/// The file that says what is to be done.
pub const INSTRUCTION: &str = "instruction.md";

/// A Harbor task directory. Paths are where Harbor looks; whether files are there is known only where a field is an
/// [`Option`].
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The directory below `tasks.dir`, as spelled.
    pub id: String,
    /// The directory.
    pub dir: FilePath,
    /// What `task.toml` says; all defaults if it is not there or was not read yet.
    pub config: TaskConfig,
    /// `task.toml`, if it is there.
    pub config_file: Option<FilePath>,
    /// `instruction.md`, if it is there; a task of several steps has one per step instead.
    pub instruction: Option<FilePath>,
    /// `environment/`.
    pub environment: FilePath,
    /// `tests/`.
    pub tests: FilePath,
    /// `tests/test.sh` (`test.bat` for Windows), if it is there.
    pub verifier: Option<FilePath>,
    /// `solution/solve.sh`, if it is there.
    pub solution: Option<FilePath>,
    /// `trajectory.json`, if it is there: what the agent is told happened before.
    pub prior_context: Option<FilePath>,
    /// The steps, in order; empty for a task of one step.
    pub steps: Vec<TaskStep>,
}

/// One step of a task with several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStep {
    /// Its name in `task.toml`.
    pub name: String,
    /// `steps/<name>/`.
    pub dir: FilePath,
    /// Its instruction, if it is there.
    pub instruction: Option<FilePath>,
    /// Its own test script, if it is there; otherwise the task's judges the step.
    pub verifier: Option<FilePath>,
    /// What is copied into the workdir before the step, if anything is.
    pub workdir: Option<FilePath>,
    /// Its solution, if it is there.
    pub solution: Option<FilePath>,
}

/// All tasks below a directory, by id. A task inside a task's directory is a part of that task.
#[must_use]
pub fn discover(files: &Files, tasks_dir: &FilePath) -> Vec<Task> {
    let roots: BTreeSet<FilePath> = files
        .below(tasks_dir)
        .filter(|file| matches!(file.name(), CONFIG | INSTRUCTION))
        .map(FilePath::parent)
        .filter(|dir| dir != tasks_dir)
        .collect();
    let is_inside_another = |dir: &FilePath| {
        let mut parent = dir.parent();
        while parent != *tasks_dir && !parent.as_str().is_empty() {
            if roots.contains(&parent) {
                return true;
            }
            parent = parent.parent();
        }
        false
    };
    roots
        .iter()
        .filter(|dir| !is_inside_another(dir))
        .filter_map(|dir| Some(Task::at(files, dir, dir.relative_to(tasks_dir)?)))
        .collect()
}

impl Task {
    /// The task in a directory.
    #[must_use]
    pub fn at(files: &Files, dir: &FilePath, id: &str) -> Self {
        let config_file = file_in(files, dir, CONFIG);
        let tree = config_file.as_ref().and_then(|file| files.document(file)?.data());
        let config = tree.map(|tree| TaskConfig::decode(tree, &BadSpans::default())).unwrap_or_default();
        let steps = config.steps.iter().filter_map(|step| TaskStep::at(files, dir, &step.name, &config));
        Self {
            id: id.to_owned(),
            instruction: file_in(files, dir, INSTRUCTION),
            environment: below(dir, "environment"),
            tests: below(dir, "tests"),
            verifier: file_in(files, dir, test_script(&config)),
            solution: file_in(files, dir, solution_script(&config)),
            prior_context: file_in(files, dir, "trajectory.json"),
            steps: steps.collect(),
            config_file,
            config,
            dir: dir.clone(),
        }
    }

    /// Every text that says what is to be done: the instruction, or those of the steps.
    pub fn instructions(&self) -> impl Iterator<Item = &FilePath> {
        self.instruction.iter().chain(self.steps.iter().filter_map(|step| step.instruction.as_ref()))
    }

    /// The value of a dotted key of `task.toml` by which splits are stratified (`metadata.category`); empty if it has
    /// none.
    #[must_use]
    pub fn family(&self, files: &Files, key: &str) -> String {
        let tree = self.config_file.as_ref().and_then(|file| files.document(file)?.data());
        let keys: Vec<&str> = key.split('.').collect();
        let value = tree.and_then(|tree| tree.root.at(&keys)?.as_text());
        value.unwrap_or_default().to_owned()
    }
}

impl TaskStep {
    fn at(files: &Files, task: &FilePath, name: &str, config: &TaskConfig) -> Option<Self> {
        let dir = task.join("steps").ok()?.join(name).ok().filter(|dir| dir.is_below(task) && dir != task)?;
        let workdir = below(&dir, "workdir");
        Some(Self {
            name: name.to_owned(),
            instruction: file_in(files, &dir, INSTRUCTION),
            verifier: file_in(files, &dir, test_script(config)),
            workdir: files.is_directory(&workdir).then_some(workdir),
            solution: file_in(files, &dir, solution_script(config)),
            dir,
        })
    }
}

/// The JSON Schema of `task.toml`, draft 2020-12: the keys that Harbor 0.24.0 reads, and `version` of old files.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<TaskConfig>().to_value();
    without_nulls(&mut schema);
    schema
}

fn test_script(config: &TaskConfig) -> &'static str {
    match config.environment.os.value {
        Os::Linux => "tests/test.sh",
        Os::Windows => "tests/test.bat",
    }
}

fn solution_script(config: &TaskConfig) -> &'static str {
    match config.environment.os.value {
        Os::Linux => "solution/solve.sh",
        Os::Windows => "solution/solve.bat",
    }
}

fn below(dir: &FilePath, name: &str) -> FilePath {
    dir.join(name).unwrap_or_else(|_| dir.clone())
}

fn file_in(files: &Files, dir: &FilePath, name: &str) -> Option<FilePath> {
    let file = dir.join(name).ok()?;
    files.is_file(&file).then_some(file)
}

#[cfg(test)]
mod tests;
