//! The edit of a proposal as a unified diff, against the texts of the harness that it was made for. It writes no file; what a
//! program reads can be applied.

use annotate_snippets::renderer::{AnsiColor, Effects, Style};
use similar::TextDiff;

use crate::cli::report::excerpt::visible;
use crate::failure::Failure;
use crate::host::store::{Store, StoredProposal, no_proposal, proposal_number, run_name};
use crate::host::telling::Texts;

const STRONG: Style = Style::new().effects(Effects::BOLD);
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::BrightRed.on_default();
const PLACE: Style = AnsiColor::BrightCyan.on_default();

/// The proposal that a person names.
///
/// # Errors
/// A [`Failure`] with those that there are.
pub(super) fn named(store: &Store, name: &str) -> Result<StoredProposal, Failure> {
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let all = store.proposals().map_err(failed)?;
    let number = proposal_number(name);
    all.iter().find(|stored| Some(stored.number) == number).cloned().ok_or_else(|| no_proposal(name, &all))
}

/// The diff, without colours.
///
/// # Errors
/// A [`Failure`] if the store cannot be read, or has lost the run that made the proposal.
pub(super) fn diff(store: &Store, proposal: &StoredProposal) -> Result<String, Failure> {
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let stored = store.run(proposal.run).map_err(failed)?.ok_or_else(|| {
        let message = format!("{}, which made P{}, is gone", run_name(proposal.run), proposal.number);
        Failure::host(message, "somebody has changed the store")
    })?;
    let (cycle, _) = store.fold(&stored).map_err(failed)?;
    let arm = cycle.arm_of(proposal.number).and_then(|arm| cycle.arms().get(arm));
    // One that no arm was made of is for the harness that the run worked from.
    let parent = arm.map_or(cycle.working(), |arm| arm.parent);
    let texts = Texts::of(store, &stored, &cycle)?;
    let files = proposal.record.files.iter();
    Ok(files.map(|(path, after)| of_file(path, texts.file(parent, path), after)).collect())
}

fn of_file(path: &str, before: Option<&str>, after: &str) -> String {
    let (old, new) =
        (before.map_or_else(|| String::from("/dev/null"), |_| format!("a/{path}")), format!("b/{path}"));
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after);
    diff.unified_diff().context_radius(3).header(&old, &new).to_string()
}

/// The diff for a person: with colours, and without what would steer the terminal.
#[must_use]
pub(super) fn coloured(diff: &str) -> String {
    let mut out = String::with_capacity(diff.len() * 2);
    for line in diff.lines() {
        let style = match line {
            line if line.starts_with("--- ") || line.starts_with("+++ ") => STRONG,
            line if line.starts_with("@@") => PLACE,
            line if line.starts_with('+') => GOOD,
            line if line.starts_with('-') => BAD,
            _ => Style::new(),
        };
        out.push_str(&format!("{style}{}{style:#}\n", visible(line)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_one_that_can_be_applied() {
        let before = "one\ntwo\nthree\nfour\nfive\n";
        let after = "one\ntwo\n3\nfour\nfive\n";
        assert_eq!(
            of_file("prompts/a.md", Some(before), after),
            "--- a/prompts/a.md\n+++ b/prompts/a.md\n@@ -1,5 +1,5 @@\n one\n two\n-three\n+3\n four\n five\n"
        );
        let made = of_file("new.md", None, "text");
        assert!(made.starts_with("--- /dev/null\n+++ b/new.md\n@@ -0,0 +1 @@\n+text\n"), "{made}");
        assert_eq!(of_file("same", Some("a\n"), "a\n"), "");
    }

    #[test]
    fn what_steers_a_terminal_is_seen() {
        let shown = coloured("+\u{1b}[2Jx\n-y\n z");
        assert!(!shown.contains("\u{1b}[2J") && shown.contains("\\u{1b}[2Jx"), "{shown}");
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), "+\\u{1b}[2Jx\n-y\n z\n");
    }
}
