//! Lays out what a command agent reads: the instruction, and the files of its harness as they lie in the workspace. These are
//! copies; the workspace itself is seen by nobody inside.

use std::fs;
use std::io;
use std::path::Path;

use harness_schema::files::Link;
use harness_schema::harness::{Harness, Role};
use harness_schema::path::FilePath;

use super::{CommandError, HARNESS_DIR, INSTRUCTION_FILE};
use crate::host::disk;
use crate::host::sandbox::TrialTree;
use crate::host::sandbox::spec::Mount;

/// Where they lie beside a tree; it goes with the tree.
const BESIDE: &str = "documents";

/// Lays out the instruction and the files of a harness beside a trial tree, and says what has to be mounted. Texts are those of
/// `harness`, so a candidate's are the edited ones; what has no text is copied from below `root`. Task files, the manifest and
/// whatever else the harness does not read stay out.
///
/// # Errors
/// [`CommandError::File`] if one cannot be read or written.
pub fn lay_out(
    harness: &Harness,
    root: &Path,
    instruction: &str,
    tree: &TrialTree,
) -> Result<Vec<Mount>, CommandError> {
    let beside = tree.directory().join(BESIDE);
    let (instruction_file, directory) = (beside.join("instruction.md"), beside.join("harness"));
    make_directory(&beside, &beside)?;
    write(&instruction_file, instruction.as_bytes(), false)?;
    lay_out_files(harness, root, &directory)?;
    Ok(vec![Mount::new(instruction_file, INSTRUCTION_FILE), Mount::new(directory, HARNESS_DIR)])
}

/// Lays out the files of a harness in a new directory, as [`lay_out`] does.
///
/// # Errors
/// [`CommandError::File`] if one cannot be read or written.
pub fn lay_out_files(harness: &Harness, root: &Path, directory: &Path) -> Result<(), CommandError> {
    make_directory(directory, directory)?;
    for path in harness.named_files().filter(|path| is_read(harness, path)) {
        let at = directory.join(path.as_str());
        if let Some(parent) = at.parent() {
            make_directory(directory, parent)?;
        }
        lay_out_one(harness, root, path, &at)?;
    }
    Ok(())
}

/// The files that make up the identity of a harness, and nothing that would tell an agent of tasks.
pub(super) fn is_read(harness: &Harness, path: &FilePath) -> bool {
    matches!(harness.role(path), Some(Role::Text | Role::Tool | Role::Surface | Role::Program))
}

fn lay_out_one(harness: &Harness, root: &Path, path: &FilePath, at: &Path) -> Result<(), CommandError> {
    let files = harness.files();
    let on_disk = files.on_disk(path);
    // A link is laid out as the file that it leads to, whose text may be another one by now.
    let target = match on_disk.and_then(|file| file.link.as_ref()) {
        Some(Link::Inside(target)) if !files.is_open(path) => target,
        Some(Link::Outside) => {
            let source = io::Error::new(io::ErrorKind::PermissionDenied, "it is a link out of the project");
            return Err(CommandError::File { what: "read", path: root.join(path.as_str()), source });
        }
        _ => path,
    };
    let executable = on_disk.is_some_and(|file| file.executable);
    if let Some(document) = files.document(target).or_else(|| files.document(path)) {
        return write(at, document.source().as_bytes(), executable);
    }
    let from = root.join(target.as_str());
    let (mut source, _) = disk::open(&from).map_err(failed("read", &from))?;
    let mut copy = create(at)?;
    io::copy(&mut source, &mut copy).map_err(failed("copy", &from))?;
    set_mode(at, executable)
}

fn write(at: &Path, bytes: &[u8], executable: bool) -> Result<(), CommandError> {
    io::Write::write_all(&mut create(at)?, bytes).map_err(failed("write", at))?;
    set_mode(at, executable)
}

/// A new file: nothing that is there is written over.
fn create(at: &Path) -> Result<fs::File, CommandError> {
    fs::File::create_new(at).map_err(failed("make", at))
}

/// A directory and those above it, up to where ours begin; whoever runs the sandbox may pass, whatever our own mask is.
fn make_directory(beside: &Path, directory: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(directory).map_err(failed("make", directory))?;
    for directory in directory.ancestors().take_while(|directory| directory.starts_with(beside)) {
        set_mode(directory, true)?;
    }
    Ok(())
}

#[cfg(unix)]
fn set_mode(at: &Path, executable: bool) -> Result<(), CommandError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).map_err(failed("set the modes of", at))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: bool) -> Result<(), CommandError> {
    Ok(())
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CommandError {
    let path = path.to_path_buf();
    move |source| CommandError::File { what, path, source }
}
