//! No sandbox at all: commands run with our own rights, on this machine as it is. For machines that are thrown away afterwards,
//! such as a container in which no sandbox can be made. Never a fallback: the user's own configuration must name it, and each run
//! must be told so (`security` 3.9).
//!
//! The paths of a task (`/app`, `/tests`, `/logs/…`) are links in `/` while it runs, so one task runs at a time, and whatever is
//! there already is left alone. Variables, time, output and the end of all processes are as in a sandbox; nothing else is.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::{Pid, Signal};

use super::guarantee::{Guarantee, Guarantees, Unavailable};
use super::output::Capture;
use super::procfs;
use super::spec::{Backend, Dead, Ended, Exec, Executed, Limits, PATH, Sandbox, SandboxError, Spec, Stopper};
use super::tree::{TrialTree, Trials};
use crate::host::spawn;

/// By this variable the processes of a trial are found again.
const MARK: &str = "SELF_HARNESS_TRIAL";
/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long output is still read after a command has ended.
const AFTERGLOW: Duration = Duration::from_millis(200);
/// How long the end of all processes may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The backend that confines nothing.
#[derive(Clone, Debug)]
pub struct Unconfined {
    /// Where trial trees lie, and the lock by which one task runs at a time.
    pub trials: Trials,
    /// Where the paths of a task are made: `/`.
    pub root: PathBuf,
}

impl Unconfined {
    /// On this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self {
            trials: Trials::of_this_machine(super::identity(super::Choice::None)),
            root: PathBuf::from("/"),
        }
    }
}

impl Backend for Unconfined {
    fn probe(&self) -> Result<Guarantees, Unavailable> {
        let missing = || Guarantee::Missing(String::from("there is no sandbox"));
        Ok(Guarantees {
            backend: String::from("no sandbox"),
            fs_write: missing(),
            fs_read: missing(),
            network: missing(),
            processes: missing(),
            kill_all: Guarantee::Weaker(String::from(
                "processes are found by a variable that they may remove",
            )),
            capabilities: missing(),
            seccomp: missing(),
            memory: missing(),
            disk: missing(),
            landlock_abi: missing(),
        })
    }

    fn start(&self, spec: Spec) -> Result<Box<dyn Sandbox>, SandboxError> {
        match self.prepare(&spec) {
            Ok((lock, links)) => Ok(Box::new(Open {
                mark: spec.tree.id().to_owned(),
                workdir: spec.workdir.clone(),
                env: spec.env.each().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                limits: spec.limits,
                tree: Some(spec.tree),
                links,
                group: Arc::default(),
                ended: None,
                _lock: lock,
            })),
            Err(error) => {
                // The first failure is the one that is told.
                let _ = spec.tree.remove();
                Err(error)
            }
        }
    }
}

impl Unconfined {
    /// Waits for its turn, and makes the paths of a task.
    fn prepare(&self, spec: &Spec) -> Result<(OwnedFd, Links), SandboxError> {
        self.trials.open()?;
        let path = self.trials.directory().join("unconfined.lock");
        let failed = |error: rustix::io::Errno| {
            SandboxError::Start(format!("cannot lock `{}`: {error}", path.display()))
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(failed)?;
        let mut links = Links { made: Vec::new(), trials: self.trials.directory().to_path_buf() };
        let tree = spec.tree.path();
        for at in [spec.workdir.as_str(), "/workspace"] {
            links.make(&self.root, at, &tree)?;
        }
        if let Some(logs) = spec.phase.logs() {
            links.make(&self.root, logs, &spec.tree.out())?;
        }
        for mount in &spec.mounts {
            links.make(&self.root, &mount.at, &mount.from)?;
        }
        Ok((lock, links))
    }
}

/// Links that stand for mounts. Dropped, they go.
struct Links {
    made: Vec<PathBuf>,
    /// A link into this directory is one that a worker which died has left.
    trials: PathBuf,
}

impl Links {
    fn make(&mut self, root: &Path, at: &str, to: &Path) -> Result<(), SandboxError> {
        let path = root.join(at.trim_start_matches('/'));
        let told = |error: std::io::Error| {
            SandboxError::Start(format!(
                "cannot make `{}`: {error}; without a sandbox the paths of a task are links in `/`, which takes root of a machine of its own",
                path.display()
            ))
        };
        match fs::read_link(&path) {
            Ok(target) if target.starts_with(&self.trials) => fs::remove_file(&path).map_err(told)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => {
                let message = format!(
                    "`{}` is there already, and without a sandbox nothing is put over it",
                    path.display()
                );
                return Err(SandboxError::Refused(message));
            }
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(told)?;
        }
        symlink(to, &path).map_err(told)?;
        self.made.push(path);
        Ok(())
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for link in &self.made {
            // One that stays is replaced by the next task.
            let _ = fs::remove_file(link);
        }
    }
}

/// A task at work without walls.
struct Open {
    mark: String,
    workdir: String,
    env: Vec<(String, String)>,
    limits: Limits,
    tree: Option<TrialTree>,
    links: Links,
    /// The process group of the command that runs, and whether it was stopped.
    group: Arc<Mutex<Option<(Pid, bool)>>>,
    ended: Option<Ended>,
    _lock: OwnedFd,
}

type Shared = Arc<Mutex<Capture>>;

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Shared {
    let capture = Shared::default();
    let kept = Arc::clone(&capture);
    if let Some(mut pipe) = pipe {
        let read = move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                locked(&kept).push(buffer.get(..read).unwrap_or_default());
            }
        };
        // Without a thread nothing is read, and the command waits until its time is over.
        let _ = thread::Builder::new().name(String::from("output")).spawn(read);
    }
    capture
}

impl Open {
    fn spawn(&self, command: &Exec) -> std::io::Result<Child> {
        let (program, arguments) = command.argv.split_first().ok_or(ErrorKind::InvalidInput)?;
        let mut spawned = spawn::command(program);
        spawned
            .args(arguments)
            .current_dir(command.directory.as_deref().unwrap_or(&self.workdir))
            .env("PATH", PATH)
            .env("HOME", "/tmp")
            .env("USER", "agent")
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("TMPDIR", "/tmp")
            .env("TZ", "UTC")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .envs(command.env.each())
            .env(MARK, &self.mark)
            .stdin(match &command.stdin {
                Some(path) => Stdio::from(fs::File::open(path)?),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        spawn::start(spawned)
    }

    /// Waits for a command as long as it may take.
    fn wait(&self, child: &mut Child, command: &Exec, streams: [&Shared; 2]) -> std::io::Result<Ended> {
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                let was_stopped = locked(&self.group).take().is_some_and(|(_, stopped)| stopped);
                return Ok(if was_stopped { Ended::TimedOut } else { ended(status) });
            }
            let printed: u64 = streams.iter().map(|stream| locked(stream).total()).sum();
            let is_late = command.timeout <= began.elapsed();
            if is_late || self.limits.output_bytes < printed {
                kill_group(&self.group);
                child.wait()?;
                locked(&self.group).take();
                return Ok(if is_late { Ended::TimedOut } else { Ended::OutputFlood });
            }
            thread::sleep(LOOK);
        }
    }
}

fn kill_group(group: &Mutex<Option<(Pid, bool)>>) {
    if let Some((pid, stopped)) = locked(group).as_mut() {
        *stopped = true;
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(*pid, Signal::KILL);
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Finished(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or_default()),
    }
}

impl Sandbox for Open {
    fn exec(&mut self, command: &Exec) -> Result<Executed, SandboxError> {
        let failed = |error: std::io::Error| SandboxError::Command {
            program: command.argv.first().cloned().unwrap_or_default(),
            why: error.to_string(),
        };
        let began = Instant::now();
        let mut child = self.spawn(command).map_err(failed)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        *locked(&self.group) = pid.map(|pid| (pid, false));
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let ended = self.wait(&mut child, command, [&stdout, &stderr]).map_err(failed)?;
        // A child that stays may hold the streams open for ever.
        let until = Instant::now() + AFTERGLOW;
        while Instant::now() < until && [&stdout, &stderr].iter().any(|stream| 1 < Arc::strong_count(stream))
        {
            thread::sleep(LOOK);
        }
        self.ended = Some(ended.clone());
        let (stdout, stderr) = (locked(&stdout).clone(), locked(&stderr).clone());
        Ok(Executed { ended, stdout, stderr, took: began.elapsed() })
    }

    fn stopper(&self) -> Option<Stopper> {
        let group = Arc::clone(&self.group);
        Some(Stopper::new(move || kill_group(&group)))
    }

    fn kill(mut self: Box<Self>) -> Result<Dead, SandboxError> {
        let ended = self.ended.clone().unwrap_or(Ended::Died(super::spec::Cause::Unused));
        let Some(tree) = self.tree.take() else { return Err(SandboxError::Over(ended)) };
        if !kill_marked(&self.mark) {
            return Err(SandboxError::Unkillable { tree: tree.directory().to_path_buf() });
        }
        self.links.made.drain(..).for_each(|link| {
            // One that stays is replaced by the next task.
            let _ = fs::remove_file(link);
        });
        Ok(Dead::proven(tree, ended))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(tree) = self.tree.take() else { return };
        if kill_marked(&self.mark) {
            // What stays is swept by the next worker.
            let _ = tree.remove();
        }
    }
}

/// Kills every process that carries the mark of a trial; whether none is left.
fn kill_marked(mark: &str) -> bool {
    let wanted = format!("{MARK}={mark}");
    let until = Instant::now() + PATIENCE;
    loop {
        let marked: Vec<procfs::Process> = procfs::processes()
            .into_iter()
            .filter(|process| !process.is_zombie)
            .filter(|process| {
                let environ = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
                environ.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
            })
            .collect();
        if marked.is_empty() {
            return true;
        }
        for process in marked {
            // One that is gone already is what is wanted.
            let _ = procfs::kill(process.pid, process.started);
        }
        if until <= Instant::now() {
            return false;
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sandbox::Phase;

    fn backend(name: &str) -> Unconfined {
        let root = std::env::temp_dir().join(format!("self-harness-none-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Unconfined { trials: Trials::at(root.join("trials"), None), root: root.join("root") }
    }

    fn start(backend: &Unconfined) -> Box<dyn Sandbox> {
        let mut spec = Spec::new(Phase::Verify, backend.trials.fresh().unwrap());
        // Commands see the machine as it is, so the workdir of the test is the tree itself.
        spec.workdir = spec.tree.path().display().to_string();
        backend.start(spec).unwrap()
    }

    #[test]
    fn commands_run_and_everything_of_them_ends() {
        let backend = backend("runs");
        let mut sandbox = start(&backend);
        let ran = sandbox
            .exec(&Exec::shell("echo a > b; echo out; echo err >&2; env | grep -c KEY; exit 3"))
            .unwrap();
        assert_eq!(ran.ended, Ended::Finished(3));
        assert_eq!((ran.stdout.text().as_str(), ran.stderr.text().as_str()), ("out\n0\n", "err\n"));
        let late = sandbox.exec(&Exec::shell("sleep 60").within(Duration::from_millis(200))).unwrap();
        assert_eq!(late.ended, Ended::TimedOut);
        sandbox.exec(&Exec::shell("setsid sleep 61 > /dev/null 2>&1 &")).unwrap();
        let stopper = sandbox.stopper().unwrap();
        let stop = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            stopper.stop();
        });
        assert_eq!(sandbox.exec(&Exec::shell("sleep 62")).unwrap().ended, Ended::TimedOut);
        stop.join().unwrap();
        let dead = sandbox.kill().unwrap();
        assert_eq!(fs::read_to_string(dead.tree().path().join("b")).unwrap(), "a\n");
        let sleeps = procfs::processes().into_iter().filter(|process| {
            fs::read(format!("/proc/{}/cmdline", process.pid))
                .is_ok_and(|line| line.starts_with(b"sleep\x0061\0"))
        });
        assert_eq!(sleeps.count(), 0);
        dead.into_tree().remove().unwrap();
        fs::remove_dir_all(backend.root.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_is_there_is_left_alone_and_links_of_the_dead_are_replaced() {
        let backend = backend("links");
        fs::create_dir_all(backend.root.join("workspace")).unwrap();
        let spec = Spec::new(Phase::Agent, backend.trials.fresh().unwrap());
        let refused = backend.start(spec).err().unwrap().to_string();
        assert!(
            refused.contains("is there already, and without a sandbox nothing is put over it"),
            "{refused}"
        );
        fs::remove_dir(backend.root.join("workspace")).unwrap();
        symlink(backend.trials.directory().join("gone"), backend.root.join("workspace")).unwrap();
        let spec = Spec::new(Phase::Agent, backend.trials.fresh().unwrap());
        let sandbox = backend.start(spec).unwrap();
        assert!(backend.root.join("app").is_symlink() && backend.root.join("logs/agent").is_symlink());
        sandbox.kill().unwrap().into_tree().remove().unwrap();
        assert!(!backend.root.join("app").is_symlink() && !backend.root.join("workspace").is_symlink());
        fs::remove_dir_all(backend.root.parent().unwrap()).unwrap();
    }

    #[test]
    fn it_promises_nothing() {
        let guarantees = backend("promises").probe().unwrap();
        assert_eq!(guarantees.lacking().len(), 9);
    }
}
