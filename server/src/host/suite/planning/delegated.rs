//! The plan of a task that Harbor runs: what identifies it, how long it may take, and what a pass is. The rest of it is between
//! the task and Harbor.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use harness_schema::digest::Digest;
use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::split::{Split, TaskPattern};
use harness_schema::task::{AgentConfig, RewardStrategy, VerifierConfig, shown_instruction};

use super::{Bundle, Planning, StepPlan, TaskPlan, TaskRefused, unreadable};
use crate::engine::contract;
use crate::host::egress::Access;
use crate::host::sandbox::Limits;
use crate::host::sandbox::spec::Env;
use crate::host::suite::plan::{Reach, Registered};

/// How long the verifier of a task may work that nobody here has read.
const VERIFIER: Duration = Duration::from_secs(3600);

/// The tasks of a dataset that the manifest names, with their splits: those of a known suite, or those that are listed by their ids.
/// Nobody here has their files: the version of the dataset stands for them.
pub(in crate::host) fn registered(harness: &Harness) -> Vec<(String, Split, TaskPlan)> {
    let Some(tasks) = &harness.manifest().tasks else { return Vec::new() };
    let tasks = &tasks.value;
    let known = tasks.preset.as_ref().and_then(|preset| preset.value.published());
    let dataset = known.map(|known| known.dataset).or(tasks.dataset.as_ref().map(|it| it.value.as_str()));
    let Some((dataset, version)) = dataset.and_then(|dataset| dataset.split_once('@')) else {
        return Vec::new();
    };
    let dataset = Registered { dataset: dataset.to_owned(), version: version.to_owned() };
    let listed = |split: Split| -> Vec<String> {
        if let Some(known) = known {
            return known.tasks(split).iter().map(|id| (*id).to_owned()).collect();
        }
        let list = match split {
            Split::HeldIn => &tasks.held_in,
            Split::HeldOut => &tasks.held_out,
            Split::Sealed => &tasks.sealed,
        };
        let written = list.iter().flat_map(|list| list.value.iter()).map(|id| id.value.clone());
        written.filter(|id| !TaskPattern::new(id).is_glob()).collect()
    };
    let is_excluded =
        |id: &str| tasks.exclude.iter().any(|written| TaskPattern::new(&written.value).matches(id));
    let all = Split::ALL.into_iter().flat_map(|split| listed(split).into_iter().map(move |id| (id, split)));
    all.filter(|(id, _)| !is_excluded(id))
        .map(|(id, split)| {
            let plan = unread(harness, &dataset, &id);
            (id, split, plan)
        })
        .collect()
}

fn unread(harness: &Harness, dataset: &Registered, id: &str) -> TaskPlan {
    let manifest = harness.manifest();
    let rewards = manifest.tasks.as_ref().map(|tasks| tasks.value.rewards.clone()).unwrap_or_default();
    let timeout = manifest.agent.timeout.get();
    let nobody =
        || Reach { access: Access::Off, file: harness.manifest_file().document.path().clone(), line: 1 };
    let rewards: BTreeMap<String, f64> =
        rewards.iter().map(|(name, least)| (name.value.clone(), least.value)).collect();
    let digest = |what: &str| {
        let limits = format!("{what} {rewards:?} {timeout:?}");
        Digest::of_parts([&dataset.dataset, &dataset.version, id, &limits].map(str::as_bytes))
    };
    let (task, verifier, solution) = (digest("task"), digest("verifier"), digest("solution"));
    TaskPlan {
        id: id.to_owned(),
        directory: PathBuf::new(),
        registered: Some(dataset.clone()),
        root: WORKDIR.to_owned(),
        workdir: WORKDIR.to_owned(),
        image: None,
        env: Env::default(),
        environment: PathBuf::new(),
        build: Vec::new(),
        build_timeout: VERIFIER,
        memory_bytes: Limits::default().memory_bytes,
        healthcheck: None,
        steps: vec![StepPlan {
            name: String::new(),
            instruction: String::new(),
            agent_timeout: timeout,
            agent_network: nobody(),
            verifier_timeout: VERIFIER,
            verifier_network: nobody(),
            verifier_env: Env::default(),
            tests: Vec::new(),
            tests_digest: Digest::of(b""),
            solution: None,
            solution_env: Env::default(),
            workdir: None,
            healthcheck: None,
            min_reward: BTreeMap::new(),
        }],
        strategy: RewardStrategy::default(),
        rewards,
        notes: Vec::new(),
        digests: contract::Task { task, verifier, image: None },
        solution: Some(solution),
        sources: Vec::new(),
    }
}

/// Where Harbor's tasks work if they do not say.
const WORKDIR: &str = "/app";

impl Planning<'_> {
    /// The plan.
    pub(super) fn delegate(self) -> Result<TaskPlan, TaskRefused> {
        let config = self.task.config.clone();
        let workdir = config.environment.workdir.as_ref().map_or(WORKDIR, |workdir| workdir.value.as_str());
        let tasks =
            self.harness.manifest().tasks.as_ref().map(|tasks| tasks.value.clone()).unwrap_or_default();
        let directory = self.on_host(&self.task.dir);
        let mut plan = TaskPlan {
            id: self.task.id.clone(),
            directory: directory.clone(),
            registered: None,
            root: workdir.to_owned(),
            workdir: workdir.to_owned(),
            image: None,
            env: Env::default(),
            environment: self.on_host(&self.task.environment),
            build: Vec::new(),
            build_timeout: self.seconds(&config.environment.build_timeout_sec)?,
            memory_bytes: Limits::default().memory_bytes,
            healthcheck: None,
            steps: self.delegated_steps()?,
            strategy: config.multi_step_reward_strategy.as_deref().copied().unwrap_or_default(),
            rewards: tasks.rewards.iter().map(|(name, least)| (name.value.clone(), least.value)).collect(),
            notes: Vec::new(),
            digests: contract::Task { task: Digest::of(b""), verifier: Digest::of(b""), image: None },
            solution: None,
            sources: Vec::new(),
        };
        let whole = self.source(&mut plan, directory)?.digest();
        let limits = format!("{:?} {:?}", plan.rewards, self.harness.manifest().agent.timeout.get());
        let tests = self.tests_of(&plan)?;
        let solution = self.solution_of(&plan)?;
        plan.digests.task = Digest::of_parts([whole.bytes().as_slice(), limits.as_bytes()]);
        plan.digests.verifier = tests;
        plan.solution = solution;
        Ok(plan)
    }

    fn delegated_steps(&self) -> Result<Vec<StepPlan>, TaskRefused> {
        let config = &self.task.config;
        let of_task = self.on_host(&self.task.tests);
        if config.steps.is_empty() {
            let file = self.task.instruction.clone();
            let file = file.unwrap_or_else(|| self.below(&self.task.dir, "instruction.md"));
            let solution = self.task.solution.is_some().then(|| self.below(&self.task.dir, "solution"));
            let mut step = self.delegated_step(&file, &[&config.agent], &config.verifier, vec![of_task])?;
            step.solution = solution.map(|path| self.on_host(&path));
            return Ok(vec![step]);
        }
        let mut steps = Vec::new();
        for written in &config.steps {
            let step = self.task.steps.iter().find(|step| step.name == written.name.value);
            let step = step.ok_or_else(|| {
                self.refused(written.name.span.cover(written.span), "the name is no name of a directory")
            })?;
            let file = step.instruction.clone().unwrap_or_else(|| self.below(&step.dir, "instruction.md"));
            let verifier = if written.verifier.is_written() { &written.verifier } else { &config.verifier };
            let tests = vec![of_task.clone(), self.on_host(&self.below(&step.dir, "tests"))];
            let mut planned =
                self.delegated_step(&file, &[&config.agent, &written.agent], verifier, tests)?;
            planned.name.clone_from(&step.name);
            planned.solution =
                step.solution.as_ref().map(|_| self.on_host(&self.below(&step.dir, "solution")));
            steps.push(planned);
        }
        Ok(steps)
    }

    fn delegated_step(
        &self,
        instruction: &FilePath,
        agents: &[&AgentConfig],
        verifier: &VerifierConfig,
        tests: Vec<PathBuf>,
    ) -> Result<StepPlan, TaskRefused> {
        let document = self.harness.document(instruction).ok_or_else(|| unreadable(instruction))?;
        let nobody = || Reach { access: Access::Off, file: self.config_file(), line: 1 };
        Ok(StepPlan {
            name: String::new(),
            instruction: shown_instruction(document.source()).to_owned(),
            agent_timeout: self.agent_timeout(agents)?,
            agent_network: nobody(),
            verifier_timeout: self.seconds(&verifier.timeout_sec)?,
            verifier_network: nobody(),
            verifier_env: Env::default(),
            tests,
            tests_digest: Digest::of(b""),
            solution: None,
            solution_env: Env::default(),
            workdir: None,
            healthcheck: None,
            min_reward: BTreeMap::new(),
        })
    }

    /// The least of what harness, task and step allow.
    pub(super) fn agent_timeout(&self, agents: &[&AgentConfig]) -> Result<Duration, TaskRefused> {
        let mut timeout = self.harness.manifest().agent.timeout.get();
        for limit in agents.iter().filter_map(|agent| agent.timeout_sec.as_ref()) {
            timeout = timeout.min(self.seconds(limit)?);
        }
        Ok(timeout)
    }

    fn tests_of(&self, plan: &TaskPlan) -> Result<Digest, TaskRefused> {
        let mut all = Vec::new();
        for directory in plan.steps.iter().flat_map(|step| &step.tests) {
            all.push(Bundle::read(directory).map_err(|error| self.broken(&error))?.digest());
        }
        let timeouts: Vec<Duration> = plan.steps.iter().map(|step| step.verifier_timeout).collect();
        let timeouts = format!("{timeouts:?}");
        let digests = all.iter().map(|digest| digest.bytes().as_slice());
        Ok(Digest::of_parts(digests.chain([timeouts.as_bytes()])))
    }

    fn solution_of(&self, plan: &TaskPlan) -> Result<Option<Digest>, TaskRefused> {
        let mut all = Vec::new();
        for directory in plan.steps.iter().filter_map(|step| step.solution.as_ref()) {
            all.push(Bundle::read(directory).map_err(|error| self.broken(&error))?.digest());
        }
        let digests = all.iter().map(|digest| digest.bytes().as_slice());
        Ok((!all.is_empty()).then(|| Digest::of_parts(digests)))
    }
}
