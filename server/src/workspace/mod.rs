//! Open buffers over disk text, and the immutable view of both that everyone reads. Reads no file and asks no clock.
//!
//! A [`Workspace`] changes by one writer, in the order in which changes arrive; each change makes a new [`Snapshot`] with
//! a higher revision. Whoever reads keeps its snapshot for as long as it likes. What a snapshot means (its harnesses and
//! their problems) is worked out when first asked for, once, by whoever asks.
#![forbid(clippy::disallowed_methods, clippy::disallowed_types)]

mod project;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_schema::files::Files;
use harness_schema::harness::MANIFEST;
use harness_schema::path::FilePath;
use harness_schema::text::{Text, TextEdit};

pub use project::{Project, relative};

use crate::engine::board::Board;

/// Everything that is open or on disk, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    revision: u64,
    projects: BTreeMap<PathBuf, Arc<Project>>,
    buffers: BTreeMap<PathBuf, Buffer>,
}

/// A text that an editor has open.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// The text.
    pub text: Text,
    /// The editor's own number for it.
    pub version: i32,
}

/// A file of a harness: the project that names it and its path there.
#[derive(Clone, Debug)]
pub struct Site {
    /// The project.
    pub project: Arc<Project>,
    /// The file.
    pub file: FilePath,
}

/// A change of one buffer: a replacement of a span, or of the whole text.
#[derive(Clone, Debug)]
pub enum Change {
    /// A part.
    Part(TextEdit),
    /// The whole text.
    Whole(String),
}

/// The single writer.
#[derive(Debug, Default)]
pub struct Workspace {
    now: Snapshot,
    disk_revision: u64,
}

impl Workspace {
    /// What there is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.now.clone()
    }

    /// The number of the newest state.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.now.revision
    }

    /// A number that grows when projects come, go, or change on disk.
    #[must_use]
    pub fn disk_revision(&self) -> u64 {
        self.disk_revision
    }

    /// The text of an open buffer.
    #[must_use]
    pub fn buffer(&self, path: &Path) -> Option<&Buffer> {
        self.now.buffers.get(path)
    }

    /// A text was opened.
    pub fn open(&mut self, path: &Path, version: i32, text: &str) {
        self.put(path, version, || Text::new(text), None);
    }

    /// An open text changed; the changes apply in order, each to the result of the one before. `resolve` turns what the
    /// protocol says into a change of the text it is given. A text that is not open is left alone.
    pub fn change<C>(
        &mut self,
        path: &Path,
        version: i32,
        changes: Vec<C>,
        resolve: impl Fn(&Text, C) -> Change,
    ) {
        let Some(buffer) = self.now.buffers.get(path) else { return };
        let mut text = buffer.text.clone();
        let mut edits = Some(Vec::with_capacity(changes.len()));
        // The last of them is applied with all others to the documents, which share the text.
        let mut last: Option<TextEdit> = None;
        for change in changes {
            if let Some(edit) = last.take() {
                text = text.edited(&edit);
            }
            match resolve(&text, change) {
                Change::Part(edit) => {
                    if let Some(edits) = &mut edits {
                        edits.push(edit.clone());
                    }
                    last = Some(edit);
                }
                Change::Whole(whole) => {
                    text = Text::new(&whole);
                    edits = None;
                }
            }
        }
        let text = || last.as_ref().map_or_else(|| text.clone(), |edit| text.edited(edit));
        self.put(path, version, text, edits.as_deref());
    }

    /// An open text was closed; the file on disk shows again.
    pub fn close(&mut self, path: &Path) {
        if self.now.buffers.remove(path).is_none() {
            return;
        }
        self.now.revision += 1;
        for (root, project) in &mut self.now.projects {
            if let Some(file) = relative(root, path) {
                *project = Arc::new(project.with_files(project.files().with_closed(&file)));
            }
        }
    }

    /// A project was read, or read again; open buffers are laid over it.
    pub fn set_project(&mut self, root: &Path, disk: Files) {
        let open = self.now.buffers.iter().filter_map(|(path, buffer)| Some((relative(root, path)?, buffer)));
        // What was open when the disk was read may have been closed since.
        let files = open.fold(disk.without_open(), |files, (file, buffer)| {
            files.with_open(harness_schema::syntax::Document::new(file, buffer.text.clone()))
        });
        let project = match self.now.projects.get(root) {
            Some(project) => project.with_files(files),
            None => Project::new(root, files),
        };
        self.now.projects.insert(root.to_path_buf(), Arc::new(project));
        self.now.revision += 1;
        self.disk_revision += 1;
    }

    /// Replaces the files of a project that is there, if they are still those that `update` was made from on disk; says
    /// whether they were.
    pub fn update_disk(&mut self, root: &Path, from: &Files, update: Files) -> bool {
        let Some(project) = self.now.projects.get(root) else { return false };
        if !project.files().same_disk(from) {
            return false;
        }
        self.set_project(root, update);
        true
    }

    /// What is known of a project besides its files is another now; whether the project is there.
    pub fn set_board(&mut self, root: &Path, board: Arc<Board>) -> bool {
        let Some(project) = self.now.projects.get_mut(root) else { return false };
        *project = Arc::new(project.with_board(board));
        self.now.revision += 1;
        true
    }

    /// A project is gone.
    pub fn remove_project(&mut self, root: &Path) {
        if self.now.projects.remove(root).is_some() {
            self.now.revision += 1;
            self.disk_revision += 1;
        }
    }

    /// Lays a text over the projects that it belongs to. With `edits` it is made from what is open there.
    fn put(&mut self, path: &Path, version: i32, text: impl Fn() -> Text, edits: Option<&[TextEdit]>) {
        self.now.revision += 1;
        let mut shared: Option<Text> = None;
        for (root, project) in &mut self.now.projects {
            let Some(file) = relative(root, path) else { continue };
            let files = project.files();
            let document = match (edits, files.is_open(&file).then(|| files.document(&file)).flatten()) {
                (Some(edits), Some(document)) => document.edited(edits),
                _ => harness_schema::syntax::Document::new(file, shared.clone().unwrap_or_else(&text)),
            };
            shared.get_or_insert_with(|| document.text().clone());
            *project = Arc::new(project.with_files(files.with_open(document)));
        }
        let buffer = Buffer { text: shared.unwrap_or_else(text), version };
        self.now.buffers.insert(path.to_path_buf(), buffer);
    }
}

impl Snapshot {
    /// Its number; a later one is higher.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The open texts.
    #[must_use]
    pub fn buffers(&self) -> &BTreeMap<PathBuf, Buffer> {
        &self.buffers
    }

    /// The projects, by root.
    pub fn projects(&self) -> impl Iterator<Item = &Arc<Project>> {
        self.projects.values()
    }

    /// The project at a root.
    #[must_use]
    pub fn project(&self, root: &Path) -> Option<&Arc<Project>> {
        self.projects.get(root)
    }

    /// The site of a file: the nearest `harness.toml` above it that names it. A file that no manifest names has none.
    #[must_use]
    pub fn site(&self, path: &Path) -> Option<Site> {
        // Longer roots are nearer; a path's roots are its ancestors.
        path.ancestors().skip(1).find_map(|root| {
            let project = self.projects.get(root)?;
            let file = relative(root, path)?;
            let named = file.as_str() == MANIFEST || project.harness().names(&file);
            named.then(|| Site { project: Arc::clone(project), file })
        })
    }
}

#[cfg(test)]
mod tests;
