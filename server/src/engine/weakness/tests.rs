//! Where weaknesses belong, on harnesses of a few lines and on the examples.

use super::*;
use crate::engine::cause::Cause;
use crate::engine::cluster::{Cold, Level, Supporter};
use crate::engine::detector::Evidence;
use crate::engine::signature::{Finding, Status};
use crate::engine::split::Splits;
use harness_schema::detector::named;
use harness_schema::files::Files;
use harness_schema::split::Split;
use proptest::prelude::*;

pub(crate) fn finding(name: &str, entities: &[&str]) -> Finding {
    Finding {
        detector: named(name).unwrap(),
        evidence: Evidence { steps: vec![1] },
        status: Status::Direct,
        entities: entities.iter().copied().collect(),
    }
}

/// A trial of a task: failed for a cause, with findings.
pub(crate) fn trial(task: &str, repeat: u32, cause: Option<Cause>, findings: Vec<Finding>) -> Seen {
    Seen {
        trial: format!("{task}.{repeat}"),
        task: task.to_owned(),
        repeat,
        cause,
        findings,
        messages: Vec::new(),
        entities: BTreeSet::new(),
        steps: 9,
    }
}

pub(crate) fn held_in(seen: Vec<Seen>) -> Vec<HeldIn<Seen>> {
    Splits::apart(seen, |_| Some(Split::HeldIn)).held_in
}

pub(crate) fn cluster(mechanism: Option<&str>, tasks: &[&str]) -> Cluster {
    let supporter =
        |task: &&str| Supporter { task: (*task).to_owned(), weight: 1.0, trials: vec![format!("{task}.0")] };
    Cluster {
        id: format!("c-{}", mechanism.unwrap_or("none")),
        level: Level::Signature,
        cause: None,
        status: None,
        mechanism: mechanism.and_then(named),
        tier: None,
        supporters: tasks.iter().map(supporter).collect(),
        support: tasks.len(),
        value: 1.0,
        lift: None,
        is_habit: false,
    }
}

pub(crate) fn mined(clusters: Vec<Cluster>) -> Mined {
    Mined { level: Level::Signature, cold: Cold::default(), clusters, ..crate::engine::cluster::group(&[]) }
}

pub(crate) fn demo() -> Harness {
    let read = |name, text| (name, text);
    Harness::resolve(
        &Files::from_texts([
            read("harness.toml", include_str!("../../../../tests/examples/demo/harness.toml")),
            read("prompts/system.md", include_str!("../../../../tests/examples/demo/prompts/system.md")),
            read("prompts/task.md", include_str!("../../../../tests/examples/demo/prompts/task.md")),
            read(
                "prompts/rules/steps-run-out.md",
                include_str!("../../../../tests/examples/demo/prompts/rules/steps-run-out.md"),
            ),
            read("tools/shell.toml", include_str!("../../../../tests/examples/demo/tools/shell.toml")),
            read(
                "tools/read_file.toml",
                include_str!("../../../../tests/examples/demo/tools/read_file.toml"),
            ),
            read(
                "tools/write_file.toml",
                include_str!("../../../../tests/examples/demo/tools/write_file.toml"),
            ),
        ]),
        None,
    )
}

pub(crate) fn terminal_agent() -> Harness {
    Harness::resolve(
        &Files::from_texts([
            ("harness.toml", include_str!("../../../../tests/examples/terminal-agent/harness.toml")),
            (
                "prompts/system.md",
                include_str!("../../../../tests/examples/terminal-agent/prompts/system.md"),
            ),
            ("prompts/task.md", include_str!("../../../../tests/examples/terminal-agent/prompts/task.md")),
            (
                "prompts/rules/stop-repeating.md",
                include_str!("../../../../tests/examples/terminal-agent/prompts/rules/stop-repeating.md"),
            ),
            (
                "prompts/states/plan.md",
                include_str!("../../../../tests/examples/terminal-agent/prompts/states/plan.md"),
            ),
            (
                "prompts/states/verify.md",
                include_str!("../../../../tests/examples/terminal-agent/prompts/states/verify.md"),
            ),
            ("tools/shell.toml", include_str!("../../../../tests/examples/terminal-agent/tools/shell.toml")),
            (
                "tools/read_file.json",
                include_str!("../../../../tests/examples/terminal-agent/tools/read_file.json"),
            ),
        ]),
        None,
    )
}

/// A harness of the native agent with a prompt of some rules.
pub(crate) fn with_rules(rules: &str, rest: &str) -> Harness {
    let manifest = format!(
        "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\nsystem = \"s.md\"\n\
         [[tool]]\nname = \"shell\"\nbuiltin = \"shell\"\ndescription = \"Runs a command.\"\n{rest}"
    );
    let system = format!("# Rules\n\n{rules}");
    Harness::resolve(
        &Files::from_texts([("harness.toml", manifest.as_str()), ("s.md", system.as_str())]),
        None,
    )
}

fn located(harness: &Harness, mechanism: &str) -> Vec<(String, &'static str, String)> {
    let clusters = vec![cluster(Some(mechanism), &["a", "b"])];
    let found = locate(harness, &mined(clusters), &[], &BTreeSet::new());
    let read = |location: &Location| {
        // The span is that of the line in the file.
        let source = harness.document(&location.file).unwrap().source();
        if location.relation != Relation::Knob {
            assert_eq!(location.span.of(source), location.line, "{location:?}");
        }
        (location.surface.clone(), location.relation.word(), location.line.clone())
    };
    found[0].locations.iter().map(read).collect()
}

fn place(surface: &str, relation: &'static str, line: &str) -> (String, &'static str, String) {
    (surface.to_owned(), relation, line.to_owned())
}

#[test]
fn what_is_missing_has_a_place_of_its_own() {
    let demo = demo();
    assert_eq!(
        located(&demo, "loop-identical-fail"),
        [place("rules.new", "absent", ""), place("working-rules", "absent", "")]
    );
    assert_eq!(
        located(&demo, "artifact-wrong-place"),
        [place("prompt.task", "absent", ""), place("working-rules", "absent", "")]
    );
    let clusters = mined(vec![cluster(Some("artifact-wrong-place"), &["a", "b"])]);
    let found = locate(&demo, &clusters, &[], &BTreeSet::new());
    let prompt = &found[0].locations[1];
    let source = demo.document(&prompt.file).unwrap().source();
    assert!(source[..prompt.span.start as usize].ends_with("with one sentence that says so."), "{prompt:?}");
}

#[test]
fn a_line_that_brings_it_about_is_found() {
    let demo = demo();
    let brief = "- Take one step at a time, and be brief.";
    let state = place("states.new", "absent", "");
    assert_eq!(
        located(&demo, "premature-finish"),
        [state.clone(), place("working-rules", "triggering", brief)]
    );
    let verified = with_rules("- Look first.\n- Do not be brief.\n- Write what the task names.\n", "");
    assert_eq!(located(&verified, "premature-finish"), [state, place("prompt.system", "absent", "")]);
}

#[test]
fn a_line_that_is_broken_comes_after_a_rule() {
    let line = "- Before you finish, verify the result: run it and check each point.";
    let rules = format!("- Look at what is there.\n- Use the shell.\n{line}\n- Be polite.\n");
    let new = |surface| place(surface, "absent", "");
    let found = located(&with_rules(&rules, ""), "never-verified");
    assert_eq!(found, [new("states.new"), new("rules.new"), place("prompt.system", "violated", line)]);
    // Prose stands first in what `no-write` points at, and comes last once it was said and did not help.
    let line = "- Write every file that the task names at its path.";
    let found =
        located(&with_rules(&format!("- Look.\n{line}\n- Be polite.\n- Use the shell.\n"), ""), "no-write");
    assert_eq!(found, [new("states.new"), place("prompt.system", "violated", line)]);
}

#[test]
fn a_rule_with_the_detector_as_its_trigger_is_violated_whatever_it_says() {
    let harness = terminal_agent();
    let found = located(&harness, "loop-identical-fail");
    let said = "The same command has failed three times. Read its output again and try something else.";
    assert_eq!(found[0], place("rule.stop-repeating", "violated", said));
}

#[test]
fn two_lines_that_contradict_each_other_are_a_conflict() {
    let rules = "- Always check the result before you finish.\n- Look around.\n- Work in the task's directory.\n\
        - Do not check the result after an edit.\n- Use the shell.\n";
    let found = located(&with_rules(rules, ""), "no-verify-after-last-write");
    assert_eq!(found[2], place("prompt.system", "conflicting", "- Do not check the result after an edit."));
}

#[test]
fn a_limit_that_is_there_is_a_knob() {
    let found = located(&demo(), "command-timeout");
    assert_eq!(found[0], place("runtime.tool_timeout", "knob", "20s"));
    assert_eq!(found[1].1, "absent");
    assert_eq!(found[1].0, "tool.shell.description");
    // Without the key there is none.
    assert_eq!(located(&with_rules("- Look.\n", ""), "command-timeout")[0].0, "tool.shell.description");
}

#[test]
fn entities_of_the_evidence_are_looked_for() {
    let rules = "- Look.\n- The reports lie in out/daily and are made by make_report.\n- Be polite.\n\
        - Put make_report output into out/daily only.\n- Use the shell.\n- Wait.\n";
    let harness = with_rules(rules, "");
    let seen = |entities: &[&str]| {
        held_in(
            ["a", "b"]
                .map(|task| {
                    let finding = finding("artifact-wrong-place", entities);
                    trial(task, 0, Some(Cause::ArtifactMissing), vec![finding])
                })
                .to_vec(),
        )
    };
    let clusters = mined(vec![cluster(Some("artifact-wrong-place"), &["a", "b"])]);
    let line = |entities: &[&str]| {
        let found = locate(&harness, &clusters, &seen(entities), &BTreeSet::new());
        found[0]
            .locations
            .iter()
            .find(|location| location.role == Role::Prompt)
            .map(|location| location.line.clone())
    };
    assert_eq!(line(&[]).as_deref(), Some(""));
    assert_eq!(
        line(&["out/daily", "make_report"]).as_deref(),
        Some("- Put make_report output into out/daily only.")
    );
}

#[test]
fn an_edit_could_help_or_not() {
    let harness = demo();
    let actionable = |cluster: Cluster, suspects: &[&str]| {
        let suspects = suspects.iter().map(|task| (*task).to_owned()).collect();
        locate(&harness, &mined(vec![cluster]), &[], &suspects)[0].actionable
    };
    assert_eq!(actionable(cluster(Some("no-write"), &["a", "b"]), &[]), Actionable::Yes);
    assert_eq!(actionable(cluster(Some("no-write"), &["a"]), &[]), Actionable::LowSupport);
    assert_eq!(actionable(cluster(Some("no-write"), &["a", "b"]), &["b"]), Actionable::SuspectTask);
    assert_eq!(actionable(cluster(Some("no-write"), &["a", "b", "c"]), &["b"]), Actionable::Yes);
    let empty = Harness::resolve(
        &Files::from_texts([("harness.toml", "[agent]\nkind = \"command\"\nargv = [\"x\"]\n")]),
        None,
    );
    let found = locate(&empty, &mined(vec![cluster(Some("no-write"), &["a", "b"])]), &[], &BTreeSet::new());
    assert_eq!((found[0].locations.len(), found[0].actionable), (0, Actionable::NoSurface));
}

#[test]
fn without_a_mechanism_the_cause_says_where_to_look() {
    let harness = demo();
    let of_cause = |cause| Cluster { cause: Some(cause), level: Level::Cause, ..cluster(None, &["a", "b"]) };
    let roles = |cluster: Cluster, seen: &[HeldIn<Seen>]| {
        let found = locate(&harness, &mined(vec![cluster]), seen, &BTreeSet::new());
        found[0].locations.iter().map(|location| location.role).collect::<Vec<_>>()
    };
    assert_eq!(roles(of_cause(Cause::ArtifactMissing), &[]), [Role::Task, Role::Prompt, Role::State]);
    assert_eq!(roles(of_cause(Cause::LimitContext), &[]), [Role::Limit, Role::Rule]);
    assert_eq!(roles(of_cause(Cause::VerifierNoReport), &[]), []);
    // What is found in half of its trials counts for more.
    let looping = |task: &str| trial(task, 0, Some(Cause::ArtifactMissing), vec![finding("loop-cycle", &[])]);
    assert_eq!(
        roles(of_cause(Cause::ArtifactMissing), &held_in(vec![looping("a"), looping("b")])),
        [Role::Rule, Role::Prompt]
    );
    let tier = Cluster { tier: Some(2), level: Level::Tier, ..cluster(None, &["a", "b"]) };
    assert_eq!(roles(tier, &held_in(vec![looping("a")])), [Role::Rule, Role::Prompt]);
}

#[test]
fn what_works_and_is_demanded_is_protected() {
    let harness = demo();
    let seen = held_in(vec![
        trial("a", 0, None, Vec::new()),
        trial("a", 1, None, vec![finding("never-verified", &[])]),
        trial("b", 0, Some(Cause::ValueMismatch), vec![finding("write-before-read", &[])]),
        trial("b", 1, None, Vec::new()),
    ]);
    let names = |seen: &[HeldIn<Seen>]| {
        let read = |protected: Protected| (protected.mechanism, protected.line.unwrap().line);
        protected(&harness, seen).into_iter().map(read).collect::<Vec<_>>()
    };
    let look = (String::from("- Look at what is there before you change it."), "write-before-read");
    assert!(names(&seen).contains(&(look.1, look.0.clone())), "{:?}", names(&seen));
    assert_eq!(names(&[]), []);
    let loud = held_in(vec![trial("a", 0, None, vec![finding("write-before-read", &[])])]);
    assert!(!names(&loud).iter().any(|(name, _)| *name == look.1));
}

#[test]
fn a_line_about_something_else_is_no_match() {
    // `before` and `change` alone do not make a line one about checks.
    let relations = |harness: &Harness, mechanism: &str| {
        located(harness, mechanism)
            .into_iter()
            .map(|(surface, relation, _)| (surface, relation))
            .collect::<Vec<_>>()
    };
    let absent = |surface: &str| (surface.to_owned(), "absent");
    assert_eq!(
        relations(&demo(), "no-verify-after-last-write"),
        [absent("states.new"), absent("rules.new"), absent("working-rules")]
    );
    assert_eq!(
        relations(&terminal_agent(), "requirement-dropped"),
        [absent("states.new"), absent("prompt.task")]
    );
    assert_eq!(
        relations(&terminal_agent(), "write-before-read")[..1],
        [(String::from("system-rules"), "violated")]
    );
}

#[test]
fn any_order_of_trials_gives_the_same() {
    let harness = terminal_agent();
    let mut seen: Vec<Seen> = ["a", "b", "c"]
        .into_iter()
        .map(|task| trial(task, 0, Some(Cause::CheckFailed), vec![finding("stuck-red", &["x.py", task])]))
        .collect();
    let clusters = mined(vec![cluster(Some("stuck-red"), &["a", "b", "c"]), cluster(None, &["a", "b"])]);
    let one = locate(&harness, &clusters, &held_in(seen.clone()), &BTreeSet::new());
    seen.reverse();
    assert_eq!(locate(&harness, &clusters, &held_in(seen), &BTreeSet::new()), one);
    assert!(one.iter().all(|weakness| !weakness.locations.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the rules of a prompt say, every place lies in its file and holds the line that it is about.
    #[test]
    fn every_place_is_exact(
        rules in "(- |\\* |[0-9]\\. |#|  |```\n|\\{% for x in tools %\\}|\\{% endfor %\\})?\
            ((be brief|always|never|do not|check|run|the tests|é|write|files|same|again|, and |\\.|\r?\n- |\n\n)[ ]?){0,30}",
    ) {
        let harness = with_rules(&rules, "[runtime]\ntool_timeout = \"20s\"\n");
        for detector in DETECTORS {
            let clusters = mined(vec![cluster(Some(detector.name), &["a", "b"])]);
            let found = locate(&harness, &clusters, &[], &BTreeSet::new());
            for location in &found[0].locations {
                let source = harness.document(&location.file).unwrap().source();
                prop_assert!(source.get(location.span.range()).is_some());
                if location.relation != Relation::Knob {
                    prop_assert_eq!(location.span.of(source), location.line.as_str());
                }
            }
        }
    }
}
