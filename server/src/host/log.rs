//! The log of a process in a file of the user's choice: what happened, without secrets and without the texts of a project. It grows to
//! a few megabytes, is put aside then, and never takes a process with it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::redact::{Redactor, SecretString};
use crate::failure::Failure;

/// The variable with what is logged: a level, or a filter of `tracing`.
pub const FILTER: &str = "SELF_HARNESS_LOG";

/// What is logged where the variable says nothing.
const STANDARD: &str = "info";

/// A file that is longer is put aside, and another one begun.
const MOST: u64 = 4 << 20;

/// Variables with such a word in their names hold what nobody should read.
const SECRETS: [&str; 5] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"];

/// Logs into a file from now on.
///
/// # Errors
/// A [`Failure`] if the file cannot be written.
pub fn start(path: &Path) -> Result<(), Failure> {
    let log = Log::open(path, Redactor::new(&secrets())).map_err(|error| {
        let hint = "name a file in a directory of yours with `--log`";
        Failure::host(format!("cannot write the log `{}`: {error}", path.display()), hint)
    })?;
    let filter = std::env::var(FILTER).unwrap_or_else(|_| String::from(STANDARD));
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Mutex::new(log))
        .with_ansi(false)
        .log_internal_errors(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter));
    // Whoever was first has set it.
    let _ = subscriber.try_init();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        before(panic);
    }));
    Ok(())
}

/// What variables of this process hold that nobody should read.
#[must_use]
pub fn secrets() -> Vec<SecretString> {
    let is_secret = |name: &str| SECRETS.iter().any(|word| name.to_ascii_uppercase().contains(word));
    std::env::vars().filter(|(name, _)| is_secret(name)).map(|(_, value)| SecretString::new(value)).collect()
}

/// The file. Each event comes in one piece.
struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    most: u64,
    redactor: Redactor,
}

impl Log {
    fn open(path: &Path, redactor: Redactor) -> io::Result<Self> {
        let file = append(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_path_buf(), file, length, most: MOST, redactor })
    }

    /// Puts the file aside, over the one that was put aside before. A device or a pipe has no length, and stays.
    fn turn(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        fs::rename(&self.path, aside)?;
        self.file = append(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if self.most <= self.length {
            self.turn()?;
        }
        let text = self.redactor.bytes(event);
        self.file.write_all(&text)?;
        self.length += u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file for its owner alone, that grows at its end.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_holds_no_secret_and_does_not_grow_for_ever() {
        let directory = std::env::temp_dir().join(format!("self-harness-log-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("lsp.log");
        let secret = SecretString::new("a-secret-of-this-machine");
        let mut log = Log::open(&path, Redactor::new([&secret])).unwrap();
        log.most = 100;
        for number in 0..10 {
            let event = format!("event {number}: a-secret-of-this-machine sk-abcdefghijklmnopqrstuvwxyz\n");
            log.write_all(event.as_bytes()).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let (now, aside) = (read(&path), read(&directory.join("lsp.log.1")));
        assert!(now.contains("event 9: [redacted] [redacted]\n"), "{now}");
        assert!(aside.contains("event 7: ") && !aside.contains("event 9"), "{aside}");
        assert!(now.len() + aside.len() < 400, "{now}{aside}");
        assert!(!format!("{now}{aside}").contains("secret-of"), "{now}{aside}");
        // What was there is gone on with.
        Log::open(&path, Redactor::new([&secret])).unwrap().write_all(b"again\n").unwrap();
        assert!(read(&path).starts_with(&now) && read(&path).ends_with("again\n"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
