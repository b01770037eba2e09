//! Sandboxes by bubblewrap: namespaces without rights on the host, a root of its own, and our executable as the first
//! process. Starts them; never falls back to less.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use serde::Deserialize;

use super::arguments::{self, HOME, INSIDE, Machine};
use super::guarantee::{Guarantees, Unavailable};
use super::keeper::{Keeper, Kept};
use super::orphan::{self, Note};
use super::reachable::Own;
use super::running::{self, Running};
use super::spare::{Ends, Next, Origin};
use super::spec::{Backend, EGRESS_ADDRESS, MODEL_ADDRESS, Sandbox, SandboxError, Spec};
use super::tree::{Identity, TreeError, Trials};
use super::wire::{self, Report, Setup};
use super::{probe, procfs, program, remedy};
use crate::host::spawn;

/// Where distributions install it, and what their profiles name.
const PROGRAM: &str = "/usr/bin/bwrap";
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(5);
const REMEDY: &str = "install the package `bubblewrap`, for example with `apt-get install bubblewrap`";

/// The backend.
#[derive(Clone, Debug)]
pub struct Bubblewrap {
    /// The program.
    pub program: PathBuf,
    /// Our executable, which becomes the first process.
    pub executable: PathBuf,
    /// Where trial trees lie.
    pub trials: Trials,
    /// Who runs it if we are root; nobody runs as root.
    pub run_as: Option<Identity>,
    /// Directories with more programs that can be read inside.
    pub toolchains: Vec<PathBuf>,
    /// What waits for the next start.
    pub next: Next,
    /// Where the executable was found to be reachable.
    pub own: Own,
}

impl Bubblewrap {
    /// As this machine and this user have it.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let run_as = rustix::process::geteuid().is_root().then_some(Identity::UNUSED);
        Self {
            program: PathBuf::from(PROGRAM),
            executable: std::env::current_exe().unwrap_or_default(),
            trials: Trials::of_this_machine(run_as),
            run_as,
            toolchains: Vec::new(),
            next: Next::default(),
            own: Own::default(),
        }
    }

    /// Removes what dead workers have left.
    ///
    /// # Errors
    /// A [`SandboxError`] if the directory of the trial trees cannot be read.
    pub fn sweep(&self) -> Result<usize, SandboxError> {
        let directory = self.trials.directory();
        orphan::sweep(directory).map_err(|error| TreeError::io("sweep", directory)(error).into())
    }

    /// Whether the program is one that only root could have put there.
    fn check_program(&self) -> Result<(), Unavailable> {
        program::check(&self.program, REMEDY)
    }

    /// Nothing that a user keeps secrets in is a toolchain.
    fn check_toolchains(&self) -> Result<(), SandboxError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        for path in &self.toolchains {
            let hides = |name: &std::path::Component<'_>| {
                [".ssh", ".cargo", ".aws", ".gnupg", ".config", ".docker", ".kube"]
                    .iter()
                    .any(|secret| name.as_os_str() == *secret)
            };
            let is_home = home.as_ref().is_some_and(|home| home.starts_with(path));
            let system = ["/run", "/sys", "/proc", "/dev", "/tmp", "/etc", "/var", "/root", "/home"];
            let is_system = path == Path::new("/") || system.iter().any(|system| path == Path::new(system));
            let is_run = path.starts_with("/run") || path.starts_with("/var/run");
            if !path.is_absolute()
                || is_home
                || is_system
                || is_run
                || path.components().any(|part| hides(&part))
            {
                let message = format!("`{}` cannot be a toolchain: it may hold secrets", path.display());
                return Err(SandboxError::Refused(message));
            }
        }
        Ok(())
    }

    fn version(&self) -> String {
        let mut command = spawn::command(&self.program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let output = spawn::start(command).and_then(Child::wait_with_output);
        let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        format!("{} (`{}`)", printed.unwrap_or_default(), self.program.display())
    }
}

impl Backend for Bubblewrap {
    fn probe(&self) -> Result<Guarantees, Unavailable> {
        self.check_program()?;
        probe::run(self, &self.trials, self.version())
    }

    fn start(&self, spec: Spec) -> Result<Box<dyn Sandbox>, SandboxError> {
        match self.check(&spec).and_then(|()| self.launch(&spec)) {
            Ok(launched) => {
                let (next, origin) = (self.next.clone(), self.origin());
                launched.settle(spec, move || next.fill(&origin))
            }
            Err(error) => {
                // The first failure is the one that is told.
                let _ = spec.tree.remove();
                Err(error)
            }
        }
    }
}

impl Bubblewrap {
    fn check(&self, spec: &Spec) -> Result<(), SandboxError> {
        self.check_program().map_err(SandboxError::Unavailable)?;
        self.check_toolchains()?;
        check_places(spec)?;
        if rustix::process::geteuid().is_root()
            && self.run_as.is_none_or(|user| user.uid == 0 || user.gid == 0)
        {
            let message = "a sandbox is not started as root: an ordinary user has to be named";
            return Err(SandboxError::Refused(String::from(message)));
        }
        Ok(())
    }

    fn origin(&self) -> Origin {
        Origin { program: self.program.clone(), run_as: self.run_as }
    }

    /// Our executable where whoever the sandbox runs as can execute it.
    fn reached(&self) -> Result<PathBuf, SandboxError> {
        let Some(user) = self.run_as else { return Ok(self.executable.clone()) };
        let copies = self.trials.directory().with_file_name("program");
        self.own.reached(&self.executable, user, &copies).map_err(|error| {
            let (of, copies) = (self.executable.display(), copies.display());
            let message = format!(
                "`{of}` cannot be copied to `{copies}`, where an ordinary user may execute it: {error}"
            );
            SandboxError::Start(message)
        })
    }

    /// Has bubblewrap make a sandbox and waits until the inner stage has checked the walls.
    fn launch(&self, spec: &Spec) -> Result<Launched, SandboxError> {
        let executable = self.reached()?;
        let build = wire::build(&executable).map_err(|error| {
            SandboxError::Start(format!("`{}` cannot be looked at: {error}", executable.display()))
        })?;
        let mut spare = self.next.take(&self.origin())?;
        let machine = machine(&self.toolchains);
        let words = arguments::arguments(spec, &machine, &spare.numbers, &executable);
        let setup = setup(spec, &build);
        let mark = spare.mark.clone();
        let Some((outer, ends)) = spare.release() else {
            return Err(SandboxError::Start(String::from("there is no bubblewrap")));
        };
        let Ends { control, info, arguments, stderr } = ends;
        let mut launched = Launched {
            mark,
            outer: Some(outer),
            control,
            first: None,
            keeper: None,
            roads: Roads::default(),
            stderr,
        };
        launched.tell(arguments, &words, &setup)?;
        launched.await_first(spec, info)?;
        launched.look_after(spec)?;
        launched.await_ready(spec, &build)?;
        Ok(launched)
    }
}

/// Says beside the tree who works on it.
fn note(spec: &Spec, pids: &[i32]) -> Result<(), SandboxError> {
    let directory = spec.tree.directory();
    Note::of(pids)
        .write(directory)
        .map_err(|error| TreeError::io("note the sandbox beside", directory)(error).into())
}

/// What the inner stage is told.
fn setup(spec: &Spec, build: &str) -> Setup {
    let mut writable: Vec<String> = ["/workspace", "/tmp", HOME].map(String::from).into();
    if spec.workdir != "/workspace" {
        writable.push(spec.workdir.clone());
    }
    writable.extend(spec.phase.logs().map(String::from));
    Setup {
        build: build.to_owned(),
        writable,
        directory: spec.workdir.clone(),
        memory_bytes: spec.limits.memory_bytes,
        processes: spec.limits.processes,
        file_bytes: spec.limits.file_bytes,
        has_model_route: spec.network.has_model(),
        has_egress_route: spec.network.has_egress(),
        contained: None,
    }
}

/// Mounts lie where they hide nothing of the system.
pub(super) fn check_places(spec: &Spec) -> Result<(), SandboxError> {
    /// What is told to an agent lies beside our executable.
    const OURS: &str = "/run/self-harness";
    const SYSTEM: &[&str] = &[
        "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr",
    ];
    let refused =
        |at: &str, why: &str| Err(SandboxError::Refused(format!("nothing can be mounted at `{at}`: {why}")));
    for at in std::iter::once(&spec.workdir).chain(spec.mounts.iter().map(|mount| &mount.at)) {
        let path = Path::new(at);
        let names: Vec<_> = path.components().skip(1).collect();
        let is_plain = names.iter().all(|name| matches!(name, std::path::Component::Normal(_)));
        let Some(first) = names.first() else { return refused(at, "it is the root") };
        if !path.is_absolute() || !is_plain || at.contains('\0') {
            return refused(at, "it is no plain path from the root");
        }
        let is_ours = path.starts_with(OURS) && path != Path::new(OURS) && !path.starts_with(INSIDE);
        if !is_ours && SYSTEM.iter().any(|system| first.as_os_str() == *system) {
            return refused(at, "it belongs to the system");
        }
    }
    if let Some(mount) =
        spec.mounts.iter().find(|mount| mount.at.starts_with("/logs") || mount.at == spec.workdir)
    {
        return refused(&mount.at, "it belongs to the trial");
    }
    Ok(())
}

/// What there is on this machine.
fn machine(toolchains: &[PathBuf]) -> Machine {
    let mut machine = Machine { toolchains: toolchains.to_vec(), ..Machine::default() };
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = format!("/{name}");
        let Ok(there) = fs::symlink_metadata(&path) else { continue };
        if there.is_dir() {
            machine.directories.push(path);
        } else if let Ok(target) = fs::read_link(&path) {
            machine.links.push((target.to_string_lossy().into_owned(), path));
        }
    }
    if Path::new("/nix/store").is_dir() {
        machine.directories.push(String::from("/nix/store"));
    }
    let hidden = ["/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/kcore", "/proc/sched_debug"];
    // What only root may read, nobody inside may.
    let is_readable =
        |path: &&&str| fs::metadata(path).is_ok_and(|there| there.permissions().mode() & 0o004 != 0);
    machine.hidden = hidden.iter().filter(is_readable).map(|path| (*path).to_owned()).collect();
    machine
}

/// What bubblewrap says about what it has started.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child_pid: i32,
}

/// bubblewrap, until the sandbox is known to be as it has to be. What is dropped is killed.
struct Launched {
    /// What it has in its command line.
    mark: String,
    outer: Option<Child>,
    control: OwnedFd,
    first: Option<(i32, OwnedFd)>,
    keeper: Option<Keeper>,
    roads: Roads,
    stderr: Option<ChildStderr>,
}

/// The sockets that were handed over.
#[derive(Default)]
struct Roads {
    model: Option<TcpListener>,
    egress: Option<TcpListener>,
}

impl Launched {
    /// Says what is to be made, first to whoever is last: it finds it when it is there.
    fn tell(
        &mut self,
        mut arguments: fs::File,
        words: &[OsString],
        setup: &Setup,
    ) -> Result<(), SandboxError> {
        wire::send(&self.control, setup, &[])
            .map_err(|error| SandboxError::Start(format!("its first process cannot be told: {error}")))?;
        if arguments.write_all(&arguments::encoded(words)).is_err() {
            return Err(self.not_started("it does not listen"));
        }
        Ok(())
    }

    /// Learns and pins the first process.
    fn await_first(&mut self, spec: &Spec, info: OwnedFd) -> Result<(), SandboxError> {
        let until = Instant::now() + PATIENCE;
        let mut file = fs::File::from(info);
        let mut bytes = Vec::new();
        let mut piece = [0; 512];
        let told: Info = loop {
            if !is_ready(&file, until) {
                return Err(self.not_started("it does not say what it has started"));
            }
            match file.read(&mut piece) {
                Ok(0) | Err(_) => return Err(self.not_started("it ended before it had started anything")),
                Ok(read) => bytes.extend_from_slice(&piece[..read]),
            }
            if let Ok(told) = serde_json::from_slice(&bytes) {
                break told;
            }
        };
        let outer = self.outer.as_ref().and_then(|outer| i32::try_from(outer.id()).ok()).unwrap_or(0);
        let pid =
            Pid::from_raw(told.child_pid).ok_or_else(|| SandboxError::Start(String::from("no process")))?;
        let Ok(pinned) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return Err(self.not_started("its first process has ended"));
        };
        // Pinned first: what is read now is about this process.
        match procfs::process(told.child_pid) {
            Some(process) if process.parent == outer => {}
            _ => return Err(self.not_started("its first process is none of bubblewrap's")),
        }
        self.first = Some((told.child_pid, pinned));
        note(spec, &[told.child_pid, outer])
    }

    /// Waits until the inner stage has checked the walls.
    fn await_ready(&mut self, spec: &Spec, build: &str) -> Result<(), SandboxError> {
        if !is_ready(&self.control, Instant::now() + PATIENCE) {
            return Err(self.not_started("its first process does not answer"));
        }
        match wire::receive::<Report>(&self.control) {
            Ok(Some((Report::Ready { build: inside }, handed))) if inside == build => {
                self.roads = roads(spec, handed)?;
                Ok(())
            }
            Ok(Some((Report::Ready { build: inside }, _))) => Err(SandboxError::Start(format!(
                "the executable inside is another one: `{inside}` and not `{build}`"
            ))),
            Ok(Some((Report::Unsafe { why }, _))) => Err(not_safe(&why)),
            Ok(_) | Err(_) => Err(self.not_started("its first process ended")),
        }
    }

    /// What the inner stage said or bubblewrap printed, as an error.
    fn not_started(&mut self, seen: &str) -> SandboxError {
        self.end();
        if is_ready(&self.control, Instant::now())
            && let Ok(Some((Report::Unsafe { why }, _))) = wire::receive::<Report>(&self.control)
        {
            return not_safe(&why);
        }
        let mut printed = Vec::new();
        if let Some(stderr) = self.stderr.take() {
            // Whoever else has the pipe is dead by now; a message is short.
            let _ = stderr.take(8192).read_to_end(&mut printed);
        }
        match String::from_utf8_lossy(&printed).trim() {
            "" => SandboxError::Start(seen.to_owned()),
            printed => SandboxError::Unavailable(remedy::of(printed)),
        }
    }

    /// Kills all of it.
    fn end(&mut self) {
        let Some(mut outer) = self.outer.take() else { return };
        if let Some((_, first)) = &self.first {
            let _ = rustix::process::pidfd_send_signal(first, rustix::process::Signal::KILL);
            running::has_ended(first, running::PATIENCE);
            running::reap(&mut outer);
            return;
        }
        let _ = outer.kill();
        running::reap(&mut outer);
        // What it had started a moment before does not end with it yet. What cannot be ended is swept later.
        let _ = orphan::end_marked(&self.mark);
    }

    /// Starts the thread beside it, while bubblewrap is at work.
    fn look_after(&mut self, spec: &Spec) -> Result<(), SandboxError> {
        let (pid, first) = self.first.as_ref().ok_or_else(missing).map_err(not_looked_after)?;
        let kept = Kept {
            pid: *pid,
            pinned: first.try_clone().map_err(not_looked_after)?,
            directory: spec.tree.directory().to_path_buf(),
            limits: spec.limits,
            // It is the process that is pinned: it was there after that. Without its mounts its end takes longer, and that is all.
            mounts: fs::File::open(format!("/proc/{pid}/ns/mnt")).ok().map(OwnedFd::from),
        };
        self.keeper = Some(Keeper::start(kept).map_err(not_looked_after)?);
        Ok(())
    }

    /// A sandbox that may be used; `afterwards` is what nobody waits for.
    fn settle(
        mut self,
        spec: Spec,
        afterwards: impl FnOnce() + Send + 'static,
    ) -> Result<Box<dyn Sandbox>, SandboxError> {
        let control = self.control.try_clone().map_err(not_looked_after)?;
        let (_, first) = self.first.as_ref().ok_or_else(missing).map_err(not_looked_after)?;
        let first = first.try_clone().map_err(not_looked_after)?;
        let keeper = self.keeper.take().ok_or_else(missing).map_err(not_looked_after)?;
        let outer = self.outer.take().ok_or_else(missing).map_err(not_looked_after)?;
        keeper.afterwards(afterwards);
        Ok(Box::new(Running {
            outer: Some(outer),
            first,
            control: std::sync::Arc::new(control),
            stopped: std::sync::Arc::default(),
            listener: self.roads.model.take(),
            egress: self.roads.egress.take(),
            keeper,
            tree: Some(spec.tree),
            limits: spec.limits,
            ended: None,
            is_over: false,
        }))
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.end();
    }
}

/// The sockets that were handed over: exactly those that were asked for, each listening where it was asked to.
fn roads(spec: &Spec, handed: Vec<OwnedFd>) -> Result<Roads, SandboxError> {
    let mut roads = Roads::default();
    for socket in handed.into_iter().map(TcpListener::from) {
        let listens = rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false);
        let road = match socket.local_addr() {
            Ok(MODEL_ADDRESS) if listens => &mut roads.model,
            Ok(EGRESS_ADDRESS) if listens => &mut roads.egress,
            _ => return Err(not_safe("what was handed over as a road is no socket that listens there")),
        };
        if road.replace(socket).is_some() {
            return Err(not_safe("a road was handed over twice"));
        }
    }
    let are_asked_for = roads.model.is_some() == spec.network.has_model()
        && roads.egress.is_some() == spec.network.has_egress();
    if are_asked_for { Ok(roads) } else { Err(not_safe("other roads were handed over than were asked for")) }
}

fn missing() -> std::io::Error {
    std::io::ErrorKind::NotFound.into()
}

fn not_looked_after(error: std::io::Error) -> SandboxError {
    SandboxError::Start(format!("it cannot be looked after: {error}"))
}

/// A wall is not as it has to be.
fn not_safe(why: &str) -> SandboxError {
    SandboxError::Unavailable(Unavailable::new(
        format!("the sandbox does not keep its promise: {why}"),
        "see whether `/usr/bin/bwrap` is the distribution's own",
    ))
}

/// Whether there is something to read in time.
fn is_ready(descriptor: impl std::os::fd::AsFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
        match rustix::event::poll(&mut watched, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(ready) => return 0 < ready,
            Err(_) => return false,
        }
    }
}
