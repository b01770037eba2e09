//! One store and many followers: whoever looks sees the same run, and a run lives longer than whoever looks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{A_RUN, Desk, PATIENCE, PROMPT_FILE, SHORT, capabilities, lab, lab_of};
use crate::lab::{Lab, kill};
use crate::persona::persona;

/// An event is to be seen everywhere in half a second; a machine with other work may take longer.
const SOON: Duration = Duration::from_secs(2);

/// Tasks twice, each trial slow enough that somebody can look, and with a price.
fn slow(name: &str, tasks: usize) -> Lab {
    let model = persona("").replace("command = \"ls -la\"", "command = \"sleep 0.7; ls -la\"");
    let lab = lab_of(name, tasks, &model, &SHORT.replace("max_parallel = 4", "max_parallel = 2"));
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let priced = manifest.replace("seed = 3\n", "seed = 3\nprice = { input = 100.0, output = 200.0 }\n");
    assert_ne!(manifest, priced);
    lab.write("harness.toml", &priced);
    lab
}

fn done(state: &Value) -> u64 {
    state["trials"]["done"].as_u64().unwrap()
}

/// Waits until an editor is told that so many trials of a run are done; what it was told.
fn is_at(desk: &mut Desk, run: &str, trials: u64, limit: Duration) -> Value {
    let told = desk.server.wait_for(limit, |message| {
        let params = &message["params"];
        message["method"] == "selfHarness/runState" && params["runId"] == run && trials <= done(params)
    });
    told["params"].clone()
}

#[test]
fn ux_09_10_11_12_one_run_is_the_same_everywhere_and_outlives_whoever_started_it() {
    let lab = slow("editor-follow", 12);
    let mut one = Desk::open(&lab, &capabilities());
    let mut other = Desk::open(&lab, &capabilities());
    for desk in [&mut one, &mut other] {
        desk.presses("start");
        desk.show("harness.toml");
        desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    }
    one.command("evaluate", &json!({}));
    one.is_asked();
    let run = one.run_is("evaluate", &["running"])["runId"].as_str().unwrap().to_owned();
    other.run_is("evaluate", &["running"]);
    // The same plan from another editor, and from the command line, is the same run.
    let followed = other.tries("evaluate", &json!({}));
    assert!(followed.get("failure").is_none(), "{followed}");
    if let Some(text) = followed["text"].as_str() {
        assert_eq!(text, format!("following {run}, started from test editor"));
    }
    assert_eq!(lab.ok(&["evaluate", "--yes", "--detach"]).trim(), run);

    // What one is told, the other one is told soon, and a status that is asked for then knows it too.
    for wanted in [1, 2, 3] {
        let told = is_at(&mut one, &run, wanted, A_RUN);
        let same = is_at(&mut other, &run, done(&told), SOON);
        let status = lab.status();
        assert_eq!((&same["harness"], &same["contract"]), (&status["harness"], &status["contract"]));
        assert_eq!(status["run"], run.as_str());
        assert!(done(&told) <= done(&same) && done(&told) <= done(&status), "{told} {same} {status}");
    }
    // Stopped by whoever wants it.
    other.command("cancel", &json!({}));
    let cancelled = [&mut one, &mut other].map(|desk| desk.run_is("evaluate", &["cancelled", "result"]));
    assert_eq!(cancelled[0], cancelled[1]);
    assert_eq!(cancelled[0]["state"], "cancelled");
    let status = lab.status();
    assert_eq!((&status["finish"], done(&status)), (&json!("cancelled"), done(&cancelled[0])));
    assert_eq!(status["spent"]["costUsd"], cancelled[0]["cost"]["usd"]);
    assert_eq!(lab.store().runs().unwrap().len(), 1);
    lab.until("the worker ends", |lab| lab.worker().is_none());

    // It goes on, and its editors go: one is killed, one is closed.
    one.command("resume", &json!({"run": run}));
    one.is_asked();
    let before = done(&cancelled[0]);
    is_at(&mut other, &run, before, A_RUN);
    lab.until("it goes on", |lab| before < done(&lab.status()));
    drop(one);
    other.server.shut_down();
    let alone = done(&lab.status());
    lab.until("it goes on alone", |lab| alone < done(&lab.status()));
    let worker = lab.worker().unwrap();
    let known = lab.status();
    let mut later = Desk::open(&lab, &capabilities());
    later.presses("cancel");
    let told = later.run_is("evaluate", &["running"]);
    assert_eq!((&told["runId"], &told["trials"]["total"]), (&json!(run), &json!(24)));
    assert!(done(&known) <= done(&told), "{known} {told}");
    assert!(known["spent"]["costUsd"].as_f64().unwrap() <= told["cost"]["usd"].as_f64().unwrap());
    assert!(done(&told) < 24, "too quick to be killed: {told}");

    // A worker that dies loses what it was at, and no more.
    kill(worker);
    let interrupted = later.run_is("evaluate", &["interrupted"]);
    let kept = done(&lab.status());
    assert_eq!(done(&interrupted), kept);
    // It was agreed to: only what it costs is asked.
    later.presses("start");
    later.command("resume", &json!({"run": run}));
    let asked = later.is_asked();
    assert!(asked.contains("Costs") && !asked.contains("Executes"), "{asked}");
    let result = later.run_is("evaluate", &["result", "failed"]);
    assert_eq!((&result["state"], done(&result)), (&json!("result"), 24));
    assert_eq!(lab.verdicts().len(), 24);
    let status = lab.status();
    let paid = status["spent"]["trials"].as_u64().unwrap();
    assert!((24..=26).contains(&paid), "{paid} trials were paid");
    assert_eq!(status["spent"]["costUsd"], result["cost"]["usd"]);
    later.server.shut_down();
}

#[test]
fn ux_31_commands_answer_long_before_what_they_start_is_over() {
    let lab = slow("editor-quick", 8);
    let began = std::time::Instant::now();
    let mut desk = Desk::open(&lab, &capabilities());
    assert!(began.elapsed() < SOON, "{:?} to agree with the client", began.elapsed());
    desk.show("harness.toml");
    desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    desk.presses("start");
    let tries = |desk: &mut Desk, word: &str| {
        let began = std::time::Instant::now();
        desk.tries(word, &json!({}));
        assert!(began.elapsed() < SOON, "{word}: {:?}", began.elapsed());
    };
    tries(&mut desk, "evaluate");
    desk.run_is("evaluate", &["running"]);
    lab.until("it runs", |lab| 1 <= done(&lab.status()));
    for word in ["status", "menu", "evaluate", "report", "lineage", "weaknesses", "trust", "cancel"] {
        tries(&mut desk, word);
        assert_ne!(lab.status()["state"], "ended", "{word} has waited for the run");
    }
    desk.server.wait_for(PATIENCE, |message| {
        message["method"] == "selfHarness/runState" && message["params"]["state"] == "cancelled"
    });
}

#[test]
fn what_runs_have_found_is_pushed_to_who_asks_for_problems_and_cannot_be_told_of_news() {
    let lab = lab("editor-blind");
    lab.ok(&["evaluate", "--yes", "--repeats", "1"]);
    let mut client = capabilities();
    client["workspace"].as_object_mut().unwrap().remove("diagnostics");
    let mut desk = Desk::open(&lab, &client);
    // Whoever asks at once is not told that there is nothing.
    let tree = desk.tree(None);
    assert!(tree.iter().any(|item| item["hasChildren"] == true), "{tree:?}");
    desk.presses("trust");
    desk.command("trust", &json!({}));
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    let is_found = |diagnostic: &Value| diagnostic["source"] == "self-harness evidence";
    let pushed = desk.server.wait(|message| {
        let items = message["params"]["diagnostics"].as_array();
        message["method"] == "textDocument/publishDiagnostics"
            && items.is_some_and(|items| items.iter().any(is_found))
    });
    let items = pushed["params"]["diagnostics"].as_array().unwrap();
    assert!(
        items.iter().all(|item| item["source"] != "self-harness"),
        "what is pulled is not pushed as well: {items:?}"
    );
    for file in ["harness.toml", PROMPT_FILE] {
        let uri = desk.uri(file);
        let answer = desk.server.request("textDocument/diagnostic", &json!({"textDocument": {"uri": uri}}));
        let items = answer["items"].as_array().unwrap();
        assert!(!items.iter().any(is_found), "what is pushed is not pulled as well: {items:?}");
    }
}
