//! Start trees: what the build steps of a task come to, frozen once, and the tree of each trial made from it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use globset::GlobBuilder;

use super::bundle::{Bundle, BundleError, Entry, Writer};
use super::plan::{BuildStep, Health, StepPlan, TaskPlan};
use crate::engine::verdict::VoidCause;
use crate::host::egress::Egress;
use crate::host::random;
use crate::host::sandbox::beneath;
use crate::host::sandbox::snapshot::{self, TreeLimits, TreeSnapshot};
use crate::host::sandbox::spec::{Cause, Env};
use crate::host::sandbox::tree::TreeError;
use crate::host::sandbox::{Backend, Ended, Exec, Executed, Phase, Sandbox, SandboxError, TrialTree, Trials};

/// The script that is run when the files of a step were copied in.
const SETUP: &str = "setup.sh";
/// How much of an output is told.
const TOLD_CHARS: usize = 600;

/// Where tasks are run.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Makes sandboxes.
    pub backend: &'a dyn Backend,
    /// Makes the trees that they work on.
    pub trials: &'a Trials,
    /// A directory of ours for frozen trees.
    pub archives: &'a Path,
    /// Opens the roads to other hosts that a task asks for.
    pub egress: &'a Egress,
}

/// The start tree of a task, frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The tree.
    pub tree: TreeSnapshot,
}

/// Why there is no tree to start from.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A build step ended badly.
    #[error("`environment/Dockerfile`, line {line}: `RUN` {how}: {output}")]
    Run {
        /// The line, from 1.
        line: usize,
        /// How it ended.
        how: String,
        /// The end of what it printed.
        output: String,
    },
    /// Something cannot be copied.
    #[error("`environment/Dockerfile`, line {line}: {reason}")]
    Copy {
        /// The line, from 1.
        line: usize,
        /// Why not.
        reason: String,
    },
    /// The build steps take too long.
    #[error("the environment is not built within {0:?}; raise `build_timeout_sec` or do less")]
    TooSlow(Duration),
    /// The environment does not start.
    #[error("the healthcheck `{command}` fails: {output}")]
    Unhealthy {
        /// The script.
        command: String,
        /// The end of what it printed.
        output: String,
    },
    /// The script of a step ended badly.
    #[error("`setup.sh` of step `{step}` {how}: {output}")]
    Setup {
        /// The step.
        step: String,
        /// How it ended.
        how: String,
        /// The end of what it printed.
        output: String,
    },
    /// There is no step of this number.
    #[error("the task has no step {0}")]
    NoSuchStep(usize),
    /// Files of the task.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl PrepareError {
    /// What a trial is that has no tree to start from.
    #[must_use]
    pub fn void(&self) -> VoidCause {
        match self {
            Self::Sandbox(error) => void_of(error),
            Self::Tree(error) if is_full(error) => VoidCause::HostResource,
            _ => VoidCause::EnvironmentSetup,
        }
    }
}

/// What a trial is that a sandbox could not run.
pub(super) fn void_of(error: &SandboxError) -> VoidCause {
    match error {
        SandboxError::Unkillable { .. } | SandboxError::Over(Ended::Died(Cause::HostFloor(_))) => {
            VoidCause::HostResource
        }
        SandboxError::Tree(error) if is_full(error) => VoidCause::HostResource,
        SandboxError::Over(Ended::Died(_)) => VoidCause::KilledOutside,
        _ => VoidCause::EnvironmentSetup,
    }
}

/// Whether there is no room left, which is not the fault of a task.
pub(super) fn is_full(error: &TreeError) -> bool {
    let TreeError::Io { source, .. } = error else { return false };
    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl Bench<'_> {
    /// A new file for a frozen tree.
    ///
    /// # Errors
    /// A [`TreeError`] if there is no random name, or no directory.
    pub fn archive(&self) -> Result<PathBuf, TreeError> {
        let failed = |source| TreeError::Io { what: "use", path: self.archives.to_path_buf(), source };
        beneath::own_directory(self.archives, 0o700).map_err(failed)?;
        let name = random::name();
        let failed =
            |source| TreeError::Io { what: "name a file in", path: self.archives.to_path_buf(), source };
        Ok(self.archives.join(format!("{}.tree", name.map_err(failed)?)))
    }
}

/// Builds the start tree of a task and freezes it. The build steps have no network, and write nowhere but in the tree.
///
/// # Errors
/// A [`PrepareError`]; nothing is left then.
pub fn build(plan: &TaskPlan, bench: &Bench<'_>) -> Result<Template, PrepareError> {
    let deadline = Instant::now() + plan.build_timeout;
    let mut building = Building {
        plan,
        bench,
        files: Bundle::read(&plan.environment)?,
        tree: None,
        sandbox: None,
        deadline,
    };
    let tree = match building.run() {
        Ok(()) => building.closed()?,
        Err(error) => {
            building.abandon();
            return Err(error);
        }
    };
    let frozen = bench.archive().and_then(|archive| {
        // No sandbox has it any more: each that had was killed.
        snapshot::of_directory(&tree.path(), &archive, &TreeLimits::default())
    });
    tree.remove()?;
    Ok(Template { tree: frozen? })
}

struct Building<'a> {
    plan: &'a TaskPlan,
    bench: &'a Bench<'a>,
    files: Bundle,
    /// The tree, while no sandbox has it.
    tree: Option<TrialTree>,
    sandbox: Option<Box<dyn Sandbox>>,
    deadline: Instant,
}

impl Building<'_> {
    fn run(&mut self) -> Result<(), PrepareError> {
        for build in &self.plan.build {
            match &build.step {
                BuildStep::Image => self.seed()?,
                BuildStep::Directory(path) => self.writer()?.directory(path)?,
                BuildStep::Copy { sources, target, is_directory, mode } => {
                    self.copy(build.line, sources, target, *is_directory, *mode)?;
                }
                BuildStep::Run { argv, directory, env } => {
                    let mut exec = Exec::program(argv.iter().cloned()).within(self.left()?);
                    exec.directory = Some(directory.clone());
                    exec.env = env.clone();
                    let executed = self.sandbox()?.exec(&exec)?;
                    if executed.ended == Ended::TimedOut {
                        return Err(PrepareError::TooSlow(self.plan.build_timeout));
                    }
                    if let Some(how) = failure(&executed) {
                        return Err(PrepareError::Run { line: build.line, how, output: told(&executed) });
                    }
                }
            }
        }
        if let Some(health) = &self.plan.healthcheck {
            let plan = self.plan;
            healthy(health, plan, &mut **self.sandbox()?)?;
        }
        Ok(())
    }

    fn left(&self) -> Result<Duration, PrepareError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(PrepareError::TooSlow(self.plan.build_timeout)) } else { Ok(left) }
    }

    fn sandbox(&mut self) -> Result<&mut Box<dyn Sandbox>, PrepareError> {
        let sandbox = match self.sandbox.take() {
            Some(sandbox) => sandbox,
            None => {
                let mut spec = self.plan.spec(Phase::Prepare, self.closed()?);
                // A build step sees what `ENV` has set before it, and no more.
                spec.env = Env::default();
                self.bench.backend.start(spec)?
            }
        };
        Ok(self.sandbox.insert(sandbox))
    }

    /// The tree, when no sandbox has it any more.
    fn closed(&mut self) -> Result<TrialTree, PrepareError> {
        if let Some(sandbox) = self.sandbox.take() {
            return Ok(sandbox.kill()?.into_tree());
        }
        match self.tree.take() {
            Some(tree) => Ok(tree),
            None => Ok(self.bench.trials.fresh()?),
        }
    }

    /// Takes what the image has in the place of the tree.
    fn seed(&mut self) -> Result<(), PrepareError> {
        let Some(image) = &self.plan.image else { return Ok(()) };
        let tree = self.closed()?;
        let seeded = self.bench.backend.seed(&image.id.to_string(), &self.plan.root, &tree);
        // It is removed with everything else if that failed.
        self.tree = Some(tree);
        Ok(seeded?)
    }

    fn writer(&mut self) -> Result<Writer, PrepareError> {
        let tree = self.closed()?;
        let writer = Writer::into(&tree.path(), tree.owner());
        self.tree = Some(tree);
        Ok(writer?)
    }

    fn abandon(mut self) {
        // The first failure is the one that is told.
        let _ = self.closed().map(TrialTree::remove);
    }

    fn copy(
        &mut self,
        line: usize,
        sources: &[PathBuf],
        target: &Path,
        is_directory: bool,
        mode: Option<u32>,
    ) -> Result<(), PrepareError> {
        let writer = self.writer()?;
        let failed = |reason: String| PrepareError::Copy { line, reason };
        let mut found: Vec<&Path> = Vec::new();
        for source in sources {
            let all = self.matching(source).map_err(failed)?;
            if all.is_empty() {
                return Err(failed(format!("there is no `environment/{}`", source.display())));
            }
            found.extend(all);
        }
        let into = is_directory || 1 < found.len() || writer.is_directory(target);
        if 1 < found.len() && !is_directory && !writer.is_directory(target) {
            return Err(failed(String::from("the target of several sources has to end with `/`")));
        }
        for source in found {
            let entry = self.files.get(source);
            let is_file = !matches!(entry, None | Some(Entry::Directory));
            if let Some(entry) = entry.filter(|_| is_file) {
                let name = source.file_name().unwrap_or_default();
                let path = if into { target.join(name) } else { target.to_path_buf() };
                write(&writer, &path, entry, mode)?;
                continue;
            }
            writer.directory(target)?;
            for (path, entry) in self.files.iter() {
                let Ok(rest) = path.strip_prefix(source) else { continue };
                if !rest.as_os_str().is_empty() {
                    write(&writer, &target.join(rest), entry, mode)?;
                }
            }
        }
        Ok(())
    }

    /// What a source names: itself, or what its pattern matches. The empty path is all of `environment/`.
    fn matching(&self, source: &Path) -> Result<Vec<&Path>, String> {
        if source.as_os_str().is_empty() {
            return Ok(vec![Path::new("")]);
        }
        let written = source.to_string_lossy();
        if !written.contains(['*', '?', '[']) {
            return Ok(self.files.iter().map(|(path, _)| path).filter(|path| *path == source).collect());
        }
        let glob = GlobBuilder::new(&written).literal_separator(true).build();
        let glob = glob.map_err(|error| format!("`{written}` is no pattern: {error}"))?.compile_matcher();
        Ok(self.files.iter().map(|(path, _)| path).filter(|path| glob.is_match(path)).collect())
    }
}

fn write(writer: &Writer, path: &Path, entry: &Entry, mode: Option<u32>) -> Result<(), BundleError> {
    match (entry, mode) {
        (Entry::File { bytes, .. }, Some(mode)) => writer.file(path, bytes, mode),
        _ => writer.entry(path, entry),
    }
}

/// Runs a healthcheck until it ends well.
///
/// # Errors
/// A [`PrepareError`] if it fails more often than it may.
pub fn healthy(health: &Health, plan: &TaskPlan, sandbox: &mut dyn Sandbox) -> Result<(), PrepareError> {
    let grace = Instant::now() + health.start_period;
    let mut failures = 0;
    loop {
        let mut exec = plan.command(Exec::shell(health.command.clone()).within(health.timeout));
        exec.env = plan.env.clone();
        let executed = sandbox.exec(&exec)?;
        if executed.ended == Ended::Finished(0) {
            return Ok(());
        }
        let counts = grace <= Instant::now();
        failures += u32::from(counts);
        if health.retries <= failures && counts {
            return Err(PrepareError::Unhealthy { command: health.command.clone(), output: told(&executed) });
        }
        thread::sleep(if counts { health.interval } else { health.start_interval });
    }
}

/// The tree on which an agent works in a step: what was there before, with the files of the step copied in and its
/// `setup.sh` run. Of a task with one step it is the start tree.
///
/// # Errors
/// A [`PrepareError`]; there is no tree then.
pub fn begin(
    plan: &TaskPlan,
    step: usize,
    before: &TreeSnapshot,
    bench: &Bench<'_>,
) -> Result<TrialTree, PrepareError> {
    let step = plan.steps.get(step).ok_or(PrepareError::NoSuchStep(step))?;
    let tree = bench.trials.fresh()?;
    let files = before.restore(&tree).map_err(PrepareError::from).and_then(|()| copy_in(plan, step, &tree));
    match files {
        Err(error) => {
            // The first failure is the one that is told.
            let _ = tree.remove();
            Err(error)
        }
        Ok(files) if files.get(SETUP).is_some() || step.healthcheck.is_some() => {
            let mut sandbox = bench.backend.start(plan.spec(Phase::Prepare, tree))?;
            // A sandbox that is dropped takes its tree with it.
            set_up(plan, step, &files, &mut *sandbox)?;
            Ok(sandbox.kill()?.into_tree())
        }
        Ok(_) => Ok(tree),
    }
}

fn copy_in(plan: &TaskPlan, step: &StepPlan, tree: &TrialTree) -> Result<Bundle, PrepareError> {
    let Some(workdir) = &step.workdir else { return Ok(Bundle::default()) };
    let mut files = Bundle::read(workdir)?;
    files.make_executable(SETUP);
    let writer = Writer::into(&tree.path(), tree.owner())?;
    for (path, entry) in files.iter() {
        writer.entry(&plan.workdir_in_tree().join(path), entry)?;
    }
    Ok(files)
}

fn set_up(
    plan: &TaskPlan,
    step: &StepPlan,
    files: &Bundle,
    sandbox: &mut dyn Sandbox,
) -> Result<(), PrepareError> {
    if files.get(SETUP).is_some() {
        let path = format!("{}/{SETUP}", plan.workdir);
        let executed = sandbox.exec(&plan.command(script(&path)).within(plan.build_timeout))?;
        if let Some(how) = failure(&executed) {
            return Err(PrepareError::Setup { step: step.name.clone(), how, output: told(&executed) });
        }
    }
    match &step.healthcheck {
        Some(health) => healthy(health, plan, sandbox),
        None => Ok(()),
    }
}

/// A script by its path, with both streams in one; one without `#!` is one of the shell.
#[must_use]
pub(super) fn script(path: &str) -> Exec {
    Exec::program(["/bin/sh", "-c", "exec \"$0\" 2>&1", path])
}

/// How a command that has to end well ended badly.
fn failure(executed: &Executed) -> Option<String> {
    match &executed.ended {
        Ended::Finished(0) => None,
        ended => Some(in_words(ended)),
    }
}

/// How something ended.
#[must_use]
pub(super) fn in_words(ended: &Ended) -> String {
    match ended {
        Ended::Finished(code) => format!("ended with exit code {code}"),
        Ended::Signalled(signal) => format!("was ended by signal {signal}"),
        Ended::TimedOut => String::from("took too long"),
        Ended::OutputFlood => String::from("printed too much"),
        Ended::OverMemory => String::from("used too much memory"),
        Ended::OverDisk => String::from("used too much disk space"),
        Ended::Died(cause) => format!("was cut off ({cause:?})"),
    }
}

/// The end of what a command printed, in one line.
#[must_use]
pub(super) fn told(executed: &Executed) -> String {
    let text = format!("{}\n{}", executed.stdout.text(), executed.stderr.text());
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().filter(|char| !char.is_control()).collect();
    let from = text.char_indices().rev().take(TOLD_CHARS).last().map_or(0, |(at, _)| at);
    text.get(from..).unwrap_or_default().to_owned()
}

/// Removes a frozen tree that nobody needs any more.
pub(super) fn discard(tree: &TreeSnapshot) {
    // What stays lies in a directory that is removed with the run.
    let _ = fs::remove_file(tree.archive());
}
