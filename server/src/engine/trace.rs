//! What an agent did in one trial, in one form whatever program it was: the normal form of all transcripts. It says what
//! happened and judges nothing.

use ecow::EcoString;
use serde_json::Value;

/// A transcript as steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The program that ran.
    pub agent: Agent,
    /// How it ended, by its own record; the worker may know better.
    pub end: Option<End>,
    /// The context window of its model, in tokens, where known.
    pub window: Option<u64>,
    /// How many steps it could have taken, where known.
    pub max_steps: Option<u64>,
    /// What it was asked to do, where the transcript says so.
    pub instruction: Option<String>,
    /// The names of the tools that it was offered, where the transcript says so.
    pub offered_tools: Vec<String>,
    /// What it did, in order; copied context is left out.
    pub steps: Vec<Step>,
    /// What the transcript could not say.
    pub losses: Vec<Loss>,
}

/// The program that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its name; empty if unknown.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// The model that it called.
    pub model: Option<String>,
}

/// How an agent phase ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It said that it was done.
    Finished,
    /// The limit of steps.
    Steps,
    /// The limit of tokens.
    Tokens,
    /// The limit of money.
    Cost,
    /// The limit of time.
    Time,
    /// The context window was full.
    Context,
    /// The provider failed, and that was the last event.
    Provider,
    /// It went wrong by itself, in its own words: too many format errors, a refusal, an exception.
    Crashed(String),
    /// Somebody killed it.
    Killed,
}

impl End {
    /// The word in records and messages.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Steps => "steps",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
            Self::Time => "time",
            Self::Context => "context",
            Self::Provider => "provider",
            Self::Crashed(_) => "crashed",
            Self::Killed => "killed",
        }
    }
}

impl End {
    /// The end that a word names; what a crash said is not in the word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let ends = [
            Self::Finished,
            Self::Steps,
            Self::Tokens,
            Self::Cost,
            Self::Time,
            Self::Context,
            Self::Provider,
            Self::Crashed(String::new()),
            Self::Killed,
        ];
        ends.into_iter().find(|end| end.word() == word)
    }
}

/// Who speaks in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// The harness, before anything else.
    System,
    /// The task, or the harness in between: a runtime rule, a state, a format error.
    #[default]
    User,
    /// The model.
    Agent,
}

/// One message, with what it called and what came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Its number, from 1.
    pub index: usize,
    /// Who speaks.
    pub source: Source,
    /// The text.
    pub message: String,
    /// What the model thought, where it shows that.
    pub reasoning: Option<String>,
    /// What it called, in order.
    pub calls: Vec<Call>,
    /// When it began, as the transcript writes it.
    pub started: Option<String>,
    /// When its last result was there.
    pub finished: Option<String>,
    /// What it took.
    pub usage: Option<Usage>,
    /// Why the model stopped, in the provider's word.
    pub stop_reason: Option<String>,
    /// The state of the orchestration.
    pub state: Option<String>,
    /// The runtime rule that speaks.
    pub rule: Option<String>,
    /// The subagents that it happened in, outermost first; empty for the agent itself.
    pub agent_path: Vec<String>,
    /// Where it stands in the raw record, as a JSON pointer (RFC 6901) or `line 7`.
    pub origin: EcoString,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The tool's name.
    pub tool: String,
    /// What it was given.
    pub arguments: Arguments,
    /// Whether the arguments fit the tool's schema, where that is known.
    pub schema_ok: Option<bool>,
    /// What came back; none if nothing did.
    pub observation: Option<Observation>,
}

/// What a tool was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// JSON.
    Json(Value),
    /// What the model wrote and is no JSON.
    Raw(String),
}

/// What came back from a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The text; what is long is shared with whoever else keeps it.
    pub text: EcoString,
    /// The exit code, where one was recorded.
    pub exit: Option<i64>,
    /// Whether it ran out of time.
    pub timed_out: bool,
    /// Whether the text was cut.
    pub truncated: bool,
    /// Whether it belongs to several calls at once, of which this is the last.
    pub shared: bool,
    /// Whether the tool said that it failed, where it says so without an exit code.
    pub failed: Option<bool>,
}

/// Tokens and money of one model call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub input: u64,
    /// Of these, tokens from a cache.
    pub cached: u64,
    /// Tokens written.
    pub output: u64,
    /// In US dollars, if the record says so.
    pub cost: Option<f64>,
}

/// What a transcript could not say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// No system prompt.
    SystemPrompt,
    /// No exit code of any call.
    ExitCodes,
    /// No tokens.
    Usage,
    /// No times.
    Times,
    /// So many results belong to no call and were dropped.
    StrayResults(usize),
    /// The record ends within a value: what came before was read.
    CutOff,
}

impl Trace {
    /// Adds a step and numbers it.
    pub fn push(&mut self, step: Step) {
        self.steps.push(Step { index: self.steps.len() + 1, ..step });
    }

    /// Gives a result to the call that it belongs to: by id in the newest step that has it, without an id to the last call
    /// of the newest step with calls, marked as shared if there are several. The answer is false if there is none.
    pub fn observe(&mut self, id: Option<&str>, observation: Observation) -> bool {
        let with_calls = self.steps.iter_mut().rev().filter(|step| !step.calls.is_empty());
        let call = match id {
            Some(id) => with_calls
                .flat_map(|step| step.calls.iter_mut())
                .find(|call| call.id.as_deref() == Some(id) && call.observation.is_none()),
            None => {
                let mut with_calls = with_calls;
                return with_calls.next().is_some_and(|step| step.observe(None, observation));
            }
        };
        call.map(|call| call.observation = Some(observation)).is_some()
    }

    /// Notes what is missing everywhere, once a whole transcript was read.
    pub fn note_losses(&mut self, stray: usize) {
        let agent = || self.steps.iter().filter(|step| step.source == Source::Agent);
        let results = || agent().flat_map(|step| &step.calls).filter_map(|call| call.observation.as_ref());
        let mut losses = Vec::new();
        if !self.steps.iter().any(|step| step.source == Source::System) {
            losses.push(Loss::SystemPrompt);
        }
        if results().next().is_some() && results().all(|result| result.exit.is_none()) {
            losses.push(Loss::ExitCodes);
        }
        if agent().next().is_some() && agent().all(|step| step.usage.is_none()) {
            losses.push(Loss::Usage);
        }
        if agent().next().is_some() && self.steps.iter().all(|step| step.started.is_none()) {
            losses.push(Loss::Times);
        }
        if 0 < stray {
            losses.push(Loss::StrayResults(stray));
        }
        self.losses.extend(losses);
        self.losses.sort();
        self.losses.dedup();
    }
}

impl Step {
    /// A step of somebody with a text.
    #[must_use]
    pub fn said(source: Source, message: impl Into<String>, origin: impl Into<EcoString>) -> Self {
        Self { source, message: message.into(), origin: origin.into(), ..Self::default() }
    }

    /// Gives a result to a call of this step, as [`Trace::observe`] does.
    pub fn observe(&mut self, id: Option<&str>, observation: Observation) -> bool {
        let several = 1 < self.calls.len();
        let call = match id {
            Some(id) => self.calls.iter_mut().find(|call| call.id.as_deref() == Some(id)),
            None => self.calls.last_mut(),
        };
        let Some(call) = call else { return false };
        let shared = observation.shared || (id.is_none() && several);
        match &mut call.observation {
            // A second result of one call goes behind the first.
            Some(first) => {
                first.text.push('\n');
                first.text.push_str(&observation.text);
                first.exit = observation.exit.or(first.exit);
            }
            none => *none = Some(Observation { shared, ..observation }),
        }
        true
    }
}

impl Arguments {
    /// JSON as a model writes it; what does not parse stays text.
    #[must_use]
    pub fn written(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self::Json(value),
            // No arguments at all are none.
            Err(_) if text.trim().is_empty() => Self::Json(Value::Object(serde_json::Map::new())),
            Err(_) => Self::Raw(text.to_owned()),
        }
    }

    /// Whether they are JSON.
    #[must_use]
    pub fn parsed(&self) -> bool {
        matches!(self, Self::Json(_))
    }
}

impl Observation {
    /// A result that is only text.
    #[must_use]
    pub fn text(text: impl Into<EcoString>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}
