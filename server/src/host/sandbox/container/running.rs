//! A container that runs, seen from the worker: frames go through the engine's client, and the kill barrier is believed when
//! the engine says that the container has exited and, where its first process is in sight, the kernel says so too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::super::frames::{self, Decoder, Kind};
use super::super::keeper::Keeper;
use super::super::orphan::Note;
use super::super::output::Capture;
use super::super::running::{has_ended, reap};
use super::super::snapshot::TreeLimits;
use super::super::spec::{Cause, Dead, Ended, Exec, Executed, Limits, Sandbox, SandboxError, Stopper};
use super::super::tree::{TreeError, TrialTree};
use super::super::wire::{Report, Request};
use super::engine::{Engine, Kind as EngineKind};
use super::pack;

/// How long output is still read after a command has ended.
const AFTERGLOW: Duration = Duration::from_millis(200);
/// How long the first process may take to say that a command's time is over, or that it was stopped.
const GRACE: Duration = Duration::from_secs(5);
/// How long the end of all processes, and each other step of an engine, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How long a tree may be on its way.
pub(super) const TRANSFER: Duration = Duration::from_secs(300);

/// What was heard from inside.
#[derive(Debug, Default)]
pub(super) struct Heard {
    number: u32,
    captures: [Capture; 2],
    ended: [bool; 2],
    report: Option<Report>,
    /// Whether nothing more can be heard.
    is_gone: bool,
    /// What the engine's client printed.
    printed: String,
}

/// The road to the first process: frames out by one thread, frames in by another, so that nobody waits for an engine.
pub(super) struct Road {
    /// `None` closes it.
    out: Sender<Option<Vec<u8>>>,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Road {
    pub(super) fn new(stdin: ChildStdin, stdout: ChildStdout, stderr: ChildStderr) -> std::io::Result<Self> {
        let (out, frames) = mpsc::channel::<Option<Vec<u8>>>();
        let mut stdin = stdin;
        let write = move || {
            while let Ok(Some(frame)) = frames.recv() {
                if stdin.write_all(&frame).and_then(|()| stdin.flush()).is_err() {
                    return;
                }
            }
        };
        let heard: Arc<(Mutex<Heard>, Condvar)> = Arc::default();
        let (to_read, to_print) = (Arc::clone(&heard), Arc::clone(&heard));
        let named = |name: &str| thread::Builder::new().name(String::from(name));
        named("container-in").spawn(write)?;
        named("container-out").spawn(move || {
            read(stdout, &to_read);
            lock(&to_read.0).is_gone = true;
            to_read.1.notify_all();
        })?;
        named("container-err").spawn(move || {
            let printed = super::engine::bounded(stderr);
            lock(&to_print.0).printed = printed;
        })?;
        Ok(Self { out, heard })
    }

    pub(super) fn send(&self, kind: Kind, number: u32, content: &[u8]) -> std::io::Result<()> {
        let frame = frames::encode(kind, number, content)?;
        // A road that is gone is noticed by who listens.
        let _ = self.out.send(Some(frame));
        Ok(())
    }

    /// Waits for a report; `None` if none comes in time, or ever.
    pub(super) fn report(&self, until: Instant) -> Option<Report> {
        let mut heard = lock(&self.heard.0);
        loop {
            let now = Instant::now();
            if heard.report.is_some() || heard.is_gone || until <= now {
                return heard.report.take();
            }
            heard = self.wait(heard, until.saturating_duration_since(now));
        }
    }

    /// What the client printed, once it has ended.
    pub(super) fn printed(&self) -> String {
        // The thread that reads it ends soon after the other.
        for _ in 0..50 {
            let printed = lock(&self.heard.0).printed.clone();
            if !printed.is_empty() {
                return printed;
            }
            thread::sleep(Duration::from_millis(10));
        }
        String::new()
    }

    fn wait<'a>(&self, heard: MutexGuard<'a, Heard>, longest: Duration) -> MutexGuard<'a, Heard> {
        self.heard.1.wait_timeout(heard, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn close(&self) {
        let _ = self.out.send(None);
    }
}

/// Takes frames until there are no more, or what comes is none.
fn read(mut stdout: ChildStdout, heard: &(Mutex<Heard>, Condvar)) {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stdout.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => decoder.push(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
        let mut state = lock(&heard.0);
        loop {
            let Ok(frame) = decoder.take() else { return };
            let Some(frame) = frame else { break };
            let is_current = frame.number == state.number;
            let [out, err] = &mut state.captures;
            match frame.kind {
                // Of a command that is over, or of none.
                _ if !is_current => {}
                Kind::Stdout => out.push(&frame.content),
                Kind::Stderr => err.push(&frame.content),
                Kind::StdoutEnd => state.ended[0] = true,
                Kind::StderrEnd => state.ended[1] = true,
                Kind::Report => match serde_json::from_slice(&frame.content) {
                    Ok(report) => state.report = Some(report),
                    Err(_) => return,
                },
                Kind::Setup | Kind::Run | Kind::Stop => return,
            }
        }
        heard.1.notify_all();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A container with its volumes, as its engine has it. What is dropped is removed.
pub(super) struct Vessel {
    pub(super) engine: Engine,
    /// Its name; those of its volumes begin with it.
    pub(super) name: String,
    /// Where reports leave it.
    pub(super) logs: Option<&'static str>,
    /// The engine's client, beside which it lives.
    pub(super) client: Option<Child>,
    /// Its first process, if it is in sight.
    pub(super) first: Option<OwnedFd>,
}

impl Vessel {
    /// A container of that name, which is not started yet.
    pub(super) fn new(engine: &Engine, name: String, logs: Option<&'static str>) -> Self {
        Self { engine: engine.clone(), name, logs, client: None, first: None }
    }

    /// The volumes of a container of that name: the tree, and what leaves as reports.
    pub(super) fn volumes(name: &str) -> [String; 2] {
        [format!("{name}-tree"), format!("{name}-out")]
    }

    /// Kills everything inside and waits for it; whether nothing is left.
    fn barrier(&mut self) -> bool {
        let Self { engine, name, .. } = self;
        let is_told = |first: &OwnedFd| rustix::process::pidfd_send_signal(first, Signal::KILL).is_ok();
        if !self.first.as_ref().is_some_and(is_told) {
            // It may have exited by itself.
            let _ = engine.ask(&["kill", "--signal", "KILL", name], PATIENCE);
        }
        let wait: &[&str] = match engine.kind {
            // It would look four times a second.
            EngineKind::Podman => &["wait", "--interval", "20ms", name],
            EngineKind::Docker => &["wait", name],
        };
        let waited = engine.ask(wait, PATIENCE).is_ok();
        // podman says `stopped` until it has cleaned up behind a container; what is copied out meanwhile is not whole.
        if engine.kind == EngineKind::Podman {
            let _ = engine.ask(&["container", "cleanup", name], PATIENCE);
        }
        let until = Instant::now() + PATIENCE;
        let has_exited = loop {
            let format = "{{.State.Status}} {{.State.Running}}";
            match engine.ask(&["inspect", "--format", format, name], PATIENCE) {
                Ok(state) if state == "exited false" => break true,
                Ok(state) if state == "stopped false" && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(50));
                }
                _ => break false,
            }
        };
        let is_seen_dead = self.first.as_ref().is_none_or(|first| has_ended(first, PATIENCE));
        let is_reaped = self.client.take().is_none_or(|mut client| reap(&mut client));
        waited && has_exited && is_seen_dead && is_reaped
    }

    /// Brings back what is in a directory inside, which the engine's stream calls `top`.
    pub(super) fn bring(
        &self,
        from: &str,
        top: &str,
        into: &Path,
        tree: &TrialTree,
        limits: &TreeLimits,
    ) -> Result<(), SandboxError> {
        pack::empty(into, tree.owner()).map_err(TreeError::io("empty", into))?;
        let source = format!("{}:{from}", self.name);
        let take = |_, stdout| {
            let mut stdout = stdout;
            let unpacked = pack::unpack(&mut stdout, top, into, tree.owner(), limits);
            // The end of the stream is no part of the archive, and an engine that cannot write fails.
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
            unpacked
        };
        self.engine.run(&["cp", &source, "-"], TRANSFER, take)??;
        Ok(())
    }

    /// What the stream of a volume calls the directory that it is mounted at.
    fn top_of(&self, mounted: &str) -> String {
        match self.engine.kind {
            EngineKind::Podman => String::from("/"),
            EngineKind::Docker => {
                mounted.rsplit('/').next().map(|name| format!("{name}/")).unwrap_or_default()
            }
        }
    }

    /// Removes it; whether nothing of it is there any more.
    pub(super) fn remove(engine: &Engine, name: &str) -> bool {
        let removed = engine.ask(&["rm", "--force", "--volumes", name], PATIENCE).is_ok();
        let [tree, out] = Self::volumes(name);
        // They are there only if the container was made.
        let _ = engine.ask(&["volume", "rm", "--force", &tree, &out], PATIENCE);
        removed
    }
}

impl Drop for Vessel {
    fn drop(&mut self) {
        Self::remove(&self.engine, &self.name);
        if let Some(mut client) = self.client.take() {
            reap(&mut client);
        }
    }
}

/// A sandbox in a container.
pub(super) struct Contained {
    pub(super) vessel: Vessel,
    pub(super) road: Road,
    /// Looks after the machine, if the first process is in sight.
    pub(super) keeper: Option<Keeper>,
    /// When the command that runs was stopped, if it was.
    pub(super) stopped: Arc<Mutex<Option<Instant>>>,
    pub(super) number: u32,
    pub(super) tree: Option<TrialTree>,
    pub(super) limits: Limits,
    pub(super) ended: Option<Ended>,
    pub(super) is_over: bool,
}

impl Contained {
    fn over(&mut self, ended: Ended) -> Ended {
        self.is_over = true;
        // What killed the sandbox knows better than who saw it end.
        let ended = self.keeper.as_ref().and_then(Keeper::why).unwrap_or(ended);
        self.ended = Some(ended.clone());
        ended
    }

    /// Ends what does not answer, as far as that goes without the barrier.
    fn end_all(&self) {
        let _ = self.vessel.engine.ask(&["kill", "--signal", "KILL", &self.vessel.name], PATIENCE);
    }

    fn follow(&mut self, command: &Exec, began: Instant) -> Result<Ended, SandboxError> {
        let deadline = began + command.timeout + GRACE;
        let mut is_flooded = false;
        let heard = Arc::clone(&self.road.heard);
        let mut state = lock(&heard.0);
        loop {
            let now = Instant::now();
            if let Some(report) = state.report.take() {
                drop(state);
                return self.judge(&report, command, is_flooded);
            }
            if state.is_gone {
                drop(state);
                self.end_all();
                return Ok(self.over(Ended::Died(Cause::FirstProcess)));
            }
            let total: u64 = state.captures.iter().map(Capture::total).sum();
            if self.limits.output_bytes < total && !is_flooded {
                is_flooded = true;
                let _ = self.road.send(Kind::Stop, self.number, &[]);
            }
            let stopped = *lock(&self.stopped);
            let deadline = stopped.map_or(deadline, |stopped| deadline.min(stopped + GRACE));
            if deadline <= now {
                drop(state);
                self.end_all();
                return Ok(self.over(Ended::Died(Cause::Silent)));
            }
            // Whether it was stopped is seen now and then.
            let longest = deadline.saturating_duration_since(now).min(Duration::from_secs(1));
            state = self.road.wait(state, longest);
        }
    }

    fn judge(&mut self, report: &Report, command: &Exec, is_flooded: bool) -> Result<Ended, SandboxError> {
        let ended = match report {
            Report::OverMemory => return Ok(self.over(Ended::OverMemory)),
            Report::OverDisk => return Ok(self.over(Ended::OverDisk)),
            Report::Ready { .. } | Report::Unsafe { .. } => {
                self.end_all();
                return Ok(self.over(Ended::Died(Cause::FirstProcess)));
            }
            Report::NotStarted { why } => {
                let program = command.argv.first().cloned().unwrap_or_default();
                return Err(SandboxError::Command { program, why: why.clone() });
            }
            _ if is_flooded => Ended::OutputFlood,
            Report::Finished { code } => Ended::Finished(*code),
            Report::Signalled { signal } => Ended::Signalled(*signal),
            // Of a flood only the reader of the output knows.
            Report::TimedOut | Report::Stopped => Ended::TimedOut,
        };
        self.ended = Some(ended.clone());
        Ok(ended)
    }
}

impl Sandbox for Contained {
    fn exec(&mut self, command: &Exec) -> Result<Executed, SandboxError> {
        if self.is_over {
            let ended = self.ended.clone().unwrap_or(Ended::Died(Cause::FirstProcess));
            return Err(SandboxError::Over(ended));
        }
        let began = Instant::now();
        let refused = |error: std::io::Error| SandboxError::Command {
            program: command.argv.first().cloned().unwrap_or_default(),
            why: error.to_string(),
        };
        let env: BTreeMap<String, String> =
            command.env.each().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let request = Request {
            argv: command.argv.clone(),
            env,
            directory: command.directory.clone(),
            stdin: command.stdin.clone(),
            timeout: u64::try_from(command.timeout.as_millis()).unwrap_or(u64::MAX / 2),
        };
        let request = serde_json::to_vec(&request).map_err(|error| refused(error.into()))?;
        self.number += 1;
        *lock(&self.stopped) = None;
        {
            let mut state = lock(&self.road.heard.0);
            state.number = self.number;
            state.captures = Default::default();
            state.ended = [false; 2];
            state.report = None;
        }
        self.road.send(Kind::Run, self.number, &request).map_err(refused)?;
        let ended = self.follow(command, began)?;
        let until = Instant::now() + AFTERGLOW;
        let heard = Arc::clone(&self.road.heard);
        let mut state = lock(&heard.0);
        while state.ended != [true; 2] && !state.is_gone && Instant::now() < until {
            state = self.road.wait(state, until.saturating_duration_since(Instant::now()));
        }
        let [stdout, stderr] = std::mem::take(&mut state.captures);
        // What comes later belongs to nobody.
        state.ended = [true; 2];
        Ok(Executed { ended, stdout, stderr, took: began.elapsed() })
    }

    fn stopper(&self) -> Option<Stopper> {
        let (out, stopped) = (self.road.out.clone(), Arc::clone(&self.stopped));
        let frame = frames::encode(Kind::Stop, 0, &[]).ok()?;
        Some(Stopper::new(move || {
            lock(&stopped).get_or_insert_with(Instant::now);
            // A sandbox that has ended, or does not answer, is noticed by who waits for the command.
            let _ = out.send(Some(frame.clone()));
        }))
    }

    fn kill(mut self: Box<Self>) -> Result<Dead, SandboxError> {
        let killed = self.vessel.barrier();
        let why = self.keeper.as_ref().and_then(Keeper::why);
        let Some(tree) = self.tree.take() else {
            return Err(SandboxError::Over(Ended::Died(Cause::FirstProcess)));
        };
        if !killed {
            // The note and the labels stay, so that the next sweep tries again.
            return Err(SandboxError::Unkillable { tree: tree.directory().to_path_buf() });
        }
        let brought = self.bring_back(&tree);
        Note::remove(tree.directory());
        if let Err(error) = brought {
            // Half of a tree is judged by nobody.
            let _ = tree.remove();
            return Err(error);
        }
        let ended = why.or(self.ended.take()).unwrap_or(Ended::Died(Cause::Unused));
        Ok(Dead::proven(tree, ended))
    }
}

impl Contained {
    fn bring_back(&self, tree: &TrialTree) -> Result<(), SandboxError> {
        let limits = TreeLimits {
            // Between two looks a program may have written more than it may.
            entries: self.limits.disk_entries.saturating_mul(2),
            bytes: self.limits.disk_bytes.saturating_mul(2),
            ..TreeLimits::default()
        };
        let vessel = &self.vessel;
        vessel.bring("/workspace", &vessel.top_of("/workspace"), &tree.path(), tree, &limits)?;
        match vessel.logs {
            Some(logs) => vessel.bring(logs, &vessel.top_of(logs), &tree.out(), tree, &limits),
            None => Ok(()),
        }
    }
}

impl Drop for Contained {
    /// A sandbox that nobody wants any more: killed, and its tree removed, unless something of it is left.
    fn drop(&mut self) {
        self.road.close();
        let Some(tree) = self.tree.take() else { return };
        if self.vessel.barrier() {
            let directory = tree.directory().to_path_buf();
            if tree.remove().is_ok() {
                Note::remove(&directory);
            }
        }
    }
}

/// An executable as it is copied: opened once, so that what is looked at is what is sent.
pub(super) fn opened(executable: &Path) -> Result<File, SandboxError> {
    File::open(executable)
        .map_err(|error| SandboxError::Start(format!("`{}` cannot be read: {error}", executable.display())))
}
