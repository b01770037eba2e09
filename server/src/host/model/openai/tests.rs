//! Chat completions as servers really answer them.

use harness_schema::manifest::Model;
use serde_json::json;

use super::super::conversation::{ToolResult, Turn};
use super::*;

fn settings() -> Settings {
    let model = Model {
        endpoint: String::from("http://127.0.0.1:1/v1").into(),
        name: String::from("a-model").into(),
        ..Model::default()
    };
    Settings::of(&model).unwrap()
}

fn joined(events: &[Value]) -> Result<Reply, Unread> {
    let mut joined = Joined::default();
    for event in events {
        let data = event.as_str().map_or_else(|| event.to_string(), str::to_owned);
        joined.push(&Event { event: String::new(), data })?;
    }
    joined.finish("call_1")
}

fn delta(delta: Value) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn end(reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn object(value: Value) -> Arguments {
    Arguments::of(value)
}

#[test]
fn a_request_has_what_the_manifest_says() {
    let mut settings = settings();
    settings.temperature = Some(0.5);
    settings.request =
        json!({ "reasoning_effort": "low", "model": "another", "seed": 1, "messages": ["none of ours"] })
            .as_object()
            .unwrap()
            .clone();
    let call =
        Call { id: String::from("c1"), name: String::from("run it"), arguments: Arguments::read("{oops") };
    let messages = [
        Message::System(String::from("be good")),
        Message::User(String::from("go")),
        Message::Assistant(Turn { text: String::new(), calls: vec![call], kept: Vec::new() }),
        Message::Tool(ToolResult { call: String::from("c1"), text: "no".into() }),
    ];
    let tool = Tool { name: String::from("shell"), description: String::from("runs"), parameters: json!({}) };
    let request = Request { messages: &messages, tools: &[tool], seed: Some(7) };
    let expected = json!({
        "reasoning_effort": "low",
        "model": "a-model",
        "max_tokens": 8192,
        "messages": [
            { "role": "system", "content": "be good" },
            { "role": "user", "content": "go" },
            { "role": "assistant", "content": null, "tool_calls": [{
                "id": "c1", "type": "function",
                "function": { "name": "run_it", "arguments": "{\"malformed_arguments\":\"{oops\"}" },
            }] },
            { "role": "tool", "tool_call_id": "c1", "content": "no" },
        ],
        "stream": false,
        "tools": [{ "type": "function", "function": {
            "name": "shell", "description": "runs", "parameters": { "type": "object", "properties": {} },
        } }],
        "temperature": 0.5,
        "seed": 7,
    });
    assert_eq!(body(&settings, &request, false), expected);
    let sent = |settings: &Settings, request: &Request<'_>, has_new_name: bool| {
        serde_json::from_str::<Value>(&written(settings, request, has_new_name)).unwrap()
    };
    assert_eq!(sent(&settings, &request, false), expected);
    settings.stream = true;
    let request = Request { messages: &messages, tools: &[], seed: None };
    let streamed = body(&settings, &request, true);
    assert_eq!(sent(&settings, &request, true), streamed);
    let nothing = Request { messages: &[], tools: &[], seed: None };
    assert_eq!(sent(&settings, &nothing, false), body(&settings, &nothing, false));
    assert_eq!(streamed["stream_options"], json!({ "include_usage": true }));
    assert_eq!(streamed["max_completion_tokens"], 8192);
    assert!(["max_tokens", "tools", "seed"].iter().all(|name| streamed.get(name).is_none()), "{streamed}");
}

#[test]
fn a_whole_answer_is_read() {
    let answer = json!({
        "model": "a-model-2026", "system_fingerprint": "fp_1",
        "choices": [{ "finish_reason": "tool_calls", "message": {
            "content": "I look.", "reasoning_content": "hm",
            "tool_calls": [
                { "id": "c1", "function": { "name": "shell", "arguments": "{\"a\": 1}" } },
                { "function": { "name": "shell", "arguments": { "a": 2 } } },
            ],
        } }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": { "cached_tokens": 4 } },
    });
    let reply = read(&answer, "call_3").unwrap();
    let call = |id: &str, number: u64| Call {
        id: id.to_owned(),
        name: String::from("shell"),
        arguments: object(json!({ "a": number })),
    };
    let expected = Reply {
        text: String::from("I look."),
        reasoning: String::from("hm"),
        calls: vec![call("c1", 1), call("call_3_1", 2)],
        stop: Stop::Calls,
        usage: Usage { input: 10, cached: 4, cache_written: 0, output: 5, is_estimated: false },
        model: Some(String::from("a-model-2026")),
        fingerprint: Some(String::from("fp_1")),
        kept: Vec::new(),
    };
    assert_eq!(reply, expected);
}

#[test]
fn stops_are_what_they_mean() {
    let stop = |reason: Value, message: Value| {
        let answer = json!({ "choices": [{ "finish_reason": reason, "message": message }] });
        read(&answer, "c").unwrap().stop
    };
    let said = json!({ "content": "x" });
    let called = json!({ "tool_calls": [{ "function": { "name": "a", "arguments": "" } }] });
    assert_eq!(stop(json!("stop"), said.clone()), Stop::End);
    assert_eq!(stop(Value::Null, said.clone()), Stop::End);
    assert_eq!(stop(json!("stop"), called.clone()), Stop::Calls);
    assert_eq!(stop(json!("length"), called), Stop::Length);
    assert_eq!(stop(json!("content_filter"), said.clone()), Stop::Refused);
    assert_eq!(stop(json!("stop"), json!({ "refusal": "I cannot" })), Stop::Refused);
    assert_eq!(stop(json!("weird"), said), Stop::Other(String::from("weird")));
    let legacy = json!({ "function_call": { "name": "a", "arguments": "{}" } });
    assert_eq!(stop(json!("function_call"), legacy), Stop::Calls);
}

#[test]
fn what_is_no_answer_is_no_reply() {
    let error = json!({ "error": { "message": "busy" } });
    assert!(matches!(read(&error, "c"), Err(Unread::Reported(_))));
    let inside =
        json!({ "choices": [{ "finish_reason": "error", "error": { "message": "up", "code": 502 } }] });
    assert!(matches!(read(&inside, "c"), Err(Unread::Reported(_))));
    assert_eq!(read(&json!({ "choices": [] }), "c"), Err(Unread::lacks("choices[0]")));
    assert_eq!(read(&json!({ "choices": [{}] }), "c"), Err(Unread::lacks("choices[0].message")));
}

#[test]
fn streamed_calls_are_joined_by_index() {
    let call = |value: Value| delta(json!({ "tool_calls": [value] }));
    let reply = joined(&[
        delta(json!({ "role": "assistant", "content": "" })),
        call(json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "" } })),
        call(json!({ "index": 1, "id": "b", "function": { "name": "two", "arguments": "{\"x\"" } })),
        call(json!({ "index": 0, "function": { "arguments": "{}" } })),
        call(json!({ "index": 1, "id": "b", "function": { "name": "two", "arguments": ":1}" } })),
        end("tool_calls"),
        json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 2 } }),
        json!("[DONE]"),
    ]);
    let reply = reply.unwrap();
    let calls: Vec<_> = reply.calls.iter().map(|call| (call.id.as_str(), call.name.as_str())).collect();
    assert_eq!(calls, [("a", "one"), ("b", "two")]);
    assert_eq!(reply.calls[1].arguments, object(json!({ "x": 1 })));
    assert_eq!((reply.usage.input, reply.usage.output, reply.usage.is_estimated), (3, 2, false));
}

#[test]
fn servers_that_number_no_calls_are_understood() {
    let call = |value: Value| delta(json!({ "tool_calls": [value] }));
    // All calls have the index 0, and their own ids.
    let same = joined(&[
        call(json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "{}" } })),
        call(json!({ "index": 0, "id": "b", "function": { "name": "one", "arguments": "{}" } })),
        end("tool_calls"),
    ]);
    assert_eq!(same.unwrap().calls.len(), 2);
    // No index at all: a name begins a call.
    let none = joined(&[
        call(json!({ "function": { "name": "one", "arguments": "{\"x\"" } })),
        call(json!({ "function": { "arguments": ":1}" } })),
        call(json!({ "function": { "name": "two", "arguments": "{}" } })),
        end("stop"),
    ]);
    let calls = none.unwrap().calls;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].arguments, object(json!({ "x": 1 })));
    assert_eq!(calls[1].id, "call_1_1");
}

#[test]
fn a_stream_without_its_end_mark_is_cut() {
    assert_eq!(joined(&[delta(json!({ "content": "a" }))]), Err(Unread::Cut));
    assert_eq!(joined(&[delta(json!({ "content": "a" })), end("stop")]).unwrap().text, "a");
    assert!(joined(&[delta(json!({ "content": "a" })), json!("[DONE]")]).unwrap().usage.is_estimated);
    let error = json!({ "error": { "message": "overloaded", "code": 503 } });
    assert!(matches!(joined(&[error]), Err(Unread::Reported(_))));
}

#[test]
fn the_other_name_of_the_limit_is_asked_for() {
    let error = |body: Value| Reported::read(&body.to_string());
    let openai = error(json!({ "error": {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "param": "max_tokens", "code": "unsupported_parameter",
    } }));
    assert!(wants_new_name(400, &openai) && !wants_new_name(500, &openai));
    assert!(!wants_new_name(400, &error(json!({ "error": { "message": "max_tokens is too large" } }))));
}
