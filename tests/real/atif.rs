//! ATIF between this and Harbor, by Harbor's own code: what is written here loads there, and what Terminus-2 and Harbor's converter for
//! mini-swe-agent write is read here. `atif.py` runs them; no model is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness_schema::manifest::TranscriptFormat;
use self_harness::engine::atif::{About, write};
use self_harness::engine::trace::{Agent, Arguments, Call, End, Observation, Source, Step, Trace, Usage};
use self_harness::engine::transcript;
use serde_json::json;

use crate::installed::toolchain;
use crate::lab::{Lab, WRITER};

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-atif-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `atif.py` in the installation of an agent; what it printed.
fn run<'a>(toolchain: &Path, verb: &str, files: impl IntoIterator<Item = &'a Path>) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real/atif.py");
    let mut command = Command::new(toolchain.join("bin/python3"));
    command.arg(script).arg(verb).args(files).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    command.env("HARBOR_TELEMETRY", "off").env("DO_NOT_TRACK", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let aside = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb}: {said}\n{aside}");
    said
}

fn read(path: &Path) -> Trace {
    let text = fs::read_to_string(path).unwrap();
    transcript::read(&text, TranscriptFormat::Auto)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the agent called, in order, with what came back.
fn calls(trace: &Trace) -> Vec<(String, String)> {
    let calls = trace.steps.iter().flat_map(|step| &step.calls);
    let told = |call: &Call| {
        let arguments = match &call.arguments {
            Arguments::Json(value) => {
                let command = value.get("command").or_else(|| value.get("keystrokes"));
                command.and_then(|command| command.as_str()).unwrap_or_default().trim().to_owned()
            }
            Arguments::Raw(text) => text.clone(),
        };
        let seen = call.observation.as_ref().map(|seen| seen.text.trim().to_owned());
        (arguments, seen.unwrap_or_default())
    };
    calls.map(told).collect()
}

/// A trace with everything that the format has no place for.
fn strange() -> Trace {
    let mut trace = Trace {
        agent: Agent { name: "native".into(), version: Some("1".into()), model: Some("m".into()) },
        end: Some(End::Crashed("three format errors".into())),
        ..Trace::default()
    };
    trace.push(Step::said(Source::System, "You are an agent.", ""));
    trace.push(Step { rule: Some("stop".into()), ..Step::said(Source::User, "Stop.", "") });
    let call = |arguments, observation| Call {
        id: None,
        tool: "shell".into(),
        arguments,
        schema_ok: Some(false),
        observation,
    };
    let seen =
        Observation { exit: Some(124), timed_out: true, truncated: true, ..Observation::text("é\u{1b}[0m") };
    trace.push(Step {
        calls: vec![
            call(Arguments::Raw("{\"command\": ".into()), None),
            call(Arguments::Json(json!([1, null])), Some(seen)),
        ],
        reasoning: Some("why".into()),
        usage: Some(Usage { input: 9, cached: 3, output: 1, cost: None }),
        stop_reason: Some("length".into()),
        state: Some("work".into()),
        ..Step::said(Source::Agent, "", "")
    });
    trace
}

#[test]
fn what_is_written_here_loads_in_harbor() {
    let Some(harbor) = toolchain("harbor") else { return };
    let lab = Lab::new("atif", WRITER, 2);
    lab.ok(&["evaluate", "--yes", "--repeats", "1"]);
    let trials = fs::read_dir(lab.root().join(".self-harness/trials")).unwrap().flatten();
    let mut files: Vec<PathBuf> = trials.map(|trial| trial.path().join("trajectory.json")).collect();
    assert_eq!(files.len(), 2);
    let directory = Directory::new("written");
    let about =
        About { trial: "t".into(), harness: "h".into(), contract: "c".into(), tool_definitions: Vec::new() };
    fs::write(directory.path("strange.json"), write(&strange(), &about).to_string()).unwrap();
    files.push(directory.path("strange.json"));
    let said = run(&harbor, "load", files.iter().map(PathBuf::as_path));
    assert!(said.contains("3 of 3 trajectories load"), "{said}");
    // The check can fail.
    fs::write(
        directory.path("wrong.json"),
        r#"{"schema_version": "ATIF-v1.8", "agent": {"name": "a"}, "steps": []}"#,
    )
    .unwrap();
    let wrong = Command::new(harbor.join("bin/python3"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real/atif.py"))
        .arg("load")
        .arg(directory.path("wrong.json"))
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn what_terminus_2_writes_is_read() {
    let Some(harbor) = toolchain("harbor") else { return };
    let directory = Directory::new("terminus");
    run(&harbor, "terminus", [directory.0.as_path()]);
    let trace = read(&directory.path("trajectory.json"));
    assert_eq!(
        (trace.agent.name.as_str(), trace.agent.model.as_deref()),
        ("terminus-2", Some("openai/scripted"))
    );
    let calls = calls(&trace);
    let commands: Vec<&str> = calls.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(
        &commands[..4],
        ["wc -l < notes.txt", "wc -l < notes.txt > answer.txt", "cat answer.txt", "ls nothing"]
    );
    // One observation for three calls belongs to the last of them.
    assert!(
        calls[0].1.is_empty() && calls[1].1.is_empty() && calls[2].1.contains("$ cat answer.txt\n3"),
        "{calls:?}"
    );
    assert!(trace.steps.iter().all(|step| step.source != Source::System));
    let used: u64 = trace.steps.iter().filter_map(|step| step.usage).map(|usage| usage.input).sum();
    assert_eq!(used, 1_000);
    again(&harbor, &directory, &trace);
}

#[test]
fn what_harbor_makes_of_mini_swe_agent_is_read() {
    let (Some(harbor), Some(mini)) = (toolchain("harbor"), toolchain("mini-swe-agent")) else { return };
    let directory = Directory::new("converted");
    let (own, converted) = (directory.path("mini.traj.json"), directory.path("trajectory.json"));
    run(&mini, "mini", [own.as_path()]);
    run(&harbor, "convert", [own.as_path(), converted.as_path()]);
    let (own, converted) = (read(&own), read(&converted));
    assert_eq!(
        (own.agent.name.as_str(), converted.agent.name.as_str()),
        ("mini-swe-agent", "mini-swe-agent")
    );
    assert_eq!(own.end, Some(End::Finished));
    let commands = |trace: &Trace| calls(trace).into_iter().map(|(command, _)| command).collect::<Vec<_>>();
    assert_eq!(commands(&own).len(), 5);
    assert_eq!(commands(&own), commands(&converted));
    let exits = |trace: &Trace| {
        let calls = trace.steps.iter().flat_map(|step| &step.calls);
        calls.map(|call| call.observation.as_ref().and_then(|seen| seen.exit)).collect::<Vec<_>>()
    };
    // Its own record has exit codes, which are lost on the way.
    assert_eq!(&exits(&own)[..4], [Some(0), Some(0), Some(1), Some(0)]);
    assert!(exits(&converted).iter().all(Option::is_none));
    again(&harbor, &directory, &converted);
}

/// What was read is written, and loads again.
fn again(harbor: &Path, directory: &Directory, trace: &Trace) {
    let path = directory.path("again.json");
    fs::write(&path, write(trace, &About::default()).to_string()).unwrap();
    assert!(run(harbor, "load", [path.as_path()]).contains("1 of 1 trajectories load"));
    assert_eq!(calls(&read(&path)), calls(trace));
}
