//! The tools that the native agent offers: built-in ones, those that run a program, and the two that move between states.

use std::time::Duration;

use harness_schema::harness::{GO_TO, Harness};
use harness_schema::manifest::{self, Builtin};
use harness_schema::syntax::decode::{BadSpans, decode};
use serde_json::{Map, Value, json};

use crate::host::model;

/// So many errors of arguments are told to the model.
const MAX_ERRORS: usize = 3;

/// The tools of a harness.
#[derive(Debug)]
pub(super) struct Toolbox {
    tools: Vec<Tool>,
}

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) parameters: Value,
    pub(super) does: Does,
    pub(super) timeout: Duration,
    pub(super) max_output_bytes: u64,
    /// None if the schema is none; then every object fits.
    fits: Option<jsonschema::Validator>,
}

/// What a call of a tool does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// A tool of ours.
    Builtin(Builtin),
    /// Runs a program.
    Run(Vec<String>),
    /// Chooses the next state.
    GoTo,
}

impl Toolbox {
    /// The tools of a harness that are switched on, in the order of the manifest. Where `runtime.finish` wants `finish` to be
    /// called and no tool does that, there is one.
    pub(super) fn of(harness: &Harness) -> Self {
        let runtime = &harness.manifest().runtime.value;
        let mut tools: Vec<Tool> = Vec::new();
        for declared in harness.tools().iter().filter(|tool| tool.enabled && !tool.name.is_empty()) {
            let keys: manifest::Tool = decode(declared.value(), &BadSpans::default());
            let does = match (&keys.builtin, &keys.run) {
                (Some(builtin), _) => Does::Builtin(builtin.value),
                (None, Some(run)) => Does::Run(run.iter().map(|part| part.value.clone()).collect()),
                (None, None) => continue,
            };
            if tools.iter().any(|tool| tool.name == declared.name.as_str()) {
                continue;
            }
            let (_, text) = harness.tool(&declared.name);
            let written = text.and_then(|text| text.text(harness.files()));
            let own = match &does {
                Does::Builtin(builtin) => own(*builtin),
                Does::Run(_) | Does::GoTo => ("", json!({ "type": "object" })),
            };
            let timeout = keys.timeout.as_ref().map_or(runtime.tool_timeout.value, |timeout| timeout.value);
            let most =
                keys.max_output_bytes.as_ref().map_or(runtime.max_output_bytes.value, |most| most.value);
            let parameters = keys.schema().map(|schema| schema.to_json()).filter(|schema| {
                // An empty table says nothing about what a tool of ours takes.
                schema.as_object().is_some_and(|schema| !schema.is_empty())
            });
            let name = declared.name.as_str();
            let description = written.unwrap_or(own.0);
            tools.push(Tool::new(name, description, parameters.unwrap_or(own.1), does, timeout.get(), most));
        }
        let wants_finish = runtime.finish.value == manifest::Finish::Tool;
        if wants_finish && !tools.iter().any(Tool::is_finish) {
            let (description, parameters) = own(Builtin::Finish);
            let does = Does::Builtin(Builtin::Finish);
            let limits = (runtime.tool_timeout.value.get(), runtime.max_output_bytes.value);
            tools.push(Tool::new("finish", description, parameters, does, limits.0, limits.1));
        }
        Self { tools }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Tool] {
        &self.tools
    }

    /// The tools that a state offers: those that it names, or all. Who has to call `finish` can always do so.
    pub(super) fn offered<'a>(&'a self, names: Option<&'a [String]>) -> impl Iterator<Item = &'a Tool> {
        self.tools
            .iter()
            .filter(move |tool| tool.is_finish() || names.is_none_or(|names| names.contains(&tool.name)))
    }
}

impl Tool {
    fn new(
        name: &str,
        description: &str,
        parameters: Value,
        does: Does,
        timeout: Duration,
        max_output_bytes: u64,
    ) -> Self {
        let fits = jsonschema::validator_for(&parameters).ok();
        let (name, description) = (name.to_owned(), description.to_owned());
        Self { name, description, parameters, does, timeout, max_output_bytes, fits }
    }

    /// The tool that chooses among several next states.
    pub(super) fn go_to(next: &[String]) -> Self {
        let parameters = json!({
            "type": "object",
            "properties": { "state": { "type": "string", "enum": next, "description": "Where to go." } },
            "required": ["state"],
            "additionalProperties": false,
        });
        let description = "Ends this part of the work and goes on with another one; `end` ends all of it.";
        Self::new(GO_TO, description, parameters, Does::GoTo, Duration::ZERO, u64::MAX)
    }

    pub(super) fn is_finish(&self) -> bool {
        self.does == Does::Builtin(Builtin::Finish)
    }

    /// As the model is offered it.
    pub(super) fn offer(&self) -> model::Tool {
        model::Tool {
            name: self.name.clone(),
            description: self.description.clone(),
            parameters: self.parameters.clone(),
        }
    }

    /// What is wrong with arguments, for the model; none if they fit.
    pub(super) fn objection(&self, arguments: &Map<String, Value>) -> Option<String> {
        let fits = self.fits.as_ref()?;
        let value = Value::Object(arguments.clone());
        let errors: Vec<String> = fits
            .iter_errors(&value)
            .take(MAX_ERRORS)
            .map(|error| {
                let at = error.instance_path().to_string();
                let error: String = error.to_string().chars().take(300).collect();
                if at.is_empty() { error } else { format!("{error} (at `{at}`)") }
            })
            .collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// How it is to be called, for a model that did not.
    pub(super) fn form(&self) -> String {
        format!("Call `{}` with a JSON object that fits this schema: {}", self.name, self.parameters)
    }
}

/// The tools of a harness in the form of OpenAI's chat completions, for `tool_definitions` of a transcript. `go_to` is among them
/// if a state has several next states.
#[must_use]
pub fn tool_definitions(harness: &Harness) -> Vec<Value> {
    let toolbox = Toolbox::of(harness);
    let go_to = harness.offers_go_to().then(|| {
        let states = harness.manifest().orchestration.iter().flat_map(|table| &table.state);
        let mut next: Vec<String> = states
            .filter(|state| 1 < state.next.len())
            .flat_map(|state| state.next.iter().map(|name| name.value.clone()))
            .collect();
        next.sort_unstable();
        next.dedup();
        Tool::go_to(&next)
    });
    let tools = toolbox.tools.iter().chain(&go_to);
    tools
        .map(|tool| {
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            } })
        })
        .collect()
}

/// What a built-in tool says of itself, and what it takes.
fn own(builtin: Builtin) -> (&'static str, Value) {
    let path = json!({ "type": "string", "description": "The file, absolute or relative to the working directory." });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    match builtin {
        Builtin::Shell => (
            "Runs a command in the working directory and returns what it prints and its exit code.",
            object(
                json!({ "command": { "type": "string", "description": "The command, for bash." } }),
                &["command"],
            ),
        ),
        Builtin::ReadFile => (
            "Returns a file with line numbers.",
            object(
                json!({
                    "path": path,
                    "start": { "type": "integer", "minimum": 1, "description": "The first line, from 1." },
                    "lines": { "type": "integer", "minimum": 1, "description": "How many lines." },
                }),
                &["path"],
            ),
        ),
        Builtin::WriteFile => (
            "Writes a file whole; its directories are made.",
            object(
                json!({ "path": path, "content": { "type": "string", "description": "All of the file." } }),
                &["path", "content"],
            ),
        ),
        Builtin::ReplaceInFile => (
            "Replaces a text in a file; the text must be there exactly once.",
            object(
                json!({
                    "path": path,
                    "old": { "type": "string", "minLength": 1, "description": "The text that is there." },
                    "new": { "type": "string", "description": "The text that takes its place." },
                }),
                &["path", "old", "new"],
            ),
        ),
        Builtin::Finish => (
            "Says that the work is done, and ends it.",
            object(json!({ "message": { "type": "string", "description": "What was done." } }), &[]),
        ),
    }
}
