//! Reads a task directory and says what has to be done, or on which line it asks for more than a sandbox has.

mod dockerfile;
mod compose;
mod image;
mod network;
mod delegated;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_schema::digest::Digest;
use harness_schema::harness::{self, Harness};
use harness_schema::path::FilePath;
use harness_schema::syntax::decode::{Entries, Spanned};
use harness_schema::task::{
    AgentConfig, CONFIG, EnvironmentMode, Healthcheck, MinReward, Os, Task, VerifierConfig, shown_instruction,
};
use harness_schema::text::{Span, Text};

use self::network::Written;
use super::bundle::{Bundle, BundleError, Entry};
use super::plan::{Health, Note, StepPlan, TaskPlan, TaskRefused};
use crate::engine::contract;
use crate::host::sandbox::spec::{Env, SandboxError};
use crate::host::sandbox::{Images, Limits};

/// What can be done about a task that needs more than a container has.
const BEYOND_CONTAINERS: &str = "run the task with a Harbor agent, or change that line";

impl TaskPlan {
    /// Plans a task of a harness that lies in the directory `root` of the host, on the root of this machine.
    ///
    /// # Errors
    /// The first line that needs a container, or that cannot be understood.
    pub fn of(harness: &Harness, root: &Path, task: &harness::Task) -> Result<Self, TaskRefused> {
        Self::on(harness, root, task, None)
    }

    /// The same, on an image if there are any.
    ///
    /// # Errors
    /// The first line that needs an image that is not here, or more than a container, or that cannot be understood.
    pub fn on(
        harness: &Harness,
        root: &Path,
        task: &harness::Task,
        images: Option<&dyn Images>,
    ) -> Result<Self, TaskRefused> {
        let task = Task::at(harness.files(), &task.directory, &task.id);
        let config = text_of(harness, &task);
        let planned = Planning { harness, host: root, config, task, images, notes: Vec::new() }.plan();
        planned.map_err(|refused| match (images, &refused.remedy) {
            (Some(_), None) => refused.with_remedy(BEYOND_CONTAINERS),
            _ => refused,
        })
    }
}

impl TaskPlan {
    /// Plans a task whose environment is Harbor's: nothing in it is more than Harbor has.
    ///
    /// # Errors
    /// The first line that cannot be understood.
    pub fn delegated(harness: &Harness, root: &Path, task: &harness::Task) -> Result<Self, TaskRefused> {
        let task = Task::at(harness.files(), &task.directory, &task.id);
        let config = text_of(harness, &task);
        Planning { harness, host: root, config, task, images: None, notes: Vec::new() }.delegate()
    }
}

pub(in crate::host) use delegated::registered;

/// The text of `task.toml`; empty if there is none.
fn text_of(harness: &Harness, task: &Task) -> Text {
    let document = task.config_file.as_ref().and_then(|file| harness.document(file));
    document.map(|document| document.text().clone()).unwrap_or_default()
}

struct Planning<'a> {
    harness: &'a Harness,
    host: &'a Path,
    task: Task,
    /// `task.toml`.
    config: Text,
    /// Who knows images, if there are containers.
    images: Option<&'a dyn Images>,
    notes: Vec<Note>,
}

impl Planning<'_> {
    fn plan(mut self) -> Result<TaskPlan, TaskRefused> {
        self.check_kind()?;
        self.check_compose()?;
        self.note_ignored();
        let (environment, image) = match self.images {
            Some(images) => self.on_image(images).map(|(environment, image)| (environment, Some(image)))?,
            None => (self.on_this_machine()?, None),
        };
        let config = self.task.config.clone();
        let own = self.variables(&config.environment.env)?;
        let env = environment.env.iter().cloned().chain(own);
        let env = self.env(env, &config.environment.env)?;
        let steps = self.steps()?;
        let limit = Limits::default().memory_bytes;
        let tasks =
            self.harness.manifest().tasks.as_ref().map(|tasks| tasks.value.clone()).unwrap_or_default();
        let mut plan = TaskPlan {
            id: self.task.id.clone(),
            directory: self.on_host(&self.task.dir),
            registered: None,
            root: environment.root,
            workdir: environment.workdir,
            image,
            env,
            environment: self.on_host(&self.task.environment),
            build: environment.build,
            build_timeout: self.seconds(&config.environment.build_timeout_sec)?,
            memory_bytes: config
                .environment
                .memory_mb()
                .map_or(limit, |mb| mb.saturating_mul(1 << 20).min(limit)),
            healthcheck: config
                .environment
                .healthcheck
                .as_ref()
                .map(|health| self.health(health))
                .transpose()?,
            steps,
            strategy: config.multi_step_reward_strategy.as_deref().copied().unwrap_or_default(),
            rewards: tasks.rewards.iter().map(|(name, least)| (name.value.clone(), least.value)).collect(),
            notes: std::mem::take(&mut self.notes),
            digests: contract::Task { task: Digest::of(b""), verifier: Digest::of(b""), image: None },
            solution: None,
            sources: Vec::new(),
        };
        self.identify(&mut plan)?;
        Ok(plan)
    }

    /// What no sandbox has.
    fn check_kind(&self) -> Result<(), TaskRefused> {
        let environment = &self.task.config.environment;
        if environment.os.value == Os::Windows {
            return Err(self.refused(environment.os.span, "a task for Windows needs a Windows machine"));
        }
        if let Some(gpus) = environment.gpus.as_ref().filter(|gpus| 0 < gpus.value) {
            let reason = match self.images {
                Some(_) => "graphics processors are devices of this machine, and no container is given one",
                None => "graphics processors need a container",
            };
            return Err(self.refused(gpus.span, reason));
        }
        if let Some(tpu) = &environment.tpu {
            return Err(self.refused(tpu.span, "a tensor processor needs a Harbor agent"));
        }
        if let Some(server) = environment.mcp_servers.first() {
            return Err(self.refused(server.span, "MCP servers need a Harbor agent"));
        }
        let verifiers = std::iter::once(&self.task.config.verifier);
        for verifier in verifiers.chain(self.task.config.steps.iter().map(|step| &step.verifier)) {
            if let Some(mode) =
                verifier.environment_mode.as_ref().filter(|mode| mode.value == EnvironmentMode::Separate)
            {
                let reason = match self.images {
                    Some(_) => "a verifier in an environment of its own needs a Harbor agent",
                    None => "a verifier in an environment of its own needs a container",
                };
                return Err(self.refused(mode.span, reason));
            }
        }
        Ok(())
    }

    fn note_ignored(&mut self) {
        let config = self.task.config.clone();
        let environment = &config.environment;
        let written = [
            (environment.cpus.as_ref().map(|value| value.span), "`cpus` is not enforced"),
            (environment.storage_mb.as_ref().map(|value| value.span), "`storage_mb` is not enforced"),
            (
                environment.skills_dir.as_ref().map(|value| value.span),
                "`skills_dir` is not given to the agent",
            ),
            (config.agent.user.as_ref().map(|value| value.span), "`user` is always the one of the sandbox"),
            (
                config.verifier.user.as_ref().map(|value| value.span),
                "`user` is always the one of the sandbox",
            ),
            (config.verifier.collect.first().map(|value| value.span), "`collect` is not run"),
            (config.artifacts.first().map(|value| value.span), "`artifacts` are not kept"),
        ];
        for (span, what) in written {
            if let Some(span) = span {
                self.note(span, what);
            }
        }
        if let Some(file) = self.task.prior_context.clone() {
            let what = String::from("the agent is not told what happened before");
            self.notes.push(Note { file, line: 1, what });
        }
    }

    fn note(&mut self, span: Span, what: &str) {
        let (file, line) = (self.config_file(), self.line(span));
        self.notes.push(Note { file, line, what: what.to_owned() });
    }

    fn dockerfile(&self) -> FilePath {
        self.below(&self.task.environment, "Dockerfile")
    }

    fn steps(&mut self) -> Result<Vec<StepPlan>, TaskRefused> {
        let config = self.task.config.clone();
        if config.steps.is_empty() {
            let instruction = self.task.instruction.clone();
            let file = instruction.unwrap_or_else(|| self.below(&self.task.dir, "instruction.md"));
            let solution = self.task.solution.is_some().then(|| self.below(&self.task.dir, "solution"));
            let solution = solution.map(|path| self.on_host(&path));
            let tests = vec![self.on_host(&self.task.tests)];
            let mut step = self.one_step(&file, tests, &[&config.agent], [&config.verifier; 2])?;
            step.solution = solution;
            return Ok(vec![step]);
        }
        let mut steps: Vec<StepPlan> = Vec::new();
        for written in &config.steps {
            let refused = |reason: &str| self.refused(written.name.span.cover(written.span), reason);
            let step = self.task.steps.iter().find(|step| step.name == written.name.value);
            let step = step.cloned().ok_or_else(|| refused("the name is no name of a directory"))?;
            if steps.iter().any(|known| known.name == step.name) {
                return Err(refused("there are two steps of this name"));
            }
            // As in Harbor: the step's files lie over the task's, which may be helpers of all.
            let tests = [self.task.tests.clone(), self.below(&step.dir, "tests")];
            let tests = tests.iter().map(|path| self.on_host(path)).collect();
            let file = step.instruction.clone().unwrap_or_else(|| self.below(&step.dir, "instruction.md"));
            let agents: [&AgentConfig; 2] = [&config.agent, &written.agent];
            let verifiers = [&config.verifier, &written.verifier];
            let mut planned = self.one_step(&file, tests, &agents, verifiers)?;
            planned.name.clone_from(&step.name);
            planned.workdir = step.workdir.as_ref().map(|path| self.on_host(path));
            planned.solution =
                step.solution.as_ref().map(|_| self.on_host(&self.below(&step.dir, "solution")));
            planned.healthcheck =
                written.healthcheck.as_ref().map(|health| self.health(health)).transpose()?;
            planned.min_reward = match written.min_reward.as_deref() {
                None => BTreeMap::new(),
                Some(MinReward::One(least)) => BTreeMap::from([(String::new(), *least)]),
                Some(MinReward::Each(each)) => {
                    each.iter().map(|(name, least)| (name.value.clone(), least.value)).collect()
                }
            };
            steps.push(planned);
        }
        Ok(steps)
    }

    fn one_step(
        &self,
        instruction: &FilePath,
        tests: Vec<PathBuf>,
        agents: &[&AgentConfig],
        verifiers: [&Spanned<VerifierConfig>; 2],
    ) -> Result<StepPlan, TaskRefused> {
        let [of_task, own] = verifiers;
        let verifier = if own.is_written() { own } else { of_task };
        let document = self.harness.document(instruction).ok_or_else(|| unreadable(instruction))?;
        let agent_timeout = self.agent_timeout(agents)?;
        let env = self.variables(&verifier.env)?;
        let solution = self.task.config.solution.env.clone();
        let solution_env = self.env(self.variables(&solution)?, &solution)?;
        Ok(StepPlan {
            name: String::new(),
            instruction: shown_instruction(document.source()).to_owned(),
            agent_timeout,
            agent_network: self.network(agents.iter().map(|agent| Written::of_agent(agent)))?,
            verifier_timeout: self.seconds(&verifier.timeout_sec)?,
            verifier_network: self
                .network(verifiers.into_iter().map(|verifier| Written::of_verifier(verifier)))?,
            verifier_env: self.env(env, &verifier.env)?,
            tests,
            tests_digest: Digest::of(b""),
            solution: None,
            solution_env,
            workdir: None,
            healthcheck: None,
            min_reward: BTreeMap::new(),
        })
    }

    /// Reads what the task consists of and says what identifies it.
    fn identify(&self, plan: &mut TaskPlan) -> Result<(), TaskRefused> {
        let environment = self.source(plan, self.on_host(&self.task.environment))?;
        for path in self.task.config_file.iter().chain(self.task.instructions()) {
            let path = self.on_host(path);
            let digest = super::plan::of_source(&path).map_err(|error| self.broken(&error))?;
            plan.sources.push((path, digest));
        }
        let canonical = format!(
            "{} {} {:?} {:?} {} {:?} {:?} {:?}",
            plan.root,
            plan.workdir,
            plan.env,
            plan.build_timeout,
            plan.memory_bytes,
            plan.healthcheck,
            plan.strategy,
            plan.rewards
        );
        let mut task = vec![canonical.into_bytes(), environment.digest().bytes().to_vec()];
        let (mut verifier, mut solutions) = (Vec::new(), Vec::new());
        let mut steps = std::mem::take(&mut plan.steps);
        for step in &mut steps {
            let mut tests = Bundle::default();
            for directory in step.tests.clone() {
                tests.cover_with(self.source(plan, directory)?);
            }
            if !matches!(tests.get("test.sh"), Some(Entry::File { .. })) {
                let file = self.below(&self.task.tests, "test.sh");
                return Err(TaskRefused::new(file, 1, "the verifier is missing"));
            }
            step.tests_digest = tests.digest();
            let judged = format!(
                "{:?} {:?} {:?} {}",
                step.verifier_timeout, step.verifier_env, step.min_reward, step.verifier_network.access
            );
            verifier.extend([step.tests_digest.bytes().to_vec(), judged.into_bytes()]);
            let asked = format!(
                "{} {:?} {:?} {}",
                step.name, step.agent_timeout, step.healthcheck, step.agent_network.access
            );
            task.extend([asked.into_bytes(), step.instruction.clone().into_bytes()]);
            task.push(step.tests_digest.bytes().to_vec());
            if let Some(workdir) = step.workdir.clone() {
                task.push(self.source(plan, workdir)?.digest().bytes().to_vec());
            }
            if let Some(solution) = step.solution.clone() {
                let digest = self.source(plan, solution)?.digest();
                solutions.extend([digest.bytes().to_vec(), format!("{:?}", step.solution_env).into_bytes()]);
            }
        }
        plan.steps = steps;
        let of = |parts: &[Vec<u8>]| Digest::of_parts(parts.iter().map(Vec::as_slice));
        let image = plan.image.as_ref().map(|image| image.id);
        plan.digests = contract::Task { task: of(&task), verifier: of(&verifier), image };
        plan.solution = (!solutions.is_empty()).then(|| of(&solutions));
        Ok(())
    }

    fn source(&self, plan: &mut TaskPlan, path: PathBuf) -> Result<Bundle, TaskRefused> {
        let bundle = Bundle::read(&path).map_err(|error| self.broken(&error))?;
        if !plan.sources.iter().any(|(known, _)| *known == path) {
            plan.sources.push((path, bundle.digest()));
        }
        Ok(bundle)
    }

    fn broken(&self, error: &BundleError) -> TaskRefused {
        TaskRefused::new(self.config_file(), 1, error.to_string())
    }

    /// Variables with their defaults filled in. No variable of the machine is.
    fn variables(&self, written: &Entries<String>) -> Result<Vec<(String, String)>, TaskRefused> {
        let each = written.iter().map(|(name, value)| {
            let filled = filled(value).map_err(|reason| self.refused(value.span, &reason))?;
            Ok((name.value.clone(), filled))
        });
        each.collect()
    }

    fn env(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
        written: &Entries<String>,
    ) -> Result<Env, TaskRefused> {
        Env::of(variables).map_err(|error| {
            let span = match &error {
                SandboxError::Variable { name } => {
                    written.iter().find(|(key, _)| key.value == *name).map(|(key, _)| key.span)
                }
                _ => None,
            };
            self.refused(span.unwrap_or_default(), &variable_refused(&error))
        })
    }

    fn health(&self, written: &Healthcheck) -> Result<Health, TaskRefused> {
        Ok(Health {
            command: written.command.value.clone(),
            interval: self.seconds(&written.interval_sec)?,
            timeout: self.seconds(&written.timeout_sec)?,
            start_period: Duration::try_from_secs_f64(written.start_period_sec.value).unwrap_or_default(),
            start_interval: self.seconds(&written.start_interval_sec)?,
            retries: u32::try_from(written.retries.value).unwrap_or(0),
        })
    }

    fn seconds(&self, written: &Spanned<f64>) -> Result<Duration, TaskRefused> {
        let length = Duration::try_from_secs_f64(written.value).ok().filter(|length| !length.is_zero());
        // Who waits for ever waits a year.
        let longest = Duration::from_secs(365 * 24 * 3600);
        length
            .map(|length| length.min(longest))
            .ok_or_else(|| self.refused(written.span, "a limit is longer than no time"))
    }

    fn refused(&self, span: Span, reason: &str) -> TaskRefused {
        TaskRefused::new(self.config_file(), self.line(span), reason)
    }

    fn line(&self, span: Span) -> usize {
        1 + self.config.line_of(span.range().start)
    }

    fn config_file(&self) -> FilePath {
        self.task.config_file.clone().unwrap_or_else(|| self.below(&self.task.dir, CONFIG))
    }

    fn below(&self, directory: &FilePath, name: &str) -> FilePath {
        directory.join(name).unwrap_or_else(|_| directory.clone())
    }

    fn on_host(&self, path: &FilePath) -> PathBuf {
        self.host.join(path.as_str())
    }
}

fn unreadable(file: &FilePath) -> TaskRefused {
    TaskRefused::new(file.clone(), 1, "it is missing, or is no text")
}

fn variable_refused(error: &SandboxError) -> String {
    match error {
        SandboxError::Variable { name } => {
            let name: String = name.chars().filter(|char| !char.is_control()).take(60).collect();
            format!("the variable `{name}` cannot be set in a sandbox")
        }
        error => error.to_string(),
    }
}

/// `${NAME:-default}` is its default; any other variable is one of the machine, which nobody inside may know.
fn filled(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (inner, left) = after.split_once('}').ok_or("`${` is not closed")?;
        match inner.split_once(":-") {
            Some((_, default)) => out.push_str(default),
            None => return Err(format!("`${{{inner}}}` is a variable of the machine and has no default")),
        }
        rest = left;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests;
