//! Where in a document a check is, for messages: `[runtime]`, `[[runtime.rule]]`, or the file itself.

use crate::path::FilePath;

/// One step down a document.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// Into the entry of a table.
    Key(&'a str),
    /// Into an item of a list, with what it is known by.
    Item(&'a str),
}

/// Where a check is.
pub(super) struct Place<'a> {
    file: &'a FilePath,
    /// Whether tables are written as in TOML.
    is_toml: bool,
    parts: Vec<Part<'a>>,
}

impl<'a> Place<'a> {
    pub(super) fn new(file: &'a FilePath) -> Self {
        Self { file, is_toml: file.extension() == "toml", parts: Vec::new() }
    }

    pub(super) fn push(&mut self, part: Part<'a>) {
        self.parts.push(part);
    }

    pub(super) fn pop(&mut self) {
        self.parts.pop();
    }

    /// The keys from the root, without items of lists.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Key(key) => Some(*key),
            Part::Item(_) => None,
        })
    }

    /// The last key.
    pub(super) fn key(&self) -> &'a str {
        self.keys().last().unwrap_or_default()
    }

    /// Whether it is an item of a list.
    pub(super) fn is_item(&self) -> bool {
        matches!(self.parts.last(), Some(Part::Item(_)))
    }

    /// Keys, and what items are known by, with dots: what a problem is about.
    pub(super) fn path(&self) -> String {
        let part = |part: &Part<'a>| match part {
            Part::Key(name) | Part::Item(name) => *name,
        };
        self.parts.iter().map(part).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// The table that holds the present key, as its header, or the file.
    pub(super) fn table(&self) -> String {
        let parents = match self.parts.split_last() {
            Some((Part::Key(_), parents)) => parents,
            _ => &self.parts,
        };
        self.header(parents)
    }

    /// The present table, as its header, or the file.
    pub(super) fn here(&self) -> String {
        self.header(&self.parts)
    }

    fn header(&self, parts: &[Part<'_>]) -> String {
        let keys: Vec<&str> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Key(key) => Some(*key),
                Part::Item(_) => None,
            })
            .collect();
        let keys = keys.join(".");
        match parts.last() {
            None => format!("`{}`", self.file.name()),
            Some(_) if !self.is_toml => format!("`{keys}`"),
            Some(Part::Item(_)) => format!("`[[{keys}]]`"),
            Some(Part::Key(_)) => format!("`[{keys}]`"),
        }
    }
}
