//! Where this user's machine keeps what belongs to no project.

use std::path::PathBuf;

/// `$XDG_STATE_HOME/self-harness`, or what stands for it.
#[must_use]
pub fn directory() -> PathBuf {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("self-harness")
}
