//! What mining costs: a transcript until it is read, and until it is known what is to be seen in it, beside the mere parsing of
//! the same JSON; what is kept of a trial; and ten thousand seen trials until they are clusters. The transcripts are the public
//! records that `SELF_HARNESS_RECORDS` names, and made-up ones without it.

#![expect(clippy::expect_used, reason = "a bench that cannot begin has nothing to measure")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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

/// Transcripts of one kind, one JSON document each.
struct Kind {
    name: &'static str,
    sources: Vec<String>,
}

fn kinds() -> Vec<Kind> {
    let Some(directory) = std::env::var_os("SELF_HARNESS_RECORDS") else {
        return vec![Kind { name: "made-up", sources: (0..60).map(made_up).collect() }];
    };
    let unpacked = |name: &str| {
        let file =
            std::fs::File::open(PathBuf::from(&directory).join(name)).expect("the records are readable");
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).expect("the records are packed");
        text
    };
    let trajectories = unpacked("dgm_atif.jsonl.gz").lines().map(str::to_owned).collect();
    let trials: Vec<Value> =
        serde_json::from_str(&unpacked("tau_airline_gpt4o.json.gz")).expect("the records are JSON");
    let conversations = trials.iter().filter_map(|trial| Some(trial.get("traj")?.to_string())).collect();
    vec![
        Kind { name: "trajectories", sources: trajectories },
        Kind { name: "conversations", sources: conversations },
    ]
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

fn parse(sources: &[String]) {
    for source in sources {
        black_box(serde_json::from_str::<Value>(source).expect("it is JSON"));
    }
}

fn see_all(sources: &[String], judged: &Judged) {
    for source in sources {
        black_box(seen(source, "t", "t", Some(judged)));
    }
}

/// Prints how fast transcripts are read and seen, as a share of how fast they are parsed: by the fastest of many passes, which
/// take turns, so that whatever else the machine does harms neither.
fn compare(kinds: &[Kind], judged: &Judged) {
    const PASSES: usize = 40;
    let fastest = |kind: &Kind| {
        let mut times = (Duration::MAX, Duration::MAX);
        for _ in 0..PASSES {
            let start = Instant::now();
            parse(&kind.sources);
            let parsed = Instant::now();
            see_all(&kind.sources, judged);
            times = (times.0.min(parsed - start), times.1.min(parsed.elapsed()));
        }
        times
    };
    let share = |(parsed, seen): (Duration, Duration)| 100.0 * parsed.as_secs_f64() / seen.as_secs_f64();
    let mut all = (Duration::ZERO, Duration::ZERO);
    for kind in kinds {
        let times = fastest(kind);
        all = (all.0 + times.0, all.1 + times.1);
        eprintln!("{}: read and seen with {:.0} % of the speed of parsing", kind.name, share(times));
    }
    eprintln!("all: read and seen with {:.0} % of the speed of parsing", share(all));
}

fn mining(criterion: &mut Criterion) {
    let kinds = kinds();
    let judged = judged();
    compare(&kinds, &judged);
    for kind in &kinds {
        let sources = &kind.sources;
        let bytes: usize = sources.iter().map(String::len).sum();
        let mut transcripts = criterion.benchmark_group(kind.name);
        transcripts.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
        transcripts.bench_function("parse", |bencher| bencher.iter(|| parse(sources)));
        transcripts.bench_function("read", |bencher| {
            bencher.iter(|| {
                for source in sources {
                    black_box(transcript::read(source, TranscriptFormat::Auto).expect("it is readable"));
                }
            });
        });
        transcripts.bench_function("see", |bencher| bencher.iter(|| see_all(sources, &judged)));
        transcripts.finish();
    }

    // Nothing but this stays of a trial, so that a hundred thousand take a hundred thousand times as much.
    let all = || kinds.iter().flat_map(|kind| &kind.sources);
    let sizes: Vec<usize> = all().map(|source| kept(&seen(source, "t", "t", Some(&judged)))).collect();
    let (sum, most) = (sizes.iter().sum::<usize>(), sizes.iter().max().copied().unwrap_or_default());
    eprintln!("kept of a trial: {} bytes on average, {most} at most", sum / sizes.len().max(1));

    let few: Vec<Seen> = all().take(60).map(|source| seen(source, "", "", Some(&judged))).collect();
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
