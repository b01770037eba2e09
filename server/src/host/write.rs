//! Writes files of a project: a reader sees the old text or the new one, several new files are written all or not at
//! all, and nothing is written behind a link that leaves the project. It never removes a file that it did not make.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use harness_schema::path::FilePath;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The machine refused.
    #[error("cannot write `{file}`: {source}")]
    Machine {
        /// The file, as its project calls it.
        file: String,
        /// What the machine said.
        source: io::Error,
    },
    /// A link on the way to it leads out of the project.
    #[error("cannot write `{0}`: a link leads out of the project")]
    Outside(String),
    /// It is not the text any more that the new one was made from.
    #[error("cannot write `{0}`: it was changed by someone else in the meantime")]
    Changed(String),
    /// There is one already.
    #[error("`{0}` is already there")]
    Exists(String),
}

/// A file to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Where, below the root.
    pub path: FilePath,
    /// Its text.
    pub text: String,
    /// Whether it is a program.
    pub executable: bool,
}

/// Replaces the text of a file, if it still is `before`. Its permissions stay; a link inside of the project stays a link.
///
/// # Errors
/// A [`WriteError`]; the file is then as it was.
pub fn replace(root: &Path, file: &FilePath, before: &str, after: &str) -> Result<(), WriteError> {
    let machine = |source| WriteError::Machine { file: file.to_string(), source };
    let real_root = root.canonicalize().map_err(machine)?;
    let real = real_root.join(file.as_str()).canonicalize().map_err(machine)?;
    if !real.starts_with(&real_root) {
        return Err(WriteError::Outside(file.to_string()));
    }
    if fs::read(&real).map_err(machine)? != before.as_bytes() {
        return Err(WriteError::Changed(file.to_string()));
    }
    let permissions = fs::metadata(&real).map_err(machine)?.permissions();
    let (mut handle, temporary) = temporary_beside(&real).map_err(machine)?;
    let written = handle
        .write_all(after.as_bytes())
        .and_then(|()| keep_owner(&real, &handle))
        .and_then(|()| handle.set_permissions(permissions))
        .and_then(|()| handle.sync_all())
        .and_then(|()| fs::rename(&temporary, &real));
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        machine(source)
    })
}

/// Makes files that are not there yet, with the directories above them: all of them, or none.
///
/// # Errors
/// A [`WriteError`]; what was made before it is removed again.
pub fn create_all(root: &Path, files: &[NewFile]) -> Result<(), WriteError> {
    let mut made = Made::default();
    let outcome = files.iter().try_for_each(|file| create(root, file, &mut made));
    if outcome.is_err() {
        made.undo();
    }
    outcome
}

/// What was made so far, in order.
#[derive(Default)]
struct Made {
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    /// As far as the machine lets us; a directory that somebody used in the meantime stays.
    fn undo(self) {
        for file in self.files {
            let _ = fs::remove_file(file);
        }
        for directory in self.directories.into_iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn create(root: &Path, file: &NewFile, made: &mut Made) -> Result<(), WriteError> {
    let machine = |source| WriteError::Machine { file: file.path.to_string(), source };
    make_directory(root, made).map_err(machine)?;
    let real_root = root.canonicalize().map_err(machine)?;
    let parent = real_root.join(file.path.parent().as_str());
    // What is there already may be a link; what is made below it would be made wherever that leads.
    let there = parent.ancestors().find_map(|above| above.canonicalize().ok());
    if !there.is_some_and(|there| there.starts_with(&real_root)) {
        return Err(WriteError::Outside(file.path.to_string()));
    }
    make_directory(&parent, made).map_err(machine)?;
    let path = parent.join(file.path.name());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The user's mask takes away from these what it takes away from every new file.
        options.mode(if file.executable { 0o777 } else { 0o666 });
    }
    let mut handle = options.open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(file.path.to_string()),
        _ => machine(source),
    })?;
    made.files.push(path);
    handle.write_all(file.text.as_bytes()).map_err(machine)
}

fn make_directory(directory: &Path, made: &mut Made) -> io::Result<()> {
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && fs::symlink_metadata(above).is_err())
        .collect();
    for above in missing.into_iter().rev() {
        fs::create_dir(above)?;
        made.directories.push(above.to_path_buf());
    }
    Ok(())
}

/// A new empty file in the same directory, so that renaming it is one step.
fn temporary_beside(path: &Path) -> io::Result<(fs::File, PathBuf)> {
    let mut attempt = 0u32;
    loop {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Nobody else reads it before it has the permissions of the file that it replaces.
            options.mode(0o600);
        }
        match options.open(&temporary) {
            Ok(handle) => return Ok((handle, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A file of another user stays that user's where we may give it away, as root in a container may.
#[cfg(unix)]
fn keep_owner(original: &Path, replacement: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (wanted, given) = (fs::metadata(original)?, replacement.metadata()?);
    if (wanted.uid(), wanted.gid()) != (given.uid(), given.gid()) {
        let _ = fchown(replacement, Some(wanted.uid()), Some(wanted.gid()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("self-harness-write-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn path(name: &str) -> FilePath {
        FilePath::parse(name).unwrap()
    }

    fn file(name: &str) -> NewFile {
        NewFile { path: path(name), text: name.to_owned(), executable: false }
    }

    #[test]
    fn a_text_that_changed_in_the_meantime_is_kept() {
        let root = Root::new("changed");
        fs::write(root.0.join("a"), "theirs").unwrap();
        let outcome = replace(&root.0, &path("a"), "before", "after");
        assert!(matches!(outcome, Err(WriteError::Changed(_))), "{outcome:?}");
        assert_eq!(fs::read_to_string(root.0.join("a")).unwrap(), "theirs");
        replace(&root.0, &path("a"), "theirs", "ours").unwrap();
        assert_eq!(fs::read_to_string(root.0.join("a")).unwrap(), "ours");
        assert_eq!(root.names(), ["a"]);
    }

    #[test]
    fn a_file_that_cannot_be_made_takes_the_others_with_it() {
        let root = Root::new("undo");
        fs::create_dir(root.0.join("kept")).unwrap();
        fs::write(root.0.join("there"), "mine").unwrap();
        let outcome = create_all(&root.0.clone(), &[file("new/deep/a"), file("kept/b"), file("there")]);
        assert!(matches!(outcome, Err(WriteError::Exists(_))), "{outcome:?}");
        assert_eq!(root.names(), ["kept", "there"]);
        assert_eq!(fs::read_dir(root.0.join("kept")).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(root.0.join("there")).unwrap(), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_leave_are_not_followed() {
        use std::os::unix::fs::symlink;
        let (root, outside) = (Root::new("link"), Root::new("link-outside"));
        fs::write(outside.0.join("a"), "theirs").unwrap();
        symlink(outside.0.join("a"), root.0.join("a")).unwrap();
        symlink(&outside.0, root.0.join("directory")).unwrap();
        let outcome = replace(&root.0, &path("a"), "theirs", "ours");
        assert!(matches!(outcome, Err(WriteError::Outside(_))), "{outcome:?}");
        let outcome = create_all(&root.0, &[file("directory/b")]);
        assert!(matches!(outcome, Err(WriteError::Outside(_))), "{outcome:?}");
        assert_eq!(outside.names(), ["a"]);
        assert_eq!(fs::read_to_string(outside.0.join("a")).unwrap(), "theirs");
    }
}
