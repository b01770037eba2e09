//! The page about trust: whether the project may execute anything, and what decides what that is (`editor` 7).

use harness_schema::harness::Executed;

use super::Page;
use super::safe::code;
use crate::engine::board::{StoreState, Trust};
use crate::engine::report::text::markdown as safe;
use crate::engine::report::words::plural;
use crate::workspace::Project;

/// The page.
pub(super) fn page(project: &Project) -> Page {
    let board = project.board();
    let mut out = String::from("# Trust\n\n");
    match &board.trust {
        Trust::Untrusted => out.push_str(
            "Nobody has trusted this project. It is checked; nothing of it is executed, and no model is called.\n\n\
             *Trust…* in an editor, or the first start of a run, shows what would be executed and asks.\n",
        ),
        Trust::Trusted => out.push_str(
            "This project is trusted as it is. A run starts when somebody starts it, and after the question what it costs.\n",
        ),
        Trust::Changed(changes) => {
            let things = plural(changes.len() as u64, "thing", "things");
            out.push_str(&format!(
                "What decides what is executed is not what was trusted. The next start asks again.\n\n## {things} changed\n\n"
            ));
            changes.iter().for_each(|change| out.push_str(&format!("- {}\n", safe(change))));
        }
    }
    match &board.store {
        StoreState::Imported => out.push_str(
            "\n> What was measured comes from elsewhere: it is shown, and nothing of it may be applied before it is validated here.\n",
        ),
        StoreState::Unreadable(why) => {
            out.push_str(&format!("\n> cannot read state.db: {}, checks work\n", safe(why)));
        }
        StoreState::Missing | StoreState::Own => {}
    }
    out.push_str(&format!("\n## What decides what is executed\n\n{}", decides(project)));
    out.push_str(
        "\nPrompts, descriptions and other texts of surfaces are not among it: to edit them never asks.\n",
    );
    Page::markdown(out)
}

fn decides(project: &Project) -> String {
    let programs = &project.board().programs;
    let (mut keys, mut tools, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for executed in project.harness().executed(|path| programs.get(path).copied()).into_keys() {
        match executed {
            Executed::Key(key) => keys.push(code(&key)),
            Executed::Tool(tool) => tools.push(code(&tool)),
            Executed::Program(path) => files.push(code(&path)),
        }
    }
    let mut out = String::new();
    for (what, names) in [("harness.toml", keys), ("tools", tools), ("programs", files)] {
        if !names.is_empty() {
            out.push_str(&format!("- {what}: {}\n", names.join(", ")));
        }
    }
    // They are counted: which of them judge is nobody's concern here.
    let tasks =
        project.harness().suite().tasks.iter().filter(|task| task.split.is_some() && !task.excluded).count();
    if 0 < tasks {
        let tasks = plural(
            tasks as u64,
            "task: its environment and its verifier",
            "tasks: their environments and their verifiers",
        );
        out.push_str(&format!("- {tasks}\n"));
    }
    out
}
