//! The one reading of sealed tasks: what it compares, what it says, and that nothing else can run them.

use std::fs;
use std::ops::Range;

use crate::lab::Lab;
use crate::persona::{REMEDY, persona};

/// Writes more tasks, and seals them.
pub(crate) fn seal_tasks(lab: &Lab, numbers: Range<usize>) {
    let ids: Vec<String> = numbers.clone().map(|number| format!("\"t-{number:02}\"")).collect();
    numbers.for_each(|number| lab.write_task(number));
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let sealed = format!("[tasks]\nsealed = [{}]\n", ids.join(", "));
    lab.write("harness.toml", &manifest.replace("[tasks]\n", &sealed));
}

/// The harness with what mends it.
pub(crate) fn apply_remedy(lab: &Lab) {
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let edited = manifest.replace("You write numbers.", &format!("You write numbers. {REMEDY}"));
    assert_ne!(manifest, edited);
    lab.write("harness.toml", &edited);
}

/// What a command that failed said; its exit code.
fn failed(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    let output = lab.run(arguments);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn sealed_tasks_are_read_once_by_the_first_and_the_last_harness() {
    let lab = Lab::new("seal", &persona(""), 4);
    lab.write_harness(4, "[budget]\nmax_parallel = 4\n");
    // Nothing is sealed.
    let (code, said) = failed(&lab, &["seal", "--yes"]);
    assert!(code == Some(3) && said.contains("no unbiased estimate: "), "{said}");
    assert!(said.contains("below 40 tasks"), "{said}");
    seal_tasks(&lab, 4..7);
    // Nothing was measured.
    let (code, said) = failed(&lab, &["seal", "--yes"]);
    assert!(code == Some(2) && said.contains("no harness was measured under this contract"), "{said}");
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    // Nothing has changed.
    let (code, said) = failed(&lab, &["seal", "--yes"]);
    assert!(code == Some(2) && said.contains("there is nothing to compare"), "{said}");
    // No other command runs a sealed task.
    let (_, said) = failed(&lab, &["evaluate", "--task", "t-05", "--yes"]);
    assert!(said.contains("there is no task to run"), "{said}");
    apply_remedy(&lab);
    lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    let store = lab.store();
    for run in store.runs().unwrap() {
        assert!(store.trials(run.number).unwrap().iter().all(|trial| trial.split != "sealed"));
    }
    let output = lab.run(&["seal", "--yes"]);
    let asked = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{asked}\n{}", lab.worker_log());
    assert!(
        asked.contains(
            "30 trials: 3 sealed tasks, 5 repeats each of the first and of the last harness, 4 at a time"
        ),
        "{asked}"
    );
    let run = lab.store().latest_run().unwrap().unwrap();
    let seal = run.record.seal.clone().unwrap();
    assert_eq!((run.record.verb.as_str(), seal.first, seal.look), ("seal", 1, 1));
    let trials = lab.store().trials(run.number).unwrap();
    assert_eq!(trials.len(), 30);
    let passes = |harness: &str| {
        let of = trials.iter().filter(|trial| trial.harness == harness);
        of.filter(|trial| trial.verdict == "pass").count()
    };
    let (first, last) = (passes(&run.record.harness), passes(&seal.last));
    // The remedy mends the habit on tasks that nobody has looked at.
    assert!(first < 12 && last == 15, "{first} {last}");
    assert!(trials.iter().all(|trial| trial.split == "sealed" && trial.role == "sealed"));
    let first = self_harness::engine::score::number(first as f64 / 5.0);
    let words = format!("sealed {first}→3/3 ×5 (+");
    assert!(printed.contains(&words) && printed.contains(" points, "), "{printed}");
    assert!(printed.contains("seal finished: sealed ") && !printed.contains("reused"), "{printed}");
    assert!(lab.ok(&["report"]).contains(&words));
    // No task of it is named.
    assert!(!printed.contains("t-05"), "{printed}");
    // A later reading is one, although no trial is paid again.
    let output = lab.run(&["seal", "--yes"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let asked = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains(&words) && printed.contains("reused(2)"), "{printed}");
    assert!(asked.contains("read before") && asked.contains("for the second time"), "{asked}");
    let again = lab.store().latest_run().unwrap().unwrap();
    assert_eq!((again.number, lab.store().trials(again.number).unwrap().len()), (run.number + 1, 0));
}

#[test]
fn what_was_adopted_is_read_where_nothing_was_applied_and_another_contract_is_refused() {
    let replies = crate::persona::answers("[0-9]+", &crate::persona::adds(REMEDY));
    let lab = Lab::new("adopted", &persona(&replies), 12);
    lab.write_harness(
        12,
        "[improve]\ngate = \"exact\"\n\n[improve.repeats]\nbaseline = 2\nscreen = 1\n\n[budget]\nmax_parallel = 4\n",
    );
    seal_tasks(&lab, 12..14);
    lab.ok(&["propose", "--yes"]);
    let begun = lab.store().latest_run().unwrap().unwrap();
    let proposals = lab.store().proposals().unwrap();
    let remedy = proposals.into_iter().find(|stored| stored.record.summary == REMEDY).unwrap();
    lab.ok(&["validate", &format!("P{}", remedy.number), "--yes"]);
    assert_eq!(lab.store().decisions().unwrap()[&remedy.number].word(), "accepted");
    let printed = lab.ok(&["seal", "--yes"]);
    assert!(printed.contains("→2/2 ×5"), "{printed}");
    let run = lab.store().latest_run().unwrap().unwrap();
    let seal = run.record.seal.unwrap();
    assert_eq!((seal.first, run.record.harness), (begun.number, begun.record.harness));
    assert!(seal.files["harness.toml"].contains(REMEDY));
    // Another model is another contract, under which no lineage has begun.
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("writer-1", "writer-2"));
    let (code, said) = failed(&lab, &["seal", "--yes"]);
    assert!(code == Some(2) && said.contains("no harness was measured under this contract"), "{said}");
}
