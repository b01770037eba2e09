//! `[model]`: the one frozen model that runs the agent and writes the proposals. Never a key, only a variable's name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::values::NAME;
use crate::syntax::decode::{Json, Spanned};

/// The model: frozen, the same for the agent and the proposer.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "endpoint"]))]
pub struct Model {
    /// How the endpoint is spoken to.
    #[schemars(extend("x-self-harness" = {"is": "CX"}))]
    pub protocol: Spanned<Protocol>,
    /// The base URL, such as `https://models.example.com/v1`; `http` only to this machine.
    #[schemars(extend(
        "pattern" = "^https?://[^\\s/?#]+[^\\s]*$", "format" = "uri", "x-form" = "a URL such as `https://models.example.com/v1`",
        "x-self-harness" = {"is": "CX"}
    ))]
    pub endpoint: Spanned<String>,
    /// The model's name at the endpoint. It runs the agent and writes the proposals.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "CX"}))]
    pub name: Spanned<String>,
    /// The name of the environment variable that holds the key; never the key itself.
    #[schemars(extend("pattern" = NAME, "x-self-harness" = {"is": "X", "rule": "SH701"}))]
    pub api_key_env: Option<Spanned<String>>,
    /// The most tokens that one call may answer with.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "CX"}))]
    pub max_output_tokens: Spanned<u64>,
    /// The size of the model's context in tokens, for `context_used` and compaction.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "CX"}))]
    pub context_window: Option<Spanned<u64>>,
    /// Sampling temperature; not sent unless it is set.
    #[schemars(extend("minimum" = 0, "x-self-harness" = {"is": "CX"}))]
    pub temperature: Option<Spanned<f64>>,
    /// Nucleus sampling; not sent unless it is set.
    #[schemars(extend("minimum" = 0, "maximum" = 1, "x-self-harness" = {"is": "CX"}))]
    pub top_p: Option<Spanned<f64>>,
    /// Where the seed of each request is drawn from; repeats of a task get different ones.
    #[schemars(extend("x-self-harness" = {"is": "CX"}))]
    pub seed: Option<Spanned<i64>>,
    /// More fields of the request's body, sent as they are.
    #[schemars(extend("type" = "object", "additionalProperties" = true, "x-self-harness" = {"is": "CX"}))]
    pub request: Option<Spanned<Json>>,
    /// Whether answers are streamed.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub stream: Spanned<bool>,
    /// How long one call may take.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub timeout: Spanned<Duration>,
    /// How often a call is tried again when the provider fails; waiting stops the trial's clock.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub retries: Spanned<u32>,
    /// Prices per million tokens, in USD.
    pub price: Option<Spanned<Price>>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            protocol: Protocol::Openai.into(),
            endpoint: Spanned::default(),
            name: Spanned::default(),
            api_key_env: None,
            max_output_tokens: 8192.into(),
            context_window: None,
            temperature: None,
            top_p: None,
            seed: None,
            request: None,
            stream: false.into(),
            timeout: Duration::from_secs(600).into(),
            retries: 6.into(),
            price: None,
        }
    }
}

/// How a model is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Chat completions, as most servers speak them.
    #[default]
    Openai,
    /// Anthropic messages.
    Anthropic,
}

/// Prices per million tokens, in USD.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["input", "output"]))]
pub struct Price {
    /// Of a million input tokens.
    #[schemars(extend("minimum" = 0))]
    pub input: Spanned<f64>,
    /// Of a million output tokens.
    #[schemars(extend("minimum" = 0))]
    pub output: Spanned<f64>,
    /// Of a million input tokens that the provider had cached; the price of input if it is not set.
    #[schemars(extend("minimum" = 0))]
    pub cached_input: Option<Spanned<f64>>,
    /// Of a million tokens that are written to the provider's cache; the price of input if it is not set.
    #[schemars(extend("minimum" = 0))]
    pub cache_write: Option<Spanned<f64>>,
}
