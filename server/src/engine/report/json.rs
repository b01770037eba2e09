//! A report for programs: `"schema": 1`. Keys are only ever added.

use harness_schema::split::Split;
use serde_json::{Value, json};

use super::measured::{Measured, Side};
use super::standing::{Mark, Marks, Point, Row, Turn};
use super::{Proposal, Refused, Report, Round, Step, Union, Weakness, words};
use crate::engine::budget::Spent;
use crate::engine::cycle::Decision;

/// The value.
#[must_use]
pub fn json(report: &Report) -> Value {
    let about = &report.about;
    let unmeasured =
        about.unmeasured.iter().map(|(task, why)| json!({ "task": task, "why": why })).collect::<Vec<_>>();
    json!({
        "schema": 1,
        "run": about.run,
        "verb": about.verb,
        "startedMs": about.started_ms,
        "isOver": about.is_over,
        "ending": about.ending,
        "stop": about.stop,
        "remarks": about.remarks,
        "harness": { "name": about.harness, "digest": about.harness_digest },
        "contract": about.contract,
        "model": about.model,
        "sandbox": about.sandbox,
        "rules": report.rules.as_ref().map(|rules| json!({
            "gate": words::gate(rules),
            "repeats": { "baseline": rules.baseline, "screen": rules.screen, "confirm": rules.confirm },
            "proposals": rules.proposals,
            "rounds": rules.rounds,
        })),
        "splits": report.splits.iter().map(|split| json!({
            "split": split.split.word(),
            "isShown": split.first.is_some(),
            "first": split.first.as_ref().map(point),
            "last": split.last.as_ref().map(point),
            "fixed": split.flips.map(|(fixed, _)| fixed),
            "broken": split.flips.map(|(_, broken)| broken),
            "score": words::split(split),
        })).collect::<Vec<_>>(),
        "looks": report.looks,
        "acceptedAgainstItself": report.against_itself,
        "rounds": report.rounds.iter().map(round).collect::<Vec<_>>(),
        "lineage": report.steps.iter().map(step).collect::<Vec<_>>(),
        "tasks": {
            "heldIn": report.grid.held_in.iter().map(row).collect::<Vec<_>>(),
            // Sorted by outcome: which is which is not told.
            "heldOut": report.grid.held_out.iter().map(row).collect::<Vec<_>>(),
            "unmeasured": unmeasured,
            "unmeasuredOthers": about.unmeasured_others,
        },
        "spent": spent(&report.spent),
        "spending": report.spending.iter().map(|(purpose, of)| json!({
            "for": purpose.word(),
            "spent": spent(of),
        })).collect::<Vec<_>>(),
        "voidTrials": report.voids,
        "savings": {
            "reused": report.savings.reused,
            "stoppedEarly": report.savings.stopped,
            "inert": report.savings.inert,
            "costUsdOfAllSlots": report.savings.cost_of_all,
            "tokensOfAllSlots": report.savings.tokens_of_all,
            "sharePassedAsRetries": report.savings.as_retries,
        },
    })
}

fn point(point: &Point) -> Value {
    json!({
        "value": point.bounds().is_none().then_some(point.value),
        "bounds": point.bounds().map(|(least, most)| [least, most]),
        "tasks": point.tasks,
        "void": point.void,
        "repeats": point.repeats,
        "rate": point.bounds().is_none().then(|| point.rate()),
        "interval": point.interval.map(|(least, most)| [least, most]),
        "isFlattering": point.is_flattering,
    })
}

fn spent(spent: &Spent) -> Value {
    json!({
        "trials": spent.trials,
        "tokens": spent.tokens,
        "costUsd": spent.cost,
        "timeMs": u64::try_from(spent.time.as_millis()).unwrap_or(u64::MAX),
    })
}

fn round(round: &Round) -> Value {
    json!({
        "actionable": round.actionable,
        "weaknesses": round.weaknesses.iter().map(weakness).collect::<Vec<_>>(),
        "proposals": round.proposals.iter().map(proposal).collect::<Vec<_>>(),
        "unions": round.unions.iter().map(union).collect::<Vec<_>>(),
        "refused": round.refused.iter().map(refused).collect::<Vec<_>>(),
    })
}

fn weakness(weakness: &Weakness) -> Value {
    json!({
        "cluster": weakness.cluster,
        "words": weakness.words,
        "support": weakness.support,
        "failed": weakness.failed,
        "actionable": weakness.actionable,
        "places": weakness.places,
    })
}

fn refused(refused: &Refused) -> Value {
    json!({
        "guard": refused.guard,
        "why": refused.why,
        "summary": refused.summary,
        "author": refused.author,
    })
}

fn decision(decision: Option<Decision>) -> Value {
    json!(decision.map(|decision| json!({
        "word": decision.word(),
        "why": decision.why(),
        "words": decision.words(),
    })))
}

/// A proposal with what became of it.
#[must_use]
pub fn proposal(proposal: &Proposal) -> Value {
    json!({
        "number": proposal.number,
        "told": proposal.told.as_ref().map(|told| json!({
            "summary": told.summary,
            "why": told.why,
            "author": told.author,
            "cluster": told.cluster,
            "surfaces": told.surfaces.iter().map(|(surface, file)| json!({ "surface": surface, "file": file })).collect::<Vec<_>>(),
            "scope": told.scope,
            "costTokens": told.cost,
            "isDismissed": told.is_dismissed,
        })),
        "decision": decision(proposal.decision),
        "with": proposal.with,
        "look": proposal.look,
        "score": words::outcome(proposal),
        "measured": proposal.measured.as_ref().map(measured),
    })
}

fn union(union: &Union) -> Value {
    json!({
        "members": union.members,
        "decision": decision(union.decision),
        "look": union.look,
        "measured": union.measured.as_ref().map(measured),
    })
}

fn measured(measured: &Measured) -> Value {
    json!({
        "isWhole": measured.is_whole,
        "repeats": measured.repeats,
        "baselineRepeats": measured.baseline_repeats,
        "trials": measured.trials,
        "slots": measured.slots,
        "sides": measured.sides.iter().map(|of| side(of, measured.is_whole)).collect::<Vec<_>>(),
        "comparison": measured.comparison.as_ref().map(|all| {
            let (least, most) = all.interval();
            json!({
                "tasks": all.tasks,
                "gain": all.gain,
                "error": all.error,
                "interval": [least, most],
                "onNewTasks": measured.on_new_tasks.map(|(least, most)| [least, most]),
                "strength": all.strength().word(),
                "fixed": all.gained,
                "broken": all.lost,
                "mcnemar": all.mcnemar(),
                "mcnemarMid": all.mcnemar_mid(),
                "leastSeen": all.least_seen(),
                "repeatsNeeded": all.repeats_needed(measured.repeats),
            })
        }),
    })
}

/// Where the gate stopped early there is no point and there are no flips.
fn side(side: &Side, is_whole: bool) -> Value {
    json!({
        "split": side.split.word(),
        "tasks": side.tasks,
        "void": side.void,
        "baseline": side.baseline,
        "candidate": is_whole.then_some(side.candidate),
        "bounds": [side.bounds.0, side.bounds.1],
        "fixed": is_whole.then_some(side.flips.0),
        "broken": is_whole.then_some(side.flips.1),
    })
}

/// A step of the lineage.
#[must_use]
pub fn step(step: &Step) -> Value {
    let of = |split: Split| step.points.iter().find(|each| each.split == split).map(point);
    json!({
        "proposals": step.proposals,
        "heldIn": of(Split::HeldIn),
        "heldOut": of(Split::HeldOut),
        "bestHeldOutShown": step.best_held_out.as_ref().map(point),
        "strength": step.strength,
        "look": step.look,
    })
}

fn row(row: &Row) -> Value {
    let marks = |marks: &Marks| {
        let words = marks.0.iter().map(|mark| match mark {
            Mark::Pass => "pass",
            Mark::Fail => "fail",
            Mark::Void => "void",
            Mark::Open => "open",
        });
        words.collect::<Vec<_>>()
    };
    json!({
        "task": row.name,
        "first": marks(&row.first),
        "last": marks(&row.last),
        "turn": match row.turn {
            Turn::Broken => "broken",
            Turn::Fixed => "fixed",
            Turn::Same => "same",
        },
    })
}
