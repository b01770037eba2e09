//! The rules of what is known from runs and of what is wrong with the machine (`rules` 13 and 14). Nothing of a document alone
//! breaks one of them, so no check has them, and no entry of `[[lint.allow]]` is needed to be rid of them.

use harness_schema::problem::{Rule, Severity};

use Severity::{Error, Hint, Information, Warning};

macro_rules! rule {
    ($constant:ident, $id:literal, $name:literal, $severity:expr, $what:literal, $why:literal, $then:literal) => {
        #[doc = concat!($id, ": ", $what)]
        pub static $constant: Rule = Rule::new(
            $id,
            $name,
            $severity,
            concat!(
                "# ",
                $id,
                " ",
                $name,
                "\n\n",
                $what,
                "\n\n## Why\n\n",
                $why,
                "\n\n## What to do\n\n",
                $then,
                "\n\nSince 0.1\n"
            ),
        );
    };
}

rule!(
    ACCEPTED_PROPOSAL,
    "SH801",
    "accepted-proposal",
    Information,
    "A proposal was accepted, and the harness as it is open here does not hold it.",
    "It was measured against this harness, task by task, and the gate found it better.",
    "Look at it and its evidence; then apply it, or dismiss it."
);
rule!(
    WEAKNESS,
    "SH802",
    "weakness",
    Warning,
    "Several held-in tasks fail in the same way, and this line is where an edit could help most.",
    "The failures share what the verifier said and what the agent did, so one edit may mend all of them.",
    "Read the evidence. Edit the line, or let proposals be made for it."
);
rule!(
    REGRESSION,
    "SH803",
    "regression",
    Warning,
    "An edit of yours was measured and is worse than the harness before it.",
    "The loss is larger than chance would make it on these tasks.",
    "Look at the tasks that were lost, or undo the edit."
);
rule!(
    OLD_SCORES,
    "SH804",
    "old-scores",
    Hint,
    "The harness was edited since it was measured.",
    "A score belongs to a text, and this text has none yet.",
    "Evaluate again when the edits are done; undo brings the old scores back for nothing."
);
rule!(
    LIMIT_HIT,
    "SH805",
    "limit-hit",
    Warning,
    "At least 10 % of the held-in trials ended at this limit.",
    "An agent that is stopped there fails whatever else the harness says.",
    "Read some of those traces: the limit may be too low, or the agent goes in circles."
);
rule!(
    SPLIT_MOVED,
    "SH806",
    "split-moved",
    Warning,
    "A seeded split put tasks elsewhere because the tasks changed.",
    "Scores of other splits cannot be compared, so they start anew.",
    "Write the split as lists of tasks."
);
rule!(
    SUSPECT_TASK,
    "SH807",
    "suspect-task",
    Warning,
    "No harness ever passed this task, and each failed the same checks of it.",
    "A task that nobody can pass measures nothing.",
    "Open its verifier, and run its solution if it has one."
);
rule!(
    ENDPOINT_FAILED,
    "SH901",
    "endpoint-failed",
    Error,
    "The model's endpoint did not answer as it should when it was asked last.",
    "No trial can run without it.",
    "Repair what the message names, then retry; Doctor asks the endpoint once."
);
rule!(
    VOIDS_LEFT,
    "SH902",
    "voids-left",
    Warning,
    "Trials of the last run measured nothing, and they could change the decision.",
    "A trial that the machine or the provider broke is no failure of the agent.",
    "Retry them."
);
rule!(
    KEY_NOT_SET,
    "SH903",
    "key-not-set",
    Information,
    "The variable that the model's key is read from is not set here.",
    "A start would end at the first call.",
    "Set the key; it is never written into a file of the project."
);
rule!(
    NO_SANDBOX,
    "SH904",
    "no-sandbox",
    Error,
    "There is no sandbox on this machine.",
    "Agents and verifiers run only inside of one.",
    "Install what the message names, then run Doctor."
);
rule!(
    VERIFIER_PASSES_IDLE,
    "SH905",
    "verifier-passes-idle",
    Error,
    "The verifier of this task passes an agent that does nothing.",
    "Such a task counts as passed whatever the harness says.",
    "Open `tests/test.sh` and make it look for the result."
);
rule!(
    VERIFIER_FAILS_SOLUTION,
    "SH906",
    "verifier-fails-solution",
    Error,
    "The verifier of this task fails the task's own solution.",
    "Such a task counts as failed whatever the harness says.",
    "Open the verifier's output, and repair the verifier or the solution."
);
rule!(
    VERIFIER_FLAKY,
    "SH907",
    "verifier-flaky",
    Warning,
    "The verifier of this task judged one final state in two ways.",
    "Its noise looks like a gain or a loss of the harness.",
    "Open the verifier's output and take out what hangs on time, order or network."
);
rule!(
    NEEDS_CONTAINER,
    "SH908",
    "needs-container",
    Error,
    "This task's environment needs a container.",
    "The bubblewrap sandbox builds no images.",
    "Choose the container backend, or Harbor."
);
rule!(
    TASK_NARROWED,
    "SH909",
    "task-narrowed",
    Information,
    "This task runs with the tools of the machine instead of its image.",
    "A tool of another version may make it easier or harder.",
    "Choose the container backend if that matters."
);
rule!(
    MACHINE_LIMIT,
    "SH910",
    "machine-limit",
    Warning,
    "This machine allows less than the task asks for.",
    "A score under other limits means something else.",
    "Raise the limit in the user configuration."
);

/// All of them, by id.
pub static RULES: [&Rule; 17] = [
    &ACCEPTED_PROPOSAL,
    &WEAKNESS,
    &REGRESSION,
    &OLD_SCORES,
    &LIMIT_HIT,
    &SPLIT_MOVED,
    &SUSPECT_TASK,
    &ENDPOINT_FAILED,
    &VOIDS_LEFT,
    &KEY_NOT_SET,
    &NO_SANDBOX,
    &VERIFIER_PASSES_IDLE,
    &VERIFIER_FAILS_SOLUTION,
    &VERIFIER_FLAKY,
    &NEEDS_CONTAINER,
    &TASK_NARROWED,
    &MACHINE_LIMIT,
];

/// The rule with an id (`SH802`) or name (`weakness`).
#[must_use]
pub fn rule(word: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == word || rule.id.eq_ignore_ascii_case(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_id_and_name_and_no_check_has_it() {
        for known in RULES {
            assert_eq!(rule(&known.id.to_lowercase()), Some(known));
            assert_eq!(rule(known.name), Some(known));
            assert_eq!(harness_schema::check::rule(known.id), None);
            assert_eq!(harness_schema::check::rule(known.name), None);
            assert!(known.page.starts_with(&format!("# {} {}\n", known.id, known.name)));
            assert!(known.page.contains("\n## Why\n") && known.page.contains("\n## What to do\n"));
        }
        assert!(RULES.is_sorted_by_key(|rule| rule.id));
    }
}
