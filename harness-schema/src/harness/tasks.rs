//! The tasks of a harness: what the manifest says of them, which there are, and the split of each.

use std::sync::Arc;

use super::reader::{Reader, items};
use super::symbols::{Symbol, SymbolKind};
use super::{Harness, PathKind, Role, Suite, Task, suite};
use crate::files::Files;
use crate::path::FilePath;
use crate::problem::Location;
use crate::split::{self, Shares, Split, TaskPattern};
use crate::syntax::data::{Entry, Kind, Value};
use crate::text::Span;

impl Harness {
    /// Tasks that the manifest calls by name.
    pub(super) fn read_task_names(&mut self, root: &Value, at: Reader<'_>) {
        let Some(tasks) = root.get("tasks") else { return };
        if tasks.get("dataset").is_none() && tasks.get("preset").is_none() {
            self.add_path(tasks.get("dir"), PathKind::Directory, "tasks.dir", at);
        }
        for key in ["held_in", "held_out", "sealed", "exclude"] {
            for item in items(tasks.get(key)) {
                if let Some(name) = item.as_text().filter(|name| !TaskPattern::new(name).is_glob()) {
                    self.add_mention(SymbolKind::Task, name, item, at);
                }
            }
        }
    }

    /// What `[tasks]` says there is; of `previous` if nothing of it changed.
    pub(super) fn read_suite(&mut self, previous: Option<&Self>) -> Arc<Suite> {
        let document = Arc::clone(&self.manifest.document);
        let Some(tasks) = document.data().and_then(|tree| tree.root.get("tasks")) else {
            return Arc::default();
        };
        if tasks.get("dataset").is_some() || tasks.get("preset").is_some() {
            return Arc::default();
        }
        let written = tasks.get("dir").and_then(Value::as_text).unwrap_or("tasks");
        let Ok(directory) = FilePath::parse(written) else { return Arc::default() };
        // A suite may be large: it is found again only if the disk, an open task file or `[tasks]` changed.
        if let Some(before) = previous {
            let old = before.manifest.document.data().and_then(|tree| tree.root.get("tasks"));
            let same_table = old.is_some_and(|old| is_same(old, tasks));
            if same_table
                && before.files.same_disk(&self.files)
                && same_open(&before.files, &self.files, &directory)
            {
                return Arc::clone(&before.suite);
            }
        }
        let mut found = suite::find(&self.files, &directory);
        if let Some(key) = tasks.get("family").and_then(Value::as_text) {
            for task in &mut found {
                task.family = suite::family(task.manifest.as_deref(), key);
            }
        }
        assign(tasks, &mut found);
        found.sort_by(|a, b| a.directory.cmp(&b.directory));
        Arc::new(Suite { directory: Some(directory), tasks: found, ..Suite::default() })
    }

    /// Names every task, and says what each file of it is for.
    pub(super) fn name_tasks(&mut self, manifest: &FilePath) {
        let suite = Arc::clone(&self.suite);
        suite.named.get_or_init(|| {
            let role = |task, path| {
                task_role(task, path)
                    .or_else(|| suite::copied(&self.files, task, path).map(|_| Role::Verifier))
            };
            let files = suite.tasks.iter().flat_map(|task| task.files.iter().map(move |path| (task, path)));
            files.filter_map(|(task, path)| Some((path.clone(), role(task, path)?))).collect()
        });
        for task in &suite.tasks {
            let at = task.file(suite::TASK_MANIFEST).unwrap_or_else(|| manifest.clone());
            self.symbols.define_unspelled(Symbol {
                kind: SymbolKind::Task,
                name: task.id.as_str().into(),
                at: Location::new(&at, Span::at(0)),
                extent: Span::at(0),
                detail: task.split.map_or("in no split", Split::word).into(),
            });
        }
        if suite.is_read.get().is_none() {
            let unread = suite::unread(&self.files, &suite.tasks);
            if unread.is_empty() {
                let _ = suite.is_read.set(());
            }
            self.unread.extend(unread);
        }
    }
}

/// What a file of a task is for; `None` for data that nobody checks.
fn task_role(task: &Task, path: &FilePath) -> Option<Role> {
    let below = path.relative_to(&task.directory)?;
    let step =
        below.strip_prefix("steps/").and_then(|rest| rest.split_once('/')).map_or(below, |(_, rest)| rest);
    match step {
        "task.toml" => Some(Role::TaskManifest),
        "instruction.md" => Some(Role::Instruction),
        _ if step.starts_with("tests/") || step.starts_with("solution/") => Some(Role::Verifier),
        _ if below.starts_with("environment/") => {
            let name = path.name();
            let builds =
                name == "Dockerfile" || name.starts_with("docker-compose") || name.starts_with("compose.");
            builds.then_some(Role::Environment)
        }
        _ => None,
    }
}

/// Puts each task into its split.
fn assign(table: &Value, tasks: &mut [Task]) {
    let patterns = |key: &str| -> Vec<TaskPattern> {
        items(table.get(key)).filter_map(Value::as_text).map(TaskPattern::new).collect()
    };
    let exclude = patterns("exclude");
    for task in tasks.iter_mut() {
        task.excluded = exclude.iter().any(|pattern| pattern.matches(&task.id));
    }
    if let Some(split) = table.get("split") {
        let share = |key: &str, default: f64| match split.get(key).map(|value| &value.kind) {
            Some(Kind::Float(share)) => *share,
            Some(Kind::Integer(share)) => *share as f64,
            _ => default,
        };
        let shares = Shares {
            held_in: share("held_in", 0.5),
            held_out: share("held_out", 0.3),
            sealed: share("sealed", 0.2),
        };
        let seed = match split.get("seed").map(|value| &value.kind) {
            Some(Kind::Integer(seed)) => seed.to_string(),
            Some(Kind::Text(seed)) => seed.value.to_string(),
            _ => String::from("0"),
        };
        let scheduled: Vec<(&str, &str)> = tasks
            .iter()
            .filter(|task| !task.excluded)
            .map(|task| (task.id.as_str(), task.family.as_str()))
            .collect();
        let splits = split::seeded(&seed, shares, &scheduled);
        for (task, split) in tasks.iter_mut().filter(|task| !task.excluded).zip(splits) {
            task.split = Some(split);
        }
        return;
    }
    for split in Split::ALL {
        let patterns = patterns(split.key());
        for task in tasks.iter_mut().filter(|task| task.split.is_none() && !task.excluded) {
            if patterns.iter().any(|pattern| pattern.matches(&task.id)) {
                task.split = Some(split);
            }
        }
    }
}

/// Whether two values say the same, wherever and however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Table(one), Kind::Table(other)) => {
            let pairs = one.entries.iter().zip(&other.entries);
            let same = |(one, other): (&Entry, &Entry)| {
                one.key.name == other.key.name && is_same(&one.value, &other.value)
            };
            one.entries.len() == other.entries.len() && pairs.into_iter().all(same)
        }
        (Kind::List(one), Kind::List(other)) => {
            let mut pairs = one.items.iter().zip(&other.items);
            one.items.len() == other.items.len() && pairs.all(|(one, other)| is_same(one, other))
        }
        (Kind::Text(one), Kind::Text(other)) => one.value == other.value,
        (one, other) => one == other,
    }
}

/// Whether the same texts are open below a directory.
fn same_open(before: &Files, now: &Files, directory: &FilePath) -> bool {
    let open = |files: &'_ Files| {
        let below = files.open_documents().filter(|document| document.path().is_below(directory));
        below.map(Arc::as_ptr).collect::<Vec<_>>()
    };
    open(before) == open(now)
}
