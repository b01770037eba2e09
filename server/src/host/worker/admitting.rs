//! Finds out before the first trial whether the verdicts of its tasks mean anything, and remembers that by digest.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use harness_schema::digest::Digest;

use super::BEAT;
use crate::engine::verdict::VoidCause;
use crate::host::agents::Cancel;
use crate::host::jobs::{self, Workshop};
use crate::host::sandbox::POLICY;
use crate::host::store::{Store, StoreError};
use crate::host::suite::{self, Admission, AdmittedTask, Bench, NotAdmitted, TaskPlan};

/// What came of a task.
pub(super) type Admitted = Result<AdmittedTask, (VoidCause, String)>;

/// Something that happened to one of the tasks.
pub(super) struct Checked {
    /// Its id.
    pub(super) id: String,
    /// What came of it.
    pub(super) outcome: Admitted,
    /// What is to be remembered, under which digest; nothing if that is known already.
    pub(super) news: Option<(Digest, String)>,
}

/// Where tasks are tried.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// In sandboxes of ours.
    Sandbox(Bench<'a>),
    /// By jobs of Harbor's.
    Harbor {
        /// Where they are run.
        workshop: &'a Workshop,
        /// Ends them when nobody waits for them.
        cancel: &'a Cancel,
    },
}

impl Place<'_> {
    /// The digest under which it is remembered what was found out about a task here.
    fn remembers(&self, plan: &TaskPlan, guarantees: &Digest) -> Digest {
        let known = remembered(plan, guarantees);
        match self {
            Self::Sandbox(_) => known,
            Self::Harbor { workshop, .. } => {
                Digest::of_parts([known.bytes().as_slice(), workshop.identity().bytes()])
            }
        }
    }

    /// Nobody waits for what is tried.
    fn give_up(&self) {
        if let Self::Harbor { cancel, .. } = self {
            cancel.cancel();
        }
    }
}

/// The digest under which it is remembered what was found out about a task: it holds for these bytes under this policy.
fn remembered(plan: &TaskPlan, guarantees: &Digest) -> Digest {
    let bytes = |digest: Option<Digest>| digest.map(|digest| digest.bytes().to_vec()).unwrap_or_default();
    let (solution, image) = (bytes(plan.solution), bytes(plan.digests.image));
    Digest::of_parts([
        b"admission/2".as_slice(),
        &POLICY.to_le_bytes(),
        guarantees.bytes(),
        plan.digests.task.bytes(),
        plan.digests.verifier.bytes(),
        &solution,
        &image,
    ])
}

/// Tries tasks, some at a time; `each` hears of each as soon as it is known, and of nothing as often as the worker has to be
/// seen alive meanwhile. It stops the rest by answering false.
pub(super) fn admit(
    plans: Vec<TaskPlan>,
    store: &Store,
    guarantees: &Digest,
    place: Place<'_>,
    parallel: usize,
    mut each: impl FnMut(Option<Checked>) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mut known: BTreeMap<String, Admission> = BTreeMap::new();
    for plan in &plans {
        let found = store.admission(&place.remembers(plan, guarantees))?;
        if let Some(admission) = found.and_then(|body| serde_json::from_str(&body).ok()) {
            known.insert(plan.id.clone(), admission);
        }
    }
    let (tell, told) = mpsc::channel();
    let queue = Mutex::new(plans.into_iter());
    thread::scope(|scope| {
        for _ in 0..parallel.max(1) {
            let (tell, queue, known) = (tell.clone(), &queue, &known);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    let Some(plan) = next else { return };
                    let checked = one(plan, known, guarantees, place);
                    if tell.send(checked).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut outcome = Ok(true);
        loop {
            let checked = match told.recv_timeout(BEAT) {
                Ok(checked) => Some(checked),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            outcome = each(checked);
            if !matches!(outcome, Ok(true)) {
                break;
            }
        }
        if !matches!(outcome, Ok(true)) {
            place.give_up();
        }
        // Whoever is still at it finishes its task and finds nothing more to do.
        queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).by_ref().for_each(drop);
        outcome.map(|_| ())
    })
}

fn one(
    plan: TaskPlan,
    known: &BTreeMap<String, Admission>,
    guarantees: &Digest,
    place: Place<'_>,
) -> Checked {
    let id = plan.id.clone();
    let digest = place.remembers(&plan, guarantees);
    let bench = match place {
        Place::Sandbox(bench) => bench,
        Place::Harbor { workshop, cancel } => {
            if let Some(admission) = known.get(&id)
                && let Ok(task) = AdmittedTask::delegated(plan.clone(), admission.clone())
            {
                return Checked { id, outcome: Ok(task), news: None };
            }
            return checked(id, digest, jobs::admit(plan, workshop, &digest, cancel));
        }
    };
    let template = match suite::build(&plan, &bench) {
        Ok(template) => template,
        Err(error) => {
            return Checked {
                id,
                outcome: Err((VoidCause::EnvironmentSetup, error.to_string())),
                news: None,
            };
        }
    };
    if let Some(admission) = known.get(&id)
        && let Ok(task) = AdmittedTask::restored(plan.clone(), template.clone(), admission.clone())
    {
        return Checked { id, outcome: Ok(task), news: None };
    }
    checked(id, digest, suite::admit(plan, template, &bench))
}

fn checked(id: String, digest: Digest, outcome: Result<AdmittedTask, NotAdmitted>) -> Checked {
    match outcome {
        Ok(task) => {
            let news = serde_json::to_string(task.admission()).ok().map(|body| (digest, body));
            Checked { id, outcome: Ok(task), news }
        }
        Err(refused) => Checked { id, outcome: Err((cause(&refused), refused.to_string())), news: None },
    }
}

/// What the slots of a task are that proves nothing.
fn cause(refused: &NotAdmitted) -> VoidCause {
    match refused {
        NotAdmitted::NotRun { void, .. } => *void,
        NotAdmitted::Changed(_) | NotAdmitted::Another(_) => VoidCause::ContractBroken,
        NotAdmitted::NullPasses { .. } | NotAdmitted::OracleFails { .. } | NotAdmitted::Prepare(_) => {
            VoidCause::EnvironmentSetup
        }
    }
}
