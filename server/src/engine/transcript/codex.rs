//! Codex: the JSON lines of a rollout, `{type, payload, timestamp}`.

use serde_json::Value;

use super::parts::{arguments, call, content, count, filled, list, text};
use super::{Read, Record};
use crate::engine::trace::{Arguments, Observation, Source, Step, Trace, Usage};

const KINDS: [&str; 6] =
    ["session_meta", "turn_context", "response_item", "event_msg", "compacted", "ghost_snapshot"];

pub(super) fn is(record: &Record) -> bool {
    let is_line = |line: &Value| {
        text(line, "type").is_some_and(|kind| KINDS.contains(&kind)) && line.get("payload").is_some()
    };
    matches!(record, Record::Lines(lines) if lines.iter().any(|line| text(line, "type") == Some("response_item")) && lines.iter().all(is_line))
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let Record::Lines(lines) = record else { return read };
    read.trace.agent.name = String::from("codex");
    // The step of the model call that is not closed yet.
    let mut open: Option<Step> = None;
    for (index, line) in lines.iter().enumerate() {
        let payload = line.get("payload").unwrap_or(&Value::Null);
        let origin = format!("line {}", index + 1);
        match text(line, "type") {
            Some("session_meta") => {
                read.trace.agent.version = filled(payload, "cli_version");
                if let Some(prompt) = filled(payload, "instructions").or_else(|| {
                    payload.pointer("/base_instructions/text").and_then(Value::as_str).map(str::to_owned)
                }) {
                    read.trace.push(Step::said(Source::System, prompt, origin));
                }
            }
            Some("turn_context") => read.trace.agent.model = filled(payload, "model"),
            Some("response_item") => {
                let time = filled(line, "timestamp");
                item(payload, origin, time, &mut open, &mut read);
            }
            Some("event_msg") if text(payload, "type") == Some("token_count") => {
                if let Some(step) = &mut open {
                    step.usage = usage(payload);
                }
                close(&mut open, &mut read);
            }
            _ => {}
        }
    }
    close(&mut open, &mut read);
    let mut said = read.trace.steps.iter().filter(|step| step.source == Source::User);
    // What the program tells the model about its surroundings comes as the user, in tags.
    let instruction = said.find(|step| !step.message.trim_start().starts_with('<'));
    read.trace.instruction = instruction.map(|step| step.message.clone());
    read
}

fn close(open: &mut Option<Step>, read: &mut Read) {
    if let Some(step) = open.take() {
        read.trace.push(step);
    }
}

fn item(payload: &Value, origin: String, time: Option<String>, open: &mut Option<Step>, read: &mut Read) {
    let start = |open: &mut Option<Step>| {
        open.get_or_insert_with(|| Step {
            started: time.clone(),
            ..Step::said(Source::Agent, "", origin.clone())
        });
    };
    match text(payload, "type").unwrap_or_default() {
        "message" => {
            let said = content(payload.get("content"));
            let source = match text(payload, "role") {
                Some("assistant") => {
                    start(open);
                    if let Some(step) = open {
                        if !step.message.is_empty() {
                            step.message.push('\n');
                        }
                        step.message.push_str(&said);
                    }
                    return;
                }
                Some("system" | "developer") => Source::System,
                _ => Source::User,
            };
            close(open, read);
            read.trace.push(Step { started: time, ..Step::said(source, said, origin) });
        }
        "reasoning" => {
            let thoughts: Vec<&str> =
                list(payload, "summary").iter().filter_map(|part| text(part, "text")).collect();
            start(open);
            if let Some(step) = open.as_mut().filter(|_| !thoughts.is_empty()) {
                step.reasoning = Some(thoughts.join("\n"));
            }
        }
        kind @ ("function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call") => {
            let name = text(payload, "name").unwrap_or(match kind {
                "local_shell_call" => "shell",
                "web_search_call" => "web_search",
                _ => "",
            });
            let arguments = match kind {
                "custom_tool_call" => match text(payload, "input") {
                    // A custom tool takes text, which is no failed JSON.
                    Some(input) => Arguments::Json(serde_json::json!({"input": input})),
                    None => arguments(payload.get("input")),
                },
                "function_call" => arguments(payload.get("arguments")),
                _ => arguments(payload.get("action")),
            };
            let call = call(text(payload, "call_id"), name, arguments);
            start(open);
            if let Some(step) = open {
                step.calls.push(call);
            }
        }
        kind if kind.ends_with("_output") => {
            let id = text(payload, "call_id");
            let observation = observation(payload);
            let in_open = open.as_mut().is_some_and(|step| {
                let is_here = step.calls.iter().any(|call| call.id.as_deref() == id);
                is_here && step.observe(id, observation.clone())
            });
            if !in_open {
                read.stray += usize::from(!read.trace.observe(id, observation));
            }
        }
        _ => {}
    }
}

/// An output is text, JSON in a text with `output` and `metadata`, or parts.
fn observation(payload: &Value) -> Observation {
    let raw = payload.get("output").unwrap_or(&Value::Null);
    let inner =
        raw.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
    let shown = inner.as_ref().unwrap_or(raw);
    let said = match shown.get("output").or_else(|| shown.get("content")) {
        Some(said) => content(Some(said)),
        None => content(Some(raw)),
    };
    let exit = shown.pointer("/metadata/exit_code").or_else(|| payload.pointer("/metadata/exit_code"));
    let written =
        said.lines().find_map(|line| line.strip_prefix("Process exited with code ")?.trim().parse().ok());
    Observation { exit: exit.and_then(Value::as_i64).or(written), ..Observation::text(said) }
}

fn usage(payload: &Value) -> Option<Usage> {
    let last = payload.pointer("/info/last_token_usage")?;
    Some(Usage {
        input: count(last, "input_tokens")?,
        cached: count(last, "cached_input_tokens").unwrap_or_default(),
        output: count(last, "output_tokens").unwrap_or_default(),
        cost: None,
    })
}
