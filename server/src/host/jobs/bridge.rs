//! The native agent in an environment of Harbor's: an agent in Python, which Harbor imports, starts this program, and does for it in
//! the environment what its tools ask for. Models are asked from here, so no key gets into the environment.
//!
//! A line is a JSON document. The first line in says what there is to do; then each line out asks for a command, and each line in
//! says how it ended; the last line out says how the agent did.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::atif;
use crate::engine::harbor::job::DIGEST;
use crate::failure::{Failure, FailureKind};
use crate::host::agents::harbor::Words;
use crate::host::agents::{Cancel, Work, Worked, native};
use crate::host::disk;
use crate::host::meter::Meter;
use crate::host::model::{Client, Settings};
use crate::host::sandbox::output::Capture;
use crate::host::sandbox::spec::Cause;
use crate::host::sandbox::{Dead, Ended, Exec, Executed, Sandbox, SandboxError};
use crate::host::trial;

/// The agent that Harbor imports.
pub(super) const AGENT: &str = include_str!("self_harness_agent.py");
/// Its module.
pub(super) const MODULE: &str = "self_harness_agent.py";
/// How it is imported.
pub(super) const IMPORT: &str = "self_harness_agent:NativeAgent";

/// How much longer than a command may take an answer is waited for.
const SLACK: Duration = Duration::from_secs(60);

/// What there is to do.
#[derive(Debug, Deserialize)]
struct Asked {
    instruction: String,
    workdir: String,
    /// The directory of the harness, with its manifest.
    harness: PathBuf,
    /// The directory for the transcript.
    logs: PathBuf,
    #[serde(default)]
    seed: Option<u32>,
}

/// How a command ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    /// None if it ran out of time.
    code: Option<i32>,
    out: String,
    err: String,
    /// Why there is no environment any more.
    failed: Option<String>,
}

/// Works for the agent in Python until the work is done, or nobody listens any more.
///
/// # Errors
/// A [`Failure`] if what there is to do cannot be understood, or there is no such harness.
pub fn bridge(
    mut input: impl BufRead + Send + 'static,
    mut output: impl Write + Send,
) -> Result<(), Failure> {
    let mut first = String::new();
    input.read_line(&mut first).map_err(|error| broken(error.to_string()))?;
    let asked: Asked = serde_json::from_str(&first).map_err(|error| broken(error.to_string()))?;
    let (files, harness) = disk::complete(&asked.harness, disk::scan(&asked.harness), None);
    drop(files);
    if !harness.is_native() {
        let message = format!("`{}` is no harness of the native agent", asked.harness.display());
        return Err(Failure::config(message, "run it by `self-harness evaluate`"));
    }
    let model = &harness.manifest().model.value;
    let settings = Settings::of(model)
        .map_err(|error| Failure::config(error.to_string(), "correct `model.endpoint` in `harness.toml`"))?;
    let key = Words::of(&harness, &[]).key_here();
    let client = Client::new(settings, key.as_ref())
        .map_err(|error| Failure::host(error.to_string(), "see `[model]` in `harness.toml`"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::host(format!("cannot start threads: {error}"), "see `ulimit -u`"))?;
    let cancel = Cancel::new();
    let answers = listen(input, cancel.clone());
    let mut far = Far { answers, output: &mut output, workdir: asked.workdir.clone() };
    let worked = native::work(
        &Work {
            harness: &harness,
            instruction: &asked.instruction,
            workdir: &asked.workdir,
            // Harbor has the clock.
            timeout: harness.manifest().agent.value.timeout.value.into(),
            seed: asked.seed,
            client: &client,
            runtime: runtime.handle(),
            cancel: &cancel,
            meter: &Meter::default(),
            started: Instant::now(),
        },
        &mut far,
    );
    keep(&asked.logs, &client, &worked);
    writeln!(output, "{}", json!({ "done": told(&worked) })).map_err(|error| broken(error.to_string()))
}

fn broken(reason: String) -> Failure {
    let message = format!("nothing can be understood of what there is to do: {reason}");
    Failure {
        kind: FailureKind::User,
        message,
        hint: String::from("Harbor's agent of self-harness starts this"),
    }
}

/// Hears answers from a thread of its own; when nobody is left to answer, nobody wants the work any more.
fn listen(input: impl BufRead + Send + 'static, cancel: Cancel) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    let hear = move || {
        for line in input.lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
        cancel.cancel();
    };
    // Without it no answer comes, and the first command says so.
    let _ = thread::Builder::new().name(String::from("answers")).spawn(hear);
    told
}

/// The environment, as far as it can be reached through two pipes.
struct Far<'a, W> {
    answers: Receiver<String>,
    output: &'a mut W,
    workdir: String,
}

impl<W: Write + Send> Sandbox for Far<'_, W> {
    fn exec(&mut self, command: &Exec) -> Result<Executed, SandboxError> {
        let began = Instant::now();
        let env: serde_json::Map<String, Value> =
            command.env.each().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let exec = json!({
            "argv": command.argv,
            "directory": command.directory.as_deref().unwrap_or(&self.workdir),
            "env": env,
            "stdin": command.stdin,
            "timeout_sec": command.timeout.as_secs_f64().ceil().max(1.0),
        });
        let gone = || SandboxError::Over(Ended::Died(Cause::Unused));
        writeln!(self.output, "{}", json!({ "exec": exec })).map_err(|_| gone())?;
        self.output.flush().map_err(|_| gone())?;
        let line = self.answers.recv_timeout(command.timeout + SLACK).map_err(|_| gone())?;
        let answer: Answer = serde_json::from_str(&line).map_err(|_| gone())?;
        if let Some(why) = answer.failed {
            return Err(SandboxError::Start(why));
        }
        let captured = |text: &str| {
            let mut capture = Capture::default();
            capture.push(text.as_bytes());
            capture
        };
        Ok(Executed {
            ended: answer.code.map_or(Ended::TimedOut, Ended::Finished),
            stdout: captured(&answer.out),
            stderr: captured(&answer.err),
            took: began.elapsed(),
        })
    }

    fn kill(self: Box<Self>) -> Result<Dead, SandboxError> {
        Err(SandboxError::Refused(String::from("an environment of Harbor's is ended by Harbor")))
    }
}

fn keep(logs: &Path, client: &Client, worked: &Worked) {
    // Which trial it is knows whoever asked Harbor for it.
    let about = atif::About {
        trial: String::new(),
        harness: std::env::var(DIGEST).unwrap_or_default(),
        contract: String::new(),
        tool_definitions: Vec::new(),
    };
    let trace = crate::engine::trace::Trace { end: Some(worked.end.clone()), ..worked.trace.clone() };
    trial::keep_trace(client.redactor(), logs, &about, &trial::trace_name(0), &trace);
}

fn told(worked: &Worked) -> Value {
    json!({
        "n_input_tokens": worked.usage.input,
        "n_cache_tokens": worked.usage.cached,
        "n_output_tokens": worked.usage.output,
        "cost_usd": worked.usage.cost,
        "end": worked.end.word(),
        "void": worked.void.map(|cause| cause.word()),
        "pauses": worked.pauses,
        "detail": worked.detail,
    })
}
