//! What was seen on the roads of a trial: each connection with its verdict and its bytes. Evidence for people; no verdict of a
//! task depends on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// How many connections are noted one by one; a program may try as often as it likes.
const MAX_NOTED: usize = 500;

/// One attempt to reach a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Which phase it belongs to: `agent`, `verifier` or `oracle`.
    pub phase: String,
    /// What was asked for: a name, or what stood in its place.
    pub host: String,
    /// The port; none if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `open`, `refused`, or `failed` if the host could not be reached.
    pub verdict: String,
    /// Why it was refused, or what failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The address that the bytes went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Bytes that went out.
    #[serde(default)]
    pub sent: u64,
    /// Bytes that came in.
    #[serde(default)]
    pub received: u64,
}

/// What was seen, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The first connections, in the order in which they were decided.
    pub connections: Vec<Connection>,
    /// How many more there were.
    #[serde(default)]
    pub more: u64,
}

/// Bytes of one connection, while they go.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    /// Why it ended before its ends wanted it to.
    pub(super) cut: Mutex<Option<&'static str>>,
}

#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    each: Vec<(Connection, Arc<Counts>)>,
    more: u64,
}

impl Log {
    /// Notes a connection; what it carries afterwards is counted in `counts`.
    pub(super) fn note(&self, connection: Connection, counts: Arc<Counts>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.each.len() < MAX_NOTED { noted.each.push((connection, counts)) } else { noted.more += 1 }
    }

    pub(super) fn seen(&self) -> Seen {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = noted.each.iter().map(|(connection, counts)| {
            let cut = *counts.cut.lock().unwrap_or_else(PoisonError::into_inner);
            Connection {
                sent: counts.sent.load(Ordering::Relaxed),
                received: counts.received.load(Ordering::Relaxed),
                reason: cut.map_or_else(|| connection.reason.clone(), String::from),
                ..connection.clone()
            }
        });
        Seen { connections: each.collect(), more: noted.more }
    }
}

impl Seen {
    /// Whether there was nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.more == 0
    }

    /// One line for each, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.connections.iter().map(Connection::line).collect();
        if 0 < self.more {
            lines.push(format!("and {} more", self.more));
        }
        lines
    }
}

impl Connection {
    fn line(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let mut line = format!("{} {}{port} {}", self.phase, self.host, self.verdict);
        if let Some(address) = &self.address {
            line.push_str(&format!(" ({address}), {} bytes out, {} bytes in", self.sent, self.received));
        }
        if !self.reason.is_empty() {
            line.push_str(&format!(": {}", self.reason));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_after_the_note_and_the_rest_is_a_number() {
        let log = Log::default();
        let counts = Arc::new(Counts::default());
        let open = Connection {
            phase: "agent".into(),
            host: "a.example".into(),
            port: Some(443),
            verdict: "open".into(),
            address: Some("1.1.1.1".into()),
            ..Connection::default()
        };
        log.note(open.clone(), Arc::clone(&counts));
        counts.sent.store(3, Ordering::Relaxed);
        counts.received.store(5, Ordering::Relaxed);
        for _ in 0..MAX_NOTED {
            let verdict = String::from("refused");
            let reason = String::from("no");
            log.note(Connection { verdict, reason, ..Connection::default() }, Arc::default());
        }
        let seen = log.seen();
        assert_eq!((seen.connections.len(), seen.more), (MAX_NOTED, 1));
        let lines = seen.lines();
        assert_eq!(lines[0], "agent a.example:443 open (1.1.1.1), 3 bytes out, 5 bytes in");
        assert_eq!((lines[1].as_str(), lines[MAX_NOTED].as_str()), ("  refused: no", "and 1 more"));
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Seen>(&text).unwrap(), seen);
        assert!(Log::default().seen().is_empty() && !seen.is_empty());
    }
}
