//! `--fix`: safe fixes, round after round. All rounds happen in memory; what comes out is checked before it is written.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::check::{self, documents};
use harness_schema::path::FilePath;
use harness_schema::problem::Problem;
use harness_schema::syntax::Document;
use harness_schema::text::{TextEdit, apply_all};

use super::targets::Target;
use crate::cli::report::Fixed;
use crate::failure::{Failure, FailureKind};
use crate::host::write;
use crate::ide::actions::{edits_of, safe_fixes};

/// How often safe fixes are looked for again: one may make room for the next.
const MAX_ROUNDS: usize = 10;

/// Applies the safe fixes of the files that are meant, writes what changed, and tells what was done.
///
/// # Errors
/// A [`Failure`] if a file cannot be written; files that were written before it keep their fixes.
pub fn apply(target: &mut Target) -> Result<Vec<Fixed>, Failure> {
    let before = target.files.clone();
    let mut fixed = Vec::new();
    let mut changed = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let round = round(target);
        if round.texts.is_empty() {
            break;
        }
        fixed.extend(round.fixed);
        let files = round.texts.iter().fold(target.files.clone(), |files, (file, text)| {
            files.with_open(Document::new(file.clone(), text.as_str().into()))
        });
        let broken = broken(target, round.texts.keys());
        target.update(files);
        if let Some(file) = broken_by(target, &broken, round.texts.keys()) {
            return Err(Failure {
                kind: FailureKind::Bug,
                message: format!("a fix would have broken `{file}`; nothing was written"),
                hint: format!("run without `--fix`, and report this with the text of `{file}`"),
            });
        }
        changed.extend(round.texts.into_keys());
    }
    for file in changed {
        let text = |files: &harness_schema::files::Files| {
            files.document(&file).map(|document| document.source().to_owned())
        };
        let (Some(old), Some(new)) = (text(&before), text(&target.files)) else { continue };
        if old != new {
            write::replace(&target.root, &file, &old, &new).map_err(refused)?;
        }
    }
    Ok(fixed)
}

/// What a failed write means for the person who asked.
pub(super) fn refused(error: write::WriteError) -> Failure {
    let hint = match &error {
        write::WriteError::Machine { .. } => "see whether the file and its directory may be written",
        write::WriteError::Outside(_) => "work on the file that the link leads to",
        write::WriteError::Changed(_) => "run the command again",
        write::WriteError::Exists(_) => "move it away, or choose another directory",
    };
    Failure::host(error.to_string(), hint)
}

/// What one look at all files leads to.
struct Round {
    texts: BTreeMap<FilePath, String>,
    fixed: Vec<Fixed>,
}

fn round(target: &Target) -> Round {
    let found = target.check();
    let files: Vec<(&FilePath, &Problem)> = found.all().collect();
    let chosen = safe_fixes(files.iter().map(|(_, problem)| *problem));
    let mut edits: BTreeMap<FilePath, Vec<TextEdit>> = BTreeMap::new();
    let mut fixed = Vec::new();
    for (problem, fix) in chosen {
        for (file, edit) in edits_of(fix).unwrap_or_default() {
            edits.entry(file.clone()).or_default().push(edit.clone());
        }
        let Some((file, _)) = files.iter().find(|(_, other)| std::ptr::eq(*other, problem)) else { continue };
        fixed.push(Fixed {
            file: found.shown(file),
            place: found.place(file, problem.span.start),
            rule: problem.rule.id,
            message: problem.message.clone(),
            title: fix.title.clone(),
        });
    }
    let mut texts = BTreeMap::new();
    for (file, edits) in edits {
        let before = target.harness.document(&file).map(|document| document.source());
        if let Some(after) =
            before.and_then(|before| apply_all(before, &edits).filter(|after| after != before))
        {
            texts.insert(file, after);
        }
    }
    Round { texts, fixed }
}

/// How many places of each of these files do not parse.
fn broken<'a>(target: &Target, files: impl Iterator<Item = &'a FilePath>) -> Vec<usize> {
    let count = |file| {
        let problems = check::uncapped(&target.harness, file);
        problems.iter().filter(|problem| problem.rule == &documents::SYNTAX_ERROR).count()
    };
    files.map(count).collect()
}

fn broken_by<'a>(
    target: &Target,
    before: &[usize],
    files: impl Iterator<Item = &'a FilePath> + Clone,
) -> Option<&'a FilePath> {
    let after = broken(target, files.clone());
    let worse = before.iter().zip(&after).position(|(before, after)| before < after)?;
    files.clone().nth(worse)
}
