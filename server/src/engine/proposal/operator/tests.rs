//! What the operators offer on harnesses of a few lines and on the examples.

use std::collections::BTreeSet;

use super::*;
use crate::engine::cause::Cause;
use crate::engine::cluster::Cluster;
use crate::engine::proposal::{Author, Proposal, guard, merge};
use crate::engine::weakness::locate;
use crate::engine::weakness::tests::{
    cluster, demo, finding, held_in, mined, terminal_agent, trial, with_rules,
};
use proptest::prelude::*;

fn offered(harness: &Harness, clusters: Vec<Cluster>, cold: bool) -> Vec<Offer> {
    let weaknesses = locate(harness, &mined(clusters), &[], &BTreeSet::new());
    offers(harness, &weaknesses, &[], cold)
}

fn of(harness: &Harness, mechanism: &str) -> Vec<Offer> {
    let all = offered(harness, vec![cluster(Some(mechanism), &["a", "b"])], false);
    all.iter().for_each(|offer| fits(harness, offer));
    all
}

/// What a model's draft is held to, too.
fn fits(harness: &Harness, offer: &Offer) {
    let draft = &offer.draft;
    let written = serde_json::to_value(draft).unwrap();
    let mut reply = written.as_object().unwrap().clone();
    reply.insert(String::from("action"), "edit".into());
    let read = super::super::reply::read(&serde_json::Value::Object(reply).to_string()).unwrap();
    assert_eq!(read, super::super::reply::Reply::Edit(Box::new(draft.clone())));
    assert!(harness_schema::detector::named(&draft.mechanism).is_some());
    assert!(!draft.why.is_empty() && !draft.summary.is_empty());
    for edit in &draft.edits {
        match edit.surface.as_str() {
            NEW_RULE => assert!(matches!(draft.scope, Scope::When(_)) && edit.at.is_some()),
            NEW_STATE => assert!(draft.scope == Scope::Always && edit.at.is_some()),
            surface => {
                let placed = harness.surface(surface).unwrap();
                let held = placed.places.iter().filter_map(|place| place.resolved()?.as_ref().ok());
                let count: usize = held.map(|resolved| resolved.value.matches(&edit.find).count()).sum();
                assert!(edit.at.is_some() || count == 1, "{edit:?}");
            }
        }
    }
}

fn names(offers: &[Offer]) -> Vec<(&'static str, &str)> {
    offers.iter().map(|offer| (offer.operator, offer.draft.edits[0].surface.as_str())).collect()
}

#[test]
fn a_loop_gets_a_rule_and_a_line() {
    let all = of(&demo(), "loop-identical-fail");
    assert_eq!(names(&all), [(ADD_RULE, "rules.new"), (ADD_LINE, "working-rules")]);
    let when = serde_json::json!({ "detector": "loop-identical-fail" });
    assert_eq!(all[0].draft.scope, Scope::When(when.as_object().unwrap().clone()));
    let line = &all[1].draft.edits[0];
    let last = "- When the job is done, answer with one sentence that says so.";
    assert_eq!(line.find, last);
    assert!(
        line.replace.starts_with(&format!("{last}\n- When a command fails, read why")),
        "{}",
        line.replace
    );
    // Where the rule is there, a second one would act on the same trigger.
    assert!(
        names(&of(&terminal_agent(), "loop-identical-fail"))
            .iter()
            .all(|(operator, _)| *operator != ADD_RULE)
    );
}

#[test]
fn a_want_of_checks_gets_a_rule_a_state_or_a_line() {
    let all = of(&demo(), "never-verified");
    assert_eq!(
        names(&all),
        [(ADD_RULE, "rules.new"), (ADD_STATE, "states.new"), (ADD_LINE, "working-rules")]
    );
    let when = serde_json::json!({ "detector": "never-verified", "event": "finish" });
    assert_eq!(all[0].draft.scope, Scope::When(when.as_object().unwrap().clone()));
    // It has a state for that.
    let others = of(&terminal_agent(), "no-verify-after-last-write");
    assert!(others.iter().all(|offer| offer.operator != ADD_STATE), "{:?}", names(&others));
}

#[test]
fn what_brings_it_about_goes() {
    let all = of(&demo(), "premature-finish");
    let expected = [(REMOVE_LINE, "working-rules"), (ADD_RULE, "rules.new"), (ADD_STATE, "states.new")];
    assert_eq!(names(&all), expected);
    let edit = &all[0].draft.edits[0];
    assert_eq!(
        (edit.find.as_str(), edit.replace.as_str()),
        ("- Take one step at a time, and be brief.", "- Take one step at a time.")
    );
}

#[test]
fn of_lines_that_contradict_each_other_one_goes() {
    let rules = "- Always check the result before you finish.\n- Look around.\n- Work in the task's directory.\n\
        - Do not check the result after an edit.\n- Use the shell.\n";
    let harness = with_rules(rules, "");
    let all = of(&harness, "no-verify-after-last-write");
    let removed = all.iter().find(|offer| offer.operator == REMOVE_LINE).unwrap();
    assert_eq!(removed.draft.edits[0].find, "\n- Do not check the result after an edit.");
    assert_eq!(removed.draft.edits[0].replace, "");
}

#[test]
fn a_knob_is_turned_where_it_is_written() {
    let all = of(&demo(), "command-timeout");
    assert_eq!(names(&all)[..2], [(SET_LIMIT, "runtime.tool_timeout"), (ADD_RULE, "rules.new")]);
    let edit = &all[0].draft.edits[0];
    assert_eq!((edit.find.as_str(), edit.replace.as_str()), ("20s", "40s"));
    let output = of(&demo(), "truncated-read");
    assert_eq!(
        output.iter().find(|offer| offer.operator == SET_LIMIT).unwrap().draft.edits[0].replace,
        "32768"
    );
    // A call may not take as long as the trial.
    let long = with_rules("- Look.\n", "[agent]\ntimeout = \"2m\"\n[runtime]\ntool_timeout = \"60s\"\n");
    assert!(of(&long, "command-timeout").iter().all(|offer| offer.operator != SET_LIMIT));
}

#[test]
fn a_tool_says_what_its_arguments_are() {
    let all = of(&demo(), "tool-call-parse");
    let said: Vec<&str> = all
        .iter()
        .filter(|offer| offer.operator == TIGHTEN_TOOL)
        .map(|offer| offer.draft.edits[0].replace.as_str())
        .collect();
    assert!(said.contains(&" Its arguments are one JSON object with `path` and `content`."), "{said:?}");
    let tool =
        "[[tool]]\nname = \"count\"\ndescription = \"Counts the words of a file.\"\nfile = \"t.json\"\n";
    let json = "{\"name\": \"count\", \"run\": [\"wc\", \"{path}\"], \"parameters\": {\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"n\": {\"type\": \"integer\"}}}}";
    let surface = "[[surface]]\nid = \"count-schema\"\nfile = \"t.json\"\nselect = [\"json\", \"parameters\"]\nkind = \"tool\"\n";
    let manifest = format!("schema = 1\n{tool}{surface}");
    let files =
        harness_schema::files::Files::from_texts([("harness.toml", manifest.as_str()), ("t.json", json)]);
    let harness = Harness::resolve(&files, None);
    let all = of(&harness, "tool-call-parse");
    let tightened = all.iter().find(|offer| offer.draft.edits[0].surface == "count-schema").unwrap();
    let schema: serde_json::Value = serde_json::from_str(&tightened.draft.edits[0].replace).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["path"]));
}

#[test]
fn lines_that_say_the_same_are_merged() {
    let rules = "- Check the result before you finish.\n- Before you finish, check the result carefully.\n- Look around.\n";
    let all = of(&with_rules(rules, ""), "loop-cycle");
    let merged: Vec<&Offer> = all.iter().filter(|offer| offer.operator == MERGE_LINES).collect();
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].draft.edits[0].find, "\n- Check the result before you finish.");
}

#[test]
fn a_cold_start_gets_what_helps_most_harnesses() {
    let generic = |harness: &Harness| {
        let all = offered(harness, Vec::new(), true);
        all.iter().for_each(|offer| fits(harness, offer));
        assert!(all.iter().all(|offer| offer.operator == GENERIC));
        all.iter().map(|offer| offer.draft.edits[0].surface.clone()).collect::<Vec<_>>()
    };
    let native = generic(&demo());
    assert_eq!(native, ["rules.new", "prompt.task", "rules.new", "rules.new", "tool.shell.description"]);
    let manifest = include_str!("../../../../../tests/examples/mini-swe-agent/harness.toml");
    let yaml = include_str!("../../../../../tests/examples/mini-swe-agent/mini.yaml");
    let files = harness_schema::files::Files::from_texts([("harness.toml", manifest), ("mini.yaml", yaml)]);
    let command = Harness::resolve(&files, None);
    assert_eq!(generic(&command), ["system", "task", "system", "system", "system"]);
    assert_eq!(offered(&demo(), Vec::new(), false), []);
}

#[test]
fn only_what_is_actionable_is_acted_on_and_the_first_comes_first() {
    let harness = demo();
    let clusters = vec![
        cluster(Some("loop-cycle"), &["a"]),
        cluster(Some("never-verified"), &["a", "b"]),
        cluster(Some("context-flood"), &["c", "d"]),
    ];
    let all = offered(&harness, clusters.clone(), false);
    let order: Vec<&str> = all.iter().map(|offer| offer.draft.mechanism.as_str()).collect();
    assert_eq!(order[..4], ["never-verified", "never-verified", "context-flood", "never-verified"]);
    assert!(!order.contains(&"loop-cycle"));
    let cold = offered(&harness, clusters.clone(), true);
    assert_eq!(cold.iter().position(|offer| offer.operator == GENERIC), Some(5));
    assert_eq!(offered(&harness, clusters, false), all);
}

#[test]
fn every_mechanism_is_met_on_every_example() {
    for harness in [demo(), terminal_agent()] {
        for detector in harness_schema::detector::DETECTORS {
            let all = of(&harness, detector.name);
            assert!(!all.is_empty() || harness.surface("prompt.system").is_none(), "{}", detector.name);
        }
    }
}

#[test]
fn the_likeliest_reason_speaks_for_failures_without_a_mechanism() {
    let harness = demo();
    let seen = held_in(
        ["a", "b"]
            .map(|task| trial(task, 0, Some(Cause::CheckFailed), vec![finding("stuck-red", &[])]))
            .to_vec(),
    );
    let clusters = vec![Cluster {
        cause: Some(Cause::CheckFailed),
        level: crate::engine::cluster::Level::Cause,
        ..cluster(None, &["a", "b"])
    }];
    let weaknesses = locate(&harness, &mined(clusters), &seen, &BTreeSet::new());
    let all = offers(&harness, &weaknesses, &seen, false);
    assert_eq!(all[0].draft.mechanism, "stuck-red");
    assert!(all[0].draft.why.contains("`check.failed`"), "{}", all[0].draft.why);
}

fn read(files: &[(&str, &str)]) -> Harness {
    Harness::resolve(&harness_schema::files::Files::from_texts(files.iter().copied()), None)
}

/// The examples of other agents.
fn others() -> [Harness; 3] {
    [
        read(&[
            ("harness.toml", include_str!("../../../../../tests/examples/mini-swe-agent/harness.toml")),
            ("mini.yaml", include_str!("../../../../../tests/examples/mini-swe-agent/mini.yaml")),
        ]),
        read(&[
            ("harness.toml", include_str!("../../../../../tests/examples/deepagents/harness.toml")),
            ("harness.py", include_str!("../../../../../tests/examples/deepagents/harness.py")),
            ("run.py", include_str!("../../../../../tests/examples/deepagents/run.py")),
        ]),
        read(&[
            ("harness.toml", include_str!("../../../../../tests/examples/claude-code/harness.toml")),
            ("CLAUDE.md", include_str!("../../../../../tests/examples/claude-code/CLAUDE.md")),
            ("AGENTS.md", include_str!("../../../../../tests/examples/claude-code/AGENTS.md")),
        ]),
    ]
}

#[test]
fn every_offer_passes_the_guards_and_any_two_that_are_compatible_have_a_union() {
    for harness in [demo(), terminal_agent()].into_iter().chain(others()) {
        let mut all = offered(&harness, Vec::new(), true);
        for detector in harness_schema::detector::DETECTORS {
            all.extend(of(&harness, detector.name));
        }
        let passed: Vec<Proposal> = all
            .iter()
            .map(|offer| {
                let author = Author::Operator(offer.operator);
                let against = guard::Against {
                    harness: &harness,
                    baseline: harness_schema::digest::Digest::of(b"baseline"),
                    history: &[],
                    protected: &[],
                    tasks: &[],
                    slot: None,
                    author: &author,
                };
                guard::check(&offer.draft, &against).unwrap_or_else(|why| panic!("{why:?}: {offer:?}"))
            })
            .collect();
        assert!(20 < passed.len());
        let mut unions = 0;
        for (at, one) in passed.iter().enumerate().step_by(4) {
            for other in passed.iter().skip(at + 1).step_by(5) {
                if merge::compatible(one, other).is_ok() {
                    merge::union(&harness, &[one, other]).unwrap();
                    unions += 1;
                }
            }
        }
        assert!(9 < unions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the rules of a prompt say, what is found stands there once, and every draft is one that a model could have written.
    #[test]
    fn every_draft_can_be_applied(
        rules in "(- |\\* |[0-9]\\. |#|  |```\n|\\{% for x in tools %\\}|\\{% endfor %\\})?\
            ((be brief|always|never|do not|check|run|the tests|é|write|files|same|again|, and |\\.|\r?\n- |\n\n)[ ]?){0,30}",
    ) {
        let harness = with_rules(&rules, "[runtime]\ntool_timeout = \"20s\"\n");
        for detector in harness_schema::detector::DETECTORS {
            of(&harness, detector.name);
        }
    }
}
