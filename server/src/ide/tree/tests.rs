//! The tree as it is drawn, in each of its states.

use super::*;
use crate::engine::board::{Mined, Progress, Status, StoreState, Trust};
use crate::engine::cycle::Goal;
use crate::ide::pages::sample::{MARKER, PROMPT, bare, changed, other, project, run, with_prompt};

/// The tree as text: state, text, detail, place, page and actions of each item.
fn drawn(project: &Project) -> String {
    let mut out = String::new();
    draw(project, None, 0, &mut out);
    out
}

fn draw(project: &Project, parent: Option<&str>, depth: usize, out: &mut String) {
    for item in items(project, parent) {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&format!("{} | {}", item.text, item.detail));
        if !item.state.is_empty() {
            out.push_str(&format!(" [{}]", item.state));
        }
        if let Some((file, span)) = &item.location {
            out.push_str(&format!(" @{file}:{}-{}", span.start, span.end));
        }
        out.push_str(&item.page.as_ref().map(|page| format!(" → {page}")).unwrap_or_default());
        if !item.actions.is_empty() {
            out.push_str(&format!(" ({})", item.actions.join(", ")));
        }
        out.push_str(&format!("\n{}  #{} {}\n", "  ".repeat(depth), item.id, item.kind.word()));
        for line in item.tooltip.lines() {
            out.push_str(&format!("{}  > {line}\n", "  ".repeat(depth)));
        }
        assert_eq!(item.has_children, !items(project, Some(&item.id)).is_empty(), "{}", item.id);
        draw(project, Some(&item.id), depth + 1, out);
    }
}

#[test]
fn a_full_tree() {
    insta::assert_snapshot!(drawn(&project()));
    assert_eq!(badge(&project()), 1);
}

#[test]
fn an_empty_tree_says_what_is_missing() {
    insta::assert_snapshot!(drawn(&bare()));
    assert_eq!(badge(&bare()), 0);
}

/// The texts of the roots.
fn roots(project: &Project) -> Vec<String> {
    items(project, None).iter().map(|item| format!("{} | {}", item.text, item.detail)).collect()
}

#[test]
fn a_store_that_cannot_be_read_is_no_empty_tree() {
    let project = changed(|board| {
        *board = crate::engine::board::Board {
            store: StoreState::Unreadable("file is not a database".into()),
            ..Default::default()
        };
    });
    assert_eq!(roots(&project)[0], "Runs | cannot read state.db: file is not a database, checks work");
    assert!(items(&project, None).iter().all(|root| root.actions.is_empty()));
}

#[test]
fn a_run_that_goes_on_is_told_by_its_progress() {
    let project = changed(|board| {
        let mut active = run(152, Goal::Evaluate, Status::Running, "evaluate at 31 of 72 trials");
        active.line = "31/72 trials · $0.34 of $5.00 · about 6 min".into();
        active.progress = Progress { done: 31, total: 72, held_out: (4, 24), ..Progress::default() };
        board.runs.insert(0, active);
    });
    assert_eq!(roots(&project)[0], "Runs | r-0152: 31/72 trials · $0.34 of $5.00 · about 6 min");
    let runs = items(&project, Some("runs"));
    assert_eq!((runs[0].state, runs[0].actions.as_slice()), ("running", ["cancel"].as_slice()));
    // The one that was broken off can still be taken up.
    assert_eq!(runs[1].actions, ["resume", "discard"]);
    assert_eq!(runs[1].detail, "interrupted: evaluate stands at 41 of 72 trials");
}

#[test]
fn nothing_found_is_said_in_words() {
    let mined = |failed| Mined { run: "r-0142".into(), failed, ..Mined::default() };
    let project = |failed| changed(|board| board.mined = Some(mined(failed)));
    assert_eq!(roots(&project(0))[1], "Weaknesses | no held-in trial of r-0142 failed");
    assert_eq!(roots(&project(11))[1], "Weaknesses | 11 failing tasks, no two share a mechanism");
}

#[test]
fn places_follow_the_text_of_today() {
    let place = |prompt: &str| {
        let project = with_prompt(prompt).with_board(project().board().clone());
        let source = prompt.to_owned();
        let item = items(&project, Some("weaknesses")).remove(0);
        let (_, span) = item.location.unwrap();
        (span.of(&source).to_owned(), item.state)
    };
    assert_eq!(place(PROMPT), ("- Check your last change.".into(), "open"));
    assert_eq!(place(&format!("New.\n\n{PROMPT}")), ("- Check your last change.".into(), "old"));
    // A line that only begins like it is another one.
    let longer = format!("- Check your last change. Twice.\n{PROMPT}");
    assert_eq!(place(&longer), ("- Check your last change.".into(), "old"));
    // Where the line was edited or is gone, the nearest one is meant, as in its problem.
    let edited = "# Rules\n- Check your last change. Twice.\n";
    assert_eq!(place(edited), ("- Check your last change. Twice.".into(), "old"));
    assert_eq!(place("Wholly new.\nMore.\n"), ("More.".into(), "old"));
    // A line that stands twice is still where it stood.
    assert_eq!(place(&format!("Begin.\n{PROMPT}{PROMPT}")), ("- Check your last change.".into(), "old"));
}

#[test]
fn ids_are_those_of_the_revision_before() {
    let ids = |project: &Project| -> Vec<String> {
        let roots = items(project, None);
        let inner = roots.iter().flat_map(|root| items(project, Some(&root.id)));
        inner.map(|item| item.id).collect()
    };
    let before = ids(&project());
    let after = ids(&changed(|board| {
        board.runs.insert(0, run(152, Goal::Evaluate, Status::Queued, ""));
        board.mined.as_mut().unwrap().weaknesses.reverse();
        board.proposals.get_mut(&7).unwrap().is_dismissed = true;
    }));
    assert!(before.iter().all(|id| after.contains(id)), "{before:?} {after:?}");
    let mut unique = before.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), before.len());
    assert_eq!(items(&project(), Some("weakness/0000")), []);
    assert_eq!(items(&project(), Some("nothing")), []);
}

#[test]
fn what_is_dismissed_comes_last_and_can_be_restored() {
    let project = changed(|board| board.proposals.get_mut(&7).unwrap().is_dismissed = true);
    let all = items(&project, Some("proposals"));
    let last: Vec<&str> = all.iter().rev().take(2).map(|item| item.id.as_str()).collect();
    assert_eq!(last, ["proposal/P7", "proposal/P9"]);
    let dismissed = all.iter().filter(|item| item.state == "dismissed");
    // What is in the harness already is not dismissed.
    let p4 = all.iter().find(|item| item.id == "proposal/P4").unwrap();
    assert_eq!(p4.actions, ["preview"]);
    assert!(dismissed.clone().all(|item| item.actions == ["restore", "preview"]));
    assert_eq!((dismissed.count(), badge(&project)), (2, 0));
}

#[test]
fn the_badge_counts_what_could_be_applied() {
    // Once P7 is applied nothing waits: what the harness was made of is in it.
    let applied = |now: &str| {
        let project = project();
        let mut board = project.board().as_ref().clone();
        for unit in &mut board.accepted {
            unit.harness = unit.harness.replace(&bare().identity().to_string(), &other("f"));
            unit.result = unit.result.replace(&bare().identity().to_string(), &other("f"));
            unit.harness = unit.harness.replace(&other("b"), now);
            unit.result = unit.result.replace(&other("b"), now);
        }
        project.with_board(std::sync::Arc::new(board))
    };
    let project = applied(&bare().identity().to_string());
    let steps: Vec<_> = items(&project, Some("lineage")).iter().map(|item| item.state).collect();
    assert_eq!((badge(&project), steps), (0, vec!["now", "within", ""]));
    // An edit by hand does not take it away, a newer measurement does.
    let edited = with_prompt("Other.\n").with_board(self::project().board().clone());
    assert_eq!(badge(&edited), 1);
    let mut board = edited.board().as_ref().clone();
    board.measured.insert(0, board.measured[0].clone());
    board.measured[0].run = "r-0150".into();
    assert_eq!(badge(&edited.with_board(std::sync::Arc::new(board))), 0);
    // Two that were accepted together are two.
    let both = changed(|board| board.accepted[0].proposals = vec![7, 8]);
    assert_eq!(badge(&both), 2);
}

#[test]
fn nothing_is_offered_to_be_applied_without_trust() {
    let actions = |project: &Project| items(project, Some("proposals"))[0].actions.clone();
    assert_eq!(actions(&project()), ["apply", "preview", "dismiss"]);
    let waiting = changed(|board| board.next.waiting = vec![10]);
    assert_eq!(items(&waiting, None)[2].actions, ["validate"]);
    let untrusted = changed(|board| board.trust = Trust::Changed(Vec::new()));
    let imported = changed(|board| board.store = StoreState::Imported);
    for project in [untrusted, imported] {
        assert_eq!(actions(&project), ["preview", "dismiss"]);
    }
}

#[test]
fn what_is_applied_as_a_whole_says_so() {
    let project = changed(|board| board.accepted[0].proposals = vec![7, 8]);
    let items = items(&project, Some("proposals"));
    for item in items.iter().filter(|item| item.actions.contains(&"apply")) {
        assert!(item.tooltip.ends_with("\napplied as a whole: P7 + P8"), "{}", item.tooltip);
    }
    assert_eq!(items.iter().filter(|item| item.actions.contains(&"apply")).count(), 2);
}

#[test]
fn what_was_made_for_another_harness_cannot_be_validated() {
    let actions = |project: &Project| {
        let items = items(project, Some("proposals"));
        items.into_iter().find(|item| item.id == "proposal/P10").unwrap().actions
    };
    assert_eq!(actions(&project()), ["validate", "preview", "dismiss"]);
    let foreign = changed(|board| board.proposals.get_mut(&10).unwrap().harness = other("f"));
    assert_eq!(actions(&foreign), ["preview", "dismiss"]);
}

#[test]
fn of_a_foreign_store_nothing_is_told_before_trust() {
    let hidden = changed(|board| (board.trust, board.store) = (Trust::Untrusted, StoreState::Imported));
    let roots = items(&hidden, None);
    let known: Vec<String> = items(&project(), None).into_iter().map(|root| root.id).collect();
    assert_eq!(roots.iter().map(|root| root.id.clone()).collect::<Vec<_>>(), known);
    assert!(roots.iter().all(|root| root.detail == HIDDEN && !root.has_children && root.actions.is_empty()));
    assert!(known.iter().all(|id| items(&hidden, Some(id)).is_empty()));
    assert_eq!((items(&hidden, Some("weakness/7f3a90c1")), badge(&hidden)), (Vec::new(), 0));
    assert_eq!(items(&changed(|board| board.trust = Trust::Untrusted), None), items(&project(), None));
}

#[test]
fn what_was_taken_back_is_reverted() {
    let project = changed(|board| board.runs[0].harness = other("b"));
    let steps = items(&project, Some("lineage"));
    assert_eq!((steps[0].text.as_str(), steps[0].state), ("P7 reverted", "reverted"));
}

#[test]
fn a_store_that_goes_in_circles_ends() {
    let project = changed(|board| {
        let again = board.accepted[0].clone();
        let back = board.accepted[0].result.clone();
        board.accepted[1].harness = back;
        board.accepted.push(again);
    });
    assert_eq!(items(&project, Some("lineage")).len(), 4);
}

#[test]
fn ux_16_no_item_names_what_judges() {
    let drawn = drawn(&project());
    assert!(!drawn.contains(MARKER), "{drawn}");
    assert!(drawn.contains("1 task that judges now"), "{drawn}");
}

#[test]
fn ux_39_no_item_holds_what_steers_or_hides() {
    use crate::ide::pages::sample::HOSTILE;
    let project = changed(|board| {
        board.proposals.values_mut().for_each(|proposal| {
            (proposal.summary, proposal.author) = (HOSTILE.into(), HOSTILE.into());
        });
        board.runs.iter_mut().for_each(|run| {
            (run.sentence, run.cause, run.started_by) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
        });
        board.mined.as_mut().unwrap().weaknesses.iter_mut().for_each(|weakness| {
            (weakness.title, weakness.signature) = (HOSTILE.into(), HOSTILE.into());
            weakness.tasks.push(HOSTILE.into());
        });
    });
    let drawn = drawn(&project);
    assert!(!drawn.contains(['\u{1b}', '\u{202e}', '\u{200b}']) && drawn.contains("\\u{202e}"), "{drawn}");
}
