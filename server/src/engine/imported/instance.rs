//! A trial of an instance that mini-swe-agent or SWE-agent has worked on: what its trajectory says of itself, and what it came to. The
//! verdict is that of a report; without one only a trial that submitted nothing has any.

use serde_json::Value;

use super::Outcome;
use super::report::Told;
use crate::engine::harbor::verdict::is_of_provider;
use crate::engine::trace::End;
use crate::engine::verdict::{Flags, Verdict, VoidCause};

/// The name of the reward that stands for a report.
pub const RESOLVED: &str = "resolved";

/// What a trajectory says beside its steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The instance, if it is named inside.
    pub id: Option<String>,
    /// Whether the agent handed in a patch.
    pub has_submission: bool,
    /// Whether its environment failed.
    pub lost_environment: bool,
}

impl Instance {
    /// Reads what a trajectory says of itself.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::trim);
        let filled = |pointer: &str| text(pointer).filter(|text| !text.is_empty());
        Self {
            id: filled("/instance_id").map(str::to_owned),
            has_submission: filled("/info/submission").is_some(),
            lost_environment: text("/info/exit_status")
                .is_some_and(|status| status.contains("environment_error")),
        }
    }

    /// The instance by the name of its file: `<id>.traj.json`, `<id>.traj`.
    #[must_use]
    pub fn by_file(name: &str) -> &str {
        let stem = name.strip_suffix(".traj.json").or_else(|| name.strip_suffix(".traj"));
        stem.unwrap_or(name)
    }

    /// What the trial came to: `told` is what reports say, `end` how the agent ended by its own record. `None` if nobody has judged
    /// what it handed in.
    #[must_use]
    pub fn judge(&self, told: Option<&Told>, end: Option<&End>) -> Option<Outcome> {
        let void =
            |cause, why: &str| Some(Outcome { detail: why.to_owned(), ..Outcome::of(Verdict::Void(cause)) });
        if self.lost_environment {
            return void(VoidCause::EnvironmentSetup, "its environment failed");
        }
        if end.is_some_and(is_provider) {
            return void(VoidCause::Provider, "the provider failed last");
        }
        let flags = Flags {
            timed_out: end == Some(&End::Time),
            limit_hit: matches!(end, Some(End::Steps | End::Tokens | End::Cost | End::Context)),
            ..Flags::default()
        };
        let judged = |verdict, reward, detail: &str| {
            let rewards = [(RESOLVED.to_owned(), reward)].into();
            Some(Outcome { flags, rewards, detail: detail.to_owned(), ..Outcome::of(verdict) })
        };
        match told {
            Some(Told::Error(list)) => {
                void(VoidCause::VerifierCrash, &format!("the report counts it in `{list}`"))
            }
            Some(Told::Resolved) => judged(Verdict::Pass, 1.0, ""),
            // What was not handed in resolves nothing.
            _ if !self.has_submission => judged(Verdict::Fail, 0.0, "it submitted nothing"),
            Some(Told::Unresolved(checks)) => {
                let outcome = judged(Verdict::Fail, 0.0, "not resolved")?;
                Some(Outcome { checks: checks.clone(), ..outcome })
            }
            None => None,
        }
    }
}

/// Whether the provider was what failed last.
fn is_provider(end: &End) -> bool {
    match end {
        End::Provider => true,
        End::Crashed(reason) => is_of_provider(reason.split(':').next().unwrap_or_default()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_decides_and_without_one_only_an_empty_hand() {
        let handed = Instance { has_submission: true, ..Instance::default() };
        let empty = Instance::default();
        let verdict =
            |of: &Instance, told: Option<&Told>, end: Option<&End>| of.judge(told, end).map(|of| of.verdict);
        let (resolved, unresolved) = (Told::Resolved, Told::Unresolved(Vec::new()));
        assert_eq!(verdict(&handed, Some(&resolved), None), Some(Verdict::Pass));
        assert_eq!(verdict(&handed, Some(&unresolved), None), Some(Verdict::Fail));
        assert_eq!(verdict(&handed, None, Some(&End::Finished)), None);
        assert_eq!(verdict(&empty, None, Some(&End::Steps)), Some(Verdict::Fail));
        let void = Verdict::Void(VoidCause::VerifierCrash);
        assert_eq!(verdict(&handed, Some(&Told::Error("error_ids")), None), Some(void));
        let provider = Verdict::Void(VoidCause::Provider);
        let ends =
            [End::Provider, End::Crashed("RateLimitError: 429".into()), End::Crashed("APIError".into())];
        for end in ends {
            assert_eq!(verdict(&handed, Some(&resolved), Some(&end)), Some(provider), "{end:?}");
        }
        let crashed = End::Crashed("RepeatedFormatError".into());
        assert_eq!(verdict(&empty, None, Some(&crashed)), Some(Verdict::Fail));
        assert!(empty.judge(None, Some(&End::Cost)).unwrap().flags.limit_hit);
    }

    #[test]
    fn a_trajectory_says_which_instance_it_is_of() {
        let mini =
            json!({"info": {"exit_status": "Submitted", "submission": "diff"}, "instance_id": "a__b-1"});
        let read = Instance::of(&mini);
        assert_eq!(
            (read.id.as_deref(), read.has_submission, read.lost_environment),
            (Some("a__b-1"), true, false)
        );
        let lost =
            json!({"trajectory": [], "info": {"exit_status": "exit_environment_error", "submission": null}});
        let read = Instance::of(&lost);
        assert_eq!((read.id, read.has_submission, read.lost_environment), (None, false, true));
        assert_eq!(Instance::by_file("a__b-1.traj.json"), "a__b-1");
        assert_eq!(Instance::by_file("a__b-1.traj"), "a__b-1");
    }
}
