//! Trees as tar streams, the way in and out of a container. What comes out was written by an agent and told by an engine:
//! no `..`, no absolute path, no link on the way, no name twice, no special file, and no more than is allowed.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use tar::{Builder, EntryType, Header};

use super::super::beneath::{self, MAX_DEPTH};
use super::super::snapshot::TreeLimits;
use super::super::tree::{Identity, TreeError};

/// How files are written into a container.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// To whoever works inside, with their modes.
    Worker(Identity),
    /// To root; all can read, nobody else can write.
    Root,
}

/// A tar stream into a container.
pub(super) struct Packer<W: Write> {
    builder: Builder<W>,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { builder: Builder::new(writer) }
    }

    /// A directory of its own.
    pub(super) fn directory(&mut self, at: &Path, mode: u32, owner: Owner) -> io::Result<()> {
        let mut header = head(EntryType::Directory, mode, owner, 0);
        self.builder.append_data(&mut header, at, io::empty())
    }

    /// One file, with the time of its last change.
    pub(super) fn file(&mut self, from: &mut File, at: &Path, mode: u32, owner: Owner) -> io::Result<()> {
        let there = from.metadata()?;
        let mut header = head(EntryType::Regular, mode, owner, there.len());
        header.set_mtime(u64::try_from(there.mtime()).unwrap_or(0));
        self.builder.append_data(&mut header, at, from.take(there.len()))
    }

    /// What a path of the host is, with all that is below. Links are kept as text.
    pub(super) fn all(&mut self, from: &Path, at: &Path, owner: Owner) -> io::Result<()> {
        let kind = fs::metadata(from)?.file_type();
        if kind.is_file() {
            let mut file = File::open(from)?;
            let mode = file.metadata()?.mode();
            return self.file(&mut file, at, mode_for(mode, owner), owner);
        }
        if kind.is_socket() || kind.is_char_device() || kind.is_block_device() || kind.is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file and no directory"));
        }
        let top = beneath::directory(&fs::canonicalize(from)?)?;
        let mode = rustix::fs::fstat(&top)?.st_mode;
        self.directory(at, mode_for(mode, owner) | 0o700, owner)?;
        self.below(top.as_fd(), at, owner, 1)
    }

    fn below(&mut self, directory: BorrowedFd<'_>, at: &Path, owner: Owner, depth: usize) -> io::Result<()> {
        if MAX_DEPTH < depth {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        for name in beneath::names(directory, usize::MAX)? {
            let name = name.bytes;
            let at = at.join(OsStr::from_bytes(name.as_bytes()));
            let stat = rustix::fs::statat(directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
            let mode = mode_for(stat.st_mode, owner);
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                    let inner = beneath::open_own(directory, &name, flags, Mode::RWXU)?;
                    self.directory(&at, mode, owner)?;
                    self.below(inner.as_fd(), &at, owner, depth + 1)?;
                }
                FileType::RegularFile => {
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                    let file = beneath::open_own(directory, &name, flags, Mode::RUSR)?;
                    self.file(&mut File::from(file), &at, mode, owner)?;
                }
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(directory, name.as_c_str(), Vec::new())?;
                    self.link(&at, target.as_bytes(), owner)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A link; its target is kept as text.
    pub(super) fn link(&mut self, at: &Path, target: &[u8], owner: Owner) -> io::Result<()> {
        let mut header = head(EntryType::Symlink, 0o777, owner, 0);
        // The text as it is; only what does not fit goes another way.
        match header.set_link_name_literal(target) {
            Ok(()) => self.builder.append_data(&mut header, at, io::empty()),
            Err(_) => self.builder.append_link(&mut header, at, OsStr::from_bytes(target)),
        }
    }

    /// Ends the stream.
    pub(super) fn finish(self) -> io::Result<()> {
        self.builder.into_inner()?.flush()
    }
}

fn mode_for(mode: u32, owner: Owner) -> u32 {
    match owner {
        Owner::Worker(_) => mode & 0o777,
        Owner::Root if FileType::from_raw_mode(mode).is_dir() || mode & 0o111 != 0 => 0o755,
        Owner::Root => 0o644,
    }
}

fn head(kind: EntryType, mode: u32, owner: Owner, size: u64) -> Header {
    let mut header = Header::new_gnu();
    let (uid, gid) = match owner {
        Owner::Worker(user) => (user.uid, user.gid),
        Owner::Root => (0, 0),
    };
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(u64::from(uid));
    header.set_gid(u64::from(gid));
    header.set_size(size);
    header
}

/// Fills an empty directory with what a tar stream has; how many special files were left out.
///
/// `top` is the name that the engine gives to the directory itself; it stands before each name, or nothing does.
///
/// # Errors
/// A [`TreeError`] if something in the stream is not allowed; the directory is incomplete then.
pub(super) fn unpack(
    stream: impl Read,
    top: &str,
    into: &Path,
    owner: Option<Identity>,
    limits: &TreeLimits,
) -> Result<u64, TreeError> {
    let root = beneath::directory(into).map_err(TreeError::io("open", into))?;
    let mut unpack =
        Unpack { root, into, top, owner, limits, entries: 0, bytes: 0, dropped: 0, modes: Vec::new() };
    let mut archive = tar::Archive::new(Ending { stream, zeros: 0 });
    let unreadable = TreeError::io("read the stream of", into);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let entry = entry.map_err(TreeError::io("read the stream of", into))?;
        unpack.entry(entry)?;
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(TreeError::io("read the stream of", into))?;
    if rest.zeros < END_BYTES {
        return Err(unpack.refused("its end is missing"));
    }
    unpack.finish()
}

/// How many zeros end a stream; without them it was cut, perhaps between two entries.
const END_BYTES: u64 = 1024;

/// A stream, and how many zeros it ended with.
struct Ending<R> {
    stream: R,
    zeros: u64,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == read { self.zeros.saturating_add(zeros as u64) } else { zeros as u64 };
        Ok(read)
    }
}

struct Unpack<'a> {
    root: OwnedFd,
    into: &'a Path,
    top: &'a str,
    owner: Option<Identity>,
    limits: &'a TreeLimits,
    entries: u64,
    bytes: u64,
    dropped: u64,
    /// Modes of directories, which are set when nothing more is written into them.
    modes: Vec<(Vec<CString>, Mode)>,
}

impl Unpack<'_> {
    fn refused(&self, why: &'static str) -> TreeError {
        TreeError::Damaged { path: self.into.to_path_buf(), why }
    }

    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), TreeError> {
        let mut names = self.names(&entry.path_bytes())?;
        let kind = entry.header().entry_type();
        // The directory itself is there.
        let Some(name) = names.pop() else {
            return if kind.is_dir() { Ok(()) } else { Err(self.refused("the tree is no directory")) };
        };
        if self.limits.entries <= self.entries {
            return Err(TreeError::TooLarge { what: "entries", most: self.limits.entries });
        }
        if self.limits.depth <= names.len() {
            return Err(TreeError::TooLarge { what: "levels", most: self.limits.depth as u64 });
        }
        let written = |error: io::Error| TreeError::io("write into", self.into)(error);
        let mode = entry.header().mode().map_err(written)?;
        // Bits that give rights to whoever runs a file are not kept.
        let mode = Mode::from_raw_mode(mode & 0o777);
        let parent = self.directory(&names)?;
        self.entries += 1;
        match kind {
            EntryType::Directory => {
                rustix::fs::mkdirat(&parent, name.as_c_str(), Mode::RWXU)
                    .map_err(|error| self.twice(error))?;
                names.push(name);
                self.modes.push((names, mode));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let size = entry.size();
                let file = self.file(&parent, &name, &mut entry, size)?;
                self.own(&file, mode)?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let mut names = self.names(&target)?;
                let Some(linked) = names.pop() else { return Err(self.refused("a hard link leads nowhere")) };
                let place = self.directory(&names)?;
                let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                let linked = beneath::open_own(&place, &linked, flags, Mode::RUSR).map_err(written)?;
                let stat = rustix::fs::fstat(&linked).map_err(io::Error::from).map_err(written)?;
                if !FileType::from_raw_mode(stat.st_mode).is_file() {
                    return Err(self.refused("a hard link leads to no file"));
                }
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                let file = self.file(&parent, &name, &mut File::from(linked), size)?;
                self.own(&file, Mode::from_raw_mode(stat.st_mode & 0o777))?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = CString::new(target).map_err(|_| self.refused("a link has a zero"))?;
                rustix::fs::symlinkat(target.as_c_str(), &parent, name.as_c_str())
                    .map_err(|error| self.twice(error))?;
                if let Some(owner) = self.owner {
                    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    rustix::fs::chownat(&parent, name.as_c_str(), Some(uid), Some(gid), flags)
                        .map_err(io::Error::from)
                        .map_err(written)?;
                }
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => self.dropped += 1,
            _ => return Err(self.refused("there is an unknown entry")),
        }
        Ok(())
    }

    /// The names of a path, from the top of the tree.
    fn names(&self, path: &[u8]) -> Result<Vec<CString>, TreeError> {
        let is_top = self.top.as_bytes().strip_suffix(b"/").is_some_and(|top| !top.is_empty() && path == top);
        let path = if is_top { b"" } else { path };
        let path = match path.strip_prefix(self.top.as_bytes()) {
            // podman calls the directory itself `/`, Docker by its name.
            Some(rest) if !self.top.is_empty() => rest,
            _ => path,
        };
        if path.first() == Some(&b'/') {
            return Err(self.refused("a path is absolute"));
        }
        let mut names = Vec::new();
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return Err(self.refused("a path leads up")),
                _ if 255 < name.len() => return Err(self.refused("a name is too long")),
                _ => names.push(CString::new(name).map_err(|_| self.refused("a name has a zero"))?),
            }
        }
        Ok(names)
    }

    /// A directory of the tree, on a way without links.
    fn directory(&self, names: &[CString]) -> Result<OwnedFd, TreeError> {
        let mut place = self.root.try_clone().map_err(TreeError::io("open", self.into))?;
        for name in names {
            place = beneath::open(&place, name, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(|_| self.refused("a path goes through something that is no directory"))?;
        }
        Ok(place)
    }

    fn twice(&self, error: rustix::io::Errno) -> TreeError {
        match error {
            rustix::io::Errno::EXIST => self.refused("a name is there twice"),
            error => TreeError::io("write into", self.into)(error.into()),
        }
    }

    fn file(
        &mut self,
        parent: &OwnedFd,
        name: &CString,
        content: &mut impl Read,
        size: u64,
    ) -> Result<OwnedFd, TreeError> {
        self.bytes = self.bytes.saturating_add(size);
        if self.limits.bytes < self.bytes {
            return Err(TreeError::TooLarge { what: "bytes", most: self.limits.bytes });
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, name.as_c_str(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.twice(error))?;
        let mut file = File::from(file);
        io::copy(&mut content.take(size), &mut file).map_err(TreeError::io("write into", self.into))?;
        Ok(OwnedFd::from(file))
    }

    /// The owner first: a change of the owner may take bits of the mode.
    fn own(&self, made: &OwnedFd, mode: Mode) -> Result<(), TreeError> {
        let owned = match self.owner {
            Some(owner) => {
                rustix::fs::fchown(made, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))
            }
            None => Ok(()),
        };
        owned
            .and_then(|()| rustix::fs::fchmod(made, mode))
            .map_err(io::Error::from)
            .map_err(TreeError::io("set the mode of a file in", self.into))
    }

    fn finish(mut self) -> Result<u64, TreeError> {
        // What lies deeper comes later, and is closed first.
        for (names, mode) in std::mem::take(&mut self.modes).into_iter().rev() {
            self.own(&self.directory(&names)?, mode)?;
        }
        Ok(self.dropped)
    }
}

/// Empties a directory of ours, whatever an agent has left in it.
///
/// # Errors
/// The system's.
pub(super) fn empty(directory: &Path, owner: Option<Identity>) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    beneath::remove(directory)?;
    fs::DirBuilder::new().mode(0o700).create(directory)?;
    match owner {
        Some(owner) => std::os::unix::fs::chown(directory, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}

/// A path from the root as it stands in a stream.
pub(super) fn relative(at: &str) -> std::path::PathBuf {
    std::ffi::OsString::from_vec(at.trim_start_matches('/').as_bytes().to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sh-pack-{}-{name}", std::process::id()));
        let _ = beneath::remove(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A stream with entries that a careful writer would not make.
    fn stream(entries: &[(EntryType, &[u8], &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            let mut header = head(*kind, 0o4755, Owner::Root, if is_link { 0 } else { content.len() as u64 });
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path);
            if is_link {
                header.set_link_name_literal(content).unwrap();
            }
            header.set_cksum();
            builder.append(&header, if is_link { &[][..] } else { content }).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[track_caller]
    fn refuses(entries: &[(EntryType, &[u8], &[u8])], why: &str) {
        let place = fresh("refused");
        let found = unpack(&stream(entries)[..], "/", &place, None, &TreeLimits::default()).unwrap_err();
        assert!(found.to_string().contains(why), "{found}");
        beneath::remove(&place).unwrap();
    }

    #[test]
    fn esc_104_what_leads_out_of_a_tree_is_refused() {
        use EntryType::{Directory, Link, Regular, Symlink};
        let outside = fresh("outside");
        fs::write(outside.join("kept"), "x").unwrap();
        let out = outside.as_os_str().as_bytes();
        refuses(&[(Regular, b"../x", b"1")], "leads up");
        refuses(&[(Directory, b"d/", b""), (Regular, b"d/../../x", b"1")], "leads up");
        refuses(&[(Regular, b"//etc/x", b"1")], "absolute");
        refuses(&[(Symlink, b"l", out), (Regular, b"l/kept", b"1")], "no directory");
        refuses(&[(Symlink, b"l", b"/etc/passwd"), (Regular, b"l", b"1")], "twice");
        refuses(&[(Symlink, b"l", out), (Directory, b"l", b"")], "twice");
        refuses(&[(Link, b"h", b"../outside/kept")], "leads up");
        refuses(&[(Symlink, b"l", out), (Link, b"h", b"l/kept")], "no directory");
        refuses(&[(Symlink, b"l", b"/etc/passwd"), (Link, b"h", b"l")], "write into");
        refuses(&[(Regular, b"no/directory", b"1")], "no directory");
        refuses(&[(EntryType::new(b'V'), b"v", b"")], "unknown entry");
        assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "x");
        beneath::remove(&outside).unwrap();
    }

    #[test]
    fn esc_98_special_files_are_dropped_and_too_much_is_refused() {
        let place = fresh("special");
        let entries: [(EntryType, &[u8], &[u8]); 4] = [
            (EntryType::Fifo, b"fifo", b""),
            (EntryType::Char, b"null", b""),
            (EntryType::Block, b"disk", b""),
            (EntryType::Regular, b"file", b"text"),
        ];
        let limits = TreeLimits::default();
        assert_eq!(unpack(&stream(&entries)[..], "", &place, None, &limits).unwrap(), 3);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        assert_eq!(fs::metadata(place.join("file")).unwrap().permissions().mode() & 0o7777, 0o755);
        for limits in [
            TreeLimits { entries: 3, ..limits },
            TreeLimits { bytes: 3, ..limits },
            TreeLimits { depth: 0, ..limits },
        ] {
            empty(&place, None).unwrap();
            let found = unpack(&stream(&entries)[..], "", &place, None, &limits).unwrap_err();
            assert!(matches!(found, TreeError::TooLarge { .. }), "{found}");
        }
        beneath::remove(&place).unwrap();
    }

    #[test]
    fn a_stream_that_was_cut_is_refused() {
        let place = fresh("cut");
        let whole = stream(&[(EntryType::Regular, b"a", b"1"), (EntryType::Regular, b"b", b"2")]);
        // Between the two files, and before the end.
        for length in [1024, 2048] {
            empty(&place, None).unwrap();
            let cut = unpack(&whole[..length], "", &place, None, &TreeLimits::default()).unwrap_err();
            assert!(cut.to_string().contains("its end is missing"), "{cut}");
        }
        beneath::remove(&place).unwrap();
    }

    #[test]
    fn a_tree_comes_back_as_it_went_in() {
        let (from, into) = (fresh("from"), fresh("into"));
        let long = "n".repeat(200);
        fs::create_dir_all(from.join("d").join(&long)).unwrap();
        fs::write(from.join("d").join(&long).join("file"), vec![7; 100_000]).unwrap();
        fs::write(from.join("run"), "#!/bin/sh").unwrap();
        fs::set_permissions(from.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::hard_link(from.join("run"), from.join("hard")).unwrap();
        symlink("./../d//x/", from.join("odd")).unwrap();
        symlink("t".repeat(300), from.join("far")).unwrap();
        fs::write(from.join(OsStr::from_bytes(b"bytes-\xff\n")), "b").unwrap();
        fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o500)).unwrap();
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        packer.all(&from, Path::new("."), Owner::Worker(Identity { uid: 1, gid: 1 })).unwrap();
        packer.finish().unwrap();
        unpack(&bytes[..], "", &into, None, &TreeLimits::default()).unwrap();
        let archive = |name: &str, of: &Path| {
            let path = from.with_extension(name);
            let _ = fs::remove_file(&path);
            let frozen =
                super::super::super::snapshot::of_directory(of, &path, &TreeLimits::default()).unwrap();
            fs::remove_file(&path).unwrap();
            *frozen.digest()
        };
        assert_eq!(archive("a", &from), archive("b", &into));
        beneath::remove(&from).unwrap();
        beneath::remove(&into).unwrap();
    }
}
