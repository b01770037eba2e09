//! Sandboxes by bubblewrap: namespaces without rights on the host, a root of its own, and a program of ours as the first
//! process. Starts them; never falls back to less.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::arguments::{self, HOME, INSIDE, Machine};
use super::first::First;
use super::guarantee::{Guarantees, Unavailable};
use super::launched::{Again, Launched, NotLaunched};
use super::reachable::Own;
use super::spare::{Next, Origin};
use super::spec::{Backend, Sandbox, SandboxError, Spec};
use super::tree::{Identity, TreeError, Trials};
use super::wire::{self, Setup};
use super::{orphan, probe, program};
use crate::host::spawn;

/// Where distributions install it, and what their profiles name.
const PROGRAM: &str = "/usr/bin/bwrap";
const REMEDY: &str = "install the package `bubblewrap`, for example with `apt-get install bubblewrap`";

/// The backend.
#[derive(Clone, Debug)]
pub struct Bubblewrap {
    /// The program.
    pub program: PathBuf,
    /// Our executable, which becomes the first process where the small program cannot.
    pub executable: PathBuf,
    /// The program that becomes the first process.
    pub first: First,
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
            first: First::default(),
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
                let (next, origin) = (self.next.clone(), self.origin(self.first.is_small()));
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

    fn origin(&self, is_small: bool) -> Origin {
        Origin { program: self.program.clone(), run_as: self.run_as, is_small }
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

    /// Has bubblewrap make a sandbox; once more if what failed can be put right.
    fn launch(&self, spec: &Spec) -> Result<Launched, SandboxError> {
        let failed = match self.attempt(spec) {
            Ok(launched) => return Ok(launched),
            Err(failed) => failed,
        };
        match failed.again {
            Again::No => return Err(failed.error),
            Again::WithAnother => {}
            Again::WithOurExecutable => self.first.give_up(),
        }
        self.attempt(spec).map_err(|failed| failed.error)
    }

    /// Has bubblewrap make a sandbox and waits until the first process has checked the walls.
    fn attempt(&self, spec: &Spec) -> Result<Launched, NotLaunched> {
        let (build, executable) = self.first_process()?;
        let spare = self.next.take(&self.origin(executable.is_none()))?;
        let words =
            arguments::arguments(spec, &machine(&self.toolchains), &spare.numbers, executable.as_deref());
        let mut launched = Launched::new(spare)?;
        launched.begin(spec, &words, &setup(spec, &build))?;
        Ok(launched)
    }

    /// Identity of what becomes the first process, and where it lies if it has to be seen inside.
    fn first_process(&self) -> Result<(String, Option<PathBuf>), SandboxError> {
        let unknown = |what: String| {
            move |error: std::io::Error| SandboxError::Start(format!("{what} cannot be looked at: {error}"))
        };
        if let Some(small) = self.first.small() {
            let file = small.metadata().map_err(unknown(String::from("the first process")))?;
            return Ok((wire::build(&file), None));
        }
        let executable = self.reached()?;
        let file = fs::metadata(&executable).map_err(unknown(format!("`{}`", executable.display())))?;
        Ok((wire::build(&file), Some(executable)))
    }
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
