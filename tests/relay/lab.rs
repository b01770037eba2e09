//! Where programs run: sandboxes with a road to the model, projects with a command agent, and clients with a key that must
//! stay outside.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness_schema::harness::Harness;
use harness_schema::manifest::{Model, Price, Protocol};
use self_harness::engine::budget::Budget;
use self_harness::host::agents::command::{lay_out, run};
use self_harness::host::agents::{Cancel, Work, Worked};
use self_harness::host::disk;
use self_harness::host::meter::Meter;
use self_harness::host::model::{Backoff, Client, Settings};
use self_harness::host::redact::SecretString;
use self_harness::host::relay::{Recorded, Relay};
use self_harness::host::sandbox::bubblewrap::Bubblewrap;
use self_harness::host::sandbox::spec::Env;
use self_harness::host::sandbox::tree::Identity;
use self_harness::host::sandbox::{Backend, Exec, Executed, Network, Phase, Sandbox, Spec, Trials, beneath};
use tokio::runtime::Runtime;

/// What nothing inside and no record may hold.
pub(crate) const KEY: &str = "sk-live/4711+0815-abcdefgh";
/// The model of the contract.
pub(crate) const MODEL: &str = "a-model";

/// A laboratory; it goes when the test ends.
pub(crate) struct Lab {
    pub(crate) directory: PathBuf,
    pub(crate) backend: Bubblewrap,
    pub(crate) runtime: Runtime,
    pub(crate) cancel: Cancel,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("self-harness-relay-{}-{name}", std::process::id()));
        let _ = beneath::remove(&directory);
        fs::create_dir_all(directory.join("project")).unwrap();
        // The ordinary user that root becomes has to pass.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o711)).unwrap();
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let run_as = is_root.then_some(Identity::UNUSED);
        let backend = Bubblewrap {
            executable: PathBuf::from(env!("CARGO_BIN_EXE_self-harness")),
            trials: Trials::at(directory.join("trials"), run_as),
            run_as,
            ..Bubblewrap::of_this_machine()
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { directory, backend, runtime, cancel: Cancel::new() }
    }

    fn start(&self, spec: Spec) -> Box<dyn Sandbox> {
        self.backend.start(spec).unwrap_or_else(|error| panic!("no sandbox, so no protection: {error}"))
    }

    pub(crate) fn sandbox(&self, network: Network) -> Box<dyn Sandbox> {
        let mut spec = Spec::new(Phase::Agent, self.backend.trials.fresh().unwrap());
        spec.network = network;
        self.start(spec)
    }

    /// Runs a Python program with the road to a model, which it finds as `TOKEN` says; what it printed, and what the relay
    /// saw.
    pub(crate) fn python(&self, client: &Client, seed: Option<u32>, script: &str) -> (String, Recorded) {
        self.python_within(client, seed, Budget::default(), script)
    }

    pub(crate) fn python_within(
        &self,
        client: &Client,
        seed: Option<u32>,
        budget: Budget,
        script: &str,
    ) -> (String, Recorded) {
        let mut sandbox = self.sandbox(Network::Model);
        let listener = sandbox.take_listener().unwrap();
        let relay =
            Relay::start(self.runtime.handle(), listener, client, seed, budget, Meter::default()).unwrap();
        let mut exec = Exec::program(["/usr/bin/python3", "-c", &format!("{PRELUDE}{script}")]);
        exec.env = Env::of_agent([("OPENAI_API_KEY", relay.token().expose())]).unwrap();
        let executed = sandbox.exec(&exec.within(Duration::from_secs(40))).unwrap();
        let recorded = relay.end();
        sandbox.kill().unwrap().into_tree().remove().unwrap();
        (printed(&executed), recorded)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.join("project").join(name), text).unwrap();
    }

    /// A project with a command agent, of which `agent` are the keys.
    pub(crate) fn harness(&self, client: &Client, agent: &str) -> Harness {
        let settings = client.settings();
        let protocol = match settings.protocol {
            Protocol::Openai => "openai",
            Protocol::Anthropic => "anthropic",
        };
        self.write(
            "harness.toml",
            &format!(
                "schema = 1\n[model]\nprotocol = \"{protocol}\"\nendpoint = \"{}\"\nname = \"{}\"\n[agent]\nkind = \"command\"\n{agent}\n",
                settings.endpoint, settings.name
            ),
        );
        let root = self.directory.join("project");
        disk::complete(&root, disk::scan(&root), None).1
    }

    /// Lets a harness work, and says what came of it and what lies in its tree.
    #[track_caller]
    pub(crate) fn work(
        &self,
        harness: &Harness,
        client: &Client,
        timeout: Duration,
    ) -> (Worked, BTreeMap<String, String>) {
        let mut spec = Spec::new(Phase::Agent, self.backend.trials.fresh().unwrap());
        spec.mounts = lay_out(harness, &self.directory.join("project"), INSTRUCTION, &spec.tree).unwrap();
        spec.network = Network::Model;
        let mut sandbox = self.start(spec);
        let work = Work {
            harness,
            instruction: INSTRUCTION,
            workdir: "/app",
            timeout,
            seed: Some(7),
            client,
            runtime: self.runtime.handle(),
            cancel: &self.cancel,
            meter: &Meter::default(),
            started: Instant::now(),
        };
        let ran = run(&work, &mut *sandbox);
        let dead = sandbox.kill().unwrap();
        let worked = ran.read(&dead);
        let files = files_in(&dead.tree().path());
        dead.into_tree().remove().unwrap();
        (worked, files)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = beneath::remove(&self.directory);
    }
}

pub(crate) const INSTRUCTION: &str = "count the lines of `data.csv`, \"all\" of them";

fn files_in(directory: &Path) -> BTreeMap<String, String> {
    let entries =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let text = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), text(&path))).collect()
}

/// What a program printed that had to end well.
#[track_caller]
fn printed(executed: &Executed) -> String {
    let errors = executed.stderr.text();
    assert!(errors.is_empty(), "{:?}: {}{errors}", executed.ended, executed.stdout.text());
    executed.stdout.text()
}

pub(crate) fn settings(endpoint: &str, protocol: Protocol) -> Settings {
    let price = Price { input: 2.0.into(), output: 10.0.into(), ..Price::default() };
    let model = Model {
        protocol: protocol.into(),
        endpoint: endpoint.to_owned().into(),
        name: MODEL.to_owned().into(),
        price: Some(price.into()),
        ..Model::default()
    };
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };
    Settings { retries: 2, timeout: Duration::from_secs(10), backoff, ..Settings::of(&model).unwrap() }
}

pub(crate) fn client(settings: Settings) -> Client {
    Client::new(settings, Some(&SecretString::new(KEY))).unwrap()
}

/// What programs start with: how to reach the model, in full or byte by byte.
pub(crate) const PRELUDE: &str = r#"
import json, os, socket, sys, time, urllib.error, urllib.request

TOKEN = os.environ.get('OPENAI_API_KEY') or os.environ.get('ANTHROPIC_API_KEY')
ADDRESS = ('127.0.0.1', 3129)

def ask(body, path='/v1/chat/completions', headers=None, method='POST'):
    headers = {'authorization': 'Bearer ' + TOKEN, 'content-type': 'application/json'} if headers is None else headers
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request('http://127.0.0.1:3129' + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()

def say(text, **more):
    return {'model': 'a-model', 'messages': [{'role': 'user', 'content': text}], **more}

def raw(data, timeout=10):
    with socket.create_connection(ADDRESS, timeout) as s:
        s.settimeout(timeout)
        try:
            s.sendall(data)
        except OSError:
            pass
        got = b''
        try:
            while piece := s.recv(65536):
                got += piece
        except OSError:
            pass
        return got.decode()
"#;
