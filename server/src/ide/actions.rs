//! What can be done about problems: their fixes, allowing their rule, and all safe fixes of a file at once.

use std::collections::BTreeMap;

use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Fix, FixClass, Problem, Severity};
use harness_schema::text::{Span, TextEdit, apply_all};

use crate::workspace::Site;

/// How often safe fixes are looked for again: one may make room for the next.
const MAX_ROUNDS: usize = 10;

/// Something that the user can choose.
#[derive(Clone, Debug)]
pub struct Action {
    /// The title.
    pub title: String,
    /// What it does when it is chosen; nothing for an action that starts or opens something.
    pub changes: Vec<Change>,
    /// The problem that it is about.
    pub problem: Option<Problem>,
    /// Whether an editor may take it without asking which: only a unique safe fix.
    pub preferred: bool,
}

/// The actions for the problems that touch a span, in the order of the text: fixes best first, then allowing the rule.
#[must_use]
pub fn quick_fixes(site: &Site, span: Span) -> Vec<Action> {
    let problems = site.project.problems(&site.file);
    let touched = problems.iter().filter(|problem| {
        problem.span.touches(span.start as usize)
            || problem.span.touches(span.end as usize)
            || span.overlaps(problem.span)
    });
    let harness = site.project.harness();
    let mut actions = Vec::new();
    for problem in touched {
        let edits: Vec<&Fix> = problem.fixes.iter().filter(|fix| !fix.changes.is_empty()).collect();
        let safe = edits.iter().filter(|fix| fix.class == FixClass::Safe).count();
        actions.extend(edits.iter().map(|fix| Action {
            title: fix.title.clone(),
            changes: fix.changes.clone(),
            problem: Some(problem.clone()),
            preferred: safe == 1 && fix.class == FixClass::Safe,
        }));
        actions.extend(allow(harness, &site.file, problem));
    }
    actions
}

/// Adds an entry of `[[lint.allow]]` for a problem's rule in its file.
fn allow(harness: &Harness, file: &FilePath, problem: &Problem) -> Option<Action> {
    // What does not parse cannot be allowed; the manifest would still not run.
    if problem.rule.id == "SH001" || (problem.severity == Severity::Error && file.as_str() == MANIFEST) {
        return None;
    }
    let document = &harness.manifest_file().document;
    let source = document.source();
    let gap = if source.is_empty() || source.ends_with('\n') { "\n" } else { "\n\n" };
    let entry =
        format!("{gap}[[lint.allow]]\nrule = \"{}\"\nfile = \"{file}\"\nreason = \"\"\n", problem.rule.name);
    let edit = TextEdit { span: Span::at(source.len()), new_text: entry };
    Some(Action {
        title: format!("Allow `{}`", problem.rule.name),
        changes: vec![Change::Edit { file: document.path().clone(), edit }],
        problem: Some(problem.clone()),
        preferred: false,
    })
}

/// The text of a file after all safe fixes, if there are any.
#[must_use]
pub fn fix_all(site: &Site) -> Option<String> {
    let mut project = None;
    let before = site.project.files().document(&site.file)?.source().to_owned();
    let mut text = before.clone();
    for _ in 0..MAX_ROUNDS {
        let now = project.as_ref().unwrap_or(site.project.as_ref());
        let problems = now.problems(&site.file);
        // A fix is applied whole: one that also changes another file is not for this file alone.
        let fixes = safe_fixes(problems.iter()).into_iter().filter_map(|(_, fix)| edits_of(fix));
        let here = fixes.filter(|edits| edits.iter().all(|(file, _)| **file == site.file));
        let edits: Vec<TextEdit> = here.flatten().map(|(_, edit)| edit.clone()).collect();
        let Some(after) = apply_all(&text, &edits).filter(|after| *after != text) else { break };
        text = after;
        let document = harness_schema::syntax::Document::new(site.file.clone(), text.as_str().into());
        project = Some(now.with_files(now.files().with_open(document)));
    }
    (text != before).then_some(text)
}

/// The safe fixes that can be applied together, with their problems, in the order of the problems: of two whose edits
/// meet, the first stays.
#[must_use]
pub fn safe_fixes<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Vec<(&'a Problem, &'a Fix)> {
    let mut taken: BTreeMap<&FilePath, Vec<&TextEdit>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for problem in problems {
        let mut safe = problem.fixes.iter().filter(|fix| fix.class == FixClass::Safe);
        // Two safe fixes are a choice, and a choice is not safe.
        let (Some(fix), None) = (safe.next(), safe.next()) else { continue };
        let Some(edits) = edits_of(fix) else { continue };
        let free = edits.iter().all(|(file, edit)| {
            let others = taken.get(*file).map(Vec::as_slice).unwrap_or_default();
            others.iter().all(|other| !other.span.overlaps(edit.span) && other.span != edit.span)
        });
        if free {
            for (file, edit) in edits {
                taken.entry(file).or_default().push(edit);
            }
            chosen.push((problem, fix));
        }
    }
    chosen
}

/// The edits of a fix that does nothing else, with their files.
#[must_use]
pub fn edits_of(fix: &Fix) -> Option<Vec<(&FilePath, &TextEdit)>> {
    let edits = fix.changes.iter().map(|change| match change {
        Change::Edit { file, edit } => Some((file, edit)),
        Change::Create { .. } | Change::Move { .. } => None,
    });
    edits.collect()
}
