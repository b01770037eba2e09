//! ESC-113: the key is nowhere inside, even if the provider says it; and ESC-108 to 110: nor is it in the record.

use std::time::Duration;

use harness_schema::manifest::Protocol;
use self_harness::host::relay::Recorded;

use crate::lab::{KEY, Lab, client, settings};
use crate::upstream::{Pieces, Upstream, events, whole};

/// The base64 of the key, as far as it does not depend on what stands around it.
const ENCODED: &str = "c2stbGl2ZS80NzExKzA4MTUtYWJjZGVmZ2";

#[track_caller]
fn absent(printed: &str, recorded: &Recorded) {
    let record = format!("{recorded:?}");
    for seen in [printed, record.as_str()] {
        for secret in [KEY, ENCODED, "sk-live%2F4711%2B0815-abcdefgh", "sk-live\\/4711"] {
            assert!(!seen.contains(secret), "`{secret}` in {seen}");
        }
    }
}

#[test]
fn esc_113_the_key_is_in_nothing_that_a_program_can_read() {
    let lab = Lab::new("nowhere");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", "{}"));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
import glob
seen = []
for pattern in ['/proc/[0-9]*/environ', '/proc/[0-9]*/cmdline', '/proc/[0-9]*/maps', '/proc/net/tcp', '/proc/self/mountinfo',
        '/run/**', '/tmp/**', '/workspace/**', '/app/**', '/logs/**', '/etc/**', '/home/**']:
    for path in glob.glob(pattern, recursive=True):
        try:
            if os.path.getsize(path) < 1 << 20:
                seen.append(path + open(path, 'rb').read().decode(errors='replace'))
        except OSError:
            pass
print(len(seen) > 5, 'OPENAI_API_KEY' in ''.join(seen), '\n'.join(seen)[:30000])
";
    let (printed, recorded) = lab.python(&client, None, script);
    assert!(printed.starts_with("True True"), "{printed}");
    absent(&printed, &recorded);
}

/// What a program reads and the relay records, if the provider answers so.
#[track_caller]
fn told(
    name: &str,
    protocol: Protocol,
    stream: bool,
    answer: impl Fn() -> Pieces + Send + Sync + 'static,
) -> (String, Recorded) {
    let lab = Lab::new(name);
    let upstream = Upstream::start(move |_, _| answer());
    let client = client(settings(&upstream.endpoint, protocol));
    let path = if protocol == Protocol::Openai { "/v1/chat/completions" } else { "/v1/messages" };
    let stream = if stream { "True" } else { "False" };
    let script = format!(
        r"
status, headers, body = ask(say('hello', stream={stream}), '{path}')
texts = []
def walk(value):
    if isinstance(value, dict):
        for name, item in value.items():
            texts.append(item) if name in ('content', 'text', 'arguments', 'partial_json') and isinstance(item, str) else walk(item)
    elif isinstance(value, list):
        [walk(item) for item in value]
for line in body.splitlines():
    line = line.removeprefix('data: ')
    if line.startswith('{{'):
        walk(json.loads(line))
print(status, headers, body)
print('JOINED', ''.join(texts))
"
    );
    let (printed, recorded) = lab.python(&client, None, &script);
    absent(&printed, &recorded);
    (printed, recorded)
}

#[test]
fn esc_113_a_whole_answer_with_the_key_is_passed_on_without_it() {
    let body = format!(
        r#"{{"model": "{KEY}", "{KEY}": 1, "choices": [{{"message": {{"content": "the key is {KEY}, or {ENCODED}g, or sk-0123456789012345678901234567890123"}}, "finish_reason": "stop"}}]}}"#
    );
    let headers = format!("x-echo: {KEY}\r\nset-cookie: key={KEY}\r\n");
    let (printed, recorded) =
        told("whole", Protocol::Openai, false, move || whole("200 OK", &headers, &body));
    // What only looks like a key is the model's own word; in the record it is none of ours.
    assert!(printed.contains("the key is [redacted], or [redacted]"), "{printed}");
    assert!(
        printed.contains("sk-0123456789012345678901234567890123") && printed.starts_with("200"),
        "{printed}"
    );
    assert!(
        !recorded.chat.contains("sk-0123") && recorded.chat.contains("the key is [redacted]"),
        "{recorded:?}"
    );
}

#[test]
fn esc_113_error_bodies_with_the_key_are_passed_on_without_it() {
    for (status, seen) in
        [("401 Unauthorized", "401"), ("400 Bad", "400"), ("500 Broken", "500"), ("200 OK", "502")]
    {
        let body = format!(
            r#"{{"error": {{"message": "bad key {KEY} at {ENCODED}g", "type": "{KEY}", "code": "{KEY}"}}}}"#
        );
        let (printed, recorded) =
            told(&format!("error-{seen}"), Protocol::Openai, false, move || whole(status, "", &body));
        let seen = if seen == "502" { "503" } else { seen };
        assert!(printed.starts_with(seen) && printed.contains("bad key [redacted]"), "{printed}");
        assert!(recorded.failure.is_some());
    }
    let html = format!("<html>{KEY}</html>");
    told("html", Protocol::Openai, false, move || whole("502 Bad", "", &html));
}

fn pieces(size: usize) -> Vec<String> {
    let text = format!("so: {KEY}, {ENCODED}g! sk-live");
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

#[test]
fn esc_113_a_streamed_answer_that_spells_the_key_out_is_passed_on_without_it() {
    for size in [1, 3, 7, 100] {
        let (printed, recorded) = told(&format!("stream-{size}"), Protocol::Openai, true, move || {
            let chunk = |text: &String| {
                format!(
                    r#"data: {{"id": "c", "choices": [{{"index": 0, "delta": {{"content": "{text}"}}, "finish_reason": null}}]}}"#
                )
            };
            let mut all: Vec<String> = pieces(size).iter().map(chunk).collect();
            all.push(String::from(
                r#"data: {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#,
            ));
            all.push(format!(r#"data: {{"choices": [], "usage": {{"prompt_tokens": 5, "completion_tokens": 9, "{KEY}": 1}}}}"#));
            all.push(String::from("data: [DONE]"));
            events(Duration::ZERO, all)
        });
        assert!(printed.contains("JOINED so: [redacted], [redacted]"), "{printed}");
        assert!(printed.trim_end().ends_with("! sk-live"), "{printed}");
        // The program did not ask for it.
        assert!(printed.contains("data: [DONE]") && !printed.contains("prompt_tokens"), "{printed}");
        assert_eq!((recorded.usage.input, recorded.usage.output), (5, 9));
        assert!(recorded.chat.contains("so: [redacted], [redacted]"), "{recorded:?}");
    }
}

#[test]
fn esc_113_streamed_blocks_of_anthropic_are_passed_on_without_the_key() {
    for size in [1, 5] {
        let (printed, recorded) = told(&format!("blocks-{size}"), Protocol::Anthropic, true, move || {
            let event =
                |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\": \"{kind}\"{rest}}}");
            let delta = |text: &String| {
                event(
                    "content_block_delta",
                    &format!(r#", "index": 0, "delta": {{"type": "text_delta", "text": "{text}"}}"#),
                )
            };
            let mut all = vec![
                event(
                    "message_start",
                    r#", "message": {"model": "m", "content": [], "usage": {"input_tokens": 11, "output_tokens": 1}}"#,
                ),
                event(
                    "content_block_start",
                    r#", "index": 0, "content_block": {"type": "text", "text": ""}"#,
                ),
            ];
            all.extend(pieces(size).iter().map(delta));
            all.push(event("content_block_stop", r#", "index": 0"#));
            all.push(event(
                "message_delta",
                r#", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}"#,
            ));
            all.push(event("message_stop", ""));
            events(Duration::ZERO, all)
        });
        assert!(printed.contains("JOINED so: [redacted], [redacted]"), "{printed}");
        assert!(printed.trim_end().ends_with("! sk-live"), "{printed}");
        assert!(printed.contains("event: message_stop"), "{printed}");
        assert_eq!((recorded.usage.input, recorded.usage.output), (11, 30));
    }
}

#[test]
fn esc_108_109_110_what_a_program_says_is_recorded_without_secrets() {
    let lab = Lab::new("record");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", crate::upstream::HELLO));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    // A program cannot know the key; here it does, as if somebody had told it.
    let script = format!(
        "ask(say('{KEY} {ENCODED}g sk-live%2F4711%2B0815-abcdefgh and my token ' + TOKEN)); print(TOKEN)"
    );
    let (printed, recorded) = lab.python(&client, None, &script);
    let token = printed.trim();
    absent("", &recorded);
    assert!(!format!("{recorded:?}").contains(token), "{recorded:?}");
    assert!(recorded.chat.contains("and my token [redacted]"), "{recorded:?}");
}
