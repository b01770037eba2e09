//! How runs end: each in one way, with one sentence, the same in editor and terminal; and what is never taken for a fail.

use std::collections::BTreeMap;
use std::fs;

use regex::Regex;
use serde_json::{Value, json};

use crate::desk::{A_RUN, Desk, PATIENCE, PROMPT_FILE, SHORT, capabilities, lab_of, unhurried};
use crate::lab::{Lab, WRITER};
use crate::persona::{HARM, REMEDY, adds, answers, persona};

/// The ways to end (`editor` 3.3).
const ENDS: [&str; 5] = ["result", "empty", "cancelled", "undecided", "failed"];

fn edit(lab: &Lab, desk: &mut Desk, from: &str, to: &str) {
    let manifest = desk.text("harness.toml");
    let edited = manifest.replace(from, to);
    assert_ne!(manifest, edited);
    desk.write("harness.toml", &edited);
    desk.save("harness.toml");
    assert_eq!(fs::read_to_string(lab.root().join("harness.toml")).unwrap(), edited);
}

#[test]
fn ux_08_every_run_ends_in_one_way_with_one_sentence() {
    let replies = [answers("[0-9]*[02468]", &adds(HARM)), answers("[0-9]+", &adds(REMEDY))];
    let model = unhurried(&persona(&replies.concat()));
    let lab = lab_of("editor-ends", 6, &model, &format!("{SHORT}max_trials = 900\n"));
    let (server, record) = crate::record::Record::of(&lab);
    let mut desk = Desk::with(&lab, server, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.presses("start");
    let mut ends: BTreeMap<String, Value> = BTreeMap::new();
    let mut ended = |lab: &Lab, state: Value, wanted: &str| {
        assert_eq!(state["state"], wanted, "{state}\n{}", lab.worker_log());
        let sentence = state["sentence"].as_str().unwrap();
        // The command line says the same.
        assert_eq!(lab.ok(&["status", state["runId"].as_str().unwrap()]).trim(), sentence);
        ends.insert(state["runId"].as_str().unwrap().to_owned(), state.clone());
    };
    desk.command("evaluate", &json!({}));
    ended(&lab, desk.is_told_of("r-0001", &ENDS), "result");
    desk.command("propose", &json!({}));
    ended(&lab, desk.is_told_of("r-0002", &ENDS), "result");
    // One that makes it worse is not accepted, and that is all there is to find.
    let number = |is_harm: bool| {
        let all = lab.store().proposals().unwrap();
        let found = all.iter().find(|stored| (stored.record.summary == HARM) == is_harm);
        found.unwrap_or_else(|| panic!("{all:?}")).number
    };
    desk.command("validate", &json!({"proposals": [number(true)]}));
    ended(&lab, desk.is_told_of("r-0003", &ENDS), "empty");
    // Another one, with too little money for a decision.
    edit(&lab, &mut desk, "max_trials = 900", "max_trials = 2");
    desk.command("validate", &json!({"proposals": [number(false)]}));
    ended(&lab, desk.is_told_of("r-0004", &ENDS), "undecided");
    edit(&lab, &mut desk, "max_trials = 2", "max_trials = 900");
    // Another text, of which nothing was measured; somebody ends it.
    desk.write(PROMPT_FILE, "# Rules\n\nWrite.\n");
    desk.command("evaluate", &json!({}));
    desk.is_told_of("r-0005", &["running"]);
    desk.command("cancel", &json!({}));
    ended(&lab, desk.is_told_of("r-0005", &ENDS), "cancelled");
    // Its tasks change while it runs.
    desk.write(PROMPT_FILE, "# Rules\n\nWrite numbers.\n");
    desk.command("evaluate", &json!({}));
    desk.server.wait_for(A_RUN, |message| {
        message["params"]["runId"] == "r-0006"
            && 1 <= message["params"]["trials"]["done"].as_u64().unwrap_or(0)
    });
    for number in 0..6 {
        lab.write(&format!("tasks/t-{number:02}/tests/test.sh"), "echo 1 > /logs/verifier/reward.txt\n");
    }
    ended(&lab, desk.is_told_of("r-0006", &ENDS), "failed");
    desk.server.shut_down();

    let sentence = Regex::new(
        r"^(?:(?:evaluate|propose|validate) finished: .+, (?:\$\d+\.\d\d|free)[^,]*, [^,]+|evaluate cancelled at \d+ of \d+ trials, .+ spent, results are kept|validate (?:undecided: .+|stopped at \d+ of \d+ trials: the budget of trials is used up, results are kept)|evaluate failed at \d+ of \d+ trials: .+; results are kept) \(r-\d{4}\)$",
    )
    .unwrap();
    assert_eq!(ends.len(), 6);
    for (run, state) in &ends {
        assert!(sentence.is_match(state["sentence"].as_str().unwrap()), "{state}");
        // It was told once, and nothing after it.
        let of_run = |message: &Value| {
            message["method"] == "selfHarness/runState" && message["params"]["runId"] == run.as_str()
        };
        let told: Vec<Value> = record.said().into_iter().map(|said| said.message).filter(of_run).collect();
        let is_end = |message: &&Value| ENDS.iter().any(|end| message["params"]["state"] == *end);
        assert_eq!(told.iter().filter(is_end).count(), 1, "{told:?}");
        assert!(told.last().is_some_and(|last| is_end(&last)), "{told:?}");
    }
}

#[test]
fn ux_13_spending_passes_the_cap_by_no_more_than_what_ran_and_nothing_is_paid_twice() {
    // Each trial takes 450 tokens of input and 35 of output: half a dollar.
    const TRIAL: f64 = 0.45 + 0.05;
    const CAP: f64 = 2.2;
    let lab = lab_of("editor-cap", 6, WRITER, &format!("{SHORT}max_cost_usd = {CAP}\n"));
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let price = "seed = 3\nprice = { input = 1000.0, output = 1428.5714285714287 }\n";
    lab.write("harness.toml", &manifest.replace("seed = 3\n", price));
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    assert!(desk.is_asked().contains("stops at $2.20"));
    let told = desk.server.wait_for(A_RUN, |message| {
        let state = &message["params"]["state"];
        message["method"] == "selfHarness/runState" && *state != "running" && *state != "queued"
    });
    let told = &told["params"];
    assert!(told["sentence"].as_str().unwrap().contains("the budget of money is used up"), "{told}");
    let spent = told["cost"]["usd"].as_f64().unwrap();
    let done = told["trials"]["done"].as_u64().unwrap();
    assert!((4..=6).contains(&done), "{told}");
    assert!((spent - TRIAL * done as f64).abs() < 0.01, "{spent} for {done} trials");
    assert!(CAP - TRIAL < spent && spent <= CAP + 4.0 * TRIAL + 0.01, "{spent}");
    assert_eq!(told["cost"]["capUsd"].as_f64(), Some(CAP));
    // More money measures the rest; more is asked about.
    edit(&lab, &mut desk, &format!("max_cost_usd = {CAP}"), "max_cost_usd = 4.9");
    desk.command("evaluate", &json!({}));
    assert!(desk.is_asked().contains("$4.90"));
    let result = desk.run_is("evaluate", &["result", "failed"]);
    let result = if result["runId"] == told["runId"] { desk.run_is("evaluate", &["result"]) } else { result };
    assert_eq!(result["trials"]["done"], 12, "{result}");
    let store = lab.store();
    let paid: usize = store.runs().unwrap().iter().map(|run| store.trials(run.number).unwrap().len()).sum();
    assert_eq!(paid, 12);
    assert_eq!(lab.status()["trials"]["reused"].as_u64(), Some(done));
}

#[test]
fn ux_13_a_limit_that_is_raised_lets_the_same_run_go_on_and_no_trial_is_repeated() {
    let lab = lab_of("editor-raise", 6, WRITER, &format!("{SHORT}max_cost_usd = 2.2\n"));
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let price = "seed = 3\nprice = { input = 1000.0, output = 1428.5714285714287 }\n";
    lab.write("harness.toml", &manifest.replace("seed = 3\n", price));
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.is_asked();
    let told = desk.is_told_of("r-0001", &ENDS);
    let done = told["trials"]["done"].as_u64().unwrap();
    assert!((4..=6).contains(&done) && told["resumable"] == true, "{told}");
    let spent = format!("${:.2}", told["cost"]["usd"].as_f64().unwrap());
    let paused = format!("Paused: {spent} spent, {done}/12 trials");
    desk.lenses_until("harness.toml", |lenses| lenses[0] == paused && lenses[1] == "Raise and Resume…");
    // As long as nobody has raised it, nobody is asked and nothing is spent.
    desk.tries("resume", &json!({"run": "r-0001"}));
    let refused = desk.is_told();
    assert!(refused.starts_with("r-0001 has spent what it may: $2.20\nraise `max_cost_usd`"), "{refused}");
    edit(&lab, &mut desk, "max_cost_usd = 2.2", "max_cost_usd = 4.0");
    // A no raises nothing.
    desk.presses("cancel");
    desk.command("resume", &json!({"run": "r-0001"}));
    let asked = desk.is_asked();
    assert!(asked.contains("it may cost $4.00, not $2.20") && asked.contains("stops at $4.00"), "{asked}");
    assert_eq!(lab.store().run(1).unwrap().unwrap().record.budget.cost, Some(2.2));
    desk.presses("start");
    desk.command("resume", &json!({"run": "r-0001"}));
    desk.is_asked();
    // The new limit holds as well, and is raised as well.
    let told = desk.is_told_of("r-0001", &ENDS);
    assert_eq!(told["cost"]["capUsd"].as_f64(), Some(4.0), "{told}");
    assert!(told["cost"]["usd"].as_f64().unwrap() <= 4.0 + 4.0 * 0.5 + 0.01, "{told}");
    edit(&lab, &mut desk, "max_cost_usd = 4.0", "max_cost_usd = 4.9");
    if told["trials"]["done"] != 12 {
        desk.command("resume", &json!({"run": "r-0001"}));
        desk.is_asked();
        // What is left may be over before anybody is told that it runs.
        desk.is_told_of("r-0001", &ENDS);
    }
    let trials = lab.store().trials(1).unwrap();
    let mut slots: Vec<_> = trials.iter().map(|trial| (trial.task.clone(), trial.repeat)).collect();
    slots.sort();
    let all = slots.len();
    slots.dedup();
    assert_eq!(slots.len(), all, "a trial was paid twice");
    assert_eq!(lab.store().runs().unwrap().len(), 1);
    desk.server.shut_down();
}

#[test]
fn ux_14_a_provider_that_answers_429_fails_no_task() {
    // One task gets no answer, held-in as it is; the others are right.
    let refuses = "[[rule]]\nid = \"429\"\nwhen = { any = \"the number 44 \" }\n\
                   reply = { error = { status = 429, message = \"slow down\", headers = { \"x-should-retry\" = \"false\" } } }\n\n";
    let model = persona(refuses).replace("heads = 0.2", "heads = 1.0");
    let lab = lab_of("editor-429", 6, &model, SHORT);
    let mut client = capabilities();
    client["experimental"]["testExplorer"] = json!(true);
    let (server, record) = crate::record::Record::of(&lab);
    let mut desk = Desk::with(&lab, server, &client);
    desk.show("harness.toml");
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.server.wait_for(A_RUN, |message| {
        let params = &message["params"];
        let (void, done) = (params["trials"]["void"].as_u64(), params["trials"]["done"].as_u64());
        message["method"] == "selfHarness/runState" && Some(2) <= void && Some(10) <= done
    });
    desk.command("discard", &json!({"run": "r-0001"}));
    desk.server.wait_for(PATIENCE, |message| {
        message["method"] == "selfHarness/runState" && message["params"]["state"] == "cancelled"
    });
    desk.server.shut_down();
    let said: Vec<Value> = record.said().into_iter().map(|said| said.message).collect();
    let states = said.iter().filter(|message| message["method"] == "selfHarness/runState");
    for state in states {
        assert_eq!(state["params"]["heldIn"]["fail"], 0, "{state}");
    }
    let tests = said.iter().filter(|message| message["method"] == "experimental/changeTestState");
    let tags: Vec<&str> = tests.map(|message| message["params"]["state"]["tag"].as_str().unwrap()).collect();
    assert!(tags.contains(&"passed") && !tags.contains(&"failed"), "{tags:?}");
    let trials = lab.store().trials(1).unwrap();
    assert!(trials.iter().all(|trial| trial.verdict != "fail"), "{trials:?}");
    assert_eq!(trials.iter().filter(|trial| trial.verdict == "pass").count(), 10);
    assert!(trials.iter().filter(|trial| trial.verdict == "void").all(|trial| trial.detail.contains("429")));
}

#[test]
fn ux_14_void_trials_that_could_decide_leave_a_proposal_undecided() {
    // With the edit one held-out task gets no answer; all else is right.
    let refuses = "[[rule]]\nid = \"429\"\nwhen = { system = \"Read back\", any = \"the number 43 \" }\n\
                   reply = { error = { status = 429, message = \"slow down\", headers = { \"x-should-retry\" = \"false\" } } }\n\n";
    let model = unhurried(&persona(&(answers("[0-9]+", &adds(REMEDY)) + refuses)));
    let lab = lab_of("editor-open", 6, &model, SHORT);
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.is_told_of("r-0001", &["result"]);
    desk.command("propose", &json!({}));
    desk.is_told_of("r-0002", &["result"]);
    let remedy = lab.store().proposals().unwrap().into_iter().find(|stored| stored.record.summary == REMEDY);
    let number = remedy.expect("nobody proposed the remedy").number;
    desk.command("validate", &json!({"proposals": [number]}));
    let ended = desk.is_told_of("r-0003", &ENDS);
    assert_eq!(ended["state"], "undecided", "{ended}");
    let trials = lab.store().trials(3).unwrap();
    let void: Vec<_> = trials.iter().filter(|trial| trial.verdict == "void").collect();
    assert!(!void.is_empty() && void.iter().all(|trial| trial.task == "t-03"), "{trials:?}");
    // Nothing else is missing, and nothing is offered before that is known.
    let baseline = lab.store().run(3).unwrap().unwrap().record.harness;
    let of_edit = trials.iter().filter(|trial| trial.harness != baseline);
    assert!(
        of_edit.clone().next().is_some() && of_edit.clone().all(|trial| trial.verdict != "fail"),
        "{trials:?}"
    );
    let actions: Vec<Value> = (0..3).flat_map(|line| desk.actions(PROMPT_FILE, line)).collect();
    let titled = |start: &str| {
        let title = |action: &Value| action["title"].as_str().unwrap().to_owned();
        let found = actions.iter().find(|action| title(action).starts_with(start));
        found.unwrap_or_else(|| panic!("{start}: {:?}", actions.iter().map(title).collect::<Vec<_>>()))
    };
    titled(&format!("Show evidence for P{number} (undecided: "));
    let apply = titled(&format!("Apply P{number}"));
    assert!(apply["disabled"]["reason"].as_str().unwrap_or_default().starts_with("undecided: "), "{apply}");
}
