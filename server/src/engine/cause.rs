//! Why a trial failed, by the word of its verifier and of how it ended (`method` 3.2): one terminal cause, the first of a closed
//! list that fits. It reads what failing checks say, and never source that a verifier echoes.

mod checks;

use std::collections::BTreeSet;

use super::detector::message::masked;
use super::detector::{missing_in, named_in};
use super::reward::{Check, CheckStatus};
use super::trace::End;
use super::verdict::Flags;

/// So many messages are kept of a trial.
const MAX_MESSAGES: usize = 8;

/// So many names are kept of what its failing checks name.
const MAX_ENTITIES: usize = 128;

/// A terminal cause, in the order in which they are looked for; the first that fits wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The verifier or its tests were touched.
    VerifierTampered,
    /// The context window was full.
    LimitContext,
    /// The limit of steps.
    LimitSteps,
    /// The limit of tokens or of money.
    LimitTokens,
    /// The agent crashed after its first model request.
    AgentCrash,
    /// The verifier ran out of its own time.
    VerifierTimeout,
    /// The agent ran out of time, and no check has a result.
    AgentTimeout,
    /// Neither a reward nor a check can be read: in imported records only.
    VerifierNoReport,
    /// A check could not be loaded for a missing module.
    VerifierImportError,
    /// What the agent made does not build.
    BuildFailed,
    /// A file that a check looks for is not there.
    ArtifactMissing,
    /// A module or program is not there.
    DependencyMissing,
    /// Nobody listens where a check asks.
    ServiceDown,
    /// Something that a check started ran out of time.
    CheckTimeout,
    /// What a check reads is not what it can read.
    ArtifactMalformed,
    /// A program that a check started failed.
    ProgramNonzero,
    /// A value is not the one that is expected.
    ValueMismatch,
    /// A named check failed otherwise.
    CheckFailed,
    /// Only a reward below the threshold is known.
    RewardZero,
}

impl Cause {
    /// All of them, in order.
    pub const ALL: [Self; 19] = [
        Self::VerifierTampered,
        Self::LimitContext,
        Self::LimitSteps,
        Self::LimitTokens,
        Self::AgentCrash,
        Self::VerifierTimeout,
        Self::AgentTimeout,
        Self::VerifierNoReport,
        Self::VerifierImportError,
        Self::BuildFailed,
        Self::ArtifactMissing,
        Self::DependencyMissing,
        Self::ServiceDown,
        Self::CheckTimeout,
        Self::ArtifactMalformed,
        Self::ProgramNonzero,
        Self::ValueMismatch,
        Self::CheckFailed,
        Self::RewardZero,
    ];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VerifierTampered => "verifier.tampered",
            Self::LimitContext => "limit.context",
            Self::LimitSteps => "limit.steps",
            Self::LimitTokens => "limit.tokens",
            Self::AgentCrash => "agent.crash",
            Self::VerifierTimeout => "verifier.timeout",
            Self::AgentTimeout => "agent.timeout",
            Self::VerifierNoReport => "verifier.no-report",
            Self::VerifierImportError => "verifier.import-error",
            Self::BuildFailed => "build.failed",
            Self::ArtifactMissing => "artifact.missing",
            Self::DependencyMissing => "dependency.missing",
            Self::ServiceDown => "service.down",
            Self::CheckTimeout => "check.timeout",
            Self::ArtifactMalformed => "artifact.malformed",
            Self::ProgramNonzero => "program.nonzero",
            Self::ValueMismatch => "value.mismatch",
            Self::CheckFailed => "check.failed",
            Self::RewardZero => "reward.zero",
        }
    }

    /// The cause that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// What is known of a failed trial besides its trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failed<'a> {
    /// What else is to be known of it.
    pub flags: Flags,
    /// How the agent phase ended.
    pub end: Option<&'a End>,
    /// Whether a reward was read.
    pub has_reward: bool,
    /// The checks of the report, if there is one.
    pub checks: &'a [Check],
    /// What the verifier wrote, to its output and to its errors.
    pub output: &'a str,
    /// Whether it is the record of another program, whose reward may be lost.
    pub is_imported: bool,
}

/// Why a trial failed, with what its failing checks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The terminal cause.
    pub cause: Cause,
    /// What failing checks said, masked, each template once; at most eight, those that decided the cause first. The order of the
    /// checks changes nothing.
    pub messages: Vec<String>,
    /// Paths, tests, ports, modules and programs that failing checks name.
    pub entities: BTreeSet<String>,
    /// Paths that failing checks look for and do not find.
    pub missing: BTreeSet<String>,
    /// Whether a value differs from the one that is expected in its form alone: case, blanks, last line break, order of keys.
    pub differs_in_form: bool,
}

/// Why a trial failed. It failed: a void trial has no cause of this kind.
#[must_use]
pub fn judge(failed: &Failed<'_>) -> Judged {
    let output = checks::Output::read(failed.output);
    let mut said: Vec<checks::Said> = failed
        .checks
        .iter()
        .filter(|check| matches!(check.status, CheckStatus::Failed | CheckStatus::Other))
        .map(checks::Said::of)
        // What is neither passed nor failed was put off, or could not be loaded.
        .filter(checks::Said::is_failure)
        .collect();
    // A report is more to be trusted than a text in which anybody may write.
    if said.is_empty() {
        said.clone_from(&output.failing);
    }
    // Runners that work in parallel tell of the same checks in another order each time.
    said.sort_by_cached_key(|said| (said.cause(), said.text().to_owned()));
    let has_result = !failed.checks.is_empty() || output.has_check;
    let cause = of_the_end(failed, has_result).unwrap_or_else(|| {
        let of_checks = said.iter().map(checks::Said::cause).min();
        let of_build = || if output.build_errors.is_empty() { Cause::RewardZero } else { Cause::BuildFailed };
        of_checks.unwrap_or_else(of_build)
    });
    let mut texts: Vec<&str> = said.iter().map(checks::Said::text).collect();
    let mut names: BTreeSet<String> = said.iter().flat_map(|said| said.names.iter().cloned()).collect();
    if said.is_empty() {
        texts.extend(output.build_errors.iter().map(String::as_str));
    }
    let mut messages: Vec<String> = Vec::new();
    let mut missing = BTreeSet::new();
    for text in &texts {
        names.extend(named_in(text));
        missing.extend(missing_in(text));
        for line in text.lines() {
            let message = masked(line);
            if !message.is_empty() && messages.len() < MAX_MESSAGES && !messages.contains(&message) {
                messages.push(message);
            }
        }
    }
    Judged {
        cause,
        messages,
        entities: names.into_iter().take(MAX_ENTITIES).collect(),
        missing,
        differs_in_form: said.iter().any(checks::Said::differs_in_form),
    }
}

/// The causes that how it ended decides, before any check is read.
fn of_the_end(failed: &Failed<'_>, has_result: bool) -> Option<Cause> {
    let timed_out = failed.flags.timed_out || failed.end == Some(&End::Time);
    if failed.flags.tampered {
        return Some(Cause::VerifierTampered);
    }
    match failed.end {
        Some(End::Context) => return Some(Cause::LimitContext),
        Some(End::Steps) => return Some(Cause::LimitSteps),
        Some(End::Tokens | End::Cost) => return Some(Cause::LimitTokens),
        Some(End::Crashed(_)) => return Some(Cause::AgentCrash),
        _ => {}
    }
    if failed.flags.verifier_timeout {
        return Some(Cause::VerifierTimeout);
    }
    if timed_out && !has_result {
        return Some(Cause::AgentTimeout);
    }
    (failed.is_imported && !failed.has_reward && !has_result).then_some(Cause::VerifierNoReport)
}

#[cfg(test)]
mod tests;
