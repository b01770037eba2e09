//! The files below a directory of results, and what is in them. They are untrusted: no link is followed, and nothing is read beyond a
//! cap.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::host::disk;

/// A tree deeper than this is not looked at.
const MAX_DEPTH: usize = 12;

/// More files than any job has.
const MAX_FILES: usize = 500_000;

/// More than any transcript has.
const MAX_BYTES: u64 = 256 << 20;

/// Directories in which no record of a trial lies, but which may be large.
const SKIPPED: [&str; 6] = [".git", ".self-harness", "artifacts", "node_modules", "__pycache__", ".venv"];

/// A file below the directory of results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// The directory that it lies in, from the directory of results, with `/`; empty for that itself.
    pub(super) directory: String,
    /// Its name.
    pub(super) name: String,
}

impl File {
    /// Its path from the directory of results.
    pub(super) fn path(&self) -> String {
        joined(&self.directory, &self.name)
    }
}

/// A path and what lies in it.
pub(super) fn joined(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// Every file below a directory, in the order of their paths.
///
/// # Errors
/// A [`Failure`] if the directory cannot be listed, or is too large to be results.
pub(super) fn files(top: &Path) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    let mut waiting = vec![(String::new(), 0)];
    while let Some((directory, depth)) = waiting.pop() {
        let entries = match fs::read_dir(top.join(&directory)) {
            Ok(entries) => entries,
            Err(error) if directory.is_empty() => {
                let message = format!("cannot list `{}`: {error}", top.display());
                return Err(Failure::user(message, "name a directory of results that may be read"));
            }
            Err(error) => {
                tracing::warn!(%error, "a directory of results cannot be listed");
                continue;
            }
        };
        for entry in entries.flatten() {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else { continue };
            if kind.is_file() {
                files.push(File { directory: directory.clone(), name });
            } else if kind.is_dir() && depth < MAX_DEPTH && !SKIPPED.contains(&name.as_str()) {
                waiting.push((joined(&directory, &name), depth + 1));
            }
        }
        if MAX_FILES < files.len() {
            let message = format!("`{}` holds more than {MAX_FILES} files", top.display());
            return Err(Failure::user(message, "name the directory of one job"));
        }
    }
    files.sort();
    Ok(files)
}

/// A file as text.
///
/// # Errors
/// The system's; also if it is larger than any transcript, or no UTF-8.
pub(super) fn text(top: &Path, path: &str) -> io::Result<String> {
    let full = top.join(path);
    if !fs::symlink_metadata(&full)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    let (file, metadata) = disk::open(&full)?;
    if MAX_BYTES < metadata.len() {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {MAX_BYTES} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no UTF-8"))
}

/// The end of a file as text, whatever bytes are in it; empty if there is none.
pub(super) fn tail(top: &Path, path: &str, lines: usize) -> String {
    let full = top.join(path);
    let is_file = fs::symlink_metadata(&full).is_ok_and(|there| there.is_file());
    let Ok((file, _)) =
        disk::open(&full).and_then(|file| is_file.then_some(file).ok_or(ErrorKind::NotFound.into()))
    else {
        return String::new();
    };
    let mut bytes = Vec::new();
    if file.take(MAX_BYTES).read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
