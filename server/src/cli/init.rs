//! `init`: a harness from a preset. All of its files are written or none, and none over an existing one.

mod presets;
mod place;
mod fit;
mod mini_swe_agent;
mod claude_code;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use harness_schema::harness::MANIFEST;

pub use presets::{Preset, PresetFile};

use super::check::targets::Target;
use super::report::excerpt::visible;
use super::report::{Report, plural, text};
use super::terminal;
use crate::failure::Failure;
use crate::host::write::{self, NewFile, WriteError};

const MORE_HELP: &str = "\
Examples:
  self-harness init                                 lists the presets, in a terminal
  self-harness init --preset minimal my-agent       a new harness in `my-agent`
  self-harness init --preset claude-code            a manifest beside the CLAUDE.md of this project

A preset is files to start from, nothing more: they are yours, and nothing refers back to the preset.";

/// The arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// What to start from; without it, the presets are listed in a terminal
    #[arg(long, value_enum, value_name = "NAME")]
    preset: Option<Preset>,
    /// Where: a directory, made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

/// Writes the preset's files.
///
/// # Errors
/// A [`Failure`] if a file is in the way, nothing could ever be changed, or a file cannot be written; then nothing is
/// written.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Some(preset) = arguments.preset else { return choose() };
    let root = place::settled(&arguments.directory)?;
    let root = root.as_path();
    let mut files = preset.new_files();
    // A harness is a harness, whatever else may be said about its files.
    place::nothing_in_the_way(root, files.iter().filter(|file| file.path.as_str() == MANIFEST))?;
    let note = match preset {
        Preset::MiniSweAgent => Some(mini_swe_agent::adapt(root, &mut files)),
        Preset::ClaudeCode => Some(claude_code::adapt(root, &mut files)?),
        Preset::Minimal | Preset::Deepagents | Preset::HarborTerminalBench2 => None,
    };
    place::nothing_in_the_way(root, &files)?;
    write::create_all(root, &files).map_err(refused)?;
    terminal::print(&done(root, preset, &files, note.as_deref()))?;
    Ok(0)
}

/// Without a preset there is nothing to do but to say which there are.
fn choose() -> Result<u8, Failure> {
    if !terminal::is_interactive() {
        let names: Vec<String> =
            Preset::value_variants().iter().map(|preset| format!("`{}`", preset.name())).collect();
        let hint = format!("add `--preset` and one of {}", names.join(", "));
        return Err(Failure::user("no preset is named", hint));
    }
    terminal::print(&list())?;
    Ok(0)
}

fn list() -> String {
    let mut out = String::from("presets:\n");
    let longest = Preset::value_variants().iter().map(|preset| preset.name().len()).max().unwrap_or_default();
    for preset in Preset::value_variants() {
        let value = preset.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help()).map(ToString::to_string);
        out.push_str(&format!("  {:longest$}  {}\n", preset.name(), help.unwrap_or_default()));
    }
    out.push_str("\nchoose one: self-harness init --preset minimal [DIR]\n");
    out
}

fn refused(error: WriteError) -> Failure {
    match error {
        // It was not there a moment ago.
        WriteError::Exists(_) | WriteError::Changed(_) => Failure::user(
            format!("{error}; nothing was written"),
            "move it away, or choose another directory",
        ),
        WriteError::Outside(_) => {
            Failure::user(format!("{error}; nothing was written"), "choose a directory without such links")
        }
        WriteError::Machine { .. } => Failure::host(
            format!("{error}; nothing was written"),
            "see whether the directory may be written and has room",
        ),
    }
}

fn done(root: &Path, preset: Preset, files: &[NewFile], note: Option<&str>) -> String {
    let count = plural(files.len(), "file", "files");
    let shown = visible(&root.display().to_string()).into_owned();
    let mut out = format!("created {count} in `{shown}` from preset `{}`:\n", preset.name());
    // One line for what lies at the top, one for each directory.
    let mut groups: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for file in files {
        let top = file.path.as_str().split_once('/');
        *groups.entry((top.is_some(), top.map_or(file.path.as_str(), |(top, _)| top))).or_default() += 1;
    }
    for ((is_directory, name), count) in groups {
        if is_directory {
            out.push_str(&format!("  {name}/ ({})\n", plural(count, "file", "files")));
        } else {
            out.push_str(&format!("  {name}\n"));
        }
    }
    if let Some(note) = note {
        out.push_str(&format!("{}\n", visible(note)));
    }
    let absolute = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let checked = match Target::read(&absolute) {
        Ok(target) => text::summary(&Report { harnesses: vec![target.check()], ..Report::default() }),
        Err(failure) => format!("not checked: {}", failure.message),
    };
    out.push_str(&format!("\n{checked}\n\nnext:\n"));
    let check = match root == Path::new(".") {
        true => String::from("self-harness check"),
        false => format!("self-harness check {}", place::shell_word(root)),
    };
    let steps = preset.next_steps().iter().copied();
    let last = [(check.as_str(), "looks at all of it again, without running anything")];
    let steps: Vec<(&str, &str)> = steps.chain(last).collect();
    let longest = steps.iter().map(|(step, _)| step.chars().count()).max().unwrap_or_default();
    for (step, what) in steps {
        out.push_str(&format!("  {step:longest$}  {what}\n"));
    }
    out
}
