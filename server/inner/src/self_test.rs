//! The probe inside of a sandbox: our executable as a command that tries to get out, and says what it could do. It knows
//! where things lie on the host, because it is told.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{confine, procfs, spawn, wire};

/// How many processes are left behind for the kill barrier.
pub const LEFT_BEHIND: usize = 20;
/// The argument of a process that only waits.
const LINGER: &str = "linger";

/// What lies on the host to be reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Targets {
    /// A file with a secret.
    pub canary: PathBuf,
    /// A directory of the host to write to.
    pub directory: PathBuf,
    /// A port on the loopback.
    pub port: u16,
    /// An abstract socket.
    pub name: String,
    /// A socket with a path.
    pub socket: PathBuf,
    /// A process of the host.
    pub pid: i32,
}

/// What could be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What was written that may not be written.
    pub wrote: Vec<String>,
    /// Whether the secret was read.
    pub read: bool,
    /// What answered.
    pub connected: Vec<String>,
    /// Names of variables.
    pub variables: Vec<String>,
    /// Descriptors besides the standard ones.
    pub descriptors: Vec<String>,
    /// Capability sets that are not empty.
    pub capabilities: Vec<String>,
    /// Whether a namespace could be made.
    pub nested: bool,
    /// The mode of the filter of system calls.
    pub seccomp: String,
    /// Whether new privileges are ruled out.
    pub no_new_privs: bool,
    /// How many processes are in sight.
    pub processes: usize,
    /// Whether a process of the host is in sight.
    pub impostor: bool,
    /// The version of Landlock.
    pub landlock: i64,
    /// Whether a file could be written that no mount keeps, and Landlock alone does.
    pub landlock_is_open: bool,
    /// Processes that were left behind.
    pub left_behind: usize,
}

/// Runs inside, prints what it could do.
pub fn inside(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(argument) = arguments.next().and_then(|text| text.into_string().ok()) else {
        return ExitCode::FAILURE;
    };
    if argument == LINGER {
        std::thread::sleep(Duration::from_secs(600));
        return ExitCode::SUCCESS;
    }
    let Ok(targets) = serde_json::from_str::<Targets>(&argument) else { return ExitCode::FAILURE };
    let seen = try_everything(&targets);
    let printed = serde_json::to_string(&seen).map(|text| print(&text));
    ExitCode::from(u8::from(printed.is_err()))
}

fn print(text: &str) {
    use std::io::Write;
    // Nobody who does not listen is told.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn try_everything(targets: &Targets) -> Seen {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let status: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let is_empty = |set: &str| set.bytes().all(|digit| digit == b'0');
    let sets = status.iter().filter(|(name, set)| name.starts_with("Cap") && !is_empty(set));
    let processes = procfs::processes();
    Seen {
        wrote: writes(targets),
        read: fs::read(&targets.canary).is_ok(),
        connected: connections(targets),
        variables: std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect(),
        descriptors: descriptors(),
        capabilities: sets.map(|(name, set)| format!("{name} {set}")).collect(),
        seccomp: (*status.get("Seccomp").unwrap_or(&"")).to_owned(),
        no_new_privs: status.get("NoNewPrivs") == Some(&"1"),
        processes: processes.len(),
        impostor: targets.pid != 1 && 1000 < targets.pid && procfs::process(targets.pid).is_some(),
        landlock: confine::landlock_abi(),
        landlock_is_open: fs::OpenOptions::new().write(true).open("/dev/urandom").is_ok(),
        left_behind: leave_behind(&targets.name),
        nested: confine::can_nest(),
    }
}

fn writes(targets: &Targets) -> Vec<String> {
    let mut places = vec![targets.directory.join("written")];
    places.extend(
        ["/", "/usr", "/etc", "/run", "/dev", "/proc/sys/kernel", "/home", "/var"]
            .map(|path| PathBuf::from(path).join("written")),
    );
    places.push(PathBuf::from("/usr/bin/env"));
    let written = |path: &PathBuf| fs::OpenOptions::new().append(true).create(true).open(path).is_ok();
    places.iter().filter(|path| written(path)).map(|path| path.display().to_string()).collect()
}

fn connections(targets: &Targets) -> Vec<String> {
    let mut connected = Vec::new();
    let address = SocketAddr::from(([127, 0, 0, 1], targets.port));
    if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
        connected.push(format!("TCP {address}"));
    }
    let name = std::os::unix::net::SocketAddr::from_abstract_name(&targets.name);
    if name.and_then(|name| UnixStream::connect_addr(&name)).is_ok() {
        connected.push(String::from("an abstract socket"));
    }
    if UnixStream::connect(&targets.socket).is_ok() {
        connected.push(String::from("a socket with a path"));
    }
    connected
}

fn descriptors() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return vec![String::from("(unreadable)")] };
    let others = entries.flatten().filter(|entry| {
        entry.file_name().to_str().and_then(|name| name.parse().ok()).is_none_or(|number: i32| 2 < number)
    });
    let targets = others.map(|entry| fs::read_link(entry.path()).unwrap_or_default().display().to_string());
    targets.filter(|target| !target.ends_with("/fd")).collect()
}

/// Starts processes that nobody waits for.
fn leave_behind(name: &str) -> usize {
    let linger = || {
        let mut command = spawn::command("/proc/self/exe");
        command
            .args([wire::PROBE, LINGER, name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().is_ok()
    };
    (0..LEFT_BEHIND).filter(|_| linger()).count()
}
