//! What must not end a session, and what must: malformed frames, unknown methods, wrong order, ends of input.

use std::time::Duration;

use serde_json::{Value, json};

use crate::FILES;
use crate::client::{Server, Workspace};

fn is_alive(server: &mut Server) {
    assert_eq!(server.request("workspace/symbol", &json!({"query": "nothing-has-this-name"})), json!([]));
}

fn opened(name: &str) -> (Workspace, Server) {
    let workspace = Workspace::new(name, &FILES);
    let server = Server::open(workspace.path(), &json!({}));
    (workspace, server)
}

#[test]
fn malformed_frames_are_answered_and_the_session_goes_on() {
    let (_workspace, mut server) = opened("malformed");
    let framed = |body: &[u8]| [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let cases: [(Vec<u8>, i64); 9] = [
        (framed(b"{\"jsonrpc\":\"2.0\","), -32700),
        (framed(b"\xff\xfe\x00"), -32700),
        (framed(b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}]"), -32600),
        (framed(b"{}"), -32600),
        (framed(b"42"), -32600),
        (framed(b"{\"jsonrpc\":\"2.0\",\"method\":5}"), -32600),
        (b"Content-Length: many\r\n\r\n".to_vec(), -32700),
        (b"Content-Type: text/plain\r\n\r\n".to_vec(), -32700),
        (b"this is not a header\r\n\r\n".to_vec(), -32700),
    ];
    for (bytes, code) in cases {
        server.raw(&bytes);
        let answer = server.wait(|message| message["id"].is_null() && message.get("error").is_some());
        assert_eq!(answer["error"]["code"], code, "{:?}: {answer}", String::from_utf8_lossy(&bytes));
        is_alive(&mut server);
    }
    server.shut_down();
}

#[test]
fn half_a_character_is_repaired() {
    let (workspace, mut server) = opened("surrogate");
    let uri = workspace.uri("prompts/system.md");
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{{\"textDocument\":{{\"uri\":\"{uri}\",\"languageId\":\"markdown\",\"version\":7,\"text\":\"a \\ud83d {{{{ b\"}}}}}}"
    );
    server.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    server.diagnostics(&uri, 7);
    server.shut_down();
}

#[test]
fn unknown_methods_have_the_right_error() {
    let (_workspace, mut server) = opened("unknown");
    let id = server.ask("textDocument/doesNotExist", &json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32601);
    // A notification that nobody knows is ignored, a request is not.
    server.notify("$/unknown", &json!({}));
    let id = server.ask("$/unknown", &json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32601);
    server.notify("unknown/notification", &json!({}));
    let id = server.ask("textDocument/hover", &json!({"nothing": true}));
    assert_eq!(server.answer(id)["error"]["code"], -32602);
    is_alive(&mut server);
    server.shut_down();
}

#[test]
fn a_handler_with_a_bug_is_an_answer_and_the_server_lives() {
    let (_workspace, mut server) = opened("panic");
    for _ in 0..3 {
        let id = server.ask("self-harness/test/panic", &Value::Null);
        let answer = server.answer(id);
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("everything else goes on"), "{answer}");
        is_alive(&mut server);
    }
    server.shut_down();
}

#[test]
fn requests_before_initialize_are_refused() {
    let mut server = Server::start();
    let id = server.ask(
        "textDocument/hover",
        &json!({"textDocument": {"uri": "file:///x"}, "position": {"line": 0, "character": 0}}),
    );
    assert_eq!(server.answer(id)["error"]["code"], -32002);
    server.request("initialize", &json!({"processId": null, "capabilities": {}}));
    let id = server.ask("initialize", &json!({"processId": null, "capabilities": {}}));
    assert_eq!(server.answer(id)["error"]["code"], -32600);
    server.shut_down();
}

#[test]
fn exit_without_shutdown_is_exit_code_1() {
    let (_workspace, mut server) = opened("exit");
    server.notify("exit", &Value::Null);
    let (code, time) = server.ended();
    assert_eq!(code, Some(1));
    assert!(time < Duration::from_secs(3), "{time:?}");
}

#[test]
fn a_closed_input_ends_the_server() {
    let (_workspace, mut server) = opened("closed");
    for _ in 0..50 {
        server.ask("workspace/symbol", &json!({"query": ""}));
    }
    server.close_input();
    let (code, time) = server.ended();
    assert_eq!(code, Some(1));
    assert!(time < Duration::from_secs(3), "{time:?}");
}

#[test]
fn after_shutdown_requests_are_refused() {
    let (_workspace, mut server) = opened("after");
    server.request("shutdown", &Value::Null);
    let id = server.ask("workspace/symbol", &json!({"query": ""}));
    assert_eq!(server.answer(id)["error"]["code"], -32600);
    server.notify("exit", &Value::Null);
    assert_eq!(server.ended().0, Some(0));
}

#[test]
fn a_cancelled_request_is_answered_at_once() {
    let (workspace, mut server) = opened("cancel");
    let uri = workspace.uri("harness.toml");
    let ids: Vec<i64> = (0..40)
        .map(|_| server.ask("textDocument/documentSymbol", &json!({"textDocument": {"uri": uri}})))
        .collect();
    for id in &ids {
        server.notify("$/cancelRequest", &json!({"id": id}));
    }
    for id in ids {
        let answer = server.answer(id);
        let code = answer["error"]["code"].as_i64();
        assert!(code.is_none() || code == Some(-32800), "{answer}");
    }
    server.shut_down();
}

#[test]
fn documents_of_5_mib_and_of_other_encodings_are_not_checked_and_say_so() {
    let workspace = Workspace::new("large", &FILES);
    workspace.write("prompts/system.md", b"caf\xe9\n");
    let mut server = Server::open(workspace.path(), &json!({}));
    let report = loop {
        let report = server.request("workspace/diagnostic", &json!({"previousResultIds": []}));
        if !report["items"].as_array().unwrap().is_empty() {
            break report;
        }
    };
    assert!(report.to_string().contains("not checked: not UTF-8 (byte 3)"), "{report}");
    workspace.write("prompts/system.md", &vec![b'a'; 5 * 1024 * 1024]);
    let uri = workspace.uri("prompts/system.md");
    server.notify("workspace/didChangeWatchedFiles", &json!({"changes": [{"uri": uri, "type": 2}]}));
    loop {
        let report = server.request("workspace/diagnostic", &json!({"previousResultIds": []}));
        if report.to_string().contains("not checked: 5 MiB, limit 4 MiB") {
            break;
        }
    }
    // The same text in an editor is kept in step, whatever its size.
    let text = "a".repeat(5 * 1024 * 1024);
    let document = json!({"uri": uri, "languageId": "markdown", "version": 1, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    server.diagnostics(&uri, 1);
    server.shut_down();
}

#[test]
fn a_file_that_no_manifest_names_gets_empty_answers() {
    let (workspace, mut server) = opened("unnamed");
    let uri = workspace.uri("notes.md");
    let document = json!({"uri": uri, "languageId": "markdown", "version": 1, "text": "Use the `grep_files` tool in {{ x }}."});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let here = json!({"textDocument": {"uri": uri}, "position": {"line": 0, "character": 12}});
    for method in ["hover", "definition", "completion", "documentHighlight", "prepareRename"] {
        assert_eq!(server.request(&format!("textDocument/{method}"), &here), Value::Null, "{method}");
    }
    // An empty list is sent only to clear, and there is nothing to clear: the first list is about the next document.
    let named = workspace.uri("prompts/system.md");
    let document = json!({"uri": named, "languageId": "markdown", "version": 1, "text": "{{ x }}"});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let first = server.wait(|message| message["method"] == "textDocument/publishDiagnostics");
    assert_eq!(first["params"]["uri"], named);
    server.shut_down();
}

#[test]
fn a_log_says_what_happened_and_no_text_of_a_project() {
    let workspace = Workspace::new("log", &FILES);
    let file = workspace.path().with_extension("lsp.log");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_self-harness"));
    command.args(["lsp", "--probe", "--log"]).arg(&file).env("SELF_HARNESS_LOG", "debug");
    command.env("SOME_API_KEY", "the-key-of-somebody");
    let mut server = Server::start_as(command).initialized(workspace.path(), &json!({}));
    is_alive(&mut server);
    server.ask("self-harness/test/panic", &Value::Null);
    let command =
        json!({"command": "self-harness.trace", "arguments": [{"root": "file:///the-key-of-somebody"}]});
    server.request("workspace/executeCommand", &command);
    let text = "# The text of a project\n\n{{ workdri }}\n";
    let document =
        json!({"uri": workspace.uri("prompts/system.md"), "languageId": "x", "version": 1, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    server.diagnostics_until(&workspace.uri("prompts/system.md"), |found| !found.is_empty());
    server.shut_down();
    let log = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    for wanted in
        [" INFO ", "a session begins", "test editor", "workspace/symbol", "panicked", "a command failed"]
    {
        assert!(log.contains(wanted), "`{wanted}` is missing: {log}");
    }
    for secret in ["the-key-of-somebody", "The text of", "\u{1b}["] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn a_log_that_cannot_be_written_is_said_before_anything_else() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_self-harness"));
    let done = command.args(["lsp", "--log", "/nowhere/at/all/lsp.log"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(4), "{said}");
    assert!(said.contains("cannot write the log `/nowhere/at/all/lsp.log`"), "{said}");
}
