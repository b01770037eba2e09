//! A trace as detectors look at it: each step and call once, reduced to facts, so that a longer trace costs only what is new.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;

use ecow::EcoString;
use memchr::memmem;
use serde_json::Value;

use super::message::Missing;
use super::names::Names;
use super::result::ResultSeen;
use super::{moment, words};
use crate::engine::action::{self, Action, Command, Kind, Norms, commands, shell_text};
use crate::engine::trace::{Arguments, Call, Source, Step, Trace};

/// So many bytes of the arguments of a call are looked at for names: a file that it writes whole is not what it is about.
const MAX_NAMED: usize = 2_000;

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
    /// The texts of the arguments of all calls, of each from the beginning, one behind the other.
    said: String,
    /// What the agent said last.
    pub(super) last_message: String,
    norms: Norms,
    /// Where the last call stands: its step in the trace, and its place in the step.
    last: Option<(usize, usize)>,
    /// Texts that tools for files wrote as a whole: where each stands that is the first of its kind.
    wholes: Vec<(usize, usize)>,
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
    /// Whether tool and arguments are exactly those of the call before.
    pub(super) repeats: bool,
    /// A number that calls with equal norms share.
    pub(super) norm: usize,
    pub(super) action: Action,
    pub(super) commands: Vec<Command>,
    /// Whether its arguments were read and fit the tool's schema.
    pub(super) is_well_formed: bool,
    pub(super) is_offered: bool,
    pub(super) timed_out: bool,
    pub(super) truncated: bool,
    pub(super) result_bytes: usize,
    /// The line of its result that says what went wrong, if it did.
    pub(super) error: Option<String>,
    pub(super) missing: Missing,
    /// Where the texts of its arguments are among [those of all](Reading::said).
    said: Range<usize>,
    /// What it names, once that was asked for.
    names: OnceLock<Names>,
    /// Whether its result ends in a question.
    pub(super) asks: bool,
    /// Whether it says yes to one.
    pub(super) answers: bool,
    /// Whether its arguments choose a part of a file.
    pub(super) has_range: bool,
    /// Whether it writes a file whole that was there before, and that the agent had neither read nor written. Nothing is
    /// overwritten by a call that went wrong.
    pub(super) is_blind: bool,
    /// What a tool for files wrote, by file.
    pub(super) content: Option<(EcoString, Content)>,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All of it is the text with this number; equal texts have the same.
    Whole(usize),
    /// This part became that one.
    Replaced(String, String),
}

/// What calls name. Each of them is one of the reading.
impl Reading {
    /// The texts of the arguments of a call, from the beginning.
    fn said_by(&self, call: &CallSeen) -> &str {
        self.said.get(call.said.clone()).unwrap_or_default()
    }

    fn all_names<'a>(&self, call: &'a CallSeen) -> &'a Names {
        call.names.get_or_init(|| {
            let programs = call.commands.iter().map(Command::program);
            Names::of(self.said_by(call), programs.filter(|name| !words::is_common(name)))
        })
    }

    /// Paths, tests, ports and programs that a call names, in order, each once.
    pub(super) fn named_by<'a>(&'a self, call: &'a CallSeen) -> impl Iterator<Item = &'a str> {
        self.all_names(call).iter(self.said_by(call))
    }

    /// Whether a call names nothing.
    pub(super) fn names_nothing(&self, call: &CallSeen) -> bool {
        self.all_names(call).is_empty()
    }

    /// Whether a call names something.
    pub(super) fn names(&self, call: &CallSeen, name: &str) -> bool {
        self.names_what(call, name, &memmem::Finder::new(name))
    }

    /// As [`Reading::names`], with what finds the name in a text.
    fn names_what(&self, call: &CallSeen, name: &str, finder: &memmem::Finder<'_>) -> bool {
        // Most names are in no text of most calls.
        let may_be = call.names.get().is_some()
            || name.starts_with("port ")
            || finder.find(self.said_by(call).as_bytes()).is_some()
            || call.commands.iter().any(|command| command.program() == name);
        may_be && self.all_names(call).contains(self.said_by(call), name)
    }

    /// Whether a call names something that another one names too.
    pub(super) fn share_names(&self, call: &CallSeen, other: &CallSeen) -> bool {
        let (text, other_text) = (self.said_by(call), self.said_by(other));
        self.all_names(call).share(text, self.all_names(other), other_text)
    }
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
        let new = trace.steps.len().saturating_sub(self.read);
        self.steps.reserve(new);
        // Mostly a step has one.
        self.calls.reserve(new);
        self.norms.reserve(new);
        self.said.reserve(new.saturating_mul(MAX_NAMED / 4));
        let read = self.read;
        let by_agent =
            || trace.steps.iter().enumerate().skip(read).filter(|(_, step)| step.source == Source::Agent);
        // First all results, then all calls: what reads the ones takes as much code as what reads the others, and a processor
        // holds either of them near.
        let calls = by_agent().flat_map(|(_, step)| &step.calls);
        let results: Vec<_> = calls.map(|call| ResultSeen::of(call.observation.as_ref())).collect();
        let mut results = results.into_iter();
        for (at, step) in by_agent() {
            self.read_step(step, at, trace, &mut results);
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

    /// Reads a step of the agent, which has so many steps of anybody before it; `results` goes on with those of its calls.
    fn read_step(
        &mut self,
        step: &Step,
        at: usize,
        trace: &Trace,
        results: &mut impl Iterator<Item = ResultSeen>,
    ) {
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
        for ((place, call), result) in step.calls.iter().enumerate().zip(results) {
            self.read_call(step, call, result, trace, (at, place));
        }
    }

    /// Reads a call, which stands in the trace as its `place` says: the place of its step, and its own in it.
    fn read_call(
        &mut self,
        step: &Step,
        call: &Call,
        result: ResultSeen,
        trace: &Trace,
        place: (usize, usize),
    ) {
        // Whether it answers matters only if something was asked.
        let is_asked = self.calls.last().is_some_and(|call| call.asks);
        let is_searched = is_asked || !self.unnamed.is_empty();
        let start = self.said.len();
        add_said(&call.arguments, if is_searched { usize::MAX } else { MAX_NAMED }, &mut self.said);
        let said = self.said.get(start..).unwrap_or_default();
        self.unnamed.retain(|literal| !said.contains(literal.as_str()));
        let answers = is_asked && words::answers(said);
        let end = start + said.floor_char_boundary(MAX_NAMED);
        self.said.truncate(end);
        let is_error = result.is_error;
        let text = call.observation.as_ref().map_or("", |result| result.text.as_str());
        let commands = shell_text(call).map(|text| commands(&text));
        let written = &self.written;
        let action =
            Action::with(call, commands.as_deref(), is_error, |file| written.contains(words::base(file)));
        let commands = commands.unwrap_or_default();
        let content = self.content(call, &action, trace, place);
        let is_blind =
            !is_error && self.overwrites_unseen(&action, &commands, content.as_ref(), text, trace, place);
        self.result_tokens += result.tokens;
        let before = self.last.and_then(|(step, place)| trace.steps.get(step)?.calls.get(place));
        for base in action.writes.iter().map(|file| words::base(file)) {
            if !self.written.contains(base) {
                self.written.insert(base.to_owned());
            }
        }
        self.calls.push(CallSeen {
            step: step.index,
            repeats: before.is_some_and(|before| is_same(before, call)),
            norm: self.norms.number(trace, place),
            is_well_formed: call.arguments.parsed() && call.schema_ok != Some(false),
            is_offered: trace.offered_tools.is_empty() || trace.offered_tools.contains(&call.tool),
            timed_out: result.timed_out,
            truncated: result.truncated,
            result_bytes: result.bytes,
            missing: result.missing,
            error: result.error,
            said: start..end,
            names: OnceLock::new(),
            asks: result.asks,
            answers,
            has_range: has_range(&call.arguments, &commands),
            is_blind,
            content,
            commands,
            action,
        });
        self.last = Some(place);
    }

    /// Whether a call writes a file whole that was there, as far as results and the instruction tell, and that the agent had
    /// neither read nor written.
    fn overwrites_unseen(
        &self,
        action: &Action,
        commands: &[Command],
        content: Option<&(EcoString, Content)>,
        result: &str,
        trace: &Trace,
        (at, place): (usize, usize),
    ) -> bool {
        let by_tool =
            content.filter(|(_, content)| matches!(content, Content::Whole(_))).map(|(path, _)| path);
        let by_shell =
            || commands.iter().flat_map(|command| &command.into).find(|file| action.writes.contains(file));
        let Some(path) = by_tool.or_else(by_shell) else { return false };
        // Some tools say themselves that it is new.
        if by_tool.is_some() && result.contains("created") {
            return false;
        }
        let base = words::base(path);
        if self.written.contains(base) {
            return false;
        }
        let finder = memmem::Finder::new(base);
        let is_about = |call: &CallSeen| {
            call.action.reads.iter().any(|file| words::base(file) == base)
                || self.names_what(call, base, &finder)
        };
        if self.calls.iter().any(is_about) {
            return false;
        }
        let before = trace.steps.iter().take(at).filter(|step| step.source == Source::Agent);
        let own = trace.steps.get(at).and_then(|step| step.calls.get(..place)).unwrap_or_default();
        let results =
            before.flat_map(|step| &step.calls).chain(own).filter_map(|call| call.observation.as_ref());
        self.named.contains(base) || words::show(results.map(|result| result.text.as_str()), base)
    }

    /// What a tool for files writes.
    fn content(
        &mut self,
        call: &Call,
        action: &Action,
        trace: &Trace,
        place: (usize, usize),
    ) -> Option<(EcoString, Content)> {
        let path = text_of(call, &["path", "file_path", "filename", "file"])?;
        let known = action.writes.iter().find(|file| *file == path).cloned();
        let path = || known.unwrap_or_else(|| path.into());
        let old = text_of(call, &["old", "old_str", "old_string", "search"]);
        let new = text_of(call, &["new", "new_str", "new_string", "replace"]);
        if let (Some(old), Some(new)) = (old, new) {
            return Some((path(), Content::Replaced(old.to_owned(), new.to_owned())));
        }
        let text = whole(call)?;
        let same = self.wholes.iter().position(|(step, place)| {
            trace.steps.get(*step).and_then(|step| whole(step.calls.get(*place)?)) == Some(text)
        });
        let number = same.unwrap_or_else(|| {
            self.wholes.push(place);
            self.wholes.len() - 1
        });
        Some((path(), Content::Whole(number)))
    }

    /// A path as written, such that equal files are equal here.
    pub(super) fn plain<'p>(&self, path: &'p str) -> &'p str {
        words::plain(path, &self.workdir)
    }

    /// Calls of a kind, with their places.
    pub(super) fn of_kind(&self, kind: Kind) -> impl DoubleEndedIterator<Item = (usize, &CallSeen)> {
        self.calls.iter().enumerate().filter(move |(_, call)| call.action.is(kind))
    }
}

/// Adds the texts of arguments, as the model meant them, at most so many bytes of them.
fn add_said(arguments: &Arguments, most: usize, out: &mut String) {
    /// Whether all of it was added; no more is once the text has so many bytes.
    fn add(value: &Value, most: usize, out: &mut String) -> bool {
        match value {
            Value::String(text) => {
                let part = words::head(text, most.saturating_sub(out.len()));
                out.push_str(part);
                if part.len() < text.len() {
                    return false;
                }
                out.push('\n');
            }
            Value::Array(items) => return items.iter().all(|item| add(item, most, out)),
            Value::Object(entries) => return entries.values().all(|value| add(value, most, out)),
            Value::Number(number) => {
                out.push_str(&number.to_string());
                out.push('\n');
            }
            Value::Null | Value::Bool(_) => {}
        }
        out.len() < most
    }
    match arguments {
        Arguments::Raw(text) => out.push_str(words::head(text, most)),
        Arguments::Json(value) => drop(add(value, out.len().saturating_add(most), out)),
    }
}

/// Whether two calls are the same to the letter.
fn is_same(one: &Call, other: &Call) -> bool {
    fn is_same_value(one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                let mut pairs = one.iter().zip(other);
                one.len() == other.len()
                    && pairs.all(|((key, one), (same, other))| key == same && is_same_value(one, other))
            }
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| is_same_value(one, other))
            }
            (one, other) => one == other,
        }
    }
    one.tool == other.tool
        && match (&one.arguments, &other.arguments) {
            (Arguments::Json(one), Arguments::Json(other)) => is_same_value(one, other),
            (Arguments::Raw(one), Arguments::Raw(other)) => one == other,
            (Arguments::Json(value), Arguments::Raw(text))
            | (Arguments::Raw(text), Arguments::Json(value)) => {
                serde_json::to_string(value).is_ok_and(|written| written == *text)
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

/// The first of these arguments that is a text.
fn text_of<'c>(call: &'c Call, keys: &[&str]) -> Option<&'c str> {
    let Arguments::Json(arguments) = &call.arguments else { return None };
    keys.iter().find_map(|key| action::argument(arguments, key)?.as_str())
}

/// The text that a tool for files writes as a whole.
fn whole(call: &Call) -> Option<&str> {
    text_of(call, &["content", "file_text", "contents", "text"])
}
