//! How alike two edits are: by the words that they add and take away, in runs of three (`method` 4.5 and 4.6). What an edit
//! leaves alone says nothing about it.

use std::collections::BTreeSet;

use harness_schema::digest::Digest;

/// So many words make a shingle.
const RUN: usize = 3;

/// The words that an edit adds and takes away, as runs of three.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shingles(BTreeSet<u64>);

impl Shingles {
    /// Of texts before and after.
    #[must_use]
    pub fn of<'a>(changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut shingles = BTreeSet::new();
        for (before, after) in changes {
            let (gone, come) = difference(before, after);
            shingles.extend(runs(&gone).map(|run| hash('-', &run)));
            shingles.extend(runs(&come).map(|run| hash('+', &run)));
        }
        Self(shingles)
    }

    /// The share of what both have in what either has (Jaccard), from 0 to 1; two empty ones are alike.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> f64 {
        share(self.0.intersection(&other.0).count(), self.0.union(&other.0).count())
    }
}

/// The share of what both sets have in what either has, from 0 to 1; two empty ones are alike.
#[must_use]
pub fn likeness<T: Ord>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> f64 {
    share(one.intersection(other).count(), one.union(other).count())
}

fn share(both: usize, either: usize) -> f64 {
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// The words of `before` and of `after` that differ, without those that both begin or end with.
fn difference(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    let (before, after) = (words(before), words(after));
    let same = |(one, other): &(&String, &String)| one == other;
    let first = before.iter().zip(&after).take_while(same).count();
    let (before, after) = (before.get(first..).unwrap_or_default(), after.get(first..).unwrap_or_default());
    let last = before.iter().rev().zip(after.iter().rev()).take_while(same).count();
    let middle = |words: &[String]| words.get(..words.len() - last).unwrap_or_default().to_vec();
    (middle(before), middle(after))
}

/// Runs of three words; what is shorter is one run.
fn runs(words: &[String]) -> impl Iterator<Item = String> {
    let run = if words.len() < RUN { words.len().max(1) } else { RUN };
    words.windows(run).map(|words| words.join(" "))
}

fn hash(sign: char, run: &str) -> u64 {
    let digest = Digest::of(format!("{sign}{run}").as_bytes());
    digest.bytes().iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(one: (&str, &str), other: (&str, &str)) -> f64 {
        Shingles::of([one]).likeness(&Shingles::of([other]))
    }

    #[test]
    fn what_stays_says_nothing() {
        let text = "look first and be brief and say when it is done ".repeat(20);
        let (one, other) = (format!("{text}check the result"), format!("{text}work in place alone"));
        assert!(like((&text, &one), (&text, &other)) < 0.01);
        assert!((like((&text, &one), ("", "Check the  result")) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn adding_is_not_taking_away() {
        assert!(like(("", "check the result"), ("check the result", "")) < 0.01);
        assert!((like(("24", "12"), ("24", "48")) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn sets_are_compared_by_what_they_share() {
        let set = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
        assert!((likeness(&set(&["a", "b"]), &set(&["b", "c"])) - 1.0 / 3.0).abs() < 1e-9);
        assert!((likeness::<&str>(&set(&[]), &set(&[])) - 1.0).abs() < 1e-9);
    }
}
