//! Directories of a task as bytes: read once, identified by a digest, and written to where a sandbox sees them. Follows no
//! link, in neither direction.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use harness_schema::digest::Digest;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

use crate::host::sandbox::beneath;
use crate::host::sandbox::tree::Identity;

/// No directory of a task has more bytes.
pub const MAX_BYTES: u64 = 256 << 20;
/// No directory of a task has more files.
const MAX_ENTRIES: usize = 50_000;
/// Left behind by programs, not written by authors.
const SKIPPED: &[&str] = &["__pycache__", ".DS_Store"];

/// The files of a directory, by their path in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    entries: BTreeMap<PathBuf, Entry>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// What it holds.
        bytes: Vec<u8>,
        /// Whether it can be executed.
        executable: bool,
    },
    /// A link, with the text that it leads to.
    Link(Vec<u8>),
}

/// Why a directory of a task cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The machine refused.
    #[error("cannot {what} `{path}`: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is more than may be kept.
    #[error("`{path}` has more than {most} {what}; make the task smaller")]
    TooLarge {
        /// The directory.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// There is something that is neither a file nor a directory nor a link.
    #[error("`{path}` is no file, directory or link; remove it")]
    Kind {
        /// Where.
        path: PathBuf,
    },
}

impl BundleError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}

impl Bundle {
    /// Reads a directory; one that is not there is empty.
    ///
    /// # Errors
    /// A [`BundleError`] if it cannot be read, is too large, or holds a pipe, a socket or a device.
    pub fn read(directory: &Path) -> Result<Self, BundleError> {
        let mut reading = Reading { top: directory, bundle: Self::default(), bytes: 0 };
        match beneath::directory(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(reading.bundle),
            Err(error) => Err(BundleError::io("open", directory)(error)),
            Ok(top) => {
                reading.directory(&top, Path::new(""))?;
                Ok(reading.bundle)
            }
        }
    }

    /// The digest of names, kinds, execute bits, targets of links and contents.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let parts = self.entries.iter().flat_map(|(path, entry)| {
            let (kind, content): (&[u8], &[u8]) = match entry {
                Entry::Directory => (b"directory", b""),
                Entry::File { bytes, executable: false } => (b"file", bytes),
                Entry::File { bytes, executable: true } => (b"program", bytes),
                Entry::Link(target) => (b"link", target),
            };
            [kind, path.as_os_str().as_bytes(), content]
        });
        Digest::of_parts(parts)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What has that path.
    #[must_use]
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Entry> {
        self.entries.get(path.as_ref())
    }

    /// Everything with its path, outer directories first.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// Puts all of another directory over it; what has the same path is replaced.
    pub fn cover_with(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// Puts a file in, or replaces one.
    pub fn insert(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>, executable: bool) {
        self.entries.insert(path.into(), Entry::File { bytes: bytes.into(), executable });
    }

    /// Lets a file be executed.
    pub fn make_executable(&mut self, path: impl AsRef<Path>) {
        if let Some(Entry::File { executable, .. }) = self.entries.get_mut(path.as_ref()) {
            *executable = true;
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// A [`BundleError`] if something of it cannot be written.
    pub fn write(&self, to: &Writer) -> Result<(), BundleError> {
        self.entries.iter().try_for_each(|(path, entry)| to.entry(path, entry))
    }
}

struct Reading<'a> {
    top: &'a Path,
    bundle: Bundle,
    bytes: u64,
}

impl Reading<'_> {
    fn directory(&mut self, directory: &OwnedFd, below: &Path) -> Result<(), BundleError> {
        let at = self.top.join(below);
        if beneath::MAX_DEPTH < below.components().count() {
            return Err(self.too_large("levels", beneath::MAX_DEPTH as u64));
        }
        let names = match beneath::names(directory, MAX_ENTRIES) {
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                return Err(self.too_large("files", MAX_ENTRIES as u64));
            }
            names => names.map_err(BundleError::io("list", &at))?,
        };
        for name in names {
            let part = std::ffi::OsStr::from_bytes(name.bytes.as_bytes());
            if SKIPPED.iter().any(|skipped| part == *skipped) {
                continue;
            }
            if MAX_ENTRIES <= self.bundle.entries.len() {
                return Err(self.too_large("files", MAX_ENTRIES as u64));
            }
            let path = below.join(part);
            let entry = self.entry(directory, &name.bytes, &path)?;
            self.bundle.entries.insert(path, entry);
        }
        Ok(())
    }

    fn entry(&mut self, directory: &OwnedFd, name: &CString, path: &Path) -> Result<Entry, BundleError> {
        let at = self.top.join(path);
        let stat = rustix::fs::statat(directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(io::Error::from)
            .map_err(BundleError::io("look at", &at))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let inner = beneath::open(directory, name, OFlags::RDONLY | OFlags::DIRECTORY)
                    .map_err(BundleError::io("open", &at))?;
                self.directory(&inner, path)?;
                Ok(Entry::Directory)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(directory, name.as_c_str(), Vec::new())
                    .map_err(io::Error::from)
                    .map_err(BundleError::io("read the link", &at))?;
                Ok(Entry::Link(target.into_bytes()))
            }
            FileType::RegularFile => {
                let file = beneath::open(directory, name, OFlags::RDONLY | OFlags::NONBLOCK)
                    .map_err(BundleError::io("open", &at))?;
                let room = MAX_BYTES - self.bytes;
                let mut bytes = Vec::new();
                File::from(file)
                    .take(room + 1)
                    .read_to_end(&mut bytes)
                    .map_err(BundleError::io("read", &at))?;
                if room < bytes.len() as u64 {
                    return Err(self.too_large("bytes", MAX_BYTES));
                }
                self.bytes += bytes.len() as u64;
                Ok(Entry::File { bytes, executable: stat.st_mode & 0o111 != 0 })
            }
            _ => Err(BundleError::Kind { path: at }),
        }
    }

    fn too_large(&self, what: &'static str, most: u64) -> BundleError {
        BundleError::TooLarge { path: self.top.to_path_buf(), what, most }
    }
}

/// A directory that is written to, without a way out of it: a link on the way is an error, whoever made it.
#[derive(Debug)]
pub struct Writer {
    top: OwnedFd,
    path: PathBuf,
    owner: Option<Identity>,
}

impl Writer {
    /// Into a directory that is there.
    ///
    /// # Errors
    /// A [`BundleError`] if it cannot be opened.
    pub fn into(path: &Path, owner: Option<Identity>) -> Result<Self, BundleError> {
        let top = beneath::directory(path).map_err(BundleError::io("open", path))?;
        Ok(Self { top, path: path.to_path_buf(), owner })
    }

    /// Into a new directory.
    ///
    /// # Errors
    /// A [`BundleError`] if it cannot be made.
    pub fn into_new(path: &Path, owner: Option<Identity>) -> Result<Self, BundleError> {
        fs::create_dir(path).map_err(BundleError::io("make", path))?;
        let writer = Self::into(path, owner)?;
        writer.finish(&writer.top, 0o755).map_err(BundleError::io("make", path))?;
        Ok(writer)
    }

    /// Whether there is a directory, and no link to one.
    #[must_use]
    pub fn is_directory(&self, path: &Path) -> bool {
        self.open(path, false).is_ok()
    }

    /// Makes a directory with all above it.
    ///
    /// # Errors
    /// A [`BundleError`] if there is something else on the way.
    pub fn directory(&self, path: &Path) -> Result<(), BundleError> {
        self.open(path, true).map(drop).map_err(self.failed("make the directory", path))
    }

    /// Makes an entry with all directories above it; it replaces a file or a link.
    ///
    /// # Errors
    /// A [`BundleError`] if it cannot be made.
    pub fn entry(&self, path: &Path, entry: &Entry) -> Result<(), BundleError> {
        match entry {
            Entry::Directory => self.directory(path),
            Entry::File { bytes, executable } => {
                self.file(path, bytes, if *executable { 0o755 } else { 0o644 })
            }
            Entry::Link(target) => self.link(path, target).map_err(self.failed("make the link", path)),
        }
    }

    /// Makes a file with a mode.
    ///
    /// # Errors
    /// A [`BundleError`] if it cannot be made.
    pub fn file(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), BundleError> {
        let write = || -> io::Result<()> {
            let (directory, name) = self.place(path)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&directory, name.as_c_str(), flags, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(file);
            file.write_all(bytes)?;
            self.finish(OwnedFd::from(file), mode)
        };
        write().map_err(self.failed("write", path))
    }

    fn link(&self, path: &Path, target: &[u8]) -> io::Result<()> {
        let (directory, name) = self.place(path)?;
        rustix::fs::symlinkat(target, &directory, name.as_c_str())?;
        if let Some(owner) = self.owner {
            let (uid, gid) = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
            rustix::fs::chownat(&directory, name.as_c_str(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// The directory above a path, and a name in it that is free now.
    fn place(&self, path: &Path) -> io::Result<(OwnedFd, CString)> {
        let directory = self.open(path.parent().unwrap_or(Path::new("")), true)?;
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let name = CString::new(name.as_bytes())?;
        match rustix::fs::unlinkat(&directory, name.as_c_str(), AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok((directory, name)),
            Err(error) => Err(error.into()),
        }
    }

    fn open(&self, path: &Path, make: bool) -> io::Result<OwnedFd> {
        let mut at = self.top.try_clone()?;
        for part in path.components() {
            let Component::Normal(name) = part else { return Err(ErrorKind::InvalidInput.into()) };
            let name = CString::new(name.as_bytes())?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            at = match beneath::open(&at, &name, flags) {
                Err(error) if make && error.kind() == ErrorKind::NotFound => {
                    rustix::fs::mkdirat(&at, name.as_c_str(), Mode::RWXU)?;
                    let made = beneath::open(&at, &name, flags)?;
                    self.finish(&made, 0o755)?;
                    made
                }
                opened => opened?,
            };
        }
        Ok(at)
    }

    /// The owner first: a change of the owner may take bits of the mode.
    fn finish(&self, made: impl AsFd, mode: u32) -> io::Result<()> {
        if let Some(owner) = self.owner {
            rustix::fs::fchown(&made, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
        }
        Ok(rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?)
    }

    fn failed(&self, what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BundleError + use<> {
        let path = self.path.join(path);
        move |source| BundleError::Io { what, path, source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sh-bundle-{}-{name}", std::process::id()));
            let _ = beneath::remove(&path);
            fs::create_dir_all(path.join("from/deep")).unwrap();
            fs::create_dir_all(path.join("to")).unwrap();
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = beneath::remove(&self.0);
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let place = Place::new("same");
        let from = place.0.join("from");
        fs::write(from.join("a"), "text").unwrap();
        fs::write(from.join("deep/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(from.join("deep/run"), fs::Permissions::from_mode(0o775)).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        fs::create_dir(from.join("__pycache__")).unwrap();
        let bundle = Bundle::read(&from).unwrap();
        assert_eq!(bundle.iter().count(), 4);
        bundle.write(&Writer::into(&place.0.join("to"), None).unwrap()).unwrap();
        let again = Bundle::read(&place.0.join("to")).unwrap();
        assert_eq!((again.digest(), &again), (bundle.digest(), &bundle));
        assert!(Bundle::read(&place.0.join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn every_change_is_another_digest() {
        let mut base = Bundle::default();
        base.insert("a", "text", false);
        let mut digests = vec![base.digest(), Bundle::default().digest()];
        for (path, text, executable) in
            [("a", "texts", false), ("a", "text", true), ("b", "text", false), ("a/b", "text", false)]
        {
            let mut other = Bundle::default();
            other.insert(path, text, executable);
            digests.push(other.digest());
        }
        let link = Bundle { entries: BTreeMap::from([(PathBuf::from("a"), Entry::Link(b"text".to_vec()))]) };
        digests.push(link.digest());
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn a_link_leads_nowhere_out() {
        let place = Place::new("links");
        let to = place.0.join("to");
        symlink(place.0.join("from"), to.join("way")).unwrap();
        symlink(place.0.join("from/kept"), to.join("file")).unwrap();
        fs::write(place.0.join("from/kept"), "kept").unwrap();
        let mut bundle = Bundle::default();
        bundle.insert("way/new", "x", false);
        bundle.write(&Writer::into(&to, None).unwrap()).unwrap_err();
        assert!(!place.0.join("from/new").exists());
        // A link in the place of a file is replaced.
        let mut bundle = Bundle::default();
        bundle.insert("file", "x", false);
        bundle.write(&Writer::into(&to, None).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(place.0.join("from/kept")).unwrap(), "kept");
        assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "x");
    }

    #[test]
    fn a_pipe_is_no_file_of_a_task() {
        let place = Place::new("pipe");
        let path = place.0.join("from/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(matches!(Bundle::read(&place.0.join("from")), Err(BundleError::Kind { .. })));
    }
}
