//! What runs have shown, at the lines that it is about: weaknesses, proposals that wait, limits that trials ended at, and what is
//! wrong with the machine. Everything stands on trials; nothing judges a text. While a run is open the board keeps what it knew
//! before, so nothing appears here and nothing changes.

pub mod rules;

use std::collections::BTreeSet;

use harness_schema::harness::{Form, Harness, SymbolKind};
use harness_schema::path::FilePath;
use harness_schema::problem::{Problem, Severity};
use harness_schema::syntax::data::Kind;
use harness_schema::text::Span;

use super::anchor::Moves;
use super::standing::{self, Standing};
use super::switches::Switches;
use super::{accepted, applying, decided};
use crate::engine::board::{Accepted, Board, Mined, Place, Proposal, Spot, Trust, Weakness};
use crate::engine::cycle::Decision;
use crate::engine::gate::comparison::Strength;
use crate::engine::report::words;
use crate::workspace::{Project, Site};

/// So many weaknesses are shown in one file.
pub const MAX_WEAKNESSES: usize = 10;

/// The author of a hand edit that was measured.
const YOU: &str = "you";

/// A weakness at a line of a file.
#[derive(Clone, Copy, Debug)]
pub struct Weak<'a> {
    /// The weakness.
    pub weakness: &'a Weakness,
    /// Where it belongs in the text that was measured.
    pub place: &'a Place,
    /// The line now.
    pub span: Span,
    /// Whether the line was edited since, or the weakness was answered.
    pub is_old: bool,
}

/// Something accepted that the harness does not hold, at a line of a file.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// What was accepted.
    pub accepted: &'a Accepted,
    /// The line now.
    pub span: Span,
}

/// A limit that many held-in trials ended at.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// The key: `max_steps`.
    pub name: &'a str,
    /// So many trials ended at it.
    pub hits: u32,
    /// Held-in trials in all.
    pub trials: u32,
    /// The key in the manifest.
    pub span: Span,
    /// Whether it was edited since.
    pub is_old: bool,
}

/// The weaknesses of a file, the most promising first: one for each cluster and surface.
#[must_use]
pub fn weaknesses(site: &Site) -> Vec<Weak<'_>> {
    // Whatever a store says: nothing is shown in the files of tasks.
    if site.project.harness().suite().task_of(&site.file).is_some() {
        return Vec::new();
    }
    let Some((board, mined, moves)) = measured(site) else { return Vec::new() };
    let Some(now) = site.project.harness().document(&site.file) else { return Vec::new() };
    let answered = answered(&site.project);
    let mut found = Vec::new();
    for weakness in mined.weaknesses.iter().filter(|weakness| weakness.actionable == "yes") {
        let mut surfaces = BTreeSet::new();
        let here = weakness.places.iter().filter(|place| place.file.as_ref() == Some(&site.file));
        for place in here.filter(|place| surfaces.insert(place.surface.as_str())) {
            let anchor = moves.follow(Span::new(place.start, place.end));
            let is_answered = answered.contains(weakness.name.as_str());
            found.push(Weak {
                weakness,
                place,
                span: applying::line_of(now.source(), anchor.span()),
                is_old: !anchor.is_kept() || is_answered || is_past(board, mined),
            });
        }
    }
    found
}

/// What was mined, with how a file changed since; `None` if nothing may be shown of it.
fn measured(site: &Site) -> Option<(&Board, &Mined, Moves)> {
    let board = site.project.board().as_ref();
    let mined = board.mined.as_ref().filter(|_| standing::shows(board))?;
    let before = mined.texts.get(&site.file)?;
    let now = site.project.harness().document(&site.file)?;
    Some((board, mined, Moves::of(before, now.source())))
}

/// The clusters that something answers which was accepted and is in the texts.
fn answered(project: &Project) -> BTreeSet<&str> {
    let board = project.board();
    let Some(mined) = &board.mined else { return BTreeSet::new() };
    let of_mined = board.accepted.iter().filter(|accepted| accepted.harness == mined.harness);
    let held = of_mined.filter(|accepted| applying::is_in(project, &accepted.base, &accepted.files));
    held.flat_map(|accepted| clusters(board, accepted)).collect()
}

/// The clusters that something accepted is for.
#[must_use]
pub fn clusters<'a>(board: &'a Board, accepted: &Accepted) -> Vec<&'a str> {
    let proposals = accepted.proposals.iter().filter_map(|number| board.proposals.get(number));
    proposals.map(|proposal| proposal.cluster.as_str()).filter(|cluster| !cluster.is_empty()).collect()
}

/// What was accepted and waits, at its line in a file. What only makes new files waits at the surface that lets it.
#[must_use]
pub fn waiting(site: &Site) -> Vec<Waiting<'_>> {
    let project = &site.project;
    let placed = |accepted: &Accepted| {
        let anchor = applying::place(project, &site.file, &accepted.base, &accepted.files);
        anchor.map(|anchor| anchor.span()).or_else(|| {
            let is_new = accepted.files.keys().all(|file| !accepted.base.contains_key(file));
            (is_new && is_manifest(site)).then(|| declaration(project, accepted))
        })
    };
    let all = accepted::waiting(project).into_iter();
    all.filter_map(|accepted| Some(Waiting { accepted, span: placed(accepted)? })).collect()
}

/// Proposals that were not accepted and that nobody dismissed, at their lines in a file.
#[must_use]
pub fn open_proposals(site: &Site) -> Vec<(&Proposal, Span)> {
    let board = site.project.board();
    let is_open = |proposal: &&Proposal| {
        proposal.decision != Some(Decision::Accepted) && !proposal.is_dismissed && proposal.author != YOU
    };
    let open = board.proposals.values().filter(is_open).filter(|_| standing::shows(board));
    let placed = open.filter_map(|proposal| {
        let anchor = applying::place(&site.project, &site.file, &proposal.base, &proposal.files)?;
        Some((proposal, anchor.span()))
    });
    placed.collect()
}

/// Where a surface lets a file be made, in the manifest.
fn declaration(project: &Project, accepted: &Accepted) -> Span {
    let harness = project.harness();
    let edits = accepted.proposals.iter().filter_map(|number| project.board().proposals.get(number));
    let mut surfaces = edits
        .flat_map(|proposal| &proposal.edits)
        .filter_map(|edit| harness.surface(edit.surface.split('@').next().unwrap_or_default()));
    surfaces.next().map_or_else(|| first_line(harness), |placed| placed.id)
}

/// Whether what was mined is of another model, of other tasks or limits, or of something that is executed no more.
fn is_past(board: &Board, mined: &Mined) -> bool {
    !mined.is_current || matches!(board.trust, Trust::Changed(_))
}

/// The limits that at least a tenth of the held-in trials ended at; in the manifest alone.
#[must_use]
pub fn limits(site: &Site) -> Vec<Limit<'_>> {
    if !is_manifest(site) {
        return Vec::new();
    }
    let Some((board, mined, moves)) = measured(site) else { return Vec::new() };
    let harness = site.project.harness();
    let is_often = |hits: u32| 0 < hits && mined.trials <= hits.saturating_mul(10);
    let often = mined.limits.iter().filter(|(_, hits)| is_often(*hits));
    let limits = often.map(|(name, hits)| {
        let keys = ["runtime", "budget"].map(|table| [table, name.as_str()]);
        let key = keys.iter().find(|keys| harness.tree().root.at(keys.as_slice()).is_some());
        let span =
            key_span(harness, key.map_or(["runtime", name.as_str()].as_slice(), |keys| keys.as_slice()));
        // Looked at from now: whether its line was there then.
        let is_kept = key.is_none() || moves.has(span);
        Limit { name, hits: *hits, trials: mined.trials, span, is_old: !is_kept || is_past(board, mined) }
    });
    limits.collect()
}

/// Hand edits that were measured, are worse by more than chance, and are still in the texts, at their lines in a file.
#[must_use]
pub fn regressions(site: &Site) -> Vec<(&Proposal, Span)> {
    let board = site.project.board();
    let is_worse = |proposal: &&Proposal| {
        let comparison = proposal.measured.as_ref().and_then(|measured| measured.comparison.as_ref());
        proposal.author == YOU
            && !proposal.is_dismissed
            && matches!(proposal.decision, Some(Decision::Rejected(_)))
            && comparison.is_some_and(|comparison| Strength::Moderate <= Strength::of(-comparison.z()))
    };
    let worse = board.proposals.values().filter(is_worse).filter(|_| standing::shows(board));
    let held = worse.filter(|proposal| applying::is_in(&site.project, &proposal.base, &proposal.files));
    let placed = held.filter_map(|proposal| {
        let anchor = applying::place(&site.project, &site.file, &proposal.base, &proposal.files)?;
        Some((proposal, anchor.span()))
    });
    placed.collect()
}

/// The problems of a file that runs have shown, and those of machine and provider, in the order of the text.
#[must_use]
pub fn problems(site: &Site, switches: Switches) -> Vec<Problem> {
    let mut problems = Vec::new();
    if switches.evidence {
        problems.extend(waiting(site).iter().map(|waiting| of_accepted(site.project.board(), waiting)));
        problems.extend(shown_weaknesses(site, switches));
        problems.extend(regressions(site).into_iter().map(|(proposal, span)| regression(proposal, span)));
        problems.extend(of_manifest(site, switches));
    }
    if is_manifest(site) {
        problems.extend(environment(site));
    }
    problems.sort_by(|one, other| {
        let key = |problem: &Problem| (problem.span.start, problem.rule.id);
        key(one).cmp(&key(other)).then_with(|| one.symbol.cmp(&other.symbol))
    });
    problems
}

fn is_manifest(site: &Site) -> bool {
    site.file == site.project.harness().manifest_path()
}

fn of_accepted(board: &Board, waiting: &Waiting<'_>) -> Problem {
    let of = waiting.accepted;
    let names = words::names(&of.proposals);
    let gains =
        of.measured.as_ref().map(|measured| standing::gains(measured, true)).filter(|text| !text.is_empty());
    let message = match gains {
        Some(gains) => format!("{names} accepted: {gains}"),
        None => format!("{names} accepted"),
    };
    let clusters = clusters(board, of);
    let answers =
        (!clusters.is_empty()).then(|| format!("answers {}", standing::shown(&clusters.join(", "))));
    let gate = of.gate.map(|gate| format!("{} gate", decided::gate_word(gate)));
    let look = of.look.map(|look| format!("look {look}"));
    let strength = of.measured.as_ref().map(|measured| standing::strength(measured).to_owned());
    let why: Vec<String> = [answers, gate, look, strength].into_iter().flatten().collect();
    Problem::new(&rules::ACCEPTED_PROPOSAL, waiting.span, message).why(why.join(", ")).about(names)
}

fn shown_weaknesses(site: &Site, switches: Switches) -> Vec<Problem> {
    let mined = site.project.board().mined.as_ref();
    let failed = mined.map_or(0, |mined| mined.failed);
    let imported = mined.and_then(|mined| mined.imported.as_deref());
    // What is old because of trust stays: nobody edited it.
    let stays = matches!(site.project.board().trust, Trust::Changed(_));
    let all: Vec<Weak<'_>> =
        weaknesses(site).into_iter().filter(|weak| !weak.is_old || switches.show_old || stays).collect();
    let rest = all.len().saturating_sub(MAX_WEAKNESSES);
    let mut problems: Vec<Problem> =
        all.iter().take(MAX_WEAKNESSES).map(|weak| weakness(weak, failed, imported)).collect();
    if let Some(last) = problems.last_mut().filter(|_| 0 < rest) {
        let more = words::plural(rest as u64, "weakness", "weaknesses");
        last.why = format!("{}; {more} more in this file", last.why);
    }
    problems
}

fn weakness(weak: &Weak<'_>, failed: u32, imported: Option<&str>) -> Problem {
    let of = weak.weakness;
    let habit = if of.is_habit { ", passing ones too" } else { "" };
    let old = if weak.is_old { " · old" } else { "" };
    let title = standing::shown(&of.title);
    let message = format!("{} of {failed} failing tasks{habit}: {title} ({}){old}", of.support, of.name);
    let line = if weak.place.relation == "knob" { "limit" } else { "line" };
    let relation = standing::shown(&weak.place.relation);
    let from = imported.map(|form| standing::shown(&format!("imported from {form}"))).unwrap_or_default();
    let why = [standing::shown(&of.signature), format!("{line} {relation}"), from];
    let why: Vec<String> = why.into_iter().filter(|part| !part.trim().is_empty()).collect();
    let problem = Problem::new(&rules::WEAKNESS, weak.span, message).why(why.join(" · ")).about(&of.name);
    if weak.is_old { problem.severity(Severity::Hint) } else { problem }
}

fn regression(proposal: &Proposal, span: Span) -> Problem {
    let sides = proposal.measured.iter().flat_map(|measured| &measured.sides);
    let (won, lost) = sides.fold((0, 0), |(won, lost), side| (won + side.flips.0, lost + side.flips.1));
    let gains =
        proposal.measured.as_ref().map(|measured| standing::gains(measured, true)).unwrap_or_default();
    let lost = words::plural(u64::from(lost), "task", "tasks");
    let message = format!("your edit lost {lost} and won {won}: {gains}");
    let strength = proposal.measured.as_ref().and_then(|measured| measured.comparison.as_ref());
    let strength = strength.map_or("", |comparison| Strength::of(-comparison.z()).word());
    let look = proposal.look.map(|look| format!(", look {look}")).unwrap_or_default();
    let why = format!("measured in {} against the harness before it{look}, a {strength} loss", proposal.run);
    Problem::new(&rules::REGRESSION, span, message).why(why).about(format!("P{}", proposal.number))
}

fn of_manifest(site: &Site, switches: Switches) -> Vec<Problem> {
    if !is_manifest(site) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let harness = site.project.harness();
    if let Standing::Old(scored, count) = standing::standing(&site.project) {
        let message = format!("{} since {}", standing::edits(count), scored.run);
        problems.push(
            Problem::new(&rules::OLD_SCORES, first_line(harness), message)
                .why("the scores are those of another text"),
        );
    }
    for limit in limits(site).iter().filter(|limit| !limit.is_old || switches.show_old) {
        let old = if limit.is_old { " · old" } else { "" };
        let message =
            format!("{} of {} held-in trials ended at `{}`{old}", limit.hits, limit.trials, limit.name);
        let problem = Problem::new(&rules::LIMIT_HIT, limit.span, message)
            .why("an agent that is stopped fails whatever else the harness says")
            .about(limit.name);
        problems.push(if limit.is_old { problem.severity(Severity::Hint) } else { problem });
    }
    let board = site.project.board();
    let mined = board.mined.as_ref().filter(|_| standing::shows(board));
    let suspects = mined.iter().flat_map(|mined| &mined.suspects);
    for task in suspects.filter(|task| !decided::judges(&site.project, task)) {
        let message =
            format!("no harness ever passed task `{}`, always with the same failures", standing::shown(task));
        problems.push(
            Problem::new(&rules::SUSPECT_TASK, task_span(harness, task), message)
                .why("a task that nobody can pass measures nothing")
                .about(task),
        );
    }
    problems
}

fn environment(site: &Site) -> Vec<Problem> {
    let (harness, board) = (site.project.harness(), site.project.board());
    let shown = board.environment.iter().filter(|_| standing::shows(board));
    let known = shown.filter_map(|of| Some((rules::rule(of.code)?, of)));
    let problems = known.map(|(rule, of)| {
        let (span, symbol) = match &of.at {
            Spot::Key(keys) => (key_span(harness, keys), keys.join(".")),
            Spot::Task(task) => (task_span(harness, task), task.clone()),
        };
        Problem::new(rule, span, standing::shown(&of.message)).why(standing::shown(&of.why)).about(symbol)
    });
    problems.collect()
}

/// The first line of the manifest.
fn first_line(harness: &Harness) -> Span {
    harness.manifest_file().document.text().line_span(0)
}

/// A key of the manifest with its value; the table or the file that would have it, if it is not written.
fn key_span(harness: &Harness, keys: &[&str]) -> Span {
    let mut value = &harness.tree().root;
    let mut span = first_line(harness);
    for key in keys {
        let Some(entry) = value.entry(key) else { break };
        let is_table = matches!(entry.value.kind, Kind::Table(_) | Kind::List(_));
        span = if is_table { harness.header_of(entry.value.span) } else { entry.span() };
        value = &entry.value;
    }
    span
}

/// Where the manifest names a task; `[tasks]`, if it names none.
fn task_span(harness: &Harness, task: &str) -> Span {
    let manifest: FilePath = harness.manifest_path();
    let mentions = harness.mentions_in(&manifest).iter();
    let mut named = mentions.filter(|mention| {
        mention.kind == SymbolKind::Task && mention.form != Form::Definition && mention.name == task
    });
    named.next().map_or_else(|| key_span(harness, &["tasks"]), |mention| mention.span)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
