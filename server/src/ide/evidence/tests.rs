//! Problems in their exact words, where they stand and when they are gone.

use insta::assert_snapshot;

use super::fixture::{REREAD, TESTED, World, run, stopped};
use super::*;
use crate::engine::board::{Environment, Status};

/// The problems of a file, as they are shown.
fn shown(world: &World, file: &str, switches: Switches) -> String {
    let site = world.site(file);
    let document = site.project.harness().document(&site.file).unwrap().clone();
    let line = |problem: &Problem| {
        let line = document.text().line_of(problem.span.start as usize) + 1;
        let text = problem.span.of(document.source()).escape_debug();
        let severity = format!("{:?}", problem.severity).to_lowercase();
        format!(
            "{line}: {severity} {} {}\n    {}\n    at `{text}`",
            problem.rule.id, problem.message, problem.why
        )
    };
    problems(&site, switches).iter().map(line).collect::<Vec<_>>().join("\n")
}

fn codes(world: &World, file: &str, switches: Switches) -> Vec<(&'static str, Severity)> {
    problems(&world.site(file), switches).iter().map(|problem| (problem.rule.id, problem.severity)).collect()
}

#[test]
fn problems_of_a_prompt_and_of_the_manifest() {
    let mut world = World::validated();
    world.board.environment = vec![
        Environment {
            code: "SH903",
            at: Spot::Key(&["model", "key_env"]),
            message: String::from("variable `MODEL_API_KEY` is not set here"),
            why: String::from("a start would end at the first call"),
        },
        Environment {
            code: "SH906",
            at: Spot::Task(String::from("t-01")),
            message: String::from("task `t-01` fails its own `solution/solve.sh`"),
            why: String::from("it counts as failed whatever the harness says"),
        },
    ];
    assert_snapshot!("prompt", shown(&world, "prompts/system.md", Switches::default()));
    assert_snapshot!("manifest", shown(&world, "harness.toml", Switches::default()));
    let none = Switches { evidence: false, ..Switches::default() };
    assert_eq!(codes(&world, "prompts/system.md", none), []);
    assert_eq!(codes(&world, "harness.toml", none).len(), 2);
}

#[test]
fn old_scores_are_told_on_line_1() {
    let world = World::evaluated().edited("prompts/system.md", "Be brief.", "Be very brief.").edited(
        "prompts/system.md",
        "Say what",
        "Tell what",
    );
    let problem = problems(&world.site("harness.toml"), Switches::default()).remove(0);
    assert_eq!((problem.rule.id, problem.message.as_str()), ("SH804", "2 edits since r-0142"));
    assert_eq!(problem.span.start, 0);
}

#[test]
fn a_habit_and_many_weaknesses_are_told() {
    let mut world = World::evaluated();
    let mined = world.board.mined.as_mut().unwrap();
    mined.weaknesses[0].is_habit = true;
    let one = mined.weaknesses[0].clone();
    for at in 0..12 {
        mined.weaknesses.push(Weakness { name: format!("C-{at:04}"), ..one.clone() });
    }
    let problems = problems(&world.site("prompts/system.md"), Switches::default());
    assert_eq!(problems.len(), MAX_WEAKNESSES);
    let habit = "5 of 11 failing tasks, passing ones too: stops without checking its last change (C-7f3a)";
    assert!(problems.iter().any(|problem| problem.message == habit));
    assert!(problems.iter().any(|problem| problem.why.ends_with("; 3 weaknesses more in this file")));
    let rest = &mut world.board.mined.as_mut().unwrap().weaknesses;
    rest.iter_mut().for_each(|weakness| weakness.actionable = String::from("suspect-task"));
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()), []);
}

#[test]
fn a_hand_edit_that_lost_is_told_while_it_is_there() {
    let mut world = World::validated();
    let edit = world.board.proposals.get_mut(&7).unwrap();
    edit.author = String::from("you");
    edit.decision = Some(Decision::named("rejected", "confirm-held-in").unwrap());
    let measured = edit.measured.as_mut().unwrap();
    measured.sides.truncate(1);
    (measured.sides[0].baseline, measured.sides[0].candidate, measured.sides[0].flips) = (18.0, 16.0, (1, 3));
    measured.comparison.as_mut().unwrap().gain = -0.05;
    world.board.accepted.clear();
    assert!(codes(&world, "prompts/system.md", Switches::default()).iter().all(|(id, _)| *id != "SH803"));
    let world = world.edited("prompts/system.md", TESTED, REREAD);
    let text = shown(&world, "prompts/system.md", Switches::default());
    assert!(text.contains("SH803 your edit lost 3 tasks and won 1: held-in 18→16/24 (+1 −3)"), "{text}");
    let mut world = world;
    world.board.proposals.get_mut(&7).unwrap().measured.as_mut().unwrap().comparison.as_mut().unwrap().gain =
        -0.01;
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()), []);
}

#[test]
fn ux_15_an_open_run_changes_nothing_here() {
    let mut world = World::validated();
    let texts = |world: &World| {
        ["prompts/system.md", "harness.toml"].map(|file| shown(world, file, Switches::default())).join("\n")
    };
    let before = texts(&world);
    world.board.runs = vec![run(Status::Running)];
    assert_eq!(texts(&world), before);
}

#[test]
fn ux_16_a_file_of_a_held_out_task_shows_nothing_whatever_the_store_says() {
    let mut world = World::validated();
    let task = "tasks/x-01/task.toml";
    let mined = world.board.mined.as_mut().unwrap();
    let mut texts = mined.texts.as_ref().clone();
    texts.insert(super::fixture::path(task), world.files[task].clone());
    mined.texts = texts.into();
    let place = &mut mined.weaknesses[0].places[0];
    (place.file, place.start, place.end) = (Some(super::fixture::path(task)), 0, 7);
    assert!(problems(&world.site(task), Switches::default()).is_empty());
    assert!(crate::ide::told::told(&world.site(task), 3).is_none());
}

#[test]
fn ux_16_a_task_that_judges_now_is_no_suspect() {
    let mut world = World::validated();
    world.board.mined.as_mut().unwrap().suspects.push(String::from("x-01"));
    let text = shown(&world, "harness.toml", Switches::default());
    assert!(text.contains("SH807 no harness ever passed task `t-12`"), "{text}");
    assert!(!text.contains("task `x-01`"), "{text}");
}

#[test]
fn the_machine_of_a_foreign_store_is_nobodys_problem() {
    let mut world = World::bare();
    world.board.environment = vec![Environment {
        code: "SH903",
        at: Spot::Key(&["model"]),
        message: String::from("variable `MODEL_API_KEY` is not set here"),
        why: String::new(),
    }];
    world.board.trust = Trust::Untrusted;
    let known = |world: &World| codes(world, "harness.toml", Switches::default()).len();
    assert_eq!(known(&world), 1);
    world.board.store = crate::engine::board::StoreState::Imported;
    assert_eq!(known(&world), 0);
}

#[test]
fn ux_18_the_same_board_gives_the_same_problems() {
    let world = World::validated();
    let once = problems(&world.site("prompts/system.md"), Switches::default());
    assert_eq!(once, problems(&world.site("prompts/system.md"), Switches::default()));
    assert_eq!(once.len(), 2);
}

#[test]
fn ux_19_an_edit_outside_keeps_a_weakness_and_one_inside_makes_it_old() {
    let old = Switches { show_old: true, ..Switches::default() };
    let world = World::evaluated().edited("prompts/system.md", "You work", "New line.\n\nYou work");
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()), [("SH802", Severity::Warning)]);
    let problem = problems(&world.site("prompts/system.md"), old).remove(0);
    assert_eq!(problem.span.of(&world.files["prompts/system.md"]), TESTED);
    let world = world.edited("prompts/system.md", TESTED, "Run all tests before you stop.");
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()), []);
    assert_eq!(codes(&world, "prompts/system.md", old), [("SH802", Severity::Hint)]);
    assert!(shown(&world, "prompts/system.md", old).contains("(C-7f3a) · old"));
    let world = world.edited("prompts/system.md", "Run all tests before you stop.", TESTED);
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()), [("SH802", Severity::Warning)]);
}

#[test]
fn what_is_applied_or_dismissed_waits_no_more() {
    let waits = |world: &World| !accepted::waiting(&world.site("harness.toml").project).is_empty();
    let world = World::validated();
    assert!(waits(&world));
    let mut dismissed = World::validated();
    dismissed.board.proposals.get_mut(&7).unwrap().is_dismissed = true;
    assert!(!waits(&dismissed));
    let applied = world.edited("prompts/system.md", TESTED, REREAD);
    assert!(!waits(&applied));
    // With another edit it is still in, and its weakness is answered.
    let other = applied.edited("prompts/system.md", "Be brief.", "Be very brief.");
    assert!(!waits(&other));
    assert!(weaknesses(&other.site("prompts/system.md")).iter().all(|weak| weak.is_old));
}

#[test]
fn of_a_project_that_nobody_trusts_only_what_this_machine_wrote_is_shown() {
    let mut world = World::validated();
    world.board.trust = Trust::Untrusted;
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()).len(), 2);
    world.board.store = crate::engine::board::StoreState::Imported;
    assert_eq!(codes(&world, "prompts/system.md", Switches::default()), []);
    world.board.trust = Trust::Changed(vec![String::from("tests/test.sh")]);
    let severities = codes(&world, "prompts/system.md", Switches::default());
    assert!(severities.contains(&("SH802", Severity::Hint)), "{severities:?}");
}

#[test]
fn ux_22_what_stopped_early_has_bounds_and_no_point() {
    let text = standing::gains(&stopped(), true);
    assert_eq!(text, "held-in 8–11/24, held-out 3.5–6.5/12");
}
