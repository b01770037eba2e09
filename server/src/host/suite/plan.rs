//! Everything that is needed to run a task in a sandbox, as values. Runs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;
use harness_schema::task::RewardStrategy;

use super::bundle::{Bundle, BundleError};
use crate::engine::contract;
use crate::host::egress::{self, Access};
use crate::host::machine::Ceiling;
use crate::host::sandbox::spec::Env;
use crate::host::sandbox::{Choice, Exec, Image, Limits, Phase, Spec, TrialTree};

/// A task that can be run.
#[derive(Clone, Debug)]
pub struct TaskPlan {
    /// Its id.
    pub id: String,
    /// Its directory on the host; empty if it comes from a registry.
    pub directory: PathBuf,
    /// The dataset that it comes from, if nobody here has its files.
    pub registered: Option<Registered>,
    /// Where its tree is seen inside, besides `/workspace`.
    pub root: String,
    /// The directory in which the agent, the verifier and the solution work: `root`, or below it.
    pub workdir: String,
    /// The image that is the root; none where that is the one of this machine.
    pub image: Option<Image>,
    /// Variables of everything that runs.
    pub env: Env,
    /// `environment/` on the host.
    pub environment: PathBuf,
    /// What makes the start tree, in order.
    pub build: Vec<Build>,
    /// How long all of that may take together.
    pub build_timeout: Duration,
    /// The memory of all processes together, in bytes: the lower of the task's and the default.
    pub memory_bytes: u64,
    /// How it is known that the environment has started.
    pub healthcheck: Option<Health>,
    /// The steps; one without a name for a task of one step.
    pub steps: Vec<StepPlan>,
    /// How the rewards of several steps become one.
    pub strategy: RewardStrategy,
    /// The rewards that a pass needs, with their thresholds.
    pub rewards: BTreeMap<String, f64>,
    /// What the task says and the sandbox does not do.
    pub notes: Vec<Note>,
    /// What identifies the task and its verifier.
    pub digests: contract::Task,
    /// What identifies its solutions, if it has any.
    pub solution: Option<Digest>,
    /// Every file and directory that was read, with its digest.
    pub(super) sources: Vec<(PathBuf, Digest)>,
}

/// A dataset of Harbor's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub dataset: String,
    /// Its version, which stands for the bytes of its tasks.
    pub version: String,
}

/// One step of a task.
#[derive(Clone, Debug)]
pub struct StepPlan {
    /// Its name; empty if the task has one step.
    pub name: String,
    /// What the agent is asked, without the canary lines at its head.
    pub instruction: String,
    /// How long the agent may work: the least of what harness, task and step allow.
    pub agent_timeout: Duration,
    /// What the agent may reach, and the solution in its place.
    pub agent_network: Reach,
    /// How long the verifier may work.
    pub verifier_timeout: Duration,
    /// What the verifier may reach.
    pub verifier_network: Reach,
    /// Variables of the verifier, beside those of the task.
    pub verifier_env: Env,
    /// Directories of the verifier on the host: `tests/` of the task, and over it that of the step.
    pub tests: Vec<PathBuf>,
    /// The digest of what they are together.
    pub tests_digest: Digest,
    /// `solution/` on the host, if there is a `solve.sh`.
    pub solution: Option<PathBuf>,
    /// Variables of the solution, beside those of the task.
    pub solution_env: Env,
    /// What is copied into the workdir before the step.
    pub workdir: Option<PathBuf>,
    /// How it is known that the step can start.
    pub healthcheck: Option<Health>,
    /// The least rewards with which the trial goes on; the empty name means the only reward.
    pub min_reward: BTreeMap<String, f64>,
}

/// What a phase may reach of the network; nobody, unless it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Which hosts.
    pub access: Access,
    /// The file that says so.
    pub file: FilePath,
    /// The line that says so, from 1.
    pub line: usize,
}

/// Something that is done to make the start tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The line of the Dockerfile, from 1; 0 for what no line says.
    pub line: usize,
    /// What is done.
    pub step: BuildStep,
}

/// What is done to make a start tree. Targets are paths in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildStep {
    /// Copies what the image has in the place of the tree.
    Image,
    /// Makes a directory with all above it.
    Directory(PathBuf),
    /// Copies from `environment/`.
    Copy {
        /// Paths or patterns below `environment/`.
        sources: Vec<PathBuf>,
        /// Where to.
        target: PathBuf,
        /// Whether the target is a directory because it was written so.
        is_directory: bool,
        /// Another mode.
        mode: Option<u32>,
    },
    /// Runs a program in the sandbox.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
        /// In which directory.
        directory: String,
        /// With which variables.
        env: Env,
    },
}

/// How it is known that something has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The script that ends with 0 once it has.
    pub command: String,
    /// The time between two tries.
    pub interval: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long failures do not count.
    pub start_period: Duration,
    /// The time between two tries while failures do not count.
    pub start_interval: Duration,
    /// How many failures in a row are one too many.
    pub retries: u32,
}

/// Something that a task says and the sandbox does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub file: FilePath,
    /// The line, from 1.
    pub line: usize,
    /// What is passed over.
    pub what: String,
}

/// What can be done about a task that needs more than a sandbox has.
const REMEDY: &str = "run the task with a container or a Harbor agent, or change that line";

/// Why a task cannot be run in the sandbox of this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`, line {line}: {reason}; {}", .remedy.as_deref().unwrap_or(REMEDY))]
pub struct TaskRefused {
    /// The file.
    pub file: FilePath,
    /// The line, from 1.
    pub line: usize,
    /// The reason.
    pub reason: String,
    /// What can be done about it, if that is something else than what is usual.
    pub remedy: Option<String>,
}

impl TaskRefused {
    /// A reason on a line of a file.
    #[must_use]
    pub fn new(file: FilePath, line: usize, reason: impl Into<String>) -> Self {
        Self { file, line, reason: reason.into(), remedy: None }
    }

    /// The same with what can be done about it.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// A task that is another one than it was.
#[derive(Debug, thiserror::Error)]
pub enum Changed {
    /// A file or a directory changed.
    #[error("`{0}` changed since the run began; start a new run")]
    Content(PathBuf),
    /// It cannot be read any more.
    #[error(transparent)]
    Unreadable(#[from] BundleError),
}

impl StepPlan {
    /// The files of its verifier as they are now.
    ///
    /// # Errors
    /// A [`BundleError`] if they cannot be read.
    pub fn verifier(&self) -> Result<Bundle, BundleError> {
        let mut tests = Bundle::default();
        for directory in &self.tests {
            tests.cover_with(Bundle::read(directory)?);
        }
        Ok(tests)
    }
}

impl TaskPlan {
    /// Whether nothing of the task changed since it was planned.
    ///
    /// # Errors
    /// The first file or directory that did.
    pub fn unchanged(&self) -> Result<(), Changed> {
        for (path, digest) in &self.sources {
            if of_source(path)? != *digest {
                return Err(Changed::Content(path.clone()));
            }
        }
        Ok(())
    }

    /// What its agents and verifiers may reach, in the order of the steps.
    pub fn networks(&self) -> impl Iterator<Item = &Reach> {
        self.steps.iter().flat_map(|step| [&step.agent_network, &step.verifier_network])
    }

    /// The plan, if a machine allows what it reaches: no more than `ceiling`, and nobody where the backend has no roads.
    ///
    /// # Errors
    /// The first line that asks for more.
    pub fn within(self, ceiling: Ceiling, choice: Choice) -> Result<Self, TaskRefused> {
        let refused =
            |reach: &Reach, reason: String| Err(TaskRefused::new(reach.file.clone(), reach.line, reason));
        for reach in self.networks().filter(|reach| reach.access != Access::Off) {
            if ceiling < reach.access.needs() {
                let needed = reach.access.needs();
                let reason = egress::over(needed, ceiling);
                return refused(reach, format!("{reason} (`network = \"{}\"` would do)", needed.word()));
            }
            if !egress::is_carried_by(choice) {
                let backend = choice.word();
                let reason = format!(
                    "the task asks for the network, and a sandbox of `{backend}` has no road to other hosts yet (`sandbox = \"auto\"` in the `config.toml` of this machine would do)"
                );
                return refused(reach, reason);
            }
        }
        Ok(self)
    }

    /// A sandbox around a tree, as the task wants it. Tests and solutions are no part of it.
    #[must_use]
    pub fn spec(&self, phase: Phase, tree: TrialTree) -> Spec {
        let mut spec = Spec::new(phase, tree);
        spec.workdir.clone_from(&self.root);
        spec.env = self.env.clone();
        spec.image = self.image.as_ref().map(|image| image.id.to_string());
        spec.limits = Limits { memory_bytes: self.memory_bytes, ..Limits::default() };
        spec
    }

    /// A command in the workdir of the task.
    #[must_use]
    pub fn command(&self, mut command: Exec) -> Exec {
        command.directory = Some(self.workdir.clone());
        command
    }

    /// The workdir as a path in the tree; empty if it is the tree.
    #[must_use]
    pub fn workdir_in_tree(&self) -> PathBuf {
        super::places::below(&self.workdir, &self.root).unwrap_or_default()
    }

    /// Whether it has several steps.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        self.steps.first().is_some_and(|step| !step.name.is_empty())
    }
}

/// The digest of a file or of a directory.
///
/// # Errors
/// A [`BundleError`] if it cannot be read.
pub(super) fn of_source(path: &Path) -> Result<Digest, BundleError> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => {
            let read = fs::read(path);
            let failed = |source| BundleError::Io { what: "read", path: path.to_path_buf(), source };
            Ok(Digest::of(&read.map_err(failed)?))
        }
        _ => Ok(Bundle::read(path)?.digest()),
    }
}
