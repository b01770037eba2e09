//! To the protocol: spans to ranges, values of `ide` to messages. Messages are built as JSON, which reads like the
//! specification, and become the protocol's types at once, so that a wrong name is found here and not by a client.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Location, Problem, Severity};
use harness_schema::text::{Encoding, Span, Text, TextEdit};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc::{Error, Result};

use super::session::Session;
use crate::ide::completion::{Item, ItemKind};
use crate::ide::pages::name::{SCHEME, root_id};
use crate::ide::symbols::{Entry, Icon};
use crate::ide::tokens::Token;
use crate::workspace::{Project, Snapshot};

/// JSON as a type of the protocol.
///
/// # Errors
/// An internal error if it is none, which is a bug here.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| {
        tracing::error!(%error, "an answer does not fit the protocol");
        Error::internal_error()
    })
}

/// The URI of a path (RFC 8089, with the characters that RFC 3986 leaves as they are).
#[must_use]
pub fn uri(path: &Path) -> String {
    let path = path.to_string_lossy();
    // `C:\\x` becomes `/C:/x` (RFC 8089, appendix E.2).
    let slashed = if cfg!(windows) { format!("/{}", path.replace('\\', "/")) } else { path.into_owned() };
    let mut uri = String::from("file://");
    for byte in slashed.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// A range.
#[must_use]
pub fn range(text: &Text, span: Span, encoding: Encoding) -> Value {
    json!(places(text, span, encoding))
}

fn places(text: &Text, span: Span, encoding: Encoding) -> lsp::Range {
    let place = |offset: u32| {
        let position = text.position(offset as usize, encoding);
        lsp::Position { line: position.line, character: position.column }
    };
    lsp::Range { start: place(span.start), end: place(span.end) }
}

/// A place in a file of a project; the start of the file if its text is not there.
#[must_use]
pub fn location(project: &Project, location: &Location, encoding: Encoding) -> Value {
    json!(elsewhere(project, location, encoding))
}

fn elsewhere(project: &Project, location: &Location, encoding: Encoding) -> lsp::Location {
    let text = project
        .harness()
        .document(&location.file)
        .map(|document| document.text().clone())
        .unwrap_or_default();
    let range = places(&text, location.span, encoding);
    lsp::Location { uri: lsp::Uri(uri(&project.absolute(&location.file))), range }
}

/// The diagnostics of a file. Unlike most messages they are no JSON on the way: they are made at each keystroke.
#[must_use]
pub fn diagnostics(
    project: &Project,
    file: &FilePath,
    problems: &[Problem],
    session: &Session,
) -> Vec<lsp::Diagnostic> {
    let text = project.harness().document(file).map(|document| document.text().clone()).unwrap_or_default();
    problems.iter().map(|problem| diagnostic(project, &text, problem, session)).collect()
}

fn diagnostic(project: &Project, text: &Text, problem: &Problem, session: &Session) -> lsp::Diagnostic {
    let encoding = session.encoding;
    let severity = match problem.severity {
        Severity::Error => lsp::DiagnosticSeverity::Error,
        Severity::Warning => lsp::DiagnosticSeverity::Warning,
        Severity::Information => lsp::DiagnosticSeverity::Information,
        Severity::Hint => lsp::DiagnosticSeverity::Hint,
    };
    let message = match problem.why.as_str() {
        "" => problem.message.clone(),
        why => format!("{}\n{why}", problem.message),
    };
    let says = |what: &str| {
        session.can(&format!("/textDocument/publishDiagnostics/{what}"))
            || session.can(&format!("/textDocument/diagnostic/{what}"))
    };
    let related = problem.related.iter().map(|related| lsp::DiagnosticRelatedInformation {
        location: elsewhere(project, &related.location, encoding),
        message: related.message.clone(),
    });
    let shows_related = !problem.related.is_empty() && says("relatedInformation");
    lsp::Diagnostic {
        range: places(text, problem.span, encoding),
        severity: Some(severity),
        code: Some(problem.rule.id.to_owned().into()),
        source: Some(source(problem).to_owned()),
        message: message.into(),
        data: Some(json!({"rule": problem.rule.id, "symbol": problem.symbol})),
        code_description: session.opens_ours().then(|| lsp::CodeDescription {
            href: lsp::Uri(format!("{SCHEME}://{}/rule/{}", root_id(project.root()), problem.rule.id)),
        }),
        tags: (problem.rule.unnecessary && says("tagSupport")).then(|| vec![lsp::DiagnosticTag::Unnecessary]),
        related_information: shows_related.then(|| related.collect()),
    }
}

/// Who says so: a check of documents, trials, or the machine (`editor` 2.2).
fn source(problem: &Problem) -> &'static str {
    match problem.rule.id.get(..3) {
        Some("SH8") => "self-harness evidence",
        Some("SH9") => "self-harness environment",
        _ => "self-harness",
    }
}

/// The name of the one annotation that edits of several files have.
const SEVERAL: &str = "several-files";

/// The same edit with a question to the user in front, where it changes several files and the client can ask.
#[must_use]
pub fn confirmed(mut edit: Value, session: &Session) -> Value {
    let count = edit.get("documentChanges").and_then(Value::as_array).map_or(0, Vec::len);
    if count < 2 || !session.can("/workspace/workspaceEdit/changeAnnotationSupport") {
        return edit;
    }
    // Text edits get theirs in `annotated`.
    for change in edit.get_mut("documentChanges").and_then(Value::as_array_mut).into_iter().flatten() {
        if change.get("kind").is_some() {
            change["annotationId"] = json!(SEVERAL);
        }
    }
    edit["changeAnnotations"] = json!({SEVERAL: {
        "label": format!("Change {count} files"),
        "needsConfirmation": true,
        "description": "this fix changes more than the file it was found in",
    }});
    edit
}

/// The same actions, with the annotations of their text edits. As the protocol's types read an edit, the plain one comes first
/// and an annotation would be lost on the way.
#[must_use]
pub fn annotated(mut actions: Vec<lsp::CodeActionResponse>) -> Vec<lsp::CodeActionResponse> {
    for action in &mut actions {
        if let lsp::CodeActionResponse::CodeAction(action) = action
            && let Some(edit) = &mut action.edit
        {
            annotate(edit);
        }
    }
    actions
}

/// See [`annotated`]: of one edit.
pub fn annotate(edit: &mut lsp::WorkspaceEdit) {
    if edit.change_annotations.is_none() {
        return;
    }
    for change in edit.document_changes.iter_mut().flatten() {
        let lsp::DocumentChange::TextDocumentEdit(change) = change else { continue };
        for edit in &mut change.edits {
            let mut value = serde_json::to_value(&*edit).unwrap_or_default();
            value["annotationId"] = json!(SEVERAL);
            if let Ok(annotated) = serde_json::from_value(value) {
                *edit = lsp::Edit::AnnotatedTextEdit(annotated);
            }
        }
    }
}

/// Changes as one edit of the workspace; `None` if the client cannot do them.
#[must_use]
pub fn workspace_edit(
    snapshot: &Snapshot,
    project: &Project,
    changes: &[Change],
    session: &Session,
) -> Option<Value> {
    let mut edits: BTreeMap<&FilePath, Vec<&TextEdit>> = BTreeMap::new();
    let mut operations = Vec::new();
    for change in changes {
        match change {
            Change::Edit { file, edit } => edits.entry(file).or_default().push(edit),
            Change::Create { file, text } => {
                let uri = uri(&project.absolute(file));
                operations
                    .push(("create", json!({"kind": "create", "uri": uri, "options": {"overwrite": false}})));
                let insert = json!({"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "newText": text});
                operations.push((
                    "create",
                    json!({"textDocument": {"uri": uri, "version": null}, "edits": [insert]}),
                ));
            }
            Change::Move { from, to } => {
                let (from, to) = (uri(&project.absolute(from)), uri(&project.absolute(to)));
                operations.push((
                    "rename",
                    json!({"kind": "rename", "oldUri": from, "newUri": to, "options": {"overwrite": false}}),
                ));
            }
        }
    }
    let kinds = "/workspace/workspaceEdit/resourceOperations";
    if !operations.iter().all(|(kind, _)| session.lists(kinds, kind)) {
        return None;
    }
    let versioned = session.can("/workspace/workspaceEdit/documentChanges");
    let files = edits.into_iter().map(|(file, edits)| {
        let path = project.absolute(file);
        let text =
            project.harness().document(file).map(|document| document.text().clone()).unwrap_or_default();
        let version = snapshot.buffers().get(&path).map(|buffer| buffer.version);
        let edits: Vec<Value> = edits
            .into_iter()
            .map(|edit| before_last_break(text.as_str(), edit))
            .map(|edit| json!({"range": range(&text, edit.span, session.encoding), "newText": edit.new_text}))
            .collect();
        (uri(&path), version, edits)
    });
    if versioned || !operations.is_empty() {
        let mut changes: Vec<Value> = files
            .map(|(uri, version, edits)| json!({"textDocument": {"uri": uri, "version": version}, "edits": edits}))
            .collect();
        // Edits first: they speak of the files where they are now.
        changes.extend(operations.into_iter().map(|(_, operation)| operation));
        return Some(json!({"documentChanges": changes}));
    }
    let changes: serde_json::Map<String, Value> =
        files.map(|(uri, _, edits)| (uri, Value::from(edits))).collect();
    Some(json!({"changes": changes}))
}

/// What is added behind the last line break, added before it: the same bytes afterwards. Neovim up to 0.11 leaves an empty line
/// behind lines that are added at the very end (`apply_text_edits` of its `vim/lsp/util.lua`).
fn before_last_break(source: &str, edit: &TextEdit) -> TextEdit {
    let is_at_end = edit.span == Span::at(source.len());
    for line_break in ["\r\n", "\n"] {
        if let (true, Some(before), Some(lines)) =
            (is_at_end, source.strip_suffix(line_break), edit.new_text.strip_suffix(line_break))
        {
            return TextEdit { span: Span::at(before.len()), new_text: format!("{line_break}{lines}") };
        }
    }
    edit.clone()
}

/// Two edits of the workspace as one; what both say of a file stands there once.
#[must_use]
pub fn joined(mut first: Value, second: Value) -> Value {
    let same =
        |one: &Value, other: &Value| one.pointer("/textDocument/uri") == other.pointer("/textDocument/uri");
    if let (Some(all), Some(more)) = (
        first.get_mut("documentChanges").and_then(Value::as_array_mut),
        second.get("documentChanges").and_then(Value::as_array),
    ) {
        for change in more {
            match all.iter_mut().find(|other| other.get("edits").is_some() && same(other, change)) {
                Some(other) => add_edits(&mut other["edits"], change.get("edits")),
                None => all.push(change.clone()),
            }
        }
    }
    if let (Some(all), Some(more)) = (
        first.get_mut("changes").and_then(Value::as_object_mut),
        second.get("changes").and_then(Value::as_object),
    ) {
        for (uri, edits) in more {
            add_edits(all.entry(uri.clone()).or_insert_with(|| json!([])), Some(edits));
        }
    }
    first
}

fn add_edits(all: &mut Value, more: Option<&Value>) {
    let (Some(all), Some(more)) = (all.as_array_mut(), more.and_then(Value::as_array)) else { return };
    for edit in more {
        if !all.contains(edit) {
            all.push(edit.clone());
        }
    }
}

/// An outline, nested.
#[must_use]
pub fn outline(entries: &[Entry], text: &Text, encoding: Encoding) -> Value {
    entries
        .iter()
        .map(|entry| {
            json!({
                "name": entry.name,
                "detail": entry.detail,
                "kind": symbol_kind(entry.icon),
                "range": range(text, entry.span, encoding),
                "selectionRange": range(text, inside(entry.selection, entry.span), encoding),
                "children": outline(&entry.children, text, encoding),
            })
        })
        .collect()
}

/// A nested outline as the list that older clients read (LSP 3.17, `SymbolInformation`).
#[must_use]
pub fn flat(outline: &Value, uri: &str) -> Value {
    fn add(entries: &Value, uri: &str, container: Option<&Value>, all: &mut Vec<Value>) {
        for entry in entries.as_array().into_iter().flatten() {
            let location = json!({"uri": uri, "range": entry["range"]});
            let mut symbol = json!({"name": entry["name"], "kind": entry["kind"], "location": location});
            if let Some(container) = container {
                symbol["containerName"] = container.clone();
            }
            all.push(symbol);
            add(&entry["children"], uri, Some(&entry["name"]), all);
        }
    }
    let mut all = Vec::new();
    add(outline, uri, None, &mut all);
    Value::from(all)
}

/// Markdown as it is, or as plain text for a client that does not list Markdown at a place of its capabilities.
#[must_use]
pub fn markup(markdown: &str, formats: &str, session: &Session) -> Value {
    if session.lists(formats, "markdown") {
        return json!({"kind": "markdown", "value": markdown});
    }
    let is_fence = |line: &&str| line.starts_with("```");
    let lines = markdown.lines().filter(|line| !is_fence(line)).map(|line| line.replace(['`', '*'], ""));
    json!({"kind": "plaintext", "value": lines.collect::<Vec<_>>().join("\n")})
}

/// The protocol wants the name inside of the whole.
fn inside(part: Span, whole: Span) -> Span {
    if whole.contains(part) { part } else { Span { start: whole.start, end: whole.start } }
}

/// `SymbolKind` of the protocol.
#[must_use]
pub fn symbol_kind(icon: Icon) -> u32 {
    match icon {
        Icon::Table => 19,
        Icon::List => 18,
        Icon::Text | Icon::Section => 15,
        Icon::Number => 16,
        Icon::Boolean => 17,
        Icon::Function => 12,
        Icon::Class => 5,
        Icon::Constant => 14,
        Icon::State => 22,
        Icon::Task => 24,
        Icon::File => 1,
        Icon::Other => 7,
    }
}

/// Items of a completion. A client that can choose may keep what stands behind the cursor; for all others the whole word is
/// replaced.
#[must_use]
pub fn completions(items: &[Item], text: &Text, session: &Session) -> Value {
    let chooses = session.can("/textDocument/completion/completionItem/insertReplaceSupport");
    let items: Vec<Value> = items
        .iter()
        .map(|item| {
            let kind = match item.kind {
                ItemKind::Key => 10,
                ItemKind::Value => 12,
                ItemKind::Tool => 3,
                ItemKind::Variable => 6,
                ItemKind::State => 20,
                ItemKind::Task => 23,
                ItemKind::File => 17,
            };
            let whole = range(text, item.word.whole, session.encoding);
            let edit = match chooses {
                true => {
                    let typed = range(text, item.word.typed, session.encoding);
                    json!({"insert": typed, "replace": whole, "newText": item.text})
                }
                false => json!({"range": whole, "newText": item.text}),
            };
            json!({
                "label": item.label,
                "kind": kind,
                "detail": item.detail,
                "filterText": item.label,
                "textEdit": edit,
                "data": {"label": item.label},
            })
        })
        .collect();
    json!({"isIncomplete": false, "items": items})
}

/// Tokens in the protocol's relative numbers.
#[must_use]
pub fn tokens(tokens: &[Token], text: &Text, encoding: Encoding) -> Vec<u32> {
    let mut data = Vec::with_capacity(tokens.len() * 5);
    let (mut line, mut column) = (0, 0);
    for token in tokens {
        let start = text.position(token.span.start as usize, encoding);
        let end = text.position(token.span.end as usize, encoding);
        if start.line == line {
            data.extend([0, start.column - column]);
        } else {
            data.extend([start.line - line, start.column]);
        }
        data.extend([end.column - start.column, token.kind as u32, u32::from(token.is_definition)]);
        (line, column) = (start.line, start.column);
    }
    data
}

/// The single edit between two token lists (LSP 3.17, "Semantic Tokens", delta).
#[must_use]
pub fn token_edit(old: &[u32], new: &[u32]) -> Vec<Value> {
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let rest = (old.len() - same).min(new.len() - same);
    let same_end =
        old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let deleted = old.len() - same - same_end;
    let data = new.get(same..new.len() - same_end).unwrap_or_default();
    if deleted == 0 && data.is_empty() {
        return Vec::new();
    }
    vec![json!({"start": same, "deleteCount": deleted, "data": data})]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_at_the_very_end_are_added_before_its_line_break_and_give_the_same_bytes() {
        for (source, at, added) in [
            ("a\nb\n", 4, "c\n"),
            ("a\r\n", 3, "c\r\n"),
            ("a\n", 2, "c"),
            ("a", 1, "\nc\n"),
            ("", 0, "c\n"),
            ("a\nb\n", 2, "c\n"),
        ] {
            let edit = TextEdit { span: Span::at(at), new_text: added.to_owned() };
            let moved = before_last_break(source, &edit);
            let applied = |edit: &TextEdit| {
                let mut text = source.to_owned();
                text.replace_range(edit.span.range(), &edit.new_text);
                text
            };
            assert_eq!(applied(&moved), applied(&edit), "{source:?}");
            let is_moved = moved.span != edit.span;
            assert_eq!(
                is_moved,
                at == source.len() && source.ends_with('\n') && added.ends_with('\n'),
                "{source:?}"
            );
        }
    }
}
