//! What a harness is made of and cannot be read: then there is no report, which could only be wrong. Decides who has to act.

use std::fs;
use std::io;
use std::path::Path;

use harness_schema::digest::Digest;
use harness_schema::files::{Content, File, Link, Opaque};
use harness_schema::harness::{Harness, KNOWN, MANIFEST, NamedPath, PathKind, Role};
use harness_schema::path::FilePath;
use harness_schema::syntax::data::Value;
use harness_schema::text::MAX_TEXT_BYTES;

use crate::cli::report::Root;
use crate::failure::Failure;
use crate::host::disk;

/// Refuses a harness if its manifest or its list of known problems is nothing that can be read, or if the machine does not
/// let us read a file or a directory that it names.
///
/// # Errors
/// That [`Failure`].
pub(super) fn refuse(
    root: &Path,
    shown: &Root,
    harness: &Harness,
    refused: &[(FilePath, io::Error)],
) -> Result<(), Failure> {
    let its_text = "save it as UTF-8 text: nothing of the harness is read without it";
    if let Ok(manifest) = FilePath::parse(MANIFEST) {
        refuse_text(root, shown, harness, &manifest, its_text)?;
        if harness.files().document(&manifest).is_none() {
            return Err(Failure::config(
                format!("`{}` is no file", shown.shown(&manifest)),
                "move it away, or put a manifest in its place",
            ));
        }
    }
    refuse_list(root, shown, harness)?;
    let denied = |file: &&FilePath| match harness.files().on_disk(file) {
        Some(File { content: Content::Opaque(Opaque::Unreadable), link, .. }) => *link != Some(Link::Outside),
        _ => false,
    };
    let named = harness.named_files().filter(|file| harness.role(file) != Some(Role::Program));
    if let Some(file) = named.filter(denied).find_map(|file| denied_by(root, shown, file)) {
        return Err(file);
    }
    let matters = |(directory, _): &&(FilePath, io::Error)| {
        harness.paths().iter().any(|path| leads_into(harness, path, directory))
    };
    match refused.iter().find(matters) {
        Some((directory, error)) => Err(cannot_read(&shown.shown(directory), error)),
        None => Ok(()),
    }
}

/// The list of known problems says which problems do not count: half of it would be another answer.
fn refuse_list(root: &Path, shown: &Root, harness: &Harness) -> Result<(), Failure> {
    let Ok(path) = FilePath::parse(KNOWN) else { return Ok(()) };
    let remedy = "restore it, or remove it and write it anew with `self-harness check --write-known`";
    refuse_text(root, shown, harness, &path, remedy)?;
    let name = shown.shown(&path);
    let Some(document) = harness.files().document(&path) else {
        return match fs::symlink_metadata(root.join(KNOWN)) {
            Ok(_) => Err(Failure::config(format!("`{name}` is no file"), remedy)),
            Err(_) => Ok(()),
        };
    };
    let Some(tree) = document.data() else { return Ok(()) };
    let is_digest = |value: &Value| value.as_text().is_some_and(|text| text.parse::<Digest>().is_ok());
    let wrong = match tree.root.get("known") {
        _ if !tree.errors.is_empty() => tree.errors.first().map(|error| error.span.start),
        None => Some(0),
        Some(known) => match known.as_list() {
            Some(list) => list.iter().find(|value| !is_digest(value)).map(|value| value.span.start),
            None => Some(known.span.start),
        },
    };
    match wrong {
        Some(offset) => {
            let line = document.text().line_of(offset as usize) + 1;
            Err(Failure::config(format!("`{name}` is no list of known problems (line {line})"), remedy))
        }
        None => Ok(()),
    }
}

/// Refuses a file that is there and has no text.
fn refuse_text(
    root: &Path,
    shown: &Root,
    harness: &Harness,
    file: &FilePath,
    remedy: &str,
) -> Result<(), Failure> {
    let Some(File { content: Content::Opaque(opaque), link, .. }) = harness.files().on_disk(file) else {
        return Ok(());
    };
    let name = shown.shown(file);
    let wrong = match opaque {
        Opaque::Unreadable if *link == Some(Link::Outside) => {
            let message = format!("`{name}` is a link that leads nowhere, or out of its project");
            return Err(Failure::config(message, "put the file itself in its place"));
        }
        Opaque::Unreadable => return denied_by(root, shown, file).map_or(Ok(()), Err),
        Opaque::TooLarge { bytes } => {
            let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
            format!("has {} MiB, {} are read", mib(*bytes), mib(MAX_TEXT_BYTES as u64))
        }
        Opaque::NotUtf8 { byte } => format!("is not UTF-8 (byte {byte})"),
        Opaque::Binary => String::from("is binary"),
    };
    Err(Failure::config(format!("`{name}` {wrong}"), remedy))
}

fn denied_by(root: &Path, shown: &Root, file: &FilePath) -> Option<Failure> {
    Some(cannot_read(&shown.shown(file), &disk::refusal(root, file)?))
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    let hint = "see whether the user who runs this may read it";
    Failure::host(format!("cannot read `{name}`: {error}"), hint)
}

/// Whether what a path names may lie in a directory that could not be listed.
fn leads_into(harness: &Harness, path: &NamedPath, directory: &FilePath) -> bool {
    let Ok(target) = &path.target else { return false };
    match path.kind {
        PathKind::File | PathKind::Program => target.is_below(directory) && !harness.files().is_file(target),
        PathKind::Directory => target.is_below(directory) || directory.is_below(target),
        PathKind::Glob => {
            let plain = path.written.split(['*', '?', '{', '[']).next().unwrap_or_default();
            let above = plain.rsplit_once('/').map_or("", |(above, _)| above);
            let above = FilePath::parse(above).unwrap_or_else(|_| FilePath::root());
            let is_deep = path.written[plain.len()..].contains(['/', '{']) || path.written.contains("**");
            above.is_below(directory) || (is_deep && directory.is_below(&above))
        }
        PathKind::MayBeMissing => false,
    }
}
