//! The native agent and its tools.

use std::fs;

use harness_schema::detector;
use harness_schema::files::Files;
use harness_schema::harness::Harness;
use self_harness::engine::atif::{self, About};
use self_harness::engine::detector::{Reading, find};
use self_harness::engine::trace::{End, Observation, Source, Step, Trace};
use self_harness::engine::transcript;
use self_harness::host::disk;
use self_harness::host::sandbox::{Ended, Phase};
use serde_json::{Value, json};

use crate::lab::{Lab, example, work};

/// A persona that makes these calls one after the other, and then ends.
fn makes(calls: &[(&str, Value)]) -> String {
    let mut text = String::from("step = \"assistant\"\n");
    for (step, (tool, arguments)) in calls.iter().enumerate() {
        // JSON is the raw form of arguments, and a TOML string can hold all of it.
        let raw = Value::from(arguments.to_string()).to_string();
        text.push_str(&format!("[[rule]]\nwhen = {{ step = {step} }}\nreply = {{ calls = [{{ tool = \"{tool}\", raw = {raw} }}] }}\n"));
    }
    text.push_str("[[rule]]\nreply = { text = \"done\" }\n");
    text
}

fn results(trace: &Trace) -> Vec<&Observation> {
    let calls = trace.steps.iter().flat_map(|step| &step.calls);
    calls.map(|call| call.observation.as_ref().unwrap()).collect()
}

const SOLUTION: &str = "import csv, json\n\nrows = []\nfor warehouse in json.load(open(\"data/inventory.json\", encoding=\"utf-8\"))[\"warehouses\"]:\n    for shelf in warehouse.get(\"shelves\", []):\n        for item in shelf[\"items\"]:\n            tags = \";\".join(item.get(\"tags\", []))\n            rows.append([item[\"sku\"], item[\"name\"], warehouse[\"name\"], shelf[\"id\"], item.get(\"count\") or 0, tags])\nrows.sort(key=lambda row: (row[0], row[2], row[3]))\nwith open(\"stock.csv\", \"w\", encoding=\"utf-8\", newline=\"\") as file:\n    table = csv.writer(file, lineterminator=\"\\n\")\n    table.writerow([\"sku\", \"name\", \"warehouse\", \"shelf\", \"count\", \"tags\"])\n    table.writerows(rows)\n";

#[test]
fn the_demo_solves_a_task_and_a_claim_alone_solves_none() {
    let task = example("demo/tasks/flatten-inventory");
    let (_, harness) = disk::complete(&example("demo"), disk::load(&example("demo")), None);
    let instruction = fs::read_to_string(task.join("instruction.md")).unwrap();
    let inventory = fs::read(task.join("environment/inventory.json")).unwrap();
    let files: [(&str, &[u8]); 1] = [("data/inventory.json", &inventory)];
    let solves = [
        ("shell", json!({"command": "ls data && head -c 80 data/inventory.json"})),
        ("write_file", json!({"path": "solve.py", "content": SOLUTION})),
        ("shell", json!({"command": "python3 solve.py && rm solve.py"})),
        ("read_file", json!({"path": "stock.csv"})),
    ];
    for (calls, reward) in [(&solves[..], "1"), (&solves[..1], "0")] {
        let lab = Lab::new(&format!("demo-{reward}"));
        let mut sandbox = lab.start(Phase::Agent, lab.tree("start", &files), Vec::new());
        let worked = work(&harness, &instruction, &makes(calls), sandbox.as_mut());
        // Both say that they are done.
        assert_eq!((&worked.end, worked.void), (&End::Finished, None), "{}", worked.detail);
        assert_eq!((worked.detail.as_str(), worked.requests as usize), ("done", calls.len() + 1));
        assert!(results(&worked.trace).iter().all(|seen| seen.exit == Some(0)), "{:?}", worked.trace);
        assert!(results(&worked.trace)[0].text.starts_with("inventory.json\n"));
        if reward == "1" {
            assert!(
                results(&worked.trace)[3].text.starts_with("     1\tsku,name,warehouse,shelf,count,tags\n")
            );
        }
        let left = sandbox.kill().unwrap();
        let said = lab.reward(&left, &task.join("tests"));
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no reward: {said:?}"));
        let said = said.get("reward").unwrap_or(&said).as_f64().unwrap();
        assert_eq!(said, reward.parse::<f64>().unwrap());
        // The record holds no path of this machine.
        let record =
            atif::write(&worked.trace, &About { trial: String::from("t"), ..About::default() }).to_string();
        assert!(!record.contains("self-harness-agents"), "{record}");
        let read = transcript::read(&record, harness_schema::manifest::TranscriptFormat::Auto).unwrap();
        assert_eq!(read.steps.len(), worked.trace.steps.len());
        left.into_tree().remove().unwrap();
    }
}

/// Instructions of the demo are read as people wrote them: who does nothing has not written what they ask for. The tasks below
/// want something changed and name no file to make.
#[test]
fn what_the_demo_asks_for_is_known() {
    let tasks = fs::read_dir(example("demo/tasks")).unwrap();
    let mut unknown: Vec<String> = Vec::new();
    for task in tasks {
        let task = task.unwrap();
        let instruction = fs::read_to_string(task.path().join("instruction.md")).unwrap();
        let mut trace = Trace { instruction: Some(instruction), ..Trace::default() };
        trace.push(Step {
            source: Source::Agent,
            message: String::from("Nothing to do."),
            ..Step::default()
        });
        let reading = Reading::of(&trace, "/app");
        if find(&reading, detector::named("no-write").unwrap(), None).is_none() {
            unknown.push(task.file_name().to_string_lossy().into_owned());
        }
    }
    unknown.sort();
    let changes = [
        "clean-lines",
        "invoice-total",
        "merge-intervals",
        "number-headings",
        "parse-durations",
        "pick-fix",
        "restore-commit",
        "tune-proxy",
    ];
    assert_eq!(unknown, changes);
}

const MANIFEST: &str = r#"schema = 1
[model]
endpoint = "http://127.0.0.1:1/v1"
name = "scripted"
[prompt]
system = { text = "Work." }
[[tool]]
name = "shell"
builtin = "shell"
timeout = "3s"
[[tool]]
name = "read_file"
builtin = "read_file"
[[tool]]
name = "write_file"
builtin = "write_file"
[[tool]]
name = "replace_in_file"
builtin = "replace_in_file"
[[tool]]
name = "count"
description = "Counts."
run = ["tools/count.sh", "--{unit}"]
[tool.parameters]
type = "object"
properties = { unit = { type = "string" }, text = { type = "string" } }
[[tool]]
name = "absent"
description = "Is not there."
run = ["no-such-program"]
"#;

const COUNT: &str =
    "#!/bin/sh\necho \"$1\"; python3 -c 'import json, sys; print(len(json.load(sys.stdin)[\"text\"]))'\n";

#[test]
fn tools_do_what_they_say_to_the_byte() {
    let files = Files::from_texts([("harness.toml", MANIFEST), ("tools/count.sh", COUNT)]);
    let harness = Harness::resolve(&files, None);
    let lab = Lab::new("tools");
    let odd = "no 'end'\n\"$HOME\" `ls` \\n %s {} ü漢🦀\t\r\n  last";
    let long = "0123456789abcde\n".repeat(20_000);
    let binary: &[u8] = &[0xff, 0xfe, b'a'];
    let start: [(&str, &[u8]); 2] = [("old.txt", b"one two two\nthree"), ("binary", binary)];
    let calls = [
        ("write_file", json!({"path": "a dir/-odd.txt", "content": odd})),
        ("write_file", json!({"path": "/app/long.txt", "content": long})),
        ("write_file", json!({"path": "empty", "content": ""})),
        ("read_file", json!({"path": "long.txt", "start": 19999, "lines": 1})),
        ("read_file", json!({"path": "none.txt"})),
        ("read_file", json!({"path": "none.txt", "start": 3})),
        ("replace_in_file", json!({"path": "long.txt", "old": "abcde\n0123456789abcde\n", "new": "x"})),
        ("replace_in_file", json!({"path": "old.txt", "old": "two", "new": "x"})),
        ("replace_in_file", json!({"path": "old.txt", "old": "two\nthree", "new": "'2'\\n3"})),
        ("replace_in_file", json!({"path": "binary", "old": "a", "new": "b"})),
        ("replace_in_file", json!({"path": "none.txt", "old": "a", "new": "b"})),
        ("count", json!({"unit": "chars", "text": "x".repeat(200_000)})),
        ("absent", json!({})),
        ("shell", json!({"command": "echo out; echo err >&2; exit 3"})),
        ("shell", json!({"command": "echo before; sleep 20"})),
        ("write_file", json!({"path": "/etc/passwd", "content": "x"})),
        ("read_file", json!({"path": "old.txt"})),
    ];
    let mut sandbox = lab.start(Phase::Agent, lab.tree("start", &start), Vec::new());
    let worked = work(&harness, "Do it.", &makes(&calls), sandbox.as_mut());
    assert_eq!((&worked.end, worked.void), (&End::Finished, None), "{}", worked.detail);
    let left = sandbox.kill().unwrap();
    let seen = results(&worked.trace);
    let shown: Vec<(Option<i64>, &str)> = seen.iter().map(|seen| (seen.exit, seen.text.as_str())).collect();
    assert_eq!(shown[0], (Some(0), format!("{} bytes were written to `a dir/-odd.txt`", odd.len()).as_str()));
    assert_eq!((shown[1].0, shown[2].0), (Some(0), Some(0)));
    assert_eq!(shown[3], (Some(0), " 19999\t0123456789abcde\n"));
    for at in [4, 5, 10] {
        assert_eq!(shown[at].0, Some(1), "{:?}", shown[at]);
        assert!(shown[at].1.contains("none.txt: No such file or directory"), "{:?}", shown[at]);
    }
    // It is there many times.
    assert!(shown[6].1.contains("in `long.txt` ") && shown[6].1.contains(" times"), "{:?}", shown[6]);
    assert!(shown[7].1.contains("2 times"));
    assert_eq!(shown[8], (Some(0), "replaced in `old.txt`"));
    assert_eq!(shown[9], (Some(1), "`binary` is no UTF-8 text"));
    assert_eq!(shown[11], (Some(0), "--chars\n200000\n"));
    assert_eq!(shown[12].0, Some(127));
    assert_eq!(shown[13], (Some(3), "out\nerr\n"));
    assert_eq!((shown[14], seen[14].timed_out), ((Some(124), "before\n"), true));
    assert_ne!(shown[15].0, Some(0));
    assert_eq!(shown[16].1, "     1\tone two '2'\\n3");
    let read = |name: &str| fs::read(left.tree().path().join(name)).unwrap();
    assert_eq!(read("a dir/-odd.txt"), odd.as_bytes());
    assert_eq!(read("long.txt"), long.as_bytes());
    assert_eq!(read("empty"), b"");
    assert_eq!(read("old.txt"), b"one two '2'\\n3");
    assert_eq!(read("binary"), binary);
    // What was brought in is no part of the tree.
    assert!(!left.tree().path().join("tools").exists() && !left.tree().path().join(".self-harness").exists());
    left.into_tree().remove().unwrap();
}

#[test]
fn an_agent_that_uses_too_much_is_judged_by_what_it_left() {
    let files = Files::from_texts([("harness.toml", MANIFEST.replace("3s", "30s").as_str())]);
    let harness = Harness::resolve(&files, None);
    let lab = Lab::new("memory");
    let calls = [
        ("shell", json!({"command": "echo 1 > kept.txt"})),
        (
            "shell",
            json!({"command": "python3 -c 'a = []\nwhile True: a.append(b\"x\" * 50000000)' & python3 -c 'a = []\nwhile True: a.append(b\"x\" * 50000000)' & wait; dd if=/dev/zero of=big bs=1M count=4096 2>&1; dd if=/dev/zero of=big2 bs=1M count=4096 2>&1; sleep 5"}),
        ),
        ("shell", json!({"command": "echo alive"})),
    ];
    let mut sandbox = lab.start(Phase::Agent, lab.tree("start", &[]), Vec::new());
    let worked = work(&harness, "Do it.", &makes(&calls), sandbox.as_mut());
    let left = sandbox.kill().unwrap();
    assert_eq!((&worked.end, worked.void), (&End::Killed, None), "{} {:?}", worked.detail, left.ended());
    assert!(matches!(left.ended(), Ended::OverDisk | Ended::OverMemory), "{:?}", left.ended());
    assert!(worked.detail.contains("too much"), "{}", worked.detail);
    assert_eq!(fs::read(left.tree().path().join("kept.txt")).unwrap(), b"1\n");
    left.into_tree().remove().unwrap();
}
