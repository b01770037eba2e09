//! The tasks of the demo: all are admitted and fully proven, every solution passes, and wrong solutions fail in just the
//! checks that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self_harness::engine::reward::CheckStatus;
use self_harness::engine::verdict::Verdict;
use self_harness::host::sandbox::{Exec, Phase};
use self_harness::host::suite::{AdmittedTask, admit, build, verify};

use crate::lab::{Lab, fails, passes, plan};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/examples")
}

fn tasks() -> Vec<String> {
    let entries = fs::read_dir(examples().join("demo/tasks")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn admitted(lab: &Lab, name: &str) -> AdmittedTask {
    let plan = plan(&examples().join("demo"), name).unwrap();
    let template = build(&plan, &lab.bench()).unwrap_or_else(|error| panic!("{name}: {error}"));
    admit(plan, template, &lab.bench()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_task_is_admitted_and_its_solution_passes() {
    let lab = Lab::new("demo");
    let names = tasks();
    assert_eq!(names.len(), 24);
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let work = || {
        let mut admitted_tasks = Vec::new();
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            admitted_tasks.push(admitted(&lab, name));
        }
        admitted_tasks
    };
    let tasks: Vec<AdmittedTask> = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut all = work();
        all.extend(other.join().unwrap());
        all
    });
    println!("{} tasks admitted in {:.1} s", tasks.len(), began.elapsed().as_secs_f64());
    let began = Instant::now();
    for task in &tasks {
        let id = &task.plan().id;
        assert_eq!(task.marks(), BTreeSet::new(), "{id}");
        let proof = &task.admission().steps[0];
        let canary = proof.canary.as_ref().unwrap();
        assert!(!proof.manifest.is_empty() && canary.reported && 5 <= canary.styles.len(), "{id}: {proof:?}");
    }
    // What a worker does: the stored admission of each, and a trial that leaves what the solution leaves.
    for task in tasks {
        let stored = serde_json::to_string(task.admission()).unwrap();
        let restored = serde_json::from_str(&stored).unwrap();
        let task = AdmittedTask::restored(task.plan().clone(), task.template().clone(), restored).unwrap();
        let solution = examples().join("demo/tasks").join(&task.plan().id).join("solution");
        let copy = lab.readable(&solution);
        let exec = Exec::program(["/bin/bash", "/solution/solve.sh"]);
        let start = &task.template().tree;
        let left = lab.left_with(&task, 0, start, Phase::Oracle, Some((&copy, "/solution")), exec);
        let judged = verify(&task, 0, &left, &lab.bench());
        passes(&judged);
        assert_eq!((judged.attempts, judged.partial), (2, Some(0.0)), "{}", task.plan().id);
        let untouched = verify(&task, 0, &task.template().tree, &lab.bench());
        assert_eq!((untouched.verdict, untouched.flags.tampered), (Verdict::Fail, false), "{untouched:#?}");
        assert!(untouched.cause.contains("checks failed"), "{untouched:#?}");
    }
    println!("24 solutions and 24 untouched trees judged in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(lab.left_over(), [] as [PathBuf; 0]);
}

#[test]
fn wrong_solutions_fail_in_the_checks_that_they_name() {
    let lab = Lab::new("demo-wrong");
    let sample = [
        "clean-lines.order",
        "extend-settings.misplaced",
        "join-orders.linked",
        "list-owners.blanks",
        "merge-intervals.forged",
        "pack-release.linked",
        "restore-commit.reset",
        "tune-proxy.main",
    ];
    for name in sample {
        let script = examples().join("demo-wrong").join(format!("{name}.sh"));
        let text = fs::read_to_string(&script).unwrap();
        let named: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# Fails:"))
            .flat_map(str::split_whitespace)
            .collect();
        let task = admitted(&lab, name.split('.').next().unwrap());
        let solution = lab.readable(&examples().join("demo/tasks").join(&task.plan().id).join("solution"));
        let exec = Exec::program(["/bin/bash", "-c", text.as_str()]);
        let start = &task.template().tree;
        let left = lab.left_with(&task, 0, start, Phase::Oracle, Some((&solution, "/solution")), exec);
        let judged = verify(&task, 0, &left, &lab.bench());
        fails(&judged, "checks failed");
        let failed = judged.checks.iter().filter(|check| check.status == CheckStatus::Failed);
        assert_eq!(failed.map(|check| check.name.as_str()).collect::<BTreeSet<_>>(), named, "{name}");
    }
}

impl Lab {
    /// A copy of a directory that the user of the sandbox can read.
    fn readable(&self, directory: &Path) -> PathBuf {
        let copy = self.backend.trials.directory().with_file_name(format!(
            "copy-{}",
            directory.parent().unwrap().file_name().unwrap().to_str().unwrap()
        ));
        let _ = fs::remove_dir_all(&copy);
        let bundle = self_harness::host::suite::Bundle::read(directory).unwrap();
        let writer = self_harness::host::suite::bundle::Writer::into_new(&copy, self.backend.run_as).unwrap();
        bundle.write(&writer).unwrap();
        copy
    }
}
