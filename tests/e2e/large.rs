//! A prompt of 200 KB: its problems keep up with what is typed, and nobody waits for a save. How fast that is, is for `tests/bench` to
//! say; here it has to be soon on any machine with other work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::FILES;
use crate::client::{Server, Workspace};

/// Two hundred times what is promised on a quiet machine for an optimised server would still be noticed here.
const SOON: Duration = Duration::from_secs(10);

/// What is typed at the end of the prompt: a name that no template has.
const TYPED: &str = "Work in {{ workdri_at_the_end }}.";

/// A prompt of a little more than 200 KB, with a name of a tool here and there, of which the first is misspelt.
fn prompt() -> String {
    let mut text = String::from("# Rules\n\nUse the `grep_files` tool.\n\n");
    for number in 0.. {
        if 200 * 1024 < text.len() {
            break;
        }
        text.push_str(&format!("## Section {number}\n\n- Read the task before you change a file, and say what you did.\n- Use the `grep_file` tool where a name is all that you have.\n\n"));
    }
    text
}

fn is_there(found: &[Value]) -> bool {
    found.iter().any(|problem| problem["message"].to_string().contains("workdri_at_the_end"))
}

#[test]
fn ux_32_problems_of_a_large_prompt_are_those_of_the_last_key_and_a_save_delays_nothing() {
    let text = prompt();
    let workspace = Workspace::new("large", &FILES);
    workspace.write("prompts/system.md", text.as_bytes());
    let mut server = Server::start();
    let folders = json!([{"uri": format!("file://{}", workspace.path().display()), "name": "large"}]);
    let params = json!({"processId": null, "capabilities": {}, "workspaceFolders": folders});
    let sync = server.request("initialize", &params)["capabilities"]["textDocumentSync"].clone();
    server.notify("initialized", &json!({}));
    // An editor writes a file when it likes: nobody asks to be heard before.
    assert!(sync.get("willSave").is_none() && sync.get("willSaveWaitUntil").is_none(), "{sync}");
    let uri = workspace.uri("prompts/system.md");
    let document = json!({"uri": uri, "languageId": "markdown", "version": 0, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    assert!(!is_there(&server.diagnostics(&uri, 0)));
    let line = text.matches('\n').count();
    let mut version = 0;
    let mut change = |server: &mut Server, (from, to): (usize, usize), text: &str| {
        version += 1;
        let at = |column: usize| json!({"line": line, "character": column});
        let change = json!({"range": {"start": at(from), "end": at(to)}, "text": text});
        let document = json!({"uri": uri, "version": version});
        let params = json!({"textDocument": document, "contentChanges": [change]});
        server.notify("textDocument/didChange", &params);
        version
    };
    let save = |server: &mut Server| {
        server.notify("textDocument/didSave", &json!({"textDocument": {"uri": uri}}));
    };
    for _ in 0..5 {
        // Key by key, and a save in the middle of it.
        let mut last = 0;
        for (column, key) in TYPED.char_indices() {
            last = change(&mut server, (column, column), &key.to_string());
            if column == TYPED.len() / 2 {
                save(&mut server);
            }
        }
        let began = Instant::now();
        let found = server.diagnostics(&uri, last);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert!(is_there(&found), "{found:?}");
        let start = TYPED.find("workdri").unwrap();
        let problem = found.iter().find(|problem| problem["range"]["start"]["line"] == line).unwrap();
        assert_eq!(problem["range"]["start"]["character"], start, "{problem}");
        // Whoever asks right behind a save is answered like anybody else.
        save(&mut server);
        let at = json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": start + 1}});
        let began = Instant::now();
        server.request("textDocument/hover", &at);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        // What is deleted is no problem any more.
        let last = change(&mut server, (0, TYPED.len()), "");
        let began = Instant::now();
        assert!(!is_there(&server.diagnostics(&uri, last)));
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
    server.shut_down();
}
