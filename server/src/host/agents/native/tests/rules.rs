//! Runtime rules and states.

use super::*;

const DONE: &str = "{ text = \"done\" }";

fn rule(id: &str, when: &str, action: &str) -> String {
    format!("[[runtime.rule]]\nid = \"{id}\"\nwhen = {{ {when} }}\n{action}\n")
}

#[test]
fn a_detector_injects_a_text_that_the_model_reads() {
    let manifest = rule(
        "stop",
        "detector = \"loop-identical-fail\"",
        "inject = { text = \"Stop at step {{ step }}.\" }",
    );
    let text = format!(
        "[[rule]]\nwhen = {{ any = \"Stop at step 3\" }}\nreply = {{ text = \"I stop\" }}\n[[rule]]\nreply = {}\n",
        call("fail")
    );
    let (worked, ran) = Trial::new(&manifest, &text).run();
    assert_eq!((worked.detail.as_str(), ran.len()), ("I stop", 3));
    assert_eq!(spoke(&worked.trace), ["stop"]);
    assert_eq!(said(&worked.trace)[1], "Stop at step 3.");
}

#[test]
fn the_end_is_refused_once_and_then_taken() {
    let manifest = rule(
        "check",
        "event = \"finish\", detector = \"never-verified\"",
        "ask_verify = { text = \"Check it first.\" }",
    );
    let (worked, ran) = Trial::new(&manifest, &persona(&[&call("echo 1 > out.txt"), DONE, DONE], DONE)).run();
    assert_eq!((worked.end, worked.requests, ran.len()), (End::Finished, 3, 1));
    assert_eq!((spoke(&worked.trace), said(&worked.trace)[1]), (vec!["check"], "Check it first."));
    // Who has looked is not asked.
    let (worked, _) =
        Trial::new(&manifest, &persona(&[&call("echo 1 > out.txt"), &call("cat out.txt")], DONE)).run();
    assert_eq!((worked.requests, spoke(&worked.trace).len()), (3, 0));
    // Finishing by a call is refused too, and the call has its answer.
    let finish = "{ calls = [{ tool = \"finish\", arguments = {} }] }";
    let manifest = format!("[runtime]\nfinish = \"tool\"\n{manifest}");
    for protocol in [Protocol::Openai, Protocol::Anthropic] {
        let trial = Trial {
            protocol,
            ..Trial::new(&manifest, &persona(&[&call("echo 1 > out.txt"), finish], finish))
        };
        let (worked, _) = trial.run();
        assert_eq!((worked.end, worked.requests, spoke(&worked.trace).len()), (End::Finished, 3, 1));
    }
}

#[test]
fn limits_only_tighten() {
    let manifest = rule("hurry", "step = 2", "limit = { steps = 1 }")
        + &rule("more", "step = 2", "limit = { steps = 50 }");
    let (worked, _) = Trial::new(&manifest, &persona(&[], &call("ls"))).run();
    assert_eq!((worked.end, worked.requests), (End::Steps, 3));
    assert_eq!(spoke(&worked.trace), ["hurry", "more"]);

    let manifest = rule("few", "tool = \"shell\"", "limit = { tool = \"shell\", calls = 1 }");
    let (worked, ran) = Trial::new(&manifest, &persona(&[&call("a"), &call("b"), &call("c")], DONE)).run();
    assert_eq!((worked.end, ran), (End::Finished, vec![String::from("a"), String::from("b")]));
    assert_eq!(printed(&worked.trace)[2], "No more calls of `shell` are allowed.");
}

#[test]
fn rules_fire_in_declared_order_and_are_one_message() {
    let manifest = rule("first", "tool = \"shell\", outcome = \"error\"", "inject = { text = \"One.\" }")
        + &rule("never", "tool = \"shell\", outcome = \"timeout\"", "inject = { text = \"None.\" }")
        + &rule("second", "output = \"Value.rror\"", "inject = { text = \"Two.\" }");
    let text = format!(
        "[[rule]]\nwhen = {{ last = \"^One\\\\.\\n\\nTwo\\\\.$\" }}\nreply = {{ text = \"read both\" }}\n[[rule]]\nreply = {}\n",
        call("fail")
    );
    let (worked, _) = Trial::new(&manifest, &text).run();
    assert_eq!((worked.detail.as_str(), spoke(&worked.trace)), ("read both", vec!["first", "second"]));
}

#[test]
fn rules_rest_and_end_as_they_say() {
    let often = |more: &str| {
        let manifest =
            rule("often", "tool = \"shell\"", &format!("inject = {{ text = \"Again.\" }}\n{more}"))
                + "[runtime]\nmax_steps = 8\n";
        // The table comes before its rules.
        let manifest = manifest.replace("[runtime]\nmax_steps = 8\n", "");
        let manifest = format!("[runtime]\nmax_steps = 8\n{manifest}");
        let (worked, _) = Trial::new(&manifest, &persona(&[], &call("ls"))).run();
        assert_eq!(worked.requests, 8);
        spoke(&worked.trace).len()
    };
    assert_eq!(often(""), 1);
    assert_eq!(often("max_fires = 3"), 3);
    assert_eq!(often("max_fires = 20"), 8);
    // At steps 1, 4, 7.
    assert_eq!(often("max_fires = 20\ncooldown = 2"), 3);
}

#[test]
fn events_are_the_start_and_a_bad_form() {
    let manifest = rule("start", "event = \"start\"", "inject = { text = \"Begin.\" }")
        + &rule("form", "event = \"format-error\"", "inject = { text = \"Mind the form.\" }");
    let bad = "{ calls = [{ tool = \"nothing\", arguments = {} }] }";
    let (worked, _) = Trial::new(&manifest, &persona(&[&call("ls"), bad], DONE)).run();
    assert_eq!(spoke(&worked.trace), ["start", "form"]);
    let places: Vec<usize> =
        worked.trace.steps.iter().filter(|step| step.rule.is_some()).map(|step| step.index).collect();
    assert_eq!(places, [3, 6]);
}

const STATES: &str = "[orchestration]\nstart = \"plan\"\n\
    [[orchestration.state]]\nid = \"plan\"\nprompt = { text = \"Plan in {{ state.id }}.\" }\ntools = []\nnext = [\"work\"]\n\
    [[orchestration.state]]\nid = \"work\"\nprompt = { text = \"Work.\" }\nnext = [\"verify\"]\nmax_steps = 2\non_limit = \"verify\"\n\
    [[orchestration.state]]\nid = \"verify\"\nprompt = { text = \"Verify.\" }\nnext = [\"work\", \"end\"]\nmax_visits = 2\n";

fn states(trace: &Trace) -> Vec<&str> {
    trace
        .steps
        .iter()
        .filter(|step| step.source == Source::Agent)
        .filter_map(|step| step.state.as_deref())
        .collect()
}

fn go_to(state: &str) -> String {
    format!("{{ calls = [{{ tool = \"go_to\", arguments = {{ state = \"{state}\" }} }}] }}")
}

#[test]
fn states_have_their_prompts_tools_and_ways() {
    let replies = [
        &call("ls"),
        DONE,
        &call("make"),
        DONE,
        DONE,
        &go_to("work"),
        &call("make"),
        &call("make"),
        &go_to("end"),
    ];
    let replies: Vec<&str> = replies.into_iter().collect();
    let (worked, ran) = Trial::new(STATES, &persona(&replies, DONE)).run();
    assert_eq!((worked.end, worked.void), (End::Finished, None), "{}", worked.detail);
    // `plan` offers no tool, so the first call is none.
    assert_eq!(ran, ["make", "make", "make"]);
    assert_eq!(
        states(&worked.trace),
        ["plan", "plan", "work", "work", "verify", "verify", "work", "work", "verify"]
    );
    let said = said(&worked.trace);
    assert_eq!(said[1], "Plan in plan.");
    assert_eq!(said[2..4], ["Work.", "Verify."]);
    // Where there are several ways one has to be named.
    assert!(said[4].contains("`work`, `end`"), "{said:?}");
    assert_eq!(said[5..], ["Work.", "Verify."]);
    assert_eq!(worked.requests, 9);
}

#[test]
fn a_state_without_visits_leads_where_its_limit_says() {
    let manifest = STATES.replace("max_visits = 2", "max_visits = 1\non_limit = \"end\"");
    let replies = [DONE, &call("a"), &call("b"), &go_to("work"), &call("c"), &call("d")];
    let (worked, _) = Trial::new(&manifest, &persona(&replies, DONE)).run();
    assert_eq!((worked.end, worked.requests), (End::Steps, 6));
    assert_eq!(worked.detail, "state `verify` has no visits left");
}

#[test]
fn rules_know_states_and_finish_is_the_end_alone() {
    let manifest = format!(
        "{}{}{STATES}",
        rule(
            "entered",
            "event = \"state-entered\", state = \"work\"",
            "inject = { text = \"In.\" }\nmax_fires = 5"
        ),
        rule("ends", "event = \"finish\"", "ask_verify = { text = \"Sure?\" }"),
    );
    let replies = [DONE, DONE, &go_to("work"), DONE, &go_to("end"), &go_to("end")];
    let (worked, _) = Trial::new(&manifest, &persona(&replies, DONE)).run();
    assert_eq!((worked.end, worked.requests), (End::Finished, 6), "{}", worked.detail);
    assert_eq!(spoke(&worked.trace), ["entered", "entered", "ends"]);
}

#[test]
fn a_long_trial_with_many_rules_ends() {
    let manifest: String =
        ["loop-cycle", "edit-thrash", "stuck-red", "ignored-exit", "truncated-read", "session-state-lost"]
            .iter()
            .map(|name| rule(name, &format!("detector = \"{name}\""), "inject = { text = \"x\" }"))
            .collect();
    let manifest = format!("[runtime]\nmax_steps = 150\n{manifest}");
    let (worked, ran) = Trial::new(&manifest, &persona(&[], &call("ls ${step}"))).run();
    assert_eq!((worked.end, worked.requests, ran.len()), (End::Steps, 150, 150));
    assert_eq!(ran[149], "ls 149");
}
