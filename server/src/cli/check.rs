//! `check`: what is wrong without running anything. It writes only with `--fix` and `--write-known`.

mod unreadable;
pub mod targets;
pub mod fix;
pub mod known;
pub mod pages;

use std::path::PathBuf;

use super::report::{Report, json, sarif, text};
use super::terminal;
use crate::failure::Failure;
use targets::Target;

const MORE_HELP: &str = "\
Examples:
  self-harness check                      every harness in and below this directory
  self-harness check prompts/system.md    one file, with the harness that names it
  self-harness check --fix                solve what has one possible solution
  self-harness check --explain SH104      what a rule is about, with examples
  self-harness check --format sarif > self-harness.sarif

Exit codes:
  0  no errors (warnings, information, hints and known problems do not count)
  1  at least one error
  2  the command cannot be done as typed: no such path, no harness, no such rule
  3  a harness cannot be checked: its manifest, or its list of known problems, is no text that can be read
  4  the machine refused: a file cannot be read or written
 70  a mistake in self-harness itself

A problem that is meant to be there is allowed in `harness.toml`, with a reason:
  [[lint.allow]]
  rule = \"comment-is-sent\"
  file = \"prompts/system.md\"
  reason = \"the model is meant to read it\"";

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// Manifests, directories or files of a harness; without one, the current directory
    ///
    /// A manifest stands for its whole harness, a directory for every harness in and below it (and for the files below
    /// it of the harness that it is a part of), a file for itself.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Applies the safe fixes, then reports what is left
    ///
    /// A fix is safe if it has one possible result that needs no guess, and changes no byte that reaches the model,
    /// except where the harness could not run at all. Files are replaced as a whole and keep their permissions.
    #[arg(long)]
    fix: bool,
    /// Explains a rule by its id or name, with bad and good examples: `SH104`, `unknown-tool`
    #[arg(long, value_name = "RULE", conflicts_with_all = ["paths", "fix", "format", "render", "write_known"])]
    explain: Option<String>,
    /// Prints the texts of a file as the native agent would send them, with sample values for what a run decides
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "fix", "format", "write_known"])]
    render: Option<PathBuf>,
    /// Lists the present problems in `harness.known.toml`: from then on they are hints and do not count
    ///
    /// For a project that adopts the checks with problems it cannot solve today. Solved ones leave the list with the
    /// next write. Where the variable `CI` is set, the command fails instead of adding to the list. Leaks and security
    /// problems (SH6, SH7) are never listed. The list is of a whole harness, so a path stands for the harness it is in.
    #[arg(long, conflicts_with = "fix")]
    write_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: excerpts, reasons, ways out
    Text,
    /// For programs: one JSON object, `schema` 1
    Json,
    /// For code hosts: SARIF 2.1.0
    Sarif,
}

/// Runs the command; the answer is 1 if there are errors.
///
/// # Errors
/// A [`Failure`] if a path is not there, no harness is found, or a file cannot be read or written.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    if let Some(word) = &arguments.explain {
        return pages::explain(word);
    }
    if let Some(file) = &arguments.render {
        return pages::render(file);
    }
    let mut targets = targets::find(&arguments.paths)?;
    let mut report = Report::default();
    for target in &mut targets {
        if arguments.fix {
            report.fixed.extend(fix::apply(target)?);
        }
        if arguments.write_known {
            report.known_lists.extend(known::write(target)?);
        }
    }
    report.harnesses = targets.iter().map(Target::check).collect();
    terminal::print(&match arguments.format {
        Format::Text => text::render(&report, terminal::width()),
        Format::Json => json::render(&report),
        Format::Sarif => sarif::render(&report),
    })?;
    Ok(u8::from(0 < report.counts().errors))
}
