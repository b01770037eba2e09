//! What is seen in small trials, by hand.

use std::collections::BTreeSet;

use harness_schema::detector::named;

use super::*;
use crate::engine::trace::{Arguments, Call, Observation, Source, Step};

fn shell(command: &str, exit: i64, printed: &str) -> Step {
    let call = Call {
        id: None,
        tool: String::from("shell"),
        arguments: Arguments::Json(serde_json::json!({"command": command})),
        schema_ok: Some(true),
        observation: Some(Observation { exit: Some(exit), ..Observation::text(printed) }),
    };
    Step { source: Source::Agent, calls: vec![call], ..Step::default() }
}

fn trace(steps: impl IntoIterator<Item = Step>) -> Trace {
    let mut trace = Trace::default();
    trace.push(Step::said(Source::User, "", ""));
    steps.into_iter().for_each(|step| trace.push(step));
    trace
}

fn judged(cause: Cause, entities: &[&str]) -> Judged {
    Judged {
        cause,
        messages: vec![String::from("it is not there")],
        entities: entities.iter().map(|name| (*name).to_owned()).collect(),
        missing: BTreeSet::new(),
        differs_in_form: false,
    }
}

fn outcome(failed: Option<&Judged>) -> Outcome<'_> {
    Outcome {
        trial: "t1",
        task: "sum",
        repeat: 0,
        failed,
        end: None,
        workdir: "/app",
        instruction: Some("Read data.csv and write the sum to `out.txt`."),
        time_used: None,
        max_steps: None,
        required: &[],
    }
}

fn status_of(seen: &Seen, name: &str) -> Option<Status> {
    let detector = named(name).unwrap();
    seen.findings.iter().find(|finding| finding.detector == detector).map(|finding| finding.status)
}

#[test]
fn words_lead_to_their_status() {
    for status in Status::ALL {
        assert_eq!(Status::named(status.word()), Some(status));
    }
    assert!(Status::ALL.is_sorted() && Status::named("sure").is_none());
}

#[test]
fn an_idle_agent_and_the_file_that_is_missing() {
    let judged = judged(Cause::ArtifactMissing, &["out.txt"]);
    let seen = see(&outcome(Some(&judged)), &trace([shell("cat data.csv", 0, "1\n2")]));
    assert_eq!((seen.cause, seen.steps), (Some(Cause::ArtifactMissing), 1));
    assert_eq!(status_of(&seen, "no-write"), Some(Status::Direct));
    assert_eq!(status_of(&seen, "artifact-never-created"), Some(Status::Direct));
    let entities = &seen.findings.first().unwrap().entities;
    assert!(entities.contains("out.txt"), "{entities:?}");
}

#[test]
fn what_the_verifier_misses_is_required() {
    let quiet = Outcome { instruction: None, ..outcome(None) };
    let idle = trace([shell("cat data.csv", 0, "1\n2")]);
    assert_eq!(status_of(&see(&quiet, &idle), "no-write"), None);
    let mut judged = judged(Cause::ArtifactMissing, &[]);
    judged.missing.insert(String::from("/app/out.txt"));
    let told = Outcome { failed: Some(&judged), ..quiet.clone() };
    assert_eq!(status_of(&see(&told, &idle), "no-write"), Some(Status::Direct));
    // Something has to change, whatever it is.
    let tree = [String::from("/app/")];
    let told = Outcome { required: &tree, ..quiet.clone() };
    assert_eq!(status_of(&see(&told, &idle), "no-write"), Some(Status::Undetermined));
    let busy = see(&told, &trace([shell("echo 1 > src/a.txt", 0, ""), shell("rm src/b.txt", 0, "")]));
    for name in ["no-write", "artifact-never-created", "artifact-overwritten"] {
        assert_eq!(status_of(&busy, name), None, "{name}");
    }
    let strayed = see(&told, &trace([shell("echo 1 > /tmp/a.txt", 0, "")]));
    assert!(status_of(&strayed, "artifact-never-created").is_some());
    let required = [String::from("out.txt")];
    assert_eq!(
        status_of(&see(&Outcome { required: &required, ..quiet }, &idle), "no-write"),
        Some(Status::Undetermined)
    );
}

#[test]
fn what_was_made_good_is_dropped() {
    let red = || (0..3).map(|_| shell("pytest tests/test_a.py", 1, "E   assert 1 == 2"));
    let judged = judged(Cause::ValueMismatch, &[]);
    let seen = see(&outcome(Some(&judged)), &trace(red()));
    for name in ["loop-identical-fail", "stuck-red"] {
        assert_eq!(status_of(&seen, name), Some(Status::Contributing), "{name}");
    }
    let green = red().chain([shell("pytest tests/test_a.py", 0, "1 passed")]);
    let seen = see(&outcome(Some(&judged)), &trace(green));
    for name in ["loop-identical-fail", "stuck-red"] {
        assert_eq!(status_of(&seen, name), None, "{name}");
    }
    // Another test says nothing about this one.
    let other = red().chain([shell("pytest tests/test_b.py", 0, "1 passed")]);
    assert!(status_of(&see(&outcome(Some(&judged)), &trace(other)), "loop-identical-fail").is_some());
}

#[test]
fn what_was_cut_is_made_good_by_a_result_that_is_whole() {
    let judged = judged(Cause::ValueMismatch, &[]);
    let cut = || shell("cat src/a.py", 0, "def a(): pass\n<response clipped>");
    let red = shell("pytest", 1, "FAILED a");
    let found = |steps: Vec<Step>| status_of(&see(&outcome(Some(&judged)), &trace(steps)), "truncated-read");
    let rest = || vec![cut(), shell("ls", 0, ""), shell("ls src", 0, ""), red.clone()];
    let with = |last: Step| found(rest().into_iter().chain([last]).collect());
    assert!(found(rest()).is_some());
    assert_eq!(with(shell("cat src/a.py", 0, "def a(): pass")), None);
    // To cut it again, to write it, or to mend something else helps nothing.
    for last in [cut(), shell("echo 1 > src/a.py", 0, ""), shell("pytest", 0, "1 passed")] {
        assert!(with(last).is_some());
    }
}

#[test]
fn an_absence_is_never_made_good() {
    let judged = judged(Cause::ValueMismatch, &[]);
    let steps = [shell("echo 3 > out.txt", 0, ""), shell("echo 4 > out.txt", 0, "")];
    let seen = see(&outcome(Some(&judged)), &trace(steps));
    assert!(status_of(&seen, "never-verified").is_some());
    assert!(status_of(&seen, "no-verify-after-last-write").is_some());
}

#[test]
fn status_is_by_name_then_by_place_then_by_share() {
    let wander = |count: usize| (0..count).map(|at| shell(&format!("ls d{at}"), 0, ""));
    let late = |before: usize, after: usize| {
        let lost = ["a.txt", "b.txt"];
        let lost = lost
            .map(|file| shell(&format!("cat {file}"), 1, &format!("cat: {file}: No such file or directory")));
        trace(wander(before).chain(lost).chain(wander(after)))
    };
    let plain = judged(Cause::ValueMismatch, &[]);
    let seen =
        |judged: &Judged, trace: &Trace| status_of(&see(&outcome(Some(judged)), trace), "path-hallucination");
    assert_eq!(seen(&plain, &late(0, 10)), Some(Status::Undetermined));
    assert_eq!(seen(&plain, &late(10, 0)), Some(Status::Contributing));
    assert_eq!(seen(&plain, &late(0, 6)), Some(Status::Contributing));
    assert_eq!(seen(&judged(Cause::ValueMismatch, &["b.txt"]), &late(0, 10)), Some(Status::Direct));
}

#[test]
fn a_trial_that_passed_keeps_its_findings() {
    let seen = see(&outcome(None), &trace([shell("echo 3 > out.txt", 0, "")]));
    assert_eq!(seen.cause, None);
    assert_eq!(status_of(&seen, "never-verified"), Some(Status::Undetermined));
    assert!(seen.findings.iter().all(|finding| finding.status == Status::Undetermined));
}

#[test]
fn some_mechanisms_need_an_agent_that_was_done() {
    let judged = judged(Cause::LimitSteps, &[]);
    let red = trace([shell("echo 3 > out.txt", 0, ""), shell("pytest", 1, "FAILED a")]);
    let ended = |end: &End| {
        status_of(&see(&Outcome { end: Some(end), ..outcome(Some(&judged)) }, &red), "stopped-on-red")
    };
    assert_eq!(ended(&End::Finished), Some(Status::Direct));
    assert_eq!(ended(&End::Steps), None);
}

#[test]
fn a_limit_that_was_hit_while_looking() {
    let judged = judged(Cause::LimitSteps, &[]);
    let looking = trace((0..10).map(|at| shell(&format!("cat f{at}"), 0, "")));
    let seen = |end: &End| {
        status_of(&see(&Outcome { end: Some(end), ..outcome(Some(&judged)) }, &looking), "limit-exploring")
    };
    assert_eq!(seen(&End::Steps), Some(Status::Direct));
    assert_eq!(seen(&End::Finished), None);
}

#[test]
fn a_result_that_differs_in_form_alone() {
    let differs = Judged { differs_in_form: true, ..judged(Cause::ValueMismatch, &["out.txt"]) };
    let wrote = trace([shell("echo 3 > out.txt", 0, ""), shell("cat out.txt", 0, "3"), shell("ls", 0, "")]);
    assert_eq!(
        status_of(&see(&outcome(Some(&judged(Cause::ValueMismatch, &[]))), &wrote), "output-format"),
        None
    );
    // It was read back, but the file was never written well.
    let seen = see(&outcome(Some(&differs)), &wrote);
    assert_eq!(status_of(&seen, "output-format"), Some(Status::Direct));
}
