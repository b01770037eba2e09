//! A trace as detectors look at it: each step and call once, reduced to facts, so that a longer trace costs only what is new.

use std::collections::BTreeSet;

use harness_schema::digest::Digest;
use harness_schema::surface::approx_tokens;
use serde_json::Value;

use super::message::{self, Missing};
use super::{moment, words};
use crate::engine::action::{Action, Command, Kind, commands, error_line, shell_text};
use crate::engine::trace::{Arguments, Call, Observation, Source, Step, Trace};

/// So many bytes of the arguments of a call are looked at for names: a file that it writes whole is not what it is about.
const MAX_NAMED: usize = 8_000;

/// What is known of a trace so far.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Where the task's tree is seen.
    pub(super) workdir: String,
    /// How much of its time the agent has used, from 0 to 1, where that is known.
    pub(super) time_used: Option<f64>,
    pub(super) window: Option<u64>,
    pub(super) max_steps: Option<u64>,
    /// Paths that the instruction asks for (Q).
    pub(super) required: Vec<String>,
    /// Quoted literals, paths and ports of the instruction that no agent step has named yet.
    pub(super) unnamed: Vec<String>,
    pub(super) steps: Vec<StepSeen>,
    pub(super) calls: Vec<CallSeen>,
    /// Tokens of all results together, about.
    pub(super) result_tokens: u64,
    /// Whether nothing comes after it.
    pub(super) is_over: bool,
    /// How many steps of the trace were read.
    read: usize,
    /// Files that the agent wrote, without directories.
    written: BTreeSet<String>,
    /// Names of files in the instruction, without directories.
    named: BTreeSet<String>,
    /// What the agent said last.
    pub(super) last_message: String,
}

/// A step of the agent.
#[derive(Clone, Debug)]
pub(super) struct StepSeen {
    /// [`Step::index`].
    pub(super) index: usize,
    pub(super) has_calls: bool,
    pub(super) input_tokens: u64,
    /// Tokens read and written.
    pub(super) tokens: u64,
    /// When it began, in seconds.
    pub(super) started: Option<f64>,
    /// When its last result was there, in seconds.
    pub(super) finished: Option<f64>,
    /// Whether the provider said that the conversation is too long.
    pub(super) is_too_long: bool,
}

/// A call with its result.
#[derive(Clone, Debug)]
pub(super) struct CallSeen {
    /// [`Step::index`] of its step.
    pub(super) step: usize,
    /// Tool and arguments, exactly.
    pub(super) exact: String,
    pub(super) action: Action,
    pub(super) commands: Vec<Command>,
    /// Whether its arguments were read and fit the tool's schema.
    pub(super) is_well_formed: bool,
    pub(super) is_offered: bool,
    pub(super) timed_out: bool,
    pub(super) truncated: bool,
    pub(super) result_bytes: usize,
    /// The template of its error message, if it went wrong.
    pub(super) template: Option<String>,
    pub(super) missing: Missing,
    /// Paths, tests, ports and programs that it names.
    pub(super) entities: BTreeSet<String>,
    /// Whether its result ends in a question.
    pub(super) asks: bool,
    /// Whether it says yes to one.
    pub(super) answers: bool,
    /// Whether its arguments choose a part of a file.
    pub(super) has_range: bool,
    /// The file that it writes whole, with what was known of it before.
    pub(super) overwrites: Option<Overwritten>,
    /// What a tool for files wrote, by file.
    pub(super) content: Option<(String, Content)>,
}

/// A file that is written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overwritten {
    /// Whether it was there before, as far as results and the instruction tell.
    pub(super) was_there: bool,
    /// Whether the agent had read or written it.
    pub(super) was_seen: bool,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All of it is this.
    Whole(Digest),
    /// This part became that one.
    Replaced(String, String),
}

impl Reading {
    /// Nothing is read yet; `workdir` is where the task's tree is seen.
    #[must_use]
    pub fn new(workdir: &str) -> Self {
        Self { workdir: workdir.trim_end_matches('/').to_owned(), ..Self::default() }
    }

    /// All of a trace.
    #[must_use]
    pub fn of(trace: &Trace, workdir: &str) -> Self {
        let mut reading = Self::new(workdir);
        reading.extend(trace);
        reading
    }

    /// Reads the steps that are new. The steps before must be the same, with their results.
    pub fn extend(&mut self, trace: &Trace) {
        self.read_all(trace, None);
    }

    /// As [`Reading::extend`], with the instruction for a transcript that does not say it.
    pub fn read_all(&mut self, trace: &Trace, instruction: Option<&str>) {
        self.window = trace.window;
        self.max_steps = trace.max_steps;
        if self.read == 0
            && let Some(instruction) = instruction.or(trace.instruction.as_deref())
        {
            self.required = words::required(instruction, &self.workdir);
            self.unnamed = words::literals(instruction);
            self.named.extend(words::paths(instruction).iter().map(|path| words::base(path).to_owned()));
        }
        for step in trace.steps.get(self.read..).unwrap_or_default() {
            if step.source == Source::Agent {
                self.read_step(step, trace);
            }
        }
        self.read = trace.steps.len();
    }

    /// Nothing comes after what was read: what has not been done will not be.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// How many steps the agent could have taken.
    pub fn limit_steps(&mut self, most: u64) {
        self.max_steps = Some(most);
    }

    /// How much of its time the agent has used, from 0 to 1.
    pub fn use_time(&mut self, share: f64) {
        self.time_used = Some(share);
    }

    /// How many calls were read.
    #[must_use]
    pub fn count_calls(&self) -> usize {
        self.calls.len()
    }

    fn read_step(&mut self, step: &Step, trace: &Trace) {
        let length = ["context", "context_length_exceeded", "model_context_window_exceeded"];
        self.steps.push(StepSeen {
            index: step.index,
            has_calls: !step.calls.is_empty(),
            input_tokens: step.usage.map_or(0, |usage| usage.input),
            tokens: step.usage.map_or(0, |usage| usage.input.saturating_add(usage.output)),
            started: step.started.as_deref().and_then(moment::seconds),
            finished: step.finished.as_deref().and_then(moment::seconds),
            is_too_long: step.stop_reason.as_deref().is_some_and(|reason| length.contains(&reason)),
        });
        self.last_message.clone_from(&step.message);
        self.unnamed.retain(|literal| !step.message.contains(literal.as_str()));
        for (place, call) in step.calls.iter().enumerate() {
            self.read_call(step, call, trace, place);
        }
    }

    /// Reads a call, which has so many before it in its step.
    fn read_call(&mut self, step: &Step, call: &Call, trace: &Trace, place: usize) {
        let arguments = match &call.arguments {
            Arguments::Json(value) => value.to_string(),
            Arguments::Raw(text) => text.clone(),
        };
        let said = said(&call.arguments);
        self.unnamed.retain(|literal| !said.contains(literal.as_str()));
        let written = &self.written;
        let action = Action::of(call, |file| written.contains(words::base(file)));
        let commands = shell_text(call).map(|text| commands(&text)).unwrap_or_default();
        let result = call.observation.as_ref();
        let text = result.map_or("", |result| result.text.as_str());
        let missing = if action.is_error { Missing::of(text) } else { Missing::default() };
        let template = action.is_error.then(|| {
            let last = || text.lines().rev().find(|line| !line.trim().is_empty());
            message::template_id(error_line(text).or_else(last).unwrap_or_default())
        });
        let mut entities: BTreeSet<String> = words::entities(words::head(&said, MAX_NAMED));
        entities.extend(
            commands.iter().map(Command::program).filter(|name| !words::is_common(name)).map(str::to_owned),
        );
        let content = content(call);
        let overwrites = self.overwrites(&action, &commands, content.as_ref(), text, || {
            let before = trace.steps.iter().take_while(|before| before.index < step.index);
            let before = before.filter(|step| step.source == Source::Agent).flat_map(|step| &step.calls);
            before.chain(step.calls.iter().take(place)).filter_map(|call| call.observation.as_ref())
        });
        self.result_tokens += approx_tokens(text) as u64;
        self.calls.push(CallSeen {
            step: step.index,
            exact: format!("{} {arguments}", call.tool),
            is_well_formed: call.arguments.parsed() && call.schema_ok != Some(false),
            is_offered: trace.offered_tools.is_empty() || trace.offered_tools.contains(&call.tool),
            timed_out: result.is_some_and(|result| result.timed_out) || words::is_late(text),
            truncated: result.is_some_and(|result| result.truncated) || words::is_cut(text),
            result_bytes: text.len(),
            template,
            missing,
            entities,
            asks: words::asks(text),
            // Whether it answers matters only if something was asked.
            answers: self.calls.last().is_some_and(|call| call.asks) && words::answers(&said),
            has_range: has_range(&call.arguments, &commands),
            overwrites,
            content,
            commands,
            action: action.clone(),
        });
        self.written.extend(action.writes.iter().map(|file| words::base(file).to_owned()));
    }

    /// What is known of the file that a call writes whole; `results` are those before it.
    fn overwrites<'t, R: Iterator<Item = &'t Observation>>(
        &self,
        action: &Action,
        commands: &[Command],
        content: Option<&(String, Content)>,
        result: &str,
        results: impl FnOnce() -> R,
    ) -> Option<Overwritten> {
        let by_tool =
            content.filter(|(_, content)| matches!(content, Content::Whole(_))).map(|(path, _)| path);
        let by_shell =
            || commands.iter().flat_map(|command| &command.into).find(|file| action.writes.contains(file));
        let path = by_tool.or_else(by_shell)?;
        let base = words::base(path);
        let is_about = |call: &CallSeen| {
            let files = call.action.reads.iter().chain(&call.action.writes);
            files.into_iter().any(|file| words::base(file) == base) || call.entities.contains(base)
        };
        let was_seen = self.calls.iter().any(is_about);
        // Some tools say themselves that it is new. What was seen is not looked for, for results are long.
        let is_new = by_tool.is_some() && result.contains("created");
        let is_shown =
            || self.named.contains(base) || results().any(|result| words::shows(&result.text, base));
        Some(Overwritten { was_there: was_seen || (!is_new && is_shown()), was_seen })
    }

    /// A path as written, such that equal files are equal here.
    pub(super) fn plain(&self, path: &str) -> String {
        words::plain(path, &self.workdir)
    }

    /// Calls of a kind, with their places.
    pub(super) fn of_kind(&self, kind: Kind) -> impl DoubleEndedIterator<Item = (usize, &CallSeen)> {
        self.calls.iter().enumerate().filter(move |(_, call)| call.action.is(kind))
    }
}

/// All texts of arguments, as the model meant them.
fn said(arguments: &Arguments) -> String {
    fn texts(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => {
                out.push_str(text);
                out.push('\n');
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
            Value::Object(entries) => entries.values().for_each(|value| texts(value, out)),
            Value::Number(number) => {
                out.push_str(&number.to_string());
                out.push('\n');
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
    match arguments {
        Arguments::Raw(text) => text.clone(),
        Arguments::Json(value) => {
            let mut out = String::new();
            texts(value, &mut out);
            out
        }
    }
}

fn has_range(arguments: &Arguments, commands: &[Command]) -> bool {
    let by_tool = match arguments {
        Arguments::Json(Value::Object(entries)) => {
            entries.values().any(|value| value.is_number() || value.is_array())
        }
        _ => false,
    };
    let parts = ["head", "tail", "sed", "grep", "rg", "awk", "cut", "less", "dd", "jq"];
    by_tool || commands.iter().any(|command| parts.contains(&command.program()))
}

/// What a tool for files writes.
fn content(call: &Call) -> Option<(String, Content)> {
    let Arguments::Json(arguments) = &call.arguments else { return None };
    let text = |keys: &[&str]| keys.iter().find_map(|key| arguments.get(*key)?.as_str());
    let path = text(&["path", "file_path", "filename", "file"])?.to_owned();
    let old = text(&["old", "old_str", "old_string", "search"]);
    let new = text(&["new", "new_str", "new_string", "replace"]);
    if let (Some(old), Some(new)) = (old, new) {
        return Some((path, Content::Replaced(old.to_owned(), new.to_owned())));
    }
    let whole = text(&["content", "file_text", "contents", "text"])?;
    Some((path, Content::Whole(Digest::of(whole.as_bytes()))))
}
