//! How a harness stands, in a line: not measured, its scores, how old they are, what runs now. The words are those of `editor` 3.5
//! and the scores those of 3.1. While a run is open only its progress is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use harness_schema::files::Content;
use harness_schema::harness::{Harness, Place, Role};
use harness_schema::path::FilePath;
use harness_schema::problem::Severity;
use harness_schema::split::Split;
use harness_schema::syntax::Document;
use harness_schema::text::Span;

use crate::engine::board::{
    Board, Proposal, RunLine, Scored, Status as RunStatus, StoreState, Texts, Trust, UNCONFINED,
};
use crate::engine::cycle::{Decision, Goal, Reason};
use crate::engine::gate::stage::Loss;
use crate::engine::report::measured::{Measured, Side};
use crate::engine::report::standing::Point;
use crate::engine::report::words;
use crate::engine::score;
use crate::workspace::Project;

/// How well things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing to do.
    #[default]
    Ok,
    /// It waits, is old, has no sandbox, or its manifest has errors.
    Warning,
    /// The manifest cannot be read.
    Error,
}

impl Health {
    /// The word of the protocol's extension (`editor` 2.7).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a status bar shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The text.
    pub text: String,
    /// How well things are.
    pub health: Health,
    /// Whether nothing runs.
    pub quiescent: bool,
}

/// What is known of the harness as it is open now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing<'a> {
    /// No harness like it was measured.
    NotMeasured,
    /// It was measured itself.
    Measured(&'a Scored),
    /// An earlier one was, so many edits ago.
    Old(&'a Scored, usize),
}

/// What is known of the harness as it is open now.
#[must_use]
pub fn standing(project: &Project) -> Standing<'_> {
    let board = project.board();
    if !shows(board) {
        return Standing::NotMeasured;
    }
    if let Some(scored) = board.scored(&project.identity().to_string()) {
        return Standing::Measured(scored);
    }
    match board.measured.first() {
        Some(scored) => Standing::Old(scored, edits_since(project, &scored.texts).max(1)),
        None => Standing::NotMeasured,
    }
}

/// Whether runs, weaknesses and proposals are shown: of a project that nobody trusts only what this machine wrote (`editor` 7).
#[must_use]
pub fn shows(board: &Board) -> bool {
    board.trust != Trust::Untrusted || board.store == StoreState::Own
}

/// How many surfaces have another text than then; a file that differs beside its surfaces counts as one.
#[must_use]
pub fn edits_since(project: &Project, texts: &Texts) -> usize {
    let harness = project.harness();
    // What is there no more has no role and counts.
    let is_read = |file: &&FilePath| {
        let role = harness.role(file);
        matches!(role, None | Some(Role::Manifest | Role::Text | Role::Tool | Role::Surface))
    };
    let files: BTreeSet<&FilePath> = texts.keys().chain(harness.named_files()).filter(is_read).collect();
    files.into_iter().map(|file| edits_in(harness, file, texts.get(file).map(String::as_str))).sum()
}

fn edits_in(harness: &Harness, file: &FilePath, before: Option<&str>) -> usize {
    let Some(before) = before else { return 1 };
    let Some(now) = harness.document(file) else { return 1 };
    if now.source() == before {
        return 0;
    }
    let old = Document::new(file.clone(), before.into());
    // Where it is now, if it has another value than then.
    let edited = |place: &Place| {
        let now = place.resolved().and_then(|resolved| resolved.as_ref().ok());
        let before = place.selector.resolve(&old).ok();
        let differs = now.map(|now| &now.digest) != before.as_ref().map(|before| &before.digest);
        differs.then(|| now.map_or_else(Span::default, |now| now.span))
    };
    let of_file = |place: &&Place| place.target == *file;
    let surfaces = harness.surfaces().iter();
    let spans: Vec<Span> =
        surfaces.filter_map(|placed| placed.places.iter().filter(of_file).find_map(edited)).collect();
    // Of surfaces inside of each other the inner one was edited.
    let is_inner = |span: &&Span| !spans.iter().any(|other| other != *span && span.contains(*other));
    let edited = spans.iter().filter(is_inner).count();
    // What a manifest says beside its surfaces is mostly no part of the harness.
    let least = usize::from(harness.role(file) != Some(Role::Manifest));
    edited.max(least)
}

/// `2 edits`.
#[must_use]
pub fn edits(count: usize) -> String {
    words::plural(count as u64, "edit", "edits")
}

/// The scores of a harness: `held-in 15.5/24 · held-out 7/12`.
#[must_use]
pub fn scores(scored: &Scored) -> String {
    let points: Vec<&Point> = [&scored.held_in, &scored.held_out].into_iter().flatten().collect();
    if points.is_empty() {
        return String::from("nothing measured");
    }
    let bounded = points.iter().filter(|point| point.bounds().is_some()).count();
    // What holds for all of them is said once, at the end.
    let mut parts: Vec<String> =
        points.iter().map(|of| point(of, 0 < bounded && bounded < points.len())).collect();
    if bounded == points.len() {
        parts.push(words::BOUNDS_ONLY.to_owned());
    }
    parts.join(" · ")
}

fn point(point: &Point, says_bounds: bool) -> String {
    let void = match point.void {
        0 => String::new(),
        void => format!(" · {} void", words::plural(void.into(), "task", "tasks")),
    };
    let bounds = if says_bounds && point.bounds().is_some() {
        format!(" · {}", words::BOUNDS_ONLY)
    } else {
        String::new()
    };
    format!("{} {}{void}{bounds}", point.split.word(), words::claim(point))
}

/// What a decision rests on, where space is short: `held-in 15.5→18/24 (+3 −0), held-out 7→8/12 (+1 −0)`. Bounds where the gate
/// stopped early, and never a point then.
#[must_use]
pub fn gains(measured: &Measured, has_flips: bool) -> String {
    let side = |side: &Side| {
        let (word, tasks) = (side.split.word(), side.tasks);
        if !measured.is_whole {
            let (least, most) = words::apart(side.bounds.0, side.bounds.1);
            return format!("{word} {least}–{most}/{tasks}");
        }
        let (before, after) = words::apart(side.baseline, side.candidate);
        let flips =
            if has_flips { format!(" (+{} −{})", side.flips.0, side.flips.1) } else { String::new() };
        format!("{word} {before}→{after}/{tasks}{flips}")
    };
    measured.sides.iter().map(side).collect::<Vec<_>>().join(", ")
}

/// Why a proposal may not be applied, by its decision: `rejected: held-out at most 6.5/12`; `None` of an accepted one and of one that
/// waits.
#[must_use]
pub fn refusal(board: &Board, proposal: &Proposal) -> Option<String> {
    let decision = proposal.decision?;
    Some(match decision {
        Decision::Accepted => return None,
        Decision::Rejected(reason) => format!("rejected: {}", loss(proposal, decision, reason)),
        Decision::Held(_) => format!("held: {}", decision.why()),
        Decision::Undecided(_) => {
            let run = board.runs.iter().find(|run| run.name == proposal.run);
            match run.map(|run| run.progress) {
                Some(progress) if 0 < progress.void && decision.why() == "void-cells" => {
                    format!("undecided: {} of {} trials void", progress.void, progress.total)
                }
                _ => format!("undecided: {}", decision.why()),
            }
        }
    })
}

fn loss(proposal: &Proposal, decision: Decision, reason: Reason) -> String {
    let split = match reason {
        Reason::Screen(Loss::HeldIn) | Reason::Confirm(Loss::HeldIn) => Split::HeldIn,
        Reason::Screen(Loss::HeldOut) | Reason::Confirm(Loss::HeldOut) => Split::HeldOut,
        _ => return decision.why().to_owned(),
    };
    let side = proposal
        .measured
        .as_ref()
        .and_then(|measured| Some((measured, measured.sides.iter().find(|side| side.split == split)?)));
    match side {
        Some((measured, side)) if measured.is_whole => {
            let (before, after) = words::apart(side.baseline, side.candidate);
            format!("{} {before}→{after}/{}", split.word(), side.tasks)
        }
        Some((_, side)) => {
            let (most, _) = words::apart(side.bounds.1, side.baseline);
            format!("{} at most {most}/{}", split.word(), side.tasks)
        }
        None => decision.why().to_owned(),
    }
}

/// How strong a comparison is, in a word.
#[must_use]
pub fn strength(measured: &Measured) -> &'static str {
    measured.comparison.as_ref().map_or("bounds only", |comparison| comparison.strength().word())
}

/// The state of a project in a line: the first lens of its manifest.
#[must_use]
pub fn state(project: &Project) -> String {
    let board = project.board();
    if board.trust == Trust::Untrusted {
        return String::from("Checks only: workspace not trusted");
    }
    if let StoreState::Unreadable(why) = &board.store {
        return format!("Cannot read state.db: {}, checks work", shown(why));
    }
    if let Some(run) = board.active() {
        return progress(run);
    }
    if let Some(run) = board.resumable() {
        let (done, total) = (run.progress.done, run.progress.total);
        return match (run.status, run.cause.as_str()) {
            (RunStatus::Paused, "") => format!("Paused at {done}/{total} trials"),
            (RunStatus::Paused, cause) => format!("Paused: {}", shown(cause)),
            _ => format!("Interrupted at {done}/{total} trials"),
        };
    }
    if let Some(run) = capped(project) {
        return format!("Paused: {}", shown(&run.cause));
    }
    match standing(project) {
        Standing::NotMeasured => String::from("Not measured"),
        Standing::Measured(scored) => scores(scored),
        Standing::Old(_, count) => format!("Scores are {} old", edits(count)),
    }
}

/// The run of this very harness that has spent what it may, if nothing was run since.
#[must_use]
pub fn capped(project: &Project) -> Option<&RunLine> {
    let board = project.board();
    let run = board.capped().filter(|_| shows(board))?;
    (run.harness == project.identity().to_string()).then_some(run)
}

/// `31/72 trials · $0.34 of $5.00 · about 6 min`.
fn progress(run: &RunLine) -> String {
    let progress = run.progress;
    if run.status == RunStatus::Queued {
        return match run.cause.as_str() {
            "" => String::from("Queued"),
            cause => format!("Queued: {}", shown(cause)),
        };
    }
    let mut parts = vec![format!("{}/{} trials", progress.done, progress.total)];
    if !run.is_confined {
        parts.insert(0, String::from(UNCONFINED));
    }
    let spent = score::money(progress.cost);
    parts.push(match progress.cap {
        Some(cap) if progress.cost.is_some() => format!("{spent} of ${cap:.2}"),
        _ => spent,
    });
    if let Some(seconds) = progress.eta {
        parts.push(format!("about {}", score::time(seconds)));
    }
    parts.join(" · ")
}

/// What a status bar shows of some projects: of several the one that needs somebody most, and how many there are.
#[must_use]
pub fn status<'a>(projects: impl IntoIterator<Item = &'a Arc<Project>>) -> Status {
    let all: Vec<(u8, Status)> = projects.into_iter().map(|project| of_one(project)).collect();
    let count = all.len();
    let health = all.iter().map(|(_, status)| status.health).max().unwrap_or_default();
    let quiescent = all.iter().all(|(_, status)| status.quiescent);
    // Of equal ones the first, as they are ordered by their roots.
    let first = all.into_iter().min_by_key(|(rank, _)| *rank);
    let text = first.map_or_else(|| String::from("harness: checks only"), |(_, status)| status.text);
    let text = if count < 2 { text } else { format!("{text} · {count} harnesses") };
    Status { text, health, quiescent }
}

/// The status of one project, and its rank: what runs first, then what waits for somebody.
fn of_one(project: &Project) -> (u8, Status) {
    let board = project.board();
    let problems = project.problems(&project.harness().manifest_path());
    let is_error =
        |problem: &&harness_schema::problem::Problem| problem.severity == Severity::Error && !problem.known;
    let errors = problems.iter().filter(is_error).count();
    let harness = project.harness();
    let is_unread = matches!(harness.files().content(&harness.manifest_path()), Some(Content::Opaque(_)));
    let is_broken = !harness.broken_regions(&harness.manifest_path()).is_empty();
    let of_manifest = match () {
        () if is_unread || is_broken => Health::Error,
        () if errors == 0 => Health::Ok,
        () => Health::Warning,
    };
    let says = |rank: u8, health: Health, text: String| {
        (rank, Status { text, health: health.max(of_manifest), quiescent: true })
    };
    if is_unread {
        return says(1, Health::Error, String::from("harness: the manifest cannot be read"));
    }
    if is_broken {
        return says(1, Health::Error, String::from("harness: the manifest does not parse"));
    }
    if let Some(run) = board.active().filter(|_| shows(board)) {
        let (done, total) = (run.progress.done, run.progress.total);
        let text = match run.status {
            RunStatus::Queued => String::from("harness queued"),
            _ if !run.is_confined => format!("harness: {UNCONFINED} {done}/{total}"),
            _ => format!("harness {done}/{total} · {}", score::money(run.progress.cost)),
        };
        let health = if run.is_confined { Health::Ok } else { Health::Warning };
        let (rank, status) = says(0, health, text);
        return (rank, Status { quiescent: false, ..status });
    }
    match &board.trust {
        Trust::Untrusted if errors == 0 => return says(4, Health::Ok, String::from("harness: checks only")),
        Trust::Untrusted => {
            let errors = words::plural(errors as u64, "error", "errors");
            return says(3, Health::Warning, format!("harness: {errors}"));
        }
        Trust::Changed(what) => {
            let changes = words::plural(what.len().max(1) as u64, "change", "changes");
            return says(2, Health::Warning, format!("harness: review {changes}"));
        }
        Trust::Trusted => {}
    }
    if let StoreState::Unreadable(_) = board.store {
        return says(2, Health::Warning, String::from("harness: cannot read state.db"));
    }
    if board.environment.iter().any(|problem| problem.code == "SH904") {
        return says(3, Health::Warning, String::from("harness: sandbox unavailable"));
    }
    if let Some(run) = board.resumable() {
        let text = match (run.status, short(&run.cause)) {
            (RunStatus::Paused, cause) if !cause.is_empty() => format!("harness paused: {cause}"),
            (RunStatus::Paused, _) => {
                format!("harness paused at {}/{}", run.progress.done, run.progress.total)
            }
            _ => format!("harness interrupted at {}/{}", run.progress.done, run.progress.total),
        };
        return says(1, Health::Warning, text);
    }
    if let Some(run) = capped(project) {
        let spent = shown(run.cause.split(',').next().unwrap_or_default());
        return says(1, Health::Warning, format!("harness paused: {spent}"));
    }
    match standing(project) {
        Standing::NotMeasured => says(6, Health::Ok, String::from("harness: not measured")),
        Standing::Measured(scored) => says(7, Health::Ok, scores(scored)),
        Standing::Old(scored, count) => {
            says(5, Health::Warning, format!("{} · {} old", scores(scored), edits(count)))
        }
    }
}

/// A cause without what a status bar has no room for: `provider answered 503 since 14:02` is `provider 503`.
fn short(cause: &str) -> String {
    let cause = cause.split(" since ").next().unwrap_or_default();
    shown(&cause.replace(" answered ", " ")).chars().take(40).collect()
}

/// The newest run that is not over, whoever works on it: nothing is decided before it is.
#[must_use]
pub fn open(board: &Board) -> Option<&RunLine> {
    board.runs.iter().find(|run| !run.status.is_over())
}

/// What a run does, for the reason why something has to wait: `validation running, 31/72`.
#[must_use]
pub fn running(run: &RunLine) -> String {
    let what = match run.goal {
        Goal::Evaluate => "evaluation",
        Goal::Propose => "proposing",
        Goal::Validate | Goal::Improve => "validation",
        Goal::Seal => "sealing",
        Goal::Import => "import",
    };
    let word = if run.status.is_active() { "running" } else { run.status.word() };
    format!("{what} {word}, {}/{}", run.progress.done, run.progress.total)
}

/// A text in one line, without what nobody sees or what changes how the rest is seen.
#[must_use]
pub fn shown(text: &str) -> String {
    let seen = text.chars().filter(|char| !crate::engine::unseen::is_hidden(*char));
    let plain: String = seen.map(|char| if char.is_control() { ' ' } else { char }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests;
