//! Calls with a bad form, results, templates, compaction, and the record of it all.

use serde_json::json;

use super::*;
use crate::engine::atif::{self, About};
use crate::engine::trace::Arguments;

const DONE: &str = "{ text = \"done\" }";

#[test]
fn a_bad_form_is_answered_with_the_expected_one() {
    let unknown = "{ calls = [{ tool = \"bash\", arguments = { command = \"ls\" } }] }";
    let off_schema = "{ calls = [{ tool = \"shell\", arguments = { cmd = \"ls\" } }] }";
    let no_json = "{ calls = [{ tool = \"shell\", raw = \"{\\\"command\\\": \\\"l\" }] }";
    let cut = "{ calls = [{ tool = \"shell\", raw = \"{\\\"command\\\": \\\"l\" }], stop = \"length\" }";
    for (reply, words, schema_ok) in [
        (unknown, "There is no tool `bash` here. Tools: `shell`; answer without a call", None),
        (off_schema, "The arguments of `shell` do not fit: ", Some(false)),
        (
            no_json,
            "The arguments of `shell` are no JSON object. Call `shell` with a JSON object",
            Some(false),
        ),
        (cut, "The answer was cut at its limit of tokens, so the arguments", Some(false)),
    ] {
        let (worked, ran) = Trial::new("", &persona(&[reply], DONE)).run();
        assert_eq!(worked.end, End::Finished, "{reply}");
        assert!(ran.is_empty(), "{reply}");
        let call = &worked.trace.steps[2].calls[0];
        let seen = call.observation.as_ref().unwrap();
        assert!(seen.text.starts_with(words), "{}", seen.text);
        assert_eq!((call.schema_ok, seen.failed), (schema_ok, Some(true)));
    }
    let (worked, _) =
        Trial::new("", &persona(&["{ text = \"I was about to\", stop = \"length\" }"], DONE)).run();
    assert_eq!((worked.end, worked.requests), (End::Finished, 2));
    assert!(said(&worked.trace)[1].contains("cut at its limit"));
}

#[test]
fn bad_forms_in_a_row_end_the_trial_and_a_good_one_begins_anew() {
    let bad = "{ calls = [{ tool = \"nothing\", arguments = {} }] }";
    let manifest = "[runtime]\nmax_format_errors = 2\n";
    let (worked, _) = Trial::new(manifest, &persona(&[], bad)).run();
    assert_eq!((worked.end, worked.void), (End::Crashed(String::from("2 format errors in a row")), None));
    assert_eq!(worked.requests, 2);
    let both = "{ calls = [{ tool = \"nothing\", arguments = {} }, { tool = \"shell\", arguments = { command = \"ls\" } }] }";
    let (worked, _) = Trial::new(manifest, &persona(&[bad, &call("ls"), bad, both, bad], DONE)).run();
    assert_eq!((worked.end, worked.requests), (End::Finished, 6));
}

#[test]
fn results_are_shown_as_the_harness_says_and_cut_in_the_middle() {
    let observation = "observation = { text = \"<{{ tool.name }}> {{ output.text }} | {{ output.exit }} {{ output.cut_bytes }}{% if output.timed_out %} late{% endif %}\" }\n";
    let manifest = "max_output_bytes = 20\n";
    // The model repeats what it was shown.
    let echo = "[[rule]]\nwhen = { any = \"(?s)^(?P<seen><shell>.*)$\" }\nreply = { text = \"${seen}\" }\n";
    for (command, expected) in [
        ("ls", "<shell> did ls | 0 0"),
        ("fail", "<shell> ValueError: no | 1 0"),
        ("slow", "<shell> so far | 124 0 late"),
        ("signal", "<shell>  | 139 0"),
        ("big", "<shell> 0123456789\n[1980 bytes are left out]\n0123456789 | 0 1980"),
    ] {
        let mut trial = Trial::new(manifest, &format!("{echo}[[rule]]\nreply = {}\n", call(command)));
        trial.manifest = trial.manifest.replace("[[tool]]", &format!("{observation}[[tool]]"));
        let (worked, _) = trial.run();
        assert_eq!(worked.detail, expected, "{command}");
    }
    let (worked, _) = Trial::new("", &persona(&[&call("flood")], DONE)).run();
    assert_eq!(worked.end, End::Finished);
    assert!(printed(&worked.trace)[0].ends_with("[it printed too much and was ended]"));
}

#[test]
fn templates_have_the_values_of_the_trial() {
    let mut trial = Trial::new(
        "[[tool]]\nname = \"look\"\ndescription = \"Looks.\"\nrun = [\"ls\"]\n",
        &persona(&[], DONE),
    );
    trial.manifest = trial.manifest.replace(
        "system = { text = \"You work in {{ workdir }}.\" }\n",
        "system = { text = \"{{ tone }} {% for tool in tools %}{{ tool.name }},{% endfor %} {{ runtime.max_steps }} {{ state.id }} {{ step }} {{ steps_left }}\" }\n\
         task = { text = \"Do this: {{ task.instruction }}\" }\n[prompt.variables]\ntone = \"Be brief.\"\n",
    );
    let (worked, _) = trial.run();
    assert_eq!(worked.trace.steps[0].message, "Be brief. shell,look, 40 main 1 40");
    assert_eq!(said(&worked.trace), ["Do this: Write the sum to `out.txt`."]);
    assert_eq!(worked.trace.offered_tools, ["shell", "look"]);
}

#[test]
fn old_results_are_left_out_when_the_context_fills() {
    let usage = |input: u64| {
        format!(
            "{{ calls = [{{ tool = \"shell\", arguments = {{ command = \"big\" }} }}], usage = {{ input = {input}, output = 10 }} }}"
        )
    };
    let manifest = "[runtime]\ncompaction = \"elide-output\"\ncompaction_at = 0.5\n";
    let left_out = "[[rule]]\nwhen = { any = \"the result of `shell`, \\\\d+ bytes, is left out\" }\nreply = { text = \"less\" }\n";
    let replies = [usage(500), usage(1200), usage(2400), usage(3000)];
    let replies: Vec<&str> = replies.iter().map(String::as_str).collect();
    let mut trial = Trial::new(
        manifest,
        &persona(&replies, "{ text = \"all of it\" }").replacen(
            "[[rule]]",
            &format!("{left_out}[[rule]]"),
            1,
        ),
    );
    trial.manifest = trial.manifest.replace("[prompt]", "context_window = 4000\n[prompt]");
    let (worked, _) = trial.run();
    assert_eq!(worked.detail, "less");
    assert!(worked.requests == 3 || worked.requests == 4, "{}", worked.requests);
    // The record keeps what the conversation has lost.
    assert!(printed(&worked.trace).iter().all(|text| text.len() == 2000));
    let mut without = trial;
    without.manifest = without.manifest.replace("elide-output", "none");
    assert_eq!(without.run().0.detail, "all of it");
}

#[test]
fn a_conversation_that_is_too_long_is_asked_again_without_old_results() {
    let text = "step = \"assistant\"\n[[rule]]\nwhen = { any = \"is left out\" }\nreply = { text = \"went on\" }\n\
        [[rule]]\nwhen = { step = 2 }\nreply = { error = { status = 400, message = \"x\", code = \"context_length_exceeded\" } }\n";
    let text = format!("{text}[[rule]]\nreply = {}\n", call("big"));
    let (worked, _) = Trial::new("[runtime]\ncompaction = \"elide-output\"\n", &text).run();
    assert_eq!((worked.end, worked.detail.as_str()), (End::Finished, "went on"));
    assert_eq!(Trial::new("", &text).run().0.end, End::Context);
}

#[test]
fn programs_get_their_parameters_in_words_and_as_json() {
    let manifest = "[[tool]]\nname = \"count\"\ndescription = \"Counts.\"\nrun = [\"wc\", \"-{what}\", \"{file}\"]\n\
        [tool.parameters]\ntype = \"object\"\nrequired = [\"file\"]\nproperties = { file = { type = \"string\" }, what = { type = \"string\" } }\n";
    let count = "{ calls = [{ tool = \"count\", arguments = { file = \"a b.txt\", what = \"l\" } }] }";
    let (worked, ran) = Trial::new(manifest, &persona(&[count], DONE)).run();
    assert_eq!(ran, ["a b.txt"]);
    assert_eq!(worked.trace.steps[2].calls[0].schema_ok, Some(true));
    // A program that the harness does not have.
    let manifest = manifest.replace("\"wc\"", "\"tools/count.sh\"");
    let (worked, ran) = Trial::new(&manifest, &persona(&[count], DONE)).run();
    assert!(ran.is_empty());
    assert_eq!(printed(&worked.trace), ["the harness has no program `tools/count.sh` that is a text"]);
}

#[test]
fn the_record_is_what_harbor_accepts() {
    const SCHEMA: &str = include_str!(
        "../../../../../../harness-schema/tests/fixtures/harbor-0.24.0/atif-trajectory.schema.json"
    );
    let manifest = "[[runtime.rule]]\nid = \"said\"\nwhen = { tool = \"shell\" }\ninject = { text = \"Go on.\" }\n\
        [orchestration]\nstart = \"plan\"\n[[orchestration.state]]\nid = \"plan\"\nprompt = { text = \"Plan.\" }\nnext = [\"do\"]\n\
        [[orchestration.state]]\nid = \"do\"\nprompt = { text = \"Do.\" }\n";
    let bad = "{ calls = [{ tool = \"shell\", raw = \"no\" }] }";
    let (worked, _) = Trial::new(manifest, &persona(&[bad, &call("ls"), DONE], DONE)).run();
    assert_eq!(worked.end, End::Finished, "{}", worked.detail);
    assert!(matches!(&worked.trace.steps[3].calls[0].arguments, Arguments::Raw(text) if text == "no"));
    let files = Files::from_texts([("harness.toml", format!("{HEAD}{manifest}").as_str())]);
    let tools = tool_definitions(&Harness::resolve(&files, None));
    assert_eq!(tools[0]["function"]["name"], "shell");
    let about = About { trial: String::from("t-1"), tool_definitions: tools, ..About::default() };
    let written = atif::write(&worked.trace, &about);
    let schema = jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&written).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let steps = written["steps"].as_array().unwrap();
    let about: Vec<_> = steps
        .iter()
        .map(|step| (step["source"].as_str().unwrap(), &step["extra"]["state"], &step["extra"]["rule"]))
        .collect();
    assert_eq!(steps.len(), 9, "{about:?}");
    assert_eq!((&steps[1]["extra"], &steps[2]["extra"]), (&json!(null), &json!({"state": "plan"})));
    assert_eq!(steps[4]["extra"], json!({"rule": "said"}));
    assert_eq!((steps[7]["message"].as_str(), &steps[7]["extra"]), (Some("Do."), &json!({"state": "do"})));
    assert_eq!(written["extra"]["end"], "finished");
    assert!(steps[0]["timestamp"].as_str().unwrap().ends_with('Z'));
}
