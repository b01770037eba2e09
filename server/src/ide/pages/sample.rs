//! A made-up project with a full board, for the tests of what is drawn of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use harness_schema::files::Files;
use harness_schema::manifest::Gate;
use harness_schema::path::FilePath;
use harness_schema::split::Split;

use crate::engine::board::{
    Accepted, Board, Edit, Mined, Place, Progress, Proposal, Quote, RunLine, Scored, Status, StoreState,
    Trust, Weakness,
};
use crate::engine::cycle::{Decision, Goal, Hold, Open, Reason};
use crate::engine::gate::comparison::Comparison;
use crate::engine::gate::stage::{Doubt, Loss};
use crate::engine::report::measured::{Measured, Side};
use crate::engine::report::standing::Point;
use crate::workspace::{Project, Workspace};

/// Stands in every held-out and sealed task, in its name too.
pub(in crate::ide) const MARKER: &str = "judge-9d1f";
/// Steers, hides, links and shows pictures; stands in whatever an agent, a tool or a model wrote.
pub(in crate::ide) const HOSTILE: &str = "\u{1b}[31m\u{202e}![x](http://evil/y) <b> ```` \u{200b}end";
/// The system prompt.
pub(in crate::ide) const PROMPT: &str =
    "# Work\n\nRead first.\n\n# Rules\n\n- Check your last change.\n- Stop when done.\n";

const MANIFEST: &str = "schema = 1\nname = \"terminal-agent\"\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n\
    [prompt]\nsystem = \"prompts/system.md\"\n[[tool]]\nname = \"shell\"\ndescription = \"Runs.\"\nrun = [\"sh\"]\n\
    [tasks]\ndir = \"tasks\"\nheld_in = [\"t-*\", \"deep/*\"]\nheld_out = [\"judge-9d1f-*\"]\nsealed = [\"sealed-*\"]\n";

const TASKS: [&str; 7] =
    ["t-04", "t-07", "t-11", "deep/t-19", "judge-9d1f-a", "judge-9d1f-b", "sealed-judge-9d1f"];

/// The project without a board.
pub(in crate::ide) fn bare() -> Project {
    with_prompt(PROMPT)
}

/// The project with another system prompt, without a board.
pub(in crate::ide) fn with_prompt(prompt: &str) -> Project {
    let mut files: Vec<(String, String)> =
        vec![("harness.toml".into(), MANIFEST.into()), ("prompts/system.md".into(), prompt.into())];
    for task in TASKS {
        let text = if task.starts_with('t') || task.starts_with("deep") { "Mend it." } else { MARKER };
        files.push((format!("tasks/{task}/task.toml"), "version = \"1.0\"\n".into()));
        files.push((format!("tasks/{task}/instruction.md"), text.into()));
        files.push((format!("tasks/{task}/tests/test.sh"), format!("# {text}\n")));
    }
    let mut workspace = Workspace::default();
    let texts = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    workspace.set_project(Path::new("/p"), Files::from_texts(texts));
    let project = workspace.snapshot().project(Path::new("/p")).unwrap().clone();
    Project::new(Path::new("/p"), project.files().clone())
}

/// The project with its board.
pub(in crate::ide) fn project() -> Project {
    let bare = bare();
    let board = board(&bare.identity().to_string());
    bare.with_board(Arc::new(board))
}

/// The project with its board changed.
pub(in crate::ide) fn changed(change: impl FnOnce(&mut Board)) -> Project {
    let project = project();
    let mut board = Board::clone(project.board());
    change(&mut board);
    project.with_board(Arc::new(board))
}

/// The digest of a harness that is not that of the project.
pub(in crate::ide) fn other(letter: &str) -> String {
    letter.repeat(64)
}

pub(in crate::ide) fn run(number: i64, goal: Goal, status: Status, sentence: &str) -> RunLine {
    RunLine {
        number,
        name: format!("r-{number:04}"),
        goal,
        status,
        sentence: sentence.into(),
        line: String::new(),
        cause: String::new(),
        is_capped: false,
        progress: Progress::default(),
        harness: other("a"),
        contract: other("c"),
        gate: None,
        is_confined: true,
        started_by: "Neovim".into(),
        created_ms: 1_795_651_200_000,
    }
}

fn path() -> FilePath {
    FilePath::parse("prompts/system.md").unwrap()
}

fn point(split: Split, value: f64, tasks: u32) -> Option<Point> {
    Some(Point {
        split,
        value,
        tasks,
        unrun: 0,
        void: 0,
        repeats: 2,
        interval: Some((0.4, 0.8)),
        is_flattering: false,
    })
}

/// Held-in and held-out of a baseline and a candidate, all of it run.
pub(in crate::ide) fn whole(held_in: (f64, f64), held_out: (f64, f64), error: f64) -> Measured {
    let side = |split, (baseline, candidate): (f64, f64), tasks| Side {
        split,
        tasks,
        void: 0,
        baseline,
        candidate,
        bounds: (candidate, candidate),
        flips: (if split == Split::HeldIn { 3 } else { 1 }, 0),
    };
    let gain = (held_in.1 - held_in.0 + held_out.1 - held_out.0) / 36.0;
    Measured {
        sides: vec![side(Split::HeldIn, held_in, 24), side(Split::HeldOut, held_out, 12)],
        is_whole: true,
        repeats: 4,
        baseline_repeats: 4,
        trials: 144,
        slots: 144,
        comparison: Some(Comparison { tasks: 36, gain, error, gained: 4, lost: 0 }),
        on_new_tasks: Some((0.01, 0.2)),
    }
}

/// What was stopped because held-out could not be kept.
fn stopped() -> Measured {
    let mut measured = whole((15.5, 12.0), (7.0, 3.5), 0.03);
    measured.is_whole = false;
    measured.comparison = None;
    measured.on_new_tasks = None;
    measured.trials = 41;
    measured.sides[1].bounds = (3.5, 6.5);
    measured
}

/// What lacks trials of three tasks.
fn void() -> Measured {
    let mut measured = whole((13.5, 14.0), (7.0, 7.0), 0.04);
    (measured.sides[0].tasks, measured.sides[0].void) = (21, 3);
    measured
}

fn proposal(number: u32, base: &str, decision: Option<Decision>, measured: Option<Measured>) -> Proposal {
    let after = PROMPT.replace("- Stop when done.", "- Read failing output again before you stop.");
    Proposal {
        number,
        summary: "re-read failing output first".into(),
        why: format!("It stops\nwithout a look. {HOSTILE}"),
        author: "model".into(),
        cluster: "C-7f3a".into(),
        harness: base.into(),
        base: Arc::new(BTreeMap::from([(path(), PROMPT.to_owned())])),
        edits: vec![Edit {
            surface: "prompt.system".into(),
            file: Some(path()),
            before: PROMPT.into(),
            after: after.clone(),
        }],
        files: BTreeMap::from([(path(), after)]),
        scope: "always".into(),
        fixes: vec!["t-04".into(), "t-07".into()],
        risks: vec!["deep/t-19".into(), "judge-9d1f-a".into()],
        decision,
        gate: decision.map(|_| Gate::Certified),
        look: measured.as_ref().map(|_| 9),
        measured,
        run: "r-0148".into(),
        is_dismissed: false,
        with: Vec::new(),
    }
}

fn weaknesses() -> Vec<Weakness> {
    let line = PROMPT.find("- Check").unwrap();
    let end = line + "- Check your last change.".len();
    let quote = |task: &str, text: &str| Quote {
        run: "r-0142".into(),
        task: task.into(),
        repeat: 1,
        step: Some((71, 80)),
        text: text.into(),
    };
    vec![
        Weakness {
            cluster: "7f3a90c1".into(),
            name: "C-7f3a".into(),
            title: "stops without checking its last change".into(),
            signature: "value.mismatch · direct".into(),
            mechanism: "stop-without-verify".into(),
            support: 3,
            actionable: "yes".into(),
            is_habit: true,
            tasks: vec!["t-04".into(), "deep/t-19".into(), "judge-9d1f-b".into()],
            places: vec![
                Place {
                    surface: "prompt.system".into(),
                    file: Some(path()),
                    start: line,
                    end,
                    relation: "violated".into(),
                },
                Place {
                    surface: "tool.shell.description".into(),
                    file: Some(FilePath::parse("harness.toml").unwrap()),
                    start: MANIFEST.find("description").unwrap(),
                    end: MANIFEST.find("description").unwrap(),
                    relation: "absent".into(),
                },
            ],
            quotes: vec![
                quote("deep/t-19", "FAILED test_total - assert 41 == 42"),
                quote("t-04", HOSTILE),
                quote("judge-9d1f-b", MARKER),
            ],
        },
        Weakness {
            cluster: "11cc".into(),
            name: "C-11cc".into(),
            title: "runs out of steps".into(),
            signature: "limit.steps · direct".into(),
            support: 1,
            actionable: "low-support".into(),
            tasks: vec!["t-11".into()],
            ..Weakness::default()
        },
    ]
}

/// A board for the harness `now`: P7 waits, P4 and P3 were tried together and are in an older harness, P6 was rejected, P8 held, P2
/// is undecided, P9 was dismissed and P10 has no decision.
fn board(now: &str) -> Board {
    let accepted = Some(Decision::Accepted);
    let gain = whole((15.5, 18.0), (7.0, 8.0), 0.03);
    let earlier = whole((14.0, 15.5), (7.0, 7.0), 0.05);
    let mut proposals = vec![
        proposal(7, now, accepted, Some(gain.clone())),
        proposal(6, now, Some(Decision::Rejected(Reason::Screen(Loss::HeldOut))), Some(stopped())),
        proposal(
            8,
            now,
            Some(Decision::Held(Hold::SmallEffect)),
            Some(whole((15.5, 16.0), (7.0, 7.0), 0.02)),
        ),
        proposal(2, now, Some(Decision::Undecided(Open::Doubt(Doubt::VoidCells))), Some(void())),
        proposal(9, now, Some(Decision::Rejected(Reason::Smoke)), None),
        proposal(10, now, None, None),
        proposal(4, &other("a"), accepted, Some(earlier.clone())),
        proposal(3, &other("a"), accepted, Some(earlier.clone())),
    ];
    proposals[4].is_dismissed = true;
    proposals[5].scope = "loop-identical-fail".into();
    (proposals[6].with, proposals[7].with) = (vec![3], vec![4]);
    (proposals[6].run, proposals[7].run) = ("r-0131".into(), "r-0131".into());
    proposals[4].summary = String::new();
    let unit =
        |proposals: &[u32], run: &str, harness: &str, result: &str, measured: &Measured, look| Accepted {
            proposals: proposals.to_vec(),
            run: run.into(),
            harness: harness.into(),
            base: Arc::default(),
            result: result.into(),
            files: BTreeMap::new(),
            measured: Some(measured.clone()),
            look: Some(look),
            gate: Some(Gate::Certified),
        };
    let scored = |harness: &str, run: &str, held_in, held_out| Scored {
        harness: harness.into(),
        run: run.into(),
        texts: Arc::default(),
        held_in: point(Split::HeldIn, held_in, 24),
        held_out: point(Split::HeldOut, held_out, 12),
        proposals: Vec::new(),
    };
    let mut measured_run =
        run(142, Goal::Evaluate, Status::Result, "evaluate finished: held-in 15.5/24 ×2, $1.62, 13 min");
    measured_run.harness = now.into();
    let mut improved = run(148, Goal::Improve, Status::Result, "improve finished: 1 of 6 proposals accepted");
    improved.gate = Some(Gate::Certified);
    improved.harness = now.into();
    let mut stopped_run = run(151, Goal::Evaluate, Status::Interrupted, "evaluate stands at 41 of 72 trials");
    stopped_run.cause = "the worker is gone".into();
    let nothing =
        run(130, Goal::Propose, Status::Empty, "propose finished: the model declined, with reasons");
    Board {
        trust: Trust::Trusted,
        store: StoreState::Own,
        runs: vec![stopped_run, improved, measured_run, nothing],
        measured: vec![
            scored(&other("b"), "r-0148", 18.0, 8.0),
            scored(now, "r-0142", 15.5, 7.0),
            scored(&other("a"), "r-0131", 14.0, 7.0),
        ],
        mined: Some(Mined {
            is_current: true,
            imported: None,
            run: "r-0142".into(),
            harness: now.into(),
            texts: Arc::new(BTreeMap::from([
                (path(), PROMPT.to_owned()),
                (FilePath::parse("harness.toml").unwrap(), MANIFEST.to_owned()),
            ])),
            failed: 11,
            trials: 48,
            is_cold: false,
            weaknesses: weaknesses(),
            limits: vec![("max_steps".into(), 11)],
            suspects: vec!["t-11".into(), "judge-9d1f-a".into()],
        }),
        proposals: proposals.into_iter().map(|proposal| (proposal.number, proposal)).collect(),
        accepted: vec![
            unit(&[7], "r-0148", now, &other("b"), &gain, 9),
            unit(&[4, 3], "r-0131", &other("a"), now, &earlier, 4),
        ],
        ..Board::default()
    }
}
