//! LangChain messages as `messages_to_dict` writes them: a list of `{type, data}`, which deepagents leaves.

use serde_json::Value;

use super::parts::{arguments, call, content, count, filled, list, text};
use super::{Read, Record};
use crate::engine::trace::{Arguments, Observation, Source, Step, Trace, Usage};

const KINDS: [&str; 4] = ["human", "ai", "tool", "system"];

pub(super) fn is(record: &Record) -> bool {
    let Record::Document(Value::Array(items)) = record else { return false };
    let is_message = |item: &Value| {
        text(item, "type").is_some_and(|kind| KINDS.contains(&kind)) && item.get("data").is_some()
    };
    !items.is_empty() && items.iter().all(is_message)
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let Record::Document(Value::Array(items)) = record else { return read };
    for (index, item) in items.iter().enumerate() {
        let data = item.get("data").unwrap_or(&Value::Null);
        let origin = format!("/{index}");
        let said = content(data.get("content"));
        match text(item, "type") {
            Some("tool") => {
                let observation = observation(data, said);
                read.stray += usize::from(!read.trace.observe(text(data, "tool_call_id"), observation));
            }
            Some("ai") => read.trace.push(answer(data, said, origin)),
            Some("system") => read.trace.push(Step::said(Source::System, said, origin)),
            _ => read.trace.push(Step::said(Source::User, said, origin)),
        }
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    let model = items.iter().find_map(|item| item.pointer("/data/response_metadata/model_name")?.as_str());
    read.trace.agent.model = model.map(str::to_owned);
    read
}

fn answer(data: &Value, said: String, origin: String) -> Step {
    let valid = list(data, "tool_calls").iter().filter_map(|raw| {
        let name = text(raw, "name")?;
        Some(call(text(raw, "id"), name, arguments(raw.get("args"))))
    });
    // What did not parse keeps the model's own words.
    let invalid = list(data, "invalid_tool_calls").iter().map(|raw| {
        let written = text(raw, "args").unwrap_or_default().to_owned();
        call(text(raw, "id"), text(raw, "name").unwrap_or_default(), Arguments::Raw(written))
    });
    let metadata = data.get("usage_metadata").unwrap_or(&Value::Null);
    let usage = count(metadata, "input_tokens").map(|input| Usage {
        input,
        cached: metadata
            .pointer("/input_token_details/cache_read")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        output: count(metadata, "output_tokens").unwrap_or_default(),
        cost: None,
    });
    let stop_reason = data
        .get("response_metadata")
        .and_then(|metadata| filled(metadata, "finish_reason").or_else(|| filled(metadata, "stop_reason")));
    let calls = valid.chain(invalid).collect();
    Step { calls, usage, stop_reason, ..Step::said(Source::Agent, said, origin) }
}

/// A result is only right if it says so and its exit code, if there is one, too: deepagents says `success` of a command that
/// failed.
fn observation(data: &Value, said: String) -> Observation {
    let exit = data.pointer("/artifact/exit_code").and_then(Value::as_i64);
    let failed = text(data, "status").map(|status| status != "success" || exit.is_some_and(|exit| exit != 0));
    let truncated = data.pointer("/artifact/truncated").and_then(Value::as_bool).unwrap_or_default();
    Observation { exit, failed, truncated, ..Observation::text(said) }
}
