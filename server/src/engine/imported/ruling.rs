//! The verdict of a trial that Harbor ran, by what it recorded: the exception and the reward. The table of `formats` 5.3.

use crate::engine::trace::End;
use crate::engine::verdict::{Flags, Verdict, VoidCause};

/// What Harbor recorded of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// The type of its exception, if there was one.
    pub exception: Option<&'a str>,
    /// Whether its rewards reach the thresholds; none without a reward.
    pub passes: Option<bool>,
    /// Whether the agent's phase began.
    pub has_begun: bool,
    /// Whether the agent has asked its model.
    pub has_asked: bool,
    /// Whether the task's own solution is known to pass here.
    pub oracle_holds: bool,
}

/// What a trial is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The verdict.
    pub verdict: Verdict,
    /// What else is to be known.
    pub flags: Flags,
    /// How the agent ended, if the exception tells it.
    pub end: Option<End>,
}

/// What the clients of providers raise, beside names of the form `Api…Error`.
const OF_PROVIDER: [&str; 17] = [
    "NetworkConnectionError",
    "AgentAuthenticationError",
    "ModelNotFoundError",
    "UnknownApiError",
    "RateLimitError",
    "APIConnectionError",
    "APITimeoutError",
    "APIStatusError",
    "APIResponseValidationError",
    "APIError",
    "InternalServerError",
    "ServiceUnavailableError",
    "OverloadedError",
    "AuthenticationError",
    "PermissionDeniedError",
    "BadGatewayError",
    "InsufficientCreditsError",
];

const OF_VERIFIER: [&str; 5] = [
    "RewardFileNotFoundError",
    "RewardFileEmptyError",
    "VerifierOutputParseError",
    "AddTestsDirError",
    "DownloadVerifierDirError",
];

const OF_SETUP: [&str; 2] = ["AgentSetupTimeoutError", "EnvironmentStartTimeoutError"];

const CANCELLED: [&str; 2] = ["CancelledError", "KeyboardInterrupt"];

/// Whether an exception says that the provider failed.
#[must_use]
pub fn is_of_provider(exception: &str) -> bool {
    let is_api = exception.starts_with("Api") && exception.ends_with("Error");
    is_api || OF_PROVIDER.contains(&exception)
}

/// The verdict of a trial by the type of its exception and its reward.
#[must_use]
pub fn rule(recorded: &Recorded<'_>) -> Ruling {
    let Recorded { exception, passes, has_begun, has_asked, oracle_holds } = *recorded;
    let by_reward = match passes {
        Some(true) => Verdict::Pass,
        Some(false) => Verdict::Fail,
        None => Verdict::Void(VoidCause::VerifierCrash),
    };
    let plain = |verdict| Ruling { verdict, flags: Flags::default(), end: None };
    let void = |cause| plain(Verdict::Void(cause));
    let Some(exception) = exception else { return plain(by_reward) };
    let crashed = || Some(End::Crashed(exception.to_owned()));
    match exception {
        "AgentTimeoutError" => Ruling {
            flags: Flags { timed_out: true, ..Flags::default() },
            end: Some(End::Time),
            ..plain(by_reward)
        },
        "NonZeroAgentExitCodeError" | "AgentSafetyRefusalError" | "OutputTokenExceededError" => {
            Ruling { end: crashed(), ..plain(by_reward) }
        }
        "ContextWindowExceededError" => Ruling {
            flags: Flags { limit_hit: true, ..Flags::default() },
            end: Some(End::Context),
            ..plain(by_reward)
        },
        _ if CANCELLED.contains(&exception) => void(VoidCause::KilledOutside),
        // Harbor verifies after these as well, mostly as 0: a pass is void, too.
        _ if is_of_provider(exception) => Ruling { end: Some(End::Provider), ..void(VoidCause::Provider) },
        "VerifierTimeoutError" if oracle_holds => {
            Ruling { flags: Flags { verifier_timeout: true, ..Flags::default() }, ..plain(Verdict::Fail) }
        }
        "VerifierTimeoutError" => void(VoidCause::VerifierCrash),
        _ if OF_VERIFIER.contains(&exception) => void(VoidCause::VerifierCrash),
        _ if OF_SETUP.contains(&exception) || !has_begun => void(VoidCause::EnvironmentSetup),
        _ if passes.is_some() => Ruling { end: crashed(), ..plain(by_reward) },
        _ if !has_asked => void(VoidCause::AgentStart),
        _ => void(VoidCause::Adapter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(exception: &str, passes: Option<bool>) -> Ruling {
        let exception = Some(exception).filter(|exception| !exception.is_empty());
        rule(&Recorded { exception, passes, has_begun: true, has_asked: true, oracle_holds: false })
    }

    #[test]
    fn every_row_of_the_table_holds() {
        let void = Verdict::Void;
        for (exception, passes, verdict) in [
            ("", Some(true), Verdict::Pass),
            ("", Some(false), Verdict::Fail),
            ("", None, void(VoidCause::VerifierCrash)),
            ("AgentTimeoutError", Some(true), Verdict::Pass),
            ("AgentTimeoutError", Some(false), Verdict::Fail),
            ("NonZeroAgentExitCodeError", Some(true), Verdict::Pass),
            ("AgentSafetyRefusalError", Some(false), Verdict::Fail),
            ("ContextWindowExceededError", Some(false), Verdict::Fail),
            ("OutputTokenExceededError", Some(true), Verdict::Pass),
            ("ApiRateLimitError", Some(true), void(VoidCause::Provider)),
            ("ApiOverloadedError", Some(false), void(VoidCause::Provider)),
            ("UnknownApiError", Some(false), void(VoidCause::Provider)),
            ("NetworkConnectionError", None, void(VoidCause::Provider)),
            ("AgentAuthenticationError", Some(false), void(VoidCause::Provider)),
            ("ModelNotFoundError", Some(false), void(VoidCause::Provider)),
            ("RateLimitError", Some(true), void(VoidCause::Provider)),
            ("APIConnectionError", Some(false), void(VoidCause::Provider)),
            ("VerifierTimeoutError", None, void(VoidCause::VerifierCrash)),
            ("RewardFileNotFoundError", None, void(VoidCause::VerifierCrash)),
            ("RewardFileEmptyError", None, void(VoidCause::VerifierCrash)),
            ("VerifierOutputParseError", None, void(VoidCause::VerifierCrash)),
            ("AddTestsDirError", None, void(VoidCause::VerifierCrash)),
            ("AgentSetupTimeoutError", None, void(VoidCause::EnvironmentSetup)),
            ("EnvironmentStartTimeoutError", None, void(VoidCause::EnvironmentSetup)),
            ("RuntimeError", None, void(VoidCause::Adapter)),
            ("RuntimeError", Some(false), Verdict::Fail),
            ("CancelledError", None, void(VoidCause::KilledOutside)),
            ("CancelledError", Some(true), void(VoidCause::KilledOutside)),
        ] {
            assert_eq!(told(exception, passes).verdict, verdict, "{exception} {passes:?}");
        }
    }

    #[test]
    fn what_else_is_known_decides_the_rest() {
        let error = Recorded { exception: Some("ValueError"), ..Recorded::default() };
        assert_eq!(rule(&error).verdict, Verdict::Void(VoidCause::EnvironmentSetup));
        let begun = Recorded { has_begun: true, ..error };
        assert_eq!(rule(&begun).verdict, Verdict::Void(VoidCause::AgentStart));
        let slow = Recorded { exception: Some("VerifierTimeoutError"), oracle_holds: true, ..begun };
        let ruling = rule(&slow);
        assert!(ruling.verdict == Verdict::Fail && ruling.flags.verifier_timeout);
        let late = told("AgentTimeoutError", Some(true));
        assert!(late.flags.timed_out && late.end == Some(End::Time));
        let full = told("ContextWindowExceededError", Some(false));
        assert!(full.flags.limit_hit && full.end == Some(End::Context));
        let crashed = told("NonZeroAgentExitCodeError", Some(false));
        assert_eq!(crashed.end, Some(End::Crashed("NonZeroAgentExitCodeError".into())));
        assert_eq!(told("ApiUsageLimitError", Some(true)).end, Some(End::Provider));
    }
}
