//! Makes a report of a chronicle and of the words of the store.

use harness_schema::split::Split;

use super::chronicle::Chronicle;
use super::standing::{Grid, Standing};
use super::{About, Proposal, Report, Round, SplitScore, Step, Union, Words};
use crate::engine::gate::comparison::Strength;

/// How often the first harness is dealt against itself (`method` 5.9).
pub const DEALS: u32 = 10_000;

/// The report of a run. `deals` is how often the first harness is compared with itself; 0 leaves that out.
#[must_use]
pub fn of(chronicle: &Chronicle, about: About, words: &Words, deals: u32) -> Report {
    let cycle = chronicle.cycle();
    let first = Standing::of(cycle, 0);
    let last = (cycle.working() != 0).then(|| Standing::of(cycle, cycle.working()));
    let is_over = about.is_over;
    let compares = !cycle.design().goal.is_measurement();
    // While others may still be compared with it, nothing of what judges is shown.
    let shows = |split: Split| match split {
        Split::HeldIn => true,
        Split::HeldOut => is_over || !compares && !first.is_open(split),
        // It is read as a whole, and said beside the scores.
        Split::Sealed => false,
    };
    Report {
        rules: compares.then_some(cycle.design().rules),
        splits: Split::ALL
            .into_iter()
            .filter(|split| *split != Split::Sealed)
            .filter_map(|split| score(&first, last.as_ref(), split, shows(split)))
            .collect(),
        rounds: rounds(chronicle, words, shows(Split::HeldOut)),
        steps: steps(chronicle, &first, shows(Split::HeldOut)),
        grid: Grid::of(&first, last.as_ref(), shows(Split::HeldOut)),
        spending: chronicle.spending(),
        spent: cycle.trials().spent(),
        savings: chronicle.savings(),
        voids: cycle.trials().voids(),
        looks: chronicle.looks(),
        against_itself: if 0 < deals && is_over { chronicle.against_itself(deals) } else { None },
        about,
    }
}

fn score(first: &Standing, last: Option<&Standing>, split: Split, shows: bool) -> Option<SplitScore> {
    let point = first.point(split)?;
    if !shows {
        return Some(SplitScore { split, first: None, last: None, flips: None });
    }
    let flips = last.and_then(|last| last.against(first, split)).map(|all| (all.gained, all.lost));
    Some(SplitScore { split, first: Some(point), last: last.and_then(|last| last.point(split)), flips })
}

/// What each round came to. Scores of candidates are of both splits, so they are shown when those that judge are.
fn rounds(chronicle: &Chronicle, words: &Words, shows_scores: bool) -> Vec<Round> {
    let told = chronicle.rounds().iter().enumerate();
    let rounds = told.map(|(at, past)| Round {
        actionable: past.actionable,
        weaknesses: words.weaknesses.get(at).cloned().unwrap_or_default(),
        proposals: past
            .candidates
            .iter()
            .map(|number| proposal(chronicle, words, *number, shows_scores))
            .collect(),
        unions: past.unions.iter().filter_map(|arm| union(chronicle, *arm, shows_scores)).collect(),
        refused: words.refused.get(at).cloned().unwrap_or_default(),
    });
    rounds.collect()
}

fn proposal(chronicle: &Chronicle, words: &Words, number: u32, shows_scores: bool) -> Proposal {
    let cycle = chronicle.cycle();
    let judgement = chronicle.judgement_on(number);
    let members =
        judgement.and_then(|judgement| cycle.arms().get(judgement.arm)).map(|arm| arm.members.as_slice());
    Proposal {
        number,
        told: words.proposals.get(&number).cloned(),
        decision: cycle.decisions().get(&number).copied(),
        measured: judgement.and_then(|judgement| judgement.measured.clone()).filter(|_| shows_scores),
        is_hidden: !shows_scores,
        with: members.unwrap_or_default().iter().copied().filter(|member| *member != number).collect(),
        look: judgement.and_then(|judgement| judgement.look),
    }
}

fn union(chronicle: &Chronicle, arm: usize, shows_scores: bool) -> Option<Union> {
    let members = chronicle.cycle().arms().get(arm)?.members.clone();
    let judgement = chronicle.judgement_on_union(arm);
    Some(Union {
        members,
        decision: judgement.map(|judgement| judgement.decision),
        measured: judgement.and_then(|judgement| judgement.measured.clone()).filter(|_| shows_scores),
        look: judgement.and_then(|judgement| judgement.look),
    })
}

/// The lineage of a run. The held-out value that is shown climbs a ladder: it moves only by more than one standard error of the
/// difference (`method` 5.10).
fn steps(chronicle: &Chronicle, first: &Standing, shows_held_out: bool) -> Vec<Step> {
    let cycle = chronicle.cycle();
    let points = |standing: &Standing| {
        let splits = [Split::HeldIn, Split::HeldOut].into_iter();
        splits
            .filter(|split| *split == Split::HeldIn || shows_held_out)
            .filter_map(|split| standing.point(split))
            .collect()
    };
    let value = |standing: &Standing| standing.point(Split::HeldOut).filter(|_| shows_held_out);
    let mut steps = vec![Step {
        proposals: Vec::new(),
        points: points(first),
        best_held_out: value(first),
        has_moved: false,
        strength: "",
        look: None,
    }];
    let (mut best, mut shown) = (first.clone(), value(first));
    for arm in chronicle.adopted() {
        let Some(of) = cycle.arms().get(*arm) else { continue };
        let standing = Standing::of(cycle, *arm);
        let gain = standing.against(&best, Split::HeldOut);
        let has_moved = shows_held_out && gain.is_some_and(|gain| gain.error < gain.gain);
        if has_moved {
            shown = value(&standing);
            best = standing.clone();
        }
        let judgement = of.members.first().and_then(|member| chronicle.judgement_on(*member));
        let comparison = judgement.and_then(|judgement| judgement.measured.as_ref()?.comparison.as_ref());
        steps.push(Step {
            proposals: of.members.clone(),
            points: points(&standing),
            best_held_out: shown,
            has_moved,
            strength: comparison.map_or("bounds only", |comparison| Strength::of(comparison.z()).word()),
            look: judgement.and_then(|judgement| judgement.look),
        });
    }
    steps
}
