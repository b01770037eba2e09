//! Runs Harbor for one job. It is told to end as by Ctrl-C first, so that it removes the environments that it made; whoever does not
//! listen is killed with its group. A note beside the job says which process it is, should we be killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::{HarborError, Program};
use crate::host::agents::Cancel;
use crate::host::sandbox::orphan::Noted;
use crate::host::sandbox::procfs;
use crate::host::spawn;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long it may take to remove its environments before it is asked once more.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long after that it is killed.
const LAST: Duration = Duration::from_secs(5);

/// A job that is to be run.
pub struct Running<'a> {
    /// The document that asks for it.
    pub document: &'a Path,
    /// Where what Harbor prints goes.
    pub log: &'a Path,
    /// Where it is noted which process it is.
    pub note: &'a Path,
    /// Its variables, besides those that Harbor always has.
    pub variables: BTreeMap<String, OsString>,
    /// Where imports are looked for, in order.
    pub python_path: Vec<PathBuf>,
    /// How long it may take.
    pub limit: Duration,
    /// Ends it early.
    pub cancel: &'a Cancel,
}

/// How Harbor ended. Its exit code says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Itself,
    /// Somebody wanted it to end.
    Cancelled,
    /// It took longer than all that it does may take together.
    TooSlow,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    boot: String,
    process: Noted,
}

impl Program {
    /// Runs a job and waits for its end.
    ///
    /// # Errors
    /// [`HarborError::File`] if it cannot be started.
    pub fn run(&self, running: &Running<'_>) -> Result<Ended, HarborError> {
        let failed = |what, path: &Path| {
            let path = path.to_path_buf();
            move |source| HarborError::File { what, path, source }
        };
        let log = fs::OpenOptions::new().create(true).append(true).open(running.log);
        let log = log.map_err(failed("open", running.log))?;
        let own = log.try_clone().map_err(failed("open", running.log))?;
        let mut command = self.command();
        command.args(["run", "-y", "-c"]).arg(running.document);
        command.envs(&running.variables);
        if let Ok(path) = std::env::join_paths(&running.python_path) {
            command.env("PYTHONPATH", path);
        }
        if let Some(directory) = running.document.parent() {
            command.current_dir(directory);
        }
        command.stdout(own).stderr(log).stdin(Stdio::null()).process_group(0);
        spawn::interrupted_with_us(&mut command);
        let mut child = spawn::start(command).map_err(failed("start Harbor for", running.document))?;
        note(running.note, &child);
        let ended = wait(&mut child, running);
        let _ = fs::remove_file(running.note);
        ended.map_err(failed("wait for Harbor with", running.document))
    }
}

fn wait(child: &mut Child, running: &Running<'_>) -> io::Result<Ended> {
    let began = Instant::now();
    loop {
        if child.try_wait()?.is_some() {
            kill_group(child, Signal::KILL);
            return Ok(Ended::Itself);
        }
        let why = match () {
            () if running.cancel.is_cancelled() => Ended::Cancelled,
            () if running.limit < began.elapsed() => Ended::TooSlow,
            () => {
                thread::sleep(LOOK);
                continue;
            }
        };
        end(child)?;
        return Ok(why);
    }
}

/// Tells it to end, more and more clearly.
fn end(child: &mut Child) -> io::Result<()> {
    for (signal, patience) in [(Signal::INT, PATIENCE), (Signal::TERM, LAST)] {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // Only itself: it knows best in which order all of it ends. It may have ended already.
        let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
        let since = Instant::now();
        while since.elapsed() < patience {
            if child.try_wait()?.is_some() {
                kill_group(child, Signal::KILL);
                return Ok(());
            }
            thread::sleep(LOOK);
        }
    }
    kill_group(child, Signal::KILL);
    child.wait().map(drop)
}

/// What is left of its group.
fn kill_group(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may be empty.
        let _ = kill_process_group(pid, signal);
    }
}

fn note(at: &Path, child: &Child) {
    let process = i32::try_from(child.id()).ok().and_then(Noted::of);
    let Some(process) = process else { return };
    let note = serde_json::to_vec(&Note { boot: procfs::boot(), process }).unwrap_or_default();
    // Without it the job of a worker that is killed is only not stopped at once.
    if let Err(error) = fs::write(at, note) {
        tracing::warn!(%error, "it cannot be noted which process runs a job");
    }
}

/// Ends the process that a note names, if it is still that one, with its group; whoever wrote the note is gone.
pub fn end_noted(at: &Path) {
    let note = fs::read(at).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
    if let Some(Note { boot, process }) = note.filter(|note| note.boot == procfs::boot()) {
        tracing::debug!(%boot, pid = process.pid, "a job of an earlier worker is ended");
        let lives = || process.is_alive();
        for (signal, patience) in [(Signal::INT, PATIENCE), (Signal::KILL, LAST)] {
            let since = Instant::now();
            if let Some(pid) = Pid::from_raw(process.pid).filter(|_| lives()) {
                let _ = match signal {
                    Signal::KILL => kill_process_group(pid, signal),
                    signal => rustix::process::kill_process(pid, signal),
                };
            }
            while lives() && since.elapsed() < patience {
                thread::sleep(LOOK);
            }
        }
    }
    let _ = fs::remove_file(at);
}
