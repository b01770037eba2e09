//! Where a line of a text that was measured stands in the text of now. An edit elsewhere moves it, an edit of the line itself
//! makes it old, and undo brings it back: nothing is remembered, both texts are compared.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::text::Span;
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// So many lines that differ are compared one by one. Of more only those are found again that both texts have once.
const MAX_LINES: usize = 4_000;

/// Where a place is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its lines are what they were.
    Kept(Span),
    /// Its lines were edited or are gone; the nearest place.
    Changed(Span),
}

impl Anchor {
    /// The place.
    #[must_use]
    pub fn span(self) -> Span {
        match self {
            Self::Kept(span) | Self::Changed(span) => span,
        }
    }

    /// Whether its lines are what they were.
    #[must_use]
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// Where a place of `before` is in `now`. Ends of lines do not count.
#[must_use]
pub fn follow(before: &str, now: &str, span: Span) -> Anchor {
    Moves::of(before, now).follow(span)
}

/// Which line of one text is which line of another.
#[derive(Clone, Debug)]
pub struct Moves {
    /// The lines before, without their ends; none where the texts are equal.
    old: Vec<Span>,
    /// The lines now.
    new: Vec<Span>,
    /// Of each line before, which line it is now.
    pairs: Vec<Option<usize>>,
    is_same: bool,
}

impl Moves {
    /// Compares two texts, in time linear in their lengths where they differ in one small place.
    #[must_use]
    pub fn of(before: &str, now: &str) -> Self {
        if before == now {
            return Self { old: Vec::new(), new: Vec::new(), pairs: Vec::new(), is_same: true };
        }
        let (old, new) = (lines(before), lines(now));
        let pairs = pairs(&texts(before, &old), &texts(now, &new));
        Self { old, new, pairs, is_same: false }
    }

    /// Where a place of the text before is now.
    #[must_use]
    pub fn follow(&self, span: Span) -> Anchor {
        if self.is_same {
            return Anchor::Kept(span);
        }
        let first = line_at(&self.old, span.start);
        let last = line_at(&self.old, if span.is_empty() { span.end } else { span.end - 1 });
        let to = |line: usize| self.pairs.get(line).copied().flatten();
        let is_kept = to(first)
            .is_some_and(|start| (first..=last).zip(start..).all(|(line, wanted)| to(line) == Some(wanted)));
        let (start, end) = (self.nearest(first), self.nearest(last).max(self.nearest(first)));
        let (Some(start), Some(end)) = (self.new.get(start), self.new.get(end)) else {
            return Anchor::Changed(Span::default());
        };
        if !is_kept {
            return Anchor::Changed(start.cover(*end));
        }
        let moved = |offset: u32, line: usize, to: &Span| {
            let from = self.old.get(line).map_or(offset, |line| line.start);
            to.start.saturating_add(offset.saturating_sub(from)).min(to.end)
        };
        let from = moved(span.start, first, start);
        Anchor::Kept(Span { start: from, end: moved(span.end, last, end).max(from) })
    }

    /// The first line of a place of now that no line before is, counted from 1; the place's first line if there is none: then
    /// something was taken away.
    #[must_use]
    pub fn edited_line(&self, within: Span) -> usize {
        let (first, last) = (line_at(&self.new, within.start), line_at(&self.new, within.end));
        let known: BTreeSet<usize> = self.pairs.iter().copied().flatten().collect();
        (first..=last).find(|line| !known.contains(line)).unwrap_or(first) + 1
    }

    /// Whether the lines of a place of now were there before.
    #[must_use]
    pub fn has(&self, within: Span) -> bool {
        let (first, last) = (line_at(&self.new, within.start), line_at(&self.new, within.end));
        self.is_same || (first..=last).all(|line| self.pairs.contains(&Some(line)))
    }

    /// The line of now that a line before is, or would be.
    fn nearest(&self, line: usize) -> usize {
        if let Some(now) = self.pairs.get(line).copied().flatten() {
            return now;
        }
        let above = self.pairs.iter().take(line).enumerate().rev().find_map(|(at, now)| Some((at, (*now)?)));
        let below = self.pairs.iter().skip(line).copied().flatten().next();
        let most = below.unwrap_or(self.new.len()).saturating_sub(1);
        match above {
            Some((at, now)) => (now + line - at).min(most.max(now)),
            None => line.min(most),
        }
    }
}

/// The lines of a text, without their ends, in the sense of the protocol.
fn lines(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            // The CR before it is no part of the line.
            b'\n' => {
                let has_return = 0 < at && bytes.get(at - 1) == Some(&b'\r');
                if !has_return {
                    lines.push(Span::new(start, at));
                }
                start = at + 1;
            }
            b'\r' => {
                lines.push(Span::new(start, at));
                start = at + 1;
            }
            _ => {}
        }
    }
    lines.push(Span::new(start, bytes.len()));
    lines
}

fn texts<'t>(text: &'t str, lines: &[Span]) -> Vec<&'t str> {
    lines.iter().map(|line| line.of(text)).collect()
}

fn line_at(lines: &[Span], offset: u32) -> usize {
    lines.partition_point(|line| line.start <= offset).saturating_sub(1)
}

/// Of each line before, which line it is now.
fn pairs(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
    let head = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let (old_middle, new_middle) =
        (old.get(head..old_end).unwrap_or_default(), new.get(head..new_end).unwrap_or_default());
    let mut pairs: Vec<Option<usize>> = (0..head).map(Some).collect();
    let mut middle = middle(old_middle, new_middle);
    moved(old_middle, new_middle, &mut middle);
    pairs.extend(middle.into_iter().map(|now| now.map(|now| now + head)));
    pairs.extend((new_end..new.len()).map(Some));
    pairs
}

fn middle(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
    let mut pairs = vec![None; old.len()];
    if MAX_LINES < old.len().max(new.len()) {
        return pairs;
    }
    for operation in capture_diff_slices(Algorithm::Myers, old, new) {
        if let DiffOp::Equal { old_index, new_index, len } = operation {
            for (at, pair) in pairs.iter_mut().skip(old_index).take(len).enumerate() {
                *pair = Some(new_index + at);
            }
        }
    }
    pairs
}

/// A line that is left on both sides, and on each of them once, was moved.
fn moved(old: &[&str], new: &[&str], pairs: &mut [Option<usize>]) {
    let mut is_taken = vec![false; new.len()];
    for now in pairs.iter().copied().flatten() {
        if let Some(taken) = is_taken.get_mut(now) {
            *taken = true;
        }
    }
    let mut left: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (at, line) in old.iter().enumerate().filter(|(at, _)| pairs.get(*at).is_some_and(Option::is_none)) {
        left.entry(line).or_default().0.push(at);
    }
    for (at, line) in new.iter().enumerate().filter(|(at, _)| is_taken.get(*at) == Some(&false)) {
        left.entry(line).or_default().1.push(at);
    }
    for (_, (from, to)) in left.into_iter().filter(|(line, _)| !line.trim().is_empty()) {
        if let ([from], [to]) = (from.as_slice(), to.as_slice())
            && let Some(pair) = pairs.get_mut(*from)
        {
            *pair = Some(*to);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span_of(text: &str, line: &str) -> Span {
        let start = text.find(line).unwrap();
        Span::new(start, start + line.len())
    }

    #[test]
    fn an_edit_elsewhere_moves_a_line_and_one_inside_makes_it_old() {
        let before = "# Rules\n\nread first\nrun the tests\nstop\n";
        let at = span_of(before, "run the tests");
        assert_eq!(follow(before, before, at), Anchor::Kept(at));
        let now = "# Rules\n\nnew\nread first\r\nrun the tests\r\nstop at once";
        assert_eq!(follow(before, now, at), Anchor::Kept(span_of(now, "run the tests")));
        let now = "# Rules\n\nread first\nrun all the tests\nstop\n";
        assert_eq!(follow(before, now, at), Anchor::Changed(span_of(now, "run all the tests")));
        let gone = "# Rules\n\nread first\nstop\n";
        assert!(!follow(before, gone, at).is_kept());
        let moved = "# Rules\n\nrun the tests\nread first\nstop\n";
        assert_eq!(follow(before, moved, at), Anchor::Kept(span_of(moved, "run the tests")));
        assert_eq!(follow(before, "", at), Anchor::Changed(Span::at(0)));
        assert_eq!(follow("", "x", Span::at(0)), Anchor::Changed(Span::new(0, 1)));
    }

    #[test]
    fn the_edited_line_is_told() {
        let (before, now) = ("a\nb\nc\n", "a\nx\nc\n");
        let moves = Moves::of(before, now);
        assert_eq!(moves.edited_line(Span::new(0, 6)), 2);
        assert_eq!(moves.edited_line(Span::at(4)), 3);
    }

    #[test]
    fn very_long_texts_keep_lines_that_are_there_once() {
        let many = |from: usize| (from..from + 9_000).map(|at| format!("line {at}\n")).collect::<String>();
        let (before, now) = (format!("a\n{}b\n", many(0)), format!("x\n{}y\n", many(5)));
        let at = span_of(&before, "line 4000");
        assert_eq!(follow(&before, &now, at), Anchor::Kept(span_of(&now, "line 4000")));
    }

    /// Lines of which many are equal.
    fn any_lines() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(prop::sample::select(vec!["", "a", "b", "- é", "漢 😀"]), 0..12)
            .prop_map(|lines| lines.into_iter().map(str::to_owned).collect())
    }

    proptest! {
        #[test]
        fn ux_19_an_edit_outside_keeps_a_line_and_undo_restores_it(
            above in any_lines(), below in any_lines(), new_above in any_lines(), new_below in any_lines(),
            end in prop::sample::select(vec!["\n", "\r\n"]), inside in "[a-z]{1,4}",
        ) {
            let text = |above: &[String], line: &str, below: &[String], end: &str| {
                let all: Vec<&str> =
                    above.iter().map(String::as_str).chain([line]).chain(below.iter().map(String::as_str)).collect();
                all.join(end)
            };
            let line = "the ünique line";
            let before = text(&above, line, &below, "\n");
            let at = span_of(&before, line);
            let now = text(&new_above, line, &new_below, end);
            prop_assert_eq!(follow(&before, &now, at), Anchor::Kept(span_of(&now, line)));
            let edited = text(&new_above, &format!("{line}{inside}"), &new_below, end);
            let changed = follow(&before, &edited, at);
            prop_assert!(!changed.is_kept());
            prop_assert!(edited.get(changed.span().range()).is_some());
            prop_assert_eq!(follow(&before, &before, at), Anchor::Kept(at));
            // An empty place in the line goes with it.
            let point = Span::at(at.start as usize + 4);
            let Anchor::Kept(kept) = follow(&before, &now, point) else { return Err(TestCaseError::fail("lost")) };
            prop_assert_eq!(kept.start as usize, now.find(line).unwrap() + 4);
        }

        #[test]
        fn any_place_of_any_text_lands_on_a_boundary(
            before in "(a|é|\n|\r\n|\r|😀){0,20}", now in "(a|é|\n|\r\n|\r|😀){0,20}", from in 0_usize..30, to in 0_usize..30,
        ) {
            let on = |at: usize| (0..=at.min(before.len())).rev().find(|at| before.is_char_boundary(*at)).unwrap_or(0);
            let span = Span::new(on(from.min(to)), on(from.max(to)));
            let anchor = follow(&before, &now, span);
            prop_assert!(now.get(anchor.span().range()).is_some());
        }
    }
}
