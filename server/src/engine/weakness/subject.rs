//! What a cluster of failures is about: its mechanism, or what stands in for one.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::detector::Detector;

use super::super::cluster::{Cluster, Level};
use super::super::signature::Seen;
use super::super::split::HeldIn;
use super::phrases::{self, Phrases};

/// So many names of the evidence are looked for.
const MAX_ENTITIES: usize = 12;

/// What a cluster is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The mechanism.
    pub detector: &'static Detector,
    /// What is said about it.
    pub phrases: &'static Phrases,
    /// What the evidence names, the most frequent first.
    pub entities: Vec<String>,
}

/// What a cluster is about. Without a mechanism of its own it is what is found most often in its trials: in a cluster of a tier
/// among that tier, in another one if half of the trials have it. Where there is no such thing, the cause says what usually lies
/// behind it. None if nothing is known.
#[must_use]
pub fn of(cluster: &Cluster, seen: &[HeldIn<Seen>]) -> Option<Subject> {
    let trials: BTreeSet<&str> =
        cluster.supporters.iter().flat_map(|supporter| &supporter.trials).map(String::as_str).collect();
    let own: Vec<&Seen> =
        seen.iter().map(HeldIn::get).filter(|seen| trials.contains(seen.trial.as_str())).collect();
    let found = || commonest(cluster, &own);
    let stand_in = || cluster.cause.or_else(|| first_cause(&own)).and_then(phrases::stand_in);
    let detector = cluster.mechanism.or_else(found).or_else(stand_in)?;
    Some(Subject { detector, phrases: phrases::of(detector)?, entities: entities(detector, &own) })
}

/// What is found most often in some trials; of equal ones the first by id.
fn commonest(cluster: &Cluster, own: &[&Seen]) -> Option<&'static Detector> {
    let mut counts: BTreeMap<&str, (usize, &'static Detector)> = BTreeMap::new();
    for finding in own.iter().flat_map(|seen| &seen.findings) {
        if cluster.tier.is_none_or(|tier| tier == finding.detector.tier) {
            counts.entry(finding.detector.id).or_insert((0, finding.detector)).0 += 1;
        }
    }
    let best = counts.into_values().fold(None, |best: Option<(usize, &'static Detector)>, next| match best {
        Some(best) if next.0 <= best.0 => Some(best),
        _ => Some(next),
    });
    let is_enough = |count: usize| cluster.level == Level::Tier || own.len() <= 2 * count;
    best.filter(|(count, _)| is_enough(*count)).map(|(_, detector)| detector)
}

fn first_cause(own: &[&Seen]) -> Option<super::super::cause::Cause> {
    let mut counts = BTreeMap::new();
    for cause in own.iter().filter_map(|seen| seen.cause) {
        *counts.entry(cause).or_insert(0_usize) += 1;
    }
    let most = counts.values().max().copied()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(cause, _)| cause)
}

fn entities(detector: &Detector, own: &[&Seen]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let findings =
        own.iter().flat_map(|seen| &seen.findings).filter(|finding| finding.detector.id == detector.id);
    for entity in findings.flat_map(|finding| finding.entities.iter()) {
        *counts.entry(entity).or_default() += 1;
    }
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by(|(one, often), (other, seldom)| seldom.cmp(often).then_with(|| one.cmp(other)));
    order.into_iter().take(MAX_ENTITIES).map(|(entity, _)| entity.to_owned()).collect()
}
