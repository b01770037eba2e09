//! What goes over the wire, seen by a server that answers what the test says.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use self_harness::host::model::{ModelError, TimeLimit};

use super::*;

/// One connection's answer: pieces, and whether the connection then stays open without a word.
#[derive(Clone)]
struct Canned {
    pieces: Vec<Vec<u8>>,
    hangs: bool,
}

impl Canned {
    fn json(status: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
        let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        Self { pieces: vec![text.into_bytes()], hangs: false }
    }

    /// A stream that ends with its connection.
    fn stream(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec();
        Self { pieces: [head].into_iter().chain(pieces).collect(), hangs: false }
    }
}

/// Answers one connection after another; what was asked comes back.
async fn canned(answers: Vec<Canned>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let request = whole_request(&mut stream).await;
            seen.lock().unwrap().push(request);
            for piece in &answer.pieces {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if answer.hangs {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(20)).await;
                    drop(stream);
                });
            }
        }
    });
    (endpoint, asked)
}

async fn whole_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the request is cut");
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if length.parse::<usize>().unwrap() <= body.len() {
            return text.into_owned();
        }
    }
}

const HELLO: &str = r#"{"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}"#;

#[tokio::test]
async fn a_request_is_what_the_protocol_says() {
    let (endpoint, asked) = canned(vec![Canned::json("200 OK", HELLO)]).await;
    let openai = client(settings(&format!("{endpoint}/?api-version=3"), Protocol::Openai, false));
    assert_eq!(ask(&openai, "hi").await.0.unwrap().reply.text, "hello");
    let request = asked.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /v1/chat/completions?api-version=3 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")), "{request}");
    assert!(request.contains("\"seed\":1") && request.contains("\r\nuser-agent: self-harness/"), "{request}");

    let hello = r#"{"content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn"}"#;
    let (endpoint, asked) = canned(vec![Canned::json("200 OK", hello)]).await;
    let anthropic = client(settings(&endpoint, Protocol::Anthropic, false));
    assert_eq!(ask(&anthropic, "hi").await.0.unwrap().reply.text, "hello");
    let request = asked.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    for header in [&format!("x-api-key: {KEY}"), "anthropic-version: 2023-06-01", "x-seed: 1"] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{request}");
    }
    assert!(!request.contains("\"seed\"") && !request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn the_limit_gets_its_other_name_and_keeps_it() {
    let refusal = r#"{"error": {"message": "Use 'max_completion_tokens' instead.", "param": "max_tokens"}}"#;
    let answers = vec![
        Canned::json("400 Bad Request", refusal),
        Canned::json("200 OK", HELLO),
        Canned::json("200 OK", HELLO),
    ];
    let (endpoint, asked) = canned(answers).await;
    let client = client(settings(&endpoint, Protocol::Openai, false));
    let (answer, waits) = ask(&client, "hi").await;
    assert_eq!((answer.unwrap().attempts, waits.len()), (1, 0));
    ask(&client, "hi").await.0.unwrap();
    let asked = asked.lock().unwrap();
    let names: Vec<bool> =
        asked.iter().map(|request| request.contains("\"max_completion_tokens\":8192")).collect();
    assert_eq!(names, [false, true, true]);
    assert!(asked[0].contains("\"max_tokens\":8192") && !asked[1].contains("\"max_tokens\""));
}

#[tokio::test]
async fn a_client_speaks_tls_where_the_machine_knows_whom_to_trust() {
    let settings = settings("https://localhost:1/v1", Protocol::Openai, false);
    match Client::new(settings, Some(&SecretString::new(KEY))) {
        Ok(client) => {
            let failed = ask(&client, "hi").await.0.unwrap_err();
            assert!(failed.to_string().contains("cannot reach `https://localhost:1`"), "{failed}");
        }
        // A machine without certificates.
        Err(error) => assert!(error.to_string().contains("CA certificates"), "{error}"),
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (target, asked) = canned(vec![Canned::json("200 OK", HELLO)]).await;
    let moved =
        format!("HTTP/1.1 307 Moved\r\nlocation: {target}/chat/completions\r\ncontent-length: 0\r\n\r\n");
    let (endpoint, _) = canned(vec![Canned { pieces: vec![moved.into_bytes()], hangs: false }]).await;
    let failed = ask(&client(settings(&endpoint, Protocol::Openai, false)), "hi").await.0.unwrap_err();
    assert!(matches!(failed.error, ModelError::Redirect { status: 307, .. }), "{failed}");
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stream_that_pauses_too_long_is_a_timeout() {
    let mut answer = Canned::stream([b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".to_vec()]);
    answer.hangs = true;
    let (endpoint, _) = canned(vec![answer]).await;
    let idle_timeout = Duration::from_millis(100);
    let settings = Settings { idle_timeout, retries: 0, ..settings(&endpoint, Protocol::Openai, true) };
    let failed = ask(&client(settings), "hi").await.0.unwrap_err();
    assert!(matches!(failed.error, ModelError::Timeout { wait: TimeLimit::Idle, .. }), "{failed}");
    assert!(failed.to_string().ends_with("sent nothing more for 0.1 seconds"), "{failed}");
}

#[tokio::test]
async fn a_stream_may_end_with_its_connection() {
    let event = |data: &str| format!("data: {data}\n\n").into_bytes();
    let said = event(r#"{"choices":[{"delta":{"content":"a"}}]}"#);
    let ended = event(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#);
    let (endpoint, _) = canned(vec![Canned::stream([said.clone(), ended]), Canned::stream([said])]).await;
    let settings = Settings { retries: 0, ..settings(&endpoint, Protocol::Openai, true) };
    let client = client(settings);
    assert_eq!(ask(&client, "hi").await.0.unwrap().reply.text, "a");
    assert!(matches!(ask(&client, "hi").await.0.unwrap_err().error, ModelError::Cut { .. }));
}

/// A streamed answer with text of many bytes per character, a call and the usage, in either protocol.
fn streamed(protocol: Protocol) -> String {
    match protocol {
        Protocol::Openai => [
            r#"data: {"model":"m","choices":[{"delta":{"role":"assistant","content":"Grüße, "}}]}"#,
            r#": a comment"#,
            r#"data: {"choices":[{"delta":{"content":"🦀!"}}]}"#,
            r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"shell","arguments":"{\"a\""}}]}}]}"#,
            r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":\"ö\"}"}}]},"finish_reason":"tool_calls"}]}"#,
            r#"data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#,
            "data: [DONE]",
            "",
        ]
        .join("\r\n\r\n"),
        Protocol::Anthropic => [
            r#"data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":9}}}"#,
            r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße, 🦀!"}}"#,
            r#"data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"c","name":"shell","input":{}}}"#,
            r#"data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":\"ö\"}"}}"#,
            r#"data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":4}}"#,
            r#"data: {"type":"message_stop"}"#,
            "",
        ]
        .join("\n\n"),
    }
}

#[test]
fn however_a_stream_is_cut_the_reply_is_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for protocol in [Protocol::Openai, Protocol::Anthropic] {
        let text = streamed(protocol).into_bytes();
        let reply = |pieces: Vec<Vec<u8>>| {
            runtime.block_on(async {
                let (endpoint, _) = canned(vec![Canned::stream(pieces)]).await;
                let client = client(settings(&endpoint, protocol, true));
                ask(&client, "hi").await.0.unwrap().reply
            })
        };
        let expected = reply(vec![text.clone()]);
        assert_eq!(expected.text, "Grüße, 🦀!");
        assert_eq!((expected.usage.input, expected.usage.output, expected.calls.len()), (9, 4, 1));
        let mut runner =
            TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        let cuts = proptest::collection::vec(0..text.len(), 0..40);
        let outcome = runner.run(&cuts, |mut cuts| {
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| text[pair[0]..pair[1]].to_vec()).collect();
            prop_assert_eq!(reply(pieces), expected.clone());
            Ok(())
        });
        outcome.unwrap();
    }
}
