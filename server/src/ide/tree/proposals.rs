//! The proposals, first those that wait to be applied and last those that somebody dismissed; and the lineage, step by step.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use harness_schema::path::FilePath;
use harness_schema::text::Span;

use super::{Item, Kind};
use crate::engine::board::{Accepted, Proposal};
use crate::engine::cycle::Decision;
use crate::engine::report::text::line;
use crate::engine::report::words::{self, plural};
use crate::ide::accepted::{self, Stand};
use crate::ide::decided;
use crate::ide::pages::name::Name;
use crate::ide::pages::{result, score};
use crate::workspace::Project;

/// The id of the root of proposals.
pub(super) const ROOT: &str = "proposals";
/// The id of the root of the lineage.
pub(super) const LINEAGE: &str = "lineage";

pub(super) fn root(project: &Project) -> Item {
    let proposals = &project.board().proposals;
    let waiting = waiting(&accepted::all(project)).len() as u64;
    let all = proposals.len() as u64;
    let detail = match (all, waiting) {
        (0, _) => "none yet".into(),
        (all, 0) => plural(all, "proposal", "proposals"),
        (all, waiting) => {
            format!(
                "{} · {all} in all",
                plural(waiting, "accepted proposal waits", "accepted proposals wait")
            )
        }
    };
    Item {
        id: ROOT.into(),
        text: "Proposals".into(),
        detail,
        state: if waiting == 0 { "" } else { "waiting" },
        actions: if project.board().next.waiting.is_empty() { Vec::new() } else { vec!["validate"] },
        has_children: !proposals.is_empty(),
        ..Item::default()
    }
}

/// The proposals that were accepted and could be applied.
pub(super) fn waiting(all: &[(&Accepted, Stand)]) -> BTreeSet<u32> {
    let waiting = all.iter().filter(|(_, stand)| stand.is_waiting());
    waiting.flat_map(|(unit, _)| unit.proposals.iter().copied()).collect()
}

pub(super) fn items(project: &Project) -> Vec<Item> {
    let units = accepted::all(project);
    let waiting = waiting(&units);
    let mut all: Vec<&Proposal> = project.board().proposals.values().collect();
    let is_waiting = |proposal: &Proposal| !proposal.is_dismissed && waiting.contains(&proposal.number);
    all.sort_by_key(|proposal| (proposal.is_dismissed, !is_waiting(proposal), Reverse(proposal.number)));
    let is_taken = |proposal: &Proposal| {
        accepted::of(&units, proposal.number).is_some_and(|(_, stand)| stand.is_taken())
    };
    all.into_iter()
        .map(|proposal| {
            let mut item = item(project, proposal, is_waiting(proposal));
            let unit = accepted::of(&units, proposal.number).map(|(unit, _)| unit);
            if let Some(unit) = unit.filter(|unit| is_waiting(proposal) && 1 < unit.proposals.len()) {
                item.tooltip.push_str(&format!("\napplied as a whole: {}", accepted::name(unit)));
            }
            item.actions.extend((!proposal.is_dismissed && !is_taken(proposal)).then_some("dismiss"));
            item
        })
        .collect()
}

fn item(project: &Project, proposal: &Proposal, is_waiting: bool) -> Item {
    let board = project.board();
    let said = decided::said(board, proposal);
    let mut facts = vec![line(&decided::decision(board, proposal))];
    facts.extend(proposal.measured.as_ref().and_then(words::certainty));
    let cluster =
        if proposal.cluster.is_empty() { String::new() } else { format!(" for {}", proposal.cluster) };
    facts.push(line(&format!("made by {}{cluster}, in {}", decided::author(proposal), proposal.run)));
    let mut actions = match (proposal.is_dismissed, proposal.decision) {
        (true, _) => vec!["restore"],
        (false, _) if is_waiting && accepted::may_apply(board) => vec!["apply"],
        (false, None | Some(Decision::Undecided(_) | Decision::Held(_)))
            if accepted::may_validate(project, proposal) =>
        {
            vec!["validate"]
        }
        (false, _) => Vec::new(),
    };
    actions.push("preview");
    Item {
        id: format!("proposal/P{}", proposal.number),
        kind: Kind::Proposal,
        text: decided::title(proposal),
        detail: if proposal.is_dismissed { format!("dismissed · {said}") } else { said },
        tooltip: facts.join("\n"),
        state: match proposal.decision {
            _ if proposal.is_dismissed => "dismissed",
            _ if is_waiting => "waiting",
            Some(decision) => decision.word(),
            None => "open",
        },
        location: place(project, proposal),
        page: Some(Name::Proposal(proposal.number)),
        actions,
        ..Item::default()
    }
}

/// The first line that it changes, in the text of today.
fn place(project: &Project, proposal: &Proposal) -> Option<(FilePath, Span)> {
    proposal.edits.iter().find_map(|edit| {
        let surface = project.harness().surface(&edit.surface)?;
        let (file, span) = surface.spans().next()?;
        let text = span.of(project.files().document(file)?.source());
        let same = text.bytes().zip(edit.after.bytes()).take_while(|(now, after)| now == after).count();
        let line =
            text.as_bytes().get(..same)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let length = text.get(line..)?.lines().next().map_or(0, str::len);
        let start = span.range().start + line;
        Some((file.clone(), Span::new(start, start + length)))
    })
}

pub(super) fn lineage_root(project: &Project) -> Item {
    let board = project.board();
    Item {
        id: LINEAGE.into(),
        text: "Lineage".into(),
        detail: score(board, &project.identity().to_string()),
        tooltip: match board.accepted.len() as u64 {
            0 => "nothing was accepted yet".into(),
            steps => plural(steps, "accepted step", "accepted steps"),
        },
        page: Some(Name::Lineage),
        has_children: !board.accepted.is_empty(),
        ..Item::default()
    }
}

pub(super) fn steps(project: &Project) -> Vec<Item> {
    let board = project.board();
    let mut items: Vec<Item> =
        accepted::all(project).into_iter().map(|(unit, stand)| step(unit, stand)).collect();
    if let Some(first) = board.accepted.last() {
        let is_now = first.harness == project.identity().to_string();
        items.push(Item {
            id: "step/start".into(),
            kind: Kind::Step,
            text: "start".into(),
            detail: score(board, &first.harness),
            tooltip: words::id("h-", &first.harness),
            state: if is_now { "now" } else { "" },
            page: Some(Name::Lineage),
            ..Item::default()
        });
    }
    items
}

fn step(unit: &Accepted, stand: Stand) -> Item {
    let name = accepted::name(unit);
    let reverted = if stand == Stand::Reverted { " reverted" } else { "" };
    let mut facts = vec![line(&format!("{name} {}, in {}", result(unit), unit.run))];
    facts.extend(unit.measured.as_ref().and_then(words::certainty));
    let (before, after) = (words::id("h-", &unit.harness), words::id("h-", &unit.result));
    facts.push(format!("{before} → {after}: {}", stand.words()));
    Item {
        id: format!("step/{}/{}", unit.run, unit.result),
        kind: Kind::Step,
        text: format!("{name}{reverted}"),
        detail: scores(unit),
        tooltip: facts.join("\n"),
        state: stand.word(),
        page: match unit.proposals.as_slice() {
            [one] => Some(Name::Proposal(*one)),
            _ => Some(Name::Lineage),
        },
        ..Item::default()
    }
}

fn scores(unit: &Accepted) -> String {
    unit.measured.as_ref().map_or_else(
        || "its scores are not known".into(),
        |measured| words::measured(measured, Some(Decision::Accepted), unit.look),
    )
}
