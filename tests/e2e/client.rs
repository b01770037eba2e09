//! A small client: starts the real server, speaks the protocol over its pipes, and never waits longer than it must.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// No answer may take longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    received: Receiver<Value>,
    kept: VecDeque<Value>,
    next_id: i64,
    answers: Vec<(&'static str, Value)>,
}

impl Server {
    /// A server that was told nothing yet.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_self-harness"));
        command.args(["lsp", "--probe"]);
        Self::start_as(command)
    }

    /// The same, by a command with an environment of its own.
    pub(crate) fn start_as(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a pipe");
        let (sender, received) = channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self { child, input, received, kept: VecDeque::new(), next_id: 1, answers: Vec::new() }
    }

    /// From now on questions of the server with this method are answered so.
    pub(crate) fn answers(&mut self, method: &'static str, answer: Value) {
        self.answers.retain(|(known, _)| *known != method);
        self.answers.push((method, answer));
    }

    /// A server with a folder, agreed with a client of these capabilities.
    pub(crate) fn open(folder: &Path, capabilities: &Value) -> Self {
        Self::start().initialized(folder, capabilities)
    }

    /// Agrees with it as a client of these capabilities that has opened a folder.
    pub(crate) fn initialized(self, folder: &Path, capabilities: &Value) -> Self {
        let mut server = self;
        let params = json!({
            "processId": null,
            "clientInfo": {"name": "test editor"},
            "capabilities": capabilities,
            "workspaceFolders": [{"uri": uri(folder), "name": "test"}],
        });
        let answer = server.request("initialize", &params);
        assert!(answer["capabilities"].is_object(), "{answer}");
        server.notify("initialized", &json!({}));
        server
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    /// Writes a message.
    pub(crate) fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    /// Tells something.
    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Asks something without waiting; the answer is the id.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// Waits for the whole answer with an id.
    pub(crate) fn answer(&mut self, id: i64) -> Value {
        self.wait(|message| message["id"] == id && message.get("method").is_none())
    }

    /// Asks and waits for a result.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        let answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Waits for a message; others are kept, questions of the server are answered with what is known for them, or with nothing.
    pub(crate) fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(LIMIT, wanted)
    }

    /// The same, for longer.
    pub(crate) fn wait_for(&mut self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at).expect("it was just found");
        }
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(message) if wanted(&message) && message.get("method").is_none() => return message,
                Ok(message) => {
                    if message.get("id").is_some() && message.get("method").is_some() {
                        let id = message["id"].clone();
                        let known = self.answers.iter().find(|(method, _)| message["method"] == *method);
                        let answer = known.map(|(_, answer)| answer.clone()).unwrap_or_default();
                        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": answer}));
                    }
                    if wanted(&message) {
                        return message;
                    }
                    self.kept.push_back(message);
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no answer in {limit:?}; received: {:#?}", self.kept)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the server is gone; received: {:#?}", self.kept)
                }
            }
        }
    }

    /// Waits for diagnostics of a document at a version or later.
    pub(crate) fn diagnostics(&mut self, uri: &str, version: i64) -> Vec<Value> {
        let message = self.wait(|message| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri
                && version <= message["params"]["version"].as_i64().unwrap_or(i64::MAX)
        });
        message["params"]["diagnostics"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the diagnostics of a document are as wanted.
    pub(crate) fn diagnostics_until(&mut self, uri: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        loop {
            let found = self.diagnostics(uri, 0);
            if wanted(&found) {
                return found;
            }
        }
    }

    /// Closes the input.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for the process to end; the answer is its exit code and how long that took.
    pub(crate) fn ended(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status.code(), start.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the server did not end in {LIMIT:?}");
    }

    /// Ends it as a client should.
    pub(crate) fn shut_down(mut self) {
        assert_eq!(self.request("shutdown", &Value::Null), Value::Null);
        self.notify("exit", &Value::Null);
        assert_eq!(self.ended().0, Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `file:` URI.
pub(crate) fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            line => {
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A directory with a harness, which goes when the test ends.
pub(crate) struct Workspace(PathBuf);

impl Workspace {
    /// A directory with these files.
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-e2e-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory");
        let workspace = Self(path.canonicalize().expect("a directory"));
        for (name, text) in files {
            workspace.write(name, text.as_bytes());
        }
        workspace
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The URI of a file.
    pub(crate) fn uri(&self, name: &str) -> String {
        uri(&self.0.join(name))
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, bytes).expect("a file");
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
