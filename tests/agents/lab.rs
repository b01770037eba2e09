//! Where agents work in tests: a directory of trial trees, sandboxes around them, and a scripted model.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness_schema::harness::Harness;
use self_harness::host::agents::native;
use self_harness::host::agents::{Cancel, Work, Worked};
use self_harness::host::meter::Meter;
use self_harness::host::model::{Client, Endpoint, Settings};
use self_harness::host::sandbox::bubblewrap::Bubblewrap;
use self_harness::host::sandbox::snapshot::{self, TreeLimits, TreeSnapshot};
use self_harness::host::sandbox::spec::Mount;
use self_harness::host::sandbox::tree::Identity;
use self_harness::host::sandbox::{Backend, Dead, Phase, Sandbox, Spec, TrialTree, Trials, beneath};
use self_harness::host::scripted::{Persona, Server};

/// A laboratory; it goes when the test ends.
pub(crate) struct Lab {
    directory: PathBuf,
    backend: Bubblewrap,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("self-harness-agents-{}-{name}", std::process::id()));
        let _ = beneath::remove(&directory);
        fs::create_dir_all(&directory).unwrap();
        // The ordinary user that root becomes has to pass.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o711)).unwrap();
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let run_as = is_root.then_some(Identity::UNUSED);
        let backend = Bubblewrap {
            executable: PathBuf::from(env!("CARGO_BIN_EXE_self-harness")),
            trials: Trials::at(directory.join("trials"), run_as),
            run_as,
            ..Bubblewrap::of_this_machine()
        };
        Self { directory, backend }
    }

    /// A directory of the laboratory with these files.
    pub(crate) fn directory(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let top = self.directory.join(name);
        fs::create_dir_all(&top).unwrap();
        for (path, bytes) in files {
            let path = top.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        top
    }

    /// A fresh tree with what is in a directory.
    pub(crate) fn tree(&self, name: &str, files: &[(&str, &[u8])]) -> TrialTree {
        let top = self.directory(name, files);
        let archive = self.directory.join(format!("{name}.start"));
        let frozen = snapshot::of_directory(&top, &archive, &TreeLimits::default()).unwrap();
        self.thaw(&frozen)
    }

    fn thaw(&self, frozen: &TreeSnapshot) -> TrialTree {
        let tree = self.backend.trials.fresh().unwrap();
        frozen.restore(&tree).unwrap();
        tree
    }

    pub(crate) fn start(&self, phase: Phase, tree: TrialTree, mounts: Vec<Mount>) -> Box<dyn Sandbox> {
        let spec = Spec { mounts, ..Spec::new(phase, tree) };
        self.backend.start(spec).unwrap_or_else(|error| panic!("no sandbox, so no protection: {error}"))
    }

    /// What the verifier of a task says of what an agent left.
    pub(crate) fn reward(&self, left: &Dead, tests: &Path) -> String {
        let archive = self.directory.join("left");
        let frozen = snapshot::snapshot(left, &archive, &TreeLimits::default()).unwrap();
        let mounts = vec![Mount::new(tests, "/tests")];
        let mut sandbox = self.start(Phase::Verify, self.thaw(&frozen), mounts);
        let test = self_harness::host::sandbox::Exec::program(["/bin/bash", "/tests/test.sh"]);
        sandbox.exec(&test).unwrap();
        let judged = sandbox.kill().unwrap();
        let text = |name: &str| fs::read_to_string(judged.tree().out().join(name)).ok();
        text("reward.json").or_else(|| text("reward.txt")).unwrap_or_default()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = beneath::remove(&self.directory);
    }
}

/// The directory of an example.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/examples").join(path)
}

/// Lets the native agent work on a tree, with a model that follows a persona.
pub(crate) fn work(harness: &Harness, instruction: &str, persona: &str, sandbox: &mut dyn Sandbox) -> Worked {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(Persona::read("worker.toml", persona).unwrap(), 0)).unwrap();
    let settings = Settings::of(&harness.manifest().model).unwrap();
    let settings = Settings { endpoint: Endpoint::read(&server.endpoint()).unwrap(), ..settings };
    let client = Client::new(settings, None).unwrap();
    native::work(
        &Work {
            harness,
            instruction,
            workdir: "/app",
            timeout: Duration::from_secs(50),
            seed: None,
            client: &client,
            runtime: runtime.handle(),
            cancel: &Cancel::new(),
            meter: &Meter::default(),
            started: Instant::now(),
        },
        sandbox,
    )
}
