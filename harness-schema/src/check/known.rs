//! `harness.known.toml`: problems that were there when a project adopted the checks. They become hints and do not count.
//!
//! An entry is a digest of rule, file, symbol and message without the numbers of lines, so it survives edits elsewhere,
//! and of how many equal ones stand before it, so one more is not hidden.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::digest::Digest;
use crate::harness::Harness;
use crate::path::FilePath;
use crate::problem::{Problem, Severity};

/// The families whose problems are never known: leaks, security, evidence, environment.
const NEVER: [&str; 4] = ["SH6", "SH7", "SH8", "SH9"];

/// Turns the known ones into hints.
pub(super) fn mark(harness: &Harness, file: &FilePath, problems: &mut [Problem]) {
    let known = harness.known();
    if known.is_empty() {
        return;
    }
    for problem in problems {
        if may_be_known(problem) && known.contains(&digest(file, problem)) {
            problem.known = true;
            problem.severity = Severity::Hint;
        }
    }
}

/// Whether a problem may be listed at all.
#[must_use]
pub fn may_be_known(problem: &Problem) -> bool {
    !NEVER.iter().any(|family| problem.rule.id.starts_with(family))
}

/// What identifies a problem, whatever line it is on.
#[must_use]
pub fn digest(file: &FilePath, problem: &Problem) -> Digest {
    let message = without_lines(&problem.message);
    // Of several that say the same, one more than is known is new.
    let twin = problem.twin.to_string();
    Digest::of_parts([
        problem.rule.id.as_bytes(),
        file.as_str().as_bytes(),
        problem.symbol.as_bytes(),
        message.as_bytes(),
        twin.as_bytes(),
    ])
}

/// The text of `harness.known.toml` for these problems: one digest a line, sorted, with what it stands for. They must
/// be all of them ([`super::uncapped`]), or those beyond a cap would be new tomorrow.
#[must_use]
pub fn write(problems: &BTreeMap<FilePath, Vec<Problem>>) -> String {
    let mut lines: Vec<String> = problems
        .iter()
        .flat_map(|(file, problems)| problems.iter().map(move |problem| (file, problem)))
        .filter(|(_, problem)| may_be_known(problem))
        .map(|(file, problem)| {
            // A name may hold a line break, a comment may not.
            let name: String =
                file.as_str().chars().map(|char| if char.is_control() { '?' } else { char }).collect();
            format!("  \"{}\", # {} {name}", digest(file, problem), problem.rule.id)
        })
        .collect();
    lines.sort();
    lines.dedup();
    let mut out = String::from(
        "# Problems that were there when these checks were adopted. `self-harness check --write-known` writes this file;\n# solved ones leave with the next write.\nknown = [\n",
    );
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
    out.push_str("]\n");
    out
}

/// A message with the numbers behind `line` and `lines` blanked.
fn without_lines(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut after_line = false;
    for word in message.split_inclusive(' ') {
        let bare = word.trim_matches(|char: char| !char.is_alphanumeric());
        let is_number = bare.starts_with(|char: char| char.is_ascii_digit());
        if after_line && is_number {
            out.push_str("# ");
        } else {
            out.push_str(word);
            after_line = matches!(bare, "line" | "lines") || (after_line && bare == "and");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_lines_is_the_same_after_an_edit_above() {
        let message = |a, b| without_lines(&format!("2 sections are called `Rules` (lines {a} and {b})"));
        assert_eq!(message(12, 40), message(13, 41));
        assert_ne!(without_lines("limit 400"), without_lines("limit 300"));
    }
}
