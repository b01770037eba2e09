//! What was found out about a task before any agent worked on it, as values that can be stored. Runs nothing.

use std::collections::BTreeSet;

use harness_schema::digest::Digest;
use serde::{Deserialize, Serialize};

use super::canary::Canary;
use super::environment::Template;
use super::plan::TaskPlan;
use crate::host::record::VERIFIER_FLAKY;

/// What was found out about a task. It holds as long as the digests are those of the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The digest of the task.
    #[serde(with = "hexadecimal")]
    pub task: Digest,
    /// The digest of its verifier.
    #[serde(with = "hexadecimal")]
    pub verifier: Digest,
    /// The digest of its solutions; of nothing, if it has none.
    #[serde(with = "hexadecimal")]
    pub solution: Digest,
    /// The proof of each step, in order.
    pub steps: Vec<Proof>,
}

/// What is known of the verifier of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The checks that passed each time that the solution was judged: a pass has them all.
    pub manifest: BTreeSet<String>,
    /// The failing checks that it notices, if it notices any.
    pub canary: Option<Canary>,
    /// What could not be shown.
    pub marks: BTreeSet<Mark>,
}

/// What could not be shown of a verifier. Each makes a task *unproven*; it is used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// There is no solution to show that the task can be done.
    NoSolution,
    /// There is no report, so a pass cannot be compared with the solution's.
    NoReport,
    /// No failing check could be added, so a pass cannot be cross-examined.
    NoCanary,
    /// The verifier says different things about one tree.
    VerifierFlaky,
}

impl Mark {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSolution => "no-solution",
            Self::NoReport => "no-report",
            Self::NoCanary => "no-canary",
            Self::VerifierFlaky => VERIFIER_FLAKY,
        }
    }
}

/// A task whose verdicts are known to mean something, as far as its marks do not say otherwise.
#[derive(Clone, Debug)]
pub struct AdmittedTask {
    plan: TaskPlan,
    /// None where the environment is Harbor's.
    template: Option<Template>,
    admission: Admission,
}

/// A stored admission that belongs to another task, or to the same task as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored admission belongs to another version of the task; admit it again")]
pub struct AnotherTask;

impl AdmittedTask {
    /// A task with what was found out about it before.
    ///
    /// # Errors
    /// [`AnotherTask`] if that was found out about something else.
    pub fn restored(plan: TaskPlan, template: Template, admission: Admission) -> Result<Self, AnotherTask> {
        Self::of(plan, Some(template), admission)
    }

    /// A task of Harbor's with what was found out about it.
    ///
    /// # Errors
    /// [`AnotherTask`] if that was found out about something else.
    pub fn delegated(plan: TaskPlan, admission: Admission) -> Result<Self, AnotherTask> {
        Self::of(plan, None, admission)
    }

    fn of(plan: TaskPlan, template: Option<Template>, admission: Admission) -> Result<Self, AnotherTask> {
        let is_same = admission.task == plan.digests.task
            && admission.verifier == plan.digests.verifier
            && admission.solution == plan.solution.unwrap_or(Digest::of(b""))
            && admission.steps.len() == plan.steps.len();
        if is_same { Ok(Self { plan, template, admission }) } else { Err(AnotherTask) }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &TaskPlan {
        &self.plan
    }

    /// The start tree; none where the environment is Harbor's.
    #[must_use]
    pub fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    /// What was found out, to be stored.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What could not be shown; empty for a task that is proven.
    #[must_use]
    pub fn marks(&self) -> BTreeSet<Mark> {
        self.admission.steps.iter().flat_map(|proof| proof.marks.iter().copied()).collect()
    }
}

/// A digest as its hexadecimal digits.
mod hexadecimal {
    use harness_schema::digest::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("this is no digest of 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_is_stored_as_data() {
        let proof = Proof {
            manifest: BTreeSet::from(["test_a".to_owned()]),
            canary: None,
            marks: BTreeSet::from([Mark::NoCanary]),
        };
        let digest = Digest::of(b"x");
        let admission = Admission { task: digest, verifier: digest, solution: digest, steps: vec![proof] };
        let text = serde_json::to_string(&admission).unwrap();
        assert!(text.contains(r#""marks":["no-canary"]"#) && text.contains(&digest.to_string()), "{text}");
        assert_eq!(serde_json::from_str::<Admission>(&text).unwrap(), admission);
        assert!(serde_json::from_str::<Admission>(&text.replace(&digest.to_string(), "x")).is_err());
    }
}
