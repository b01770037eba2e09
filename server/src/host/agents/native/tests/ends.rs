//! Each way in which a trial ends.

use super::*;

const DONE: &str = "{ text = \"done\" }";

#[test]
fn an_answer_without_a_call_finishes() {
    for protocol in [Protocol::Openai, Protocol::Anthropic] {
        let trial = Trial { protocol, ..Trial::new("", &persona(&[&call("ls")], DONE)) };
        let (worked, ran) = trial.run();
        assert_eq!((worked.end, worked.void, worked.requests), (End::Finished, None, 2), "{}", worked.detail);
        assert_eq!(ran, ["ls"]);
        assert_eq!(worked.detail, "done");
        let sources: Vec<Source> = worked.trace.steps.iter().map(|step| step.source).collect();
        assert_eq!(sources, [Source::System, Source::User, Source::Agent, Source::Agent]);
        assert_eq!(worked.trace.steps[0].message, "You work in /app.");
        assert_eq!(worked.trace.steps[1].message, "Write the sum to `out.txt`.");
        assert_eq!(printed(&worked.trace), ["did ls"]);
        assert_eq!(worked.trace.steps[2].calls[0].observation.as_ref().unwrap().exit, Some(0));
        assert_eq!(worked.model.as_deref(), Some("scripted"));
        let sum: u64 = worked.trace.steps.iter().filter_map(|step| step.usage).map(|usage| usage.input).sum();
        assert!(0 < sum);
        assert_eq!((worked.usage.input, worked.usage.cost), (sum, Some(0.0)));
    }
}

#[test]
fn finish_is_called_where_the_harness_wants_that() {
    let finish = "{ calls = [{ tool = \"finish\", arguments = { message = \"all good\" } }, { tool = \"shell\", arguments = { command = \"late\" } }] }";
    let trial = Trial::new("[runtime]\nfinish = \"tool\"\n", &persona(&[DONE, &call("ls")], finish));
    let (worked, ran) = trial.run();
    assert_eq!((worked.end, worked.requests), (End::Finished, 3));
    // What comes after the end is not done.
    assert_eq!(ran, ["ls"]);
    assert!(said(&worked.trace)[1].contains("call `finish`"), "{:?}", said(&worked.trace));
}

#[test]
fn steps_run_out() {
    let (worked, ran) = Trial::new("[runtime]\nmax_steps = 3\n", &persona(&[], &call("ls"))).run();
    assert_eq!((worked.end, worked.void, worked.requests), (End::Steps, None, 3));
    assert_eq!(ran.len(), 3);
    // Who finishes with the last step has finished.
    let (worked, _) = Trial::new("[runtime]\nmax_steps = 1\n", &persona(&[], DONE)).run();
    assert_eq!(worked.end, End::Finished);
}

#[test]
fn tokens_run_out() {
    let reply = "{ calls = [{ tool = \"shell\", arguments = { command = \"ls\" } }], usage = { input = 300, output = 50 } }";
    let (worked, _) = Trial::new("[runtime]\nmax_tokens = 1000\n", &persona(&[], reply)).run();
    assert_eq!((worked.end, worked.requests), (End::Tokens, 3));
    assert_eq!((worked.usage.input, worked.usage.output), (900, 150));
}

#[test]
fn a_trial_that_costs_as_much_as_the_run_may_ends() {
    let reply = "{ calls = [{ tool = \"shell\", arguments = { command = \"ls\" } }], usage = { input = 1000000, output = 0 } }";
    let manifest = "[model.price]\ninput = 2.0\noutput = 1.0\n[budget]\nmax_cost_usd = 5.0\n";
    let (worked, _) = Trial::new(manifest, &persona(&[], reply)).run();
    assert_eq!((worked.end, worked.requests, worked.usage.cost), (End::Cost, 3, Some(6.0)));
}

#[test]
fn time_runs_out_while_the_model_thinks_and_while_a_tool_runs() {
    let slow = persona(&[], "{ text = \"late\", delay = \"5s\" }");
    let trial = Trial { timeout: Duration::from_millis(200), ..Trial::new("", &slow) };
    let began = Instant::now();
    let (worked, _) = trial.run();
    assert_eq!((worked.end, worked.void, worked.requests), (End::Time, None, 0));
    assert!(began.elapsed() < Duration::from_secs(4));

    let trial =
        Trial { timeout: Duration::from_millis(1200), ..Trial::new("", &persona(&[], &call("sleep"))) };
    let (worked, sandbox) = trial.run_in(Pretended::default());
    assert_eq!((worked.end, worked.void, worked.requests), (End::Time, None, 1));
    // A tool has no more time than the agent.
    assert!(sandbox.ran[0].1 <= Duration::from_millis(1200));
    assert!(worked.trace.steps[2].calls[0].observation.as_ref().unwrap().timed_out);

    let trial = Trial { timeout: Duration::ZERO, ..Trial::new("", &slow) };
    assert_eq!(trial.run().0.void, Some(VoidCause::AgentStart));
}

#[test]
fn a_tool_has_its_own_time() {
    let manifest = "timeout = \"2s\"\n[runtime]\ntool_timeout = \"9s\"\n[[tool]]\nname = \"other\"\nbuiltin = \"shell\"\n";
    let other = "{ calls = [{ tool = \"other\", arguments = { command = \"slow\" } }] }";
    let (worked, sandbox) =
        Trial::new(manifest, &persona(&[&call("slow"), other], DONE)).run_in(Pretended::default());
    let limits: Vec<Duration> = sandbox.ran.iter().map(|(_, limit)| *limit).collect();
    assert_eq!(limits, [Duration::from_secs(2), Duration::from_secs(9)]);
    let seen = worked.trace.steps[2].calls[0].observation.as_ref().unwrap();
    assert_eq!((seen.text.as_str(), seen.exit, seen.timed_out), ("so far", Some(124), true));
    assert_eq!(worked.end, End::Finished);
}

#[test]
fn waiting_for_the_provider_does_not_count() {
    let text = "[[rule]]\nwhen = { attempt = 0 }\n\
        reply = { error = { status = 429, message = \"busy\", headers = { retry-after-ms = \"2000\" } } }\n\
        [[rule]]\nreply = { text = \"done\" }\n";
    let trial = Trial { timeout: Duration::from_millis(1500), ..Trial::new("", text) };
    let began = Instant::now();
    let (worked, _) = trial.run();
    assert_eq!((worked.end, worked.void), (End::Finished, None), "{}", worked.detail);
    assert!(Duration::from_millis(2000) <= began.elapsed());
}

#[test]
fn a_provider_that_fails_makes_the_trial_void() {
    for (status, words) in [(503, "(after 2 attempts)"), (401, "model.api_key_env")] {
        let reply = format!("{{ error = {{ status = {status}, message = \"no\" }} }}");
        let (worked, ran) = Trial::new("", &persona(&[&call("ls")], &reply)).run();
        assert_eq!((worked.end, worked.void), (End::Provider, Some(VoidCause::Provider)));
        assert!(worked.detail.contains("no") && worked.detail.contains(words), "{}", worked.detail);
        assert_eq!((worked.requests, ran.len()), (1, 1));
    }
}

#[test]
fn refusals_and_full_contexts_are_judged() {
    let refused = persona(&[], "{ text = \"I will not\", stop = \"refused\" }");
    let (worked, _) = Trial::new("", &refused).run();
    assert_eq!((worked.end, worked.void), (End::Crashed(String::from("refusal")), None));
    let long = "{ error = { status = 400, message = \"too long\", code = \"context_length_exceeded\" } }";
    let (worked, _) = Trial::new("", &persona(&[&call("ls")], long)).run();
    assert_eq!((worked.end, worked.void), (End::Context, None));
    let full = Trial {
        protocol: Protocol::Anthropic,
        ..Trial::new("", &persona(&[], "{ text = \"I\", stop = \"context\" }"))
    };
    assert_eq!(full.run().0.end, End::Context);
}

#[test]
fn whoever_cancels_is_heard_while_the_model_thinks() {
    let trial = Trial::new("", &persona(&[], "{ text = \"late\", delay = \"10s\" }"));
    let cancel = trial.cancel.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        cancel.cancel();
    });
    let began = Instant::now();
    let (worked, _) = trial.run();
    canceller.join().unwrap();
    assert_eq!((worked.end, worked.void), (End::Killed, Some(VoidCause::KilledOutside)));
    assert!(began.elapsed() < Duration::from_secs(5));
    // And before anything begins.
    let trial = Trial::new("", &persona(&[], DONE));
    trial.cancel.cancel();
    assert_eq!(trial.run().0.requests, 0);
}

#[test]
fn a_sandbox_that_dies_makes_the_trial_void_and_one_that_used_too_much_does_not() {
    for (command, end, void) in
        [("die", End::Killed, Some(VoidCause::HostResource)), ("memory", End::Killed, None)]
    {
        let (worked, ran) = Trial::new("", &persona(&[], &call(command))).run();
        assert_eq!((worked.end, worked.void, ran.len()), (end, void, 1), "{command}: {}", worked.detail);
        // The call is in the record all the same.
        assert_eq!(worked.trace.steps.last().unwrap().calls.len(), 1);
    }
    let (worked, ran) = Trial::new("", &persona(&[], &call("over"))).run();
    assert_eq!((worked.void, ran.len()), (Some(VoidCause::HostResource), 2));
}

#[test]
fn a_prompt_that_cannot_be_rendered_is_no_trial() {
    let manifest = "[runtime]\n";
    let mut trial = Trial::new(manifest, &persona(&[], DONE));
    trial.manifest = trial.manifest.replace("{{ workdir }}", "{{ nowhere }}");
    let (worked, _) = trial.run();
    assert_eq!((worked.void, worked.requests), (Some(VoidCause::AgentStart), 0));
    assert!(worked.detail.contains("prompt.system"), "{}", worked.detail);
}
