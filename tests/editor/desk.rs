//! A person at an editor: a project, its model, a server, and the texts that are open.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{self, Server};
use crate::lab::Lab;
use crate::persona::{HARM, REMEDY, adds, answers, persona};

/// Longer than a run of the tests takes on a machine with other work.
pub(crate) const A_RUN: Duration = Duration::from_secs(240);

/// Longer than a server takes for anything but a run, on a machine with other work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The prompt of the harness.
pub(crate) const PROMPT: &str = "# Rules\n\nYou write numbers.\n";

/// A manifest's end for short runs: two repeats, and a gate that needs few of them.
pub(crate) const SHORT: &str = "[improve]\ngate = \"exact\"\nproposals = 8\nrounds = 1\n\n[improve.repeats]\nbaseline = 2\nscreen = 1\n\n[budget]\nmax_parallel = 4\n";

/// Where it stands.
pub(crate) const PROMPT_FILE: &str = "prompts/system.md";

/// What the client of VS Code announces, in short.
pub(crate) fn capabilities() -> Value {
    json!({
        "window": {"workDoneProgress": true, "showDocument": {"support": true}},
        "workspace": {
            "inlayHint": {"refreshSupport": true},
            "codeLens": {"refreshSupport": true},
            "diagnostics": {"refreshSupport": true},
            "workspaceEdit": {"documentChanges": true},
        },
        "textDocument": {
            "codeAction": {
                "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}},
                "disabledSupport": true,
                "dataSupport": true,
                "resolveSupport": {"properties": ["edit"]},
            },
            "hover": {"contentFormat": ["markdown"]},
            "diagnostic": {},
        },
        "experimental": {"serverStatusNotification": true, "selfHarness": {"consent": true, "content": true}},
    })
}

/// A project with the prompt in a file of its own, and a model that proposes the remedy and harm.
pub(crate) fn lab(name: &str) -> Lab {
    lab_of(name, 12, &hasty(), "[improve]\nproposals = 8\nrounds = 1\n\n[budget]\nmax_parallel = 4\n")
}

/// A model that proposes the remedy and harm.
fn hasty() -> String {
    persona(&[answers("(?:2|8)", &adds(HARM)), answers("[0-9]+", &adds(REMEDY))].concat())
}

/// The same, which is unhurried.
pub(crate) fn replying() -> String {
    unhurried(&hasty())
}

/// The same model, which takes its time after it has written: on a busy machine its first look may be slow, and whoever writes when
/// most of the time is gone has another weakness.
pub(crate) fn unhurried(model: &str) -> String {
    let slow = model.replace("text = \"Done:", "delay = \"150ms\", text = \"Done:");
    assert_ne!(slow, model);
    slow
}

/// A project with the prompt in a file of its own, and this model; `more` goes to the end of the manifest.
pub(crate) fn lab_of(name: &str, tasks: usize, model: &str, more: &str) -> Lab {
    let lab = Lab::new(name, model, tasks);
    lab.write_harness(tasks, more);
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let inline = "system = { text = \"You write numbers.\" }";
    assert!(manifest.contains(inline));
    lab.write("harness.toml", &manifest.replace(inline, &format!("system = \"{PROMPT_FILE}\"")));
    lab.write(PROMPT_FILE, PROMPT);
    lab
}

/// An editor with a server.
pub(crate) struct Desk {
    pub(crate) server: Server,
    root: std::path::PathBuf,
    /// The open texts with their versions.
    open: BTreeMap<String, (String, i64)>,
}

impl Desk {
    /// An editor that has opened the project.
    pub(crate) fn open(lab: &Lab, capabilities: &Value) -> Self {
        Self::with(lab, lab.command(&["lsp", "--probe"]), capabilities)
    }

    /// The same, with a server that is started so.
    pub(crate) fn with(lab: &Lab, server: Command, capabilities: &Value) -> Self {
        let server = Server::start_as(server).initialized(&lab.root(), capabilities);
        Self { server, root: lab.root(), open: BTreeMap::new() }
    }

    /// The same, with a server that agrees otherwise.
    pub(crate) fn agreed(lab: &Lab, mut server: Server, agree: impl FnOnce(&mut Server)) -> Self {
        agree(&mut server);
        Self { server, root: lab.root(), open: BTreeMap::new() }
    }

    /// Whoever is asked whether something may start presses this button from now on, in the dialog of our clients.
    pub(crate) fn presses(&mut self, button: &str) {
        self.server.answers("selfHarness/consent", json!({"button": button}));
    }

    pub(crate) fn uri(&self, file: &str) -> String {
        client::uri(&self.root.join(file))
    }

    /// Opens a document.
    pub(crate) fn show(&mut self, file: &str) {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap();
        let uri = self.uri(file);
        self.server.notify(
            "textDocument/didOpen",
            &json!({"textDocument": {"uri": uri, "languageId": "markdown", "version": 1, "text": text}}),
        );
        self.open.insert(file.to_owned(), (text, 1));
    }

    /// Makes a text of an open document.
    pub(crate) fn write(&mut self, file: &str, text: &str) {
        let uri = self.uri(file);
        let (known, version) = self.open.get_mut(file).unwrap();
        text.clone_into(known);
        *version += 1;
        let version = *version;
        self.server.notify(
            "textDocument/didChange",
            &json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}]}),
        );
    }

    pub(crate) fn text(&self, file: &str) -> String {
        self.open[file].0.clone()
    }

    /// Types a word at the end of a document, key by key, and takes it back.
    pub(crate) fn type_and_undo(&mut self, file: &str) {
        let before = self.text(file);
        for end in 1..=4 {
            self.write(file, &format!("{before}{}", "typo".get(..end).unwrap()));
        }
        self.write(file, &before);
    }

    /// Types a word at the end of a document, one key after the other, deletes it again, and begins anew until so many keys were
    /// pressed. The text is as it was then, if these are whole words.
    pub(crate) fn types_and_deletes(&mut self, file: &str, word: &str, keys: usize) {
        assert!(
            word.is_ascii() && keys.is_multiple_of(2 * word.len()),
            "{keys} keys are no whole number of words"
        );
        let (uri, text) = (self.uri(file), self.text(file));
        let line = text.matches('\n').count();
        let start = text.rsplit('\n').next().unwrap_or_default().encode_utf16().count();
        let columns = 0..word.len();
        let there = columns.clone().map(|column| (column, column, word.get(column..=column).unwrap()));
        let and_back = columns.rev().map(|column| (column, column + 1, ""));
        let one_word: Vec<_> = there.chain(and_back).collect();
        for (from, to, key) in one_word.iter().cycle().take(keys) {
            let at = |column: usize| json!({"line": line, "character": start + column});
            let change = json!({"range": {"start": at(*from), "end": at(*to)}, "text": key});
            let version = &mut self.open.get_mut(file).unwrap().1;
            *version += 1;
            let document = json!({"uri": uri, "version": *version});
            let params = json!({"textDocument": document, "contentChanges": [change]});
            self.server.notify("textDocument/didChange", &params);
        }
    }

    /// Saves an open document.
    pub(crate) fn save(&mut self, file: &str) {
        std::fs::write(self.root.join(file), self.text(file)).unwrap();
        let uri = self.uri(file);
        self.server.notify("textDocument/didSave", &json!({"textDocument": {"uri": uri}}));
    }

    /// Closes a document.
    pub(crate) fn close(&mut self, file: &str) {
        let uri = self.uri(file);
        self.server.notify("textDocument/didClose", &json!({"textDocument": {"uri": uri}}));
        self.open.remove(file);
    }

    /// Starts a command, which has to be done; its answer.
    pub(crate) fn command(&mut self, word: &str, more: &Value) -> Value {
        let answer = self.tries(word, more);
        assert!(answer.get("failure").is_none(), "{word}: {answer}");
        answer
    }

    /// Starts a command and looks at nothing that comes back.
    pub(crate) fn command_without_an_answer(&mut self, word: &str) {
        let argument = json!({"root": client::uri(&self.root)});
        let command = json!({"command": format!("self-harness.{word}"), "arguments": [argument]});
        self.server.ask("workspace/executeCommand", &command);
    }

    /// Starts a command; its answer, which may say why nothing was done.
    pub(crate) fn tries(&mut self, word: &str, more: &Value) -> Value {
        let mut argument = json!({"root": client::uri(&self.root)});
        for (key, value) in more.as_object().into_iter().flatten() {
            argument[key] = value.clone();
        }
        let command = format!("self-harness.{word}");
        self.server.request("workspace/executeCommand", &json!({"command": command, "arguments": [argument]}))
    }

    /// Waits until somebody is asked whether something may start; what they read.
    pub(crate) fn is_asked(&mut self) -> String {
        let asked = self.server.wait_for(PATIENCE, |message| message["method"] == "selfHarness/consent");
        let params = &asked["params"];
        let lines = params["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        [params["title"].as_str().unwrap()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    }

    /// Waits until a failure is told of the command that a person started.
    pub(crate) fn is_told(&mut self) -> String {
        let told = self.server.wait_for(PATIENCE, |message| message["method"] == "window/showMessage");
        told["params"]["message"].as_str().unwrap().to_owned()
    }

    /// Waits until a run is told to be in one of these states; what was told.
    pub(crate) fn run_is(&mut self, verb: &str, states: &[&str]) -> Value {
        let told = self.server.wait_for(A_RUN, |message| {
            message["method"] == "selfHarness/runState"
                && message["params"]["verb"] == verb
                && states.iter().any(|state| message["params"]["state"] == *state)
        });
        told["params"].clone()
    }

    /// The same of a run by its name: what was told of others before does not count.
    pub(crate) fn is_told_of(&mut self, run: &str, states: &[&str]) -> Value {
        let told = self.server.wait_for(A_RUN, |message| {
            message["method"] == "selfHarness/runState"
                && message["params"]["runId"] == run
                && states.iter().any(|state| message["params"]["state"] == *state)
        });
        told["params"].clone()
    }

    /// The titles of the lenses of a document.
    pub(crate) fn lenses(&mut self, file: &str) -> Vec<String> {
        let uri = self.uri(file);
        let lenses = self.server.request("textDocument/codeLens", &json!({"textDocument": {"uri": uri}}));
        let lenses = lenses.as_array().cloned().unwrap_or_default();
        lenses.iter().map(|lens| lens["command"]["title"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the lenses of a document are as wanted.
    pub(crate) fn lenses_until(&mut self, file: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let began = std::time::Instant::now();
        loop {
            let lenses = self.lenses(file);
            if wanted(&lenses) {
                return lenses;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{lenses:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The hints of a document: line and text.
    pub(crate) fn hints(&mut self, file: &str) -> Vec<(u64, String)> {
        let uri = self.uri(file);
        let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 10_000, "character": 0}});
        let hints = self
            .server
            .request("textDocument/inlayHint", &json!({"textDocument": {"uri": uri}, "range": range}));
        let hints = hints.as_array().cloned().unwrap_or_default();
        let text = |hint: &Value| -> String {
            let parts = hint["label"].as_array().cloned().unwrap_or_default();
            parts.iter().map(|part| part["value"].as_str().unwrap().to_owned()).collect()
        };
        hints.iter().map(|hint| (hint["position"]["line"].as_u64().unwrap(), text(hint))).collect()
    }

    /// The problems of a document, pulled: code and message.
    pub(crate) fn problems(&mut self, file: &str) -> Vec<(String, u64, String)> {
        let uri = self.uri(file);
        let report = self.server.request("textDocument/diagnostic", &json!({"textDocument": {"uri": uri}}));
        let items = report["items"].as_array().cloned().unwrap_or_default();
        let one = |item: &Value| {
            let code = item["code"].as_str().unwrap_or_default().to_owned();
            let line = item["range"]["start"]["line"].as_u64().unwrap();
            (code, line, item["message"].as_str().unwrap_or_default().to_owned())
        };
        items.iter().map(one).collect()
    }

    /// The actions at a line that a person asks for.
    pub(crate) fn actions(&mut self, file: &str, line: u64) -> Vec<Value> {
        let uri = self.uri(file);
        let at = json!({"line": line, "character": 1});
        let params = json!({
            "textDocument": {"uri": uri},
            "range": {"start": at, "end": at},
            "context": {"diagnostics": [], "triggerKind": 1},
        });
        let actions = self.server.request("textDocument/codeAction", &params);
        actions.as_array().cloned().unwrap_or_default()
    }

    /// The hover at a line, as text.
    pub(crate) fn hover(&mut self, file: &str, line: u64) -> String {
        let uri = self.uri(file);
        let params = json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": 1}});
        let hover = self.server.request("textDocument/hover", &params);
        hover["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Does to open texts what an edit says, as an editor does.
    pub(crate) fn apply(&mut self, edit: &Value) {
        let changes = edit["documentChanges"].as_array().cloned().unwrap_or_default();
        assert!(!changes.is_empty(), "{edit}");
        for change in changes {
            let uri = change["textDocument"]["uri"].as_str().unwrap().to_owned();
            let file = self.open.keys().find(|file| self.uri(file) == uri).cloned();
            let file = file.unwrap_or_else(|| panic!("{uri} is not open"));
            let version = self.open[&file].1;
            assert_eq!(change["textDocument"]["version"], version, "the edit is of another text");
            let mut text = self.text(&file);
            let mut edits = change["edits"].as_array().cloned().unwrap_or_default();
            edits.sort_by_key(|edit| std::cmp::Reverse(offset(&text, &edit["range"]["start"])));
            for edit in edits {
                let span = offset(&text, &edit["range"]["start"])..offset(&text, &edit["range"]["end"]);
                text.replace_range(span, edit["newText"].as_str().unwrap());
            }
            self.write(&file, &text);
        }
    }

    /// A page of ours, whole.
    pub(crate) fn page(&mut self, address: &str) -> String {
        let page = self.server.request("selfHarness/content", &json!({"uri": address}));
        page["text"].as_str().unwrap().to_owned()
    }

    /// The texts of the items of a tree, one level.
    pub(crate) fn tree(&mut self, parent: Option<&str>) -> Vec<Value> {
        let root = client::uri(&self.root);
        let tree = self.server.request("selfHarness/tree", &json!({"root": root, "parent": parent}));
        tree["items"].as_array().cloned().unwrap_or_default()
    }
}

/// The byte of a position in a text of ASCII.
fn offset(text: &str, position: &Value) -> usize {
    let line = usize::try_from(position["line"].as_u64().unwrap()).unwrap();
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    start + usize::try_from(position["character"].as_u64().unwrap()).unwrap()
}
