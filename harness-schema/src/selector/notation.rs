//! The notations of data, the kinds of their values, and how their lists end.

use crate::syntax::data::{Kind, Tree, Value};
use crate::syntax::{json, toml, yaml};

/// The notations of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataFormat {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// JSON, with comments.
    Json,
}

/// How the list is written to which an entry is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEnd {
    /// Between brackets.
    Flow {
        /// Whether there is an entry already.
        filled: bool,
        /// Whether the last entry has a comma after it, before the place.
        comma: bool,
        /// What stands before an entry, if entries have their own lines.
        indent: Option<String>,
    },
    /// By dashes (YAML).
    Block {
        /// The column of the dashes, from zero.
        column: usize,
    },
    /// By headers (TOML `[[list]]`); a new entry is the lines below its header.
    Header {
        /// The header, brackets included.
        header: String,
        /// Whether the new entry is the first one, so that there is no list yet.
        first: bool,
    },
}

impl DataFormat {
    /// The selector's first element.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Toml, Self::Yaml, Self::Json].into_iter().find(|format| format.name() == name)
    }

    pub(crate) fn parse(self, source: &str) -> Tree {
        match self {
            Self::Toml => toml::parse(source),
            Self::Yaml => yaml::parse(source),
            Self::Json => json::parse(source),
        }
    }
}

/// The kinds of values that surfaces have (`type` of a surface, and what no surface can ask for).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number with a fraction or exponent.
    Number,
    /// True or false.
    Boolean,
    /// A list, tuple or set.
    List,
    /// A table, mapping or dictionary.
    Table,
    /// Nothing, a date, or something that only its own format has.
    Other,
}

impl ValueKind {
    /// With its article, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Table => "a table",
            Self::Other => "another value",
        }
    }
}

/// The kind of a data value.
pub(crate) fn kind_of(value: &Value) -> ValueKind {
    match &value.kind {
        Kind::Table(_) => ValueKind::Table,
        Kind::List(_) => ValueKind::List,
        Kind::Text(_) => ValueKind::String,
        Kind::Integer(_) => ValueKind::Integer,
        Kind::Float(_) => ValueKind::Number,
        Kind::Boolean(_) => ValueKind::Boolean,
        Kind::Date | Kind::Null | Kind::Alias | Kind::Broken => ValueKind::Other,
    }
}
