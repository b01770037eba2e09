//! From failures to an accepted edit.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use self_harness::host::record::EventRecord;

use crate::lab::{Lab, kill};
use crate::persona::{HARM, REMEDY, adds, answers, persona};

/// Six held-in and six held-out tasks, and a model that proposes the remedy, harm, and things that are none.
fn lab(name: &str) -> Lab {
    let replies = [
        answers("(?:1|4|7|10|13)", &adds(REMEDY)),
        answers("(?:2|8)", &adds(HARM)),
        answers("3", "I would rather not say."),
        answers("5", "{\"action\": \"edit\", \"slot\": 5"),
        answers("[0-9]+", "{\"action\": \"decline\", \"reason\": \"there is nothing to add\"}"),
    ];
    let lab = Lab::new(name, &persona(&replies.concat()), 12);
    lab.write_harness(12, "[improve]\nproposals = 8\nrounds = 1\n\n[budget]\nmax_parallel = 4\n");
    lab
}

/// What was decided, by what the proposal does.
fn decisions(lab: &Lab) -> BTreeMap<String, String> {
    let store = lab.store();
    let decisions = store.decisions().unwrap();
    let proposals = store.proposals().unwrap().into_iter().filter_map(|stored| {
        let decision = decisions.get(&stored.number)?;
        Some((stored.record.summary, format!("{} {}", decision.word(), decision.why()).trim().to_owned()))
    });
    proposals.collect()
}

#[test]
fn what_ends_a_habit_is_found_tried_and_accepted() {
    let lab = lab("improve");
    lab.ok(&["improve", "--yes"]);
    let decisions = decisions(&lab);
    assert_eq!(decisions.get(REMEDY).map(String::as_str), Some("accepted"), "{decisions:?}");
    let harm = decisions.get(HARM).map_or("", String::as_str);
    assert!(harm.starts_with("rejected"), "{decisions:?}");
    // Replies that are none are named, and the run went on.
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    let events = store.events(run.number, 0).unwrap();
    let refused: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.event {
            EventRecord::Proposed { refused, .. } => Some(refused.iter().map(|each| each.guard.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(
        refused.contains(&String::from("reply")) && refused.contains(&String::from("declined")),
        "{refused:?}"
    );
    // No file of the project was changed.
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    assert!(!manifest.contains("Read back"), "{manifest}");
    // What it was accepted for is gone without it: the same trials of the harness as it is fail as before.
    let accepted =
        store.proposals().unwrap().into_iter().find(|stored| stored.record.summary == REMEDY).unwrap();
    let before = passes(&lab);
    lab.write("harness.toml", &accepted.record.files["harness.toml"]);
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    let with = passes(&lab);
    lab.write("harness.toml", &manifest);
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    assert_eq!(with, 24, "{before}");
    assert!(passes(&lab) < 12);
}

/// What mining and proposing came to in the newest run.
fn told(lab: &Lab) -> String {
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    let events = store.events(run.number, 0).unwrap().into_iter().filter(|event| {
        matches!(
            event.event,
            EventRecord::Mined { .. } | EventRecord::Proposed { .. } | EventRecord::Replied { .. }
        )
    });
    events.map(|event| format!("{:?}\n", event.event)).collect()
}

fn all(lab: &Lab) -> String {
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    let events = store.events(run.number, 0).unwrap();
    events.into_iter().map(|event| format!("{:?}\n", event.event)).collect()
}

/// How many trials of the newest evaluation passed, reused ones among them.
fn passes(lab: &Lab) -> usize {
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    let trials = self_harness::host::evidence::trials(&store, &run).unwrap();
    trials.values().filter(|trial| trial.verdict == "pass").count()
}

#[test]
fn a_worker_that_dies_again_and_again_comes_to_the_same_decisions() {
    let undisturbed = lab("steady");
    undisturbed.ok(&["improve", "--yes"]);
    let killed = lab("killed");
    killed.ok(&["improve", "--yes", "--detach"]);
    let (mut deaths, mut followers) = (0, Vec::new());
    let began = std::time::Instant::now();
    while killed.status()["state"] != "ended" {
        assert!(began.elapsed() < Duration::from_secs(400), "it does not end\n{}", killed.worker_log());
        let Some(worker) = killed.worker().filter(|_| deaths < 5) else {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        std::thread::sleep(Duration::from_millis(1500 + 700 * deaths));
        kill(worker);
        deaths += 1;
        // It would follow the run to its end.
        let quiet = || std::process::Stdio::null();
        let mut resume = killed.command(&["status", "--resume", "--yes"]);
        followers.push(resume.stdout(quiet()).stderr(quiet()).spawn().unwrap());
    }
    for mut follower in followers {
        let _ = follower.kill();
        let _ = follower.wait();
    }
    assert!(3 <= deaths, "{deaths}");
    assert_eq!(decisions(&killed), decisions(&undisturbed));
    // Nothing was paid twice: every slot has one trial that measured something, every reply was asked for once.
    let store = killed.store();
    let run = store.latest_run().unwrap().unwrap();
    let mut keys: Vec<String> = store
        .trials(run.number)
        .unwrap()
        .into_iter()
        .filter(|trial| trial.verdict != "void")
        .map(|trial| trial.key)
        .collect();
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    let mut slots: Vec<(u32, u32)> = store
        .events(run.number, 0)
        .unwrap()
        .into_iter()
        .filter_map(|event| match event.event {
            EventRecord::Replied { round, slot, .. } => Some((round, slot)),
            _ => None,
        })
        .collect();
    let count = slots.len();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), count);
}

#[test]
fn proposals_are_made_first_and_decided_on_later() {
    let lab = lab("propose");
    lab.ok(&["propose", "--yes"]);
    let proposals = lab.store().proposals().unwrap();
    assert!(proposals.iter().any(|stored| stored.record.summary == REMEDY), "{}", told(&lab));
    assert_eq!(decisions(&lab), BTreeMap::new());
    let remedy = proposals.iter().find(|stored| stored.record.summary == REMEDY).unwrap().number;
    lab.ok(&["validate", &format!("P{remedy}"), "--gate", "exact", "--yes"]);
    assert_eq!(decisions(&lab).get(REMEDY).map(String::as_str), Some("accepted"), "{}", all(&lab));
    let output = lab.run(&["validate", "P99", "--yes"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no proposal `P99`"), "{said}");
    // Another harness is another thing.
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("You write numbers.", "You write many numbers."));
    let output = lab.run(&["validate", &format!("P{remedy}"), "--yes"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("for another harness"), "{said}");
}
