//! A run in a store, with two proposals, and everything that is printed of it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use clap::Parser;
use harness_schema::manifest::Gate;

use super::*;
use crate::host::record::{
    AgreementRecord, BudgetRecord, CandidateRecord, EditRecord, EventRecord, LocationRecord, MinedRecord,
    ProposalRecord, RefusedRecord, RulesRecord, RunRecord, SlotRecord, SpentRecord, WeaknessRecord,
};
use crate::host::store::{Known, Lease};

const FILE: &str = "prompts/system.md";
const AT: Duration = Duration::from_secs(60);

/// A project directory that goes away with the test.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-report-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("state")).unwrap();
        Self(path)
    }

    fn open(&self) -> Store {
        Store::open_with(&self.0, &Known::at(&self.0.join("state"))).unwrap()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn slot(arm: usize, task: &str, role: &str) -> SlotRecord {
    let split = if task.starts_with("judge") { "held-out" } else { "held-in" };
    SlotRecord { arm, task: task.into(), split: split.into(), role: role.into(), repeat: 0 }
}

fn record() -> RunRecord {
    let tasks = ["alpha", "beta", "judge-one", "judge-two"];
    RunRecord {
        verb: "improve".into(),
        name: "lab".into(),
        harness: "9c1efa".into(),
        contract: "4f2a91c0".into(),
        execution: String::new(),
        files: [(FILE.to_owned(), "one\ntwo\nthree\n".to_owned())].into(),
        slots: tasks.map(|task| slot(0, task, "baseline")).into(),
        budget: BudgetRecord::default(),
        parallel: 1,
        seed: 1,
        sandbox: "bubblewrap".into(),
        started_by: "command line".into(),
        model: "example-model".into(),
        repeats: 1,
        key_variable: None,
        rules: Some(RulesRecord {
            gate: Gate::Exact,
            baseline: 1,
            screen: 1,
            confirm: 1,
            proposals: 2,
            rounds: 1,
        }),
        candidates: Vec::new(),
        seal: None,
    }
}

fn proposal(summary: &str, after: &str) -> ProposalRecord {
    ProposalRecord {
        digest: "d".repeat(64),
        harness: "9c1efa".into(),
        author: "model".into(),
        cluster: "7f3a99".into(),
        mechanism: "stops-without-check".into(),
        edits: vec![EditRecord { surface: "rules".into(), file: FILE.into(), ..EditRecord::default() }],
        files: [(FILE.to_owned(), after.to_owned())].into(),
        scope: "always".into(),
        summary: summary.into(),
        cost: 12.0,
        ..ProposalRecord::default()
    }
}

/// A run that is told: what it began with fails `beta` and the task that judges; P1 mends both, P2 breaks `alpha`.
struct Told<'a> {
    store: &'a mut Store,
    lease: Lease,
    run: i64,
}

impl Told<'_> {
    fn append(&mut self, event: &EventRecord) {
        self.store.append(&self.lease, self.run, AT, event).unwrap();
    }

    fn trial(&mut self, slot: usize, verdict: &str) {
        self.append(&EventRecord::Started { slot, attempt: 0 });
        let spent = SpentRecord { trials: 1, tokens: 100, cost: Some(0.01), time_ms: 900 };
        self.append(&EventRecord::Ended { slot, verdict: verdict.into(), cause: None, spent });
    }

    fn decided(&mut self, proposal: u32, decision: &str, why: &str) {
        self.append(&EventRecord::Decided { proposal, decision: decision.into(), why: why.into() });
    }
}

fn run_in(store: &mut Store) -> StoredRun {
    let run = store.create_run(&record(), &AgreementRecord::default()).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let mut told = Told { store, lease, run };
    for (slot, verdict) in [(0, "pass"), (1, "fail"), (2, "fail")] {
        told.trial(slot, verdict);
    }
    let place = LocationRecord { file: FILE.into(), start: 4, ..LocationRecord::default() };
    let weakness = WeaknessRecord {
        cluster: "7f3a99".into(),
        mechanism: Some("stops-without-check".into()),
        support: 1,
        tasks: BTreeMap::from([("beta".to_owned(), Vec::new())]),
        locations: vec![place],
        actionable: "yes".into(),
        ..WeaknessRecord::default()
    };
    let why = String::from("it needs a device");
    told.append(&EventRecord::Unfillable { slot: 3, cause: "environment-setup".into(), why });
    let mined = MinedRecord { failed: 1, weaknesses: vec![weakness], ..MinedRecord::default() };
    told.append(&EventRecord::Mined { mined: Box::new(mined), actionable: 1 });
    let proposals = [
        proposal("check the last change \u{202e}\u{1b}[31m", "one\ntwo, and check\nthree\n"),
        proposal("answer at once", "at once\n"),
    ];
    let refused =
        RefusedRecord { guard: "leak".into(), why: "it tells a secret".into(), ..RefusedRecord::default() };
    let Told { store, lease, .. } = &mut told;
    let event = store.add_proposals(lease, run, AT, &proposals, |numbers| EventRecord::Proposed {
        candidates: numbers
            .iter()
            .map(|number| CandidateRecord { proposal: *number, active: None, missed: None })
            .collect(),
        refused: vec![refused],
        spent: SpentRecord { tokens: 500, cost: Some(0.02), ..SpentRecord::default() },
    });
    assert!(matches!(event, Ok(EventRecord::Proposed { .. })));
    let candidates = [
        (1, "alpha", "pass"),
        (1, "beta", "pass"),
        (1, "judge-one", "pass"),
        (2, "alpha", "fail"),
        (2, "beta", "fail"),
    ];
    for (at, (arm, task, verdict)) in candidates.into_iter().enumerate() {
        told.append(&EventRecord::Planned { slot: slot(arm, task, "screen") });
        told.trial(4 + at, verdict);
    }
    told.decided(2, "rejected", "screen-held-in");
    told.append(&EventRecord::Screened { survivors: vec![1] });
    told.append(&EventRecord::Merged { members: vec![1], files: BTreeMap::new() });
    told.decided(1, "accepted", "");
    told.append(&EventRecord::Adopted { arm: 1 });
    told.append(&EventRecord::RoundEnded);
    told.append(&EventRecord::Finished { finish: "rounds".into() });
    store_end(told.store, run)
}

fn store_end(store: &mut Store, run: i64) -> StoredRun {
    store.set_state(run, crate::host::store::RunState::Ended).unwrap();
    store.run(run).unwrap().unwrap()
}

fn written(store: &Store, stored: &StoredRun, format: Format) -> String {
    match of_run(store, stored, format).unwrap() {
        Written::Styled(text) => anstream::adapter::strip_str(&text).to_string(),
        Written::Exact(text) => text,
    }
}

#[test]
fn a_run_that_improved_is_told_in_every_format() {
    let root = Root::new("formats");
    let mut store = root.open();
    let stored = run_in(&mut store);
    insta::assert_snapshot!(written(&store, &stored, Format::Text));
    for format in [Format::Text, Format::Markdown, Format::Json, Format::Html, Format::Junit] {
        let text = written(&store, &stored, format);
        assert!(!text.contains("judge-"), "{text}");
        // A program is told what was written, and a terminal what it can show.
        assert!(format == Format::Json || !text.contains('\u{202e}'), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(text.contains("check the last change"), format != Format::Junit);
    }
    let json: serde_json::Value = serde_json::from_str(&written(&store, &stored, Format::Json)).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["rounds"][0]["weaknesses"][0]["places"][0], "prompts/system.md:2");
    assert_eq!(json["rounds"][0]["proposals"][0]["decision"]["word"], "accepted");
    assert_eq!(json["looks"], 1);
}

#[test]
fn the_edit_of_a_proposal_is_a_diff() {
    let root = Root::new("diff");
    let mut store = root.open();
    run_in(&mut store);
    let proposal = diff::named(&store, "P1").unwrap();
    assert_eq!(
        diff::diff(&store, &proposal).unwrap(),
        "--- a/prompts/system.md\n+++ b/prompts/system.md\n@@ -1,3 +1,3 @@\n one\n-two\n+two, and check\n three\n"
    );
    let failure = diff::named(&store, "P9").unwrap_err();
    assert!(failure.message.contains("`P9`") && failure.hint.contains("P2"), "{failure}");
}

#[test]
fn the_lineage_grows_run_by_run() {
    let root = Root::new("lineage");
    let mut store = root.open();
    assert!(lineage::reports(&store).is_err());
    run_in(&mut store);
    store.dismiss(2, None).unwrap();
    let reports = lineage::reports(&store).unwrap();
    let text = lineage::text(&reports);
    assert!(text.contains("P1: held-in 2/2 ×1 · held-out 1/1 ×1") && text.contains("look 1"), "{text}");
    assert!(text.contains("2 proposals: 1 accepted, 1 rejected, 1 dismissed"), "{text}");
    let json = lineage::as_json(&reports);
    assert_eq!((&json["schema"], &json["runs"][0]["proposals"]["rejected"]), (&1.into(), &1.into()));
    for text in [text, json.to_string(), lineage::as_markdown(&reports)] {
        assert!(!text.contains("judge-"), "{text}");
    }
    store.restore(2).unwrap();
    assert!(!lineage::text(&lineage::reports(&store).unwrap()).contains("dismissed"));
}

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

#[test]
fn one_thing_at_a_time_is_asked_for() {
    let parse = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.arguments);
    assert_eq!(parse("report r-3 --format markdown").unwrap().format, Format::Markdown);
    assert_eq!(parse("report --diff P7").unwrap().diff.as_deref(), Some("P7"));
    assert!(parse("report --lineage --format json --output x").unwrap().lineage);
    for wrong in [
        "report r-3 --lineage",
        "report --diff P7 --restore P7",
        "report --dismiss P7 --output x",
        "report --format pdf",
        "report --diff P7 --format html",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
