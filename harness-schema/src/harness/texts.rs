//! The texts of a harness that reach the model: each in a file of its own, or inline in a data document.

use std::sync::{Arc, OnceLock};

use ecow::EcoString;

use super::word_runs::{Quotation, WordRuns};
use crate::files::Files;
use crate::path::FilePath;
use crate::problem::Location;
use crate::syntax::data::{Kind, Value};
use crate::syntax::markdown::{self, Code};
use crate::syntax::spelling::Spelling;
use crate::syntax::{Document, Format, template};
use crate::text::Span;

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TextRole {
    /// `prompt.system`: the system message.
    System,
    /// `prompt.task`: the first user message.
    Task,
    /// `prompt.observation`: how a tool result is shown.
    Observation,
    /// A variable of `[prompt.variables]`: inserted as it is, never rendered.
    Variable,
    /// A tool's description: sent as it is, never rendered.
    ToolDescription,
    /// What a runtime rule injects or asks.
    Rule,
    /// A state's prompt.
    State,
}

impl TextRole {
    /// Whether the native agent renders it as a template.
    #[must_use]
    pub fn is_template(self) -> bool {
        !matches!(self, Self::Variable | Self::ToolDescription)
    }

    /// In a sentence: `the system prompt`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::System => "the system prompt",
            Self::Task => "the task prompt",
            Self::Observation => "the observation template",
            Self::Variable => "the variable",
            Self::ToolDescription => "the tool description",
            Self::Rule => "the text of the runtime rule",
            Self::State => "the prompt of the state",
        }
    }
}

/// A text that reaches the model.
#[derive(Clone, Debug)]
pub struct HarnessText {
    /// The id of its surface: `prompt.system`, `tool.shell.description`, `state.work.prompt`, `rule.stop`.
    pub id: EcoString,
    /// What it is for.
    pub role: TextRole,
    /// The tool, state, rule or variable that it belongs to; empty for prompts.
    pub owner: EcoString,
    /// Where a data document says so: the value, quotes included.
    pub declared: Location,
    /// Where the text is.
    pub source: TextSource,
    parsed: OnceLock<Arc<template::Tree>>,
    prose: OnceLock<Arc<markdown::Tree>>,
    quoted: OnceLock<Vec<Quotation>>,
    /// An earlier version of it that quotes nothing of the same suite.
    clean: Option<Arc<str>>,
}

/// Where a text is.
#[derive(Clone, Debug)]
pub enum TextSource {
    /// It is all of a file.
    File(FilePath),
    /// It is a string of the document that declares it.
    Inline {
        /// The string.
        text: EcoString,
        /// What stands between its quotes.
        inside: Span,
        /// Where each of its characters stands; `None` if indentation or folding comes between.
        spelling: Option<Spelling>,
    },
    /// What is written there names no file and is no text.
    Nowhere,
}

/// How a bare string is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// As a path.
    Path,
    /// As the text itself.
    Text,
}

impl HarnessText {
    /// A text as a data document declares it: a path, `{ text = "…" }` or `{ file = "…" }`.
    pub(super) fn read(
        id: EcoString,
        role: TextRole,
        owner: EcoString,
        value: &Value,
        bare: Bare,
        file: &FilePath,
        document: &str,
    ) -> Self {
        let inline = |value: &Value| match value.as_shared() {
            Some(text) => TextSource::Inline {
                text,
                inside: value.inside(document),
                spelling: Spelling::of(value, document),
            },
            None => TextSource::Nowhere,
        };
        let named = |value: &Value| match value.as_text().map(FilePath::parse) {
            Some(Ok(path)) => TextSource::File(path),
            _ => TextSource::Nowhere,
        };
        let source = match &value.kind {
            Kind::Text(_) if bare == Bare::Text => inline(value),
            Kind::Text(_) => named(value),
            Kind::Table(_) => match (value.get("text"), value.get("file")) {
                (Some(text), _) => inline(text),
                (None, Some(file)) => named(file),
                (None, None) => TextSource::Nowhere,
            },
            _ => TextSource::Nowhere,
        };
        let declared = Location::new(file, value.span);
        let (parsed, prose, quoted) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { id, role, owner, declared, source, parsed, prose, quoted, clean: None }
    }

    /// The file that holds the text.
    #[must_use]
    pub fn file(&self) -> &FilePath {
        match &self.source {
            TextSource::File(path) => path,
            TextSource::Inline { .. } | TextSource::Nowhere => &self.declared.file,
        }
    }

    /// The text, if it is there and was read.
    #[must_use]
    pub fn text<'a>(&'a self, files: &'a Files) -> Option<&'a str> {
        match &self.source {
            TextSource::File(path) => files.document(path).map(|document| document.source()),
            TextSource::Inline { text, .. } => Some(text),
            TextSource::Nowhere => None,
        }
    }

    /// The same as a shared text.
    pub(super) fn shared(&self, files: &Files) -> Option<EcoString> {
        match &self.source {
            TextSource::Inline { text, .. } => Some(text.clone()),
            TextSource::File(_) | TextSource::Nowhere => self.text(files).map(EcoString::from),
        }
    }

    /// The document of a text that has a file of its own.
    #[must_use]
    pub fn document<'a>(&self, files: &'a Files) -> Option<&'a Arc<Document>> {
        match &self.source {
            TextSource::File(path) => files.document(path),
            TextSource::Inline { .. } | TextSource::Nowhere => None,
        }
    }

    /// Where a part of the text stands in its file, escapes included; the whole string, if its parts cannot be told.
    #[must_use]
    pub fn place(&self, part: Span) -> Span {
        match &self.source {
            TextSource::File(_) => part,
            TextSource::Inline { spelling: Some(spelling), .. } => spelling.place(part),
            TextSource::Inline { spelling: None, .. } | TextSource::Nowhere => self.declared.span,
        }
    }

    /// Whether parts of the text have places of their own.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        match &self.source {
            TextSource::File(_) => true,
            TextSource::Inline { spelling, .. } => spelling.is_some(),
            TextSource::Nowhere => false,
        }
    }

    /// The bytes of its file that the text takes.
    #[must_use]
    pub fn span(&self, files: &Files) -> Span {
        match &self.source {
            TextSource::File(_) => Span::new(0, self.text(files).map_or(0, str::len)),
            TextSource::Inline { inside, .. } => *inside,
            TextSource::Nowhere => self.declared.span,
        }
    }

    /// The text read as a template; spans are offsets in the text.
    #[must_use]
    pub fn template(&self, files: &Files) -> &template::Tree {
        self.parsed.get_or_init(|| Arc::new(self.text(files).map(template::Tree::parse).unwrap_or_default()))
    }

    /// The inline code of the text, read as Markdown; spans are offsets in the text.
    #[must_use]
    pub fn code<'a>(&'a self, files: &'a Files) -> &'a [Code] {
        self.markdown(files).map_or(&[], |tree| &tree.code)
    }

    /// The text read as Markdown, which prompts are whatever their files are called; spans are offsets in the text. None
    /// for a text that is data or code.
    #[must_use]
    pub fn markdown<'a>(&'a self, files: &'a Files) -> Option<&'a markdown::Tree> {
        let text = self.text(files)?;
        match self.document(files) {
            Some(document) if document.format() == Format::Markdown => document.markdown(),
            Some(document) if document.format() != Format::Plain => None,
            _ => Some(self.prose.get_or_init(|| Arc::new(markdown::Tree::parse(text)))),
        }
    }

    /// What the text says that only unseen tasks say, of the suite of its harness; spans are offsets in the text.
    pub(crate) fn quotations(&self, files: &Files, runs: &WordRuns) -> &[Quotation] {
        self.quoted.get_or_init(|| {
            let text = self.text(files).unwrap_or_default();
            match &self.clean {
                Some(clean) => runs.quotations_since(clean, text),
                None => runs.quotations(text),
            }
        })
    }

    /// The newest version of the text, up to this one, of which it is known that it quotes nothing.
    fn clean_version(&self, files: &Files) -> Option<Arc<str>> {
        match self.quoted.get() {
            Some(quoted) if !quoted.is_empty() => None,
            Some(_) => self.document(files).map(|document| document.text().shared()),
            None => self.clean.clone(),
        }
    }

    /// The text when its file was edited, in the same harness with the same suite. `files` are those before the edit.
    pub(super) fn edited(&self, files: &Files) -> Self {
        Self {
            id: self.id.clone(),
            role: self.role,
            owner: self.owner.clone(),
            declared: self.declared.clone(),
            source: self.source.clone(),
            parsed: OnceLock::new(),
            prose: OnceLock::new(),
            quoted: OnceLock::new(),
            clean: self.clean_version(files),
        }
    }

    /// Takes over what was found in the same text before, and of a text that was edited what its edit cannot have changed.
    pub(super) fn reuse(&mut self, before: &Self, files: &Files, files_before: &Files, is_same_suite: bool) {
        let same = match (&self.source, &before.source) {
            (TextSource::File(path), TextSource::File(other)) => {
                match (files.document(path), files_before.document(other)) {
                    (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                    _ => false,
                }
            }
            (TextSource::Inline { text, .. }, TextSource::Inline { text: other, .. }) => text == other,
            _ => false,
        };
        if same {
            take_over(&mut self.parsed, &before.parsed);
            take_over(&mut self.prose, &before.prose);
        }
        if is_same_suite {
            self.clean = before.clean_version(files_before);
            if same {
                take_over(&mut self.quoted, &before.quoted);
            }
        }
    }
}

/// Copies what was found; to copy what is not there yet costs as much.
fn take_over<T: Clone>(now: &mut OnceLock<T>, before: &OnceLock<T>) {
    if let Some(found) = before.get() {
        *now = OnceLock::from(found.clone());
    }
}

#[cfg(test)]
mod tests {
    use crate::files::Files;
    use crate::harness::Harness;

    #[test]
    fn a_tool_is_described_in_place_or_in_a_file() {
        let manifest = "[[tool]]\nname = \"a\"\ndescription = \"Text.\"\nbuiltin = \"shell\"\n\
            [[tool]]\nname = \"b\"\ndescription = { file = \"tools/b.md\" }\nbuiltin = \"shell\"\n\
            [[tool]]\nname = \"c\"\ndescription = { text = \"Table.\" }\nbuiltin = \"shell\"\n";
        let files = Files::from_texts([("harness.toml", manifest), ("tools/b.md", "File.")]);
        let harness = Harness::resolve(&files, None);
        let said: Vec<_> = harness.texts().iter().map(|text| text.text(&files)).collect();
        assert_eq!(said, [Some("Text."), Some("File."), Some("Table.")]);
        let places: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .filter_map(|tool| harness.surface(&format!("tool.{tool}.description"))?.file())
            .map(|file| file.as_str())
            .collect();
        assert_eq!(places, ["harness.toml", "tools/b.md", "harness.toml"]);
    }
}
