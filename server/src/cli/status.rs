//! `status`: where the runs of a project stand, and what to do about them: cancel, resume, retry, discard.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::consent::{self, Flags, Question};
use super::report::excerpt::visible;
use super::{locate, start, terminal};
use crate::engine::consent::{Reason, execution_digest};
use crate::engine::plan::{Finish, State};
use crate::engine::score;
use crate::failure::Failure;
use crate::host::consent::Memory;
use crate::host::following;
use crate::host::machine::Machine;
use crate::host::record::AgreementRecord;
use crate::host::sandbox::Choice;
use crate::host::store::{IMPORTED, RunState, Store, StoredRun, run_name};
use crate::host::subject::Subject;

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

/// Shows where a run stands, or changes that.
///
/// # Errors
/// A [`Failure`] if there is no run.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let (mut store, stored) = locate::found(&root, arguments.run.as_deref())?;
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let name = run_name(stored.number);
    let seen = following::look_at(&store, &stored)?;
    let is_over = seen.state == RunState::Ended;
    let changes = arguments.cancel || arguments.discard || arguments.resume || arguments.retry;
    if store.is_foreign() && (changes || arguments.follow) {
        return Err(Failure::user(
            format!("{name} is {IMPORTED}"),
            "start a run of your own with `self-harness evaluate`",
        ));
    }
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
            store.close(stored.number, seen.run().spent().time).map_err(failed)?;
        }
        terminal::print(&format!("{name} is being cancelled; what was measured is kept\n"))?;
        return Ok(0);
    }
    if arguments.resume || arguments.retry {
        let is_complete = matches!(
            seen.run().finished(),
            Some(Finish::Complete | Finish::NoWeakness | Finish::Stalled | Finish::Rounds)
        );
        let has_missing = seen.run().states().iter().any(|state| matches!(state, State::Missing(_)));
        // Proposals that were decided on stay so; another run reuses every trial that measured something.
        let may_retry = arguments.retry && has_missing && stored.record.goal().is_measurement();
        if is_complete && !may_retry {
            let hint = format!("start another one with `self-harness {}`", stored.record.verb);
            return Err(Failure::user(format!("{name} is complete"), hint));
        }
        if seen.state == RunState::Running && !seen.is_interrupted {
            return Err(Failure::user(
                format!("{name} is running"),
                "follow it with `self-harness status --follow`",
            ));
        }
        if !may_go_on(&root, &mut store, &stored, seen.run().spent().time, arguments.yes)? {
            terminal::print_aside("nothing was started\n");
            return Ok(130);
        }
        if !seen.is_interrupted {
            store.resume(stored.number, seen.run().spent().time, arguments.retry).map_err(failed)?;
        }
        let stored = locate::run(&root, &store, Some(&name))?;
        return start::finish(&root, &mut store, &stored);
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
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let record = &stored.record;
    let machine = Machine::read()?;
    machine.still_has(&record.sandbox)?;
    let guarantees = start::proven(&machine, machine.sandbox() == Choice::None)?;
    let subject = Subject::with_texts(root, &record.files, &guarantees, &machine);
    let contract = subject.contract_of(record).to_string();
    if (contract, subject.harness_digest().to_string()) != (record.contract.clone(), record.harness.clone()) {
        return Err(Failure::config(
            format!(
                "{} cannot go on: a task or the harness changed since it was started",
                run_name(stored.number)
            ),
            "start another one with `self-harness evaluate`; what was measured under other tasks is kept",
        ));
    }
    let recalled = Memory::of_this_user().recall(root);
    let key = machine.key_of(&subject.harness.manifest().model.value)?;
    let asked = consent::of_run(store, record, &subject, &guarantees, &key, &recalled.keys_anywhere)?;
    let (items, terms) = (asked.items(), asked.terms());
    let now = execution_digest(&items);
    let ticket = store.agreement(stored.number).map_err(failed)?;
    let mut agreed = recalled.agreed;
    if let Some(ticket) = &ticket {
        // Whoever started it agreed to this, whatever was agreed to for other runs since.
        if ticket.execution == now.to_string() {
            agreed.trusted = Some(items.clone());
        }
        agreed.keys.extend(ticket.terms().key);
        agreed.terms.insert(ticket.verb.clone(), ticket.terms());
    }
    let mut reasons = agreed.reasons(&items, &terms);
    // It is one run, and was asked for when it was started.
    reasons.retain(|reason| *reason != Reason::Unsandboxed || ticket.is_none());
    let goes_on = reasons.is_empty();
    let question = Question { root, asked: &asked, items: &items, terms: &terms, reasons: &reasons, goes_on };
    let flags = Flags { yes: yes && !goes_on, trust: false };
    let Some(how) = consent::given(&question, flags)? else { return Ok(false) };
    let agreement = AgreementRecord::of(&now, &terms, how);
    let is_known = ticket
        .is_some_and(|ticket| (&ticket.execution, &ticket.key) == (&agreement.execution, &agreement.key));
    if !is_known {
        store.agree(stored.number, at, &agreement).map_err(failed)?;
    }
    Ok(true)
}
