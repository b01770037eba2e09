//! `--write-known`: the list of problems that a project has and does not solve today.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use harness_schema::check::{self, known};
use harness_schema::digest::Digest;
use harness_schema::harness::KNOWN;
use harness_schema::path::FilePath;
use harness_schema::problem::Problem;
use harness_schema::syntax::Document;

use super::fix::refused;
use super::targets::Target;
use crate::cli::report::KnownList;
use crate::failure::Failure;
use crate::host::write::{self, NewFile};

/// Writes the list of one harness, of all its files; `None` if there is nothing to list and no list.
///
/// # Errors
/// A [`Failure`] if the list cannot be written, or would grow where nobody looks.
pub fn write(target: &mut Target) -> Result<Option<KnownList>, Failure> {
    target.widen();
    let problems = problems(target);
    let listed: BTreeSet<Digest> =
        problems.iter().flat_map(|(file, some)| some.iter().map(|one| known::digest(file, one))).collect();
    let before = target.harness.known();
    let added = listed.difference(before).count();
    let solved = before.difference(&listed).count();
    let Ok(path) = FilePath::parse(KNOWN) else { return Ok(None) };
    let shown = target.shown.shown(&path);
    if 0 < added && is_unattended() {
        return Err(grown(&shown, &problems, before));
    }
    let present = target.files.document(&path).map(|document| document.source().to_owned());
    let text = known::write(&problems);
    match present {
        None if listed.is_empty() => return Ok(None),
        None => {
            let new = NewFile { path: path.clone(), text: text.clone(), executable: false };
            write::create_all(&target.root, &[new]).map_err(refused)?;
        }
        Some(present) if present != text => {
            write::replace(&target.root, &path, &present, &text).map_err(refused)?;
        }
        Some(_) => {}
    }
    target.update(target.files.with_open(Document::new(path, text.as_str().into())));
    Ok(Some(KnownList { file: shown, listed: listed.len(), added, solved }))
}

/// What may be listed, all of it: what a cap left out today would be new tomorrow.
fn problems(target: &Target) -> BTreeMap<FilePath, Vec<Problem>> {
    let of = |file: &FilePath| {
        let mut problems = check::uncapped(&target.harness, file);
        problems.retain(known::may_be_known);
        problems
    };
    target.harness.named_files().map(|file| (file.clone(), of(file))).collect()
}

/// Where nobody looks, a list of excuses must not grow. Continuous integration sets `CI`, mostly to `true`.
fn is_unattended() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

fn grown(shown: &str, problems: &BTreeMap<FilePath, Vec<Problem>>, before: &BTreeSet<Digest>) -> Failure {
    let all = problems.iter().flat_map(|(file, some)| some.iter().map(move |one| (file, one)));
    let new: Vec<String> = all
        .filter(|(file, problem)| !before.contains(&known::digest(file, problem)))
        .map(|(file, problem)| format!("{} in `{file}`", problem.rule.id))
        .collect();
    let first = new.first().cloned().unwrap_or_default();
    let rest = match new.len() {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    Failure::user(
        format!("`{shown}` would grow by {first}{rest}, and `CI` is set"),
        "solve what is new, or run this on your own machine and commit the list",
    )
}
