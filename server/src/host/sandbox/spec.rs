//! What is asked of a sandbox, and what it answers. Values and traits; starts nothing.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self_harness_inner::policy::{EGRESS_ADDRESS, MODEL_ADDRESS};

use super::guarantee::{Guarantees, Unavailable};
use super::output::Capture;
use super::tree::{TreeError, TrialTree};

/// What a sandbox is for; it decides what is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The build steps of a task.
    Prepare,
    /// An agent works on the task.
    Agent,
    /// The verifier judges what an agent left.
    Verify,
    /// The task's own solution works instead of an agent.
    Oracle,
}

impl Phase {
    /// Where reports leave the sandbox; `None` if there are none.
    #[must_use]
    pub fn logs(self) -> Option<&'static str> {
        match self {
            Self::Prepare => None,
            Self::Agent | Self::Oracle => Some("/logs/agent"),
            Self::Verify => Some("/logs/verifier"),
        }
    }
}

/// Which roads to a network a sandbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// None: a loopback of its own, and nothing else.
    #[default]
    Off,
    /// The same with one road to the model: the first process listens at [`MODEL_ADDRESS`] and hands the socket to the
    /// worker before any command is run ([`Sandbox::take_listener`]).
    Model,
    /// The same with one road to a proxy: the first process listens at [`EGRESS_ADDRESS`] and hands that socket over
    /// ([`Sandbox::take_egress`]). Which hosts can be reached by it is decided by whoever serves it.
    Egress,
    /// Both roads.
    Both,
}

impl Network {
    /// Whether there is a road to the model.
    #[must_use]
    pub fn has_model(self) -> bool {
        matches!(self, Self::Model | Self::Both)
    }

    /// Whether there is a road to a proxy.
    #[must_use]
    pub fn has_egress(self) -> bool {
        matches!(self, Self::Egress | Self::Both)
    }

    /// The same with a road to a proxy.
    #[must_use]
    pub fn with_egress(self) -> Self {
        if self.has_model() { Self::Both } else { Self::Egress }
    }
}

/// The variables by which programs find the proxy, where there is one. What is on their own loopback is asked directly.
pub const PROXY_VARIABLES: [(&str, &str); 8] = [
    ("HTTPS_PROXY", "http://127.0.0.1:3128"),
    ("HTTP_PROXY", "http://127.0.0.1:3128"),
    ("ALL_PROXY", "http://127.0.0.1:3128"),
    ("NO_PROXY", "127.0.0.1,localhost,::1"),
    ("https_proxy", "http://127.0.0.1:3128"),
    ("http_proxy", "http://127.0.0.1:3128"),
    ("all_proxy", "http://127.0.0.1:3128"),
    ("no_proxy", "127.0.0.1,localhost,::1"),
];

/// Where programs are looked for in a sandbox.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where an agent's programs are looked for: those of a toolchain in its `bin` or in itself, after those of the system, so that
/// tasks find the same `python3` whatever the agent is made with.
#[must_use]
pub fn path_with(toolchains: &[PathBuf]) -> String {
    let of_toolchains = toolchains
        .iter()
        .flat_map(|toolchain| [toolchain.join("bin"), toolchain.clone()])
        .map(|path| path.display().to_string());
    // No path of theirs could be told from two.
    std::iter::once(PATH.to_owned())
        .chain(of_toolchains.filter(|path| !path.contains(':')))
        .collect::<Vec<_>>()
        .join(":")
}

/// Ends the command that runs in a sandbox, from another thread. It does nothing while none runs.
#[derive(Clone)]
pub struct Stopper(Arc<dyn Fn() + Send + Sync>);

impl Stopper {
    /// Stops by that.
    pub fn new(stop: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(stop))
    }

    /// Ends the command; its sandbox lives on.
    pub fn stop(&self) {
        (self.0)();
    }
}

/// Something of the host that can be read inside. There is no way to ask for one that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The file or directory on the host.
    pub from: PathBuf,
    /// Where it is seen, from the root.
    pub at: String,
}

impl Mount {
    /// A file or directory, seen at a path.
    pub fn new(from: impl Into<PathBuf>, at: impl Into<String>) -> Self {
        Self { from: from.into(), at: at.into() }
    }
}

/// Variables that a task may set: none that carries a secret or makes a program load something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(Vec<(String, String)>);

/// Whole names that a task may not set: we set them, or they make a program run or load something.
const REFUSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TERM",
    "TMPDIR",
    "TZ",
    "BASH_ENV",
    "ENV",
    "NODE_OPTIONS",
    "RUBYOPT",
    "PERL5OPT",
    "XDG_RUNTIME_DIR",
];
const REFUSED_STARTS: &[&str] = &["LD_", "DYLD_", "PYTHON", "GIT_", "SSH_", "DBUS_"];
const REFUSED_ENDS: &[&str] = &["_KEY", "_TOKEN", "_SECRET", "_PROXY"];
/// Names in which an agent finds the token of its trial; they hold no key of anybody.
const OF_AGENTS: &[&str] = &["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];

impl Env {
    /// Takes variables.
    ///
    /// # Errors
    /// The first name that is refused.
    pub fn of<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, SandboxError> {
        Self::checked(variables, is_allowed)
    }

    /// Takes variables of an agent that calls the model itself: the names in which its client looks for a key are allowed
    /// too. What they hold is the token of a trial and never a key.
    ///
    /// # Errors
    /// The first name that is refused.
    pub fn of_agent<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, SandboxError> {
        Self::checked(variables, |name| OF_AGENTS.contains(&name) || is_allowed(name))
    }

    fn checked<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
        is_allowed: impl Fn(&str) -> bool,
    ) -> Result<Self, SandboxError> {
        let mut taken = Vec::new();
        for (name, value) in variables {
            let (name, value) = (name.into(), value.into());
            if !is_allowed(&name) || value.contains('\0') {
                return Err(SandboxError::Variable { name });
            }
            taken.push((name, value));
        }
        Ok(Self(taken))
    }

    /// Each name with its value.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Whether a task may set a variable of that name.
fn is_allowed(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    is_name
        && !REFUSED.contains(&upper.as_str())
        && !REFUSED_STARTS.iter().any(|start| upper.starts_with(start))
        && !REFUSED_ENDS.iter().any(|end| upper.ends_with(end))
        && !upper.contains("PASSWORD")
}

/// How much a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all of its processes together.
    pub memory_bytes: u64,
    /// Bytes of its tree.
    pub disk_bytes: u64,
    /// Files and directories of its tree.
    pub disk_entries: u64,
    /// What a command may print before it is ended.
    pub output_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// The largest file.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            memory_bytes: 2 * GIB,
            disk_bytes: 2 * GIB,
            disk_entries: 200_000,
            output_bytes: GIB,
            processes: 256,
            file_bytes: GIB,
        }
    }
}

/// A sandbox to start.
#[derive(Debug)]
pub struct Spec {
    /// What it is for.
    pub phase: Phase,
    /// The tree that it works on, from now on its own.
    pub tree: TrialTree,
    /// Where the tree is seen, besides `/workspace`.
    pub workdir: String,
    /// What else can be read.
    pub mounts: Vec<Mount>,
    /// Variables of the task.
    pub env: Env,
    /// The identity of the image that is the root, where containers are made; the backend's own if there is none.
    pub image: Option<String>,
    /// Roads to a network.
    pub network: Network,
    /// What it may use.
    pub limits: Limits,
}

impl Spec {
    /// A sandbox without mounts, variables and network, and with the default limits.
    #[must_use]
    pub fn new(phase: Phase, tree: TrialTree) -> Self {
        Self {
            phase,
            tree,
            workdir: String::from("/app"),
            mounts: Vec::new(),
            env: Env::default(),
            image: None,
            network: Network::Off,
            limits: Limits::default(),
        }
    }
}

/// A command to run in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// More variables.
    pub env: Env,
    /// Another directory than the workdir.
    pub directory: Option<String>,
    /// A file inside that it reads as its standard input, which is empty otherwise.
    pub stdin: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Exec {
    /// How long a command may take if nobody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(120);

    /// A program with arguments.
    pub fn program<A: Into<String>>(argv: impl IntoIterator<Item = A>) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        Self { argv, env: Env::default(), directory: None, stdin: None, timeout: Self::TIMEOUT }
    }

    /// A script for the shell.
    pub fn shell(script: impl Into<String>) -> Self {
        Self::program([String::from("/bin/sh"), String::from("-c"), script.into()])
    }

    /// The same with another limit of time.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// How a command or a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with that exit code.
    Finished(i32),
    /// By a signal.
    Signalled(i32),
    /// It took too long, or was stopped ([`Stopper`]); its processes were killed.
    TimedOut,
    /// It printed too much; its processes were killed.
    OutputFlood,
    /// It used too much memory; the sandbox was killed.
    OverMemory,
    /// It used too much disk space; the sandbox was killed.
    OverDisk,
    /// Nobody meant it to end: what came of it measures nothing.
    Died(Cause),
}

/// Why a sandbox ended although nobody meant it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its first process ended.
    FirstProcess,
    /// Its first process does not answer.
    Silent,
    /// The host runs out of memory or disk space.
    HostFloor(&'static str),
    /// It was killed before it had run a command.
    Unused,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// How it ended.
    pub ended: Ended,
    /// What it printed.
    pub stdout: Capture,
    /// What it printed as errors.
    pub stderr: Capture,
    /// How long it took.
    pub took: Duration,
}

/// A way to make sandboxes.
pub trait Backend: Send + Sync {
    /// Starts a real sandbox and tries what it promises.
    ///
    /// # Errors
    /// [`Unavailable`] if none can be started.
    fn probe(&self) -> Result<Guarantees, Unavailable>;

    /// Starts a sandbox around a tree, which belongs to it from now on.
    ///
    /// # Errors
    /// A [`SandboxError`]; the tree is removed.
    fn start(&self, spec: Spec) -> Result<Box<dyn Sandbox>, SandboxError>;

    /// Fills a tree with what an image has in a directory; with nothing if it has no such directory.
    ///
    /// # Errors
    /// A [`SandboxError`] if there are no images, or the tree is larger than it may be.
    fn seed(&self, image: &str, from: &str, tree: &TrialTree) -> Result<(), SandboxError> {
        let _ = tree;
        Err(SandboxError::Refused(format!("`{from}` of the image `{image}` needs the sandbox `container`")))
    }
}

/// A living sandbox. One that is dropped is killed.
pub trait Sandbox: Send {
    /// Runs a command, and waits for it.
    ///
    /// # Errors
    /// A [`SandboxError`] if it could not be started, or if the sandbox has ended.
    fn exec(&mut self, command: &Exec) -> Result<Executed, SandboxError>;

    /// The socket on which programs inside ask for the model, once, if the sandbox has that road ([`Network::has_model`]). It
    /// is in the sandbox's own network and answers to nobody else.
    fn take_listener(&mut self) -> Option<TcpListener> {
        None
    }

    /// The socket on which programs inside ask for other hosts, once, if the sandbox has that road
    /// ([`Network::has_egress`]). It is in the sandbox's own network too.
    fn take_egress(&mut self) -> Option<TcpListener> {
        None
    }

    /// What ends a running command from another thread; `None` if the backend cannot do that.
    fn stopper(&self) -> Option<Stopper> {
        None
    }

    /// Kills every process and waits until none is left.
    ///
    /// # Errors
    /// [`SandboxError::Unkillable`] if that does not happen in time.
    fn kill(self: Box<Self>) -> Result<Dead, SandboxError>;
}

/// The proof that no process of a sandbox is left: the only way to the tree that it worked on.
#[derive(Debug)]
pub struct Dead {
    tree: TrialTree,
    ended: Ended,
}

impl Dead {
    /// To be called by a kill barrier that has seen the end of the first process, and so of all.
    #[cfg(target_os = "linux")]
    pub(super) fn proven(tree: TrialTree, ended: Ended) -> Self {
        Self { tree, ended }
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &TrialTree {
        &self.tree
    }

    /// What ended the sandbox before it was killed, else how its last command ended.
    #[must_use]
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Gives the tree away.
    #[must_use]
    pub fn into_tree(self) -> TrialTree {
        self.tree
    }
}

/// Why a sandbox did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// There is none.
    #[error("there is no sandbox: {0}")]
    Unavailable(#[source] Unavailable),
    /// It did not start.
    #[error("the sandbox did not start: {0}")]
    Start(String),
    /// The command did not start.
    #[error("`{program}` did not start: {why}")]
    Command {
        /// The program.
        program: String,
        /// Why not.
        why: String,
    },
    /// The sandbox has ended before.
    #[error("the sandbox has ended: {0:?}")]
    Over(Ended),
    /// A variable that a task may not set.
    #[error("the variable `{name}` cannot be set in a sandbox")]
    Variable {
        /// Its name.
        name: String,
    },
    /// What is asked would open the sandbox, or makes no sense.
    #[error("{0}")]
    Refused(String),
    /// Its processes do not end. Its tree is kept and may not be judged.
    #[error("the processes of the sandbox cannot be killed; `{tree}` is left as it is")]
    Unkillable {
        /// The directory of the tree.
        tree: PathBuf,
    },
    /// A trial tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_107_variables_with_secrets_and_hooks_are_refused() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "MODEL_API_KEY",
            "GITHUB_TOKEN",
            "aws_secret",
            "DB_PASSWORD_FILE",
            "BASH_ENV",
            "GIT_SSH_COMMAND",
            "https_proxy",
            "PYTHONPATH",
            "",
            "1A",
            "A=B",
            "A B",
            "XDG_RUNTIME_DIR",
        ] {
            assert!(Env::of([(name, "x")]).is_err(), "{name}");
        }
        assert!(Env::of([("A", "nul\0")]).is_err());
        assert!(Env::of_agent([("OPENAI_API_KEY", "token"), ("ANTHROPIC_API_KEY", "token")]).is_ok());
        for name in ["MODEL_API_KEY", "openai_api_key", "ANTHROPIC_AUTH_TOKEN", "PYTHONPATH"] {
            assert!(Env::of_agent([(name, "x")]).is_err(), "{name}");
        }
        let env = Env::of([("APP_MODE", "test"), ("N", "1")]).unwrap();
        assert_eq!(env.each().collect::<Vec<_>>(), [("APP_MODE", "test"), ("N", "1")]);
    }
}
