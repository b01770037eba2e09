//! Writes a trace as ATIF v1.8, Harbor's Agent Trajectory Interchange Format. What the format has no place for goes into
//! `extra`; reading it again gives the same trace.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::trace::{Arguments, Call, End, Observation, Source, Step, Trace};

/// The version that is written.
pub const VERSION: &str = "ATIF-v1.8";

/// What the record says beside the trace. No split, no path of the host and no key belongs here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The trial.
    pub trial: String,
    /// The digest of the harness.
    pub harness: String,
    /// The digest of the contract.
    pub contract: String,
    /// The tools as they were offered to the model, in OpenAI's form.
    pub tool_definitions: Vec<Value>,
}

/// The trace as ATIF.
#[must_use]
pub fn write(trace: &Trace, about: &About) -> Value {
    let mut root = head(trace, about);
    let steps = trace.steps.iter().enumerate().map(|(index, step)| self::step(index + 1, step));
    root.insert("steps".to_owned(), steps.collect());
    Value::Object(root)
}

/// The trace as ATIF, step by step: one that is large is never in memory a second time. What is written is what
/// [`write()`] gives, after `change` has seen it, part by part.
pub struct Written<'a, C> {
    /// What is written.
    pub trace: &'a Trace,
    /// What is said beside it.
    pub about: &'a About,
    /// Changes each part before it is written.
    pub change: C,
}

impl<C: Fn(&mut Value)> Serialize for Written<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut root = Value::Object(head(self.trace, self.about));
        (self.change)(&mut root);
        let root = root.as_object().into_iter().flatten();
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in root {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("steps", &Steps(self))?;
        map.end()
    }
}

struct Steps<'a, C>(&'a Written<'a, C>);

impl<C: Fn(&mut Value)> Serialize for Steps<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let steps = self.0.trace.steps.iter().enumerate().map(|(index, step)| {
            let mut value = self::step(index + 1, step);
            (self.0.change)(&mut value);
            value
        });
        serializer.collect_seq(steps)
    }
}

/// Everything but the steps.
fn head(trace: &Trace, about: &About) -> Map<String, Value> {
    let mut agent = object([
        ("name", json!(filled(&trace.agent.name).unwrap_or("unknown"))),
        ("version", json!(trace.agent.version.as_deref().unwrap_or("unknown"))),
    ]);
    insert(&mut agent, "model_name", trace.agent.model.as_deref().map(Value::from));
    insert(&mut agent, "tool_definitions", list(about.tool_definitions.clone()));
    let digests = [("harness_digest", &about.harness), ("contract_digest", &about.contract)];
    let digests = digests.into_iter().filter(|(_, digest)| !digest.is_empty());
    let digests: Map<String, Value> = digests.map(|(key, digest)| (key.to_owned(), json!(digest))).collect();
    insert(&mut agent, "extra", Some(digests).filter(|digests| !digests.is_empty()).map(Value::Object));
    let mut extra = Map::new();
    insert(&mut extra, "trial", filled(&about.trial).map(Value::from));
    insert(&mut extra, "end", trace.end.as_ref().map(|end| Value::from(end_word(end))));
    let mut root = object([
        ("schema_version", json!(VERSION)),
        ("session_id", json!(filled(&about.trial).unwrap_or("trial"))),
        ("agent", Value::Object(agent)),
    ]);
    insert(&mut root, "final_metrics", metrics(trace, trace.steps.len()));
    insert(&mut root, "extra", Some(extra).filter(|extra| !extra.is_empty()).map(Value::Object));
    root
}

fn end_word(end: &End) -> String {
    match end {
        End::Crashed(reason) if reason.is_empty() => String::from("crashed"),
        End::Crashed(reason) => format!("crashed: {reason}"),
        end => end.word().to_owned(),
    }
}

fn step(number: usize, step: &Step) -> Value {
    let source = match step.source {
        Source::System => "system",
        Source::User => "user",
        Source::Agent => "agent",
    };
    let mut out =
        object([("step_id", json!(number)), ("source", json!(source)), ("message", json!(step.message))]);
    insert(&mut out, "timestamp", step.started.as_deref().map(Value::from));
    let is_agent = step.source == Source::Agent;
    if is_agent {
        insert(&mut out, "reasoning_content", step.reasoning.as_deref().map(Value::from));
        insert(
            &mut out,
            "tool_calls",
            list(step.calls.iter().enumerate().map(|(at, made)| call(number, at, made)).collect()),
        );
        insert(&mut out, "observation", observation(number, step));
        insert(
            &mut out,
            "metrics",
            step.usage.map(|usage| {
                let mut metrics = object([
                    ("prompt_tokens", json!(usage.input)),
                    ("completion_tokens", json!(usage.output)),
                    ("cached_tokens", json!(usage.cached)),
                ]);
                insert(&mut metrics, "cost_usd", usage.cost.map(Value::from));
                Value::Object(metrics)
            }),
        );
        out.insert("llm_call_count".to_owned(), json!(1));
    }
    let mut extra = Map::new();
    insert(&mut extra, "stop_reason", step.stop_reason.as_deref().map(Value::from));
    insert(&mut extra, "state", step.state.as_deref().map(Value::from));
    insert(&mut extra, "rule", step.rule.as_deref().map(Value::from));
    insert(&mut out, "extra", Some(extra).filter(|extra| !extra.is_empty()).map(Value::Object));
    Value::Object(out)
}

/// Every call has an id in the format; one that had none gets its place.
fn id(step: usize, at: usize, call: &Call) -> String {
    call.id.clone().unwrap_or_else(|| format!("call-{step}-{}", at + 1))
}

fn call(step: usize, at: usize, call: &Call) -> Value {
    let mut extra = Map::new();
    let arguments = match &call.arguments {
        Arguments::Json(value @ Value::Object(_)) => value.clone(),
        Arguments::Json(value) => {
            extra.insert("raw_arguments".to_owned(), json!(value.to_string()));
            json!({})
        }
        Arguments::Raw(written) => {
            extra.insert("raw_arguments".to_owned(), json!(written));
            json!({})
        }
    };
    insert(&mut extra, "schema_ok", call.schema_ok.map(Value::from));
    let mut out = object([
        ("tool_call_id", json!(id(step, at, call))),
        ("function_name", json!(call.tool)),
        ("arguments", arguments),
    ]);
    insert(&mut out, "extra", Some(extra).filter(|extra| !extra.is_empty()).map(Value::Object));
    Value::Object(out)
}

fn observation(number: usize, step: &Step) -> Option<Value> {
    let results = step.calls.iter().enumerate().filter_map(|(at, call)| {
        let observation = call.observation.as_ref()?;
        let mut out = object([("content", json!(observation.text.as_str()))]);
        if !observation.shared {
            out.insert("source_call_id".to_owned(), json!(id(number, at, call)));
        }
        insert(
            &mut out,
            "extra",
            Some(details(observation)).filter(|extra| !extra.is_empty()).map(Value::Object),
        );
        Some(Value::Object(out))
    });
    let results: Vec<Value> = results.collect();
    (!results.is_empty()).then(|| json!({"results": results}))
}

fn details(observation: &Observation) -> Map<String, Value> {
    let mut extra = Map::new();
    insert(&mut extra, "exit_code", observation.exit.map(Value::from));
    insert(&mut extra, "timed_out", observation.timed_out.then_some(Value::Bool(true)));
    insert(&mut extra, "truncated", observation.truncated.then_some(Value::Bool(true)));
    insert(&mut extra, "failed", observation.failed.map(Value::from));
    extra
}

/// The sums over all steps; none if no step says what it took.
fn metrics(trace: &Trace, steps: usize) -> Option<Value> {
    let used: Vec<_> = trace.steps.iter().filter_map(|step| step.usage).collect();
    if used.is_empty() {
        return None;
    }
    let sum = |part: fn(&super::trace::Usage) -> u64| used.iter().map(part).sum::<u64>();
    let costs: Vec<f64> = used.iter().filter_map(|usage| usage.cost).collect();
    let mut out = object([
        ("total_prompt_tokens", json!(sum(|usage| usage.input))),
        ("total_completion_tokens", json!(sum(|usage| usage.output))),
        ("total_cached_tokens", json!(sum(|usage| usage.cached))),
        ("total_steps", json!(steps)),
    ]);
    insert(&mut out, "total_cost_usd", (!costs.is_empty()).then(|| json!(costs.iter().sum::<f64>())));
    Some(Value::Object(out))
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn insert(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
