//! The manifest `harness.toml` as types, and the JSON Schema that is made from these types.
//!
//! Types only: decoding never fails (what is wrong is left out, see [`crate::syntax::decode`]), and nothing is looked up.
//! The doc comments are what an editor shows for a key.

mod duration;
mod values;
mod model;
mod agent;
mod prompt;
mod runtime;
mod surface;
mod evaluation;
mod json_schema;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::data::Tree;
use crate::syntax::decode::{BadSpans, Spanned, decode};

pub use self::agent::{Agent, AgentKind, Stdin, TranscriptFormat};
pub use self::duration::{Duration, NotADuration};
pub use self::evaluation::{Allow, Budget, Gate, Improve, Lint, Preset, Repeats, SeededSplit, Tasks};
pub(crate) use self::json_schema::without_nulls;
pub use self::json_schema::{json_schema, tool_json_schema};
pub use self::model::{Model, Price, Protocol};
pub use self::prompt::{Builtin, DEFINED, Prompt, TOOL_PARTS, Tool};
pub use self::runtime::{
    Compaction, Event, Finish, Limit, Orchestration, Outcome, Runtime, RuntimeRule, State, When,
};
pub use self::surface::{NewFiles, PartEntry, SurfaceEntry, TemplateKind, ValueType};
pub use self::values::{Description, Select, TextSource, Variable};

/// The version of the manifest's format that this program reads.
pub const SCHEMA: u32 = 1;

/// The manifest of a harness.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["schema", "model"]))]
pub struct Manifest {
    /// The version of this format: 1.
    #[schemars(extend("minimum" = 1, "maximum" = SCHEMA, "x-form" = "1"))]
    pub schema: Spanned<u32>,
    /// The harness's name in lists; the directory's name if it is not set.
    #[schemars(extend("minLength" = 1))]
    pub name: Option<Spanned<String>>,
    /// What the agent is for. The proposer reads it.
    pub description: Spanned<String>,
    /// The model: frozen, the same for the agent and the proposer.
    pub model: Spanned<Model>,
    /// Who runs the harness on a task.
    pub agent: Spanned<Agent>,
    /// What the native agent says to the model.
    #[schemars(extend("x-self-harness" = {"agents": ["native"]}))]
    pub prompt: Spanned<Prompt>,
    /// The tools that the native agent offers.
    #[schemars(extend("x-self-harness" = {"agents": ["native"]}))]
    pub tool: Vec<Spanned<Tool>>,
    /// Limits and policies of the native agent.
    #[schemars(extend("x-self-harness" = {"agents": ["native"]}))]
    pub runtime: Spanned<Runtime>,
    /// A state machine over the native agent's run; without it there is one state with all tools.
    #[schemars(extend("x-self-harness" = {"agents": ["native"]}))]
    pub orchestration: Option<Spanned<Orchestration>>,
    /// What a proposal may change, beside the parts of the native agent.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub surface: Vec<Spanned<SurfaceEntry>>,
    /// The tasks, and which of them teach and which judge.
    pub tasks: Option<Spanned<Tasks>>,
    /// How proposals are made and judged.
    pub improve: Spanned<Improve>,
    /// What a run may spend; hard, checked before each trial.
    pub budget: Spanned<Budget>,
    /// What the rules may leave alone.
    pub lint: Spanned<Lint>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            schema: SCHEMA.into(),
            name: None,
            description: Spanned::default(),
            model: Spanned::default(),
            agent: Spanned::default(),
            prompt: Spanned::default(),
            tool: Vec::new(),
            runtime: Spanned::default(),
            orchestration: None,
            surface: Vec::new(),
            tasks: None,
            improve: Spanned::default(),
            budget: Spanned::default(),
            lint: Spanned::default(),
        }
    }
}

impl Manifest {
    /// The manifest that a tree says; `bad` are the values that the checks found wrong.
    #[must_use]
    pub fn decode(tree: &Tree, bad: &BadSpans) -> Self {
        decode(&tree.root, bad)
    }
}

impl Tool {
    /// The tool that a TOML or JSON file says; `bad` are the values that the checks found wrong.
    #[must_use]
    pub fn decode(tree: &Tree, bad: &BadSpans) -> Self {
        decode(&tree.root, bad)
    }
}

#[cfg(test)]
mod tests;
