//! From a result of Harbor's to a verdict, by the table of `formats` 5.3. Harbor verifies after some exceptions and not after
//! others, and a reward is worth nothing where the provider failed.

use std::collections::BTreeMap;

use super::result::{Raised, TrialResult};
use crate::engine::reward::Rewards;
use crate::engine::trace::End;
use crate::engine::verdict::{Flags, Verdict, VoidCause};

/// What a trial is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Measure<'a> {
    /// The rewards that a pass needs.
    pub thresholds: &'a BTreeMap<String, f64>,
    /// Whether the solution of the task passed in time when it was tried.
    pub oracle_holds: bool,
    /// Whether the agent is one that asks a model.
    pub needs_model: bool,
}

/// What is known of an agent besides what Harbor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it asked the model for anything: it took tokens, or its transcript has a step of it.
    pub asked: bool,
    /// Whether it left a transcript that can be read.
    pub is_readable: bool,
}

/// What a result says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What else is to be known.
    pub flags: Flags,
    /// How the agent ended, if Harbor knows.
    pub end: Option<End>,
    /// Why, in a sentence without a full stop.
    pub why: String,
    /// Whether every other trial would fare the same.
    pub pauses: bool,
}

/// What an exception says of a trial.
#[derive(Clone, Debug, PartialEq)]
enum Class {
    /// The agent ended so; Harbor verified all the same.
    Ended(End),
    /// The provider failed; whether it would fail all.
    Provider { pauses: bool },
    /// The verifier took too long.
    VerifierTimeout,
    /// The verifier said nothing.
    VerifierCrash,
    /// There was no environment, or no agent in it.
    Environment,
    /// Anything else.
    Other,
}

/// Errors of a provider that a client in Harbor's own process raises.
const OF_CLIENTS: [&str; 15] = [
    "RateLimitError",
    "APIConnectionError",
    "APIConnectionTimeoutError",
    "APITimeoutError",
    "APIStatusError",
    "APIError",
    "APIResponseValidationError",
    "InternalServerError",
    "ServiceUnavailableError",
    "BadGatewayError",
    "OverloadedError",
    "Timeout",
    "BadRequestError",
    "UnprocessableEntityError",
    "BudgetExceededError",
];

/// Errors of a provider that do not go by themselves.
const REFUSED: [&str; 9] = [
    "AgentAuthenticationError",
    "AuthenticationError",
    "PermissionDeniedError",
    "ModelNotFoundError",
    "NotFoundError",
    "ApiUsageLimitError",
    "ApiProviderResourceNotFoundError",
    "BudgetExceededError",
    "InsufficientCreditsError",
];

impl Class {
    fn of(raised: &Raised) -> Self {
        let name = raised.name.as_str();
        match name {
            "AgentTimeoutError" => Self::Ended(End::Time),
            "NonZeroAgentExitCodeError" => Self::Ended(End::Crashed(first_line(&raised.message))),
            "AgentSafetyRefusalError" => {
                Self::Ended(End::Crashed(String::from("the model refused to answer")))
            }
            "ContextWindowExceededError" => Self::Ended(End::Context),
            "OutputTokenExceededError" => Self::Ended(End::Tokens),
            "VerifierTimeoutError" => Self::VerifierTimeout,
            "VerifierOutputParseError" | "AddTestsDirError" | "DownloadVerifierDirError" => {
                Self::VerifierCrash
            }
            "AgentSetupTimeoutError" | "EnvironmentStartTimeoutError" | "HealthcheckError" => {
                Self::Environment
            }
            "NetworkConnectionError" => Self::Provider { pauses: false },
            name if REFUSED.contains(&name) => Self::Provider { pauses: true },
            name if OF_CLIENTS.contains(&name) => Self::Provider { pauses: false },
            name if name == "UnknownApiError" || is_between(name, "Api") => Self::Provider { pauses: false },
            name if is_between(name, "RewardFile") => Self::VerifierCrash,
            _ => Self::Other,
        }
    }
}

/// Whether an exception of this class says that the provider failed.
#[must_use]
pub fn is_of_provider(name: &str) -> bool {
    let raised = Raised { name: name.to_owned(), message: String::new() };
    matches!(Class::of(&raised), Class::Provider { .. })
}

fn is_between(name: &str, head: &str) -> bool {
    name.starts_with(head) && name.ends_with("Error")
}

/// Judges a trial that is finished.
#[must_use]
pub fn judge(result: &TrialResult, measure: Measure<'_>, seen: Seen) -> Judgement {
    let mut judgement = by_reward(result, measure);
    for raised in result.raised() {
        let why = said(raised);
        let void = |cause| Judgement {
            verdict: Verdict::Void(cause),
            flags: Flags::default(),
            end: None,
            why: why.clone(),
            pauses: false,
        };
        let class = match Class::of(raised) {
            // What fails before there is an agent is no mistake of one.
            _ if !result.has_begun() => Class::Environment,
            class => class,
        };
        match class {
            Class::Ended(end) => {
                judgement.end = Some(end);
                judgement.why = joined(&judgement.why, &why);
            }
            Class::Provider { pauses } => {
                return Judgement { pauses, end: Some(End::Provider), ..void(VoidCause::Provider) };
            }
            Class::VerifierTimeout if measure.oracle_holds => {
                judgement.verdict = Verdict::Fail;
                judgement.flags.verifier_timeout = true;
                judgement.why = why;
            }
            Class::VerifierTimeout | Class::VerifierCrash => return void(VoidCause::VerifierCrash),
            Class::Environment => return void(VoidCause::EnvironmentSetup),
            // It was judged in spite of it.
            Class::Other if result.rewards().is_some() => judgement.why = joined(&judgement.why, &why),
            Class::Other if result.is_judged() => return void(VoidCause::VerifierCrash),
            Class::Other if !seen.asked && measure.needs_model => return void(VoidCause::AgentStart),
            Class::Other => return void(VoidCause::Adapter),
        }
    }
    judgement.flags = flags(judgement.flags, judgement.end.as_ref());
    if measure.needs_model { with_model(judgement, seen) } else { judgement }
}

/// What the rewards say, if nothing went wrong.
fn by_reward(result: &TrialResult, measure: Measure<'_>) -> Judgement {
    let rewards = result.rewards().cloned().map(Rewards::named);
    let (verdict, why) = match rewards.map(|rewards| rewards.pass(measure.thresholds)) {
        Some(Ok(true)) => (Verdict::Pass, String::new()),
        Some(Ok(false)) => (Verdict::Fail, String::from("a required reward is not reached")),
        Some(Err(error)) => (Verdict::Void(VoidCause::VerifierCrash), error.to_string()),
        None => {
            let why = String::from("Harbor has no reward of the verifier");
            (Verdict::Void(VoidCause::VerifierCrash), why)
        }
    };
    Judgement { verdict, flags: Flags::default(), end: None, why, pauses: false }
}

/// Who never asked the model did nothing that could be judged; of whom nothing is left, nobody knows what was judged.
fn with_model(judgement: Judgement, seen: Seen) -> Judgement {
    if matches!(judgement.verdict, Verdict::Void(_)) || (seen.asked && seen.is_readable) {
        return judgement;
    }
    let has_crashed = matches!(judgement.end, Some(End::Crashed(_) | End::Time));
    let (cause, what) = match seen.asked || (!seen.is_readable && !has_crashed) {
        true => (VoidCause::Adapter, "the agent left no transcript that can be read"),
        false => (VoidCause::AgentStart, "the agent asked the model for nothing"),
    };
    let why = match &judgement.end {
        Some(_) => joined(what, &judgement.why),
        None => what.to_owned(),
    };
    Judgement { verdict: Verdict::Void(cause), flags: Flags::default(), why, ..judgement }
}

fn flags(flags: Flags, end: Option<&End>) -> Flags {
    Flags {
        timed_out: flags.timed_out || matches!(end, Some(End::Time)),
        limit_hit: flags.limit_hit || matches!(end, Some(End::Tokens | End::Context)),
        ..flags
    }
}

fn said(raised: &Raised) -> String {
    let message = first_line(&raised.message);
    if message.is_empty() { raised.name.clone() } else { format!("{}: {message}", raised.name) }
}

fn first_line(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|char| !char.is_control()).take(MESSAGE_CHARS).collect()
}

/// As much of a message as a person reads.
const MESSAGE_CHARS: usize = 600;

fn joined(first: &str, second: &str) -> String {
    if first.is_empty() { second.to_owned() } else { format!("{first}; {second}") }
}
