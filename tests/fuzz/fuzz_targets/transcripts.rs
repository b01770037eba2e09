//! Any record of an agent: it is read in every format or refused with an error, its steps are numbered, and how its JSON is laid
//! out changes nothing.

#![no_main]

use fuzz::text;
use harness_schema::manifest::TranscriptFormat as Format;
use libfuzzer_sys::fuzz_target;
use self_harness::engine::cause::{Failed, judge};
use self_harness::engine::signature::{Outcome, see};
use self_harness::engine::trace::Trace;
use self_harness::engine::transcript::read;
use serde_json::Value;

const FORMATS: [Format; 10] = [
    Format::Auto,
    Format::Atif,
    Format::MiniSweAgent,
    Format::SweAgent,
    Format::Langchain,
    Format::Smolagents,
    Format::ClaudeCode,
    Format::Codex,
    Format::Chat,
    Format::Text,
];

fuzz_target!(|data: &[u8]| {
    let source = text(data);
    for format in FORMATS {
        let Ok(trace) = read(&source, format) else { continue };
        assert!(!trace.steps.is_empty());
        assert!(trace.steps.iter().enumerate().all(|(at, step)| step.index == at + 1));
        if format == Format::Auto {
            look(&trace);
        }
    }
    if let Ok(value) = serde_json::from_str::<Value>(&source)
        && let Ok(pretty) = serde_json::to_string_pretty(&value)
        && (value.is_object() || value.is_array())
    {
        for format in [Format::Atif, Format::Chat] {
            assert_eq!(read(&value.to_string(), format).ok(), read(&pretty, format).ok());
        }
    }
});

/// Asks every detector.
fn look(trace: &Trace) {
    let judged = judge(&Failed { output: "FAILED tests/test_a.py::test_b", has_reward: true, ..Failed::default() });
    let outcome = Outcome {
        trial: "t",
        task: "t",
        repeat: 0,
        failed: Some(&judged),
        end: None,
        workdir: "/app",
        instruction: None,
        time_used: None,
        max_steps: None,
        required: &[],
    };
    let _ = see(&outcome, trace);
}
