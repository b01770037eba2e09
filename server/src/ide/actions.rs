//! What can be done about problems: their fixes, allowing their rule, and all safe fixes of a file at once.

use std::collections::BTreeMap;

use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Fix, FixClass, Problem, Severity};
use harness_schema::syntax::data::{Kind, Style, Value};
use harness_schema::text::{Span, TextEdit, apply_all};

use similar::{DiffTag, TextDiff};

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

/// The actions for the problems that touch a span, in the order of the text: fixes best first, then allowing the rule. If
/// nobody asked for them (`automatic`), only those at one of its ends, where the cursor is.
#[must_use]
pub fn quick_fixes(site: &Site, span: Span, automatic: bool) -> Vec<Action> {
    let problems = site.project.problems(&site.file);
    let touched = problems.iter().filter(|problem| {
        problem.span.touches(span.start as usize)
            || problem.span.touches(span.end as usize)
            || (!automatic && span.overlaps(problem.span))
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

/// What an entry of `[[lint.allow]]` says until somebody says it better: an entry without a reason allows nothing.
const REASON: &str = "say here why this is right";

/// Adds an entry of `[[lint.allow]]` for a problem's rule in its file.
fn allow(harness: &Harness, file: &FilePath, problem: &Problem) -> Option<Action> {
    // What does not parse cannot be allowed; the manifest would still not run.
    if problem.rule.id == "SH001" || (problem.severity == Severity::Error && file.as_str() == MANIFEST) {
        return None;
    }
    let document = &harness.manifest_file().document;
    let source = document.source();
    let name = problem.rule.name;
    let (at, entry) = match harness.tree().root.at(&["lint", "allow"]) {
        // A list between brackets goes on between them.
        Some(list) if is_inline(list) => {
            let entry = format!("{{ rule = \"{name}\", file = \"{file}\", reason = \"{REASON}\" }}");
            match list.as_list()?.last() {
                Some(last) => (last.span.end as usize, format!(", {entry}")),
                None => (list.span.start as usize + 1, entry),
            }
        }
        _ => {
            let gap = if source.is_empty() || source.ends_with('\n') { "\n" } else { "\n\n" };
            let entry =
                format!("{gap}[[lint.allow]]\nrule = \"{name}\"\nfile = \"{file}\"\nreason = \"{REASON}\"\n");
            (source.len(), entry.replace('\n', document.text().line_ending()))
        }
    };
    let edit = TextEdit { span: Span::at(at), new_text: entry };
    Some(Action {
        title: format!("Allow `{name}`"),
        changes: vec![Change::Edit { file: document.path().clone(), edit }],
        problem: Some(problem.clone()),
        preferred: false,
    })
}

fn is_inline(list: &Value) -> bool {
    matches!(&list.kind, Kind::List(list) if list.style == Style::Flow)
}

/// The edits of a file that make all safe fixes, as few and as small as they are; none if there is nothing to fix.
#[must_use]
pub fn fix_all(site: &Site) -> Vec<TextEdit> {
    let Some(document) = site.project.files().document(&site.file) else { return Vec::new() };
    let before = document.source();
    let mut project = None;
    let mut text = before.to_owned();
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
    differences(before, &text)
}

/// The edits that make one text of another, line by line, each only as long as what differs.
pub(super) fn differences(before: &str, after: &str) -> Vec<TextEdit> {
    let lines = TextDiff::from_lines(before, after);
    let starts = |text: &str| -> Vec<usize> {
        let lines = text.split_inclusive('\n').scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        });
        std::iter::once(0).chain(lines).collect()
    };
    let (old, new) = (starts(before), starts(after));
    let changed = lines.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
    let edits = changed.filter_map(|op| {
        let (was, is) = (op.old_range(), op.new_range());
        let span = Span::new(*old.get(was.start)?, *old.get(was.end)?);
        let new_text = after.get(*new.get(is.start)?..*new.get(is.end)?)?;
        Some(smaller(before, span, new_text))
    });
    edits.collect()
}

/// An edit without what is equal at its start and end.
fn smaller(source: &str, span: Span, new_text: &str) -> TextEdit {
    let old = span.of(source);
    let same_start: usize = old
        .chars()
        .zip(new_text.chars())
        .take_while(|(old, new)| old == new)
        .map(|(char, _)| char.len_utf8())
        .sum();
    let (old, new) =
        (old.get(same_start..).unwrap_or_default(), new_text.get(same_start..).unwrap_or_default());
    let same_end: usize = old
        .chars()
        .rev()
        .zip(new.chars().rev())
        .take_while(|(old, new)| old == new)
        .map(|(char, _)| char.len_utf8())
        .sum();
    TextEdit {
        span: Span::new(span.start as usize + same_start, span.end as usize - same_end),
        new_text: new.get(..new.len() - same_end).unwrap_or_default().to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;
    use proptest::prelude::*;

    use super::*;
    use crate::workspace::Workspace;

    const MANIFEST_TEXT: &str = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\nsystem = \"s.md\"\n";

    fn site(manifest: &str, file: &str) -> Site {
        let mut workspace = Workspace::default();
        let files = [("harness.toml", manifest), ("s.md", "Hello <!-- you --> there.\n")];
        workspace.set_project(Path::new("/p"), Files::from_texts(files));
        workspace.snapshot().site(&Path::new("/p").join(file)).unwrap()
    }

    fn edits(action: &Action) -> Vec<TextEdit> {
        let edit = |change: &Change| match change {
            Change::Edit { edit, .. } => edit.clone(),
            other => panic!("{other:?}"),
        };
        action.changes.iter().map(edit).collect()
    }

    #[test]
    fn what_is_allowed_is_no_problem_any_more_however_the_list_is_written() {
        for tail in [
            "",
            "[lint]\nallow = []\n",
            "[lint]\nallow = [{ rule = \"SH107\", file = \"s.md\", reason = \"x\" }]\n",
            "[[lint.allow]]\nrule = \"SH107\"\nfile = \"s.md\"\nreason = \"x\"\n",
        ] {
            for line_ending in ["\n", "\r\n"] {
                let manifest = format!("{MANIFEST_TEXT}{tail}").replace('\n', line_ending);
                let site = site(&manifest, "s.md");
                let allow = quick_fixes(&site, Span::at(8), true);
                let allow = allow.iter().find(|action| action.title == "Allow `comment-is-sent`").unwrap();
                let after = apply_all(&manifest, &edits(allow)).unwrap();
                assert!(!after.replace("\r\n", "").contains('\r'));
                assert_eq!(after.contains("\r\n"), line_ending == "\r\n");
                assert_eq!(after.matches('\n').count(), after.matches(line_ending).count(), "{after:?}");
                let allowed = self::site(&after, "s.md");
                assert!(allowed.project.problems(&allowed.file).is_empty(), "{after}");
                let manifest = self::site(&after, "harness.toml");
                let problems = manifest.project.problems(&manifest.file);
                assert!(problems.iter().all(|problem| problem.severity == Severity::Hint), "{problems:?}");
            }
        }
    }

    #[test]
    fn all_fixes_are_edits_of_their_own() {
        let manifest =
            format!("{MANIFEST_TEXT}[runtime]\nmax_step = 3\nfinish = \"tool\"\ntool_timout = \"9s\"\n");
        let site = site(&manifest, "harness.toml");
        let edits = fix_all(&site);
        assert_eq!(edits.iter().map(|edit| edit.new_text.as_str()).collect::<Vec<_>>(), ["s", "e"]);
        let after = apply_all(&manifest, &edits).unwrap();
        assert!(after.contains("max_steps = 3\nfinish = \"tool\"\ntool_timeout = \"9s\"\n"), "{after}");
        assert!(fix_all(&self::site(&after, "harness.toml")).is_empty());
    }

    proptest! {
        #[test]
        fn differences_make_one_text_of_the_other(before in "(a|b|é|\n|\r\n){0,12}", after in "(a|b|é|\n|\r\n){0,12}") {
            prop_assert_eq!(apply_all(&before, &differences(&before, &after)).unwrap(), after);
        }
    }
}
