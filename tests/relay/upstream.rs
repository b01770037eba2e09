//! A provider that answers what a test says, and remembers what it was asked, byte by byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Pieces of an answer, each after a pause.
pub(crate) type Pieces = Vec<(Duration, Vec<u8>)>;

pub(crate) struct Upstream {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Answers each request by its number and its text, until the test ends.
    pub(crate) fn start(answer: impl Fn(usize, &str) -> Pieces + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = request(&mut stream) else { return };
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    for (pause, piece) in answer(number, &request) {
                        thread::sleep(pause);
                        if stream.write_all(&piece).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { endpoint, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn request(stream: &mut TcpStream) -> Option<String> {
    stream.set_nodelay(true).unwrap();
    let mut read = Vec::new();
    let mut piece = [0; 65536];
    loop {
        let count = stream.read(&mut piece).ok()?;
        if count == 0 {
            return None;
        }
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if length.parse::<usize>().unwrap() <= body.len() {
            return Some(text.into_owned());
        }
    }
}

/// A whole answer.
pub(crate) fn whole(status: &str, headers: &str, body: &str) -> Pieces {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    vec![(Duration::ZERO, text.into_bytes())]
}

/// A streamed answer that ends with its connection; each event comes after a pause.
pub(crate) fn events<E: AsRef<str>>(pause: Duration, events: impl IntoIterator<Item = E>) -> Pieces {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\nset-cookie: a=b\r\n\r\n"
            .to_vec();
    let events = events.into_iter().map(|event| (pause, format!("{}\n\n", event.as_ref()).into_bytes()));
    [(Duration::ZERO, head)].into_iter().chain(events).collect()
}

pub(crate) const HELLO: &str = r#"{"model": "a-model-2026", "system_fingerprint": "fp_1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 120, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 20}}}"#;
