//! The files of one project as a value: what is on disk, and over it what is open in an editor.
//!
//! Nothing is read here. A file whose text was not asked for yet is [`Content::Unread`]; whoever resolves a harness says
//! which of these it needs, and whoever has a file system reads them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use ecow::EcoString;

use crate::path::FilePath;
use crate::syntax::Document;
use crate::text::MAX_TEXT_BYTES;

/// The files of a project. Copies are cheap; a copy never changes.
#[derive(Clone, Debug, Default)]
pub struct Files {
    disk: Arc<BTreeMap<FilePath, File>>,
    open: Arc<BTreeMap<FilePath, Content>>,
    /// Where the project lies on its machine, with `/`.
    root: Option<Arc<str>>,
}

/// A file on disk.
#[derive(Clone, Debug)]
pub struct File {
    /// Its text.
    pub content: Content,
    /// Whether it may be executed.
    pub executable: bool,
    /// What it is a link to, if it is a link.
    pub link: Option<Link>,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// To a file of the same project.
    Inside(FilePath),
    /// Out of the project, or nowhere.
    Outside,
}

/// What is known of a file's text.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nobody asked for it yet.
    Unread,
    /// A text.
    Text(Arc<Document>),
    /// No text that can be checked.
    Opaque(Opaque),
}

/// Why a file has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// More than [`crate::text::MAX_TEXT_BYTES`].
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
    },
    /// Not UTF-8; the first wrong byte.
    NotUtf8 {
        /// The offset of the first byte that is no UTF-8.
        byte: u64,
    },
    /// It holds NUL bytes.
    Binary,
    /// The machine refused to read it.
    Unreadable,
}

impl Files {
    /// A project from what is on disk.
    #[must_use]
    pub fn new(disk: impl IntoIterator<Item = (FilePath, File)>) -> Self {
        Self { disk: Arc::new(disk.into_iter().collect()), open: Arc::default(), root: None }
    }

    /// The project where it lies on its machine: an absolute path with `/`.
    #[must_use]
    pub fn at(self, root: &str) -> Self {
        Self { root: Some(Arc::from(root.trim_end_matches('/'))), ..self }
    }

    /// The file of the project that a path names by way of what is outside: absolute, or with `..` out of the project and
    /// in again.
    #[must_use]
    pub fn inside(&self, written: &str) -> Option<FilePath> {
        let root = self.root.as_deref()?;
        let absolute = match written {
            _ if written.starts_with('/') => written.to_owned(),
            _ if written.starts_with("../") => format!("{root}/{written}"),
            _ => return None,
        };
        let from_machine_root = |path: &str| FilePath::parse(path.trim_start_matches('/')).ok();
        let (root, path) = (from_machine_root(root)?, from_machine_root(&absolute)?);
        let below = path.relative_to(&root).filter(|below| !below.is_empty())?;
        FilePath::parse(below).ok().filter(|path| self.is_file(path))
    }

    /// A project from texts, for examples and tests.
    ///
    /// # Panics
    /// Never; a name that is no path is left out.
    #[must_use]
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::new(texts.into_iter().filter_map(|(name, text)| {
            let path = FilePath::parse(name).ok()?;
            let content = Content::Text(Document::new(path.clone(), text.into()));
            // In examples a first line that names an interpreter stands for the execute bit.
            Some((path, File { content, executable: text.starts_with("#!"), link: None }))
        }))
    }

    /// What is known of a file; an open text hides the one on disk.
    #[must_use]
    pub fn content(&self, path: &FilePath) -> Option<Content> {
        self.open.get(path).or_else(|| self.disk.get(path).map(|file| &file.content)).cloned()
    }

    /// Whether there is a file whose text nobody asked for yet.
    #[must_use]
    pub fn is_unread(&self, path: &FilePath) -> bool {
        let content = self.open.get(path).or_else(|| self.disk.get(path).map(|file| &file.content));
        matches!(content, Some(Content::Unread))
    }

    /// A file's document, if it is there, read and a text.
    #[must_use]
    pub fn document(&self, path: &FilePath) -> Option<&Arc<Document>> {
        match self.open.get(path).or_else(|| self.disk.get(path).map(|file| &file.content))? {
            Content::Text(document) => Some(document),
            Content::Unread | Content::Opaque(_) => None,
        }
    }

    /// The entry on disk.
    #[must_use]
    pub fn on_disk(&self, path: &FilePath) -> Option<&File> {
        self.disk.get(path)
    }

    /// Whether it is open in an editor.
    #[must_use]
    pub fn is_open(&self, path: &FilePath) -> bool {
        self.open.contains_key(path)
    }

    /// The open documents.
    pub fn open_documents(&self) -> impl Iterator<Item = &Arc<Document>> {
        self.open.values().filter_map(|content| match content {
            Content::Text(document) => Some(document),
            Content::Unread | Content::Opaque(_) => None,
        })
    }

    /// Whether there is a file.
    #[must_use]
    pub fn is_file(&self, path: &FilePath) -> bool {
        self.open.contains_key(path) || self.disk.contains_key(path)
    }

    /// Whether there is a directory, that is, a file below it.
    #[must_use]
    pub fn is_directory(&self, path: &FilePath) -> bool {
        path.as_str().is_empty() || self.below(path).next().is_some()
    }

    /// All files below a directory on disk, by name.
    pub fn below(&self, directory: &FilePath) -> impl Iterator<Item = &FilePath> {
        self.entries_below(directory).map(|(path, _)| path)
    }

    /// All files below a directory on disk with their entries, by name.
    pub fn entries_below(&self, directory: &FilePath) -> impl Iterator<Item = (&FilePath, &File)> {
        // `a-b` sorts before `a/b`, so the files of `a` are those from `a/` up to `a0`, the next byte after the slash.
        let with = |end: &str| -> EcoString { [directory.as_str(), end].into_iter().collect() };
        let (from, to) = match directory.as_str() {
            "" => (Bound::Unbounded, Bound::Unbounded),
            _ => (Bound::Included(with("/")), Bound::Excluded(with("0"))),
        };
        self.disk.range::<str, _>((as_str(&from), as_str(&to)))
    }

    /// Every path on disk, by name.
    pub fn paths(&self) -> impl Iterator<Item = &FilePath> {
        self.disk.keys()
    }

    /// The project with a text open over the disk; one that is too large is open, and not checked.
    #[must_use]
    pub fn with_open(&self, document: Arc<Document>) -> Self {
        let mut files = self.clone();
        let (path, bytes) = (document.path().clone(), document.text().len());
        let content = match bytes <= MAX_TEXT_BYTES {
            true => Content::Text(document),
            false => Content::Opaque(Opaque::TooLarge { bytes: bytes as u64 }),
        };
        Arc::make_mut(&mut files.open).insert(path, content);
        files
    }

    /// The project without what is open.
    #[must_use]
    pub fn without_open(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), open: Arc::default(), root: self.root.clone() }
    }

    /// The project after a text was closed.
    #[must_use]
    pub fn with_closed(&self, path: &FilePath) -> Self {
        let mut files = self.clone();
        Arc::make_mut(&mut files.open).remove(path);
        files
    }

    /// The project after some files on disk appeared, changed (`Some`) or went away (`None`).
    #[must_use]
    pub fn with_disk(&self, changes: impl IntoIterator<Item = (FilePath, Option<File>)>) -> Self {
        let mut files = self.clone();
        let disk = Arc::make_mut(&mut files.disk);
        for (path, file) in changes {
            match file {
                Some(file) => disk.insert(path, file),
                None => disk.remove(&path),
            };
        }
        files
    }

    /// The open texts that are other ones than in `before`; `None` if the two differ in more than that.
    #[must_use]
    pub fn edited_since(&self, before: &Self) -> Option<Vec<&FilePath>> {
        if !self.same_disk(before) || self.root != before.root || self.open.len() != before.open.len() {
            return None;
        }
        let mut edited = Vec::new();
        for ((path, now), (other, then)) in self.open.iter().zip(&*before.open) {
            match (now, then) {
                _ if path != other => return None,
                (Content::Text(now), Content::Text(then)) if Arc::ptr_eq(now, then) => {}
                (Content::Text(_), Content::Text(_)) => edited.push(path),
                (Content::Opaque(now), Content::Opaque(then)) if now == then => {}
                _ => return None,
            }
        }
        Some(edited)
    }

    /// Whether both hold the very same disk entries (the same value, not an equal one).
    #[must_use]
    pub fn same_disk(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.disk, &other.disk)
    }
}

fn as_str(bound: &Bound<EcoString>) -> Bound<&str> {
    match bound {
        Bound::Included(text) => Bound::Included(text),
        Bound::Excluded(text) => Bound::Excluded(text),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> FilePath {
        FilePath::parse(name).unwrap()
    }

    #[test]
    fn below_lists_only_what_is_below() {
        let files = Files::from_texts([("a/b", ""), ("a-b", ""), ("a/c/d", ""), ("a0", ""), ("z", "")]);
        let below: Vec<_> = files.below(&path("a")).map(FilePath::as_str).collect();
        assert_eq!(below, ["a/b", "a/c/d"]);
        assert!(files.is_directory(&path("a/c")) && !files.is_directory(&path("a/b")));
    }

    #[test]
    fn a_path_may_lead_in_from_outside() {
        let files = Files::from_texts([("a/b.md", "")]).at("/home/me/project/");
        for written in ["/home/me/project/a/b.md", "../project/a/b.md", "../../me/project/./a/b.md"] {
            assert_eq!(files.inside(written).as_ref().map(FilePath::as_str), Some("a/b.md"), "{written}");
        }
        for written in
            ["/home/me/project/c.md", "/home/me/projects/a/b.md", "a/b.md", "~/project/a/b.md", "/"]
        {
            assert_eq!(files.inside(written), None, "{written}");
        }
        assert_eq!(files.without_open().inside("../project/a/b.md"), files.inside("../project/a/b.md"));
    }

    #[test]
    fn an_open_text_hides_the_disk_until_it_is_closed() {
        let disk = Files::from_texts([("a.md", "disk")]);
        let open = disk.with_open(Document::new(path("a.md"), "open".into()));
        let source =
            |files: &Files| files.document(&path("a.md")).map(|document| document.source().to_owned());
        assert_eq!(source(&open).as_deref(), Some("open"));
        assert_eq!(source(&open.with_closed(&path("a.md"))).as_deref(), Some("disk"));
        assert!(open.same_disk(&disk));
    }
}
