//! What is wrong here with the machine, the tasks and their splits, as far as reading tells it: nothing is tried for it. Of a task that
//! judges its name is told and nothing of its texts.

use std::collections::BTreeMap;
use std::rc::Rc;

use harness_schema::split::Split;

use super::told::ToldRun;
use crate::engine::board::{Environment, Spot};
use crate::engine::report::words::plural;
use crate::host::egress;
use crate::host::sandbox::Choice;
use crate::host::subject::{Planned, Subject};
use crate::host::suite::{FAILS_SOLUTION, PASSES_IDLE, TaskRefused};

/// So many tasks are named; the rest is counted.
const MOST: usize = 10;

/// The variable of the model's key that is not set.
pub(super) fn key(missing: Option<&str>) -> Option<Environment> {
    Some(Environment {
        code: "SH903",
        at: Spot::Key(&["model", "api_key_env"]),
        message: format!("variable `{}` is not set here", missing?),
        why: String::from("a start would end at the first call; no file of the project ever holds a key"),
    })
}

/// The tasks that cannot be run here, and why.
pub(super) fn tasks(subject: &Subject, choice: Choice) -> Vec<Environment> {
    let refused = subject.tasks.iter().filter_map(|task| Some((task, task.plan.as_ref().err()?)));
    most(refused.map(|(task, refused)| of_refused(task, refused, choice)).collect())
}

fn of_refused(task: &Planned, refused: &TaskRefused, choice: Choice) -> Environment {
    let TaskRefused { file, line, reason, .. } = refused;
    let (id, place) = (&task.id, format!("`{file}`, line {line}"));
    let (code, message) = match () {
        () if egress::is_over(reason) => {
            ("SH910", format!("the machine allows less network than task `{id}` asks for ({place})"))
        }
        () if choice == Choice::Container => ("SH908", format!("task `{id}` cannot be run here ({place})")),
        () => ("SH908", format!("task `{id}` needs the container backend ({place})")),
    };
    let why = match task.split {
        Split::HeldIn => reason.clone(),
        Split::HeldOut | Split::Sealed => String::from("it is left out of every run"),
    };
    Environment { code, at: Spot::Task(id.clone()), message, why }
}

/// The tasks whose verifier was tried by the newest run and proves nothing.
pub(super) fn verifiers(newest: &ToldRun) -> Vec<Environment> {
    let of = |(task, why): &(String, String)| {
        let (code, message) = match () {
            () if why.contains(PASSES_IDLE) => {
                ("SH905", format!("task `{task}` passes an agent that does nothing"))
            }
            () if why.contains(FAILS_SOLUTION) => {
                ("SH906", format!("task `{task}` fails its own `solution/solve.sh`"))
            }
            () => return None,
        };
        let why = format!("its verdicts would mean nothing, so {} has left it out", newest.line.name);
        Some(Environment { code, at: Spot::Task(task.clone()), message, why })
    };
    let flaky = newest.seen.flaky.iter().map(|task| Environment {
        code: "SH907",
        at: Spot::Task(task.clone()),
        message: format!("task `{task}` was judged differently twice on one final state"),
        why: format!(
            "when {} tried it without an agent; its noise looks like a gain or a loss",
            newest.line.name
        ),
    });
    most(newest.seen.unfillable.iter().filter_map(of).chain(flaky).collect())
}

/// What tasks say and no trial here does, each thing once. Tasks that judge are not looked at: their files stay theirs.
pub(super) fn narrowed(subject: &Subject) -> Vec<Environment> {
    let mut notes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for task in subject.tasks.iter().filter(|task| task.split == Split::HeldIn) {
        for note in task.plan.iter().flat_map(|plan| &plan.notes) {
            let tasks = notes.entry(&note.what).or_default();
            if tasks.last() != Some(&task.id.as_str()) {
                tasks.push(&task.id);
            }
        }
    }
    let told = notes.into_iter().filter_map(|(what, tasks)| {
        let (first, others) = tasks.split_first()?;
        let more = match others.len() {
            0 => String::new(),
            more => format!(" and {}", plural(more as u64, "other task", "other tasks")),
        };
        Some(Environment {
            code: "SH909",
            at: Spot::Task((*first).to_owned()),
            message: what.to_owned(),
            why: format!(
                "task `{first}`{more}: what is measured here may differ from what is measured elsewhere"
            ),
        })
    });
    most(told.collect())
}

/// Tasks that a seeded split puts elsewhere than the newest run that is over had them.
pub(super) fn moved(all: &[Rc<ToldRun>], subject: &Subject) -> Option<Environment> {
    let is_seeded =
        subject.harness.manifest().tasks.as_ref().is_some_and(|tasks| tasks.value.split.is_some());
    let before = all.iter().find(|told| told.is_over() && told.stored.record.seal.is_none());
    let before = before.filter(|_| is_seeded)?;
    let slots = before.stored.record.slots.iter();
    let then: BTreeMap<&str, &str> = slots.map(|slot| (slot.task.as_str(), slot.split.as_str())).collect();
    let is_moved =
        |(task, split): &(&&str, &&str)| subject.task(task).is_some_and(|now| now.split.word() != **split);
    let moved = then.iter().filter(is_moved).count();
    let tasks = plural(moved as u64, "task", "tasks");
    (0 < moved).then(|| Environment {
        code: "SH806",
        at: Spot::Key(&["tasks", "split"]),
        message: format!("{tasks} changed split since {}: scores start anew", before.line.name),
        why: String::from("a seeded split follows its tasks; lists of tasks stay as they are"),
    })
}

/// The first of them; the last of these says how many more there are.
fn most(mut all: Vec<Environment>) -> Vec<Environment> {
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    if let Some(last) = all.last_mut().filter(|_| 0 < more) {
        last.why = format!("{}; {} more", last.why, plural(more as u64, "task", "tasks"));
    }
    all
}
