//! A whole session with a curious person: everything is asked for, everything that the server says is written down, and what it must
//! not say is in none of it.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};

use crate::client;
use crate::desk::{A_RUN, Desk, PROMPT, PROMPT_FILE, SHORT, capabilities, lab_of, replying};
use crate::lab::{Lab, files};
use crate::record::{Record, Said};

/// What a model and an agent say again and again: nobody hears it.
const KEY: &str = "sk-test-9Zq4Wm30canaryKEYh71Tb";

/// In the texts of held-out tasks, in what their verifiers say, and in the names of files, which an agent there sees.
const HELD_OUT: [&str; 3] = ["zebrafinch-5183", "quartzowl-9921", "marbleheron"];

/// The same in held-in tasks, where it may be seen.
const HELD_IN: [&str; 3] = ["plainfinch-5183", "plainowl-9921", "plainheron"];

/// A little longer than hints stay away after a key.
const STILL: Duration = Duration::from_millis(2100);

fn hide(lab: &Lab, number: usize, [text, verifier, file]: [&str; 3]) {
    let task = |name: &str| format!("tasks/t-{number:02}/{name}");
    let read = |name: &str| fs::read_to_string(lab.root().join(task(name))).unwrap();
    lab.write(&task("instruction.md"), &format!("{}\nThe desk is called {text}.\n", read("instruction.md")));
    lab.write(&task(&format!("environment/{file}.txt")), "an empty page\n");
    let dockerfile = read("environment/Dockerfile");
    lab.write(&task("environment/Dockerfile"), &format!("{dockerfile}COPY {file}.txt /app/{file}.txt\n"));
    lab.write(&task("tests/test.sh"), &format!("echo {verifier}\n{}", read("tests/test.sh")));
}

/// A project with markers in every task, and a model that says its key and looks at the files of its task.
fn marked(name: &str) -> Lab {
    let model = replying().replace("text = \"I look.", &format!("text = \"I look: {KEY}."));
    let model = model.replace("text = \"Done:", &format!("text = \"{KEY} is done:"));
    assert_eq!(model.matches(KEY).count(), 2);
    // It is looked at while it runs, on a quick machine too.
    let slow = model.replace("delay = \"150ms\"", "delay = \"900ms\"");
    assert_ne!(slow, model);
    let mut lab = lab_of(name, 12, &slow, SHORT);
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("seed = 3\n", "seed = 3\napi_key_env = \"LAB_MODEL_KEY\"\n"));
    lab.variables.insert(String::from("LAB_MODEL_KEY"), String::from(KEY));
    lab.variables.insert(String::from("SELF_HARNESS_LOG"), String::from("debug"));
    (0..12).for_each(|number| hide(&lab, number, if number % 2 == 0 { HELD_IN } else { HELD_OUT }));
    lab
}

/// Asks; what comes back, or why nothing does, is in the record.
fn asks(desk: &mut Desk, method: &str, params: &Value) -> Value {
    let id = desk.server.ask(method, params);
    desk.server.answer(id)["result"].clone()
}

/// Opens everything in the tree, and reads every page that it names.
fn reads_the_tree(desk: &mut Desk, pages: &mut BTreeSet<String>) {
    let mut open = vec![None];
    while let Some(parent) = open.pop() {
        for item in desk.tree(parent.as_deref()) {
            pages.extend(item["uri"].as_str().map(str::to_owned));
            if item["hasChildren"] == true {
                open.push(item["id"].as_str().map(str::to_owned));
            }
        }
    }
    for page in pages.iter() {
        asks(desk, "selfHarness/content", &json!({"uri": page}));
    }
}

/// Looks at all there is to see, and at what there is not.
fn looks_around(desk: &mut Desk, lab: &Lab) -> BTreeSet<String> {
    let root = client::uri(&lab.root());
    for file in ["harness.toml", PROMPT_FILE] {
        let uri = desk.uri(file);
        let document = json!({"textDocument": {"uri": uri}});
        desk.lenses(file);
        desk.hints(file);
        desk.problems(file);
        for line in 0..desk.text(file).lines().count() as u64 {
            desk.hover(file, line);
            desk.actions(file, line);
            let at = json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": 3}});
            asks(desk, "textDocument/completion", &at);
        }
        for method in ["documentSymbol", "documentLink", "foldingRange", "semanticTokens/full"] {
            asks(desk, &format!("textDocument/{method}"), &document);
        }
    }
    asks(desk, "workspace/symbol", &json!({"query": ""}));
    asks(desk, "workspace/diagnostic", &json!({"previousResultIds": []}));
    for test in [Value::Null, json!("held-in"), json!("held-out"), json!("held-out/t-01"), json!("sealed")] {
        asks(desk, "experimental/discoverTest", &json!({"root": root, "testId": test}));
    }
    asks(desk, "experimental/runTest", &json!({"root": root, "include": ["held-out/t-01"]}));
    for proposal in 1..=8 {
        asks(desk, "selfHarness/compare", &json!({"root": root, "proposal": format!("P{proposal}")}));
    }
    let mut pages = BTreeSet::new();
    for (word, more) in [
        ("status", json!({})),
        ("report", json!({})),
        ("weaknesses", json!({})),
        ("lineage", json!({})),
        ("trace", json!({"run": "r-0001", "tasks": ["t-00"]})),
        ("trace", json!({"run": "r-0001", "tasks": ["t-01"]})),
        ("preview", json!({"proposals": ["P1"]})),
    ] {
        let answer = desk.tries(word, &more);
        pages.extend(answer["uri"].as_str().map(str::to_owned));
    }
    reads_the_tree(desk, &mut pages);
    if let Some((of_root, _)) = pages.iter().find_map(|page| page.split_once("/report/")) {
        for task in 0..12 {
            let trace = format!("{of_root}/trace/r-0001/t-{task:02}/0");
            asks(desk, "selfHarness/content", &json!({"uri": trace}));
        }
    }
    pages
}

/// Looks again whenever the server says that it is worth it, until a run is over.
fn watches(desk: &mut Desk, verb: &str) -> Value {
    loop {
        let message = desk.server.wait_for(A_RUN, |message| {
            let state = &message["params"]["state"];
            message["method"] == "workspace/codeLens/refresh"
                || (message["method"] == "selfHarness/runState"
                    && message["params"]["verb"] == verb
                    && ["result", "empty", "undecided", "failed"].iter().any(|end| state == end))
        });
        if message["method"] == "selfHarness/runState" {
            return message["params"].clone();
        }
        desk.lenses("harness.toml");
    }
}

fn method(said: &Said) -> &str {
    said.message["method"].as_str().unwrap_or_default()
}

/// What was said from the moment when a run was told to run until it was told to be over.
fn during<'a>(said: &'a [Said], run: &str) -> &'a [Said] {
    let of_run = |one: &Said| method(one) == "selfHarness/runState" && one.message["params"]["runId"] == run;
    let first = said.iter().position(of_run).unwrap();
    let last = said.iter().rposition(of_run).unwrap();
    &said[first..last]
}

/// At most so many of these in any stretch of so many seconds; how many there were in all. What comes in a burst may have waited in
/// a pipe, so one more is let pass.
fn at_most(said: &[Said], is_one: impl Fn(&Said) -> bool, most: usize, seconds: f64) -> usize {
    let times: Vec<f64> = said.iter().filter(|one| is_one(one)).map(|one| one.at).collect();
    for (at, first) in times.iter().enumerate() {
        let near = times[at..].iter().take_while(|time| **time - first < seconds).count();
        assert!(near <= most + 1, "{near} in {seconds} s: {times:?}");
    }
    times.len()
}

fn without_names(mut value: Value) -> Value {
    value.as_object_mut().unwrap().remove("resultId");
    value
}

/// Everything about evidence that an editor shows, as it is sent.
fn evidence(desk: &mut Desk) -> Vec<Value> {
    let mut shown = Vec::new();
    for file in ["harness.toml", PROMPT_FILE] {
        let document = json!({"textDocument": {"uri": desk.uri(file)}});
        shown.push(without_names(asks(desk, "textDocument/diagnostic", &document)));
        shown.push(json!(desk.hints(file)));
    }
    let tree = desk.tree(Some("weaknesses"));
    for item in &tree {
        shown.push(json!(desk.tree(item["id"].as_str())));
        shown.push(json!(desk.page(item["uri"].as_str().unwrap())));
    }
    shown.push(json!(tree));
    shown
}

#[test]
fn ux_05_15_16_18_33_a_whole_session_says_no_key_and_nothing_of_what_judges() {
    let lab = marked("editor-session");
    let mut client = capabilities();
    client["experimental"]["testExplorer"] = json!(true);
    let (server, record) = Record::of(&lab);
    let mut desk = Desk::with(&lab, server, &client);
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.run_is("evaluate", &["running"]);
    looks_around(&mut desk, &lab);
    // Nothing appears at a line while it runs (after the time that typing would take).
    std::thread::sleep(STILL);
    assert!(desk.hints(PROMPT_FILE).is_empty());
    assert_eq!(lab.status()["state"], "running", "too quick to look at");
    let result = watches(&mut desk, "evaluate");
    assert_eq!(result["state"], "result", "{result}");
    desk.lenses_until("harness.toml", |lenses| lenses[1].starts_with("Propose for "));
    let pages = looks_around(&mut desk, &lab);
    assert!(pages.iter().any(|page| page.contains("/weakness/")), "{pages:?}");

    // The same traces, mined by others, say the same.
    let shown = evidence(&mut desk);
    assert!(shown.iter().any(|one| one.to_string().contains("SH802")), "{shown:?}");
    assert!(shown.iter().any(|one| one.to_string().contains(" fail\"")), "{shown:?}");
    for _ in 0..2 {
        let mut other = Desk::open(&lab, &client);
        other.show("harness.toml");
        other.show(PROMPT_FILE);
        other.lenses_until("harness.toml", |lenses| lenses[1].starts_with("Propose for "));
        assert_eq!(evidence(&mut other), shown);
        other.server.shut_down();
    }

    desk.command("propose", &json!({}));
    let proposed = watches(&mut desk, "propose");
    assert_eq!(proposed["state"], "result", "{proposed}\n{}", lab.ok(&["report"]));
    desk.command("validate", &json!({"proposals": ["P1"]}));
    let validated = watches(&mut desk, "validate");
    assert!(
        validated["state"] == "result" || validated["state"] == "empty",
        "{validated}\n{}",
        lab.ok(&["report"])
    );
    looks_around(&mut desk, &lab);
    desk.server.shut_down();

    let text = record.text();
    // The record would have noticed: what may be seen is in it.
    for marker in HELD_IN {
        assert!(text.contains(marker), "`{marker}` was never shown");
    }
    for marker in HELD_OUT {
        let at = text.lines().find(|line| line.contains(marker));
        assert!(at.is_none(), "`{marker}` was sent: {at:?}");
    }
    let mut sinks = files(&lab.root());
    sinks.extend(files(&lab.state()));
    sinks.push(("the record".into(), text.into_bytes()));
    for (path, bytes) in &sinks {
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "the key is in {}", path.display());
    }

    let said = record.said();
    let evaluating = during(&said, "r-0001");
    let counted = Regex::new(r"held.?out[^0-9a-z]{0,12}[0-9.]+(?:–[0-9.]+|→[0-9.]+)?/[0-9]").unwrap();
    for one in evaluating {
        let text = one.message.to_string();
        assert!(!counted.is_match(&text), "while it ran: {text}");
        assert!(one.message.pointer("/params/heldOut/pass").is_none(), "{text}");
    }
    assert!(said.iter().any(|one| counted.is_match(&one.message.to_string())), "it was never counted at all");
    let tests = said.iter().filter(|one| method(one) == "experimental/changeTestState");
    let tests: Vec<&str> = tests.map(|one| one.message["params"]["testId"].as_str().unwrap()).collect();
    assert!(!tests.is_empty() && tests.iter().all(|test| test.starts_with("held-in/")), "{tests:?}");

    let is_report =
        |one: &Said| method(one) == "$/progress" && one.message["params"]["value"]["kind"] == "report";
    let reports = at_most(&said, is_report, 6, 3.0);
    // How many there are is for the machine to say; that there are some shows that they were counted.
    assert!(2 <= reports, "{reports} reports of progress");
    for what in ["codeLens", "inlayHint", "diagnostics"] {
        let is_refresh = |one: &Said| method(one) == format!("workspace/{what}/refresh");
        let refreshes = at_most(&said, is_refresh, 3, 6.0);
        assert!(what != "codeLens" || 1 <= refreshes, "{refreshes} refreshes of {what}");
    }
}

#[test]
fn ux_25_apply_is_one_step_in_each_file_and_every_text_has_its_scores_at_once() {
    let lab = lab_of("editor-steps", 12, &replying(), SHORT);
    lab.ok(&["evaluate", "--yes"]);
    lab.ok(&["propose", "--yes"]);
    lab.ok(&["validate", "--yes"]);
    let runs = lab.store().runs().unwrap().len();
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.presses("trust");
    desk.command("trust", &json!({}));
    let before = desk.lenses_until("harness.toml", |lenses| lenses[1].starts_with("Review "))[0].clone();
    let waiting = desk.problems(PROMPT_FILE).into_iter().find(|(code, ..)| code == "SH801").unwrap();
    let actions = desk.actions(PROMPT_FILE, waiting.1);
    let apply =
        actions.iter().find(|action| action["title"].as_str().unwrap().starts_with("Apply P")).unwrap();
    let edit = desk.server.request("codeAction/resolve", apply)["edit"].clone();
    let changes = edit["documentChanges"].as_array().unwrap();
    let mut changed: Vec<&str> =
        changes.iter().map(|of| of["textDocument"]["uri"].as_str().unwrap()).collect();
    let all = changed.len();
    changed.sort_unstable();
    changed.dedup();
    assert_eq!(changed.len(), all, "a file is changed twice: {edit}");
    desk.apply(&edit);
    let applied = desk.text(PROMPT_FILE);
    let scores = |lenses: &[String], not: &str| lenses[0].starts_with("held-in ") && lenses[0] != not;
    let after = desk.lenses_until("harness.toml", |lenses| scores(lenses, &before))[0].clone();
    // Undone, done again, and undone on disk by somebody else.
    desk.write(PROMPT_FILE, PROMPT);
    desk.lenses_until("harness.toml", |lenses| lenses[0] == before);
    desk.write(PROMPT_FILE, &applied);
    desk.lenses_until("harness.toml", |lenses| lenses[0] == after);
    desk.save(PROMPT_FILE);
    desk.close(PROMPT_FILE);
    desk.lenses_until("harness.toml", |lenses| lenses[0] == after);
    let began = Instant::now();
    for (text, lens) in [(PROMPT, &before), (applied.as_str(), &after)] {
        lab.write(PROMPT_FILE, text);
        desk.lenses_until("harness.toml", |lenses| lenses[0] == *lens);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!((lab.store().runs().unwrap().len(), lab.worker()), (runs, None));
}
