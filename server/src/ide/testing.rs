//! The tasks as tests, in the shape that rust-analyzer gave them (`editor` 2.7). Held-in tasks are tests of their own; held-out and
//! sealed ones are locked: each split is one item, which nobody opens.

use harness_schema::harness::{Harness, Task};
use harness_schema::path::FilePath;
use harness_schema::split::Split;
use harness_schema::text::Span;

use super::standing;
use crate::engine::plan;
use crate::engine::report::words::plural;
use crate::engine::verdict::{Verdict, VoidCause};
use crate::workspace::Project;

/// A test, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// `held-in`, `held-in/<task>`, `held-out` or `sealed`.
    pub id: String,
    /// As it is shown.
    pub label: String,
    /// More, in half a line; may be empty.
    pub detail: String,
    /// The group that it is in.
    pub parent: Option<String>,
    /// Whether there are tests in it.
    pub can_resolve_children: bool,
    /// The head of the task's text.
    pub location: Option<(FilePath, Span)>,
    /// What it is.
    pub kind: Kind,
}

/// What a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A split.
    Split,
    /// A task.
    Task,
}

impl Kind {
    /// The word of rust-analyzer for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Split => "package",
            Self::Task => "test",
        }
    }
}

/// The tests in an item; `None` for the splits that have tasks. Locked splits have none.
#[must_use]
pub fn discover(project: &Project, id: Option<&str>) -> Vec<Test> {
    let harness = project.harness();
    match id {
        None => Split::ALL.into_iter().filter_map(|split| group(project, split)).collect(),
        Some(id) if id == Split::HeldIn.word() => of(harness, Split::HeldIn).map(test).collect(),
        Some(_) => Vec::new(),
    }
}

/// The tasks of a split that are run.
fn of(harness: &Harness, split: Split) -> impl Iterator<Item = &Task> {
    harness.suite().tasks.iter().filter(move |task| task.split == Some(split) && !task.excluded)
}

fn group(project: &Project, split: Split) -> Option<Test> {
    let count = of(project.harness(), split).count();
    let is_open = split == Split::HeldIn;
    let board = project.board();
    let open = standing::open(board).filter(|_| standing::shows(board));
    let running = open.map(|run| run.progress.held_out).filter(|(_, all)| 0 < *all);
    let detail = match running {
        Some((done, all)) if split == Split::HeldOut => format!("{done}/{all} done"),
        _ => plural(count as u64, "task", "tasks"),
    };
    (0 < count).then(|| Test {
        id: split.word().to_owned(),
        label: if is_open { split.word().to_owned() } else { format!("{} (locked)", split.word()) },
        detail,
        parent: None,
        can_resolve_children: is_open,
        location: None,
        kind: Kind::Split,
    })
}

fn test(task: &Task) -> Test {
    let instruction = task.instructions().into_iter().find(|file| task.files.binary_search(file).is_ok());
    let file = instruction.or_else(|| task.file(harness_schema::harness::suite::TASK_MANIFEST));
    Test {
        id: id_of(&task.id),
        label: task.id.clone(),
        detail: String::new(),
        parent: Some(Split::HeldIn.word().to_owned()),
        can_resolve_children: false,
        location: file.map(|file| (file, Span::at(0))),
        kind: Kind::Task,
    }
}

/// The id of the test of a held-in task.
#[must_use]
pub fn id_of(task: &str) -> String {
    format!("{}/{task}", Split::HeldIn.word())
}

/// The states of the tests by their ids, of those that [discover] shows: a task that judges now has none, whatever is known of it,
/// and of a store that is not shown there are none.
#[must_use]
pub fn states(project: &Project) -> Vec<(String, State)> {
    let board = project.board();
    let tests = of(project.harness(), Split::HeldIn).filter(|_| standing::shows(board));
    let states =
        tests.filter_map(|task| Some((id_of(&task.id), State::of(board.tests.states.get(&task.id)?)?)));
    states.collect()
}

/// The ids of the tests whose [states] are of another text: the harness that is open is not the one that was tried, or the task is
/// not, or something that all tasks share. What is still to come is of no text yet.
#[must_use]
pub fn outdated(project: &Project) -> Vec<String> {
    let tests = &project.board().tests;
    let is_other = project.identity().to_string() != tests.harness;
    let is_old =
        |id: &str| is_other || id.split_once('/').is_some_and(|(_, task)| tests.changed.contains(task));
    let over = states(project).into_iter().filter(|(_, state)| state.is_over());
    over.map(|(id, _)| id).filter(|id| is_old(id)).collect()
}

/// The tasks that a run of tests means, in the order of the suite, held-in first: those of `include` (all if it is empty) without
/// those of `exclude`. A locked split is run as a whole or not at all, and sealed tasks never.
///
/// # Errors
/// What is not run so, and the remedy.
pub fn plan(project: &Project, include: &[String], exclude: &[String]) -> Result<Vec<String>, String> {
    let harness = project.harness();
    let mut wanted = Vec::new();
    if include.is_empty() {
        wanted.extend([Split::HeldIn, Split::HeldOut].into_iter().flat_map(|split| of(harness, split)));
    }
    for id in include {
        let meant = meant(harness, id)?;
        if meant.iter().any(|task| task.split == Some(Split::Sealed)) {
            return Err(String::from(
                "sealed tasks are read once, at the very end; run `self-harness seal` for that",
            ));
        }
        wanted.extend(meant);
    }
    let mut left: Vec<&Task> = Vec::new();
    for id in exclude {
        left.extend(meant(harness, id)?);
    }
    let is_wanted = |task: &&Task| {
        wanted.iter().any(|other| other.id == task.id) && !left.iter().any(|other| other.id == task.id)
    };
    let splits = [Split::HeldIn, Split::HeldOut].into_iter();
    let tasks: Vec<String> =
        splits.flat_map(|split| of(harness, split)).filter(is_wanted).map(|task| task.id.clone()).collect();
    if tasks.is_empty() {
        return Err(String::from(
            "no task is left to run; choose a held-in task, or declare some in `[tasks]`",
        ));
    }
    Ok(tasks)
}

/// The tasks that an id means.
fn meant<'a>(harness: &'a Harness, id: &str) -> Result<Vec<&'a Task>, String> {
    if let Some(split) = Split::ALL.into_iter().find(|split| split.word() == id) {
        return Ok(of(harness, split).collect());
    }
    if let Some((word, _)) = id.split_once('/')
        && (word == Split::HeldOut.word() || word == Split::Sealed.word())
    {
        return Err(format!(
            "{word} tasks are never run one by one; run `{word}` as a whole, or held-in tasks"
        ));
    }
    let task = id
        .strip_prefix("held-in/")
        .and_then(|task| of(harness, Split::HeldIn).find(|other| other.id == task));
    task.map(|task| vec![task]).ok_or_else(|| {
        format!(
            "`{}` is no held-in task now; discover the tests again",
            crate::engine::report::text::short(id, 80)
        )
    })
}

/// The state of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Enqueued,
    /// It runs.
    Started,
    /// Every trial of it passed.
    Passed,
    /// A trial of it failed; how many.
    Failed {
        /// Trials that passed.
        passed: u32,
        /// Trials that measured something.
        valid: u32,
    },
    /// Every trial of it was void, the last for this cause.
    Errored(VoidCause),
    /// Nobody needs it.
    Skipped,
}

impl State {
    /// Whether nothing more comes of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Enqueued | Self::Started)
    }

    /// The tag on the wire. Only our clients know `errored`; void is no fail, so the others get `skipped`.
    #[must_use]
    pub fn tag(&self, is_ours: bool) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Started => "started",
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Errored(_) if is_ours => "errored",
            Self::Errored(_) | Self::Skipped => "skipped",
        }
    }

    /// What there is to say about it; empty if nothing.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Failed { passed, valid } => {
                format!("{passed} of {} passed", plural((*valid).into(), "trial", "trials"))
            }
            Self::Errored(cause) => {
                format!("void ({}): it measured nothing, and counts for nothing", cause.word())
            }
            _ => String::new(),
        }
    }

    /// The state of a held-in task by the slots of its trials; `None` if there is none. A task with a trial that is still to come is
    /// not over, and what is void does not count beside what is not.
    #[must_use]
    pub fn of<'a>(slots: impl IntoIterator<Item = &'a plan::State>) -> Option<Self> {
        let slots: Vec<&plan::State> = slots.into_iter().collect();
        let has = |wanted: fn(&plan::State) -> bool| slots.iter().any(|slot| wanted(slot));
        let count = |verdict: Verdict| {
            let of =
                slots.iter().filter(|slot| matches!(slot, plan::State::Filled(filled) if *filled == verdict));
            u32::try_from(of.count()).unwrap_or(u32::MAX)
        };
        let (passed, failed) = (count(Verdict::Pass), count(Verdict::Fail));
        let void = slots.iter().rev().find_map(|slot| match slot {
            plan::State::Missing(cause) | plan::State::Filled(Verdict::Void(cause)) => Some(*cause),
            _ => None,
        });
        let waits = has(|slot| matches!(slot, plan::State::Pending { .. }));
        let began = has(|slot| !matches!(slot, plan::State::Pending { .. } | plan::State::Dropped));
        match () {
            () if slots.is_empty() => None,
            () if has(|slot| matches!(slot, plan::State::Running { .. })) || (waits && began) => {
                Some(Self::Started)
            }
            () if waits => Some(Self::Enqueued),
            () if 0 < failed => Some(Self::Failed { passed, valid: passed + failed }),
            () if 0 < passed => Some(Self::Passed),
            () => Some(void.map_or(Self::Skipped, Self::Errored)),
        }
    }
}

#[cfg(test)]
mod tests;
