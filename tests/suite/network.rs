//! Tasks that name hosts: what agent, solution and verifier of one task may reach, on the product's own way from `task.toml` to the
//! evidence of a trial. The way out of the proxy leads to a server of the test.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use futures_util::future::BoxFuture;
use self_harness::engine::atif;
use self_harness::engine::verdict::{Verdict, VoidCause};
use self_harness::host::agents::Cancel;
use self_harness::host::disk;
use self_harness::host::egress::{Egress, Outside, Seen};
use self_harness::host::machine::Ceiling;
use self_harness::host::meter::Meter;
use self_harness::host::model::{Client, Endpoint, Settings};
use self_harness::host::redact::Redactor;
use self_harness::host::scripted::{Persona, Server};
use self_harness::host::suite::{AdmittedTask, Bench};
use self_harness::host::trial::{Done, NETWORK, Trial, perform};

use crate::lab::Lab;

/// Every name leads to a public address, and every address to one server.
struct Fake(SocketAddr);

impl Outside for Fake {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::from([93, 184, 216, 34])]) })
    }

    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, std::io::Result<tokio::net::TcpStream>> {
        Box::pin(tokio::net::TcpStream::connect(self.0))
    }
}

/// A server that gives everybody the number.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"4711\n");
        }
    });
    address
}

/// What a program of the task fetches a number with: the exit code says whether it came.
const FETCH: &str = "#!/usr/bin/python3
import os, socket, sys
host, port = os.environ['HTTPS_PROXY'].removeprefix('http://').split(':')
s = socket.create_connection((host, int(port)), 20)
s.sendall(f'CONNECT {sys.argv[1]}:443 HTTP/1.1\\r\\n\\r\\n'.encode())
head = b''
while not head.endswith(b'\\r\\n\\r\\n'):
    head += s.recv(1)
if b' 200 ' not in head:
    sys.exit(f'{sys.argv[1]}: {head.decode().splitlines()[0]}')
s.sendall(b'?')
print(s.makefile().readline().strip())
";

const CONFIG: &str = "[agent]
network_mode = \"allowlist\"
allowed_hosts = [\"numbers.example\"]

[verifier]
network_mode = \"allowlist\"
allowed_hosts = [\"truth.example\"]
";

/// Passes if the number is the one that the verifier's own host gives, and its agent's host is out of reach for it.
const TEST: &str = "#!/bin/sh
if ./fetch.py numbers.example; then echo 'the verifier reaches what is for the agent'; exit 1; fi
if [ \"$(cat answer.txt 2> /dev/null)\" = \"$(./fetch.py truth.example)\" ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
";

const PERSONA: &str = r#"
name = "fetcher"

[[rule]]
when = { step = 0 }
reply = { text = "I fetch.", calls = [{ tool = "shell", arguments = { command = "./fetch.py evil.example; ./fetch.py truth.example; ./fetch.py numbers.example > answer.txt" } }] }

[[rule]]
reply = { text = "done" }
"#;

/// The same as a program that asks the model itself, on the other road.
const PROGRAM: &str = r#"
import json, os, subprocess, urllib.request
body = {"model": os.environ["MODEL_NAME"], "messages": [{"role": "user", "content": "What now?"}]}
headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"}
asked = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(), headers)
answer = json.load(urllib.request.urlopen(asked, timeout=20))
call = answer["choices"][0]["message"]["tool_calls"][0]["function"]
subprocess.run(json.loads(call["arguments"])["command"], shell=True)
"#;

const COMMAND: &str = "schema = 1\nname = \"lab\"\n\n[model]\nendpoint = \"http://127.0.0.1:9/v1\"\nname = \"fetcher\"\n\n\
    [agent]\nkind = \"command\"\nargv = [\"python3\", \"{harness_dir}/agent.py\"]\nfiles = [\"agent.py\"]\n\
    env = { MODEL_NAME = \"{model_name}\" }\n";

const HARNESS: &str = "schema = 1\nname = \"lab\"\n\n[model]\nendpoint = \"http://127.0.0.1:9/v1\"\nname = \"fetcher\"\n\n\
    [agent]\nkind = \"native\"\n\n[prompt]\nsystem = { text = \"You work.\" }\n\n[[tool]]\nname = \"shell\"\n\
    builtin = \"shell\"\ndescription = \"Runs a command.\"\n";

fn files(config: &str) -> [(&str, &str); 5] {
    [
        ("task.toml", config),
        ("environment/Dockerfile", "FROM debian:12\nCOPY fetch.py /app/fetch.py\n"),
        ("environment/fetch.py", FETCH),
        ("tests/test.sh", TEST),
        ("solution/solve.sh", "#!/bin/sh\n./fetch.py numbers.example > answer.txt\n"),
    ]
}

/// Lets the agent work on a task; what came of it, and what was seen on the roads.
fn trial(lab: &Lab, task: &AdmittedTask, egress: &Egress, manifest: &str) -> (Done, Option<Seen>) {
    let root = lab.bench().archives.with_file_name("harness");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("harness.toml"), manifest).unwrap();
    fs::write(root.join("agent.py"), PROGRAM).unwrap();
    let harness = disk::complete(&root, disk::scan(&root), None).1;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(Persona::read("fetcher.toml", PERSONA).unwrap(), 0)).unwrap();
    let settings = Settings::of(&harness.manifest().model).unwrap();
    let settings = Settings { endpoint: Endpoint::read(&server.endpoint()).unwrap(), ..settings };
    let client = Client::new(settings, None).unwrap();
    let directory = root.join("kept");
    let done = perform(&Trial {
        root: &root,
        harness: &harness,
        task,
        bench: Bench { egress, ..lab.bench() },
        client: &client,
        runtime: runtime.handle(),
        cancel: &Cancel::new(),
        meter: &Meter::default(),
        seed: None,
        about: &atif::About::default(),
        redactor: &Redactor::new([]),
        directory: &directory,
    });
    let seen = fs::read_to_string(directory.join(NETWORK)).ok();
    (done.unwrap(), seen.map(|text| serde_json::from_str(&text).unwrap()))
}

/// What is told of the agent's attempts.
const OF_AGENT: [&str; 3] = [
    "agent evil.example:443 refused: `evil.example` is not among the `allowed_hosts` of the task",
    "agent truth.example:443 refused: `truth.example` is not among the `allowed_hosts` of the task",
    "agent numbers.example:443 open (93.184.216.34), 1 bytes out, 5 bytes in",
];

#[test]
fn each_phase_reaches_the_hosts_that_the_task_names_for_it() {
    let mut lab = Lab::new("network");
    lab.egress = Egress::by(Ceiling::Allowlist, Arc::new(Fake(server())));
    let task = lab.admitted(&files(CONFIG));
    // The solution and the verifiers of the admission had their roads as well.
    let lines = lab.egress.seen().lines();
    assert!(lines.iter().any(|line| line.starts_with("oracle numbers.example:443 open")), "{lines:?}");
    let (done, seen) = trial(&lab, &task, &lab.egress, HARNESS);
    assert_eq!(done.judged.verdict, Verdict::Pass, "{:#?}", done.judged);
    let mut lines = seen.unwrap().lines();
    let agent: Vec<String> = lines.drain(..3).collect();
    assert_eq!(agent, OF_AGENT);
    // The verdict is looked at twice: as it is, and with checks that must fail.
    assert!(lines.iter().all(|line| line.starts_with("verifier ")), "{lines:?}");
    assert!(lines[0].starts_with("verifier numbers.example:443 refused"), "{lines:?}");
    assert_eq!(lines[1], "verifier truth.example:443 open (93.184.216.34), 1 bytes out, 5 bytes in");
}

#[test]
fn a_program_has_the_road_to_the_model_and_that_to_its_hosts() {
    let mut lab = Lab::new("network-command");
    lab.egress = Egress::by(Ceiling::Allowlist, Arc::new(Fake(server())));
    let task = lab.admitted(&files(CONFIG));
    let (done, seen) = trial(&lab, &task, &lab.egress, COMMAND);
    assert_eq!((done.judged.verdict, done.requests), (Verdict::Pass, 1), "{done:#?}");
    assert_eq!(seen.unwrap().lines()[..3], OF_AGENT);
}

#[test]
fn a_machine_that_allows_less_than_the_plan_voids_the_trial() {
    let mut lab = Lab::new("network-ceiling");
    lab.egress = Egress::by(Ceiling::Allowlist, Arc::new(Fake(server())));
    let task = lab.admitted(&files(CONFIG));
    let (done, seen) = trial(&lab, &task, &Egress::new(Ceiling::Off), HARNESS);
    assert_eq!(done.judged.verdict, Verdict::Void(VoidCause::EnvironmentSetup), "{:#?}", done.judged);
    assert!(
        done.judged.cause.contains("`network = \"off\"` in the `config.toml` of this machine allows less"),
        "{:#?}",
        done.judged
    );
    assert_eq!(seen, None);
    assert_eq!(lab.left_over(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn without_a_word_about_the_network_there_is_none() {
    let mut lab = Lab::new("network-none");
    lab.egress = Egress::by(Ceiling::Public, Arc::new(Fake(server())));
    let test = "#!/bin/sh\nif [ -e answer.txt ] && [ -z \"$HTTPS_PROXY\" ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n";
    let solve = "#!/bin/sh\n[ -z \"$HTTPS_PROXY\" ] && touch answer.txt\n";
    lab.admitted(&[("tests/test.sh", test), ("solution/solve.sh", solve)]);
    assert!(lab.egress.seen().is_empty());
}
