//! Preset `mini-swe-agent`: `mini.yaml` of the user's own installation, found by reading files. Nothing is run.

use std::cmp::Reverse;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use harness_schema::check;
use harness_schema::path::FilePath;

use super::fit;
use crate::host::disk;
use crate::host::write::NewFile;

/// The file of the preset that an installation has its own of.
const CONFIGURATION: &str = "mini.yaml";

/// The version that the preset was written for.
const PINNED: &str = "2.4.6";

/// A file of another project's installation larger than this is not what it seems.
const MAX_BYTES: u64 = 1024 * 1024;

/// An installation of mini-swe-agent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Installation {
    configuration: PathBuf,
    text: String,
    version: Option<String>,
}

/// Puts the user's own configuration in the place of the one that is embedded; says in a line what was done and why.
pub(super) fn adapt(root: &Path, files: &mut [NewFile]) -> String {
    let prefixes = prefixes(env::var_os("VIRTUAL_ENV").as_deref(), env::var_os("PATH").as_deref());
    let Some(found) = prefixes.iter().find_map(|prefix| installed_in(prefix)) else {
        return format!(
            "`{CONFIGURATION}` is the one that comes with self-harness: no mini-swe-agent was found"
        );
    };
    let shown = found.configuration.display().to_string();
    match fitted(root, files, &found) {
        Ok(adapted) => {
            files.clone_from_slice(&adapted);
            let version = found.version.map(|version| format!(", version {version}")).unwrap_or_default();
            format!("`{CONFIGURATION}` is a copy of `{shown}`{version}")
        }
        Err(why) => {
            format!(
                "`{CONFIGURATION}` is the one that comes with self-harness: `{shown}` cannot be taken over ({why})"
            )
        }
    }
}

/// The preset with the configuration that was found, if there is no problem in it; else the first one.
fn fitted(root: &Path, files: &[NewFile], found: &Installation) -> Result<Vec<NewFile>, String> {
    let mut files = files.to_vec();
    for file in &mut files {
        if file.path.as_str() == CONFIGURATION {
            file.text.clone_from(&found.text);
        }
    }
    if let (Some(manifest), Some(version)) = (fit::manifest(&mut files), &found.version) {
        *manifest = manifest.replace(PINNED, version);
    }
    let harness = fit::harness(root, &files);
    let roomy = fit::with_room(&harness);
    if let Some(manifest) = fit::manifest(&mut files) {
        *manifest = roomy;
    }
    let ours: Vec<FilePath> = files.iter().map(|file| file.path.clone()).collect();
    let harness = fit::harness(root, &files);
    match ours.iter().flat_map(|file| check::file(&harness, file)).next() {
        Some(problem) => Err(problem.message),
        None => Ok(files),
    }
}

/// Where Python environments may be, in the order in which a shell would find `mini`.
fn prefixes(virtual_env: Option<&OsStr>, path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> = virtual_env.map(PathBuf::from).into_iter().collect();
    for directory in path.map(env::split_paths).into_iter().flatten() {
        for name in ["mini", "mini.exe"] {
            let program = directory.join(name);
            if !program.is_file() {
                continue;
            }
            // The script names its interpreter; the program lies beside it, or a link leads there.
            prefixes.extend(interpreter(&program).and_then(|python| above(&python, 2)));
            prefixes.extend(program.canonicalize().ok().and_then(|real| above(&real, 2)));
            prefixes.extend(above(&program, 2));
            prefixes.extend(behind_shims(&directory));
        }
    }
    let mut seen = Vec::new();
    prefixes.retain(|prefix| {
        !seen.contains(prefix) && {
            seen.push(prefix.clone());
            true
        }
    });
    prefixes
}

/// The versions of Python that a directory of shims stands for: pyenv has them in `versions`, asdf and mise in
/// `installs/python`. The one that is chosen where no project says another comes first, then the newest.
fn behind_shims(directory: &Path) -> Vec<PathBuf> {
    let Some(home) = directory.parent().filter(|_| directory.ends_with("shims")) else { return Vec::new() };
    let chosen = read_small(&home.join("version")).unwrap_or_default();
    let chosen: Vec<&str> = chosen.split_whitespace().collect();
    let versions = ["versions", "installs/python"].map(|name| fs::read_dir(home.join(name)));
    let mut versions: Vec<PathBuf> =
        versions.into_iter().flatten().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort_by_cached_key(|version| {
        let name = version.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let place = chosen.iter().position(|chosen| *chosen == name).unwrap_or(chosen.len());
        let numbers: Vec<u64> = name.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        (place, Reverse(numbers))
    });
    versions
}

fn above(path: &Path, levels: usize) -> Option<PathBuf> {
    path.ancestors().nth(levels).map(Path::to_path_buf)
}

/// The interpreter that a script's first lines name; the second one where the path is too long for the first
/// (`#!/bin/sh`, `'''exec' "/…/python" "$0" "$@"`).
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    disk::open(program).ok()?.0.take(4096).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let is_python = |word: &&str| {
        let name = word.rsplit('/').next().unwrap_or_default();
        word.starts_with('/') && name.starts_with("python")
    };
    let second = lines.next().unwrap_or_default();
    let quoted = second.split('"').find(is_python);
    [first].into_iter().find(is_python).or(quoted).map(PathBuf::from)
}

fn installed_in(prefix: &Path) -> Option<Installation> {
    let mut packages = vec![prefix.join("Lib/site-packages")];
    for library in ["lib", "lib64"] {
        let versions = fs::read_dir(prefix.join(library)).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
            .map(|entry| entry.path())
            .collect();
        versions.sort();
        packages.extend(
            versions
                .iter()
                .flat_map(|version| ["site-packages", "dist-packages"].map(|name| version.join(name))),
        );
    }
    packages.iter().find_map(|packages| {
        let configuration = packages.join("minisweagent/config").join(CONFIGURATION);
        let text = read_small(&configuration)?;
        Some(Installation { configuration, text, version: version_in(packages) })
    })
}

fn read_small(path: &Path) -> Option<String> {
    let (file, _) = disk::open(path).ok()?;
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).ok()?;
    (read as u64 <= MAX_BYTES).then_some(text)
}

/// The version that the package's record of its installation is called after.
fn version_in(packages: &Path) -> Option<String> {
    let mut versions: Vec<String> = fs::read_dir(packages)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?.strip_suffix(".dist-info")?;
            let (package, version) = name.rsplit_once('-')?;
            (package.replace('-', "_").eq_ignore_ascii_case("mini_swe_agent")).then(|| version.to_owned())
        })
        .filter(|version| version.chars().all(|char| char.is_ascii_alphanumeric() || ".+!_".contains(char)))
        .collect();
    versions.sort();
    versions.pop()
}
