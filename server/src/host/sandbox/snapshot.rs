//! Frozen trees: what an agent left, as one archive with a digest, and fresh trees made from it. Keeps directories, regular
//! files and links *as text*; drops everything else; never follows a link and never runs a program.
//!
//! An archive is a sequence of entries, each with a single name, so there is no path in it that could lead elsewhere.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use sha2::{Digest, Sha256};

use super::beneath::{self, MAX_DEPTH};
use super::spec::Dead;
use super::tree::{TreeError, TrialTree};

const MAGIC: &[u8] = b"self-harness tree 1\n";
const DIRECTORY: u8 = b'd';
const FILE: u8 = b'f';
const LINK: u8 = b'l';
const UP: u8 = b'u';
const BUFFER_BYTES: usize = 128 * 1024;
/// The longest text of a link.
const MAX_LINK_BYTES: u64 = 4096;

/// How much may be frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeLimits {
    /// Files, links and directories.
    pub entries: u64,
    /// Levels of directories.
    pub depth: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { entries: 200_000, depth: MAX_DEPTH, bytes: 2 << 30 }
    }
}

/// A frozen tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeSnapshot {
    archive: PathBuf,
    digest: [u8; 32],
    entries: u64,
    bytes: u64,
    dropped: u64,
}

impl TreeSnapshot {
    /// Its archive.
    #[must_use]
    pub fn archive(&self) -> &Path {
        &self.archive
    }

    /// The digest of the archive: names, kinds, permissions and contents.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How many files, links and directories it has.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many bytes its files have together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many sockets, pipes and devices were left out.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Fills a fresh tree with it.
    ///
    /// # Errors
    /// A [`TreeError`] if the archive is not what was frozen, or if it cannot be written. The tree is incomplete then.
    pub fn restore(&self, tree: &TrialTree) -> Result<(), TreeError> {
        let failed = TreeError::io("read the archive", &self.archive);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&self.archive)
            .map_err(failed)?;
        let top = tree.path();
        let root = beneath::directory(&top).map_err(TreeError::io("open", &top))?;
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut thaw = Thaw {
            reader,
            hasher: Sha256::new(),
            archive: &self.archive,
            tree,
            buffer: vec![0; BUFFER_BYTES],
        };
        let mut magic = [0; MAGIC.len()];
        thaw.read(&mut magic)?;
        if magic != MAGIC {
            return Err(thaw.damaged("it is no archive"));
        }
        thaw.directory(root.as_fd(), 0)?;
        let mut rest = [0; 1];
        if !matches!(thaw.reader.read(&mut rest), Ok(0)) {
            return Err(thaw.damaged("there is more than a tree in it"));
        }
        if thaw.hasher.finalize().as_slice() != self.digest {
            let why = "its digest is another one";
            return Err(TreeError::Damaged { path: self.archive.clone(), why });
        }
        Ok(())
    }
}

/// Freezes the tree of a sandbox of which nothing is left, into a new file.
///
/// # Errors
/// A [`TreeError`] if it is larger than allowed, or cannot be read; there is no archive then.
pub fn snapshot(dead: &Dead, archive: &Path, limits: &TreeLimits) -> Result<TreeSnapshot, TreeError> {
    of_directory(&dead.tree().path(), archive, limits)
}

/// Freezes a directory that nobody writes to: the start of a task.
///
/// # Errors
/// As [`snapshot`].
pub fn of_directory(path: &Path, archive: &Path, limits: &TreeLimits) -> Result<TreeSnapshot, TreeError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(archive)
        .map_err(TreeError::io("make the archive", archive))?;
    let frozen = freeze(path, file, archive, limits);
    if frozen.is_err() {
        // Half of a tree is no use to anybody; that it stays is no second failure.
        let _ = fs::remove_file(archive);
    }
    frozen
}

fn freeze(path: &Path, file: File, archive: &Path, limits: &TreeLimits) -> Result<TreeSnapshot, TreeError> {
    let root = beneath::directory(path).map_err(TreeError::io("open", path))?;
    let mut freeze = Freeze {
        writer: BufWriter::with_capacity(BUFFER_BYTES, file),
        hasher: Sha256::new(),
        archive,
        limits,
        entries: 0,
        bytes: 0,
        dropped: 0,
        buffer: vec![0; BUFFER_BYTES],
    };
    freeze.write(MAGIC)?;
    freeze.directory(root.as_fd(), path, 1)?;
    freeze.writer.flush().map_err(TreeError::io("write the archive", archive))?;
    Ok(TreeSnapshot {
        archive: archive.to_path_buf(),
        digest: freeze.hasher.finalize().into(),
        entries: freeze.entries,
        bytes: freeze.bytes,
        dropped: freeze.dropped,
    })
}

struct Freeze<'a> {
    writer: BufWriter<File>,
    hasher: Sha256,
    archive: &'a Path,
    limits: &'a TreeLimits,
    entries: u64,
    bytes: u64,
    dropped: u64,
    buffer: Vec<u8>,
}

impl Freeze<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        self.hasher.update(bytes);
        self.writer.write_all(bytes).map_err(TreeError::io("write the archive", self.archive))
    }

    /// `at` is where we are, for messages alone.
    fn directory(&mut self, directory: BorrowedFd<'_>, at: &Path, depth: usize) -> Result<(), TreeError> {
        if self.limits.depth < depth {
            return Err(TreeError::TooLarge { what: "levels", most: self.limits.depth as u64 });
        }
        let room = usize::try_from(self.limits.entries - self.entries).unwrap_or(usize::MAX);
        let names = match beneath::names(directory, room) {
            Err(error) if error.kind() == ErrorKind::FileTooLarge => return Err(self.too_many()),
            names => names.map_err(TreeError::io("list", at))?,
        };
        for name in names {
            self.entry(directory, at, &name.bytes, depth)?;
        }
        self.write(&[UP])
    }

    fn too_many(&self) -> TreeError {
        TreeError::TooLarge { what: "entries", most: self.limits.entries }
    }

    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        parent: &Path,
        name: &CString,
        depth: usize,
    ) -> Result<(), TreeError> {
        let at = parent.join(std::ffi::OsString::from_vec(name.as_bytes().to_vec()));
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statat(directory, name.as_c_str(), flags)
            .map_err(io::Error::from)
            .map_err(TreeError::io("look at", &at))?;
        if self.limits.entries <= self.entries {
            return Err(self.too_many());
        }
        let kind = FileType::from_raw_mode(stat.st_mode);
        self.entries +=
            u64::from(matches!(kind, FileType::Directory | FileType::RegularFile | FileType::Symlink));
        // Bits that give rights to whoever runs a file are not kept.
        let mode = stat.st_mode & 0o777;
        match kind {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let inner = beneath::open_own(directory, name, flags, Mode::RWXU)
                    .map_err(TreeError::io("open", &at))?;
                self.head(DIRECTORY, mode, name)?;
                self.directory(inner.as_fd(), &at, depth + 1)
            }
            FileType::RegularFile => {
                // The kind may be another one by now: an open that waits for a pipe would never return.
                let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                let file = beneath::open_own(directory, name, flags, Mode::RUSR)
                    .map_err(TreeError::io("open", &at))?;
                self.head(FILE, mode, name)?;
                self.file(file, &at)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(directory, name.as_c_str(), Vec::new())
                    .map_err(io::Error::from)
                    .map_err(TreeError::io("read the link", &at))?;
                self.head(LINK, 0o777, name)?;
                self.write(&(target.as_bytes().len() as u64).to_le_bytes())?;
                self.write(target.as_bytes())
            }
            _ => {
                self.dropped += 1;
                Ok(())
            }
        }
    }

    fn head(&mut self, kind: u8, mode: u32, name: &CString) -> Result<(), TreeError> {
        self.write(&[kind])?;
        self.write(&mode.to_le_bytes())?;
        // The kernel has no longer names than 255 bytes.
        self.write(&(name.as_bytes().len() as u64).to_le_bytes())?;
        self.write(name.as_bytes())
    }

    fn file(&mut self, file: OwnedFd, at: &Path) -> Result<(), TreeError> {
        let changed = || TreeError::Changed { path: at.to_path_buf() };
        let stat = rustix::fs::fstat(&file).map_err(io::Error::from).map_err(TreeError::io("look at", at))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(changed());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(size);
        if self.limits.bytes < self.bytes {
            return Err(TreeError::TooLarge { what: "bytes", most: self.limits.bytes });
        }
        self.write(&size.to_le_bytes())?;
        let mut file = File::from(file);
        let mut left = size;
        let mut buffer = std::mem::take(&mut self.buffer);
        while 0 < left {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read(&mut buffer[..wanted]).map_err(TreeError::io("read", at))?;
            if read == 0 {
                return Err(changed());
            }
            self.write(&buffer[..read])?;
            left -= read as u64;
        }
        self.buffer = buffer;
        Ok(())
    }
}

struct Thaw<'a> {
    reader: BufReader<File>,
    hasher: Sha256,
    archive: &'a Path,
    tree: &'a TrialTree,
    buffer: Vec<u8>,
}

impl Thaw<'_> {
    fn damaged(&self, why: &'static str) -> TreeError {
        TreeError::Damaged { path: self.archive.to_path_buf(), why }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), TreeError> {
        match self.reader.read_exact(bytes) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.damaged("its end is missing")),
            read => {
                self.hasher.update(&*bytes);
                read.map_err(TreeError::io("read the archive", self.archive))
            }
        }
    }

    fn number(&mut self) -> Result<u64, TreeError> {
        let mut bytes = [0; 8];
        self.read(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self, most: u64) -> Result<CString, TreeError> {
        let length = self.number()?;
        if most < length {
            return Err(self.damaged("a name is too long"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.read(&mut bytes)?;
        CString::new(bytes).map_err(|_| self.damaged("a name has a zero"))
    }

    /// Fills a directory up to its end.
    fn directory(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), TreeError> {
        if MAX_DEPTH < depth {
            return Err(self.damaged("it is too deep"));
        }
        let written = TreeError::io;
        loop {
            let mut kind = [0; 1];
            self.read(&mut kind)?;
            if kind == [UP] {
                return Ok(());
            }
            let mut mode = [0; 4];
            self.read(&mut mode)?;
            let mode = Mode::from_raw_mode(u32::from_le_bytes(mode) & 0o777);
            let name = self.text(255)?;
            let bytes = name.as_bytes();
            if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
                return Err(self.damaged("a name is a path"));
            }
            let at = self.tree.path();
            match kind[0] {
                DIRECTORY => {
                    rustix::fs::mkdirat(directory, name.as_c_str(), Mode::RWXU)
                        .map_err(io::Error::from)
                        .map_err(written("make a directory in", &at))?;
                    let inner = beneath::open(directory, &name, OFlags::RDONLY | OFlags::DIRECTORY)
                        .map_err(written("open a directory in", &at))?;
                    self.directory(inner.as_fd(), depth + 1)?;
                    self.finish(&inner, mode)?;
                }
                FILE => {
                    let flags =
                        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = rustix::fs::openat(directory, name.as_c_str(), flags, Mode::RUSR | Mode::WUSR)
                        .map_err(io::Error::from)
                        .map_err(written("make a file in", &at))?;
                    let file = self.file(File::from(file), &at)?;
                    self.finish(&OwnedFd::from(file), mode)?;
                }
                LINK => {
                    let target = self.text(MAX_LINK_BYTES)?;
                    rustix::fs::symlinkat(target.as_c_str(), directory, name.as_c_str())
                        .map_err(io::Error::from)
                        .map_err(written("make a link in", &at))?;
                    self.own_link(directory, &name)?;
                }
                _ => return Err(self.damaged("there is an unknown entry")),
            }
        }
    }

    fn file(&mut self, mut file: File, at: &Path) -> Result<File, TreeError> {
        let mut left = self.number()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        while 0 < left {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            self.read(&mut buffer[..wanted])?;
            file.write_all(&buffer[..wanted]).map_err(TreeError::io("write a file in", at))?;
            left -= wanted as u64;
        }
        self.buffer = buffer;
        Ok(file)
    }

    /// The owner first: a change of the owner may take bits of the mode.
    fn finish(&self, made: &OwnedFd, mode: Mode) -> Result<(), TreeError> {
        let (uid, gid) = self.owner();
        let owned = if uid.is_some() { rustix::fs::fchown(made, uid, gid) } else { Ok(()) };
        owned
            .and_then(|()| rustix::fs::fchmod(made, mode))
            .map_err(io::Error::from)
            .map_err(TreeError::io("set the mode of a file in", &self.tree.path()))
    }

    fn own_link(&self, directory: BorrowedFd<'_>, name: &CString) -> Result<(), TreeError> {
        let (uid, gid) = self.owner();
        if uid.is_none() {
            return Ok(());
        }
        rustix::fs::chownat(directory, name.as_c_str(), uid, gid, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(io::Error::from)
            .map_err(TreeError::io("set the owner of a link in", &self.tree.path()))
    }

    fn owner(&self) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
        let owner = self.tree.owner();
        let uid = owner.map(|owner| rustix::fs::Uid::from_raw(owner.uid));
        (uid, owner.map(|owner| rustix::fs::Gid::from_raw(owner.gid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sandbox::tree::Trials;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sh-snapshot-{}-{name}", std::process::id()));
            let _ = beneath::remove(&path);
            fs::create_dir_all(path.join("tree")).unwrap();
            Self(path)
        }

        fn freeze(&self, archive: &str) -> Result<TreeSnapshot, TreeError> {
            self.freeze_within(archive, &TreeLimits::default())
        }

        fn freeze_within(&self, archive: &str, limits: &TreeLimits) -> Result<TreeSnapshot, TreeError> {
            of_directory(&self.0.join("tree"), &self.0.join(archive), limits)
        }

        fn fresh(&self) -> TrialTree {
            Trials::at(self.0.join("trials"), None).fresh().unwrap()
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) {
            let path = self.0.join("tree").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = beneath::remove(&self.0);
        }
    }

    #[test]
    fn a_restored_tree_freezes_to_the_same_digest() {
        let place = Place::new("round");
        place.write("a/b/c.txt", "text");
        place.write("a/run.sh", "#!/bin/sh\n");
        place.write("empty", "");
        place.write("large", vec![7; 300_000]);
        let mode = |name: &str, mode| {
            fs::set_permissions(place.0.join("tree").join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        mode("a/run.sh", 0o4755);
        mode("empty", 0o000);
        symlink("/etc/passwd", place.0.join("tree/absolute")).unwrap();
        symlink("../../..", place.0.join("tree/a/up")).unwrap();
        let first = place.freeze("first").unwrap();
        assert_eq!((first.entries(), first.bytes(), first.dropped()), (8, 300_014, 0));

        let tree = place.fresh();
        first.restore(&tree).unwrap();
        let again = of_directory(&tree.path(), &place.0.join("again"), &TreeLimits::default()).unwrap();
        assert_eq!(again.digest(), first.digest());
        let restored = |name: &str| fs::symlink_metadata(tree.path().join(name)).unwrap();
        assert_eq!(restored("a/run.sh").permissions().mode() & 0o7777, 0o755);
        assert!(restored("absolute").is_symlink());
        place.write("a/b/c.txt", "texT");
        assert_ne!(place.freeze("second").unwrap().digest(), first.digest());
    }

    #[test]
    fn esc_97_98_pipes_and_sockets_are_dropped_and_nobody_waits_for_them() {
        let place = Place::new("kinds");
        place.write("kept", "x");
        let tree = place.0.join("tree");
        rustix::fs::mknodat(rustix::fs::CWD, tree.join("reward.txt"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(tree.join("socket")).unwrap();
        let frozen = place.freeze("archive").unwrap();
        assert_eq!((frozen.entries(), frozen.dropped()), (1, 2));
    }

    #[test]
    fn esc_99_links_to_host_files_are_text() {
        let place = Place::new("links");
        place.write("real/file", "inside");
        symlink("/etc", place.0.join("tree/etc")).unwrap();
        let frozen = place.freeze("archive").unwrap();
        assert_eq!(frozen.entries(), 3);
        let archive = fs::read(frozen.archive()).unwrap();
        assert!(!archive.windows(5).any(|window| window == b"root:"));
    }

    #[test]
    fn esc_101_large_trees_are_capped() {
        let place = Place::new("caps");
        place.write("sparse", "");
        File::options().write(true).open(place.0.join("tree/sparse")).unwrap().set_len(1 << 40).unwrap();
        let error = place.freeze("archive").unwrap_err();
        assert!(matches!(error, TreeError::TooLarge { what: "bytes", .. }), "{error}");
        assert!(!place.0.join("archive").exists());
        place.write("sparse", "");
        for number in 0..50 {
            place.write(&format!("many/{number}"), "");
        }
        let limits = TreeLimits { entries: 40, ..TreeLimits::default() };
        let error = place.freeze_within("archive", &limits).unwrap_err();
        assert!(matches!(error, TreeError::TooLarge { what: "entries", .. }), "{error}");
        place.write(&format!("{}file", "d/".repeat(20)), "deep");
        let limits = TreeLimits { depth: 10, ..TreeLimits::default() };
        let error = place.freeze_within("archive", &limits).unwrap_err();
        assert!(matches!(error, TreeError::TooLarge { what: "levels", .. }), "{error}");
    }

    #[test]
    fn esc_102_odd_names_come_back_as_they_were() {
        let place = Place::new("names");
        let names: [&[u8]; 4] = [b"\x1b[31mred", b"new\nline", b"\xff\xfe", b"-rf"];
        for name in names {
            let name = std::ffi::OsString::from_vec(name.to_vec());
            fs::write(place.0.join("tree").join(name), "x").unwrap();
        }
        let tree = place.fresh();
        place.freeze("archive").unwrap().restore(&tree).unwrap();
        assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 4);
    }

    #[test]
    fn esc_104_an_archive_with_a_path_is_refused() {
        let place = Place::new("paths");
        let names: [&[u8]; 4] = [b"..", b"/etc/x", b"a/b", b""];
        for (number, name) in names.into_iter().enumerate() {
            let mut bytes = MAGIC.to_vec();
            bytes.push(FILE);
            bytes.extend(0o644_u32.to_le_bytes());
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name);
            bytes.extend(1_u64.to_le_bytes());
            bytes.extend(b"x");
            bytes.push(UP);
            let archive = place.0.join(format!("archive-{number}"));
            fs::write(&archive, &bytes).unwrap();
            let digest = Sha256::digest(&bytes).into();
            let forged = TreeSnapshot { archive, digest, entries: 1, bytes: 1, dropped: 0 };
            let tree = place.fresh();
            let error = forged.restore(&tree).unwrap_err();
            assert!(matches!(error, TreeError::Damaged { why: "a name is a path", .. }), "{error}");
        }
    }

    #[test]
    fn esc_104_nothing_is_written_through_a_link() {
        let place = Place::new("through");
        let entry = |kind: u8, name: &[u8], content: &[u8]| {
            let mut bytes = vec![kind];
            bytes.extend(0o644_u32.to_le_bytes());
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name);
            bytes.extend((content.len() as u64).to_le_bytes());
            bytes.extend(content);
            bytes
        };
        let outside = place.0.join("outside");
        let bytes = [
            MAGIC,
            &entry(LINK, b"x", outside.as_os_str().as_encoded_bytes()),
            &entry(FILE, b"x", b"text"),
            &[UP],
        ]
        .concat();
        let archive = place.0.join("archive");
        fs::write(&archive, &bytes).unwrap();
        let digest = Sha256::digest(&bytes).into();
        let forged = TreeSnapshot { archive, digest, entries: 2, bytes: 4, dropped: 0 };
        assert!(forged.restore(&place.fresh()).is_err());
        assert!(!outside.exists());
    }

    #[test]
    fn a_changed_archive_is_noticed() {
        let place = Place::new("damaged");
        place.write("a", "text");
        let frozen = place.freeze("archive").unwrap();
        let mut bytes = fs::read(frozen.archive()).unwrap();
        let at = bytes.len() - 2;
        bytes[at] ^= 1;
        fs::write(frozen.archive(), &bytes).unwrap();
        let error = frozen.restore(&place.fresh()).unwrap_err();
        assert!(matches!(error, TreeError::Damaged { .. }), "{error}");
        fs::write(frozen.archive(), &bytes[..10]).unwrap();
        assert!(frozen.restore(&place.fresh()).is_err());
    }

    #[test]
    fn esc_105_a_link_in_place_of_a_directory_is_refused() {
        let place = Place::new("swapped");
        fs::create_dir(place.0.join("real")).unwrap();
        symlink(place.0.join("real"), place.0.join("tree/link")).unwrap();
        let top = beneath::directory(&place.0.join("tree")).unwrap();
        let name = CString::new("link").unwrap();
        assert!(beneath::open_own(&top, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::RWXU).is_err());
        assert!(beneath::directory(&place.0.join("tree/link")).is_err());
    }
}
