//! A machine without a sandbox, and one whose user wants none.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::desk::{Desk, PROMPT_FILE, SHORT, capabilities, lab_of};
use crate::lab::Lab;
use crate::persona::persona;
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

#[test]
fn ux_38_an_editor_never_runs_without_a_sandbox_and_says_how_it_is_done() {
    let mut lab = lab_of("editor-none", 2, &persona(""), SHORT);
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    fs::write(config.join("self-harness/config.toml"), "sandbox = \"none\"\n").unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
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
