//! What a run did besides trials, for people at a terminal: each round with its weaknesses, its proposals and the decisions on
//! them; at the end what it cost and what it saved.

use annotate_snippets::renderer::{AnsiColor, Effects, Style};

use crate::cli::report::excerpt::visible;
use crate::engine::cycle::Decision;
use crate::engine::report::{Proposal, Refused, Report, Round, Union, words};

const STRONG: Style = Style::new().effects(Effects::BOLD);
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::BrightRed.on_default();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const PLAIN: Style = Style::new();

/// Everything but the table of tasks; empty of a run that only measures.
#[must_use]
pub(super) fn rounds(report: &Report) -> String {
    let mut out = String::new();
    for (at, round) in report.rounds.iter().enumerate() {
        out.push_str(&format!("{STRONG}round {}{STRONG:#}\n", at + 1));
        of_round(round, &mut out);
        out.push('\n');
    }
    if report.rules.is_none() {
        return out;
    }
    for split in report.splits.iter().filter(|split| split.last.is_some()) {
        out.push_str(&format!("{}\n", words::split(split)));
    }
    for (purpose, spent) in &report.spending {
        out.push_str(&format!("{:<9} {}\n", purpose.word(), words::spent(spent)));
    }
    for line in words::savings(report) {
        out.push_str(&format!("{line}\n"));
    }
    if 0 < report.looks {
        let looks = words::plural(report.looks.into(), "decision has", "decisions have");
        out.push_str(&format!("{looks} read the held-out tasks so far\n"));
    }
    if let Some(share) = report.against_itself {
        out.push_str(&format!("{}\n", words::against_itself(share)));
    }
    out
}

/// How many tasks that judge could not be measured; those that teach stand in the table by name.
#[must_use]
pub(super) fn unmeasured(report: &Report) -> String {
    match report.about.unmeasured_others {
        0 => String::new(),
        others => {
            let tasks = words::plural(others.into(), "task that judges", "tasks that judge");
            format!("{DOUBTFUL}not run{DOUBTFUL:#} {tasks}\n\n")
        }
    }
}

fn of_round(round: &Round, out: &mut String) {
    for weakness in &round.weaknesses {
        let place = weakness.places.first().map(|place| format!(" · {}", line(place))).unwrap_or_default();
        let why = if weakness.actionable == "yes" {
            String::new()
        } else {
            format!(" · not actionable: {}", line(&weakness.actionable))
        };
        out.push_str(&format!(
            "  {}  {} · {} of {} fail{place}{why}\n",
            line(&weakness.cluster),
            line(&weakness.words),
            weakness.support,
            weakness.failed
        ));
    }
    let width =
        round.proposals.iter().map(|of| words::decision(of.decision).chars().count()).max().unwrap_or(0);
    let names = round.proposals.iter().map(|of| of.number.to_string().len() + 1).max().unwrap_or(0);
    for proposal in &round.proposals {
        of_proposal(proposal, (names, width), out);
    }
    for union in &round.unions {
        of_union(union, out);
    }
    refused(&round.refused, out);
}

fn style(decision: Option<Decision>) -> Style {
    match decision {
        Some(Decision::Accepted) => GOOD,
        Some(Decision::Rejected(_)) => BAD,
        Some(Decision::Held(_) | Decision::Undecided(_)) => DOUBTFUL,
        None => PLAIN,
    }
}

fn of_proposal(proposal: &Proposal, (names, width): (usize, usize), out: &mut String) {
    let style = style(proposal.decision);
    let name = format!("P{}", proposal.number);
    let decision = words::decision(proposal.decision);
    let told = proposal.told.as_ref();
    let summary = told.map_or_else(|| String::from("not in the store"), |told| line(&told.summary));
    let dismissed = if told.is_some_and(|told| told.is_dismissed) { " · dismissed" } else { "" };
    out.push_str(&format!("  {name:<names$}  {style}{decision:<width$}{style:#}  {summary}{dismissed}\n"));
    let indent = names + 4;
    out.push_str(&format!("{:indent$}{}\n", "", words::outcome(proposal)));
    if let Some(decision) = proposal.decision.filter(|decision| *decision != Decision::Accepted) {
        out.push_str(&format!("{:indent$}{}\n", "", decision.words()));
    }
}

fn of_union(union: &Union, out: &mut String) {
    let style = style(union.decision);
    let score = union.measured.as_ref().map(|of| words::measured(of, union.decision, union.look));
    out.push_str(&format!(
        "  {} together {style}{}{style:#}: {}\n",
        words::names(&union.members),
        words::decision(union.decision),
        score.unwrap_or_else(|| String::from("no trial was run"))
    ));
}

fn refused(refused: &[Refused], out: &mut String) {
    for (draft, count) in words::drafts(refused) {
        let summary =
            if draft.summary.is_empty() { String::new() } else { format!(" ({})", line(&draft.summary)) };
        let times = words::times(count);
        out.push_str(&format!(
            "  no proposal: {}: {}{summary}{times}\n",
            line(&draft.guard),
            line(&draft.why)
        ));
    }
}

/// A text that a model or a project wrote, on one line.
fn line(text: &str) -> String {
    visible(text).replace('\n', " ")
}
