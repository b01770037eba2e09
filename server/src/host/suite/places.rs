//! Paths inside of a sandbox as task files write them: made absolute, kept below the tree, and kept away from the system.
//! Pure.

use std::path::PathBuf;

/// Where the tree of a trial may not be mounted: it would hide the system, or what belongs to the trial.
const TAKEN: &[&str] = &[
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "logs", "nix", "proc", "run", "sbin",
    "solution", "sys", "tests", "tmp", "usr",
];

/// A path seen from a directory, absolute and without `.` and `..`; `None` if it leads above the root.
#[must_use]
pub fn absolute(from: &str, written: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let start = if written.starts_with('/') { "" } else { from };
    for part in start.split('/').chain(written.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// A path of the environment, relative and without `.` and `..`; `None` if it leads out.
#[must_use]
pub fn source(written: &str) -> Option<PathBuf> {
    let path = absolute("", written)?;
    Some(PathBuf::from(path.trim_start_matches('/')))
}

/// What is left of an absolute path below a directory; empty for the directory itself.
#[must_use]
pub fn below(path: &str, directory: &str) -> Option<PathBuf> {
    let rest = path.strip_prefix(directory)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| PathBuf::from(rest.trim_start_matches('/')))
}

/// Whether the tree may be mounted there; why not, in words.
///
/// # Errors
/// The reason.
pub fn check_root(path: &str) -> Result<(), String> {
    let first = path.split('/').nth(1).unwrap_or_default();
    if first.is_empty() {
        return Err(String::from("the root of the system cannot be the directory of a task"));
    }
    if TAKEN.contains(&first) || path == "/home" || path == "/home/agent" || path.contains('\0') {
        return Err(format!("`{path}` belongs to the system and cannot be the directory of a task"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        assert_eq!(absolute("/app", "a/./b/../c"), Some("/app/a/c".to_owned()));
        assert_eq!(absolute("/app", "/srv//x/"), Some("/srv/x".to_owned()));
        assert_eq!(absolute("/app", "../.."), None);
        assert_eq!(source("./a/b"), Some(PathBuf::from("a/b")));
        assert_eq!(source("."), Some(PathBuf::new()));
        assert_eq!(source("../tests"), None);
        assert_eq!(below("/app/x", "/app"), Some(PathBuf::from("x")));
        assert_eq!(below("/app", "/app"), Some(PathBuf::new()));
        assert_eq!(below("/apple", "/app"), None);
    }

    #[test]
    fn a_tree_hides_nothing_of_the_system() {
        for path in ["/", "/usr/src", "/tests", "/logs/agent", "/tmp", "/home/agent"] {
            assert!(check_root(path).is_err(), "{path}");
        }
        for path in ["/app", "/root", "/workspace", "/home/agent/project", "/srv/x"] {
            assert_eq!(check_root(path), Ok(()), "{path}");
        }
    }
}
