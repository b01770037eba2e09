//! Writes sections and bodies of Markdown: the bytes as they are, no heading that would end the section.

use rustc_hash::FxHashMap;

use super::plain::in_block;
use super::{Refusal, Writing};
use crate::selector::{Selector, heading_paths};
use crate::syntax::Document;
use crate::syntax::markdown::Tree;
use crate::text::Span;

/// The way to write the new text.
pub(super) fn candidates(place: &Writing<'_>) -> Result<Vec<String>, Refusal> {
    if matches!(place.resolved.selector, Selector::Section { .. }) {
        let level = tree(place.document, |tree| {
            let above = tree.headings.iter().filter(|heading| heading.span.end <= place.resolved.span.start);
            above
                .filter(|heading| heading.section.touches(place.resolved.span.start as usize))
                .map(|heading| heading.level)
                .max()
        });
        let inner = Tree::parse(place.new);
        let ends = inner.headings.iter().find(|heading| level.is_some_and(|level| heading.level <= level));
        if let Some(heading) = ends {
            let line = heading.span.of(place.new).lines().next().unwrap_or_default();
            return Err(Refusal::Heading(line.trim().to_owned()));
        }
    }
    Ok(vec![in_block(place)])
}

/// Why a document's front matter does not parse.
pub(super) fn broken(document: &Document) -> Option<String> {
    let data = &document.markdown()?.front_matter.as_ref()?.data;
    data.errors.first().map(|error| error.message.clone())
}

/// Whether the headings and blocks beside the place are what they were.
pub(super) fn outside(before: &Document, after: &Document, old: Span, new: Span) -> Result<(), Refusal> {
    let blocks = |document: &Document, place: Span| {
        let length = document.source().len();
        let outer = |span: Span| {
            let early = span.end <= place.start;
            let late = place.end <= span.start && !(early && place.is_empty());
            let distance = if early { span.start as usize } else { length - span.end as usize };
            (early || late).then_some((early, distance, span.len()))
        };
        tree(document, |tree| {
            let headings = tree.headings.iter();
            let headings: Vec<_> = headings
                .filter_map(|heading| Some((outer(heading.span)?, heading.level, heading.title.to_string())))
                .collect();
            let code: Vec<_> = tree.code.iter().filter_map(|code| outer(code.span)).collect();
            let fences: Vec<_> = tree.fences.iter().filter_map(|fence| outer(fence.span)).collect();
            let comments: Vec<_> = tree.comments.iter().filter_map(|comment| outer(*comment)).collect();
            let front_matter = tree
                .front_matter
                .as_ref()
                .map(|front_matter| (front_matter.span.start, front_matter.span.end));
            let front_matter = front_matter.filter(|(_, end)| *end <= place.start);
            (headings, code, fences, comments, front_matter)
        })
    };
    if blocks(before, old) != blocks(after, new) {
        return Err(Refusal::Outside("a heading or block".to_owned()));
    }
    let (before, after) = (names(before, old), names(after, new));
    match before.iter().zip(&after).find(|(before, after)| before != after) {
        Some(((title, _), _)) => Err(Refusal::Outside(format!("the selector of section `{title}`"))),
        None => Ok(()),
    }
}

/// The headings beside the place with what selects them: for each end of the heading path, which occurrence it is, of
/// how many. A new heading with the title of another would make two places of one.
fn names(document: &Document, place: Span) -> Vec<(String, Vec<(usize, usize)>)> {
    tree(document, |tree| {
        let paths = heading_paths(tree);
        let mut counts: FxHashMap<&[String], usize> = FxHashMap::default();
        let occurrences: Vec<Vec<(&[String], usize)>> = paths
            .iter()
            .map(|path| {
                let ends = (0..path.len()).filter_map(|at| path.get(at..));
                ends.map(|end| {
                    let count = counts.entry(end).or_default();
                    *count += 1;
                    (end, *count)
                })
                .collect()
            })
            .collect();
        let of = |end| counts.get(end).copied().unwrap_or_default();
        let headings = tree.headings.iter().zip(&occurrences);
        let beside = headings.filter(|(heading, _)| !place.contains(heading.span));
        beside
            .map(|(heading, ends)| {
                (heading.title.clone(), ends.iter().map(|(end, number)| (*number, of(*end))).collect())
            })
            .collect()
    })
}

fn tree<T>(document: &Document, then: impl FnOnce(&Tree) -> T) -> T {
    match document.markdown() {
        Some(tree) => then(tree),
        None => then(&Tree::parse(document.source())),
    }
}
