//! The first process of a sandbox. It checks the walls, starts commands, supervises their memory and time, and ends, and with
//! it everything, as soon as the worker is gone. It reads nothing that an agent wrote, and it has one thread.

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

use crate::confine::Confinement;
use crate::control::{Control, Heard, Line, Work};
use crate::policy::{EGRESS_ADDRESS, MODEL_ADDRESS};
use crate::wire::{self, Report, Request, Setup};
use crate::{beneath, frames, procfs, self_test, spawn};

/// How often memory is looked at and orphans are waited for.
const TICK: Duration = Duration::from_millis(100);
/// How often a tree is measured that only this process can see.
const MEASURE: Duration = Duration::from_secs(2);
/// The exit code if something is not as it has to be.
const UNSAFE: u8 = 96;
/// What it is called where processes are listed.
const NAME: &std::ffi::CStr = c"self-harness";
/// The program that this is, for whoever runs it.
const EXECUTABLE: &str = "/proc/self/exe";

/// What this process is if it was started inside of a sandbox: its first process, or the probe. Looks at the arguments and
/// has to be asked before anything else is done.
#[must_use]
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let program = arguments.next()?;
    let first = arguments.next()?;
    if first == wire::PROBE {
        return Some(self_test::inside(arguments));
    }
    if first != wire::INIT {
        return None;
    }
    if let Some(number) = wire::descriptor(&program) {
        // What was executed is not needed open; what is wrong with it is seen when all descriptors are looked at.
        let _ = spawn::close(number);
    }
    let argument = arguments.next();
    let started = if argument.as_ref().is_some_and(|argument| argument == frames::STDIO) {
        Line::open().ok().map(|(line, setup)| (Control::Line(line), setup))
    } else {
        let socket = io::stdin().as_fd().try_clone_to_owned().ok();
        socket.and_then(|socket| {
            let (setup, _) = wire::receive::<Setup>(&socket).ok()??;
            Some((Control::Socket(socket), setup))
        })
    };
    // Whoever types the hidden argument gets an answer.
    let Some((control, setup)) = started else { return Some(ExitCode::from(UNSAFE)) };
    Some(ExitCode::from(first_process(control, &setup)))
}

/// The life of the first process.
fn first_process(mut control: Control, setup: &Setup) -> u8 {
    match prepare(setup) {
        Ok((confinement, listeners)) => {
            let build = fs::metadata(EXECUTABLE).map(|file| match &setup.contained {
                Some(_) => wire::build_of_copy(&file),
                None => wire::build(&file),
            });
            if control.ready(build.unwrap_or_default(), &listeners).is_err() {
                return UNSAFE;
            }
            // From here on only the worker has them.
            drop(listeners);
            Supervisor { control, setup, confinement, command: None }.run()
        }
        Err(why) => {
            // The worker sees the end of the road at least.
            let _ = control.report(&Report::Unsafe { why });
            UNSAFE
        }
    }
}

/// Checks the walls and puts the last of them up. The sockets of roads are opened before any program could take their places.
fn prepare(setup: &Setup) -> Result<(Confinement, Vec<TcpListener>), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    check_identity()?;
    if setup.contained.is_some() {
        check_mounts(&["/", "/usr"])?;
        // The engine's own; it belongs to root.
        if rustix::fs::access("/dev", rustix::fs::Access::WRITE_OK).is_ok() {
            return Err(String::from("`/dev` can be written"));
        }
        check_descriptors(&["pipe:", "pipe:"])?;
    } else {
        check_mounts(&["/", "/dev", "/proc", "/usr"])?;
        check_descriptors(&["socket:"])?;
    }
    be_first_to_go(setup)?;
    // Nobody inside may look into this process, or take its descriptors.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(io::Error::from)
        .map_err(failed("the first process stays readable"))?;
    // What was executed from memory is called after a number.
    rustix::thread::set_name(NAME).map_err(io::Error::from).map_err(failed("it cannot be named"))?;
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
    let mut listeners = Vec::new();
    if setup.has_model_route {
        listeners.push(TcpListener::bind(MODEL_ADDRESS).map_err(failed("no socket listens for the model"))?);
    }
    if setup.has_egress_route {
        let listener = TcpListener::bind(EGRESS_ADDRESS);
        listeners.push(listener.map_err(failed("no socket listens for other hosts"))?);
    }
    Ok((confinement, listeners))
}

/// The first to go if the machine runs out of memory; commands inherit it. Where `/proc` cannot be written any more, that was
/// done before.
fn be_first_to_go(setup: &Setup) -> Result<(), String> {
    const SCORE: &str = "/proc/self/oom_score_adj";
    const MOST: &str = "1000";
    if setup.contained.is_some() {
        return fs::write(SCORE, MOST).map_err(|error| format!("the OOM score cannot be set: {error}"));
    }
    let score =
        fs::read_to_string(SCORE).map_err(|error| format!("the OOM score cannot be read: {error}"))?;
    if score.trim() == MOST { Ok(()) } else { Err(format!("its OOM score is {}", score.trim())) }
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

fn check_mounts(paths: &[&str]) -> Result<(), String> {
    for path in paths {
        let mounted =
            rustix::fs::statvfs(*path).map_err(|error| format!("`{path}` cannot be looked at: {error}"))?;
        if !mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(format!("`{path}` can be written"));
        }
    }
    Ok(())
}

/// The three standard ones and the copies of what leads to the worker; a directory of the host among them would be a hole in
/// every wall.
fn check_descriptors(ours: &[&str]) -> Result<(), String> {
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
    let is_ours =
        others.len() == ours.len() && others.iter().zip(ours).all(|(it, kind)| it.starts_with(kind));
    if is_ours {
        return Ok(());
    }
    Err(format!("there are other descriptors than those to the worker: {}", others.join(", ")))
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
    control: Control,
    setup: &'a Setup,
    confinement: Confinement,
    command: Option<Running>,
}

impl Supervisor<'_> {
    /// Serves the worker until it is gone.
    fn run(mut self) -> u8 {
        let mut looked = Instant::now();
        let mut measured = looked;
        loop {
            let has_children = self.reap();
            let now = Instant::now();
            if TICK <= now.duration_since(looked) {
                looked = now;
                if has_children && self.setup.memory_bytes < procfs::memory(self.setup.memory_bytes) {
                    // The end of this process is the end of all.
                    let _ = self.control.report(&Report::OverMemory);
                    return 0;
                }
                if has_children && MEASURE <= now.duration_since(measured) {
                    measured = now;
                    if self.is_over_disk() {
                        let _ = self.control.report(&Report::OverDisk);
                        return 0;
                    }
                }
            }
            self.enforce_deadline(now);
            let wait = if has_children { Some(TICK.saturating_sub(looked.elapsed())) } else { None };
            let waited = self.wait(wait);
            if self.control.pump().is_err() {
                return UNSAFE;
            }
            match waited {
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
        let mut watched = self.control.watched();
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

    /// Takes what the worker says; `false` if it is gone.
    fn serve(&mut self) -> io::Result<bool> {
        let mut heard = self.control.hear()?;
        loop {
            match heard {
                Heard::Nothing => return Ok(true),
                Heard::Gone => return Ok(false),
                Heard::Stop => self.end(Report::Stopped),
                Heard::Run(_) if self.command.is_some() => return Err(io::ErrorKind::AlreadyExists.into()),
                Heard::Run(work) => match work.and_then(|work| self.start(work)) {
                    Ok(running) => self.command = Some(running),
                    Err(error) => self.control.report(&Report::NotStarted { why: error.to_string() })?,
                },
            }
            heard = self.control.heard()?;
        }
    }

    /// Whether the tree has become too large, where nobody outside can see it. What a program made unreadable is not counted.
    fn is_over_disk(&self) -> bool {
        let Some(contained) = &self.setup.contained else { return false };
        let size = beneath::measure("/workspace".as_ref(), contained.disk_entries + 1).unwrap_or_default();
        contained.disk_entries < size.entries || contained.disk_bytes < size.bytes || size.too_deep
    }

    fn start(&self, work: Work) -> io::Result<Running> {
        let Work { request: Request { argv, env, directory, stdin, timeout }, stdout, stderr } = work;
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
        match &self.setup.contained {
            Some(contained) => command.envs(&contained.env),
            None => command.envs(std::env::vars_os()),
        };
        command
            .args(arguments)
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
                        let _ = self.control.report(&report);
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
