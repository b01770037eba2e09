//! Reads what a verifier leaves: `reward.json` or `reward.txt`, which decide, and `ctrf.json`, which is evidence. Untrusted:
//! whatever is malformed is named and never becomes a number.

use std::collections::BTreeMap;

use serde_json::Value;

/// Larger files are malformed, in bytes.
pub const MAX_REWARD_BYTES: usize = 64 * 1024;

/// Larger reports are not read, in bytes.
pub const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;

/// The name of a reward that has none of its own.
pub const REWARD: &str = "reward";

/// The rewards of a trial, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewards(BTreeMap<String, f64>);

/// Why there is no reward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewardError {
    /// There is neither file.
    #[error("the verifier left neither `reward.json` nor `reward.txt`")]
    Missing,
    /// A file is not what it must be.
    #[error("`{file}` is malformed: {reason}")]
    Malformed {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A reward that decides is not there.
    #[error("`reward.json` has no reward `{name}`, which decides")]
    Incomplete {
        /// The reward's name.
        name: String,
    },
}

impl Rewards {
    /// Reads the files of a verifier as they were found; `reward.json` wins.
    ///
    /// # Errors
    /// If there is neither, or the one that counts is malformed.
    pub fn read(json: Option<&[u8]>, text: Option<&[u8]>) -> Result<Self, RewardError> {
        match (json, text) {
            (Some(json), _) => Self::from_json(json).map_err(|reason| malformed("reward.json", reason)),
            (None, Some(text)) => Self::from_text(text).map_err(|reason| malformed("reward.txt", reason)),
            (None, None) => Err(RewardError::Missing),
        }
    }

    /// Rewards that somebody else has read.
    #[must_use]
    pub fn named(rewards: BTreeMap<String, f64>) -> Self {
        Self(rewards)
    }

    fn from_text(bytes: &[u8]) -> Result<Self, String> {
        let text = text(bytes)?.trim();
        if text.is_empty() {
            return Err(String::from("it is empty"));
        }
        let reward = number(text).ok_or("it is not one number")?;
        if !(0.0..=1.0).contains(&reward) {
            return Err(String::from("it is not from 0 to 1"));
        }
        Ok(Self(BTreeMap::from([(REWARD.to_owned(), reward)])))
    }

    fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text(bytes)?).map_err(|error| format!("it is no JSON ({error})"))?;
        let Value::Object(entries) = value else { return Err(String::from("it is no object")) };
        if entries.is_empty() {
            return Err(String::from("it has no reward"));
        }
        let mut rewards = BTreeMap::new();
        for (name, value) in entries {
            let number = value.as_f64().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| format!("`{name}` is no finite number"))?;
            rewards.insert(name, number);
        }
        Ok(Self(rewards))
    }

    /// Whether every reward that decides reaches its threshold; without any of its own name, the only one is meant.
    ///
    /// # Errors
    /// If one that decides is not there.
    pub fn pass(&self, thresholds: &BTreeMap<String, f64>) -> Result<bool, RewardError> {
        let mut passes = true;
        for (name, threshold) in thresholds {
            let only = self.0.values().next().filter(|_| self.0.len() == 1 && thresholds.len() == 1);
            let reward = self.0.get(name).or(only);
            let reward = reward.ok_or_else(|| RewardError::Incomplete { name: name.clone() })?;
            passes &= threshold <= reward;
        }
        Ok(passes)
    }

    /// The rewards by name.
    #[must_use]
    pub fn by_name(&self) -> &BTreeMap<String, f64> {
        &self.0
    }
}

fn malformed(file: &'static str, reason: String) -> RewardError {
    RewardError::Malformed { file, reason }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if MAX_REWARD_BYTES < bytes.len() {
        return Err(format!("it has more than {MAX_REWARD_BYTES} bytes"));
    }
    std::str::from_utf8(bytes).map_err(|_| String::from("it is no UTF-8"))
}

/// A decimal number as people write it; not `inf`, not `nan`, not `0x1`.
fn number(text: &str) -> Option<f64> {
    let is_decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| is_decimal && number.is_finite())
}

/// A check of a verifier, as its report tells it (CTRF, `results.tests[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: CheckStatus,
    /// What it said.
    pub message: String,
    /// The first line of its trace.
    pub trace: String,
    /// The file that it stands in.
    pub file: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckStatus {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run.
    Skipped,
    /// Anything else.
    Other,
}

/// Reads a report in the Common Test Report Format.
///
/// # Errors
/// In words, why it is none.
pub fn report(bytes: &[u8]) -> Result<Vec<Check>, String> {
    if MAX_REPORT_BYTES < bytes.len() {
        return Err(format!("it has more than {MAX_REPORT_BYTES} bytes"));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON ({error})"))?;
    let tests = value.pointer("/results/tests").and_then(Value::as_array);
    let tests = tests.ok_or("it has no list `results.tests`")?;
    tests.iter().map(check).collect()
}

fn check(test: &Value) -> Result<Check, String> {
    let text = |key: &str| test.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("name");
    if name.is_empty() {
        return Err(String::from("a test has no name"));
    }
    let status = match text("status").as_str() {
        "passed" => CheckStatus::Passed,
        "failed" => CheckStatus::Failed,
        "skipped" => CheckStatus::Skipped,
        "pending" | "other" => CheckStatus::Other,
        other => return Err(format!("the test `{name}` has the unknown status `{other}`")),
    };
    let trace = text("trace").lines().next().unwrap_or_default().to_owned();
    Ok(Check { name, status, message: text("message"), trace, file: text("filePath") })
}

/// The share of the checks that failed, of those that were run; none without any.
#[must_use]
pub fn partial(checks: &[Check]) -> Option<f64> {
    let ran = checks.iter().filter(|check| check.status != CheckStatus::Skipped).count();
    let failed = checks.iter().filter(|check| check.status == CheckStatus::Failed).count();
    (0 < ran).then(|| failed as f64 / ran as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one() -> BTreeMap<String, f64> {
        BTreeMap::from([(REWARD.to_owned(), 1.0)])
    }

    fn verdict(json: Option<&str>, text: Option<&str>) -> Result<bool, String> {
        let read = Rewards::read(json.map(str::as_bytes), text.map(str::as_bytes));
        read.and_then(|rewards| rewards.pass(&one())).map_err(|error| error.to_string())
    }

    #[test]
    fn one_number_decides() {
        assert_eq!(verdict(None, Some("1\n")), Ok(true));
        assert_eq!(verdict(None, Some(" 0.5 ")), Ok(false));
        assert_eq!(verdict(Some("{\"accuracy\": 1}"), Some("0")), Ok(true));
        assert_eq!(verdict(Some("{\"reward\": 1, \"style\": 0}"), None), Ok(true));
        assert_eq!(verdict(Some("{\"reward\": 0.99}"), None), Ok(false));
    }

    #[test]
    fn what_is_malformed_is_no_number() {
        for (text, reason) in [
            ("", "it is empty"),
            ("2", "it is not from 0 to 1"),
            ("-0.1", "it is not from 0 to 1"),
            ("nan", "it is not one number"),
            ("inf", "it is not one number"),
            ("1 0", "it is not one number"),
            ("1\n1", "it is not one number"),
            ("0x1", "it is not one number"),
        ] {
            assert_eq!(
                verdict(None, Some(text)),
                Err(format!("`reward.txt` is malformed: {reason}")),
                "{text:?}"
            );
        }
        for (json, reason) in [
            ("[1]", "it is no object"),
            ("{}", "it has no reward"),
            ("{\"a\": \"1\"}", "`a` is no finite number"),
            ("{\"a\": 1e999}", "it is no JSON (number out of range at line 1 column 11)"),
        ] {
            assert_eq!(verdict(Some(json), Some("1")), Err(format!("`reward.json` is malformed: {reason}")));
        }
        let missing = "`reward.json` has no reward `reward`, which decides";
        assert_eq!(verdict(Some("{\"a\": 1, \"b\": 1}"), None), Err(missing.to_owned()));
        assert_eq!(
            verdict(None, None),
            Err("the verifier left neither `reward.json` nor `reward.txt`".to_owned())
        );
        let huge = "1".repeat(MAX_REWARD_BYTES + 1);
        assert_eq!(
            verdict(None, Some(&huge)),
            Err("`reward.txt` is malformed: it has more than 65536 bytes".to_owned())
        );
    }

    #[test]
    fn a_report_is_evidence() {
        let source = r#"{"results": {"tool": {"name": "x"}, "tests": [
            {"name": "a", "status": "passed"}, {"name": "b", "status": "failed", "message": "no", "trace": "E  x\nmore"},
            {"name": "c", "status": "skipped"}]}}"#;
        let checks = report(source.as_bytes()).unwrap();
        assert_eq!((checks.len(), checks[1].trace.as_str()), (3, "E  x"));
        assert_eq!(partial(&checks), Some(0.5));
        assert_eq!(partial(&[]), None);
        assert_eq!(report(b"{}"), Err("it has no list `results.tests`".to_owned()));
        let unknown = r#"{"results": {"tests": [{"name": "a", "status": "ok"}]}}"#;
        assert_eq!(report(unknown.as_bytes()), Err("the test `a` has the unknown status `ok`".to_owned()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_reward_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let read = [Rewards::read(Some(&bytes), None), Rewards::read(None, Some(&bytes))];
            for rewards in read.into_iter().flatten() {
                prop_assert!(rewards.by_name().values().all(|reward| reward.is_finite()));
            }
            let _ = report(&bytes);
        }
    }
}
