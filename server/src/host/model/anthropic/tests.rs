//! Anthropic messages as the reference shows them.

use harness_schema::manifest::{Model, Protocol};
use serde_json::json;

use super::super::conversation::ToolResult;
use super::*;

fn settings() -> Settings {
    let model = Model {
        protocol: Protocol::Anthropic.into(),
        endpoint: String::from("http://127.0.0.1:1/v1").into(),
        name: String::from("a-model").into(),
        ..Model::default()
    };
    Settings::of(&model).unwrap()
}

fn joined(events: &[Value]) -> Result<Reply, Unread> {
    let mut joined = Joined::default();
    for event in events {
        joined.push(&Event { event: String::new(), data: event.to_string() })?;
    }
    joined.finish()
}

fn call(arguments: &str) -> Call {
    Call { id: String::from("t1"), name: String::from("shell"), arguments: Arguments::read(arguments) }
}

#[test]
fn a_request_has_turns_of_one_role_each() {
    let messages = [
        Message::System(String::from("be good")),
        Message::System(String::from("be quick")),
        Message::User(String::from("go")),
        Message::Assistant(Turn {
            text: String::from("I look."),
            calls: vec![call("[1]")],
            kept: Vec::new(),
        }),
        Message::Tool(ToolResult { call: String::from("t1"), text: Default::default() }),
        Message::User(String::from("stop repeating")),
        Message::User(String::from("  ")),
        Message::Assistant(Turn::default()),
        Message::User(String::from("and?")),
    ];
    let tool = Tool { name: String::from("shell"), description: String::from("runs"), parameters: json!({}) };
    let request = Request { messages: &messages, tools: &[tool], seed: Some(7) };
    let expected = json!({
        "model": "a-model",
        "max_tokens": 8192,
        "stream": false,
        "system": "be good\n\nbe quick",
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "go" }] },
            { "role": "assistant", "content": [
                { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "t1", "name": "shell", "input": { "malformed_arguments": "[1]" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t1", "content": "" },
                { "type": "text", "text": "stop repeating" },
                { "type": "text", "text": "and?" },
            ] },
        ],
        "tools": [{ "name": "shell", "description": "runs", "input_schema": { "type": "object", "properties": {} } }],
    });
    assert_eq!(body(&settings(), &request), expected);
}

#[test]
fn thinking_goes_back_unchanged() {
    let content = json!([
        { "type": "thinking", "thinking": "hm", "signature": "s1" },
        { "type": "redacted_thinking", "data": "x" },
        { "type": "text", "text": "I look." },
        { "type": "tool_use", "id": "t1", "name": "shell", "input": { "a": 1 } },
    ]);
    let usage = json!({ "input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 7 });
    let answer = json!({ "model": "m-1", "content": content, "stop_reason": "tool_use", "usage": usage });
    let reply = read(&answer).unwrap();
    assert_eq!((reply.text.as_str(), reply.reasoning.as_str(), &reply.stop), ("I look.", "hm", &Stop::Calls));
    let usage = Usage { input: 10, cached: 5, cache_written: 2, output: 7, is_estimated: false };
    assert_eq!(reply.usage, usage);
    let messages = [Message::User(String::from("go")), Message::Assistant(reply.turn())];
    let body = body(&settings(), &Request { messages: &messages, tools: &[], seed: None });
    assert_eq!(body["messages"][1]["content"], content);
}

#[test]
fn stops_are_what_they_mean() {
    let stop = |reason: &str| {
        let answer = json!({ "content": [{ "type": "text", "text": "x" }], "stop_reason": reason });
        read(&answer).unwrap().stop
    };
    assert_eq!(stop("end_turn"), Stop::End);
    assert_eq!(stop("stop_sequence"), Stop::End);
    assert_eq!(stop("max_tokens"), Stop::Length);
    assert_eq!(stop("refusal"), Stop::Refused);
    assert_eq!(stop("pause_turn"), Stop::Paused);
    assert_eq!(stop("model_context_window_exceeded"), Stop::ContextFull);
    assert_eq!(stop("new_reason"), Stop::Other(String::from("new_reason")));
}

fn stream(partial: &[&str]) -> Vec<Value> {
    let mut all = vec![
        json!({ "type": "message_start", "message": {
            "model": "m-1", "content": [], "stop_reason": null, "usage": { "input_tokens": 25, "output_tokens": 1 },
        } }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "thinking", "thinking": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "h" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "m" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "signature_delta", "signature": "s" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "content_block_start", "index": 1,
            "content_block": { "type": "tool_use", "id": "t1", "name": "shell", "input": {} } }),
    ];
    all.extend(partial.iter().map(|part| {
        let delta = json!({ "type": "input_json_delta", "partial_json": part });
        json!({ "type": "content_block_delta", "index": 1, "delta": delta })
    }));
    all.extend([
        json!({ "type": "content_block_stop", "index": 1 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 15 } }),
        json!({ "type": "message_stop" }),
    ]);
    all
}

#[test]
fn a_stream_is_joined_to_the_whole_answer() {
    let reply = joined(&stream(&["{\"a\"", ": 1}"])).unwrap();
    assert_eq!(reply.reasoning, "hm");
    assert_eq!(reply.calls, [call("{\"a\":1}")]);
    assert_eq!((reply.usage.input, reply.usage.output), (25, 15));
    assert_eq!(reply.kept[0], json!({ "type": "thinking", "thinking": "hm", "signature": "s" }));
    assert_eq!(joined(&stream(&[])).unwrap().calls, [call("")]);
}

#[test]
fn malformed_input_is_the_models() {
    let reply = joined(&stream(&["{\"a\": ", "oops"])).unwrap();
    assert_eq!(reply.calls[0].arguments, Arguments::Malformed(String::from("{\"a\": oops")));
    assert_eq!(reply.kept[1]["input"], json!({ "malformed_arguments": "{\"a\": oops" }));
}

#[test]
fn a_stream_without_its_end_mark_is_cut() {
    let all = stream(&["{}"]);
    assert_eq!(joined(&all[..all.len() - 1]), Err(Unread::Cut));
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    assert!(matches!(joined(&[error]), Err(Unread::Reported(_))));
}
