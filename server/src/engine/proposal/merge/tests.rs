//! Proposals side by side: which go together, and what becomes of the files.

use super::*;
use crate::engine::proposal::Author;
use crate::engine::weakness::tests::with_rules;
use harness_schema::digest::Digest;
use harness_schema::syntax::Document;
use proptest::prelude::*;

const RULES: &str =
    "- Look at the files.\n- Work in the directory.\n- Run the program.\n- Answer at the end.\n";
const RUNTIME: &str = "[runtime]\nmax_steps = 20\ntool_timeout = \"20s\"\n";

fn path(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

/// A proposal that makes `after` of a file of the harness.
fn proposal(harness: &Harness, mechanism: &str, surface: &str, file: &str, after: &str) -> Proposal {
    let before =
        harness.document(&path(file)).map(|document| document.source().to_owned()).unwrap_or_default();
    let value = |text: &str| match surface.starts_with("runtime.") || surface.ends_with(".new") {
        true if surface == "runtime.tool_timeout" => text
            .split("tool_timeout = \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned(),
        true => String::new(),
        false => text.to_owned(),
    };
    let files = BTreeMap::from([(path(file), after.to_owned())]);
    Proposal {
        digest: Digest::of_parts([mechanism.as_bytes(), after.as_bytes()]),
        author: Author::Model,
        cluster: String::from("c"),
        mechanism: mechanism.to_owned(),
        edits: vec![SurfaceEdit {
            surface: surface.to_owned(),
            file: path(file),
            before: value(&before),
            after: value(after),
        }],
        files,
        scope: Scope::Always,
        summary: String::new(),
        why: String::new(),
        differs: String::new(),
        fixes: Vec::new(),
        risks: Vec::new(),
        cost: 1.0,
        added: 1,
    }
}

fn harness() -> Harness {
    with_rules(RULES, RUNTIME)
}

fn source(harness: &Harness, file: &str) -> String {
    harness.document(&path(file)).unwrap().source().to_owned()
}

/// A proposal that replaces a part of the prompt.
fn said(harness: &Harness, mechanism: &str, old: &str, new: &str) -> Proposal {
    let text = source(harness, "s.md");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    proposal(harness, mechanism, "prompt.system", "s.md", &text.replace(old, new))
}

/// A proposal that adds a runtime rule.
fn ruled(harness: &Harness, mechanism: &str, text: &str) -> Proposal {
    let manifest = source(harness, "harness.toml");
    let rule = format!(
        "{manifest}\n[[runtime.rule]]\nid = \"{mechanism}\"\nwhen = {{ detector = \"{mechanism}\" }}\n\
         inject = {{ text = \"{text}\" }}\n"
    );
    let mut proposal = proposal(harness, mechanism, "rules.new", "harness.toml", &rule);
    proposal.scope = Scope::When(serde_json::Map::from_iter([(String::from("detector"), mechanism.into())]));
    proposal.edits[0].after = text.to_owned();
    proposal
}

#[test]
fn edits_of_different_lines_go_together() {
    let harness = harness();
    let one = said(&harness, "no-write", "- Look at", "- Look closely at");
    let other = said(&harness, "never-verified", "- Answer", "- Check the result.\n- Answer");
    assert_eq!(compatible(&one, &other), Ok(()));
    let files = union(&harness, &[&one, &other]).unwrap();
    assert_eq!(
        files[&path("s.md")],
        "# Rules\n\n- Look closely at the files.\n- Work in the directory.\n- Run the program.\n- Check the result.\n- Answer at the end.\n"
    );
    assert_eq!(union(&harness, &[&other, &one]).unwrap(), files);
}

#[test]
fn lines_added_at_one_place_stand_one_after_the_other() {
    let harness = harness();
    let end = "- Answer at the end.\n";
    let one = said(&harness, "no-write", end, &format!("{end}- Write the files.\n"));
    let other = said(&harness, "never-verified", end, &format!("{end}- Check the result.\n"));
    let text = union(&harness, &[&one, &other]).unwrap().remove(&path("s.md")).unwrap();
    assert!(text.contains("- Write the files.\n") && text.contains("- Check the result.\n"), "{text}");
    assert_eq!(text.len(), source(&harness, "s.md").len() + 39);
}

#[test]
fn two_rules_go_together_and_the_manifest_still_reads() {
    let harness = harness();
    let one = ruled(&harness, "loop-identical-fail", "Take another way.");
    let other = ruled(&harness, "command-timeout", "Use the background.");
    let limit = source(&harness, "harness.toml").replace("\"20s\"", "\"40s\"");
    let limit = proposal(&harness, "context-flood", "runtime.tool_timeout", "harness.toml", &limit);
    let files = union(&harness, &[&one, &other, &limit]).unwrap();
    let text = files[&path("harness.toml")].as_str();
    let after =
        Harness::resolve(&harness.files().with_open(Document::new(path("harness.toml"), text.into())), None);
    let rules = &after.manifest().runtime.rule;
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["command-timeout", "loop-identical-fail"]));
    assert_eq!(after.manifest().runtime.tool_timeout.get().as_secs(), 40);
}

#[test]
fn what_cannot_stand_side_by_side() {
    let harness = harness();
    let base = said(&harness, "no-write", "- Look at", "- Look closely at");
    let same = said(&harness, "no-write", "- Answer", "- Reply");
    assert!(matches!(compatible(&base, &same), Err(Incompatible::Mechanism { .. })));
    let overlap = said(&harness, "stuck-red", "- Look at the files.\n", "");
    assert!(matches!(compatible(&base, &overlap), Err(Incompatible::Overlap { .. })));
    let must = said(&harness, "stuck-red", "- Answer", "- Always run the tests.\n- Answer");
    let never = said(&harness, "no-write", "- Look at", "- Never run the tests.\n- Look at");
    assert!(matches!(compatible(&must, &never), Err(Incompatible::Contradiction { .. })));
    let manifest = source(&harness, "harness.toml");
    let limit = |mechanism: &str, after: &str| {
        let text = manifest.replace("\"20s\"", after);
        proposal(&harness, mechanism, "runtime.tool_timeout", "harness.toml", &text)
    };
    let twice = compatible(&limit("command-timeout", "\"40s\""), &limit("context-flood", "\"10s\""));
    assert!(matches!(twice, Err(Incompatible::Value { .. })));
    let mut other = ruled(&harness, "loop-cycle", "Stop.");
    let one = ruled(&harness, "loop-identical-fail", "Go on.");
    other.scope = one.scope.clone();
    assert_eq!(compatible(&one, &other), Err(Incompatible::Trigger));
}

#[test]
fn a_union_that_breaks_a_file_is_none() {
    let harness = harness();
    let fine = said(&harness, "no-write", "- Look at", "- Look closely at");
    let broken = source(&harness, "harness.toml").replace("max_steps = 20", "max_steps = ");
    let broken = proposal(&harness, "stuck-red", "runtime.max_steps", "harness.toml", &broken);
    assert!(matches!(union(&harness, &[&fine, &broken]), Err(NoUnion::Breaks { .. })));
    let lost = said(&harness, "stuck-red", "- Answer", "- {{ nothing_of_that_name }} Answer");
    assert!(matches!(union(&harness, &[&fine, &lost]), Err(NoUnion::Breaks { .. })));
}

#[test]
fn the_best_set_need_not_hold_the_best_candidate() {
    let harness = harness();
    // The first stands in the way of both others.
    let whole = said(&harness, "no-write", "- Look at the files.\n- Work in the directory.\n", "- Begin.\n");
    let look = said(&harness, "stuck-red", "- Look at", "- Look closely at");
    let work = said(&harness, "loop-cycle", "- Work in", "- Stay in");
    let run = said(&harness, "never-verified", "- Run the", "- Then run the");
    let candidates = [(whole, 3.0), (look, 2.0), (work, 1.75), (run, 0.5)];
    let choice = choose(&harness, &candidates, MAX_MEMBERS);
    assert_eq!(choice.chosen, [1, 2, 3]);
    assert!((choice.gain - 4.25).abs() < 1e-9);
    assert!(matches!(choice.left.as_slice(), [(0, Left::Beside { .. })]));
    let text = &choice.files[&path("s.md")];
    assert!(["closely", "Stay", "Then run"].iter().all(|word| text.contains(word)), "{text}");
    // With two places the pair that gains most is taken, and the last waits.
    let choice = choose(&harness, &candidates, 2);
    assert_eq!(choice.chosen, [1, 2]);
    assert_eq!(choice.left[1], (3, Left::Cap));
}

#[test]
fn the_choice_does_not_hang_on_the_order() {
    let harness = harness();
    let mut candidates = vec![
        (said(&harness, "no-write", "- Look at", "- Look closely at"), 1.0),
        (said(&harness, "stuck-red", "- Work in", "- Stay in"), 1.0),
        (said(&harness, "loop-cycle", "- Run the", "- Then run the"), 1.0),
        (said(&harness, "never-verified", "- Answer at", "- Reply at"), 1.0),
    ];
    let named = |candidates: &[(Proposal, f64)]| {
        let choice = choose(&harness, candidates, MAX_MEMBERS);
        let mut names: Vec<&str> =
            choice.chosen.iter().map(|at| candidates[*at].0.mechanism.as_str()).collect();
        names.sort_unstable();
        names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    let first = named(&candidates);
    assert_eq!(first.len(), 3);
    candidates.rotate_left(1);
    assert_eq!(named(&candidates), first);
    candidates.reverse();
    assert_eq!(named(&candidates), first);
}

#[test]
fn what_gains_nothing_is_left_and_nothing_is_chosen_of_nothing() {
    let harness = harness();
    assert_eq!(choose(&harness, &[], MAX_MEMBERS), Choice::default());
    let candidates = [
        (said(&harness, "no-write", "- Look at", "- Look closely at"), 1.0),
        (said(&harness, "stuck-red", "- Work in", "- Stay in"), -0.5),
        (said(&harness, "loop-cycle", "- Run the", "- Then run the"), f64::NAN),
    ];
    let choice = choose(&harness, &candidates, MAX_MEMBERS);
    assert_eq!((choice.chosen.as_slice(), choice.left.len()), ([0].as_slice(), 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever two edits do to different lines, their union has what both do; and taking back what makes it gives the base.
    #[test]
    fn a_union_has_both_edits_and_can_be_taken_back(
        one in 0_usize..4, other in 0_usize..4, first in "[a-z]{3,8}( [a-z]{3,8}){0,3}", second in "[a-z]{3,8}( [a-z]{3,8}){0,3}",
        how in 0_u8..3,
    ) {
        prop_assume!(one != other);
        let harness = harness();
        let lines: Vec<&str> = RULES.lines().collect();
        let edit = |mechanism: &str, at: usize, text: &str| {
            let line = lines[at];
            let new = match how {
                0 => format!("- Now {text}."),
                1 => format!("{line}\n- Now {text}."),
                _ => format!("- Now {text}.\n{line}"),
            };
            said(&harness, mechanism, line, &new)
        };
        let (a, b) = (edit("no-write", one, &first), edit("stuck-red", other, &second));
        let base = source(&harness, "s.md");
        match union(&harness, &[&a, &b]) {
            Ok(files) => {
                let text = &files[&path("s.md")];
                let (first, second) = (format!("- Now {first}."), format!("- Now {second}."));
                prop_assert!(text.contains(&first) && text.contains(&second), "{}", text);
                for (at, line) in lines.iter().enumerate() {
                    prop_assert_eq!(text.contains(line), how != 0 || ![one, other].contains(&at));
                }
                let undo: Vec<TextEdit> = hunk::hunks(text, &base);
                prop_assert_eq!(apply_all(text, &undo), Some(base));
            }
            // Replaced lines that touch are one change to a line-by-line comparison of neither, so they never meet.
            Err(why) => prop_assert!(matches!(why, NoUnion::Incompatible(Incompatible::Contradiction { .. })), "{}", why),
        }
    }
}
