//! Before anything runs: who is asked, when nobody is asked, and what is refused.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::{Desk, PATIENCE, PROMPT, PROMPT_FILE, SHORT, capabilities, lab_of, unhurried};
use crate::lab::{Lab, kill};
use crate::persona::{REMEDY, adds, answers, persona};

/// A place where a model could be: whoever connects to it is noticed.
struct Endpoint(TcpListener);

impl Endpoint {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn address(&self) -> String {
        format!("http://{}/v1", self.0.local_addr().unwrap())
    }

    /// Whether somebody has connected since it was asked last.
    fn is_connected_to(&self) -> bool {
        match self.0.accept() {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}

fn manifest(lab: &Lab) -> String {
    fs::read_to_string(lab.root().join("harness.toml")).unwrap()
}

/// Puts another endpoint into a text of the manifest.
fn with_endpoint(lab: &Lab, endpoint: &Endpoint) -> String {
    let (before, after) = (manifest(lab), lab.endpoint().to_owned());
    assert!(before.contains(&after));
    before.replace(&after, &endpoint.address())
}

fn runs(lab: &Lab) -> usize {
    if lab.has_run() { lab.store().runs().unwrap().len() } else { 0 }
}

#[test]
fn ux_02_06_nothing_runs_and_nobody_is_connected_to_before_somebody_says_start() {
    let lab = lab_of("editor-consent", 2, &persona(""), SHORT);
    let endpoint = Endpoint::new();
    lab.write("harness.toml", &with_endpoint(&lab, &endpoint));
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    let is_whole = |asked: &str| {
        for line in ["Runs", "Executes", "Sends", "Model", "Costs", "Takes", "Writes"] {
            assert!(asked.contains(&format!("\n{line} ")), "{line}: {asked}");
        }
        assert!(asked.contains(&endpoint.address()), "{asked}");
    };
    // Whoever closes the question, says no, or answers something that was not asked, has not said yes.
    let answers =
        [Value::Null, json!({"button": "cancel"}), json!({"button": "trust"}), json!({"button": 1})];
    for (answer, verb) in answers.into_iter().zip(["evaluate", "smoke", "improve", "propose"]) {
        desk.server.answers("selfHarness/consent", answer);
        desk.command(verb, &json!({}));
        let asked = desk.is_asked();
        is_whole(&asked);
        assert!(asked.contains("[agent]") && asked.contains("2 tasks with their tests"), "{asked}");
    }
    // What there is nothing for starts nothing either, and neither does what only shows or looks.
    for verb in
        ["resume", "retry", "cancel", "validate", "report", "apply", "dismiss", "status", "menu", "doctor"]
    {
        desk.tries(verb, &json!({}));
    }
    // Trust is no consent: the first start is asked all the same.
    desk.presses("trust");
    desk.command("trust", &json!({}));
    desk.is_asked();
    desk.lenses_until("harness.toml", |lenses| lenses[0] == "Not measured");
    desk.presses("cancel");
    desk.command("evaluate", &json!({}));
    is_whole(&desk.is_asked());
    desk.type_and_undo("harness.toml");
    desk.save("harness.toml");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((runs(&lab), lab.worker()), (0, None));
    assert!(!endpoint.is_connected_to());
    assert!(!lab.root().join(".self-harness").exists(), "a question is no reason to write");
    // A yes would have been noticed.
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.is_asked();
    let began = Instant::now();
    while !endpoint.is_connected_to() {
        assert!(began.elapsed() < PATIENCE, "{}", lab.worker_log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(runs(&lab), 1);
}

#[test]
fn ux_03_a_byte_of_what_judges_is_asked_about_and_a_prompt_is_not() {
    let lab = lab_of("editor-again", 2, &persona(""), SHORT);
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.is_asked();
    desk.run_is("evaluate", &["result"]);
    // Whoever is asked from now on says no. What showed no price is asked for with its costs, and with nothing else.
    desk.presses("cancel");
    desk.command("evaluate", &json!({}));
    let asked = desk.is_asked();
    assert!(asked.contains("Costs") && !asked.contains("Executes"), "{asked}");
    // Another prompt, saved or not, starts as it is, where its price was seen.
    for (run, text) in [
        ("r-0002", "# Rules\n\nYou write good numbers.\n"),
        ("r-0003", "# Rules\n\nYou write the best numbers.\n"),
    ] {
        desk.write(PROMPT_FILE, text);
        desk.command("evaluate", &json!({"price": "free"}));
        desk.is_told_of(run, &["result"]);
        desk.save(PROMPT_FILE);
    }
    assert_eq!(runs(&lab), 3);
    // What was measured is the text that was open.
    let measured = |run: i64| lab.store().run(run).unwrap().unwrap().record.files[PROMPT_FILE].clone();
    assert_eq!((measured(1).as_str(), measured(3).contains("the best")), (PROMPT, true));
    let test = fs::read_to_string(lab.root().join("tasks/t-00/tests/test.sh")).unwrap();
    lab.write("tasks/t-00/tests/test.sh", &format!("{test}\n"));
    desk.command("evaluate", &json!({"price": "free"}));
    let asked = desk.is_asked();
    assert!(asked.contains("the task `t-00` changed") && !asked.contains("t-01"), "{asked}");
    assert!(!asked.contains("model.seed"), "{asked}");
    lab.write("tasks/t-00/tests/test.sh", &test);
    let manifest = desk.text("harness.toml");
    desk.write("harness.toml", &manifest.replace("seed = 3", "seed = 4"));
    desk.save("harness.toml");
    desk.command("evaluate", &json!({"price": "free"}));
    let asked = desk.is_asked();
    assert!(asked.contains("`model.seed` in harness.toml changed") && !asked.contains("t-00"), "{asked}");
    assert_eq!(runs(&lab), 3);
    desk.server.shut_down();
    assert_eq!(lab.worker(), None);
}

#[test]
fn ux_04_nothing_that_a_project_or_an_editor_says_is_said_for_the_machine() {
    let lab = lab_of("editor-machine", 2, &persona(""), SHORT);
    lab.write(".env", "SELF_HARNESS_SANDBOX=none\nMAX_COST_USD=9000\n");
    lab.write(".self-harness/config.toml", "sandbox = \"none\"\nmax_cost_usd = 9000.0\n");
    let machine = json!({"sandbox": "none", "max_cost_usd": 9000.0, "maxCostUsd": 9000.0, "trust": true, "unsandboxed": true});
    let mut client = capabilities();
    client["workspace"]["configuration"] = json!(true);
    let server = crate::client::Server::start_as(lab.command(&["lsp", "--probe"]));
    let mut desk = Desk::agreed(&lab, server, |server| {
        server.answers("workspace/configuration", json!([machine.clone()]));
        let params = json!({
            "processId": null,
            "capabilities": client,
            "initializationOptions": machine,
            "workspaceFolders": [{"uri": crate::client::uri(&lab.root()), "name": "test"}],
        });
        server.request("initialize", &params);
        server.notify("initialized", &json!({}));
    });
    desk.show("harness.toml");
    let lenses = desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    assert_eq!(lenses[0], "Checks only: workspace not trusted");
    desk.presses("cancel");
    desk.command("evaluate", &json!({}));
    let asked = desk.is_asked();
    assert!(asked.contains("in the bubblewrap ") && !asked.contains("WITHOUT"), "{asked}");
    assert!(!asked.contains("9000"), "{asked}");
    // In the manifest it is no key at all, and an error is not run.
    let manifest = desk.text("harness.toml");
    desk.write("harness.toml", &format!("{manifest}\n[sandbox]\nbackend = \"none\"\n"));
    desk.save("harness.toml");
    desk.tries("evaluate", &json!({}));
    let told = desk.is_told();
    assert!(told.contains("error"), "{told}");
    assert_eq!((runs(&lab), lab.worker()), (0, None));
}

#[test]
fn ux_07_a_manifest_that_is_not_saved_or_changes_meanwhile_is_not_started() {
    let lab = lab_of("editor-unsaved", 2, &persona(""), SHORT);
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    let saved = desk.text("harness.toml");
    desk.presses("start");
    desk.write("harness.toml", &format!("{saved}# not saved\n"));
    for verb in ["evaluate", "improve", "smoke", "trust"] {
        let answer = desk.tries(verb, &json!({}));
        let why = "save `harness.toml` first: trust is about the saved file";
        assert_eq!(answer["failure"]["message"], why, "{verb}");
        assert!(desk.is_told().contains(why), "{verb}");
    }
    desk.write("harness.toml", &saved);
    // Somebody changes it while the question whether it is trusted is open: what was read is not what is there.
    let change = |file: &'static str, text: String| {
        let root = lab.root();
        // The client looks at a question before it answers it.
        move |message: &Value| {
            let is_asked = message["method"] == "selfHarness/consent" && message.get("id").is_some();
            if is_asked {
                fs::write(root.join(file), &text).unwrap();
            }
            is_asked
        }
    };
    let refused = |desk: &mut Desk, done: &str| {
        let told = desk.is_told();
        assert!(told.contains("`harness.toml` has changed since you looked at it"), "{told}");
        assert!(told.contains(&format!("nothing was {done}")), "{told}");
    };
    desk.presses("trust");
    desk.command_without_an_answer("trust");
    desk.server.wait_for(PATIENCE, change("harness.toml", saved.replace("seed = 3", "seed = 4")));
    refused(&mut desk, "trusted");
    lab.write("harness.toml", &saved);
    desk.lenses_until("harness.toml", |lenses| lenses[0] == "Checks only: workspace not trusted");
    // The same while somebody agrees to a start: what nobody has read is neither sent nor asked anything.
    let elsewhere = Endpoint::new();
    desk.presses("start");
    desk.command_without_an_answer("evaluate");
    desk.server.wait_for(PATIENCE, change("harness.toml", with_endpoint(&lab, &elsewhere)));
    refused(&mut desk, "started");
    assert_eq!((runs(&lab), lab.worker()), (0, None));
    assert!(!elsewhere.is_connected_to());
}

/// The price in the title of the second lens, and what a client sends of it.
fn second_lens(desk: &mut Desk, starts: &str) -> (String, Value) {
    let titled = |lenses: &[String]| lenses.get(1).is_some_and(|title| title.starts_with(starts));
    let title = desk.lenses_until("harness.toml", titled).remove(1);
    let uri = desk.uri("harness.toml");
    let lenses = desk.server.request("textDocument/codeLens", &json!({"textDocument": {"uri": uri}}));
    (title, lenses[1]["command"]["arguments"][0].clone())
}

#[test]
fn every_step_says_what_it_costs_and_who_has_seen_that_is_not_asked_again() {
    // A run takes several rounds of trials, so that its worker can be killed before its end.
    let model = unhurried(&persona(&answers("[0-9]+", &adds(REMEDY)))).replace("150ms", "600ms");
    let lab = lab_of("editor-prices", 4, &model, SHORT);
    let text = manifest(&lab);
    lab.write(
        "harness.toml",
        &text.replace("seed = 3\n", "seed = 3\nprice = { input = 100.0, output = 200.0 }\n"),
    );
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    // The first of each verb is read as a whole.
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.is_asked();
    desk.run_is("evaluate", &["result"]);
    let (title, argument) = second_lens(&mut desk, "Propose for ");
    let price = argument["price"].as_str().unwrap();
    assert!(price.starts_with("about $") && title.ends_with(&format!(" ({price})")), "{title} {argument}");
    desk.command("propose", &argument);
    assert!(desk.is_asked().contains(&format!("Costs      {price}; ")), "{price}");
    desk.run_is("propose", &["result"]);
    let (title, argument) = second_lens(&mut desk, "Validate ");
    let price = argument["price"].as_str().unwrap();
    assert!(price.starts_with("about $") && title.ends_with(&format!(" ({price})")), "{title} {argument}");

    // The second time its price is enough, and no other price is.
    desk.presses("cancel");
    desk.command("propose", &json!({"price": "about $0.01"}));
    assert!(desk.is_asked().contains("Costs"));
    let line = u64::try_from(PROMPT.lines().count() - 1).unwrap();
    let actions = desk.actions(PROMPT_FILE, line);
    let propose = actions.iter().find(|action| action["title"].as_str().unwrap().starts_with("Propose ("));
    let propose = propose.unwrap_or_else(|| panic!("{actions:?}"))["command"].clone();
    desk.server.request(
        "workspace/executeCommand",
        &json!({"command": propose["command"], "arguments": propose["arguments"]}),
    );
    desk.is_told_of("r-0003", &["result", "empty"]);

    // What is left of a run that nobody works on.
    desk.write(PROMPT_FILE, "# Rules\n\nYou write good numbers.\n");
    desk.presses("start");
    desk.command("evaluate", &json!({}));
    desk.is_told_of("r-0004", &["running"]);
    lab.until("nothing was measured", |lab| !lab.store().trials(4).unwrap().is_empty());
    kill(lab.worker().expect("somebody works on it"));
    let (title, argument) = second_lens(&mut desk, "Resume (about $");
    assert_eq!(title, format!("Resume ({})", argument["price"].as_str().unwrap()));
    desk.presses("cancel");
    desk.command("resume", &argument);
    desk.is_told_of("r-0004", &["result"]);
}
