//! A person at an editor who does everything at once.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Dice, Load, NOTES, OVERTAKEN, TASKS, log, note};
use crate::client;
use crate::desk::{Desk, PROMPT, PROMPT_FILE, capabilities};
use crate::lab;

/// A person who types, looks, and starts, cancels and resumes.
pub(super) struct Person<'a> {
    load: &'a Load<'a>,
    name: &'static str,
    desk: Desk,
    dice: Dice,
    /// How long answers took, by method.
    took: BTreeMap<String, Vec<Duration>>,
    /// Commands that did something.
    done: usize,
    /// What was told last of each run.
    runs: BTreeMap<String, Value>,
}

impl<'a> Person<'a> {
    pub(super) fn new(load: &'a Load<'a>, name: &'static str, dice: u64) -> Self {
        let like = load.lab.command(&[]);
        let mut command = Command::new("sh");
        command.args(["-c", "log=$1; shift; exec \"$@\" 2>> \"$log\"", "sh"]);
        command.arg(log(load.lab, name)).args([lab::BINARY, "lsp"]).current_dir(load.lab.root());
        for (key, value) in like.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let mut desk = Desk::with(load.lab, command, &capabilities());
        desk.server.answers("selfHarness/consent", json!({"button": "start"}));
        desk.show("harness.toml");
        desk.show(PROMPT_FILE);
        let dice = Dice(load.seed.wrapping_mul(1000).wrapping_add(dice));
        Self { load, name, desk, dice, took: BTreeMap::new(), done: 0, runs: BTreeMap::new() }
    }

    /// Asks, and reads everything that comes before the answer.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let began = Instant::now();
        let id = self.desk.server.ask(method, params);
        loop {
            let message = self.desk.server.wait(|_| true);
            let is_answer = message["id"] == id && message.get("method").is_none();
            if is_answer {
                self.took.entry(method.to_owned()).or_default().push(began.elapsed());
            }
            self.load.read(&format!("{} on {method}", self.name), &message.to_string());
            if message["method"] == "selfHarness/runState" {
                let run = message["params"]["runId"].as_str().unwrap().to_owned();
                self.runs.insert(run, message["params"].clone());
            }
            if is_answer {
                let code = message["error"]["code"].as_i64();
                assert!(code.is_none_or(|code| OVERTAKEN.contains(&code)), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Does one thing after the other until it is enough.
    pub(super) fn work(&mut self) {
        let mut typed = String::new();
        while self.load.goes_on() {
            let uri = self.desk.uri(PROMPT_FILE);
            let document = json!({"textDocument": {"uri": uri}});
            let with = |more: Value| {
                let mut all = document.clone();
                all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                all
            };
            match self.dice.roll(100) {
                0..62 => {
                    typed.push(char::from(b'a' + u8::try_from(self.dice.roll(26)).unwrap()));
                    if 20 < typed.len() {
                        typed.clear();
                    }
                    self.desk.write(PROMPT_FILE, &format!("{PROMPT}\n{typed}\n"));
                }
                62..70 => {
                    let position = json!({"line": self.dice.roll(4), "character": 1});
                    self.ask("textDocument/hover", &with(json!({"position": position})));
                }
                70..80 => drop(self.ask("textDocument/diagnostic", &document)),
                80..84 => {
                    let end = json!({"line": 1000, "character": 0});
                    let range = json!({"start": {"line": 0, "character": 0}, "end": end});
                    self.ask("textDocument/inlayHint", &with(json!({"range": range})));
                }
                84..88 => drop(self.ask("textDocument/codeLens", &document)),
                88..91 => {
                    let at = json!({"line": 2, "character": 1});
                    let context = json!({"diagnostics": [], "triggerKind": 1});
                    let more = json!({"range": {"start": at, "end": at}, "context": context});
                    self.ask("textDocument/codeAction", &with(more));
                }
                91..95 => {
                    let root = client::uri(&self.load.lab.root());
                    self.ask("selfHarness/tree", &json!({"root": root}));
                }
                _ => self.command(),
            }
            self.dice.rest(5, 25);
        }
    }

    fn command(&mut self) {
        let mut argument = json!({"root": client::uri(&self.load.lab.root())});
        let word = match self.dice.roll(20) {
            0..8 => {
                let text = note(self.dice.roll(NOTES));
                self.desk.write(PROMPT_FILE, &text);
                if self.dice.roll(2) == 0 {
                    let first = self.dice.roll(TASKS as u64 / 2) * 2;
                    argument["tasks"] = json!([format!("t-{first:02}"), format!("t-{:02}", first + 1)]);
                }
                "evaluate"
            }
            8..11 => "cancel",
            11..16 => "resume",
            16 => "retry",
            17 => "discard",
            _ => "status",
        };
        let command = json!({"command": format!("self-harness.{word}"), "arguments": [argument]});
        let answer = self.ask("workspace/executeCommand", &command);
        self.done += usize::from(word != "status" && answer.get("failure").is_none());
    }

    /// Waits until nothing goes on, and hears what is still said.
    pub(super) fn end(mut self) -> Told {
        while !self.load.is_settled.load(Ordering::SeqCst) {
            self.ask("workspace/executeCommand", &json!({"command": "self-harness.status"}));
            thread::sleep(Duration::from_millis(200));
        }
        // A look at the store, a report of what it has seen, and time for both on a machine with other work.
        for _ in 0..20 {
            self.ask("workspace/executeCommand", &json!({"command": "self-harness.status"}));
            thread::sleep(Duration::from_millis(200));
        }
        let Self { desk, name, took, done, runs, .. } = self;
        desk.server.shut_down();
        Told { name, took, done, runs }
    }
}

/// What came of a person's work.
pub(super) struct Told {
    pub(super) name: &'static str,
    pub(super) took: BTreeMap<String, Vec<Duration>>,
    pub(super) done: usize,
    pub(super) runs: BTreeMap<String, Value>,
}
