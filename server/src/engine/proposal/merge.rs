//! Puts proposals together that each have passed a screen (`method` 5.6.3): which of them may stand side by side, which set gains most,
//! and the files of their union. A union is made by a three-way merge against the harness that all of them were made for.

mod hunk;

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::check;
use harness_schema::harness::{Harness, Role};
use harness_schema::path::FilePath;
use harness_schema::problem::Severity;
use harness_schema::text::{TextEdit, apply_all};

use super::guard;
use super::place::NEW_STATE;
use super::reply::Scope;
use super::{Proposal, SurfaceEdit};
use crate::engine::weakness::words;

/// So many proposals are put together at most (`method` 5.6.3).
pub const MAX_MEMBERS: usize = 3;
/// So many candidates are looked at, the best first: all sets of three of them are tried.
const MAX_CANDIDATES: usize = 32;

/// Why two proposals cannot stand side by side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// They act on the same mechanism: one of them is enough, and together they cannot be told apart.
    #[error("both act on `{mechanism}`; keep the better one")]
    Mechanism {
        /// The mechanism.
        mechanism: String,
    },
    /// They set the same value.
    #[error("both set `{surface}`; keep the better one")]
    Value {
        /// The surface.
        surface: String,
    },
    /// They change the same bytes.
    #[error("both change the same lines of `{place}`; keep the better one")]
    Overlap {
        /// The surface or the file.
        place: String,
    },
    /// One demands what the other forbids.
    #[error("`{one}` and `{other}` contradict each other; keep one of them")]
    Contradiction {
        /// A line that one of them adds.
        one: String,
        /// A line that the other one adds.
        other: String,
    },
    /// They do different things at the same moment.
    #[error("both act on the same trigger; keep the better one")]
    Trigger,
}

/// Why there is no union.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUnion {
    /// Two of them cannot stand side by side.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// A file would have an error that it has not now.
    #[error("together they break `{file}`: {message}; leave one of them out")]
    Breaks {
        /// The file.
        file: FilePath,
        /// What would be wrong.
        message: String,
    },
}

/// Whether two proposals for the same harness may stand side by side.
///
/// # Errors
/// [`Incompatible`], the first reason that holds.
pub fn compatible(a: &Proposal, b: &Proposal) -> Result<(), Incompatible> {
    if a.mechanism == b.mechanism {
        return Err(Incompatible::Mechanism { mechanism: a.mechanism.clone() });
    }
    match (&a.scope, &b.scope) {
        (Scope::When(one), Scope::When(other)) if one == other => return Err(Incompatible::Trigger),
        _ => {}
    }
    for one in &a.edits {
        for other in b.edits.iter().filter(|other| other.surface == one.surface) {
            if is_value(one) || is_value(other) {
                return Err(Incompatible::Value { surface: one.surface.clone() });
            }
            // What is new stands beside what else is new.
            let is_new = one.before.is_empty() && other.before.is_empty();
            let meet = || {
                hunk::meet(&hunk::hunks(&one.before, &one.after), &hunk::hunks(&other.before, &other.after))
            };
            if !is_new && (one.before != other.before || meet()) {
                return Err(Incompatible::Overlap { place: one.surface.clone() });
            }
        }
    }
    let (ours, theirs) = (added_lines(a), added_lines(b));
    let pairs = ours.iter().flat_map(|one| theirs.iter().map(move |other| (*one, *other)));
    match pairs.into_iter().find(|(one, other)| words::contradict(one, other)) {
        Some((one, other)) => {
            Err(Incompatible::Contradiction { one: one.to_owned(), other: other.to_owned() })
        }
        None => Ok(()),
    }
}

/// Whether a surface is set as a whole: a number, a word, a duration; or where there can be one new thing only.
fn is_value(edit: &SurfaceEdit) -> bool {
    let before = edit.before.trim();
    edit.surface == NEW_STATE
        || (!before.is_empty() && !before.contains(char::is_whitespace) && !before.contains("{{"))
}

/// The lines that a proposal adds.
fn added_lines(proposal: &Proposal) -> Vec<&str> {
    let lines = proposal.edits.iter().flat_map(|edit| {
        let before: BTreeSet<&str> = edit.before.lines().map(str::trim).collect();
        edit.after.lines().map(str::trim).filter(move |line| !line.is_empty() && !before.contains(line))
    });
    lines.collect()
}

/// Every file that some proposals change together, whole, as it is afterwards; the same whatever their order. The union parses, and no
/// file of it has an error that the harness has not now.
///
/// # Errors
/// [`NoUnion`].
pub fn union(harness: &Harness, proposals: &[&Proposal]) -> Result<BTreeMap<FilePath, String>, NoUnion> {
    let mut members: Vec<&Proposal> = proposals.to_vec();
    members.sort_by_key(|proposal| proposal.digest);
    for (at, one) in members.iter().enumerate() {
        members.iter().skip(at + 1).try_for_each(|other| compatible(one, other))?;
    }
    let names: BTreeSet<&FilePath> = members.iter().flat_map(|proposal| proposal.files.keys()).collect();
    let mut files = BTreeMap::new();
    for name in names {
        let texts: Vec<&String> = members.iter().filter_map(|proposal| proposal.files.get(name)).collect();
        let overlap = || NoUnion::Incompatible(Incompatible::Overlap { place: name.to_string() });
        let base = harness.document(name).filter(|_| harness.files().is_file(name));
        let text = match (base, texts.as_slice()) {
            (_, [only]) => (*only).clone(),
            (Some(base), _) => merged(base.source(), &texts).ok_or_else(overlap)?,
            // Two texts of one new file have nothing in common to merge along.
            (None, [first, rest @ ..]) if rest.iter().all(|text| text == first) => (*first).clone(),
            (None, _) => return Err(overlap()),
        };
        files.insert(name.clone(), text);
    }
    match broken(harness, &files) {
        Some((file, message)) => Err(NoUnion::Breaks { file, message }),
        None => Ok(files),
    }
}

/// Several texts that were made of one, put together; none if two of them change the same bytes.
fn merged(base: &str, texts: &[&String]) -> Option<String> {
    let mut all: Vec<TextEdit> = Vec::new();
    for text in texts {
        let own = hunk::hunks(base, text);
        if hunk::meet(&all, &own) {
            return None;
        }
        all.extend(own);
    }
    // Of what stands at one place, what was there first comes first: `apply_all` keeps the order of equal places.
    apply_all(base, &all)
}

/// The first error that a harness has with some files and has not without them.
fn broken(harness: &Harness, files: &BTreeMap<FilePath, String>) -> Option<(FilePath, String)> {
    let after = guard::candidate(harness, files);
    let errors = |harness: &Harness| -> BTreeMap<(FilePath, &'static str, String), usize> {
        let mut counts = BTreeMap::new();
        // An edit is about what the agent reads; a suite may have thousands of files.
        let is_own = |file: &&FilePath| {
            let role = harness.role(file);
            let is_read = matches!(role, Some(Role::Manifest | Role::Text | Role::Tool | Role::Surface));
            is_read || files.contains_key(*file)
        };
        for file in harness.named_files().filter(is_own) {
            let problems = check::uncapped(harness, file).into_iter();
            for problem in problems.filter(|problem| problem.severity == Severity::Error && !problem.known) {
                *counts.entry((file.clone(), problem.rule.id, problem.message)).or_insert(0) += 1;
            }
        }
        counts
    };
    let before = errors(harness);
    let fresh = errors(&after)
        .into_iter()
        .find(|(error, count)| before.get(error).copied().unwrap_or_default() < *count);
    fresh.map(|((file, _, message), _)| (file, message))
}

/// Why a candidate is not in the chosen set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Left {
    /// There are as many as there may be.
    #[error("the union has as many members as it may have; it is tried in the next round")]
    Cap,
    /// It cannot stand beside one that was chosen.
    #[error("it cannot stand beside `{digest}`: {why}")]
    Beside {
        /// The first digits of the other one's digest.
        digest: String,
        /// Why.
        why: Incompatible,
    },
    /// Together with those that were chosen there is no union, or none that gains more.
    #[error("the chosen set gains more without it; it is tried in the next round")]
    NoMore,
}

/// A set of proposals that go together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Which candidates, in their order.
    pub chosen: Vec<usize>,
    /// The files of their union.
    pub files: BTreeMap<FilePath, String>,
    /// The sum of their gains.
    pub gain: f64,
    /// All others, and why.
    pub left: Vec<(usize, Left)>,
}

/// The set of at most `cap` candidates (proposals with their expected gains) that has a union and the largest sum of gains. Every
/// set is looked at, because the best candidate may stand in the way of two that gain more together. Of equal sums the smaller set
/// counts, then the least digests, whatever the order of the candidates. Nothing is chosen only if there is no candidate that has a
/// union with itself.
#[must_use]
pub fn choose(harness: &Harness, candidates: &[(Proposal, f64)], cap: usize) -> Choice {
    let gain = |at: usize| candidates.get(at).map_or(f64::MIN, |(_, gain)| gain.max(f64::MIN));
    let digest = |at: &usize| candidates.get(*at).map(|(proposal, _)| proposal.digest);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|one, other| {
        gain(*other).total_cmp(&gain(*one)).then_with(|| digest(one).cmp(&digest(other)))
    });
    order.truncate(MAX_CANDIDATES);
    let go_together = |one: usize, other: usize| match (candidates.get(one), candidates.get(other)) {
        (Some((one, _)), Some((other, _))) => compatible(one, other),
        _ => Ok(()),
    };
    let mut sets: Vec<(f64, Vec<usize>)> = Vec::new();
    let mut grown: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new())];
    for _ in 0..cap {
        let mut next = Vec::new();
        for (sum, set) in &grown {
            let from =
                set.last().and_then(|last| order.iter().position(|at| at == last)).map_or(0, |at| at + 1);
            for at in order.iter().skip(from) {
                if set.iter().all(|member| go_together(*member, *at).is_ok()) {
                    next.push((sum + gain(*at), set.iter().copied().chain([*at]).collect::<Vec<_>>()));
                }
            }
        }
        sets.extend(next.iter().cloned());
        grown = next;
    }
    let digests = |set: &[usize]| {
        let mut digests: Vec<_> = set.iter().filter_map(digest).collect();
        digests.sort_unstable();
        digests
    };
    sets.sort_by(|(one, a), (other, b)| {
        other.total_cmp(one).then_with(|| a.len().cmp(&b.len())).then_with(|| digests(a).cmp(&digests(b)))
    });
    let made = sets.into_iter().find_map(|(gain, set)| {
        let members: Vec<&Proposal> = set.iter().filter_map(|at| Some(&candidates.get(*at)?.0)).collect();
        union(harness, &members).ok().map(|files| (gain, set, files))
    });
    let Some((gain, mut chosen, files)) = made else {
        let left = (0..candidates.len()).map(|at| (at, Left::NoMore)).collect();
        return Choice { left, ..Choice::default() };
    };
    chosen.sort_unstable();
    let why = |at: usize| {
        let beside = chosen.iter().find_map(|member| {
            let why = go_together(*member, at).err()?;
            let digest =
                candidates.get(*member).map(|(proposal, _)| proposal.digest.short(12)).unwrap_or_default();
            Some(Left::Beside { digest, why })
        });
        beside.unwrap_or(if chosen.len() < cap { Left::NoMore } else { Left::Cap })
    };
    let left = (0..candidates.len()).filter(|at| !chosen.contains(at)).map(|at| (at, why(at))).collect();
    Choice { chosen, files, gain, left }
}

#[cfg(test)]
mod tests;
