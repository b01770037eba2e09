//! The parts of a document that do not parse: nothing else is said about them, and a key that may stand in one is not
//! called missing.

use rustc_hash::FxHashSet;

use crate::syntax::data::Tree;
use crate::text::Span;

/// The broken parts of a document.
pub(super) struct Broken<'a> {
    /// In order, without overlaps.
    regions: Vec<Span>,
    words: FxHashSet<&'a str>,
}

impl<'a> Broken<'a> {
    pub(super) fn new(tree: &Tree, source: &'a str) -> Self {
        let mut all: Vec<Span> = tree.errors.iter().map(|error| error.region).collect();
        all.sort_unstable();
        let mut regions: Vec<Span> = Vec::with_capacity(all.len());
        for region in all {
            match regions.last_mut().filter(|last| region.start <= last.end) {
                Some(last) => *last = last.cover(region),
                None => regions.push(region),
            }
        }
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let words = regions.iter().flat_map(|region| region.of(source).split(move |c| !is_part(c)));
        Self { words: words.collect(), regions }
    }

    /// Whether a place lies in a broken part.
    pub(super) fn holds(&self, span: Span) -> bool {
        let after = self.regions.partition_point(|region| region.start <= span.start);
        let region = after.checked_sub(1).and_then(|at| self.regions.get(at));
        region.is_some_and(|region| region.contains(span))
    }

    /// Whether a word stands in a broken part.
    pub(super) fn says(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}
