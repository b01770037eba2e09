//! Keys of `task.toml` that authors really write and that do not mean what they seem to, with what to write instead.

use crate::syntax::data::{Kind, Value};

/// A key that authors write out of habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// The table: its keys from the root; `steps` stands for each of them.
    pub table: &'static [&'static str],
    /// The key.
    pub key: &'static str,
    /// What to do about it.
    pub advice: Advice,
}

/// What to write instead of a habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// It is about the task: it belongs into `[metadata]`.
    Metadata,
    /// Harbor ignores it; nothing else says the same.
    Remove,
    /// A size belongs into this key, in MB. Harbor reads the text `"2G"` so, and drops a number.
    Size(&'static str),
}

const HABITS: &[Habit] = &[
    Habit { table: &["task"], key: "format", advice: Advice::Metadata },
    Habit { table: &["task"], key: "workstream", advice: Advice::Metadata },
    Habit { table: &["task"], key: "language", advice: Advice::Metadata },
    Habit { table: &["steps"], key: "dependencies", advice: Advice::Remove },
    Habit { table: &["steps"], key: "depends_on", advice: Advice::Remove },
    Habit { table: &["steps"], key: "inherit_prior_session", advice: Advice::Remove },
    Habit { table: &["environment"], key: "memory", advice: Advice::Size("memory_mb") },
    Habit { table: &["environment"], key: "storage", advice: Advice::Size("storage_mb") },
    Habit { table: &["verifier", "environment"], key: "memory", advice: Advice::Size("memory_mb") },
    Habit { table: &["verifier", "environment"], key: "storage", advice: Advice::Size("storage_mb") },
];

/// What is known about a key of a table of `task.toml` (its keys from the root, list indices left out).
#[must_use]
pub fn habit(table: &[&str], key: &str) -> Option<&'static Habit> {
    HABITS.iter().find(|habit| habit.table == table && habit.key == key)
}

impl Habit {
    /// Whether Harbor reads it with this value after all: sizes as texts.
    #[must_use]
    pub fn is_read(&self, value: &Value) -> bool {
        match self.advice {
            Advice::Metadata | Advice::Remove => false,
            Advice::Size(_) => matches!(value.kind, Kind::Text(_)),
        }
    }

    /// The entry to write instead, as key and value in TOML; `None` if the value says nothing that Harbor knows.
    #[must_use]
    pub fn instead(&self, value: &Value) -> Option<(&'static str, String)> {
        match self.advice {
            Advice::Metadata | Advice::Remove => None,
            Advice::Size(key) => Some((key, size_of(value)?.to_string())),
        }
    }
}

fn size_of(value: &Value) -> Option<u64> {
    match &value.kind {
        Kind::Text(text) => size_in_mb(&text.value),
        Kind::Integer(megabytes) => u64::try_from(*megabytes).ok(),
        _ => None,
    }
}

/// A size such as `2G`, `512M` or `1048576K` in MB (1024 of the smaller unit each), rounded up; `None` for another text.
#[must_use]
pub fn size_in_mb(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let megabytes = match unit.strip_suffix('b').unwrap_or(&unit).trim_end_matches('i') {
        "t" => number * 1024.0 * 1024.0,
        "g" => number * 1024.0,
        "m" => number,
        "k" => number / 1024.0,
        _ => return None,
    };
    // Far below 2^53, so that no digit is lost.
    (0.0 < megabytes && megabytes < 1e12).then(|| megabytes.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::toml;

    #[test]
    fn sizes_become_megabytes() {
        let read = ["2G", "2gb", "512M", "1.5Gi", "1048576K", "1T"].map(size_in_mb);
        assert_eq!(read, [Some(2048), Some(2048), Some(512), Some(1536), Some(1024), Some(1_048_576)]);
        for text in ["", "2", "G", "2X", "-1G", "1.2.3G", "0M"] {
            assert_eq!(size_in_mb(text), None, "{text}");
        }
    }

    #[test]
    fn a_habit_says_what_to_write_instead() {
        let instead = |table: &[&str], key: &str, value: &str| {
            let tree = toml::parse(&format!("x = {value}"));
            habit(table, key)?.instead(tree.root.get("x")?)
        };
        assert_eq!(instead(&["environment"], "memory", "2048"), Some(("memory_mb", "2048".to_owned())));
        assert_eq!(instead(&["environment"], "storage", "\"10G\""), Some(("storage_mb", "10240".to_owned())));
        assert_eq!(habit(&["task"], "language").map(|habit| habit.advice), Some(Advice::Metadata));
        assert_eq!(habit(&["metadata"], "language"), None);
    }
}
