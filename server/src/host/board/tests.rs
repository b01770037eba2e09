//! Boards of stores that are written here, as runs would have written them.

use std::fs;
use std::time::Duration;

use harness_schema::manifest::Gate;

use super::*;
use crate::engine::board::Status;
use crate::engine::contract::Role;
use crate::engine::cycle::Decision;
use crate::host::example;
use crate::host::record::{
    AgreementRecord, BudgetRecord, CandidateRecord, EditRecord, EventRecord, ProposalRecord, RulesRecord,
    RunRecord, SlotRecord, SpentRecord, TrialRecord,
};
use crate::host::store::{Lease, RunState};

const AT: Duration = Duration::from_secs(60);
const FILE: &str = "prompts/system.md";
const HELD_IN: [&str; 3] = ["flatten-inventory", "invoice-total", "join-orders"];
const HELD_OUT: [&str; 2] = ["add-health", "build-pages"];
const SECOND: Duration = Duration::from_secs(1);

/// The example with five tasks, and what this user's machine knows of it; it goes away with the test.
struct Project(PathBuf);

impl Project {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-board-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        example::write(&path.join("project"), "http://127.0.0.1:1/v1").unwrap();
        let project = Self(path);
        project.suite(&HELD_IN, &HELD_OUT);
        project
    }

    /// Writes which tasks teach and which judge.
    fn suite(&self, held_in: &[&str], held_out: &[&str]) {
        let path = self.root().join("harness.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("[tasks]\n").unwrap();
        let after = rest.find("\n[").map_or("", |at| &rest[at..]);
        let tasks = format!("[tasks]\ndir = \"tasks\"\nheld_in = {held_in:?}\nheld_out = {held_out:?}\n");
        fs::write(&path, format!("{before}{tasks}{after}")).unwrap();
    }

    fn root(&self) -> PathBuf {
        self.0.join("project")
    }

    fn known(&self) -> Known {
        Known::at(&self.0.join("state"))
    }

    fn memory(&self) -> Memory {
        Memory::at(&self.0.join("memory"))
    }

    fn reader(&self) -> Reader {
        self.reader_on(|| Ok(Machine::default()))
    }

    fn reader_on(&self, machine: fn() -> Result<Machine, Failure>) -> Reader {
        Reader::of(&self.root(), User { memory: self.memory(), machine }, self.known())
    }

    fn subject(&self) -> Subject {
        Subject::read(&self.root(), &Guarantees::untried(), &Machine::default())
    }

    fn store(&self) -> Written {
        let mut store = Store::open_with(&self.root(), &self.known()).unwrap();
        let lease = store.claim().unwrap().unwrap();
        Written { store, lease, slots: Vec::new(), run: 0 }
    }

    /// A run of this harness as it is, which tries these tasks once.
    fn record(&self, verb: &str, tasks: &[&str]) -> RunRecord {
        let subject = self.subject();
        let rules =
            RulesRecord { gate: Gate::Exact, baseline: 1, screen: 1, confirm: 1, proposals: 2, rounds: 1 };
        let mut record = RunRecord {
            verb: verb.into(),
            name: "lab".into(),
            harness: subject.harness_digest().to_string(),
            contract: String::new(),
            execution: String::new(),
            files: subject.texts(),
            slots: tasks.iter().map(|task| slot(0, task, "baseline")).collect(),
            budget: BudgetRecord::default(),
            parallel: 1,
            seed: 1,
            sandbox: "bubblewrap".into(),
            started_by: "command line".into(),
            model: "demo-1".into(),
            repeats: 1,
            key_variable: None,
            rules: (verb == "improve").then_some(rules),
            candidates: Vec::new(),
            seal: None,
        };
        record.contract = subject.contract_of(&record).to_string();
        record
    }

    fn all() -> Vec<&'static str> {
        HELD_IN.into_iter().chain(HELD_OUT).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn slot(arm: usize, task: &str, role: &str) -> SlotRecord {
    let split = if HELD_OUT.contains(&task) { "held-out" } else { "held-in" };
    SlotRecord { arm, task: task.into(), split: split.into(), role: role.into(), repeat: 0 }
}

/// A store that is written to, one run after the other.
struct Written {
    store: Store,
    lease: Lease,
    slots: Vec<SlotRecord>,
    run: i64,
}

impl Written {
    fn begin(&mut self, record: &RunRecord) {
        self.run = self.store.create_run(record, &AgreementRecord::default()).unwrap();
        self.slots.clone_from(&record.slots);
        self.state(RunState::Running);
    }

    fn state(&mut self, state: RunState) {
        self.store.set_state(self.run, state).unwrap();
    }

    fn append(&mut self, event: &EventRecord) {
        self.store.append(&self.lease, self.run, AT, event).unwrap();
    }

    fn planned(&mut self, slot: SlotRecord) -> usize {
        self.append(&EventRecord::Planned { slot: slot.clone() });
        self.slots.push(slot);
        self.slots.len() - 1
    }

    fn trial(&mut self, slot: usize, verdict: &str, change: impl FnOnce(&mut TrialRecord)) {
        let of = self.slots[slot].clone();
        let id = format!("t-{}-{slot}", self.run);
        let mut trial = TrialRecord {
            key: Digest::of(id.as_bytes()).to_string(),
            id,
            task: of.task,
            split: of.split,
            role: of.role,
            verdict: verdict.into(),
            end: "finished".into(),
            ..TrialRecord::default()
        };
        change(&mut trial);
        self.append(&EventRecord::Started { slot, attempt: 0 });
        let event = ended(slot, verdict);
        assert!(self.store.end_trial(&self.lease, self.run, slot, AT, &trial, &event).unwrap());
    }

    fn trials(&mut self, verdicts: &[&str]) {
        for (slot, verdict) in verdicts.iter().enumerate() {
            self.trial(slot, verdict, |_| {});
        }
    }

    fn end(&mut self, finish: &str) {
        self.append(&EventRecord::Finished { finish: finish.into() });
        self.state(RunState::Ended);
    }

    /// A run that is over: it tried tasks with these verdicts.
    fn evaluated(&mut self, record: &RunRecord, verdicts: &[&str]) {
        self.begin(record);
        self.trials(verdicts);
        self.end("complete");
    }

    /// A run that adopts an edit of the prompt, up to there; the number of the proposal.
    fn improving(&mut self, record: &RunRecord) -> u32 {
        self.begin(record);
        self.trials(&["pass", "fail", "pass", "fail", "pass"]);
        let number = self.propose(&record.harness, &edited(record));
        for (task, verdict) in [(1, "pass"), (3, "pass")] {
            let task = record.slots[task].task.clone();
            let slot = self.planned(slot(1, &task, "confirm"));
            self.trial(slot, verdict, |_| {});
        }
        self.append(&EventRecord::Merged { members: vec![number], files: BTreeMap::new() });
        let accepted =
            EventRecord::Decided { proposal: number, decision: "accepted".into(), why: String::new() };
        self.append(&accepted);
        self.append(&EventRecord::Adopted { arm: 1 });
        number
    }

    fn propose(&mut self, harness: &str, after: &str) -> u32 {
        let proposal = ProposalRecord {
            digest: "d".repeat(64),
            harness: harness.into(),
            author: "model".into(),
            edits: vec![EditRecord { surface: "rules".into(), file: FILE.into(), ..EditRecord::default() }],
            files: [(FILE.to_owned(), after.to_owned())].into(),
            fixes: vec![HELD_IN[1].into(), HELD_OUT[0].into()],
            summary: "read it again".into(),
            ..ProposalRecord::default()
        };
        let mut made = 0;
        let Self { store, lease, run, .. } = self;
        let event = store.add_proposals(lease, *run, AT, &[proposal], |numbers| {
            made = numbers[0];
            EventRecord::Proposed {
                candidates: vec![CandidateRecord { proposal: made, active: None, missed: None }],
                refused: Vec::new(),
                spent: SpentRecord::default(),
            }
        });
        assert!(event.is_ok());
        made
    }
}

fn ended(slot: usize, verdict: &str) -> EventRecord {
    let spent = SpentRecord { trials: 1, tokens: 100, cost: Some(0.01), time_ms: 900 };
    EventRecord::Ended { slot, verdict: verdict.into(), cause: None, spent }
}

fn edited(record: &RunRecord) -> String {
    format!("{}\nRead what you wrote once more.\n", record.files[FILE])
}

/// The value and the tasks of a split.
fn score(point: Option<crate::engine::report::standing::Point>) -> Option<(f64, u32)> {
    point.map(|point| (point.value, point.tasks))
}

#[test]
fn a_store_from_elsewhere_is_read_only_where_the_project_is_trusted() {
    let project = Project::new("foreign");
    let elsewhere = Known::at(&project.0.join("elsewhere"));
    let mut store = Store::open_with(&project.root(), &elsewhere).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let mut written = Written { store, lease, slots: Vec::new(), run: 0 };
    let record = project.record("evaluate", &Project::all());
    written.evaluated(&record, &["pass", "fail", "pass", "fail", "pass"]);
    written.begin(&record);
    written.trials(&["pass"]);
    drop(written);

    let mut reader = project.reader();
    let board = reader.board(0);
    assert_eq!((&board.store, &board.trust), (&StoreState::Imported, &Trust::Untrusted));
    assert!(board.runs.is_empty() && board.measured.is_empty() && board.mined.is_none());
    assert!(board.tests.states.is_empty() && board.proposals.is_empty() && !reader.has_news());

    project.memory().trust(&project.root(), &project.subject().execution_items()).unwrap();
    let board = reader.board(0);
    assert_eq!((&board.store, &board.trust), (&StoreState::Imported, &Trust::Trusted));
    assert_eq!(board.runs.len(), 2);
    // Nobody here works on a run of theirs, and nobody can go on with it.
    let open = &board.runs[0];
    assert_eq!((open.status, open.line.as_str(), open.progress.running), (Status::Cancelled, "", 0));
    assert!(open.sentence.contains("1 of 5 trials") && open.sentence.contains("copied"), "{}", open.sentence);
    assert_eq!((board.active(), board.resumable(), board.open()), (None, None, None));
    assert_eq!(board.runs[1].status, Status::Result);

    // Trust that is taken back takes away what was read.
    project.memory().forget(&project.root()).unwrap();
    assert!(reader.board(0).runs.is_empty());
}

#[test]
fn another_store_in_the_place_of_the_first_is_followed() {
    let project = Project::new("replaced");
    let record = project.record("evaluate", &Project::all());
    let mut reader = project.reader();
    assert!(!reader.has_news());
    let mut written = project.store();
    written.evaluated(&record, &["pass"; 5]);
    assert_eq!(written.store.path(), project.root().join(".self-harness/state.db"));
    assert!(reader.has_news());
    assert_eq!(reader.board(0).runs.len(), 1);
    assert!(!reader.has_news());
    drop(written);

    // In one step, as whoever makes a new one in its place does it.
    let aside = project.0.join("aside");
    fs::rename(project.root().join(".self-harness"), &aside).unwrap();
    let mut written = project.store();
    written.begin(&record);
    written.begin(&record);
    assert!(reader.has_news());
    let board = reader.board(0);
    assert_eq!((board.runs.len(), board.runs[0].status), (2, Status::Running));
    assert!(!reader.has_news());
    written.state(RunState::Ended);
    assert!(reader.has_news());
    assert_eq!(reader.board(0).runs[0].status, Status::Failed);

    // Without a look before it.
    drop(written);
    fs::remove_dir_all(project.root().join(".self-harness")).unwrap();
    let board = reader.board(0);
    assert_eq!((board.store, board.runs.len()), (StoreState::Missing, 0));
    assert!(!reader.has_news());
}

#[test]
fn a_store_that_cannot_be_read_is_left_alone_for_longer_and_longer() {
    let project = Project::new("unreadable");
    fs::create_dir_all(project.root().join(".self-harness")).unwrap();
    let path = project.root().join(".self-harness/state.db");
    fs::write(&path, "no database at all\n".repeat(100)).unwrap();
    let (mut reader, begin) = (project.reader(), Instant::now());
    let mut at = begin;
    assert!(reader.has_news_at(at));
    for wait in [2, 4, 8, 16, 32, 60, 60] {
        let board = reader.board_at(0, at);
        assert!(matches!(&board.store, StoreState::Unreadable(why) if why.contains("state.db")));
        assert!(!reader.has_news_at(at + SECOND * wait - Duration::from_millis(1)), "{wait}");
        // Whoever looks in between makes nobody wait longer.
        assert!(matches!(reader.board_at(0, at + SECOND).store, StoreState::Unreadable(_)));
        at += SECOND * wait;
        assert!(reader.has_news_at(at), "{wait}");
    }
    fs::remove_dir_all(project.root().join(".self-harness")).unwrap();
    assert_eq!(reader.board_at(0, at).store, StoreState::Missing);
    assert!(!reader.has_news_at(at + SECOND * 600));
    let mut written = project.store();
    written.begin(&project.record("evaluate", &Project::all()));
    assert!(reader.has_news_at(at));
    assert_eq!(reader.board_at(0, at).store, StoreState::Own);
    assert!(!reader.has_news_at(at));
}

#[test]
fn under_containers_the_images_that_trials_ran_on_stand_for_those_of_now() {
    let machine = || {
        let text = "sandbox = \"container\"\n[container]\nengine = \"podman\"\nimage = \"debian:12\"\n";
        Ok(toml::from_str::<Machine>(text).unwrap())
    };
    let project = Project::new("containers");
    let mut subject = Subject::unasked(&project.root(), &Guarantees::untried(), &machine().unwrap());
    // As if an engine had been asked.
    let image = Digest::of(b"debian");
    for task in &mut subject.tasks {
        task.plan.as_mut().unwrap().digests.image = Some(image);
    }
    let mut record = project.record("evaluate", &Project::all());
    record.sandbox = "container".into();
    record.contract = subject.contract_of(&record).to_string();
    let mut written = project.store();
    written.begin(&record);
    for (slot, verdict) in ["pass", "fail", "pass", "fail", "pass"].into_iter().enumerate() {
        written.trial(slot, verdict, |trial| trial.image = image.to_string());
    }
    written.end("complete");
    // The same on an image that is not the one of its contract.
    written.begin(&record);
    for slot in 0..5 {
        written.trial(slot, "pass", |trial| trial.image = Digest::of(b"other").to_string());
    }
    written.end("complete");
    let board = project.reader_on(machine).board(0);
    let [measured] = board.measured.as_slice() else { panic!("{:?}", board.measured.len()) };
    assert_eq!(measured.run, "r-0001");
    assert_eq!((score(measured.held_in), score(measured.held_out)), (Some((2.0, 3)), Some((1.0, 2))));
    assert!(board.mined.is_some_and(|mined| mined.is_current && mined.run == "r-0001"));
    // Another sandbox is another contract.
    assert!(project.reader().board(0).measured.is_empty());
}

#[test]
fn what_judges_is_hidden_while_a_run_is_open_and_what_was_known_stays() {
    let project = Project::new("open");
    let record = project.record("evaluate", &Project::all());
    let mut written = project.store();
    written.evaluated(&record, &["pass", "fail", "pass", "fail", "fail"]);
    let improve = project.record("improve", &Project::all());
    let number = written.improving(&improve);
    let texts: BTreeMap<String, String> =
        improve.files.clone().into_iter().chain([(FILE.to_owned(), edited(&improve))]).collect();
    let adopted = project.subject().digest_with(&texts).to_string();
    let next = written.propose(&adopted, "at once\n");

    let mut reader = project.reader();
    for (state, status) in [(RunState::Running, Status::Running), (RunState::Paused, Status::Paused)] {
        written.state(state);
        let board = reader.board(0);
        assert_eq!(board.open().map(|run| (run.number, run.status)), Some((2, status)));
        let [measured] = board.measured.as_slice() else { panic!("{status:?}") };
        assert_eq!(measured.run, "r-0001", "{status:?}");
        assert_eq!(score(measured.held_out), Some((0.0, 2)), "{status:?}");
        assert!(board.accepted.is_empty(), "{status:?}");
        let proposal = &board.proposals[&number];
        assert_eq!((proposal.decision, proposal.look), (None, None), "{status:?}");
        assert!(proposal.measured.is_none() && !board.next.waiting.contains(&number), "{status:?}");
        // Its place in the text is told, and so is that of what was made for what it has adopted.
        let path = FilePath::parse(FILE).unwrap();
        assert_eq!(proposal.base.get(&path), improve.files.get(FILE), "{status:?}");
        assert_eq!(board.proposals[&next].base.get(&path), Some(&edited(&improve)), "{status:?}");
        // A task that judges is named nowhere.
        assert_eq!(proposal.fixes, [HELD_IN[1]], "{status:?}");
        // Whoever opens an editor now sees what failed before.
        assert_eq!(board.mined.as_ref().map(|mined| mined.run.as_str()), Some("r-0001"), "{status:?}");
        assert_eq!(project.reader().board(0).mined, board.mined, "{status:?}");
    }
    written.end("rounds");
    let board = reader.board(0);
    assert_eq!(board.open(), None);
    assert_eq!(board.proposals[&number].decision, Some(Decision::Accepted));
    let [accepted] = board.accepted.as_slice() else { panic!("{}", board.accepted.len()) };
    assert_eq!((&accepted.result, &accepted.harness), (&adopted, &improve.harness));
    // What the edit was not tried on can be anything.
    assert_eq!(board.measured.iter().map(|scored| &scored.harness).next(), Some(&adopted));
    assert_eq!(board.measured[0].held_in.and_then(|point| point.bounds()), Some((1.0, 3.0)));
    assert_eq!((score(board.measured[1].held_in), &*board.measured[1].run), (Some((2.0, 3)), "r-0002"));
}

#[test]
fn a_harness_is_known_by_its_digest_only_while_the_rest_of_it_is_there() {
    let project = Project::new("whole");
    let mut written = project.store();
    let record = RunRecord { harness: "0".repeat(64), ..project.record("improve", &Project::all()) };
    let number = written.improving(&record);
    written.end("rounds");
    let board = project.reader().board(0);
    assert!(board.accepted.is_empty());
    assert_eq!(board.proposals[&number].decision, Some(Decision::Accepted));
    assert!(board.measured.iter().all(|scored| scored.harness == record.harness));
}

#[test]
fn each_split_is_told_by_the_newest_run_that_tried_all_of_it() {
    let project = Project::new("splits");
    let mut written = project.store();
    written
        .evaluated(&project.record("evaluate", &Project::all()), &["pass", "fail", "pass", "fail", "fail"]);
    written.evaluated(&project.record("evaluate", &HELD_OUT), &["pass", "pass"]);
    written.evaluated(&project.record("evaluate", &HELD_IN[..1]), &["fail"]);
    let board = project.reader().board(0);
    let [measured] = board.measured.as_slice() else { panic!("{}", board.measured.len()) };
    assert_eq!((score(measured.held_in), score(measured.held_out)), (Some((2.0, 3)), Some((2.0, 2))));
    // One task of three says less of what fails than all.
    let mined = board.mined.unwrap();
    assert_eq!((mined.run.as_str(), mined.is_current, mined.failed, mined.trials), ("r-0001", true, 1, 3));
    assert_eq!(board.tests.states.len(), 1);
}

#[test]
fn a_task_that_could_not_be_measured_was_tried_all_the_same() {
    let project = Project::new("void");
    let mut written = project.store();
    written.evaluated(&project.record("evaluate", &HELD_IN), &["fail", "fail", "fail"]);
    written.begin(&project.record("evaluate", &HELD_IN));
    written.trial(0, "fail", |_| {});
    written.trial(1, "pass", |_| {});
    let (cause, why) = ("environment-setup".into(), "it needs a device".into());
    written.append(&EventRecord::Unfillable { slot: 2, cause, why });
    written.end("complete");
    assert_eq!(project.reader().board(0).mined.unwrap().run, "r-0002");
}

#[test]
fn a_harness_that_was_adopted_is_mined_with_what_its_edit_does_not_touch() {
    let project = Project::new("inherits");
    let mut written = project.store();
    let record = project.record("improve", &Project::all());
    written.improving(&record);
    written.end("rounds");
    fs::write(project.root().join(FILE), edited(&record)).unwrap();
    let board = project.reader().board(0);
    let mined = board.mined.unwrap();
    assert_eq!(mined.harness, project.subject().harness_digest().to_string());
    assert_eq!((mined.trials, mined.failed, mined.is_current), (3, 0, true));
}

#[test]
fn a_task_that_judges_by_now_is_not_told() {
    let project = Project::new("moved");
    let mut written = project.store();
    written.begin(&project.record("evaluate", &Project::all()));
    for (slot, verdict) in ["fail", "fail", "fail", "pass", "pass"].into_iter().enumerate() {
        written.trial(slot, verdict, |trial| trial.end = "steps".into());
    }
    written.end("complete");
    let mut reader = project.reader();
    let board = reader.board(0);
    assert_eq!((board.tests.states.len(), board.tests.changed.len()), (3, 0));
    let mined = board.mined.unwrap();
    assert_eq!((mined.failed, mined.trials, mined.is_current), (3, 3, true));
    assert_eq!(mined.limits, [("max_steps".to_owned(), 3)]);
    assert!(mined.weaknesses.iter().any(|weakness| weakness.tasks.iter().any(|task| task == "join-orders")));

    // While a run is open as well.
    written.begin(&project.record("evaluate", &HELD_IN));
    project.suite(&HELD_IN[..2], &["add-health", "build-pages", "join-orders"]);
    let board = reader.board(1);
    assert_eq!(board.open().map(|run| run.number), Some(2));
    let mined = board.mined.unwrap();
    assert_eq!((mined.failed, mined.trials, mined.is_current), (2, 2, false));
    assert_eq!(mined.limits, [("max_steps".to_owned(), 2)]);
    let told = format!("{:?} {:?} {:?}", mined.weaknesses, mined.suspects, board.tests);
    assert!(!told.contains("join-orders"), "{told}");
    assert_eq!(board.tests.states.len(), 2);
}

#[test]
fn a_test_is_old_when_its_own_task_or_what_all_share_has_changed() {
    let project = Project::new("tests");
    let mut written = project.store();
    let record = project.record("evaluate", &Project::all());
    written.begin(&record);
    let subject = project.subject();
    for slot in 0..record.slots.len() {
        written.trial(slot, "pass", |trial| {
            let task = subject.task(&trial.task).unwrap().plan.as_ref().unwrap();
            trial.harness.clone_from(&record.harness);
            trial.key = subject.key(subject.harness_digest(), task, Role::Baseline, 0).to_string();
        });
    }
    written.end("complete");
    let mut reader = project.reader();
    let tests = reader.board(0).tests;
    assert_eq!((tests.harness, tests.states.len(), tests.changed.len()), (record.harness.clone(), 3, 0));
    let instruction = project.root().join("tasks").join(HELD_IN[1]).join("instruction.md");
    let before = fs::read_to_string(&instruction).unwrap();
    fs::write(&instruction, format!("{before}\nBe exact.\n")).unwrap();
    let tests = reader.board(1).tests;
    assert_eq!((tests.states.len(), tests.changed), (3, BTreeSet::from([HELD_IN[1].to_owned()])));
    // Undone, it is what was measured.
    fs::write(&instruction, before).unwrap();
    assert_eq!(reader.board(2).tests.changed.len(), 0);
    let manifest = project.root().join("harness.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let other = text.replacen("\nname = \"demo-1\"", "\nname = \"demo-2\"", 1);
    assert_ne!(text, other);
    fs::write(&manifest, other).unwrap();
    let changed = reader.board(3).tests.changed;
    assert!(HELD_IN.iter().all(|task| changed.contains(*task)), "{changed:?}");
}

/// The codes with their messages.
fn wrong(board: &Board) -> Vec<(&'static str, &str)> {
    board.environment.iter().map(|of| (of.code, of.message.as_str())).collect()
}

#[test]
fn what_is_wrong_with_tasks_and_machine_is_told_before_anything_is_spent() {
    let project = Project::new("here");
    let manifest = project.root().join("harness.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let name = "\nname = \"demo-1\"";
    assert!(text.contains(name));
    fs::write(&manifest, text.replacen(name, &format!("{name}\napi_key_env = \"A_KEY_OF_NOBODY\""), 1))
        .unwrap();
    let docker = "environment/Dockerfile";
    let install = |task: &str| {
        let file = project.root().join("tasks").join(task).join(docker);
        fs::write(&file, "FROM debian:12\nRUN apt-get install -y git\n").unwrap();
    };
    install(HELD_IN[0]);
    install(HELD_OUT[0]);
    let board = project.reader().board(0);
    let expected = [
        ("SH903", String::from("variable `A_KEY_OF_NOBODY` is not set here")),
        (
            "SH908",
            format!("task `{0}` needs the container backend (`tasks/{0}/{docker}`, line 2)", HELD_OUT[0]),
        ),
        (
            "SH908",
            format!("task `{0}` needs the container backend (`tasks/{0}/{docker}`, line 2)", HELD_IN[0]),
        ),
    ];
    let expected: Vec<_> = expected.iter().map(|(code, message)| (*code, message.as_str())).collect();
    assert_eq!(wrong(&board), expected);
    let why: Vec<_> = board.environment.iter().map(|of| of.why.as_str()).collect();
    assert!(!why[1].contains("apt-get") && why[2].contains("apt-get"), "{why:?}");
}

#[test]
fn verifiers_that_prove_nothing_and_splits_that_moved_are_told_by_the_newest_run() {
    let project = Project::new("verifiers");
    let mut written = project.store();
    written.begin(&project.record("evaluate", &HELD_IN));
    written.trial(0, "pass", |_| {});
    for (slot, error) in [
        (1, crate::host::suite::NotAdmitted::NullPasses { place: String::new() }),
        (
            2,
            crate::host::suite::NotAdmitted::OracleFails {
                place: String::from("step `a`: "),
                why: String::from("exit 1"),
            },
        ),
    ] {
        let (cause, why) = (String::from("verifier-crash"), error.to_string());
        written.append(&EventRecord::Unfillable { slot, cause, why });
    }
    written.end("complete");
    let mut reader = project.reader();
    let board = reader.board(0);
    let idle = format!("task `{}` passes an agent that does nothing", HELD_IN[1]);
    let fails = format!("task `{}` fails its own `solution/solve.sh`", HELD_IN[2]);
    assert_eq!(wrong(&board), [("SH905", idle.as_str()), ("SH906", fails.as_str())]);
    // Lists that somebody edits are what they want; a seed that puts tasks elsewhere is not.
    project.suite(&HELD_IN[..1], &["add-health", "invoice-total", "join-orders"]);
    assert_eq!(wrong(&reader.board(1)), []);
    let manifest = project.root().join("harness.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let (before, rest) = text.split_once("held_in = ").unwrap();
    let after = rest.split_once("\n[").map_or("", |(_, after)| after);
    let seeded = format!("{before}split = {{ seed = 7, held_in = 0.5, held_out = 0.5 }}\n\n[{after}");
    fs::write(&manifest, seeded).unwrap();
    let subject = project.subject();
    let is_moved = |task: &&&str| subject.task(task).unwrap().split != Split::HeldIn;
    let moved = HELD_IN.iter().filter(is_moved).count();
    assert!(0 < moved, "the seed moves none of them: take another one");
    let board = reader.board(2);
    let told = wrong(&board);
    let tasks = if moved == 1 { String::from("1 task") } else { format!("{moved} tasks") };
    let message = format!("{tasks} changed split since r-0001: scores start anew");
    assert!(told.contains(&("SH806", message.as_str())), "{told:?}");
}

#[test]
fn what_cannot_be_read_is_said_and_not_taken_for_nothing() {
    let project = Project::new("remark");
    let mut written = project.store();
    written.begin(&project.record("evaluate", &HELD_IN));
    for slot in 0..3 {
        written.append(&EventRecord::Started { slot, attempt: 0 });
        written.append(&ended(slot, "fail"));
    }
    written.end("complete");
    let mut reader = project.reader();
    for _ in 0..2 {
        let board = reader.board(0);
        assert!(board.mined.is_none());
        assert_eq!(board.remark, "weaknesses cannot be told: the store has lost the trials of r-0001");
    }
    let unknown = || Err(Failure::config("the configuration says nothing", "say something"));
    let board = project.reader_on(unknown).board(0);
    assert_eq!((board.remark.as_str(), board.runs.len()), ("the configuration says nothing", 1));
    assert!(board.mined.is_none() && board.measured.is_empty());
}

/// The results of a job: two tasks of the project and one that it does not know, with what their agents did.
fn import(project: &Project, tasks: &[(&str, &str)], harness: &str) -> i64 {
    let mut store = Store::open_with(&project.root(), &project.known()).unwrap();
    let trials = tasks.iter().map(|(task, verdict)| TrialRecord {
        id: format!("i-{task}"),
        key: Digest::of(format!("i-{task}").as_bytes()).to_string(),
        task: (*task).into(),
        split: "held-in".into(),
        role: "imported".into(),
        verdict: (*verdict).into(),
        end: "finished".into(),
        rewards: [("reward".into(), f64::from(u8::from(*verdict == "pass")))].into(),
        ..TrialRecord::default()
    });
    let trials: Vec<TrialRecord> = trials.collect();
    for trial in &trials {
        let directory = store.trial_directory(&trial.id);
        fs::create_dir_all(&directory).unwrap();
        let hasty = r#"{"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"}, "steps": [
            {"step_id": 1, "source": "agent", "message": "I write.", "tool_calls": [{"tool_call_id": "1", "function_name": "shell",
                "arguments": {"command": "echo 1 > out.txt"}}]},
            {"step_id": 2, "source": "agent", "message": "It is done."}]}"#;
        fs::write(directory.join("trajectory.json"), hasty).unwrap();
    }
    let mut record = project.record("import", &[]);
    (record.contract, record.sandbox) = (String::new(), String::new());
    record.harness = harness.into();
    record.slots = trials.iter().map(|trial| slot(0, &trial.task, "imported")).collect();
    record.slots.iter_mut().for_each(|slot| slot.split = "held-in".into());
    let event = EventRecord::Imported {
        form: "a Harbor job".into(),
        directory: "job".into(),
        is_same_harness: !harness.is_empty(),
    };
    store.add_import(&record, &event, &trials).unwrap()
}

#[test]
fn what_was_imported_teaches_and_scores_nothing() {
    let project = Project::new("imported");
    let tasks = [(HELD_IN[0], "fail"), (HELD_IN[1], "fail"), ("astropy-1", "fail"), (HELD_IN[2], "pass")];
    import(&project, &tasks, &project.subject().harness_digest().to_string());
    let mut reader = project.reader();
    let board = reader.board(0);
    assert_eq!((board.runs[0].goal, board.runs[0].status), (Goal::Import, Status::Result));
    assert!(
        board.runs[0].sentence.contains("4 trials of 4 tasks from a Harbor job, 3 failed"),
        "{:?}",
        board.runs
    );
    assert!(board.measured.is_empty() && board.tests.states.is_empty() && board.environment.is_empty());
    let mined = board.mined.as_ref().unwrap();
    assert_eq!((mined.imported.as_deref(), mined.is_current), (Some("a Harbor job"), true));
    assert_eq!((mined.trials, mined.failed), (4, 3));
    let first = &mined.weaknesses[0];
    assert_eq!((first.support, first.actionable.as_str()), (3, "yes"), "{first:?}");
    assert!(first.tasks.contains(&"astropy-1".into()) && !first.places.is_empty(), "{first:?}");
    // Its money was spent elsewhere.
    assert_eq!(board.runs[0].progress.cost, Some(0.0));

    // What judges by now is not told any more, whether the project knew it then or not.
    project.suite(&HELD_IN[..2], &[HELD_IN[2], HELD_OUT[0], "astropy-*"]);
    let board = reader.board(1);
    let mined = board.mined.as_ref().unwrap();
    assert_eq!((mined.trials, mined.failed), (2, 2));
    let told = format!("{:?}", mined.weaknesses);
    assert!(!told.contains("astropy-1") && !told.contains(HELD_IN[2]), "{told}");

    // A run of this harness under the contract of now comes first.
    project.suite(&HELD_IN, &HELD_OUT);
    let record = project.record("evaluate", &Project::all());
    project.store().evaluated(&record, &["pass", "fail", "pass", "fail", "pass"]);
    import(&project, &[("later", "fail")], "");
    let board = reader.board(2);
    let mined = board.mined.as_ref().unwrap();
    assert_eq!((mined.run.as_str(), mined.imported.as_deref()), ("r-0002", None));
    assert_eq!(board.measured.len(), 1);
    assert_eq!(board.tests.states.len(), 3);
}
