//! As much of an HTTP/1.1 server as a script needs (RFC 9112): answers in full, in chunks, by half, or not at all. Written by
//! hand, because no library lets a server break its own answers on purpose.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Script;
use super::answer::{self, Answer, Body};
use super::asked::{Asked, Protocol};
use super::persona::{Cut, Persona, Reply};
use crate::host::model::{RETRY_HEADER, SEED_HEADER};

/// A request's head longer than this is none.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A body longer than this is none.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// Answers all requests of a connection, one after another.
pub(super) async fn serve(stream: TcpStream, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection { stream, read: Vec::new() };
    while let Some(request) = connection.next().await? {
        let keeps = !request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        // Who is not heard in full is not answered: a test would believe that it has seen everything.
        if let Some(requests) = &script.requests {
            requests.keep(&request.body)?;
        }
        let (answer, reply) = answered(&request, &script.persona);
        if let Some(delay) = reply.delay {
            tokio::time::sleep(delay.0).await;
        }
        if reply.reset {
            return connection.reset();
        }
        let is_whole = connection.send(&answer, reply.cut, request.method == "HEAD").await?;
        if !keeps || !is_whole {
            break;
        }
    }
    connection.stream.shutdown().await
}

/// What a request is answered with, and how that is sent.
fn answered(request: &Request, persona: &Persona) -> (Answer, Reply) {
    let path = request.target.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("/v1").unwrap_or(path);
    let protocol = match (request.method.as_str(), path) {
        ("GET" | "HEAD", "/models") => return (answer::models(&persona.models), Reply::default()),
        ("POST", "/chat/completions") => Protocol::Openai,
        ("POST", "/messages") => Protocol::Anthropic,
        (method, path) => {
            let words = format!("there is nothing at {method} {path}");
            return (answer::of_words(404, &words, Protocol::Openai), Reply::default());
        }
    };
    let number = |name: &str| request.header(name).and_then(|value| value.trim().parse::<i64>().ok());
    let (seed, attempt) = (number(SEED_HEADER).unwrap_or(0), number(RETRY_HEADER).unwrap_or(0));
    let asked = Asked::read(protocol, &request.body, seed, attempt.unsigned_abs());
    let outcome = asked.and_then(|asked| Ok((persona.reply(&asked)?, asked)));
    match outcome {
        Ok((reply, asked)) => (answer::of(&reply, &asked, persona.usage), reply),
        Err(words) => (answer::of_words(400, &words, protocol), Reply::default()),
    }
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

struct Connection {
    stream: TcpStream,
    /// What was read and not yet used.
    read: Vec<u8>,
}

impl Connection {
    /// The next request; `None` if the client has gone.
    async fn next(&mut self) -> io::Result<Option<Request>> {
        let Some(head) = self.until(b"\r\n\r\n", MAX_HEAD_BYTES).await? else { return Ok(None) };
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (first.next(), first.next()) else {
            return Err(invalid("the first line is no request"));
        };
        let headers = lines.filter_map(|line| line.split_once(':'));
        let mut request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(),
            body: Vec::new(),
        };
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = if request.header("transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            let length = request.header("content-length").map_or(Ok(0), str::parse);
            self.exactly(length.map_err(|_| invalid("`content-length` is no number"))?).await?
        };
        Ok(Some(request))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n", 1024).await?.ok_or_else(|| invalid("a chunk is missing"))?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| invalid("a chunk has no size"))?;
            if size == 0 {
                // Trailers end with a blank line.
                while self.until(b"\r\n", MAX_HEAD_BYTES).await?.is_some_and(|line| !line.is_empty()) {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            self.exactly(2).await?;
            if MAX_BODY_BYTES < body.len() {
                return Err(invalid("the body is too long"));
            }
        }
    }

    /// What stands before `mark`, which is dropped.
    async fn until(&mut self, mark: &[u8], most: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|window| window == mark) {
                let found = self.read.drain(..at).collect();
                self.read.drain(..mark.len());
                return Ok(Some(found));
            }
            if most < self.read.len() {
                return Err(invalid("a line is too long"));
            }
            if self.more().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if MAX_BODY_BYTES < length {
            return Err(invalid("the body is too long"));
        }
        while self.read.len() < length {
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.read.drain(..length).collect())
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.read).await
    }

    /// Sends an answer; whether the connection can go on.
    async fn send(&mut self, answer: &Answer, cut: Option<Cut>, head_only: bool) -> io::Result<bool> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        for (name, value) in &answer.headers {
            head.push_str(&format!("{}: {}\r\n", one_line(name), one_line(value)));
        }
        let is_typed = answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let kind = match answer.body {
            Body::Whole(_) => "application/json",
            Body::Events(_) => "text/event-stream",
        };
        if !is_typed {
            head.push_str(&format!("content-type: {kind}\r\n"));
        }
        match &answer.body {
            Body::Whole(body) => self.send_whole(head, body.as_bytes(), cut, head_only).await,
            Body::Events(events) => self.send_events(head, events, cut).await,
        }
    }

    async fn send_whole(
        &mut self,
        mut head: String,
        body: &[u8],
        cut: Option<Cut>,
        head_only: bool,
    ) -> io::Result<bool> {
        let half = body.get(..body.len() / 2).unwrap_or_default();
        let (length, sent) = match cut {
            None => (body.len(), body),
            Some(Cut::Connection) => (body.len(), half),
            Some(Cut::Mark) => (half.len(), half),
        };
        head.push_str(&format!("content-length: {length}\r\n\r\n"));
        let mut bytes = head.into_bytes();
        if !head_only {
            bytes.extend_from_slice(sent);
        }
        self.stream.write_all(&bytes).await?;
        Ok(sent.len() == length)
    }

    async fn send_events(
        &mut self,
        mut head: String,
        events: &[String],
        cut: Option<Cut>,
    ) -> io::Result<bool> {
        head.push_str("transfer-encoding: chunked\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        let sent = if cut.is_some() { events.len() / 2 } else { events.len() };
        for event in events.iter().take(sent) {
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            self.stream.write_all(chunk.as_bytes()).await?;
        }
        if cut == Some(Cut::Connection) {
            return Ok(false);
        }
        self.stream.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }

    fn reset(self) -> io::Result<()> {
        // A connection that closes without lingering is reset.
        self.stream.set_zero_linger()
    }
}

/// A header from a script stays one header.
fn one_line(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

fn reason(status: u16) -> &'static str {
    match status {
        200..300 => "OK",
        300..400 => "Redirect",
        429 => "Too Many Requests",
        400..500 => "Bad Request",
        _ => "Server Error",
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
