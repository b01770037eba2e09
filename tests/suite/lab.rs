//! A laboratory: projects with one task, written for a test, and the sandbox in which they are run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_schema::harness::Harness;
use self_harness::engine::verdict::{Verdict, VoidCause};
use self_harness::host::disk;
use self_harness::host::egress::Egress;
use self_harness::host::machine::Ceiling;
use self_harness::host::sandbox::bubblewrap::Bubblewrap;
use self_harness::host::sandbox::snapshot::{TreeLimits, TreeSnapshot, snapshot};
use self_harness::host::sandbox::spec::Mount;
use self_harness::host::sandbox::tree::Identity;
use self_harness::host::sandbox::{Exec, Executed, Phase, Sandbox, Trials, beneath};
use self_harness::host::suite::{
    AdmittedTask, Bench, Judged, NotAdmitted, TaskPlan, TaskRefused, admit, begin, build, verify,
};

/// A laboratory; it goes when the test ends.
pub(crate) struct Lab {
    directory: PathBuf,
    archives: PathBuf,
    pub(crate) backend: Bubblewrap,
    pub(crate) egress: Egress,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("self-harness-suite-{}-{name}", std::process::id()));
        let _ = beneath::remove(&directory);
        fs::create_dir_all(&directory).unwrap();
        // The ordinary user that root becomes has to pass.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o711)).unwrap();
        let run_as = rustix_is_root().then_some(Identity::UNUSED);
        let backend = Bubblewrap {
            executable: PathBuf::from(env!("CARGO_BIN_EXE_self-harness")),
            trials: Trials::at(directory.join("trials"), run_as),
            run_as,
            ..Bubblewrap::of_this_machine()
        };
        Self { archives: directory.join("archives"), backend, egress: Egress::new(Ceiling::Off), directory }
    }

    pub(crate) fn bench(&self) -> Bench<'_> {
        Bench {
            backend: &self.backend,
            trials: &self.backend.trials,
            archives: &self.archives,
            egress: &self.egress,
        }
    }

    /// Files that nothing of a test should leave behind.
    pub(crate) fn left_over(&self) -> Vec<PathBuf> {
        let below = |path: &Path| {
            fs::read_dir(path).map(|all| all.flatten().map(|one| one.path()).collect::<Vec<_>>())
        };
        below(self.backend.trials.directory()).unwrap_or_default()
    }

    /// How many frozen trees there are.
    pub(crate) fn frozen(&self) -> usize {
        fs::read_dir(&self.archives).map_or(0, Iterator::count)
    }

    /// A project with the task `t` of these files. A file that begins with `#!` can be executed.
    pub(crate) fn project(&self, files: &[(&str, &str)]) -> Project {
        let project = Project { root: self.directory.join("project") };
        let _ = beneath::remove(&project.root);
        project.write("../../harness.toml", "[tasks]\ndir = \"tasks\"\n");
        for (name, text) in [("instruction.md", "Do it.\n"), ("task.toml", "")].iter().chain(files) {
            project.write(name, text);
        }
        project
    }

    /// A task that has been planned, built and admitted.
    #[track_caller]
    pub(crate) fn admitted(&self, files: &[(&str, &str)]) -> AdmittedTask {
        self.admit(files).unwrap_or_else(|error| panic!("not admitted: {error}"))
    }

    pub(crate) fn admit(&self, files: &[(&str, &str)]) -> Result<AdmittedTask, NotAdmitted> {
        let plan = self.project(files).plan().unwrap();
        let template = build(&plan, &self.bench())?;
        admit(plan, template, &self.bench())
    }

    /// What is left of a trial in which an agent runs a script.
    #[track_caller]
    pub(crate) fn left_by(&self, task: &AdmittedTask, script: &str) -> TreeSnapshot {
        self.left_in_step(task, 0, &task.template().unwrap().tree, script)
    }

    #[track_caller]
    pub(crate) fn left_in_step(
        &self,
        task: &AdmittedTask,
        step: usize,
        before: &TreeSnapshot,
        script: &str,
    ) -> TreeSnapshot {
        self.left_with(task, step, before, Phase::Agent, None, Exec::shell(script))
    }

    /// The same with something more to read, and any command.
    #[track_caller]
    pub(crate) fn left_with(
        &self,
        task: &AdmittedTask,
        step: usize,
        before: &TreeSnapshot,
        phase: Phase,
        mount: Option<(&Path, &str)>,
        exec: Exec,
    ) -> TreeSnapshot {
        let tree = begin(task.plan(), step, before, &self.bench()).unwrap();
        let mut spec = task.plan().spec(phase, tree);
        spec.mounts.extend(mount.map(|(from, at)| Mount::new(from, at)));
        let mut sandbox = self::start(self, spec);
        let _: Executed = sandbox.exec(&task.plan().command(exec.within(Duration::from_secs(60)))).unwrap();
        let dead = sandbox.kill().unwrap();
        let frozen = snapshot(&dead, &self.bench().archive().unwrap(), &TreeLimits::default()).unwrap();
        dead.into_tree().remove().unwrap();
        frozen
    }

    /// The verdict on a trial in which an agent runs a script.
    #[track_caller]
    pub(crate) fn judged(&self, task: &AdmittedTask, script: &str) -> Judged {
        let judged = verify(task, 0, &self.left_by(task, script), &self.bench());
        assert_eq!(self.left_over(), [] as [PathBuf; 0]);
        judged
    }
}

fn start(lab: &Lab, spec: self_harness::host::sandbox::Spec) -> Box<dyn Sandbox> {
    use self_harness::host::sandbox::Backend;
    lab.backend.start(spec).unwrap_or_else(|error| panic!("no sandbox, so no protection: {error}"))
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = beneath::remove(&self.directory);
    }
}

/// A project with one task.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
}

impl Project {
    /// Writes a file of the task.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let task = self.root.join("tasks/t");
        fs::create_dir_all(&task).unwrap();
        let path = task.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn plan(&self) -> Result<TaskPlan, TaskRefused> {
        plan(&self.root, "t")
    }
}

/// The plan of a task of a project.
pub(crate) fn plan(root: &Path, id: &str) -> Result<TaskPlan, TaskRefused> {
    let harness = Harness::resolve(&disk::load(root), None);
    TaskPlan::of(&harness, root, harness.suite().task(id).unwrap())
}

/// A pass that nobody doubts.
#[track_caller]
pub(crate) fn passes(judged: &Judged) {
    assert_eq!((judged.verdict, judged.flags.tampered), (Verdict::Pass, false), "{judged:#?}");
}

/// A fail without a flag, for that reason.
#[track_caller]
pub(crate) fn fails(judged: &Judged, cause: &str) {
    assert_eq!((judged.verdict, judged.flags.tampered), (Verdict::Fail, false), "{judged:#?}");
    assert!(judged.cause.contains(cause), "{judged:#?}");
}

/// A claimed pass that is denied, for that reason.
#[track_caller]
pub(crate) fn is_tampered(judged: &Judged, cause: &str) {
    assert_eq!((judged.verdict, judged.flags.tampered), (Verdict::Fail, true), "{judged:#?}");
    assert!(judged.cause.contains(cause), "{judged:#?}");
}

/// No verdict, for that reason.
#[track_caller]
pub(crate) fn is_void(judged: &Judged, void: VoidCause, cause: &str) {
    assert_eq!(judged.verdict, Verdict::Void(void), "{judged:#?}");
    assert!(judged.cause.contains(cause), "{judged:#?}");
}

fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}
