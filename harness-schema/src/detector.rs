//! The detectors: names of the mechanisms by which trials fail, with what each of them needs to see and where in a
//! harness it points. Names and rules only; nothing here reads a trace.

use crate::surface::Role;

/// A deterministic rule over a trace that names a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detector {
    /// `M01`.
    pub id: &'static str,
    /// `loop-identical-fail`, as `when.detector` names it.
    pub name: &'static str,
    /// What the agent does, in the third person: `stops without checking its last change`.
    pub title: &'static str,
    /// Which mechanism wins if several fire, least first: 0 protocol and limits, 1 deliverable, 2 loops,
    /// 3 verification, 4 exploration, 5 environment, 6 hygiene.
    pub tier: u8,
    /// When it can be decided.
    pub on: On,
    /// What it sees, in words.
    pub rule: &'static str,
    /// Which surfaces it points at, the first first.
    pub at: &'static [Role],
}

/// When a detector can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum On {
    /// On a prefix of the trace: a trigger after any step.
    Prefix,
    /// When the agent asks to end: a trigger with `event = "finish"`.
    Finish,
    /// After the end or the verifier: no trigger.
    End,
}

impl On {
    /// The letter of the method's table.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Prefix => 'P',
            Self::Finish => 'F',
            Self::End => 'E',
        }
    }

    /// In words, for a hover.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Prefix => "decided after any step",
            Self::Finish => "decided when the agent asks to end: needs `event = \"finish\"`",
            Self::End => "known only after a trial: cannot trigger a rule",
        }
    }
}

/// The detector that a name of the manifest means.
#[must_use]
pub fn named(name: &str) -> Option<&'static Detector> {
    DETECTORS.iter().find(|detector| detector.name == name)
}

/// What the agent does where a detector fires, in words; `None` of a name that no detector has.
#[must_use]
pub fn title(name: &str) -> Option<&'static str> {
    named(name).map(|detector| detector.title)
}

/// The names of all detectors, in order.
pub const NAMES: [&str; DETECTORS.len()] = {
    let mut names = [""; DETECTORS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = DETECTORS[at].name;
        at += 1;
    }
    names
};

const fn detector(
    id: &'static str,
    name: &'static str,
    title: &'static str,
    tier: u8,
    on: On,
    rule: &'static str,
    at: &'static [Role],
) -> Detector {
    Detector { id, name, title, tier, on, rule, at }
}

use On::{End, Finish, Prefix};
use Role::{Limit, Prompt, Rule, State, Task, Tool};

/// All detectors, by id. The words of their rules: W writes, V verify calls, Q paths that the task requires.
pub const DETECTORS: &[Detector] = &[
    detector(
        "M01",
        "loop-identical-fail",
        "repeats a failing command",
        2,
        Prefix,
        "3 calls with equal norm, all err",
        &[Rule, Prompt],
    ),
    detector(
        "M02",
        "loop-consecutive",
        "makes the same call again and again",
        2,
        Prefix,
        "3 consecutive calls with equal (tool, args)",
        &[Rule, Prompt],
    ),
    detector(
        "M03",
        "loop-cycle",
        "goes round in a circle of calls",
        2,
        Prefix,
        "6 consecutive calls repeat with period 2 or 3",
        &[Rule, Prompt],
    ),
    detector(
        "M04",
        "stuck-red",
        "keeps failing the same check",
        2,
        Prefix,
        "last 3 V calls err with the same template id",
        &[Rule, Prompt, State],
    ),
    detector(
        "M05",
        "edit-thrash",
        "rewrites one file again and again",
        2,
        Prefix,
        "one file written 4 times, or its content returns A-B-A",
        &[Rule, Prompt],
    ),
    detector(
        "M06",
        "no-write",
        "ends without writing anything",
        1,
        Finish,
        "W empty and Q not empty",
        &[Task, Prompt, State],
    ),
    detector(
        "M07",
        "artifact-never-created",
        "never creates a required file",
        1,
        Finish,
        "a path of Q is never the target of a write, redirect, cp, mv, tee",
        &[Task, Prompt, State],
    ),
    detector(
        "M08",
        "artifact-wrong-place",
        "writes a required file to another place",
        1,
        Finish,
        "same base name written below another directory",
        &[Task, Prompt],
    ),
    detector(
        "M09",
        "artifact-late",
        "writes the required file too late",
        1,
        End,
        "first write to a path of Q after 80 % of steps or time",
        &[Task, Rule],
    ),
    detector(
        "M10",
        "artifact-overwritten",
        "destroys a file that it had made",
        1,
        Finish,
        "path of Q written, later truncated, removed or moved, not rewritten",
        &[Prompt, State],
    ),
    detector(
        "M11",
        "no-verify-after-last-write",
        "stops without checking its last change",
        3,
        Finish,
        "no V call after the last W",
        &[State, Rule, Prompt],
    ),
    detector(
        "M12",
        "never-verified",
        "never verifies",
        3,
        Finish,
        "V empty, W not empty",
        &[State, Rule, Prompt],
    ),
    detector(
        "M13",
        "stopped-on-red",
        "stops although its last check failed",
        3,
        Finish,
        "last V call err, end = finished",
        &[State, Rule, Prompt],
    ),
    detector(
        "M14",
        "ignored-exit",
        "goes on as if a failed command had worked",
        3,
        Prefix,
        "err, then no call on a shared entity within 3 calls",
        &[Prompt, Rule],
    ),
    detector(
        "M15",
        "finished-on-error",
        "stops right after an error",
        3,
        Finish,
        "the last call of the trace is err",
        &[State, Prompt],
    ),
    detector(
        "M16",
        "premature-finish",
        "stops early with most of its budget unused",
        3,
        Finish,
        "end = finished with < 25 % of steps and of time used, and M12 or M06",
        &[State, Prompt],
    ),
    detector(
        "M17",
        "claim-without-evidence",
        "claims success without a check that passed",
        3,
        Finish,
        "last message claims success, no successful V after the last W",
        &[State, Prompt],
    ),
    detector(
        "M18",
        "limit-exploring",
        "reads until it runs into a limit",
        4,
        End,
        "limit hit and >= 60 % of the last 30 % of calls are reads",
        &[Rule, Prompt],
    ),
    detector(
        "M19",
        "late-first-write",
        "starts to write too late",
        4,
        End,
        "first W after 70 % of steps",
        &[Task, Prompt],
    ),
    detector(
        "M20",
        "command-timeout",
        "runs a command into its timeout",
        5,
        Prefix,
        "1 call killed by its timeout; flag `repeat` if the same norm again",
        &[Limit, Tool, Prompt],
    ),
    detector(
        "M21",
        "blocking-foreground",
        "starts a program that never returns",
        5,
        Prefix,
        "timed-out call started a server, REPL, pager or editor in front",
        &[Tool, Prompt],
    ),
    detector(
        "M22",
        "background-service-gone",
        "leaves a service that does not keep running",
        1,
        End,
        "service.down; started without nohup, setsid, manager, or killed",
        &[Tool, Prompt],
    ),
    detector(
        "M23",
        "tool-call-parse",
        "writes tool calls that cannot be read",
        0,
        Prefix,
        "1 call unparsable or off schema; *severe* >= 3 or >= 10 % of steps",
        &[Tool, Prompt],
    ),
    detector(
        "M24",
        "unknown-tool",
        "calls a tool that it does not have",
        0,
        Prefix,
        "1 call to a tool that is not offered",
        &[Tool, Prompt],
    ),
    detector(
        "M25",
        "no-action-turns",
        "talks for several turns without acting",
        0,
        Prefix,
        "3 agent steps in a row without a call, before the end",
        &[Rule, Prompt],
    ),
    detector(
        "M26",
        "context-overflow",
        "overflows its context window",
        0,
        Prefix,
        "provider length error, or prompt tokens > 95 % of the window",
        &[Limit, Rule],
    ),
    detector(
        "M27",
        "context-flood",
        "floods its context with long output",
        0,
        Prefix,
        "one observation > 30 kB, or all together > 60 % of the window",
        &[Limit, Tool],
    ),
    detector(
        "M28",
        "truncated-read",
        "does not read on where output was cut",
        5,
        Prefix,
        "truncation mark, not read again with a range within 3 calls",
        &[Tool, Limit],
    ),
    detector(
        "M29",
        "package-install-fail",
        "fails to install a package that it needs",
        5,
        Prefix,
        "install err, and the same package missing later",
        &[Task, Prompt],
    ),
    detector(
        "M30",
        "command-not-found",
        "relies on a command that is not there",
        5,
        Finish,
        "never installed or replaced afterwards",
        &[Task, Tool],
    ),
    detector(
        "M31",
        "dependency-import",
        "leaves an import that fails",
        5,
        Finish,
        "ModuleNotFound or ImportError in a V call, still there at the last V",
        &[Task, Prompt],
    ),
    detector(
        "M32",
        "session-state-lost",
        "expects a shell to remember its settings",
        5,
        Prefix,
        "export, cd, activate in one call, same name unset or not found later",
        &[Tool, Prompt],
    ),
    detector(
        "M33",
        "path-hallucination",
        "opens paths that do not exist",
        4,
        Prefix,
        "2 reads or edits of paths that do not exist",
        &[Prompt, Tool],
    ),
    detector(
        "M34",
        "write-before-read",
        "overwrites a file that it never read",
        6,
        Prefix,
        "existing file overwritten whole, never read before",
        &[Prompt, Tool],
    ),
    detector(
        "M35",
        "out-of-scope-write",
        "writes outside of its directories",
        6,
        Prefix,
        "write outside task directory, /tmp and home",
        &[Prompt, Tool],
    ),
    detector(
        "M36",
        "touched-tests",
        "changes tests or verifiers",
        6,
        Prefix,
        "write to a test or verifier path",
        &[Prompt],
    ),
    detector(
        "M37",
        "output-format",
        "gets the form of the output wrong",
        6,
        End,
        "artifact.malformed, or equal but for case, blanks, last newline, key order",
        &[Task, Prompt],
    ),
    detector(
        "M38",
        "requirement-dropped",
        "drops a requirement of the task",
        4,
        Finish,
        "a quoted literal, path or port of the instruction is in no agent step",
        &[State, Task],
    ),
    detector(
        "M39",
        "retry-storm",
        "retries the network again and again",
        2,
        Prefix,
        "5 network retries in a row in the agent's own commands",
        &[Rule, Prompt],
    ),
    detector(
        "M40",
        "interactive-prompt",
        "waits at a prompt that it never answers",
        0,
        Prefix,
        "text ends in `[Y/n]`, `password:`, `Continue?`; next call no answer",
        &[Tool, Prompt],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_consecutive_and_names_unique() {
        for (at, detector) in DETECTORS.iter().enumerate() {
            assert_eq!(detector.id, format!("M{:02}", at + 1));
            assert_eq!(NAMES.iter().filter(|name| **name == detector.name).count(), 1, "{}", detector.name);
            assert!(detector.tier < 7 && !detector.at.is_empty() && !detector.rule.is_empty());
        }
    }

    #[test]
    fn a_name_leads_to_its_detector() {
        let found =
            named("premature-finish").map(|detector| (detector.id, detector.tier, detector.on.letter()));
        assert_eq!(found, Some(("M16", 3, 'F')));
        assert_eq!(named("premature"), None);
    }

    #[test]
    fn titles_are_short_and_say_different_things() {
        for detector in DETECTORS {
            let same = DETECTORS.iter().filter(|other| other.title == detector.title).count();
            assert_eq!(same, 1, "{}", detector.title);
            assert!(detector.title.chars().count() <= 48, "{}", detector.title);
            assert!(detector.title.starts_with(char::is_lowercase) && !detector.title.ends_with('.'));
            assert_eq!(title(detector.name), Some(detector.title));
        }
        assert_eq!(title("no-verify-after-last-write"), Some("stops without checking its last change"));
        assert_eq!(title("nothing"), None);
    }

    #[test]
    fn as_many_triggers_as_the_method_has() {
        let count = |on| DETECTORS.iter().filter(|detector| detector.on == on).count();
        assert_eq!((count(Prefix), count(Finish), count(End)), (22, 13, 5));
    }
}
