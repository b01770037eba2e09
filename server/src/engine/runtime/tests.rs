//! Each form of a trigger, on the smallest trace that fires it.

use harness_schema::files::Files;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::engine::trace::{Arguments, Observation, Step};

fn rules(text: &str) -> Rules {
    let files = Files::from_texts([("harness.toml", text)]);
    Rules::of(&Harness::resolve(&files, None), "/app")
}

/// One rule that says `x`.
fn one(when: &str, more: &str) -> Rules {
    rules(&format!(
        "[[runtime.rule]]\nid = \"r\"\nwhen = {{ {when} }}\ninject = {{ text = \"x\" }}\n{more}\n"
    ))
}

fn call(tool: &str, exit: i64, timed_out: bool) -> Call {
    let observation =
        Observation { exit: Some(exit), timed_out, ..Observation::text(format!("exit {exit}")) };
    let arguments = Arguments::Json(json!({"command": "make"}));
    Call { id: None, tool: tool.to_owned(), arguments, schema_ok: Some(true), observation: Some(observation) }
}

const AFTER: Moment<'static> =
    Moment { event: None, step: 1, steps_left: 39, context_used: None, time_used: None, state: "main" };

/// Steps at which a rule fires, if these calls come one after the other.
fn fires(rules: &mut Rules, calls: &[Call]) -> Vec<u32> {
    let mut trace = Trace::default();
    let mut all = Vec::new();
    for (step, call) in (1..).zip(calls) {
        trace.push(Step { source: Source::Agent, calls: vec![call.clone()], ..Step::default() });
        let moment = Moment { step, steps_left: 40 - step, ..AFTER };
        if !rules.fire(&trace, &moment).is_empty() {
            all.push(step);
        }
    }
    all
}

#[test]
fn a_detector_fires_on_new_evidence_only() {
    let bad = vec![call("shell", 1, false); 7];
    assert_eq!(fires(&mut one("detector = \"loop-identical-fail\"", ""), &bad), [3]);
    assert_eq!(fires(&mut one("detector = \"loop-identical-fail\", count = 5", ""), &bad), [5]);
    let often = "max_fires = 9";
    assert_eq!(fires(&mut one("detector = \"loop-identical-fail\"", often), &bad), [3, 4, 5, 6, 7]);
    let then_good: Vec<Call> = bad.iter().take(3).cloned().chain(vec![call("other", 0, false); 4]).collect();
    assert_eq!(fires(&mut one("detector = \"loop-identical-fail\"", often), &then_good), [3]);
}

#[test]
fn calls_of_a_tool_are_counted_since_it_last_fired() {
    let calls = [0, 1, 0, 1, 1, 0].map(|exit| call("shell", exit, false));
    let often = "max_fires = 9";
    let at = |when: &str| fires(&mut one(when, often), &calls);
    assert_eq!(at("tool = \"shell\""), [1, 2, 3, 4, 5, 6]);
    assert_eq!(at("tool = \"other\""), Vec::<u32>::new());
    assert_eq!(at("tool = \"shell\", count = 3"), [3, 6]);
    assert_eq!(at("tool = \"shell\", outcome = \"ok\""), [1, 3, 6]);
    assert_eq!(at("outcome = \"error\", count = 2"), [4]);
    assert_eq!(at("outcome = \"error\", count = 2, consecutive = true"), [5]);
    assert_eq!(at("tool = \"shell\", outcome = \"timeout\""), Vec::<u32>::new());
    let slow = [call("shell", 124, true)];
    assert_eq!(fires(&mut one("outcome = \"timeout\"", ""), &slow), [1]);
    assert_eq!(fires(&mut one("outcome = \"error\"", ""), &slow), Vec::<u32>::new());
}

#[test]
fn the_newest_result_is_matched() {
    let calls = [0, 1, 0].map(|exit| call("shell", exit, false));
    assert_eq!(fires(&mut one("output = \"exit [1-9]\"", "max_fires = 5"), &calls), [2]);
}

#[test]
fn numbers_states_and_events() {
    let trace = Trace::default();
    let asks = |when: &str, moment: Moment<'_>| !one(when, "").fire(&trace, &moment).is_empty();
    assert!(asks("step = 5", Moment { step: 5, ..AFTER }) && !asks("step = 5", Moment { step: 4, ..AFTER }));
    assert!(asks("steps_left = 3", Moment { steps_left: 3, ..AFTER }));
    assert!(!asks("steps_left = 3", Moment { steps_left: 4, ..AFTER }));
    assert!(asks("context_used = 0.5", Moment { context_used: Some(0.5), ..AFTER }));
    assert!(!asks("context_used = 0.5", Moment { context_used: Some(0.49), ..AFTER }));
    // Where the window is not known nothing is said about it.
    assert!(!asks("context_used = 0.5", AFTER));
    assert!(asks("state = \"main\"", AFTER) && !asks("state = \"work\"", AFTER));
    let at = |event: Event| Moment { event: Some(event), ..AFTER };
    for (name, event) in [
        ("start", Event::Start),
        ("finish", Event::Finish),
        ("format-error", Event::FormatError),
        ("state-entered", Event::StateEntered),
    ] {
        let when = format!("event = \"{name}\"");
        assert!(asks(&when, at(event)) && !asks(&when, AFTER), "{name}");
        // Without an event it is after each step, a malformed one too.
        assert_eq!(asks("step = 1", at(event)), event == Event::FormatError, "{name}");
    }
    // All keys hold, or nothing does.
    assert!(!asks("step = 1, steps_left = 3", AFTER));
}

#[test]
fn the_end_is_judged_again_each_time() {
    let text = "[[runtime.rule]]\nid = \"v\"\nwhen = { event = \"finish\", detector = \"never-verified\" }\n\
        ask_verify = { text = \"check\" }\nmax_fires = 2\n";
    let mut rules = rules(text);
    let mut trace = Trace::default();
    let write = Arguments::Json(json!({"path": "a", "content": "x"}));
    let calls = vec![Call { arguments: write, ..call("write_file", 0, false) }];
    trace.push(Step { source: Source::Agent, calls, ..Step::default() });
    let moment = Moment { event: Some(Event::Finish), ..AFTER };
    let expected = Fired { rule: String::from("v"), action: Action::AskVerify(String::from("check")) };
    let expected = [expected];
    assert_eq!(rules.fire(&trace, &moment), expected);
    assert_eq!(rules.fire(&trace, &moment), expected);
    assert_eq!(rules.fire(&trace, &moment), []);
    assert_eq!(rules.fires().get("v"), Some(&2));
}

#[test]
fn what_cannot_fire_is_left_out() {
    for text in [
        "[[runtime.rule]]\nid = \"r\"\nwhen = { detector = \"no-such\" }\ninject = { text = \"x\" }\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = { detector = \"never-verified\" }\ninject = { text = \"x\" }\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = { detector = \"artifact-late\" }\ninject = { text = \"x\" }\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = { step = 1 }\nask_verify = { text = \"x\" }\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = { output = \"(\" }\ninject = { text = \"x\" }\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = {}\ninject = { text = \"x\" }\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = { step = 1 }\ninject = \"nowhere.md\"\n",
        "[[runtime.rule]]\nid = \"r\"\nwhen = { step = 1 }\n",
    ] {
        assert!(rules(text).fires().is_empty(), "{text}");
    }
}

#[test]
fn actions_are_read_and_come_in_declared_order() {
    let text = "[[runtime.rule]]\nid = \"z\"\nwhen = { step = 1 }\nlimit = { steps = 4 }\n\
        [[runtime.rule]]\nid = \"a\"\nwhen = { step = 1 }\nlimit = { tool = \"shell\", calls = 2 }\n\
        [[runtime.rule]]\nid = \"m\"\nwhen = { step = 1 }\ninject = \"prompts/m.md\"\n";
    let files = Files::from_texts([("harness.toml", text), ("prompts/m.md", "said {{ step }}")]);
    let mut rules = Rules::of(&Harness::resolve(&files, None), "/app");
    let actions: Vec<Action> =
        rules.fire(&Trace::default(), &AFTER).into_iter().map(|fired| fired.action).collect();
    assert_eq!(
        actions,
        [
            Action::LimitSteps(4),
            Action::LimitCalls { tool: String::from("shell"), calls: 2 },
            Action::Inject(String::from("said {{ step }}")),
        ]
    );
}

proptest! {
    #[test]
    fn no_rule_fires_too_often_or_while_it_rests(
        exits in prop::collection::vec(0_i64..2, 0..30), max_fires in 1_u32..6, cooldown in 0_u32..5, count in 1_u32..4,
    ) {
        let calls: Vec<Call> = exits.into_iter().map(|exit| call("shell", exit, false)).collect();
        let more = format!("max_fires = {max_fires}\ncooldown = {cooldown}");
        let when = format!("tool = \"shell\", outcome = \"error\", count = {count}");
        let at = fires(&mut one(&when, &more), &calls);
        prop_assert!(at.len() <= max_fires as usize);
        prop_assert!(at.windows(2).all(|two| cooldown < two[1] - two[0]));
        let errors = calls.iter().filter(|call| is_error(call)).count();
        prop_assert!(at.len() * count as usize <= errors);
        // The same trace fires the same rules.
        prop_assert_eq!(&at, &fires(&mut one(&when, &more), &calls));
    }
}
