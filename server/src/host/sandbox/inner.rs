//! The inner stage: our executable as the first process of a sandbox. It checks the walls, starts commands, supervises
//! their memory and time, and ends, and with it everything, as soon as the worker is gone. It reads nothing that an agent
//! wrote, and it has one thread.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use super::confine::Confinement;
use super::spec::MODEL_ADDRESS;
use super::wire::{self, Order, Report, Request, Setup};
use super::{procfs, self_test};
use crate::host::spawn;

/// How often memory is looked at and orphans are waited for.
const TICK: Duration = Duration::from_millis(100);
/// The exit code if something is not as it has to be.
const UNSAFE: u8 = 96;

/// Runs as what the arguments say, if they say so.
pub(super) fn stage(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let first = arguments.nth(1)?;
    if first == wire::PROBE {
        return Some(self_test::inside(arguments));
    }
    if first != wire::INIT {
        return None;
    }
    let setup = arguments.next().and_then(|text| serde_json::from_str(text.to_str()?).ok());
    // Whoever types the hidden argument gets an answer.
    let Some(setup) = setup else { return Some(ExitCode::from(UNSAFE)) };
    Some(ExitCode::from(first_process(&setup)))
}

/// The life of the first process.
fn first_process(setup: &Setup) -> u8 {
    let Ok(control) = io::stdin().as_fd().try_clone_to_owned() else { return UNSAFE };
    match prepare(setup) {
        Ok((confinement, listener)) => {
            let build = wire::build("/proc/self/exe".as_ref()).unwrap_or_default();
            let handed: Vec<_> = listener.iter().map(AsFd::as_fd).collect();
            if wire::send(&control, &Report::Ready { build }, &handed).is_err() {
                return UNSAFE;
            }
            // From here on only the worker has it.
            drop(listener);
            Supervisor { control, setup, confinement, command: None }.run()
        }
        Err(why) => {
            // The worker sees the end of the socket at least.
            let _ = wire::send(&control, &Report::Unsafe { why }, &[]);
            UNSAFE
        }
    }
}

/// Checks the walls and puts the last of them up. The socket for the model is opened before any program could take its place.
fn prepare(setup: &Setup) -> Result<(Confinement, Option<TcpListener>), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    check_identity()?;
    check_mounts()?;
    check_descriptors()?;
    // The first to go if the machine runs out of memory; commands inherit it.
    fs::write("/proc/self/oom_score_adj", "1000").map_err(failed("the OOM score cannot be set"))?;
    // Nobody inside may look into this process, or take its descriptors.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(io::Error::from)
        .map_err(failed("the first process stays readable"))?;
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(failed("`/dev/null` cannot be opened"))?;
    rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&null))
        .map_err(io::Error::from)
        .map_err(failed("the standard descriptors cannot be let go"))?;
    let confinement = Confinement::new(&setup.writable, setup.processes, setup.file_bytes)?;
    let listener = match setup.has_model_route {
        true => Some(TcpListener::bind(MODEL_ADDRESS).map_err(failed("no socket listens for the model"))?),
        false => None,
    };
    Ok((confinement, listener))
}

fn check_identity() -> Result<(), String> {
    if std::process::id() != 1 {
        return Err(format!("it is process {} and not the first of its namespace", std::process::id()));
    }
    if rustix::process::getuid().is_root() || rustix::process::geteuid().is_root() {
        return Err(String::from("it runs as root"));
    }
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("`/proc` cannot be read: {error}"))?;
    for line in status.lines().filter(|line| line.starts_with("Cap")) {
        let (name, set) = line.split_once(':').unwrap_or((line, ""));
        if set.trim().bytes().any(|digit| digit != b'0') {
            return Err(format!("the capability set `{name}` is not empty: {}", set.trim()));
        }
    }
    if !status.lines().any(|line| line.starts_with("NoNewPrivs:") && line.ends_with('1')) {
        return Err(String::from("new privileges can be gained"));
    }
    Ok(())
}

fn check_mounts() -> Result<(), String> {
    for path in ["/", "/dev", "/usr"] {
        let mounted =
            rustix::fs::statvfs(path).map_err(|error| format!("`{path}` cannot be looked at: {error}"))?;
        if !mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(format!("`{path}` can be written"));
        }
    }
    Ok(())
}

/// The three standard ones and the copy of the control socket; a directory of the host among them would be a hole in every
/// wall.
fn check_descriptors() -> Result<(), String> {
    let failed = |error: io::Error| format!("the descriptors cannot be listed: {error}");
    let mut others = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let target = fs::read_link(&path).unwrap_or_default();
        let number =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<i32>().ok());
        let own = target.to_string_lossy().ends_with("/fd");
        if !own && number.is_none_or(|number| 2 < number) {
            others.push(target.display().to_string());
        }
    }
    // The one that is left is the copy of the control socket.
    match others.as_slice() {
        [one] if one.starts_with("socket:") => Ok(()),
        others => Err(format!("there are other descriptors than the control socket: {}", others.join(", "))),
    }
}

/// A command that runs.
struct Running {
    pid: Pid,
    pinned: OwnedFd,
    /// When it was started, in ticks of the kernel.
    started: u64,
    deadline: Instant,
    /// Why it is being killed, if it is.
    ending: Option<Report>,
}

struct Supervisor<'a> {
    control: OwnedFd,
    setup: &'a Setup,
    confinement: Confinement,
    command: Option<Running>,
}

impl Supervisor<'_> {
    /// Serves the worker until it is gone.
    fn run(mut self) -> u8 {
        let mut looked = Instant::now();
        loop {
            let has_children = self.reap();
            let now = Instant::now();
            if TICK <= now.duration_since(looked) {
                looked = now;
                if has_children && self.setup.memory_bytes < procfs::memory(self.setup.memory_bytes) {
                    // The end of this process is the end of all.
                    let _ = wire::send(&self.control, &Report::OverMemory, &[]);
                    return 0;
                }
            }
            self.enforce_deadline(now);
            let wait = if has_children { Some(TICK.saturating_sub(looked.elapsed())) } else { None };
            match self.wait(wait) {
                Ok(false) => {}
                Ok(true) => match self.serve() {
                    Ok(true) => {}
                    Ok(false) => return 0,
                    Err(_) => return UNSAFE,
                },
                Err(_) => return UNSAFE,
            }
        }
    }

    /// Waits for the worker, the end of the command, or the time; whether the worker said something.
    fn wait(&self, longest: Option<Duration>) -> io::Result<bool> {
        let mut watched = vec![PollFd::new(&self.control, PollFlags::IN)];
        if let Some(command) = &self.command {
            watched.push(PollFd::new(&command.pinned, PollFlags::IN));
        }
        let until_deadline = self
            .command
            .as_ref()
            .filter(|command| command.ending.is_none())
            .map(|command| command.deadline.saturating_duration_since(Instant::now()));
        let wait = [longest, until_deadline].into_iter().flatten().min();
        let wait = wait.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        match rustix::event::poll(&mut watched, wait.as_ref()) {
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(!watched[0].revents().is_empty()),
        }
    }

    /// Takes one order; `false` if the worker is gone.
    fn serve(&mut self) -> io::Result<bool> {
        let Some((order, descriptors)) = wire::receive::<Order>(&self.control)? else { return Ok(false) };
        match order {
            Order::Run => {
                if self.command.is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                match self.start(descriptors) {
                    Ok(running) => self.command = Some(running),
                    Err(error) => {
                        wire::send(&self.control, &Report::NotStarted { why: error.to_string() }, &[])?;
                    }
                }
            }
            Order::Stop => self.end(Report::Stopped),
        }
        Ok(true)
    }

    fn start(&self, descriptors: Vec<OwnedFd>) -> io::Result<Running> {
        let [request, stdout, stderr]: [OwnedFd; 3] =
            descriptors.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let Request { argv, env, directory, stdin, timeout } = wire::unseal(request)?;
        let (program, arguments) = argv
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no name"))?;
        let stdin = match stdin {
            // A pipe is not waited for.
            Some(path) => fs::File::options()
                .read(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
                .open(path)?
                .into(),
            None => Stdio::null(),
        };
        let mut command = spawn::command(program);
        command
            .args(arguments)
            .envs(std::env::vars_os())
            .envs(env)
            .current_dir(directory.as_ref().unwrap_or(&self.setup.directory))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        self.confinement.apply(&mut command)?;
        let deadline = Instant::now() + Duration::from_millis(timeout);
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::Other)?;
        let pinned = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        // It is not waited for yet, so it is there.
        let started = procfs::process(pid.as_raw_nonzero().get()).map_or(0, |process| process.started);
        Ok(Running { pid, pinned, started, deadline, ending: None })
    }

    fn enforce_deadline(&mut self, now: Instant) {
        match &self.command {
            Some(command) if command.ending.is_none() && command.deadline <= now => {
                self.end(Report::TimedOut)
            }
            // What was started while the others were killed.
            Some(command) if command.ending.is_some() => kill_since(command.started),
            _ => {}
        }
    }

    /// Kills what the command has started. Processes of earlier commands live on.
    fn end(&mut self, why: Report) {
        if let Some(command) = &mut self.command {
            command.ending.get_or_insert(why);
            kill_since(command.started);
        }
    }

    /// Waits for every process that has ended, and reports the end of the command; whether there are others.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if let Some(command) = self.command.take_if(|command| command.pid == pid) {
                        let report = command.ending.map_or_else(
                            || report(status),
                            |ending| {
                                kill_since(command.started);
                                ending
                            },
                        );
                        // If the worker is gone, the next wait says so.
                        let _ = wire::send(&self.control, &report, &[]);
                    }
                }
                Ok(None) => return true,
                Err(Errno::INTR) => {}
                // There are no children.
                Err(_) => return false,
            }
        }
    }
}

/// Kills what was started since, until nothing of it lives.
fn kill_since(started: u64) {
    // Each round kills all that the round before has left time to start; there are no more than the limit of processes.
    for _ in 0..64 {
        let pids = procfs::started_since(started);
        if pids.is_empty() {
            return;
        }
        for pid in pids.into_iter().filter_map(Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

fn report(status: WaitStatus) -> Report {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Finished { code },
        (None, Some(signal)) => Report::Signalled { signal },
        (None, None) => Report::Finished { code: -1 },
    }
}
