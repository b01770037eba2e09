//! Messages of OpenAI chat completions, as a list, in `messages`, or one in a line. The relay records so.

use serde_json::Value;

use super::parts::{content, filled, openai_calls, openai_usage, text};
use super::{Read, Record};
use crate::engine::trace::{Observation, Source, Step, Trace};

pub(super) fn is(record: &Record) -> bool {
    let messages = messages(record);
    let is_message = |value: &Value| {
        let role = text(value, "role");
        role.is_some_and(|role| {
            ["system", "developer", "user", "assistant", "tool", "function"].contains(&role)
        })
    };
    !messages.is_empty() && messages.iter().all(is_message)
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let origin = |index: usize| match record {
        Record::Lines(_) => format!("line {}", index + 1),
        Record::Document(Value::Array(_)) => format!("/{index}"),
        _ => format!("/messages/{index}"),
    };
    for (index, message) in messages(record).iter().enumerate() {
        add(message, origin(index), &mut read);
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

fn messages(record: &Record) -> &[Value] {
    match record {
        Record::Lines(lines) => lines,
        Record::Document(Value::Array(items)) => items,
        Record::Document(document) => super::parts::list(document, "messages"),
        Record::Text => &[],
    }
}

/// Adds one message.
pub(super) fn add(message: &Value, origin: String, read: &mut Read) {
    let source = match text(message, "role") {
        Some("tool" | "function") => {
            let id = text(message, "tool_call_id");
            let observation = Observation::text(content(message.get("content")));
            read.stray += usize::from(!read.trace.observe(id, observation));
            return;
        }
        Some("system" | "developer") => Source::System,
        Some("assistant") => Source::Agent,
        _ => Source::User,
    };
    let mut said = content(message.get("content"));
    if let Some(refusal) = filled(message, "refusal").filter(|_| said.is_empty()) {
        said = refusal;
    }
    read.trace.push(Step {
        calls: openai_calls(message),
        reasoning: filled(message, "reasoning_content").or_else(|| filled(message, "reasoning")),
        usage: openai_usage(message.get("usage")),
        started: filled(message, "timestamp"),
        stop_reason: filled(message, "finish_reason"),
        ..Step::said(source, said, origin)
    });
}
