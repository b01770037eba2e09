//! Which tasks teach and which judge: splits by lists of patterns, or by a seed, stratified by family.
//!
//! A seeded split depends on ids and families only, never on the order of files, a clock or chance.

mod terminal_bench_2;

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::glob::Glob;

/// Below this many tasks a seeded split seals none.
pub const SEALED_FROM: usize = 40;
/// From [`SEALED_FROM`] tasks on, a seeded split that seals at all seals at least this many.
pub const SEALED_LEAST: usize = 15;

/// The three splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// Teaches.
    HeldIn,
    /// Judges.
    HeldOut,
    /// Read once, at the very end.
    Sealed,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Self; 3] = [Self::HeldIn, Self::HeldOut, Self::Sealed];

    /// The key in `[tasks]`: `held_in`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::HeldIn => "held_in",
            Self::HeldOut => "held_out",
            Self::Sealed => "sealed",
        }
    }

    /// The word in sentences: `held-in`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::HeldIn => "held-in",
            Self::HeldOut => "held-out",
            Self::Sealed => "sealed",
        }
    }
}

/// The splits of a known suite, as its authors published them: known without its task directories.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    /// What `tasks.preset` calls it.
    pub name: &'static str,
    /// Its dataset in Harbor's registry, `name@version`.
    pub dataset: &'static str,
    held_in: &'static [&'static str],
    held_out: &'static [&'static str],
}

/// Every known suite.
static PUBLISHED: [Published; 1] = [Published {
    name: "terminal-bench-2",
    dataset: "terminal-bench@2.0",
    held_in: &terminal_bench_2::HELD_IN,
    held_out: &terminal_bench_2::HELD_OUT,
}];

impl Published {
    /// The known suite of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|published| published.name == name)
    }

    /// The ids of the tasks in a split, by name.
    #[must_use]
    pub fn tasks(&self, split: Split) -> &'static [&'static str] {
        match split {
            Split::HeldIn => self.held_in,
            Split::HeldOut => self.held_out,
            Split::Sealed => &[],
        }
    }

    /// The split of a task; `None` for one that the authors left out.
    #[must_use]
    pub fn split_of(&self, id: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|split| self.tasks(*split).contains(&id))
    }
}

/// Shares of a seeded split; they add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// The share that teaches.
    pub held_in: f64,
    /// The share that judges.
    pub held_out: f64,
    /// The share that is read once.
    pub sealed: f64,
}

/// A pattern that names tasks: an id, or a glob over ids.
#[derive(Clone, Debug)]
pub struct TaskPattern(Glob);

impl TaskPattern {
    /// A pattern as written. A glob that does not compile matches its own text only.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self(Glob::new(written))
    }

    /// Whether it names this task.
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        self.0.matches(id)
    }

    /// Whether it can name more than one task.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.0.is_pattern()
    }
}

/// The split of each of `tasks`, given as (id, family), by seed and shares (`formats` 1.6: within each family, in name
/// order, tasks are ordered by SHA-256 of seed, zero byte, id, and cut at the shares by largest remainder, fractions
/// carried on). The answer is in the order of `tasks`.
#[must_use]
pub fn seeded(seed: &str, shares: Shares, tasks: &[(&str, &str)]) -> Vec<Split> {
    let shares = effective(shares, tasks.len());
    let mut families: BTreeMap<&str, Vec<(Digest, usize)>> = BTreeMap::new();
    for (at, (id, family)) in tasks.iter().enumerate() {
        let order = Digest::of(&[seed.as_bytes(), &[0], id.as_bytes()].concat());
        families.entry(family).or_default().push((order, at));
    }
    let mut splits = vec![Split::HeldIn; tasks.len()];
    let mut carried = [0.0; 3];
    let mut last_order = Vec::new();
    for members in families.values_mut() {
        members.sort_unstable();
        let counts = apportion(members.len(), shares, &mut carried);
        let cut = Split::ALL.iter().zip(counts).flat_map(|(split, count)| std::iter::repeat_n(*split, count));
        for ((order, at), split) in members.iter().zip(cut) {
            if let Some(slot) = splits.get_mut(*at) {
                *slot = split;
            }
            last_order.push((*order, *at));
        }
    }
    seal_at_least(shares, &last_order, &mut splits);
    splits
}

/// Shares after the rule about small suites.
fn effective(shares: Shares, tasks: usize) -> [f64; 3] {
    let judged = shares.held_in + shares.held_out;
    let sealed = match tasks {
        _ if shares.sealed <= 0.0 || tasks < SEALED_FROM => 0.0,
        _ => shares.sealed.max(SEALED_LEAST as f64 / tasks as f64),
    };
    if judged <= 0.0 {
        return [1.0 - sealed, 0.0, sealed];
    }
    let rest = 1.0 - sealed;
    [rest * shares.held_in / judged, rest * shares.held_out / judged, sealed]
}

/// How many of `members` go to each split; what is cut off is carried to the next family.
fn apportion(members: usize, shares: [f64; 3], carried: &mut [f64; 3]) -> [usize; 3] {
    let ideal: [f64; 3] = std::array::from_fn(|split| members as f64 * shares[split] + carried[split]);
    let mut counts: [usize; 3] = std::array::from_fn(|split| (ideal[split] + 1e-9).floor().max(0.0) as usize);
    while counts.iter().sum::<usize>() < members {
        // The largest remainder; of equal ones the earlier split.
        let open = |split: usize| ideal[split] - counts[split] as f64;
        let most = (0..3).fold(0, |most, split| if open(most) + 1e-9 < open(split) { split } else { most });
        counts[most] += 1;
    }
    while members < counts.iter().sum::<usize>() {
        let over =
            |split: usize| if counts[split] == 0 { f64::MIN } else { counts[split] as f64 - ideal[split] };
        let most = (0..3).fold(0, |most, split| if over(most) < over(split) { split } else { most });
        counts[most] -= 1;
    }
    *carried = std::array::from_fn(|split| ideal[split] - counts[split] as f64);
    counts
}

/// Rounding may leave one sealed task too few; the last ones of the order make it up.
fn seal_at_least(shares: [f64; 3], order: &[(Digest, usize)], splits: &mut [Split]) {
    if shares[2] <= 0.0 {
        return;
    }
    let mut sealed = splits.iter().filter(|split| **split == Split::Sealed).count();
    for (_, at) in order.iter().rev() {
        if SEALED_LEAST <= sealed {
            break;
        }
        if let Some(split) = splits.get_mut(*at).filter(|split| **split != Split::Sealed) {
            *split = Split::Sealed;
            sealed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHARES: Shares = Shares { held_in: 0.5, held_out: 0.3, sealed: 0.2 };

    fn count(splits: &[Split], split: Split) -> usize {
        splits.iter().filter(|other| **other == split).count()
    }

    fn suite(tasks: usize, families: usize) -> Vec<(String, String)> {
        (0..tasks).map(|task| (format!("t-{task:03}"), format!("f{}", task % families.max(1)))).collect()
    }

    fn split(suite: &[(String, String)], shares: Shares) -> Vec<Split> {
        let tasks: Vec<_> = suite.iter().map(|(id, family)| (id.as_str(), family.as_str())).collect();
        seeded("7", shares, &tasks)
    }

    #[test]
    fn a_small_suite_seals_nothing_and_keeps_the_ratio() {
        let splits = split(&suite(24, 3), SHARES);
        assert_eq!((count(&splits, Split::HeldIn), count(&splits, Split::HeldOut)), (15, 9));
        assert_eq!(count(&splits, Split::Sealed), 0);
    }

    #[test]
    fn a_suite_of_forty_seals_fifteen() {
        let splits = split(&suite(40, 4), SHARES);
        assert_eq!(count(&splits, Split::Sealed), 15);
    }

    #[test]
    fn published_splits_share_no_task() {
        let suite = Published::named("terminal-bench-2").unwrap();
        assert_eq!(Split::ALL.map(|split| suite.tasks(split).len()), [43, 21, 0]);
        for split in Split::ALL {
            assert!(suite.tasks(split).is_sorted());
            assert!(suite.tasks(split).iter().all(|id| suite.split_of(id) == Some(split)));
        }
        assert_eq!(suite.split_of("chess-best-move"), None);
        assert_eq!(Published::named("nope"), None);
    }

    #[test]
    fn patterns_name_ids_or_globs() {
        assert!(TaskPattern::new("t-*").matches("t-07") && !TaskPattern::new("t-*").matches("u-07"));
        assert!(TaskPattern::new("t-07").matches("t-07") && !TaskPattern::new("t-07").is_glob());
        assert!(
            TaskPattern::new("hard/*").matches("hard/t-07") && !TaskPattern::new("*").matches("hard/t-07")
        );
    }

    proptest! {
        #[test]
        fn shares_hold_within_each_size(tasks in 0usize..300, families in 1usize..12) {
            let splits = split(&suite(tasks, families), SHARES);
            let sealed = count(&splits, Split::Sealed);
            if tasks < SEALED_FROM {
                prop_assert_eq!(sealed, 0);
            } else {
                prop_assert!(SEALED_LEAST <= sealed);
                let expected = (0.2 * tasks as f64).max(15.0);
                prop_assert!((sealed as f64 - expected).abs() < 2.0, "{} sealed of {}", sealed, tasks);
            }
        }

        #[test]
        fn the_order_of_tasks_does_not_matter(tasks in 1usize..120, families in 1usize..6) {
            let suite = suite(tasks, families);
            let mut reversed = suite.clone();
            reversed.reverse();
            let mut back = split(&reversed, SHARES);
            back.reverse();
            prop_assert_eq!(split(&suite, SHARES), back);
        }
    }
}
