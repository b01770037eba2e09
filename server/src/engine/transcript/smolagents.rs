//! smolagents, `agent.memory.get_full_steps()` as JSON: a list of steps with a number, a task or a plan.

use serde_json::Value;

use super::parts::{arguments, call, content, count, filled, list, text};
use super::{Read, Record};
use crate::engine::trace::{End, Observation, Source, Step, Trace, Usage};

pub(super) fn is(record: &Record) -> bool {
    matches!(record, Record::Document(Value::Array(items)) if items.iter().any(|item| item.get("step_number").is_some()))
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let Record::Document(Value::Array(items)) = record else { return read };
    read.trace.agent.name = String::from("smolagents");
    for (index, item) in items.iter().enumerate() {
        let origin = format!("/{index}");
        if item.get("step_number").is_some() {
            self::item(item, origin, &mut read);
        } else if let Some(prompt) = filled(item, "system_prompt") {
            read.trace.push(Step::said(Source::System, prompt, origin));
        } else if let Some(said) = filled(item, "task").or_else(|| filled(item, "plan")) {
            read.trace.push(Step::said(Source::User, said, origin));
        }
    }
    read.trace.instruction = items.iter().find_map(|item| filled(item, "task"));
    let is_done = |item: &Value| item.get("is_final_answer").and_then(Value::as_bool) == Some(true);
    read.trace.end = items.last().map(|last| match error(last) {
        Some(error) if error.contains("max steps") || error.contains("MaxSteps") => End::Steps,
        Some(error) if !is_done(last) => End::Crashed(error),
        _ if is_done(last) => End::Finished,
        _ => End::Steps,
    });
    read
}

fn item(item: &Value, origin: String, read: &mut Read) {
    let calls = list(item, "tool_calls").iter().filter_map(|raw| {
        let function = raw.get("function").unwrap_or(raw);
        Some(call(text(raw, "id"), text(function, "name")?, arguments(function.get("arguments"))))
    });
    let usage = item.get("token_usage").and_then(|usage| {
        let output = count(usage, "output_tokens").unwrap_or_default();
        Some(Usage { input: count(usage, "input_tokens")?, cached: 0, output, cost: None })
    });
    let timing = item.get("timing").unwrap_or(&Value::Null);
    let time = |key: &str| timing.get(key).filter(|time| !time.is_null()).map(ToString::to_string);
    let said = content(item.get("model_output"));
    let mut step = Step {
        calls: calls.collect(),
        usage,
        started: time("start_time"),
        finished: time("end_time"),
        ..Step::said(Source::Agent, said, origin)
    };
    let seen = content(item.get("observations"));
    let error = error(item);
    if !seen.is_empty() || error.is_some() {
        let failed = Some(error.is_some());
        let text = [Some(seen).filter(|seen| !seen.is_empty()), error].into_iter().flatten();
        let observation = Observation { failed, ..Observation::text(text.collect::<Vec<_>>().join("\n")) };
        // An error may have come before any call: then it is what the model was told.
        if !step.observe(None, observation.clone()) {
            let origin = step.origin.clone();
            read.trace.push(step);
            read.trace.push(Step::said(Source::User, observation.text, origin));
            return;
        }
    }
    read.trace.push(step);
}

fn error(item: &Value) -> Option<String> {
    let error = item.get("error").filter(|error| !error.is_null())?;
    Some(filled(error, "message").unwrap_or_else(|| content(Some(error))))
}
