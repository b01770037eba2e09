//! mini-swe-agent's own record, `trajectory_format` `mini-swe-agent-1.1`: chat messages with an `extra` each.

use serde_json::Value;

use super::parts::{content, filled, list, openai_usage, text};
use super::{Read, Record, chat};
use crate::engine::trace::{Agent, Arguments, Call, End, Observation, Source, Trace};

/// What it writes, with the exit code -1, beside calls that it leaves out because the run is over: the one that submits among them
/// (`actions_toolcall.py` of version 2.4.6).
const NOT_EXECUTED: &str = "action was not executed";

pub(super) fn is(record: &Record) -> bool {
    matches!(record, Record::Document(document) if text(document, "trajectory_format").is_some_and(|format| format.starts_with("mini-swe-agent-1")))
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let Record::Document(document) = record else { return read };
    let info = document.get("info").unwrap_or(&Value::Null);
    let model = info.pointer("/config/model/model_name").and_then(Value::as_str);
    read.trace.agent = Agent {
        name: String::from("mini-swe-agent"),
        version: filled(info, "mini_version"),
        model: model.map(str::to_owned),
    };
    let limit = info.pointer("/config/agent/step_limit").and_then(Value::as_u64);
    read.trace.max_steps = limit.filter(|limit| 0 < *limit);
    let status = text(info, "exit_status").unwrap_or_default();
    let submission = text(info, "submission").unwrap_or_default();
    read.trace.end = end(status, submission, info, read.trace.max_steps);
    for (index, message) in list(document, "messages").iter().enumerate() {
        add(message, format!("/messages/{index}"), &mut read);
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

fn add(message: &Value, origin: String, read: &mut Read) {
    let extra = message.get("extra").unwrap_or(&Value::Null);
    match text(message, "role") {
        Some("exit") => {}
        Some("tool") => {
            let result = observation(message, extra);
            read.stray += usize::from(!read.trace.observe(text(message, "tool_call_id"), result));
        }
        // Without tool calls the answer to a command is a user message with its exit code.
        Some("user") if extra.get("returncode").is_some() => {
            let result = observation(message, extra);
            read.stray += usize::from(!read.trace.observe(None, result));
        }
        Some("assistant") => {
            chat::add(message, origin, read);
            let Some(step) = read.trace.steps.last_mut() else { return };
            step.usage = openai_usage(extra.pointer("/response/usage")).map(|usage| {
                let cost = extra.get("cost").and_then(Value::as_f64);
                crate::engine::trace::Usage { cost: cost.or(usage.cost), ..usage }
            });
            step.started = step.started.take().or_else(|| filled(extra, "timestamp"));
            if step.calls.is_empty() {
                step.calls = list(extra, "actions").iter().filter_map(action).collect();
            }
        }
        _ => chat::add(message, origin, read),
    }
}

/// An action of an agent that has no tool calls.
fn action(raw: &Value) -> Option<Call> {
    let command = raw.as_str().or_else(|| text(raw, "command")).or_else(|| text(raw, "action"))?;
    let arguments = Arguments::Json(serde_json::json!({"command": command}));
    let id = text(raw, "tool_call_id").map(str::to_owned);
    Some(Call { id, tool: String::from("bash"), arguments, schema_ok: None, observation: None })
}

fn observation(message: &Value, extra: &Value) -> Observation {
    let exception = text(extra, "exception_info").or_else(|| text(extra, "exception")).unwrap_or_default();
    let raw = text(extra, "raw_output").map(str::to_owned);
    Observation {
        text: raw.unwrap_or_else(|| content(message.get("content"))).into(),
        exit: extra.get("returncode").and_then(Value::as_i64).filter(|_| exception != NOT_EXECUTED),
        timed_out: exception.contains("timed out") || exception.contains("TimeoutExpired"),
        ..Observation::default()
    }
}

fn end(status: &str, submission: &str, info: &Value, max_steps: Option<u64>) -> Option<End> {
    Some(match status {
        "" => return None,
        "Submitted" => End::Finished,
        "LimitsExceeded" => {
            let calls = info.pointer("/model_stats/api_calls").and_then(Value::as_u64);
            let has_no_step_limit =
                info.pointer("/config/agent/step_limit").and_then(Value::as_u64) == Some(0);
            match (calls, max_steps) {
                // What is not limited was not exceeded.
                _ if has_no_step_limit => End::Cost,
                (Some(calls), Some(limit)) if calls < limit => End::Cost,
                _ => End::Steps,
            }
        }
        "TimeExceeded" => End::Time,
        other if submission.is_empty() => End::Crashed(other.to_owned()),
        other => End::Crashed(format!("{other}: {submission}")),
    })
}
