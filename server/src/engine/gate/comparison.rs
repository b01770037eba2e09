//! How sure a comparison is: what is said beside every gain (`method` 5.9). It describes, and decides nothing.

use harness_schema::split::Split;

use super::ledger::{Chance, Record, Task};
use super::stage::{Course, Decision, Outcome, Stage};
use super::statistics::{Draws, Z95, fair_at_most, normal};

/// One task in both arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Passes and valid trials of the baseline.
    pub baseline: (u32, u32),
    /// Passes and valid trials of the candidate.
    pub candidate: (u32, u32),
}

impl Pair {
    fn gain(&self) -> f64 {
        rate(self.candidate) - rate(self.baseline)
    }

    /// How much the difference of the two rates varies from one run of the same trials to the next.
    fn variance(&self) -> f64 {
        let passes = self.baseline.0 + self.candidate.0;
        let valid = self.baseline.1 + self.candidate.1;
        let varies = Chance::after(passes, valid).variance;
        varies * (1.0 / f64::from(self.baseline.1) + 1.0 / f64::from(self.candidate.1))
    }

    /// Whether most of its trials passed, in each arm; `None` of a tie.
    fn majorities(&self) -> Option<(bool, bool)> {
        let majority = |(passes, valid): (u32, u32)| (2 * passes != valid).then_some(valid < 2 * passes);
        Some((majority(self.baseline)?, majority(self.candidate)?))
    }
}

fn rate((passes, valid): (u32, u32)) -> f64 {
    f64::from(passes) / f64::from(valid.max(1))
}

/// In words, how far a gain stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Nothing that noise would not do.
    Indistinct,
    /// Half a standard error and more.
    Weak,
    /// 1.28 standard errors and more.
    Moderate,
    /// 1.96 standard errors and more.
    Strong,
}

impl Strength {
    /// The word in messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Indistinct => "indistinct",
            Self::Weak => "weak",
            Self::Moderate => "moderate",
            Self::Strong => "strong",
        }
    }

    /// Of a gain in standard errors.
    #[must_use]
    pub fn of(z: f64) -> Self {
        match z {
            z if 1.96 <= z => Self::Strong,
            z if 1.28 <= z => Self::Moderate,
            z if 0.5 <= z => Self::Weak,
            _ => Self::Indistinct,
        }
    }
}

/// A baseline and a candidate that were measured on the same tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Tasks with trials of both.
    pub tasks: usize,
    /// The gain, as a share of the tasks: `0.1` is ten points.
    pub gain: f64,
    /// Its standard error on these tasks.
    pub error: f64,
    /// Tasks that mostly failed and now mostly pass.
    pub gained: u32,
    /// Tasks that mostly passed and now mostly fail.
    pub lost: u32,
}

/// The gain that is seen in four of five comparisons: so many standard errors (one-sided, 5 %).
const SEEN_ERRORS: f64 = 2.487;

/// How often tasks are drawn anew.
const BOOTSTRAP: usize = 10_000;

impl Comparison {
    /// Of pairs; `None` if no task has trials of both.
    #[must_use]
    pub fn of(pairs: &[Pair]) -> Option<Self> {
        let pairs: Vec<&Pair> = valid(pairs).collect();
        let count = pairs.len();
        (0 < count).then(|| {
            let flips = |from: bool| {
                let flips = pairs.iter().filter(|pair| pair.majorities() == Some((from, !from)));
                u32::try_from(flips.count()).unwrap_or(u32::MAX)
            };
            Self {
                tasks: count,
                gain: pairs.iter().map(|pair| pair.gain()).sum::<f64>() / count as f64,
                error: pairs.iter().map(|pair| pair.variance()).sum::<f64>().sqrt() / count as f64,
                gained: flips(false),
                lost: flips(true),
            }
        })
    }

    /// The 95 % interval of the gain on these tasks.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        (self.gain - Z95 * self.error, self.gain + Z95 * self.error)
    }

    /// The gain in standard errors.
    #[must_use]
    pub fn z(&self) -> f64 {
        self.gain / self.error.max(f64::MIN_POSITIVE)
    }

    /// How far the gain stands out.
    #[must_use]
    pub fn strength(&self) -> Strength {
        Strength::of(self.z())
    }

    /// The probability that the candidate passes more, given that the error is normal.
    #[must_use]
    pub fn chance_of_gain(&self) -> f64 {
        normal(self.z())
    }

    /// The least gain that these trials would show in four of five comparisons.
    #[must_use]
    pub fn least_seen(&self) -> f64 {
        SEEN_ERRORS * self.error
    }

    /// How many repeats would show a gain of this size; `None` if these do, or if there is no gain.
    #[must_use]
    pub fn repeats_needed(&self, repeats: u32) -> Option<u32> {
        let least = self.least_seen();
        let more = f64::from(repeats) * (least / self.gain).powi(2);
        // Beyond a million nobody asks.
        (0.0 < self.gain && self.gain < least).then(|| more.ceil().min(1e6) as u32)
    }

    /// The exact p-value of McNemar's test over the flips, two-sided: how often equal arms differ so much.
    #[must_use]
    pub fn mcnemar(&self) -> f64 {
        let all = self.gained + self.lost;
        (2.0 * fair_at_most(self.gained.min(self.lost), all)).min(1.0)
    }

    /// The same, with half the probability of what was seen (mid-p): less strict for few flips.
    #[must_use]
    pub fn mcnemar_mid(&self) -> f64 {
        let (all, least) = (self.gained + self.lost, self.gained.min(self.lost));
        let below = if least == 0 { 0.0 } else { fair_at_most(least - 1, all) };
        if all == 0 { 1.0 } else { (below + fair_at_most(least, all)).min(1.0) }
    }
}

fn valid(pairs: &[Pair]) -> impl Iterator<Item = &Pair> {
    pairs.iter().filter(|pair| 0 < pair.baseline.1 && 0 < pair.candidate.1)
}

/// The 95 % interval of the gain on new tasks like these: tasks are drawn anew, 10,000 times. `None` without tasks.
#[must_use]
pub fn on_new_tasks(pairs: &[Pair], seed: u64) -> Option<(f64, f64)> {
    let gains: Vec<f64> = valid(pairs).map(Pair::gain).collect();
    let mut draws = Draws::new(seed);
    let mut means: Vec<f64> = (0..BOOTSTRAP)
        .map(|_| {
            let drawn = (0..gains.len()).filter_map(|_| gains.get(draws.below(gains.len())));
            drawn.sum::<f64>() / gains.len().max(1) as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: usize| means.get(BOOTSTRAP * share / 1000).copied();
    if gains.is_empty() { None } else { Some((at(25)?, at(974)?)) }
}

/// The 95 % interval of one rate by Wilson (1927). Trials of one task resemble each other, so they count as many as would vary
/// so much if they did not. `None` without trials.
#[must_use]
pub fn interval_of_rate(records: &[(u32, u32)]) -> Option<(f64, f64)> {
    let records: Vec<(u32, u32)> = records.iter().copied().filter(|(_, valid)| 0 < *valid).collect();
    if records.is_empty() {
        return None;
    }
    let tasks = records.len() as f64;
    let trials: f64 = records.iter().map(|(_, valid)| f64::from(*valid)).sum();
    let mean = records.iter().map(|record| rate(*record)).sum::<f64>() / tasks;
    let within =
        records.iter().map(|(passes, valid)| Chance::after(*passes, *valid).variance).sum::<f64>() / tasks;
    let spread = mean * (1.0 - mean);
    let count = if spread == 0.0 { trials } else { trials * spread / within };
    let square = Z95 * Z95;
    let middle = (mean + square / (2.0 * count)) / (1.0 + square / count);
    let half = Z95 / (1.0 + square / count) * (spread / count + square / (4.0 * count * count)).sqrt();
    Some(((middle - half).max(0.0), (middle + half).min(1.0)))
}

/// How often the gate accepts the baseline against itself: its own trials are dealt into two arms, so many times. `None` if a
/// task has fewer than four.
#[must_use]
pub fn accepted_against_itself(
    trials: &[(Split, Vec<bool>)],
    margin: Option<f64>,
    deals: u32,
    seed: u64,
) -> Option<f64> {
    let least = trials.iter().map(|(_, outcomes)| outcomes.len()).min().filter(|least| 4 <= *least)?;
    let repeats = least / 2;
    let mut draws = Draws::new(seed);
    let mut accepted = 0_u32;
    for _ in 0..deals {
        let mut dealt: Vec<(Task, u32)> = Vec::with_capacity(trials.len());
        for (at, (split, outcomes)) in trials.iter().enumerate() {
            let mut outcomes = outcomes.clone();
            for place in (1..outcomes.len()).rev() {
                outcomes.swap(place, draws.below(place + 1));
            }
            let (candidate, baseline) = outcomes.split_at(repeats);
            let passes = |outcomes: &[bool]| {
                u32::try_from(outcomes.iter().filter(|passed| **passed).count()).unwrap_or(0)
            };
            let record = Record::of(passes(baseline), u32::try_from(baseline.len()).unwrap_or(u32::MAX));
            dealt.push((Task::new(format!("{at:06}"), *split, record), passes(candidate)));
        }
        let (tasks, passes): (Vec<Task>, Vec<u32>) = dealt.into_iter().unzip();
        let repeats = u32::try_from(repeats).unwrap_or(u32::MAX);
        let mut stage = Stage::new(tasks, repeats, margin, Course::Exhaustive);
        for (task, passes) in passes.into_iter().enumerate() {
            for repeat in 0..repeats {
                stage.start(task);
                stage.end(task, if repeat < passes { Outcome::Pass } else { Outcome::Fail });
            }
        }
        accepted += u32::from(stage.decision() == Decision::Accepted);
    }
    Some(f64::from(accepted) / f64::from(deals.max(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(baseline: (u32, u32), candidate: (u32, u32)) -> Pair {
        Pair { baseline, candidate }
    }

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
    }

    #[test]
    fn a_comparison_is_what_can_be_computed_by_hand() {
        let pairs = [pair((0, 4), (3, 4)), pair((4, 4), (4, 4)), pair((2, 4), (1, 4)), pair((3, 4), (0, 4))];
        let comparison = Comparison::of(&pairs).unwrap();
        near(comparison.gain, (0.75 + 0.0 - 0.25 - 0.75) / 4.0);
        // v of 3, 8, 3, 3 passes in 8 trials, with the prior (0.20, 0.25).
        let v = |passes: f64| (0.2 + passes) * (8.25 - passes) / (8.45 * 9.45);
        near(comparison.error, ((3.0 * v(3.0) + v(8.0)) / 2.0).sqrt() / 4.0);
        assert_eq!((comparison.tasks, comparison.gained, comparison.lost), (4, 1, 1));
        near(comparison.mcnemar(), 1.0);
        near(comparison.mcnemar_mid(), 1.0);
        assert_eq!(comparison.strength(), Strength::Indistinct);
        assert_eq!(comparison.repeats_needed(4), None);
        assert_eq!(Comparison::of(&[pair((0, 0), (1, 1))]), None);
    }

    #[test]
    fn flips_are_tested_exactly() {
        let flips = |gained, lost| Comparison { tasks: 20, gain: 0.1, error: 0.1, gained, lost };
        // 2 · (1 + 8) / 2^8; and with half of the last term.
        near(flips(7, 1).mcnemar(), 18.0 / 256.0);
        near(flips(7, 1).mcnemar_mid(), (1.0 + 9.0) / 256.0);
        near(flips(0, 0).mcnemar(), 1.0);
        near(flips(0, 0).mcnemar_mid(), 1.0);
        assert_eq!(flips(7, 1).strength(), Strength::Weak);
        // 4 · (0.2487 / 0.1)^2 = 24.7
        assert_eq!(flips(7, 1).repeats_needed(4), Some(25));
    }

    #[test]
    fn a_rate_has_an_interval() {
        let (least, most) = interval_of_rate(&[(8, 10)]).unwrap();
        assert!(least < 0.8 && 0.8 < most && most < 1.0 && 0.4 < least);
        let certain = interval_of_rate(&[(4, 4); 10]).unwrap();
        assert!(0.9 < certain.0 && certain.1 > 0.999);
        assert_eq!(interval_of_rate(&[(0, 0)]), None);
    }

    /// The interval says what happens when the same tasks are run again: it contains the true gain in about 95 % of runs
    /// (`method` 6.2).
    #[test]
    fn the_interval_contains_what_it_promises() {
        let mut draws = Draws::new(11);
        let (mut contained, runs) = (0, 3000);
        for _ in 0..runs {
            // Chances of tasks as the prior has them: a Beta by ratios of powers (Jöhnk 1964).
            let mut truth = 0.0;
            let pairs: Vec<Pair> = (0..64)
                .map(|_| {
                    let chance = loop {
                        let (a, b) = (draws.unit().powf(1.0 / 0.20), draws.unit().powf(1.0 / 0.25));
                        if 0.0 < a + b && a + b <= 1.0 {
                            break a / (a + b);
                        }
                    };
                    let better =
                        if draws.unit() < 0.1 { chance + 0.4 * (0.95 - chance).max(0.0) } else { chance };
                    truth += (better - chance) / 64.0;
                    let mut passes =
                        |chance: f64| (0..4).map(|_| u32::from(draws.unit() < chance)).sum::<u32>();
                    pair((passes(chance), 4), (passes(better), 4))
                })
                .collect();
            let (least, most) = Comparison::of(&pairs).unwrap().interval();
            contained += u32::from(least <= truth && truth <= most);
        }
        let share = f64::from(contained) / f64::from(runs);
        assert!((0.935..0.965).contains(&share), "{share}");
    }

    #[test]
    fn new_tasks_vary_more_than_the_same_ones() {
        let pairs: Vec<Pair> =
            (0..40).map(|at| if at % 4 == 0 { pair((0, 8), (8, 8)) } else { pair((8, 8), (8, 8)) }).collect();
        let same = Comparison::of(&pairs).unwrap().interval();
        let new = on_new_tasks(&pairs, 1).unwrap();
        assert!(new.0 < 0.25 && 0.25 < new.1 && same.1 - same.0 < new.1 - new.0, "{same:?} {new:?}");
        assert_eq!(on_new_tasks(&pairs, 1), Some(new));
        assert_eq!(on_new_tasks(&[], 1), None);
    }

    #[test]
    fn the_gate_seldom_accepts_the_baseline_against_itself_with_a_margin() {
        let trials: Vec<(Split, Vec<bool>)> = (0..40)
            .map(|at| {
                let split = if at % 3 == 0 { Split::HeldOut } else { Split::HeldIn };
                (split, (0..8).map(|trial| at % 5 == 0 && trial % 2 == 0 || at % 5 == 1).collect())
            })
            .collect();
        let plain = accepted_against_itself(&trials, None, 2000, 5).unwrap();
        let strict = accepted_against_itself(&trials, Some(0.5), 2000, 5).unwrap();
        assert!(0.1 < plain && plain < 0.5 && strict < plain, "{plain} {strict}");
        assert_eq!(accepted_against_itself(&[(Split::HeldIn, vec![true; 3])], None, 10, 1), None);
    }

    proptest! {
        /// What is said of two arms says the opposite of them exchanged.
        #[test]
        fn arms_can_be_exchanged(pairs in proptest::collection::vec((0_u32..9, 1_u32..9, 0_u32..9, 1_u32..9), 1..30)) {
            let pairs: Vec<Pair> = pairs.into_iter().map(|(k, n, c, r)| pair((k.min(n), n), (c.min(r), r))).collect();
            let other: Vec<Pair> = pairs.iter().map(|one| pair(one.candidate, one.baseline)).collect();
            let (one, other) = (Comparison::of(&pairs).unwrap(), Comparison::of(&other).unwrap());
            prop_assert!((one.gain + other.gain).abs() < 1e-9 && (one.error - other.error).abs() < 1e-9);
            prop_assert_eq!((one.gained, one.lost), (other.lost, other.gained));
            prop_assert!((one.mcnemar() - other.mcnemar()).abs() < 1e-12);
            prop_assert!(one.mcnemar_mid() <= one.mcnemar() + 1e-12);
            let (least, most) = one.interval();
            prop_assert!(least <= one.gain && one.gain <= most && one.gain.abs() <= 1.0);
        }
    }
}
