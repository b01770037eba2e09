//! What a preset would be where it is going to be written, before a byte is written.

use std::path::Path;

use harness_schema::files::{Content, File, Files};
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::surface::approx_tokens;
use harness_schema::syntax::Document;
use harness_schema::syntax::data::Value;
use harness_schema::text::{TextEdit, apply_all};

use crate::host::disk;
use crate::host::write::NewFile;

/// The harness that new files make together with what is there.
#[must_use]
pub(super) fn harness(root: &Path, new: &[NewFile]) -> Harness {
    let there = if root.is_dir() { disk::scan(root) } else { Files::default() };
    let added = new.iter().map(|file| {
        let content = Content::Text(Document::new(file.path.clone(), file.text.as_str().into()));
        (file.path.clone(), Some(File { content, executable: file.executable, link: None }))
    });
    disk::complete(root, there.with_disk(added.collect::<Vec<_>>()), None).1
}

/// The text of the manifest among new files.
pub(super) fn manifest(files: &mut [NewFile]) -> Option<&mut String> {
    files.iter_mut().find(|file| file.path.as_str() == MANIFEST).map(|file| &mut file.text)
}

/// Raises `max_tokens` of surfaces whose present text is longer: a text that comes from the user is never too long to
/// start from. A quarter of room is left for edits.
#[must_use]
pub(super) fn with_room(harness: &Harness) -> String {
    let source = harness.manifest_file().document.source();
    let entries = harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default();
    let edits: Vec<TextEdit> = harness
        .surfaces()
        .iter()
        .filter_map(|placed| {
            let limit = placed.surface.limits.max_tokens?;
            let entry = entries.iter().find(|entry| entry.span == placed.surface.declaration.span)?;
            let values = placed.places.iter().filter_map(|place| place.resolved()?.as_ref().ok());
            let have: usize = values.map(|resolved| approx_tokens(&resolved.value)).sum();
            let written = entry.get("max_tokens")?.span;
            (limit < have).then(|| TextEdit { span: written, new_text: room_for(have).to_string() })
        })
        .collect();
    apply_all(source, &edits).unwrap_or_else(|| source.to_owned())
}

/// A limit that such a text keeps, with room, in hundreds.
#[must_use]
pub(super) fn room_for(tokens: usize) -> usize {
    (tokens + tokens / 4).next_multiple_of(100).max(100)
}

/// A text as TOML writes it.
#[must_use]
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() => out.push_str(&format!("\\U{:08X}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// A name as an id: `[a-z0-9][a-z0-9._-]{0,63}`.
#[must_use]
pub(super) fn id(prefix: &str, name: &str) -> String {
    let simple = name.chars().map(|char| match char.to_ascii_lowercase() {
        char @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => char,
        _ => '-',
    });
    prefix.chars().chain(simple).take(48).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_to_the_text_and_nothing_else_changes() {
        let manifest = "[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[agent]\nkind = \"command\"\nargv = [\"x\"]\n[[surface]]\nid = \"a\"\nfile = \"a.md\"\nmax_tokens = 5 # why\n[[surface]]\nid = \"b\"\nfile = \"b.md\"\nmax_tokens = 5\n";
        let long = "word ".repeat(400);
        let files = Files::from_texts([(MANIFEST, manifest), ("a.md", long.as_str()), ("b.md", "short")]);
        let raised = with_room(&Harness::resolve(&files, None));
        assert_eq!(raised, manifest.replacen("max_tokens = 5 #", "max_tokens = 700 #", 1));
    }

    #[test]
    fn names_become_ids() {
        assert_eq!(id("agent-", "Code Reviewer é"), "agent-code-reviewer--");
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\U0000000A\"");
    }
}
