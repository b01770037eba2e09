//! A bubblewrap that is loaded and waits to be told what to do: loading it takes as long as half of what it does then, and
//! nobody waits for that. It has made nothing and started nothing; whoever lets it go kills it, and it ends by itself, without
//! having run anything, when this process is gone.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pipe::PipeFlags;

use super::arguments::{Descriptors, FILES, INSIDE};
use super::spec::SandboxError;
use super::tree::Identity;
use super::wire;
use super::{first, orphan};
use crate::host::{random, spawn};

/// Where the system's libraries are, for programs that look for them: handed over as a file of the root, because each mount
/// that is spared is time of every start.
const LIBRARIES: &str = "/etc/ld.so.cache";

/// The one that waits for the next sandbox, if there is one. Clones of a backend share it.
#[derive(Clone, Debug, Default)]
pub struct Next(Arc<Mutex<Option<Spare>>>);

impl Next {
    /// The one that waits, if it is as it has to be, else a new one.
    ///
    /// # Errors
    /// [`SandboxError::Start`] if there is none and none can be made.
    pub(super) fn take(&self, of: &Origin) -> Result<Spare, SandboxError> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let fitting = waiting.and_then(|mut spare| spare.fits(of).then_some(spare));
        let Some(mut spare) = fitting else { return Spare::load(of) };
        spare.has_waited = true;
        Ok(spare)
    }

    /// Lets the one go that waits.
    pub fn let_go(&self) {
        let _waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Has one wait, if none does.
    pub(super) fn fill(&self, of: &Origin) {
        let is_empty = || self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if !is_empty() {
            return;
        }
        // Who cannot have one now is told when it is wanted.
        let Ok(spare) = Spare::load(of) else { return };
        // Two that came at the same time: the later one stays, the other is killed.
        let _earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(spare);
    }
}

/// What it is made from, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The program.
    pub(super) program: PathBuf,
    /// Who it becomes if we are root.
    pub(super) run_as: Option<Identity>,
    /// Whether the small program is what it starts.
    pub(super) is_small: bool,
}

/// It waits.
#[derive(Debug)]
pub(super) struct Spare {
    origin: Origin,
    /// Of the program and of [`LIBRARIES`]: another one may have been installed since.
    versions: [Option<Version>; 2],
    /// The process, until somebody takes it.
    outer: Option<Child>,
    /// Whether it was there before it was asked for, so that it may be gone since it was looked at.
    pub(super) has_waited: bool,
    /// What it and the first process have in their command lines, and nothing else has.
    pub(super) mark: String,
    /// Numbers of the descriptors that it has.
    pub(super) numbers: Descriptors,
    ends: Option<Ends>,
}

/// The ends that are ours.
#[derive(Debug)]
pub(super) struct Ends {
    /// The socket of the first process.
    pub(super) control: OwnedFd,
    /// Where it is said which process was started.
    pub(super) info: OwnedFd,
    /// Where arguments go; it begins when this is closed.
    pub(super) arguments: File,
    /// What bubblewrap prints when it fails.
    pub(super) stderr: Option<ChildStderr>,
}

/// Which file it was that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    place: (u64, u64),
    changed: (i64, i64),
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { place: (file.dev(), file.ino()), changed: (file.ctime(), file.ctime_nsec()) })
    }

    fn all(origin: &Origin) -> [Option<Self>; 2] {
        [Self::of(&origin.program), Self::of(LIBRARIES.as_ref())]
    }
}

impl Spare {
    /// Starts one. It reads its arguments from a pipe and does nothing before their end.
    fn load(of: &Origin) -> Result<Self, SandboxError> {
        let failed =
            |what: &'static str| move |error: io::Error| SandboxError::Start(format!("{what}: {error}"));
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from);
        let (control, inner) = wire::pair().map_err(failed("no socket pair"))?;
        let (info, told) = pipe().map_err(failed("no pipe"))?;
        let (read, arguments) = pipe().map_err(failed("no pipe"))?;
        let mut files = Vec::new();
        for content in FILES {
            files.push(wire::sealed("file", content.as_bytes()).map_err(failed("no memory for files"))?);
        }
        let number = |descriptor: Option<&OwnedFd>| descriptor.map_or(-1, AsRawFd::as_raw_fd);
        // Noted before they are opened: what changes in between is noticed.
        let versions = Version::all(of);
        let libraries = File::open(LIBRARIES).ok();
        let numbers = Descriptors {
            info: told.as_raw_fd(),
            passwd: number(files.first()),
            group: number(files.get(1)),
            hosts: number(files.get(2)),
            nsswitch: number(files.get(3)),
            libraries: libraries.as_ref().map(AsRawFd::as_raw_fd),
        };
        let small = match of.is_small.then(first::sealed).flatten() {
            Some(small) => Some(small.as_fd().try_clone_to_owned().map_err(failed("no descriptor"))?),
            None => None,
        };
        let first = small.as_ref().map_or_else(|| INSIDE.to_owned(), |it| wire::program(it.as_raw_fd()));
        let own = random::name().map_err(failed("no random name"))?;
        let mark = format!("{}-{own}", orphan::mark());
        let mut command = spawn::command(&of.program);
        command
            .arg("--args")
            .arg(read.as_raw_fd().to_string())
            .args(["--", &first, wire::INIT, &mark])
            .stdin(inner)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(user) = of.run_as {
            // The groups of root go with its number.
            command.gid(user.gid).uid(user.uid);
        }
        files.extend([told, read]);
        files.extend(libraries.map(OwnedFd::from));
        files.extend(small);
        spawn::inherit(&mut command, files);
        let mut outer = spawn::start(command).map_err(failed("`bwrap` cannot be executed"))?;
        // The first to go if the machine runs out of memory, with all that it starts; inside that cannot be written any more.
        let adjusted = fs::write(format!("/proc/{}/oom_score_adj", outer.id()), "1000");
        let stderr = outer.stderr.take();
        let ends = Some(Ends { control, info, arguments: File::from(arguments), stderr });
        let (origin, outer) = (of.clone(), Some(outer));
        let spare = Self { origin, versions, outer, has_waited: false, mark, numbers, ends };
        adjusted.map_err(failed("the OOM score cannot be set"))?;
        Ok(spare)
    }

    /// Whether it is what would be loaded now.
    fn fits(&mut self, of: &Origin) -> bool {
        let lives = self.outer.as_mut().is_some_and(|outer| matches!(outer.try_wait(), Ok(None)));
        lives && self.origin == *of && self.versions == Version::all(of)
    }

    /// Gives it away; `None` if that was done before.
    pub(super) fn release(&mut self) -> Option<(Child, Ends)> {
        self.outer.take().zip(self.ends.take())
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let Some(mut outer) = self.outer.take() else { return };
        // It may have ended by itself.
        let _ = outer.kill();
        let _ = outer.wait();
    }
}
