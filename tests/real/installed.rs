//! Where the agents are installed: `tests/real/install` makes a virtual environment for each.

use std::env;
use std::path::PathBuf;

/// The directory of an agent's installation, which is a toolchain of the machine. Where there is none the test is skipped, aloud; in
/// CI it fails.
pub(crate) fn toolchain(name: &str) -> Option<PathBuf> {
    let directory = env::var_os("SELF_HARNESS_AGENTS").map(PathBuf::from).map(|agents| agents.join(name));
    if let Some(directory) = directory.filter(|directory| directory.join("bin/python3").exists()) {
        return Some(directory);
    }
    let remedy = "`tests/run real-agents` installs it and runs this";
    assert!(env::var_os("SELF_HARNESS_AGENTS").is_none(), "{name} is not installed: {remedy}");
    eprintln!("skipped: {name} is not installed; {remedy}");
    None
}
