//! Each text of the hints, their length and their actions.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::engine::board::Status;
use crate::ide::evidence::fixture::{SYSTEM, TESTED, World, run};
use crate::ide::offers::{self, Does, Trigger};

const ALL: Span = Span { start: 0, end: u32::MAX };

fn texts(world: &World, file: &str, switches: Switches) -> Vec<String> {
    hints(&world.site(file), ALL, switches).iter().map(Hint::text).collect()
}

#[test]
fn hints_stand_at_the_end_of_their_lines() {
    let world = World::validated();
    let all = Switches::default();
    assert_eq!(texts(&world, "prompts/system.md", all), ["C-7f3a · 5 of 11 fail", "P7 accepted"]);
    assert_eq!(texts(&world, "harness.toml", all), ["max_steps hit 11/48"]);
    let end = SYSTEM.find(TESTED).unwrap() + TESTED.len();
    let site = world.site("prompts/system.md");
    assert!(hints(&site, ALL, all).iter().all(|hint| hint.offset == end));
    assert!(hints(&site, Span::new(0, 5), all).is_empty());
    assert!(texts(&world, "prompts/system.md", Switches { hints: false, ..all }).is_empty());
    assert_eq!(texts(&world, "prompts/system.md", Switches { weaknesses: false, ..all }), ["P7 accepted"]);
    let sizes = Switches { weaknesses: false, proposals: false, tokens: true, ..all };
    let sizes = texts(&world, "prompts/system.md", sizes);
    assert!(
        2 <= sizes.len() && sizes.iter().all(|text| text.starts_with('≈') && text.ends_with(" tokens")),
        "{sizes:?}"
    );
    let edited = World::evaluated().edited("prompts/system.md", TESTED, "Run all tests before you stop.");
    assert_eq!(texts(&edited, "prompts/system.md", all), ["C-7f3a · 5 of 11 · old"]);
    let edited = World::evaluated().edited("harness.toml", "max_steps = 40", "max_steps = 50");
    assert_eq!(texts(&edited, "harness.toml", all), ["max_steps hit 11/48 · old"]);
}

#[test]
fn ux_15_no_hint_appears_or_changes_while_a_run_is_open() {
    let mut world = World::validated();
    let before = texts(&world, "prompts/system.md", Switches::default());
    world.board.runs = vec![run(Status::Running)];
    assert_eq!(texts(&world, "prompts/system.md", Switches::default()), before);
}

#[test]
fn ux_30_a_file_that_no_manifest_names_has_no_site() {
    let mut world = World::validated();
    world.files.insert(String::from("notes.md"), String::from("# Rules\n"));
    assert!(world.workspace().snapshot().site(Path::new("/p/notes.md")).is_none());
    assert!(world.workspace().snapshot().site(Path::new("/q/harness.toml")).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ux_29_no_hint_is_long_and_each_of_its_actions_is_an_action(
        support in any::<u32>(), failed in any::<u32>(), number in any::<u32>(), name in "C-[0-9a-f]{4,40}",
    ) {
        let mut world = World::validated();
        let mined = world.board.mined.as_mut().unwrap();
        mined.failed = failed;
        mined.weaknesses[0].support = support;
        mined.weaknesses[0].name = name;
        world.board.accepted[0].proposals = vec![7, number];
        let site = world.site("prompts/system.md");
        for hint in hints(&site, ALL, Switches { tokens: true, ..Switches::default() }) {
            prop_assert!(hint.text().chars().count() <= MAX_CHARS, "{}", hint.text());
            let offers = offers::offers(&site, Span::at(hint.offset), Trigger::Invoked, false);
            for command in hint.parts.iter().filter_map(|part| part.command.as_ref()) {
                let is_it = |offer: &offers::Offer| matches!(&offer.does, Does::Run(other) if other == command);
                prop_assert!(offers.iter().any(is_it), "{:?}", command);
            }
        }
    }
}
