//! The page of the lineage: what was accepted, the newest first, with its scores, and where the harness stands in it.

use super::Page;
use super::name::{Name, root_id};
use crate::engine::board::{Accepted, Board, Scored};
use crate::engine::cycle::Decision;
use crate::engine::report::text::markdown as safe;
use crate::engine::report::words;
use crate::ide::accepted;
use crate::ide::decided::{gate_word, title};
use crate::workspace::Project;

/// The page.
pub(super) fn page(project: &Project) -> Page {
    let board = project.board();
    let root = root_id(project.root());
    let now = project.identity().to_string();
    let mut out =
        format!("# Lineage\n\nThe harness now is {}: {}\n", words::id("h-", &now), safe(&score(board, &now)));
    if board.accepted.is_empty() {
        out.push_str(
            "\nNothing was accepted yet. `self-harness improve` proposes edits and lets trials decide.\n",
        );
        return Page::markdown(out);
    }
    for (unit, stand) in accepted::all(project) {
        out.push_str(&format!(
            "\n## {} · {}\n\n{}\n",
            accepted::name(unit),
            safe(&unit.run),
            safe(&result(unit))
        ));
        if let Some(certainty) = unit.measured.as_ref().and_then(words::certainty) {
            out.push_str(&format!("\n{}.\n", safe(&certainty)));
        }
        out.push('\n');
        for proposal in unit.proposals.iter().filter_map(|number| board.proposals.get(number)) {
            let address = Name::Proposal(proposal.number).address(&root);
            out.push_str(&format!("- [{}]({address})\n", safe(&title(proposal))));
        }
        let (before, after) = (words::id("h-", &unit.harness), words::id("h-", &unit.result));
        out.push_str(&format!("- {before} → {after}: {}\n", stand.words()));
    }
    if let Some(first) = board.accepted.last() {
        let (id, score) = (words::id("h-", &first.harness), score(board, &first.harness));
        out.push_str(&format!("\n## start · {id}\n\n{}\n", safe(&score)));
    }
    Page::markdown(out)
}

/// What a step rests on: `accepted (certified gate): held-in 15.5→18/24 ×4 (+3 −0) · … · look 9 · strong`.
pub(in crate::ide) fn result(unit: &Accepted) -> String {
    let gate = unit.gate.map(|gate| format!(" ({} gate)", gate_word(gate))).unwrap_or_default();
    let scores = unit.measured.as_ref().map_or_else(
        || String::from("its scores are not known"),
        |measured| words::measured(measured, Some(Decision::Accepted), unit.look),
    );
    format!("accepted{gate}: {scores}")
}

/// The scores of a harness: `held-in 15.5/24 ×2 · held-out 7/12 ×2`.
pub(in crate::ide) fn score(board: &Board, harness: &str) -> String {
    let points = |scored: &Scored| {
        let points = [&scored.held_in, &scored.held_out].into_iter().flatten();
        points.map(words::point).collect::<Vec<_>>().join(" · ")
    };
    let score = board.scored(harness).map(points).filter(|score| !score.is_empty());
    score.unwrap_or_else(|| String::from("not measured"))
}
