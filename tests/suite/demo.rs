//! The tasks of the demo: all are admitted and fully proven, every solution passes, and wrong solutions fail in just the
//! checks that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self_harness::engine::reward::CheckStatus;
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

/// How many parts the suite has here.
const PARTS: usize = 6;

/// Admits a part of the tasks, two at a time, and does what a worker does: a trial with the stored admission.
fn part(first: usize) {
    let lab = Lab::new(&format!("demo-{first}"));
    let names = tasks();
    assert_eq!(names.len(), 24);
    let next = AtomicUsize::new(first);
    let work = || {
        while let Some(name) = names.get(next.fetch_add(PARTS, Ordering::Relaxed)) {
            one(&lab, name);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    assert_eq!(lab.left_over(), [] as [PathBuf; 0]);
}

fn one(lab: &Lab, name: &str) {
    let began = Instant::now();
    let task = admitted(lab, name);
    let took = began.elapsed();
    assert_eq!(task.marks(), BTreeSet::new(), "{name}");
    let proof = &task.admission().steps[0];
    let canary = proof.canary.as_ref().unwrap();
    assert!(!proof.manifest.is_empty() && canary.reported && 5 <= canary.styles.len(), "{name}: {proof:?}");

    let stored = serde_json::to_string(task.admission()).unwrap();
    let restored = serde_json::from_str(&stored).unwrap();
    let task =
        AdmittedTask::restored(task.plan().clone(), task.template().unwrap().clone(), restored).unwrap();
    let solution = lab.readable(&examples().join("demo/tasks").join(name).join("solution"));
    let exec = Exec::program(["/bin/bash", "/solution/solve.sh"]);
    let start = &task.template().unwrap().tree;
    let left = lab.left_with(&task, 0, start, Phase::Oracle, Some((&solution, "/solution")), exec);
    let judged = verify(&task, 0, &left, &lab.bench());
    passes(&judged);
    assert_eq!((judged.attempts, judged.partial), (2, Some(0.0)), "{name}");
    let untouched = verify(&task, 0, start, &lab.bench());
    fails(&untouched, "checks failed");
    println!(
        "{name}: admitted in {took:.1?}, a pass judged in {:.1?}, a fail in {:.1?}",
        judged.took, untouched.took
    );
}

/// One test for each part, because all of them together take longer than a test may.
macro_rules! parts {
    ($($name:ident: $first:literal)*) => {
        $(#[test]
        fn $name() {
            part($first);
        })*
    };
}

parts! {
    tasks_are_admitted_solutions_pass_and_nothing_fails_1: 0
    tasks_are_admitted_solutions_pass_and_nothing_fails_2: 1
    tasks_are_admitted_solutions_pass_and_nothing_fails_3: 2
    tasks_are_admitted_solutions_pass_and_nothing_fails_4: 3
    tasks_are_admitted_solutions_pass_and_nothing_fails_5: 4
    tasks_are_admitted_solutions_pass_and_nothing_fails_6: 5
}

#[test]
fn wrong_solutions_fail_in_the_checks_that_they_name() {
    wrong(
        "plain",
        &["clean-lines.order", "extend-settings.misplaced", "list-owners.blanks", "restore-commit.reset"],
    );
}

#[test]
fn esc_99_120_links_and_loops_fail_in_the_checks_that_they_name() {
    wrong("tricks", &["join-orders.linked", "merge-intervals.forged", "pack-release.linked"]);
}

fn wrong(lab: &str, sample: &[&str]) {
    let lab = Lab::new(&format!("demo-wrong-{lab}"));
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
        let start = &task.template().unwrap().tree;
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
