//! What is gone through again says what was said live: a small agent writes traces by the rules of `Run::go_on`, the differing
//! rules are asked beside it, and the trace is read from disk.

use harness_schema::files::Files;
use harness_schema::manifest::TranscriptFormat;
use harness_schema::split::Split;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::engine::trace::{Arguments, Observation, Usage};
use crate::engine::{atif, transcript};

fn harness(text: &str) -> Harness {
    Harness::resolve(&Files::from_texts([("harness.toml", text)]), None)
}

fn rule(id: &str, when: &str, action: &str) -> String {
    format!("[[runtime.rule]]\nid = \"{id}\"\nwhen = {{ {when} }}\n{action}\n")
}

const SAYS: &str = "inject = { text = \"x\" }";
const HEAD: &str = "schema = 1\n[model]\nname = \"m\"\ncontext_window = 1000\n[[tool]]\nname = \"shell\"\nbuiltin = \"shell\"\n[runtime]\nmax_steps = 9\n";
const STATES: &str = "[orchestration]\nstart = \"plan\"\n[[orchestration.state]]\nid = \"plan\"\nprompt = { text = \"plan\" }\nnext = [\"work\"]\nmax_steps = 2\non_limit = \"work\"\n[[orchestration.state]]\nid = \"work\"\nnext = [\"plan\", \"end\"]\nmax_visits = 3\n";

/// What the model answers.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// A call with this exit code.
    Call(i64),
    /// A call of a tool that is not there.
    Stray,
    /// A call whose arguments do not fit.
    Bad,
    /// No call: it wants to end, or to leave its state.
    Leaves,
    /// It is cut off.
    Cut,
}

/// An agent that is asked as the native one is.
struct Live {
    own: Rules,
    other: Rules,
    has_fired: bool,
    trace: Trace,
    steps: u32,
    max_steps: u32,
    state: Option<&'static str>,
    visited: u32,
    format_errors: u32,
    known: u64,
    window: Option<u64>,
}

impl Live {
    fn tokens(&self) -> u64 {
        let last = self.trace.steps.iter().rposition(|step| step.source == Source::Agent);
        let behind = &self.trace.steps[last.map_or(0, |last| last + 1)..];
        let results = last.map(|last| &self.trace.steps[last].calls).into_iter().flatten();
        let results = results.filter_map(|call| call.observation.as_ref());
        self.known
            + results.map(|seen| approx_tokens(&seen.text) as u64).sum::<u64>()
            + behind.iter().map(|step| approx_tokens(&step.message) as u64).sum::<u64>()
    }

    /// Asks the rules; whether the end is refused.
    fn fire(&mut self, event: Option<Event>) -> bool {
        let context_used = self.window.map(|window| self.tokens() as f64 / window as f64);
        let steps_left = self.max_steps - self.steps.min(self.max_steps);
        let state = self.state.unwrap_or("main");
        let moment =
            Moment { event, step: self.steps, steps_left, context_used, time_used: Some(0.0), state };
        self.has_fired |= !self.other.fire(&self.trace, &moment).is_empty();
        let mut is_refused = false;
        for fired in self.own.fire(&self.trace, &moment) {
            match fired.action {
                Action::AskVerify(_) => is_refused = true,
                Action::LimitSteps(more) => self.max_steps = self.max_steps.min(self.steps + more),
                Action::Inject(_) | Action::LimitCalls { .. } => {}
            }
            let words = String::from("a rule speaks");
            self.trace.push(Step { rule: Some(fired.rule), ..Step::said(Source::User, words, "") });
        }
        is_refused
    }

    fn enter(&mut self, state: &'static str) {
        self.state = Some(state);
        self.visited = 0;
        if state == "plan" {
            let step = Step { state: Some(state.to_owned()), ..Step::said(Source::User, "plan", "") };
            self.trace.push(step);
        }
        self.fire(Some(Event::StateEntered));
    }

    fn go(mut self, turns: &[Turn], sizes: &[u64]) -> (Trace, End, bool) {
        self.trace.push(Step::said(Source::System, "system", ""));
        self.trace.push(Step::said(Source::User, "do it", ""));
        if self.state.is_some() {
            self.enter("plan");
        }
        self.fire(Some(Event::Start));
        for (at, (turn, size)) in turns.iter().zip(sizes.iter().cycle()).enumerate() {
            if self.max_steps <= self.steps {
                return (self.trace, End::Steps, self.has_fired);
            }
            self.steps += 1;
            let call = |tool: &str, schema_ok: Option<bool>, exit: Option<i64>, failed: Option<bool>| Call {
                id: Some(format!("c{}", self.steps)),
                tool: tool.to_owned(),
                arguments: Arguments::Json(json!({"command": "make"})),
                schema_ok,
                observation: Some(Observation { exit, failed, ..Observation::text("some words") }),
            };
            let calls = match turn {
                Turn::Call(exit) => vec![call("shell", Some(true), Some(*exit), None)],
                Turn::Stray => vec![call("nothing", None, None, Some(true))],
                Turn::Bad => vec![call("shell", Some(false), None, Some(true))],
                Turn::Leaves | Turn::Cut => Vec::new(),
            };
            let used = Usage { input: self.tokens() + size, output: 3, ..Usage::default() };
            let state = self.state.map(str::to_owned);
            let message = String::from("I go on.");
            let agent =
                Step { source: Source::Agent, message, calls, usage: Some(used), state, ..Step::default() };
            self.trace.push(agent);
            self.known = used.input + used.output;
            let is_cut = matches!(turn, Turn::Cut);
            if is_cut {
                self.trace.push(Step::said(Source::User, "The answer was cut.", ""));
            }
            let is_error = is_cut || matches!(turn, Turn::Stray | Turn::Bad);
            self.format_errors = if is_error { self.format_errors + 1 } else { 0 };
            if 3 <= self.format_errors {
                return (self.trace, End::Crashed(String::new()), self.has_fired);
            }
            let leaves = matches!(turn, Turn::Leaves);
            let ends = leaves && self.state != Some("plan");
            if ends {
                if !self.fire(Some(Event::Finish)) {
                    return (self.trace, End::Finished, self.has_fired);
                }
            } else {
                self.fire(is_error.then_some(Event::FormatError));
            }
            if self.max_steps <= self.steps {
                return (self.trace, End::Steps, self.has_fired);
            }
            self.visited += 1;
            // What a rule says behind the last answer is sent to nobody.
            let goes_on = at + 1 < turns.len();
            if goes_on && self.state == Some("plan") && (leaves || self.visited == 2) {
                self.enter("work");
            }
        }
        (self.trace, End::Time, self.has_fired)
    }
}

fn live(baseline: &Harness, candidate: &Harness) -> Live {
    let manifest = baseline.manifest();
    let max_steps = manifest.runtime.max_steps.value;
    let window = manifest.model.context_window.as_ref().map(|window| window.value);
    Live {
        own: Rules::of(baseline, "/app"),
        other: Rules::between(candidate, baseline, "/app"),
        has_fired: false,
        trace: Trace {
            window,
            max_steps: Some(u64::from(max_steps)),
            instruction: Some(String::from("do it")),
            offered_tools: offered(baseline),
            ..Trace::default()
        },
        steps: 0,
        max_steps,
        state: manifest.orchestration.is_some().then_some("plan"),
        visited: 0,
        format_errors: 0,
        known: 0,
        window,
    }
}

/// The trace as it is read from disk.
fn read_again(trace: &Trace) -> Trace {
    let written = atif::write(trace, &atif::About::default()).to_string();
    transcript::read(&written, TranscriptFormat::Atif).unwrap()
}

fn replay(trigger: &Trigger<'_>, trace: &Trace, end: Option<&End>) -> bool {
    trigger.fires(&Recorded { trace, end, workdir: "/app", instruction: Some("do it") })
}

const OWN: [&str; 4] = [
    "",
    "[[runtime.rule]]\nid = \"v\"\nwhen = { event = \"finish\" }\nask_verify = { text = \"check\" }\n",
    "[[runtime.rule]]\nid = \"l\"\nwhen = { step = 3 }\nlimit = { steps = 2 }\n",
    "[[runtime.rule]]\nid = \"i\"\nwhen = { event = \"format-error\" }\ninject = { text = \"no\" }\nmax_fires = 5\n",
];

const WHENS: [&str; 15] = [
    "event = \"start\"",
    "event = \"start\", state = \"plan\"",
    "event = \"finish\"",
    "event = \"finish\", step = 4",
    "event = \"format-error\", step = 3",
    "event = \"state-entered\", state = \"work\"",
    "event = \"state-entered\", step = 1",
    "tool = \"shell\", outcome = \"error\", count = 3",
    "tool = \"shell\", outcome = \"error\", count = 2, consecutive = true",
    "detector = \"loop-identical-fail\"",
    "steps_left = 1",
    "steps_left = 3, state = \"main\"",
    "step = 6",
    "output = \"words\", step = 2, state = \"work\"",
    "event = \"finish\", detector = \"never-verified\"",
];

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        4 => (0_i64..2).prop_map(Turn::Call),
        1 => Just(Turn::Stray),
        1 => Just(Turn::Bad),
        2 => Just(Turn::Leaves),
        1 => Just(Turn::Cut),
    ];
    prop::collection::vec(turn, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_trace_says_what_the_run_said(
        turns in turns(), own in 0..OWN.len(), when in 0..WHENS.len(), has_states in any::<bool>(),
    ) {
        let states = if has_states { STATES } else { "" };
        let base = format!("{HEAD}{}{states}", OWN[own]);
        let more = format!("{HEAD}{}{}{states}", OWN[own], rule("new", WHENS[when], SAYS));
        let (baseline, candidate) = (harness(&base), harness(&more));
        let trigger = Trigger::of(&candidate, &baseline).expect("a rule differs");
        let (trace, end, has_fired) = live(&baseline, &candidate).go(&turns, &[0]);
        let read = read_again(&trace);
        prop_assert_eq!(replay(&trigger, &read, Some(&end)), has_fired, "{:#?}", read.steps);
        // Who does not know how it ended misses nothing.
        prop_assert!(!has_fired || replay(&trigger, &read, None));
    }

    /// The context is known at most: nothing is missed.
    #[test]
    fn no_full_context_is_missed(
        turns in turns(), sizes in prop::collection::vec(0_u64..300, 1..6), share in 1_u32..10,
    ) {
        let when = format!("context_used = 0.{share}");
        let (baseline, candidate) = (harness(HEAD), harness(&format!("{HEAD}{}", rule("new", &when, SAYS))));
        let trigger = Trigger::of(&candidate, &baseline).unwrap();
        let (trace, end, has_fired) = live(&baseline, &candidate).go(&turns, &sizes);
        prop_assert!(!has_fired || replay(&trigger, &read_again(&trace), Some(&end)));
    }
}

#[test]
fn only_a_candidate_of_rules_alone_has_a_trigger() {
    let old = rule("old", "step = 2", SAYS);
    let baseline = harness(&format!("{HEAD}{old}"));
    let ids = |text: &str| {
        let candidate = harness(text);
        Trigger::of(&candidate, &baseline).map(|trigger| trigger.rules().into_iter().collect::<Vec<_>>())
    };
    let new = rule("new", "step = 3", SAYS);
    assert_eq!(ids(&format!("# moved\n{HEAD}{old}{new}")), Some(vec![String::from("new")]));
    // Nothing differs; a rule is gone; a rule says something else.
    assert_eq!(ids(&format!("{HEAD}{old}")), None);
    assert_eq!(ids(HEAD), Some(vec![String::from("old")]));
    assert_eq!(ids(&format!("{HEAD}{}", old.replace("\"x\"", "\"y\""))), Some(vec![String::from("old")]));
    // Something else differs too.
    for (from, to) in [
        ("max_steps = 9", "max_steps = 8"),
        ("builtin = \"shell\"", "builtin = \"shell\"\ndescription = \"d\""),
        ("[runtime]", "[prompt]\nsystem = { text = \"s\" }\n[runtime]"),
    ] {
        assert_eq!(ids(&format!("{HEAD}{old}{new}").replace(from, to)), None, "{to}");
    }
    let other = "schema = 1\n[agent]\nkind = \"command\"\ncommand = [\"a\"]\n";
    assert!(Trigger::of(&harness(&format!("{other}{new}")), &harness(other)).is_none());
}

#[test]
fn a_trial_of_the_candidate_says_whether_a_new_rule_acted() {
    let (baseline, candidate) = (harness(HEAD), harness(&format!("{HEAD}{}", rule("new", "step = 2", SAYS))));
    let trigger = Trigger::of(&candidate, &baseline).unwrap();
    let mut trace = Trace::default();
    trace.push(Step { rule: Some(String::from("old")), ..Step::said(Source::User, "x", "") });
    assert!(!trigger.has_fired(&trace));
    trace.push(Step { rule: Some(String::from("new")), ..Step::said(Source::User, "x", "") });
    assert!(trigger.has_fired(&trace));
}

#[test]
fn a_task_is_inert_if_enough_traces_show_no_firing() {
    let tasks: Vec<String> =
        ["fires", "never", "seldom seen", "held out", "unreadable"].map(String::from).into();
    let trials = [
        (0, Some(true)),
        (0, Some(false)),
        (0, Some(false)),
        (0, Some(false)),
        (1, Some(false)),
        (1, Some(false)),
        (1, Some(false)),
        (1, Some(false)),
        (1, Some(false)),
        (2, Some(false)),
        (2, Some(false)),
        (2, Some(false)),
        (3, Some(false)),
        (3, Some(false)),
        (3, Some(false)),
        (3, Some(false)),
        (4, Some(false)),
        (4, Some(false)),
        (4, Some(false)),
        (4, None),
    ];
    let splits = Splits::apart(trials, |(task, _): &(usize, Option<bool>)| {
        Some(if *task == 3 { Split::HeldOut } else { Split::HeldIn })
    });
    let activity = activity(&tasks, &splits, |(task, _)| Some(*task), |(_, fires)| *fires);
    assert_eq!(activity.active, ["fires", "seldom seen", "unreadable"].map(String::from).into());
    // It fires in one of four trials there, and four trials of `held out` are known: 0.75^4.
    assert!((activity.missed - 0.75_f64.powi(4)).abs() < 1e-12);
}
