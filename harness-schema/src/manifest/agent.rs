//! `[agent]`: who runs a harness on a task. What belongs to the machine (sandbox, programs, limits) is no key here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::values::{NAME, unwritten};
use crate::syntax::decode::{Entries, Json, Spanned};

/// Who runs a harness on a task.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Agent {
    /// What kind of agent runs the harness.
    #[schemars(extend("x-self-harness" = {"is": "CX"}))]
    pub kind: Spanned<AgentKind>,
    /// How long the agent may work on a task; the least of this, the task's and the machine's limit holds.
    #[schemars(extend("x-self-harness" = {"is": "CX"}))]
    pub timeout: Spanned<Duration>,
    /// The version of the program that these tasks are measured with.
    #[schemars(extend("x-self-harness" = {"is": "CX"}))]
    pub version: Option<Spanned<String>>,
    /// What a run reads beyond the files of surfaces: paths or globs.
    #[schemars(inner(length(min = 1)), extend("x-self-harness" = {"is": "CX", "names": "glob"}))]
    pub files: Vec<Spanned<String>>,
    /// The program with its arguments; `{instruction}`, `{harness_dir}` and other placeholders are filled in.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "CX", "agents": ["command"]}))]
    pub argv: Vec<Spanned<String>>,
    /// Variables of the program's environment.
    #[schemars(extend(
        "propertyNames" = {"pattern": NAME}, "x-self-harness" = {"is": "CX", "agents": ["command"]}
    ))]
    pub env: Entries<String>,
    /// Where the program leaves its transcript.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX", "agents": ["command"]}))]
    pub transcript: Spanned<String>,
    /// How the transcript is written.
    #[schemars(extend("x-self-harness" = {"is": "CX", "agents": ["command"]}))]
    pub transcript_format: Spanned<TranscriptFormat>,
    /// What the program reads on its standard input.
    #[schemars(extend("x-self-harness" = {"is": "CX", "agents": ["command"]}))]
    pub stdin: Spanned<Stdin>,
    /// The Harbor agent: its name, or `module:Class`.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX", "agents": ["harbor"]}))]
    pub agent: Option<Spanned<String>>,
    /// The Harbor agent's name for the model.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX", "agents": ["harbor"]}))]
    pub model: Spanned<String>,
    /// The Harbor environment: its type, or `module:Class`.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX", "agents": ["harbor"]}))]
    pub environment: Spanned<String>,
    /// Options of the Harbor agent. Built-in agents refuse unknown ones.
    #[schemars(extend("type" = "object", "additionalProperties" = true, "x-self-harness" = {"is": "CX", "agents": ["harbor"]}))]
    pub kwargs: Option<Spanned<Json>>,
    /// Options of the Harbor environment.
    #[schemars(extend("type" = "object", "additionalProperties" = true, "x-self-harness" = {"is": "CX", "agents": ["harbor"]}))]
    pub environment_kwargs: Option<Spanned<Json>>,
    /// Directories where Harbor finds own agents and environments. They run outside of the sandbox.
    #[schemars(
        inner(length(min = 1)),
        extend("x-self-harness" = {"is": "CX", "agents": ["harbor"], "names": "path"})
    )]
    pub python_path: Vec<Spanned<String>>,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            kind: AgentKind::Native.into(),
            timeout: Duration::from_secs(900).into(),
            version: None,
            files: Vec::new(),
            argv: Vec::new(),
            env: Entries::default(),
            transcript: unwritten("{transcript}"),
            transcript_format: TranscriptFormat::Auto.into(),
            stdin: Stdin::None.into(),
            agent: None,
            model: unwritten("openai/{model_name}"),
            environment: unwritten("docker"),
            kwargs: None,
            environment_kwargs: None,
            python_path: vec![unwritten(".")],
        }
    }
}

/// What kind of agent runs the harness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgentKind {
    /// The built-in agent: prompts, tools, runtime rules and states of this manifest.
    #[default]
    Native,
    /// Any program, in the sandbox; it reaches the model through a relay.
    Command,
    /// A Harbor job.
    Harbor,
}

impl AgentKind {
    /// The word of the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Command => "command",
            Self::Harbor => "harbor",
        }
    }
}

/// How a transcript is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TranscriptFormat {
    /// Recognised by its content.
    #[default]
    Auto,
    /// ATIF, the format of Harbor.
    Atif,
    /// mini-swe-agent.
    MiniSweAgent,
    /// SWE-agent.
    SweAgent,
    /// A list of LangChain messages (`messages_to_dict`), as deepagents leaves it.
    Langchain,
    /// smolagents (`get_full_steps()`).
    Smolagents,
    /// Claude Code: its session file, or `stream-json` events.
    ClaudeCode,
    /// Codex.
    Codex,
    /// OpenAI chat messages, as JSON or one per line.
    Chat,
    /// Anything else: a step per block of text.
    Text,
}

/// What a program reads on its standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// Nothing.
    #[default]
    None,
    /// The task's instruction.
    Instruction,
}
