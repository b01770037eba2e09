//! The command line: the same engine without an editor.

pub mod report;
pub mod terminal;
pub mod check;
pub mod schema;
pub mod init;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Checks, runs and improves agent harnesses: everything around a frozen language model that makes it an agent.
#[derive(Debug, Parser)]
#[command(name = "self-harness", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks harnesses without running anything; exits with 1 if there are errors
    Check(check::Arguments),
    /// Creates a harness from a preset, never over an existing file
    Init(init::Arguments),
    /// Prints the JSON Schema of `harness.toml`
    Schema(schema::Arguments),
    /// Starts the language server on standard input and output
    Lsp {
        /// Accepted for editors that always pass it; standard input and output are used anyway
        #[arg(long, hide = true)]
        stdio: bool,
        /// For tests: adds methods that look inside
        #[arg(long, hide = true)]
        probe: bool,
    },
}

/// Runs the command line; the answer is the exit code. `serve` starts the language server.
pub fn run(serve: impl FnOnce(bool) -> io::Result<u8>) -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Lsp { probe, .. } => serve(probe).map_err(|error| {
            let hint = "see whether this machine can start threads";
            Failure::host(format!("cannot start the language server: {error}"), hint)
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
