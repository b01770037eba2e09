//! Claude Code: the JSON lines of a session file, or the events of `--output-format=stream-json`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::parts::{anthropic_usage, arguments, call, content, filled, list, text};
use super::{Read, Record};
use crate::engine::trace::{End, Observation, Source, Step, Trace};

pub(super) fn is(record: &Record) -> bool {
    let is_event = |line: &Value| {
        let is_message = line.get("message").is_some_and(|message| message.get("content").is_some());
        let in_session = line.get("sessionId").is_some() || line.get("session_id").is_some();
        match text(line, "type") {
            Some("user" | "assistant") => is_message && in_session,
            Some("system" | "result") => in_session,
            _ => false,
        }
    };
    matches!(record, Record::Lines(lines) if lines.iter().any(is_event))
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let Record::Lines(lines) = record else { return read };
    read.trace.agent.name = String::from("claude-code");
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    // Subagents by the call that started them.
    let mut subagents: BTreeMap<String, String> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(uuid) = text(line, "uuid")
            && !seen.insert(uuid)
        {
            continue;
        }
        let origin = format!("line {}", index + 1);
        match text(line, "type") {
            Some("system") => start(line, &mut read),
            Some("assistant") => assistant(line, origin, &mut subagents, &mut read),
            Some("user") => user(line, origin, &subagents, &mut read),
            Some("result") => result(line, &mut read),
            _ => {}
        }
        if read.trace.agent.version.is_none() {
            read.trace.agent.version = filled(line, "version");
        }
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

fn start(line: &Value, read: &mut Read) {
    if text(line, "subtype") == Some("init") {
        read.trace.agent.model = filled(line, "model");
        let tools = list(line, "tools").iter().filter_map(Value::as_str).map(str::to_owned);
        read.trace.offered_tools = tools.collect();
    }
}

fn assistant(line: &Value, origin: String, subagents: &mut BTreeMap<String, String>, read: &mut Read) {
    let message = line.get("message").unwrap_or(&Value::Null);
    let parts = list(message, "content");
    let of_kind = |kind: &'static str| parts.iter().filter(move |part| text(part, "type") == Some(kind));
    let texts: Vec<&str> = of_kind("text").filter_map(|part| text(part, "text")).collect();
    let thoughts: Vec<&str> = of_kind("thinking").filter_map(|part| text(part, "thinking")).collect();
    let calls: Vec<_> = of_kind("tool_use")
        .filter_map(|part| Some(call(text(part, "id"), text(part, "name")?, arguments(part.get("input")))))
        .collect();
    for part in of_kind("tool_use") {
        let kind = part.pointer("/input/subagent_type").and_then(Value::as_str);
        if let (Some(id), Some(kind)) = (text(part, "id"), kind) {
            subagents.insert(id.to_owned(), kind.to_owned());
        }
    }
    let path = path(line, subagents);
    let id = text(message, "id").unwrap_or_default();
    read.trace.agent.model = read.trace.agent.model.take().or_else(|| filled(message, "model"));
    let usage = anthropic_usage(message.get("usage"));
    let stop_reason = filled(message, "stop_reason");
    // Every part of one message is a line of its own; together they are one step, and the last usage counts.
    let same = read.trace.steps.iter_mut().rev().take_while(|step| step.source == Source::Agent);
    let mut same = same.filter(|step| !id.is_empty() && step.origin.ends_with(id) && step.agent_path == path);
    if let Some(step) = same.next() {
        for text in texts {
            join(&mut step.message, text);
        }
        if !thoughts.is_empty() {
            join(step.reasoning.get_or_insert_default(), &thoughts.join("\n"));
        }
        step.calls.extend(calls);
        step.usage = usage.or(step.usage);
        step.stop_reason = stop_reason.or(step.stop_reason.take());
        return;
    }
    read.trace.push(Step {
        reasoning: Some(thoughts.join("\n")).filter(|thoughts| !thoughts.is_empty()),
        calls,
        usage,
        stop_reason,
        started: filled(line, "timestamp"),
        agent_path: path,
        ..Step::said(Source::Agent, texts.join("\n"), format!("{origin} {id}").trim_end())
    });
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}

fn user(line: &Value, origin: String, subagents: &BTreeMap<String, String>, read: &mut Read) {
    let message = line.get("message").unwrap_or(&Value::Null);
    let parts = match message.get("content") {
        Some(Value::Array(parts)) => parts.as_slice(),
        other => {
            let said = content(other);
            let path = path(line, subagents);
            read.trace.push(Step { agent_path: path, ..Step::said(Source::User, said, origin) });
            return;
        }
    };
    let mut said = Vec::new();
    for part in parts {
        if text(part, "type") == Some("tool_result") {
            let observation = observation(part, line.get("toolUseResult"));
            read.stray += usize::from(!read.trace.observe(text(part, "tool_use_id"), observation));
        } else if let Some(text) = text(part, "text") {
            said.push(text);
        }
    }
    if !said.is_empty() {
        let path = path(line, subagents);
        read.trace.push(Step { agent_path: path, ..Step::said(Source::User, said.join("\n"), origin) });
    }
}

fn observation(part: &Value, beside: Option<&Value>) -> Observation {
    let failed = part.get("is_error").and_then(Value::as_bool).unwrap_or_default();
    let interrupted = beside.and_then(|beside| beside.get("interrupted")).and_then(Value::as_bool);
    let said = content(part.get("content"));
    // The exit code of a failed command is only in its text.
    let exit = said.strip_prefix("Exit code ").and_then(|rest| rest.lines().next()?.trim().parse().ok());
    Observation {
        exit,
        timed_out: interrupted.unwrap_or_default() || said.contains("Command timed out after"),
        failed: Some(failed),
        ..Observation::text(said)
    }
}

/// The subagent that a line is about.
fn path(line: &Value, subagents: &BTreeMap<String, String>) -> Vec<String> {
    let parent = text(line, "parent_tool_use_id").or_else(|| text(line, "parentToolUseID"));
    if let Some(kind) = parent.and_then(|parent| subagents.get(parent)) {
        return vec![kind.clone()];
    }
    let is_aside = line.get("isSidechain").and_then(Value::as_bool).unwrap_or_default() || parent.is_some();
    if is_aside {
        vec![filled(line, "agentId").unwrap_or_else(|| String::from("subagent"))]
    } else {
        Vec::new()
    }
}

fn result(line: &Value, read: &mut Read) {
    read.trace.end = Some(match text(line, "subtype").unwrap_or_default() {
        "success" if line.get("is_error").and_then(Value::as_bool) != Some(true) => End::Finished,
        "error_max_turns" => End::Steps,
        "error_max_budget_usd" => End::Cost,
        other => End::Crashed(filled(line, "result").unwrap_or_else(|| other.to_owned())),
    });
    // The cost is only known of all.
    if let Some(cost) = line.get("total_cost_usd").and_then(Value::as_f64)
        && let Some(usage) = read.trace.steps.iter_mut().rev().find_map(|step| step.usage.as_mut())
    {
        usage.cost = Some(cost);
    }
}
