//! A sandbox that runs, seen from the worker: commands go in, their output comes out, and the kill barrier ends it all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::keeper::Keeper;
use super::output::Capture;
use super::spec::{Cause, Dead, Ended, Exec, Executed, Limits, Sandbox, SandboxError, Stopper};
use super::tree::TrialTree;
use super::wire::{self, Order, Report, Request};

/// How long output is still read after a command has ended.
const AFTERGLOW: Duration = Duration::from_millis(200);
/// How long the first process may take to say that a command's time is over, or that it was stopped.
const GRACE: Duration = Duration::from_secs(5);
/// How long the end of all processes may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The processes of a sandbox.
pub(super) struct Running {
    /// bubblewrap, until the barrier.
    pub(super) outer: Option<Child>,
    /// The first process inside, pinned.
    pub(super) first: OwnedFd,
    /// Its control socket.
    pub(super) control: Arc<OwnedFd>,
    /// When the command that runs was stopped, if it was.
    pub(super) stopped: Arc<Mutex<Option<Instant>>>,
    /// The socket for the model, until somebody takes it.
    pub(super) listener: Option<TcpListener>,
    /// The socket for other hosts, until somebody takes it.
    pub(super) egress: Option<TcpListener>,
    /// The thread beside it.
    pub(super) keeper: Keeper,
    /// The tree; gone when the sandbox is dead.
    pub(super) tree: Option<TrialTree>,
    /// What it may use.
    pub(super) limits: Limits,
    /// How the last command ended, or the sandbox.
    pub(super) ended: Option<Ended>,
    /// Whether no more commands can be run.
    pub(super) is_over: bool,
}

/// One stream of a command.
struct Stream {
    pipe: Option<File>,
    capture: Capture,
}

impl Stream {
    /// A stream, and the end that is for the command.
    fn new() -> std::io::Result<(Self, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::NONBLOCK)?;
        Ok((Self { pipe: Some(File::from(read)), capture: Capture::default() }, write))
    }

    /// Reads what is there; no more than a few pieces, so that the other stream has its turn.
    fn read(&mut self, buffer: &mut [u8]) {
        for _ in 0..8 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.capture.push(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

impl Running {
    fn over(&mut self, ended: Ended) -> Ended {
        self.is_over = true;
        // What killed the sandbox knows better than who saw it end.
        let ended = self.keeper.why().unwrap_or(ended);
        self.ended = Some(ended.clone());
        ended
    }

    fn request(&self, command: &Exec, streams: [OwnedFd; 2]) -> Result<(), SandboxError> {
        let [stdout, stderr] = streams;
        let refused = |error: std::io::Error| SandboxError::Command {
            program: command.argv.first().cloned().unwrap_or_default(),
            why: error.to_string(),
        };
        let env: BTreeMap<String, String> =
            command.env.each().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let timeout = u64::try_from(command.timeout.as_millis()).unwrap_or(u64::MAX / 2);
        let request = Request {
            argv: command.argv.clone(),
            env,
            directory: command.directory.clone(),
            stdin: command.stdin.clone(),
            timeout,
        };
        let request = wire::seal(&request).map_err(refused)?;
        match wire::send(&*self.control, &Order::Run, &[request.as_fd(), stdout.as_fd(), stderr.as_fd()]) {
            // A sandbox that has ended is noticed when it is listened to.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            sent => sent.map_err(refused),
        }
    }

    /// Reads output until the command has ended, and a little longer.
    fn follow(&mut self, command: &Exec, streams: &mut [Stream; 2]) -> Result<Ended, SandboxError> {
        let mut buffer = vec![0; 64 * 1024];
        let deadline = Instant::now() + command.timeout + GRACE;
        let mut is_flooded = false;
        let mut ended: Option<(Ended, Instant)> = None;
        loop {
            let now = Instant::now();
            let stopped = *self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = stopped.map_or(deadline, |stopped| deadline.min(stopped + GRACE));
            let until = match &ended {
                Some((ended, _)) if streams.iter().all(|stream| stream.pipe.is_none()) => {
                    return Ok(ended.clone());
                }
                Some((ended, until)) if *until <= now => return Ok(ended.clone()),
                Some((_, until)) => *until,
                None if deadline <= now => {
                    self.end_all();
                    ended = Some((self.over(Ended::Died(Cause::Silent)), now));
                    continue;
                }
                // Whether it was stopped is seen now and then.
                None => deadline.min(now + Duration::from_secs(1)),
            };
            let listens = ended.is_none();
            let ready = self.wait(listens, streams, until.saturating_duration_since(now));
            for (stream, ready) in streams.iter_mut().zip(&ready[1..]) {
                if *ready {
                    stream.read(&mut buffer);
                }
            }
            let total: u64 = streams.iter().map(|stream| stream.capture.total()).sum();
            if self.limits.output_bytes < total && !is_flooded {
                is_flooded = true;
                // If the sandbox has ended, that is noticed when it is listened to.
                let _ = wire::send(&*self.control, &Order::Stop, &[]);
            }
            if listens && ready[0] {
                let report = self.listen(command)?;
                let report = if is_flooded && !self.is_over { Ended::OutputFlood } else { report };
                ended = Some((report, Instant::now() + AFTERGLOW));
            }
        }
    }

    /// Waits; whether the first process, and each stream, has something.
    fn wait(&self, listens: bool, streams: &[Stream; 2], longest: Duration) -> [bool; 3] {
        let mut watched = Vec::with_capacity(3);
        let mut places = Vec::with_capacity(3);
        if listens {
            watched.push(PollFd::new(&*self.control, PollFlags::IN));
            places.push(0);
        }
        for (place, stream) in streams.iter().enumerate() {
            if let Some(pipe) = &stream.pipe {
                watched.push(PollFd::new(pipe, PollFlags::IN));
                places.push(place + 1);
            }
        }
        let mut ready = [false; 3];
        if rustix::event::poll(&mut watched, Some(&timespec(longest))).is_ok() {
            for (place, watched) in places.into_iter().zip(&watched) {
                ready[place] = !watched.revents().is_empty();
            }
        }
        ready
    }

    /// Takes one report about the command.
    fn listen(&mut self, command: &Exec) -> Result<Ended, SandboxError> {
        let report = match wire::receive::<Report>(&*self.control) {
            Ok(Some((report, _))) => report,
            // The end, or something that our executable does not say.
            Ok(None) | Err(_) => {
                self.end_all();
                return Ok(self.over(Ended::Died(Cause::FirstProcess)));
            }
        };
        let ended = match report {
            Report::Finished { code } => Ended::Finished(code),
            Report::Signalled { signal } => Ended::Signalled(signal),
            // Of a flood only the reader of the output knows.
            Report::TimedOut | Report::Stopped => Ended::TimedOut,
            Report::OverMemory => return Ok(self.over(Ended::OverMemory)),
            Report::NotStarted { why } => {
                let program = command.argv.first().cloned().unwrap_or_default();
                return Err(SandboxError::Command { program, why });
            }
            Report::Ready { .. } | Report::Unsafe { .. } | Report::OverDisk => {
                self.end_all();
                return Ok(self.over(Ended::Died(Cause::FirstProcess)));
            }
        };
        self.ended = Some(ended.clone());
        Ok(ended)
    }

    /// Sends the signal that ends everything.
    fn end_all(&self) {
        // It may have ended by itself.
        let _ = rustix::process::pidfd_send_signal(&self.first, Signal::KILL);
    }

    /// Ends everything and waits for it; whether nothing is left. bubblewrap is not in the sandbox: of its own it only waits for
    /// the first process, so it ends after the barrier, and the thread beside waits for it.
    fn barrier(&mut self) -> bool {
        self.end_all();
        let ended = has_ended(&self.first, PATIENCE);
        if ended && let Some(mut outer) = self.outer.take() {
            self.keeper.afterwards(move || {
                reap(&mut outer);
            });
        }
        ended
    }
}

/// Whether the process behind a descriptor ends in time. The first process of a namespace ends last: the kernel has waited
/// for all others then.
pub(super) fn has_ended(process: &OwnedFd, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(process, PollFlags::IN)];
        match rustix::event::poll(&mut watched, Some(&timespec(left))) {
            Err(Errno::INTR) => {}
            Ok(ready) => return 0 < ready,
            Err(_) => return false,
        }
    }
}

/// Waits for bubblewrap, which ends with its sandbox, and kills it if it does not.
pub(super) fn reap(outer: &mut Child) -> bool {
    let pid = i32::try_from(outer.id()).ok().and_then(Pid::from_raw);
    let pinned = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    if !pinned.is_some_and(|pinned| has_ended(&pinned, Duration::from_secs(1))) && outer.kill().is_err() {
        return false;
    }
    outer.wait().is_ok()
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

impl Sandbox for Running {
    fn exec(&mut self, command: &Exec) -> Result<Executed, SandboxError> {
        if self.is_over {
            let ended = self.ended.clone().unwrap_or(Ended::Died(Cause::FirstProcess));
            return Err(SandboxError::Over(ended));
        }
        let began = Instant::now();
        let no_pipe = |error: std::io::Error| SandboxError::Command {
            program: command.argv.first().cloned().unwrap_or_default(),
            why: format!("its output cannot be read: {error}"),
        };
        let (stdout, out) = Stream::new().map_err(no_pipe)?;
        let (stderr, err) = Stream::new().map_err(no_pipe)?;
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.request(command, [out, err])?;
        let mut streams = [stdout, stderr];
        let ended = self.follow(command, &mut streams)?;
        let took = began.elapsed();
        let [stdout, stderr] = streams.map(|stream| {
            // Who still has the other end goes on, and is not stopped by a full pipe.
            if let Some(pipe) = stream.pipe {
                self.keeper.drain(OwnedFd::from(pipe));
            }
            stream.capture
        });
        Ok(Executed { ended, stdout, stderr, took })
    }

    fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    fn take_egress(&mut self) -> Option<TcpListener> {
        self.egress.take()
    }

    fn stopper(&self) -> Option<Stopper> {
        let (control, stopped) = (Arc::clone(&self.control), Arc::clone(&self.stopped));
        Some(Stopper::new(move || {
            stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
            // A sandbox that has ended, or does not answer, is noticed by who waits for the command.
            let _ = wire::try_send(&*control, &Order::Stop);
        }))
    }

    fn kill(mut self: Box<Self>) -> Result<Dead, SandboxError> {
        let killed = self.barrier();
        let why = self.keeper.why();
        let Some(tree) = self.tree.take() else {
            return Err(SandboxError::Over(Ended::Died(Cause::FirstProcess)));
        };
        if !killed {
            // The note stays, so that the next sweep tries again.
            return Err(SandboxError::Unkillable { tree: tree.directory().to_path_buf() });
        }
        // The note stays as long as the tree: a worker may die before it has judged it.
        let ended = why.or(self.ended.take()).unwrap_or(Ended::Died(Cause::Unused));
        Ok(Dead::proven(tree, ended))
    }
}

impl Drop for Running {
    /// A sandbox that nobody wants any more: killed, and its tree removed, unless something of it is left.
    fn drop(&mut self) {
        let Some(tree) = self.tree.take() else { return };
        if self.barrier() {
            // What cannot be removed now is swept later.
            let _ = tree.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_92_a_process_that_does_not_end_is_noticed() {
        let mut child = crate::host::spawn::command("/bin/sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
        let pinned = rustix::process::pidfd_open(pid, PidfdFlags::empty()).unwrap();
        assert!(!has_ended(&pinned, Duration::from_millis(30)));
        child.kill().unwrap();
        assert!(has_ended(&pinned, Duration::from_secs(5)));
        assert!(reap(&mut child));
    }

    #[test]
    fn a_stream_is_read_to_its_end() {
        let (mut stream, write) = Stream::new().unwrap();
        let mut buffer = [0; 16];
        rustix::io::write(&write, b"text").unwrap();
        stream.read(&mut buffer);
        assert!(stream.pipe.is_some());
        drop(write);
        stream.read(&mut buffer);
        assert!(stream.pipe.is_none());
        assert_eq!(stream.capture.text(), "text");
    }
}
