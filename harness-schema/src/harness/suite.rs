//! The tasks of a harness: directories below `tasks.dir` with a `task.toml`, their files, and the split of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::files::{Content, Files};
use crate::path::FilePath;
use crate::split::Split;
use crate::syntax::Document;
use crate::text::Span;

/// The file that makes a directory a task.
pub const TASK_MANIFEST: &str = "task.toml";

/// One task as it is on disk.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its directory below `tasks.dir`, as spelled.
    pub id: String,
    /// Its directory.
    pub directory: FilePath,
    /// Every file in it, by path.
    pub files: Vec<FilePath>,
    /// `task.toml`, if it could be read.
    pub manifest: Option<Arc<Document>>,
    /// `metadata.category`, or what `tasks.family` names.
    pub family: String,
    /// Its split, if it is in one.
    pub split: Option<Split>,
    /// Whether `tasks.exclude` names it.
    pub excluded: bool,
}

/// One of several steps of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name: its directory is `steps/<name>/`.
    pub name: String,
    /// Where `task.toml` names it.
    pub span: Span,
}

impl Task {
    /// A file of the task.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<FilePath> {
        self.directory.join(name).ok()
    }

    /// Whether the task has this file.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.file(name).is_some_and(|path| self.files.binary_search(&path).is_ok())
    }

    /// Its files below one of its directories.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a FilePath> {
        let directory = self.file(directory);
        self.files.iter().filter(move |path| directory.as_ref().is_some_and(|below| path.is_below(below)))
    }

    /// Its steps, as `[[steps]]` of `task.toml` names them; empty for a task of one step.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let Some(document) = &self.manifest else { return Vec::new() };
        let list = document.data().and_then(|tree| tree.root.get("steps")?.as_list()).unwrap_or_default();
        let steps = list.iter().filter_map(|step| {
            let name = step.get("name")?;
            let span = name.verbatim(document.source()).unwrap_or(name.span);
            // What is no name of a directory is said by the shape of `task.toml`.
            let written = name
                .as_text()
                .filter(|name| FilePath::parse(name).is_ok_and(|path| path.as_str() == *name))?;
            Some(Step { name: written.to_owned(), span })
        });
        let mut steps: Vec<Step> = steps.collect();
        let mut seen = BTreeSet::new();
        steps.retain(|step| seen.insert(step.name.clone()));
        steps
    }

    /// The script that judges it, by the system that it runs on.
    #[must_use]
    pub fn test_script(&self) -> &'static str {
        let tree = self.manifest.as_ref().and_then(|document| document.data());
        let os = tree.and_then(|tree| tree.root.at(&["environment", "os"])?.as_text());
        if os == Some("windows") { "tests/test.bat" } else { "tests/test.sh" }
    }

    /// The instruction files: `instruction.md`, or one for each step.
    #[must_use]
    pub fn instructions(&self) -> Vec<FilePath> {
        let steps = self.steps();
        if steps.is_empty() {
            return self.file("instruction.md").into_iter().collect();
        }
        steps.iter().filter_map(|step| self.file(&format!("steps/{}/instruction.md", step.name))).collect()
    }

    /// The files that tell how the task is judged or solved.
    #[must_use]
    pub fn secrets(&self) -> Vec<&FilePath> {
        let is_secret = |path: &&FilePath| {
            let below = path.relative_to(&self.directory).unwrap_or_default();
            let below = below
                .strip_prefix("steps/")
                .and_then(|rest| rest.split_once('/'))
                .map_or(below, |(_, rest)| rest);
            below.starts_with("tests/") || below.starts_with("solution/")
        };
        self.files.iter().filter(is_secret).collect()
    }
}

/// The task directories below `directory`, by id. A directory inside a task is part of that task.
#[must_use]
pub fn find(files: &Files, directory: &FilePath) -> Vec<Task> {
    let mut homes: Vec<FilePath> =
        files.below(directory).filter(|path| path.name() == TASK_MANIFEST).map(FilePath::parent).collect();
    // Outer directories first, so that a task is known before what lies inside it.
    homes.sort_by_key(|home| home.as_str().matches('/').count());
    let mut tasks: BTreeMap<FilePath, Task> = BTreeMap::new();
    for home in homes {
        let Some(id) = home.relative_to(directory).filter(|id| !id.is_empty()) else { continue };
        if is_inside(&home, directory, &tasks) {
            continue;
        }
        let manifest = home.join(TASK_MANIFEST).ok().and_then(|path| files.document(&path).cloned());
        let task = Task {
            id: id.to_owned(),
            files: files.below(&home).cloned().collect(),
            directory: home.clone(),
            family: family(manifest.as_deref(), "metadata.category"),
            manifest,
            split: None,
            excluded: false,
        };
        tasks.insert(home, task);
    }
    tasks.into_values().collect()
}

/// Whether a directory between `directory` and `home` is a task already.
fn is_inside(home: &FilePath, directory: &FilePath, tasks: &BTreeMap<FilePath, Task>) -> bool {
    let mut above = home.parent();
    while above != *directory && !above.as_str().is_empty() {
        if tasks.contains_key(&above) {
            return true;
        }
        above = above.parent();
    }
    false
}

/// The value of a dotted key of `task.toml`, as a text; empty if it is not there.
#[must_use]
pub fn family(manifest: Option<&Document>, key: &str) -> String {
    let keys: Vec<&str> = key.split('.').collect();
    let value = manifest.and_then(|document| document.data()).and_then(|tree| tree.root.at(&keys));
    value.and_then(|value| value.as_text()).unwrap_or_default().to_owned()
}

/// The script of the tests or the solution that a file of the environment is a copy of. Data may be the same on purpose.
#[must_use]
pub fn copied<'a>(files: &Files, task: &'a Task, path: &FilePath) -> Option<&'a FilePath> {
    path.relative_to(&task.directory).filter(|below| below.starts_with("environment/"))?;
    let copy = files.document(path).filter(|copy| !copy.source().trim().is_empty())?;
    let mut secrets = task.secrets().into_iter();
    let is_equal =
        |secret: &FilePath| files.document(secret).is_some_and(|secret| secret.source() == copy.source());
    secrets.find(|secret| secret.name() == path.name() && is_script(path.name()) && is_equal(secret))
}

/// Whether a file judges or solves by being run: `test.sh`, `solve.py`, `test_outputs.py`.
fn is_script(name: &str) -> bool {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_named = ["test", "solve"].contains(&stem) || stem.starts_with("test_") || stem.ends_with("_test");
    is_named && ["sh", "bat", "py", "js", "ts", "rb"].contains(&ending)
}

/// The task files whose text is wanted and was not read yet.
pub(super) fn unread(files: &Files, tasks: &[Task]) -> Vec<FilePath> {
    let mut unread = Vec::new();
    for task in tasks {
        // A file of the environment with the name of a verifier's file may be that file.
        let secrets: Vec<&str> = task.secrets().iter().map(|path| path.name()).collect();
        for path in &task.files {
            let is_unread = matches!(files.on_disk(path).map(|file| &file.content), Some(Content::Unread));
            if is_unread && (is_read(path) || secrets.contains(&path.name())) {
                unread.push(path.clone());
            }
        }
    }
    unread
}

/// Task files that rules read: manifests, instructions, what builds the environment, and verifiers as texts. Data files
/// of an environment may be large and are nobody's documents.
fn is_read(path: &FilePath) -> bool {
    let name = path.name();
    let in_secret = path.as_str().contains("/tests/") || path.as_str().contains("/solution/");
    name == TASK_MANIFEST
        || name == "instruction.md"
        || name == "Dockerfile"
        || name.starts_with("docker-compose")
        || name.starts_with("compose.")
        || in_secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_directories_with_a_manifest_nested_as_you_like() {
        let files = Files::from_texts([
            ("tasks/a/task.toml", "[metadata]\ncategory = \"git\"\n"),
            ("tasks/a/instruction.md", "Do it."),
            ("tasks/a/tests/test.sh", ""),
            ("tasks/a/environment/data/task.toml", ""),
            ("tasks/group/b/task.toml", "[[steps]]\nname = \"one\"\n[[steps]]\nname = \"../x\"\n"),
            ("tasks/group/b/steps/one/instruction.md", ""),
            ("tasks/group/b/steps/draft/instruction.md", ""),
            ("tasks/group/b/steps/one/tests/test.sh", ""),
            ("tasks/notes.md", ""),
        ]);
        let tasks = find(&files, &FilePath::parse("tasks").unwrap());
        let ids: Vec<_> = tasks.iter().map(|task| task.id.as_str()).collect();
        assert_eq!(ids, ["a", "group/b"]);
        assert!(tasks[0].has("tests/test.sh") && !tasks[0].has("solution/solve.sh"));
        assert_eq!(tasks[0].family, "git");
        let steps: Vec<_> = tasks[1].steps().into_iter().map(|step| step.name).collect();
        assert_eq!(steps, ["one"]);
        assert_eq!(
            tasks[1].instructions(),
            [FilePath::parse("tasks/group/b/steps/one/instruction.md").unwrap()]
        );
        let secrets = |task: &Task| task.secrets().iter().map(|path| path.to_string()).collect::<Vec<_>>();
        assert_eq!(secrets(&tasks[1]), ["tasks/group/b/steps/one/tests/test.sh"]);
    }
}
