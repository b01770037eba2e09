//! `status`: where the runs of a project stand, and what to do about them: cancel, resume, retry, discard.

use std::path::PathBuf;

use serde_json::json;

use super::{evaluate, follow, locate, terminal};
use crate::engine::plan::State;
use crate::engine::score;
use crate::failure::Failure;
use crate::host::store::{RunState, run_name};

/// The arguments of `status`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run; the newest if none is named
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Ends the run: trials that run have 30 s; given twice, at once
    #[arg(long, group = "what")]
    cancel: bool,
    /// Goes on with a run that was paused, cancelled or interrupted; no finished trial is paid again
    #[arg(long, group = "what")]
    resume: bool,
    /// The same; trials that stayed void are tried again
    #[arg(long, group = "what")]
    retry: bool,
    /// Gives a run up that is not over; what was measured is kept
    #[arg(long, group = "what")]
    discard: bool,
    /// Follows the run until it is over
    #[arg(long)]
    follow: bool,
}

/// Shows where a run stands, or changes that.
///
/// # Errors
/// A [`Failure`] if there is no run.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let mut store = locate::store(&root)?;
    let stored = locate::run(&root, &store, arguments.run.as_deref())?;
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let name = run_name(stored.number);
    let seen = follow::look_at(&store, &stored)?;
    let is_over = seen.state == RunState::Ended;
    if arguments.cancel || arguments.discard {
        if is_over {
            return Err(Failure::user(format!("{name} is over"), "there is nothing to cancel"));
        }
        store.ask_cancel(stored.number).map_err(failed)?;
        if arguments.discard {
            store.ask_cancel(stored.number).map_err(failed)?;
        }
        // Nobody may be at work who could hear it.
        if seen.is_interrupted || seen.state == RunState::Paused {
            store.close(stored.number, seen.run.spent().time).map_err(failed)?;
        }
        terminal::print(&format!("{name} is being cancelled; what was measured is kept\n"))?;
        return Ok(0);
    }
    if arguments.resume || arguments.retry {
        let is_complete = matches!(seen.run.finished(), Some(crate::engine::plan::Finish::Complete));
        let has_missing = seen.run.states().iter().any(|state| matches!(state, State::Missing(_)));
        if is_complete && !(arguments.retry && has_missing) {
            return Err(Failure::user(
                format!("{name} is complete"),
                "start another one with `self-harness evaluate`",
            ));
        }
        if seen.state == RunState::Running && !seen.is_interrupted {
            return Err(Failure::user(
                format!("{name} is running"),
                "follow it with `self-harness status --follow`",
            ));
        }
        if !seen.is_interrupted {
            store.resume(stored.number, seen.run.spent().time, arguments.retry).map_err(failed)?;
        }
        let stored = locate::run(&root, &store, Some(&name))?;
        return evaluate::finish(&root, &mut store, &stored);
    }
    if arguments.follow && !is_over {
        return evaluate::finish(&root, &mut store, &stored);
    }
    if arguments.json {
        let spent = seen.run.spent();
        let states = seen.run.states();
        let count = |is: fn(&State) -> bool| states.iter().filter(|state| is(state)).count();
        let value = json!({
            "schema": 1,
            "run": name,
            "verb": stored.record.verb,
            "state": if seen.is_interrupted { "interrupted" } else { seen.state.word() },
            "finish": seen.run.finished().map(crate::host::record::finish_word),
            "paused": seen.run.paused(),
            "harness": stored.record.harness,
            "contract": stored.record.contract,
            "model": stored.record.model,
            "trials": {
                "total": states.len(),
                "done": count(|state| matches!(state, State::Filled(_))),
                "missing": count(|state| matches!(state, State::Missing(_))),
                "running": count(|state| matches!(state, State::Running { .. })),
                "void": seen.run.voids(),
                "reused": seen.reused,
            },
            "spent": {
                "trials": spent.trials,
                "tokens": spent.tokens,
                "costUsd": spent.cost,
                "seconds": spent.time.as_secs_f64(),
            },
            "created": stored.created_ms,
        });
        terminal::print_exactly(&format!("{value:#}\n"))?;
        return Ok(0);
    }
    let line = match (is_over, seen.run.paused().is_some() || seen.is_interrupted) {
        (false, false) => format!("{name} {} · {}", stored.record.verb, follow::line(&seen, &stored)),
        _ => follow::ending(&seen, &stored),
    };
    terminal::print(&format!("{line}\n"))?;
    if seen.run.finished().is_none() && 0 < seen.run.spent().trials {
        let spent = seen.run.spent();
        terminal::print(&format!(
            "{} spent so far in {}\n",
            score::money(spent.cost),
            score::time(spent.time.as_secs())
        ))?;
    }
    Ok(0)
}
