//! `status`: where the runs of a project stand, and what to do about them: cancel, resume, retry, discard.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::consent::{self, Flags, Question};
use super::report::excerpt::visible;
use super::{locate, start, terminal};
use crate::engine::plan::State;
use crate::engine::score;
use crate::failure::Failure;
use crate::host::following;
use crate::host::starting::{self, Wish};
use crate::host::store::{IMPORTED, RunState, Store, StoredRun, run_name};

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
    /// Agrees to what is executed as it is now, without asking
    #[arg(long, requires = "what")]
    yes: bool,
    /// Follows the run until it is over
    #[arg(long)]
    follow: bool,
}

impl Arguments {
    /// What is wished of the run, if anything is.
    fn wish(&self) -> Option<Wish> {
        let wishes = [
            (self.cancel, Wish::Cancel),
            (self.discard, Wish::Discard),
            (self.resume, Wish::Resume),
            (self.retry, Wish::Retry),
        ];
        wishes.into_iter().find(|(is_wished, _)| *is_wished).map(|(_, wish)| wish)
    }
}

/// Shows where a run stands, or changes that.
///
/// # Errors
/// A [`Failure`] if there is no run.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let (mut store, stored) = locate::found(&root, arguments.run.as_deref())?;
    let name = run_name(stored.number);
    let seen = following::look_at(&store, &stored)?;
    let is_over = seen.state == RunState::Ended;
    if let Some(wish) = arguments.wish() {
        starting::may(&store, &stored, &seen, wish)?;
        if matches!(wish, Wish::Cancel | Wish::Discard) {
            starting::change(&mut store, &stored, &seen, wish)?;
            terminal::print(&format!("{name} is being cancelled; what was measured is kept\n"))?;
            return Ok(0);
        }
        if !may_go_on(&root, &mut store, &stored, seen.run().spent().time, arguments.yes)? {
            terminal::print_aside("nothing was started\n");
            return Ok(130);
        }
        starting::change(&mut store, &stored, &seen, wish)?;
        let stored = locate::run(&root, &store, Some(&name))?;
        return start::finish(&root, &mut store, &stored);
    }
    if arguments.follow {
        starting::is_own(&store, &stored)?;
    }
    if arguments.follow && !is_over {
        return start::finish(&root, &mut store, &stored);
    }
    if arguments.json {
        let spent = seen.run().spent();
        let states = seen.run().states();
        let count = |is: fn(&State) -> bool| states.iter().filter(|state| is(state)).count();
        let value = json!({
            "schema": 1,
            "run": name,
            "verb": stored.record.verb,
            "state": if seen.is_interrupted { "interrupted" } else { seen.state.word() },
            "finish": seen.run().finished().map(crate::host::record::finish_word),
            "paused": seen.run().paused(),
            "harness": stored.record.harness,
            "contract": stored.record.contract,
            "model": stored.record.model,
            "imported": store.is_foreign(),
            "trials": {
                "total": states.len(),
                "done": count(|state| matches!(state, State::Filled(_))),
                "missing": count(|state| matches!(state, State::Missing(_))),
                "running": count(|state| matches!(state, State::Running { .. })),
                "void": seen.run().voids(),
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
    let line = match (is_over, seen.run().paused().is_some() || seen.is_interrupted) {
        (false, false) => format!("{name} {} · {}", stored.record.verb, following::line(&seen, &stored)),
        _ => following::ending(&seen, &stored),
    };
    if store.is_foreign() {
        terminal::print(&format!("{IMPORTED}\n"))?;
    }
    terminal::print(&format!("{}\n", visible(&line)))?;
    if seen.run().finished().is_none() && 0 < seen.run().spent().trials {
        let spent = seen.run().spent();
        terminal::print(&format!(
            "{} spent so far in {}\n",
            score::money(spent.cost),
            score::time(spent.time.as_secs())
        ))?;
    }
    Ok(0)
}

/// Whether a run may go on: it may if it is what somebody agreed to when it was started, or agrees to now.
fn may_go_on(
    root: &Path,
    store: &mut Store,
    stored: &StoredRun,
    at: Duration,
    yes: bool,
) -> Result<bool, Failure> {
    let prepared = starting::prepare_resume(root, store, stored)?;
    let asked = prepared.asked(store)?;
    let goes_on = prepared.goes_on();
    let question = Question {
        root,
        asked: &asked,
        items: prepared.items(),
        terms: prepared.terms(),
        reasons: prepared.reasons(),
        goes_on,
    };
    let flags = Flags { yes: yes && !goes_on, trust: false };
    let Some(how) = consent::given(&question, flags)? else { return Ok(false) };
    prepared.agree(store, stored, at, how)?;
    Ok(true)
}
