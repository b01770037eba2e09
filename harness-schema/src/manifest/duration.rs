//! Durations: `"90s"`, `"1h30m"`, `"500ms"`. One form for who parses and for the JSON Schema.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number above zero, as durations have it.
macro_rules! number {
    () => {
        "0{0,8}[1-9][0-9]{0,8}"
    };
}

/// Zero, as durations have it.
macro_rules! zero {
    () => {
        "0{1,9}"
    };
}

/// Any number, as durations have it.
macro_rules! any {
    () => {
        "(0{0,8}[1-9][0-9]{0,8}|0{1,9})"
    };
}

/// The form of durations: one of the numbers is not zero, and none has more than 9 digits beside leading zeros. There is no
/// look-ahead in all dialects of regular expressions, so each place of the number that is not zero is spelled out.
const DURATION: &str = concat!(
    "^(",
    number!(),
    "h(",
    any!(),
    "m)?(",
    any!(),
    "s)?|",
    zero!(),
    "h",
    number!(),
    "m(",
    any!(),
    "s)?|",
    zero!(),
    "h(",
    zero!(),
    "m)?",
    number!(),
    "s|",
    number!(),
    "m(",
    any!(),
    "s)?|",
    zero!(),
    "m",
    number!(),
    "s|",
    number!(),
    "s|",
    number!(),
    "ms)$",
);

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
            let digits = number.trim_start_matches('0').len();
            let zeros = number.len() - digits;
            if 9 < digits || 9 < zeros || (0 < digits && 8 < zeros) {
                return Err(NotADuration);
            }
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
        let numbers = [
            "",
            "0",
            "000000000",
            "0000000000",
            "1",
            "05",
            "90",
            "000000001",
            "0000000001",
            "999999999",
            "1000000000",
        ];
        for number in numbers {
            for other in numbers {
                for text in [
                    format!("{number}h{other}m{number}s"),
                    format!("{number}h{other}m"),
                    format!("{number}h{other}s"),
                    format!("{number}m{other}s"),
                    format!("{number}{other}"),
                    format!("{number}h"),
                    format!("{number}m"),
                    format!("{number}s"),
                    format!("{number}ms"),
                    format!("{number}m{other}h"),
                    format!("{number}h{other}ms"),
                ] {
                    assert_eq!(pattern.is_match(&text), text.parse::<Duration>().is_ok(), "{text}");
                }
            }
        }
    }
}
