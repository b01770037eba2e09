//! The lenses: three on the manifest, one on every other document, on line 1, in every state. Only their texts change.

use std::collections::BTreeSet;

use harness_schema::text::Span;

use super::accepted;
use super::command::Command;
use super::evidence;
use super::standing::{self, Standing};
use crate::engine::board::{StoreState, Trust};
use crate::engine::report::words;
use crate::engine::score;
use crate::workspace::{Project, Site};

/// A line above the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lens {
    /// The first line.
    pub span: Span,
    /// What it says.
    pub title: String,
    /// What it starts; `None` if it only tells.
    pub command: Option<Command>,
}

/// The lenses of a document.
#[must_use]
pub fn lenses(site: &Site) -> Vec<Lens> {
    let harness = site.project.harness();
    let text = harness.document(&site.file).map(|document| document.text().clone()).unwrap_or_default();
    let span = text.line_span(0);
    let lens = |(title, command)| Lens { span, title, command };
    if site.file != harness.manifest_path() {
        return vec![lens(of_document(site))];
    }
    let (title, command) = next(&site.project);
    let more = Command::new("self-harness.menu", site.project.root());
    [state(&site.project), (title, Some(command)), (String::from("More…"), Some(more))].map(lens).into()
}

fn state(project: &Project) -> (String, Option<Command>) {
    let board = project.board();
    let report = |run: &str| Command::new("self-harness.report", project.root()).run(run);
    let command = match (standing::open(board), standing::standing(project)) {
        (Some(run), _) if standing::shows(board) => Some(report(&run.name)),
        (_, Standing::Measured(scored) | Standing::Old(scored, _)) => Some(report(&scored.run)),
        _ => None,
    };
    (standing::state(project), command)
}

/// The step that comes next, and what it would cost where that is known: the click is the consent then. What starts something and
/// knows no price ends in `…`: a question with the costs follows.
#[must_use]
pub fn next(project: &Project) -> (String, Command) {
    let board = project.board();
    let verb = |id| Command::new(id, project.root());
    if board.trust != Trust::Trusted {
        return (String::from("Trust…"), verb("self-harness.trust"));
    }
    if let Some(run) = board.active() {
        return (String::from("Cancel"), verb("self-harness.cancel").run(&run.name));
    }
    if let Some(run) = board.resumable() {
        let resume = verb("self-harness.resume").run(&run.name);
        return priced(String::from("Resume"), &board.next.resume, resume);
    }
    if let Some(run) = standing::capped(project) {
        return (String::from("Raise and Resume…"), verb("self-harness.resume").run(&run.name));
    }
    if board.next.missing_key.is_some() {
        return (String::from("Set model key…"), verb("self-harness.key"));
    }
    let pending = accepted::waiting(project);
    if !pending.is_empty() && board.store != StoreState::Imported {
        let numbers: BTreeSet<u32> = pending.iter().flat_map(|unit| unit.proposals.iter().copied()).collect();
        let numbers: Vec<u32> = numbers.into_iter().collect();
        // A hand edit has no number and counts as well.
        let unnamed = pending.iter().filter(|unit| unit.proposals.is_empty()).count();
        let count = (numbers.len() + unnamed) as u64;
        let count = words::plural(count, "accepted proposal", "accepted proposals");
        return (format!("Review {count}"), verb("self-harness.preview").proposals(&numbers));
    }
    if let Standing::Measured(scored) = standing::standing(project) {
        if !board.next.waiting.is_empty() {
            let waiting = &board.next.waiting;
            let count = words::plural(waiting.len() as u64, "proposal", "proposals");
            let validate = verb("self-harness.validate").proposals(waiting);
            return priced(format!("Validate {count}"), &board.next.validate, validate);
        }
        let mined = board.mined.as_ref().filter(|mined| mined.harness == scored.harness);
        let weaknesses = mined.iter().flat_map(|mined| &mined.weaknesses);
        let open = weaknesses.filter(|weakness| weakness.actionable == "yes").count();
        if 0 < open {
            let count = words::plural(open as u64, "weakness", "weaknesses");
            return priced(format!("Propose for {count}"), &board.next.propose, verb("self-harness.propose"));
        }
    }
    (evaluate(project), verb("self-harness.evaluate").priced(&board.next.price))
}

/// `Resume (about $0.70)`, which the click agrees to; without a price `Resume…`, which asks.
#[must_use]
pub fn priced(title: String, price: &str, command: Command) -> (String, Command) {
    let price_of = |price: &str| if price.is_empty() { String::from("…") } else { format!(" ({price})") };
    (title + &price_of(price), command.priced(price))
}

/// `Evaluate 36 tasks ×2 (about $1.10–2.40, 14 min)`; without a price `Evaluate 36 tasks ×2…`.
#[must_use]
pub fn evaluate(project: &Project) -> String {
    let next = &project.board().next;
    let price = match (next.price.as_str(), next.seconds) {
        ("", _) => String::from("…"),
        (price, None) => format!(" ({price})"),
        (price, Some(seconds)) => format!(" ({price}, {})", score::time(seconds)),
    };
    match next.tasks {
        0 => format!("Evaluate{price}"),
        tasks => {
            let tasks = words::plural(tasks.into(), "task", "tasks");
            format!("Evaluate {tasks} ×{}{price}", next.repeats)
        }
    }
}

/// What was found in a document.
fn of_document(site: &Site) -> (String, Option<Command>) {
    let board = site.project.board();
    let found = evidence::weaknesses(site);
    let names = |is_old: bool| -> BTreeSet<&str> {
        let such = found.iter().filter(|weak| weak.is_old == is_old);
        such.map(|weak| weak.weakness.name.as_str()).collect()
    };
    let (fresh, old) = (names(false), names(true));
    let count = |names: &BTreeSet<&str>| words::plural(names.len() as u64, "weakness", "weaknesses");
    let mut parts = Vec::new();
    match (fresh.is_empty(), old.is_empty()) {
        (false, _) => parts.push(count(&fresh)),
        // What aged is not erased.
        (true, false) => parts.push(format!("{} · old", count(&old))),
        (true, true) => {}
    }
    let waiting = evidence::waiting(site);
    parts.extend(
        waiting.iter().map(|waiting| format!("{} accepted", words::names(&waiting.accepted.proposals))),
    );
    let show = || Command::new("self-harness.weaknesses", site.project.root()).file(&site.file);
    let is_measured = standing::shows(board) && (board.mined.is_some() || !board.measured.is_empty());
    match (parts.is_empty(), is_measured) {
        (false, _) => (parts.join(" · "), Some(show())),
        // What could not be read is not the same as nothing found.
        (true, _) if !board.remark.is_empty() => (standing::shown(&board.remark), None),
        (true, true) => (String::from("No weakness found here"), None),
        (true, false) => (String::from("Not measured"), None),
    }
}

#[cfg(test)]
mod tests;
