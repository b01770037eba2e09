//! Calls that fail, and what follows from each.

use std::error::Error as _;
use std::time::Instant;

use self_harness::host::model::{Consequence, ModelError, Stop};

use super::*;

/// Asks in every way, and wants the same failure of all.
async fn check(text: &str, consequence: Consequence, attempts: u32, shown: &str) {
    let server = server("breaks.toml").await;
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let failed = ask(&client, text).await.0.expect_err(text);
        let way = format!("{text}, {protocol:?}, streamed: {stream}: {failed}");
        assert_eq!(failed.error.consequence(), consequence, "{way}");
        assert_eq!(failed.attempts, attempts, "{way}");
        assert!(failed.to_string().contains(shown), "{way}");
        hides_the_key(&format!("{failed} {failed:?} {client:?} {}", failed.error.hint()));
        assert!(failed.source().is_none());
        hides_the_key(&failed.error.to_failure().to_string());
    }
}

#[track_caller]
fn hides_the_key(text: &str) {
    assert!(!text.contains(KEY) && !text.contains("4711"), "{text}");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_then_void() {
    check("busy", Consequence::Void, 3, "the provider answered 429: slow down (after 3 attempts)").await;
    check("reset", Consequence::Void, 3, "cannot reach `http://127.0.0.1:").await;
    check("broken", Consequence::Void, 3, "the answer was cut off").await;
    check("garbage", Consequence::Void, 3, "the answer cannot be read: it is no JSON").await;
    check("empty", Consequence::Void, 3, "the answer cannot be read: there is no").await;
    check("inside", Consequence::Void, 3, "the provider answered 502: upstream").await;
}

#[tokio::test]
async fn an_answer_that_ends_early_is_void() {
    let server = server("breaks.toml").await;
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let failed = ask(&client, "unmarked").await.0.unwrap_err();
        match failed.error {
            ModelError::Cut { .. } if stream => {}
            ModelError::Unreadable { .. } if !stream => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_provider_that_comes_back_is_heard() {
    let server = server("breaks.toml").await;
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        for (text, attempts) in [("busy once", 2), ("down once", 3), ("reset once", 2), ("broken once", 2)] {
            let (answer, waits) = ask(&client, text).await;
            let answer = answer.unwrap_or_else(|failed| panic!("{text}: {failed}"));
            assert_eq!((answer.reply.text.as_str(), answer.attempts), ("hello", attempts), "{text}");
            assert_eq!(answer.waited, waits.iter().sum());
            if text == "busy once" {
                assert_eq!(waits, [Duration::from_millis(20)]);
            }
        }
    }
}

#[tokio::test]
async fn a_provider_may_say_that_trying_again_is_useless() {
    check("busy for good", Consequence::Void, 1, "the provider answered 429: slow down").await;
}

#[tokio::test]
async fn what_a_person_must_change_pauses_the_run() {
    check("status 401", Consequence::Pause, 1, "the provider answered 401: not with the key [redacted]")
        .await;
    check("quota", Consequence::Pause, 1, "You exceeded your current quota").await;
    check("no tools", Consequence::Pause, 1, "the model cannot call tools: a-model does not support tools")
        .await;
    check("moved", Consequence::Pause, 1, "a redirect: https://elsewhere.acme.dev/v1").await;
}

#[tokio::test]
async fn what_the_conversation_did_ends_the_trial() {
    let server = server("breaks.toml").await;
    let client = client(settings(&server.endpoint(), Protocol::Openai, false));
    let failed = ask(&client, "too long").await.0.unwrap_err();
    assert_eq!((failed.error.consequence(), failed.attempts), (Consequence::Context, 1));
    let failed = ask(&client, "filtered").await.0.unwrap_err();
    assert_eq!((failed.error.consequence(), failed.attempts), (Consequence::Crashed, 1));
}

#[tokio::test]
async fn a_reply_may_end_the_trial_too() {
    let server = server("breaks.toml").await;
    for (protocol, stream) in WAYS {
        let client = client(settings(&server.endpoint(), protocol, stream));
        let refused = ask(&client, "refused").await.0.unwrap().reply;
        assert_eq!(refused.stop.consequence(), Some(Consequence::Crashed));
        assert_eq!(refused.text, "I cannot do that.");
        let cut = ask(&client, "cut call").await.0.unwrap().reply;
        assert_eq!((&cut.stop, cut.stop.consequence()), (&Stop::Length, None));
        let full = ask(&client, "full").await.0.unwrap().reply.stop;
        match protocol {
            Protocol::Anthropic => assert_eq!(full.consequence(), Some(Consequence::Context)),
            Protocol::Openai => assert_eq!(full, Stop::Length),
        }
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends() {
    let server = server("breaks.toml").await;
    for (protocol, stream) in WAYS {
        let timeout = Duration::from_millis(150);
        let settings = Settings { timeout, retries: 1, ..settings(&server.endpoint(), protocol, stream) };
        let before = Instant::now();
        let failed = ask(&client(settings), "slow").await.0.unwrap_err();
        assert!(matches!(failed.error, ModelError::Timeout { .. }), "{failed}");
        assert_eq!((failed.error.consequence(), failed.attempts), (Consequence::Void, 2));
        assert!(failed.to_string().contains("did not answer within 0.15 seconds"), "{failed}");
        assert!(before.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn nobody_there_is_void_and_says_where() {
    // The port was free a moment ago, and nobody listens on it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let client = client(settings(&endpoint, Protocol::Openai, false));
    let failed = ask(&client, "hello").await.0.unwrap_err();
    assert_eq!(failed.error.consequence(), Consequence::Void);
    assert!(failed.to_string().contains("cannot reach `http://127.0.0.1:"), "{failed}");
    assert!(failed.error.hint().contains("`model.endpoint`"));
}
