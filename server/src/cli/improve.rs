//! `improve`, `propose` and `validate`: makes a harness better, or one step of that. No file of the project is changed: what was
//! accepted is offered.

mod working_tree;

use std::path::PathBuf;

use clap::ValueEnum;
use harness_schema::manifest::Gate;
use harness_schema::split::Split;

use super::locate;
use super::start::{self, Asking, Plan, Terms};
use crate::engine::contract::Role;
use crate::engine::cycle::{Candidate, Goal, Rules};
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::store::{StoredProposal, no_proposal, proposal_number};
use crate::host::subject::Subject;

const MORE_HELP: &str = "\
Examples:
  self-harness improve                        rounds of mining, proposals and validation, within the budget
  self-harness improve --rounds 1 --yes       one round without asking, for CI
  self-harness improve --gate exact           the paper's rule, with exact early stops
  self-harness status --resume                goes on with a run that was stopped; nothing is paid twice

No file is changed. `self-harness report` shows what was accepted, `report --diff P7` the edit.";

const MORE_HELP_VALIDATE: &str = "\
Examples:
  self-harness validate                       every proposal for this harness that has no decision yet
  self-harness validate P7 P9                 these
  self-harness validate --working-tree        your own edit, against the harness that was measured last";

/// The arguments of `improve`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// How many rounds at most; the manifest's `improve.rounds`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: Option<u32>,
    /// How many proposals are validated in a round; the manifest's `improve.proposals`
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub proposals: Option<u32>,
    /// How strictly proposals are judged; the manifest's `improve.gate`
    #[arg(long, value_enum)]
    pub gate: Option<WhichGate>,
    /// On what terms it is started
    #[command(flatten)]
    pub terms: Terms,
}

/// The arguments of `propose`.
#[derive(Debug, Default, clap::Args)]
pub struct ProposeArguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How many proposals are kept; the manifest's `improve.proposals`
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=32))]
    proposals: Option<u32>,
    #[command(flatten)]
    terms: Terms,
}

/// The arguments of `validate`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP_VALIDATE)]
pub struct ValidateArguments {
    /// The proposals, as `P7`; all for this harness that have no decision if none is named
    #[arg(value_name = "P")]
    proposals: Vec<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Your own edit of the harness on disk, against the harness that was measured last
    #[arg(long, conflicts_with = "proposals")]
    working_tree: bool,
    /// How strictly they are judged; the manifest's `improve.gate`
    #[arg(long, value_enum)]
    gate: Option<WhichGate>,
    #[command(flatten)]
    terms: Terms,
}

/// A mode of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WhichGate {
    /// Screened with a margin, then confirmed with fresh trials
    Certified,
    /// The paper's rule with exact early stops
    Exact,
    /// The paper's rule, every slot run
    Paper,
}

impl WhichGate {
    fn gate(self) -> Gate {
        match self {
            Self::Certified => Gate::Certified,
            Self::Exact => Gate::Exact,
            Self::Paper => Gate::Paper,
        }
    }
}

/// Starts rounds of improvement and follows them.
///
/// # Errors
/// A [`Failure`] if they cannot be started.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    start::run(&root, &arguments.terms, |asking| {
        let mut rules = rules(asking.subject, arguments.gate)?;
        rules.rounds = arguments.rounds.unwrap_or(rules.rounds);
        rules.proposals = arguments.proposals.unwrap_or(rules.proposals);
        plan(asking.subject, Goal::Improve, rules, Vec::new())
    })
}

/// One round on the example of `demo`: whoever starts the demo has asked for exactly that.
///
/// # Errors
/// A [`Failure`] if it cannot be run.
pub fn demo(root: &std::path::Path, proposals: u32) -> Result<u8, Failure> {
    let terms = Terms { yes: true, ..Terms::default() };
    let directory = Some(root.to_path_buf());
    run(&Arguments { directory, rounds: Some(1), proposals: Some(proposals), gate: None, terms })
}

/// Makes proposals and tries none.
///
/// # Errors
/// A [`Failure`] if that cannot be started.
pub fn propose(arguments: &ProposeArguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    start::run(&root, &arguments.terms, |asking| {
        let mut rules = rules(asking.subject, None)?;
        rules.proposals = arguments.proposals.unwrap_or(rules.proposals);
        plan(asking.subject, Goal::Propose, rules, Vec::new())
    })
}

/// Decides on proposals that are there.
///
/// # Errors
/// A [`Failure`] if that cannot be started.
pub fn validate(arguments: &ValidateArguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    start::run(&root, &arguments.terms, |asking| {
        let rules = rules(asking.subject, arguments.gate)?;
        if arguments.working_tree {
            let plan = plan(asking.subject, Goal::Validate, rules, Vec::new())?;
            return working_tree::of(asking, plan);
        }
        let candidates = candidates(asking, &arguments.proposals)?;
        plan(asking.subject, Goal::Validate, rules, candidates)
    })
}

/// The rules of the manifest, and whether they can be kept.
fn rules(subject: &Subject, gate: Option<WhichGate>) -> Result<Rules, Failure> {
    let mut improve = subject.harness.manifest().improve.value.clone();
    if let Some(gate) = gate {
        improve.gate = gate.gate().into();
    }
    for split in [Split::HeldIn, Split::HeldOut] {
        if !subject.tasks.iter().any(|task| task.split == split && task.plan.is_ok()) {
            let hint = "held-in tasks teach and held-out tasks judge: a harness needs both, see `[tasks]`";
            let message = format!("there is no {} task that can be run here", split.word());
            return Err(Failure::config(message, hint));
        }
    }
    Ok(Rules::of(&improve))
}

fn plan(subject: &Subject, goal: Goal, rules: Rules, candidates: Vec<Candidate>) -> Result<Plan, Failure> {
    let compared = subject.tasks.iter().filter(|task| task.split != Split::Sealed && task.plan.is_ok());
    let mut tasks: Vec<_> = compared.collect();
    tasks.sort_by_key(|task| task.split != Split::HeldIn);
    let slots = (0..rules.baseline).flat_map(|repeat| {
        let slot = move |task: &&crate::host::subject::Planned| Slot {
            arm: 0,
            task: task.id.clone(),
            split: task.split,
            role: Role::Baseline,
            repeat,
        };
        tasks.iter().map(slot).collect::<Vec<_>>()
    });
    Ok(Plan { rules: Some(rules), candidates, ..Plan::of(goal, rules.baseline, slots.collect()) })
}

/// The proposals that are named, or those for this harness that nobody has decided on.
fn candidates(asking: &mut Asking<'_>, named: &[String]) -> Result<Vec<Candidate>, Failure> {
    let harness = asking.subject.harness_digest().to_string();
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let all = asking.store.proposals().map_err(failed)?;
    let decisions = asking.store.decisions().map_err(failed)?;
    let chosen: Vec<&StoredProposal> = if named.is_empty() {
        let is_open = |stored: &&StoredProposal| {
            let decision = decisions.get(&stored.number);
            !stored.is_dismissed
                && stored.record.harness == harness
                && decision.is_none_or(|decision| decision.is_interrupted())
        };
        all.iter().filter(is_open).collect()
    } else {
        let find = |name: &String| {
            let number = proposal_number(name);
            all.iter().find(|stored| Some(stored.number) == number).ok_or_else(|| no_proposal(name, &all))
        };
        named.iter().map(find).collect::<Result<_, _>>()?
    };
    if chosen.is_empty() {
        let message = "there is no proposal for this harness that waits for a decision";
        return Err(Failure::user(message, "make some with `self-harness propose`"));
    }
    if let Some(other) = chosen.iter().find(|stored| stored.record.harness != harness) {
        let message = format!("P{} is for another harness than the one on disk", other.number);
        let hint = "a proposal is compared with the harness that it was made for: take your edits back, or make new ones with `self-harness propose`";
        return Err(Failure::user(message, hint));
    }
    Ok(chosen.iter().map(|stored| Candidate { proposal: stored.number, active: None }).collect())
}
