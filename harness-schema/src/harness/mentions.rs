//! What the texts of a file mention: names in templates, and inline code that is a name of the harness.

use super::symbols::{Form, Mention, SymbolKind};
use super::{Harness, TextRole};
use crate::path::FilePath;

/// Everything that a file mentions, in the order of its text.
pub(super) fn in_texts(harness: &Harness, file: &FilePath) -> Vec<Mention> {
    let mut mentions = harness.symbols().in_file(file).to_vec();
    let mut seen_whole_file = false;
    for text in harness.texts_in(file) {
        if text.role.is_template() && text.is_exact() {
            let names = text.template(harness.files()).names.iter();
            mentions.extend(names.filter_map(|name| {
                let root = name.path.first()?;
                let kind = SymbolKind::Variable;
                // What the agent itself defines is no name of this harness.
                harness.symbols().find(kind, root)?;
                let span = text.place(name.root_span);
                Some(Mention { kind, name: root.clone(), span, form: Form::Template })
            }));
        }
        // Inline code is read once for a file, however often the manifest names it.
        let whole =
            text.document(harness.files()).filter(|_| !seen_whole_file && text.role != TextRole::Variable);
        if let Some(tree) = whole.and_then(|document| document.markdown()) {
            seen_whole_file = true;
            let source = text.text(harness.files()).unwrap_or_default();
            let code = tree.code.iter();
            mentions.extend(code.filter_map(|code| {
                let name = code.content.of(source).trim();
                let span = trimmed(source, code.content);
                let kinds = [SymbolKind::Tool, SymbolKind::State, SymbolKind::Variable];
                let kind = kinds.into_iter().find(|kind| harness.symbols().find(*kind, name).is_some())?;
                Some(Mention { kind, name: name.to_owned(), span, form: Form::Code })
            }));
        }
    }
    mentions.sort_by_key(|mention| (mention.span, mention.form));
    mentions.dedup();
    mentions
}

fn trimmed(source: &str, span: crate::text::Span) -> crate::text::Span {
    let text = span.of(source);
    let start = span.start as usize + (text.len() - text.trim_start().len());
    crate::text::Span::new(start, start + text.trim().len())
}
