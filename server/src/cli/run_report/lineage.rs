//! The history of a harness: each run that compared proposals, in order, with every step that was accepted. Nothing in it ever
//! changes but by new runs; what was rejected or dismissed is counted.

use serde_json::{Value, json};

use crate::cli::report::excerpt::visible;
use crate::engine::cycle::Decision;
use crate::engine::report::text::markdown;
use crate::engine::report::{Report, Step, json as written, words};
use crate::failure::Failure;
use crate::host::following;
use crate::host::store::{Store, StoreError, StoredRun};
use crate::host::telling;

/// How many proposals of a run came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    all: u64,
    accepted: u64,
    rejected: u64,
    held: u64,
    undecided: u64,
    dismissed: u64,
}

impl Counts {
    fn of(report: &Report) -> Self {
        let mut counts = Self::default();
        for proposal in report.proposals() {
            counts.all += 1;
            match proposal.decision {
                Some(Decision::Accepted) => counts.accepted += 1,
                Some(Decision::Rejected(_)) => counts.rejected += 1,
                Some(Decision::Held(_)) => counts.held += 1,
                Some(Decision::Undecided(_)) | None => counts.undecided += 1,
            }
            counts.dismissed += u64::from(proposal.told.as_ref().is_some_and(|told| told.is_dismissed));
        }
        counts
    }

    fn words(self) -> String {
        let mut text =
            format!("{}: {} accepted", words::plural(self.all, "proposal", "proposals"), self.accepted);
        let others = [
            (self.rejected, "rejected"),
            (self.held, "held"),
            (self.undecided, "undecided"),
            (self.dismissed, "dismissed"),
        ];
        for (count, word) in others.into_iter().filter(|(count, _)| 0 < *count) {
            text.push_str(&format!(", {count} {word}"));
        }
        text
    }
}

/// The reports of the runs of a store that compared proposals, the oldest first.
///
/// # Errors
/// A [`Failure`] if the store cannot be read, or there is no such run.
pub(super) fn reports(store: &Store) -> Result<Vec<Report>, Failure> {
    let failed = |error: StoreError| error.to_failure();
    let last = store.latest_run().map_err(failed)?.map_or(0, |run| run.number);
    let mut reports: Vec<Report> = Vec::new();
    let mut told: Vec<StoredRun> = Vec::new();
    for number in 1..=last {
        let Some(stored) = store.run(number).map_err(failed)?.filter(|run| run.record.rules.is_some()) else {
            continue;
        };
        // Looks are counted per set of held-out tasks: those of the newest earlier run that has read it.
        let earlier = told.iter().zip(&reports).rev().find(|(run, _)| telling::counts(run, &stored));
        let looks = earlier.map_or(0, |(_, report)| report.looks);
        let seen = following::look_at(store, &stored)?;
        reports.push(telling::report_after(store, &stored, &seen, looks, 0)?);
        told.push(stored);
    }
    if reports.is_empty() {
        let hint = "start with `self-harness improve`";
        return Err(Failure::user("no run has compared proposals yet, so there is no lineage", hint));
    }
    Ok(reports)
}

fn step(step: &Step) -> String {
    let mut parts: Vec<String> = step.points.iter().map(words::point).collect();
    let is_behind = !step.proposals.is_empty() && !step.has_moved;
    if let Some(best) = step.best_held_out.as_ref().filter(|_| is_behind) {
        parts.push(format!("held-out claims no more than {}", words::claim(best)));
    }
    if let Some(look) = step.look {
        parts.push(format!("look {look}"));
    }
    if !step.strength.is_empty() {
        parts.push(step.strength.to_owned());
    }
    parts.join(" · ")
}

/// For people.
#[must_use]
pub(super) fn text(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        let about = &report.about;
        let gate = report.rules.as_ref().map_or("", words::gate);
        out.push_str(&format!(
            "{} {} · {} · {gate} gate · {}\n",
            about.run,
            about.verb,
            words::day(about.started_ms),
            words::id("h-", &about.harness_digest)
        ));
        for (at, each) in report.steps.iter().enumerate() {
            let name = if at == 0 { String::from("start") } else { words::names(&each.proposals) };
            out.push_str(&format!("  {name}: {}\n", step(each)));
            for (number, summary) in summaries(report, each) {
                out.push_str(&format!("    P{number} {}\n", visible(&summary).replace('\n', " ")));
            }
        }
        out.push_str(&format!("  {}\n", Counts::of(report).words()));
    }
    out
}

/// What the proposals of a step do, by number.
fn summaries(report: &Report, step: &Step) -> Vec<(u32, String)> {
    let of_step = report.proposals().filter(|proposal| step.proposals.contains(&proposal.number));
    of_step.filter_map(|of| Some((of.number, of.told.as_ref()?.summary.clone()))).collect()
}

/// As Markdown.
#[must_use]
pub(super) fn as_markdown(reports: &[Report]) -> String {
    let mut out = String::from("# Lineage\n");
    for report in reports {
        let about = &report.about;
        out.push_str(&format!(
            "\n## {} {}, {}\n\n",
            markdown(&about.verb),
            markdown(&about.run),
            words::day(about.started_ms)
        ));
        for (at, each) in report.steps.iter().enumerate() {
            let name = if at == 0 { String::from("start") } else { words::names(&each.proposals) };
            out.push_str(&format!("- **{name}**: {}\n", markdown(&step(each))));
            for (number, summary) in summaries(report, each) {
                out.push_str(&format!("  - P{number} {}\n", markdown(&summary)));
            }
        }
        out.push_str(&format!("\n{}\n", Counts::of(report).words()));
    }
    out
}

/// For programs.
#[must_use]
pub(super) fn as_json(reports: &[Report]) -> Value {
    let runs = reports.iter().map(|report| {
        let counts = Counts::of(report);
        json!({
            "run": report.about.run,
            "verb": report.about.verb,
            "startedMs": report.about.started_ms,
            "harness": report.about.harness_digest,
            "contract": report.about.contract,
            "gate": report.rules.as_ref().map(words::gate),
            "looks": report.looks,
            "steps": report.steps.iter().map(written::step).collect::<Vec<_>>(),
            "proposals": {
                "all": counts.all,
                "accepted": counts.accepted,
                "rejected": counts.rejected,
                "held": counts.held,
                "undecided": counts.undecided,
                "dismissed": counts.dismissed,
            },
        })
    });
    json!({ "schema": 1, "runs": runs.collect::<Vec<_>>() })
}
