//! Sandboxes by a container engine, for tasks that come as images: the same first process and the same inner walls as under
//! bubblewrap, in a container that shares nothing with this machine. Starts them; never pulls or builds an image, and never
//! falls back to less.

pub mod forbidden;
pub mod engine;
mod pack;
mod running;
pub mod arguments;
pub mod images;
mod program;
mod bound;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags};
use sha2::{Digest, Sha256};

use self::engine::{Engine, Kind};
use self::pack::{Owner, Packer};
use self::program::Program;
use self::running::{Contained, PATIENCE, Road, TRANSFER, Vessel, opened};
use super::arguments::{HOME, INSIDE};
use super::bubblewrap::check_places;
use super::first::First;
use super::frames;
use super::guarantee::{Guarantee, Guarantees, Unavailable};
use super::image::{Image, Images};
use super::keeper::{Keeper, Kept};
use super::orphan::{self, Note, Noted};
use super::spec::{Backend, Network, PATH, Sandbox, SandboxError, Spec};
use super::tree::{Identity, TreeError, TrialTree, Trials};
use super::wire::{self, Report, Setup};
use super::{probe, procfs};
use crate::host::spawn;

/// Who works inside. Not the first ordinary user of a distribution: without user namespaces it would be that user.
const WORKER: Identity = Identity::UNUSED;
/// How long a start may take, from the engine's first step until the first process has answered.
const START: Duration = Duration::from_secs(60);
/// Processes that one user may have: a number of the whole machine, so the engine's own limit is the one that counts.
const USER_PROCESSES: u64 = 16_384;

/// The backend.
#[derive(Clone, Debug)]
pub struct Container {
    /// The engine.
    pub engine: Engine,
    /// The image for tasks that have none of their own, as somebody named it.
    pub image: String,
    /// Our executable, which becomes the first process where the small program cannot; the image's C library has to be able to
    /// run it.
    pub executable: PathBuf,
    /// The program that is brought in and becomes the first process.
    pub first: First,
    /// Where trial trees lie while no container has them.
    pub trials: Trials,
    /// Whether variables of the image are set, as far as a task may set them.
    pub has_image_variables: bool,
    /// What was asked for and brought already; the same for all copies.
    pub known: Arc<Known>,
}

/// What a backend has asked its engine for, or brought to it, and need not again.
#[derive(Debug, Default)]
pub struct Known {
    /// Images by the names under which they were looked for.
    images: Mutex<BTreeMap<String, Image>>,
    /// The images of tasks that a person made; none if nobody has asked yet.
    built: Mutex<Option<BTreeSet<String>>>,
    /// Volumes with the first process, by its build.
    programs: Mutex<BTreeMap<String, Program>>,
    /// Whether the kernel bounds the memory of the container that was started last; none if that cannot be seen.
    is_bounded: Mutex<Option<bool>>,
}

/// Who trial trees belong to while no container has them: nobody works as root.
#[must_use]
pub fn owner() -> Option<Identity> {
    rustix::process::geteuid().is_root().then_some(Identity::UNUSED)
}

impl Container {
    /// As this machine and this user have it. A static build beside our executable, `self-harness-static`, is taken instead
    /// of it where the small program cannot be.
    #[must_use]
    pub fn of_this_machine(kind: Kind, image: impl Into<String>) -> Self {
        let own = std::env::current_exe().unwrap_or_default();
        let fixed = own.with_file_name("self-harness-static");
        Self {
            engine: Engine::of_this_machine(kind),
            image: image.into(),
            executable: if fixed.is_file() { fixed } else { own },
            first: First::default(),
            trials: Trials::of_this_machine(owner()),
            has_image_variables: true,
            known: Arc::default(),
        }
    }

    /// Removes what dead workers have left: containers with their volumes, then the trees. How many sandboxes that were.
    ///
    /// # Errors
    /// A [`SandboxError`] if the engine does not answer, or the directory of the trial trees cannot be read.
    pub fn sweep(&self) -> Result<usize, SandboxError> {
        self.engine.check().map_err(SandboxError::Unavailable)?;
        let filter = format!("label={}={}", arguments::HOUSE, self.house());
        let listed =
            self.engine.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter], PATIENCE)?;
        let format = format!(
            "{{{{index .Config.Labels \"{}\"}}}} {{{{index .Config.Labels \"{}\"}}}}",
            arguments::WORKER_LABEL,
            arguments::TRIAL
        );
        let mut swept = 0;
        for container in listed.split_whitespace() {
            let said = self.engine.ask(&["inspect", "--format", &format, container], PATIENCE);
            // One that goes away meanwhile is somebody else's to remove.
            let Ok(said) = said else { continue };
            let Some((worker, trial)) = said.trim().split_once(' ') else { continue };
            if !is_dead(worker) || !trial.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                continue;
            }
            swept += usize::from(Vessel::remove(&self.engine, &arguments::name(trial)));
        }
        self.sweep_programs()?;
        let directory = self.trials.directory();
        let trees = orphan::sweep(directory).map_err(TreeError::io("sweep", directory))?;
        Ok(swept.max(trees))
    }

    /// Which containers are ours, as their labels say it: this machine's, and those of this directory of trial trees.
    #[must_use]
    pub fn house(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(fs::read("/etc/machine-id").or_else(|_| fs::read("/etc/hostname")).unwrap_or_default());
        hasher.update(self.trials.directory().as_os_str().as_encoded_bytes());
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// This process, as labels say it.
    fn worker(&self) -> String {
        let own = i32::try_from(std::process::id()).ok().and_then(Noted::of);
        own.map_or_else(String::new, |own| format!("{}/{}/{}", procfs::boot(), own.pid, own.started))
    }

    fn version(&self, image: &Image) -> String {
        let version = self.engine.ask(&["version", "--format", "{{.Client.Version}}"], PATIENCE);
        let version = version.unwrap_or_default();
        let program = self.engine.program.display();
        let kind = match self.engine.kind {
            Kind::Podman => "podman",
            Kind::Docker => "docker",
        };
        format!("{kind} {} (`{program}`, image `{}` {})", version.trim(), image.name, image.id.short(12))
    }
}

/// Whether the worker of a label is no more.
fn is_dead(worker: &str) -> bool {
    let mut parts = worker.split('/');
    let (Some(boot), Some(pid), Some(started), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(pid), Ok(started)) = (pid.parse::<i32>(), started.parse::<u64>()) else { return false };
    boot != procfs::boot()
        || procfs::process(pid).is_none_or(|there| there.started != started || there.is_zombie)
}

impl Backend for Container {
    fn probe(&self) -> Result<Guarantees, Unavailable> {
        self.engine.check()?;
        let image = self.named(&self.image)?;
        // What an image sets is no variable of this machine; what is, is seen without it.
        let bare = Self { has_image_variables: false, ..self.clone() };
        let mut guarantees = probe::run(&bare, &self.trials, self.version(&image))?;
        if *running::lock(&self.known.is_bounded) == Some(true) {
            guarantees.memory = Guarantee::Held;
        }
        guarantees.disk = Guarantee::Weaker(String::from(
            "looked at every two seconds from inside, where a program can hide from it what it made unreadable; no quota is \
             used",
        ));
        Ok(guarantees)
    }

    fn start(&self, spec: Spec) -> Result<Box<dyn Sandbox>, SandboxError> {
        match self.check(&spec).and_then(|()| self.launch(&spec)) {
            Ok(launched) => Ok(Box::new(Contained {
                vessel: launched.vessel,
                road: launched.road,
                keeper: launched.keeper,
                stopped: Arc::default(),
                number: 0,
                limits: spec.limits,
                tree: Some(spec.tree),
                ended: None,
                is_over: false,
            })),
            Err(error) => {
                Note::remove(spec.tree.directory());
                // The first failure is the one that is told.
                let _ = spec.tree.remove();
                Err(error)
            }
        }
    }

    fn seed(&self, image: &str, from: &str, tree: &TrialTree) -> Result<(), SandboxError> {
        self.engine.check().map_err(SandboxError::Unavailable)?;
        self.bring_out(image, from, tree)
    }
}

/// A container whose first process has answered.
struct Launched {
    vessel: Vessel,
    road: Road,
    keeper: Option<Keeper>,
}

impl Container {
    fn check(&self, spec: &Spec) -> Result<(), SandboxError> {
        self.engine.check().map_err(SandboxError::Unavailable)?;
        check_places(spec)?;
        if spec.network != Network::Off {
            let message =
                "a container has no road to the model yet: take an agent whose calls the worker makes";
            return Err(SandboxError::Refused(String::from(message)));
        }
        for mount in &spec.mounts {
            // What is copied there would be hidden by what is mounted there.
            let hiding = ["/workspace", "/tmp", HOME, spec.workdir.as_str()];
            if hiding.iter().any(|place| Path::new(&mount.at).starts_with(place)) {
                let message = format!("nothing can be copied to `{}`: it belongs to the trial", mount.at);
                return Err(SandboxError::Refused(message));
            }
        }
        Ok(())
    }

    fn launch(&self, spec: &Spec) -> Result<Launched, SandboxError> {
        let until = Instant::now() + START;
        let image = self.find(spec.image.as_deref().unwrap_or(&self.image))?;
        let executable = match self.first.opened() {
            Some(small) => small,
            None => opened(&self.executable)?,
        };
        let there = executable.metadata().map_err(|error| {
            SandboxError::Start(format!("the first process cannot be looked at: {error}"))
        })?;
        let build = wire::build_of_copy(&there);
        let id = image.id.to_string();
        let program = self.program(executable, &build, &id)?;
        let name = arguments::name(spec.tree.id());
        let own = i32::try_from(std::process::id()).ok().and_then(Noted::of);
        let note = |first: Option<i32>| {
            let processes = first.and_then(Noted::of).into_iter().collect();
            let note = Note { boot: procfs::boot(), worker: own, mark: String::new(), processes };
            let directory = spec.tree.directory();
            note.write(directory).map_err(TreeError::io("note the sandbox beside", directory))
        };
        // Before anything can be left behind.
        note(None)?;
        let mut vessel = Vessel::new(&self.engine, name.clone(), spec.phase.logs());
        let (worker, house) = (self.worker(), self.house());
        let whose = arguments::Whose { worker: &worker, house: &house };
        let source = arguments::Source { image: &id, program: &program };
        let words = arguments::create(self.engine.kind, spec, &source, &whose);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.engine.ask(&words, PATIENCE)?;
        self.fill(spec, &name)?;
        let mut command = self.engine.command(&["start", "--attach", "--interactive", &name]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed =
            |error: std::io::Error| SandboxError::Start(format!("`{name}` cannot be started: {error}"));
        let client = vessel.client.insert(spawn::start(command).map_err(failed)?);
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (client.stdin.take(), client.stdout.take(), client.stderr.take())
        else {
            return Err(SandboxError::Start(String::from("the engine's client has no streams")));
        };
        let road = Road::new(stdin, stdout, stderr).map_err(failed)?;
        let setup = serde_json::to_vec(&self.setup(spec, &image, &build))
            .map_err(|error| SandboxError::Start(error.to_string()))?;
        road.send(frames::Kind::Setup, 0, &setup).map_err(failed)?;
        await_ready(&road, until, &build)?;
        let mut keeper = None;
        if let Some(pid) = self.first_process(&name, spec.tree.id()) {
            note(Some(pid))?;
            *running::lock(&self.known.is_bounded) =
                bound::memory(pid).map(|bytes| bytes <= spec.limits.memory_bytes);
            let number = Pid::from_raw(pid);
            let pinned = number.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
            if let Some(pinned) = pinned {
                let kept = Kept {
                    pid,
                    pinned: pinned.try_clone().map_err(failed)?,
                    directory: spec.tree.directory().to_path_buf(),
                    limits: spec.limits,
                    mounts: None,
                };
                keeper = Some(Keeper::start(kept).map_err(failed)?);
                vessel.first = Some(pinned);
            }
        }
        Ok(Launched { vessel, road, keeper })
    }

    /// The first process as this machine sees it; `None` if the engine runs elsewhere.
    fn first_process(&self, name: &str, id: &str) -> Option<i32> {
        let said = self.engine.ask(&["inspect", "--format", "{{.State.Pid}}", name], PATIENCE).ok()?;
        let pid = said.trim().parse::<i32>().ok().filter(|pid| 1 < *pid)?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let names = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
        (names(id.as_bytes()) && names(wire::INIT.as_bytes())).then_some(pid)
    }

    /// Copies in what can be read, and the tree.
    fn fill(&self, spec: &Spec, name: &str) -> Result<(), SandboxError> {
        self.copy(name, "/", |packer| {
            // An image may have none, or another; the engine gives its mode to what is mounted there.
            packer.directory(Path::new("tmp"), 0o1777, Owner::Root)?;
            packer.directory(&pack::relative(HOME), 0o1777, Owner::Root)?;
            // podman gives a new volume the owner of what the image has in its place, in no certain order of places.
            for place in ["/workspace", spec.workdir.as_str()].into_iter().chain(spec.phase.logs()) {
                packer.directory(&pack::relative(place), 0o755, Owner::Worker(WORKER))?;
            }
            packer.directory(Path::new("run/self-harness"), 0o755, Owner::Root)?;
            packer.link(&pack::relative(INSIDE), program::inside().as_bytes(), Owner::Root)?;
            for mount in &spec.mounts {
                packer.all(&mount.from, &pack::relative(&mount.at), Owner::Root).map_err(|error| {
                    std::io::Error::new(
                        error.kind(),
                        format!("`{}` cannot be copied: {error}", mount.from.display()),
                    )
                })?;
            }
            Ok(())
        })?;
        let out = spec.phase.logs().map(|logs| (logs, spec.tree.out()));
        for (at, from) in std::iter::once(("/workspace", spec.tree.path())).chain(out) {
            // podman gives a volume that nothing was copied into the owner of its place, and each copy takes its time.
            let is_empty = fs::read_dir(&from).is_ok_and(|mut entries| entries.next().is_none());
            if !is_empty || self.engine.kind != Kind::Podman {
                self.copy(name, at, |packer| packer.all(&from, Path::new("."), Owner::Worker(WORKER)))?;
            }
        }
        Ok(())
    }

    fn copy(
        &self,
        name: &str,
        into: &str,
        pack: impl FnOnce(&mut Packer<std::io::BufWriter<ChildStdin>>) -> std::io::Result<()>,
    ) -> Result<(), SandboxError> {
        let target = format!("{name}:{into}");
        let mut words = vec!["cp"];
        if self.engine.kind == Kind::Podman {
            // Owners as they are in the stream.
            words.push("--archive=false");
        }
        words.extend(["-", &target]);
        let packed = self.engine.run(&words, TRANSFER, |stdin, stdout| {
            let mut packer = Packer::new(std::io::BufWriter::with_capacity(256 << 10, stdin));
            let packed = pack(&mut packer).and_then(|()| packer.finish());
            engine::bounded(stdout);
            packed
        })?;
        packed.map_err(|error| {
            SandboxError::Start(format!("the container cannot be filled at `{into}`: {error}"))
        })
    }

    fn setup(&self, spec: &Spec, image: &Image, build: &str) -> Setup {
        let mut writable: Vec<String> = ["/workspace", "/tmp", HOME].map(String::from).into();
        if spec.workdir != "/workspace" {
            writable.push(spec.workdir.clone());
        }
        writable.extend(spec.phase.logs().map(String::from));
        let mut env = BTreeMap::from([(String::from("PATH"), PATH.to_owned())]);
        if self.has_image_variables {
            env.extend(image.variables.clone());
        }
        let ours = [
            ("HOME", HOME),
            ("USER", "agent"),
            ("LANG", "C.UTF-8"),
            ("TERM", "dumb"),
            ("TMPDIR", "/tmp"),
            ("TZ", "UTC"),
            ("PWD", spec.workdir.as_str()),
        ];
        let variables = ours.into_iter().chain(spec.env.each());
        env.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Setup {
            build: build.to_owned(),
            writable,
            directory: spec.workdir.clone(),
            memory_bytes: spec.limits.memory_bytes,
            processes: USER_PROCESSES,
            file_bytes: spec.limits.file_bytes,
            has_model_route: false,
            has_egress_route: false,
            contained: Some(wire::Contained {
                env,
                disk_bytes: spec.limits.disk_bytes,
                disk_entries: spec.limits.disk_entries,
            }),
        }
    }
}

/// Waits until the inner stage has checked the walls.
fn await_ready(road: &Road, until: Instant, build: &str) -> Result<(), SandboxError> {
    let not_safe = |why: &str| {
        SandboxError::Unavailable(Unavailable::new(
            format!("the container does not keep its promise: {why}"),
            "see whether the engine's configuration, for example `containers.conf`, changes what containers are given",
        ))
    };
    match road.report(until) {
        Some(Report::Ready { build: inside }) if inside == build => Ok(()),
        Some(Report::Ready { build: inside }) => Err(SandboxError::Start(format!(
            "the executable inside is another one: `{inside}` and not `{build}`"
        ))),
        Some(Report::Unsafe { why }) => Err(not_safe(&why)),
        Some(_) => Err(not_safe("its first process says what nobody asked")),
        None => {
            let printed = road.printed();
            Err(engine::meaning(&printed).map_or_else(
                || SandboxError::Start(format!("its first process does not answer: {printed}")),
                SandboxError::Unavailable,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_that_is_known_to_be_dead_is_dead() {
        let own = Noted::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let boot = procfs::boot();
        assert!(!is_dead(&format!("{boot}/{}/{}", own.pid, own.started)));
        assert!(is_dead(&format!("{boot}/{}/{}", own.pid, own.started + 1)));
        assert!(is_dead(&format!("another/{}/{}", own.pid, own.started)));
        for unclear in ["", "x", "a/b/c", "<no value>", "a/1/2/3"] {
            assert!(!is_dead(unclear), "{unclear}");
        }
    }
}
