//! What is made of a project before anybody is asked, and what may be wished of a run.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use harness_schema::manifest::Gate;
use harness_schema::split::Split;

use super::plans::{Evaluate, Improve};
use super::preparing::{Here, prepare_here};
use super::resuming::prepare_resume_here;
use super::*;
use crate::engine::consent::Reason;
use crate::engine::contract::Role;
use crate::host::consent::Memory;
use crate::host::example;
use crate::host::model::KeySource;
use crate::host::record::{AgreementRecord, EventRecord, HowAgreed};
use crate::host::store::Known;
use crate::host::{consent, disk, following};

/// The example as a project, with a store of its own; it goes away with the test.
struct Project(PathBuf);

impl Project {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-starting-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        example::write(&path.join("project"), "http://127.0.0.1:1/v1").unwrap();
        Self(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("project")
    }

    fn subject(&self) -> Subject {
        Subject::read(&self.root(), &Guarantees::untried(), &Machine::default())
    }

    fn store(&self) -> Store {
        Store::open_with(&self.root(), &Known::at(&self.0.join("state"))).unwrap()
    }

    /// A machine with this memory, and with a sandbox that nobody tried.
    fn here(&self) -> Here {
        let memory = Memory::at(&self.0.join("memory"));
        Here { machine: Machine::default(), guarantees: Guarantees::untried(), memory }
    }

    /// A quick look at what an editor has open, before anybody has agreed.
    fn prepare(&self, store: &Store, texts: &[(&str, &str)]) -> Result<Prepared, Failure> {
        let texts = texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let smoke = Evaluate { smoke: true, ..Evaluate::default() };
        let terms = Terms { started_by: String::from("an editor"), ..Terms::default() };
        prepare_here(self.here(), &self.root(), Some(&texts), store, &terms, |asking| {
            plans::evaluate(asking.subject, &smoke)
        })
    }

    /// A run of three tasks that waits for a worker.
    fn run(&self, store: &mut Store) -> StoredRun {
        let plan = plans::evaluate(&self.subject(), &Evaluate { smoke: true, ..Evaluate::default() });
        let machine = Machine::default();
        let record =
            record(&self.subject(), &machine, &KeySource::None, &Terms::default(), plan.unwrap()).unwrap();
        let number = store.create_run(&record, &AgreementRecord::default()).unwrap();
        store.run(number).unwrap().unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_evaluation_tries_every_task_once_before_any_again_and_no_sealed_one() {
    let project = Project::new("evaluate");
    let subject = project.subject();
    let count = |split| subject.tasks.iter().filter(|task| task.split == split).count();
    let (held_in, held_out) = (count(Split::HeldIn), count(Split::HeldOut));
    assert!(3 < held_in && 0 < held_out);
    let plan = plans::evaluate(&subject, &Evaluate { repeats: Some(2), ..Evaluate::default() }).unwrap();
    assert_eq!((plan.goal, plan.repeats, plan.slots.len()), (Goal::Evaluate, 2, 2 * (held_in + held_out)));
    let (first, again) = plan.slots.split_at(held_in + held_out);
    assert!(first.iter().all(|slot| slot.repeat == 0 && slot.arm == 0 && slot.role == Role::Baseline));
    assert!(again.iter().all(|slot| slot.repeat == 1));
    assert!(first.iter().take(held_in).all(|slot| slot.split == Split::HeldIn));
    let smoke = plans::evaluate(&subject, &Evaluate { smoke: true, ..Evaluate::default() }).unwrap();
    let kinds: Vec<_> = smoke.slots.iter().map(|slot| (slot.split, slot.role)).collect();
    assert_eq!(kinds, [(Split::HeldIn, Role::Smoke); 3]);
    let only = Evaluate { split: Some(Split::HeldOut), repeats: Some(1), ..Evaluate::default() };
    assert_eq!(plans::evaluate(&subject, &only).unwrap().slots.len(), held_out);
    let named = Evaluate { tasks: vec!["merge-*".into()], repeats: Some(1), ..Evaluate::default() };
    let named = plans::evaluate(&subject, &named).unwrap();
    assert!(!named.slots.is_empty() && named.slots.iter().all(|slot| slot.task.starts_with("merge-")));
    let unknown = Evaluate { tasks: vec!["merge-*".into(), "nothing".into()], ..Evaluate::default() };
    let failure = plans::evaluate(&subject, &unknown).unwrap_err();
    assert_eq!(failure.message, "no task of a split matches `nothing`");
    let sealed = Evaluate { split: Some(Split::Sealed), ..Evaluate::default() };
    assert_eq!(plans::evaluate(&subject, &sealed).unwrap_err().message, "sealed tasks are not evaluated");
}

#[test]
fn what_is_not_said_of_an_improvement_is_the_manifests() {
    let project = Project::new("improve");
    let subject = project.subject();
    let manifest = Rules::of(&subject.harness.manifest().improve.value);
    let plan = plans::improve(&subject, &Improve::default()).unwrap();
    assert_eq!((plan.goal, plan.rules), (Goal::Improve, Some(manifest)));
    assert_eq!(plan.slots.len() % manifest.baseline as usize, 0);
    let (rounds, proposals) = (manifest.rounds + 1, manifest.proposals + 1);
    let wanted = Improve { rounds: Some(rounds), proposals: Some(proposals), gate: Some(Gate::Paper) };
    let rules = plans::improve(&subject, &wanted).unwrap().rules.unwrap();
    assert_eq!((rules.rounds, rules.proposals, rules.gate), (rounds, proposals, Gate::Paper));
    let plan = plans::propose(&subject, Some(proposals)).unwrap();
    assert_eq!((plan.goal, plan.rules.unwrap().proposals), (Goal::Propose, proposals));
    let store = project.store();
    let (guarantees, machine) = (Guarantees::untried(), Machine::default());
    let asking = Asking { subject: &subject, store: &store, guarantees: &guarantees, machine: &machine };
    let failure = plans::validate(&asking, &[], None).unwrap_err();
    assert_eq!(failure.message, "there is no proposal for this harness that waits for a decision");
    let failure = plans::validate(&asking, &["P3".into()], None).unwrap_err();
    assert_eq!(failure.message, "there is no proposal `P3`");
    let failure = plans::working_tree(&asking, None).unwrap_err();
    assert_eq!(failure.message, "no harness was measured in this project yet");
}

#[test]
fn the_lowest_of_all_limits_holds() {
    let project = Project::new("record");
    let subject = project.subject();
    let most = subject.harness.manifest().budget.value.max_parallel.value;
    let of = |terms: &Terms| {
        let plan = plans::evaluate(&subject, &Evaluate::default()).unwrap();
        record(&subject, &Machine::default(), &KeySource::None, terms, plan).unwrap()
    };
    let asked = of(&Terms {
        parallel: Some(usize::MAX),
        max_cost_usd: Some(0.25),
        unsandboxed: false,
        started_by: String::from("an editor"),
    });
    assert_eq!(asked.parallel, usize::try_from(most).unwrap());
    assert_eq!((asked.budget.cost, asked.started_by.as_str()), (Some(0.25), "an editor"));
    assert_eq!(of(&Terms { parallel: Some(0), ..Terms::default() }).parallel, 1);
    // More than this machine gives is not to be had.
    let most = Machine::default().max_cost_usd;
    let asked = of(&Terms { max_cost_usd: Some(most + 100.0), ..Terms::default() });
    assert!(asked.budget.cost.is_some_and(|cost| cost <= most), "{asked:?}");
    assert_eq!(asked.key_variable, None);
}

#[test]
fn a_harness_with_errors_is_not_run() {
    let project = Project::new("sound");
    let read = || disk::complete(&project.root(), disk::scan(&project.root()), None).1;
    assert_eq!(sound(&read()), Ok(()));
    let path = project.root().join("harness.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("kind = \"native\"", "kind = \"nativ\"")).unwrap();
    let failure = sound(&read()).unwrap_err();
    assert_eq!(failure.message, "the harness has 1 error, so nothing is run");
}

#[test]
fn one_run_is_open_and_whoever_starts_another_follows_it() {
    let project = Project::new("open");
    let mut store = project.store();
    assert_eq!(open_run(&store), Ok(None));
    let stored = project.run(&mut store);
    assert_eq!(open_run(&store), Ok(Some(stored.clone())));
    // A store that was made elsewhere has nothing that goes on here.
    let others = Known::at(&project.0.join("elsewhere"));
    let foreign = Store::open_existing_with(&project.root(), &others).unwrap().unwrap();
    assert_eq!(open_run(&foreign), Ok(None));
    store.set_state(stored.number, RunState::Paused).unwrap();
    assert_eq!(open_run(&store), Ok(None));
}

#[test]
fn a_run_is_ended_and_goes_on_as_somebody_wishes() {
    let project = Project::new("wish");
    let mut store = project.store();
    let stored = project.run(&mut store);
    let seen = |store: &Store| following::look(store, stored.number).unwrap();
    // The worker that will come is told.
    let queued = seen(&store);
    change(&mut store, &stored, &queued, Wish::Cancel).unwrap();
    assert_eq!((store.cancels(stored.number).unwrap(), seen(&store).state), (1, RunState::Queued));
    change(&mut store, &stored, &queued, Wish::Discard).unwrap();
    assert_eq!(store.cancels(stored.number).unwrap(), 3);
    // Nobody is at work on a paused one.
    store.set_state(stored.number, RunState::Paused).unwrap();
    let paused = seen(&store);
    change(&mut store, &stored, &paused, Wish::Cancel).unwrap();
    let ended = seen(&store);
    assert_eq!(ended.state, RunState::Ended);
    let failure = change(&mut store, &stored, &ended, Wish::Cancel).unwrap_err();
    assert_eq!(failure.message, "r-0001 is over");
    // What was cancelled goes on, and what is wished before is forgotten.
    change(&mut store, &stored, &ended, Wish::Resume).unwrap();
    assert_eq!((store.cancels(stored.number).unwrap(), seen(&store).state), (0, RunState::Queued));
    let lease = store.claim().unwrap().unwrap();
    store.set_state(stored.number, RunState::Running).unwrap();
    let failure = may(&store, &stored, &seen(&store), Wish::Resume).unwrap_err();
    assert_eq!(failure.message, "r-0001 is running");
    let finished = EventRecord::Finished { finish: "complete".into() };
    store.append(&lease, stored.number, Duration::ZERO, &finished).unwrap();
    store.set_state(stored.number, RunState::Ended).unwrap();
    for wish in [Wish::Resume, Wish::Retry] {
        let failure = may(&store, &stored, &seen(&store), wish).unwrap_err();
        assert_eq!(failure.message, "r-0001 is complete");
    }
    let others = Known::at(&project.0.join("elsewhere"));
    let foreign = Store::open_existing_with(&project.root(), &others).unwrap().unwrap();
    for wish in [Wish::Cancel, Wish::Discard, Wish::Resume, Wish::Retry] {
        let failure = may(&foreign, &stored, &seen(&foreign), wish).unwrap_err();
        assert!(failure.message.starts_with("r-0001 is imported"), "{failure}");
    }
}

#[test]
fn texts_of_open_editors_lie_over_the_disk() {
    let project = Project::new("texts");
    let store = project.store();
    let path = project.root().join("harness.toml");
    let text = fs::read_to_string(&path).unwrap();
    let files = |texts: &[(&str, &str)]| project.prepare(&store, texts).unwrap().record().files.clone();
    assert_eq!(files(&[])["harness.toml"], text);
    let edited = format!("{text}# mine\n");
    assert_eq!(files(&[("harness.toml", &edited)])["harness.toml"], edited);
    // What is not saved yet counts, for better or worse.
    let wrong = text.replace("kind = \"native\"", "kind = \"nativ\"");
    let refused = |texts: &[(&str, &str)]| project.prepare(&store, texts).unwrap_err().message;
    assert_eq!(refused(&[("harness.toml", &wrong)]), "the harness has 1 error, so nothing is run");
    fs::write(&path, &wrong).unwrap();
    assert_eq!(refused(&[]), "the harness has 1 error, so nothing is run");
    assert_eq!(files(&[("harness.toml", &text)])["harness.toml"], text);
}

#[test]
fn what_somebody_agreed_to_is_stored_and_goes_on_unasked() {
    let project = Project::new("agreed");
    let mut store = project.store();
    let prepared = project.prepare(&store, &[]).unwrap();
    assert_eq!(prepared.reasons(), [Reason::NeverTrusted, Reason::FirstOfVerb]);
    let question = consent::text(&prepared.asked(&store).unwrap(), prepared.items(), prepared.reasons());
    for line in [
        "Start evaluate for ",
        "\nTrusts     harness.toml ",
        "\nRuns       3 trials: 3 held-in and 0 held-out",
    ] {
        assert!(question.contains(line), "{question}");
    }
    assert!(!question.contains("Changed since"), "{question}");
    let (items, terms) = (prepared.items().clone(), prepared.terms().clone());
    let created = prepared.create(&project.root(), &mut store, HowAgreed::Asked).unwrap();
    assert_eq!(created, Created { number: 1, notice: None });
    let agreed = |store: &Store| {
        let events = store.events(1, 0).unwrap().into_iter();
        events.filter(|stored| matches!(stored.event, EventRecord::Agreed { .. })).count()
    };
    let ticket = store.agreement(1).unwrap().unwrap();
    assert_eq!((ticket.how, ticket.terms(), agreed(&store)), (HowAgreed::Asked, terms.clone(), 1));
    // Nothing was remembered, but the run itself was agreed to.
    let stored = store.run(1).unwrap().unwrap();
    assert_eq!(stored.record.started_by, "an editor");
    let again = prepare_resume_here(project.here(), &project.root(), &store, &stored).unwrap();
    assert!(again.goes_on(), "{:?}", again.reasons());
    again.agree(&mut store, &stored, Duration::ZERO, HowAgreed::Before).unwrap();
    assert_eq!(agreed(&store), 1);
    // What is remembered of the project is not asked for another run.
    project.here().memory.agree(&project.root(), &items, &terms, HowAgreed::Asked, true).unwrap();
    assert_eq!(project.prepare(&store, &[]).unwrap().reasons(), []);
    // Another program in the project is asked for, and another task is another run.
    let task = &stored.record.slots[0].task;
    let test = project.root().join(format!("tasks/{task}/tests/test.sh"));
    let text = fs::read_to_string(&test).unwrap();
    fs::write(&test, format!("{text}\n")).unwrap();
    let prepared = project.prepare(&store, &[]).unwrap();
    assert!(matches!(prepared.reasons(), [Reason::Changed(changes)] if changes.len() == 1));
    let question = consent::text(&prepared.asked(&store).unwrap(), prepared.items(), prepared.reasons());
    let changed = format!("Changed since you agreed:\n  the task `{task}` changed\n");
    assert!(question.contains(&changed) && !question.contains("Trusts"), "{question}");
    let failure = prepare_resume_here(project.here(), &project.root(), &store, &stored).unwrap_err();
    assert_eq!(failure.message, "r-0001 cannot go on: a task or the harness changed since it was started");
}

#[test]
fn only_a_run_that_has_spent_its_limit_goes_on_with_the_limit_of_now() {
    let project = Project::new("raised");
    let mut store = project.store();
    let prepared = project.prepare(&store, &[]).unwrap();
    let of_manifest = prepared.terms().max_cost.unwrap();
    prepared.create(&project.root(), &mut store, HowAgreed::Asked).unwrap();
    // Whoever has started it wanted less than the project allows.
    let less = of_manifest / 2.0;
    store.raise(1, less).unwrap();
    let resumed = |store: &Store| {
        prepare_resume_here(project.here(), &project.root(), store, &store.run(1).unwrap().unwrap())
    };
    assert_eq!(resumed(&store).unwrap().terms().max_cost, Some(less));
    let lease = store.claim().unwrap().unwrap();
    let finish = EventRecord::Finished { finish: String::from("budget-cost") };
    store.append(&lease, 1, Duration::ZERO, &finish).unwrap();
    let again = resumed(&store).unwrap();
    assert_eq!(again.terms().max_cost, Some(of_manifest));
    // It is kept when somebody has agreed, and not before.
    assert_eq!(store.run(1).unwrap().unwrap().record.budget.cost, Some(less));
    let stored = store.run(1).unwrap().unwrap();
    again.agree(&mut store, &stored, Duration::ZERO, HowAgreed::Asked).unwrap();
    assert_eq!(store.run(1).unwrap().unwrap().record.budget.cost, Some(of_manifest));
    assert_eq!(store.agreement(1).unwrap().unwrap().max_cost, Some(of_manifest));
    // And there it ends, as long as nobody raises that.
    let refused = resumed(&store).unwrap_err();
    assert_eq!(refused.message, format!("r-0001 has spent what it may: ${of_manifest:.2}"));
}
