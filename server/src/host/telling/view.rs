//! Reads the store and makes the [report](Report) of a run. The engine gets values only.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::split::Split;
use serde_json::Value;

use super::texts::Texts;
use crate::engine::report::{self, About, Chronicle, Refused, Report, Told, Weakness, Words};
use crate::failure::Failure;
use crate::host::following::{self, Seen};
use crate::host::record::{
    EventRecord, MinedRecord, ProposalRecord, RefusedRecord, WeaknessRecord, finish_word,
};
use crate::host::store::{IMPORTED, Store, StoreError, StoredProposal, StoredRun, run_name};

/// The report of a run. `deals` is how often the first harness is compared with itself.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn report(store: &Store, stored: &StoredRun, seen: &Seen, deals: u32) -> Result<Report, Failure> {
    let looks = looks_before(store, stored)?;
    report_after(store, stored, seen, looks, deals)
}

/// The same, given how many decisions have read the held-out tasks before.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn report_after(
    store: &Store,
    stored: &StoredRun,
    seen: &Seen,
    looks: u32,
    deals: u32,
) -> Result<Report, Failure> {
    let mut words = Words::default();
    let mut mined = Vec::new();
    let mut refused: BTreeMap<usize, Vec<Refused>> = BTreeMap::new();
    let mut weak: BTreeMap<usize, Vec<Weakness>> = BTreeMap::new();
    let chronicle = chronicle(store, stored, looks, |event, chronicle| {
        let round = chronicle.cycle().round() as usize;
        match event {
            EventRecord::Mined { mined: of_round, .. } => {
                mined.push((round, chronicle.cycle().working(), of_round.clone()));
            }
            EventRecord::Proposed { refused: of_round, .. } => {
                refused.entry(round).or_default().extend(of_round.iter().map(refused_of));
            }
            _ => {}
        }
    })?;
    let texts = Texts::of(store, stored, chronicle.cycle())?;
    for (round, arm, mined) in mined {
        weak.insert(round, weaknesses(&mined, &texts, arm));
    }
    let rounds = 0..chronicle.rounds().len();
    words.weaknesses = rounds.clone().map(|round| weak.remove(&round).unwrap_or_default()).collect();
    words.refused = rounds.map(|round| refused.remove(&round).unwrap_or_default()).collect();
    for past in chronicle.rounds() {
        for number in &past.candidates {
            if let Some(proposal) = store.proposal(*number).map_err(|error| error.to_failure())? {
                words.proposals.insert(*number, told(&proposal));
            }
        }
    }
    Ok(report::of(&chronicle, about(store, stored, seen), &words, deals))
}

/// A run with what was known when each decision fell; `looks` decisions have read its held-out tasks before, and `each` hears of
/// every event before it counts.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn chronicle(
    store: &Store,
    stored: &StoredRun,
    looks: u32,
    mut each: impl FnMut(&EventRecord, &Chronicle),
) -> Result<Chronicle, Failure> {
    let mut chronicle = Chronicle::new(stored.record.design(), looks);
    for stored in store.events(stored.number, 0).map_err(|error| error.to_failure())? {
        each(&stored.event, &chronicle);
        if let Some(event) = stored.event.event() {
            chronicle.tell(stored.at, &event);
        }
    }
    Ok(chronicle)
}

/// How many decisions of earlier runs have read the same held-out tasks, whatever else was different then.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn looks_before(store: &Store, stored: &StoredRun) -> Result<u32, Failure> {
    let mut looks = 0;
    if stored.record.rules.is_none() {
        return Ok(looks);
    }
    for number in 1..stored.number {
        let earlier = store.run(number).map_err(|error: StoreError| error.to_failure())?;
        if let Some(earlier) = earlier.filter(|earlier| counts(earlier, stored)) {
            looks = chronicle(store, &earlier, looks, |_, _| {})?.looks();
        }
    }
    Ok(looks)
}

/// Whether the decisions of a run have read the held-out tasks of another one.
#[must_use]
pub fn counts(run: &StoredRun, other: &StoredRun) -> bool {
    let held_out = |run: &StoredRun| -> BTreeSet<String> {
        let slots = run.record.slots.iter().filter(|slot| slot.split == Split::HeldOut.word());
        slots.map(|slot| slot.task.clone()).collect()
    };
    run.record.rules.is_some() && held_out(run) == held_out(other)
}

fn about(store: &Store, stored: &StoredRun, seen: &Seen) -> About {
    let record = &stored.record;
    let is_held_in =
        |task: &str| record.slots.iter().any(|slot| slot.task == task && slot.split == Split::HeldIn.word());
    let (named, others): (Vec<_>, Vec<_>) =
        seen.unfillable.iter().cloned().partition(|(task, _)| is_held_in(task));
    let mut remarks = Vec::new();
    if store.is_foreign() {
        remarks.push(IMPORTED.to_owned());
    }
    if record.sandbox == "none" {
        remarks.push(String::from(
            "not sandboxed: what the agent could reach on the machine may have changed what was measured",
        ));
    }
    if let Some(seal) = &record.seal {
        remarks.push(match seen.cycle.reading() {
            Some(reading) => format!("{}: {}", reading.words(seal.look), reading.certainty()),
            None => format!("{} not complete", Split::Sealed.word()),
        });
    }
    About {
        run: run_name(stored.number),
        verb: record.verb.clone(),
        harness: if record.name.is_empty() { String::from("harness") } else { record.name.clone() },
        harness_digest: record.harness.clone(),
        contract: record.contract.clone(),
        model: record.model.clone(),
        sandbox: record.sandbox.clone(),
        started_ms: stored.created_ms,
        is_over: seen.run().finished().is_some(),
        ending: following::ending(seen, stored),
        stop: seen.run().finished().map(finish_word).unwrap_or_default().to_owned(),
        remarks,
        unmeasured: named,
        unmeasured_others: u32::try_from(others.len()).unwrap_or(u32::MAX),
    }
}

fn weaknesses(mined: &MinedRecord, texts: &Texts, arm: usize) -> Vec<Weakness> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let weaknesses = mined.weaknesses.iter().map(|weakness| Weakness {
        cluster: cluster(&weakness.cluster),
        words: weakness.words(),
        support: count(weakness.support),
        failed: count(mined.failed),
        actionable: weakness.actionable.clone(),
        places: places(weakness, texts, arm),
    });
    weaknesses.collect()
}

/// Where a weakness belongs, each line once, the likeliest first.
fn places(weakness: &WeaknessRecord, texts: &Texts, arm: usize) -> Vec<String> {
    let mut places = Vec::new();
    for place in &weakness.locations {
        let place = format!("{}:{}", place.file, texts.line(arm, &place.file, place.start));
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// The id of a cluster, as people read it: `C-7f3a`.
#[must_use]
pub fn cluster(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("C-{}", id.get(..4).unwrap_or(id)) }
}

fn refused_of(record: &RefusedRecord) -> Refused {
    let RefusedRecord { guard, why, summary, author } = record.clone();
    Refused { guard, why, summary, author }
}

/// When an edit acts: `always`, or `when detector = never-verified, event = finish`.
#[must_use]
pub fn scope(scope: &Value) -> String {
    if let Value::String(word) = scope {
        return word.clone();
    }
    let Some(Value::Object(parts)) = scope.get("when") else { return format!("when {scope}") };
    let parts = parts.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name} = {text}"),
        other => format!("{name} = {other}"),
    });
    format!("when {}", parts.collect::<Vec<_>>().join(", "))
}

fn told(stored: &StoredProposal) -> Told {
    let ProposalRecord { summary, why, author, edits, scope, cost, .. } = &stored.record;
    let surfaces: BTreeMap<&String, &String> = edits.iter().map(|edit| (&edit.surface, &edit.file)).collect();
    Told {
        summary: summary.clone(),
        why: why.clone(),
        author: author.clone(),
        cluster: cluster(&stored.record.cluster),
        surfaces: surfaces.into_iter().map(|(surface, file)| (surface.clone(), file.clone())).collect(),
        scope: self::scope(scope),
        cost: *cost,
        is_dismissed: stored.is_dismissed,
    }
}
