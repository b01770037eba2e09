//! Everything that goes to the client, in order, through one writer. Nobody waits here for the client except the writer
//! and, when too much waits already, whoever takes the client's next request.
//!
//! A client that stops reading must not make the server grow: of diagnostics that were not written yet only the newest of
//! each document is kept, of progress only the newest report of each token, and new requests are not taken.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::framing;

/// While more than this waits to be written, in bytes, there is no [room](Outbox::room).
const ROOM: usize = 32 * 1024 * 1024;

/// Messages that wait to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Oldest first; a message that a newer one replaced left its place empty.
    messages: VecDeque<Option<Message>>,
    /// The number of the message at the front; each message has the number after that of the one before.
    first: u64,
    /// The newest message of each key, by number.
    keyed: HashMap<String, u64>,
    /// Of all messages that wait.
    bytes: usize,
    closed: bool,
    writing: bool,
}

#[derive(Debug)]
struct Message {
    body: Vec<u8>,
    /// A later message with the same key makes this one old.
    key: Option<String>,
}

impl Outbox {
    /// Adds a message. `key` is what [`replaces`] says of it.
    pub fn push(&self, message: &impl Serialize, key: Option<String>) {
        let Ok(body) = serde_json::to_vec(message) else { return };
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        waiting.push(Message { body, key });
        drop(waiting);
        self.changed.notify_all();
    }

    /// Nothing more will come; what waits is still written.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until the client has read enough that an answer may be added.
    pub fn room(&self) {
        let is_full = |waiting: &mut Waiting| ROOM < waiting.bytes && !waiting.closed;
        drop(self.changed.wait_while(self.lock(), is_full));
    }

    /// Writes messages until the outbox is closed and empty, or the client is gone.
    ///
    /// # Errors
    /// What writing says. Then nothing more is kept for the client.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        loop {
            let mut waiting = self.lock();
            let message = loop {
                waiting.writing = false;
                if let Some(message) = waiting.pop() {
                    waiting.writing = true;
                    break message;
                }
                self.changed.notify_all();
                if waiting.closed {
                    return Ok(());
                }
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            };
            drop(waiting);
            // For whoever waits for room.
            self.changed.notify_all();
            if let Err(error) = framing::write(output, &message.body) {
                *self.lock() = Waiting { closed: true, ..Waiting::default() };
                self.changed.notify_all();
                return Err(error);
            }
        }
    }

    /// Waits until everything is written, but not for longer than until `deadline`, and takes nothing more: what handlers
    /// say whom the end cuts short is no answer.
    pub fn drain(&self, deadline: Instant) {
        let waiting = self.lock();
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.messages.is_empty();
        let left = deadline.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(waiting, left, busy));
        self.close();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, message: Message) {
        let number = self.first + self.messages.len() as u64;
        if let Some(key) = &message.key
            && let Some(old) = self.keyed.insert(key.clone(), number)
            && let Some(place) =
                usize::try_from(old - self.first).ok().and_then(|at| self.messages.get_mut(at))
            && let Some(old) = place.take()
        {
            self.bytes -= old.body.len();
        }
        self.bytes += message.body.len();
        self.messages.push_back(Some(message));
    }

    fn pop(&mut self) -> Option<Message> {
        while let Some(place) = self.messages.pop_front() {
            let number = self.first;
            self.first += 1;
            let Some(message) = place else { continue };
            self.bytes -= message.body.len();
            if let Some(key) = &message.key
                && self.keyed.get(key) == Some(&number)
            {
                self.keyed.remove(key);
            }
            return Some(message);
        }
        None
    }
}

/// The key under which a later message makes this one old.
#[must_use]
pub fn replaces(method: &str, params: Option<&Value>) -> Option<String> {
    let params = params?;
    match method {
        "textDocument/publishDiagnostics" => Some(replaces_of(params.get("uri")?.as_str()?)),
        "$/progress" if params.pointer("/value/kind")? == "report" => {
            Some(format!("p {}", params.get("token")?))
        }
        "experimental/serverStatus" => Some(String::from("s")),
        // Of a run that goes on; how it ended is never dropped.
        "selfHarness/runState" if params.get("state")? == "running" => {
            Some(format!("r {} {}", params.get("root")?, params.get("runId")?))
        }
        "selfHarness/treeChanged" | "selfHarness/trustState" => {
            Some(format!("{method} {}", params.get("root")?))
        }
        "selfHarness/contentChanged" => Some(format!("c {}", params.get("uri")?)),
        _ => None,
    }
}

/// The key of the diagnostics of a document.
#[must_use]
pub fn replaces_of(uri: &str) -> String {
    format!("d {uri}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use serde_json::json;

    fn written(outbox: &Outbox) -> Vec<Value> {
        outbox.close();
        let mut bytes = Vec::new();
        outbox.write_to(&mut bytes).unwrap();
        let mut frames = framing::Frames::new(bytes.as_slice());
        let mut all = Vec::new();
        while let Some(framing::Frame::Message(message)) = frames.read().unwrap() {
            all.push(message);
        }
        all
    }

    fn notify(outbox: &Outbox, method: &str, params: Value) {
        let key = replaces(method, Some(&params));
        outbox.push(&json!({"method": method, "params": params}), key);
    }

    #[test]
    fn of_each_document_and_token_the_newest_is_written_in_the_order_of_the_newest() {
        let outbox = Outbox::default();
        let diagnostics = |uri: &str, version: i32| {
            notify(&outbox, "textDocument/publishDiagnostics", json!({"uri": uri, "version": version}));
        };
        let progress = |token: &str, kind: &str, done: i32| {
            let value = json!({"kind": kind, "percentage": done});
            notify(&outbox, "$/progress", json!({"token": token, "value": value}));
        };
        progress("t", "begin", 0);
        diagnostics("a", 1);
        progress("t", "report", 10);
        diagnostics("b", 1);
        diagnostics("a", 2);
        notify(&outbox, "window/showMessage", json!({"message": "kept"}));
        progress("u", "report", 5);
        progress("t", "report", 20);
        diagnostics("a", 3);
        progress("t", "end", 0);
        let seen: Vec<String> = written(&outbox)
            .iter()
            .map(|message| {
                let params = &message["params"];
                let value = &params["value"];
                match message["method"].as_str().unwrap() {
                    "$/progress" => format!("{} {} {}", params["token"], value["kind"], value["percentage"]),
                    "textDocument/publishDiagnostics" => format!("{} {}", params["uri"], params["version"]),
                    method => method.to_owned(),
                }
                .replace('"', "")
            })
            .collect();
        assert_eq!(
            seen,
            ["t begin 0", "b 1", "window/showMessage", "u report 5", "t report 20", "a 3", "t end 0"]
        );
        assert_eq!(outbox.lock().bytes, 0);
        assert!(outbox.lock().keyed.is_empty());
    }

    #[test]
    fn a_client_that_is_gone_costs_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outbox = Outbox::default();
        outbox.push(&json!(1), None);
        outbox.push(&json!(2), None);
        assert!(outbox.write_to(&mut Gone).is_err());
        outbox.push(&json!(3), None);
        assert_eq!(outbox.lock().messages.len(), 0);
        // Nobody waits for it either.
        outbox.drain(Instant::now() + Duration::from_secs(60));
    }

    #[test]
    fn what_is_said_after_the_end_is_not_written() {
        let outbox = Outbox::default();
        outbox.push(&json!({"id": 1, "method": "in time"}), None);
        outbox.drain(Instant::now());
        outbox.push(&json!({"id": 1, "method": "late"}), None);
        assert_eq!(written(&outbox), [json!({"id": 1, "method": "in time"})]);
    }

    #[test]
    fn there_is_no_room_while_too_much_waits() {
        let outbox = Arc::new(Outbox::default());
        outbox.room();
        outbox.push(&"x".repeat(ROOM), None);
        let (waiter, has_room) = (Arc::clone(&outbox), Arc::new(AtomicBool::new(false)));
        let found = Arc::clone(&has_room);
        let waiting = thread::spawn(move || {
            waiter.room();
            found.store(true, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(50));
        assert!(!has_room.load(Ordering::SeqCst));
        let writer = Arc::clone(&outbox);
        let writing = thread::spawn(move || writer.write_to(&mut io::sink()));
        waiting.join().unwrap();
        outbox.close();
        writing.join().unwrap().unwrap();
    }
}
