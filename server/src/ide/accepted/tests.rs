//! One rule for what waits, whoever asks, and what the name of a part means.

use super::*;
use crate::ide::evidence;
use crate::ide::evidence::fixture::{REREAD, TESTED, World, run};
use crate::ide::tree;

/// Where the newest thing stands. Lines, tree and list agree about it.
#[track_caller]
fn stands(world: &World) -> Stand {
    let site = world.site("prompts/system.md");
    let stand = all(&site.project)[0].1;
    let count = usize::from(stand.is_waiting());
    let told = [evidence::waiting(&site).len(), tree::badge(&site.project), waiting(&site.project).len()];
    assert_eq!(told, [count; 3], "{stand:?}");
    stand
}

#[test]
fn problems_and_tree_agree_about_what_waits() {
    assert_eq!(stands(&World::validated()), Stand::Waits);
    let applied = World::validated().edited("prompts/system.md", TESTED, REREAD);
    assert_eq!(stands(&applied), Stand::Now);
    let edited = applied.edited("prompts/system.md", "Be brief.", "Be very brief.");
    assert_eq!(stands(&edited), Stand::Within);
    let mut other = World::validated().edited("prompts/system.md", "Be brief.", "Be very brief.");
    assert_eq!(stands(&other), Stand::Waits);
    other.board.measured[0].run = String::from("r-0150");
    assert_eq!(stands(&other), Stand::Past);
    let mut reverted = World::validated();
    let mut line = run(crate::engine::board::Status::Result);
    line.harness.clone_from(&reverted.board.accepted[0].result);
    reverted.board.runs = vec![line];
    assert_eq!(stands(&reverted), Stand::Reverted);
    let mut dismissed = World::validated();
    dismissed.board.proposals.get_mut(&7).unwrap().is_dismissed = true;
    assert_eq!(stands(&dismissed), Stand::Dismissed);
}

#[test]
fn what_holds_something_dismissed_waits_no_more() {
    let mut world = World::validated();
    world.board.accepted[0].proposals = vec![6, 7];
    let is_waiting = |world: &World| !waiting(&world.site("harness.toml").project).is_empty();
    assert!(is_waiting(&world));
    world.board.proposals.get_mut(&6).unwrap().is_dismissed = true;
    assert!(!is_waiting(&world));
}

#[test]
fn a_part_means_the_newest_whole_that_was_validated() {
    let mut world = World::validated();
    let unit =
        |proposals: &[u32]| Accepted { proposals: proposals.to_vec(), ..world.board.accepted[0].clone() };
    world.board.accepted = vec![unit(&[1, 4]), unit(&[1, 4, 5]), unit(&[4])];
    let found = |proposals: &[u32]| find(&world.board, proposals).map(name);
    assert_eq!(found(&[1]).as_deref(), Some("P1 + P4"));
    assert_eq!(found(&[4, 1]).as_deref(), Some("P1 + P4"));
    assert_eq!(found(&[5]).as_deref(), Some("P1 + P4 + P5"));
    assert_eq!(found(&[4]).as_deref(), Some("P4"));
    assert_eq!((found(&[]), found(&[1, 9])), (None, None));
}
