//! The hover's words, its length, and that payload stays payload.

use super::*;
use crate::ide::evidence::fixture::{SYSTEM, World};
use crate::ide::hover;

fn at(world: &World) -> String {
    let offset = world.files["prompts/system.md"].find("before you stop").unwrap();
    hover::hover(&world.site("prompts/system.md"), offset).unwrap().text
}

#[test]
fn a_line_tells_its_weakness_what_was_seen_and_what_was_tried() {
    let tokens = approx_tokens("\nRead the task first.\nRun the tests before you stop.\nSay what you did.\n");
    let text = at(&World::validated());
    let expected = [
        "stops without checking its last change · C-7f3a · 5 of 11 failing held-in tasks",
        "value.mismatch · direct · line 12 asks for this in vain",
        "```text\nt-04 #1, step 31 of 40: FAILED test_total - assert 41 == 42\n```",
    ];
    assert!(text.starts_with(&expected.join("\n\n")), "{text}");
    let around = text.lines().find(|line| line.starts_with("P7 accepted, P6 rejected · ≈")).unwrap();
    assert!(around.ends_with(" tokens, limit 400"), "{around}");
    let told: usize = around.split(['≈', ' ']).find_map(|word| word.parse().ok()).unwrap();
    assert!(told.abs_diff(tokens) <= 1, "{around}");
    assert!(text.contains("P7 accepted (certified gate): held-in 15.5→18/24 ×4 (+3 −0) · held-out 7→8/12 ×4 (+1 −0) · look 9 · strong: re-read failing output first"), "{text}");
    assert!(text.contains("P6 rejected (certified gate, screen-held-out): "), "{text}");
    assert!(text.lines().count() <= hover::MAX_LINES);
}

#[test]
fn every_relation_has_its_words() {
    let about = |relation: &str| {
        let mut world = World::evaluated();
        let places = &mut world.board.mined.as_mut().unwrap().weaknesses[0].places;
        places[0].relation = relation.to_owned();
        at(&world).lines().nth(2).unwrap().to_owned()
    };
    let absent = "value.mismatch · direct · no line covers this, nearest is \"Rules\" (line 9)";
    assert_eq!(about("absent"), absent);
    assert_eq!(about("triggering"), "value.mismatch · direct · line 12 may cause this");
    assert_eq!(about("conflicting"), "value.mismatch · direct · line 12 and another one disagree");
    assert_eq!(about("knob"), "value.mismatch · direct · set by `Run the tests before you stop.`");
    let mut world = World::evaluated();
    let places = &mut world.board.mined.as_mut().unwrap().weaknesses[0].places;
    places[0].relation = String::from("conflicting");
    let start = SYSTEM.find("Be brief.").unwrap();
    let other = crate::engine::board::Place {
        surface: String::from("style"),
        start,
        end: start + 9,
        ..places[0].clone()
    };
    places.push(other);
    assert!(at(&world).contains(" · lines 7 and 12 disagree"));
}

#[test]
fn ux_16_what_a_task_said_that_judges_now_is_not_quoted() {
    let mut world = World::evaluated();
    let quotes = &mut world.board.mined.as_mut().unwrap().weaknesses[0].quotes;
    let known = quotes[0].clone();
    // The others are told in its place.
    quotes.insert(0, Quote { task: String::from("x-01"), text: String::from("judge-9d1f"), ..known });
    let text = at(&world);
    assert!(text.contains("t-04 #1") && !text.contains("x-01") && !text.contains("judge-9d1f"), "{text}");
}

#[test]
fn what_cannot_be_applied_says_why() {
    let world = World::validated().edited("prompts/system.md", "Say what", "Tell what");
    let why = "cannot be applied now: your edit at line 13 changed the text that was validated";
    assert!(at(&world).contains(why));
}

#[test]
fn ux_39_payload_renders_nothing() {
    let bad = "\u{1b}]0;x\u{7} ![i](https://evil.example/a.png) ```\n# [l](https://evil.example)\u{202e}\u{200b} <img src=x>";
    let mut world = World::validated();
    let weakness = &mut world.board.mined.as_mut().unwrap().weaknesses[0];
    weakness.title = bad.to_owned();
    weakness.signature = bad.to_owned();
    let quote = Quote { text: bad.to_owned(), task: bad.to_owned(), ..weakness.quotes[0].clone() };
    weakness.quotes = vec![quote.clone(), quote.clone(), quote.clone(), quote];
    for proposal in world.board.proposals.values_mut() {
        proposal.summary = bad.repeat(9);
    }
    let text = at(&world);
    assert!(text.lines().count() <= hover::MAX_LINES, "{text}");
    assert!(
        !text
            .chars()
            .any(|char| char != '\n' && (char.is_control() || crate::engine::unseen::is_hidden(char)))
    );
    let mut fence = None;
    let (mut outside, mut quoted) = (String::new(), 0);
    for line in text.lines() {
        match &fence {
            None if line.starts_with("```") => fence = Some(line.trim_end_matches("text").to_owned()),
            None => outside.push_str(line),
            Some(end) if line == end => fence = None,
            Some(_) => quoted += 1,
        }
    }
    assert_eq!((fence, quoted), (None, MAX_QUOTES));
    for bad in ["](http", "![", "<img", "https://", "```"] {
        assert!(
            !outside
                .replace("\\[", "")
                .replace("\\]", "")
                .replace("\\!", "")
                .replace("\\<", "")
                .replace("\\`", "")
                .contains(bad),
            "{bad}: {outside}"
        );
    }
    // A problem's message is one line of what is seen.
    let problems = crate::ide::evidence::problems(
        &world.site("prompts/system.md"),
        crate::ide::switches::Switches::default(),
    );
    for problem in problems {
        let all = format!("{}{}", problem.message, problem.why);
        assert!(
            !all.chars().any(|char| char.is_control() || crate::engine::unseen::is_hidden(char)),
            "{all:?}"
        );
    }
}
