//! What a check found, as one value, and its forms for people and for programs. Renderers return text; they print nothing.

pub mod excerpt;
pub mod text;
pub mod json;
pub mod sarif;
pub mod page;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use harness_schema::check;
use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::problem::{FixClass, Problem, Severity};
use harness_schema::text::{Encoding, Span};

/// Everything that one `check` has to tell.
#[derive(Debug, Default)]
pub struct Report {
    /// What was found, harness by harness.
    pub harnesses: Vec<Found>,
    /// What `--fix` did before.
    pub fixed: Vec<Fixed>,
    /// What `--write-known` did before.
    pub known_lists: Vec<KnownList>,
}

/// What was found in one harness.
#[derive(Debug)]
pub struct Found {
    /// The directory of its manifest, as shown.
    pub root: Root,
    /// The harness.
    pub harness: Arc<Harness>,
    /// The files that were checked.
    pub files: Vec<FilePath>,
    /// The problems of each file that has any.
    pub problems: BTreeMap<FilePath, Vec<Problem>>,
}

/// The directory of a manifest, as seen from where the command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// It is that directory, or below it.
    Below(PathBuf),
    /// The command runs in this part of it.
    Around(FilePath),
    /// It is elsewhere.
    Elsewhere(PathBuf),
}

/// A fix that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The file with the problem, as shown.
    pub file: String,
    /// Where the problem was, before the round that solved it.
    pub place: Place,
    /// The rule's id.
    pub rule: &'static str,
    /// What was wrong.
    pub message: String,
    /// What was done: the title of the fix.
    pub title: String,
}

/// What became of one `harness.known.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownList {
    /// The file, as shown.
    pub file: String,
    /// How many problems it lists now.
    pub listed: usize,
    /// How many of these are new.
    pub added: usize,
    /// How many left it, because they are solved.
    pub solved: usize,
}

/// A place as people and other tools count: lines and columns from 1, columns in Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// How many problems there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Information.
    pub information: usize,
    /// Hints that are no known problems.
    pub hints: usize,
    /// Problems that `harness.known.toml` lists; in none of the counts above.
    pub known: usize,
    /// Problems, known ones too, that `--fix` would solve.
    pub fixable: usize,
}

impl Report {
    /// All problems with the harness and file that they are in, in the order in which they are shown.
    pub fn problems(&self) -> impl Iterator<Item = (&Found, &FilePath, &Problem)> {
        self.harnesses.iter().flat_map(|found| found.all().map(move |(file, problem)| (found, file, problem)))
    }

    /// How many files were checked.
    #[must_use]
    pub fn files(&self) -> usize {
        self.harnesses.iter().map(|found| found.files.len()).sum()
    }

    /// Counts the problems.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, _, problem) in self.problems() {
            match problem.severity {
                _ if problem.known => counts.known += 1,
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Information => counts.information += 1,
                Severity::Hint => counts.hints += 1,
            }
            let safe = problem.fixes.iter().filter(|fix| fix.class == FixClass::Safe).count();
            counts.fixable += usize::from(safe == 1);
        }
        counts
    }
}

impl Found {
    /// The path of a file, as shown, with `/`.
    #[must_use]
    pub fn shown(&self, file: &FilePath) -> String {
        self.root.shown(file)
    }

    /// All problems with their files.
    pub fn all(&self) -> impl Iterator<Item = (&FilePath, &Problem)> {
        self.problems.iter().flat_map(|(file, problems)| problems.iter().map(move |problem| (file, problem)))
    }

    /// A byte offset of a file as a place; the first one of a file that has no text.
    #[must_use]
    pub fn place(&self, file: &FilePath, offset: u32) -> Place {
        let position =
            self.harness.document(file).map(|at| at.text().position(offset as usize, Encoding::Utf32));
        position.map_or(Place { line: 1, column: 1 }, |at| Place { line: at.line + 1, column: at.column + 1 })
    }

    /// Where a file holds something that looks like a key. What is printed ends up in logs, so no excerpt repeats it.
    fn secrets(&self, file: &FilePath) -> Vec<Span> {
        let spans = |problems: &[Problem]| -> Vec<Span> {
            let secret = problems.iter().filter(|one| one.rule == &check::secrets::SECRET_LITERAL);
            secret.map(|one| one.span).collect()
        };
        match self.problems.get(file).map(|problems| spans(problems)) {
            // Of very many only the first are problems; all are secrets.
            Some(some) if some.len() < check::MAX_PER_RULE => some,
            None if self.files.contains(file) => Vec::new(),
            _ => spans(&check::uncapped(&self.harness, file)),
        }
    }
}

impl Root {
    /// The path of a file below it, with `/`.
    #[must_use]
    pub fn shown(&self, file: &FilePath) -> String {
        match self {
            Self::Below(root) | Self::Elsewhere(root) => match slashed(root).as_str() {
                "" => file.to_string(),
                root if root.ends_with('/') => format!("{root}{file}"),
                root => format!("{root}/{file}"),
            },
            Self::Around(here) => match file.relative_to(here) {
                Some(below) if !below.is_empty() => below.to_owned(),
                _ => format!("{}{file}", "../".repeat(here.as_str().split('/').count())),
            },
        }
    }
}

/// The word for a severity.
#[must_use]
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "information",
        Severity::Hint => "hint",
    }
}

/// The word for a class of fixes.
#[must_use]
pub fn class_word(class: FixClass) -> &'static str {
    match class {
        FixClass::Safe => "safe",
        FixClass::Preview => "preview",
        FixClass::Command => "command",
    }
}

/// `1 file`, `2 files`.
#[must_use]
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A path with `/` on every system.
fn slashed(path: &Path) -> String {
    let mut out = String::new();
    for part in path.components() {
        if !out.is_empty() && !out.ends_with('/') {
            out.push('/');
        }
        match part {
            Component::RootDir => out.push('/'),
            part => out.push_str(&part.as_os_str().to_string_lossy()),
        }
    }
    out
}

#[cfg(test)]
mod tests;
