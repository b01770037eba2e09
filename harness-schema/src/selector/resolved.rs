//! What a selector found: one place with its value and how it is written, or why there is none.

use super::{DataFormat, ListEnd, Selector, ValueKind};
use crate::digest::Digest;
use crate::syntax::Format;
use crate::syntax::data::Quote;
use crate::text::Span;

/// A resolved selector: one span, and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The selector.
    pub selector: Selector,
    /// The bytes that an edit replaces; empty for a place after the last entry of a list.
    pub span: Span,
    /// What an edit replaces: of a string its decoded text, of everything else the text as it stands, both with LF as
    /// line end and without the indentation of the place.
    pub value: String,
    /// The digest of `value`; of a place after the last entry, that of the list.
    pub digest: Digest,
    /// What kind of value it is.
    pub kind: ValueKind,
    /// How it is written.
    pub form: Form,
}

/// How a selected value is written, which is what its writer keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Bytes as they stand.
    Text,
    /// A string of a data notation.
    Scalar {
        /// The notation.
        format: DataFormat,
        /// Its quotes.
        style: Quote,
        /// YAML: whether it stands between brackets or braces.
        flow: bool,
        /// YAML: the column, from zero, of the key or dash that it belongs to.
        column: usize,
    },
    /// Another value of a data notation, as written.
    Value {
        /// The notation.
        format: DataFormat,
        /// What stands before its lines after the first, and is not part of the value.
        indent: String,
    },
    /// A place after the last entry of a list.
    Append {
        /// The notation.
        format: DataFormat,
        /// How the list is written.
        list: ListEnd,
    },
    /// A Python string literal, or several side by side.
    Literal {
        /// Whether an f-string is among them: then the value has its fields as written, and literal braces doubled.
        fields: bool,
    },
    /// A Python expression of literals.
    Expression,
    /// Python statements.
    Code {
        /// What stands before its lines after the first, and is not part of the value.
        indent: String,
    },
}

/// Why a selector has no span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing is there.
    Nothing {
        /// What was looked for: ``section `Rule` ``.
        what: String,
        /// Selectors of the same shape that would resolve, nearest first, with the name that differs.
        near: Vec<(String, Selector)>,
    },
    /// Several places are.
    Several {
        /// What they are called: ``2 sections are called `Rules` ``.
        what: String,
        /// The places in order, each with a selector that names it alone.
        candidates: Vec<Candidate>,
    },
    /// It is there, and an edit could not change it alone.
    Refused(String),
    /// The document has another format.
    WrongFormat {
        /// The selector's kind.
        used: &'static str,
        /// What the document is.
        format: Format,
        /// Kinds that can read it.
        use_instead: &'static [&'static str],
    },
}

/// One of several places that a selector could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The place.
    pub span: Span,
    /// Its first line in the editor's count, from 1: a heading's own line, a definition's first line.
    pub line: usize,
    /// A selector that names it alone.
    pub selector: Selector,
}

impl Unresolved {
    /// In words, after ``surface `id`: `` (rules SH021 and SH022) or alone (SH024).
    #[must_use]
    pub fn message(&self, file: &str) -> String {
        match self {
            Self::Nothing { what, near } => {
                let near = near.first().map(|(name, _)| format!("; did you mean `{name}`?"));
                format!("no {what} in `{file}`{}", near.unwrap_or_default())
            }
            Self::Several { what, candidates } => {
                let lines: Vec<String> =
                    candidates.iter().map(|candidate| candidate.line.to_string()).collect();
                format!("{what} (lines {})", in_words(&lines, "and"))
            }
            Self::Refused(reason) => reason.clone(),
            Self::WrongFormat { used, format, use_instead } => {
                let kinds: Vec<String> = use_instead.iter().map(|kind| format!("`{kind}`")).collect();
                format!("selector `{used}` cannot read {}; use {}", format.name(), in_words(&kinds, "or"))
            }
        }
    }
}

/// `a, b and c`.
pub(crate) fn in_words(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}
