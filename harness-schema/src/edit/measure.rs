//! How much an edit changes, in lines and tokens, for the caps of proposals.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::surface::approx_tokens;

/// The size of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Lines that changed: of each block of changed lines the greater of its removed and its added lines, so that a
    /// rewritten line counts once.
    pub changed_lines: usize,
    /// Tokens of the words that are new, approximately.
    pub added_tokens: usize,
    /// Tokens of the words that are gone, approximately.
    pub removed_tokens: usize,
}

/// The most words that are compared one by one; a larger change counts as a whole.
const MAX_WORDS: usize = 20_000;

/// How much `new` differs from `old`.
#[must_use]
pub fn measure(old: &str, new: &str) -> Measure {
    let old_lines: Vec<&str> = old.lines().collect();
    let new_lines: Vec<&str> = new.lines().collect();
    let mut measure = Measure::default();
    for (old_part, new_part) in changes(&old_lines, &new_lines) {
        measure.changed_lines += old_part.len().max(new_part.len());
        let old_words = words(old_part);
        let new_words = words(new_part);
        let (mut gone, mut come) = (String::new(), String::new());
        for (old_part, new_part) in changes(&old_words, &new_words) {
            gone.extend(old_part.iter().copied());
            come.extend(new_part.iter().copied());
        }
        measure.removed_tokens += approx_tokens(&gone);
        measure.added_tokens += approx_tokens(&come);
    }
    measure
}

/// The parts that differ, in order.
fn changes<'t, 's>(old: &'t [&'s str], new: &'t [&'s str]) -> Vec<(&'t [&'s str], &'t [&'s str])> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let before = old.iter().zip(new).take_while(same).count();
    let (old, new) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let after = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let old = old.get(..old.len() - after).unwrap_or_default();
    let new = new.get(..new.len() - after).unwrap_or_default();
    if old.is_empty() && new.is_empty() {
        return Vec::new();
    }
    if MAX_WORDS < old.len().max(new.len()) {
        return vec![(old, new)];
    }
    let operations = capture_diff_slices(Algorithm::Myers, old, new);
    let changed = operations.iter().filter(|operation| !matches!(operation, DiffOp::Equal { .. }));
    changed
        .map(|operation| {
            let old_part = old.get(operation.old_range()).unwrap_or_default();
            (old_part, new.get(operation.new_range()).unwrap_or_default())
        })
        .collect()
}

/// Words with the blanks after them, and a line end after each line.
fn words<'s>(lines: &[&'s str]) -> Vec<&'s str> {
    lines.iter().flat_map(|line| line.split_inclusive(' ').chain(std::iter::once("\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(old: &str, new: &str) -> (usize, usize, usize) {
        let measure = measure(old, new);
        (measure.changed_lines, measure.added_tokens, measure.removed_tokens)
    }

    #[test]
    fn a_rewritten_line_is_one_line_and_its_new_words() {
        assert_eq!(sizes("a\nbe brief\nc", "a\nbe brief and exact\nc"), (1, 4, 2));
        assert_eq!(sizes("a\n", "a\nb\nc\n"), (2, 1, 0));
        assert_eq!(sizes("a\nb\nc", "c"), (2, 0, 1));
        assert_eq!(sizes("same", "same"), (0, 0, 0));
    }

    #[test]
    fn line_ends_are_no_change() {
        assert_eq!(sizes("a\r\nb\r\n", "a\nb\n"), (0, 0, 0));
    }

    #[test]
    fn a_large_change_is_measured_at_once() {
        let old = "old words here\n".repeat(MAX_WORDS + 1);
        let new = "new texts there\n".repeat(MAX_WORDS + 1);
        assert_eq!(measure(&old, &new).changed_lines, MAX_WORDS + 1);
    }
}
