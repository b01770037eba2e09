//! What is written is what Harbor's own model accepts, and what we read again.

use harness_schema::manifest::TranscriptFormat;
use proptest::prelude::*;

use super::*;
use crate::engine::trace::{Agent, Usage};
use crate::engine::transcript;

/// Harbor's own model of a trajectory, as JSON Schema.
const SCHEMA: &str =
    include_str!("../../../../harness-schema/tests/fixtures/harbor-0.24.0/atif-trajectory.schema.json");

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "é\n漢", "\u{1b}[0m", "{\"x\": 1}"]).prop_map(str::to_owned)
}

fn arguments() -> impl Strategy<Value = Arguments> {
    prop_oneof![
        Just(Arguments::Json(json!({}))),
        Just(Arguments::Json(json!({"command": "ls", "n": [1, null]}))),
        Just(Arguments::Raw("{\"command\": ".to_owned())),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    (text(), prop::option::of(-1_i64..3), any::<bool>(), any::<bool>(), prop::option::of(any::<bool>()))
        .prop_map(|(text, exit, timed_out, truncated, failed)| Observation {
            text: text.into(),
            exit,
            timed_out,
            truncated,
            shared: false,
            failed,
        })
}

fn call() -> impl Strategy<Value = Call> {
    (arguments(), prop::option::of(any::<bool>()), prop::option::of(observation())).prop_map(
        |(arguments, schema_ok, observation)| Call {
            id: None,
            tool: String::from("shell"),
            arguments,
            schema_ok,
            observation,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop::sample::select(vec![Source::System, Source::User, Source::Agent]);
    let usage = prop::option::of((0_u64..9, 0_u64..9, prop::option::of(0_u32..9))).prop_map(|usage| {
        usage.map(|(input, output, cost)| Usage { input, cached: 0, output, cost: cost.map(f64::from) })
    });
    let words = (
        text(),
        prop::option::of(Just("2026-01-02T03:04:05Z".to_owned())),
        prop::option::of(Just("work".to_owned())),
    );
    (
        source,
        words,
        prop::collection::vec(call(), 0..3),
        usage,
        prop::option::of(Just("a thought".to_owned())),
    )
        .prop_map(|(source, (message, started, state), calls, usage, reasoning)| {
            let is_agent = source == Source::Agent;
            let calls = if is_agent { calls } else { Vec::new() };
            Step {
                source,
                message,
                calls,
                started,
                state,
                usage: usage.filter(|_| is_agent),
                reasoning: reasoning.filter(|_| is_agent),
                ..Step::default()
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_valid_and_reads_back(
        steps in prop::collection::vec(step(), 1..6),
        end in prop::sample::select(vec![None, Some(End::Finished), Some(End::Context), Some(End::Crashed("5 format errors".to_owned()))]),
    ) {
        let mut trace = Trace { end, ..Trace::default() };
        trace.agent = Agent { name: "native".into(), version: Some("1".into()), model: Some("m".into()) };
        for mut step in steps {
            let number = trace.steps.len() + 1;
            for (at, call) in step.calls.iter_mut().enumerate() {
                call.id = Some(format!("call-{number}-{}", at + 1));
            }
            trace.push(step);
        }
        let about = About { trial: "t".into(), harness: "h".into(), contract: "c".into(), tool_definitions: Vec::new() };
        let written = write(&trace, &about);
        // Step by step it is the same, and every part is seen before it is written.
        let seen = std::cell::Cell::new(0);
        let change = |_: &mut Value| seen.set(seen.get() + 1);
        let streamed = serde_json::to_string(&Written { trace: &trace, about: &about, change }).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&streamed).unwrap(), written.clone());
        prop_assert_eq!(seen.get(), trace.steps.len() + 1);
        let schema = schema();
        let errors: Vec<String> = schema.iter_errors(&written).map(|error| error.to_string()).collect();
        prop_assert!(errors.is_empty(), "{errors:?}");
        let read = transcript::read(&written.to_string(), TranscriptFormat::Auto).unwrap();
        prop_assert_eq!(&read.agent, &trace.agent);
        prop_assert_eq!(&read.end, &trace.end);
        let without_origin = |step: &Step| Step { origin: Default::default(), ..step.clone() };
        let read: Vec<Step> = read.steps.iter().map(without_origin).collect();
        prop_assert_eq!(read, trace.steps);
    }
}
