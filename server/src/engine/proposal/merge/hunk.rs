//! What makes one text of another, as replacements that are as small as they can be: found line by line, then cut down to the bytes
//! that differ.

use harness_schema::text::{Span, TextEdit};
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// So many lines are compared one by one; a larger change counts as a whole.
const MAX_LINES: usize = 20_000;

/// The replacements that make `after` of `before`, in order.
pub(super) fn hunks(before: &str, after: &str) -> Vec<TextEdit> {
    let (old, new) = (lines(before), lines(after));
    if MAX_LINES < old.len().max(new.len()) {
        return trimmed(0, before, after).into_iter().collect();
    }
    let operations = capture_diff_slices(Algorithm::Myers, &old, &new);
    let changed = operations.into_iter().filter(|operation| !matches!(operation, DiffOp::Equal { .. }));
    let hunk = |operation: DiffOp| {
        let (from, to) = (operation.old_range(), operation.new_range());
        let start: usize = old.get(..from.start).unwrap_or_default().iter().map(|line| line.len()).sum();
        trimmed(start, &old.get(from).unwrap_or_default().concat(), &new.get(to).unwrap_or_default().concat())
    };
    changed.filter_map(hunk).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The replacement of what differs, without what both begin or end with.
fn trimmed(start: usize, old: &str, new: &str) -> Option<TextEdit> {
    let shared = |one: &mut dyn Iterator<Item = char>, other: &mut dyn Iterator<Item = char>| -> usize {
        one.zip(other).take_while(|(one, other)| one == other).map(|(each, _)| each.len_utf8()).sum()
    };
    let head = shared(&mut old.chars(), &mut new.chars());
    let (old, new) = (old.get(head..)?, new.get(head..)?);
    let tail = shared(&mut old.chars().rev(), &mut new.chars().rev());
    let (old, new) = (old.get(..old.len() - tail)?, new.get(..new.len() - tail)?);
    let span = Span::new(start + head, start + head + old.len());
    (!(old.is_empty() && new.is_empty())).then(|| TextEdit { span, new_text: new.to_owned() })
}

/// Whether two lists of replacements share a byte. Two insertions at one place do not: they stand one after the other. What is
/// inserted within a replacement does.
pub(super) fn meet(ours: &[TextEdit], theirs: &[TextEdit]) -> bool {
    let inside = |outer: Span, inner: Span| outer.start < inner.start && inner.end < outer.end;
    let meets = |one: Span, other: Span| one.overlaps(other) || inside(one, other) || inside(other, one);
    ours.iter().any(|one| theirs.iter().any(|other| meets(one.span, other.span)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_schema::text::apply_all;
    use proptest::prelude::*;

    #[test]
    fn a_change_is_as_small_as_it_can_be() {
        let one = |before: &str, after: &str| {
            let found = hunks(before, after);
            found.into_iter().map(|edit| (edit.span.range(), edit.new_text)).collect::<Vec<_>>()
        };
        assert_eq!(one("a\nb\nc\n", "a\nb\nx\nc\n"), [(4..4, String::from("x\n"))]);
        assert_eq!(one("a\nstep 10\nc\n", "a\nstep 20\nc\n"), [(7..8, String::from("2"))]);
        assert_eq!(one("a\nb", "a\nb\nc"), [(3..3, String::from("\nc"))]);
        assert_eq!(one("a\n", "a\n"), []);
    }

    #[test]
    fn insertions_at_one_place_do_not_meet() {
        let at = |start, end| [TextEdit { span: Span::new(start, end), new_text: String::from("x") }];
        assert!(!meet(&at(4, 4), &at(4, 4)));
        assert!(!meet(&at(2, 4), &at(4, 4)));
        assert!(meet(&at(2, 4), &at(3, 3)));
        assert!(meet(&at(2, 4), &at(3, 6)));
        assert!(meet(&at(2, 4), &at(2, 4)));
    }

    proptest! {
        #[test]
        fn hunks_make_the_text(before in "[ab\n é]{0,30}", after in "[ab\n é]{0,30}") {
            prop_assert_eq!(apply_all(&before, &hunks(&before, &after)), Some(after));
        }
    }
}
