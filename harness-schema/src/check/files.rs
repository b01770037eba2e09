//! Named files: missing (SH005), outside of the project (SH006), or not readable as text (SH010).

use super::fixes::{did_you_mean, near, replace_with};
use crate::files::{Content, Link, Opaque};
use crate::glob::Glob;
use crate::harness::{Harness, NamedPath, PathKind, Role};
use crate::path::{FilePath, PathRefusal};
use crate::problem::{Fix, FixClass, Problem, Rule, Severity};
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
    for path in harness.paths().iter().filter(|path| path.at.file == *file) {
        match &path.target {
            Err(refusal) => problems.push(outside(path, *refusal)),
            Ok(target) => problems
                .extend(link_outside(harness, path, target).or_else(|| missing(harness, path, target))),
        }
    }
}

fn not_checked(harness: &Harness, file: &FilePath) -> Option<Problem> {
    // A file that only has to be there is nobody's document.
    if harness.role(file) == Some(Role::Program) {
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

fn outside(path: &NamedPath, refusal: PathRefusal) -> Problem {
    let message = match refusal {
        PathRefusal::Malformed if path.written.is_empty() => String::from("a path must not be empty"),
        PathRefusal::Malformed => format!("`{}` is no path: write it with `/`", path.written),
        PathRefusal::Absolute | PathRefusal::Outside => {
            format!("`{}` is outside of the project", path.written)
        }
    };
    let mut problem =
        Problem::new(&PATH_OUTSIDE, path.at.span, message).why(WHY_OUTSIDE).about(path.written.as_str());
    if refusal == PathRefusal::Malformed && path.written.contains('\\') {
        problem = problem.fix(replace_with(FixClass::Safe, &path.at, &path.written.replace('\\', "/")));
    }
    problem
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
    if let Some(near) = &near {
        problem = problem.fix(replace_with(FixClass::Preview, &path.at, near));
    }
    if path.kind == PathKind::File {
        problem = problem.fix(Fix::command(format!("Create `{}`", path.written)));
    }
    Some(problem)
}

const WHY: &str = "the harness names it, so nothing can run without it";

/// The file of the project that the writer most likely meant: the same name elsewhere, or a near path.
fn nearest_path(harness: &Harness, target: &FilePath, kind: PathKind) -> Option<String> {
    let paths: Vec<&FilePath> = harness.files().paths().take(MAX_CANDIDATES).collect();
    if kind == PathKind::Directory {
        let mut directories: Vec<String> = paths.iter().map(|path| path.parent().to_string()).collect();
        directories.dedup();
        return near(target.as_str(), directories.iter().map(String::as_str)).map(str::to_owned);
    }
    let close = near(target.as_str(), paths.iter().map(|path| path.as_str()));
    close.map(str::to_owned).or_else(|| {
        let mut same = paths.iter().filter(|path| path.name() == target.name());
        let only = same.next()?;
        same.next().is_none().then(|| only.to_string())
    })
}

/// Nearness is measured against so many paths at most.
pub(super) const MAX_CANDIDATES: usize = 5_000;
