//! Tasks that are not admitted, and what is said of verifiers of which little is known.

use std::collections::BTreeSet;
use std::path::PathBuf;

use self_harness::host::suite::admission::{AnotherTask, Mark};
use self_harness::host::suite::canary::Way;
use self_harness::host::suite::{AdmittedTask, NotAdmitted};

use crate::cheats::{RUNNER, SCRIPT};
use crate::lab::{Lab, is_tampered, passes};

#[test]
fn a_task_that_passes_untouched_is_refused() {
    let lab = Lab::new("null");
    let error = lab
        .admit(&[
            ("tests/test.sh", "#!/bin/sh\necho 1 > /logs/verifier/reward.txt\n"),
            ("solution/solve.sh", "#!/bin/sh\ntrue\n"),
        ])
        .unwrap_err();
    assert!(matches!(&error, NotAdmitted::NullPasses { .. }), "{error}");
    assert_eq!(lab.left_over(), [] as [PathBuf; 0]);
}

#[test]
fn a_solution_that_does_not_pass_is_refused_with_what_was_seen() {
    let lab = Lab::new("oracle");
    let tests = "#!/bin/sh\nif [ -e done ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n";
    let error = lab
        .admit(&[
            ("tests/test.sh", tests),
            ("solution/solve.sh", "#!/bin/sh\necho cannot do it >&2\nexit 3\n"),
        ])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`solution/solve.sh` does not pass: a required reward is not reached (the script ended with exit code 3: cannot do it)"
    );
    // An exit code is not trusted: what is there counts.
    lab.admit(&[("tests/test.sh", tests), ("solution/solve.sh", "#!/bin/sh\ntouch done\nexit 3\n")]).unwrap();
}

#[test]
fn without_a_solution_a_task_is_unproven() {
    let lab = Lab::new("unproven");
    let tests = "#!/bin/sh\nif [ -e done ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n";
    let task = lab.admitted(&[("tests/test.sh", tests)]);
    assert_eq!(task.marks(), BTreeSet::from([Mark::NoSolution, Mark::NoReport, Mark::NoCanary]));
    passes(&lab.judged(&task, "touch done"));
}

const SOLVE: (&str, &str) = ("solution/solve.sh", "#!/bin/sh\necho 'value = 42' > answer.py\n");
const CHECKS: &str = "import sys\nimport unittest\n\nsys.path.insert(0, '/app')\nimport answer\n\n\n\
    class Answer(unittest.TestCase):\n    def test_value(self):\n        self.assertEqual(answer.value, 42)\n";

#[test]
fn a_verifier_without_a_report_is_cross_examined_by_its_verdict() {
    let lab = Lab::new("discover");
    let script = "#!/bin/sh\nif python3 -m unittest discover -s /tests -p 'test_*.py'; then echo 1; else echo 0; fi \
        > /logs/verifier/reward.txt\n";
    let task = lab.admitted(&[("tests/test.sh", script), ("tests/test_answer.py", CHECKS), SOLVE]);
    assert_eq!(task.marks(), BTreeSet::from([Mark::NoReport]));
    let canary = task.admission().steps[0].canary.clone().unwrap();
    assert!(!canary.reported && matches!(canary.way, Way::NewFile { .. }), "{canary:?}");
    passes(&lab.judged(&task, SOLVE.1));
    let judged = lab.judged(&task, "echo 'import os; os._exit(0)' > answer.py");
    is_tampered(&judged, "the verifier still says pass when checks are added that must fail");
}

#[test]
fn a_file_that_is_run_by_its_name_gets_the_failing_checks_itself() {
    let lab = Lab::new("named");
    let script = "#!/bin/sh\nif python3 /tests/test_answer.py; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n";
    let checks = format!("{CHECKS}\n\nif __name__ == '__main__':\n    unittest.main()\n");
    let task = lab.admitted(&[("tests/test.sh", script), ("tests/test_answer.py", &checks), SOLVE]);
    let canary = task.admission().steps[0].canary.clone().unwrap();
    assert_eq!(canary.way, Way::Appended { file: "test_answer.py".into() });
    passes(&lab.judged(&task, SOLVE.1));
    is_tampered(&lab.judged(&task, "echo 'import os; os._exit(0)' > answer.py"), "still says pass");
}

#[test]
fn a_verifier_that_contradicts_itself_is_marked() {
    let lab = Lab::new("flaky");
    // It says something else as soon as anything is added, which no check of the task is about.
    let checks = "import glob\nimport answer\n\n\ndef test_value():\n    assert answer.value == 42\n\n\n\
        def test_alone():\n    assert len(glob.glob('/tests/test_*.py')) == 1\n";
    let files =
        [("tests/test.sh", SCRIPT), ("tests/run.py", RUNNER), ("tests/test_answer.py", checks), SOLVE];
    let task = lab.admitted(&files);
    assert_eq!(task.marks(), BTreeSet::from([Mark::VerifierFlaky]));
    passes(&lab.judged(&task, SOLVE.1));
}

#[test]
fn an_admission_holds_for_its_own_task_only() {
    let lab = Lab::new("restored");
    let tests = "#!/bin/sh\nif [ -e done ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n";
    let files = [("tests/test.sh", tests), ("solution/solve.sh", "#!/bin/sh\ntouch done\n")];
    let task = lab.admitted(&files);
    let (admission, template) = (task.admission().clone(), task.template().unwrap().clone());
    let project = lab.project(&files);
    AdmittedTask::restored(project.plan().unwrap(), template.clone(), admission.clone()).unwrap();
    for name in ["tests/more.py", "solution/more.sh", "environment/more"] {
        let project = lab.project(&files);
        project.write(name, "x");
        let restored = AdmittedTask::restored(project.plan().unwrap(), template.clone(), admission.clone());
        assert_eq!(restored.map(drop), Err(AnotherTask), "{name}");
    }
}
