//! What came of a run, as a table for people. Held-in tasks stand with every trial; held-out tasks are counted only: what
//! judges must not teach.

use std::collections::BTreeMap;

use annotate_snippets::renderer::{AnsiColor, Style};
use harness_schema::split::Split;

use super::report::excerpt::visible;
use crate::engine::plan::{Run, State};
use crate::engine::score::{self, Score};
use crate::engine::verdict::Verdict;
use crate::failure::Failure;
use crate::host::evidence;
use crate::host::following::Seen;
use crate::host::record::{SealRecord, TrialRecord};
use crate::host::store::{Store, StoredRun};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::BrightRed.on_default();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();

/// The trial that fills each slot, those of earlier runs among them.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn trials(store: &Store, stored: &StoredRun) -> Result<BTreeMap<usize, TrialRecord>, Failure> {
    evidence::trials(store, stored).map_err(|error| error.to_failure())
}

/// The table.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn table(store: &Store, stored: &StoredRun, seen: &Seen) -> Result<String, Failure> {
    let trials = trials(store, stored)?;
    let mut out = String::new();
    held_in(seen.run(), &trials, &mut out);
    match &stored.record.seal {
        None => counted(seen, Split::HeldOut, &mut out),
        Some(seal) => read(seen, seal, &mut out),
    }
    for (task, why) in &seen.unfillable {
        out.push_str(&format!("{DOUBTFUL}not run{DOUBTFUL:#} {}: {}\n", line(task), line(why)));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    Ok(out)
}

fn held_in(run: &Run, trials: &BTreeMap<usize, TrialRecord>, out: &mut String) {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, slot) in run.design().slots.iter().enumerate() {
        if slot.split == Split::HeldIn && slot.arm == 0 {
            rows.entry(&slot.task).or_default().push(at);
        }
    }
    // What was imported is told, and scores nothing.
    if let Some(score) = Score::of(run, Split::HeldIn) {
        out.push_str(&format!("{}\n", score.words()));
    }
    let width = rows.keys().map(|task| line(task).chars().count()).max().unwrap_or_default();
    for (task, slots) in rows {
        let marks: Vec<String> = slots.iter().map(|at| mark(run.states().get(*at))).collect();
        let why = slots.iter().filter_map(|at| trials.get(at)).find(|trial| trial.verdict != "pass");
        let why = why.map(|trial| format!("  {}", reason(trial))).unwrap_or_default();
        let task = line(task);
        out.push_str(&format!("  {task:<width$}  {}{}\n", marks.join(" "), line(&why)));
    }
}

/// One line of the table: what a verifier or a task says must not begin another.
fn line(text: &str) -> String {
    visible(text).replace('\n', " ")
}

fn mark(state: Option<&State>) -> String {
    match state {
        Some(State::Filled(Verdict::Pass)) => format!("{GOOD}pass{GOOD:#}"),
        Some(State::Filled(_)) => format!("{BAD}fail{BAD:#}"),
        Some(State::Missing(_)) => format!("{DOUBTFUL}void{DOUBTFUL:#}"),
        _ => String::from("–   "),
    }
}

/// Why a trial did not pass, in half a line.
pub(super) fn reason(trial: &TrialRecord) -> String {
    if trial.flags.iter().any(|flag| flag == "tampered") {
        return format!("tampered: {}", trial.detail);
    }
    if let Some(cause) = &trial.cause {
        return format!("{cause}: {}", trial.detail);
    }
    let how = match trial.end.as_str() {
        "finished" | "" => String::new(),
        end => format!(" (ended by {end})"),
    };
    match trial.failed_checks.as_slice() {
        [] => format!("{}{how}", trial.detail),
        [check] => format!("{check} failed{how}"),
        [check, rest @ ..] => format!("{check} and {} more failed{how}", rest.len()),
    }
}

/// What came of the one reading of sealed tasks. Half of it is no result, and no task of it is named.
fn read(seen: &Seen, seal: &SealRecord, out: &mut String) {
    let Some(reading) = seen.cycle.reading() else {
        out.push_str(&format!("{} not complete\n", Split::Sealed.word()));
        return;
    };
    out.push_str(&format!("{}\n  {}\n", reading.words(seal.look), reading.certainty()));
    if 1 < seal.look {
        out.push_str(&format!(
            "  {DOUBTFUL}read before{DOUBTFUL:#}: whoever has acted on an earlier reading has no unbiased estimate here\n"
        ));
    }
}

fn counted(seen: &Seen, split: Split, out: &mut String) {
    let run = seen.run();
    let Some(score) = Score::of(run, split) else { return };
    let has_open = score::tally(run, split).values().any(|tally| 0 < tally.open);
    // Half of what judges is no result, and while others may be compared with it nothing of it is shown.
    let is_open = run.finished().is_none() && (has_open || !seen.cycle.design().goal.is_measurement());
    if is_open {
        out.push_str(&format!("{} not complete\n", split.word()));
    } else {
        out.push_str(&format!("{}\n", score.words()));
    }
}
