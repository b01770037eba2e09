//! What can be done about evidence: apply what was validated, look at it, see why, dismiss it, or start a verb. The server offers
//! and the user applies: an offer holds no edit, and none of them is preferred. What an editor asks for on its own, as on save, gets
//! neither a verb nor a proposal.

use harness_schema::problem::Change;
use harness_schema::text::Span;

use super::command::Command;
use super::evidence::{self, Waiting, Weak};
use super::{accepted, applying, lenses, standing};
use crate::engine::board::{Accepted, Board, Proposal, StoreState, Trust};
use crate::engine::report::words;
use crate::workspace::{Project, Site};

/// The kind of an offer, for the filters of editors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// About a proposal.
    Proposal,
    /// About a weakness.
    Quickfix,
    /// Starts a verb.
    Verb,
}

impl Kind {
    /// The word of the protocol.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proposal => "quickfix.selfHarness.proposal",
            Self::Quickfix => "quickfix",
            Self::Verb => "source.selfHarness",
        }
    }
}

/// What an offer does when it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Edits: exactly what was validated with these proposals; [`resolve`] makes it.
    Apply(Vec<u32>),
    /// Starts a verb.
    Run(Command),
}

/// Something that the user can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The title.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// Why it cannot be chosen now.
    pub disabled: Option<String>,
    /// What it does.
    pub does: Does,
    /// The line that it is about.
    pub span: Span,
}

/// Who asked for offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The user did.
    Invoked,
    /// The editor did, on its own.
    Automatic,
    /// The editor does not say.
    Unknown,
}

/// The offers at a span, in the order of the lines: for each apply, preview, evidence, validate, dismiss. `has_only` says that
/// the request names kinds: unless the user asked it may be an editor that saves.
#[must_use]
pub fn offers(site: &Site, span: Span, trigger: Trigger, has_only: bool) -> Vec<Offer> {
    if has_only && trigger != Trigger::Invoked {
        return Vec::new();
    }
    let is_at = |place: Span| {
        place.touches(span.start as usize)
            || place.touches(span.end as usize)
            || (trigger != Trigger::Automatic && span.overlaps(place))
    };
    let board = site.project.board();
    let waiting: Vec<Waiting<'_>> =
        evidence::waiting(site).into_iter().filter(|waiting| is_at(waiting.span)).collect();
    let weak: Vec<Weak<'_>> =
        evidence::weaknesses(site).into_iter().filter(|weak| is_at(weak.span)).collect();
    let mut offers = Vec::new();
    for waiting in &waiting {
        validated(&site.project, waiting, &mut offers);
    }
    for (proposal, place) in evidence::open_proposals(site) {
        // A proposal for a weakness is asked for at that weakness too.
        let answers = weak.iter().find(|weak| weak.weakness.name == proposal.cluster);
        if is_at(place) || answers.is_some() {
            let place = if is_at(place) { place } else { answers.map_or(place, |weak| weak.span) };
            open(&site.project, proposal, place, &mut offers);
        }
    }
    for (proposal, place) in evidence::regressions(site).into_iter().filter(|(_, place)| is_at(*place)) {
        let command = Command::new("self-harness.report", site.project.root()).proposals(&[proposal.number]);
        let title = format!("Show evidence for P{} ({})", proposal.number, refused(board, proposal));
        offers.push(Offer {
            title,
            kind: Kind::Quickfix,
            disabled: None,
            does: Does::Run(command),
            span: place,
        });
    }
    for weak in weak {
        weakness(&site.project, &weak, &mut offers);
    }
    if trigger != Trigger::Automatic {
        verbs(site, span, &mut offers);
    }
    offers
}

/// The changes of an offer to apply.
///
/// # Errors
/// Why it may not be applied, in the words of a disabled offer.
pub fn resolve(project: &Project, proposals: &[u32]) -> Result<Vec<Change>, String> {
    let board = project.board();
    let Some(accepted) = accepted::find(board, proposals) else {
        let first = proposals.first().and_then(|number| board.proposals.get(number));
        return Err(first.map_or_else(|| String::from("not accepted"), |proposal| refused(board, proposal)));
    };
    match barred(board) {
        Some(why) => Err(why),
        None => applying::resolve(project, accepted),
    }
}

/// Why nothing at all may be applied now.
fn barred(board: &Board) -> Option<String> {
    match (&board.trust, &board.store) {
        (Trust::Untrusted | Trust::Changed(_), _) => return Some(String::from("workspace not trusted")),
        (Trust::Trusted, StoreState::Imported) => return Some(String::from("imported")),
        (Trust::Trusted, _) => {}
    }
    standing::open(board).map(standing::running)
}

/// Why a proposal that was not accepted may not be applied.
fn refused(board: &Board, proposal: &Proposal) -> String {
    standing::refusal(board, proposal).unwrap_or_else(|| String::from("not validated yet"))
}

fn validated(project: &Project, waiting: &Waiting<'_>, offers: &mut Vec<Offer>) {
    let board = project.board();
    let of = waiting.accepted;
    let names = words::names(&of.proposals);
    let verb = |id| Does::Run(Command::new(id, project.root()).proposals(&of.proposals));
    let mut offer = |title: String, disabled: Option<String>, does: Does| {
        offers.push(Offer { title, kind: Kind::Proposal, disabled, does, span: waiting.span });
    };
    let disabled = resolve(project, &of.proposals).err();
    let is_exact = project.identity().to_string() == of.harness;
    let before = match (is_exact, &disabled) {
        (false, None) => match standing::edits_since(project, &of.base) {
            0 => String::new(),
            1 => String::from(" (measured before 1 other edit)"),
            count => format!(" (measured before {count} other edits)"),
        },
        _ => String::new(),
    };
    offer(
        format!("Apply {names}{before}{}{}", summary(board, of), scores(of)) + author(board, of),
        disabled.clone(),
        Does::Apply(of.proposals.clone()),
    );
    offer(format!("Preview {names}"), None, verb("self-harness.preview"));
    let tasks = words::plural(tasks(board, of) as u64, "task", "tasks");
    let why = disabled.unwrap_or(tasks);
    offer(format!("Show evidence for {names} ({why})"), None, verb("self-harness.report"));
    offer(format!("Dismiss {names}…"), None, verb("self-harness.dismiss"));
}

fn open(project: &Project, proposal: &Proposal, span: Span, offers: &mut Vec<Offer>) {
    let board = project.board();
    let number = proposal.number;
    let verb = |id| Does::Run(Command::new(id, project.root()).proposals(&[number]));
    let mut offer = |title: String, disabled: Option<String>, does: Does| {
        offers.push(Offer { title, kind: Kind::Proposal, disabled, does, span });
    };
    let why = refused(board, proposal);
    let summary = standing::shown(&proposal.summary);
    offer(format!("Apply P{number}: {summary}"), Some(why.clone()), Does::Apply(vec![number]));
    offer(format!("Preview P{number}"), None, verb("self-harness.preview"));
    offer(format!("Show evidence for P{number} ({why})"), None, verb("self-harness.report"));
    // Else it would be refused.
    if accepted::may_validate(project, proposal) {
        let again = if proposal.decision.is_some() { " again on this text" } else { "" };
        let price = if board.next.waiting == [number] { board.next.validate.as_str() } else { "" };
        let validate = Command::new("self-harness.validate", project.root()).proposals(&[number]);
        let (title, validate) = lenses::priced(format!("Validate P{number}{again}"), price, validate);
        offer(title, None, Does::Run(validate));
    }
    offer(format!("Dismiss P{number}…"), None, verb("self-harness.dismiss"));
}

fn weakness(project: &Project, weak: &Weak<'_>, offers: &mut Vec<Offer>) {
    let name = &weak.weakness.name;
    let verb = |id| Command::new(id, project.root()).cluster(name);
    let tasks = words::plural(weak.weakness.support.into(), "task", "tasks");
    let mut offer = |title: String, does: Does| {
        offers.push(Offer { title, kind: Kind::Quickfix, disabled: None, does, span: weak.span });
    };
    offer(format!("Show evidence for {name} ({tasks})"), Does::Run(verb("self-harness.weaknesses")));
    if !weak.is_old {
        // It proposes for every weakness; this one is why it is offered here.
        let price = &project.board().next.propose;
        let (title, propose) = lenses::priced(String::from("Propose"), price, verb("self-harness.propose"));
        offer(title, Does::Run(propose));
    }
}

/// On the first line of a document: what its lenses start.
fn verbs(site: &Site, span: Span, offers: &mut Vec<Offer>) {
    let document = site.project.harness().document(&site.file);
    let first = document.map(|document| document.text().line_span(0)).unwrap_or_default();
    if !first.touches(span.start as usize) {
        return;
    }
    for lens in lenses::lenses(site) {
        let Some(command) = lens.command else { continue };
        // Scores are no title of something to do.
        let title = match command.word() {
            "report" => String::from("Show the report"),
            "weaknesses" => String::from("Show the weaknesses of this file"),
            _ => lens.title,
        };
        offers.push(Offer { title, kind: Kind::Verb, disabled: None, does: Does::Run(command), span: first });
    }
}

fn members<'a>(board: &'a Board, accepted: &'a Accepted) -> impl Iterator<Item = &'a Proposal> {
    accepted.proposals.iter().filter_map(|number| board.proposals.get(number))
}

fn summary(board: &Board, accepted: &Accepted) -> String {
    let all: Vec<String> =
        members(board, accepted).map(|proposal| standing::shown(&proposal.summary)).collect();
    let all: Vec<String> = all.into_iter().filter(|summary| !summary.is_empty()).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join("; ")) }
}

fn scores(accepted: &Accepted) -> String {
    let gains = accepted.measured.as_ref().map(|measured| standing::gains(measured, false));
    gains.filter(|text| !text.is_empty()).map(|text| format!(" · {text}")).unwrap_or_default()
}

fn author(board: &Board, accepted: &Accepted) -> &'static str {
    if members(board, accepted).any(|proposal| proposal.author == "model") { " (model-written)" } else { "" }
}

/// How many tasks something accepted is about: those of its clusters, or those that it should mend.
fn tasks(board: &Board, accepted: &Accepted) -> usize {
    let mined = board.mined.iter().flat_map(|mined| &mined.weaknesses);
    let clusters = evidence::clusters(board, accepted);
    let of_clusters = mined.filter(|weakness| clusters.contains(&weakness.name.as_str()));
    let count: usize = of_clusters.map(|weakness| usize::try_from(weakness.support).unwrap_or(0)).sum();
    if 0 < count {
        return count;
    }
    let fixes: std::collections::BTreeSet<&String> =
        members(board, accepted).flat_map(|proposal| &proposal.fixes).collect();
    fixes.len()
}

#[cfg(test)]
mod tests;
