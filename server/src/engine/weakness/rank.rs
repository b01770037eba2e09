//! Ranks lines by how well they fit a query: Okapi BM25 (Robertson and Zaragoza 2009) with k1 = 1.2 and b = 0.75 (`method` 3.8), and an
//! inverse document frequency that is never negative. How rare a term is, and how long a line is on the average, is taken from the
//! lines of all surfaces: a kind that has one line alone could not be matched otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::lines::Line;
use super::words::{small, terms};

const K1: f64 = 1.2;
const B: f64 = 0.75;
/// A line that has less does not fit.
const LEAST_VALUE: f64 = 2.0;
/// A line with fewer terms of the query does not fit.
const LEAST_TERMS: usize = 2;

/// How well a line fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Which line.
    pub(super) line: usize,
    /// Its value.
    pub(super) value: f64,
    /// How many different terms of the query it has.
    pub(super) terms: usize,
    /// Whether it has an essential one, or names what the evidence names.
    pub(super) is_about: bool,
}

impl Fit {
    /// Whether it counts as a match.
    #[must_use]
    pub(super) fn is_match(&self) -> bool {
        LEAST_VALUE <= self.value && LEAST_TERMS <= self.terms && self.is_about
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'q> {
    terms: BTreeSet<String>,
    essential: BTreeSet<String>,
    names: &'q [String],
}

impl<'q> Query<'q> {
    /// Looks for keywords and names. Without an essential keyword, or one of the names as it is, a line is about something else:
    /// `before` and `change` stand in lines about checks and in lines about reading.
    #[must_use]
    pub(super) fn of((essential, others): (&str, &str), names: &'q [String]) -> Self {
        let essential: BTreeSet<String> = terms(essential).into_iter().collect();
        let of_names = names.iter().flat_map(|name| terms(name));
        let terms = terms(others).into_iter().chain(of_names).chain(essential.iter().cloned()).collect();
        Self { terms, essential, names }
    }
}

/// What is known of the lines among which some are ranked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Corpus {
    /// How many lines have each term.
    holders: BTreeMap<String, usize>,
    lines: f64,
    /// How many terms a line has on the average.
    mean: f64,
}

impl Corpus {
    /// What is known of some lines.
    #[must_use]
    pub(super) fn of<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Self {
        let mut corpus = Self::default();
        let mut length = 0.0;
        for line in lines {
            corpus.lines += 1.0;
            length += small(line.terms.len());
            for term in line.terms.iter().collect::<BTreeSet<_>>() {
                *corpus.holders.entry(term.clone()).or_default() += 1;
            }
        }
        corpus.mean = length / corpus.lines.max(1.0);
        corpus
    }

    /// The inverse document frequency of a term.
    fn rarity(&self, term: &str) -> f64 {
        let holders = small(self.holders.get(term).copied().unwrap_or_default());
        libm::log(1.0 + (self.lines - holders + 0.5) / (holders + 0.5))
    }

    /// How well each of some lines fits a query, in their order.
    #[must_use]
    pub(super) fn fits(&self, lines: &[Line], query: &Query<'_>) -> Vec<Fit> {
        let fit = |(at, line): (usize, &Line)| {
            let own = &line.terms;
            let norm = K1 * (1.0 - B + B * small(own.len()) / self.mean.max(1.0));
            let names = query.names.iter().any(|name| 2 < name.len() && line.text.contains(name));
            let is_about = names || own.iter().any(|term| query.essential.contains(term));
            let mut fit = Fit { line: at, value: 0.0, terms: 0, is_about };
            for term in &query.terms {
                let often = small(own.iter().filter(|other| *other == term).count());
                if 0.0 < often {
                    fit.value += self.rarity(term) * often * (K1 + 1.0) / (often + norm);
                    fit.terms += 1;
                }
            }
            fit
        };
        lines.iter().enumerate().map(fit).collect()
    }
}

/// The best of some fits; of equal ones the earliest.
#[must_use]
pub(super) fn best<'f>(fits: impl IntoIterator<Item = &'f Fit>) -> Option<&'f Fit> {
    fits.into_iter().fold(None, |best: Option<&Fit>, fit| match best {
        Some(best) if fit.value <= best.value => Some(best),
        _ => Some(fit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_schema::path::FilePath;
    use harness_schema::surface::Role;
    use harness_schema::text::Span;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| Line {
            surface: String::from("s"),
            role: Role::Prompt,
            file: FilePath::root(),
            span: Span::default(),
            text: (*text).to_owned(),
            terms: terms(text),
        };
        texts.iter().map(line).collect()
    }

    #[test]
    fn the_value_is_that_of_the_formula() {
        // Two lines of two terms each: the length is the mean, so a term that stands once in one of them is worth its rarity,
        // ln(1 + 1.5 / 1.5) = ln 2, and one that stands in both ln(1 + 0.5 / 2.5) = ln 1.2.
        let lines = lines(&["check result", "check file"]);
        let fits = Corpus::of(&lines).fits(&lines, &Query::of(("check", "result"), &[]));
        assert!((fits[0].value - (libm::log(2.0) + libm::log(1.2))).abs() < 1e-12);
        assert!((fits[1].value - libm::log(1.2)).abs() < 1e-12);
        assert_eq!((fits[0].terms, fits[1].terms), (2, 1));
        assert!(!fits[0].is_match(), "{fits:?}");
    }

    #[test]
    fn the_best_of_equal_lines_is_the_earliest() {
        let lines = lines(&[
            "Work.",
            "Check the result again.",
            "Check the result again.",
            "Look.",
            "Read.",
            "Wait.",
        ]);
        let fits = Corpus::of(&lines).fits(&lines, &Query::of(("check", "results again"), &[]));
        let best = best(&fits).unwrap();
        assert_eq!((best.line, best.terms, best.is_match()), (1, 3, true));
    }

    #[test]
    fn a_line_without_an_essential_word_is_about_something_else() {
        let lines = lines(&[
            "Look before you change it.",
            "Check before you change it.",
            "Work.",
            "Put it into a/b.",
        ]);
        let names = [String::from("a/b")];
        let fits = Corpus::of(&lines).fits(&lines, &Query::of(("check", "before change put"), &names));
        let matches: Vec<bool> = fits.iter().map(Fit::is_match).collect();
        assert_eq!(matches, [false, true, false, true], "{fits:?}");
    }

    #[test]
    fn nothing_fits_nothing() {
        assert_eq!(Corpus::of(&[]).fits(&[], &Query::default()), []);
        assert_eq!(best(&[]), None);
    }
}
