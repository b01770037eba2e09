//! Everything that goes to the client, in order, through one writer.
//!
//! A client that stops reading must not make the server grow or wait: of diagnostics that were not written yet only the
//! newest of each document is kept, and of progress only the newest report of each token.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::framing;

/// Messages that wait to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    closed: bool,
    writing: bool,
}

#[derive(Debug)]
struct Message {
    body: Vec<u8>,
    /// A later message with the same key makes this one old.
    replaces: Option<String>,
}

impl Outbox {
    /// Adds a message.
    pub fn push(&self, message: &impl Serialize, replaces: Option<String>) {
        let Ok(body) = serde_json::to_vec(message) else { return };
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        if let Some(key) = &replaces {
            waiting.messages.retain(|other| other.replaces.as_ref() != Some(key));
        }
        waiting.messages.push_back(Message { body, replaces });
        drop(waiting);
        self.changed.notify_all();
    }

    /// Nothing more will come; what waits is still written.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Writes messages until the outbox is closed and empty, or the client is gone.
    ///
    /// # Errors
    /// What writing says.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        loop {
            let mut waiting = self.lock();
            let message = loop {
                waiting.writing = false;
                if let Some(message) = waiting.messages.pop_front() {
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
            framing::write(output, &message.body)?;
        }
    }

    /// Waits until everything is written, for so long at most.
    pub fn drain(&self, limit: std::time::Duration) {
        let waiting = self.lock();
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.messages.is_empty();
        let _ = self.changed.wait_timeout_while(waiting, limit, busy);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key under which a later message makes this one old.
#[must_use]
pub fn replaces(method: &str, params: Option<&Value>) -> Option<String> {
    let params = params?;
    match method {
        "textDocument/publishDiagnostics" => Some(format!("d {}", params.get("uri")?.as_str()?)),
        "$/progress" if params.pointer("/value/kind")? == "report" => {
            Some(format!("p {}", params.get("token")?))
        }
        "experimental/serverStatus" => Some(String::from("s")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn old_diagnostics_of_a_document_are_not_written() {
        let outbox = Outbox::default();
        for (uri, version) in [("a", 1), ("b", 1), ("a", 2)] {
            let params = json!({"uri": uri, "version": version});
            let key = replaces("textDocument/publishDiagnostics", Some(&params));
            outbox.push(&params, key);
        }
        outbox.close();
        let mut written = Vec::new();
        outbox.write_to(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(!text.contains("{\"uri\":\"a\",\"version\":1}"), "{text}");
        assert!(
            text.contains("{\"uri\":\"b\",\"version\":1}") && text.contains("{\"uri\":\"a\",\"version\":2}"),
            "{text}"
        );
    }
}
