//! The egress proxy: the host end of a sandbox's one road to the hosts that its task names (`security` 3.8). It takes `CONNECT`
//! from a socket in the sandbox's own network, resolves the name once, looks at the address, and carries bytes to that very
//! address. Nothing inside parses, nothing of this listens on the host, and no configuration switches a rule off.
//!
//! What a phase may reach is an [`Access`]; what tasks may reach at most is the machine's [`Ceiling`]. Each connection is noted, and
//! the notes are evidence of the trial.

mod target;
mod access;
mod address;
mod log;
mod refusal;
mod outside;
mod tunnel;
mod door;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

pub use self::access::{Access, AllowList, BadHost, PORTS};
pub use self::log::{Connection, Seen};
pub use self::outside::{Internet, Outside};

use self::door::Door;
use self::log::Log;
use super::connections;
use super::machine::Ceiling;
use super::sandbox::spec::Network;
use super::sandbox::{Choice, Sandbox, SandboxError};

/// Threads that wait for answers about names.
const MAX_RESOLVING: usize = 8;

/// What opens roads to other hosts, and what was seen on them. Clones share what was seen.
#[derive(Clone)]
pub struct Egress {
    ceiling: Ceiling,
    /// Whether sandboxes keep programs from other hosts at all.
    is_kept: bool,
    outside: Arc<dyn Outside>,
    log: Arc<Log>,
}

impl Egress {
    /// Roads to the network of this machine, no further than that.
    #[must_use]
    pub fn new(ceiling: Ceiling) -> Self {
        Self::by(ceiling, Arc::new(Internet))
    }

    /// The same with another way to look names up and to connect. It is asked for nothing that the rules refuse.
    #[must_use]
    pub fn by(ceiling: Ceiling, outside: Arc<dyn Outside>) -> Self {
        Self { ceiling, is_kept: true, outside, log: Arc::default() }
    }

    /// For a backend. Without a sandbox there are no roads, because nothing keeps a program from the machine's own network.
    #[must_use]
    pub fn of(choice: Choice, ceiling: Ceiling) -> Self {
        Self { is_kept: choice != Choice::None, ..Self::new(ceiling) }
    }

    /// The same, which has seen nothing yet.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self { log: Arc::default(), ..self.clone() }
    }

    /// The roads that a sandbox needs: those that it has, and the one to other hosts if its phase may reach any.
    #[must_use]
    pub fn road(&self, access: &Access, network: Network) -> Network {
        if self.is_kept && *access != Access::Off { network.with_egress() } else { network }
    }

    /// Serves the road of a sandbox that was started with [`Egress::road`], until the answer is dropped. `phase` is a word for
    /// the evidence. Nothing is served for a phase that may reach nobody.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] if the machine allows less, [`SandboxError::Start`] if the sandbox has no such road or no thread
    /// can be started.
    pub fn open(
        &self,
        access: &Access,
        phase: &'static str,
        sandbox: &mut dyn Sandbox,
    ) -> Result<Option<Proxy>, SandboxError> {
        if !self.is_kept || *access == Access::Off {
            return Ok(None);
        }
        if self.ceiling < access.needs() {
            return Err(SandboxError::Refused(over(access.needs(), self.ceiling)));
        }
        let listener = sandbox.take_egress().ok_or_else(|| {
            SandboxError::Start(String::from(
                "the task asks for other hosts, and the sandbox has no road to them",
            ))
        })?;
        let door = Door::new(access.clone(), phase, Arc::clone(&self.outside), Arc::clone(&self.log));
        Proxy::start(listener, door)
            .map(Some)
            .map_err(|error| SandboxError::Start(format!("the proxy cannot start: {error}")))
    }

    /// What was seen until now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.log.seen()
    }
}

/// Whether a backend has roads to other hosts, or needs none because it keeps nobody from them.
#[must_use]
pub fn is_carried_by(choice: Choice) -> bool {
    matches!(choice, Choice::Bubblewrap | Choice::None)
}

/// In words, that the machine allows less than a task asks for.
#[must_use]
pub fn over(asked: Ceiling, ceiling: Ceiling) -> String {
    let what = if asked == Ceiling::Public { "any public host" } else { "hosts of the network" };
    let ceiling = ceiling.word();
    format!("the task asks for {what}, and `network = \"{ceiling}\"` {ALLOWS_LESS}")
}

/// Whether that is why a task is refused.
#[must_use]
pub fn is_over(reason: &str) -> bool {
    reason.contains(ALLOWS_LESS)
}

/// What is said of every task that asks for more than the machine allows.
const ALLOWS_LESS: &str = "in the `config.toml` of this machine allows less";

/// A proxy that serves one sandbox. It ends when it is dropped, and with it every connection.
#[derive(Debug)]
pub struct Proxy {
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A thread of its own: what a task carries is no burden of the calls to the model.
    fn start(listener: TcpListener, door: Door) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_RESOLVING)
            .build()?;
        let listener = connections::adopt(runtime.handle(), listener)?;
        let (ending, ended) = oneshot::channel();
        let door = Arc::new(door);
        let each = move |stream| {
            let door = Arc::clone(&door);
            async move { door.serve(stream).await }
        };
        let work = move || {
            runtime.block_on(connections::serve(listener, ended, each));
            // A name that nobody answers for is not waited for.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name(String::from("egress")).spawn(work)?;
        Ok(Self { ending: Some(ending), thread: Some(thread) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ending = None;
        if let Some(thread) = self.thread.take() {
            // A panic there ended it as well.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
