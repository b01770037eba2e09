//! What judges teaches nobody: markers of held-out and sealed tasks get nowhere before the sealed ones are read.

use std::fs;

use crate::lab::{Lab, files};
use crate::persona::{REMEDY, adds, answers, persona};
use crate::sealed::seal_tasks;

/// What is hidden in a task: in its text, its verifier's output, the name of a file, and what the agent reads in that file.
struct Markers {
    text: &'static str,
    verifier: &'static str,
    file: &'static str,
    content: &'static str,
}

const HELD_OUT: Markers = Markers {
    text: "zebrafinch-5183",
    verifier: "quartzowl-9921",
    file: "marbleheron",
    content: "opalcrane-4410",
};

const SEALED: Markers = Markers {
    text: "slateheron-7712",
    verifier: "amberstork-3306",
    file: "granitewren",
    content: "coralibis-8125",
};

impl Markers {
    fn all(&self) -> [&'static str; 4] {
        [self.text, self.verifier, self.file, self.content]
    }

    /// Puts them into a task.
    fn hide(&self, lab: &Lab, number: usize) {
        let task = |name: &str| format!("tasks/t-{number:02}/{name}");
        let read = |name: &str| fs::read_to_string(lab.root().join(task(name))).unwrap();
        let Self { text, verifier, file, content } = self;
        lab.write(
            &task("instruction.md"),
            &format!("{}\nThe desk is called {text}.\n", read("instruction.md")),
        );
        lab.write(&task(&format!("environment/{file}.txt")), &format!("{content}\n"));
        let dockerfile = read("environment/Dockerfile");
        lab.write(&task("environment/Dockerfile"), &format!("{dockerfile}COPY {file}.txt /app/{file}.txt\n"));
        lab.write(&task("tests/test.sh"), &format!("echo {verifier}\n{}", read("tests/test.sh")));
    }
}

/// Where a marker stands in bytes.
fn contains(bytes: &[u8], marker: &str) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
}

#[test]
fn markers_of_held_out_and_sealed_tasks_are_in_no_prompt_proposal_log_or_report() {
    let replies = [answers("[0-9]+", &adds(REMEDY))];
    let lab = Lab::new("markers", &persona(&replies.concat()), 12);
    lab.write_harness(12, "[improve]\nproposals = 2\nrounds = 1\n\n[budget]\nmax_parallel = 4\n");
    // Every task is read, so a marker in a file of it comes into the transcript.
    (1..12).step_by(2).for_each(|number| HELD_OUT.hide(&lab, number));
    seal_tasks(&lab, 12..15);
    (12..15).for_each(|number| SEALED.hide(&lab, number));
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
    sinks.extend(
        files(&lab.root().join(".self-harness"))
            .into_iter()
            .filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "trials"))
            .filter(|(path, _)| {
                path.extension().is_some_and(|extension| extension == "log" || extension == "html")
            })
            .map(|(path, bytes)| (path.display().to_string(), bytes)),
    );
    assert!(sinks.iter().any(|(name, _)| name.starts_with('P')), "no proposal was made");
    for (name, bytes) in &sinks {
        for marker in HELD_OUT.all().into_iter().chain(SEALED.all()) {
            assert!(!contains(bytes, marker), "`{marker}` is in {name}: {}", String::from_utf8_lossy(bytes));
        }
    }
    in_no_prompt(&lab);
    sealed_tasks_left_nothing(&lab);
}

/// What the model was asked: nothing of sealed tasks at all, and of held-out tasks only in trials of those tasks.
fn in_no_prompt(lab: &Lab) {
    // The scripted model keeps them beside the state.
    let kept = fs::read_to_string(lab.state().with_file_name("requests.jsonl")).unwrap();
    let requests: Vec<String> = kept.lines().map(str::to_owned).collect();
    let for_edits = |request: &&String| request.contains("You improve the harness of an agent");
    let asked: Vec<&String> = requests.iter().filter(for_edits).collect();
    assert!(2 <= asked.len() && 100 <= requests.len(), "{} of {}", asked.len(), requests.len());
    for request in asked {
        for marker in HELD_OUT.all() {
            assert!(!request.contains(marker), "`{marker}` is in a request for an edit: {request}");
        }
        // It did see something of the tasks that teach.
        assert!(request.contains("answer.txt"), "{request}");
    }
    let mut seen = 0;
    for request in &requests {
        for marker in SEALED.all() {
            assert!(!request.contains(marker), "`{marker}` of a sealed task is in a request: {request}");
        }
        // Whoever is asked on a task that teaches hears of no other task.
        let is_held_in = (0..12).step_by(2).any(|number| {
            let number = 40 + number;
            request.contains(&format!("Write the number {number} to"))
        });
        let of_held_out = HELD_OUT.all().into_iter().filter(|marker| request.contains(marker)).count();
        assert!(!is_held_in || of_held_out == 0, "{request}");
        seen += usize::from(0 < of_held_out);
    }
    // The markers would have been noticed: the trials of held-out tasks are full of them.
    assert!(50 <= seen, "{seen}");
    assert!(requests.iter().any(|request| request.contains(HELD_OUT.file)));
}

/// Nothing was started for them, and nothing lies anywhere.
fn sealed_tasks_left_nothing(lab: &Lab) {
    for (path, bytes) in files(&lab.root().join(".self-harness")) {
        for marker in SEALED.all() {
            assert!(!contains(&bytes, marker), "`{marker}` of a sealed task is in {}", path.display());
        }
    }
    let store = lab.store();
    for run in store.runs().unwrap() {
        assert!(run.record.slots.iter().all(|slot| slot.split != "sealed"));
        assert!(store.trials(run.number).unwrap().iter().all(|trial| trial.split != "sealed"));
    }
}

/// A model may say the key back where it proposes an edit.
#[test]
fn a_key_in_a_proposal_is_kept_nowhere() {
    const KEY: &str = "sk-test-7Qm2Lx81canaryKEYp40Zr";
    let replies = [answers("[0-9]+", &adds(&format!("{REMEDY} {KEY}")))];
    let mut lab = Lab::new("keys", &persona(&replies.concat()), 4);
    lab.write_harness(4, "[improve]\nproposals = 2\nrounds = 1\nrepeats = { baseline = 2 }\n");
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("seed = 3", "seed = 3\napi_key_env = \"LAB_MODEL_KEY\""));
    lab.variables.insert(String::from("LAB_MODEL_KEY"), String::from(KEY));
    let output = lab.run(&["propose", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let proposals = lab.store().proposals().unwrap();
    assert!(proposals.iter().any(|stored| stored.record.summary.starts_with(REMEDY)), "{proposals:?}");
    let page = lab.root().join("page.html");
    lab.ok(&["report", "--format", "html", "--output", page.to_str().unwrap()]);
    let mut sinks = files(&lab.root());
    sinks.extend(files(&lab.state()));
    sinks.push(("stdout".into(), output.stdout));
    sinks.push(("stderr".into(), output.stderr));
    for (path, bytes) in &sinks {
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found || path.ends_with("persona.toml"), "the key is in {}", path.display());
    }
}
