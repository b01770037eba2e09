//! Named files: missing (SH005), outside of the project (SH006), or not readable as text (SH010).

use super::fixes::{did_you_mean, near, replace_with};
use crate::files::{Content, Opaque};
use crate::harness::{Harness, NamedPath, PathKind, Role};
use crate::path::{FilePath, PathRefusal};
use crate::problem::{Fix, FixClass, Problem, Rule, Severity, distance_within};
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

fn outside(path: &NamedPath, refusal: PathRefusal) -> Problem {
    let message = match refusal {
        PathRefusal::Malformed if path.written.is_empty() => String::from("a path must not be empty"),
        PathRefusal::Malformed => format!("`{}` is no path: write it with `/`", path.written),
        PathRefusal::Absolute | PathRefusal::Outside => {
            format!("`{}` is outside of the project", path.written)
        }
    };
    let mut problem = Problem::new(&PATH_OUTSIDE, path.at.span, message)
        .why("a harness is what lies beside its manifest: what is elsewhere is not the same on another machine")
        .about(path.written.as_str());
    if refusal == PathRefusal::Malformed && path.written.contains('\\') {
        problem = problem.fix(replace_with(FixClass::Safe, &path.at, &path.written.replace('\\', "/")));
    }
    problem
}

fn link_outside(harness: &Harness, path: &NamedPath, target: &FilePath) -> Option<Problem> {
    let link = harness.files().on_disk(target)?.link.as_ref()?;
    (*link == crate::files::Link::Outside).then(|| outside(path, PathRefusal::Outside))
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
    let is_pattern = path.kind == PathKind::Glob && path.written.contains(['*', '?', '{', '[']);
    if is_pattern {
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

/// The file of the project that the writer most likely meant: a slip in its name or its directory, or, if only one file has
/// that name, the same name elsewhere.
fn nearest_path(harness: &Harness, target: &FilePath, kind: PathKind) -> Option<String> {
    let paths: Vec<&FilePath> = harness.files().paths().take(MAX_CANDIDATES).collect();
    if kind == PathKind::Directory {
        let mut directories: Vec<String> = Vec::new();
        for path in paths {
            let mut above = path.parent();
            while !above.as_str().is_empty() && directories.last().map(String::as_str) != Some(above.as_str())
            {
                directories.push(above.to_string());
                above = above.parent();
            }
        }
        return near(target.as_str(), directories.iter().map(String::as_str)).map(str::to_owned);
    }
    let (directory, name) = (target.parent(), target.name());
    let slip = |written: &str, there: &str| {
        let limit = written.chars().count().max(there.chars().count()) / 3;
        distance_within(written, there, limit)
    };
    let slips = paths.iter().filter_map(|path| {
        let edits = slip(directory.as_str(), path.parent().as_str())? + slip(name, path.name())?;
        Some((edits, path.as_str()))
    });
    if let Some((_, near)) = slips.min() {
        return Some(near.to_owned());
    }
    let only = |is: &dyn Fn(&str) -> bool| {
        let mut found = paths.iter().filter(|path| is(path.name()));
        let first = found.next()?;
        found.next().is_none().then(|| first.to_string())
    };
    only(&|other| other == name).or_else(|| only(&|other| slip(name, other).is_some()))
}

/// Nearness is measured against so many paths at most.
const MAX_CANDIDATES: usize = 5_000;
