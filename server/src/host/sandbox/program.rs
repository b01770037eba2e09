//! Which programs may make a sandbox: those that only root could have put there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::guarantee::Unavailable;

/// Whether a program is one that only root could have put there, and that gains no right by being run; `remedy` says how to
/// come by one.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(program: &Path, remedy: &str) -> Result<(), Unavailable> {
    let path = program.display();
    let file = fs::metadata(program)
        .map_err(|error| Unavailable::new(format!("`{path}` cannot be used: {error}"), remedy))?;
    let mode = file.permissions().mode();
    let wrong = if !file.is_file() || mode & 0o111 == 0 {
        "is no program"
    } else if file.uid() != 0 {
        "does not belong to root"
    } else if mode & 0o022 != 0 {
        "can be changed by others than root"
    } else if mode & 0o6000 != 0 {
        "is setuid"
    } else {
        return Ok(());
    };
    Err(Unavailable::new(format!("`{path}` {wrong}"), format!("{remedy}; it is not used as it is")))
}
