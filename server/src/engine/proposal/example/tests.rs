//! Excerpts of traces.

use serde_json::json;

use super::*;
use crate::engine::cause::Cause;
use crate::engine::detector::Evidence;
use crate::engine::signature::Status;
use crate::engine::trace::Observation;

fn trace(steps: usize) -> Trace {
    let mut trace = Trace::default();
    trace.push(Step::said(Source::System, "be good", ""));
    trace.push(Step::said(Source::User, "do invoice-total", ""));
    for at in 0..steps {
        let call = Call {
            id: None,
            tool: String::from("shell"),
            arguments: Arguments::Json(json!({ "command": format!("cat /home/ada/invoice-total/{at}") })),
            schema_ok: None,
            observation: Some(Observation {
                text: format!("{at} {}", "x".repeat(2000)).into(),
                exit: Some(1),
                ..Observation::default()
            }),
        };
        trace.push(Step { calls: vec![call], ..Step::said(Source::Agent, format!("I look {at}"), "") });
    }
    trace
}

fn seen(evidence: &[usize]) -> Seen {
    let finding = Finding {
        detector: harness_schema::detector::named("loop-consecutive").unwrap(),
        evidence: Evidence { steps: evidence.to_vec() },
        status: Status::Direct,
        entities: Default::default(),
    };
    Seen {
        trial: String::from("t-1"),
        task: String::from("invoice-total"),
        repeat: 0,
        cause: Some(Cause::ValueMismatch),
        findings: vec![finding],
        messages: vec![String::from("AssertionError: /app/x.py of invoice-total is 17")],
        entities: Default::default(),
        steps: 30,
    }
}

#[test]
fn steps_stand_around_the_evidence() {
    let example = Example::of(&seen(&[10, 20]), &trace(30), "T1");
    assert_eq!(example.signature, "value.mismatch, direct, loop-consecutive");
    let steps: Vec<&str> = example.excerpt.lines().filter(|line| line.starts_with("step")).collect();
    assert_eq!(steps.len(), MAX_STEPS);
    assert!(
        example.excerpt.contains("step 10, agent (evidence)")
            && example.excerpt.contains("step 20, agent (evidence)")
    );
    assert!(example.excerpt.contains("\n…\n"), "{}", example.excerpt);
    assert!(!example.excerpt.contains("be good") && !example.excerpt.contains(&"x".repeat(MAX_CHARS)));
}

#[test]
fn neither_task_nor_user_is_named() {
    let example = Example::of(&seen(&[10]), &trace(30), "T7");
    let all = format!("{}{}", example.excerpt, example.messages.join("\n"));
    assert!(!all.to_lowercase().contains("invoice-total") && !all.contains("ada"), "{all}");
    assert!(all.contains("T7") && all.contains("exit 1"));
    assert_eq!(example.messages, ["AssertionError: <PATH:.py> of T7 is <N>"]);
}

#[test]
fn secrets_are_taken_out() {
    let text = "key sk-abcdefghijklmnopqrstu, Authorization: Bearer abcdef123456, password = hunter2222";
    let clean = without_names(text, "t", "T1");
    for secret in ["sk-abc", "abcdef123456", "hunter2222"] {
        assert!(!clean.contains(secret), "{clean}");
    }
}

#[test]
fn a_trace_without_evidence_is_shown_from_its_end() {
    let mut seen = seen(&[]);
    seen.findings.clear();
    let example = Example::of(&seen, &trace(30), "T1");
    assert!(example.excerpt.contains("step 32, agent") && !example.excerpt.contains("step 19, agent"));
    assert_eq!(example.signature, "value.mismatch, none");
    assert_eq!(Example::of(&seen, &Trace::default(), "T1").excerpt, "");
}
