//! The weaknesses, the most promising first, with the places where each belongs.

use super::{Item, Kind};
use crate::engine::board::{Mined, Place, Weakness};
use crate::engine::report::text::{line, short};
use crate::engine::report::words::plural;
use crate::ide::decided;
use crate::ide::pages::name::Name;
use crate::ide::pages::{not_actionable, places};
use crate::workspace::Project;

/// The id of the root.
pub(super) const ROOT: &str = "weaknesses";
/// What the id of a weakness begins with; then comes its cluster.
pub(super) const OF: &str = "weakness/";
/// Texts of lines are at most so long.
const LINE: usize = 80;

pub(super) fn root(project: &Project) -> Item {
    let mined = project.board().mined.as_ref();
    Item {
        id: ROOT.into(),
        text: "Weaknesses".into(),
        detail: mined.map_or_else(|| "not measured".into(), detail),
        tooltip: mined.map(|mined| remarks(project, mined).join("\n")).unwrap_or_default(),
        state: mined.filter(|mined| is_old(project, mined)).map_or("", |_| "old"),
        actions: match mined {
            Some(mined) if mined.weaknesses.iter().any(|one| not_actionable(&one.actionable).is_none()) => {
                vec!["propose"]
            }
            _ => Vec::new(),
        },
        has_children: mined.is_some_and(|mined| !mined.weaknesses.is_empty()),
        ..Item::default()
    }
}

/// Whether another harness failed than the one of today.
fn is_old(project: &Project, mined: &Mined) -> bool {
    mined.is_of_another(&project.identity().to_string())
}

fn detail(mined: &Mined) -> String {
    let failing = plural(mined.failed.into(), "failing task", "failing tasks");
    match mined.weaknesses.len() as u64 {
        0 if mined.failed == 0 => line(&format!("no held-in trial of {} failed", mined.run)),
        0 => format!("{failing}, no two share a mechanism"),
        weaknesses => format!("{} · {failing}", plural(weaknesses, "weakness", "weaknesses")),
    }
}

fn remarks(project: &Project, mined: &Mined) -> Vec<String> {
    let mut remarks = vec![line(&format!("mined in {}, of {} held-in trials", mined.run, mined.trials))];
    if let Some(form) = &mined.imported {
        remarks.push(line(&format!("imported from {form}: evidence, no score")));
    }
    if is_old(project, mined) {
        remarks.push("the harness has changed since".into());
    }
    if mined.is_cold {
        remarks.push(
            "failures are too few or too different to say much: more repeats or more tasks would".into(),
        );
    }
    for (limit, trials) in &mined.limits {
        remarks.push(line(&format!("{limit} hit {trials}/{}", mined.trials)));
    }
    let suspects = mined.suspects.iter().filter(|task| !decided::judges(project, task));
    for task in suspects {
        remarks.push(line(&format!("{task} was never passed, always with the same failing check")));
    }
    remarks
}

pub(super) fn items(project: &Project) -> Vec<Item> {
    let Some(mined) = &project.board().mined else { return Vec::new() };
    mined.weaknesses.iter().map(|weakness| item(project, mined, weakness)).collect()
}

fn item(project: &Project, mined: &Mined, weakness: &Weakness) -> Item {
    let why = not_actionable(&weakness.actionable);
    let old = is_old(project, mined);
    let mut detail = format!("{} · {} of {} fail", weakness.name, weakness.support, mined.failed);
    detail.push_str(if old { " · old" } else { "" });
    let mut facts = vec![line(&weakness.title), line(&weakness.signature)];
    facts.extend(weakness.is_habit.then(|| "a habit: trials that pass show it as well".into()));
    facts.extend(why.map(|why| format!("no edit is proposed for it: {}", line(why))));
    let (named, others) = decided::tasks(project, &weakness.tasks);
    let mut tasks: Vec<String> = named.iter().map(|task| line(task)).collect();
    if 0 < others {
        tasks.push(plural(others as u64, "task that judges now", "tasks that judge now"));
    }
    facts.push(tasks.join(", "));
    Item {
        id: format!("{OF}{}", weakness.cluster),
        kind: Kind::Weakness,
        text: line(&weakness.title),
        detail: line(&detail),
        tooltip: facts.join("\n"),
        state: match (old, why) {
            (true, _) => "old",
            (false, Some(_)) => "blocked",
            (false, None) => "open",
        },
        location: weakness.places.iter().find_map(|place| places::today(project, mined, place)),
        page: Some(Name::Weakness(weakness.name.clone())),
        actions: if why.is_none() { vec!["propose"] } else { Vec::new() },
        has_children: !weakness.places.is_empty(),
    }
}

/// The places of a weakness, by the id of its cluster.
pub(super) fn places(project: &Project, cluster: &str) -> Vec<Item> {
    let Some(mined) = &project.board().mined else { return Vec::new() };
    let Some(weakness) = mined.weaknesses.iter().find(|weakness| weakness.cluster == cluster) else {
        return Vec::new();
    };
    let places = weakness.places.iter().enumerate();
    places.map(|(at, place)| of_place(project, mined, weakness, (at, place))).collect()
}

fn of_place(project: &Project, mined: &Mined, weakness: &Weakness, (at, place): (usize, &Place)) -> Item {
    let measured = places::line(mined, place);
    let text = match (&place.file, measured) {
        (Some(file), Some(of)) => format!("{file}:{}", of.number),
        (Some(file), None) => file.to_string(),
        (None, _) => place.surface.clone(),
    };
    let old = places::is_old(project, mined, place);
    let mut facts = vec![line(&format!("surface {}", place.surface))];
    facts.extend(measured.map(|of| short(of.text, LINE)).filter(|text| !text.is_empty()));
    facts.extend(old.then(|| "the file has changed since it was measured".into()));
    Item {
        id: format!("{OF}{}/{}", weakness.cluster, at + 1),
        kind: Kind::Place,
        text: line(&text),
        detail: places::relation(mined, place),
        tooltip: facts.join("\n"),
        state: if old { "old" } else { "" },
        location: places::today(project, mined, place),
        page: Some(Name::Weakness(weakness.name.clone())),
        ..Item::default()
    }
}
