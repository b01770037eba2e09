//! Keys of `task.toml` that Harbor does not read, with what was meant: by its own schema, by what authors write out of
//! habit, and by nearness. Finds them; how they are shown is the family's.

use crate::edit::removal;
use crate::problem::{Change, Fix, FixClass, nearest};
use crate::shape::{self, Shape};
use crate::syntax::Document;
use crate::syntax::data::{Entry, Kind, Style, Table, Tree, Value};
use crate::task::{Advice, habit};
use crate::text::{Span, TextEdit};

/// A key that Harbor does not read, or reads otherwise than it seems.
pub(super) struct Unknown<'a> {
    /// The keys that lead to it, with dots.
    pub(super) path: String,
    /// Key and value.
    pub(super) entry: &'a Entry,
    /// What was meant.
    pub(super) meant: Meant,
}

/// What was meant by a key that Harbor does not read.
pub(super) enum Meant {
    /// Another key of the same table, with its value.
    Key(String, String),
    /// Something about the task, for `[metadata]`.
    Metadata,
    /// Nothing that is known.
    Unknown,
}

/// The keys that Harbor does not read, in the order of the text; everything below `[metadata]` is free.
pub(super) fn unknown<'a>(tree: &'a Tree, source: &str) -> Vec<Unknown<'a>> {
    let mut finder = Finder { source, path: Vec::new(), found: Vec::new() };
    finder.visit(&tree.root, shape::task());
    finder.found.sort_by_key(|unknown| unknown.entry.key.span);
    finder.found
}

struct Finder<'a, 's> {
    source: &'s str,
    path: Vec<&'a str>,
    found: Vec<Unknown<'a>>,
}

impl<'a> Finder<'a, '_> {
    fn visit(&mut self, value: &'a Value, shape: &Shape) {
        match &value.kind {
            Kind::List(list) => {
                if let Some(form) = shape.list() {
                    list.items.iter().for_each(|item| self.visit(item, &form.item));
                }
            }
            Kind::Table(table) => self.table(table, shape),
            _ => {}
        }
    }

    fn table(&mut self, table: &'a Table, shape: &Shape) {
        for entry in &table.entries {
            let name = &*entry.key.name;
            // Older words that Harbor reads as they were meant are nothing to report.
            let habit = habit(&self.path, name);
            if habit.is_some_and(|habit| habit.is_read(&entry.value)) {
                continue;
            }
            let inside = shape.entry(name).filter(|_| habit.is_none());
            self.path.push(name);
            match inside {
                Some(inside) => self.visit(&entry.value, inside),
                None if shape.table().is_some() => {
                    let meant = match habit {
                        Some(habit) if habit.advice == Advice::Metadata => Meant::Metadata,
                        Some(habit) => match habit.instead(&entry.value) {
                            Some((key, value)) => Meant::Key(key.to_owned(), value),
                            None => Meant::Unknown,
                        },
                        None => self.near(entry, shape),
                    };
                    let is_set = |key: &str| table.entries.iter().any(|other| &*other.key.name == key);
                    let meant = match meant {
                        Meant::Key(key, _) if is_set(&key) => Meant::Unknown,
                        meant => meant,
                    };
                    self.found.push(Unknown { path: self.path.join("."), entry, meant });
                }
                None => {}
            }
            self.path.pop();
        }
    }

    fn near(&self, entry: &Entry, shape: &Shape) -> Meant {
        let names = shape.fields().filter(|field| !field.deprecated).map(|field| field.name.as_str());
        match nearest(&entry.key.name, names) {
            Some(key) => Meant::Key(key.to_owned(), entry.value.span.of(self.source).to_owned()),
            None => Meant::Unknown,
        }
    }
}

impl Unknown<'_> {
    /// The key of the same table that was meant.
    pub(super) fn key(&self) -> Option<&str> {
        match &self.meant {
            Meant::Key(key, _) => Some(key),
            Meant::Metadata | Meant::Unknown => None,
        }
    }

    /// The fix that writes what was meant.
    pub(super) fn fix(&self, document: &Document, tree: &Tree) -> Option<Fix> {
        let source = document.source();
        let replace = |span: Span, new_text: &str| TextEdit { span, new_text: new_text.to_owned() };
        let value = self.entry.value.span;
        let (title, edits) = match &self.meant {
            Meant::Key(key, new) if is_written_once(&self.entry.value) => {
                let mut edits = vec![replace(self.entry.key.span, key)];
                if new != value.of(source) {
                    edits.push(replace(value, new));
                }
                (format!("Replace with `{key} = {new}`"), edits)
            }
            Meant::Metadata if is_written_once(&self.entry.value) => {
                let line = format!("{} = {}", self.entry.key.name, value.of(source));
                let moved = into_metadata(tree, source, &line)?;
                let mut edits = removal(document, &[self.entry.key.span])?;
                edits.push(moved);
                (String::from("Move to `[metadata]`"), edits)
            }
            _ => return None,
        };
        let edit = |edit| Change::Edit { file: document.path().clone(), edit };
        Some(Fix { title, class: FixClass::Preview, changes: edits.into_iter().map(edit).collect() })
    }
}

fn is_written_once(value: &Value) -> bool {
    match &value.kind {
        Kind::Table(table) => !matches!(table.style, Style::Header | Style::Dotted),
        Kind::List(list) => list.style != Style::Header,
        _ => true,
    }
}

/// A line below the header of `[metadata]`, or below a new one at the end.
fn into_metadata(tree: &Tree, source: &str, line: &str) -> Option<TextEdit> {
    let (at, new_text) = match tree.root.get("metadata") {
        Some(metadata) => {
            let header = metadata.as_table()?.headers.first()?;
            let rest = source.get(header.end as usize..)?;
            let end = header.end as usize + rest.find(['\r', '\n']).unwrap_or(rest.len());
            (end, format!("\n{line}"))
        }
        None => {
            let gap = if source.ends_with('\n') { "\n" } else { "\n\n" };
            (source.len(), format!("{gap}[metadata]\n{line}\n"))
        }
    };
    Some(TextEdit { span: Span::at(at), new_text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::FilePath;
    use crate::syntax::toml;
    use crate::text::apply_all;

    fn found(source: &str) -> Vec<(String, Option<String>)> {
        let tree = toml::parse(source);
        let found = unknown(&tree, source);
        found.iter().map(|unknown| (unknown.path.clone(), unknown.key().map(str::to_owned))).collect()
    }

    fn fixed(source: &str) -> Option<String> {
        let document = Document::new(FilePath::parse("tasks/t/task.toml").ok()?, source.into());
        let tree = document.data()?;
        let fix = unknown(tree, source).first()?.fix(&document, tree)?;
        let edits: Vec<TextEdit> = fix
            .changes
            .into_iter()
            .filter_map(|change| match change {
                Change::Edit { edit, .. } => Some(edit),
                _ => None,
            })
            .collect();
        apply_all(source, &edits)
    }

    #[test]
    fn what_harbor_does_not_read_is_found_with_what_was_meant() {
        let source = "version = \"1.0\"\n[environment]\nmemory = 2048\nstorage = \"2G\"\ncpu = 1\nallow_internet = false\n\
            [metadata]\nanything = 1\n[task]\nname = \"a/b\"\nformat = 1\n\
            [[steps]]\nname = \"s\"\ndepends_on = []\nagent = { timeout_secs = 3 }\n[verifier.env]\nA = \"b\"\n";
        let pair = |path: &str, key: Option<&str>| (path.to_owned(), key.map(str::to_owned));
        assert_eq!(
            found(source),
            [
                pair("environment.memory", Some("memory_mb")),
                pair("environment.cpu", Some("cpus")),
                pair("task.format", None),
                pair("steps.depends_on", None),
                pair("steps.agent.timeout_secs", Some("timeout_sec")),
            ]
        );
    }

    #[test]
    fn a_key_that_is_set_already_is_not_meant() {
        assert_eq!(
            found("[environment]\nmemory = 2048\nmemory_mb = 1\n"),
            [("environment.memory".to_owned(), None)]
        );
    }

    #[test]
    fn what_is_about_the_task_moves_to_the_metadata() {
        assert_eq!(
            fixed("[task]\nname = \"a/b\"\nlanguage = \"c\"\n\n[metadata]\nx = 1\n").as_deref(),
            Some("[task]\nname = \"a/b\"\n\n[metadata]\nlanguage = \"c\"\nx = 1\n")
        );
        assert_eq!(
            fixed("[task]\nname = \"a/b\"\nlanguage = \"c\"\n").as_deref(),
            Some("[task]\nname = \"a/b\"\n\n[metadata]\nlanguage = \"c\"\n")
        );
    }

    #[test]
    fn sizes_are_rewritten() {
        assert_eq!(
            fixed("[environment]\nmemory = 2048\n").as_deref(),
            Some("[environment]\nmemory_mb = 2048\n")
        );
    }
}
