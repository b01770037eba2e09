//! `[tasks]`, `[improve]`, `[budget]` and `[lint]`: what judges a harness, how it is improved, and what that may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::values::unwritten;
use crate::split::Published;
use crate::syntax::decode::{Entries, Spanned};

/// The tasks, and which of them teach and which judge.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Tasks {
    /// The directory of the Harbor task directories, nested as you like.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX", "names": "path"}))]
    pub dir: Spanned<String>,
    /// A dataset of the registry instead, `name@version`; only for Harbor agents.
    #[schemars(extend(
        "pattern" = "^[^@\\s]+@[^@\\s]+$", "x-form" = "a dataset such as `terminal-bench@2.0`",
        "x-self-harness" = {"is": "CX", "agents": ["harbor"]}
    ))]
    pub dataset: Option<Spanned<String>>,
    /// A known suite with its published splits; only for Harbor agents, and without lists, `split` and `dataset`.
    #[schemars(extend("x-self-harness" = {"is": "CX", "agents": ["harbor"]}))]
    pub preset: Option<Spanned<Preset>>,
    /// The tasks that teach: ids or globs.
    #[schemars(extend("x-self-harness" = {"is": "CX", "names": "task"}))]
    pub held_in: Option<Spanned<Vec<Spanned<String>>>>,
    /// The tasks that judge: ids or globs.
    #[schemars(extend("x-self-harness" = {"is": "CX", "names": "task"}))]
    pub held_out: Option<Spanned<Vec<Spanned<String>>>>,
    /// The tasks that are read once, at the very end: ids or globs.
    #[schemars(extend("x-self-harness" = {"is": "CX", "names": "task"}))]
    pub sealed: Option<Spanned<Vec<Spanned<String>>>>,
    /// Instead of lists: a split by seed, stratified by `family`.
    #[schemars(extend("x-self-harness" = {"is": "CX"}))]
    pub split: Option<Spanned<SeededSplit>>,
    /// The key of `task.toml` by which a seeded split is stratified.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX"}))]
    pub family: Spanned<String>,
    /// Tasks that are not scheduled: ids or globs.
    #[schemars(extend("x-self-harness" = {"is": "CX", "names": "task"}))]
    pub exclude: Vec<Spanned<String>>,
    /// The rewards that a pass needs, with their thresholds.
    #[schemars(extend("minProperties" = 1, "x-self-harness" = {"is": "CX"}))]
    pub rewards: Entries<f64>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            dir: unwritten("tasks"),
            dataset: None,
            preset: None,
            held_in: None,
            held_out: None,
            sealed: None,
            split: None,
            family: unwritten("metadata.category"),
            exclude: Vec::new(),
            rewards: Entries(vec![(unwritten("reward"), 1.0.into())]),
        }
    }
}

/// A known suite with its published splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `terminal-bench@2.0`: 43 held-in and 21 held-out tasks of arXiv 2606.09498.
    #[serde(rename = "terminal-bench-2")]
    TerminalBench2,
}

impl Preset {
    /// The word of the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TerminalBench2 => "terminal-bench-2",
        }
    }

    /// The dataset and its published splits.
    #[must_use]
    pub fn published(self) -> Option<&'static Published> {
        Published::named(self.name())
    }
}

/// A split by seed: it depends on ids and families only. The shares add up to 1.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["seed"]))]
pub struct SeededSplit {
    /// The seed.
    pub seed: Spanned<i64>,
    /// The share that teaches.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub held_in: Spanned<f64>,
    /// The share that judges.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub held_out: Spanned<f64>,
    /// The share that is read once; nothing below 40 tasks, from 40 on at least 15 tasks.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub sealed: Spanned<f64>,
}

impl Default for SeededSplit {
    fn default() -> Self {
        Self { seed: 0.into(), held_in: 0.5.into(), held_out: 0.3.into(), sealed: 0.2.into() }
    }
}

/// How proposals are made and judged.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Improve {
    /// How strictly a proposal is judged.
    pub gate: Spanned<Gate>,
    /// How many proposals are validated in a round (K).
    #[schemars(extend("minimum" = 1))]
    pub proposals: Spanned<u32>,
    /// How many rounds a run has at most (T).
    #[schemars(extend("minimum" = 1))]
    pub rounds: Spanned<u32>,
    /// How many failing tasks a weakness needs before it gets a proposal.
    #[schemars(extend("minimum" = 1))]
    pub min_support: Spanned<u32>,
    /// How often each task is run; the gate decides what is not set.
    pub repeats: Spanned<Repeats>,
    /// How many surfaces a proposal may change; a composite counts once.
    #[schemars(extend("minimum" = 1))]
    pub max_surfaces: Spanned<u32>,
    /// How many lines a proposal may change.
    #[schemars(extend("minimum" = 1))]
    pub max_changed_lines: Spanned<u32>,
    /// How many tokens a proposal may add.
    pub max_added_tokens: Spanned<u32>,
}

impl Default for Improve {
    fn default() -> Self {
        Self {
            gate: Gate::Certified.into(),
            proposals: 8.into(),
            rounds: 10.into(),
            min_support: 2.into(),
            repeats: Spanned::default(),
            max_surfaces: 1.into(),
            max_changed_lines: 12.into(),
            max_added_tokens: 120.into(),
        }
    }
}

/// How strictly a proposal is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Screened with a margin, then confirmed with fresh trials.
    #[default]
    Certified,
    /// The paper's rule with exact early stops: the same decisions for less.
    Exact,
    /// The paper's rule, every slot run.
    Paper,
}

/// How often each task is run; the gate decides what is not set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Repeats {
    /// When a candidate is screened.
    #[schemars(extend("minimum" = 1))]
    pub screen: Option<Spanned<u32>>,
    /// By the baseline.
    #[schemars(extend("minimum" = 1))]
    pub baseline: Option<Spanned<u32>>,
    /// When a candidate is confirmed.
    #[schemars(extend("minimum" = 1))]
    pub confirm: Option<Spanned<u32>>,
}

/// What a run may spend. Hard: checked before each trial.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Budget {
    /// Money, in USD; needs a price.
    #[schemars(extend("minimum" = 0, "x-self-harness" = {"is": "X"}))]
    pub max_cost_usd: Option<Spanned<f64>>,
    /// Trials.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "X"}))]
    pub max_trials: Option<Spanned<u64>>,
    /// Tokens, input and output.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "X"}))]
    pub max_tokens: Option<Spanned<u64>>,
    /// Time of the whole run.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub max_time: Option<Spanned<Duration>>,
    /// How many trials run at once; the lower of this and the user's setting holds.
    #[schemars(extend("minimum" = 1))]
    pub max_parallel: Spanned<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_cost_usd: None,
            max_trials: None,
            max_tokens: None,
            max_time: None,
            max_parallel: 4.into(),
        }
    }
}

/// What the rules may leave alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Lint {
    /// Problems that are meant to be there.
    pub allow: Vec<Spanned<Allow>>,
}

/// A problem that is meant to be there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["rule", "reason"]))]
pub struct Allow {
    /// The rule: its id or its name.
    #[schemars(extend(
        "pattern" = "^(SH[0-9]{3}|[a-z][a-z-]*)$", "x-form" = "a rule's id or name, such as `SH104` or `unknown-tool`",
        "x-self-harness" = {"names": "rule"}
    ))]
    pub rule: Spanned<String>,
    /// Where: a path or glob. Without `file` and `surface`: in the whole project.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"names": "glob"}))]
    pub file: Option<Spanned<String>>,
    /// Where: a surface's id.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"names": "surface"}))]
    pub surface: Option<Spanned<String>>,
    /// Why.
    #[schemars(extend("minLength" = 1))]
    pub reason: Spanned<String>,
}
