//! Command agents: any program that works in the sandbox and asks the model itself, by way of the relay (`formats` 5.2). Its
//! exit code is a claim like all that it says.
//!
//! Before the sandbox is started, [`lay_out`] says what has to be seen in it. [`run`] runs the program in it. What the program
//! left is read by [`Ran::read`], which wants the proof that no process of the sandbox is left to change it.

mod words;
mod files;
mod program;
mod left;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness_schema::harness::Harness;
use harness_schema::manifest::{AgentKind, Stdin, TranscriptFormat};

pub use self::files::{lay_out, lay_out_files};
pub use self::program::find_program;

use self::words::Words;
use super::{Cancel, Work, Worked};
use crate::engine::budget::{Budget, Limit};
use crate::engine::trace::{End, Trace};
use crate::engine::transcript;
use crate::engine::verdict::VoidCause;
use crate::host::model::Consequence;
use crate::host::redact::Redactor;
use crate::host::relay::{Patience, Recorded, Relay};
use crate::host::sandbox::spec::{Cause, Env, Stopper};
use crate::host::sandbox::{Dead, Ended, Exec, Executed, Sandbox, SandboxError};

/// Where the task's instruction is seen inside.
pub const INSTRUCTION_FILE: &str = "/run/self-harness/instruction.md";
/// Where the harness is seen inside.
pub const HARNESS_DIR: &str = "/run/self-harness/harness";
/// Where a program leaves its transcript, if nothing else is said.
pub const TRANSCRIPT: &str = "/logs/agent/transcript";

/// As much of what a program printed last as a person reads.
const MAX_LAST_WORDS: usize = 600;
/// How often a command that is to end is told so.
const AGAIN: Duration = Duration::from_millis(100);

/// Why a command agent cannot be started as the manifest says.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no program.
    #[error("`agent.argv` in `harness.toml` names no program; write the program and its arguments")]
    NoProgram,
    /// The program is not there.
    #[error(
        "`{program}`, the first of `agent.argv` in `harness.toml`, is not found in the sandbox; install it below `/usr`, name its directory as a toolchain of this machine, or list it in `agent.files`"
    )]
    NotFound {
        /// As it is written.
        program: String,
    },
    /// A placeholder that nobody fills.
    #[error("`{key}` in `harness.toml` holds the unknown placeholder `{{{name}}}`; write `{{{{` for a brace")]
    Placeholder {
        /// The key.
        key: &'static str,
        /// The placeholder.
        name: String,
    },
    /// A variable that may not be set.
    #[error("`agent.env` in `harness.toml` sets `{name}`, which cannot be set in a sandbox; remove it")]
    Variable {
        /// Its name.
        name: String,
    },
    /// A file of the harness cannot be read or laid out.
    #[error("cannot {what} `{path}`: {source}; see whether it is there and can be read")]
    File {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Says whether the program, its variables and its placeholders are as they can be, before a trial is begun.
///
/// # Errors
/// A [`CommandError`] that says what to change.
pub fn check(harness: &Harness) -> Result<(), CommandError> {
    let words = Words::sample(harness);
    words.argv(harness)?;
    words.transcript(harness)?;
    words.env(harness).map(drop)
}

/// The same, and whether the program will be found in the sandbox; `toolchains` are those of this machine. Nothing of it
/// concerns an agent of another kind.
///
/// # Errors
/// A [`CommandError`] that says what to change.
pub fn ready(harness: &Harness, toolchains: &[PathBuf]) -> Result<(), CommandError> {
    if harness.manifest().agent.value.kind.value != AgentKind::Command {
        return Ok(());
    }
    check(harness)?;
    find_program(harness, toolchains)
}

/// What a program did, before what it left is read.
pub struct Ran {
    /// Why the trial measured nothing, if that is known already.
    void: Option<VoidCause>,
    end: End,
    detail: String,
    recorded: Option<Recorded>,
    /// Where the transcript is, as seen inside.
    transcript: String,
    workdir: String,
    format: TranscriptFormat,
    redactor: Redactor,
}

/// Why a command was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Its time is over.
    Time,
    /// Somebody wants it to end.
    Cancelled,
}

/// Runs the program of a harness in a sandbox that was started with what [`lay_out`] says and with
/// [`Network::Model`](crate::host::sandbox::Network::Model). Blocks the thread, which may not be one where futures run.
pub fn run(work: &Work<'_>, sandbox: &mut dyn Sandbox) -> Ran {
    let agent = &work.harness.manifest().agent;
    let ran = |void, end, detail, recorded, transcript| Ran {
        void,
        end,
        detail,
        recorded,
        transcript,
        workdir: work.workdir.to_owned(),
        format: agent.transcript_format.value,
        redactor: work.client.redactor().clone(),
    };
    let failed = |void, detail: String| {
        ran(Some(void), End::Crashed(detail.clone()), detail, None, TRANSCRIPT.to_owned())
    };
    let Some(listener) = sandbox.take_listener() else {
        let detail = "the sandbox has no road to the model, or it was used before";
        return failed(VoidCause::EnvironmentSetup, detail.to_owned());
    };
    let relay = match Relay::start(
        work.runtime,
        listener,
        work.client,
        work.seed,
        ceiling(work.harness),
        work.meter.clone(),
    ) {
        Ok(relay) => relay,
        Err(error) => return failed(VoidCause::HostResource, format!("the relay cannot start: {error}")),
    };
    let words = Words::of(work, relay.token().expose());
    let command = words.argv(work.harness).and_then(|argv| {
        let transcript = words.transcript(work.harness)?;
        Ok((argv, words.env(work.harness)?, transcript))
    });
    let (argv, env, transcript) = match command {
        Ok(command) => command,
        Err(error) => return failed(VoidCause::AgentStart, error.to_string()),
    };
    let mut exec = Exec::program(argv);
    exec.env = env;
    exec.stdin = (agent.stdin.value == Stdin::Instruction).then(|| INSTRUCTION_FILE.to_owned());
    let (outcome, why) = watched(work, sandbox, exec, relay.patience());
    let recorded = relay.end();
    let (void, end, detail) = judged(outcome, why, work.client.redactor());
    ran(void, end, detail, Some(recorded), transcript)
}

/// The most that one trial may spend: no more than all trials together. What is left of that is asked for before each trial.
fn ceiling(harness: &Harness) -> Budget {
    let budget = &harness.manifest().budget;
    Budget {
        tokens: budget.max_tokens.as_ref().map(|most| most.value),
        cost: budget.max_cost_usd.as_ref().map(|most| most.value),
        ..Budget::default()
    }
}

/// Runs a command for as long as it may take. Waiting for the provider does not count.
fn watched(
    work: &Work<'_>,
    sandbox: &mut dyn Sandbox,
    exec: Exec,
    patience: Patience,
) -> (Result<Executed, SandboxError>, Option<Why>) {
    let left = work.timeout.saturating_sub(work.started.elapsed());
    let Some(stopper) = sandbox.stopper() else {
        return (sandbox.exec(&exec.within(left)), None);
    };
    let why = Arc::new(Mutex::new(None));
    let clock = Clock {
        cancel: work.cancel.clone(),
        started: work.started,
        timeout: work.timeout,
        patience,
        stopper,
        why: Arc::clone(&why),
    };
    let clock = work.runtime.spawn(clock.run());
    // The last resort, should the clock fail.
    let longest = left + Patience::most() + Duration::from_secs(60);
    let outcome = sandbox.exec(&exec.within(longest));
    clock.abort();
    let why = *why.lock().unwrap_or_else(PoisonError::into_inner);
    (outcome, why)
}

/// Ends a command when its time is over, or when nobody wants it any more.
struct Clock {
    cancel: Cancel,
    started: Instant,
    timeout: Duration,
    patience: Patience,
    stopper: Stopper,
    why: Arc<Mutex<Option<Why>>>,
}

impl Clock {
    async fn run(self) {
        let why = loop {
            // While it waits for the provider, this grows with the time.
            let until = self.started + self.timeout + self.patience.waited();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Why::Time;
            }
            tokio::select! {
                () = self.cancel.cancelled() => break Why::Cancelled,
                () = tokio::time::sleep(left) => {}
            }
        };
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        loop {
            // It may not have been started yet.
            self.stopper.stop();
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What the end of a command says: whether the trial measured anything, how it ended, and what there is to say.
fn judged(
    outcome: Result<Executed, SandboxError>,
    why: Option<Why>,
    redactor: &Redactor,
) -> (Option<VoidCause>, End, String) {
    let executed = match outcome {
        Ok(executed) => executed,
        Err(error) => {
            let void = match &error {
                SandboxError::Command { .. } => VoidCause::AgentStart,
                SandboxError::Over(Ended::Died(Cause::HostFloor(_))) => VoidCause::HostResource,
                _ => VoidCause::EnvironmentSetup,
            };
            let detail = redactor.text(&error.to_string()).into_owned();
            return (Some(void), End::Crashed(detail.clone()), detail);
        }
    };
    let printed = [executed.stderr.text(), executed.stdout.text()];
    let detail = printed.iter().find_map(|text| last_words(text, redactor)).unwrap_or_default();
    let crashed =
        |how: String| End::Crashed(if detail.is_empty() { how } else { format!("{how}: {detail}") });
    let (void, end) = match &executed.ended {
        Ended::Finished(0) => (None, End::Finished),
        Ended::Finished(code) => (None, crashed(format!("it ended with exit code {code}"))),
        Ended::Signalled(signal) => (None, crashed(format!("signal {signal} ended it"))),
        Ended::TimedOut if why == Some(Why::Cancelled) => (None, End::Killed),
        Ended::TimedOut => (None, End::Time),
        Ended::OutputFlood | Ended::OverMemory | Ended::OverDisk => (None, End::Killed),
        Ended::Died(Cause::HostFloor(_)) => (Some(VoidCause::HostResource), End::Killed),
        Ended::Died(_) => (Some(VoidCause::EnvironmentSetup), End::Killed),
    };
    let detail = match &executed.ended {
        Ended::Finished(_) | Ended::Signalled(_) | Ended::TimedOut => detail,
        ended => format!("{ended:?}"),
    };
    (void, end, detail)
}

/// The last line of an output: plain, without secrets, and not too long.
fn last_words(text: &str, redactor: &Redactor) -> Option<String> {
    let text = redactor.text(text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let plain: String = line.trim().chars().filter(|char| !char.is_control()).take(MAX_LAST_WORDS).collect();
    Some(plain)
}

impl Ran {
    /// Reads what the program left, and says what it did. Without a transcript of its own the relay's record is it.
    #[must_use]
    pub fn read(self, dead: &Dead) -> Worked {
        let mut worked = Worked {
            trace: Trace::default(),
            end: self.end,
            void: self.void,
            pauses: false,
            detail: self.detail,
            requests: 0,
            usage: Default::default(),
            model: None,
            fingerprint: None,
        };
        let Some(recorded) = self.recorded else { return worked };
        worked.requests = recorded.answered;
        worked.usage = recorded.usage;
        worked.model.clone_from(&recorded.model);
        worked.fingerprint.clone_from(&recorded.fingerprint);
        let own = left::text(dead, &self.transcript, &self.workdir);
        let own = own.and_then(|text| transcript::read(&self.redactor.text(&text), self.format).ok());
        let trace = own.or_else(|| transcript::read(&recorded.chat, TranscriptFormat::Chat).ok());
        let is_readable = trace.is_some();
        worked.trace = trace.unwrap_or_default();
        if worked.trace.agent.model.is_none() {
            worked.trace.agent.model.clone_from(&recorded.model);
        }
        if worked.void.is_none() {
            worked.settle(&recorded, is_readable);
        }
        worked
    }
}

impl Worked {
    /// What the relay saw decides before what the program claims.
    fn settle(&mut self, recorded: &Recorded, is_readable: bool) {
        if recorded.sent == 0 {
            self.void = Some(VoidCause::AgentStart);
            if let Some(refused) = &recorded.refused {
                self.detail =
                    format!("it sent no request that could be passed on; the last was refused: {refused}");
            } else if self.detail.is_empty() {
                self.detail = String::from("it sent no request to the model");
            }
            return;
        }
        let consequence = recorded.failure.as_ref().map(|failure| failure.consequence());
        if let Some(failure) = &recorded.failure {
            self.detail = failure.to_string();
        }
        match consequence.or(recorded.consequence) {
            Some(consequence @ (Consequence::Void | Consequence::Pause)) => {
                self.pauses = consequence == Consequence::Pause;
                self.void = Some(VoidCause::Provider);
                self.end = End::Provider;
                return;
            }
            // Who was stopped did not end because of the model.
            Some(_) if matches!(self.end, End::Time | End::Killed) => {}
            Some(Consequence::Context) => self.end = End::Context,
            Some(Consequence::Crashed) => {
                self.end = End::Crashed(String::from("the model refused to answer"));
            }
            None if recorded.limit.is_some() && !matches!(self.end, End::Time | End::Killed) => {
                let is_of_tokens = recorded.limit == Some(Limit::Tokens);
                self.end = if is_of_tokens { End::Tokens } else { End::Cost };
            }
            // It ended by itself; of the reasons that it may have it knows more than its exit code does.
            None if matches!(self.end, End::Finished | End::Crashed(_)) => match &self.trace.end {
                // The relay knows of the provider, and we know whether it was killed.
                None | Some(End::Finished | End::Provider | End::Killed) => {}
                Some(claimed) => self.end = claimed.clone(),
            },
            None => {}
        }
        if !is_readable {
            self.void = Some(VoidCause::Adapter);
            self.detail =
                String::from("it left no transcript that can be read, and none of its requests was answered");
        }
    }
}

#[cfg(test)]
mod tests;
