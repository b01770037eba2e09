//! The run that is asked for, as it is stored: what the plan, the manifest, the machine and the person say, each in its part.

use harness_schema::manifest::Manifest;

use super::{Plan, Terms};
use crate::engine::cycle::Goal;
use crate::failure::Failure;
use crate::host::consent;
use crate::host::machine::Machine;
use crate::host::model::{Endpoint, KeySource};
use crate::host::record::{BudgetRecord, CandidateRecord, RulesRecord, RunRecord, SlotRecord};
use crate::host::subject::Subject;

/// The run that is asked for.
///
/// # Errors
/// A [`Failure`] if this version, or the sandbox of this machine, cannot run such an agent.
pub fn record(
    subject: &Subject,
    machine: &Machine,
    key: &KeySource,
    terms: &Terms,
    plan: Plan,
) -> Result<RunRecord, Failure> {
    let manifest = subject.harness.manifest();
    let machine = &subject.on(machine);
    subject.fits(machine.sandbox())?;
    let Plan { goal, repeats, slots, rules, candidates, seal, .. } = plan;
    let budget = &manifest.budget.value;
    let most = limit(manifest, machine);
    let max_cost = terms.max_cost_usd.map_or(most, |asked| asked.min(most));
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
            cost: (is_priced || terms.max_cost_usd.is_some() || budget.max_cost_usd.is_some())
                .then_some(max_cost),
            time_ms: budget.max_time.as_ref().map(|most| {
                u64::try_from(std::time::Duration::from(most.value).as_millis()).unwrap_or(u64::MAX)
            }),
        },
        parallel: terms.parallel.map_or(parallel, |asked| asked.clamp(1, parallel)),
        seed: model.seed.as_ref().map(|seed| seed.value.unsigned_abs()).unwrap_or_default(),
        sandbox: machine.sandbox().word().to_owned(),
        started_by: terms.started_by.clone(),
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
        let most = consent::most(&record);
        record.budget.trials = Some(record.budget.trials.map_or(most, |set| set.min(most)));
    }
    Ok(record)
}

/// What a run of a project may cost on a machine, in US dollars: the lower of what both say.
pub(super) fn limit(manifest: &Manifest, machine: &Machine) -> f64 {
    let most = manifest.budget.value.max_cost_usd.as_ref();
    most.map_or(machine.max_cost_usd, |most| most.value.min(machine.max_cost_usd))
}
