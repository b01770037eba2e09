//! Where the jobs of a project are run: below the state directory of this user, each under a name that says all that it is about.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness_schema::digest::Digest;
use harness_schema::harness::Harness;
use serde_json::{Value, json};

use super::bridge;
use super::left::{self, Finished, Left};
use crate::engine::harbor::job::{Agent, Job, Task};
use crate::engine::harbor::lock::TrialLock;
use crate::engine::verdict::VoidCause;
use crate::host::agents::Cancel;
use crate::host::agents::harbor::{self, Asked, Ended, HarborError, Program, Running, Words};
use crate::host::machine::Machine;
use crate::host::redact::SecretString;
use crate::host::suite::TaskPlan;
use crate::host::suite::plan::Registered;
use crate::host::trial::Cancelled;
use crate::host::{random, state};

/// The directory of harnesses by their digests.
const CANDIDATES: &str = "candidates";
/// How long Harbor may take for what no limit of the task is about: to start, to install an agent, to remove an environment.
const BESIDE: Duration = Duration::from_secs(900);
/// Longer files of Harbor's are none.
const MAX_LOCK_BYTES: usize = 4 << 20;
/// As much of what Harbor printed last as a person reads.
const LAST_WORDS: usize = 400;
/// The variable of our own agent that holds the seed of its model requests.
const SEED: &str = "SELF_HARNESS_SEED";
/// How often a job is run before it counts as killed.
const TRIES: u32 = 2;

/// Where the jobs of a project are run.
pub struct Workshop {
    program: Program,
    words: Words,
    /// Variables of Harbor's process that hold the model's key.
    keys: BTreeMap<String, OsString>,
    root: PathBuf,
    /// Directories of the manifest where imports are found, below a harness that is laid out: what is imported is what is measured.
    python_path: Vec<String>,
    /// The harness that a run begins with, where it is laid out.
    first: PathBuf,
    /// The agent's environment, as the checks of tasks use it.
    environment: String,
    environment_kwargs: Value,
    directory: PathBuf,
    /// What Harbor said each task is.
    tasks: Mutex<BTreeMap<String, String>>,
}

/// Why a job measured nothing.
pub(super) type Nothing = (VoidCause, String);

impl Workshop {
    /// Of a project whose agent is one of Harbor's.
    ///
    /// # Errors
    /// A [`HarborError`] if Harbor is not there, or its directory cannot be made.
    pub fn of(
        root: &Path,
        harness: &Harness,
        digest: &Digest,
        machine: &Machine,
        key: Option<&SecretString>,
    ) -> Result<Self, HarborError> {
        let words = Words::of(harness, &machine.harbor.variables);
        // The place of a harness is no matter to an environment.
        let asked = words.asked(harness, Path::new("/harness"), "")?;
        let own = Digest::of(root.as_os_str().as_encoded_bytes());
        let directory = state::directory().join("harbor").join(own.short(16));
        let jobs = directory.join("jobs");
        state::make_private(&jobs).map_err(|source| HarborError::File {
            what: "make",
            path: jobs.clone(),
            source,
        })?;
        let python_path = harness.manifest().agent.value.python_path.iter();
        Ok(Self {
            program: Program::of(&machine.harbor)?,
            keys: words.keys(key.map(SecretString::expose)),
            words,
            root: root.to_path_buf(),
            python_path: python_path.map(|path| path.value.clone()).collect(),
            first: harbor::lay_out(harness, root, digest, &directory.join(CANDIDATES))?,
            environment: asked.environment,
            environment_kwargs: asked.environment_kwargs,
            directory,
            tasks: Mutex::default(),
        })
    }

    /// What identifies where tasks are tried, besides the tasks.
    #[must_use]
    pub fn identity(&self) -> Digest {
        let kwargs = self.environment_kwargs.to_string();
        Digest::of_parts([b"harbor/1".as_slice(), self.environment.as_bytes(), kwargs.as_bytes()])
    }

    /// Ends what earlier workers have left running. Removes the harnesses that they have tried, and the jobs of runs that are over:
    /// `is_open` says of which it is not.
    pub fn sweep(&self, is_open: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(self.jobs()) else { return };
        let entries: Vec<fs::DirEntry> = entries.flatten().collect();
        let notes = entries.iter().map(fs::DirEntry::path);
        notes
            .filter(|path| path.extension().is_some_and(|it| it == "pid"))
            .for_each(|path| harbor::end_noted(&path));
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            // What cannot be removed is only in the way of the disk.
            let _ = match is_open(&name) {
                true => Ok(()),
                false if entry.path().is_dir() => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
        }
        let _ = harbor::keep_only(&self.first, &self.directory.join(CANDIDATES));
    }

    fn jobs(&self) -> PathBuf {
        self.directory.join("jobs")
    }

    /// Lays out a harness, and says what its agent is asked with.
    ///
    /// # Errors
    /// A [`HarborError`] if it cannot be laid out.
    pub(super) fn ask(
        &self,
        harness: &Harness,
        digest: &Digest,
        seed: Option<u32>,
    ) -> Result<(Asked, Vec<PathBuf>), HarborError> {
        let above = self.directory.join(CANDIDATES);
        let at = harbor::lay_out(harness, &self.root, digest, &above)?;
        let mut asked = self.words.asked(harness, &at, &digest.to_string())?;
        let mut python_path: Vec<PathBuf> = self.python_path.iter().map(|path| at.join(path)).collect();
        if harness.is_native() {
            let failed =
                |source| HarborError::File { what: "find", path: PathBuf::from("self-harness"), source };
            let program = std::env::current_exe().map_err(failed)?;
            asked.agent.name = bridge::IMPORT.to_owned();
            asked.agent.kwargs = json!({ "program": program, "harness": at });
            asked.agent.env.extend(seed.map(|seed| (SEED.to_owned(), seed.to_string())));
            python_path.insert(0, self.own_agent()?);
        }
        Ok((asked, python_path))
    }

    /// The directory of our own agent for Harbor, which is written out when it is needed.
    fn own_agent(&self) -> Result<PathBuf, HarborError> {
        let name = format!("agent-{}", Digest::of(bridge::AGENT.as_bytes()).short(16));
        let directory = self.directory.join(name);
        let path = directory.join(bridge::MODULE);
        let failed = |source| HarborError::File { what: "write", path: path.clone(), source };
        if fs::read_to_string(&path).is_ok_and(|text| text == bridge::AGENT) {
            return Ok(directory);
        }
        state::make_private(&directory).map_err(failed)?;
        // Trials side by side write the same.
        let new = directory.join(random::name().map_err(failed)?);
        fs::write(&new, bridge::AGENT).and_then(|()| fs::rename(&new, &path)).map_err(failed)?;
        Ok(directory)
    }

    /// What one of Harbor's own agents is asked with that asks no model.
    pub(super) fn check(&self, agent: &str) -> (Asked, Vec<PathBuf>) {
        let asked = Asked {
            agent: Agent::without_model(agent),
            environment: self.environment.clone(),
            environment_kwargs: self.environment_kwargs.clone(),
            variables: BTreeMap::new(),
        };
        (asked, self.python_path.iter().map(|path| self.first.join(path)).collect())
    }

    /// The job of a task.
    pub(super) fn job(&self, name: &str, asked: &Asked, plan: &TaskPlan) -> Job {
        let timeouts = plan.steps.iter().map(|step| step.agent_timeout);
        let most = timeouts.max().unwrap_or_default().as_secs_f64();
        Job {
            name: name.to_owned(),
            jobs: self.jobs().display().to_string(),
            task: match &plan.registered {
                None => Task::Directory(plan.directory.display().to_string()),
                Some(Registered { dataset, version }) => Task::Registered {
                    dataset: dataset.clone(),
                    version: version.clone(),
                    id: plan.id.clone(),
                },
            },
            agent: asked.agent.clone(),
            environment: asked.environment.clone(),
            environment_kwargs: asked.environment_kwargs.clone(),
            // Steps, and tasks that nobody here has read, have limits of their own, which this one would replace.
            timeout: (!plan.has_steps() && plan.registered.is_none()).then_some(most),
            most,
        }
    }

    /// Removes a job with all that it left.
    pub(super) fn forget(&self, name: &str) {
        let jobs = self.jobs();
        // It is swept with its run.
        let _ = fs::remove_dir_all(jobs.join(name));
        for ending in ["json", "log", "pid"] {
            let _ = fs::remove_file(jobs.join(format!("{name}.{ending}")));
        }
    }

    /// What a job came to: what it has left if it was finished before, else it is run, or goes on.
    ///
    /// # Errors
    /// [`Cancelled`] if nobody wants it any more; nothing of it is left then.
    pub(super) fn finish(
        &self,
        job: &Job,
        plan: &TaskPlan,
        (asked, python_path): &(Asked, Vec<PathBuf>),
        cancel: &Cancel,
    ) -> Result<Result<Finished, Nothing>, Cancelled> {
        let file = |ending: &str| self.jobs().join(format!("{}.{ending}", job.name));
        let (document, log, note) = (file("json"), file("log"), file("pid"));
        let directory = self.jobs().join(&job.name);
        if note.exists() {
            harbor::end_noted(&note);
        }
        let void = |cause, why: String| Ok(Err((cause, why)));
        for tried in 0..=TRIES {
            match left::look(&directory) {
                Left::Finished(finished) => return Ok(self.is_of(job, *finished)),
                Left::Broken(why) => return void(VoidCause::KilledOutside, why),
                Left::Nothing { is_cancelled: true } => {
                    // Harbor takes a trial that was stopped for one that is finished.
                    let _ = fs::remove_dir_all(&directory);
                }
                Left::Nothing { is_cancelled: false } => {}
            }
            if tried == TRIES {
                break;
            }
            if let Err(error) = fs::write(&document, job.document().to_string()) {
                return void(VoidCause::HostResource, format!("`{}`: {error}", document.display()));
            }
            let own = asked.variables.iter().map(|(name, value)| (name.clone(), OsString::from(value)));
            let variables = self.keys.clone().into_iter().chain(own).collect();
            let ran = self.program.run(&Running {
                document: &document,
                log: &log,
                note: &note,
                variables,
                python_path: python_path.clone(),
                limit: limit(plan),
                cancel,
            });
            match ran {
                Ok(Ended::Itself) => {}
                Ok(Ended::Cancelled) => {
                    self.forget(&job.name);
                    return Err(Cancelled);
                }
                Ok(Ended::TooSlow) => {
                    let limit = limit(plan).as_secs();
                    return void(VoidCause::EnvironmentSetup, format!("Harbor did not end within {limit} s"));
                }
                Err(error) => return void(VoidCause::HostResource, error.to_string()),
            }
        }
        let words = last_words(&log);
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let has_begun = entries.into_iter().any(|entry| entry.path().is_dir());
        // What Harbor refuses it refuses for every trial.
        let cause = if has_begun { VoidCause::KilledOutside } else { VoidCause::AgentStart };
        void(cause, format!("Harbor left no result, twice{words}"))
    }

    /// A result, if it is one of what was asked for.
    fn is_of(&self, job: &Job, finished: Finished) -> Result<Finished, Nothing> {
        let adapter = |why: String| (VoidCause::Adapter, why);
        let lock = finished.file("lock.json", MAX_LOCK_BYTES);
        let lock = lock.ok_or_else(|| adapter(String::from("the trial has no `lock.json`")))?;
        let lock = TrialLock::read(&lock).map_err(adapter)?;
        lock.matches(job).map_err(adapter)?;
        if !finished.result.task().is_some_and(|called| job.task.is(called)) {
            return Err(adapter(String::from("`result.json` is about another task")));
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tasks.entry(format!("{:?}", job.task)).or_insert_with(|| lock.task().to_owned());
        if known != lock.task() {
            let why = String::from("Harbor ran another version of the task than before");
            return Err((VoidCause::ContractBroken, why));
        }
        drop(tasks);
        Ok(finished)
    }
}

/// How long a job may take in all.
fn limit(plan: &TaskPlan) -> Duration {
    let each = plan.steps.iter().map(|step| step.agent_timeout + step.verifier_timeout);
    each.sum::<Duration>() + plan.build_timeout + BESIDE
}

/// What Harbor printed last, as the end of a sentence.
fn last_words(log: &Path) -> String {
    let text = left::read(log, 4 << 20).unwrap_or_default();
    let line = text.lines().rev().find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or_default();
    let plain: String = line.trim().chars().filter(|char| !char.is_control()).take(LAST_WORDS).collect();
    // Only what belongs to the harness is laid out for it.
    let hint = match text.contains("No module named") {
        true => " (list the files that it imports in `agent.files`)",
        false => "",
    };
    if plain.is_empty() { plain } else { format!(": {plain}{hint}") }
}
