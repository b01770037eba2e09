//! Each format as its program writes it, and what is cut off or strange.

mod written;

use harness_schema::manifest::TranscriptFormat as Format;
use proptest::prelude::*;

use super::*;
use crate::engine::trace::{Arguments, End};

fn auto(source: &str) -> Trace {
    read(source, Format::Auto).unwrap_or_else(|error| panic!("{error}: {source}"))
}

/// A trace in one line for each step: speaker, text, `tool(arguments) → result [exit]`.
fn shown(trace: &Trace) -> Vec<String> {
    let step = |step: &crate::engine::trace::Step| {
        let calls = step.calls.iter().map(|call| {
            let arguments = match &call.arguments {
                Arguments::Json(value) => value.to_string(),
                Arguments::Raw(text) => format!("raw {text}"),
            };
            let result = call.observation.as_ref().map_or(String::from("nothing"), |seen| {
                let exit = seen.exit.map_or(String::new(), |exit| format!(" [{exit}]"));
                let failed = if seen.failed == Some(true) { " failed" } else { "" };
                let shared = if seen.shared { " shared" } else { "" };
                format!("{}{exit}{failed}{shared}", seen.text)
            });
            format!(" {}({arguments}) → {result}", call.tool)
        });
        let path = step.agent_path.iter().map(|part| format!("{part}/")).collect::<String>();
        format!("{path}{:?}: {}{}", step.source, step.message, calls.collect::<String>())
    };
    trace.steps.iter().map(step).collect()
}

#[test]
fn atif_of_terminus_has_one_result_for_several_calls() {
    let trace = auto(
        r#"{"schema_version": "ATIF-v1.8", "agent": {"name": "terminus-2", "version": "2.0.0", "model_name": "m"}, "steps": [
            {"step_id": 1, "source": "user", "message": "Do it."},
            {"step_id": 2, "source": "agent", "message": "Looks.", "metrics": {"prompt_tokens": 7, "completion_tokens": 2, "cached_tokens": 3, "cost_usd": 0.1},
             "tool_calls": [{"tool_call_id": "a", "function_name": "keys", "arguments": {"k": 1}}, {"tool_call_id": "b", "function_name": "keys", "arguments": {"k": 2}}],
             "observation": {"results": [{"content": "screen"}]}},
            {"step_id": 3, "source": "agent", "message": "old", "is_copied_context": true}]}"#,
    );
    assert_eq!(
        shown(&trace),
        ["User: Do it.", "Agent: Looks. keys({\"k\":1}) → nothing keys({\"k\":2}) → screen shared"]
    );
    assert_eq!(trace.instruction.as_deref(), Some("Do it."));
    assert_eq!(trace.steps[1].usage.map(|usage| (usage.input, usage.cached, usage.output)), Some((7, 3, 2)));
    assert_eq!(trace.losses, [Loss::SystemPrompt, Loss::ExitCodes, Loss::Times]);
}

#[test]
fn a_result_of_no_call_is_dropped_and_counted() {
    let trace = auto(
        r#"{"schema_version": "ATIF-v1.4", "agent": {"name": "x", "version": "0"}, "steps": [
            {"step_id": 1, "source": "agent", "message": "", "observation": {"results": [{"source_call_id": "c1_0", "content": ""}]}}]}"#,
    );
    assert!(trace.losses.contains(&Loss::StrayResults(1)), "{:?}", trace.losses);
}

#[test]
fn mini_swe_agent() {
    let trace = auto(
        r#"{"trajectory_format": "mini-swe-agent-1.1", "info": {"exit_status": "LimitsExceeded", "submission": "", "mini_version": "2.4.6",
            "model_stats": {"instance_cost": 0.2, "api_calls": 3}, "config": {"agent": {"step_limit": 3}, "model": {"model_name": "openai/m"}}},
          "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Task"},
            {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "c1", "function": {"name": "bash", "arguments": "{\"command\": \"ls\"}"}}],
             "extra": {"actions": [{"command": "ls", "tool_call_id": "c1"}], "cost": 0.1, "response": {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}}},
            {"role": "tool", "tool_call_id": "c1", "content": "<output>", "extra": {"raw_output": "a.txt", "returncode": 0, "exception_info": ""}},
            {"role": "assistant", "content": "", "extra": {"actions": []}},
            {"role": "user", "content": "No tool call.", "extra": {"interrupt_type": "FormatError"}},
            {"role": "exit", "content": "", "extra": {"exit_status": "LimitsExceeded"}}]}"#,
    );
    assert_eq!(
        shown(&trace),
        [
            "System: S",
            "User: Task",
            "Agent: I look. bash({\"command\":\"ls\"}) → a.txt [0]",
            "Agent: ",
            "User: No tool call."
        ]
    );
    assert_eq!((trace.end, trace.max_steps), (Some(End::Steps), Some(3)));
    assert_eq!(trace.steps[2].usage.and_then(|usage| usage.cost), Some(0.1));
}

#[test]
fn what_mini_swe_agent_did_not_execute_has_no_exit_code() {
    let trace = auto(
        r#"{"trajectory_format": "mini-swe-agent-1.1", "info": {"exit_status": "Submitted", "submission": ""},
          "messages": [{"role": "user", "content": "Task"},
            {"role": "assistant", "content": "Done.", "tool_calls": [{"id": "c1", "function": {"name": "bash", "arguments": "{\"command\": \"echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "", "extra": {"raw_output": "", "returncode": -1, "exception_info": "action was not executed"}},
            {"role": "exit", "content": "", "extra": {"exit_status": "Submitted"}}]}"#,
    );
    assert_eq!(trace.end, Some(End::Finished));
    assert_eq!(trace.steps[1].calls[0].observation.as_ref().unwrap().exit, None);
}

#[test]
fn swe_agent() {
    let trace = auto(
        r#"{"trajectory": [
            {"response": "Thought.", "thought": "Thought.", "action": "ls -la", "observation": "total 0", "state": {}, "query": [{"role": "system", "content": "S"}, {"role": "user", "content": "Issue"}]},
            {"response": "Done.", "action": "submit", "observation": ""}], "info": {"exit_status": "submitted (exit_cost)"}}"#,
    );
    assert_eq!(
        shown(&trace),
        [
            "System: S",
            "User: Issue",
            "Agent: Thought. bash({\"command\":\"ls -la\"}) → total 0",
            "Agent: Done. bash({\"command\":\"submit\"}) → nothing"
        ]
    );
    assert_eq!(trace.end, Some(End::Cost));
}

#[test]
fn langchain_says_success_of_what_failed() {
    let trace = auto(
        r#"[{"type": "human", "data": {"content": "Task"}},
            {"type": "ai", "data": {"content": [{"type": "text", "text": "Runs."}], "tool_calls": [{"name": "execute", "args": {"command": "false"}, "id": "1"}],
              "invalid_tool_calls": [{"name": "execute", "args": "{\"comm", "id": "2"}], "usage_metadata": {"input_tokens": 4, "output_tokens": 2},
              "response_metadata": {"finish_reason": "tool_calls", "model_name": "m"}}},
            {"type": "tool", "data": {"content": "", "tool_call_id": "1", "status": "success", "artifact": {"exit_code": 1}}}]"#,
    );
    assert_eq!(
        shown(&trace),
        [
            "User: Task",
            "Agent: Runs. execute({\"command\":\"false\"}) →  [1] failed execute(raw {\"comm) → nothing"
        ]
    );
    assert_eq!(trace.agent.model.as_deref(), Some("m"));
    assert!(trace.losses.contains(&Loss::SystemPrompt));
}

#[test]
fn smolagents() {
    let trace = auto(
        r#"[{"system_prompt": "S"}, {"task": "Count.", "task_images": null},
            {"step_number": 1, "model_output": "Calls.", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "count", "arguments": {"n": 1}}}],
             "observations": "1", "error": null, "token_usage": {"input_tokens": 3, "output_tokens": 1}, "is_final_answer": false},
            {"step_number": 2, "model_output": "Bad", "tool_calls": null, "observations": null, "error": {"type": "AgentParsingError", "message": "no tool call"}},
            {"step_number": 3, "model_output": "Ends.", "tool_calls": [{"function": {"name": "final_answer", "arguments": "1"}}], "is_final_answer": true}]"#,
    );
    assert_eq!(
        shown(&trace),
        [
            "System: S",
            "User: Count.",
            "Agent: Calls. count({\"n\":1}) → 1",
            "Agent: Bad",
            "User: no tool call",
            "Agent: Ends. final_answer(1) → nothing"
        ]
    );
    assert_eq!(trace.end, Some(End::Finished));
}

#[test]
fn claude_code_joins_the_lines_of_a_message() {
    let trace = auto(
        r#"{"type": "system", "subtype": "init", "session_id": "s", "tools": ["Bash", "Read"], "model": "m"}
{"type": "user", "sessionId": "s", "uuid": "u0", "message": {"role": "user", "content": "Task"}}
{"type": "assistant", "sessionId": "s", "uuid": "u1", "message": {"id": "msg_1", "content": [{"type": "thinking", "thinking": "Hm."}], "usage": {"input_tokens": 1, "output_tokens": 1}}}
{"type": "assistant", "sessionId": "s", "uuid": "u2", "message": {"id": "msg_1", "content": [{"type": "text", "text": "Looks."}], "usage": {"input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 3}}}
{"type": "assistant", "sessionId": "s", "uuid": "u3", "message": {"id": "msg_1", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "make"}}]}}
{"type": "assistant", "sessionId": "s", "uuid": "u3", "message": {"id": "msg_1", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "make"}}]}}
{"type": "user", "sessionId": "s", "uuid": "u4", "message": {"content": [{"type": "tool_result", "tool_use_id": "t1", "content": "Exit code 2\nno rule", "is_error": true}]}, "toolUseResult": "Error"}
{"type": "assistant", "sessionId": "s", "uuid": "u5", "isSidechain": true, "message": {"id": "msg_2", "content": [{"type": "text", "text": "Aside."}]}}
{"type": "result", "subtype": "error_max_turns", "is_error": true, "session_id": "s", "num_turns": 2, "total_cost_usd": 0.5}"#,
    );
    assert_eq!(
        shown(&trace),
        [
            "User: Task",
            "Agent: Looks. Bash({\"command\":\"make\"}) → Exit code 2\nno rule [2] failed",
            "subagent/Agent: Aside."
        ]
    );
    assert_eq!(trace.steps[1].reasoning.as_deref(), Some("Hm."));
    assert_eq!(trace.steps[1].usage.map(|usage| (usage.input, usage.cached)), Some((7, 5)));
    assert_eq!((trace.end, trace.offered_tools.len()), (Some(End::Steps), 2));
}

#[test]
fn codex_closes_a_model_call_with_its_tokens() {
    let trace = auto(
        r#"{"timestamp": "t0", "type": "session_meta", "payload": {"id": "x", "cli_version": "0.9", "instructions": "S"}}
{"timestamp": "t0", "type": "turn_context", "payload": {"model": "m"}}
{"timestamp": "t1", "type": "response_item", "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Task"}]}}
{"timestamp": "t2", "type": "response_item", "payload": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}}
{"timestamp": "t2", "type": "response_item", "payload": {"type": "function_call", "name": "shell", "arguments": "{\"command\":[\"ls\"]}", "call_id": "c1"}}
{"timestamp": "t3", "type": "event_msg", "payload": {"type": "token_count", "info": {"last_token_usage": {"input_tokens": 9, "cached_input_tokens": 4, "output_tokens": 2}}}}
{"timestamp": "t4", "type": "response_item", "payload": {"type": "function_call_output", "call_id": "c1", "output": "{\"output\":\"a\\n\",\"metadata\":{\"exit_code\":0}}"}}
{"timestamp": "t5", "type": "response_item", "payload": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}}"#,
    );
    assert_eq!(
        shown(&trace),
        ["System: S", "User: Task", "Agent:  shell({\"command\":[\"ls\"]}) → a\n [0]", "Agent: Done."]
    );
    assert_eq!(trace.steps[2].usage.map(|usage| usage.cached), Some(4));
    assert_eq!(trace.agent.version.as_deref(), Some("0.9"));
}

#[test]
fn chat_in_its_three_shapes() {
    let message = r#"{"role": "user", "content": "Task"}"#;
    let call = r#"{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{"}}]}"#;
    let result = r#"{"role": "tool", "tool_call_id": "1", "content": "no JSON"}"#;
    let expected = ["User: Task", "Agent:  f(raw {) → no JSON"];
    for source in [
        format!("[{message}, {call}, {result}]"),
        format!("{{\"messages\": [{message}, {call}, {result}]}}"),
        format!("{message}\n{call}\n{result}\n"),
    ] {
        assert_eq!(shown(&auto(&source)), expected);
    }
    // The program was killed within a line.
    let cut = auto(&format!("{message}\n{call}\n{result}\n{{\"role\": \"assi"));
    assert_eq!(shown(&cut), expected);
    assert!(cut.losses.contains(&Loss::CutOff));
}

#[test]
fn text_is_read_block_by_block() {
    let trace = auto("# aider chat started\n\n#### fix it\n\nI will.\nFirst this.\n\n> Applied edit\n");
    assert_eq!(
        shown(&trace),
        [
            "Agent: # aider chat started",
            "User: fix it",
            "Agent: I will.\nFirst this.",
            "Agent: > Applied edit"
        ]
    );
    assert_eq!(trace.instruction.as_deref(), Some("fix it"));
}

#[test]
fn what_cannot_be_read_says_why() {
    assert_eq!(read(" \n", Format::Auto), Err(TranscriptError::Empty));
    let error = read("{\"a\": 1, \"b\": 2}", Format::Atif).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the transcript is not in the format `atif`: it is a JSON object with the keys a, b"
    );
    let error = read("[{\"role\": \"user\", \"content\": \"x\"}]", Format::Codex).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the transcript is not in the format `codex`: it is a JSON list of 1 items"
    );
    let empty = read("{\"schema_version\": \"ATIF-v1.8\", \"steps\": []}", Format::Auto).unwrap_err();
    assert_eq!(empty.to_string(), "the transcript is not in the format `atif`: it has no steps");
}

/// Any JSON with the words that readers look for.
pub(super) fn json() -> impl Strategy<Value = Value> {
    let words = vec![
        "role",
        "assistant",
        "tool",
        "content",
        "type",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "steps",
        "source",
        "observation",
        "results",
        "messages",
        "extra",
        "trajectory",
        "info",
        "schema_version",
        "ATIF-v1.7",
        "step_number",
        "data",
        "ai",
        "payload",
        "response_item",
        "uuid",
        "sessionId",
        "message",
    ];
    let word = prop::sample::select(words);
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        any::<f64>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5).prop_map(|entries| Value::Object(
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn reading_cannot_fail_worse_than_with_an_error(values in prop::collection::vec(json(), 1..5)) {
        let formats = [Format::Auto, Format::Atif, Format::MiniSweAgent, Format::SweAgent, Format::Langchain,
            Format::Smolagents, Format::ClaudeCode, Format::Codex, Format::Chat, Format::Text];
        let lines = values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        for source in [lines, Value::from(values.clone()).to_string()] {
            for format in formats {
                if let Ok(trace) = read(&source, format) {
                    prop_assert!(!trace.steps.is_empty());
                    prop_assert!(trace.steps.iter().enumerate().all(|(at, step)| step.index == at + 1));
                }
            }
        }
        // The readers themselves, on what they do not recognise.
        for reader in READERS {
            let _ = (reader.read)(&Record::Document(Value::from(values.clone())));
            let _ = (reader.read)(&Record::Lines(values.clone()));
            for value in &values {
                let _ = (reader.read)(&Record::Document(value.clone()));
            }
        }
    }
}

/// A message in many shapes.
fn message() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["", "a", "é\n\"x\"", "{\"path\": \"b\"}", "{"]);
    let some = prop_oneof![text.prop_map(Value::from), json(), Just(Value::Null)];
    let object = |keys: &'static [&'static str]| {
        prop::collection::vec((prop::sample::select(keys), some.clone()), 0..5).prop_map(|entries| {
            Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        })
    };
    let function = prop_oneof![object(&["name", "arguments"]), json()];
    let call = (object(&["id", "name", "arguments"]), prop::option::of(function)).prop_map(
        |(mut call, function)| {
            if let (Some(call), Some(function)) = (call.as_object_mut(), function) {
                call.insert(String::from("function"), function);
            }
            call
        },
    );
    let calls = prop_oneof![prop::collection::vec(call.clone(), 0..3).prop_map(Value::from), json()];
    let usage = object(&["prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "cost"]);
    let role = prop::sample::select(vec!["system", "developer", "user", "assistant", "tool", "function"]);
    let keys: &[&str] = &[
        "content",
        "refusal",
        "reasoning_content",
        "reasoning",
        "tool_call_id",
        "timestamp",
        "finish_reason",
    ];
    let parts = (role, object(keys), calls, prop::option::of(call), prop_oneof![usage, json()]);
    parts.prop_map(|(role, mut message, calls, single, usage)| {
        if let Some(message) = message.as_object_mut() {
            message.insert(String::from("role"), Value::from(role));
            message.insert(String::from("tool_calls"), calls);
            message.insert(String::from("usage"), usage);
            single.map(|single| message.insert(String::from("function_call"), single));
        }
        message
    })
}

proptest! {
    #[test]
    fn messages_are_read_from_a_text_as_from_a_tree(messages in prop::collection::vec(message(), 1..5)) {
        let tree = |record: Record| {
            prop_assert!(chat::is(&record));
            Ok(chat::read(&record))
        };
        let list = Value::from(messages.clone());
        let lines = messages.iter().map(Value::to_string).collect::<Vec<_>>().join("\n\n");
        let mut pairs = vec![(chat::read_text(&list.to_string()), tree(Record::Document(list))?)];
        if 1 < messages.len() {
            pairs.push((chat::read_text(&lines), tree(Record::Lines(messages))?));
        }
        for (read, expected) in pairs {
            let Some(read) = read else { return Err(TestCaseError::fail("it was not read")) };
            prop_assert_eq!(read.trace, expected.trace);
            prop_assert_eq!(read.stray, expected.stray);
        }
    }
}
