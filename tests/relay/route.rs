//! The road to the model: it is inside only, it is the only one, and it is handed out once.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use harness_schema::manifest::Protocol;
use self_harness::host::sandbox::spec::{MODEL_ADDRESS, Mount};
use self_harness::host::sandbox::{Backend, Ended, Exec, Network, Phase, Spec};

use crate::lab::{KEY, Lab, client, settings};
use crate::upstream::{HELLO, Upstream, whole};

#[test]
fn the_listener_is_given_out_once_and_only_where_it_was_asked_for() {
    let lab = Lab::new("once");
    let mut without = lab.sandbox(Network::Off);
    assert!(without.take_listener().is_none());
    let connect = "import socket; socket.create_connection(('127.0.0.1', 3129), 2)";
    let executed = without.exec(&Exec::program(["/usr/bin/python3", "-c", connect])).unwrap();
    assert_eq!(executed.ended, Ended::Finished(1));
    let mut with = lab.sandbox(Network::Model);
    let listener = with.take_listener().unwrap();
    assert_eq!(listener.local_addr().unwrap(), MODEL_ADDRESS);
    assert!(with.take_listener().is_none());
    let executed = with.exec(&Exec::program(["/usr/bin/python3", "-c", connect])).unwrap();
    assert_eq!(executed.ended, Ended::Finished(0), "{}", executed.stderr.text());
    // On the host nothing listens there.
    assert!(TcpStream::connect_timeout(&MODEL_ADDRESS, Duration::from_millis(500)).is_err());
}

#[test]
fn esc_112_nobody_inside_can_take_the_place_of_the_relay() {
    let lab = Lab::new("place");
    let mut sandbox = lab.sandbox(Network::Model);
    let _listener = sandbox.take_listener().unwrap();
    let script = r"
import socket
for host in ['127.0.0.1', '0.0.0.0', '']:
    for option in [None, socket.SO_REUSEADDR, socket.SO_REUSEPORT]:
        s = socket.socket()
        if option:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            s.bind((host, 3129)); s.listen(); print('taken', host, option)
        except OSError:
            pass
";
    let executed = sandbox.exec(&Exec::program(["/usr/bin/python3", "-c", script])).unwrap();
    assert_eq!((executed.stdout.text().as_str(), executed.stderr.text().as_str()), ("", ""));
}

#[test]
fn esc_17_with_the_road_no_other_destination_is_reachable() {
    let lab = Lab::new("others");
    let host = TcpListener::bind("0.0.0.0:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let provider =
        upstream.endpoint.trim_start_matches("http://127.0.0.1:").trim_end_matches("/v1").to_owned();
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = format!(
        "
def attempt(name, f):
    try:
        f(); print('reached', name)
    except OSError:
        pass
for host in ['127.0.0.1', '10.0.0.1', '169.254.169.254', '1.1.1.1', '::1']:
    for port in [{}, {provider}, 3128, 80, 443]:
        attempt((host, port), lambda: socket.create_connection((host, port), 0.5))
attempt('dns', lambda: socket.getaddrinfo('example.com', 80))
print(ask(say('hello'))[0])
",
        host.local_addr().unwrap().port()
    );
    let (printed, recorded) = lab.python(&client, None, &script);
    assert_eq!((printed.as_str(), recorded.answered), ("200\n", 1));
    assert!(host.accept().is_err());
    assert_eq!(upstream.asked().len(), 1);
}

#[test]
fn the_provider_sees_a_new_request_with_the_key() {
    let lab = Lab::new("new");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
headers = {'authorization': 'bearer ' + TOKEN, 'cookie': 'a=b', 'x-forwarded-for': '1.2.3.4', 'user-agent': 'evil',
    'x-stainless-retry-count': '3', 'proxy-authorization': 'x', 'openai-organization': 'o', 'anthropic-beta': 'b',
    'host': 'elsewhere.acme.dev'}
status, headers, body = ask(say('hello', seed=1, temperature=0.5), '/v1/chat/completions?a=b', headers)
print(status, json.loads(body)['choices'][0]['message']['content'], sorted(name.lower() for name in headers))
";
    let (printed, recorded) = lab.python(&client, Some(42), script);
    assert_eq!(printed, "200 hello ['connection', 'content-length', 'content-type', 'date']\n");
    let asked = upstream.asked();
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /v1/chat/completions HTTP/1.1");
    let mut names: Vec<&str> = lines.iter().map(|line| line.split_once(':').unwrap().0).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-stainless-retry-count",
    ];
    assert_eq!(names, expected);
    assert!(lines.contains(&format!("authorization: Bearer {KEY}").as_str()), "{head}");
    assert!(lines.contains(&"x-stainless-retry-count: 3"), "{head}");
    assert!(!head.contains("evil") && !head.contains("elsewhere"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let expected = serde_json::json!({
        "model": "a-model", "messages": [{ "role": "user", "content": "hello" }], "temperature": 0.5, "seed": 42,
    });
    assert_eq!(body, expected);
    let usage = recorded.usage;
    assert_eq!((usage.input, usage.cached, usage.output), (120, 20, 8));
    assert!((usage.cost.unwrap() - (120.0 * 2.0 + 8.0 * 10.0) / 1e6).abs() < 1e-12, "{usage:?}");
    assert_eq!(
        (recorded.model.as_deref(), recorded.fingerprint.as_deref()),
        (Some("a-model-2026"), Some("fp_1"))
    );
}

#[test]
fn without_a_seed_none_is_sent_and_anthropic_has_it_in_a_header() {
    let lab = Lab::new("seed");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let openai = client(settings(&upstream.endpoint, Protocol::Openai));
    lab.python(&openai, None, "ask(say('hello', seed=1))");
    assert!(!upstream.asked()[0].contains("seed"), "{:?}", upstream.asked());
    let answer = r#"{"model": "m", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 1}}"#;
    let upstream = Upstream::start(|_, _| whole("200 OK", "", answer));
    let anthropic = client(settings(&upstream.endpoint, Protocol::Anthropic));
    let script = r"
headers = {'x-api-key': TOKEN, 'anthropic-version': '2099-01-01', 'anthropic-beta': 'interleaved-thinking', 'cookie': 'a=b'}
print(ask(say('hello', max_tokens=5), '/v1/messages?beta=true', headers)[0])
";
    let (printed, recorded) = lab.python(&anthropic, Some(42), script);
    assert_eq!((printed.as_str(), recorded.usage.input), ("200\n", 3));
    let asked = &upstream.asked()[0];
    let mut lines: Vec<&str> =
        asked.lines().filter(|line| line.contains("anthropic") || line.contains("x-")).collect();
    lines.sort_unstable();
    assert_eq!(asked.lines().next(), Some("POST /v1/messages HTTP/1.1"));
    for line in ["anthropic-beta: interleaved-thinking", "anthropic-version: 2023-06-01", "x-seed: 42"] {
        assert!(lines.contains(&line), "{lines:?}");
    }
    assert!(lines.contains(&format!("x-api-key: {KEY}").as_str()), "{lines:?}");
    assert!(!asked.contains("cookie"), "{asked}");
}

#[test]
fn a_command_that_is_stopped_ends_and_the_sandbox_lives_on() {
    let lab = Lab::new("stopped");
    let mut sandbox = lab.sandbox(Network::Off);
    let stopper = sandbox.stopper().unwrap();
    // While nothing runs, nothing happens.
    stopper.stop();
    let again = stopper.clone();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        again.stop();
    });
    let began = Instant::now();
    let script = "trap '' TERM INT; echo begun; (sleep 60; echo no) & sleep 60; echo no";
    let executed = sandbox.exec(&Exec::shell(script).within(Duration::from_secs(30))).unwrap();
    stopping.join().unwrap();
    assert_eq!((executed.ended, executed.stdout.text().as_str()), (Ended::TimedOut, "begun\n"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // A stop that comes late is none of the next command's business.
    stopper.stop();
    std::thread::sleep(Duration::from_millis(100));
    let executed = sandbox.exec(&Exec::shell("cat; echo next")).unwrap();
    assert_eq!((executed.ended, executed.stdout.text().as_str()), (Ended::Finished(0), "next\n"));
    let mut exec = Exec::program(["/bin/cat"]);
    exec.stdin = Some(String::from("/etc/nsswitch.conf"));
    assert!(sandbox.exec(&exec).unwrap().stdout.text().starts_with("passwd: files"));
}

#[test]
fn documents_hide_nothing_of_ours() {
    let lab = Lab::new("places");
    for at in [
        "/run/self-harness/init",
        "/run/self-harness//init/",
        "/run/self-harness",
        "/run/self-harness/init/x",
        "/run/x",
    ] {
        let mut spec = Spec::new(Phase::Agent, lab.backend.trials.fresh().unwrap());
        spec.mounts.push(Mount::new("/usr", at));
        let Err(error) = lab.backend.start(spec) else { panic!("`{at}` can be mounted at") };
        assert!(error.to_string().contains("it belongs to the system"), "{error}");
    }
}
