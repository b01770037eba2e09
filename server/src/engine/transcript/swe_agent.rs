//! SWE-agent's `.traj` files: a list of turns, each a thought, an action and what came back.

use serde_json::Value;

use super::parts::{arguments, filled, list, openai_calls, text};
use super::{Read, Record};
use crate::engine::trace::{Agent, Arguments, Call, End, Observation, Source, Step, Trace};

pub(super) fn is(record: &Record) -> bool {
    matches!(record, Record::Document(document) if document.get("trajectory").is_some_and(Value::is_array) && document.get("info").is_some())
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let Record::Document(document) = record else { return read };
    let info = document.get("info").unwrap_or(&Value::Null);
    read.trace.agent =
        Agent { name: String::from("swe-agent"), version: filled(info, "swe_agent_version"), model: None };
    read.trace.end = text(info, "exit_status").and_then(end);
    let turns = list(document, "trajectory");
    // What the model was asked stands in the first query, or in the history beside the turns.
    let first = turns.first().map(|turn| {
        let query = list(turn, "query");
        if query.is_empty() { list(turn, "messages") } else { query }
    });
    let asked = first.filter(|asked| !asked.is_empty()).unwrap_or_else(|| list(document, "history"));
    let opening = asked.iter().take_while(|message| text(message, "role") != Some("assistant"));
    for (index, message) in opening.enumerate() {
        let source = if text(message, "role") == Some("system") { Source::System } else { Source::User };
        let said = super::parts::content(message.get("content"));
        read.trace.push(Step::said(source, said, format!("/trajectory/0/query/{index}")));
    }
    for (index, turn) in turns.iter().enumerate() {
        self::turn(turn, format!("/trajectory/{index}"), &mut read);
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

fn turn(turn: &Value, origin: String, read: &mut Read) {
    let mut calls = openai_calls(turn);
    let action = text(turn, "action").unwrap_or_default().trim();
    if calls.is_empty() && !action.is_empty() {
        let arguments = Arguments::Json(serde_json::json!({"command": action}));
        calls.push(Call {
            id: None,
            tool: String::from("bash"),
            arguments,
            schema_ok: None,
            observation: None,
        });
    }
    // A message of an old version has its calls in a thought.
    if calls.is_empty()
        && let Some(call) = turn.get("tool_call")
        && let Some(name) = text(call, "name")
    {
        let arguments = arguments(call.get("arguments"));
        calls.push(Call { id: None, tool: name.to_owned(), arguments, schema_ok: None, observation: None });
    }
    let message = filled(turn, "response").or_else(|| filled(turn, "thought")).unwrap_or_default();
    let mut step = Step { calls, ..Step::said(Source::Agent, message, origin) };
    if let Some(result) = filled(turn, "observation") {
        let timed_out = result.contains("EXECUTION TIMED OUT")
            || result.contains("was cancelled because it took more than");
        let exit = turn.pointer("/extra_info/exit_code").and_then(Value::as_i64);
        let observation = Observation { exit, timed_out, ..Observation::text(result) };
        read.stray += usize::from(!step.observe(None, observation));
    }
    read.trace.push(step);
}

/// `submitted (exit_cost)` handed in what there was when the money ended.
fn end(status: &str) -> Option<End> {
    let cause = status.strip_prefix("submitted (").and_then(|rest| rest.strip_suffix(')')).unwrap_or(status);
    Some(match cause {
        "" => return None,
        "submitted" => End::Finished,
        "exit_context" => End::Context,
        "exit_cost" => End::Cost,
        "exit_command_timeout" | "exit_total_execution_time" => End::Time,
        "exit_api" => End::Provider,
        other => End::Crashed(other.to_owned()),
    })
}
