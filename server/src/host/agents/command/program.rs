//! Whether the program of a command agent is there at all: looked for where the sandbox will look. Starts nothing.

use std::path::{Path, PathBuf};

use harness_schema::harness::Harness;
use harness_schema::path::FilePath;

use super::words::Words;
use super::{CommandError, HARNESS_DIR, files};
use crate::host::sandbox::spec::path_with;

/// Directories of the host that are seen inside, besides toolchains.
const SEEN: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];

/// Sees whether the first of `agent.argv` is a program that the sandbox will have: of the system, of one of these toolchains, or
/// of the harness itself. What lies in the trial's own tree cannot be known before.
///
/// # Errors
/// A [`CommandError`] that says what to change.
pub fn find_program(harness: &Harness, toolchains: &[PathBuf]) -> Result<(), CommandError> {
    let argv = Words::sample(harness).argv(harness)?;
    let program = argv.into_iter().next().ok_or(CommandError::NoProgram)?;
    let path = Path::new(&program);
    let is_there = if let Some(own) = program.strip_prefix(HARNESS_DIR) {
        let own = FilePath::parse(own.trim_start_matches('/')).ok();
        own.is_some_and(|own| {
            files::is_read(harness, &own)
                && harness.files().on_disk(&own).is_none_or(|file| file.executable)
                && harness.files().is_file(&own)
        })
    } else if path.is_absolute() {
        let is_seen = SEEN.iter().map(Path::new).chain(toolchains.iter().map(PathBuf::as_path));
        let is_of_trial = ["/app", "/workspace"].iter().any(|tree| path.starts_with(tree));
        is_of_trial || is_seen.into_iter().any(|seen| path.starts_with(seen)) && is_program(path)
    } else if program.contains('/') {
        true
    } else {
        path_with(toolchains).split(':').any(|directory| is_program(&Path::new(directory).join(&program)))
    };
    if is_there { Ok(()) } else { Err(CommandError::NotFound { program }) }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
