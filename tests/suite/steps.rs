//! Tasks of several steps: files carry over, each step is judged, and one verdict is made of all.

use self_harness::engine::verdict::Verdict;
use self_harness::host::suite::{AdmittedTask, Judged, combine, goes_on, verify};

use crate::lab::{Lab, passes};

const CHECK: &str = "#!/bin/sh\nif [ -e one ]; then echo 1; elif [ -e half ]; then echo 0.5; else echo 0; fi > /logs/verifier/reward.txt\n";
const FILES: [(&str, &str); 11] = [
    ("steps/one/instruction.md", "Make `one`."),
    ("steps/one/tests/test.sh", CHECK),
    ("steps/one/solution/solve.sh", "#!/bin/sh\ntouch one\n"),
    ("steps/two/instruction.md", "Make `two` of what lies here now."),
    ("steps/two/workdir/given.txt", "given\n"),
    ("steps/two/workdir/setup.sh", "#!/bin/sh\ncat given.txt > prepared\n"),
    (
        "steps/two/tests/test.sh",
        "#!/bin/sh\nif sh /tests/is_given.sh two && { [ -e one ] || [ -e half ]; }; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n",
    ),
    // A helper of all steps, and a script that none of them uses.
    ("tests/is_given.sh", "[ \"$(cat $1)\" = given ]\n"),
    ("tests/test.sh", "#!/bin/sh\ntrue\n"),
    ("steps/two/solution/solve.sh", "#!/bin/sh\ncp prepared two\n"),
    ("instruction.md", ""),
];

fn admitted(lab: &Lab, config: &str) -> AdmittedTask {
    let files: Vec<(&str, &str)> = FILES.into_iter().chain([("task.toml", config)]).collect();
    lab.admitted(&files)
}

/// A trial: the scripts of an agent, one for each step.
fn tried(lab: &Lab, task: &AdmittedTask, scripts: &[&str]) -> (Vec<Judged>, Judged) {
    let mut before = task.template().unwrap().tree.clone();
    let mut judged = Vec::new();
    for (step, script) in scripts.iter().enumerate() {
        before = lab.left_in_step(task, step, &before, script);
        judged.push(verify(task, step, &before, &lab.bench()));
        if !goes_on(task.plan(), step, judged.last().unwrap()) {
            break;
        }
    }
    let whole = combine(task.plan(), &judged);
    (judged, whole)
}

#[test]
fn files_carry_over_and_each_step_is_judged() {
    let lab = Lab::new("steps");
    let config = "[[steps]]\nname = \"one\"\nmin_reward = 0.5\n[[steps]]\nname = \"two\"\n";
    let task = admitted(&lab, config);
    let (judged, whole) = tried(&lab, &task, &["touch one", "cp prepared two"]);
    assert_eq!(judged.len(), 2);
    passes(&whole);

    // The mean of 0.5 and 1 is no pass; the cause names the step.
    let (judged, whole) = tried(&lab, &task, &["touch half", "cp prepared two"]);
    assert_eq!((judged.len(), whole.verdict, whole.reward["reward"]), (2, Verdict::Fail, 0.75));
    assert!(whole.cause.starts_with("step `one`, 1 of 2: "), "{}", whole.cause);

    // Below the least reward the trial ends.
    let (judged, whole) = tried(&lab, &task, &["true", "cp prepared two"]);
    assert_eq!((judged.len(), whole.verdict, whole.reward["reward"]), (1, Verdict::Fail, 0.0));
}

#[test]
fn the_last_step_may_decide_alone() {
    let lab = Lab::new("final");
    let config = "multi_step_reward_strategy = \"final\"\n[[steps]]\nname = \"one\"\nmin_reward = 0.5\n[[steps]]\nname = \"two\"\n";
    let task = admitted(&lab, config);
    passes(&tried(&lab, &task, &["touch half", "cp prepared two"]).1);
    let (judged, whole) = tried(&lab, &task, &["touch one", "echo wrong > two"]);
    assert_eq!((judged.len(), whole.verdict), (2, Verdict::Fail));
    // A trial that never came to the last step has not passed it.
    let (judged, whole) = tried(&lab, &task, &["true"]);
    assert_eq!((judged.len(), whole.verdict, whole.reward.len()), (1, Verdict::Fail, 0));
}

#[test]
fn a_step_whose_solution_fails_is_named() {
    let lab = Lab::new("named-step");
    let mut files = FILES.to_vec();
    files[9].1 = "#!/bin/sh\ntrue\n";
    files.push(("task.toml", "[[steps]]\nname = \"one\"\n[[steps]]\nname = \"two\"\n"));
    let error = lab.admit(&files).unwrap_err().to_string();
    assert_eq!(lab.frozen(), 1, "only the start tree is kept");
    assert_eq!(error, "step `two`: `solution/solve.sh` does not pass: a required reward is not reached");
}

#[test]
fn setup_that_fails_is_named() {
    let lab = Lab::new("setup");
    let mut files = FILES.to_vec();
    files[5].1 = "#!/bin/sh\necho no >&2; exit 2\n";
    files.push(("task.toml", "[[steps]]\nname = \"one\"\n[[steps]]\nname = \"two\"\n"));
    let error = lab.admit(&files).unwrap_err().to_string();
    assert_eq!(error, "`setup.sh` of step `two` ended with exit code 2: no");
}
