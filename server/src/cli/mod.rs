//! The command line: the same engine without an editor.

pub mod report;
pub mod terminal;
pub mod check;
pub mod schema;
pub mod init;
pub mod scripted_model;
#[cfg(target_os = "linux")]
pub mod harbor_native;
pub mod doctor;
pub mod locate;
#[cfg(target_os = "linux")]
pub mod follow;
#[cfg(target_os = "linux")]
pub mod outcome;
#[cfg(target_os = "linux")]
pub mod run_report;
#[cfg(target_os = "linux")]
pub mod consent;
#[cfg(target_os = "linux")]
pub mod start;
#[cfg(target_os = "linux")]
pub mod evaluate;
#[cfg(target_os = "linux")]
pub mod mine;
#[cfg(target_os = "linux")]
pub mod import;
#[cfg(target_os = "linux")]
pub mod improve;
#[cfg(target_os = "linux")]
pub mod seal;
#[cfg(target_os = "linux")]
pub mod status;
#[cfg(target_os = "linux")]
pub mod trace;
#[cfg(target_os = "linux")]
pub mod worker;
#[cfg(target_os = "linux")]
pub mod demo;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::Failure;
use crate::host::log;

const MORE_HELP: &str = "\
Exit codes:
  0  done; `check` found no errors
  1  `check` found an error, or what was to be decided is undecided
  2  the command cannot be done as typed
  3  the project is not set up such that it could be done: a manifest that is no text, for example
  4  the machine refused: a file cannot be read or written, there is no sandbox, a run is paused
 70  a mistake in self-harness itself
130  a run was cancelled, or nobody wanted it to start";

/// Checks, measures and improves agent harnesses: everything around a frozen language model that makes it an agent
#[derive(Debug, Parser)]
#[command(name = "self-harness", version, about, after_long_help = MORE_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks harnesses without running anything; exits with 1 if there are errors
    Check(check::Arguments),
    /// Creates a harness from a preset, never over an existing file
    Init(init::Arguments),
    /// Tries whether trials can run on this machine, and says what to do if not
    Doctor,
    /// Shows everything at work: an example, a scripted model, 24 tasks; no key, no network
    #[cfg(target_os = "linux")]
    Demo(demo::Arguments),
    /// Measures the harness: runs it on its tasks in a sandbox and judges each trial
    #[cfg(target_os = "linux")]
    Evaluate(evaluate::Arguments),
    /// Takes results of Harbor, mini-swe-agent or SWE-agent as evidence; runs nothing, scores nothing
    #[cfg(target_os = "linux")]
    Import(import::Arguments),
    /// Shows what failures have in common, and which lines they are about; starts nothing
    #[cfg(target_os = "linux")]
    Mine(mine::Arguments),
    /// Asks the model for small edits against the weaknesses, and tries none
    #[cfg(target_os = "linux")]
    Propose(improve::ProposeArguments),
    /// Decides on proposals: runs them on held-in and held-out tasks
    #[cfg(target_os = "linux")]
    Validate(improve::ValidateArguments),
    /// Makes the harness better: mines, proposes, validates, round after round
    #[cfg(target_os = "linux")]
    Improve(improve::Arguments),
    /// Reads the sealed tasks once, at the very end: the first harness against the last
    #[cfg(target_os = "linux")]
    Seal(seal::Arguments),
    /// Shows where a run stands; cancels or resumes it
    #[cfg(target_os = "linux")]
    Status(status::Arguments),
    /// Shows what the agent did in a trial
    #[cfg(target_os = "linux")]
    Trace(trace::Arguments),
    /// Shows what came of a run
    #[cfg(target_os = "linux")]
    Report(run_report::Arguments),
    /// Performs the runs of a project
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Worker(worker::Arguments),
    /// Prints the JSON Schema of `harness.toml`
    Schema(schema::Arguments),
    /// Starts the language server on standard input and output
    Lsp {
        /// Writes what happens into this file: errors, warnings, commands, and what they started. No secret and no text of a project
        /// is in it. `SELF_HARNESS_LOG=debug` adds each request and how long it took. A file of 4 MiB is put aside as FILE.1
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
        /// Accepted for editors that always pass it; standard input and output are used anyway
        #[arg(long, hide = true)]
        stdio: bool,
        /// For tests: adds methods that look inside
        #[arg(long, hide = true)]
        probe: bool,
    },
    /// Answers as a model by a script, on this machine only; for the demo and for tests
    #[command(name = "__scripted-model", hide = true)]
    ScriptedModel(scripted_model::Arguments),
    /// Runs the native agent for Harbor
    #[cfg(target_os = "linux")]
    #[command(name = "__harbor-native", hide = true)]
    HarborNative,
}

/// Runs the command line; the answer is the exit code. `serve` starts the language server.
pub fn run(serve: impl FnOnce(bool) -> io::Result<u8>) -> ExitCode {
    let outcome = match Arguments::parse().command {
        None => help(),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Init(arguments)) => init::run(&arguments),
        Some(Command::Doctor) => doctor::run(),
        #[cfg(target_os = "linux")]
        Some(Command::Demo(arguments)) => demo::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Evaluate(arguments)) => evaluate::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Import(arguments)) => import::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Mine(arguments)) => mine::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Propose(arguments)) => improve::propose(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Validate(arguments)) => improve::validate(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Improve(arguments)) => improve::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Seal(arguments)) => seal::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Status(arguments)) => status::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Trace(arguments)) => trace::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Report(arguments)) => run_report::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::Worker(arguments)) => worker::run(&arguments),
        Some(Command::Schema(arguments)) => schema::run(&arguments),
        Some(Command::ScriptedModel(arguments)) => scripted_model::run(&arguments),
        #[cfg(target_os = "linux")]
        Some(Command::HarborNative) => harbor_native::run(),
        Some(Command::Lsp { probe, log, .. }) => log.as_deref().map_or(Ok(()), log::start).and_then(|()| {
            serve(probe).map_err(|error| {
                let hint = "see whether this machine can start threads";
                Failure::host(format!("cannot start the language server: {error}"), hint)
            })
        }),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            terminal::print_aside(&report::text::failure(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Whoever names no command is asking what there is.
fn help() -> Result<u8, Failure> {
    terminal::print(&Arguments::command().render_long_help().ansi().to_string())?;
    Ok(0)
}
