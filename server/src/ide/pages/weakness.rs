//! The page of a weakness: what happens, in which tasks, which lines it is about, what was seen, and what can be done.

use super::name::{Name, root_id};
use super::safe::{code, fenced};
use super::{Page, places};
use crate::engine::board::{Board, Mined, Place, Quote, Weakness};
use crate::engine::report::text::markdown as safe;
use crate::engine::report::words::plural;
use crate::ide::decided::{decision, judges, tasks, title};
use crate::workspace::Project;

/// The page of a weakness, by its name or the id of its cluster.
pub(super) fn page(project: &Project, name: &str) -> Option<Page> {
    let board = project.board();
    let mined = board.mined.as_ref()?;
    let weakness = mined.weaknesses.iter().find(|one| one.name == name || one.cluster == name)?;
    let mut out = format!("# {}\n\n", safe(&weakness.title));
    out.push_str(&format!(
        "{} · {} of {} · {} · {}\n",
        safe(&weakness.name),
        weakness.support,
        plural(mined.failed.into(), "failing held-in task", "failing held-in tasks"),
        code(&weakness.signature),
        safe(&mined.run)
    ));
    for remark in remarks(project, mined, weakness) {
        out.push_str(&format!("\n> {}\n", safe(&remark)));
    }
    let (named, others) = tasks(project, &weakness.tasks);
    out.push_str("\n## Tasks\n\n");
    named.iter().for_each(|task| out.push_str(&format!("- {}\n", code(task))));
    if 0 < others {
        out.push_str(&format!(
            "- {}\n",
            plural(others as u64, "task that judges now", "tasks that judge now")
        ));
    }
    out.push_str("\n## Where it belongs\n");
    if weakness.places.is_empty() {
        out.push_str("\nNo surface of the harness could mend it.\n");
    }
    weakness.places.iter().for_each(|place| out.push_str(&of_place(project, mined, place)));
    let quotes = weakness.quotes.iter().filter(|quote| !judges(project, &quote.task));
    let quotes: Vec<&Quote> = quotes.collect();
    if !quotes.is_empty() {
        out.push_str("\n## What was seen\n");
    }
    let root = root_id(project.root());
    quotes.iter().for_each(|quote| out.push_str(&of_quote(&root, quote)));
    out.push_str(&proposals(board, &root, weakness));
    out.push_str(&next(board, weakness));
    Some(Page::markdown(out))
}

fn remarks(project: &Project, mined: &Mined, weakness: &Weakness) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(form) = &mined.imported {
        remarks.push(format!("Imported: these are trials of {form}, evidence and no score."));
    }
    if mined.is_of_another(&project.identity().to_string()) {
        remarks.push(format!("The harness has changed since it was measured in {}.", mined.run));
    }
    if weakness.is_habit {
        remarks.push(String::from("It is a habit: trials that pass show it as well."));
    }
    if let Some(why) = not_actionable(&weakness.actionable) {
        remarks.push(format!("No edit is proposed for it: {why}."));
    }
    if mined.is_cold {
        remarks.push(String::from(
            "Failures are too few or too different to say much: more repeats or more tasks would.",
        ));
    }
    remarks
}

/// Why no edit could help, in words; `None` if one could.
pub(in crate::ide) fn not_actionable(word: &str) -> Option<&str> {
    match word {
        "yes" | "" => None,
        "low-support" => Some("too few tasks fail like this"),
        "no-surface" => Some("no surface of the harness could mend it"),
        "suspect-task" => Some("its tasks prove nothing"),
        other => Some(other),
    }
}

fn of_place(project: &Project, mined: &Mined, place: &Place) -> String {
    let surface = code(&place.surface);
    let relation = places::relation(mined, place);
    let Some(file) = &place.file else { return format!("\n- {surface}: {relation}\n") };
    let line = places::line(mined, place);
    let at = line.map_or_else(|| file.to_string(), |line| format!("{file}:{}", line.number));
    let old = if places::is_old(project, mined, place) { ", and the file has changed since" } else { "" };
    let mut out = format!("\n- {} ({surface}): {relation}{old}\n", code(&at));
    if let Some(line) = line.filter(|line| !line.text.trim().is_empty()) {
        let fence = fenced(line.text, "text");
        out.push('\n');
        fence.lines().for_each(|line| out.push_str(&format!("  {line}\n")));
    }
    out
}

fn of_quote(root: &str, quote: &Quote) -> String {
    let page = quote.step.map_or(1, |(step, _)| super::trace::page_of(step));
    let (run, task) = (quote.run.clone(), quote.task.clone());
    let address = Name::Trace { run, task, repeat: quote.repeat, page }.address(root);
    let step = quote.step.map(|(step, of)| format!(", step {step} of {of}")).unwrap_or_default();
    let (task, text) = (safe(&quote.task), fenced(&quote.text, "text"));
    format!("\n{task} #{}{step} ([trace]({address}))\n\n{text}", quote.repeat)
}

fn proposals(board: &Board, root: &str, weakness: &Weakness) -> String {
    let all = board.proposals.values().filter(|proposal| proposal.cluster == weakness.name);
    let lines: Vec<String> = all
        .map(|proposal| {
            let address = Name::Proposal(proposal.number).address(root);
            let dismissed = if proposal.is_dismissed { ", dismissed" } else { "" };
            let (title, decision) = (safe(&title(proposal)), safe(&decision(board, proposal)));
            format!("- [{title}]({address}){dismissed}\n  {decision}\n")
        })
        .collect();
    if lines.is_empty() { String::new() } else { format!("\n## Proposals\n\n{}", lines.concat()) }
}

fn next(board: &Board, weakness: &Weakness) -> String {
    let mut steps = Vec::new();
    if not_actionable(&weakness.actionable).is_none() {
        steps.push(String::from(
            "*Propose…*, or `self-harness propose`: the model suggests edits for the weaknesses, this one among them",
        ));
    }
    let waiting = board.next.waiting.iter().filter(|number| {
        board.proposals.get(number).is_some_and(|proposal| proposal.cluster == weakness.name)
    });
    let waiting: Vec<u32> = waiting.copied().collect();
    if !waiting.is_empty() {
        let names = crate::engine::report::words::names(&waiting);
        steps.push(format!("*Validate {names}…*, or `self-harness validate`: trials decide about them"));
    }
    steps.push(String::from(
        "*Evaluate*, or `self-harness evaluate`: measures the harness again, after an edit by hand too",
    ));
    let steps: String = steps.iter().map(|step| format!("- {step}\n")).collect();
    format!("\n## What can be done\n\n{steps}")
}
