//! What was agreed with the client: encoding, folders, and what the client can do.

use std::path::PathBuf;

use harness_schema::text::Encoding;
use serde_json::{Value, json};

use super::from_proto;
use crate::ide::pages::name::SCHEME;
use crate::ide::{command, tokens};

/// What was agreed in `initialize`.
#[derive(Debug)]
pub struct Session {
    /// How the client counts columns.
    pub encoding: Encoding,
    /// The folders that are open.
    pub folders: Vec<PathBuf>,
    /// What the client calls itself, as people read it.
    pub editor: String,
    client: Value,
}

impl Session {
    /// Reads the parameters of `initialize`. Nothing in them grants a right.
    #[must_use]
    pub fn new(params: &Value) -> Self {
        let client = params.get("capabilities").cloned().unwrap_or_default();
        let folders: Vec<PathBuf> = match params.get("workspaceFolders").and_then(Value::as_array) {
            Some(folders) => {
                folders.iter().filter_map(|folder| from_proto::path(folder.get("uri")?.as_str()?)).collect()
            }
            None => {
                // The oldest clients know paths only.
                let path = || params.get("rootPath").and_then(Value::as_str).map(PathBuf::from);
                let root = params.get("rootUri").and_then(Value::as_str).and_then(from_proto::path);
                root.or_else(path).filter(|root| root.is_absolute()).into_iter().collect()
            }
        };
        let editor = params.pointer("/clientInfo/name").and_then(Value::as_str);
        let editor = editor.map_or_else(|| String::from("an editor"), |name| name.chars().take(40).collect());
        Self { encoding: encoding(&client), folders, editor, client }
    }

    /// Whether the client announces a capability, by its path in `ClientCapabilities`.
    #[must_use]
    pub fn can(&self, pointer: &str) -> bool {
        match self.client.pointer(pointer) {
            Some(Value::Bool(can)) => *can,
            Some(Value::Null) | None => false,
            Some(_) => true,
        }
    }

    /// A list that the client announces.
    #[must_use]
    pub fn lists(&self, pointer: &str, word: &str) -> bool {
        let list = self.client.pointer(pointer).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|each| each == word))
    }

    /// Whether the client asks for diagnostics itself.
    #[must_use]
    pub fn pulls(&self) -> bool {
        self.can("/textDocument/diagnostic")
    }

    /// Whether the client pulls, and cannot be told that what it has is old: what a run has found would stay unseen until somebody
    /// types.
    #[must_use]
    pub fn pulls_blindly(&self) -> bool {
        self.pulls() && !self.can("/workspace/diagnostics/refreshSupport")
    }

    /// Whether the client watches files for us.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.can("/workspace/didChangeWatchedFiles/dynamicRegistration")
    }

    /// Whether the client opens documents of `selfharness:`: ours do, and those that know LSP 3.18.
    #[must_use]
    pub fn opens_ours(&self) -> bool {
        self.can("/experimental/selfHarness/content") || self.can("/workspace/textDocumentContent")
    }

    /// What this server can do for this client.
    #[must_use]
    pub fn answer(&self) -> Value {
        let encoding = match self.encoding {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
            Encoding::Utf32 => "utf-32",
        };
        let commands: Vec<String> =
            command::WORDS.iter().map(|word| format!("{}{word}", command::PREFIX)).collect();
        let renames = json!({
            "filters": [{"scheme": "file", "pattern": {"glob": "**/*"}}],
        });
        let mut answer = json!({
            "serverInfo": {"name": "self-harness", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {
                "positionEncoding": encoding,
                "textDocumentSync": {"openClose": true, "change": 2, "save": {"includeText": false}},
                "diagnosticProvider": {
                    "identifier": "self-harness",
                    "interFileDependencies": true,
                    "workspaceDiagnostics": true,
                },
                "hoverProvider": true,
                "completionProvider": {
                    "triggerCharacters": ["\"", "{", "[", ".", "/", "`"],
                    "resolveProvider": true,
                },
                "definitionProvider": true,
                "referencesProvider": true,
                "documentHighlightProvider": true,
                "renameProvider": {"prepareProvider": true},
                "documentSymbolProvider": true,
                "workspaceSymbolProvider": true,
                "documentLinkProvider": {"resolveProvider": false},
                "foldingRangeProvider": true,
                "selectionRangeProvider": true,
                "callHierarchyProvider": true,
                "codeActionProvider": {
                    "codeActionKinds": [
                        "quickfix",
                        "quickfix.selfHarness.proposal",
                        "refactor.rewrite",
                        "source.fixAll.selfHarness",
                        "source.selfHarness",
                    ],
                    "resolveProvider": true,
                },
                "inlayHintProvider": {"resolveProvider": true},
                "codeLensProvider": {"resolveProvider": true},
                "executeCommandProvider": {"commands": commands},
                "semanticTokensProvider": {
                    "legend": {"tokenTypes": tokens::LEGEND, "tokenModifiers": ["definition"]},
                    "full": {"delta": true},
                    "range": true,
                },
                "workspace": {
                    "workspaceFolders": {"supported": true, "changeNotifications": true},
                    "fileOperations": {"willRename": renames},
                    "textDocumentContent": {"schemes": [SCHEME]},
                },
                "experimental": {"selfHarness": {"schema": 1}, "testExplorer": true},
            },
        });
        // Runs are for Linux: elsewhere nobody could start what a lens or a command says.
        if cfg!(not(target_os = "linux"))
            && let Some(capabilities) = answer.get_mut("capabilities").and_then(Value::as_object_mut)
        {
            for capability in
                ["executeCommandProvider", "codeLensProvider", "inlayHintProvider", "experimental"]
            {
                capabilities.remove(capability);
            }
        }
        answer
    }
}

/// The first encoding that both sides know, in the client's order; UTF-16 if the client names none (LSP 3.17).
fn encoding(client: &Value) -> Encoding {
    let offered = client.pointer("/general/positionEncodings").and_then(Value::as_array);
    let known = |name: &Value| match name.as_str()? {
        "utf-8" => Some(Encoding::Utf8),
        "utf-16" => Some(Encoding::Utf16),
        "utf-32" => Some(Encoding::Utf32),
        _ => None,
    };
    offered.and_then(|names| names.iter().find_map(known)).unwrap_or(Encoding::Utf16)
}
