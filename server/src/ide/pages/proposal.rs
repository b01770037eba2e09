//! The page of a proposal: what it does and why, what was decided and on what that rests, and its change.

use harness_schema::path::FilePath;
use similar::TextDiff;

use super::name::{Name, root_id};
use super::safe::{code, fenced};
use super::{Page, safe::visible};
use crate::engine::board::{Accepted, Board, Proposal};
use crate::engine::cycle::Decision;
use crate::engine::report::text::markdown as safe;
use crate::engine::report::words::{self, plural};
use crate::ide::accepted::{self, Stand};
use crate::ide::decided::{author, decision, tasks, title};
use crate::workspace::Project;

/// The page of a proposal, by its number.
pub(super) fn page(project: &Project, number: u32) -> Option<Page> {
    let board = project.board();
    let proposal = board.proposals.get(&number)?;
    let root = root_id(project.root());
    let mut out = format!("# {}\n\n", safe(&title(proposal)));
    out.push_str(&format!("{}\n", safe(&decision(board, proposal))));
    if let Some(decision) = proposal.decision {
        let run = proposal.measured.as_ref().map(|measured| format!("; {}", words::run_of(measured)));
        out.push_str(&format!("\n{}{}.\n", first_up(decision.words()), run.unwrap_or_default()));
    }
    // What a union was measured by is about all of it.
    if let Some(certainty) = proposal.measured.as_ref().and_then(words::certainty) {
        out.push_str(&format!("\n{}.\n", safe(&certainty)));
    }
    let all = accepted::all(project);
    let of = accepted::of(&all, number);
    let stand = of.map(|(_, stand)| stand);
    if stand == Some(Stand::Dismissed) && !proposal.is_dismissed {
        out.push_str("\n> It was accepted together with one that is dismissed.\n");
    } else if let Some(stand) = stand {
        out.push_str(&format!("\n> {}.\n", safe(&first_up(stand.words()))));
    }
    if proposal.is_dismissed && stand != Some(Stand::Dismissed) {
        out.push_str("\n> Dismissed.\n");
    }
    out.push_str(&about(board, &root, proposal));
    if !proposal.why.trim().is_empty() {
        out.push_str(&format!("\n## Why\n\n{}", fenced(proposal.why.trim(), "text")));
    }
    out.push_str(&prediction(project, proposal));
    out.push_str(&change(&root, proposal));
    out.push_str(&next(project, proposal, of));
    Some(Page::markdown(out))
}

fn first_up(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Who made it, for what, where it acts and when.
fn about(board: &Board, root: &str, proposal: &Proposal) -> String {
    let mut lines = vec![format!("- made by {}, in {}", safe(&author(proposal)), safe(&proposal.run))];
    if !proposal.cluster.is_empty() {
        let weaknesses = board.mined.iter().flat_map(|mined| &mined.weaknesses);
        let name = safe(&proposal.cluster);
        let known = weaknesses.into_iter().find(|weakness| weakness.name == proposal.cluster);
        lines.push(match known {
            Some(weakness) => {
                let address = Name::Weakness(weakness.name.clone()).address(root);
                format!("- for [{name}]({address}): {}", safe(&weakness.title))
            }
            None => format!("- for {name}"),
        });
    }
    for edit in &proposal.edits {
        let file = edit.file.as_ref().map(|file| format!(" in {}", code(file.as_str())));
        lines.push(format!("- changes {}{}", code(&edit.surface), file.unwrap_or_default()));
    }
    if !proposal.scope.is_empty() {
        lines.push(format!("- acts {}", scope(&proposal.scope)));
    }
    if !proposal.with.is_empty() {
        let accepted = proposal.decision == Some(Decision::Accepted);
        let only = if accepted { ": exactly this was validated" } else { "" };
        lines.push(format!("- measured together with {}{only}", words::names(&proposal.with)));
    }
    format!("\n{}\n", lines.join("\n"))
}

fn scope(scope: &str) -> String {
    if scope == "always" { scope.to_owned() } else { format!("when {}", code(scope)) }
}

fn prediction(project: &Project, proposal: &Proposal) -> String {
    let listed = |what: &str, all: &[String]| {
        let (named, others) = tasks(project, all);
        let mut parts: Vec<String> = named.iter().map(|task| code(task)).collect();
        if 0 < others {
            parts.push(plural(others as u64, "task that judges now", "tasks that judge now"));
        }
        if parts.is_empty() { String::new() } else { format!("- {what}: {}\n", parts.join(", ")) }
    };
    let lines = listed("should mend", &proposal.fixes) + &listed("may break", &proposal.risks);
    if lines.is_empty() { lines } else { format!("\n## What it predicts\n\n{lines}") }
}

fn change(root: &str, proposal: &Proposal) -> String {
    let mut out = String::from("\n## Change\n");
    for (file, after) in &proposal.files {
        let current = Name::Current(proposal.number, file.clone()).address(root);
        let proposed = Name::Proposed(proposal.number, file.clone()).address(root);
        out.push_str(&format!("\n{}: [before]({current}) · [proposed]({proposed})\n", code(file.as_str())));
        let diff = diff(file, proposal.base.get(file).map(String::as_str), after);
        if !diff.is_empty() {
            out.push_str(&format!("\n{}", fenced(&diff, "diff")));
        }
    }
    out
}

/// The change of a file as a unified diff; empty if there is none.
fn diff(file: &FilePath, before: Option<&str>, after: &str) -> String {
    let old = before.map_or_else(|| String::from("/dev/null"), |_| format!("a/{file}"));
    let (old, new) = (visible(&old), visible(&format!("b/{file}")));
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after);
    diff.unified_diff().context_radius(3).header(&old, &new).to_string()
}

fn next(project: &Project, proposal: &Proposal, of: Option<(&Accepted, Stand)>) -> String {
    let stand = of.map(|(_, stand)| stand);
    let name = format!("P{}", proposal.number);
    let mut steps: Vec<String> = Vec::new();
    if proposal.is_dismissed {
        steps.push(format!(
            "*Restore {name}*, or `self-harness report --restore {name}`: it is offered again"
        ));
    } else if let Some((unit, _)) = of.filter(|(_, stand)| stand.is_waiting()) {
        steps.push(match accepted::may_apply(project.board()) {
            // Exactly what was validated, whichever of its proposals is named.
            true => format!(
                "*Apply {}* at the text that it changes: one step that can be undone",
                accepted::name(unit)
            ),
            false => format!(
                "{name} cannot be applied here: that needs trust, and a store that this machine wrote"
            ),
        });
    } else if accepted::may_validate(project, proposal)
        && matches!(proposal.decision, None | Some(Decision::Undecided(_) | Decision::Held(_)))
    {
        steps.push(format!("*Validate {name}…*, or `self-harness validate`: trials decide about it"));
    }
    steps.push(format!(
        "*Preview {name}*, or `self-harness report --diff {name}`: the change, and nothing else"
    ));
    if !proposal.is_dismissed && !stand.is_some_and(Stand::is_taken) {
        steps.push(format!(
            "*Dismiss {name}*, or `self-harness report --dismiss {name}`: it is offered no more"
        ));
    }
    let steps: String = steps.iter().map(|step| format!("- {step}\n")).collect();
    format!("\n## What can be done\n\n{steps}")
}
