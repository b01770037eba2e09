//! `report RUN`: what came of a run — scores, proposals and decisions, what it cost — as a text, as Markdown, JSON, JUnit XML or one
//! page. Also the edit of a proposal, the lineage, and which proposals somebody has dismissed. No file of the project is changed.

mod junit;
mod text;
mod diff;
mod lineage;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::report::excerpt::visible;
use super::{locate, outcome, terminal};
use crate::engine::report::{self, Report};
use crate::failure::{Failure, FailureKind};
use crate::host::following::{self, Seen};
use crate::host::store::{IMPORTED, Store, StoreError, StoredRun};
use crate::host::telling;

const MORE_HELP: &str = "\
Examples:
  self-harness report                             the newest run
  self-harness report r-0012 --format html --output report.html
  self-harness report r-0012 --format junit       for CI: one test case per trial that was asked for
  self-harness report --diff P7                   the edit of a proposal; `| git apply` takes it over
  self-harness report --lineage                   every step that was accepted
  self-harness report --dismiss P7                not to see it offered any more

In JUnit a void trial is an error and a failed one a failure. Held-out tasks are counted and not named.";

/// The arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The run; the newest if none is named
    #[arg(value_name = "RUN", conflicts_with = "instead")]
    run: Option<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// A table for people, a document, or JUnit XML for CI
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Writes it to a file instead of standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dismiss", "restore"])]
    output: Option<PathBuf>,
    /// Shows the edit of a proposal as a unified diff; writes nothing
    #[arg(long, value_name = "P", group = "instead", conflicts_with = "format")]
    diff: Option<String>,
    /// Shows every harness that was accepted, run after run
    #[arg(long, group = "instead")]
    lineage: bool,
    /// Does not offer a proposal any more
    #[arg(long, value_name = "P", group = "instead", conflicts_with = "format")]
    dismiss: Option<String>,
    /// Offers a proposal again that was dismissed
    #[arg(long, value_name = "P", group = "instead", conflicts_with = "format")]
    restore: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Markdown,
    Json,
    Html,
    Junit,
}

/// What is written, and how.
enum Written {
    /// For people: colours, and nothing that steers the terminal.
    Styled(String),
    /// For programs, byte for byte.
    Exact(String),
}

/// Prints the report of a run, or what was asked for instead.
///
/// # Errors
/// A [`Failure`] if there is no such run or proposal.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    if let Some(name) = &arguments.dismiss {
        return dismiss(&root, name, true);
    }
    if let Some(name) = &arguments.restore {
        return dismiss(&root, name, false);
    }
    let (store, stored) = locate::found(&root, arguments.run.as_deref())?;
    let written = match &arguments.diff {
        Some(name) => edit(&store, name, arguments.output.is_none())?,
        None if arguments.lineage => history(&store, arguments.format)?,
        None => of_run(&store, &stored, arguments.format)?,
    };
    write(written, arguments.output.as_deref())?;
    Ok(0)
}

/// What a person reads when a run is no longer followed.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn summary(store: &Store, stored: &StoredRun, seen: &Seen) -> Result<String, Failure> {
    let report = telling::report(store, stored, seen, report::DEALS)?;
    let table = outcome::table(store, stored, &named(seen.clone(), &report))?;
    let rest = format!("{}{}", text::unmeasured(&report), text::rounds(&report));
    Ok(format!("{table}{rest}{}\n", visible(&following::ending(seen, stored))))
}

/// The page of a run.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn page(store: &Store, stored: &StoredRun) -> Result<String, Failure> {
    let seen = following::look(store, stored.number)?;
    Ok(report::html::html(&telling::report(store, stored, &seen, report::DEALS)?))
}

fn of_run(store: &Store, stored: &StoredRun, format: Format) -> Result<Written, Failure> {
    let seen = following::look(store, stored.number)?;
    if format == Format::Junit {
        say_imported(store);
        let trials = outcome::trials(store, stored)?;
        return Ok(Written::Exact(junit::document(stored, &seen, &trials)?));
    }
    let report = telling::report(store, stored, &seen, report::DEALS)?;
    Ok(match format {
        Format::Text | Format::Junit => {
            let imported = if store.is_foreign() { format!("{IMPORTED}\n") } else { String::new() };
            let table = outcome::table(store, stored, &named(seen, &report))?;
            let rest = format!("{}{}", text::unmeasured(&report), text::rounds(&report));
            Written::Styled(format!("{imported}{table}{rest}{}\n", visible(&ending(&report))))
        }
        Format::Markdown => Written::Exact(report::markdown::markdown(&report)),
        Format::Html => Written::Exact(report::html::html(&report)),
        Format::Json => Written::Exact(pretty(&report::json::json(&report))?),
    })
}

/// The same, without the names of tasks that judge among those that could not be measured.
fn named(mut seen: Seen, report: &Report) -> Seen {
    seen.unfillable = report.about.unmeasured.clone();
    seen
}

/// How it ended, with the run's name.
fn ending(report: &Report) -> String {
    let about = &report.about;
    if about.ending.contains(&about.run) {
        return about.ending.clone();
    }
    format!("{} ({})", about.ending, about.run)
}

fn history(store: &Store, format: Format) -> Result<Written, Failure> {
    if matches!(format, Format::Html | Format::Junit) {
        let hint = "`report RUN --format html` draws the lineage of one run";
        return Err(Failure::user("the lineage is written as `text`, `markdown` or `json`", hint));
    }
    say_imported(store);
    let reports = lineage::reports(store)?;
    Ok(match format {
        Format::Markdown => Written::Exact(lineage::as_markdown(&reports)),
        Format::Json => Written::Exact(pretty(&lineage::as_json(&reports))?),
        _ => Written::Styled(lineage::text(&reports)),
    })
}

fn edit(store: &Store, name: &str, is_printed: bool) -> Result<Written, Failure> {
    say_imported(store);
    let proposal = diff::named(store, name)?;
    let diff = diff::diff(store, &proposal)?;
    let who =
        if proposal.record.author == "model" { "model-written" } else { proposal.record.author.as_str() };
    terminal::print_aside(&visible(&format!("P{}: {} ({who})\n", proposal.number, proposal.record.summary)));
    if is_printed && terminal::is_interactive() {
        return Ok(Written::Styled(diff::coloured(&diff)));
    }
    Ok(Written::Exact(diff))
}

/// The edit of a proposal, for a terminal.
///
/// # Errors
/// A [`Failure`] if there is no such proposal, or the store cannot be read.
pub fn edit_of(store: &Store, number: u32) -> Result<String, Failure> {
    let proposal = diff::named(store, &format!("P{number}"))?;
    let heading = visible(&format!("P{number}: {}\n", proposal.record.summary)).into_owned();
    Ok(format!("{heading}{}", diff::coloured(&diff::diff(store, &proposal)?)))
}

fn dismiss(root: &Path, name: &str, is_dismissed: bool) -> Result<u8, Failure> {
    let mut store = locate::store(root)?;
    if store.is_foreign() {
        let message = format!("the store is {IMPORTED}, so nothing in it is changed");
        return Err(Failure::user(message, "start a run of your own with `self-harness improve`"));
    }
    let proposal = diff::named(&store, name)?;
    let number = proposal.number;
    let failed = |error: StoreError| error.to_failure();
    match is_dismissed {
        // How many tasks fail so by now only mining could tell.
        true => store.dismiss(number, None).map_err(failed)?,
        false => store.restore(number).map_err(failed)?,
    };
    let summary = &proposal.record.summary;
    let text = if is_dismissed {
        format!(
            "P{number} is dismissed: {summary}\n`self-harness report --restore P{number}` takes that back\n"
        )
    } else {
        format!("P{number} is offered again: {summary}\n")
    };
    terminal::print(&visible(&text))?;
    Ok(0)
}

fn say_imported(store: &Store) {
    if store.is_foreign() {
        terminal::print_aside(&format!("{IMPORTED}\n"));
    }
}

fn pretty(value: &serde_json::Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure {
        kind: FailureKind::Bug,
        message: format!("the report cannot be written: {error}"),
        hint: String::new(),
    })?;
    Ok(format!("{text}\n"))
}

fn write(written: Written, output: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = output else {
        return match written {
            Written::Styled(text) => terminal::print(&text),
            Written::Exact(text) => terminal::print_exactly(&text),
        };
    };
    let text = match written {
        Written::Styled(text) => anstream::adapter::strip_str(&text).to_string(),
        Written::Exact(text) => text,
    };
    std::fs::write(path, text).map_err(|error| {
        let message = format!("cannot write `{}`: {error}", path.display());
        Failure::user(message, "name a file in a directory that is there and may be written")
    })?;
    terminal::print_aside(&visible(&format!("wrote {}\n", path.display())));
    Ok(())
}

#[cfg(test)]
mod tests;
