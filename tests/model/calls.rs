//! Calls that succeed.

use self_harness::host::model::{Arguments, Cost, Stop, ToolResult};
use serde_json::{Value, json};

use super::*;

fn arguments(value: Value) -> Arguments {
    Arguments::of(value)
}

#[tokio::test]
async fn a_conversation_with_tools_runs_in_every_way() {
    let server = server("worker.toml").await;
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let mut messages = vec![Message::System(String::from("Verify what you did.")), user("do it")];
        let tools = [shell()];
        let first = client
            .complete(&Request { messages: &messages, tools: &tools, seed: None }, &mut |_| {})
            .await
            .unwrap();
        let reply = &first.reply;
        assert_eq!((reply.text.as_str(), reply.reasoning.as_str()), ("I look at it.", "First I look."));
        assert_eq!((reply.calls.len(), &reply.stop), (1, &Stop::Calls));
        assert_eq!(reply.calls[0].name, "shell");
        assert_eq!(reply.calls[0].arguments, arguments(json!({ "command": "ls -l \"a b\"" })));
        assert_eq!(reply.model.as_deref(), Some("a-model"));
        assert!(0 < reply.usage.input && 0 < reply.usage.output && !reply.usage.is_estimated);
        assert_eq!((first.attempts, first.waited, first.cost), (1, Duration::ZERO, Cost::Usd(0.0)));
        if protocol == Protocol::Anthropic {
            assert_eq!(reply.kept[0]["signature"], "scripted");
        }
        messages.push(Message::Assistant(reply.turn()));
        let result = ToolResult { call: reply.calls[0].id.clone(), text: "3 files".into() };
        messages.push(Message::Tool(result));
        let second = client
            .complete(&Request { messages: &messages, tools: &tools, seed: None }, &mut |_| {})
            .await
            .unwrap();
        assert_eq!(second.reply.text, "I check the 3 files.");
        assert_eq!(second.reply.calls[0].arguments, arguments(json!({ "command": "sh check.sh 3" })));
        assert_ne!(second.reply.calls[0].id, first.reply.calls[0].id);
    }
}

#[tokio::test]
async fn malformed_arguments_are_the_models_and_go_back() {
    let server = server("worker.toml").await;
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let mut messages = vec![user("go"), user("stumble")];
        let request = Request { messages: &messages, tools: &[], seed: None };
        let answer = client.complete(&request, &mut |_| {}).await.unwrap();
        let raw = String::from("{\"command\": \"ls");
        assert_eq!(answer.reply.calls[0].arguments, Arguments::Malformed(raw));
        messages.push(Message::Assistant(answer.reply.turn()));
        let call = answer.reply.calls[0].id.clone();
        messages.push(Message::Tool(ToolResult { call, text: "no JSON".into() }));
        let request = Request { messages: &messages, tools: &[], seed: None };
        assert!(client.complete(&request, &mut |_| {}).await.unwrap().reply.text.starts_with("done"));
    }
}

#[tokio::test]
async fn the_seed_decides_the_coin_in_every_way() {
    let server = server("worker.toml").await;
    let mut all = Vec::new();
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let mut lucky = Vec::new();
        for seed in 0..12 {
            let messages = [user("go")];
            let request = Request { messages: &messages, tools: &[], seed: Some(seed) };
            let reply = client.complete(&request, &mut |_| {}).await.unwrap().reply;
            let is_lucky = reply.text == "done, with luck";
            if is_lucky {
                assert_eq!((reply.usage.input, reply.usage.cached, reply.usage.output), (100, 40, 3));
            }
            lucky.push(is_lucky);
        }
        all.push(lucky);
    }
    assert!(all.iter().all(|lucky| *lucky == all[0]), "{all:?}");
    assert!(all[0].contains(&true) && all[0].contains(&false), "{all:?}");
}

#[tokio::test]
async fn missing_usage_is_estimated_and_marked() {
    let persona =
        Persona::read("quiet.toml", "usage = false\n[[rule]]\nreply.text = \"hello there\"\n").unwrap();
    let server = Server::start(persona, 0).await.unwrap();
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let usage = ask(&client, "hello").await.0.unwrap().reply.usage;
        assert!(usage.is_estimated && 5 < usage.input && usage.input < 40, "{usage:?}");
        assert_eq!(usage.output, 3);
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_and_a_whole_answer_is_read_too() {
    let text = "[[rule]]\nreply.raw = '{\"choices\": [{\"message\": {\"content\": \"whole\"}}]}'\n";
    let server = Server::start(Persona::read("whole.toml", text).unwrap(), 0).await.unwrap();
    let client = client(settings(&server.endpoint(), Protocol::Openai, true));
    assert_eq!(ask(&client, "hello").await.0.unwrap().reply.text, "whole");
}

#[tokio::test]
async fn calls_run_side_by_side() {
    let server = server("breaks.toml").await;
    let client = client(settings(&server.endpoint(), Protocol::Openai, true));
    let calls = (0..20).map(|_| async { ask(&client, "hello").await.0.unwrap().reply.text });
    let texts = futures_util::future::join_all(calls).await;
    assert!(texts.iter().all(|text| text == "hello"));
}
