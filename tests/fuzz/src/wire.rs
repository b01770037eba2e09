//! The two streams of a session in memory: what the client says, at its own pace, and what the server says, looked at frame
//! by frame. Knows nothing of what the messages mean.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self_harness::lsp::framing;
use serde_json::{Value, json};

/// An answer that takes longer never comes.
pub const PATIENCE: Duration = Duration::from_secs(9);

/// The id of the last request of a client that waits for all answers, as JSON.
pub const SHUTDOWN: &str = "\"shutdown\"";

/// What both directions share.
#[derive(Default)]
pub struct Wire {
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// What was heard so far.
#[derive(Default)]
pub struct Heard {
    /// By id, as JSON, how often it was answered.
    pub answered: BTreeMap<String, usize>,
    /// Answers to the server's own questions.
    replies: VecDeque<Vec<u8>>,
    /// When `exit` was sent.
    pub left: Option<Instant>,
}

impl Wire {
    /// What was heard so far.
    pub fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client says, message by message.
pub struct Input {
    wire: Arc<Wire>,
    messages: VecDeque<Vec<u8>>,
    asked: BTreeMap<String, usize>,
    bytes: VecDeque<u8>,
    stage: Stage,
}

enum Stage {
    /// All that was asked is to be answered before the end.
    Talking,
    /// `shutdown` was said.
    Closing,
    /// The next that is said is `exit`.
    Leaving,
    Gone,
}

impl Input {
    /// A client that says `messages`. With `asked` (how many requests have an id, as JSON) it waits for that many answers,
    /// says `shutdown` and waits again; else it leaves without a word but `exit`.
    #[must_use]
    pub fn new(
        wire: &Arc<Wire>,
        messages: VecDeque<Vec<u8>>,
        asked: Option<BTreeMap<String, usize>>,
    ) -> Self {
        let stage = if asked.is_some() { Stage::Talking } else { Stage::Leaving };
        Self {
            wire: Arc::clone(wire),
            messages,
            asked: asked.unwrap_or_default(),
            bytes: VecDeque::new(),
            stage,
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(reply) = self.wire.lock().replies.pop_front() {
            return Some(reply);
        }
        if let Some(message) = self.messages.pop_front() {
            return Some(message);
        }
        match self.stage {
            Stage::Talking | Stage::Closing => {
                if let Some(reply) = self.wait() {
                    return Some(reply);
                }
                if matches!(self.stage, Stage::Talking) {
                    self.stage = Stage::Closing;
                    let shutdown = r#"{"jsonrpc":"2.0","id":"shutdown","method":"shutdown"}"#;
                    return Some(shutdown.as_bytes().to_vec());
                }
                self.stage = Stage::Leaving;
                self.next()
            }
            Stage::Leaving => {
                self.stage = Stage::Gone;
                self.wire.lock().left = Some(Instant::now());
                Some(br#"{"jsonrpc":"2.0","method":"exit"}"#.to_vec())
            }
            Stage::Gone => None,
        }
    }

    /// Waits until everything said so far is answered; a reply to a question comes first.
    fn wait(&self) -> Option<Vec<u8>> {
        let is_closing = matches!(self.stage, Stage::Closing);
        let missing = |heard: &Heard| -> Vec<String> {
            let said = self.asked.iter().filter(|(id, _)| is_closing || *id != SHUTDOWN);
            said.filter(|(id, times)| heard.answered.get(*id).copied().unwrap_or_default() < **times)
                .map(|(id, _)| id.clone())
                .collect()
        };
        let goes_on = |heard: &mut Heard| heard.replies.is_empty() && !missing(heard).is_empty();
        let waited = self.wire.changed.wait_timeout_while(self.wire.lock(), PATIENCE, goes_on);
        let (mut heard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "no answer to {:?}", missing(&heard));
        heard.replies.pop_front()
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty()
            && let Some(message) = self.next()
        {
            let mut framed = Vec::new();
            framing::write(&mut framed, &message)?;
            self.bytes = framed.into();
        }
        self.bytes.read(buffer)
    }
}

/// What the server says. Fails on what no server should say.
pub struct Output(pub Arc<Wire>);

impl Write for Output {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        let body = frame.windows(4).position(|four| four == b"\r\n\r\n").map(|at| &frame[at + 4..]);
        let message = body.and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let Some(message) = message else { panic!("no message: {}", String::from_utf8_lossy(frame)) };
        assert_ranges(&message);
        let mut heard = self.0.lock();
        match (message.get("id"), message.get("method")) {
            (Some(id), Some(_)) => {
                let reply = json!({"jsonrpc": "2.0", "id": id, "result": null});
                heard.replies.push_back(reply.to_string().into_bytes());
            }
            (Some(id), None) => {
                let code = message.pointer("/error/code").and_then(Value::as_i64);
                assert_ne!(code, Some(-32603), "{message}");
                *heard.answered.entry(id.to_string()).or_default() += 1;
            }
            (None, _) => assert!(message["method"].is_string(), "{message}"),
        }
        drop(heard);
        self.0.changed.notify_all();
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// No range ends before it starts.
fn assert_ranges(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_ranges),
        Value::Object(entries) => {
            let place = |key: &str| {
                let place = entries.get(key)?;
                Some((place.get("line")?.as_u64()?, place.get("character")?.as_u64()?))
            };
            if let (Some(start), Some(end)) = (place("start"), place("end")) {
                assert!(start <= end, "{value}");
            }
            entries.values().for_each(assert_ranges);
        }
        _ => {}
    }
}
