//! `evaluate`: measures the harness: runs it on its tasks in a sandbox, judges each trial, and stores everything.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use harness_schema::manifest::{AgentKind, Gate};
use harness_schema::split::{Split, TaskPattern};

use super::consent::{self, Flags, Question};
use super::report::excerpt::visible;
use super::{follow, locate, outcome, terminal};
use crate::engine::consent::execution_digest;
use crate::engine::contract::Role;
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::agents::command;
use crate::host::consent::Memory;
use crate::host::machine::Machine;
use crate::host::model::{Endpoint, KeySource};
use crate::host::record::{AgreementRecord, BudgetRecord, RunRecord, SlotRecord};
use crate::host::sandbox::{Choice, Guarantees};
use crate::host::store::{RunState, Store, StoredRun, run_name};
use crate::host::subject::Subject;

/// What a quick look is satisfied with.
const SMOKE_TASKS: usize = 3;

const MORE_HELP: &str = "\
Examples:
  self-harness evaluate --smoke              three tasks once, to see whether everything works
  self-harness evaluate                      every task, as often as the manifest says
  self-harness evaluate --task 'parse-*'     only these tasks
  self-harness evaluate --repeats 2 --yes    without asking, for CI
  self-harness evaluate --trust              once, after you have looked at what changed in the project

A trial that was measured before under the same contract is not paid again.";

/// The arguments of `evaluate`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Only tasks of this split
    #[arg(long, value_enum)]
    split: Option<WhichSplit>,
    /// Only these tasks: ids or globs
    #[arg(long = "task", value_name = "T")]
    tasks: Vec<String>,
    /// How often each task is tried; the manifest's `improve.repeats.baseline`, else by the gate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: Option<u32>,
    /// A quick look: three held-in tasks once
    #[arg(long, conflicts_with_all = ["split", "repeats"])]
    smoke: bool,
    /// How many trials run side by side; at most the manifest's `budget.max_parallel`
    #[arg(long, value_name = "N")]
    parallel: Option<usize>,
    /// What it may cost, in US dollars; the lower of this and the manifest's `budget.max_cost_usd` holds
    #[arg(long, value_name = "USD")]
    max_cost_usd: Option<f64>,
    /// Runs without a sandbox, with your rights, where `sandbox = "none"` stands in your configuration
    #[arg(long)]
    unsandboxed: bool,
    /// Agrees to what is started, and trusts what decides what is executed, without asking
    #[arg(long)]
    yes: bool,
    /// Trusts what decides what is executed as it is now, this once; spending is asked for as always
    #[arg(long)]
    trust: bool,
    /// Returns when the run is started; `status` follows it
    #[arg(long)]
    detach: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WhichSplit {
    HeldIn,
    HeldOut,
}

/// Starts a run and follows it.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    locate::sound(&root)?;
    let mut store = Store::open(&root).map_err(|error| error.to_failure())?;
    locate::say_notice(&store);
    let started = start(&root, &mut store, arguments)?;
    let Some(stored) = started else {
        terminal::print_aside("nothing was started\n");
        return Ok(130);
    };
    if arguments.detach {
        crate::host::worker::ensure(&root, &store, stored.record.key_variable.as_deref())?;
        terminal::print(&format!("{}\n", run_name(stored.number)))?;
        return Ok(0);
    }
    finish(&root, &mut store, &stored)
}

/// Evaluates the example of `demo`: whoever starts the demo has asked for exactly that.
///
/// # Errors
/// A [`Failure`] if it cannot be run.
pub fn demo(root: &Path, repeats: u32) -> Result<u8, Failure> {
    let directory = Some(root.to_path_buf());
    run(&Arguments { directory, repeats: Some(repeats), yes: true, ..Arguments::default() })
}

/// Follows a run to its end and prints what came of it.
///
/// # Errors
/// A [`Failure`] if it cannot be followed.
pub fn finish(root: &Path, store: &mut Store, stored: &StoredRun) -> Result<u8, Failure> {
    let seen = follow::to_the_end(root, store, stored)?;
    terminal::print(&outcome::table(store, stored, &seen)?)?;
    terminal::print(&format!("{}\n", visible(&follow::ending(&seen, stored))))?;
    Ok(follow::exit_code(&seen))
}

/// Asks and stores a run; `None` if the person does not want it. An open run is followed instead of a second one.
fn start(root: &Path, store: &mut Store, arguments: &Arguments) -> Result<Option<StoredRun>, Failure> {
    // Nobody here has agreed to what a store from elsewhere wants to be run.
    let open = match store.is_foreign() {
        true => Vec::new(),
        false => store.open_runs().map_err(|error| error.to_failure())?,
    };
    if let Some(open) = open.into_iter().find(|run| run.state != RunState::Paused) {
        let name = run_name(open.number);
        terminal::print_aside(&format!("following {name}, started from {}\n", open.record.started_by));
        return Ok(Some(open));
    }
    let machine = Machine::read()?;
    let guarantees = proven(&machine, arguments.unsandboxed)?;
    let subject = Subject::read(root, &guarantees, &machine);
    // What another backend will have inside cannot be told from here.
    if machine.sandbox() == Choice::Bubblewrap {
        let hint = "nothing was run: no trial would measure anything";
        command::ready(&subject.harness, &machine.toolchains)
            .map_err(|error| Failure::config(error.to_string(), hint))?;
    }
    let key = machine.key_of(&subject.harness.manifest().model.value)?;
    let record = record(&subject, &machine, &key, arguments)?;
    let recalled = Memory::of_this_user().recall(root);
    if let Some(notice) = &recalled.notice {
        terminal::print_aside(&visible(&format!("note: {notice}\n")));
    }
    let asked = consent::of_run(&record, &subject, &guarantees, &key, &recalled.keys_anywhere);
    let (items, terms) = (asked.items(), asked.terms());
    let reasons = recalled.agreed.reasons(&items, &terms);
    let question =
        Question { root, asked: &asked, items: &items, terms: &terms, reasons: &reasons, goes_on: false };
    let flags = Flags { yes: arguments.yes, trust: arguments.trust };
    let Some(how) = consent::given(&question, flags)? else { return Ok(None) };
    if store.is_foreign() {
        let (own, aside) = Store::replace_foreign(root).map_err(|error| error.to_failure())?;
        terminal::print_aside(&visible(&format!(
            "{}; it is kept as `{}`, and none of its trials is reused\n",
            locate::IMPORTED,
            aside.display()
        )));
        *store = own;
    }
    let agreement = AgreementRecord::of(&execution_digest(&items), &terms, how);
    let number = store.create_run(&record, &agreement).map_err(|error| error.to_failure())?;
    store.run(number).map_err(|error| error.to_failure())
}

/// The sandbox of this machine, tried.
///
/// # Errors
/// A [`Failure`] if it does not hold what it must: nothing runs without one.
pub fn proven(machine: &Machine, unsandboxed: bool) -> Result<Guarantees, Failure> {
    let choice = machine.sandbox();
    match (choice, unsandboxed) {
        (Choice::None, false) => {
            let message = "your configuration says `sandbox = \"none\"`, nothing was run";
            let hint = "add `--unsandboxed` to run with your own rights on this machine, which should be one to throw away";
            return Err(Failure::config(message, hint));
        }
        (Choice::Bubblewrap | Choice::Container, true) => {
            let hint = "only your own configuration can switch the sandbox off: see `host::machine`";
            return Err(Failure::user("there is a sandbox, so `--unsandboxed` means nothing", hint));
        }
        _ => {}
    }
    let guarantees = machine.backend().probe().map_err(|missing| {
        Failure::host(
            format!("no sandbox on this machine, nothing was run: {}", missing.reason),
            missing.remedy,
        )
    })?;
    match guarantees.lacking().as_slice() {
        [] => Ok(guarantees),
        _ if unsandboxed => Ok(guarantees),
        lacking => Err(Failure::host(
            format!("the sandbox does not hold `{}`, nothing was run", lacking.join("`, `")),
            "`self-harness doctor` says what a program inside could do",
        )),
    }
}

/// The run that the arguments ask for.
fn record(
    subject: &Subject,
    machine: &Machine,
    key: &KeySource,
    arguments: &Arguments,
) -> Result<RunRecord, Failure> {
    let manifest = subject.harness.manifest();
    if manifest.agent.value.kind.value == AgentKind::Harbor {
        let hint = "use `agent.kind = \"native\"` or `\"command\"`";
        return Err(Failure::config("Harbor agents cannot be run by this version", hint));
    }
    subject.fits(machine.sandbox())?;
    let improve = &manifest.improve.value;
    let by_gate = if improve.gate.value == Gate::Certified { 4 } else { 2 };
    let written = improve.repeats.value.baseline.as_ref().map(|repeats| repeats.value);
    let repeats = if arguments.smoke { 1 } else { arguments.repeats.or(written).unwrap_or(by_gate).max(1) };
    let role = if arguments.smoke { Role::Smoke } else { Role::Baseline };
    let slots = slots(subject, arguments, repeats, role)?;
    let budget = &manifest.budget.value;
    let most = budget
        .max_cost_usd
        .as_ref()
        .map_or(machine.max_cost_usd, |most| most.value.min(machine.max_cost_usd));
    let max_cost = arguments.max_cost_usd.map_or(most, |asked| asked.min(most));
    // Where nothing is known about prices a limit of money would stop everything.
    let model = &manifest.model.value;
    let is_priced = model.price.is_some()
        || Endpoint::read(&model.endpoint.value).is_ok_and(|endpoint| endpoint.is_loopback());
    let parallel = usize::try_from(budget.max_parallel.value).unwrap_or(1);
    let parallel = parallel.min(machine.max_parallel.unwrap_or(usize::MAX)).max(1);
    let tasks: Vec<&str> = slots.iter().map(|slot| slot.task.as_str()).collect();
    let contract = subject.contract_digest(|id| tasks.contains(&id));
    Ok(RunRecord {
        verb: String::from("evaluate"),
        name: manifest.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
        harness: subject.harness_digest().to_string(),
        contract: contract.to_string(),
        execution: subject.execution_digest().to_string(),
        files: subject.texts(),
        budget: BudgetRecord {
            trials: budget.max_trials.as_ref().map(|most| most.value),
            tokens: budget.max_tokens.as_ref().map(|most| most.value),
            cost: (is_priced || arguments.max_cost_usd.is_some() || budget.max_cost_usd.is_some())
                .then_some(max_cost),
            time_ms: budget.max_time.as_ref().map(|most| {
                u64::try_from(std::time::Duration::from(most.value).as_millis()).unwrap_or(u64::MAX)
            }),
        },
        parallel: arguments.parallel.map_or(parallel, |asked| asked.clamp(1, parallel)),
        seed: model.seed.as_ref().map(|seed| seed.value.unsigned_abs()).unwrap_or_default(),
        sandbox: machine.sandbox().word().to_owned(),
        started_by: String::from("the command line"),
        model: model.name.value.clone(),
        repeats,
        key_variable: match key {
            KeySource::Variable(name) => Some(name.clone()),
            KeySource::None | KeySource::Command(_) => None,
        },
        slots: slots.iter().map(SlotRecord::of).collect(),
        rules: None,
        candidates: Vec::new(),
    })
}

/// What is to be filled: every task once before any is tried again, so that an early stop has seen all.
fn slots(subject: &Subject, arguments: &Arguments, repeats: u32, role: Role) -> Result<Vec<Slot>, Failure> {
    let patterns: Vec<TaskPattern> =
        arguments.tasks.iter().map(|written| TaskPattern::new(written)).collect();
    if let Some(at) =
        patterns.iter().position(|pattern| !subject.tasks.iter().any(|task| pattern.matches(&task.id)))
    {
        let written = arguments.tasks.get(at).map_or("", String::as_str);
        let hint = "tasks are named by their directory below `tasks.dir`; those in no split are not run";
        return Err(Failure::user(format!("no task of a split matches `{written}`"), hint));
    }
    let is_wanted = |split: Split| match (arguments.smoke, arguments.split) {
        (true, _) | (false, Some(WhichSplit::HeldIn)) => split == Split::HeldIn,
        (false, Some(WhichSplit::HeldOut)) => split == Split::HeldOut,
        // Sealed tasks are read once, at the very end.
        (false, None) => split != Split::Sealed,
    };
    let mut chosen: Vec<_> = subject
        .tasks
        .iter()
        .filter(|task| is_wanted(task.split))
        .filter(|task| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&task.id)))
        .collect();
    chosen.sort_by_key(|task| task.split != Split::HeldIn);
    if arguments.smoke {
        chosen.truncate(SMOKE_TASKS);
    }
    if chosen.is_empty() {
        let hint = "declare tasks in `[tasks]` of `harness.toml`, and put them into splits";
        return Err(Failure::config("there is no task to run", hint));
    }
    let slots = (0..repeats).flat_map(|repeat| {
        let slot = move |task: &&crate::host::subject::Planned| Slot {
            arm: 0,
            task: task.id.clone(),
            split: task.split,
            role,
            repeat,
        };
        chosen.iter().map(slot).collect::<Vec<_>>()
    });
    Ok(slots.collect())
}
