//! The names below a directory of a project, through links that stay in the project. Reads no text, writes nothing.
//!
//! A link to a directory stands for what lies there, if that is beneath the root: each file is found once under each of its
//! names. A link that leads out of the project or nowhere is a name with nothing behind it.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Component, Path, PathBuf};

use harness_schema::files::Link;
use harness_schema::path::FilePath;

/// Directories that hold no harness file but may hold very many others.
const SKIPPED: [&str; 8] =
    [".git", ".self-harness", "node_modules", ".venv", "__pycache__", "target", ".hg", ".svn"];

/// A file tree deeper than this is not looked at.
pub const MAX_DEPTH: usize = 32;

/// Links to directories with such links can give a few files very many names. So many of these are looked at.
const MAX_BEHIND_LINKS: usize = 50_000;

/// Something with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, the links on the way to it among it.
    pub path: PathBuf,
    /// Whether it is a directory; else it is a file, or a link with nothing behind it.
    pub is_directory: bool,
    /// What it is under the name without links, if a link is on the way to it or it is one.
    pub link: Option<Link>,
}

/// What is below a directory.
#[derive(Debug, Default)]
pub struct Found {
    /// Directories before what they hold, in the order of names, the first directory before all.
    pub entries: Vec<Entry>,
    /// The directories that the machine did not let us list, and what it said.
    pub refused: Vec<(PathBuf, io::Error)>,
}

/// Everything in and below a directory of a project. Pipes and devices have no place in a project, so they are not there.
#[must_use]
pub fn below(root: &Path, directory: &Path) -> Found {
    let Some(way) = way(root, directory) else {
        // A link that nothing is behind is there all the same.
        let entries = entry(root, directory).into_iter().filter(|entry| !entry.is_directory).collect();
        return Found { entries, refused: Vec::new() };
    };
    let mut walk = Walk { root, way, behind_links: 0, found: Found::default() };
    walk.enter(directory.to_path_buf());
    walk.found
}

/// What a name of a project stands for; `None` if nothing is there.
#[must_use]
pub fn entry(root: &Path, path: &Path) -> Option<Entry> {
    let way = way(root, path.parent()?)?;
    let name = path.file_name()?;
    let kind = fs::symlink_metadata(way.last()?.join(name)).ok()?.file_type();
    Some(named(root, &way, path.to_path_buf(), &behind(&way, name, kind)?))
}

/// Whether a path below a root is one that projects are read from.
#[must_use]
pub fn is_read_from(below: &Path) -> bool {
    !below.components().any(|part| is_skipped(part.as_os_str()))
}

/// Whether a project looks past everything of this name.
#[must_use]
pub fn is_skipped(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| SKIPPED.contains(&name))
}

struct Walk<'a> {
    root: &'a Path,
    /// The directories on the way to where we are, without links, the root first.
    way: Vec<PathBuf>,
    /// How many names behind linked directories were found.
    behind_links: usize,
    found: Found,
}

impl Walk<'_> {
    fn enter(&mut self, path: PathBuf) {
        let Some(here) = self.way.last() else { return };
        let listed = list(here);
        let entry = named(self.root, &self.way, path.clone(), &Behind::Directory(here.clone()));
        let is_linked = entry.link.is_some();
        self.found.entries.push(entry);
        match listed {
            Ok(entries) if self.way.len() <= MAX_DEPTH => {
                entries.iter().for_each(|entry| self.add(&path, is_linked, entry));
            }
            Ok(_) => {}
            // It went while we were on our way.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.found.refused.push((path, error)),
        }
    }

    fn add(&mut self, directory: &Path, is_linked: bool, entry: &DirEntry) {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else { return };
        if is_skipped(&name) {
            return;
        }
        let Some(behind) = behind(&self.way, &name, kind) else { return };
        let named = named(self.root, &self.way, directory.join(&name), &behind);
        if is_linked || (named.is_directory && named.link.is_some()) {
            self.behind_links += 1;
            if MAX_BEHIND_LINKS < self.behind_links {
                return;
            }
        }
        match behind {
            Behind::Directory(real) => {
                self.way.push(real);
                self.enter(named.path);
                self.way.pop();
            }
            Behind::File(_) | Behind::Nothing => self.found.entries.push(named),
        }
    }
}

fn list(directory: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<DirEntry>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

/// What is behind a name, under its own name.
enum Behind {
    Directory(PathBuf),
    File(PathBuf),
    /// The link leads out of the project, or nowhere.
    Nothing,
}

/// What is behind a name in the directory that a way ends in; `None` if it is no part of a project: a pipe, a device, or a
/// directory that we come from.
fn behind(way: &[PathBuf], name: &OsStr, kind: FileType) -> Option<Behind> {
    let (root, here) = (way.first()?, way.last()?);
    let mut real = here.join(name);
    let mut kind = kind;
    if kind.is_symlink() {
        match real.canonicalize() {
            Ok(target) if target.starts_with(root) => real = target,
            _ => return Some(Behind::Nothing),
        }
        kind = fs::symlink_metadata(&real).ok()?.file_type();
    }
    match kind {
        kind if kind.is_dir() => (!way.contains(&real)).then_some(Behind::Directory(real)),
        kind if kind.is_file() => Some(Behind::File(real)),
        _ => None,
    }
}

fn named(root: &Path, way: &[PathBuf], path: PathBuf, behind: &Behind) -> Entry {
    let link = match (behind, way.first()) {
        (Behind::Directory(real) | Behind::File(real), Some(real_root)) => {
            let is_own_name =
                path.strip_prefix(root).is_ok_and(|below| real.strip_prefix(real_root) == Ok(below));
            (!is_own_name).then(|| relative(real_root, real).map_or(Link::Outside, Link::Inside))
        }
        _ => Some(Link::Outside),
    };
    Entry { path, is_directory: matches!(behind, Behind::Directory(_)), link }
}

/// A path below a root as the root's project writes it.
#[must_use]
pub fn relative(root: &Path, path: &Path) -> Option<FilePath> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
    FilePath::parse(&parts?.join("/")).ok()
}

/// The directories on the way from a root to a directory, both among them, without links; `None` if a link leads out of the
/// project or goes round in a circle, or the directory is not there.
fn way(root: &Path, directory: &Path) -> Option<Vec<PathBuf>> {
    let mut way = vec![root.canonicalize().ok()?];
    for part in directory.strip_prefix(root).ok()?.components() {
        let Component::Normal(part) = part else { return None };
        let kind = fs::symlink_metadata(way.last()?.join(part)).ok()?.file_type();
        match behind(&way, part, kind)? {
            Behind::Directory(real) => way.push(real),
            Behind::File(_) | Behind::Nothing => return None,
        }
    }
    Some(way)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("self-harness-walk-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str) -> &Self {
            fs::create_dir_all(self.0.join(name).parent().unwrap()).unwrap();
            fs::write(self.0.join(name), "").unwrap();
            self
        }

        fn link(&self, name: &str, to: &str) -> &Self {
            symlink(to, self.0.join(name)).unwrap();
            self
        }

        /// What is no directory, each with where it really is.
        fn files(&self) -> Vec<String> {
            let found = below(&self.0, &self.0);
            let files = found.entries.iter().filter(|entry| !entry.is_directory);
            let shown = files.map(|found| {
                // One look must say what the walk says.
                assert_eq!(entry(&self.0, &found.path).as_ref(), Some(found));
                let name = found.path.strip_prefix(&self.0).unwrap().display().to_string();
                match &found.link {
                    None => name,
                    Some(Link::Inside(real)) => format!("{name} = {real}"),
                    Some(Link::Outside) => format!("{name} = ?"),
                }
            });
            shown.collect()
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_linked_directory_inside_is_read_through() {
        let root = Root::new("inside");
        root.write("shared/deep/a.md")
            .write("b.md")
            .link("prompts", "shared")
            .link("c.md", "prompts/deep/a.md");
        assert_eq!(
            root.files(),
            ["b.md", "c.md = shared/deep/a.md", "prompts/deep/a.md = shared/deep/a.md", "shared/deep/a.md"]
        );
        assert_eq!(below(&root.0, &root.0.join("prompts/deep")).entries.len(), 2);
    }

    #[test]
    fn links_that_leave_have_nothing_behind_them() {
        let outside = Root::new("elsewhere");
        outside.write("a.md");
        let root = Root::new("outside");
        let to = outside.0.display().to_string();
        root.link("directory", &to).link("file", &format!("{to}/a.md")).link("up", "..").link("none", "none");
        assert_eq!(root.files(), ["directory = ?", "file = ?", "none = ?", "up = ?"]);
        assert_eq!(entry(&root.0, &root.0.join("directory/a.md")), None);
        let link = root.0.join("directory");
        assert_eq!(below(&root.0, &link).entries, [entry(&root.0, &link).unwrap()]);
    }

    #[test]
    fn circles_end() {
        let root = Root::new("circle");
        root.write("a/x.md").write("b/y.md").link("a/self", ".").link("a/root", "..");
        root.link("a/b", "../b").link("b/a", "../a");
        assert_eq!(root.files(), ["a/b/y.md = b/y.md", "a/x.md", "b/a/x.md = a/x.md", "b/y.md"]);
        assert_eq!(entry(&root.0, &root.0.join("a/self/x.md")), None);
        assert_eq!(entry(&root.0, &root.0.join("a/b/a/x.md")), None);
    }

    #[test]
    fn a_few_files_with_very_many_names_take_no_time() {
        let root = Root::new("many");
        for level in 0..20 {
            root.write(&format!("{level}/x.md"));
            for name in ["a", "b", "c"] {
                root.link(&format!("{level}/{name}"), &format!("../{}", level + 1));
            }
        }
        assert!(below(&root.0, &root.0).entries.len() < MAX_BEHIND_LINKS + 100);
    }

    #[test]
    fn skipped_names_are_skipped_and_what_they_hold_may_have_another() {
        let root = Root::new("skipped");
        root.write("target/a.md").write("node_modules/b.md").link("prompts", "target");
        assert_eq!(root.files(), ["prompts/a.md = target/a.md"]);
    }
}
