//! A project whose store the tests write, as runs would have written it.

use std::fs;
use std::time::Duration;

use harness_schema::manifest::Gate;

use super::super::*;
use crate::host::example;
use crate::host::record::{
    AgreementRecord, BudgetRecord, CandidateRecord, EditRecord, EventRecord, ProposalRecord, RulesRecord,
    RunRecord, SlotRecord, SpentRecord, TrialRecord,
};
use crate::host::store::{Lease, RunState};

pub(super) const AT: Duration = Duration::from_secs(60);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const FILE: &str = "prompts/system.md";
pub(super) const HELD_IN: [&str; 3] = ["flatten-inventory", "invoice-total", "join-orders"];
pub(super) const HELD_OUT: [&str; 2] = ["add-health", "build-pages"];

/// The example with five tasks, and what this user's machine knows of it; it goes away with the test.
pub(super) struct Project(pub(super) PathBuf);

impl Project {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-board-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        example::write(&path.join("project"), "http://127.0.0.1:1/v1").unwrap();
        let project = Self(path);
        project.suite(&HELD_IN, &HELD_OUT);
        project
    }

    /// Writes which tasks teach and which judge.
    pub(super) fn suite(&self, held_in: &[&str], held_out: &[&str]) {
        let path = self.root().join("harness.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("[tasks]\n").unwrap();
        let after = rest.find("\n[").map_or("", |at| &rest[at..]);
        let tasks = format!("[tasks]\ndir = \"tasks\"\nheld_in = {held_in:?}\nheld_out = {held_out:?}\n");
        fs::write(&path, format!("{before}{tasks}{after}")).unwrap();
    }

    pub(super) fn root(&self) -> PathBuf {
        self.0.join("project")
    }

    pub(super) fn known(&self) -> Known {
        Known::at(&self.0.join("state"))
    }

    pub(super) fn memory(&self) -> Memory {
        Memory::at(&self.0.join("memory"))
    }

    pub(super) fn reader(&self) -> Reader {
        self.reader_on(|| Ok(Machine::default()))
    }

    pub(super) fn reader_on(&self, machine: fn() -> Result<Machine, Failure>) -> Reader {
        Reader::of(&self.root(), User { memory: self.memory(), machine }, self.known())
    }

    pub(super) fn subject(&self) -> Subject {
        Subject::read(&self.root(), &Guarantees::untried(), &Machine::default())
    }

    pub(super) fn store(&self) -> Written {
        let mut store = Store::open_with(&self.root(), &self.known()).unwrap();
        let lease = store.claim().unwrap().unwrap();
        Written { store, lease, slots: Vec::new(), run: 0 }
    }

    /// A run of this harness as it is, which tries these tasks once.
    pub(super) fn record(&self, verb: &str, tasks: &[&str]) -> RunRecord {
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

    pub(super) fn all() -> Vec<&'static str> {
        HELD_IN.into_iter().chain(HELD_OUT).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn slot(arm: usize, task: &str, role: &str) -> SlotRecord {
    let split = if HELD_OUT.contains(&task) { "held-out" } else { "held-in" };
    SlotRecord { arm, task: task.into(), split: split.into(), role: role.into(), repeat: 0 }
}

/// A store that is written to, one run after the other.
pub(super) struct Written {
    pub(super) store: Store,
    pub(super) lease: Lease,
    pub(super) slots: Vec<SlotRecord>,
    pub(super) run: i64,
}

impl Written {
    pub(super) fn begin(&mut self, record: &RunRecord) {
        self.run = self.store.create_run(record, &AgreementRecord::default()).unwrap();
        self.slots.clone_from(&record.slots);
        self.state(RunState::Running);
    }

    pub(super) fn state(&mut self, state: RunState) {
        self.store.set_state(self.run, state).unwrap();
    }

    pub(super) fn append(&mut self, event: &EventRecord) {
        self.store.append(&self.lease, self.run, AT, event).unwrap();
    }

    pub(super) fn planned(&mut self, slot: SlotRecord) -> usize {
        self.append(&EventRecord::Planned { slot: slot.clone() });
        self.slots.push(slot);
        self.slots.len() - 1
    }

    pub(super) fn trial(&mut self, slot: usize, verdict: &str, change: impl FnOnce(&mut TrialRecord)) {
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

    pub(super) fn trials(&mut self, verdicts: &[&str]) {
        for (slot, verdict) in verdicts.iter().enumerate() {
            self.trial(slot, verdict, |_| {});
        }
    }

    pub(super) fn end(&mut self, finish: &str) {
        self.append(&EventRecord::Finished { finish: finish.into() });
        self.state(RunState::Ended);
    }

    /// A run that is over: it tried tasks with these verdicts.
    pub(super) fn evaluated(&mut self, record: &RunRecord, verdicts: &[&str]) {
        self.begin(record);
        self.trials(verdicts);
        self.end("complete");
    }

    /// A run that adopts an edit of the prompt, up to there; the number of the proposal.
    pub(super) fn improving(&mut self, record: &RunRecord) -> u32 {
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

    pub(super) fn propose(&mut self, harness: &str, after: &str) -> u32 {
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

pub(super) fn ended(slot: usize, verdict: &str) -> EventRecord {
    let spent = SpentRecord { trials: 1, tokens: 100, cost: Some(0.01), time_ms: 900 };
    EventRecord::Ended { slot, verdict: verdict.into(), cause: None, spent }
}

pub(super) fn edited(record: &RunRecord) -> String {
    format!("{}\nRead what you wrote once more.\n", record.files[FILE])
}

/// The value and the tasks of a split.
pub(super) fn score(point: Option<crate::engine::report::standing::Point>) -> Option<(f64, u32)> {
    point.map(|point| (point.value, point.tasks))
}
