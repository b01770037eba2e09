//! A harness after edits of nothing but texts of the native agent: what it is made of stays, and is not read again.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::texts::{TextRole, TextSource};
use super::{Harness, KNOWN, Role};
use crate::files::Files;
use crate::path::FilePath;

impl Harness {
    /// The harness of `files`, if they differ from its own in nothing but texts that decide nothing about what it is made
    /// of.
    pub(super) fn with_edited_texts(&self, files: &Files) -> Option<Self> {
        let edited = files.edited_since(&self.files)?;
        if !edited.iter().all(|file| self.is_only_text(file)) {
            return None;
        }
        let texts = self.texts.iter().map(|text| match &text.source {
            TextSource::File(file) if edited.contains(&file) => text.edited(&self.files),
            _ => text.clone(),
        });
        let mut surfaces = self.surfaces.clone();
        for place in surfaces.iter_mut().flat_map(|placed| &mut placed.places) {
            if edited.contains(&&place.target) {
                place.document = files.document(&place.target).cloned();
                place.resolved = OnceLock::new();
            }
        }
        Some(Self {
            files: files.clone(),
            manifest: Arc::clone(&self.manifest),
            texts: texts.collect(),
            tools: self.tools.clone(),
            surfaces,
            suite: Arc::clone(&self.suite),
            symbols: self.symbols.clone(),
            named: self.named.clone(),
            mixed: self.mixed.clone(),
            paths: self.paths.clone(),
            unread: self.unread.clone(),
            known: self.known.clone(),
            followed: self.followed.clone(),
            lazy_mentions: unasked(&self.lazy_mentions),
            found: unasked(&self.found),
            found_in_tasks: OnceLock::new(),
            tools_by_name: OnceLock::new(),
        })
    }

    /// Whether a file is a text of the native agent and nothing else: nothing but its words depends on what it says. The
    /// first lines of variables and tool descriptions are details of symbols.
    fn is_only_text(&self, file: &FilePath) -> bool {
        let is_detail = |role: TextRole| matches!(role, TextRole::Variable | TextRole::ToolDescription);
        self.named.get(file) == Some(&Role::Text)
            && !self.mixed.contains(file)
            && file.as_str() != KNOWN
            && !self.suite.directory.as_ref().is_some_and(|directory| file.is_below(directory))
            && !self.texts_in(file).any(|text| is_detail(text.role))
    }
}

/// The same files, with nothing found in them yet.
fn unasked<T>(asked: &BTreeMap<FilePath, OnceLock<T>>) -> BTreeMap<FilePath, OnceLock<T>> {
    asked.keys().map(|file| (file.clone(), OnceLock::new())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::syntax::Document;

    const MANIFEST: &str = "[prompt]\nsystem = \"a.md\"\ntask = \"b.md\"\n[prompt.variables]\nv = { file = \"v.md\" }\n\
        [[surface]]\nid = \"s\"\nfile = \"b.md\"\nselect = [\"md.body\"]\n[tasks]\ndir = \"tasks\"\n";

    fn path(name: &str) -> FilePath {
        FilePath::parse(name).unwrap()
    }

    #[test]
    fn only_what_is_a_text_and_nothing_else_leaves_the_rest_as_it_is() {
        let texts = [
            ("harness.toml", MANIFEST),
            ("harness.known.toml", ""),
            ("a.md", "A"),
            ("b.md", "B"),
            ("v.md", "V"),
            ("other.md", ""),
            ("tasks/t/task.toml", ""),
            ("tasks/t/instruction.md", "Do it."),
        ];
        let files = texts.iter().fold(Files::from_texts(texts), |files, (name, text)| {
            files.with_open(Document::new(path(name), (*text).into()))
        });
        let harness = Harness::resolve(&files, None);
        for (name, _) in texts {
            let edited = files.with_open(Document::new(path(name), "new".into()));
            assert_eq!(harness.with_edited_texts(&edited).is_some(), name == "a.md", "{name}");
        }
        assert!(harness.with_edited_texts(&files.with_closed(&path("a.md"))).is_none());
        assert!(harness.with_edited_texts(&files.with_disk([(path("c.md"), None)])).is_none());
    }

    #[test]
    fn an_edited_text_has_its_new_words_and_its_surface_its_new_document() {
        let files =
            Files::from_texts([("harness.toml", MANIFEST), ("a.md", "A"), ("b.md", "B"), ("v.md", "V")]);
        let files = files.with_open(Document::new(path("a.md"), "A".into()));
        let harness = Harness::resolve(&files, None);
        let _ = harness.surface("prompt.system").unwrap().places[0].resolved();
        let files = files.with_open(Document::new(path("a.md"), "More of {{ v }}".into()));
        let kept = harness.with_edited_texts(&files).unwrap();
        assert_eq!(kept.texts()[0].text(&files), Some("More of {{ v }}"));
        assert_eq!(kept.mentions_in(&path("a.md")).len(), 1);
        let place = &kept.surface("prompt.system").unwrap().places[0];
        assert!(Arc::ptr_eq(place.document().unwrap(), files.document(&path("a.md")).unwrap()));
        assert_eq!(place.resolved().unwrap().as_ref().unwrap().value, "More of {{ v }}");
    }
}
