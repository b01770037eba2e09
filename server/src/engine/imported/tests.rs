//! What records of other programs say, one after the other, and what is made of those that are strange.

use std::collections::BTreeMap;

use serde_json::json;

use super::harbor::Trial;
use super::*;
use crate::engine::trace::{Source, Step, Trace};
use crate::engine::verdict::VoidCause;

fn thresholds() -> BTreeMap<String, f64> {
    BTreeMap::from([("reward".to_owned(), 1.0)])
}

fn trial(more: serde_json::Value) -> Trial {
    let mut value = json!({
        "task_name": "terminal-bench/t-01", "trial_name": "t-01__abc1234", "task_id": {"path": "tasks/t-01"},
        "agent_execution": {"started_at": "2026-01-01T00:00:00Z"},
    });
    let entries = value.as_object_mut().unwrap();
    entries.extend(more.as_object().unwrap().clone());
    Trial::read(&value.to_string()).unwrap().unwrap()
}

#[test]
fn files_are_known_by_their_names() {
    assert_eq!(Form::of_file("result.json"), Some(Form::Harbor));
    assert_eq!(Form::of_file("a__b-1.traj.json"), Some(Form::MiniSweAgent));
    assert_eq!(Form::of_file("a__b-1.traj"), Some(Form::SweAgent));
    assert_eq!((Form::of_file("results.json"), Form::of_file("trajectory.json")), (None, None));
    for name in ["a__b-1", "org/t-01", "Größe-2"] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", "a b", "a\nb", "\u{1b}[2J", &"x".repeat(201)] {
        assert!(!is_name(name), "{name:?}");
    }
}

#[test]
fn a_reward_of_harbor_is_judged_by_the_thresholds_of_the_project() {
    let verdict = |rewards: serde_json::Value| {
        let result = json!({"verifier_result": {"rewards": rewards}, "agent_result": {"n_input_tokens": 7}});
        trial(result).judge(&thresholds(), None, Vec::new()).verdict
    };
    assert_eq!(verdict(json!({"reward": 1})), Verdict::Pass);
    assert_eq!(verdict(json!({"accuracy": 1.0})), Verdict::Pass);
    assert_eq!(verdict(json!({"reward": 0.9})), Verdict::Fail);
    assert_eq!(verdict(json!({"a": 1, "b": 1})), Verdict::Void(VoidCause::VerifierCrash));
    assert_eq!(verdict(json!(null)), Verdict::Void(VoidCause::VerifierCrash));
}

#[test]
fn an_exception_of_harbor_is_kept_with_its_words() {
    let late = trial(json!({
        "exception_info": {"exception_type": "AgentTimeoutError", "exception_message": "after 900 s\nmore"},
        "verifier_result": {"rewards": {"reward": 0}}, "agent_result": {"n_input_tokens": 7, "cost_usd": 0.5},
    }));
    let outcome = late.judge(&thresholds(), None, Vec::new());
    assert_eq!((outcome.verdict, outcome.end), (Verdict::Fail, Some(End::Time)));
    assert!(outcome.detail.ends_with("AgentTimeoutError: after 900 s"), "{}", outcome.detail);
    assert_eq!(late.usage.map(|usage| (usage.input, usage.cost)), Some((7, Some(0.5))));
    let error = json!({"exception_info": {"exception_type": "ValueError", "exception_message": ""}});
    let broken = trial(error.clone());
    let verdict = |trace: Option<&Trace>| broken.judge(&thresholds(), trace, Vec::new()).verdict;
    assert_eq!(verdict(None), Verdict::Void(VoidCause::AgentStart));
    let mut trace = Trace::default();
    trace.push(Step::said(Source::Agent, "done", "/steps/0"));
    assert_eq!(verdict(Some(&trace)), Verdict::Void(VoidCause::Adapter));
    // A trial of several steps tells it in the step.
    let steps = trial(json!({"step_results": [{"step_name": "one"}, {"step_name": "two", "exception_info": {
        "exception_type": "ApiRateLimitError", "exception_message": "429"}}], "verifier_result": {"rewards": {"reward": 1}}}));
    assert_eq!(steps.steps, ["one", "two"]);
    assert_eq!(steps.judge(&thresholds(), None, Vec::new()).verdict, Verdict::Void(VoidCause::Provider));
}

#[test]
fn the_task_of_a_trial_is_its_id_and_not_its_name() {
    let task = |id: serde_json::Value| trial(json!({"task_id": id})).task;
    assert_eq!(task(json!({"path": "./tasks/t-01/"})), "tasks/t-01");
    assert_eq!(
        task(json!({"git_url": "https://x", "git_commit_id": "c", "path": "suite/t-01"})),
        "suite/t-01"
    );
    assert_eq!(
        task(json!({"org": "terminal-bench", "name": "fix-git", "ref": "3"})),
        "terminal-bench/fix-git"
    );
    assert_eq!(task(json!({})), "terminal-bench/t-01");
}

#[test]
fn what_is_no_trial_is_none_and_what_is_cut_off_is_said() {
    assert_eq!(Trial::read(r#"{"id": "x", "stats": {}, "n_total_trials": 3}"#), Ok(None));
    assert!(
        Trial::read(r#"{"trial_name": "t-01__abc1234", "task_"#).unwrap_err().starts_with("it is no JSON")
    );
    assert_eq!(Trial::read(r#"{"trial_name": "x"}"#), Err(String::from("it names no task")));
    let told =
        |more: &str| Trial::read(&format!(r#"{{"trial_name": "x", "task_name": "t", {more}}}"#)).unwrap_err();
    let stopped = told(r#""exception_info": {"exception_type": "CancelledError"}"#);
    assert_eq!(stopped, "it was stopped before it was over");
    let words = told(r#""verifier_result": {"rewards": {"reward": "1"}}"#);
    assert!(words.contains("is no result of a trial"), "{words}");
}
