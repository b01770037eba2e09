//! The command line that makes a container. Pure: what is asked goes in, words come out. Nothing of a task file is among
//! them but the place of its tree, and nothing of this machine but digests and numbers.

use super::super::arguments::{HOME, INSIDE};
use super::super::frames::STDIO;
use super::super::spec::Spec;
use super::super::tree::Identity;
use super::super::wire::INIT;
use super::engine::Kind;
use super::running::Vessel;

/// The label with the name of the trial tree.
pub const TRIAL: &str = "self-harness.trial";
/// The label with the worker: boot, number, start.
pub const WORKER_LABEL: &str = "self-harness.worker";
/// The label that says whose containers these are.
pub const HOUSE: &str = "self-harness.house";

const TMP_BYTES: u64 = 256 << 20;
const SMALL_BYTES: u64 = 64 << 20;

/// Where the volume with the first process is mounted.
pub const PROGRAM: &str = "/run/self-harness-program";

/// What a container is called.
#[must_use]
pub fn name(id: &str) -> String {
    format!("self-harness-{id}")
}

/// Whose containers and volumes these are, as their labels say it.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The worker: boot, number, start.
    pub worker: &'a str,
    /// This machine, and its directory of trial trees.
    pub house: &'a str,
}

impl Whose<'_> {
    /// The labels, each a word.
    #[must_use]
    pub fn labels(&self) -> [String; 2] {
        [format!("{WORKER_LABEL}={}", self.worker), format!("{HOUSE}={}", self.house)]
    }
}

/// What a container is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The identity of an image that is there.
    pub image: &'a str,
    /// The volume that holds the first process.
    pub program: &'a str,
}

/// The words after the engine's name.
#[must_use]
pub fn create(kind: Kind, spec: &Spec, source: &Source<'_>, whose: &Whose<'_>) -> Vec<String> {
    let id = spec.tree.id();
    let name = name(id);
    let limits = &spec.limits;
    let user = Identity::UNUSED;
    let [tree, out] = Vessel::volumes(&name);
    let mut words: Vec<String> = Vec::new();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    add(&["create", "--interactive", "--pull", "never", "--name", &name, "--hostname", "sandbox"]);
    add(&["--entrypoint", INSIDE, "--workdir", "/", "--user", &format!("{}:{}", user.uid, user.gid)]);
    add(&["--network", "none", "--ipc", "private", "--cap-drop", "ALL"]);
    add(&["--security-opt", "no-new-privileges", "--read-only", "--no-healthcheck", "--log-driver", "none"]);
    if kind == Kind::Podman {
        // Otherwise `/run` and `/tmp` would be writable, and proxies of this machine would be told.
        add(&["--read-only-tmpfs=false", "--http-proxy=false"]);
        // Nor would a volume that an image names, filled anew each time.
        add(&["--image-volume", "ignore"]);
    }
    let memory = limits.memory_bytes.to_string();
    add(&["--pids-limit", &limits.processes.to_string(), "--memory", &memory, "--memory-swap", &memory]);
    add(&["--cpus", "2", "--shm-size", &SMALL_BYTES.to_string()]);
    add(&["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=16384:16384", "--ulimit", "core=0:0"]);
    for (place, bytes) in [("/tmp", TMP_BYTES), (HOME, SMALL_BYTES)] {
        // podman copies what an image has there, which is not asked for.
        let more = if kind == Kind::Podman { ",notmpcopyup" } else { "" };
        add(&["--tmpfs", &format!("{place}:rw,exec,nosuid,nodev,size={bytes},mode=1777{more}")]);
    }
    add(&["--volume", &format!("{}:{PROGRAM}:ro,nocopy", source.program)]);
    add(&["--volume", &format!("{tree}:/workspace:nocopy")]);
    if spec.workdir != "/workspace" {
        add(&["--volume", &format!("{tree}:{}:nocopy", spec.workdir)]);
    }
    if let Some(logs) = spec.phase.logs() {
        add(&["--volume", &format!("{out}:{logs}:nocopy")]);
    }
    let [worker, house] = whose.labels();
    add(&["--label", &format!("{TRIAL}={id}"), "--label", &worker, "--label", &house]);
    add(&[source.image, INIT, STDIO, id]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sandbox::spec::Phase;
    use crate::host::sandbox::tree::Trials;
    use crate::host::sandbox::{POLICY, beneath};

    const WHOSE: Whose<'_> = Whose { worker: "WORKER", house: "HOUSE" };
    const SOURCE: Source<'_> = Source { image: "IMAGE", program: "PROGRAM" };

    #[test]
    fn esc_150_the_command_line_of_a_container() {
        let place = std::env::temp_dir().join(format!("sh-container-words-{}", std::process::id()));
        let spec = Spec::new(Phase::Agent, Trials::at(&place, None).fresh().unwrap());
        let words = create(Kind::Podman, &spec, &SOURCE, &WHOSE).join("\n").replace(spec.tree.id(), "ID");
        insta::assert_snapshot!(format!("policy {POLICY}\n{words}"));
        let docker = create(Kind::Docker, &spec, &SOURCE, &WHOSE);
        let podman_alone =
            |word: &String| word.contains("tmpcopyup") || word.contains('=') && word.contains("-tmpfs");
        assert!(!docker.iter().any(podman_alone), "{docker:?}");
        assert!(docker.iter().any(|word| word == "--read-only"));
        beneath::remove(&place).unwrap();
    }
}
