//! The store alone: what it keeps, and who may write.

use super::*;
use crate::engine::cycle::Step;
use crate::engine::plan::Action;
use crate::host::record::{AgreementRecord, ProposalRecord, SlotRecord, SpentRecord, TrialRecord};

/// A project directory that goes away with the test.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-store-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let _ = fs::remove_dir_all(path.with_extension("state"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The stores that were made by whoever works here.
    fn known(&self) -> Known {
        Known::at(&self.0.with_extension("state"))
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open_with(&self.0, &self.known())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = fs::remove_dir_all(self.0.with_extension("state"));
    }
}

fn run_record() -> RunRecord {
    let slot = |task: &str| SlotRecord {
        arm: 0,
        task: task.into(),
        split: "held-in".into(),
        role: "baseline".into(),
        repeat: 0,
    };
    RunRecord {
        verb: "evaluate".into(),
        name: "demo".into(),
        harness: Digest::of(b"h").to_string(),
        contract: Digest::of(b"c").to_string(),
        execution: Digest::of(b"x").to_string(),
        files: [("harness.toml".into(), "schema = 1\n".into())].into(),
        slots: vec![slot("a"), slot("b")],
        budget: Default::default(),
        parallel: 2,
        seed: 1,
        sandbox: "bubblewrap".into(),
        started_by: "command line".into(),
        model: "m".into(),
        repeats: 1,
        key_variable: None,
        rules: None,
        candidates: Vec::new(),
        seal: None,
    }
}

fn trial(id: &str, key: &str, verdict: &str) -> TrialRecord {
    TrialRecord {
        id: id.into(),
        key: Digest::of(key.as_bytes()).to_string(),
        task: "a".into(),
        split: "held-in".into(),
        verdict: verdict.into(),
        input_tokens: 5,
        cost: Some(0.5),
        ..TrialRecord::default()
    }
}

fn ended(slot: usize, verdict: &str) -> EventRecord {
    let spent = SpentRecord { trials: 1, tokens: 5, cost: Some(0.5), time_ms: 10 };
    EventRecord::Ended { slot, verdict: verdict.into(), cause: None, spent }
}

const AT: Duration = Duration::from_millis(1500);

#[test]
fn what_is_stored_is_there_when_it_is_opened_again() {
    let root = Root::new("again");
    let number = {
        let mut store = root.open().unwrap();
        let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
        let lease = store.claim().unwrap().unwrap();
        let started = EventRecord::Started { slot: 0, attempt: 0 };
        let running = RunningTrial { id: "t0".into(), slot: 0, tokens: 0, cost: Some(0.0) };
        store.start_trial(&lease, number, AT, &running, &started).unwrap();
        store.beat(&lease, [&RunningTrial { tokens: 3, ..running }]).unwrap();
        assert_eq!(store.running(number).unwrap()[0].tokens, 3);
        assert!(
            store.end_trial(&lease, number, 0, AT, &trial("t0", "k", "pass"), &ended(0, "pass")).unwrap()
        );
        number
    };
    let store = Store::open_existing_with(&root.0, &root.known()).unwrap().unwrap();
    let run = store.latest_run().unwrap().unwrap();
    assert_eq!((run.number, run.state, &run.record), (number, RunState::Queued, &run_record()));
    assert_eq!(store.measured(&Digest::of(b"k")).unwrap().unwrap().id, "t0");
    assert_eq!(store.running(number).unwrap(), []);
    let (mut folded, last) = store.fold(&run).unwrap();
    assert_eq!((folded.next(AT), last), (Step::Trial(Action::Start { slot: 1, attempt: 0 }), 3));
    assert_eq!(store.events(number, 1).unwrap()[0].at, AT);
    assert_eq!(store.agreement(number).unwrap(), Some(AgreementRecord::default()));
    assert_eq!(fs::read_to_string(root.0.join(".self-harness/.gitignore")).unwrap(), "*\n");
}

#[test]
fn a_trial_is_measured_once_and_void_ones_as_often_as_they_happen() {
    let root = Root::new("once");
    let mut store = root.open().unwrap();
    let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let mut end = |slot, attempt, trial: TrialRecord| {
        let trial = TrialRecord { attempt, ..trial };
        store.end_trial(&lease, number, slot, AT, &trial, &ended(slot, "fail")).unwrap()
    };
    assert!(end(0, 0, trial("v0", "k", "void")));
    assert!(end(0, 1, trial("v1", "k", "void")));
    assert!(end(0, 2, trial("t0", "k", "fail")));
    assert!(!end(1, 0, trial("t1", "k", "pass")));
    // The same slot and attempt again, as a worker would that was believed to be dead.
    assert!(!end(0, 2, trial("t2", "other", "pass")));
    assert_eq!(store.measured(&Digest::of(b"k")).unwrap().unwrap().id, "t0");
    assert_eq!(store.trials(number).unwrap().len(), 3);
}

#[test]
fn one_worker_at_a_time_and_the_one_before_is_fenced() {
    let root = Root::new("lease");
    let mut store = root.open().unwrap();
    let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let mut other = root.open().unwrap();
    assert!(other.has_worker().unwrap());
    assert_eq!(other.claim().unwrap(), None);
    // It has been silent for long.
    other.connection.execute("UPDATE lease SET beat = beat - 30001", []).unwrap();
    assert!(!other.has_worker().unwrap());
    let taken = other.claim().unwrap().unwrap();
    let late = store.append(&lease, number, AT, &EventRecord::Resumed { retries: false });
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    assert!(matches!(store.beat(&lease, []), Err(StoreError::Fenced { .. })));
    store.release(&lease).unwrap();
    other.append(&taken, number, AT, &EventRecord::Cancelled).unwrap();
    other.release(&taken).unwrap();
    assert!(!store.has_worker().unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_died_is_followed_at_once() {
    let root = Root::new("dead");
    let mut store = root.open().unwrap();
    store.claim().unwrap().unwrap();
    // The same number, another process.
    store.connection.execute("UPDATE lease SET started = started + 1", []).unwrap();
    assert!(store.claim().unwrap().is_some());
    store.connection.execute("UPDATE lease SET boot = 'another'", []).unwrap();
    assert!(store.claim().unwrap().is_some());
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_hangs_is_ended_by_the_one_that_follows() {
    use crate::host::sandbox::procfs;
    let root = Root::new("hangs");
    let mut store = root.open().unwrap();
    store.claim().unwrap().unwrap();
    let mut hanging = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid = i32::try_from(hanging.id()).unwrap();
    let started = i64::try_from(procfs::process(pid).unwrap().started).unwrap();
    let query = "UPDATE lease SET pid = ?1, started = ?2";
    store.connection.execute(query, rusqlite::params![pid, started]).unwrap();
    assert_eq!(store.claim().unwrap(), None);
    store.connection.execute("UPDATE lease SET beat = beat - 30001", []).unwrap();
    // Another process has the number by now: it is left alone.
    store.connection.execute("UPDATE lease SET started = started + 1", []).unwrap();
    assert!(store.claim().unwrap().is_some());
    assert!(hanging.try_wait().unwrap().is_none());
    store.connection.execute(query, rusqlite::params![pid, started]).unwrap();
    store.connection.execute("UPDATE lease SET beat = beat - 30001", []).unwrap();
    assert!(store.claim().unwrap().is_some());
    assert!(!hanging.wait().unwrap().success());
}

/// A store that an earlier version has made becomes one of this version, with everything in it.
#[test]
fn a_store_of_an_earlier_version_goes_on() {
    let root = Root::new("earlier");
    {
        let mut store = root.open().unwrap();
        store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
        let old = "DROP TABLE proposal; PRAGMA user_version = 1;";
        store.connection.execute_batch(old).unwrap();
    }
    let store = root.open().unwrap();
    assert!(!store.is_foreign());
    assert_eq!(store.latest_run().unwrap().unwrap().record, run_record());
    assert_eq!(store.proposals().unwrap(), []);
    let version: i64 = store.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
}

#[test]
fn proposals_keep_their_numbers_and_can_be_dismissed() {
    let root = Root::new("proposals");
    let mut store = root.open().unwrap();
    let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let proposal = |summary: &str| ProposalRecord { summary: summary.into(), ..ProposalRecord::default() };
    let two = [proposal("one"), proposal("two")];
    let event = store
        .add_proposals(&lease, number, AT, &two, |numbers| EventRecord::Screened {
            survivors: numbers.iter().map(|number| *number as usize).collect(),
        })
        .unwrap();
    assert_eq!(event, EventRecord::Screened { survivors: vec![1, 2] });
    assert_eq!(store.proposal(2).unwrap().unwrap().record.summary, "two");
    assert!(store.dismiss(1, Some(3)).unwrap() && !store.dismiss(7, None).unwrap());
    let at =
        |store: &Store| store.proposal(1).unwrap().map(|stored| (stored.is_dismissed, stored.dismissed_at));
    assert_eq!(at(&store), Some((true, Some(3))));
    assert!(store.restore(1).unwrap());
    assert_eq!(at(&store), Some((false, None)));
    assert!(store.dismiss(1, None).unwrap());
    assert_eq!(at(&store), Some((true, None)));
    let dismissed: Vec<bool> = store.proposals().unwrap().iter().map(|stored| stored.is_dismissed).collect();
    assert_eq!(dismissed, [true, false]);
    let decided = |why: &str| EventRecord::Decided { proposal: 2, decision: "held".into(), why: why.into() };
    store.append(&lease, number, AT, &decided("merge-cap")).unwrap();
    store.append(&lease, number, AT, &decided("small-effect")).unwrap();
    let decisions = store.decisions().unwrap();
    assert_eq!(decisions.get(&2).map(|decision| decision.why()), Some("small-effect"));
    assert_eq!(decisions.len(), 1);
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let root = Root::new("later");
    let store = root.open().unwrap();
    store.connection.pragma_update(None, "user_version", 9).unwrap();
    drop(store);
    let error = root.open().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("was written by a later version of self-harness (format 9, this one reads 2)")
    );
    assert_eq!(error.to_failure().exit_code(), 4);
}

#[test]
#[cfg(unix)]
fn a_store_behind_a_link_is_refused() {
    let (root, elsewhere) = (Root::new("link"), Root::new("target"));
    std::os::unix::fs::symlink(&elsewhere.0, root.0.join(DIRECTORY)).unwrap();
    assert!(matches!(root.open(), Err(StoreError::NoDirectory { what: "a link", .. })));
    assert!(fs::read_dir(&elsewhere.0).unwrap().next().is_none());
    // And so is a database behind one.
    let root = Root::new("database");
    drop(root.open().unwrap());
    let path = root.0.join(".self-harness/state.db");
    fs::rename(&path, elsewhere.0.join("state.db")).unwrap();
    std::os::unix::fs::symlink(elsewhere.0.join("state.db"), &path).unwrap();
    assert!(matches!(root.open(), Err(StoreError::Database { .. })));
}

#[test]
fn resuming_forgets_who_wanted_it_to_end() {
    let root = Root::new("resume");
    let mut store = root.open().unwrap();
    let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    store.ask_cancel(number).unwrap();
    store.ask_cancel(number).unwrap();
    assert_eq!(store.cancels(number).unwrap(), 2);
    store.set_state(number, RunState::Ended).unwrap();
    assert_eq!(store.open_runs().unwrap().len(), 0);
    store.resume(number, AT, false).unwrap();
    assert_eq!((store.cancels(number).unwrap(), store.open_runs().unwrap().len()), (0, 1));
    assert_eq!(
        (run_name(number).as_str(), run_number("r-0001"), run_number("r-x")),
        ("r-0001", Some(1), None)
    );
}

#[test]
fn many_who_make_the_store_at_once_all_have_it() {
    for round in 0..20 {
        let root = Root::new(&format!("many-{round}"));
        let gate = std::sync::Barrier::new(8);
        let opened = std::thread::scope(|scope| {
            let openers = [(); 8].map(|()| {
                scope.spawn(|| {
                    gate.wait();
                    root.open()
                        .and_then(|mut store| store.create_run(&run_record(), &AgreementRecord::default()))
                })
            });
            openers.map(|opener| opener.join().unwrap().map_err(|error| error.to_string()))
        });
        let mut numbers = opened.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    }
}

/// Copies a directory as `cp -r` does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A store with one run and one trial that passed.
fn filled(root: &Root) {
    let mut store = root.open().unwrap();
    let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    let lease = store.claim().unwrap().unwrap();
    assert!(store.end_trial(&lease, number, 0, AT, &trial("t0", "k", "pass"), &ended(0, "pass")).unwrap());
}

#[test]
fn a_run_that_is_given_up_after_its_worker_has_died_pays_what_ran() {
    let root = Root::new("closed");
    let mut store = root.open().unwrap();
    let number = store.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let running = RunningTrial { id: "t0".into(), slot: 0, tokens: 7, cost: Some(0.25) };
    let started = EventRecord::Started { slot: 0, attempt: 0 };
    store.start_trial(&lease, number, AT, &running, &started).unwrap();
    // As if it had died: its lease is nobody's.
    store.release(&lease).unwrap();
    store.close(number, AT).unwrap();
    let run = store.run(number).unwrap().unwrap();
    let (folded, _) = store.fold(&run).unwrap();
    let spent = folded.trials().spent();
    assert_eq!((spent.trials, spent.tokens, spent.cost), (1, 7, Some(0.25)));
    assert_eq!((folded.trials().running().count(), store.running(number).unwrap().len()), (0, 0));
    assert_eq!(run.state, RunState::Ended);
}

#[test]
fn whoever_only_looks_sees_what_others_write_and_leaves_the_database_as_it_is() {
    let root = Root::new("looked");
    let look = || Store::look_into_with(&root.0, &root.known()).unwrap();
    assert!(look().is_none());
    filled(&root);
    let database = root.0.join(DIRECTORY).join("state.db");
    let read = || fs::read(&database).unwrap();
    let before = read();
    let mut reader = look().unwrap();
    assert!(!reader.is_foreign());
    assert!(reader.create_run(&run_record(), &AgreementRecord::default()).is_err());
    let (version, seen) = (reader.data_version().unwrap(), reader.runs().unwrap().len());
    drop(reader);
    assert_eq!((read(), seen), (before.clone(), 1));
    // Beside somebody who writes it sees everything, and does not write their log into the database when it is the last.
    let reader = look().unwrap();
    let mut writer = root.open().unwrap();
    writer.create_run(&run_record(), &AgreementRecord::default()).unwrap();
    assert!(reader.data_version().unwrap() != version || reader.runs().unwrap().len() == 2);
    assert_eq!(reader.runs().unwrap().len(), 2);
    drop(writer);
    drop(reader);
    assert_eq!(read(), before);
    assert_eq!(look().unwrap().runs().unwrap().len(), 2);
    // One of an earlier version cannot be read as it is.
    {
        let mut earlier = root.open().unwrap();
        let back = "DROP TABLE proposal; PRAGMA user_version = 1";
        earlier.write(|transaction| transaction.execute_batch(back)).unwrap();
    }
    assert_eq!(look().unwrap().one::<i64>("PRAGMA user_version").unwrap(), VERSION);
    // A copy is foreign to whoever looks, as to everybody else.
    let copied = root.0.join("copied");
    copy(&root.0.join(DIRECTORY), &copied.join(DIRECTORY));
    assert!(Store::look_into_with(&copied, &root.known()).unwrap().unwrap().is_foreign());
}

#[test]
#[cfg(unix)]
fn a_project_that_was_moved_keeps_its_store_and_a_copy_does_not() {
    let root = Root::new("moved");
    filled(&root);
    let moved = root.0.join("moved");
    fs::create_dir(&moved).unwrap();
    fs::rename(root.0.join(DIRECTORY), moved.join(DIRECTORY)).unwrap();
    let store = Store::open_existing_with(&moved, &root.known()).unwrap().unwrap();
    assert!(!store.is_foreign() && store.measured(&Digest::of(b"k")).unwrap().is_some());
    drop(store);
    let copied = root.0.join("copied");
    copy(&moved, &copied);
    let mut foreign = Store::open_existing_with(&copied, &root.known()).unwrap().unwrap();
    assert!(foreign.is_foreign());
    // It is shown, and cannot be written.
    assert_eq!(foreign.latest_run().unwrap().unwrap().record, run_record());
    assert!(foreign.create_run(&run_record(), &AgreementRecord::default()).is_err());
    // What this machine knew is lost, which is said once.
    let lost = root.known();
    let registered = root.0.with_extension("state").join("stores.json");
    let kept = fs::read(&registered).unwrap();
    fs::write(&registered, "{").unwrap();
    let foreign = Store::open_existing_with(&moved, &lost).unwrap().unwrap();
    assert!(foreign.is_foreign() && foreign.notice().unwrap().contains("stores.json.damaged-1"));
    fs::write(&registered, kept).unwrap();
    // The same at another user's.
    let stranger = Known::at(&root.0.join("stranger"));
    assert!(Store::open_with(&moved, &stranger).unwrap().is_foreign());
    assert!(!Store::open_with(&moved, &root.known()).unwrap().is_foreign());
}

#[test]
#[cfg(unix)]
fn a_database_that_was_put_in_the_place_of_ours_is_foreign() {
    let (root, other) = (Root::new("replaced"), Root::new("replacing"));
    filled(&root);
    filled(&other);
    let database = root.0.join(".self-harness/state.db");
    fs::remove_file(&database).unwrap();
    fs::copy(other.0.join(".self-harness/state.db"), &database).unwrap();
    assert!(root.open().unwrap().is_foreign());
    // In the very same file, which has the number of ours.
    let root = Root::new("overwritten");
    filled(&root);
    fs::write(
        root.0.join(".self-harness/state.db"),
        fs::read(other.0.join(".self-harness/state.db")).unwrap(),
    )
    .unwrap();
    assert!(root.open().unwrap().is_foreign());
}

#[test]
#[cfg(unix)]
fn a_store_of_our_own_takes_the_place_of_a_foreign_one_and_nothing_of_it_counts() {
    let root = Root::new("place");
    filled(&root);
    let here = Known::at(&root.0.join("here"));
    let (mut store, aside) = Store::replace_foreign_with(&root.0, &here).unwrap();
    assert!(!store.is_foreign() && aside.join("state.db").is_file());
    assert_eq!(store.measured(&Digest::of(b"k")).unwrap(), None);
    assert_eq!(store.latest_run().unwrap(), None);
    // No name means two runs.
    assert_eq!(store.create_run(&run_record(), &AgreementRecord::default()).unwrap(), 2);
    let imported = Store::imported(&root.0).unwrap().unwrap();
    assert!(imported.is_foreign());
    assert_eq!(imported.run(1).unwrap().unwrap().record, run_record());
    // Whoever comes later finds it done.
    let (again, _) = Store::replace_foreign_with(&root.0, &here).unwrap();
    assert_eq!(again.latest_run().unwrap().unwrap().number, 2);
    let mode = fs::metadata(root.0.join(".self-harness/state.db")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
}

#[test]
#[cfg(unix)]
fn what_a_project_brings_in_the_place_of_a_store_leads_nowhere() {
    use std::os::unix::fs::symlink;
    let (root, victim) = (Root::new("brought"), Root::new("victim"));
    let file = victim.0.join("file");
    fs::write(&file, "precious").unwrap();
    let directory = root.0.join(DIRECTORY);
    fs::create_dir(&directory).unwrap();
    symlink(&victim.0, directory.join("trials")).unwrap();
    symlink(&file, directory.join(".gitignore")).unwrap();
    symlink(&file, directory.join("worker.log")).unwrap();
    symlink(&file, directory.join("state.db-wal")).unwrap();
    let store = root.open().unwrap();
    assert!(!store.is_foreign());
    for name in ["trials", "worker.log"] {
        assert!(fs::symlink_metadata(directory.join(name)).is_err());
        assert!(fs::symlink_metadata(directory.join("imported-1").join(name)).unwrap().is_symlink());
    }
    // Later it may bring more, into a store of ours.
    symlink(&victim.0, directory.join("trials")).unwrap();
    assert!(matches!(store.clear_trial_directory("r-0001-0000-0"), Err(StoreError::NoDirectory { .. })));
    fs::remove_file(directory.join("trials")).unwrap();
    fs::create_dir(directory.join("trials")).unwrap();
    let of_trial = directory.join("trials/r-0001-0000-0");
    symlink(&victim.0, &of_trial).unwrap();
    assert!(store.read_of_trial("r-0001-0000-0", "file").is_err());
    assert!(store.read_of_trial("../../../file", "file").is_err());
    assert_eq!(store.clear_trial_directory("r-0001-0000-0").unwrap(), of_trial);
    assert!(fs::symlink_metadata(&of_trial).is_err());
    drop(store);
    let shared = directory.join("state.db-shm");
    let _ = fs::remove_file(&shared);
    symlink(&file, &shared).unwrap();
    assert!(matches!(root.open(), Err(StoreError::NoDirectory { what: "a link", .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(fs::read_dir(&victim.0).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn a_foreign_database_with_triggers_is_refused() {
    let root = Root::new("triggers");
    filled(&root);
    let store = root.open().unwrap();
    let trigger = "CREATE TRIGGER t AFTER INSERT ON run BEGIN DELETE FROM trial; END";
    store.connection.execute_batch(trigger).unwrap();
    drop(store);
    let stranger = Known::at(&root.0.join("stranger"));
    assert!(matches!(Store::open_with(&root.0, &stranger), Err(StoreError::Strange { .. })));
}
