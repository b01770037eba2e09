//! The presets, embedded: `server/presets/NAME/` file by file.

use harness_schema::path::FilePath;

use crate::host::write::NewFile;

/// A preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// The built-in agent with a shell, a runtime rule and three tasks: the way to start
    Minimal,
    /// mini-swe-agent, with `mini.yaml` of your own installation
    MiniSweAgent,
    /// deepagents, with a Python function for each text that may change
    Deepagents,
    /// Claude Code, with the `CLAUDE.md`, subagents and skills that are there
    ClaudeCode,
    /// Terminal-Bench 2 run by Harbor, with the published splits
    #[value(name = "harbor-terminal-bench-2")]
    HarborTerminalBench2,
}

/// A file of a preset.
#[derive(Clone, Copy, Debug)]
pub struct PresetFile {
    /// Its path below the harness.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! preset {
    ($name:literal: $($path:literal),+ $(,)?) => {
        &[$(PresetFile { path: $path, text: include_str!(concat!("../../../presets/", $name, "/", $path)) }),+]
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

    /// Its files, as they are embedded.
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

    /// Its files, to be written or adapted first.
    #[must_use]
    pub fn new_files(self) -> Vec<NewFile> {
        let file = |file: &PresetFile| {
            let path = FilePath::parse(file.path).ok()?;
            Some(NewFile { path, text: file.text.to_owned(), executable: file.text.starts_with("#!") })
        };
        self.files().iter().filter_map(file).collect()
    }

    /// What to do next, each with what it does.
    #[must_use]
    pub fn next_steps(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Minimal => &[
                ("edit harness.toml", "`[model]`: the endpoint and the name of your model"),
                (
                    "edit prompts/system.md",
                    "what your agent is told; `tasks/` has three small tasks to start from",
                ),
            ],
            Self::MiniSweAgent => &[
                ("edit harness.toml", "`[model]`: the endpoint and the name of your model"),
                (
                    "add `[tasks]`",
                    "`dir = \"tasks\"` and Harbor task directories below it; `init --preset minimal` shows three",
                ),
            ],
            Self::Deepagents => &[
                ("edit harness.toml", "`[model]`: the endpoint and the name of your model"),
                ("edit harness.py", "each function is a text that proposals may change"),
                (
                    "add `[tasks]`",
                    "`dir = \"tasks\"` and Harbor task directories below it; `init --preset minimal` shows three",
                ),
                ("pip install deepagents==0.7.32 langchain-openai", "what `run.py` imports"),
            ],
            Self::ClaudeCode => &[
                (
                    "edit harness.toml",
                    "`[model]`: the name of your model; the key stays in `ANTHROPIC_API_KEY`",
                ),
                (
                    "add `[tasks]`",
                    "`dir = \"tasks\"` and Harbor task directories below it; `init --preset minimal` shows three",
                ),
            ],
            Self::HarborTerminalBench2 => &[
                ("edit harness.toml", "`[model]`: the endpoint, the name and the price of your model"),
                ("look at `[budget]`", "a whole run is thousands of trials"),
                (
                    "uv tool install harbor==0.24.0",
                    "or name Harbor's program in `[harbor]` of your configuration",
                ),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use clap::ValueEnum;

    use super::*;

    fn below(directory: &Path, prefix: &str, found: &mut BTreeSet<(String, bool)>) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), found);
            } else {
                let program = fs::read(entry.path()).unwrap().starts_with(b"#!");
                found.insert((name, program));
            }
        }
    }

    #[test]
    fn the_table_is_the_directory() {
        for preset in Preset::value_variants() {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets").join(preset.name());
            let mut found = BTreeSet::new();
            below(&directory, "", &mut found);
            let files = preset.new_files();
            let table: BTreeSet<(String, bool)> =
                files.iter().map(|file| (file.path.to_string(), file.executable)).collect();
            assert_eq!(table, found, "{}", preset.name());
            assert_eq!(files.len(), preset.files().len(), "{}", preset.name());
        }
    }

    #[test]
    fn each_preset_is_called_like_its_value() {
        for preset in Preset::value_variants() {
            let value = preset.to_possible_value().unwrap();
            assert_eq!(value.get_name(), preset.name());
        }
    }
}
