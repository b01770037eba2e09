//! What holds for all families together.

mod kept;

use std::cell::Cell;
use std::fmt::Write as _;

use super::*;
use crate::files::Files;
use crate::problem::{Change, Severity};

thread_local! {
    /// How often the families looked at a file in this thread.
    pub(super) static PASSES: Cell<usize> = const { Cell::new(0) };
}

const MANIFEST: &str = "schema = 1\n\n[model]\nendpoint = \"http://127.0.0.1:8080/v1\"\nname = \"m\"\n\n[prompt]\nsystem = \"prompts/system.md\"\n\n[budget]\nmax_trials = 100\n";

fn harness(manifest: &str, others: &[(&str, &str)]) -> Harness {
    let texts = std::iter::once(("harness.toml", manifest)).chain(others.iter().copied());
    Harness::resolve(&Files::from_texts(texts), None)
}

fn said(harness: &Harness) -> Vec<(&'static str, String)> {
    let all = all(harness);
    all.into_values().flatten().map(|problem| (problem.rule.id, problem.message)).collect()
}

#[test]
fn entries_of_lint_allow_cost_no_pass_of_their_own() {
    let mut manifest = MANIFEST.to_owned();
    for _ in 0..40 {
        let _ = write!(manifest, "\n[[lint.allow]]\nrule = \"comment-is-sent\"\nreason = \"x\"\n");
    }
    let harness = harness(&manifest, &[("prompts/system.md", "You are careful.\n")]);
    PASSES.with(|passes| passes.set(0));
    let all = all(&harness);
    assert_eq!(all.values().flatten().filter(|problem| problem.rule.id == "SH014").count(), 40);
    assert_eq!(PASSES.with(Cell::get), 2);
}

#[test]
fn an_entry_stays_while_another_mistake_hides_what_it_allows() {
    let allow = "\n[[lint.allow]]\nrule = \"split-too-small\"\nreason = \"small on purpose\"\n";
    for tasks in [
        "[tasks]\ndir = \"task\"\nheld_in = [\"t-01\"]\nheld_out = [\"t-02\"]\n",
        "[tasks]\npreset = \"terminal-bench-2\"\n",
    ] {
        let manifest = format!("{MANIFEST}\n{tasks}{allow}");
        let harness = harness(&manifest, &[("prompts/system.md", "You are careful.\n")]);
        assert!(!said(&harness).iter().any(|(rule, _)| *rule == "SH014"), "{tasks}");
    }
}

#[test]
fn no_message_or_title_repeats_a_key() {
    let key = "sk-a8Fh3kD92mQz71LpWx04";
    let manifest = MANIFEST.replace("prompts/system.md", key).replace("\"m\"", &format!("\"{key}-latest\""));
    let harness = harness(&manifest, &[]);
    for problem in all(&harness).values().flatten() {
        let titles = problem.fixes.iter().map(|fix| fix.title.as_str());
        for text in titles.chain([problem.message.as_str(), problem.symbol.as_str()]) {
            assert!(!text.contains("a8Fh3k"), "{text}");
        }
    }
}

#[test]
fn inserted_lines_end_like_the_lines_of_their_file() {
    let manifest = MANIFEST.replace("\n[budget]\nmax_trials = 100\n", "\n[tasks]\n").replace('\n', "\r\n");
    let harness = harness(&manifest, &[("prompts/system.md", "You are careful.\n")]);
    let all = all(&harness);
    let changes = all.values().flatten().flat_map(|problem| &problem.fixes).flat_map(|fix| &fix.changes);
    let texts: Vec<&str> = changes
        .filter_map(|change| match change {
            Change::Edit { edit, .. } => Some(edit.new_text.as_str()),
            _ => None,
        })
        .collect();
    assert!(texts.iter().any(|text| text.contains("[budget]\r\n")), "{texts:?}");
    assert!(texts.iter().all(|text| !text.replace("\r\n", "").contains('\n')), "{texts:?}");
}

#[test]
fn one_more_of_a_known_kind_is_new() {
    let path = FilePath::parse("prompts/system.md").unwrap();
    let text = "<!-- a -->\n";
    let before = all(&harness(MANIFEST, &[("prompts/system.md", text)]));
    let known = known::write(&before);
    let twice = format!("{text}\n<!-- b -->\n");
    let after = harness(MANIFEST, &[("prompts/system.md", &twice), ("harness.known.toml", &known)]);
    let severities: Vec<Severity> = file(&after, &path).iter().map(|problem| problem.severity).collect();
    assert_eq!(severities, [Severity::Hint, Severity::Information]);
}

#[test]
fn another_message_of_a_known_symbol_is_new() {
    let path = FilePath::parse("a.md").unwrap();
    let problem =
        |message: &str| Problem::new(&surfaces::SURFACE_OVER_LIMIT, Span::at(0), message).about("a");
    let digest = |message: &str| known::digest(&path, &problem(message));
    assert_ne!(digest("surface `a` has ≈5 tokens, limit 3"), digest("surface `a` has ≈505 tokens, limit 3"));
    assert_eq!(digest("`a` is declared twice (line 4)"), digest("`a` is declared twice (line 9)"));
}

#[test]
fn a_rule_is_allowed_by_its_exact_id_only() {
    let allow = |rule: &str| {
        let entry = format!("\n[[lint.allow]]\nrule = \"{rule}\"\nreason = \"x\"\n");
        said(&harness(&format!("{MANIFEST}{entry}"), &[("prompts/system.md", "Be careful. <!-- a -->\n")]))
    };
    let is_said = |rule: &str| allow(rule).iter().any(|(id, _)| *id == "SH108");
    assert!(!is_said("SH108") && !is_said("comment-is-sent"));
    assert!(is_said("sh108"));
}

#[test]
fn a_hidden_character_is_reported_once_however_many_name_its_text() {
    let manifest = MANIFEST.replace("\"prompts/system.md\"", "{ text = \"care\u{200b}ful\" }");
    let surface = "\n[[surface]]\nid = \"s\"\nfile = \"harness.toml\"\nselect = [\"toml\", \"prompt\", \"system\", \"text\"]\n";
    let harness = harness(&format!("{manifest}{surface}"), &[]);
    assert_eq!(said(&harness).iter().filter(|(rule, _)| *rule == "SH107").count(), 1);
}
