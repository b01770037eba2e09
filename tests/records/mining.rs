//! Mining of public records: what is found in them, how it gathers, and that the order of trials changes nothing
//! (`method` 3.10).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use harness_schema::detector::DETECTORS;
use harness_schema::manifest::TranscriptFormat;
use harness_schema::split::Split;
use self_harness::engine::cause::{Cause, Failed, Judged, judge};
use self_harness::engine::cluster::{Level, Mined, group};
use self_harness::engine::reward::{Check, CheckStatus};
use self_harness::engine::signature::{Outcome, Seen, see};
use self_harness::engine::split::{HeldIn, Splits};
use self_harness::engine::trace::{End, Trace};
use serde_json::Value;

use super::{read, records};

/// What a line of the records of coding agents says besides its trace.
struct Coding {
    id: String,
    suite: String,
    passed: bool,
    patch_empty: bool,
    output: String,
}

impl Coding {
    fn of(record: &Value) -> Self {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let truth = |pointer: &str| record.pointer(pointer).and_then(Value::as_bool).unwrap();
        Self {
            id: text("/session_id"),
            suite: text("/extra/suite"),
            passed: truth("/extra/passed"),
            patch_empty: truth("/extra/patch_empty"),
            output: text("/extra/verifier_tail"),
        }
    }

    /// The verifier of `swe` applies a patch; where there is none, that is the check that fails.
    fn judged(&self) -> Judged {
        let patch = Check {
            name: String::from("patch"),
            status: CheckStatus::Failed,
            message: String::from("No such file or directory: 'model.patch'"),
            trace: String::new(),
            file: String::new(),
        };
        judge(&Failed {
            has_reward: true,
            checks: if self.patch_empty { std::slice::from_ref(&patch) } else { &[] },
            output: &self.output,
            is_imported: true,
            ..Failed::default()
        })
    }

    fn seen(&self, trace: &Trace) -> Seen {
        let judged = (!self.passed).then(|| self.judged());
        let outcome = Outcome {
            trial: &self.id,
            task: &self.id,
            repeat: 0,
            failed: judged.as_ref(),
            end: None,
            workdir: "/testbed",
            instruction: None,
            time_used: None,
            max_steps: None,
            // Each of these tasks asks for a change of a project, and its verifier tests the changed project.
            required: &[String::from("/testbed/")],
        };
        see(&outcome, trace)
    }
}

fn coding(suite: &str) -> Option<Vec<Seen>> {
    let text = records("dgm_atif.jsonl.gz")?;
    let mut all = Vec::new();
    for line in text.lines() {
        let record = Coding::of(&serde_json::from_str(line).unwrap());
        if record.suite == suite {
            all.push(record.seen(&read(line, TranscriptFormat::Auto)));
        }
    }
    Some(all)
}

fn conversations() -> Option<Vec<Seen>> {
    let text = records("tau_airline_gpt4o.json.gz")?;
    let trials: Vec<Value> = serde_json::from_str(&text).unwrap();
    let each = trials.iter().map(|trial| {
        let number = |key: &str| trial[key].as_u64().unwrap();
        let task = format!("airline-{:02}", number("task_id"));
        let id = format!("{task}.{}", number("trial"));
        let passed = trial["reward"].as_f64() == Some(1.0);
        // A conversation of 62 messages was stopped.
        let end = if trial.pointer("/info/reward_info").is_some_and(Value::is_null) {
            End::Steps
        } else {
            End::Finished
        };
        let failed = Failed { end: Some(&end), has_reward: true, is_imported: true, ..Failed::default() };
        let judged = (!passed).then(|| judge(&failed));
        let outcome = Outcome {
            trial: &id,
            task: &task,
            repeat: u32::try_from(number("trial")).unwrap(),
            failed: judged.as_ref(),
            end: Some(&end),
            workdir: "",
            instruction: None,
            time_used: None,
            max_steps: Some(31),
            required: &[],
        };
        see(&outcome, &read(&trial["traj"].to_string(), TranscriptFormat::Auto))
    });
    Some(each.collect())
}

fn held_in(all: Vec<Seen>) -> Vec<HeldIn<Seen>> {
    Splits::apart(all, |_| Some(Split::HeldIn)).held_in
}

/// Permutations without a source of chance: turned round, from the middle, and every seventh.
fn permuted(all: &[Seen]) -> Vec<Vec<Seen>> {
    let mut turned = all.to_vec();
    turned.reverse();
    let mut middle = all.to_vec();
    middle.rotate_left(all.len() / 2);
    let mut strides = all.to_vec();
    let key =
        |seen: &Seen| seen.trial.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
    strides.sort_by_key(key);
    vec![turned, middle, strides]
}

fn mined(all: &[Seen]) -> Mined {
    let mined = group(&held_in(all.to_vec()));
    for permuted in permuted(all) {
        let again = group(&held_in(permuted));
        assert_eq!(format!("{mined:?}"), format!("{again:?}"));
    }
    mined
}

/// What a reviewer checks by hand: how often each detector found something, in failed and in passed trials, with two trials of
/// each kind and the steps that show it; the causes; and the clusters.
fn told(all: &[Seen], mined: &Mined) -> String {
    let mut out = String::new();
    let failed = all.iter().filter(|seen| seen.cause.is_some()).count();
    let _ = writeln!(out, "{} trials, {failed} failed, level {}", all.len(), mined.level.word());
    for level in Level::ALL {
        let _ = writeln!(out, "C3 at {}: {:.3}", level.word(), mined.gathered_at(level));
    }
    let cold = mined.cold;
    let _ = writeln!(out, "none: {:.3}, steady: {:.3?}", cold.unexplained, cold.steady);
    let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
    for cause in all.iter().filter_map(|seen| seen.cause) {
        *causes.entry(cause).or_default() += 1;
    }
    for (cause, count) in causes {
        let _ = writeln!(out, "  {count:4} {}", cause.word());
    }
    let _ = writeln!(out, "\ndetectors: failed, passed, lift, set aside");
    for detector in DETECTORS {
        let firing = mined.firings.of_detector(detector).unwrap();
        let _ = write!(out, "{} {:<28}{:4}{:4}", detector.id, detector.name, firing.failed, firing.passed);
        if firing.failed + firing.passed == 0 {
            let _ = writeln!(out);
            continue;
        }
        let _ = writeln!(out, "  {:.2} {:?}", firing.lift(), firing.aside());
        let found = all.iter().filter_map(|seen| {
            let finding = seen.findings.iter().find(|finding| finding.detector == detector)?;
            Some((seen, finding))
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|(one, _), (other, _)| one.trial.cmp(&other.trial));
        for (seen, finding) in found.into_iter().take(2) {
            let steps: Vec<String> = finding.evidence.steps.iter().take(8).map(usize::to_string).collect();
            let _ = writeln!(out, "      {} {} steps {}", seen.trial, finding.status.word(), steps.join(" "));
        }
    }
    let _ = writeln!(out, "\nclusters: support, value, lift");
    for cluster in &mined.clusters {
        let word = |word: Option<&'static str>| word.unwrap_or("-");
        let _ = writeln!(
            out,
            "{} {:3} {:6.2} {:5.2} {} {} {}{}",
            cluster.id,
            cluster.support,
            cluster.value,
            cluster.lift.unwrap_or(1.0),
            word(cluster.cause.map(Cause::word)),
            word(cluster.status.map(|status| status.word())),
            word(cluster.mechanism.map(|it| it.name)),
            if cluster.is_habit { " (habit)" } else { "" },
        );
    }
    out
}

#[test]
fn repairs_of_large_projects() {
    let Some(all) = coding("swe") else { return };
    let mined = mined(&all);
    insta::assert_snapshot!(told(&all, &mined));
    assert_eq!((all.len(), mined.cold.failed), (54, 43));
    assert!(0.80 <= mined.gathered_at(Level::Signature), "{:?}", mined.gathered);
    assert!(mined.cold.unexplained <= 0.05, "{:?}", mined.cold);
}

#[test]
fn exercises_in_many_languages() {
    let Some(all) = coding("poly") else { return };
    let mined = mined(&all);
    insta::assert_snapshot!(told(&all, &mined));
    assert_eq!((all.len(), mined.cold.failed), (221, 189));
    assert!(0.90 <= mined.gathered_at(Level::Signature), "{:?}", mined.gathered);
    assert!(mined.cold.unexplained <= 0.05, "{:?}", mined.cold);
    assert_eq!(mined.firings.habits().map(|it| it.id).collect::<Vec<_>>(), ["M11", "M12"]);
}

#[test]
fn conversations_that_were_mined() {
    let Some(all) = conversations() else { return };
    let mined = mined(&all);
    insta::assert_snapshot!(told(&all, &mined));
    assert_eq!((all.len(), mined.cold.failed), (200, 40));
    assert!(mined.cold.steady.is_some());
}

#[test]
fn line_ends_of_records_change_nothing() {
    let Some(text) = records("dgm_atif.jsonl.gz") else { return };
    for line in text.lines() {
        let mut record = Coding::of(&serde_json::from_str(line).unwrap());
        let plain = record.judged();
        record.output = record.output.replace('\n', "\r\n");
        assert_eq!(record.judged(), plain, "{}", record.id);
    }
}
