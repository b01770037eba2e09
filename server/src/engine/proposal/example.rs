//! A failed held-in trial as a proposer sees it: what its checks said, masked, and the steps around the evidence, cut. It has an
//! alias for a name; the task's own name, the user's directories and what looks like a secret are taken out.

use std::fmt::Write as _;
use std::sync::LazyLock;

use harness_schema::detector::Detector;
use regex::Regex;

use crate::engine::detector::message;
use crate::engine::signature::{Finding, Seen};
use crate::engine::trace::{Arguments, Call, Source, Step, Trace};

/// At most so many steps are shown.
const MAX_STEPS: usize = 12;
/// At most so many characters of a message, of arguments or of a result are shown, half of them from its end.
const MAX_CHARS: usize = 600;
/// At most so many messages of checks are shown.
const MAX_MESSAGES: usize = 6;

/// A failed trial as a proposer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What its task is called here: `T1`, `T2`, ….
    pub alias: String,
    /// The cause, the causal status and the mechanism of its failure, in words.
    pub signature: String,
    /// What failing checks said, masked.
    pub messages: Vec<String>,
    /// The steps around the evidence.
    pub excerpt: String,
}

impl Example {
    /// Of a trial and its trace, around the evidence for the mechanism that is closest to the failure.
    #[must_use]
    pub fn of(seen: &Seen, trace: &Trace, alias: impl Into<String>) -> Self {
        Self::about(seen, trace, alias, None)
    }

    /// As [`Example::of`], around the evidence for `mechanism`, if the trial has any.
    #[must_use]
    pub fn about(seen: &Seen, trace: &Trace, alias: impl Into<String>, mechanism: Option<&Detector>) -> Self {
        let alias = alias.into();
        let asked = seen.findings.iter().find(|finding| Some(finding.detector) == mechanism);
        let closest = || {
            let rank = |finding: &&Finding| (finding.status, finding.detector.tier, finding.detector.id);
            seen.findings.iter().min_by_key(rank)
        };
        let finding = asked.or_else(closest);
        let cause = seen.cause.map_or("passed", |cause| cause.word());
        let signature = match finding {
            Some(finding) => format!("{cause}, {}, {}", finding.status.word(), finding.detector.name),
            None => format!("{cause}, none"),
        };
        let clean = |text: &str| without_names(text, &seen.task, &alias);
        let messages = seen.messages.iter().take(MAX_MESSAGES).map(|text| clean(&message::masked(text)));
        let messages: Vec<String> = messages.filter(|text| !text.is_empty()).collect();
        let evidence = finding.map(|finding| finding.evidence.steps.as_slice()).unwrap_or_default();
        let mut excerpt = String::new();
        let mut last = None;
        for step in around(trace, evidence) {
            if last.is_some_and(|last: usize| last + 1 < step.index) {
                excerpt.push_str("…\n");
            }
            last = Some(step.index);
            tell(step, evidence.contains(&step.index), &clean, &mut excerpt);
        }
        Self { alias, signature, messages, excerpt }
    }
}

/// The steps that are shown: those of the evidence and what is next to them, from the last evidence backwards if they are too
/// many; without evidence the last ones. What the harness says at first is shown elsewhere or nowhere.
fn around<'t>(trace: &'t Trace, evidence: &[usize]) -> Vec<&'t Step> {
    let begins =
        trace.steps.iter().position(|step| step.source == Source::Agent).unwrap_or(trace.steps.len());
    let steps = trace.steps.get(begins..).unwrap_or_default();
    let distance = |step: &Step| {
        let near = evidence.iter().map(|index| index.abs_diff(step.index)).min();
        near.unwrap_or_else(|| trace.steps.len().abs_diff(step.index))
    };
    let mut order: Vec<&Step> = steps.iter().collect();
    order.sort_by_key(|step| (distance(step), std::cmp::Reverse(step.index)));
    order.truncate(MAX_STEPS);
    order.sort_by_key(|step| step.index);
    order
}

fn tell(step: &Step, is_evidence: bool, clean: &impl Fn(&str) -> String, out: &mut String) {
    let who = match (step.source, &step.rule) {
        (Source::Agent, _) => "agent",
        (_, Some(_)) => "runtime rule",
        (Source::System, None) => "system",
        (Source::User, None) => "harness",
    };
    let mark = if is_evidence { " (evidence)" } else { "" };
    let said = cut(&clean(step.message.trim()));
    // Writing to a string cannot fail.
    let _ = writeln!(out, "step {}, {who}{mark}: {said}", step.index);
    for call in &step.calls {
        let _ = writeln!(out, "  calls {}: {}", clean(&call.tool), cut(&clean(&arguments(call))));
        let Some(seen) = &call.observation else { continue };
        let how = match (seen.timed_out, seen.exit) {
            (true, _) => String::from("timed out"),
            (false, Some(exit)) => format!("exit {exit}"),
            (false, None) => String::from("result"),
        };
        let _ = writeln!(out, "  {how}: {}", cut(&clean(&message::clean(seen.text.trim()))));
    }
}

fn arguments(call: &Call) -> String {
    match &call.arguments {
        Arguments::Json(value) => value.to_string(),
        Arguments::Raw(text) => format!("(no JSON) {text}"),
    }
}

/// A text without its middle, if it is long.
fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_CHARS {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX_CHARS / 2).collect();
    let tail: String = text.chars().skip(count - MAX_CHARS / 2).collect();
    format!("{head} […] {tail}")
}

/// A text without the task's name, without the user's directories, and without what looks like a secret.
fn without_names(text: &str, task: &str, alias: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let patterns = [
            (r"(?:/home|/Users)/[^/\s'\x22`:]+|[A-Za-z]:\\Users\\[^\\\s'\x22`]+", "~"),
            (
                r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
                "<SECRET>",
            ),
            (
                r"\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{12,}|xox[a-z]-[A-Za-z0-9-]{10,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)",
                "<SECRET>",
            ),
            (
                r"(?i)(?P<key>\bbearer\b|authorization:\s*(?:basic|bearer)?|(?:api[_-]?key|passw(?:or)?d|secret|token)\\?[\x22']?\s*[=:])\s*\\?[\x22']?[^\s\x22',;\\]{8,}",
                "${key} <SECRET>",
            ),
        ];
        let compiled = patterns.iter().filter_map(|(pattern, mask)| Some((Regex::new(pattern).ok()?, *mask)));
        compiled.collect()
    });
    let mut text = text.to_owned();
    for (pattern, mask) in &*PATTERNS {
        text = pattern.replace_all(&text, *mask).into_owned();
    }
    let name = task.rsplit('/').next().unwrap_or(task);
    for name in [task, name].into_iter().filter(|name| 3 < name.len()) {
        text = replace_folded(&text, name, alias);
    }
    text
}

/// A text with a word replaced, in whatever case it is written.
fn replace_folded(text: &str, word: &str, by: &str) -> String {
    // An id that is an everyday word is not looked for inside of others.
    let edge = if word.bytes().all(|byte| byte.is_ascii_alphabetic()) { r"\b" } else { "" };
    match Regex::new(&format!("(?i){edge}{}{edge}", regex::escape(word))) {
        Ok(pattern) => pattern.replace_all(text, regex::NoExpand(by)).into_owned(),
        Err(_) => text.replace(word, by),
    }
}

#[cfg(test)]
mod tests;
