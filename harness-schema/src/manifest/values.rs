//! Small values of the manifest: texts, variables, selectors. They only read; nothing is looked up.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use crate::surface::Choice;
use crate::syntax::data::Step;
use crate::syntax::decode::Spanned;

/// The form of ids: of surfaces, states and runtime rules.
pub(crate) const ID: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";
/// [`ID`] in words.
pub(crate) const ID_FORM: &str = "an id: lower-case letters, digits, `.`, `_` and `-`, at most 64 characters";
/// The form of names of variables.
pub(crate) const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// A *text*: a file's path, or the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// The path of a file that holds it.
    File(String),
    /// `{ text = "…" }`: the text stands in the manifest.
    Inline(Spanned<String>),
}

impl TextSource {
    /// The path of the file that holds the text, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::File(path) => Some(path),
            Self::Inline(_) => None,
        }
    }

    /// The text, if it stands in the manifest.
    #[must_use]
    pub fn inline(&self) -> Option<&Spanned<String>> {
        match self {
            Self::Inline(text) => Some(text),
            Self::File(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for TextSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = TextSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or `{ text = \"…\" }`")
            }

            fn visit_str<E>(self, path: &str) -> Result<TextSource, E> {
                Ok(TextSource::File(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextSource, A::Error> {
                #[derive(Deserialize)]
                struct Inline {
                    text: Spanned<String>,
                }
                Inline::deserialize(MapAccessDeserializer::new(map))
                    .map(|inline| TextSource::Inline(inline.text))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for TextSource {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1, "x-self-harness": { "names": "path" } },
                {
                    "type": "object",
                    "properties": {
                        "text": { "type": "string", "description": "The text itself." },
                    },
                    "required": ["text"],
                    "additionalProperties": false,
                },
            ],
            "x-form": "a path or `{ text = \"…\" }`",
        })
    }
}

/// A description of a tool: the text itself, also as `{ text = "…" }`, or `{ file = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// The text itself.
    Text(Spanned<String>),
    /// The path of a file that holds it.
    File(Spanned<String>),
}

impl<'de> Deserialize<'de> for Description {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DescriptionVisitor;

        impl<'de> Visitor<'de> for DescriptionVisitor {
            type Value = Description;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, `{ text = \"…\" }` or `{ file = \"…\" }`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Description, E> {
                Ok(Description::Text(unwritten(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Description, A::Error> {
                #[derive(Deserialize)]
                struct Table {
                    #[serde(default)]
                    text: Option<Spanned<String>>,
                    #[serde(default)]
                    file: Option<Spanned<String>>,
                }
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                match (table.text, table.file) {
                    (Some(text), _) => Ok(Description::Text(text)),
                    (None, Some(file)) => Ok(Description::File(file)),
                    (None, None) => Err(de::Error::custom("neither `text` nor `file`")),
                }
            }
        }

        deserializer.deserialize_any(DescriptionVisitor)
    }
}

impl JsonSchema for Description {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Description".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "text": { "type": "string", "description": "The text itself." },
                        "file": {
                            "type": "string",
                            "minLength": 1,
                            "description": "The file whose text is the description.",
                            "x-self-harness": { "names": "path" },
                        },
                    },
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                },
            ],
            "x-form": "a text or `{ file = \"…\" }`",
        })
    }
}

/// The value of an own variable of prompts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The value itself.
    Value(String),
    /// `{ file = "…" }`: the value is the text of a file.
    File(Spanned<String>),
}

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VariableVisitor;

        impl<'de> Visitor<'de> for VariableVisitor {
            type Value = Variable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or `{ file = \"…\" }`")
            }

            fn visit_str<E>(self, value: &str) -> Result<Variable, E> {
                Ok(Variable::Value(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Variable, A::Error> {
                #[derive(Deserialize)]
                struct InFile {
                    file: Spanned<String>,
                }
                InFile::deserialize(MapAccessDeserializer::new(map))
                    .map(|variable| Variable::File(variable.file))
            }
        }

        deserializer.deserialize_any(VariableVisitor)
    }
}

impl JsonSchema for Variable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Variable".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "string",
                            "minLength": 1,
                            "description": "The file whose text is the value.",
                            "x-self-harness": { "names": "path" },
                        },
                    },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
            "x-form": "a text or `{ file = \"…\" }`",
        })
    }
}

/// The steps of a selector, as written: `["md.section", "Rules"]`.
pub type Select = Vec<Spanned<Step>>;

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor;

        impl Visitor<'_> for ChoiceVisitor {
            type Value = Choice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E>(self, value: &str) -> Result<Choice, E> {
                Ok(Choice::String(value.to_owned()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Choice, E> {
                Ok(Choice::Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Choice, E> {
                Ok(Choice::Number(value))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Choice, E> {
                Ok(Choice::Boolean(value))
            }
        }

        deserializer.deserialize_any(ChoiceVisitor)
    }
}

impl JsonSchema for Choice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Choice".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A value that nobody wrote.
pub(crate) fn unwritten<T: From<U>, U>(value: U) -> Spanned<T> {
    Spanned::unwritten(value.into())
}
