//! Any conversation with the language server, over streams in memory: no handler panics, each request is answered once, and
//! the server ends after `exit`. The server reads one folder below the directory for temporary files and nothing else; it
//! is the same each time.
//!
//! The first piece is what the client can do, each further one a message: a letter for its kind, then small numbers for
//! document, place and so on, then text.

#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fuzz::wire::{Input, Output, PATIENCE, SHUTDOWN, Wire};
use fuzz::{pieces, text};
use libfuzzer_sys::fuzz_target;
use self_harness::lsp::outbox::Outbox;
use self_harness::lsp::server::Server;
use self_harness::lsp::{framing, transport};
use serde_json::{Value, json};
use tower_lsp::LspService;

/// So much longer than promised may the end take, on a machine that does other things too.
const SLACK: Duration = Duration::from_secs(5);

/// More messages are left out.
const MANY: usize = 40;

/// What the folder holds.
const FILES: &[(&str, &str)] = &[
    ("harness.toml", include_str!("../../examples/terminal-agent/harness.toml")),
    ("prompts/system.md", include_str!("../../examples/terminal-agent/prompts/system.md")),
    ("prompts/task.md", include_str!("../../examples/terminal-agent/prompts/task.md")),
    ("prompts/states/plan.md", include_str!("../../examples/terminal-agent/prompts/states/plan.md")),
    ("prompts/states/verify.md", include_str!("../../examples/terminal-agent/prompts/states/verify.md")),
    (
        "prompts/rules/stop-repeating.md",
        include_str!("../../examples/terminal-agent/prompts/rules/stop-repeating.md"),
    ),
    ("tools/shell.toml", include_str!("../../examples/terminal-agent/tools/shell.toml")),
    ("tools/read_file.json", include_str!("../../examples/terminal-agent/tools/read_file.json")),
    ("tasks/fix-script/task.toml", include_str!("../../examples/terminal-agent/tasks/fix-script/task.toml")),
    (
        "tasks/fix-script/instruction.md",
        include_str!("../../examples/terminal-agent/tasks/fix-script/instruction.md"),
    ),
    ("inner/harness.toml", include_str!("../../examples/mini-swe-agent/harness.toml")),
    ("inner/mini.yaml", include_str!("../../examples/mini-swe-agent/mini.yaml")),
];

/// Documents beside those of the folder: new ones, a directory, and what is no file.
const OTHERS: &[&str] = &["harness.known.toml", "new.md", "tools/new.json", "prompts"];

const METHODS: &[&str] = &[
    "textDocument/hover",
    "textDocument/completion",
    "textDocument/definition",
    "textDocument/references",
    "textDocument/documentHighlight",
    "textDocument/prepareRename",
    "textDocument/rename",
    "textDocument/documentSymbol",
    "textDocument/documentLink",
    "textDocument/foldingRange",
    "textDocument/selectionRange",
    "textDocument/prepareCallHierarchy",
    "textDocument/semanticTokens/full",
    "textDocument/semanticTokens/full/delta",
    "textDocument/semanticTokens/range",
    "textDocument/codeAction",
    "textDocument/diagnostic",
    "textDocument/codeLens",
    "textDocument/inlayHint",
    "textDocument/formatting",
    "workspace/symbol",
    "workspace/diagnostic",
    "workspace/willRenameFiles",
    "workspace/executeCommand",
    "callHierarchy/incomingCalls",
    "callHierarchy/outgoingCalls",
    "completionItem/resolve",
    "codeAction/resolve",
    "no/such/method",
    "shutdown",
];

fuzz_target!(|data: &[u8]| {
    let mut pieces = pieces(data);
    let mut client = Client::new(pieces.next().unwrap_or_default());
    for piece in pieces.take(MANY) {
        client.say(piece);
    }
    client.talk();
});

/// The client: what it is going to say, and which answers it then wants.
struct Client {
    is_patient: bool,
    is_initialized: bool,
    capabilities: Value,
    messages: VecDeque<Vec<u8>>,
    /// By id, as JSON, how many requests have it.
    asked: BTreeMap<String, usize>,
    last_id: u64,
    version: i32,
}

/// The small numbers of a piece.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A line or a column: mostly small, sometimes far away.
    fn place(&mut self) -> u32 {
        match self.next() {
            251 => 1000,
            252 => 65_535,
            253 => i32::MAX as u32,
            254 => u32::MAX,
            small => u32::from(small),
        }
    }

    fn position(&mut self) -> Value {
        json!({"line": self.place(), "character": self.place()})
    }

    fn range(&mut self) -> Value {
        json!({"start": self.position(), "end": self.position()})
    }

    fn uri(&mut self) -> (usize, String) {
        let number = usize::from(self.next()) % (FILES.len() + OTHERS.len() + 1);
        let name = FILES.get(number).map(|(name, _)| *name);
        match name.or_else(|| OTHERS.get(number - FILES.len()).copied()) {
            Some(name) => (number, format!("{}/{name}", folder_uri())),
            None => (number, "untitled:Untitled-1".to_owned()),
        }
    }
}

impl Client {
    fn new(abilities: &[u8]) -> Self {
        let mut numbers = Numbers(abilities);
        let encodings = match numbers.next() % 4 {
            0 => json!(["utf-8"]),
            1 => json!(["utf-32", "utf-16"]),
            2 => json!(["utf-7", "utf-16"]),
            _ => Value::Null,
        };
        let (first, second) = (numbers.next(), numbers.next());
        let can = |bit: u8| first & (1 << bit) != 0;
        let mut capabilities = json!({
            "general": {"positionEncodings": encodings},
            "workspace": {
                "didChangeWatchedFiles": {"dynamicRegistration": second & 0x18 != 0x18},
                "semanticTokens": {"refreshSupport": second & 0x20 != 0},
            },
            "textDocument": {
                "definition": {"linkSupport": can(1)},
                "completion": {"completionItem": {"snippetSupport": can(2), "insertReplaceSupport": can(2)}},
            },
            "experimental": {"serverStatusNotification": can(3)},
        });
        if can(0) {
            let pulls = json!({"dynamicRegistration": true, "relatedDocumentSupport": can(3)});
            capabilities["textDocument"]["diagnostic"] = pulls;
            capabilities["workspace"]["diagnostics"] = json!({"refreshSupport": can(4)});
        }
        if can(5) {
            let annotations = if can(6) { json!({"groupsOnLabel": true}) } else { Value::Null };
            capabilities["workspace"]["workspaceEdit"] = json!({
                "documentChanges": can(6),
                "resourceOperations": ["create", "rename"],
                "changeAnnotationSupport": annotations,
            });
        }
        if can(7) {
            let properties = json!({"resolveSupport": {"properties": ["edit"]}, "dataSupport": true});
            capabilities["textDocument"]["codeAction"] = properties;
        }
        let mut client = Self {
            is_patient: second & 1 == 0,
            is_initialized: second & 6 != 6,
            capabilities,
            messages: VecDeque::new(),
            asked: BTreeMap::new(),
            last_id: 0,
            version: 0,
        };
        if client.is_initialized {
            client.initialize();
        }
        client
    }

    fn say(&mut self, piece: &[u8]) {
        let Some((kind, rest)) = piece.split_first() else { return };
        let mut numbers = Numbers(rest);
        match kind {
            b'o' => self.open(&mut numbers),
            b'c' => self.change(&mut numbers),
            b'r' | b'a' => self.ask(&mut numbers, *kind == b'a'),
            b's' | b'x' => {
                let method = if *kind == b's' { "textDocument/didSave" } else { "textDocument/didClose" };
                self.notify(method, json!({"textDocument": {"uri": numbers.uri().1}}));
            }
            b'w' => {
                let (kind, mut changes) = (1 + numbers.next() % 3, Vec::new());
                while !numbers.0.is_empty() && changes.len() < 4 {
                    changes.push(json!({"uri": numbers.uri().1, "type": kind}));
                }
                self.notify("workspace/didChangeWatchedFiles", json!({"changes": changes}));
            }
            b'f' => {
                let folder = |uri: String| json!([{"uri": uri, "name": "a"}]);
                let inner = folder(format!("{}/inner", folder_uri()));
                let (added, removed) = match numbers.next() % 4 {
                    0 => (inner, json!([])),
                    1 => (json!([]), inner),
                    2 => (folder(folder_uri()), json!([])),
                    _ => (json!([]), folder(folder_uri())),
                };
                let event = json!({"event": {"added": added, "removed": removed}});
                self.notify("workspace/didChangeWorkspaceFolders", event);
            }
            b'k' => {
                let id = self.last_id.saturating_sub(u64::from(numbers.next() % 4));
                self.notify("$/cancelRequest", json!({"id": id}));
            }
            b'i' => self.initialize(),
            b'j' => self.say_anything(&text(numbers.0)),
            _ => {}
        }
    }

    fn initialize(&mut self) {
        self.is_initialized = true;
        let params = json!({
            "processId": null,
            "rootUri": null,
            "workspaceFolders": [{"uri": folder_uri(), "name": "folder"}],
            "capabilities": self.capabilities,
        });
        self.request("initialize", params);
        self.notify("initialized", json!({}));
    }

    fn open(&mut self, numbers: &mut Numbers) {
        let (number, uri) = numbers.uri();
        let of_disk = FILES.get(number).map_or("", |(_, text)| text);
        let text = if numbers.0.is_empty() { of_disk.to_owned() } else { text(numbers.0) };
        self.version += 1;
        let document = json!({"uri": uri, "languageId": "plain", "version": self.version, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}));
    }

    /// Changes stand behind each other, with a byte 1 between.
    fn change(&mut self, numbers: &mut Numbers) {
        let (_, uri) = numbers.uri();
        let changes = numbers.0.split(|byte| *byte == 1).take(4).map(|change| {
            let mut numbers = Numbers(change);
            let is_whole = numbers.next() == b'w';
            if is_whole {
                return json!({"text": text(numbers.0)});
            }
            let range = numbers.range();
            json!({"range": range, "text": text(numbers.0)})
        });
        let changes: Vec<Value> = changes.collect();
        self.version += 1;
        let document = json!({"uri": uri, "version": self.version});
        self.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes}));
    }

    /// A request with everything that any request wants to know.
    fn ask(&mut self, numbers: &mut Numbers, again: bool) {
        let method = METHODS[usize::from(numbers.next()) % METHODS.len()];
        let (_, uri) = numbers.uri();
        let (range, flags) = (numbers.range(), numbers.next());
        let text = text(numbers.0);
        let name = if flags & 1 == 0 { text.clone() } else { "shell".to_owned() };
        let only = match flags >> 1 & 3 {
            0 => Value::Null,
            1 => json!(["quickfix"]),
            2 => json!(["source.fixAll", "refactor"]),
            _ => json!([text]),
        };
        let item = json!({
            "name": if flags & 8 == 0 { "plan" } else { text.as_str() },
            "kind": 5,
            "uri": uri,
            "range": range,
            "selectionRange": range,
        });
        let mut params = json!({
            "textDocument": {"uri": uri},
            "position": range["start"],
            "positions": [range["start"], range["end"]],
            "range": range,
            "context": {"includeDeclaration": flags & 16 == 0, "diagnostics": [], "triggerKind": 1},
            "newName": name,
            "query": text,
            "command": text,
            "options": {"tabSize": 4, "insertSpaces": true},
            "previousResultId": if flags & 32 == 0 { "1" } else { text.as_str() },
            "previousResultIds": [{"uri": uri, "value": text}],
            "item": item,
            "label": text,
            "title": text,
            "data": {"uri": uri, "fixAll": flags & 64 == 0},
            "files": [{"oldUri": uri, "newUri": format!("{}/moved/{}", folder_uri(), flags)}],
        });
        if !only.is_null() {
            params["context"]["only"] = only;
        }
        if method == "shutdown" {
            params = Value::Null;
        }
        if again && 0 < self.last_id {
            self.last_id -= 1;
        }
        self.request(method, params);
    }

    /// Says JSON as it is, but for what would lead out of the folder, or begins or ends the conversation (without an id that
    /// would be no request, and the exit code anybody's guess); else what is no JSON.
    fn say_anything(&mut self, text: &str) {
        let Ok(mut message) = serde_json::from_str::<Value>(text) else {
            // The server mends halves of characters and would then read what nobody looked at here.
            if !text.contains("\\u") {
                self.messages.push_back(text.as_bytes().to_vec());
            }
            return;
        };
        stay_inside(&mut message);
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        if matches!(method.as_deref(), Some("initialize" | "shutdown" | "exit")) {
            return;
        }
        if let Some(object) = message.as_object_mut()
            && object.get("id").is_some_and(framing::is_id)
        {
            let id = Value::from(format!("any {}", self.messages.len()));
            object.insert("id".to_owned(), id.clone());
            let is_answer = method.is_none()
                && !object.contains_key("method")
                && (object.contains_key("result") || object.contains_key("error"));
            if !is_answer {
                self.asked.insert(id.to_string(), 1);
            }
        }
        self.messages.push_back(message.to_string().into_bytes());
    }

    fn request(&mut self, method: &str, params: Value) {
        self.last_id += 1;
        *self.asked.entry(self.last_id.to_string()).or_default() += 1;
        self.message(json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}));
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.message(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn message(&mut self, mut message: Value) {
        if message["params"].is_null()
            && let Some(object) = message.as_object_mut()
        {
            object.remove("params");
        }
        self.messages.push_back(message.to_string().into_bytes());
    }

    fn talk(mut self) {
        if self.is_patient {
            *self.asked.entry(SHUTDOWN.to_owned()).or_default() += 1;
        }
        let (is_patient, is_initialized) = (self.is_patient, self.is_initialized);
        let asked = std::mem::take(&mut self.asked);
        let wire = Arc::new(Wire::default());
        let input = Input::new(&wire, self.messages, is_patient.then(|| asked.clone()));
        let output = Output(Arc::clone(&wire));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
        let Ok(runtime) = runtime else { return };
        let code = runtime.block_on(async {
            let outbox = Arc::new(Outbox::default());
            let for_server = Arc::clone(&outbox);
            let (service, socket) = LspService::new(|client| Server::new(client, for_server));
            transport::serve(service, socket, outbox, input, output, |_| {}).await
        });
        let heard = wire.lock();
        let ended = heard.left.map_or(Duration::ZERO, |left| left.elapsed());
        assert!(ended < transport::GRACE + SLACK, "the end took {ended:?}");
        for (id, times) in &heard.answered {
            let wanted = asked.get(id).copied().unwrap_or_default();
            assert!(*times <= wanted || id == "null", "{id} was asked {wanted} times, answered {times}");
        }
        if is_patient {
            assert_eq!(code, u8::from(!is_initialized));
        }
        drop(heard);
        // What goes on in the background belongs to this conversation, not to the next one.
        runtime.shutdown_timeout(PATIENCE);
    }
}

/// Replaces every URI that leads out of the folder, and every process.
fn stay_inside(value: &mut Value) {
    match value {
        Value::String(text) => {
            let inside = text.starts_with(&folder_uri()) && !text.contains("..") && !text.contains('%');
            if text.to_ascii_lowercase().contains("file:") && !inside {
                *text = format!("{}/harness.toml", folder_uri());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(stay_inside),
        Value::Object(entries) => {
            entries.remove("processId");
            entries.values_mut().for_each(stay_inside);
        }
        _ => {}
    }
}

/// The folder, made when it is first asked for.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join("self-harness-fuzz");
        for (name, text) in FILES {
            let path = folder.join(name);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
            assert!(made.is_ok(), "cannot write {}", path.display());
        }
        folder
    })
}

fn folder_uri() -> String {
    format!("file://{}", folder().display())
}
