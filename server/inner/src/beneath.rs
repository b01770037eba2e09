//! Walks a directory that an agent has written, and never leaves it: no link is followed, no mount is entered. Runs no
//! program and trusts no name.

use std::ffi::CString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::random;

/// How deep a tree may be.
pub const MAX_DEPTH: usize = 256;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The bytes.
    pub bytes: CString,
    /// Whether it is a directory itself, and no link to one.
    pub is_directory: bool,
}

/// A directory of ours, by its path; its last component may not be a link.
///
/// # Errors
/// The system's.
pub fn directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens what has that name in a directory, and nothing else.
///
/// # Errors
/// The system's; `ELOOP` for a link, `EXDEV` for what lies on another file system.
pub fn open(directory: impl AsFd, name: &CString, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The kernel asks to try again if a name changed under it.
    for _ in 0..8 {
        match rustix::fs::openat2(&directory, name.as_c_str(), flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            opened => return Ok(opened?),
        }
    }
    Err(Errno::AGAIN.into())
}

/// The same for what we own and may not read as its modes are: they are widened by `more`.
///
/// # Errors
/// The system's.
pub fn open_own(directory: impl AsFd, name: &CString, flags: OFlags, more: Mode) -> io::Result<OwnedFd> {
    match open(&directory, name, flags) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            widen(&open(&directory, name, OFlags::PATH)?, more)?;
            open(directory, name, flags)
        }
        opened => opened,
    }
}

/// A directory in a directory, such that it can be read and changed.
fn open_directory(parent: impl AsFd, name: &CString) -> io::Result<OwnedFd> {
    let place = open(&parent, name, OFlags::PATH | OFlags::DIRECTORY)?;
    if let Ok(stat) = rustix::fs::fstat(&place)
        && stat.st_mode & 0o700 != 0o700
    {
        widen(&place, Mode::RWXU)?;
    }
    open(parent, name, DIRECTORY)
}

/// Adds modes through the descriptor: no name is looked up again.
fn widen(place: &OwnedFd, more: Mode) -> io::Result<()> {
    let present = Mode::from_raw_mode(rustix::fs::fstat(place)?.st_mode);
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    Ok(rustix::fs::chmod(path, present | more)?)
}

/// The names in a directory, without `.` and `..`, in the order of their bytes.
///
/// # Errors
/// The system's; `FileTooLarge` if there are more than `most`.
pub fn names(directory: impl AsFd, most: usize) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let bytes = entry.file_name();
        if bytes == c"." || bytes == c".." {
            continue;
        }
        if names.len() == most {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(&directory, bytes, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        names.push(Name { bytes: bytes.to_owned(), is_directory: kind.is_dir() });
    }
    names.sort();
    Ok(names)
}

/// Removes a directory and all that is in it, however deep it is and whatever its modes are. Directories are moved up to
/// the top before they are emptied, so there are never more than three open.
///
/// # Errors
/// The system's. What is not there is removed already.
pub fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let name = CString::new(name.as_encoded_bytes())?;
    let parent = directory(parent)?;
    let top = match open_directory(&parent, &name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut moved = Moved { prefix: random::name()?, number: 0 };
    loop {
        let names = names(&top, usize::MAX)?;
        if names.is_empty() {
            break;
        }
        for name in names {
            if name.is_directory {
                flatten(&top, &name.bytes, &mut moved)?;
            } else {
                rustix::fs::unlinkat(&top, name.bytes.as_c_str(), AtFlags::empty())?;
            }
        }
    }
    Ok(rustix::fs::unlinkat(parent, name.as_c_str(), AtFlags::REMOVEDIR)?)
}

/// Names that no agent has guessed.
struct Moved {
    prefix: String,
    number: u64,
}

/// Removes one directory of the top; its own directories become directories of the top.
fn flatten(top: &OwnedFd, name: &CString, moved: &mut Moved) -> io::Result<()> {
    let directory = open_directory(top, name)?;
    for inner in names(&directory, usize::MAX)? {
        if !inner.is_directory {
            rustix::fs::unlinkat(&directory, inner.bytes.as_c_str(), AtFlags::empty())?;
            continue;
        }
        // A directory can be moved if it can be written.
        drop(open_directory(&directory, &inner.bytes)?);
        moved.number += 1;
        let new = format!("{}-{}", moved.prefix, moved.number);
        rustix::fs::renameat(&directory, inner.bytes.as_c_str(), top, new)?;
    }
    Ok(rustix::fs::unlinkat(top, name.as_c_str(), AtFlags::REMOVEDIR)?)
}

/// How large a living tree is, as far as can be seen without changing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Files, links and directories.
    pub entries: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether there is more below than may be looked at.
    pub too_deep: bool,
}

/// Measures a tree that is being written, up to `most` entries.
///
/// # Errors
/// The system's, if the top cannot be read. What goes away meanwhile does not count.
pub fn measure(path: &Path, most: u64) -> io::Result<Size> {
    let mut size = Size::default();
    measure_below(directory(path)?.as_fd(), 1, most, &mut size)?;
    Ok(size)
}

fn measure_below(directory: BorrowedFd<'_>, depth: usize, most: u64, size: &mut Size) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        size.entries += 1;
        if most < size.entries || size.too_deep {
            return Ok(());
        }
        let Ok(stat) = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        size.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            if MAX_DEPTH <= depth {
                size.too_deep = true;
                return Ok(());
            }
            if let Ok(inner) = open(directory, &name.to_owned(), DIRECTORY) {
                // A directory that goes away has no size.
                let _ = measure_below(inner.as_fd(), depth + 1, most, size);
            }
        }
    }
    Ok(())
}

/// Free and all bytes of the file system on which a path lies.
///
/// # Errors
/// The system's.
pub fn space(path: &Path) -> io::Result<(u64, u64)> {
    let space = rustix::fs::statvfs(path)?;
    Ok((space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize))
}

/// Makes a directory that only its owner can enter, or enters it if it is there: ours, and no link.
///
/// # Errors
/// The system's; `PermissionDenied` if it belongs to somebody else or others may write to it.
pub fn own_directory(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let there = fs::symlink_metadata(path)?;
    if !there.is_dir() || there.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "it is no directory of yours"));
    }
    // The mask of the process may have taken bits, an earlier version may have left some.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fresh(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("self-harness-beneath-{}-{name}", std::process::id()));
        let _ = remove(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn esc_73_a_deep_tree_without_modes_is_removed() {
        let top = fresh("deep");
        let mut at = directory(&top).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "d", DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
            rustix::fs::fchmod(&at, Mode::RWXU).unwrap();
        }
        assert!(measure(&top, 10_000).unwrap().too_deep);
        fs::set_permissions(top.join("d/d/d"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(top.join("d"), fs::Permissions::from_mode(0o000)).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let (top, other) = (fresh("links"), fresh("other"));
        fs::write(other.join("kept"), "x").unwrap();
        std::os::unix::fs::symlink(&other, top.join("link")).unwrap();
        fs::create_dir(top.join("d")).unwrap();
        std::os::unix::fs::symlink("/etc", top.join("d/etc")).unwrap();
        remove(&top).unwrap();
        assert!(other.join("kept").exists());
        let link = CString::new("link").unwrap();
        std::os::unix::fs::symlink("/etc", other.join("link")).unwrap();
        assert!(open(directory(&other).unwrap(), &link, DIRECTORY).is_err());
        remove(&other).unwrap();
    }

    #[test]
    fn a_tree_has_a_size() {
        let top = fresh("size");
        fs::create_dir(top.join("d")).unwrap();
        fs::write(top.join("d/file"), vec![1; 100_000]).unwrap();
        let size = measure(&top, 100).unwrap();
        assert_eq!((size.entries, size.too_deep), (2, false));
        assert!((100_000..300_000).contains(&size.bytes), "{size:?}");
        remove(&top).unwrap();
    }
}
