//! `__scripted-model`, hidden: a model that follows a script, for the demo and for tests. It prints its address and answers
//! until it is stopped.

use std::path::PathBuf;

use super::terminal;
use crate::failure::Failure;
use crate::host::scripted::{Persona, PersonaError, Server};

/// The arguments of `__scripted-model`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The persona: a TOML file of rules, which the documentation of `host::scripted` describes
    #[arg(long, value_name = "FILE")]
    persona: PathBuf,
    /// The port on this machine; 0 lets the machine choose one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// For tests: adds the body of each request to this file, a line of JSON each
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
}

/// Answers until the process is stopped.
///
/// # Errors
/// A [`Failure`] if the persona is none or the port is taken.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let persona = Persona::load(&arguments.persona).map_err(|error| {
        let hint = match error {
            PersonaError::Read { .. } => "name a file that can be read after `--persona`",
            PersonaError::Wrong { .. } => {
                "correct that line; the documentation of `host::scripted` has the format"
            }
        };
        Failure::config(error.to_string(), hint)
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        let hint = "see whether this machine can open more files";
        Failure::host(format!("cannot start the scripted model: {error}"), hint)
    })?;
    runtime.block_on(async {
        let server = Server::start_with(persona, arguments.port, arguments.requests.as_deref()).await;
        let server = server.map_err(|error| {
            let message = format!(
                "cannot listen on port {} of this machine, or keep requests: {error}",
                arguments.port
            );
            Failure::host(
                message,
                "leave `--port` out, and the machine chooses a free one; see that `--requests` can be written",
            )
        })?;
        terminal::print(&format!("{}\n", server.endpoint()))?;
        server.wait().await;
        Ok(0)
    })
}
