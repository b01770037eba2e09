//! Tries what a backend promises: things of the host are put in reach, and a real sandbox is asked what it could do with
//! them. A promise that was not tried is none.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::guarantee::{Guarantee, Guarantees, Unavailable};
use super::orphan::Noted;
use super::self_test::{LEFT_BEHIND, Seen, Targets};
use super::spec::{Backend, Ended, Exec, Phase, SandboxError, Spec};
use super::tree::{Identity, Trials};
use super::{beneath, procfs, wire};
use crate::host::random;

/// How long the probe may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The program of the first process, as whoever it starts finds it.
const FIRST: &str = "/proc/self/exe";
/// Variables that are set inside.
const VARIABLES: [&str; 8] = ["PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "TZ", "PWD"];

/// Starts a sandbox of a backend and tries to leave it.
pub(super) fn run(backend: &dyn Backend, trials: &Trials, name: String) -> Result<Guarantees, Unavailable> {
    let lab = Lab::new(trials.owner())
        .map_err(|error| failed(&format!("things to be reached cannot be made: {error}")))?;
    let tree = trials.fresh().map_err(|error| failed(&error.to_string()))?;
    let mut sandbox = backend.start(Spec::new(Phase::Agent, tree)).map_err(unavailable)?;
    let targets = serde_json::to_string(&lab.targets).map_err(|error| failed(&error.to_string()))?;
    let test = Exec::program([FIRST, wire::PROBE, targets.as_str()]).within(PATIENCE);
    let executed = sandbox.exec(&test).map_err(unavailable)?;
    // A process that has just been started has no command line for a moment.
    let soon = Instant::now() + Duration::from_secs(2);
    let mut inside = named(&lab.targets.name);
    while inside.len() < LEFT_BEHIND && Instant::now() < soon {
        std::thread::sleep(Duration::from_millis(1));
        inside = named(&lab.targets.name);
    }
    let began = Instant::now();
    let dead = sandbox.kill().map_err(unavailable)?;
    let took = began.elapsed();
    let lives = |noted: &&Noted| {
        procfs::process(noted.pid).is_some_and(|there| there.started == noted.started && !there.is_zombie)
    };
    let left = inside.iter().filter(lives).count();
    dead.into_tree().remove().map_err(|error| failed(&error.to_string()))?;
    if executed.ended != Ended::Finished(0) {
        let printed = executed.stderr.text();
        return Err(failed(&format!("the probe ended with {:?}: {}", executed.ended, printed.trim())));
    }
    let seen: Seen = serde_json::from_slice(&executed.stdout.bytes())
        .map_err(|error| failed(&format!("the probe's answer cannot be read: {error}")))?;
    Ok(judge(&seen, name, &lab, left, inside.len(), took))
}

/// Processes that have the name of this probe in their command lines: the probe, and those that it left behind.
fn named(name: &str) -> Vec<Noted> {
    let has = |noted: &Noted| {
        fs::read(format!("/proc/{}/cmdline", noted.pid))
            .is_ok_and(|line| line.windows(name.len()).any(|window| window == name.as_bytes()))
    };
    let living = procfs::processes().into_iter().filter(|process| !process.is_zombie);
    living.map(|process| Noted { pid: process.pid, started: process.started }).filter(has).collect()
}

fn judge(seen: &Seen, backend: String, lab: &Lab, left: usize, inside: usize, took: Duration) -> Guarantees {
    let wrote_on_host = lab.targets.directory.join("written").exists();
    let variables: Vec<&String> =
        seen.variables.iter().filter(|name| !VARIABLES.contains(&name.as_str())).collect();
    let sees = !seen.descriptors.is_empty() || !variables.is_empty() || seen.impostor;
    let kill_all = left == 0 && seen.left_behind == LEFT_BEHIND && LEFT_BEHIND <= inside;
    Guarantees {
        backend,
        fs_write: Guarantee::of(
            seen.wrote.is_empty() && !wrote_on_host,
            format!("a program inside could write to {}", seen.wrote.join(", ")),
        ),
        fs_read: Guarantee::of(!seen.read, "a program inside read a file in your temporary directory"),
        network: Guarantee::of(
            seen.connected.is_empty() && !lab.was_reached(),
            format!("a program inside reached {}", seen.connected.join(", ")),
        ),
        processes: Guarantee::of(
            !sees,
            format!("inside are descriptors {:?}, variables {variables:?}", seen.descriptors),
        ),
        kill_all: Guarantee::of(
            kill_all,
            format!(
                "of {} processes that were left behind and {inside} that were seen {left} lived {took:?} later",
                seen.left_behind
            ),
        ),
        capabilities: Guarantee::of(
            seen.capabilities.is_empty() && seen.no_new_privs && !seen.nested,
            format!("inside are capabilities {:?}; new namespaces: {}", seen.capabilities, seen.nested),
        ),
        seccomp: Guarantee::of(seen.seccomp == "2", format!("the mode inside is `{}`", seen.seccomp)),
        memory: Guarantee::Weaker(String::from("looked at ten times a second; no memory cgroup is used")),
        disk: Guarantee::Weaker(String::from("looked at every two seconds; no quota is used")),
        landlock_abi: match seen.landlock {
            0 => Guarantee::Missing(String::from("this kernel has no Landlock; mounts alone bound files")),
            _ if seen.landlock_is_open => {
                Guarantee::Missing(String::from("it is there and did not bound anything"))
            }
            _ => Guarantee::Held,
        },
    }
}

fn failed(why: &str) -> Unavailable {
    Unavailable::new(
        format!("the sandbox could not be tried: {why}"),
        "see whether this machine has free memory and disk space",
    )
}

fn unavailable(error: SandboxError) -> Unavailable {
    match error {
        SandboxError::Unavailable(unavailable) => unavailable,
        error => failed(&error.to_string()),
    }
}

/// Things of the host that a sandbox may not reach.
struct Lab {
    targets: Targets,
    tcp: TcpListener,
    sockets: [UnixListener; 2],
}

impl Lab {
    /// They belong to whoever a sandbox runs as: what only the owner of a file keeps from it would prove nothing.
    fn new(owner: Option<Identity>) -> io::Result<Self> {
        let id = random::name()?;
        let directory: PathBuf = std::env::temp_dir().join(format!("self-harness-probe-{id}"));
        beneath::own_directory(&directory, 0o700)?;
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let name = format!("self-harness-probe-{id}");
        let sockets = [
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?,
            UnixListener::bind(directory.join("socket"))?,
        ];
        tcp.set_nonblocking(true)?;
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        fs::write(directory.join("canary"), &id)?;
        if let Some(owner) = owner {
            for path in [directory.join("canary"), directory.join("socket"), directory.clone()] {
                std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid))?;
            }
        }
        let targets = Targets {
            canary: directory.join("canary"),
            socket: directory.join("socket"),
            port: tcp.local_addr()?.port(),
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            directory,
            name,
        };
        Ok(Self { targets, tcp, sockets })
    }

    /// Whether anybody connected.
    fn was_reached(&self) -> bool {
        self.tcp.accept().is_ok() || self.sockets.iter().any(|socket| socket.accept().is_ok())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What stays is an empty directory of ours.
        let _ = beneath::remove(&self.targets.directory);
    }
}
