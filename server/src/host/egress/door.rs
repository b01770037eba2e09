//! The door of the proxy: decides about one connection, and connects it. The name is looked up once, and the bytes go to the very
//! address that was checked, so that no second answer can lead elsewhere.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::access::{Access, PORTS};
use super::address;
use super::log::{Connection, Counts, Log};
use super::outside::Outside;
use super::refusal::Refusal;
use super::target::{self, MAX_HEAD_BYTES, NoTarget, Target};
use super::tunnel::{Bounds, Tunnel};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a name may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one address may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const MAX_DIALLED: usize = 3;
/// How long somebody who was refused may still send, so that the answer arrives.
const LINGER: Duration = Duration::from_millis(500);
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

pub(super) struct Door {
    access: Access,
    phase: &'static str,
    outside: Arc<dyn Outside>,
    log: Arc<Log>,
    bounds: Bounds,
    head_timeout: Duration,
    /// What was carried.
    spent: AtomicU64,
}

impl Door {
    pub(super) fn new(access: Access, phase: &'static str, outside: Arc<dyn Outside>, log: Arc<Log>) -> Self {
        let (bounds, spent) = (Bounds::default(), AtomicU64::new(0));
        Self { access, phase, outside, log, bounds, head_timeout: HEAD_TIMEOUT, spent }
    }

    /// The same with other bounds.
    #[cfg(test)]
    pub(super) fn within(self, bounds: Bounds, head_timeout: Duration) -> Self {
        Self { bounds, head_timeout, ..self }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, mut inside: TcpStream) {
        let (head, early) = match timeout(self.head_timeout, head(&mut inside)).await {
            Ok(Ok(Head::Whole { head, early })) => (head, early),
            Ok(Ok(Head::TooLong)) => return self.refuse(inside, None, &Refusal::LongHead).await,
            // Somebody looked whether anybody listens.
            Ok(Ok(Head::Nobody) | Err(_)) => return,
            Err(_) => return self.refuse(inside, None, &Refusal::Slow).await,
        };
        let target = match target::parse(&head) {
            Ok(target) => target,
            Err(error) => return self.refuse(inside, None, &error.into()).await,
        };
        let (mut outside, address) = match self.connect(&target).await {
            Ok(connected) => connected,
            Err(refusal) => return self.refuse(inside, Some(&target), &refusal).await,
        };
        let counts = Arc::new(Counts::default());
        self.log.note(
            Connection {
                phase: self.phase.to_owned(),
                host: target.host,
                port: Some(target.port),
                verdict: String::from("open"),
                address: Some(address.to_string()),
                ..Connection::default()
            },
            Arc::clone(&counts),
        );
        let _ = outside.set_nodelay(true);
        if inside.write_all(ESTABLISHED).await.is_err() {
            let _ = outside.shutdown().await;
            return;
        }
        Tunnel::new(self.bounds, &counts, &self.spent).carry(inside, &early, outside).await;
    }

    /// Connects to a target if the rules allow that.
    async fn connect(&self, target: &Target) -> Result<(TcpStream, IpAddr), Refusal> {
        let host = || target.host.clone();
        if !self.access.allows(&target.host) {
            return Err(Refusal::Host { host: host() });
        }
        if !PORTS.contains(&target.port) {
            return Err(Refusal::Port { port: target.port });
        }
        if self.bounds.bytes <= self.spent.load(Ordering::Relaxed) {
            return Err(Refusal::Spent);
        }
        let found = timeout(RESOLVE_TIMEOUT, self.outside.resolve(&target.host)).await;
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(Refusal::Unknown { host: host(), why: words(&error) }),
            Err(_) => return Err(Refusal::Unknown { host: host(), why: String::from("no answer in time") }),
        };
        let mut refused = None;
        let mut checked = Vec::new();
        for found in found {
            match address::public(found) {
                Ok(address) => {
                    let to = SocketAddr::new(address, target.port);
                    if address::is_own(to) { refused = Some("this machine") } else { checked.push(to) }
                }
                Err(kind) => refused = Some(kind),
            }
        }
        if checked.is_empty() {
            return Err(match refused {
                Some(kind) => Refusal::Inward { host: host(), kind },
                None => Refusal::Unknown { host: host(), why: String::from("it has no address") },
            });
        }
        let mut why = String::new();
        for to in checked.into_iter().take(MAX_DIALLED) {
            match timeout(DIAL_TIMEOUT, self.outside.dial(to)).await {
                Ok(Ok(stream)) => return Ok((stream, to.ip())),
                Ok(Err(error)) => why = words(&error),
                Err(_) => why = String::from("no answer in time"),
            }
        }
        Err(Refusal::Unreachable { host: host(), why })
    }

    async fn refuse(&self, mut inside: TcpStream, target: Option<&Target>, refusal: &Refusal) {
        let host = match (target, refusal) {
            (Some(target), _) => target.host.clone(),
            (None, Refusal::NoTarget(NoTarget::Target { shown, .. })) => shown.clone(),
            (None, _) => String::from("?"),
        };
        self.log.note(
            Connection {
                phase: self.phase.to_owned(),
                host,
                port: target.map(|target| target.port),
                verdict: refusal.verdict().to_owned(),
                reason: refusal.to_string(),
                ..Connection::default()
            },
            Arc::default(),
        );
        let answer = async {
            inside.write_all(&refusal.response()).await?;
            inside.shutdown().await?;
            // Who still has unread bytes would see a broken connection instead of the answer.
            let mut rest = [0; 4096];
            while 0 < inside.read(&mut rest).await? {}
            io::Result::Ok(())
        };
        // Whoever does not read the answer does not get it.
        let _ = timeout(LINGER, answer).await;
    }
}

/// What came first.
enum Head {
    /// A head, and what came after it.
    Whole { head: Vec<u8>, early: Vec<u8> },
    /// More than a head may have.
    TooLong,
    /// The end, before a head.
    Nobody,
}

async fn head(inside: &mut TcpStream) -> io::Result<Head> {
    let mut bytes = Vec::new();
    let mut piece = [0; 2048];
    loop {
        let read = inside.read(&mut piece).await?;
        if read == 0 {
            return Ok(Head::Nobody);
        }
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        match target::end_of_head(&bytes) {
            Some(end) if end <= MAX_HEAD_BYTES => {
                let early = bytes.split_off(end);
                return Ok(Head::Whole { head: bytes, early });
            }
            None if bytes.len() < MAX_HEAD_BYTES => {}
            _ => return Ok(Head::TooLong),
        }
    }
}

/// What the system said, in one line without what it may repeat.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => String::from("the connection was refused"),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            String::from("there is no way to it")
        }
        io::ErrorKind::TimedOut => String::from("no answer in time"),
        _ => error.to_string(),
    }
}
