//! `[prompt]` and `[[tool]]`: what the native agent says to the model, and the tools that it offers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::values::{Description, NAME, TextSource, Variable};
use crate::syntax::decode::{Entries, Json, Spanned};

/// What the native agent defines for templates, with the parts of each; what has no parts is a text, a number or a list.
pub const DEFINED: [(&str, &[&str]); 9] = [
    ("task", &["instruction"]),
    ("workdir", &[]),
    ("tools", &[]),
    (
        "runtime",
        &[
            "max_steps",
            "max_tokens",
            "max_format_errors",
            "finish",
            "tool_timeout",
            "max_output_bytes",
            "compaction",
            "compaction_at",
        ],
    ),
    ("state", &["id"]),
    ("step", &[]),
    ("steps_left", &[]),
    ("output", &["text", "exit", "timed_out", "cut_bytes"]),
    ("tool", &["name"]),
];

/// The parts of each item of `tools` in templates.
pub const TOOL_PARTS: [&str; 2] = ["name", "description"];

/// What the native agent says to the model.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["system"]))]
pub struct Prompt {
    /// The system message.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub system: Option<Spanned<TextSource>>,
    /// The first user message; the task's instruction if it is not set.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub task: Option<Spanned<TextSource>>,
    /// How a tool's result is shown to the model: `output.text`, `output.exit`, `output.timed_out`, `output.cut_bytes`,
    /// `tool.name`.
    #[schemars(extend("x-self-harness" = {"is": "S"}))]
    pub observation: Option<Spanned<TextSource>>,
    /// Own variables of the templates, under other names than those that the agent itself defines.
    #[schemars(extend(
        "propertyNames" = {"pattern": NAME, "not": {"enum": DEFINED.map(|(name, _)| name)}},
        "x-self-harness" = {"is": "S"}
    ))]
    pub variables: Entries<Variable>,
}

/// A tool that the model may call: given in the manifest, or with all keys in a TOML or JSON file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Tool {
    /// What the model calls.
    #[schemars(extend(
        "pattern" = "^[A-Za-z0-9_-]{1,64}$",
        "x-form" = "a name of letters, digits, `_` and `-`, at most 64 characters",
        "x-self-harness" = {"rule": "SH205"}
    ))]
    pub name: Spanned<String>,
    /// What the model reads about the tool: the text itself, as in MCP's lists of tools, or `{ file = "…" }`.
    #[schemars(extend("x-self-harness" = {"is": "S", "rule": "SH204"}))]
    pub description: Option<Spanned<Description>>,
    /// JSON Schema of the parameters.
    #[schemars(extend("type" = "object", "additionalProperties" = true, "x-self-harness" = {"is": "S"}))]
    pub parameters: Option<Spanned<Json>>,
    /// JSON Schema of the parameters, as MCP calls it.
    #[serde(rename = "inputSchema")]
    #[schemars(extend("type" = "object", "additionalProperties" = true, "x-self-harness" = {"is": "S"}))]
    pub input_schema: Option<Spanned<Json>>,
    /// A tool of the built-in agent.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub builtin: Option<Spanned<Builtin>>,
    /// The program that does it, in the sandbox; `{name}` is a parameter, all parameters are JSON on its standard input.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "X"}))]
    pub run: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long one call may take; `runtime.tool_timeout` if it is not set.
    pub timeout: Option<Spanned<Duration>>,
    /// How many bytes of a result the model sees; `runtime.max_output_bytes` if it is not set.
    #[schemars(extend("minimum" = 1))]
    pub max_output_bytes: Option<Spanned<u64>>,
    /// Whether the tool is offered at all.
    pub enabled: Spanned<bool>,
    /// The TOML or JSON file that holds the keys of this tool.
    #[schemars(extend(
        "minLength" = 1, "pattern" = "\\.(toml|json)$", "x-form" = "the path of a TOML or JSON file",
        "x-self-harness" = {"names": "path"}
    ))]
    pub file: Option<Spanned<String>>,
}

impl Default for Tool {
    fn default() -> Self {
        Self {
            name: Spanned::default(),
            description: None,
            parameters: None,
            input_schema: None,
            builtin: None,
            run: None,
            timeout: None,
            max_output_bytes: None,
            enabled: true.into(),
            file: None,
        }
    }
}

impl Tool {
    /// The JSON Schema of the parameters, by either key.
    #[must_use]
    pub fn schema(&self) -> Option<&Spanned<Json>> {
        self.parameters.as_ref().or(self.input_schema.as_ref())
    }
}

/// Tools of the built-in agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// Runs a command in the sandbox.
    Shell,
    /// Reads a file of the workdir.
    ReadFile,
    /// Writes a file of the workdir.
    WriteFile,
    /// Replaces a text in a file of the workdir.
    ReplaceInFile,
    /// Ends the trial, for `runtime.finish = "tool"`.
    Finish,
}

impl Builtin {
    /// All of them, in the order of the manifest's documentation.
    pub const ALL: [Self; 5] =
        [Self::Shell, Self::ReadFile, Self::WriteFile, Self::ReplaceInFile, Self::Finish];

    /// The word of the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::ReadFile => "read_file",
            Self::WriteFile => "write_file",
            Self::ReplaceInFile => "replace_in_file",
            Self::Finish => "finish",
        }
    }
}
