//! Keeps what a scripted model is asked, a line of JSON for each request. For tests only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// A file that bodies of requests are added to.
pub(super) struct Requests {
    file: Mutex<File>,
}

impl Requests {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Adds the body of a request; nothing if it has none. What is no JSON becomes a string, so that each line is a value.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn keep(&self, body: &[u8]) -> io::Result<()> {
        if body.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body).into_owned()));
        // In one write: two connections may be served at once.
        let line = format!("{value}\n");
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_a_line_whatever_it_is() {
        let path = std::env::temp_dir().join(format!("self-harness-requests-{}", std::process::id()));
        let requests = Requests::open(&path).unwrap();
        requests.keep(b"{\n  \"model\": \"a\"\n}").unwrap();
        requests.keep(b"").unwrap();
        requests.keep(b"no\nJSON").unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(kept, "{\"model\":\"a\"}\n\"no\\nJSON\"\n");
    }
}
