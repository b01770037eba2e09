//! Reads a project from disk: the names of its files first, then the texts that its harness asks for. Writes nothing.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io::Read;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness_schema::files::{Content, File, Files, Link, Opaque};
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::syntax::Document;
use harness_schema::text::{MAX_TEXT_BYTES, Text};
use ignore::WalkBuilder;

/// Directories that hold no harness file but may hold very many others.
const SKIPPED: [&str; 8] =
    [".git", ".self-harness", "node_modules", ".venv", "__pycache__", "target", ".hg", ".svn"];

/// A file tree deeper than this is not looked at.
const MAX_DEPTH: usize = 32;

/// How often texts may ask for more texts: a manifest, what it names, what that imports (at most 5 hops), and some room.
const MAX_ROUNDS: usize = 12;

/// The directories below `folder`, itself included, that hold a `harness.toml`. Ignored files are not looked at.
#[must_use]
pub fn find_roots(folder: &Path) -> Vec<PathBuf> {
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .max_depth(Some(MAX_DEPTH))
        .require_git(false)
        .filter_entry(|entry| entry.depth() == 0 || !is_skipped(entry.file_name()))
        .build();
    let manifests = walk.flatten().filter(|entry| entry.file_name() == MANIFEST);
    let mut roots: Vec<PathBuf> =
        manifests.filter_map(|entry| entry.path().parent().map(Path::to_path_buf)).collect();
    roots.sort();
    roots
}

/// The nearest directory above `file` that holds a `harness.toml`.
#[must_use]
pub fn root_above(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|directory| directory.join(MANIFEST).is_file()).map(Path::to_path_buf)
}

/// A project with every text that its harness asks for.
#[must_use]
pub fn load(root: &Path) -> Files {
    complete(root, scan(root), None).0
}

/// `files` with the texts that their harness asks for and that were not read yet, and the harness itself.
#[must_use]
pub fn complete(root: &Path, mut files: Files, previous: Option<&Harness>) -> (Files, Harness) {
    let mut harness = Harness::resolve(&files, previous);
    for _ in 0..MAX_ROUNDS {
        if harness.unread().is_empty() {
            break;
        }
        let read = harness.unread().iter().map(|path| (path.clone(), read(root, path)));
        files = files.with_disk(read.collect::<Vec<_>>());
        harness = Harness::resolve(&files, Some(&harness));
    }
    (files, harness)
}

fn is_skipped(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| SKIPPED.contains(&name))
}

/// Whether a path below a root is one that projects are read from.
#[must_use]
pub fn is_read_from(below: &Path) -> bool {
    !below.components().any(|part| is_skipped(part.as_os_str()))
}

/// Everything in and below a directory that projects are read from, the directory first, and what each is. Links are not
/// followed.
pub fn walk(directory: &Path) -> impl Iterator<Item = (PathBuf, FileType)> {
    let walk = WalkBuilder::new(directory)
        .standard_filters(false)
        .max_depth(Some(MAX_DEPTH))
        .filter_entry(|entry| entry.depth() == 0 || !is_skipped(entry.file_name()))
        .build();
    walk.flatten().filter_map(|entry| {
        let kind = entry.file_type()?;
        Some((entry.into_path(), kind))
    })
}

/// The names of a project's files, without their texts.
#[must_use]
pub fn scan(root: &Path) -> Files {
    let files = Files::new(scan_below(root, root));
    // Where it lies tells which file of the project an absolute path means.
    match root.to_str().filter(|_| root.is_absolute()) {
        Some(written) => files.at(written),
        None => files,
    }
}

/// The names of the files below a directory of a project, without their texts.
#[must_use]
pub fn scan_below(root: &Path, directory: &Path) -> Vec<(FilePath, File)> {
    let real = real(root);
    let files = walk(directory).filter(|(_, kind)| !kind.is_dir()).filter_map(|(absolute, kind)| {
        let path = relative(root, &absolute)?;
        Some((path, describe(&real, &absolute, kind.is_symlink())?))
    });
    files.collect()
}

/// One file as it is on disk now, without its text; `None` if it is not there.
#[must_use]
pub fn look(root: &Path, path: &FilePath) -> Option<File> {
    let absolute = root.join(path.as_str());
    let kind = fs::symlink_metadata(&absolute).ok()?.file_type();
    let real = real(root);
    // What lies behind a linked directory is in no project.
    let directory = absolute.parent()?.canonicalize().ok()?;
    if directory != real.join(path.parent().as_str()) {
        return None;
    }
    describe(&real, &absolute, kind.is_symlink())
}

/// One file as it is on disk now, with its text; `None` if it is not there.
#[must_use]
pub fn read(root: &Path, path: &FilePath) -> Option<File> {
    let absolute = root.join(path.as_str());
    let file = look(root, path)?;
    // What a link leads to outside of the project is none of the project's business.
    if file.link == Some(Link::Outside) {
        return Some(File { content: Content::Opaque(Opaque::Unreadable), ..file });
    }
    Some(File { content: read_text(&absolute, path), ..file })
}

/// A root without links in it.
fn real(root: &Path) -> PathBuf {
    root.canonicalize().unwrap_or_else(|_| root.to_path_buf())
}

fn describe(real_root: &Path, absolute: &Path, is_link: bool) -> Option<File> {
    let link = is_link.then(|| {
        let target = absolute.canonicalize().ok();
        target.and_then(|target| relative(real_root, &target)).map_or(Link::Outside, Link::Inside)
    });
    let metadata = match link {
        Some(Link::Outside) => fs::symlink_metadata(absolute),
        _ => fs::metadata(absolute),
    };
    let metadata = metadata.ok()?;
    // A link to a directory is followed by nobody; pipes and devices are no documents.
    if metadata.is_dir() || !(metadata.is_file() || is_link) {
        return None;
    }
    Some(File { content: Content::Unread, executable: is_executable(&metadata), link })
}

fn read_text(absolute: &Path, path: &FilePath) -> Content {
    let limit = MAX_TEXT_BYTES as u64;
    let Ok(file) = fs::File::open(absolute) else { return Content::Opaque(Opaque::Unreadable) };
    let Ok(metadata) = file.metadata() else { return Content::Opaque(Opaque::Unreadable) };
    if limit < metadata.len() {
        return Content::Opaque(Opaque::TooLarge { bytes: metadata.len() });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may grow while it is read.
    if file.take(limit + 1).read_to_end(&mut bytes).is_err() {
        return Content::Opaque(Opaque::Unreadable);
    }
    if MAX_TEXT_BYTES < bytes.len() {
        return Content::Opaque(Opaque::TooLarge { bytes: bytes.len() as u64 });
    }
    if bytes.contains(&0) {
        return Content::Opaque(Opaque::Binary);
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Content::Text(Document::new(path.clone(), Text::new(text))),
        Err(error) => Content::Opaque(Opaque::NotUtf8 { byte: error.valid_up_to() as u64 }),
    }
}

fn relative(root: &Path, path: &Path) -> Option<FilePath> {
    let parts: Option<Vec<&str>> =
        path.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_str()).collect();
    FilePath::parse(&parts?.join("/")).ok()
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}
