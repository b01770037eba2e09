//! What the texts of a file mention: names in templates, inline code that is a name of the harness, and imports.

use super::symbols::{Form, Mention, SymbolKind};
use super::{Harness, HarnessText, TextRole, Tool};
use crate::path::FilePath;
use crate::syntax::data::{Kind, Value};
use crate::syntax::markdown;
use crate::syntax::spelling::Spelling;
use crate::text::Span;

/// Everything that a file mentions, in the order of its text.
pub(super) fn in_texts(harness: &Harness, file: &FilePath) -> Vec<Mention> {
    let mut mentions = harness.symbols().in_file(file).to_vec();
    let mut seen_whole_file = false;
    for text in harness.texts_in(file).filter(|text| text.is_exact()) {
        if text.role.is_template() {
            templates(harness, text, &mut mentions);
        }
        // Inline code is read once for a file, however often the manifest names it.
        let is_whole = text.document(harness.files()).is_some();
        if !is_whole || !std::mem::replace(&mut seen_whole_file, true) {
            codes(harness, text, &mut mentions);
        }
    }
    for tool in harness.tools().iter().filter(|tool| tool.file == *file) {
        let schema = tool.value().get("parameters").or_else(|| tool.value().get("inputSchema"));
        if let (Some(schema), Some(document)) = (schema, harness.document(file)) {
            schema_codes(harness, tool, schema, document.source(), 0, &mut mentions);
        }
    }
    imports(harness, file, &mut mentions);
    mentions.sort_by_key(|mention| (mention.span, mention.form));
    mentions.dedup();
    mentions
}

fn templates(harness: &Harness, text: &HarnessText, mentions: &mut Vec<Mention>) {
    let tree = text.template(harness.files());
    mentions.extend(tree.names.iter().filter_map(|name| {
        let root = name.path.first()?;
        let kind = SymbolKind::Variable;
        // What the agent itself defines is no name of this harness.
        harness.symbols().find(kind, root)?;
        let span = text.place(name.root_span);
        Some(Mention { kind, name: root.into(), span, form: Form::Template })
    }));
    mentions.extend(tree.compared.iter().filter_map(|compared| {
        let path: Vec<&str> = compared.path.iter().map(String::as_str).collect();
        let kind = match path.as_slice() {
            ["tool" | "tools", "name"] => SymbolKind::Tool,
            ["state", "id"] => SymbolKind::State,
            _ => return None,
        };
        harness.symbols().find(kind, &compared.text)?;
        let span = text.place(compared.span);
        Some(Mention { kind, name: compared.text.as_str().into(), span, form: Form::Template })
    }));
}

fn codes(harness: &Harness, text: &HarnessText, mentions: &mut Vec<Mention>) {
    let Some(source) = text.text(harness.files()) else { return };
    let tool = (text.role == TextRole::ToolDescription).then_some(text.owner.as_str());
    mentions.extend(text.code(harness.files()).iter().filter_map(|code| {
        let (kind, name) = named(harness, code.content.of(source).trim(), tool)?;
        let span = text.place(trimmed(source, code.content));
        Some(Mention { kind, name: name.into(), span, form: Form::Code })
    }));
}

/// Schemas deeper than this are read no further.
const MAX_DEPTH: usize = 32;

/// Inline code in the descriptions of a tool's parameters.
fn schema_codes(
    harness: &Harness,
    tool: &Tool,
    value: &Value,
    source: &str,
    depth: usize,
    mentions: &mut Vec<Mention>,
) {
    if MAX_DEPTH < depth {
        return;
    }
    match &value.kind {
        Kind::List(list) => {
            list.items.iter().for_each(|item| schema_codes(harness, tool, item, source, depth + 1, mentions));
        }
        Kind::Table(table) => {
            for entry in &table.entries {
                let text = entry
                    .value
                    .as_text()
                    .filter(|text| &*entry.key.name == "description" && text.contains('`'));
                let Some(text) = text else {
                    schema_codes(harness, tool, &entry.value, source, depth + 1, mentions);
                    continue;
                };
                let Some(spelling) = Spelling::of(&entry.value, source) else { continue };
                mentions.extend(markdown::inline_code(text).iter().filter_map(|code| {
                    let (kind, name) = named(harness, code.content.of(text).trim(), Some(&tool.name))?;
                    let span = spelling.place(trimmed(text, code.content));
                    Some(Mention { kind, name: name.into(), span, form: Form::Code })
                }));
            }
        }
        _ => {}
    }
}

/// What inline code names: of a tool's own text its parameters too.
fn named(harness: &Harness, code: &str, tool: Option<&str>) -> Option<(SymbolKind, String)> {
    let symbols = harness.symbols();
    let kinds = [SymbolKind::Tool, SymbolKind::State, SymbolKind::Variable];
    if let Some(kind) = kinds.into_iter().find(|kind| symbols.find(*kind, code).is_some()) {
        return Some((kind, code.to_owned()));
    }
    let name = format!("{}.{code}", tool?);
    symbols.find(SymbolKind::Parameter, &name).is_some().then_some((SymbolKind::Parameter, name))
}

/// The imports of a Markdown file whose imports are followed.
fn imports(harness: &Harness, file: &FilePath, mentions: &mut Vec<Mention>) {
    if !harness.followed.contains(file) {
        return;
    }
    let tree = harness.document(file).and_then(|document| document.markdown());
    mentions.extend(tree.into_iter().flat_map(|tree| &tree.imports).filter_map(|import| {
        let target = file.parent().join(&import.path).ok()?;
        harness.symbols().find(SymbolKind::File, target.as_str())?;
        // The mark is no part of the path.
        let span = Span { start: import.span.start + 1, end: import.span.end };
        Some(Mention { kind: SymbolKind::File, name: target.text(), span, form: Form::Path })
    }));
}

fn trimmed(source: &str, span: Span) -> Span {
    let text = span.of(source);
    let start = span.start as usize + (text.len() - text.trim_start().len());
    Span::new(start, start + text.trim().len())
}
