//! Moves a task from one split to another, where the splits are lists in the manifest.

use harness_schema::edit::removal;
use harness_schema::harness::{Role, SymbolKind};
use harness_schema::problem::Change;
use harness_schema::split::Split;
use harness_schema::syntax::data::Value;
use harness_schema::text::{Span, TextEdit};

use super::actions::Action;
use crate::workspace::Site;

/// The moves of the task at a place: of its id in a list, or of the task whose own document this is.
#[must_use]
pub fn moves(site: &Site, span: Span) -> Vec<Action> {
    let harness = site.project.harness();
    let Some(id) = task_at(site, span) else { return Vec::new() };
    let Some(tasks) = harness.tree().root.get("tasks").filter(|tasks| tasks.get("split").is_none()) else {
        return Vec::new();
    };
    let Some((from, index)) =
        Split::ALL.into_iter().find_map(|split| Some((split, listed(tasks, split, &id)?)))
    else {
        return Vec::new();
    };
    let targets = Split::ALL.into_iter().filter(|split| *split != from);
    targets.filter_map(|to| relocate(site, tasks, &id, (from, index), to)).collect()
}

fn task_at(site: &Site, span: Span) -> Option<String> {
    let harness = site.project.harness();
    match harness.role(&site.file)? {
        Role::Manifest => {
            let mention = harness.mention_at(&site.file, span.start as usize)?;
            (mention.kind == SymbolKind::Task).then(|| mention.name.to_string())
        }
        Role::TaskManifest | Role::Instruction => Some(harness.suite().task_of(&site.file)?.id.clone()),
        _ => None,
    }
}

/// The place of a task in the list of a split, written out and not by a pattern.
fn listed(tasks: &Value, split: Split, id: &str) -> Option<usize> {
    let items = tasks.get(split.key())?.as_list()?;
    items.iter().position(|item| item.as_text() == Some(id))
}

fn relocate(
    site: &Site,
    tasks: &Value,
    id: &str,
    (from, index): (Split, usize),
    to: Split,
) -> Option<Action> {
    let document = &site.project.harness().manifest_file().document;
    let item = tasks.get(from.key())?.as_list()?.get(index)?;
    let mut edits = removal(document, &[item.span])?;
    let (at, new_text) = match tasks.get(to.key()) {
        Some(list) => match list.as_list()?.last() {
            Some(last) => (last.span.end as usize, format!(", \"{id}\"")),
            None => (list.span.start as usize + 1, format!("\"{id}\"")),
        },
        // A list of its own, behind the one that the task comes from.
        None => {
            let list = tasks.entry(from.key())?.span();
            let line = document.text().line_span(document.text().line_of(list.end as usize));
            let end = document.text().line_ending();
            (line.end as usize, format!("{end}{} = [\"{id}\"]", to.key()))
        }
    };
    let file = document.path().clone();
    edits.push(TextEdit { span: Span::at(at), new_text });
    Some(Action {
        title: format!("Move `{id}` to `{}`", to.key()),
        changes: edits.into_iter().map(|edit| Change::Edit { file: file.clone(), edit }).collect(),
        problem: None,
        preferred: false,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;
    use harness_schema::path::FilePath;
    use harness_schema::text::apply_all;

    use super::*;
    use crate::workspace::Workspace;

    /// The titles and results of all moves at `at` in a file.
    fn moved(tasks: &str, file: &str, at: &str) -> Vec<(String, String)> {
        let manifest = format!(
            "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\nsystem = {{ text = \"s\" }}\n{tasks}"
        );
        let mut workspace = Workspace::default();
        let files = [
            ("harness.toml", manifest.as_str()),
            ("tasks/a/task.toml", "version = \"1.0\"\n"),
            ("tasks/b/task.toml", ""),
        ];
        workspace.set_project(Path::new("/p"), Files::from_texts(files));
        let snapshot = workspace.snapshot();
        let project = snapshot.project(Path::new("/p")).unwrap();
        let site = Site { project: project.clone(), file: FilePath::parse(file).unwrap() };
        let source = project.harness().document(&site.file).unwrap().source().to_owned();
        let span = Span::at(source.find(at).unwrap() + 1);
        let result = |action: Action| {
            let edits: Vec<TextEdit> = action
                .changes
                .iter()
                .map(|change| match change {
                    Change::Edit { edit, .. } => edit.clone(),
                    other => panic!("{other:?}"),
                })
                .collect();
            let after = apply_all(&manifest, &edits).unwrap();
            (action.title, after.split_once("[tasks]\n").unwrap().1.to_owned())
        };
        moves(&site, span).into_iter().map(result).collect()
    }

    #[test]
    fn a_task_moves_from_list_to_list() {
        let tasks = "[tasks]\nheld_in = [\"a\", \"b\"] # c\nheld_out = []\n";
        let expected = [
            (
                String::from("Move `b` to `held_out`"),
                String::from("held_in = [\"a\"] # c\nheld_out = [\"b\"]\n"),
            ),
            (
                String::from("Move `b` to `sealed`"),
                String::from("held_in = [\"a\"] # c\nsealed = [\"b\"]\nheld_out = []\n"),
            ),
        ];
        assert_eq!(moved(tasks, "harness.toml", "\"b\""), expected);
        assert_eq!(moved(tasks, "tasks/a/task.toml", "version")[0].0, "Move `a` to `held_out`");
    }

    #[test]
    fn what_a_pattern_or_a_seed_decides_does_not_move() {
        assert!(
            moved("[tasks]\nheld_in = [\"a*\"]\nheld_out = [\"b\"]\n", "tasks/a/task.toml", "version")
                .is_empty()
        );
        assert!(moved("[tasks]\nsplit = { seed = 7 }\n", "tasks/a/task.toml", "version").is_empty());
    }
}
