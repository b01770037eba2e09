//! A machine without a sandbox, and one whose user wants none.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::desk::{A_RUN, Desk, PROMPT_FILE, SHORT, capabilities, lab_of, unhurried};
use crate::lab::{Lab, root_is_free};
use crate::persona::{REMEDY, adds, answers, persona};
use crate::record::inside;

/// Where the sandbox is looked for.
const BUBBLEWRAP: &str = "/usr/bin/bwrap";

/// Runs a program where that of the sandbox is an empty file.
const BARE: &str = r#"mount --bind "$0" /usr/bin/bwrap && exec "$@""#;

fn can_be_bare(empty: &str) -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["-m", "sh", "-c", BARE, empty, "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    fs::metadata(BUBBLEWRAP).is_ok() && tried.status().is_ok_and(|status| status.success())
}

#[test]
fn ux_37_without_a_sandbox_all_is_checked_nothing_is_run_and_it_is_said_what_to_install() {
    let lab = lab_of("editor-bare", 2, &persona(""), SHORT);
    lab.write("empty", "");
    let empty = lab.root().join("empty");
    let empty = empty.to_str().unwrap();
    if !can_be_bare(empty) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let server = inside(&lab, "unshare", &["-m", "sh", "-c", BARE, empty]);
    let mut desk = Desk::with(&lab, server, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.presses("trust");
    desk.command("trust", &json!({}));
    desk.lenses_until("harness.toml", |lenses| lenses[0] == "Not measured");
    desk.presses("start");
    for verb in ["evaluate", "smoke", "improve"] {
        desk.tries(verb, &json!({}));
        let told = desk.is_told();
        assert!(told.contains("no sandbox on this machine, nothing was run"), "{told}");
        assert!(told.contains("install the package `bubblewrap`"), "{told}");
    }
    desk.server.wait(|message| {
        message["method"] == "experimental/serverStatus"
            && message["params"]["message"] == "harness: sandbox unavailable"
    });
    let problems = desk.problems("harness.toml");
    assert!(problems.iter().any(|(code, ..)| code == "SH904"), "{problems:?}");
    // All else is as it is anywhere.
    desk.write(PROMPT_FILE, "# Rules\n\nUse `shel` and {{ nobody }}.\n");
    let problems = desk.problems(PROMPT_FILE);
    assert!(!problems.is_empty(), "{problems:?}");
    let symbols = desk.uri("harness.toml");
    let symbols =
        desk.server.request("textDocument/documentSymbol", &json!({"textDocument": {"uri": symbols}}));
    assert!(!symbols.as_array().unwrap().is_empty());
    assert!(desk.hover("harness.toml", 0).contains("schema"));
    assert!(!desk.tree(None).is_empty());
    nothing_ran(&lab);
}

fn nothing_ran(lab: &Lab) {
    assert!(!lab.has_run() && lab.worker().is_none());
    let asked = fs::read_to_string(lab.state().with_file_name("requests.jsonl")).unwrap_or_default();
    assert_eq!(asked, "");
}

/// A project of a user who wants no sandbox.
fn unconfined(name: &str, model: &str) -> Lab {
    let mut lab = lab_of(name, 4, model, SHORT);
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    fs::write(config.join("self-harness/config.toml"), "sandbox = \"none\"\n").unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
    lab
}

#[test]
fn ux_38_an_editor_never_runs_without_a_sandbox_and_says_how_it_is_done() {
    let lab = unconfined("editor-none", &persona(""));
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    desk.presses("start");
    // The user's file alone is no yes to a run.
    for verb in ["evaluate", "smoke", "improve"] {
        desk.tries(verb, &json!({"unsandboxed": true}));
        let told = desk.is_told();
        assert!(told.contains("`sandbox = \"none\"`") && told.contains("--unsandboxed"), "{told}");
    }
    nothing_ran(&lab);
}

#[test]
fn ux_38_a_run_without_a_sandbox_is_said_to_be_one_everywhere_and_decides_nothing() {
    if !root_is_free() {
        eprintln!("skipped: the paths of a task cannot be made in `/` here");
        return;
    }
    let lab = unconfined("editor-unconfined", &unhurried(&persona(&answers("[0-9]+", &adds(REMEDY)))));
    let mut desk = Desk::open(&lab, &capabilities());
    desk.presses("trust");
    desk.show("harness.toml");
    desk.command("trust", &json!({}));
    desk.lenses_until("harness.toml", |lenses| lenses[0] == "Not measured");
    // A yes to one run is no yes to the next.
    let refused = lab.run(&["improve", "--yes"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--unsandboxed"));
    let run = lab.ok(&["improve", "--yes", "--unsandboxed", "--detach"]).trim().to_owned();
    desk.server.wait_for(A_RUN, |message| {
        let told = message["params"]["message"].as_str().unwrap_or_default();
        message["method"] == "experimental/serverStatus" && told.starts_with("harness: NOT SANDBOXED")
    });
    desk.lenses_until("harness.toml", |lenses| lenses[0].starts_with("NOT SANDBOXED · "));
    let ended = desk.is_told_of(&run, &["result", "empty", "undecided", "failed"]);
    assert_eq!(
        (&ended["state"], &ended["sandboxed"]),
        (&json!("undecided"), &json!(false)),
        "{ended}\n{}",
        lab.worker_log()
    );
    let sentence = ended["sentence"].as_str().unwrap();
    assert!(sentence.contains("trials without a sandbox prove nothing"), "{sentence}");
    assert!(sentence.ends_with(&format!(" ({run}, NOT SANDBOXED)")), "{sentence}");
    assert!(lab.ok(&["status", &run]).contains("NOT SANDBOXED"));
    for action in desk.actions("harness.toml", 0).iter().chain(&desk.actions(PROMPT_FILE, 0)) {
        let is_apply = action["title"].as_str().unwrap().starts_with("Apply");
        assert!(!is_apply || action["disabled"]["reason"].is_string(), "{action}");
    }
}
