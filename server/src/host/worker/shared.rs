//! What all trials of a run share: the sandbox that was tried, the harness with its tasks, and the model's client. It is made
//! before the first trial, and only if all of it is what somebody agreed to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness_schema::digest::Digest;
use harness_schema::harness::Harness;
use tokio::runtime::Runtime;

use super::admitting::Place;
use super::{archives, ticket};
use crate::engine::atif;
use crate::engine::plan::Slot;
use crate::failure::Failure;
use crate::host::agents::Cancel;
use crate::host::egress::Egress;
use crate::host::jobs::{self, JobTrial, Workshop};
use crate::host::machine::Machine;
use crate::host::meter::Meter;
use crate::host::model::{self, Client, Settings};
use crate::host::redact::{Redactor, SecretString};
use crate::host::sandbox::{self, Backend, Choice, Trials};
use crate::host::store::{Store, StoreError, StoredRun, run_name};
use crate::host::subject::Subject;
use crate::host::suite::{AdmittedTask, Bench};
use crate::host::trial::{self, Cancelled, Done};

/// What all trials of a run share.
pub(super) struct Shared {
    pub(super) subject: Subject,
    pub(super) tasks: BTreeMap<String, AdmittedTask>,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
    backend: Box<dyn Backend>,
    pub(super) trials: Trials,
    archives: PathBuf,
    pub(super) redactor: Redactor,
    pub(super) harness: Digest,
    pub(super) contract: Digest,
    pub(super) seed: Option<i64>,
    /// Whether there is a sandbox.
    pub(super) is_confined: bool,
    /// What it proved to hold.
    pub(super) guarantees: String,
    egress: Egress,
    /// Where trials are run if they are Harbor's.
    workshop: Option<Workshop>,
    /// Ends the checks of tasks that nobody waits for.
    pub(super) given_up: Cancel,
}

/// What a trial is called.
pub(super) struct Name {
    /// Its own name.
    pub(super) id: String,
    /// The name of its job, if it is Harbor's: the same after its worker died, another one after it was void.
    pub(super) job: String,
}

/// A harness that trials are run with.
pub(super) struct Arm {
    pub(super) harness: Harness,
    pub(super) digest: Digest,
}

/// Why a run cannot be performed now.
pub(super) enum NotPrepared {
    /// The store cannot be used; somebody else tries again.
    Store(StoreError),
    /// Something that a person has to see to.
    Failure(Failure),
}

impl From<StoreError> for NotPrepared {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for NotPrepared {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Shared {
    /// Tries the sandbox, reads harness and tasks, and checks that they are what somebody agreed to.
    ///
    /// # Errors
    /// A [`NotPrepared`]; nothing was started then.
    pub(super) fn prepare(root: &Path, store: &Store, stored: &StoredRun) -> Result<Self, NotPrepared> {
        let machine = Machine::read()?.of_run(&stored.record.sandbox);
        let choice = machine.sandbox();
        machine.still_has(&stored.record.sandbox)?;
        let backend = machine.backend();
        let guarantees = backend.probe().map_err(|missing| Failure::host(missing.reason, missing.remedy))?;
        if !matches!(choice, Choice::None | Choice::Harbor) && !guarantees.lacking().is_empty() {
            let lacking = guarantees.lacking().join("`, `");
            let hint = "`self-harness doctor` says what a program inside could do";
            return Err(Failure::host(format!("the sandbox does not hold `{lacking}`"), hint).into());
        }
        let subject = Subject::with_texts(root, &stored.record.files, &guarantees, &machine);
        subject.fits(choice)?;
        let (harness, contract) = (subject.harness_digest(), subject.contract_of(&stored.record));
        // Before a key is read, or anything is started.
        ticket::check(root, store, stored, &subject, &machine)??;
        let (client, redactor, key) = client_of(&subject, &machine)?;
        let workshop = match choice {
            Choice::Harbor => Some(workshop(&subject, &machine, store, key.as_ref())?),
            Choice::Bubblewrap | Choice::Container | Choice::None => None,
        };
        let trials = Trials::of_this_machine(sandbox::identity(choice));
        Ok(Self {
            seed: subject.harness.manifest().model.value.seed.as_ref().map(|seed| seed.value),
            archives: archives(&trials),
            is_confined: choice != Choice::None,
            guarantees: guarantees.line(),
            egress: Egress::of(choice, machine.network),
            tasks: BTreeMap::new(),
            workshop,
            given_up: Cancel::new(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|error| {
                    Failure::host(format!("cannot start threads: {error}"), "see `ulimit -u`")
                })?,
            harness,
            contract,
            subject,
            client,
            backend,
            trials,
            redactor,
        })
    }

    /// Where tasks are tried and judged.
    pub(super) fn place(&self) -> Place<'_> {
        match &self.workshop {
            Some(workshop) => Place::Harbor { workshop, cancel: &self.given_up },
            None => Place::Sandbox(self.bench()),
        }
    }

    fn bench(&self) -> Bench<'_> {
        Bench {
            backend: &*self.backend,
            trials: &self.trials,
            archives: &self.archives,
            egress: &self.egress,
        }
    }

    /// Performs a trial of a harness; `directory` is where what is kept of it lies.
    ///
    /// # Errors
    /// [`Cancelled`] if nobody wants it any more.
    pub(super) fn perform(
        &self,
        arm: &Arm,
        asked: &Slot,
        name: &Name,
        cancel: &Cancel,
        meter: &Meter,
        directory: &Path,
    ) -> Result<Done, Cancelled> {
        let task = self.tasks.get(&asked.task).ok_or(Cancelled)?;
        let about = atif::About {
            trial: name.id.clone(),
            harness: arm.digest.to_string(),
            contract: self.contract.to_string(),
            tool_definitions: Vec::new(),
        };
        let digest = task.plan().digests.task;
        let repeat = u64::from(asked.repeat);
        let seed = self.seed.map(|seed| model::seed::of_request(seed, &digest, asked.role.word(), repeat));
        if let Some(workshop) = &self.workshop {
            return jobs::perform(&JobTrial {
                job: &name.job,
                harness: &arm.harness,
                digest: &arm.digest,
                task,
                workshop,
                client: &self.client,
                seed,
                cancel,
                meter,
                about: &about,
                directory,
            });
        }
        trial::perform(&trial::Trial {
            harness: &arm.harness,
            task,
            bench: self.bench(),
            client: &self.client,
            runtime: self.runtime.handle(),
            cancel,
            meter,
            seed,
            about: &about,
            root: &self.subject.root,
            redactor: &self.redactor,
            directory,
        })
    }
}

/// Where Harbor's jobs of a project are run; what earlier workers left there is ended first.
fn workshop(
    subject: &Subject,
    machine: &Machine,
    store: &Store,
    key: Option<&SecretString>,
) -> Result<Workshop, NotPrepared> {
    let made = Workshop::of(&subject.root, &subject.harness, &subject.harness_digest(), machine, key);
    let made = made.map_err(|error| Failure::config(error.to_string(), "nothing was run"))?;
    let open: Vec<String> = store.open_runs()?.iter().map(|run| run_name(run.number)).collect();
    made.sweep(|job| open.iter().any(|run| job.starts_with(&format!("{run}-"))));
    Ok(made)
}

/// The model's client, what takes its key out of everything that is kept, and the key.
fn client_of(
    subject: &Subject,
    machine: &Machine,
) -> Result<(Client, Redactor, Option<SecretString>), Failure> {
    let model = &subject.harness.manifest().model.value;
    let settings = Settings::of(model)
        .map_err(|error| Failure::config(error.to_string(), "correct `model.endpoint` in `harness.toml`"))?;
    let key = machine.key_of(model)?.read(|name| std::env::var_os(name)).map_err(|error| {
        Failure::config(error.to_string(), "the key is read when a run starts and stored nowhere")
    })?;
    let client = Client::new(settings, key.as_ref())
        .map_err(|error| Failure::host(error.to_string(), "see `[model]` in `harness.toml`"))?;
    let secrets: Vec<SecretString> = key.clone().into_iter().collect();
    Ok((client, Redactor::new(&secrets), key))
}
