//! What is expected is said before anybody agrees, and what was agreed to bounds what is spent.

use std::fs;

use crate::lab::Lab;
use crate::persona::persona;

/// What is asked before something starts; nothing is started, because nobody agrees.
fn asked(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("nobody can be asked here"), "{said}");
    said
}

fn line<'a>(said: &'a str, what: &str) -> &'a str {
    said.lines().find(|line| line.starts_with(what)).unwrap_or_default()
}

#[test]
fn what_a_round_is_expected_to_take_is_said_and_bounds_the_run() {
    let lab = Lab::new("forecast", &persona(""), 6);
    lab.write_harness(6, "[improve]\nproposals = 2\nrounds = 3\n\n[budget]\nmax_parallel = 4\n");
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let priced = manifest.replace("retries = 8\n", "retries = 8\nprice = { input = 1.0, output = 10.0 }\n");
    assert_ne!(manifest, priced);
    lab.write("harness.toml", &priced);
    let said = asked(&lab, &["improve"]);
    let runs = line(&said, "Runs");
    // 24 of the baseline, two screens of 6 at .6, and a confirmation of 24 with 24 of the baseline.
    assert!(
        runs.contains("about 80–") && runs.contains(" in the first round: 3 held-in and 3 held-out"),
        "{runs}"
    );
    assert!(runs.contains("up to 2 proposals") && runs.contains("at most 3 rounds and "), "{runs}");
    let costs = line(&said, "Costs");
    assert!(
        costs.contains("about $") && costs.contains("(guess: nothing measured yet) for one round"),
        "{costs}"
    );
    assert!(costs.contains("; stops at $5.00"), "{costs}");
    assert!(line(&said, "Takes").contains("time not known yet"), "{said}");
    // A trial is three requests: 450 tokens read and 35 written are $0.0008; 24 of them.
    lab.ok(&["evaluate", "--yes"]);
    let said = asked(&lab, &["evaluate", "--repeats", "8"]);
    let costs = line(&said, "Costs");
    assert!(costs.contains("about $0.0192") && !costs.contains("guess"), "{costs}");
    assert!(line(&said, "Takes").contains("about "), "{said}");
    // What is known is not counted again.
    let said = asked(&lab, &["improve", "--rounds", "1"]);
    let runs = line(&said, "Runs");
    assert!(runs.contains("about 56–") && runs.contains("at most 1 round and "), "{runs}");
    let said = asked(&lab, &["propose"]);
    assert!(line(&said, "Runs").contains("0 trials: "), "{said}");
    // What is agreed to is the limit of the run.
    lab.ok(&["improve", "--rounds", "1", "--yes"]);
    let run = lab.store().latest_run().unwrap().unwrap();
    let agreed = lab.store().agreement(run.number).unwrap().unwrap();
    assert_eq!(run.record.budget.trials, Some(agreed.trials));
    assert!(runs.ends_with(&format!(" and {} trials", agreed.trials)), "{runs}");
    assert!(48 < agreed.trials);
}

#[test]
fn a_limit_of_the_manifest_that_is_lower_holds() {
    let lab = Lab::new("limit", &persona(""), 6);
    lab.write_harness(6, "[improve]\nrounds = 3\n\n[budget]\nmax_parallel = 4\nmax_trials = 9\n");
    let said = asked(&lab, &["improve"]);
    assert!(line(&said, "Runs").ends_with("at most 3 rounds and 9 trials"), "{said}");
    lab.run(&["improve", "--yes"]);
    let run = lab.store().latest_run().unwrap().unwrap();
    assert_eq!(run.record.budget.trials, Some(9));
    assert!(lab.store().trials(run.number).unwrap().len() <= 9);
}
