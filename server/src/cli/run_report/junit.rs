//! A run as JUnit XML, for CI: one test case per slot. A fail is a failure, a void an error, and what was not run is skipped.
//! Held-out tasks are counted and not named: their cases stand in the order of their verdicts, without a cause.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_schema::split::Split;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::cli::outcome;
use crate::cli::report::excerpt::visible;
use crate::engine::plan::{Slot, State};
use crate::engine::verdict::Verdict;
use crate::failure::Failure;
use crate::host::following::Seen;
use crate::host::record::TrialRecord;
use crate::host::store::{StoredRun, run_name};

/// The document. `trials` has the trial of each slot that has one.
///
/// # Errors
/// A [`Failure`] if it cannot be written, which would be a mistake of ours.
pub(super) fn document(
    stored: &StoredRun,
    seen: &Seen,
    trials: &BTreeMap<usize, TrialRecord>,
) -> Result<String, Failure> {
    let record = &stored.record;
    let mut report = Report::new(format!("{} {}", record.verb, run_name(stored.number)));
    report.set_time(seen.run().spent().time);
    for split in Split::ALL {
        let slots = seen.run().design().slots.iter().zip(seen.run().states()).enumerate();
        // A candidate that fails is no failure of the harness.
        let slots = slots.filter(|(_, (slot, _))| slot.split == split && slot.arm == 0);
        let mut suite = TestSuite::new(split.word());
        let class = visible(&format!("{}.{}", record.name, split.word())).into_owned();
        if split == Split::HeldIn {
            for (at, (slot, state)) in slots {
                suite.add_test_case(named(&class, slot, state, trials.get(&at), seen));
            }
        } else {
            suite.add_test_cases(counted(&class, split, slots.map(|(_, (_, state))| state), seen));
        }
        if !suite.test_cases.is_empty() {
            report.add_test_suite(suite);
        }
    }
    report.to_string().map(|text| format!("{}\n", text.trim_end())).map_err(|error| Failure {
        kind: crate::failure::FailureKind::Bug,
        message: format!("the report cannot be written: {error}"),
        hint: String::new(),
    })
}

/// The case of a held-in slot, with everything that is known.
fn named(class: &str, slot: &Slot, state: &State, trial: Option<&TrialRecord>, seen: &Seen) -> TestCase {
    let status = match (state, trial) {
        (State::Filled(Verdict::Pass), _) => TestCaseStatus::success(),
        (State::Filled(Verdict::Fail), Some(trial)) => failed(trial),
        (State::Filled(Verdict::Fail), None) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (State::Filled(Verdict::Void(cause)) | State::Missing(cause), trial) => {
            let unfillable = seen.unfillable.iter().find(|(task, _)| *task == slot.task);
            let why = match (trial, unfillable) {
                (Some(trial), _) => trial.detail.as_str(),
                (None, Some((_, why))) => why.as_str(),
                (None, None) => "",
            };
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(cause.word());
            status.set_message(visible(why));
            status
        }
        (State::Pending { .. } | State::Running { .. } | State::Dropped, _) => not_run(),
    };
    let mut case = TestCase::new(visible(&format!("{} #{}", slot.task, slot.repeat)).into_owned(), status);
    case.set_classname(class);
    if let Some(trial) = trial {
        case.set_time(Duration::from_millis(trial.finished_ms.saturating_sub(trial.started_ms)));
    }
    case
}

fn failed(trial: &TrialRecord) -> TestCaseStatus {
    let flagged = ["tampered", "verifier-timeout"].into_iter().find(|flag| {
        let mut flags = trial.flags.iter();
        flags.any(|each| each == flag)
    });
    let cause = flagged.unwrap_or(match trial.end.as_str() {
        "finished" | "" => "verifier",
        end => end,
    });
    let mut text = String::new();
    if !trial.end.is_empty() {
        text.push_str(&format!("the agent ended as `{}`\n", trial.end));
    }
    if !trial.detail.is_empty() {
        text.push_str(&format!("{}\n", trial.detail));
    }
    trial.failed_checks.iter().for_each(|check| text.push_str(&format!("failed check: {check}\n")));
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(visible(cause));
    status.set_message(visible(&outcome::reason(trial)));
    status.set_description(visible(&text));
    status
}

fn not_run() -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message("not run");
    status
}

/// The cases of slots that are counted only. While some are open none has a verdict: half of what judges is no result.
fn counted<'a>(
    class: &str,
    split: Split,
    states: impl Iterator<Item = &'a State>,
    seen: &Seen,
) -> Vec<TestCase> {
    let states: Vec<&State> = states.collect();
    let is_open = states.iter().any(|state| matches!(state, State::Pending { .. } | State::Running { .. }));
    let compares = !seen.cycle.design().goal.is_measurement();
    // Sealed tasks are read as a whole or not at all, whatever has ended the reading.
    let hides =
        (split == Split::Sealed && is_open) || (seen.run().finished().is_none() && (is_open || compares));
    let rank = |state: &State| match state {
        _ if hides => (3, ""),
        State::Filled(Verdict::Pass) => (0, ""),
        State::Filled(Verdict::Fail) => (1, ""),
        State::Filled(Verdict::Void(cause)) | State::Missing(cause) => (2, cause.word()),
        State::Pending { .. } | State::Running { .. } | State::Dropped => (3, ""),
    };
    let mut ranks: Vec<(u8, &str)> = states.into_iter().map(rank).collect();
    ranks.sort_unstable();
    let cases = ranks.into_iter().enumerate().map(|(at, rank)| {
        let status = match rank {
            (0, _) => TestCaseStatus::success(),
            (1, _) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            (2, cause) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                status.set_type(cause);
                status
            }
            _ => not_run(),
        };
        let mut case = TestCase::new(format!("trial {}", at + 1), status);
        case.set_classname(class);
        case
    });
    cases.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cycle::{Cycle, Event as Told};
    use crate::engine::plan::Event;
    use crate::engine::verdict::VoidCause;
    use crate::host::record::{BudgetRecord, RunRecord, SlotRecord};
    use crate::host::store::RunState;

    const AT: Duration = Duration::from_secs(90);

    fn slot(task: &str, split: &str, repeat: u32) -> SlotRecord {
        SlotRecord { arm: 0, task: task.into(), split: split.into(), role: "baseline".into(), repeat }
    }

    /// A run with one of everything, and names that a hostile project might give.
    fn run(verdicts: &[(usize, Verdict)]) -> (StoredRun, Seen, BTreeMap<usize, TrialRecord>) {
        let record = RunRecord {
            verb: "evaluate".into(),
            name: "lab <&\">".into(),
            harness: String::new(),
            contract: String::new(),
            execution: String::new(),
            files: BTreeMap::new(),
            slots: vec![
                slot("a", "held-in", 0),
                slot("b]]>\u{1b}[31m\u{202e}\"'<x/>", "held-in", 0),
                slot("c", "held-in", 0),
                slot("d", "held-in", 0),
                slot("e", "held-in", 0),
                slot("judge-1", "held-out", 0),
                slot("judge-2", "held-out", 0),
            ],
            budget: BudgetRecord::default(),
            parallel: 1,
            seed: 1,
            sandbox: String::new(),
            started_by: String::new(),
            model: String::new(),
            repeats: 1,
            key_variable: None,
            rules: None,
            candidates: Vec::new(),
            seal: None,
        };
        let mut folded = Cycle::new(record.design());
        let mut trials = BTreeMap::new();
        for (slot, verdict) in verdicts {
            folded.apply(AT, &Told::Trial(Event::Started { slot: *slot, attempt: 0 }));
            let spent = crate::engine::budget::Spent { trials: 1, ..Default::default() };
            folded.apply(AT, &Told::Trial(Event::Ended { slot: *slot, verdict: *verdict, spent }));
            let mut trial = TrialRecord {
                id: format!("r-0001-{slot:04}-0"),
                end: "finished".into(),
                started_ms: 1_000,
                finished_ms: 3_500,
                detail: "reward \u{0}0 < 1 & <b>".into(),
                failed_checks: vec!["test_order[<>]\u{8}".into(), "test_total".into()],
                ..TrialRecord::default()
            };
            trial.judge(*verdict, Default::default());
            trials.insert(*slot, trial);
        }
        folded.apply(AT, &Told::Trial(Event::Unfillable { slot: 2, cause: VoidCause::EnvironmentSetup }));
        let stored = StoredRun { number: 1, created_ms: 0, state: RunState::Running, record };
        let unfillable = vec![("c".to_owned(), "needs a container".to_owned())];
        (stored, Seen::of(folded, RunState::Running, unfillable), trials)
    }

    fn everything() -> String {
        let verdicts = [
            (0, Verdict::Pass),
            (1, Verdict::Fail),
            (3, Verdict::Fail),
            (5, Verdict::Fail),
            (6, Verdict::Pass),
        ];
        let (stored, seen, mut trials) = run(&verdicts);
        let tampered = trials.get_mut(&3).unwrap();
        tampered.flags = vec!["tampered".into()];
        document(&stored, &seen, &trials).unwrap()
    }

    #[test]
    fn every_slot_is_a_case() {
        insta::assert_snapshot!(everything());
    }

    #[test]
    fn it_is_well_formed_whatever_the_names_are() {
        let text = everything();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let cases: Vec<_> = parsed.descendants().filter(|node| node.has_tag_name("testcase")).collect();
        assert_eq!(cases.len(), 7);
        assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{text}");
        let hostile = cases[1].attribute("name").unwrap();
        assert!(
            hostile.contains("]]>") && hostile.contains("<x/>") && !hostile.contains('\u{202e}'),
            "{hostile}"
        );
        let of = |tag: &str| parsed.descendants().filter(|node| node.has_tag_name(tag)).count();
        assert_eq!((of("failure"), of("error"), of("skipped")), (3, 1, 1));
        let root = parsed.root_element();
        assert_eq!(
            (root.attribute("tests"), root.attribute("failures"), root.attribute("errors")),
            (Some("7"), Some("3"), Some("1"))
        );
        // Held-out: counted, not named, and in an order that tells nothing.
        assert!(!text.contains("judge-"), "{text}");
        assert!(
            cases[5].first_element_child().is_none()
                && cases[6].first_element_child().unwrap().attributes().len() == 0
        );
    }

    #[test]
    fn half_of_what_judges_is_no_result() {
        let (stored, seen, trials) = run(&[(5, Verdict::Fail)]);
        let text = document(&stored, &seen, &trials).unwrap();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let held_out = parsed.descendants().find(|node| node.attribute("name") == Some("held-out")).unwrap();
        let skipped = held_out.descendants().filter(|node| node.has_tag_name("skipped")).count();
        assert_eq!(skipped, 2, "{text}");
    }
}
