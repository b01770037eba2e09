//! Trials of the native agent against the scripted model, in a sandbox that only pretends: what it is asked to run is looked at,
//! never run.

mod ends;
mod rules;
mod calls;

use std::time::{Duration, Instant};

use harness_schema::files::Files;
use harness_schema::harness::Harness;
use harness_schema::manifest::Protocol;

use super::*;
use crate::engine::trace::{Source, Trace};
use crate::host::agents::Cancel;
use crate::host::meter::Meter;
use crate::host::model::{Backoff, Client, Endpoint, Settings};
use crate::host::sandbox::output::Capture;
use crate::host::sandbox::spec::Cause;
use crate::host::sandbox::{Dead, Ended, Exec, Executed, SandboxError};
use crate::host::scripted::{Persona, Server};

/// The head of all manifests.
const HEAD: &str = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"scripted\"\n\
    [prompt]\nsystem = { text = \"You work in {{ workdir }}.\" }\n\
    [[tool]]\nname = \"shell\"\nbuiltin = \"shell\"\n";

/// A sandbox that pretends: the last word of a command says what comes of it.
#[derive(Default)]
struct Pretended {
    /// The last words of what was run, with its limits of time.
    ran: Vec<(String, Duration)>,
    is_over: bool,
}

impl Sandbox for Pretended {
    fn exec(&mut self, command: &Exec) -> Result<Executed, SandboxError> {
        let word = command.argv.last().cloned().unwrap_or_default();
        self.ran.push((word.clone(), command.timeout));
        if self.is_over {
            return Err(SandboxError::Over(Ended::Died(Cause::FirstProcess)));
        }
        let (ended, printed) = match word.split(' ').next().unwrap_or_default() {
            "fail" | "pytest" => (Ended::Finished(1), String::from("ValueError: no")),
            "slow" => (Ended::TimedOut, String::from("so far")),
            "sleep" => {
                std::thread::sleep(command.timeout);
                (Ended::TimedOut, String::new())
            }
            "signal" => (Ended::Signalled(11), String::new()),
            "flood" => (Ended::OutputFlood, String::from("x")),
            "memory" => (Ended::OverMemory, String::new()),
            "die" => (Ended::Died(Cause::HostFloor("memory")), String::new()),
            "over" => {
                self.is_over = true;
                (Ended::Finished(0), String::new())
            }
            "big" => (Ended::Finished(0), "0123456789".repeat(200)),
            _ => (Ended::Finished(0), format!("did {word}")),
        };
        let mut stdout = Capture::default();
        stdout.push(printed.as_bytes());
        Ok(Executed { ended, stdout, stderr: Capture::default(), took: Duration::ZERO })
    }

    fn kill(self: Box<Self>) -> Result<Dead, SandboxError> {
        Err(SandboxError::Over(Ended::Died(Cause::Unused)))
    }
}

/// A trial as a test wants it.
struct Trial {
    manifest: String,
    persona: String,
    timeout: Duration,
    protocol: Protocol,
    cancel: Cancel,
}

impl Trial {
    fn new(manifest: &str, persona: &str) -> Self {
        Self {
            manifest: format!("{HEAD}{manifest}"),
            persona: persona.to_owned(),
            timeout: Duration::from_secs(20),
            protocol: Protocol::Openai,
            cancel: Cancel::new(),
        }
    }

    /// Runs it; also what was run in the sandbox.
    #[track_caller]
    fn run(&self) -> (Worked, Vec<String>) {
        let (worked, sandbox) = self.run_in(Pretended::default());
        (worked, sandbox.ran.into_iter().map(|(word, _)| word).collect())
    }

    #[track_caller]
    fn run_in(&self, mut sandbox: Pretended) -> (Worked, Pretended) {
        let files = Files::from_texts([("harness.toml", self.manifest.as_str())]);
        let harness = Harness::resolve(&files, None);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let persona = Persona::read("test.toml", &self.persona).unwrap();
        let server = runtime.block_on(Server::start(persona, 0)).unwrap();
        let settings = Settings::of(&harness.manifest().model).unwrap();
        let endpoint = Endpoint::read(&server.endpoint()).unwrap();
        let settings = Settings {
            endpoint,
            protocol: self.protocol,
            retries: 1,
            backoff: Backoff { first: Duration::from_millis(1), most: Duration::from_millis(2) },
            ..settings
        };
        let client = Client::new(settings, None).unwrap();
        let worked = work(
            &Work {
                harness: &harness,
                instruction: "Write the sum to `out.txt`.",
                workdir: "/app",
                timeout: self.timeout,
                seed: Some(1),
                client: &client,
                runtime: runtime.handle(),
                cancel: &self.cancel,
                meter: &Meter::default(),
                started: Instant::now(),
            },
            &mut sandbox,
        );
        drop(server);
        (worked, sandbox)
    }
}

/// One call of the shell.
fn call(command: &str) -> String {
    format!("{{ calls = [{{ tool = \"shell\", arguments = {{ command = \"{command}\" }} }}] }}")
}

/// A persona: the replies to the first requests, and the one to all later ones.
fn persona(replies: &[&str], last: &str) -> String {
    let mut text = String::from("step = \"assistant\"\n");
    for (step, reply) in replies.iter().enumerate() {
        text.push_str(&format!("[[rule]]\nwhen = {{ step = {step} }}\nreply = {reply}\n"));
    }
    text.push_str(&format!("[[rule]]\nreply = {last}\n"));
    text
}

/// What was said to the model as the user, first the task.
fn said(trace: &Trace) -> Vec<&str> {
    let said = trace.steps.iter().filter(|step| step.source == Source::User);
    said.map(|step| step.message.as_str()).collect()
}

/// Which rules spoke, in order.
fn spoke(trace: &Trace) -> Vec<&str> {
    trace.steps.iter().filter_map(|step| step.rule.as_deref()).collect()
}

/// What the calls of the agent printed.
fn printed(trace: &Trace) -> Vec<&str> {
    let calls = trace.steps.iter().flat_map(|step| &step.calls);
    calls.filter_map(|call| call.observation.as_ref()).map(|seen| seen.text.as_str()).collect()
}
