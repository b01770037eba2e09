//! `[runtime]` and `[orchestration]`: limits, runtime rules and states that the native agent executes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::values::{ID, ID_FORM, TextSource, unwritten};
use crate::syntax::decode::Spanned;

/// Limits and policies of the native agent.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Runtime {
    /// How many times a trial may call the model. An edit may only lower it.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "S"}))]
    pub max_steps: Spanned<u32>,
    /// How many tokens a trial may use.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "C"}))]
    pub max_tokens: Option<Spanned<u64>>,
    /// How many malformed calls in a row end a trial as crashed.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "C"}))]
    pub max_format_errors: Spanned<u32>,
    /// How the model ends a trial or leaves a state.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub finish: Spanned<Finish>,
    /// How long one call of a tool may take.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub tool_timeout: Spanned<Duration>,
    /// How many bytes of a tool's result the model sees: head and tail stay, a line says what was cut.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "S"}))]
    pub max_output_bytes: Spanned<u64>,
    /// What happens to old tool results when the context fills up.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub compaction: Spanned<Compaction>,
    /// The share of the context from which on results are elided.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1, "x-self-harness" = {"is": "S"}))]
    pub compaction_at: Spanned<f64>,
    /// Conditional rules: a trigger over the trace so far, and what happens then.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub rule: Vec<Spanned<RuntimeRule>>,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            max_steps: 40.into(),
            max_tokens: None,
            max_format_errors: 3.into(),
            finish: Finish::NoToolCall.into(),
            tool_timeout: Duration::from_secs(60).into(),
            max_output_bytes: 16384.into(),
            compaction: Compaction::None.into(),
            compaction_at: 0.8.into(),
            rule: Vec::new(),
        }
    }
}

/// How the model ends a trial or leaves a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// By an answer without a tool call.
    #[default]
    NoToolCall,
    /// By calling the tool `finish`.
    Tool,
}

/// What happens to old tool results when the context fills up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compaction {
    /// Nothing.
    #[default]
    None,
    /// The oldest results become a line each.
    ElideOutput,
}

/// A conditional rule: when its trigger holds, its one action happens.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["id", "when"]))]
pub struct RuntimeRule {
    /// The rule's name; its surface is `rule.<id>`.
    #[schemars(extend("pattern" = ID, "x-form" = ID_FORM))]
    pub id: Spanned<String>,
    /// When it acts: all keys must hold. For "or" write two rules.
    #[schemars(extend("minProperties" = 1, "x-self-harness" = {"is": "S"}))]
    pub when: Spanned<When>,
    /// A user message after the tool results.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub inject: Option<Spanned<TextSource>>,
    /// At most so many more steps, or calls of a tool; it can only tighten.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub limit: Option<Spanned<Limit>>,
    /// Refuses the end and says what to check first; needs `event = "finish"`.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub ask_verify: Option<Spanned<TextSource>>,
    /// How often it may act in one trial.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "S"}))]
    pub max_fires: Spanned<u32>,
    /// How many steps it rests after it acted.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub cooldown: Spanned<u32>,
}

impl Default for RuntimeRule {
    fn default() -> Self {
        Self {
            id: Spanned::default(),
            when: Spanned::default(),
            inject: None,
            limit: None,
            ask_verify: None,
            max_fires: 1.into(),
            cooldown: 0.into(),
        }
    }
}

/// When a runtime rule acts: all keys that are set must hold. It sees only the trace so far.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct When {
    /// A detector that fires on the trace so far.
    #[schemars(extend("enum" = crate::detector::NAMES.as_slice(), "x-self-harness" = {"rule": "SH304", "names": "detector"}))]
    pub detector: Option<Spanned<String>>,
    /// How many calls, steps or writes: the number in the detector's rule, or of calls of `tool`.
    #[schemars(extend("minimum" = 1))]
    pub count: Option<Spanned<u32>>,
    /// The tool that was called.
    #[schemars(extend("x-self-harness" = {"names": "tool"}))]
    pub tool: Option<Spanned<String>>,
    /// How the calls ended.
    pub outcome: Option<Spanned<Outcome>>,
    /// Whether the `count` calls must follow one another.
    pub consecutive: Option<Spanned<bool>>,
    /// A regular expression that the newest tool result matches.
    #[schemars(extend("format" = "regex", "minLength" = 1))]
    pub output: Option<Spanned<String>>,
    /// From this step on.
    #[schemars(extend("minimum" = 1))]
    pub step: Option<Spanned<u32>>,
    /// When at most so many steps are left.
    pub steps_left: Option<Spanned<u32>>,
    /// When at least this share of the context is used.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub context_used: Option<Spanned<f64>>,
    /// In this state.
    #[schemars(extend("x-self-harness" = {"names": "state"}))]
    pub state: Option<Spanned<String>>,
    /// At this moment; without it after every step.
    pub event: Option<Spanned<Event>>,
}

/// How a call of a tool ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Without an error.
    Ok,
    /// With an error.
    Error,
    /// Killed by its timeout.
    Timeout,
    /// In any way.
    #[default]
    Any,
}

/// A moment of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Before the first call of the model.
    Start,
    /// When the model asks to end.
    Finish,
    /// After a malformed call.
    FormatError,
    /// When a state was entered.
    StateEntered,
}

/// At most so much more: `{ steps }`, or `{ tool, calls }`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend(
    "oneOf" = [
        {"required": ["steps"], "not": {"anyOf": [{"required": ["tool"]}, {"required": ["calls"]}]}},
        {"required": ["tool", "calls"], "not": {"required": ["steps"]}}
    ]
))]
pub struct Limit {
    /// How many more steps.
    pub steps: Option<Spanned<u32>>,
    /// The tool whose calls are limited.
    #[schemars(extend("x-self-harness" = {"names": "tool"}))]
    pub tool: Option<Spanned<String>>,
    /// How many more calls of the tool.
    pub calls: Option<Spanned<u32>>,
}

/// A state machine over the run; without it there is one state with all tools.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["start", "state"]))]
pub struct Orchestration {
    /// The first state.
    #[schemars(extend("x-self-harness" = {"is": "S", "names": "state"}))]
    pub start: Spanned<String>,
    /// The states.
    #[schemars(extend("minItems" = 1))]
    pub state: Vec<Spanned<State>>,
}

/// A state: a prompt on entry, the tools that it offers, and where it leads.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["id"]))]
pub struct State {
    /// The state's name; `end` is the end of the run.
    #[schemars(extend("pattern" = ID, "x-form" = ID_FORM, "not" = {"enum": ["end"]}))]
    pub id: Spanned<String>,
    /// A user message when the state is entered.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub prompt: Option<Spanned<TextSource>>,
    /// The tools that it offers; all if it is not set.
    #[schemars(extend("x-self-harness" = {"is": "S", "names": "tool"}))]
    pub tools: Option<Spanned<Vec<Spanned<String>>>>,
    /// Where it leads: states or `end`. Of several the model chooses.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "S", "names": "state-or-end"}))]
    pub next: Spanned<Vec<Spanned<String>>>,
    /// How many steps one visit may take.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "S"}))]
    pub max_steps: Option<Spanned<u32>>,
    /// How often it may be entered.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "S"}))]
    pub max_visits: Spanned<u32>,
    /// Where it leads when a limit of it is reached: a state or `end`.
    #[schemars(extend("x-self-harness" = {"is": "S", "names": "state-or-end"}))]
    pub on_limit: Spanned<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            id: Spanned::default(),
            prompt: None,
            tools: None,
            next: Spanned::unwritten(vec![unwritten("end")]),
            max_steps: None,
            max_visits: 3.into(),
            on_limit: unwritten("end"),
        }
    }
}
