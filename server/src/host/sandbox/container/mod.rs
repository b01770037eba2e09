//! Sandboxes by a container engine, for tasks that come as images: the same first process and the same inner walls as under
//! bubblewrap, in a container that shares nothing with this machine. Starts them; never pulls or builds an image, and never
//! falls back to less.

pub mod forbidden;
pub mod engine;
mod pack;
mod running;
pub mod arguments;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags};
use sha2::{Digest, Sha256};

use self::engine::{Engine, Kind};
use self::pack::{Owner, Packer};
use self::running::{Contained, PATIENCE, Road, TRANSFER, Vessel};
use super::arguments::{HOME, INSIDE};
use super::bubblewrap::check_places;
use super::frames;
use super::guarantee::{Guarantee, Guarantees, Unavailable};
use super::keeper::{Keeper, Kept};
use super::orphan::{self, Note, Noted};
use super::spec::{Backend, Env, Network, PATH, Sandbox, SandboxError, Spec};
use super::tree::{Identity, TreeError, Trials};
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
    /// The image as somebody named it: with its digest, or one that was made on this machine.
    pub image: String,
    /// Our executable, which is copied in and becomes the first process; the image's C library has to be able to run it.
    pub executable: PathBuf,
    /// Where trial trees lie while no container has them.
    pub trials: Trials,
    /// Whether variables of the image are set, as far as a task may set them.
    pub has_image_variables: bool,
}

/// An image that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its identity, by which containers are made.
    pub id: String,
    /// Variables that it sets.
    variables: BTreeMap<String, String>,
}

impl Container {
    /// As this machine and this user have it. A static build beside our executable, `self-harness-static`, is taken instead
    /// of it.
    #[must_use]
    pub fn of_this_machine(kind: Kind, image: impl Into<String>) -> Self {
        let own = std::env::current_exe().unwrap_or_default();
        let fixed = own.with_file_name("self-harness-static");
        let owner = rustix::process::geteuid().is_root().then_some(Identity::UNUSED);
        Self {
            engine: Engine::of_this_machine(kind),
            image: image.into(),
            executable: if fixed.is_file() { fixed } else { own },
            trials: Trials::of_this_machine(owner),
            has_image_variables: true,
        }
    }

    /// The image on this machine, by which trials under it are compared.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] if it is not there; [`SandboxError::Refused`] if its name says neither which one it is
    /// nor that it was made here.
    pub fn image(&self) -> Result<Image, SandboxError> {
        self.engine.check().map_err(SandboxError::Unavailable)?;
        let name = self.image.as_str();
        if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
            return Err(SandboxError::Refused(format!("`{name}` is no name of an image")));
        }
        let look = |format: &str| {
            self.engine
                .ask(&["image", "inspect", "--format", format, name], PATIENCE)
                .map(|said| said.trim().to_owned())
        };
        let id = look("{{.Id}}")?;
        let id = id.strip_prefix("sha256:").unwrap_or(&id).to_owned();
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SandboxError::Start(format!(
                "the engine calls the image `{name}` `{id}`, which is no digest"
            )));
        }
        let digests: Option<Vec<String>> =
            serde_json::from_str(&look("{{json .RepoDigests}}")?).unwrap_or_default();
        if let Some(digest) = needs_digest(name, &id, &digests.unwrap_or_default()) {
            let message = format!("`{name}` may be another image tomorrow: name it `{digest}`");
            return Err(SandboxError::Refused(message));
        }
        let variables: Option<Vec<String>> =
            serde_json::from_str(&look("{{json .Config.Env}}")?).unwrap_or_default();
        let variables = variables.unwrap_or_default();
        let pairs = variables.iter().filter_map(|variable| variable.split_once('='));
        let may_be_set = |name: &str, value: &str| name == "PATH" || Env::of([(name, value)]).is_ok();
        let variables = pairs
            .filter(|(name, value)| may_be_set(name, value))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Image { id, variables })
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
        let directory = self.trials.directory();
        let trees = orphan::sweep(directory).map_err(TreeError::io("sweep", directory))?;
        Ok(swept.max(trees))
    }

    /// Which containers are ours: this machine's, and those of this directory of trial trees.
    fn house(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(fs::read("/etc/machine-id").or_else(|_| fs::read("/etc/hostname")).unwrap_or_default());
        hasher.update(self.trials.directory().as_os_str().as_encoded_bytes());
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    fn version(&self, image: &Image) -> String {
        let version = self.engine.ask(&["version", "--format", "{{.Client.Version}}"], PATIENCE);
        let version = version.unwrap_or_default();
        format!("`{}` {} with image {}", self.engine.program.display(), version.trim(), image.id)
    }
}

/// What an image has to be called instead: a name without a digest is enough only for what no registry has given.
fn needs_digest(name: &str, id: &str, digests: &[String]) -> Option<String> {
    let bare = name.strip_prefix("sha256:").unwrap_or(name);
    let is_id = 12 <= bare.len() && id.starts_with(bare);
    if is_id || name.contains("@sha256:") {
        return None;
    }
    digests.iter().find(|digest| !digest.starts_with("localhost/")).cloned()
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
        let image = self.image().map_err(|error| match error {
            SandboxError::Unavailable(unavailable) => unavailable,
            error => Unavailable::new(error.to_string(), "name an image by its digest, and pull it yourself"),
        })?;
        // What an image sets is no variable of this machine; what is, is seen without it.
        let bare = Self { has_image_variables: false, ..self.clone() };
        let mut guarantees = probe::run(&bare, &self.trials, self.version(&image))?;
        guarantees.memory = Guarantee::Held;
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
        let image = self.image()?;
        let build = wire::build_of_copy(&self.executable).map_err(|error| {
            SandboxError::Start(format!("`{}` cannot be looked at: {error}", self.executable.display()))
        })?;
        let name = arguments::name(spec.tree.id());
        let own = i32::try_from(std::process::id()).ok().and_then(Noted::of);
        let note = |first: Option<i32>| {
            let processes = first.and_then(Noted::of).into_iter().collect();
            let note = Note { boot: procfs::boot(), worker: own, processes };
            let directory = spec.tree.directory();
            note.write(directory).map_err(TreeError::io("note the sandbox beside", directory))
        };
        // Before anything can be left behind.
        note(None)?;
        let mut vessel = Vessel {
            engine: self.engine.clone(),
            name: name.clone(),
            logs: spec.phase.logs(),
            client: None,
            first: None,
        };
        let worker =
            own.map_or_else(String::new, |own| format!("{}/{}/{}", procfs::boot(), own.pid, own.started));
        let words = arguments::create(self.engine.kind, spec, &image.id, &worker, &self.house());
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
            let number = Pid::from_raw(pid);
            let pinned = number.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
            if let Some(pinned) = pinned {
                let kept = Kept {
                    pid,
                    pinned: pinned.try_clone().map_err(failed)?,
                    directory: spec.tree.directory().to_path_buf(),
                    limits: spec.limits,
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

    /// Copies in our executable, what can be read, and the tree.
    fn fill(&self, spec: &Spec, name: &str) -> Result<(), SandboxError> {
        let mut executable = running::opened(&self.executable)?;
        self.copy(name, "/", |packer| {
            // An image may have none, or another; the engine gives its mode to what is mounted there.
            packer.directory(Path::new("tmp"), 0o1777, Owner::Root)?;
            packer.directory(&pack::relative(HOME), 0o1777, Owner::Root)?;
            // podman gives a new volume the owner of what the image has in its place, in no certain order of places.
            for place in ["/workspace", spec.workdir.as_str()].into_iter().chain(spec.phase.logs()) {
                packer.directory(&pack::relative(place), 0o755, Owner::Worker(WORKER))?;
            }
            packer.directory(Path::new("run/self-harness"), 0o755, Owner::Root)?;
            packer.file(&mut executable, &pack::relative(INSIDE), 0o755, Owner::Root)?;
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
        self.copy(name, "/workspace", |packer| {
            packer.all(&spec.tree.path(), Path::new("."), Owner::Worker(WORKER))
        })?;
        match spec.phase.logs() {
            Some(logs) => self.copy(name, logs, |packer| {
                packer.all(&spec.tree.out(), Path::new("."), Owner::Worker(WORKER))
            }),
            None => Ok(()),
        }
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
            id: spec.tree.id().to_owned(),
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
    fn an_image_of_a_registry_needs_its_digest() {
        let id = "2f54c4ecd6fcdd3a2712214439baa3e49fe526e55b86a9fa0a0ae435bbd0989c";
        let registry = [format!("docker.io/library/python@sha256:{id}")];
        assert_eq!(needs_digest("python:3.12", id, &registry), Some(registry[0].clone()));
        assert_eq!(needs_digest("python", id, &registry), Some(registry[0].clone()));
        // Not the identity of this image, though it looks like one.
        assert_eq!(needs_digest("abcdefabcdef", id, &registry), Some(registry[0].clone()));
        for named in [registry[0].as_str(), id, &format!("sha256:{id}"), &id[..12]] {
            assert_eq!(needs_digest(named, id, &registry), None, "{named}");
        }
        // Made here: Docker says nothing, podman that it is its own.
        assert_eq!(needs_digest("made-here:1", id, &[]), None);
        assert_eq!(needs_digest("localhost/made", id, &[format!("localhost/made@sha256:{id}")]), None);
    }

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
