//! What a check found, for people and for programs.

pub mod json;
pub mod sarif;
pub mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::problem::{FixClass, Problem, Severity};

/// What was found in one harness.
#[derive(Debug)]
pub struct Found {
    /// The directory of its manifest, as shown: relative to where the command runs, where that is shorter.
    pub root: PathBuf,
    /// The harness.
    pub harness: Arc<Harness>,
    /// The problems of each file that has any.
    pub problems: BTreeMap<FilePath, Vec<Problem>>,
    /// How many files were checked.
    pub files: usize,
}

impl Found {
    /// The path of a file, as shown.
    #[must_use]
    pub fn shown(&self, file: &FilePath) -> String {
        let root = self.root.to_string_lossy();
        match root.as_ref() {
            "" | "." => file.to_string(),
            root => format!("{root}/{file}"),
        }
    }

    /// All problems with their files.
    pub fn all(&self) -> impl Iterator<Item = (&FilePath, &Problem)> {
        self.problems.iter().flat_map(|(file, problems)| problems.iter().map(move |problem| (file, problem)))
    }
}

/// How many problems there are, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Information.
    pub information: usize,
    /// Hints.
    pub hints: usize,
    /// Those that `--fix` solves.
    pub fixable: usize,
    /// Those that `harness.known.toml` lists.
    pub known: usize,
}

/// Counts the problems of all harnesses.
#[must_use]
pub fn count(found: &[Found]) -> Counts {
    let mut counts = Counts::default();
    for (_, problem) in found.iter().flat_map(Found::all) {
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
