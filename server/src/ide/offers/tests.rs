//! Each title and each reason, who gets offers, and what they never do.

use super::*;
use crate::engine::board::Status;
use crate::ide::actions;
use crate::ide::command::WORDS;
use crate::ide::evidence::fixture::{SYSTEM, TESTED, World, run};

fn at(world: &World, trigger: Trigger, has_only: bool) -> Vec<Offer> {
    let text = &world.files["prompts/system.md"];
    let offset = text.find("before you stop").unwrap();
    offers(&world.site("prompts/system.md"), Span::at(offset), trigger, has_only)
}

fn titles(world: &World) -> Vec<String> {
    at(world, Trigger::Invoked, false).into_iter().map(|offer| offer.title).collect()
}

/// Why the first offer to apply is disabled.
fn disabled(world: &World) -> Option<String> {
    at(world, Trigger::Invoked, false).remove(0).disabled
}

#[test]
fn offers_come_in_their_order() {
    let world = World::validated();
    let expected = [
        "Apply P7: re-read failing output first · held-in 15.5→18/24, held-out 7→8/12 (model-written)",
        "Preview P7",
        "Show evidence for P7 (5 tasks)",
        "Dismiss P7…",
        "Apply P6: re-read failing output first",
        "Preview P6",
        "Show evidence for P6 (rejected: held-out at most 6.5/12)",
        "Validate P6 again on this text…",
        "Dismiss P6…",
        "Show evidence for C-7f3a (5 tasks)",
        "Propose…",
    ];
    assert_eq!(titles(&world), expected);
    let kinds: Vec<&str> =
        at(&world, Trigger::Invoked, false).iter().map(|offer| offer.kind.word()).collect();
    assert!(kinds[..9].iter().all(|kind| *kind == "quickfix.selfHarness.proposal"));
    assert_eq!(kinds[9..], ["quickfix", "quickfix"]);
    let project = world.site("harness.toml").project;
    assert_eq!(resolve(&project, &[7]).unwrap().len(), 1);
    assert_eq!(resolve(&project, &[6]).unwrap_err(), "rejected: held-out at most 6.5/12");
    assert_eq!(resolve(&project, &[5]).unwrap_err(), "not accepted");
}

#[test]
fn other_edits_are_told_and_edits_of_the_surface_refuse() {
    let world = World::validated().edited("prompts/system.md", "Be brief.", "Be very brief.").edited(
        "harness.toml",
        "max_steps = 40",
        "max_steps = 30",
    );
    let all = titles(&world);
    let title = "Apply P7 (measured before 2 other edits): re-read failing output first · held-in 15.5→18/24, held-out 7→8/12 (model-written)";
    assert_eq!(all[0], title);
    // Trials could decide about nothing that was made for another harness.
    assert!(all.iter().all(|title| !title.starts_with("Validate ")), "{all:?}");
    assert_eq!(disabled(&world), None);
    let stale = World::validated().edited("prompts/system.md", "Say what", "Tell what");
    let why = "your edit at line 13 changed the text that was validated";
    assert_eq!(disabled(&stale).as_deref(), Some(why));
    assert!(titles(&stale).contains(&format!("Show evidence for P7 ({why})")));
}

#[test]
fn every_reason_has_an_enabled_twin() {
    let mut world = World::validated();
    world.board.runs = vec![run(Status::Running)];
    assert_eq!(disabled(&world).as_deref(), Some("validation running, 31/72"));
    // What is not over hides what judges, whoever works on it.
    for (status, word) in [(Status::Paused, "paused"), (Status::Interrupted, "interrupted")] {
        world.board.runs = vec![run(status)];
        assert_eq!(disabled(&world), Some(format!("validation {word}, 31/72")));
        let project = world.site("harness.toml").project;
        assert!(resolve(&project, &[7]).is_err());
    }
    world.board.runs = vec![run(Status::Running)];
    world.board.store = StoreState::Imported;
    assert_eq!(disabled(&world).as_deref(), Some("imported"));
    world.board.trust = Trust::Changed(Vec::new());
    assert_eq!(disabled(&world).as_deref(), Some("workspace not trusted"));
    for world in [World::validated(), world] {
        let offers = at(&world, Trigger::Invoked, false);
        for offer in offers.iter().filter(|offer| offer.disabled.is_some()) {
            let why = offer.disabled.as_ref().unwrap();
            let is_twin =
                |other: &&Offer| other.disabled.is_none() && other.title.ends_with(&format!("({why})"));
            assert!(offers.iter().any(|other| is_twin(&other)), "{}", offer.title);
        }
    }
}

#[test]
fn a_union_is_applied_from_each_of_its_parts() {
    let mut world = World::validated();
    world.board.accepted[0].proposals = vec![6, 7];
    let first = at(&world, Trigger::Invoked, false).remove(0);
    assert!(first.title.starts_with("Apply P6 + P7: "), "{}", first.title);
    assert_eq!(first.does, Does::Apply(vec![6, 7]));
    let project = world.site("harness.toml").project;
    let whole = resolve(&project, &[6, 7]).unwrap();
    assert_eq!(whole.len(), 1);
    assert_eq!([resolve(&project, &[6]), resolve(&project, &[7])], [Ok(whole.clone()), Ok(whole)]);
}

#[test]
fn proposing_is_for_every_weakness_and_remembers_which_one_asked() {
    let offers = at(&World::evaluated(), Trigger::Invoked, false);
    let propose = offers.iter().find(|offer| offer.title == "Propose…").unwrap();
    let Does::Run(command) = &propose.does else { panic!("{propose:?}") };
    assert_eq!(
        (command.word(), command.clusters.as_slice()),
        ("propose", [String::from("C-7f3a")].as_slice())
    );
}

#[test]
fn verbs_are_offered_on_the_first_line_to_who_asks() {
    let world = World::evaluated();
    let site = world.site("harness.toml");
    let of = |trigger| -> Vec<String> {
        offers(&site, Span::at(0), trigger, false).into_iter().map(|offer| offer.title).collect()
    };
    assert_eq!(of(Trigger::Invoked), ["Show the report", "Propose for 1 weakness…", "More…"]);
    assert_eq!(of(Trigger::Automatic), Vec::<String>::new());
    let all = offers(&site, Span::at(0), Trigger::Invoked, true);
    assert!(all.iter().all(|offer| offer.kind == Kind::Verb
        && matches!(&offer.does, Does::Run(command) if WORDS.contains(&command.word()))));
}

#[test]
fn ux_26_on_save_there_is_neither_a_verb_nor_a_proposal() {
    let world = World::validated();
    for trigger in [Trigger::Automatic, Trigger::Unknown] {
        assert!(at(&world, trigger, true).is_empty());
    }
    assert!(!at(&world, Trigger::Automatic, false).is_empty());
    // What is made on save and what is preferred comes from the rules of documents alone.
    let site = world.site("prompts/system.md");
    assert!(actions::fix_all(&site).is_empty());
    let offset = SYSTEM.find(TESTED).unwrap();
    let fixes = actions::quick_fixes(&site, Span::at(offset), false);
    assert!(fixes.iter().all(|action| !action.title.contains("P7")));
}

#[test]
fn ux_16_no_offer_is_made_in_files_of_held_out_tasks() {
    let world = World::validated();
    let offers = offers(&world.site("tasks/x-01/task.toml"), Span::at(3), Trigger::Automatic, false);
    assert_eq!(offers, []);
}
