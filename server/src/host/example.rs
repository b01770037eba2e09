//! The example of `demo`, as it lies in the binary: a harness with 24 tasks, and the script of a model that can do them, badly.

use std::fs;
use std::io;
use std::path::Path;

/// A file of the example.
#[derive(Clone, Copy, Debug)]
pub struct ExampleFile {
    /// Its path below the harness.
    pub path: &'static str,
    /// Whether it is a program.
    pub executable: bool,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// All of it.
pub const FILES: &[ExampleFile] = include!(concat!(env!("OUT_DIR"), "/example.rs"));

/// The model.
pub const PERSONA: &str = include!(concat!(env!("OUT_DIR"), "/persona.rs"));

/// The endpoint that the example's manifest names.
pub const ENDPOINT: &str = "http://127.0.0.1:8080/v1";

/// By this file a directory is known to be the example, which may be written over.
const MARK: &str = ".self-harness-demo";

/// Writes the example into a directory of its own, with a model at `endpoint`. An example that is there already is replaced;
/// anything else is not.
///
/// # Errors
/// The system's; `AlreadyExists` if the directory holds something else.
pub fn write(directory: &Path, endpoint: &str) -> io::Result<()> {
    let is_empty = fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty && !directory.join(MARK).is_file() {
        let message = "the directory holds something else than the demo";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    if !is_empty {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    fs::write(directory.join(MARK), "made by `self-harness demo`, which may replace this directory\n")?;
    for file in FILES {
        let path = directory.join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match (file.path, std::str::from_utf8(file.bytes)) {
            ("harness.toml", Ok(text)) => fs::write(&path, text.replace(ENDPOINT, endpoint))?,
            _ => fs::write(&path, file.bytes)?,
        }
        if file.executable {
            make_program(&path)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make_program(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_program(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_example_itself_is_written_over() {
        let root = std::env::temp_dir().join(format!("self-harness-example-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        write(&root, "http://127.0.0.1:1/v1").unwrap();
        let manifest = fs::read_to_string(root.join("harness.toml")).unwrap();
        assert!(manifest.contains("endpoint = \"http://127.0.0.1:1/v1\"") && !manifest.contains(ENDPOINT));
        fs::write(root.join("left.txt"), "").unwrap();
        write(&root, ENDPOINT).unwrap();
        assert!(!root.join("left.txt").exists());
        fs::remove_file(root.join(MARK)).unwrap();
        let kind = write(&root, ENDPOINT).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::AlreadyExists);
        fs::remove_dir_all(&root).unwrap();
        assert!(crate::host::scripted::Persona::read("persona", PERSONA).is_ok());
    }
}
