//! Small values of the manifest: durations, texts, variables, selectors. They only read; nothing is looked up.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::surface::Choice;
use crate::syntax::data::Step;
use crate::syntax::decode::Spanned;

/// The form of ids: of surfaces, states and runtime rules.
pub(crate) const ID: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";
/// [`ID`] in words.
pub(crate) const ID_FORM: &str = "an id: lower-case letters, digits, `.`, `_` and `-`, at most 64 characters";
/// The form of names of variables.
pub(crate) const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// The form of durations.
const DURATION: &str = "^([0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]+s)?|[0-9]+s|[0-9]+ms)$";

/// A length of time, written as `"90s"`, `"1h30m"` or `"500ms"`; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(std::time::Duration);

/// A text that is no [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADuration;

impl Duration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// The duration as the standard library has it.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let mut rest = text;
        let mut milliseconds = 0_u64;
        let mut last_unit = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
            let (unit, after) = after.split_at(letters);
            let unit = match unit {
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1000,
                // Milliseconds stand alone.
                "ms" if last_unit == u64::MAX => 1,
                _ => return Err(NotADuration),
            };
            let number: u64 = number.parse().map_err(|_| NotADuration)?;
            if last_unit <= unit {
                return Err(NotADuration);
            }
            let part = number.checked_mul(unit).ok_or(NotADuration)?;
            milliseconds = milliseconds.checked_add(part).ok_or(NotADuration)?;
            last_unit = unit;
            rest = after;
        }
        match milliseconds {
            0 => Err(NotADuration),
            _ => Ok(Self(std::time::Duration::from_millis(milliseconds))),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if !milliseconds.is_multiple_of(1000) {
            return write!(f, "{milliseconds}ms");
        }
        let seconds = milliseconds / 1000;
        for (number, unit) in [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NotADuration| de::Error::custom("no duration"))
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": DURATION,
            "x-format": "duration",
            "x-form": "a duration above zero, such as `\"90s\"` or `\"1h30m\"`",
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_written() {
        for text in ["90s", "1h30m", "2h", "1m30s", "500ms", "1h1m1s"] {
            let read: Duration = text.parse().unwrap();
            assert_eq!(read.to_string().parse(), Ok(read), "{text}");
        }
        assert_eq!("90s".parse::<Duration>().map(Duration::get), Ok(std::time::Duration::from_secs(90)));
        assert_eq!("90s".parse::<Duration>().unwrap().to_string(), "1m30s");
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "",
            "0s",
            "90",
            "s",
            "1.5h",
            "30m1h",
            "1s1s",
            "1h500ms",
            "-1s",
            "1d",
            " 1s",
            "99999999999999999999s",
        ] {
            assert_eq!(text.parse::<Duration>(), Err(NotADuration), "{text}");
        }
    }

    #[test]
    fn the_pattern_is_the_parser() {
        let pattern = regex::Regex::new(DURATION).unwrap();
        for text in ["90s", "1h30m", "500ms", "1h5s", "", "90", "30m1h", "1h500ms", "1.5h", "s"] {
            assert_eq!(pattern.is_match(text), text.parse::<Duration>().is_ok(), "{text}");
        }
    }
}
