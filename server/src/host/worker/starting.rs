//! Starts a worker that outlives us.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;

use crate::failure::Failure;
use crate::host::machine::Machine;
use crate::host::spawn;
use crate::host::store::Store;

/// The variables that a worker needs of ours, besides the one that holds the model's key.
const PASSED: [&str; 14] = [
    "HOME",
    "PATH",
    "LANG",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    // By these a container engine finds its machine.
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "CONTAINER_HOST",
    "SELF_HARNESS_LOG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// A log that is longer is begun again.
const MAX_LOG_BYTES: u64 = 4 << 20;

/// Starts a worker for a project, unless one is at work: then that one will see what waits.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub fn ensure(root: &Path, store: &Store, key_variable: Option<&str>) -> Result<(), Failure> {
    if store.has_worker().map_err(|error| error.to_failure())? {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Failure::host(format!("cannot start a worker: {error}"), "see whether the disk is full")
    };
    let log = store.worker_log();
    // It is for people who look for a mistake, and grows by little; what is old goes.
    let is_large = std::fs::metadata(&log).is_ok_and(|there| MAX_LOG_BYTES < there.len());
    if is_large {
        let _ = std::fs::remove_file(&log);
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // A link there would have us write elsewhere.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    let log = options.open(&log).map_err(failed)?;
    let mut command = spawn::command(std::env::current_exe().map_err(failed)?);
    command.arg("worker").arg("--root").arg(root);
    // Those that Harbor may see are its user's to name.
    let harbor = Machine::read().map(|machine| machine.harbor.variables).unwrap_or_default();
    for name in PASSED.into_iter().chain(key_variable).chain(harbor.iter().map(String::as_str)) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
    // A Ctrl-C in our terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    spawn::start(command).map(|_| ()).map_err(failed)
}
