//! The command line of a container engine: starts it, bounds its time, and says what its messages mean. Knows nothing of
//! sandboxes, and never asks for an image that is not on this machine.

use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};

use super::super::guarantee::Unavailable;
pub use super::super::image::Kind;
use super::super::program;
use super::super::running::has_ended;
use super::super::spec::{PATH, SandboxError};
use crate::host::{random, spawn};

/// Variables by which an engine finds its machine; all others are ours alone.
const VARIABLES: &[&str] = &[
    "HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "CONTAINER_HOST",
];
/// No answer or message is longer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// A container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Which.
    pub kind: Kind,
    /// Its program.
    pub program: PathBuf,
    /// Options before each subcommand, of the user's choice: `--runtime`, `--cgroup-manager`.
    pub options: Vec<String>,
}

impl Engine {
    /// The engine as this machine has it: its program, and what podman needs where cgroups are the old ones or systemd is
    /// not there.
    #[must_use]
    pub fn of_this_machine(kind: Kind) -> Self {
        let name = match kind {
            Kind::Podman => "podman",
            Kind::Docker => "docker",
        };
        let places = [format!("/usr/bin/{name}"), format!("/usr/local/bin/{name}")];
        let program = places.iter().find(|path| Path::new(path).exists()).unwrap_or(&places[0]);
        let mut options = Vec::new();
        if kind == Kind::Podman && rustix::process::geteuid().is_root() {
            let has = |path: &str| Path::new(path).exists();
            // crun refuses machines where old and new cgroups are mixed.
            if !has("/sys/fs/cgroup/cgroup.controllers") && (has("/usr/sbin/runc") || has("/usr/bin/runc")) {
                options.extend(["--runtime", "runc"]);
            }
            if !has("/run/systemd/system") {
                options.extend(["--cgroup-manager", "cgroupfs"]);
            }
        }
        Self {
            kind,
            program: PathBuf::from(program),
            options: options.into_iter().map(String::from).collect(),
        }
    }

    /// Whether the program is one that only root could have put there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        let remedy = "install `podman` with `runc` or `crun`, for example with `apt-get install podman runc`, or Docker";
        program::check(&self.program, remedy)
    }

    /// The same as a person types it.
    pub(super) fn typed(&self, arguments: &[&str]) -> String {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let options = self.options.iter().map(String::as_str);
        let words = std::iter::once(name.as_str()).chain(options).chain(arguments.iter().copied());
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// The program with its options and arguments.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = spawn::command(&self.program);
        let variables = VARIABLES.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
        command.envs(variables).env("PATH", PATH).args(&self.options).args(arguments);
        command
    }

    /// Runs it while somebody talks with it; killed if it takes too long.
    pub(super) fn run<T>(
        &self,
        arguments: &[&str],
        patience: Duration,
        talk: impl FnOnce(ChildStdin, ChildStdout) -> T,
    ) -> Result<T, SandboxError> {
        let what = arguments.first().copied().unwrap_or_default();
        let failed = |why: String| SandboxError::Start(format!("`{}` {what}: {why}", self.program.display()));
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let scratch = Scratch::new();
        if let Some(scratch) = &scratch {
            command.env("TMPDIR", &scratch.0);
        }
        let mut child = spawn::start(command).map_err(|error| failed(error.to_string()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(String::from("it has no streams")));
        };
        let (talked, printed, was_late) = std::thread::scope(|scope| {
            let late = scope.spawn(|| !ends(&child, patience));
            let printed = scope.spawn(|| bounded(stderr));
            let talked = talk(stdin, stdout);
            (talked, printed.join().unwrap_or_default(), late.join().unwrap_or(true))
        });
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        if was_late {
            return Err(failed(format!("it did not end within {} s", patience.as_secs())));
        }
        if !status.success() {
            return Err(meaning(&printed).map_or_else(|| failed(printed.clone()), SandboxError::Unavailable));
        }
        Ok(talked)
    }

    /// Runs it, and takes its answer.
    pub(super) fn ask(&self, arguments: &[&str], patience: Duration) -> Result<String, SandboxError> {
        self.run(arguments, patience, |_, stdout| bounded(stdout))
    }
}

/// A directory for what an engine puts aside while it works. Podman keeps what it copies into a container in a file there and
/// leaves it (seen with 4.3.1): with our own directory it goes when the command is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Option<Self> {
        let parent = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
        let name = random::digits::<8>().ok()?;
        let path = parent.join(format!("self-harness-engine-{name}"));
        // Where it cannot be made, the engine uses what it uses by itself.
        std::fs::DirBuilder::new().mode(0o700).create(&path).ok().map(|()| Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:@=+,".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Whether a child ends in time; it is killed if it does not.
fn ends(child: &Child, patience: Duration) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It is not waited for yet, so the number is its own.
    let Some(pinned) = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    if has_ended(&pinned, patience) {
        return true;
    }
    let _ = rustix::process::pidfd_send_signal(&pinned, Signal::KILL);
    false
}

/// The start of what is printed, trimmed; the rest is read and let go, so that nobody waits.
pub(super) fn bounded(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.by_ref().take(MAX_ANSWER_BYTES).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

const LIBRARY: &str = "use an image with the GNU C library of this machine or a newer one, or put a static build of \
                       `self-harness` beside it as `self-harness-static` \
                       (`RUSTFLAGS='-C target-feature=+crt-static' cargo build --target …`)";

/// What it means that an image is missing.
pub(super) const NO_IMAGE: &str = "the image is not on this machine, and images are never pulled";

/// Pieces of messages, what they mean, and the remedy. The first that fits is taken.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (
        &["no such image", "No such image", "image not known", "unable to find", "Unable to find image"],
        NO_IMAGE,
        "pull it yourself",
    ),
    (
        &["GLIBC_", "GLIBCXX_", "cannot open shared object", "Error relocating"],
        "the image's C library cannot run our executable",
        LIBRARY,
    ),
    (
        &["exec format error", "Exec format error"],
        "the image is for another kind of processor than our executable",
        "use an image for this machine",
    ),
    (
        &[
            "/run/self-harness/init: no such file",
            "/run/self-harness/init\": stat",
            "/run/self-harness/init` not found",
            "/run/self-harness/init: not found",
        ],
        "the image has no loader that can run our executable",
        LIBRARY,
    ),
    (
        &["Cannot connect to", "connect to the Docker daemon", "connection refused"],
        "the container engine does not answer",
        "start it, for example with `systemctl start docker`, or use podman, which needs no service",
    ),
    (
        &["mixed cgroup", "cgroup v2", "cgroupv2", "cgroups: ", "unable to apply cgroup"],
        "the engine cannot use the cgroups of this machine",
        "install `runc` and, without systemd, let podman use `--cgroup-manager cgroupfs`",
    ),
    (
        &["permission denied", "Permission denied", "operation not permitted", "Operation not permitted"],
        "the engine may not do what a container needs",
        "see whether `podman run --rm --network none IMAGE true` works for this user; inside of another container more has \
         to be allowed",
    ),
];

/// What a message of an engine means, if that is known.
pub(super) fn meaning(message: &str) -> Option<Unavailable> {
    let fits = |(pieces, _, _): &&(&[&str], &str, &str)| pieces.iter().any(|piece| message.contains(piece));
    let (_, meaning, remedy) = KNOWN.iter().find(fits)?;
    Some(Unavailable::new(format!("{meaning} (`{}`)", message.trim()), *remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(program: &str) -> Engine {
        Engine { kind: Kind::Podman, program: PathBuf::from(program), options: Vec::new() }
    }

    #[test]
    fn an_engine_that_hangs_is_ended() {
        let refused = engine("/bin/sleep").ask(&["60"], Duration::from_millis(50)).unwrap_err();
        assert!(refused.to_string().contains("did not end within"), "{refused}");
        assert_eq!(engine("/bin/echo").ask(&["a"], Duration::from_secs(20)).unwrap(), "a");
    }

    #[test]
    fn what_a_person_types_is_one_word_each() {
        let podman = Engine { options: vec!["--runtime".into(), "runc".into()], ..engine("/usr/bin/podman") };
        let typed = podman.typed(&["build", "--tag", "localhost/a:1", "/home/it's me/task"]);
        assert_eq!(typed, r"podman --runtime runc build --tag localhost/a:1 '/home/it'\''s me/task'");
    }

    #[test]
    fn an_engine_sees_no_variable_of_ours() {
        let printed = engine("/usr/bin/env").ask(&[], Duration::from_secs(20)).unwrap();
        let names = printed.lines().filter_map(|line| line.split_once('='));
        let others: Vec<_> = names
            .map(|(name, _)| name)
            .filter(|it| !matches!(*it, "PATH" | "TMPDIR") && !VARIABLES.contains(it))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }

    #[test]
    fn messages_have_remedies() {
        let cases = [
            ("Error: localhost/x: image not known", "the image is not"),
            (
                "/run/self-harness/init: /lib/libc.so.6: version `GLIBC_2.36' not found",
                "the image's C library",
            ),
            ("exec /run/self-harness/init: no such file or directory", "the image has no loader"),
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
                "the container engine does not",
            ),
            ("error setting rlimit type 7: operation not permitted", "the engine may not"),
        ];
        for (message, start) in cases {
            let found = meaning(message).unwrap();
            assert!(found.reason.starts_with(start) && found.reason.contains(message), "{found:?}");
        }
        assert_eq!(meaning("something else"), None);
    }

    #[test]
    fn a_program_that_anybody_can_change_is_not_used() {
        assert!(engine("/no/such/engine").check().unwrap_err().reason.contains("cannot be used"));
        assert!(engine("/etc/passwd").check().unwrap_err().reason.contains("is no program"));
    }
}
