//! Reads a project from disk: the names of its files first, then the texts that its harness asks for. Writes nothing.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use harness_schema::files::{Content, File, Files, Link, Opaque};
use harness_schema::harness::suite::TASK_MANIFEST;
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::syntax::Document;
use harness_schema::text::{MAX_TEXT_BYTES, Text};
use ignore::WalkBuilder;

use super::walk::{self, Entry, relative};

pub use super::walk::is_read_from;

/// How often texts may ask for more texts: a manifest, what it names, what that imports (at most 5 hops), and some room.
const MAX_ROUNDS: usize = 12;

/// The directories below `folder`, itself included, that hold a `harness.toml`. What git ignores is not looked at, except
/// for the manifest of the folder itself: whoever names it means it.
#[must_use]
pub fn find_roots(folder: &Path) -> Vec<PathBuf> {
    let mut roots = roots_below(folder, true);
    if !roots.iter().any(|root| root == folder) && is_manifest(&folder.join(MANIFEST)) {
        roots.push(folder.to_path_buf());
    }
    roots.sort();
    roots
}

/// The same, ignored or not.
#[must_use]
pub fn find_ignored_roots(folder: &Path) -> Vec<PathBuf> {
    let mut roots = roots_below(folder, false);
    roots.sort();
    roots
}

fn roots_below(folder: &Path, git_ignores: bool) -> Vec<PathBuf> {
    let walk = WalkBuilder::new(folder)
        .standard_filters(git_ignores && !folder.ancestors().any(never_ends))
        // Every list that is looked for is a system call in each directory, and a suite has tens of thousands.
        .ignore(false)
        .git_exclude(false)
        .hidden(false)
        .max_depth(Some(walk::MAX_DEPTH))
        .require_git(false)
        .filter_entry(|entry| {
            let may_end = entry.file_type().is_none_or(|kind| !kind.is_dir() || !never_ends(entry.path()));
            entry.depth() == 0 || !walk::is_skipped(entry.file_name()) && may_end
        })
        .build();
    let manifests = walk.flatten().filter(|entry| entry.file_name() == MANIFEST && is_manifest(entry.path()));
    manifests.filter_map(|entry| entry.path().parent().map(Path::to_path_buf)).collect()
}

/// Whether a directory has a list of what git ignores that is a pipe or a device: it would be opened by the walk.
fn never_ends(directory: &Path) -> bool {
    fs::metadata(directory.join(".gitignore")).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Whether there is a file of that name, or a link: it is for the reader to say that it leads nowhere.
fn is_manifest(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_file() || there.is_symlink())
}

/// The directories above `file` that hold a `harness.toml`, nearest first.
pub fn roots_above(file: &Path) -> impl Iterator<Item = &Path> {
    file.ancestors().skip(1).filter(|directory| directory.join(MANIFEST).is_file())
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
        files = files.with_disk(read_all(root, &files, harness.unread()));
        harness = Harness::resolve(&files, Some(&harness));
    }
    (files, harness)
}

/// From so many files on, two threads read them.
const MANY: usize = 256;

/// The texts of files that were found just now.
fn read_all(root: &Path, files: &Files, unread: &BTreeSet<FilePath>) -> Vec<(FilePath, Option<File>)> {
    let one = |path: &&FilePath| {
        let file = match files.on_disk(path) {
            Some(found) => with_text(root, path, found.clone()),
            None => read(root, path)?,
        };
        // What tells the family of a task is wanted at once; it is read while the other thread waits for the disk.
        if let Content::Text(document) = &file.content
            && path.name() == TASK_MANIFEST
        {
            let _ = document.syntax();
        }
        Some(file)
    };
    let paths: Vec<&FilePath> = unread.iter().collect();
    let read = |paths: &[&FilePath]| -> Vec<(FilePath, Option<File>)> {
        paths.iter().map(|path| ((*path).clone(), one(path))).collect()
    };
    if paths.len() < MANY {
        return read(&paths);
    }
    let (first, second) = paths.split_at(paths.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| read(second));
        let mut all = read(first);
        // A panic there is one here.
        all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        all
    })
}

/// The names of a project's files without their texts, and the directories whose names could not be read.
#[derive(Debug)]
pub struct Survey {
    /// The files.
    pub files: Files,
    /// The directories that the machine did not let us list, and what it said.
    pub refused: Vec<(FilePath, io::Error)>,
}

/// Looks at all names of a project.
#[must_use]
pub fn survey(root: &Path) -> Survey {
    let found = walk::below(root, root);
    let refused = found.refused.into_iter().filter_map(|(path, error)| {
        let path = if path == root { FilePath::root() } else { relative(root, &path)? };
        Some((path, error))
    });
    let files = Files::new(described(root, found.entries));
    // Where it lies tells which file of the project an absolute path means.
    let files = match root.to_str().filter(|_| root.is_absolute()) {
        Some(written) => files.at(written),
        None => files,
    };
    Survey { refused: refused.collect(), files }
}

/// The names of a project's files, without their texts.
#[must_use]
pub fn scan(root: &Path) -> Files {
    survey(root).files
}

/// The names of the files below a directory of a project, without their texts.
#[must_use]
pub fn scan_below(root: &Path, directory: &Path) -> Vec<(FilePath, File)> {
    described(root, walk::below(root, directory).entries).collect()
}

/// One file as it is on disk now, without its text; `None` if it is not there.
#[must_use]
pub fn look(root: &Path, path: &FilePath) -> Option<File> {
    let entry = walk::entry(root, &root.join(path.as_str()))?;
    if entry.is_directory { None } else { describe(entry) }
}

/// One file as it is on disk now, with its text; `None` if it is not there.
#[must_use]
pub fn read(root: &Path, path: &FilePath) -> Option<File> {
    Some(with_text(root, path, look(root, path)?))
}

fn with_text(root: &Path, path: &FilePath, file: File) -> File {
    // What a link leads to outside of the project is none of the project's business.
    if file.link == Some(Link::Outside) {
        return File { content: Content::Opaque(Opaque::Unreadable), ..file };
    }
    let content = read_text(&root.join(path.as_str()), path);
    File { content: content.unwrap_or(Content::Opaque(Opaque::Unreadable)), ..file }
}

/// What the machine says against reading a file; `None` if it lets us.
#[must_use]
pub fn refusal(root: &Path, path: &FilePath) -> Option<io::Error> {
    open(&root.join(path.as_str())).and_then(|(mut file, _)| file.read(&mut [0])).err()
}

/// Opens a file to read it, and says what it is. A pipe or a device is refused, and never waited for.
///
/// # Errors
/// What the machine says, or that it is no file.
pub fn open(path: &Path) -> io::Result<(fs::File, fs::Metadata)> {
    // Opening a device may already do something.
    regular(fs::metadata(path)?)?;
    open_regular(path)
}

/// The same, of a path that was seen to be a file just now.
fn open_regular(path: &Path) -> io::Result<(fs::File, fs::Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path)?;
    // It may be another one than a moment ago.
    let metadata = regular(file.metadata()?)?;
    Ok((file, metadata))
}

fn regular(metadata: fs::Metadata) -> io::Result<fs::Metadata> {
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file")),
    }
}

fn described(root: &Path, entries: Vec<Entry>) -> impl Iterator<Item = (FilePath, File)> {
    let files = entries.into_iter().filter(|entry| !entry.is_directory);
    files.filter_map(move |entry| Some((relative(root, &entry.path)?, describe(entry)?)))
}

fn describe(entry: Entry) -> Option<File> {
    let metadata = match entry.link {
        Some(Link::Outside) => fs::symlink_metadata(&entry.path),
        _ => fs::metadata(&entry.path),
    };
    let executable = is_executable(&metadata.ok()?);
    Some(File { content: Content::Unread, executable, link: entry.link })
}

fn read_text(absolute: &Path, path: &FilePath) -> io::Result<Content> {
    let limit = MAX_TEXT_BYTES as u64;
    let (file, metadata) = open_regular(absolute)?;
    let length = metadata.len();
    if limit < length {
        return Ok(Content::Opaque(Opaque::TooLarge { bytes: length }));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // Asking for no more than there is saves asking whether that was all. A file that grows is told of by the watcher, and
    // one that is made while it is read says that it has nothing.
    let wanted = if length == 0 { limit + 1 } else { length };
    file.take(wanted).read_to_end(&mut bytes)?;
    Ok(match std::str::from_utf8(&bytes) {
        _ if MAX_TEXT_BYTES < bytes.len() => Content::Opaque(Opaque::TooLarge { bytes: bytes.len() as u64 }),
        _ if bytes.contains(&0) => Content::Opaque(Opaque::Binary),
        Ok(text) => Content::Text(Document::new(path.clone(), Text::new(text))),
        Err(error) => Content::Opaque(Opaque::NotUtf8 { byte: error.valid_up_to() as u64 }),
    })
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}
