//! Starts a run: tries the sandbox, reads the project, asks whoever is to pay, stores what was asked for, and follows it.

use std::path::Path;

use harness_schema::manifest::AgentKind;

use super::consent::{self, Flags, Question};
use super::report::excerpt::visible;
use super::{follow, locate, run_report, terminal};
use crate::engine::consent::execution_digest;
use crate::engine::cycle::{Candidate, Goal, Rules};
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::agents::command;
use crate::host::consent::{self as host_consent, Memory};
use crate::host::machine::Machine;
use crate::host::measured::Past;
use crate::host::model::{Endpoint, KeySource};
use crate::host::record::{
    AgreementRecord, BudgetRecord, CandidateRecord, ProposalRecord, RulesRecord, RunRecord, SealRecord,
    SlotRecord,
};
use crate::host::sandbox::{Choice, Guarantees};
use crate::host::store::{IMPORTED, RunState, Store, StoredRun, run_name};
use crate::host::subject::Subject;

/// On what terms a run is started.
#[derive(Debug, Default, clap::Args)]
pub struct Terms {
    /// How many trials run side by side; at most the manifest's `budget.max_parallel`
    #[arg(long, value_name = "N")]
    pub parallel: Option<usize>,
    /// What it may cost, in US dollars; the lower of this and the manifest's `budget.max_cost_usd` holds
    #[arg(long, value_name = "USD")]
    pub max_cost_usd: Option<f64>,
    /// Runs without a sandbox, with your rights, where `sandbox = "none"` stands in your configuration
    #[arg(long)]
    pub unsandboxed: bool,
    /// Agrees to what is started, and trusts what decides what is executed, without asking
    #[arg(long)]
    pub yes: bool,
    /// Trusts what decides what is executed as it is now, this once; spending is asked for as always
    #[arg(long)]
    pub trust: bool,
    /// Returns when the run is started; `status` follows it
    #[arg(long)]
    pub detach: bool,
}

/// What a run is to do.
#[derive(Debug)]
pub struct Plan {
    /// What it is for.
    pub goal: Goal,
    /// How often each task is tried by the harness as it is.
    pub repeats: u32,
    /// The slots that it begins with.
    pub slots: Vec<Slot>,
    /// How proposals are judged, if there are any.
    pub rules: Option<Rules>,
    /// The proposals that are to be validated.
    pub candidates: Vec<Candidate>,
    /// The harness that it begins with, if it is not the one on disk.
    pub subject: Option<Subject>,
    /// What is read of sealed tasks, if that is what it is for.
    pub seal: Option<SealRecord>,
    /// An edit of the person's own, which is stored with the run and validated.
    pub own: Option<ProposalRecord>,
}

impl Plan {
    /// Trials of the harness on disk, and nothing else.
    #[must_use]
    pub fn of(goal: Goal, repeats: u32, slots: Vec<Slot>) -> Self {
        Self {
            goal,
            repeats,
            slots,
            rules: None,
            candidates: Vec::new(),
            subject: None,
            seal: None,
            own: None,
        }
    }
}

/// What a plan is made of.
pub struct Asking<'a> {
    /// The project as it is on disk, or as it is to be started.
    pub subject: &'a Subject,
    /// Its store.
    pub store: &'a Store,
    guarantees: &'a Guarantees,
    machine: &'a Machine,
}

impl<'a> Asking<'a> {
    /// What was measured before in this project.
    #[must_use]
    pub fn past(&self) -> Past<'a> {
        let Self { subject, store, guarantees, machine } = *self;
        Past { root: &subject.root, store, guarantees, machine }
    }
}

/// Starts what `plan` makes of a project, and follows it.
///
/// # Errors
/// A [`Failure`] if it cannot be started.
pub fn run(
    root: &Path,
    terms: &Terms,
    plan: impl FnOnce(&mut Asking<'_>) -> Result<Plan, Failure>,
) -> Result<u8, Failure> {
    locate::sound(root)?;
    let mut store = Store::open(root).map_err(|error| error.to_failure())?;
    locate::say_notice(&store);
    let Some(stored) = start(root, &mut store, terms, plan)? else {
        terminal::print_aside("nothing was started\n");
        return Ok(130);
    };
    if terms.detach {
        crate::host::worker::ensure(root, &store, stored.record.key_variable.as_deref())?;
        terminal::print(&format!("{}\n", run_name(stored.number)))?;
        return Ok(0);
    }
    finish(root, &mut store, &stored)
}

/// Follows a run to its end and prints what came of it.
///
/// # Errors
/// A [`Failure`] if it cannot be followed.
pub fn finish(root: &Path, store: &mut Store, stored: &StoredRun) -> Result<u8, Failure> {
    let seen = follow::to_the_end(root, store, stored)?;
    terminal::print(&run_report::summary(store, stored, &seen)?)?;
    Ok(follow::exit_code(&seen))
}

/// Asks and stores a run; `None` if the person does not want it. An open run is followed instead of a second one.
fn start(
    root: &Path,
    store: &mut Store,
    arguments: &Terms,
    plan: impl FnOnce(&mut Asking<'_>) -> Result<Plan, Failure>,
) -> Result<Option<StoredRun>, Failure> {
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
    let mut plan =
        plan(&mut Asking { subject: &subject, store, guarantees: &guarantees, machine: &machine })?;
    let own = plan.own.take();
    let subject = plan.subject.take().unwrap_or(subject);
    let key = machine.key_of(&subject.harness.manifest().model.value)?;
    let record = record(&subject, &machine, &key, arguments, plan)?;
    let recalled = Memory::of_this_user().recall(root);
    if let Some(notice) = &recalled.notice {
        terminal::print_aside(&visible(&format!("note: {notice}\n")));
    }
    let asked = consent::of_run(store, &record, &subject, &guarantees, &key, &recalled.keys_anywhere)?;
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
            IMPORTED,
            aside.display()
        )));
        *store = own;
    }
    let agreement = AgreementRecord::of(&execution_digest(&items), &terms, how);
    let created = match own {
        None => store.create_run(&record, &agreement),
        Some(own) => store.create_run_of_own(record, &agreement, &own),
    };
    let number = created.map_err(|error| error.to_failure())?;
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

/// The run that is asked for.
fn record(
    subject: &Subject,
    machine: &Machine,
    key: &KeySource,
    arguments: &Terms,
    plan: Plan,
) -> Result<RunRecord, Failure> {
    let manifest = subject.harness.manifest();
    if manifest.agent.value.kind.value == AgentKind::Harbor {
        let hint = "use `agent.kind = \"native\"` or `\"command\"`";
        return Err(Failure::config("Harbor agents cannot be run by this version", hint));
    }
    subject.fits(machine.sandbox())?;
    let Plan { goal, repeats, slots, rules, candidates, seal, .. } = plan;
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
    let mut record = RunRecord {
        verb: goal.word().to_owned(),
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
        rules: rules.as_ref().map(RulesRecord::of),
        candidates: candidates.iter().map(CandidateRecord::of).collect(),
        seal,
    };
    // What somebody agrees to holds for trials that are not planned yet as well.
    if matches!(goal, Goal::Validate | Goal::Improve) {
        let most = host_consent::most(&record);
        record.budget.trials = Some(record.budget.trials.map_or(most, |set| set.min(most)));
    }
    Ok(record)
}
