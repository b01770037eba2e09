//! Error-tolerant parsing with spans. Parsing cannot fail: what is wrong is part of the answer.

pub mod data;
pub mod spelling;
pub mod decode;
mod recovery;
pub mod toml;
pub mod yaml;
pub mod json;
pub mod markdown;
pub mod python;
pub mod template;

use std::sync::{Arc, OnceLock};

use crate::digest::Digest;
use crate::path::FilePath;
use crate::text::Text;

/// How a document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2.
    Yaml,
    /// JSON, with comments and trailing commas (JSONC).
    Json,
    /// CommonMark with front matter.
    Markdown,
    /// Python.
    Python,
    /// Anything else.
    Plain,
}

impl Format {
    /// The format of a file, by its name.
    #[must_use]
    pub fn of(path: &FilePath) -> Self {
        match path.extension().as_str() {
            "toml" => Self::Toml,
            "yaml" | "yml" => Self::Yaml,
            "json" | "jsonc" => Self::Json,
            "md" | "markdown" | "mdc" | "prompty" => Self::Markdown,
            "py" | "pyi" => Self::Python,
            _ => Self::Plain,
        }
    }

    /// The format's name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Markdown => "Markdown",
            Self::Python => "Python",
            Self::Plain => "plain text",
        }
    }
}

/// What a parser made of a text.
#[derive(Debug)]
pub enum Syntax {
    /// TOML, YAML or JSON.
    Data(data::Tree),
    /// Markdown.
    Markdown(markdown::Tree),
    /// Python.
    Python(python::Tree),
    /// No structure.
    Plain,
}

/// One file with its text, parsed once, when first asked for.
#[derive(Debug)]
pub struct Document {
    path: FilePath,
    format: Format,
    text: Text,
    syntax: OnceLock<Syntax>,
    digest: OnceLock<Digest>,
}

impl Document {
    /// A document from a file's text.
    #[must_use]
    pub fn new(path: FilePath, text: Text) -> Arc<Self> {
        let format = Format::of(&path);
        Arc::new(Self { path, format, text, syntax: OnceLock::new(), digest: OnceLock::new() })
    }

    /// This document after `edits`, applied in order, each to the result of the one before. Where the parser can, only
    /// the neighbourhood of the edits is parsed again.
    #[must_use]
    pub fn edited(&self, edits: &[crate::text::TextEdit]) -> Arc<Self> {
        let mut text: Option<Text> = None;
        let mut syntax: Option<Syntax> = None;
        for edit in edits {
            let before = text.as_ref().unwrap_or(&self.text);
            let after = before.edited(edit);
            let now = after.as_str();
            syntax = match syntax.as_ref().or(self.syntax.get()) {
                Some(Syntax::Markdown(tree)) => {
                    Some(Syntax::Markdown(tree.edited(before.as_str(), edit, now)))
                }
                Some(Syntax::Data(tree)) if self.format == Format::Toml => {
                    Some(Syntax::Data(toml::edited(tree, before.as_str(), edit, now)))
                }
                _ => None,
            };
            text = Some(after);
        }
        let text = text.unwrap_or_else(|| self.text.clone());
        let syntax = syntax.map(OnceLock::from).unwrap_or_default();
        Arc::new(Self { path: self.path.clone(), format: self.format, text, syntax, digest: OnceLock::new() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &FilePath {
        &self.path
    }

    /// How it is read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// Its text as one string.
    #[must_use]
    pub fn source(&self) -> &str {
        self.text.as_str()
    }

    /// The digest of its text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(self.source().as_bytes()))
    }

    /// Its structure.
    #[must_use]
    pub fn syntax(&self) -> &Syntax {
        self.syntax.get_or_init(|| match self.format {
            Format::Toml => Syntax::Data(toml::parse(self.source())),
            Format::Yaml => Syntax::Data(yaml::parse(self.source())),
            Format::Json => Syntax::Data(json::parse(self.source())),
            Format::Markdown => Syntax::Markdown(markdown::Tree::parse(self.source())),
            Format::Python => Syntax::Python(python::Tree::parse(self.source())),
            Format::Plain => Syntax::Plain,
        })
    }

    /// Its data tree, if it is TOML, YAML or JSON.
    #[must_use]
    pub fn data(&self) -> Option<&data::Tree> {
        match self.syntax() {
            Syntax::Data(tree) => Some(tree),
            _ => None,
        }
    }

    /// Its Markdown structure.
    #[must_use]
    pub fn markdown(&self) -> Option<&markdown::Tree> {
        match self.syntax() {
            Syntax::Markdown(tree) => Some(tree),
            _ => None,
        }
    }

    /// Its Python structure.
    #[must_use]
    pub fn python(&self) -> Option<&python::Tree> {
        match self.syntax() {
            Syntax::Python(tree) => Some(tree),
            _ => None,
        }
    }
}
