//! What happens on disk beside the editor: files and harnesses that appear, change and go away, with no word from the client.

use std::fs;

use serde_json::{Value, json};

use crate::FILES;
use crate::client::{Server, Workspace};

fn open(server: &mut Server, workspace: &Workspace, name: &str) -> String {
    let uri = workspace.uri(name);
    let text = FILES.iter().find(|(file, _)| name.ends_with(file)).unwrap().1;
    let document = json!({"uri": uri, "languageId": "x", "version": 1, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    uri
}

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics.iter().filter_map(|each| each["code"].as_str()).collect()
}

fn status(server: &mut Server, wanted: &str) {
    server.wait(|message| {
        message["method"] == "experimental/serverStatus" && message["params"]["message"] == wanted
    });
}

#[test]
fn files_that_appear_change_and_go_are_seen() {
    let workspace = Workspace::new("disk-files", &FILES[..1]);
    let mut server = Server::open(workspace.path(), &json!({}));
    let uri = open(&mut server, &workspace, "harness.toml");
    server.diagnostics_until(&uri, |found| codes(found).contains(&"SH005"));
    for (name, text) in &FILES[1..] {
        workspace.write(name, text.as_bytes());
    }
    let found = server.diagnostics_until(&uri, |found| !codes(found).contains(&"SH005"));
    assert_eq!(codes(&found), ["SH401"]);
    // Another text of a file that is not open, in a directory that was not there before.
    workspace.write("tools/grep.toml", b"name = \"find_file\"\ndescription = \"x\"\nrun = [\"grep\"]\n");
    server.diagnostics_until(&uri, |found| codes(found).contains(&"SH404"));
    fs::rename(workspace.path().join("prompts"), workspace.path().join("texts")).unwrap();
    server.diagnostics_until(&uri, |found| codes(found).contains(&"SH005"));
    fs::rename(workspace.path().join("texts"), workspace.path().join("prompts")).unwrap();
    server.diagnostics_until(&uri, |found| !codes(found).contains(&"SH005"));
    fs::remove_dir_all(workspace.path().join("prompts")).unwrap();
    server.diagnostics_until(&uri, |found| codes(found).contains(&"SH005"));
    server.shut_down();
}

#[test]
fn a_project_below_a_directory_that_none_is_read_from_is_followed_all_the_same() {
    let workspace = Workspace::new("disk-target", &[("target/mine/harness.toml", FILES[0].1)]);
    let mut server = Server::open(&workspace.path().join("target/mine"), &json!({}));
    let uri = open(&mut server, &workspace, "target/mine/harness.toml");
    server.diagnostics_until(&uri, |found| codes(found).contains(&"SH005"));
    for (name, text) in &FILES[1..] {
        workspace.write(&format!("target/mine/{name}"), text.as_bytes());
    }
    server.diagnostics_until(&uri, |found| codes(found) == ["SH401"]);
    server.shut_down();
}

#[test]
fn a_harness_that_appears_is_read_and_one_that_goes_is_forgotten() {
    let workspace = Workspace::new("disk-harness", &[FILES[0], FILES[1], FILES[2]]);
    let mut server = Server::open(workspace.path(), &json!({}));
    let outer = open(&mut server, &workspace, "prompts/system.md");
    server.diagnostics_until(&outer, |found| codes(found) == ["SH104", "SH101"]);
    // A directory with a harness of its own, as a checkout brings it.
    let inner = open(&mut server, &workspace, "inner/prompts/system.md");
    for (name, text) in FILES {
        workspace.write(&format!("inner/{name}"), text.as_bytes());
    }
    server.diagnostics_until(&inner, |found| codes(found) == ["SH104", "SH101"]);
    fs::remove_dir_all(workspace.path().join("inner")).unwrap();
    server.diagnostics_until(&inner, <[Value]>::is_empty);
    server.shut_down();
}

#[test]
fn a_link_that_leaves_the_project_brings_nothing_in() {
    let outside = Workspace::new("disk-outside", &[("prompts/system.md", "`grep_files` tool\n")]);
    let workspace = Workspace::new("disk-link", &[FILES[0], FILES[2]]);
    let mut server = Server::open(workspace.path(), &json!({}));
    let uri = open(&mut server, &workspace, "harness.toml");
    server.diagnostics_until(&uri, |found| codes(found).contains(&"SH005"));
    std::os::unix::fs::symlink(outside.path().join("prompts"), workspace.path().join("prompts")).unwrap();
    let changes = json!([{"uri": workspace.uri("prompts/system.md"), "type": 1}]);
    server.notify("workspace/didChangeWatchedFiles", &json!({"changes": changes}));
    // Something that is seen after it.
    workspace.write("tools/grep.toml", b"name = \"find_file\"\ndescription = \"x\"\nrun = [\"grep\"]\n");
    let found = server.diagnostics_until(&uri, |found| codes(found).contains(&"SH404"));
    assert!(codes(&found).contains(&"SH005"), "{found:?}");
    server.shut_down();
}

#[test]
fn folders_come_and_go() {
    let first = Workspace::new("disk-first", &FILES);
    let second = Workspace::new("disk-second", &FILES);
    let mut server = Server::open(first.path(), &json!({}));
    let uri = open(&mut server, &second, "prompts/system.md");
    // No folder brought it, so its document does.
    server.diagnostics_until(&uri, |found| codes(found) == ["SH104", "SH101"]);
    let folder = json!([{"uri": crate::client::uri(second.path()), "name": "second"}]);
    server.notify("workspace/didChangeWorkspaceFolders", &json!({"event": {"added": folder, "removed": []}}));
    server.notify("workspace/didChangeWorkspaceFolders", &json!({"event": {"added": [], "removed": folder}}));
    server.diagnostics_until(&uri, <[Value]>::is_empty);
    server.shut_down();
}

#[test]
fn the_status_follows_what_is_typed() {
    let workspace = Workspace::new("disk-status", &FILES);
    let capabilities = json!({"experimental": {"serverStatusNotification": true}});
    let mut server = Server::open(workspace.path(), &capabilities);
    status(&mut server, "harness: 1 error");
    let uri = open(&mut server, &workspace, "harness.toml");
    let mut version = 1;
    let mut edit = |server: &mut Server, line: u32, from: u32, to: u32, text: &str| {
        version += 1;
        let range =
            json!({"start": {"line": line, "character": from}, "end": {"line": line, "character": to}});
        server.notify(
            "textDocument/didChange",
            &json!({
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"range": range, "text": text}],
            }),
        );
    };
    edit(&mut server, 18, 9, 14, "verify");
    status(&mut server, "harness: checks only");
    edit(&mut server, 18, 8, 9, "");
    status(&mut server, "harness: the manifest does not parse");
    server.shut_down();
}

#[test]
fn a_harness_that_appears_in_a_folder_without_one_is_seen() {
    let workspace = Workspace::new("disk-later", &[("README.md", "")]);
    let mut server = Server::open(workspace.path(), &json!({}));
    let uri = open(&mut server, &workspace, "a/prompts/system.md");
    for _ in 0..2 {
        for (name, text) in FILES {
            workspace.write(&format!("a/{name}"), text.as_bytes());
        }
        server.diagnostics_until(&uri, |found| codes(found) == ["SH104", "SH101"]);
        fs::remove_dir_all(workspace.path().join("a")).unwrap();
        server.diagnostics_until(&uri, <[Value]>::is_empty);
    }
    server.shut_down();
}

#[test]
fn what_the_client_says_of_the_disk_is_known_to_the_next_request() {
    let workspace = Workspace::new("disk-order", &FILES);
    let mut server = Server::open(workspace.path(), &json!({"textDocument": {"diagnostic": {}}}));
    let uri = workspace.uri("prompts/system.md");
    let pull = |server: &mut Server| {
        let report = server.request("textDocument/diagnostic", &json!({"textDocument": {"uri": uri}}));
        report["items"].as_array().unwrap().len()
    };
    assert_eq!(pull(&mut server), 2);
    for round in 0..20 {
        let text = if round % 2 == 0 { "Fine.\n" } else { FILES[1].1 };
        workspace.write("prompts/system.md", text.as_bytes());
        let changes = json!([{"uri": uri, "type": 2}]);
        server.notify("workspace/didChangeWatchedFiles", &json!({"changes": changes}));
        assert_eq!(pull(&mut server), if round % 2 == 0 { 0 } else { 2 }, "round {round}");
    }
    // The same for a document that is saved and closed at once.
    for version in 1..20 {
        let text = if version % 2 == 0 { "Fine.\n" } else { FILES[1].1 };
        let document = json!({"uri": uri, "languageId": "markdown", "version": version, "text": text});
        server.notify("textDocument/didOpen", &json!({"textDocument": document}));
        workspace.write("prompts/system.md", text.as_bytes());
        server.notify("textDocument/didSave", &json!({"textDocument": {"uri": uri}}));
        server.notify("textDocument/didClose", &json!({"textDocument": {"uri": uri}}));
        assert_eq!(pull(&mut server), if version % 2 == 0 { 0 } else { 2 }, "version {version}");
    }
    server.shut_down();
}

#[test]
fn a_document_belongs_to_the_nearest_manifest_that_names_it_wherever_the_folder_begins() {
    let mut files = vec![("harness.toml", FILES[0].1), ("tools/grep.toml", FILES[2].1)];
    files.push(("prompts/system.md", FILES[1].1));
    files.push((
        "prompts/harness.toml",
        "schema = 1\n[model]\nname = \"m\"\nendpoint = \"http://127.0.0.1:1/v1\"\n",
    ));
    let workspace = Workspace::new("disk-above", &files);
    // The folder lies below the manifest that names the file, and has one that does not.
    let mut server = Server::open(&workspace.path().join("prompts"), &json!({}));
    let uri = open(&mut server, &workspace, "prompts/system.md");
    server.diagnostics_until(&uri, |found| codes(found) == ["SH104", "SH101"]);
    server.shut_down();
}

#[test]
fn a_text_that_is_too_large_is_not_checked_when_it_is_open_either() {
    let workspace = Workspace::new("disk-large", &FILES);
    let mut server = Server::open(workspace.path(), &json!({}));
    let uri = workspace.uri("prompts/system.md");
    let text = FILES[1].1.repeat(5 * 1024 * 1024 / FILES[1].1.len());
    let document = json!({"uri": uri, "languageId": "markdown", "version": 1, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let found = server.diagnostics(&uri, 1);
    assert_eq!(codes(&found), ["SH010"]);
    server.shut_down();
}
