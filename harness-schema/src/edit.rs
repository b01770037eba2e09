//! Edits: new text for a surface, written as its format writes it, and proved to change nothing else.
//!
//! Writers may be wrong; the proof may not. A writer only suggests ways to write a value. Each is applied to a copy,
//! read back by the same parsers and selectors, and compared with the document before; the first that holds is the
//! edit. Nothing is written here: an edit is a value that an editor applies.

mod literal;
mod plain;
mod json;
mod toml;
mod yaml;
mod markdown;
mod python;
mod proof;
mod measure;
mod new_file;
mod removal;

use std::fmt;

use crate::digest::Digest;
use crate::path::FilePath;
use crate::selector::{DataFormat, Form, Resolved, Selector, Unresolved, ValueKind, unix};
use crate::surface::{Breach, Dialect, Limits};
use crate::syntax::Document;
use crate::text::{Span, TextEdit};

pub use self::measure::{Measure, measure};
pub use self::new_file::new_file;
pub use self::removal::removal;
pub(crate) use self::removal::removal_in;

/// A replacement of a surface's value, as a proposal carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The surface.
    pub surface: String,
    /// Which of its parts, from zero; a surface of one place has part 0 alone.
    pub part: usize,
    /// The digest of the value that is replaced ([`Resolved::digest`]).
    pub old: Digest,
    /// The value afterwards.
    pub new: String,
}

/// Why an edit is not made.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The value at hand is not the one that the edit replaces.
    Stale,
    /// The surface has no place in the document.
    Unresolved {
        /// The document.
        file: FilePath,
        /// Why it has none.
        why: Unresolved,
    },
    /// The surface would have no place afterwards.
    Lost {
        /// The document.
        file: FilePath,
        /// Why it would have none.
        why: Unresolved,
    },
    /// The new value is the present one.
    NoChange,
    /// The new value breaks the surface's limits.
    Limits(Vec<Breach>),
    /// The new text has a heading that would end the section.
    Heading(String),
    /// The document would no longer parse.
    Breaks(String),
    /// Something beside the surface would change.
    Outside(String),
    /// A schema would accept what it did not; where.
    Loosens(String),
    /// A key that grants rights would change.
    Rights(String),
    /// The value cannot be written there.
    Unwritable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the text is not the one that this edit was made for"),
            Self::Unresolved { file, why } => f.write_str(&why.message(file.as_str())),
            Self::Lost { file, why } => {
                let why = match why {
                    // What is near to a name that the edit took away helps nobody.
                    Unresolved::Nothing { what, .. } => {
                        Unresolved::Nothing { what: what.clone(), near: Vec::new() }
                    }
                    other => other.clone(),
                };
                write!(f, "the surface would be lost: {}", why.message(file.as_str()))
            }
            Self::NoChange => f.write_str("the edit changes nothing"),
            Self::Limits(breaches) => {
                let breaches: Vec<String> = breaches.iter().map(Breach::to_string).collect();
                write!(f, "the surface {}", crate::selector::in_words(&breaches, "and"))
            }
            Self::Heading(heading) => write!(f, "the heading `{heading}` would end the section"),
            Self::Breaks(message) => write!(f, "the file would not parse: {message}"),
            Self::Outside(what) => write!(f, "{what} outside of the surface would change"),
            Self::Loosens(path) if path.is_empty() => f.write_str("the schema may only tighten"),
            Self::Loosens(path) => write!(f, "the schema may only tighten, and `{path}` does not"),
            Self::Rights(key) => write!(f, "the edit changes `{key}`, which grants rights"),
            Self::Unwritable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Refusal {}

impl Edit {
    /// The replacement of bytes that makes this edit in `document`, where `selector` names the surface.
    ///
    /// # Errors
    /// A [`Refusal`]: among others, the value at hand must have the digest of the one that the edit replaces.
    pub fn apply(
        &self,
        document: &Document,
        selector: &Selector,
        limits: &Limits,
    ) -> Result<TextEdit, Refusal> {
        let resolved = selector
            .resolve_or_first(document)
            .map_err(|why| Refusal::Unresolved { file: document.path().clone(), why })?;
        if resolved.digest != self.old {
            return Err(Refusal::Stale);
        }
        write(document, &resolved, limits, &self.new)
    }
}

/// The replacement of bytes after which the place `resolved` of `document` has the value `new`.
///
/// It holds for the result, or there is none: the document still parses, the place resolves and reads back as `new`,
/// every other value is what it was, no byte outside of [`Resolved::span`] differs, `limits` hold, and nothing that
/// grants rights changed. Line ends are the file's.
///
/// # Errors
/// A [`Refusal`].
pub fn write(
    document: &Document,
    resolved: &Resolved,
    limits: &Limits,
    new: &str,
) -> Result<TextEdit, Refusal> {
    // A place from another text would make a proof about the wrong bytes.
    if resolved.selector.resolve_or_first(document).as_ref() != Ok(resolved) {
        return Err(Refusal::Stale);
    }
    let new = normal(document, resolved, limits, new);
    let append = matches!(resolved.form, Form::Append { .. });
    if new == resolved.value && !append {
        return Err(Refusal::NoChange);
    }
    let mut first = None;
    for new_text in candidates(document, resolved, limits, &new)? {
        let edit = TextEdit { span: resolved.span, new_text };
        match proof::prove(document, resolved, limits, &new, &edit) {
            Ok(()) => return Ok(edit),
            // Another way to write the same value would break the same limit.
            Err(refusal @ (Refusal::Limits(_) | Refusal::Loosens(_) | Refusal::Rights(_))) => {
                return Err(refusal);
            }
            Err(refusal) => {
                first.get_or_insert(refusal);
            }
        }
    }
    Err(first.unwrap_or_else(|| Refusal::Unwritable("the value cannot be written there".to_owned())))
}

/// The edit that takes `edit` of the text `before` back, byte for byte.
#[must_use]
pub fn invert(before: &str, edit: &TextEdit) -> TextEdit {
    let start = edit.span.start as usize;
    TextEdit {
        span: Span::new(start, start + edit.new_text.len()),
        new_text: edit.span.of(before).to_owned(),
    }
}

/// The new value as the place can have it: with LF where the text has line ends, without blank lines around a
/// block, with literal braces doubled for `str.format` and f-strings, with a point where a number has one.
fn normal(document: &Document, resolved: &Resolved, limits: &Limits, new: &str) -> String {
    let lines = || unix(new, document);
    let mut new = match &resolved.form {
        Form::Text if resolved.selector == Selector::File => lines(),
        Form::Text => plain::block(&lines()),
        Form::Value { .. } if becomes_text(resolved, limits) => new.to_owned(),
        Form::Value { .. } | Form::Expression => {
            let value = lines().trim().to_owned();
            if resolved.kind == ValueKind::Number {
                literal::as_float(&resolved.value, &value)
            } else {
                value
            }
        }
        Form::Code { .. } => plain::block(&lines()),
        // A text that is written over several lines has no line ends of its own.
        Form::Scalar { .. } | Form::Literal { .. } if resolved.span.of(document.source()).contains('\n') => {
            new.replace("\r\n", "\n")
        }
        Form::Append { .. } if resolved.kind != ValueKind::String => lines().trim().to_owned(),
        Form::Scalar { .. } | Form::Literal { .. } | Form::Append { .. } => new.to_owned(),
    };
    let fields = resolved.form == Form::Literal { fields: true };
    if (fields || limits.template == Some(Dialect::StrFormat)) && resolved.kind == ValueKind::String {
        new = literal::double_literal_braces(&resolved.value, &new);
    }
    new
}

/// The ways to write `new`, the one that changes least first.
fn candidates(
    document: &Document,
    resolved: &Resolved,
    limits: &Limits,
    new: &str,
) -> Result<Vec<String>, Refusal> {
    let place = Writing { document, source: document.source(), resolved, new };
    match &resolved.form {
        Form::Text => match resolved.selector {
            Selector::Section { .. } | Selector::Body => markdown::candidates(&place),
            Selector::Region(_) => Ok(vec![plain::in_block(&place)]),
            _ => Ok(vec![place.lines(new)]),
        },
        Form::Scalar { format, style, flow, column } => Ok(match format {
            DataFormat::Json => json::text(&place),
            DataFormat::Toml => toml::text(&place, *style),
            DataFormat::Yaml => yaml::text(&place, *style, *flow, *column),
        }),
        Form::Value { format, indent } => {
            let value = place.lines(&crate::selector::indented(new, indent));
            Ok(match format {
                DataFormat::Json if becomes_text(resolved, limits) => json::text(&place),
                DataFormat::Yaml if becomes_text(resolved, limits) => yaml::text_for_nothing(&place),
                // Dashes may stand below their key, brackets may not.
                DataFormat::Yaml => {
                    let deeper = crate::selector::indented(new, &format!("{indent}  "));
                    vec![value, place.lines(&format!("  {deeper}"))]
                }
                _ => vec![value],
            })
        }
        Form::Append { format, list } => match format {
            DataFormat::Json => Ok(json::append(&place, list)),
            DataFormat::Toml => Ok(toml::append(&place, list)),
            DataFormat::Yaml => Ok(yaml::append(&place, list)),
        },
        Form::Literal { .. } | Form::Expression | Form::Code { .. } => python::candidates(&place),
    }
}

/// Whether the place has nothing yet, and so takes a text.
fn becomes_text(resolved: &Resolved, limits: &Limits) -> bool {
    matches!(resolved.form, Form::Value { format: DataFormat::Json | DataFormat::Yaml, .. })
        && matches!(resolved.value.as_str(), "" | "~" | "null" | "Null" | "NULL")
        && matches!(limits.kind, None | Some(ValueKind::String))
}

/// What a writer knows about the place where it writes.
struct Writing<'a> {
    document: &'a Document,
    source: &'a str,
    resolved: &'a Resolved,
    new: &'a str,
}

impl Writing<'_> {
    /// The bytes that are replaced.
    fn old(&self) -> &str {
        self.resolved.span.of(self.source)
    }

    /// `text` with the file's line ends.
    fn lines(&self, text: &str) -> String {
        match self.document.text().line_ending() {
            "\n" => text.to_owned(),
            end => text.replace('\n', end),
        }
    }
}

#[cfg(test)]
mod tests;
