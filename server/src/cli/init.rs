//! `init`: a harness from a preset. All of its files or none are written, and none over an existing one.

use std::fs;
use std::path::{Path, PathBuf};

use super::print;
use crate::failure::Failure;

/// The arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which preset
    #[arg(long, value_enum)]
    preset: Preset,
    /// Where: a directory, made if it is not there
    #[arg(default_value = ".")]
    directory: PathBuf,
}

/// The presets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// The built-in agent with a shell, a runtime rule and three tasks
    Minimal,
    /// mini-swe-agent with its own configuration file
    MiniSweAgent,
    /// deepagents, a Python function for each surface
    Deepagents,
    /// Claude Code and its `CLAUDE.md`
    ClaudeCode,
    /// Terminal-Bench 2 by Harbor, with the splits of the paper
    #[value(name = "harbor-terminal-bench-2")]
    HarborTerminalBench2,
}

/// A file of a preset.
#[derive(Clone, Copy, Debug)]
pub struct PresetFile {
    /// Its path.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! preset {
    ($name:literal: $($path:literal),+ $(,)?) => {
        &[$(PresetFile { path: $path, text: include_str!(concat!("../../presets/", $name, "/", $path)) }),+]
    };
}

impl Preset {
    /// Its name on the command line, and its directory in `presets`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::MiniSweAgent => "mini-swe-agent",
            Self::Deepagents => "deepagents",
            Self::ClaudeCode => "claude-code",
            Self::HarborTerminalBench2 => "harbor-terminal-bench-2",
        }
    }

    /// Its files.
    #[must_use]
    pub fn files(self) -> &'static [PresetFile] {
        match self {
            Self::Minimal => preset!("minimal":
                "harness.toml",
                "prompts/system.md",
                "prompts/rules/stop-repeating.md",
                "tools/shell.toml",
                "tasks/count-lines/task.toml",
                "tasks/count-lines/instruction.md",
                "tasks/count-lines/environment/Dockerfile",
                "tasks/count-lines/environment/data.csv",
                "tasks/count-lines/tests/test.sh",
                "tasks/count-lines/solution/solve.sh",
                "tasks/fix-script/task.toml",
                "tasks/fix-script/instruction.md",
                "tasks/fix-script/environment/Dockerfile",
                "tasks/fix-script/environment/sum.sh",
                "tasks/fix-script/tests/test.sh",
                "tasks/fix-script/solution/solve.sh",
                "tasks/sort-people/task.toml",
                "tasks/sort-people/instruction.md",
                "tasks/sort-people/environment/Dockerfile",
                "tasks/sort-people/environment/people.txt",
                "tasks/sort-people/tests/test.sh",
                "tasks/sort-people/solution/solve.sh",
            ),
            Self::MiniSweAgent => preset!("mini-swe-agent": "harness.toml", "mini.yaml"),
            Self::Deepagents => preset!("deepagents": "harness.toml", "harness.py", "run.py"),
            Self::ClaudeCode => preset!("claude-code": "harness.toml", "CLAUDE.md"),
            Self::HarborTerminalBench2 => preset!("harbor-terminal-bench-2": "harness.toml", "mini.yaml"),
        }
    }
}

/// Writes the preset's files.
///
/// # Errors
/// If a file is in the way, or one cannot be written.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let directory = &arguments.directory;
    let preset = arguments.preset;
    // The prose of an existing project is what this preset is about.
    let is_kept = |file: &PresetFile| {
        preset == Preset::ClaudeCode && file.path == "CLAUDE.md" && directory.join(file.path).exists()
    };
    let files: Vec<&PresetFile> = preset.files().iter().filter(|file| !is_kept(file)).collect();
    let in_the_way: Vec<String> = files
        .iter()
        .filter(|file| directory.join(file.path).exists())
        .map(|file| format!("`{}`", file.path))
        .collect();
    if !in_the_way.is_empty() {
        return Err(Failure::user(
            format!(
                "{} already there in `{}`: nothing was written",
                is_or_are(&in_the_way),
                directory.display()
            ),
            "choose another directory, or move them away",
        ));
    }
    for file in &files {
        let found = (file.path == "mini.yaml").then(installed_mini).flatten();
        write(&directory.join(file.path), found.as_deref().unwrap_or(file.text))?;
    }
    print(&format!(
        "created {} file{} in `{}` from preset `{}`\n\nnext:\n  self-harness check {}   looks at it without running anything\n",
        files.len(),
        if files.len() == 1 { "" } else { "s" },
        directory.display(),
        preset.name(),
        directory.display(),
    ))?;
    Ok(0)
}

fn is_or_are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::host(
            format!("cannot write `{}`: {error}", path.display()),
            "see whether the directory may be written",
        )
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)?;
    executable(path, text).map_err(failed)
}

#[cfg(unix)]
fn executable(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if text.starts_with("#!") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn executable(_: &Path, _: &str) -> std::io::Result<()> {
    Ok(())
}

/// `mini.yaml` of the user's own installation: beside the packages of the active virtual environment.
fn installed_mini() -> Option<String> {
    let environment = PathBuf::from(std::env::var_os("VIRTUAL_ENV")?);
    let versions = fs::read_dir(environment.join("lib")).ok()?.flatten();
    let packages = versions.map(|version| version.path().join("site-packages/minisweagent/config/mini.yaml"));
    packages.filter_map(|path| fs::read_to_string(path).ok()).find(|text| text.contains("system_template"))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use std::collections::BTreeSet;

    use super::*;

    fn below(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn the_table_is_the_directory() {
        for preset in Preset::value_variants() {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets").join(preset.name());
            let mut found = BTreeSet::new();
            below(&directory, "", &mut found);
            let table: BTreeSet<String> = preset.files().iter().map(|file| file.path.to_owned()).collect();
            assert_eq!(table, found, "{}", preset.name());
        }
    }
}
