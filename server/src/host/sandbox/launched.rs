//! A bubblewrap that makes a sandbox, until the sandbox is known to be as it has to be: told what to do, its first process
//! pinned and heard. What is dropped before that is killed.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use serde::Deserialize;

use super::guarantee::Unavailable;
use super::keeper::{Keeper, Kept};
use super::orphan::{self, Note};
use super::running::{self, Running};
use super::spare::{Ends, Spare};
use super::spec::{EGRESS_ADDRESS, MODEL_ADDRESS, Sandbox, SandboxError, Spec};
use super::tree::TreeError;
use super::wire::{self, Report, Setup};
use super::{arguments, procfs, remedy};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What bubblewrap prints if the program in memory may not be executed.
const NOT_EXECUTED: &str = "execvp /proc/self/fd/";

/// Why no sandbox was made.
pub(super) struct NotLaunched {
    /// What is told.
    pub(super) error: SandboxError,
    /// What may do better.
    pub(super) again: Again,
}

/// Whether another attempt may do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It would end the same way.
    No,
    /// With another bubblewrap: the one that had waited was gone when it was told, as after the machine ran out of memory.
    WithAnother,
    /// With our executable as the first process: what lies in memory may not be executed.
    WithOurExecutable,
}

impl From<SandboxError> for NotLaunched {
    fn from(error: SandboxError) -> Self {
        Self { error, again: Again::No }
    }
}

/// What bubblewrap says about what it has started.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child_pid: i32,
}

/// It is at work.
pub(super) struct Launched {
    /// What it has in its command line.
    mark: String,
    outer: Option<Child>,
    /// Whether it had waited for this.
    has_waited: bool,
    control: OwnedFd,
    /// Where it says what it has started, and where its arguments go, until that is done.
    talk: Option<(OwnedFd, fs::File)>,
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
    /// Takes one that waits.
    ///
    /// # Errors
    /// [`SandboxError::Start`] if somebody has it already.
    pub(super) fn new(mut spare: Spare) -> Result<Self, SandboxError> {
        let (mark, has_waited) = (spare.mark.clone(), spare.has_waited);
        let Some((outer, ends)) = spare.release() else {
            return Err(SandboxError::Start(String::from("there is no bubblewrap")));
        };
        let Ends { control, info, arguments, stderr } = ends;
        Ok(Self {
            mark,
            outer: Some(outer),
            has_waited,
            control,
            talk: Some((info, arguments)),
            first: None,
            keeper: None,
            roads: Roads::default(),
            stderr,
        })
    }

    /// Has a sandbox made, and waits until its first process has checked the walls.
    ///
    /// # Errors
    /// Why there is none, and whether another attempt may do better.
    pub(super) fn begin(
        &mut self,
        spec: &Spec,
        words: &[OsString],
        setup: &Setup,
    ) -> Result<(), NotLaunched> {
        let (info, arguments) = self.talk.take().ok_or_else(missing).map_err(not_looked_after)?;
        self.tell(arguments, words, setup)?;
        self.await_first(spec, info)?;
        self.look_after(spec)?;
        self.await_ready(spec, &setup.build)
    }

    /// Says what is to be made, first to whoever is last: it finds it when it is there.
    fn tell(
        &mut self,
        mut arguments: fs::File,
        words: &[OsString],
        setup: &Setup,
    ) -> Result<(), NotLaunched> {
        let told = wire::send(&self.control, setup, &[]);
        if told.and_then(|()| arguments.write_all(&arguments::encoded(words))).is_err() {
            return Err(self.not_started("it does not listen"));
        }
        Ok(())
    }

    /// Learns and pins the first process.
    fn await_first(&mut self, spec: &Spec, info: OwnedFd) -> Result<(), NotLaunched> {
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
        Ok(note(spec, &[told.child_pid, outer])?)
    }

    /// Waits until the inner stage has checked the walls.
    fn await_ready(&mut self, spec: &Spec, build: &str) -> Result<(), NotLaunched> {
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
            ))
            .into()),
            Ok(Some((Report::Unsafe { why }, _))) => Err(not_safe(&why).into()),
            Ok(_) | Err(_) => Err(self.not_started("its first process ended")),
        }
    }

    /// What the first process said or bubblewrap printed, as an error.
    fn not_started(&mut self, seen: &str) -> NotLaunched {
        self.end();
        if is_ready(&self.control, Instant::now())
            && let Ok(Some((Report::Unsafe { why }, _))) = wire::receive::<Report>(&self.control)
        {
            return not_safe(&why).into();
        }
        let mut printed = Vec::new();
        if let Some(stderr) = self.stderr.take() {
            // Whoever else has the pipe is dead by now; a message is short.
            let _ = stderr.take(8192).read_to_end(&mut printed);
        }
        let printed = String::from_utf8_lossy(&printed);
        let printed = printed.trim();
        let again = if printed.is_empty() && self.first.is_none() && self.has_waited {
            Again::WithAnother
        } else if printed.contains(NOT_EXECUTED) {
            Again::WithOurExecutable
        } else {
            Again::No
        };
        let error = match printed {
            "" => SandboxError::Start(seen.to_owned()),
            printed => SandboxError::Unavailable(remedy::of(printed)),
        };
        NotLaunched { error, again }
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
    ///
    /// # Errors
    /// [`SandboxError::Start`] if something of it is missing.
    pub(super) fn settle(
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

/// Says beside the tree who works on it.
fn note(spec: &Spec, pids: &[i32]) -> Result<(), SandboxError> {
    let directory = spec.tree.directory();
    Note::of(pids)
        .write(directory)
        .map_err(|error| TreeError::io("note the sandbox beside", directory)(error).into())
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
