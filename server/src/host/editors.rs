//! Editors: whether one is on this machine, where our client for it lies, and the command line that opens a file in it. Changes no
//! settings, installs nothing.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::spawn;

/// By this file a directory is known to be the plugin.
const PLUGIN: &str = "plugin/self_harness.lua";
/// What the extension consists of once it is packaged; its sources alone cannot be loaded.
const PACKAGED: [&str; 2] = ["dist/extension.js", "server/self-harness"];

/// An editor that we have a client for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Editor {
    /// VS Code.
    Code,
    /// Neovim.
    Neovim,
}

/// Where our clients lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// The language server: this executable.
    pub server: PathBuf,
    /// The directory of the plugin for Neovim, if it lies with the server.
    pub plugin: Option<PathBuf>,
    /// The directory of the extension for VS Code, if its sources lie with the server.
    pub extension: Option<PathBuf>,
}

/// What is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The project.
    pub root: &'a Path,
    /// A file in it.
    pub file: &'a Path,
    /// The line, from 1.
    pub line: usize,
}

/// A command line that opens a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The words, the program first.
    pub argv: Vec<String>,
    /// A directory that has to be on the `PATH`: the server is found there.
    pub path: Option<PathBuf>,
    /// The words that make what is missing, and where they are said.
    pub first: Option<(PathBuf, Vec<String>)>,
}

impl Editor {
    /// The program, as it is found on the `PATH`.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Neovim => "nvim",
        }
    }

    /// How a place is opened in it.
    #[must_use]
    pub fn opening(self, clients: &Clients, place: &Place<'_>) -> Opening {
        let (file, root) = (place.file.display().to_string(), place.root.display().to_string());
        let line = place.line;
        let mut argv = vec![self.program().to_owned()];
        match self {
            Self::Code => {
                argv.push(String::from("--new-window"));
                if let Some(extension) = &clients.extension {
                    argv.push(format!("--extensionDevelopmentPath={}", extension.display()));
                }
                argv.extend([root, String::from("--goto"), format!("{file}:{line}")]);
                Opening { argv, path: None, first: clients.missing() }
            }
            Self::Neovim => {
                if let Some(plugin) = &clients.plugin {
                    // What its help says to put into a configuration, and as early: before the first file is read.
                    let on = "lua require(\"self_harness\").enable() vim.lsp.inlay_hint.enable()";
                    let path = format!("set rtp^={}", option_value(plugin));
                    argv.extend(["--cmd", &path, "--cmd", on].map(String::from));
                }
                argv.extend([format!("+{line}"), file]);
                Opening { argv, path: clients.server.parent().map(Path::to_path_buf), first: None }
            }
        }
    }
}

impl Clients {
    /// Those that belong to this executable: in a checkout, as Cargo runs it or has built it, or in an archive of a release.
    #[must_use]
    pub fn of_this_executable() -> Self {
        let server = env::current_exe().unwrap_or_default();
        // Cargo says of what it runs which package it is of, wherever it was built.
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        Self::beside(server, package.as_deref())
    }

    /// What has to be made before the extension can be loaded.
    fn missing(&self) -> Option<(PathBuf, Vec<String>)> {
        let extension = self.extension.as_ref()?;
        if PACKAGED.iter().all(|file| extension.join(file).is_file()) {
            return None;
        }
        let (system, processor) = (env::consts::OS, env::consts::ARCH);
        let system = if system == "macos" { "darwin" } else { system };
        let processor = match processor {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => other,
        };
        let server = self.server.display().to_string();
        let words = [
            "npm",
            "run",
            "package",
            "--",
            "--target",
            &format!("{system}-{processor}"),
            "--server",
            &server,
        ];
        Some((extension.clone(), words.map(String::from).into()))
    }

    fn beside(server: PathBuf, package: Option<&Path>) -> Self {
        let above = package.into_iter().chain([&*server]).flat_map(Path::ancestors);
        let editors = above
            .map(|above| above.join("editors"))
            .find(|editors| editors.join("nvim").join(PLUGIN).is_file());
        // An archive of the plugin has the server in `bin`.
        let archive = server.parent().and_then(Path::parent).filter(|root| root.join(PLUGIN).is_file());
        let plugin = archive.map(Path::to_path_buf).or_else(|| Some(editors.as_ref()?.join("nvim")));
        Self { plugin, extension: editors.map(|editors| editors.join("vscode")), server }
    }
}

impl Opening {
    /// The line for a shell.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        if let Some((directory, words)) = &self.first {
            line.push_str(&format!("(cd {} && npm ci && {}) && ", word(directory), words_of(words)));
        }
        if let Some(directory) = &self.path
            && !is_first_on_path(directory, env::var_os("PATH").as_deref())
        {
            line.push_str(&format!("PATH={}:\"$PATH\" ", word(directory)));
        }
        line + &words_of(&self.argv)
    }

    /// Opens it here, and waits until the editor is left.
    ///
    /// # Errors
    /// The system's, if the program cannot be started.
    pub fn perform(&self) -> io::Result<ExitStatus> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = spawn::command(program);
        command.envs(env::vars_os()).current_dir(env::current_dir()?);
        if program == Editor::Code.program() {
            // It would leave at once, and with it the model of the example.
            command.arg("--wait");
        }
        if let Some(directory) = &self.path {
            let others = env::var_os("PATH").unwrap_or_default();
            let all = std::iter::once(directory.clone()).chain(env::split_paths(&others));
            command.env("PATH", env::join_paths(all).map_err(io::Error::other)?);
        }
        command.args(arguments);
        spawn::start(command)?.wait()
    }
}

/// Whether a program is on the `PATH`.
#[must_use]
pub fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn is_first_on_path(directory: &Path, path: Option<&OsStr>) -> bool {
    let mut entries = env::split_paths(path.unwrap_or_default());
    entries.find(|entry| entry.join("self-harness").is_file()).is_some_and(|entry| entry == directory)
}

fn words_of(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|text| word(Path::new(text))).collect();
    words.join(" ")
}

/// A word as a shell reads it back: between single quotes nothing but these means anything (POSIX.1-2024, XCU 2.2.2).
fn word(text: &Path) -> String {
    let text = text.display().to_string();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+=:,@%".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A path as a value in a `:set` of a list, see `:help option-backslash`.
fn option_value(path: &Path) -> String {
    let mut out = String::new();
    for character in path.display().to_string().chars() {
        match character {
            // Once for the list and once for `:set`.
            ',' => out.push_str("\\\\"),
            ' ' | '\\' | '|' | '"' => out.push('\\'),
            _ => {}
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn checkout(name: &str) -> PathBuf {
        let root = env::temp_dir().join(format!("self-harness-editors-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for file in [
            "editors/nvim/plugin/self_harness.lua",
            "editors/vscode/package.json",
            "target/release/self-harness",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    const PLACE: (&str, &str) = ("/home/me/my demo", "/home/me/my demo/prompts/system.md");

    fn place() -> Place<'static> {
        Place { root: Path::new(PLACE.0), file: Path::new(PLACE.1), line: 12 }
    }

    #[test]
    fn clients_are_found_beside_the_executable_and_the_package() {
        let root = checkout("found");
        let server = root.join("target/release/self-harness");
        let found = Clients::beside(server.clone(), None);
        assert_eq!(found.plugin, Some(root.join("editors/nvim")));
        assert_eq!(found.extension, Some(root.join("editors/vscode")));
        // Built elsewhere, and run by Cargo.
        let elsewhere = PathBuf::from("/nowhere/self-harness");
        assert_eq!(
            Clients::beside(elsewhere.clone(), None),
            Clients { server: elsewhere.clone(), ..Clients::default() }
        );
        let found = Clients::beside(elsewhere, Some(&root.join("server")));
        assert_eq!(found.plugin, Some(root.join("editors/nvim")));
        // An archive of the plugin.
        let archive = root.join("editors/nvim");
        let found = Clients::beside(archive.join("bin/self-harness"), None);
        assert_eq!(found.plugin, Some(archive));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn neovim_is_told_where_the_plugin_is_and_finds_the_server() {
        let clients = Clients {
            server: PathBuf::from("/nowhere/a b/self-harness"),
            plugin: Some(PathBuf::from("/opt/a b/one,two")),
            extension: None,
        };
        let opening = Editor::Neovim.opening(&clients, &place());
        assert_eq!(opening.argv[2], "set rtp^=/opt/a\\ b/one\\\\,two");
        insta::assert_snapshot!(opening.line());
        // Without the plugin it is the user's own affair.
        let bare = Editor::Neovim.opening(&Clients { plugin: None, ..clients }, &place());
        assert_eq!(bare.argv.len(), 3);
    }

    #[test]
    fn an_extension_that_is_not_packaged_yet_is_packaged_first() {
        let root = checkout("packaged");
        let server = root.join("target/release/self-harness");
        let clients = Clients::beside(server, None);
        let opening = Editor::Code.opening(&clients, &place());
        let (directory, words) = opening.first.clone().unwrap();
        assert_eq!(directory, root.join("editors/vscode"));
        assert!(words.contains(&clients.server.display().to_string()), "{words:?}");
        assert!(opening.line().contains(" && npm ci && npm run package -- --target "), "{}", opening.line());
        for file in PACKAGED {
            let path = root.join("editors/vscode").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let opening = Editor::Code.opening(&clients, &place());
        assert_eq!(opening.first, None);
        let line = opening.line().replace(&root.display().to_string(), "/checkout");
        insta::assert_snapshot!(line);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for text in
            ["plain/path-1.2", "", "a b", "it's", "$HOME `id` \"x\"", "a\\b", "ünï\ncode", "~", "*", "^!"]
        {
            let mut shell = spawn::command("/bin/sh");
            shell.arg("-c").arg(format!("printf %s {}", word(Path::new(text))));
            let printed = shell.output().unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), text);
        }
    }

    #[test]
    fn what_is_on_the_path_already_is_not_put_there_again() {
        let root = checkout("path");
        let directory = root.join("target/release");
        let path = env::join_paths([Path::new("/nowhere"), &directory]).unwrap();
        assert!(is_first_on_path(&directory, Some(&path)));
        assert!(!is_first_on_path(Path::new("/nowhere"), Some(&path)));
        assert!(!is_first_on_path(&directory, None));
        fs::remove_dir_all(root).unwrap();
    }
}
