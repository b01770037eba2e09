//! Our executable where the user that sandboxes run as may execute it, for sandboxes whose first process it is. What root installs
//! often lies where nobody else may look (below `/root`); sandboxes of root then have a copy.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FlockOperation;

use super::beneath;
use super::tree::Identity;
use crate::host::random;

/// Who passes through a directory, and who executes a file.
const EXECUTE: u32 = 0o1;
/// Who reads it too.
const READ_AND_EXECUTE: u32 = 0o5;

/// The executable that was looked at, for whom, and where it can be executed. Clones of a backend share it.
#[derive(Clone, Debug, Default)]
pub struct Own(Arc<Mutex<Option<(PathBuf, Identity, Reachable)>>>);

impl Own {
    /// Where `user` can execute an executable; it is looked at once.
    ///
    /// # Errors
    /// What the system says of a copy that cannot be made.
    pub(super) fn reached(&self, executable: &Path, user: Identity, copies: &Path) -> io::Result<PathBuf> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, by, reached)) = &*known
            && of == executable
            && *by == user
            && reached.path.exists()
        {
            return Ok(reached.path.clone());
        }
        let reached = reachable(executable, user, copies)?;
        let path = reached.path.clone();
        *known = Some((executable.to_path_buf(), user, reached));
        Ok(path)
    }
}

/// An executable that may be executed. A copy is kept until it is dropped.
#[derive(Debug)]
struct Reachable {
    /// Where it lies.
    path: PathBuf,
    /// Nobody removes a copy that is locked.
    _kept: Option<File>,
}

/// The executable itself if `user` may execute it, or a copy of it in `copies`, from which those that nobody needs are removed.
///
/// # Errors
/// What the system says of a copy that cannot be made.
fn reachable(executable: &Path, user: Identity, copies: &Path) -> io::Result<Reachable> {
    let real = executable.canonicalize()?;
    if may_execute(&real, user)? {
        return Ok(Reachable { path: executable.to_path_buf(), _kept: None });
    }
    beneath::own_directory(copies, 0o711)?;
    let of = fs::metadata(&real)?;
    let name =
        format!("{:x}-{:x}-{:x}-{:x}.{:x}", of.dev(), of.ino(), of.size(), of.mtime(), of.mtime_nsec());
    let path = copies.join(&name);
    let kept = loop {
        match keep(&path, of.size()) {
            Ok(Some(kept)) => break kept,
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => copy(&real, copies, &path)?,
            Err(error) => return Err(error),
        }
    };
    remove_others(copies, &name);
    Ok(Reachable { path, _kept: Some(kept) })
}

/// Whether a user may reach a file by its path, and read and execute it. Only modes are looked at.
fn may_execute(real: &Path, user: Identity) -> io::Result<bool> {
    for above in real.ancestors().skip(1) {
        if !allows(&fs::metadata(above)?, user, EXECUTE) {
            return Ok(false);
        }
    }
    Ok(allows(&fs::metadata(real)?, user, READ_AND_EXECUTE))
}

fn allows(file: &Metadata, user: Identity, wanted: u32) -> bool {
    let mode = file.permissions().mode();
    let bits = if file.uid() == user.uid {
        mode >> 6
    } else if file.gid() == user.gid {
        mode >> 3
    } else {
        mode
    };
    bits & wanted == wanted
}

/// Locks a copy; none if it was removed meanwhile or is not whole, and then it has to be looked at again.
fn keep(path: &Path, size: u64) -> io::Result<Option<File>> {
    let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    rustix::fs::flock(&file, FlockOperation::LockShared)?;
    let there = file.metadata()?;
    let is_whole =
        there.is_file() && there.size() == size && there.uid() == rustix::process::geteuid().as_raw();
    if there.nlink() == 0 {
        return Ok(None);
    }
    if !is_whole {
        fs::remove_file(path)?;
        return Ok(None);
    }
    Ok(Some(file))
}

/// A copy is whole when it gets its name; until then it is locked, so that nobody takes it for one that was left.
fn copy(real: &Path, copies: &Path, path: &Path) -> io::Result<()> {
    let new = copies.join(format!(".{}", random::name()?));
    let made = write(real, &new).and_then(|_written| fs::rename(&new, path));
    if made.is_err() {
        // What stays is removed with the next copy.
        let _ = fs::remove_file(&new);
    }
    made
}

/// Writes a copy; it is locked until the answer is dropped.
fn write(real: &Path, new: &Path) -> io::Result<File> {
    let mut written = File::options().write(true).create_new(true).open(new)?;
    rustix::fs::flock(&written, FlockOperation::LockShared)?;
    io::copy(&mut File::open(real)?, &mut written)?;
    // The mask of the process may have taken bits.
    written.set_permissions(fs::Permissions::from_mode(0o755))?;
    Ok(written)
}

/// Removes all copies but one that nobody has locked. What cannot be removed is only in the way of the disk.
fn remove_others(copies: &Path, kept: &str) {
    let Ok(entries) = fs::read_dir(copies) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name() != *kept) {
        let free = File::open(entry.path()).and_then(|file| {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(file)
        });
        if free.is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Identity = Identity { uid: 59_499, gid: 59_499 };

    /// A directory with a program in it, and one for copies.
    fn fresh(name: &str) -> (PathBuf, PathBuf, PathBuf) {
        let top = std::env::temp_dir().join(format!("self-harness-reachable-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&top);
        let private = top.join("private");
        fs::create_dir_all(&private).unwrap();
        let program = private.join("program");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o755)).unwrap();
        (program, private, top.join("copies"))
    }

    #[test]
    fn what_can_be_reached_is_not_copied() {
        let (program, _, copies) = fresh("open");
        assert_eq!(reachable(&program, NOBODY, &copies).unwrap().path, program);
        assert!(!copies.exists());
        fs::remove_dir_all(program.ancestors().nth(2).unwrap()).unwrap();
    }

    #[test]
    fn below_a_private_directory_it_is_copied_once_and_old_copies_go() {
        let (program, private, copies) = fresh("private");
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        let first = reachable(&program, NOBODY, &copies).unwrap();
        assert_eq!(fs::read(&first.path).unwrap(), b"#!/bin/sh\n");
        assert_eq!(first.path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        let number = first.path.metadata().unwrap().ino();
        let again = reachable(&program, NOBODY, &copies).unwrap();
        assert_eq!(again.path.metadata().unwrap().ino(), number, "it was copied once");
        // Another program takes its place, while the first is in use.
        fs::write(&program, "#!/bin/sh\ntrue\n").unwrap();
        let second = reachable(&program, NOBODY, &copies).unwrap();
        assert!(second.path != first.path && first.path.exists());
        drop((first, again));
        let third = reachable(&program, NOBODY, &copies).unwrap();
        assert_eq!(third.path, second.path);
        assert_eq!(fs::read_dir(&copies).unwrap().count(), 1);
        fs::remove_dir_all(program.ancestors().nth(2).unwrap()).unwrap();
    }

    #[test]
    fn what_was_cut_short_is_copied_again() {
        let (program, private, copies) = fresh("short");
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        let path = reachable(&program, NOBODY, &copies).unwrap().path;
        fs::write(&path, "#!").unwrap();
        assert_eq!(fs::read(reachable(&program, NOBODY, &copies).unwrap().path).unwrap(), b"#!/bin/sh\n");
        fs::remove_dir_all(program.ancestors().nth(2).unwrap()).unwrap();
    }
}
