//! What failing checks say: messages of a report, and the lines of a verifier's output that are anchored. All else in an output
//! may be echoed source: one `@pytest.mark.timeout` line once made a whole suite "timeouts".

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::Cause;
use crate::engine::detector::message::clean;
use crate::engine::reward::{Check, CheckStatus};

/// So many lines of an output are read.
const MAX_LINES: usize = 100_000;

/// So many failing checks and build errors are read of an output.
const MAX_FAILING: usize = 1_000;

/// A check that failed, with what it said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Its name, its file and their parts.
    pub(super) names: Vec<String>,
    /// Whether it could not even be loaded.
    is_unloaded: bool,
    /// Its message, and the first line of its trace.
    text: String,
}

/// What an output says.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Checks that failed, in order.
    pub(super) failing: Vec<Said>,
    /// Whether it tells of any check, whatever its end.
    pub(super) has_check: bool,
    /// Lines of compilers and linkers that say that something does not build.
    pub(super) build_errors: Vec<String>,
}

/// The line that a runner of tests writes for each test or each failure of one.
static CHECK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?P<word>FAILED|ERROR) (?P<pytest>\S+?\.\w+(?:::.+?)?)(?: - (?P<message>.*))?|\s*--- FAIL: (?P<go>\S+)(?: \(.*\))?|test (?P<rust>\S+)(?: - should panic)? \.\.\. FAILED|\s*● (?P<jest>.+)|\s*not ok\b(?: \d+)?(?: -)?(?P<tap>.*))$",
    )
    .ok()
});

/// The line of a check that passed.
static PASSED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:PASSED \S+\.\w+|\s*--- PASS: \S|test \S+ \.\.\. ok$|\s*✓ \S|\s*ok \d+\b|=+ .*\b\d+ (?:passed|failed|errors?)\b.* in [\d.]+)",
    )
    .ok()
});

/// The first words of errors of compilers, linkers and build tools.
static BUILD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let lines = [
        // gcc, clang, javac, gfortran
        r"^\S+\.\w+:\d+:(?:\d+:)? (?:fatal )?error: ",
        // go
        r"^(?:\./)?\S+\.go:\d+:\d+: ",
        r"^FAIL\s+\S+ \[(?:build|setup) failed\]",
        // rustc and Cargo
        r"^error\[E\d+\]: ",
        r"^error: (?:could not compile|linking with|expected|cannot find|unresolved)",
        // ld
        r"^(?:\S*/)?ld(?:\.\w+)?: ",
        r"undefined reference to ",
        r"^collect2: error",
        // tsc, Gradle, Maven, make
        r"^\S+\(\d+,\d+\): error TS\d+: ",
        r"^> Task :compile\w+ FAILED",
        r"^Execution failed for task ':compile",
        r"^\[ERROR\] COMPILATION ERROR",
        r"^make(?:\[\d+\])?: \*\*\* No rule to make target",
    ];
    Regex::new(&lines.join("|")).ok()
});

impl Said {
    /// A check of a report.
    pub(super) fn of(check: &Check) -> Self {
        let text = [check.message.as_str(), check.trace.as_str()].map(clean).map(|text| unmarked(&text));
        let text =
            text.iter().filter(|text| !text.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n");
        let mut names = parts(&check.name);
        names.extend(parts(&check.file));
        Self { names, is_unloaded: check.status == CheckStatus::Other, text }
    }

    /// Whether it failed; one that could not be loaded did, one that was put off did not.
    pub(super) fn is_failure(&self) -> bool {
        !self.is_unloaded || self.is_import()
    }

    fn is_import(&self) -> bool {
        self.text.contains("ModuleNotFoundError") || self.text.contains("ImportError")
    }

    /// What it said.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Why it failed: the rules 7 and 9 to 16.
    pub(super) fn cause(&self) -> Cause {
        static RULES: LazyLock<Vec<(Cause, Regex)>> = LazyLock::new(|| {
            let rules = [
                (
                    Cause::ArtifactMissing,
                    r"FileNotFound|(?i:does not exist|doesn't exist|not found|no such file|\bmissing\b|not created)",
                ),
                (Cause::DependencyMissing, r"ModuleNotFound|ImportError|No module named|command not found"),
                (
                    Cause::ServiceDown,
                    r"ConnectionRefused|(?i:connection refused|not listening|not running|max retries)",
                ),
                (Cause::CheckTimeout, r"TimeoutExpired|TimeoutError|(?i:timed out)"),
                (
                    Cause::ArtifactMalformed,
                    r"\b(?:\w*JSONDecode|Unicode\w*|\w*Parser?|\w*Syntax|\w*Value|\w*Type|\w*Key|\w*Index|Attribute)Error\b",
                ),
                (
                    Cause::ProgramNonzero,
                    r"CalledProcessError|(?i:exit code|exited with|exit status|segmentation fault)",
                ),
                (
                    Cause::ValueMismatch,
                    r"AssertionError|==|!=|(?i:\bassert|\bexpected\b|\bdiffers?\b|\bdifferent\b|mismatch)",
                ),
            ];
            rules.into_iter().filter_map(|(cause, rule)| Some((cause, Regex::new(rule).ok()?))).collect()
        });
        if self.is_unloaded && self.is_import() {
            return Cause::VerifierImportError;
        }
        let text = self.plain();
        let is_program = self.text.contains("command not found") || self.text.contains("No module named");
        let found = RULES.iter().find(|(cause, rule)| {
            let text = if *cause == Cause::DependencyMissing && is_program { &self.text } else { &text };
            rule.is_match(text)
        });
        found.map_or(Cause::CheckFailed, |(cause, _)| *cause)
    }

    /// The text without words that say something else than they seem to.
    fn plain(&self) -> String {
        static ELSE: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(
                r"(?:\w+\.)*\w+ not raised|DID NOT RAISE.*|missing \d+ required|(?:command|[Mm]odule) not found",
            )
            .ok()
        });
        ELSE.as_ref()
            .map_or_else(|| self.text.clone(), |other| other.replace_all(&self.text, "").into_owned())
    }

    /// Whether two values that it compares differ in case, blanks, the last line break or the order of keys alone.
    pub(super) fn differs_in_form(&self) -> bool {
        static PAIR: LazyLock<Option<Regex>> = LazyLock::new(|| {
            let text = |name: &str| {
                format!(
                    r#"(?:'(?P<{name}1>(?:[^'\\]|\\.)*)'|"(?P<{name}2>(?:[^"\\]|\\.)*)"|`(?P<{name}3>[^`]*)`)"#
                )
            };
            let between = r"\s*(?:==|!=|(?:,|;| but|\.)?\s*(?:got|found|was|actual|received)[: ]*)\s*";
            Regex::new(&format!("{}{between}{}", text("a"), text("b"))).ok()
        });
        let Some(pair) = &*PAIR else { return false };
        pair.captures_iter(&self.text).any(|found| {
            let side = |name: &str| {
                (1..=3).find_map(|at| found.name(&format!("{name}{at}"))).map(|side| unescaped(side.as_str()))
            };
            match (side("a"), side("b")) {
                (Some(one), Some(other)) => one != other && form(&one) == form(&other),
                _ => false,
            }
        })
    }
}

/// A quoted text as it is meant, as far as blanks and quotes go.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("\\r", "\r")
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

/// A text without its form: what is JSON with its keys in order, all else without case and blanks.
fn form(text: &str) -> String {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(entries) => {
                let mut entries: Vec<(String, Value)> = entries.into_iter().collect();
                entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                entries.into_iter().map(|(key, value)| (key, sorted(value))).collect()
            }
            Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    let plain = match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => sorted(value).to_string(),
        _ => text.to_owned(),
    };
    plain.split_whitespace().flat_map(|word| word.chars().flat_map(char::to_lowercase)).collect()
}

/// A line without the mark that pytest puts before messages.
fn unmarked(text: &str) -> String {
    let lines = text.lines().map(|line| line.strip_prefix("E   ").unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A name and what it is made of: `tests/a_test.py::Group::test_b` names the file, its base name, the group and the test.
fn parts(name: &str) -> Vec<String> {
    let name = name.trim();
    let mut all = vec![name.to_owned()];
    for part in name.split("::") {
        all.push(part.to_owned());
        all.push(part.rsplit('/').next().unwrap_or(part).to_owned());
    }
    all.retain(|part| !part.is_empty());
    all
}

impl Output {
    /// Reads what a verifier wrote.
    pub(super) fn read(text: &str) -> Self {
        let mut output = Self::default();
        let text = clean(text);
        // The first lines of the blocks that begin with `E   `: the message of an exception, not what it compares.
        let mut messages: Vec<String> = Vec::new();
        let mut is_block = false;
        for line in text.lines().take(MAX_LINES) {
            let is_message = line.starts_with("E   ");
            if is_message && !is_block && messages.len() < MAX_FAILING {
                messages.push(unmarked(line));
            }
            is_block = is_message;
            output.read_line(line);
        }
        output.has_check |= !output.failing.is_empty() || !messages.is_empty();
        output.give(messages);
        output
    }

    fn read_line(&mut self, line: &str) {
        let (Some(check), Some(passed), Some(build)) = (&*CHECK, &*PASSED, &*BUILD) else { return };
        if MAX_FAILING <= self.failing.len() + self.build_errors.len() {
            return;
        }
        if let Some(found) = check.captures(line) {
            let name = ["pytest", "go", "rust", "jest", "tap"].iter().find_map(|name| found.name(name));
            let name = name.map_or("", |name| name.as_str()).trim();
            let text = found.name("message").map_or("", |message| message.as_str()).to_owned();
            let is_unloaded = found.name("word").is_some_and(|word| word.as_str() == "ERROR");
            self.failing.push(Said { names: parts(name), is_unloaded, text });
        } else if passed.is_match(line) {
            self.has_check = true;
        } else if build.is_match(line) {
            self.build_errors.push(line.to_owned());
        }
    }

    /// Gives messages to the failing checks. A runner cuts what it says in its summary, so that a longer message that goes on in
    /// the same way takes its place; what belongs to none belongs to all and stands alone.
    fn give(&mut self, messages: Vec<String>) {
        let mut rest = Vec::new();
        for message in messages {
            let is_cut = |said: &Said| {
                let start = said.text.trim_end_matches("...");
                !start.is_empty() && message.starts_with(start) && start.len() < message.len()
            };
            if self.failing.iter().any(|said| said.text == message) {
                continue;
            }
            match self.failing.iter_mut().find(|said| is_cut(said)) {
                Some(said) => said.text = message,
                None => rest.push(message),
            }
        }
        // `ERROR tests/a.py` without a word of its own has its message above.
        let is_unloaded = !self.failing.is_empty() && self.failing.iter().all(|said| said.is_unloaded);
        self.failing.extend(rest.into_iter().map(|text| Said { names: Vec::new(), is_unloaded, text }));
    }
}
