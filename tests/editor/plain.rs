//! An editor that knows little: no pull, no lenses, hints or progress, and nothing of ours. Everything is reached all the same, by
//! actions, messages with buttons, and files.

use std::time::Instant;

use serde_json::{Value, json};

use crate::client;
use crate::desk::{A_RUN, Desk, PATIENCE, PROMPT, PROMPT_FILE, SHORT, lab_of, replying};
use crate::lab::Lab;
use crate::persona::HARM;

/// What such an editor announces.
fn capabilities() -> Value {
    json!({
        "window": {"showDocument": {"support": true}},
        "workspace": {"workspaceEdit": {"documentChanges": true}, "applyEdit": true},
        "textDocument": {
            "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}}},
            "hover": {"contentFormat": ["markdown"]},
        },
    })
}

/// An editor with both documents open, whose person presses this button.
fn open(lab: &Lab, button: &str) -> Desk {
    let mut desk = Desk::open(lab, &capabilities());
    presses(&mut desk, button);
    desk.server.answers("workspace/applyEdit", json!({"applied": true}));
    desk.server.answers("window/showDocument", json!({"success": true}));
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk
}

fn presses(desk: &mut Desk, button: &str) {
    desk.server.answers("window/showMessageRequest", json!({"title": button}));
}

fn titles(actions: &[Value]) -> Vec<String> {
    actions.iter().map(|action| action["title"].as_str().unwrap().to_owned()).collect()
}

/// Waits until there is an action at a line; the action.
fn action(desk: &mut Desk, file: &str, line: u64, starts: &str) -> Value {
    let began = Instant::now();
    loop {
        let actions = desk.actions(file, line);
        if let Some(found) = actions.iter().find(|one| one["title"].as_str().unwrap().starts_with(starts)) {
            return found.clone();
        }
        assert!(
            began.elapsed() < A_RUN / 5,
            "no `{starts}` at line {line} of {file}: {:?}",
            titles(&actions)
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Does what an action says, as every editor can: its command.
fn run(desk: &mut Desk, action: &Value) {
    let command = &action["command"];
    let params = json!({"command": command["command"], "arguments": command["arguments"]});
    let answer = desk.server.request("workspace/executeCommand", &params);
    assert!(answer.get("failure").is_none(), "{action}: {answer}");
}

/// The message with buttons that comes next.
fn message(desk: &mut Desk) -> (String, Vec<String>) {
    let asked = desk.server.wait_for(PATIENCE, |message| message["method"] == "window/showMessageRequest");
    (
        asked["params"]["message"].as_str().unwrap().to_owned(),
        titles(asked["params"]["actions"].as_array().unwrap()),
    )
}

/// The text of the file that is to be shown next.
fn file(desk: &mut Desk) -> String {
    let shown = desk.server.wait_for(PATIENCE, |message| message["method"] == "window/showDocument");
    let address = shown["params"]["uri"].as_str().unwrap().to_owned();
    let path = address.strip_prefix("file://").unwrap_or_else(|| panic!("{address} is no file"));
    std::fs::read_to_string(path).unwrap()
}

/// Waits until a problem of a document is pushed; its line.
fn problem(desk: &mut Desk, file: &str, code: &str) -> u64 {
    let uri = desk.uri(file);
    let is_it = |problem: &Value| problem["code"] == code;
    let told = desk.server.wait_for(A_RUN / 5, |message| {
        message["method"] == "textDocument/publishDiagnostics"
            && message["params"]["uri"] == uri.as_str()
            && message["params"]["diagnostics"].as_array().unwrap().iter().any(is_it)
    });
    let problems = told["params"]["diagnostics"].as_array().unwrap();
    problems.iter().find(|problem| is_it(problem)).unwrap()["range"]["start"]["line"].as_u64().unwrap()
}

#[test]
fn ux_20_36_an_editor_that_knows_little_reaches_everything_and_what_was_dismissed_stays_so() {
    let lab = lab_of("editor-plain", 12, &replying(), SHORT);
    let mut desk = open(&lab, "Trust");
    let trust = action(&mut desk, "harness.toml", 0, "Trust…");
    run(&mut desk, &trust);
    let (text, buttons) = message(&mut desk);
    assert!(text.contains("[agent]") && buttons == ["Trust", "Cancel"], "{text} {buttons:?}");
    presses(&mut desk, "Start");
    let evaluate = action(&mut desk, "harness.toml", 0, "Evaluate 12 tasks ×2");
    run(&mut desk, &evaluate);
    let (text, buttons) = message(&mut desk);
    assert!(text.contains("\nSends ") && buttons == ["Try 3 Tasks First", "Start", "Cancel"], "{text}");
    // Cancelled by an action, and started again from the menu.
    let cancel = action(&mut desk, "harness.toml", 0, "Cancel");
    run(&mut desk, &cancel);
    action(&mut desk, "harness.toml", 0, "Evaluate 12 tasks");
    let more = action(&mut desk, "harness.toml", 0, "More…");
    presses(&mut desk, "Evaluate");
    run(&mut desk, &more);
    let (_, buttons) = message(&mut desk);
    for wanted in [
        "Evaluate",
        "Try 3 Tasks",
        "Propose",
        "Validate Proposals",
        "Improve",
        "Show Weaknesses",
        "Show Report",
        "Show Lineage",
        "Doctor",
        "Trust…",
    ] {
        assert!(buttons.iter().any(|button| button == wanted), "{wanted}: {buttons:?}");
    }
    presses(&mut desk, "Start");
    // Evidence comes as problems, and is read in files.
    let line = problem(&mut desk, PROMPT_FILE, "SH802");
    assert!(desk.hover(PROMPT_FILE, line).contains("C-"));
    let evidence = action(&mut desk, PROMPT_FILE, line, "Show evidence for C-");
    run(&mut desk, &evidence);
    assert!(file(&mut desk).contains("C-"));
    let report = action(&mut desk, "harness.toml", 0, "Show the report");
    run(&mut desk, &report);
    assert!(file(&mut desk).contains("held-in"));
    let propose = action(&mut desk, PROMPT_FILE, line, "Propose");
    run(&mut desk, &propose);
    action(&mut desk, "harness.toml", 0, "Validate ");
    // One of them nobody wants, whoever asks and whatever is run.
    let harm = lab.store().proposals().unwrap().into_iter().find(|stored| stored.record.summary == HARM);
    let harm = format!("P{}", harm.unwrap().number);
    let preview = action(&mut desk, PROMPT_FILE, line, &format!("Preview {harm}"));
    run(&mut desk, &preview);
    assert!(file(&mut desk).contains(HARM));
    let dismiss = action(&mut desk, PROMPT_FILE, line, &format!("Dismiss {harm}…"));
    run(&mut desk, &dismiss);
    let is_gone = |desk: &mut Desk| {
        let began = Instant::now();
        loop {
            let actions = titles(&desk.actions(PROMPT_FILE, line));
            if !actions.is_empty() && !actions.iter().any(|title| title.contains(&harm)) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{actions:?}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    is_gone(&mut desk);
    desk.server.shut_down();
    let mut desk = open(&lab, "Start");
    problem(&mut desk, PROMPT_FILE, "SH802");
    is_gone(&mut desk);
    let validate = action(&mut desk, "harness.toml", 0, "Validate ");
    run(&mut desk, &validate);
    let line = problem(&mut desk, PROMPT_FILE, "SH801");
    is_gone(&mut desk);
    assert!(lab.store().decisions().unwrap().iter().all(|(number, _)| format!("P{number}") != harm));

    // Applied by an action that holds its edit, and, undone, by the command that sends the same.
    let apply = action(&mut desk, PROMPT_FILE, line, "Apply P");
    assert!(apply.get("disabled").is_none() && apply["edit"].is_object(), "{apply}");
    desk.apply(&apply["edit"]);
    let applied = desk.text(PROMPT_FILE);
    assert_ne!(applied, PROMPT);
    desk.write(PROMPT_FILE, PROMPT);
    let again = action(&mut desk, PROMPT_FILE, line, "Apply P");
    let title = again["title"].as_str().unwrap().split([' ', ':']).nth(1).unwrap().to_owned();
    desk.tries("apply", &json!({"proposals": [title]}));
    let sent = desk.server.wait_for(PATIENCE, |message| message["method"] == "workspace/applyEdit");
    desk.apply(&sent["params"]["edit"]);
    assert_eq!(desk.text(PROMPT_FILE), applied);
    // What was measured goes by its digest: the menu leads to the lineage.
    presses(&mut desk, "Show Lineage");
    let more = action(&mut desk, "harness.toml", 0, "More…");
    run(&mut desk, &more);
    assert!(file(&mut desk).contains('P'));
    desk.server.shut_down();
}

#[test]
fn ux_27_nothing_formats_and_no_fix_puts_a_comment_into_a_prompt() {
    let lab = lab_of("editor-unformatted", 2, &replying(), SHORT);
    lab.write(PROMPT_FILE, "# Rules\n\nUse `shel` and {{ nobody }}.   \nCall the tool `shel` first.\n");
    let mut server = client::Server::start_as(lab.command(&["lsp", "--probe"]));
    let everything = json!({"textDocument": {
        "formatting": {"dynamicRegistration": true},
        "rangeFormatting": {"dynamicRegistration": true},
        "onTypeFormatting": {"dynamicRegistration": true},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}}},
    }, "workspace": {"workspaceEdit": {"documentChanges": true}}});
    let params = json!({
        "processId": null, "capabilities": everything,
        "workspaceFolders": [{"uri": client::uri(&lab.root()), "name": "test"}],
    });
    let answer = server.request("initialize", &params);
    let provides = answer["capabilities"].as_object().unwrap();
    assert!(provides.contains_key("hoverProvider"));
    assert!(!provides.keys().any(|key| key.to_lowercase().contains("formatting")), "{answer}");
    let mut desk = Desk::agreed(&lab, server, |server| server.notify("initialized", &json!({})));
    desk.show(PROMPT_FILE);
    let uri = desk.uri(PROMPT_FILE);
    let everywhere = json!({"start": {"line": 0, "character": 0}, "end": {"line": 4, "character": 0}});
    let mut edits = Vec::new();
    for only in [Value::Null, json!(["source.fixAll"]), json!(["quickfix"]), json!(["refactor"])] {
        let mut context = json!({"diagnostics": [], "triggerKind": 1});
        if !only.is_null() {
            context["only"] = only;
        }
        let params = json!({"textDocument": {"uri": uri}, "range": everywhere, "context": context});
        let actions = desk.server.request("textDocument/codeAction", &params);
        let actions = actions.as_array().cloned().unwrap_or_default();
        let changes = actions.iter().flat_map(|action| action["edit"]["documentChanges"].as_array().cloned());
        let in_prompt = changes.flatten().filter(|change| change["textDocument"]["uri"] == uri.as_str());
        edits.extend(in_prompt.flat_map(|change| change["edits"].as_array().cloned().unwrap_or_default()));
    }
    // There is something to mend, and it is mended with words.
    assert!(!edits.is_empty(), "{:?}", desk.problems(PROMPT_FILE));
    for edit in edits {
        let text = edit["newText"].as_str().unwrap();
        assert!(!["{#", "<!--", "//", "allow", "#"].iter().any(|sign| text.contains(sign)), "{edit}");
    }
}
