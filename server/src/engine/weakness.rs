//! A cluster of failures, the lines of the harness that it is about, and whether an edit could help (`method` 3.8).

pub mod phrases;
pub mod words;
pub mod lines;
mod rank;
pub mod knob;
pub mod subject;

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::detector::{DETECTORS, Detector};
use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::surface::Role;
use harness_schema::text::Span;

use self::lines::{Line, Place};
use self::rank::{Corpus, Fit, Query, best};
use self::subject::Subject;
use self::words::Polarity;
use super::cluster::{Cluster, Mined};
use super::signature::Seen;
use super::split::HeldIn;

/// So many lines about one mechanism are compared with each other.
const MAX_COMPARED: usize = 64;
/// So many behaviours are protected at most (`method` 4.1).
const MAX_PROTECTED: usize = 8;

/// How a line of a surface and a mechanism belong together; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// A limit that can be turned.
    Knob,
    /// Two lines demand opposite things.
    Conflicting,
    /// A line asks for what goes wrong.
    Triggering,
    /// A line forbids what happens, and it happens.
    Violated,
    /// No line says anything about it.
    Absent,
}

impl Relation {
    /// All of them, in order.
    pub const ALL: [Self; 5] =
        [Self::Knob, Self::Conflicting, Self::Triggering, Self::Violated, Self::Absent];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Knob => "knob",
            Self::Conflicting => "conflicting",
            Self::Triggering => "triggering",
            Self::Violated => "violated",
            Self::Absent => "absent",
        }
    }

    /// The relation that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.word() == word)
    }
}

/// Where a weakness belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// The surface's id.
    pub surface: String,
    /// What kind of surface it is.
    pub role: Role,
    /// The file.
    pub file: FilePath,
    /// The line, in bytes of the file; empty where something is missing.
    pub span: Span,
    /// The text of that line; empty where something is missing.
    pub line: String,
    /// How they belong together.
    pub relation: Relation,
    /// How well the line fits; 0 where something is missing.
    pub value: f64,
}

/// Whether an edit could help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actionable {
    /// It could.
    Yes,
    /// Fewer than two tasks support it.
    LowSupport,
    /// The harness has no surface of any kind that it points at.
    NoSurface,
    /// Its tasks prove nothing.
    SuspectTask,
}

impl Actionable {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::LowSupport => "low-support",
            Self::NoSurface => "no-surface",
            Self::SuspectTask => "suspect-task",
        }
    }
}

/// A cluster of failures with its place in the harness.
#[derive(Clone, Debug, PartialEq)]
pub struct Weakness {
    /// The failures.
    pub cluster: Cluster,
    /// Where it belongs: one place for each kind of surface that the mechanism points at and the harness has, the first first.
    pub locations: Vec<Location>,
    /// Whether an edit could help.
    pub actionable: Actionable,
}

/// Something that works and has to go on working: a detector that finds nothing in any repeat of the tasks that pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// The detector's name.
    pub mechanism: &'static str,
    /// The line of the harness that demands it, if one does. Its relation is [`Relation::Violated`], as that of every line that
    /// demands; here nothing violates it.
    pub line: Option<Location>,
}

/// Where each cluster belongs, in the order of the clusters. `suspects` are tasks that prove nothing: a cluster that stands on them
/// alone is not worth an edit. The same for any order of `seen`.
///
/// For each kind of surface that the mechanism points at there is one place (`method` 3.8). Prose that is violated already comes
/// after a rule or a state: it was said, and it did not work.
#[must_use]
pub fn locate(
    harness: &Harness,
    mined: &Mined,
    seen: &[HeldIn<Seen>],
    suspects: &BTreeSet<String>,
) -> Vec<Weakness> {
    let texts = Texts::of(harness);
    let least = usize::try_from(*harness.manifest().improve.min_support).unwrap_or(usize::MAX);
    let weakness = |cluster: &Cluster| {
        let subject = subject::of(cluster, seen);
        let locations = subject.map(|subject| texts.locations(&subject)).unwrap_or_default();
        let solid = cluster.supporters.iter().filter(|supporter| !suspects.contains(&supporter.task)).count();
        let actionable = match cluster {
            _ if cluster.support < least => Actionable::LowSupport,
            _ if locations.is_empty() => Actionable::NoSurface,
            _ if solid < least => Actionable::SuspectTask,
            _ => Actionable::Yes,
        };
        Weakness { cluster: cluster.clone(), locations, actionable }
    };
    mined.clusters.iter().map(weakness).collect()
}

/// What works and has to go on working, the best demanded first: detectors that find nothing in any trial of the tasks whose every
/// trial passed, where a line of the harness demands that; one detector for a line, and at most eight.
#[must_use]
pub fn protected(harness: &Harness, seen: &[HeldIn<Seen>]) -> Vec<Protected> {
    let mut passes: BTreeMap<&str, bool> = BTreeMap::new();
    for seen in seen.iter().map(HeldIn::get) {
        *passes.entry(&seen.task).or_insert(true) &= seen.cause.is_none();
    }
    let steady: Vec<&Seen> = seen
        .iter()
        .map(HeldIn::get)
        .filter(|seen| passes.get(seen.task.as_str()).copied().unwrap_or_default())
        .collect();
    if steady.is_empty() {
        return Vec::new();
    }
    let loud: BTreeSet<&str> =
        steady.iter().flat_map(|seen| &seen.findings).map(|finding| finding.detector.id).collect();
    let texts = Texts::of(harness);
    let mut found: Vec<(&'static Detector, Location)> = Vec::new();
    for detector in DETECTORS.iter().filter(|detector| !loud.contains(detector.id)) {
        let Some(line) = texts.demand(detector) else { continue };
        match found.iter_mut().find(|(_, other)| other.file == line.file && other.span == line.span) {
            Some(other) if other.1.value < line.value => *other = (detector, line),
            Some(_) => {}
            None => found.push((detector, line)),
        }
    }
    found.sort_by(|(one, a), (other, b)| b.value.total_cmp(&a.value).then_with(|| one.id.cmp(other.id)));
    let protected = |(detector, line): (&'static Detector, Location)| Protected {
        mechanism: detector.name,
        line: Some(line),
    };
    found.into_iter().take(MAX_PROTECTED).map(protected).collect()
}

/// The lines of a harness by kind of surface, with what is known of all of them.
struct Texts<'h> {
    harness: &'h Harness,
    lines: BTreeMap<Role, Vec<Line>>,
    corpus: Corpus,
}

impl<'h> Texts<'h> {
    fn of(harness: &'h Harness) -> Self {
        // A limit says nothing.
        let roles = Role::ALL.into_iter().filter(|role| *role != Role::Limit);
        let lines: BTreeMap<Role, Vec<Line>> = roles.map(|role| (role, lines::of(harness, role))).collect();
        let corpus = Corpus::of(lines.values().flatten());
        Self { harness, lines, corpus }
    }

    fn lines(&self, role: Role) -> &[Line] {
        self.lines.get(&role).map_or(&[], Vec::as_slice)
    }

    /// One place for each kind of surface that a subject points at.
    fn locations(&self, subject: &Subject) -> Vec<Location> {
        let at = subject.detector.at.iter();
        let mut found: Vec<Location> = at.filter_map(|role| self.location(*role, subject)).collect();
        let is_prose = |role: Role| matches!(role, Role::Prompt | Role::Task | Role::Tool);
        let did_not_help =
            |location: &Location| is_prose(location.role) && location.relation == Relation::Violated;
        if found.iter().any(did_not_help) {
            found.sort_by_key(|location| is_prose(location.role));
        }
        found
    }

    fn location(&self, role: Role, subject: &Subject) -> Option<Location> {
        if role == Role::Limit {
            let knob = knob::of(self.harness, subject.detector).into_iter().next()?;
            return Some(Location {
                surface: knob.surface,
                role,
                file: knob.file,
                span: knob.span,
                line: knob.text,
                relation: Relation::Knob,
                value: 0.0,
            });
        }
        let query = Query::of(subject.phrases.keywords(), &subject.entities);
        let lines = self.lines(role);
        let fits = self.corpus.fits(lines, &query);
        let located = |fit: &Fit, relation| located(lines, fit, relation);
        if let Some(fit) = conflicting(lines, &fits, subject) {
            return located(fit, Relation::Conflicting);
        }
        let causes = subject.phrases.causes();
        let says =
            |fit: &&Fit| lines.get(fit.line).is_some_and(|line| words::says(&line.text, &causes).is_some());
        if let Some(fit) = best(fits.iter().filter(says)) {
            return located(fit, Relation::Triggering);
        }
        // A rule that the detector triggers says what it says each time, however it is worded.
        let rules = lines::rules_on(self.harness, subject.detector.name);
        let is_own = |fit: &&Fit| lines.get(fit.line).is_some_and(|line| rules.contains(&line.surface));
        if let Some(fit) = best(fits.iter().filter(is_own)).filter(|_| role == Role::Rule) {
            return located(fit, Relation::Violated);
        }
        if let Some(fit) = best(fits.iter().filter(|fit| demands(lines, fit))) {
            return located(fit, Relation::Violated);
        }
        self.absent(role, subject.detector, lines, &fits)
    }

    /// The line that demands what a detector looks for the want of.
    fn demand(&self, detector: &'static Detector) -> Option<Location> {
        let phrases = phrases::of(detector)?;
        let query = Query::of(phrases.keywords(), &[]);
        let causes = phrases.causes();
        let roles = Role::ALL.into_iter().filter(|role| *role == Role::Prompt || detector.at.contains(role));
        let best_of = |role| {
            let lines = self.lines(role);
            let fits = self.corpus.fits(lines, &query);
            let is_kept = |fit: &&Fit| {
                demands(lines, fit)
                    && lines.get(fit.line).is_some_and(|line| words::says(&line.text, &causes).is_none())
            };
            located(lines, best(fits.iter().filter(is_kept))?, Relation::Violated)
        };
        roles.filter_map(best_of).fold(None, |best: Option<Location>, next| match best {
            Some(best) if next.value <= best.value => Some(best),
            _ => Some(next),
        })
    }

    /// Where something of a kind would be added: what adds rules and states, or the end of a text. Of tools the one whose calls show
    /// it, else the one whose description fits best; of everything else the first. What only shows results, or is a variable, is no
    /// place for a demand.
    fn absent(&self, role: Role, detector: &Detector, lines: &[Line], fits: &[Fit]) -> Option<Location> {
        let new = match role {
            Role::Rule => lines::new_rule(self.harness),
            Role::State => lines::new_state(self.harness),
            _ => None,
        };
        let fitting = || {
            let fit = best(fits.iter().filter(|fit| 0.0 < fit.value))?;
            self.harness.surface(&lines.get(fit.line)?.surface)
        };
        let likeliest = match role {
            Role::Tool => lines::tool(self.harness, detector).or_else(fitting),
            _ => None,
        };
        let first = || {
            self.harness.surfaces().iter().find(|placed| {
                let id = placed.surface.id.as_str();
                let is_text = id != "prompt.observation" && !id.starts_with("prompt.variables.");
                placed.surface.role == Some(role) && is_text && lines::value(placed).is_some()
            })
        };
        let Place { surface, file, span } = new.or_else(|| likeliest.or_else(first).and_then(lines::end))?;
        Some(Location {
            surface,
            role,
            file,
            span,
            line: String::new(),
            relation: Relation::Absent,
            value: 0.0,
        })
    }
}

fn located(lines: &[Line], fit: &Fit, relation: Relation) -> Option<Location> {
    let line = lines.get(fit.line)?;
    Some(Location {
        surface: line.surface.clone(),
        role: line.role,
        file: line.file.clone(),
        span: line.span,
        line: line.text.clone(),
        relation,
        value: fit.value,
    })
}

/// Whether a line is about something, and wants something.
fn demands(lines: &[Line], fit: &Fit) -> bool {
    fit.is_match() && lines.get(fit.line).is_some_and(|line| words::polarity(&line.text).is_some())
}

/// Of two lines that match and contradict each other, the one that does not want what the stock sentence wants.
fn conflicting<'f>(lines: &[Line], fits: &'f [Fit], subject: &Subject) -> Option<&'f Fit> {
    let matches: Vec<(&Fit, &Line)> = fits
        .iter()
        .filter(|fit| fit.is_match())
        .filter_map(|fit| Some((fit, lines.get(fit.line)?)))
        .take(MAX_COMPARED)
        .collect();
    let wanted = words::polarity(subject.phrases.sentence).unwrap_or(Polarity::Demands);
    let pairs = matches.iter().enumerate().flat_map(|(at, one)| {
        matches
            .iter()
            .skip(at + 1)
            .filter(|other| words::contradict(&one.1.text, &other.1.text))
            .map(move |other| (one, other))
    });
    let best = pairs.fold(None, |best: Option<(f64, &'f Fit)>, (one, other)| {
        let value = one.0.value + other.0.value;
        let unwanted = if words::polarity(&one.1.text) == Some(wanted) { other.0 } else { one.0 };
        match best {
            Some(best) if value <= best.0 => Some(best),
            _ => Some((value, unwanted)),
        }
    });
    best.map(|(_, fit)| fit)
}

#[cfg(test)]
pub(crate) mod tests;
