//! A report as Markdown: for a pull request or a log book. It reads as plain text too.

use super::text::markdown as safe;
use super::{Proposal, Report, Round, Step, words};
use crate::engine::score;

/// The document.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let about = &report.about;
    out.push_str(&format!("# {} {}: {}\n\n", safe(&about.verb), safe(&about.run), safe(&about.harness)));
    out.push_str(&format!("{}\n\n", safe(&about.ending)));
    for remark in &about.remarks {
        out.push_str(&format!("> {}\n\n", safe(remark)));
    }
    for split in &report.splits {
        out.push_str(&format!("- **{}**{}\n", safe(&words::split(split)), interval(split)));
    }
    if let Some(rules) = &report.rules {
        out.push_str(&format!(
            "- {} of {} accepted by the {} gate\n",
            report.accepted(),
            words::plural(report.proposals().count() as u64, "proposal", "proposals"),
            words::gate(rules)
        ));
        out.push_str(&format!("- {}\n", looks(report)));
        if let Some(share) = report.against_itself {
            out.push_str(&format!("- {}\n", words::against_itself(share)));
        }
    }
    out.push_str(&format!(
        "- {}, {}\n",
        words::spent(&report.spent),
        score::time(report.spent.time.as_secs())
    ));
    if 0 < report.voids {
        out.push_str(&format!(
            "- {} void and repeated\n",
            words::plural(report.voids.into(), "trial was", "trials were")
        ));
    }
    if 1 < report.steps.len() {
        lineage(&report.steps, &mut out);
    }
    for (at, round) in report.rounds.iter().enumerate() {
        out.push_str(&format!("\n## Round {}\n", at + 1));
        of_round(round, &mut out);
    }
    tasks(report, &mut out);
    spending(report, &mut out);
    unmeasured(report, &mut out);
    out.push_str(&format!(
        "\n---\n\n{}, model {}, sandbox {}, harness {}, contract {}\n",
        words::day(about.started_ms),
        safe(or_none(&about.model)),
        safe(or_none(&about.sandbox)),
        words::id("h-", &about.harness_digest),
        words::id("", &about.contract)
    ));
    out
}

/// How often the held-out tasks were looked at.
pub(super) fn looks(report: &Report) -> String {
    let looks = words::plural(report.looks.into(), "decision has", "decisions have");
    format!("{looks} read the held-out tasks so far: each makes their score a little less of a test")
}

pub(super) fn or_none(text: &str) -> &str {
    if text.is_empty() { "not known" } else { text }
}

fn interval(split: &super::SplitScore) -> String {
    let Some(point) = split.last.as_ref().or(split.first.as_ref()) else { return String::new() };
    let Some(interval) = point.interval else { return String::new() };
    let flattering =
        if point.is_flattering { ", by the trials that it was chosen by, which flatter" } else { "" };
    format!(
        ": {} of tasks, 95 % interval {}{flattering}",
        words::percent(point.rate()),
        words::interval(interval)
    )
}

fn lineage(steps: &[Step], out: &mut String) {
    out.push_str("\n## Lineage\n\n| step | held-in | held-out | best held-out shown | strength |\n|---|---|---|---|---|\n");
    for step in steps {
        let name =
            if step.proposals.is_empty() { String::from("start") } else { words::names(&step.proposals) };
        let of = |split| {
            let point = step.points.iter().find(|point| point.split == split);
            point.map_or_else(
                || String::from("–"),
                |point| format!("{} ×{}", words::claim(point), point.repeats),
            )
        };
        let best = step.best_held_out.as_ref().map_or_else(|| String::from("–"), words::claim);
        let strength = if step.strength.is_empty() { "–" } else { step.strength };
        use harness_schema::split::Split;
        out.push_str(&format!(
            "| {name} | {} | {} | {best} | {strength} |\n",
            of(Split::HeldIn),
            of(Split::HeldOut)
        ));
    }
}

fn of_round(round: &Round, out: &mut String) {
    if !round.weaknesses.is_empty() {
        out.push_str("\n| weakness | failing held-in tasks | what | edit could help | place |\n|---|---|---|---|---|\n");
        for weakness in &round.weaknesses {
            out.push_str(&format!(
                "| {} | {} of {} | {} | {} | {} |\n",
                safe(&weakness.cluster),
                weakness.support,
                weakness.failed,
                safe(&weakness.words),
                safe(&weakness.actionable),
                weakness.places.first().map_or_else(|| String::from("–"), |place| safe(place))
            ));
        }
    }
    for proposal in &round.proposals {
        of_proposal(proposal, out);
    }
    for union in &round.unions {
        let outcome = union.measured.as_ref().map_or_else(
            || String::from("no trial was run"),
            |measured| words::measured(measured, union.decision, union.look),
        );
        out.push_str(&format!(
            "\n### {} together: {}\n\n{}\n",
            words::names(&union.members),
            words::decision(union.decision),
            safe(&outcome)
        ));
        if let Some(certainty) = union.measured.as_ref().and_then(words::certainty) {
            out.push_str(&format!("\n{}.\n", safe(&certainty)));
        }
    }
    if !round.refused.is_empty() {
        out.push_str("\nDrafts that became no proposal:\n\n");
        for (refused, count) in words::drafts(&round.refused) {
            let summary = if refused.summary.is_empty() {
                String::new()
            } else {
                format!(" — {}", safe(&refused.summary))
            };
            let times = words::times(count);
            out.push_str(&format!("- {}: {}{summary}{times}\n", safe(&refused.guard), safe(&refused.why)));
        }
    }
}

fn of_proposal(proposal: &Proposal, out: &mut String) {
    let dismissed = proposal.told.as_ref().is_some_and(|told| told.is_dismissed);
    out.push_str(&format!(
        "\n### P{} {}{}\n\n",
        proposal.number,
        words::decision(proposal.decision),
        if dismissed { ", dismissed" } else { "" }
    ));
    if let Some(told) = &proposal.told {
        out.push_str(&format!("**{}** ({})\n\n", safe(&told.summary), about(told)));
        if !told.why.is_empty() {
            out.push_str(&format!("{}\n\n", safe(&told.why)));
        }
    }
    out.push_str(&format!("{}\n", safe(&words::outcome(proposal))));
    if let Some(decision) = proposal.decision {
        out.push_str(&format!("\n{}{}.\n", first_up(decision.words()), run_of(proposal)));
    }
    // What a union was measured by stands with the union.
    if proposal.with.is_empty()
        && let Some(certainty) = proposal.measured.as_ref().and_then(words::certainty)
    {
        out.push_str(&format!("\n{}.\n", safe(&certainty)));
    }
}

fn run_of(proposal: &Proposal) -> String {
    proposal.measured.as_ref().map(|measured| format!("; {}", words::run_of(measured))).unwrap_or_default()
}

/// Who made a proposal, where it acts and when, and what it costs.
fn about(told: &super::Told) -> String {
    let surfaces = told.surfaces.iter().map(|(surface, file)| format!("{} in {}", safe(surface), safe(file)));
    let mut parts = vec![format!("by {}", safe(&told.author)), surfaces.collect::<Vec<_>>().join(", ")];
    parts.push(safe(&told.scope));
    parts.push(format!("cost {} tokens", score::number(told.cost)));
    if !told.cluster.is_empty() {
        parts.push(format!("for {}", safe(&told.cluster)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

pub(super) fn first_up(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn tasks(report: &Report, out: &mut String) {
    let turned = report.grid.held_in.iter().filter(|row| row.turn != super::standing::Turn::Same);
    let turned: Vec<_> = turned.collect();
    if turned.is_empty() {
        return;
    }
    out.push_str("\n## Held-in tasks that turned\n\n| task | first | last |\n|---|---|---|\n");
    for row in turned {
        let of = |marks: &super::standing::Marks| {
            let (passes, valid) = marks.record();
            format!("{passes}/{valid}")
        };
        out.push_str(&format!("| {} | {} | {} |\n", safe(&row.name), of(&row.first), of(&row.last)));
    }
}

fn spending(report: &Report, out: &mut String) {
    out.push_str("\n## What it cost\n\n| for | trials | tokens | cost |\n|---|--:|--:|--:|\n");
    for (purpose, spent) in &report.spending {
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            purpose.word(),
            spent.trials,
            words::tokens(spent.tokens),
            score::money(spent.cost)
        ));
    }
    let lines = words::savings(report);
    if !lines.is_empty() {
        out.push('\n');
    }
    for line in lines {
        out.push_str(&format!("- {}\n", safe(&line)));
    }
}

fn unmeasured(report: &Report, out: &mut String) {
    let about = &report.about;
    if about.unmeasured.is_empty() && about.unmeasured_others == 0 {
        return;
    }
    out.push_str("\n## Not measured\n\n");
    for (task, why) in &about.unmeasured {
        out.push_str(&format!("- {}: {}\n", safe(task), safe(why)));
    }
    if 0 < about.unmeasured_others {
        let others = words::plural(about.unmeasured_others.into(), "task that judges", "tasks that judge");
        out.push_str(&format!("- {others}\n"));
    }
}
