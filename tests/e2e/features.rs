//! What an editor shows: problems, fixes, names, outlines.

use serde_json::{Value, json};

use crate::FILES;
use crate::client::{Server, Workspace};

fn all_capabilities() -> Value {
    json!({
        "workspace": {
            "workspaceEdit": {"documentChanges": true, "resourceOperations": ["create", "rename", "delete"]},
        },
        "textDocument": {
            "codeAction": {
                "codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}},
                "resolveSupport": {"properties": ["edit"]},
            },
            "hover": {"contentFormat": ["markdown", "plaintext"]},
            "documentSymbol": {"hierarchicalDocumentSymbolSupport": true},
        },
    })
}

fn open(server: &mut Server, workspace: &Workspace, name: &str) -> String {
    let uri = workspace.uri(name);
    let text = FILES.iter().find(|(file, _)| *file == name).unwrap().1;
    let document = json!({"uri": uri, "languageId": "x", "version": 1, "text": text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    uri
}

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics.iter().filter_map(|each| each["code"].as_str()).collect()
}

fn at(uri: &str, line: u32, character: u32) -> Value {
    json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}})
}

#[test]
fn problems_are_pushed_and_follow_what_is_typed() {
    let workspace = Workspace::new("push", &FILES);
    let mut server = Server::open(workspace.path(), &json!({}));
    let uri = open(&mut server, &workspace, "prompts/system.md");
    let found = server.diagnostics_until(&uri, |found| found.len() == 2);
    assert_eq!(codes(&found), ["SH104", "SH101"]);
    // The emoji before is two UTF-16 units, on another line; the place is in the tool's own name.
    assert_eq!(
        found[0]["range"],
        json!({"start": {"line": 2, "character": 9}, "end": {"line": 2, "character": 19}})
    );
    let changes = json!([{"range": {"start": {"line": 2, "character": 18}, "end": {"line": 2, "character": 19}}, "text": ""}]);
    server.notify(
        "textDocument/didChange",
        &json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": changes}),
    );
    let found = server.diagnostics(&uri, 2);
    assert_eq!(codes(&found), ["SH101"]);
    server.shut_down();
}

#[test]
fn problems_are_pulled_and_unchanged_ones_are_not_sent_again() {
    let workspace = Workspace::new("pull", &FILES);
    let mut server = Server::open(workspace.path(), &json!({"textDocument": {"diagnostic": {}}}));
    let uri = open(&mut server, &workspace, "harness.toml");
    let report = loop {
        let report = server.request("textDocument/diagnostic", &json!({"textDocument": {"uri": uri}}));
        if report["items"].as_array().is_some_and(|items| !items.is_empty()) {
            break report;
        }
    };
    assert_eq!(codes(report["items"].as_array().unwrap()), ["SH401"]);
    let again = json!({"textDocument": {"uri": uri}, "previousResultId": report["resultId"]});
    assert_eq!(server.request("textDocument/diagnostic", &again)["kind"], "unchanged");
    let all = server.request("workspace/diagnostic", &json!({"previousResultIds": []}));
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all}");
    server.shut_down();
}

#[test]
fn a_quick_fix_and_fixing_all() {
    let workspace = Workspace::new("fix", &FILES);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let uri = open(&mut server, &workspace, "harness.toml");
    let found = server.diagnostics_until(&uri, |found| !found.is_empty());
    let context = json!({"diagnostics": found, "triggerKind": 1});
    let params = json!({"textDocument": {"uri": uri}, "range": found[0]["range"], "context": context});
    let actions = server.request("textDocument/codeAction", &params);
    let titles: Vec<&str> =
        actions.as_array().unwrap().iter().filter_map(|action| action["title"].as_str()).collect();
    assert_eq!(titles, ["Replace with `verify`"]);
    assert_eq!(actions[0]["isPreferred"], true);
    let edit = &actions[0]["edit"]["documentChanges"][0];
    assert_eq!(edit["textDocument"], json!({"uri": uri, "version": 1}));
    assert_eq!(edit["edits"][0]["newText"], "verify");
    let context = json!({"diagnostics": [], "only": ["source.fixAll"]});
    let params = json!({"textDocument": {"uri": uri}, "range": found[0]["range"], "context": context});
    let actions = server.request("textDocument/codeAction", &params);
    assert_eq!(actions[0]["kind"], "source.fixAll.selfHarness");
    let resolved = server.request("codeAction/resolve", &actions[0]);
    assert_eq!(resolved["edit"]["documentChanges"][0]["edits"][0]["newText"], "i", "{resolved}");
    server.shut_down();
}

#[test]
fn a_tool_is_found_and_renamed_in_every_file() {
    let workspace = Workspace::new("rename", &FILES);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let uri = open(&mut server, &workspace, "prompts/system.md");
    server.diagnostics_until(&uri, |found| !found.is_empty());
    let definition = server.request("textDocument/definition", &at(&uri, 4, 7));
    assert_eq!(definition["uri"], workspace.uri("tools/grep.toml"));
    let mut params = at(&uri, 4, 7);
    params["context"] = json!({"includeDeclaration": true});
    assert_eq!(server.request("textDocument/references", &params).as_array().unwrap().len(), 3);
    let prepared = server.request("textDocument/prepareRename", &at(&uri, 4, 7));
    assert_eq!(prepared["placeholder"], "grep_file");
    let mut params = at(&uri, 4, 7);
    params["newName"] = json!("search");
    let edit = server.request("textDocument/rename", &params);
    let changes = edit["documentChanges"].as_array().unwrap();
    assert_eq!(changes.len(), 3, "{edit}");
    assert!(changes.iter().all(|change| change["edits"][0]["newText"] == "search"), "{edit}");
    params["newName"] = json!("not a name");
    let id = server.ask("textDocument/rename", &params);
    let answer = server.answer(id);
    assert_eq!(answer["error"]["code"], -32803);
    assert!(
        answer["error"]["message"].as_str().unwrap().starts_with("`not a name` is no name for a tool"),
        "{answer}"
    );
    server.shut_down();
}

#[test]
fn hover_completion_and_outline() {
    let workspace = Workspace::new("hover", &FILES);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let uri = open(&mut server, &workspace, "prompts/system.md");
    let manifest = open(&mut server, &workspace, "harness.toml");
    server.diagnostics_until(&uri, |found| !found.is_empty());
    let hover = server.request("textDocument/hover", &at(&uri, 4, 7));
    assert!(hover["contents"]["value"].as_str().unwrap().contains("Searches one file."), "{hover}");
    let items = server.request("textDocument/completion", &at(&uri, 4, 5));
    assert_eq!(items["items"][0]["label"], "grep_file", "{items}");
    let outline = server.request("textDocument/documentSymbol", &json!({"textDocument": {"uri": uri}}));
    assert_eq!(outline[0]["name"], "Rules 😀");
    let states = server.request("textDocument/completion", &at(&manifest, 18, 10));
    let labels: Vec<&str> =
        states["items"].as_array().unwrap().iter().filter_map(|item| item["label"].as_str()).collect();
    assert_eq!(labels, ["work", "verify", "end"]);
    let hover = server.request("textDocument/hover", &at(&manifest, 3, 2));
    assert!(hover["contents"]["value"].as_str().unwrap().starts_with("`endpoint`: "), "{hover}");
    let changes = json!([{"range": {"start": {"line": 4, "character": 10}, "end": {"line": 4, "character": 10}}, "text": "\nprotocol = \"\"\nte"}]);
    server.notify(
        "textDocument/didChange",
        &json!({"textDocument": {"uri": manifest, "version": 2}, "contentChanges": changes}),
    );
    let values = server.request("textDocument/completion", &at(&manifest, 5, 12));
    let labels: Vec<&str> =
        values["items"].as_array().unwrap().iter().filter_map(|item| item["label"].as_str()).collect();
    assert_eq!(labels, ["openai", "anthropic"]);
    let keys = server.request("textDocument/completion", &at(&manifest, 6, 2));
    let temperature = keys["items"].as_array().unwrap().iter().find(|item| item["label"] == "temperature");
    assert!(temperature.is_some_and(|item| !item["detail"].as_str().unwrap().is_empty()), "{keys}");
    let changes = json!([{"range": {"start": {"line": 4, "character": 10}, "end": {"line": 6, "character": 2}}, "text": ""}]);
    server.notify(
        "textDocument/didChange",
        &json!({"textDocument": {"uri": manifest, "version": 3}, "contentChanges": changes}),
    );
    let item = server.request("textDocument/prepareCallHierarchy", &at(&manifest, 21, 7));
    assert_eq!(item[0]["name"], "verify", "{item}");
    let next = server.request("callHierarchy/outgoingCalls", &json!({"item": item[0]}));
    assert_eq!(next[0]["to"]["name"], "work", "{next}");
    let links = server.request("textDocument/documentLink", &json!({"textDocument": {"uri": manifest}}));
    assert_eq!(links.as_array().unwrap().len(), 2, "{links}");
    let symbols = server.request("workspace/symbol", &json!({"query": "grep"}));
    assert_eq!(symbols[0]["name"], "grep_file", "{symbols}");
    server.shut_down();
}

#[test]
fn semantic_tokens_whole_and_as_a_difference() {
    let workspace = Workspace::new("tokens", &FILES);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let uri = open(&mut server, &workspace, "prompts/system.md");
    server.diagnostics_until(&uri, |found| !found.is_empty());
    let document = json!({"textDocument": {"uri": uri}});
    let tokens = server.request("textDocument/semanticTokens/full", &document);
    // The known tool on line 4; the unknown tool and the unknown variable have none, and the whole text is the surface.
    assert_eq!(tokens["data"], json!([4, 5, 9, 1, 0]), "{tokens}");
    let changes = json!([{"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "\n"}]);
    server.notify(
        "textDocument/didChange",
        &json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": changes}),
    );
    let mut params = document;
    params["previousResultId"] = tokens["resultId"].clone();
    let delta = server.request("textDocument/semanticTokens/full/delta", &params);
    assert_eq!(delta["edits"], json!([{"start": 0, "deleteCount": 1, "data": [5]}]), "{delta}");
    server.shut_down();
}

#[test]
fn a_renamed_file_is_renamed_in_the_manifest() {
    let workspace = Workspace::new("files", &FILES);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let uri = open(&mut server, &workspace, "prompts/system.md");
    server.diagnostics_until(&uri, |found| !found.is_empty());
    let files = json!([{"oldUri": workspace.uri("prompts"), "newUri": workspace.uri("texts")}]);
    let edit = server.request("workspace/willRenameFiles", &json!({"files": files}));
    let change = &edit["documentChanges"][0];
    assert_eq!(change["textDocument"]["uri"], workspace.uri("harness.toml"), "{edit}");
    assert_eq!(change["edits"][0]["newText"], "texts/system.md");
    server.shut_down();
}

#[test]
fn a_renamed_file_of_two_projects_is_renamed_in_both_manifests() {
    let head = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\n";
    let outer = format!("{head}system = \"inner/s.md\"\n");
    let inner = format!("{head}system = \"s.md\"\n");
    let files = [("harness.toml", outer.as_str()), ("inner/harness.toml", &inner), ("inner/s.md", "Work.\n")];
    let workspace = Workspace::new("two", &files);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let files = json!([{"oldUri": workspace.uri("inner/s.md"), "newUri": workspace.uri("inner/t.md")}]);
    let edit = server.request("workspace/willRenameFiles", &json!({"files": files}));
    let changes = edit["documentChanges"].as_array().unwrap().iter();
    let mut changed: Vec<_> = changes
        .map(|change| (change["textDocument"]["uri"].clone(), change["edits"][0]["newText"].clone()))
        .collect();
    changed.sort_by_key(|(uri, _)| uri.to_string());
    let expected = [
        (json!(workspace.uri("harness.toml")), json!("inner/t.md")),
        (json!(workspace.uri("inner/harness.toml")), json!("t.md")),
    ];
    assert_eq!(changed, expected);
    server.shut_down();
}

#[test]
fn a_fix_of_several_files_asks_first_where_the_client_can() {
    let mut capabilities = all_capabilities();
    capabilities["workspace"]["workspaceEdit"]["changeAnnotationSupport"] = json!({});
    let manifest = FILES[0].1.replace(
        "[[tool]]\n",
        "[[tool]]\nname = \"Grep_file\"\ndescription = \"x\"\nrun = [\"grep\"]\n\n[[tool]]\n",
    );
    let workspace = Workspace::new("confirm", &[("harness.toml", &manifest), FILES[1], FILES[2]]);
    let mut server = Server::open(workspace.path(), &capabilities);
    let uri = open(&mut server, &workspace, "tools/grep.toml");
    let found = server.diagnostics_until(&uri, |found| codes(found).contains(&"SH201"));
    let context = json!({"diagnostics": found, "triggerKind": 1});
    let params = json!({"textDocument": {"uri": uri}, "range": found[0]["range"], "context": context});
    let actions = server.request("textDocument/codeAction", &params);
    let several =
        actions.as_array().unwrap().iter().find(|action| {
            action["edit"]["documentChanges"].as_array().is_some_and(|changes| 1 < changes.len())
        });
    let edit = &several.unwrap_or_else(|| panic!("{actions}"))["edit"];
    let (name, annotation) = edit["changeAnnotations"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(annotation["needsConfirmation"], true);
    for change in edit["documentChanges"].as_array().unwrap() {
        assert_eq!(change["edits"][0]["annotationId"], json!(name), "{edit}");
    }
    server.shut_down();
}

#[test]
fn what_a_client_cannot_read_is_not_sent() {
    let workspace = Workspace::new("plain", &FILES);
    let mut server = Server::open(workspace.path(), &json!({}));
    let uri = open(&mut server, &workspace, "prompts/system.md");
    let manifest = open(&mut server, &workspace, "harness.toml");
    let found = server.diagnostics_until(&manifest, |found| !found.is_empty());
    let hover = server.request("textDocument/hover", &at(&uri, 4, 7));
    assert_eq!(hover["contents"]["kind"], "plaintext", "{hover}");
    assert!(!hover["contents"]["value"].as_str().unwrap().contains('`'), "{hover}");
    let symbols = server.request("textDocument/documentSymbol", &json!({"textDocument": {"uri": manifest}}));
    assert_eq!(symbols[1]["location"]["uri"], manifest, "{symbols}");
    assert!(symbols.as_array().unwrap().iter().any(|symbol| symbol["containerName"] == "model"), "{symbols}");
    let context = json!({"diagnostics": found, "triggerKind": 1});
    let params = json!({"textDocument": {"uri": manifest}, "range": found[0]["range"], "context": context});
    assert_eq!(server.request("textDocument/codeAction", &params), Value::Null);
    server.shut_down();
}

#[test]
fn actions_are_those_that_were_asked_for() {
    let workspace = Workspace::new("only", &FILES);
    let mut server = Server::open(workspace.path(), &all_capabilities());
    let uri = open(&mut server, &workspace, "prompts/system.md");
    server.diagnostics_until(&uri, |found| found.len() == 2);
    let mut titles = |context: Value| -> Vec<String> {
        let whole = json!({"start": {"line": 0, "character": 0}, "end": {"line": 5, "character": 0}});
        let params = json!({"textDocument": {"uri": uri}, "range": whole, "context": context});
        let actions = server.request("textDocument/codeAction", &params);
        let titles =
            actions.as_array().unwrap().iter().map(|action| action["title"].as_str().unwrap().to_owned());
        titles.collect()
    };
    assert!(!titles(json!({"diagnostics": [], "triggerKind": 1})).is_empty());
    assert!(!titles(json!({"diagnostics": [], "only": [""]})).is_empty());
    // Nobody asked, and no problem is at an end of the selection.
    assert!(titles(json!({"diagnostics": [], "triggerKind": 2})).is_empty());
    // There is nothing that is safe to fix here.
    assert_eq!(titles(json!({"diagnostics": [], "only": ["source.fixAll"]})), Vec::<String>::new());
    server.shut_down();
}
