//! Which K of the offered proposals are tried: good ones that differ from each other and from what was judged before (maximal
//! marginal relevance, `method` 4.6). The same offers in any order give the same choice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::reply::Scope;
use super::similarity::{Shingles, likeness};
use super::{Judged, Proposal};
use crate::engine::weakness::Weakness;

/// How much quality weighs against likeness.
const QUALITY: f64 = 0.6;
/// A lift beyond this one counts no more.
const MAX_LIFT: f64 = 4.0;
/// What costs a tenth in quality, in tokens.
const TOKENS: f64 = 120.0;

/// Why a proposal is not tried in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Left {
    /// The same edit is offered twice.
    Twice,
    /// Half of the round is about its mechanism already.
    Mechanism,
    /// Half of the round changes its surface already.
    Surface,
    /// Others were better, or less like what is there.
    Outranked,
}

impl Left {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Twice => "offered-twice",
            Self::Mechanism => "mechanism-full",
            Self::Surface => "surface-full",
            Self::Outranked => "outranked",
        }
    }

    /// In a sentence, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Twice => "the same edit is offered twice",
            Self::Mechanism => "half of the round is about its mechanism already",
            Self::Surface => "half of the round changes its surface already",
            Self::Outranked => "others of this round promise more, or differ more",
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is tried, and what is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// The proposals that are tried, in the order in which they were chosen.
    pub chosen: Vec<Proposal>,
    /// The others, by cost and digest, each with the reason.
    pub left: Vec<(Proposal, Left)>,
}

/// What is compared of a proposal.
struct Traits {
    mechanism: String,
    surfaces: BTreeSet<String>,
    shingles: Shingles,
    trigger: Option<String>,
}

/// An offer with its quality.
struct Offer {
    proposal: Proposal,
    traits: Traits,
    quality: f64,
    is_of_second: bool,
    /// The greatest likeness to what was judged before.
    seen: f64,
}

/// Chooses at most `k` of the offers. `weaknesses` are in their order, the most promising first.
#[must_use]
pub fn choose(offers: Vec<Proposal>, weaknesses: &[Weakness], history: &[Judged], k: u32) -> Choice {
    let k = usize::try_from(k).unwrap_or(usize::MAX);
    let mut choice = Choice::default();
    let mut offers = offers;
    // Ties go to the first: the cheaper one, then the lesser digest.
    offers.sort_by(|one, other| one.cost.total_cmp(&other.cost).then_with(|| one.digest.cmp(&other.digest)));
    let mut digests = BTreeSet::new();
    let mut open = Vec::new();
    for proposal in offers {
        match digests.insert(proposal.digest) {
            true => open.push(offer(proposal, weaknesses, history)),
            false => choice.left.push((proposal, Left::Twice)),
        }
    }
    let most = k.div_ceil(2);
    let mut picked: Vec<Offer> = Vec::new();
    let mut mechanisms: BTreeMap<String, usize> = BTreeMap::new();
    let mut surfaces: BTreeMap<String, usize> = BTreeMap::new();
    while picked.len() < k {
        let allowed = |offer: &&Offer| full(offer, &mechanisms, &surfaces, most).is_none();
        let places = k - picked.len();
        let needs = needs(&picked, open.iter().filter(allowed), k);
        // As long as there are more places than needs, the best is taken.
        let is_needed =
            |offer: &&Offer| needs.is_empty() || needs.len() < places || needs.iter().any(|need| need(offer));
        let best = open.iter().enumerate().filter(|(_, offer)| allowed(offer) && is_needed(offer));
        let mut at = None;
        for (index, offer) in best {
            let value = relevance(offer, &picked);
            if at.is_none_or(|(_, most)| most < value) {
                at = Some((index, value));
            }
        }
        let Some((index, _)) = at else { break };
        let offer = open.remove(index);
        *mechanisms.entry(offer.traits.mechanism.clone()).or_default() += 1;
        for surface in &offer.traits.surfaces {
            *surfaces.entry(surface.clone()).or_default() += 1;
        }
        picked.push(offer);
    }
    for offer in open {
        let why = full(&offer, &mechanisms, &surfaces, most).filter(|_| picked.len() < k);
        choice.left.push((offer.proposal, why.unwrap_or(Left::Outranked)));
    }
    choice.left.sort_by(|(one, _), (other, _)| {
        one.cost.total_cmp(&other.cost).then_with(|| one.digest.cmp(&other.digest))
    });
    choice.chosen = picked.into_iter().map(|offer| offer.proposal).collect();
    choice
}

fn offer(proposal: Proposal, weaknesses: &[Weakness], history: &[Judged]) -> Offer {
    let traits = Traits {
        mechanism: proposal.mechanism.clone(),
        surfaces: proposal.surfaces(),
        shingles: proposal.shingles(),
        trigger: proposal.scope.trigger(),
    };
    let quality = quality(&proposal, weaknesses);
    let second = weaknesses.get(1).map(|weakness| weakness.cluster.id.as_str());
    let is_of_second = second == Some(proposal.cluster.as_str());
    let seen = history.iter().map(|judged| {
        let weight = if judged.is_hopeless { 1.0 } else { 0.5 };
        weight * sim(&traits, &of_judged(judged))
    });
    let seen = seen.fold(0.0, f64::max);
    Offer { proposal, traits, quality, is_of_second, seen }
}

fn of_judged(judged: &Judged) -> Traits {
    Traits {
        mechanism: judged.mechanism.clone(),
        surfaces: judged.surfaces.clone(),
        shingles: judged.shingles.clone(),
        trigger: judged.trigger.clone(),
    }
}

/// q = .5 support share + .3 min(lift, 4)/4 + .2 \[when\] - .1 tokens/120; a cluster without a lift counts as one of lift 1.
fn quality(proposal: &Proposal, weaknesses: &[Weakness]) -> f64 {
    let of_it = weaknesses.iter().find(|weakness| weakness.cluster.id == proposal.cluster);
    let tasks = |weakness: &Weakness| {
        weakness.cluster.supporters.iter().map(|each| each.task.clone()).collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = weaknesses.iter().flat_map(tasks).collect();
    let support = of_it.map_or(0, |weakness| weakness.cluster.supporters.len());
    let share = if all.is_empty() { 0.0 } else { support as f64 / all.len() as f64 };
    let lift = of_it.and_then(|weakness| weakness.cluster.lift).unwrap_or(1.0).clamp(0.0, MAX_LIFT);
    let when = if is_conditional(proposal) { 0.2 } else { 0.0 };
    0.5 * share + 0.3 * lift / MAX_LIFT + when - 0.1 * proposal.added as f64 / TOKENS
}

fn is_conditional(proposal: &Proposal) -> bool {
    matches!(proposal.scope, Scope::When(_))
}

/// sim = .35 \[mechanism\] + .25 Jaccard(surfaces) + .25 Jaccard(shingles) + .15 \[trigger\]. That both have no trigger is no
/// likeness.
fn sim(one: &Traits, other: &Traits) -> f64 {
    let mechanism = if one.mechanism == other.mechanism { 0.35 } else { 0.0 };
    let trigger = if one.trigger.is_some() && one.trigger == other.trigger { 0.15 } else { 0.0 };
    mechanism
        + 0.25 * likeness(&one.surfaces, &other.surfaces)
        + 0.25 * one.shingles.likeness(&other.shingles)
        + trigger
}

fn relevance(offer: &Offer, picked: &[Offer]) -> f64 {
    let like = picked.iter().map(|other| sim(&offer.traits, &other.traits)).fold(offer.seen, f64::max);
    QUALITY * offer.quality - (1.0 - QUALITY) * like
}

/// Why an offer has no place any more.
fn full(
    offer: &Offer,
    mechanisms: &BTreeMap<String, usize>,
    surfaces: &BTreeMap<String, usize>,
    most: usize,
) -> Option<Left> {
    let is_full =
        |counts: &BTreeMap<String, usize>, name: &str| most <= counts.get(name).copied().unwrap_or_default();
    if is_full(mechanisms, &offer.traits.mechanism) {
        return Some(Left::Mechanism);
    }
    offer.traits.surfaces.iter().any(|surface| is_full(surfaces, surface)).then_some(Left::Surface)
}

/// What a round should have and has not yet: a conditional edit, and one for the second cluster; each only if it is offered, and
/// none in a round of one.
fn needs<'o>(picked: &[Offer], open: impl Iterator<Item = &'o Offer>, k: usize) -> Vec<fn(&Offer) -> bool> {
    let all: [fn(&Offer) -> bool; 2] = [|offer| is_conditional(&offer.proposal), |offer| offer.is_of_second];
    let open: Vec<&Offer> = open.collect();
    let is_open =
        |need: &fn(&Offer) -> bool| 1 < k && !picked.iter().any(need) && open.iter().any(|offer| need(offer));
    all.into_iter().filter(|need| is_open(need)).collect()
}

#[cfg(test)]
mod tests;
