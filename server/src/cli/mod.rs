//! The command line: the same engine without an editor.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Checks, runs and improves agent harnesses.
#[derive(Debug, Parser)]
#[command(name = "self-harness", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the language server on standard input and output
    Lsp,
}

/// Runs the command line; the answer is the exit code. `serve` starts the language server.
pub fn run(serve: impl FnOnce() -> std::io::Result<u8>) -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Lsp => serve().map_err(|error| {
            Failure::host(
                format!("cannot start the language server: {error}"),
                "see whether this machine can start threads",
            )
        }),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            anstream::eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
