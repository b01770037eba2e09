//! `validate --working-tree`: what a person has edited is judged as any proposal is.

use std::fs;

use crate::lab::Lab;
use crate::persona::{HARM, REMEDY, persona};
use crate::sealed::apply_remedy;

fn lab(name: &str) -> Lab {
    let lab = Lab::new(name, &persona(""), 12);
    lab.write_harness(
        12,
        "[improve]\ngate = \"exact\"\n\n[improve.repeats]\nbaseline = 2\nscreen = 1\n\n[budget]\nmax_parallel = 4\n",
    );
    lab
}

const VALIDATE: [&str; 3] = ["validate", "--working-tree", "--yes"];

fn refused(lab: &Lab, words: &str) {
    let output = lab.run(&VALIDATE);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(words), "{said}");
}

fn manifest(lab: &Lab) -> String {
    fs::read_to_string(lab.root().join("harness.toml")).unwrap()
}

/// The decision on the newest proposal, its number, and what the newest run was compared with.
fn decided(lab: &Lab) -> (u32, String, String) {
    let store = lab.store();
    let proposal = store.proposals().unwrap().pop().unwrap();
    let run = store.latest_run().unwrap().unwrap();
    assert_eq!(proposal.record.author, "you");
    assert_eq!(run.record.harness, proposal.record.harness);
    (proposal.number, store.decisions().unwrap()[&proposal.number].word().to_owned(), run.record.harness)
}

#[test]
fn an_edit_of_ones_own_is_compared_with_what_was_measured_last() {
    let lab = lab("own");
    refused(&lab, "no harness was measured in this project yet");
    lab.ok(&["evaluate", "--yes"]);
    refused(&lab, "nothing differs");
    let (before, measured) = (manifest(&lab), lab.store().latest_run().unwrap().unwrap().record.harness);
    let spent = lab.store().trials(1).unwrap().len();
    apply_remedy(&lab);
    let mended = manifest(&lab);
    lab.ok(&VALIDATE);
    let (first, word, harness) = decided(&lab);
    assert_eq!((word.as_str(), &harness), ("accepted", &measured));
    let store = lab.store();
    let own = store.proposal(first).unwrap().unwrap();
    assert_eq!(own.record.files.keys().collect::<Vec<_>>(), ["harness.toml"]);
    assert_eq!(own.record.files["harness.toml"], mended);
    let run = store.latest_run().unwrap().unwrap();
    assert_eq!((own.run, run.record.verb.as_str()), (run.number, "validate"));
    // The baseline was measured before, and is not paid again.
    let trials = store.trials(run.number).unwrap();
    assert!(trials.iter().all(|trial| trial.role != "baseline"), "{spent}");
    assert_eq!(manifest(&lab), mended);
    // Accepted, it is what the next edit is compared with.
    refused(&lab, "nothing differs");
    lab.write("harness.toml", &mended.replace(REMEDY, &format!("{REMEDY} {HARM}")));
    lab.ok(&VALIDATE);
    let (second, word, worse) = decided(&lab);
    assert!(second == first + 1 && word == "rejected" && worse != measured, "{word}");
    // The same edit of the same harness is the same proposal.
    lab.ok(&VALIDATE);
    assert_eq!(decided(&lab).0, second);
    // Without what was accepted it is another edit: of the harness that the run began with.
    lab.write("harness.toml", &before.replace("You write numbers.", "You write neat numbers."));
    lab.ok(&VALIDATE);
    let (third, ..) = decided(&lab);
    assert_eq!(third, second + 1);
}

#[test]
fn an_edit_that_cannot_be_compared_is_refused_and_says_why() {
    let lab = lab("own-refused");
    lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    let before = manifest(&lab);
    for (from, to, words) in [
        ("writer-1", "writer-2", "your edit changes the model"),
        ("timeout = \"2m\"", "timeout = \"3m\"", "your edit changes the limits or rewards"),
        ("\"t-00\", ", "", "your edit changes tasks, their splits"),
    ] {
        let edited = before.replacen(from, to, 1);
        assert_ne!(before, edited);
        lab.write("harness.toml", &edited);
        refused(&lab, words);
    }
    lab.write("harness.toml", &before);
    let test = fs::read_to_string(lab.root().join("tasks/t-00/tests/test.sh")).unwrap();
    lab.write("tasks/t-00/tests/test.sh", &format!("true\n{test}"));
    apply_remedy(&lab);
    refused(&lab, "has changed since r-0001");
    lab.write("tasks/t-00/tests/test.sh", &test);
    lab.write(
        "harness.toml",
        &format!("{before}\n[[tool]]\nname = \"look\"\nbuiltin = \"shell\"\ndescription = \"Looks.\"\n"),
    );
    refused(&lab, "your edit changes what is executed");
    assert!(lab.store().proposals().unwrap().is_empty());
    let output = lab.run(&["validate", "P1", "--working-tree", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
}
