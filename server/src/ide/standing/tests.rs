//! Each text of the status bar and of the first lens.

use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::engine::board::Environment;
use crate::engine::board::Spot;
use crate::ide::evidence::fixture::{World, measured, run, side, stopped};

fn says(world: &World) -> (String, String) {
    let project = world.site("harness.toml").project;
    (state(&project), status([&project]).text)
}

#[track_caller]
fn shows_both(world: &World, lens: &str, bar: &str) {
    assert_eq!(says(world), (lens.to_owned(), bar.to_owned()));
}

fn with_run(status: RunStatus, cause: &str) -> World {
    let mut world = World::evaluated();
    world.board.runs = vec![RunLine { cause: cause.to_owned(), ..run(status) }];
    world
}

#[test]
fn that_scores_are_bounds_is_said_once() {
    let mut world = World::evaluated();
    let scored = &mut world.board.measured[0];
    scored.held_in.as_mut().unwrap().unrun = 3;
    let text = scores(&world.board.measured[0]);
    assert!(text.contains(" · bounds only · held-out "), "{text}");
    world.board.measured[0].held_out.as_mut().unwrap().unrun = 2;
    let text = scores(&world.board.measured[0]);
    assert!(text.ends_with(" · bounds only") && text.matches("bounds only").count() == 1, "{text}");
}

#[test]
fn every_state_has_its_words() {
    shows_both(&World::bare(), "Not measured", "harness: not measured");
    let scores = "held-in 15.5/24 · held-out 7/12";
    shows_both(&World::evaluated(), scores, scores);
    let one = World::evaluated().edited("prompts/system.md", "Be brief.", "Be very brief.");
    shows_both(&one, "Scores are 1 edit old", "held-in 15.5/24 · held-out 7/12 · 1 edit old");
    let two = one.edited("prompts/system.md", "Say what", "Tell what");
    shows_both(&two, "Scores are 2 edits old", "held-in 15.5/24 · held-out 7/12 · 2 edits old");
    let undone = two.edited("prompts/system.md", "Be very brief.", "Be brief.").edited(
        "prompts/system.md",
        "Tell",
        "Say",
    );
    shows_both(&undone, scores, scores);
    let line = "31/72 trials · $0.34 of $5.00 · about 6 min";
    shows_both(&with_run(RunStatus::Running, ""), line, "harness 31/72 · $0.34");
    shows_both(&with_run(RunStatus::Queued, "r-0147 runs"), "Queued: r-0147 runs", "harness queued");
    let cause = "provider answered 503 since 14:02";
    let paused = "Paused: provider answered 503 since 14:02";
    shows_both(&with_run(RunStatus::Paused, cause), paused, "harness paused: provider 503");
    let interrupted = with_run(RunStatus::Interrupted, "");
    shows_both(&interrupted, "Interrupted at 31/72 trials", "harness interrupted at 31/72");
    shows_both(&with_run(RunStatus::Result, ""), scores, scores);
    let mut world = World::evaluated();
    world.board.environment = vec![Environment {
        code: "SH904",
        at: Spot::Key(&["agent"]),
        message: String::from("no sandbox"),
        why: String::new(),
    }];
    shows_both(&world, scores, "harness: sandbox unavailable");
    world.board.trust = Trust::Changed(vec![String::from("a"), String::from("b")]);
    shows_both(&world, scores, "harness: review 2 changes");
    world.board.trust = Trust::Untrusted;
    shows_both(&world, "Checks only: workspace not trusted", "harness: checks only");
    let mut world = World::bare();
    world.board.store = StoreState::Unreadable(String::from("it is no database"));
    let lens = "Cannot read state.db: it is no database, checks work";
    shows_both(&world, lens, "harness: cannot read state.db");
}

#[test]
fn health_is_the_worst_and_what_runs_is_told_first() {
    let small = |manifest: &str| {
        let mut world = World::bare();
        world.files = [("harness.toml", manifest), ("s.md", "Hello there.\n")]
            .map(|(file, text)| (file.to_owned(), text.to_owned()))
            .into();
        world.site("harness.toml").project
    };
    let fine = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\nsystem = \"s.md\"\n";
    let calm = small(fine);
    let known = Status { text: String::from("harness: not measured"), health: Health::Ok, quiescent: true };
    assert_eq!(status([&calm]), known);
    assert_eq!(status([&small(&format!("{fine}[x"))]).health, Health::Error);
    assert_eq!(status([&small(&fine.replace("s.md", "t.md"))]).health, Health::Warning);
    let busy = with_run(RunStatus::Running, "").site("harness.toml").project;
    let both = status([&calm, &busy]);
    assert_eq!((both.text.as_str(), both.quiescent), ("harness 31/72 · $0.34 · 2 harnesses", false));
    assert_eq!(status([]).text, "harness: checks only");
}

#[test]
fn refusals_name_what_decides() {
    let mut world = World::validated();
    let refused = |world: &World| refusal(&world.board, &world.board.proposals[&6]);
    assert_eq!(refused(&world).unwrap(), "rejected: held-out at most 6.5/12");
    assert_eq!(refusal(&world.board, &world.board.proposals[&7]), None);
    let six = world.board.proposals.get_mut(&6).unwrap();
    six.decision = Decision::named("held", "small-effect");
    assert_eq!(refused(&world).unwrap(), "held: small-effect");
    let six = world.board.proposals.get_mut(&6).unwrap();
    six.decision = Decision::named("rejected", "confirm-held-in");
    six.measured = Some(measured((15.5, 15.25), (7.0, 7.0), 0.0));
    assert_eq!(refused(&world).unwrap(), "rejected: held-in 15.5→15.25/24");
    let six = world.board.proposals.get_mut(&6).unwrap();
    (six.decision, six.run) = (Decision::named("undecided", "void-cells"), String::from("r-0148"));
    assert_eq!(refused(&world).unwrap(), "undecided: void-cells");
    let mut line = run(RunStatus::Undecided);
    line.progress.void = 9;
    world.board.runs = vec![line];
    assert_eq!(refused(&world).unwrap(), "undecided: 9 of 72 trials void");
}

fn grammar() -> Regex {
    let n = r"\d+(\.\d+)?";
    let split = "(held-in|held-out|sealed)";
    Regex::new(&format!(r"^{split} ({n}|{n}→{n}|{n}–{n})/\d+( \(\+\d+ −\d+\))?$")).unwrap()
}

proptest! {
    #[test]
    fn ux_21_every_score_parses_and_unequal_values_never_print_alike(
        repeats in 1_u32..6, baseline in 0_u32..60, candidate in 0_u32..60, fixed in 0_u32..9, broken in 0_u32..9,
    ) {
        let values = [baseline, candidate].map(|value| f64::from(value) / f64::from(repeats));
        let mut of = measured((0.0, 0.0), (0.0, 0.0), 0.0);
        of.sides = vec![side(Split::HeldIn, 60, (values[0], values[1]), (fixed, broken))];
        let text = gains(&of, true);
        prop_assert!(grammar().is_match(&text), "{}", text);
        let (before, after) = text.split_once('→').unwrap();
        let after = after.split('/').next().unwrap();
        prop_assert_eq!(before.ends_with(&format!(" {after}")), baseline == candidate, "{}", text);
    }

    #[test]
    fn ux_22_a_candidate_that_stopped_early_has_no_point(low in 0_u32..9, more in 1_u32..9) {
        let mut of = stopped();
        for side in &mut of.sides {
            side.bounds = (f64::from(low), f64::from(low + more));
        }
        let text = gains(&of, true);
        prop_assert!(!text.contains('→') && !text.contains('+'), "{}", text);
        for score in text.split(", ") {
            prop_assert!(grammar().is_match(score) && score.contains('–'), "{}", score);
        }
    }
}

#[test]
fn a_text_is_shown_in_one_line_without_what_nobody_sees() {
    assert_eq!(shown("a\u{1b}[31m b\n\u{202e}c\u{200b}\t d"), "a [31m b c d");
}
