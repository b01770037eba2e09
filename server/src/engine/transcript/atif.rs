//! ATIF, Harbor's Agent Trajectory Interchange Format, versions 1.0 to 1.8.

use serde_json::Value;

use super::parts::{content, count, filled, list, text};
use super::{Read, Record};
use crate::engine::trace::{Agent, Arguments, Call, End, Observation, Source, Step, Trace, Usage};

pub(super) fn is(record: &Record) -> bool {
    matches!(record, Record::Document(document) if text(document, "schema_version").is_some_and(|version| version.starts_with("ATIF-v1.")))
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    if let Record::Document(document) = record {
        let agent = document.get("agent").unwrap_or(&Value::Null);
        read.trace.agent = Agent {
            name: filled(agent, "name").unwrap_or_default(),
            version: filled(agent, "version"),
            model: filled(agent, "model_name"),
        };
        let definitions = list(agent, "tool_definitions").iter();
        let names = definitions.filter_map(|tool| text(tool.get("function").unwrap_or(tool), "name"));
        read.trace.offered_tools = names.map(str::to_owned).collect();
        read.trace.end = document.pointer("/extra/end").and_then(Value::as_str).and_then(end);
        trajectory(document, "", &[], &mut read);
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

/// The steps of a trajectory and of what it embeds.
fn trajectory(document: &Value, pointer: &str, path: &[String], read: &mut Read) {
    for (index, raw) in list(document, "steps").iter().enumerate() {
        if raw.get("is_copied_context").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let (step, stray) = self::step(raw, format!("{pointer}/steps/{index}"), path);
        read.trace.push(step);
        read.stray += stray;
    }
    for (index, inner) in list(document, "subagent_trajectories").iter().enumerate() {
        let name =
            inner.get("agent").and_then(|agent| text(agent, "name")).or_else(|| text(inner, "trajectory_id"));
        let mut path = path.to_vec();
        path.push(name.unwrap_or("subagent").to_owned());
        trajectory(inner, &format!("{pointer}/subagent_trajectories/{index}"), &path, read);
    }
}

fn step(raw: &Value, origin: String, path: &[String]) -> (Step, usize) {
    let source = match text(raw, "source") {
        Some("system") => Source::System,
        Some("agent") => Source::Agent,
        _ => Source::User,
    };
    let extra = raw.get("extra").unwrap_or(&Value::Null);
    let metrics = raw.get("metrics").unwrap_or(&Value::Null);
    let usage = count(metrics, "prompt_tokens").map(|input| Usage {
        input,
        cached: count(metrics, "cached_tokens").unwrap_or_default(),
        output: count(metrics, "completion_tokens").unwrap_or_default(),
        cost: metrics.get("cost_usd").and_then(Value::as_f64),
    });
    let mut step = Step {
        source,
        message: content(raw.get("message")),
        reasoning: filled(raw, "reasoning_content"),
        calls: list(raw, "tool_calls").iter().map(call).collect(),
        started: filled(raw, "timestamp"),
        usage,
        stop_reason: filled(extra, "stop_reason"),
        state: filled(extra, "state"),
        rule: filled(extra, "rule"),
        agent_path: path.to_vec(),
        origin,
        ..Step::default()
    };
    let results = list(raw.get("observation").unwrap_or(&Value::Null), "results");
    let mut stray = 0;
    for result in results {
        let extra = result.get("extra").unwrap_or(&Value::Null);
        let truth = |key: &str| extra.get(key).and_then(Value::as_bool).unwrap_or_default();
        let observation = Observation {
            text: content(result.get("content")),
            exit: extra.get("exit_code").and_then(Value::as_i64),
            timed_out: truth("timed_out"),
            truncated: truth("truncated"),
            shared: false,
            failed: extra.get("failed").and_then(Value::as_bool),
        };
        let id = text(result, "source_call_id");
        stray += usize::from(!step.observe(id, observation));
    }
    (step, stray)
}

fn call(raw: &Value) -> Call {
    let arguments = match raw.get("arguments") {
        None | Some(Value::Null) => Arguments::written(""),
        Some(value) => match raw.pointer("/extra/raw_arguments").and_then(Value::as_str) {
            // What the model wrote is no JSON, and the format has no other place for it.
            Some(written) => Arguments::Raw(written.to_owned()),
            None => Arguments::Json(value.clone()),
        },
    };
    let id = filled(raw, "tool_call_id");
    let schema_ok = raw.pointer("/extra/schema_ok").and_then(Value::as_bool);
    Call {
        id,
        tool: filled(raw, "function_name").unwrap_or_default(),
        arguments,
        schema_ok,
        observation: None,
    }
}

/// The end that was written into `extra`.
fn end(word: &str) -> Option<End> {
    Some(match word {
        "finished" => End::Finished,
        "steps" => End::Steps,
        "tokens" => End::Tokens,
        "cost" => End::Cost,
        "time" => End::Time,
        "context" => End::Context,
        "provider" => End::Provider,
        "killed" => End::Killed,
        other => End::Crashed(
            other.strip_prefix("crashed: ").or_else(|| other.strip_prefix("crashed"))?.to_owned(),
        ),
    })
}
