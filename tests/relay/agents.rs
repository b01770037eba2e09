//! Command agents from the manifest to what they did: programs in Python and in the shell, streams, patience, limits, and
//! every reason why a trial measured nothing.

use std::time::{Duration, Instant};

use harness_schema::manifest::Protocol;
use self_harness::engine::trace::{End, Source};
use self_harness::engine::verdict::VoidCause;
use self_harness::host::model::{Client, Settings};
use self_harness::host::scripted::{Persona, Server};

use crate::lab::{INSTRUCTION, KEY, Lab, PRELUDE, client, settings};
use crate::upstream::{HELLO, Upstream, events, whole};

const MINUTE: Duration = Duration::from_secs(60);

/// A loop with a tool, as agents are.
const AGENT: &str = r"
import subprocess
instruction_file, transcript, harness_dir = sys.argv[1:]
messages = [{'role': 'system', 'content': open(harness_dir + '/prompt.md').read()},
    {'role': 'user', 'content': open(instruction_file).read()}]
tool = {'type': 'function', 'function': {'name': 'shell', 'parameters': {'type': 'object', 'properties': {}}}}
while True:
    status, _, body = ask({'model': os.environ['MODEL_NAME'], 'messages': messages, 'tools': [tool]})
    if status != 200:
        sys.exit('the model said ' + body)
    message = json.loads(body)['choices'][0]['message']
    messages.append(message)
    if not message.get('tool_calls'):
        break
    for call in message['tool_calls']:
        command = json.loads(call['function']['arguments'])['command']
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        messages.append({'role': 'tool', 'tool_call_id': call['id'], 'content': done.stdout + done.stderr})
if transcript != 'none':
    json.dump({'messages': messages}, open(transcript, 'w'))
";

const PERSONA: &str = r#"
[[rule]]
when = { system = "Count carefully", step = 0 }
reply = { text = "I look.", calls = [{ tool = "shell", arguments = { command = "printf 'a\nb\n' > data.csv; wc -l < data.csv | tee count.txt" } }], usage = { input = 100, cached = 40, output = 9 } }

[[rule]]
when = { system = "Count carefully" }
reply = { text = "There are 2.", usage = { input = 150, cached = 90, output = 4 } }
"#;

fn server(lab: &Lab, persona: &str) -> Server {
    lab.runtime.block_on(Server::start(Persona::read("agent.toml", persona).unwrap(), 0)).unwrap()
}

fn python_agent(lab: &Lab, client: &Client, transcript: &str) -> harness_schema::harness::Harness {
    lab.write("agent.py", &format!("{PRELUDE}{AGENT}"));
    lab.write("prompt.md", "Count carefully.\n");
    lab.harness(
        client,
        &format!(
            "argv = [\"python3\", \"{{harness_dir}}/agent.py\", \"{{instruction_file}}\", \"{transcript}\", \"{{harness_dir}}\"]\n\
             files = [\"agent.py\"]\nenv = {{ MODEL_NAME = \"{{model_name}}\" }}\n\
             [[surface]]\nid = \"prompt\"\nfile = \"prompt.md\"\nselect = [\"file\"]"
        ),
    )
}

#[test]
fn a_python_agent_works_and_leaves_its_transcript() {
    let lab = Lab::new("python");
    let server = server(&lab, PERSONA);
    let client = client(settings(&server.endpoint(), Protocol::Openai));
    let harness = python_agent(&lab, &client, "{transcript}");
    let (worked, files) = lab.work(&harness, &client, MINUTE);
    assert_eq!((worked.void, &worked.end), (None, &End::Finished), "{}", worked.detail);
    assert_eq!(files.get("count.txt").map(|text| text.trim()), Some("2"));
    let said: Vec<(Source, &str)> =
        worked.trace.steps.iter().map(|step| (step.source, step.message.as_str())).collect();
    let expected = [
        (Source::System, "Count carefully.\n"),
        (Source::User, INSTRUCTION),
        (Source::Agent, "I look."),
        (Source::Agent, "There are 2."),
    ];
    assert_eq!(said, expected);
    let observation = worked.trace.steps[2].calls[0].observation.as_ref().unwrap();
    assert_eq!(observation.text.trim(), "2");
    // The provider's own sums, whatever the program says.
    assert_eq!(worked.requests, 2);
    assert_eq!((worked.usage.input, worked.usage.cached, worked.usage.output), (250, 130, 13));
    let cost = (250.0 * 2.0 + 13.0 * 10.0) / 1e6;
    assert!((worked.usage.cost.unwrap() - cost).abs() < 1e-12, "{:?}", worked.usage);
    assert_eq!(worked.model.as_deref(), Some("a-model"));
}

#[test]
fn without_a_transcript_the_record_of_the_relay_is_it() {
    let lab = Lab::new("record-instead");
    let server = server(&lab, PERSONA);
    let client = client(settings(&server.endpoint(), Protocol::Openai));
    let harness = python_agent(&lab, &client, "none");
    let (worked, _) = lab.work(&harness, &client, MINUTE);
    assert_eq!((worked.void, &worked.end), (None, &End::Finished), "{}", worked.detail);
    let said: Vec<&str> = worked.trace.steps.iter().map(|step| step.message.as_str()).collect();
    assert_eq!(said, ["Count carefully.\n", INSTRUCTION, "I look.", "There are 2."]);
    let looked = &worked.trace.steps[2];
    assert_eq!(looked.calls[0].tool, "shell");
    assert_eq!(looked.calls[0].observation.as_ref().unwrap().text.trim(), "2");
    assert_eq!((looked.usage.unwrap().input, looked.stop_reason.as_deref()), (100, Some("tool_calls")));
}

#[test]
fn a_shell_without_any_client_reaches_the_model() {
    let lab = Lab::new("shell");
    let server = server(&lab, "[[rule]]\nwhen = { last = \"count\" }\nreply.text = \"with bash alone\"\n");
    let client = client(settings(&server.endpoint(), Protocol::Openai));
    lab.write(
        "agent.sh",
        r#"set -eu
instruction=$(sed 's/"/\\"/g')
body="{\"model\": \"$1\", \"messages\": [{\"role\": \"user\", \"content\": \"$instruction\"}]}"
host=${OPENAI_BASE_URL#http://}; host=${host%/v1}
exec 3<>/dev/tcp/${host%:*}/${host#*:}
printf 'POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nconnection: close\r\nauthorization: Bearer %s\r\ncontent-length: %s\r\n\r\n%s' \
    "$OPENAI_API_KEY" "${#body}" "$body" >&3
cat <&3 > answer.txt
"#,
    );
    let harness = lab.harness(
        &client,
        "argv = [\"/bin/bash\", \"{harness_dir}/agent.sh\", \"{model_name}\"]\nfiles = [\"agent.sh\"]\nstdin = \"instruction\"",
    );
    let (worked, files) = lab.work(&harness, &client, MINUTE);
    assert_eq!((worked.void, &worked.end), (None, &End::Finished), "{}", worked.detail);
    assert!(
        files["answer.txt"].starts_with("HTTP/1.1 200") && files["answer.txt"].contains("with bash alone")
    );
    let said: Vec<&str> = worked.trace.steps.iter().map(|step| step.message.as_str()).collect();
    assert_eq!(said, [INSTRUCTION, "with bash alone"]);
    assert_eq!(worked.requests, 1);
}

/// A harness that is one Python program.
fn program(lab: &Lab, client: &Client, script: &str) -> harness_schema::harness::Harness {
    lab.write("agent.py", &format!("{PRELUDE}{script}"));
    lab.harness(client, "argv = [\"/usr/bin/python3\", \"{harness_dir}/agent.py\"]\nfiles = [\"agent.py\"]")
}

/// Reads a stream and writes down when what came.
const READ_STREAM: &str = r"
data = json.dumps(say('hello', stream=True, max_tokens=9)).encode()
path = '/v1/messages' if os.environ.get('ANTHROPIC_API_KEY') else '/v1/chat/completions'
headers = {'x-api-key': TOKEN} if path == '/v1/messages' else {'authorization': 'Bearer ' + TOKEN}
answer = urllib.request.urlopen(urllib.request.Request('http://127.0.0.1:3129' + path, data, headers), timeout=20)
begun, first, lines = time.time(), None, []
for line in answer:
    if line.strip():
        first = first or time.time() - begun
        lines.append(line.decode().strip())
print(json.dumps({'first': first, 'last': time.time() - begun, 'type': answer.headers['content-type']}), file=open('times.json', 'w'))
open('lines.txt', 'w').write('\n'.join(lines))
";

#[test]
fn a_stream_comes_piece_by_piece() {
    let openai = ["a", "b", "c", "d"].map(|text| {
        format!(r#"data: {{"id": "c", "choices": [{{"index": 0, "delta": {{"content": "{text}"}}, "finish_reason": null}}]}}"#)
    });
    let end = [
        r#"data: {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#,
        r#"data: {"choices": [], "usage": {"prompt_tokens": 21, "completion_tokens": 4}}"#,
        "data: [DONE]",
    ];
    let openai: Vec<String> = openai.into_iter().chain(end.map(String::from)).collect();
    let event = |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\": \"{kind}\"{rest}}}");
    let mut anthropic = vec![
        event(
            "message_start",
            r#", "message": {"model": "m", "content": [], "usage": {"input_tokens": 21, "output_tokens": 1}}"#,
        ),
        event("content_block_start", r#", "index": 0, "content_block": {"type": "text", "text": ""}"#),
    ];
    anthropic.extend(["a", "b", "c", "d"].map(|text| {
        event(
            "content_block_delta",
            &format!(r#", "index": 0, "delta": {{"type": "text_delta", "text": "{text}"}}"#),
        )
    }));
    anthropic.push(event(
        "message_delta",
        r#", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}"#,
    ));
    anthropic.push(event("message_stop", ""));
    for (name, protocol, all) in
        [("openai", Protocol::Openai, openai), ("anthropic", Protocol::Anthropic, anthropic)]
    {
        let lab = Lab::new(&format!("stream-{name}"));
        let upstream = Upstream::start(move |_, _| events(Duration::from_millis(150), &all));
        let client = client(settings(&upstream.endpoint, protocol));
        let harness = program(&lab, &client, READ_STREAM);
        let (worked, files) = lab.work(&harness, &client, MINUTE);
        assert_eq!((worked.void, &worked.end), (None, &End::Finished), "{}", worked.detail);
        let times: serde_json::Value = serde_json::from_str(&files["times.json"]).unwrap();
        let (first, last) = (times["first"].as_f64().unwrap(), times["last"].as_f64().unwrap());
        assert!(first + 0.5 < last && times["type"] == "text/event-stream", "{times}");
        let lines = &files["lines.txt"];
        assert_eq!(lines.contains("[DONE]"), protocol == Protocol::Openai);
        assert_eq!((worked.usage.input, worked.usage.output, worked.requests), (21, 4, 1));
        assert_eq!(worked.trace.steps.last().unwrap().message, "abcd");
        // The usage is asked for; who did not ask is not shown it.
        assert!(!lines.contains("prompt_tokens"), "{lines}");
        let asks = upstream.asked()[0].contains("\"include_usage\":true");
        assert_eq!(asks, protocol == Protocol::Openai);
    }
}

#[test]
fn a_stream_that_breaks_breaks_for_the_program_too() {
    let lab = Lab::new("broken");
    let upstream = Upstream::start(|_, _| {
        let piece = r#"data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "half of"}, "finish_reason": null}]}"#;
        events(Duration::from_millis(20), [piece])
    });
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
import http.client
try:
    print(ask(say('hello', stream=True)))
except http.client.IncompleteRead as error:
    print('it broke', error.partial.decode(), file=open('seen.txt', 'w'))
";
    let harness = program(&lab, &client, script);
    let (worked, files) = lab.work(&harness, &client, MINUTE);
    assert!(files["seen.txt"].starts_with("it broke") && files["seen.txt"].contains("half of"), "{files:?}");
    assert_eq!((worked.void, worked.end), (Some(VoidCause::Provider), End::Provider));
    assert!(0 < worked.usage.input && worked.requests == 0, "{:?}", worked.usage);
}

#[test]
fn a_busy_provider_is_asked_again_and_the_clock_stands_still() {
    let lab = Lab::new("busy");
    let upstream = Upstream::start(|number, _| match number {
        0 => whole("429 Too Many Requests", "retry-after: 3\r\n", r#"{"error": {"message": "slow down"}}"#),
        _ => whole("200 OK", "", HELLO),
    });
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let harness = program(&lab, &client, "print(ask(say('hello'))[0], file=open('status', 'w'))");
    let began = Instant::now();
    // Less than it waits.
    let (worked, files) = lab.work(&harness, &client, Duration::from_secs(2));
    assert!(Duration::from_secs(3) <= began.elapsed());
    assert_eq!((worked.void, &worked.end), (None, &End::Finished), "{}", worked.detail);
    assert_eq!((files["status"].as_str(), worked.requests, upstream.asked().len()), ("200\n", 1, 2));
}

#[test]
fn a_provider_that_stays_busy_voids_the_trial() {
    let lab = Lab::new("void");
    let body = format!(r#"{{"error": {{"message": "slow down, {KEY}"}}}}"#);
    let upstream =
        Upstream::start(move |_, _| whole("429 Too Many Requests", "retry-after-ms: 10\r\n", &body));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
status, headers, body = ask(say('hello'))
print(status, headers.get('x-should-retry'), body, file=open('seen.txt', 'w'))
";
    let harness = program(&lab, &client, script);
    let (worked, files) = lab.work(&harness, &client, MINUTE);
    assert_eq!((worked.void, worked.end), (Some(VoidCause::Provider), End::Provider));
    assert!(files["seen.txt"].starts_with("429 false") && !files["seen.txt"].contains(KEY), "{files:?}");
    assert!(worked.detail.contains("slow down, [redacted]"), "{}", worked.detail);
    // Once, and twice again.
    assert_eq!((upstream.asked().len(), worked.requests), (3, 0));
    // What it says last is the evidence: a program that goes on is measured.
    let upstream = Upstream::start(|number, _| match number {
        0..3 => whole("503 Busy", "", "{}"),
        _ => whole("200 OK", "", HELLO),
    });
    let client = crate::lab::client(settings(&upstream.endpoint, Protocol::Openai));
    let harness = program(
        &lab,
        &client,
        "print(ask(say('hello'))[0], ask(say('hello'))[0], file=open('seen.txt', 'w'))",
    );
    let (worked, files) = lab.work(&harness, &client, MINUTE);
    assert_eq!((worked.void, worked.end, files["seen.txt"].as_str()), (None, End::Finished, "503 200\n"));
}

#[test]
fn a_full_context_ends_the_trial_and_is_no_void() {
    let lab = Lab::new("context");
    let body = r#"{"error": {"message": "This model's maximum context length is 8192 tokens", "code": "context_length_exceeded"}}"#;
    let upstream = Upstream::start(move |_, _| whole("400 Bad", "", body));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let harness = program(&lab, &client, "sys.exit(ask(say('hello'))[2])");
    let (worked, _) = lab.work(&harness, &client, MINUTE);
    assert_eq!((worked.void, worked.end), (None, End::Context), "{}", worked.detail);
    assert_eq!(upstream.asked().len(), 1);
}

#[test]
fn who_asks_no_model_has_not_started() {
    let lab = Lab::new("idle");
    let client = client(Settings { retries: 0, ..settings("http://127.0.0.1:1/v1", Protocol::Openai) });
    for (script, detail) in [
        ("print('I am done')", "I am done"),
        ("sys.exit('no configuration')", "no configuration"),
        (
            "ask({'model': 'other', 'messages': []})",
            "the last was refused: this harness is measured with the model `a-model`",
        ),
    ] {
        let (worked, _) = lab.work(&program(&lab, &client, script), &client, MINUTE);
        assert_eq!((worked.void, worked.requests), (Some(VoidCause::AgentStart), 0));
        assert!(worked.detail.contains(detail), "{}", worked.detail);
    }
    let harness = lab.harness(&client, "argv = [\"no-such-program\"]");
    let (worked, _) = lab.work(&harness, &client, MINUTE);
    assert_eq!(worked.void, Some(VoidCause::AgentStart));
    assert!(worked.detail.contains("`no-such-program` did not start"), "{}", worked.detail);
    // It was sent, and nobody was there.
    let (worked, _) = lab.work(&program(&lab, &client, "ask(say('hello'))"), &client, MINUTE);
    assert_eq!((worked.void, worked.end), (Some(VoidCause::Provider), End::Provider), "{}", worked.detail);
}

#[test]
fn time_and_wishes_end_it_and_nothing_of_it_asks_on() {
    let lab = Lab::new("time");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
ask(say('hello'))
open('begun', 'w').close()
if os.fork() == 0:
    os.setsid()
while True:
    time.sleep(0.05)
    ask(say('again'))
";
    let harness = program(&lab, &client, script);
    let began = Instant::now();
    let (worked, files) = lab.work(&harness, &client, Duration::from_secs(2));
    let took = began.elapsed();
    assert_eq!((worked.void, worked.end), (None, End::Time), "{}", worked.detail);
    assert!(Duration::from_secs(2) <= took && took < Duration::from_secs(8), "{took:?}");
    assert!(files.contains_key("begun") && 1 < worked.requests);
    let asked = upstream.asked().len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(upstream.asked().len(), asked);
    let cancel = lab.cancel.clone();
    let wish = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        cancel.cancel();
    });
    let began = Instant::now();
    let (worked, _) = lab.work(&harness, &client, MINUTE);
    wish.join().unwrap();
    assert_eq!((worked.void, worked.end), (None, End::Killed), "{}", worked.detail);
    assert!(began.elapsed() < Duration::from_secs(8));
    // The wish was there before.
    let (worked, _) = lab.work(&harness, &client, MINUTE);
    assert_eq!(worked.end, End::Killed);
}

#[test]
fn the_harness_is_seen_and_cannot_be_changed() {
    let lab = Lab::new("documents");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
ask(say('hello'))
seen = []
for path in ['/run/self-harness/harness/agent.py', '/run/self-harness/harness/new', '/run/self-harness/instruction.md', '/run/self-harness/init']:
    for attempt in [lambda: open(path, 'a').write('x'), lambda: os.unlink(path), lambda: os.chmod(path, 0o777), lambda: os.rename(path, '/app/x')]:
        try:
            attempt(); seen.append(path)
        except OSError:
            pass
seen += sorted(os.listdir('/run/self-harness/harness')) + sorted(os.listdir('/run/self-harness'))
print(seen, open('/run/self-harness/instruction.md').read(), file=open('seen.txt', 'w'))
";
    let (_, files) = lab.work(&program(&lab, &client, script), &client, MINUTE);
    let expected = format!("['agent.py', 'harness', 'instruction.md'] {INSTRUCTION}\n");
    assert_eq!(files["seen.txt"], expected);
}

#[test]
fn transcripts_that_are_no_files_are_not_followed() {
    let lab = Lab::new("left");
    let secret = lab.directory.join("secret");
    std::fs::write(&secret, r#"{"messages": [{"role": "user", "content": "of the host"}]}"#).unwrap();
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let left = r#"json.dump([{'role': 'user', 'content': 'its own'}], open('TRANSCRIPT', 'w'))"#;
    for (script, expected) in [
        (left.to_owned(), "its own"),
        (format!("os.symlink('{}', 'TRANSCRIPT')", secret.display()), "hello"),
        (String::from("os.symlink('/etc/passwd', 'TRANSCRIPT')"), "hello"),
        (String::from("os.mkfifo('TRANSCRIPT')"), "hello"),
        (String::from("os.mkdir('TRANSCRIPT')"), "hello"),
        (String::from("open('TRANSCRIPT', 'w').close()"), "hello"),
        (format!("{left}; os.chmod('TRANSCRIPT', 0)"), "its own"),
    ] {
        for (at, key) in
            [("/logs/agent/transcript", ""), ("/app/log.json", "transcript = \"{workdir}/log.json\"")]
        {
            let script = format!("ask(say('hello'))\n{}", script.replace("TRANSCRIPT", at));
            lab.write("agent.py", &format!("{PRELUDE}{script}"));
            let agent = format!(
                "argv = [\"/usr/bin/python3\", \"{{harness_dir}}/agent.py\"]\nfiles = [\"agent.py\"]\n{key}"
            );
            let (worked, _) = lab.work(&lab.harness(&client, &agent), &client, MINUTE);
            let first = &worked.trace.steps[0].message;
            assert_eq!((worked.void, first.as_str()), (None, expected), "{script}: {}", worked.detail);
        }
    }
    for path in ["/etc/passwd", "/logs/agent/../../etc/passwd", "/app/../etc/passwd"] {
        let agent = format!(
            "argv = [\"/usr/bin/python3\", \"{{harness_dir}}/agent.py\"]\nfiles = [\"agent.py\"]\ntranscript = \"{path}\""
        );
        lab.write("agent.py", &format!("{PRELUDE}ask(say('hello'))"));
        let (worked, _) = lab.work(&lab.harness(&client, &agent), &client, MINUTE);
        assert_eq!(worked.trace.steps[0].message, "hello", "{path}");
    }
}

#[test]
fn who_does_not_wait_for_a_busy_provider_is_void_too() {
    let lab = Lab::new("impatient");
    let upstream = Upstream::start(|_, _| whole("429 Too Many Requests", "retry-after: 60\r\n", "{}"));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
try:
    urllib.request.urlopen(urllib.request.Request('http://127.0.0.1:3129/v1/chat/completions',
        json.dumps(say('hello')).encode(), {'authorization': 'Bearer ' + TOKEN}), timeout=1)
except OSError as error:
    sys.exit(str(error))
";
    let began = Instant::now();
    let (worked, _) = lab.work(&program(&lab, &client, script), &client, MINUTE);
    assert_eq!((worked.void, worked.end), (Some(VoidCause::Provider), End::Provider), "{}", worked.detail);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_stream_that_begins_with_an_error_is_asked_for_again() {
    let lab = Lab::new("first-event");
    let upstream = Upstream::start(|number, _| match number {
        0 => events(
            Duration::ZERO,
            [r#"data: {"error": {"message": "overloaded", "type": "overloaded_error"}}"#],
        ),
        _ => events(
            Duration::ZERO,
            [
                r#"data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}"#,
                "data: [DONE]",
            ],
        ),
    });
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = "print(ask(say('hello', stream=True))[2], file=open('seen.txt', 'w'))";
    let (worked, files) = lab.work(&program(&lab, &client, script), &client, MINUTE);
    assert_eq!(
        (worked.void, worked.end, upstream.asked().len()),
        (None, End::Finished, 2),
        "{}",
        worked.detail
    );
    assert!(files["seen.txt"].contains("\"hi\"") && !files["seen.txt"].contains("overloaded"), "{files:?}");
    // The provider did not say what it took, so it is our own count.
    assert!(0 < worked.usage.input && 0 < worked.usage.output, "{:?}", worked.usage);
}

#[test]
fn an_answer_that_nobody_waits_for_counts() {
    let lab = Lab::new("abandoned");
    let upstream = Upstream::start(|_, _| {
        let piece = r#"data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "on and on"}, "finish_reason": null}]}"#;
        events(Duration::from_millis(100), [piece; 100])
    });
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
data = json.dumps(say('hello ' * 100, stream=True)).encode()
request = urllib.request.Request('http://127.0.0.1:3129/v1/chat/completions', data, {'authorization': 'Bearer ' + TOKEN})
answer = urllib.request.urlopen(request, timeout=20)
answer.readline()
answer.close()
time.sleep(1)
";
    let began = Instant::now();
    let (worked, _) = lab.work(&program(&lab, &client, script), &client, MINUTE);
    assert_eq!((worked.void, worked.end, worked.requests), (None, End::Finished, 0), "{}", worked.detail);
    assert!(150 < worked.usage.input && 0 < worked.usage.output, "{:?}", worked.usage);
    assert!(began.elapsed() < Duration::from_secs(8));
}
