//! What judges teaches nobody: markers of held-out and sealed tasks get nowhere before the sealed ones are read.

use crate::lab::{Lab, files};
use crate::persona::{REMEDY, adds, answers, persona};

const TEXT: &str = "zebrafinch-5183";
const VERIFIER: &str = "quartzowl-9921";
const FILE: &str = "marbleheron";

#[test]
fn markers_of_held_out_tasks_are_in_no_prompt_proposal_log_or_report() {
    let replies = [answers("[0-9]+", &adds(REMEDY))];
    let lab = Lab::new("markers", &persona(&replies.concat()), 12);
    lab.write_harness(12, "[improve]\nproposals = 2\nrounds = 1\n\n[budget]\nmax_parallel = 4\n");
    for number in (1..12).step_by(2) {
        let task = |name: &str| format!("tasks/t-{number:02}/{name}");
        let instruction = std::fs::read_to_string(lab.root().join(task("instruction.md"))).unwrap();
        lab.write(&task("instruction.md"), &format!("{instruction}\nThe desk is called {TEXT}.\n"));
        lab.write(&task(&format!("environment/{FILE}.txt")), "a file\n");
        let dockerfile = std::fs::read_to_string(lab.root().join(task("environment/Dockerfile"))).unwrap();
        lab.write(&task("environment/Dockerfile"), &format!("{dockerfile}COPY {FILE}.txt /app/{FILE}.txt\n"));
        let verifier = std::fs::read_to_string(lab.root().join(task("tests/test.sh"))).unwrap();
        lab.write(&task("tests/test.sh"), &format!("echo {VERIFIER}\n{verifier}"));
    }
    let output = lab.run(&["improve", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut sinks: Vec<(String, Vec<u8>)> = vec![
        (String::from("stdout"), output.stdout),
        (String::from("stderr"), output.stderr),
        (String::from("worker.log"), lab.worker_log().into_bytes()),
    ];
    for arguments in [&["mine"][..], &["mine", "--json"], &["report"], &["status", "--json"], &["status"]] {
        let output = lab.run(arguments);
        sinks.push((arguments.join(" "), [output.stdout, output.stderr].concat()));
    }
    let store = lab.store();
    for stored in store.proposals().unwrap() {
        sinks.push((format!("P{}", stored.number), serde_json::to_vec(&stored.record).unwrap()));
    }
    let run = store.latest_run().unwrap().unwrap();
    for event in store.events(run.number, 0).unwrap() {
        let body = serde_json::to_vec(&event.event).unwrap();
        sinks.push((String::from("an event"), body));
    }
    // What the model was asked lies in no file: the scripted model keeps the requests of whoever asks it for edits.
    sinks.extend(
        files(&lab.root().join(".self-harness"))
            .into_iter()
            .filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "trials"))
            .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log" || extension == "html"))
            .map(|(path, bytes)| (path.display().to_string(), bytes)),
    );
    assert!(sinks.iter().any(|(name, _)| name.starts_with('P')), "no proposal was made");
    for (name, bytes) in &sinks {
        for marker in [TEXT, VERIFIER, FILE] {
            let found = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            assert!(!found, "`{marker}` is in {name}: {}", String::from_utf8_lossy(bytes));
        }
    }
}
