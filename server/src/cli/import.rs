//! `import DIR`: takes results of other programs as evidence: weaknesses without new spend. It reads, stores a run, and says what it
//! has left out; it executes nothing and asks no model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::report::excerpt::visible;
use super::{follow, locate, terminal};
use crate::engine::report::words::plural;
use crate::failure::Failure;
use crate::host::importing::{self, Imported, LeftOut, Wanted, Why};
use crate::host::store::run_name;

const MORE_HELP: &str = "\
Examples:
  self-harness import jobs/2026-01-01__12-00-00          a Harbor job
  self-harness import out --report model.run-1.json      mini-swe-agent, with the report of SWE-bench
  self-harness import trajectories/me/run                SWE-agent; `results.json` beside is read
  self-harness mine                                      what the failures have in common

What is imported is evidence and no score: no harness is compared with it. Trials of tasks that judge here are left out.
Nothing is executed and nothing is spent. The same results, imported again, add nothing.";

/// So many things that were left out are named for each reason; the rest is counted.
const NAMED: usize = 8;

/// How often it is said how far it is, where there is no terminal.
const LINE: Duration = Duration::from_secs(15);

/// The arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The directory that a program has left: a Harbor job, results of mini-swe-agent or SWE-agent
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A report of SWE-bench that lies elsewhere; may be given again
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Says that the harness made these results, as it is on disk now
    #[arg(long)]
    same_harness: bool,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Imports results.
///
/// # Errors
/// A [`Failure`] if there are none that could teach.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let wanted = Wanted {
        root: &root,
        from: &arguments.directory,
        reports: &arguments.report,
        is_same_harness: arguments.same_harness,
        started_by: "the command line",
    };
    let already = follow::interrupts();
    let mut progress = Progress::new();
    let is_cancelled = || already < follow::interrupts();
    let imported = importing::import(&wanted, |done, all| progress.show(done, all), is_cancelled);
    progress.finish();
    let Some(imported) = imported? else {
        terminal::print_aside("cancelled, nothing was imported\n");
        return Ok(130);
    };
    if let Some(notice) = &imported.notice {
        terminal::print_aside(&visible(&format!("note: {notice}\n")));
    }
    if arguments.json {
        terminal::print_exactly(&format!("{:#}\n", document(&imported)))?;
    } else {
        terminal::print(&visible(&text(&imported)))?;
    }
    Ok(0)
}

fn document(imported: &Imported) -> Value {
    let trials = imported.trials.iter().map(|trial| {
        json!({"trial": trial.id, "task": trial.task, "repeat": trial.repeat, "verdict": trial.verdict, "end": trial.end})
    });
    let left_out = imported
        .left_out
        .iter()
        .map(|LeftOut { what, why }| json!({"what": what, "reason": why.word(), "why": why.words()}));
    json!({
        "schema": 1,
        "run": run_name(imported.run),
        "form": imported.form,
        "added": imported.added,
        "known": imported.is_known,
        "trials": trials.collect::<Vec<_>>(),
        "leftOut": left_out.collect::<Vec<_>>(),
    })
}

fn text(imported: &Imported) -> String {
    let name = run_name(imported.run);
    let tasks: BTreeSet<&str> = imported.trials.iter().map(|trial| trial.task.as_str()).collect();
    let failed = imported.trials.iter().filter(|trial| trial.verdict == "fail").count();
    let trials = plural(imported.trials.len() as u64, "trial", "trials");
    let tasks = plural(tasks.len() as u64, "task", "tasks");
    let form = &imported.form;
    let mut out = match imported.is_known {
        true => format!("nothing new: {trials} of {tasks} from {form} are in {name} already\n"),
        false => format!("imported {trials} of {tasks} from {form} as {name}, {failed} failed\n"),
    };
    let known = imported.trials.len() - imported.added;
    if !imported.is_known && 0 < known {
        out.push_str(&format!("  {} known before\n", plural(known as u64, "trial was", "trials were")));
    }
    out.push_str(&left_out(&imported.left_out));
    if !imported.is_known {
        out.push_str(&format!("\nnext: `self-harness mine {name}` shows what failures have in common\n"));
    }
    out
}

/// What was left out, by reason: each reason with its first few names.
fn left_out(all: &[LeftOut]) -> String {
    let mut reasons: BTreeMap<&str, Vec<&LeftOut>> = BTreeMap::new();
    for left in all {
        reasons.entry(left.why.word()).or_default().push(left);
    }
    let mut out = String::new();
    for left in reasons.values() {
        let Some(first) = left.first() else { continue };
        let what = match first.why {
            Why::Judges => "their tasks judge here, so they must not teach",
            Why::Void(..) => "they measured nothing",
            Why::NoVerdict(_) => "nobody has judged them; `--report FILE` names a report",
            Why::Unreadable(_) => "what the agent did cannot be read",
            Why::Unfinished(_) => "they are not finished",
            Why::Unnamed => "their tasks have no name that could be shown",
            Why::Twice => "they lie there twice",
        };
        out.push_str(&format!("left out {}: {what}\n", plural(left.len() as u64, "trial", "trials")));
        let names: BTreeMap<&str, String> =
            left.iter().map(|left| (left.what.as_str(), left.why.words())).collect();
        for (name, why) in names.iter().take(NAMED) {
            match first.why {
                Why::Judges | Why::Unnamed | Why::Twice => out.push_str(&format!("  {}\n", line(name))),
                _ => out.push_str(&format!("  {}: {}\n", line(name), line(why))),
            }
        }
        if NAMED < names.len() {
            out.push_str(&format!("  and {} more\n", names.len() - NAMED));
        }
    }
    out
}

/// What comes from elsewhere must not begin another line.
fn line(text: &str) -> String {
    text.replace('\n', " ")
}

/// A bar on a terminal, lines elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Progress {
    fn new() -> Self {
        let bar = terminal::is_interactive().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} records") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, said: Instant::now() }
    }

    fn show(&mut self, done: usize, all: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        } else if LINE <= self.said.elapsed() {
            self.said = Instant::now();
            terminal::print_aside(&format!("{done}/{all} records\n"));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
