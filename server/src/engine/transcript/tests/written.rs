//! Trajectories that Harbor's own code and mini-swe-agent wrote (`tests/real/atif`), read here.

use super::*;
use crate::engine::trace::Source;

const TERMINUS: &str = include_str!("../../../../../tests/real/atif/terminus-2.json");
const MINI: &str = include_str!("../../../../../tests/real/atif/mini-swe-agent.traj.json");
const CONVERTED: &str = include_str!("../../../../../tests/real/atif/mini-swe-agent-converted.json");

/// The argument `key` of each call, and what came back.
fn calls(trace: &Trace, key: &str) -> Vec<(String, Option<String>)> {
    let calls = trace.steps.iter().flat_map(|step| &step.calls);
    let told = calls.map(|call| match &call.arguments {
        Arguments::Json(value) => (
            value[key].as_str().unwrap_or_default().trim().to_owned(),
            call.observation.as_ref().map(|seen| seen.text.to_string()),
        ),
        Arguments::Raw(text) => panic!("{text}"),
    });
    told.collect()
}

#[test]
fn terminus_2_as_harbor_writes_it() {
    let trace = auto(TERMINUS);
    assert_eq!((trace.agent.name.as_str(), trace.agent.version.as_deref()), ("terminus-2", Some("2.0.0")));
    let calls = calls(&trace, "keystrokes");
    let keys: Vec<&str> = calls.iter().map(|(keys, _)| keys.as_str()).collect();
    assert_eq!(
        keys[..4],
        ["wc -l < notes.txt", "wc -l < notes.txt > answer.txt", "cat answer.txt", "ls nothing"]
    );
    let seen: Vec<bool> = calls.iter().map(|(_, seen)| seen.is_some()).collect();
    assert_eq!(seen[..4], [false, false, true, true]);
    let text = calls[2].1.as_deref().unwrap_or_default();
    assert_eq!(
        text,
        "New Terminal Output:\n$ wc -l < notes.txt\n3\n$ wc -l < notes.txt > answer.txt\n$ cat answer.txt\n3\n"
    );
    assert!(trace.losses.contains(&Loss::SystemPrompt) && trace.losses.contains(&Loss::ExitCodes));
    assert!(trace.instruction.as_deref().is_some_and(|asked| asked.contains("Write the number of lines")));
    let usage =
        trace.steps.iter().find_map(|step| step.usage).map(|usage| (usage.input, usage.cached, usage.output));
    assert_eq!(usage, Some((100, 50, 20)));
}

#[test]
fn what_harbor_converts_says_the_same_without_exit_codes() {
    let (own, converted) = (auto(MINI), auto(CONVERTED));
    assert_eq!(
        (own.agent.version.as_deref(), converted.agent.version.as_deref()),
        (Some("2.4.6"), Some("2.4.6"))
    );
    assert_eq!((own.end.clone(), converted.end.clone()), (Some(End::Finished), None));
    let commands =
        |trace: &Trace| calls(trace, "command").into_iter().map(|(command, _)| command).collect::<Vec<_>>();
    assert_eq!(commands(&own), commands(&converted));
    assert_eq!(commands(&own)[2..4], ["cat nothing", "cat answer.txt"]);
    let exits = |trace: &Trace| {
        let calls = trace.steps.iter().flat_map(|step| &step.calls);
        calls.map(|call| call.observation.as_ref().and_then(|seen| seen.exit)).collect::<Vec<_>>()
    };
    assert_eq!(exits(&own), [Some(0), Some(0), Some(1), Some(0), None]);
    assert_eq!(exits(&converted), [None; 5]);
    assert!(converted.losses.contains(&Loss::ExitCodes));
    for trace in [&own, &converted] {
        let of = |source| trace.steps.iter().filter(|step| step.source == source).count();
        assert_eq!((of(Source::System), of(Source::User), of(Source::Agent)), (1, 1, 5));
    }
}
