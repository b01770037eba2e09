//! `worker`, hidden: the process that performs the runs of a project. Commands and editors start it; it ends with the queue.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::host::{log, worker};

/// The arguments of `worker`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's directory
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
}

/// Performs what waits.
///
/// # Errors
/// A [`Failure`] if the store cannot be used.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let filter = std::env::var(log::FILTER).unwrap_or_else(|_| String::from("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // A log that cannot be written, for want of room, must not take a trial with it.
        .log_internal_errors(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter));
    // Whoever was first has set it.
    let _ = subscriber.try_init();
    worker::work(&arguments.root).map(|()| 0)
}
