//! Where attempts are made: sandboxes with their own directory of trial trees, the attacker mounted into them, and
//! canaries on the host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self_harness::host::sandbox::bubblewrap::Bubblewrap;
use self_harness::host::sandbox::spec::{Env, Mount};
use self_harness::host::sandbox::tree::Identity;
use self_harness::host::sandbox::{
    Backend, Ended, Exec, Executed, Phase, Sandbox, Spec, Trials, beneath, procfs,
};

/// Where the attacker is seen inside.
const ATTACKER: &str = "/opt/attacker";

/// A laboratory; it goes when the test ends.
pub(crate) struct Lab {
    directory: PathBuf,
    pub(crate) backend: Bubblewrap,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("self-harness-escape-{}-{name}", std::process::id()));
        let _ = beneath::remove(&directory);
        fs::create_dir_all(&directory).unwrap();
        // The ordinary user that root becomes has to pass.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o711)).unwrap();
        Self { backend: backend(&directory), directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A file of the host with a secret that everybody may read and write, so that only the sandbox keeps it.
    pub(crate) fn canary(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, CANARY).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        path
    }

    pub(crate) fn spec(&self, phase: Phase) -> Spec {
        let mut spec = Spec::new(phase, self.backend.trials.fresh().unwrap());
        spec.mounts.push(Mount::new(std::env::current_exe().unwrap(), ATTACKER));
        spec
    }

    pub(crate) fn start(&self) -> Box<dyn Sandbox> {
        self.start_with(|_| {})
    }

    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Spec)) -> Box<dyn Sandbox> {
        let mut spec = self.spec(Phase::Agent);
        change(&mut spec);
        self.backend.start(spec).unwrap_or_else(|error| panic!("no sandbox, so no protection: {error}"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = beneath::remove(&self.directory);
    }
}

pub(crate) const CANARY: &str = "canary-7f3a91";

/// The backend as the tests use it.
pub(crate) fn backend(directory: &Path) -> Bubblewrap {
    let run_as = is_root().then_some(Identity::UNUSED);
    Bubblewrap {
        executable: PathBuf::from(env!("CARGO_BIN_EXE_self-harness")),
        trials: Trials::at(directory.join("trials"), run_as),
        run_as,
        ..Bubblewrap::of_this_machine()
    }
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs a script and says what it printed.
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

/// The attacker with an attempt, as a command.
pub(crate) fn attempt(what: &str) -> Exec {
    let arguments =
        [ATTACKER, "attacker::attacker", "--exact", "--ignored", "--nocapture", "--test-threads=1"];
    let mut exec = Exec::program(arguments).within(Duration::from_secs(30));
    exec.env = Env::of([("ATTEMPT", what)]).unwrap();
    exec
}

/// Runs an attempt inside; what the attacker said.
#[track_caller]
pub(crate) fn attack(sandbox: &mut dyn Sandbox, what: &str) -> String {
    let executed = sandbox.exec(&attempt(what)).unwrap();
    said(&executed.stdout.text())
        .unwrap_or_else(|| panic!("{what}: {:?}\n{}", executed.ended, executed.stderr.text()))
}

/// Runs the same attempt here, without protection.
#[track_caller]
pub(crate) fn attack_without_protection(lab: &Lab, what: &str) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["attacker::attacker", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("ATTEMPT", what)
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    said(&String::from_utf8_lossy(&output.stdout)).unwrap()
}

fn said(output: &str) -> Option<String> {
    let line = output.lines().find_map(|line| line.split_once("ATTACKER "))?;
    Some(line.1.trim().to_owned())
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

/// Makes all notes of a directory of trial trees older than anything that could still be starting.
pub(crate) fn age_notes(trials: &Path) {
    for path in fs::read_dir(trials).unwrap().flatten().map(|entry| entry.path()) {
        if path.extension().is_some() {
            let note = fs::File::options().write(true).open(path).unwrap();
            note.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
        }
    }
}
