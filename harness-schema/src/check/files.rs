//! Named files: missing (SH005), outside of the project (SH006), or not readable as text (SH010).

use std::collections::BTreeSet;

use super::fixes::{did_you_mean, near, replace_string};
use crate::files::{Content, Link, Opaque};
use crate::glob::Glob;
use crate::harness::{Harness, NamedPath, PathKind, Role};
use crate::path::{FilePath, PathRefusal};
use crate::problem::{Fix, FixClass, Problem, Rule, Severity, distance_within};
use crate::surface::Astray;
use crate::text::{MAX_TEXT_BYTES, Span};

/// A named file or directory is not there, or a pattern matches nothing.
pub static MISSING_FILE: Rule =
    Rule::new("SH005", "missing-file", Severity::Error, include_str!("rules/SH005-missing-file.md"));

/// A path that is absolute or leads out of the project.
pub static PATH_OUTSIDE: Rule =
    Rule::new("SH006", "path-outside", Severity::Error, include_str!("rules/SH006-path-outside.md"));

/// A file that is too large, not UTF-8, or binary.
pub static NOT_CHECKED: Rule =
    Rule::new("SH010", "not-checked", Severity::Warning, include_str!("rules/SH010-not-checked.md"));

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    problems.extend(not_checked(harness, file));
    // A path that is blank is a wrong value.
    let is_written = |path: &&NamedPath| path.at.file == *file && !path.written.trim().is_empty();
    for path in harness.paths().iter().filter(is_written) {
        match &path.target {
            Err(refusal) => problems.push(outside(harness, path, *refusal)),
            Ok(target) => problems
                .extend(link_outside(harness, path, target).or_else(|| missing(harness, path, target))),
        }
    }
}

fn not_checked(harness: &Harness, file: &FilePath) -> Option<Problem> {
    // A file that only has to be there is nobody's document, and what judges a task may be anything.
    if matches!(harness.role(file), Some(Role::Program | Role::Verifier)) {
        return None;
    }
    let Some(Content::Opaque(opaque)) = harness.files().content(file) else { return None };
    // A link that leads out is reported where it is named.
    let is_link = harness.files().on_disk(file).is_some_and(|on_disk| on_disk.link == Some(Link::Outside));
    if is_link && matches!(harness.role(file), Some(Role::Text | Role::Tool | Role::Surface)) {
        return None;
    }
    let cause = match opaque {
        Opaque::TooLarge { bytes } => {
            format!("{} MiB, limit {} MiB", bytes.div_ceil(1024 * 1024), MAX_TEXT_BYTES / 1024 / 1024)
        }
        Opaque::NotUtf8 { byte } => format!("not UTF-8 (byte {byte})"),
        Opaque::Binary => String::from("binary"),
        Opaque::Unreadable => String::from("not readable"),
    };
    let problem = Problem::new(&NOT_CHECKED, Span::at(0), format!("not checked: {cause}"));
    Some(problem.why("no rule has read this file, and it has no surfaces").about(file.as_str()))
}

/// Why a harness names nothing outside of its project.
pub(super) const WHY_OUTSIDE: &str =
    "a harness is what lies beside its manifest: what is elsewhere is not the same on another machine";

fn outside(harness: &Harness, path: &NamedPath, refusal: PathRefusal) -> Problem {
    let inside = harness.files().inside(&path.written).filter(|_| refusal != PathRefusal::Malformed);
    let slashes = Some(path.written.as_str().replace('\\', "/"))
        .filter(|written| refusal == PathRefusal::Malformed && *written != path.written);
    let message = match (refusal, &inside) {
        (PathRefusal::Malformed, _) if path.written.is_empty() => String::from("a path must not be empty"),
        (PathRefusal::Malformed, _) => format!("`{}` is no path: write it with `/`", path.written),
        (_, Some(inside)) => {
            format!(
                "`{}` is not relative to the project{}",
                path.written,
                did_you_mean(Some(inside.as_str()))
            )
        }
        (PathRefusal::Absolute | PathRefusal::Outside, None) => {
            format!("`{}` is outside of the project", path.written)
        }
    };
    let better = inside.map(|inside| inside.as_str().to_owned()).or(slashes);
    let document = harness.document(&path.at.file);
    let fix = better
        .zip(document)
        .map(|(better, document)| replace_string(FixClass::Safe, document, path.at.span, &better));
    Problem::new(&PATH_OUTSIDE, path.at.span, message)
        .why(WHY_OUTSIDE)
        .about(path.written.as_str())
        .fixes(fix)
}

fn link_outside(harness: &Harness, path: &NamedPath, target: &FilePath) -> Option<Problem> {
    let link = harness.files().on_disk(target)?.link.as_ref()?;
    (*link == Link::Outside).then(|| {
        let message = Astray::Link(target.clone()).message();
        Problem::new(&PATH_OUTSIDE, path.at.span, message).why(WHY_OUTSIDE).about(path.written.as_str())
    })
}

fn missing(harness: &Harness, path: &NamedPath, target: &FilePath) -> Option<Problem> {
    let files = harness.files();
    let (there, what) = match path.kind {
        PathKind::File => (files.is_file(target), "file"),
        PathKind::Directory => (files.is_directory(target), "directory"),
        PathKind::Glob => (harness.matches_any(&path.written), "file"),
        // SH206 speaks about programs.
        PathKind::Program | PathKind::MayBeMissing => return None,
    };
    if there {
        return None;
    }
    if path.written.contains('\n') {
        let message = "this is a text, not a path: write `{ text = \"…\" }`";
        return Some(Problem::new(&MISSING_FILE, path.at.span, message).why(WHY).about(path.key));
    }
    if path.kind == PathKind::Glob && Glob::new(&path.written).is_pattern() {
        let message = format!("no file matches `{}`", path.written);
        return Some(
            Problem::new(&MISSING_FILE, path.at.span, message).why(WHY).about(path.written.as_str()),
        );
    }
    let near = nearest_path(harness, target, path.kind);
    let message = format!("no {what} `{}`{}", path.written, did_you_mean(near.as_deref()));
    let mut problem =
        Problem::new(&MISSING_FILE, path.at.span, message).why(WHY).about(path.written.as_str());
    if let (Some(near), Some(document)) = (&near, harness.document(&path.at.file)) {
        problem = problem.fix(replace_string(FixClass::Preview, document, path.at.span, near));
    }
    if path.kind == PathKind::File && is_name(&path.written) && !files.is_directory(target) {
        problem = problem.fix(Fix::command(format!("Create `{}`", path.written)));
    }
    Some(problem)
}

/// Whether a file could be made under this name: it is no pattern, and no text that stands where a path should.
fn is_name(written: &str) -> bool {
    let is_odd =
        |char: char| char.is_control() || matches!(char, '*' | '?' | '[' | '{' | '<' | '>' | '|' | '"');
    !written.trim().is_empty()
        && written.len() <= 200
        && !written.ends_with('/')
        && !written.contains(is_odd)
        && written.split_whitespace().count() <= 4
}

const WHY: &str = "the harness names it, so nothing can run without it";

/// The file of the project that the writer most likely meant: a slip away, or, if only one file has such a name, in
/// another directory.
fn nearest_path(harness: &Harness, target: &FilePath, kind: PathKind) -> Option<String> {
    let paths: Vec<&FilePath> = harness.files().paths().take(MAX_CANDIDATES).collect();
    if kind == PathKind::Directory {
        let mut directories: BTreeSet<FilePath> = BTreeSet::new();
        for path in paths {
            let mut above = path.parent();
            while !above.as_str().is_empty() && directories.insert(above.clone()) {
                above = above.parent();
            }
        }
        return near(target.as_str(), directories.iter().map(FilePath::as_str)).map(str::to_owned);
    }
    // A slip is in one name; another name is another file.
    let is_slip = |path: &FilePath| {
        let length = target.name().chars().count().max(path.name().chars().count());
        distance_within(target.as_str(), path.as_str(), length / 3).is_some()
    };
    let close = paths.iter().filter(|path| is_slip(path));
    let close = near(target.as_str(), close.map(|path| path.as_str())).map(str::to_owned);
    close.or_else(|| {
        let is_near = |path: &&&FilePath| {
            let length = target.name().chars().count().max(path.name().chars().count());
            distance_within(target.name(), path.name(), length / 4).is_some()
        };
        let mut same = paths.iter().filter(is_near);
        let only = same.next()?;
        same.next().is_none().then(|| only.to_string())
    })
}

/// Nearness is measured against so many paths at most.
pub(super) const MAX_CANDIDATES: usize = 5_000;
