//! A candidate beside its baseline, as the gate saw them: points where everything was run, bounds where the gate stopped before
//! (`method` 5.3 and 5.9).

use harness_schema::split::Split;

use crate::engine::gate::comparison::{self, Comparison, Pair};
use crate::engine::gate::stage::Stage;

/// Both arms on one split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// The split.
    pub split: Split,
    /// Tasks with a valid trial of both; all that are tried if the gate stopped early.
    pub tasks: u32,
    /// Tasks that lack one.
    pub void: u32,
    /// The baseline's score: the sum over tasks of passes ÷ valid trials.
    pub baseline: f64,
    /// The candidate's, of what has run.
    pub candidate: f64,
    /// The least and the most that the candidate could come to.
    pub bounds: (f64, f64),
    /// Tasks that mostly failed and now mostly pass, and the reverse.
    pub flips: (u32, u32),
}

/// What a decision rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Both splits, held-in first.
    pub sides: Vec<Side>,
    /// Whether everything was run: if not there are bounds, and no point.
    pub is_whole: bool,
    /// Repeats of the candidate.
    pub repeats: u32,
    /// Repeats of the baseline: the most of a task.
    pub baseline_repeats: u32,
    /// Trials of the candidate that were started.
    pub trials: u32,
    /// Its slots.
    pub slots: u32,
    /// How sure the comparison is, both splits together; `None` if there are only bounds.
    pub comparison: Option<Comparison>,
    /// The 95 % interval of the gain on new tasks like these.
    pub on_new_tasks: Option<(f64, f64)>,
}

impl Measured {
    /// Of a stage and its pairs; `None` if nothing of the candidate was run. `seed` draws tasks anew.
    #[must_use]
    pub fn of(stage: &Stage, pairs: &[(String, Split, Pair)], seed: u64) -> Option<Self> {
        let sums = stage.sums(Split::HeldIn) + stage.sums(Split::HeldOut);
        if stage.started() == 0 {
            return None;
        }
        let is_whole = sums.waiting == 0 && sums.running == 0;
        let all: Vec<Pair> = pairs.iter().map(|(_, _, pair)| *pair).collect();
        let sides = [Split::HeldIn, Split::HeldOut].into_iter();
        Some(Self {
            sides: sides.filter_map(|split| Side::of(stage, split, pairs, is_whole)).collect(),
            is_whole,
            repeats: stage.repeats(),
            baseline_repeats: stage.tasks().iter().map(|task| task.record.valid).max().unwrap_or_default(),
            trials: stage.started(),
            slots: stage.repeats().saturating_mul(count(stage.tasks().len())),
            comparison: Comparison::of(&all).filter(|_| is_whole),
            on_new_tasks: comparison::on_new_tasks(&all, seed).filter(|_| is_whole),
        })
    }

    /// Whether a held-out trial was read.
    #[must_use]
    pub fn reads_held_out(stage: &Stage) -> bool {
        let cells = stage.tasks().iter().zip(stage.cells());
        cells.filter(|(task, _)| task.split == Split::HeldOut).any(|(_, cell)| 0 < cell.passes + cell.fails)
    }
}

impl Side {
    fn of(stage: &Stage, split: Split, pairs: &[(String, Split, Pair)], is_whole: bool) -> Option<Self> {
        let tasks = stage.tasks().iter().filter(|task| task.split == split).count();
        if tasks == 0 {
            return None;
        }
        let of_split: Vec<Pair> =
            pairs.iter().filter(|(_, of, _)| *of == split).map(|(_, _, pair)| *pair).collect();
        let is_valid = |pair: &Pair| 0 < pair.baseline.1 && (!is_whole || 0 < pair.candidate.1);
        let valid: Vec<Pair> = of_split.iter().copied().filter(is_valid).collect();
        let flips = Comparison::of(&valid).filter(|_| is_whole).map(|all| (all.gained, all.lost));
        let repeats = f64::from(stage.repeats());
        let cells = stage.tasks().iter().zip(stage.cells());
        // Out of the same tasks as the baseline's score: a task that it lacks has nothing to be compared with.
        let tried = cells.filter(|(task, _)| task.split == split && 0 < task.record.valid);
        let bounds = tried.fold((0.0, 0.0), |(least, most), (_, cell)| {
            let passed = f64::from(cell.passes) / repeats;
            (least + passed, most + 1.0 - f64::from(cell.fails) / repeats)
        });
        Some(Self {
            split,
            tasks: count(valid.len()),
            void: count(tasks - valid.len().min(tasks)),
            baseline: sum(valid.iter().map(|pair| pair.baseline)),
            candidate: sum(valid.iter().map(|pair| pair.candidate)),
            bounds,
            flips: flips.unwrap_or_default(),
        })
    }
}

/// The sum over tasks of passes ÷ valid trials.
pub(super) fn sum(records: impl Iterator<Item = (u32, u32)>) -> f64 {
    // The sum of nothing would be minus zero.
    records.fold(0.0, |sum, (passes, valid)| sum + f64::from(passes) / f64::from(valid.max(1)))
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
