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
