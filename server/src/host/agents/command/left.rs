//! What a program left in its sandbox, read as data that an enemy wrote: regular files only, no links, no more than so much.

use crate::host::sandbox::Dead;

/// More of a transcript is not read.
#[cfg(target_os = "linux")]
const MAX_TRANSCRIPT_BYTES: u64 = 64 * 1024 * 1024;

/// The text of a file, by its path as seen inside; `None` if it is not there, is no text file of the trial, or lies where
/// nothing leaves the sandbox.
#[cfg(target_os = "linux")]
pub(super) fn text(dead: &Dead, path: &str, workdir: &str) -> Option<String> {
    use std::ffi::CString;
    use std::fs::File;
    use std::io::Read;
    use std::path::{Component, Path};

    use rustix::fs::{FileType, Mode, OFlags};

    use crate::host::sandbox::beneath;

    let path = Path::new(path);
    let (top, below) = if let Ok(below) = path.strip_prefix("/logs/agent") {
        (dead.tree().out(), below)
    } else if let Ok(below) = path.strip_prefix(workdir).or_else(|_| path.strip_prefix("/workspace")) {
        (dead.tree().path(), below)
    } else if path.is_relative() {
        (dead.tree().path(), path)
    } else {
        return None;
    };
    if !below.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let top = beneath::directory(&top).ok()?;
    let name = CString::new(below.as_os_str().as_encoded_bytes()).ok()?;
    let opened = beneath::open_own(&top, &name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::RUSR).ok()?;
    let stat = rustix::fs::fstat(&opened).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(opened).take(MAX_TRANSCRIPT_BYTES).read_to_end(&mut bytes).ok()?;
    // Nothing at all is none.
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// No sandbox leaves anything on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn text(_: &Dead, _: &str, _: &str) -> Option<String> {
    None
}
