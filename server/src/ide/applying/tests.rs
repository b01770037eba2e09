//! What is applied is what was validated, and nothing else changes.

use proptest::prelude::*;

use super::*;
use crate::ide::evidence::fixture::{MANIFEST, REREAD, SYSTEM, TESTED, World, base, path};

/// The texts after the changes.
fn after(world: &World, changes: &[Change]) -> BTreeMap<String, String> {
    let mut files = world.files.clone();
    let mut edits: BTreeMap<String, Vec<TextEdit>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Edit { file, edit } => edits.entry(file.to_string()).or_default().push(edit.clone()),
            Change::Create { file, text } => assert_eq!(files.insert(file.to_string(), text.clone()), None),
            Change::Move { .. } => panic!("nothing is moved"),
        }
    }
    for (file, edits) in edits {
        let text = apply_all(&files[&file], &edits).unwrap();
        files.insert(file, text);
    }
    files
}

fn apply(world: &World) -> Result<BTreeMap<String, String>, String> {
    let project = world.site("harness.toml").project;
    resolve(&project, &world.board.accepted[0]).map(|changes| after(world, &changes))
}

#[test]
fn on_the_text_that_was_validated_the_edit_is_as_small_as_it_is() {
    let world = World::validated();
    let project = world.site("harness.toml").project;
    let changes = resolve(&project, &world.board.accepted[0]).unwrap();
    assert_eq!(changes.len(), 1);
    let Change::Edit { edit, .. } = &changes[0] else { panic!() };
    assert_eq!((edit.span.len(), edit.new_text.as_str()), (0, "ead failing output again, then r"));
    assert_eq!(after(&world, &changes)["prompts/system.md"], SYSTEM.replace(TESTED, REREAD));
    let applied = World::validated().edited("prompts/system.md", TESTED, REREAD);
    assert_eq!(apply(&applied).unwrap(), applied.files);
}

#[test]
fn an_edit_of_the_surface_is_named_by_its_line() {
    let world = World::validated().edited("prompts/system.md", "Say what", "Tell what");
    let stale = "your edit at line 13 changed the text that was validated";
    assert_eq!(apply(&world).unwrap_err(), stale);
    let gone = World::validated().edited("prompts/system.md", "## Rules", "## Laws");
    assert!(apply(&gone).unwrap_err().starts_with("your edit at line "));
    let mut missing = World::validated();
    missing.files.remove("prompts/system.md");
    assert_eq!(apply(&missing).unwrap_err(), "`prompts/system.md` is not there any more");
}

#[test]
fn new_files_are_made_and_never_overwritten() {
    let mut world = World::validated();
    world.board.accepted[0].files = [(path("skills/a.md"), String::from("new\n"))].into();
    assert_eq!(apply(&world).unwrap()["skills/a.md"], "new\n");
    world.files.insert(String::from("skills/a.md"), String::from("mine\n"));
    assert!(apply(&world).unwrap_err().contains("is there already"));
}

#[test]
fn new_files_come_first_and_are_checked_as_the_others_are() {
    let mut world = World::validated();
    let new = [(path("skills/a.md"), String::from("new\n")), (path("zz.md"), String::from("new\n"))];
    world.board.accepted[0].files.extend(new);
    let project = world.site("harness.toml").project;
    let changes = resolve(&project, &world.board.accepted[0]).unwrap();
    let is_new: Vec<bool> = changes.iter().map(|change| matches!(change, Change::Create { .. })).collect();
    assert_eq!(is_new, [true, true, false]);
    world.board.accepted[0].files = [(path("skills/a.json"), String::from("{\"a\": "))].into();
    assert_eq!(apply(&world).unwrap_err(), "with your edits `skills/a.json` would not parse");
    // A program that a tool runs.
    let run = "\n[[tool]]\nname = \"x\"\ndescription = \"d\"\nrun = [\"bin/x\"]\n";
    world.files.insert(String::from("harness.toml"), format!("{MANIFEST}{run}"));
    world.board.accepted[0].files = [(path("bin/x"), String::from("#!/bin/sh\n"))].into();
    assert!(apply(&world).unwrap_err().contains("what is executed"));
}

#[test]
fn what_is_no_surface_is_applied_at_lines_that_nobody_touched() {
    let rule = "\n[[runtime.rule]]\nid = \"stop\"\nwhen = { event = \"finish\" }\nask_verify = { text = \"look again\" }\n";
    let mut world = World::validated();
    world.board.accepted[0].files = [(path("harness.toml"), format!("{MANIFEST}{rule}"))].into();
    let changed = MANIFEST.replace("max_steps = 40", "max_steps = 30");
    world.files.insert(String::from("harness.toml"), changed.clone());
    assert_eq!(apply(&world).unwrap()["harness.toml"], format!("{changed}{rule}"));
    // What would change what is executed is refused, whoever validated it.
    let run = "\n[[tool]]\nname = \"x\"\ndescription = \"d\"\nrun = [\"bin/x\"]\n";
    world.board.accepted[0].files = [(path("harness.toml"), format!("{MANIFEST}{run}"))].into();
    assert!(apply(&world).unwrap_err().contains("what is executed"));
}

#[test]
fn a_place_is_its_line() {
    let world = World::validated();
    let project = world.site("harness.toml").project;
    let accepted = &world.board.accepted[0];
    let at = place(&project, &path("prompts/system.md"), &accepted.base, &accepted.files).unwrap();
    assert_eq!(at.span().of(SYSTEM), TESTED);
    assert_eq!(place(&project, &path("harness.toml"), &base(), &accepted.files), None);
}

/// Surfaces in each notation, and one of the native agent.
fn notations() -> World {
    let more = "[[tool]]\nname = \"shell\"\nbuiltin = \"shell\"\ndescription = \"Runs a thing.\"\n\
        [[surface]]\nid = \"y\"\nfile = \"config.yaml\"\nselect = [\"yaml\", \"agent\", \"prompt\"]\n\
        [[surface]]\nid = \"j\"\nfile = \"tools.json\"\nselect = [\"json\", \"a\", \"description\"]\n\
        [[surface]]\nid = \"p\"\nfile = \"agent.py\"\nselect = [\"py.const\", \"RULES\"]\n";
    let mut world = World::validated();
    for (file, text) in [
        ("harness.toml", format!("{MANIFEST}{more}").as_str()),
        (
            "config.yaml",
            "# top\nagent:\n  prompt: |\n    Be careful.\n    Runs a thing.\n  other: keep\nlist:\n  - a\n",
        ),
        ("tools.json", "{\n  \"a\": {\"description\": \"Runs a thing.\"},\n  \"b\": 1\n}\n"),
        ("agent.py", "RULES = \"Runs a thing.\"\n\n\ndef f():\n    return 1\n"),
    ] {
        world.files.insert(file.to_owned(), text.to_owned());
    }
    let accepted = &mut world.board.accepted[0];
    accepted.base =
        std::sync::Arc::new(world.files.iter().map(|(file, text)| (path(file), text.clone())).collect());
    let edited = |text: &String| {
        let text = text.replace("Runs a thing.", "Runs one thing.").replace("Be brief.", "Be very brief.");
        text.replace(TESTED, REREAD)
    };
    let changed = accepted.base.iter().map(|(file, text)| (file.clone(), edited(text)));
    accepted.files = changed.filter(|(file, text)| accepted.base[file] != *text).collect();
    assert_eq!(accepted.files.len(), 5);
    world
}

#[test]
fn a_value_that_somebody_else_edited_is_refused_in_each_notation() {
    for (file, line) in [("harness.toml", 26), ("config.yaml", 5), ("tools.json", 2), ("agent.py", 1)] {
        let world = notations().edited(file, "Runs a thing.", "Runs any thing.");
        let stale = format!("your edit at line {line} changed the text that was validated");
        assert_eq!(apply(&world).unwrap_err(), stale, "{file}");
    }
    let world = notations();
    let applied = apply(&world).unwrap();
    let again = World { files: applied.clone(), board: world.board.clone() };
    assert_eq!(apply(&again).unwrap(), applied);
    let project = again.site("harness.toml").project;
    assert!(is_in(&project, &world.board.accepted[0].base, &world.board.accepted[0].files));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn ux_24_apply_changes_no_byte_outside_of_the_surface(
        intro in "[a-z ]{0,9}", style in "(Be [a-z]{1,6}\\.\n){0,3}", tail in "(\n## Extra\n\n[a-z]{1,5}\n)?",
        steps in 1_u32..99, crlf in any::<bool>(), before in "(\n## Zero\n\n[a-z]{1,5}\n)?",
    ) {
        let mut world = World::validated();
        let text = SYSTEM
            .replace("You work", &format!("{intro}You work"))
            .replace("Be brief.\n", &style)
            .replace("\n## Style", &format!("{before}\n## Style"))
            + &tail;
        let ends = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
        world.files.insert(String::from("prompts/system.md"), ends(text.clone()));
        world.files.insert(String::from("harness.toml"), MANIFEST.replace("= 40", &format!("= {steps}")));
        let mut expected = world.files.clone();
        expected.insert(String::from("prompts/system.md"), ends(text.replace(TESTED, REREAD)));
        prop_assert_eq!(apply(&world).unwrap(), expected);
    }

    #[test]
    fn ux_24_apply_changes_no_byte_outside_of_values_in_any_notation(
        word in "[a-z]{1,6}", number in 2_u32..99, comment in "(# [a-z]{1,5}\n){0,2}", end in "(# [a-z]{1,5}\n){0,2}",
    ) {
        let mut world = notations();
        for (file, from, to) in [
            ("harness.toml", "max_steps = 40", format!("{comment}max_steps = {number}")),
            ("config.yaml", "other: keep", format!("other: {word}")),
            ("config.yaml", "# top\n", comment.clone()),
            ("tools.json", "\"b\": 1", format!("\"{word}_\": {number}")),
            ("agent.py", "return 1", format!("return {number}")),
            ("agent.py", "RULES", format!("{comment}RULES")),
            ("prompts/system.md", "You work", format!("{word}\n\nYou work")),
        ] {
            world = world.edited(file, from, &to);
        }
        world.files.get_mut("config.yaml").unwrap().push_str(&end);
        let edited = |text: &str| {
            let text = text.replace("Runs a thing.", "Runs one thing.").replace("Be brief.", "Be very brief.");
            text.replace(TESTED, REREAD)
        };
        let expected: BTreeMap<String, String> =
            world.files.iter().map(|(file, text)| (file.clone(), edited(text))).collect();
        prop_assert_eq!(apply(&world).unwrap(), expected);
    }

    #[test]
    fn ux_24_apply_on_another_text_of_the_surface_is_refused(at in 0_usize..200, new in "[a-z]{1,3}") {
        let start = SYSTEM.find("Read the task").unwrap();
        let body = &SYSTEM[start..];
        let at = start + at % (body.len() - 1);
        let mut world = World::validated();
        let mut text = SYSTEM.to_owned();
        text.insert_str(at, &new);
        world.files.insert(String::from("prompts/system.md"), text);
        let refused = apply(&world).unwrap_err();
        prop_assert!(refused.starts_with("your edit at line "), "{}", refused);
    }
}
