//! One candidate against the baseline: thresholds that are fixed before anything runs, counts of what has run, and the decision
//! as soon as nothing that is left can change it (`method` 5.2).

use harness_schema::split::Split;

use super::ledger::{Chance, Record, Task};

/// The least that a candidate has to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// On the held-in tasks.
    pub held_in: u32,
    /// On the held-out tasks.
    pub held_out: u32,
    /// On both together: more than the baseline.
    pub all: u32,
}

/// What a candidate has done on one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Passes.
    pub passes: u32,
    /// Fails.
    pub fails: u32,
    /// Trials that run.
    pub running: u32,
    /// Slots that stay empty.
    pub missing: u32,
}

/// Why a candidate is rejected: the first condition that nothing can save any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// It passes less on the held-in tasks.
    HeldIn,
    /// It passes less on the held-out tasks.
    HeldOut,
    /// It passes no more on both together.
    NoGain,
}

impl Loss {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::HeldIn => "held-in",
            Self::HeldOut => "held-out",
            Self::NoGain => "no-gain",
        }
    }
}

/// Why nothing is decided although nothing is left to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// Slots that stay empty would have decided.
    VoidCells,
    /// So many slots of a split stay empty that no acceptance means anything.
    MissingShare,
}

impl Doubt {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VoidCells => "void-cells",
            Self::MissingShare => "missing-share",
        }
    }
}

/// What the trials so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Every completion accepts it.
    Accepted,
    /// Every completion rejects it.
    Rejected(Loss),
    /// Completions differ, and there will be none.
    Undecided(Doubt),
    /// Completions differ.
    Open,
}

/// How a stage goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Course {
    /// Whatever decides with the fewest trials, and stops then.
    Shortest,
    /// Whatever rejects first; acceptance comes when all has run.
    Confirming,
    /// Every slot, whatever it says.
    Exhaustive,
}

/// More empty slots than this share of a split, in either arm, and nothing is accepted.
const MISSING_SHARE: f64 = 0.10;

/// One candidate on all tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    tasks: Vec<Task>,
    cells: Vec<Cell>,
    repeats: u32,
    margin: Option<f64>,
    course: Course,
    /// What would have to be passed if every open slot of the baseline failed.
    lower: Thresholds,
    /// And if every one passed.
    upper: Thresholds,
}

/// Sums over the tasks of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Passes.
    pub passes: u32,
    /// Slots without an outcome: those that wait, run, or stay empty.
    pub rest: u32,
    /// Those of them that run.
    pub running: u32,
    /// Those that may still be started.
    pub waiting: u32,
}

impl std::ops::Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passes: self.passes + other.passes,
            rest: self.rest + other.rest,
            running: self.running + other.running,
            waiting: self.waiting + other.waiting,
        }
    }
}

impl Stage {
    /// A stage in which nothing has run: `repeats` trials of the candidate on each task. With a `margin` of `z` the gain has to
    /// stand out by so many standard errors. Sealed tasks and tasks without a slot of the baseline are left out: nothing can be
    /// compared there.
    #[must_use]
    pub fn new(tasks: Vec<Task>, repeats: u32, margin: Option<f64>, course: Course) -> Self {
        let mut tasks = tasks;
        tasks.retain(|task| task.split != Split::Sealed && 0 < task.record.slots());
        // What came in first changes nothing.
        tasks.sort_by(|one, other| one.id.cmp(&other.id));
        let cells = vec![Cell::default(); tasks.len()];
        let mut stage = Self {
            tasks,
            cells,
            repeats: repeats.max(1),
            margin,
            course,
            lower: Thresholds::default(),
            upper: Thresholds::default(),
        };
        stage.set_thresholds();
        stage
    }

    fn set_thresholds(&mut self) {
        self.lower = self.thresholds(|record| record.passes);
        self.upper = self.thresholds(|record| record.passes + record.open());
    }

    fn thresholds(&self, passes: impl Fn(&Record) -> u32) -> Thresholds {
        let repeats = u64::from(self.repeats);
        let common = self.tasks.iter().fold(1, |all, task| least_common(all, u64::from(task.record.slots())));
        let sum = |wanted: Option<Split>| -> u64 {
            let of_split = self.tasks.iter().filter(|task| wanted.is_none_or(|wanted| task.split == wanted));
            of_split
                .map(|task| u64::from(passes(&task.record)) * common / u64::from(task.record.slots()))
                .sum()
        };
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let at_least = |split| count((repeats * sum(Some(split))).div_ceil(common));
        let more = count(repeats * sum(None) / common + 1);
        let with_margin = self.margin.map_or(0, |z| self.margin_of(z, &passes));
        Thresholds {
            held_in: at_least(Split::HeldIn),
            held_out: at_least(Split::HeldOut),
            all: more.max(with_margin),
        }
    }

    /// What has to be passed on all tasks for the gain to stand out.
    fn margin_of(&self, z: f64, passes: impl Fn(&Record) -> u32) -> u32 {
        let repeats = f64::from(self.repeats);
        let (mut rate, mut variance) = (0.0, 0.0);
        for Task { record, .. } in &self.tasks {
            let slots = f64::from(record.slots());
            rate += f64::from(passes(record)) / slots;
            let varies = Chance::after(record.passes, record.valid).variance;
            variance += varies * (1.0 / repeats + 1.0 / slots);
        }
        let wanted = repeats * rate + z * repeats * variance.sqrt() - 1e-9;
        // Passes are far below the numbers that a float cannot hold.
        wanted.ceil().max(0.0) as u32
    }

    /// The tasks, in the order of their ids.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// What the candidate has done, task by task.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// How often each task is tried.
    #[must_use]
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// How it goes on.
    #[must_use]
    pub fn course(&self) -> Course {
        self.course
    }

    /// What has to be passed if every open slot of the baseline failed, and if every one passed.
    #[must_use]
    pub fn bounds_of_thresholds(&self) -> (Thresholds, Thresholds) {
        (self.lower, self.upper)
    }

    /// The baseline has more trials of a task.
    pub fn baseline(&mut self, task: usize, record: Record) {
        if let Some(known) = self.tasks.get_mut(task).filter(|_| 0 < record.slots()) {
            known.record = record;
            self.set_thresholds();
        }
    }

    /// A task and what the candidate has done on it, as they are known now. A task that is not in the stage is left out.
    pub fn learn(&mut self, task: Task, cell: Cell) {
        let Ok(at) = self.tasks.binary_search_by(|known| known.id.cmp(&task.id)) else { return };
        let (Some(known), Some(done)) = (self.tasks.get_mut(at), self.cells.get_mut(at)) else { return };
        *done = cell;
        let is_compared_anew = known.record != task.record;
        *known = task;
        if is_compared_anew {
            self.set_thresholds();
        }
    }

    /// A trial of a task is expected to take so many seconds.
    pub fn takes(&mut self, task: &str, seconds: f64) {
        let at = self.tasks.binary_search_by(|known| known.id.as_str().cmp(task));
        if let Some(known) = at.ok().and_then(|at| self.tasks.get_mut(at)) {
            known.seconds = seconds;
        }
    }

    /// A trial of a task is started; whether there was a slot for it.
    pub fn start(&mut self, task: usize) -> bool {
        let has_room = 0 < self.waiting(task);
        if let Some(cell) = self.cells.get_mut(task).filter(|_| has_room) {
            cell.running += 1;
        }
        has_room
    }

    /// A trial that ran has ended.
    pub fn end(&mut self, task: usize, outcome: Outcome) {
        let Some(cell) = self.cells.get_mut(task).filter(|cell| 0 < cell.running) else { return };
        cell.running -= 1;
        match outcome {
            Outcome::Pass => cell.passes += 1,
            Outcome::Fail => cell.fails += 1,
            Outcome::Missing => cell.missing += 1,
            Outcome::Again => {}
        }
    }

    /// Slots of a task that may still be started.
    #[must_use]
    pub fn waiting(&self, task: usize) -> u32 {
        let taken = |cell: &Cell| cell.passes + cell.fails + cell.running + cell.missing;
        self.cells.get(task).map_or(0, |cell| self.repeats.saturating_sub(taken(cell)))
    }

    /// Sums over a split.
    #[must_use]
    pub fn sums(&self, split: Split) -> Sums {
        let of_split = self.tasks.iter().zip(&self.cells).filter(|(task, _)| task.split == split);
        of_split.fold(Sums::default(), |sums, (_, cell)| {
            let rest = self.repeats.saturating_sub(cell.passes + cell.fails);
            let waiting = rest.saturating_sub(cell.running + cell.missing);
            sums + Sums { passes: cell.passes, rest, running: cell.running, waiting }
        })
    }

    /// The decision that every completion gives, if there is one.
    #[must_use]
    pub fn decision(&self) -> Decision {
        let (held_in, held_out) = (self.sums(Split::HeldIn), self.sums(Split::HeldOut));
        let all = held_in + held_out;
        let cannot = |sums: Sums, least: u32| sums.passes + sums.rest < least;
        if cannot(held_in, self.lower.held_in) {
            return Decision::Rejected(Loss::HeldIn);
        }
        if cannot(held_out, self.lower.held_out) {
            return Decision::Rejected(Loss::HeldOut);
        }
        if cannot(all, self.lower.all) {
            return Decision::Rejected(Loss::NoGain);
        }
        let is_run =
            all.waiting == 0 && all.running == 0 && self.tasks.iter().all(|task| task.record.pending == 0);
        let has = held_in.passes >= self.upper.held_in
            && held_out.passes >= self.upper.held_out
            && all.passes >= self.upper.all;
        let may_stop = has && self.course == Course::Shortest;
        if !(is_run || may_stop) {
            return Decision::Open;
        }
        let lacks_too_many = self.lacks_too_many();
        match (has && !lacks_too_many, is_run, self.course) {
            (true, _, Course::Shortest) | (true, true, _) => Decision::Accepted,
            (_, true, _) if lacks_too_many => Decision::Undecided(Doubt::MissingShare),
            (_, true, _) => Decision::Undecided(Doubt::VoidCells),
            (_, false, _) => Decision::Open,
        }
    }

    /// Whether nothing more is run: the decision is there, or every slot was run where that is what was asked for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.course {
            Course::Shortest | Course::Confirming => self.decision() != Decision::Open,
            Course::Exhaustive => {
                let all = self.sums(Split::HeldIn) + self.sums(Split::HeldOut);
                all.waiting == 0 && all.running == 0 && self.decision() != Decision::Open
            }
        }
    }

    /// Whether so many slots of a split stay empty, in either arm, that nothing is accepted.
    fn lacks_too_many(&self) -> bool {
        [Split::HeldIn, Split::HeldOut].into_iter().any(|split| {
            let (mut lacks, mut slots) = ([0_u32; 2], [0_u32; 2]);
            for (task, cell) in self.tasks.iter().zip(&self.cells).filter(|(task, _)| task.split == split) {
                lacks = [lacks[0] + task.record.missing, lacks[1] + cell.missing];
                slots = [slots[0] + task.record.slots(), slots[1] + self.repeats];
            }
            lacks.iter().zip(slots).any(|(lacks, slots)| MISSING_SHARE * f64::from(slots) < f64::from(*lacks))
        })
    }

    /// The least and the greatest share of slots that the candidate can pass by now: one number only when all has run.
    #[must_use]
    pub fn share(&self) -> (f64, f64) {
        let sums = self.sums(Split::HeldIn) + self.sums(Split::HeldOut);
        let slots = f64::from(self.repeats) * (self.tasks.len().max(1)) as f64;
        (f64::from(sums.passes) / slots, f64::from(sums.passes + sums.rest) / slots)
    }

    /// Trials that were started.
    #[must_use]
    pub fn started(&self) -> u32 {
        self.cells.iter().map(|cell| cell.passes + cell.fails + cell.running + cell.missing).sum()
    }
}

/// How a trial ended, for the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Pass.
    Pass,
    /// Fail.
    Fail,
    /// Void, and its slot stays empty.
    Missing,
    /// Discarded or void: its slot waits again.
    Again,
}

fn least_common(one: u64, other: u64) -> u64 {
    let (mut greater, mut lesser) = (one, other);
    while lesser != 0 {
        (greater, lesser) = (lesser, greater % lesser);
    }
    one / greater.max(1) * other.max(1)
}

#[cfg(test)]
mod tests;
