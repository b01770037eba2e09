//! Where containers are tried: a directory of trial trees of its own, and the image that `tests/container/image` makes.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use self_harness::host::sandbox::container::Container;
use self_harness::host::sandbox::container::engine::Kind;
use self_harness::host::sandbox::tree::Identity;
use self_harness::host::sandbox::{
    Backend, Ended, Exec, Executed, Phase, Sandbox, SandboxError, Spec, Trials, beneath, procfs,
};

pub(crate) const IMAGE: &str = "localhost/self-harness-test:1";

/// A laboratory; it goes when the test ends.
pub(crate) struct Lab {
    directory: PathBuf,
    pub(crate) backend: Container,
    /// Names of all trees that were seen.
    seen: RefCell<Vec<String>>,
}

impl Lab {
    /// `None`, with words, where no container can be run at all; a failure if `SELF_HARNESS_TEST_CONTAINER=required` is set.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let directory =
            std::env::temp_dir().join(format!("self-harness-container-{}-{name}", std::process::id()));
        let backend = backend(&directory);
        if let Err(why) = can_run(&backend) {
            let is_required =
                std::env::var_os("SELF_HARNESS_TEST_CONTAINER").is_some_and(|it| it == "required");
            assert!(!is_required, "no container can be run: {why}");
            println!("SKIPPED: no container can be run here: {why}");
            return None;
        }
        let _ = beneath::remove(&directory);
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o711)).unwrap();
        Some(Self { directory, backend, seen: RefCell::default() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn spec(&self) -> Spec {
        let tree = self.backend.trials.fresh().unwrap();
        self.seen.borrow_mut().push(tree.id().to_owned());
        Spec::new(Phase::Agent, tree)
    }

    pub(crate) fn start(&self) -> Box<dyn Sandbox> {
        self.start_with(|_| {})
    }

    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Spec)) -> Box<dyn Sandbox> {
        let mut spec = self.spec();
        change(&mut spec);
        self.seen.borrow_mut().push(spec.tree.id().to_owned());
        self.backend.start(spec).unwrap_or_else(|error| panic!("{error}{}", remedy(&error)))
    }

    /// How many trees and notes, and how many containers and volumes of all trees that were seen, are there.
    pub(crate) fn left(&self) -> (usize, usize) {
        let mut trees = 0;
        for entry in fs::read_dir(self.path("trials")).into_iter().flatten().flatten() {
            trees += 1;
            self.seen.borrow_mut().push(entry.path().file_stem().unwrap().display().to_string());
        }
        let names = engine(&self.backend, &["ps", "--all", "--format", "{{.Names}}"])
            + &engine(&self.backend, &["volume", "ls", "--format", "{{.Name}}"]);
        let seen = self.seen.borrow();
        (trees, names.lines().filter(|name| seen.iter().any(|id| name.contains(id.as_str()))).count())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = beneath::remove(&self.directory);
    }
}

pub(crate) fn remedy(error: &SandboxError) -> String {
    match error {
        SandboxError::Unavailable(unavailable) => format!("; {}", unavailable.remedy),
        _ => String::new(),
    }
}

/// The backend as the tests use it.
pub(crate) fn backend(directory: &Path) -> Container {
    let is_root = rustix_is_root();
    Container {
        executable: PathBuf::from(env!("CARGO_BIN_EXE_self-harness")),
        trials: Trials::at(directory.join("trials"), is_root.then_some(Identity::UNUSED)),
        ..Container::of_this_machine(Kind::Podman, IMAGE)
    }
}

fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Whether the engine can run the image with nothing of ours.
fn can_run(backend: &Container) -> Result<(), String> {
    if !rustix_is_root() {
        return Err(String::from("these tests run as root"));
    }
    let mut command = Command::new(&backend.engine.program);
    command.args(&backend.engine.options).args(["run", "--rm", "--pull", "never", "--network", "none"]);
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", "--log-driver", "none"];
    let output = command.args(limits).args([IMAGE, "/usr/bin/true"]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{}`: {error}", backend.engine.program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// What the engine answers.
pub(crate) fn engine(backend: &Container, arguments: &[&str]) -> String {
    let mut command = Command::new(&backend.engine.program);
    let output = command.args(&backend.engine.options).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a script and says what it did.
#[track_caller]
pub(crate) fn shell(sandbox: &mut dyn Sandbox, script: &str) -> Executed {
    sandbox.exec(&Exec::shell(script).within(Duration::from_secs(30))).unwrap()
}

/// What a script printed that has to end well.
#[track_caller]
pub(crate) fn prints(sandbox: &mut dyn Sandbox, script: &str) -> String {
    let executed = shell(sandbox, script);
    assert_eq!(executed.ended, Ended::Finished(0), "{}{}", executed.stdout.text(), executed.stderr.text());
    executed.stdout.text()
}

/// Processes of this machine whose command line has that word.
pub(crate) fn processes_with(word: &str) -> usize {
    let has = |pid: &i32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    let own = i32::try_from(std::process::id()).unwrap();
    let living = procfs::processes().into_iter().filter(|process| !process.is_zombie && process.pid != own);
    living.map(|process| process.pid).filter(has).count()
}
