//! Each text of the lenses, and how many there are.

use super::*;
use crate::engine::board::Status;
use crate::ide::evidence::fixture::{REREAD, TESTED, World, run};

fn titles(world: &World, file: &str) -> Vec<String> {
    lenses(&world.site(file)).into_iter().map(|lens| lens.title).collect()
}

fn with_run(status: Status) -> World {
    let mut world = World::validated();
    world.board.runs = vec![run(status)];
    world
}

fn untrusted() -> World {
    let mut world = World::validated();
    world.board.trust = Trust::Untrusted;
    world
}

#[test]
fn the_next_step_is_the_second_lens() {
    let next = |world: &World| titles(world, "harness.toml").remove(1);
    assert_eq!(next(&World::bare()), "Evaluate 36 tasks ×2 (about $1.10–2.40, 14 min)");
    assert_eq!(next(&World::evaluated()), "Propose for 1 weakness…");
    assert_eq!(next(&World::validated()), "Review 1 accepted proposal");
    let mut union = World::validated();
    union.board.accepted[0].proposals = vec![6, 7];
    assert_eq!(next(&union), "Review 2 accepted proposals");
    assert_eq!(next(&with_run(Status::Running)), "Cancel");
    assert_eq!(next(&with_run(Status::Paused)), "Resume…");
    assert_eq!(next(&untrusted()), "Trust…");
    let mut world = World::evaluated();
    world.board.next.waiting = vec![8, 9];
    assert_eq!(next(&world), "Validate 2 proposals…");
    let edited = world.edited("prompts/system.md", "Be brief.", "Be very brief.");
    assert_eq!(next(&edited), "Evaluate 36 tasks ×2 (about $1.10–2.40, 14 min)");
    let mut world = World::bare();
    world.board.next.missing_key = Some(String::from("MODEL_API_KEY"));
    assert_eq!(next(&world), "Set model key…");
    assert_eq!(titles(&World::evaluated(), "harness.toml")[0], "held-in 15.5/24 · held-out 7/12");
    assert_eq!(titles(&World::evaluated(), "harness.toml")[2], "More…");
}

#[test]
fn what_starts_something_without_a_price_asks() {
    let mut world = World::bare();
    world.board.next.price.clear();
    let next = |world: &World| titles(world, "harness.toml").remove(1);
    assert_eq!(next(&world), "Evaluate 36 tasks ×2…");
    let mut with_price = World::evaluated();
    let price = |text: &str| text.to_owned();
    with_price.board.next.propose = price("about $0.20");
    with_price.board.next.validate = price("about $1.80");
    with_price.board.next.resume = price("about $0.70");
    assert_eq!(next(&with_price), "Propose for 1 weakness (about $0.20)");
    with_price.board.next.waiting = vec![8, 9];
    assert_eq!(next(&with_price), "Validate 2 proposals (about $1.80)");
    let command = lenses(&with_price.site("harness.toml")).remove(1).command.unwrap();
    assert_eq!((command.price.as_deref(), command.proposals), (Some("about $1.80"), vec![8, 9]));
    with_price.board.runs = vec![run(Status::Interrupted)];
    assert_eq!(next(&with_price), "Resume (about $0.70)");
    world.board.next.tasks = 0;
    assert_eq!(next(&world), "Evaluate…");
    world.board.next.price = String::from("free");
    world.board.next.seconds = None;
    assert_eq!(next(&world), "Evaluate (free)");
}

#[test]
fn a_run_that_has_spent_what_it_may_is_raised_and_goes_on() {
    let mut world = with_run(Status::Result);
    let first = |world: &World| titles(world, "harness.toml");
    let harness = world.site("harness.toml").project.identity().to_string();
    let run = &mut world.board.runs[0];
    (run.is_capped, run.cause) = (true, String::from("$5.00 spent, 58/72 trials"));
    // Of another harness it says nothing here.
    assert_eq!(first(&world)[0], "held-in 15.5/24 · held-out 7/12");
    world.board.runs[0].harness = harness;
    assert_eq!(first(&world)[..2], ["Paused: $5.00 spent, 58/72 trials", "Raise and Resume…"]);
    let project = world.site("harness.toml").project;
    assert_eq!(standing::status([&project]).text, "harness paused: $5.00 spent");
    let resume = lenses(&world.site("harness.toml")).remove(1).command.unwrap();
    assert_eq!((resume.word(), resume.run.as_deref()), ("resume", Some("r-0148")));
    // Something newer was run.
    world.board.runs.insert(0, super::super::evidence::fixture::run(Status::Result));
    assert_eq!(first(&world)[0], "held-in 15.5/24 · held-out 7/12");
}

#[test]
fn the_first_lens_leads_to_the_run_that_is_not_over() {
    for status in [Status::Running, Status::Paused, Status::Interrupted] {
        let state = lenses(&with_run(status).site("harness.toml")).remove(0);
        assert_eq!(state.command.unwrap().run.as_deref(), Some("r-0148"), "{}", state.title);
    }
}

#[test]
fn a_document_says_what_was_found_in_it() {
    assert_eq!(titles(&World::bare(), "prompts/system.md"), ["Not measured"]);
    assert_eq!(titles(&World::evaluated(), "prompts/system.md"), ["1 weakness"]);
    assert_eq!(titles(&World::validated(), "prompts/system.md"), ["1 weakness · P7 accepted"]);
    assert_eq!(titles(&World::validated(), "tasks/t-01/task.toml"), ["No weakness found here"]);
    let applied = World::validated().edited("prompts/system.md", TESTED, REREAD);
    assert_eq!(titles(&applied, "prompts/system.md"), ["1 weakness · old"]);
    let mut changed = World::evaluated();
    changed.board.trust = Trust::Changed(vec![String::from("tests/test.sh")]);
    assert_eq!(titles(&changed, "prompts/system.md"), ["1 weakness · old"]);
}

#[test]
fn ux_28_three_lenses_on_the_manifest_and_one_elsewhere_in_every_state() {
    let states = [
        Status::Queued,
        Status::Running,
        Status::Stopping,
        Status::Paused,
        Status::Interrupted,
        Status::Failed,
    ];
    let worlds = [World::bare(), World::evaluated(), World::validated(), untrusted()];
    let mut broken = World::validated();
    broken.files.insert(String::from("harness.toml"), String::from("[x"));
    for world in worlds.into_iter().chain(states.map(with_run)) {
        for (file, count) in [("harness.toml", 3), ("prompts/system.md", 1), ("tasks/x-01/task.toml", 1)] {
            let lenses = lenses(&world.site(file));
            assert_eq!(lenses.len(), count, "{file}");
            for lens in lenses {
                assert!(lens.span.start == 0 && !lens.title.is_empty());
                let word = lens.command.as_ref().map(Command::word);
                assert!(word.is_none_or(|word| crate::ide::command::WORDS.contains(&word)), "{word:?}");
            }
        }
    }
    assert_eq!(lenses(&broken.site("harness.toml")).len(), 3);
}

#[test]
fn ux_15_no_score_is_in_a_lens_while_a_run_is_open() {
    for status in [Status::Queued, Status::Running, Status::Stopping] {
        let titles = titles(&with_run(status), "harness.toml").join("\n");
        assert!(!titles.contains("held-"), "{titles}");
    }
}
