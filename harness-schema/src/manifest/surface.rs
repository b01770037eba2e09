//! `[[surface]]`: what the manifest says about a surface. Where its text is, is resolved elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{ID_FORM, Select, TextSource, unwritten};
use crate::selector::ValueKind;
use crate::surface::{Choice, Dialect, Role};
use crate::syntax::data::Step;
use crate::syntax::decode::Spanned;

/// A part of a harness that a proposal may change, or with a native part's id and `enabled = false` one that it may not.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["id"]))]
pub struct SurfaceEntry {
    /// The surface's name; with a glob in `file` each surface is called `id@path`.
    #[schemars(extend(
        "pattern" = "^([a-z0-9][a-z0-9._-]{0,63}|(tool|prompt\\.variables)\\.[A-Za-z0-9_.-]+)$",
        "x-form" = ID_FORM,
        "x-self-harness" = {"is": "X"}
    ))]
    pub id: Spanned<String>,
    /// What the proposer is told about it.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub description: Spanned<String>,
    /// Whether it may be changed; `false` switches a native surface off.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub enabled: Spanned<bool>,
    /// The file, or a glob: a surface for each file.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "X", "names": "glob"}))]
    pub file: Option<Spanned<String>>,
    /// The place in the file: a selector's kind, then its steps.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "X", "names": "selector"}))]
    pub select: Spanned<Select>,
    /// Several places that one edit changes together, such as an implementation and its registration.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "X"}))]
    pub parts: Option<Spanned<Vec<Spanned<PartEntry>>>>,
    /// What it does in the harness; the kind of a weakness's location.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub kind: Option<Spanned<Role>>,
    /// The type of its value; as it is now if it is not set.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub r#type: Option<Spanned<ValueType>>,
    /// The least value.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub min: Option<Spanned<f64>>,
    /// The greatest value.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub max: Option<Spanned<f64>>,
    /// The values that it may have.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "X"}))]
    pub one_of: Option<Spanned<Vec<Spanned<Choice>>>>,
    /// How many tokens it may have after an edit, counted as ASCII characters ÷ 4 plus all others.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "X"}))]
    pub max_tokens: Option<Spanned<u64>>,
    /// How many lines it may have after an edit.
    #[schemars(extend("minimum" = 1, "x-self-harness" = {"is": "X"}))]
    pub max_lines: Option<Spanned<u64>>,
    /// Placeholders that must stay; blanks inside braces do not count.
    #[schemars(inner(length(min = 1)), extend("x-self-harness" = {"is": "X"}))]
    pub requires: Vec<Spanned<String>>,
    /// The template language that the new text must still compile in.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub template: Option<Spanned<TemplateKind>>,
    /// Whether the imported file stands for a file that only imports it; on for `CLAUDE.md`.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub follow_imports: Option<Spanned<bool>>,
    /// For `["new", glob]`: how many files may be made, and what they start from.
    #[schemars(extend("x-self-harness" = {"is": "X"}))]
    pub new_files: Option<Spanned<NewFiles>>,
}

impl Default for SurfaceEntry {
    fn default() -> Self {
        Self {
            id: Spanned::default(),
            description: Spanned::default(),
            enabled: true.into(),
            file: None,
            select: whole_file(),
            parts: None,
            kind: None,
            r#type: None,
            min: None,
            max: None,
            one_of: None,
            max_tokens: None,
            max_lines: None,
            requires: Vec::new(),
            template: None,
            follow_imports: None,
            new_files: None,
        }
    }
}

fn whole_file() -> Spanned<Select> {
    Spanned::unwritten(vec![unwritten(Step::Key("file".into()))])
}

/// One place of a composite surface.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct PartEntry {
    /// The file; not for `["new", glob]`.
    #[schemars(extend("minLength" = 1, "x-self-harness" = {"is": "X", "names": "path"}))]
    pub file: Option<Spanned<String>>,
    /// The place in the file: a selector's kind, then its steps.
    #[schemars(extend("minItems" = 1, "x-self-harness" = {"is": "X", "names": "selector"}))]
    pub select: Spanned<Select>,
}

impl Default for PartEntry {
    fn default() -> Self {
        Self { file: None, select: whole_file() }
    }
}

/// The type of a surface's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// A table.
    Table,
}

impl From<ValueType> for ValueKind {
    fn from(written: ValueType) -> Self {
        match written {
            ValueType::String => Self::String,
            ValueType::Integer => Self::Integer,
            ValueType::Number => Self::Number,
            ValueType::Boolean => Self::Boolean,
            ValueType::List => Self::List,
            ValueType::Table => Self::Table,
        }
    }
}

/// A template language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum TemplateKind {
    /// No templates: braces are braces.
    #[serde(rename = "none")]
    None,
    /// Jinja, as the native agent renders it.
    #[serde(rename = "jinja")]
    Jinja,
    /// Python's `str.format`.
    #[serde(rename = "str.format")]
    StrFormat,
    /// A Python f-string.
    #[serde(rename = "f-string")]
    FString,
    /// Mustache.
    #[serde(rename = "mustache")]
    Mustache,
}

impl TemplateKind {
    /// The language, if it is one.
    #[must_use]
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::None => None,
            Self::Jinja => Some(Dialect::Jinja),
            Self::StrFormat => Some(Dialect::StrFormat),
            Self::FString => Some(Dialect::FString),
            Self::Mustache => Some(Dialect::Mustache),
        }
    }
}

/// How many files a surface may create, and from what.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["max"]))]
pub struct NewFiles {
    /// How many files there may be.
    #[schemars(extend("minimum" = 1))]
    pub max: Spanned<u32>,
    /// What a new file starts from.
    pub text: Option<Spanned<TextSource>>,
}

impl Default for NewFiles {
    fn default() -> Self {
        Self { max: 1.into(), text: None }
    }
}
