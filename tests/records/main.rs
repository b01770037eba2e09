//! Public records of agents, read whole: what the readers make of real transcripts. The records are no part of the
//! repository; `SELF_HARNESS_RECORDS` names their directory, and without it the tests say that they did nothing.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

mod mining;

use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use harness_schema::manifest::TranscriptFormat;
use self_harness::engine::action::{self, Action, Kind};
use self_harness::engine::trace::{Arguments, Loss, Source, Trace};
use self_harness::engine::transcript;
use serde_json::Value;

/// A file of the records as text; `None` if there are none on this machine.
fn records(name: &str) -> Option<String> {
    let Some(directory) = std::env::var_os("SELF_HARNESS_RECORDS") else {
        println!("skipped: SELF_HARNESS_RECORDS names no directory with public records");
        return None;
    };
    let path = PathBuf::from(directory).join(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text)
}

fn read(source: &str, format: TranscriptFormat) -> Trace {
    transcript::read(source, format).unwrap_or_else(|error| panic!("{error}"))
}

fn sum(traces: &[Trace], count: impl Fn(&Trace) -> usize) -> usize {
    traces.iter().map(count).sum()
}

#[test]
fn trajectories_of_coding_agents() {
    let Some(text) = records("dgm_atif.jsonl.gz") else { return };
    let traces: Vec<Trace> = text.lines().map(|line| read(line, TranscriptFormat::Auto)).collect();
    assert_eq!(traces.len(), 275);
    assert_eq!(sum(&traces, |trace| trace.steps.len()), 2_118);
    let calls = || traces.iter().flat_map(|trace| &trace.steps).flat_map(|step| &step.calls);
    assert_eq!(calls().count(), 2_064);
    assert_eq!(calls().filter(|call| call.tool == "bash").count(), 619);
    assert!(calls().all(|call| call.arguments.parsed() && call.observation.is_some()));
    // 54 results name a call that is not there.
    let stray = |trace: &Trace| {
        let each =
            trace.losses.iter().map(|loss| if let Loss::StrayResults(count) = loss { *count } else { 0 });
        each.sum()
    };
    assert_eq!(sum(&traces, stray), 54);
    for trace in &traces {
        for loss in [Loss::SystemPrompt, Loss::Usage, Loss::Times] {
            assert!(trace.losses.contains(&loss), "{:?}", trace.losses);
        }
    }
}

#[test]
fn calls_of_coding_agents_are_understood() {
    let Some(text) = records("dgm_atif.jsonl.gz") else { return };
    let mut kinds = std::collections::BTreeMap::new();
    for line in text.lines() {
        let trace = read(line, TranscriptFormat::Auto);
        let mut written = Vec::new();
        for call in trace.steps.iter().flat_map(|step| &step.calls) {
            let action = Action::of(call, |file| written.iter().any(|other| other == file));
            assert!(!action.target.is_empty(), "{call:?}");
            if call.tool == "editor" {
                let verb = match &call.arguments {
                    Arguments::Json(arguments) => {
                        arguments["command"].as_str().unwrap_or_default().to_owned()
                    }
                    Arguments::Raw(_) => String::new(),
                };
                let expected = if verb == "view" { Kind::Read } else { Kind::Write };
                assert_eq!(action.kind(), expected, "{call:?}");
                // The editor says so itself when it fails.
                let says = call.observation.as_ref().is_some_and(|seen| seen.text.starts_with("Error: "));
                assert!(!says || action::is_error(call), "{call:?}");
            }
            *kinds.entry(action.kind()).or_insert(0_usize) += 1;
            written.extend(action.writes);
        }
    }
    let total: usize = kinds.values().sum();
    let other = kinds.get(&Kind::Other).copied().unwrap_or_default();
    assert_eq!(total, 2_064);
    assert!(other * 10 < total, "{kinds:?}");
}

#[test]
fn conversations_with_tools() {
    let Some(text) = records("tau_airline_gpt4o.json.gz") else { return };
    let trials: Vec<Value> = serde_json::from_str(&text).unwrap();
    let traces: Vec<Trace> =
        trials.iter().map(|trial| read(&trial["traj"].to_string(), TranscriptFormat::Auto)).collect();
    assert_eq!(traces.len(), 200);
    let of = |source: Source| {
        sum(&traces, |trace| trace.steps.iter().filter(|step| step.source == source).count())
    };
    assert_eq!((of(Source::System), of(Source::User), of(Source::Agent)), (200, 1_490, 2_454));
    let calls = || traces.iter().flat_map(|trace| &trace.steps).flat_map(|step| &step.calls);
    let observed = calls().filter(|call| call.observation.is_some()).count();
    assert_eq!((calls().count(), observed), (1_164, 1_164));
    let errors =
        calls().filter(|call| call.observation.as_ref().is_some_and(|seen| seen.text.starts_with("Error")));
    assert_eq!(errors.count(), 73);
    let tools: std::collections::BTreeSet<&str> = calls().map(|call| call.tool.as_str()).collect();
    assert_eq!(tools.len(), 14);
}
