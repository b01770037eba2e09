//! `schema`: the JSON Schema of the manifest, from the types that read it.

use std::fs;
use std::path::PathBuf;

use harness_schema::manifest::json_schema;

use super::terminal;
use crate::failure::Failure;

const MORE_HELP: &str = "\
An editor with a TOML language server uses the schema if the first line of `harness.toml` names it:
  #:schema ./harness.schema.json";

/// The arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// Writes it to a file instead of standard output; a present file is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints the schema.
///
/// # Errors
/// A [`Failure`] if it cannot be written.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let schema = format!("{:#}\n", json_schema());
    match &arguments.out {
        Some(path) => fs::write(path, schema).map_err(|error| {
            let message = format!("cannot write `{}`: {error}", path.display());
            Failure::host(message, "see whether the directory is there and may be written")
        })?,
        None => terminal::print(&schema)?,
    }
    Ok(0)
}
