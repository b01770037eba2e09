//! How a model is called, as the manifest says it. Values only.

use std::time::Duration;

use harness_schema::manifest::{Model, Protocol};
use serde_json::{Map, Value};

use super::endpoint::{Endpoint, EndpointError};
use super::price::Pricing;
use super::retry::Backoff;

/// How a model is called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the endpoint is spoken to.
    pub protocol: Protocol,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The model's name.
    pub name: String,
    /// The most tokens that one call may answer with.
    pub max_output_tokens: u64,
    /// Sampling temperature, if it is sent.
    pub temperature: Option<f64>,
    /// Nucleus sampling, if it is sent.
    pub top_p: Option<f64>,
    /// More fields of the body. What makes a request ours wins over them (`model`, `messages`, `tools`, `stream`, …).
    pub request: Map<String, Value>,
    /// Whether answers are streamed.
    pub stream: bool,
    /// How long a call may take, without the waiting between attempts.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a streamed answer may pause.
    pub idle_timeout: Duration,
    /// How often a call is tried again.
    pub retries: u32,
    /// How long it waits before that, if the provider does not say.
    pub backoff: Backoff,
    /// What calls cost.
    pub pricing: Pricing,
}

impl Settings {
    /// The settings of the manifest's `[model]`.
    ///
    /// # Errors
    /// If `model.endpoint` is none.
    pub fn of(model: &Model) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::read(&model.endpoint)?;
        let timeout = Duration::from(model.timeout.value);
        let request = match model.request.as_ref().map(|request| request.to_json()) {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        Ok(Self {
            protocol: model.protocol.value,
            name: model.name.value.clone(),
            max_output_tokens: model.max_output_tokens.value,
            temperature: model.temperature.as_ref().map(|value| value.value),
            top_p: model.top_p.as_ref().map(|value| value.value),
            request,
            stream: model.stream.value,
            timeout,
            connect_timeout: timeout.min(Duration::from_secs(10)),
            idle_timeout: timeout.min(Duration::from_secs(120)),
            retries: model.retries.value,
            backoff: Backoff::default(),
            pricing: Pricing::of(model, &endpoint),
            endpoint,
        })
    }
}
