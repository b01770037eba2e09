//! The plans of `improve`, `propose` and `validate`: rounds of mining, proposals and validation, or one step of that.

use harness_schema::manifest::Gate;
use harness_schema::split::Split;

use crate::engine::contract::Role;
use crate::engine::cycle::{Candidate, Goal, Rules};
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::starting::{Asking, Plan};
use crate::host::store::{StoreError, StoredProposal, no_proposal, proposal_number};
use crate::host::subject::{Planned, Subject};

/// How a harness is to be improved; what is not said is the manifest's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Improve {
    /// How many rounds at most; `improve.rounds`.
    pub rounds: Option<u32>,
    /// How many proposals are validated in a round; `improve.proposals`.
    pub proposals: Option<u32>,
    /// How strictly proposals are judged; `improve.gate`.
    pub gate: Option<Gate>,
}

/// Rounds of improvement.
///
/// # Errors
/// A [`Failure`] if the rules cannot be kept.
pub fn improve(subject: &Subject, wanted: &Improve) -> Result<Plan, Failure> {
    let mut rules = rules(subject, wanted.gate)?;
    rules.rounds = wanted.rounds.unwrap_or(rules.rounds);
    rules.proposals = wanted.proposals.unwrap_or(rules.proposals);
    Ok(compared(subject, Goal::Improve, rules))
}

/// Proposals, at most so many, of which none is tried; `improve.proposals` if nothing is said.
///
/// # Errors
/// A [`Failure`] if the rules cannot be kept.
pub fn propose(subject: &Subject, proposals: Option<u32>) -> Result<Plan, Failure> {
    let mut rules = rules(subject, None)?;
    rules.proposals = proposals.unwrap_or(rules.proposals);
    Ok(compared(subject, Goal::Propose, rules))
}

/// Decisions on proposals that are there: on those that are [named, or open](candidates).
///
/// # Errors
/// A [`Failure`] if the rules cannot be kept, or there is no such proposal.
pub fn validate(asking: &Asking<'_>, named: &[String], gate: Option<Gate>) -> Result<Plan, Failure> {
    let rules = rules(asking.subject, gate)?;
    let candidates = candidates(asking, named)?;
    Ok(Plan { candidates, ..compared(asking.subject, Goal::Validate, rules) })
}

/// The rules of the manifest, with another gate if one is named.
///
/// # Errors
/// A [`Failure`] if they cannot be kept: the harness has no task that teaches, or none that judges.
pub fn rules(subject: &Subject, gate: Option<Gate>) -> Result<Rules, Failure> {
    let mut improve = subject.harness.manifest().improve.value.clone();
    if let Some(gate) = gate {
        improve.gate = gate.into();
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

/// A baseline by these rules, and then what the goal is.
pub(super) fn compared(subject: &Subject, goal: Goal, rules: Rules) -> Plan {
    let compared = subject.tasks.iter().filter(|task| task.split != Split::Sealed && task.plan.is_ok());
    let mut tasks: Vec<_> = compared.collect();
    tasks.sort_by_key(|task| task.split != Split::HeldIn);
    let slots = (0..rules.baseline).flat_map(|repeat| {
        let slot = move |task: &&Planned| Slot {
            arm: 0,
            task: task.id.clone(),
            split: task.split,
            role: Role::Baseline,
            repeat,
        };
        tasks.iter().map(slot).collect::<Vec<_>>()
    });
    Plan { rules: Some(rules), ..Plan::of(goal, rules.baseline, slots.collect()) }
}

/// The proposals that are named, or those for this harness that nobody has decided on.
///
/// # Errors
/// A [`Failure`] if there is none, or one is for another harness.
pub fn candidates(asking: &Asking<'_>, named: &[String]) -> Result<Vec<Candidate>, Failure> {
    let harness = asking.subject.harness_digest().to_string();
    let failed = |error: StoreError| error.to_failure();
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
