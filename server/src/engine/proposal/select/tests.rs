//! Which offers are chosen.

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;
use serde_json::json;

use super::super::fixture::weakness;
use super::super::{Author, SurfaceEdit};
use super::*;

fn offer(name: &str, cluster: &str, mechanism: &str, surface: &str, text: &str, when: bool) -> Proposal {
    let scope = if when { json!({ "when": { "detector": mechanism } }) } else { json!("always") };
    Proposal {
        digest: Digest::of(name.as_bytes()),
        author: Author::Model,
        cluster: cluster.to_owned(),
        mechanism: mechanism.to_owned(),
        edits: vec![SurfaceEdit {
            surface: surface.to_owned(),
            file: FilePath::parse("p.md").unwrap(),
            before: String::new(),
            after: text.to_owned(),
        }],
        files: Default::default(),
        scope: serde_json::from_value(scope).unwrap(),
        summary: name.to_owned(),
        why: String::new(),
        differs: String::new(),
        fixes: Vec::new(),
        risks: Vec::new(),
        cost: text.split(' ').count() as f64,
        added: text.split(' ').count(),
    }
}

fn weaknesses() -> Vec<Weakness> {
    vec![
        weakness("c-1", "never-verified", &[], &["a", "b", "c"]),
        weakness("c-2", "loop-consecutive", &[], &["d", "e"]),
    ]
}

fn offers() -> Vec<Proposal> {
    vec![
        offer("check", "c-1", "never-verified", "prompt", "check the result before the end", false),
        offer(
            "check-again",
            "c-1",
            "never-verified",
            "prompt",
            "check the result before the very end",
            false,
        ),
        offer("ask", "c-1", "never-verified", "rules.new", "nothing was checked yet", true),
        offer("turn", "c-2", "loop-consecutive", "prompt", "take another way after a failure", false),
        offer("state", "c-1", "premature-finish", "states.new", "read what you made", false),
    ]
}

fn names(choice: &Choice) -> (Vec<&str>, Vec<(&str, &str)>) {
    let chosen = choice.chosen.iter().map(|proposal| proposal.summary.as_str());
    let left = choice.left.iter().map(|(proposal, why)| (proposal.summary.as_str(), why.word()));
    (chosen.collect(), left.collect())
}

#[test]
fn a_round_is_diverse() {
    let choice = choose(offers(), &weaknesses(), &[], 3);
    let (chosen, left) = names(&choice);
    // The conditional one is best; then the other mechanism, since the first cluster has other places too.
    assert_eq!(chosen.first(), Some(&"ask"));
    assert!(chosen.contains(&"turn"), "{chosen:?}");
    assert_eq!((chosen.len(), left.len()), (3, 2));
    // Two edits that say the same are not both tried.
    assert!(!(chosen.contains(&"check") && chosen.contains(&"check-again")), "{chosen:?}");
}

#[test]
fn the_order_of_the_offers_is_nothing() {
    let first = choose(offers(), &weaknesses(), &[], 3);
    let mut turned = offers();
    for _ in 0..turned.len() {
        turned.rotate_left(1);
        assert_eq!(choose(turned.clone(), &weaknesses(), &[], 3), first);
    }
    turned.reverse();
    assert_eq!(choose(turned, &weaknesses(), &[], 3), first);
}

#[test]
fn at_most_half_is_of_one_mechanism_or_surface() {
    let many = |surface: &'static str| {
        (0..6).map(move |at| {
            offer(
                &format!("{surface}-{at}"),
                "c-1",
                "never-verified",
                &format!("{surface}{at}"),
                &format!("word{at}"),
                false,
            )
        })
    };
    let choice = choose(many("s").collect(), &weaknesses(), &[], 4);
    assert_eq!(choice.chosen.len(), 2);
    assert!(choice.left.iter().all(|(_, why)| *why == Left::Mechanism));
    let same_surface = (0..6).map(|at| {
        offer(&format!("o-{at}"), "c-1", &format!("m-{at}"), "prompt", &format!("word{at}"), false)
    });
    let choice = choose(same_surface.collect(), &weaknesses(), &[], 4);
    assert_eq!(choice.chosen.len(), 2);
    assert!(choice.left.iter().all(|(_, why)| *why == Left::Surface));
}

#[test]
fn what_failed_before_comes_later() {
    let one = offer("check", "c-1", "never-verified", "prompt", "check the result before the end", false);
    let other =
        offer("turn", "c-2", "loop-consecutive", "rules.new", "take another way after a failure", false);
    let offers = vec![one.clone(), other];
    assert_eq!(names(&choose(offers.clone(), &weaknesses(), &[], 1)).0, ["check"]);
    let judged = Judged::of(&one, Digest::of(b"b"), false, true);
    assert_eq!(names(&choose(offers, &weaknesses(), &[judged], 1)).0, ["turn"]);
}

#[test]
fn nothing_and_twice_the_same() {
    assert_eq!(choose(Vec::new(), &[], &[], 4), Choice::default());
    assert_eq!(choose(offers(), &weaknesses(), &[], 0).left.len(), 5);
    let one = offers().remove(0);
    let choice = choose(vec![one.clone(), one], &weaknesses(), &[], 4);
    assert_eq!(names(&choice), (vec!["check"], vec![("check", "offered-twice")]));
}
