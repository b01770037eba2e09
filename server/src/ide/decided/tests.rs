//! What a decision says of itself, wherever it is shown.

use regex::Regex;

use super::*;
use crate::engine::board::Status;
use crate::ide::evidence::fixture::{World, measured, run, stopped};
use crate::ide::switches::Switches;
use crate::ide::{evidence, hints, hover, pages, tree};
use crate::workspace::Site;
use harness_schema::text::Span;

#[test]
fn decisions_name_gate_reason_look_and_strength() {
    let world = World::validated();
    let told = |number: u32| decision(&world.board, &world.board.proposals[&number]);
    assert_eq!(
        told(7),
        "P7 accepted (certified gate): held-in 15.5→18/24 ×4 (+3 −0) · held-out 7→8/12 ×4 (+1 −0) · look 9 · strong"
    );
    assert_eq!(
        told(6),
        "P6 rejected (certified gate, screen-held-out): held-out at most 6.5/12, baseline 7/12 · look 9 · bounds only"
    );
    let words = [Gate::Certified, Gate::Exact, Gate::Paper].map(gate_word);
    assert_eq!(words, ["certified", "exact", "paper"]);
}

#[test]
fn a_hover_says_what_the_page_says_while_the_run_goes_on() {
    let mut world = World::validated();
    let six = world.board.proposals.get_mut(&6).unwrap();
    (six.decision, six.measured, six.run) = (None, None, String::from("r-0148"));
    world.board.runs = vec![run(Status::Paused)];
    let site = world.site("prompts/system.md");
    let offset = world.files["prompts/system.md"].find("before you stop").unwrap();
    let text = crate::ide::told::told(&site, offset).unwrap().text;
    assert!(text.contains("P6 has no decision yet: its scores are shown when the run is over"), "{text}");
}

const GATES: [Gate; 3] = [Gate::Certified, Gate::Exact, Gate::Paper];

/// How strong a comparison can be.
const STRENGTHS: [&str; 4] = ["strong", "moderate", "weak", "indistinct"];

/// A world in which P7 was accepted, and this was decided of P6.
fn world_of(decision: Decision, gate: Gate, is_whole: bool) -> World {
    let mut world = World::validated();
    let six = world.board.proposals.get_mut(&6).unwrap();
    (six.decision, six.gate) = (Some(decision), Some(gate));
    six.measured = Some(if is_whole { measured((15.5, 16.0), (7.0, 7.0), 1.2) } else { stopped() });
    world
}

#[test]
fn ux_23_every_decision_names_its_gate_and_reason_its_strength_and_its_look() {
    let held_out = Regex::new(r"held-out (at most )?[0-9]").unwrap();
    for (decision, gate, is_whole) in Decision::all()
        .flat_map(|decision| GATES.map(|gate| (decision, gate)))
        .flat_map(|(decision, gate)| [(decision, gate, true), (decision, gate, false)])
        // Nothing is accepted that was stopped before its end.
        .filter(|(decision, _, is_whole)| *is_whole || *decision != Decision::Accepted)
    {
        let world = world_of(decision, gate, is_whole);
        let text = said(&world.board, &world.board.proposals[&6]);
        let (head, rest) = text.split_once(": ").unwrap();
        let why = Some(decision.why()).filter(|why| !why.is_empty()).map(|why| format!(", {why}"));
        let names = format!("{} ({} gate{})", decision.word(), gate_word(gate), why.unwrap_or_default());
        assert_eq!(head, names);
        assert!(!held_out.is_match(rest) || rest.contains(" · look 9"), "{text}");
        let strength = rest.rsplit(" · ").next().unwrap().split(';').next().unwrap();
        assert_eq!(STRENGTHS.contains(&strength), is_whole, "{text}");
        assert!(is_whole || strength == "bounds only", "{text}");
    }
}

/// Everything that is shown of decisions at once, by where it is shown.
fn shown(world: &World) -> Vec<(&'static str, String)> {
    let site = |file: &str| -> Site { world.site(file) };
    let prompt = site("prompts/system.md");
    let mut shown = Vec::new();
    for problem in evidence::problems(&prompt, Switches::default()) {
        shown.push(("a problem", format!("{}\n{}", problem.message, problem.why)));
    }
    let all = Span { start: 0, end: u32::MAX };
    for hint in hints::hints(&prompt, all, Switches::default()) {
        shown.push(("a hint", format!("{}\n{}", hint.text(), hint.tooltip)));
    }
    let offset = world.files["prompts/system.md"].find("before you stop").unwrap();
    let text = hover::hover(&prompt, offset).unwrap().text;
    let decisions = text.split("\n\n").filter(|part| part.starts_with('P') && part.contains(" gate"));
    shown.extend(decisions.map(|part| ("a hover", part.to_owned())));
    for root in ["proposals", "lineage"] {
        for item in tree::items(&prompt.project, Some(root)) {
            shown.push(("the tree", format!("{}\n{}\n{}", item.text, item.detail, item.tooltip)));
        }
    }
    for name in [pages::name::Name::Proposal(6), pages::name::Name::Proposal(7)] {
        let page = pages::page(&prompt.project, &name, &|_| None).unwrap();
        shown.push(("a page", page.text));
    }
    shown
}

#[test]
fn ux_23_wherever_a_decision_is_shown_nothing_of_that_is_missing() {
    let held_out = Regex::new(r"held-out (at most )?[0-9]").unwrap();
    let mut places = std::collections::BTreeSet::new();
    let world = world_of(Decision::named("rejected", "screen-held-out").unwrap(), Gate::Certified, false);
    for (place, text) in shown(&world) {
        let is_decision = ["accepted", "rejected"].iter().any(|word| text.contains(word));
        // The start of the lineage is a harness, and no decision.
        if !is_decision || !held_out.is_match(&text) {
            continue;
        }
        places.insert(place);
        assert!(text.contains("certified gate"), "{place}: {text}");
        assert!(text.contains("look 9"), "{place}: {text}");
        let is_strong = STRENGTHS.iter().any(|word| text.contains(word));
        assert!(is_strong || !text.contains("accepted"), "{place}: {text}");
        assert!(!text.contains("rejected") || text.contains("screen-held-out"), "{place}: {text}");
    }
    let expected = ["a hint", "a hover", "a page", "a problem", "the tree"];
    assert_eq!(places.into_iter().collect::<Vec<_>>(), expected);
}
