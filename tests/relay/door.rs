//! ESC-112: what the relay refuses. Nothing of it reaches the provider.

use std::time::Duration;

use harness_schema::manifest::Protocol;
use self_harness::engine::budget::{Budget, Limit};

use crate::lab::{KEY, Lab, client, settings};
use crate::upstream::{HELLO, Upstream, whole};

/// Runs a script that prints a line for each attempt, with a provider that has to hear nothing.
#[track_caller]
fn refused(name: &str, protocol: Protocol, script: &str, expected: &[&str]) {
    let lab = Lab::new(name);
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let client = client(settings(&upstream.endpoint, protocol));
    let (printed, recorded) = lab.python(&client, None, script);
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    assert_eq!(upstream.asked(), Vec::<String>::new());
    assert_eq!(
        (recorded.sent, recorded.usage.input, recorded.chat.as_str()),
        (0, 0, "{\"messages\":[\n]}\n")
    );
    assert!(recorded.refused.is_some());
    assert!(!printed.contains(KEY));
}

#[test]
fn esc_112_without_the_token_nothing_passes() {
    let script = r"
def attempt(**headers):
    status, _, body = ask(say('hello'), headers={name.replace('_', '-'): value for name, value in headers.items()})
    print(status, json.loads(body)['error']['type'])
attempt()
attempt(authorization='Bearer ')
attempt(authorization='Bearer ' + TOKEN[:-1] + ('1' if TOKEN[-1] == '0' else '0'))
attempt(authorization='Bearer ' + TOKEN + ' ' + TOKEN)
attempt(authorization='Basic ' + TOKEN)
attempt(x_api_key=TOKEN[:-1])
attempt(authorization='Bearer ' + TOKEN, x_api_key='another')
print(ask(None, '/v1/models', {}, 'GET')[0])
";
    let mut expected = vec!["401 authentication_error"; 7];
    expected.push("401");
    refused("token", Protocol::Openai, script, &expected);
}

#[test]
fn esc_112_other_paths_and_methods_lead_nowhere() {
    let script = r"
for path in ['/', '/v1', '/v1/', '/chat/completions', '/v1/messages', '/v1/embeddings', '/v1/files', '/v1/chat/completions/',
        '/v1/./chat/completions', '/v1/chat/../chat/completions', '//v1/chat/completions', '/v1/chat%2Fcompletions', '/V1/chat/completions']:
    print(path, ask(say('hello'), path)[0])
for method in ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']:
    print(method, ask(say('hello'), method=method)[0])
print('models', ask(say('hello'), '/v1/models')[0])
";
    let paths = [
        "/",
        "/v1",
        "/v1/",
        "/chat/completions",
        "/v1/messages",
        "/v1/embeddings",
        "/v1/files",
        "/v1/chat/completions/",
        "/v1/./chat/completions",
        "/v1/chat/../chat/completions",
        "//v1/chat/completions",
        "/v1/chat%2Fcompletions",
        "/V1/chat/completions",
    ];
    let mut expected: Vec<String> = paths.iter().map(|path| format!("{path} 404")).collect();
    expected
        .extend(["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "models"].map(|method| format!("{method} 405")));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    refused("paths", Protocol::Openai, script, &expected);
    let script = "print(ask(say('hello'), '/v1/chat/completions')[0])";
    refused("paths-anthropic", Protocol::Anthropic, script, &["404"]);
}

#[test]
fn esc_112_another_model_is_not_asked() {
    let script = r#"
for model in ['b-model', 'A-MODEL', 'a-model ', '', None, ['a-model'], 7]:
    status, _, body = ask({**say('hello'), 'model': model})
    print(status, json.loads(body)['error']['code'])
status, _, body = ask(b'{"model": "a-model", "messages": [], "model": "b-model"}')
print(status, json.loads(body)['error']['code'])
print(ask({'messages': []})[0])
"#;
    let mut expected = vec!["404 model_not_found"; 8];
    expected.push("404");
    refused("model", Protocol::Openai, script, &expected);
}

#[test]
fn esc_112_roads_past_the_contract_are_closed() {
    let script = r"
for more in [{'models': ['b']}, {'fallbacks': ['b']}, {'route': 'fallback'}, {'plugins': [{'id': 'web'}]},
        {'mcp_servers': [{'url': 'https://elsewhere.acme.dev'}]}, {'web_search_options': {}},
        {'tools': [{'type': 'web_search_20250305', 'name': 'web_search'}]}, {'tools': [{'type': 'code_execution_20250522'}]},
        {'tools': [{'type': 'web_fetch_20250910'}]}]:
    status, _, body = ask(say('hello', **more))
    print(status, json.loads(body)['error']['message'].split('`')[1])
";
    refused(
        "fields",
        Protocol::Openai,
        script,
        &[
            "400 models",
            "400 fallbacks",
            "400 route",
            "400 plugins",
            "400 mcp_servers",
            "400 web_search_options",
            "400 tools[].type = web_search_20250305",
            "400 tools[].type = code_execution_20250522",
            "400 tools[].type = web_fetch_20250910",
        ],
    );
}

#[test]
fn esc_112_large_and_shapeless_bodies_are_refused() {
    let script = r"
head = f'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n'
def attempt(name, data):
    print(name, raw(data).split('\r\n')[0].split(' ')[1])
attempt('announced', (head + f'content-length: {32 * 1024 * 1024 + 1}\r\n\r\n').encode())
attempt('overflow', (head + 'content-length: 99999999999999999999999\r\n\r\n').encode())
attempt('sent', (head + f'content-length: {33 * 1024 * 1024}\r\n\r\n').encode() + b' ' * (1 << 20))
attempt('negative', (head + 'content-length: -1\r\n\r\n').encode())
attempt('none', (head + '\r\n').encode())
attempt('no JSON', (head + 'content-length: 2\r\n\r\n{]').encode())
attempt('a list', (head + 'content-length: 2\r\n\r\n[]').encode())
attempt('deep', (head + 'content-length: 100000\r\n\r\n').encode() + b'[' * 100000)
attempt('long head', (head + 'a: ' + 'b' * 200000 + '\r\n\r\n').encode())
attempt('many headers', (head + ''.join(f'a{i}: b\r\n' for i in range(100)) + '\r\n').encode())
";
    refused(
        "bodies",
        Protocol::Openai,
        script,
        &[
            "announced 413",
            "overflow 400",
            "sent 413",
            "negative 400",
            "none 411",
            "no JSON 400",
            "a list 400",
            "deep 400",
            "long head 431",
            "many headers 431",
        ],
    );
}

#[test]
fn esc_112_what_can_be_read_in_two_ways_is_refused() {
    let script = r#"
body = json.dumps(say('hello'))
inner = f'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {len(body)}\r\n\r\n{body}'
def attempt(name, headers, start='POST /v1/chat/completions HTTP/1.1', host='host: a\r\n', tail=None):
    tail = body if tail is None else tail
    text = f'{start}\r\n{host}authorization: Bearer {TOKEN}\r\n{headers}\r\n{tail}'
    got = raw(text.encode())
    # One refusal, and nothing that was hidden in the body is read as a request of its own.
    print(name, [line.split(' ')[1] for line in got.split('\r\n') if line.startswith('HTTP/')])
length = f'content-length: {len(body)}\r\n'
chunked = f'{len(body):x}\r\n{body}\r\n0\r\n\r\n'
attempt('both', f'{length}transfer-encoding: chunked\r\n', tail='0\r\n\r\n' + inner)
attempt('both, turned', f'transfer-encoding: chunked\r\n{length}', tail='0\r\n\r\n' + inner)
attempt('chunked', 'transfer-encoding: chunked\r\n', tail=chunked)
attempt('odd coding', f'{length}transfer-encoding: xchunked\r\n')
attempt('two codings', f'{length}transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n', tail='0\r\n\r\n' + inner)
attempt('blank before colon', f'{length}transfer-encoding : chunked\r\n', tail='0\r\n\r\n' + inner)
attempt('two lengths', f'content-length: 0\r\n{length}', tail=inner)
attempt('list of lengths', f'content-length: {len(body)}, 0\r\n')
attempt('signed length', f'content-length: +{len(body)}\r\n')
attempt('two hosts', length, host='host: a\r\nhost: b\r\n')
attempt('no host', length, host='')
attempt('folded', f'{length}x: a\r\n b: c\r\n')
attempt('null', f'{length}x: a\0b\r\n')
attempt('proxy form', length, start='POST http://elsewhere.acme.dev/v1/chat/completions HTTP/1.1')
attempt('connect', '', start='CONNECT elsewhere.acme.dev:443 HTTP/1.1', tail='')
attempt('old', length, start='POST /v1/chat/completions HTTP/1.0')
attempt('upgrade', f'{length}connection: upgrade\r\nupgrade: h2c\r\n')
attempt('preface', '', start='PRI * HTTP/2.0', host='', tail='SM\r\n\r\n')
"#;
    refused(
        "smuggled",
        Protocol::Openai,
        script,
        &[
            "both ['411']",
            "both, turned ['411']",
            "chunked ['411']",
            "odd coding ['400']",
            "two codings ['411']",
            "blank before colon ['400']",
            "two lengths ['400']",
            "list of lengths ['400']",
            "signed length ['400']",
            "two hosts ['400']",
            "no host ['400']",
            "folded ['400']",
            "null ['400']",
            "proxy form ['400']",
            "connect ['400']",
            "old ['400']",
            "upgrade ['400']",
            "preface ['400']",
        ],
    );
}

#[test]
fn esc_112_a_redirect_is_not_followed() {
    let lab = Lab::new("redirect");
    let elsewhere = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let location = format!("location: {}/chat/completions\r\nset-cookie: a=b\r\n", elsewhere.endpoint);
    let upstream = Upstream::start(move |number, _| {
        let statuses = ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"];
        whole(statuses[number % statuses.len()], &location, "{}")
    });
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
for _ in range(5):
    status, headers, body = ask(say('hello'))
    print(status, sorted(name.lower() for name in headers), 'a redirect' in body, '127.0.0.1' in body)
";
    let (printed, recorded) = lab.python(&client, None, script);
    let line = "502 ['connection', 'content-length', 'content-type', 'date', 'x-should-retry'] True False";
    assert_eq!(printed.lines().collect::<Vec<_>>(), [line; 5]);
    assert_eq!((elsewhere.asked().len(), upstream.asked().len()), (0, 5));
    let failure = recorded.failure.unwrap();
    assert!(failure.to_string().contains("308, a redirect"), "{failure}");
}

#[test]
fn the_one_model_is_listed() {
    let lab = Lab::new("list");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    for protocol in [Protocol::Openai, Protocol::Anthropic] {
        let client = client(settings(&upstream.endpoint, protocol));
        let script = r"
status, _, body = ask(None, '/v1/models', method='GET')
print(status, [model['id'] for model in json.loads(body)['data']])
";
        let (printed, recorded) = lab.python(&client, None, script);
        assert_eq!((printed.as_str(), recorded.sent), ("200 ['a-model']\n", 0));
    }
    assert!(upstream.asked().is_empty());
}

#[test]
fn eight_are_asked_at_once_and_the_rest_waits() {
    let lab = Lab::new("eight");
    let answer = Duration::from_millis(400);
    let upstream = Upstream::start(move |_, _| {
        let mut pieces = whole("200 OK", "", HELLO);
        pieces[0].0 = answer;
        pieces
    });
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    let script = r"
import threading
begun, done = time.time(), []
def one():
    status = ask(say('hello'))[0]
    done.append((status, time.time() - begun))
threads = [threading.Thread(target=one) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
done.sort(key=lambda pair: pair[1])
print(sum(status == 200 for status, _ in done), done[8][1] > 0.7, done[16][1] > 1.1)
";
    let (printed, recorded) = lab.python(&client, None, script);
    assert_eq!((printed.as_str(), recorded.answered), ("20 True True\n", 20));
}

#[test]
fn nothing_is_sent_once_the_budget_is_spent() {
    let lab = Lab::new("budget");
    let upstream = Upstream::start(|_, _| whole("200 OK", "", HELLO));
    let client = client(settings(&upstream.endpoint, Protocol::Openai));
    // An answer takes 128 tokens and 0.00032 USD.
    let (tokens, cost) =
        (Budget { tokens: Some(200), ..Budget::default() }, Budget { cost: Some(6e-4), ..Budget::default() });
    for (budget, limit) in [(tokens, Limit::Tokens), (cost, Limit::Cost)] {
        let script = "print([ask(say('hello'))[0] for _ in range(4)])";
        let (printed, recorded) = lab.python_within(&client, None, budget, script);
        assert_eq!(printed, "[200, 200, 402, 402]\n");
        assert_eq!((recorded.sent, recorded.limit), (2, Some(limit)));
    }
}
