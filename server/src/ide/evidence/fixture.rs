//! A small project with the numbers of `editor`: 24 held-in and 12 held-out tasks, a weakness, an accepted and a rejected proposal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use harness_schema::files::Files;
use harness_schema::manifest::Gate;
use harness_schema::path::FilePath;
use harness_schema::split::Split;

use crate::engine::board::{
    Accepted, Board, Edit, Mined, Next, Place, Progress, Proposal, Quote, RunLine, Scored, Status,
    StoreState, Texts, Trust, Weakness,
};
use crate::engine::cycle::{Decision, Goal, Reason};
use crate::engine::gate::comparison::Comparison;
use crate::engine::gate::stage::Loss;
use crate::engine::report::measured::{Measured, Side};
use crate::engine::report::standing::Point;
use crate::workspace::{Site, Workspace};

pub(crate) const MANIFEST: &str = "schema = 1\nname = \"terminal-agent\"\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n\
    [prompt]\nsystem = \"prompts/system.md\"\n[runtime]\nmax_steps = 40\n[tasks]\ndir = \"tasks\"\nheld_in = [\"t-01\", \"t-12\"]\nheld_out = [\"x-01\"]\n\
    [[surface]]\nid = \"style\"\nfile = \"prompts/system.md\"\nselect = [\"md.section\", \"Style\"]\n\
    [[surface]]\nid = \"rules\"\nfile = \"prompts/system.md\"\nselect = [\"md.section\", \"Rules\"]\nmax_tokens = 400\n";
pub(crate) const SYSTEM: &str = "# Agent\n\nYou work in a terminal.\n\n## Style\n\nBe brief.\n\n## Rules\n\nRead the task first.\nRun the tests before you stop.\nSay what you did.\n";
pub(crate) const TESTED: &str = "Run the tests before you stop.";
pub(crate) const REREAD: &str = "Read failing output again, then run the tests before you stop.";
const TASK: &str = "version = \"1.0\"\n";

/// Files and a board over them.
pub(crate) struct World {
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) board: Board,
}

pub(crate) fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

pub(crate) fn base() -> Texts {
    Arc::new(
        [("harness.toml", MANIFEST), ("prompts/system.md", SYSTEM)]
            .map(|(file, text)| (path(file), text.to_owned()))
            .into(),
    )
}

pub(crate) fn side(split: Split, tasks: u32, (baseline, candidate): (f64, f64), flips: (u32, u32)) -> Side {
    Side { split, tasks, void: 0, baseline, candidate, bounds: (candidate, candidate), flips }
}

pub(crate) fn measured(held_in: (f64, f64), held_out: (f64, f64), z: f64) -> Measured {
    Measured {
        sides: vec![side(Split::HeldIn, 24, held_in, (3, 0)), side(Split::HeldOut, 12, held_out, (1, 0))],
        is_whole: true,
        repeats: 4,
        baseline_repeats: 4,
        trials: 144,
        slots: 144,
        comparison: Some(Comparison { tasks: 36, gain: 0.02 * z, error: 0.02, gained: 4, lost: 0 }),
        on_new_tasks: None,
    }
}

/// As a gate that stopped early leaves it.
pub(crate) fn stopped() -> Measured {
    let mut measured = measured((15.5, 9.25), (7.0, 4.75), 0.0);
    measured.is_whole = false;
    measured.comparison = None;
    for side in &mut measured.sides {
        side.bounds = (side.candidate - 1.25, side.candidate + 1.75);
        side.flips = (0, 0);
    }
    measured
}

fn proposal(number: u32, after: &str, decision: Option<Decision>, measured: Option<Measured>) -> Proposal {
    let edit = Edit {
        surface: String::from("rules"),
        file: Some(path("prompts/system.md")),
        before: String::from("Read the task first.\nRun the tests before you stop.\nSay what you did."),
        after: format!("Read the task first.\n{after}\nSay what you did."),
    };
    Proposal {
        number,
        summary: String::from("re-read failing output first"),
        why: String::from("the agent does not look"),
        author: String::from("model"),
        cluster: String::from("C-7f3a"),
        harness: String::new(),
        base: base(),
        edits: vec![edit],
        files: [(path("prompts/system.md"), SYSTEM.replace(TESTED, after))].into(),
        scope: String::from("always"),
        fixes: vec![String::from("t-01")],
        risks: Vec::new(),
        decision,
        gate: Some(Gate::Certified),
        measured,
        look: Some(9),
        run: String::from("r-0142"),
        is_dismissed: false,
        with: Vec::new(),
    }
}

pub(crate) fn point(split: Split, value: f64, tasks: u32) -> Point {
    Point { split, value, tasks, unrun: 0, void: 0, repeats: 2, interval: None, is_flattering: false }
}

pub(crate) fn run(status: Status) -> RunLine {
    RunLine {
        number: 148,
        name: String::from("r-0148"),
        goal: Goal::Validate,
        status,
        sentence: String::new(),
        line: String::new(),
        cause: String::new(),
        is_capped: false,
        progress: Progress {
            done: 31,
            total: 72,
            cost: Some(0.34),
            cap: Some(5.0),
            eta: Some(360),
            ..Progress::default()
        },
        harness: String::new(),
        contract: String::new(),
        gate: Some(Gate::Certified),
        is_confined: true,
        started_by: String::from("Neovim"),
        created_ms: 0,
    }
}

impl World {
    /// A project that nobody measured, trusted.
    pub(crate) fn bare() -> Self {
        let files = [
            ("harness.toml", MANIFEST),
            ("prompts/system.md", SYSTEM),
            ("tasks/t-01/task.toml", TASK),
            ("tasks/t-12/task.toml", TASK),
            ("tasks/x-01/task.toml", TASK),
        ];
        let next = Next {
            tasks: 36,
            repeats: 2,
            price: String::from("about $1.10–2.40"),
            seconds: Some(840),
            ..Next::default()
        };
        Self {
            files: files.map(|(file, text)| (file.to_owned(), text.to_owned())).into(),
            board: Board { trust: Trust::Trusted, store: StoreState::Own, next, ..Board::default() },
        }
    }

    /// The same after an evaluation, with a weakness.
    pub(crate) fn evaluated() -> Self {
        let mut world = Self::bare();
        let harness = world.site("harness.toml").project.identity().to_string();
        let line = SYSTEM.find(TESTED).unwrap();
        let place = Place {
            surface: String::from("rules"),
            file: Some(path("prompts/system.md")),
            start: line,
            end: line + TESTED.len(),
            relation: String::from("violated"),
        };
        let quote = Quote {
            run: String::from("r-0142"),
            task: String::from("t-04"),
            repeat: 0,
            step: Some((31, 40)),
            text: String::from("FAILED test_total - assert 41 == 42"),
        };
        let weakness = Weakness {
            cluster: String::from("7f3a9c"),
            name: String::from("C-7f3a"),
            title: String::from("stops without checking its last change"),
            signature: String::from("value.mismatch · direct"),
            mechanism: String::from("no-verify-after-last-write"),
            support: 5,
            actionable: String::from("yes"),
            places: vec![place],
            quotes: vec![quote],
            ..Weakness::default()
        };
        world.board.measured = vec![Scored {
            harness: harness.clone(),
            run: String::from("r-0142"),
            texts: base(),
            held_in: Some(point(Split::HeldIn, 15.5, 24)),
            held_out: Some(point(Split::HeldOut, 7.0, 12)),
            proposals: Vec::new(),
        }];
        world.board.mined = Some(Mined {
            is_current: true,
            imported: None,
            run: String::from("r-0142"),
            harness,
            texts: base(),
            failed: 11,
            trials: 48,
            weaknesses: vec![weakness],
            limits: vec![(String::from("max_steps"), 11)],
            suspects: vec![String::from("t-12")],
            ..Mined::default()
        });
        world
    }

    /// The same after a validation: P7 accepted, P6 rejected early.
    pub(crate) fn validated() -> Self {
        let mut world = Self::evaluated();
        let harness = world.site("harness.toml").project.identity().to_string();
        let gain = measured((15.5, 18.0), (7.0, 8.0), 2.5);
        let accepted = proposal(7, REREAD, Some(Decision::Accepted), Some(gain.clone()));
        let rejected = Decision::Rejected(Reason::Screen(Loss::HeldOut));
        let loser = proposal(6, "Stop when you like.", Some(rejected), Some(stopped()));
        let result = World { files: world.files.clone(), board: Board::default() }
            .edited("prompts/system.md", TESTED, REREAD)
            .site("harness.toml")
            .project
            .identity();
        world.board.accepted = vec![Accepted {
            proposals: vec![7],
            run: String::from("r-0142"),
            harness: harness.clone(),
            base: base(),
            result: result.to_string(),
            files: accepted.files.clone(),
            measured: Some(gain),
            look: Some(9),
            gate: Some(Gate::Certified),
        }];
        world.board.proposals = [accepted, loser]
            .map(|proposal| (proposal.number, Proposal { harness: harness.clone(), ..proposal }))
            .into();
        world
    }

    pub(crate) fn edited(mut self, file: &str, from: &str, to: &str) -> Self {
        let text = self.files.get_mut(file).unwrap();
        assert!(text.contains(from), "{from}");
        *text = text.replacen(from, to, 1);
        self
    }

    pub(crate) fn workspace(&self) -> Workspace {
        let mut workspace = Workspace::default();
        let files = self.files.iter().map(|(file, text)| (file.as_str(), text.as_str()));
        workspace.set_project(Path::new("/p"), Files::from_texts(files));
        workspace.set_board(Path::new("/p"), Arc::new(self.board.clone()));
        workspace
    }

    pub(crate) fn site(&self, file: &str) -> Site {
        self.workspace().snapshot().site(&Path::new("/p").join(file)).unwrap()
    }
}
