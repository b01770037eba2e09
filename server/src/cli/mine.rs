//! `mine`: what the failures of the harness have in common, and which lines they are about. It starts nothing and costs nothing.

use std::path::PathBuf;

use harness_schema::split::Split;

use super::report::excerpt::visible;
use super::{locate, terminal};
use crate::engine::contract::Role;
use crate::engine::plan::State;
use crate::engine::report::words::plural;
use crate::failure::Failure;
use crate::host::machine::Machine;
use crate::host::record::{LocationRecord, MinedRecord, TrialRecord, WeaknessRecord};
use crate::host::sandbox::Guarantees;
use crate::host::store::{Store, StoredRun, run_name};
use crate::host::subject::Subject;
use crate::host::{evidence, following, mining};

/// The arguments of `mine`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run whose trials are mined; the newest if none is named
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Prints the weaknesses of the harness that a run began with.
///
/// # Errors
/// A [`Failure`] if there is no run.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let (store, stored) = locate::found(&root, arguments.run.as_deref())?;
    let mined = mined(&root, &store, &stored)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&mined.0).unwrap_or_default();
        terminal::print_exactly(&format!("{text}\n"))?;
        return Ok(0);
    }
    let from = following::look_at(&store, &stored)?.imported;
    let from =
        from.map(|form| format!("imported: trials of {form}, not of this project\n\n")).unwrap_or_default();
    terminal::print(&visible(&format!("{from}{}", text(&mined.0, &mined.1, &stored))))?;
    Ok(0)
}

/// The weaknesses of the harness that a run began with, and how many held-in trials they come from.
fn mined(
    root: &std::path::Path,
    store: &Store,
    stored: &StoredRun,
) -> Result<(MinedRecord, Vec<(String, String)>), Failure> {
    let machine = Machine::read()?;
    let guarantees = Guarantees::untried();
    let subject = Subject::with_texts(root, &stored.record.files, &guarantees, &machine);
    let seen = following::look_at(store, stored)?;
    let run = seen.run();
    let mut trials = evidence::trials(store, stored).map_err(|error| error.to_failure())?;
    let slots = run.design().slots.iter().zip(run.states()).enumerate();
    let teaching: Vec<TrialRecord> = slots
        .filter(|(_, (slot, state))| {
            slot.arm == 0
                && matches!(state, State::Filled(_))
                && matches!(slot.role, Role::Baseline | Role::Smoke | Role::Imported)
        })
        .filter_map(|(at, _)| trials.remove(&at))
        .collect();
    if !teaching.iter().any(|trial| trial.split == Split::HeldIn.word() && trial.verdict != "void") {
        let name = run_name(stored.number);
        let hint = "name a run that has evaluated held-in tasks: `self-harness mine r-0001`";
        return Err(Failure::user(format!("{name} has no held-in trial that measured anything"), hint));
    }
    let lesson = mining::mine(store, &subject.harness, &subject.tasks, teaching);
    let record = MinedRecord::of(&lesson.mined, &lesson.weaknesses);
    let texts = subject.texts().into_iter().collect();
    Ok((record, texts))
}

/// How a place and a weakness belong together, in words (`editor` 3.5).
fn relation(location: &LocationRecord) -> String {
    let what = match location.relation.as_str() {
        "knob" => "sets it",
        "conflicting" => "disagrees with another line",
        "triggering" => "may cause it",
        "violated" => "asks for it in vain",
        _ => return String::from("no line covers it; this is where one would stand"),
    };
    match location.line.trim() {
        "" => what.to_owned(),
        line => format!("{what}: {line}"),
    }
}

/// Why no edit could help, in words.
fn not_actionable(word: &str) -> &str {
    match word {
        "low-support" => "too few tasks for an edit",
        "no-surface" => "no surface of the harness could mend it",
        "suspect-task" => "its tasks prove nothing",
        other => other,
    }
}

fn text(mined: &MinedRecord, files: &[(String, String)], stored: &StoredRun) -> String {
    let mut out = String::new();
    if mined.weaknesses.is_empty() {
        return format!("no held-in trial of {} failed: there is nothing to mine\n", run_name(stored.number));
    }
    for weakness in &mined.weaknesses {
        out.push_str(&one(weakness, mined.failed, files));
    }
    let percent = |share: f64| (share * 100.0).round();
    out.push_str(&format!(
        "\n{} failed at least once · of the weight of their failures {} % lie in clusters of three tasks and more, {} % have no known mechanism · level {}\n",
        plural(mined.failed as u64, "held-in task", "held-in tasks"),
        percent(mined.gathered),
        percent(mined.unexplained),
        mined.level,
    ));
    if mined.is_cold {
        out.push_str("failures are too few or too different to say much: more repeats or more tasks would\n");
    }
    out
}

fn one(weakness: &WeaknessRecord, failed: usize, files: &[(String, String)]) -> String {
    let id = weakness.cluster.get(..4).unwrap_or(&weakness.cluster);
    let mut out = format!("C-{id}  {} · {} of {failed} fail", weakness.words(), weakness.support);
    if weakness.is_habit {
        out.push_str(" · a habit: passed trials show it as well");
    }
    match weakness.actionable.as_str() {
        "yes" => {}
        why => out.push_str(&format!(" · {}", not_actionable(why))),
    }
    out.push('\n');
    for location in &weakness.locations {
        let text =
            files.iter().find(|(path, _)| *path == location.file).map_or("", |(_, text)| text.as_str());
        let line = text.get(..location.start).map_or(1, |before| before.matches('\n').count() + 1);
        out.push_str(&format!("        {}:{line}  {}\n", location.file, relation(location)));
    }
    let names: Vec<&str> = weakness.tasks.keys().map(String::as_str).collect();
    out.push_str(&format!("        {}\n", names.join(", ")));
    out
}
