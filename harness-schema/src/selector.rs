//! Where a surface's text is: a selector names one place in a document by its structure, never by a line number.
//!
//! A selector resolves to exactly one span, or says why not. It never guesses between two places, and it refuses what
//! an edit could not change alone: an anchored value, a key given twice, a file that does not parse.

mod lines;
mod notation;
mod resolved;
mod written;
mod layout;
mod anchors;
mod data;
mod markdown;
mod python;
mod region;
pub mod steps;

use std::fmt::{self, Write as _};

use crate::digest::Digest;
use crate::problem::{nearest, within};
use crate::syntax::data::Step;
use crate::syntax::{Document, Format};
use crate::text::Span;

pub(crate) use self::data::{front_matter, positions, tree_of, tree_of_selector};
pub(crate) use self::layout::{indentation, indented};
pub(crate) use self::lines::{line, lines, unix, whole, without_blank_lines};
pub(crate) use self::markdown::paths as heading_paths;
pub(crate) use self::notation::kind_of;
pub use self::notation::{DataFormat, ListEnd, ValueKind};
pub(crate) use self::python::{Piece, parse as python_module, pieces_at, span as python_span, string_lines};
pub(crate) use self::region::regions_outside;
pub(crate) use self::resolved::in_words;
pub use self::resolved::{Candidate, Form, Resolved, Unresolved};

/// A place in a document, as `select` of a surface says it (the steps are array elements, never joined).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// `["file"]`: the whole text, without a byte order mark.
    File,
    /// `["md.section", h1, …, hn]`: what is below the heading, to the next of its level or higher.
    Section {
        /// The end of the heading path.
        path: Vec<String>,
        /// Which of several sections with this path, counted from 1.
        occurrence: Option<usize>,
    },
    /// `["md.frontmatter", key, …]`: a value in YAML front matter.
    FrontMatter {
        /// Keys and indices from the top of the front matter.
        steps: Vec<Step>,
        /// Whether the place is after the last entry of the list.
        append: bool,
    },
    /// `["md.body"]`: all after the front matter.
    Body,
    /// `["yaml" | "toml" | "json", step, …]`: a value.
    Data {
        /// The notation.
        format: DataFormat,
        /// Keys and indices from the top.
        steps: Vec<Step>,
        /// Whether the place is after the last entry of the list (`"+"`).
        append: bool,
    },
    /// `["py.…", name, …]`: a part of a Python file.
    Python {
        /// Which part of what is named.
        part: PythonPart,
        /// Classes and functions from the outside in, then the name.
        path: Vec<String>,
    },
    /// `["region", name]`: between the lines `self-harness:begin name` and `self-harness:end name`.
    Region(String),
    /// `["new", glob]`: a file to be made.
    New(String),
}

/// What of a Python definition is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PythonPart {
    /// `py.function`: from the first decorator to the end of the body.
    Function,
    /// `py.body`: the body without the docstring.
    Body,
    /// `py.doc`: the docstring.
    Doc,
    /// `py.return`: the expression of its only `return`.
    Return,
    /// `py.const`: the right side of an assignment with one target.
    Const,
}

impl PythonPart {
    /// The selector's first element.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "py.function",
            Self::Body => "py.body",
            Self::Doc => "py.doc",
            Self::Return => "py.return",
            Self::Const => "py.const",
        }
    }
}

/// The first elements of all selectors.
pub const KINDS: &[&str] = &[
    "file",
    "md.section",
    "md.frontmatter",
    "md.body",
    "yaml",
    "toml",
    "json",
    "py.function",
    "py.body",
    "py.doc",
    "py.return",
    "py.const",
    "region",
    "new",
];

/// Why an array is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorError {
    /// It is empty, or starts with a number.
    Empty,
    /// Its first element is no known kind.
    Unknown {
        /// The element.
        written: String,
        /// The kind that was perhaps meant.
        near: Option<&'static str>,
    },
    /// A step is missing after this kind.
    Missing(&'static str),
    /// This kind takes no further step.
    TooMany(&'static str),
    /// An integer where this kind takes names only.
    Integer(&'static str),
    /// An occurrence below 1.
    Occurrence,
    /// The pattern of a new file is no glob.
    Glob(String),
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a selector starts with its kind, such as `md.section`"),
            Self::Unknown { written, near: None } => write!(f, "unknown selector `{written}`"),
            Self::Unknown { written, near: Some(near) } => {
                write!(f, "unknown selector `{written}`; did you mean `{near}`?")
            }
            Self::Missing(kind) => write!(f, "selector `{kind}` needs a name after it"),
            Self::TooMany(kind) => write!(f, "selector `{kind}` has too many steps"),
            Self::Integer(kind) => write!(f, "selector `{kind}` takes names, not numbers, here"),
            Self::Occurrence => f.write_str("occurrences of a heading count from 1"),
            Self::Glob(glob) => write!(f, "`{glob}` is no pattern for a file"),
        }
    }
}

impl std::error::Error for SelectorError {}

impl Selector {
    /// A selector from the array of `select`.
    ///
    /// # Errors
    /// A [`SelectorError`] if the array is no selector; whether it resolves depends on the document.
    pub fn parse(steps: &[Step]) -> Result<Self, SelectorError> {
        let Some((Step::Key(kind), rest)) = steps.split_first() else { return Err(SelectorError::Empty) };
        let Some(&kind) = KINDS.iter().find(|known| **known == kind.as_str()) else {
            let near = crate::problem::nearest(kind, KINDS.iter().copied());
            return Err(SelectorError::Unknown { written: kind.to_string(), near });
        };
        if let Some(part) = python_part(kind) {
            return match names(rest, kind)? {
                path if path.is_empty() => Err(SelectorError::Missing(kind)),
                path => Ok(Self::Python { part, path }),
            };
        }
        if let Some(format) = DataFormat::named(kind) {
            let (steps, append) = split_append(rest);
            return Ok(Self::Data { format, steps, append });
        }
        match kind {
            "file" | "md.body" if !rest.is_empty() => Err(SelectorError::TooMany(kind)),
            "file" => Ok(Self::File),
            "md.body" => Ok(Self::Body),
            "md.section" => section(rest),
            "md.frontmatter" => {
                let (steps, append) = split_append(rest);
                if steps.is_empty() {
                    return Err(SelectorError::Missing(kind));
                }
                Ok(Self::FrontMatter { steps, append })
            }
            _ => {
                let mut rest = names(rest, kind)?;
                let name = rest.pop().ok_or(SelectorError::Missing(kind))?;
                if !rest.is_empty() {
                    return Err(SelectorError::TooMany(kind));
                }
                match kind {
                    "region" => Ok(Self::Region(name)),
                    _ if globset::Glob::new(&name).is_err() || name.is_empty() => {
                        Err(SelectorError::Glob(name))
                    }
                    _ => Ok(Self::New(name)),
                }
            }
        }
    }

    /// The selector's first element.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Section { .. } => "md.section",
            Self::FrontMatter { .. } => "md.frontmatter",
            Self::Body => "md.body",
            Self::Data { format, .. } => format.name(),
            Self::Python { part, .. } => part.name(),
            Self::Region(_) => "region",
            Self::New(_) => "new",
        }
    }

    /// The array that [`Selector::parse`] reads.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Key(self.kind().into())];
        let keys = |names: &[String]| names.iter().map(|name| Step::Key(name.into())).collect::<Vec<_>>();
        match self {
            Self::File | Self::Body => {}
            Self::Section { path, occurrence } => {
                steps.extend(keys(path));
                steps.extend(occurrence.and_then(|at| i64::try_from(at).ok()).map(Step::Index));
            }
            Self::FrontMatter { steps: inner, append } | Self::Data { steps: inner, append, .. } => {
                steps.extend(inner.iter().cloned());
                steps.extend(append.then(|| Step::Key("+".into())));
            }
            Self::Python { path, .. } => steps.extend(keys(path)),
            Self::Region(name) | Self::New(name) => steps.push(Step::Key(name.into())),
        }
        steps
    }

    /// The one span that this selector names in `document`.
    ///
    /// # Errors
    /// [`Unresolved`] if it names none, several, or one that an edit could not change alone.
    pub fn resolve(&self, document: &Document) -> Result<Resolved, Unresolved> {
        match self {
            Self::File => Ok(self.text(document, whole(document))),
            Self::Section { .. } | Self::Body | Self::FrontMatter { .. } => markdown::resolve(self, document),
            Self::Data { format, steps, append } => {
                let place = data::Place { selector: self, format: *format, steps, append: *append };
                place.resolve(document)
            }
            Self::Python { part, path } => python::resolve(self, *part, path, document),
            Self::Region(name) => region::resolve(self, name, document),
            Self::New(glob) => {
                Err(Unresolved::Refused(format!("`{glob}` names files that are yet to be made")))
            }
        }
    }

    /// As [`Selector::resolve`], and for a new entry of a TOML list of tables that has none yet also the place of the
    /// first: what `rules.new` needs where no rule is written. For surfaces that are known to be right; of a declared
    /// one, a list that is not there is a mistake.
    ///
    /// # Errors
    /// [`Unresolved`] as [`Selector::resolve`].
    pub fn resolve_or_first(&self, document: &Document) -> Result<Resolved, Unresolved> {
        let resolved = self.resolve(document);
        match (self, &resolved) {
            (Self::Data { format, steps, append: true }, Err(Unresolved::Nothing { .. })) => {
                let place = data::Place { selector: self, format: *format, steps, append: true };
                place.first_entry(document).map_or(resolved, Ok)
            }
            _ => resolved,
        }
    }

    /// A span of text as it stands.
    fn text(&self, document: &Document, span: Span) -> Resolved {
        let value = unix(span.of(document.source()), document);
        self.resolved(span, value, ValueKind::String, Form::Text)
    }

    fn resolved(&self, span: Span, value: String, kind: ValueKind, form: Form) -> Resolved {
        Resolved { selector: self.clone(), span, digest: Digest::of(value.as_bytes()), value, kind, form }
    }

    fn wrong_format(&self, document: &Document) -> Unresolved {
        let use_instead: &[&str] = match document.format() {
            Format::Markdown => &["md.section", "md.body", "file"],
            Format::Yaml => &["yaml", "file"],
            Format::Toml => &["toml", "file"],
            Format::Json => &["json", "file"],
            Format::Python => &["py.return", "py.const", "py.function", "py.body", "py.doc"],
            Format::Plain => &["file", "region"],
        };
        Unresolved::WrongFormat { used: self.kind(), format: document.format(), use_instead }
    }
}

impl fmt::Display for Selector {
    /// As TOML and JSON write it: `["md.section", "Rules", 2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (at, step) in self.steps().iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            match step {
                Step::Index(index) => write!(f, "{index}")?,
                Step::Key(key) => {
                    f.write_char('"')?;
                    for character in key.chars() {
                        match character {
                            '"' | '\\' => write!(f, "\\{character}")?,
                            // The first 32 and U+007F must be escaped in TOML (1.0, "String").
                            '\0'..='\x1f' | '\x7f' => write!(f, "\\u{:04X}", u32::from(character))?,
                            _ => f.write_char(character)?,
                        }
                    }
                    f.write_char('"')?;
                }
            }
        }
        f.write_char(']')
    }
}

fn python_part(kind: &str) -> Option<PythonPart> {
    use PythonPart::{Body, Const, Doc, Function, Return};
    [Function, Body, Doc, Return, Const].into_iter().find(|part| part.name() == kind)
}

fn names(steps: &[Step], kind: &'static str) -> Result<Vec<String>, SelectorError> {
    let name = |step: &Step| match step {
        Step::Key(name) => Ok(name.to_string()),
        Step::Index(_) => Err(SelectorError::Integer(kind)),
    };
    steps.iter().map(name).collect()
}

fn split_append(steps: &[Step]) -> (Vec<Step>, bool) {
    match steps.split_last() {
        Some((Step::Key(last), rest)) if last == "+" => (rest.to_vec(), true),
        _ => (steps.to_vec(), false),
    }
}

fn section(steps: &[Step]) -> Result<Selector, SelectorError> {
    let (steps, occurrence) = match steps.split_last() {
        Some((Step::Index(at), rest)) => match usize::try_from(*at) {
            Ok(at) if 0 < at => (rest, Some(at)),
            _ => return Err(SelectorError::Occurrence),
        },
        _ => (steps, None),
    };
    let path = names(steps, "md.section")?;
    if path.is_empty() {
        return Err(SelectorError::Missing("md.section"));
    }
    Ok(Selector::Section { path, occurrence })
}

/// The steps of `selector` with its last name replaced by each of `names` that is near `word`.
pub(crate) fn near<'a>(
    word: &str,
    names: impl IntoIterator<Item = &'a str>,
    with: impl Fn(&str) -> Selector,
) -> Vec<(String, Selector)> {
    close_to(word, names).map(|name| (name.to_owned(), with(name))).collect()
}

/// Those of `names` that `word` could be a slip of, nearest first.
fn close_to<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let is_close = |name: &&str| nearest(word, [*name]).is_some();
    within(word, names, word.chars().count().max(6) / 2).into_iter().filter(is_close)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(steps: &[&str]) -> Result<Selector, SelectorError> {
        let step = |text: &&str| text.parse().map(Step::Index).unwrap_or_else(|_| Step::Key((*text).into()));
        Selector::parse(&steps.iter().map(step).collect::<Vec<_>>())
    }

    #[test]
    fn arrays_are_read_and_written_back() {
        for steps in [
            vec!["file"],
            vec!["md.section", "Rules / Style", "2"],
            vec!["md.frontmatter", "description"],
            vec!["md.body"],
            vec!["yaml", "agent", "0", "a.b"],
            vec!["toml"],
            vec!["json", "tools", "+"],
            vec!["py.return", "Policy", "build"],
            vec!["region", "rules"],
            vec!["new", "tools/*.md"],
        ] {
            let selector = parse(&steps).unwrap();
            assert_eq!(Selector::parse(&selector.steps()), Ok(selector.clone()), "{selector}");
            let value: Vec<serde_json::Value> = serde_json::from_str(&selector.to_string()).unwrap();
            assert_eq!(value.len(), steps.len());
        }
    }

    #[test]
    fn what_is_no_selector_says_why() {
        let message = |steps: &[&str]| parse(steps).unwrap_err().to_string();
        assert_eq!(message(&[]), "a selector starts with its kind, such as `md.section`");
        assert_eq!(message(&["md.secton", "A"]), "unknown selector `md.secton`; did you mean `md.section`?");
        assert_eq!(message(&["md.section"]), "selector `md.section` needs a name after it");
        assert_eq!(message(&["md.section", "A", "0"]), "occurrences of a heading count from 1");
        assert_eq!(message(&["file", "x"]), "selector `file` has too many steps");
        assert_eq!(message(&["py.doc", "3"]), "selector `py.doc` takes names, not numbers, here");
        assert_eq!(message(&["new", "a[b"]), "`a[b` is no pattern for a file");
    }
}
