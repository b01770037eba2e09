//! From paths as typed to harnesses and the files of them that are meant. Reads, never writes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, io};

use harness_schema::check;
use harness_schema::files::{Files, Link};
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;

use super::unreadable;
use crate::cli::report::{Found, Root};
use crate::failure::Failure;
use crate::host::disk::{self, Survey};
use crate::workspace::relative;

/// A harness, and what of it is meant.
#[derive(Debug)]
pub struct Target {
    /// The directory of its manifest, absolute.
    pub root: PathBuf,
    /// The same, as shown.
    pub shown: Root,
    /// Its files.
    pub files: Files,
    /// The harness.
    pub harness: Arc<Harness>,
    /// Only these files, or files below these directories; none: all.
    only: Option<Vec<FilePath>>,
}

impl Target {
    /// The harness whose manifest lies in a directory, whole.
    ///
    /// # Errors
    /// A [`Failure`] if something that it is made of cannot be read.
    pub fn read(root: &Path) -> Result<Self, Failure> {
        let Survey { files, refused } = disk::survey(root);
        let (files, harness) = disk::complete(root, files, None);
        let shown = shown(root);
        unreadable::refuse(root, &shown, &harness, &refused)?;
        Ok(Self { root: root.to_path_buf(), shown, files, harness: Arc::new(harness), only: None })
    }

    /// The same files with others over them.
    pub fn update(&mut self, files: Files) {
        // What a fix names for the first time was not read yet.
        let (files, harness) = disk::complete(&self.root, files, Some(&self.harness));
        self.files = files;
        self.harness = Arc::new(harness);
    }

    /// The files that are meant and there.
    pub fn named(&self) -> impl Iterator<Item = &FilePath> {
        self.harness.named_files().filter(|file| match &self.only {
            Some(only) => only.iter().any(|above| self.is_in(file, above)),
            None => true,
        })
    }

    /// Whether a file lies below a directory, or is it, under the name that the harness has for it or without links.
    fn is_in(&self, file: &FilePath, above: &FilePath) -> bool {
        let link = self.files.on_disk(file).and_then(|there| there.link.as_ref());
        file.is_below(above) || matches!(link, Some(Link::Inside(real)) if real.is_below(above))
    }

    /// What the harness calls a file.
    fn called(&self, name: &Path) -> Option<FilePath> {
        let file = relative(&self.root, name)?;
        if self.harness.names(&file) {
            return Some(file);
        }
        self.harness.named_files().find(|named| self.is_in(named, &file)).cloned()
    }

    /// What is wrong in the files that are meant.
    #[must_use]
    pub fn check(&self) -> Found {
        let files: Vec<FilePath> = self.named().cloned().collect();
        let each = files.iter().map(|file| (file.clone(), check::file(&self.harness, file)));
        let problems = each.filter(|(_, problems)| !problems.is_empty()).collect();
        Found { root: self.shown.clone(), harness: Arc::clone(&self.harness), files, problems }
    }

    /// From now on, all of it is meant.
    pub fn widen(&mut self) {
        self.only = None;
    }

    fn narrow(&mut self, to: FilePath) {
        self.only.get_or_insert_default().push(to);
    }
}

/// The harnesses that paths stand for, each once, by directory.
///
/// # Errors
/// A [`Failure`] for a path that is not there or that belongs to no harness.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Target>, Failure> {
    let here = [PathBuf::from(".")];
    let mut found = Targets::default();
    for path in if paths.is_empty() { &here[..] } else { paths } {
        let absolute = absolute(path)?;
        if absolute.file_name().is_some_and(|name| name == MANIFEST) {
            found.add_whole(absolute.parent().unwrap_or(&absolute))?;
        } else if absolute.is_dir() {
            found.add_directory(path, &absolute)?;
        } else {
            found.add_file(path, &absolute)?;
        }
    }
    Ok(found.0.into_values().collect())
}

/// The harness that names a file, and the file's path in it: the nearest above that does.
///
/// # Errors
/// A [`Failure`] if the file is not there or belongs to no harness.
pub fn owner(path: &Path) -> Result<(Target, FilePath), Failure> {
    let absolute = absolute(path)?;
    for name in names(&absolute) {
        for root in disk::roots_above(&name) {
            let target = Target::read(root)?;
            if let Some(file) = target.called(&name) {
                return Ok((target, file));
            }
        }
    }
    Err(no_owner(path, &absolute))
}

#[derive(Default)]
struct Targets(BTreeMap<PathBuf, Target>);

impl Targets {
    fn add_whole(&mut self, root: &Path) -> Result<(), Failure> {
        match self.0.entry(root.to_path_buf()) {
            Entry::Occupied(mut entry) => entry.get_mut().widen(),
            Entry::Vacant(entry) => {
                entry.insert(Target::read(root)?);
            }
        }
        Ok(())
    }

    fn add_part(&mut self, target: Target, part: FilePath) {
        match self.0.entry(target.root.clone()) {
            Entry::Occupied(mut entry) => {
                // A harness that is meant whole stays so.
                if entry.get().only.is_some() {
                    entry.get_mut().narrow(part);
                }
            }
            Entry::Vacant(entry) => entry.insert(target).narrow(part),
        }
    }

    fn add_directory(&mut self, path: &Path, absolute: &Path) -> Result<(), Failure> {
        if let Err(error) = fs::read_dir(absolute) {
            return Err(refused(path, &error));
        }
        let below = disk::find_roots(absolute);
        for root in &below {
            self.add_whole(root)?;
        }
        // Something that is no file has the name of a manifest.
        if below.is_empty() && fs::symlink_metadata(absolute.join(MANIFEST)).is_ok() {
            return self.add_whole(absolute);
        }
        // The directory may also be a part of a harness.
        for root in disk::roots_above(absolute) {
            let target = Target::read(root)?;
            let Some(part) = relative(root, absolute) else { continue };
            if target.harness.named_files().any(|file| target.is_in(file, &part)) {
                self.add_part(target, part);
                return Ok(());
            }
        }
        match disk::roots_above(absolute).next() {
            _ if !below.is_empty() => Ok(()),
            None => Err(no_harness(path, absolute)),
            Some(root) => Err(Failure::user(
                format!("no file of a harness is below `{}`", path.display()),
                format!("`{}` names other files", manifest_of(root)),
            )),
        }
    }

    fn add_file(&mut self, path: &Path, absolute: &Path) -> Result<(), Failure> {
        // Many files of one harness are one look at it.
        for name in names(absolute) {
            for root in disk::roots_above(&name) {
                let Some(target) = self.0.get_mut(root) else { break };
                let Some(file) = target.called(&name) else { continue };
                if target.only.is_some() {
                    target.narrow(file);
                }
                return Ok(());
            }
        }
        let (target, file) = owner(path)?;
        self.add_part(target, file);
        Ok(())
    }
}

/// The path without `.`, `..` and links, except for a link that it ends with: a harness may name the link.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => {
            let message = format!("`{}` is a link that leads nowhere", path.display());
            Failure::user(message, "name what it should lead to")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let hint = "name a manifest, a directory or a file of a harness";
            Failure::user(format!("there is no `{}`", path.display()), hint)
        }
        _ => refused(path, &error),
    };
    let real = fs::canonicalize(path).map_err(missing)?;
    let (Some(name), false) = (path.file_name(), real.is_dir()) else { return Ok(real) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(fs::canonicalize(parent).map_err(missing)?.join(name))
}

/// What a harness may call a file: as typed, or where its link leads.
fn names(absolute: &Path) -> Vec<PathBuf> {
    let mut names = vec![absolute.to_path_buf()];
    names.extend(fs::canonicalize(absolute).ok().filter(|real| real != absolute));
    names
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let hint = "see whether the user who runs this may read it and the directories above it";
    Failure::host(format!("cannot read `{}`: {error}", path.display()), hint)
}

fn no_harness(path: &Path, absolute: &Path) -> Failure {
    let ignored = disk::find_ignored_roots(absolute);
    if let Some(first) = ignored.first() {
        let message = format!("git ignores every `{MANIFEST}` below `{}`", path.display());
        return Failure::user(message, format!("name one that is meant, such as `{}`", manifest_of(first)));
    }
    let hint = "create one with `self-harness init --preset minimal`, or name the directory of one";
    Failure::user(format!("no `{MANIFEST}` in or below `{}`", path.display()), hint)
}

fn no_owner(path: &Path, absolute: &Path) -> Failure {
    match disk::roots_above(absolute).next() {
        Some(root) => Failure::user(
            format!("`{}` belongs to no harness", path.display()),
            format!(
                "only files that `{}` names are checked: as a prompt, a tool, a surface or a part of a task",
                manifest_of(root)
            ),
        ),
        None => Failure::user(
            format!("no `{MANIFEST}` above `{}`", path.display()),
            "create one with `self-harness init --preset minimal`",
        ),
    }
}

fn manifest_of(root: &Path) -> String {
    FilePath::parse(MANIFEST).map(|manifest| shown(root).shown(&manifest)).unwrap_or_default()
}

/// A directory as people read it: from where they are.
fn shown(root: &Path) -> Root {
    let here = env::current_dir().and_then(fs::canonicalize);
    let Ok(here) = here else { return Root::Elsewhere(root.to_path_buf()) };
    match (root.strip_prefix(&here), relative(root, &here)) {
        (Ok(below), _) => Root::Below(below.to_path_buf()),
        (Err(_), Some(part)) => Root::Around(part),
        (Err(_), None) => Root::Elsewhere(root.to_path_buf()),
    }
}
