//! What mining costs: a transcript until it is read, and until it is known what is to be seen in it, beside the mere parsing of
//! the same JSON; what is kept of a trial; and ten thousand seen trials until they are clusters. The transcripts are the public records that `SELF_HARNESS_RECORDS` names, and
//! made-up ones without it.

#![expect(clippy::expect_used, reason = "a bench that cannot begin has nothing to measure")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Read as _;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::GzDecoder;
use harness_schema::manifest::TranscriptFormat;
use harness_schema::split::Split;
use self_harness::engine::cause::{Failed, Judged, judge};
use self_harness::engine::cluster::group;
use self_harness::engine::signature::{Outcome, Seen, see};
use self_harness::engine::split::Splits;
use self_harness::engine::transcript;
use serde_json::{Value, json};

const TRIALS: usize = 10_000;

/// Transcripts, one JSON document each.
fn transcripts() -> Vec<String> {
    let Some(directory) = std::env::var_os("SELF_HARNESS_RECORDS") else {
        return (0..60).map(made_up).collect();
    };
    let path = PathBuf::from(directory).join("dgm_atif.jsonl.gz");
    let file = std::fs::File::open(path).expect("the records are readable");
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("the records are packed");
    text.lines().map(str::to_owned).collect()
}

/// An agent that looks around, edits, and runs tests that fail.
fn made_up(number: usize) -> String {
    let listing = (0..120).fold(String::new(), |mut text, line| {
        let _ = writeln!(
            text,
            "src/part{line}/module_{number}.py:{line}: def step_{line}(path, count=3): return 'x'"
        );
        text
    });
    let step = |at: usize| {
        let (command, result) = match at % 4 {
            0 => (format!("grep -rn step_{at} src"), listing.clone()),
            1 => (format!("sed -i 's/count=3/count={at}/' src/part{at}/module_{number}.py"), String::new()),
            2 => (format!("cat src/part{at}/module_{number}.py"), listing.clone()),
            _ => (
                String::from("pytest tests"),
                format!("{listing}E   assert {at} == 3\nFAILED tests/test_a.py::test_b\n"),
            ),
        };
        json!({
            "step_id": at + 1, "source": "agent", "message": "I look at the next part.",
            "tool_calls": [{"tool_call_id": format!("c{at}"), "function_name": "bash", "arguments": {"command": command}}],
            "observation": {"results": [{"source_call_id": format!("c{at}"), "content": result}]}
        })
    };
    let steps: Vec<Value> = (0..24).map(step).collect();
    json!({"schema_version": "ATIF-v1.4", "session_id": "s", "agent": {"name": "a", "version": "1"}, "steps": steps}).to_string()
}

fn judged() -> Judged {
    let output = "E   assert 1 == 2\nFAILED tests/test_a.py::test_b - assert 1 == 2\n";
    judge(&Failed { output, has_reward: true, ..Failed::default() })
}

fn seen(source: &str, trial: &str, task: &str, judged: Option<&Judged>) -> Seen {
    let trace = transcript::read(source, TranscriptFormat::Auto).expect("the transcript is readable");
    let outcome = Outcome {
        trial,
        task,
        repeat: 0,
        failed: judged,
        end: None,
        workdir: "/testbed",
        instruction: None,
        time_used: None,
        max_steps: None,
        required: &[],
    };
    see(&outcome, &trace)
}

/// How many bytes of texts and lists are kept of a trial, whatever its transcript was; a name counts as what its string takes.
fn kept(seen: &Seen) -> usize {
    let names = |names: &mut dyn Iterator<Item = &String>| {
        names.map(|name| size_of::<String>() + name.len()).sum::<usize>()
    };
    let findings = seen.findings.iter().map(|finding| {
        size_of_val(finding) + size_of_val(finding.evidence.steps.as_slice()) + finding.entities.bytes()
    });
    size_of::<Seen>()
        + names(&mut [&seen.trial, &seen.task].into_iter())
        + findings.sum::<usize>()
        + names(&mut seen.messages.iter().chain(&seen.entities))
}

fn mining(criterion: &mut Criterion) {
    let sources = transcripts();
    let judged = judged();
    let bytes: usize = sources.iter().map(String::len).sum();
    let mut transcripts = criterion.benchmark_group("transcript");
    transcripts.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
    transcripts.bench_function("parse", |bencher| {
        bencher.iter(|| {
            for source in &sources {
                black_box(serde_json::from_str::<Value>(source).expect("it is JSON"));
            }
        });
    });
    transcripts.bench_function("read", |bencher| {
        bencher.iter(|| {
            for source in &sources {
                black_box(transcript::read(source, TranscriptFormat::Auto).expect("it is readable"));
            }
        });
    });
    transcripts.bench_function("see", |bencher| {
        bencher.iter(|| {
            for source in &sources {
                black_box(seen(source, "t", "t", Some(&judged)));
            }
        });
    });
    transcripts.finish();

    // Nothing but this stays of a trial, so that a hundred thousand take a hundred thousand times as much.
    let sizes: Vec<usize> =
        sources.iter().map(|source| kept(&seen(source, "t", "t", Some(&judged)))).collect();
    let (sum, most) = (sizes.iter().sum::<usize>(), sizes.iter().max().copied().unwrap_or_default());
    eprintln!("kept of a trial: {} bytes on average, {most} at most", sum / sizes.len().max(1));

    let few: Vec<Seen> = sources.iter().take(60).map(|source| seen(source, "", "", Some(&judged))).collect();
    let many = few.iter().cycle().take(TRIALS).enumerate().map(|(at, seen)| Seen {
        trial: format!("t{at}"),
        task: format!("task {}", at / 4),
        cause: seen.cause.filter(|_| at % 3 != 0),
        ..seen.clone()
    });
    let held_in = Splits::apart(many, |_| Some(Split::HeldIn)).held_in;
    let mut groups = criterion.benchmark_group("group");
    groups.sample_size(10).throughput(Throughput::Elements(TRIALS as u64));
    groups.bench_function("10000", |bencher| bencher.iter(|| black_box(group(black_box(&held_in)))));
    groups.finish();
}

criterion_group!(benches, mining);
criterion_main!(benches);
