//! The test view: which tests there are, what becomes of them, what their run says, and which results are old.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::client::uri;
use crate::desk::{A_RUN, Desk, PATIENCE, PROMPT, PROMPT_FILE, SHORT, capabilities, lab_of};
use crate::persona::persona;

/// Waits for the next list of tests that has this one; the ids of all in it, and its scope.
fn discovered(desk: &mut Desk, id: &str) -> (Vec<String>, Value) {
    let has = |message: &Value| {
        let tests = message["params"]["tests"].as_array();
        message["method"] == "experimental/discoveredTests"
            && tests.is_some_and(|tests| tests.iter().any(|test| test["id"] == id))
    };
    let told = desk.server.wait_for(PATIENCE, has)["params"].clone();
    let ids = told["tests"].as_array().unwrap().iter().map(|test| test["id"].as_str().unwrap().to_owned());
    (ids.collect(), told["scope"].clone())
}

/// Waits until exactly these tests are said to be old.
fn outdated(desk: &mut Desk, ids: &[&str]) {
    desk.server.wait_for(PATIENCE, |message| {
        message["method"] == "selfHarness/testsOutdated" && message["params"]["ids"] == json!(ids)
    });
}

#[test]
fn the_test_view_is_told_what_there_is_what_came_of_it_and_what_is_old() {
    let lab = lab_of("editor-testing", 4, &persona(""), SHORT);
    let mut client = capabilities();
    client["experimental"]["testExplorer"] = json!(true);
    let mut desk = Desk::open(&lab, &client);
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    // Without being asked for; what judges is one item of which nothing more is known.
    let (ids, scope) = discovered(&mut desk, "held-in/t-00");
    assert_eq!(ids, ["held-in", "held-out", "held-in/t-00", "held-in/t-02"]);
    assert_eq!(scope, json!(["held-in", "held-out", "sealed"]));

    // A run of all of them.
    desk.presses("start");
    let root = uri(&lab.root());
    desk.server.request("experimental/runTest", &json!({"root": root, "include": ["held-in", "held-out"]}));
    let (mut states, mut said) = (BTreeMap::new(), Vec::new());
    loop {
        let told = desk.server.wait_for(A_RUN, |message| {
            let method = message["method"].as_str().unwrap_or_default();
            ["changeTestState", "appendOutputToRunTest", "endRunTest"]
                .contains(&method.trim_start_matches("experimental/"))
        });
        match told["method"].as_str().unwrap() {
            "experimental/changeTestState" => {
                let tag = told["params"]["state"]["tag"].as_str().unwrap().to_owned();
                states.insert(told["params"]["testId"].as_str().unwrap().to_owned(), tag);
            }
            "experimental/appendOutputToRunTest" => said.push(told["params"].as_str().unwrap().to_owned()),
            _ => break,
        }
    }
    assert_eq!(states.keys().collect::<Vec<_>>(), ["held-in/t-00", "held-in/t-02"]);
    assert!(states.values().all(|tag| tag == "passed" || tag == "failed"), "{states:?}");
    assert_eq!(said[0], "evaluate r-0001, started from test editor");
    for (id, tag) in &states {
        let task = id.trim_start_matches("held-in/");
        assert!(said.iter().any(|line| line.starts_with(&format!("{task}: {tag}"))), "{said:?}");
    }
    assert!(said.last().unwrap().starts_with("evaluate finished: held-in "), "{said:?}");
    assert!(!said.join("\n").contains("t-01") && !said.join("\n").contains("t-03"), "{said:?}");

    // Of another harness they are old, and undone they are not.
    desk.write(PROMPT_FILE, "# Rules\n\nYou write numbers, and nothing else.\n");
    outdated(&mut desk, &["held-in/t-00", "held-in/t-02"]);
    desk.write(PROMPT_FILE, PROMPT);
    outdated(&mut desk, &[]);
    // Of another task only its own.
    let instruction = "tasks/t-02/instruction.md";
    let before = fs::read_to_string(lab.root().join(instruction)).unwrap();
    lab.write(instruction, &format!("{before}\nNothing else.\n"));
    outdated(&mut desk, &["held-in/t-02"]);
    lab.write(instruction, &before);
    outdated(&mut desk, &[]);

    // One more is there as soon as it is declared.
    lab.write_task(4);
    let manifest = desk.text("harness.toml");
    desk.write("harness.toml", &manifest.replace("\"t-00\", \"t-02\"", "\"t-00\", \"t-02\", \"t-04\""));
    desk.save("harness.toml");
    let (ids, _) = discovered(&mut desk, "held-in/t-04");
    assert_eq!(ids, ["held-in", "held-out", "held-in/t-00", "held-in/t-02", "held-in/t-04"]);
    desk.server.shut_down();
}
