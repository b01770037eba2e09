//! A client that asks for diagnostics itself: related documents, the whole workspace in pieces, and when it is told to ask
//! again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::FILES;
use crate::client::{Server, Workspace};

fn open(server: &mut Server, workspace: &Workspace, name: &str) -> String {
    let uri = workspace.uri(name);
    let text = FILES.iter().find(|(file, _)| *file == name).unwrap().1;
    let document = json!({"uri": uri, "languageId": "x", "version": 1, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    uri
}

fn pull(server: &mut Server, uri: &str) -> Value {
    server.request("textDocument/diagnostic", &json!({"textDocument": {"uri": uri}}))
}

fn codes(report: &Value) -> Vec<&str> {
    report["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect()
}

/// Declares the variable that the prompt misspells, in the manifest.
fn declare_workdri(server: &mut Server, manifest: &str, version: i32) {
    let end = json!({"line": 100, "character": 0});
    let text = "\n[prompt.variables]\nworkdri = \"x\"\n";
    let changes = json!([{"range": {"start": end, "end": end}, "text": text}]);
    server.notify(
        "textDocument/didChange",
        &json!({"textDocument": {"uri": manifest, "version": version}, "contentChanges": changes}),
    );
}

fn refresh(server: &mut Server) {
    let question = server.wait(|message| message["method"] == "workspace/diagnostic/refresh");
    server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": null}));
}

#[test]
fn an_edit_of_one_document_brings_the_news_of_another_along() {
    let workspace = Workspace::new("related", &FILES);
    let capabilities = json!({"textDocument": {"diagnostic": {"relatedDocumentSupport": true}}});
    let mut server = Server::open(workspace.path(), &capabilities);
    let prompt = open(&mut server, &workspace, "prompts/system.md");
    let manifest = open(&mut server, &workspace, "harness.toml");
    assert_eq!(codes(&pull(&mut server, &prompt)), ["SH104", "SH101"]);
    declare_workdri(&mut server, &manifest, 2);
    let report = pull(&mut server, &manifest);
    let related = &report["relatedDocuments"][&prompt];
    assert_eq!(related["kind"], "full", "{report}");
    assert_eq!(codes(related), ["SH104"]);
    // Said once.
    assert!(pull(&mut server, &manifest).get("relatedDocuments").is_none());
    server.shut_down();
}

#[test]
fn a_client_is_told_to_ask_again_only_for_what_it_has_and_at_most_every_two_seconds() {
    let workspace = Workspace::new("refresh", &FILES);
    let capabilities = json!({
        "textDocument": {"diagnostic": {}},
        "workspace": {"diagnostics": {"refreshSupport": true}},
    });
    let mut server = Server::open(workspace.path(), &capabilities);
    let prompt = open(&mut server, &workspace, "prompts/system.md");
    let manifest = open(&mut server, &workspace, "harness.toml");
    pull(&mut server, &prompt);
    declare_workdri(&mut server, &manifest, 2);
    pull(&mut server, &manifest);
    refresh(&mut server);
    let first = Instant::now();
    assert_eq!(codes(&pull(&mut server, &prompt)), ["SH104"]);
    // A file that nobody names changes nothing that anybody sees.
    workspace.write("notes.txt", b"x");
    server.notify(
        "workspace/didChangeWatchedFiles",
        &json!({"changes": [{"uri": workspace.uri("notes.txt"), "type": 1}]}),
    );
    let changes = json!([{"range": {"start": {"line": 24, "character": 0}, "end": {"line": 27, "character": 0}}, "text": ""}]);
    server.notify(
        "textDocument/didChange",
        &json!({"textDocument": {"uri": manifest, "version": 3}, "contentChanges": changes}),
    );
    refresh(&mut server);
    // Allowing for the time that the first took to arrive here.
    assert!(Duration::from_millis(1500) < first.elapsed(), "{:?}", first.elapsed());
    assert_eq!(codes(&pull(&mut server, &prompt)), ["SH104", "SH101"]);
    server.shut_down();
}

#[test]
fn the_workspace_comes_in_pieces_to_who_wants_pieces() {
    let workspace = Workspace::new("pieces", &FILES);
    let mut server = Server::open(workspace.path(), &json!({"textDocument": {"diagnostic": {}}}));
    let whole = server.request("workspace/diagnostic", &json!({"previousResultIds": []}));
    let params = json!({"previousResultIds": [], "partialResultToken": "t"});
    let last = server.request("workspace/diagnostic", &params);
    assert_eq!(last, json!({"items": []}));
    let part = server.wait(|message| message["method"] == "$/progress");
    assert_eq!(part["params"]["token"], "t");
    assert_eq!(part["params"]["value"], whole);
    server.shut_down();
}

#[test]
fn what_no_harness_names_any_more_has_no_problem_any_more() {
    let workspace = Workspace::new("unnamed", &FILES);
    let mut server = Server::open(workspace.path(), &json!({"textDocument": {"diagnostic": {}}}));
    let whole = server.request("workspace/diagnostic", &json!({"previousResultIds": []}));
    let known: Vec<Value> = whole["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| json!({"uri": report["uri"], "value": report["resultId"]}))
        .collect();
    assert_eq!(known.len(), 2, "{whole}");
    std::fs::remove_file(workspace.path().join("harness.toml")).unwrap();
    server.notify(
        "workspace/didChangeWatchedFiles",
        &json!({"changes": [{"uri": workspace.uri("harness.toml"), "type": 3}]}),
    );
    let end = Instant::now() + crate::client::LIMIT;
    loop {
        let now = server.request("workspace/diagnostic", &json!({"previousResultIds": known}));
        let reports = now["items"].as_array().unwrap();
        assert_eq!(reports.len(), 2, "{now}");
        if reports.iter().all(|report| report["items"] == json!([])) {
            break;
        }
        assert!(Instant::now() < end, "{now}");
    }
    server.shut_down();
}
